//! Mixup: training on weighted averages of pairs of examples.
//!
//! ```text
//! x̃ = λ·x + (1 − λ)·x′        ỹ = λ·y + (1 − λ)·y′        λ ~ Beta(α, α)
//! ```
//!
//! with x′ another example of the batch. The network is asked to be linear between examples, which
//! leaves it little room to be certain far from any. Cross-entropy is linear in its target, so its
//! gradient at the mixed example is λ times the one for y plus 1 − λ times that for y′: it suffices to mix
//! the targets. A small α gives λ near 0 or 1 (hardly mixed), α = 1 any mixture alike.
//!
//! Paper: H. Zhang et al., *mixup: Beyond empirical risk minimization*, ICLR 2018.
//! <https://arxiv.org/abs/1710.09412>

use burn::config::Config;
use burn::tensor::{Int, Tensor, TensorData};

use crate::ConfigError;
use crate::init::Draw;

/// Setting of [`Mixup`].
#[derive(Config, Debug, PartialEq)]
pub struct MixupConfig {
    /// Parameter α of the Beta distribution, positive. Default: Zhang et al.'s for ImageNet.
    #[config(default = 0.2)]
    pub alpha: f64,
}

impl MixupConfig {
    /// Checks α.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `alpha` when it is not positive and finite.
    pub fn init(&self) -> Result<Mixup, ConfigError> {
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            let reason = format!("must be positive and finite, got {}", self.alpha);
            return Err(ConfigError::new("alpha", reason));
        }
        Ok(Mixup { alpha: self.alpha })
    }
}

/// Draws mixtures; see the [page](self).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixup {
    alpha: f64,
}

impl Mixup {
    /// The mixture for one batch, which follows from `seed`: give every step its own.
    pub fn draw(&self, batch: usize, seed: u64) -> Mix {
        let mut draw = Draw::new(seed, 0);
        let lambda = draw.symmetric_beta(self.alpha);
        Mix { lambda, partners: draw.permutation(batch) }
    }
}

/// Who is mixed with whom, and how much.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use fornax_nn_core::regularization::Mix;
///
/// let mix = Mix { lambda: 0.75, partners: vec![1, 0] };
/// let x = Tensor::<2>::from_data([[0.0], [4.0]], &Device::flex());
/// assert_eq!(mix.apply(x).into_data().to_vec::<f32>().unwrap(), [1.0, 3.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// The share of an example itself.
    pub lambda: f64,
    /// For each example the index of its partner.
    pub partners: Vec<usize>,
}

impl Mix {
    /// λ·x + (1 − λ)·x\[partners\]: for the inputs, and for targets as distributions.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, ...]`
    ///
    /// # Panics
    ///
    /// When the batch is not as long as the list of partners.
    pub fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (batch, count) = (x.dims()[0], self.partners.len());
        assert!(batch == count, "a mixture of {count} examples was given a batch of {batch}");
        let indices: Vec<i64> = self.partners.iter().map(|i| *i as i64).collect();
        let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [count]), &x.device());
        x.clone() * self.lambda + x.select(0, indices) * (1.0 - self.lambda)
    }
}
