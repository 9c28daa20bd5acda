//! The laws of the classic environments in f32, sixteen at a time. The equations are on the pages of the single ones.

use std::f32::consts::PI;

use super::batch::{Batch, LANES, Lane, Physics};
use crate::env::{Acrobot, CartPole, MountainCar, Pendulum, acrobot, cart_pole, mountain_car, pendulum};
use crate::random::Pcg64;
use crate::space::Space;

/// [`CartPole`]s as arrays.
pub type CartPoleBatch = Batch<CartPole, 4, 4>;
/// [`MountainCar`]s as arrays.
pub type MountainCarBatch = Batch<MountainCar, 2, 2>;
/// [`Pendulum`]s as arrays.
pub type PendulumBatch = Batch<Pendulum, 2, 3>;
/// [`Acrobot`]s as arrays.
pub type AcrobotBatch = Batch<Acrobot, 4, 6>;

/// Sine and cosine without a branch, so that a loop over lanes becomes vector instructions. Error below 2e-7 for |x| < 1,000.
///
/// x = q π/2 + r with |r| ≤ π/4; the polynomials are those of S. Moshier's Cephes; q's last two bits choose between them and
/// their signs.
#[inline(always)]
fn sin_cos(x: f32) -> (f32, f32) {
    // Adding 1.5 · 2²³ rounds to an integer, and leaves its last bits at the end of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::FRAC_2_PI + ROUND;
    let (bits, q) = (shifted.to_bits(), shifted - ROUND);
    // π/2 in three parts, the first two short enough for an exact product with q.
    let r = ((x - q * 1.570_312_5) - q * 4.837_513e-4) - q * 7.549_79e-8;
    let z = r * r;
    let sin = r + r * z * (-1.666_665_5e-1 + z * (8.332_161e-3 - z * 1.951_529_6e-4));
    let cos = 1.0 - 0.5 * z + z * z * (4.166_664_6e-2 + z * (-1.388_731_6e-3 + z * 2.443_315_7e-5));
    // All ones where q is odd: then sine and cosine change places.
    let odd = (bits & 1).wrapping_neg();
    let (s, c) = (sin.to_bits(), cos.to_bits());
    let (s, c) = ((s & !odd) | (c & odd), (c & !odd) | (s & odd));
    (f32::from_bits(s ^ (bits & 2) << 30), f32::from_bits(c ^ (bits.wrapping_add(1) & 2) << 30))
}

impl Physics<4, 4> for CartPole {
    const NAME: &'static str = "CartPole-v1";
    const LIMIT: u32 = 500;

    fn observation_space() -> Space {
        CartPole::space()
    }

    fn action_space() -> Space {
        Space::Discrete(2)
    }

    fn start(rng: &mut Pcg64) -> [f32; 4] {
        [(); 4].map(|()| rng.uniform(-cart_pole::START, cart_pole::START) as f32)
    }

    #[inline]
    fn advance(state: &mut [Lane; 4], action: &Lane, reward: &mut Lane, terminated: &mut [bool; LANES]) {
        const FORCE: f32 = cart_pole::FORCE as f32;
        const GRAVITY: f32 = cart_pole::GRAVITY as f32;
        const TAU: f32 = cart_pole::TAU as f32;
        const TOTAL: f32 = cart_pole::TOTAL_MASS as f32;
        const POLE: f32 = (cart_pole::POLE_MASS * cart_pole::HALF_LENGTH) as f32;
        const LENGTH: f32 = cart_pole::HALF_LENGTH as f32;
        const RATIO: f32 = (cart_pole::POLE_MASS / cart_pole::TOTAL_MASS) as f32;
        let [xs, x_dots, thetas, theta_dots] = state;
        for i in 0..LANES {
            let (x, x_dot, theta, theta_dot) = (xs[i], x_dots[i], thetas[i], theta_dots[i]);
            let force = (2.0 * action[i] - 1.0) * FORCE;
            let (sin, cos) = sin_cos(theta);
            let u = (force + POLE * theta_dot * theta_dot * sin) * (1.0 / TOTAL);
            let theta_acc = (GRAVITY * sin - cos * u) / (LENGTH * (4.0 / 3.0 - RATIO * cos * cos));
            let x_acc = u - POLE * (1.0 / TOTAL) * theta_acc * cos;
            xs[i] = x + TAU * x_dot;
            x_dots[i] = x_dot + TAU * x_acc;
            thetas[i] = theta + TAU * theta_dot;
            theta_dots[i] = theta_dot + TAU * theta_acc;
            let fallen = thetas[i].abs() > cart_pole::MAX_ANGLE as f32;
            terminated[i] = (xs[i].abs() > cart_pole::MAX_POSITION as f32) | fallen;
        }
        *reward = [1.0; LANES];
    }

