//! Pictures that move.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use gif::{Encoder, Frame, Repeat};

use super::picture::write_whole;
use super::{Color, Picture, PlotError, SERIES};

/// An endless GIF, built frame by frame; frames are stored at half their size, one pixel a point.
///
/// ```
/// use std::time::Duration;
/// use fornax_nn_core::plot::{Animation, Plane};
///
/// let mut animation = Animation::new(Duration::from_millis(80));
/// for step in 0..3 {
///     let here = f64::from(step) / 3.0;
///     animation.push(&Plane::new((0.0, 1.0), (0.0, 1.0)).points("", [(here, here)]).draw()?)?;
/// }
/// assert_eq!(animation.frames(), 3);
/// # Ok::<(), fornax_nn_core::plot::PlotError>(())
/// ```
#[derive(Debug)]
pub struct Animation {
    delay: u16,
    size: Option<(u16, u16)>,
    frames: Vec<Frame<'static>>,
}

impl Animation {
    /// An animation that shows each frame for `delay`, in steps of 10 ms.
    pub fn new(delay: Duration) -> Self {
        let delay = u16::try_from(delay.as_millis() / 10).unwrap_or(u16::MAX);
        Self { delay, size: None, frames: Vec::new() }
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Adds a frame, reduced to the 256 colours a GIF frame may have.
    ///
    /// # Errors
    ///
    /// [`PlotError`] when its size differs from the first frame's.
    pub fn push(&mut self, picture: &Picture) -> Result<(), PlotError> {
        let half = picture.halved();
        let (Ok(width), Ok(height)) = (u16::try_from(half.width()), u16::try_from(half.height())) else {
            return Err(PlotError::data("animation", "a frame is larger than 65,535 on a side"));
        };
        let expected = *self.size.get_or_insert((width, height));
        if expected != (width, height) || width == 0 || height == 0 {
            let reason = format!(
                "frame {} has {width} × {height} pixels, the first has {} × {}",
                self.frames.len(),
                expected.0,
                expected.1
            );
            return Err(PlotError::data("animation", reason));
        }
        let (palette, indices) = reduce(half.pixels());
        let mut frame = Frame::from_palette_pixels(width, height, indices, palette, None);
        frame.delay = self.delay;
        self.frames.push(frame);
        Ok(())
    }

    /// Writes the GIF, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`PlotError`] naming `path` when there are no frames or it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        let path = path.as_ref();
        let Some((width, height)) = self.size else {
            let error = PlotError::data("animation", "no frames: expected one at least");
            return Err(error.for_file(path));
        };
        let mut bytes = Vec::new();
        let mut encode = || -> Result<(), gif::EncodingError> {
            let mut encoder = Encoder::new(&mut bytes, width, height, &[])?;
            encoder.set_repeat(Repeat::Infinite)?;
            self.frames.iter().try_for_each(|frame| encoder.write_frame(frame))
        };
        encode().map_err(|error| PlotError::write(path, &error))?;
        write_whole(path, &bytes)
    }
}

/// A palette of 256 colours at most, and each pixel's place in it.
///
/// Quantisers that follow the mass of pixels give thin lines the colour of something else. So the colours of series and text
/// are in every palette, and what is left goes to the commonest of the others, in cells of 8 × 8 × 8.
fn reduce(pixels: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut cells: HashMap<[u8; 3], [u64; 4]> = HashMap::new();
    for p in pixels.chunks_exact(3) {
        let cell = cells.entry([p[0] / 8, p[1] / 8, p[2] / 8]).or_default();
        for (sum, value) in cell.iter_mut().zip([p[0], p[1], p[2], 1]) {
            *sum += u64::from(value);
        }
    }
    let mut palette: Vec<Color> = vec![Color::WHITE, Color::INK, Color::MUTED, Color::FAINT];
    palette.extend(SERIES);
    let mut common: Vec<[u64; 4]> = cells.into_values().collect();
    // By count, then by colour: the same frame always gives the same file.
    common.sort_unstable_by_key(|&[r, g, b, count]| (std::cmp::Reverse(count), r, g, b));
    let mean = |sum: u64, count: u64| ((sum + count / 2) / count.max(1)) as u8;
    let room = 256 - palette.len();
    palette.extend(common.iter().take(room).map(|&[r, g, b, n]| Color(mean(r, n), mean(g, n), mean(b, n))));

    let distance = |a: Color, p: &[u8]| {
        let channel = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        channel(a.0, p[0]) + channel(a.1, p[1]) + channel(a.2, p[2])
    };
    let mut known: HashMap<[u8; 3], u8> = HashMap::new();
    let indices = pixels.chunks_exact(3).map(|p| {
        *known.entry([p[0], p[1], p[2]]).or_insert_with(|| {
            let nearest = (0..palette.len()).min_by_key(|&i| distance(palette[i], p));
            nearest.unwrap_or(0) as u8
        })
    });
    let indices = indices.collect();
    (palette.iter().flat_map(|color| [color.0, color.1, color.2]).collect(), indices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Plane;

    #[test]
    fn the_file_decodes_to_as_many_frames() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("race.gif");
        let mut animation = Animation::new(Duration::from_millis(50));
        let frame = |x| Plane::new((0.0, 1.0), (0.0, 1.0)).points("", [(x, 0.5)]).width(60.0).draw().unwrap();
        for i in 0..4 {
            animation.push(&frame(f64::from(i) / 4.0)).unwrap();
        }
        animation.save(&path).unwrap();
        let mut decoder = gif::DecodeOptions::new().read_info(std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(u32::from(decoder.width()), frame(0.0).width() / 2);
        let mut frames = 0;
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            assert_eq!(frame.delay, 5);
            frames += 1;
        }
        assert_eq!(frames, 4);
    }

    #[test]
    fn a_thin_line_keeps_its_colour_before_a_field_of_many() {
        // Thousands of colours, and one thin line in each colour of the palette.
        let mut pixels: Vec<u8> =
            (0..120_000u32).flat_map(|i| [(i % 251) as u8, (i / 477) as u8, 90]).collect();
        for (i, color) in SERIES.iter().enumerate() {
            pixels[3_000 * i..3_000 * i + 3].copy_from_slice(&[color.0, color.1, color.2]);
        }
        let (palette, indices) = reduce(&pixels);
        assert_eq!((palette.len(), indices.len()), (3 * 256, 120_000));
        for (i, color) in SERIES.iter().enumerate() {
            let place = 3 * usize::from(indices[1_000 * i]);
            assert_eq!(palette[place..place + 3], [color.0, color.1, color.2], "series {i}");
        }
    }

    #[test]
    fn frames_of_another_size_and_no_frames_are_refused() {
        let mut animation = Animation::new(Duration::ZERO);
        let error = animation.save("/nowhere/race.gif").unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/race.gif: "), "{error}");
        animation.push(&Plane::new((0.0, 1.0), (0.0, 1.0)).draw().unwrap()).unwrap();
        let other = Plane::new((0.0, 1.0), (0.0, 1.0)).width(100.0).draw().unwrap();
        assert!(animation.push(&other).unwrap_err().to_string().contains("frame 1"));
    }
}
