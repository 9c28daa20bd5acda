//! The embedded digits at 16 × 16, and batches of them.

#![allow(dead_code, reason = "each example uses some of these")]

use std::ops::Range;

use burn::tensor::Device;
use fornax_cnn::LeNetConfig;
use fornax_cnn::classification::Batch;
use fornax_nn_core::train::rng;
use fornax_prep::image::{ImageBatch, ImageSet, Normalisation, RandomAffine};
use fornax_prep::{Digits, Key, Split};

use crate::Outcome;

/// The digits, a fifth of them held out.
pub(crate) struct Digits16 {
    pub(crate) set: ImageSet,
    pub(crate) split: Split,
    normalisation: Normalisation,
}

impl Digits16 {
    /// Another fold for every repetition.
    pub(crate) fn load(repetition: usize) -> Outcome<Self> {
        let [height, width] = LeNetConfig::digits().image_size;
        let set = Digits::load().to_set().resized(height, width)?;
        let split = Digits::load().folds().split(repetition % 5);
        let normalisation = Normalisation::fit(&set, &split.train);
        Ok(Self { set, split, normalisation })
    }

    /// Those of `indices` that are of some classes.
    pub(crate) fn of(&self, indices: &[usize], classes: Range<usize>) -> Vec<usize> {
        indices.iter().copied().filter(|&i| classes.contains(&self.set.labels()[i])).collect()
    }

    /// `count` of the training images, as many of each of the classes as far as it can be divided.
    pub(crate) fn labelled(&self, count: usize, classes: Range<usize>, seed: u64) -> Outcome<Vec<usize>> {
        let candidates = self.of(&self.split.train, classes.clone());
        let mut left = vec![count / classes.len(); classes.len()];
        let mut chosen = Vec::new();
        for index in rng::permutation(seed, 0, candidates.len()).into_iter().map(|i| candidates[i]) {
            let left = &mut left[self.set.labels()[index] - classes.start];
            if *left > 0 {
                *left -= 1;
                chosen.push(index);
            }
        }
        if chosen.is_empty() || left.iter().any(|&left| left > 0) {
            return Err(format!("--labels: {count} cannot be drawn from {} digits", candidates.len()).into());
        }
        Ok(chosen)
    }

    /// The classes of some images.
    pub(crate) fn labels(&self, indices: &[usize]) -> Vec<usize> {
        indices.iter().map(|&i| self.set.labels()[i]).collect()
    }

    /// As they are.
    pub(crate) fn plain(&self, indices: &[usize], device: &Device) -> Batch {
        self.tensors(self.set.gather(indices), device)
    }

    /// Turned, moved and scaled a little.
    pub(crate) fn augmented(&self, indices: &[usize], key: Key, device: &Device) -> Batch {
        let augment = RandomAffine::none().with_rotation(12.0).with_translation(1.0).with_scale(0.9, 1.15);
        self.tensors(augment.apply(self.set.gather(indices), key), device)
    }

    /// Normalised.
    pub(crate) fn tensors(&self, images: ImageBatch, device: &Device) -> Batch {
        let (images, targets) = self.normalisation.apply(images).to_tensors(device);
        Batch { images, targets }
    }
}

/// Batches of some indices without end, each pass in another order.
pub(crate) struct Passes<'a> {
    indices: &'a [usize],
    seed: u64,
    pass: usize,
    left: Vec<usize>,
}

impl<'a> Passes<'a> {
    pub(crate) fn new(indices: &'a [usize], seed: u64) -> Self {
        Self { indices, seed, pass: 0, left: Vec::new() }
    }

    pub(crate) fn next(&mut self, size: usize) -> Vec<usize> {
        let size = size.clamp(1, self.indices.len());
        if self.left.len() < size {
            self.left = rng::permutation(self.seed, self.pass, self.indices.len());
            self.pass += 1;
        }
        let batch = self.left.split_off(self.left.len() - size);
        batch.into_iter().map(|i| self.indices[i]).collect()
    }
}
