//! Everything that changes from step to step.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use fornax_generative::balance::Monitor;
use fornax_nn_core::optim::{AdamConfig, Ema, EmaConfig};
use fornax_nn_core::train::Error;
use fornax_nn_core::train::checkpoint::{Loaded, Snapshot};

use crate::Outcome;

/// A generator, a critic, and what goes with them.
pub(crate) struct Players<G, C> {
    pub(crate) generator: G,
    pub(crate) critic: C,
    pub(crate) g_optim: ModuleOptimizer,
    pub(crate) c_optim: ModuleOptimizer,
    /// Of the generator: what is judged.
    pub(crate) ema: Ema<G>,
    pub(crate) monitor: Monitor,
}

impl<G: Module, C: Module> Players<G, C> {
    pub(crate) fn new(generator: G, critic: C, adam: &AdamConfig, memory: f64) -> Outcome<Self> {
        let ema = EmaConfig::new().with_decay(memory).init(&generator)?;
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

    pub(crate) fn restored(self, saved: &Loaded, memory: f64) -> Outcome<Self> {
        let average = saved.module("average", self.ema.model().clone())?;
        Ok(Self {
            generator: saved.module("generator", self.generator)?,
            critic: saved.module("critic", self.critic)?,
            g_optim: saved.optimizer("g_optim", self.g_optim)?,
            c_optim: saved.optimizer("c_optim", self.c_optim)?,
            ema: EmaConfig::new().with_decay(memory).resume(average, saved.json("updates")?)?,
            monitor: saved.json("monitor")?,
        })
    }
}
