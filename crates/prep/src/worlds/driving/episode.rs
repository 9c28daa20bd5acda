//! A car on a road: steps, the expert, and a score.

use super::{Car, Command, LANE, Road, STEP, Turn, between};
use crate::{Error, Key};

/// Seconds a step takes.
const SECONDS: f64 = 0.1;
/// Where the car starts, in points of the path.
const START: usize = 10;
/// Further from the middle of the lane a car is on the other lane, on the grass or on the wrong way.
const LEFT: f64 = 0.5 * LANE + 0.4;
/// The fastest the expert drives, per second.
const FASTEST: f64 = 7.0;
/// The strongest pull sideways it accepts in a bend, and backwards when braking, per second squared.
const SIDEWAYS: f64 = 2.0;
const BRAKING: f64 = 1.5;
/// Metres around a fork in which the goal is given.
const GOAL_BEFORE: f64 = 15.0;
const GOAL_AFTER: f64 = 10.0;

/// How a drive stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// On its way.
    Driving,
    /// It passed the finish.
    Arrived,
    /// It strayed from the lane that leads on by more than 2 m: onto the grass, the other lane, or the wrong way.
    LeftRoad,
    /// It was slower than 2 m/s on average, and was stopped.
    TimedOut,
}

/// A drive along a road, from standing 5 m behind its beginning.
#[derive(Debug, Clone)]
pub struct Episode<'a> {
    road: &'a Road,
    car: Car,
    /// The nearest point of the lane.
    place: usize,
    steps: u64,
    status: Status,
    /// Sum of the lane errors' magnitudes.
    strayed: f64,
}

impl<'a> Episode<'a> {
    /// A car that stands in the middle of the lane.
    pub fn new(road: &'a Road) -> Self {
        let [x, y] = road.lane()[START];
        let car = Car { x, y, heading: road.headings()[START], speed: 0.0 };
        Self { road, car, place: START, steps: 0, status: Status::Driving, strayed: 0.0 }
    }

    /// The road.
    pub fn road(&self) -> &'a Road {
        self.road
    }

    /// The car.
    pub fn car(&self) -> Car {
        self.car
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Metres along the route.
    pub fn along(&self) -> f64 {
        self.place as f64 * STEP
    }

    /// Share of the route that was driven.
    pub fn progress(&self) -> f64 {
        (self.along() / self.road.length()).min(1.0)
    }

    /// Metres to the left of the middle of the lane.
    pub fn lane_error(&self) -> f64 {
        let [x, y] = self.road.lane()[self.place];
        let (sin, cos) = self.road.headings()[self.place].sin_cos();
        (self.car.y - y) * cos - (self.car.x - x) * sin
    }

    /// Mean of the lane error's magnitude over all steps.
    pub fn mean_lane_error(&self) -> f64 {
        self.strayed / self.steps.max(1) as f64
    }

    /// The way to take at the fork that is near, or straight on.
    pub fn goal(&self) -> Turn {
        let here = self.along();
        let near = |at: f64| here > at - GOAL_BEFORE && here < at + GOAL_AFTER;
        self.road.forks().iter().find(|fork| near(fork.at)).map_or(Turn::Straight, |fork| fork.turn)
    }

    /// Whether the point the expert steers for lies behind a fork that the car has not entered yet: where the command
    /// depends on the goal while the image does not.
    pub fn at_fork(&self) -> bool {
        let here = self.along();
        self.road.forks().iter().any(|fork| here < fork.at && here + self.lookahead() > fork.at + 1.0)
    }

    /// How far ahead the expert looks: further when faster.
    fn lookahead(&self) -> f64 {
        3.0 + 0.6 * self.car.speed
    }

    /// What the expert, who knows the way, would do: pure pursuit of the lane, slower before and in bends.
    ///
    /// ```text
    /// δ = atan(2 L sin α / d)              α: direction of the point of the lane at distance d, from the heading
    /// v = min over points s ahead of √(a_side/|κ(s)| + 2 a_brake · (distance to s))
    /// ```
    ///
    /// R. C. Coulter, *Implementation of the pure pursuit path tracking algorithm*, CMU-RI-TR-92-01, 1992.
    pub fn expert(&self) -> Command {
        let lane = self.road.lane();
        let distance = |[x, y]: [f64; 2]| (x - self.car.x).hypot(y - self.car.y);
        let lookahead = self.lookahead();
        let beyond = (self.place + 1..lane.len()).find(|&i| distance(lane[i]) >= lookahead);
        let second = beyond.unwrap_or(lane.len() - 1);
        let (from, to) = (lane[second - 1], lane[second]);
        let (near, far) = (distance(from), distance(to));
        let part = ((lookahead - near) / (far - near).max(1e-9)).clamp(0.0, 1.0);
        let point = [from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1])];
        let alpha = (point[1] - self.car.y).atan2(point[0] - self.car.x) - self.car.heading;
        let steering = (2.0 * Car::WHEELBASE * alpha.sin() / distance(point).max(1e-9)).atan();

        let ahead = self.road.curvatures()[self.place..].iter().take(40).enumerate();
        let allowed =
            ahead.map(|(i, curvature)| SIDEWAYS / curvature.abs() + 2.0 * BRAKING * i as f64 * STEP);
        let speed = allowed.fold(FASTEST * FASTEST, f64::min).sqrt();
        Command { steering: steering.clamp(-Car::MAX_STEERING, Car::MAX_STEERING), speed }
    }

    /// Drives on for a tenth of a second; nothing happens once the drive has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming `steering` or `speed` when it is not finite.
    pub fn step(&mut self, command: Command) -> Result<Status, Error> {
        for (name, value) in [("steering", command.steering), ("speed", command.speed)] {
            if !value.is_finite() {
                return Err(Error::argument(name, "a finite number", value));
            }
        }
        if self.status != Status::Driving {
            return Ok(self.status);
        }
        self.car = self.car.step(command, SECONDS);
        self.steps += 1;
        let lane = self.road.lane();
        let window = self.place.saturating_sub(4)..(self.place + 16).min(lane.len());
        let distance2 = |i: usize| (lane[i][0] - self.car.x).powi(2) + (lane[i][1] - self.car.y).powi(2);
        self.place = window.min_by(|&a, &b| distance2(a).total_cmp(&distance2(b))).unwrap_or(self.place);
        self.strayed += self.lane_error().abs();
        self.status = if self.lane_error().abs() > LEFT {
            Status::LeftRoad
        } else if self.along() >= self.road.length() {
            Status::Arrived
        } else if self.steps as f64 * SECONDS * 2.0 > self.road.length() {
            Status::TimedOut
        } else {
            Status::Driving
        };
        Ok(self.status)
    }
}

/// A push on the steering, to record how the expert comes back: zero most of the time; in every three seconds one
/// triangle of up to ±0.3 rad, a second long, at a place and of a size that follow from `key`.
pub fn disturbance(key: Key, step: u64) -> f64 {
    const PERIOD: u64 = 30;
    const LENGTH: f64 = 10.0;
    let mut stream = key.fold(step / PERIOD).stream();
    let start = between(&mut stream, 0.0, PERIOD as f64 - LENGTH);
    let size = between(&mut stream, -0.3, 0.3);
    let part = ((step % PERIOD) as f64 - start) / LENGTH;
    size * (1.0 - (2.0 * part - 1.0).abs()).max(0.0)
}
