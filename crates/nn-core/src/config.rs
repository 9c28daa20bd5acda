//! Configuration as plain data: strict JSON in, JSON out, errors that name the field.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The largest configuration file that is read: a thousand times what any of ours needs.
const MAX_BYTES: u64 = 1 << 20;

/// A setting that cannot be used, named by its field.
///
/// ```
/// use fornax_nn_core::ConfigError;
///
/// let error = ConfigError::new("dropout", "must lie in [0, 1), got 1.5");
/// assert_eq!(error.to_string(), "dropout: must lie in [0, 1), got 1.5");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The field, as it is spelled in the configuration; a dotted path when nested.
    pub field: String,
    /// What was expected and what was there.
    pub reason: String,
}

impl ConfigError {
    /// An error about `field`.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// The same error, seen from a configuration that holds the faulty one under `parent`.
    #[must_use]
    pub fn within(mut self, parent: &str) -> Self {
        self.field = format!("{parent}.{}", self.field);
        self
    }
}

/// None of the named sizes may be zero.
///
/// ```
/// use fornax_nn_core::config::at_least_one;
///
/// assert_eq!(at_least_one(&[("layers", 2), ("units", 0)]).unwrap_err().to_string(), "units: must be at least 1, got 0");
/// ```
///
/// # Errors
///
/// [`ConfigError`] naming the first that is.
pub fn at_least_one(sizes: &[(&str, usize)]) -> Result<(), ConfigError> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((field, _)) => Err(ConfigError::new(*field, "must be at least 1, got 0")),
        None => Ok(()),
    }
}

/// A rate, a scale, a deviation: above zero.
///
/// # Errors
///
/// [`ConfigError`] naming the field when the value is zero, negative, infinite or NaN.
pub fn positive(field: &str, value: f64) -> Result<(), ConfigError> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(ConfigError::new(field, format!("must be positive and finite, got {value}")))
}

/// A probability of dropping something, or a factor by which something fades: in [0, 1).
///
/// # Errors
///
/// [`ConfigError`] naming the field when the value lies elsewhere.
pub fn below_one(field: &str, value: f64) -> Result<(), ConfigError> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(field, format!("must lie in [0, 1), got {value}")))
}

/// A share, a discount, a rate of mixing: in [0, 1].
///
/// # Errors
///
/// [`ConfigError`] naming the field when the value lies elsewhere.
pub fn unit_interval(field: &str, value: f64) -> Result<(), ConfigError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(field, format!("must lie in [0, 1], got {value}")))
}

/// Reads a configuration from JSON and refuses fields it does not know.
///
/// Burn's `#[derive(Config)]` and serde both pass over unknown fields in silence, so that a
/// misspelt `"droput": 0.5` trains a network without dropout. Here it is an error.
///
/// # Errors
///
/// [`ConfigError`] naming the unknown, missing or ill-typed field; text that is no JSON at all is
/// reported with its line and column.
pub fn from_json<C: Serialize + DeserializeOwned>(text: &str) -> Result<C, ConfigError> {
    let given: Value =
        serde_json::from_str(text).map_err(|error| ConfigError::new("(whole text)", error.to_string()))?;
    let config: C = serde_json::from_value(given.clone())
        .map_err(|error| ConfigError::new("(whole text)", error.to_string()))?;
    let known =
        serde_json::to_value(&config).map_err(|error| ConfigError::new("(whole text)", error.to_string()))?;
    refuse_unknown(&given, &known, "")?;
    Ok(config)
}

/// Reads a configuration file; see [`from_json`].
///
/// # Errors
///
/// [`ConfigError`] whose field begins with the file's name: the file cannot be read, is larger than 1 MiB, is no
/// UTF-8, or its text is refused by [`from_json`].
pub fn read<C: Serialize + DeserializeOwned>(path: impl AsRef<Path>) -> Result<C, ConfigError> {
    let path = path.as_ref();
    let file = |reason: String| ConfigError::new(path.display().to_string(), reason);
    let mut text = String::new();
    let opened = File::open(path).map_err(|error| file(error.to_string()))?;
    opened.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| file(error.to_string()))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(file(format!("larger than {MAX_BYTES} bytes, which no configuration is")));
    }
    from_json(&text).map_err(|ConfigError { field, reason }| {
        ConfigError::new(format!("{}: {field}", path.display()), reason)
    })
}

