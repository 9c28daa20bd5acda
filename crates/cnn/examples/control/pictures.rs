//! What a run leaves for the eye.

use fornax_nn_core::plot::{Curves, Line, Panel, Tile, Tiles};
use fornax_nn_core::train::Run;

use crate::driving::{Frames, Outcome, SIZE, from_units, heat_map};
use crate::judged::Judged;

/// Draws `modes.png` and `curves.png`.
pub(crate) fn draw(run: &mut Run, frames: &Frames, mixture: &Judged, single: &Judged) -> Outcome<()> {
    modes(frames, mixture, single).save(run.path("modes.png"))?;
    let mut panel = Panel::new("Unseen roads").x_label("epoch").y_label("−ln p of a command (nats)");
    for (name, metric) in [("mixture", "nll_mixture"), ("one normal distribution", "nll_single")] {
        let history = run.history("unseen", metric)?.into_iter().enumerate();
        panel = panel.line(Line::new(name, history.map(|(i, (_, nll))| ((i + 1) as f64, nll))));
    }
    Ok(Curves::new().panel(panel).save(run.path("curves.png"))?)
}

/// Forks: what the camera sees, the mixture, and the single distribution.
fn modes(frames: &Frames, mixture: &Judged, single: &Judged) -> Tiles {
    const SHOWN: usize = 6;
    const SIDE: usize = 48;
    // Of each passage of a fork a frame just before the ways part.
    let mut shown = Vec::new();
    let mut first = None;
    for (i, &at_fork) in frames.at_fork.iter().enumerate() {
        match (at_fork, first) {
            (true, None) => first = Some(i),
            (false, Some(start)) => {
                shown.push(start + 4 * (i - start) / 5);
                first = None;
            }
            _ => {}
        }
    }
    let columns = SHOWN.min(shown.len()).max(1);
    let shown: Vec<usize> =
        (0..columns).filter_map(|i| shown.get(i * shown.len() / columns).copied()).collect();
    let degrees = |command: &[f64]| from_units(command).steering.to_degrees();
    let views = shown.iter().map(|&i| {
        let did = from_units(&frames.commands[i].map(f64::from));
        let caption = format!("driver: {:+.0}°, {:.1} m/s", did.steering.to_degrees(), did.speed);
        Tile::grey_bytes(frames.pixels(i), SIZE).caption(caption)
    });
    let mixtures = shown.iter().map(|&i| {
        let modes = mixture.densities[i].modes();
        let text: Vec<String> =
            modes.iter().take(3).map(|mode| format!("{:+.0}°", degrees(&mode.command))).collect();
        heat_map(&mixture.densities[i], SIDE).caption(format!("mixture: {}", text.join(", ")))
    });
    let singles = shown.iter().map(|&i| {
        let mean = degrees(&single.densities[i].mean[0]);
        heat_map(&single.densities[i], SIDE).caption(format!("one normal: {mean:+.0}°"))
    });
    Tiles::new(columns)
        .side(96.0)
        .title("Unseen forks: the view, and p(steering across, speed up)")
        .tiles(views.chain(mixtures).chain(singles))
        .when_empty("no fork was passed")
}
