//! Activations by name: `leaky_relu(0.2)`.

use std::fmt;
use std::str::FromStr;

use super::Activation;
use crate::{ConfigError, name};

/// Names as parsed, in the order of the table.
const NAMES: [&str; 19] = [
    "linear",
    "relu",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "sigmoid",
    "tanh",
    "softmax",
    "gelu",
    "gelu_tanh",
    "silu",
    "mish",
    "softplus",
    "hard_sigmoid",
    "hard_tanh",
    "hard_swish",
    "glu",
    "swiglu",
];

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parameter() {
            Some(parameter) => write!(f, "{}({parameter})", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

impl FromStr for Activation {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        const FIELD: &str = "activation";
        let (name, parameter) = name::parse(FIELD, text)?;
        let name = match name.as_str() {
            "identity" => "linear",
            "swish" => "silu",
            other => other,
        };
        let default = Self::ALL.into_iter().find(|activation| activation.name() == name);
        let Some(default) = default else {
            return Err(name::unknown(FIELD, name, &NAMES));
        };
        let activation = match (default, parameter) {
            (activation, None) => activation,
            (Self::LeakyRelu { .. }, Some(slope)) => Self::LeakyRelu { slope },
            (Self::Prelu { .. }, Some(slope)) => Self::Prelu { slope },
            (Self::Elu { .. }, Some(alpha)) => Self::Elu { alpha },
            (Self::Softplus { .. }, Some(beta)) => Self::Softplus { beta },
            (_, Some(value)) => {
                return Err(ConfigError::new(FIELD, format!("{name} has no parameter, got {value}")));
            }
        };
        activation.validate().map_err(|error| error.within(FIELD))?;
        Ok(activation)
    }
}

impl TryFrom<String> for Activation {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl From<Activation> for String {
    fn from(activation: Activation) -> Self {
        activation.to_string()
    }
}
