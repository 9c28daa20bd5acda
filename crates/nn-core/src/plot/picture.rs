//! Pixels, and their way into a file.

use std::path::Path;

use super::{Color, PlotError};

/// A finished picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Picture {
    /// `pixels` must hold `size.0 · size.1` of them.
    pub(crate) fn new(size: (u32, u32), pixels: Vec<u8>) -> Self {
        Self { width: size.0, height: size.1, pixels }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Red, green and blue of every pixel, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixel in column `x` and row `y`, both from the upper left; `None` outside.
    pub fn at(&self, x: u32, y: u32) -> Option<Color> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let start = 3 * (y as usize * self.width as usize + x as usize);
        self.pixels.get(start..start + 3).map(|p| Color(p[0], p[1], p[2]))
    }

    /// Half the size, each pixel the mean of four: for animations, where bytes count.
    #[must_use]
    pub fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let row = 3 * self.width as usize;
        let mut pixels = Vec::with_capacity(3 * width as usize * height as usize);
        for y in 0..height as usize {
            for x in 0..width as usize {
                for channel in 0..3 {
                    let at = 2 * y * row + 6 * x + channel;
                    let sum: u16 =
                        [at, at + 3, at + row, at + row + 3].iter().map(|&i| u16::from(self.pixels[i])).sum();
                    pixels.push(((sum + 2) / 4) as u8);
                }
            }
        }
        Self { width, height, pixels }
    }

    /// Writes the picture as PNG, whole or not at all: a reader never sees half of it.
    ///
    /// # Errors
    ///
    /// [`PlotError`] naming `path` when it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        use image::codecs::png::{CompressionType, FilterType, PngEncoder};
        use image::{ExtendedColorType, ImageEncoder};

        let path = path.as_ref();
        let mut png = Vec::new();
        PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::Adaptive)
            .write_image(&self.pixels, self.width, self.height, ExtendedColorType::Rgb8)
            .map_err(|error| PlotError::write(path, &error))?;
        write_whole(path, &png)
    }
}

/// Writes beside the file first and renames, so that an interrupted run leaves the old file or the new.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PlotError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, path))
        .inspect_err(|_| drop(std::fs::remove_file(&beside)))
        .map_err(|error| PlotError::write(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::canvas::Canvas;

    #[test]
    fn a_picture_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("line.png");
        let mut canvas = Canvas::new(40.0, 20.0).unwrap();
        canvas.rect(0.0, 0.0, 20.0, 20.0, Color(10, 20, 30));
        let picture = canvas.finish();
        picture.save(&path).unwrap();
        let read = image::open(&path).unwrap().to_rgb8();
        assert_eq!(read.dimensions(), (80, 40));
        assert_eq!(read.as_raw().as_slice(), picture.pixels());
        assert_eq!(picture.at(39, 39), Some(Color(10, 20, 30)));
        assert_eq!(picture.at(40, 0), Some(Color::WHITE));
        assert_eq!(picture.at(80, 0), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no file left beside it");
    }

    #[test]
    fn an_unwritable_file_is_named() {
        let picture = Canvas::new(1.0, 1.0).unwrap().finish();
        let error = picture.save("/nowhere/at/all.png").unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/at/all.png: cannot write"), "{error}");
    }
}
