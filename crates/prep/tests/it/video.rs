//! Films: every frame in every order, exactly that of decoding from the first.

use fornax_prep::image::{Channels, Image};
use fornax_prep::video::{Film, FilmKind, FilmSpec};
use fornax_prep::{Key, Limits};

use crate::films::{Picture, gif, moving, y4m};
use crate::support::{Folder, bmp, noise};

pub(crate) fn film(name: &str, bytes: Vec<u8>) -> Film {
    Film::from_bytes(name, bytes, &FilmSpec::default(), &Limits::default()).unwrap()
}

/// Asks for frames in random order, forwards, backwards and again, and for all in order by the iterator.
fn assert_every_order_gives_the_same(film: &mut Film, seed: u64) -> Vec<Image> {
    let count = film.len();
    let all: Vec<Image> = film.frames().map(|frame| frame.unwrap().1).collect();
    assert_eq!(all.len(), count);
    let mut order: Vec<usize> = (0..count).rev().chain(0..count).collect();
    for round in 0..3 {
        order.extend(Key::new(seed).fold(round).permutation(count));
    }
    order.extend([count - 1, count - 1, 0, 0]);
    for index in order {
        assert!(film.frame(index).unwrap() == all[index], "frame {index} of {count}");
    }
    let times: Vec<f64> = film.frames().map(|frame| frame.unwrap().0).collect();
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(film.frame(count).unwrap_err().to_string().starts_with("index: expected a frame below"));
    all
}

#[test]
fn y4m_gives_the_samples_of_every_layout_in_any_order() {
    // 5 × 3 pixels: colour planes of odd frames are rounded up.
    for (layout, chroma, shift) in [
        ("C420", 2 * 3 * 2, [1, 1]),
        ("C420jpeg", 2 * 3 * 2, [1, 1]),
        ("C420mpeg2 XCOLORRANGE=FULL", 2 * 3 * 2, [1, 1]),
        ("", 2 * 3 * 2, [1, 1]),
        ("C422", 2 * 3 * 3, [1, 0]),
        ("C444", 2 * 15, [0, 0]),
    ] {
        let frames: Vec<Vec<u8>> = (0..6).map(|seed| noise(seed, 15 + chroma)).collect();
        let mut film = film("film.y4m", y4m(&format!("W5 H3 F30000:1001 Ip A1:1 {layout}"), &frames));
        assert_eq!((film.kind(), film.len(), film.size()), (FilmKind::Y4m, 6, [3, 5]));
        assert!((film.clock().rate() - 29.97).abs() < 1e-3);
        let images = assert_every_order_gives_the_same(&mut film, 1);
        let full = layout.contains("FULL");
        for (image, samples) in images.iter().zip(&frames) {
            for (pixel, rgb) in image.pixels().chunks_exact(3).enumerate() {
                let (row, column) = (pixel / 5, pixel % 5);
                let step = if shift[0] == 1 { 3 } else { 5 };
                let at = (row >> shift[1]) * step + (column >> shift[0]);
                let [y, u, v] =
                    [samples[pixel], samples[15 + at], samples[15 + chroma / 2 + at]].map(f64::from);
                // BT.601 in floating point, from the standard's definition.
                let (y, c) = if full { (y, 1.0) } else { ((y - 16.0) * 255.0 / 219.0, 255.0 / 224.0) };
                let (u, v) = ((u - 128.0) * c, (v - 128.0) * c);
                let expected = [y + 1.402 * v, y - 0.344_136 * u - 0.714_136 * v, y + 1.772 * u];
                for (found, expected) in rgb.iter().zip(expected) {
                    assert!(
                        (f64::from(*found) - expected.clamp(0.0, 255.0)).abs() <= 0.51,
                        "{layout} {pixel}"
                    );
                }
            }
        }
    }
}

