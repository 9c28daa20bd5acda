//! The film: a user's, or digits that move, with the truth about them.

use std::path::Path;

use fornax_prep::video::{Clip, Film, FilmSpec, Flow};
use fornax_prep::worlds::moving_digits::{MovingDigitsConfig, MovingFilm};
use fornax_prep::{Key, Limits};

use crate::Outcome;

pub(crate) fn open(path: &Path) -> Outcome<Film> {
    Ok(Film::open(path, &FilmSpec::default(), &Limits::default())?)
}

/// Writes a film of moving digits as y4m and opens it, so that what follows reads a file.
pub(crate) fn generate(path: &Path, key: Key, length: usize) -> Outcome<(Film, MovingFilm)> {
    let world = MovingDigitsConfig { count: 3, speed: [1.0, 3.0], ..MovingDigitsConfig::default() }.init()?;
    let truth = world.film(key, 0);
    let [height, width] = truth.frame(0)?.sample.image.size();
    let mut bytes = format!("YUV4MPEG2 W{width} H{height} F25:1 Cmono XCOLORRANGE=FULL\n").into_bytes();
    for time in 0..length.max(1) {
        bytes.extend(b"FRAME\n");
        bytes.extend(truth.frame(time as u64)?.sample.image.pixels());
    }
    std::fs::write(path, bytes)?;
    Ok((open(path)?, truth))
}

/// The mean distance, in pixels, between the flow and the true velocity, over the middle of each digit that overlaps no other and does
/// not bounce, where the flow is sure of itself.
pub(crate) fn flow_error(truth: &MovingFilm, clip: &Clip, flows: &[Flow]) -> Outcome<f64> {
    let (mut sum, mut count) = (0.0, 0usize);
    for (flow, pair) in flows.iter().zip(clip.plan.frames.windows(2)) {
        let [Some(now), Some(next)] = pair else { continue };
        let (before, after) = (truth.frame(*now as u64)?, truth.frame(*next as u64)?);
        for (digit, object) in before.sample.objects.iter().enumerate() {
            let [x_min, y_min, x_max, y_max] = object.bounds.corners();
            let near = |other: &fornax_prep::image::Object| {
                let [a, b, c, d] = other.bounds.corners();
                a < x_max + 8.0 && c > x_min - 8.0 && b < y_max + 8.0 && d > y_min - 8.0
            };
            let alone = before.sample.objects.iter().filter(|other| near(other)).count() == 1;
            if !alone || before.velocities[digit] != after.velocities[digit] {
                continue;
            }
            let [u, v] = before.velocities[digit].map(|speed| speed * (next - now) as f32);
            for row in y_min.ceil() as usize + 2..(y_max as usize).saturating_sub(2) {
                for column in x_min.ceil() as usize + 2..(x_max as usize).saturating_sub(2) {
                    if flow.confidence[row * flow.size[1] + column] > 1e-3 {
                        let [a, b] = flow.at(row, column);
                        sum += f64::from((a - u).hypot(b - v));
                        count += 1;
                    }
                }
            }
        }
    }
    Ok(if count > 0 { sum / count as f64 } else { 0.0 })
}
