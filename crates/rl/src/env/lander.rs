//! # Lander
//!
//! Set a spacecraft down on the pad, upright and slowly, with one main engine and two for attitude.
//!
//! ```text
//!          ┌────┐            m v̇ = T n(θ) + S t(θ) + m g + Σ foot forces
//!     ◁────┤    ├────▷       I ω̇ = S h + Σ arm × foot force
//!          └┬──┬┘
//!          ╱ ▽▽ ╲            foot in the ground by d > 0, moving down by v_n and along by v_t:
//!     ____╱______╲____         N = max(0, k d + c v_n),  F = −μ N clip(v_t / 0.1 m/s, ± 1)
//!        ⚑  pad  ⚑
//! ```
//!
//! A rigid body (mass, moment of inertia), two feet that are spring-dampers with Coulomb friction, no atmosphere; T along the body's
//! axis n, S across it at height h above the centre of mass. Semi-implicit Euler, 20 substeps of 1 ms.
//!
//! | | |
//! |---|---|
//! | observation | x / 10 m, y / 10 m, vₓ / 5 m/s, v_y / 5 m/s, θ (rad), ω / 2 rad/s, left foot down, right foot down |
//! | action, discrete | 0 nothing, 1 turn to the left, 2 main engine, 3 turn to the right |
//! | action, continuous | main throttle, attitude throttle (+ to the right), each in [−1, 1]; the main engine is off below 0 and otherwise runs at half to full thrust |
//! | reward | Φ(s′) − Φ(s) − fuel, +100 landed on the pad, +20 landed elsewhere, −100 crashed or lost |
//! | terminated | at rest on both feet, hull or hard foot on the ground, or out of the box |
//! | truncated | after 600 steps under the registered name, by [`TimeLimit`](crate::wrapper::TimeLimit) |
//!
//! ```text
//! Φ = −10 (√(x² + y²) / 1 m + √(vₓ² + v_y²) / 1 m/s) − 50 |θ| + 10 per foot down
//! ```
//!
//! Rewards that are differences of a potential add up to the same for every path between two states, so they guide without moving
//! the optimum when γ = 1: A. Y. Ng, D. Harada, S. Russell, *Policy invariance under reward transformations*, ICML 1999.
//! <https://people.eecs.berkeley.edu/~russell/papers/icml99-shaping.pdf>
//!
//! Own environment with own physics: **not** Gymnasium's LunarLander, which runs on Box2D. The idea and the kind of reward are the
//! same, returns are not comparable.
//!
//! ```
//! use fornax_rl::env::lander::Lander;
//! use fornax_rl::env::{Action, Env};
//!
//! let mut env = Lander::discrete();
//! env.reset(Some(1))?;
//! let mut last = env.step(Action::Discrete(0))?;
//! while !last.terminated {
//!     last = env.step(Action::Discrete(0))?; // nobody at the controls
//! }
//! assert!(last.reward < -50.0);
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use serde::{Deserialize, Serialize};

use super::{Action, Env, Outcome, choice, needs_reset, numbers, saved_by_serde, write};
use crate::error::EnvError;
use crate::random::Pcg64;
use crate::render::{Frame, Rgb};
use crate::space::Space;

/// Gravity in m/s²: the Moon's.
const GRAVITY: f64 = 1.62;
/// Moment of inertia over mass, in m²: a body of about 1 m by 1 m.
const INERTIA: f64 = 0.25;
/// Acceleration of the main engine at full thrust, in m/s².
const MAIN: f64 = 4.5;
/// Acceleration of an attitude engine, in m/s², and its height above the centre of mass in m.
const SIDE: (f64, f64) = (0.4, 0.5);
/// A foot's place from the centre of mass, right and down, in m.
const FOOT: (f64, f64) = (0.7, 0.8);
/// The hull's lower corners.
const HULL: (f64, f64) = (0.5, 0.4);
/// Stiffness 1/s², damping 1/s (both over mass) and friction of a foot.
const GROUND: (f64, f64, f64) = (150.0, 12.0, 0.8);
/// A foot that hits the ground faster than this, in m/s, breaks.
const HARD: f64 = 1.5;
/// Half the pad in m.
const PAD: f64 = 1.5;
/// Half the width and the height of the box, in m.
const BOX: (f64, f64) = (12.0, 15.0);
const SUBSTEPS: usize = 20;
const DT: f64 = 0.001;
/// Steps at rest before it counts as landed.
const REST: u32 = 15;

