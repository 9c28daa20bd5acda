//! What has to be known of an H.264 stream before it is given to a decoder: its sizes.
//!
//! A stream is a sequence of *units*. Two kinds carry parameters: the sequence's (SPS: the size of the pictures) and the
//! picture's (PPS); the others are slices of pictures. An *instantaneous refresh* (IDR) is a picture that needs none
//! before it and lets none after it look behind it: decoding can begin there.

use super::film::check_frame;
use super::yuv::Colors;
use crate::{Limits, Problem};

pub(super) const FORMAT: &str = "H.264";
pub(super) const SLICE: u8 = 1;
pub(super) const REFRESH: u8 = 5;
pub(super) const SEQUENCE: u8 = 7;
pub(super) const PICTURE: u8 = 8;

/// What kind of unit this is.
pub(super) fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |byte| byte & 0x1f)
}

/// The box `avcC`: how long the lengths before units are, and the parameter sets.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) length_bytes: usize,
    pub(super) sets: Vec<Vec<u8>>,
}

impl Config {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let short = || Problem::invalid(FORMAT, "`avcC` ends within its parameter sets");
        let [1, _, _, _, lengths, counts, rest @ ..] = bytes else {
            return Err(Problem::invalid(FORMAT, "`avcC` is not of version 1"));
        };
        let length_bytes = usize::from(lengths & 3) + 1;
        let (mut rest, mut sets) = (rest, Vec::new());
        for round in 0..2 {
            let count = if round == 0 {
                counts & 31
            } else {
                let (&count, after) = rest.split_first().ok_or_else(short)?;
                rest = after;
                count
            };
            for _ in 0..count {
                let (length, after) = rest.split_first_chunk::<2>().ok_or_else(short)?;
                let length = usize::from(u16::from_be_bytes(*length));
                let (set, after) = after.split_at_checked(length).ok_or_else(short)?;
                sets.push(set.to_vec());
                rest = after;
            }
        }
        Ok(Self { length_bytes, sets })
    }

    /// The units of a sample.
    pub(super) fn units<'a>(&self, mut sample: &'a [u8]) -> Result<Vec<&'a [u8]>, Problem> {
        let mut units = Vec::new();
        while !sample.is_empty() {
            let unit = sample.split_at_checked(self.length_bytes).and_then(|(length, rest)| {
                let length = length.iter().fold(0u32, |length, &byte| length << 8 | u32::from(byte));
                rest.split_at_checked(length as usize)
            });
            let (unit, rest) =
                unit.ok_or_else(|| Problem::invalid(FORMAT, "a unit is longer than its sample"))?;
            if !unit.is_empty() {
                units.push(unit);
            }
            sample = rest;
        }
        Ok(units)
    }
}

/// What a sequence's parameters say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    /// `[height, width]` after cropping.
    pub(super) size: [usize; 2],
    pub(super) colors: Colors,
}

impl Sequence {
    /// Reads a sequence's parameters (ITU-T H.264, 7.3.2.1.1) and refuses what cannot be decoded.
    pub(super) fn parse(unit: &[u8], limits: &Limits) -> Result<Self, Problem> {
        let mut bits = Bits::of(unit);
        let profile = bits.take(24)? >> 16;
        bits.golomb()?; // Its number.
        if matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244) {
            let chroma = bits.golomb()?;
            if chroma == 3 {
                bits.take(1)?;
            }
            let depths = [bits.golomb()?, bits.golomb()?];
            if chroma != 1 || depths != [0, 0] {
                let found = format!("chroma format {chroma}, {} bits", 8u64 + u64::from(depths[0]));
                return Err(Problem::unexpected("H.264 of 4:2:0 and 8 bits", found));
            }
            bits.take(1)?;
            if bits.take(1)? == 1 {
                for list in 0..8 {
                    bits.scaling_list(if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        bits.golomb()?;
        match bits.golomb()? {
            0 => {
                bits.golomb()?;
            }
            1 => {
                bits.take(1)?;
                bits.golomb()?;
                bits.golomb()?;
                let count = bits.golomb()?;
                if count > 255 {
                    return Err(Problem::invalid(FORMAT, "over 255 reference frames in a cycle"));
                }
                for _ in 0..count {
                    bits.golomb()?;
                }
            }
            _ => {}
        }
        bits.golomb()?;
        bits.take(1)?;
        let (columns, rows) = (u64::from(bits.golomb()?) + 1, u64::from(bits.golomb()?) + 1);
        if bits.take(1)? == 0 {
            return Err(Problem::unexpected("H.264 in whole frames", "an interlaced film"));
        }
        bits.take(1)?;
        let coded = [16 * rows, 16 * columns];
        check_frame(coded[1], coded[0], limits)?;
        let mut crop = [0; 4];
        if bits.take(1)? == 1 {
            for side in &mut crop {
                *side = 2 * u64::from(bits.golomb()?);
            }
        }
        let [left, right, top, bottom] = crop;
        let (height, width) = (coded[0].saturating_sub(top + bottom), coded[1].saturating_sub(left + right));
        let size = check_frame(width, height, limits)?;
        let colors = if bits.take(1)? == 1 { bits.colors()? } else { Colors::default() };
        Ok(Self { size, colors })
    }
}

/// Bits of a unit, the bytes that keep it free of start codes taken out.
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    fn of(unit: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(unit.len());
        let mut zeros = 0;
        for &byte in unit.iter().skip(1) {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        Self { bytes, at: 0 }
    }

    fn take(&mut self, count: usize) -> Result<u32, Problem> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8);
            let byte =
                byte.ok_or_else(|| Problem::invalid(FORMAT, "a sequence's parameters end too early"))?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(value)
    }

    /// A number in Exp-Golomb code: n zeros, a one, n bits.
    fn golomb(&mut self) -> Result<u32, Problem> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return Err(Problem::invalid(FORMAT, "a number of over 32 bits"));
            }
        }
        let rest = self.take(zeros)?;
        Ok((1u32 << zeros) - 1 + rest)
    }

    fn signed_golomb(&mut self) -> Result<i64, Problem> {
        let value = i64::from(self.golomb()?);
        Ok(if value % 2 == 0 { -value / 2 } else { value / 2 + 1 })
    }

    fn scaling_list(&mut self, len: usize) -> Result<(), Problem> {
        if self.take(1)? == 0 {
            return Ok(());
        }
        let (mut last, mut next) = (8, 8);
        for _ in 0..len {
            if next != 0 {
                next = (last + self.signed_golomb()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
        Ok(())
    }

    /// Range and matrix from the beginning of the usability information (annex E).
    fn colors(&mut self) -> Result<Colors, Problem> {
        if self.take(1)? == 1 && self.take(8)? == 255 {
            self.take(32)?;
        }
        if self.take(1)? == 1 {
            self.take(1)?;
        }
        let mut colors = Colors::default();
        if self.take(1)? == 1 {
            self.take(3)?;
            colors.full_range = self.take(1)? == 1;
            if self.take(1)? == 1 {
                colors.bt709 = self.take(24)? & 0xff == 1;
            }
        }
        Ok(colors)
    }
}
