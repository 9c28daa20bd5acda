//! What the monitor measured: bounded, serialisable, and as maps of layer × step.

use serde::{Deserialize, Serialize};

/// Everything measured in a run, oldest first.
///
/// In JSON a norm that is not finite is `null`, and reads back as NaN.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    parameters: Vec<Parameter>,
    samples: Vec<Sample>,
    breakdown: Option<Breakdown>,
    /// The latest looks through time.
    #[serde(default)]
    reaches: Vec<Reach>,
    /// Steps between samples now; 0 before a monitor has taken it over.
    pub(super) stride: usize,
    /// Losses since the last sample.
    pub(super) losses: Losses,
}

/// Losses not yet part of a sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Losses {
    #[serde(with = "null_as_nan")]
    sum: f64,
    count: usize,
    #[serde(with = "null_as_nan")]
    highest: f64,
}

impl Losses {
    pub(super) fn add(&mut self, loss: f64) {
        self.highest = if self.count == 0 { loss } else { self.highest.max(loss) };
        self.sum += loss;
        self.count += 1;
    }

    /// Mean and largest, and starts again.
    pub(super) fn take(&mut self) -> (f64, f64) {
        let all = std::mem::take(self);
        (all.sum / all.count.max(1) as f64, all.highest)
    }
}

/// A parameter that learns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Path in the module, such as `body.0.weight`.
    pub path: String,
    /// Number of elements.
    pub elements: usize,
    /// Number of dimensions; 2 or more for weights, 1 for biases and the like.
    pub rank: usize,
}

impl Parameter {
    /// The layer it belongs to: the path without its last part (the path itself at the root).
    pub fn layer(&self) -> &str {
        self.path.rsplit_once('.').map_or(&self.path, |(layer, _)| layer)
    }
}

/// One look at the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Step it was taken at.
    pub step: usize,
    /// Mean loss since the sample before.
    #[serde(with = "null_as_nan")]
    pub loss: f64,
    /// Largest loss since the sample before.
    #[serde(with = "null_as_nan")]
    pub highest_loss: f64,
    /// Norms by parameter, in the order of [`History::parameters`]; `None` or missing at the end for
    /// one that did not learn at this step.
    pub norms: Vec<Option<Norms>>,
    /// Layers looked at by [`Monitor::units`](super::Monitor::units).
    pub units: Vec<Units>,
}

/// Euclidean norms of one parameter. Below about 1e-22 a norm reads as 0: its square underflows f32.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Norms {
    /// ‖g‖, the gradient's.
    #[serde(with = "null_as_nan")]
    pub gradient: f64,
    /// ‖w‖, before the step.
    #[serde(with = "null_as_nan")]
    pub weight: f64,
    /// ‖Δw‖, what the step changed.
    #[serde(with = "null_as_nan")]
    pub update: f64,
}

/// Activity of one layer's units over a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Units {
    /// Name given by the caller.
    pub layer: String,
    /// Share of units beyond the same end of the live range for the whole batch; dead ones, for ReLU.
    #[serde(with = "null_as_nan")]
    pub stuck: f64,
    /// Share of elements beyond either end of the live range.
    #[serde(with = "null_as_nan")]
    pub saturated: f64,
}

/// How far back through time a gradient reached, at one step of the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// Step it was looked at.
    pub step: usize,
    /// Steps of time there were.
    pub lags: usize,
    /// Mean norm over the nearest third of them.
    #[serde(with = "null_as_nan")]
    pub near: f64,
    /// Mean norm over the farthest third of them.
    #[serde(with = "null_as_nan")]
    pub far: f64,
    /// What is left of it after one more step, by the slope of the logarithm over all lags whose norm is not 0.
    #[serde(with = "null_as_nan")]
    pub per_step: f64,
}

/// The NaN or infinity that ended the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakdown {
    /// Step that failed.
    pub step: usize,
    /// `parameter`, `loss` or `gradient`.
    pub what: String,
    /// Path of the tensor.
    pub tensor: String,
    /// `NaN`, `inf` or `-inf`.
    pub value: String,
}

/// What a [`HeatMap`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Quantity {
    /// ‖g‖ of all parameters of the layer.
    Gradient,
    /// ‖w‖ of all parameters of the layer.
    Weight,
    /// ‖Δw‖ / ‖w‖: what one step changes. About 1e-3 is usual in healthy training.
    UpdateRatio,
    /// Share of stuck (dead) units.
    Stuck,
    /// Share of saturated elements.
    Saturated,
}

/// A quantity over layers and steps, ready to be drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Rows, in the order the module declares them.
    pub layers: Vec<String>,
    /// Columns.
    pub steps: Vec<usize>,
    /// `values[layer][column]`; `None` where nothing was measured or it is not finite.
    pub values: Vec<Vec<Option<f64>>>,
}

impl History {
    /// Every parameter seen learning, in the order the module declares them.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// What ended the run, if something did.
    pub fn breakdown(&self) -> Option<&Breakdown> {
        self.breakdown.as_ref()
    }

    /// The latest looks of [`Monitor::through_time`](super::Monitor::through_time), oldest first.
    pub fn reaches(&self) -> &[Reach] {
        &self.reaches
    }

