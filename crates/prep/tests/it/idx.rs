//! MNIST's format.

use std::path::Path;

use fornax_prep::image::idx::{Pair, find, read, read_folder, read_with_classes};
use fornax_prep::{Error, Limits};

use crate::support::{Folder, assert_refused, gzip, gzip_bomb, idx};

const IMAGES: &str = "train-images-idx3-ubyte";
const LABELS: &str = "train-labels-idx1-ubyte";

fn images() -> Vec<u8> {
    idx(8, &[3, 2, 2], &(0..12).map(|i| i * 20).collect::<Vec<u8>>())
}

fn labels() -> Vec<u8> {
    idx(8, &[3], &[2, 0, 1])
}

fn pair(images: &Path, labels: &Path) -> Pair {
    Pair { images: images.to_owned(), labels: labels.to_owned() }
}

#[test]
fn a_pair_is_read_plain_or_gzip_whatever_its_names_say() {
    let folder = Folder::new();
    let [a, b] = [folder.write("a", &images()), folder.write("b", &gzip(&labels()))];
    let set = read(&pair(&a, &b), &Limits::default()).unwrap();
    assert_eq!((set.len(), set.shape(), set.labels()), (3, [1, 2, 2], &[2, 0, 1][..]));
    assert_eq!(set.class_names(), ["0", "1", "2"]);
    assert_eq!(set.gather(&[1]).pixels[0], 80.0 / 255.0);
}

#[test]
fn a_folder_is_read_under_all_its_usual_names() {
    for [train, test] in [
        ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"],
        ["train-images.idx3-ubyte", "t10k-images.idx3-ubyte"],
        ["emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-test-images-idx3-ubyte.gz"],
    ] {
        let folder = Folder::new();
        for name in [train, test] {
            folder.write(name, &gzip(&images()));
            folder.write(&name.replace("images", "labels").replace("idx3", "idx1"), &labels());
        }
        let (set, split) = read_folder(folder.path(), &Limits::default()).unwrap();
        let split = split.unwrap();
        assert_eq!((set.len(), split.train, split.test), (6, vec![0, 1, 2], vec![3, 4, 5]), "{train}");
    }
    let folder = Folder::new();
    folder.write("images-idx3-ubyte", &images());
    folder.write("labels-idx1-ubyte", &labels());
    folder.write("images-idx3-ubyte.gz", b"not even gzip, but the plain file comes first");
    folder.write("readme.txt", b"about");
    let (set, split) = read_folder(folder.path(), &Limits::default()).unwrap();
    assert_eq!((set.len(), split), (3, None));
}

#[test]
fn folders_without_a_clear_pair_are_refused() {
    let folder = Folder::new();
    let find = |folder: &Folder| find(folder.path(), &Limits::default());
    assert_refused(folder.path(), "expected files named like train-images-idx3-ubyte", || find(&folder));
    let lonely = folder.write(IMAGES, &images());
    assert_refused(&lonely, "expected its labels beside it; found none", || find(&folder));
    folder.write(LABELS, &labels());
    assert!(find(&folder).is_ok());
    folder.write("fashion-images-idx3-ubyte", &images());
    folder.write("fashion-labels-idx1-ubyte", &labels());
    let path = folder.path().join("fashion-images-idx3-ubyte");
    assert_refused(&path, "a further pair that is neither", || find(&folder));
    folder.write("a-train-images-idx3-ubyte", &images());
    folder.write("a-train-labels-idx1-ubyte", &labels());
    assert_refused(&folder.path().join(IMAGES), "found also", || find(&folder));
    let path = folder.path().join("missing");
    assert_refused(&path, "cannot be read", || fornax_prep::image::idx::find(&path, &Limits::default()));
}

