//! # Distributions over actions
//!
//! A stochastic policy answers an observation with a distribution; the network gives its parameters.
//!
//! | distribution | for | parameters | log π(a) | entropy |
//! |---|---|---|---|---|
//! | categorical | [`Space::Discrete`] | n logits z | z_a − log Σ exp z | −Σ p log p |
//! | multi-categorical | [`Space::MultiDiscrete`] | Σ nᵢ logits | Σ of the choices' | Σ of the choices' |
//! | diagonal Gaussian | [`Space::Box`] | mean μ; log σ a weight of its own | −½ Σ ((a − μ)/σ)² + 2 log σ + log 2π | Σ log σ + ½ log 2πe |
//!
//! Sampling and log-probabilities exist twice: on slices, for acting (a handful of numbers, where a tensor operation would cost
//! more than the answer), and on tensors, for losses. Tests prove the two equal, the densities to sum or integrate to one, and
//! entropies against Monte Carlo. Actions are `f32` rows of [`Space::len`] numbers whatever the space, choices as their index.
//!
//! The Gaussian is not squashed: actions may leave the box, and the environment is given the clipped ones while the
//! log-probability stays that of the unclipped (as in the reference implementations). [`squashed`](super::squashed) is the
//! one that knows its bounds.

use burn::tensor::{Int, Tensor, TensorData, activation};

use crate::error::EnvError;
use crate::random::Pcg64;
use crate::space::Space;

/// log √(2π)
pub(crate) const LOG_SQRT_2PI: f32 = 0.918_938_5;

/// Which distribution; see the [module page](self).
///
/// ```
/// use fornax_rl::policy::Distribution;
/// use fornax_rl::random::Pcg64;
///
/// let coin = Distribution::Categorical(2);
/// let mut action = [0.0];
/// let logits = [0.0, 3_f32.ln()]; // heads one time in four
/// coin.mode(&logits, &mut action);
/// assert_eq!(action, [1.0]);
/// assert!((coin.log_prob(&logits, &[], &[0.0]) - 0.25_f32.ln()).abs() < 1e-6);
/// let mut rng = Pcg64::new(0);
/// let heads = (0..4_000).filter(|_| { coin.sample(&logits, &[], &mut rng, &mut action); action == [0.0] }).count();
/// assert!((heads as f64 - 1_000.0).abs() < 140.0); // five deviations of a binomial
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distribution {
    /// One of n.
    Categorical(usize),
    /// One of each nᵢ.
    MultiCategorical(Vec<usize>),
    /// As many independent Gaussians.
    Gaussian(usize),
}

impl Distribution {
    /// The one that fits an action space.
    ///
    /// # Errors
    ///
    /// [`EnvError::InvalidSpace`]; a [`Space::Dict`] has none.
    pub fn of(space: &Space) -> Result<Self, EnvError> {
        space.validate()?;
        Ok(match space {
            Space::Discrete(n) => Self::Categorical(*n),
            Space::MultiDiscrete(n) => Self::MultiCategorical(n.clone()),
            Space::Box { .. } => Self::Gaussian(space.len()),
            Space::Dict(_) => {
                return Err(EnvError::InvalidSpace(format!("no distribution over actions in {space}")));
            }
        })
    }

    /// Outputs the policy network needs.
    pub fn params(&self) -> usize {
        match self {
            Self::Categorical(n) | Self::Gaussian(n) => *n,
            Self::MultiCategorical(n) => n.iter().sum(),
        }
    }

    /// Numbers of an action.
    pub fn action_len(&self) -> usize {
        match self {
            Self::Categorical(_) => 1,
            Self::MultiCategorical(n) => n.len(),
            Self::Gaussian(n) => *n,
        }
    }

    /// Draws an action and returns its log-probability. `log_std` is empty for choices.
    pub fn sample(&self, params: &[f32], log_std: &[f32], rng: &mut Pcg64, action: &mut [f32]) -> f32 {
        match self {
            Self::Categorical(_) => {
                let (choice, log_prob) = draw(params, rng);
                action[0] = choice as f32;
                log_prob
            }
            Self::MultiCategorical(n) => {
                let mut rest = params;
                let mut log_prob = 0.0;
                for (slot, &n) in action.iter_mut().zip(n) {
                    let (logits, others) = rest.split_at(n);
                    let (choice, log) = draw(logits, rng);
                    (*slot, rest) = (choice as f32, others);
                    log_prob += log;
                }
                log_prob
            }
            Self::Gaussian(_) => {
                for ((slot, mean), log_std) in action.iter_mut().zip(params).zip(log_std) {
                    *slot = mean + log_std.exp() * rng.normal() as f32;
                }
                self.log_prob(params, log_std, action)
            }
        }
    }

