//! Is the backward pass the derivative of the forward pass?

use std::fmt;
use std::mem;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

use super::fill;
use super::torch::Position;

/// Elements of one parameter looked at one by one to find the culprit after a failed direction.
const SEARCHED: usize = 4096;
/// Relative difference between two calls of one function: the order in which threads sum, no more.
const REPEATS: f64 = 1e-12;

/// Compares gradients from autodiff with central differences, in f64.
///
/// ```text
/// ∂f/∂x  ≈  ( f(x + ε·d) − f(x − ε·d) ) / 2ε          error: ε²·f‴/6 + machine epsilon·|f|/ε
/// accepted when  |analytic − numeric| ≤ atol + rtol · max(|analytic|, |numeric|)
/// ```
///
/// With f64 and the default ε = 1e-6 both errors are near 1e-10 for values of order one, five orders
/// below the default rtol of 1e-5 (atol 1e-7), so a gradient that is merely *almost* right fails.
///
/// [`function`](Self::function) checks the full Jacobian of a small function of named tensors;
/// [`model`](Self::model) checks a whole model, one direction for each parameter tensor.
///
/// Where the function has a kink (ReLU at 0, a tie in max pooling) there is no derivative to agree
/// on. Such elements are left out by name, with [`except`](Self::except), and counted in the [`Report`].
///
/// ```
/// use burn::tensor::{Device, Tensor, TensorData};
/// use fornax_nn_core::check::GradCheck;
///
/// let x = TensorData::from([0.3_f64, -1.2, 2.0]);
/// let report = GradCheck::new()
///     .function(&Device::flex(), &[("x", x)], |inputs| inputs.get::<1>("x").tanh())
///     .unwrap();
/// assert_eq!(report.compared, 9); // 3 outputs × 3 inputs
/// ```
pub struct GradCheck {
    epsilon: f64,
    rtol: f64,
    atol: f64,
    exceptions: Vec<Exception>,
}

/// Elements without a derivative: those of `parameter` for which `at` says so, given index and value.
struct Exception {
    parameter: String,
    at: Box<dyn Fn(usize, f64) -> bool>,
}

impl fmt::Debug for GradCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let except: Vec<&str> = self.exceptions.iter().map(|e| e.parameter.as_str()).collect();
        f.debug_struct("GradCheck")
            .field("epsilon", &self.epsilon)
            .field("rtol", &self.rtol)
            .field("atol", &self.atol)
            .field("except", &except)
            .finish()
    }
}

/// What a successful check covered.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Derivatives compared: entries of the Jacobian, or directions of a model.
    pub compared: usize,
    /// Elements left out as kinks.
    pub excepted: usize,
    /// The largest disagreement, as a fraction of what is allowed.
    pub worst: f64,
}

/// A gradient that is not the derivative, or a check that could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GradCheckError {
    /// Autodiff and finite differences disagree.
    #[error(
        "gradient with respect to {parameter}[{index}]{} is {analytic:e} by autodiff and {numeric:e} by central \
         differences, allowed difference {allowed:e}",
        output.map_or_else(String::new, |o| format!(" of output element {o}"))
    )]
    Mismatch {
        /// Path of the parameter, or name of the input.
        parameter: String,
        /// Flat index of the element within it.
        index: usize,
        /// Flat index of the output element, for a function with several.
        output: Option<usize>,
        /// The derivative autodiff gives.
        analytic: f64,
        /// The derivative central differences give.
        numeric: f64,
        /// What they may differ by.
        allowed: f64,
    },
    /// They disagree along a direction, and no single element among those searched explains it.
    #[error(
        "gradient with respect to {parameter} along a random direction is {analytic:e} by autodiff and {numeric:e} \
         by central differences, allowed difference {allowed:e}; {searched} elements tried one by one agree"
    )]
    Direction {
        /// Path of the parameter.
        parameter: String,
        /// The derivative autodiff gives.
        analytic: f64,
        /// The derivative central differences give.
        numeric: f64,
        /// What they may differ by.
        allowed: f64,
        /// Elements looked at one by one.
        searched: usize,
    },
    /// The function's value, or a derivative of it, is NaN or infinite.
    #[error("{what} is not finite")]
    NonFinite {
        /// Which value.
        what: String,
    },
    /// Two calls with the same weights gave two losses.
    #[error("the loss is {first:e}, then {second:e} with the same weights: switch dropout and noise off")]
    Noisy {
        /// The first value.
        first: f64,
        /// The second.
        second: f64,
    },
    /// An exception names a parameter that is not there.
    #[error("exception for {parameter}, which is not among: {}", known.join(", "))]
    UnknownException {
        /// The name given.
        parameter: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// Not a single derivative was compared, so the check says nothing.
    #[error("nothing to check: no element both asks for a gradient and is not excepted")]
    Nothing,
}

