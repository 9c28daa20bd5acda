//! Animated GIF: small pictures laid one over another.
//!
//! Each picture covers a part of the canvas, shows what is below through one *transparent* colour, lasts for a number of
//! hundredths of a second, and says what becomes of it when its time is over (its *disposal*): it stays, its place is
//! cleared, or what was there before comes back. A frame of the film is the canvas after a picture was laid down.
//!
//! A delay below 2 counts as 10 hundredths, as browsers and ffmpeg have it: files that say 0 mean "as ever".
//!
//! **Seeking.** A picture that covers the canvas without transparency hides everything before it: a key frame. Composition begins at the
//! last one before the frame asked for. Where every picture lies is found when the file is opened, by walking over its blocks.

use std::io::{Cursor, SeekFrom};
use std::path::{Path, PathBuf};

use gif::{ColorOutput, DecodeOptions, MemoryLimit};

use super::film::{FilmKind, Input, Parts, Reader, check_frame, exactly, image_of};
use super::{Clock, FilmSpec};
use crate::image::{Background, Channels, Image};
use crate::{Error, Limits, Problem};

const FORMAT: &str = "gif";
const IMAGE: u8 = 0x2c;
const EXTENSION: u8 = 0x21;
const TRAILER: u8 = 0x3b;
const GRAPHIC_CONTROL: u8 = 0xf9;

/// What becomes of a picture when its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disposal {
    Keep,
    Clear,
    Previous,
}

/// A picture, where it lies in the file and on the canvas.
#[derive(Debug, Clone, Copy)]
struct Picture {
    /// The file's bytes from the image descriptor to the end of its data.
    offset: u64,
    bytes: u32,
    /// left, top, width, height
    place: [u16; 4],
    transparent: Option<u8>,
    disposal: Disposal,
    is_key: bool,
}

struct Gif {
    path: PathBuf,
    input: Box<dyn Input>,
    /// Header and global colours, the beginning of every picture's own small file.
    prefix: Vec<u8>,
    pictures: Vec<Picture>,
    size: [usize; 2],
    channels: Channels,
    background: Background,
    canvas: Vec<[u8; 4]>,
    /// What was below the last picture, if it is to come back.
    below: Option<Vec<[u8; 4]>>,
    /// The picture laid down last.
    last: Option<usize>,
}

pub(crate) fn open(
    path: &Path,
    mut input: Box<dyn Input>,
    len: u64,
    spec: &FilmSpec,
    limits: &Limits,
) -> Result<Parts, Error> {
    let index = index(&mut *input, len, limits).map_err(|problem| Error::file(path, problem))?;
    let Index { prefix, size, pictures, delays } = index;
    let clock = Clock::lasting(delays.into_iter().map(u64::from), 100);
    let reader = Gif {
        path: path.to_owned(),
        input,
        prefix,
        pictures,
        size,
        channels: spec.channels,
        background: spec.background,
        canvas: Vec::new(),
        below: None,
        last: None,
    };
    Ok(Parts { kind: FilmKind::Gif, clock, size, reader: Box::new(reader) })
}

struct Index {
    prefix: Vec<u8>,
    size: [usize; 2],
    pictures: Vec<Picture>,
    delays: Vec<u16>,
}

/// Reads the file's blocks in order and keeps count.
struct Blocks<'a> {
    input: &'a mut dyn Input,
    at: u64,
}

impl Blocks<'_> {
    fn take<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], Problem> {
        let mut bytes = [0; N];
        exactly(self.input, &mut bytes, part)?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn bytes(&mut self, count: usize, part: &'static str) -> Result<Vec<u8>, Problem> {
        let mut bytes = vec![0; count]; // At most 768: a table of colours, or 255: a block of data.
        exactly(self.input, &mut bytes, part)?;
        self.at += count as u64;
        Ok(bytes)
    }

    /// Passes over blocks of data up to the empty one; whether there were any.
    fn skip_data(&mut self, part: &'static str) -> Result<bool, Problem> {
        let mut any = false;
        loop {
            let [count] = self.take(part)?;
            if count == 0 {
                return Ok(any);
            }
            self.bytes(count.into(), part)?;
            any = true;
        }
    }
}

