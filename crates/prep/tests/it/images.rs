//! Image files, alone and in folders of classes.

use std::io::Cursor;
use std::path::Path;

use fornax_prep::image::folder::{OnBroken, read};
use fornax_prep::image::{Background, Channels, ImageSpec, load_images};
use fornax_prep::{Error, Key, Limits, Problem};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, Rgba};

use crate::support::{Folder, assert_refused, bmp, png, vp8, vp8x, webp, zlib};

const GREY: ImageSpec =
    ImageSpec { channels: Channels::Grey, size: Some([4, 4]), background: Background::White };

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Left half of one colour, right half of another.
fn halves(width: u32, height: u32, left: [u8; 3], right: [u8; 3]) -> ImageBuffer<Rgb<u8>, Vec<u8>> {
    ImageBuffer::from_fn(width, height, |x, _| Rgb(if x < width / 2 { left } else { right }))
}

fn pixels(path: &Path, spec: &ImageSpec) -> Vec<f32> {
    load_images(&[path], spec, &Limits::default()).unwrap().pixels
}

fn near(got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{got:?}");
    for (a, b) in got.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance, "{got:?} for {expected:?}");
    }
}

#[test]
fn all_four_formats_and_any_size_give_the_same_image() {
    let folder = Folder::new();
    let formats = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp];
    for (format, [width, height]) in formats.into_iter().zip([[40, 30], [64, 16], [8, 8], [100, 7]]) {
        let image = halves(width, height, [255, 0, 0], [0, 0, 255]);
        let path = folder.write("no extension", &encoded(image, format));
        // Luma of red is 0.299, of blue 0.114.
        let row = pixels(&path, &GREY.with_size(1, 2));
        near(&row, &[0.299, 0.114], 0.035);
        let colour = pixels(&path, &ImageSpec::new(Channels::Rgb).with_size(1, 4));
        let (red, rest) = (&colour[..4], &colour[4..]);
        near(&[red[0], red[3], rest[0], rest[4], rest[7]], &[1.0, 0.0, 0.0, 0.0, 1.0], 0.1);
    }
}

#[test]
fn grey_sixteen_bit_and_transparent_images_are_reduced_as_documented() {
    let folder = Folder::new();
    let spec = ImageSpec::new(Channels::Grey);
    let sixteen: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_raw(2, 1, vec![65_535u16, 257 * 51]).unwrap();
    let path = folder.write("16.png", &encoded(sixteen, ImageFormat::Png));
    assert_eq!(pixels(&path, &spec), [1.0, 0.2]);

    let values = vec![0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 51];
    let glass: ImageBuffer<Rgba<u8>, _> = ImageBuffer::from_raw(3, 1, values).unwrap();
    let path = folder.write("glass.png", &encoded(glass, ImageFormat::Png));
    near(&pixels(&path, &spec), &[1.0, 0.0, 0.8], 1e-6);
    near(&pixels(&path, &spec.with_background(Background::Black)), &[0.0, 0.0, 0.0], 0.0);
}

#[test]
fn the_orientation_a_camera_stored_is_applied() {
    let folder = Folder::new();
    // Big-endian TIFF with one entry: tag 0x0112, a short, orientation 6 (turn right to see it upright).
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let plain = encoded(halves(16, 8, [255; 3], [0; 3]), ImageFormat::Jpeg);
    let mut segment = vec![0xff, 0xe1];
    segment.extend((2 + 6 + exif.len() as u16).to_be_bytes());
    segment.extend(b"Exif\0\0");
    segment.extend(exif);
    let turned = [&plain[..2], &segment, &plain[2..]].concat();
    let batch =
        load_images(&[folder.write("a.jpg", &turned)], &ImageSpec::new(Channels::Grey), &Limits::default());
    let batch = batch.unwrap();
    assert_eq!(batch.shape, [1, 1, 16, 8]);
    near(&[batch.pixels[0], batch.pixels[7], batch.pixels[120]], &[1.0, 1.0, 0.0], 0.02);

    let png = png(2, 1, 8, 0, &[(b"eXIf", exif), (b"IDAT", &zlib(&[0, 255, 0]))]);
    let batch =
        load_images(&[folder.write("a.png", &png)], &ImageSpec::new(Channels::Grey), &Limits::default());
    let batch = batch.unwrap();
    assert_eq!((batch.shape, &batch.pixels[..]), ([1, 1, 2, 1], &[1.0, 0.0][..]));
}