/// Writes a configuration as indented JSON.
///
/// # Errors
///
/// [`ConfigError`] when a value has no JSON form (a map with keys that are no strings).
pub fn to_json<C: Serialize>(config: &C) -> Result<String, ConfigError> {
    serde_json::to_string_pretty(config).map_err(|error| ConfigError::new("(whole text)", error.to_string()))
}

/// Whatever survived the round trip is known; what did not was ignored while reading.
fn refuse_unknown(given: &Value, known: &Value, path: &str) -> Result<(), ConfigError> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (key, value) in given {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match known.get(key) {
                    Some(known) => refuse_unknown(value, known, &path)?,
                    None => {
                        let fields: Vec<&str> = known.keys().map(String::as_str).collect();
                        let reason = format!("unknown field; known here: {}", fields.join(", "));
                        return Err(ConfigError::new(path, reason));
                    }
                }
            }
            Ok(())
        }
        (Value::Array(given), Value::Array(known)) => given
            .iter()
            .zip(known)
            .enumerate()
            .try_for_each(|(i, (given, known))| refuse_unknown(given, known, &format!("{path}[{i}]"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::config::Config;
    use burn::nn::DropoutConfig;

    #[derive(Config, Debug, PartialEq)]
    struct Inner {
        #[config(default = 3)]
        size: usize,
    }

    #[derive(Config, Debug)]
    struct Outer {
        width: usize,
        inner: Inner,
        dropout: Option<DropoutConfig>,
    }

    #[test]
    fn round_trip_is_the_identity() {
        let config = Outer::new(4, Inner::new().with_size(7)).with_dropout(Some(DropoutConfig::new(0.5)));
        let text = to_json(&config).unwrap();
        let back: Outer = from_json(&text).unwrap();
        assert_eq!(to_json(&back).unwrap(), text);
    }

    #[test]
    fn an_unknown_field_is_named_with_its_path() {
        let error = from_json::<Outer>(r#"{"width": 4, "inner": {"size": 1, "sise": 2}, "dropout": null}"#)
            .unwrap_err();
        assert_eq!(error.field, "inner.sise");
        assert!(error.reason.contains("known here: size"), "{error}");
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = from_json::<Outer>(r#"{"inner": {"size": 1}}"#).unwrap_err();
        assert!(error.to_string().contains("width"), "{error}");
    }

    #[test]
    fn malformed_files_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.json");
        let deep = "[".repeat(10_000);
        let large = format!("{{\"width\": 1{}", " ".repeat(2 << 20));
        let cases: [(&str, &[u8], &str); 14] = [
            ("empty", b"", "EOF"),
            ("truncated", br#"{"width": 4, "inner": {"si"#, "EOF"),
            ("no object", b"[4]", "invalid"),
            (
                "text instead of a number",
                br#"{"width": "four", "inner": {}, "dropout": null}"#,
                "invalid type",
            ),
            ("negative", br#"{"width": -4, "inner": {}, "dropout": null}"#, "invalid value"),
            ("fraction", br#"{"width": 4.5, "inner": {}, "dropout": null}"#, "invalid type"),
            ("too large a number", br#"{"width": 1e30, "inner": {}, "dropout": null}"#, "invalid type"),
            ("not a number", br#"{"width": NaN, "inner": {}}"#, "line 1"),
            ("missing field", br#"{"inner": {"size": 1}}"#, "width"),
            ("unknown field", br#"{"widht": 4, "width": 4, "inner": {"size": 1}}"#, "widht"),
            ("unknown nested field", br#"{"width": 4, "inner": {"size": 1, "x": 0}}"#, "inner.x"),
            ("trailing text", br#"{"width": 4, "inner": {"size": 1}} more"#, "trailing"),
            ("not UTF-8", b"{\"width\": 4, \"\xff\": 1}", "UTF-8"),
            ("nested without end", deep.as_bytes(), "recursion"),
        ];
        for (case, bytes, reason) in cases {
            std::fs::write(&path, bytes).unwrap();
            let error = read::<Outer>(&path).unwrap_err().to_string();
            assert!(error.contains("model.json"), "{case}: {error}");
            assert!(error.contains(reason), "{case}: {error}");
        }
        std::fs::write(&path, large).unwrap();
        assert!(read::<Outer>(&path).unwrap_err().to_string().contains("larger than"));
        std::fs::remove_file(&path).unwrap();
        assert!(read::<Outer>(&path).unwrap_err().to_string().contains("model.json"));
        assert!(read::<Outer>(folder.path()).is_err(), "a folder is no configuration");
    }

    #[test]
    fn broken_text_is_located() {
        let error = from_json::<Outer>("{\"width\": 4,\n oops").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
