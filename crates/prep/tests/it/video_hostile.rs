//! Films made to break their readers: refused soon, without memory, by a name.

use std::path::Path;

use fornax_prep::video::{Film, FilmSpec};
use fornax_prep::{Error, Limits};

use crate::films::{Picture, gif, gif_header, y4m};
use crate::support::{Folder, assert_refused, bmp, noise};

fn open(path: &Path) -> Result<Film, Error> {
    Film::open(path, &FilmSpec::default(), &Limits::default())
}

/// Opens and decodes everything.
fn drain(path: &Path) -> Result<(), Error> {
    open(path)?.frames().try_for_each(|frame| frame.map(|_| ()))
}

fn refuse(cases: Vec<(Vec<u8>, &str)>) {
    let folder = Folder::new();
    assert!(cases.len() >= 15, "{} cases", cases.len());
    for (index, (bytes, reason)) in cases.into_iter().enumerate() {
        let path = folder.write(&format!("case {index}"), &bytes);
        assert_refused(&path, reason, || drain(&path));
    }
}

#[test]
fn broken_y4m_is_refused() {
    let header = |line: &str| y4m(line, &[vec![0; 6]]);
    let good = y4m("W2 H2 C420", &[vec![7; 6], vec![8; 6]]);
    let many: Vec<u8> = [&b"YUV4MPEG2 W1 H1 Cmono\n"[..], &b"FRAME\n0".repeat(1_000_001)].concat();
    refuse(vec![
        (header("W65535 H65535"), "over the limit `frame_pixels`: allowed 36000000; found 4294836225"),
        (header("W18446744073709551615 H18446744073709551615"), "over the limit `frame_pixels`"),
        (header("W99999999999999999999 H2"), "W99999999999999999999: expected a whole number"),
        (header("W-2 H2"), "W-2: expected a whole number"),
        (header("W0 H2"), "expected frames of at least 1×1 pixel; found 2×0"),
        (header("H2"), "a header without W or H"),
        (header("W2 H2 F0:1"), "F0:1: expected frames a second as a fraction"),
        (header("W2 H2 F25"), "F25: expected frames a second"),
        (header("W2 H2 C420p10"), "C420p10: expected 420, 422, 444 or mono"),
        (header("W2 H2 C411"), "C411: expected"),
        (header(&"W2 H2 X".repeat(300)), "no end of line within 1024 bytes of the header"),
        (b"YUV4MPEG2 W2 H2".to_vec(), "ends within the header"),
        (b"YUV4MPEG2 W2 H2\n".to_vec(), "expected at least one frame; found a header alone"),
        (b"YUV4MPEG2 W2 H2 X\xff\n".to_vec(), "a header that is no text"),
        (good[..good.len() - 1].to_vec(), "ends too early: expected 6 bytes of a frame; found 5"),
        ([&good[..], b"FRAME"].concat(), "ends within a frame's header"),
        ([&good[..], b"FRAMES\n123456"].concat(), "frame 2 does not begin with FRAME"),
        ([&good[..], &[b'x'; 2000]].concat(), "no end of line within 1024 bytes of a frame's header"),
        (many, "over the limit `frames`: allowed 1000000; found 1000001"),
        (b"YUV4MPEG3 W2 H2\n".to_vec(), "expected a y4m, GIF or MP4 film"),
    ]);
}

