//! The two kinds of network, by one name.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Int, Tensor};
use clap::ValueEnum;
use fornax_generative::{Made, MadeConfig, PixelCnn, PixelCnnConfig, made, pixel_cnn};
use fornax_nn_core::ConfigError;
use fornax_nn_core::gradient::NonFinite;
use serde::Serialize;

/// A uniform number that the zeros' probability stays below unless the network is surer than this of a zero.
const ALMOST_ONE: f64 = 1.0 - 1e-6;

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Masked convolutions
    #[value(name = "pixelcnn")]
    PixelCnn,
    /// Masked fully connected layers
    Made,
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
pub(crate) enum Network {
    PixelCnn(PixelCnn),
    Made(Made),
}

impl Network {
    /// For square images of `side` pixels, each 0 or 1.
    pub(crate) fn init(kind: Kind, side: usize, seed: u64, device: &Device) -> Result<Self, ConfigError> {
        Ok(match kind {
            Kind::PixelCnn => Self::PixelCnn(PixelCnnConfig::binary().with_seed(seed).init(device)?),
            Kind::Made => Self::Made(MadeConfig::new(side * side).with_seed(seed).init(device)?),
        })
    }

    /// ln p(x), `[batch]`.
    pub(crate) fn log_prob(&self, x: Tensor<3, Int>) -> Tensor<1> {
        match self {
            Self::PixelCnn(model) => model.log_prob(x),
            Self::Made(model) => model.log_prob(x.float().flatten(1, 2)),
        }
    }

    /// Images, from a uniform number for each pixel.
    pub(crate) fn sample(&self, uniform: Tensor<3>) -> Tensor<3, Int> {
        let [batch, height, width] = uniform.dims();
        match self {
            Self::PixelCnn(model) => model.sample(uniform),
            Self::Made(model) => model.sample(uniform.flatten(1, 2)).int().reshape([batch, height, width]),
        }
    }

    /// Samples whose first `given` rows, at least one, are those of `x`: uniform numbers at either end leave no choice.
    pub(crate) fn complete(&self, x: Tensor<3, Int>, given: usize, uniform: Tensor<3>) -> Tensor<3, Int> {
        let height = x.dims()[1];
        let known = x.narrow(1, 0, given).float();
        let known = match self {
            Self::PixelCnn(_) => known * ALMOST_ONE, // a one where the zeros' probability is at most the number
            Self::Made(_) => -known + 1.0,           // a one where the ones' probability is above the number
        };
        self.sample(Tensor::cat(vec![known, uniform.narrow(1, given, height - given)], 1))
    }

    /// The library's step of either.
    pub(crate) fn train_step(
        self,
        optim: &mut ModuleOptimizer,
        lr: f64,
        x: Tensor<3, Int>,
    ) -> Result<(Self, f32), NonFinite> {
        Ok(match self {
            Self::PixelCnn(model) => {
                let (model, loss) = pixel_cnn::train_step(model, optim, lr, x)?;
                (Self::PixelCnn(model), loss)
            }
            Self::Made(model) => {
                let (model, loss) = made::train_step(model, optim, lr, x.float().flatten(1, 2))?;
                (Self::Made(model), loss)
            }
        })
    }
}
