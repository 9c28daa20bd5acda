//! A promise that is broken must be noticed: each test breaks one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::check::fill;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};

#[derive(Debug, Clone, Serialize, serde::Deserialize)]
struct Sizes {
    width: usize,
    dropout: f64,
    /// Which promise to break.
    flaw: String,
}

#[derive(Module, Debug)]
struct Net {
    one: Linear,
    two: Linear,
    dropout: Dropout,
    #[module(skip)]
    flaw: String,
}

struct Case {
    flaw: &'static str,
}

impl Contract for Case {
    type Config = Sizes;
    type Model = Net;

    fn config(&self) -> Sizes {
        Sizes { width: 16, dropout: 0.5, flaw: self.flaw.to_owned() }
    }

    fn without_noise(&self) -> Sizes {
        Sizes { dropout: 0.0, ..self.config() }
    }

    fn init(&self, config: &Sizes, device: &Device) -> Net {
        Net {
            one: LinearConfig::new(5, config.width).init(device),
            two: LinearConfig::new(config.width, 3).init(device),
            dropout: DropoutConfig::new(config.dropout).init(),
            flaw: config.flaw.clone(),
        }
    }

    fn forward(&self, model: &Net, batch: usize, device: &Device) -> Output {
        let x = fill::input("x", [batch, 5], device);
        let mut y = model.two.forward(model.dropout.forward(model.one.forward(x).tanh()));
        if model.flaw == "batch" {
            y = y.clone() - y.mean_dim(0);
        }
        y.into()
    }

    fn loss(&self, model: &Net, batch: usize, device: &Device) -> Tensor<1> {
        let x = fill::input("x", [batch, 5], device);
        let hidden = model.one.forward(x).tanh();
        let hidden = if model.flaw == "gradient" { hidden.detach() } else { hidden };
        let y = model.two.forward(model.dropout.forward(hidden));
        let target = match model.flaw.as_str() {
            // A target that moves along is never reached.
            "overfit" => y.clone().detach() + 1.0,
            _ => fill::input("y", [batch, 3], device),
        };
        (y - target).square().mean()
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, if self.flaw == "shape" { 4 } else { 3 }]
    }

    fn parameters(&self) -> usize {
        (5 * 16 + 16) + (16 * 3 + 3) + usize::from(self.flaw == "count")
    }

    fn overfit(&self) -> Overfit {
        Overfit { lr: 0.03, ..Overfit::default() }
    }

    fn without_gradient(&self) -> Vec<&str> {
        if self.flaw == "exception" { vec!["two.bias"] } else { Vec::new() }
    }
}

crate::contract! {
    sound: Case { flaw: "" };
}

fn complaint(check: impl FnOnce(&Case, &Device), flaw: &'static str) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| check(&Case { flaw }, &Device::flex())))
        .expect_err("the flaw went unnoticed");
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(_) => "no message".to_owned(),
    }
}

#[test]
fn a_wrong_shape_is_noticed() {
    let message = complaint(output_has_the_documented_shape, "shape");
    assert!(message.contains("output shape for a batch of 1"), "{message}");
}

#[test]
fn a_parameter_without_gradient_is_named() {
    let message = complaint(every_parameter_gets_a_gradient, "gradient");
    assert!(message.contains("one.weight (norm 0), one.bias (norm 0)"), "{message}");
}

#[test]
fn an_exception_that_does_get_a_gradient_is_named() {
    let message = complaint(every_parameter_gets_a_gradient, "exception");
    assert!(message.contains("two.bias (norm "), "{message}");
}

#[test]
fn dependence_on_the_batch_is_noticed() {
    let message = complaint(inference_is_deterministic, "batch");
    assert!(message.contains("one sample alone and as the first of three"), "{message}");
}

#[test]
fn a_wrong_count_is_noticed() {
    let message = complaint(parameters_are_counted, "count");
    assert!(message.contains("trainable parameters"), "{message}");
}

#[test]
fn a_loss_that_does_not_fall_is_noticed() {
    let message = complaint(one_batch_is_learnt_by_heart, "overfit");
    assert!(message.contains("after 200 steps on 8 samples"), "{message}");
}

#[test]
fn the_training_curve_repeats_itself_and_falls() {
    let case = Case { flaw: "" };
    let first = training_curve(&case, &Device::flex(), 20);
    assert_eq!(first, training_curve(&case, &Device::flex(), 20));
    assert!(first[19] < first[0], "{first:?}");
}

#[cfg(feature = "wgpu-unfused")]
#[test]
#[allow(clippy::print_stderr)]
fn adapters_are_listed_or_the_skip_is_said_wgpu() {
    use burn::tensor::DeviceType;

    // `cargo xtask test-all` reads these lines to decide whether and where the other wgpu tests run.
    let adapters = Device::enumerate(DeviceType::Wgpu).into_vec();
    for adapter in &adapters {
        eprintln!("wgpu adapter: {adapter:?}");
    }
    let opened = DeviceChoice::Wgpu(Default::default()).open();
    assert_eq!(opened.is_ok(), !adapters.is_empty());
    if adapters.is_empty() {
        eprintln!("skipped: no wgpu adapter");
    }
}