impl Default for GradCheck {
    fn default() -> Self {
        Self { epsilon: 1e-6, rtol: 1e-5, atol: 1e-7, exceptions: Vec::new() }
    }
}

impl GradCheck {
    /// ε = 1e-6, rtol = 1e-5, atol = 1e-7, nothing excepted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the step of the central differences.
    #[must_use]
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Replaces the tolerances.
    #[must_use]
    pub fn with_tolerance(mut self, rtol: f64, atol: f64) -> Self {
        (self.rtol, self.atol) = (rtol, atol);
        self
    }

    /// Leaves out the elements of `parameter` for which `kink(index, value)` holds.
    ///
    /// ```
    /// use burn::tensor::{Device, TensorData, activation::relu};
    /// use fornax_nn_core::check::GradCheck;
    ///
    /// let x = TensorData::from([-1.0_f64, 0.0, 2.0]);
    /// let relu_of_x = |inputs: &fornax_nn_core::check::Inputs| relu(inputs.get::<1>("x"));
    /// let inputs = [("x", x)];
    /// assert!(GradCheck::new().function(&Device::flex(), &inputs, relu_of_x).is_err());
    ///
    /// let check = GradCheck::new().except("x", |_, value| value == 0.0);
    /// assert_eq!(check.function(&Device::flex(), &inputs, relu_of_x).unwrap().excepted, 1);
    /// ```
    #[must_use]
    pub fn except(
        mut self,
        parameter: impl Into<String>,
        kink: impl Fn(usize, f64) -> bool + 'static,
    ) -> Self {
        self.exceptions.push(Exception { parameter: parameter.into(), at: Box::new(kink) });
        self
    }

    /// Checks the whole Jacobian of `f`, a function of the named `inputs`: every output element with
    /// respect to every input element.
    ///
    /// `f` runs once per output element and twice per input element, so keep both small.
    ///
    /// # Errors
    ///
    /// [`GradCheckError`]; a mismatch names input, element and output element.
    ///
    /// # Panics
    ///
    /// When `f` does.
    pub fn function<const D: usize>(
        &self,
        device: &Device,
        inputs: &[(&str, TensorData)],
        f: impl Fn(&Inputs) -> Tensor<D>,
    ) -> Result<Report, GradCheckError> {
        let device = device.clone().autodiff();
        let mut point = Inputs::new(&device, inputs);
        self.known(point.leaves.iter().map(|leaf| leaf.name.clone()))?;

        // Analytic: one backward pass a row, because a pass consumes its graph.
        let mut rows: Vec<Vec<Vec<f64>>> = Vec::new(); // [output][input][element]
        let mut outputs = 1;
        while rows.len() < outputs {
            let y = f(&point);
            outputs = y.shape().num_elements();
            let y = y.reshape([outputs]);
            finite("an output of the function", &y.to_data())?;
            let gradients = y.narrow(0, rows.len(), 1).sum().backward();
            rows.push(
                point
                    .leaves
                    .iter()
                    .map(|leaf| match leaf.tensor.grad(&gradients) {
                        Some(gradient) => to_f64(gradient),
                        None => vec![0.0; leaf.values.len()],
                    })
                    .collect(),
            );
        }

        // Numeric: one column for each input element.
        let mut tally = Tally::new(self);
        for input in 0..point.leaves.len() {
            let name = point.leaves[input].name.clone();
            for index in 0..point.leaves[input].values.len() {
                let value = point.leaves[input].values[index];
                if self.is_excepted(&name, index, value) {
                    tally.excepted += 1;
                    continue;
                }
                let plus = to_f64(f(point.with(&device, input, index, value + self.epsilon)).reshape([-1]));
                let minus = to_f64(f(point.with(&device, input, index, value - self.epsilon)).reshape([-1]));
                for (output, row) in rows.iter().enumerate() {
                    let numeric = (plus[output] - minus[output]) / (2.0 * self.epsilon);
                    let analytic = row[input][index];
                    tally.compare(analytic, numeric, &name)?.map_or(Ok(()), |allowed| {
                        Err(GradCheckError::Mismatch {
                            parameter: name.clone(),
                            index,
                            output: (outputs > 1).then_some(output),
                            analytic,
                            numeric,
                            allowed,
                        })
                    })?;
                }
            }
            point.reset(&device, input);
        }
        tally.finish()
    }

