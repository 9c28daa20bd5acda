//! # Deep deterministic policy gradient
//!
//! Q-learning needs max over a′ of Q(s′, a′), which for continuous actions is an optimisation in every step. DDPG lets a second
//! network find it: the **actor** μ(s) is trained to climb the critic,
//!
//! ```text
//! critic   Q(s, a) → r + γ · Q′(s′, μ′(s′))
//! actor    ∇θ E[Q(s, μ(s))] = E[ ∇a Q(s, a) at a = μ(s) · ∇θ μ(s) ]          the deterministic policy gradient
//! ```
//!
//! with targets Q′, μ′ that follow slowly. The policy being deterministic, exploration has to be added: Gaussian noise on the action.
//! **When it fails**: the actor climbs wherever the critic errs upwards, and the error feeds itself; [TD3](crate::td3) is the repair,
//! and DDPG is the same code without it: one critic, no delay, no smoothing. This page holds only its settings.
//!
//! Paper: T. Lillicrap et al., *Continuous control with deep reinforcement learning*, 2016. <https://arxiv.org/abs/1509.02971>
//!
//! ## Differs
//!
//! From the paper: (1) Gaussian noise instead of an Ornstein–Uhlenbeck process, which later work found no better; (2) no weight
//! decay, no batch normalisation; (3) the action enters the critic's first layer. All as in Stable-Baselines3.

use crate::td3::Td3Config;

/// DDPG with Stable-Baselines3's settings, to be given to [`Td3::new`](crate::td3::Td3::new).
///
/// ```
/// let config = fornax_rl::ddpg::config();
/// assert_eq!((config.critics, config.policy_every, config.target_noise), (1, 1, 0.0));
/// ```
pub fn config() -> Td3Config {
    Td3Config {
        name: "ddpg".to_owned(),
        critics: 1,
        policy_every: 1,
        target_noise: 0.0,
        ..Td3Config::default()
    }
}

/// The RL Zoo's settings for Pendulum-v1.
pub fn pendulum() -> Td3Config {
    Td3Config {
        name: "ddpg".to_owned(),
        critics: 1,
        policy_every: 1,
        target_noise: 0.0,
        ..Td3Config::pendulum()
    }
}