    /// The likeliest action: what a trained agent is judged by.
    pub fn mode(&self, params: &[f32], action: &mut [f32]) {
        match self {
            Self::Categorical(_) => action[0] = argmax(params) as f32,
            Self::MultiCategorical(n) => {
                let mut rest = params;
                for (slot, &n) in action.iter_mut().zip(n) {
                    let (logits, others) = rest.split_at(n);
                    (*slot, rest) = (argmax(logits) as f32, others);
                }
            }
            Self::Gaussian(_) => action.copy_from_slice(params),
        }
    }

    /// log π(action).
    pub fn log_prob(&self, params: &[f32], log_std: &[f32], action: &[f32]) -> f32 {
        match self {
            Self::Categorical(_) => params[action[0] as usize] - log_sum_exp(params),
            Self::MultiCategorical(n) => {
                let mut rest = params;
                let mut sum = 0.0;
                for (&choice, &n) in action.iter().zip(n) {
                    let (logits, others) = rest.split_at(n);
                    sum += logits[choice as usize] - log_sum_exp(logits);
                    rest = others;
                }
                sum
            }
            Self::Gaussian(_) => {
                let each = action.iter().zip(params).zip(log_std);
                each.map(|((a, mean), log_std)| {
                    let z = (a - mean) * (-log_std).exp();
                    -0.5 * z * z - log_std - LOG_SQRT_2PI
                })
                .sum()
            }
        }
    }

    /// log π(actions) and the entropy of each row's distribution, differentiable in `params` and `log_std`.
    ///
    /// # Shapes
    ///
    /// - params: `[batch, params]`; log_std: `[dim]`, for the Gaussian only; actions: `[batch, action_len]`
    /// - log-probabilities, entropies: `[batch, 1]` each
    ///
    /// # Panics
    ///
    /// When the Gaussian has no `log_std`.
    pub fn evaluate(
        &self,
        params: Tensor<2>,
        log_std: Option<Tensor<1>>,
        actions: &Actions,
    ) -> (Tensor<2>, Tensor<2>) {
        match (self, actions, log_std) {
            (Self::Categorical(_), Actions::Choices(choices), _) => categorical(params, choices.clone()),
            (Self::MultiCategorical(n), Actions::Choices(choices), _) => {
                let mut start = 0;
                let parts = n.iter().enumerate().map(|(i, &n)| {
                    let logits = params.clone().narrow(1, start, n); // [B, nᵢ]
                    start += n;
                    categorical(logits, choices.clone().narrow(1, i, 1))
                });
                let sum = parts.reduce(|(log, entropy), (l, e)| (log + l, entropy + e));
                sum.unwrap_or_else(|| unreachable!("a MultiDiscrete space has at least one choice"))
            }
            (Self::Gaussian(dim), Actions::Numbers(actions), Some(log_std)) => {
                let log_std = log_std.unsqueeze::<2>(); // [1, dim]
                let z = (actions.clone() - params.clone()) * log_std.clone().neg().exp(); // [B, dim]
                let logs = log_std.sum_dim(1); // [1, 1]
                let constant = *dim as f32 * LOG_SQRT_2PI;
                let log_prob = z.square().sum_dim(1) * -0.5 - logs.clone() - constant; // [B, 1]
                let entropy = logs + *dim as f32 * (LOG_SQRT_2PI + 0.5);
                (log_prob, entropy.expand([params.dims()[0], 1]))
            }
            _ => panic!("{self:?} cannot evaluate {actions:?} without what it needs"),
        }
    }
}

/// A batch of actions as losses want them.
#[derive(Debug, Clone)]
pub enum Actions {
    /// Indices, `[batch, choices]`.
    Choices(Tensor<2, Int>),
    /// Numbers, `[batch, dim]`.
    Numbers(Tensor<2>),
}

impl Actions {
    /// From rows of `distribution.action_len()` numbers, on the device of `like`.
    pub fn new(distribution: &Distribution, rows: &[f32], like: &Tensor<2>) -> Self {
        let width = distribution.action_len();
        let shape = [rows.len() / width, width];
        match distribution {
            Distribution::Gaussian(_) => {
                Self::Numbers(Tensor::from_data(TensorData::new(rows.to_vec(), shape), &like.device()))
            }
            _ => {
                let indices = rows.iter().map(|&choice| choice as i32).collect();
                Self::Choices(Tensor::from_data(TensorData::new::<i32, _>(indices, shape), &like.device()))
            }
        }
    }
}

