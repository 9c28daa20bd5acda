//! # Catch
//!
//! A game of pixels, for convolutional policies: balls fall one after the other, sideways and off the walls, and a paddle at the bottom
//! has to be there. One frame does not say where a ball is heading, so the observation holds the ball's last place as well.
//!
//! ```text
//!   plane 0: ball       plane 1: ball before     plane 2: paddle
//!   . . . . . .         . . o . . .              . . . . . .        r = +1 caught
//!   . . . o . .         . . . . . .              . . . . . .        r = −1 missed
//!   . . . . . .         . . . . . .              . . . . . .
//!   . . . . . .         . . . . . .              . ▬ . . . .
//! ```
//!
//! | | |
//! |---|---|
//! | observation | `[3, rows, columns]`, zeros and ones; with `dict`: `image`, planes 0 and 1, and `paddle`, its place in [0, 1] |
//! | action | 0 left, 1 stay, 2 right; the paddle moves one column |
//! | terminated | after the last ball |
//! | truncated | never |
//!
//! The paddle can always reach the next ball's column in time when there are at least as many rows as columns. So the best return is the
//! number of balls. A paddle that never moves catches about one ball in `columns`.
//!
//! `CatchDict-v0` is the same game with a [`Space::Dict`], for policies with several inputs.
//!
//! Own environment; the idea is V. Mnih et al., *Recurrent Models of Visual Attention*, 2014. <https://arxiv.org/abs/1406.6247>
//! Differs: several balls, which drift and bounce.
//!
//! ```
//! use fornax_rl::env::catch::CatchConfig;
//! use fornax_rl::env::{Action, Env};
//!
//! let mut env = CatchConfig::new().init()?;
//! let observation = env.reset(Some(0))?;
//! assert_eq!(env.observation_space().shape(), [3, 10, 10]);
//! assert_eq!(observation.iter().sum::<f32>(), 3.0); // ball, ball before, paddle
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use burn::config::Config;
use fornax_nn_core::ConfigError;
use serde::{Deserialize, Serialize};

use super::{Action, Env, Outcome, check_len, choice, needs_reset, saved_by_serde};
use crate::error::EnvError;
use crate::random::Pcg64;
use crate::render::{Frame, Rgb};
use crate::space::Space;

/// A field; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub struct CatchConfig {
    /// Rows, the paddle's included. Default: as many as columns, so that every ball can be caught.
    #[config(default = 10)]
    pub rows: usize,
    /// Columns. Default: small enough for a CPU.
    #[config(default = 10)]
    pub columns: usize,
    /// Balls of an episode. Default: enough that luck averages out.
    #[config(default = 5)]
    pub balls: usize,
    /// Show the paddle as a number beside the picture ([`Space::Dict`]) instead of in it. Default: no.
    #[config(default = false)]
    pub dict: bool,
}

impl CatchConfig {
    /// Builds the game.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when there are fewer than 2 rows or columns, more than 1,024 of them, or no balls.
    pub fn init(&self) -> Result<Catch, EnvError> {
        for (field, value, range) in [
            ("rows", self.rows, 2..=1024),
            ("columns", self.columns, 2..=1024),
            ("balls", self.balls, 1..=1 << 20),
        ] {
            if !range.contains(&value) {
                let reason = format!("must lie in {} to {}, got {value}", range.start(), range.end());
                return Err(ConfigError::new(field, reason).into());
            }
        }
        let start = Ball { row: 0, column: 0, drift: 0 };
        let (paddle, left) = (self.columns / 2, 0);
        Ok(Catch { config: *self, ball: start, before: start, paddle, left, rng: Pcg64::new(0) })
    }
}

/// The game; see the [module page](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catch {
    config: CatchConfig,
    ball: Ball,
    before: Ball,
    paddle: usize,
    /// Balls still to come or in the air; 0 when no episode is under way.
    left: usize,
    rng: Pcg64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Ball {
    row: usize,
    column: usize,
    /// −1, 0 or 1 column a step.
    drift: isize,
}

impl Ball {
    /// One row lower; a wall turns the drift.
    fn fall(mut self, columns: usize) -> Self {
        let next = self.column.checked_add_signed(self.drift).filter(|&column| column < columns);
        if next.is_none() {
            self.drift = -self.drift;
        }
        self.column = next.unwrap_or_else(|| self.column.saturating_add_signed(self.drift));
        self.row += 1;
        self
    }
}