/// Every file that must be refused, with the reason.
fn malformed() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let [as_png, as_jpeg, as_webp, as_bmp] =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp].map(|format| {
            let noise =
                ImageBuffer::from_fn(50, 50, |x, y| Rgb([(x * y) as u8, (x * 7) as u8, (y * 13) as u8]));
            encoded(noise, format)
        });
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x55;
        bytes
    };
    // A frame header of 65,535 lines of 65,535 pixels, then a scan without data.
    let jpeg_header = |height: u16, width: u16| {
        let [h, w] = [height, width].map(u16::to_be_bytes);
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, h[0], h[1], w[0], w[1], 1, 1, 0x11, 0];
        bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0xff, 0xd9]);
        bytes
    };
    let scanline = zlib(&[0]);
    let idat: (&[u8; 4], &[u8]) = (b"IDAT", &scanline);
    let profile = [&b"bomb\0\0"[..], &zlib(&vec![0; 64 << 20])].concat();
    let huge = "over the limit `image_pixels`: allowed 50000000; found 4294836225";
    vec![
        ("empty.png", vec![], "expected a file with content; found an empty file"),
        (
            "text.png",
            b"this is not an image".to_vec(),
            "expected a png, jpeg, webp or bmp image; found something that begins with \"this is \"",
        ),
        ("binary.jpg", vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0], "begins with 7f 45 4c 46"),
        ("animation.png", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), "found gif"),
        ("half.png", half(&as_png), "is not valid png"),
        ("half.jpg", half(&as_jpeg), "is not valid jpeg: ends without an end marker"),
        ("half.webp", half(&as_webp), "ends too early: expected"),
        ("half.bmp", half(&as_bmp), "is not valid bmp"),
        ("start.png", as_png[..8].to_vec(), "is not valid png"),
        ("start.jpg", as_jpeg[..4].to_vec(), "is not valid jpeg"),
        ("start.webp", as_webp[..14].to_vec(), "is not valid webp"),
        ("start.bmp", as_bmp[..20].to_vec(), "is not valid bmp"),
        ("flipped.png", flipped(&as_png, as_png.len() / 2), "is not valid png"),
        ("flipped header.png", flipped(&as_png, 20), "is not valid png"),
        ("nothing but ends.jpg", vec![0xff, 0xd8, 0xff, 0xd9], "is not valid jpeg"),
        ("65535.png", png(65_535, 65_535, 8, 6, &[idat]), huge),
        ("65535.jpg", jpeg_header(65_535, 65_535), huge),
        ("65535.bmp", bmp(65_535, 65_535, &[0; 100]), huge),
        ("65535.webp", webp(&[(b"VP8X", &vp8x(0, 65_535, 65_535)), (b"VP8 ", &vp8(1, 1))]), huge),
        (
            "16383 lossless.webp",
            webp(&[(b"VP8L", &[0x2f, 0xfe, 0xbf, 0xff, 0x0f, 0, 0])]),
            "over the limit `image_pixels`",
        ),
        ("16383 lossy.webp", webp(&[(b"VP8 ", &vp8(16_383, 16_383))]), "found 268402689"),
        (
            "frame over canvas.webp",
            webp(&[(b"VP8X", &vp8x(0, 1, 1)), (b"VP8 ", &vp8(16_383, 16_383))]),
            "found 268402689",
        ),
        ("2^31.png", png(0x7fff_ffff, 0x7fff_ffff, 16, 6, &[idat]), "png"),
        ("2^31.bmp", bmp(i32::MAX, i32::MAX, &[]), "bmp"),
        ("0.png", png(0, 5, 8, 0, &[idat]), "png"),
        ("0.bmp", bmp(0, 5, &[0; 60]), "bmp"),
        ("0.jpg", jpeg_header(0, 5), "jpeg"),
        ("negative.bmp", bmp(-5, 5, &[0; 80]), "is not valid bmp"),
        ("no data.png", png(5, 5, 8, 0, &[]), "is not valid png"),
        ("too little data.png", png(500, 500, 8, 0, &[idat]), "is not valid png"),
        ("too little data.bmp", bmp(500, 500, &[0; 100]), "is not valid bmp"),
        ("no scan data.jpg", jpeg_header(500, 500), "jpeg"),
        ("unknown depth.png", png(5, 5, 7, 0, &[idat]), "is not valid png"),
        ("palette of 4 bytes.png", png(2, 1, 8, 3, &[(b"PLTE", &[9; 4]), idat]), "a palette of 4 bytes"),
        ("257 colours.png", png(2, 1, 8, 3, &[(b"PLTE", &[9; 771]), idat]), "a palette of 771 bytes"),
        (
            "transparent.png",
            png(2, 1, 8, 3, &[(b"PLTE", &[9; 3]), (b"tRNS", &[7; 2]), idat]),
            "2 transparencies of 1 colours",
        ),
        ("profile bomb.png", png(500, 500, 8, 0, &[(b"iCCP", &profile), idat]), "is not valid png"),
        (
            "4 GB of metadata.webp",
            {
                let mut bytes = webp(&[(b"VP8X", &vp8x(8, 1, 1)), (b"VP8 ", &vp8(1, 1)), (b"EXIF", &[0; 4])]);
                let size = bytes.len() - 8;
                bytes[size..size + 4].copy_from_slice(&[0xff; 4]);
                bytes
            },
            "ends too early: expected 4294967295 bytes of a webp chunk; found 4",
        ),
        ("no image.webp", webp(&[(b"VP8X", &vp8x(0, 5, 5))]), "is not valid webp"),
    ]
}

