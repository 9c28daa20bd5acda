//! The boxes of an MP4 file: where every sample of its film lies, and when it is shown.
//!
//! ```text
//! file ─┬─ ftyp, free, mdat (the samples)
//!       └─ moov ── trak ─┬─ tkhd (the turn of a telephone held upright)
//!                        └─ mdia ─┬─ hdlr: vide
//!                                 ├─ mdhd: ticks a second
//!                                 └─ minf ── stbl ─┬─ stsd: avc1 ── avcC (parameter sets)
//!                                                  ├─ stsz: bytes of each sample
//!                                                  ├─ stco, co64, stsc: where samples begin
//!                                                  ├─ stts, ctts: when they are decoded, when shown
//!                                                  └─ stss: which are key frames
//! ```
//!
//! Each table says how many entries it has; that is compared with the box it stands in, and with
//! [`Limits::frames`], before memory is taken for it.

use std::io::SeekFrom;

use super::film::{Input, exactly};
use crate::{Limits, Problem};

pub(super) const FORMAT: &str = "mp4";
/// Boxes looked at before a file is given up: honest ones have some dozens a track.
const BOXES: u32 = 10_000;

/// An encoded picture: bytes of the file, and the time it is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) offset: u64,
    pub(super) bytes: u32,
    /// In ticks; as stored, from any zero.
    pub(super) shown: i64,
    pub(super) lasts: u32,
    pub(super) is_sync: bool,
}

/// The film of a file.
#[derive(Debug)]
pub(super) struct Track {
    /// Ticks a second.
    pub(super) scale: u32,
    /// In the order of decoding; at least one.
    pub(super) samples: Vec<Sample>,
    /// Content of the box `avcC`.
    pub(super) config: Vec<u8>,
    /// Quarter turns clockwise that players make.
    pub(super) turns: u8,
}

/// A box's name and where its content lies.
#[derive(Clone, Copy)]
struct Found {
    name: [u8; 4],
    start: u64,
    end: u64,
}

impl Found {
    fn len(self) -> u64 {
        self.end - self.start
    }

    fn label(self) -> String {
        self.name.escape_ascii().to_string()
    }
}

struct Walk<'a> {
    input: &'a mut dyn Input,
    limits: &'a Limits,
    left: u32,
}

/// Finds the first film of a file of `len` bytes.
pub(super) fn track(input: &mut dyn Input, len: u64, limits: &Limits) -> Result<Track, Problem> {
    let mut walk = Walk { input, limits, left: BOXES };
    let file = walk.children(0, len)?;
    if file.iter().any(|found| &found.name == b"moof") {
        let found = "a fragmented one (`moof`); ffmpeg -i IN -c copy OUT makes the other kind";
        return Err(Problem::unexpected("an MP4 film with one table of samples", found));
    }
    let moov = file.iter().find(|found| &found.name == b"moov");
    let moov = *moov.ok_or_else(|| Problem::invalid(FORMAT, "there is no box `moov`"))?;
    let mut others = Vec::new();
    for trak in walk.children(moov.start, moov.end)?.into_iter().filter(|found| &found.name == b"trak") {
        let inside = walk.children(trak.start, trak.end)?;
        let mdia = walk.inside(&inside, b"mdia")?;
        let hdlr = one(&mdia, b"hdlr")?;
        // Version and flags, a field of four bytes, then the kind.
        let kind = walk.bytes(hdlr, 12)?;
        if &kind[8..] == b"vide" {
            let turns = walk.turns(&inside)?;
            return walk.film(&mdia, turns, len);
        }
        others.push(kind[8..].escape_ascii().to_string());
    }
    let found =
        if others.is_empty() { "no track".to_owned() } else { format!("tracks of {}", others.join(", ")) };
    Err(Problem::unexpected("a track of pictures", found))
}

