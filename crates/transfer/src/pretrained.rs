//! # Pretrained weights
//!
//! A network's first layers learn what any image needs, edges, corners, textures; only the last ones know the classes. So the
//! weights of a network trained on a million images are a better start for a hundred images than any random one
//! (J. Yosinski et al., *How transferable are features in deep neural networks?*, 2014, <https://arxiv.org/abs/1411.1792>).
//!
//! ```text
//! file ──▶ names as torchvision's ──▶ every tensor has its parameter, ──▶ model with the file's classes ──▶ new output layer
//!          without wrappers,           every parameter its tensor,                                          if other classes
//!          old spellings renewed       shapes agree: or an error                                            are asked for
//! ```
//!
//! [`load`] is strict; the one difference it bridges is the number of classes, where the output layer is built anew and
//! [`Head::Reset`] says so. [`load_partial`] takes what fits, and its report lists what stayed random. When a file is another network's,
//! the error names the registered network it fits best.
//!
//! ```
//! use burn::tensor::Device;
//! use fornax_cnn::{Options, create, registry};
//! use fornax_nn_core::weights::{Weights, save};
//! use fornax_transfer::pretrained::{self, Head};
//!
//! // In place of a published file: a narrow ResNet-18 with 7 classes, saved.
//! let device = Device::flex();
//! let options = Options::new(7).with_width(0.0625);
//! let file = tempfile::tempdir().unwrap().keep().join("resnet18.safetensors");
//! save(&create("resnet18", &options, &device)?, &file, |name| pretrained::tensor_name(name))?;
//!
//! let config = registry::config("resnet18", &Options::new(3).with_width(0.0625))?;
//! let loaded = pretrained::load(&config, Weights::open(&file)?, &device)?;
//! assert_eq!(loaded.head, Head::Reset { found: 7, classes: 3 });
//!
//! let config = registry::config("resnet34", &Options::new(3).with_width(0.0625))?;
//! let error = pretrained::load(&config, Weights::open(&file)?, &device).unwrap_err();
//! assert!(error.to_string().contains("fits resnet18 best"), "{error}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Running statistics are loaded like weights; `num_batches_tracked`, which only counts, is passed over. A `state_dict` within a
//! training checkpoint and the prefix `module.` of a model trained on several devices are found by themselves.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use burn::tensor::Device;
use fornax_cnn::registry::{self, Model, ModelConfig};
use fornax_cnn::{Classifier, Options, torchvision_name};
use fornax_nn_core::ConfigError;
use fornax_nn_core::weights::{Report, Source, Weights, WeightsError};

/// How many numbers of classes are tried when shapes disagree.
const MAX_CLASSES_TRIED: usize = 4;
/// Wrappers that a whole state dict may lie in.
const WRAPPERS: [&str; 4] = ["state_dict.", "model_state_dict.", "model.", "module."];

/// A network with loaded weights.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pretrained {
    /// The network, for the classes asked for.
    pub model: Model,
    /// What it was built from, for the same classes.
    pub config: ModelConfig,
    /// What was loaded and, from [`load_partial`], what was not; before a reset of the output layer.
    pub report: Report,
    /// What became of the output layer.
    pub head: Head,
}

/// What became of the output layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Head {
    /// It is the file's.
    Kept,
    /// It is new and random: the file's has another number of classes.
    Reset {
        /// Classes of the file's.
        found: usize,
        /// Classes asked for.
        classes: usize,
    },
}

/// A network of the registry, and how much of a file it has a place for.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The network's name.
    pub name: &'static str,
    /// Its parameters that have a tensor of their shape.
    pub fitting: usize,
    /// Its parameters that have a tensor of another shape: the network at another width, or for other classes.
    pub other_shape: usize,
    /// All its parameters.
    pub parameters: usize,
    /// Tensors of the file.
    pub tensors: usize,
}

impl Fit {
    /// Share of parameters and tensors that find each other, half for another shape; 1 is a perfect fit.
    pub fn score(&self) -> f64 {
        (self.fitting as f64 + 0.5 * self.other_shape as f64)
            / self.parameters.max(self.tensors).max(1) as f64
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, fitting, other_shape, parameters, tensors } = self;
        write!(
            f,
            "{name}: {fitting} of {parameters} parameters find their tensor, of {tensors} in the file"
        )?;
        if *other_shape > 0 { write!(f, "; {other_shape} one of another shape") } else { Ok(()) }
    }
}

/// A network that cannot be given these weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PretrainedError {
    /// The file is another network's.
    #[error("{}: does not fit the network asked for: {report}{}", path.display(), suggested(best))]
    DoesNotFit {
        /// The file.
        path: PathBuf,
        /// What fits and what does not.
        report: Box<Report>,
        /// The registered network it fits best, if it fits any at all.
        best: Option<Fit>,
    },
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

fn suggested(best: &Option<Fit>) -> String {
    best.as_ref().map_or_else(String::new, |fit| format!("; it fits {} best ({fit})", fit.name))
}

/// Where a parameter's values are in a file of torchvision's names.
pub fn tensor_name(parameter: &str) -> Source {
    Source::from(torchvision_name(parameter))
}

