//! # Mountain car with a throttle
//!
//! The car of [`mountain_car`](super::mountain_car) with an engine that is paid for: the reward is the goal's 100 less the squared
//! throttle. An agent that never reaches the goal learns to stand still, which costs nothing; that is its trap.
//!
//! ```text
//! v ← v + 0.0015 clip(a, −1, 1) − 0.0025 cos 3x         clipped to ± 0.07
//! x ← x + v                                              clipped to [−1.2, 0.6]; v ← 0 at the left wall
//! r = 100 · [goal reached] − 0.1 a²
//! ```
//!
//! | | |
//! |---|---|
//! | observation | position x, velocity v (a step) |
//! | action | throttle a in [−1, 1]; outside it the engine is clipped, the cost is not |
//! | terminated | x ≥ 0.45 and v ≥ 0 |
//! | truncated | after 999 steps, by [`TimeLimit`](crate::wrapper::TimeLimit) |
//! | start | x uniform in [−0.6, −0.4), v = 0 |
//!
//! Equal to Gymnasium's `MountainCarContinuous-v0`, including its arithmetic: the first step of an episode is computed in f64, and
//! every later one in f32, because Gymnasium keeps the state in f32 from then on.
//!
//! ```
//! use fornax_rl::env::{Action, ContinuousMountainCar, Env};
//!
//! let mut env = ContinuousMountainCar::new();
//! env.reset_to(-0.5);
//! let step = env.step(Action::Continuous(&[0.5]))?;
//! assert!((step.reward + 0.025).abs() < 1e-9);
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use serde::{Deserialize, Serialize};

use super::mountain_car::{MAX_POSITION, MAX_SPEED, MIN_POSITION, MountainCar, START, draw};
use super::{Action, Env, Outcome, needs_reset, numbers, saved_by_serde, write};
use crate::error::EnvError;
use crate::random::Pcg64;
use crate::render::Frame;
use crate::space::Space;

/// Where the flag stands.
const GOAL: f64 = 0.45;
/// The engine at full throttle, per step.
const POWER: f64 = 0.0015;

/// The environment; see the [module page](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContinuousMountainCar {
    /// x, v; after the first step they hold numbers of f32.
    state: [f64; 2],
    first: bool,
    running: bool,
    rng: Pcg64,
}

impl Default for ContinuousMountainCar {
    fn default() -> Self {
        Self::new()
    }
}

impl ContinuousMountainCar {
    /// A car that waits for its first [`reset`](Env::reset).
    pub fn new() -> Self {
        Self { state: [0.0; 2], first: true, running: false, rng: Pcg64::new(0) }
    }

    /// Begins an episode at rest in `position`.
    pub fn reset_to(&mut self, position: f64) {
        self.state = [position, 0.0];
        self.first = true;
        self.running = true;
    }

    /// Gravity and throttle, rounded where NumPy's promotion rules round: a product of an f32 and a literal is an f32, but
    /// a clipped throttle is a literal itself.
    fn push(&self, throttle: f32) -> f64 {
        let cos = (3.0 * self.state[0]).cos();
        let cos = if self.first { cos } else { f64::from(3.0 * self.state[0] as f32).cos() };
        let gravity = 0.0025 * cos;
        if (-1.0..=1.0).contains(&throttle) {
            f64::from(throttle * POWER as f32 - gravity as f32)
        } else {
            f64::from(throttle.signum()) * POWER - gravity
        }
    }
}

/// `a + b` in f64, or in f32 with both rounded to it.
fn sum(first: bool, a: f64, b: f64) -> f64 {
    if first { a + b } else { f64::from(a as f32 + b as f32) }
}

impl Env for ContinuousMountainCar {
    fn name(&self) -> &str {
        "MountainCarContinuous-v0"
    }

    fn observation_space(&self) -> Space {
        MountainCar::space()
    }

    fn action_space(&self) -> Space {
        Space::interval(-1.0, 1.0, &[1])
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.rng = Pcg64::new(seed);
        }
        let position = self.rng.uniform(START.0, START.1);
        self.reset_to(position);
        write(self.name(), &self.state.map(|x| x as f32), observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let [throttle] = numbers(self.name(), action, || self.action_space())?;
        if !self.running {
            return Err(needs_reset(self.name()));
        }
        // Bounds are compared, and taken over, at the precision of the state.
        let bound = |x: f64| if self.first { x } else { f64::from(x as f32) };
        let velocity = sum(self.first, self.state[1], self.push(throttle));
        let mut velocity = velocity.clamp(bound(-MAX_SPEED), bound(MAX_SPEED));
        let position = sum(self.first, self.state[0], velocity);
        let position = position.clamp(bound(MIN_POSITION), bound(MAX_POSITION));
        if position == bound(MIN_POSITION) && velocity < 0.0 {
            velocity = 0.0;
        }
        let terminated = position >= bound(GOAL) && velocity >= 0.0;
        let reward = if terminated { 100.0 } else { 0.0 } - f64::from(throttle).powi(2) * 0.1;
        let rounded = [position, velocity].map(|x| x as f32);
        self.state = rounded.map(f64::from);
        self.first = false;
        self.running = !terminated;
        write(self.name(), &rounded, observation)?;
        Ok(Outcome { reward, terminated, truncated: false })
    }

    fn render(&self) -> Option<Frame> {
        Some(draw(self.state[0], GOAL))
    }

    saved_by_serde!();
}
