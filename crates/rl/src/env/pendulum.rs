//! # Pendulum
//!
//! A pendulum hangs from a motor too weak to lift it in one go. It has to be swung up and held there, with little torque.
//!
//! ```text
//!      ╱  θ             θ̈ = 3 g / (2 l) · sin θ + 3 / (m l²) · u
//!     ╱ │               θ̇ ← clip(θ̇ + τ θ̈, −8, 8)
//!    •──┘ upright       θ ← θ + τ θ̇                          (with the new θ̇)
//!    u                  r = −(θ² + 0.1 θ̇² + 0.001 u²)        (with the old θ in [−π, π) and θ̇)
//! ```
//!
//! with g = 10 m/s², m = 1 kg, l = 1 m, τ = 0.05 s, torque u clipped to ± 2 N m.
//!
//! | | |
//! |---|---|
//! | observation | cos θ, sin θ, θ̇ (rad/s) |
//! | action | the torque u, one number |
//! | reward | between −16.27 (hanging, fast) and 0 (upright, at rest) |
//! | terminated | never |
//! | truncated | after 200 steps, by [`TimeLimit`](crate::wrapper::TimeLimit) |
//! | start | θ uniform in [−π, π), θ̇ uniform in [−1, 1) |
//!
//! Equal to Gymnasium's `Pendulum-v1`: state in f64, torque and its square in f32.
//!
//! ```
//! use fornax_rl::env::{Action, Env, Pendulum};
//!
//! let mut env = Pendulum::new();
//! env.reset_to([0.0, 0.0]); // upright and at rest: nothing moves, nothing is lost
//! let step = env.step(Action::Continuous(&[0.0]))?;
//! assert_eq!((step.observation, step.reward), (vec![1.0, 0.0, 0.0], 0.0));
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::{Action, Env, Outcome, needs_reset, numbers, saved_by_serde, write};
use crate::error::EnvError;
use crate::random::Pcg64;
use crate::render::{Frame, Rgb};
use crate::space::Space;

/// Fastest rotation in rad/s.
pub(crate) const MAX_SPEED: f64 = 8.0;
/// Strongest torque in N m.
pub(crate) const MAX_TORQUE: f32 = 2.0;
/// Seconds a step.
pub(crate) const TAU: f64 = 0.05;
/// 3 g / (2 l) with g = 10 m/s² and l = 1 m.
pub(crate) const GRAVITY_TERM: f64 = 3.0 * 10.0 / 2.0;
/// 3 / (m l²).
pub(crate) const TORQUE_TERM: f32 = 3.0;

/// The environment; see the [module page](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pendulum {
    state: [f64; 2],
    running: bool,
    torque: f32,
    rng: Pcg64,
}

impl Default for Pendulum {
    fn default() -> Self {
        Self::new()
    }
}

impl Pendulum {
    /// A pendulum that waits for its first [`reset`](Env::reset).
    pub fn new() -> Self {
        Self { state: [0.0; 2], running: false, torque: 0.0, rng: Pcg64::new(0) }
    }

    /// Begins an episode in the state θ, θ̇.
    pub fn reset_to(&mut self, state: [f64; 2]) {
        self.state = state;
        self.torque = 0.0;
        self.running = true;
    }

    /// The state θ, θ̇; θ counts its turns.
    pub fn state(&self) -> [f64; 2] {
        self.state
    }

    pub(crate) fn space() -> Space {
        let high = [1.0, 1.0, MAX_SPEED as f32];
        Space::vector(high.map(|bound| -bound), high)
    }

    fn observation(&self) -> [f32; 3] {
        let [theta, theta_dot] = self.state;
        [theta.cos(), theta.sin(), theta_dot].map(|x| x as f32)
    }
}

/// The same angle in [−π, π).
pub(crate) fn wrapped(angle: f64) -> f64 {
    (angle + PI).rem_euclid(2.0 * PI) - PI
}

impl Env for Pendulum {
    fn name(&self) -> &str {
        "Pendulum-v1"
    }

    fn observation_space(&self) -> Space {
        Self::space()
    }

    fn action_space(&self) -> Space {
        Space::interval(-MAX_TORQUE, MAX_TORQUE, &[1])
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.rng = Pcg64::new(seed);
        }
        let state = [self.rng.uniform(-PI, PI), self.rng.uniform(-1.0, 1.0)];
        self.reset_to(state);
        write(self.name(), &self.observation(), observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let [u] = numbers(self.name(), action, || self.action_space())?;
        if !self.running {
            return Err(needs_reset(self.name()));
        }
        let u = u.clamp(-MAX_TORQUE, MAX_TORQUE);
        let [theta, theta_dot] = self.state;
        let angle = wrapped(theta);
        let cost = angle * angle + 0.1 * (theta_dot * theta_dot) + f64::from(0.001_f32 * (u * u));
        let acceleration = GRAVITY_TERM * theta.sin() + f64::from(TORQUE_TERM * u);
        let theta_dot = (theta_dot + acceleration * TAU).clamp(-MAX_SPEED, MAX_SPEED);
        self.state = [theta + theta_dot * TAU, theta_dot];
        self.torque = u;
        write(self.name(), &self.observation(), observation)?;
        Ok(Outcome { reward: -cost, terminated: false, truncated: false })
    }

    fn render(&self) -> Option<Frame> {
        let [theta, _] = self.state;
        let mut frame = Frame::new(200, 200, Rgb::WHITE);
        let tip = (100.0 + 75.0 * theta.sin(), 100.0 - 75.0 * theta.cos());
        frame.line((100.0, 100.0), tip, 16.0, Rgb::ORANGE);
        frame.disc((100.0, 100.0), 4.0, Rgb::INK);
        // The torque, as a bar at the bottom: towards the side the motor pushes the tip.
        let reach = 80.0 * f64::from(self.torque / MAX_TORQUE);
        frame.rectangle(
            (100.0_f64.min(100.0 + reach), 188.0),
            (100.0_f64.max(100.0 + reach), 194.0),
            Rgb::BLUE,
        );
        frame.line((100.0, 184.0), (100.0, 198.0), 1.0, Rgb::MUTED);
        Some(frame)
    }

    saved_by_serde!();
}
