//! One image file: png, jpeg, webp or bmp, made into what a network expects.

use std::io::Cursor;
use std::path::Path;

use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};
use fast_image_resize::Resizer;
use fast_image_resize::pixels::{U8, U8x3};
use serde::{Deserialize, Serialize};

use super::transform::color::luma;
use super::{Image, ImageBatch, resize};
use crate::source::whole_file;
use crate::{Error, Limits, Problem};

/// Memory a decoder may take beside the image itself: rows, profiles, texts. A profile packed as a bomb
/// stops here.
const SCRATCH: u64 = 8 << 20;

/// What image files of any size and kind are made into. Part of a model, like its normalisation: what it
/// was trained on and what it is shown later must go the same way.
///
/// ```
/// use fornax_prep::image::{Channels, ImageSpec};
///
/// let spec = ImageSpec::new(Channels::Grey).with_size(28, 28);
/// assert_eq!(spec.size, Some([28, 28]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// Grey or colour.
    pub channels: Channels,
    /// `[height, width]` all images are resized to, without regard to their proportions; `None` leaves
    /// them as they are, and then all must be of one size.
    pub size: Option<[usize; 2]>,
    /// What shows through where an image is transparent. Default: white, as on paper.
    #[serde(default)]
    pub background: Background,
}

impl ImageSpec {
    /// Images of the size they have, on white.
    pub fn new(channels: Channels) -> Self {
        Self { channels, size: None, background: Background::White }
    }

    /// Resizes every image, antialiased bilinear as [`ImageSet::resized`](super::ImageSet::resized).
    #[must_use]
    pub fn with_size(self, height: usize, width: usize) -> Self {
        Self { size: Some([height, width]), ..self }
    }

    /// Puts transparent images on this background.
    #[must_use]
    pub fn with_background(self, background: Background) -> Self {
        Self { background, ..self }
    }
}

/// The channels of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// One: luma, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, as Pillow and OpenCV have it).
    Grey,
    /// Three: red, green, blue.
    Rgb,
}

impl Channels {
    /// 1 or 3.
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}

/// What shows through where an image is transparent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    /// Paper.
    #[default]
    White,
    /// Night.
    Black,
}

/// Reads image files for prediction, as [`folder::read`](super::folder::read) reads them for training:
/// a batch in the order of `paths`, without labels.
///
/// Formats are told by content, not by name: png, jpeg, webp (the first frame of an animation), bmp. The
/// orientation that cameras store (EXIF) is applied, 16-bit channels are rounded to 8, transparency is
/// blended over `spec.background`.
///
/// # Errors
///
/// [`Error::File`] naming the first file that cannot be used, [`Error::Argument`] for a size that is none
/// or an empty list.
pub fn load_images<P: AsRef<Path>>(
    paths: &[P],
    spec: &ImageSpec,
    limits: &Limits,
) -> Result<ImageBatch, Error> {
    if paths.is_empty() {
        return Err(Error::argument("paths", "at least one image file", "none"));
    }
    let mut decoder = Decoder::new(*spec, *limits)?;
    let mut pixels = Vec::new();
    let mut size = spec.size;
    for path in paths {
        let path = path.as_ref();
        let image = decoder.read(path)?;
        let expected = *size.get_or_insert(image.size);
        image.check_size(path, expected)?;
        pixels.extend(image.planes.iter().map(|&byte| f32::from(byte) / 255.0));
    }
    let [height, width] = size.unwrap_or_default();
    let shape = [paths.len(), spec.channels.count(), height, width];
    Ok(ImageBatch { pixels, shape, labels: Vec::new(), indices: (0..paths.len()).collect() })
}

