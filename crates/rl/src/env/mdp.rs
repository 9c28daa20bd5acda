//! # Markov decision processes, written out
//!
//! When states and actions can be counted and every probability is known, an environment *is* a table:
//!
//! ```text
//! p(s′, r | s, a)          where action a leads from state s, and what it pays
//! ```
//!
//! The Markov property is that this table needs no history: the state says everything about the future. [`Mdp`] holds it, the
//! [`tabular`](crate::tabular) methods solve it or learn without looking at it, and [`MdpEnv`] plays it as an [`Env`] that shows the
//! number of the state.
//!
//! A draw u in [0, 1) chooses the first transition whose cumulated probability exceeds it, as in Gymnasium; with
//! [`MdpEnv::step_drawn`] the caller supplies u.

use std::fmt;
use std::sync::Arc;

use fornax_nn_core::ConfigError;
use serde::{Deserialize, Serialize};

use super::{Action, Env, Outcome, choice, needs_reset, restored, write};
use crate::error::EnvError;
use crate::random::{Pcg64, categorical};
use crate::render::Frame;
use crate::space::Space;

/// One way an action can turn out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// How likely.
    pub probability: f64,
    /// The state that follows.
    pub next: usize,
    /// What it pays.
    pub reward: f64,
    /// Whether it ends the episode; the value of `next` does not count then.
    pub terminated: bool,
}

/// The whole table; see the [module page](self).
///
/// ```
/// use fornax_rl::env::mdp::{Mdp, Transition};
///
/// // One state, one action: half a chance to be paid 1 and to stop.
/// let go_on = Transition { probability: 0.5, next: 0, reward: 0.0, terminated: false };
/// let stop = Transition { probability: 0.5, next: 0, reward: 1.0, terminated: true };
/// let mdp = Mdp::new(1, vec![vec![go_on, stop]], vec![1.0])?;
/// assert_eq!(mdp.transitions(0, 0).len(), 2);
/// assert!(Mdp::new(1, vec![vec![go_on]], vec![1.0]).is_err()); // probabilities sum to 0.5
/// # Ok::<(), fornax_rl::EnvError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mdp {
    num_actions: usize,
    /// By state · num_actions + action.
    table: Vec<Vec<Transition>>,
    initial: Vec<f64>,
}

impl Mdp {
    /// A table with an entry for each state · `num_actions` + action, and how likely each state is the first.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when sizes do not agree, probabilities are negative or do not sum to 1 within 1e-9, a state does not
    /// exist or a reward is not finite.
    pub fn new(num_actions: usize, table: Vec<Vec<Transition>>, initial: Vec<f64>) -> Result<Self, EnvError> {
        let bad = |field: String, reason: String| Err(ConfigError::new(field, reason).into());
        let states = initial.len();
        if num_actions == 0 || states == 0 || table.len() != states * num_actions {
            let reason = format!("{} rows for {states} states of {num_actions} actions", table.len());
            return bad("table".into(), reason);
        }
        let distribution =
            |p: &[f64]| p.iter().all(|p| *p >= 0.0) && (p.iter().sum::<f64>() - 1.0).abs() < 1e-9;
        if !distribution(&initial) {
            return bad("initial".into(), "must be probabilities that sum to 1".into());
        }
        for (row, transitions) in table.iter().enumerate() {
            let field = || format!("table[state {}, action {}]", row / num_actions, row % num_actions);
            if !distribution(&transitions.iter().map(|t| t.probability).collect::<Vec<_>>()) {
                return bad(field(), "must be probabilities that sum to 1".into());
            }
            if let Some(wrong) = transitions.iter().find(|t| t.next >= states || !t.reward.is_finite()) {
                return bad(
                    field(),
                    format!("leads to state {} of {states} for reward {}", wrong.next, wrong.reward),
                );
            }
        }
        Ok(Self { num_actions, table, initial })
    }

    /// How many states there are.
    pub fn num_states(&self) -> usize {
        self.initial.len()
    }

    /// How many actions each state has.
    pub fn num_actions(&self) -> usize {
        self.num_actions
    }

    /// How likely each state is the first.
    pub fn initial(&self) -> &[f64] {
        &self.initial
    }

