//! Two texts: what the model learns first, and what it is adapted to.

use std::path::Path;

use burn::tensor::Device;
use fornax_nn_core::train::rng;
use fornax_prep::text::{Tokenizer, TokenizerConfig};
use fornax_sequence::gpt::Batch;
use fornax_sequence::tokens::to_tensor;
use rand::RngExt;

use crate::Outcome;

/// The documentation of this project.
const PROSE: [&str; 9] = [
    include_str!("../../../../README.md"),
    include_str!("../../../../docs/architecture.md"),
    include_str!("../../../../docs/contributing.md"),
    include_str!("../../../../docs/log.md"),
    include_str!("../../../../docs/guide/0-elements.md"),
    include_str!("../../../../docs/guide/0.1-inputs.md"),
    include_str!("../../../../docs/guide/1-cnn.md"),
    include_str!("../../../../docs/guide/3-sequences.md"),
    include_str!("../../../../docs/guide/3.3-transformers.md"),
];
/// Code of this project.
const CODE: [&str; 8] = [
    include_str!("../../../nn-core/src/config.rs"),
    include_str!("../../../nn-core/src/gradient.rs"),
    include_str!("../../../nn-core/src/lr_find.rs"),
    include_str!("../../../nn-core/src/clip.rs"),
    include_str!("../../../cnn/src/resnet.rs"),
    include_str!("../../../cnn/src/densenet.rs"),
    include_str!("../../../sequence/src/gpt.rs"),
    include_str!("../../../sequence/src/lstm.rs"),
];
/// Longest text of one's own, in bytes.
const LIMIT: u64 = 64 << 20;
/// Letters the model sees at once.
pub(crate) const CONTEXT: usize = 32;

/// A text as tokens, the end held out.
pub(crate) struct Part {
    train: Vec<u32>,
    held_out: Vec<u32>,
}

pub(crate) struct Corpus {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) first: Part,
    pub(crate) second: Part,
}

impl Corpus {
    /// The documentation, and the first letters of the code or a file; characters of both.
    pub(crate) fn load(file: Option<&Path>, letters: usize) -> Outcome<Self> {
        let second = match file {
            None => CODE.join("\n"),
            Some(path) => {
                let failed = |error| format!("{}: {error}", path.display());
                let bytes = std::fs::metadata(path).map_err(failed)?.len();
                if bytes > LIMIT {
                    return Err(format!("{}: {bytes} bytes, at most {LIMIT} are read", path.display()).into());
                }
                std::fs::read_to_string(path).map_err(failed)?
            }
        };
        let first = PROSE.join("\n");
        let tokenizer = TokenizerConfig::characters().train([&first, &second])?;
        // Every tenth line is held out, so that both parts speak of everything.
        let part = |text: &str| -> Outcome<Part> {
            let pick = |held_out: bool| {
                let lines = text.lines().enumerate().filter(|(i, _)| (i % 10 == 9) == held_out);
                lines.map(|(_, line)| line).collect::<Vec<_>>().join("\n")
            };
            let (train, held_out) = (tokenizer.encode(&pick(false))?, tokenizer.encode(&pick(true))?);
            if held_out.len() <= CONTEXT {
                return Err(format!("the text is too short to hold out a window of {CONTEXT} letters").into());
            }
            Ok(Part { train, held_out })
        };
        let (first, mut second) = (part(&first)?, part(&second)?);
        second.train.truncate(letters);
        if second.train.len() <= CONTEXT + 1 {
            return Err(format!(
                "--letters: {letters} leave no window of {CONTEXT} and the letter behind it"
            )
            .into());
        }
        Ok(Self { tokenizer, first, second })
    }
}

impl Part {
    /// Windows at random places; those of a step are the same in every run of `seed`.
    pub(crate) fn batch(
        &self,
        step: usize,
        count: usize,
        length: usize,
        seed: u64,
        device: &Device,
    ) -> Batch {
        let mut places = rng::stream(seed, "windows", step as u64);
        let starts: Vec<usize> =
            (0..count).map(|_| places.random_range(0..self.train.len() - length)).collect();
        pair(&self.train, &starts, length, device)
    }

    /// All of the held-out text, 64 windows at a time.
    pub(crate) fn held_out<'a>(
        &'a self,
        length: usize,
        device: &'a Device,
    ) -> impl Iterator<Item = Batch> + 'a {
        let starts: Vec<usize> = (0..(self.held_out.len() - 1) / length).map(|i| i * length).collect();
        (0..starts.len().div_ceil(64)).map(move |i| {
            pair(&self.held_out, &starts[64 * i..starts.len().min(64 * (i + 1))], length, device)
        })
    }
}

fn pair(text: &[u32], starts: &[usize], length: usize, device: &Device) -> Batch {
    let rows = |offset: usize| {
        let rows: Vec<&[u32]> = starts.iter().map(|&at| &text[at + offset..at + offset + length]).collect();
        to_tensor(&rows, device)
    };
    Batch { inputs: rows(0), targets: rows(1), real: None }
}
