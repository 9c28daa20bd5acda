//! An object a line.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};

use super::record::{Origin, Value};
use super::{Lines, Record};
use crate::{Error, Limits, Problem, json};

/// The records of a JSON Lines file, one at a time: an object a line, of which named fields are kept. Empty
/// lines are passed over.
///
/// A field that is absent or null is *missing* and refused by the record when it is asked for. A list or an
/// object in a wanted field, a name that occurs twice in an object and nesting beyond `limits.json_nesting`
/// are refused here.
///
/// ```
/// use fornax_prep::{Limits, text::JsonLines};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("reviews.jsonl");
/// std::fs::write(&path, "{\"id\": 1, \"review\": \"Good\", \"stars\": 5}\n{\"review\": \"Bad\"}\n").unwrap();
///
/// let mut records = JsonLines::open(&path, ["review", "stars"], &Limits::default())?;
/// let first = records.next().unwrap()?;
/// assert_eq!((first.text("review")?, first.number("stars")?), ("Good", 5.0));
/// let error = records.next().unwrap()?.number("stars").unwrap_err().to_string();
/// assert!(error.ends_with("line 2: expected a finite number in `stars`; found nothing"), "{error}");
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug)]
pub struct JsonLines {
    lines: Lines,
    limits: Limits,
    origin: Arc<Origin>,
    done: bool,
}

impl JsonLines {
    /// Opens a file of which these fields are kept.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when it cannot be read, [`Error::Argument`] for no fields.
    pub fn open<S: Into<String>>(
        path: &Path,
        fields: impl IntoIterator<Item = S>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let columns: Vec<String> = fields.into_iter().map(Into::into).collect();
        if columns.is_empty() {
            return Err(Error::argument("fields", "at least one field", "none"));
        }
        let origin = Arc::new(Origin { path: path.into(), columns });
        Ok(Self { lines: Lines::open(path, limits)?, limits: *limits, origin, done: false })
    }

    fn read(&mut self) -> Result<Option<Record>, Error> {
        loop {
            let Some(text) = self.lines.advance()? else { return Ok(None) };
            if text.trim_ascii().is_empty() {
                continue;
            }
            let nesting = json::check_nesting(text.as_bytes(), &self.limits);
            let wanted = Wanted { columns: &self.origin.columns };
            let mut parser = serde_json::Deserializer::from_str(text);
            let read = wanted.deserialize(&mut parser).and_then(|values| parser.end().map(|()| values));
            let line = self.lines.number();
            if let Err(problem) = nesting {
                let found = match problem {
                    Problem::OverLimit { found, .. } => found.to_string(),
                    other => other.to_string(),
                };
                let allowed = json::deepest(&self.limits);
                let expected = format!("nesting of at most {allowed} (limit `json_nesting`)");
                return Err(self.lines.error(line, expected, found));
            }
            let values = read.map_err(|error| {
                // Positions are the line's, which is named already.
                let reason = error.to_string();
                let reason = reason.replacen(" at line 1 column", " at column", 1);
                self.lines.error(line, "an object in JSON", reason)
            })?;
            return Ok(Some(Record { origin: Arc::clone(&self.origin), line, values }));
        }
    }
}

impl Iterator for JsonLines {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let record = self.read().transpose();
        self.done = !matches!(record, Some(Ok(_)));
        record
    }
}

/// The values of wanted fields; everything else is skipped without being built.
struct Wanted<'a> {
    columns: &'a [String],
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Vec<Value>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error as _;

        let mut values: Vec<Option<Value>> = vec![None; self.columns.len()];
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let mut places = (0..self.columns.len()).filter(|&place| self.columns[place] == name);
            let Some(first) = places.next() else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if values[first].is_some() {
                return Err(A::Error::custom(format_args!("the field `{name}` twice")));
            }
            let value = map.next_value_seed(Scalar { name: &name })?;
            // A field may be asked for twice.
            places.for_each(|place| values[place] = Some(value.clone()));
            values[first] = Some(value);
        }
        Ok(values.into_iter().map(|value| value.unwrap_or(Value::Missing)).collect())
    }
}

/// A value that is neither list nor object.
struct Scalar<'a> {
    name: &'a str,
}

impl<'de> DeserializeSeed<'de> for Scalar<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text, a number or a truth value in `{}`", self.name)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Missing)
    }
}
