//! # Fine-tuning
//!
//! A plan is a list of phases; in each, some groups are frozen, the others learn at rates of their own under one cycle:
//!
//! ```text
//! scratch          ▏ ●●●●● ───────────────────────────────▏   random weights, for comparison
//! head only        ▏ ····● ───────────────────────────────▏   linear on frozen features
//! fine-tune        ▏ ····● ▏ ●●●●● ───────────────────────▏   fastai's fine_tune: the head first, then all
//! gradual          ▏ ····● ▏ ···●● ▏ ··●●● ▏ ·●●●● ▏ ●●●●● ▏   ULMFiT
//! ```
//!
//! In **fine-tune** the head's phase has the rate η almost constant (rising for 99 % of the steps); the second halves η, and
//! the group at the image gets η/200, a hundredth of the head's. Both are fastai's defaults
//! (J. Howard, S. Gugger, *fastai: a layered API*, 2020, <https://arxiv.org/abs/2002.04688>).
//!
//! **When it fails**: a rate found for training from scratch is mostly too high for weights that are good already; and with as many
//! images as the source had, starting at random ends in the same place (K. He et al., *Rethinking ImageNet
//! pre-training*, 2019, <https://arxiv.org/abs/1811.08883>).

use burn::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::optim::ModuleOptimizer;
use fornax_cnn::Classifier;
use fornax_cnn::classification::Batch;
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, positive};
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::schedule::ScheduleConfig;
use serde::{Deserialize, Serialize};

use crate::freeze::{GradualUnfreezing, NormPolicy, freeze};
use crate::groups::{GroupError, Groups};
use crate::rates::Rates;

/// Some epochs in which the same groups learn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Passes over the data.
    pub epochs: usize,
    /// Groups that are frozen, counted from the image.
    pub frozen: usize,
    /// Peaks of the learning rates.
    pub rates: Rates,
    /// Which normalisations follow the batches.
    pub norms: NormPolicy,
    /// Share of the steps in which the rates rise.
    pub warm_up: f64,
    /// The peak divided by the first rate.
    pub start_divisor: f64,
}

/// fastai's last rate is the peak divided by this.
const END_DIVISOR: f64 = 1e5;

impl Phase {
    /// All groups learn at one rate: training as from scratch. One cycle with fastai's defaults, a quarter of it rising from η/25.
    pub fn everything(epochs: usize, lr: f64) -> Self {
        Self {
            epochs,
            frozen: 0,
            rates: Rates::Uniform { lr },
            norms: NormPolicy::Learning,
            warm_up: 0.25,
            start_divisor: 25.0,
        }
    }

    /// Only the head learns.
    pub fn head(groups: &Groups, epochs: usize, lr: f64) -> Self {
        Self { frozen: groups.len().saturating_sub(1), ..Self::everything(epochs, lr) }
    }

    /// The schedule of the phase, of `steps` steps an epoch: one cycle, or a constant rate where it is too short for one.
    pub fn schedule(&self, steps: usize) -> ScheduleConfig {
        let steps = steps * self.epochs;
        let cycle = ScheduleConfig::OneCycle {
            steps,
            warm_up: self.warm_up,
            start_divisor: self.start_divisor,
            end_divisor: END_DIVISOR / self.start_divisor,
            linear: false,
            three_phases: false,
        };
        if self.warm_up * steps as f64 > 1.0 && steps > 2 { cycle } else { ScheduleConfig::Constant }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("epochs", self.epochs)])?;
        positive("start_divisor", self.start_divisor)?;
        if !(self.warm_up > 0.0 && self.warm_up < 1.0) {
            return Err(ConfigError::new("warm_up", format!("must lie in (0, 1), got {}", self.warm_up)));
        }
        self.rates.of(1).map(drop).map_err(|error| error.within("rates"))
    }

    /// The model as this phase trains it, and its rates from step `step` of the phase on.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when there are not as many groups or a setting cannot be used.
    pub fn begin<M: Classifier>(
        &self,
        model: M,
        groups: &Groups,
        steps_per_epoch: usize,
        step: usize,
    ) -> Result<(M, ModuleLrScheduler), PlanError> {
        self.validate()?;
        let scheduler = self.rates.scheduler(groups, &self.schedule(steps_per_epoch), step)?;
        Ok((freeze(model, groups, self.frozen, self.norms)?, scheduler))
    }
}

/// fastai's `fine_tune`: the head for `freeze_epochs` at `base_lr`, then everything for `epochs`, from `base_lr`/2 at the head
/// down to a hundredth of that at the image.
pub fn fine_tune(groups: &Groups, epochs: usize, base_lr: f64) -> Vec<Phase> {
    let highest = base_lr / 2.0;
    vec![
        Phase { warm_up: 0.99, ..Phase::head(groups, 1, base_lr) },
        Phase {
            rates: Rates::Discriminative { lowest: highest / 100.0, highest },
            warm_up: 0.3,
            start_divisor: 5.0,
            ..Phase::everything(epochs, base_lr)
        },
    ]
}

/// Gradual unfreezing with layer-wise decay: a phase for each step of `unfreezing`, the last of them as long as is left of `epochs`.
pub fn gradual(
    groups: &Groups,
    unfreezing: &GradualUnfreezing,
    epochs: usize,
    rates: Rates,
) -> Result<Vec<Phase>, ConfigError> {
    unfreezing.validate()?;
    let mut phases: Vec<Phase> = Vec::new();
    for epoch in 0..epochs {
        let frozen = unfreezing.frozen(epoch, groups.len());
        match phases.last_mut() {
            Some(phase) if phase.frozen == frozen => phase.epochs += 1,
            _ => phases.push(Phase { frozen, rates, ..Phase::everything(1, 1.0) }),
        }
    }
    Ok(phases)
}

/// One step of a phase: forward, loss, backward, update at each group's rate. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<M: Classifier>(
    model: M,
    optim: &mut ModuleOptimizer,
    rates: ModuleLearningRate,
    batch: Batch,
) -> Result<(M, f32), NonFinite> {
    let loss = model.training_loss(batch);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(rates, model, gradients), loss))
}

/// Carries out a plan on the batches that `batches` gives for each epoch, counted over all phases and as many in each epoch of a
/// phase; also the losses of all steps.
/// A program that saves checkpoints writes this loop itself: [`Phase::begin`], then [`train_step`].
///
/// # Errors
///
/// [`PlanError`] when a phase cannot be used, or training diverges.
pub fn carry_out<M: Classifier>(
    mut model: M,
    groups: &Groups,
    plan: &[Phase],
    optim: &mut ModuleOptimizer,
    mut batches: impl FnMut(usize) -> Vec<Batch>,
) -> Result<(M, Vec<f32>), PlanError> {
    plan.iter().try_for_each(Phase::validate)?;
    let (mut epoch, mut losses) = (0, Vec::new());
    for phase in plan {
        let mut rates = None;
        for _ in 0..phase.epochs {
            let pass = batches(epoch);
            epoch += 1;
            let mut scheduler = match rates.take() {
                Some(scheduler) => scheduler,
                None => {
                    let (begun, scheduler) = phase.begin(model, groups, pass.len(), 0)?;
                    model = begun;
                    scheduler
                }
            };
            for batch in pass {
                let (trained, loss) = train_step(model, optim, scheduler.step(), batch)?;
                model = trained;
                losses.push(loss);
            }
            rates = Some(scheduler);
        }
    }
    Ok((model, losses))
}

/// A plan that cannot be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The groups.
    #[error(transparent)]
    Groups(#[from] GroupError),
    /// Training diverged.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}
