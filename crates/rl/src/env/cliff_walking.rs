//! # Cliff walking
//!
//! The shortest way leads along a cliff; whoever steps off it pays 100 and starts again. An agent that explores while it walks does
//! better on the longer way, and that is the difference between [SARSA](crate::tabular::sarsa) (which learns the value of what it
//! does) and [Q-learning](crate::tabular::q_learning) (which learns the value of what it could do).
//!
//! ```text
//!   . . . . . . . . . . . .       r = −1 a step
//!   . . . . . . . . . . . .       r = −100 for the cliff C, and back to S
//!   . . . . . . . . . . . .
//!   S C C C C C C C C C C G       optimal return −13
//! ```
//!
//! | | |
//! |---|---|
//! | observation | row · 12 + column |
//! | action | 0 up, 1 right, 2 down, 3 left |
//! | terminated | at the goal |
//! | truncated | never |
//!
//! R. S. Sutton, A. G. Barto, *Reinforcement Learning: An Introduction*, 2nd edition, example 6.6.
//! <http://incompleteideas.net/book/the-book-2nd.html>
//!
//! Equal to Gymnasium's `CliffWalking-v1`, slippery or not.
//!
//! ```
//! use fornax_rl::env::cliff_walking::CliffWalkingConfig;
//!
//! let mut cliff = CliffWalkingConfig::new().init()?;
//! cliff.reset_to(36);
//! let outcome = cliff.step_drawn(1, 0.0)?; // to the right: over the edge
//! assert_eq!((cliff.state(), outcome.reward, outcome.terminated), (36, -100.0, false));
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use burn::config::Config;

use super::grid::Grid;
use super::mdp::{Mdp, MdpEnv, Transition};
use crate::error::EnvError;

const MAP: &str = "............\n............\n............\nSCCCCCCCCCCG";
/// Up, right, down, left.
const MOVES: [(isize, isize); 4] = [(-1, 0), (0, 1), (1, 0), (0, -1)];
const START: usize = 36;

/// The cliff; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct CliffWalkingConfig {
    /// Whether a move goes to either side as often as where it was meant to. Default: Gymnasium's.
    #[config(default = false)]
    pub slippery: bool,
}

impl CliffWalkingConfig {
    /// Builds the environment.
    ///
    /// # Errors
    ///
    /// None at present; the signature is that of the other pages.
    pub fn init(&self) -> Result<MdpEnv, EnvError> {
        let grid = Grid::parse(MAP, ".SCG")?;
        let mut table = Vec::new();
        for state in 0..48 {
            for action in 0..4 {
                let ways: &[usize] = if self.slippery { &[3, 0, 1] } else { &[0] };
                let probability = 1.0 / ways.len() as f64;
                let way = |turn: &usize| {
                    let next = grid.neighbour(state, MOVES[(action + turn) % 4]);
                    match grid.letter(next) {
                        'C' => Transition { probability, next: START, reward: -100.0, terminated: false },
                        letter => Transition { probability, next, reward: -1.0, terminated: letter == 'G' },
                    }
                };
                table.push(ways.iter().map(way).collect());
            }
        }
        let initial = (0..48).map(|state| f64::from(u8::from(state == START))).collect();
        Ok(MdpEnv::new("CliffWalking-v1", Mdp::new(4, table, initial)?, grid))
    }
}
