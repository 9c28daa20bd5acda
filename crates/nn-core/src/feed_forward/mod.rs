//! # Feed-forward network
//!
//! Layers of units, each connected to all units of the layer below; information flows forward only.
//!
//! - The **input layer** receives the raw data and computes nothing.
//! - A **hidden layer** takes weighted sums of the layer below, adds a bias and applies an
//!   activation. All hidden layers share one activation.
//! - The **output layer** does the same with its own activation, chosen by the goal: linear for a
//!   number, sigmoid for yes or no, softmax for one of several classes.
//!
//! ```text
//!            W₁, b₁           W₂, b₂            W₃, b₃
//!  x = a₀ ─────────▶ z₁ ─f─▶ a₁ ─────▶ z₂ ─f─▶ a₂ ─────▶ z₃ ─f_out─▶ a₃ = ŷ ───▶ L(ŷ, y)
//!  input               hidden            hidden            output               loss
//!
//! forward    zₗ = aₗ₋₁·Wₗ + bₗ        pre-activation, one row an example
//!            aₗ = f(zₗ)               activation
//! ```
//!
//! ## Weight and bias
//!
//! A **weight** w\[i, j\] is learned; it says how much input i counts for unit j. A **bias** b\[j\] is
//! learned too and belongs to no input: it moves the point where the unit switches on, and without it
//! a network of ReLUs or tanhs would have to answer 0 to an input of 0. On the output layer the bias
//! answers for how far predictions are, on the whole, from what is expected: with the losses below its
//! gradient is exactly the mean of prediction − target, so training moves it until the predictions are
//! right on average. It is that constant error term of the model, not the cost: the cost can be large
//! with a perfect bias.
//!
//! ## Backpropagation
//!
//! Learning needs ∂L/∂w for every weight. The chain rule gives all of them in one pass from the top
//! down, at about twice the price of the forward pass: δₗ = ∂L/∂zₗ is computed from δₗ₊₁ and reused.
//!
//! ```text
//! top        δ_L = ∂L/∂ŷ ⊙ f_out′(z_L)         = (ŷ − y)/batch for the three matched pairs below
//! down       δₗ  = (δₗ₊₁·Wₗ₊₁ᵀ) ⊙ f′(zₗ)
//! gradients  ∂L/∂Wₗ = aₗ₋₁ᵀ·δₗ        ∂L/∂bₗ = Σ over the batch of δₗ
//! update     Wₗ ← Wₗ − η·∂L/∂Wₗ      bₗ ← bₗ − η·∂L/∂bₗ
//! ```
//!
//! The update is proportional to the gradient: a weight that matters much for the error moves much,
//! one that does not stays. And because δ is multiplied by Wᵀ and f′ at every layer on the way down, it
//! can shrink to nothing or grow without bound: see [`activation`](crate::activation) on saturation and
//! [`init`](crate::init) on how wide to start. [`FeedForward::forward_traced`] shows every zₗ and aₗ.
//! These four lines, written out by hand, agree with autodiff to 1e-6 in this module's tests.
//!
//! Paper: D. Rumelhart, G. Hinton, R. Williams, *Learning representations by back-propagating errors*,
//! Nature 323, 1986. <https://doi.org/10.1038/323533a0>
//!
//! ## Differs from the paper
//!
//! 1. Any activation instead of the sigmoid alone, and for the output one of its own.
//! 2. Cross-entropy with sigmoid and softmax instead of the squared error, whose gradient vanishes
//!    when a sigmoid output is confidently wrong.
//! 3. Initial weights matched to the activation instead of small random ones.
//! 4. Optional dropout on hidden activations.

use burn::module::Module;
use burn::nn::{Dropout, Linear};
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax};

use crate::activation::{Activation, ActivationLayer};
use crate::gradient::{NonFinite, gradients};

mod config;
pub use config::FeedForwardConfig;

/// A hidden or the output layer: weighted sums, then the activation.
#[derive(Module, Debug)]
pub struct Layer {
    /// z = a·W + b.
    pub linear: Linear,
    /// a = f(z).
    pub activation: ActivationLayer,
}

/// The network; see the [module page](self).
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::tensor::{Device, Tensor};
/// use fornax_nn_core::activation::Activation;
/// use fornax_nn_core::feed_forward::{Batch, FeedForwardConfig, train_step};
///
/// // Exclusive or, which takes a hidden layer and a non-linearity.
/// let device = Device::flex().autodiff();
/// let batch = Batch {
///     inputs: Tensor::from_data([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], &device),
///     targets: Tensor::from_data([[0.0], [1.0], [1.0], [0.0]], &device),
/// };
/// let config = FeedForwardConfig::new(2, vec![8], 1)
///     .with_hidden_activation(Activation::Tanh)
///     .with_output_activation(Activation::Sigmoid);
/// let (mut model, mut optim) = (config.init(&device)?, AdamConfig::new().init());
/// for _ in 0..200 {
///     (model, _) = train_step(model, &mut optim, 0.05, batch.clone())?;
/// }
/// let answers = model.predict(batch.inputs).round().into_data();
/// assert_eq!(answers.to_vec::<f32>()?, [0.0, 1.0, 1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct FeedForward {
    /// Every layer that computes, the output layer last.
    pub layers: Vec<Layer>,
    /// After each hidden activation; active only while training.
    pub dropout: Dropout,
}

