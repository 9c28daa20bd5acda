//! A small real training: dropout, batch normalisation, Adam, a schedule.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::{ModuleLrScheduler, ModuleLrSchedulerConfig};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::nn::loss::{MseLoss, Reduction};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::train::checkpoint::{self, Snapshot};
use fornax_nn_core::train::{Error, Run, RunArgs};
use serde_json::json;

pub(crate) const SAMPLES: usize = 22;
pub(crate) const BATCH: usize = 6;

/// Everything whose state a resume could get wrong.
#[derive(Module, Debug)]
pub(crate) struct Net {
    fc1: Linear,
    norm: BatchNorm,
    dropout: Dropout,
    fc2: Linear,
}

impl Net {
    pub(crate) fn new(hidden: usize, device: &Device) -> Self {
        let net = Self {
            fc1: LinearConfig::new(3, hidden).init(device),
            norm: BatchNormConfig::new(hidden).init(device),
            dropout: DropoutConfig::new(0.4).init(),
            fc2: LinearConfig::new(hidden, 1).init(device),
        };
        net.map(&mut Number(0))
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.norm.forward(relu(self.fc1.forward(x))); // [B, hidden]
        self.fc2.forward(self.dropout.forward(x)) // [B, 1]
    }
}

/// Burn draws parameter identities at random; numbered ones let two processes' files be compared.
struct Number(u64);

impl ModuleMapper for Number {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        let (_, tensor, mapper) = param.consume();
        Param::from_mapped_value(ParamId::from(self.0), tensor, mapper)
    }
}

fn batch(indices: &[usize], device: &Device) -> (Tensor<2>, Tensor<2>) {
    let x: Vec<f32> = indices
        .iter()
        .flat_map(|&i| [i as f32 / SAMPLES as f32, (i % 5) as f32 - 2.0, (i % 3) as f32 - 1.0])
        .collect();
    let y: Vec<f32> = indices.iter().map(|&i| (i as f32 * 0.7).sin()).collect();
    let x = Tensor::<1>::from_data(x.as_slice(), device).reshape([-1, 3]);
    (x, Tensor::<1>::from_data(y.as_slice(), device).reshape([-1, 1]))
}

/// The whole state of a training.
pub(crate) struct Training {
    pub(crate) net: Net,
    pub(crate) optim: ModuleOptimizer,
    pub(crate) schedule: ModuleLrScheduler,
    /// Counted here and not by the kit, to see that all parts of a generation are of one step.
    steps: u64,
    device: Device,
}

impl Training {
    pub(crate) fn new(seed: u64) -> Self {
        let device = Device::flex().autodiff();
        device.seed(seed);
        Self {
            net: Net::new(8, &device),
            optim: AdamConfig::new().init(),
            schedule: cosine(),
            steps: 0,
            device,
        }
    }

    pub(crate) fn step(&mut self, run: &Run, indices: &[usize]) -> Result<f32, Error> {
        self.device.seed(run.step_seed());
        let (x, y) = batch(indices, &self.device);
        let loss = MseLoss::new().forward(self.net.forward(x), y, Reduction::Mean);
        let (loss, gradients) = run.guard(gradients(loss, &self.net))?;
        let rate = self.schedule.step();
        self.net = self.optim.step(rate, self.net.clone(), gradients);
        self.steps += 1;
        Ok(loss)
    }

    pub(crate) fn evaluate(&self) -> f32 {
        let all: Vec<usize> = (0..SAMPLES).collect();
        let (x, y) = batch(&all, &self.device.clone().inner());
        MseLoss::new().forward(self.net.valid().forward(x), y, Reduction::Mean).into_scalar()
    }

    pub(crate) fn parts(&self, snapshot: Snapshot) -> Result<Snapshot, Error> {
        snapshot
            .module("model", &self.net)?
            .optimizer("optimizer", &self.optim)?
            .scheduler("schedule", &self.schedule)?
            .json("echo", &self.steps)
    }

