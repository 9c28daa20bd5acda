//! # Continual learning: not forgetting
//!
//! A network trained on one task and then on another is best at the second and often useless at the first: nothing in the
//! second loss says which weights the first one needed. Two remedies, and how to measure:
//!
//! ```text
//! EWC         L = L_new(θ) + λ/2 · Σ_i F_i · (θ_i − θ*_i)²          θ*: after the old task
//!             F_i = E_x Σ_y p(y|x) · (∂ ln p(y|x)/∂θ_i)²             Fisher information: how much the old answers depend on θ_i
//!
//! rehearsal   keep a few old samples in a reservoir, and mix them into every batch
//!
//! forgetting  of task i after T tasks: max over t < T of accuracy(t, i), less accuracy(T, i)
//! ```
//!
//! Near θ* the old loss is a bowl whose curvature is the Fisher matrix; EWC keeps its diagonal and lets the weights move where
//! the bowl is flat. It needs no old data, but the bowl is an approximation that holds nearby: with many tasks, or ones that
//! contradict each other, the penalties leave no way. A handful of real samples is a better memory where one may keep them.
//!
//! The **reservoir** of size k holds, after n samples, each of them with probability k/n, whatever n turns out to be: sample
//! n replaces a random place with probability k/n.
//!
//! Papers: J. Kirkpatrick et al., *Overcoming catastrophic forgetting in neural networks*, 2017
//! (<https://arxiv.org/abs/1612.00796>); D. Rolnick et al., *Experience replay for continual learning*, 2019
//! (<https://arxiv.org/abs/1811.11682>); A. Chaudhry et al., *Riemannian walk for incremental learning*, 2018
//! (<https://arxiv.org/abs/1801.10112>); J. Vitter, *Random sampling with a reservoir*, 1985
//! (<https://doi.org/10.1145/3147.3165>).
//!
//! ## Differs from the paper
//!
//! 1. F is the expectation over the model's own answers, exactly, at one backward pass for each class; the widespread
//!    shortcut with the true labels only is not the Fisher information and vanishes as the loss does.
//! 2. A constant parameter in the old task has F = 0 and is free; no damping is added.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use fornax_nn_core::ConfigError;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The diagonal of the Fisher information of a classifier, averaged over samples. `log_probabilities` gives ln p(y|x) of
/// sample i for all classes, with the model's training noise off.
///
/// # Shapes
///
/// - log_probabilities: `[classes]`
///
/// # Errors
///
/// [`ConfigError`] naming `samples` when there is none.
///
/// # Panics
///
/// When the model is on a device without autodiff.
pub fn fisher<M: Module>(
    model: &M,
    samples: usize,
    log_probabilities: impl Fn(&M, usize) -> Tensor<1>,
) -> Result<GradientsParams, ConfigError> {
    if samples == 0 {
        return Err(ConfigError::new("samples", "must be at least 1, got 0"));
    }
    let mut sum = GradientsParams::new();
    for sample in 0..samples {
        let answers = log_probabilities(model, sample);
        let classes = answers.dims()[0];
        let beliefs: Vec<f64> = answers.to_data().iter::<f64>().map(f64::exp).collect();
        let mut answers = Some(answers);
        for (class, belief) in beliefs.into_iter().enumerate() {
            // A backward pass uses its graph up.
            let answers = answers.take().unwrap_or_else(|| log_probabilities(model, sample));
            let gradients = answers.narrow(0, class.min(classes - 1), 1).sum().backward();
            let gradients = GradientsParams::from_grads(gradients, model);
            model.visit(&mut AddSquares { sum: &mut sum, gradients, weight: belief / samples as f64 });
        }
    }
    Ok(sum)
}

struct AddSquares<'a> {
    sum: &'a mut GradientsParams,
    gradients: GradientsParams,
    weight: f64,
}

impl ModuleVisitor for AddSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return };
        let square = gradient.clone() * gradient * self.weight;
        let total = match self.sum.remove::<D>(param.id) {
            Some(sum) => sum + square,
            None => square,
        };
        self.sum.register(param.id, total);
    }
}

/// What the old task wants of the weights.
#[derive(Debug)]
pub struct Ewc {
    fisher: GradientsParams,
    anchor: GradientsParams,
}

