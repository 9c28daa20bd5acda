//! Policy and value as two networks that share nothing, as in the reference implementations for vector observations, or nothing but
//! the [features](super::features) of pictures.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use serde::{Deserialize, Serialize};

use super::mlp::Trace;
use super::{
    Activation, ConvolutionConfig, Distribution, Features, HostFeatures, HostMlp, Mlp, MlpConfig, StandIn,
    Weights, leaf,
};
use crate::space::Space;

/// Sizes of an [`ActorCritic`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActorCriticConfig {
    /// Units of the hidden layers of each network. Default: Stable-Baselines3's two of 64.
    pub hidden: Vec<usize>,
    /// Non-linearity of the hidden layers. Default: tanh, as there.
    pub activation: Activation,
    /// log σ of a Gaussian policy at the start. Default: 0, as there.
    pub log_std: f32,
    /// Orthogonal initial weights (policy head 0.01, value head 1), or PyTorch's uniform ones. Default: orthogonal.
    pub orthogonal: bool,
    /// Layers for the pictures of an observation, shared by both networks. Default: none, pictures are rows of numbers.
    pub convolution: Option<ConvolutionConfig>,
}

impl Default for ActorCriticConfig {
    fn default() -> Self {
        let hidden = vec![64, 64];
        Self { hidden, activation: Activation::Tanh, log_std: 0.0, orthogonal: true, convolution: None }
    }
}

impl ActorCriticConfig {
    /// Builds both networks on `device` for observations of `space`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming a size of zero, a log σ that is not finite, or convolutions that do not fit.
    pub fn init(
        &self,
        space: &Space,
        distribution: &Distribution,
        seed: u64,
        device: &Device,
    ) -> Result<ActorCritic, ConfigError> {
        if !self.log_std.is_finite() {
            return Err(ConfigError::new("log_std", format!("must be finite, got {}", self.log_std)));
        }
        let features = match &self.convolution {
            Some(config) => Some(config.init(space, seed ^ 0xfea7, device)?),
            None => None,
        };
        let inputs = features.as_ref().map_or(space.encoded_len(), Features::outputs);
        let network = |outputs, output_gain, seed| {
            let weights =
                if self.orthogonal { Weights::Orthogonal { output_gain } } else { Weights::Uniform };
            MlpConfig::new(inputs, outputs)
                .with_hidden(self.hidden.clone())
                .with_activation(self.activation)
                .with_weights(weights)
                .init(seed, device)
        };
        let seed = seed.wrapping_mul(2);
        let log_std = matches!(distribution, Distribution::Gaussian(_))
            .then(|| Param::from_tensor(Tensor::full([distribution.params()], self.log_std, device)));
        Ok(ActorCritic {
            policy: network(distribution.params(), 0.01, seed)?,
            value: network(1, 1.0, seed + 1)?,
            log_std,
            features,
            width: space.encoded_len(),
        })
    }
}

/// π and V.
#[derive(Module, Debug)]
pub struct ActorCritic {
    /// From an observation to the parameters of the action's distribution.
    pub policy: Mlp,
    /// From an observation to the expected return.
    pub value: Mlp,
    /// log σ of a Gaussian policy: weights that no observation changes.
    pub log_std: Option<Param<Tensor<1>>>,
    /// What both see instead of the observation, where it holds pictures.
    pub features: Option<Features>,
    width: usize,
}

/// A forward pass of both networks; losses are written on its leaves.
#[derive(Debug)]
pub struct ActorCriticTrace {
    /// Parameters of the distribution, `[batch, params]`.
    pub params: Tensor<2>,
    /// Values, `[batch, 1]`.
    pub values: Tensor<2>,
    /// log σ, `[dim]`, of a Gaussian policy.
    pub log_std: Option<Tensor<1>>,
    policy: Trace,
    value: Trace,
    /// Recorded by autodiff, `[batch, features]`.
    features: Option<Tensor<2>>,
}

impl ActorCritic {
    /// Both networks on a batch.
    ///
    /// # Shapes
    ///
    /// - observations: `[batch, inputs]`
    pub fn trace(&self, observations: Tensor<2>) -> ActorCriticTrace {
        let features =
            self.features.as_ref().map(|net| net.forward(Tensor::from_inner(observations.clone())));
        let x = features.clone().map_or(observations, Tensor::inner); // [B, inputs]
        let (policy, value) = rayon::join(|| self.policy.trace(x.clone()), || self.value.trace(x.clone()));
        ActorCriticTrace {
            params: leaf(policy.output.clone()),
            values: leaf(value.output.clone()),
            log_std: self
                .log_std
                .as_ref()
                .map(|param| Tensor::from_inner(param.val().inner()).require_grad()),
            policy,
            value,
            features,
        }
    }

