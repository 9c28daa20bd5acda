//! COCO's JSON: honest files, and files that lie.

use std::path::PathBuf;

use fornax_prep::image::coco::read;
use fornax_prep::image::folder::OnBroken;
use fornax_prep::image::{Channels, Samples};
use fornax_prep::{Limits, Problem};

use crate::support::{Folder, assert_refused, bmp};

const CATEGORIES: &str = r#"[{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]"#;

fn json(images: &str, categories: &str, annotations: &str) -> String {
    format!(
        r#"{{"info": {{"year": 2026}}, "images": {images}, "categories": {categories}, "annotations": {annotations}}}"#
    )
}

fn image(id: i64, name: &str) -> String {
    format!(r#"{{"id": {id}, "file_name": "{name}", "height": 6, "width": 8, "license": 1}}"#)
}

fn annotation(id: i64, image: i64, category: i64, bbox: &str) -> String {
    format!(
        r#"{{"id": {id}, "image_id": {image}, "category_id": {category}, "bbox": {bbox}, "segmentation": []}}"#
    )
}

/// A folder with one image of 6 × 8 and a file of annotations.
fn scene(text: &str) -> (Folder, PathBuf) {
    let folder = Folder::new();
    folder.write("images/a.bmp", &bmp(8, 6, &[200; 24 * 6]));
    let path = folder.write("instances.json", text.as_bytes());
    (folder, path)
}

#[test]
fn boxes_classes_crowds_and_keypoints_come_as_written() {
    let full = r#"{"id": 2, "image_id": 4, "category_id": 7, "bbox": [-0.5, 1, 3, 2.25], "iscrowd": 1,
        "keypoints": [1, 2, 2, 3, 4, 1, 0, 0, 0]}"#;
    let annotations = format!("[{}, {full}]", annotation(1, 4, 3, "[2, 1.5, 4, 4.5]"));
    let (folder, path) = scene(&json(&format!("[{}]", image(4, "a.bmp")), CATEGORIES, &annotations));
    let listing = read(&path, &folder.path().join("images"), OnBroken::Fail, &Limits::default()).unwrap();
    assert_eq!(listing.class_names, ["cat", "dog"]);
    let samples = listing.samples(Channels::Grey, &Limits::default());
    let sample = samples.get(0).unwrap();
    assert_eq!(sample.image.size(), [6, 8]);
    let [first, second] = &sample.objects[..] else { panic!("{:?}", sample.objects) };
    assert_eq!((first.bounds.corners(), first.class, first.crowd), ([2.0, 1.5, 6.0, 6.0], 0, false));
    assert_eq!((second.bounds.corners(), second.class, second.crowd), ([0.0, 1.0, 2.5, 3.25], 1, true));
    let visible: Vec<bool> = second.keypoints.iter().map(|point| point.visible).collect();
    assert_eq!((visible, second.keypoints[1].y), (vec![true, true, false], 4.0));
    assert!(samples.get(1).unwrap_err().to_string().starts_with("index: expected a number below 1"));
}

