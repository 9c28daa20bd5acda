//! # Weights of other libraries
//!
//! Reads a `.safetensors` file or a state dict of `torch.save` (`.pth`, `.pt`, `.bin`) into any Burn module by name, and writes the
//! former. A `.safetensors` file is a header and then bytes, so it can be checked whole before a single value is read, and it
//! holds no code:
//!
//! ```text
//! ┌─────────────┬──────────────────────────────────────────────────────────────┬───────────────┐
//! │ n: u64, LE  │ JSON, n bytes: {"name": {"dtype", "shape", "data_offsets"}}  │ values, dense │
//! └─────────────┴──────────────────────────────────────────────────────────────┴───────────────┘
//! ```
//!
//! Three things stand between PyTorch's tensors and Burn's parameters, and each has its place here:
//!
//! | difference | who knows |
//! |---|---|
//! | a linear weight is `[out, in]` there and `[in, out]` here; `gamma` and `beta` are called `weight` and `bias` | the loader |
//! | modules have other names | the function given to [`Weights::load`], from our name to a [`Source`] |
//! | query, key and value are one tensor; a matrix is stored as it is here; a vector has extra dimensions | the [`Source`] |
//!
//! Loading is **strict**: every parameter and running statistic must find its tensor in the right shape, and every tensor
//! its parameter; otherwise the [`Report`] says what is missing, unexpected or of another shape, with the nearest names, and
//! the module is as it was. [`Weights::load_partial`] takes what fits and reports what stayed as it was, for a model
//! whose head is new.
//!
//! ```
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::Device;
//! use fornax_nn_core::weights::{self, Source, Weights};
//!
//! let device = Device::flex();
//! let trained: Linear = LinearConfig::new(3, 2).init(&device);
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("model.safetensors");
//! weights::save(&trained, &path, |name| Source::from(format!("classifier.{name}")))?;
//!
//! let mut fresh: Linear = LinearConfig::new(3, 2).init(&device);
//! let file = Weights::open(&path)?;
//! assert_eq!(file.shape("classifier.weight"), Some(&[2, 3][..])); // as PyTorch has it
//! let report = file.load(&mut fresh, |name| Source::from(format!("classifier.{name}")))?;
//! assert_eq!(report.loaded, ["weight", "bias"]);
//! assert_eq!(fresh.weight.to_data(), trained.weight.to_data());
//!
//! let error = file.load(&mut fresh, |name| Source::from(format!("clasifier.{name}"))).unwrap_err();
//! assert!(error.to_string().contains("clasifier.weight (nearest: classifier.weight)"), "{error}");
//! # Ok::<(), fornax_nn_core::weights::WeightsError>(())
//! ```
//!
//! A file of `torch.save` is a zip archive (before version 1.6 one stream) with a *pickle*: a program for a machine that can call
//! any function of Python. Its instructions for data are understood here; the few functions a state dict needs are known by name and
//! none is called; anything else is refused by name ([`PickleProblem`]). Which of the formats a file has is seen from its first bytes, not
//! from its name. Dictionaries within the dictionary, as in a training checkpoint, give names with dots: `state_dict.fc.weight`;
//! [`Weights::within`] takes one of them.
//!
//! Numbers of type F32, F16, BF16 and F64 are read, all as f32; integers are no weights. Files are not trusted: the header's
//! length is compared with the file's before it is read, every extent with the bytes there are, and nothing larger than the
//! file is allocated. The format: <https://github.com/huggingface/safetensors>.

mod error;
mod header;
mod report;
mod save;
mod source;
#[cfg(test)]
mod tests;
mod torch;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};

pub use error::{PickleProblem, TensorProblem, WeightsError};
pub use report::{Mismatch, Missing, Report};
pub use save::save;
pub use source::Source;

use crate::check::torch::Position;
use header::{Extent, Number};
use report::SHOWN;

/// The named tensors of a file, whose header was found sound.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    tensors: BTreeMap<String, Extent>,
    values: Values,
}

/// Where the bytes are.
#[derive(Debug)]
enum Values {
    /// In the open file, after `start` bytes. The lock guards the position.
    File { file: Mutex<File>, start: u64 },
    /// All of them at hand.
    Memory(Vec<u8>),
}

