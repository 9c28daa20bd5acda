//! # Taxi
//!
//! Fetch a passenger at one of four stands and bring them to another one.
//!
//! ```text
//! +---------+
//! |R: | : :G|      | wall    : passage
//! | : | : : |      R G Y B stands 0 to 3
//! | : : : : |
//! | | : | : |      r = −1 a step, −10 for picking up or setting down where it cannot be done,
//! |Y| : |B: |      +20 for setting down at the destination
//! +---------+
//! ```
//!
//! | | |
//! |---|---|
//! | observation | ((row · 5 + column) · 5 + passenger) · 4 + destination; passenger 4 sits in the taxi: 500 states, 404 of them reachable |
//! | action | 0 south, 1 north, 2 east, 3 west, 4 pick up, 5 set down |
//! | terminated | the passenger is at the destination |
//! | truncated | after 200 steps, by [`TimeLimit`](crate::wrapper::TimeLimit) |
//! | start | taxi anywhere, passenger and destination at different stands: 300 states, equally likely |
//!
//! The optimal policy's mean return is 7.93; each start alone has a known answer.
//!
//! T. G. Dietterich, *Hierarchical Reinforcement Learning with the MAXQ Value Function Decomposition*, JAIR 13, 2000.
//! <https://arxiv.org/abs/cs/9905014>
//!
//! Equal to Gymnasium's `Taxi-v3` (`Taxi-v4` without rain and fickle passengers is the same).
//!
//! ```
//! use fornax_rl::env::taxi::{self, State};
//!
//! let mut taxi = taxi::init()?;
//! let inside = State { row: 4, column: 3, passenger: 4, destination: 3 };
//! taxi.reset_to(inside.encode());
//! let outcome = taxi.step_drawn(5, 0.0)?; // set down at B
//! assert_eq!((outcome.reward, outcome.terminated), (20.0, true));
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use super::mdp::{Mdp, MdpEnv, Transition, View};
use crate::error::EnvError;
use crate::render::{Frame, Rgb};

const MAP: [&[u8; 11]; 5] = [b"|R: | : :G|", b"| : | : : |", b"| : : : : |", b"| | : | : |", b"|Y| : |B: |"];
/// Row and column of R, G, Y, B.
const STANDS: [(usize, usize); 4] = [(0, 0), (0, 4), (4, 0), (4, 3)];
/// The passenger sits in the taxi.
const INSIDE: usize = 4;

/// What the number of a state says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The taxi's row, from the north.
    pub row: usize,
    /// The taxi's column, from the west.
    pub column: usize,
    /// The passenger's stand, or 4 inside the taxi.
    pub passenger: usize,
    /// The stand to go to.
    pub destination: usize,
}

impl State {
    /// The number.
    pub fn encode(self) -> usize {
        ((self.row * 5 + self.column) * 5 + self.passenger) * 4 + self.destination
    }

    /// From the number.
    pub fn decode(number: usize) -> Self {
        Self {
            row: number / 100,
            column: number / 20 % 5,
            passenger: number / 4 % 5,
            destination: number % 4,
        }
    }

    /// The state after `action`, the reward, and whether the ride is over.
    fn after(mut self, action: usize) -> (Self, f64, bool) {
        let here = (self.row, self.column);
        // A column's letter is at 2 · column + 1 of its row, its walls to either side.
        let open = |at: usize| MAP[here.0][at] == b':';
        let (mut reward, mut terminated) = (-1.0, false);
        match action {
            0 => self.row = (self.row + 1).min(4),
            1 => self.row = self.row.saturating_sub(1),
            2 if open(2 * self.column + 2) => self.column += 1,
            3 if open(2 * self.column) => self.column -= 1,
            4 if self.passenger < INSIDE && here == STANDS[self.passenger] => self.passenger = INSIDE,
            5 if self.passenger == INSIDE && here == STANDS[self.destination] => {
                self.passenger = self.destination;
                (reward, terminated) = (20.0, true);
            }
            5 if self.passenger == INSIDE && STANDS.contains(&here) => {
                self.passenger = STANDS.iter().position(|stand| *stand == here).unwrap_or(INSIDE);
            }
            4 | 5 => reward = -10.0,
            _ => {}
        }
        (self, reward, terminated)
    }
}

/// Builds the environment.
///
/// # Errors
///
/// None at present; the signature is that of the other pages.
pub fn init() -> Result<MdpEnv, EnvError> {
    let states = || (0..500).map(State::decode);
    let starts: Vec<f64> =
        states().map(|s| f64::from(u8::from(s.passenger < INSIDE && s.passenger != s.destination))).collect();
    let count: f64 = starts.iter().sum();
    let row = |state: State, action| {
        let (next, reward, terminated) = state.after(action);
        vec![Transition { probability: 1.0, next: next.encode(), reward, terminated }]
    };
    let table = states().flat_map(|state| (0..6).map(move |action| row(state, action))).collect();
    let initial = starts.into_iter().map(|start| start / count).collect();
    Ok(MdpEnv::new("Taxi-v3", Mdp::new(6, table, initial)?, Town))
}

/// How a ride looks.
#[derive(Debug)]
struct Town;

const COLORS: [Rgb; 4] = [Rgb::RED, Rgb::GREEN, Rgb::YELLOW, Rgb::BLUE];

impl View for Town {
    /// The map; the taxi is `t`, `T` with the passenger; below it who goes where.
    fn text(&self, state: usize) -> String {
        let State { row, column, passenger, destination } = State::decode(state);
        let mut lines = vec!["+---------+".to_owned()];
        for (i, line) in MAP.iter().enumerate() {
            let mut line: Vec<char> = line.iter().map(|&byte| char::from(byte)).collect();
            if i == row {
                line[2 * column + 1] = if passenger == INSIDE { 'T' } else { 't' };
            }
            lines.push(line.into_iter().collect());
        }
        lines.push("+---------+".to_owned());
        let stand = |i: usize| ["R", "G", "Y", "B", "the taxi"][i];
        lines.push(format!("passenger at {}, to {}", stand(passenger), stand(destination)));
        lines.join("\n")
    }

    fn frame(&self, state: usize) -> Frame {
        let State { row, column, passenger, destination } = State::decode(state);
        let side = 44.0;
        let mut frame = Frame::new(240, 240, Rgb::WHITE);
        let corner = |(row, column): (usize, usize)| (10.0 + side * column as f64, 10.0 + side * row as f64);
        for row in 0..5 {
            for column in 0..5 {
                let (x, y) = corner((row, column));
                let stand = STANDS.iter().position(|stand| *stand == (row, column));
                let color = stand.map_or(Rgb::FAINT, |i| COLORS[i]);
                frame.rectangle((x + 1.0, y + 1.0), (x + side - 1.0, y + side - 1.0), color);
                if stand == Some(destination) {
                    frame.rectangle((x + 7.0, y + 7.0), (x + side - 7.0, y + side - 7.0), Rgb::WHITE);
                }
            }
        }
        for (row, line) in MAP.iter().enumerate() {
            for column in (1..5).filter(|column| line[2 * column] == b'|') {
                let (x, y) = corner((row, column));
                frame.line((x, y), (x, y + side), 4.0, Rgb::INK);
            }
        }
        let (x, y) = corner((row, column));
        frame.rectangle((x + 8.0, y + 13.0), (x + side - 8.0, y + side - 11.0), Rgb::INK);
        let (x, y) = if passenger == INSIDE { (x, y) } else { corner(STANDS[passenger]) };
        frame.disc((x + side / 2.0, y + side / 2.0), 6.0, Rgb::ORANGE);
        frame
    }
}
