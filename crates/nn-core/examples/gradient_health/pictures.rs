//! The loss of every network, and its gradient by layer and step.

use fornax_nn_core::health::Quantity;
use fornax_nn_core::plot::{Curves, Line, Matrix, Panel, PlotError};
use fornax_nn_core::train::Run;

use crate::network::Network;

/// One curve a network.
pub(crate) fn draw_losses(run: &Run, networks: &[Network]) -> Result<(), PlotError> {
    let mut losses = Panel::new("Loss of 20 hidden layers")
        .x_label("step")
        .y_label("cross-entropy")
        .log_y()
        .y_range(1e-4, 1e3);
    for network in networks {
        let history = network.monitor.history();
        let points = history.samples().iter().map(|sample| (sample.step as f64, sample.loss));
        losses = losses.line(Line::new(network.name(), points));
    }
    Curves::new().panel(losses).save(run.path("loss.png"))
}

/// Gradient norm by layer, the output on top, and step.
pub(crate) fn draw_gradients(run: &Run, network: &Network) -> Result<(), PlotError> {
    let mut map = network.monitor.history().heat_map(Quantity::Gradient);
    map.layers.reverse();
    map.values.reverse();
    let rows: Vec<Vec<f64>> =
        map.values.iter().map(|row| row.iter().map(|value| value.unwrap_or(f64::NAN)).collect()).collect();
    let last = map.steps.last().map_or(1.0, |&step| step.max(1) as f64);
    Matrix::heat_map(&rows)
        .title(format!("Gradient norm: {}", network.name()))
        .row_names(map.layers)
        .columns(0.0, last)
        .x_label("step")
        .bar_label("‖g‖")
        .log()
        .range(1e-15, 1e3)
        .save(run.path(&format!("gradient_{}.png", network.name())))
}