    #[inline]
    fn observe(state: &[Lane; 4]) -> [Lane; 4] {
        *state
    }
}

impl Physics<2, 2> for MountainCar {
    const NAME: &'static str = "MountainCar-v0";
    const LIMIT: u32 = 200;

    fn observation_space() -> Space {
        MountainCar::space()
    }

    fn action_space() -> Space {
        Space::Discrete(3)
    }

    fn start(rng: &mut Pcg64) -> [f32; 2] {
        [rng.uniform(mountain_car::START.0, mountain_car::START.1) as f32, 0.0]
    }

    #[inline]
    fn advance(state: &mut [Lane; 2], action: &Lane, reward: &mut Lane, terminated: &mut [bool; LANES]) {
        const SPEED: f32 = mountain_car::MAX_SPEED as f32;
        const LOW: f32 = mountain_car::MIN_POSITION as f32;
        const HIGH: f32 = mountain_car::MAX_POSITION as f32;
        let [positions, velocities] = state;
        for i in 0..LANES {
            let push = (action[i] - 1.0) * mountain_car::FORCE as f32
                - sin_cos(3.0 * positions[i]).1 * mountain_car::GRAVITY as f32;
            let velocity = (velocities[i] + push).clamp(-SPEED, SPEED);
            let position = (positions[i] + velocity).clamp(LOW, HIGH);
            let velocity = if position == LOW { velocity.max(0.0) } else { velocity };
            (positions[i], velocities[i]) = (position, velocity);
            terminated[i] = (position >= mountain_car::GOAL as f32) & (velocity >= 0.0);
        }
        *reward = [-1.0; LANES];
    }

    #[inline]
    fn observe(state: &[Lane; 2]) -> [Lane; 2] {
        *state
    }
}

impl Physics<2, 3> for Pendulum {
    const NAME: &'static str = "Pendulum-v1";
    const LIMIT: u32 = 200;

    fn observation_space() -> Space {
        Pendulum::space()
    }

    fn action_space() -> Space {
        Space::interval(-pendulum::MAX_TORQUE, pendulum::MAX_TORQUE, &[1])
    }

    fn start(rng: &mut Pcg64) -> [f32; 2] {
        let pi = std::f64::consts::PI;
        [rng.uniform(-pi, pi) as f32, rng.uniform(-1.0, 1.0) as f32]
    }

    /// The angle is kept in [−π, π] instead of counting turns, which f32 would round away.
    #[inline]
    fn advance(state: &mut [Lane; 2], action: &Lane, reward: &mut Lane, terminated: &mut [bool; LANES]) {
        const TAU: f32 = pendulum::TAU as f32;
        const SPEED: f32 = pendulum::MAX_SPEED as f32;
        let [thetas, theta_dots] = state;
        for i in 0..LANES {
            let u = action[i].clamp(-pendulum::MAX_TORQUE, pendulum::MAX_TORQUE);
            let (theta, theta_dot) = (thetas[i], theta_dots[i]);
            reward[i] = -(theta * theta + 0.1 * theta_dot * theta_dot + 0.001 * u * u);
            let acceleration = pendulum::GRAVITY_TERM as f32 * sin_cos(theta).0 + pendulum::TORQUE_TERM * u;
            let theta_dot = (theta_dot + acceleration * TAU).clamp(-SPEED, SPEED);
            theta_dots[i] = theta_dot;
            thetas[i] = wrap(theta + theta_dot * TAU);
            terminated[i] = false;
        }
    }

    #[inline]
    fn observe([thetas, theta_dots]: &[Lane; 2]) -> [Lane; 3] {
        let mut seen = [[0.0; LANES], [0.0; LANES], *theta_dots];
        for i in 0..LANES {
            (seen[1][i], seen[0][i]) = sin_cos(thetas[i]);
        }
        seen
    }
}