#[test]
fn y4m_agrees_with_the_crate_of_this_name() {
    let mut bytes = Vec::new();
    let mut encoder = ::y4m::encode(6, 4, ::y4m::Ratio::new(10, 1))
        .with_colorspace(::y4m::Colorspace::Cmono)
        .write_header(&mut bytes)
        .unwrap();
    for seed in 0..3 {
        let luma = noise(seed, 24);
        let parameters = (seed == 1).then(|| b"Ip".to_vec());
        encoder.write_frame(&::y4m::Frame::new([&luma, &[], &[]], parameters)).unwrap();
    }
    let spec = FilmSpec { channels: Channels::Grey, ..FilmSpec::default() };
    let mut film = Film::from_bytes("mono", bytes.clone(), &spec, &Limits::default()).unwrap();
    let frames = assert_every_order_gives_the_same(&mut film, 2);
    let mut decoder = ::y4m::decode(&bytes[..]).unwrap();
    for frame in frames {
        assert_eq!(frame.pixels(), decoder.read_frame().unwrap().get_y_plane());
    }
    assert!(decoder.read_frame().is_err());
}

/// Lays pictures down by the specification's words, frame by frame, without any shortcut.
fn composed(width: usize, height: usize, colors: &[[u8; 3]], pictures: &[Picture]) -> Vec<Vec<u8>> {
    let mut canvas = vec![None; width * height];
    let mut frames = Vec::new();
    for picture in pictures {
        let before = canvas.clone();
        let [left, top, w, h] = picture.place.map(usize::from);
        let colors = picture.local_colors.as_deref().unwrap_or(colors);
        let places = || (0..h).flat_map(|row| (0..w).map(move |column| (top + row) * width + left + column));
        // Interlaced rows are stored every eighth, every eighth from the fourth, every fourth from the second, the rest.
        let order: Vec<usize> = if picture.interlaced {
            let pass = |from: usize, step: usize| (from..h).step_by(step);
            pass(0, 8).chain(pass(4, 8)).chain(pass(2, 4)).chain(pass(1, 2)).collect()
        } else {
            (0..h).collect()
        };
        for (stored, row) in order.into_iter().enumerate() {
            for column in 0..w {
                let index = picture.indices[stored * w + column];
                if picture.transparent != Some(index) {
                    canvas[(top + row) * width + left + column] = Some(colors[usize::from(index)]);
                }
            }
        }
        frames.push(canvas.iter().flat_map(|pixel| pixel.unwrap_or([255; 3])).collect());
        match picture.disposal {
            2 => places().for_each(|place| canvas[place] = None),
            3 => canvas = before,
            _ => {}
        }
    }
    frames
}

#[test]
fn gif_pictures_are_laid_down_as_the_specification_says_in_any_order() {
    let colors: Vec<[u8; 3]> = (0..4).map(|i| [i * 60, 255 - i * 50, i * i * 20]).collect();
    let local: Vec<[u8; 3]> = (0..8).map(|i| [255 - i * 30, i * 30, 77]).collect();
    for seed in 0..24 {
        let mut stream = Key::new(seed).stream();
        let mut below = |bound: u64| stream.below(bound) as u16;
        let pictures: Vec<Picture> = (0..14)
            .map(|number| {
                let (w, h) = (1 + below(9), 1 + below(12));
                let (left, top) = (below(u64::from(10 - w)), below(u64::from(13 - h)));
                // Now and then the whole canvas: key frames and almost such.
                let place = if number == 0 || below(3) == 0 { [0, 0, 9, 12] } else { [left, top, w, h] };
                let with_local = below(3) == 0;
                let shades = if with_local { 8 } else { 4 };
                let area = usize::from(place[2]) * usize::from(place[3]);
                let indices = (0..area).map(|_| below(shades) as u8).collect();
                let transparent = (below(2) == 0).then(|| below(shades) as u8);
                Picture {
                    delay: below(4),
                    disposal: below(4) as u8,
                    transparent,
                    local_colors: with_local.then(|| local.clone()),
                    interlaced: below(3) == 0,
                    ..Picture::new(place, indices)
                }
            })
            .collect();
        let mut film = film("film.gif", gif(9, 12, &colors, &pictures));
        assert_eq!((film.kind(), film.size(), film.len()), (FilmKind::Gif, [12, 9], 14));
        let frames = assert_every_order_gives_the_same(&mut film, seed);
        for (index, (frame, expected)) in frames.iter().zip(composed(9, 12, &colors, &pictures)).enumerate() {
            assert_eq!(frame.pixels(), expected, "film {seed}, frame {index}");
        }
        let shown = |delay: u16| if delay < 2 { 10 } else { u64::from(delay) };
        let total: u64 = pictures.iter().map(|picture| shown(picture.delay)).sum();
        assert!((film.clock().duration() - total as f64 / 100.0).abs() < 1e-9);
    }
}

