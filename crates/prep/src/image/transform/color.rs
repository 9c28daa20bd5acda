//! Arithmetic on colours, pixel by pixel.
//!
//! Images are in sRGB: bytes that are about even in *perceived* lightness, not in light. All of this arithmetic
//! takes the bytes as they are, as Pillow and torchvision do; a mean of two colours is therefore a little
//! darker than the light of both, and networks have never minded. Results are rounded to the nearest byte;
//! torchvision cuts the fraction off, so it may lie one level below.

use crate::image::Image;

/// Luma: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded.
pub(crate) fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) + 500) / 1000) as u8
}

/// Replaces every byte by its entry, the same table in each channel.
fn look_up(image: &mut Image, table: &[u8; 256]) {
    image.pixels_mut().iter_mut().for_each(|value| *value = table[usize::from(*value)]);
}

fn table(value: impl Fn(f32) -> f32) -> [u8; 256] {
    std::array::from_fn(|byte| to_byte(value(byte as f32)))
}

/// Rounded, and kept within a byte by the cast.
fn to_byte(value: f32) -> u8 {
    (value + 0.5) as u8
}

/// Calls `change` on every pixel of a colour image; whether it is one.
fn each_color(image: &mut Image, mut change: impl FnMut(&mut [u8; 3])) {
    if image.channels().count() == 3 {
        image.pixels_mut().as_chunks_mut::<3>().0.iter_mut().for_each(&mut change);
    }
}

/// factor · x: 0 is black.
pub(super) fn brightness(image: &mut Image, factor: f32) {
    look_up(image, &table(|value| factor * value));
}

/// mean + factor · (x − mean): 0 is an even grey of the image's mean luma.
pub(super) fn contrast(image: &mut Image, factor: f32) {
    let sum: u64 = match image.channels().count() {
        1 => image.pixels().iter().map(|&value| u64::from(value)).sum(),
        _ => image.pixels().as_chunks::<3>().0.iter().map(|&pixel| u64::from(luma(pixel))).sum(),
    };
    let [height, width] = image.size();
    let mean = sum as f32 / (height * width) as f32;
    look_up(image, &table(|value| mean + factor * (value - mean)));
}

/// luma + factor · (x − luma): 0 is grey.
pub(super) fn saturation(image: &mut Image, factor: f32) {
    each_color(image, |pixel| {
        let grey = f32::from(luma(*pixel));
        *pixel = pixel.map(|value| to_byte(grey + factor * (f32::from(value) - grey)));
    });
}

/// Turns the hue by a fraction of the circle; lightness and saturation (of HSV) stay.
pub(super) fn hue(image: &mut Image, fraction: f32) {
    each_color(image, |pixel| {
        let [h, s, v] = to_hsv(*pixel);
        *pixel = from_hsv([(h + fraction).rem_euclid(1.0), s, v]);
    });
}

/// Hue, saturation and value, each in [0, 1].
fn to_hsv(pixel: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = pixel.map(|value| f32::from(value) / 255.0);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let span = most - least;
    if span == 0.0 {
        return [0.0, 0.0, most];
    }
    let sixth = if most == r {
        (g - b) / span
    } else if most == g {
        (b - r) / span + 2.0
    } else {
        (r - g) / span + 4.0
    };
    [(sixth / 6.0).rem_euclid(1.0), span / most, most]
}

fn from_hsv([h, s, v]: [f32; 3]) -> [u8; 3] {
    let sector = (h * 6.0).floor();
    let f = h * 6.0 - sector;
    let [p, q, t] = [v * (1.0 - s), v * (1.0 - s * f), v * (1.0 - s * (1.0 - f))];
    let rgb = match sector as i32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    };
    rgb.map(|value| to_byte(255.0 * value))
}

/// The luma in every channel.
pub(super) fn grey(image: &mut Image) {
    each_color(image, |pixel| *pixel = [luma(*pixel); 3]);
}

/// Values of `threshold` and above are inverted.
pub(super) fn solarize(image: &mut Image, threshold: f32) {
    look_up(image, &table(|value| if value >= threshold { 255.0 - value } else { value }));
}

/// Only the highest `bits` of every byte stay.
pub(super) fn posterize(image: &mut Image, bits: u32) {
    let mask = 0xff_u8.checked_shl(8 - bits.min(8)).unwrap_or(0);
    image.pixels_mut().iter_mut().for_each(|value| *value &= mask);
}

/// Each channel stretched until its darkest value is 0 and its brightest 255.
pub(super) fn auto_contrast(image: &mut Image) {
    each_channel(image, |counts| {
        let low = counts.iter().position(|&count| count > 0)?;
        let high = counts.iter().rposition(|&count| count > 0)?;
        let scale = 255.0 / (high - low) as f32;
        (low < high).then(|| table(|value| (value - low as f32) * scale))
    });
}