    /// Checks the gradient of `loss` with respect to every parameter of `model` that asks for one.
    ///
    /// The model is cast to f64 first, so `loss` must feed it f64 inputs: `Tensor::from_data(data,
    /// (&device, DType::F64))`. Each parameter tensor is moved along one direction of unit length,
    /// spread over all its elements; when that disagrees, elements are tried one by one to name the
    /// culprit. Exceptions go by the parameter's path, and their elements stay out of the direction.
    ///
    /// Dropout must be off (probability 0), or every call of `loss` is another function; that is
    /// noticed and reported.
    ///
    /// # Errors
    ///
    /// [`GradCheckError`]; a mismatch names path, element and both derivatives.
    ///
    /// # Panics
    ///
    /// When `loss` does, for instance because an input is f32.
    pub fn model<M: Module>(
        &self,
        model: M,
        loss: impl Fn(&M) -> Tensor<1>,
    ) -> Result<Report, GradCheckError> {
        let model = model.map(&mut ToF64);
        let value = loss(&model);
        finite("the loss", &value.to_data())?;
        let (first, second) = (value.clone().into_scalar::<f64>(), loss(&model).into_scalar::<f64>());
        if (first - second).abs() > REPEATS * first.abs() {
            return Err(GradCheckError::Noisy { first, second });
        }
        let mut listing = Listing {
            position: Position::default(),
            gradients: GradientsParams::from_grads(value.backward(), &model),
            parameters: Vec::new(),
        };
        model.visit(&mut listing);
        let parameters = listing.parameters;
        self.known(parameters.iter().map(|parameter| parameter.path.clone()))?;

        let slope = |target: usize, direction: &[f64]| {
            let at = |step: f64| {
                let moved = direction.iter().map(|d| d * step).collect();
                let mut shift = Shift { target, seen: 0, by: moved };
                loss(&model.clone().map(&mut shift)).into_scalar::<f64>()
            };
            (at(self.epsilon) - at(-self.epsilon)) / (2.0 * self.epsilon)
        };

        let mut tally = Tally::new(self);
        for (target, parameter) in parameters.iter().enumerate() {
            let Parameter { path, values, gradient } = parameter;
            let Some(gradient) = gradient else { continue };
            let kept: Vec<bool> =
                values.iter().enumerate().map(|(i, &value)| !self.is_excepted(path, i, value)).collect();
            tally.excepted += kept.iter().filter(|&&kept| !kept).count();
            let Some(direction) = direction(path, &kept) else { continue };

            let analytic: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let numeric = slope(target, &direction);
            let Some(allowed) = tally.compare(analytic, numeric, path)? else { continue };

            // Name the culprit: the element that is furthest out.
            let candidates: Vec<usize> = (0..values.len()).filter(|&i| kept[i]).take(SEARCHED).collect();
            let searched = candidates.len();
            let mut worst: Option<(f64, GradCheckError)> = None;
            for index in candidates {
                let mut unit = vec![0.0; values.len()];
                unit[index] = 1.0;
                let (analytic, numeric) = (gradient[index], slope(target, &unit));
                let allowed = self.allowed(analytic, numeric);
                let excess = (analytic - numeric).abs() / allowed;
                if excess > 1.0 && worst.as_ref().is_none_or(|(most, _)| excess > *most) {
                    let parameter = path.clone();
                    worst = Some((
                        excess,
                        GradCheckError::Mismatch {
                            parameter,
                            index,
                            output: None,
                            analytic,
                            numeric,
                            allowed,
                        },
                    ));
                }
            }
            return Err(match worst {
                Some((_, mismatch)) => mismatch,
                None => GradCheckError::Direction {
                    parameter: path.clone(),
                    analytic,
                    numeric,
                    allowed,
                    searched,
                },
            });
        }
        tally.finish()
    }

