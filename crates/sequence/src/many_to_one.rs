//! # Many to one: a sequence in, an answer out
//!
//! Whose name is this, what do the two marked numbers add up to, how much electricity tomorrow: the network reads to the end,
//! and a linear layer makes the answer from the last output. Read in two directions, *last* means the last step of the one and
//! the first of the other: each has then seen everything.
//!
//! ```text
//!  x₁ ──▶ [f] ──▶ [f] ──▶ … ──▶ [f] ──▶ h_T ─┐
//!                                            ├──▶ W·[h_T, h'_1] + b
//!  h'_1 ◀── [f'] ◀── [f'] ◀── … ◀── x_T ─────┘        (second direction, if any)
//! ```
//!
//! ## Losses
//!
//! The step is [`train_step`](crate::training::train_step), on one of these:
//!
//! - a class: cross-entropy, [`classification_loss`];
//! - a number: mean squared error, [`regression_loss`];
//! - a range: quantiles, [`quantile_loss`]. The *pinball loss* of quantile q, `max(q·e, (q − 1)·e)` with e = target − prediction,
//!   is least at the value that a share q of the outcomes lies below, so two quantiles make an interval.
//!   R. Koenker, G. Bassett, *Regression quantiles*, Econometrica 46(1), 1978. <https://doi.org/10.2307/1913643>

use burn::config::Config;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;

use crate::sequence_model::{SequenceConfig, SequenceModel};

/// Sizes of a [`ManyToOne`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct ManyToOneConfig {
    /// The network that reads.
    pub body: SequenceConfig,
    /// Numbers in an answer: classes, or values.
    pub output_size: usize,
}

impl ManyToOneConfig {
    /// Builds the network.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn init(&self, device: &Device) -> Result<ManyToOne, ConfigError> {
        at_least_one(&[("output_size", self.output_size)])?;
        Ok(ManyToOne {
            body: self.body.init(device).map_err(|error| error.within("body"))?,
            head: LinearConfig::new(self.body.output_size(), self.output_size).init(device),
            directions: 1 + usize::from(self.body.bidirectional),
        })
    }
}

/// A recurrent network and a linear layer; see the [module page](self).
#[derive(Module, Debug)]
pub struct ManyToOne {
    /// Reads.
    pub body: SequenceModel,
    /// Answers.
    pub head: Linear,
    directions: usize,
}

impl ManyToOne {
    /// Reads to the end of each sequence and answers.
    ///
    /// # Shapes
    ///
    /// - inputs: `[batch, steps, input_size]`, padding finite
    /// - lengths: one for each sample, 1 to `steps`; nothing when all are `steps`
    /// - output: `[batch, output_size]`
    ///
    /// # Panics
    ///
    /// When sizes or lengths do not fit.
    pub fn forward(&self, inputs: Tensor<3>, lengths: Option<&[usize]>) -> Tensor<2> {
        let (outputs, _) = self.body.forward(inputs, lengths, None); // [B, T, H · directions]
        let [batch, steps, features] = outputs.dims();
        let size = features / self.directions;
        let last = match lengths {
            None => outputs.clone().narrow(1, steps - 1, 1),
            Some(lengths) => {
                let ends: Vec<i64> = lengths.iter().map(|&length| length as i64 - 1).collect();
                let ends = TensorData::new(ends, [batch, 1, 1]);
                let ends = Tensor::<3, Int>::from_data(ends, &outputs.device());
                outputs.clone().gather(1, ends.repeat_dim(2, features))
            }
        };
        let mut answer = last.narrow(2, 0, size); // [B, 1, H]
        if self.directions == 2 {
            let first = outputs.narrow(1, 0, 1).narrow(2, size, size);
            answer = Tensor::cat(vec![answer, first], 2);
        }
        self.head.forward(answer.squeeze_dim::<2>(1))
    }
}

/// Mean cross-entropy in nats.
///
/// # Shapes
///
/// - logits: `[batch, classes]`
/// - targets: `[batch]`
pub fn classification_loss(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, targets)
}

/// Mean squared error.
///
/// # Shapes
///
/// - predicted, targets: the same
pub fn regression_loss(predicted: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    (predicted - targets).square().mean()
}

/// Mean pinball loss over samples, steps ahead and quantiles.
///
/// # Shapes
///
/// - predicted: `[batch, horizon, quantiles]`
/// - targets: `[batch, horizon]`
/// - quantiles: as many as the last size of `predicted`, each in (0, 1)
///
/// # Panics
///
/// When there are not as many quantiles as predictions.
pub fn quantile_loss(predicted: Tensor<3>, targets: Tensor<2>, quantiles: &[f64]) -> Tensor<1> {
    let [.., count] = predicted.dims();
    assert_eq!(count, quantiles.len(), "predictions for {count} quantiles, {} given", quantiles.len());
    let error = targets.unsqueeze_dim::<3>(2) - predicted;
    let q = TensorData::new(quantiles.to_vec(), [1, 1, count]);
    let q = Tensor::<3>::from_data(q, (&error.device(), error.dtype()));
    // max(q·e, (q − 1)·e) = q·e + max(0, −e)
    (error.clone() * q + burn::tensor::activation::relu(error.neg())).mean()
}
