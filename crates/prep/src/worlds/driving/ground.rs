//! What lies where: a map of the distance to the middle of the nearest road.

use super::LANE;

/// Side of a cell.
const CELL: f64 = 0.25;
/// Distances beyond are not told apart.
const REACH: f64 = 4.5;
/// Metres from one dash of the middle line to the next; half of it is painted.
const DASHES: f64 = 6.0;
/// Half the width of painted lines.
const PAINT: f32 = 0.14;

/// What a point of the ground shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    Grass,
    Asphalt,
    Paint,
}

#[derive(Debug, Clone)]
pub(super) struct Ground {
    origin: [f64; 2],
    columns: usize,
    rows: usize,
    /// In parts of [`REACH`] / 255.
    distance: Vec<u8>,
    /// Place between two dashes of the nearest point, in parts of 256.
    phase: Vec<u8>,
}

impl Ground {
    /// The map of some paths of points about a metre apart or less.
    pub(super) fn new(paths: &[&[[f64; 2]]]) -> Self {
        let points = || paths.iter().copied().flatten();
        let bound = |axis: usize, pick: fn(f64, f64) -> f64, start: f64| {
            points().fold(start, |bound, point| pick(bound, point[axis]))
        };
        let low = [0, 1].map(|axis| bound(axis, f64::min, f64::INFINITY) - REACH - 1.0);
        let high = [0, 1].map(|axis| bound(axis, f64::max, f64::NEG_INFINITY) + REACH + 1.0);
        let [columns, rows] = [0, 1].map(|axis| ((high[axis] - low[axis]) / CELL).ceil() as usize + 1);
        let mut ground = Self {
            origin: low,
            columns,
            rows,
            distance: vec![255; columns * rows],
            phase: vec![0; columns * rows],
        };
        for path in paths {
            let mut along = 0.0;
            for pair in path.windows(2) {
                ground.draw(pair[0], pair[1], along);
                along += (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1]);
            }
        }
        ground
    }

    /// Enters a piece of a path that begins `along` metres from its start.
    fn draw(&mut self, a: [f64; 2], b: [f64; 2], along: f64) {
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length2 = (dx * dx + dy * dy).max(1e-12);
        let cells = |axis: usize, count: usize| {
            let first = (a[axis].min(b[axis]) - REACH - self.origin[axis]) / CELL;
            let last = (a[axis].max(b[axis]) + REACH - self.origin[axis]) / CELL;
            (first.max(0.0) as usize, (last.ceil() as usize).min(count - 1))
        };
        let ((left, right), (low, high)) = (cells(0, self.columns), cells(1, self.rows));
        for row in low..=high {
            let py = self.origin[1] + row as f64 * CELL - a[1];
            for column in left..=right {
                let px = self.origin[0] + column as f64 * CELL - a[0];
                let part = ((px * dx + py * dy) / length2).clamp(0.0, 1.0);
                let distance = (px - part * dx).hypot(py - part * dy);
                let level = (distance * 255.0 / REACH).round().min(255.0) as u8;
                let cell = row * self.columns + column;
                if level < self.distance[cell] {
                    self.distance[cell] = level;
                    let place = (along + part * length2.sqrt()) / DASHES;
                    self.phase[cell] = (place.fract() * 256.0) as u8;
                }
            }
        }
    }

    /// Distance to the middle of the nearest road, at most [`REACH`], and the place between two dashes there.
    fn at(&self, x: f64, y: f64) -> (f32, u8) {
        let (column, row) = ((x - self.origin[0]) / CELL, (y - self.origin[1]) / CELL);
        let inside =
            column >= 0.0 && row >= 0.0 && column < (self.columns - 1) as f64 && row < (self.rows - 1) as f64;
        if !inside {
            return (REACH as f32, 0);
        }
        let (i, j) = (column as usize, row as usize);
        let (u, v) = ((column - i as f64) as f32, (row - j as f64) as f32);
        let cell = j * self.columns + i;
        let corner = |offset: usize| f32::from(self.distance[cell + offset]);
        let near = corner(0) + u * (corner(1) - corner(0));
        let far = corner(self.columns) + u * (corner(self.columns + 1) - corner(self.columns));
        ((near + v * (far - near)) * (REACH as f32 / 255.0), self.phase[cell])
    }

    pub(super) fn surface(&self, x: f64, y: f64) -> Surface {
        let (distance, phase) = self.at(x, y);
        let edge = LANE as f32;
        match distance {
            d if d > edge => Surface::Grass,
            d if (d - (edge - 0.25)).abs() < PAINT => Surface::Paint,
            d if d < PAINT && phase < 128 => Surface::Paint,
            _ => Surface::Asphalt,
        }
    }
}
