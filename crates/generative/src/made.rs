//! # MADE: a masked autoencoder for distribution estimation
//!
//! Every joint probability is a product of conditionals, each feature given those before it. An autoregressive network learns them all,
//! and its likelihood is exact. MADE makes one of an ordinary feed-forward network by cutting connections: each unit gets a degree,
//! and listens only to units that know no more than it may.
//!
//! ```text
//! p(x) = Π_d p(x_d | x_1 … x_{d−1})
//!
//! degree of input d: d        of hidden units: 1, 2, …, D − 1, 1, 2, …        of the outputs for x_d: d
//! a hidden unit listens to degrees ≤ its own, an output to degrees < its own          W ⊙ mask instead of W
//! ```
//!
//! ```text
//!  outputs   p(x₁)   p(x₂|x₁)   p(x₃|x₁x₂)       x₁'s output listens to nobody: it is a bias
//!                     ▲           ▲
//!  hidden           (1)         (2)   (1) …
//!                    ▲         ▲ ▲
//!  inputs            x₁ ──────┘  x₂      x₃      nobody may listen to x₃
//! ```
//!
//! One pass gives the likelihood; a sample takes a pass per feature, in order. With two outputs a feature and real x the same network is the
//! inside of the [masked autoregressive flow](crate::maf).
//!
//! **What goes wrong**: a mask off by one makes a network that sees its own answer, and its likelihood is too good to be true.
//! The tests look at the Jacobian, and sum the probabilities of all x to 1.
//!
//! Paper: M. Germain, K. Gregor, I. Murray, H. Larochelle, *MADE*, ICML 2015. <https://arxiv.org/abs/1502.03509>
//!
//! ## Differs from the paper
//!
//! 1. One order of the features and degrees in turn, no ensemble over random orders and masks.
//! 2. No direct connections from input to output.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::{log_sigmoid, relu, sigmoid};
use burn::tensor::module::linear;
use burn::tensor::{Device, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::feed_forward::FeedForwardConfig;
use fornax_nn_core::gradient::{NonFinite, gradients};

/// Sizes of a [`Made`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct MadeConfig {
    /// D, features of an example, at least 2.
    pub features: usize,
    /// Units of each hidden layer, each at least D − 1. Default: one layer, as the paper's smallest; wide enough for 64 pixels.
    #[config(default = "vec![256]")]
    pub hidden: Vec<usize>,
    /// Numbers for each feature: 1 for a logit, 2 for a mean and a scale.
    #[config(default = 1)]
    pub outputs: usize,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl MadeConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.features < 2 {
            return Err(ConfigError::new("features", format!("must be at least 2, got {}", self.features)));
        }
        let least = self.features - 1;
        if let Some(units) = self.hidden.iter().find(|&&units| units < least) {
            let reason = format!("must be at least features − 1 = {least} for every degree, got {units}");
            return Err(ConfigError::new("hidden", reason));
        }
        if self.hidden.is_empty() {
            return Err(ConfigError::new("hidden", "must have at least one layer, got none"));
        }
        at_least_one(&[("outputs", self.outputs)])
    }

    /// Builds the network on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<Made, ConfigError> {
        self.validate()?;
        let outputs = self.features * self.outputs;
        let network =
            FeedForwardConfig::new(self.features, self.hidden.clone(), outputs).with_seed(self.seed);
        let mut degrees: Vec<Vec<usize>> = vec![(1..=self.features).collect()];
        degrees.extend(
            self.hidden.iter().map(|&units| (0..units).map(|i| i % (self.features - 1) + 1).collect()),
        );
        // An output of degree d listens to degrees below d, that is, up to d − 1.
        degrees.push((0..outputs).map(|i| i / self.outputs).collect());
        Ok(Made {
            layers: network.init(device)?.layers.into_iter().map(|layer| layer.linear).collect(),
            degrees,
            outputs: self.outputs,
        })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct Made {
    /// All weights, the masked ones included.
    pub layers: Vec<Linear>,
    /// What each unit may listen to, layer by layer from the input up.
    #[module(skip)]
    pub degrees: Vec<Vec<usize>>,
    /// Numbers for each feature.
    #[module(skip)]
    pub outputs: usize,
}

