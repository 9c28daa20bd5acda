//! Mixtures of normal distributions: for a batch on the device, for one image on the host.

use burn::tensor::activation::softmax;
use burn::tensor::{Distribution, Int, Tensor};
use fornax_nn_core::calibration::normal_cdf;
use fornax_nn_core::loss::mixture_density_nll;

/// A mixture for each image of a batch.
#[derive(Debug, Clone)]
pub struct Mixture {
    /// z: `[batch, components]`, π = softmax(z)
    pub logits: Tensor<2>,
    /// μ: `[batch, components, commands]`
    pub mean: Tensor<3>,
    /// ln σ: `[batch, components, commands]`
    pub log_std: Tensor<3>,
}

impl Mixture {
    /// −ln p(command) in nats.
    ///
    /// # Shapes
    ///
    /// - commands: `[batch, commands]`
    /// - output: `[batch]`
    ///
    /// # Panics
    ///
    /// When the shapes do not fit together.
    pub fn nll(&self, commands: Tensor<2>) -> Tensor<1> {
        mixture_density_nll(self.logits.clone(), self.mean.clone(), self.log_std.clone(), commands)
    }

    fn weights(&self) -> Tensor<3> {
        softmax(self.logits.clone(), 1).unsqueeze_dim(2) // [B, K, 1]
    }

    /// Σ_k π_k μ_k, which may be a command nobody gives.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, commands]`
    pub fn mean(&self) -> Tensor<2> {
        (self.weights() * self.mean.clone()).sum_dim(1).squeeze_dim(1)
    }

    /// Σ_k π_k σ_k² + Σ_k π_k (μ_k − μ)²: the law of total variance.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, commands]`
    pub fn variance(&self) -> Tensor<2> {
        let between = (self.mean.clone() - self.mean().unsqueeze_dim(1)).square();
        let within = (self.log_std.clone() * 2.0).exp();
        (self.weights() * (within + between)).sum_dim(1).squeeze_dim(1)
    }

    /// A command from each distribution: the component in which `choice` falls along the weights, then μ + σ·ε.
    ///
    /// # Shapes
    ///
    /// - choice: `[batch]`, uniform on [0, 1)
    /// - epsilon: `[batch, commands]`, standard normal
    /// - output: `[batch, commands]`
    pub fn sample(&self, choice: Tensor<1>, epsilon: Tensor<2>) -> Tensor<2> {
        let [_, components, commands] = self.mean.dims();
        let below = softmax(self.logits.clone(), 1).cumsum(1).lower_equal(choice.unsqueeze_dim(1)); // [B, K]
        // As many weights as end below the choice; a sum that rounds to less than one must not lead past the last.
        let component: Tensor<2, Int> = below.int().sum_dim(1).clamp_max(components as i64 - 1); // [B, 1]
        let index: Tensor<3, Int> = component.unsqueeze_dim::<3>(2).repeat_dim(2, commands); // [B, 1, D]
        let mean = self.mean.clone().gather(1, index.clone()).squeeze_dim::<2>(1);
        let std = self.log_std.clone().gather(1, index).squeeze_dim::<2>(1).exp();
        mean + std * epsilon
    }

    /// [`sample`](Self::sample) with the device's random numbers: seed the device before what must repeat.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, commands]`
    pub fn draw(&self) -> Tensor<2> {
        let [batch, _, commands] = self.mean.dims();
        let options = (&self.mean.device(), self.mean.dtype());
        let choice = Tensor::random([batch], Distribution::Uniform(0.0, 1.0), options);
        self.sample(choice, Tensor::random([batch, commands], Distribution::Normal(0.0, 1.0), options))
    }

    /// The mixtures on the host, one an image.
    pub fn densities(&self) -> Vec<Density> {
        let [_, components, commands] = self.mean.dims();
        let values = |data: burn::tensor::TensorData| data.iter::<f64>().collect::<Vec<f64>>();
        let weights = values(self.weights().into_data());
        let (mean, log_std) = (values(self.mean.to_data()), values(self.log_std.to_data()));
        let rows = |values: &[f64]| values.chunks(commands).map(<[f64]>::to_vec).collect::<Vec<_>>();
        let size = components * commands;
        weights
            .chunks(components)
            .zip(mean.chunks(size).zip(log_std.chunks(size)))
            .map(|(weights, (mean, log_std))| Density {
                weights: weights.to_vec(),
                mean: rows(mean),
                std: rows(&log_std.iter().map(|value| value.exp()).collect::<Vec<f64>>()),
            })
            .collect()
    }
}

