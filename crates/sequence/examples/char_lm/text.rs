//! The text in the order in which a network is shown it.

use burn::tensor::{Device, Int, Tensor};
use fornax_prep::text::TextLanes;

use crate::Outcome;
use crate::corpus::Corpus;
use crate::settings::Sizes;

/// A recurrent network reads the text from end to end in lanes, a GPT looks through windows at random places.
pub(crate) enum Text {
    Lanes { train: TextLanes, unseen: TextLanes },
    Windows { batch_size: usize, length: usize },
}

type Pair = (Tensor<2, Int>, Tensor<2, Int>);

impl Text {
    pub(crate) fn new(corpus: &Corpus, sizes: &Sizes) -> Outcome<Self> {
        corpus.enough_for(sizes.steps)?;
        let &Sizes { batch_size, steps, .. } = sizes;
        if sizes.kind.is_some() {
            return Ok(Self::Lanes {
                train: TextLanes::new(corpus.train.clone(), batch_size, steps)?,
                unseen: TextLanes::new(corpus.validation.clone(), batch_size.min(8), steps)?,
            });
        }
        Ok(Self::Windows { batch_size, length: steps })
    }

    /// What is learnt from at this update, and whether it goes on where the one before ended.
    pub(crate) fn batch(&self, corpus: &Corpus, step: usize, seed: u64, device: &Device) -> (Pair, bool) {
        match self {
            Self::Lanes { train, .. } => {
                let index = step % train.len();
                (train.batch(index, device), index > 0)
            }
            Self::Windows { batch_size, length } => {
                let windows = step * batch_size..(step + 1) * batch_size;
                (corpus.random(windows, *length, seed, device), false)
            }
        }
    }

    /// The text held out, `most` batches of it.
    pub(crate) fn unseen<'a>(
        &'a self,
        corpus: &'a Corpus,
        most: usize,
        device: &'a Device,
    ) -> Box<dyn Iterator<Item = Pair> + 'a> {
        match self {
            Self::Lanes { unseen, .. } => {
                Box::new((0..unseen.len().min(most)).map(|index| unseen.batch(index, device)))
            }
            Self::Windows { length, .. } => Box::new(corpus.validation_batches(*length, most, device)),
        }
    }
}
