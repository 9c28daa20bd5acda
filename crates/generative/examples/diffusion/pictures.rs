//! What a run leaves for the eye.

use std::time::Duration;

use burn::tensor::Tensor;
use fornax_nn_core::plot::{Animation, Curves, Line, Panel, Tile, Tiles};
use fornax_nn_core::train::Run;

use crate::Outcome;

/// Images in a row.
const ROW: usize = 10;

/// Draws `samples.png`, `denoising.gif` and `curves.png` into the run directory.
pub(crate) fn draw(run: &mut Run, samples: &Tensor<4>, path: &[Tensor<4>], name: &str) -> Outcome<()> {
    grid(samples, ROW, 48.0)
        .title(format!("Samples of {name}, a class a column"))
        .save(run.path("samples.png"))?;
    let mut film = Animation::new(Duration::from_millis(120));
    let last = path.len() - 1;
    for (step, x) in path.iter().enumerate().chain(std::iter::repeat_n((last, &path[last]), 6)) {
        film.push(&grid(x, 2, 32.0).title(format!("after {step:>2} of {last} steps")).draw()?)?;
    }
    film.save(run.path("denoising.gif"))?;
    let losses = |history: Vec<(u64, f64)>| (1..).zip(history).map(|(i, (_, y))| (f64::from(i), y));
    let panel = Panel::new("Mean squared error of what the network says")
        .x_label("epoch")
        .log_y()
        .line(Line::new("training", losses(run.history("train", "loss")?)));
    Ok(Curves::new().panel(panel).save(run.path("curves.png"))?)
}

/// The first rows, pixels from [−1, 1].
fn grid(images: &Tensor<4>, rows: usize, side: f64) -> Tiles {
    let [count, _, height, width] = images.dims();
    let shown = images.clone().narrow(0, 0, count.min(rows * ROW));
    let values: Vec<f32> = (shown * 0.5 + 0.5).clamp(0.0, 1.0).into_data().iter::<f32>().collect();
    let tiles = values.chunks(height * width).map(|image| Tile::grey(image, [height, width]));
    Tiles::new(ROW).tiles(tiles).side(side)
}
