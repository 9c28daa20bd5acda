//! Roads with bends and forks, drawn from a key.

use serde::{Deserialize, Serialize};

use super::ground::{Ground, Surface};
use super::{LANE, STEP, between};
use crate::random::Stream;
use crate::{Error, Key};

/// Parts of the road further apart than this along it …
const ALONG: f64 = 45.0;
/// … are at least so far apart on the ground: the two roads and grass between them.
const APART: f64 = 2.0 * LANE + 3.0;

/// A way to take where the road forks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// Anticlockwise.
    Left,
    /// On.
    Straight,
    /// Clockwise.
    Right,
}

impl Turn {
    /// All, in the order of their indices.
    pub const ALL: [Self; 3] = [Self::Left, Self::Straight, Self::Right];

    /// 0 for left, 1 for straight, 2 for right.
    pub fn index(self) -> usize {
        self as usize
    }

    /// 1 for left, 0 for straight, −1 for right.
    fn sign(self) -> f64 {
        1.0 - f64::from(self as u8)
    }
}

/// Setting of [`Roads`]; pure data, built by [`init`](Self::init).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoadConfig {
    /// Forks on the way, at most 4. Default: 2.
    pub forks: usize,
}

impl Default for RoadConfig {
    fn default() -> Self {
        Self { forks: 2 }
    }
}

impl RoadConfig {
    /// The world of such roads.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] naming `forks` above 4.
    pub fn init(self) -> Result<Roads, Error> {
        if self.forks > 4 {
            return Err(Error::argument("forks", "at most 4", self.forks));
        }
        Ok(Roads { forks: self.forks })
    }
}

/// An endless set of roads.
#[derive(Debug, Clone, Copy)]
pub struct Roads {
    forks: usize,
}

impl Roads {
    /// Road `index` of the series that `key` names. No road comes near itself: what would, is drawn again.
    pub fn sample(&self, key: Key, index: u64) -> Road {
        let key = key.fold(index);
        let mut attempt = 0;
        loop {
            let mut stream = key.fold(attempt).stream();
            let plan = Plan::draw(self.forks, &mut stream);
            if plan.is_clear() {
                return Road::new(plan, &mut stream);
            }
            attempt += 1;
        }
    }
}

/// Points [`STEP`] apart, with heading and curvature.
#[derive(Debug, Clone)]
struct Path {
    points: Vec<[f64; 2]>,
    headings: Vec<f64>,
    curvatures: Vec<f64>,
}

impl Path {
    /// A path of one point.
    fn at(point: [f64; 2], heading: f64, curvature: f64) -> Self {
        Self { points: vec![point], headings: vec![heading], curvatures: vec![curvature] }
    }

    fn last(&self) -> usize {
        self.points.len() - 1
    }

    /// The last point again, as the beginning of a branch.
    fn end(&self) -> Self {
        let last = self.last();
        Self::at(self.points[last], self.headings[last], self.curvatures[last])
    }

    /// Goes on for `length`, the curvature changing evenly to `curvature`.
    fn extend(&mut self, length: f64, curvature: f64) {
        let steps = (length / STEP).round().max(1.0) as usize;
        let from = self.curvatures[self.last()];
        for i in 1..=steps {
            let [x, y] = self.points[self.last()];
            let heading = self.headings[self.last()];
            let next = from + (curvature - from) * i as f64 / steps as f64;
            let turn = 0.5 * STEP * (self.curvatures[self.last()] + next);
            let (sin, cos) = (heading + 0.5 * turn).sin_cos();
            self.points.push([x + STEP * cos, y + STEP * sin]);
            self.headings.push(heading + turn);
            self.curvatures.push(next);
        }
    }

    /// A stretch of bends that ends straight.
    fn wind(&mut self, stream: &mut Stream) {
        for _ in 0..2 + stream.below(2) {
            let curvature = between(stream, -0.04, 0.04);
            self.extend(between(stream, 8.0, 14.0), curvature);
        }
        self.extend(6.0, 0.0);
        self.extend(4.0, 0.0);
    }

    /// A way out of a fork: an arc of 8 to 12 m radius and 40° to 70° to either side, or straight on.
    fn branch(&mut self, turn: Turn, stream: &mut Stream) {
        let (radius, angle) = (between(stream, 8.0, 12.0), between(stream, 0.7, 1.2));
        match turn {
            Turn::Straight => self.extend(radius * angle, 0.0),
            _ => {
                self.extend(STEP, turn.sign() / radius);
                self.extend(radius * angle - 1.5, turn.sign() / radius);
                self.extend(2.0, 0.0);
            }
        }
    }

    fn append(&mut self, other: Self) {
        self.points.extend(&other.points[1..]);
        self.headings.extend(&other.headings[1..]);
        self.curvatures.extend(&other.curvatures[1..]);
    }
}

/// A road before it is paved.
struct Plan {
    route: Path,
    forks: Vec<Fork>,
    /// Branches that are not taken, with the point of the route they leave at.
    stubs: Vec<(usize, Path)>,
}

