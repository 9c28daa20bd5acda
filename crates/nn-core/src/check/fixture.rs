//! What PyTorch computed, in a few hundred numbers.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::close::{Mismatch, Values, compare};
use super::torch::{Place, Position};

/// Results of a reference implementation, to compare ours with.
///
/// Weights and inputs need not be stored, because both sides fill them in closed form (see
/// [`fill`](super::fill)). Of each result the file keeps shape, norm and some evenly strided
/// elements, so a fixture of a whole model stays at a few kilobytes.
///
/// ```
/// use fornax_nn_core::check::Fixture;
///
/// let fixture = Fixture::parse(r#"{
///     "source": "by hand",
///     "entries": { "loss": { "shape": [1], "norm": 2.5, "stride": 1, "values": [2.5] } }
/// }"#).unwrap();
/// fixture.check("loss", &[2.500001], 1e-5, 1e-6).unwrap();
/// assert!(fixture.check("loss", &[2.6], 1e-5, 1e-6).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// What made it: script and version of the reference.
    pub source: String,
    /// The results by name.
    pub entries: BTreeMap<String, Entry>,
}

/// A tensor, abridged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its shape, as PyTorch has it.
    pub shape: Vec<usize>,
    /// Its Euclidean norm, taken in f64.
    pub norm: f64,
    /// `values[k]` is element `k · stride` in row-major order.
    pub stride: usize,
    /// The elements kept.
    pub values: Vec<f64>,
}

/// A result that is not the reference's.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FixtureError {
    /// The file is no fixture.
    #[error("not a fixture: {0}")]
    Format(String),
    /// There is no result of that name.
    #[error("no entry {name:?} in the fixture; it has: {}", known.join(", "))]
    Missing {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// Results were recorded for parameters that the model does not have.
    #[error("the model has no parameter for: {}", .0.join(", "))]
    Unmatched(Vec<String>),
    /// The numbers differ.
    #[error("{name}{part}: {mismatch}")]
    Differs {
        /// The entry's name.
        name: String,
        /// Empty for the elements, or which property of the entry.
        part: &'static str,
        /// The shape or element that differs. Positions count the kept elements.
        mismatch: Mismatch,
    },
}

impl Fixture {
    /// Reads the JSON that `xtask/reference/fixture.py` writes.
    ///
    /// # Errors
    ///
    /// [`FixtureError::Format`] when it is something else, or an entry contradicts itself.
    pub fn parse(text: &str) -> Result<Self, FixtureError> {
        let fixture: Self =
            serde_json::from_str(text).map_err(|error| FixtureError::Format(error.to_string()))?;
        for (name, entry) in &fixture.entries {
            let count = entry.shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
            let kept = count.and_then(|count| (entry.stride > 0).then(|| count.div_ceil(entry.stride)));
            if kept != Some(entry.values.len()) {
                let Entry { shape, stride, values, .. } = entry;
                let reason =
                    format!("{name} keeps {} values at stride {stride} of shape {shape:?}", values.len());
                return Err(FixtureError::Format(reason));
            }
        }
        Ok(fixture)
    }

    /// The result called `name`.
    ///
    /// # Errors
    ///
    /// [`FixtureError::Missing`].
    pub fn entry(&self, name: &str) -> Result<&Entry, FixtureError> {
        self.entries.get(name).ok_or_else(|| FixtureError::Missing {
            name: name.to_owned(),
            known: self.entries.keys().cloned().collect(),
        })
    }

    /// Compares `actual` with the entry: shape, norm and every kept element, each to
    /// `atol + rtol · |expected|`.
    ///
    /// # Errors
    ///
    /// [`FixtureError`] with the worst element.
    pub fn check<V: Values + ?Sized>(
        &self,
        name: &str,
        actual: &V,
        rtol: f64,
        atol: f64,
    ) -> Result<(), FixtureError> {
        self.check_shaped(name, actual.shape(), &actual.values(), rtol, atol)
    }