#[test]
fn malformed_images_are_refused_alone() {
    let folder = Folder::new();
    for (name, bytes, reason) in malformed() {
        let path = folder.write(name, &bytes);
        assert_refused(&path, reason, || load_images(&[&path], &GREY, &Limits::default()));
    }
    let path = folder.path().join("missing.png");
    assert_refused(&path, "cannot be read", || load_images(&[&path], &GREY, &Limits::default()));
    assert_refused(folder.path(), "found a folder", || {
        load_images(&[folder.path()], &GREY, &Limits::default())
    });
    let path = folder.write("large.png", &[0; 2000]);
    let limits = Limits { file_bytes: 1999, ..Limits::default() };
    assert_refused(&path, "over the limit `file_bytes`", || load_images(&[&path], &GREY, &limits));
}

#[test]
fn malformed_images_in_a_folder_end_it_or_are_left_out() {
    let folder = Folder::new();
    let good = encoded(halves(9, 9, [0; 3], [255; 3]), ImageFormat::Png);
    folder.write("a/good.png", &good);
    folder.write("b/good.png", &good);
    for (name, bytes, reason) in malformed() {
        let path = folder.write(&format!("b/{name}"), &bytes);
        assert_refused(&path, reason, || read(folder.path(), &GREY, OnBroken::Fail, &Limits::default()));
        let found = read(folder.path(), &GREY, OnBroken::Skip, &Limits::default()).unwrap();
        assert_eq!((found.set.labels(), found.skipped.len()), (&[0, 1][..], 1), "{name}");
        assert_eq!(found.skipped[0].path(), Some(&*path));
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let folder = Folder::new();
    for (class, shade) in [("dog", 200u8), ("ant", 0), ("cat", 100)] {
        for number in 0..3u8 {
            let image = halves(5 + u32::from(number), 6, [shade + number; 3], [shade + number; 3]);
            folder.write(&format!("{class}/{}.png", 9 - number), &encoded(image, ImageFormat::Png));
        }
        folder.write(&format!("{class}/.DS_Store"), b"left behind");
        folder.write(&format!("{class}/Thumbs.db"), b"left behind");
    }
    folder.write("classes.txt", b"ant cat dog");
    folder.make(".cache");
    let found = read(folder.path(), &GREY, OnBroken::Fail, &Limits::default()).unwrap();
    assert_eq!(found.set.class_names(), ["ant", "cat", "dog"]);
    assert_eq!(found.set.labels(), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    assert!(found.files[0].ends_with("ant/7.png") && found.files[8].ends_with("dog/9.png"));
    let first_pixels: Vec<f32> = (0..9).map(|index| found.set.gather(&[index]).pixels[0] * 255.0).collect();
    near(&first_pixels, &[2.0, 1.0, 0.0, 102.0, 101.0, 100.0, 202.0, 201.0, 200.0], 1e-4);

    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| read(folder.path(), &GREY, OnBroken::Fail, &Limits::default()).unwrap().set)
    };
    assert_eq!(with_threads(1), with_threads(4));
}

