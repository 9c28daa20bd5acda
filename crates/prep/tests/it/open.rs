//! What a path is, found out by looking.

use std::path::Path;

use fornax_prep::image::{Channels, ImageSpec, OpenSpec, Opened, open};
use fornax_prep::{Error, Limits, Split};

use crate::support::{Folder, assert_refused, bmp, gzip, idx};

fn look(path: &Path) -> Result<Opened, Error> {
    open(path, &OpenSpec::new(ImageSpec::new(Channels::Rgb).with_size(4, 6)), &Limits::default())
}

#[test]
fn every_kind_of_data_becomes_the_same_kind_of_set() {
    let folder = Folder::new();
    let images = idx(8, &[2, 2, 2], &[0, 50, 100, 150, 255, 255, 255, 255]);
    let labels = gzip(&idx(8, &[2], &[1, 0]));
    for part in ["train", "t10k"] {
        folder.write(&format!("mnist/{part}-images-idx3-ubyte"), &images);
        folder.write(&format!("mnist/{part}-labels-idx1-ubyte.gz"), &labels);
    }
    folder.write("classes/a/x.bmp", &bmp(2, 2, &[9; 16]));
    folder.write("classes/b/y", &bmp(5, 1, &[200; 16]));
    folder.write("table", b"1,2,3,4,cat\n4,3,2,1,dog\n");
    for (name, count, split) in [
        ("mnist", 4, Some(Split { train: vec![0, 1], test: vec![2, 3] })),
        ("mnist/train-images-idx3-ubyte", 2, None),
        ("mnist/t10k-labels-idx1-ubyte.gz", 2, None),
        ("classes", 2, None),
        ("table", 2, None),
    ] {
        let opened = look(&folder.path().join(name)).unwrap();
        assert_eq!((opened.set.len(), opened.set.shape(), opened.split), (count, [3, 4, 6], split), "{name}");
        assert_eq!(opened.set.num_classes(), 2, "{name}");
        let pixels = opened.set.gather(&[0]).pixels;
        let channels: Vec<&[f32]> = pixels.chunks(24).collect();
        assert!(channels[0] == channels[1] && channels[1] == channels[2], "grey stays grey: {name}");
    }
}

#[test]
fn what_is_none_of_them_is_told_what_was_expected_and_found() {
    let folder = Folder::new();
    assert_refused(folder.path(), "expected a folder of images for each class, an IDX pair", || {
        look(folder.path())
    });
    folder.write("c.txt", b"x");
    folder.write("b.txt", b"x");
    assert_refused(folder.path(), "found a folder of files such as b.txt, c.txt", || look(folder.path()));
    let path = folder.write("a.bmp", &bmp(2, 2, &[9; 16]));
    assert_refused(&path, "found a single image (bmp)", || look(&path));
    let path = folder.write("archive", b"PK\x03\x04\0\0\0\0");
    assert_refused(&path, "found a file that begins with 50 4b 03 04", || look(&path));
    let path = folder.write("prose", b"just some words");
    assert_refused(&path, "line 1: expected values separated by commas", || look(&path));
    let path = folder.write("broken", &gzip(b"1,2\n")[..6]);
    assert_refused(&path, "is not valid gzip", || look(&path));
    let path = folder.write("other name", &idx(8, &[1, 2, 2], &[0; 4]));
    assert_refused(&path, "found an IDX file of another name", || look(&path));
    let path = folder.write("train-images-idx3-ubyte", &idx(8, &[1, 2, 2], &[0; 4]));
    assert_refused(&path, "found no partner", || look(&path));
    let path = folder.path().join("missing");
    assert_refused(&path, "cannot be read", || look(&path));
}
