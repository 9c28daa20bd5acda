//! One gradient step of critics, actor and temperature.

use burn::optim::GradientsParams;
use burn::tensor::{Int, Tensor, TensorData, activation};

use super::{Kind, Sac, Temperature};
use crate::agent::AgentError;
use crate::agent::critic::{smallest, targets};
use crate::agent::off_policy::{diverged, table};
use crate::buffer::ReplayBatch;
use crate::policy::{leaf, squashed};

impl Sac {
    /// Returns the critics' mean loss.
    pub(super) fn update(&mut self) -> Result<f64, AgentError> {
        let batch = self.memory.replay.sample(self.config.batch_size, 0.0, &mut self.rng);
        let observations = table(batch.observations.clone(), self.memory.stage.width(), &self.device); // [B, O]
        let (loss, entropy) = match self.actions.clone() {
            Kind::Box(scale) => {
                let loss = self.numbers_critics(&batch, observations.clone(), scale.len())?;
                (loss, self.numbers_actor(observations, scale.len())?)
            }
            Kind::Choice(n) => {
                let loss = self.choices_critics(&batch, observations.clone(), n)?;
                (loss, self.choices_actor(observations)?)
            }
        };
        if matches!(self.config.temperature, Temperature::Auto { .. }) {
            // ∂/∂log α of −log α · (log π + H̄), whose mean is entropy − H̄.
            self.temperature.descend(entropy - self.target_entropy(), self.config.lr);
        }
        self.critics.iter_mut().for_each(|critic| critic.follow(self.config.tau));
        self.updates += 1;
        Ok(loss)
    }

    fn noise(&mut self, rows: usize, dim: usize) -> Tensor<2> {
        let noise = (0..rows * dim).map(|_| self.rng.normal() as f32).collect();
        table(noise, dim, &self.device)
    }

    fn stop(&self, what: &'static str) -> AgentError {
        diverged("sac", what, self.updates, self.memory.stage.steps)
    }

    fn numbers_critics(
        &mut self,
        batch: &ReplayBatch,
        observations: Tensor<2>,
        dim: usize,
    ) -> Result<f64, AgentError> {
        let [rows, width] = observations.dims();
        let next = table(batch.next_observations.clone(), width, &self.device); // [B, O]
        let noise = self.noise(rows, dim);
        let (actions, log_prob) = squashed::sample(self.actor.net.trace(next.clone()).output, noise);
        let next = Tensor::cat(vec![next, actions], 1); // [B, O + dim]
        let next = smallest(self.critics.iter().map(|critic| critic.target.trace(next.clone()).output));
        let targets = targets(&batch.rewards, &batch.discounts, next - log_prob * self.alpha()); // [B, 1]
        let actions = table(batch.actions.clone(), dim, &self.device);
        let input = Tensor::cat(vec![observations, actions], 1); // [B, O + dim]
        self.regress_critics(&input, &targets)
    }

    fn regress_critics(&mut self, input: &Tensor<2>, targets: &Tensor<2>) -> Result<f64, AgentError> {
        let stop = self.stop("the critic's gradient");
        let mut loss = 0.0;
        for critic in &mut self.critics {
            match critic.regress(input.clone(), targets.clone(), self.config.lr) {
                Some(part) => loss += 0.5 * part,
                None => return Err(stop),
            }
        }
        Ok(loss)
    }

