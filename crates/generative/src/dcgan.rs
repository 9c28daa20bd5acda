//! # DCGAN
//!
//! The [GAN](crate::gan) of images: both networks are convolutions, and no layer but these changes the size of a map. The generator blows
//! noise up, the critic shrinks an image, each by a factor of two a layer, and neither has to learn anew for each place what a stroke is.
//!
//! ```text
//! G(z) = tanh(T₂(… ReLU(BN(T₂(ReLU(BN(T₁(z))))))))     T₁: 1 → 4 pixels, T₂: n → 2n; transposed convolutions of 4 × 4
//! D(x) = C₁(… f(BN(C₂(f(C₂(x))))))                     C₂: 2n → n, C₁: 4 → 1 pixel; f(a) = max(a, 0.2a)
//! ```
//!
//! ```text
//! z ─▶ 4² ─▶ 8² ─▶ … ─▶ image ─┐
//! one-hot class, beside z      ├─▶ … ─▶ 8² ─▶ 4² ─▶ logit
//!                        data ─┘      a learnt map of the class, beside the image
//! ```
//!
//! Games and constraints are those of the [GAN page](crate::gan). A gradient penalty needs ∇_x D in operations that can be differentiated
//! again: a convolution's is the transposed convolution with the same weight, f′ is 1 or 0.2,
//!
//! ```text
//! ∇_x D = C₂ᵀ f′(a₁) C₂ᵀ f′(a₂) … C₁ᵀ 1                a_i what layer i puts out, before f
//! ```
//!
//! Batch normalisation ties the examples of a batch together: under a penalty on each one's slope the critic has none (Gulrajani et al.,
//! section 4), nor under spectral normalisation, which it would undo.
//!
//! **What goes wrong**: what goes wrong with every GAN, and *checkerboards* where the kernels of a transposed convolution overlap unevenly
//! (4 is a multiple of the stride 2). Momentum makes the two chase each other: β₁ is 0.5.
//!
//! Paper: A. Radford, L. Metz, S. Chintala, *Unsupervised representation learning with deep convolutional generative adversarial networks*,
//! ICLR 2016. <https://arxiv.org/abs/1511.06434>
//!
//! ## Differs from the paper
//!
//! 1. As many layers as the image's side asks for; the paper has 64 pixels.
//! 2. No bias in networks with batch normalisation, as in PyTorch's example.
//! 3. A class may enter both networks (M. Mirza, S. Osindero 2014, <https://arxiv.org/abs/1411.1784>).

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, PaddingConfig2d};
use burn::tensor::activation::{relu, tanh};
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::kernels::{Convolve, Normalise};
use fornax_nn_core::regularization::{spectral_norm, weights};

use crate::constraint::Constraint;
use crate::seeding;

mod critic;
mod game;

pub use critic::DcganCritic;
pub use game::{Batch, critic_loss, critic_step, generator_step, gradient_penalty, optimizer};

/// An image of 1,024 pixels.
const MOST_LEVELS: usize = 8;

