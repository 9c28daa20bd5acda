//! The four networks and one step of their training.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::activation::{relu, sigmoid, tanh};
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::health::{HealthConfig, LiveRange, Monitor};
use fornax_nn_core::train::Error;
use fornax_nn_core::train::checkpoint::{Loaded, Snapshot};
use fornax_nn_core::{ConfigError, clip, gradient};

use crate::recipe::{Hidden, Recipe};

/// Linear layers with one activation between them.
#[derive(Module, Debug)]
pub(crate) struct Deep {
    layers: Vec<Linear>,
    #[module(skip)]
    recipe: Recipe,
}

impl Deep {
    fn new(recipe: Recipe, width: usize, depth: usize, device: &Device) -> Self {
        let sizes: Vec<usize> = [vec![64], vec![width; depth], vec![10]].concat();
        let initializer = Initializer::KaimingNormal { gain: recipe.gain, fan_out_only: false };
        let layer =
            |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).with_initializer(initializer.clone());
        Self { layers: sizes.windows(2).map(|pair| layer(pair).init(device)).collect(), recipe }
    }

    /// Logits `[B, 10]` of `[B, 64]` pixels, and the pre-activations of every hidden layer.
    fn forward(&self, mut a: Tensor<2>) -> (Tensor<2>, Vec<Tensor<2>>) {
        let mut hidden = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            let z = layer.forward(a.clone());
            if i + 1 == self.layers.len() {
                return (z, hidden);
            }
            let out = match self.recipe.hidden {
                Hidden::Sigmoid => sigmoid(z.clone()),
                Hidden::Tanh => tanh(z.clone()),
                Hidden::Relu => relu(z.clone()),
            };
            a = if self.recipe.residual && i > 0 { a + out } else { out };
            hidden.push(z);
        }
        (a, hidden)
    }
}

/// A network in training, with everything its next step depends on.
pub(crate) struct Network {
    pub(crate) model: Deep,
    optim: ModuleOptimizer,
    pub(crate) monitor: Monitor,
    pub(crate) loss: f64,
}

impl Network {
    pub(crate) fn new(
        recipe: Recipe,
        width: usize,
        depth: usize,
        device: &Device,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            model: Deep::new(recipe, width, depth, device),
            optim: SgdConfig::new().init(),
            // Every step: an explosion is over in a few. The history thins itself out as it grows.
            monitor: HealthConfig::new().with_every(1).init()?,
            loss: f64::NAN,
        })
    }

    pub(crate) fn restored(self, saved: &Loaded) -> Result<Self, Error> {
        let name = self.name();
        let history = saved.json(&format!("{name}_history"))?;
        Ok(Self {
            model: saved.module(name, self.model)?,
            optim: saved.optimizer(&format!("{name}_optimizer"), self.optim)?,
            monitor: self.monitor.config().resume(history)?,
            loss: self.loss,
        })
    }

    pub(crate) fn save(&self, snapshot: Snapshot) -> Result<Snapshot, Error> {
        snapshot
            .module(self.name(), &self.model)?
            .optimizer(&format!("{}_optimizer", self.name()), &self.optim)?
            .json(&format!("{}_history", self.name()), self.monitor.history())
    }

    /// One step of gradient descent under the monitor's eyes; a network that broke down stays as it is.
    pub(crate) fn step(mut self, step: usize, lr: f64, x: Tensor<2>, y: Tensor<1, Int>) -> Self {
        if self.monitor.history().breakdown().is_some() {
            return self;
        }
        let (logits, hidden) = self.model.forward(x);
        let range = match self.model.recipe.hidden {
            Hidden::Sigmoid => LiveRange::SIGMOID,
            Hidden::Tanh => LiveRange::TANH,
            Hidden::Relu => LiveRange::RELU,
        };
        for (i, z) in hidden.iter().enumerate() {
            self.monitor.units(step, &format!("layers.{i}"), z, 1, range);
        }
        let loss = CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, y);
        match gradient::gradients(loss, &self.model) {
            Ok((loss, mut gradients)) => {
                if let Some(longest) = self.model.recipe.clip {
                    (_, gradients) = clip::global_norm(&self.model, gradients, longest);
                }
                self.monitor.before(step, loss, &self.model, &gradients);
                self.model = self.optim.step(lr, self.model, gradients);
                self.monitor.after(&self.model);
                self.loss = f64::from(loss);
            }
            Err(error) => {
                self.monitor.failed(step, &error);
                self.loss = f64::NAN;
            }
        }
        self
    }

    /// Share of the images named right.
    pub(crate) fn accuracy(&self, images: Tensor<2>, labels: &[usize]) -> f64 {
        let (logits, _) = self.model.valid().forward(images);
        let named: Vec<i64> = logits.argmax(1).into_data().iter::<i64>().collect();
        let right = named.iter().zip(labels).filter(|(named, label)| **named == **label as i64).count();
        right as f64 / labels.len() as f64
    }

    pub(crate) fn name(&self) -> &'static str {
        self.model.recipe.name
    }
}
