//! Environments as arrays.

use std::marker::PhantomData;

use fornax_nn_core::ConfigError;
use rayon::prelude::*;
use serde_json::Value;

use super::block::{Block, Rows, Saved, restart, step_block, transpose};
use super::{Actions, VecEnv, VecStep};
use crate::env::{check_len, restored};
use crate::error::EnvError;
use crate::random::Pcg64;
use crate::space::Space;

/// Environments that are computed side by side.
pub const LANES: usize = 16;

/// The same quantity of [`LANES`] environments: loops over it compile to vector instructions.
pub type Lane = [f32; LANES];

/// Blocks a thread takes at once: fewer would cost more to hand out than to compute.
const GRAIN: usize = 32;

/// The laws of an environment with `S` numbers of state and `O` of observation, for [`LANES`] environments at a time.
pub trait Physics<const S: usize, const O: usize>: Send + Sync + 'static {
    /// What messages call it.
    const NAME: &'static str;
    /// Most steps of an episode.
    const LIMIT: u32;

    /// What observations look like.
    fn observation_space() -> Space;

    /// One alternative of several, or one number.
    fn action_space() -> Space;

    /// The state an episode begins in.
    fn start(rng: &mut Pcg64) -> [f32; S];

    /// Moves every state on by one step. `action` holds the choice or the number of each.
    fn advance(state: &mut [Lane; S], action: &Lane, reward: &mut Lane, terminated: &mut [bool; LANES]);

    /// What is seen of the states.
    fn observe(state: &[Lane; S]) -> [Lane; O];
}

/// Environments of one kind as a struct of arrays in f32.
///
/// The equations, limits, seeds and first states are those of the single environment, but rounding is not: arithmetic is f32
/// throughout, sine and cosine are polynomials good to 2e-7, and a trajectory slowly leaves the exact one. The tests bound by how much.
/// Use [`Pool`](super::Pool) where episodes have to equal Gymnasium's.
///
/// ```
/// use fornax_rl::vector::{Actions, CartPoleBatch, VecEnv};
///
/// let mut carts = CartPoleBatch::new(100)?;
/// let mut step = carts.buffer();
/// carts.reset(0, &mut step)?;
/// let mut finished = 0;
/// for _ in 0..20 {
///     carts.step(Actions::Discrete(&[1; 100]), &mut step)?;
///     finished += step.terminated.iter().filter(|&&over| over).count();
/// }
/// assert!((100..=200).contains(&finished)); // pushed to one side, poles fall after 8 to 11 steps
/// # Ok::<(), fornax_rl::EnvError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Batch<P, const S: usize, const O: usize> {
    blocks: Vec<Block<S>>,
    n: usize,
    parallel: bool,
    laws: PhantomData<P>,
}

impl<P: Physics<S, O>, const S: usize, const O: usize> Batch<P, S, O> {
    /// `n` environments, stepped by the calling thread.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when `n` is 0.
    pub fn new(n: usize) -> Result<Self, EnvError> {
        if n == 0 {
            return Err(ConfigError::new("num_envs", "must be at least 1, got 0").into());
        }
        let block = |_| Block {
            state: [[0.0; LANES]; S],
            elapsed: [0; LANES],
            rngs: (0..LANES).map(|lane| Pcg64::new(lane as u64)).collect(),
        };
        let blocks = (0..n.div_ceil(LANES)).map(block).collect();
        Ok(Self { blocks, n, parallel: false, laws: PhantomData })
    }

    /// Spreads the environments over the threads of the rayon pool that is current when stepping; pays from about a thousand on.
    #[must_use]
    pub fn parallel(mut self) -> Self {
        self.parallel = true;
        self
    }

