//! Masks and the images beside them: honest files, and files that lie.

use std::io::Cursor;

use fornax_prep::Limits;
use fornax_prep::image::folder::OnBroken;
use fornax_prep::image::mask::{load_mask, read};
use fornax_prep::image::{Channels, Mask, Samples};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb};

use crate::support::{Folder, assert_refused, bmp, png, zlib};

/// A png with a palette; `rows` are packed already, each with its filter byte.
fn paletted(size: (u32, u32), depth: u8, palette: &[u8], rows: &[u8]) -> Vec<u8> {
    png(size.0, size.1, depth, 3, &[(b"PLTE", palette), (b"IDAT", &zlib(rows))])
}

fn grey(size: (u32, u32), depth: u8, rows: &[u8]) -> Vec<u8> {
    png(size.0, size.1, depth, 0, &[(b"IDAT", &zlib(rows))])
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}

#[test]
fn numbers_are_read_as_they_were_written_whatever_their_colour() {
    let folder = Folder::new();
    let classes = |bytes: &[u8]| {
        let path = folder.write("mask.png", bytes);
        load_mask(&path, &Limits::default()).unwrap().classes().to_vec()
    };
    // VOC's palette: black, dark red, dark green; 8, 4 and 2 bits a pixel.
    let palette = [0, 0, 0, 128, 0, 0, 0, 128, 0];
    assert_eq!(classes(&paletted((3, 1), 8, &palette, &[0, 2, 0, 1])), [2, 0, 1]);
    assert_eq!(classes(&paletted((3, 1), 4, &palette, &[0, 0x20, 0x10])), [2, 0, 1]);
    assert_eq!(classes(&paletted((3, 1), 2, &palette, &[0, 0b10_00_01_00])), [2, 0, 1]);
    assert_eq!(classes(&grey((3, 1), 8, &[0, 7, 255, 0])), [7, 255, 0]);
    assert_eq!(classes(&grey((3, 1), 4, &[0, 0x7f, 0x00])), [7, 15, 0]);
    assert_eq!(classes(&grey((3, 1), 2, &[0, 0b10_11_01_00])), [2, 3, 1]);
    assert_eq!(classes(&grey((3, 1), 1, &[0, 0b101_00000])), [1, 0, 1]);
    assert_eq!(classes(&grey((2, 1), 16, &[0, 0, 9, 0, 255])), [9, 255]);
    // A palette of 256 colours.
    let long: Vec<u8> = (0..=255u8).flat_map(|index| [index, 255 - index, index / 2]).collect();
    assert_eq!(classes(&paletted((3, 1), 8, &long, &[0, 255, 128, 3])), [255, 128, 3]);
    // Colours twice are no harm where no pixel has them.
    assert_eq!(classes(&paletted((2, 1), 8, &[1, 1, 1, 2, 2, 2, 2, 2, 2], &[0, 0, 0])), [0, 0]);
}

