//! H.264 in MP4: most pictures are differences from others.
//!
//! Samples lie in the order of decoding; a picture that others on both sides are predicted from is decoded before them and
//! shown after. Decoding begins at a **key frame** (IDR). The samples from one key frame to the next are a group: the
//! pictures a decoder gives, in the order of showing, are the group's frames, and the n-th of them is the film's
//! (first + n)-th. Seeking decodes the group from its key frame, which is what sequential decoding does.
//!
//! Groups, sizes and times come from the tables of the file, read by this crate with every claim checked (`boxes`); pictures come from
//! OpenH264, whose errors are the film's: nothing is painted over. Differs from players: edit lists are not
//! applied, time 0 is the first frame's. Not read: fragmented files, interlaced films, over 8 bits, other than 4:2:0.

use std::collections::VecDeque;
use std::io::SeekFrom;
use std::ops::Range;
use std::path::{Path, PathBuf};

use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;

use super::boxes::{self, Sample, Track};
use super::film::{FilmKind, Input, Parts, Reader, exactly, image_of};
use super::h264::{self, Config, Sequence};
use super::yuv::{Planes, to_rgb};
use super::{Clock, FilmSpec};
use crate::image::{Channels, Image};
use crate::{Error, Limits, Problem};

struct Mp4 {
    path: PathBuf,
    input: Box<dyn Input>,
    samples: Vec<Sample>,
    config: Config,
    sequence: Sequence,
    turns: u8,
    /// First sample of each group, and first frame: the same number.
    groups: Vec<usize>,
    channels: Channels,
    limits: Limits,
    state: Option<State>,
}

/// A decoder within a group.
struct State {
    decoder: Decoder,
    group: Range<usize>,
    /// The sample to be decoded next.
    next: usize,
    /// How many frames of the group have come out.
    out: usize,
    /// The last that came out, and those behind it.
    last: Option<Vec<u8>>,
    waiting: VecDeque<Vec<u8>>,
}

pub(crate) fn open(
    path: &Path,
    mut input: Box<dyn Input>,
    len: u64,
    spec: &FilmSpec,
    limits: &Limits,
) -> Result<Parts, Error> {
    let at = |problem| Error::file(path, problem);
    let track = boxes::track(&mut *input, len, limits).map_err(at)?;
    let Track { scale, mut samples, config, turns } = track;
    let config = Config::parse(&config).map_err(at)?;
    let sets = &config.sets;
    let sequence = sets.iter().find(|set| h264::kind(set) == h264::SEQUENCE);
    let sequence =
        sequence.ok_or_else(|| at(Problem::invalid(h264::FORMAT, "`avcC` has no sequence's parameters")))?;
    let sequence = Sequence::parse(sequence, limits).map_err(at)?;
    for set in sets.iter().filter(|set| h264::kind(set) == h264::SEQUENCE) {
        check_sequence(set, &sequence, limits).map_err(at)?;
    }
    let groups = groups(&mut samples).map_err(at)?;
    let clock = clock(&samples, scale);
    let [height, width] = sequence.size;
    let size = if turns % 2 == 1 { [width, height] } else { [height, width] };
    let (path, channels) = (path.to_owned(), spec.channels);
    let reader =
        Mp4 { path, input, samples, config, sequence, turns, groups, channels, limits: *limits, state: None };
    Ok(Parts { kind: FilmKind::Mp4, clock, size, reader: Box::new(reader) })
}

/// Refuses parameters of another size than the film's.
fn check_sequence(unit: &[u8], expected: &Sequence, limits: &Limits) -> Result<(), Problem> {
    let found = Sequence::parse(unit, limits)?;
    if found.size == expected.size {
        return Ok(());
    }
    let [[h, w], [height, width]] = [expected.size, found.size];
    Err(Problem::unexpected(
        format_args!("pictures of {h}×{w}, as at the beginning"),
        format_args!("{height}×{width}"),
    ))
}

