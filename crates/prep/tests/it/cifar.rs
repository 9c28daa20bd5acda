//! CIFAR's binary files: honest ones, and ones that lie.

use fornax_prep::image::cifar::{Cifar, read, read_file};
use fornax_prep::image::{Channels, Samples};
use fornax_prep::{Limits, Split};

use crate::support::{Folder, assert_refused};

const TRAIN: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];

/// One record: labels, then 1,024 bytes of each of three values.
fn record(labels: &[u8], [r, g, b]: [u8; 3]) -> Vec<u8> {
    let planes = [r, g, b].into_iter().flat_map(|value| vec![value; 1024]);
    labels.iter().copied().chain(planes).collect()
}

fn names(count: usize) -> Vec<u8> {
    (0..count).map(|class| format!("name {class}\n")).collect::<String>().into_bytes()
}

fn ten() -> Folder {
    let folder = Folder::new();
    for (index, name) in TRAIN.iter().enumerate() {
        folder.write(name, &record(&[index as u8], [10, 20, index as u8]));
    }
    folder.write("test_batch.bin", &record(&[9], [1, 2, 3]));
    folder.write("batches.meta.txt", &names(10));
    folder
}

#[test]
fn both_sets_are_read_training_part_first() {
    let folder = ten();
    let (set, split) = read(folder.path(), Cifar::Ten, &Limits::default()).unwrap();
    assert_eq!((set.len(), set.shape(), set.labels()), (6, [3, 32, 32], &[0, 1, 2, 3, 4, 9][..]));
    assert_eq!(split, Split { train: vec![0, 1, 2, 3, 4], test: vec![5] });
    assert_eq!(set.class_names()[9], "name 9");
    // As a source for the loader, pixel after pixel.
    let sample = Samples::get(&set, 3).unwrap();
    assert_eq!((&sample.image.pixels()[..6], sample.label), (&[10, 20, 3, 10, 20, 3][..], Some(3)));
    assert_eq!(sample.image.channels(), Channels::Rgb);

    let folder = Folder::new();
    folder.write("train.bin", &[record(&[19, 99], [0; 3]), record(&[0, 5], [0; 3])].concat());
    folder.write("test.bin", &record(&[1, 7], [0; 3]));
    folder.write("fine_label_names.txt", &names(100));
    folder.write("coarse_label_names.txt", &names(20));
    let labels = |kind| read(folder.path(), kind, &Limits::default()).unwrap().0.labels().to_vec();
    assert_eq!((labels(Cifar::Hundred), labels(Cifar::HundredCoarse)), (vec![99, 5, 7], vec![19, 0, 1]));
    let path = folder.path().join("test.bin");
    assert_eq!(read_file(&path, Cifar::Hundred, &Limits::default()).unwrap().labels(), [7]);
}

#[test]
fn malformed_folders_are_refused_by_file() {
    let good = record(&[3], [0; 3]);
    let changed = |name: &'static str, bytes: Vec<u8>, reason: &'static str| (name, Some(bytes), reason);
    let cases = vec![
        ("data_batch_1.bin", None, "cannot be read"),
        ("data_batch_5.bin", None, "cannot be read"),
        ("test_batch.bin", None, "cannot be read"),
        ("batches.meta.txt", None, "cannot be read"),
        changed("data_batch_1.bin", vec![], "found an empty file"),
        changed(
            "data_batch_2.bin",
            good[..3072].to_vec(),
            "expected records of 3073 bytes; found 3072 bytes, 3072 over",
        ),
        changed("data_batch_3.bin", [&good[..], &[0]].concat(), "found 3074 bytes, 1 over"),
        changed("data_batch_4.bin", record(&[1, 2], [0; 3]), "found 3074 bytes, 1 over"),
        changed(
            "data_batch_5.bin",
            record(&[10], [0; 3]),
            "label 0 (counted from 0): expected a class below 10; found 10",
        ),
        changed(
            "test_batch.bin",
            [good.clone(), record(&[255], [0; 3])].concat(),
            "label 1 (counted from 0)",
        ),
        changed("test_batch.bin", vec![7], "found 1 bytes, 1 over"),
        changed("test_batch.bin", b"\x1f\x8b\x08\0rest".to_vec(), "expected records of 3073 bytes"),
        changed("batches.meta.txt", vec![], "found an empty file"),
        changed("batches.meta.txt", names(9), "expected the names of 10 classes, a line each; found 9"),
        changed("batches.meta.txt", names(11), "expected the names of 10 classes, a line each; found more"),
        changed("batches.meta.txt", b"a\n\xff\xfe\n".to_vec(), "line 2: expected UTF-8 text"),
        changed("batches.meta.txt", vec![b'x'; 5 << 20], "over the limit `line_bytes`"),
        changed("batches.meta.txt", b"\n\n\n".to_vec(), "found 0"),
    ];
    for (name, bytes, reason) in &cases {
        let folder = ten();
        let path = folder.path().join(name);
        match bytes {
            Some(bytes) => drop(folder.write(name, bytes)),
            None => std::fs::remove_file(&path).unwrap(),
        }
        assert_refused(&path, reason, || read(folder.path(), Cifar::Ten, &Limits::default()));
    }
    assert!(cases.len() >= 15);
    let folder = ten();
    let limits = Limits { set_bytes: 3073 * 6 - 1, ..Limits::default() };
    assert_refused(
        &folder.path().join("test_batch.bin"),
        "over the limit `set_bytes`: allowed 18437; found 18438",
        || read(folder.path(), Cifar::Ten, &limits),
    );
    std::fs::remove_file(folder.path().join("test_batch.bin")).unwrap();
    let path = folder.make("test_batch.bin");
    assert_refused(&path, "found a folder", || read(folder.path(), Cifar::Ten, &Limits::default()));
}
