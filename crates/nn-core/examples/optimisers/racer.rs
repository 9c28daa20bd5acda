//! A point on the landscape and the optimiser that moves it.

use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::landscape::{Landscape, Point};
use fornax_nn_core::optim::OptimizerKind;
use fornax_nn_core::train::Error;
use fornax_nn_core::train::checkpoint::{Loaded, Snapshot};

/// Heights below this are as good as zero: f32 knows no better.
pub(crate) const FLOOR: f64 = 1e-12;
/// Whoever is this far from the origin does not come back.
const HORIZON: f64 = 1e3;

pub(crate) struct Racer {
    pub(crate) kind: OptimizerKind,
    pub(crate) lr: f64,
    landscape: Landscape,
    point: Point,
    optim: ModuleOptimizer,
    /// Where it was before each step, and is now.
    pub(crate) path: Vec<[f64; 2]>,
}

impl Racer {
    pub(crate) fn new(
        kind: OptimizerKind,
        lr: f64,
        landscape: Landscape,
        device: &Device,
    ) -> Result<Self, ConfigError> {
        let point = Point::new(landscape.start(), device);
        Ok(Self { kind, lr, landscape, point, optim: kind.config().init()?, path: vec![landscape.start()] })
    }

    /// One step downhill on the examples this kind of optimiser looks at; who fell out stays where it is.
    pub(crate) fn step(mut self, tilts: &Tensor<2>) -> Self {
        if self.fell_out() {
            return self;
        }
        let position = self.point.position.val(); // [2]
        let mut loss = self.landscape.loss(position.clone());
        let tilt = match self.kind {
            OptimizerKind::Sgd => Some(tilts.clone().slice(0..1)), // [1, 2]
            OptimizerKind::MiniBatchSgd => Some(tilts.clone().mean_dim(0)), // [1, 2]
            _ => None,
        };
        if let Some(tilt) = tilt {
            loss = loss + (tilt.squeeze_dim::<1>(0) * position).sum();
        }
        let Ok((_, gradients)) = gradients(loss, &self.point) else {
            self.path.push([f64::NAN; 2]);
            return self;
        };
        self.point = self.optim.step(self.lr, self.point, gradients);
        self.path.push(self.point.coordinates());
        self
    }

    fn at(&self) -> [f64; 2] {
        self.path.last().copied().unwrap_or([f64::NAN; 2])
    }

    fn fell_out(&self) -> bool {
        let [x, y] = self.at();
        let distance = x.hypot(y);
        distance.is_nan() || distance > HORIZON
    }

    /// How far above the minimum it is; NaN once it fell out.
    pub(crate) fn height(&self) -> f64 {
        if self.fell_out() { f64::NAN } else { self.heights().last().unwrap_or(f64::NAN) }
    }

    /// How far above the minimum it was, step by step.
    pub(crate) fn heights(&self) -> impl Iterator<Item = f64> {
        self.path.iter().map(|&at| self.landscape.value(at) - self.landscape.minimum())
    }

    /// Distances to the nearest minimum, step by step.
    pub(crate) fn distances(&self) -> impl Iterator<Item = f64> {
        self.path.iter().map(|&at| self.landscape.distance_to_minimum(at))
    }

    pub(crate) fn distance(&self) -> f64 {
        if self.fell_out() { f64::NAN } else { self.landscape.distance_to_minimum(self.at()) }
    }

    /// The height, with those who fell out last.
    pub(crate) fn rank(&self) -> f64 {
        if self.fell_out() { f64::INFINITY } else { self.height() }
    }

    /// What learning rates are chosen by: the mean over the steps of log₁₀ of the greatest height from there on, which
    /// rewards getting down early, far, and for good.
    pub(crate) fn score(&self) -> f64 {
        if self.fell_out() {
            return f64::INFINITY;
        }
        let heights: Vec<f64> = self.heights().collect();
        let greatest = heights.iter().rev().scan(FLOOR, |greatest, height| {
            *greatest = height.max(*greatest);
            Some(greatest.log10())
        });
        greatest.sum::<f64>() / heights.len() as f64
    }

    pub(crate) fn save(&self, snapshot: Snapshot) -> Result<Snapshot, Error> {
        let name = self.kind.name();
        snapshot
            .module(name, &self.point)?
            .optimizer(&format!("{name}_optimizer"), &self.optim)?
            .json(&format!("{name}_path"), &(self.lr, &self.path))
    }

    pub(crate) fn restored(self, saved: &Loaded) -> Result<Self, Error> {
        let name = self.kind.name();
        let (lr, path) = saved.json(&format!("{name}_path"))?;
        let point = saved.module(name, self.point)?;
        let optim = saved.optimizer(&format!("{name}_optimizer"), self.optim)?;
        Ok(Self { lr, path, point, optim, ..self })
    }
}
