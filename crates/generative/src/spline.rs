//! # Neural spline flow
//!
//! Coupling as in [`real_nvp`](crate::real_nvp), but each changed feature goes through a monotone curve of its own instead of a straight line: a
//! rational-quadratic spline whose knots a network reads from the other half. One layer can cut a mode in two.
//!
//! ```text
//! on [−B, B]: K bins of widths w_k and heights h_k (softmax, so they fill the interval), slopes d_k ≥ 0 at the inner knots
//! s_k = h_k / w_k,   ξ = (x − x_k) / w_k
//!
//! y = y_k + h_k · (s_k ξ² + d_k ξ(1−ξ)) / (s_k + (d_{k+1} + d_k − 2 s_k) ξ(1−ξ))
//! y′ = s_k² · (d_{k+1} ξ² + 2 s_k ξ(1−ξ) + d_k (1−ξ)²) / (s_k + (d_{k+1} + d_k − 2 s_k) ξ(1−ξ))²
//!
//! outside [−B, B]: y = x, and the slopes at ±B are 1, so the curve is smooth there
//! inverse: a quadratic equation in ξ, solved in the form that does not cancel
//! ```
//!
//! ```text
//!        ┌─ x_a ───────────────┬─────────────────▶ z_a ─┐
//!  x ────┤          network ▶ w, h, d                   ├──▶ the next layer, with the halves swapped
//!        └─ x_b ───── spline(x_b; w, h, d) ──────▶ z_b ─┘
//! ```
//!
//! **What goes wrong**: a bin or a slope of 0 has no inverse, so each is at least 10⁻³ of the interval; data beyond ±B is only moved by
//! identity: scale it, or choose B, such that little lies there.
//!
//! Paper: C. Durkan, A. Bekasov, I. Murray, G. Papamakarios, *Neural spline flows*, NeurIPS 2019. <https://arxiv.org/abs/1906.04032>
//!
//! ## Differs from the paper
//!
//! 1. A plain feed-forward network in place of a residual one.
//! 2. Halves are swapped instead of shuffled by a learned linear layer.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::{softmax, softplus};
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::positive;
use fornax_nn_core::feed_forward::{FeedForward, FeedForwardConfig};

use crate::flow::{Flow, check_sizes, join, parts, split};

/// The least width and height of a bin, as a share of the interval, and the least slope: the paper's code.
const LEAST: f64 = 1e-3;

/// Sizes of a [`SplineFlow`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct SplineFlowConfig {
    /// Features of an example, at least 2.
    pub features: usize,
    /// Coupling layers. Default: each half bent twice, enough for the planar densities.
    #[config(default = 4)]
    pub layers: usize,
    /// K, from 2 to 500. Default: twice the paper's 8, for densities with many gaps on few features.
    #[config(default = 16)]
    pub bins: usize,
    /// B. Default: the paper's 3.
    #[config(default = 3.0)]
    pub bound: f64,
    /// Units of each network's hidden layers. Default: found on the planar densities.
    #[config(default = "vec![64, 64]")]
    pub hidden: Vec<usize>,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl SplineFlowConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_sizes(self.features, 2, self.layers, &self.hidden)?;
        if !(2..=500).contains(&self.bins) {
            return Err(ConfigError::new("bins", format!("must lie in [2, 500], got {}", self.bins)));
        }
        positive("bound", self.bound)
    }

    /// Builds the flow on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<SplineFlow, ConfigError> {
        self.validate()?;
        let network = |layer: usize| {
            let (read, changed) = parts(self.features, layer);
            FeedForwardConfig::new(read, self.hidden.clone(), (3 * self.bins - 1) * changed)
                .with_seed(self.seed.wrapping_mul(1000).wrapping_add(layer as u64))
                .init(device)
        };
        Ok(SplineFlow {
            networks: (0..self.layers).map(network).collect::<Result<_, _>>()?,
            bins: self.bins,
            bound: self.bound,
        })
    }
}

/// The flow; see the [module page](self).
#[derive(Module, Debug)]
pub struct SplineFlow {
    /// From the half that is read to the splines of the other, one a layer.
    pub networks: Vec<FeedForward>,
    /// K.
    #[module(skip)]
    pub bins: usize,
    /// B.
    #[module(skip)]
    pub bound: f64,
}

