//! # Frozen lake
//!
//! Cross a frozen lake without falling into a hole. The ice is slippery: a move succeeds one time in three, and the other two go
//! to either side of where you wanted.
//!
//! ```text
//!  S F F F      S start            p(intended) = 1/3
//!  F H F H      F frozen           p(left of it) = p(right of it) = 1/3
//!  F F F H      H hole             r = 1 on reaching G, 0 otherwise
//!  H F F G      G goal
//! ```
//!
//! | | |
//! |---|---|
//! | observation | row · columns + column |
//! | action | 0 left, 1 down, 2 right, 3 up |
//! | terminated | in a hole or at the goal |
//! | truncated | after 100 steps (4 × 4) or 200 (8 × 8), by [`TimeLimit`](crate::wrapper::TimeLimit) |
//!
//! The optimal policy of the 4 × 4 lake avoids moving towards holes at all and gets across with probability 14/17 ≈ 0.82, if time
//! does not run out; [`policy iteration`](crate::tabular::policy_iteration) finds it.
//!
//! Equal to Gymnasium's `FrozenLake-v1`.
//!
//! ```
//! use fornax_rl::env::frozen_lake::FrozenLakeConfig;
//!
//! let mut lake = FrozenLakeConfig::lake4x4().with_slippery(false).init()?;
//! lake.reset_to(14);
//! let outcome = lake.step_drawn(2, 0.0)?; // to the right, onto the goal
//! assert_eq!((lake.state(), outcome.reward, outcome.terminated), (15, 1.0, true));
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use burn::config::Config;
use fornax_nn_core::ConfigError;

use super::grid::{Grid, MOVES};
use super::mdp::{Mdp, MdpEnv, Transition};
use crate::error::EnvError;

/// A lake; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct FrozenLakeConfig {
    /// A line a row, of the letters S F H G.
    pub map: String,
    /// Whether moves can miss. Default: Gymnasium's.
    #[config(default = true)]
    pub slippery: bool,
    /// On slippery ice, how likely the move goes where it was meant to. Default: Gymnasium's.
    #[config(default = "1.0 / 3.0")]
    pub success_rate: f64,
}

impl FrozenLakeConfig {
    /// The small lake of Gymnasium.
    pub fn lake4x4() -> Self {
        Self::new("SFFF\nFHFH\nFFFH\nHFFG".to_owned())
    }

    /// The large lake of Gymnasium.
    pub fn lake8x8() -> Self {
        Self::new("SFFFFFFF\nFFFFFFFF\nFFFHFFFF\nFFFFFHFF\nFFFHFFFF\nFHHFFFHF\nFHFFHFHF\nFFFHFFFG".to_owned())
    }

    /// Freezes the lake.
    ///
    /// # Errors
    ///
    /// [`EnvError::Map`] when the map cannot be read or has no start; [`EnvError::Config`] when `success_rate` is no probability.
    pub fn init(&self) -> Result<MdpEnv, EnvError> {
        if !(0.0..=1.0).contains(&self.success_rate) {
            let reason = format!("must lie in [0, 1], got {}", self.success_rate);
            return Err(ConfigError::new("success_rate", reason).into());
        }
        let grid = Grid::parse(&self.map, "SFHG")?;
        let starts = grid.letters().filter(|&letter| letter == 'S').count();
        if starts == 0 {
            return Err(EnvError::Map { line: 0, column: 0, reason: "no start: expected an S".to_owned() });
        }
        let initial =
            grid.letters().map(|letter| f64::from(u8::from(letter == 'S')) / starts as f64).collect();
        let slip = (1.0 - self.success_rate) / 2.0;
        let states = grid.width() * grid.height();
        let mut table = Vec::with_capacity(4 * states);
        for state in 0..states {
            let move_by = |action: usize, probability: f64| {
                let next = grid.neighbour(state, MOVES[action % 4]);
                let reward = f64::from(u8::from(grid.letter(next) == 'G'));
                Transition { probability, next, reward, terminated: "GH".contains(grid.letter(next)) }
            };
            for action in 0..4 {
                table.push(match grid.letter(state) {
                    'G' | 'H' => {
                        vec![Transition { probability: 1.0, next: state, reward: 0.0, terminated: true }]
                    }
                    _ if self.slippery => vec![
                        move_by(action + 3, slip),
                        move_by(action, self.success_rate),
                        move_by(action + 1, slip),
                    ],
                    _ => vec![move_by(action, 1.0)],
                });
            }
        }
        let name = if states == 64 { "FrozenLake8x8-v1" } else { "FrozenLake-v1" };
        Ok(MdpEnv::new(name, Mdp::new(4, table, initial)?, grid))
    }
}