#[test]
fn broken_gif_is_refused() {
    let colors = [[0; 3], [255; 3]];
    let picture = Picture::new([0, 0, 4, 3], vec![1; 12]);
    let good = gif(4, 3, &colors, std::slice::from_ref(&picture));
    let with = |picture: Picture| gif(4, 3, &colors, &[picture]);
    let placed = |place: [u16; 4], pixels: usize| with(Picture::new(place, vec![1; pixels]));
    let start = gif_header(4, 3, &colors);
    let after = |bytes: &[u8]| [&start[..], bytes].concat();
    let many = [&start[..], &picture.blocks().repeat(100_000)].concat();
    // Behind header, colours, control (8) and descriptor (10).
    let code_size = start.len() + 18;
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    refuse(vec![
        (
            gif_header(65_535, 65_535, &colors),
            "over the limit `frame_pixels`: allowed 36000000; found 4294836225",
        ),
        (
            gif(0, 3, &colors, std::slice::from_ref(&picture)),
            "expected frames of at least 1×1 pixel; found 3×0",
        ),
        (many, "over the limit `animation_frames`: allowed 20000; found 20001"),
        (b"GIF88a\x04\0\x03\0\x80\0\0".to_vec(), "neither version 87a nor 89a"),
        (good[..9].to_vec(), "bytes of the header; found 9"),
        (start[..15].to_vec(), "bytes of the global colours; found 2"),
        (after(&[0x3b]), "expected at least one picture; found none"),
        (after(b""), "expected 1 bytes of a block; found 0"),
        (after(&[0x2c, 0, 0]), "bytes of an image; found 2"),
        (after(&[0x21, 0xfe, 200, 1, 2]), "expected 200 bytes of an extension; found 2"),
        (after(&[0x21, 0xf9, 3, 0, 0, 0, 0]), "a graphic control of 3 bytes; expected 4"),
        (after(&[0x99]), "a block of kind 0x99 at byte 19"),
        (good[..good.len() - 4].to_vec(), "bytes of an image's data"),
        (placed([3, 0, 2, 3], 6), "picture 0: 3×2 at (0, 3) on a canvas of 3×4"),
        (placed([0, 65_535, 4, 65_535], 12), "on a canvas of 3×4"),
        (placed([0, 0, 0, 3], 0), "picture 0: 3×0"),
        (gif(4, 3, &[], std::slice::from_ref(&picture)), "picture 0 has no colours"),
        (changed(code_size, 0), "picture 0: codes of 0 bits"),
        (changed(code_size, 200), "picture 0: codes of 200 bits"),
        (after(&[0x2c, 0, 0, 0, 0, 4, 0, 3, 0, 0, 8, 0, 0x3b]), "picture 0 has no data"),
        (with(Picture { indices: vec![1; 5], ..picture.clone() }), "is not valid gif: picture 0"),
        (
            [&good[..code_size + 3], &[0xff; 2], &good[code_size + 5..]].concat(), // The code 511 after the first.
            "is not valid gif: picture 0",
        ),
    ]);
    let folder = Folder::new();
    let path = folder.write("large", &good);
    let limits = Limits { file_bytes: 20, ..Limits::default() };
    assert_refused(&path, "over the limit `file_bytes`: allowed 20", || {
        Film::open(&path, &FilmSpec::default(), &limits)
    });
}

#[test]
fn a_folder_that_is_no_film_is_refused() {
    let folder = Folder::new();
    let frame = |width: i32, height: i32| {
        bmp(width, height, &noise(1, (width * 3 + 3) as usize / 4 * 4 * height as usize))
    };
    let mut cases = 0;
    let mut case = |files: &[(&str, Vec<u8>)], at_fault: &str, reason: &str| {
        let root = folder.make(&format!("case {cases}"));
        for (name, bytes) in files {
            folder.write(&format!("case {cases}/{name}"), bytes);
        }
        let path = if at_fault.is_empty() { root.clone() } else { root.join(at_fault) };
        assert_refused(&path, reason, || drain(&root));
        cases += 1;
    };
    let one = ("1.bmp", frame(4, 4));
    case(&[], "", "expected png, jpeg, webp or bmp images, a frame each; found none");
    case(&[("notes.txt", b"x".to_vec())], "", "found none");
    case(&[(".1.bmp", frame(4, 4))], "", "found none");
    case(&[("1.bmp", Vec::new())], "1.bmp", "found an empty file");
    case(&[("1.bmp", b"text".to_vec())], "1.bmp", "expected a png, jpeg, webp or bmp image");
    case(
        &[("1.bmp", bmp(65_535, 65_535, &[0; 99]))],
        "1.bmp",
        "over the limit `image_pixels`: allowed 36000000",
    );
    case(&[("1.bmp", bmp(0, 4, &[]))], "1.bmp", "");
    case(&[("1.bmp", frame(4, 4)[..70].to_vec())], "1.bmp", "is not valid bmp");
    case(
        &[one.clone(), ("2.bmp", frame(4, 5))],
        "2.bmp",
        "expected 4×4 pixels, as the first frame; found 5×4",
    );
    case(&[one.clone(), ("2.bmp", frame(5, 4))], "2.bmp", "found 4×5");
    case(&[one.clone(), ("2.bmp", b"BM".to_vec())], "2.bmp", "is not valid bmp");
    case(&[one.clone(), ("2.png", b"\x89PNG\r\n\x1a\n".to_vec())], "2.png", "is not valid png");
    case(&[one.clone(), ("2.jpg", b"\xff\xd8\xff\xe0".to_vec())], "2.jpg", "is not valid jpeg");
    case(&[one.clone(), ("2.webp", b"RIFF\x04\0\0\0WEBP".to_vec())], "2.webp", "is not valid webp");
    case(&[one.clone(), ("2.bmp", bmp(30_000, 30_000, &[0; 9]))], "2.bmp", "over the limit `image_pixels`");
    assert_eq!(cases, 15);

    folder.write("many/1.bmp", &frame(4, 4));
    folder.write("many/2.bmp", &frame(4, 4));
    let path = folder.path().join("many");
    for (limits, reason) in [
        (Limits { frames: 1, ..Limits::default() }, "over the limit `frames`: allowed 1; found 2"),
        (Limits { files: 1, ..Limits::default() }, "over the limit `files`: allowed 1; found 2"),
    ] {
        assert_refused(&path, reason, || Film::open(&path, &FilmSpec::default(), &limits));
    }
    let spec = FilmSpec { rate: [0, 1], ..FilmSpec::default() };
    let error = Film::open(&path, &spec, &Limits::default()).unwrap_err();
    assert!(error.to_string().starts_with("rate: expected frames a second"), "{error}");
}

