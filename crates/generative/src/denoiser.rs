//! # What a diffusion model asks its network
//!
//! [Diffusion](crate::diffusion) and [flow matching](crate::flow_matching) are ways of training and of sampling; the network in the middle
//! is any function of a noisy example and of how noisy it is. Here: that function, classifier-free guidance, and the smallest network that
//! is one; the [U-Net](crate::unet) is the one for images.
//!
//! ```text
//! time       e(t) = [sin(ω_i·1000t) ; cos(ω_i·1000t)],  ω_i = 10,000^(−2i/units)      t in [0, 1]
//! guidance   f̃(x, t, y) = f(x, t, y) + w·(f(x, t, y) − f(x, t, ∅))
//! ```
//!
//! One network learns both f(·, y) and f(·, ∅): in training a part of the labels is replaced by the class ∅ ([`drop_labels`]). Their
//! difference points to what makes an example more of y and less of anything, −∇ ln p(y|x) up to scale, without a classifier to take it
//! from. Going w times further trades variety for likeness.
//!
//! **What goes wrong**: w too large burns samples out, all of a class alike and pixels at their bounds; labels never dropped leave
//! f(·, ∅) untrained, and guidance adds noise.
//!
//! Papers: J. Ho, T. Salimans, *Classifier-free diffusion guidance*, 2022, <https://arxiv.org/abs/2207.12598>; the embedding of time is
//! that of positions in A. Vaswani et al. 2017, <https://arxiv.org/abs/1706.03762>.

use std::f64::consts::LN_10;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::feed_forward::{FeedForward, FeedForwardConfig};

/// Times are spread over so many units of angle, the number of steps of the first papers.
const SCALE: f64 = 1000.0;

/// A network that is shown a noisy example.
pub trait Denoiser<const D: usize> {
    /// Number of classes; the label of that number stands for ∅, no class.
    fn classes(&self) -> usize;

    /// What the network says; what that means is the model's business.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, ..]`
    /// - time: `[batch]`, in [0, 1]
    /// - labels: `[batch]`; `None` is ∅ for all
    fn forward(&self, x: Tensor<D>, time: Tensor<1>, labels: Option<&Tensor<1, Int>>) -> Tensor<D>;
}

/// The network as a function of x and time, without a class.
pub fn unguided<const D: usize, M: Denoiser<D>>(model: &M) -> impl Fn(Tensor<D>, Tensor<1>) -> Tensor<D> {
    |x, time| model.forward(x, time, None)
}

/// The network as a function of x and time for given classes, guided with weight w ≥ 0.
///
/// # Shapes
///
/// - labels: `[batch]`
pub fn guided<const D: usize, M: Denoiser<D>>(
    model: &M,
    labels: Tensor<1, Int>,
    weight: f64,
) -> impl Fn(Tensor<D>, Tensor<1>) -> Tensor<D> {
    move |x, time| {
        if weight == 0.0 {
            return model.forward(x, time, Some(&labels));
        }
        // Both answers in one pass.
        let batch = labels.dims()[0];
        let both = Tensor::cat(vec![labels.clone(), labels.full_like(model.classes() as i64)], 0);
        let answers = model.forward(x.repeat_dim(0, 2), time.repeat_dim(0, 2), Some(&both)); // [2B, ..]
        let (told, untold) = (answers.clone().narrow(0, 0, batch), answers.narrow(0, batch, batch));
        told.clone() + (told - untold) * weight
    }
}

/// Labels with those replaced by ∅ whose uniform number lies below `probability`; the paper finds 0.1 to 0.2 best.
///
/// # Shapes
///
/// - labels, output: `[batch]`
/// - uniform: `[batch]`, in [0, 1)
pub fn drop_labels(
    labels: Tensor<1, Int>,
    uniform: Tensor<1>,
    probability: f64,
    classes: usize,
) -> Tensor<1, Int> {
    labels.mask_fill(uniform.lower_elem(probability), classes as i64)
}

/// e(t), see the [module page](self).
///
/// # Shapes
///
/// - time: `[batch]`, in [0, 1]
/// - output: `[batch, units]`, units rounded down to an even number
pub fn time_embedding(time: Tensor<1>, units: usize) -> Tensor<2> {
    let half = units / 2;
    let rates = (0..half).map(|i| SCALE * (-4.0 * LN_10 * i as f64 / half as f64).exp());
    let rates = TensorData::new(rates.collect::<Vec<f64>>(), [1, half]);
    let rates = Tensor::<2>::from_data(rates, (&time.device(), time.dtype()));
    let angles = time.unsqueeze_dim::<2>(1) * rates; // [B, units / 2]
    Tensor::cat(vec![angles.clone().sin(), angles.cos()], 1)
}