/// Curves, one for every element of `[batch, changed]`.
struct Spline {
    /// Left ends, right end included, `[batch, changed, bins + 1]`
    x: Tensor<3>,
    /// The same of the values.
    y: Tensor<3>,
    /// Slopes at the knots, `[batch, changed, bins + 1]`
    slope: Tensor<3>,
    bound: f64,
}

/// The bin an element fell into; each `[batch, changed]`.
struct Bin {
    x: Tensor<2>,
    y: Tensor<2>,
    width: Tensor<2>,
    height: Tensor<2>,
    left: Tensor<2>,
    right: Tensor<2>,
}

impl Spline {
    /// From what the network said, `[batch, changed · (3 bins − 1)]`.
    fn new(raw: Tensor<2>, bins: usize, bound: f64) -> Self {
        let [batch, numbers] = raw.dims();
        let changed = numbers / (3 * bins - 1);
        let raw = raw.reshape([batch, changed, 3 * bins - 1]);
        let knots = |raw: Tensor<3>| {
            let share = softmax(raw, 2) * (1.0 - LEAST * bins as f64) + LEAST; // [B, changed, K]
            let ends = share.cumsum(2); // [B, changed, K]
            let zero = ends.clone().narrow(2, 0, 1).zeros_like();
            Tensor::cat(vec![zero, ends], 2) * (2.0 * bound) - bound // [B, changed, K + 1]
        };
        // Shifted so that a network that says 0 means slope 1.
        let shift = (1.0 - LEAST).exp_m1().ln();
        let inner = softplus(raw.clone().narrow(2, 2 * bins, bins - 1) + shift, 1.0) + LEAST;
        let one = inner.clone().narrow(2, 0, 1).ones_like();
        Self {
            x: knots(raw.clone().narrow(2, 0, bins)),
            y: knots(raw.narrow(2, bins, bins)),
            slope: Tensor::cat(vec![one.clone(), inner, one], 2),
            bound,
        }
    }

    /// Where `value` lies among `knots`.
    fn bin(&self, value: &Tensor<2>, knots: &Tensor<3>) -> Bin {
        let [batch, changed, ends] = knots.dims();
        let wide = value.clone().unsqueeze_dim::<3>(2).expand([batch, changed, ends]);
        let passed = wide.greater_equal(knots.clone()).int().sum_dim(2); // [B, changed, 1]
        let index: Tensor<3, Int> = (passed - 1).clamp(0, ends as i64 - 2);
        let at = |t: &Tensor<3>, index: Tensor<3, Int>| t.clone().gather(2, index).squeeze_dim::<2>(2);
        let next = index.clone() + 1;
        let (x, y) = (at(&self.x, index.clone()), at(&self.y, index.clone()));
        Bin {
            width: at(&self.x, next.clone()) - x.clone(),
            height: at(&self.y, next.clone()) - y.clone(),
            left: at(&self.slope, index),
            right: at(&self.slope, next),
            x,
            y,
        }
    }

    /// `value` where it lies outside the interval, `bent` inside.
    fn inside(&self, value: &Tensor<2>, bent: Tensor<2>, outside: Tensor<2>) -> Tensor<2> {
        bent.mask_where(value.clone().abs().greater_equal_scalar(self.bound), outside)
    }

    /// y and ln y′.
    fn forward(&self, value: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let clamped = value.clone().clamp(-self.bound, self.bound); // [B, changed]
        let Bin { x, y, width, height, left, right } = self.bin(&clamped, &self.x);
        let s = height.clone() / width.clone();
        let xi = ((clamped - x) / width).clamp(0.0, 1.0);
        let both = xi.clone() * (-xi.clone() + 1.0); // ξ(1 − ξ)
        let low = s.clone() + (right.clone() + left.clone() - s.clone() * 2.0) * both.clone();
        let high = s.clone() * xi.clone().square() + left.clone() * both.clone();
        let curved = y + height * high / low.clone();
        let rise = right * xi.clone().square() + s.clone() * both * 2.0 + left * (-xi + 1.0).square();
        let log_slope = s.log() * 2.0 + rise.log() - low.log() * 2.0;
        let flat = log_slope.zeros_like();
        (self.inside(&value, curved, value.clone()), self.inside(&value, log_slope, flat))
    }