#[test]
fn malformed_annotations_are_refused_by_file_and_field() {
    let images = format!("[{}]", image(4, "a.bmp"));
    let with_box = |bbox: &str| json(&images, CATEGORIES, &format!("[{}]", annotation(1, 4, 3, bbox)));
    let with_image = |record: &str| json(&format!("[{record}]"), CATEGORIES, "[]");
    let inside = "bbox: expected a box of positive width and height inside the image of 8×6";
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: Vec<(String, &str)> = vec![
        ("{".to_owned(), "is not valid COCO JSON"),
        ("[]".to_owned(), "is not valid COCO JSON"),
        (r#"{"images": []}"#.to_owned(), "missing field `categories`"),
        (json("[]", CATEGORIES, "[]"), "images: expected at least one image that can be used; found none"),
        (json(&images, "[]", "[]"), "categories: expected at least one; found none"),
        (
            json(&images, r#"[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]"#, "[]"),
            "categories[1].id: expected ids",
        ),
        (
            json(&images, r#"[{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]"#, "[]"),
            "categories[1].name: expected",
        ),
        (json(&images, r#"[{"id": 1, "name": ""}]"#, "[]"), "categories[0].name: expected names"),
        (json(&images, r#"[{"id": "1", "name": "a"}]"#, "[]"), "invalid type: string"),
        (with_box("[5, 1, -2, 2]"), inside),
        (with_box("[5, 1, 0, 2]"), inside),
        (with_box("[100, 100, 2, 2]"), inside),
        (with_box("[-3, 1, 5, 2]"), inside),
        (with_box("[1, 1, 2]"), "annotations[0].bbox: expected 4 numbers; found 3"),
        (with_box("[1, 1, 2, 2, 2]"), "annotations[0].bbox: expected 4 numbers; found 5"),
        (with_box("[1, 1, 1e999, 2]"), "number out of range"),
        (with_box("[1, 1, 1e300, 2]"), inside),
        (with_box("[1, NaN, 2, 2]"), "is not valid COCO JSON"),
        (with_box("[1, null, 2, 2]"), "invalid type: null"),
        (
            json(&images, CATEGORIES, &format!("[{}]", annotation(1, 5, 3, "[1, 1, 2, 2]"))),
            "image_id: expected the id",
        ),
        (
            json(&images, CATEGORIES, &format!("[{}]", annotation(1, 4, 9, "[1, 1, 2, 2]"))),
            "category_id: expected",
        ),
        (
            json(&images, CATEGORIES, &format!("[{0}, {0}]", annotation(1, 4, 3, "[1, 1, 2, 2]"))),
            "annotations[1].id: expected ids that differ; found 1",
        ),
        (
            with_box("[1, 1, 2, 2]").replace(r#""segmentation": []"#, r#""keypoints": [1, 2]"#),
            "annotations[0].keypoints: expected three numbers a point; found 2",
        ),
        (
            with_box("[1, 1, 2, 2]").replace(r#""segmentation": []"#, r#""keypoints": [1e300, 2, 2]"#),
            "annotations[0].keypoints: expected numbers that f32 can hold",
        ),
        (
            with_image(&format!("{0}, {0}", image(4, "a.bmp"))),
            "images[1].id: expected ids that differ; found 4",
        ),
        (with_image(&image(4, "../instances.json")), "images[0].file_name: expected a file name below"),
        (with_image(&image(4, "/etc/passwd")), "images[0].file_name: expected a file name below"),
        (with_image(&image(4, "")), "images[0].file_name: expected a file name below"),
        (
            with_image(&image(4, "a.bmp").replace("6,", "0,")),
            "images[0]: expected a height and width of at least 1",
        ),
        (with_image(&image(4, "a.bmp").replace("6,", "-6,")), "invalid value: integer `-6`"),
        (
            with_image(&image(4, "a.bmp").replace("6,", "65535,").replace('8', "65535")),
            "over the limit `image_pixels`: allowed 50000000; found 4294836225",
        ),
        (
            with_image(&image(4, "a.bmp").replace('8', "18446744073709551615")),
            "over the limit `image_pixels`",
        ),
        (with_box(&deep), "over the limit `json_nesting`: allowed 64; found 65"),
        (
            with_box("[1, 1, 2, 2]").replace(r#""segmentation": []"#, &format!(r#""x": {deep}"#)),
            "limit `json_nesting`",
        ),
        (with_box("[1, 1, 2, 2]")[..200].to_owned(), "EOF while parsing"),
        (with_box("[1, 1, 2, 2]") + "x", "trailing characters"),
    ];
    for (text, reason) in &cases {
        let (folder, path) = scene(text);
        assert_refused(&path, reason, || {
            read(&path, &folder.path().join("images"), OnBroken::Fail, &Limits::default())
        });
    }
    assert!(cases.len() >= 15);
}

#[test]
fn an_image_that_is_missing_is_named() {
    let (folder, path) = scene(&json(&format!("[{}]", image(4, "b.bmp")), CATEGORIES, "[]"));
    let images = folder.path().join("images");
    assert_refused(&images.join("b.bmp"), "cannot be read", || {
        read(&path, &images, OnBroken::Fail, &Limits::default())
    });
    let binary = folder.write("binary.json", b"\xff\xfe{\0}");
    assert_refused(&binary, "is not valid COCO JSON", || {
        read(&binary, &images, OnBroken::Fail, &Limits::default())
    });
    let small = Limits { file_bytes: 100, ..Limits::default() };
    assert_refused(&path, "over the limit `file_bytes`", || read(&path, &images, OnBroken::Fail, &small));
}

#[test]
fn an_image_of_another_size_than_announced_is_refused_when_it_is_read() {
    let wrong = image(4, "a.bmp").replace("6,", "7,");
    let (folder, path) = scene(&json(&format!("[{wrong}]"), CATEGORIES, "[]"));
    let images = folder.path().join("images");
    let listing = read(&path, &images, OnBroken::Fail, &Limits::default()).unwrap();
    let samples = listing.samples(Channels::Rgb, &Limits::default());
    assert_refused(&images.join("a.bmp"), "expected 7×8 pixels, as its annotation says; found 6×8", || {
        samples.get(0)
    });
}

#[test]
fn what_is_broken_can_be_skipped_and_is_reported() {
    let images = format!("[{}, {}]", image(4, "a.bmp"), image(5, "lost.bmp"));
    let annotations = [
        annotation(1, 4, 3, "[1, 1, 2, 2]"),
        annotation(2, 4, 3, "[1, 1, -2, 2]"),
        annotation(3, 5, 3, "[1, 1, 2, 2]"),
        annotation(4, 4, 8, "[1, 1, 2, 2]"),
    ];
    let (folder, path) = scene(&json(&images, CATEGORIES, &format!("[{}]", annotations.join(", "))));
    let listing = read(&path, &folder.path().join("images"), OnBroken::Skip, &Limits::default()).unwrap();
    assert_eq!((listing.entries.len(), listing.entries[0].objects.len()), (1, 1));
    let reasons: Vec<String> = listing.skipped.iter().map(ToString::to_string).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(
        reasons[0].contains("lost.bmp")
            && reasons[1].contains("annotations[1]")
            && reasons[2].contains("annotations[3]")
    );
    assert!(matches!(listing.skipped[1].problem(), Some(Problem::Field { .. })));
}
