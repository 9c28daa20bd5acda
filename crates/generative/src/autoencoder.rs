//! # Autoencoders
//!
//! A network that must reproduce its input through a layer too narrow to carry it. The **encoder** f squeezes the input x into
//! a code h, the **decoder** g rebuilds x from h; what the code keeps is what most of the data has in common.
//!
//! ```text
//! h = f(x)          x̂ = g(h)          minimise  E ‖x̂ − x‖² / inputs
//! ```
//!
//! ```text
//!     x            encoder f             h            decoder g            x̂
//!  [inputs] ──▶ hidden ▷ hidden ──▶  [code]  ──▶ hidden ◁ hidden ──▶  [inputs]
//! ```
//!
//! With linear layers the best code spans the first principal components (Baldi & Hornik 1989,
//! <https://doi.org/10.1016/0893-6080(89)90014-2>); what the non-linearity adds to that, the example measures.
//!
//! **What goes wrong**: a code as wide as the input, or a decoder strong enough, lets the network copy without learning anything. Four
//! remedies, each one term of the objective and none a change of the network ([`Regularizer`]):
//!
//! ```text
//! denoising     ‖g(f(x + σε)) − x‖²                 copying keeps the noise, so it does not pay      Vincent et al. 2008
//! L1            + λ · Σ_j |h_j|                     few units may be far from zero                   Olshausen & Field 1996
//! KL            + λ · Σ_j KL(ρ ‖ mean h_j)          every unit is on in a share ρ of the examples    Lee et al. 2008, Ng 2011
//! contractive   + λ · Σ_ij (∂h_j/∂x_i)²             the code must not follow the input's every move  Rifai et al. 2011
//! KL(ρ ‖ q) = ρ ln(ρ/q) + (1 − ρ) ln((1 − ρ)/(1 − q))
//! ```
//!
//! The contractive penalty needs the derivative of a derivative. Here the Jacobian is multiplied out layer by layer in ordinary
//! operations, `∂h/∂x = W₁ f′(a₁) W₂ f′(a₂) …`, so its own gradient is exact for any depth.
//!
//! Papers: G. Hinton, R. Salakhutdinov, *Reducing the dimensionality of data with neural networks*, 2006,
//! <https://doi.org/10.1126/science.1127647>; P. Vincent et al., *Extracting and composing robust features with denoising
//! autoencoders*, 2008, <https://doi.org/10.1145/1390156.1390294>; S. Rifai et al., *Contractive auto-encoders*, ICML 2011,
//! <https://icml.cc/2011/papers/455_icmlpaper.pdf>.
//!
//! ## Differs from the papers
//!
//! 1. Trained in one go with Adam, without layer-wise pre-training by Boltzmann machines.
//! 2. Encoder and decoder do not share weights.
//! 3. Rifai et al. penalise one sigmoid layer; here the code of an encoder of any depth.

use burn::config::Config;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::activation::Activation;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::feed_forward::{FeedForward, FeedForwardConfig};
use fornax_nn_core::gradient::{NonFinite, gradients};
use serde::{Deserialize, Serialize};

/// Sizes of an [`Autoencoder`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct AutoencoderConfig {
    /// Features of an example.
    pub inputs: usize,
    /// Units of the code.
    pub code: usize,
    /// Units of the encoder's hidden layers; the decoder has them in reverse. Default: found on the embedded digits.
    #[config(default = "vec![256, 128]")]
    pub hidden: Vec<usize>,
    /// Of all hidden layers. Default: GELU, smooth, so that the contractive penalty has a gradient everywhere.
    #[config(default = "Activation::Gelu")]
    pub hidden_activation: Activation,
    /// Of the code. Default: linear, as Hinton & Salakhutdinov; the KL regulariser needs sigmoid.
    #[config(default = "Activation::Linear")]
    pub code_activation: Activation,
    /// All initial weights follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl AutoencoderConfig {
    /// 64 pixels to 8 numbers, for the embedded 8 × 8 digits: 101,192 parameters.
    pub fn digits() -> Self {
        Self::new(64, 8)
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("inputs", self.inputs), ("code", self.code)])?;
        let activations =
            [("hidden_activation", self.hidden_activation), ("code_activation", self.code_activation)];
        for (field, activation) in activations {
            if !activation.is_elementwise() {
                let reason = format!("must act on each unit alone, got {}", activation.name());
                return Err(ConfigError::new(field, reason));
            }
        }
        self.encoder().validate()
    }

    fn encoder(&self) -> FeedForwardConfig {
        FeedForwardConfig::new(self.inputs, self.hidden.clone(), self.code)
            .with_hidden_activation(self.hidden_activation)
            .with_output_activation(self.code_activation)
            .with_seed(self.seed)
    }

    /// Builds the network on `device`; the same config gives the same weights everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<Autoencoder, ConfigError> {
        self.validate()?;
        let hidden = self.hidden.iter().rev().copied().collect();
        let decoder = FeedForwardConfig::new(self.code, hidden, self.inputs)
            .with_hidden_activation(self.hidden_activation)
            .with_seed(self.seed.wrapping_add(1));
        Ok(Autoencoder { encoder: self.encoder().init(device)?, decoder: decoder.init(device)? })
    }
}