    /// Returns the policy's entropy, −E[log π].
    fn numbers_actor(&mut self, observations: Tensor<2>, dim: usize) -> Result<f64, AgentError> {
        let [rows, width] = observations.dims();
        let noise = self.noise(rows, dim);
        let trace = self.actor.net.trace(observations.clone());
        let params = leaf(trace.output.clone()); // [B, 2·dim]
        let noise = Tensor::from_inner(noise);
        let (actions, log_prob) = squashed::sample(params.clone(), noise); // [B, dim], [B, 1]
        // The slope of min(Q₁, Q₂): each row follows the critic that was lower.
        let input = Tensor::cat(vec![observations, actions.clone().inner()], 1);
        let [first, second] = [0, 1].map(|i: usize| self.critics[i].net.trace(input.clone()));
        let lower = first.output.clone().lower_equal(second.output.clone()).float(); // [B, 1]
        let slope = self.critics[0].net.backward_input(first, lower.clone())
            + self.critics[1].net.backward_input(second, lower.neg() + 1.0);
        let slope = slope.narrow(1, width, dim); // ∂Q/∂a, [B, dim]
        let climb = (actions * Tensor::from_inner(slope)).sum_dim(1); // its gradient is the slope's
        let loss = (log_prob.clone() * self.alpha() - climb).mean();
        let mut leaves = loss.backward();
        let mut gradients = GradientsParams::new();
        if let Some(delta) = params.grad_remove(&mut leaves) {
            self.actor.net.backward(trace, delta, &mut gradients, false);
        }
        if !self.actor.descend(self.config.lr, gradients) {
            return Err(self.stop("the actor's gradient"));
        }
        Ok(-log_prob.mean().into_scalar::<f64>())
    }

    fn choices_critics(
        &mut self,
        batch: &ReplayBatch,
        observations: Tensor<2>,
        n: usize,
    ) -> Result<f64, AgentError> {
        let [rows, width] = observations.dims();
        let next = table(batch.next_observations.clone(), width, &self.device); // [B, O]
        let logs = activation::log_softmax(self.actor.net.trace(next.clone()).output, 1); // [B, n]
        let least = smallest(self.critics.iter().map(|critic| critic.target.trace(next.clone()).output)); // [B, n]
        let value = (logs.clone().exp() * (least - logs * self.alpha())).sum_dim(1); // [B, 1]
        let targets = targets(&batch.rewards, &batch.discounts, value); // [B, 1]
        let taken: Vec<i32> = batch.actions.iter().map(|&action| action as i32).collect();
        let taken = Tensor::<2, Int>::from_data(TensorData::new(taken, [rows, 1]), &self.device);
        let chosen = taken.clone().reshape([rows]).one_hot::<2>(n).float(); // [B, n]
        let stop = self.stop("the critic's gradient");
        let mut loss = 0.0;
        for critic in &mut self.critics {
            // Other choices than the taken one are their own targets: no error, no gradient.
            let trace = critic.net.trace(observations.clone());
            let errors = trace.output.clone().gather(1, taken.clone()) - targets.clone(); // [B, 1]
            loss += 0.5 * errors.clone().square().mean().into_scalar::<f64>();
            let delta = chosen.clone() * errors * (2.0 / rows as f32); // [B, n]
            let mut gradients = GradientsParams::new();
            critic.net.backward(trace, delta, &mut gradients, false);
            if !critic.descend(self.config.lr, gradients) {
                return Err(stop);
            }
        }
        Ok(loss)
    }

    /// Returns the policy's entropy.
    fn choices_actor(&mut self, observations: Tensor<2>) -> Result<f64, AgentError> {
        let least = smallest(self.critics.iter().map(|critic| critic.net.trace(observations.clone()).output));
        let trace = self.actor.net.trace(observations);
        let logits = leaf(trace.output.clone()); // [B, n]
        let logs = activation::log_softmax(logits.clone(), 1); // [B, n]
        let probabilities = logs.clone().exp();
        let entropy = (probabilities.clone() * logs.clone()).sum_dim(1).mean().neg().into_scalar::<f64>();
        let loss = (probabilities * (logs * self.alpha() - Tensor::from_inner(least))).sum_dim(1).mean();
        let mut leaves = loss.backward();
        let mut gradients = GradientsParams::new();
        if let Some(delta) = logits.grad_remove(&mut leaves) {
            self.actor.net.backward(trace, delta, &mut gradients, false);
        }
        if !self.actor.descend(self.config.lr, gradients) {
            return Err(self.stop("the actor's gradient"));
        }
        Ok(entropy)
    }
}
