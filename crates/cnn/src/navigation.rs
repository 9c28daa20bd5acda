//! # Autonomous navigation
//!
//! A driver who imitates what was done at a fork cannot do as a passenger asks: the image is the same whichever way the
//! driver of the recording wanted to go. **Conditional imitation** gives the network the goal too, and lets it choose
//! not an input but a *branch*: one head for each goal on the same features.
//!
//! ```text
//!                                          ┌─▶ head "left"     ─┐
//! image ──▶ backbone ──▶ coarsest map ─────┼─▶ head "straight" ─┼── the goal's ──▶ p(steering, speed)
//!                                          └─▶ head "right"    ─┘
//!
//! loss = −ln p(command | image, goal), averaged over the batch
//! ```
//!
//! A goal fed in as a number competes with the pixels, and a network can come to ignore it; a switch cannot be ignored.
//! Each head is trained only by the examples of its goal, the backbone by all of them.
//!
//! **What a copy does not learn.** The expert never strays from the lane, so the copy never sees how to come back. Its
//! small errors lead to images that were not in the recording, there it errs more, and errors grow with the square of
//! the time driven. Two remedies:
//!
//! - *noise injection*: while recording, the steering is disturbed for a moment, and the expert's answer to that is
//!   recorded (the disturbance is not);
//! - *dataset aggregation* (DAgger): the copy drives, the expert says at each image what it would have done, and that is
//!   added to the data. Errors then grow in proportion to the time only.
//!
//! ```text
//! D ← what the expert did, with noise
//! repeat: train on D; drive with the network; D ← D ∪ {(image, goal, the expert's command)}
//! ```
//!
//! Papers: F. Codevilla et al., *End-to-end driving via conditional imitation learning*, ICRA 2018
//! (<https://arxiv.org/abs/1710.02410>); S. Ross, G. Gordon, D. Bagnell, *A reduction of imitation learning and
//! structured prediction to no-regret online learning*, AISTATS 2011 (<https://arxiv.org/abs/1011.0686>); noise, M.
//! Laskey et al., *DART*, CoRL 2017 (<https://arxiv.org/abs/1703.09327>).
//!
//! ## Differs from the paper
//!
//! 1. Each branch predicts a mixture density (see [`control`](crate::control)) by its likelihood, not a point by its
//!    squared error; with one component it is a mean and a deviation.
//! 2. The measured speed is not an input: commands are a steering angle and a speed to be reached, not pedals.
//! 3. Three goals: "follow the lane" is "straight".

use burn::config::Config;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::gradient::{NonFinite, gradients};

use crate::Backbone;
use crate::block::coarsest_map;
use crate::control::{ControllerConfig, Mixture, MixtureHead};

/// Sizes of the heads of a [`Navigator`]; pure data, put on a backbone by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct NavigatorConfig {
    /// The head of each goal.
    pub head: ControllerConfig,
    /// Number of goals. Default: left, straight, right.
    #[config(default = 3)]
    pub goals: usize,
}

impl NavigatorConfig {
    /// Puts a head for each goal on a backbone; the backbone stays as it is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init<B: Backbone>(&self, backbone: B, device: &Device) -> Result<Navigator<B>, ConfigError> {
        at_least_one(&[("goals", self.goals)])?;
        let head = |_| self.head.head(&backbone, device).map_err(|error| error.within("head"));
        let branches = (0..self.goals).map(head).collect::<Result<_, _>>()?;
        Ok(Navigator { backbone, branches })
    }
}

/// A backbone with a branch for each goal on its coarsest map; see the [page](self).
#[derive(Module, Debug)]
pub struct Navigator<B: Backbone> {
    /// Feature extraction, shared by all goals.
    pub backbone: B,
    /// One head a goal.
    pub branches: Vec<MixtureHead>,
}

/// A goal that the network has no branch for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GoalError {
    /// A goal is not below the number of branches.
    #[error("goal {goal} of sample {sample} is out of range, expected one below {goals}")]
    OutOfRange {
        /// Place in the batch.
        sample: usize,
        /// What was asked for.
        goal: usize,
        /// How many branches there are.
        goals: usize,
    },
    /// There must be a goal for each image.
    #[error("{goals} goals for {images} images, expected one each")]
    Count {
        /// How many goals.
        goals: usize,
        /// How many images.
        images: usize,
    },
}

impl<B: Backbone> Navigator<B> {
    /// Whether there is one goal for each image, and a branch for each goal.
    ///
    /// # Errors
    ///
    /// [`GoalError`] naming the first that has none.
    pub fn check_goals(&self, images: usize, goals: &[usize]) -> Result<(), GoalError> {
        if goals.len() != images {
            return Err(GoalError::Count { goals: goals.len(), images });
        }
        let branches = self.branches.len();
        match goals.iter().enumerate().find(|(_, goal)| **goal >= branches) {
            Some((sample, &goal)) => Err(GoalError::OutOfRange { sample, goal, goals: branches }),
            None => Ok(()),
        }
    }

    /// The predicted distribution over commands, given what is seen and what is wanted.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, in_channels, height, width]`, values around zero with unit deviation
    /// - goals: one for each image
    /// - output: logits `[batch, components]`, mean and ln σ `[batch, components, commands]`
    ///
    /// # Panics
    ///
    /// On images that [`check_images`](Backbone::check_images) refuses, and goals that
    /// [`check_goals`](Self::check_goals) does.
    pub fn forward(&self, images: Tensor<4>, goals: &[usize]) -> Mixture {
        let [batch, ..] = images.dims();
        if let Err(error) = self.check_goals(batch, goals) {
            panic!("{error}");
        }
        let map = coarsest_map(&self.backbone, images);
        let all = self.branches.iter().map(|branch| branch.forward(map.clone())).collect();
        let all: Tensor<3> = Tensor::stack(all, 1); // [B, goals, P]
        let goals: Vec<i64> = goals.iter().map(|&goal| goal as i64).collect();
        let goals = Tensor::<1, Int>::from_data(goals.as_slice(), &all.device()).reshape([batch, 1, 1]);
        let parameters = all.dims()[2];
        let chosen = all.gather(1, goals.repeat_dim(2, parameters)).squeeze_dim(1); // [B, P]
        self.branches[0].mixture(chosen)
    }

    /// What training minimises: the mean of [`Mixture::nll`] in the branches of the goals.
    pub fn training_loss(&self, batch: Batch) -> Tensor<1> {
        self.forward(batch.images, &batch.goals).nll(batch.commands).mean()
    }
}

/// What the expert did, and where it wanted to go.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, in_channels, height, width]`
    pub images: Tensor<4>,
    /// One for each image, below the number of goals.
    pub goals: Vec<usize>,
    /// `[batch, commands]`
    pub commands: Tensor<2>,
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<B: Backbone>(
    model: Navigator<B>,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
) -> Result<(Navigator<B>, f32), NonFinite> {
    let loss = model.training_loss(batch);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}
