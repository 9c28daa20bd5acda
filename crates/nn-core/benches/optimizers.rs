//! Time of one optimiser step over ten million parameters, beside Burn's Adam.
//!
//! `cargo bench -p fornax-nn-core --bench optimizers`; one JSON object a line, times in milliseconds, medians. The optimisers take
//! turns, so that a machine that slows down slows all of them.

use std::time::Instant;

use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::optim::OptimizerKind;

/// Ten matrices of a thousand by a thousand.
#[derive(Module, Debug)]
struct TenMillion {
    weights: Vec<Param<Tensor<2>>>,
}

const SIDE: usize = 1_000;
const ROUNDS: usize = 11;

fn main() {
    let device = Device::flex().autodiff();
    let filled = |phase: f32, device: &Device| {
        let values: Vec<f32> = (0..SIDE * SIDE).map(|i| (1.7 * i as f32 + phase).sin() * 0.05).collect();
        Tensor::<1>::from_floats(values.as_slice(), device).reshape([SIDE, SIDE])
    };
    let start =
        TenMillion { weights: (0..10).map(|i| Param::from_tensor(filled(i as f32, &device))).collect() };
    let slope: Tensor<2> = filled(0.5, &Device::flex());

    struct Runner {
        name: &'static str,
        optimizer: ModuleOptimizer,
        lr: f64,
        model: Option<TenMillion>,
        times: Vec<f64>,
    }
    let runner = |name, optimizer, lr| Runner { name, optimizer, lr, model: None, times: Vec::new() };
    let mut runners = vec![runner("burn_adam", burn::optim::AdamConfig::new().init(), 1e-3)];
    for kind in OptimizerKind::ALL {
        match kind.config().init() {
            Ok(optimizer) => runners.push(runner(kind.name(), optimizer, kind.default_lr())),
            Err(error) => panic!("{kind}: {error}"),
        }
    }
    for round in 0..=ROUNDS {
        for runner in &mut runners {
            // Nobody else holds the weights or gradients, as in training: updates may happen in place.
            let model = runner.model.take().unwrap_or_else(|| start.clone());
            let mut gradients = GradientsParams::new();
            for weight in &model.weights {
                gradients.register(weight.id, slope.clone().mul_scalar(0.9 + 0.01 * round as f64));
            }
            let begin = Instant::now();
            let model = runner.optimizer.step(runner.lr, model, gradients);
            let time = begin.elapsed().as_secs_f64() * 1e3;
            runner.model = Some(model);
            // The first round allocates the state.
            if round > 0 {
                runner.times.push(time);
            }
        }
    }
    let median = |times: &[f64]| {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    let adam = median(&runners[0].times);
    for runner in &runners {
        let time = median(&runner.times);
        let line = serde_json::json!({
            "optimizer": runner.name,
            "parameters": 10 * SIDE * SIDE,
            "milliseconds": (time * 100.0).round() / 100.0,
            "of_burn_adam": (time / adam * 1000.0).round() / 1000.0,
        });
        #[allow(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
        {
            println!("{line}");
        }
    }
}
