//! The two kinds of network, by one name.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use clap::ValueEnum;
use fornax_generative::autoencoder::{self, Batch, Regularizer};
use fornax_generative::conv_autoencoder;
use fornax_generative::{Autoencoder, AutoencoderConfig, ConvAutoencoder, ConvAutoencoderConfig};
use fornax_nn_core::ConfigError;
use fornax_nn_core::gradient::NonFinite;
use serde::Serialize;

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Fully connected
    Dense,
    /// Convolutions that halve the image, and transposed ones
    Conv,
}

#[derive(Module, Debug)]
pub(crate) enum Network {
    Dense(Autoencoder),
    Conv(ConvAutoencoder),
}

impl Network {
    /// For square grey images of `side` pixels.
    pub(crate) fn init(
        kind: Kind,
        side: usize,
        code: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, ConfigError> {
        Ok(match kind {
            Kind::Dense => {
                Self::Dense(AutoencoderConfig::new(side * side, code).with_seed(seed).init(device)?)
            }
            Kind::Conv => {
                Self::Conv(ConvAutoencoderConfig::new([side, side], code).with_seed(seed).init(device)?)
            }
        })
    }

    /// x̂, `[batch, side²]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Dense(model) => model.forward(x),
            Self::Conv(model) => model.forward(square(x)).flatten(1, 3),
        }
    }

    /// The library's step of either.
    pub(crate) fn train_step(
        self,
        optim: &mut ModuleOptimizer,
        lr: f64,
        batch: Batch,
    ) -> Result<(Self, f32), NonFinite> {
        Ok(match self {
            Self::Dense(model) => {
                let (model, loss) = autoencoder::train_step(model, optim, lr, batch, &Regularizer::None)?;
                (Self::Dense(model), loss)
            }
            Self::Conv(model) => {
                let images = (square(batch.inputs), square(batch.targets));
                let (model, loss) = conv_autoencoder::train_step(model, optim, lr, images)?;
                (Self::Conv(model), loss)
            }
        })
    }
}

/// `[batch, side²]` as `[batch, 1, side, side]`.
fn square(x: Tensor<2>) -> Tensor<4> {
    let [batch, pixels] = x.dims();
    let side = pixels.isqrt();
    x.reshape([batch, 1, side, side])
}