impl Weights {
    /// Opens a file and reads its header, no values yet.
    ///
    /// # Errors
    ///
    /// [`WeightsError`] naming the file and, where one is to blame, the tensor.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let path = path.as_ref().to_owned();
        let mut file = File::open(&path).map_err(WeightsError::io(&path, "open"))?;
        let metadata = file.metadata().map_err(WeightsError::io(&path, "look at"))?;
        if !metadata.is_file() {
            return Err(WeightsError::format(&path, "is not a regular file"));
        }
        let (tensors, start) = directory(&path, &mut file, metadata.len())?;
        Ok(Self { path, tensors, values: Values::File { file: Mutex::new(file), start } })
    }

    /// The same from memory; `name` stands for the path in errors.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, WeightsError> {
        let path = name.into();
        let (tensors, start) = directory(&path, &mut Cursor::new(&bytes), bytes.len() as u64)?;
        let mut bytes = bytes;
        drop(bytes.drain(..start as usize));
        Ok(Self { path, tensors, values: Values::Memory(bytes) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor, as stored.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|extent| extent.shape.as_slice())
    }

    /// The type of a tensor's numbers, as a `.safetensors` file calls it: `F32`, `F16`, `I64` and so on.
    pub fn dtype(&self, name: &str) -> Option<&str> {
        self.tensors.get(name).map(|extent| extent.dtype.as_str())
    }

    /// Only the tensors whose names begin with `prefix`, without it: `state_dict.` of a training checkpoint, `module.` of a
    /// model trained on several devices.
    #[must_use]
    pub fn within(self, prefix: &str) -> Self {
        let strip = |(name, extent): (String, Extent)| Some((name.strip_prefix(prefix)?.to_owned(), extent));
        Self { tensors: self.tensors.into_iter().filter_map(strip).collect(), ..self }
    }

    /// Other names for the tensors. Where two get the same one, the later in the old order stays.
    #[must_use]
    pub fn renamed(self, rename: impl Fn(&str) -> String) -> Self {
        Self {
            tensors: self.tensors.into_iter().map(|(name, extent)| (rename(&name), extent)).collect(),
            ..self
        }
    }

    /// Leaves out the tensors for which `unwanted` says so: buffers that are no weights, heads that are not used.
    #[must_use]
    pub fn without(mut self, unwanted: impl Fn(&str) -> bool) -> Self {
        self.tensors.retain(|name, _| !unwanted(name));
        self
    }

    /// The values of a tensor, as f32 and in the file's layout.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Tensor`] when there is none of that name or it holds no floating-point numbers,
    /// [`WeightsError::Io`] when the file cannot be read.
    pub fn tensor(&self, name: &str) -> Result<TensorData, WeightsError> {
        self.floats(name).map(|(values, shape)| TensorData::new(values, shape.to_vec()))
    }

    fn floats(&self, name: &str) -> Result<(Vec<f32>, &[usize]), WeightsError> {
        let problem = |problem| WeightsError::tensor(&self.path, name, problem);
        let Some(extent) = self.tensors.get(name) else {
            let nearest = crate::name::nearest(name, self.names()).map(str::to_owned);
            return Err(problem(TensorProblem::Absent { nearest }));
        };
        let Some(number) = Number::named(&extent.dtype) else {
            return Err(problem(TensorProblem::Type { dtype: extent.dtype.clone() }));
        };
        let values = number.widen(&self.bytes(extent)?);
        let values = match &extent.strides {
            Some(strides) => torch::gather(&values, &extent.shape, strides),
            None => values,
        };
        Ok((values, &extent.shape))
    }

    /// The values of a tensor of any type, integers included, for a look at them: in no particular order.
    ///
    /// # Errors
    ///
    /// As for [`tensor`](Self::tensor), but for numbers of one byte of floating point only.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, WeightsError> {
        let problem = |problem| WeightsError::tensor(&self.path, name, problem);
        let Some(extent) = self.tensors.get(name) else {
            let nearest = crate::name::nearest(name, self.names()).map(str::to_owned);
            return Err(problem(TensorProblem::Absent { nearest }));
        };
        let values = header::numbers(&extent.dtype, &self.bytes(extent)?)
            .ok_or_else(|| problem(TensorProblem::Type { dtype: extent.dtype.clone() }))?;
        Ok(match &extent.strides {
            Some(strides) => torch::gather(&values, &extent.shape, strides),
            None => values,
        })
    }

    /// The bytes of an extent.
    fn bytes(&self, extent: &Extent) -> Result<Cow<'_, [u8]>, WeightsError> {
        match &self.values {
            Values::Memory(bytes) => Ok(Cow::Borrowed(&bytes[extent.begin..extent.end])),
            Values::File { file, start } => {
                let mut bytes = vec![0; extent.end - extent.begin];
                // A thread that panicked while reading left at most another position, and that is set anew.
                let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                file.seek(SeekFrom::Start(start + extent.begin as u64))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .map_err(WeightsError::io(&self.path, "read"))?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Gives every parameter and running statistic of `model` the values that `source` points to, by the name PyTorch would
    /// give it (see the [module page](self)), and reports what was loaded.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Incompatible`] unless parameters and tensors match one to one in name and shape; other
    /// [`WeightsError`]s when values cannot be read. `model` is as it was then.
    pub fn load<M: Module>(
        &self,
        model: &mut M,
        source: impl FnMut(&str) -> Source,
    ) -> Result<Report, WeightsError> {
        let plan = self.plan(model, source);
        if !plan.report.is_complete() {
            let (path, report) = (self.path.clone(), Box::new(plan.report));
            return Err(WeightsError::Incompatible { path, report });
        }
        self.carry_out(plan, model)
    }

    /// [`load`](Self::load) that takes what fits: parameters without a tensor, or with one of another shape, stay as they
    /// were, tensors without a parameter are passed over, and the report lists them all.
    ///
    /// # Errors
    ///
    /// [`WeightsError`] when values cannot be read, or nothing fits at all. `model` is as it was then.
    pub fn load_partial<M: Module>(
        &self,
        model: &mut M,
        source: impl FnMut(&str) -> Source,
    ) -> Result<Report, WeightsError> {
        let plan = self.plan(model, source);
        if plan.report.loaded.is_empty() {
            let (path, report) = (self.path.clone(), Box::new(plan.report));
            return Err(WeightsError::Incompatible { path, report });
        }
        self.carry_out(plan, model)
    }

    /// What [`load`](Self::load) would find, by names and shapes alone: nothing is read and `model` is left alone.
    pub fn compare<M: Module>(&self, model: &M, source: impl FnMut(&str) -> Source) -> Report {
        self.plan(model, source).report
    }

    /// Which parameter gets what, by shapes alone.
    fn plan<M: Module>(&self, model: &M, source: impl FnMut(&str) -> Source) -> Plan {
        let mut slots = Slots::new(source);
        model.visit(&mut slots);
        let mut plan = Plan::default();
        let mut used = BTreeSet::new();
        for Slot { parameter, shape, source } in slots.found {
            let Some(stored) = self.shape(&source.name) else {
                // For the first few only: the comparison costs the product of the lengths.
                let asked = plan.report.missing.len() < SHOWN;
                let nearest = asked.then(|| crate::name::nearest(&source.name, self.names())).flatten();
                let nearest = nearest.map(str::to_owned);
                plan.report.missing.push(Missing { parameter, tensor: source.name, nearest });
                continue;
            };
            used.insert(source.name.clone());
            if source.shape(stored, &shape).as_ref() == Some(&shape) {
                plan.report.loaded.push(parameter.clone());
                plan.sources.insert(parameter, (source, shape));
            } else {
                let found = stored.to_vec();
                let mismatch = Mismatch { parameter, tensor: source.to_string(), expected: shape, found };
                plan.report.mismatched.push(mismatch);
            }
        }
        plan.report.unexpected =
            self.names().filter(|name| !used.contains(*name)).map(str::to_owned).collect();
        plan
    }

    /// Reads all values, then replaces all parameters.
    fn carry_out<M: Module>(&self, plan: Plan, model: &mut M) -> Result<Report, WeightsError> {
        let mut values = BTreeMap::new();
        for (parameter, (source, shape)) in plan.sources {
            let (read, stored) = self.floats(&source.name)?;
            values.insert(parameter, source.apply(read, stored, &shape));
        }
        *model = model.clone().map(&mut Filler { position: Position::default(), values });
        Ok(plan.report)
    }
}

/// Every tensor with its place, and what these places are counted from.
fn directory<R: Read + Seek>(
    path: &Path,
    file: &mut R,
    length: u64,
) -> Result<(BTreeMap<String, Extent>, u64), WeightsError> {
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(WeightsError::io(path, "read"))?;
    if let Some(form) = torch::recognise(&start) {
        return Ok((torch::read(path, form, file, length)?, 0));
    }
    file.rewind().map_err(WeightsError::io(path, "read"))?;
    header::read(path, file, length)
}

/// What will be loaded, and the parameters' shapes.
#[derive(Default)]
struct Plan {
    sources: BTreeMap<String, (Source, Vec<usize>)>,
    report: Report,
}

/// A parameter and where its values come from or go to.
struct Slot {
    parameter: String,
    shape: Vec<usize>,
    source: Source,
}

/// Collects every float parameter and running statistic, without drawing initial values.
struct Slots<F> {
    position: Position,
    source: F,
    found: Vec<Slot>,
}

impl<F: FnMut(&str) -> Source> Slots<F> {
    fn new(source: F) -> Self {
        Self { position: Position::default(), source, found: Vec::new() }
    }
}

impl<F: FnMut(&str) -> Source> ModuleVisitor for Slots<F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.position.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.position.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let source = (self.source)(&self.position.torch_name()).in_layout_of(&self.position);
        let shape = param.lazy_shape().as_slice().to_vec();
        self.found.push(Slot { parameter: self.position.path(), shape, source });
    }
}

/// Replaces the parameters for which there are values.
struct Filler {
    position: Position,
    values: BTreeMap<String, TensorData>,
}

impl ModuleMapper for Filler {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.position.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.position.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(data) = self.values.remove(&self.position.path()) else { return param };
        let dtype = if param.is_initialized() { param.dtype() } else { DType::F32 };
        let device = param.lazy_device();
        let tensor = Tensor::from_data(data, (&device, dtype));
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}
