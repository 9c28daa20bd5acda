//! How the four networks are built.

use std::f64::consts::SQRT_2;

/// The activation of all hidden layers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hidden {
    Sigmoid,
    Tanh,
    Relu,
}

/// How a network is built: `gain`²/n is the variance of its initial weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) hidden: Hidden,
    pub(crate) gain: f64,
    /// Each layer adds to what came in instead of replacing it.
    pub(crate) residual: bool,
    /// Longest gradient let through.
    pub(crate) clip: Option<f64>,
}

pub(crate) const RECIPES: [Recipe; 4] = [
    Recipe { name: "sigmoid", hidden: Hidden::Sigmoid, gain: 1.0, residual: false, clip: None },
    // He's gain for ReLU is √2; a quarter more, to the power of 20, is a factor of 86.
    Recipe { name: "exploding", hidden: Hidden::Relu, gain: 1.25 * SQRT_2, residual: false, clip: None },
    // Two remedies: an activation that does not saturate with weights to match, or a way past each layer.
    Recipe { name: "relu_he", hidden: Hidden::Relu, gain: SQRT_2, residual: false, clip: Some(1.0) },
    Recipe { name: "residual", hidden: Hidden::Tanh, gain: 1.0, residual: true, clip: Some(1.0) },
];