#[test]
fn what_is_no_film_is_told_what_was_expected() {
    let folder = Folder::new();
    for (bytes, reason) in [
        (&b""[..], "expected a y4m, GIF or MP4 film, or a folder of frames; found an empty file"),
        (b"RIFF....AVI ", "found a file that begins with 52 49 46 46"),
        (b"\x1aE\xdf\xa3", "found a file that begins with 1a 45 df a3"),
    ] {
        let path = folder.write("file", bytes);
        assert_refused(&path, reason, || open(&path));
    }
    let path = folder.path().join("missing");
    assert_refused(&path, "cannot be read", || open(&path));
}

#[cfg(feature = "mp4")]
mod mp4 {
    use super::*;
    use crate::films::{Track, be, bx, encode, moving};

    /// The film with one of its tables replaced.
    fn with(track: &Track, name: &[u8; 4], content: Vec<u8>) -> Vec<u8> {
        let mut tables = track.tables();
        tables.iter_mut().find(|(other, _)| *other == name).unwrap().1 = content;
        track.file_with(&tables)
    }

    fn without(track: &Track, name: &[u8; 4]) -> Vec<u8> {
        let mut tables = track.tables();
        tables.retain(|(other, _)| *other != name);
        track.file_with(&tables)
    }

    /// Parameters of a sequence of so many macroblocks a side (baseline, nothing else of note).
    fn sps(columns: u32, rows: u32) -> Vec<u8> {
        let mut bits = String::new();
        let golomb = |value: u32| {
            let value = u64::from(value) + 1;
            let digits = format!("{value:b}");
            "0".repeat(digits.len() - 1) + &digits
        };
        for value in [0, 0, 2, 1] {
            bits += &golomb(value);
        }
        bits += "0";
        bits += &golomb(columns - 1);
        bits += &golomb(rows - 1);
        bits += "11001";
        let mut bytes = vec![0x67, 66, 0, 40];
        for byte in bits.as_bytes().chunks(8) {
            let byte = byte.iter().fold(0, |value, bit| value << 1 | (bit - b'0')) << (8 - byte.len());
            bytes.push(byte);
        }
        bytes
    }

