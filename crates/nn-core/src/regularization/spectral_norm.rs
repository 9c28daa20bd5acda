//! Spectral normalisation: a weight divided by its largest singular value.
//!
//! ```text
//! W̄ = W/σ,    σ = max ‖W·x‖/‖x‖ = uᵀ·W·v       u, v: the first singular vectors
//! v ← Wᵀu/‖Wᵀu‖      u ← W·v/‖W·v‖              power iteration, one round a step
//! ∂L/∂W = (G − ⟨G, W̄⟩·u·vᵀ)/σ                   with G = ∂L/∂W̄
//! ```
//!
//! A layer with σ = 1 stretches nothing, so a network of such layers and 1-Lipschitz activations is
//! 1-Lipschitz: what a Wasserstein critic must be. The second term of the gradient takes out the part
//! that would only make W̄ longer. Since W moves little in a step, one round of power iteration from the
//! last u keeps σ accurate.
//!
//! Paper: T. Miyato et al., *Spectral normalization for generative adversarial networks*, ICLR 2018.
//! <https://arxiv.org/abs/1802.05957>
//!
//! It is a Burn reparameterisation: the module's own code stays as it is, the stored weight is W, what
//! `weight.val()` gives is W̄, and u is saved with the model. [`power_iteration`] is called after each
//! step; nothing changes during a forward pass, so evaluation is deterministic.
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::tensor::Device;
//! use fornax_nn_core::regularization::{spectral_norm, weights};
//!
//! let layer = LinearConfig::new(8, 8).init(&Device::flex());
//! let layer = spectral_norm::spectral_norm(layer, weights(), 1);
//! let layer = spectral_norm::power_iteration(layer, 50);
//! // Now no input of length 1 leaves longer than 1: ‖W̄‖ of the Frobenius norm lies in [1, √8].
//! let norm = layer.weight.val().square().sum().sqrt().into_scalar::<f32>();
//! assert!((1.0..=8f32.sqrt()).contains(&norm));
//! ```

use burn::module::{Module, ModuleMapper, Param, ParamGroup, Reparameterization, Reparameterizer};
use burn::tensor::{Tensor, TensorData};

use super::max_norm::replace;
use crate::init::Draw;

/// Rounds of power iteration when the norm is attached: PyTorch's default.
const FIRST_ROUNDS: usize = 15;

/// Attaches spectral normalisation to the weights of `group` that have at least two dimensions; the
/// first u is drawn from `seed`.
pub fn spectral_norm<M: Module>(model: M, group: ParamGroup, seed: u64) -> M {
    let attach = Attach { group, draw: Draw::new(seed, 0) };
    power_iteration(model.apply_reparameterization(attach), FIRST_ROUNDS)
}

/// `rounds` of power iteration on every attached norm: one after each optimiser step keeps up.
pub fn power_iteration<M: Module>(model: M, rounds: usize) -> M {
    model.map(&mut Iterate { rounds, matrix: None, inside: false })
}

/// What is stored beside a normalised weight.
#[derive(Module, Debug)]
pub struct SpectralNorm {
    /// The left singular vector as far as known, `[rows]`; not learned.
    pub u: Param<Tensor<1>>,
}

impl Reparameterization for SpectralNorm {
    const NAME: &'static str = "spectral_norm";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let matrix = matrix(base.clone());
        let u: Tensor<2> = self.u.val().detach().unsqueeze_dim(1); // [R, 1]
        let v = unit(matrix.clone().detach().transpose().matmul(u.clone())); // [C, 1]
        let sigma = (u * matrix.matmul(v)).sum(); // [1]
        base / sigma.reshape([1; D])
    }
}

/// A weight as rows × columns: its first dimension by the rest, as in PyTorch.
fn matrix<const D: usize>(weight: Tensor<D>) -> Tensor<2> {
    let dims = weight.dims();
    weight.reshape([dims[0], dims[1..].iter().product()])
}

/// A column of length one; a zero column stays zero.
fn unit(x: Tensor<2>) -> Tensor<2> {
    let length = x.clone().square().sum().clamp_min(1e-24).sqrt();
    x / length.unsqueeze_dim(1)
}

struct Attach {
    group: ParamGroup,
    draw: Draw,
}

impl Reparameterizer for Attach {
    type Reparam = SpectralNorm;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<SpectralNorm>) {
        if D < 2 || !self.group.matches(&param.id, Some(path)) {
            return (param, None);
        }
        let value = param.val();
        let rows = value.dims()[0];
        let start: Vec<f64> = (0..rows).map(|_| self.draw.normal()).collect();
        let options = (&value.device(), value.dtype());
        let start = Tensor::<2>::from_data(TensorData::new(start, [rows, 1]), options);
        let u = Param::from_tensor(unit(start).squeeze_dim(1)).set_require_grad(false);
        (param, Some(SpectralNorm { u }))
    }
}

struct Iterate {
    rounds: usize,
    /// The weight visited last: the one a norm entered next belongs to.
    matrix: Option<Tensor<2>>,
    inside: bool,
}

impl ModuleMapper for Iterate {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == "Reparameterization" && name == SpectralNorm::NAME {
            self.inside = true;
        }
    }

    fn exit_module(&mut self, name: &str, container_type: &str) {
        if container_type == "Reparameterization" && name == SpectralNorm::NAME {
            self.inside = false;
        }
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match (self.inside, self.matrix.take()) {
            (true, Some(matrix)) => replace(param, |u| {
                let shape = u.dims();
                let start = u.reshape([matrix.dims()[0], 1]);
                let end = (0..self.rounds).fold(start, |u, _| {
                    let v = unit(matrix.clone().transpose().matmul(u)); // [C, 1]
                    unit(matrix.clone().matmul(v)) // [R, 1]
                });
                end.reshape(shape)
            }),
            _ => {
                if D >= 2 {
                    self.matrix = Some(matrix(param.val()).detach());
                }
                param
            }
        }
    }
}
