//! How good the forecasts are, and what they look like.

use burn::tensor::Device;
use fornax_nn_core::plot::{Curves, Line, Panel};
use fornax_nn_core::train::Run;
use fornax_sequence::ManyToOne;

use crate::series::windows;
use crate::{Outcome, QUANTILES, forecast};

/// Mean absolute error of the middle, share of outcomes within the interval, and all forecasts in the series' units.
pub(crate) fn judge(
    model: &ManyToOne,
    values: &[f32],
    starts: &[usize],
    size: [usize; 2],
    device: &Device,
) -> (f64, f64, Vec<f32>) {
    let (x, _) = windows(values, starts, size, device);
    let mut predicted: Vec<f32> = forecast(model, x, size[1]).into_data().iter::<f32>().collect();
    let (mut error, mut within) = (0.0, 0.0);
    let width = QUANTILES.len();
    for (row, &start) in predicted.chunks_mut(size[1] * width).zip(starts) {
        let now = start + size[0];
        row.iter_mut().for_each(|value| *value += values[now - 1]);
        for (q, truth) in row.chunks(width).zip(&values[now..]) {
            error += f64::from((q[1] - truth).abs());
            within += f64::from(u8::from((q[0]..=q[2]).contains(truth)));
        }
    }
    let count = (starts.len() * size[1]) as f64;
    (error / count, within / count, predicted)
}

/// Four unseen days, a fortnight apart.
pub(crate) fn draw(
    run: &Run,
    values: &[f32],
    starts: &[usize],
    size: [usize; 2],
    predicted: &[f32],
) -> Outcome<()> {
    let width = QUANTILES.len();
    let mut figure = Curves::new().columns(2);
    for index in (0..starts.len()).step_by(14).take(4) {
        let (now, row) = (starts[index] + size[0], &predicted[index * size[1] * width..]);
        let line = |name: &str, q: usize| {
            Line::new(name, (0..size[1]).map(|h| (h as f64, f64::from(row[h * width + q]))))
        };
        let truth = (-(size[0].min(48) as i64)..size[1] as i64)
            .map(|h| (h as f64, f64::from(values[(now as i64 + h) as usize])));
        let panel = Panel::new(format!("unseen day {}", index + 1)).x_label("hours ahead").y_label("value");
        figure = figure.panel(
            panel
                .line(Line::new("measured", truth))
                .line(line("forecast", 1))
                .line(line("10 %", 0).dashed())
                .line(line("90 %", 2).dashed()),
        );
    }
    Ok(figure.save(run.path("forecast.png"))?)
}
