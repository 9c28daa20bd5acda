//! # Acrobot
//!
//! Two links hang like a gymnast from a bar, with a motor only in the waist. Swing the feet above a line one link's length over the
//! bar.
//!
//! ```text
//!   - - - - - - - -  goal: −cos θ₁ − cos(θ₁ + θ₂) > 1
//!         │
//!   ──────•──────    d₁ = m l_c² + m (l² + l_c² + 2 l l_c cos θ₂) + 2 I
//!          ╲ θ₁      d₂ = m (l_c² + l l_c cos θ₂) + I
//!           ╲        φ₂ = m l_c g cos(θ₁ + θ₂ − π/2)
//!            • u     φ₁ = −m l l_c θ̇₂² sin θ₂ − 2 m l l_c θ̇₁ θ̇₂ sin θ₂ + (m l_c + m l) g cos(θ₁ − π/2) + φ₂
//!            │ θ₂    θ̈₂ = (u + d₂/d₁ φ₁ − m l l_c θ̇₁² sin θ₂ − φ₂) / (m l_c² + I − d₂²/d₁)
//!            │       θ̈₁ = −(d₂ θ̈₂ + φ₁) / d₁
//! ```
//!
//! with m = 1 kg, l = 1 m, l_c = 0.5 m, I = 1 kg m², g = 9.8 m/s², integrated over τ = 0.2 s by one step of Runge and Kutta's
//! fourth-order method. Angles are wrapped into [−π, π], velocities clipped to ± 4π and ± 9π.
//!
//! | | |
//! |---|---|
//! | observation | cos θ₁, sin θ₁, cos θ₂, sin θ₂, θ̇₁, θ̇₂ (rad/s) |
//! | action | torque u = action − 1 N m |
//! | reward | −1 a step, 0 for the last when it reaches the goal |
//! | terminated | the feet are above the line |
//! | truncated | after 500 steps, by [`TimeLimit`](crate::wrapper::TimeLimit) |
//! | start | each of θ₁, θ₂, θ̇₁, θ̇₂ uniform in [−0.1, 0.1), rounded to f32 |
//!
//! R. S. Sutton, *Generalization in Reinforcement Learning: Successful Examples Using Sparse Coarse Coding*, NIPS 1995.
//! <https://proceedings.neurips.cc/paper/1995/hash/8f1d43620bc6bb580df6e80b0dc05c48-Abstract.html>
//!
//! Equal to Gymnasium's `Acrobot-v1` with the equations of Sutton and Barto's book (its default), state in f64.
//!
//! ```
//! use fornax_rl::env::{Acrobot, Action, Env};
//!
//! let mut env = Acrobot::new();
//! env.reset_to([0.0; 4]); // hanging still: without torque it goes on hanging
//! let step = env.step(Action::Discrete(1))?;
//! assert!(step.observation[1].abs() < 1e-6 && step.reward == -1.0);
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::{Action, Env, Outcome, choice, needs_reset, saved_by_serde, write};
use crate::error::EnvError;
use crate::random::Pcg64;
use crate::render::{Frame, Rgb};
use crate::space::Space;

/// Fastest rotation of either joint, in rad/s.
pub(crate) const MAX_SPEED: [f64; 2] = [4.0 * PI, 9.0 * PI];
/// Seconds a step.
pub(crate) const TAU: f64 = 0.2;
/// Bound of the initial state.
pub(crate) const START: f64 = 0.1;
const GRAVITY: f64 = 9.8;

/// The environment; see the [module page](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acrobot {
    state: [f64; 4],
    running: bool,
    rng: Pcg64,
}

impl Default for Acrobot {
    fn default() -> Self {
        Self::new()
    }
}

impl Acrobot {
    /// A gymnast who waits for the first [`reset`](Env::reset).
    pub fn new() -> Self {
        Self { state: [0.0; 4], running: false, rng: Pcg64::new(0) }
    }

    /// Begins an episode in the state θ₁, θ₂, θ̇₁, θ̇₂.
    pub fn reset_to(&mut self, state: [f64; 4]) {
        self.state = state;
        self.running = true;
    }

    /// The state θ₁, θ₂, θ̇₁, θ̇₂ in f64.
    pub fn state(&self) -> [f64; 4] {
        self.state
    }

    pub(crate) fn space() -> Space {
        let high = [1.0, 1.0, 1.0, 1.0, MAX_SPEED[0] as f32, MAX_SPEED[1] as f32];
        Space::vector(high.map(|bound| -bound), high)
    }

    fn observation(&self) -> [f32; 6] {
        let [a, b, a_dot, b_dot] = self.state;
        [a.cos(), a.sin(), b.cos(), b.sin(), a_dot, b_dot].map(|x| x as f32)
    }
}

