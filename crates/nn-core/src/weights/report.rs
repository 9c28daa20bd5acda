//! What fitted and what did not.

use std::fmt;

/// How many names of a kind are spelled out before the rest is counted.
pub(super) const SHOWN: usize = 5;

/// What loading did, parameter by parameter and tensor by tensor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Parameters and running statistics that got their values, in the module's order.
    pub loaded: Vec<String>,
    /// Parameters whose tensor is not in the file: they stay as they were, which for a new model is random.
    pub missing: Vec<Missing>,
    /// Parameters whose tensor has another shape: they stay as they were.
    pub mismatched: Vec<Mismatch>,
    /// Tensors of the file that no parameter asked for.
    pub unexpected: Vec<String>,
}

/// A parameter without a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The parameter's path in the module.
    pub parameter: String,
    /// The tensor it was to come from.
    pub tensor: String,
    /// The tensor in the file whose name is most like it; looked up for the first few only.
    pub nearest: Option<String>,
}

/// A parameter whose tensor has another shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The parameter's path in the module.
    pub parameter: String,
    /// The tensor, with what was to be done to it.
    pub tensor: String,
    /// The parameter's shape.
    pub expected: Vec<usize>,
    /// The tensor's shape in the file.
    pub found: Vec<usize>,
}

impl Report {
    /// Whether parameters and tensors match one to one.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.mismatched.is_empty() && self.unexpected.is_empty()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tensor)?;
        match &self.nearest {
            Some(nearest) => write!(f, " (nearest: {nearest})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, tensor, expected, found } = self;
        write!(f, "{tensor} has shape {found:?}, {parameter} needs {expected:?}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} loaded", self.loaded.len())?;
        list(f, "missing", &self.missing)?;
        list(f, "of another shape", &self.mismatched)?;
        list(f, "unexpected", &self.unexpected)
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, what: &str, items: &[T]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = items.iter().take(SHOWN).map(T::to_string).collect();
    write!(f, "; {} {what}: {}", items.len(), shown.join(", "))?;
    match items.len() - shown.len() {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}