impl Made {
    /// What the network says of each feature, from those before it.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, features]`
    /// - output: `[batch, features, outputs]`
    ///
    /// # Panics
    ///
    /// When the features of `x` are not the configured ones.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let [batch, features] = x.dims();
        let last = self.layers.len() - 1;
        let mut a = x;
        for (i, layer) in self.layers.iter().enumerate() {
            let weight = layer.weight.val();
            let mask = mask(&self.degrees[i], &self.degrees[i + 1], &weight); // [below, units]
            a = linear(a, weight * mask, layer.bias.as_ref().map(|bias| bias.val())); // [B, units]
            if i < last {
                a = relu(a);
            }
        }
        a.reshape([batch, features, self.outputs])
    }

    /// The logits of binary features, for a network of one output a feature.
    fn logits(&self, x: Tensor<2>) -> Tensor<2> {
        let logits = self.forward(x); // [B, F, 1]
        assert_eq!(self.outputs, 1, "expected one logit a feature, got {} numbers", self.outputs);
        logits.squeeze_dim(2)
    }

    /// ln p(x) in nats of binary x, exact.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, features]`, 0 or 1
    /// - output: `[batch]`
    ///
    /// # Panics
    ///
    /// When the network has more than one output a feature.
    pub fn log_prob(&self, x: Tensor<2>) -> Tensor<1> {
        let logits = self.logits(x.clone()); // [B, F]
        let terms = x.clone() * log_sigmoid(logits.clone()) + (-x + 1.0) * log_sigmoid(-logits);
        terms.sum_dim(1).squeeze_dim(1)
    }

    /// Binary samples: feature d is 1 where the uniform number lies below its probability.
    ///
    /// # Shapes
    ///
    /// - uniform: `[batch, features]`, in [0, 1)
    /// - output: `[batch, features]`
    ///
    /// # Panics
    ///
    /// When the network has more than one output a feature.
    pub fn sample(&self, uniform: Tensor<2>) -> Tensor<2> {
        // After pass d the first d features are final, for they depend on those before them only.
        let zeros = uniform.zeros_like();
        (0..uniform.dims()[1]).fold(zeros.clone(), |x, _| {
            let one = sigmoid(self.logits(x)).greater(uniform.clone()); // [B, F]
            zeros.clone().mask_fill(one, 1.0)
        })
    }
}