    /// x.
    fn inverse(&self, value: Tensor<2>) -> Tensor<2> {
        let clamped = value.clone().clamp(-self.bound, self.bound);
        let Bin { x, y, width, height, left, right } = self.bin(&clamped, &self.y);
        let s = height.clone() / width.clone();
        let up = clamped - y; // y − y_k
        let bend = up.clone() * (right + left.clone() - s.clone() * 2.0);
        let a = height.clone() * (s.clone() - left.clone()) + bend.clone();
        let b = height * left - bend;
        let c = -s * up;
        let root = (b.clone().square() - a * c.clone() * 4.0).clamp_min(0.0).sqrt();
        let xi = c * 2.0 / (-b - root).clamp_max(-1e-12);
        self.inside(&value, xi.clamp(0.0, 1.0) * width + x, value.clone())
    }
}

impl Flow for SplineFlow {
    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let mut z = x;
        let mut log_det = z.clone().narrow(1, 0, 1).zeros_like(); // [B, 1]
        for (layer, network) in self.networks.iter().enumerate() {
            let (read, changed) = split(z, layer);
            let spline = Spline::new(network.forward(read.clone()), self.bins, self.bound);
            let (bent, log_slope) = spline.forward(changed); // [B, changed] each
            log_det = log_det + log_slope.sum_dim(1); // [B, 1]
            z = join(read, bent, layer); // [B, F]
        }
        (z, log_det.squeeze_dim(1))
    }

    fn inverse(&self, z: Tensor<2>) -> Tensor<2> {
        self.networks.iter().enumerate().rev().fold(z, |z, (layer, network)| {
            let (read, changed) = split(z, layer);
            let spline = Spline::new(network.forward(read.clone()), self.bins, self.bound);
            join(read, spline.inverse(changed), layer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::tests::is_a_flow;
    use fornax_nn_core::check::{assert_close, fill};

    #[test]
    fn it_is_a_flow() {
        for features in [2, 5] {
            // Inputs reach ±3: some of them lie outside the interval.
            let config = SplineFlowConfig::new(features).with_hidden(vec![16]).with_bins(6).with_bound(2.5);
            is_a_flow(|device| config.init(device).unwrap(), features);
        }
    }

    #[test]
    fn a_network_that_says_nothing_changes_nothing() {
        let device = Device::flex();
        let spline = Spline::new(Tensor::zeros([1, 2 * 11], &device), 4, 2.0);
        let x = Tensor::<2>::from_data([[-1.3, 0.4]], &device);
        let (y, log_slope) = spline.forward(x.clone());
        assert_close(&y, &x, 0.0, 1e-6);
        assert_close(&log_slope, &[0.0, 0.0], 0.0, 1e-6);
    }

    #[test]
    fn the_curve_rises_and_its_slope_is_its_derivative() {
        let device = Device::flex();
        let n = 4001;
        let raw = fill::input::<2>("raw", [1, 3 * 5 - 1], &device) * 3.0;
        let spline = Spline::new(raw.repeat_dim(0, n), 5, 2.0);
        let step = 5.0 / (n - 1) as f64;
        let x: Vec<f64> = (0..n).map(|i| -2.5 + i as f64 * step).collect();
        let x = Tensor::<2>::from_data(burn::tensor::TensorData::new(x, [n, 1]), &device);
        let (y, log_slope) = spline.forward(x);
        let y: Vec<f64> = y.into_data().iter::<f64>().collect();
        assert!(y.is_sorted_by(|a, b| a < b));
        // ∫ y′ dx by the trapezoidal rule is the rise of y.
        let slope: Vec<f64> = log_slope.exp().into_data().iter::<f64>().collect();
        let area: f64 = slope.windows(2).map(|pair| 0.5 * step * (pair[0] + pair[1])).sum();
        assert!((area - (y[n - 1] - y[0])).abs() < 2e-3, "{area}, {}", y[n - 1] - y[0]);
        assert!(slope.iter().any(|&slope| !(0.5..2.0).contains(&slope)));
    }

    #[test]
    fn unusable_sizes_are_named() {
        let error = |config: SplineFlowConfig| config.init(&Device::flex()).unwrap_err().to_string();
        assert!(error(SplineFlowConfig::new(1)).starts_with("features"));
        assert!(error(SplineFlowConfig::new(2).with_bins(1)).starts_with("bins"));
        assert!(error(SplineFlowConfig::new(2).with_bound(f64::NAN)).starts_with("bound"));
    }
}