/// The time derivative of θ₁, θ₂, θ̇₁, θ̇₂ under torque `u`; unit masses and lengths are left out.
fn derivative([a, b, a_dot, b_dot]: [f64; 4], u: f64) -> [f64; 4] {
    let (center, inertia) = (0.5, 1.0);
    let squared = center * center;
    let (sin, cos) = (b.sin(), b.cos());
    let d1 = squared + (1.0 + squared + 2.0 * center * cos) + inertia + inertia;
    let d2 = (squared + center * cos) + inertia;
    let phi2 = center * GRAVITY * (a + b - PI / 2.0).cos();
    let phi1 = -center * (b_dot * b_dot) * sin - 2.0 * center * b_dot * a_dot * sin
        + (center + 1.0) * GRAVITY * (a - PI / 2.0).cos()
        + phi2;
    let b_acc =
        (u + d2 / d1 * phi1 - center * (a_dot * a_dot) * sin - phi2) / (squared + inertia - d2 * d2 / d1);
    [a_dot, b_dot, -(d2 * b_acc + phi1) / d1, b_acc]
}

/// One step of the fourth-order Runge–Kutta method.
fn runge_kutta(y: [f64; 4], u: f64) -> [f64; 4] {
    let plus = |scale: f64, k: [f64; 4]| [0, 1, 2, 3].map(|i| y[i] + scale * k[i]);
    let k1 = derivative(y, u);
    let k2 = derivative(plus(TAU / 2.0, k1), u);
    let k3 = derivative(plus(TAU / 2.0, k2), u);
    let k4 = derivative(plus(TAU, k3), u);
    [0, 1, 2, 3].map(|i| y[i] + TAU / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
}

/// The same angle in [−π, π], by whole turns as Gymnasium takes them off.
fn wrap(mut angle: f64) -> f64 {
    while angle > PI {
        angle -= 2.0 * PI;
    }
    while angle < -PI {
        angle += 2.0 * PI;
    }
    angle
}

impl Env for Acrobot {
    fn name(&self) -> &str {
        "Acrobot-v1"
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
        let state = [(); 4].map(|()| f64::from(self.rng.uniform(-START, START) as f32));
        self.reset_to(state);
        write(self.name(), &self.observation(), observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let torque = choice(self.name(), action, 3)? as f64 - 1.0;
        if !self.running {
            return Err(needs_reset(self.name()));
        }
        let [a, b, a_dot, b_dot] = runge_kutta(self.state, torque);
        let clip = |speed: f64, joint: usize| speed.clamp(-MAX_SPEED[joint], MAX_SPEED[joint]);
        let (a, b) = (wrap(a), wrap(b));
        self.state = [a, b, clip(a_dot, 0), clip(b_dot, 1)];
        let terminated = -a.cos() - (b + a).cos() > 1.0;
        self.running = !terminated;
        write(self.name(), &self.observation(), observation)?;
        Ok(Outcome { reward: if terminated { 0.0 } else { -1.0 }, terminated, truncated: false })
    }

    fn render(&self) -> Option<Frame> {
        let [a, b, ..] = self.state;
        let mut frame = Frame::new(220, 220, Rgb::WHITE);
        let waist = (110.0 + 48.0 * a.sin(), 110.0 + 48.0 * a.cos());
        let feet = (waist.0 + 48.0 * (a + b).sin(), waist.1 + 48.0 * (a + b).cos());
        frame.line((0.0, 62.0), (220.0, 62.0), 1.0, Rgb::MUTED);
        frame.line((110.0, 110.0), waist, 7.0, Rgb::BLUE);
        frame.line(waist, feet, 7.0, Rgb::SKY);
        for joint in [(110.0, 110.0), waist] {
            frame.disc(joint, 4.5, Rgb::ORANGE);
        }
        Some(frame)
    }

    saved_by_serde!();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kinetic and potential energy of the two links. The accelerations come from Lagrange's equations; that these keep the energy
    /// is an independent statement.
    fn energy([a, b, a_dot, b_dot]: [f64; 4]) -> f64 {
        let center = |angle: f64| (0.5 * angle.sin(), -0.5 * angle.cos());
        let joint_speed = (a_dot * a.cos(), a_dot * a.sin());
        let total = a_dot + b_dot;
        let second =
            (joint_speed.0 + 0.5 * total * (a + b).cos(), joint_speed.1 + 0.5 * total * (a + b).sin());
        let kinetic = 0.5 * (0.25 + 1.0) * a_dot * a_dot
            + 0.5 * (second.0 * second.0 + second.1 * second.1)
            + 0.5 * total * total;
        let height = center(a).1 + (-a.cos() + center(a + b).1);
        kinetic + GRAVITY * height
    }

    #[test]
    fn without_torque_energy_is_kept() {
        let start = [1.0, -0.7, 0.4, 0.9];
        // One thousandth of a step at a time: the error of the method vanishes, that of the equations would not.
        let mut y = start;
        let (h, before) = (2e-4, energy(start));
        for _ in 0..5_000 {
            let k1 = derivative(y, 0.0);
            let middle = [0, 1, 2, 3].map(|i| y[i] + 0.5 * h * k1[i]);
            let k2 = derivative(middle, 0.0);
            y = [0, 1, 2, 3].map(|i| y[i] + h * k2[i]);
        }
        assert!((energy(y) - before).abs() < 1e-5, "{} became {}", before, energy(y));
        assert!((y[0] - start[0]).abs() > 0.1, "it moved");
    }
}
