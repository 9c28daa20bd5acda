//! # A learning rate for each depth
//!
//! Early layers hold what transfers and should hardly move; late ones hold what does not and must. **Discriminative** rates say so
//! in numbers, from the image on, L groups in all:
//!
//! ```text
//! discriminative     η_l = η_low · (η_high / η_low)^(l / (L − 1))       equal steps on a logarithmic scale (fastai's slice)
//! layer-wise decay   η_l = η · d^(L − 1 − l)                            d < 1; ULMFiT: d = 1/2.6, Transformers: 0.65 to 0.9
//! ```
//!
//! Both are geometric and differ in what one says: two ends, or one end and a factor. A schedule multiplies them all alike, so the
//! ratio of two groups is the same at every step: one-cycle with the peaks η_l is PyTorch's `OneCycleLR(max_lr=[η_0, …])`.
//!
//! Under Adam, whose step does not grow with the gradient, the ratio of the rates is the ratio of the updates.
//!
//! Papers: J. Howard, S. Ruder, 2018 (<https://arxiv.org/abs/1801.06146>), section 3.2; K. Clark et al., *ELECTRA*, 2020
//! (<https://arxiv.org/abs/2003.10555>), for decay in Transformers.

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::positive;
use fornax_nn_core::schedule::{Schedule, ScheduleConfig};
use serde::{Deserialize, Serialize};

use crate::groups::Groups;

/// What the learning rate of each group is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rates {
    /// The same for all.
    Uniform {
        /// η.
        lr: f64,
    },
    /// Geometric between two ends.
    Discriminative {
        /// η_low, of the group at the image.
        lowest: f64,
        /// η_high, of the head.
        highest: f64,
    },
    /// Smaller by a factor from group to group towards the image.
    LayerWise {
        /// η, of the head.
        lr: f64,
        /// d.
        decay: f64,
    },
}

impl Rates {
    /// The learning rate of each of `groups` groups.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that is not positive, or a decay above 1.
    pub fn of(&self, groups: usize) -> Result<Vec<f64>, ConfigError> {
        let last = groups.saturating_sub(1);
        match *self {
            Self::Uniform { lr } => {
                positive("lr", lr)?;
                Ok(vec![lr; groups])
            }
            Self::Discriminative { lowest, highest } => {
                positive("lowest", lowest)?;
                positive("highest", highest)?;
                let part = |l: usize| if last == 0 { 1.0 } else { l as f64 / last as f64 };
                Ok((0..groups).map(|l| lowest * (highest / lowest).powf(part(l))).collect())
            }
            Self::LayerWise { lr, decay } => {
                positive("lr", lr)?;
                positive("decay", decay)?;
                if decay > 1.0 {
                    return Err(ConfigError::new("decay", format!("must not be above 1, got {decay}")));
                }
                Ok((0..groups).map(|l| lr * decay.powf((last - l) as f64)).collect())
            }
        }
    }

    /// A schedule for each group, with the group's rate as its peak.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field of the rates or of the schedule.
    pub fn schedules(&self, groups: usize, schedule: &ScheduleConfig) -> Result<Vec<Schedule>, ConfigError> {
        self.of(groups)?.into_iter().map(|peak| schedule.init(peak)).collect()
    }

    /// The same as Burn's optimisers take it: `optim.step(scheduler.step(), model, gradients)`. It begins at `step`, so that a resumed
    /// run goes on where it was.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`schedules`](Self::schedules), or naming `groups` when there are none.
    pub fn scheduler(
        &self,
        groups: &Groups,
        schedule: &ScheduleConfig,
        step: usize,
    ) -> Result<ModuleLrScheduler, ConfigError> {
        let schedules = self.schedules(groups.len(), schedule)?;
        // What is in no group gets the head's rate; there is nothing such in groups made here.
        let Some(head) = schedules.last() else {
            return Err(ConfigError::new("groups", "there are none"));
        };
        let mut scheduler = ModuleLrScheduler::new(head.clone().scheduler(step));
        for (index, schedule) in schedules.into_iter().enumerate() {
            scheduler = scheduler.with_group(groups.param_group(index), schedule.scheduler(step));
        }
        Ok(scheduler)
    }
}
