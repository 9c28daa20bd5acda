//! # Bandits
//!
//! Reinforcement learning without states: K levers, each pays from a distribution of its own, and every pull that finds out more about one
//! lever is not spent on the best one known. What exploring costs is the **regret**, in expectation
//!
//! ```text
//! R(T) = Σₜ (μ* − μ(aₜ)) = Σ_k Δ_k E[N_k(T)]          Δ_k = μ* − μ_k the gap, N_k how often k was pulled
//! ```
//!
//! No policy that does well everywhere can do better than logarithmic regret (Lai and Robbins, 1985):
//!
//! ```text
//! lim inf R(T) / ln T ≥ Σ_{k: Δ_k > 0} Δ_k / KL(μ_k ‖ μ*)
//! ```
//!
//! | page | idea | regret |
//! |---|---|---|
//! | [`epsilon_greedy`] | a random lever with probability ε | linear: ε times the mean gap a pull, for ever |
//! | [`ucb`] | the largest upper confidence bound | ≤ 8 Σ ln T / Δ_k + (1 + π²/3) Σ Δ_k |
//! | [`thompson`] | a draw from the belief about each lever | reaches the bound of Lai and Robbins |
//! | [`lin_ucb`] | upper bound of a linear model of a context | O(d √T) up to logarithms |
//!
//! H. Robbins, *Some aspects of the sequential design of experiments*, Bulletin of the AMS 58, 1952.
//! T. L. Lai, H. Robbins, *Asymptotically efficient adaptive allocation rules*, Advances in Applied Mathematics 6, 1985.
//! <https://doi.org/10.1016/0196-8858(85)90002-8>
//!
//! ```
//! use fornax_rl::bandit::{Bandit, Levers, run, ucb::Ucb1};
//!
//! let mut levers = Levers::bernoulli(vec![0.2, 0.8])?;
//! let regret = run(&mut levers, &mut Ucb1::new(2)?, 2_000, 0);
//! assert!(regret[1_999] < 60.0); // always pulling the worse one would be 1,200
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

pub mod epsilon_greedy;
mod levers;
pub mod lin_ucb;
pub mod thompson;
pub mod ucb;

pub use levers::{Contextual, Levers};

use crate::random::Pcg64;

/// Levers to pull, perhaps with something to look at before each pull.
pub trait Bandit {
    /// How many levers.
    fn arms(&self) -> usize;

    /// What is seen before the next pull: a vector of features for each lever, one after the other; empty without context.
    fn context(&mut self, rng: &mut Pcg64) -> &[f64];

    /// Pulls `arm` and pays.
    ///
    /// # Panics
    ///
    /// When there is no such lever.
    fn pull(&mut self, arm: usize, rng: &mut Pcg64) -> f64;

    /// Expected pay of `arm` in the present context: for the regret, not for the player.
    ///
    /// # Panics
    ///
    /// When there is no such lever.
    fn mean(&self, arm: usize) -> f64;

    /// Expected pay of the best lever in the present context.
    fn best(&self) -> f64 {
        (0..self.arms()).map(|arm| self.mean(arm)).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// A player.
pub trait Player {
    /// The lever to pull next, given what is seen.
    fn choose(&mut self, context: &[f64], rng: &mut Pcg64) -> usize;

    /// What `arm` paid.
    fn learn(&mut self, arm: usize, reward: f64);
}

/// Plays `pulls` times; the pseudo-regret Σ (μ* − μ(aₜ)) after each pull. A function of `seed`.
pub fn run(bandit: &mut dyn Bandit, player: &mut dyn Player, pulls: usize, seed: u64) -> Vec<f64> {
    // The player's luck is not the levers': two players of the same seed see the same contexts.
    let (mut world, mut own) = (Pcg64::new(seed), Pcg64::new(seed ^ 0x00ba_4d17));
    let mut regret = 0.0;
    let mut curve = Vec::with_capacity(pulls);
    for _ in 0..pulls {
        let arm = player.choose(bandit.context(&mut world), &mut own);
        regret += bandit.best() - bandit.mean(arm);
        player.learn(arm, bandit.pull(arm, &mut world));
        curve.push(regret);
    }
    curve
}

/// How often each lever was pulled and what it paid on the mean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) pulls: Vec<u64>,
    pub(crate) means: Vec<f64>,
}

impl Record {
    pub(crate) fn new(arms: usize) -> Self {
        Self { pulls: vec![0; arms], means: vec![0.0; arms] }
    }

    pub(crate) fn add(&mut self, arm: usize, reward: f64) {
        self.pulls[arm] += 1;
        self.means[arm] += (reward - self.means[arm]) / self.pulls[arm] as f64;
    }

    /// A lever that was never pulled.
    pub(crate) fn untried(&self) -> Option<usize> {
        self.pulls.iter().position(|pulls| *pulls == 0)
    }
}

pub(crate) fn check_arms(arms: usize) -> Result<(), fornax_nn_core::ConfigError> {
    if arms == 0 {
        return Err(fornax_nn_core::ConfigError::new("arms", "must be at least 1, got 0"));
    }
    Ok(())
}
