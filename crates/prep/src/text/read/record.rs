//! A row of named values.

use std::path::Path;
use std::sync::Arc;

use crate::{Error, Problem};

/// A value of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(f64),
    Bool(bool),
    Missing,
}

impl Value {
    fn kind(&self) -> String {
        match self {
            Self::Text(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
            Self::Number(number) => format!("the number {number}"),
            Self::Bool(value) => value.to_string(),
            Self::Missing => "nothing".to_owned(),
        }
    }
}

/// One row of a table: the columns that were asked for, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub(super) origin: Arc<Origin>,
    pub(super) line: u64,
    pub(super) values: Vec<Value>,
}

/// Where records come from.
#[derive(Debug, PartialEq)]
pub(super) struct Origin {
    pub(super) path: Box<Path>,
    pub(super) columns: Vec<String>,
}

impl Record {
    /// The line it begins on, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The text in a column.
    ///
    /// # Errors
    ///
    /// [`Error::File`] naming line and column when it holds something else, [`Error::Argument`] for a column
    /// that was not asked for.
    pub fn text(&self, column: &str) -> Result<&str, Error> {
        match self.value(column)? {
            Value::Text(text) => Ok(text),
            other => Err(self.error(column, "a text", other)),
        }
    }

    /// The number in a column: a JSON number, or a text that is one.
    ///
    /// # Errors
    ///
    /// [`Error::File`] naming line and column when it holds something else or no finite number,
    /// [`Error::Argument`] for a column that was not asked for.
    pub fn number(&self, column: &str) -> Result<f64, Error> {
        let value = self.value(column)?;
        let number = match value {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| number.is_finite()).ok_or_else(|| self.error(column, "a finite number", value))
    }

    /// The label in a column: a text, a whole number or a truth value, as text.
    ///
    /// # Errors
    ///
    /// [`Error::File`] naming line and column when it is missing, empty or a fraction, [`Error::Argument`]
    /// for a column that was not asked for.
    pub fn label(&self, column: &str) -> Result<String, Error> {
        match self.value(column)? {
            Value::Text(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Ok(format!("{number:.0}"))
            }
            Value::Bool(value) => Ok(value.to_string()),
            other => Err(self.error(column, "a label: a word or a whole number", other)),
        }
    }

    fn value(&self, column: &str) -> Result<&Value, Error> {
        let place = self.origin.columns.iter().position(|name| name == column);
        place.and_then(|place| self.values.get(place)).ok_or_else(|| {
            Error::argument(
                "column",
                format_args!("one of {:?}", self.origin.columns),
                format_args!("{column:?}"),
            )
        })
    }

    fn error(&self, column: &str, expected: &str, found: &Value) -> Error {
        let expected = format!("{expected} in `{column}`");
        Error::file(&self.origin.path, Problem::Line { line: self.line, expected, found: found.kind() })
    }
}