/// Reads one image file at its own size, as [`load_images`] reads many: any format, EXIF's orientation applied.
///
/// # Errors
///
/// [`Error::File`] with the reason.
pub fn load_image(
    path: &Path,
    channels: Channels,
    background: Background,
    limits: &Limits,
) -> Result<Image, Error> {
    let bytes = whole_file(path, limits)?;
    let image = decode(&bytes, limits).map_err(|problem| Error::file(path, problem))?;
    let size = [image.height() as usize, image.width() as usize];
    let pixels = if image.color().has_alpha() {
        let pixels = over(background, image);
        match channels {
            Channels::Rgb => pixels.flatten().collect(),
            Channels::Grey => pixels.map(luma).collect(),
        }
    } else {
        match channels {
            // No copy for what jpegs are: eight bits, three channels.
            Channels::Rgb => image.into_rgb8().into_raw(),
            Channels::Grey if image.color().has_color() => {
                image.into_rgb8().as_raw().as_chunks::<3>().0.iter().map(|&pixel| luma(pixel)).collect()
            }
            Channels::Grey => image.into_luma8().into_raw(),
        }
    };
    Image::new(pixels, size, channels)
}

/// A png as it was stored: no orientation applied.
pub(crate) fn decode_png(bytes: &[u8], limits: &Limits) -> Result<DynamicImage, Problem> {
    decode_as_stored(bytes, limits).map(|(image, _)| image)
}

/// Every pixel blended over the background.
fn over(background: Background, image: DynamicImage) -> impl Iterator<Item = [u8; 3]> {
    let under = match background {
        Background::White => 255,
        Background::Black => 0,
    };
    let pixels = image.into_rgba8().into_raw();
    let mut start = 0;
    std::iter::from_fn(move || {
        let pixel = pixels.get(start..start + 4)?;
        start += 4;
        let a = u32::from(pixel[3]);
        Some([0, 1, 2].map(|c| ((u32::from(pixel[c]) * a + under * (255 - a) + 127) / 255) as u8))
    })
}

/// An image ready for a set: channel after channel.
pub(crate) struct Decoded {
    pub(crate) planes: Vec<u8>,
    pub(crate) size: [usize; 2],
}

impl Decoded {
    pub(crate) fn check_size(&self, path: &Path, expected: [usize; 2]) -> Result<(), Error> {
        if self.size == expected {
            return Ok(());
        }
        let [[h, w], [height, width]] = [expected, self.size];
        let expected = format!("{h}×{w} pixels, as the image before, since no size was asked for");
        Err(Error::file(path, Problem::unexpected(expected, format_args!("{height}×{width}"))))
    }
}

/// Reads image files one after another.
pub(crate) struct Decoder {
    spec: ImageSpec,
    limits: Limits,
    resizer: Resizer,
}

impl Decoder {
    pub(crate) fn new(spec: ImageSpec, limits: Limits) -> Result<Self, Error> {
        if let Some(size) = spec.size {
            resize::check_size(size)?;
        }
        Ok(Self { spec, limits, resizer: Resizer::new() })
    }

    pub(crate) fn read(&mut self, path: &Path) -> Result<Decoded, Error> {
        let bytes = whole_file(path, &self.limits)?;
        let image = decode(&bytes, &self.limits).map_err(|problem| Error::file(path, problem))?;
        drop(bytes);
        let from = [image.height() as usize, image.width() as usize];
        // An image as it is may have any side; the resizer is only asked when it has work.
        let to = self.spec.size.unwrap_or(from);
        let planes = self.planes(image, from, to);
        Ok(Decoded { planes, size: to })
    }

    /// Background, channels, size, in this order, without ever holding two whole copies.
    fn planes(&mut self, image: DynamicImage, from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
        if image.color().has_alpha() {
            self.resize(over(self.spec.background, image), from, to)
        } else if image.color().has_color() {
            self.resize(image.into_rgb8().pixels().map(|pixel| pixel.0), from, to)
        } else {
            self.resize(image.into_luma8().pixels().map(|pixel| [pixel.0[0]; 3]), from, to)
        }
    }