    fn each(
        &mut self,
        step: &mut VecStep,
        work: impl Fn(usize, &mut Block<S>, Rows<'_>) + Sync,
    ) -> Result<(), EnvError> {
        step.check(P::NAME, self.n, O)?;
        let VecStep { observations, rewards, terminated, truncated, final_observations } = step;
        if self.parallel && self.blocks.len() > GRAIN {
            let seen =
                observations.par_chunks_mut(LANES * O).zip(final_observations.par_chunks_mut(LANES * O));
            let flags = terminated.par_chunks_mut(LANES).zip(truncated.par_chunks_mut(LANES));
            let rows = seen.zip(rewards.par_chunks_mut(LANES)).zip(flags);
            self.blocks.par_iter_mut().zip(rows).enumerate().with_min_len(GRAIN).for_each(
                |(i, (block, parts))| {
                    let (((observations, finals), rewards), (terminated, truncated)) = parts;
                    work(i, block, Rows { observations, finals, rewards, terminated, truncated });
                },
            );
        } else {
            let seen = observations.chunks_mut(LANES * O).zip(final_observations.chunks_mut(LANES * O));
            let flags = terminated.chunks_mut(LANES).zip(truncated.chunks_mut(LANES));
            let rows = seen.zip(rewards.chunks_mut(LANES)).zip(flags);
            for (i, (block, parts)) in self.blocks.iter_mut().zip(rows).enumerate() {
                let (((observations, finals), rewards), (terminated, truncated)) = parts;
                work(i, block, Rows { observations, finals, rewards, terminated, truncated });
            }
        }
        Ok(())
    }

    /// Checks every action once, so that the blocks need not.
    fn check(&self, actions: Actions<'_>) -> Result<(), EnvError> {
        check_len(P::NAME, "actions", self.n, actions.len())?;
        let space = P::action_space();
        // Numbers outside the bounds are clipped by the laws, as the single environments do; what is not finite is refused.
        let wrong = match (&space, actions) {
            (Space::Discrete(n), Actions::Discrete(choices)) => {
                if choices.iter().fold(0, |most, &choice| most.max(choice)) < *n {
                    return Ok(());
                }
                choices.iter().position(|choice| choice >= n)
            }
            (Space::Box { .. }, Actions::Continuous(values)) => {
                values.iter().position(|value| !value.is_finite())
            }
            _ => Some(0),
        };
        wrong.map_or(Ok(()), |index| Err(crate::env::invalid(P::NAME, actions.get(index, 1), &space)))
    }
}

impl<P: Physics<S, O>, const S: usize, const O: usize> VecEnv for Batch<P, S, O> {
    fn name(&self) -> &str {
        P::NAME
    }

    fn num_envs(&self) -> usize {
        self.n
    }

    fn observation_space(&self) -> Space {
        P::observation_space()
    }

    fn action_space(&self) -> Space {
        P::action_space()
    }

    fn reset(&mut self, seed: u64, step: &mut VecStep) -> Result<(), EnvError> {
        self.each(step, |i, block, rows| {
            for lane in 0..LANES {
                block.rngs[lane] = Pcg64::new(seed.wrapping_add((i * LANES + lane) as u64));
                restart::<P, S, O>(block, lane);
            }
            transpose(&P::observe(&block.state), rows.observations);
        })?;
        step.begin();
        Ok(())
    }

    fn step(&mut self, actions: Actions<'_>, step: &mut VecStep) -> Result<(), EnvError> {
        self.check(actions)?;
        self.each(step, |i, block, rows| {
            let mut action = [0.0; LANES];
            let place = i * LANES..i * LANES + rows.rewards.len();
            match actions {
                Actions::Continuous(values) => {
                    action.iter_mut().zip(&values[place]).for_each(|(to, from)| *to = *from);
                }
                Actions::Discrete(choices) | Actions::MultiDiscrete(choices) => {
                    action.iter_mut().zip(&choices[place]).for_each(|(to, from)| *to = *from as f32);
                }
            }
            step_block::<P, S, O>(block, &action, rows);
        })
    }

    fn save(&self) -> Option<Value> {
        let one = |block: &Block<S>| Saved {
            state: block.state.to_vec(),
            elapsed: block.elapsed,
            rngs: block.rngs.clone(),
        };
        serde_json::to_value(self.blocks.iter().map(one).collect::<Vec<_>>()).ok()
    }

    fn load(&mut self, saved: &Value) -> Result<(), EnvError> {
        let saved: Vec<Saved> = restored(P::NAME, saved)?;
        let bad = |reason: String| EnvError::State { env: P::NAME.to_owned(), reason };
        if saved.len() != self.blocks.len() {
            return Err(bad(format!("{} blocks were saved, there are {}", saved.len(), self.blocks.len())));
        }
        let mut blocks = Vec::with_capacity(saved.len());
        for Saved { state, elapsed, rngs } in saved {
            let state =
                <[Lane; S]>::try_from(state).map_err(|_| bad(format!("states are not {S} numbers")))?;
            if rngs.len() != LANES {
                return Err(bad(format!("{} generators of a block, expected {LANES}", rngs.len())));
            }
            blocks.push(Block { state, elapsed, rngs });
        }
        self.blocks = blocks;
        Ok(())
    }
}
