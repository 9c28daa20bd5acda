//! Weight normalisation: length and direction of each unit's weights learned apart.
//!
//! ```text
//! w = g·v/‖v‖                        g: a number for each unit, v: its weights
//! ∂L/∂g = ⟨∂L/∂w, v⟩/‖v‖
//! ∂L/∂v = g/‖v‖·(∂L/∂w − ∂L/∂g·v/‖v‖)        always at right angles to v
//! ```
//!
//! A step along ∂L/∂v can therefore only lengthen v, which lowers g/‖v‖ and with it the size of the next
//! step: v sets its own learning rate, and a rate chosen too large corrects itself.
//!
//! Paper: T. Salimans, D. Kingma, *Weight normalization*, NeurIPS 2016. <https://arxiv.org/abs/1602.07868>
//!
//! It is a Burn reparameterisation: the module's own code stays as it is, the stored weight is v, what
//! `weight.val()` gives is w. Attaching it changes no output: g starts as ‖v‖. `materialize()` folds it
//! back into a plain weight.
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::LinearConfig;
//! use burn::tensor::Device;
//! use fornax_nn_core::regularization::{weight_norm, weights};
//!
//! let layer = LinearConfig::new(3, 2).init(&Device::flex());
//! let before = layer.weight.val();
//! let layer = weight_norm::weight_norm(layer, weights());
//! assert!((layer.weight.val() - before).abs().max().into_scalar::<f32>() < 1e-6);
//! assert_eq!(layer.num_params(), 3 * 2 + 2 + 2);
//! ```

use burn::module::{Module, Param, ParamGroup, Reparameterization, Reparameterizer};
use burn::tensor::Tensor;

/// Attaches weight normalisation to the weights of `group` that have at least two dimensions. Units are
/// the columns of a matrix, as Burn's `Linear` holds it, and the first dimension of anything larger, as
/// its convolutions do.
pub fn weight_norm<M: Module>(model: M, group: ParamGroup) -> M {
    model.apply_reparameterization(Attach { group })
}

/// What is stored beside a normalised weight.
#[derive(Module, Debug)]
pub struct WeightNorm {
    /// Length of each unit's weights, `[units]`; learned.
    pub g: Param<Tensor<1>>,
    /// The dimension that counts units.
    pub axis: usize,
}

impl Reparameterization for WeightNorm {
    const NAME: &'static str = "weight_norm";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let length = lengths(base.clone(), self.axis);
        let g = self.g.val().reshape(length.dims());
        base * (g / length)
    }
}

/// ‖v‖ of each unit, kept above 1e-12 so that a unit of zeros has a finite gradient.
fn lengths<const D: usize>(v: Tensor<D>, axis: usize) -> Tensor<D> {
    let others: Vec<usize> = (0..D).filter(|dim| *dim != axis).collect();
    v.square().sum_dims(&others).clamp_min(1e-24).sqrt()
}

struct Attach {
    group: ParamGroup,
}

impl Reparameterizer for Attach {
    type Reparam = WeightNorm;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<WeightNorm>) {
        if D < 2 || !self.group.matches(&param.id, Some(path)) {
            return (param, None);
        }
        let axis = usize::from(D == 2);
        // Detached after the arithmetic: a detached leaf of Burn still requires its gradient.
        let length = lengths(param.val(), axis).detach();
        let units = length.dims()[axis];
        let g = Param::from_tensor(length.reshape([units]).detach());
        (param, Some(WeightNorm { g, axis }))
    }
}