#[test]
fn malformed_masks_are_refused_by_file() {
    let folder = Folder::new();
    let palette = [0, 0, 0, 128, 0, 0];
    let good = paletted((3, 1), 8, &palette, &[0, 1, 0, 1]);
    let mut jpeg = Cursor::new(Vec::new());
    let image: ImageBuffer<Luma<u8>, _> = ImageBuffer::from_pixel(8, 8, Luma([1u8]));
    DynamicImage::from(image).write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    let mut colour = Cursor::new(Vec::new());
    let image: ImageBuffer<Rgb<u8>, _> = ImageBuffer::from_pixel(8, 8, Rgb([1u8, 2, 3]));
    DynamicImage::from(image).write_to(&mut colour, ImageFormat::Png).unwrap();
    let mut flipped = good.clone();
    let last = flipped.len() - 20;
    flipped[last] ^= 0x40;
    let no_palette = png(3, 1, 8, 3, &[(b"IDAT", &zlib(&[0, 1, 0, 1]))]);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "found an empty file"),
        (b"no png".to_vec(), "expected a png image; found something that begins with"),
        (b"\x89PNG\r\n\x1a\n".to_vec(), "expected a png image"),
        (jpeg.into_inner(), "expected a png image; found something that begins with ff d8"),
        (bmp(2, 2, &[0; 16]), "expected a png image"),
        (colour.into_inner(), "expected a png of grey levels or with a palette"),
        (png(3, 1, 8, 4, &[(b"IDAT", &zlib(&[0; 7]))]), "expected a png of grey levels or with a palette"),
        (png(3, 1, 8, 6, &[(b"IDAT", &zlib(&[0; 13]))]), "expected a png of grey levels or with a palette"),
        (good[..good.len() - 30].to_vec(), "is not valid png"),
        (good[..40].to_vec(), "is not valid png"),
        (flipped, "is not valid png"),
        (no_palette, "png"),
        (
            paletted((2, 1), 8, &[5, 5, 5, 5, 5, 5], &[0, 1, 0]),
            "expected a palette of different colours; found [5, 5, 5] twice",
        ),
        (grey((2, 1), 16, &[0, 1, 0, 0, 0]), "expected classes up to 255; found 256"),
        (
            grey((65_535, 65_535), 8, &[0]),
            "over the limit `image_pixels`: allowed 50000000; found 4294836225",
        ),
        (grey((0, 5), 8, &[0]), "png"),
        (grey((5, 0), 8, &[0]), "png"),
        (grey((9, 9), 8, &[0, 1, 2]), "is not valid png"),
        (grey((1, 1), 3, &[0, 1]), "is not valid png"),
        (paletted((3, 1), 16, &palette, &[0; 7]), "is not valid png"),
    ];
    for (bytes, reason) in &cases {
        let path = folder.write("mask.png", bytes);
        assert_refused(&path, reason, || load_mask(&path, &Limits::default()));
    }
    assert!(cases.len() >= 15);
    let path = folder.path().join("missing.png");
    assert_refused(&path, "cannot be read", || load_mask(&path, &Limits::default()));
}

#[test]
fn images_and_masks_are_matched_by_name() {
    let folder = Folder::new();
    folder.write("images/a.bmp", &bmp(3, 1, &[9; 12]));
    folder.write("images/b.bmp", &bmp(3, 1, &[9; 12]));
    folder.write("images/notes.txt", b"no image");
    folder.write("masks/a.png", &grey((3, 1), 8, &[0, 1, 255, 0]));
    folder.write("masks/b.png", &grey((3, 1), 8, &[0, 1, 2, 0]));
    folder.write("masks/c.png", b"no image asks for it");
    let [images, masks] = ["images", "masks"].map(|name| folder.path().join(name));
    let list = |on_broken| read(&images, &masks, &names(2), on_broken, &Limits::default());
    let samples = list(OnBroken::Fail).unwrap().samples(Channels::Grey, &Limits::default());
    assert_eq!(samples.len(), 2);
    assert_eq!(samples.get(0).unwrap().mask.unwrap().classes(), [1, Mask::IGNORE, 0]);
    let second = masks.join("b.png");
    assert_refused(&second, "label 1 (counted from 0): expected a class below 2; found 2", || samples.get(1));
    folder.write("masks/b.png", &grey((1, 3), 8, &[0, 1, 0, 1, 0, 1]));
    assert_refused(&second, "expected 1×3 pixels, as", || samples.get(1));
    std::fs::remove_file(&second).unwrap();
    assert_refused(&second, "cannot be read", || samples.get(1));
    assert_refused(&images.join("b.bmp"), "expected a mask of the same name", || list(OnBroken::Fail));
    let skipped = list(OnBroken::Skip).unwrap();
    assert_eq!((skipped.entries.len(), skipped.skipped.len()), (1, 1));

    let twin = folder.write("masks/a.bmp", &bmp(3, 1, &[9; 12]));
    assert_refused(
        &masks.join("a.png"),
        &format!("expected one mask a name; found also {}", twin.display()),
        || list(OnBroken::Fail),
    );
    std::fs::remove_file(twin).unwrap();
    assert!(read(&images, &masks, &[], OnBroken::Fail, &Limits::default()).is_err());
    assert!(read(&images, &masks, &names(256), OnBroken::Fail, &Limits::default()).is_err());
    let empty = folder.make("empty");
    assert_refused(&empty, "expected images with masks; found none", || {
        read(&empty, &masks, &names(2), OnBroken::Fail, &Limits::default())
    });
    let missing = folder.path().join("nowhere");
    assert_refused(&missing, "cannot be read", || {
        read(&images, &missing, &names(2), OnBroken::Fail, &Limits::default())
    });
    let few = Limits { files: 3, ..Limits::default() };
    assert_refused(&images, "over the limit `files`", || {
        read(&images, &masks, &names(2), OnBroken::Fail, &few)
    });
}
