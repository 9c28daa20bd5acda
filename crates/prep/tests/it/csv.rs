//! Images as lines of text.

use fornax_prep::Limits;
use fornax_prep::image::ImageSet;
use fornax_prep::image::csv::{CsvSpec, LabelColumn, read};

use crate::support::{Folder, assert_refused, gzip, gzip_bomb};

fn good(text: &str) -> ImageSet {
    let folder = Folder::new();
    read(&folder.write("a.csv", text.as_bytes()), &CsvSpec::default(), &Limits::default()).unwrap()
}

#[test]
fn the_label_is_found_by_header_by_place_or_by_content() {
    for text in [
        "label,a,b,c,d\n7,0,5,10,20\n3,20,0,0,0\n",
        "a,b,c,d,class\n0,5,10,20,7\n20,0,0,0,3\n",
        "0,5,10,20,7\n20,0,0,0,3\n",
        "\u{feff}\"pixel0\";\"b\";\"c\";\"d\";\"Target\"\r\n0;5;10;20;7\r\n\r\n20;0;0;0;3",
        "0\t5\t10\t20\t7\n20\t0\t0\t0\t3",
    ] {
        let set = good(text);
        assert_eq!((set.labels(), set.shape()), (&[1, 0][..], [1, 2, 2]), "{text}");
        assert_eq!(set.class_names(), ["3", "7"]);
        assert_eq!(set.gather(&[0]).pixels, [0.0, 0.25, 0.5, 1.0]);
    }
    // As MNIST is often passed round: the label first, no header, the last pixel black in every image.
    let set = good("7,0,5,10,0\n3,10,0,0,0\n");
    assert_eq!((set.labels(), &set.gather(&[1]).pixels[..]), (&[1, 0][..], &[1.0, 0.0, 0.0, 0.0][..]));
}

#[test]
fn labels_are_numbers_in_order_or_words_in_order() {
    assert_eq!(good("1,10\n1,9\n1,100\n").class_names(), ["9", "10", "100"]);
    let words = good("1,dog\n1,cat\n1,dog\n");
    assert_eq!(
        (words.class_names(), words.labels()),
        (&["cat".to_owned(), "dog".to_owned()][..], &[1, 0, 1][..])
    );
}

#[test]
fn three_squares_are_colour_and_a_shape_is_obeyed() {
    assert_eq!(good("1,2,3,0\n4,5,6,1\n").shape(), [3, 1, 1]);
    let folder = Folder::new();
    let path = folder.write("wide", b"1,2,3,4,5,6,0\n1,2,3,4,5,6,1\n");
    let spec = CsvSpec { shape: Some([1, 2, 3]), white: Some(2.0), ..CsvSpec::default() };
    let set = read(&path, &spec, &Limits::default()).unwrap();
    assert_eq!((set.shape(), set.gather(&[0]).pixels[5]), ([1, 2, 3], 3.0));
}

