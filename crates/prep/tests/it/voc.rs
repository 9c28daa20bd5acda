//! Pascal VOC's XML: honest files, and files that lie.

use fornax_prep::Limits;
use fornax_prep::image::folder::OnBroken;
use fornax_prep::image::voc::{VocSpec, read};
use fornax_prep::image::{Channels, Samples};

use crate::support::{Folder, assert_refused, bmp};

fn object(name: &str, [x0, y0, x1, y1]: [&str; 4], more: &str) -> String {
    format!(
        "<object><name>{name}</name>{more}<bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax>\
         <ymax>{y1}</ymax></bndbox></object>"
    )
}

fn xml(objects: &str) -> String {
    format!(
        "<annotation><filename>a.bmp</filename><size><width>8</width><height>6</height><depth>3</depth></size>\
         {objects}</annotation>"
    )
}

/// A folder with one image of 6 × 8.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("JPEGImages/a.bmp", &bmp(8, 6, &[200; 24 * 6]));
    folder
}

#[test]
fn pixels_counted_from_one_become_edges_and_classes_are_numbered_by_name() {
    let folder = folder();
    let objects = object("dog", ["1", "1", "8", "6"], "")
        + &object("cat", ["3", "2", "3", "4"], "<difficult>1</difficult>");
    folder.write("Annotations/x.xml", xml(&objects).as_bytes());
    folder.write("Annotations/y.xml", xml(&object("ant", ["1", "1", "2", "2"], "")).as_bytes());
    folder.write("Annotations/notes.txt", b"no annotation");
    let listing = read(folder.path(), &VocSpec::default(), &Limits::default()).unwrap();
    assert_eq!(listing.class_names, ["ant", "cat", "dog"]);
    let samples = listing.samples(Channels::Rgb, &Limits::default());
    let sample = samples.get(0).unwrap();
    let [dog, cat] = &sample.objects[..] else { panic!("{:?}", sample.objects) };
    assert_eq!((dog.bounds.corners(), dog.class, dog.crowd), ([0.0, 0.0, 8.0, 6.0], 2, false));
    assert_eq!((cat.bounds.corners(), cat.class, cat.crowd), ([2.0, 1.0, 3.0, 4.0], 1, true));
    assert_eq!(samples.get(1).unwrap().objects[0].class, 0);

    folder.write("ImageSets/Main/val.txt", b"y  1\n\n");
    let only = VocSpec {
        image_set: Some("val".to_owned()),
        class_names: Some(vec!["dog".to_owned(), "ant".to_owned()]),
        ..VocSpec::default()
    };
    let listing = read(folder.path(), &only, &Limits::default()).unwrap();
    assert_eq!((listing.entries.len(), listing.entries[0].objects[0].class), (1, 1));
}

