//! # Diffusion models
//!
//! Noise is added to data in many small steps until nothing else is left; a network learns to undo one step, and undoing all of them from
//! fresh noise makes new data. Each step is a small regression, there is no adversary and nothing collapses; the price is many passes for
//! a sample.
//!
//! ```text
//! forward    x_t = √ᾱ_t·x_0 + √(1 − ᾱ_t)·ε,   ε ~ N(0, 1)                 ᾱ_t = Π (1 − β_s), from 1 down to about 0
//! posterior  q(x_{t−1} | x_t, x_0) = N(μ̃_t, β̃_t)
//!            μ̃_t = (√ᾱ_{t−1}·β_t·x_0 + √(1 − β_t)·(1 − ᾱ_{t−1})·x_t)/(1 − ᾱ_t),   β̃_t = β_t·(1 − ᾱ_{t−1})/(1 − ᾱ_t)
//! loss       E ‖f(x_t, t) − target‖²                                       t uniform on 1..T
//! ```
//!
//! ```text
//! x_0 ──▶ … ──▶ x_{t−1} ──β_t──▶ x_t ──▶ … ──▶ x_T ≈ N(0, 1)
//!     ◀── … ◀──         ◀──f───      ◀── … ◀──
//! ```
//!
//! **Why that loss.** The chain backwards is a latent variable model with x_1 … x_T as its latents and q fixed, so there is an evidence
//! lower bound: a sum over t of KL(q(x_{t−1}|x_t, x_0) ‖ p(x_{t−1}|x_t)). Both are normal with the same variance, so each term is a
//! squared distance of means, which is a multiple of ‖ε − ε̂‖². Leaving the multiples out (the paper's "simple" loss) weighs
//! down the steps with little noise, which matter to the likelihood and not to the eye. It is also **denoising score matching**: the best
//! ε̂ is −√(1 − ᾱ_t)·∇ ln q(x_t), for E[x_0|x_t] = (x_t + (1 − ᾱ_t)·∇ ln q(x_t))/√ᾱ_t (Tweedie's formula).
//!
//! What f says is the same thing in three ways, [`Prediction`]: with a = √ᾱ_t and σ = √(1 − ᾱ_t),
//!
//! ```text
//! ε       x_0 = (x_t − σ·ε)/a               Ho et al.; near t = T an error is divided by nearly 0: clip x̂_0
//! x_0     ε = (x_t − a·x_0)/σ               easy at no noise, where it says nothing
//! v = a·ε − σ·x_0        x_0 = a·x_t − σ·v,  ε = σ·x_t + a·v        of even size at all t
//! ```
//!
//! [`sampling`] goes back: with noise at each step (DDPM), or without and in few steps (DDIM).
//!
//! **What goes wrong**: with data not scaled to about [−1, 1] the schedule is wrong for it; with ᾱ_T far from 0, sampling starts from what
//! training never saw; small images lose all structure in the first half of the linear schedule, which the cosine avoids; the weights of
//! the last step are noisy, so sample from their average ([`Ema`](fornax_nn_core::optim::Ema)).
//!
//! Papers: J. Sohl-Dickstein et al. 2015, <https://arxiv.org/abs/1503.03585>; J. Ho, A. Jain, P. Abbeel, *Denoising diffusion probabilistic
//! models*, 2020, <https://arxiv.org/abs/2006.11239>; A. Nichol, P. Dhariwal 2021 (cosine), <https://arxiv.org/abs/2102.09672>; T. Salimans,
//! J. Ho 2022 (v), <https://arxiv.org/abs/2202.00512>.
//!
//! ## Differs from the papers
//!
//! 1. The variance of a step backwards is β̃_t, one of the two that Ho et al. find equally good.
//! 2. The linear schedule is stretched for other T than 1,000, as Nichol and Dhariwal do.

use burn::config::Config;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::positive;
use fornax_nn_core::gradient::{NonFinite, gradients};
use serde::{Deserialize, Serialize};

use crate::denoiser::Denoiser;

pub mod sampling;

/// How ᾱ falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoiseSchedule {
    /// β from 1e-4 to 0.02 at T = 1,000: Ho et al.
    Linear,
    /// ᾱ = cos²(½π·(t/T + s)/(1 + s)) over its value at 0, s = 0.008, β at most 0.999: Nichol and Dhariwal.
    Cosine,
}