/// The network; see the [module page](self).
#[derive(Module, Debug)]
pub struct Autoencoder {
    /// From the input to the code.
    pub encoder: FeedForward,
    /// From the code back.
    pub decoder: FeedForward,
}

impl Autoencoder {
    /// The code h.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs]`
    /// - output: `[batch, code]`
    pub fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        self.encoder.forward(x)
    }

    /// What a code stands for.
    ///
    /// # Shapes
    ///
    /// - code: `[batch, code]`
    /// - output: `[batch, inputs]`
    pub fn decode(&self, code: Tensor<2>) -> Tensor<2> {
        self.decoder.forward(code)
    }

    /// The reconstruction x̂.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, inputs]`
    ///
    /// # Panics
    ///
    /// When the features of `x` are not the configured ones.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.decode(self.encode(x))
    }

    /// ∂h/∂x of every example, in operations that can themselves be differentiated.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs]`
    /// - output: `[batch, inputs, code]`
    pub fn jacobian(&self, x: Tensor<2>) -> Tensor<3> {
        let [batch, inputs] = x.dims();
        let traces = self.encoder.forward_traced(x);
        let mut jacobian: Option<Tensor<3>> = None;
        for (layer, trace) in self.encoder.layers.iter().zip(traces) {
            let weight = layer.linear.weight.val(); // [below, units]
            let [below, units] = weight.dims();
            let Some(slope) = layer.activation.activation.derivative(trace.pre_activation) else {
                unreachable!("init accepts elementwise activations only")
            };
            let product = match jacobian {
                None => weight.unsqueeze::<3>(), // [1, inputs, units]
                Some(j) => j.reshape([batch * inputs, below]).matmul(weight).reshape([batch, inputs, units]),
            };
            jacobian = Some(product * slope.unsqueeze_dim::<3>(1)); // [B, inputs, units]
        }
        match jacobian {
            Some(jacobian) => jacobian,
            None => unreachable!("an encoder has at least one layer"),
        }
    }
}

/// What is asked of the code besides that it suffices; formulas in the [page](self).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Regularizer {
    /// Nothing: the code's width is the only limit.
    #[default]
    None,
    /// A sparse code by its absolute values.
    L1 {
        /// λ.
        weight: f64,
    },
    /// A sparse code by the share of examples in which a unit is on; the code must lie in (0, 1).
    Kl {
        /// ρ in (0, 1); Ng's lecture notes take 0.05.
        share: f64,
        /// λ.
        weight: f64,
    },
    /// A code that does not follow small changes of the input.
    Contractive {
        /// λ.
        weight: f64,
    },
}

impl Regularizer {
    /// The term it adds to the loss, averaged over the batch.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, inputs]`, what the encoder was shown
    /// - code: `[batch, code]`, what it made of it
    /// - output: `[1]`
    pub fn penalty(&self, model: &Autoencoder, x: Tensor<2>, code: Tensor<2>) -> Tensor<1> {
        let batch = code.dims()[0] as f64;
        match *self {
            Self::None => Tensor::zeros([1], (&code.device(), code.dtype())),
            Self::L1 { weight } => code.abs().sum() * (weight / batch),
            Self::Kl { share, weight } => {
                let on = code.mean_dim(0).clamp(1e-6, 1.0 - 1e-6); // [1, code]
                let off = -on.clone() + 1.0;
                let entropy = share * share.ln() + (1.0 - share) * (1.0 - share).ln();
                let kl = -(on.log() * share + off.log() * (1.0 - share)) + entropy; // [1, code]
                kl.sum() * weight
            }
            Self::Contractive { weight } => model.jacobian(x).square().sum() * (weight / batch),
        }
    }
}

/// What the encoder is shown, and what the decoder has to say.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, inputs]`: the examples, corrupted or not
    pub inputs: Tensor<2>,
    /// `[batch, inputs]`: the examples
    pub targets: Tensor<2>,
}

impl Batch {
    /// The plain autoencoder's batch: it is asked for what it is shown.
    pub fn clean(x: Tensor<2>) -> Self {
        Self { inputs: x.clone(), targets: x }
    }

    /// The denoising autoencoder's batch: shown x + deviation · noise, asked for x.
    ///
    /// # Shapes
    ///
    /// - x, noise: `[batch, inputs]`; the noise standard normal
    pub fn noisy(x: Tensor<2>, noise: Tensor<2>, deviation: f64) -> Self {
        Self { inputs: x.clone() + noise * deviation, targets: x }
    }
}

