//! A scene with ground truth: real digits on a coloured ground.

use fornax_prep::image::transform::{Filter, Resize};
use fornax_prep::image::{BoundingBox, Channels, Image, Keypoint, Mask, Object, Sample, Transform};
use fornax_prep::{Digits, Error, Key};

/// `[height, width]` of a scene.
pub(crate) const SIZE: [usize; 2] = [88, 112];
/// Ink above this belongs to the digit.
const INK: u8 = 110;
const COLORS: [[u8; 3]; 4] = [[240, 190, 60], [235, 95, 75], [90, 200, 160], [225, 225, 235]];

/// Four digits, one in each quarter: boxes and mask of their ink, keypoints at its highest and lowest point.
pub(crate) fn scene(key: Key) -> Result<Sample, Error> {
    let [height, width] = SIZE;
    let mut stream = key.stream();
    let mut pixels: Vec<u8> = (0..height * width)
        .flat_map(|place| {
            let is_dark = (place / width / 11 + place % width / 14) % 2 == 0;
            if is_dark { [38, 52, 86] } else { [52, 68, 104] }
        })
        .collect();
    let mut classes = vec![0; height * width];
    let mut objects = Vec::new();
    for (quarter, color) in COLORS.iter().enumerate() {
        let digit = stream.below(1797) as usize;
        let side = 32 + stream.below(9) as usize;
        let left = quarter % 2 * width / 2 + stream.below((width / 2 - side) as u64) as usize;
        let top = quarter / 2 * height / 2 + stream.below((height / 2 - side) as u64 + 1) as usize;
        let ink: Vec<u8> = Digits::load().image(digit).iter().map(|&value| (value * 15).min(240)).collect();
        let ink = Sample::new(Image::new(ink, [8, 8], Channels::Grey)?);
        let ink = Resize::to(side, side).with_filter(Filter::Bicubic).apply(ink, key)?.image;
        let label = Digits::load().labels()[digit];
        let mut inside = Vec::new();
        for (place, &value) in ink.pixels().iter().enumerate() {
            let (row, column) = (top + place / side, left + place % side);
            let at = row * width + column;
            let share = (u32::from(value) * 3 / 2).min(255);
            for channel in 0..3 {
                let under = u32::from(pixels[3 * at + channel]);
                pixels[3 * at + channel] =
                    ((under * (255 - share) + u32::from(color[channel]) * share) / 255) as u8;
            }
            if value > INK {
                classes[at] = label as u8 + 1;
                inside.push([column as f32 + 0.5, row as f32 + 0.5]);
            }
        }
        objects.extend(object(&inside, label));
    }
    let image = Image::new(pixels, SIZE, Channels::Rgb)?;
    Sample::new(image).with_objects(objects).with_mask(Mask::new(classes, SIZE)?)
}

/// The object of these pixels, given by their centres row after row.
fn object(inside: &[[f32; 2]], class: usize) -> Option<Object> {
    let point = |[x, y]: [f32; 2]| Keypoint { x, y, visible: true };
    let keypoints = vec![point(*inside.first()?), point(*inside.last()?)];
    let edge = |axis: usize, pick: fn(f32, f32) -> f32| {
        inside.iter().map(|centre| centre[axis]).reduce(pick).unwrap_or_default()
    };
    let [low, high] = [[edge(0, f32::min), edge(1, f32::min)], [edge(0, f32::max), edge(1, f32::max)]];
    let bounds = BoundingBox::from_corners([low[0] - 0.5, low[1] - 0.5, high[0] + 0.5, high[1] + 0.5]);
    Some(Object { keypoints, ..Object::new(bounds, class) })
}