/// Each channel's values spread until they are about equally frequent, by Pillow's rule: the value above the
/// darkest n pixels becomes ⌊(n + ⌊step/2⌋) / step⌋, a step being 1/255 of the pixels that are not of the
/// brightest value.
pub(super) fn equalize(image: &mut Image) {
    each_channel(image, |counts| {
        let total: usize = counts.iter().sum();
        let brightest = counts.iter().rev().find(|&&count| count > 0)?;
        let step = (total - brightest) / 255;
        let mut below = step / 2;
        (step > 0).then(|| {
            counts.map(|count| {
                let value = (below / step).min(255) as u8;
                below += count;
                value
            })
        })
    });
}

/// Replaces the values of each channel by a table made from their counts, if one is made.
fn each_channel(image: &mut Image, make: impl Fn([usize; 256]) -> Option<[u8; 256]>) {
    let channels = image.channels().count();
    for channel in 0..channels {
        let mut counts = [0; 256];
        let values = image.pixels_mut()[channel..].iter_mut().step_by(channels);
        values.for_each(|value| counts[usize::from(*value)] += 1);
        if let Some(table) = make(counts) {
            let values = image.pixels_mut()[channel..].iter_mut().step_by(channels);
            values.for_each(|value| *value = table[usize::from(*value)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Channels;

    #[test]
    fn luma_is_its_formula_and_grey_is_its_own() {
        for value in 0..=255 {
            assert_eq!(luma([value; 3]), value);
        }
        for pixel in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [12, 200, 77], [90, 3, 250]] {
            let [r, g, b] = pixel.map(f64::from);
            let exact = 0.299 * r + 0.587 * g + 0.114 * b;
            assert!((f64::from(luma(pixel)) - exact).abs() <= 0.501, "{pixel:?}");
        }
    }

    #[test]
    fn every_colour_survives_its_way_through_hue_and_a_third_of_the_circle_exchanges_channels() {
        for index in 0..4096u32 {
            let pixel = [index % 16, index / 16 % 16, index / 256].map(|value| (value * 17) as u8);
            assert_eq!(from_hsv(to_hsv(pixel)), pixel);
            let mut image = Image::new(pixel.to_vec(), [1, 1], Channels::Rgb).unwrap();
            hue(&mut image, 1.0 / 3.0);
            let [r, g, b] = pixel;
            assert!(image.pixels().iter().zip([b, r, g]).all(|(a, b)| a.abs_diff(b) <= 1), "{pixel:?}");
        }
    }

    #[test]
    fn factors_of_one_change_nothing_and_of_zero_leave_what_they_say() {
        let pixels: Vec<u8> = (0..=254).collect();
        let image = Image::new(pixels, [5, 17], Channels::Rgb).unwrap();
        type Change = fn(&mut Image, f32);
        for change in [brightness as Change, contrast, saturation, |image, factor| hue(image, factor - 1.0)] {
            let mut same = image.clone();
            change(&mut same, 1.0);
            assert_eq!(same, image);
        }
        let mut dark = image.clone();
        brightness(&mut dark, 0.0);
        assert!(dark.pixels().iter().all(|&value| value == 0));
        let (mut flat, mut pale, mut expected) = (image.clone(), image.clone(), image.clone());
        contrast(&mut flat, 0.0);
        assert!(flat.pixels().windows(2).all(|two| two[0] == two[1]));
        saturation(&mut pale, 0.0);
        grey(&mut expected);
        assert_eq!(pale, expected);
    }

    #[test]
    fn an_equalised_ramp_of_few_values_uses_the_whole_range() {
        let pixels: Vec<u8> = (0..2550).map(|index| 100 + (index / 255) as u8).collect();
        let mut image = Image::new(pixels, [10, 255], Channels::Grey).unwrap();
        equalize(&mut image);
        let values: Vec<u8> = image.pixels().iter().step_by(255).copied().collect();
        assert_eq!((values[0], values[9]), (0, 255));
        assert!(values.windows(2).all(|two| (27..=30).contains(&(two[1] - two[0]))), "{values:?}");
    }

    #[test]
    fn posterising_keeps_the_top_bits() {
        let mut image = Image::new((0..=255).collect(), [16, 16], Channels::Grey).unwrap();
        posterize(&mut image, 3);
        assert!(image.pixels().iter().enumerate().all(|(value, &byte)| usize::from(byte) == value & 0xe0));
        posterize(&mut image, 0);
        assert!(image.pixels().iter().all(|&byte| byte == 0));
    }
}
