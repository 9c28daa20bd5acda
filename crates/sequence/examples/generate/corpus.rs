//! The text that is learnt from: its first nine tenths, the rest is held out.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::train::rng;
use fornax_prep::text::{Tokenizer, TokenizerConfig};
use fornax_sequence::tokens::to_tensor;
use rand::RngExt;

use super::Outcome;

/// The documentation of this project.
const PAGES: [&str; 12] = [
    include_str!("../../../../README.md"),
    include_str!("../../../../docs/architecture.md"),
    include_str!("../../../../docs/contributing.md"),
    include_str!("../../../../docs/log.md"),
    include_str!("../../../../docs/guide/0-elements.md"),
    include_str!("../../../../docs/guide/0.1-inputs.md"),
    include_str!("../../../../docs/guide/1-cnn.md"),
    include_str!("../../../../docs/guide/3.3-transformers.md"),
    include_str!("../../../nn-core/README.md"),
    include_str!("../../../prep/README.md"),
    include_str!("../../../cnn/README.md"),
    include_str!("../../../rl/README.md"),
];

pub(crate) struct Corpus {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) train: Vec<u32>,
    pub(crate) validation: Vec<u32>,
}

impl Corpus {
    pub(crate) fn load(file: Option<&Path>) -> Outcome<Self> {
        let text = match file {
            Some(file) => {
                std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?
            }
            // Every tenth line is held out, so that both halves speak of everything.
            None => {
                let lines: Vec<&str> = PAGES.iter().flat_map(|page| page.lines()).collect();
                let part = |held_out: bool| {
                    let lines = lines.iter().enumerate().filter(move |(i, _)| (i % 10 == 9) == held_out);
                    lines.map(|(_, line)| *line).collect::<Vec<_>>().join("\n")
                };
                part(false) + "\n" + &part(true)
            }
        };
        let tokenizer = TokenizerConfig::characters().train([&text])?;
        let tokens = tokenizer.encode(&text)?;
        let (train, validation) = tokens.split_at(tokens.len() * 9 / 10);
        if validation.len() < 65 {
            return Err("the text is too short to hold out a window of 65 letters".into());
        }
        Ok(Self { tokenizer, train: train.to_vec(), validation: validation.to_vec() })
    }

    /// Windows of `length` letters at random places, and the letters after each; window i is the same in every run of `seed`.
    pub(crate) fn random(
        &self,
        windows: &[usize],
        length: usize,
        seed: u64,
        device: &Device,
    ) -> (Tensor<2, Int>, Tensor<2, Int>) {
        let starts = windows.iter().map(|&window| {
            rng::stream(seed, "window", window as u64).random_range(0..self.train.len() - length)
        });
        pair(&self.train, &starts.collect::<Vec<_>>(), length, device)
    }

    /// All of the held-out text, 64 windows at a time.
    pub(crate) fn validation_batches<'a>(
        &'a self,
        length: usize,
        device: &'a Device,
    ) -> impl Iterator<Item = (Tensor<2, Int>, Tensor<2, Int>)> + 'a {
        let starts: Vec<usize> = (0..(self.validation.len() - 1) / length).map(|i| i * length).collect();
        (0..starts.len().div_ceil(64)).map(move |i| {
            pair(&self.validation, &starts[64 * i..starts.len().min(64 * (i + 1))], length, device)
        })
    }
}

fn pair(text: &[u32], starts: &[usize], length: usize, device: &Device) -> (Tensor<2, Int>, Tensor<2, Int>) {
    let rows = |offset: usize| {
        let rows: Vec<&[u32]> = starts.iter().map(|&at| &text[at + offset..at + offset + length]).collect();
        to_tensor(&rows, device)
    };
    (rows(0), rows(1))
}