/// Bytes of the table of colours that these flags announce.
fn table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << (1 + (flags & 7)) }
}

fn index(input: &mut dyn Input, len: u64, limits: &Limits) -> Result<Index, Problem> {
    if len > limits.file_bytes {
        return Err(Problem::over("file_bytes", limits.file_bytes, len));
    }
    let mut blocks = Blocks { input, at: 0 };
    let header: [u8; 13] = blocks.take("the header")?;
    if !matches!(&header[..6], b"GIF87a" | b"GIF89a") {
        return Err(Problem::invalid(FORMAT, "neither version 87a nor 89a"));
    }
    let [width, height] = [[header[6], header[7]], [header[8], header[9]]].map(u16::from_le_bytes);
    let size = check_frame(width.into(), height.into(), limits)?;
    let mut prefix = header.to_vec();
    prefix.extend(blocks.bytes(table(header[10]), "the global colours")?);

    let (mut pictures, mut delays) = (Vec::new(), Vec::new());
    let (mut delay, mut transparent, mut disposal) = (0, None, Disposal::Keep);
    loop {
        if blocks.at == len && !pictures.is_empty() {
            break; // Many writers forget the trailer.
        }
        match blocks.take("a block")? {
            [TRAILER] => break,
            [EXTENSION] => {
                let [label] = blocks.take("an extension")?;
                if label == GRAPHIC_CONTROL {
                    let [size, flags, low, high, color] = blocks.take("a graphic control")?;
                    if size != 4 {
                        let reason = format!("a graphic control of {size} bytes; expected 4");
                        return Err(Problem::invalid(FORMAT, reason));
                    }
                    delay = u16::from_le_bytes([low, high]);
                    transparent = (flags & 1 == 1).then_some(color);
                    disposal = match flags >> 2 & 7 {
                        2 => Disposal::Clear,
                        3 => Disposal::Previous,
                        _ => Disposal::Keep,
                    };
                }
                blocks.skip_data("an extension")?;
            }
            [IMAGE] => {
                if pictures.len() as u64 >= limits.animation_frames.min(limits.frames) {
                    let allowed = limits.animation_frames.min(limits.frames);
                    return Err(Problem::over("animation_frames", allowed, allowed + 1));
                }
                let offset = blocks.at - 1;
                let descriptor: [u8; 9] = blocks.take("an image")?;
                let side = |at: usize| u16::from_le_bytes([descriptor[at], descriptor[at + 1]]);
                let place @ [left, top, w, h] = [side(0), side(2), side(4), side(6)];
                let inside =
                    |from: u16, len: u16, to: u16| len > 0 && u32::from(from) + u32::from(len) <= to.into();
                if !(inside(left, w, width) && inside(top, h, height)) {
                    let reason = format!(
                        "picture {}: {h}×{w} at ({top}, {left}) on a canvas of {height}×{width}",
                        pictures.len()
                    );
                    return Err(Problem::invalid(FORMAT, reason));
                }
                let colors = table(descriptor[8]);
                blocks.bytes(colors, "local colours")?;
                if colors == 0 && prefix.len() == header.len() {
                    return Err(Problem::invalid(
                        FORMAT,
                        format_args!("picture {} has no colours", pictures.len()),
                    ));
                }
                let [code_size] = blocks.take("an image")?;
                if !(1..=11).contains(&code_size) {
                    let reason =
                        format!("picture {}: codes of {code_size} bits; expected 2 to 8", pictures.len());
                    return Err(Problem::invalid(FORMAT, reason));
                }
                if !blocks.skip_data("an image's data")? {
                    return Err(Problem::invalid(
                        FORMAT,
                        format_args!("picture {} has no data", pictures.len()),
                    ));
                }
                let covers = place == [0, 0, width, height];
                let is_key = covers && transparent.is_none() && disposal != Disposal::Previous;
                let bytes = u32::try_from(blocks.at - offset);
                let bytes = bytes.map_err(|_| Problem::invalid(FORMAT, "a picture of over 4 GiB"))?;
                pictures.push(Picture { offset, bytes, place, transparent, disposal, is_key });
                delays.push(if delay < 2 { 10 } else { delay });
                (delay, transparent, disposal) = (0, None, Disposal::Keep);
            }
            [other] => {
                let reason = format!("a block of kind {other:#04x} at byte {}", blocks.at - 1);
                return Err(Problem::invalid(FORMAT, reason));
            }
        }
    }
    if pictures.is_empty() {
        return Err(Problem::unexpected("at least one picture", "none"));
    }
    Ok(Index { prefix, size, pictures, delays })
}

