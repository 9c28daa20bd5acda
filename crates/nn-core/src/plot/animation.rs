//! Pictures that move.

use std::path::Path;
use std::time::Duration;

use gif::{Encoder, Frame, Repeat};

use super::picture::write_whole;
use super::{Picture, PlotError};

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
        let mut frame = Frame::from_rgb_speed(width, height, half.pixels(), 10);
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
    fn frames_of_another_size_and_no_frames_are_refused() {
        let mut animation = Animation::new(Duration::ZERO);
        let error = animation.save("/nowhere/race.gif").unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/race.gif: "), "{error}");
        animation.push(&Plane::new((0.0, 1.0), (0.0, 1.0)).draw().unwrap()).unwrap();
        let other = Plane::new((0.0, 1.0), (0.0, 1.0)).width(100.0).draw().unwrap();
        assert!(animation.push(&other).unwrap_err().to_string().contains("frame 1"));
    }
}
