//! What every model of this project promises, as tests.
//!
//! A crate describes how its models are fed by implementing [`Contract`], once a family, and lists
//! them with [`contract!`](crate::contract), a line each. Every line becomes one test per promise and
//! compiled device, named `<model>::<promise>::<device>`:
//!
//! | promise | devices |
//! |---|---|
//! | [`output_has_the_documented_shape`], for batches of 1 and 3 | all |
//! | [`every_parameter_gets_a_gradient`], finite and not zero, but for declared exceptions | all |
//! | [`a_saved_model_is_the_same_model`]: record to bytes and back, identical output | all |
//! | [`inference_is_deterministic`], and a sample's output does not depend on its batch | all |
//! | [`a_training_curve_is_flexs`]: 20 steps within 1e-4 of the same steps on flex | all but flex |
//! | [`parameters_are_counted`]: as many as the paper or PyTorch has | flex |
//! | [`one_batch_is_learnt_by_heart`]: loss below 1 % of the first | flex |
//! | [`the_configuration_survives_json`], and an unknown field is an error | flex |
//!
//! Weights and inputs are in closed form ([`fill`](super::fill)), so no test depends on a seed or on
//! what runs beside it.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::close::compare;
use super::fill::fill;
use super::torch::Position;
use crate::DeviceChoice;
use crate::config::{from_json, to_json};
use crate::gradient::gradients;

/// How a model is built, fed and judged. The first six methods say what it is; the others have
/// defaults to replace where a model needs it.
///
/// Inputs are made inside [`forward`](Self::forward) and [`loss`](Self::loss), so they may be
/// images, token ids, noise, or several of these. Make them with [`fill::input`](super::fill::input)
/// and [`fill::targets`](super::fill::targets), batch first, so that a batch of three begins with
/// the batch of one.
pub trait Contract {
    /// The model's configuration.
    type Config: Serialize + DeserializeOwned;
    /// The model.
    type Model: Module;

    /// The configuration under test, with its documented regularisation.
    fn config(&self) -> Self::Config;

    /// Builds the model.
    fn init(&self, config: &Self::Config, device: &Device) -> Self::Model;

    /// The model's output for a closed-form input of `batch` samples on `device`.
    fn forward(&self, model: &Self::Model, batch: usize, device: &Device) -> Output;

    /// The training loss on a closed-form batch of `batch` samples, as a single element.
    fn loss(&self, model: &Self::Model, batch: usize, device: &Device) -> Tensor<1>;

    /// The documented shape of the output.
    fn output_shape(&self, batch: usize) -> Vec<usize>;

    /// Trainable parameters of [`published`](Self::published), as the paper or PyTorch counts them.
    fn parameters(&self) -> usize;

    /// The configuration whose parameters are counted: another one than [`config`](Self::config) where that is a small
    /// version of it, made to be quick. Its weights are not drawn.
    fn published(&self) -> Self::Config {
        self.config()
    }

    /// The same model with everything random switched off (dropout 0), for what must repeat.
    fn without_noise(&self) -> Self::Config {
        self.config()
    }

    /// Paths of the parameters whose gradient is zero by design.
    fn without_gradient(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Relative and absolute tolerance between the outputs of one sample in two batches.
    ///
    /// Matrix kernels sum in another order for another size: default 1e-5 and 1e-6.
    fn batch_tolerance(&self) -> (f64, f64) {
        (1e-5, 1e-6)
    }

    /// How the model learns one batch by heart.
    fn overfit(&self) -> Overfit {
        Overfit::default()
    }
}

/// A model's output on the host, whatever its rank; batch first.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its elements in row-major order.
    pub values: Vec<f64>,
}

impl<const D: usize> From<Tensor<D>> for Output {
    fn from(tensor: Tensor<D>) -> Self {
        Self { shape: tensor.dims().to_vec(), values: tensor.into_data().iter::<f64>().collect() }
    }
}

/// Adam on one batch, until the loss is below 1 % of the first or the steps are used up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overfit {
    /// Samples in the batch.
    pub batch: usize,
    /// Learning rate.
    pub lr: f64,
    /// Steps at most.
    pub steps: usize,
}

impl Default for Overfit {
    /// Eight samples, lr 3e-3, at most 200 steps.
    fn default() -> Self {
        Self { batch: 8, lr: 3e-3, steps: 200 }
    }
}

/// The output for 1 and for 3 samples has the shape the documentation gives.
///
/// # Panics
///
/// When it has another.
pub fn output_has_the_documented_shape<C: Contract>(case: &C, device: &Device) {
    let model = case.init(&case.config(), device).valid();
    for batch in [1, 3] {
        let output = case.forward(&model, batch, device);
        assert_eq!(output.shape, case.output_shape(batch), "output shape for a batch of {batch}");
    }
}