    pub(crate) fn restore(mut self, run: &mut Run) -> Result<Self, Error> {
        if let Some(saved) = run.resume() {
            self.net = saved.module("model", self.net)?;
            self.optim = saved.optimizer("optimizer", self.optim)?;
            self.schedule = saved.scheduler("schedule", self.schedule)?;
            self.steps = saved.json("echo")?;
        }
        Ok(self)
    }
}

pub(crate) fn cosine() -> ModuleLrScheduler {
    ModuleLrSchedulerConfig::new(CosineAnnealingLrSchedulerConfig::new(0.05, 500).into()).init().unwrap()
}

/// What a test wants of a training besides its result.
pub(crate) struct Wish<'a> {
    pub(crate) epochs: usize,
    /// Checkpoint every so many steps within the epoch.
    pub(crate) every_steps: Option<u64>,
    pub(crate) keep: usize,
    /// Called after each step's checkpoint was due.
    pub(crate) after_step: &'a mut dyn FnMut(&Run),
}

/// Trains in `dir` as an example would.
pub(crate) fn train(dir: &Path, resume: bool, wish: Wish<'_>) -> Result<(), Error> {
    let args = RunArgs { out: Some(dir.to_owned()), seed: 3, resume, ..RunArgs::default() };
    let config = json!({"epochs": wish.epochs, "batch_size": BATCH});
    let mut run = Run::open("small", &args, &config)?.keep_last(wish.keep);
    if let Some(steps) = wish.every_steps {
        run = run.checkpoint_every_steps(steps);
    }
    let mut training = Training::new(run.seed()).restore(&mut run)?;
    for _epoch in run.epochs(wish.epochs) {
        for indices in run.batches(SAMPLES, BATCH)? {
            let loss = training.step(&run, &indices)?;
            run.step([("loss", loss)])?;
            run.checkpoint_if_due(|snapshot| training.parts(snapshot))?;
            (wish.after_step)(&run);
        }
        run.log("train", [("mean_loss", run.epoch_mean("loss"))])?;
        run.log("test", [("loss", training.evaluate())])?;
        run.finish_epoch(|snapshot| training.parts(snapshot))?;
    }
    let loss = run.history("test", "loss")?.last().map_or(f64::NAN, |(_, loss)| *loss);
    run.finish(training.net.num_params(), json!({"test_loss": loss}), "Trained.")
}

/// Generations in a run directory, oldest first.
pub(crate) fn generations(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("checkpoints")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("gen-"));
    paths.sort();
    paths
}

/// All files of a directory by name.
pub(crate) fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (name, bytes) in files(from) {
        fs::write(to.join(name), bytes).unwrap();
    }
}

/// The state of the last generation, without the time it took, which no two runs share.
pub(crate) fn final_state(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let generation = generations(run).pop().expect("a finished run has checkpoints");
    let mut files = files(&generation);
    files
        .retain(|name, _| !["run.json", "manifest.json", "SHA256SUMS", "model.bpk"].contains(&name.as_str()));
    let loaded = checkpoint::newest(&run.join("checkpoints")).unwrap().loaded.unwrap();
    assert_eq!(loaded.path(), generation);
    files.extend(values(&loaded.module("model", Net::new(8, &Device::flex())).unwrap()));
    files.insert("metrics.csv".to_owned(), fs::read(run.join("metrics.csv")).unwrap());
    files
}

/// Every parameter and running statistic by its path. (Their identities are not compared: Burn gives
/// running statistics new ones at every load.)
pub(crate) fn values(net: &Net) -> BTreeMap<String, Vec<u8>> {
    let mut values = Values::default();
    net.visit(&mut values);
    values.found
}

#[derive(Default)]
struct Values {
    path: Vec<String>,
    found: BTreeMap<String, Vec<u8>>,
}

impl ModuleVisitor for Values {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.val().into_data();
        self.found.insert(self.path.join("."), data.as_bytes().to_vec());
    }
}
