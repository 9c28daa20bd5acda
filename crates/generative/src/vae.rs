//! # Variational autoencoders
//!
//! A latent-variable model that can be sampled and whose likelihood can be bounded: draw z from a standard normal, let the
//! **decoder** turn it into the parameters of a distribution over x. Learning it needs z for a given x, and that posterior has no
//! closed form; the **encoder** approximates it by a Gaussian, and both are trained on one bound.
//!
//! ```text
//! ln p(x) = ln ∫ p(x|z) p(z) dz  ≥  E_{q(z|x)} ln p(x|z) − KL(q(z|x) ‖ p(z))  =  ELBO      gap: KL(q(z|x) ‖ p(z|x))
//! q(z|x) = N(μ(x), diag σ²(x))        KL = ½ Σ_j (μ_j² + σ_j² − ln σ_j² − 1)
//! z = μ + σ ε,   ε ~ N(0, I)          the noise is an input, so μ and σ get gradients: reparameterisation
//! ```
//!
//! ```text
//!            ┌──▶ μ ───────┐
//! x ─▶ encoder             + ──▶ z ──▶ decoder ──▶ p(x|z)
//!  (y) ─┘    └──▶ ln σ² ─▶ σ·ε     (y) ─┘
//! ```
//!
//! Variants here, all on one network: **β** weighs the divergence (Higgins et al. 2017: β > 1 asks for independent factors); **free
//! bits** λ leave each latent unit λ nats for nothing (Kingma et al. 2016); **conditional** networks are told y, such as the class, on
//! both sides (Sohn et al. 2015); and the **importance-weighted bound** with k draws, as evaluation, is tighter for every k:
//!
//! ```text
//! IWAE_k = E ln (1/k) Σ_i p(x|z_i) p(z_i) / q(z_i|x)        ELBO = IWAE_1 ≤ IWAE_k ≤ ln p(x)
//! ```
//!
//! **What goes wrong**: *posterior collapse*: early in training the divergence is cheaper to lower than the reconstruction, q(z|x)
//! becomes p(z), and the decoder never learns to listen. Warming β up from 0 ([`warm_up`](crate::latent::warm_up)) and free bits
//! answer it, [`active_units`](crate::latent::active_units)
//! shows it. Gaussian decoders with a learned variance can make it vanish on constant pixels, where the likelihood is unbounded:
//! here it is a setting.
//!
//! Papers: D. Kingma, M. Welling, *Auto-encoding variational Bayes*, ICLR 2014, <https://arxiv.org/abs/1312.6114>; Y. Burda, R. Grosse,
//! R. Salakhutdinov, *Importance weighted autoencoders*, ICLR 2016, <https://arxiv.org/abs/1509.00519>; I. Higgins et al., *beta-VAE*,
//! ICLR 2017, <https://openreview.net/forum?id=Sy2fzU9gl>; D. Kingma et al., *Inverse autoregressive flow*, 2016,
//! <https://arxiv.org/abs/1606.04934> (free bits, appendix C.8).
//!
//! ## Differs from the paper
//!
//! 1. GELU instead of tanh, Adam instead of Adagrad, one hidden layer of 256 instead of 500 units.
//! 2. The Gaussian decoder's variance is given, not learned.

use burn::config::Config;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::feed_forward::{FeedForward, FeedForwardConfig};
use fornax_nn_core::gradient::{NonFinite, gradients};
use serde::{Deserialize, Serialize};

use crate::latent::beside;
use crate::likelihood::Likelihood;