/// Mean squared error of the reconstruction, plus the regulariser's term.
///
/// # Shapes
///
/// - output: `[1]`
pub fn loss(model: &Autoencoder, batch: Batch, regularizer: &Regularizer) -> Tensor<1> {
    let code = model.encode(batch.inputs.clone()); // [B, code]
    let error = (model.decode(code.clone()) - batch.targets).square().mean(); // [1]
    error + regularizer.penalty(model, batch.inputs, code)
}

/// One step of learning. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step(
    model: Autoencoder,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: Batch,
    regularizer: &Regularizer,
) -> Result<(Autoencoder, f32), NonFinite> {
    let loss = loss(&model, batch, regularizer);
    let (loss, gradients) = gradients(loss, &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fornax_nn_core::check::{assert_close, fill};

    fn model(device: &Device) -> Autoencoder {
        let config =
            AutoencoderConfig::new(5, 3).with_hidden(vec![7, 4]).with_code_activation(Activation::Sigmoid);
        fill::fill(config.init(device).unwrap())
    }

    #[test]
    fn the_jacobian_is_what_autodiff_finds() {
        let device = Device::flex().autodiff();
        let model = model(&device);
        let x = fill::input::<2>("x", [2, 5], &device).require_grad();
        let jacobian = model.jacobian(x.clone()).detach();
        for unit in 0..3 {
            let gradients = model.encode(x.clone()).narrow(1, unit, 1).sum().backward();
            let expected = x.grad(&gradients).unwrap(); // [2, 5]
            let row = jacobian.clone().narrow(2, unit, 1).squeeze_dim::<2>(2);
            assert_close(&row.without_autodiff(), &expected, 1e-5, 1e-7);
        }
    }

    #[test]
    fn the_kl_penalty_is_zero_exactly_where_every_unit_has_its_share() {
        let device = Device::flex();
        let model = model(&device);
        let kl = Regularizer::Kl { share: 0.2, weight: 2.0 };
        let x = fill::input::<2>("x", [2, 5], &device);
        let penalty = |code: Tensor<2>| kl.penalty(&model, x.clone(), code).into_scalar::<f32>();
        // Means 0.2 although no example has 0.2.
        let right = Tensor::from_data([[0.1, 0.2, 0.4], [0.3, 0.2, 0.0]], &device);
        assert!(penalty(right.clone()).abs() < 1e-6);
        // One unit at ½: 2·(0.2 ln 0.4 + 0.8 ln 1.6).
        let half = Tensor::from_data([[0.1, 0.2, 0.5], [0.3, 0.2, 0.5]], &device);
        let expected = 2.0 * (0.2 * 0.4f32.ln() + 0.8 * 1.6f32.ln());
        assert!((penalty(half) - expected).abs() < 1e-6);
    }

    #[test]
    fn a_linear_autoencoder_finds_the_principal_plane_and_no_better() {
        // Four features, variances 4, 1, 1/4 and 1/16: two units cannot do better than (1/4 + 1/16)/4.
        let device = Device::flex().autodiff();
        let noise = fornax_nn_core::check::fill::data("x", &[256, 4]);
        let uniform: Vec<f32> = noise.iter::<f32>().collect();
        let scale = [2.0, 1.0, 0.5, 0.25].map(|deviation: f32| deviation * 3f32.sqrt());
        let rows: Vec<f32> =
            uniform.chunks(4).flat_map(|row| std::array::from_fn::<_, 4, _>(|i| row[i] * scale[i])).collect();
        let x = Tensor::<2>::from_data(burn::tensor::TensorData::new(rows, [256, 4]), &device);
        let config =
            AutoencoderConfig::new(4, 2).with_hidden(vec![]).with_hidden_activation(Activation::Linear);
        let mut model = config.init(&device).unwrap();
        let mut optim = burn::optim::AdamConfig::new().init();
        let mut last = f32::INFINITY;
        for step in 0..600 {
            let lr = if step < 400 { 0.03 } else { 0.003 };
            (model, last) =
                train_step(model, &mut optim, lr, Batch::clean(x.clone()), &Regularizer::None).unwrap();
        }
        // The sample's own spectrum differs a little from the law's, and biases take the means out: 15 % either way.
        let best = (0.25 + 0.0625) / 4.0;
        assert!((0.85 * best..1.15 * best).contains(&last), "{last}, bound {best}");
    }

    #[test]
    fn unusable_sizes_and_activations_are_named() {
        let device = Device::flex();
        let error = |config: AutoencoderConfig| config.init(&device).unwrap_err().to_string();
        assert!(error(AutoencoderConfig::new(0, 2)).starts_with("inputs"));
        assert!(error(AutoencoderConfig::new(4, 0)).starts_with("code"));
        let softmax = AutoencoderConfig::new(4, 2).with_code_activation(Activation::Softmax);
        assert!(error(softmax).starts_with("code_activation"));
        assert!(error(AutoencoderConfig::new(4, 2).with_hidden(vec![3, 0])).contains("hidden"));
    }
}