#[test]
fn the_first_broken_file_by_name_is_the_one_named() {
    let folder = Folder::new();
    for number in 0..40 {
        folder.write(&format!("a/{number:02}.png"), b"broken");
    }
    let path = folder.path().join("a/00.png");
    for _ in 0..5 {
        assert_refused(&path, "begins with \"broken\"", || {
            read(folder.path(), &GREY, OnBroken::Fail, &Limits::default())
        });
    }
}

#[test]
fn folders_that_hold_no_classes_are_refused() {
    let folder = Folder::new();
    let read = |path: &Path, on_broken, limits: &Limits| read(path, &GREY, on_broken, limits);
    let default = Limits::default();
    let root = folder.path();
    let good = encoded(halves(4, 4, [0; 3], [255; 3]), ImageFormat::Png);

    assert_refused(root, "expected a folder of images for each class; found an empty folder", || {
        read(root, OnBroken::Fail, &default)
    });
    folder.write("notes.txt", b"x");
    assert_refused(root, "found no folder and 1 files", || read(root, OnBroken::Fail, &default));
    let empty = folder.make("b");
    folder.write("a/1.png", &good);
    assert_refused(&empty, "expected at least one image; found none", || {
        read(root, OnBroken::Fail, &default)
    });
    assert_refused(&empty, "expected at least one image; found none", || {
        read(root, OnBroken::Skip, &default)
    });
    folder.write("b/1.png", b"broken");
    assert_refused(&empty, "found none that can be used", || read(root, OnBroken::Skip, &default));
    folder.write("b/1.png", &good);
    assert!(read(root, OnBroken::Fail, &default).is_ok());

    let stray = folder.write("c.png", &good);
    assert_refused(&stray, "expected images inside the folder of their class", || {
        read(root, OnBroken::Fail, &default)
    });
    assert_eq!(read(root, OnBroken::Skip, &default).unwrap().skipped.len(), 1);
    std::fs::remove_file(stray).unwrap();
    let nested = folder.make("b/c.png");
    assert_refused(&nested, "expected an image file; found a folder inside a class", || {
        read(root, OnBroken::Fail, &default)
    });
    std::fs::remove_dir(nested).unwrap();

    let limits = Limits { set_bytes: 31, ..default };
    assert_refused(root, "over the limit `set_bytes`: allowed 31; found 32", || {
        read(root, OnBroken::Fail, &limits)
    });
    let limits = Limits { files: 4, ..default };
    assert_refused(&root.join("b"), "over the limit `files`: allowed 4; found 5", || {
        read(root, OnBroken::Fail, &limits)
    });
    let missing = root.join("missing");
    assert_refused(&missing, "cannot be read", || read(&missing, OnBroken::Fail, &default));
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_named() {
    let folder = Folder::new();
    folder.write("a/1.png", &encoded(halves(4, 4, [0; 3], [255; 3]), ImageFormat::Png));
    let link = folder.path().join("a/2.png");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert_refused(&link, "cannot be read", || {
        read(folder.path(), &GREY, OnBroken::Fail, &Limits::default())
    });
}

#[test]
fn without_a_size_all_images_must_share_one() {
    let folder = Folder::new();
    let image = |width| encoded(halves(width, 4, [0; 3], [255; 3]), ImageFormat::Png);
    folder.write("a/1.png", &image(6));
    folder.write("b/1.png", &image(6));
    let spec = ImageSpec::new(Channels::Rgb);
    let found = read(folder.path(), &spec, OnBroken::Fail, &Limits::default()).unwrap();
    assert_eq!(found.set.shape(), [3, 4, 6]);
    let odd = folder.write("b/2.png", &image(7));
    assert_refused(&odd, "expected 4×6 pixels, as the image before", || {
        read(folder.path(), &spec, OnBroken::Fail, &Limits::default())
    });
    let both = [folder.path().join("a/1.png"), odd.clone()];
    assert_refused(&odd, "expected 4×6 pixels", || load_images(&both, &spec, &Limits::default()));
}

#[test]
fn arguments_that_are_none_are_refused_by_name() {
    let none: [&Path; 0] = [];
    let error = load_images(&none, &GREY, &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::Argument { argument: "paths", .. }), "{error}");
    let error =
        read(Path::new("any"), &GREY.with_size(0, 5), OnBroken::Fail, &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::Argument { argument: "size", .. }), "{error}");
}

