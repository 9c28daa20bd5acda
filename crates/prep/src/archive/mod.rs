//! Archives: zip, tar and tar.gz, unpacked without trusting them.
//!
//! A name in an archive is a path, and `../../.ssh/authorized_keys` is one. An entry can be a link out of the folder through
//! which the next is written, a device, or a terabyte of zeros in a kilobyte. So:
//!
//! - **Names** are relative, of plain parts: no `..`, no root, no drive, no backslash, no control character, at most 4,096 bytes and
//!   64 parts. None comes twice, nor lies below a file.
//! - **Kinds**: files and folders. Links, devices, pipes, sparse and encrypted entries are refused.
//! - **Sizes**: the number of entries, the bytes they unfold to and the ratio to what is stored are bounded
//!   ([`archive_entries`](Limits::archive_entries), [`archive_bytes`](Limits::archive_bytes), [`inflation`](Limits::inflation)),
//!   the first before anything is read, the others while it is; an entry's checksum is looked at.
//! - **All or nothing**: everything is unpacked into a folder beside the target, which takes the target's name at the end. After an
//!   error, or a power cut, there is no target.
//!
//! Permissions, owners and times are not taken over. An error names the archive, the entry and the limit.

mod tar;
mod zip;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Limits, Problem};

/// Bytes a name may have, and parts.
const NAME: usize = 4096;
const DEPTH: usize = 64;
/// What any archive may unfold to, whatever its size.
const ALWAYS_ALLOWED: u64 = 1 << 20;

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, parts separated by `/`.
    pub name: String,
    /// Its size in bytes, unpacked.
    pub bytes: u64,
}

/// Unpacks an archive into the folder `target`, which must not exist yet; gives the files, in the archive's order.
///
/// Whether it is zip, tar or tar.gz its content says, not its name.
///
/// ```
/// use std::io::Write;
/// use fornax_prep::{Limits, archive};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("data.zip");
/// let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
/// zip.start_file("a/b.txt", zip::write::SimpleFileOptions::default()).unwrap();
/// zip.write_all(b"hello").unwrap();
/// zip.finish().unwrap();
///
/// let target = folder.path().join("data");
/// let entries = archive::extract(&path, &target, &Limits::default()).unwrap();
/// assert_eq!((entries[0].name.as_str(), entries[0].bytes), ("a/b.txt", 5));
/// assert_eq!(std::fs::read(target.join("a/b.txt")).unwrap(), b"hello");
/// ```
///
/// # Errors
///
/// [`Error::File`] naming the archive, with [`Problem::Entry`] where an entry is at fault; naming `target` where that exists
/// or cannot be written.
pub fn extract(archive: &Path, target: &Path, limits: &Limits) -> Result<Vec<Entry>, Error> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| Error::file(&path, error)
    };
    if target.symlink_metadata().is_ok() {
        return Err(Error::file(target, Problem::unexpected("no file or folder of this name", "one")));
    }
    let (file, len) = open(archive)?;
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(at(parent))?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let work = Work(parent.join(format!(".{name}.{}.unpacking", std::process::id())));
    fs::create_dir(&work.0).map_err(at(&work.0))?;
    let mut sink = Folder { root: &work.0, failed: None };
    let entries = walk(file, len, limits, &mut sink);
    if let Some((path, error)) = sink.failed {
        return Err(Error::file(&path, error));
    }
    let entries = entries.map_err(|problem| Error::file(archive, problem))?;
    fs::rename(&work.0, target).map_err(at(target))?;
    Ok(entries)
}

/// What an archive holds, all of it read and checked, nothing written.
///
/// # Errors
///
/// As [`extract`].
pub fn list(archive: &Path, limits: &Limits) -> Result<Vec<Entry>, Error> {
    let (file, len) = open(archive)?;
    walk(file, len, limits, &mut Nothing).map_err(|problem| Error::file(archive, problem))
}