/// One mixture, in double precision on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Density {
    /// π, one a component.
    pub weights: Vec<f64>,
    /// μ: component by component, command by command.
    pub mean: Vec<Vec<f64>>,
    /// σ, likewise.
    pub std: Vec<Vec<f64>>,
}

/// A local maximum of a [`Density`].
#[derive(Debug, Clone, PartialEq)]
pub struct Mode {
    /// Where it stands.
    pub command: Vec<f64>,
    /// ln p there.
    pub log_density: f64,
}

impl Density {
    /// ln of each component's share in the density at `command`.
    fn log_joint(&self, command: &[f64]) -> Vec<f64> {
        let log_normal = |x: f64, mean: f64, std: f64| {
            -0.5 * ((x - mean) / std).powi(2) - std.ln() - 0.5 * std::f64::consts::TAU.ln()
        };
        let component = |k: usize| {
            let dimensions = command.iter().zip(self.mean[k].iter().zip(&self.std[k]));
            self.weights[k].ln() + dimensions.map(|(&x, (&mean, &std))| log_normal(x, mean, std)).sum::<f64>()
        };
        (0..self.weights.len()).map(component).collect()
    }

    /// ln p(command).
    pub fn log_density(&self, command: &[f64]) -> f64 {
        let joint = self.log_joint(command);
        let largest = joint.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return largest;
        }
        largest + joint.iter().map(|log| (log - largest).exp()).sum::<f64>().ln()
    }

    /// Probability that command number `dimension` lies below `value`: the transform that calibration is measured by.
    pub fn cdf(&self, dimension: usize, value: f64) -> f64 {
        let component = |k: usize| {
            self.weights[k] * normal_cdf((value - self.mean[k][dimension]) / self.std[k][dimension])
        };
        (0..self.weights.len()).map(component).sum::<f64>().clamp(0.0, 1.0)
    }

    /// The local maxima, the highest first.
    ///
    /// From every component's mean uphill by the fixed point that a zero gradient means,
    ///
    /// ```text
    /// x_d ← Σ_k w_k μ_kd/σ_kd² / Σ_k w_k/σ_kd²        w_k = π_k N(x; μ_k, σ_k²), which never goes down
    /// ```
    ///
    /// and what arrives within a hundredth of a deviation of another is the same one. M. Carreira-Perpiñán,
    /// *Mode-finding for mixtures of Gaussian distributions*, 2000. <https://doi.org/10.1109/34.888716>
    pub fn modes(&self) -> Vec<Mode> {
        let mut modes: Vec<Mode> = Vec::new();
        for start in 0..self.weights.len() {
            let command = self.climb(self.mean[start].clone());
            let narrowest = |d: usize| self.std.iter().map(|std| std[d]).fold(f64::INFINITY, f64::min);
            let near = |mode: &Mode| {
                let mut pairs = mode.command.iter().zip(&command).enumerate();
                pairs.all(|(d, (a, b))| (a - b).abs() < 1e-2 * narrowest(d))
            };
            if !modes.iter().any(near) {
                modes.push(Mode { log_density: self.log_density(&command), command });
            }
        }
        modes.sort_by(|a, b| b.log_density.total_cmp(&a.log_density));
        modes
    }

    fn climb(&self, mut command: Vec<f64>) -> Vec<f64> {
        for _ in 0..10_000 {
            let joint = self.log_joint(&command);
            let largest = joint.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let share: Vec<f64> = joint.iter().map(|log| (log - largest).exp()).collect();
            let mut furthest = 0.0f64;
            for (d, x) in command.iter_mut().enumerate() {
                let (mut pull, mut stiffness) = (0.0, 0.0);
                for (k, share) in share.iter().enumerate() {
                    let precision = share / self.std[k][d].powi(2);
                    pull += precision * self.mean[k][d];
                    stiffness += precision;
                }
                let next = pull / stiffness;
                furthest = furthest.max((next - *x).abs() * stiffness.sqrt());
                *x = next;
            }
            if furthest < 1e-9 {
                break;
            }
        }
        command
    }
}
