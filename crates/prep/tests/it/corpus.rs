//! Every file that fuzzing found worth keeping, through the entry point it was found with: no panic, and soon.

use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../../../../fuzz/readers.rs"]
mod readers;

#[test]
fn every_file_of_the_corpus_is_read_or_refused_within_a_second() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut total = 0;
    for (target, read) in readers::TARGETS {
        let mut files: Vec<_> =
            std::fs::read_dir(corpus.join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{target}: no files in {}", corpus.display());
        for file in &files {
            let bytes = std::fs::read(file).unwrap();
            let start = Instant::now();
            read(&bytes);
            assert!(start.elapsed() < Duration::from_secs(1), "{}: {:?}", file.display(), start.elapsed());
            total += bytes.len();
        }
    }
    assert!(total <= 300_000, "the corpus has {total} bytes; minimise it");
}
