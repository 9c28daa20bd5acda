//! Configuration as plain data: strict JSON in, JSON out, errors that name the field.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

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
    fn broken_text_is_located() {
        let error = from_json::<Outer>("{\"width\": 4,\n oops").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
