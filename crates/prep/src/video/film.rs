//! A film, whatever file it comes from.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Clock, frames, gif, y4m};
use crate::image::{Background, Channels, Image};
use crate::{Error, Limits, Problem};

/// What is accepted, for errors.
const EXPECTED: &str = "a y4m, GIF or MP4 film, or a folder of frames";

/// How a film's frames are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilmSpec {
    /// Grey or colour. Default: colour.
    pub channels: Channels,
    /// What shows through where a frame is transparent. Default: white.
    pub background: Background,
    /// Frames a second of a folder of frames, as a fraction; films in one file know their own. Default: 25,
    /// European television's, and what ffmpeg takes.
    pub rate: [u32; 2],
}

impl Default for FilmSpec {
    fn default() -> Self {
        Self { channels: Channels::Rgb, background: Background::White, rate: [25, 1] }
    }
}

/// The kinds of films.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FilmKind {
    /// YUV4MPEG2: frames one after another, not compressed.
    Y4m,
    /// An animated GIF.
    Gif,
    /// A folder of images.
    Frames,
    /// H.264 in MP4 (feature `mp4`).
    Mp4,
    /// Frames in memory.
    Memory,
}

/// Where bytes of a film come from.
pub(crate) trait Input: Read + Seek + Send {}
impl<T: Read + Seek + Send> Input for T {}

/// What a reader of one kind of film gives.
pub(crate) struct Parts {
    pub(crate) kind: FilmKind,
    pub(crate) clock: Clock,
    /// `[height, width]`
    pub(crate) size: [usize; 2],
    pub(crate) reader: Box<dyn Reader>,
}

/// Gives any frame; the same frame has the same bytes in whatever order they are asked for.
pub(crate) trait Reader: Send {
    /// The frame in the channels of the spec; `index` is below the clock's length.
    fn frame(&mut self, index: usize) -> Result<Image, Error>;
}

/// A film: frames of one size, each with its time. Frames are decoded when they are asked for, in any order, and none is
/// kept: memory is bounded by what is asked for, not by the film.
///
/// ```
/// use fornax_prep::Limits;
/// use fornax_prep::video::{Film, FilmSpec};
///
/// // Two grey frames of 2 × 2 pixels, the second brighter, at 10 a second.
/// let y4m = b"YUV4MPEG2 W2 H2 F10:1 Cmono XCOLORRANGE=FULL\nFRAME\n\x00\x10\x20\x30FRAME\n\x80\x90\xa0\xb0";
/// let mut film = Film::from_bytes("two.y4m", y4m.to_vec(), &FilmSpec::default(), &Limits::default()).unwrap();
/// assert_eq!((film.len(), film.size(), film.clock().duration()), (2, [2, 2], 0.2));
/// assert_eq!(film.frame(1).unwrap().pixels()[..3], [0x80; 3]);
/// ```
pub struct Film {
    path: PathBuf,
    parts: Parts,
    channels: Channels,
    limits: Limits,
}

impl fmt::Debug for Film {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Film")
            .field("path", &self.path)
            .field("kind", &self.parts.kind)
            .field("frames", &self.len())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

impl Film {
    /// Opens a file, told by its content, or a folder of frames: reads what is needed to find every frame, and no frame.
    ///
    /// # Errors
    ///
    /// [`Error::File`] naming the file, and the field of [`Limits`] when it is over one.
    pub fn open(path: &Path, spec: &FilmSpec, limits: &Limits) -> Result<Self, Error> {
        let at = |error: io::Error| Error::file(path, error);
        let metadata = path.metadata().map_err(at)?;
        if metadata.is_dir() {
            let parts = frames::open(path, spec, limits)?;
            return Ok(Self::of(path, parts, spec, limits));
        }
        if !metadata.is_file() {
            return Err(Error::file(path, Problem::unexpected("a file or folder", "a device or pipe")));
        }
        let file = BufReader::new(File::open(path).map_err(at)?);
        Self::read(path, Box::new(file), metadata.len(), spec, limits)
    }

    /// A film in memory, of a file called `name` in errors; see [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// [`Error::File`] naming `name`.
    pub fn from_bytes(name: &str, bytes: Vec<u8>, spec: &FilmSpec, limits: &Limits) -> Result<Self, Error> {
        let len = bytes.len() as u64;
        Self::read(Path::new(name), Box::new(Cursor::new(bytes)), len, spec, limits)
    }

    /// A film of these frames at `rate` frames a second, as a fraction.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when there are none, or they differ in size or channels.
    pub fn from_images(images: Vec<Image>, rate: [u32; 2], limits: &Limits) -> Result<Self, Error> {
        let Some(first) = images.first() else {
            return Err(Error::argument("images", "at least one frame", "none"));
        };
        let (size, channels) = (first.size(), first.channels());
        if let Some(other) =
            images.iter().position(|image| (image.size(), image.channels()) != (size, channels))
        {
            let [height, width] = size;
            let expected = format!("frames of {height}×{width} and {channels:?}, as the first");
            let [height, width] = images[other].size();
            let found = format!("{height}×{width} and {:?} in frame {other}", images[other].channels());
            return Err(Error::argument("images", expected, found));
        }
        let clock = Clock::constant(images.len(), rate);
        let parts = Parts { kind: FilmKind::Memory, clock, size, reader: Box::new(Memory(images)) };
        Ok(Self { path: PathBuf::from("memory"), parts, channels, limits: *limits })
    }

