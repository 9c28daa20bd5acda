//! Films in the formats' own bytes.

use fornax_prep::image::{Channels, Image};

/// A y4m file of this header line and these frames' samples.
pub(crate) fn y4m(header: &str, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 {header}\n").into_bytes();
    for frame in frames {
        bytes.extend(b"FRAME\n");
        bytes.extend(frame);
    }
    bytes
}

/// A picture of a GIF, as it is stored.
#[derive(Clone)]
pub(crate) struct Picture {
    /// left, top, width, height
    pub(crate) place: [u16; 4],
    pub(crate) indices: Vec<u8>,
    pub(crate) delay: u16,
    pub(crate) disposal: u8,
    pub(crate) transparent: Option<u8>,
    pub(crate) local_colors: Option<Vec<[u8; 3]>>,
    pub(crate) interlaced: bool,
}

impl Picture {
    pub(crate) fn new(place: [u16; 4], indices: Vec<u8>) -> Self {
        let (disposal, transparent, local_colors) = (1, None, None);
        Self { place, indices, delay: 5, disposal, transparent, local_colors, interlaced: false }
    }

    /// Its blocks: control, descriptor, colours, data. Codes are never longer than nine bits, since the table is cleared in time.
    pub(crate) fn blocks(&self) -> Vec<u8> {
        let mut bytes = vec![0x21, 0xf9, 4, self.disposal << 2 | u8::from(self.transparent.is_some())];
        bytes.extend(self.delay.to_le_bytes());
        bytes.extend([self.transparent.unwrap_or(0), 0, 0x2c]);
        bytes.extend(self.place.iter().flat_map(|side| side.to_le_bytes()));
        let interlaced = u8::from(self.interlaced) << 6;
        match &self.local_colors {
            Some(colors) => {
                bytes.push(0x80 | interlaced | (colors.len().ilog2() as u8 - 1));
                bytes.extend(colors.iter().flatten());
            }
            None => bytes.push(interlaced),
        }
        bytes.push(8);
        bytes.extend(data(&self.indices));
        bytes
    }
}

/// Indices as LZW codes of nine bits each, in blocks.
fn data(indices: &[u8]) -> Vec<u8> {
    let (mut packed, mut waiting, mut count) = (Vec::new(), 0u32, 0);
    let mut put = |code: u32| {
        waiting |= code << count;
        count += 9;
        while count >= 8 {
            packed.push(waiting as u8);
            waiting >>= 8;
            count -= 8;
        }
    };
    for chunk in indices.chunks(200) {
        put(256);
        chunk.iter().for_each(|&index| put(index.into()));
    }
    put(257);
    put(0); // Fills the last byte.
    let mut bytes = Vec::new();
    for block in packed.chunks(255) {
        bytes.push(block.len() as u8);
        bytes.extend(block);
    }
    bytes.push(0);
    bytes
}

/// The header of a GIF with these global colours.
pub(crate) fn gif_header(width: u16, height: u16, colors: &[[u8; 3]]) -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    let flags = if colors.is_empty() { 0 } else { 0x80 | (colors.len().ilog2() as u8 - 1) };
    bytes.extend([flags, 0, 0]);
    bytes.extend(colors.iter().flatten());
    bytes
}

pub(crate) fn gif(width: u16, height: u16, colors: &[[u8; 3]], pictures: &[Picture]) -> Vec<u8> {
    let mut bytes = gif_header(width, height, colors);
    bytes.extend(pictures.iter().flat_map(Picture::blocks));
    bytes.push(0x3b);
    bytes
}

/// A canvas of a pattern that moves, in colour.
pub(crate) fn moving(time: usize, [height, width]: [usize; 2]) -> Image {
    let t = time as f32;
    let mut pixels = Vec::new();
    for row in 0..height {
        for column in 0..width {
            let (x, y) = (column as f32 - 1.5 * t, row as f32 - 0.5 * t);
            let wave = |a: f32, b: f32| (128.0 + 60.0 * (a / 6.0).sin() + 50.0 * (b / 9.0).cos()) as u8;
            pixels.extend([wave(x, y), wave(y, x + y), wave(x - y, x)]);
        }
    }
    Image::new(pixels, [height, width], Channels::Rgb).unwrap()
}

