//! What a run leaves for the eye.

use std::f64::consts::TAU;
use std::time::Duration;

use fornax_generative::evaluation::Points;
use fornax_nn_core::plot::{Animation, Curves, Line, Panel, Picture, Plane, PlotError};
use fornax_nn_core::train::Run;

use crate::Outcome;

/// Samples shown in a frame.
const SHOWN: usize = 600;

/// Samples lap by lap.
pub(crate) struct Film {
    /// The centres of the Gaussians.
    pub(crate) modes: Points,
    pub(crate) frames: Vec<Points>,
}

impl Film {
    pub(crate) fn new() -> Self {
        let mode =
            |i: i32| vec![2.0 * (f64::from(i) * TAU / 8.0).cos(), 2.0 * (f64::from(i) * TAU / 8.0).sin()];
        Self { modes: (0..8).map(mode).collect(), frames: Vec::new() }
    }

    pub(crate) fn push(&mut self, samples: &[Vec<f64>]) {
        // A hundredth is finer than a pixel.
        let rounded = |point: &Vec<f64>| point.iter().map(|x| (x * 100.0).round() / 100.0).collect();
        self.frames.push(samples.iter().take(SHOWN).map(rounded).collect());
    }

    fn frame(&self, title: String, samples: &[Vec<f64>]) -> Result<Picture, PlotError> {
        let points = samples.iter().map(|point| (point[0], point[1]));
        let plane = Plane::new((-3.2, 3.2), (-3.2, 3.2)).title(title).points("samples", points);
        self.modes.iter().fold(plane, |plane, mode| plane.star(mode[0], mode[1])).width(360.0).draw()
    }

    /// Draws `samples.png`, `training.gif` and `curves.png` into the run directory.
    pub(crate) fn draw(&self, run: &mut Run, samples: &[Vec<f64>]) -> Outcome<()> {
        let shown = &samples[..samples.len().min(4 * SHOWN)];
        self.frame("Samples of the averaged generator".to_owned(), shown)?.save(run.path("samples.png"))?;
        let mut animation = Animation::new(Duration::from_millis(200));
        for (lap, samples) in (1..).zip(&self.frames) {
            animation.push(&self.frame(format!("after {lap}00 steps"), samples)?)?;
        }
        animation.save(run.path("training.gif"))?;

        let balance = balance(run, "share of good samples", "high_quality")?;
        Ok(Curves::new().panel(balance).save(run.path("curves.png"))?)
    }
}

/// A metric by steps.
pub(crate) fn line(run: &mut Run, name: &str, split: &str, metric: &str) -> Outcome<Line> {
    let history = run.history(split, metric)?.into_iter();
    Ok(Line::new(name, history.map(|(step, value)| (step as f64, value))))
}

/// How the players stand, and a figure of the samples.
pub(crate) fn balance(run: &mut Run, name: &str, metric: &str) -> Outcome<Panel> {
    Ok(Panel::new("Balance")
        .x_label("step")
        .line(line(run, "the critic's accuracy", "balance", "accuracy")?)
        .line(line(run, "spread of samples beside the data's", "balance", "spread")?)
        .line(line(run, name, "test", metric)?))
}
