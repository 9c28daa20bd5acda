//! From the history to a verdict: every flag of the page with its evidence.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{HealthConfig, History, Norms, Reach, Sample};

/// Samples whose median stands for "the beginning".
const BEGINNING: usize = 3;
/// A gradient this small beside its weights cannot change them in f32 at any usual step size.
const NO_GRADIENT: f64 = 1e-7;
/// A stalled loss counts as vanishing only if the gradient falls by this much on the way down.
const STALLED_GRADIENT: f64 = 0.1;
/// Share of stuck units or saturated elements that is named as a cause.
const MANY_UNITS: f64 = 0.5;

/// What ails a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Too few samples to tell.
    Undecided {
        /// Samples there are.
        samples: usize,
        /// Samples there must be.
        needed: usize,
    },
    /// No flag raised.
    Healthy,
    /// The gradient shrinks on the way down.
    Vanishing {
        /// At least one.
        flags: Vec<Flag>,
        /// What was found that brings it about; may be empty.
        causes: Vec<Cause>,
    },
    /// Parameters, gradient or loss run away. Raised before vanishing when both are found.
    Exploding {
        /// At least one of exploding, perhaps some of vanishing.
        flags: Vec<Flag>,
        /// What was found that brings it about; may be empty.
        causes: Vec<Cause>,
    },
}

/// A layer's weights (biases left out) at one sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerState {
    /// Path in the module.
    pub layer: String,
    /// ‖g‖ / ‖w‖.
    pub relative_gradient: f64,
    /// ‖Δw‖ / ‖w‖.
    pub relative_update: f64,
}

/// A sign of trouble with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "flag", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Flag {
    /// Vanishing: high layers change much while low layers change little or not.
    LowLayersStarved {
        /// The lowest layer, at the last sample.
        low: LayerState,
        /// The highest layer, at the last sample.
        high: LayerState,
        /// Relative gradient of the lower third of layers over that of the upper third; medians over
        /// the window.
        ratio: f64,
        /// The same per layer: `ratio` = `per_layer` to the power of the layers between.
        per_layer: f64,
    },
    /// Vanishing: weights became 0 during training.
    WeightsReachZero {
        /// Path in the module.
        layer: String,
        /// ‖w‖ at the first sample.
        first: f64,
        /// ‖w‖ at the last sample.
        last: f64,
        /// Steps between them.
        steps: usize,
    },
    /// Vanishing: learning is slow and stagnates early, and the gradient shrinks on the way down or is gone.
    Stalled {
        /// Loss at the beginning.
        first_loss: f64,
        /// Loss in the last quarter.
        last_loss: f64,
        /// Share of the first loss won in all.
        total: f64,
        /// Share of the first loss won from the third quarter to the fourth.
        recent: f64,
        /// Steps looked at.
        steps: usize,
    },
    /// Vanishing: of what is decided at the end hardly any gradient reaches the early steps of time.
    FadesThroughTime {
        /// Steps of time looked at.
        lags: usize,
        /// Mean norm over the nearest third of them, at the last look.
        near: f64,
        /// Mean norm over the farthest third of them, at the last look.
        far: f64,
        /// Far over near; the median over the window.
        ratio: f64,
        /// What is left of the gradient after one more step back, at the last look.
        per_step: f64,
    },
    /// Exploding: parameters grow exponentially, ‖w‖ ∝ e^(rate · step).
    ExponentialGrowth {
        /// Path in the module of the layer that grows fastest.
        layer: String,
        /// Slope of log ‖w‖ per step.
        rate: f64,
        /// Steps in which the norm doubles, ln 2 / rate.
        doubling_steps: f64,
        /// How well the straight line fits, at most 1.
        fit: f64,
        /// ‖w‖ at the beginning of the window.
        from: f64,
        /// ‖w‖ now.
        to: f64,
    },
    /// Exploding: loss or gradient jumped and did not come back.
    Avalanche {
        /// Which of the two.
        what: Rising,
        /// Sample at which it was first seen.
        step: usize,
        /// Median of the window before.
        before: f64,
        /// Value at the jump.
        at: f64,
        /// Median since.
        since: f64,
    },
    /// Exploding: a NaN or an infinity, in the weights, or in a loss or gradient that would have made
    /// the weights so.
    NotFinite {
        /// `parameter`, `loss` or `gradient`.
        what: String,
        /// Path of the tensor.
        tensor: String,
        /// `NaN`, `inf` or `-inf`.
        value: String,
        /// Step it was found at.
        step: usize,
    },
}

/// What an avalanche was seen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rising {
    /// The loss.
    Loss,
    /// The norm of the whole gradient.
    Gradient,
}

