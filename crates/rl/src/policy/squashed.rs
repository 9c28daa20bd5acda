//! # The squashed Gaussian
//!
//! A Gaussian knows no bounds, an action space does. Squashing with tanh gives every sample a place inside,
//!
//! ```text
//! u = μ + σ·ε,  ε ~ N(0, 1)       a = tanh(u) ∈ (−1, 1)       log π(a) = log N(u; μ, σ) − Σ log(1 − tanh²(u))
//! ```
//!
//! the sum being the logarithm of |∂a/∂u|, by the change of variables. Computed as written it fails where it matters: tanh(u)
//! is exactly 1 in `f32` from u ≈ 9 on, and the logarithm of zero follows. The same quantity, an even function of u, is
//!
//! ```text
//! log(1 − tanh²(u)) = 2·(log 2 − |u| − log(1 + e^(−2|u|)))
//! ```
//!
//! which is finite and exact for every u. Since ε is an argument, gradients flow through μ and σ into the action: the
//! reparametrisation of [SAC](crate::sac).
//!
//! log σ is clamped to [−20, 2], as in the SAC paper's code.

use burn::tensor::Tensor;

/// Bounds of log σ. Source: the SAC paper's code.
pub const LOG_STD_BOUNDS: [f32; 2] = [-20.0, 2.0];

/// The action for a noise of the same shape, and its log-probability; differentiable in `params`.
///
/// # Shapes
///
/// - params: `[batch, 2·dim]`, means then log σ
/// - noise: `[batch, dim]`, standard normal
/// - actions: `[batch, dim]` in (−1, 1); log-probabilities: `[batch, 1]`
pub fn sample(params: Tensor<2>, noise: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let dim = noise.dims()[1];
    let mean = params.clone().narrow(1, 0, dim); // [B, dim]
    let log_std = params.narrow(1, dim, dim).clamp(LOG_STD_BOUNDS[0], LOG_STD_BOUNDS[1]); // [B, dim]
    let u = mean + log_std.clone().exp() * noise.clone(); // [B, dim]
    let normal = noise.square() * -0.5 - log_std - super::distribution::LOG_SQRT_2PI; // [B, dim]
    let far = u.clone().abs(); // [B, dim]
    let squeeze = (far.clone() * -2.0).exp().log1p().neg() - far + std::f32::consts::LN_2; // [B, dim]
    (u.tanh(), (normal - squeeze * 2.0).sum_dim(1))
}

/// The likeliest u, squashed: what a trained agent is judged by.
///
/// # Shapes
///
/// - params: `[2·dim]`; action: `[dim]`
pub fn mode(params: &[f32], action: &mut [f32]) {
    action.iter_mut().zip(params).for_each(|(a, mean)| *a = mean.tanh());
}

/// One action on slices, for acting.
pub fn act(params: &[f32], rng: &mut crate::random::Pcg64, action: &mut [f32]) {
    let (mean, log_std) = params.split_at(action.len());
    for ((a, mean), log_std) in action.iter_mut().zip(mean).zip(log_std) {
        let std = log_std.clamp(LOG_STD_BOUNDS[0], LOG_STD_BOUNDS[1]).exp();
        *a = (mean + std * rng.normal() as f32).tanh();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn log_prob(mean: f32, log_std: f32, noise: f32) -> (f32, f32) {
        let device = Device::flex();
        let (action, log) =
            sample(Tensor::from_data([[mean, log_std]], &device), Tensor::from_data([[noise]], &device));
        (action.into_scalar(), log.into_scalar())
    }

    /// The density of a, by its definition, integrated over a in (−1, 1).
    #[test]
    fn the_density_integrates_to_one() {
        let (mean, log_std) = (0.3_f32, -0.4_f32);
        let n = 4_000;
        let device = Device::flex();
        // Midpoints in a; the noise that leads there.
        let actions: Vec<f32> = (0..n).map(|i| -1.0 + (2 * i + 1) as f32 / n as f32).collect();
        let noise: Vec<f32> = actions.iter().map(|a| (a.atanh() - mean) / log_std.exp()).collect();
        let params = Tensor::from_data(TensorData::new([mean, log_std].repeat(n), [n, 2]), &device);
        let (again, logs) = sample(params, Tensor::from_data(TensorData::new(noise, [n, 1]), &device));
        let density: f64 = logs.exp().sum().into_scalar::<f64>() * 2.0 / n as f64;
        assert!((density - 1.0).abs() < 1e-3, "{density}");
        for (a, b) in again.into_data().try_to_vec::<f32>().unwrap().iter().zip(&actions) {
            assert!((a - b).abs() < 1e-5);
        }
    }

    #[test]
    fn it_is_finite_where_the_plain_formula_is_not() {
        for mean in [-40.0, -12.0, 0.0, 12.0, 40.0_f32] {
            let (action, log) = log_prob(mean, 0.0, 0.5);
            assert!(action.abs() <= 1.0 && log.is_finite(), "{mean}: {log}");
            // log N − log 4 + 2|u| for large |u|.
            if mean.abs() > 10.0 {
                let u = mean + 0.5;
                let expected = -0.125 - 0.918_938_5 - 4_f32.ln() + 2.0 * u.abs();
                assert!((log - expected).abs() < 1e-4 * expected.abs(), "{log} {expected}");
            }
        }
    }
}
