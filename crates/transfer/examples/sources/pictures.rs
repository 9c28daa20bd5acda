//! What each source is worth, as figures and as a picture.

use fornax_nn_core::plot::{Bars, SERIES};
use serde_json::{Map, Value};

use crate::figures::{Fit, mean};
use crate::source::Source;

/// Means over the seeds of everything measured.
pub(crate) fn summary(fits: &[Fit]) -> Map<String, Value> {
    let mut names: Vec<&str> = fits.iter().map(|fit| fit.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| (name.to_owned(), Value::from(mean(fits, name).0))).collect()
}

/// Fine-tuned accuracies, the source that LogME puts first above, random weights below all.
pub(crate) fn bars(fits: &[Fit]) -> Bars {
    let of = |figure: &str, source: Source| mean(fits, &format!("{figure}_{}", source.name()));
    let mut sources = Source::ALL[1..].to_vec();
    sources.sort_by(|&a, &b| of("log_me", b).0.total_cmp(&of("log_me", a).0));
    sources.push(Source::None);
    let bars = Bars::new("5 to 9 from few labels, by what was learnt before")
        .x_label("unseen digits read correctly (%), mean and deviation over the seeds");
    sources.into_iter().fold(bars, |bars, source| {
        let (accuracy, deviation) = of("accuracy", source);
        let label = match source {
            Source::None => "random weights".to_owned(),
            _ => format!("{} (LogME {:+.2})", source.name().replace('_', " "), of("log_me", source).0),
        };
        let color = SERIES[if source == Source::None { 6 } else { 0 }];
        bars.colored(label, 100.0 * accuracy, 100.0 * deviation, color)
    })
}
