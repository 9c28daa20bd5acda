//! One adaptation, and what it reached.

use burn::module::Module;
use fornax_nn_core::optim::AdamWConfig;
use fornax_nn_core::plot::{Curves, Line, Panel, SERIES};
use fornax_nn_core::schedule::{Schedule, ScheduleConfig};
use fornax_nn_core::train::Run;
use fornax_sequence::gpt::{Gpt, loss, train_step};
use serde::{Deserialize, Serialize};

use crate::corpus::{Corpus, Part};
use crate::{Outcome, Settings};

/// Times the held-out loss is looked at.
const LOOKS: usize = 4;

/// Held-out loss of the second text by step.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fit {
    name: String,
    curve: Vec<(f64, f64)>,
}

impl Fit {
    pub(crate) fn last(&self) -> f64 {
        self.curve.last().map_or(f64::NAN, |point| point.1)
    }
}

/// A tenth of the steps up, the rest down to zero.
pub(crate) fn schedule(steps: usize, highest: f64) -> Outcome<Schedule> {
    let warm_up = (steps / 10).max(1);
    let falling = steps.saturating_sub(warm_up).max(1);
    Ok(ScheduleConfig::cosine(falling).with_warm_up(warm_up).init(highest)?)
}

/// Trains what wants gradients on the second text: every weight, or an adapter.
pub(crate) fn adapt(
    run: &mut Run,
    mut model: Gpt,
    name: &str,
    lr: f64,
    corpus: &Corpus,
    settings: &Settings,
    seed: u64,
) -> Outcome<(Gpt, Fit)> {
    let device = model.tokens.weight.device();
    let mut optim = AdamWConfig::new().with_beta_2(0.99).with_weight_decay(0.0).init()?;
    let schedule = schedule(settings.steps, lr)?;
    let mut curve = vec![(0.0, held_out_loss(&model.valid(), &corpus.second))];
    for step in 0..settings.steps {
        let context = model.config.context;
        let batch = corpus.second.batch(step, settings.batch_size, context, seed, &device);
        let trained = train_step(model, &mut optim, schedule.lr(step), batch);
        let loss;
        (model, loss) = run.guard(trained)?;
        run.step([(name, loss)])?;
        let done = step + 1;
        if done.is_multiple_of(settings.steps.div_ceil(LOOKS)) || done == settings.steps {
            curve.push((done as f64, held_out_loss(&model.valid(), &corpus.second)));
        }
    }
    Ok((model, Fit { name: name.to_owned(), curve }))
}

/// Mean cross-entropy of the held-out part, in nats a letter.
pub(crate) fn held_out_loss(model: &Gpt, part: &Part) -> f64 {
    let device = model.tokens.weight.device();
    let (mut sum, mut count) = (0.0, 0);
    for batch in part.held_out(model.config.context, &device) {
        let windows = batch.inputs.dims()[0];
        sum += windows as f64 * loss(model, batch).into_scalar::<f64>();
        count += windows;
    }
    sum / count as f64
}

/// Over the repetitions, the mean loss before, after, and where it was lowest on the way.
pub(crate) fn losses(fits: &[Fit], name: &str) -> [f64; 3] {
    let of: Vec<&Fit> = fits.iter().filter(|fit| fit.name == name).collect();
    let mean = |f: fn(&Fit) -> f64| of.iter().map(|fit| f(fit)).sum::<f64>() / of.len() as f64;
    let lowest = |fit: &Fit| fit.curve.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    [mean(|fit| fit.curve.first().map_or(f64::NAN, |point| point.1)), mean(Fit::last), mean(lowest)]
}

/// A line for every repetition.
pub(crate) fn curves(fits: &[Fit]) -> Curves {
    let panel = Panel::new("From prose to code").x_label("step").y_label("held-out loss (nats a letter)");
    let panel = fits.iter().enumerate().fold(panel, |panel, (i, fit)| {
        let kind = usize::from(fit.name == "lora");
        let what = ["all weights", "LoRA"][kind];
        let line = Line::new(format!("{what}, {}", 1 + i / 2), fit.curve.iter().copied());
        panel.line(line.color(SERIES[kind]))
    });
    Curves::new().panel(panel)
}