/// The spacecraft; see the [module page](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lander {
    continuous: bool,
    /// x, y, vₓ, v_y, θ (positive to the right), ω; y is 0 when the craft stands on flat feet.
    body: [f64; 6],
    feet: [bool; 2],
    at_rest: u32,
    running: bool,
    engines: [f64; 2],
    rng: Pcg64,
}

/// What the ground did during a step.
#[derive(Default)]
struct Contact {
    feet: [bool; 2],
    broken: bool,
}

impl Lander {
    fn new(continuous: bool) -> Self {
        let (body, feet, engines) = ([0.0; 6], [false; 2], [0.0; 2]);
        Self { continuous, body, feet, at_rest: 0, running: false, engines, rng: Pcg64::new(0) }
    }

    /// Four actions: an engine is on or off.
    pub fn discrete() -> Self {
        Self::new(false)
    }

    /// Two throttles.
    pub fn continuous() -> Self {
        Self::new(true)
    }

    /// Begins an episode in the state x, y (m), vₓ, v_y (m/s), θ (rad, positive to the right), ω (rad/s).
    pub fn reset_to(&mut self, body: [f64; 6]) {
        self.body = body;
        self.feet = [false; 2];
        self.at_rest = 0;
        self.engines = [0.0; 2];
        self.running = true;
    }

    /// The state x, y, vₓ, v_y, θ, ω.
    pub fn state(&self) -> [f64; 6] {
        self.body
    }

    /// Where a point of the craft (right, down) is from its centre of mass.
    fn arm(&self, (right, down): (f64, f64)) -> (f64, f64) {
        let (sin, cos) = self.body[4].sin_cos();
        (right * cos - down * sin, -right * sin - down * cos)
    }

    /// A millisecond under engine accelerations `main` and `side`.
    fn advance(&mut self, main: f64, side: f64, contact: &mut Contact) {
        let [_, y, vx, vy, theta, omega] = self.body;
        let (sin, cos) = theta.sin_cos();
        let mut force = (main * sin + side * cos, main * cos - side * sin - GRAVITY);
        let mut torque = side * SIDE.1;
        for (i, foot) in [-FOOT.0, FOOT.0].into_iter().enumerate() {
            let arm = self.arm((foot, FOOT.1));
            let depth = -(y + FOOT.1 + arm.1);
            if depth > 0.0 {
                // θ turns to the right, so a point above the centre moves to the right.
                let (along, down) = (vx + omega * arm.1, -(vy - omega * arm.0));
                contact.broken |= down > HARD && !self.feet[i];
                contact.feet[i] = true;
                let (stiffness, damping, friction) = GROUND;
                let normal = (stiffness * depth + damping * down).max(0.0);
                let drag = -friction * normal * (along / 0.1).clamp(-1.0, 1.0);
                force = (force.0 + drag, force.1 + normal);
                torque += drag * arm.1 - normal * arm.0;
            }
        }
        let corners = [(-HULL.0, HULL.1), HULL, (-HULL.0, -HULL.1), (HULL.0, -HULL.1)];
        contact.broken |= corners.into_iter().any(|corner| y + FOOT.1 + self.arm(corner).1 < 0.0);
        let omega = omega + DT * torque / INERTIA;
        let (vx, vy) = (vx + DT * force.0, vy + DT * force.1);
        self.body = [self.body[0] + DT * vx, y + DT * vy, vx, vy, theta + DT * omega, omega];
    }

    /// Φ: nearer, slower and more upright is better.
    fn potential(&self) -> f64 {
        let [x, y, vx, vy, theta, _] = self.body;
        let feet = self.feet.iter().filter(|down| **down).count() as f64;
        -10.0 * (x.hypot(y) + vx.hypot(vy)) - 50.0 * theta.abs() + 10.0 * feet
    }