/// At most one turn off, which is what a step can add.
#[inline(always)]
fn wrap(angle: f32) -> f32 {
    let down = if angle > PI { 2.0 * PI } else { 0.0 };
    let up = if angle < -PI { 2.0 * PI } else { 0.0 };
    angle - down + up
}

impl Physics<4, 6> for Acrobot {
    const NAME: &'static str = "Acrobot-v1";
    const LIMIT: u32 = 500;

    fn observation_space() -> Space {
        Acrobot::space()
    }

    fn action_space() -> Space {
        Space::Discrete(3)
    }

    fn start(rng: &mut Pcg64) -> [f32; 4] {
        [(); 4].map(|()| rng.uniform(-acrobot::START, acrobot::START) as f32)
    }

    #[inline]
    fn advance(state: &mut [Lane; 4], action: &Lane, reward: &mut Lane, terminated: &mut [bool; LANES]) {
        const TAU: f32 = acrobot::TAU as f32;
        let [fast, faster] = acrobot::MAX_SPEED.map(|speed| speed as f32);
        for i in 0..LANES {
            let u = action[i] - 1.0;
            let y = [state[0][i], state[1][i], state[2][i], state[3][i]];
            let plus = |scale: f32, k: [f32; 4]| {
                [y[0] + scale * k[0], y[1] + scale * k[1], y[2] + scale * k[2], y[3] + scale * k[3]]
            };
            let k1 = acrobot_derivative(y, u);
            let k2 = acrobot_derivative(plus(TAU / 2.0, k1), u);
            let k3 = acrobot_derivative(plus(TAU / 2.0, k2), u);
            let k4 = acrobot_derivative(plus(TAU, k3), u);
            let next = |j: usize| y[j] + TAU / 6.0 * (k1[j] + 2.0 * k2[j] + 2.0 * k3[j] + k4[j]);
            // Four rounds of Runge and Kutta can turn the second link by more than one turn.
            let (a, b) = (wrap(next(0)), wrap(wrap(next(1))));
            state[0][i] = a;
            state[1][i] = b;
            state[2][i] = next(2).max(-fast).min(fast);
            state[3][i] = next(3).max(-faster).min(faster);
            let up = -sin_cos(a).1 - sin_cos(a + b).1 > 1.0;
            terminated[i] = up;
            reward[i] = if up { 0.0 } else { -1.0 };
        }
    }

    #[inline]
    fn observe([a, b, a_dots, b_dots]: &[Lane; 4]) -> [Lane; 6] {
        let mut seen = [[0.0; LANES]; 6];
        for i in 0..LANES {
            (seen[1][i], seen[0][i]) = sin_cos(a[i]);
            (seen[3][i], seen[2][i]) = sin_cos(b[i]);
        }
        (seen[4], seen[5]) = (*a_dots, *b_dots);
        seen
    }
}

/// As [`acrobot`]'s, with cos(x − π/2) = sin x.
#[inline(always)]
fn acrobot_derivative([a, b, a_dot, b_dot]: [f32; 4], u: f32) -> [f32; 4] {
    const G: f32 = 9.8;
    let ((sin, cos), (sin_a, _), (sin_ab, _)) = (sin_cos(b), sin_cos(a), sin_cos(a + b));
    let d1 = 3.5 + cos;
    let d2 = 1.25 + 0.5 * cos;
    let phi2 = 0.5 * G * sin_ab;
    let phi1 = -0.5 * b_dot * b_dot * sin - b_dot * a_dot * sin + 1.5 * G * sin_a + phi2;
    let ratio = d2 / d1;
    let b_acc = (u + ratio * phi1 - 0.5 * a_dot * a_dot * sin - phi2) / (1.25 - d2 * ratio);
    [a_dot, b_dot, -(d2 * b_acc + phi1) / d1, b_acc]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_and_cosine_are_good_to_2e_7() {
        let mut worst = 0.0_f64;
        for i in -400_000..=400_000 {
            let x = i as f32 * 2.5e-3;
            let (sin, cos) = sin_cos(x);
            let (s, c) = f64::from(x).sin_cos();
            worst = worst.max((f64::from(sin) - s).abs()).max((f64::from(cos) - c).abs());
        }
        assert!(worst < 2e-7, "{worst:e}");
    }
}
