//! Dates as written, and as ISO 8601 has them, in characters.

use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_prep::Key;
use fornax_prep::worlds::tasks::{DateForm, DateTask, Pair};
use fornax_sequence::seq2seq::Batch;

use crate::Outcome;

/// The tokens before and after a target.
pub(crate) const BEGIN: u32 = 1;
pub(crate) const END: u32 = 2;
/// Padding, begin and end come before the digits and the dash.
const TARGET: &str = "\0\u{1}\u{2}0123456789-";

pub(crate) struct Dates {
    task: DateTask,
    /// Every character that a source can have, padding first.
    source: Vec<char>,
}

impl Dates {
    /// All forms, or without the one that has to be calculated: `day 209 of 1999`.
    pub(crate) fn new(day_of_year: bool) -> Outcome<Self> {
        let forms: Vec<DateForm> =
            DateForm::ALL.into_iter().filter(|form| day_of_year || *form != DateForm::DayOfYear).collect();
        let task = DateTask::new().with_forms(&forms)?;
        let mut source: Vec<char> =
            (0..5000).flat_map(|i| task.sample(Key::new(0), i).input.chars().collect::<Vec<_>>()).collect();
        source.push('\0');
        source.sort_unstable();
        source.dedup();
        Ok(Self { task, source })
    }

    pub(crate) fn vocabularies(&self) -> (usize, usize) {
        (self.source.len(), TARGET.chars().count())
    }

    pub(crate) fn pairs(&self, key: Key, count: usize) -> Vec<Pair> {
        (0..count as u64).map(|index| self.task.sample(key, index)).collect()
    }

    pub(crate) fn batch(&self, pairs: &[Pair], device: &Device) -> Batch {
        let sources: Vec<Vec<i64>> = pairs.iter().map(|pair| self.encode(&pair.input)).collect();
        let lengths: Vec<usize> = sources.iter().map(Vec::len).collect();
        let targets: Vec<Vec<i64>> = pairs.iter().map(|pair| digits(&pair.target)).collect();
        let inputs = targets
            .iter()
            .map(|target| [&[i64::from(BEGIN)], target.as_slice()].concat())
            .collect::<Vec<_>>();
        let targets = targets
            .into_iter()
            .map(|target| [target.as_slice(), &[i64::from(END)]].concat())
            .collect::<Vec<_>>();
        let (sources, _) = padded(&sources, device);
        let (inputs, _) = padded(&inputs, device);
        let (targets, real) = padded(&targets, device);
        let shape = targets.dims();
        let mask = Tensor::from_data(TensorData::new(real, shape), device);
        Batch { sources, lengths, inputs, targets, mask }
    }

    /// Characters never seen in any form stand for padding, which no other character is.
    fn encode(&self, text: &str) -> Vec<i64> {
        text.chars().map(|c| self.source.binary_search(&c).unwrap_or(0) as i64).collect()
    }
}

/// The text that a decoder wrote.
pub(crate) fn text(tokens: &[u32]) -> String {
    tokens.iter().filter_map(|&token| TARGET.chars().nth(token as usize)).collect()
}

fn digits(text: &str) -> Vec<i64> {
    text.chars().map(|c| TARGET.chars().position(|known| known == c).unwrap_or(0) as i64).collect()
}

/// Rows of one length, and where they are real.
fn padded(rows: &[Vec<i64>], device: &Device) -> (Tensor<2, Int>, Vec<bool>) {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<i64>, i: usize| row.get(i).copied();
    let cells: Vec<Option<i64>> = rows.iter().flat_map(|row| (0..width).map(move |i| cell(row, i))).collect();
    let ids: Vec<i64> = cells.iter().map(|cell| cell.unwrap_or(0)).collect();
    let ids = Tensor::from_data(TensorData::new(ids, [rows.len(), width]), device);
    (ids, cells.iter().map(Option::is_some).collect())
}