    fn observation(&self) -> [f32; 8] {
        let [x, y, vx, vy, theta, omega] = self.body;
        let foot = |i: usize| f64::from(u8::from(self.feet[i]));
        [x / 10.0, y / 10.0, vx / 5.0, vy / 5.0, theta, omega / 2.0, foot(0), foot(1)].map(|x| x as f32)
    }

    /// Main and attitude thrust, 0 to 1 and −1 to 1.
    fn engines(&self, action: Action<'_>) -> Result<[f64; 2], EnvError> {
        if !self.continuous {
            return Ok([[0.0, 0.0], [0.0, -1.0], [1.0, 0.0], [0.0, 1.0]][choice(self.name(), action, 4)?]);
        }
        let [main, side] = numbers(self.name(), action, || self.action_space())?;
        let main = f64::from(main.clamp(-1.0, 1.0));
        Ok([if main < 0.0 { 0.0 } else { 0.5 + 0.5 * main }, f64::from(side.clamp(-1.0, 1.0))])
    }
}

impl Env for Lander {
    fn name(&self) -> &str {
        if self.continuous { "LanderContinuous-v0" } else { "Lander-v0" }
    }

    fn observation_space(&self) -> Space {
        let free = f32::INFINITY;
        let high = [free, free, free, free, free, free, 1.0, 1.0];
        Space::vector(high.map(|bound: f32| if bound.is_finite() { 0.0 } else { -bound }), high)
    }

    fn action_space(&self) -> Space {
        if self.continuous { Space::interval(-1.0, 1.0, &[2]) } else { Space::Discrete(4) }
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.rng = Pcg64::new(seed);
        }
        let mut draw = |bound: f64| self.rng.uniform(-bound, bound);
        let body = [draw(4.0), 10.0 + draw(1.0), draw(1.0), draw(0.5) - 0.5, draw(0.2), draw(0.1)];
        self.reset_to(body);
        write(self.name(), &self.observation(), observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let [main, side] = self.engines(action)?;
        if !self.running {
            return Err(needs_reset(self.name()));
        }
        self.engines = [main, side];
        let before = self.potential();
        let mut contact = Contact::default();
        for _ in 0..SUBSTEPS {
            self.advance(main * MAIN, side * SIDE.0, &mut contact);
        }
        self.feet = contact.feet;
        let [x, y, vx, vy, _, omega] = self.body;
        let still = self.feet == [true; 2] && vx.hypot(vy) < 0.05 && omega.abs() < 0.05;
        self.at_rest = if still { self.at_rest + 1 } else { 0 };
        let lost = x.abs() > BOX.0 || y > BOX.1;
        let landed = self.at_rest >= REST;
        let mut reward = self.potential() - before - 0.1 * main - 0.01 * side.abs();
        reward += match (contact.broken || lost, landed) {
            (true, _) => -100.0,
            (false, true) if x.abs() <= PAD => 100.0,
            (false, true) => 20.0,
            (false, false) => 0.0,
        };
        let terminated = contact.broken || lost || landed;
        self.running = !terminated;
        write(self.name(), &self.observation(), observation)?;
        Ok(Outcome { reward, terminated, truncated: false })
    }

    fn render(&self) -> Option<Frame> {
        let mut frame = Frame::new(320, 220, Rgb(20, 24, 38));
        let [x, y, ..] = self.body;
        let place = |(right, up): (f64, f64)| (160.0 + right * 13.0, 205.0 - up * 13.0);
        frame.rectangle((0.0, 205.0), (320.0, 220.0), Rgb::MUTED);
        frame.rectangle((160.0 - PAD * 13.0, 203.0), (160.0 + PAD * 13.0, 208.0), Rgb::YELLOW);
        let at = |point: (f64, f64)| {
            let (right, up) = self.arm(point);
            place((x + right, y + FOOT.1 + up))
        };
        let [main, side] = self.engines;
        frame.line(at((0.0, 0.4)), at((0.0, 0.4 + 0.9 * main)), 5.0 * main, Rgb::ORANGE);
        frame.line(at((0.0, -0.5)), at((-0.9 * side, -0.5)), 3.0 * side.abs(), Rgb::ORANGE);
        for foot in [-FOOT.0, FOOT.0] {
            frame.line(at((foot * 0.6, HULL.1)), at((foot, FOOT.1)), 2.0, Rgb::FAINT);
        }
        frame.polygon(&[at((-0.5, -0.4)), at((0.5, -0.4)), at((0.5, 0.4)), at((-0.5, 0.4))], Rgb::SKY);
        Some(frame)
    }

