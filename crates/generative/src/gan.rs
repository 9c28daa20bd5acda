//! # Generative adversarial networks
//!
//! No likelihood and no bound: a **generator** G turns noise into examples, a **discriminator** D tells them from data, and each is the other's
//! loss. With D at its best for a given G the game is a distance between the distributions, and G descends it.
//!
//! ```text
//! min_G max_D  E_p ln D(x) + E_z ln(1 − D(G(z)))          best D: p/(p + q), value −ln 4 + 2·JSD(p ‖ q)
//! ```
//!
//! ```text
//! z ──▶ G ──▶ fake ──┐
//!                    ├──▶ D ──▶ logit ──▶ loss of D: tell them apart
//!         x ── real ─┘                └─▶ loss of G: be taken for real
//! ```
//!
//! The losses are [`GanLoss`]'s: minimax, non-saturating, Wasserstein, hinge. What differs between the variants besides is how D is
//! kept from being too sure, [`Constraint`]:
//!
//! ```text
//! clip       |w| ≤ c after each step                               Arjovsky et al. 2017 (WGAN)
//! penalty    + λ · E (‖∇_x̂ D(x̂)‖ − 1)²,  x̂ = εx + (1 − ε)G(z)      Gulrajani et al. 2017 (WGAN-GP)
//! spectral   each weight divided by its largest singular value     Miyato et al. 2018
//! ```
//!
//! The penalty's gradient is a derivative of a derivative, which Burn does not take. [`Critic::input_gradient`] writes the inner one out:
//! `∇_x D = W₁ f′(a₁) W₂ f′(a₂) … W_L`, in ordinary operations. For leaky ReLU, f′ is constant in pieces and nothing is lost.
//!
//! **What goes wrong**: *collapse*, G makes a few examples that D happens to like, and moves on when D learns; *a winning D*, whose loss
//! goes to 0 and teaches G nothing. [`Monitor`](crate::balance::Monitor) watches both. The non-saturating loss answers the
//! second; a Lipschitz critic, whose loss means
//! something however far the distributions are apart, answers both. An average of G's weights ([`Ema`](fornax_nn_core::optim::Ema))
//! evens out the circles that the game makes.
//!
//! Papers: I. Goodfellow et al., *Generative adversarial nets*, 2014, <https://arxiv.org/abs/1406.2661>; M. Arjovsky, S. Chintala, L. Bottou,
//! *Wasserstein GAN*, 2017, <https://arxiv.org/abs/1701.07875>; I. Gulrajani et al., *Improved training of Wasserstein GANs*, 2017,
//! <https://arxiv.org/abs/1704.00028>; T. Miyato et al., 2018, <https://arxiv.org/abs/1802.05957>.
//!
//! ## Differs from the papers
//!
//! 1. Fully connected networks on vectors.
//! 2. The class, if there is one, stands beside noise and example as one-hot features (M. Mirza, S. Osindero 2014,
//!    <https://arxiv.org/abs/1411.1784>).

use burn::config::Config;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::feed_forward::{FeedForward, FeedForwardConfig};
use fornax_nn_core::gradient::{NonFinite, gradients};
use fornax_nn_core::loss::GanLoss;
use fornax_nn_core::regularization::{spectral_norm, weights};

use crate::constraint::Constraint;
use crate::latent::beside;

/// Sizes of a generator and its critic; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct GanConfig {
    /// Features of an example.
    pub features: usize,
    /// Units of z. Default: a few more than planar data has; 16 to 100 are usual for images.
    #[config(default = 4)]
    pub noise: usize,
    /// Features of the condition, such as the number of classes; 0 for none.
    #[config(default = 0)]
    pub condition: usize,
    /// Units of the hidden layers of both networks. Default: found on eight Gaussians.
    #[config(default = "vec![128, 128]")]
    pub hidden: Vec<usize>,
    /// Of the generator's output. Default: linear, for data without bounds; sigmoid for pixels.
    #[config(default = "Activation::Linear")]
    pub output_activation: Activation,
    /// How the critic is held back.
    #[config(default = "Constraint::None")]
    pub constraint: Constraint,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl GanConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let hidden = self.hidden.iter().copied().min().unwrap_or(1);
        at_least_one(&[("features", self.features), ("noise", self.noise), ("hidden", hidden)])?;
        self.constraint.validate()
    }

    /// Builds both networks on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<(Generator, Critic), ConfigError> {
        self.validate()?;
        let generator =
            FeedForwardConfig::new(self.noise + self.condition, self.hidden.clone(), self.features)
                .with_output_activation(self.output_activation)
                .with_seed(self.seed)
                .init(device)?;
        let critic = FeedForwardConfig::new(self.features + self.condition, self.hidden.clone(), 1)
            .with_hidden_activation(Activation::LeakyRelu { slope: 0.2 })
            .with_seed(self.seed.wrapping_add(1))
            .init(device)?;
        let critic = match self.constraint {
            Constraint::Spectral => spectral_norm::spectral_norm(critic, weights(), self.seed),
            _ => critic,
        };
        Ok((Generator { network: generator }, Critic { network: critic }))
    }
}

