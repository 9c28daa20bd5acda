//! What a run leaves for the eye.

use std::time::Duration;

use fornax_nn_core::plot::{Animation, Curves, Line, Panel, Tile, Tiles};
use fornax_nn_core::train::Run;
use fornax_rl::env::{Action, Env, MdpEnv};
use fornax_rl::render::{Frame, Rgb};
use fornax_rl::tabular::{Episode, Solution};

use crate::Outcome;

/// Pixels of a cell.
const SIDE: usize = 48;
/// Steps shown at most.
const SHOWN: usize = 150;

/// The picture to look at first: taxis have too many states for a map.
pub(crate) fn main_picture(world: &MdpEnv) -> &'static str {
    if world.name() == "Taxi-v3" { "policy.gif" } else { "values.png" }
}

/// Draws `values.png`, `policy.gif`, and `returns.png` where something was learnt.
pub(crate) fn draw(run: &Run, world: &MdpEnv, found: &Solution, history: &[Episode]) -> Outcome<()> {
    if !history.is_empty() {
        returns(history).save(run.path("returns.png"))?;
    }
    if let Some(map) = values(world, found) {
        let size = [map.height(), map.width()];
        let title = format!("{}: value of each cell, and where to go", world.name());
        let tile = Tile::rgb_bytes(map.pixels(), size);
        Tiles::new(1)
            .title(title)
            .side(size[1].max(size[0]) as f64)
            .tile(tile)
            .save(run.path("values.png"))?;
    }
    Ok(film(run.seed(), world, found)?.save(run.path("policy.gif"))?)
}

fn returns(history: &[Episode]) -> Curves {
    let window = (history.len() / 100).max(1);
    let mean =
        |part: &[Episode], what: fn(&Episode) -> f64| part.iter().map(what).sum::<f64>() / part.len() as f64;
    let line = |what: fn(&Episode) -> f64| {
        let points = history.chunks(window).enumerate();
        points.map(move |(i, part)| ((i * window + part.len()) as f64, mean(part, what))).collect::<Vec<_>>()
    };
    let panel = |title: &str, what| {
        Panel::new(title)
            .x_label("episode, exploring")
            .y_label(format!("mean of {window}"))
            .line(Line::new("", line(what)))
    };
    Curves::new().panel(panel("Return", |e| e.total_reward)).panel(panel("Length", |e| e.length as f64))
}

/// A map of the world: brighter is better, arrows say where the policy goes.
fn values(world: &MdpEnv, found: &Solution) -> Option<Frame> {
    let (rows, columns) = match world.name() {
        "FrozenLake-v1" => (4, 4),
        "FrozenLake8x8-v1" => (8, 8),
        "CliffWalking-v1" => (4, 12),
        "GridWorld-v0" => (3, 4),
        _ => return None,
    };
    // Cells that never change are the ends, holes and walls; the cliff is never stood on.
    let (mdp, cliff) = (world.mdp(), world.name() == "CliffWalking-v1");
    let closed =
        |s: usize| mdp.transitions(s, 0).iter().all(|t| t.next == s && t.terminated) || (cliff && s > 36);
    let open = || (0..rows * columns).filter(|&s| !closed(s)).map(|s| found.values[s]);
    let (low, high) = (open().fold(f64::INFINITY, f64::min), open().fold(f64::NEG_INFINITY, f64::max));
    let good = |s: usize| {
        (0..mdp.num_states()).any(|from| {
            (0..mdp.num_actions()).any(|a| {
                mdp.transitions(from, a)
                    .iter()
                    .any(|t| t.next == s && t.terminated && t.reward > -0.5 && (t.reward > 0.0 || cliff))
            })
        })
    };
    let mut frame = Frame::new(SIDE * columns, SIDE * rows, Rgb::WHITE);
    for state in 0..rows * columns {
        let (x, y) = ((state % columns * SIDE) as f64, (state / columns * SIDE) as f64);
        let part = ((found.values[state] - low) / (high - low).max(1e-12)).clamp(0.0, 1.0);
        let shade = |from: f64, to: f64| (from + (to - from) * part) as u8;
        let color = match closed(state) {
            true if good(state) || (cliff && state == 47) => Rgb(120, 200, 160),
            true => Rgb(70, 80, 95),
            false => Rgb(shade(238.0, 255.0), shade(240.0, 190.0), shade(245.0, 80.0)),
        };
        let end = SIDE as f64 - 1.0;
        frame.rectangle((x + 1.0, y + 1.0), (x + end, y + end), color);
        if !closed(state) {
            arrow(
                &mut frame,
                (x + SIDE as f64 / 2.0, y + SIDE as f64 / 2.0),
                direction(cliff, found.policy[state]),
            );
        }
    }
    Some(frame)
}

/// Right and down of an action: the cliff counts from up, the others from left.
fn direction(cliff: bool, action: usize) -> (f64, f64) {
    let moves = [(-1.0, 0.0), (0.0, 1.0), (1.0, 0.0), (0.0, -1.0)];
    if cliff { [moves[3], moves[2], moves[1], moves[0]][action] } else { moves[action] }
}

fn arrow(frame: &mut Frame, (x, y): (f64, f64), (dx, dy): (f64, f64)) {
    let at = |along: f64, across: f64| (x + along * dx - across * dy, y + along * dy + across * dx);
    frame.line(at(-12.0, 0.0), at(6.0, 0.0), 3.0, Rgb::INK);
    frame.polygon(&[at(4.0, -7.0), at(4.0, 7.0), at(14.0, 0.0)], Rgb::INK);
}

/// A few episodes under the policy.
fn film(seed: u64, world: &MdpEnv, found: &Solution) -> Outcome<Animation> {
    let mut env = world.clone();
    let mut animation = Animation::new(Duration::from_millis(250));
    let mut state = env.reset(Some(seed))?[0] as usize;
    for _ in 0..SHOWN {
        push(&mut animation, &env)?;
        let step = env.step(Action::Discrete(found.policy[state]))?;
        state = step.observation[0] as usize;
        if step.terminated {
            push(&mut animation, &env)?;
            push(&mut animation, &env)?;
            if animation.frames() > 40 {
                break;
            }
            state = env.reset(None)?[0] as usize;
        }
    }
    Ok(animation)
}

fn push(animation: &mut Animation, env: &MdpEnv) -> Outcome<()> {
    let Some(frame) = env.render() else { return Ok(()) };
    let size = [frame.height(), frame.width()];
    let side = size[0].max(size[1]) as f64;
    Ok(animation.push(&Tiles::new(1).side(side).tile(Tile::rgb_bytes(frame.pixels(), size)).draw()?)?)
}
