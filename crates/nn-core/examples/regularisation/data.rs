//! One hundred digits, some mislabelled, and those to judge by.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::feed_forward::FeedForward;
use fornax_prep::image::{ImageBatch, Normalisation};
use fornax_prep::{Digits, Key, Split};

use crate::Outcome;

/// Training images of each class.
const EACH: usize = 10;
/// The share of all digits that is the test: 1,098 of 1,797.
const TEST: f64 = 0.611;
/// Sets the seeds that strengths are chosen on apart from those reported.
pub(crate) const TUNING: u64 = 1 << 32;

/// Images with what they are said to be.
pub(crate) struct Images {
    /// `[B, 64]`
    pub(crate) pixels: Tensor<2>,
    /// `[B]`
    pub(crate) labels: Tensor<1, Int>,
}

pub(crate) struct Data {
    pub(crate) train: Images,
    /// Training images that only early stopping looks at; mislabelled like the others.
    pub(crate) held_back: Option<Images>,
    /// All labelled right.
    pub(crate) test: Images,
}

impl Data {
    /// The images of `seed`, `wrong` labels among the 100 replaced by another, `held_back` of the 100 set aside.
    pub(crate) fn draw(
        seed: u64,
        wrong: usize,
        held_back: usize,
        tune: bool,
        device: &Device,
    ) -> Outcome<Self> {
        let set = Digits::load().to_set();
        let Split { train: pool, test } = Split::stratified(set.labels(), TEST, 0)?;
        let key = Key::new(seed);
        let (mut drawn, mut left, mut count) = (Vec::new(), Vec::new(), [0; 10]);
        for i in key.permutation(pool.len()).into_iter().map(|i| pool[i]) {
            let class = &mut count[set.labels()[i]];
            *class += 1;
            if *class <= EACH { drawn.push(i) } else { left.push(i) }
        }
        let mut batch = set.gather(&drawn);
        let mut stream = key.fold(1).stream();
        for i in key.fold(2).permutation(drawn.len()).into_iter().take(wrong) {
            batch.labels[i] = (batch.labels[i] + 1 + stream.below(9) as usize) % 10;
        }
        let normalisation = Normalisation::fit(&set, &drawn);
        let images = |batch: ImageBatch| {
            let (pixels, labels) = normalisation.apply(batch).to_tensors(device);
            Images { pixels: pixels.flatten(1, 3), labels }
        };
        let test = images(set.gather(if tune { &left } else { &test }));
        let all = images(batch);
        let kept = drawn.len() - held_back;
        let part = |from: usize, to: usize| Images {
            pixels: all.pixels.clone().slice(from..to),
            labels: all.labels.clone().slice(from..to),
        };
        let held_back = (held_back > 0).then(|| part(kept, drawn.len()));
        Ok(Self { train: part(0, kept), held_back, test })
    }
}

impl Images {
    /// Share of the images read as labelled, without dropout.
    pub(crate) fn accuracy(&self, model: &FeedForward) -> f64 {
        let logits = model.valid().logits(self.pixels.clone().inner()); // [B, 10]
        let named = logits.argmax(1).squeeze_dim::<1>(1); // [B]
        f64::from(named.equal(self.labels.clone().inner()).float().mean().into_scalar::<f32>())
    }
}
