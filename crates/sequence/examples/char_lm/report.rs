//! What the model makes of text it has not seen, and what it writes.
#![allow(clippy::print_stdout, reason = "the example shows on the terminal what it writes")]

use std::fs::OpenOptions;
use std::io::Write;

use burn::tensor::Device;
use fornax_nn_core::plot::{Curves, Line, Panel};
use fornax_nn_core::train::Run;
use fornax_prep::text::TextLanes;
use fornax_sequence::generate::{GenerateConfig, generate};
use fornax_sequence::metric::token_loss;
use fornax_sequence::{Kind, LanguageModel};

use crate::Outcome;
use crate::corpus::Corpus;

/// Mean loss over the unseen text, the state carried along.
pub(crate) fn validate(model: &LanguageModel, lanes: &TextLanes, device: &Device) -> f64 {
    let (mut sum, mut states) = (0.0, None);
    for index in 0..lanes.len() {
        let (inputs, targets) = lanes.batch(index, device);
        let (logits, after) = model.forward(inputs, states);
        sum += token_loss(logits, targets, None).into_scalar::<f64>();
        states = Some(after);
    }
    sum / lanes.len() as f64
}

/// What the model writes after this epoch: on the terminal, and at the end of `samples.txt`.
pub(crate) fn sample(model: &LanguageModel, corpus: &Corpus, temperature: f64, run: &Run) -> Outcome<()> {
    let prompt = &corpus.val[..corpus.val.len().min(20)];
    let config = GenerateConfig::new().with_max_tokens(200).with_temperature(temperature);
    // Another seed in every epoch.
    let seed = run.seed().wrapping_add(run.progress().epoch);
    let written = corpus.text(&generate(model, &[prompt], &config, seed)?[0])?;
    println!("after step {}: {}", run.progress().step, written.escape_debug());
    let mut file = OpenOptions::new().create(true).append(true).open(run.path("samples.txt"))?;
    writeln!(file, "── after step {}\n{}{written}\n", run.progress().step, corpus.text(prompt)?)?;
    Ok(())
}

/// Loss over steps, in training and on unseen text.
pub(crate) fn curves(run: &mut Run, kind: Kind, characters: usize) -> Outcome<()> {
    let points = |history: Vec<(u64, f64)>| history.into_iter().map(|(step, loss)| (step as f64, loss));
    let (train, val) = (run.history("train", "mean_loss")?, run.history("val", "loss")?);
    let panel = Panel::new(format!("{} on {characters} characters", kind.name()))
        .x_label("step")
        .y_label("cross-entropy (nats a character)")
        .line(Line::new("training", points(train)))
        .line(Line::new("validation", points(val)).mark_lowest());
    Ok(Curves::new().panel(panel).save(run.path("curves.png"))?)
}
