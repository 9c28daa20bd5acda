//! # Normalising flows
//!
//! A density by change of variables. Take an invertible map f from data to noise; then the density of x is that of its noise, times
//! how much f stretches space there:
//!
//! ```text
//! z = f(x)          ln p(x) = ln N(z; 0, I) + ln |det ∂z/∂x|          x = f⁻¹(z) with z ~ N(0, I) is a sample
//! f = f_L ∘ … ∘ f₁  ln |det ∂z/∂x| = Σ_l ln |det of layer l|
//! ```
//!
//! Nothing is bounded or approximated: training maximises the exact likelihood, and on data of known density the remaining gap is a
//! divergence, `E (ln p(x) − ln q(x)) = KL(p ‖ q) ≥ 0`. The art is a layer that is expressive, invertible, and whose
//! determinant is cheap:
//!
//! | page | layer | density | sample |
//! |---|---|---|---|
//! | [`planar`](crate::planar) | a push along one direction | one pass | one search on a line a layer |
//! | [`real_nvp`](crate::real_nvp) | half the features scaled and shifted, as the other half says | one pass | one pass |
//! | [`maf`](crate::maf) | each feature scaled and shifted, as those before it say | one pass | a pass a feature |
//! | [`spline`](crate::spline) | half the features bent by splines, as the other half says | one pass | one pass |
//!
//! **What goes wrong**: the likelihood of a density with sharp edges has no bound from above, and a flow that tries to reach it tears
//! space apart: `e^s` overflows. Scales here are bounded, `s = 2 tanh(raw / 2)`, so that one layer stretches by e² ≈ 7.4 at most.
//! Many layers that each stretch a little multiply to a lot, and data thrown far out has a loss in the thousands: affine flows start
//! near the identity here. A flow is continuous and so is its inverse: separate modes stay connected by thin bridges, which the
//! example's pictures show.
//!
//! Paper: D. Rezende, S. Mohamed, *Variational inference with normalizing flows*, ICML 2015, <https://arxiv.org/abs/1505.05770>; review:
//! G. Papamakarios et al., *Normalizing flows for probabilistic modeling and inference*, 2021, <https://arxiv.org/abs/1912.02762>.

use burn::module::Module;
use burn::nn::Linear;
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::gradient::{NonFinite, gradients};

/// An invertible map from data to standard normal noise.
pub trait Flow: Module {
    /// The noise of x, and ln |det ∂z/∂x|.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, features]`
    /// - output: `[batch, features]` and `[batch]`
    ///
    /// # Panics
    ///
    /// When the features of `x` are not the configured ones.
    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>);

    /// The data of z: a sample, when z is standard normal.
    ///
    /// # Shapes
    ///
    /// - z, output: `[batch, features]`
    fn inverse(&self, z: Tensor<2>) -> Tensor<2>;

    /// ln p(x) in nats, exact.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, features]`
    /// - output: `[batch]`
    fn log_prob(&self, x: Tensor<2>) -> Tensor<1> {
        let (z, log_det) = self.forward(x);
        standard_normal_log_prob(z) + log_det
    }
}

/// ln N(z; 0, I).
///
/// # Shapes
///
/// - z: `[batch, features]`
/// - output: `[batch]`
pub fn standard_normal_log_prob(z: Tensor<2>) -> Tensor<1> {
    let features = z.dims()[1] as f64;
    (z.square().sum_dim(1) * -0.5 - 0.5 * features * std::f64::consts::TAU.ln()).squeeze_dim(1)
}

