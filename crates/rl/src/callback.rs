//! What happens between two rounds of an agent: evaluate, stop, write a checkpoint.
//!
//! A closure is a callback; [`StopOnReward`] and [`Evaluate`] are the two that everybody needs. Checkpoints are a callback of one
//! line, because [`Agent::save`] is all there is to it:
//!
//! ```
//! use fornax_rl::agent::{Agent, AgentError, Report};
//! use fornax_rl::callback::Flow;
//!
//! let mut newest = None;
//! let mut checkpoint = |agent: &mut dyn Agent, report: &Report| -> Result<Flow, AgentError> {
//!     if report.steps % 10_000 == 0 {
//!         newest = Some(agent.save()?);
//!     }
//!     Ok(Flow::Continue)
//! };
//! # let _ = &mut checkpoint;
//! ```

use crate::agent::{Agent, AgentError, Parts, Report};
use crate::env::Env;
use crate::evaluate::{Evaluation, evaluate_policy};

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Another round.
    Continue,
    /// Enough.
    Stop,
}

/// Something that looks at an agent after every round.
pub trait Callback {
    /// Sees the agent and what the round brought.
    ///
    /// # Errors
    ///
    /// Whatever keeps the run from going on.
    fn after_round(&mut self, agent: &mut dyn Agent, report: &Report) -> Result<Flow, AgentError>;
}

impl<F: FnMut(&mut dyn Agent, &Report) -> Result<Flow, AgentError>> Callback for F {
    fn after_round(&mut self, agent: &mut dyn Agent, report: &Report) -> Result<Flow, AgentError> {
        self(agent, report)
    }
}

/// No callback.
impl Callback for () {
    fn after_round(&mut self, _agent: &mut dyn Agent, _report: &Report) -> Result<Flow, AgentError> {
        Ok(Flow::Continue)
    }
}

/// One after the other; the first that wants to stop ends the round for the others too.
impl<A: Callback, B: Callback> Callback for (A, B) {
    fn after_round(&mut self, agent: &mut dyn Agent, report: &Report) -> Result<Flow, AgentError> {
        match self.0.after_round(agent, report)? {
            Flow::Continue => self.1.after_round(agent, report),
            Flow::Stop => Ok(Flow::Stop),
        }
    }
}

/// Stops when the mean return of the last 100 training episodes reaches a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StopOnReward(pub f64);

impl Callback for StopOnReward {
    fn after_round(&mut self, _agent: &mut dyn Agent, report: &Report) -> Result<Flow, AgentError> {
        Ok(if report.mean_return >= self.0 { Flow::Stop } else { Flow::Continue })
    }
}

/// Evaluates without exploration every so many steps.
pub struct Evaluate {
    env: Box<dyn Env>,
    every: u64,
    episodes: usize,
    seed: u64,
    next: u64,
    /// Steps and evaluations so far.
    pub history: Vec<(u64, Evaluation)>,
    /// Stops when the mean return reaches this.
    pub stop_at: Option<f64>,
    /// The agent of the best evaluation so far, where asked for by [`keeping_best`](Self::keeping_best).
    pub best: Option<Best>,
    keeps: bool,
}

/// An agent that was saved because it was the best so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// What it earned in the evaluation that chose it: too high an estimate, since it was chosen for it.
    pub mean_return: f64,
    /// For [`Agent::load`].
    pub parts: Parts,
}

impl Evaluate {
    /// In an environment of its own, `episodes` at a time. Every evaluation plays the same episodes, those of `seed`.
    pub fn new(env: Box<dyn Env>, every: u64, episodes: usize, seed: u64) -> Self {
        let (history, stop_at, best) = (Vec::new(), None, None);
        Self { env, every: every.max(1), episodes, seed, next: every, history, stop_at, best, keeps: false }
    }

    /// Saves the agent whenever an evaluation is at least as good as the best before: what Stable-Baselines3's `EvalCallback` does with
    /// `best_model_save_path`. The last of equals stays.
    #[must_use]
    pub fn keeping_best(mut self) -> Self {
        self.keeps = true;
        self
    }
}

impl std::fmt::Debug for Evaluate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluate")
            .field("every", &self.every)
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

impl Callback for Evaluate {
    fn after_round(&mut self, agent: &mut dyn Agent, report: &Report) -> Result<Flow, AgentError> {
        if report.steps < self.next {
            return Ok(Flow::Continue);
        }
        self.next = report.steps + self.every;
        let evaluation = evaluate_policy(agent, self.env.as_mut(), self.episodes, self.seed)?;
        let mean_return = evaluation.mean_return();
        let enough = self.stop_at.is_some_and(|threshold| mean_return >= threshold);
        if self.keeps && self.best.as_ref().is_none_or(|best| mean_return >= best.mean_return) {
            self.best = Some(Best { mean_return, parts: agent.save()? });
        }
        self.history.push((report.steps, evaluation));
        Ok(if enough { Flow::Stop } else { Flow::Continue })
    }
}