/// A file's tensors under torchvision's present names.
///
/// Taken off: a wrapper around the whole state dict (`state_dict.`, `model_state_dict.`, `model.`, `module.`) and what lies beside it;
/// `num_batches_tracked`. Renewed: DenseNet's `norm.1` of its first published files.
#[must_use]
pub fn cleaned(weights: Weights) -> Weights {
    let mut weights = weights.without(|name| name.ends_with("num_batches_tracked"));
    while let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wraps(&weights, wrapper)) {
        weights = weights.within(wrapper);
    }
    weights.renamed(|name| {
        let mut renewed = name.to_owned();
        for layer in ["norm", "relu", "conv"] {
            for number in ["1", "2"] {
                let (old, new) = (format!(".{layer}.{number}."), format!(".{layer}{number}."));
                if renewed.contains("denselayer") {
                    renewed = renewed.replace(&old, &new);
                }
            }
        }
        renewed
    })
}

/// A state dict is the one thing of its name; the others must hold everything, for a module may be called `model`.
fn wraps(weights: &Weights, wrapper: &str) -> bool {
    let mut within = weights.names().map(|name| name.starts_with(wrapper));
    if wrapper.contains("state_dict") {
        within.any(|within| within)
    } else {
        weights.names().next().is_some() && within.all(|within| within)
    }
}

/// The network of `config` with the values of every parameter and running statistic from `weights`.
///
/// # Errors
///
/// [`PretrainedError::DoesNotFit`] unless parameters and tensors match one to one, the number of classes aside; others when
/// the file cannot be read or `config` not be used.
pub fn load(config: &ModelConfig, weights: Weights, device: &Device) -> Result<Pretrained, PretrainedError> {
    let weights = cleaned(weights);
    let plan = best_plan(config, &weights, device)?;
    if !plan.report.is_complete() {
        return Err(does_not_fit(&weights, plan.report, device));
    }
    carry_out(config, plan, &weights)
}

/// As [`load`], but takes what fits: parameters without a tensor stay random, tensors without a parameter are passed over, and
/// the report lists both.
///
/// # Errors
///
/// [`PretrainedError::DoesNotFit`] when nothing fits; others as from [`load`].
pub fn load_partial(
    config: &ModelConfig,
    weights: Weights,
    device: &Device,
) -> Result<Pretrained, PretrainedError> {
    let weights = cleaned(weights);
    let plan = best_plan(config, &weights, device)?;
    if plan.report.loaded.is_empty() {
        return Err(does_not_fit(&weights, plan.report, device));
    }
    carry_out(config, plan, &weights)
}

/// A model still random, and what would be loaded into it.
struct Plan {
    model: Model,
    classes: usize,
    report: Report,
}

/// With the classes asked for or, where tensors have another shape, with those that make most of them fit.
fn best_plan(config: &ModelConfig, weights: &Weights, device: &Device) -> Result<Plan, PretrainedError> {
    let plan = |classes: usize| -> Result<Plan, PretrainedError> {
        let model = config.clone().with_num_classes(classes).init(device)?;
        let report = weights.compare(&model, tensor_name);
        Ok(Plan { model, classes, report })
    };
    let mut best = plan(config.num_classes())?;
    // An output layer's tensor begins with the number of classes, whatever its layout.
    let others: BTreeSet<usize> =
        best.report.mismatched.iter().filter_map(|mismatch| mismatch.found.first().copied()).collect();
    let asked =
        best.report.mismatched.iter().filter(|mismatch| {
            mismatch.expected.contains(&config.num_classes()) && !mismatch.found.is_empty()
        });
    let likely: BTreeSet<usize> = asked.filter_map(|mismatch| mismatch.found.first().copied()).collect();
    let tried = likely.iter().chain(others.difference(&likely)).take(MAX_CLASSES_TRIED);
    for &classes in tried.filter(|&&classes| classes > 0) {
        // Refused by the settings: then it is not the number of classes.
        if let Ok(other) = plan(classes)
            && other.report.loaded.len() > best.report.loaded.len()
        {
            best = other;
        }
    }
    Ok(best)
}

fn carry_out(config: &ModelConfig, plan: Plan, weights: &Weights) -> Result<Pretrained, PretrainedError> {
    let Plan { mut model, classes: found, .. } = plan;
    let report = weights.load_partial(&mut model, tensor_name)?;
    let classes = config.num_classes();
    let head = if found == classes { Head::Kept } else { Head::Reset { found, classes } };
    let model = if found == classes { model } else { model.reset_classifier(classes)? };
    Ok(Pretrained { model, config: config.clone(), report, head })
}

fn does_not_fit(weights: &Weights, report: Report, device: &Device) -> PretrainedError {
    let best = fits(weights, device).into_iter().next();
    PretrainedError::DoesNotFit { path: weights.path().to_owned(), report: Box::new(report), best }
}

/// Every network of the registry that has a place for at least half of the file's tensors, by name at least; the best first.
///
/// Only names and shapes are compared, and no network is filled with weights.
pub fn fits(weights: &Weights, device: &Device) -> Vec<Fit> {
    let tensors = weights.names().count();
    let fit = |name: &'static str| {
        let config = registry::config(name, &Options::new(1000)).ok()?;
        let report = best_plan(&config, weights, device).ok()?.report;
        let (fitting, other_shape) = (report.loaded.len(), report.mismatched.len());
        let parameters = fitting + other_shape + report.missing.len();
        Some(Fit { name, fitting, other_shape, parameters, tensors })
    };
    let mut fits: Vec<Fit> = registry::list("*").into_iter().filter_map(fit).collect();
    fits.retain(|fit| 2 * (fit.fitting + fit.other_shape) >= fit.parameters.max(fit.tensors));
    fits.sort_by(|a, b| b.score().total_cmp(&a.score()));
    fits
}