/// Sizes of an [`MlpDenoiser`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct MlpDenoiserConfig {
    /// Features of an example.
    pub features: usize,
    /// Units of the hidden layers. Default: found on planar densities.
    #[config(default = "vec![128, 128, 128]")]
    pub hidden: Vec<usize>,
    /// Units of the time's embedding, even. Default: a quarter of a hidden layer.
    #[config(default = 32)]
    pub time_units: usize,
    /// Number of classes; 0 for none.
    #[config(default = 0)]
    pub classes: usize,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl MlpDenoiserConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let hidden = self.hidden.iter().copied().min().unwrap_or(1);
        at_least_one(&[("features", self.features), ("hidden", hidden), ("time_units", self.time_units)])?;
        if !self.time_units.is_multiple_of(2) {
            return Err(ConfigError::new("time_units", format!("must be even, got {}", self.time_units)));
        }
        Ok(())
    }

    /// Builds the network on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<MlpDenoiser, ConfigError> {
        self.validate()?;
        let inputs = self.features + self.time_units + self.classes;
        let network = FeedForwardConfig::new(inputs, self.hidden.clone(), self.features)
            .with_hidden_activation(Activation::Silu)
            .with_seed(self.seed)
            .init(device)?;
        Ok(MlpDenoiser { network, time_units: self.time_units, classes: self.classes })
    }
}

/// A feed-forward network over x, the time's embedding and the one-hot class, for data that is no image.
#[derive(Module, Debug)]
pub struct MlpDenoiser {
    /// From all three, side by side, to the shape of x.
    pub network: FeedForward,
    /// Units of the time's embedding.
    #[module(skip)]
    pub time_units: usize,
    /// Number of classes; 0 for none.
    #[module(skip)]
    pub classes: usize,
}

impl Denoiser<2> for MlpDenoiser {
    fn classes(&self) -> usize {
        self.classes
    }

    fn forward(&self, x: Tensor<2>, time: Tensor<1>, labels: Option<&Tensor<1, Int>>) -> Tensor<2> {
        let batch = x.dims()[0];
        let time = time_embedding(time, self.time_units); // [B, units]
        let mut parts = vec![x.clone(), time];
        if self.classes > 0 {
            let class = match labels {
                // One place more for ∅, which is then cut off: no class is all zeros.
                Some(labels) => labels.clone().one_hot::<2>(self.classes + 1).float().cast(x.dtype()),
                None => Tensor::zeros([batch, self.classes + 1], (&x.device(), x.dtype())),
            };
            parts.push(class.narrow(1, 0, self.classes)); // [B, classes]
        }
        self.network.forward(Tensor::cat(parts, 1)) // [B, features]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fornax_nn_core::check::{assert_close, fill};

    /// Says its class, whatever it is shown.
    struct Parrot;

    impl Denoiser<2> for Parrot {
        fn classes(&self) -> usize {
            5
        }

        fn forward(&self, x: Tensor<2>, _time: Tensor<1>, labels: Option<&Tensor<1, Int>>) -> Tensor<2> {
            match labels {
                Some(labels) => labels.clone().float().unsqueeze_dim(1),
                None => x.full_like(5.0),
            }
        }
    }

    #[test]
    fn guidance_goes_further_from_no_class() {
        let device = Device::flex();
        let (x, time) = (Tensor::<2>::zeros([2, 1], &device), Tensor::<1>::zeros([2], &device));
        let labels = Tensor::<1, Int>::from_data([1, 3], &device);
        let says = |weight| guided(&Parrot, labels.clone(), weight)(x.clone(), time.clone());
        assert_close(&says(0.0), &[1.0, 3.0], 0.0, 0.0);
        // 1 + 2·(1 − 5) and 3 + 2·(3 − 5).
        assert_close(&says(2.0), &[-7.0, -1.0], 0.0, 1e-6);
        assert_close(&unguided(&Parrot)(x, time), &[5.0, 5.0], 0.0, 0.0);
    }

    #[test]
    fn labels_below_the_probability_are_dropped() {
        let device = Device::flex();
        let labels = Tensor::<1, Int>::from_data([1, 2, 3], &device);
        let uniform = Tensor::from_data([0.05, 0.1, 0.9], &device);
        let left = drop_labels(labels, uniform, 0.1, 10).into_data().iter::<i64>().collect::<Vec<_>>();
        assert_eq!(left, [10, 2, 3]);
    }

    #[test]
    fn times_are_embedded_as_written_and_far_apart() {
        let device = Device::flex();
        let embedded = time_embedding(Tensor::from_data([0.0, 0.25], &device), 4);
        let expected = [0.0, 0.0, 1.0, 1.0, 250f64.sin(), 2.5f64.sin(), 250f64.cos(), 2.5f64.cos()];
        assert_close(&embedded, &expected, 1e-4, 1e-5);
    }

    #[test]
    fn no_class_is_the_class_of_that_number() {
        let device = Device::flex();
        let config = MlpDenoiserConfig::new(2).with_hidden(vec![8]).with_classes(3);
        let model = fill::fill(config.init(&device).unwrap());
        let (x, time) = (fill::input::<2>("x", [2, 2], &device), Tensor::from_data([0.1, 0.7], &device));
        let of = |label: i64| {
            model.forward(x.clone(), time.clone(), Some(&Tensor::from_data([label, label], &device)))
        };
        assert_close(&of(3), &model.forward(x.clone(), time.clone(), None), 0.0, 0.0);
        assert!((of(0) - of(1)).abs().max().into_scalar::<f32>() > 1e-3);
    }

    #[test]
    fn unusable_sizes_are_named() {
        let error = |config: MlpDenoiserConfig| config.init(&Device::flex()).unwrap_err().to_string();
        assert!(error(MlpDenoiserConfig::new(0)).starts_with("features"));
        assert!(error(MlpDenoiserConfig::new(2).with_time_units(3)).starts_with("time_units"));
        assert!(error(MlpDenoiserConfig::new(2).with_hidden(vec![0])).starts_with("hidden"));
    }
}
