//! Lists of image paths: honest ones, and ones that lie.

use fornax_prep::image::folder::OnBroken;
use fornax_prep::image::paths::read;
use fornax_prep::image::{Channels, Listing, Samples};
use fornax_prep::{Error, Limits};

use crate::support::{Folder, assert_refused, bmp, gzip};

fn folder() -> Folder {
    let folder = Folder::new();
    for name in ["a.bmp", "b.bmp", "deep/c.bmp", "odd, name.bmp"] {
        folder.write(name, &bmp(2, 2, &[9; 16]));
    }
    folder
}

fn list(folder: &Folder, text: &[u8], on_broken: OnBroken) -> Result<Listing, Error> {
    let path = folder.write("list.csv", text);
    read(&path, folder.path(), on_broken, &Limits::default())
}

#[test]
fn labels_and_groups_are_numbered_and_quotes_undone() {
    let folder = folder();
    let text = "\u{feff}patient,Image,score,Label\r\np2,a.bmp,1,dog\r\np1,deep/c.bmp,2,cat\r\n\r\np2,\"odd, name.bmp\",3,\"dog\"\r\n";
    let found = list(&folder, text.as_bytes(), OnBroken::Fail).unwrap();
    assert_eq!(found.class_names, ["cat", "dog"]);
    assert_eq!(found.labels().unwrap(), [1, 0, 1]);
    let groups: Vec<_> = found.entries.iter().map(|entry| entry.group).collect();
    assert_eq!(groups, [Some(1), Some(0), Some(1)]);
    assert_eq!(found.samples(Channels::Grey, &Limits::default()).get(2).unwrap().label, Some(1));

    let found = list(&folder, b"a.bmp;10\nb.bmp;9\n", OnBroken::Fail).unwrap();
    assert_eq!(
        (found.class_names.clone(), found.labels().unwrap()),
        (vec!["9".to_owned(), "10".to_owned()], vec![1, 0])
    );
    let found = list(&folder, &gzip(b"a.bmp\nb.bmp"), OnBroken::Fail).unwrap();
    assert_eq!((found.entries.len(), found.class_names.len()), (2, 0));
    assert!(found.labels().is_err());
}

#[test]
fn malformed_lists_are_refused_by_line() {
    let folder = folder();
    let path = folder.path().join("list.csv");
    let wide = [b"a.bmp".to_vec(), vec![b','; 200_000]].concat();
    let cases: Vec<(&[u8], &str)> = vec![
        (b"", "found an empty file"),
        (b"\n\n", "expected at least one image that can be used; found none"),
        (b"path,label\n", "expected at least one image that can be used; found none"),
        (b"a.bmp,x\nb.bmp\n", "line 2: expected 2 columns, as in the first line; found 1"),
        (b"a.bmp,x\nb.bmp,y,z\n", "line 2: expected 2 columns, as in the first line; found 3"),
        (b"a.bmp,\n", "line 1: expected a label; found an empty field"),
        (b"path,label,group\na.bmp,x,\n", "line 2: expected a group; found an empty field"),
        (b"a.bmp,x\n,y\n", "line 2: expected a path below the folder of images; found \"\""),
        (b"../a.bmp,x\n", "line 1: expected a path below the folder of images; found \"../a.bmp\""),
        (b"/etc/passwd,x\n", "line 1: expected a path below the folder of images"),
        (b"deep/../../a.bmp,x\n", "line 1: expected a path below the folder of images"),
        (b"a\0.bmp,x\n", "line 1: expected a path below the folder of images"),
        (b"a.bmp,x\na.bmp,y\n", "line 2: expected an image once; found \"a.bmp\" again"),
        (b"a.bmp,\"x\n", "line 1: expected a quote that ends"),
        (b"a.bmp,x\n\xff.bmp,y\n", "line 2: expected UTF-8 text; found other bytes from position 0"),
        (&wide, "line 1: expected at most 1000 columns; found 200001"),
    ];
    for (text, reason) in &cases {
        assert_refused(&path, reason, || list(&folder, text, OnBroken::Fail));
    }
    assert!(cases.len() >= 15);
    assert_refused(&folder.path().join("lost.bmp"), "cannot be read", || {
        list(&folder, b"lost.bmp,x\n", OnBroken::Fail)
    });
    assert_refused(&folder.path().join("deep"), "expected a file", || {
        list(&folder, b"deep,x\n", OnBroken::Fail)
    });
    folder.write("list.csv", b"a.bmp,x\nb.bmp,y\n");
    for (limits, name) in [
        (Limits { files: 1, ..Limits::default() }, "files"),
        (Limits { classes: 1, ..Limits::default() }, "classes"),
        (Limits { line_bytes: 3, ..Limits::default() }, "line_bytes"),
        (Limits { file_bytes: 3, ..Limits::default() }, "file_bytes"),
    ] {
        assert_refused(&path, &format!("over the limit `{name}`"), || {
            read(&path, folder.path(), OnBroken::Fail, &limits)
        });
    }
}

#[test]
fn broken_lines_can_be_skipped_and_are_reported() {
    let folder = folder();
    let found = list(&folder, b"a.bmp,x\nlost.bmp,x\n../b.bmp,y\nb.bmp,y\n", OnBroken::Skip).unwrap();
    assert_eq!((found.entries.len(), found.skipped.len()), (2, 2));
    assert!(
        found.skipped[0].to_string().contains("lost.bmp") && found.skipped[1].to_string().contains("line 3")
    );
}
