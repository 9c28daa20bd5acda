//! LayerNorm and RMSNorm.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::module::layer_norm;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// How features are brought to one scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NormKind {
    /// Mean zero and variance one: J. Ba, J. Kiros, G. Hinton, 2016 (<https://arxiv.org/abs/1607.06450>).
    Layer,
    /// Mean square one, the mean left alone: B. Zhang, R. Sennrich, 2019 (<https://arxiv.org/abs/1910.07467>).
    Rms,
}

/// A normalisation over the last dimension.
///
/// ```text
/// layer   y = γ · (x − mean(x)) / √(var(x) + ε) + β
/// rms     y = γ · x / √(mean(x²) + ε)
/// ```
#[derive(Module, Debug)]
pub struct Norm {
    /// γ.
    pub gamma: Param<Tensor<1>>,
    /// β; none for RMSNorm.
    pub beta: Option<Param<Tensor<1>>>,
    /// ε.
    pub epsilon: f64,
    /// Which of the two.
    #[module(skip)]
    pub kind: NormKind,
}

impl Norm {
    /// γ = 1, β = 0 (no β without `bias`, nor for RMSNorm).
    pub fn new(kind: NormKind, d_model: usize, epsilon: f64, bias: bool, device: &Device) -> Self {
        let beta = (bias && kind == NormKind::Layer).then(|| Initializer::Zeros.init([d_model], device));
        Self { gamma: Initializer::Ones.init([d_model], device), beta, epsilon, kind }
    }

    /// # Shapes
    ///
    /// - x: `[..., d_model]`
    /// - output: the same
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self.kind {
            NormKind::Layer => {
                layer_norm(x, self.gamma.val(), self.beta.as_ref().map(Param::val), self.epsilon)
            }
            NormKind::Rms => {
                let scale = (x.clone().square().mean_dim(D - 1) + self.epsilon).sqrt().recip();
                x * scale * self.gamma.val().unsqueeze()
            }
        }
    }
}
