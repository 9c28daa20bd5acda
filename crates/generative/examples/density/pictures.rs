//! What a run leaves for the eye.

use burn::tensor::{Distribution, Tensor, TensorData};
use fornax_generative::evaluation::points;
use fornax_generative::flow::Flow;
use fornax_nn_core::plot::{ColorMap, Curves, Line, Panel, Tile, Tiles, bin};
use fornax_nn_core::train::Run;
use fornax_prep::worlds::Density;

use crate::Outcome;

/// Half the side of the square that is shown.
const REACH: f64 = 3.2;
/// Pixels a side.
const PIXELS: usize = 240;
/// Points evaluated at once.
const CHUNK: usize = 4096;

/// ln q of every point.
pub(crate) fn log_prob<F: Flow>(model: &F, points: &[[f64; 2]]) -> Vec<f64> {
    let device = model.devices()[0].clone();
    let chunk = |points: &[[f64; 2]]| {
        let x = TensorData::new(points.as_flattened().to_vec(), [points.len(), 2]);
        model.log_prob(Tensor::from_data(x, &device)).into_data().iter::<f64>().collect::<Vec<_>>()
    };
    points.chunks(CHUNK).flat_map(chunk).collect()
}

/// Draws `density.png` (the truth, the flow's density, the flow's samples) and `curves.png` into the run directory.
pub(crate) fn draw<F: Flow>(run: &mut Run, model: &F, density: &Density) -> Outcome<()> {
    let place = |i: usize| REACH * ((i as f64 + 0.5) / (PIXELS / 2) as f64 - 1.0);
    // From the upper left.
    let grid: Vec<[f64; 2]> = (0..PIXELS)
        .rev()
        .flat_map(|row| (0..PIXELS).map(move |column| [place(column), place(row)]))
        .collect();
    let truth: Vec<f64> = grid.iter().map(|&x| density.log_density(x).exp()).collect();
    let learnt: Vec<f64> = log_prob(model, &grid).into_iter().map(f64::exp).collect();

    let device = model.devices()[0].clone();
    device.seed(run.seed());
    let z = Tensor::random([20_000, 2], Distribution::Normal(0.0, 1.0), &device);
    let samples: Vec<(f64, f64)> = points(model.inverse(z)).iter().map(|x| (x[0], x[1])).collect();
    let (range, cells) = ((-REACH, REACH), PIXELS / 2);
    let counts = bin(&samples, range, range, cells, cells);
    let counts: Vec<f64> = counts.chunks(cells).rev().flatten().copied().collect();

    let top = truth.iter().copied().fold(0.0, f64::max);
    let busiest = counts.iter().copied().fold(0.0, f64::max);
    let tiles = [
        tile(&truth, PIXELS, top).caption("the truth"),
        tile(&learnt, PIXELS, top).caption("the flow's density"),
        tile(&counts, cells, busiest).caption("20,000 samples of the flow"),
    ];
    Tiles::new(3)
        .title("A density learnt from points")
        .side(240.0)
        .tiles(tiles)
        .save(run.path("density.png"))?;

    let gaps = run.history("test", "nll_gap")?.into_iter().map(|(step, gap)| (step as f64, gap));
    let panel = Panel::new("Divergence from the truth")
        .x_label("step")
        .y_label("nats a point")
        .log_y()
        .line(Line::new("2,000 unseen points", gaps).mark_lowest());
    Ok(Curves::new().panel(panel).save(run.path("curves.png"))?)
}

/// A square of values from 0 to `top` as colours.
fn tile(values: &[f64], side: usize, top: f64) -> Tile {
    let color = |value: &f64| {
        let color = ColorMap::Viridis.at(value / top);
        [color.0, color.1, color.2]
    };
    Tile::rgb_bytes(&values.iter().flat_map(color).collect::<Vec<u8>>(), [side, side])
}
