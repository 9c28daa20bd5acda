//! The sizes of a feed-forward network and how it is built.

use burn::config::Config;
use burn::module::Param;
use burn::nn::{DropoutConfig, Linear};
use burn::tensor::{Device, Tensor};

use super::{FeedForward, Layer};
use crate::ConfigError;
use crate::activation::Activation;
use crate::init::{Fans, Init};

/// Sizes of a [`FeedForward`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct FeedForwardConfig {
    /// Features of an example.
    pub input: usize,
    /// Units of each hidden layer, from the bottom up; empty for a single layer.
    pub hidden: Vec<usize>,
    /// Units of the output layer.
    pub output: usize,
    /// Of all hidden layers. Default: ReLU, Glorot et al. 2011.
    #[config(default = "Activation::Relu")]
    pub hidden_activation: Activation,
    /// Of the output layer. Default: linear, which makes [`FeedForward::forward`] give the logits.
    #[config(default = "Activation::Linear")]
    pub output_activation: Activation,
    /// Of all weights. Default: matched to each layer's activation, [`Init::matched`].
    pub init: Option<Init>,
    /// Whether layers have biases, which start at 0.
    #[config(default = true)]
    pub bias: bool,
    /// Probability of dropping a hidden activation while training, in [0, 1). Default: none.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl FeedForwardConfig {
    /// The benchmark's network for 28 × 28 digits: 784-512-512-10, ReLU, softmax; 669,706 parameters.
    pub fn digits() -> Self {
        Self::new(784, vec![512, 512], 10).with_output_activation(Activation::Softmax)
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [("input".to_owned(), self.input), ("output".to_owned(), self.output)];
        let hidden = self.hidden.iter().enumerate().map(|(i, units)| (format!("hidden[{i}]"), *units));
        if let Some((field, _)) = sizes.into_iter().chain(hidden).find(|(_, units)| *units == 0) {
            return Err(ConfigError::new(field, "must be at least 1, got 0"));
        }
        self.hidden_activation.validate().map_err(|error| error.within("hidden_activation"))?;
        self.output_activation.validate().map_err(|error| error.within("output_activation"))?;
        if self.hidden_activation == Activation::Softmax {
            let reason = "softmax makes the units of a layer compete for a sum of 1; use it for the output";
            return Err(ConfigError::new("hidden_activation", reason));
        }
        if let Some(init) = self.init {
            init.validate().map_err(|error| error.within("init"))?;
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(ConfigError::new("dropout", format!("must lie in [0, 1), got {}", self.dropout)));
        }
        Ok(())
    }

    /// `(inputs, units, activation)` of each layer that computes, from the bottom up.
    fn layers(&self) -> impl Iterator<Item = (usize, usize, Activation)> {
        let inputs = std::iter::once(self.input).chain(self.hidden.iter().copied());
        let hidden = self.hidden.iter().map(|units| (*units, self.hidden_activation));
        let outputs = hidden.chain(std::iter::once((self.output, self.output_activation)));
        inputs.zip(outputs).map(|(inputs, (units, activation))| (inputs, units, activation))
    }

    /// Learnable numbers: Σ over layers of (inputs + bias) · units, and one slope per PReLU layer.
    pub fn num_params(&self) -> usize {
        self.layers()
            .map(|(inputs, units, activation)| {
                let slope = usize::from(matches!(activation, Activation::Prelu { .. }));
                (inputs + usize::from(self.bias)) * activation.input_width(units) + slope
            })
            .sum()
    }

    /// Builds the network on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<FeedForward, ConfigError> {
        self.validate()?;
        let layers = self.layers().zip(1..).map(|((inputs, units, activation), layer)| {
            let shape = [inputs, activation.input_width(units)];
            let init = self.init.unwrap_or_else(|| Init::matched(&activation));
            let weight =
                init.tensor(shape, Fans::linear(shape), mix(mix(self.seed).wrapping_add(layer)), device);
            let bias = self.bias.then(|| Param::from_tensor(Tensor::zeros([shape[1]], device)));
            Layer {
                linear: Linear { weight: Param::from_tensor(weight), bias },
                activation: activation.layer(device),
            }
        });
        let dropout = DropoutConfig::new(self.dropout).init();
        Ok(FeedForward { layers: layers.collect(), dropout })
    }
}

/// A bijection on u64 that scatters neighbours (the finaliser of SplitMix64): without it, layer 2 of
/// seed 1 would be layer 1 of seed 2. <https://doi.org/10.1145/2714064.2660195>
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
