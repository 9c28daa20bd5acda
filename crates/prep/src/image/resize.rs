//! Antialiased bilinear resizing of planes, in parallel over images.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{F32, U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use rayon::prelude::*;

use super::set::images_per_task;
use crate::Error;

/// Sides that can be asked for.
const SIDES: std::ops::RangeInclusive<usize> = 1..=65_535;

/// Refuses sizes that are none.
pub(crate) fn check_size(size: [usize; 2]) -> Result<(), Error> {
    if size.iter().all(|side| SIDES.contains(side)) {
        Ok(())
    } else {
        let [height, width] = size;
        Err(Error::argument("size", "sides from 1 to 65,535", format_args!("{height}×{width}")))
    }
}

/// Resizes plane after plane of bytes from one `[height, width]` to another.
pub(crate) fn planes_u8(planes: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    planes_with(planes, from, to, U8::new, |pixel| pixel.0)
}

/// Resizes plane after plane of f32 from one `[height, width]` to another.
pub(crate) fn planes_f32(planes: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    planes_with(planes, from, to, F32::new, |pixel| pixel.0)
}

fn planes_with<T: Copy + Default + Send + Sync, P: PixelTrait>(
    planes: &[T],
    from: [usize; 2],
    to: [usize; 2],
    wrap: fn(T) -> P,
    unwrap: fn(P) -> T,
) -> Vec<T> {
    let (old_area, new_area) = (from[0] * from[1], to[0] * to[1]);
    let mut resized = vec![T::default(); planes.len() / old_area * new_area];
    resized
        .par_chunks_mut(new_area)
        .zip(planes.par_chunks_exact(old_area))
        .with_min_len(images_per_task(old_area.max(new_area)))
        .for_each_init(Resizer::new, |resizer, (target, source)| {
            let plane = one(resizer, source.iter().map(|&value| wrap(value)), from, to);
            for (value, pixel) in target.iter_mut().zip(plane.pixels()) {
                *value = unwrap(*pixel);
            }
        });
    resized
}

/// Resizes one image, given pixel by pixel, antialiased bilinear; sizes have passed [`check_size`].
pub(crate) fn one<P: PixelTrait>(
    resizer: &mut Resizer,
    source: impl Iterator<Item = P>,
    from: [usize; 2],
    to: [usize; 2],
) -> TypedImage<'static, P> {
    let blank = |[height, width]: [usize; 2]| TypedImage::<P>::new(width as u32, height as u32);
    let (mut old, mut new) = (blank(from), blank(to));
    for (pixel, given) in old.pixels_mut().iter_mut().zip(source) {
        *pixel = given;
    }
    let algorithm = ResizeAlg::Convolution(FilterType::Bilinear);
    let done = TypedImageRef::new(from[1] as u32, from[0] as u32, old.pixels())
        .map_err(|error| error.to_string())
        .and_then(|old| typed(resizer, &old, &mut new, algorithm));
    debug_assert!(done.is_ok());
    new
}

/// Resizes the bytes of an image of 1 or 3 channels; sizes have passed [`check_size`].
pub(crate) fn bytes(
    resizer: &mut Resizer,
    source: &[u8],
    channels: usize,
    from: [usize; 2],
    to: [usize; 2],
    algorithm: ResizeAlg,
) -> Result<Vec<u8>, String> {
    let mut target = vec![0; channels * to[0] * to[1]];
    match channels {
        1 => typed_bytes::<U8>(resizer, source, from, &mut target, to, algorithm)?,
        _ => typed_bytes::<U8x3>(resizer, source, from, &mut target, to, algorithm)?,
    }
    Ok(target)
}

fn typed_bytes<P: PixelTrait>(
    resizer: &mut Resizer,
    source: &[u8],
    from: [usize; 2],
    target: &mut [u8],
    to: [usize; 2],
    algorithm: ResizeAlg,
) -> Result<(), String> {
    let [[height, width], [new_height, new_width]] = [from, to].map(|size| size.map(|side| side as u32));
    let source = TypedImageRef::<P>::from_buffer(width, height, source).map_err(|error| error.to_string())?;
    let mut target =
        TypedImage::<P>::from_buffer(new_width, new_height, target).map_err(|error| error.to_string())?;
    typed(resizer, &source, &mut target, algorithm)
}

/// The one place that calls the resizer: it is compiled anew for every combination of types it is called with.
fn typed<P: PixelTrait>(
    resizer: &mut Resizer,
    source: &TypedImageRef<'_, P>,
    target: &mut TypedImage<'_, P>,
    algorithm: ResizeAlg,
) -> Result<(), String> {
    let options = ResizeOptions::new().resize_alg(algorithm);
    resizer.resize_typed(source, target, &options).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula of [`ImageSet::resized`](crate::image::ImageSet::resized), as it stands there.
    fn by_formula(x: &[f64], new: usize) -> Vec<f64> {
        let s = x.len() as f64 / new as f64;
        let unit = s.max(1.0);
        let weight = |i: usize, j: usize| {
            let distance = ((j as f64 + 0.5) - (i as f64 + 0.5) * s) / unit;
            (1.0 - distance.abs()).max(0.0)
        };
        let value = |i: usize| {
            let total: f64 = (0..x.len()).map(|j| weight(i, j)).sum();
            (0..x.len()).map(|j| weight(i, j) * x[j]).sum::<f64>() / total
        };
        (0..new).map(value).collect()
    }

    #[test]
    fn a_row_follows_the_formula_up_and_down() {
        let x: Vec<f32> = [0.1, 0.9, 0.4, 0.0, 1.0, 0.3, 0.7, 0.2, 0.6].to_vec();
        let exact: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
        for new in [1, 2, 3, 5, 9, 14, 27] {
            let resized = planes_f32(&x, [1, 9], [1, new]);
            for (got, expected) in resized.iter().zip(by_formula(&exact, new)) {
                assert!((f64::from(*got) - expected).abs() < 1e-5, "{new}: {got} for {expected}");
            }
        }
    }

    #[test]
    fn bytes_and_floats_agree_to_half_a_step() {
        let bytes: Vec<u8> = (0..3 * 20 * 15).map(|i| (i * 37 % 256) as u8).collect();
        let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
        let (from, to) = ([20, 15], [7, 24]);
        let (resized, exact) = (planes_u8(&bytes, from, to), planes_f32(&floats, from, to));
        assert_eq!(resized.len(), 3 * 7 * 24);
        for (byte, exact) in resized.iter().zip(exact) {
            // Each of the two passes, across and down, rounds.
            assert!((f32::from(*byte) - exact).abs() <= 1.1, "{byte} for {exact}");
        }
    }

    #[test]
    fn the_same_size_changes_nothing_and_flat_stays_flat() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(planes_u8(&bytes, [16, 16], [16, 16]), bytes);
        assert_eq!(planes_u8(&[77; 100], [10, 10], [3, 33]), [77; 99]);
    }

    #[test]
    fn sizes_that_are_none_are_refused() {
        for size in [[0, 5], [5, 0], [65_536, 1], [1, usize::MAX]] {
            assert!(check_size(size).unwrap_err().to_string().starts_with("size: expected sides from 1"));
        }
    }
}
