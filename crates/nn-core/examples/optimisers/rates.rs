//! The ten, and the learning rate of each on each landscape.

use fornax_nn_core::landscape::Landscape;
use fornax_nn_core::optim::OptimizerKind;

/// In the order of the columns below.
pub(crate) const RACERS: [OptimizerKind; 10] = [
    OptimizerKind::GradientDescent,
    OptimizerKind::Sgd,
    OptimizerKind::MiniBatchSgd,
    OptimizerKind::Momentum,
    OptimizerKind::Nesterov,
    OptimizerKind::AdaGrad,
    OptimizerKind::AdaDelta,
    OptimizerKind::RmsProp,
    OptimizerKind::Adam,
    OptimizerKind::Nadam,
];

/// What `--tune` tries: four rates a decade, to two digits.
pub(crate) const GRID: [f64; 25] = [
    1e-4, 1.8e-4, 3.2e-4, 5.6e-4, 1e-3, 1.8e-3, 3.2e-3, 5.6e-3, 0.01, 0.018, 0.032, 0.056, 0.1, 0.18, 0.32,
    0.56, 1.0, 1.8, 3.2, 5.6, 10.0, 18.0, 32.0, 56.0, 100.0,
];

/// Sets the tilts that rates are chosen on apart from those they race on.
pub(crate) const TUNING: u64 = 1 << 32;

/// The rates that `--tune` finds with the default settings (all but Rosenbrock's and Beale's were looked for in double
/// precision, and may be off by a step of the grid); at an end of the grid, further out may be better still.
/// On the plateau the tilts are steeper than the slope at the start, and SGD is best off hardly moving.
#[rustfmt::skip]
pub(crate) fn of(landscape: Landscape) -> Option<[f64; 10]> {
    Some(match landscape {
        // descent, SGD, mini-batch, momentum, Nesterov, AdaGrad, AdaDelta, RMSProp, Adam, Nadam
        Landscape::Bowl => [1.0, 0.01, 0.018, 0.018, 1.0, 100.0, 5.6, 0.1, 0.56, 0.56],
        Landscape::Ravine => [0.018, 0.01, 0.01, 5.6e-3, 0.01, 100.0, 5.6, 0.056, 0.32, 0.18],
        Landscape::Rosenbrock => [1.8e-3, 1.8e-3, 1.8e-3, 1.8e-3, 1e-3, 1.8, 18.0, 0.01, 1.0, 3.2],
        Landscape::Beale => [0.032, 5.6e-3, 0.01, 3.2e-3, 3.2e-3, 1.8, 10.0, 0.032, 0.56, 0.32],
        Landscape::Himmelblau => [0.018, 1.8e-3, 3.2e-3, 0.01, 0.01, 1.0, 3.2, 0.032, 1.0, 0.18],
        Landscape::Rastrigin => [3.2e-3, 1e-3, 3.2e-3, 1e-4, 1.8e-3, 3.2, 1.8, 0.01, 0.056, 0.056],
        Landscape::Saddle => [0.56, 0.01, 0.018, 0.56, 0.56, 1.0, 1.8, 0.1, 0.32, 0.1],
        Landscape::Plateau => [1.0, 1e-4, 0.056, 1.0, 1.0, 0.56, 1.8, 0.032, 0.56, 0.18],
        _ => return None,
    })
}