#[test]
fn gif_files_of_the_encoder_are_read() {
    let mut bytes = Vec::new();
    let mut encoder = ::gif::Encoder::new(&mut bytes, 16, 8, &[]).unwrap();
    let mut originals = Vec::new();
    for time in 0..5u8 {
        let pixels: Vec<u8> = (0..16 * 8).flat_map(|i: u8| [i / 16 * 30, time * 40, 200]).collect();
        let mut frame = ::gif::Frame::from_rgb(16, 8, &pixels);
        frame.delay = u16::from(time) + 2;
        encoder.write_frame(&frame).unwrap();
        originals.push(pixels);
    }
    drop(encoder);
    let mut film = film("film.gif", bytes);
    let frames = assert_every_order_gives_the_same(&mut film, 3);
    for (frame, original) in frames.iter().zip(originals) {
        assert!(frame.pixels().iter().zip(original).all(|(a, b)| a.abs_diff(b) <= 4));
    }
    assert!((film.clock().time(4) - 0.14).abs() < 1e-12);
}

#[test]
fn a_folder_of_frames_is_a_film_in_the_order_of_its_numbers() {
    let folder = Folder::new();
    let shade = |value: u8| vec![value; 2 * 12];
    for (name, value) in [("f10.bmp", 3), ("f9.bmp", 2), ("f1.bmp", 1), (".hidden.bmp", 9), ("notes.txt", 0)]
    {
        folder.write(name, &bmp(3, 2, &shade(value)));
    }
    let spec = FilmSpec { rate: [10, 1], ..FilmSpec::default() };
    let mut film = Film::open(folder.path(), &spec, &Limits::default()).unwrap();
    assert_eq!((film.kind(), film.len(), film.size()), (FilmKind::Frames, 3, [2, 3]));
    assert_eq!(film.clock().duration(), 0.3);
    let frames = assert_every_order_gives_the_same(&mut film, 4);
    let firsts: Vec<u8> = frames.iter().map(|frame| frame.pixels()[0]).collect();
    assert_eq!(firsts, [1, 2, 3]);
}

#[test]
fn frames_in_memory_are_a_film() {
    let images: Vec<Image> = (0..4).map(|time| moving(time, [6, 8])).collect();
    let mut film = Film::from_images(images.clone(), [5, 1], &Limits::default()).unwrap();
    assert_eq!(assert_every_order_gives_the_same(&mut film, 5), images);
    let other = Image::filled(0, [6, 7], Channels::Rgb).unwrap();
    let error = Film::from_images(vec![images[0].clone(), other], [5, 1], &Limits::default()).unwrap_err();
    assert!(error.to_string().starts_with("images: expected frames of 6×8 and Rgb"), "{error}");
}

#[cfg(feature = "mp4")]
mod mp4 {
    use openh264::decoder::Decoder;
    use openh264::formats::YUVSource;

    use super::*;
    use crate::films::encode;

