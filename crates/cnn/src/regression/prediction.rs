//! What a regressor says, and what several say together.

use burn::tensor::Tensor;

/// A normal distribution for each quantity, independent of each other.
#[derive(Debug, Clone)]
pub struct Gaussian {
    /// μ: `[batch, outputs]`
    pub mean: Tensor<2>,
    /// ln σ²: `[batch, outputs]`
    pub log_var: Tensor<2>,
}

/// The mixture of several predictions in two moments.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// μ: `[batch, outputs]`
    pub mean: Tensor<2>,
    /// The mean of the variances, what the data leave open: `[batch, outputs]`
    pub aleatoric: Tensor<2>,
    /// The variance of the means, what the networks disagree on: `[batch, outputs]`
    pub epistemic: Tensor<2>,
}

impl Prediction {
    /// The moments of a mixture of equal weights, by the law of total variance.
    ///
    /// # Panics
    ///
    /// When there are no predictions, or their shapes differ.
    pub fn mixture(parts: &[Gaussian]) -> Self {
        assert!(!parts.is_empty(), "no predictions, expected one at least");
        let means: Tensor<3> = Tensor::stack(parts.iter().map(|part| part.mean.clone()).collect(), 0); // [M, B, D]
        let variances: Tensor<3> =
            Tensor::stack(parts.iter().map(|part| part.log_var.clone().exp()).collect(), 0);
        let mean = means.clone().mean_dim(0); // [1, B, D]
        let epistemic = (means - mean.clone()).square().mean_dim(0).squeeze_dim(0);
        Self { mean: mean.squeeze_dim(0), aleatoric: variances.mean_dim(0).squeeze_dim(0), epistemic }
    }

    /// σ², aleatoric and epistemic together: `[batch, outputs]`
    pub fn variance(&self) -> Tensor<2> {
        self.aleatoric.clone() + self.epistemic.clone()
    }
}
