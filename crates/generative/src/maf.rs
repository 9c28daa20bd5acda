//! # Masked autoregressive flow
//!
//! The chain rule as a flow: each feature is shifted and scaled as a network says that has seen the features before it. All of them in
//! one pass, because the network is a [`Made`]; the Jacobian is triangular.
//!
//! ```text
//! z_d = (x_d − μ_d) · e^{−α_d},   (μ_d, α_d) from x_1 … x_{d−1}        ln |det| = −Σ_d α_d
//! x_d = z_d · e^{α_d} + μ_d       needs x_1 … x_{d−1} first: a pass per feature
//! ```
//!
//! ```text
//! x ──▶ MADE ──▶ (x − μ) e^{−α} ──▶ reverse the order ──▶ MADE ──▶ … ──▶ z
//! ```
//!
//! Reversing the order between layers lets every feature depend on every other. Next to coupling, each feature is conditioned on more,
//! so fewer layers reach the same density, and sampling is slower by the number of features.
//!
//! **What goes wrong**: with few features a layer changes little: of two, the first is only scaled by a constant. And as for all affine
//! flows, gaps between modes are hard; the order of the features matters, and nobody knows the right one.
//!
//! Paper: G. Papamakarios, T. Pavlakou, I. Murray, *Masked autoregressive flow for density estimation*, NeurIPS 2017.
//! <https://arxiv.org/abs/1705.07057>
//!
//! ## Differs from the paper
//!
//! 1. No batch normalisation between layers; α is bounded, see the [flow page](crate::flow).

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;

use crate::flow::{Flow, bounded, check_sizes, start_near_identity};
use crate::made::{Made, MadeConfig};

/// Sizes of a [`Maf`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct MafConfig {
    /// Features of an example, at least 2.
    pub features: usize,
    /// Networks. Default: the paper's 5, and one more so that each end of the order comes first equally often.
    #[config(default = 6)]
    pub layers: usize,
    /// Units of each network's hidden layers, each at least `features − 1`. Default: found on the planar densities.
    #[config(default = "vec![64, 64]")]
    pub hidden: Vec<usize>,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl MafConfig {
    /// Builds the flow on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<Maf, ConfigError> {
        check_sizes(self.features, 2, self.layers, &self.hidden)?;
        let network = |layer: usize| {
            let mut network = MadeConfig::new(self.features)
                .with_hidden(self.hidden.clone())
                .with_outputs(2)
                .with_seed(self.seed.wrapping_mul(1000).wrapping_add(layer as u64))
                .init(device)?;
            start_near_identity(network.layers.last_mut());
            Ok(network)
        };
        Ok(Maf { networks: (0..self.layers).map(network).collect::<Result<_, _>>()? })
    }
}

/// The flow; see the [module page](self).
#[derive(Module, Debug)]
pub struct Maf {
    /// From the features before to μ and α of the next, one a layer.
    pub networks: Vec<Made>,
}

impl Maf {
    /// μ and α of a layer.
    fn mean_and_scale(network: &Made, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let both = network.forward(x); // [B, F, 2]
        let part = |i| both.clone().narrow(2, i, 1).squeeze_dim::<2>(2); // [B, F]
        (part(0), bounded(part(1)))
    }
}

impl Flow for Maf {
    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let mut z = x;
        let mut log_det = z.clone().narrow(1, 0, 1).zeros_like(); // [B, 1]
        for network in &self.networks {
            let (mean, alpha) = Self::mean_and_scale(network, z.clone()); // [B, F] each
            log_det = log_det - alpha.clone().sum_dim(1); // [B, 1]
            z = ((z - mean) * (-alpha).exp()).flip([1]); // [B, F]
        }
        (z, log_det.squeeze_dim(1))
    }

    fn inverse(&self, z: Tensor<2>) -> Tensor<2> {
        self.networks.iter().rev().fold(z, |z, network| {
            let z = z.flip([1]);
            // After pass d the first d features are final, for they depend on those before them only.
            (0..z.dims()[1]).fold(z.zeros_like(), |x, _| {
                let (mean, alpha) = Self::mean_and_scale(network, x);
                z.clone() * alpha.exp() + mean
            })
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
            let config = MafConfig::new(features).with_layers(3).with_hidden(vec![16]);
            is_a_flow(|device| config.init(device).unwrap(), features);
        }
    }

    #[test]
    fn unusable_sizes_are_named() {
        let error = |config: MafConfig| config.init(&Device::flex()).unwrap_err().to_string();
        assert!(error(MafConfig::new(1)).starts_with("features"));
        assert!(error(MafConfig::new(9).with_hidden(vec![7])).starts_with("hidden"));
    }
}
