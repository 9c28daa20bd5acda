//! What a run leaves for the eye.

use fornax_nn_core::metric::{Classification, Reliability};
use fornax_nn_core::plot::{Curves, Line, Matrix, Panel};
use fornax_nn_core::train::Run;

use crate::reader::{Data, Outcome};

/// Bins of fewer images show noise.
const FEWEST: usize = 5;

/// Draws `curves.png`, `confusion.png` and `reliability.png` into the run directory.
pub(crate) fn draw(
    run: &mut Run,
    data: &Data,
    test: &Classification,
    [before, after]: [&Reliability; 2],
) -> Outcome<()> {
    curves(run)?;
    let accuracy = 100.0 * test.accuracy();
    Matrix::confusion(&test.confusion(), data.set.class_names())
        .title(format!("{} unseen images, {accuracy:.2} % read correctly", data.test.len()))
        .save(run.path("confusion.png"))?;
    let title = |name: &str, of: &Reliability| format!("{name}: ECE {:.2} %", 100.0 * of.ece());
    Curves::new()
        .panel(reliability(title("As trained", before), before))
        .panel(reliability(title("With the fitted temperature", after), after))
        .save(run.path("reliability.png"))?;
    Ok(())
}

fn reliability(title: String, of: &Reliability) -> Panel {
    let filled = of.bins.iter().filter(|bin| bin.count >= FEWEST);
    Panel::new(title)
        .x_label("belief in the class chosen")
        .y_label("share that is right")
        .x_range(0.0, 1.0)
        .y_range(0.0, 1.0)
        .line(Line::new("calibrated", [(0.0, 0.0), (1.0, 1.0)]).dashed().faint())
        .line(Line::new(
            format!("network, bins of {FEWEST} images or more"),
            filled.map(|bin| (bin.confidence, bin.accuracy)),
        ))
}

fn curves(run: &mut Run) -> Outcome<()> {
    let epochs =
        |history: Vec<(u64, f64)>| history.into_iter().enumerate().map(|(i, (_, y))| ((i + 1) as f64, y));
    let train = epochs(run.history("train", "mean_loss")?);
    let validation = epochs(run.history("validation", "loss")?);
    let accuracy = epochs(run.history("validation", "accuracy")?).map(|(x, y)| (x, 100.0 * y));
    let loss = Panel::new("Loss")
        .x_label("epoch")
        .y_label("cross-entropy (nats)")
        .log_y()
        .line(Line::new("training, augmented", train))
        .line(Line::new("validation", validation).mark_lowest());
    let accuracy = Panel::new("Accuracy")
        .x_label("epoch")
        .y_label("validation images read correctly (%)")
        .line(Line::new("validation", accuracy).mark_highest());
    Ok(Curves::new().panel(loss).panel(accuracy).save(run.path("curves.png"))?)
}