#[test]
fn malformed_images_are_refused() {
    let folder = Folder::new();
    let labels = folder.write("labels", &labels());
    let max = u32::MAX;
    for (name, bytes, reason) in [
        ("empty", vec![], "found an empty file"),
        (
            "three bytes",
            images()[..3].to_vec(),
            "ends too early: expected 4 bytes of the IDX header; found 3",
        ),
        (
            "header cut",
            images()[..9].to_vec(),
            "ends too early: expected 12 bytes of the IDX header; found 5",
        ),
        ("cut", images()[..20].to_vec(), "ends too early: expected 12 bytes of images; found 4"),
        ("one more", [images(), vec![0]].concat(), "goes on after its end: expected 12 bytes of images"),
        ("text", b"P5 28 28 255".to_vec(), "expected an IDX file; found something that begins with \"P5 2\""),
        ("floats", idx(13, &[1, 1, 1], &[0; 4]), "found 32-bit floats (type 0x0d)"),
        ("unknown type", idx(10, &[1, 1, 1], &[0; 4]), "found an unknown type (type 0x0a)"),
        ("labels", idx(8, &[3], &[2, 0, 1]), "expected IDX data of 3 dimensions; found 1 dimensions"),
        ("no dimensions", idx(8, &[], &[]), "expected IDX data of 3 dimensions; found 0 dimensions"),
        ("count too large", idx(8, &[4, 2, 2], &[0; 12]), "expected 16 bytes of images; found 12"),
        ("no image", idx(8, &[0, 2, 2], &[]), "expected dimensions of at least 1; found [0, 2, 2]"),
        ("no width", idx(8, &[3, 2, 0], &[]), "expected dimensions of at least 1"),
        ("overflow", idx(8, &[max, max, max], &[0; 12]), "over the limit `set_bytes`"),
        ("overflow of 64 bits", idx(8, &[max, max, 2], &[0; 12]), "over the limit `set_bytes`"),
        (
            "4 GB",
            idx(8, &[1, 65_535, 65_535], &[0; 12]),
            "ends too early: expected 4294836225 bytes of images",
        ),
        ("gzip cut", gzip(&images())[..20].to_vec(), "ends too early"),
        ("gzip of less", gzip(&idx(8, &[4, 2, 2], &[0; 12])), "expected 16 bytes of images; found 12"),
        (
            "gzip of more",
            gzip_bomb(&images(), 32 << 20),
            "goes on after its end: expected 12 bytes of images",
        ),
        ("bomb", gzip_bomb(&idx(8, &[64, 1 << 10, 1 << 10], &[]), 64 << 20), "over the limit `inflation`"),
        ("4 GB of gzip", gzip(&idx(8, &[1, 65_535, 65_535], &[0; 12])), "over the limit `inflation`"),
    ] {
        let path = folder.write(name, &bytes);
        assert_refused(&path, reason, || read(&pair(&path, &labels), &Limits::default()));
    }
    let path = folder.path().join("missing");
    assert_refused(&path, "cannot be read", || read(&pair(&path, &labels), &Limits::default()));
    assert_refused(folder.path(), "found a folder", || {
        read(&pair(folder.path(), &labels), &Limits::default())
    });
}

#[test]
fn malformed_labels_are_refused() {
    let folder = Folder::new();
    let images = folder.write("images", &images());
    for (name, bytes, reason) in [
        ("fewer", idx(8, &[2], &[0, 1]), "expected 3 labels, as many as"),
        ("more", idx(8, &[4], &[0, 1, 2, 3]), "expected 3 labels, as many as"),
        ("cut", idx(8, &[3], &[0, 1]), "expected 3 bytes of labels; found 2"),
        ("one more", idx(8, &[3], &[0, 1, 2, 3]), "goes on after its end: expected 3 bytes of labels"),
        ("integers", idx(12, &[3], &[0; 12]), "found 32-bit integers (type 0x0c)"),
        ("images", idx(8, &[3, 1, 1], &[0; 3]), "expected IDX data of 1 dimensions; found 3 dimensions"),
        ("4 G labels", idx(8, &[u32::MAX], &[0; 3]), "ends too early: expected 4294967295 bytes of labels"),
        ("none", idx(8, &[0], &[]), "expected dimensions of at least 1"),
    ] {
        let path = folder.write(name, &bytes);
        assert_refused(&path, reason, || read(&pair(&images, &path), &Limits::default()));
    }
    let path = folder.write("labels", &labels());
    let names = ["zero".to_owned(), "one".to_owned()];
    assert_refused(&path, "label 0 (counted from 0): expected a class below 2; found 2", || {
        read_with_classes(&pair(&images, &path), &names, &Limits::default())
    });
    let names = [&names[..], &["two".to_owned(), "never".to_owned()]].concat();
    let set: Result<_, Error> = read_with_classes(&pair(&images, &path), &names, &Limits::default());
    assert_eq!(set.unwrap().class_names(), names);
}
