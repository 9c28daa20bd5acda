//! How a density looks.

use fornax_cnn::control::Density;
use fornax_nn_core::plot::{Color, ColorMap, Tile};

/// A density over steering (left on the left) and speed (fast on top) as an image of `side` × `side`.
pub(crate) fn heat_map(density: &Density, side: usize) -> Tile {
    let reach = [3.0, 2.0]; // units to either side
    let at = |i: usize, reach: f64| reach * (2.0 * (i as f64 + 0.5) / side as f64 - 1.0);
    let command = |pixel: usize| [-at(pixel % side, reach[0]), -at(pixel / side, reach[1])];
    let dimensions = density.mean[0].len();
    let values: Vec<f64> =
        (0..side * side).map(|pixel| density.log_density(&command(pixel)[..dimensions])).collect();
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // The square root of the density: the lower mode stays visible.
    let colors = values.iter().map(|value| ColorMap::Viridis.at((0.5 * (value - highest)).exp()));
    let bytes: Vec<u8> = colors.flat_map(|Color(r, g, b)| [r, g, b]).collect();
    Tile::rgb_bytes(&bytes, [side, side])
}
