//! What the model makes of text it has not seen, and what it writes.
#![allow(clippy::print_stdout, reason = "the example shows on the terminal what it writes")]

use std::fs::OpenOptions;
use std::io::Write;

use fornax_nn_core::plot::{Curves, Line, Panel};
use fornax_nn_core::train::Run;
use fornax_sequence::generate::GenerateConfig;

use crate::Outcome;
use crate::corpus::Corpus;
use crate::model::Model;
use crate::settings::Network;

/// What the model writes after this epoch: on the terminal, and at the end of `samples.txt`.
pub(crate) fn sample(model: &Model, corpus: &Corpus, temperature: f64, run: &Run) -> Outcome<()> {
    let prompt = &corpus.validation[..corpus.validation.len().min(20)];
    let config = GenerateConfig::new().with_max_tokens(200).with_temperature(temperature);
    // Another seed in every epoch.
    let seed = run.seed().wrapping_add(run.progress().epoch);
    let written = corpus.tokenizer.decode(&model.write(prompt, &config, seed)?)?;
    println!("after step {}: {}", run.progress().step, written.escape_debug());
    let mut file = OpenOptions::new().create(true).append(true).open(run.path("samples.txt"))?;
    writeln!(file, "── after step {}\n{}{written}\n", run.progress().step, corpus.tokenizer.decode(prompt)?)?;
    Ok(())
}

/// Loss over steps, in training and on unseen text.
pub(crate) fn curves(run: &mut Run, network: Network, characters: usize) -> Outcome<()> {
    let points = |history: Vec<(u64, f64)>| history.into_iter().map(|(step, loss)| (step as f64, loss));
    let (train, val) = (run.history("train", "mean_loss")?, run.history("val", "loss")?);
    let panel = Panel::new(format!("{network:?} on {characters} characters"))
        .x_label("step")
        .y_label("cross-entropy (nats a character)")
        .line(Line::new("training", points(train)))
        .line(Line::new("validation", points(val)).mark_lowest());
    Ok(Curves::new().panel(panel).save(run.path("curves.png"))?)
}