impl Reader for Gif {
    fn frame(&mut self, index: usize) -> Result<Image, Error> {
        if let Err(problem) = self.compose(index) {
            self.last = None; // The canvas is of no frame.
            return Err(Error::file(&self.path, problem));
        }
        let under = match self.background {
            Background::White => 255,
            Background::Black => 0,
        };
        let rgb = self.canvas.iter().flat_map(|&[r, g, b, a]| if a == 0 { [under; 3] } else { [r, g, b] });
        image_of(rgb.collect(), self.size, self.channels)
    }
}

impl Gif {
    fn compose(&mut self, index: usize) -> Result<(), Problem> {
        let key = (0..=index).rev().find(|&picture| self.pictures[picture].is_key).unwrap_or(0);
        let next = match self.last {
            Some(last) if last == index => return Ok(()),
            Some(last) if last < index && last + 1 > key => last + 1,
            _ => {
                let [height, width] = self.size;
                self.canvas.clear();
                self.canvas.resize(height * width, [0; 4]);
                (self.below, self.last) = (None, None);
                key
            }
        };
        for picture in next..=index {
            self.dispose();
            self.lay(picture)?;
            self.last = Some(picture);
        }
        Ok(())
    }

    /// Does with the last picture what it asked for.
    fn dispose(&mut self) {
        let Some(last) = self.last.map(|last| self.pictures[last]) else { return };
        match last.disposal {
            Disposal::Keep => {}
            Disposal::Clear => {
                for row in rows(last.place, self.size) {
                    self.canvas[row].fill([0; 4]);
                }
            }
            Disposal::Previous => {
                if let Some(below) = self.below.take() {
                    self.canvas = below;
                }
            }
        }
    }

    fn lay(&mut self, index: usize) -> Result<(), Problem> {
        let picture = self.pictures[index];
        if picture.disposal == Disposal::Previous {
            self.below = Some(self.canvas.clone());
        }
        // A file of this one picture.
        let mut bytes = self.prefix.clone();
        let start = bytes.len();
        bytes.resize(start + picture.bytes as usize, 0);
        self.input.seek(SeekFrom::Start(picture.offset))?;
        exactly(&mut *self.input, &mut bytes[start..], "an image")?;
        bytes.push(TRAILER);

        let invalid = |reason: String| Problem::invalid(FORMAT, format_args!("picture {index}: {reason}"));
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::Indexed);
        options.set_memory_limit(MemoryLimit::Unlimited); // Of a size that was checked.
        let mut decoder =
            options.read_info(Cursor::new(bytes)).map_err(|error| invalid(error.to_string()))?;
        let colors = decoder.global_palette().map(<[u8]>::to_vec);
        let frame = decoder.read_next_frame().map_err(|error| invalid(error.to_string()))?;
        let frame = frame.ok_or_else(|| invalid("is not there".to_owned()))?;
        let colors = frame.palette.as_deref().or(colors.as_deref()).unwrap_or_default().as_chunks::<3>().0;
        let width = usize::from(picture.place[2]);
        for (row, indices) in rows(picture.place, self.size).zip(frame.buffer.chunks_exact(width)) {
            for (pixel, &color) in self.canvas[row].iter_mut().zip(indices) {
                if picture.transparent != Some(color) {
                    let [r, g, b] = colors.get(usize::from(color)).copied().unwrap_or_default();
                    *pixel = [r, g, b, 255];
                }
            }
        }
        Ok(())
    }
}

/// The stretches of the canvas that a place covers, row after row.
fn rows(
    [left, top, width, height]: [u16; 4],
    [_, canvas]: [usize; 2],
) -> impl Iterator<Item = std::ops::Range<usize>> {
    let (left, width) = (usize::from(left), usize::from(width));
    (usize::from(top)..usize::from(top) + usize::from(height)).map(move |row| {
        let start = row * canvas + left;
        start..start + width
    })
}
