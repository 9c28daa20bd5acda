//! Loss over time, and what is taken for what.

use fornax_nn_core::metric::Classification;
use fornax_nn_core::plot::{Curves, Line, Matrix, Panel};
use fornax_nn_core::train::Run;

use crate::Outcome;
use crate::words::Words;

/// Draws `curves.png` and `confusion.png`.
pub(crate) fn draw(run: &mut Run, words: &Words, outcome: &Classification) -> Outcome<()> {
    let points = |history: Vec<(u64, f64)>| history.into_iter().map(|(step, loss)| (step as f64, loss));
    let (train, test) = (run.history("train", "mean_loss")?, run.history("test", "loss")?);
    let panel = Panel::new("Loss")
        .x_label("step")
        .y_label("cross-entropy (nats)")
        .log_y()
        .line(Line::new("training", points(train)))
        .line(Line::new("test", points(test)).mark_lowest());
    Curves::new().panel(panel).save(run.path("curves.png"))?;
    Ok(Matrix::confusion(&outcome.confusion(), &words.names)
        .title("Unseen words")
        .save(run.path("confusion.png"))?)
}