/// What an archive in memory holds; see [`list`].
///
/// # Errors
///
/// As [`extract`], naming `name`.
pub fn list_bytes(name: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Entry>, Error> {
    let entries = walk(Cursor::new(bytes), bytes.len() as u64, limits, &mut Nothing);
    entries.map_err(|problem| Error::file(Path::new(name), problem))
}

/// Takes the unfinished folder away.
struct Work(PathBuf);

impl Drop for Work {
    fn drop(&mut self) {
        // After success it has another name.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> Result<(BufReader<File>, u64), Error> {
    let at = |error: io::Error| Error::file(path, error);
    let metadata = path.metadata().map_err(at)?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a folder" } else { "a device or pipe" };
        return Err(Error::file(path, Problem::unexpected("a zip, tar or tar.gz archive", found)));
    }
    Ok((BufReader::new(File::open(path).map_err(at)?), metadata.len()))
}

fn walk<R: Read + Seek>(
    mut input: R,
    len: u64,
    limits: &Limits,
    sink: &mut dyn Sink,
) -> Result<Vec<Entry>, Problem> {
    let mut start = Vec::new();
    input.by_ref().take(264).read_to_end(&mut start)?;
    input.seek(SeekFrom::Start(0))?;
    let mut names = Names::new(limits, len, sink);
    if start.starts_with(b"PK") {
        zip::walk(&mut input, len, &mut names)?;
    } else if start.starts_with(&[0x1f, 0x8b]) {
        tar::walk(&mut MultiGzDecoder::new(BufReader::new(input)), "tar.gz", &mut names)?;
    } else if start.get(257..262) == Some(b"ustar") {
        tar::walk(&mut input, tar::FORMAT, &mut names)?;
    } else {
        let found = match start.len() {
            0 => "an empty file".to_owned(),
            _ => format!("a file that begins with {:02x?}", &start[..start.len().min(4)]),
        };
        return Err(Problem::unexpected("a zip, tar or tar.gz archive", found));
    }
    Ok(names.entries)
}

/// Where entries go.
trait Sink {
    fn folder(&mut self, name: &str) -> io::Result<()>;
    fn file(&mut self, name: &str) -> io::Result<Box<dyn Write>>;
}

struct Nothing;

impl Sink for Nothing {
    fn folder(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn file(&mut self, _: &str) -> io::Result<Box<dyn Write>> {
        Ok(Box::new(io::sink()))
    }
}

struct Folder<'a> {
    root: &'a Path,
    /// What could not be written: the target's fault, not the archive's.
    failed: Option<(PathBuf, io::Error)>,
}

impl Folder<'_> {
    fn noted<T>(&mut self, path: PathBuf, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            self.failed = Some((path, error));
            kind.into()
        })
    }
}

impl Sink for Folder<'_> {
    fn folder(&mut self, name: &str) -> io::Result<()> {
        let path = self.root.join(name);
        let made = fs::create_dir_all(&path);
        self.noted(path, made)
    }

    fn file(&mut self, name: &str) -> io::Result<Box<dyn Write>> {
        let path = self.root.join(name);
        let file = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create_new(&path));
        Ok(Box::new(self.noted(path, file)?))
    }
}

/// What an entry's name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

/// The entries so far: names that came, bytes that came out.
struct Names<'a> {
    limits: Limits,
    /// Bytes that may come out.
    room: u64,
    /// Which limit that is, and its value.
    bound: (&'static str, u64),
    /// Size of the archive as it is stored.
    stored: u64,
    known: HashMap<String, Kind>,
    entries: Vec<Entry>,
    count: u64,
    sink: &'a mut dyn Sink,
}

impl<'a> Names<'a> {
    fn new(limits: &Limits, stored: u64, sink: &'a mut dyn Sink) -> Self {
        let inflated = stored.saturating_mul(limits.inflation).saturating_add(ALWAYS_ALLOWED);
        let (room, bound) = if inflated < limits.archive_bytes {
            (inflated, ("inflation", limits.inflation))
        } else {
            (limits.archive_bytes, ("archive_bytes", limits.archive_bytes))
        };
        let (known, entries) = (HashMap::new(), Vec::new());
        Self { limits: *limits, room, bound, stored, known, entries, count: 0, sink }
    }

    /// Refuses more entries than allowed.
    fn check_count(&self, count: u64) -> Result<(), Problem> {
        if count > self.limits.archive_entries {
            return Err(Problem::over("archive_entries", self.limits.archive_entries, count));
        }
        Ok(())
    }

