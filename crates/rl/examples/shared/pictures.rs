//! `returns.png` and `policy.gif`.

use std::time::Duration;

use fornax_nn_core::plot::{Animation, Curves, Line, Panel, Tile, Tiles};
use fornax_rl::agent::Agent;
use fornax_rl::env::make;
use fornax_rl::evaluate::play;

use super::{EVALUATION_SEED, Outcome, Session};

impl Session {
    /// Draws the returns of the training episodes, and hands them over.
    pub(super) fn draw_returns(&mut self, evaluated: f64) -> Outcome<Vec<f64>> {
        let steps = self.run.history("episode", "step")?;
        let returns = self.run.history("episode", "return")?;
        let points: Vec<(f64, f64)> = steps.iter().zip(&returns).map(|(s, r)| (s.1, r.1)).collect();
        let mean = points.iter().enumerate().map(|(i, (step, _))| {
            let last = &points[i.saturating_sub(19)..=i];
            (*step, last.iter().map(|(_, r)| r).sum::<f64>() / last.len() as f64)
        });
        let end = points.last().map_or(1.0, |(step, _)| *step);
        let panel = Panel::new(format!("{}: return of each training episode", self.env))
            .x_label("environment steps")
            .y_label("return")
            .line(Line::new("", points.iter().copied()).faint())
            .line(Line::new("mean of 20", mean))
            .line(Line::new("evaluated", [(0.0, evaluated), (end, evaluated)]).dashed());
        Curves::new().panel(panel).save(self.run.path("returns.png"))?;
        Ok(returns.into_iter().map(|(_, value)| value).collect())
    }

    /// One episode, every second frame, at most 150 of them; nothing where an environment cannot draw itself.
    pub(super) fn draw_policy(&self, agent: &mut dyn Agent) -> Outcome<bool> {
        let mut env = make(&self.env)?;
        let mut frames = Vec::new();
        let mut step = 0;
        play(agent, env.as_mut(), Some(EVALUATION_SEED), |env, _| {
            if step % 2 == 0 {
                frames.extend(env.render());
            }
            step += 1;
            frames.len() < 150
        })?;
        let mut animation = Animation::new(Duration::from_millis(40));
        for frame in &frames {
            let size = [frame.height(), frame.width()];
            let side = frame.width().max(frame.height()) as f64;
            animation.push(&Tiles::new(1).side(side).tile(Tile::rgb_bytes(frame.pixels(), size)).draw()?)?;
        }
        if animation.frames() > 0 {
            animation.save(self.run.path("policy.gif"))?;
        }
        Ok(animation.frames() > 0)
    }
}