    fn read(
        path: &Path,
        mut input: Box<dyn Input>,
        len: u64,
        spec: &FilmSpec,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let mut start = [0; 12];
        let known =
            fill(&mut input, &mut start).and_then(|known| input.seek(SeekFrom::Start(0)).map(|_| known));
        let start = &start[..known.map_err(|error| Error::file(path, error))?];
        let parts = if start.starts_with(b"YUV4MPEG2 ") {
            y4m::open(path, input, len, spec, limits)
        } else if start.starts_with(b"GIF8") {
            gif::open(path, input, len, spec, limits)
        } else if matches!(start.get(4..8), Some(b"ftyp" | b"moov" | b"mdat" | b"free" | b"wide" | b"skip")) {
            open_mp4(path, input, len, spec, limits)
        } else if start.is_empty() {
            Err(Error::file(path, Problem::unexpected(EXPECTED, "an empty file")))
        } else {
            let found = format!("a file that begins with {}", beginning(start));
            Err(Error::file(path, Problem::unexpected(EXPECTED, found)))
        }?;
        Ok(Self::of(path, parts, spec, limits))
    }

    fn of(path: &Path, parts: Parts, spec: &FilmSpec, limits: &Limits) -> Self {
        Self { path: path.to_owned(), parts, channels: spec.channels, limits: *limits }
    }

    /// What it is read from.
    pub fn kind(&self) -> FilmKind {
        self.parts.kind
    }

    /// The file or folder; `memory` for frames in memory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many frames it has, at least one.
    pub fn len(&self) -> usize {
        self.parts.clock.len()
    }

    /// Never: a film has a frame.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[height, width]` in pixels, of every frame.
    pub fn size(&self) -> [usize; 2] {
        self.parts.size
    }

    /// Grey or colour, of every frame.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// When each frame is shown.
    pub fn clock(&self) -> &Clock {
        &self.parts.clock
    }

    /// The limits it was opened with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A frame: exactly, bit by bit, the one that decoding from the first would come to.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a frame there is none of, [`Error::File`] for one that cannot be decoded.
    pub fn frame(&mut self, index: usize) -> Result<Image, Error> {
        if index >= self.len() {
            return Err(Error::argument("index", format_args!("a frame below {}", self.len()), index));
        }
        self.parts.reader.frame(index)
    }

    /// The frame shown at a time, in seconds; see [`Clock::frame_at`].
    ///
    /// # Errors
    ///
    /// As [`frame`](Self::frame).
    pub fn frame_at(&mut self, seconds: f64) -> Result<Image, Error> {
        self.frame(self.clock().frame_at(seconds))
    }

    /// All frames from the first, each with its time in seconds.
    pub fn frames(&mut self) -> Frames<'_> {
        Frames { film: self, next: 0 }
    }
}

/// The frames of a film in order; made by [`Film::frames`]. Ends after the first error.
#[derive(Debug)]
pub struct Frames<'a> {
    film: &'a mut Film,
    next: usize,
}

impl Iterator for Frames<'_> {
    type Item = Result<(f64, Image), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.film.len() {
            return None;
        }
        let time = self.film.clock().time(self.next);
        let frame = self.film.frame(self.next);
        self.next = if frame.is_ok() { self.next + 1 } else { usize::MAX };
        Some(frame.map(|frame| (time, frame)))
    }
}

/// Frames in memory.
struct Memory(Vec<Image>);

impl Reader for Memory {
    fn frame(&mut self, index: usize) -> Result<Image, Error> {
        Ok(self.0[index].clone())
    }
}

#[cfg(feature = "mp4")]
use super::mp4::open as open_mp4;

#[cfg(not(feature = "mp4"))]
fn open_mp4(path: &Path, _: Box<dyn Input>, _: u64, _: &FilmSpec, _: &Limits) -> Result<Parts, Error> {
    let found = "an MP4 film, which takes the feature `mp4` of fornax-prep";
    Err(Error::file(path, Problem::unexpected("a y4m or GIF film, or a folder of frames", found)))
}

/// Reads until the buffer is full or the input ends; how much came.
pub(crate) fn fill(input: &mut dyn Input, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Fills the buffer or says how much of `part` was missing.
pub(crate) fn exactly(input: &mut dyn Input, buffer: &mut [u8], part: &'static str) -> Result<(), Problem> {
    let found = fill(input, buffer)?;
    if found == buffer.len() {
        return Ok(());
    }
    Err(Problem::Truncated { part, expected: buffer.len() as u64, found: found as u64 })
}

/// Refuses sizes that are none or over the limit.
pub(crate) fn check_frame(width: u64, height: u64, limits: &Limits) -> Result<[usize; 2], Problem> {
    if width == 0 || height == 0 {
        return Err(Problem::unexpected("frames of at least 1×1 pixel", format_args!("{height}×{width}")));
    }
    let found = width.saturating_mul(height);
    match (usize::try_from(height), usize::try_from(width)) {
        (Ok(height), Ok(width)) if found <= limits.frame_pixels => Ok([height, width]),
        _ => Err(Problem::over("frame_pixels", limits.frame_pixels, found)),
    }
}

/// Red, green, blue as an image of the channels asked for; luma as in [`Channels::Grey`].
pub(crate) fn image_of(rgb: Vec<u8>, size: [usize; 2], channels: Channels) -> Result<Image, Error> {
    let pixels = match channels {
        Channels::Rgb => rgb,
        Channels::Grey => {
            let luma = |p: &[u8; 3]| {
                (299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2]) + 500) / 1000
            };
            rgb.as_chunks::<3>().0.iter().map(|pixel| luma(pixel) as u8).collect()
        }
    };
    Image::new(pixels, size, channels)
}

/// The first bytes of a file, for an error.
fn beginning(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
