//! Accuracy by epoch, and where it ended: as figures and as pictures.

use fornax_nn_core::plot::{Bars, Color, Curves, Line, Panel, SERIES};

use serde_json::{Map, Value};

use crate::Fit;
use crate::method::Method;

/// A method over all its seeds.
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    pub(crate) mean: f64,
    /// Standard deviation over the seeds; 0 for one.
    pub(crate) deviation: f64,
    pub(crate) train: f64,
    curve: Vec<(f64, f64)>,
}

/// The mean of every method's fits.
pub(crate) fn results(methods: &[Method], fits: &[Fit]) -> Vec<Figures> {
    let summary = |method: &Method| {
        let fits: Vec<&Fit> = fits.iter().filter(|fit| fit.name == method.name()).collect();
        let mean = |f: &dyn Fn(&Fit) -> f64| fits.iter().map(|fit| f(fit)).sum::<f64>() / fits.len() as f64;
        let accuracy = mean(&|fit| fit.test_accuracy);
        let square = mean(&|fit| (fit.test_accuracy - accuracy).powi(2)) * fits.len() as f64;
        let mut epochs: Vec<f64> = fits.iter().flat_map(|fit| &fit.curve).map(|point| point.0).collect();
        epochs.sort_by(f64::total_cmp);
        epochs.dedup();
        Figures {
            name: method.name(),
            mean: accuracy,
            deviation: (square / (fits.len().max(2) - 1) as f64).sqrt(),
            train: mean(&|fit| fit.train_accuracy),
            curve: epochs.iter().map(|&epoch| (epoch, mean(&|fit| at(&fit.curve, epoch)))).collect(),
        }
    };
    methods.iter().map(summary).collect()
}

/// For `summary.json`.
pub(crate) fn figures(results: &[Figures]) -> Map<String, Value> {
    let named = |result: &Figures| {
        [
            ("test_accuracy", result.mean),
            ("test_accuracy_std", result.deviation),
            ("train_accuracy", result.train),
        ]
        .map(|(figure, value)| (format!("{figure}_{}", result.name), value.into()))
    };
    results.iter().flat_map(named).collect()
}

/// The curve at `epoch`: its last value there or before.
fn at(curve: &[(f64, f64)], epoch: f64) -> f64 {
    let known = curve.partition_point(|point| point.0 <= epoch).max(1);
    curve.get(known - 1).map_or(f64::NAN, |point| point.1)
}

/// What acts on the weights in one panel, all else in another, nothing at all in both.
pub(crate) fn curves(results: &[Figures]) -> Curves {
    let on_weights = |name: &str| {
        ["l1", "l2", "elastic_net", "decoupled_decay", "max_norm", "spectral_norm", "weight_norm"]
            .contains(&name)
    };
    let panel = |title: &str, wanted: &dyn Fn(&str) -> bool| {
        let panel = Panel::new(title)
            .x_label("epoch")
            .y_label("unseen digits read correctly (%)")
            .y_range(40.0, 85.0);
        let mut colors = SERIES.into_iter().filter(|color| *color != SERIES[6]).cycle();
        results.iter().filter(|result| wanted(result.name)).fold(panel, |panel, result| {
            let line = Line::new(
                result.name.replace('_', " "),
                result.curve.iter().map(|&(epoch, accuracy)| (epoch, 100.0 * accuracy)),
            );
            let none = result.name == Method::None.name();
            panel.line(if none {
                line.color(Color::INK).dashed()
            } else {
                line.color(colors.next().unwrap_or(SERIES[0]))
            })
        })
    };
    let none = Method::None.name();
    Curves::new()
        .panel(panel("Acting on the weights", &|name| name == none || on_weights(name)))
        .panel(panel("Acting on data, units, gradients and time", &|name| name == none || !on_weights(name)))
}

/// Final accuracies, the best on top.
pub(crate) fn bars(results: &[Figures], wrong: u8) -> Bars {
    let mut sorted: Vec<&Figures> = results.iter().collect();
    sorted.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    let title = format!("Trained on 100 digits, {wrong} of them mislabelled");
    let bars =
        Bars::new(title).x_label("unseen digits read correctly (%), mean and deviation over the seeds");
    sorted.into_iter().fold(bars, |bars, result| {
        let name = result.name.replace('_', " ");
        let color = if result.name == Method::None.name() { SERIES[6] } else { SERIES[0] };
        bars.colored(name, 100.0 * result.mean, 100.0 * result.deviation, color)
    })
}