    saved_by_serde!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_fall_is_the_parabola() {
        let mut env = Lander::discrete();
        env.reset_to([0.0, 12.0, 0.5, 1.0, 0.3, 0.0]);
        for _ in 0..50 {
            env.step(Action::Discrete(0)).unwrap();
        }
        let [x, y, _, vy, theta, omega] = env.state();
        // One second; semi-implicit Euler lags the parabola by g · dt · t / 2.
        assert!((x - 0.5).abs() < 1e-9 && (y - (12.0 + 1.0 - 0.5 * GRAVITY)).abs() < 1e-3, "{x} {y}");
        assert!((vy - (1.0 - GRAVITY)).abs() < 1e-9 && theta == 0.3 && omega == 0.0);
    }

    #[test]
    fn a_craft_on_its_feet_stays_and_has_landed() {
        let mut env = Lander::continuous();
        env.reset_to([0.0, 0.01, 0.0, 0.0, 0.0, 0.0]);
        let mut outcome = env.step(Action::Continuous(&[-1.0, 0.0])).unwrap();
        let mut steps = 1;
        while !outcome.terminated && steps < 200 {
            outcome = env.step(Action::Continuous(&[-1.0, 0.0])).unwrap();
            steps += 1;
        }
        assert!(outcome.terminated && outcome.reward > 99.0, "{outcome:?} after {steps}");
        // Two springs carry the weight: depth g / (2 k).
        assert!((env.state()[1] + GRAVITY / (2.0 * GROUND.0)).abs() < 1e-3, "{:?}", env.state());
    }

    #[test]
    fn an_engine_turns_the_craft_to_its_side() {
        for (action, sign) in [(1, -1.0), (3, 1.0)] {
            let mut env = Lander::discrete();
            env.reset_to([0.0, 10.0, 0.0, 0.0, 0.0, 0.0]);
            for _ in 0..10 {
                env.step(Action::Discrete(action)).unwrap();
            }
            // ω = S h t / I after t = 0.2 s.
            assert!((env.state()[5] - sign * 0.4 * 0.5 * 0.2 / INERTIA).abs() < 1e-9);
        }
    }

    /// A pilot by hand: lean towards the pad, brake near the ground.
    fn pilot(env: &Lander) -> usize {
        let [x, y, vx, vy, theta, omega] = env.state();
        let lean = (-0.08 * x - 0.25 * vx).clamp(-0.3, 0.3);
        let turn = 2.0 * (lean - theta) - 2.0 * omega;
        let sink = -0.25 - 0.22 * y.max(0.0);
        if vy < sink && theta.abs() < 0.5 && env.feet == [false; 2] {
            2
        } else if turn.abs() > 0.08 && env.feet == [false; 2] {
            if turn > 0.0 { 3 } else { 1 }
        } else {
            0
        }
    }

    fn returns(policy: impl Fn(&Lander) -> usize) -> Vec<f64> {
        let play = |seed| {
            let mut env = Lander::discrete();
            env.reset(Some(seed)).unwrap();
            let mut sum = 0.0;
            for _ in 0..1_000 {
                let step = env.step(Action::Discrete(policy(&env))).unwrap();
                sum += step.reward;
                if step.terminated {
                    break;
                }
            }
            sum
        };
        (0..40).map(play).collect()
    }

    #[test]
    fn a_pilot_lands_and_nobody_at_the_controls_crashes() {
        let flown = returns(pilot);
        let good = flown.iter().filter(|r| **r > 150.0).count();
        assert!(good >= 36, "{good} of 40: {flown:?}");
        let fallen = returns(|_| 0);
        assert!(fallen.iter().all(|r| *r < 50.0), "{fallen:?}");
    }
}
