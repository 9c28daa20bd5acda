//! What a run leaves for the eye.

use burn::tensor::{Distribution, Int, Tensor};
use fornax_nn_core::plot::{Curves, Line, Panel, Tile, Tiles};
use fornax_nn_core::train::Run;

use crate::Outcome;
use crate::network::Network;

/// Images in a row.
const ROW: usize = 10;
/// Ways in which an image is completed.
const WAYS: usize = 5;

/// Draws `samples.png`, `completions.png` and `curves.png` into the run directory.
pub(crate) fn draw(run: &mut Run, model: &Network, unseen: Tensor<3, Int>) -> Outcome<()> {
    let ([count, height, width], device) = (unseen.dims(), unseen.device());
    device.seed(run.seed());
    let uniform =
        |images: usize| Tensor::<3>::random([images, height, width], Distribution::Default, &device);
    let samples = model.sample(uniform(ROW * ROW));
    grid("Samples, drawn pixel by pixel", &[&samples]).save(run.path("samples.png"))?;

    let first = unseen.narrow(0, 0, ROW.min(count));
    let shown = first.dims()[0];
    let ways: Vec<_> = (0..WAYS).map(|_| model.complete(first.clone(), height / 2, uniform(shown))).collect();
    let rows: Vec<&Tensor<3, Int>> = std::iter::once(&first).chain(&ways).collect();
    grid("Unseen, and its upper half completed in five ways", &rows).save(run.path("completions.png"))?;

    let epochs = |history: Vec<(u64, f64)>| (1..).zip(history).map(|(i, (_, y))| (f64::from(i), y));
    let panel = Panel::new("Exact likelihood")
        .x_label("epoch")
        .y_label("bits a pixel")
        .line(Line::new("training", epochs(run.history("train", "bits_per_dim")?)))
        .line(Line::new("test", epochs(run.history("test", "bits_per_dim")?)).mark_lowest());
    Ok(Curves::new().panel(panel).save(run.path("curves.png"))?)
}

/// A row for each of `rows`, or as many as it takes.
fn grid(title: &str, rows: &[&Tensor<3, Int>]) -> Tiles {
    let tiles = rows.iter().flat_map(|row| {
        let [_, height, width] = row.dims();
        let values: Vec<f32> = row.to_data().iter::<i64>().map(|bit| bit as f32).collect();
        values.chunks(height * width).map(|image| Tile::grey(image, [height, width])).collect::<Vec<_>>()
    });
    Tiles::new(ROW).title(title).tiles(tiles).side(48.0)
}
