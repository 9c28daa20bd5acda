//! # Probabilistic control
//!
//! Where a road forks, drivers go left or right. The mean of what they do is straight on, into the barrier between.
//! A network that outputs one number, or one normal distribution, has nothing better to offer. A **mixture density
//! network** outputs the parameters of K normal distributions and can say "left or right, but not between":
//!
//! ```text
//! p(a | image) = Σ_k π_k · Π_d N(a_d; μ_kd, σ_kd²)        a the command: steering, speed, …
//! π = softmax(z)     ln σ = ln σ_min + softplus(s − ln σ_min)          z, μ, s: outputs of the network
//!
//! loss = −ln p(a | image), averaged over the batch                     (nats, by log-sum-exp)
//! ```
//!
//! ```text
//! image ──▶ backbone ──▶ coarsest map ──▶ summary ──▶ z [K], μ [K, D], s [K, D] ──▶ mixture
//! ```
//!
//! With K = 1 the mixture is a single normal distribution: the same code is its own baseline.
//!
//! A controller that has to act asks the [`Mixture`] for a **sample** (behaves as the drivers did, but may change its
//! mind at every frame), or for the highest of its **modes** (a command that drivers do give), never for its mean.
//!
//! What goes wrong: components that lose everywhere get no gradient and die (K is therefore chosen larger than
//! needed); a component that settles on repeated commands would shrink for ever, which σ_min ends; commands of very
//! different scale, for which targets are normalised.
//!
//! Paper: C. Bishop, *Mixture density networks*, Aston University 1994.
//! <https://publications.aston.ac.uk/id/eprint/373/>
//!
//! ## Differs from the paper
//!
//! 1. Each dimension of a component has a deviation of its own; the paper's kernels are round.
//! 2. The deviation has a floor, so that the likelihood of commands that repeat exactly stays bounded.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive};
use fornax_nn_core::gradient::{NonFinite, gradients};

use crate::Backbone;
use crate::block::{Init, Summary, SummaryConfig, coarsest_map, linear};
use crate::regression::floored;

mod mixture;

pub use mixture::{Density, Mixture, Mode};

/// Sizes of the head of a [`Controller`]; pure data, put on a backbone by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct ControllerConfig {
    /// D: numbers in a command, such as 2 for steering and speed.
    pub commands: usize,
    /// K: components of the mixture; 1 for a single normal distribution. Default: 3, as in the paper's inverse problem.
    #[config(default = 3)]
    pub components: usize,
    /// Grid, hidden layer and dropout before the last layer. Default: [`SummaryConfig`]'s.
    #[config(default = "SummaryConfig::new()")]
    pub summary: SummaryConfig,
    /// σ_min, in the unit of the commands. Default: 0.01, for commands of about unit deviation.
    #[config(default = 1e-2)]
    pub min_std: f64,
}

impl ControllerConfig {
    /// Puts the head on a backbone; the backbone stays as it is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init<B: Backbone>(&self, backbone: B, device: &Device) -> Result<Controller<B>, ConfigError> {
        let head = self.head(&backbone, device)?;
        Ok(Controller { backbone, head })
    }

    /// The head alone, for the coarsest map of `backbone`.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn head<B: Backbone>(&self, backbone: &B, device: &Device) -> Result<MixtureHead, ConfigError> {
        at_least_one(&[("commands", self.commands), ("components", self.components)])?;
        positive("min_std", self.min_std)?;
        let summary = self.summary.init(backbone, device).map_err(|error| error.within("summary"))?;
        let outputs = self.components * (1 + 2 * self.commands);
        Ok(MixtureHead {
            fc: linear([summary.units(), outputs], Init::Default, device),
            summary,
            config: self.clone(),
        })
    }
}

/// From a map to a mixture density.
#[derive(Module, Debug)]
pub struct MixtureHead {
    /// From the map to a vector.
    pub summary: Summary,
    /// From the vector to z, then μ, then s.
    pub fc: Linear,
    /// What it was built from.
    #[module(skip)]
    pub config: ControllerConfig,
}

impl MixtureHead {
    /// The parameters before they are constrained.
    ///
    /// # Shapes
    ///
    /// - map: `[batch, channels, height, width]`
    /// - output: `[batch, components · (1 + 2·commands)]`: z, then μ and s, component by component
    pub fn forward(&self, map: Tensor<4>) -> Tensor<2> {
        self.fc.forward(self.summary.forward(map))
    }

    /// The mixture of raw parameters.
    ///
    /// # Shapes
    ///
    /// - raw: `[batch, components · (1 + 2·commands)]`
    pub fn mixture(&self, raw: Tensor<2>) -> Mixture {
        let ControllerConfig { commands, components, min_std, .. } = self.config;
        let batch = raw.dims()[0];
        let part = |start: usize| {
            raw.clone().narrow(1, start, components * commands).reshape([batch, components, commands])
        };
        Mixture {
            logits: raw.clone().narrow(1, 0, components),
            mean: part(components),
            log_std: floored(part(components * (1 + commands)), min_std),
        }
    }
}

/// A backbone with a mixture density over commands on its coarsest map; see the [page](self).
#[derive(Module, Debug)]
pub struct Controller<B: Backbone> {
    /// Feature extraction.
    pub backbone: B,
    /// From the coarsest map to the mixture.
    pub head: MixtureHead,
}

impl<B: Backbone> Controller<B> {
    /// The predicted distribution over commands.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`, values around zero with unit deviation
    /// - output: logits `[batch, components]`, mean and ln σ `[batch, components, commands]`
    ///
    /// # Panics
    ///
    /// On images that [`check_images`](Backbone::check_images) refuses.
    pub fn forward(&self, images: Tensor<4>) -> Mixture {
        let map = coarsest_map(&self.backbone, images);
        self.head.mixture(self.head.forward(map))
    }

    /// What training minimises: the mean of [`Mixture::nll`].
    pub fn training_loss(&self, batch: Batch) -> Tensor<1> {
        self.forward(batch.images).nll(batch.commands).mean()
    }
}

/// What a driver did; [`check_targets`](crate::regression::check_targets) finds a NaN in it.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, in_channels, height, width]`
    pub images: Tensor<4>,
    /// `[batch, commands]`
    pub commands: Tensor<2>,
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<B: Backbone>(
    model: Controller<B>,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
) -> Result<(Controller<B>, f32), NonFinite> {
    let loss = model.training_loss(batch);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}
