//! A film as a folder of images, in the order of their names: `frame9.png` before `frame10.png`.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::film::{FilmKind, Parts, Reader, check_frame};
use super::{Clock, FilmSpec};
use crate::image::{Image, load_image};
use crate::{Error, Limits, Problem};

struct Folder {
    files: Vec<PathBuf>,
    size: [usize; 2],
    spec: FilmSpec,
    limits: Limits,
}

pub(crate) fn open(path: &Path, spec: &FilmSpec, limits: &Limits) -> Result<Parts, Error> {
    let at = |error| Error::file(path, Problem::Io(error));
    let [numerator, denominator] = spec.rate;
    if numerator == 0 || denominator == 0 {
        let found = format!("{numerator}/{denominator}");
        return Err(Error::argument("rate", "frames a second as a fraction above 0", found));
    }
    let mut files = Vec::new();
    for (count, entry) in fs::read_dir(path).map_err(at)?.enumerate() {
        if count as u64 >= limits.files {
            return Err(Error::file(path, Problem::over("files", limits.files, limits.files + 1)));
        }
        let file = entry.map_err(at)?.path();
        let name = file.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        if !name.starts_with('.') && is_image(&file) && file.is_file() {
            if files.len() as u64 >= limits.frames {
                return Err(Error::file(path, Problem::over("frames", limits.frames, limits.frames + 1)));
            }
            files.push(file);
        }
    }
    files.sort_by(|a, b| {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        natural(&name(a), &name(b)).then_with(|| a.cmp(b))
    });
    let Some(first) = files.first() else {
        let expected = "png, jpeg, webp or bmp images, a frame each";
        return Err(Error::file(path, Problem::unexpected(expected, "none")));
    };
    // A frame is an image, of which the stricter limit holds.
    let limits = Limits { image_pixels: limits.image_pixels.min(limits.frame_pixels), ..*limits };
    let [height, width] = load_image(first, spec.channels, spec.background, &limits)?.size();
    let size = check_frame(width as u64, height as u64, &limits);
    let size = size.map_err(|problem| Error::file(first, problem))?;
    let clock = Clock::constant(files.len(), spec.rate);
    let reader = Box::new(Folder { files, size, spec: *spec, limits });
    Ok(Parts { kind: FilmKind::Frames, clock, size, reader })
}

impl Reader for Folder {
    fn frame(&mut self, index: usize) -> Result<Image, Error> {
        let path = &self.files[index];
        let image = load_image(path, self.spec.channels, self.spec.background, &self.limits)?;
        if image.size() == self.size {
            return Ok(image);
        }
        let ([h, w], [height, width]) = (self.size, image.size());
        let problem = Problem::unexpected(
            format_args!("{h}×{w} pixels, as the first frame"),
            format_args!("{height}×{width}"),
        );
        Err(Error::file(path, problem))
    }
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg" | "webp" | "bmp"))
}

/// Names with their numbers compared as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (Some(&x), Some(&y)) = (a.first(), b.first()) else { return a.len().cmp(&b.len()) };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (digits_a, rest_a) = digits(a);
            let (digits_b, rest_b) = digits(b);
            // Without leading zeros, the longer number is the larger.
            let order = digits_a.len().cmp(&digits_b.len()).then_with(|| digits_a.cmp(digits_b));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (rest_a, rest_b);
        } else if x == y {
            (a, b) = (&a[1..], &b[1..]);
        } else {
            return x.cmp(&y);
        }
    }
}

/// A number without its leading zeros, and what follows.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let zeros = number.iter().take_while(|&&byte| byte == b'0').count();
    (&number[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        let mut names = ["f10", "f9", "f1", "e", "f01b", "f2", "g", "f", "f100", "f99"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["e", "f", "f1", "f01b", "f2", "f9", "f10", "f99", "f100", "g"]);
    }
}
