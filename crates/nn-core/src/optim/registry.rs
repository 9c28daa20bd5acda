//! Optimisers as data: by name, from JSON, from a command line.

use std::fmt;
use std::str::FromStr;

use burn::module::ParamGroup;
use burn::optim::ModuleOptimizer;
use serde::{Deserialize, Serialize};

use super::{
    AdaDeltaConfig, AdaGradConfig, AdamConfig, AdamWConfig, AdamaxConfig, LionConfig, NadamConfig,
    RAdamConfig, RmsPropConfig, SgdConfig,
};
use crate::ConfigError;

/// How many examples a step's gradient is taken over: all that sets the first three names apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sampling {
    /// All of them: deterministic, one step per pass over the data.
    FullBatch,
    /// One, drawn at random.
    Single,
    /// A few, drawn at random; as many as the program's batch size says.
    MiniBatch,
}

macro_rules! optimizers {
    ($($(#[$doc:meta])* $kind:ident($config:ty) = $default:expr, $name:literal, $lr:literal;)*) => {
        /// An optimiser by name.
        ///
        /// Parsing ignores case and takes `-` and spaces for `_`; `gd`, `nag` and `mini_batch` are understood too.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[non_exhaustive]
        pub enum OptimizerKind {
            $($(#[$doc])* $kind,)*
        }

        impl OptimizerKind {
            /// All of them, in the order of the [module page](super).
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The name, as configurations and command lines spell it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// A learning rate to begin with: PyTorch's default for the optimiser, Keras' 0.01 for those that step by
            /// the bare gradient (PyTorch's 0.001 suits few problems), the paper's for Lion.
            pub fn default_lr(self) -> f64 {
                match self { $(Self::$kind => $lr,)* }
            }

            /// Its default settings.
            pub fn config(self) -> OptimizerConfig {
                match self { $(Self::$kind => OptimizerConfig::$kind($default),)* }
            }
        }

        /// An optimiser with its settings; as JSON an object whose `name` says which, beside the settings' fields.
        ///
        /// ```
        /// use fornax_nn_core::config::{from_json, to_json};
        /// use fornax_nn_core::optim::{OptimizerConfig, OptimizerKind};
        ///
        /// let config: OptimizerConfig = from_json(r#"{"name": "lion", "beta_1": 0.95, "beta_2": 0.98, "weight_decay": 1.0}"#)?;
        /// assert_eq!(config.kind(), OptimizerKind::Lion);
        /// assert_eq!(from_json::<OptimizerConfig>(&to_json(&config)?)?, config);
        /// # Ok::<(), fornax_nn_core::ConfigError>(())
        /// ```
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name")]
        #[non_exhaustive]
        pub enum OptimizerConfig {
            $($(#[$doc])* #[serde(rename = $name)] $kind($config),)*
        }

        impl OptimizerConfig {
            /// Which optimiser it is.
            pub fn kind(&self) -> OptimizerKind {
                match self { $(Self::$kind(_) => OptimizerKind::$kind,)* }
            }

            /// Checks every field.
            ///
            /// # Errors
            ///
            /// [`ConfigError`] naming the first field that cannot be used.
            pub fn validate(&self) -> Result<(), ConfigError> {
                match self { $(Self::$kind(config) => config.validate(),)* }
            }

            /// An optimiser for a whole module.
            ///
            /// # Errors
            ///
            /// [`ConfigError`] as from [`validate`](Self::validate).
            pub fn init(&self) -> Result<ModuleOptimizer, ConfigError> {
                match self { $(Self::$kind(config) => config.init(),)* }
            }

            /// Lets this optimiser take over the parameters of `group` from `optimizer`.
            ///
            /// # Errors
            ///
            /// [`ConfigError`] as from [`validate`](Self::validate).
            pub fn add_to(&self, optimizer: ModuleOptimizer, group: ParamGroup) -> Result<ModuleOptimizer, ConfigError> {
                Ok(match self { $(Self::$kind(config) => optimizer.with_group(group, config.build()?, None),)* })
            }
        }
    };
}

optimizers! {
    /// [Gradient descent](super::sgd) on all data at once.
    GradientDescent(SgdConfig) = SgdConfig::new(), "gradient_descent", 0.01;
    /// [Stochastic gradient descent](super::sgd), one example a step.
    Sgd(SgdConfig) = SgdConfig::new(), "sgd", 0.01;
    /// [Mini-batch SGD](super::sgd).
    MiniBatchSgd(SgdConfig) = SgdConfig::new(), "mini_batch_sgd", 0.01;
    /// [SGD with momentum](super::sgd).
    Momentum(SgdConfig) = SgdConfig::momentum(), "momentum", 0.01;
    /// [Nesterov's accelerated gradient](super::sgd).
    Nesterov(SgdConfig) = SgdConfig::nesterov(), "nesterov", 0.01;
    /// [AdaGrad](super::adagrad).
    AdaGrad(AdaGradConfig) = AdaGradConfig::new(), "adagrad", 0.01;
    /// [AdaDelta](super::adadelta).
    AdaDelta(AdaDeltaConfig) = AdaDeltaConfig::new(), "adadelta", 1.0;
    /// [RMSProp](super::rmsprop).
    RmsProp(RmsPropConfig) = RmsPropConfig::new(), "rmsprop", 0.01;
    /// [Adam](super::adam).
    Adam(AdamConfig) = AdamConfig::new(), "adam", 0.001;
    /// [Nadam](super::nadam).
    Nadam(NadamConfig) = NadamConfig::new(), "nadam", 0.002;
    /// [AdamW](super::adam).
    AdamW(AdamWConfig) = AdamWConfig::new(), "adamw", 0.001;
    /// [RAdam](super::radam).
    RAdam(RAdamConfig) = RAdamConfig::new(), "radam", 0.001;
    /// [Adamax](super::adamax).
    Adamax(AdamaxConfig) = AdamaxConfig::new(), "adamax", 0.002;
    /// [Lion](super::lion).
    Lion(LionConfig) = LionConfig::new(), "lion", 0.0001;
}

impl OptimizerKind {
    /// Over how many examples its gradient is meant to be taken.
    pub fn sampling(self) -> Sampling {
        match self {
            Self::GradientDescent => Sampling::FullBatch,
            Self::Sgd => Sampling::Single,
            _ => Sampling::MiniBatch,
        }
    }
}

impl fmt::Display for OptimizerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<OptimizerKind> for String {
    fn from(kind: OptimizerKind) -> Self {
        kind.name().to_owned()
    }
}

impl TryFrom<String> for OptimizerKind {
    type Error = ConfigError;

    fn try_from(name: String) -> Result<Self, ConfigError> {
        name.parse()
    }
}

impl FromStr for OptimizerKind {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let name = text.trim().to_lowercase().replace(['-', ' '], "_");
        let name = match name.as_str() {
            "gd" => "gradient_descent",
            "nag" => "nesterov",
            "mini_batch" => "mini_batch_sgd",
            name => name,
        };
        if let Some(kind) = Self::ALL.iter().find(|kind| kind.name() == name) {
            return Ok(*kind);
        }
        let nearest = Self::ALL.iter().map(|kind| (edits(name, kind.name()), kind.name())).min();
        let hint = match nearest {
            Some((distance, nearest)) if distance <= 3 && distance < name.chars().count() => {
                format!("did you mean {nearest}? ")
            }
            _ => String::new(),
        };
        let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
        let reason = format!("unknown optimiser {text:?}: {hint}known are {}", known.join(", "));
        Err(ConfigError::new("optimizer", reason))
    }
}

/// Levenshtein's distance: the fewest characters to insert, delete or replace.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{from_json, to_json};

    #[test]
    fn every_name_leads_to_its_kind_and_back() {
        for &kind in OptimizerKind::ALL {
            assert_eq!(kind.name().parse::<OptimizerKind>().unwrap(), kind);
            assert_eq!(kind.config().kind(), kind);
            let text = to_json(&kind.config()).unwrap();
            assert_eq!(from_json::<OptimizerConfig>(&text).unwrap(), kind.config(), "{text}");
            assert_eq!(to_json(&kind).unwrap(), format!("{:?}", kind.name()));
            kind.config().init().unwrap();
        }
        for (alias, kind) in [
            ("GD", OptimizerKind::GradientDescent),
            (" Mini-Batch SGD ", OptimizerKind::MiniBatchSgd),
            ("NAG", OptimizerKind::Nesterov),
            ("AdamW", OptimizerKind::AdamW),
        ] {
            assert_eq!(alias.parse::<OptimizerKind>().unwrap(), kind);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones_and_suggests_the_nearest() {
        for (typed, suggested) in
            [("adm", "adam"), ("rms_prop", "rmsprop"), ("nesterow", "nesterov"), ("Lyon", "lion")]
        {
            let error = typed.parse::<OptimizerKind>().unwrap_err();
            assert_eq!(error.field, "optimizer");
            assert!(error.reason.contains(&format!("did you mean {suggested}?")), "{error}");
            assert!(error.reason.contains("adadelta, rmsprop"), "{error}");
        }
        for typed in ["", "x", "something else entirely"] {
            let error = typed.parse::<OptimizerKind>().unwrap_err();
            assert!(!error.reason.contains("did you mean"), "{error}");
        }
    }

    #[test]
    fn an_unknown_field_or_name_in_json_is_an_error() {
        let mut text = to_json(&OptimizerKind::Adam.config()).unwrap();
        text = text.replace("beta_1", "beta1");
        assert!(from_json::<OptimizerConfig>(&text).unwrap_err().to_string().contains("beta_1"));
        let text = r#"{"name": "sgd", "momentum": 0.0, "dampening": 0.0, "nesterov": false, "weight_decay": 0.0, "lr": 1}"#;
        assert_eq!(from_json::<OptimizerConfig>(text).unwrap_err().field, "lr");
        assert!(from_json::<OptimizerConfig>(r#"{"name": "adams"}"#).is_err());
    }

    #[test]
    fn every_bad_setting_is_named_by_its_field() {
        let bad: Vec<(&str, OptimizerConfig)> = vec![
            ("momentum", OptimizerConfig::Momentum(SgdConfig::new().with_momentum(1.0))),
            ("dampening", OptimizerConfig::Momentum(SgdConfig::momentum().with_dampening(-0.1))),
            ("nesterov", OptimizerConfig::Nesterov(SgdConfig::new().with_nesterov(true))),
            ("weight_decay", OptimizerConfig::Sgd(SgdConfig::new().with_weight_decay(-1.0))),
            ("lr_decay", OptimizerConfig::AdaGrad(AdaGradConfig::new().with_lr_decay(f64::NAN))),
            ("epsilon", OptimizerConfig::AdaGrad(AdaGradConfig::new().with_epsilon(0.0))),
            ("rho", OptimizerConfig::AdaDelta(AdaDeltaConfig::new().with_rho(-0.5))),
            ("epsilon", OptimizerConfig::AdaDelta(AdaDeltaConfig::new().with_epsilon(1e-60))),
            ("alpha", OptimizerConfig::RmsProp(RmsPropConfig::new().with_alpha(f64::NAN))),
            ("momentum", OptimizerConfig::RmsProp(RmsPropConfig::new().with_momentum(1.5))),
            ("beta_1", OptimizerConfig::Adam(AdamConfig::new().with_beta_1(1.0))),
            ("beta_2", OptimizerConfig::AdamW(AdamWConfig::new().with_beta_2(-0.001))),
            ("weight_decay", OptimizerConfig::AdamW(AdamWConfig::new().with_weight_decay(f64::INFINITY))),
            ("momentum_decay", OptimizerConfig::Nadam(NadamConfig::new().with_momentum_decay(-1.0))),
            ("beta_2", OptimizerConfig::RAdam(RAdamConfig::new().with_beta_2(1.0))),
            ("epsilon", OptimizerConfig::Adamax(AdamaxConfig::new().with_epsilon(f64::INFINITY))),
            ("beta_1", OptimizerConfig::Lion(LionConfig::new().with_beta_1(2.0))),
        ];
        for (field, config) in bad {
            assert_eq!(config.validate().unwrap_err().field, field, "{config:?}");
            assert_eq!(config.init().err().map(|error| error.field).as_deref(), Some(field), "{config:?}");
        }
    }

    #[test]
    fn distance_counts_single_edits() {
        assert_eq!(edits("", "adam"), 4);
        assert_eq!(edits("adam", "adam"), 0);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