    #[test]
    fn mp4_gives_the_same_frames_in_any_order_and_those_of_the_decoder_alone() {
        // 70 × 50: neither side a multiple of 16, so that pictures are cropped. Key frames at uneven distances.
        let originals: Vec<Image> = (0..30).map(|time| moving(time, [50, 70])).collect();
        let is_key = |index| matches!(index, 0 | 7 | 8 | 21);
        let track = encode(&originals, is_key, |index| if index % 3 == 0 { 40 } else { 33 });
        let bytes = track.file();
        let mut film = film("film.mp4", bytes.clone());
        assert_eq!((film.kind(), film.len(), film.size()), (FilmKind::Mp4, 30, [50, 70]));
        assert!((film.clock().time(4) - 0.146).abs() < 1e-9 && (film.clock().duration() - 1.06).abs() < 1e-9);
        let frames = assert_every_order_gives_the_same(&mut film, 6);

        // Another demultiplexer, the bare decoder, never reset: the same luma and colour, but for the conversion's rounding.
        let mp4 = re_mp4::Mp4::read_bytes(&bytes).unwrap();
        let samples = &mp4.tracks().values().next().unwrap().samples;
        assert_eq!(samples.len(), 30);
        let mut decoder = Decoder::new().unwrap();
        let parameters = [&[0, 0, 0, 1], &track.sps[..], &[0, 0, 0, 1], &track.pps].concat();
        decoder.decode(&parameters).unwrap();
        for (index, (frame, sample)) in frames.iter().zip(samples).enumerate() {
            let sample = &bytes[sample.byte_range()];
            let mut packet = Vec::new();
            let mut rest = sample;
            while let Some((length, after)) = rest.split_first_chunk::<4>() {
                let (unit, after) = after.split_at(u32::from_be_bytes(*length) as usize);
                packet.extend([0, 0, 0, 1]);
                packet.extend(unit);
                rest = after;
            }
            let picture = decoder.decode(&packet).unwrap().unwrap();
            let mut expected = vec![0; 50 * 70 * 3];
            picture.write_rgb8(&mut expected);
            assert_eq!(picture.dimensions(), (70, 50));
            let worst = frame.pixels().iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst <= 2, "frame {index}: {worst}");
        }

        // And close to what was encoded.
        for (frame, original) in frames.iter().zip(&originals) {
            let error: f64 = frame
                .pixels()
                .iter()
                .zip(original.pixels())
                .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
                .sum();
            let psnr = 10.0 * (255.0f64.powi(2) / (error / (50.0 * 70.0 * 3.0))).log10();
            assert!(psnr > 25.0, "{psnr}");
        }
    }

    #[test]
    fn a_sample_marked_as_key_that_is_none_changes_nothing() {
        let originals: Vec<Image> = (0..12).map(|time| moving(time, [32, 48])).collect();
        let track = encode(&originals, |index| index % 6 == 0, |_| 40);
        let honest: Vec<Image> = film("a", track.file()).frames().map(|frame| frame.unwrap().1).collect();
        let mut lying = track.clone();
        for index in [2, 3, 8, 11] {
            lying.samples[index].is_key = true;
        }
        let mut lying = film("b", lying.file());
        for index in [11, 3, 8, 2, 7, 0, 10, 9] {
            assert!(lying.frame(index).unwrap() == honest[index], "{index}");
        }
    }

    #[test]
    fn a_telephone_held_upright_is_turned() {
        let originals: Vec<Image> = (0..2).map(|time| moving(time, [32, 48])).collect();
        let mut track = encode(&originals, |index| index == 0, |_| 40);
        let lying = film("a", track.file()).frame(1).unwrap();
        track.matrix = [0, 1 << 16, -(1 << 16), 0];
        let mut turned = film("b", track.file());
        assert_eq!(turned.size(), [48, 32]);
        let turned = turned.frame(1).unwrap();
        let at = |image: &Image, row: usize, column: usize| {
            let start = (row * image.size()[1] + column) * 3;
            image.pixels()[start..start + 3].to_vec()
        };
        // Clockwise: what was lower left is upper left.
        assert_eq!(at(&turned, 0, 0), at(&lying, 31, 0));
        assert_eq!(at(&turned, 47, 31), at(&lying, 0, 47));
    }

    #[test]
    fn times_of_showing_are_counted_from_the_first() {
        let originals: Vec<Image> = (0..5).map(|time| moving(time, [16, 16])).collect();
        let mut track = encode(&originals, |index| index == 0, |_| 40);
        track.samples.iter_mut().for_each(|sample| sample.later = 80);
        let film = film("a", track.file());
        assert_eq!((film.clock().time(0), film.clock().time(1), film.clock().duration()), (0.0, 0.04, 0.2));
    }
}
