//! Schemes by name: `he_normal(1.5)`.

use std::fmt;
use std::str::FromStr;

use super::Init;
use crate::{ConfigError, name};

/// Names as parsed.
const NAMES: [&str; 8] = [
    "zeros",
    "xavier_uniform",
    "xavier_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
];

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Zeros => "zeros",
            Self::XavierUniform { .. } => "xavier_uniform",
            Self::XavierNormal { .. } => "xavier_normal",
            Self::HeUniform { .. } => "he_uniform",
            Self::HeNormal { .. } => "he_normal",
            Self::LecunUniform => "lecun_uniform",
            Self::LecunNormal => "lecun_normal",
            Self::Orthogonal { .. } => "orthogonal",
        };
        match self.gain() {
            Some(gain) => write!(f, "{name}({gain})"),
            None => f.write_str(name),
        }
    }
}

impl FromStr for Init {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        const FIELD: &str = "init";
        let (name, gain) = name::parse(FIELD, text)?;
        let init = match name.as_str() {
            "xavier_uniform" => Self::XavierUniform { gain: gain.unwrap_or(1.0) },
            "xavier_normal" => Self::XavierNormal { gain: gain.unwrap_or(1.0) },
            "he_uniform" => Self::HeUniform { gain: gain.unwrap_or(2f64.sqrt()) },
            "he_normal" => Self::HeNormal { gain: gain.unwrap_or(2f64.sqrt()) },
            "orthogonal" => Self::Orthogonal { gain: gain.unwrap_or(1.0) },
            "zeros" | "lecun_uniform" | "lecun_normal" if gain.is_some() => {
                return Err(ConfigError::new(FIELD, format!("{name} has no gain, got {text}")));
            }
            "zeros" => Self::Zeros,
            "lecun_uniform" => Self::LecunUniform,
            "lecun_normal" => Self::LecunNormal,
            other => return Err(name::unknown(FIELD, other, &NAMES)),
        };
        init.validate().map_err(|error| error.within(FIELD))?;
        Ok(init)
    }
}

impl TryFrom<String> for Init {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl From<Init> for String {
    fn from(init: Init) -> Self {
        init.to_string()
    }
}
