//! Policy and value, each behind a memory of its own.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::ConfigError;

use super::actor_critic::adopt;
use super::lstm::{HostLstm, Lstm, LstmState, LstmTrace};
use super::mlp::Trace;
use super::{ActorCriticConfig, Distribution, HostMlp, Mlp, StandIn, leaf};
use crate::space::Space;

/// π and V, each after an [`Lstm`]; as Stable-Baselines3's contributed recurrent policy, which shares nothing either.
#[derive(Module, Debug)]
pub struct RecurrentActorCritic {
    /// The policy's memory of the observations.
    pub policy_memory: Lstm,
    /// The value's.
    pub value_memory: Lstm,
    /// From the memory to the parameters of the action's distribution.
    pub policy: Mlp,
    /// From the memory to the expected return.
    pub value: Mlp,
    /// log σ of a Gaussian policy.
    pub log_std: Option<Param<Tensor<1>>>,
}

/// What the two memories hold: the policy's, the value's.
pub type Memories = [LstmState; 2];

/// A forward pass; losses are written on its leaves.
#[derive(Debug)]
pub struct RecurrentTrace {
    /// Parameters of the distribution, `[steps·n, params]`.
    pub params: Tensor<2>,
    /// Values, `[steps·n, 1]`.
    pub values: Tensor<2>,
    /// log σ, `[dim]`, of a Gaussian policy.
    pub log_std: Option<Tensor<1>>,
    memories: [LstmTrace; 2],
    heads: [Trace; 2],
}

impl RecurrentActorCritic {
    /// Memories of `units`, then the networks of `heads`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`ActorCriticConfig::init`]; `convolution` has to be left out.
    pub fn new(
        heads: &ActorCriticConfig,
        units: usize,
        space: &Space,
        distribution: &Distribution,
        seed: u64,
        device: &Device,
    ) -> Result<Self, ConfigError> {
        if heads.convolution.is_some() {
            return Err(ConfigError::new(
                "convolution",
                "recurrent policies see pictures as rows of numbers",
            ));
        }
        let memory = |seed| Lstm::new(space.encoded_len(), units, seed, device);
        let hidden = Space::interval(-1.0, 1.0, &[units]);
        let memories = [memory(seed.wrapping_mul(2) ^ 0x157a)?, memory(seed.wrapping_mul(2) ^ 0x157b)?];
        let heads = heads.init(&hidden, distribution, seed, device)?;
        let [policy_memory, value_memory] = memories;
        Ok(Self {
            policy_memory,
            value_memory,
            policy: heads.policy,
            value: heads.value,
            log_std: heads.log_std,
        })
    }

    /// Both networks on `steps` steps of `n` sequences, time-major, from `memories` on.
    ///
    /// # Shapes
    ///
    /// - observations: `[steps·n, inputs]`; begins: `[steps·n]`
    pub fn trace(&self, observations: Tensor<2>, begins: &[bool], memories: &Memories) -> RecurrentTrace {
        let run = |memory: &Lstm, head: &Mlp, state: &LstmState| {
            let memory = memory.trace(observations.clone(), begins, state);
            let head = head.trace(memory.output.clone());
            (memory, head)
        };
        let ((policy_memory, policy), (value_memory, value)) = rayon::join(
            || run(&self.policy_memory, &self.policy, &memories[0]),
            || run(&self.value_memory, &self.value, &memories[1]),
        );
        let log_std = self.log_std.as_ref();
        RecurrentTrace {
            params: leaf(policy.output.clone()),
            values: leaf(value.output.clone()),
            log_std: log_std.map(|param| Tensor::from_inner(param.val().inner()).require_grad()),
            memories: [policy_memory, value_memory],
            heads: [policy, value],
        }
    }

    /// The gradient of `loss`, which was written on the leaves of `trace`, with respect to every weight.
    pub fn gradients(&self, trace: RecurrentTrace, loss: &Tensor<1>) -> GradientsParams {
        let mut leaves = loss.backward();
        let deltas = [trace.params.grad_remove(&mut leaves), trace.values.grad_remove(&mut leaves)];
        let back = |memory: &Lstm, head: &Mlp, memory_trace, head_trace, delta: Option<Tensor<2>>| {
            let mut gradients = GradientsParams::new();
            let delta = delta.and_then(|delta| head.backward(head_trace, delta, &mut gradients, true));
            if let Some(delta) = delta {
                memory.backward(memory_trace, delta, &mut gradients);
            }
            gradients
        };
        let ([policy_memory, value_memory], [policy, value]) = (trace.memories, trace.heads);
        let [policy_delta, value_delta] = deltas;
        let (mut gradients, mut others) = rayon::join(
            || back(&self.policy_memory, &self.policy, policy_memory, policy, policy_delta),
            || back(&self.value_memory, &self.value, value_memory, value, value_delta),
        );
        adopt(&mut gradients, &mut others, &self.value);
        let Lstm { input, hidden, bias } = &self.value_memory;
        for id in [input.id, hidden.id] {
            if let Some(gradient) = others.remove::<2>(id) {
                gradients.register(id, gradient);
            }
        }
        if let Some(gradient) = others.remove::<1>(bias.id) {
            gradients.register(bias.id, gradient);
        }
        if let (Some(param), Some(log_std)) = (&self.log_std, &trace.log_std)
            && let Some(gradient) = log_std.grad_remove(&mut leaves)
        {
            gradients.register(param.id, gradient);
        }
        gradients
    }

    /// The weights of this moment, for acting.
    pub fn on_host(&self) -> HostRecurrent {
        let log_std = self.log_std.as_ref().map(|param| param.val().into_data().iter::<f32>().collect());
        HostRecurrent {
            policy_memory: self.policy_memory.on_host(),
            value_memory: self.value_memory.on_host(),
            policy: self.policy.on_host(),
            value: self.value.on_host(),
            log_std: log_std.unwrap_or_default(),
        }
    }
}

impl StandIn for RecurrentActorCritic {
    fn empty(&self) -> Self {
        // An initialised parameter without weights is as cheap as it gets.
        let memory = |memory: &Lstm| {
            let device = memory.bias.device();
            let table = || Param::from_tensor(Tensor::empty([0, 0], &device));
            Lstm { input: table(), hidden: table(), bias: Param::from_tensor(Tensor::empty([0], &device)) }
        };
        let (policy_memory, value_memory) = (memory(&self.policy_memory), memory(&self.value_memory));
        let (policy, value) = (self.policy.empty(), self.value.empty());
        Self { policy_memory, value_memory, policy, value, log_std: None }
    }
}

/// A copy of all four for acting.
#[derive(Debug, Clone)]
pub struct HostRecurrent {
    /// See [`RecurrentActorCritic::policy_memory`].
    pub policy_memory: HostLstm,
    /// See [`RecurrentActorCritic::value_memory`].
    pub value_memory: HostLstm,
    /// See [`RecurrentActorCritic::policy`].
    pub policy: HostMlp,
    /// See [`RecurrentActorCritic::value`].
    pub value: HostMlp,
    /// log σ; empty for choices.
    pub log_std: Vec<f32>,
}