/// Sizes of both networks; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct DcganConfig {
    /// Channels of the maps from 4 × 4 up, each twice as large as the one before; the image is twice as large as the last.
    pub channels: Vec<usize>,
    /// Channels of an image.
    #[config(default = 1)]
    pub image_channels: usize,
    /// Units of z. Default: the paper's.
    #[config(default = 100)]
    pub noise: usize,
    /// Number of classes; 0 for none.
    #[config(default = 0)]
    pub classes: usize,
    /// How the critic is held back. Default: by nothing, the paper's.
    #[config(default = "Constraint::None")]
    pub constraint: Constraint,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl DcganConfig {
    /// 16 × 16 pixels, enough for digits.
    pub fn images16() -> Self {
        Self::new(vec![64, 32]).with_noise(32)
    }

    /// 32 × 32 pixels, an eighth of the paper's channels.
    pub fn images32() -> Self {
        Self::new(vec![128, 64, 32]).with_noise(64)
    }

    /// The paper's: 64 × 64 in colour.
    pub fn paper() -> Self {
        Self::new(vec![1024, 512, 256, 128]).with_image_channels(3)
    }

    /// Pixels of an image's side: 4 · 2ⁿ for n levels.
    pub fn side(&self) -> usize {
        4 << self.channels.len().min(MOST_LEVELS)
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let least = self.channels.iter().copied().min().unwrap_or(0);
        at_least_one(&[("channels", least), ("image_channels", self.image_channels), ("noise", self.noise)])?;
        if self.channels.len() > MOST_LEVELS {
            let reason = format!("must have at most {MOST_LEVELS} levels, got {}", self.channels.len());
            return Err(ConfigError::new("channels", reason));
        }
        self.constraint.validate()
    }

    /// Builds both networks on `device`, weights normal with deviation 0.02 as in the paper, all following from the seed.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<(DcganGenerator, DcganCritic), ConfigError> {
        self.validate()?;
        let std = |_: &str, _| 0.02;
        let generator = seeding::normal(self.generator(device), self.seed, std);
        let critic = seeding::normal(self.critic(device), self.seed.wrapping_add(1 << 32), std);
        let critic = match self.constraint {
            Constraint::Spectral => spectral_norm::spectral_norm(critic, weights(), self.seed),
            _ => critic,
        };
        Ok((generator, critic))
    }

    fn generator(&self, device: &Device) -> DcganGenerator {
        let inputs = std::iter::once(self.noise + self.classes).chain(self.channels.iter().copied());
        let outputs = self.channels.iter().copied().chain([self.image_channels]);
        let convs = inputs.zip(outputs).enumerate().map(|(i, (from, to))| {
            let (stride, padding) = if i == 0 { (1, 0) } else { (2, 1) };
            ConvTranspose2dConfig::new([from, to], [4, 4])
                .with_stride([stride; 2])
                .with_padding([padding; 2])
                .with_bias(false)
                .with_initializer(Initializer::Zeros)
                .init(device)
        });
        let norms = self.channels.iter().map(|&c| BatchNormConfig::new(c).init(device));
        DcganGenerator { convs: convs.collect(), norms: norms.collect(), classes: self.classes }
    }

    fn critic(&self, device: &Device) -> DcganCritic {
        let normalised = !matches!(self.constraint, Constraint::Penalty { .. } | Constraint::Spectral);
        let maps = usize::from(self.classes > 0);
        let coarser = self.channels.iter().rev().copied();
        let inputs = std::iter::once(self.image_channels + maps).chain(coarser.clone());
        let last = self.channels.len();
        let convs = inputs.zip(coarser.clone().chain([1])).enumerate().map(|(i, (from, to))| {
            let (stride, padding) = if i == last { (1, 0) } else { (2, 1) };
            Conv2dConfig::new([from, to], [4, 4])
                .with_stride([stride; 2])
                .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
                .with_bias(!normalised)
                .with_initializer(Initializer::Zeros)
                .init(device)
        });
        let norms = coarser.skip(1).filter(|_| normalised).map(|c| BatchNormConfig::new(c).init(device));
        let area = self.side() * self.side();
        let class_maps = (maps > 0).then(|| Initializer::Zeros.init([self.classes, area], device));
        DcganCritic { convs: convs.collect(), norms: norms.collect(), class_maps }
    }
}

/// From noise to images; see the [module page](self).
#[derive(Module, Debug)]
pub struct DcganGenerator {
    /// Transposed convolutions, from z up.
    pub convs: Vec<ConvTranspose2d>,
    /// One behind each but the last.
    pub norms: Vec<BatchNorm>,
    /// Number of classes; 0 for none.
    #[module(skip)]
    pub classes: usize,
}