    fn allowed(&self, analytic: f64, numeric: f64) -> f64 {
        self.atol + self.rtol * analytic.abs().max(numeric.abs())
    }

    fn is_excepted(&self, parameter: &str, index: usize, value: f64) -> bool {
        self.exceptions.iter().any(|e| e.parameter == parameter && (e.at)(index, value))
    }

    /// A misspelt exception would except nothing, in silence.
    fn known(&self, names: impl Iterator<Item = String>) -> Result<(), GradCheckError> {
        let known: Vec<String> = names.collect();
        match self.exceptions.iter().find(|e| !known.contains(&e.parameter)) {
            Some(e) => Err(GradCheckError::UnknownException { parameter: e.parameter.clone(), known }),
            None => Ok(()),
        }
    }
}

/// The named tensors a checked function takes, in f64 and tracked by autodiff.
#[derive(Debug, Clone)]
pub struct Inputs {
    leaves: Vec<Leaf>,
}

#[derive(Debug, Clone)]
struct Leaf {
    name: String,
    shape: Vec<usize>,
    values: Vec<f64>,
    /// Flat, so that inputs of every rank fit one list.
    tensor: Tensor<1>,
}

impl Inputs {
    fn new(device: &Device, inputs: &[(&str, TensorData)]) -> Self {
        let leaves = inputs.iter().map(|(name, data)| {
            let values: Vec<f64> = data.iter::<f64>().collect();
            Leaf {
                name: (*name).to_owned(),
                shape: data.shape().as_slice().to_vec(),
                tensor: leaf(&values, device),
                values,
            }
        });
        Self { leaves: leaves.collect() }
    }

    /// The input called `name`.
    ///
    /// # Panics
    ///
    /// When there is none, or it has another rank than `D`.
    pub fn get<const D: usize>(&self, name: &str) -> Tensor<D> {
        let Some(leaf) = self.leaves.iter().find(|leaf| leaf.name == name) else {
            let known: Vec<&str> = self.leaves.iter().map(|leaf| leaf.name.as_str()).collect();
            panic!("no input {name:?} among {known:?}");
        };
        let Ok(shape) = <[usize; D]>::try_from(leaf.shape.as_slice()) else {
            panic!("input {name:?} has shape {:?}, asked for as rank {D}", leaf.shape);
        };
        leaf.tensor.clone().reshape(shape)
    }

    fn with(&mut self, device: &Device, input: usize, index: usize, value: f64) -> &Self {
        let target = &mut self.leaves[input];
        let mut values = target.values.clone();
        values[index] = value;
        target.tensor = leaf(&values, device);
        self
    }

    fn reset(&mut self, device: &Device, input: usize) {
        let target = &mut self.leaves[input];
        target.tensor = leaf(&target.values, device);
    }
}