/// What one layer computed.
#[derive(Debug, Clone)]
pub struct LayerTrace {
    /// z, `[batch, units]` (twice the units under a gated activation).
    pub pre_activation: Tensor<2>,
    /// f(z), `[batch, units]`, before dropout.
    pub activation: Tensor<2>,
}

impl FeedForward {
    /// The answers ŷ: the activation of the output layer.
    ///
    /// # Shapes
    ///
    /// - inputs: `[batch, input]`
    /// - output: `[batch, output]`
    ///
    /// # Panics
    ///
    /// When the features of `inputs` are not the configured ones.
    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        let logits = self.logits(inputs); // [B, output]
        match self.layers.last() {
            Some(output) => output.activation.forward(logits),
            None => logits,
        }
    }

    /// The pre-activation of the output layer, which [`loss`] takes.
    ///
    /// # Shapes
    ///
    /// - inputs: `[batch, input]`
    /// - output: `[batch, output]`
    pub fn logits(&self, inputs: Tensor<2>) -> Tensor<2> {
        let Some((output, hidden)) = self.layers.split_last() else {
            return inputs;
        };
        let below = hidden.iter().fold(inputs, |a, layer| {
            let z = layer.linear.forward(a); // [B, units]
            self.dropout.forward(layer.activation.forward(z)) // [B, units]
        });
        output.linear.forward(below) // [B, output]
    }

    /// The same as [`forward`](Self::forward), keeping what every layer computed: for teaching, and to
    /// see which layer saturates or dies. The last trace holds the logits and the answers.
    ///
    /// # Shapes
    ///
    /// - inputs: `[batch, input]`
    /// - output: one [`LayerTrace`] for each layer that computes, from the bottom up
    pub fn forward_traced(&self, inputs: Tensor<2>) -> Vec<LayerTrace> {
        let mut below = inputs;
        let mut traces = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let pre_activation = layer.linear.forward(below);
            let activation = layer.activation.forward(pre_activation.clone());
            below = self.dropout.forward(activation.clone());
            traces.push(LayerTrace { pre_activation, activation });
        }
        traces
    }

    /// The answers without dropout and without recording for gradients.
    ///
    /// # Shapes
    ///
    /// - inputs: `[batch, input]`
    /// - output: `[batch, output]`
    pub fn predict(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.valid().forward(inputs.without_autodiff())
    }

    /// The activation of the output layer.
    pub fn output_activation(&self) -> Activation {
        self.layers.last().map_or(Activation::Linear, |layer| layer.activation.activation)
    }
}

/// Inputs with what is expected of them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, input]`
    pub inputs: Tensor<2>,
    /// `[batch, output]`: numbers; 0 or 1 under sigmoid; rows that sum to 1 under softmax (a class as
    /// `classes.one_hot::<2>(output).float()`)
    pub targets: Tensor<2>,
}

/// The loss that belongs to the output activation, summed over outputs, averaged over the batch.
///
/// ```text
/// linear    ½ Σ (z − y)²                                   Gaussian likelihood
/// sigmoid   −Σ (y ln σ(z) + (1 − y) ln(1 − σ(z)))          Bernoulli likelihood
/// softmax   −Σ y ln softmax(z)                             categorical likelihood
/// other     ½ Σ (f(z) − y)²
/// ```
///
/// In the first three, activation and loss cancel: ∂loss/∂z = (ŷ − y)/batch, which does not vanish
/// however saturated the output is. They are computed from the logits, so that no logarithm of a
/// rounded 0 occurs.
///
/// # Shapes
///
/// - logits, targets: `[batch, output]`
/// - output: `[1]`
pub fn loss(output_activation: Activation, logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let [batch, _] = logits.dims();
    let total = match output_activation {
        Activation::Sigmoid => {
            let yes = targets.clone() * log_sigmoid(logits.clone());
            let no = (-targets + 1.0) * log_sigmoid(-logits);
            -(yes + no).sum()
        }
        Activation::Softmax => -(targets * log_softmax(logits, 1)).sum(),
        other => (other.apply(logits) - targets).square().sum() * 0.5,
    };
    total * (batch as f64).recip()
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before
/// the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: FeedForward,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
) -> Result<(FeedForward, f32), NonFinite> {
    let loss = loss(model.output_activation(), model.logits(batch.inputs), batch.targets);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

#[cfg(test)]
mod tests;
