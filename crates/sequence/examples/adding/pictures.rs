//! What the three networks look like from outside.

use fornax_nn_core::plot::{Curves, Line, Panel};
use fornax_nn_core::train::Run;

use crate::{KINDS, Outcome};

/// The gradient's reach before and after training, and the error over time.
pub(crate) fn draw(run: &mut Run, before: &[Vec<f64>], after: &[Vec<f64>]) -> Outcome<()> {
    let lag = |title: &str, norms: &[Vec<f64>]| {
        let panel = Panel::new(title)
            .x_label("steps before the end")
            .y_label("‖∂h_T/∂x‖")
            .log_y()
            .y_range(1e-16, 1e2);
        KINDS
            .iter()
            .zip(norms)
            .fold(panel, |panel, (kind, norms)| panel.line(Line::values(kind.name(), norms.iter().copied())))
    };
    let mut error =
        Panel::new("Error on unseen sequences").x_label("step").y_label("mean squared error").log_y();
    for kind in KINDS {
        let points = run.history("test", kind.name())?.into_iter().map(|(step, error)| (step as f64, error));
        error = error.line(Line::new(kind.name(), points));
    }
    let panels = [lag("Before training", before), lag("After training", after), error];
    let figure = panels.into_iter().fold(Curves::new(), Curves::panel);
    Ok(figure.save(run.path("gradient_by_lag.png"))?)
}
