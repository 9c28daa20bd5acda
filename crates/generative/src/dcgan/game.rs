//! What the two networks of a [DCGAN](super) do to each other.

use burn::optim::ModuleOptimizer;
use burn::tensor::{Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::loss::GanLoss;
use fornax_nn_core::optim::AdamConfig;

use super::{DcganCritic, DcganGenerator};
use crate::constraint::Constraint;

/// E (‖∇D‖ − 1)² on lines between data and samples.
///
/// # Shapes
///
/// - real, fake: `[batch, image_channels, side, side]`; labels: `[batch]`
/// - position: `[batch, 1]`, uniform on [0, 1)
/// - output: `[1]`
pub fn gradient_penalty(
    critic: &DcganCritic,
    real: Tensor<4>,
    fake: Tensor<4>,
    labels: Option<&Tensor<1, Int>>,
    position: Tensor<2>,
) -> Tensor<1> {
    let batch = real.dims()[0];
    let between = fake.clone() + (real - fake) * position.reshape([batch, 1, 1, 1]); // [B, C, S, S]
    let gradient = critic.input_gradient(between, labels).flatten::<2>(1, 3); // [B, C·S·S]
    let slope = gradient.square().sum_dim(1).clamp_min(1e-12).sqrt(); // [B, 1]
    (slope - 1.0).square().mean()
}

/// Data, what the networks are told about it, and the randomness of a step.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, image_channels, side, side]`, pixels in [−1, 1]
    pub real: Tensor<4>,
    /// `[batch]`, or `None` without classes
    pub labels: Option<Tensor<1, Int>>,
    /// `[batch, noise]`, standard normal
    pub z: Tensor<2>,
    /// `[batch, 1]`, uniform on [0, 1): where the gradient penalty looks
    pub position: Tensor<2>,
}

/// The paper's optimiser: Adam with β₁ = 0.5; its rate is 2e-4.
///
/// # Errors
///
/// None with these settings.
pub fn optimizer() -> Result<ModuleOptimizer, ConfigError> {
    AdamConfig::new().with_beta_1(0.5).init()
}

/// What the critic minimises; the generator's weights do not follow it.
///
/// # Shapes
///
/// - fake: `[batch, image_channels, side, side]`
/// - output: `[1]`
pub fn critic_loss(
    critic: &DcganCritic,
    fake: Tensor<4>,
    batch: &Batch,
    loss: GanLoss,
    constraint: Constraint,
) -> Tensor<1> {
    let (labels, fake) = (batch.labels.as_ref(), fake.detach());
    let logits = (critic.forward(batch.real.clone(), labels), critic.forward(fake.clone(), labels));
    let game = loss.discriminator(logits.0, logits.1);
    match constraint {
        Constraint::Penalty { weight } => {
            game + gradient_penalty(critic, batch.real.clone(), fake, labels, batch.position.clone()) * weight
        }
        _ => game,
    }
}

/// One step of the critic, against the generator as it is. Returns the new critic and its loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn critic_step(
    critic: DcganCritic,
    optim: &mut ModuleOptimizer,
    lr: f64,
    generator: &DcganGenerator,
    batch: &Batch,
    game: (GanLoss, Constraint),
) -> Result<(DcganCritic, f32), NonFinite> {
    let fake = generator.forward(batch.z.clone(), batch.labels.as_ref());
    let (loss, gradients) = gradients(critic_loss(&critic, fake, batch, game.0, game.1), &critic)?;
    Ok((game.1.apply(optim.step(lr, critic, gradients)), loss))
}

/// One step of the generator, against the critic as it is. Returns the new generator and its loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn generator_step(
    generator: DcganGenerator,
    optim: &mut ModuleOptimizer,
    lr: f64,
    critic: &DcganCritic,
    batch: &Batch,
    loss: GanLoss,
) -> Result<(DcganGenerator, f32), NonFinite> {
    let labels = batch.labels.as_ref();
    let fake = generator.forward(batch.z.clone(), labels); // [B, C, S, S]
    let (loss, gradients) = gradients(loss.generator(critic.forward(fake, labels)), &generator)?;
    Ok((optim.step(lr, generator, gradients), loss))
}