/// After one backward pass every trainable parameter has a finite gradient that is not all zero;
/// the declared exceptions have none, so that the list stays true.
///
/// # Panics
///
/// With the paths of the parameters that have not.
pub fn every_parameter_gets_a_gradient<C: Contract>(case: &C, device: &Device) {
    let device = device.clone().autodiff();
    let model = fill(case.init(&case.without_noise(), &device));
    let grads = GradientsParams::from_grads(case.loss(&model, 3, &device).backward(), &model);
    let norms = norms(&model, &grads);
    assert!(!norms.is_empty(), "the model has no trainable parameter");

    let exceptions = case.without_gradient();
    for path in &exceptions {
        assert!(norms.iter().any(|(p, _)| p == path), "exception {path} is no parameter of the model");
    }
    let wrong: Vec<String> = norms
        .into_iter()
        .filter(|(path, norm)| {
            let expected_zero = exceptions.contains(&path.as_str());
            !norm.is_finite() || (*norm == 0.0) != expected_zero
        })
        .map(|(path, norm)| format!("{path} (norm {norm})"))
        .collect();
    assert!(
        wrong.is_empty(),
        "gradient not finite, zero, or not zero where declared so: {}",
        wrong.join(", ")
    );
}

/// A record written to bytes and loaded into a model with other weights gives the same output, bit
/// for bit on flex and ndarray, within the batch tolerance elsewhere.
///
/// # Panics
///
/// When the record cannot be written or read, or the outputs differ.
pub fn a_saved_model_is_the_same_model<C: Contract>(case: &C, device: &Device) {
    let model = fill(case.init(&case.config(), device)).valid();
    let bytes = match model.clone().into_record().into_bytes() {
        Ok(bytes) => bytes,
        Err(error) => panic!("the model cannot be saved: {error}"),
    };
    let fresh = case.init(&case.config(), device).valid();
    let loaded = match ModuleRecord::from_bytes(bytes).and_then(|record| fresh.try_load_record(record)) {
        Ok(loaded) => loaded,
        Err(error) => panic!("the model cannot be loaded: {error}"),
    };
    let (saved, loaded) = (case.forward(&model, 3, device), case.forward(&loaded, 3, device));
    assert_same(case, device, "output after save and load", &loaded.values, &saved.values);
}

/// `valid()` gives the same output twice, and the first sample's output is the same alone and in a
/// batch of three.
///
/// # Panics
///
/// When it is not.
pub fn inference_is_deterministic<C: Contract>(case: &C, device: &Device) {
    // From the training side, so that it is `valid` which switches dropout off.
    let model = fill(case.init(&case.config(), &device.clone().autodiff())).valid();
    let three = case.forward(&model, 3, device);
    let again = case.forward(&model, 3, device);
    assert_same(case, device, "the second call's output", &again.values, &three.values);

    let one = case.forward(&model, 1, device);
    let (rtol, atol) = case.batch_tolerance();
    if let Err(mismatch) = compare(&one.values, &three.values[..one.values.len()], rtol, atol) {
        panic!("one sample alone and as the first of three: {mismatch}");
    }
}

/// The model has as many trainable parameters as declared; running statistics do not count.
///
/// # Panics
///
/// When it has more or fewer.
pub fn parameters_are_counted<C: Contract>(case: &C, device: &Device) {
    let model = case.init(&case.published(), &device.clone().autodiff());
    let mut count = Count(0);
    model.visit(&mut count);
    assert_eq!(count.0, case.parameters(), "trainable parameters");
}

/// The loss on one small batch falls below 1 % of its first value: the network can represent what
/// it is shown, and the gradients lead there.
///
/// # Panics
///
/// When the steps of [`Contract::overfit`] do not suffice.
pub fn one_batch_is_learnt_by_heart<C: Contract>(case: &C, device: &Device) {
    let Overfit { batch, lr, steps } = case.overfit();
    let device = device.clone().autodiff();
    let mut model = fill(case.init(&case.without_noise(), &device));
    let mut optim = AdamConfig::new().init();
    let mut first = None;
    let mut last = f32::INFINITY;
    for _ in 0..steps {
        (model, last) = step(case, model, &mut optim, lr, batch, &device);
        if last < 0.01 * *first.get_or_insert(last) {
            return;
        }
    }
    panic!("after {steps} steps on {batch} samples the loss is {last}, down from {first:?}");
}

