//! The adding problem.

use serde::{Deserialize, Serialize};

use crate::{Error, Key};

/// One sequence of the adding problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Addition {
    /// A number in [0, 1) at every step.
    pub values: Vec<f32>,
    /// Which two of them count.
    pub marks: Vec<bool>,
    /// Their sum.
    pub target: f32,
}

/// The adding problem: at every step a number and a mark, at the end the sum of the two marked numbers.
///
/// The first mark lies in the first half and the second in the second, so that one number has to be kept
/// through everything that comes between. Whoever always says 1 has a mean square error of 2 · 1/12 = 1/6,
/// the variance of the sum of two uniform numbers; only remembering does better.
///
/// S. Hochreiter, J. Schmidhuber, *Long short-term memory*, Neural Computation 9(8), 1997.
/// <https://doi.org/10.1162/neco.1997.9.8.1735> There values lie in [−1, 1] and lengths vary; this is the
/// form of Q. V. Le, N. Jaitly and G. E. Hinton, *A simple way to initialize recurrent networks of rectified
/// linear units*, 2015. <https://arxiv.org/abs/1504.00941>
///
/// ```
/// use fornax_prep::{Key, worlds::tasks::AddingTask};
///
/// let sequence = AddingTask::new(50)?.sample(Key::new(1), 0);
/// let marked = sequence.values.iter().zip(&sequence.marks).filter(|(_, marked)| **marked);
/// assert_eq!(marked.map(|(value, _)| value).sum::<f32>(), sequence.target);
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct AddingTask {
    length: usize,
}

impl AddingTask {
    /// Mean square error of always saying 1.
    pub const BASELINE: f64 = 1.0 / 6.0;

    /// Sequences of `length` steps.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when `length` is below 2.
    pub fn new(length: usize) -> Result<Self, Error> {
        if length < 2 {
            return Err(Error::argument("length", "at least 2 steps", length));
        }
        Ok(Self { length })
    }

    /// Sequence `index` of the endless set that `key` names.
    pub fn sample(&self, key: Key, index: u64) -> Addition {
        let mut stream = key.fold(index).stream();
        let values: Vec<f32> = (0..self.length).map(|_| stream.uniform()).collect();
        let half = self.length / 2;
        let first = stream.below(half as u64) as usize;
        let second = half + stream.below((self.length - half) as u64) as usize;
        let marks = (0..self.length).map(|i| i == first || i == second).collect();
        let target = values[first] + values[second];
        Addition { values, marks, target }
    }
}

impl TryFrom<usize> for AddingTask {
    type Error = Error;

    fn try_from(length: usize) -> Result<Self, Error> {
        Self::new(length)
    }
}

impl From<AddingTask> for usize {
    fn from(task: AddingTask) -> Self {
        task.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_marks_one_in_each_half_and_the_baseline_is_a_sixth() {
        let task = AddingTask::new(21).unwrap();
        let (mut error, mut first_half, count) = (0.0, [0; 10], 20_000);
        for index in 0..count {
            let sequence = task.sample(Key::new(2), index);
            assert_eq!((sequence.values.len(), sequence.marks.len()), (21, 21));
            let marked: Vec<usize> = (0..21).filter(|&i| sequence.marks[i]).collect();
            assert!(marked.len() == 2 && marked[0] < 10 && marked[1] >= 10, "{marked:?}");
            first_half[marked[0]] += 1;
            error += (f64::from(sequence.target) - 1.0).powi(2);
        }
        // The square of a triangular number has variance 1/15 − 1/36; five deviations of the mean.
        let mean = error / count as f64;
        assert!((mean - AddingTask::BASELINE).abs() < 5.0 * 0.1972 / 141.4, "{mean}");
        assert!(first_half.iter().all(|&seen: &i32| seen.abs_diff(2000) < 220), "{first_half:?}");
    }

    #[test]
    fn a_sequence_too_short_for_two_marks_is_refused() {
        assert!(AddingTask::new(1).is_err() && serde_json::from_str::<AddingTask>("0").is_err());
        assert_eq!(AddingTask::new(2).unwrap().sample(Key::new(0), 0).marks, [true, true]);
    }
}