impl Catch {
    /// The column in which the present ball will land: what a perfect player moves to.
    pub fn landing(&self) -> usize {
        let mut ball = self.ball;
        while ball.row + 1 < self.config.rows {
            ball = ball.fall(self.config.columns);
        }
        ball.column
    }

    /// The paddle's column.
    pub fn paddle(&self) -> usize {
        self.paddle
    }

    fn drop_ball(&mut self) {
        let column = self.rng.below(self.config.columns as u64) as usize;
        let drift = self.rng.below(3) as isize - 1;
        self.ball = Ball { row: 0, column, drift };
        self.before = self.ball;
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), EnvError> {
        let CatchConfig { rows, columns, dict, .. } = self.config;
        let planes = 2 * rows * columns;
        let expected = planes + if dict { 1 } else { rows * columns };
        check_len(self.name(), "observation", expected, observation.len())?;
        observation.fill(0.0);
        let mut set = |plane: usize, row: usize, column: usize| {
            observation[(plane * rows + row) * columns + column] = 1.0;
        };
        set(0, self.ball.row, self.ball.column);
        set(1, self.before.row, self.before.column);
        if dict {
            observation[planes] = self.paddle as f32 / (columns - 1) as f32;
        } else {
            set(2, rows - 1, self.paddle);
        }
        Ok(())
    }
}

impl Env for Catch {
    fn name(&self) -> &str {
        if self.config.dict { "CatchDict-v0" } else { "Catch-v0" }
    }

    fn observation_space(&self) -> Space {
        let CatchConfig { rows, columns, dict, .. } = self.config;
        let image = |planes| Space::interval(0.0, 1.0, &[planes, rows, columns]);
        if dict {
            Space::dict([("image", image(2)), ("paddle", Space::interval(0.0, 1.0, &[1]))])
        } else {
            image(3)
        }
    }

    fn action_space(&self) -> Space {
        Space::Discrete(3)
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.rng = Pcg64::new(seed);
        }
        self.paddle = self.config.columns / 2;
        self.left = self.config.balls;
        self.drop_ball();
        self.observe(observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let action = choice(self.name(), action, 3)?;
        if self.left == 0 {
            return Err(needs_reset(self.name()));
        }
        let moved = (self.paddle + action).saturating_sub(1);
        self.paddle = moved.min(self.config.columns - 1);
        self.before = self.ball;
        self.ball = self.ball.fall(self.config.columns);
        let mut reward = 0.0;
        if self.ball.row + 1 == self.config.rows {
            reward = if self.ball.column == self.paddle { 1.0 } else { -1.0 };
            self.left -= 1;
            if self.left > 0 {
                self.drop_ball();
            }
        }
        self.observe(observation)?;
        Ok(Outcome { reward, terminated: self.left == 0, truncated: false })
    }

    fn render(&self) -> Option<Frame> {
        let CatchConfig { rows, columns, .. } = self.config;
        let side = (240 / rows.max(columns)).max(2);
        let mut frame = Frame::new(side * columns, side * rows, Rgb::INK);
        let mut cell = |row: usize, column: usize, color| {
            let (x, y) = ((column * side) as f64, (row * side) as f64);
            frame.rectangle((x + 1.0, y + 1.0), (x + side as f64 - 1.0, y + side as f64 - 1.0), color);
        };
        cell(self.before.row, self.before.column, Rgb::MUTED);
        cell(rows - 1, self.paddle, Rgb::SKY);
        cell(self.ball.row, self.ball.column, Rgb::ORANGE);
        Some(frame)
    }

    saved_by_serde!();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean return of a player over 200 games.
    fn play(player: impl Fn(&Catch) -> usize) -> f64 {
        let mut env = CatchConfig::new().init().unwrap();
        let mut sum = 0.0;
        for game in 0..200 {
            env.reset(Some(game)).unwrap();
            loop {
                let step = env.step(Action::Discrete(player(&env))).unwrap();
                sum += step.reward;
                if step.terminated {
                    break;
                }
            }
        }
        sum / 200.0
    }

    #[test]
    fn who_knows_the_landing_catches_all_and_who_stands_still_one_in_ten() {
        let perfect = play(|env| match env.landing().cmp(&env.paddle()) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => 1,
            std::cmp::Ordering::Greater => 2,
        });
        assert_eq!(perfect, 5.0);
        // Landing columns are uniform: the drift maps columns onto columns. Expected 5 · (2/10 − 1) = −4; over 1,000 balls the mean's
        // deviation is 5 · 2 · 0.3 / √1000 = 0.095.
        let still = play(|_| 1);
        assert!((still + 4.0).abs() < 0.4, "{still}");
    }
}