/// Configuration to JSON and back is the identity, and a misspelt field is refused by name.
///
/// # Panics
///
/// When it is not.
pub fn the_configuration_survives_json<C: Contract>(case: &C, _device: &Device) {
    let text = match to_json(&case.config()) {
        Ok(text) => text,
        Err(error) => panic!("the configuration has no JSON form: {error}"),
    };
    let back = from_json::<C::Config>(&text).and_then(|config| to_json(&config));
    assert_eq!(back.as_ref(), Ok(&text), "configuration after JSON and back");

    const UNKNOWN: &str = "no_such_field";
    let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(&text) else {
        panic!("the configuration is no JSON object: {text}");
    };
    fields.insert(UNKNOWN.to_owned(), Value::Bool(true));
    match from_json::<C::Config>(&Value::Object(fields).to_string()) {
        Ok(_) => panic!("an unknown field was passed over in silence"),
        Err(error) => assert_eq!(error.field, UNKNOWN, "{error}"),
    }
}

/// Twenty steps of SGD with momentum from closed-form weights give the losses they give on flex,
/// within 1e-4 of each.
///
/// # Panics
///
/// At the first step whose loss differs.
pub fn a_training_curve_is_flexs<C: Contract>(case: &C, device: &Device) {
    let flex = match DeviceChoice::Flex.open() {
        Ok(flex) => flex,
        Err(error) => panic!("nothing to compare with: {error}"),
    };
    let expected = training_curve(case, &flex, 20);
    let actual = training_curve(case, device, 20);
    if let Err(mismatch) = compare(&actual, &expected, 1e-4, 1e-6) {
        panic!("losses of 20 steps: {mismatch}\n{actual:?}\nexpected\n{expected:?}");
    }
}

/// The losses of `steps` steps of SGD (momentum 0.9, lr 0.01) on one batch of four, from closed-form
/// weights and without noise: the same numbers on every device, up to rounding.
///
/// # Panics
///
/// When a loss or gradient is not finite.
pub fn training_curve<C: Contract>(case: &C, device: &Device, steps: usize) -> Vec<f32> {
    let device = device.clone().autodiff();
    let mut model = fill(case.init(&case.without_noise(), &device));
    let momentum = MomentumConfig::new().with_dampening(0.0);
    let mut optim = SgdConfig::new().with_momentum(Some(momentum)).init();
    let mut losses = Vec::with_capacity(steps);
    for _ in 0..steps {
        let loss;
        (model, loss) = step(case, model, &mut optim, 0.01, 4, &device);
        losses.push(loss);
    }
    losses
}

fn step<C: Contract>(
    case: &C,
    model: C::Model,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: usize,
    device: &Device,
) -> (C::Model, f32) {
    match gradients(case.loss(&model, batch, device), &model) {
        Ok((loss, grads)) => (optim.step(lr, model, grads), loss),
        Err(error) => panic!("{error}"),
    }
}

/// Bit for bit on the CPU; on a GPU the first call may run a kernel that tuning then replaces.
#[track_caller]
fn assert_same<C: Contract>(case: &C, device: &Device, what: &str, actual: &[f64], expected: &[f64]) {
    let (rtol, atol) = if is_cpu(device) { (0.0, 0.0) } else { case.batch_tolerance() };
    if let Err(mismatch) = compare(actual, expected, rtol, atol) {
        panic!("{what}: {mismatch}");
    }
}

fn is_cpu(device: &Device) -> bool {
    [DeviceChoice::Flex, DeviceChoice::NdArray]
        .into_iter()
        .any(|choice| choice.open().is_ok_and(|cpu| cpu == *device))
}

fn norms<M: Module>(model: &M, gradients: &GradientsParams) -> Vec<(String, f64)> {
    let mut visitor = Norms { position: Position::default(), gradients, norms: Vec::new() };
    model.visit(&mut visitor);
    visitor.norms
}

struct Norms<'a> {
    position: Position,
    gradients: &'a GradientsParams,
    norms: Vec<(String, f64)>,
}

impl ModuleVisitor for Norms<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.position.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.position.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let norm = self.gradients.get::<D>(param.id).map_or(0.0, |gradient| {
                gradient.into_data().iter::<f64>().map(|value| value * value).sum::<f64>().sqrt()
            });
            self.norms.push((self.position.path(), norm));
        }
    }
}

struct Count(usize);

impl ModuleVisitor for Count {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // What is not drawn yet is a weight: running statistics have a value from the start.
        if !param.is_initialized() || param.is_require_grad() {
            self.0 += param.lazy_shape().num_elements();
        }
    }
}

