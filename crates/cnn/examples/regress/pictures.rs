//! What a run leaves for the eye.

use fornax_nn_core::calibration::{Calibration, normal_quantile};
use fornax_nn_core::plot::{Color, Curves, Line, Panel, SERIES, Tile, Tiles};
use fornax_nn_core::train::Run;

use crate::Outcome;
use crate::turned::{CANVAS, NAMES, Turned, unit};
use crate::verdict::{Judged, Verdict};

/// Draws `intervals.png`, `examples.png` and `calibration.png`.
pub(crate) fn draw(run: &Run, unseen: &Turned, verdict: &Verdict) -> Outcome<()> {
    intervals(run, &verdict.widened)?;
    examples(run, unseen, &verdict.widened)?;
    let (single, raw) = (verdict.single.calibration()?, verdict.raw.calibration()?);
    let widened = verdict.widened.calibration()?;
    calibration(run, &[("one network", &single), ("ensemble", &raw), ("ensemble, one factor", &widened)])
}

/// `intervals.png`: true angle and shift against what was predicted, with intervals of 90 %.
fn intervals(run: &Run, judged: &Judged) -> Outcome<()> {
    const SHOWN: usize = 70;
    let width = normal_quantile(0.95);
    let mut curves = Curves::new().title("Predictions for unseen digits, with intervals of 90 %").columns(2);
    for (column, (name, symbol)) in NAMES.iter().enumerate().take(2) {
        let unit = unit(column);
        let reach = 2.1 * unit;
        let mut panel = Panel::new(*name)
            .x_label(format!("true {name} ({})", symbol.trim()))
            .y_label("predicted")
            .x_range(-reach, reach)
            .y_range(-1.4 * reach, 1.4 * reach)
            .line(Line::new("perfect", [(-reach, -reach), (reach, reach)]).dashed().color(Color::MUTED));
        for i in (0..SHOWN).map(|i| i * NAMES.len() + column) {
            let (truth, mean) = (unit * judged.truth[i], unit * judged.mean[i]);
            let half = unit * width * judged.std[i];
            let missed = (truth - mean).abs() > half;
            let color = if missed { SERIES[1] } else { SERIES[0] };
            let tick = 0.012 * reach;
            for cross in
                [[(truth, mean - half), (truth, mean + half)], [(truth - tick, mean), (truth + tick, mean)]]
            {
                panel = panel.line(Line::new("", cross).color(color).faint());
            }
        }
        curves = curves.panel(panel);
    }
    Ok(curves.save(run.path("intervals.png"))?)
}

/// `calibration.png`: how many outcomes the intervals of each level hold.
fn calibration(run: &Run, named: &[(&str, &Calibration)]) -> Outcome<()> {
    let mut panel = Panel::new("Coverage of unseen digits")
        .x_label("probability the interval claims")
        .y_label("share of outcomes in it")
        .line(Line::new("perfect", [(0.0, 0.0), (1.0, 1.0)]).dashed().color(Color::MUTED));
    for (name, calibration) in named {
        panel = panel.line(Line::new(*name, calibration.curve()));
    }
    Ok(Curves::new().panel(panel).save(run.path("calibration.png"))?)
}

/// `examples.png`: unseen digits from the surest to the least sure, with angle and interval of 90 %.
fn examples(run: &Run, set: &Turned, judged: &Judged) -> Outcome<()> {
    const SHOWN: usize = 24;
    let mut order: Vec<usize> = (0..judged.std.len() / NAMES.len()).collect();
    order.sort_by(|&a, &b| judged.std[a * NAMES.len()].total_cmp(&judged.std[b * NAMES.len()]));
    let area = CANVAS * CANVAS;
    let tiles = (0..SHOWN).map(|i| {
        let sample = order[i * (order.len() - 1) / (SHOWN - 1)];
        let (at, unit) = (sample * NAMES.len(), unit(0));
        let half = unit * normal_quantile(0.95) * judged.std[at];
        let (mean, truth) = (unit * judged.mean[at], unit * judged.truth[at]);
        let right = (mean - truth).abs() <= half;
        Tile::grey(&set.pixels[sample * area..(sample + 1) * area], [CANVAS, CANVAS])
            .caption(format!("{mean:.0}° ± {half:.0}°\ntrue {truth:.0}°"))
            .border(if right { Color::RIGHT } else { Color::WRONG })
    });
    let tiles = Tiles::new(8).title("Turned by how much? From the surest to the least sure").tiles(tiles);
    Ok(tiles.save(run.path("examples.png"))?)
}
