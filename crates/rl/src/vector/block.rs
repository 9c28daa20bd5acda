//! Sixteen environments in step.

use serde::{Deserialize, Serialize};

use super::batch::{LANES, Lane, Physics};
use crate::random::Pcg64;

#[derive(Debug, Clone)]
pub(super) struct Block<const S: usize> {
    pub(super) state: [Lane; S],
    pub(super) elapsed: [u32; LANES],
    pub(super) rngs: Vec<Pcg64>,
}

/// One block's part of a [`VecStep`]; the last block may be shorter than [`LANES`].
pub(super) struct Rows<'a> {
    pub(super) observations: &'a mut [f32],
    pub(super) finals: &'a mut [f32],
    pub(super) rewards: &'a mut [f32],
    pub(super) terminated: &'a mut [bool],
    pub(super) truncated: &'a mut [bool],
}

pub(super) fn restart<P: Physics<S, O>, const S: usize, const O: usize>(block: &mut Block<S>, lane: usize) {
    let start = P::start(&mut block.rngs[lane]);
    for (row, value) in block.state.iter_mut().zip(start) {
        row[lane] = value;
    }
    block.elapsed[lane] = 0;
}

/// Rows of O numbers from O rows of lanes.
pub(super) fn transpose<const O: usize>(lanes: &[Lane; O], rows: &mut [f32]) {
    for (lane, row) in rows.chunks_exact_mut(O).enumerate() {
        for (value, from) in row.iter_mut().zip(lanes) {
            *value = from[lane];
        }
    }
}

pub(super) fn step_block<P: Physics<S, O>, const S: usize, const O: usize>(
    block: &mut Block<S>,
    action: &Lane,
    rows: Rows<'_>,
) {
    let (mut reward, mut terminated) = ([0.0; LANES], [false; LANES]);
    P::advance(&mut block.state, action, &mut reward, &mut terminated);
    let mut truncated = [false; LANES];
    let mut any = false;
    for lane in 0..LANES {
        block.elapsed[lane] += 1;
        truncated[lane] = block.elapsed[lane] >= P::LIMIT;
        any |= terminated[lane] | truncated[lane];
    }
    let live = rows.rewards.len();
    rows.rewards.copy_from_slice(&reward[..live]);
    rows.terminated.copy_from_slice(&terminated[..live]);
    rows.truncated.copy_from_slice(&truncated[..live]);
    let seen = P::observe(&block.state);
    transpose(&seen, rows.observations);
    if any {
        for lane in 0..LANES {
            if terminated[lane] || truncated[lane] {
                if let Some(last) = rows.finals.get_mut(O * lane..O * (lane + 1)) {
                    last.copy_from_slice(&rows.observations[O * lane..O * (lane + 1)]);
                }
                restart::<P, S, O>(block, lane);
            }
        }
        let first = P::observe(&block.state);
        for (lane, row) in rows.observations.chunks_exact_mut(O).enumerate() {
            if terminated[lane] || truncated[lane] {
                row.iter_mut().zip(&first).for_each(|(value, from)| *value = from[lane]);
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    pub(super) state: Vec<Lane>,
    pub(super) elapsed: [u32; LANES],
    pub(super) rngs: Vec<Pcg64>,
}