/// From noise to examples; see the [module page](self).
#[derive(Module, Debug)]
pub struct Generator {
    /// Noise, and the condition, to features.
    pub network: FeedForward,
}

impl Generator {
    /// Examples.
    ///
    /// # Shapes
    ///
    /// - z: `[batch, noise]`; y: `[batch, condition]`
    /// - output: `[batch, features]`
    pub fn forward(&self, z: Tensor<2>, y: Option<&Tensor<2>>) -> Tensor<2> {
        self.network.forward(beside(z, y))
    }
}

/// Tells data from samples: a discriminator's logit or a critic's score; see the [module page](self).
#[derive(Module, Debug)]
pub struct Critic {
    /// Features, and the condition, to one number.
    pub network: FeedForward,
}

impl Critic {
    /// The logit: positive for what it takes for data.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, features]`; y: `[batch, condition]`
    /// - output: `[batch, 1]`
    pub fn forward(&self, x: Tensor<2>, y: Option<&Tensor<2>>) -> Tensor<2> {
        self.network.forward(beside(x, y))
    }

    /// ∇_x of the logit, in operations that can themselves be differentiated.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, features]`; y: `[batch, condition]`
    pub fn input_gradient(&self, x: Tensor<2>, y: Option<&Tensor<2>>) -> Tensor<2> {
        let [batch, features] = x.dims();
        let traces = self.network.forward_traced(beside(x, y));
        let one = traces.last().map(|trace| trace.activation.ones_like()); // [B, 1]
        let mut gradient = one.unwrap_or_else(|| unreachable!("a network has at least one layer"));
        assert_eq!(gradient.dims()[0], batch, "expected a logit an example");
        for (layer, trace) in self.network.layers.iter().zip(traces).rev() {
            // From the layer's output to its input: times f′(a), then Wᵀ.
            let upstream = layer.activation.activation.backward(trace.pre_activation, gradient); // [B, units]
            gradient = upstream.matmul(layer.linear.weight.val().transpose()); // [B, below]
        }
        gradient.narrow(1, 0, features)
    }
}

/// E (‖∇D‖ − 1)² on lines between data and samples.
///
/// # Shapes
///
/// - real, fake: `[batch, features]`; y: `[batch, condition]`
/// - position: `[batch, 1]`, uniform on [0, 1)
/// - output: `[1]`
pub fn gradient_penalty(
    critic: &Critic,
    real: Tensor<2>,
    fake: Tensor<2>,
    y: Option<&Tensor<2>>,
    position: Tensor<2>,
) -> Tensor<1> {
    let between = fake.clone() + (real - fake) * position; // [B, F]
    let slope = critic.input_gradient(between, y).square().sum_dim(1).clamp_min(1e-12).sqrt(); // [B, 1]
    (slope - 1.0).square().mean()
}

/// Data, what the networks are told about it, and the randomness of a step.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, features]`
    pub real: Tensor<2>,
    /// `[batch, condition]`, or `None` without a condition
    pub y: Option<Tensor<2>>,
    /// `[batch, noise]`, standard normal
    pub z: Tensor<2>,
    /// `[batch, 1]`, uniform on [0, 1): where the gradient penalty looks
    pub position: Tensor<2>,
}

