//! # Planar flow
//!
//! The first flow of the deep-learning kind: every layer pushes space along one direction u, by an amount that depends on the
//! position along another one, w. Its determinant is a scalar product.
//!
//! ```text
//! f(x) = x + û · tanh(t),   t = wᵀx + b          ln |det| = ln |1 + ûᵀw · (1 − tanh² t)|
//! û = u + (m(wᵀu) − wᵀu) · w / ‖w‖²,   m(a) = softplus(a) − 1          so that ûᵀw > −1: invertible
//! ```
//!
//! ```text
//! x ──▶ push 1 ──▶ push 2 ──▶ … ──▶ push L ──▶ z
//! ```
//!
//! The paper says that the inverse has no closed form and goes no further. But the push moves x along û only, so what is
//! unknown is one number: with v = wᵀz + b, t solves `t + ûᵀw tanh t = v`, whose left side rises strictly. Halving the interval
//! v ± |ûᵀw| finds it, and x = z − û tanh t.
//!
//! **What goes wrong**: a layer bends space along one line only, so separating modes takes many layers, and in high dimensions they do
//! next to nothing. For densities the other flows are better; this one shows the idea.
//!
//! Paper: D. Rezende, S. Mohamed, *Variational inference with normalizing flows*, ICML 2015. <https://arxiv.org/abs/1505.05770>
//!
//! ## Differs from the paper
//!
//! 1. The map goes from data to noise, as in all flows here, because densities of data are wanted, not of a variational posterior.
//! 2. It can be inverted, see above.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::activation::softplus;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::init::{Fans, Init};

use crate::flow::{Flow, check_sizes};

/// Halvings of the interval: more than an f32 has digits.
const HALVINGS: usize = 40;

/// Sizes of a [`PlanarFlow`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct PlanarFlowConfig {
    /// Features of an example.
    pub features: usize,
    /// Pushes. Default: the longest flow of the paper's figure 3.
    #[config(default = 32)]
    pub layers: usize,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl PlanarFlowConfig {
    /// Builds the flow on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming a size of 0.
    pub fn init(&self, device: &Device) -> Result<PlanarFlow, ConfigError> {
        check_sizes(self.features, 1, self.layers, &[])?;
        let shape = [self.layers, self.features];
        let directions = |seed| {
            let fans = Fans::linear([self.features, 1]);
            Param::from_tensor(Init::LecunUniform.tensor(shape, fans, seed, device))
        };
        Ok(PlanarFlow {
            u: directions(self.seed.wrapping_mul(2)),
            w: directions(self.seed.wrapping_mul(2).wrapping_add(1)),
            b: Param::from_tensor(Tensor::zeros([self.layers], device)),
        })
    }
}

/// The flow; see the [module page](self).
#[derive(Module, Debug)]
pub struct PlanarFlow {
    /// Where each layer pushes, before it is made invertible, `[layers, features]`.
    pub u: Param<Tensor<2>>,
    /// Along which direction the push varies, `[layers, features]`.
    pub w: Param<Tensor<2>>,
    /// Where along it, `[layers]`.
    pub b: Param<Tensor<1>>,
}

/// One push.
struct Layer {
    /// û, `[1, features]`
    u: Tensor<2>,
    /// `[features, 1]`
    w: Tensor<2>,
    /// `[1, 1]`
    b: Tensor<2>,
    /// ûᵀw, `[1, 1]`
    product: Tensor<2>,
}

impl PlanarFlow {
    fn layers(&self) -> Vec<Layer> {
        let layers = self.b.dims()[0];
        let layer = |i| {
            let u = self.u.val().narrow(0, i, 1); // [1, F]
            let w = self.w.val().narrow(0, i, 1); // [1, F]
            let b = self.b.val().narrow(0, i, 1).unsqueeze_dim(1); // [1, 1]
            let product = (w.clone() * u.clone()).sum_dim(1); // [1, 1]
            let allowed = softplus(product.clone(), 1.0) - 1.0; // [1, 1]
            let square = w.clone().square().sum_dim(1).clamp_min(1e-12); // [1, 1]
            let u = u + (allowed.clone() - product) * w.clone() / square; // [1, F]
            Layer { u, w: w.transpose(), b, product: allowed }
        };
        (0..layers).map(layer).collect()
    }
}

impl Flow for PlanarFlow {
    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let mut z = x;
        let mut log_det = z.clone().narrow(1, 0, 1).zeros_like(); // [B, 1]
        for layer in self.layers() {
            let push = (z.clone().matmul(layer.w) + layer.b).tanh(); // [B, 1]
            let slope = -push.clone().square() + 1.0; // [B, 1]
            log_det = log_det + (slope * layer.product + 1.0).log(); // [B, 1]
            z = z + push * layer.u; // [B, F]
        }
        (z, log_det.squeeze_dim(1))
    }

    fn inverse(&self, z: Tensor<2>) -> Tensor<2> {
        self.layers().into_iter().rev().fold(z, |z, layer| {
            let v = z.clone().matmul(layer.w) + layer.b; // [B, 1]
            let reach = layer.product.clone().abs(); // [1, 1]
            let (mut low, mut high) = (v.clone() - reach.clone(), v.clone() + reach);
            for _ in 0..HALVINGS {
                let middle = (low.clone() + high.clone()) * 0.5; // [B, 1]
                let beyond = middle.clone() + middle.clone().tanh() * layer.product.clone();
                let beyond = beyond.greater(v.clone()); // [B, 1]
                high = high.mask_where(beyond.clone(), middle.clone());
                low = low.mask_where(beyond.bool_not(), middle);
            }
            z - ((low + high) * 0.5).tanh() * layer.u // [B, F]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::tests::is_a_flow;

    #[test]
    fn it_is_a_flow() {
        for features in [2, 5] {
            is_a_flow(
                |device| PlanarFlowConfig::new(features).with_layers(8).init(device).unwrap(),
                features,
            );
        }
    }

    #[test]
    fn a_push_against_itself_stays_invertible() {
        // wᵀu = −50 would fold space; made invertible it is m(−50) = −1 + e⁻⁵⁰.
        let device = Device::flex();
        let flow = PlanarFlow {
            u: Param::from_tensor(Tensor::from_data([[-50.0, 0.0]], &device)),
            w: Param::from_tensor(Tensor::from_data([[1.0, 0.0]], &device)),
            b: Param::from_tensor(Tensor::from_data([0.0], &device)),
        };
        let x = Tensor::<2>::from_data([[2.0, 1.0], [-1.5, 0.0]], &device);
        let z = flow.forward(x.clone()).0;
        fornax_nn_core::check::assert_close(&flow.inverse(z), &x, 0.0, 1e-4);
    }

    #[test]
    fn unusable_sizes_are_named() {
        let error = PlanarFlowConfig::new(0).init(&Device::flex()).unwrap_err();
        assert!(error.to_string().starts_with("features"), "{error}");
        let error = PlanarFlowConfig::new(2).with_layers(0).init(&Device::flex()).unwrap_err();
        assert!(error.to_string().starts_with("layers"), "{error}");
    }
}
