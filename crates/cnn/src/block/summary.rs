//! From the coarsest map to one vector.
//!
//! ```text
//! map [C, H, W] ──mean over a grid of cells──▶ [C, rows, columns] ──flatten, W·x + b, ReLU, dropout──▶ [hidden]
//! ```
//!
//! What every head that answers with a few numbers needs first. One cell tells *what* is in the image; a grid also
//! *where*, which is what a number such as a position or a steering angle is made of.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::activation::relu;
use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};

use super::{Init, linear};
use crate::Backbone;

/// What a [`Summary`] is built from.
#[derive(Config, Debug, PartialEq)]
pub struct SummaryConfig {
    /// Rows and columns the map is averaged to. Default: one cell, as in the classifiers since ResNet.
    #[config(default = "[1, 1]")]
    pub grid: [usize; 2],
    /// Units of the hidden layer. Default: 64, which was enough for the small images of the examples.
    #[config(default = 64)]
    pub hidden: usize,
    /// Probability of dropping a hidden unit, in [0, 1). Default: none.
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl SummaryConfig {
    /// The layer for the coarsest map of `backbone`, with PyTorch's default initialisation.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `grid`, `hidden` or `dropout`.
    pub fn init<B: Backbone>(&self, backbone: &B, device: &Device) -> Result<Summary, ConfigError> {
        at_least_one(&[("grid", self.grid[0].min(self.grid[1])), ("hidden", self.hidden)])?;
        below_one("dropout", self.dropout)?;
        let channels = backbone.stages().last().map_or(0, |stage| stage.channels);
        let inputs = channels * self.grid[0] * self.grid[1];
        Ok(Summary {
            fc: linear([inputs, self.hidden], Init::Default, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            grid: self.grid,
        })
    }
}

/// A map in one vector; see the [page](self).
#[derive(Module, Debug)]
pub struct Summary {
    /// W and b.
    pub fc: Linear,
    /// Active only while training, or where a mask is given.
    pub dropout: Dropout,
    /// Rows and columns of cells.
    pub grid: [usize; 2],
}

impl Summary {
    /// The vector, without dropout.
    ///
    /// # Shapes
    ///
    /// - map: `[batch, channels, height, width]`
    /// - output: `[batch, hidden]`
    pub fn hidden(&self, map: Tensor<4>) -> Tensor<2> {
        let cells = adaptive_avg_pool2d(map, self.grid); // [B, C, rows, columns]
        relu(self.fc.forward(cells.flatten(1, 3)))
    }

    /// The vector; while training, with dropout.
    ///
    /// # Shapes
    ///
    /// - map: `[batch, channels, height, width]`
    /// - output: `[batch, hidden]`
    pub fn forward(&self, map: Tensor<4>) -> Tensor<2> {
        self.dropout.forward(self.hidden(map))
    }

    /// Units of the vector.
    pub fn units(&self) -> usize {
        self.fc.weight.lazy_shape()[1]
    }
}

/// The coarsest map.
pub(crate) fn coarsest_map<B: Backbone>(backbone: &B, images: Tensor<4>) -> Tensor<4> {
    match backbone.forward_features(images).pop() {
        Some(map) => map,
        None => unreachable!("a backbone has at least one map"),
    }
}
