//! A load curve as a small town's: hours, weekdays, a drifting level, and noise.

use std::f64::consts::TAU;

use burn::tensor::{Device, Tensor, TensorData};
use fornax_prep::Key;

/// Steps of a day and of a week.
pub(crate) const DAY: usize = 24;
pub(crate) const WEEK: usize = 7 * DAY;
/// Numbers of a step: the value, and where in the day and in the week it is.
pub(crate) const FEATURES: usize = 5;

/// Values `from`, … of a series that is a function of the seed.
///
/// ```text
/// y_t = level_t + day(t) · (1 − 0.5 · weekend) + 0.2 · noise          level_t = 0.99 level_(t−1) + 0.05 · noise'
/// ```
pub(crate) fn series(seed: u64, count: usize) -> Vec<f32> {
    let mut stream = Key::new(seed).fold(7).stream();
    let mut normal = || {
        let (u, v) = (1.0 - f64::from(stream.uniform()), f64::from(stream.uniform()));
        (-2.0 * u.ln()).sqrt() * (TAU * v).cos()
    };
    let mut level = 0.0;
    (0..count)
        .map(|t| {
            level = 0.99 * level + 0.05 * normal();
            let hour = TAU * (t % DAY) as f64 / DAY as f64;
            let day = -1.2 * hour.cos() - 0.6 * (2.0 * hour).cos() + 0.3 * (2.0 * hour).sin();
            let share = if t % WEEK >= 5 * DAY { 0.5 } else { 1.0 };
            (level + share * day + 0.2 * normal()) as f32
        })
        .collect()
}

/// Windows that begin at these steps: inputs `[batch, past, 5]` relative to the last value seen, and the targets
/// `[batch, horizon]`, relative to it too.
pub(crate) fn windows(
    values: &[f32],
    starts: &[usize],
    [past, horizon]: [usize; 2],
    device: &Device,
) -> (Tensor<3>, Tensor<2>) {
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for &start in starts {
        let origin = values[start + past - 1];
        for (t, value) in (start..).zip(&values[start..start + past]) {
            let day = TAU * (t % DAY) as f64 / DAY as f64;
            let week = TAU * (t % WEEK) as f64 / WEEK as f64;
            let clock = [day.sin(), day.cos(), week.sin(), week.cos()].map(|value| value as f32);
            inputs.push(value - origin);
            inputs.extend(clock);
        }
        targets.extend(values[start + past..start + past + horizon].iter().map(|value| value - origin));
    }
    let inputs = Tensor::from_data(TensorData::new(inputs, [starts.len(), past, FEATURES]), device);
    (inputs, Tensor::from_data(TensorData::new(targets, [starts.len(), horizon]), device))
}

/// Mean absolute error of saying what was `period` steps before.
pub(crate) fn seasonal_naive(
    values: &[f32],
    starts: &[usize],
    [past, horizon]: [usize; 2],
    period: usize,
) -> f64 {
    let mut sum = 0.0;
    for &start in starts {
        for t in start + past..start + past + horizon {
            // The newest value of that season that was seen.
            let behind = (t - (start + past)) / period + 1;
            sum += f64::from((values[t] - values[t - behind * period]).abs());
        }
    }
    sum / (starts.len() * horizon) as f64
}
