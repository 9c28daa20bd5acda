//! # Cart and pole
//!
//! A pole stands on a cart, on a frictionless track. Each fiftieth of a second the cart is pushed to the left or to the right;
//! the pole must not fall.
//!
//! ```text
//!              ╱ θ > 0
//!             ╱                  u = (F + m l θ̇² sin θ) / (M + m)
//!        ┌───╱───┐               θ̈ = (g sin θ − u cos θ) / (l (4/3 − m cos² θ / (M + m)))
//!  F ──▶ │   •   │               ẍ = u − m l θ̈ cos θ / (M + m)
//!        └─o───o─┘
//!  ──────────┼──────────         x ← x + τ ẋ,  ẋ ← ẋ + τ ẍ,  θ ← θ + τ θ̇,  θ̇ ← θ̇ + τ θ̈
//!            0      x
//! ```
//!
//! with g = 9.8 m/s², M = 1 kg (cart), m = 0.1 kg (pole), l = 0.5 m (half the pole), F = ± 10 N, τ = 0.02 s.
//!
//! | | |
//! |---|---|
//! | observation | x (m), ẋ (m/s), θ (rad), θ̇ (rad/s) |
//! | action | 0 pushes to the left, 1 to the right |
//! | reward | 1 a step, the last one included |
//! | terminated | \|x\| > 2.4 or \|θ\| > 12° |
//! | truncated | after 500 steps, by [`TimeLimit`](crate::wrapper::TimeLimit) |
//! | start | each of the four uniform in [−0.05, 0.05) |
//!
//! A. G. Barto, R. S. Sutton, C. W. Anderson, *Neuronlike adaptive elements that can solve difficult learning control problems*,
//! IEEE Transactions on Systems, Man, and Cybernetics 13(5), 1983. <https://doi.org/10.1109/TSMC.1983.6313077>
//!
//! Equal to Gymnasium's `CartPole-v1`, state in f64. Differs: a step after the end is an error, not a warning.
//!
//! ```
//! use fornax_rl::env::{Action, CartPole, Env};
//!
//! let mut env = CartPole::new();
//! env.reset_to([0.0; 4]);
//! let step = env.step(Action::Discrete(1))?;
//! // Positions move with the velocities of before, which were zero; ẍ = 10 / (1.1 − 0.1 · 3/4) m/s² by the formulas.
//! assert_eq!(step.observation[0], 0.0);
//! assert!((step.observation[1] - 0.02 * 10.0 / (1.1 - 0.075)).abs() < 1e-6);
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use serde::{Deserialize, Serialize};

use super::{Action, Env, Outcome, choice, needs_reset, saved_by_serde, write};
use crate::error::EnvError;
use crate::random::Pcg64;
use crate::render::{Frame, Rgb};
use crate::space::Space;

/// Gravity in m/s².
pub(crate) const GRAVITY: f64 = 9.8;
/// Mass of the pole in kg.
pub(crate) const POLE_MASS: f64 = 0.1;
/// Mass of cart and pole in kg.
pub(crate) const TOTAL_MASS: f64 = POLE_MASS + 1.0;
/// Half the length of the pole in m.
pub(crate) const HALF_LENGTH: f64 = 0.5;
/// The push in N.
pub(crate) const FORCE: f64 = 10.0;
/// Seconds a step.
pub(crate) const TAU: f64 = 0.02;
/// Where the pole counts as fallen, in radians: 12°.
pub(crate) const MAX_ANGLE: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;
/// Where the track ends, in m.
pub(crate) const MAX_POSITION: f64 = 2.4;
/// Bound of the initial state.
pub(crate) const START: f64 = 0.05;

/// The environment; see the [module page](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CartPole {
    state: [f64; 4],
    running: bool,
    rng: Pcg64,
}

impl Default for CartPole {
    fn default() -> Self {
        Self::new()
    }
}

impl CartPole {
    /// A cart that waits for its first [`reset`](Env::reset).
    pub fn new() -> Self {
        Self { state: [0.0; 4], running: false, rng: Pcg64::new(0) }
    }

    /// Begins an episode in the state x, ẋ, θ, θ̇.
    pub fn reset_to(&mut self, state: [f64; 4]) {
        self.state = state;
        self.running = true;
    }

    /// The state x, ẋ, θ, θ̇ in f64, of which observations are the rounded form.
    pub fn state(&self) -> [f64; 4] {
        self.state
    }

    /// The observation space, which is the same for every cart: bounds twice as wide as the limits.
    pub(crate) fn space() -> Space {
        let high = [2.0 * MAX_POSITION as f32, f32::INFINITY, (2.0 * MAX_ANGLE) as f32, f32::INFINITY];
        Space::vector(high.map(|bound| -bound), high)
    }
}

impl Env for CartPole {
    fn name(&self) -> &str {
        "CartPole-v1"
    }

    fn observation_space(&self) -> Space {
        Self::space()
    }

    fn action_space(&self) -> Space {
        Space::Discrete(2)
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.rng = Pcg64::new(seed);
        }
        let state = [(); 4].map(|()| self.rng.uniform(-START, START));
        self.reset_to(state);
        write(self.name(), &self.state.map(|x| x as f32), observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let right = choice(self.name(), action, 2)? == 1;
        if !self.running {
            return Err(needs_reset(self.name()));
        }
        let [x, x_dot, theta, theta_dot] = self.state;
        let force = if right { FORCE } else { -FORCE };
        let (sin, cos) = (theta.sin(), theta.cos());
        let pole = POLE_MASS * HALF_LENGTH;
        let u = (force + pole * (theta_dot * theta_dot) * sin) / TOTAL_MASS;
        let theta_acc =
            (GRAVITY * sin - cos * u) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS));
        let x_acc = u - pole * theta_acc * cos / TOTAL_MASS;
        let (x, x_dot) = (x + TAU * x_dot, x_dot + TAU * x_acc);
        let (theta, theta_dot) = (theta + TAU * theta_dot, theta_dot + TAU * theta_acc);
        self.state = [x, x_dot, theta, theta_dot];
        let terminated = x.abs() > MAX_POSITION || theta.abs() > MAX_ANGLE;
        self.running = !terminated;
        write(self.name(), &self.state.map(|x| x as f32), observation)?;
        Ok(Outcome { reward: 1.0, terminated, truncated: false })
    }

    fn render(&self) -> Option<Frame> {
        let [x, _, theta, _] = self.state;
        let mut frame = Frame::new(300, 200, Rgb::WHITE);
        let (at, ground) = (150.0 + x * 60.0, 150.0);
        frame.line((0.0, ground), (300.0, ground), 1.5, Rgb::MUTED);
        for limit in [-MAX_POSITION, MAX_POSITION] {
            let x = 150.0 + limit * 60.0;
            frame.line((x, ground), (x, ground + 8.0), 1.5, Rgb::MUTED);
        }
        frame.rectangle((at - 22.0, ground - 22.0), (at + 22.0, ground - 6.0), Rgb::INK);
        frame.disc((at - 13.0, ground - 5.0), 5.0, Rgb::MUTED);
        frame.disc((at + 13.0, ground - 5.0), 5.0, Rgb::MUTED);
        let tip = (at + 90.0 * theta.sin(), ground - 16.0 - 90.0 * theta.cos());
        frame.line((at, ground - 16.0), tip, 6.0, Rgb::ORANGE);
        frame.disc((at, ground - 16.0), 4.0, Rgb::BLUE);
        Some(frame)
    }

    saved_by_serde!();
}
