//! # RealNVP
//!
//! Affine coupling: half of the features pass unchanged, and tell a network how to scale and shift the other half. The network may be
//! anything, for it is never inverted; the Jacobian is triangular, so its determinant is the product of the scales.
//!
//! ```text
//! z_a = x_a                        ln |det| = Σ s(x_a)
//! z_b = x_b · e^{s(x_a)} + t(x_a)          x_b = (z_b − t(z_a)) · e^{−s(z_a)}
//! ```
//!
//! ```text
//!        ┌─ x_a ────────────┬──────────────▶ z_a ─┐
//!  x ────┤              network                   ├──▶ the next layer, with the halves swapped
//!        └─ x_b ─────── · e^s + t ─────────▶ z_b ─┘
//! ```
//!
//! **What goes wrong**: `e^s` explodes when training tries to put infinite density on a point or an edge; s is bounded here (see the
//! [flow page](crate::flow)). An affine map of a feature keeps its shape: gaps between modes have to be made by many layers working
//! together, where one spline ([`spline`](crate::spline)) makes them directly.
//!
//! Paper: L. Dinh, J. Sohl-Dickstein, S. Bengio, *Density estimation using Real NVP*, ICLR 2017. <https://arxiv.org/abs/1605.08803>
//!
//! ## Differs from the paper
//!
//! 1. Vectors, not images: no checkerboard masks, squeezing or multiple scales, no batch normalisation between layers.
//! 2. s = 2 tanh(raw/2) without the learned factor, and one network makes s and t.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::feed_forward::{FeedForward, FeedForwardConfig};

use crate::flow::{Flow, bounded, check_sizes, join, parts, split, start_near_identity};

/// Sizes of a [`RealNvp`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct RealNvpConfig {
    /// Features of an example, at least 2.
    pub features: usize,
    /// Coupling layers. Default: each half changed four times, found on the planar densities.
    #[config(default = 8)]
    pub layers: usize,
    /// Units of each network's hidden layers. Default: found on the planar densities.
    #[config(default = "vec![64, 64]")]
    pub hidden: Vec<usize>,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl RealNvpConfig {
    /// Builds the flow on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming a size of 0, or fewer than two features.
    pub fn init(&self, device: &Device) -> Result<RealNvp, ConfigError> {
        check_sizes(self.features, 2, self.layers, &self.hidden)?;
        let network = |layer: usize| {
            let (read, changed) = parts(self.features, layer);
            let mut network = FeedForwardConfig::new(read, self.hidden.clone(), 2 * changed)
                .with_seed(self.seed.wrapping_mul(1000).wrapping_add(layer as u64))
                .init(device)?;
            start_near_identity(network.layers.last_mut().map(|last| &mut last.linear));
            Ok(network)
        };
        Ok(RealNvp { networks: (0..self.layers).map(network).collect::<Result<_, _>>()? })
    }
}

/// The flow; see the [module page](self).
#[derive(Module, Debug)]
pub struct RealNvp {
    /// From the half that is read to s and t of the other, one a layer.
    pub networks: Vec<FeedForward>,
}

impl RealNvp {
    /// s and t of a layer.
    fn scale_and_shift(network: &FeedForward, read: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let both = network.forward(read); // [B, 2·changed]
        let changed = both.dims()[1] / 2;
        (bounded(both.clone().narrow(1, 0, changed)), both.narrow(1, changed, changed))
    }
}

impl Flow for RealNvp {
    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let mut z = x;
        let mut log_det = z.clone().narrow(1, 0, 1).zeros_like(); // [B, 1]
        for (layer, network) in self.networks.iter().enumerate() {
            let (read, changed) = split(z, layer);
            let (s, t) = Self::scale_and_shift(network, read.clone()); // [B, changed] each
            log_det = log_det + s.clone().sum_dim(1); // [B, 1]
            z = join(read, changed * s.exp() + t, layer); // [B, F]
        }
        (z, log_det.squeeze_dim(1))
    }

    fn inverse(&self, z: Tensor<2>) -> Tensor<2> {
        self.networks.iter().enumerate().rev().fold(z, |z, (layer, network)| {
            let (read, changed) = split(z, layer);
            let (s, t) = Self::scale_and_shift(network, read.clone());
            join(read, (changed - t) * (-s).exp(), layer)
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
            let config = RealNvpConfig::new(features).with_layers(4).with_hidden(vec![16]);
            is_a_flow(|device| config.init(device).unwrap(), features);
        }
    }

    #[test]
    fn unusable_sizes_are_named() {
        let error = |config: RealNvpConfig| config.init(&Device::flex()).unwrap_err().to_string();
        assert!(error(RealNvpConfig::new(1)).starts_with("features"));
        assert!(error(RealNvpConfig::new(2).with_layers(0)).starts_with("layers"));
        assert!(error(RealNvpConfig::new(2).with_hidden(vec![8, 0])).starts_with("hidden"));
    }
}
