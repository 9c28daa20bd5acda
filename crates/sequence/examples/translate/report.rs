//! What the model writes, and where it looks.

use burn::tensor::Device;
use fornax_nn_core::plot::Matrix;
use fornax_nn_core::train::Run;
use fornax_prep::worlds::tasks::Pair;

use crate::Outcome;
use crate::data::{Dates, text};
use crate::translator::Translator;

/// The right answers.
pub(crate) fn right(pairs: &[Pair]) -> Vec<String> {
    pairs.iter().map(|pair| pair.target.clone()).collect()
}

/// What the model writes.
pub(crate) fn translate(
    model: &Translator,
    dates: &Dates,
    pairs: &[Pair],
    device: &Device,
) -> Outcome<Vec<String>> {
    let (written, _) = model.translate(dates.batch(pairs, device))?;
    Ok(written.iter().map(|tokens| text(tokens)).collect())
}

/// Where the decoder looks while it writes, a picture a date.
pub(crate) fn draw(
    run: &Run,
    model: &Translator,
    dates: &Dates,
    pairs: &[Pair],
    device: &Device,
) -> Outcome<()> {
    for (index, pair) in pairs.iter().enumerate() {
        let (written, looks) = model.translate(dates.batch(std::slice::from_ref(pair), device))?;
        let answer = text(&written[0]);
        if answer.is_empty() {
            continue;
        }
        Matrix::heat_map(&looks[0])
            .title(format!("{} → {answer}", pair.input))
            .row_names(answer.chars().map(String::from))
            .column_names(pair.input.chars().map(|c| if c == ' ' { "␣".to_owned() } else { c.to_string() }))
            .range(0.0, 1.0)
            .bar_label("attention")
            .save(run.path(&format!("attention_{index}.png")))?;
    }
    Ok(())
}
