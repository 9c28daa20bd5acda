//! The feed-forward layer of a block: every position for itself.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::config::at_least_one;

use crate::attention::linear;

/// Sizes of a [`FeedForward`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug)]
pub struct FeedForwardConfig {
    /// Features of a position.
    pub d_model: usize,
    /// Features in between; the paper's is four times as many.
    pub d_ff: usize,
    /// Between the two: ReLU in the paper, GELU in BERT, its tanh form in GPT-2, SwiGLU in Llama.
    pub activation: Activation,
    /// Whether the layers have biases. Default: yes, the paper's.
    #[config(default = true)]
    pub bias: bool,
    /// Of the first layer's weights. Default: PyTorch's.
    #[config(default = "Initializer::KaimingUniform { gain: 1.0 / 3f64.sqrt(), fan_out_only: false }")]
    pub initializer: Initializer,
    /// Of the second layer's weights. Default: PyTorch's.
    #[config(default = "Initializer::KaimingUniform { gain: 1.0 / 3f64.sqrt(), fan_out_only: false }")]
    pub output_initializer: Initializer,
}

impl FeedForwardConfig {
    /// Builds the layer on `device`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<FeedForward, ConfigError> {
        at_least_one(&[("d_model", self.d_model), ("d_ff", self.d_ff)])?;
        self.activation.validate().map_err(|error| error.within("activation"))?;
        let inner = self.activation.input_width(self.d_ff);
        Ok(FeedForward {
            up: linear([self.d_model, inner], self.bias, &self.initializer, device),
            down: linear([self.d_ff, self.d_model], self.bias, &self.output_initializer, device),
            activation: self.activation,
        })
    }
}

/// `down(f(up(x)))`, the same for every position.
///
/// ```text
/// ReLU, GELU   y = W₂ · f(W₁·x + b₁) + b₂
/// SwiGLU       y = W₂ · (silu(W₁·x) ⊙ V·x)        W₁ and V are the halves of `up`
/// ```
#[derive(Module, Debug)]
pub struct FeedForward {
    /// W₁; twice as wide where the activation gates.
    pub up: Linear,
    /// W₂.
    pub down: Linear,
    /// f.
    #[module(skip)]
    pub activation: Activation,
}

impl FeedForward {
    /// # Shapes
    ///
    /// - x: `[batch, length, d_model]`
    /// - output: the same
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.down.forward(self.activation.apply(self.up.forward(x)))
    }
}
