//! # Grid world
//!
//! A world drawn as text: walls, goals, pits, a start, and an agent whose moves may slip to either side.
//!
//! ```text
//!   . . . G      S start    G goal, pays +1 and ends     r = step reward for every move,
//!   . # . O      . floor    O pit, pays −1 and ends          plus what the cell pays
//!   S . . .      # wall: a move into it stays            p(intended) = 1 − slip, slip/2 to either side
//! ```
//!
//! The picture above is the world of Russell and Norvig's textbook, [`GridWorldConfig::russell_norvig`]: with the reward
//! −0.04 a step and slip 0.2 the book prints the value of each cell, which is what the tests of
//! [`value_iteration`](crate::tabular::value_iteration) compare with.
//!
//! | | |
//! |---|---|
//! | observation | row · columns + column |
//! | action | 0 left, 1 down, 2 right, 3 up |
//! | terminated | at a goal or in a pit |
//! | truncated | after 100 steps under the registered name, by [`TimeLimit`](crate::wrapper::TimeLimit) |
//!
//! S. Russell, P. Norvig, *Artificial Intelligence: A Modern Approach*, 4th edition, section 17.1. <https://aima.cs.berkeley.edu>
//!
//! ```
//! use fornax_rl::env::grid_world::GridWorldConfig;
//!
//! let mut world = GridWorldConfig::new("S.G".to_owned()).init()?;
//! world.reset_to(1);
//! let outcome = world.step_drawn(2, 0.5)?;
//! assert!((outcome.reward - 0.96).abs() < 1e-12 && outcome.terminated);
//!
//! let error = GridWorldConfig::new("S.G\n.x.".to_owned()).init().unwrap_err();
//! assert_eq!(error.to_string(), "map: line 2, column 2: 'x', expected one of S G O # .");
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use burn::config::Config;
use fornax_nn_core::ConfigError;

use super::grid::{Grid, MOVES};
use super::mdp::{Mdp, MdpEnv, Transition};
use crate::error::EnvError;

/// A world; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct GridWorldConfig {
    /// A line a row, of the letters S G O # and full stops.
    pub map: String,
    /// What every move pays. Default: the textbook's.
    #[config(default = -0.04)]
    pub step_reward: f64,
    /// Chance that a move goes to one of the two sides instead. Default: none.
    #[config(default = 0.0)]
    pub slip: f64,
}

impl GridWorldConfig {
    /// The 4 × 3 world of Russell and Norvig.
    pub fn russell_norvig() -> Self {
        Self::new("...G\n.#.O\nS...".to_owned()).with_slip(0.2)
    }

    /// Four rooms with narrow doors, after Sutton, Precup and Singh (1999): exploration takes long here.
    pub fn four_rooms() -> Self {
        let rows = [
            "S....#.....",
            ".....#.....",
            "...........",
            ".....#.....",
            ".....#.....",
            "#.####.....",
            ".....###.##",
            ".....#.....",
            ".....#.....",
            "...........",
            ".....#....G",
        ];
        Self::new(rows.join("\n")).with_step_reward(-0.01)
    }

