//! Clips, differences and flow on one page, and one clip as it moves.

use std::time::Duration;

use burn::tensor::Tensor;
use fornax_nn_core::plot::{Animation, Picture, Tile, Tiles};
use fornax_prep::image::{Channels, Image};
use fornax_prep::video::{Clip, Film, Flow};

use crate::Outcome;

/// Rows: three clips; the second again under one crop; differences and flow of the first.
pub(crate) fn page(
    film: &Film,
    clips: &[Clip],
    cropped: &Clip,
    changes: Tensor<4>,
    flows: &[Flow],
) -> Outcome<Picture> {
    let columns = cropped.frames.len();
    let title = format!("{columns} frames a clip of a film of {:.1} s", film.clock().duration());
    let mut tiles = Tiles::new(columns).title(title).side(72.0);
    for clip in clips {
        for (k, sample) in clip.frames.iter().enumerate() {
            let caption = match clip.plan.frames[k] {
                Some(frame) => format!("{:.2} s", film.clock().time(frame)),
                None => "padding".to_owned(),
            };
            tiles = tiles.tile(image(&sample.image).caption(caption));
        }
    }
    let name = |k: usize, what: &'static str| if k == 0 { what } else { " " };
    for (k, sample) in cropped.frames.iter().enumerate() {
        tiles = tiles.tile(image(&sample.image).caption(name(k, "one crop a clip")));
    }
    let still = clips[0].frames[0].image.size();
    let whole = changes.clone().sum_dim(0); // [1, C, H, W]
    for (k, change) in differences(changes)?.into_iter().enumerate() {
        tiles = tiles.tile(change.caption(name(k, "difference")));
    }
    tiles = tiles.tiles(differences(whole)?.into_iter().map(|change| change.caption("first to last")));
    for (k, flow) in flows.iter().enumerate() {
        tiles = tiles.tile(motion(flow, reach(flows)).caption(name(k, "optical flow")));
    }
    tiles = tiles.tile(wheel(still).caption("directions"));
    Ok(tiles.draw()?)
}

/// A clip, its differences and its flow side by side.
pub(crate) fn animation(clip: &Clip, changes: Tensor<4>, flows: &[Flow]) -> Outcome<Animation> {
    let mut animation = Animation::new(Duration::from_millis(160));
    for ((sample, change), flow) in clip.frames.iter().zip(differences(changes)?).zip(flows) {
        let frame = image(&sample.image).caption("frame");
        let tiles = [frame, change.caption("difference"), motion(flow, reach(flows)).caption("optical flow")];
        animation.push(&Tiles::new(3).side(128.0).tiles(tiles).draw()?)?;
    }
    Ok(animation)
}

fn image(image: &Image) -> Tile {
    match image.channels() {
        Channels::Grey => Tile::grey_bytes(image.pixels(), image.size()),
        Channels::Rgb => Tile::rgb_bytes(image.pixels(), image.size()),
    }
}

/// What became darker is blue, what became brighter red: `[time, channel, height, width]`, the mean of channels.
fn differences(changes: Tensor<4>) -> Outcome<Vec<Tile>> {
    let [_, _, height, width] = changes.dims();
    let values = changes.mean_dim(1).into_data().try_to_vec::<f32>()?; // [T-1, 1, H, W]
    Ok(values.chunks_exact(height * width).map(|values| Tile::signed(values, [height, width])).collect())
}

/// The largest motion that can be told, at least a pixel.
fn reach(flows: &[Flow]) -> f32 {
    let mut reach = 1.0f32;
    for flow in flows {
        for ((u, v), &confidence) in flow.u.iter().zip(&flow.v).zip(&flow.confidence) {
            if confidence >= 2e-3 {
                reach = reach.max(u.hypot(*v));
            }
        }
    }
    reach
}

/// Direction as hue and length as saturation; white where nothing moves, or nothing can be told.
fn motion(flow: &Flow, reach: f32) -> Tile {
    let vectors = flow.u.iter().zip(&flow.v).zip(&flow.confidence);
    let colors = vectors.flat_map(|((&u, &v), confidence)| {
        let sure = (confidence / 2e-3).clamp(0.0, 1.0) / reach;
        color(u * sure, v * sure)
    });
    Tile::rgb_bytes(&colors.collect::<Vec<u8>>(), flow.size)
}

/// Every direction, in its place.
fn wheel([height, width]: [usize; 2]) -> Tile {
    let half = height.min(width) as f32 / 2.0;
    let at = |row: usize, column: usize| {
        let (x, y) = (column as f32 - width as f32 / 2.0 + 0.5, row as f32 - height as f32 / 2.0 + 0.5);
        let (u, v) = (x / half, y / half);
        if u.hypot(v) <= 1.0 { color(u, v) } else { [255; 3] }
    };
    let colors: Vec<u8> =
        (0..height).flat_map(|row| (0..width).flat_map(move |column| at(row, column))).collect();
    Tile::rgb_bytes(&colors, [height, width])
}

fn color(u: f32, v: f32) -> [u8; 3] {
    let hue = v.atan2(u) / std::f32::consts::TAU;
    let saturation = u.hypot(v).min(1.0);
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|shift: f32| {
        let distance = ((hue + shift).rem_euclid(1.0) - 0.5).abs() * 6.0;
        let value = (distance - 1.0).clamp(0.0, 1.0);
        (255.0 * (1.0 - saturation * (1.0 - value))) as u8
    })
}