#[test]
fn a_raised_limit_lets_more_through() {
    let folder = Folder::new();
    let path = folder.write("a.png", &encoded(halves(40, 40, [0; 3], [255; 3]), ImageFormat::Png));
    let limits = Limits { image_pixels: 1599, ..Limits::default() };
    let error = load_images(&[&path], &GREY, &limits).unwrap_err();
    let over = matches!(
        error.problem(),
        Some(Problem::OverLimit { limit: "image_pixels", allowed: 1599, found: 1600 })
    );
    assert!(over, "{error}");
    assert!(load_images(&[&path], &GREY, &Limits { image_pixels: 1600, ..limits }).is_ok());
}

#[test]
fn a_thousand_damaged_copies_end_in_an_image_or_an_error() {
    let folder = Folder::new();
    let limits = Limits { image_pixels: 1 << 20, ..Limits::default() };
    let noise = ImageBuffer::from_fn(24, 20, |x, y| {
        Rgba([(x * y * 5) as u8, (x * 7) as u8, (y * 13) as u8, (255 - x) as u8])
    });
    let mut stream = Key::new(2).stream();
    let (mut read, mut refused) = (0, 0);
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp] {
        let image = DynamicImage::from(noise.clone());
        let image = if format == ImageFormat::Jpeg { image.into_rgb8().into() } else { image };
        let good = encoded(image, format);
        for _ in 0..250 {
            let mut bytes = good.clone();
            for _ in 0..=stream.below(4) {
                let at = stream.below(bytes.len() as u64) as usize;
                match stream.below(4) {
                    0 => bytes[at] = 0xff,
                    1 => bytes.truncate(at.max(1)),
                    2 => bytes[at] = stream.below(256) as u8,
                    _ => bytes[at] ^= 1 << stream.below(8),
                }
            }
            let path = folder.write("copy", &bytes);
            match load_images(&[&path], &GREY, &limits) {
                Ok(batch) => {
                    assert_eq!(batch.pixels.len(), 16);
                    read += 1;
                }
                Err(error) => {
                    assert_eq!(error.path(), Some(&*path));
                    refused += 1;
                }
            }
        }
    }
    assert!(read > 50 && refused > 500, "{read} read, {refused} refused");
}
