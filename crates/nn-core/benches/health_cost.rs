//! What the health monitor costs: training steps of an MLP 784-512-512-10 at batch 128, sampled and not.
//!
//! `cargo bench -p fornax-nn-core --bench health_cost`
#![allow(clippy::print_stdout, reason = "a benchmark reports")]

use std::time::{Duration, Instant};

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamConfig;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};
use fornax_nn_core::gradient::gradients;
use fornax_nn_core::health::{HealthConfig, LiveRange};

const STEPS: usize = 1_000;
const EVERY: usize = 10;

#[derive(Module, Debug)]
struct Mlp {
    layers: Vec<Linear>,
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64) * 1e3
}

fn main() {
    let device = Device::flex().autodiff();
    let sizes = [784, 512, 512, 10];
    for with_units in [false, true] {
        let layers = sizes.windows(2).map(|pair| LinearConfig::new(pair[0], pair[1]).init(&device)).collect();
        let mut model = Mlp { layers };
        let mut optim = AdamConfig::new().init();
        let Ok(mut monitor) = HealthConfig::new().with_every(EVERY).init() else { return };
        let x = Tensor::<2>::random([128, 784], Distribution::Normal(0.0, 1.0), &device);
        let (mut sampled, mut plain) = (Vec::new(), Vec::new());
        for step in 0..STEPS {
            let start = Instant::now();
            let mut hidden = x.clone();
            for (i, layer) in model.layers.iter().enumerate() {
                hidden = layer.forward(hidden);
                if i < 2 {
                    if with_units {
                        monitor.units(step, "hidden", &hidden, 1, LiveRange::RELU);
                    }
                    hidden = relu(hidden);
                }
            }
            let loss = (hidden - 1.0).square().mean();
            let Ok((loss, gradients)) = gradients(loss, &model) else { return };
            monitor.before(step, loss, &model, &gradients);
            model = optim.step(1e-4, model, gradients);
            monitor.after(&model);
            let times = if step % EVERY == 0 { &mut sampled } else { &mut plain };
            times.push(start.elapsed());
        }
        let (sampled, plain) = (median(sampled), median(plain));
        println!(
            "units {with_units}: step {plain:.3} ms, sampled {sampled:.3} ms, sampled every {EVERY}: +{:.2} %",
            100.0 * (sampled - plain) / EVERY as f64 / plain
        );
    }
}
