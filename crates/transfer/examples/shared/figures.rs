//! Figures over seeds.

#![allow(dead_code, reason = "each example uses some of these")]

use fornax_nn_core::plot::{Bars, SERIES};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What came of one method with one seed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fit {
    pub(crate) name: String,
    pub(crate) value: f64,
}

impl Fit {
    pub(crate) fn new(name: &str, value: f64) -> Self {
        Self { name: name.to_owned(), value }
    }
}

/// Mean of a method over its seeds, and their standard deviation, zero for one seed.
pub(crate) fn mean(fits: &[Fit], name: &str) -> (f64, f64) {
    let values: Vec<f64> = fits.iter().filter(|fit| fit.name == name).map(|fit| fit.value).collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, (square / (count - 1.0).max(1.0)).sqrt())
}

/// `<prefix>_<name>` and its deviation for the summary.
pub(crate) fn summary(fits: &[Fit], prefix: &str, names: &[&str]) -> Map<String, Value> {
    names
        .iter()
        .flat_map(|name| {
            let (mean, deviation) = mean(fits, name);
            [(format!("{prefix}_{name}"), mean.into()), (format!("{prefix}_{name}_std"), deviation.into())]
        })
        .collect()
}

/// A bar for each method, in percent.
pub(crate) fn bars(fits: &[Fit], names: &[&str], title: &str) -> Bars {
    let bars =
        Bars::new(title).x_label("unseen digits read correctly (%), mean and deviation over the seeds");
    names.iter().enumerate().fold(bars, |bars, (i, name)| {
        let (mean, deviation) = mean(fits, name);
        let label = name.replace('_', " ");
        bars.colored(label, 100.0 * mean, 100.0 * deviation, SERIES[if i == 0 { 6 } else { 0 }])
    })
}
