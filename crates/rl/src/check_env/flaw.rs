//! The kinds of broken environment.

use crate::env::OwnedAction;
use crate::error::EnvError;

/// What is wrong with an environment, and where it showed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// Messages would not say which environment.
    #[error("its name is empty")]
    NoName,
    /// Observations or actions cannot exist.
    #[error("its {what} space is impossible: {error}")]
    Space {
        /// `observation` or `action`.
        what: &'static str,
        /// Why.
        error: EnvError,
    },
    /// A space that is another one when asked again: networks are built once.
    #[error("its {what} space changed from {before} to {after}")]
    SpaceChanges {
        /// `observation` or `action`.
        what: &'static str,
        /// At first.
        before: String,
        /// After some steps.
        after: String,
    },
    /// Actions without bounds cannot be explored.
    #[error("action {index} lies between {low} and {high}: bounds must be finite")]
    UnboundedAction {
        /// Which number.
        index: usize,
        /// Lower bound.
        low: f32,
        /// Upper bound.
        high: f32,
    },
    /// An episode cannot begin.
    #[error("reset fails: {0}")]
    ResetFails(EnvError),
    /// A valid action is refused.
    #[error("step {step} refuses the valid action {action:?}: {error}")]
    StepFails {
        /// Which step.
        step: usize,
        /// What was asked.
        action: OwnedAction,
        /// What it said.
        error: EnvError,
    },
    /// The buffer was not, or not wholly, written.
    #[error("{call} leaves element {index} of the observation as it was")]
    NotWritten {
        /// `reset` or `step`.
        call: &'static str,
        /// Which element.
        index: usize,
    },
    /// NaN or infinity is shown.
    #[error("{call} shows {value} in element {index}")]
    NonFiniteObservation {
        /// `reset` or `step`.
        call: &'static str,
        /// Which element.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// What is shown is none of the space's elements.
    #[error("{call} shows {value} in element {index}, outside of {space}")]
    OutOfSpace {
        /// `reset` or `step`.
        call: &'static str,
        /// Which element.
        index: usize,
        /// What is shown.
        value: f32,
        /// The space.
        space: String,
    },
    /// NaN or infinity is paid.
    #[error("step {step} pays {reward}")]
    NonFiniteReward {
        /// Which step.
        step: usize,
        /// NaN or an infinity.
        reward: f64,
    },
    /// Two resets with the same seed begin differently.
    #[error("two resets with the same seed show different observations")]
    SeedIgnoredByReset,
    /// The same seed and actions lead elsewhere.
    #[error("the same seed and actions part at step {step}: {what}")]
    NotReproducible {
        /// Which step.
        step: usize,
        /// `observation`, `reward` or `end`.
        what: &'static str,
    },
    /// A reset without a seed begins the episode of the last seed again, although other seeds begin differently.
    #[error("resets without a seed repeat the first episode: the generator is restarted")]
    SameEpisodeAgain,
    /// An action that does not exist is accepted.
    #[error("the impossible action {0} is accepted")]
    AcceptsImpossible(String),
    /// An action of the wrong kind is accepted.
    #[error("an action of another kind, {0}, is accepted")]
    AcceptsOtherKind(String),
    /// NaN as an action is accepted.
    #[error("NaN is accepted as an action")]
    AcceptsNan,
    /// A refused action changed the state.
    #[error("a refused action moved the environment")]
    RefusedActionMoves,
    /// Steps before the first reset.
    #[error("step before the first reset is accepted")]
    StepBeforeReset,
    /// Steps after the end.
    #[error("step after the end of an episode is accepted")]
    StepAfterEnd,
    /// A buffer of the wrong length is accepted.
    #[error("{call} accepts a buffer of {len} values for {expected}")]
    WrongBuffer {
        /// `reset` or `step`.
        call: &'static str,
        /// What was given.
        len: usize,
        /// What the space says.
        expected: usize,
    },
    /// The saved state cannot be loaded.
    #[error("what save returned cannot be loaded: {0}")]
    LoadFails(EnvError),
    /// The saved state forgets something.
    #[error("after load the future is another one, from step {0} on")]
    LoadForgets(usize),
    /// Anything can be loaded.
    #[error("load accepts the state {0}")]
    LoadsNonsense(String),
    /// A reset that does not begin a new episode.
    #[error("the first step after a reset fails: {0}")]
    ResetDoesNotBegin(EnvError),
}
