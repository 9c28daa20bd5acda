//! # AdaBN: the target's own statistics
//!
//! A network with batch normalisation keeps its weights in the layers and much of its domain in the running statistics: a
//! darker scanner shifts every mean. So replace the source's statistics by the target's, and train nothing:
//!
//! ```text
//! y = γ · (x − μ)/√(σ² + ε) + β         γ, β, all weights: as learnt on the source
//!                                       μ, σ²: mean and variance over the target's images
//! ```
//!
//! With batches of sizes n_b, means μ_b and variances σ²_b the whole set's are
//!
//! ```text
//! μ = Σ w_b·μ_b        σ² = Σ w_b·(σ²_b + μ_b²) − μ²        w_b = n_b / Σ n
//! ```
//!
//! It takes one pass and no gradient, and is worth trying before anything else. It cannot help where the normalised features
//! themselves mean something else, and it hurts when the target's classes come in other proportions or few images are there.
//!
//! Paper: Y. Li et al., *Revisiting batch normalization for practical domain adaptation*, 2016
//! (<https://arxiv.org/abs/1603.04779>).
//!
//! ## Differs from the paper
//!
//! 1. Deeper layers see their inputs normalised batch by batch while statistics are taken, not by the new statistics of the
//!    layers before: one pass instead of one for each layer. Use batches as large as fit.

use std::collections::HashMap;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use fornax_nn_core::ConfigError;

/// The model with the statistics of these batches in every batch normalisation whose training is on; all else as it was.
/// `forward` runs the model, what comes out is not looked at.
///
/// # Errors
///
/// [`ConfigError`] naming `batches` when there is none, or one is empty.
pub fn adapt<M: Module, const D: usize>(
    model: M,
    batches: &[Tensor<D>],
    forward: impl Fn(&M, Tensor<D>),
) -> Result<M, ConfigError> {
    if batches.is_empty() || batches.iter().any(|batch| batch.dims()[0] == 0) {
        return Err(ConfigError::new("batches", "must be at least one, and none of them empty"));
    }
    // What a pass leaves behind when all statistics were `start`: (1 − momentum)·start + momentum·(those of the batch).
    let pass = |start: f64, batch: &Tensor<D>| {
        let mut probe = model.valid().map(&mut Statistics::set(start)).train();
        probe = probe.map(&mut Statistics::only());
        forward(&probe, on_autodiff(batch.clone()));
        let mut found = Statistics::default();
        probe.valid().visit(&mut found);
        found.values
    };
    let (from_zero, from_one) = (pass(0.0, &batches[0]), pass(1.0, &batches[0]));
    let momentum = |name: &str| 1.0 - (from_one[name].1[0] - from_zero[name].1[0]);

    let total: f64 = batches.iter().map(|batch| batch.dims()[0] as f64).sum();
    let mut means: HashMap<String, Vec<f64>> = HashMap::new();
    let mut squares: HashMap<String, Vec<f64>> = HashMap::new();
    for (i, batch) in batches.iter().enumerate() {
        let left = if i == 0 { from_zero.clone() } else { pass(0.0, batch) };
        let weight = batch.dims()[0] as f64 / total;
        for (layer, of_mean, of_var) in layers(&left) {
            let momentum = momentum(&format!("{layer}{MEAN}"));
            if momentum < 1e-6 {
                continue; // training is off, or the layer never learns
            }
            let (mean, var) = (of_mean.iter().map(|m| m / momentum), of_var.iter().map(|v| v / momentum));
            let sums = means.entry(layer.clone()).or_insert_with(|| vec![0.0; of_mean.len()]);
            let second = squares.entry(layer).or_insert_with(|| vec![0.0; of_mean.len()]);
            for (((sum, square), mean), var) in sums.iter_mut().zip(second).zip(mean).zip(var) {
                *sum += weight * mean;
                *square += weight * (var + mean * mean);
            }
        }
    }
    let mut values = HashMap::new();
    for (layer, mean) in means {
        let square = &squares[&layer];
        let var = mean.iter().zip(square).map(|(mean, square)| (square - mean * mean).max(0.0)).collect();
        for (kind, new) in [(VAR, var), (MEAN, mean)] {
            values.insert(from_zero[&format!("{layer}{kind}")].0, new);
        }
    }
    // The clone of a running statistic is the statistic itself: what was given stays as it was.
    let on = model.devices().iter().any(burn::tensor::Device::is_autodiff);
    let fresh = model.valid().map(&mut Replace(values));
    Ok(if on { fresh.train() } else { fresh })
}

const MEAN: &str = "running_mean";
const VAR: &str = "running_var";

/// Path up to the layer, means and variances.
fn layers(
    values: &HashMap<String, (ParamId, Vec<f64>)>,
) -> impl Iterator<Item = (String, &Vec<f64>, &Vec<f64>)> {
    values.iter().filter_map(|(path, (_, mean))| {
        let layer = path.strip_suffix(MEAN)?;
        let (_, var) = values.get(&format!("{layer}{VAR}"))?;
        Some((layer.to_owned(), mean, var))
    })
}

fn on_autodiff<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.device().is_autodiff() { x } else { Tensor::from_inner(x) }
}

/// Visits the statistics of batch normalisations; as a mapper sets them, or switches all other training off.
#[derive(Default)]
struct Statistics {
    path: Vec<String>,
    containers: Vec<bool>,
    values: HashMap<String, (ParamId, Vec<f64>)>,
    start: Option<f64>,
}

impl Statistics {
    fn set(start: f64) -> Self {
        Self { start: Some(start), ..Self::default() }
    }

    fn only() -> Self {
        Self::default()
    }

    fn enter(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container == "Struct:BatchNorm");
    }

    fn exit(&mut self) {
        self.path.pop();
        self.containers.pop();
    }

    fn is_statistic(&self) -> bool {
        let of_norm = self.containers.last() == Some(&true);
        of_norm && self.path.last().is_some_and(|name| name == MEAN || name == VAR)
    }
}

impl ModuleVisitor for Statistics {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.is_statistic() {
            let values = param.val().into_data().iter::<f64>().collect();
            self.values.insert(self.path.join("."), (param.id, values));
        }
    }
}

impl ModuleMapper for Statistics {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.start {
            Some(start) if self.is_statistic() => param.map(|old| old.zeros_like() + start),
            _ => param,
        }
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let keeps = self.start.is_some() || self.containers.last() == Some(&true);
        if keeps { flag } else { flag.with_value(false) }
    }
}

/// Puts the new statistics in.
struct Replace(HashMap<ParamId, Vec<f64>>);

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.remove(&param.id) {
            Some(values) => param.map(|old| {
                let data = TensorData::new(values, old.dims());
                Tensor::from_data(data, (&old.device(), old.dtype()))
            }),
            None => param,
        }
    }
}
