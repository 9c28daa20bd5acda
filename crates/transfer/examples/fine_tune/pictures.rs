//! Means over the seeds, as figures and as a picture.

use fornax_nn_core::plot::{Bars, Curves, Line, Panel, SERIES};
use fornax_nn_core::train::Run;
use serde_json::{Map, Value};

use crate::ways::JOBS;
use crate::{Fit, Outcome};

/// A way of learning over all its seeds.
pub(crate) struct Mean {
    pub(crate) name: &'static str,
    /// Of the last accuracies.
    pub(crate) mean: f64,
    deviation: f64,
    curve: Vec<(f64, f64)>,
}

/// The mean of every job's fits.
pub(crate) fn results(fits: &[Fit], seeds: usize) -> Vec<Mean> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let of = |name: &'static str| {
        let curves: Vec<&[(f64, f64)]> =
            fits.iter().filter(|fit| fit.name == name).map(|fit| fit.curve.as_slice()).collect();
        let last: Vec<f64> = curves.iter().filter_map(|curve| Some(curve.last()?.1)).collect();
        let square: f64 = last.iter().map(|value| (value - mean(&last)).powi(2)).sum();
        let looks = curves.iter().map(|curve| curve.len()).min().unwrap_or(0);
        let at =
            |i: usize| (curves[0][i].0, mean(&curves.iter().map(|curve| curve[i].1).collect::<Vec<_>>()));
        let curve = (0..looks).map(at).collect();
        Mean { name, mean: mean(&last), deviation: (square / (seeds.max(2) - 1) as f64).sqrt(), curve }
    };
    JOBS.iter().map(|&name| of(name)).collect()
}

/// Draws `accuracy.png` and `curves.png`; the figures for the summary.
pub(crate) fn draw(run: &Run, results: &[Mean]) -> Outcome<Map<String, Value>> {
    let target = &results[1..];
    let bars = Bars::new("Five new digits from ten images each")
        .x_label("unseen digits read correctly (%), mean and deviation over the seeds");
    let bars = target.iter().zip(SERIES).fold(bars, |bars, (result, color)| {
        bars.colored(result.name.replace('_', " "), 100.0 * result.mean, 100.0 * result.deviation, color)
    });
    bars.save(run.path("accuracy.png"))?;
    let panel = Panel::new("Five new digits from ten images each")
        .x_label("epoch")
        .y_label("unseen digits read correctly (%)");
    let panel = target.iter().zip(SERIES).fold(panel, |panel, (result, color)| {
        let points = result.curve.iter().map(|&(epoch, accuracy)| (epoch, 100.0 * accuracy));
        panel.line(Line::new(result.name.replace('_', " "), points).color(color))
    });
    Curves::new().panel(panel).save(run.path("curves.png"))?;
    let named = |result: &Mean| {
        [("accuracy", result.mean), ("accuracy_std", result.deviation)]
            .map(|(figure, value)| (format!("{figure}_{}", result.name), Value::from(value)))
    };
    Ok(results.iter().flat_map(named).collect())
}