#[test]
fn malformed_files_are_refused_with_their_line() {
    let folder = Folder::new();
    for (name, bytes, reason) in [
        ("empty", &b""[..], "found an empty file"),
        ("blank", b"\n\n\n", "expected lines of pixels and a label; found only a header or empty lines"),
        ("header only", b"label,a,b,c,d\n", "found only a header or empty lines"),
        (
            "ragged",
            b"1,2,3,4,0\n1,2,3,4,5,1\n",
            "line 2: expected 5 columns, as in the lines before; found 6",
        ),
        ("short last line", b"1,2,3,4,0\n1,2", "line 2: expected 5 columns, as in the lines before; found 2"),
        (
            "NaN",
            b"1,2,NaN,4,0\n",
            "line 1: expected a finite number of at least 0 in column 3; found \"NaN\"",
        ),
        ("infinite", b"1,2,3,4,0\n\n1,2,inf,4,0\n", "line 3: expected a finite number"),
        ("overflow", b"1,2,1e39,4,0\n", "in column 3; found \"1e39\""),
        ("negative", b"1,-2,3,4,0\n", "in column 2; found \"-2\""),
        (
            "word",
            b"1,2,3,4,0\n1,two,3,4,0\n",
            "line 2: expected a finite number of at least 0 in column 2; found \"two\"",
        ),
        (
            "word in an outer column",
            b"1,2,3,4,0\n1,2,3,4,1\nx,2,3,4,1\n",
            "line 3: expected a finite number of at least 0 in column 1; found \"x\"",
        ),
        ("nothing between commas", b"1,,3,4,0\n", "in column 2; found \"\""),
        (
            "no label",
            b"1,2,3,4,0\n1,2,3,4,\n",
            "line 2: expected a label that is a word or a whole number of at least 0; found \"\"",
        ),
        ("a fraction for a label", b"1,2,3,4,0\n1,2,3,4,0.5\n", "line 2: expected a label"),
        ("a negative label", b"1,2,3,4,-1\n1,2,3,4,0\n", "line 1: expected a label"),
        (
            "other bytes",
            b"1,2,3,4,0\n1,2,\xff\xfe,4,0\n",
            "line 2: expected UTF-8 text; found other bytes from position 4",
        ),
        ("zero bytes", b"1,2,3,4,0\n\0\0\0\0", "line 2: expected 5 columns"),
        ("no separator", b"12\n34\n", "line 1: expected values separated by commas, semicolons or tabs"),
        (
            "no square",
            b"1,2,3,4,5,0\n",
            "expected a square number of pixels a line, or three times one; found 5",
        ),
        ("black", b"0,0,0,0,1\n0,0,0,0,2\n", "expected pixels above 0; found only zeros"),
    ] {
        let path = folder.write(name, bytes);
        assert_refused(&path, reason, || read(&path, &CsvSpec::default(), &Limits::default()));
    }
    let path = folder.path().join("missing");
    assert_refused(&path, "cannot be read", || read(&path, &CsvSpec::default(), &Limits::default()));
    assert_refused(folder.path(), "found a folder", || {
        read(folder.path(), &CsvSpec::default(), &Limits::default())
    });
}

#[test]
fn limits_hold_while_reading() {
    let folder = Folder::new();
    let path = folder.write("bomb", &gzip_bomb(b"1,2,3,4,0\n", 64 << 20));
    assert_refused(&path, "over the limit `line_bytes`", || {
        read(&path, &CsvSpec::default(), &Limits::default())
    });
    let path = folder.write("lines of a bomb", &gzip("1,2,3,4,0\n".repeat(1 << 20).as_bytes()));
    let limits = Limits { inflation: 100, ..Limits::default() };
    assert_refused(&path, "over the limit `inflation`", || read(&path, &CsvSpec::default(), &limits));

    let rows: String = (0..2000).map(|row| format!("1,2,3,4,{row}\n")).collect();
    let path = folder.write("rows", rows.as_bytes());
    let limits = Limits { set_bytes: 10_000, ..Limits::default() };
    assert_refused(&path, "over the limit `set_bytes`: allowed 10000", || {
        read(&path, &CsvSpec::default(), &limits)
    });
    let limits = Limits { classes: 100, ..Limits::default() };
    let spec = CsvSpec { label: LabelColumn::Last, ..CsvSpec::default() };
    assert_refused(&path, "over the limit `classes`: allowed 100; found 101", || read(&path, &spec, &limits));
    let spec = CsvSpec { shape: Some([1, usize::MAX, 2]), ..CsvSpec::default() };
    assert_refused(&path, "pixels a line; found 4 pixels", || read(&path, &spec, &Limits::default()));
}

#[test]
fn a_white_that_is_none_is_refused_by_name() {
    for white in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let spec = CsvSpec { white: Some(white), ..CsvSpec::default() };
        let error = read(std::path::Path::new("any"), &spec, &Limits::default()).unwrap_err();
        assert!(error.to_string().starts_with("white: expected a finite number above 0"), "{error}");
    }
}
