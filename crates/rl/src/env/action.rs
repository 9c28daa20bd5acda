//! What an agent says.

#[cfg(doc)]
use super::Env;
#[cfg(doc)]
use crate::space::Space;

/// An action, borrowed: nothing is allocated to say it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action<'a> {
    /// One of the alternatives of [`Space::Discrete`].
    Discrete(usize),
    /// Elements of a [`Space::Box`], row-major.
    Continuous(&'a [f32]),
    /// A choice each of [`Space::MultiDiscrete`].
    MultiDiscrete(&'a [usize]),
}

/// An action that owns its numbers, such as [`Space::sample`] makes.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnedAction {
    /// See [`Action::Discrete`].
    Discrete(usize),
    /// See [`Action::Continuous`].
    Continuous(Vec<f32>),
    /// See [`Action::MultiDiscrete`].
    MultiDiscrete(Vec<usize>),
}

impl OwnedAction {
    /// The action to pass to [`Env::step`].
    pub fn borrow(&self) -> Action<'_> {
        match self {
            Self::Discrete(choice) => Action::Discrete(*choice),
            Self::Continuous(values) => Action::Continuous(values),
            Self::MultiDiscrete(choices) => Action::MultiDiscrete(choices),
        }
    }
}
