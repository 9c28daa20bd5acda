//! The loss of a minibatch, for networks with and without a memory.

use burn::tensor::{Device, Tensor};

use super::PpoConfig;
use crate::agent::on_policy::rows;
use crate::buffer::{Rollout, normalize};
use crate::policy::{Actions, Distribution};

/// What the networks say of a minibatch, as leaves.
pub(crate) struct Outputs {
    params: Tensor<2>,
    values: Tensor<2>,
    log_std: Option<Tensor<1>>,
}

impl Outputs {
    pub(crate) fn new(params: &Tensor<2>, values: &Tensor<2>, log_std: Option<&Tensor<1>>) -> Self {
        Self { params: params.clone(), values: values.clone(), log_std: log_std.cloned() }
    }
}

/// The loss of the rows `batch` of `rollout`, and the logarithms of their ratios π/π_old, `[batch, 1]`.
pub(crate) fn loss(
    config: &PpoConfig,
    distribution: &Distribution,
    rollout: &Rollout,
    Outputs { params, values, log_std }: Outputs,
    batch: &[usize],
    clip: f64,
    device: &Device,
) -> (Tensor<1>, Tensor<2>) {
    let column = |table: &[f32]| rows(table, 1, batch, device);
    let mut advantages: Vec<f32> = batch.iter().map(|&i| rollout.advantages[i]).collect();
    if config.normalize_advantage {
        normalize(&mut advantages);
    }
    let advantages = Tensor::<1>::from_data(advantages.as_slice(), device).unsqueeze_dim(1);
    let width = distribution.action_len();
    let actions: Vec<f32> =
        batch.iter().flat_map(|&i| &rollout.actions[i * width..(i + 1) * width]).copied().collect();
    let actions = Actions::new(distribution, &actions, &params);

    let (log_prob, entropy) = distribution.evaluate(params, log_std, &actions); // [B, 1] each
    let log_ratio = log_prob - column(&rollout.log_probs); // [B, 1]
    let ratio = log_ratio.clone().exp(); // [B, 1]
    let clipped = ratio.clone().clamp(1.0 - clip, 1.0 + clip);
    let policy = (ratio * advantages.clone()).min_pair(clipped * advantages).mean().neg();
    let values = match config.clip_value {
        None => values,
        Some(most) => {
            let old = column(&rollout.values);
            old.clone() + (values - old).clamp(-most, most)
        }
    };
    let value = (values - column(&rollout.returns)).square().mean();
    let mut loss = policy + value * config.value;
    if config.entropy != 0.0 {
        loss = loss - entropy.mean() * config.entropy;
    }
    (loss, log_ratio)
}

/// KL(π_old ‖ π) by the estimator E[(r − 1) − log r], and the share of ratios outside 1 ± ε.
pub(crate) fn divergence(log_ratio: Tensor<2>, clip: f64) -> (f64, f64) {
    let log_ratio: Vec<f64> = log_ratio.into_data().iter::<f64>().collect();
    let n = log_ratio.len() as f64;
    let kl = log_ratio.iter().map(|log| log.exp() - 1.0 - log).sum::<f64>() / n;
    let outside = log_ratio.iter().filter(|log| (log.exp() - 1.0).abs() > clip).count();
    (kl, outside as f64 / n)
}
