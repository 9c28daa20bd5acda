//! Copying and reversing.

use serde::{Deserialize, Serialize};

use super::Pair;
use crate::random::Stream;
use crate::{Error, Key};

/// Random letters, to be written again as they are.
///
/// ```
/// use fornax_prep::{Key, worlds::tasks::{CopyTask, ReverseTask}};
///
/// let pair = CopyTask::new(8, [3, 6])?.sample(Key::new(1), 0);
/// assert_eq!(pair.input, pair.target);
/// let pair = ReverseTask::new(8, [3, 6])?.sample(Key::new(1), 0);
/// assert_eq!(pair.input.chars().rev().collect::<String>(), pair.target);
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct CopyTask(Letters);

/// Random letters, to be written backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct ReverseTask(Letters);

/// Words of the first `symbols` letters of the alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Letters {
    symbols: usize,
    length: [usize; 2],
}

/// How both tasks are written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    symbols: usize,
    length: [usize; 2],
}

impl Letters {
    fn new(symbols: usize, length: [usize; 2]) -> Result<Self, Error> {
        if !(2..=26).contains(&symbols) {
            return Err(Error::argument("symbols", "2 to 26 letters", symbols));
        }
        if length[0] > length[1] || length[1] == 0 {
            let found = format_args!("{} to {}", length[0], length[1]).to_string();
            return Err(Error::argument(
                "length",
                "a least and a greatest length, the latter above 0",
                found,
            ));
        }
        Ok(Self { symbols, length })
    }

    fn word(&self, stream: &mut Stream) -> String {
        let [least, most] = self.length;
        let length = least + stream.below((most - least) as u64 + 1) as usize;
        (0..length).map(|_| char::from(b'a' + stream.below(self.symbols as u64) as u8)).collect()
    }
}

macro_rules! task {
    ($name:ident, $answer:expr) => {
        impl $name {
            /// Words of the first `symbols` letters, their length uniform from `length[0]` to `length[1]`.
            ///
            /// # Errors
            ///
            /// [`Error::Argument`] when `symbols` is not 2 to 26 or `length` is no range.
            pub fn new(symbols: usize, length: [usize; 2]) -> Result<Self, Error> {
                Letters::new(symbols, length).map(Self)
            }

            /// Pair `index` of the endless set that `key` names.
            pub fn sample(&self, key: Key, index: u64) -> Pair {
                let input = self.0.word(&mut key.fold(index).stream());
                let answer: fn(&str) -> String = $answer;
                Pair { target: answer(&input), input }
            }
        }

        impl TryFrom<Raw> for $name {
            type Error = Error;

            fn try_from(raw: Raw) -> Result<Self, Error> {
                Self::new(raw.symbols, raw.length)
            }
        }

        impl From<$name> for Raw {
            fn from(task: $name) -> Self {
                Self { symbols: task.0.symbols, length: task.0.length }
            }
        }
    };
}

task!(CopyTask, str::to_owned);
task!(ReverseTask, |input| input.chars().rev().collect());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_letters_are_spread_evenly() {
        let task = CopyTask::new(4, [0, 7]).unwrap();
        let (mut lengths, mut letters) = ([0usize; 8], [0usize; 4]);
        for index in 0..8000 {
            let pair = task.sample(Key::new(5), index);
            lengths[pair.input.len()] += 1;
            pair.input.bytes().for_each(|letter| letters[usize::from(letter - b'a')] += 1);
        }
        // Binomial with mean 1,000 and deviation 30; 7,000 and 84.
        assert!(lengths.iter().all(|count| count.abs_diff(1000) < 150), "{lengths:?}");
        assert!(letters.iter().all(|count| count.abs_diff(7000) < 500), "{letters:?}");
    }

    #[test]
    fn tasks_survive_json_and_bad_ones_are_refused() {
        let task = ReverseTask::new(5, [2, 9]).unwrap();
        let json = serde_json::to_string(&task).unwrap();
        assert_eq!(json, r#"{"symbols":5,"length":[2,9]}"#);
        assert_eq!(serde_json::from_str::<ReverseTask>(&json).unwrap(), task);
        assert!(serde_json::from_str::<ReverseTask>(r#"{"symbols":50,"length":[2,9]}"#).is_err());
        for (symbols, length) in [(1, [1, 2]), (27, [1, 2]), (5, [3, 2]), (5, [0, 0])] {
            assert!(CopyTask::new(symbols, length).is_err());
        }
    }
}