/// Sizes of a [`Vae`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct VaeConfig {
    /// Features of an example.
    pub inputs: usize,
    /// Units of z.
    pub latent: usize,
    /// Units of the encoder's hidden layers; the decoder has them in reverse. Default: half of the paper's 500, enough for 64 pixels.
    #[config(default = "vec![256]")]
    pub hidden: Vec<usize>,
    /// Features of the condition y; 0 for none.
    #[config(default = 0)]
    pub condition: usize,
    /// Default: Bernoulli, the paper's choice for digits.
    #[config(default = "Likelihood::Bernoulli")]
    pub likelihood: Likelihood,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl VaeConfig {
    /// 64 black or white pixels and 2 latent units, which can be drawn as a map: 34,884 parameters.
    pub fn digits() -> Self {
        Self::new(64, 2)
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let hidden = self.hidden.iter().copied().min().unwrap_or(1);
        at_least_one(&[("inputs", self.inputs), ("latent", self.latent), ("hidden", hidden)])?;
        self.likelihood.validate().map_err(|error| error.within("likelihood"))
    }

    /// Builds the network on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<Vae, ConfigError> {
        self.validate()?;
        let network = |input, hidden: Vec<usize>, output, seed| {
            FeedForwardConfig::new(input, hidden, output)
                .with_hidden_activation(Activation::Gelu)
                .with_seed(seed)
                .init(device)
        };
        let reversed = self.hidden.iter().rev().copied().collect();
        let (hidden, seed) = (self.hidden.clone(), self.seed);
        Ok(Vae {
            encoder: network(self.inputs + self.condition, hidden, 2 * self.latent, seed)?,
            decoder: network(self.latent + self.condition, reversed, self.inputs, seed.wrapping_add(1))?,
            likelihood: self.likelihood,
        })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct Vae {
    /// From x (and y) to μ and ln σ².
    pub encoder: FeedForward,
    /// From z (and y) to the parameters of p(x|z).
    pub decoder: FeedForward,
    /// What those parameters mean.
    #[module(skip)]
    pub likelihood: Likelihood,
}

/// The two parts of the bound, for every example.
#[derive(Debug, Clone)]
pub struct Bound {
    /// ln p(x|z), `[batch]`
    pub log_likelihood: Tensor<1>,
    /// The divergence of each latent unit, `[batch, latent]`
    pub kl: Tensor<2>,
}

impl Bound {
    /// The evidence lower bound in nats, `[batch]`.
    pub fn elbo(self) -> Tensor<1> {
        self.log_likelihood - self.kl.sum_dim(1).squeeze_dim::<1>(1)
    }
}

/// Examples, and what the network is told about them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, inputs]`
    pub x: Tensor<2>,
    /// `[batch, condition]`, such as one-hot classes; `None` without a condition
    pub y: Option<Tensor<2>>,
}

