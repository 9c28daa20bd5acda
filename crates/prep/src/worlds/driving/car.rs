//! The kinematic bicycle.

use serde::{Deserialize, Serialize};

/// What a driver wants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Angle of the front wheels, left positive.
    pub steering: f64,
    /// Speed to be reached.
    pub speed: f64,
}

/// A car: two axles joined to a bicycle, its position that of the rear one.
///
/// ```text
/// ẋ = v cos ψ     ẏ = v sin ψ     ψ̇ = v · tan δ / L          δ steering, L wheelbase
/// ```
///
/// At constant δ that is a circle of radius L / tan δ, and a step follows it exactly. Derivation: R. Rajamani, *Vehicle
/// dynamics and control*, 2006, chapter 2. <https://doi.org/10.1007/0-387-28823-6>
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Car {
    /// East.
    pub x: f64,
    /// North.
    pub y: f64,
    /// ψ, from east, anticlockwise.
    pub heading: f64,
    /// v
    pub speed: f64,
}

impl Car {
    /// Distance between the axles.
    pub const WHEELBASE: f64 = 2.5;
    /// The furthest the wheels turn.
    pub const MAX_STEERING: f64 = 0.6;
    /// How fast speed changes, per second.
    pub const MAX_ACCELERATION: f64 = 3.0;

    /// Where the car is after `seconds` under a command. Steering beyond the stop is the stop, a negative speed is 0.
    #[must_use]
    pub fn step(self, command: Command, seconds: f64) -> Self {
        let change = Self::MAX_ACCELERATION * seconds;
        let speed = command.speed.max(0.0).clamp(self.speed - change, self.speed + change);
        let distance = 0.5 * (self.speed + speed) * seconds;
        let steering = command.steering.clamp(-Self::MAX_STEERING, Self::MAX_STEERING);
        let turn = distance * steering.tan() / Self::WHEELBASE;
        // The chord of the arc: it points half the turn further, and is sin(turn/2)/(turn/2) as long.
        let half = 0.5 * turn;
        let chord = distance * if half.abs() < 1e-6 { 1.0 } else { half.sin() / half };
        let (sin, cos) = (self.heading + half).sin_cos();
        Self { x: self.x + chord * cos, y: self.y + chord * sin, heading: self.heading + turn, speed }
    }
}