impl Ewc {
    /// After the old task, with its Fisher information from [`fisher`].
    pub fn new<M: Module>(model: &M, fisher: GradientsParams) -> Self {
        struct Keep(GradientsParams);
        impl ModuleVisitor for Keep {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let value = param.val();
                let value = if value.is_autodiff() { value.inner() } else { value };
                self.0.register(param.id, value);
            }
        }
        let mut anchor = Keep(GradientsParams::new());
        model.visit(&mut anchor);
        Self { fisher, anchor: anchor.0 }
    }

    /// ½ · Σ F·(θ − θ*)², to be added to the new task's loss times λ; of several tasks add the penalties. The model must be the
    /// one [`new`](Self::new) saw, by the ids of its parameters.
    ///
    /// # Panics
    ///
    /// When the model has none of those parameters, or is on a device without autodiff.
    pub fn penalty<M: Module>(&self, model: &M) -> Tensor<1> {
        let mut sum = Penalty { ewc: self, sum: None };
        model.visit(&mut sum);
        match sum.sum {
            Some(sum) => sum * 0.5,
            None => panic!("none of the model's parameters has Fisher information"),
        }
    }
}

struct Penalty<'a> {
    ewc: &'a Ewc,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Penalty<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let of = |tensors: &GradientsParams| tensors.get::<D>(param.id).map(Tensor::from_inner);
        let (Some(fisher), Some(anchor)) = (of(&self.ewc.fisher), of(&self.ewc.anchor)) else { return };
        let moved = param.val() - anchor;
        let term = (moved.clone() * moved * fisher).sum();
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + term,
            None => term,
        });
    }
}

/// A uniform sample of everything seen so far, in bounded memory.
#[derive(Debug, Clone)]
pub struct Reservoir<T> {
    capacity: usize,
    seen: u64,
    items: Vec<T>,
    rng: ChaCha8Rng,
}

impl<T> Reservoir<T> {
    /// For at most `capacity` items; which ones follows from `seed`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when `capacity` is zero.
    pub fn new(capacity: usize, seed: u64) -> Result<Self, ConfigError> {
        fornax_nn_core::config::at_least_one(&[("capacity", capacity)])?;
        Ok(Self { capacity, seen: 0, items: Vec::new(), rng: ChaCha8Rng::seed_from_u64(seed) })
    }

    /// Shows an item, which may be kept in the place of another.
    pub fn push(&mut self, item: T) {
        self.seen += 1;
        if self.items.len() < self.capacity {
            self.items.push(item);
            return;
        }
        let place = self.rng.random_range(0..self.seen);
        if let Some(slot) = usize::try_from(place).ok().and_then(|place| self.items.get_mut(place)) {
            *slot = item;
        }
    }

    /// What is kept.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Draws `count` of the kept items, with replacement; none when nothing is kept.
    pub fn draw(&mut self, count: usize) -> Vec<&T> {
        let len = self.items.len();
        let places: Vec<usize> = match len {
            0 => Vec::new(),
            _ => (0..count).map(|_| self.rng.random_range(0..len)).collect(),
        };
        places.into_iter().map(|place| &self.items[place]).collect()
    }
}

/// Accuracies after each task, on each task up to it: row t has t + 1 entries or more.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskMatrix {
    rows: Vec<Vec<f64>>,
}

impl TaskMatrix {
    /// Adds what was measured after the next task.
    pub fn push(&mut self, accuracies: Vec<f64>) {
        self.rows.push(accuracies);
    }

    /// Mean accuracy over the tasks after the last of them; zero without tasks.
    pub fn average_accuracy(&self) -> f64 {
        self.rows.last().map_or(0.0, |row| mean(row.iter().copied()))
    }

    /// Mean over all tasks but the last of how far each fell from its best; negative when later tasks helped.
    pub fn forgetting(&self) -> f64 {
        let Some((last, before)) = self.rows.split_last() else { return 0.0 };
        let fall = |task: usize| {
            let best =
                before.iter().filter_map(|row| row.get(task)).fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            best - last[task]
        };
        mean((0..before.len().min(last.len())).map(fall))
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / f64::from(count) }
}
