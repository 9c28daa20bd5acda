//! From settings to an optimiser: what every page does in the same words.

/// `build` for settings that are all the optimiser needs.
macro_rules! build_from_settings {
    ($config:ident => $optimizer:ident) => {
        impl $config {
            /// The update of one tensor, for [`ModuleOptimizer::with_group`](burn::optim::ModuleOptimizer::with_group).
            ///
            /// # Errors
            ///
            /// [`ConfigError`](crate::ConfigError) as from [`validate`](Self::validate).
            pub fn build(&self) -> Result<$optimizer, crate::ConfigError> {
                self.validate()?;
                Ok($optimizer { config: self.clone() })
            }
        }
    };
}
pub(crate) use build_from_settings;

/// `init` for settings that have `build`.
macro_rules! init_from_build {
    ($config:ident) => {
        impl $config {
            /// An optimiser for a whole module.
            ///
            /// # Errors
            ///
            /// [`ConfigError`](crate::ConfigError) as from [`validate`](Self::validate).
            pub fn init(&self) -> Result<burn::optim::ModuleOptimizer, crate::ConfigError> {
                Ok(self.build()?.into())
            }
        }
    };
}
pub(crate) use init_from_build;