fn one(boxes: &[Found], name: &[u8; 4]) -> Result<Found, Problem> {
    let missing = || Problem::invalid(FORMAT, format_args!("there is no box `{}`", name.escape_ascii()));
    boxes.iter().find(|found| &found.name == name).copied().ok_or_else(missing)
}

impl Walk<'_> {
    /// The boxes between two places.
    fn children(&mut self, start: u64, end: u64) -> Result<Vec<Found>, Problem> {
        let (mut at, mut found) = (start, Vec::new());
        while at < end {
            self.left = match self.left.checked_sub(1) {
                Some(left) => left,
                None => return Err(Problem::invalid(FORMAT, format_args!("more than {BOXES} boxes"))),
            };
            let room = end - at;
            if room < 8 {
                return Err(Problem::Truncated { part: "a box's header", expected: 8, found: room });
            }
            self.input.seek(SeekFrom::Start(at))?;
            let mut header = [0; 16];
            exactly(self.input, &mut header[..8], "a box's header")?;
            let (size, name) =
                (u32::from_be_bytes([header[0], header[1], header[2], header[3]]), &header[4..8]);
            let name = [name[0], name[1], name[2], name[3]];
            let (head, size) = match size {
                0 => (8, room),
                1 => {
                    exactly(self.input, &mut header[8..], "a box's header")?;
                    let long = header[8..].first_chunk().copied().unwrap_or_default();
                    (16, u64::from_be_bytes(long))
                }
                size => (8, size.into()),
            };
            if size < head {
                let reason =
                    format!("the box `{}` announces {size} bytes, less than its header", name.escape_ascii());
                return Err(Problem::invalid(FORMAT, reason));
            }
            if size > room {
                return Err(Problem::Truncated { part: "a box", expected: size, found: room });
            }
            found.push(Found { name, start: at + head, end: at + size });
            at += size;
        }
        Ok(found)
    }

    /// The boxes inside one of these.
    fn inside(&mut self, boxes: &[Found], name: &[u8; 4]) -> Result<Vec<Found>, Problem> {
        let found = one(boxes, name)?;
        self.children(found.start, found.end)
    }

    /// The first bytes of a box.
    fn bytes(&mut self, found: Found, count: u64) -> Result<Vec<u8>, Problem> {
        if found.len() < count {
            return Err(Problem::Truncated { part: "a box", expected: count, found: found.len() });
        }
        let count =
            usize::try_from(count).map_err(|_| Problem::Io(std::io::ErrorKind::OutOfMemory.into()))?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(count).map_err(|_| Problem::Io(std::io::ErrorKind::OutOfMemory.into()))?;
        bytes.resize(count, 0);
        self.input.seek(SeekFrom::Start(found.start))?;
        exactly(self.input, &mut bytes, "a box")?;
        Ok(bytes)
    }

    /// The entries of a table: after version and flags and `before` more bytes, their number, then each of `N` bytes.
    fn table<const N: usize>(&mut self, found: Found, before: u64) -> Result<(u8, Vec<[u8; N]>), Problem> {
        let head = self.bytes(found, 8 + before)?;
        let count = u64::from(be32(&head[4 + before as usize..]));
        if count > self.limits.frames {
            return Err(Problem::over("frames", self.limits.frames, count));
        }
        let expected = 8 + before + count * N as u64;
        if expected > found.len() {
            return Err(Problem::Truncated { part: "a table of samples", expected, found: found.len() });
        }
        let entries = Found { start: found.start + 8 + before, ..found };
        let bytes = self.bytes(entries, count * N as u64)?;
        Ok((head[0], bytes.as_chunks::<N>().0.to_vec()))
    }

    /// Quarter turns of the matrix in `tkhd`; other matrices count as none.
    fn turns(&mut self, trak: &[Found]) -> Result<u8, Problem> {
        let tkhd = one(trak, b"tkhd")?;
        let version = self.bytes(tkhd, 1)?[0];
        let matrix = if version == 1 { 52 } else { 40 };
        let head = self.bytes(tkhd, matrix + 20)?;
        let at = |index: usize| be32(&head[matrix as usize + 4 * index..]) as i32;
        const ONE: i32 = 1 << 16;
        Ok(match [at(0), at(1), at(3), at(4)] {
            [0, ONE, m, 0] if m == -ONE => 1,
            [a, 0, 0, d] if a == -ONE && d == -ONE => 2,
            [0, b, ONE, 0] if b == -ONE => 3,
            _ => 0,
        })
    }

    fn film(&mut self, mdia: &[Found], turns: u8, len: u64) -> Result<Track, Problem> {
        let mdhd = one(mdia, b"mdhd")?;
        let version = self.bytes(mdhd, 1)?[0];
        let at = if version == 1 { 20 } else { 12 };
        let scale = be32(&self.bytes(mdhd, at + 4)?[at as usize..]);
        if scale == 0 {
            return Err(Problem::invalid(FORMAT, "`mdhd` announces 0 ticks a second"));
        }
        let minf = one(mdia, b"minf")?;
        let minf = self.children(minf.start, minf.end)?;
        let stbl = one(&minf, b"stbl")?;
        let stbl = self.children(stbl.start, stbl.end)?;
        let config = self.config(&stbl)?;
        let mut samples = self.sizes(&stbl, len)?;
        self.places(&stbl, &mut samples, len)?;
        self.times(&stbl, &mut samples)?;
        if let Ok(stss) = one(&stbl, b"stss") {
            samples.iter_mut().for_each(|sample| sample.is_sync = false);
            for entry in self.table::<4>(stss, 0)?.1 {
                let number = be32(&entry) as usize;
                let sample = number.checked_sub(1).and_then(|index| samples.get_mut(index));
                let sample = sample.ok_or_else(|| {
                    Problem::invalid(FORMAT, format_args!("`stss` names sample {number}, which is none"))
                })?;
                sample.is_sync = true;
            }
        }
        Ok(Track { scale, samples, config, turns })
    }

    /// The content of `avcC`.
    fn config(&mut self, stbl: &[Found]) -> Result<Vec<u8>, Problem> {
        let stsd = one(stbl, b"stsd")?;
        let count = be32(&self.bytes(stsd, 8)?[4..]);
        if count != 1 {
            let found = format!("{count} of them");
            return Err(Problem::unexpected("one description of samples (`stsd`)", found));
        }
        let entries = self.children(stsd.start + 8, stsd.end)?;
        let entry = entries.first().copied();
        let entry = entry.ok_or_else(|| Problem::invalid(FORMAT, "`stsd` is empty"))?;
        if !matches!(&entry.name, b"avc1" | b"avc3") {
            let found = format!("`{}`", entry.label());
            return Err(Problem::unexpected("pictures in H.264 (`avc1`)", found));
        }
        // Fields of a picture's description, then boxes.
        self.bytes(entry, 78)?;
        let avcc = one(&self.children(entry.start + 78, entry.end)?, b"avcC")?;
        // Parameter sets: at most 31 and 255 of at most 64 KiB; honest ones have some dozens of bytes.
        if avcc.len() > 1 << 16 {
            return Err(Problem::invalid(FORMAT, format_args!("`avcC` has {} bytes", avcc.len())));
        }
        self.bytes(avcc, avcc.len())
    }

    /// Samples of the sizes in `stsz`.
    fn sizes(&mut self, stbl: &[Found], len: u64) -> Result<Vec<Sample>, Problem> {
        let stsz = one(stbl, b"stsz")?;
        let head = self.bytes(stsz, 12)?;
        let (same, count) = (be32(&head[4..]), u64::from(be32(&head[8..])));
        if count > self.limits.frames {
            return Err(Problem::over("frames", self.limits.frames, count));
        }
        if count == 0 {
            return Err(Problem::unexpected("at least one sample", "none"));
        }
        let sample = |bytes| Sample { offset: 0, bytes, shown: 0, lasts: 0, is_sync: true };
        if same > 0 {
            let expected = count * u64::from(same);
            if expected > len {
                return Err(Problem::Truncated { part: "all samples", expected, found: len });
            }
            return Ok(vec![sample(same); count as usize]);
        }
        let (_, entries) = self.table::<4>(stsz, 4)?;
        Ok(entries.iter().map(|entry| sample(be32(entry))).collect())
    }

    /// Samples lie in chunks, one after another; `stsc` says how many in each, in runs of chunks.
    fn places(&mut self, stbl: &[Found], samples: &mut [Sample], len: u64) -> Result<(), Problem> {
        let chunks: Vec<u64> = if let Ok(stco) = one(stbl, b"stco") {
            self.table::<4>(stco, 0)?.1.iter().map(|entry| be32(entry).into()).collect()
        } else {
            let co64 =
                one(stbl, b"co64").map_err(|_| Problem::invalid(FORMAT, "there is no `stco` nor `co64`"))?;
            self.table::<8>(co64, 0)?.1.iter().map(|entry| u64::from_be_bytes(*entry)).collect()
        };
        let (_, runs) = self.table::<12>(one(stbl, b"stsc")?, 0)?;
        let mut runs =
            runs.iter().map(|run| (be32(run) as usize, be32(&run[4..]), be32(&run[8..]))).peekable();
        let mut next = 0;
        let mut per_chunk = 0;
        for (chunk, &start) in chunks.iter().enumerate() {
            if let Some((_, count, _)) = runs.next_if(|&(first, ..)| first == chunk + 1) {
                per_chunk = count;
            }
            let mut offset = start;
            for _ in 0..per_chunk {
                let Some(sample) = samples.get_mut(next) else { break };
                sample.offset = offset;
                let end = offset.saturating_add(sample.bytes.into());
                if end > len {
                    let part = "a sample";
                    let found = len.saturating_sub(offset);
                    return Err(Problem::Truncated { part, expected: sample.bytes.into(), found });
                }
                if u64::from(sample.bytes) > self.limits.file_bytes {
                    return Err(Problem::over("file_bytes", self.limits.file_bytes, sample.bytes.into()));
                }
                offset = end;
                next += 1;
            }
        }
        if next < samples.len() {
            let reason = format!("`stsc` and the chunks place {next} of {} samples", samples.len());
            return Err(Problem::invalid(FORMAT, reason));
        }
        Ok(())
    }

    /// Times of decoding are sums of `stts`; those of showing are later by `ctts`.
    fn times(&mut self, stbl: &[Found], samples: &mut [Sample]) -> Result<(), Problem> {
        let few = |table: &str| Problem::invalid(FORMAT, format_args!("`{table}` has too few entries"));
        let (_, runs) = self.table::<8>(one(stbl, b"stts")?, 0)?;
        let mut deltas = runs.iter().flat_map(|run| std::iter::repeat_n(be32(&run[4..]), be32(run) as usize));
        let mut now = 0i64;
        for sample in &mut *samples {
            sample.lasts = deltas.next().ok_or_else(|| few("stts"))?;
            sample.shown = now;
            now += i64::from(sample.lasts);
        }
        if let Ok(ctts) = one(stbl, b"ctts") {
            let (version, runs) = self.table::<8>(ctts, 0)?;
            let offset = |run: &[u8; 8]| match version {
                0 => i64::from(be32(&run[4..])),
                _ => i64::from(be32(&run[4..]) as i32),
            };
            let mut offsets =
                runs.iter().flat_map(|run| std::iter::repeat_n(offset(run), be32(run) as usize));
            for sample in samples {
                sample.shown += offsets.next().ok_or_else(|| few("ctts"))?;
            }
        }
        Ok(())
    }
}

/// A number at the start of bytes that are there.
fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.first_chunk().copied().unwrap_or_default())
}