impl Plan {
    fn draw(forks: usize, stream: &mut Stream) -> Self {
        let mut plan = Self { route: Path::at([0.0, 0.0], 0.0, 0.0), forks: Vec::new(), stubs: Vec::new() };
        plan.route.extend(5.0, 0.0);
        plan.route.wind(stream);
        for _ in 0..forks {
            let mut options = Turn::ALL.to_vec();
            // All three ways, or two of them.
            let closed = stream.below(4) as usize;
            if closed < options.len() {
                options.remove(closed);
            }
            let turn = options[stream.below(options.len() as u64) as usize];
            let at = plan.route.last();
            let fork = plan.route.end();
            for &option in &options {
                let mut branch = fork.clone();
                branch.branch(option, stream);
                if option == turn {
                    plan.route.append(branch);
                } else {
                    branch.extend(20.0, 0.0);
                    plan.stubs.push((at, branch));
                }
            }
            plan.forks.push(Fork { at: at as f64 * STEP, turn, options });
            plan.route.wind(stream);
        }
        plan.route.extend(AHEAD, 0.0);
        plan
    }

    /// Whether what is far apart along the road is apart on the ground.
    fn is_clear(&self) -> bool {
        // Every point with the piece it is on, where that leaves the route, and how far behind it is.
        let mut places: Vec<([f64; 2], usize, f64, f64)> = Vec::new();
        for (i, &point) in self.route.points.iter().enumerate().step_by(2) {
            places.push((point, 0, i as f64 * STEP, 0.0));
        }
        for (number, (at, stub)) in self.stubs.iter().enumerate() {
            for (i, &point) in stub.points.iter().enumerate().step_by(2) {
                places.push((point, 1 + number, *at as f64 * STEP, i as f64 * STEP));
            }
        }
        places.iter().enumerate().all(|(i, &(a, piece_a, leaves_a, beyond_a))| {
            places[..i].iter().all(|&(b, piece_b, leaves_b, beyond_b)| {
                let same = piece_a == piece_b;
                let behind = if same { (beyond_a - beyond_b).abs() } else { beyond_a + beyond_b };
                let along = (leaves_a - leaves_b).abs() + behind;
                along < ALONG || (a[0] - b[0]).hypot(a[1] - b[1]) > APART
            })
        })
    }
}

/// Road behind the finish, so that there is something to look at.
const AHEAD: f64 = 20.0;

/// A place where the road divides.
#[derive(Debug, Clone, PartialEq)]
pub struct Fork {
    /// Metres from the beginning of the route.
    pub at: f64,
    /// The way that leads on.
    pub turn: Turn,
    /// All ways there are, two or three.
    pub options: Vec<Turn>,
}

/// A road of two lanes; see [`Roads`].
#[derive(Debug, Clone)]
pub struct Road {
    /// Middle of the right lane: points, headings and curvatures.
    lane: Path,
    forks: Vec<Fork>,
    ground: Ground,
    pub(super) look: Look,
}

/// What the same road looks like on another day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    grass: [f32; 3],
    asphalt: [f32; 3],
    paint: [f32; 3],
    pub(super) sky: [f32; 3],
}

impl Look {
    /// Light, hue of the grass, and how worn the paint is.
    fn draw(stream: &mut Stream) -> Self {
        let light = stream.between(0.7, 1.1);
        let tone = stream.between(-0.06, 0.06);
        let grey = stream.between(0.28, 0.42);
        let paint = stream.between(0.7, 0.95);
        let lit = |color: [f32; 3]| color.map(|part| (part * light).clamp(0.0, 1.0));
        Self {
            grass: lit([0.30 + tone, 0.48, 0.22 + 0.5 * tone]),
            asphalt: lit([grey, grey, grey + 0.02]),
            paint: lit([paint, paint, paint]),
            sky: lit([0.62, 0.78, 0.95]),
        }
    }
}

impl Road {
    fn new(plan: Plan, stream: &mut Stream) -> Self {
        let Plan { route, forks, stubs } = plan;
        let thinned = |path: &Path| path.points.iter().copied().step_by(2).collect::<Vec<_>>();
        let mut paths = vec![thinned(&route)];
        paths.extend(stubs.iter().map(|(_, stub)| thinned(stub)));
        let ground = Ground::new(&paths.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut lane = route;
        for (point, heading) in lane.points.iter_mut().zip(&lane.headings) {
            let (sin, cos) = heading.sin_cos();
            *point = [point[0] + 0.5 * LANE * sin, point[1] - 0.5 * LANE * cos]; // to the right
        }
        Self { lane, forks, ground, look: Look::draw(stream) }
    }

    /// Metres from the beginning of the route to its finish.
    pub fn length(&self) -> f64 {
        (self.lane.points.len() - 1) as f64 * STEP - AHEAD
    }

    /// The forks on the way, in order.
    pub fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// Middle of the lane that leads on, points half a metre apart along the middle of the road.
    pub fn lane(&self) -> &[[f64; 2]] {
        &self.lane.points
    }

    pub(super) fn headings(&self) -> &[f64] {
        &self.lane.headings
    }

    pub(super) fn curvatures(&self) -> &[f64] {
        &self.lane.curvatures
    }

    /// Red, green and blue of a place on the ground.
    pub(super) fn color(&self, x: f64, y: f64) -> [f32; 3] {
        match self.ground.surface(x, y) {
            Surface::Grass => self.look.grass,
            Surface::Asphalt => self.look.asphalt,
            Surface::Paint => self.look.paint,
        }
    }

    /// The ground from above, north up: red, green and blue of `side` × `side` pixels, row after row, `meters` on a side
    /// around `center`.
    pub fn above(&self, center: [f64; 2], meters: f64, side: usize) -> Vec<u8> {
        let pixel = meters / side as f64;
        let place = |i: usize| (i as f64 + 0.5) * pixel - 0.5 * meters;
        let colors =
            (0..side * side).map(|i| self.color(center[0] + place(i % side), center[1] - place(i / side)));
        colors.flatten().map(|part| (part * 255.0).round() as u8).collect()
    }
}
