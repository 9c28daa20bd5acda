//! What tests share.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use fornax_nn_core::check::{Fixture, Place};

/// Tolerances of whole models and their gradients in f32.
const MODEL: (f64, f64) = (1e-4, 1e-5);

/// PyTorch's numbers of one script, as whole models are held to them.
pub(crate) struct Parity(pub(crate) Fixture);

impl Parity {
    pub(crate) fn parse(text: &str) -> Self {
        Self(Fixture::parse(text).unwrap())
    }

    pub(crate) fn check<const D: usize>(&self, name: &str, actual: &Tensor<D>) {
        self.0.check(name, actual, MODEL.0, MODEL.1).unwrap();
    }

    /// The loss, and its gradient for every parameter.
    pub(crate) fn loss<M: Module>(&self, name: &str, model: &M, loss: Tensor<1>) {
        self.check(&format!("{name}.loss"), &loss);
        let gradients = GradientsParams::from_grads(loss.backward(), model);
        self.0.check_gradients(&format!("{name}.gradients"), model, &gradients, Place::from, MODEL).unwrap();
    }
}