/// 1 where a unit of degree `above` may listen to one of degree `below`.
fn mask(below: &[usize], above: &[usize], like: &Tensor<2>) -> Tensor<2> {
    let allowed = |b: &usize| above.iter().map(move |a| if b <= a { 1.0 } else { 0.0 }).collect::<Vec<f32>>();
    let values: Vec<f32> = below.iter().flat_map(allowed).collect();
    let data = TensorData::new(values, [below.len(), above.len()]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

/// The mean of −ln p(x) in nats.
///
/// # Shapes
///
/// - x: `[batch, features]`, 0 or 1
/// - output: `[1]`
pub fn loss(model: &Made, x: Tensor<2>) -> Tensor<1> {
    -model.log_prob(x).mean()
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: Made,
    optim: &mut ModuleOptimizer,
    lr: f64,
    x: Tensor<2>,
) -> Result<(Made, f32), NonFinite> {
    let (loss, gradients) = gradients(loss(&model, x), &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fornax_nn_core::check::fill;

    fn model(device: &Device) -> Made {
        fill::fill(MadeConfig::new(4).with_hidden(vec![7, 5]).init(device).unwrap())
    }

    #[test]
    fn an_output_depends_on_the_features_before_its_own_and_on_all_of_them() {
        let device = Device::flex().autodiff();
        let model = model(&device);
        let x = (fill::input::<2>("x", [16, 4], &device) * 3.0).detach().require_grad();
        for output in 0..4 {
            let gradients = model.forward(x.clone()).narrow(1, output, 1).sum().backward();
            let gradient = x.grad(&gradients).unwrap().abs().max_dim(0); // [1, 4]
            let gradient: Vec<f64> = gradient.into_data().iter::<f64>().collect();
            assert!(gradient[output..].iter().all(|&g| g == 0.0), "{output}: {gradient:?}");
            assert!(gradient[..output].iter().all(|&g| g > 1e-3), "{output}: {gradient:?}");
        }
    }

    fn all(device: &Device) -> Tensor<2> {
        let bits = (0..16).flat_map(|i| (0..4).map(move |d| f32::from((i >> d & 1) as u8)));
        Tensor::from_data(TensorData::new(bits.collect::<Vec<f32>>(), [16, 4]), device)
    }

    #[test]
    fn the_probabilities_of_all_examples_sum_to_one() {
        let device = Device::flex();
        let total = model(&device).log_prob(all(&device)).exp().sum().into_scalar::<f64>();
        assert!((total - 1.0).abs() < 1e-6, "{total}");
    }

    #[test]
    fn samples_come_as_often_as_the_model_says() {
        let (device, n) = (Device::flex(), 40_000);
        let model = model(&device);
        device.seed(3);
        let uniform = Tensor::random([n, 4], burn::tensor::Distribution::Default, &device);
        let samples: Vec<u8> = model.sample(uniform).into_data().iter::<u8>().collect();
        let mut seen = [0.0f64; 16];
        for sample in samples.chunks(4) {
            seen[sample.iter().enumerate().map(|(d, bit)| usize::from(*bit) << d).sum::<usize>()] += 1.0;
        }
        let expected = model.log_prob(all(&device)).exp().into_data();
        for (seen, p) in seen.iter().zip(expected.iter::<f64>()) {
            // Binomial deviation, five of them.
            let deviation = (n as f64 * p * (1.0 - p)).sqrt();
            assert!((seen - n as f64 * p).abs() < 5.0 * deviation, "{seen}, expected {}", n as f64 * p);
        }
    }

    #[test]
    fn it_learns_a_coin_that_copies_another_and_no_more_than_that() {
        // x₁ fair, x₂ = x₁, x₃ and x₄ fair: the entropy is 3 ln 2.
        let device = Device::flex().autodiff();
        let rows: Vec<f32> =
            (0..8).flat_map(|i| [i & 1, i & 1, i >> 1 & 1, i >> 2 & 1].map(|bit| bit as f32)).collect();
        let x = Tensor::<2>::from_data(TensorData::new(rows, [8, 4]), &device);
        let mut model = MadeConfig::new(4).with_hidden(vec![32]).init(&device).unwrap();
        let mut optim = burn::optim::AdamConfig::new().init();
        let mut last = f32::INFINITY;
        for _ in 0..300 {
            (model, last) = train_step(model, &mut optim, 0.01, x.clone()).unwrap();
        }
        let entropy = 3.0 * 2f32.ln();
        assert!(last > entropy - 1e-4 && last < entropy + 0.05, "{last}, entropy {entropy}");
    }

    #[test]
    fn unusable_sizes_are_named() {
        let error = |config: MadeConfig| config.init(&Device::flex()).unwrap_err().to_string();
        assert!(error(MadeConfig::new(1)).starts_with("features"));
        assert!(error(MadeConfig::new(9).with_hidden(vec![7])).starts_with("hidden"));
        assert!(error(MadeConfig::new(9).with_hidden(vec![])).starts_with("hidden"));
        assert!(error(MadeConfig::new(9).with_outputs(0)).starts_with("outputs"));
    }
}