fn leaf(values: &[f64], device: &Device) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (device, DType::F64)).require_grad()
}

/// Counts, and remembers the worst.
struct Tally<'a> {
    check: &'a GradCheck,
    compared: usize,
    excepted: usize,
    worst: f64,
}

impl<'a> Tally<'a> {
    fn new(check: &'a GradCheck) -> Self {
        Self { check, compared: 0, excepted: 0, worst: 0.0 }
    }

    /// `Some(allowed)` when the two disagree.
    fn compare(&mut self, analytic: f64, numeric: f64, of: &str) -> Result<Option<f64>, GradCheckError> {
        if !analytic.is_finite() || !numeric.is_finite() {
            let kind = if analytic.is_finite() { "central difference" } else { "gradient" };
            return Err(GradCheckError::NonFinite { what: format!("the {kind} with respect to {of}") });
        }
        let allowed = self.check.allowed(analytic, numeric);
        let excess = (analytic - numeric).abs() / allowed;
        self.compared += 1;
        self.worst = self.worst.max(excess);
        Ok((excess > 1.0).then_some(allowed))
    }

    fn finish(self) -> Result<Report, GradCheckError> {
        if self.compared == 0 {
            return Err(GradCheckError::Nothing);
        }
        Ok(Report { compared: self.compared, excepted: self.excepted, worst: self.worst })
    }
}

/// A direction of unit length in closed form, zero where `kept` is false; `None` when all are.
fn direction(path: &str, kept: &[bool]) -> Option<Vec<f64>> {
    let name = format!("direction of {path}");
    let mut direction: Vec<f64> =
        kept.iter().enumerate().map(|(i, &kept)| if kept { fill::uniform(&name, i) } else { 0.0 }).collect();
    let norm = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
    direction.iter_mut().for_each(|d| *d /= norm);
    (norm > 0.0).then_some(direction)
}

fn to_f64(tensor: Tensor<1>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn finite(what: &str, data: &TensorData) -> Result<(), GradCheckError> {
    if data.iter::<f64>().all(f64::is_finite) {
        Ok(())
    } else {
        Err(GradCheckError::NonFinite { what: what.to_owned() })
    }
}

/// Casts every float tensor to f64 and puts it on the autodiff side of its device.
struct ToF64;

impl ModuleMapper for ToF64 {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let tracked = tensor.is_require_grad();
            tensor.without_autodiff().cast(FloatDType::F64).autodiff().set_require_grad(tracked)
        })
    }
}

struct Parameter {
    path: String,
    values: Vec<f64>,
    /// `None` for what asks for no gradient: frozen weights and running statistics.
    gradient: Option<Vec<f64>>,
}

/// Lists parameters in declaration order, so that a position in the list identifies one.
struct Listing {
    position: Position,
    gradients: GradientsParams,
    parameters: Vec<Parameter>,
}

impl ModuleVisitor for Listing {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.position.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.position.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values: Vec<f64> = param.val().into_data().iter::<f64>().collect();
        let gradient = param.is_require_grad().then(|| match self.gradients.get::<D>(param.id) {
            Some(gradient) => gradient.into_data().iter::<f64>().collect(),
            None => vec![0.0; values.len()],
        });
        self.parameters.push(Parameter { path: self.position.path(), values, gradient });
    }
}

/// Moves one parameter, counted in declaration order.
struct Shift {
    target: usize,
    seen: usize,
    by: Vec<f64>,
}

impl ModuleMapper for Shift {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.seen += 1;
        if self.seen - 1 != self.target {
            return param;
        }
        let by = mem::take(&mut self.by);
        param.map(|tensor| {
            let data = TensorData::new(by, tensor.shape());
            let tensor = tensor.without_autodiff();
            let shift = Tensor::<D>::from_data(data, (&tensor.device(), DType::F64));
            (tensor + shift).autodiff().require_grad()
        })
    }
}

#[cfg(test)]
mod tests;
