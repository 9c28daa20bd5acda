//! YUV4MPEG2, the plainest of films: a line of text, then frames that are not compressed.
//!
//! ```text
//! YUV4MPEG2 W64 H48 F30000:1001 Ip A1:1 C420jpeg⏎
//! FRAME⏎ Y…  U…  V…  FRAME⏎ Y…  U…  V…  …
//! ```
//!
//! | `C` | colour samples | bytes of a frame of w × h |
//! |---|---|---|
//! | `420`, `420jpeg`, `420mpeg2`, `420paldv`, or no `C` | one for 2 × 2 pixels | w h + 2 ⌈w/2⌉ ⌈h/2⌉ |
//! | `422` | one for 2 pixels of a row | w h + 2 ⌈w/2⌉ h |
//! | `444` | one for each pixel | 3 w h |
//! | `mono` | none | w h |
//!
//! Numbers are of the limited range and BT.601 unless `XCOLORRANGE=FULL` says otherwise; `mono` is of the full range unless
//! `XCOLORRANGE=LIMITED` does, as ffmpeg writes it. Interlaced frames are given as they are stored.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use super::film::{FilmKind, Input, Parts, Reader, check_frame, exactly, fill, image_of};
use super::yuv::{Colors, Planes, to_grey, to_rgb};
use super::{Clock, FilmSpec};
use crate::image::{Channels, Image};
use crate::{Error, Limits, Problem};

/// Bytes a header's line may have.
const LINE: usize = 1024;
const FORMAT: &str = "y4m";

/// Samples of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Mono,
    /// Shifts of the colour planes to the right and down.
    Color([u32; 2]),
}

#[derive(Debug)]
struct Header {
    size: [usize; 2],
    rate: [u32; 2],
    layout: Layout,
    colors: Colors,
}

struct Y4m {
    path: PathBuf,
    input: Box<dyn Input>,
    header: Header,
    /// Where each frame's samples begin.
    offsets: Vec<u64>,
    channels: Channels,
    buffer: Vec<u8>,
}

pub(crate) fn open(
    path: &Path,
    mut input: Box<dyn Input>,
    len: u64,
    spec: &FilmSpec,
    limits: &Limits,
) -> Result<Parts, Error> {
    let index = index(&mut *input, len, limits).map_err(|problem| Error::file(path, problem))?;
    let (header, offsets) = index;
    let (clock, size) = (Clock::constant(offsets.len(), header.rate), header.size);
    let reader =
        Y4m { path: path.to_owned(), input, header, offsets, channels: spec.channels, buffer: Vec::new() };
    Ok(Parts { kind: FilmKind::Y4m, clock, size, reader: Box::new(reader) })
}

/// The header and where every frame's samples begin; all of them are there.
fn index(input: &mut dyn Input, len: u64, limits: &Limits) -> Result<(Header, Vec<u64>), Problem> {
    let mut lines = LineReader { input, start: 0, window: Vec::new() };
    let (line, mut at) = lines.at(0, "the header")?;
    let header = Header::parse(&line, limits)?;
    let bytes = header.frame_bytes();
    let mut offsets = Vec::new();
    while at < len {
        let (line, start) = lines.at(at, "a frame's header")?;
        if !(line == b"FRAME" || line.starts_with(b"FRAME ")) {
            let reason = format!("frame {} does not begin with FRAME", offsets.len());
            return Err(Problem::invalid(FORMAT, reason));
        }
        let found = len.saturating_sub(start);
        if found < bytes {
            return Err(Problem::Truncated { part: "a frame", expected: bytes, found });
        }
        if offsets.len() as u64 >= limits.frames {
            return Err(Problem::over("frames", limits.frames, limits.frames + 1));
        }
        offsets.push(start);
        at = start + bytes;
    }
    if offsets.is_empty() {
        return Err(Problem::unexpected("at least one frame", "a header alone"));
    }
    Ok((header, offsets))
}

/// Reads lines here and there; small frames share a reading.
struct LineReader<'a> {
    input: &'a mut dyn Input,
    /// Where the window lies in the file.
    start: u64,
    window: Vec<u8>,
}