/// A likely cause, as far as it shows in the measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// Most pre-activations lie where the activation is flat.
    Saturation {
        /// Name of the layer.
        layer: String,
        /// Share of saturated elements.
        share: f64,
    },
    /// Most units give the same for every example: dead, for ReLU.
    StuckUnits {
        /// Name of the layer.
        layer: String,
        /// Share of stuck units.
        share: f64,
    },
    /// The initial parameters gave so large a cost that the first gradient was longer than the parameters
    /// themselves.
    LargeFirstGradient {
        /// Loss at the first sample.
        loss: f64,
        /// ‖g‖ at the first sample.
        gradient: f64,
        /// ‖w‖ at the first sample.
        weight: f64,
    },
}

impl Verdict {
    /// `undecided`, `healthy`, `vanishing` or `exploding`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Undecided { .. } => "undecided",
            Self::Healthy => "healthy",
            Self::Vanishing { .. } => "vanishing",
            Self::Exploding { .. } => "exploding",
        }
    }

    /// The flags raised.
    pub fn flags(&self) -> &[Flag] {
        match self {
            Self::Vanishing { flags, .. } | Self::Exploding { flags, .. } => flags,
            Self::Undecided { .. } | Self::Healthy => &[],
        }
    }

    /// The causes found.
    pub fn causes(&self) -> &[Cause] {
        match self {
            Self::Vanishing { causes, .. } | Self::Exploding { causes, .. } => causes,
            Self::Undecided { .. } | Self::Healthy => &[],
        }
    }

    /// What usually helps, for every flag once.
    pub fn remedies(&self) -> Vec<&'static str> {
        let mut remedies = Vec::new();
        for &remedy in self.flags().iter().flat_map(|flag| flag.remedies()) {
            if !remedies.contains(&remedy) {
                remedies.push(remedy);
            }
        }
        remedies
    }
}

impl Flag {
    /// Whether this is a sign of an exploding gradient; of a vanishing one otherwise.
    pub fn is_exploding(&self) -> bool {
        matches!(self, Self::ExponentialGrowth { .. } | Self::Avalanche { .. } | Self::NotFinite { .. })
    }

