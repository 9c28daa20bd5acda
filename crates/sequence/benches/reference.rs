//! Our side of `cargo xtask bench sequence`; `xtask/reference/bench.py` is PyTorch's.
//!
//! The only argument is the number of timed repetitions.

use std::error::Error;

use burn::module::Module;
use fornax_nn_core::DeviceChoice;
use fornax_nn_core::check::bench::Bench;
use fornax_nn_core::check::fill;
use fornax_sequence::generate::{GenerateConfig, generate};
use fornax_sequence::gpt::{Batch, Gpt, GptConfig, optimizer, train_step};

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let repetitions = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(10);
    let mut bench = Bench::new(repetitions);
    gpt(&mut bench)?;
    generation(&mut bench)?;
    println!("{}", bench.to_json()?);
    Ok(())
}

/// Four layers of 256, contexts of 128 letters out of 65.
fn small() -> GptConfig {
    GptConfig::nano(65).with_context(128).with_d_model(256)
}

/// A training step with clipped gradients and AdamW, eight windows of 128 letters.
fn gpt(bench: &mut Bench) -> Result<(), Box<dyn Error>> {
    let device = DeviceChoice::Flex.open()?.autodiff();
    let model: Gpt = fill::fill(small().init(&device)?);
    let inputs = fill::targets("inputs", [8, 128], 65, &device);
    let batch = Batch { inputs, targets: fill::targets("targets", [8, 128], 65, &device), real: None };
    let mut optim = optimizer(&model)?;
    let mut model = Some(model);
    let mut failure = None;
    bench.case("gpt 4x256 T128 b8 train", || {
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
