//! Everything that changes from step to step.

use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use fornax_generative::unet::{UNet, UNetConfig};
use fornax_nn_core::optim::{AdamWConfig, Ema, EmaConfig};
use fornax_nn_core::train::Error;
use fornax_nn_core::train::checkpoint::{Loaded, Snapshot};

use crate::Outcome;

pub(crate) struct Learner {
    pub(crate) model: UNet,
    pub(crate) optim: ModuleOptimizer,
    /// Of the model: what is sampled from.
    pub(crate) ema: Ema<UNet>,
}

/// A memory of 200 steps.
fn averaging() -> EmaConfig {
    EmaConfig::new().with_decay(0.995)
}

impl Learner {
    pub(crate) fn new(config: &UNetConfig, device: &Device) -> Outcome<Self> {
        let model = config.init(device)?;
        Ok(Self { ema: averaging().init(&model)?, model, optim: AdamWConfig::new().init()? })
    }

    pub(crate) fn save(&self, s: Snapshot) -> Result<Snapshot, Error> {
        s.module("model", &self.model)?
            .optimizer("optimizer", &self.optim)?
            .module("average", self.ema.model())?
            .json("updates", &self.ema.updates())
    }

    pub(crate) fn restored(self, saved: &Loaded) -> Outcome<Self> {
        let average = saved.module("average", self.ema.model().clone())?;
        Ok(Self {
            model: saved.module("model", self.model)?,
            optim: saved.optimizer("optimizer", self.optim)?,
            ema: averaging().resume(average, saved.json("updates")?)?,
        })
    }
}