impl DcganGenerator {
    /// Images with pixels in [−1, 1].
    ///
    /// # Shapes
    ///
    /// - z: `[batch, noise]`; labels: `[batch]`, if there are classes
    /// - output: `[batch, image_channels, side, side]`
    ///
    /// # Panics
    ///
    /// When labels are missing although there are classes, or the other way round.
    pub fn forward(&self, z: Tensor<2>, labels: Option<&Tensor<1, Int>>) -> Tensor<4> {
        assert_eq!(labels.is_some(), self.classes > 0, "expected labels if and only if there are classes");
        let z = match labels {
            Some(labels) => {
                let classes = labels.clone().one_hot::<2>(self.classes).float().cast(z.dtype()); // [B, classes]
                Tensor::cat(vec![z, classes], 1)
            }
            None => z,
        };
        let [batch, units] = z.dims();
        let mut x = z.reshape([batch, units, 1, 1]);
        for (i, conv) in self.convs.iter().enumerate() {
            x = conv.convolve(x); // [B, C_i, 4·2ⁱ, 4·2ⁱ]
            x = match self.norms.get(i) {
                Some(norm) => relu(norm.normalise(x)),
                None => tanh(x),
            };
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;
    use fornax_nn_core::check::{GradCheck, assert_close, fill};

    fn input<const D: usize>(name: &str, shape: [usize; D], dtype: DType) -> Tensor<D> {
        Tensor::from_data(fill::data(name, &shape), (&Device::flex().autodiff(), dtype))
    }

    /// 16 × 16 pixels in two channels, three classes; no batch normalisation.
    fn critic(constraint: Constraint) -> DcganCritic {
        let config = DcganConfig::new(vec![4, 3]).with_image_channels(2).with_classes(3);
        let (_, critic) = config.with_constraint(constraint).init(&Device::flex().autodiff()).unwrap();
        if constraint == Constraint::Spectral { critic } else { fill::fill(critic) }
    }

    fn labels(device: &Device) -> Tensor<1, Int> {
        Tensor::from_data([2, 0, 1], device)
    }

    #[test]
    fn the_input_gradient_is_what_autodiff_finds_also_under_spectral_norm() {
        for constraint in [Constraint::Penalty { weight: 1.0 }, Constraint::Spectral] {
            let critic = critic(constraint);
            let x = input::<4>("x", [3, 2, 16, 16], DType::F32).require_grad();
            let labels = labels(&x.device());
            let gradients = critic.forward(x.clone(), Some(&labels)).sum().backward();
            let found = critic.input_gradient(x.clone(), Some(&labels)).detach();
            let expected = x.grad(&gradients).unwrap();
            assert!(expected.clone().abs().max().into_scalar::<f32>() > 1e-4);
            assert_close(&found.without_autodiff(), &expected, 1e-4, 1e-7);
        }
    }

    #[test]
    fn the_penalty_has_the_gradient_of_central_differences() {
        let shape = [3, 2, 16, 16];
        let (real, fake) = (input::<4>("real", shape, DType::F64), input::<4>("fake", shape, DType::F64));
        let (labels, at) = (labels(&real.device()), input::<2>("at", [3, 1], DType::F64).abs());
        let report = GradCheck::new()
            // Biases and the maps of the classes move the kinks only: their derivative is 0 almost everywhere.
            .model(critic(Constraint::Penalty { weight: 1.0 }), |critic| {
                gradient_penalty(critic, real.clone(), fake.clone(), Some(&labels), at.clone())
            })
            .unwrap();
        assert_eq!((report.compared, report.excepted), (7, 0));
    }

    #[test]
    fn a_class_changes_what_both_networks_say() {
        let device = Device::flex();
        let (generator, critic) = DcganConfig::images16().with_classes(3).init(&device).unwrap();
        let (generator, critic) = (fill::fill(generator), fill::fill(critic));
        let z = fill::input::<2>("z", [1, 32], &device).repeat_dim(0, 3);
        let images = generator.forward(z, Some(&labels(&device)));
        assert_eq!(images.dims(), [3, 1, 16, 16]);
        let logits = critic.forward(images.clone().narrow(0, 0, 1).repeat_dim(0, 3), Some(&labels(&device)));
        let varies = |x: Tensor<2>| x.var_bias(0).max().into_scalar::<f32>() > 1e-10;
        assert!(varies(images.flatten(1, 3)) && varies(logits));
    }

    #[test]
    fn what_holds_the_critic_back_holds_after_a_step() {
        let device = Device::flex().autodiff();
        for constraint in [Constraint::Clip { limit: 0.01 }, Constraint::Spectral] {
            let config = DcganConfig::new(vec![4, 3]).with_noise(5).with_constraint(constraint);
            let (generator, mut critic) = config.init(&device).unwrap();
            let mut optim = optimizer().unwrap();
            let batch = Batch {
                real: fill::input("real", [4, 1, 16, 16], &device),
                labels: None,
                z: fill::input("z", [4, 5], &device),
                position: fill::input::<2>("at", [4, 1], &device).abs(),
            };
            for _ in 0..5 {
                let game = (fornax_nn_core::loss::GanLoss::Wasserstein, constraint);
                (critic, _) = critic_step(critic, &mut optim, 1e-2, &generator, &batch, game).unwrap();
            }
            let weight = critic.convs[1].weight.val();
            let largest = weight.clone().abs().max().into_scalar::<f32>();
            let rows = crate::evaluation::points(weight.without_autodiff().flatten(1, 3));
            let columns: Vec<Vec<f64>> =
                (0..rows[0].len()).map(|j| rows.iter().map(|row| row[j]).collect()).collect();
            let gram = crate::eigen::product(&rows, &columns);
            let sigma = crate::eigen::symmetric(&gram).values[0].sqrt();
            match constraint {
                Constraint::Clip { .. } => assert!(largest <= 0.01, "{largest}"),
                _ => assert!((sigma - 1.0).abs() < 0.02, "{sigma}"),
            }
        }
    }

    #[test]
    fn weights_are_drawn_as_in_the_paper_and_from_the_seed() {
        let device = Device::flex();
        let weights =
            |seed| DcganConfig::images32().with_seed(seed).init(&device).unwrap().0.convs[0].weight.val();
        let weight = weights(1);
        assert_eq!(weight.to_data(), weights(1).to_data());
        let (mean, deviation) =
            (weight.clone().mean().into_scalar::<f64>(), weight.var_bias(0).mean().into_scalar::<f64>());
        // 131,072 numbers.
        assert!(mean.abs() < 5.0 * 0.02 / 362.0, "{mean}");
        assert!((deviation.sqrt() / 0.02 - 1.0).abs() < 0.02, "{deviation}");
        assert_ne!(weights(1).to_data(), weights(2).to_data());
    }

    #[test]
    fn unusable_settings_are_named() {
        let error = |config: DcganConfig| config.init(&Device::flex()).unwrap_err().to_string();
        assert!(error(DcganConfig::new(vec![])).starts_with("channels"));
        assert!(error(DcganConfig::new(vec![8, 0])).starts_with("channels"));
        assert!(error(DcganConfig::new(vec![1; 9])).starts_with("channels"));
        assert!(error(DcganConfig::images16().with_noise(0)).starts_with("noise"));
        let clip = Constraint::Clip { limit: 0.0 };
        assert!(error(DcganConfig::images16().with_constraint(clip)).starts_with("constraint"));
    }
}
