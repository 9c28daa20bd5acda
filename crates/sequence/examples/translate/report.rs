//! What the model writes, and where it looks.

use burn::tensor::Device;
use fornax_nn_core::plot::Matrix;
use fornax_nn_core::train::Run;
use fornax_prep::worlds::tasks::Pair;
use fornax_sequence::Seq2Seq;

use crate::data::{Dates, text};
use crate::{LONGEST, Outcome};

/// The right answers.
pub(crate) fn right(pairs: &[Pair]) -> Vec<String> {
    pairs.iter().map(|pair| pair.target.clone()).collect()
}

/// What the model writes.
pub(crate) fn translate(model: &Seq2Seq, dates: &Dates, pairs: &[Pair], device: &Device) -> Vec<String> {
    let batch = dates.batch(pairs, device);
    let (written, _) = model.greedy(batch.sources, &batch.lengths, LONGEST);
    written.iter().map(|tokens| text(tokens)).collect()
}

/// Where the decoder looks while it writes, a picture a date.
pub(crate) fn draw(
    run: &Run,
    model: &Seq2Seq,
    dates: &Dates,
    pairs: &[Pair],
    device: &Device,
) -> Outcome<()> {
    for (index, pair) in pairs.iter().enumerate() {
        let batch = dates.batch(std::slice::from_ref(pair), device);
        let (written, looks) = model.greedy(batch.sources, &batch.lengths, LONGEST);
        let [_, _, width] = looks.dims();
        let weights: Vec<f64> = looks.into_data().iter::<f64>().collect();
        let answer = text(&written[0]);
        let rows: Vec<Vec<f64>> =
            weights.chunks(width).take(answer.chars().count()).map(<[f64]>::to_vec).collect();
        Matrix::heat_map(&rows)
            .title(format!("{} → {answer}", pair.input))
            .row_names(answer.chars().map(String::from))
            .column_names(pair.input.chars().map(|c| if c == ' ' { "␣".to_owned() } else { c.to_string() }))
            .range(0.0, 1.0)
            .bar_label("attention")
            .save(run.path(&format!("attention_{index}.png")))?;
    }
    Ok(())
}
