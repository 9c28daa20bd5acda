//! Everything that changes from step to step.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use fornax_generative::balance::Monitor;
use fornax_generative::gan::{Batch, Critic, GanConfig, Generator};
use fornax_nn_core::optim::{AdamConfig, Ema, EmaConfig};
use fornax_nn_core::train::Error;
use fornax_nn_core::train::checkpoint::{Loaded, Snapshot};

use crate::Outcome;

pub(crate) struct Players {
    pub(crate) generator: Generator,
    pub(crate) critic: Critic,
    pub(crate) g_optim: ModuleOptimizer,
    pub(crate) c_optim: ModuleOptimizer,
    /// Of the generator: what is judged.
    pub(crate) ema: Ema<Generator>,
    pub(crate) monitor: Monitor,
}

/// A memory of 200 steps.
fn averaging() -> EmaConfig {
    EmaConfig::new().with_decay(0.995)
}

impl Players {
    pub(crate) fn new(config: &GanConfig, device: &Device) -> Outcome<Self> {
        let (generator, critic) = config.init(device)?;
        // Little momentum, or the two chase each other: Gulrajani et al. take 0 and 0.9, Radford et al. 0.5.
        let adam = AdamConfig::new().with_beta_1(0.5).with_beta_2(0.9);
        let ema = averaging().init(&generator)?;
        let (g_optim, c_optim) = (adam.init()?, adam.init()?);
        Ok(Self { generator, critic, g_optim, c_optim, ema, monitor: Monitor::default() })
    }

    pub(crate) fn save(&self, s: Snapshot) -> Result<Snapshot, Error> {
        s.module("generator", &self.generator)?
            .module("critic", &self.critic)?
            .optimizer("g_optim", &self.g_optim)?
            .optimizer("c_optim", &self.c_optim)?
            .module("average", self.ema.model())?
            .json("updates", &self.ema.updates())?
            .json("monitor", &self.monitor)
    }

    pub(crate) fn restored(self, saved: &Loaded) -> Outcome<Self> {
        let average = saved.module("average", self.ema.model().clone())?;
        Ok(Self {
            generator: saved.module("generator", self.generator)?,
            critic: saved.module("critic", self.critic)?,
            g_optim: saved.optimizer("g_optim", self.g_optim)?,
            c_optim: saved.optimizer("c_optim", self.c_optim)?,
            ema: averaging().resume(average, saved.json("updates")?)?,
            monitor: saved.json("monitor")?,
        })
    }

    /// After a step: the average follows, the monitor looks.
    pub(crate) fn observed(mut self, batch: Batch) -> Self {
        self.ema = self.ema.update(&self.generator);
        let (generator, critic) = (self.generator.valid(), self.critic.valid());
        let (real, fake) =
            (batch.real.without_autodiff(), generator.forward(batch.z.without_autodiff(), None));
        let logits = (critic.forward(real.clone(), None), critic.forward(fake.clone(), None));
        self.monitor.observe(logits.0, logits.1, real, fake);
        self
    }
}