/// What the critic minimises; the generator's weights do not follow it.
///
/// # Shapes
///
/// - output: `[1]`
pub fn critic_loss(
    critic: &Critic,
    fake: Tensor<2>,
    batch: &Batch,
    loss: GanLoss,
    constraint: Constraint,
) -> Tensor<1> {
    let (y, fake) = (batch.y.as_ref(), fake.detach());
    let logits = (critic.forward(batch.real.clone(), y), critic.forward(fake.clone(), y));
    let game = loss.discriminator(logits.0, logits.1);
    match constraint {
        Constraint::Penalty { weight } => {
            game + gradient_penalty(critic, batch.real.clone(), fake, y, batch.position.clone()) * weight
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
    critic: Critic,
    optim: &mut ModuleOptimizer,
    lr: f64,
    generator: &Generator,
    batch: &Batch,
    game: (GanLoss, Constraint),
) -> Result<(Critic, f32), NonFinite> {
    let fake = generator.forward(batch.z.clone(), batch.y.as_ref());
    let (loss, gradients) = gradients(critic_loss(&critic, fake, batch, game.0, game.1), &critic)?;
    Ok((game.1.apply(optim.step(lr, critic, gradients)), loss))
}

/// One step of the generator, against the critic as it is. Returns the new generator and its loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn generator_step(
    generator: Generator,
    optim: &mut ModuleOptimizer,
    lr: f64,
    critic: &Critic,
    batch: &Batch,
    loss: GanLoss,
) -> Result<(Generator, f32), NonFinite> {
    let y = batch.y.as_ref();
    let fake = generator.forward(batch.z.clone(), y); // [B, F]
    let (loss, gradients) = gradients(loss.generator(critic.forward(fake, y)), &generator)?;
    Ok((optim.step(lr, generator, gradients), loss))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::tensor::{DType, TensorData};
    use fornax_nn_core::check::{GradCheck, assert_close, fill};

    fn input<const D: usize>(name: &str, shape: [usize; D], dtype: DType) -> Tensor<D> {
        Tensor::from_data(fill::data(name, &shape), (&Device::flex().autodiff(), dtype))
    }

    fn critic(constraint: Constraint) -> Critic {
        let config = GanConfig::new(3).with_condition(2).with_hidden(vec![6, 5]).with_constraint(constraint);
        let (_, critic) = config.init(&Device::flex().autodiff()).unwrap();
        if constraint == Constraint::Spectral { critic } else { fill::fill(critic) }
    }

    #[test]
    fn the_input_gradient_is_what_autodiff_finds_also_under_spectral_norm() {
        for constraint in [Constraint::None, Constraint::Spectral] {
            let critic = critic(constraint);
            let x = input::<2>("x", [4, 3], DType::F32).require_grad();
            let y = input::<2>("y", [4, 2], DType::F32);
            let gradients = critic.forward(x.clone(), Some(&y)).sum().backward();
            let found = critic.input_gradient(x.clone(), Some(&y)).detach();
            assert_close(&found.without_autodiff(), &x.grad(&gradients).unwrap(), 1e-5, 1e-7);
        }
    }

    #[test]
    fn the_input_gradient_is_that_of_central_differences_in_double_precision() {
        let mut critic = critic(Constraint::None);
        for layer in &mut critic.network.layers {
            let wide = |p: Tensor<2>| p.cast(DType::F64);
            layer.linear.weight = layer.linear.weight.clone().map(wide);
            layer.linear.bias = layer.linear.bias.clone().map(|bias| bias.map(|b| b.cast(DType::F64)));
        }
        let (x, y) = (input::<2>("x", [5, 3], DType::F64), input::<2>("y", [5, 2], DType::F64));
        let found = crate::evaluation::points(critic.input_gradient(x.clone(), Some(&y)).without_autodiff());
        let step = 1e-6;
        for feature in 0..3 {
            let moved = |by: f64| {
                let column = x.clone().narrow(1, feature, 1) + by;
                let x = x.clone().slice_assign([0..5, feature..feature + 1], column);
                crate::evaluation::points(critic.forward(x, Some(&y)).without_autodiff())
            };
            for (row, (above, below)) in moved(step).iter().zip(moved(-step)).enumerate() {
                let expected = (above[0] - below[0]) / (2.0 * step);
                let found = found[row][feature];
                assert!((found - expected).abs() < 1e-7 + 1e-5 * expected.abs(), "{found} {expected}");
            }
        }
    }

    #[test]
    fn the_penalty_has_the_gradient_of_central_differences() {
        let (real, fake) = (input::<2>("real", [6, 3], DType::F64), input::<2>("fake", [6, 3], DType::F64));
        let (y, at) = (input::<2>("y", [6, 2], DType::F64), input::<2>("at", [6, 1], DType::F64).abs());
        let report = GradCheck::new()
            // Biases move the kinks only: their derivative is 0 almost everywhere.
            .model(critic(Constraint::None), |critic| {
                gradient_penalty(critic, real.clone(), fake.clone(), Some(&y), at.clone())
            })
            .unwrap();
        assert_eq!((report.compared, report.excepted), (6, 0));
    }

    #[test]
    fn a_critic_of_slope_one_pays_nothing() {
        // One linear layer with the weight (0.6, 0.8).
        let config = GanConfig::new(2).with_hidden(vec![]);
        let (_, mut critic) = config.init(&Device::flex()).unwrap();
        let weight = Tensor::<2>::from_data([[0.6], [0.8]], &Device::flex());
        critic.network.layers[0].linear.weight = Param::from_tensor(weight);
        let x = fill::input::<2>("x", [5, 2], &Device::flex());
        let at = fill::input::<2>("at", [5, 1], &Device::flex()).abs();
        let penalty = gradient_penalty(&critic, x.clone(), -x, None, at);
        assert!(penalty.into_scalar::<f32>() < 1e-10);
    }

    #[test]
    fn at_the_best_discriminator_the_game_is_worth_twice_the_divergence_less_ln_4() {
        // p and q normal with deviation 1 about ±½: the best logit is ln p − ln q = x. Both expectations, and
        // JSD = ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = (p + q)/2, by the trapezoidal rule.
        let n = 24_001;
        let step = 24.0 / (n - 1) as f64;
        let x: Vec<f64> = (0..n).map(|i| -12.0 + i as f64 * step).collect();
        let normal =
            |x: f64, mean: f64| (-0.5 * (x - mean) * (x - mean)).exp() / std::f64::consts::TAU.sqrt();
        let integral = |f: &dyn Fn(f64) -> f64| x.iter().map(|&x| f(x) * step).sum::<f64>();
        let (p, q) = (|x: f64| normal(x, 0.5), |x: f64| normal(x, -0.5));
        let middle = |x: f64| 0.5 * (p(x) + q(x));
        let jsd = integral(&|x| 0.5 * (p(x) * (p(x) / middle(x)).ln() + q(x) * (q(x) / middle(x)).ln()));
        // The loss takes samples: quantiles of each law, ten thousand of them, are as good as exact.
        let quantiles = |density: &dyn Fn(f64) -> f64| {
            let count = 10_000;
            let (mut sum, mut next, mut found) = (0.0, 0.5 / count as f64, Vec::new());
            for &x in &x {
                sum += density(x) * step;
                while found.len() < count && sum >= next {
                    found.push(x);
                    next += 1.0 / count as f64;
                }
            }
            let n = found.len();
            Tensor::<2>::from_data(TensorData::new(found, [n, 1]), (&Device::flex(), DType::F64))
        };
        let loss = GanLoss::Minimax.discriminator(quantiles(&p), quantiles(&q)).into_scalar::<f64>();
        let value = -(4f64.ln()) + 2.0 * jsd;
        assert!((-loss - value).abs() < 1e-3, "{} {value}", -loss);
        assert!(jsd > 0.1 && jsd < 2f64.ln());
    }

    #[test]
    fn clipping_and_spectral_norm_hold_after_a_step() {
        let device = Device::flex().autodiff();
        for constraint in [Constraint::Clip { limit: 0.01 }, Constraint::Spectral] {
            let config = GanConfig::new(3).with_hidden(vec![8]).with_constraint(constraint);
            let (generator, mut critic) = config.init(&device).unwrap();
            let mut optim = burn::optim::AdamConfig::new().init();
            let batch = Batch {
                real: fill::input("real", [6, 3], &device),
                y: None,
                z: fill::input("z", [6, 4], &device),
                position: fill::input::<2>("at", [6, 1], &device).abs(),
            };
            for _ in 0..5 {
                let game = (GanLoss::Wasserstein, constraint);
                (critic, _) = critic_step(critic, &mut optim, 1e-2, &generator, &batch, game).unwrap();
            }
            let weight = critic.network.layers[0].linear.weight.val();
            let largest = weight.clone().abs().max().into_scalar::<f32>();
            let matrix = crate::evaluation::points(weight.without_autodiff());
            let gram = crate::eigen::product(&matrix, &transpose(&matrix));
            let sigma = crate::eigen::symmetric(&gram).values[0].sqrt();
            match constraint {
                Constraint::Clip { .. } => assert!(largest <= 0.01, "{largest}"),
                _ => assert!((sigma - 1.0).abs() < 0.02, "{sigma}"),
            }
        }
    }

    fn transpose(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
        (0..matrix[0].len()).map(|j| matrix.iter().map(|row| row[j]).collect()).collect()
    }

    #[test]
    fn unusable_settings_are_named() {
        let error = |config: GanConfig| config.init(&Device::flex()).unwrap_err().to_string();
        assert!(error(GanConfig::new(0)).starts_with("features"));
        assert!(error(GanConfig::new(2).with_noise(0)).starts_with("noise"));
        let clip = Constraint::Clip { limit: 0.0 };
        assert!(error(GanConfig::new(2).with_constraint(clip)).starts_with("constraint"));
    }
}