    /// Takes in the next name; gives it without a folder's `/` and `./`.
    fn admit(&mut self, raw: &[u8], kind: Kind) -> Result<String, Problem> {
        self.count += 1;
        self.check_count(self.count)?;
        let name = checked(raw)?;
        let twice = |name: &str| Problem::unexpected("each name once", format_args!("{name:?} again"));
        // What lies above is a folder, named or not.
        for (end, _) in name.match_indices('/') {
            let above = &name[..end];
            match self.known.get(above) {
                Some(Kind::Folder) => {}
                Some(Kind::File) => {
                    return Err(Problem::unexpected("a folder above", format_args!("the file {above:?}")));
                }
                None => {
                    self.known.insert(above.to_owned(), Kind::Folder);
                }
            }
        }
        match (self.known.insert(name.clone(), kind), kind) {
            (None, _) | (Some(Kind::Folder), Kind::Folder) => {}
            _ => return Err(twice(&name)),
        }
        Ok(name)
    }

    fn folder(&mut self, raw: &[u8]) -> Result<(), Problem> {
        // The folder of all, as tar names it.
        if matches!(raw, b"." | b"./") {
            self.count += 1;
            return self.check_count(self.count);
        }
        let name = self.admit(raw, Kind::Folder)?;
        Ok(self.sink.folder(&name)?)
    }

    /// Unpacks a file that announces a size.
    fn file(&mut self, raw: &[u8], bytes: u64, content: &mut dyn Read) -> Result<(), Problem> {
        let name = self.admit(raw, Kind::File)?;
        if bytes > self.room {
            return Err(self.over(bytes));
        }
        let mut out = self.sink.file(&name)?;
        let mut buffer = [0; 1 << 14];
        let mut found = 0u64;
        loop {
            let read = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            found += read as u64;
            if found > bytes {
                return Err(Problem::TrailingData { part: "an entry", expected: bytes });
            }
            out.write_all(&buffer[..read])?;
        }
        out.flush()?;
        if found < bytes {
            return Err(Problem::Truncated { part: "an entry", expected: bytes, found });
        }
        self.room -= bytes;
        self.entries.push(Entry { name, bytes });
        Ok(())
    }

    /// More would come out than may.
    fn over(&self, bytes: u64) -> Problem {
        let (limit, allowed) = self.bound;
        let whole = self.entries.iter().map(|entry| entry.bytes).sum::<u64>().saturating_add(bytes);
        let found = if limit == "inflation" { whole.div_ceil(self.stored.max(1)) } else { whole };
        Problem::over(limit, allowed, found)
    }
}

/// A name that stays inside the folder it is unpacked into, on every system.
fn checked(raw: &[u8]) -> Result<String, Problem> {
    let refused = |found: &str| Problem::unexpected("a relative path of plain names", found);
    if raw.len() > NAME {
        return Err(refused("a name of over 4,096 bytes"));
    }
    let name = std::str::from_utf8(raw).map_err(|_| refused("a name that is not UTF-8"))?;
    if name.starts_with('/') {
        return Err(refused("an absolute path"));
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.is_empty() {
        return Err(refused("no name"));
    }
    if parts.len() > DEPTH {
        return Err(refused("over 64 folders deep"));
    }
    for part in &parts {
        if *part == ".." {
            return Err(refused("a way out (`..`)"));
        }
        if part.contains(['\\', ':']) {
            return Err(refused("a backslash or colon"));
        }
        if part.chars().any(char::is_control) {
            return Err(refused("a control character"));
        }
        if part.len() > 255 {
            return Err(refused("a part of over 255 bytes"));
        }
    }
    Ok(parts.join("/"))
}

/// A problem of one entry.
fn of_entry(raw: &[u8], problem: Problem) -> Problem {
    match problem {
        // The number of entries is the archive's affair.
        Problem::OverLimit { limit: "archive_entries", .. } => problem,
        problem => {
            let shown: String = String::from_utf8_lossy(raw).chars().take(80).collect();
            Problem::Entry { entry: shown, problem: Box::new(problem) }
        }
    }
}