impl Vae {
    /// The approximate posterior: μ and ln σ².
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs]`; y: `[batch, condition]`
    /// - output: two of `[batch, latent]`
    ///
    /// # Panics
    ///
    /// When the features of x and y are not the configured ones.
    pub fn encode(&self, batch: &Batch) -> (Tensor<2>, Tensor<2>) {
        let both = self.encoder.forward(beside(batch.x.clone(), batch.y.as_ref())); // [B, 2·latent]
        let latent = both.dims()[1] / 2;
        (both.clone().narrow(1, 0, latent), both.narrow(1, latent, latent))
    }

    /// The parameters of p(x|z, y): logits or means.
    ///
    /// # Shapes
    ///
    /// - z: `[batch, latent]`; y: `[batch, condition]`
    /// - output: `[batch, inputs]`
    pub fn decode(&self, z: Tensor<2>, y: Option<&Tensor<2>>) -> Tensor<2> {
        self.decoder.forward(beside(z, y))
    }

    /// The expected x for z: what is shown as a sample.
    ///
    /// # Shapes
    ///
    /// As [`decode`](Self::decode).
    pub fn sample(&self, z: Tensor<2>, y: Option<&Tensor<2>>) -> Tensor<2> {
        self.likelihood.mean(self.decode(z, y))
    }

    /// Both parts of the bound, for one draw of z.
    ///
    /// # Shapes
    ///
    /// - epsilon: `[batch, latent]`, standard normal
    pub fn bound(&self, batch: &Batch, epsilon: Tensor<2>) -> Bound {
        let (mean, log_var) = self.encode(batch);
        let z = reparameterize(mean.clone(), log_var.clone(), epsilon); // [B, latent]
        let parameters = self.decode(z, batch.y.as_ref()); // [B, inputs]
        let kl = (mean.square() + log_var.clone().exp() - log_var - 1.0) * 0.5; // [B, latent]
        Bound { log_likelihood: self.likelihood.log_prob(parameters, batch.x.clone()), kl }
    }

    /// IWAE_k in nats, k being the first dimension of the noise.
    ///
    /// # Shapes
    ///
    /// - epsilon: `[k, batch, latent]`, standard normal
    /// - output: `[batch]`
    pub fn iwae(&self, batch: &Batch, epsilon: Tensor<3>) -> Tensor<1> {
        let k = epsilon.dims()[0];
        let (mean, log_var) = self.encode(batch);
        let weights = epsilon.iter_dim(0).map(|epsilon| {
            let epsilon = epsilon.squeeze_dim::<2>(0); // [B, latent]
            let z = reparameterize(mean.clone(), log_var.clone(), epsilon.clone());
            let log_likelihood =
                self.likelihood.log_prob(self.decode(z.clone(), batch.y.as_ref()), batch.x.clone());
            // ln N(z; 0, 1) − ln N(z; μ, σ²); the two ln 2π cancel, and (z − μ)/σ = ε.
            let ratio = (epsilon.square() - z.square() + log_var.clone()) * 0.5; // [B, latent]
            log_likelihood + ratio.sum_dim(1).squeeze_dim::<1>(1)
        });
        let weights = Tensor::stack::<2>(weights.collect(), 0); // [k, B]
        let largest = weights.clone().max_dim(0).detach(); // [1, B]
        let sum = (weights - largest.clone()).exp().sum_dim(0); // [1, B]
        (sum.log() + largest - (k as f64).ln()).squeeze_dim(0)
    }
}

/// z = μ + σ ε.
///
/// # Shapes
///
/// - all: `[batch, latent]`
pub fn reparameterize(mean: Tensor<2>, log_var: Tensor<2>, epsilon: Tensor<2>) -> Tensor<2> {
    mean + (log_var * 0.5).exp() * epsilon
}

/// What training minimises: −E ln p(x|z) + β · Σ_j max(λ, mean KL_j).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// β; 1 makes the bound exact.
    pub beta: f64,
    /// λ, nats that each latent unit has for nothing.
    pub free_bits: f64,
}

impl Default for Objective {
    /// The evidence lower bound.
    fn default() -> Self {
        Self { beta: 1.0, free_bits: 0.0 }
    }
}

/// The loss in nats, averaged over the batch.
///
/// # Shapes
///
/// - epsilon: `[batch, latent]`, standard normal
/// - output: `[1]`
pub fn loss(model: &Vae, batch: &Batch, epsilon: Tensor<2>, objective: Objective) -> Tensor<1> {
    let Bound { log_likelihood, kl } = model.bound(batch, epsilon);
    let kl = kl.mean_dim(0).clamp_min(objective.free_bits); // [1, latent]
    kl.sum() * objective.beta - log_likelihood.mean()
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: Vae,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: &Batch,
    epsilon: Tensor<2>,
    objective: Objective,
) -> Result<(Vae, f32), NonFinite> {
    let loss = loss(&model, batch, epsilon, objective);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Int, TensorData};
    use fornax_nn_core::check::fill;
    use fornax_nn_core::loss::kl_to_standard_normal;

    fn model() -> (Vae, Batch) {
        let device = Device::flex();
        let vae = fill::fill(VaeConfig::new(6, 2).with_hidden(vec![5]).init(&device).unwrap());
        (vae, Batch { x: fill::input("x", [3, 6], &device).abs(), y: None })
    }

    fn mean(tensor: Tensor<1>) -> f64 {
        tensor.mean().into_scalar::<f64>()
    }

    #[test]
    fn the_divergence_is_the_mean_log_ratio_over_draws_of_q() {
        let (device, n) = (Device::flex(), 200_000);
        device.seed(1);
        let (mu, log_var) = (0.7, -0.9);
        let epsilon = Tensor::<2>::random([n, 1], Distribution::Normal(0.0, 1.0), &device);
        let z = reparameterize(epsilon.full_like(mu), epsilon.full_like(log_var), epsilon.clone());
        let ratios = ((z.square() - epsilon.square()) * 0.5 - 0.5 * log_var).squeeze_dim::<1>(1);
        let closed = kl_to_standard_normal(
            Tensor::from_data([[mu]], &device),
            Tensor::from_data([[log_var]], &device),
        );
        let deviation = ratios.clone().var_bias(0).into_scalar::<f64>().sqrt() / (n as f64).sqrt();
        let error = (mean(ratios) - closed.into_scalar::<f64>()).abs();
        assert!(error < 5.0 * deviation, "{error}, deviation {deviation}");
    }

    #[test]
    fn the_bounds_are_ordered_and_reach_the_likelihood_of_a_model_that_can_be_integrated() {
        // Two latent units on a grid of 81² points: ln p(x) = ln ∫ p(x|z) p(z) dz to four digits.
        let (vae, batch) = model();
        let device = batch.x.device();
        let step = 0.15;
        let axis: Vec<f64> = (-40..=40).map(|i| f64::from(i) * step).collect();
        let points: Vec<f64> = axis.iter().flat_map(|&a| axis.iter().flat_map(move |&b| [a, b])).collect();
        let count = points.len() / 2;
        let z = Tensor::<2>::from_data(TensorData::new(points, [count, 2]), &device);
        let prior = z.clone().square().sum_dim(1).squeeze_dim::<1>(1) * -0.5 - (std::f64::consts::TAU).ln()
            + 2.0 * step.ln();
        let evidence: Vec<f64> = (0..3)
            .map(|i| {
                let x = batch.x.clone().narrow(0, i, 1).repeat_dim(0, count);
                let terms = vae.likelihood.log_prob(vae.decode(z.clone(), None), x) + prior.clone();
                terms.exp().sum().into_scalar::<f64>().ln()
            })
            .collect();
        let evidence = evidence.iter().sum::<f64>() / 3.0;
        device.seed(2);
        let draw = |k: usize| Tensor::<3>::random([k, 3, 2], Distribution::Normal(0.0, 1.0), &device);
        let elbo = (0..400).map(|_| mean(vae.bound(&batch, draw(1).squeeze_dim(0)).elbo())).sum::<f64>();
        let elbo = elbo / 400.0;
        let tight = mean(vae.iwae(&batch, draw(4000)));
        assert!(elbo < evidence - 0.01, "{elbo} {evidence}");
        assert!((tight - evidence).abs() < 0.01, "{tight} {evidence}");
        // With one draw the two bounds differ only in how the divergence is taken: exactly or by that draw.
        let one = (0..400).map(|_| mean(vae.iwae(&batch, draw(1)))).sum::<f64>() / 400.0;
        assert!((one - elbo).abs() < 0.05, "{one} {elbo}");
    }

    #[test]
    fn free_bits_and_beta_change_the_loss_as_written() {
        let (vae, batch) = model();
        let epsilon = fill::input::<2>("epsilon", [3, 2], &batch.x.device());
        let loss = |objective| loss(&vae, &batch, epsilon.clone(), objective).into_scalar::<f64>();
        let Bound { log_likelihood, kl } = vae.bound(&batch, epsilon.clone());
        let (fit, kl) = (mean(log_likelihood), kl.mean_dim(0).sum().into_scalar::<f64>());
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-5, "{a} {b}");
        near(loss(Objective::default()), kl - fit);
        near(loss(Objective { beta: 4.0, ..Default::default() }), 4.0 * kl - fit);
        // More free nats than any unit uses: the divergence is a constant.
        near(loss(Objective { beta: 1.0, free_bits: 9.0 }), 18.0 - fit);
    }

    #[test]
    fn a_conditional_network_listens_to_its_condition() {
        let device = Device::flex();
        let config = VaeConfig::new(6, 2).with_hidden(vec![5]).with_condition(3);
        let vae = fill::fill(config.init(&device).unwrap());
        let classes = Tensor::<1, Int>::from_data([0, 2], &device).one_hot::<2>(3).float();
        let samples = vae.sample(Tensor::zeros([2, 2], &device), Some(&classes));
        let distance = samples.clone().narrow(0, 0, 1) - samples.narrow(0, 1, 1);
        assert!(distance.abs().max().into_scalar::<f32>() > 1e-3);
    }

    #[test]
    fn unusable_sizes_are_named() {
        let device = Device::flex();
        let error = |config: VaeConfig| config.init(&device).unwrap_err().to_string();
        assert!(error(VaeConfig::new(4, 0)).starts_with("latent"));
        assert!(error(VaeConfig::new(0, 2)).starts_with("inputs"));
        let flat = VaeConfig::new(4, 2).with_likelihood(Likelihood::Gaussian { deviation: 0.0 });
        assert!(error(flat).starts_with("likelihood"));
    }
}
