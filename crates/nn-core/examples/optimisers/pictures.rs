//! The race from above, and how far down everybody is.

use std::time::Duration;

use fornax_nn_core::landscape::Landscape;
use fornax_nn_core::optim::OptimizerKind;
use fornax_nn_core::plot::{Animation, Color, Curves, Line, Panel, Plane, PlotError};

use crate::racer::{FLOOR, Racer};

/// Pictures of the animation.
const FRAMES: usize = 60;

/// As it is written in a sentence.
fn name(racer: &Racer) -> String {
    let name = match racer.kind {
        OptimizerKind::Sgd => "SGD",
        OptimizerKind::MiniBatchSgd => "mini-batch SGD",
        OptimizerKind::Nesterov => "Nesterov",
        OptimizerKind::AdaGrad => "AdaGrad",
        OptimizerKind::AdaDelta => "AdaDelta",
        OptimizerKind::RmsProp => "RMSProp",
        OptimizerKind::Adam => "Adam",
        OptimizerKind::Nadam => "Nadam",
        other => return other.name().replace('_', " "),
    };
    name.to_owned()
}

/// Level lines with the first `steps` steps of every path.
pub(crate) fn trajectories(landscape: Landscape, racers: &[Racer], steps: usize) -> Plane {
    let [x, y] = landscape.domain().map(|[low, high]| (low, high));
    let height = |x, y| landscape.value([x, y]) - landscape.minimum();
    let mut plane = Plane::new(x, y)
        .title(format!("Ten optimisers on {landscape}"))
        .labels("x", "y")
        .width(640.0)
        .field(height)
        .log()
        .levels(16)
        .bar_label("f − min f");
    for racer in racers {
        let path = racer.path.iter().take(steps.saturating_add(1)).map(|&[x, y]| (x, y));
        plane = plane.path(name(racer), path);
    }
    let [x, y] = landscape.start();
    plane = plane.points("start", [(x, y)]).color(Color::INK);
    landscape.minima().iter().fold(plane, |plane, &[x, y]| plane.star(x, y))
}

/// Height above and distance to the minimum by step.
pub(crate) fn heights(landscape: Landscape, racers: &[Racer]) -> Curves {
    let panel = |title: &str, label: &str| Panel::new(title).x_label("step").y_label(label).log_y();
    let mut heights = panel(&format!("Height on {landscape}"), "f − min f");
    let mut distances = panel("Distance to the nearest minimum", "‖θ − θ*‖");
    for racer in racers {
        let name = name(racer);
        heights = heights.line(Line::values(&name, racer.heights().map(|height| height.max(FLOOR))));
        distances = distances.line(Line::values(&name, racer.distances().map(|d| d.max(FLOOR.sqrt()))));
    }
    Curves::new().panel(heights).panel(distances).columns(1).panel_size(640.0, 340.0)
}

/// The race, more slowly at first, when everybody is fast.
pub(crate) fn race(landscape: Landscape, racers: &[Racer]) -> Result<Animation, PlotError> {
    let steps = racers.iter().map(|racer| racer.path.len()).max().unwrap_or(1) - 1;
    let mut animation = Animation::new(Duration::from_millis(100));
    for frame in 0..=FRAMES {
        let done = (frame as f64 / FRAMES as f64).powi(2);
        animation.push(&trajectories(landscape, racers, (done * steps as f64).round() as usize).draw()?)?;
    }
    Ok(animation)
}