    /// Layers that learn, in the order the module declares them.
    pub fn layers(&self) -> Vec<&str> {
        let mut layers: Vec<&str> = Vec::new();
        for parameter in &self.parameters {
            if !layers.contains(&parameter.layer()) {
                layers.push(parameter.layer());
            }
        }
        layers
    }

    /// One quantity of every layer at every sample.
    pub fn heat_map(&self, quantity: Quantity) -> HeatMap {
        let steps = self.samples.iter().map(|sample| sample.step).collect();
        let over_samples = |value: &dyn Fn(&Sample) -> Option<f64>| -> Vec<Option<f64>> {
            self.samples.iter().map(|sample| value(sample).filter(|value| value.is_finite())).collect()
        };
        let (layers, values) = match quantity {
            Quantity::Gradient | Quantity::Weight | Quantity::UpdateRatio => {
                let layers = self.layers();
                let values = layers
                    .iter()
                    .map(|layer| {
                        over_samples(&|sample| {
                            let norms = self.layer_norms(sample, layer, 0)?;
                            Some(match quantity {
                                Quantity::Gradient => norms.gradient,
                                Quantity::Weight => norms.weight,
                                _ => norms.update / norms.weight,
                            })
                        })
                    })
                    .collect();
                (layers, values)
            }
            Quantity::Stuck | Quantity::Saturated => {
                let mut layers: Vec<&str> = Vec::new();
                for units in self.samples.iter().flat_map(|sample| &sample.units) {
                    if !layers.contains(&units.layer.as_str()) {
                        layers.push(&units.layer);
                    }
                }
                let values = layers
                    .iter()
                    .map(|layer| {
                        over_samples(&|sample| {
                            let units = sample.units.iter().find(|units| units.layer == *layer)?;
                            Some(if quantity == Quantity::Stuck { units.stuck } else { units.saturated })
                        })
                    })
                    .collect();
                (layers, values)
            }
        };
        HeatMap { layers: layers.into_iter().map(str::to_owned).collect(), steps, values }
    }

    /// Norms of a layer's parameters of at least `rank` dimensions, taken as one vector.
    pub(super) fn layer_norms(&self, sample: &Sample, layer: &str, rank: usize) -> Option<Norms> {
        let mut found = false;
        let mut squares = Norms { gradient: 0.0, weight: 0.0, update: 0.0 };
        for (parameter, norms) in self.parameters.iter().zip(&sample.norms) {
            if let Some(norms) = norms
                && parameter.rank >= rank
                && parameter.layer() == layer
            {
                found = true;
                squares.gradient += norms.gradient.powi(2);
                squares.weight += norms.weight.powi(2);
                squares.update += norms.update.powi(2);
            }
        }
        found.then(|| Norms {
            gradient: squares.gradient.sqrt(),
            weight: squares.weight.sqrt(),
            update: squares.update.sqrt(),
        })
    }

    /// Norms of all parameters of a sample, taken as one vector.
    pub(super) fn global_norms(sample: &Sample) -> Norms {
        let norm = |part: fn(&Norms) -> f64| {
            sample.norms.iter().flatten().map(|norms| part(norms).powi(2)).sum::<f64>().sqrt()
        };
        Norms {
            gradient: norm(|norms| norms.gradient),
            weight: norm(|norms| norms.weight),
            update: norm(|norms| norms.update),
        }
    }

    /// The index of a parameter, which is new the first time it is seen.
    pub(super) fn slot(&mut self, parameter: Parameter) -> usize {
        match self.parameters.iter().position(|known| known.path == parameter.path) {
            Some(slot) => slot,
            None => {
                self.parameters.push(parameter);
                self.parameters.len() - 1
            }
        }
    }

    pub(super) fn push(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// Keeps the latest `capacity` of them.
    pub(super) fn push_reach(&mut self, reach: Reach, capacity: usize) {
        self.reaches.push(reach);
        let surplus = self.reaches.len().saturating_sub(capacity);
        self.reaches.drain(..surplus);
    }

    pub(super) fn break_down(&mut self, breakdown: Breakdown) {
        self.breakdown = Some(breakdown);
    }

    /// Doubles the stride and keeps the samples at multiples of it, the first one and the last one. The
    /// largest loss of a dropped sample passes to the next one kept.
    pub(super) fn thin(&mut self) {
        self.stride *= 2;
        let mut kept: Vec<Sample> = Vec::with_capacity(self.samples.len() / 2 + 1);
        let mut highest = f64::NEG_INFINITY;
        let last = self.samples.len() - 1;
        for (i, mut sample) in self.samples.drain(..).enumerate() {
            highest = highest.max(sample.highest_loss);
            if i == 0 || i == last || sample.step.is_multiple_of(self.stride) {
                sample.highest_loss = if sample.highest_loss.is_nan() { f64::NAN } else { highest };
                highest = f64::NEG_INFINITY;
                kept.push(sample);
            }
        }
        self.samples = kept;
    }
}

/// JSON has no NaN: write `null`, read it back as NaN.
mod null_as_nan {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.is_finite().then_some(*value).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}