/// Where groups begin: key frames that are shown after all before them and before all after them.
fn groups(samples: &mut [Sample]) -> Result<Vec<usize>, Problem> {
    let mut earliest_after = i64::MAX;
    for sample in samples.iter_mut().rev() {
        earliest_after = earliest_after.min(sample.shown);
        sample.is_sync &= sample.shown == earliest_after;
    }
    let mut latest_before = i64::MIN;
    let mut groups = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        if sample.is_sync && latest_before < sample.shown {
            groups.push(index);
        }
        latest_before = latest_before.max(sample.shown);
    }
    if groups.first() == Some(&0) {
        Ok(groups)
    } else {
        Err(Problem::unexpected("a key frame at the beginning", "another sample, or one shown after it"))
    }
}

fn clock(samples: &[Sample], scale: u32) -> Clock {
    let mut shown: Vec<i64> = samples.iter().map(|sample| sample.shown).collect();
    shown.sort_unstable();
    let zero = shown.first().copied().unwrap_or(0);
    let mut ticks: Vec<u64> = shown.iter().map(|&tick| tick.abs_diff(zero)).collect();
    let end = samples.iter().map(|sample| (sample.shown + i64::from(sample.lasts)).abs_diff(zero)).max();
    ticks.push(end.unwrap_or(0));
    Clock::listed(ticks, scale)
}

impl Reader for Mp4 {
    fn frame(&mut self, index: usize) -> Result<Image, Error> {
        let mut state = match self.state.take() {
            Some(state) if state.group.contains(&index) && state.group.start + state.out <= index + 1 => {
                state
            }
            _ => self.start(index).map_err(|problem| Error::file(&self.path, problem))?,
        };
        let rgb = self.advance(&mut state, index).map_err(|problem| Error::file(&self.path, problem))?;
        self.state = Some(state);
        let [height, width] = self.sequence.size;
        let (rgb, size) = turned(rgb, [height, width], self.turns);
        image_of(rgb, size, self.channels)
    }
}

impl Mp4 {
    /// A decoder that has seen the parameters, before the group of a frame.
    fn start(&mut self, index: usize) -> Result<State, Problem> {
        let mut group = self.groups.partition_point(|&first| first <= index).saturating_sub(1);
        // A sample marked as a key frame may be none; decoding begins at one that is.
        while group > 0 && !self.is_refresh(self.groups[group])? {
            self.groups.remove(group);
            group -= 1;
        }
        while let Some(&next) = self.groups.get(group + 1) {
            if self.is_refresh(next)? {
                break;
            }
            self.groups.remove(group + 1);
        }
        let start = self.groups[group];
        let end = self.groups.get(group + 1).copied().unwrap_or(self.samples.len());
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let decoder = Decoder::with_api_config(OpenH264API::from_source(), config);
        let mut decoder = decoder.map_err(|error| Problem::invalid(h264::FORMAT, error))?;
        let sets: Vec<&[u8]> = self.config.sets.iter().map(Vec::as_slice).collect();
        decoder.decode(&joined(&sets)).map_err(|error| Problem::invalid(h264::FORMAT, error))?;
        Ok(State { decoder, group: start..end, next: start, out: 0, last: None, waiting: VecDeque::new() })
    }

    fn sample(&mut self, index: usize) -> Result<Vec<u8>, Problem> {
        let sample = self.samples[index];
        let mut bytes = vec![0; sample.bytes as usize]; // Within the file and the limit.
        self.input.seek(SeekFrom::Start(sample.offset))?;
        exactly(&mut *self.input, &mut bytes, "a sample")?;
        Ok(bytes)
    }

    fn is_refresh(&mut self, index: usize) -> Result<bool, Problem> {
        let bytes = self.sample(index)?;
        Ok(self.config.units(&bytes)?.iter().any(|unit| h264::kind(unit) == h264::REFRESH))
    }