    /// What usually helps, the first thing to try first.
    pub fn remedies(&self) -> &'static [&'static str] {
        match self {
            Self::LowLayersStarved { .. } => &[
                "use ReLU or a relative of it in the hidden layers instead of sigmoid or tanh",
                "initialise to the activation: He for ReLU, Xavier for tanh",
                "add normalisation layers or residual connections",
                "make the network shallower",
            ],
            Self::WeightsReachZero { .. } => &[
                "lower the weight decay or the L1 penalty",
                "initialise to the activation: He for ReLU, Xavier for tanh",
                "check that the layer's input is not constant",
            ],
            Self::Stalled { .. } => &[
                "initialise to the activation: He for ReLU, Xavier for tanh",
                "add normalisation layers or residual connections",
                "run a learning rate range test: the rate may be far too low",
                "use leaky ReLU if units are dead",
            ],
            Self::FadesThroughTime { .. } => &[
                "use gates: an LSTM whose forget gate begins near 1, or a GRU",
                "let the memory begin as long as the sequence: chrono initialisation",
                "look back by attention instead of carrying a state",
                "begin with a recurrent matrix that is orthogonal, or the identity with ReLU",
            ],
            Self::ExponentialGrowth { .. } => &[
                "lower the learning rate: it exceeds 2 / curvature",
                "clip the gradient by its global norm",
                "add weight decay",
            ],
            Self::Avalanche { .. } => &[
                "clip the gradient by its global norm",
                "lower the learning rate, or warm it up",
                "look for outliers in the batch at this step",
            ],
            Self::NotFinite { .. } => &[
                "clip the gradient by its global norm",
                "lower the learning rate, or warm it up",
                "start from smaller weights: He or Xavier initialisation, normalised inputs",
                "look for NaN in the data and for log(0), 0/0 or √0 in the loss",
            ],
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecided { samples, needed } => {
                write!(f, "undecided: {samples} of the {needed} samples needed")
            }
            Self::Healthy => f.write_str("healthy: no flag raised"),
            Self::Vanishing { flags, causes } | Self::Exploding { flags, causes } => {
                write!(f, "{}:", self.name())?;
                for (i, flag) in flags.iter().enumerate() {
                    write!(f, "{} {flag}", if i == 0 { "" } else { ";" })?;
                }
                for cause in causes {
                    write!(f, "; cause: {cause}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LowLayersStarved { low, high, ratio, per_layer } => write!(
                f,
                "low layers starve: relative gradient {:.1e} in {} against {:.1e} in {}, lower to upper \
                 third {ratio:.1e}, {per_layer:.2} per layer",
                low.relative_gradient, low.layer, high.relative_gradient, high.layer
            ),
            Self::WeightsReachZero { layer, first, last, steps } => {
                write!(f, "weights of {layer} reach zero: norm {first:.3e} to {last:.3e} in {steps} steps")
            }
            Self::Stalled { first_loss, last_loss, total, recent, steps } => write!(
                f,
                "learning stalled: loss {first_loss:.4} to {last_loss:.4} in {steps} steps ({:.1} % in all, \
                 {:.1} % lately)",
                100.0 * total,
                100.0 * recent
            ),
            Self::FadesThroughTime { lags, near, far, per_step, .. } => write!(
                f,
                "gradient fades through time: norm {near:.1e} over the nearest third of {lags} steps back, \
                 {far:.1e} over the farthest, {per_step:.2} per step"
            ),
            Self::ExponentialGrowth { layer, doubling_steps, fit, from, to, .. } => write!(
                f,
                "weights of {layer} grow exponentially: norm {from:.3e} to {to:.3e}, doubling in \
                 {doubling_steps:.1} steps (R² {fit:.3})"
            ),
            Self::Avalanche { what, step, before, at, .. } => {
                let what = match what {
                    Rising::Loss => "loss",
                    Rising::Gradient => "gradient norm",
                };
                write!(f, "avalanche: {what} from {before:.3e} to {at:.3e} at step {step}")
            }
            Self::NotFinite { what, tensor, value, step } => {
                write!(f, "{what} of {tensor} is {value} at step {step}")
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saturation { layer, share } => {
                write!(f, "{:.0} % of {layer} is saturated", 100.0 * share)
            }
            Self::StuckUnits { layer, share } => {
                write!(f, "{:.0} % of the units of {layer} are stuck", 100.0 * share)
            }
            Self::LargeFirstGradient { loss, gradient, weight } => write!(
                f,
                "initial parameters of norm {weight:.2e} cost {loss:.2e}, a gradient of norm {gradient:.2e}"
            ),
        }
    }
}

impl History {
    /// Judges the run by the thresholds of `config`.
    pub fn verdict(&self, config: &HealthConfig) -> Verdict {
        let mut flags: Vec<Flag> = Vec::new();
        flags.extend(self.not_finite());
        flags.extend(self.avalanche(config));
        flags.extend(self.exponential_growth(config));
        let enough = self.samples().len() >= config.min_samples;
        if enough {
            let starved = self.starved_ratio(config);
            flags.extend(starved.and_then(|ratio| self.low_layers_starved(ratio, config)));
            flags.extend(self.weights_reach_zero(config));
            flags.extend(self.stalled(starved, config));
            flags.extend(self.fades_through_time(config));
        }
        if flags.iter().any(Flag::is_exploding) {
            Verdict::Exploding { flags, causes: self.large_first_gradient().into_iter().collect() }
        } else if !flags.is_empty() {
            Verdict::Vanishing { flags, causes: self.inactive_units() }
        } else if enough {
            Verdict::Healthy
        } else {
            Verdict::Undecided { samples: self.samples().len(), needed: config.min_samples }
        }
    }

    /// Layers that have weights, not only biases or scales.
    fn weighted_layers(&self) -> Vec<&str> {
        let has_weight = |layer: &&str| {
            self.parameters().iter().any(|parameter| parameter.rank >= 2 && parameter.layer() == *layer)
        };
        self.layers().into_iter().filter(has_weight).collect()
    }

    fn window(&self, config: &HealthConfig) -> &[Sample] {
        let samples = self.samples();
        &samples[samples.len().saturating_sub(config.window)..]
    }

    fn not_finite(&self) -> Option<Flag> {
        if let Some(breakdown) = self.breakdown() {
            return Some(Flag::NotFinite {
                what: breakdown.what.clone(),
                tensor: breakdown.tensor.clone(),
                value: breakdown.value.clone(),
                step: breakdown.step,
            });
        }
        self.samples().iter().find_map(|sample| {
            self.parameters().iter().zip(&sample.norms).find_map(|(parameter, norms)| {
                let norms = norms.as_ref()?;
                let (what, norm) = [("parameter", norms.weight), ("gradient", norms.gradient)]
                    .into_iter()
                    .find(|(_, norm)| !norm.is_finite())?;
                Some(Flag::NotFinite {
                    what: what.to_owned(),
                    tensor: parameter.path.clone(),
                    value: norm.to_string(),
                    step: sample.step,
                })
            })
        })
    }

    /// Relative gradient of the lower third of the layers over that of the upper third: medians of
    /// layers, then of the window. `None` with fewer than three layers or no gradient at the top.
    fn starved_ratio(&self, config: &HealthConfig) -> Option<f64> {
        let layers = self.weighted_layers();
        if layers.len() < 3 {
            return None;
        }
        let third = layers.len() / 3;
        let ratios = self.window(config).iter().filter_map(|sample| {
            let relative = |layers: &[&str]| {
                median(layers.iter().filter_map(|layer| {
                    self.layer_norms(sample, layer, 2).map(|norms| norms.gradient / norms.weight)
                }))
            };
            let low = relative(&layers[..third])?;
            let high = relative(&layers[layers.len() - third..])?;
            (high > 0.0).then(|| low / high)
        });
        median(ratios)
    }

    fn layer_state(&self, layer: &str) -> Option<LayerState> {
        let Norms { gradient, weight, update } = self.layer_norms(self.samples().last()?, layer, 2)?;
        Some(LayerState {
            layer: layer.to_owned(),
            relative_gradient: gradient / weight,
            relative_update: update / weight,
        })
    }

    fn low_layers_starved(&self, ratio: f64, config: &HealthConfig) -> Option<Flag> {
        if ratio >= config.starved_ratio {
            return None;
        }
        let layers = self.weighted_layers();
        let between = layers.len() - layers.len() / 3;
        Some(Flag::LowLayersStarved {
            low: self.layer_state(layers.first()?)?,
            high: self.layer_state(layers.last()?)?,
            ratio,
            per_layer: ratio.powf(1.0 / between as f64),
        })
    }

    fn weights_reach_zero(&self, config: &HealthConfig) -> Option<Flag> {
        let (start, end) = (self.samples().first()?, self.samples().last()?);
        self.weighted_layers().into_iter().find_map(|layer| {
            let first = self.layer_norms(start, layer, 2)?.weight;
            let last = self.layer_norms(end, layer, 2)?.weight;
            (last < config.zero_ratio * first).then(|| Flag::WeightsReachZero {
                layer: layer.to_owned(),
                first,
                last,
                steps: end.step - start.step,
            })
        })
    }

    fn stalled(&self, starved: Option<f64>, config: &HealthConfig) -> Option<Flag> {
        let samples = self.samples();
        let n = samples.len();
        if n < 2 * config.min_samples {
            return None;
        }
        let loss = |samples: &[Sample]| median(samples.iter().map(|sample| sample.loss));
        let first_loss = loss(&samples[..BEGINNING])?;
        let third = loss(&samples[n / 2..3 * n / 4])?;
        let last_loss = loss(&samples[3 * n / 4..])?;
        let total = (first_loss - last_loss) / first_loss.abs();
        let recent = (third - last_loss) / first_loss.abs();
        let slow = total < config.stalled_total && recent < config.stalled_recent;
        // A flat loss alone has other causes, such as a low rate or labels that do not depend on the input.
        let fades = starved.is_some_and(|ratio| ratio < STALLED_GRADIENT);
        let gone = self.window(config).iter().all(|sample| {
            let norms = Self::global_norms(sample);
            norms.gradient < NO_GRADIENT * norms.weight
        });
        let steps = samples[n - 1].step - samples[0].step;
        (slow && (fades || gone)).then_some(Flag::Stalled { first_loss, last_loss, total, recent, steps })
    }

    fn fades_through_time(&self, config: &HealthConfig) -> Option<Flag> {
        let ratios = self.reaches().iter().filter(|reach| reach.near > 0.0);
        let ratio = median(ratios.map(|reach| reach.far / reach.near))?;
        let &Reach { lags, near, far, per_step, .. } = self.reaches().last()?;
        (ratio < config.starved_ratio).then_some(Flag::FadesThroughTime { lags, near, far, ratio, per_step })
    }

    fn exponential_growth(&self, config: &HealthConfig) -> Option<Flag> {
        let window = self.window(config);
        if window.len() < 5 {
            return None;
        }
        let mut fastest: Option<(f64, Flag)> = None;
        for layer in self.weighted_layers() {
            let points: Vec<(f64, f64)> = window
                .iter()
                .filter_map(|sample| Some((sample.step as f64, self.layer_norms(sample, layer, 2)?.weight)))
                .filter(|(_, norm)| *norm > 0.0 && norm.is_finite())
                .collect();
            let (Some(&(_, from)), Some(&(_, to))) = (points.first(), points.last()) else { continue };
            if points.len() < 5 || to < config.growth_factor * from {
                continue;
            }
            let logs: Vec<(f64, f64)> = points.iter().map(|(step, norm)| (*step, norm.ln())).collect();
            let (rate, fit) = line_fit(&logs);
            let (_, straight) = line_fit(&points);
            // Growth from a start at zero is steep too, but straighter without the logarithm.
            if fit < config.growth_fit || fit <= straight {
                continue;
            }
            if fastest.as_ref().is_none_or(|(best, _)| rate > *best) {
                let doubling_steps = std::f64::consts::LN_2 / rate;
                let layer = layer.to_owned();
                let flag = Flag::ExponentialGrowth { layer, rate, doubling_steps, fit, from, to };
                fastest = Some((rate, flag));
            }
        }
        fastest.map(|(_, flag)| flag)
    }

    fn avalanche(&self, config: &HealthConfig) -> Option<Flag> {
        let losses: Vec<f64> = self.samples().iter().map(|sample| sample.highest_loss).collect();
        let gradients: Vec<f64> =
            self.samples().iter().map(|sample| Self::global_norms(sample).gradient).collect();
        let found = [
            (Rising::Loss, jump(&losses, config.loss_jump, 2.0, config.window)),
            (Rising::Gradient, jump(&gradients, config.gradient_jump, 10.0, config.window)),
        ];
        found.into_iter().find_map(|(what, jump)| {
            let Jump { index, before, at, since } = jump?;
            Some(Flag::Avalanche { what, step: self.samples()[index].step, before, at, since })
        })
    }

    fn large_first_gradient(&self) -> Option<Cause> {
        let first = self.samples().first()?;
        let Norms { gradient, weight, .. } = Self::global_norms(first);
        (gradient > weight).then_some(Cause::LargeFirstGradient { loss: first.loss, gradient, weight })
    }

    fn inactive_units(&self) -> Vec<Cause> {
        let Some(sample) = self.samples().iter().rev().find(|sample| !sample.units.is_empty()) else {
            return Vec::new();
        };
        let mut causes = Vec::new();
        for units in &sample.units {
            let layer = units.layer.clone();
            if units.stuck > MANY_UNITS {
                causes.push(Cause::StuckUnits { layer, share: units.stuck });
            } else if units.saturated > MANY_UNITS {
                causes.push(Cause::Saturation { layer, share: units.saturated });
            }
        }
        causes
    }
}

/// What norms by time lag come down to; nothing with fewer than three.
pub(super) fn reach(step: usize, norms: &[f64]) -> Option<Reach> {
    let third = norms.len() / 3;
    if third == 0 {
        return None;
    }
    let mean = |norms: &[f64]| norms.iter().sum::<f64>() / third as f64;
    let logs = norms.iter().enumerate().filter(|(_, norm)| norm.is_finite() && **norm > 0.0);
    let logs: Vec<(f64, f64)> = logs.map(|(lag, norm)| (lag as f64, norm.ln())).collect();
    Some(Reach {
        step,
        lags: norms.len(),
        near: mean(&norms[..third]),
        far: mean(&norms[norms.len() - third..]),
        per_step: line_fit(&logs).0.exp(),
    })
}

struct Jump {
    index: usize,
    before: f64,
    at: f64,
    since: f64,
}

/// The first value that is `factor` times the median of the window before it, and `worse` times the
/// beginning both then and in the median since.
fn jump(values: &[f64], factor: f64, worse: f64, window: usize) -> Option<Jump> {
    let beginning = median(values.iter().take(BEGINNING).copied())?.abs();
    if beginning == 0.0 {
        return None;
    }
    (BEGINNING..values.len()).find_map(|index| {
        let at = values[index];
        let before = median(values[index.saturating_sub(window)..index].iter().copied())?;
        let since = median(values[index..].iter().copied())?;
        let runs_away = at > factor * before.abs() && at.min(since) > worse * beginning;
        runs_away.then_some(Jump { index, before, at, since })
    })
}

/// Median of what is finite.
fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => None,
        _ if n.is_multiple_of(2) => Some(f64::midpoint(values[n / 2 - 1], values[n / 2])),
        _ => Some(values[n / 2]),
    }
}

/// Least-squares slope of y over x, and R².
fn line_fit(points: &[(f64, f64)]) -> (f64, f64) {
    let n = points.len() as f64;
    let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / n;
    let (mx, my) = (mean(|point| point.0), mean(|point| point.1));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        xx += (x - mx).powi(2);
        xy += (x - mx) * (y - my);
        yy += (y - my).powi(2);
    }
    if xx == 0.0 || yy == 0.0 { (0.0, 0.0) } else { (xy / xx, xy * xy / (xx * yy)) }
}
