//! The digits and their turned copies, and episodes of them.

use burn::tensor::{Device, Tensor, TensorData};
use fornax_cnn::{Backbone, LeNet, LeNetConfig};
use fornax_prep::Digits;
use fornax_transfer::few_shot::{self, Batch, Episode, logits, prototypes};

use crate::Outcome;

/// Images embedded at once.
const CHUNK: usize = 256;

/// All digits at 16 × 16, then all of them turned by 90°, 180° and 270°.
pub(crate) struct Turned {
    pixels: Vec<f32>,
    labels: Vec<usize>,
    side: usize,
    upright: usize,
}

impl Turned {
    pub(crate) fn load() -> Outcome<Self> {
        let [side, _] = LeNetConfig::digits().image_size;
        let set = Digits::load().to_set().resized(side, side)?;
        let all: Vec<usize> = (0..set.len()).collect();
        let mut pixels = set.gather(&all).pixels;
        pixels.iter_mut().for_each(|pixel| *pixel = (*pixel - 0.3) / 0.35);
        let (mut labels, upright) = (set.labels().to_vec(), set.len());
        for turn in 1..4 {
            let first = pixels.len() - upright * side * side;
            let before = pixels[first..].to_vec();
            for image in before.chunks(side * side) {
                let at = |place: usize| image[place % side * side + (side - 1 - place / side)];
                pixels.extend((0..side * side).map(at));
            }
            labels.extend(set.labels().iter().map(|label| 10 * turn + label));
        }
        Ok(Self { pixels, labels, side, upright })
    }

    /// 0 to 9 as they are, 10 to 19 turned once, and so on.
    pub(crate) fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Of the digits as they are.
    pub(crate) fn upright(&self) -> &[usize] {
        &self.labels[..self.upright]
    }

    fn images(&self, indices: &[usize], device: &Device) -> Tensor<4> {
        let size = self.side * self.side;
        let pixels: Vec<f32> =
            indices.iter().flat_map(|&i| &self.pixels[i * size..(i + 1) * size]).copied().collect();
        Tensor::from_data(TensorData::new(pixels, [indices.len(), 1, self.side, self.side]), device)
    }

    /// The samples of an episode.
    pub(crate) fn batch(&self, episode: &Episode, device: &Device) -> Batch<4> {
        Batch {
            support: self.images(&episode.support, device),
            queries: self.images(&episode.queries, device),
            targets: few_shot::targets(episode, device),
            ways: episode.classes.len(),
        }
    }

    /// A row of features for every upright digit.
    pub(crate) fn embedded(&self, embed: impl Fn(Tensor<4>) -> Tensor<2>, device: &Device) -> Tensor<2> {
        let all: Vec<usize> = (0..self.upright).collect();
        Tensor::cat(all.chunks(CHUNK).map(|chunk| embed(self.images(chunk, device))).collect(), 0)
    }

    /// The pixels as features: what comparing is worth without learning.
    pub(crate) fn pixels(&self, device: &Device) -> Tensor<2> {
        self.embedded(|images| images.flatten(1, 3), device)
    }
}

/// The deepest map of the network; its classifier is not used.
pub(crate) fn embed(model: &LeNet, images: Tensor<4>) -> Tensor<2> {
    match model.forward_features(images).pop() {
        Some(map) => map.flatten(1, 3),
        None => unreachable!("LeNet has three maps"),
    }
}

/// Share of an episode's queries that are nearest to their own prototype.
pub(crate) fn accuracy(episode: &Episode, rows: &Tensor<2>) -> f64 {
    let device = rows.device();
    let select = |indices: &[usize]| {
        let indices: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
        rows.clone().select(0, Tensor::from_data(indices.as_slice(), &device))
    };
    let means = prototypes(select(&episode.support), episode.classes.len());
    let nearest = logits(select(&episode.queries), means).argmax(1).into_data();
    let right =
        nearest.iter::<i64>().zip(&episode.targets).filter(|(found, target)| *found == **target as i64);
    right.count() as f64 / episode.targets.len() as f64
}
