//! A small classifier, trained on the same images: what it makes of samples, and the features that distances are taken in.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_generative::evaluation::{Points, points};
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::kernels::Convolve;
use fornax_nn_core::optim::AdamWConfig;
use fornax_prep::image::ImageSet;

use crate::Outcome;

/// Passes over the training images.
const EPOCHS: usize = 12;
/// Images at once.
const BATCH: usize = 64;

/// Two convolutions that halve, and two linear layers.
#[derive(Module, Debug)]
pub(crate) struct Judge {
    convs: Vec<Conv2d>,
    features: Linear,
    classes: Linear,
}

/// Of a set of samples.
pub(crate) struct Verdict {
    pub(crate) features: Points,
    /// The most probable class of each, and its probability.
    pub(crate) beliefs: Vec<(usize, f64)>,
}

impl Verdict {
    /// Classes that at least a fifth of an even share of the samples is taken for.
    pub(crate) fn covered(&self, classes: usize) -> usize {
        let least = self.beliefs.len() as f64 / (5 * classes) as f64;
        (0..classes).filter(|&class| self.count(class) as f64 >= least).count()
    }

    fn count(&self, class: usize) -> usize {
        self.beliefs.iter().filter(|(found, _)| *found == class).count()
    }

    /// Mean probability of the most probable class.
    pub(crate) fn confidence(&self) -> f64 {
        self.beliefs.iter().map(|(_, p)| p).sum::<f64>() / self.beliefs.len() as f64
    }
}

impl Judge {
    /// Trained on the images at `indices`, pixels in [−1, 1]; the same on every call with the same seed.
    pub(crate) fn train(set: &ImageSet, indices: &[usize], seed: u64, device: &Device) -> Outcome<Self> {
        let learning = device.clone().autodiff();
        learning.seed(seed);
        let ([channels, height, width], pad) = (set.shape(), PaddingConfig2d::Explicit(1, 1, 1, 1));
        let conv = |from, to| {
            Conv2dConfig::new([from, to], [4, 4])
                .with_stride([2, 2])
                .with_padding(pad.clone())
                .init(&learning)
        };
        let mut judge = Self {
            convs: vec![conv(channels, 16), conv(16, 32)],
            features: LinearConfig::new(32 * (height / 4) * (width / 4), 32).init(&learning),
            classes: LinearConfig::new(32, set.num_classes()).init(&learning),
        };
        let cost = CrossEntropyLossConfig::new().init(&learning);
        let mut optim = AdamWConfig::new().with_weight_decay(0.01).init()?;
        for epoch in 0..EPOCHS {
            // Another stride through the images in every pass mixes them well enough.
            let order = (0..indices.len()).map(|i| indices[(i * 997 + epoch * 131) % indices.len()]);
            for batch in order.collect::<Vec<_>>().chunks(BATCH) {
                let labels: Vec<i64> = batch.iter().map(|&i| set.labels()[i] as i64).collect();
                let targets = Tensor::<1, Int>::from_data(labels.as_slice(), &learning);
                let x = set.gather(batch).to_tensor(&learning) * 2.0 - 1.0;
                let logits = judge.classes.forward(gelu(judge.features(x)));
                let (_, found) = gradients(cost.forward(logits, targets), &judge)?;
                judge = optim.step(2e-3, judge, found);
            }
        }
        Ok(judge.valid())
    }

    /// Before the last non-linearity, `[batch, 32]`.
    fn features(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.convs.iter().fold(x, |x, conv| gelu(conv.convolve(x)));
        self.features.forward(x.flatten(1, 3))
    }

    /// What it makes of images with pixels in [−1, 1].
    pub(crate) fn look(&self, x: Tensor<4>) -> Verdict {
        let features = self.features(x); // [N, 32]
        let beliefs = softmax(self.classes.forward(gelu(features.clone())), 1); // [N, classes]
        let best = |row: &Vec<f64>| {
            row.iter()
                .copied()
                .enumerate()
                .fold((0, 0.0), |best, now| if now.1 > best.1 { now } else { best })
        };
        Verdict { features: points(features), beliefs: points(beliefs).iter().map(best).collect() }
    }

    /// Share of the images at `indices` that it knows.
    pub(crate) fn accuracy(&self, set: &ImageSet, indices: &[usize], device: &Device) -> f64 {
        let beliefs = self.look(set.gather(indices).to_tensor(device) * 2.0 - 1.0).beliefs;
        let right = beliefs.iter().zip(indices).filter(|((class, _), i)| *class == set.labels()[**i]);
        right.count() as f64 / indices.len() as f64
    }
}

/// One class each.
pub(crate) fn labels(classes: Vec<usize>, device: &Device) -> Tensor<1, Int> {
    let count = classes.len();
    Tensor::from_data(
        TensorData::new(classes.into_iter().map(|c| c as i64).collect::<Vec<_>>(), [count]),
        device,
    )
}
