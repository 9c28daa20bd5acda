//! The text that is learnt from, as characters, and what of it is held out.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::train::rng;
use fornax_prep::text::{Tokenizer, TokenizerConfig};
use fornax_sequence::tokens::to_tensor;
use rand::RngExt;

use super::Outcome;

/// The documentation of this project.
const PAGES: [&str; 15] = [
    include_str!("../../../../README.md"),
    include_str!("../../../../docs/architecture.md"),
    include_str!("../../../../docs/contributing.md"),
    include_str!("../../../../docs/log.md"),
    include_str!("../../../../docs/guide/0-elements.md"),
    include_str!("../../../../docs/guide/0.1-inputs.md"),
    include_str!("../../../../docs/guide/1-cnn.md"),
    include_str!("../../../../docs/guide/3-sequences.md"),
    include_str!("../../../../docs/guide/3.3-transformers.md"),
    include_str!("../../../../docs/guide/4-rl.md"),
    include_str!("../../../nn-core/README.md"),
    include_str!("../../../prep/README.md"),
    include_str!("../../../cnn/README.md"),
    include_str!("../../../rl/README.md"),
    include_str!("../../README.md"),
];
/// Longest text of one's own, in bytes.
const LIMIT: u64 = 64 << 20;

/// A text as numbers, a tenth of it kept for validation.
pub(crate) struct Corpus {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) train: Vec<u32>,
    pub(crate) validation: Vec<u32>,
}

impl Corpus {
    /// Reads a file, or the documentation. Of a file the last tenth is held out; of the documentation every tenth line, so that
    /// both parts speak of everything.
    pub(crate) fn load(file: Option<&Path>) -> Outcome<Self> {
        let (text, held_out) = match file {
            Some(file) => (read(file)?, None),
            None => {
                let lines: Vec<&str> = PAGES.iter().flat_map(|page| page.lines()).collect();
                let part = |held_out: bool| {
                    let lines = lines.iter().enumerate().filter(move |(i, _)| (i % 10 == 9) == held_out);
                    lines.map(|(_, line)| *line).collect::<Vec<_>>().join("\n")
                };
                (part(false), Some(part(true)))
            }
        };
        let all = [Some(text.as_str()), held_out.as_deref()];
        let tokenizer = TokenizerConfig::characters().train(all.into_iter().flatten())?;
        let mut train = tokenizer.encode(&text)?;
        let validation = match held_out {
            Some(text) => tokenizer.encode(&text)?,
            None => train.split_off(train.len() * 9 / 10),
        };
        Ok(Self { tokenizer, train, validation })
    }

    /// The text held out is long enough for a window of `length` letters and the one after it, or an error says so.
    pub(crate) fn enough_for(&self, length: usize) -> Outcome<()> {
        let shortest = self.validation.len().min(self.train.len());
        if shortest > length {
            return Ok(());
        }
        Err(format!("the text is too short: {shortest} letters for windows of {length} and the letter after")
            .into())
    }

    /// Windows of `length` letters at random places, and the letters after each; window i is the same in every run of `seed`.
    pub(crate) fn random(
        &self,
        windows: impl IntoIterator<Item = usize>,
        length: usize,
        seed: u64,
        device: &Device,
    ) -> (Tensor<2, Int>, Tensor<2, Int>) {
        let starts = windows.into_iter().map(|window| {
            rng::stream(seed, "window", window as u64).random_range(0..self.train.len() - length)
        });
        pair(&self.train, &starts.collect::<Vec<_>>(), length, device)
    }

    /// The held-out text in windows, 64 at a time and `most` batches at most.
    pub(crate) fn validation_batches<'a>(
        &'a self,
        length: usize,
        most: usize,
        device: &'a Device,
    ) -> impl Iterator<Item = (Tensor<2, Int>, Tensor<2, Int>)> + 'a {
        let starts: Vec<usize> = (0..(self.validation.len() - 1) / length).map(|i| i * length).collect();
        (0..starts.len().div_ceil(64).min(most)).map(move |i| {
            pair(&self.validation, &starts[64 * i..starts.len().min(64 * (i + 1))], length, device)
        })
    }
}

fn read(file: &Path) -> Outcome<String> {
    let at = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let bytes = std::fs::metadata(file).map_err(|error| at(&error))?.len();
    if bytes > LIMIT {
        return Err(at(&format!("{bytes} bytes, at most {LIMIT} are read")).into());
    }
    Ok(std::fs::read_to_string(file).map_err(|error| at(&error))?)
}

fn pair(text: &[u32], starts: &[usize], length: usize, device: &Device) -> (Tensor<2, Int>, Tensor<2, Int>) {
    let rows = |offset: usize| {
        let rows: Vec<&[u32]> = starts.iter().map(|&at| &text[at + offset..at + offset + length]).collect();
        to_tensor(&rows, device)
    };
    (rows(0), rows(1))
}
