//! What a network knows of both tasks while it learns the second, as figures and as a picture.

use burn::module::Module;
use burn::tensor::activation::softmax;
use fornax_cnn::{Classifier, LeNet};
use fornax_nn_core::metric::Classification;
use fornax_nn_core::plot::{Curves, Line, Panel, SERIES};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digits::Digits16;

/// Shares of the held-out digits that are read correctly.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) step: usize,
    /// Of the old digits, among all ten.
    pub(crate) old: f64,
    /// Of the old digits, when it is said that they are old: among five.
    pub(crate) old_told: f64,
    /// Of the new digits, among all ten.
    pub(crate) new: f64,
}

impl Look {
    pub(crate) fn at(step: usize, model: &LeNet, data: &Digits16) -> Self {
        let model = model.valid();
        let device = model.fc1.weight.device();
        let [old, new] = [0..5, 5..10].map(|classes| data.of(&data.split.test, classes));
        let answers = |indices: &[usize]| model.forward(data.plain(indices, &device).images);
        let right = |logits, indices: &[usize]| {
            Classification::new(softmax(logits, 1), &data.labels(indices)).accuracy()
        };
        let of_old = answers(&old);
        Self {
            step,
            old: right(of_old.clone(), &old),
            old_told: right(of_old.narrow(1, 0, 5), &old),
            new: right(answers(&new), &new),
        }
    }
}

/// One way of learning the second task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fit {
    pub(crate) name: String,
    pub(crate) forgetting: f64,
    pub(crate) looks: Vec<Look>,
}

/// The last looks of a way, averaged over the seeds.
pub(crate) fn mean(fits: &[Fit], name: &str) -> Look {
    means(fits, name).pop().unwrap_or_default()
}

fn means(fits: &[Fit], name: &str) -> Vec<Look> {
    let of: Vec<&Fit> = fits.iter().filter(|fit| fit.name == name).collect();
    let looks = of.iter().map(|fit| fit.looks.len()).min().unwrap_or(0);
    let at = |i: usize| {
        let mean = |f: fn(&Look) -> f64| of.iter().map(|fit| f(&fit.looks[i])).sum::<f64>() / of.len() as f64;
        let (old, old_told, new) = (mean(|look| look.old), mean(|look| look.old_told), mean(|look| look.new));
        Look { step: of[0].looks[i].step, old, old_told, new }
    };
    (0..looks).map(at).collect()
}

/// The figures of every way, means over the seeds.
pub(crate) fn summary(fits: &[Fit], names: &[&str]) -> Map<String, Value> {
    let of = |name: &&str| {
        let Look { old, old_told, new, .. } = mean(fits, name);
        let forgetting: Vec<f64> =
            fits.iter().filter(|fit| fit.name == *name).map(|fit| fit.forgetting).collect();
        let forgetting = forgetting.iter().sum::<f64>() / forgetting.len() as f64;
        [("old", old), ("old_told", old_told), ("new", new), ("forgetting", forgetting)]
            .map(|(figure, value)| (format!("{figure}_{name}"), Value::from(value)))
    };
    names.iter().flat_map(of).collect()
}

/// The old digits, told or not, and the new ones, by step of the second task.
pub(crate) fn curves(fits: &[Fit], names: &[&str]) -> Curves {
    let panel = |title: &str, figure: fn(&Look) -> f64| {
        let panel = Panel::new(title).x_label("step of the second task").y_label("read correctly (%)");
        names.iter().zip(SERIES).fold(panel.y_range(0.0, 100.0), |panel, (name, color)| {
            let looks = means(fits, name);
            let points = looks.iter().map(|look| (look.step as f64, 100.0 * figure(look)));
            panel.line(Line::new(*name, points.collect::<Vec<_>>()).color(color))
        })
    };
    Curves::new()
        .panel(panel("0 to 4, one of ten", |look| look.old))
        .panel(panel("0 to 4, one of five", |look| look.old_told))
        .panel(panel("5 to 9, one of ten", |look| look.new))
}
