//! # Freezing
//!
//! With few images, every parameter that may move is one that can fit them by heart. What comes pretrained and transfers is
//! therefore held fast, **frozen**, and only what is particular to the task learns:
//!
//! ```text
//!                     stem   stage 1   stage 2   stage 3   head
//! feature extractor    ·        ·         ·         ·       ●      ● learns, · frozen
//! top stages           ·        ·         ·         ●       ●
//! everything           ●        ●         ●         ●       ●
//!
//! gradual unfreezing   epoch 0: ····●    epoch 1: ···●●    epoch 2: ··●●●    …
//! ```
//!
//! **Gradual unfreezing** begins at the end whose weights are random: their first gradients are noise, and passed on to pretrained layers
//! they undo what was learnt (J. Howard, S. Ruder, *Universal language model fine-tuning*, ACL 2018,
//! <https://arxiv.org/abs/1801.06146>, section 3.3).
//!
//! **Batch normalisation** has two kinds of state, and both can be forgotten: scale and shift are parameters, running mean and variance
//! follow whatever batches come by, without any gradient. A frozen layer whose statistics still run is not frozen. [`NormPolicy`] says
//! which of the two moves.
//!
//! What is frozen is bit-identical after training, since the optimiser never sees a gradient of it: no decay, no momentum.

use std::fmt;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use serde::{Deserialize, Serialize};

use crate::groups::{GroupError, Groups, is_statistic};

/// Which batch normalisations take the statistics of the batch and pass them on to the running ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NormPolicy {
    /// Those of groups that learn. Default: what is frozen is frozen whole, as in fastai's `freeze` with `bn_train` off.
    #[default]
    Learning,
    /// None: scale and shift may learn, statistics stay the source's. For batches too small to measure anything.
    None,
    /// All, frozen groups' too: their statistics follow the new images while their weights stay. PyTorch's `requires_grad = False`
    /// alone does this; it adapts to a new domain, and it is the reason why such a network is not the same after training.
    All,
}

/// Freezes the first `frozen` groups, lets the others learn, and sets every batch normalisation as `norms` says.
///
/// # Errors
///
/// [`GroupError::TooMany`] when there are fewer groups.
pub fn freeze<M: Module>(
    model: M,
    groups: &Groups,
    frozen: usize,
    norms: NormPolicy,
) -> Result<M, GroupError> {
    groups.check(frozen)?;
    let mut model = model;
    for index in 0..groups.len() {
        let group = groups.param_group(index);
        model = if index < frozen { model.freeze_group(group) } else { model.unfreeze_group(group) };
    }
    Ok(match norms {
        NormPolicy::Learning => model,
        NormPolicy::None => model.map(&mut Norms { on: false, containers: Vec::new() }),
        NormPolicy::All => model.map(&mut Norms { on: true, containers: Vec::new() }),
    })
}

/// Freezes all groups but the head.
///
/// # Errors
///
/// [`GroupError::TooMany`] when there are no groups at all.
pub fn feature_extractor<M: Module>(model: M, groups: &Groups) -> Result<M, GroupError> {
    groups.check(1)?;
    freeze(model, groups, groups.len() - 1, NormPolicy::Learning)
}

/// One more group learns every so many epochs, from the head towards the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradualUnfreezing {
    /// Epochs between two groups. The paper: 1.
    pub every: usize,
    /// Groups that learn from the first epoch on. The paper: 1, the head.
    pub first: usize,
}

impl Default for GradualUnfreezing {
    fn default() -> Self {
        Self { every: 1, first: 1 }
    }
}

impl GradualUnfreezing {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first that is zero.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("every", self.every), ("first", self.first)])
    }

    /// How many of `groups` groups are frozen in `epoch`, the first being 0.
    pub fn frozen(&self, epoch: usize, groups: usize) -> usize {
        groups.saturating_sub(self.first.saturating_add(epoch / self.every.max(1)))
    }
}

/// Sets the flag of every batch normalisation.
struct Norms {
    on: bool,
    containers: Vec<String>,
}

impl ModuleMapper for Norms {
    fn enter_module(&mut self, _name: &str, container_type: &str) {
        self.containers.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.containers.pop();
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let is_norm = self.containers.last().is_some_and(|container| container.ends_with("BatchNorm"));
        if is_norm { flag.with_value(self.on) } else { flag }
    }
}

/// How many parameters of each group learn.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trainable {
    /// From the image on.
    pub groups: Vec<GroupCount>,
}

/// The parameters of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupCount {
    /// The group.
    pub name: String,
    /// Parameters that learn.
    pub trainable: usize,
    /// All its parameters, running statistics not counted.
    pub parameters: usize,
    /// Running statistics, in numbers.
    pub statistics: usize,
}

impl Trainable {
    /// Counts those of a model.
    pub fn of<M: Module>(model: &M, groups: &Groups) -> Self {
        let count =
            |name: &str| GroupCount { name: name.to_owned(), trainable: 0, parameters: 0, statistics: 0 };
        let counts = groups.names().map(count).collect();
        let mut counter = Counter { groups, counts, path: Vec::new(), containers: Vec::new() };
        model.visit(&mut counter);
        Self { groups: counter.counts }
    }

    /// Parameters that learn.
    pub fn trainable(&self) -> usize {
        self.groups.iter().map(|group| group.trainable).sum()
    }

    /// All parameters.
    pub fn parameters(&self) -> usize {
        self.groups.iter().map(|group| group.parameters).sum()
    }
}

impl fmt::Display for Trainable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for GroupCount { name, trainable, parameters, .. } in &self.groups {
            writeln!(f, "{name:<12} {trainable:>12} of {parameters:>12} learn")?;
        }
        let (trainable, parameters) = (self.trainable(), self.parameters());
        let share = 100.0 * trainable as f64 / parameters.max(1) as f64;
        write!(f, "{:<12} {trainable:>12} of {parameters:>12} learn, {share:.2} %", "together")
    }
}

struct Counter<'a> {
    groups: &'a Groups,
    counts: Vec<GroupCount>,
    path: Vec<String>,
    containers: Vec<String>,
}

impl ModuleVisitor for Counter<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let group = self.groups.of(&self.path.join("."));
        let Some(count) = group.and_then(|group| self.counts.get_mut(group)) else { return };
        let numbers = param.lazy_shape().num_elements();
        if is_statistic(self.containers.last(), self.path.last()) {
            count.statistics += numbers;
        } else {
            count.parameters += numbers;
            count.trainable += if param.is_require_grad() { numbers } else { 0 };
        }
    }
}