    /// Compares the gradient of every parameter of `model` with the entries `{prefix}.{name}`.
    ///
    /// `place` turns the name [`fill`](super::fill::fill) would use into PyTorch's; pass
    /// `Place::from` where they agree. A run that does not start at 0 is looked up as `name@offset`.
    ///
    /// # Errors
    ///
    /// [`FixtureError`] for the first parameter that differs, has no entry, or has no gradient, and
    /// for entries under `prefix` that belong to no parameter.
    pub fn check_gradients<M: Module>(
        &self,
        prefix: &str,
        model: &M,
        gradients: &GradientsParams,
        place: impl FnMut(String) -> Place,
        tolerance: (f64, f64),
    ) -> Result<(), FixtureError> {
        self.check_each(prefix, model, Some(gradients), place, tolerance)
    }

    /// Compares every parameter and running statistic of `model` with the entries `{prefix}.{name}`,
    /// as [`check_gradients`](Self::check_gradients) does the gradients.
    ///
    /// # Errors
    ///
    /// As from [`check_gradients`](Self::check_gradients).
    pub fn check_parameters<M: Module>(
        &self,
        prefix: &str,
        model: &M,
        place: impl FnMut(String) -> Place,
        tolerance: (f64, f64),
    ) -> Result<(), FixtureError> {
        self.check_each(prefix, model, None, place, tolerance)
    }

    fn check_each<M: Module>(
        &self,
        prefix: &str,
        model: &M,
        gradients: Option<&GradientsParams>,
        place: impl FnMut(String) -> Place,
        (rtol, atol): (f64, f64),
    ) -> Result<(), FixtureError> {
        let mut collector =
            Collector { position: Position::default(), gradients, place, found: BTreeMap::new() };
        model.visit(&mut collector);

        let prefix = format!("{prefix}.");
        for (name, (shape, values)) in &collector.found {
            self.check_shaped(&format!("{prefix}{name}"), Some(shape.clone()), values, rtol, atol)?;
        }
        let found: BTreeSet<String> = collector.found.keys().map(|name| format!("{prefix}{name}")).collect();
        let unmatched: Vec<String> = self
            .entries
            .keys()
            .filter(|key| key.starts_with(&prefix) && !found.contains(*key))
            .cloned()
            .collect();
        if unmatched.is_empty() { Ok(()) } else { Err(FixtureError::Unmatched(unmatched)) }
    }

    fn check_shaped(
        &self,
        name: &str,
        shape: Option<Vec<usize>>,
        values: &[f64],
        rtol: f64,
        atol: f64,
    ) -> Result<(), FixtureError> {
        let entry = self.entry(name)?;
        let differs = |part, mismatch| FixtureError::Differs { name: name.to_owned(), part, mismatch };
        let shape = shape.unwrap_or_else(|| vec![values.len()]);
        let count: usize = entry.shape.iter().product();
        if values.len() != count || (shape.len() > 1 && shape != entry.shape) {
            let expected = entry.shape.clone();
            return Err(differs("", Mismatch::Shape { actual: shape, expected }));
        }
        let kept: Vec<f64> = values.iter().step_by(entry.stride).copied().collect();
        compare(&kept, &entry.values, rtol, atol).map_err(|mismatch| differs("", mismatch))?;
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        compare(&[norm], &[entry.norm], rtol, atol).map_err(|mismatch| differs(" (norm)", mismatch))
    }
}

/// Every parameter, or its gradient, as PyTorch names and lays it out.
struct Collector<'a, F> {
    position: Position,
    gradients: Option<&'a GradientsParams>,
    place: F,
    found: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

