//! # Mountain car
//!
//! A car in a valley, with an engine too weak for the slope. To leave on the right it first has to drive away from the goal, and
//! nothing on the way says so: the classic test of exploration.
//!
//! ```text
//!                          ⚑ 0.5           v ← clip(v + 0.001 (a − 1) − 0.0025 cos 3x, ± 0.07)
//!   ╲                     ╱                x ← clip(x + v, −1.2, 0.6)
//!    ╲                   ╱                 v ← 0 at the left wall
//!     ╲                 ╱
//!      ╲               ╱                   height sin 3x, its slope 3 cos 3x
//!       ╲__        __o╱
//!          ╲______╱
//!  −1.2     −π/6          0.6
//! ```
//!
//! | | |
//! |---|---|
//! | observation | position x, velocity v (a step) |
//! | action | 0 reverse, 1 idle, 2 forward |
//! | reward | −1 a step |
//! | terminated | x ≥ 0.5 and v ≥ 0 |
//! | truncated | after 200 steps, by [`TimeLimit`](crate::wrapper::TimeLimit) |
//! | start | x uniform in [−0.6, −0.4), v = 0 |
//!
//! A. W. Moore, *Efficient Memory-based Learning for Robot Control*, PhD thesis, University of Cambridge, 1990.
//! <https://www.cl.cam.ac.uk/techreports/UCAM-CL-TR-209.pdf>
//!
//! Equal to Gymnasium's `MountainCar-v0`, state in f64. The continuous one is [`continuous_mountain_car`](super::continuous_mountain_car).
//!
//! ```
//! use fornax_rl::env::{Action, Env, MountainCar};
//!
//! let mut env = MountainCar::new();
//! env.reset_to([-std::f64::consts::FRAC_PI_6, 0.0]); // the bottom of the valley: an idle car stays
//! let step = env.step(Action::Discrete(1))?;
//! assert!(step.observation[1].abs() < 1e-9);
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use serde::{Deserialize, Serialize};

use super::{Action, Env, Outcome, choice, needs_reset, saved_by_serde, write};
use crate::error::EnvError;
use crate::random::Pcg64;
use crate::render::{Frame, Rgb};
use crate::space::Space;

/// The left wall.
pub(crate) const MIN_POSITION: f64 = -1.2;
/// The right end.
pub(crate) const MAX_POSITION: f64 = 0.6;
/// Fastest motion, per step.
pub(crate) const MAX_SPEED: f64 = 0.07;
/// Where the flag stands.
pub(crate) const GOAL: f64 = 0.5;
/// The engine, per step.
pub(crate) const FORCE: f64 = 0.001;
/// Gravity times slope, per step.
pub(crate) const GRAVITY: f64 = 0.0025;
/// The car starts uniformly between these.
pub(crate) const START: (f64, f64) = (-0.6, -0.4);

/// The environment; see the [module page](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountainCar {
    state: [f64; 2],
    running: bool,
    rng: Pcg64,
}

impl Default for MountainCar {
    fn default() -> Self {
        Self::new()
    }
}

impl MountainCar {
    /// A car that waits for its first [`reset`](Env::reset).
    pub fn new() -> Self {
        Self { state: [0.0; 2], running: false, rng: Pcg64::new(0) }
    }

    /// Begins an episode in the state x, v.
    pub fn reset_to(&mut self, state: [f64; 2]) {
        self.state = state;
        self.running = true;
    }

    /// The state x, v in f64.
    pub fn state(&self) -> [f64; 2] {
        self.state
    }

    pub(crate) fn space() -> Space {
        let (low, high) = ([MIN_POSITION, -MAX_SPEED], [MAX_POSITION, MAX_SPEED]);
        Space::vector(low.map(|x| x as f32), high.map(|x| x as f32))
    }
}

impl Env for MountainCar {
    fn name(&self) -> &str {
        "MountainCar-v0"
    }

    fn observation_space(&self) -> Space {
        Self::space()
    }

    fn action_space(&self) -> Space {
        Space::Discrete(3)
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.rng = Pcg64::new(seed);
        }
        let position = self.rng.uniform(START.0, START.1);
        self.reset_to([position, 0.0]);
        write(self.name(), &self.state.map(|x| x as f32), observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let action = choice(self.name(), action, 3)?;
        if !self.running {
            return Err(needs_reset(self.name()));
        }
        let [position, velocity] = self.state;
        let push = (action as f64 - 1.0) * FORCE + (3.0 * position).cos() * -GRAVITY;
        let mut velocity = (velocity + push).clamp(-MAX_SPEED, MAX_SPEED);
        let position = (position + velocity).clamp(MIN_POSITION, MAX_POSITION);
        if position == MIN_POSITION && velocity < 0.0 {
            velocity = 0.0;
        }
        self.state = [position, velocity];
        let terminated = position >= GOAL && velocity >= 0.0;
        self.running = !terminated;
        write(self.name(), &self.state.map(|x| x as f32), observation)?;
        Ok(Outcome { reward: -1.0, terminated, truncated: false })
    }

    fn render(&self) -> Option<Frame> {
        Some(draw(self.state[0], GOAL))
    }

    saved_by_serde!();
}

/// The valley, the flag at `goal` and the car at `position`.
pub(crate) fn draw(position: f64, goal: f64) -> Frame {
    let mut frame = Frame::new(300, 160, Rgb::WHITE);
    let place = |x: f64| (20.0 + (x - MIN_POSITION) / 1.8 * 260.0, 90.0 - 50.0 * (3.0 * x).sin());
    for i in 0..60 {
        let x = |i: i32| MIN_POSITION + 1.8 * f64::from(i) / 60.0;
        frame.line(place(x(i)), place(x(i + 1)), 2.0, Rgb::MUTED);
    }
    let (x, y) = place(goal);
    frame.line((x, y), (x, y - 28.0), 1.5, Rgb::INK);
    frame.polygon(&[(x, y - 28.0), (x, y - 18.0), (x + 12.0, y - 23.0)], Rgb::RED);
    let (x, y) = place(position);
    frame.disc((x, y - 7.0), 7.0, Rgb::BLUE);
    frame
}
