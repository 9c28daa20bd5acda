//! Our side of `cargo xtask bench nn-core`; `xtask/reference/bench.py` is PyTorch's.
//!
//! One step of each optimiser over ten million parameters, Burn's own Adam beside them, and a training step of a
//! 784-512-512-10 network. The only argument is the number of timed repetitions.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use burn::module::{Module, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::check::bench::Bench;
use fornax_nn_core::check::fill;
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::optim::{AdamConfig, OptimizerKind};

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let repetitions = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(10);
    let mut bench = Bench::new(repetitions);
    network(&mut bench)?;
    for (case, samples) in optimizers(repetitions)? {
        bench.add(&case, samples);
    }
    println!("{}", bench.to_json()?);
    Ok(())
}

/// Ten matrices of a thousand by a thousand.
#[derive(Module, Debug)]
struct TenMillion {
    weights: Vec<Param<Tensor<2>>>,
}

/// Milliseconds by case. Optimisers take turns, so that a machine that slows down slows all of them, and only the step is
/// timed: in training, too, the gradients are there and nobody else holds them.
fn optimizers(repetitions: usize) -> Result<BTreeMap<String, Vec<f64>>, Box<dyn Error>> {
    const SIDE: usize = 1_000;
    let device = Device::flex();
    let filled = |i: usize| fill::input::<2>(&format!("weights.{i}"), [SIDE, SIDE], &device).mul_scalar(0.05);
    let start = TenMillion { weights: (0..10).map(|i| Param::from_tensor(filled(i))).collect() }.train();
    let slope = filled(10);

    type Runner = (String, ModuleOptimizer, f64, Option<TenMillion>);
    let mut runners: Vec<Runner> =
        vec![("step burn adam".to_owned(), burn::optim::AdamConfig::new().init(), 1e-3, None)];
    for kind in OptimizerKind::ALL {
        runners.push((format!("step {kind}"), kind.config().init()?, kind.default_lr(), None));
    }
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for round in 0..repetitions + 2 {
        for (name, optimizer, lr, slot) in &mut runners {
            let model = slot.take().unwrap_or_else(|| start.clone());
            let mut gradients = GradientsParams::new();
            for weight in &model.weights {
                gradients.register(weight.id, slope.clone().mul_scalar(0.9 + 0.01 * round as f64));
            }
            let begin = Instant::now();
            *slot = Some(optimizer.step(*lr, model, gradients));
            let time = begin.elapsed().as_secs_f64() * 1e3;
            // The first rounds allocate the state.
            if round > 1 {
                times.entry(name.clone()).or_default().push(time);
            }
        }
    }
    Ok(times)
}

#[derive(Module, Debug)]
struct Network {
    layers: Vec<Linear>,
}

impl Network {
    fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(if i == 0 { x } else { relu(x) });
        }
        x
    }
}

/// 784-512-512-10 with ReLU, batch 128: forward, backward and Adam's step.
fn network(bench: &mut Bench) -> Result<(), Box<dyn Error>> {
    let device = Device::flex().autodiff();
    let sizes = [[784, 512], [512, 512], [512, 10]];
    let layers = sizes.iter().map(|[from, to]| LinearConfig::new(*from, *to).init(&device)).collect();
    let images = fill::input::<2>("images", [128, 784], &device);
    let targets = fill::targets("targets", [128], 10, &device);
    let loss = CrossEntropyLossConfig::new().init(&device);
    let mut optimizer = AdamConfig::new().init()?;
    let mut model = Some(Network { layers });
    let mut failure = None;
    bench.case("mlp 784-512-512-10 b128 train", || {
        if let Some(current) = model.take() {
            let logits = current.forward(images.clone());
            match gradients(loss.forward(logits, targets.clone()), &current) {
                Ok((_, gradients)) => model = Some(optimizer.step(1e-3, current, gradients)),
                Err(error) => failure = Some(error),
            }
        }
    });
    failure.map_or(Ok(()), |error| Err(error.into()))
}
