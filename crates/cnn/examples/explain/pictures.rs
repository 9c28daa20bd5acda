//! What a run leaves for the eye.

use burn::tensor::Tensor;
use fornax_nn_core::plot::{Color, ColorMap, Tile, Tiles};
use fornax_nn_core::train::Run;

use crate::reader::{Outcome, Reader};
use crate::views::{Explained, values};

/// Channels shown of each feature map.
const CHANNELS: usize = 8;

/// Draws `looks_at.png` and `features.png` into the run directory.
pub(crate) fn draw(run: &Run, explained: &Explained, reader: &Reader) -> Outcome<()> {
    let [channels, height, width] = reader.shape;
    let size = [height, width];
    let pixels = channels * height * width;
    let (cams, falls) = (values(&explained.looks.cams), values(&explained.looks.falls));
    let (cam_size, fall_size) = (last_two(&explained.looks.cams), last_two(&explained.looks.falls));
    let mut looks = Tiles::new(6).title(
        "The image, Grad-CAM for the class chosen, and how far the belief falls where a patch is covered",
    );
    for (i, (image, name)) in explained.pixels.chunks(pixels).zip(&explained.names).enumerate() {
        let (class, belief) = explained.looks.chosen[i];
        let caption = format!("{name}\nread as {} ({:.0} %)", reader.class_names[class], 100.0 * belief);
        let cam = part(&cams, i, cam_size);
        let highest = cam.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let heat: Vec<f32> = cam.iter().map(|value| value / highest).collect();
        let side = explained.looks.patches.side;
        looks = looks
            .tile(tile(image, size, channels).caption(caption))
            .tile(
                overlay(image, size, &heat, cam_size)
                    .caption(format!("{} × {} map", cam_size[0], cam_size[1])),
            )
            .tile(
                Tile::signed(part(&falls, i, fall_size), fall_size)
                    .caption(format!("patches of {side} × {side}")),
            );
    }
    looks.side(120.0).save(run.path("looks_at.png"))?;

    let mut features = Tiles::new(CHANNELS).title("What each stage makes of the first image");
    for stage in &explained.maps {
        let size = last_two(&stage.map.clone().flatten::<3>(0, 1));
        let map = values(&stage.map.clone().narrow(0, 0, 1));
        let shown = map.chunks(size[0] * size[1]).take(CHANNELS).enumerate().map(|(k, channel)| {
            let (low, high) = channel
                .iter()
                .fold((0.0_f32, f32::MIN_POSITIVE), |(low, high), &value| (low.min(value), high.max(value)));
            let scaled: Vec<f32> = channel.iter().map(|value| (value - low) / (high - low)).collect();
            let caption = if k == 0 {
                format!("stride {}\nsees {} pixels", stage.info.stride, stage.field.size)
            } else {
                format!("channel {k}")
            };
            Tile::grey(&scaled, size).caption(caption)
        });
        let missing = CHANNELS.saturating_sub(stage.info.channels);
        let blank = (0..missing).map(|_| Tile::grey(&[1.0], [1, 1]));
        features = features.tiles(shown.chain(blank));
    }
    Ok(features.side(80.0).save(run.path("features.png"))?)
}

fn tile(image: &[f32], size: [usize; 2], channels: usize) -> Tile {
    if channels == 1 { Tile::grey(image, size) } else { Tile::rgb_planes(image, size) }
}

/// The image in grey, coloured where the heat, from 0 to 1, is high.
fn overlay(image: &[f32], [height, width]: [usize; 2], heat: &[f32], [rows, columns]: [usize; 2]) -> Tile {
    let plane = height * width;
    let color = |at: usize| {
        let channels = image.iter().skip(at).step_by(plane);
        let grey = f64::from(channels.clone().sum::<f32>()) / channels.count().max(1) as f64;
        let (row, column) = (at / width * rows / height, at % width * columns / width);
        let heat = f64::from(heat[row * columns + column]);
        ColorMap::Grey.at(grey).towards(ColorMap::Viridis.at(heat), 0.6)
    };
    let bytes: Vec<u8> = (0..plane).map(color).flat_map(|Color(r, g, b)| [r, g, b]).collect();
    Tile::rgb_bytes(&bytes, [height, width])
}

fn last_two(tensor: &Tensor<3>) -> [usize; 2] {
    let [_, height, width] = tensor.dims();
    [height, width]
}

fn part(values: &[f32], i: usize, [height, width]: [usize; 2]) -> &[f32] {
    &values[i * height * width..(i + 1) * height * width]
}