    fn resize(&mut self, pixels: impl Iterator<Item = [u8; 3]>, from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
        match self.spec.channels {
            Channels::Grey => {
                let luma = pixels.map(|pixel| U8::new(luma(pixel)));
                let resized = resize::one(&mut self.resizer, luma, from, to);
                resized.pixels().iter().map(|pixel| pixel.0).collect()
            }
            Channels::Rgb => {
                let resized = resize::one(&mut self.resizer, pixels.map(U8x3::new), from, to);
                (0..3).flat_map(|c| resized.pixels().iter().map(move |pixel| pixel.0[c])).collect()
            }
        }
    }
}

fn decode(bytes: &[u8], limits: &Limits) -> Result<DynamicImage, Problem> {
    let (mut image, orientation) = decode_as_stored(bytes, limits)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn decode_as_stored(bytes: &[u8], limits: &Limits) -> Result<(DynamicImage, Orientation), Problem> {
    let (format, name) = format_of(bytes)?;
    let invalid = |error: ImageError| {
        let reason = match error {
            ImageError::Limits(_) => format!("needs more than {} MiB of working memory", SCRATCH >> 20),
            ImageError::IoError(error) => error.to_string(),
            ImageError::Decoding(error) => error.to_string(),
            other => other.to_string(),
        };
        Problem::Invalid { format: name, reason }
    };
    match format {
        ImageFormat::Png => check_png(bytes)?,
        ImageFormat::WebP => check_webp(bytes, limits)?,
        ImageFormat::Jpeg => check_jpeg_end(bytes)?,
        _ => {}
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut allowance = ::image::Limits::no_limits();
    allowance.max_alloc = Some(SCRATCH);
    reader.limits(allowance);
    let mut decoder = reader.into_decoder().map_err(invalid)?;

    let (width, height) = decoder.dimensions();
    check_pixels(width, height, limits)?;
    // Broken metadata is no reason to refuse an image.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((DynamicImage::from_decoder(decoder).map_err(invalid)?, orientation))
}

fn check_pixels(width: u32, height: u32, limits: &Limits) -> Result<(), Problem> {
    if width == 0 || height == 0 {
        return Err(Problem::unexpected("an image of at least 1×1 pixel", format_args!("{width}×{height}")));
    }
    let found = u64::from(width) * u64::from(height);
    if found > limits.image_pixels {
        return Err(Problem::OverLimit { limit: "image_pixels", allowed: limits.image_pixels, found });
    }
    Ok(())
}

fn format_of(bytes: &[u8]) -> Result<(ImageFormat, &'static str), Problem> {
    let format = ::image::guess_format(bytes).ok();
    let name = match format {
        Some(ImageFormat::Png) => "png",
        Some(ImageFormat::Jpeg) => "jpeg",
        Some(ImageFormat::WebP) => "webp",
        Some(ImageFormat::Bmp) => "bmp",
        _ => {
            let found = match format {
                Some(other) => format!("{other:?}").to_lowercase(),
                None => format!("something that begins with {}", beginning(bytes)),
            };
            return Err(Problem::unexpected("a png, jpeg, webp or bmp image", found));
        }
    };
    Ok((format.unwrap_or(ImageFormat::Png), name))
}

/// The first bytes of a file, for an error: as text if they are.
pub(crate) fn beginning(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(8)];
    match std::str::from_utf8(start) {
        Ok(text) if text.chars().all(|c| !c.is_control()) => format!("{text:?}"),
        _ => start.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
    }
}

/// Checks what the png decoder takes on trust: that a palette is of whole colours, at most 256, and that no more
/// transparencies follow than it has colours. It panics otherwise.
fn check_png(bytes: &[u8]) -> Result<(), Problem> {
    let invalid = |reason: String| Problem::Invalid { format: "png", reason };
    // Signature, then chunks of (size, name, content, checksum). Byte 25 is the kind of colour, 3 with a palette.
    let indexed = bytes.get(25) == Some(&3);
    let mut rest = bytes.get(8..).unwrap_or_default();
    let mut colors = None;
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = u32::from_be_bytes(*size) as usize;
        match after.get(..4) {
            Some(b"PLTE") if !size.is_multiple_of(3) || size == 0 || size > 3 * 256 => {
                return Err(invalid(format!("a palette of {size} bytes")));
            }
            Some(b"PLTE") => colors = Some(size / 3),
            Some(b"tRNS") if indexed && colors.is_none_or(|colors| size > colors) => {
                let colors = colors.unwrap_or(0);
                return Err(invalid(format!("{size} transparencies of {colors} colours")));
            }
            Some(_) => {}
            None => break,
        }
        rest = after.get(size.saturating_add(8)..).unwrap_or_default();
    }
    Ok(())
}

