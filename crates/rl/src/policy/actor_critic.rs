//! Policy and value as two networks that share nothing, as in the reference implementations for vector observations.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;
use serde::{Deserialize, Serialize};

use super::mlp::Trace;
use super::{Activation, Distribution, HostMlp, Mlp, MlpConfig, Weights, leaf};

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
}

impl Default for ActorCriticConfig {
    fn default() -> Self {
        Self { hidden: vec![64, 64], activation: Activation::Tanh, log_std: 0.0, orthogonal: true }
    }
}

impl ActorCriticConfig {
    /// Builds both networks on `device` for observations of `inputs` numbers.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming a size of zero or a log σ that is not finite.
    pub fn init(
        &self,
        inputs: usize,
        distribution: &Distribution,
        seed: u64,
        device: &Device,
    ) -> Result<ActorCritic, ConfigError> {
        if !self.log_std.is_finite() {
            return Err(ConfigError::new("log_std", format!("must be finite, got {}", self.log_std)));
        }
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
}

impl ActorCritic {
    /// Both networks on a batch.
    ///
    /// # Shapes
    ///
    /// - observations: `[batch, inputs]`
    pub fn trace(&self, observations: Tensor<2>) -> ActorCriticTrace {
        let (policy, value) = rayon::join(
            || self.policy.trace(observations.clone()),
            || self.value.trace(observations.clone()),
        );
        ActorCriticTrace {
            params: leaf(policy.output.clone()),
            values: leaf(value.output.clone()),
            log_std: self
                .log_std
                .as_ref()
                .map(|param| Tensor::from_inner(param.val().inner()).require_grad()),
            policy,
            value,
        }
    }

    /// The gradient of `loss`, which was written on the leaves of `trace`, with respect to every weight.
    pub fn gradients(&self, trace: ActorCriticTrace, loss: &Tensor<1>) -> GradientsParams {
        let mut leaves = loss.backward();
        let policy_delta = trace.params.grad_remove(&mut leaves);
        let value_delta = trace.values.grad_remove(&mut leaves);
        let back = |network: &Mlp, trace, delta: Option<Tensor<2>>| {
            let mut gradients = GradientsParams::new();
            if let Some(delta) = delta {
                network.backward(trace, delta, &mut gradients, false);
            }
            gradients
        };
        let (mut gradients, mut others) = rayon::join(
            || back(&self.policy, trace.policy, policy_delta),
            || back(&self.value, trace.value, value_delta),
        );
        for layer in &self.value.layers {
            if let Some(gradient) = others.remove::<2>(layer.weight.id) {
                gradients.register(layer.weight.id, gradient);
            }
            if let Some((id, gradient)) =
                layer.bias.as_ref().and_then(|bias| Some((bias.id, others.remove::<1>(bias.id)?)))
            {
                gradients.register(id, gradient);
            }
        }
        if let (Some(param), Some(log_std)) = (&self.log_std, &trace.log_std)
            && let Some(gradient) = log_std.grad_remove(&mut leaves)
        {
            gradients.register(param.id, gradient);
        }
        gradients
    }

    /// A stand-in while the weights are elsewhere.
    pub(crate) fn empty(&self) -> Self {
        Self { policy: self.policy.empty(), value: self.value.empty(), log_std: None }
    }

    /// The weights of this moment, for acting.
    pub fn on_host(&self) -> HostActorCritic {
        HostActorCritic {
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

/// A copy of both networks for acting.
#[derive(Debug, Clone)]
pub struct HostActorCritic {
    /// See [`ActorCritic::policy`].
    pub policy: HostMlp,
    /// See [`ActorCritic::value`].
    pub value: HostMlp,
    /// See [`ActorCritic::log_std`]; empty for choices.
    pub log_std: Vec<f32>,
}