impl<F: FnMut(String) -> Place> ModuleVisitor for Collector<'_, F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.position.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.position.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = match self.gradients {
            // What asks for no gradient has none to compare; what asks and got none is all zero.
            Some(_) if !param.is_require_grad() => return,
            Some(gradients) => {
                gradients.get::<D>(param.id).unwrap_or_else(|| param.val().without_autodiff().zeros_like())
            }
            None => param.val(),
        };
        let place = (self.place)(self.position.torch_name());
        let name = if place.offset == 0 { place.name } else { format!("{}@{}", place.name, place.offset) };
        let tensor = self.position.torch_layout(tensor);
        self.found.insert(name, (tensor.dims().to_vec(), tensor.into_data().iter::<f64>().collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    fn fixture(name: &str, shape: &[usize], stride: usize, values: &[f64]) -> Fixture {
        let all: Vec<f64> = values.to_vec();
        let norm = all.iter().map(|v| v * v).sum::<f64>().sqrt();
        let values = all.into_iter().step_by(stride).collect();
        let entry = Entry { shape: shape.to_vec(), norm, stride, values };
        Fixture { source: "test".to_owned(), entries: BTreeMap::from([(name.to_owned(), entry)]) }
    }

    #[test]
    fn an_element_between_the_kept_ones_shows_in_the_norm() {
        let fixture = fixture("y", &[4], 2, &[1.0, 2.0, 3.0, 4.0]);
        assert!(fixture.check("y", &[1.0, 2.0, 3.0, 4.0], 1e-6, 0.0).is_ok());
        let error = fixture.check("y", &[1.0, 2.1, 3.0, 4.0], 1e-6, 0.0).unwrap_err();
        assert!(error.to_string().starts_with("y (norm): 1 of 1 elements differ"), "{error}");
        let error = fixture.check("y", &[1.0, 2.0, 3.1, 4.0], 1e-6, 0.0).unwrap_err();
        assert!(error.to_string().contains("worst at [1]: 3.1e0"), "{error}");
    }

    #[test]
    fn parameters_are_matched_by_name_in_pytorchs_layout() {
        let linear = LinearConfig::new(2, 3).with_bias(false).init(&Device::flex());
        let transposed = Values::values(&linear.weight.val().transpose());
        let fixture = fixture("weights.fc.weight", &[3, 2], 1, &transposed);
        let rename = |name: String| Place::from(format!("fc.{name}"));
        fixture.check_parameters("weights", &linear, rename, (0.0, 0.0)).unwrap();
        let error = fixture.check_parameters("weights", &linear, Place::from, (0.0, 0.0)).unwrap_err();
        assert!(
            matches!(error, FixtureError::Missing { ref name, .. } if name == "weights.weight"),
            "{error}"
        );
    }

    #[test]
    fn a_run_of_a_fused_tensor_has_its_offset_in_the_name() {
        // The second of two gates that PyTorch stacks in one [6, 2] tensor.
        let linear = LinearConfig::new(2, 3).with_bias(false).init(&Device::flex());
        let fixture = fixture("w.weight_ih@6", &[3, 2], 1, &Values::values(&linear.weight.val().transpose()));
        let gate = |_: String| Place::at("weight_ih", 6);
        fixture.check_parameters("w", &linear, gate, (0.0, 0.0)).unwrap();
    }

    #[test]
    fn an_entry_without_a_parameter_is_an_error() {
        let linear = LinearConfig::new(2, 3).init(&Device::flex());
        let mut fixture = fixture("w.weight", &[3, 2], 1, &Values::values(&linear.weight.val().transpose()));
        let bias = Values::values(&linear.bias.as_ref().unwrap().val());
        fixture.entries.extend(self::fixture("w.bias", &[3], 1, &bias).entries);
        fixture.check_parameters("w", &linear, Place::from, (0.0, 0.0)).unwrap();
        fixture.entries.extend(self::fixture("w.scale", &[3], 1, &bias).entries);
        let error = fixture.check_parameters("w", &linear, Place::from, (0.0, 0.0)).unwrap_err();
        assert_eq!(error.to_string(), "the model has no parameter for: w.scale");
    }

    #[test]
    fn a_fixture_that_contradicts_itself_is_refused() {
        let text =
            r#"{"source": "x", "entries": {"y": {"shape": [4], "norm": 1, "stride": 2, "values": [1]}}}"#;
        let error = Fixture::parse(text).unwrap_err();
        assert_eq!(error.to_string(), "not a fixture: y keeps 1 values at stride 2 of shape [4]");
        assert!(Fixture::parse("{}").is_err());
        assert!(Fixture::parse(&text.replace("norm", "norn")).is_err());
    }
}