impl LineReader<'_> {
    /// The line at a place, without its end, and where the next begins.
    fn at(&mut self, at: u64, part: &'static str) -> Result<(Vec<u8>, u64), Problem> {
        let line = |window: &[u8]| window.iter().take(LINE).position(|&byte| byte == b'\n');
        let inside =
            at.checked_sub(self.start).and_then(|skip| self.window.get(usize::try_from(skip).ok()?..));
        if let Some(window) = inside
            && let Some(end) = line(window)
        {
            return Ok((window[..end].to_vec(), at + end as u64 + 1));
        }
        self.window.resize(2 * LINE, 0);
        self.input.seek(SeekFrom::Start(at))?;
        let read = fill(self.input, &mut self.window)?;
        self.window.truncate(read);
        self.start = at;
        match line(&self.window) {
            Some(end) => Ok((self.window[..end].to_vec(), at + end as u64 + 1)),
            None if read < LINE => Err(Problem::invalid(FORMAT, format_args!("ends within {part}"))),
            None => {
                Err(Problem::invalid(FORMAT, format_args!("no end of line within {LINE} bytes of {part}")))
            }
        }
    }
}

impl Header {
    fn parse(line: &[u8], limits: &Limits) -> Result<Self, Problem> {
        let bad = |field: &str, value: &str, expected: &str| {
            Problem::invalid(FORMAT, format_args!("{field}{value}: expected {expected}"))
        };
        let line =
            std::str::from_utf8(line).map_err(|_| Problem::invalid(FORMAT, "a header that is no text"))?;
        let (mut width, mut height, mut rate) = (None, None, [25, 1]);
        let (mut layout, mut range) = (Layout::Color([1, 1]), None);
        for field in line.split(' ').skip(1).filter(|field| !field.is_empty()) {
            let mut letters = field.chars();
            let name = letters.next().unwrap_or_default();
            let value = letters.as_str();
            let number = || value.parse::<u64>().map_err(|_| bad(&name.to_string(), value, "a whole number"));
            match name {
                'W' => width = Some(number()?),
                'H' => height = Some(number()?),
                'F' => {
                    let parts = value.split_once(':');
                    let parts = parts.and_then(|(a, b)| Some([a.parse().ok()?, b.parse().ok()?]));
                    rate = match parts {
                        Some([0, _] | [_, 0]) | None => {
                            return Err(bad("F", value, "frames a second as a fraction"));
                        }
                        Some(rate) => rate,
                    };
                }
                'C' => {
                    layout = match value {
                        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Layout::Color([1, 1]),
                        "422" => Layout::Color([1, 0]),
                        "444" => Layout::Color([0, 0]),
                        "mono" => Layout::Mono,
                        _ => return Err(bad("C", value, "420, 422, 444 or mono, of 8 bits")),
                    };
                }
                'X' if value.eq_ignore_ascii_case("COLORRANGE=FULL") => range = Some(true),
                'X' if value.eq_ignore_ascii_case("COLORRANGE=LIMITED") => range = Some(false),
                _ => {} // Aspect, interlacing, comments.
            }
        }
        let (Some(width), Some(height)) = (width, height) else {
            return Err(Problem::invalid(FORMAT, "a header without W or H"));
        };
        let size = check_frame(width, height, limits)?;
        let full_range = range.unwrap_or(layout == Layout::Mono);
        Ok(Self { size, rate, layout, colors: Colors { bt709: false, full_range } })
    }

    /// `[height, width]` of a colour plane.
    fn chroma(&self) -> [usize; 2] {
        let [height, width] = self.size;
        match self.layout {
            Layout::Mono => [0, 0],
            Layout::Color([right, down]) => [height.div_ceil(1 << down), width.div_ceil(1 << right)],
        }
    }

    fn frame_bytes(&self) -> u64 {
        let ([height, width], [rows, columns]) = (self.size, self.chroma());
        (height * width + 2 * rows * columns) as u64
    }
}

impl Reader for Y4m {
    fn frame(&mut self, index: usize) -> Result<Image, Error> {
        let size @ [height, width] = self.header.size;
        self.buffer.resize(self.header.frame_bytes() as usize, 0);
        let read = self.input.seek(SeekFrom::Start(self.offsets[index])).map_err(Problem::from);
        let read = read.and_then(|_| exactly(&mut *self.input, &mut self.buffer, "a frame"));
        read.map_err(|problem| Error::file(&self.path, problem))?;
        let (luma, chroma) = self.buffer.split_at_mut(height * width);
        match self.header.layout {
            Layout::Mono => {
                to_grey(luma, self.header.colors);
                match self.channels {
                    Channels::Grey => Image::new(luma.to_vec(), size, Channels::Grey),
                    Channels::Rgb => {
                        Image::new(luma.iter().flat_map(|&y| [y; 3]).collect(), size, Channels::Rgb)
                    }
                }
            }
            Layout::Color(shift) => {
                let [_, step] = self.header.chroma();
                let (u, v) = chroma.split_at(chroma.len() / 2);
                let planes = Planes { y: (luma, width), u: (u, step), v: (v, step), shift };
                image_of(to_rgb(&planes, size, self.header.colors), size, self.channels)
            }
        }
    }
}