    /// The gradient of `loss`, which was written on the leaves of `trace`, with respect to every weight.
    pub fn gradients(&self, trace: ActorCriticTrace, loss: &Tensor<1>) -> GradientsParams {
        let mut leaves = loss.backward();
        let policy_delta = trace.params.grad_remove(&mut leaves);
        let value_delta = trace.values.grad_remove(&mut leaves);
        let back = |network: &Mlp, trace, delta: Option<Tensor<2>>| {
            let mut gradients = GradientsParams::new();
            let input = delta
                .and_then(|delta| network.backward(trace, delta, &mut gradients, self.features.is_some()));
            (gradients, input)
        };
        let ((mut gradients, policy_input), (mut others, value_input)) = rayon::join(
            || back(&self.policy, trace.policy, policy_delta),
            || back(&self.value, trace.value, value_delta),
        );
        adopt(&mut gradients, &mut others, &self.value);
        if let (Some(net), Some(features)) = (&self.features, trace.features)
            && let Some(delta) = [policy_input, value_input].into_iter().flatten().reduce(|a, b| a + b)
        {
            // Σ features·delta has the gradient delta with respect to the features: autodiff takes it from there.
            let leaves = (features * Tensor::from_inner(delta)).sum().backward();
            let mut all = GradientsParams::from_grads(leaves, net);
            for head in [&self.policy, &self.value] {
                adopt(&mut all, &mut gradients, head);
            }
            gradients = all;
        }
        if let (Some(param), Some(log_std)) = (&self.log_std, &trace.log_std)
            && let Some(gradient) = log_std.grad_remove(&mut leaves)
        {
            gradients.register(param.id, gradient);
        }
        gradients
    }

    /// The weights of this moment, for acting.
    pub fn on_host(&self) -> HostActorCritic {
        HostActorCritic {
            features: HostFeatures::new(self.features.as_ref(), self.width),
            policy: self.policy.on_host(),
            value: self.value.on_host(),
            log_std: self
                .log_std
                .as_ref()
                .map(|param| param.val().into_data().iter::<f32>().collect())
                .unwrap_or_default(),
        }
    }
}

impl StandIn for ActorCritic {
    fn empty(&self) -> Self {
        let (policy, value) = (self.policy.empty(), self.value.empty());
        Self { policy, value, log_std: None, features: None, width: self.width }
    }
}

/// Moves the gradients of `network` from one collection to another.
pub(crate) fn adopt(into: &mut GradientsParams, from: &mut GradientsParams, network: &Mlp) {
    for layer in &network.layers {
        if let Some(gradient) = from.remove::<2>(layer.weight.id) {
            into.register(layer.weight.id, gradient);
        }
        let bias = layer.bias.as_ref().and_then(|bias| Some((bias.id, from.remove::<1>(bias.id)?)));
        if let Some((id, gradient)) = bias {
            into.register(id, gradient);
        }
    }
}

/// A copy of both networks for acting. What `features` makes of an observation goes into the other two.
#[derive(Debug, Clone)]
pub struct HostActorCritic {
    /// See [`ActorCritic::features`].
    pub features: HostFeatures,
    /// See [`ActorCritic::policy`].
    pub policy: HostMlp,
    /// See [`ActorCritic::value`].
    pub value: HostMlp,
    /// See [`ActorCritic::log_std`]; empty for choices.
    pub log_std: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::features::Filter;
    use crate::random::Pcg64;
    use burn::tensor::TensorData;

    /// Shared features get the gradients of both heads: all of them are autodiff's through the whole.
    #[test]
    fn gradients_through_shared_features_are_autodiffs() {
        let device = Device::flex();
        let space = Space::dict([
            ("image", Space::interval(0.0, 1.0, &[1, 5, 5])),
            ("speed", Space::interval(-1.0, 1.0, &[2])),
        ]);
        let filters = vec![Filter { channels: 3, kernel: 3, stride: 1 }];
        let config = ActorCriticConfig {
            hidden: vec![7],
            convolution: Some(ConvolutionConfig { filters, units: 6 }),
            ..ActorCriticConfig::default()
        };
        let net = config.init(&space, &Distribution::Categorical(3), 1, &device.clone().autodiff()).unwrap();
        let mut rng = Pcg64::new(2);
        let x: Vec<f32> = (0..4 * 27).map(|_| rng.unit() as f32).collect();
        let x = Tensor::<2>::from_data(TensorData::new(x.clone(), [4, 27]), &device);
        let loss = |params: Tensor<2>, values: Tensor<2>| (params.square().sum() * 50.0) + values.exp().sum();

        let seen = net.features.as_ref().unwrap().forward(Tensor::from_inner(x.clone()));
        let through = loss(net.policy.forward(seen.clone()), net.value.forward(seen)).backward();
        let expected = GradientsParams::from_grads(through, &net);
        let trace = net.trace(x);
        let loss = loss(trace.params.clone(), trace.values.clone());
        let found = net.gradients(trace, &loss);
        assert_eq!((found.len(), expected.len()), (12, 12));
        let close = |a: TensorData, b: TensorData| {
            for (a, b) in a.iter::<f32>().zip(b.iter::<f32>()) {
                assert!((a - b).abs() <= 1e-5 + 1e-4 * b.abs(), "{a} {b}");
            }
        };
        let encoder = &net.features.as_ref().unwrap().pictures[0];
        let four = encoder.filters[0].weight.id;
        close(found.get::<4>(four).unwrap().into_data(), expected.get::<4>(four).unwrap().into_data());
        let linear = [
            &encoder.linear,
            &net.policy.layers[0],
            &net.policy.layers[1],
            &net.value.layers[0],
            &net.value.layers[1],
        ];
        for layer in linear {
            let id = layer.weight.id;
            close(found.get::<2>(id).unwrap().into_data(), expected.get::<2>(id).unwrap().into_data());
        }
    }
}
