//! Our side of `cargo xtask bench sequence`; `xtask/reference/bench.py` is PyTorch's.
//!
//! The only argument is the number of timed repetitions.

use std::error::Error;

use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::Tensor;
use fornax_nn_core::DeviceChoice;
use fornax_nn_core::check::bench::Bench;
use fornax_nn_core::check::fill;
use fornax_nn_core::gradient::gradients;
use fornax_sequence::generate::{GenerateConfig, generate};
use fornax_sequence::gpt::{Batch, Gpt, GptConfig, optimizer, train_step};
use fornax_sequence::{Kind, SequenceConfig};

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let repetitions = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(10);
    let mut bench = Bench::new(repetitions);
    for kind in [Kind::Lstm, Kind::Gru] {
        recurrent(&mut bench, kind)?;
    }
    gpt(&mut bench, "gpt 4x256 T128 b8 train", &small(), 8)?;
    gpt(&mut bench, "gpt 4x128 T64 b12 train", &GptConfig::nano(65), 12)?;
    generation(&mut bench)?;
    println!("{}", bench.to_json()?);
    Ok(())
}

/// 64 features, 128 units, 64 steps, batch 32: a forward pass without gradients, and a training step with Adam.
fn recurrent(bench: &mut Bench, kind: Kind) -> Result<(), Box<dyn Error>> {
    let device = DeviceChoice::Flex.open()?.autodiff();
    let model = fill::fill(SequenceConfig::new(kind, 64, 128).init(&device)?);
    let x: Tensor<3> = fill::input("x", [32, 64, 64], &device);

    let (inference, input) = (model.valid(), x.clone().inner());
    bench.case(&format!("{} 64-128 T64 b32 forward", kind.name()), || {
        inference.forward(input.clone(), None, None).0.into_data();
    });

    let mut optim = AdamConfig::new().init();
    let mut model = Some(model);
    let mut failure = None;
    bench.case(&format!("{} 64-128 T64 b32 train", kind.name()), || {
        if let Some(current) = model.take() {
            let loss = current.forward(x.clone(), None, None).0.square().mean();
            match gradients(loss, &current) {
                Ok((_, gradients)) => model = Some(optim.step(1e-3, current, gradients)),
                Err(error) => failure = Some(error),
            }
        }
    });
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Four layers of 256, contexts of 128 letters out of 65.
fn small() -> GptConfig {
    GptConfig::nano(65).with_context(128).with_d_model(256)
}

/// A training step with clipped gradients and AdamW on windows of letters as long as the context: tokens a second are
/// 1,000 · windows · context over the milliseconds.
fn gpt(bench: &mut Bench, case: &str, config: &GptConfig, windows: usize) -> Result<(), Box<dyn Error>> {
    let device = DeviceChoice::Flex.open()?.autodiff();
    let model: Gpt = fill::fill(config.init(&device)?);
    let letters = |name| fill::targets(name, [windows, config.context], config.vocab_size, &device);
    let batch = Batch { inputs: letters("inputs"), targets: letters("targets"), real: None };
    let mut optim = optimizer(&model)?;
    let mut model = Some(model);
    let mut failure = None;
    bench.case(case, || {
        if let Some(current) = model.take() {
            match train_step(current, &mut optim, 1e-3, batch.clone()) {
                Ok((trained, _)) => model = Some(trained),
                Err(error) => failure = Some(error),
            }
        }
    });
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Hundred tokens from a cache, greedily: tokens a second are 100,000 over the milliseconds.
fn generation(bench: &mut Bench) -> Result<(), Box<dyn Error>> {
    let device = DeviceChoice::Flex.open()?;
    let model = fill::fill(small().init(&device)?).valid();
    let mut failure = None;
    bench.case("gpt 4x256 b1 generate 100 tokens with cache", || {
        if let Err(error) = generate(&model, &[[1, 2, 3, 4]], &GenerateConfig::greedy(100), 0) {
            failure = Some(error);
        }
    });
    failure.map_or(Ok(()), |error| Err(error.into()))
}