/// Makes sure a jpeg file reaches its end marker: the decoder paints what is missing grey and says nothing.
fn check_jpeg_end(bytes: &[u8]) -> Result<(), Problem> {
    const END: u8 = 0xd9;
    const STUFFING: u8 = 0x00;
    // Markers are 0xff and a code; but for a few, a big-endian length (itself included) and content follow.
    let mut at = 2;
    while let Some(&[mark, code]) = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>) {
        match (mark, code) {
            (0xff, END) => return Ok(()),
            // Fill bytes, and compressed data: where 0xff is data a zero follows; restarts have no length.
            (0xff, 0xff) => at += 1,
            (0xff, STUFFING | 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, _) => {
                let Some(length) = bytes.get(at + 2..).and_then(<[u8]>::first_chunk::<2>) else { break };
                at += 2 + usize::from(u16::from_be_bytes(*length));
            }
            _ => at += 1,
        }
    }
    Err(Problem::Invalid { format: "jpeg", reason: "ends without an end marker".to_owned() })
}

/// Checks what the webp decoder takes on trust: that chunks lie inside the file (it reserves memory for
/// metadata as large as announced) and that no frame is larger than allowed (it decodes a frame before it
/// compares it with the canvas).
fn check_webp(bytes: &[u8], limits: &Limits) -> Result<(), Problem> {
    let invalid = |reason: &str| Problem::Invalid { format: "webp", reason: reason.to_owned() };
    // "RIFF", size, "WEBP", then chunks of (name, size, content), padded to even sizes.
    let mut rest = bytes.get(12..).ok_or_else(|| invalid("ends within its header"))?;
    while let Some((name, size, after)) = webp_chunk(rest) {
        let Some(content) = after.get(..size) else {
            let (part, found) = ("a webp chunk", after.len() as u64);
            return Err(Problem::Truncated { part, expected: size as u64, found });
        };
        let mut frames = vec![(name, content)];
        if name == b"ANMF" {
            let mut inside = content.get(16..).ok_or_else(|| invalid("an animation frame without header"))?;
            while let Some((name, size, after)) = webp_chunk(inside) {
                let size = size.min(after.len());
                frames.push((name, &after[..size]));
                inside = after.get(size + size % 2..).unwrap_or_default();
            }
        }
        for (name, frame) in frames {
            if let (b"VP8 ", Some(&[w0, w1, h0, h1])) = (name, frame.get(6..10).and_then(<[u8]>::as_array)) {
                let [width, height] = [[w0, w1], [h0, h1]].map(|side| u16::from_le_bytes(side) & 0x3fff);
                check_pixels(width.into(), height.into(), limits)?;
            }
        }
        rest = after.get(size.saturating_add(size % 2)..).unwrap_or_default();
    }
    Ok(())
}

/// Name and announced size of the chunk at the start of `bytes`, and all that follows its header.
fn webp_chunk(bytes: &[u8]) -> Option<(&[u8; 4], usize, &[u8])> {
    let (name, rest) = bytes.split_first_chunk::<4>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    Some((name, u32::from_le_bytes(*size) as usize, rest))
}
