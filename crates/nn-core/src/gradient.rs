//! From a loss to gradients that are known to be finite.

use std::collections::HashSet;
use std::fmt;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};

/// A NaN or an infinity, and the first tensor it was found in.
///
/// Tensors are looked at in the order parameters first, then loss, then gradients, each in the
/// order the module declares them: the earliest one in the computation is the likeliest cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {tensor} is not finite ({value}); {hint}")]
#[non_exhaustive]
pub struct NonFinite {
    /// What kind of tensor it is.
    pub what: Quantity,
    /// The tensor's path in the module, such as `conv1.weight`, or `the batch` for the loss.
    pub tensor: String,
    /// `NaN`, `inf` or `-inf`: the first such element.
    pub value: String,
    hint: &'static str,
}

/// The kind of tensor a non-finite value was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quantity {
    /// A weight, bias or running statistic, before the step.
    Parameter,
    /// The loss, with every parameter finite.
    Loss,
    /// The gradient of the loss with respect to a parameter.
    Gradient,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parameter => "parameter",
            Self::Loss => "loss",
            Self::Gradient => "gradient",
        })
    }
}

/// Backpropagates `loss` and returns its value with the gradient of every parameter.
///
/// This is the first half of every training step; the second is the optimiser's `step`. Nothing
/// has been updated when it fails, so the model is still the one before the step.
///
/// # Errors
///
/// [`NonFinite`] naming the first tensor that holds a NaN or an infinity.
pub fn gradients<M: Module>(loss: Tensor<1>, model: &M) -> Result<(f32, GradientsParams), NonFinite> {
    let value = loss.clone().into_scalar::<f32>();
    if !value.is_finite() {
        return Err(match Finder::in_parameters(model) {
            Some((tensor, value)) => NonFinite {
                what: Quantity::Parameter,
                tensor,
                value,
                hint: "an earlier update left it so: lower the learning rate or clip the gradient",
            },
            None => NonFinite {
                what: Quantity::Loss,
                tensor: "the batch".to_owned(),
                value: value.to_string(),
                hint: "every parameter is finite: look for NaN in the data or an overflow in the loss",
            },
        });
    }
    let gradients = GradientsParams::from_grads(loss.backward(), model);
    if !global_norm(model, &gradients).is_finite()
        && let Some((tensor, value)) = Finder::in_gradients(model, &gradients)
    {
        return Err(NonFinite {
            what: Quantity::Gradient,
            tensor,
            value,
            hint: "the loss is finite: look for a division by zero or a root of zero on the way down",
        });
    }
    Ok((value, gradients))
}

/// Euclidean norm of all gradients taken as one vector.
///
/// ```text
/// ‖g‖ = √( Σ over parameters p, Σ over elements i of g_p[i]² )
/// ```
///
/// Squares are summed in f32 (f64 for an f64 model) on the device, with one read-back for the whole
/// model. A parameter that two fields share counts once.
pub fn global_norm<M: Module>(model: &M, gradients: &GradientsParams) -> f64 {
    let mut visitor = SquareSum { gradients, seen: HashSet::new(), sum: None };
    model.visit(&mut visitor);
    visitor.sum.map_or(0.0, |sum| sum.into_scalar::<f64>().sqrt())
}

/// Elements from which flex sums in parallel, in an order that follows the thread schedule.
const PARALLEL_SUM: usize = 4 * 1024 * 1024;

/// Sum of the squares of all elements, the same bits on every run.
///
/// Halves are widened first: 256² no longer fits into an f16.
pub(crate) fn square_sum<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let tensor =
        if matches!(tensor.dtype(), DType::F16 | DType::BF16) { tensor.cast(DType::F32) } else { tensor };
    let square = tensor.square();
    let dims = square.dims();
    if dims.iter().product::<usize>() < PARALLEL_SUM {
        return square.sum();
    }
    // Row sums first: each row is summed by one thread, and what is left is short.
    let longest = (0..D).max_by_key(|&dim| dims[dim]).unwrap_or(0);
    square.sum_dim(longest).sum()
}

struct SquareSum<'a> {
    gradients: &'a GradientsParams,
    seen: HashSet<ParamId>,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquareSum<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let square = square_sum(gradient);
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + square,
                None => square,
            });
        }
    }
}

/// Path of every float parameter of a module, in declaration order.
pub(crate) fn parameter_paths<M: Module>(model: &M) -> Vec<String> {
    #[derive(Default)]
    struct Paths {
        path: Vec<String>,
        found: Vec<String>,
    }
    impl ModuleVisitor for Paths {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
            self.found.push(self.path.join("."));
        }
    }
    let mut visitor = Paths::default();
    model.visit(&mut visitor);
    visitor.found
}

/// Walks a module in declaration order and stops at the first element that is not finite.
struct Finder<'a> {
    path: Vec<String>,
    /// Look at these instead of the parameters' values.
    gradients: Option<&'a GradientsParams>,
    found: Option<(String, String)>,
}