#[test]
fn malformed_annotations_are_refused_by_file_and_element() {
    let good = ["2", "2", "4", "4"];
    let inside = "bndbox: expected a box of positive width and height inside the image of 8×6";
    let of = |corners: [&str; 4]| xml(&object("cat", corners, ""));
    let deep = format!("{}{}", "<a>".repeat(100_001), "</a>".repeat(100_001));
    let cases: Vec<(String, &str)> = vec![
        ("<annotation>".to_owned(), "is not valid VOC XML"),
        ("no xml".to_owned(), "is not valid VOC XML"),
        ("<html></html>".to_owned(), "expected an element <annotation>; found <html>"),
        ("<annotation/>".to_owned(), "size: expected this element; found none"),
        (
            xml("")
                .replace("<depth>", "<width>")
                .replace("</depth>", "</width>")
                .replace("<height>6</height>", ""),
            "height: expected this element",
        ),
        (xml("").replace('8', "eight"), "width: expected a finite number; found \"eight\""),
        (xml("").replace('8', "0"), "size/width: expected a whole number of at least 1; found 0"),
        (xml("").replace('8', "2.5"), "size/width: expected a whole number of at least 1; found 2.5"),
        (xml("").replace('8', "-8"), "size/width: expected a whole number of at least 1; found -8"),
        (xml("").replace('8', "NaN"), "width: expected a finite number; found \"NaN\""),
        (xml("").replace(['8', '6'], "65535"), "over the limit `image_pixels`"),
        (xml("").replace("a.bmp", "../../a.bmp"), "filename: expected an image's name"),
        (xml("").replace("a.bmp", "/etc/passwd"), "filename: expected an image's name"),
        (xml("").replace("a.bmp", "a.xml"), "filename: expected an image's name"),
        (xml("").replace("a.bmp", " "), "filename: expected a text; found none"),
        (of(["4", "2", "2", "4"]), inside),
        (of(["2", "4", "4", "2"]), inside),
        (of(["2", "2", "20", "4"]), inside),
        (of(["-9", "2", "4", "4"]), inside),
        (of(["2", "2", "nan", "4"]), "object[0]/bndbox/xmax: expected a finite number; found \"nan\""),
        (of(["2", "2", "inf", "4"]), "object[0]/bndbox/xmax: expected a finite number; found \"inf\""),
        (of(["2", "2", "1e999", "4"]), "object[0]/bndbox/xmax: expected a finite number"),
        (of(["2", "", "4", "4"]), "object[0]/bndbox/ymin: expected a text; found none"),
        (of(good).replace("<xmin>2</xmin>", ""), "object[0]/bndbox/xmin: expected this element; found none"),
        (of(good).replace("bndbox", "box"), "object[0]/bndbox: expected this element; found none"),
        (of(good).replace("<name>cat</name>", ""), "object[0]/name: expected this element; found none"),
        (
            xml(&(object("cat", good, "") + &object("", good, ""))),
            "object[1]/name: expected a text; found none",
        ),
        (
            r#"<!DOCTYPE a [<!ENTITY x "yyyyyyyy"><!ENTITY z "&x;&x;&x;&x;">]><annotation>&z;</annotation>"#
                .to_owned(),
            "is not valid VOC XML",
        ),
        (xml(&deep), "over the limit `nodes`: allowed 100000; found 100001"),
        (xml(&object("cat", good, ""))[..150].to_owned(), "is not valid VOC XML"),
    ];
    for (text, reason) in &cases {
        let folder = folder();
        let path = folder.write("Annotations/x.xml", text.as_bytes());
        assert_refused(&path, reason, || read(folder.path(), &VocSpec::default(), &Limits::default()));
    }
    assert!(cases.len() >= 15);
}

#[test]
fn files_and_lists_that_are_not_there_are_named() {
    let folder = folder();
    let read_all = || read(folder.path(), &VocSpec::default(), &Limits::default());
    assert_refused(&folder.path().join("Annotations"), "cannot be read", read_all);
    folder.make("Annotations");
    assert_refused(folder.path(), "expected at least one annotation that can be used; found none", read_all);
    let path = folder.write("Annotations/x.xml", b"\xff\xfe\0");
    assert_refused(&path, "is not valid VOC XML: invalid utf-8", read_all);
    folder.write("Annotations/x.xml", xml("").replace("a.bmp", "b.bmp").as_bytes());
    assert_refused(&folder.path().join("JPEGImages/b.bmp"), "cannot be read", read_all);

    let list = |name: &str| VocSpec { image_set: Some(name.to_owned()), ..VocSpec::default() };
    let read_list = |name: &str| read(folder.path(), &list(name), &Limits::default());
    assert_refused(&folder.path().join("ImageSets/Main/val.txt"), "cannot be read", || read_list("val"));
    let path = folder.write("ImageSets/Main/val.txt", b"x\n../../../secret\n");
    assert_refused(&path, "line 2: expected the name of an annotation", || read_list("val"));
    assert!(
        read_list("../../x").unwrap_err().to_string().starts_with("image_set: expected the name of a list")
    );

    let path = folder.write("Annotations/x.xml", xml(&object("cat", ["1", "1", "2", "2"], "")).as_bytes());
    let known = VocSpec { class_names: Some(vec!["dog".to_owned()]), ..VocSpec::default() };
    assert_refused(&path, "object/name: expected one of the class names given; found \"cat\"", || {
        read(folder.path(), &known, &Limits::default())
    });
    let one = Limits { files: 0, ..Limits::default() };
    assert_refused(&folder.path().join("Annotations"), "over the limit `files`", || {
        read(folder.path(), &VocSpec::default(), &one)
    });
}

#[test]
fn a_broken_file_can_be_skipped_and_is_reported() {
    let folder = folder();
    folder.write("Annotations/x.xml", b"<annotation>");
    folder.write("Annotations/y.xml", xml(&object("cat", ["1", "1", "2", "2"], "")).as_bytes());
    let spec = VocSpec { on_broken: OnBroken::Skip, ..VocSpec::default() };
    let listing = read(folder.path(), &spec, &Limits::default()).unwrap();
    assert_eq!((listing.entries.len(), listing.skipped.len()), (1, 1));
    assert!(listing.skipped[0].to_string().contains("x.xml"));
}
