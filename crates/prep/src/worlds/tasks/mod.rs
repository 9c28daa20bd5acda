//! Texts and sequences with one right answer: what sequence models are first tried on.
//!
//! | task | input | answer | what it asks of a model |
//! |---|---|---|---|
//! | [`CopyTask`] | `dbca` | `dbca` | to keep every symbol in its place |
//! | [`ReverseTask`] | `dbca` | `acbd` | the same, last in first out: attention must look ever further back |
//! | [`AddingTask`] | values in [0, 1), two of them marked | the sum of the two | to remember a number over hundreds of steps |
//! | [`DateTask`] | `Wednesday, 28 July 1999` | `1999-07-28` | to read, look up and write |

mod adding;
mod dates;
mod symbols;

pub use adding::{AddingTask, Addition};
pub use dates::{DateForm, DateTask};
pub use symbols::{CopyTask, ReverseTask};

/// A text and its one right answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pair {
    /// What the model reads.
    pub input: String,
    /// What it should write.
    pub target: String,
}