impl<'a> Finder<'a> {
    fn in_parameters<M: Module>(model: &M) -> Option<(String, String)> {
        Self::search(model, None)
    }

    fn in_gradients<M: Module>(model: &M, gradients: &'a GradientsParams) -> Option<(String, String)> {
        Self::search(model, Some(gradients))
    }

    fn search<M: Module>(model: &M, gradients: Option<&'a GradientsParams>) -> Option<(String, String)> {
        let mut finder = Self { path: Vec::new(), gradients, found: None };
        model.visit(&mut finder);
        finder.found
    }
}

impl ModuleVisitor for Finder<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.found.is_some() {
            return;
        }
        let tensor = match self.gradients {
            Some(gradients) => gradients.get::<D>(param.id),
            None => Some(param.val()),
        };
        if let Some(tensor) = tensor {
            self.found = tensor
                .into_data()
                .iter::<f64>()
                .find(|value| !value.is_finite())
                .map(|value| (self.path.join("."), value.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    fn model() -> (Linear, Device) {
        let device = Device::flex().autodiff();
        let mut linear = LinearConfig::new(2, 1).init(&device);
        linear.weight =
            linear.weight.map(|w| Tensor::<2>::from_data([[3.0], [4.0]], &w.device()).require_grad());
        (linear, device)
    }

    #[test]
    fn value_and_norm_of_a_known_gradient() {
        let (linear, device) = model();
        // loss = w·x + b with x = (2, 1): dw = (2, 1), db = 1, so the norm is √6.
        let bias: f32 = linear.bias.as_ref().unwrap().val().into_scalar();
        let loss = linear.forward(Tensor::<2>::from_data([[2.0, 1.0]], &device)).sum();
        let (value, gradients) = gradients(loss, &linear).unwrap();
        assert!((value - (10.0 + bias)).abs() < 1e-6);
        assert!((global_norm(&linear, &gradients) - 6f64.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn a_shared_parameter_counts_once() {
        #[derive(Module, Debug)]
        struct Tied {
            encoder: Linear,
            decoder: Linear,
        }
        let (linear, device) = model();
        let tied = Tied { encoder: linear.clone(), decoder: linear };
        let x = Tensor::<2>::from_data([[2.0, 1.0]], &device);
        let loss = (tied.encoder.forward(x.clone()) + tied.decoder.forward(x)).sum();
        let (_, gradients) = gradients(loss, &tied).unwrap();
        // Twice the gradient of one use, over one set of parameters.
        assert!((global_norm(&tied, &gradients) - 2.0 * 6f64.sqrt()).abs() < 1e-5);
    }

    #[test]
    fn a_large_sum_of_squares_is_exact_and_repeats() {
        let device = Device::flex();
        let rows = 2 * PARALLEL_SUM / 4096;
        let ramp = Tensor::<1, burn::tensor::Int>::arange(0..4096, &device).float().div_scalar(4096.0);
        let tensor = ramp.reshape([1, 4096]).expand([rows, 4096]);
        let sum: f64 = square_sum(tensor.clone()).into_scalar();
        // Σ (i/n)² for i < n is (n−1)(2n−1)/(6n).
        let row = 4095.0 * 8191.0 / (6.0 * 4096.0);
        assert!((sum / (row * rows as f64) - 1.0).abs() < 1e-4, "{sum}");
        for _ in 0..3 {
            assert_eq!(square_sum(tensor.clone()).into_scalar::<f64>(), sum);
        }
    }

    #[test]
    fn a_bad_parameter_is_named_by_its_path() {
        let (mut linear, device) = model();
        linear.weight = linear.weight.map(|w| (w * f32::NAN).detach().require_grad());
        let loss = linear.forward(Tensor::<2>::ones([1, 2], &device)).sum();
        let error = gradients(loss, &linear).unwrap_err();
        assert_eq!(
            (error.what, error.tensor.as_str(), error.value.as_str()),
            (Quantity::Parameter, "weight", "NaN")
        );
    }

    #[test]
    fn bad_data_is_told_from_bad_parameters() {
        let (linear, device) = model();
        let loss = linear.forward(Tensor::<2>::from_data([[f32::INFINITY, 0.0]], &device)).sum();
        let error = gradients(loss, &linear).unwrap_err();
        assert_eq!((error.what, error.value.as_str()), (Quantity::Loss, "inf"));
    }

    #[test]
    fn a_finite_loss_with_an_infinite_gradient_is_caught() {
        let (linear, device) = model();
        // √0 is finite, its derivative is not.
        let zero = linear.forward(Tensor::<2>::ones([1, 2], &device)).sum();
        let loss = (zero.clone() - zero.detach()).sqrt();
        let error = gradients(loss, &linear).unwrap_err();
        assert_eq!((error.what, error.tensor.as_str()), (Quantity::Gradient, "weight"));
    }
}