    /// Builds the world.
    ///
    /// # Errors
    ///
    /// [`EnvError::Map`] when the map cannot be read, has no start or no goal, or no goal can be reached from a start;
    /// [`EnvError::Config`] when a number cannot be used.
    pub fn init(&self) -> Result<MdpEnv, EnvError> {
        if !(0.0..=1.0).contains(&self.slip) {
            return Err(ConfigError::new("slip", format!("must lie in [0, 1], got {}", self.slip)).into());
        }
        if !self.step_reward.is_finite() {
            return Err(
                ConfigError::new("step_reward", format!("must be finite, got {}", self.step_reward)).into()
            );
        }
        let grid = Grid::parse(&self.map, "SGO#.")?;
        let whole = |reason: &str| EnvError::Map { line: 0, column: 0, reason: reason.to_owned() };
        let starts: Vec<usize> =
            grid.letters().enumerate().filter(|(_, letter)| *letter == 'S').map(|(i, _)| i).collect();
        if starts.is_empty() {
            return Err(whole("no start: expected an S"));
        }
        if !grid.letters().any(|letter| letter == 'G') {
            return Err(whole("no goal: expected a G"));
        }
        for &start in &starts {
            if !reaches_goal(&grid, start) {
                let (line, column) = (start / grid.width() + 1, start % grid.width() + 1);
                let reason = "no goal can be reached from here".to_owned();
                return Err(EnvError::Map { line, column, reason });
            }
        }
        let states = grid.width() * grid.height();
        let initial = (0..states)
            .map(|state| if starts.contains(&state) { 1.0 / starts.len() as f64 } else { 0.0 })
            .collect();
        let table = (0..states).flat_map(|state| (0..4).map(move |action| (state, action)));
        let table = table.map(|(state, action)| self.ways(&grid, state, action)).collect();
        Ok(MdpEnv::new("GridWorld-v0", Mdp::new(4, table, initial)?, grid))
    }

    fn ways(&self, grid: &Grid, state: usize, action: usize) -> Vec<Transition> {
        if "GO#".contains(grid.letter(state)) {
            return vec![Transition { probability: 1.0, next: state, reward: 0.0, terminated: true }];
        }
        let chances =
            [(action, 1.0 - self.slip), (action + 3, self.slip / 2.0), (action + 1, self.slip / 2.0)];
        let way = |(action, probability): (usize, f64)| {
            let next = Some(grid.neighbour(state, MOVES[action % 4]));
            let next = next.filter(|&next| grid.letter(next) != '#').unwrap_or(state);
            let pays = match grid.letter(next) {
                'G' => 1.0,
                'O' => -1.0,
                _ => 0.0,
            };
            let reward = self.step_reward + pays;
            Transition { probability, next, reward, terminated: pays != 0.0 }
        };
        chances.into_iter().filter(|(_, probability)| *probability > 0.0).map(way).collect()
    }
}

/// Whether some sequence of moves leads from `start` to a goal.
fn reaches_goal(grid: &Grid, start: usize) -> bool {
    let mut seen = vec![false; grid.width() * grid.height()];
    let mut frontier = vec![start];
    while let Some(state) = frontier.pop() {
        match grid.letter(state) {
            'G' => return true,
            'O' | '#' => continue,
            _ if std::mem::replace(&mut seen[state], true) => continue,
            _ => frontier.extend(MOVES.map(|step| grid.neighbour(state, step))),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_maps_are_refused_with_their_place() {
        let cases = [
            ("", "map: empty"),
            ("\n\n", "map: empty"),
            ("..G", "no start"),
            ("S..", "no goal"),
            ("S.G\n..", "line 2: 2 cells, the first row has 3"),
            ("S.G\n.?.", "line 2, column 2: '?'"),
            ("G#.\n##.\n..S", "line 3, column 3: no goal can be reached"),
            ("S O G", "line 1, column 2: ' '"),
        ];
        for (map, expected) in cases {
            let error = GridWorldConfig::new(map.to_owned()).init().unwrap_err().to_string();
            assert!(error.contains(expected), "{map:?}: {error}");
        }
        let wide = format!("S{}G", ".".repeat(1 << 20));
        assert!(GridWorldConfig::new(wide).init().unwrap_err().to_string().contains("2^20"));
        let slippery = GridWorldConfig::new("SG".to_owned()).with_slip(f64::NAN).init();
        assert!(slippery.unwrap_err().to_string().starts_with("slip: "));
    }

    #[test]
    fn blank_lines_around_a_map_do_not_count_and_walls_stop() {
        let mut world = GridWorldConfig::new("\nS#G\n...\n".to_owned()).init().unwrap();
        assert_eq!(world.mdp().num_states(), 6);
        world.reset_to(0);
        world.step_drawn(2, 0.0).unwrap();
        assert_eq!(world.state(), 0, "the wall");
        world.step_drawn(1, 0.0).unwrap();
        assert_eq!(world.state(), 3);
    }
}
