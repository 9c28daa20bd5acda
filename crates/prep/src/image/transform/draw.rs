//! Checks of settings, and draws from them.

use std::ops::RangeInclusive;

use crate::Error;
use crate::random::Stream;

/// Refuses a number that is none, or outside `allowed`.
pub(super) fn number(field: &'static str, value: f32, allowed: RangeInclusive<f32>) -> Result<f32, Error> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    let expected = format!("a number from {} to {}", allowed.start(), allowed.end());
    Err(Error::argument(field, expected, value))
}

/// Refuses a range that descends or leaves `allowed`.
pub(super) fn range(
    field: &'static str,
    [low, high]: [f32; 2],
    allowed: RangeInclusive<f32>,
) -> Result<[f32; 2], Error> {
    if low <= high && allowed.contains(&low) && allowed.contains(&high) {
        return Ok([low, high]);
    }
    let expected = format!("an ascending range within {} to {}", allowed.start(), allowed.end());
    Err(Error::argument(field, expected, format_args!("{low} to {high}")))
}

/// Whether something of probability `p` happens.
pub(super) fn happens(p: f32, stream: &mut Stream) -> Result<bool, Error> {
    Ok(stream.uniform() < number("p", p, 0.0..=1.0)?)
}

/// Uniform on a checked range; the value itself where both ends are the same.
pub(super) fn within([low, high]: [f32; 2], stream: &mut Stream) -> f32 {
    stream.between(low, high)
}

/// Uniform on the whole numbers 0 to `last`.
pub(super) fn up_to(last: usize, stream: &mut Stream) -> usize {
    stream.below(last as u64 + 1) as usize
}

/// A rectangle of a share `scale` of the image's area and a ratio (log-uniform on `ratio`) of its sides,
/// `[rounded long, rounded short]` meaning √(area · ratio) and √(area / ratio).
pub(super) fn rectangle(area: f32, scale: [f32; 2], ratio: [f32; 2], stream: &mut Stream) -> [usize; 2] {
    let area = area * within(scale, stream);
    let ratio = within(ratio.map(f32::ln), stream).exp();
    [(area * ratio).sqrt(), (area / ratio).sqrt()].map(|side| side.round_ties_even() as usize)
}