    /// Decodes until frame `index` has come out.
    fn advance(&mut self, state: &mut State, index: usize) -> Result<Vec<u8>, Problem> {
        let target = index - state.group.start + 1;
        while state.out < target {
            if let Some(picture) = state.waiting.pop_front() {
                state.last = Some(picture);
                state.out += 1;
            } else if state.next < state.group.end {
                let bytes = self.sample(state.next)?;
                let packet = self.packet(&bytes)?;
                let picture = state.decoder.decode(&packet).map_err(|error| {
                    Problem::invalid(h264::FORMAT, format_args!("sample {}: {error}", state.next))
                })?;
                if let Some(picture) = picture {
                    state.waiting.push_back(self.rgb(&picture)?);
                }
                state.next += 1;
            } else {
                // The pictures that wait for others which do not come.
                let rest = state.decoder.flush_remaining();
                let rest = rest.map_err(|error| Problem::invalid(h264::FORMAT, error))?;
                if rest.is_empty() {
                    let (count, frames) = (state.out, state.group.len());
                    let reason = format!("a group of {frames} samples gives {count} pictures");
                    return Err(Problem::invalid(h264::FORMAT, reason));
                }
                for picture in &rest {
                    state.waiting.push_back(self.rgb(picture)?);
                }
            }
        }
        state.last.clone().ok_or_else(|| Problem::invalid(h264::FORMAT, "no picture came out"))
    }

    /// A sample's slices and parameters, as a decoder takes them.
    fn packet(&self, sample: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut units = self.config.units(sample)?;
        units.retain(|unit| {
            matches!(h264::kind(unit), h264::SLICE | h264::REFRESH | h264::SEQUENCE | h264::PICTURE)
        });
        for unit in units.iter().filter(|unit| h264::kind(unit) == h264::SEQUENCE) {
            check_sequence(unit, &self.sequence, &self.limits)?;
        }
        if units.is_empty() {
            return Err(Problem::invalid(h264::FORMAT, "a sample without a picture"));
        }
        Ok(joined(&units))
    }

    fn rgb(&self, picture: &DecodedYUV<'_>) -> Result<Vec<u8>, Problem> {
        let size @ [height, width] = self.sequence.size;
        let (w, h) = picture.dimensions();
        if [h, w] != size {
            return Err(Problem::unexpected(
                format_args!("a picture of {height}×{width}"),
                format_args!("{h}×{w}"),
            ));
        }
        let (y, u, v) = picture.strides();
        let planes = Planes { y: (picture.y(), y), u: (picture.u(), u), v: (picture.v(), v), shift: [1, 1] };
        Ok(to_rgb(&planes, size, self.sequence.colors))
    }
}

/// Units behind start codes.
fn joined(units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat()).collect()
}

/// A picture after quarter turns clockwise, and its `[height, width]`.
fn turned(rgb: Vec<u8>, [height, width]: [usize; 2], turns: u8) -> (Vec<u8>, [usize; 2]) {
    let from = |row: usize, column: usize| match turns {
        1 => (height - 1 - column) * width + row,
        2 => (height - 1 - row) * width + width - 1 - column,
        _ => column * width + width - 1 - row,
    };
    let size = if turns % 2 == 1 { [width, height] } else { [height, width] };
    if turns == 0 {
        return (rgb, size);
    }
    let pixels = rgb.as_chunks::<3>().0;
    let [rows, columns] = size;
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    (places.flat_map(|(row, column)| pixels[from(row, column)]).collect(), size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_turn_brings_the_left_column_to_the_top() {
        // 2 × 3:  a b c   →  d a
        //         d e f      e b
        //                    f c
        let rgb: Vec<u8> = b"abcdef".iter().flat_map(|&letter| [letter; 3]).collect();
        let letters = |turns| {
            let (rgb, size) = turned(rgb.clone(), [2, 3], turns);
            (rgb.iter().step_by(3).map(|&letter| letter as char).collect::<String>(), size)
        };
        assert_eq!(letters(0), ("abcdef".to_owned(), [2, 3]));
        assert_eq!(letters(1), ("daebfc".to_owned(), [3, 2]));
        assert_eq!(letters(2), ("fedcba".to_owned(), [2, 3]));
        assert_eq!(letters(3), ("cfbead".to_owned(), [3, 2]));
    }
}
