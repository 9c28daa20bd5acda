//! What a run leaves for the eye.

use burn::tensor::Tensor;
use fornax_nn_core::plot::{Curves, Line, Panel, Tile, Tiles};
use fornax_nn_core::train::Run;

use crate::Outcome;
use crate::network::Network;

/// Digits shown.
const SHOWN: usize = 10;

/// Draws `reconstructions.png`, `denoising.png` and `curves.png` into the run directory.
pub(crate) fn draw(
    run: &mut Run,
    side: usize,
    [plain, cleaner]: [&Network; 2],
    [unseen, noisy]: [&Tensor<2>; 2],
) -> Outcome<()> {
    let first = |x: &Tensor<2>| x.clone().narrow(0, 0, SHOWN.min(x.dims()[0]));
    let (unseen, noisy) = (first(unseen), first(noisy));
    let rebuilt = plain.forward(unseen.clone());
    grid("Unseen, and rebuilt from their code", side, &[&unseen, &rebuilt])
        .save(run.path("reconstructions.png"))?;
    let cleaned = cleaner.forward(noisy.clone());
    grid("Noisy, cleaned, and as they were", side, &[&noisy, &cleaned, &unseen])
        .save(run.path("denoising.png"))?;

    let epochs = |history: Vec<(u64, f64)>| (1..).zip(history).map(|(i, (_, y))| (f64::from(i), y));
    let panel = Panel::new("Reconstruction")
        .x_label("epoch")
        .y_label("mean squared error")
        .log_y()
        .line(Line::new("training", epochs(run.history("train", "mean_loss")?)))
        .line(Line::new("test", epochs(run.history("test", "mse")?)).mark_lowest());
    Ok(Curves::new().panel(panel).save(run.path("curves.png"))?)
}

/// A row for each of `rows`.
fn grid(title: &str, side: usize, rows: &[&Tensor<2>]) -> Tiles {
    let tiles = rows.iter().flat_map(|row| {
        let values: Vec<f32> = row.to_data().iter::<f32>().map(|pixel| pixel.clamp(0.0, 1.0)).collect();
        values.chunks(side * side).map(|image| Tile::grey(image, [side, side])).collect::<Vec<_>>()
    });
    Tiles::new(SHOWN).title(title).tiles(tiles).side(56.0)
}
