//! Sizes of a [`Gpt`], and the published ones by name.

use burn::config::Config;
use burn::nn::{DropoutConfig, EmbeddingConfig, Initializer};
use burn::tensor::Device;
use fornax_nn_core::ConfigError;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::config::at_least_one;

use super::Gpt;
use crate::position::PositionKind;
use crate::transformer::Stack;
use crate::transformer::block::{BlockConfig, NormOrder};
use crate::transformer::norm::NormKind;

/// Sizes of a [`Gpt`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct GptConfig {
    /// Tokens there are.
    pub vocab_size: usize,
    /// Tokens seen at once. Default: GPT-2's.
    #[config(default = 1024)]
    pub context: usize,
    /// Features of a position. Default: the smallest GPT-2's.
    #[config(default = 768)]
    pub d_model: usize,
    /// Blocks. Default: the smallest GPT-2's.
    #[config(default = 12)]
    pub layers: usize,
    /// Heads. Default: the smallest GPT-2's.
    #[config(default = 12)]
    pub heads: usize,
    /// Heads of keys and values. Default: as many as `heads`.
    pub kv_heads: Option<usize>,
    /// Features inside the feed-forward layers. Default: four times `d_model`, GPT-2's.
    pub d_ff: Option<usize>,
    /// Default: GPT-2's.
    #[config(default = "PositionKind::Learned")]
    pub position: PositionKind,
    /// Default: GPT-2's.
    #[config(default = "NormKind::Layer")]
    pub norm: NormKind,
    /// Default: GPT-2's.
    #[config(default = "Activation::GeluTanh")]
    pub activation: Activation,
    /// How many positions a position sees, itself among them. Default: all before it.
    pub window: Option<usize>,
    /// Probability of dropping an embedding, attention weight or element of a branch. Default: GPT-2's.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Whether linear layers and LayerNorm have biases. Default: yes, GPT-2's.
    #[config(default = true)]
    pub bias: bool,
    /// ε of the normalisations. Default: GPT-2's.
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

impl GptConfig {
    /// The smallest GPT-2: 124,439,808 parameters.
    pub fn gpt2() -> Self {
        Self::new(50_257)
    }

    /// 354,823,168 parameters.
    pub fn gpt2_medium() -> Self {
        Self::gpt2().with_d_model(1024).with_layers(24).with_heads(16)
    }

    /// 774,030,080 parameters.
    pub fn gpt2_large() -> Self {
        Self::gpt2().with_d_model(1280).with_layers(36).with_heads(20)
    }

    /// 1,557,611,200 parameters.
    pub fn gpt2_xl() -> Self {
        Self::gpt2().with_d_model(1600).with_layers(48).with_heads(25)
    }

    /// nanoGPT's setting for characters on a CPU: some 800,000 parameters without biases or dropout.
    pub fn nano(vocab_size: usize) -> Self {
        Self::new(vocab_size)
            .with_context(64)
            .with_d_model(128)
            .with_layers(4)
            .with_heads(4)
            .with_dropout(0.0)
            .with_bias(false)
    }

    /// The same size built as Llama: rotary positions, RMSNorm, SwiGLU of 8/3 the width, two queries to a key.
    pub fn modern(vocab_size: usize) -> Self {
        Self::nano(vocab_size)
            .with_kv_heads(Some(2))
            .with_d_ff(Some(344))
            .with_position(PositionKind::Rotary)
            .with_norm(NormKind::Rms)
            .with_activation(Activation::SwiGlu)
    }

    /// Builds the model on `device`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<Gpt, ConfigError> {
        let sizes = [("vocab_size", self.vocab_size), ("context", self.context), ("layers", self.layers)];
        at_least_one(&sizes)?;
        at_least_one(&[("window", self.window.unwrap_or(1))])?;
        let normal = |std| Initializer::Normal { mean: 0.0, std };
        let block = BlockConfig::new(self.d_model, self.heads, self.d_ff.unwrap_or(4 * self.d_model))
            .with_kv_heads(self.kv_heads)
            .with_activation(self.activation)
            .with_norm(self.norm)
            .with_order(NormOrder::Pre)
            .with_dropout(self.dropout)
            .with_bias(self.bias)
            .with_epsilon(self.epsilon)
            .with_initializer(normal(0.02))
            .with_output_initializer(normal(0.02 / (2.0 * self.layers as f64).sqrt()));
        let stack = Stack::new(self.layers, &block, true, device)?;
        let (odd_head, odd_model) = (self.d_model / self.heads % 2 == 1, self.d_model % 2 == 1);
        if (self.position == PositionKind::Rotary && odd_head)
            || (self.position == PositionKind::Sinusoidal && odd_model)
        {
            return Err(ConfigError::new(
                "position",
                "rotary and sinusoidal positions need an even number of features",
            ));
        }
        let table =
            |rows| EmbeddingConfig::new(rows, self.d_model).with_initializer(normal(0.02)).init(device);
        Ok(Gpt {
            tokens: table(self.vocab_size),
            positions: (self.position == PositionKind::Learned).then(|| table(self.context)),
            stack,
            dropout: DropoutConfig::new(self.dropout).init(),
            config: self.clone(),
        })
    }
}