/// log-probability and entropy of a categorical, `[batch, 1]` each.
fn categorical(logits: Tensor<2>, choices: Tensor<2, Int>) -> (Tensor<2>, Tensor<2>) {
    let log_probs = activation::log_softmax(logits, 1); // [B, n]
    let entropy = (log_probs.clone().exp() * log_probs.clone()).sum_dim(1).neg(); // [B, 1]
    (log_probs.gather(1, choices), entropy)
}

/// Inverse transform: the first choice whose cumulative probability exceeds a uniform draw.
fn draw(logits: &[f32], rng: &mut Pcg64) -> (usize, f32) {
    let log_sum = log_sum_exp(logits);
    let mut left = rng.unit() as f32;
    for (choice, logit) in logits.iter().enumerate() {
        left -= (logit - log_sum).exp();
        if left < 0.0 {
            return (choice, logit - log_sum);
        }
    }
    // Rounding left a crumb of probability: it belongs to the likeliest.
    let choice = argmax(logits);
    (choice, logits[choice] - log_sum)
}

pub(crate) fn log_sum_exp(logits: &[f32]) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    highest + logits.iter().map(|logit| (logit - highest).exp()).sum::<f32>().ln()
}

/// The first of the greatest.
pub(crate) fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn cases() -> [(Distribution, Vec<f32>, Vec<f32>); 3] {
        [
            (Distribution::Categorical(4), vec![0.3, -1.2, 2.0, 0.0], vec![]),
            (Distribution::MultiCategorical(vec![2, 3]), vec![0.5, -0.5, 1.0, 0.0, -2.0], vec![]),
            (Distribution::Gaussian(2), vec![0.4, -1.5], vec![-0.3, 0.6]),
        ]
    }

    /// Sample mean of −log π is the entropy; slices and tensors agree on every sample.
    #[test]
    fn entropy_is_the_mean_surprise_and_both_forms_agree() {
        let device = Device::flex();
        for (distribution, params, log_std) in cases() {
            let mut rng = Pcg64::new(3);
            let (n, width) = (20_000, distribution.action_len());
            let mut rows = vec![0.0; n * width];
            let logs: Vec<f32> = rows
                .chunks_mut(width)
                .map(|row| distribution.sample(&params, &log_std, &mut rng, row))
                .collect();
            let params_rows =
                Tensor::<2>::from_data(TensorData::new(params.repeat(n), [n, params.len()]), &device);
            let actions = Actions::new(&distribution, &rows, &params_rows);
            let std = (!log_std.is_empty()).then(|| Tensor::from_data(log_std.as_slice(), &device));
            let (tensor, entropy) = distribution.evaluate(params_rows, std, &actions);
            for (a, b) in tensor.into_data().try_to_vec::<f32>().unwrap().iter().zip(&logs) {
                assert!((a - b).abs() < 1e-5, "{distribution:?}: {a} {b}");
            }
            let entropy = entropy.into_data().try_to_vec::<f32>().unwrap()[0];
            let surprise = -logs.iter().map(|&log| f64::from(log)).sum::<f64>() / n as f64;
            assert!((f64::from(entropy) - surprise).abs() < 0.03, "{distribution:?}: {entropy} {surprise}");
            // The mode is at least as likely as anything drawn.
            let mut mode = vec![0.0; width];
            distribution.mode(&params, &mut mode);
            let highest = logs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert!(distribution.log_prob(&params, &log_std, &mode) >= highest - 1e-6);
        }
    }

    #[test]
    fn probabilities_sum_to_one() {
        let categorical = Distribution::Categorical(4);
        let logits = [0.3, -1.2, 2.0, 80.0];
        let sum: f32 = (0..4).map(|a| categorical.log_prob(&logits, &[], &[a as f32]).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        // The density on a grid of 16 deviations to both sides.
        let gaussian = Distribution::Gaussian(1);
        let step = 0.01;
        let density = |i: i32| gaussian.log_prob(&[0.5], &[0.2], &[0.5 + i as f32 * step]).exp();
        let integral: f32 = (-2_000..=2_000).map(density).sum::<f32>() * step;
        assert!((integral - 1.0).abs() < 1e-4, "{integral}");
    }
}