/// What the network is asked for; formulas in the [module page](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// The data.
    Data,
    /// a·ε − σ·x_0.
    V,
}

/// The process; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct DiffusionConfig {
    /// T. Default: the paper's.
    #[config(default = 1000)]
    pub steps: usize,
    /// Default: cosine, which suits small images.
    #[config(default = "NoiseSchedule::Cosine")]
    pub schedule: NoiseSchedule,
    /// Default: v, which asks for no division by √ᾱ_T, nearly 0; the paper has ε.
    #[config(default = "Prediction::V")]
    pub prediction: Prediction,
    /// While sampling, x̂_0 is kept within ± this. Default: nowhere; 1 for images, as in the authors' code.
    #[config(default = "None")]
    pub clip: Option<f64>,
}

impl DiffusionConfig {
    /// Works the schedule out.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self) -> Result<Diffusion, ConfigError> {
        // Fewer, and the last β of the linear schedule would be 1 or more.
        let least = if self.schedule == NoiseSchedule::Linear { 21 } else { 1 };
        if !(least..=1_000_000).contains(&self.steps) {
            let reason = format!("must lie in [{least}, 1000000], got {}", self.steps);
            return Err(ConfigError::new("steps", reason));
        }
        self.clip.map_or(Ok(()), |clip| positive("clip", clip))?;
        let last = self.steps as f64;
        let angle = |t: usize| (t as f64 / last + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2;
        let mut alpha_bar = vec![1.0];
        for t in 1..=self.steps {
            let beta: f64 = match self.schedule {
                NoiseSchedule::Linear => {
                    let share = (t - 1) as f64 / (last - 1.0);
                    (1e-4 + (0.02 - 1e-4) * share) * 1000.0 / last
                }
                NoiseSchedule::Cosine => 1.0 - (angle(t).cos() / angle(t - 1).cos()).powi(2),
            };
            alpha_bar.push(alpha_bar[t - 1] * (1.0 - beta.min(0.999)));
        }
        Ok(Diffusion { config: self.clone(), alpha_bar })
    }
}

/// The process with its schedule, t from 0 (data) to T (noise).
#[derive(Debug, Clone, PartialEq)]
pub struct Diffusion {
    config: DiffusionConfig,
    alpha_bar: Vec<f64>,
}

impl Diffusion {
    /// T.
    pub fn steps(&self) -> usize {
        self.config.steps
    }

    /// What it was built from.
    pub fn config(&self) -> &DiffusionConfig {
        &self.config
    }

    /// ᾱ_t, for t in 0..=T.
    pub fn alpha_bar(&self, t: usize) -> f64 {
        self.alpha_bar[t]
    }

    /// β_t = 1 − ᾱ_t/ᾱ_{t−1}, for t in 1..=T.
    pub fn beta(&self, t: usize) -> f64 {
        1.0 - self.alpha_bar[t] / self.alpha_bar[t - 1]
    }

    /// Timesteps 1..=T from uniform numbers.
    ///
    /// # Shapes
    ///
    /// - uniform: `[batch]`, in [0, 1)
    pub fn timesteps(&self, uniform: Tensor<1>) -> Vec<usize> {
        let steps = self.steps();
        uniform.into_data().iter::<f64>().map(|u| (1 + (u * steps as f64) as usize).min(steps)).collect()
    }

    /// Timesteps as the network is shown them: t/T.
    ///
    /// # Shapes
    ///
    /// - output: `[batch]`, on the device and of the type of `like`
    pub fn time<const D: usize>(&self, t: &[usize], like: &Tensor<D>) -> Tensor<1> {
        let times: Vec<f64> = t.iter().map(|&t| t as f64 / self.steps() as f64).collect();
        Tensor::from_data(TensorData::new(times, [t.len()]), (&like.device(), like.dtype()))
    }

    /// x_t in one go.
    ///
    /// # Shapes
    ///
    /// - x, epsilon, output: `[batch, ..]`; t: one for each
    pub fn add_noise<const D: usize>(&self, x: Tensor<D>, t: &[usize], epsilon: Tensor<D>) -> Tensor<D> {
        let (a, sigma) = self.levels(t, &x);
        x * a + epsilon * sigma
    }