    /// Every way `action` in `state` can turn out.
    ///
    /// # Panics
    ///
    /// When there is no such state or action.
    pub fn transitions(&self, state: usize, action: usize) -> &[Transition] {
        assert!(action < self.num_actions, "action {action} of {}", self.num_actions);
        &self.table[state * self.num_actions + action]
    }
}

/// How states of a table look.
pub trait View: fmt::Debug + Send + Sync {
    /// For a terminal.
    fn text(&self, state: usize) -> String;

    /// As a picture.
    fn frame(&self, state: usize) -> Frame;
}

/// A table that is played.
#[derive(Debug, Clone)]
pub struct MdpEnv {
    name: String,
    mdp: Arc<Mdp>,
    view: Arc<dyn View>,
    now: Now,
}

/// What changes while playing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Now {
    state: usize,
    running: bool,
    rng: Pcg64,
}

impl MdpEnv {
    /// An environment called `name` that plays `mdp` and looks like `view`.
    pub fn new(name: impl Into<String>, mdp: Mdp, view: impl View + 'static) -> Self {
        let now = Now { state: 0, running: false, rng: Pcg64::new(0) };
        Self { name: name.into(), mdp: Arc::new(mdp), view: Arc::new(view), now }
    }

    /// The table.
    pub fn mdp(&self) -> &Mdp {
        &self.mdp
    }

    /// How states look.
    pub fn view(&self) -> &dyn View {
        &*self.view
    }

    /// The present state.
    pub fn state(&self) -> usize {
        self.now.state
    }

    /// Begins an episode in `state`.
    ///
    /// # Panics
    ///
    /// When there is no such state.
    pub fn reset_to(&mut self, state: usize) {
        assert!(state < self.mdp.num_states(), "state {state} of {}", self.mdp.num_states());
        self.now.state = state;
        self.now.running = true;
    }

    /// Takes `action` with the draw `u` in [0, 1) instead of one of the environment's own. The state that follows is
    /// [`state`](Self::state).
    ///
    /// # Errors
    ///
    /// [`EnvError`] as from [`Env::step`].
    pub fn step_drawn(&mut self, action: usize, u: f64) -> Result<Outcome, EnvError> {
        let action = choice(&self.name, Action::Discrete(action), self.mdp.num_actions())?;
        if !self.now.running {
            return Err(needs_reset(&self.name));
        }
        let ways = self.mdp.transitions(self.now.state, action);
        let Transition { next, reward, terminated, .. } =
            ways[categorical(ways.iter().map(|t| t.probability), u)];
        self.now.state = next;
        self.now.running = !terminated;
        Ok(Outcome { reward, terminated, truncated: false })
    }
}

impl Env for MdpEnv {
    fn name(&self) -> &str {
        &self.name
    }

    fn observation_space(&self) -> Space {
        Space::Discrete(self.mdp.num_states())
    }

    fn action_space(&self) -> Space {
        Space::Discrete(self.mdp.num_actions())
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.now.rng = Pcg64::new(seed);
        }
        let state = self.now.rng.categorical(self.mdp.initial().iter().copied());
        self.reset_to(state);
        write(&self.name, &[state as f32], observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let action = choice(&self.name, action, self.mdp.num_actions())?;
        if !self.now.running {
            return Err(needs_reset(&self.name));
        }
        let u = self.now.rng.unit();
        let outcome = self.step_drawn(action, u)?;
        write(&self.name, &[self.now.state as f32], observation)?;
        Ok(outcome)
    }

    fn render(&self) -> Option<Frame> {
        Some(self.view.frame(self.now.state))
    }

    fn text(&self) -> Option<String> {
        Some(self.view.text(self.now.state))
    }

    fn save(&self) -> Option<serde_json::Value> {
        serde_json::to_value(&self.now).ok()
    }

    fn load(&mut self, saved: &serde_json::Value) -> Result<(), EnvError> {
        let now: Now = restored(&self.name, saved)?;
        if now.state >= self.mdp.num_states() {
            let reason = format!("state {} of {}", now.state, self.mdp.num_states());
            return Err(EnvError::State { env: self.name.clone(), reason });
        }
        self.now = now;
        Ok(())
    }
}