#[cfg(feature = "mp4")]
pub(crate) use mp4::*;

#[cfg(feature = "mp4")]
mod mp4 {
    use fornax_prep::image::Image;
    use openh264::OpenH264API;
    use openh264::encoder::{Encoder, EncoderConfig};
    use openh264::formats::{RgbSliceU8, YUVBuffer};

    /// A sample: its bytes, how long it lasts, how much later than decoded it is shown, whether it is a key frame.
    #[derive(Clone)]
    pub(crate) struct Sample {
        pub(crate) bytes: Vec<u8>,
        pub(crate) lasts: u32,
        pub(crate) later: i32,
        pub(crate) is_key: bool,
    }

    #[derive(Clone)]
    pub(crate) struct Track {
        pub(crate) size: [u16; 2],
        pub(crate) sps: Vec<u8>,
        pub(crate) pps: Vec<u8>,
        pub(crate) samples: Vec<Sample>,
        pub(crate) matrix: [i32; 4],
        pub(crate) per_chunk: u32,
    }

    /// Encodes frames, with a key frame where `is_key` says so, and lasting as `lasts` says.
    pub(crate) fn encode(
        frames: &[Image],
        is_key: impl Fn(usize) -> bool,
        lasts: impl Fn(usize) -> u32,
    ) -> Track {
        let config = EncoderConfig::new().skip_frames(false).scene_change_detect(false);
        let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config).unwrap();
        let [height, width] = frames[0].size();
        let (mut sps, mut pps, mut samples) = (Vec::new(), Vec::new(), Vec::new());
        for (index, frame) in frames.iter().enumerate() {
            if is_key(index) {
                encoder.force_intra_frame();
            }
            let yuv = YUVBuffer::from_rgb8_source(RgbSliceU8::new(frame.pixels(), (width, height)));
            let stream = encoder.encode(&yuv).unwrap().to_vec();
            let (mut bytes, mut refresh) = (Vec::new(), false);
            for unit in openh264::nal_units(&stream) {
                let zeros = unit.iter().take_while(|&&byte| byte == 0).count();
                let unit = &unit[zeros + 1..];
                match unit[0] & 31 {
                    7 => sps = unit.to_vec(),
                    8 => pps = unit.to_vec(),
                    kind => {
                        refresh |= kind == 5;
                        bytes.extend((unit.len() as u32).to_be_bytes());
                        bytes.extend(unit);
                    }
                }
            }
            assert_eq!(refresh, is_key(index), "frame {index}");
            samples.push(Sample { bytes, lasts: lasts(index), later: 0, is_key: refresh });
        }
        let size = [height as u16, width as u16];
        Track { size, sps, pps, samples, matrix: [1 << 16, 0, 0, 1 << 16], per_chunk: 3 }
    }

    pub(crate) fn bx(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], name, content].concat()
    }

    pub(crate) fn be(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    impl Track {
        pub(crate) fn avcc(&self) -> Vec<u8> {
            let mut bytes = vec![1, self.sps[1], self.sps[2], self.sps[3], 0xff, 0xe1];
            bytes.extend((self.sps.len() as u16).to_be_bytes());
            bytes.extend(&self.sps);
            bytes.push(1);
            bytes.extend((self.pps.len() as u16).to_be_bytes());
            bytes.extend(&self.pps);
            bytes
        }

        pub(crate) fn stsd(&self) -> Vec<u8> {
            let [height, width] = self.size;
            let mut entry = vec![0; 6];
            entry.extend([0, 1]);
            entry.extend([0; 16]);
            entry.extend(width.to_be_bytes());
            entry.extend(height.to_be_bytes());
            entry.extend(be(&[0x0048_0000, 0x0048_0000, 0]));
            entry.extend([0, 1]);
            entry.extend([0; 32]);
            entry.extend([0, 24, 0xff, 0xff]);
            entry.extend(bx(b"avcC", &self.avcc()));
            [be(&[0, 1]), bx(b"avc1", &entry)].concat()
        }

        pub(crate) fn stsz(&self) -> Vec<u8> {
            let mut table = be(&[0, 0, self.samples.len() as u32]);
            table.extend(self.samples.iter().flat_map(|sample| (sample.bytes.len() as u32).to_be_bytes()));
            table
        }

        pub(crate) fn stco(&self) -> Vec<u8> {
            // Behind ftyp (16 bytes) and the head of mdat (8).
            let (mut at, mut offsets) = (24, Vec::new());
            for chunk in self.samples.chunks(self.per_chunk as usize) {
                offsets.push(at);
                at += chunk.iter().map(|sample| sample.bytes.len() as u32).sum::<u32>();
            }
            [be(&[0, offsets.len() as u32]), be(&offsets)].concat()
        }

        fn runs(&self, of: impl Fn(&Sample) -> u32) -> Vec<u8> {
            let entries: Vec<u8> = self.samples.iter().flat_map(|sample| be(&[1, of(sample)])).collect();
            [be(&[0, self.samples.len() as u32]), entries].concat()
        }

        pub(crate) fn stss(&self) -> Vec<u8> {
            let keys = (1..).zip(&self.samples).filter(|(_, sample)| sample.is_key).map(|(number, _)| number);
            let keys: Vec<u32> = keys.collect();
            [be(&[0, keys.len() as u32]), be(&keys)].concat()
        }

        /// The boxes inside `stbl`, by name.
        pub(crate) fn tables(&self) -> Vec<(&'static [u8; 4], Vec<u8>)> {
            let mut ctts = self.runs(|sample| sample.later as u32);
            ctts[0] = 1;
            vec![
                (b"stsd", self.stsd()),
                (b"stts", self.runs(|sample| sample.lasts)),
                (b"ctts", ctts),
                (b"stss", self.stss()),
                (b"stsc", be(&[0, 1, 1, self.per_chunk, 1])),
                (b"stsz", self.stsz()),
                (b"stco", self.stco()),
            ]
        }

        /// A file, 1,000 ticks a second, with these boxes inside `stbl`.
        pub(crate) fn file_with(&self, tables: &[(&'static [u8; 4], Vec<u8>)]) -> Vec<u8> {
            let stbl: Vec<u8> = tables.iter().flat_map(|(name, content)| bx(name, content)).collect();
            let data: Vec<u8> = self.samples.iter().flat_map(|sample| sample.bytes.clone()).collect();
            let [a, b, c, d] = self.matrix.map(|number| number as u32);
            let [height, width] = self.size.map(|side| u32::from(side) << 16);
            let last = [a, b, 0, c, d, 0, 0, 0, 1 << 30, width, height];
            let tkhd = be(&[&[3, 0, 0, 1, 0, 1000, 0, 0, 0, 0][..], &last].concat());
            let lasts = self.samples.iter().map(|sample| sample.lasts).sum();
            let mdhd = be(&[0, 0, 0, 1000, lasts, 0]);
            let hdlr = [&be(&[0, 0])[..], b"vide", &[0; 13]].concat();
            let vmhd = bx(b"vmhd", &be(&[1, 0, 0]));
            let dinf = bx(b"dinf", &bx(b"dref", &[be(&[0, 1]), bx(b"url ", &be(&[1]))].concat()));
            let minf = [vmhd, dinf, bx(b"stbl", &stbl)].concat();
            let mdia = [bx(b"mdhd", &mdhd), bx(b"hdlr", &hdlr), bx(b"minf", &minf)].concat();
            let trak = [bx(b"tkhd", &tkhd), bx(b"mdia", &mdia)].concat();
            let mut mvhd = be(&[0, 0, 0, 1000, 1000, 0x0001_0000]);
            mvhd.extend([0; 76]);
            let moov = [bx(b"mvhd", &mvhd), bx(b"trak", &trak)].concat();
            [bx(b"ftyp", b"isom\0\0\0\0"), bx(b"mdat", &data), bx(b"moov", &moov)].concat()
        }

        pub(crate) fn file(&self) -> Vec<u8> {
            self.file_with(&self.tables())
        }
    }
}