/// The mean of −ln p(x) in nats.
///
/// # Shapes
///
/// - x: `[batch, features]`
/// - output: `[1]`
pub fn loss<F: Flow>(model: &F, x: Tensor<2>) -> Tensor<1> {
    -model.log_prob(x).mean()
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<F: Flow>(
    model: F,
    optim: &mut ModuleOptimizer,
    lr: f64,
    x: Tensor<2>,
) -> Result<(F, f32), NonFinite> {
    let (loss, gradients) = gradients(loss(&model, x), &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

/// The logarithm of a scale, kept within ±2.
pub(crate) fn bounded(raw: Tensor<2>) -> Tensor<2> {
    (raw * 0.5).tanh() * 2.0
}

/// Shrinks a network's last layer a hundredfold, so that its answers are near 0 and a flow made of them near the identity. Not to 0,
/// for then the layers before it would get no gradient.
pub(crate) fn start_near_identity(last: Option<&mut Linear>) {
    if let Some(last) = last {
        last.weight = last.weight.clone().map(|weight| {
            let (device, learns) = (weight.device(), weight.is_require_grad());
            Tensor::from_data((weight * 0.01).into_data(), &device).set_require_grad(learns)
        });
    }
}

/// Features in two parts: what layer `layer` reads, and what it changes. The parts swap from layer to layer.
pub(crate) fn split(x: Tensor<2>, layer: usize) -> (Tensor<2>, Tensor<2>) {
    let features = x.dims()[1];
    let half = features / 2;
    let (first, second) = (x.clone().narrow(1, 0, half), x.narrow(1, half, features - half));
    if layer.is_multiple_of(2) { (first, second) } else { (second, first) }
}

/// The inverse of [`split`].
pub(crate) fn join(read: Tensor<2>, changed: Tensor<2>, layer: usize) -> Tensor<2> {
    let parts = if layer.is_multiple_of(2) { vec![read, changed] } else { vec![changed, read] };
    Tensor::cat(parts, 1)
}

/// How many features [`split`] lets layer `layer` read and change.
pub(crate) fn parts(features: usize, layer: usize) -> (usize, usize) {
    let half = features / 2;
    if layer.is_multiple_of(2) { (half, features - half) } else { (features - half, half) }
}

/// Refuses sizes of 0, and fewer features than the layers need.
pub(crate) fn check_sizes(
    features: usize,
    least: usize,
    layers: usize,
    hidden: &[usize],
) -> Result<(), ConfigError> {
    if features < least {
        return Err(ConfigError::new("features", format!("must be at least {least}, got {features}")));
    }
    at_least_one(&[("layers", layers), ("hidden", hidden.iter().copied().min().unwrap_or(1))])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::maf::MafConfig;
    use crate::real_nvp::RealNvpConfig;
    use burn::tensor::{DType, Device};
    use fornax_nn_core::check::{assert_close, fill};

    /// What every flow promises: `inverse` undoes `forward` to 1e-4, and the log-determinant is that of the Jacobian which
    /// autodiff finds column by column.
    pub(crate) fn is_a_flow<F: Flow>(build: impl Fn(&Device) -> F, features: usize) {
        let device = Device::flex();
        let flow = fill::fill(build(&device));
        let x = fill::input::<2>("x", [64, features], &device) * 3.0;
        let (z, log_det) = flow.forward(x.clone());
        assert!((z.clone() - x.clone()).abs().max().into_scalar::<f32>() > 0.1, "the map does nothing");
        assert_close(&flow.inverse(z), &x, 0.0, 1e-4);

        let device = device.autodiff();
        let flow = fill::fill(build(&device));
        let few = Tensor::<2>::from_data(x.narrow(0, 0, 3).into_data(), (&device, DType::F32)).require_grad();
        let columns: Vec<Vec<f64>> = (0..features)
            .map(|feature| {
                let gradients = flow.forward(few.clone()).0.narrow(1, feature, 1).sum().backward();
                few.grad(&gradients).unwrap().into_data().iter::<f64>().collect()
            })
            .collect();
        let expected: Vec<f64> = (0..3)
            .map(|row| {
                let matrix = columns.iter().map(|c| c[row * features..][..features].to_vec()).collect();
                log_abs_det(matrix)
            })
            .collect();
        assert_close(&log_det.narrow(0, 0, 3), &expected, 1e-4, 1e-5);
    }

    /// Gaussian elimination with pivoting.
    fn log_abs_det(mut matrix: Vec<Vec<f64>>) -> f64 {
        let n = matrix.len();
        let mut sum = 0.0;
        for column in 0..n {
            let pivot = (column..n)
                .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))
                .unwrap();
            matrix.swap(column, pivot);
            sum += matrix[column][column].abs().ln();
            for row in column + 1..n {
                let factor = matrix[row][column] / matrix[column][column];
                let pivot = matrix[column].clone();
                matrix[row].iter_mut().zip(pivot).for_each(|(x, p)| *x -= factor * p);
            }
        }
        sum
    }

    #[test]
    fn the_determinant_of_a_known_matrix() {
        let matrix = vec![vec![0.0, 2.0, 1.0], vec![3.0, 1.0, 0.0], vec![1.0, 1.0, 4.0]];
        assert!((log_abs_det(matrix) - 22f64.ln()).abs() < 1e-12);
    }

    /// Without it RealNVP's eight layers begin with a loss in the thousands on data of deviation 3.
    #[test]
    fn affine_flows_start_near_the_identity() {
        let device = Device::flex();
        let x = fill::input::<2>("x", [64, 4], &device) * 3.0;
        let close = |(z, log_det): (Tensor<2>, Tensor<1>)| {
            assert_close(&z, &x, 0.0, 0.5);
            assert_close(&log_det, &log_det.zeros_like(), 0.0, 0.5);
        };
        close(RealNvpConfig::new(4).init(&device).unwrap().forward(x.clone()));
        close(MafConfig::new(4).init(&device).unwrap().forward(x.clone()));
    }

    #[test]
    fn the_noise_has_the_normal_density() {
        let z = Tensor::<2>::from_data([[0.0, 0.0], [1.0, -2.0]], &Device::flex());
        let at_zero = -(std::f64::consts::TAU.ln());
        assert_close(&standard_normal_log_prob(z), &[at_zero, at_zero - 2.5], 1e-6, 0.0);
    }

    #[test]
    fn parts_are_put_back_where_they_were() {
        let x = fill::input::<2>("x", [2, 5], &Device::flex());
        for layer in 0..2 {
            let (read, changed) = split(x.clone(), layer);
            assert_eq!((read.dims()[1], changed.dims()[1]), parts(5, layer));
            assert_close(&join(read, changed, layer), &x, 0.0, 0.0);
        }
    }
}
