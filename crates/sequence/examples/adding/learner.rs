//! One network in training, watched by the gradient monitor.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor, TensorData};
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::health::{HealthConfig, Monitor};
use fornax_nn_core::optim::AdamConfig;
use fornax_nn_core::train::Error;
use fornax_nn_core::train::checkpoint::{Loaded, Snapshot};
use fornax_nn_core::{ConfigError, clip};
use fornax_prep::Key;
use fornax_prep::worlds::tasks::AddingTask;
use fornax_sequence::many_to_one::regression_loss;
use fornax_sequence::sequence_model::gradient_by_lag;
use fornax_sequence::{Kind, ManyToOne, ManyToOneConfig, SequenceConfig};

/// Sequences as tensors: value and mark of every step `[batch, steps, 2]`, and the sum `[batch, 1]`.
pub(crate) fn batch(task: AddingTask, key: Key, count: u64, device: &Device) -> (Tensor<3>, Tensor<2>) {
    let (mut inputs, mut sums, mut steps) = (Vec::new(), Vec::new(), 0);
    for index in 0..count {
        let sample = task.sample(key, index);
        steps = sample.values.len();
        let marks = sample.marks.iter().map(|&marked| f32::from(u8::from(marked)));
        inputs.extend(sample.values.iter().zip(marks).flat_map(|(value, mark)| [*value, mark]));
        sums.push(sample.target);
    }
    let count = count as usize;
    let inputs = Tensor::from_data(TensorData::new(inputs, [count, steps, 2]), device);
    (inputs, Tensor::from_data(TensorData::new(sums, [count, 1]), device))
}

pub(crate) struct Learner {
    pub(crate) kind: Kind,
    pub(crate) model: ManyToOne,
    optim: ModuleOptimizer,
    pub(crate) monitor: Monitor,
    /// Mean squared error of the last step.
    pub(crate) loss: f64,
}

impl Learner {
    /// An LSTM begins with memories of up to `length` steps.
    pub(crate) fn new(
        kind: Kind,
        hidden: usize,
        length: usize,
        device: &Device,
    ) -> Result<Self, ConfigError> {
        let chrono = (kind == Kind::Lstm && length > 2).then_some(length);
        let body = SequenceConfig::new(kind, 2, hidden).with_chrono(chrono);
        Ok(Self {
            kind,
            model: ManyToOneConfig::new(body, 1).init(device)?,
            optim: AdamConfig::new().init()?,
            monitor: HealthConfig::new().init()?,
            loss: f64::NAN,
        })
    }

    pub(crate) fn restored(self, saved: &Loaded) -> Result<Self, Error> {
        let name = self.kind.name();
        let history = saved.json(&format!("{name}_history"))?;
        Ok(Self {
            model: saved.module(name, self.model)?,
            optim: saved.optimizer(&format!("{name}_optimizer"), self.optim)?,
            monitor: self.monitor.config().resume(history)?,
            ..self
        })
    }

    pub(crate) fn save(&self, snapshot: Snapshot) -> Result<Snapshot, Error> {
        let name = self.kind.name();
        snapshot
            .module(name, &self.model)?
            .optimizer(&format!("{name}_optimizer"), &self.optim)?
            .json(&format!("{name}_history"), self.monitor.history())
    }

    /// One step; a network that broke down stays as it is.
    pub(crate) fn step(
        mut self,
        step: usize,
        (lr, max_norm): (f64, f64),
        inputs: Tensor<3>,
        sums: Tensor<2>,
    ) -> Self {
        if self.monitor.history().breakdown().is_some() {
            return self;
        }
        match gradients(regression_loss(self.model.forward(inputs, None), sums), &self.model) {
            Ok((loss, gradients)) => {
                let (_, gradients) = clip::global_norm(&self.model, gradients, max_norm);
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

    /// Mean squared error on sequences never seen.
    pub(crate) fn error(&self, inputs: Tensor<3>, sums: Tensor<2>) -> f64 {
        regression_loss(self.model.valid().forward(inputs, None), sums).into_scalar()
    }

    /// How far back its gradient reaches now; the monitor is told.
    pub(crate) fn look_back(&mut self, step: usize, inputs: Tensor<3>) -> Vec<f64> {
        let norms = gradient_by_lag(&self.model.body, inputs);
        self.monitor.through_time(step, &norms);
        norms
    }
}