/// Tests that a list of models keeps the promises of [`check::contract`](crate::check::contract), on
/// every backend compiled in.
///
/// ```text
/// contract! {
///     lenet5: Case::new(LeNetConfig::lenet5(), 61_706);
///     digits: Case::new(LeNetConfig::digits(), 189_430);
/// }
/// ```
///
/// Each line is the name of a test module and an expression for a [`Contract`](crate::check::contract::Contract).
/// On a machine without a wgpu adapter the wgpu tests print `skipped: no wgpu adapter` and pass.
///
/// `on flex;` before the lines keeps to that device; `on flex, untrained;` also leaves out learning a batch by heart, for
/// networks too deep to be trained in a test.
#[macro_export]
macro_rules! contract {
    (on flex, untrained; $($model:ident: $case:expr;)+) => { $(
        mod $model {
            #[allow(unused_imports)]
            use super::*;

            $crate::contract!(@on flex; $case;
                output_has_the_documented_shape
                every_parameter_gets_a_gradient
                a_saved_model_is_the_same_model
                inference_is_deterministic
                parameters_are_counted
                the_configuration_survives_json
            );
        }
    )+ };
    (on flex; $($model:ident: $case:expr;)+) => { $(
        mod $model {
            #[allow(unused_imports)]
            use super::*;

            $crate::contract!(@on flex; $case;
                output_has_the_documented_shape
                every_parameter_gets_a_gradient
                a_saved_model_is_the_same_model
                inference_is_deterministic
                parameters_are_counted
                one_batch_is_learnt_by_heart
                the_configuration_survives_json
            );
        }
    )+ };
    ($($model:ident: $case:expr;)+) => { $(
        mod $model {
            #[allow(unused_imports)]
            use super::*;

            $crate::contract!(@on flex, ndarray, wgpu; $case;
                output_has_the_documented_shape
                every_parameter_gets_a_gradient
                a_saved_model_is_the_same_model
                inference_is_deterministic
            );
            $crate::contract!(@on flex; $case;
                parameters_are_counted
                one_batch_is_learnt_by_heart
                the_configuration_survives_json
            );
            $crate::contract!(@on ndarray, wgpu; $case;
                a_training_curve_is_flexs
            );
        }
    )+ };
    (@on $($device:ident),+; $case:expr; $promise:ident $($rest:ident)*) => {
        mod $promise {
            #[allow(unused_imports)]
            use super::*;

            $( $crate::__on_device!($device $promise $case); )+
        }
        $crate::contract!(@on $($device),+; $case; $($rest)*);
    };
    (@on $($device:ident),+; $case:expr;) => {};
}

/// One test on one device; nothing where the backend is not compiled in.
#[doc(hidden)]
#[macro_export]
macro_rules! __on_device {
    (flex $promise:ident $case:expr) => {
        $crate::__with_flex! {
            #[test]
            fn flex() {
                $crate::__open!(Flex, |device| $crate::check::contract::$promise(&$case, &device));
            }
        }
    };
    (ndarray $promise:ident $case:expr) => {
        $crate::__with_ndarray! {
            #[test]
            fn ndarray() {
                $crate::__open!(NdArray, |device| $crate::check::contract::$promise(&$case, &device));
            }
        }
    };
    (wgpu $promise:ident $case:expr) => {
        $crate::__with_wgpu! {
            #[test]
            fn wgpu() {
                $crate::__open!(Wgpu(Default::default()), |device| {
                    $crate::check::contract::$promise(&$case, &device)
                });
            }
        }
    };
}

/// Opens a device and goes on with it; says so when there is none.
#[doc(hidden)]
#[macro_export]
macro_rules! __open {
    ($choice:ident $(($adapter:expr))?, |$device:ident| $body:expr) => {
        match $crate::DeviceChoice::$choice $(($adapter))? .open() {
            Ok($device) => $body,
            Err($crate::device::DeviceError::NoAdapter { .. }) => {
                #[allow(clippy::print_stderr)]
                {
                    eprintln!("skipped: no wgpu adapter");
                }
            }
            Err(error) => panic!("{error}"),
        }
    };
}

// Which backends there are is decided by this crate's features, not by those of the crate that
// expands the macro; hence one macro for each, which keeps or drops what it is given.

#[cfg(feature = "flex")]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_flex {
    ($($item:item)*) => { $($item)* };
}
#[cfg(not(feature = "flex"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_flex {
    ($($item:item)*) => {};
}

#[cfg(feature = "ndarray")]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_ndarray {
    ($($item:item)*) => { $($item)* };
}
#[cfg(not(feature = "ndarray"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_ndarray {
    ($($item:item)*) => {};
}

#[cfg(feature = "wgpu-unfused")]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_wgpu {
    ($($item:item)*) => { $($item)* };
}
#[cfg(not(feature = "wgpu-unfused"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_wgpu {
    ($($item:item)*) => {};
}

#[cfg(test)]
mod tests;