    /// Mean and variance of q(x_{t−1} | x_t, x_0), for one t of all examples.
    ///
    /// # Shapes
    ///
    /// - x, x_t, mean: `[batch, ..]`
    pub fn posterior<const D: usize>(&self, x: Tensor<D>, x_t: Tensor<D>, t: usize) -> (Tensor<D>, f64) {
        let (before, now, beta) = (self.alpha_bar[t - 1], self.alpha_bar[t], self.beta(t));
        let mean = x * (before.sqrt() * beta / (1.0 - now))
            + x_t * ((1.0 - beta).sqrt() * (1.0 - before) / (1.0 - now));
        (mean, beta * (1.0 - before) / (1.0 - now))
    }

    /// What the network should say.
    ///
    /// # Shapes
    ///
    /// - x, epsilon, output: `[batch, ..]`; t: one for each
    pub fn target<const D: usize>(&self, x: Tensor<D>, t: &[usize], epsilon: Tensor<D>) -> Tensor<D> {
        match self.config.prediction {
            Prediction::Epsilon => epsilon,
            Prediction::Data => x,
            Prediction::V => {
                let (a, sigma) = self.levels(t, &x);
                epsilon * a - x * sigma
            }
        }
    }

    /// What the network says, as data and as noise (x̂_0, ε̂).
    ///
    /// # Shapes
    ///
    /// - said, x_t, both outputs: `[batch, ..]`; t: one for each
    pub fn data_and_noise<const D: usize>(
        &self,
        said: Tensor<D>,
        x_t: Tensor<D>,
        t: &[usize],
    ) -> (Tensor<D>, Tensor<D>) {
        let (a, sigma) = self.levels(t, &x_t);
        match self.config.prediction {
            Prediction::Epsilon => ((x_t - said.clone() * sigma) / a, said),
            Prediction::Data => (said.clone(), (x_t - said * a) / sigma),
            Prediction::V => (x_t.clone() * a.clone() - said.clone() * sigma.clone(), x_t * sigma + said * a),
        }
    }

    /// √ᾱ and √(1 − ᾱ) as `[batch, 1, ..]`.
    fn levels<const D: usize>(&self, t: &[usize], like: &Tensor<D>) -> (Tensor<D>, Tensor<D>) {
        let mut shape = [1; D];
        shape[0] = t.len();
        let tensor = |of: &dyn Fn(f64) -> f64| {
            let values: Vec<f64> = t.iter().map(|&t| of(self.alpha_bar[t])).collect();
            Tensor::from_data(TensorData::new(values, shape), (&like.device(), like.dtype()))
        };
        (tensor(&f64::sqrt), tensor(&|alpha_bar| (1.0 - alpha_bar).sqrt()))
    }
}

/// Data, what the network is told about it, and the randomness of a step.
#[derive(Debug, Clone)]
pub struct Batch<const D: usize> {
    /// `[batch, ..]`, about [−1, 1] in size
    pub x: Tensor<D>,
    /// `[batch]`, some dropped ([`drop_labels`](crate::denoiser::drop_labels)); `None` without classes
    pub labels: Option<Tensor<1, Int>>,
    /// One for each example, in 1..=T
    pub t: Vec<usize>,
    /// As x, standard normal
    pub epsilon: Tensor<D>,
}

/// The mean squared error of what the network says.
///
/// # Shapes
///
/// - output: `[1]`
pub fn loss<const D: usize, M: Denoiser<D>>(process: &Diffusion, model: &M, batch: &Batch<D>) -> Tensor<1> {
    let Batch { x, labels, t, epsilon } = batch.clone();
    let x_t = process.add_noise(x.clone(), &t, epsilon.clone());
    let time = process.time(&t, &x_t);
    let said = model.forward(x_t, time, labels.as_ref()); // [B, ..]
    (said - process.target(x, &t, epsilon)).square().mean()
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<const D: usize, M: Denoiser<D> + Module>(
    process: &Diffusion,
    model: M,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: &Batch<D>,
) -> Result<(M, f32), NonFinite> {
    let (loss, gradients) = gradients(loss(process, &model, batch), &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

#[cfg(test)]
mod tests;
