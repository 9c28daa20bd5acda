//! What can be wrong with an environment, its actions and its observations.

use fornax_nn_core::ConfigError;

/// A problem with an environment or with how it is used; every message names the environment or the setting.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    /// There is no environment of that name.
    #[error("unknown environment {name:?}{suggestion} (known: {})", known.join(", "))]
    UnknownEnv {
        /// The name asked for.
        name: String,
        /// `; did you mean …?`, or empty.
        suggestion: String,
        /// Every name there is.
        known: Vec<String>,
    },
    /// The action does not belong to the action space.
    #[error("{env}: action {found}, expected {expected}")]
    InvalidAction {
        /// The environment.
        env: String,
        /// The action space in words.
        expected: String,
        /// The action.
        found: String,
    },
    /// `step` without a `reset` before it: at the very beginning, or after the end of an episode.
    #[error(
        "{env}: step without an episode; call reset at the beginning and after each terminated or truncated"
    )]
    NeedsReset {
        /// The environment.
        env: String,
    },
    /// A buffer does not have the length that the spaces say.
    #[error("{env}: {what} has {found} values, expected {expected}")]
    Size {
        /// The environment.
        env: String,
        /// Which buffer.
        what: &'static str,
        /// Its length by the spaces.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// An environment produced NaN or infinity.
    #[error("{env}: environment {index} gave {value} as {what} at its step {step}")]
    NonFinite {
        /// The environment.
        env: String,
        /// Its place in the vector, 0 when it stands alone.
        index: usize,
        /// `observation` or `reward`.
        what: &'static str,
        /// NaN or an infinity.
        value: f64,
        /// Steps since the last reset with a seed; 0 is the observation after the reset itself.
        step: u64,
    },
    /// A space that contains nothing or contradicts itself.
    #[error("space: {0}")]
    InvalidSpace(String),
    /// Environments of one vector differ.
    #[error("environment {index} has the {what} space {found}, environment 0 has {expected}")]
    SpaceMismatch {
        /// The first that differs.
        index: usize,
        /// `observation` or `action`.
        what: &'static str,
        /// Space of environment 0.
        expected: String,
        /// Space of environment `index`.
        found: String,
    },
    /// A map that cannot be played.
    #[error("map: {}{reason}", Place(*line, *column))]
    Map {
        /// Line of the text, from 1; 0 when the whole map is meant.
        line: usize,
        /// Column of the line, from 1; 0 when the whole line is meant.
        column: usize,
        /// What was expected and what was there.
        reason: String,
    },
    /// A saved state that this environment cannot go on from.
    #[error("{env}: cannot restore its state: {reason}")]
    State {
        /// The environment.
        env: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// A setting that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

struct Place(usize, usize);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0, self.1) {
            (0, _) => Ok(()),
            (line, 0) => write!(f, "line {line}: "),
            (line, column) => write!(f, "line {line}, column {column}: "),
        }
    }
}