    #[test]
    fn broken_mp4_is_refused() {
        let frames: Vec<_> = (0..4).map(|time| moving(time, [32, 48])).collect();
        let track = encode(&frames, |index| index == 0, |_| 40);
        let good = track.file();
        let large = |columns, rows| Track { sps: sps(columns, rows), ..track.clone() }.file();
        let changed_samples = |change: fn(&mut Track)| {
            let mut track = track.clone();
            change(&mut track);
            track.file()
        };
        let boxes = bx(b"moov", &bx(b"free", &[]).repeat(10_001));
        let ftyp = bx(b"ftyp", b"isom\0\0\0\0");
        let hevc: Vec<u8> = {
            let mut stsd = track.stsd();
            let at = stsd.windows(4).position(|name| name == b"avc1").unwrap();
            stsd[at..at + 4].copy_from_slice(b"hvc1");
            with(&track, b"stsd", stsd)
        };
        let sound = {
            let mut bytes = good.clone();
            let at = bytes.windows(4).position(|name| name == b"vide").unwrap();
            bytes[at..at + 4].copy_from_slice(b"soun");
            bytes
        };
        let truncated_box = {
            let mut bytes = good.clone();
            let at = bytes.windows(4).position(|name| name == b"stbl").unwrap();
            bytes[at - 4..at].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
            bytes
        };
        let scale = {
            let mut bytes = good.clone();
            let at = bytes.windows(4).position(|name| name == b"mdhd").unwrap();
            bytes[at + 16..at + 20].fill(0);
            bytes
        };
        let [first, count] = [24, track.samples.len() as u32];
        refuse(vec![
            (large(4096, 4096), "over the limit `frame_pixels`: allowed 36000000; found 4294967296"),
            (large(1 << 30, 1 << 30), "over the limit `frame_pixels`"),
            (
                with(&track, b"stsz", be(&[0, 0, u32::MAX])),
                "over the limit `frames`: allowed 1000000; found 4294967295",
            ),
            (with(&track, b"stsz", be(&[0, 1, u32::MAX])), "over the limit `frames`"),
            (with(&track, b"stsz", be(&[0, 1, 900_000])), "expected 900000 bytes of all samples"),
            (
                with(&track, b"stsz", be(&[0, 0, 900_000])),
                "expected 3600012 bytes of a table of samples; found 12",
            ),
            (with(&track, b"stsz", be(&[0, 0, 0])), "expected at least one sample; found none"),
            (with(&track, b"stsz", be(&[0, u32::MAX, count])), "ends too early"),
            (with(&track, b"stco", be(&[0, 2, first, u32::MAX])), "ends too early: expected"),
            (with(&track, b"stco", be(&[0, 1, first])), "`stsc` and the chunks place 3 of 4 samples"),
            (with(&track, b"stsc", be(&[0, 0])), "`stsc` and the chunks place 0 of 4 samples"),
            (with(&track, b"stts", be(&[0, 1, 2, 40])), "`stts` has too few entries"),
            (with(&track, b"stts", be(&[0, u32::MAX])), "over the limit `frames`"),
            (with(&track, b"ctts", be(&[0, 0])), "`ctts` has too few entries"),
            (with(&track, b"stss", be(&[0, 1, 9])), "`stss` names sample 9, which is none"),
            (with(&track, b"stss", be(&[0, 1, 0])), "`stss` names sample 0"),
            (with(&track, b"stss", be(&[0, 1, 2])), "expected a key frame at the beginning"),
            (
                with(&track, b"stsd", be(&[0, 2])),
                "expected one description of samples (`stsd`); found 2 of them",
            ),
            (hevc, "expected pictures in H.264 (`avc1`); found `hvc1`"),
            (sound, "expected a track of pictures; found tracks of soun"),
            (without(&track, b"stsz"), "there is no box `stsz`"),
            (without(&track, b"stco"), "there is no `stco` nor `co64`"),
            (truncated_box, "bytes of a box; found"),
            (scale, "`mdhd` announces 0 ticks a second"),
            ([ftyp.clone(), boxes].concat(), "more than 10000 boxes"),
            ([ftyp.clone(), bx(b"moof", &[])].concat(), "found a fragmented one (`moof`)"),
            (ftyp.clone(), "there is no box `moov`"),
            (good[..good.len() - 3].to_vec(), "bytes of a box; found"),
            (
                [&ftyp[..], &[0, 0, 0, 3], b"free"].concat(),
                "the box `free` announces 3 bytes, less than its header",
            ),
            (changed_samples(|track| track.sps.truncate(5)), "a sequence's parameters end too early"),
            (changed_samples(|track| track.sps[0] = 8), "`avcC` has no sequence's parameters"),
            (changed_samples(|track| track.samples[1].bytes[0] = 0x7f), "a unit is longer than its sample"),
            (changed_samples(|track| track.samples[2].bytes.truncate(2)), "a unit is longer than its sample"),
            (changed_samples(|track| track.samples[0].bytes.truncate(0)), "is not valid H.264"),
        ]);
    }
}
