//! A folder to write into, files in the formats' own bytes, and a watch on time and memory.

#![allow(unsafe_code, reason = "a global allocator that counts cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use flate2::write::GzEncoder;
use fornax_prep::Error;

/// The system's allocator, counting. Tests run one process each, so the counts are a test's own.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn taken(bytes: usize) {
    let in_use = IN_USE.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(in_use, Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        taken(size);
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a refusal may take: far less than what the files of these tests claim or unfold to.
const MEMORY: usize = 24 << 20;
const TIME: Duration = Duration::from_secs(1);

/// Reads, and expects an error that names `path` and says `reason`, soon and without much memory.
pub(crate) fn assert_refused<T>(path: &Path, reason: &str, read: impl FnOnce() -> Result<T, Error>) {
    let before = IN_USE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let start = Instant::now();
    let result = read();
    let (time, memory) = (start.elapsed(), PEAK.load(Relaxed) - before);
    let Err(error) = result else { panic!("{} was read; expected: {reason}", path.display()) };
    let message = error.to_string();
    assert_eq!(error.path(), Some(path), "{message}");
    assert!(message.contains(reason), "{message}\nexpected: {reason}");
    assert!(memory <= MEMORY, "{message}: took {memory} bytes");
    assert!(time <= TIME, "{message}: took {time:?}");
}

/// A folder that is gone after the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn make(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `start`, then so many zero bytes, as gzip: about a thousandth of the size.
pub(crate) fn gzip_bomb(start: &[u8], zeros: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(start).unwrap();
    let block = vec![0; 1 << 20];
    for _ in 0..zeros.div_ceil(block.len()) {
        encoder.write_all(&block).unwrap();
    }
    encoder.finish().unwrap()
}

pub(crate) fn idx(kind: u8, sides: &[u32], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, sides.len() as u8];
    bytes.extend(sides.iter().flat_map(|side| side.to_be_bytes()));
    bytes.extend(content);
    bytes
}

/// A png of any announced size and any chunks, checksums right.
pub(crate) fn png(width: u32, height: u32, depth: u8, color: u8, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, color, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, content) in [&[(b"IHDR", &header[..])], chunks, &[(b"IEND", &[][..])]].concat() {
        let named = [&name[..], content].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&named);
        bytes.extend((content.len() as u32).to_be_bytes());
        bytes.extend(named);
        bytes.extend(crc.sum().to_be_bytes());
    }
    bytes
}

pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A bottom-up bmp of 24 bits a pixel with any announced size.
pub(crate) fn bmp(width: i32, height: i32, content: &[u8]) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    bytes.extend((54 + content.len() as u32).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(54u32.to_le_bytes());
    bytes.extend(40u32.to_le_bytes());
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(24u16.to_le_bytes());
    bytes.extend([0; 24]);
    bytes.extend(content);
    bytes
}

/// A webp file of these chunks, padded as they should be.
pub(crate) fn webp(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, content) in chunks {
        body.extend(*name);
        body.extend((content.len() as u32).to_le_bytes());
        body.extend(*content);
        body.extend(vec![0; content.len() % 2]);
    }
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

/// The header of a webp file with extensions: flags and the size of its canvas.
pub(crate) fn vp8x(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    [vec![flags, 0, 0, 0], side(width), side(height)].concat()
}

/// The beginning of a lossy webp frame.
pub(crate) fn vp8(width: u16, height: u16) -> Vec<u8> {
    [&[0x10, 0, 0, 0x9d, 0x01, 0x2a][..], &width.to_le_bytes(), &height.to_le_bytes(), &[0; 20]].concat()
}

/// So many different bytes.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut stream = fornax_prep::Key::new(seed).stream();
    (0..len).map(|_| stream.below(256) as u8).collect()
}
