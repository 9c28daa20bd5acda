//! # Few-shot classification: prototypical networks
//!
//! Classes that were never seen in training, one or five examples of each: too few to train on, enough to compare with. A
//! network learns, on other classes, an embedding in which examples of a class lie around their mean:
//!
//! ```text
//! prototype   c_k = 1/|S_k| · Σ_{x in S_k} f(x)                          S_k: the support, the examples of class k
//! belief      p(k | x) = softmax_k(−‖f(x) − c_k‖²)
//! loss        −ln p(true class | x), over the queries x
//!
//!   support: ways × shots ──▶ f ──▶ mean by class ──▶ prototypes ──┐
//!                                                                  ├──▶ −distance² ──▶ softmax
//!   queries ────────────────▶ f ───────────────────────────────────┘
//! ```
//!
//! It is trained as it will be used, in **episodes**: draw some classes, some examples of each, and ask about others. With
//! −‖·‖² the classifier is linear in f: weights 2c_k, bias −‖c_k‖², so a new class costs a mean.
//!
//! An episode's accuracy is one draw of a random variable; report the mean of many with its interval ([`Interval`]), and on
//! classes that training never saw, or it measures memory.
//!
//! Paper: J. Snell, K. Swersky, R. Zemel, *Prototypical networks for few-shot learning*, 2017
//! (<https://arxiv.org/abs/1703.05175>).

use burn::config::Config;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::gradient::{NonFinite, gradients};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::distance::squared_distances;

/// Sizes of an [`Episode`].
#[derive(Config, Debug, PartialEq)]
pub struct EpisodeConfig {
    /// Classes of an episode.
    pub ways: usize,
    /// Examples given of each.
    pub shots: usize,
    /// Examples asked about, of each. Default: the paper's.
    #[config(default = 15)]
    pub queries: usize,
}

/// A small problem: samples by their index, the support of a class in a run, then that of the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// The classes, in the order of their prototypes.
    pub classes: Vec<usize>,
    /// Examples given: `ways · shots`.
    pub support: Vec<usize>,
    /// Examples asked about: `ways · queries`.
    pub queries: Vec<usize>,
    /// For each of them which of the episode's classes it is.
    pub targets: Vec<usize>,
}

impl EpisodeConfig {
    /// Draws episode `index` of `seed`: classes among `classes`, and examples of them by their `labels`, none twice.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that is zero, or `ways` or `shots` when there are not as many classes or examples.
    pub fn draw(
        &self,
        labels: &[usize],
        classes: &[usize],
        seed: u64,
        index: u64,
    ) -> Result<Episode, ConfigError> {
        at_least_one(&[("ways", self.ways), ("shots", self.shots), ("queries", self.queries)])?;
        if classes.len() < self.ways {
            let reason = format!("{} of {} classes cannot be drawn", self.ways, classes.len());
            return Err(ConfigError::new("ways", reason));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index);
        let mut classes = classes.to_vec();
        shuffle_first(&mut classes, self.ways, &mut rng);
        classes.truncate(self.ways);
        let (mut support, mut queries, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for (way, &class) in classes.iter().enumerate() {
            let mut members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
            let needed = self.shots + self.queries;
            if members.len() < needed {
                let reason = format!("class {class} has {} examples, needed are {needed}", members.len());
                return Err(ConfigError::new("shots", reason));
            }
            shuffle_first(&mut members, needed, &mut rng);
            support.extend(&members[..self.shots]);
            queries.extend(&members[self.shots..needed]);
            targets.extend(std::iter::repeat_n(way, self.queries));
        }
        Ok(Episode { classes, support, queries, targets })
    }
}

/// The first `count` items are a draw without replacement.
fn shuffle_first(items: &mut [usize], count: usize, rng: &mut ChaCha8Rng) {
    for i in 0..count.min(items.len()) {
        items.swap(i, rng.random_range(i..items.len()));
    }
}

/// The means of the support by class.
///
/// # Shapes
///
/// - support: `[ways · shots, features]`, class after class
/// - output: `[ways, features]`
///
/// # Panics
///
/// When the rows are no multiple of `ways`.
pub fn prototypes(support: Tensor<2>, ways: usize) -> Tensor<2> {
    let [rows, features] = support.dims();
    assert!(ways > 0 && rows % ways == 0, "{rows} rows of support are no multiple of {ways} ways");
    support.reshape([ways, rows / ways, features]).mean_dim(1).squeeze_dim(1)
}

/// −‖query − prototype‖².
///
/// # Shapes
///
/// - queries: `[queries, features]`, prototypes: `[ways, features]`
/// - output: `[queries, ways]`
pub fn logits(queries: Tensor<2>, prototypes: Tensor<2>) -> Tensor<2> {
    -squared_distances(queries, prototypes)
}

/// An episode's samples.
#[derive(Debug, Clone)]
pub struct Batch<const D: usize> {
    /// `[ways · shots, …]`, class after class
    pub support: Tensor<D>,
    /// `[ways · queries, …]`
    pub queries: Tensor<D>,
    /// `[ways · queries]`: which of the episode's classes.
    pub targets: Tensor<1, Int>,
    /// Classes of the episode.
    pub ways: usize,
}

impl<const D: usize> Batch<D> {
    /// The logits of the queries under an embedding.
    ///
    /// # Shapes
    ///
    /// - embed: `[n, …]` to `[n, features]`
    /// - output: `[ways · queries, ways]`
    pub fn logits(&self, embed: impl Fn(Tensor<D>) -> Tensor<2>) -> Tensor<2> {
        // Together, so that both see the same statistics where the embedding normalises over the batch.
        let support = self.support.dims()[0];
        let all = embed(Tensor::cat(vec![self.support.clone(), self.queries.clone()], 0));
        let total = all.dims()[0];
        let means = prototypes(all.clone().narrow(0, 0, support), self.ways);
        logits(all.narrow(0, support, total - support), means)
    }
}

/// The targets of an episode as a tensor.
pub fn targets(episode: &Episode, device: &burn::tensor::Device) -> Tensor<1, Int> {
    let values: Vec<i64> = episode.targets.iter().map(|&way| way as i64).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// One step of learning on an episode. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<M: Module, const D: usize>(
    model: M,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: &Batch<D>,
    embed: impl Fn(&M, Tensor<D>) -> Tensor<2>,
) -> Result<(M, f32), NonFinite> {
    let logits = batch.logits(|x| embed(&model, x));
    let loss = CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, batch.targets.clone());
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

/// A mean and how far it may be off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Of the values.
    pub mean: f64,
    /// Half the width of the 95 % interval: 1.96·s/√n, for many values.
    pub half_width: f64,
}

impl Interval {
    /// Of independent values, such as the accuracies of episodes; `None` for fewer than two.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        if values.len() < 2 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Some(Self { mean, half_width: 1.96 * (variance / n).sqrt() })
    }
}
