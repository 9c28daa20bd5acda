//! What differs between a recurrent network and a GPT in training: the step, the loss on unseen text, how it writes.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::gradient::NonFinite;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::train::Error;
use fornax_nn_core::train::checkpoint::Snapshot;
use fornax_sequence::State;
use fornax_sequence::generate::{GenerateConfig, GenerateError, generate};
use fornax_sequence::gpt;
use fornax_sequence::language::{self, Stretch};
use fornax_sequence::metric::token_loss;

use crate::model::Model;

impl Model {
    pub(crate) fn save(&self, snapshot: Snapshot) -> Result<Snapshot, Error> {
        match self {
            Self::Recurrent(model) => snapshot.module("model", model),
            Self::Gpt(model) => snapshot.module("model", model),
        }
    }

    pub(crate) fn num_params(&self) -> usize {
        match self {
            Self::Recurrent(model) => model.num_params(),
            Self::Gpt(model) => model.num_params(),
        }
    }

    pub(crate) fn optimizer(&self) -> Result<ModuleOptimizer, ConfigError> {
        match self {
            Self::Recurrent(_) => AdamWConfig::new().init(),
            Self::Gpt(model) => gpt::optimizer(model),
        }
    }

    /// One step of learning, from carried states where there are any: a GPT has none, and clips its gradient at 1 by itself.
    pub(crate) fn learn(
        self,
        optim: &mut ModuleOptimizer,
        (lr, max_norm): (f64, f64),
        Stretch { inputs, targets }: Stretch,
        states: Option<Vec<State>>,
    ) -> Result<(Self, f32, Option<Vec<State>>), NonFinite> {
        Ok(match self {
            Self::Recurrent(model) => {
                let stretch = Stretch { inputs, targets };
                let (model, loss, states) =
                    language::train_step(model, optim, (lr, max_norm), stretch, states)?;
                (Self::Recurrent(model), loss, Some(states))
            }
            Self::Gpt(model) => {
                let batch = gpt::Batch { inputs, targets, real: None };
                let (model, loss) = gpt::train_step(model, optim, lr, batch)?;
                (Self::Gpt(model), loss, None)
            }
        })
    }

    /// Mean loss over batches: consecutive stretches of lanes for a recurrent network, any windows for a GPT.
    pub(crate) fn loss(&self, batches: impl Iterator<Item = (Tensor<2, Int>, Tensor<2, Int>)>) -> f64 {
        let (mut sum, mut count, mut states) = (0.0, 0, None);
        for (inputs, targets) in batches {
            let rows = inputs.dims()[0];
            let logits = match self {
                Self::Recurrent(model) => {
                    let (logits, after) = model.forward(inputs, states.take());
                    states = Some(after);
                    logits
                }
                Self::Gpt(model) => model.forward(inputs),
            };
            sum += rows as f64 * token_loss(logits, targets, None).into_scalar::<f64>();
            count += rows;
        }
        sum / count as f64
    }

    /// What it writes after `prompt`.
    pub(crate) fn write(
        &self,
        prompt: &[u32],
        config: &GenerateConfig,
        seed: u64,
    ) -> Result<Vec<u32>, GenerateError> {
        let mut texts = match self {
            Self::Recurrent(model) => generate(model, &[prompt], config, seed)?,
            Self::Gpt(model) => generate(model, &[prompt], config, seed)?,
        };
        Ok(texts.swap_remove(0))
    }
}
