//! Two domains: digits as they are, and as a poor scanner sees them.

use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_cnn::classification::Batch;
use fornax_cnn::{Classifier, LeNetConfig};
use fornax_nn_core::metric::Classification;
use fornax_nn_core::plot::{Tile, Tiles};
use fornax_nn_core::train::rng;
use fornax_prep::{Digits, Key};

use crate::Outcome;

/// Ink and paper of the target, and the deviation of its noise: ink is 0.8, paper 0.5 of black.
const INK: f32 = 0.3;
const PAPER: f32 = 0.5;
const NOISE: f32 = 0.1;

/// Digits of both domains; no digit is in both.
pub(crate) struct Scans {
    side: usize,
    clean: Vec<f32>,
    scanned: Vec<f32>,
    labels: Vec<usize>,
    /// Clean, with labels.
    pub(crate) source: Vec<usize>,
    /// Scanned, without.
    pub(crate) target: Vec<usize>,
    /// For the test, never trained on.
    pub(crate) test: Vec<usize>,
}

impl Scans {
    /// Half of the training images for each domain; the fold's test images for both.
    pub(crate) fn draw(repetition: usize, seed: u64) -> Outcome<Self> {
        let [side, _] = LeNetConfig::digits().image_size;
        let set = Digits::load().to_set().resized(side, side)?;
        let split = Digits::load().folds().split(repetition % 5);
        let order = rng::permutation(seed, 0, split.train.len());
        let train: Vec<usize> = order.into_iter().map(|i| split.train[i]).collect();
        let (source, target) = train.split_at(train.len() / 2);
        let all: Vec<usize> = (0..set.len()).collect();
        let clean = set.gather(&all).pixels;
        let mut noise = Key::new(seed).stream();
        let scanned = clean.iter().map(|ink| {
            // Twelve uniform numbers make a normal one.
            let normal: f32 = (0..12).map(|_| noise.uniform()).sum::<f32>() - 6.0;
            (INK * ink + PAPER + NOISE * normal).clamp(0.0, 1.0)
        });
        let scanned = scanned.collect();
        let labels = set.labels().to_vec();
        let (source, target) = (source.to_vec(), target.to_vec());
        Ok(Self { side, clean, scanned, labels, source, target, test: split.test })
    }

    fn images(&self, pixels: &[f32], indices: &[usize], device: &Device) -> Tensor<4> {
        let size = self.side * self.side;
        let values = indices.iter().flat_map(|&i| &pixels[i * size..(i + 1) * size]);
        let values: Vec<f32> = values.map(|ink| (ink - 0.3) / 0.35).collect();
        Tensor::from_data(TensorData::new(values, [indices.len(), 1, self.side, self.side]), device)
    }

    /// Clean images with their labels.
    pub(crate) fn labelled(&self, indices: &[usize], device: &Device) -> Batch {
        let labels: Vec<i64> = indices.iter().map(|&i| self.labels[i] as i64).collect();
        let targets: Tensor<1, Int> = Tensor::from_data(labels.as_slice(), device);
        Batch { images: self.images(&self.clean, indices, device), targets }
    }

    /// Scanned images alone.
    pub(crate) fn unlabelled(&self, indices: &[usize], device: &Device) -> Tensor<4> {
        self.images(&self.scanned, indices, device)
    }

    /// On the test's digits: clean, and scanned.
    pub(crate) fn accuracies<M: Classifier>(&self, model: &M) -> [f64; 2] {
        let targets: Vec<usize> = self.test.iter().map(|&i| self.labels[i]).collect();
        let device = model.devices().swap_remove(0);
        [&self.clean, &self.scanned].map(|pixels| {
            let beliefs = model.predict(self.images(pixels, &self.test, &device));
            Classification::new(beliefs, &targets).accuracy()
        })
    }

    /// Ten digits of the test, clean above scanned.
    pub(crate) fn picture(&self) -> Tiles {
        let size = self.side * self.side;
        let shown = self.test.iter().take(10);
        let row = |pixels: &[f32]| {
            let tile = |&i: &usize| Tile::grey(&pixels[i * size..(i + 1) * size], [self.side; 2]);
            shown.clone().map(tile).collect::<Vec<_>>()
        };
        Tiles::new(10).title("Source above, target below").tiles(row(&self.clean)).tiles(row(&self.scanned))
    }
}
