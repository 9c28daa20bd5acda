//! Files from the network, into a cache, and only when asked for.
//!
//! What arrives counts for nothing until its size and its SHA-256 are the published ones. Until then it lies beside its place as
//! `NAME.part`, from where an interrupted download goes on; then it takes its name in one step. So a file in the cache is
//! whole, and two processes that want it wait for each other.
//!
//! ```text
//! in the cache and right? ──yes──▶ done                        mirror 1 ─┐ each in turn, each some times:
//!        │ no                                                  mirror 2 ─┤  connection cut  → go on from there (Range)
//!        ▼                                                        …      │  wrong size      → next mirror
//! lock NAME.part ──▶ fetch ──▶ size, SHA-256 ──▶ rename                  ┘  wrong digest    → once more from the start, then next
//! ```
//!
//! No file is fetched by any other part of this crate. Where there is no network, the error says which file to put where.

mod named;

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::{Error, Limits, Problem};

pub use named::{DataSet, Fetched};

/// Answers followed from one address to the next, at most.
const REDIRECTS: u32 = 5;

/// A file that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The name it has in the cache: one part, no folder.
    pub name: String,
    /// Where it can be fetched, in this order.
    pub urls: Vec<String>,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Fetches files into a folder.
///
/// ```no_run
/// use fornax_prep::download::{DataSet, Downloader};
///
/// // 11 MB, once; then from the cache.
/// let fetched = Downloader::in_user_cache()?.data_set(DataSet::Mnist)?;
/// let (set, split) = fornax_prep::image::idx::read_folder(&fetched.folder, &Default::default())?;
/// assert_eq!((set.len(), split.unwrap().test.len()), (70_000, 10_000));
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Downloader {
    cache: PathBuf,
    offline: bool,
    attempts: u32,
    timeout: Duration,
    limits: Limits,
}

impl Downloader {
    /// Into this folder, which is made if need be.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            offline: false,
            attempts: 4,
            timeout: Duration::from_secs(30),
            limits: Limits::default(),
        }
    }

    /// Into the user's cache: `$FORNAX_CACHE`, else `fornax` in `$XDG_CACHE_HOME`, `~/.cache`, `~/Library/Caches` (macOS) or
    /// `%LOCALAPPDATA%` (Windows). Where `$FORNAX_OFFLINE` is set and not 0, nothing is fetched.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when none of these is known.
    pub fn in_user_cache() -> Result<Self, Error> {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = |below: &str| folder("HOME").map(|home| home.join(below));
        let system = if cfg!(windows) {
            folder("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            home("Library/Caches")
        } else {
            folder("XDG_CACHE_HOME").or_else(|| home(".cache"))
        };
        let cache = folder("FORNAX_CACHE").or_else(|| system.map(|system| system.join("fornax")));
        let cache = cache
            .ok_or_else(|| Error::argument("FORNAX_CACHE", "a folder, since no home is known", "none"))?;
        let offline = env::var_os("FORNAX_OFFLINE").is_some_and(|value| !value.is_empty() && value != "0");
        Ok(Self { offline, ..Self::new(cache) })
    }

    /// Whether to take only what is in the cache. Default: no.
    #[must_use]
    pub fn with_offline(self, offline: bool) -> Self {
        Self { offline, ..self }
    }

    /// How often each address is tried; a try that went on counts anew. Default: 4, at least 1.
    #[must_use]
    pub fn with_attempts(self, attempts: u32) -> Self {
        Self { attempts: attempts.max(1), ..self }
    }

    /// How long to wait for a connection, and for the next bytes. Default: 30 s.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Within these limits: [`download_bytes`](Limits::download_bytes), and those of archives.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The folder files are put into.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The file, fetched if it is not in the cache as it should be: its path.
    ///
    /// # Errors
    ///
    /// [`Error::File`] naming the file's place in the cache: with [`Problem::NotFetched`] what went wrong at each address and what to
    /// put there by hand, [`Problem::Digest`] for a file put there that is another one, [`Problem::OverLimit`];
    /// [`Error::Argument`] for a name that is a path or a digest that is none.
    pub fn fetch(&self, remote: &Remote) -> Result<PathBuf, Error> {
        remote.check()?;
        let path = self.cache.join(&remote.name);
        let at = |error: io::Error| Error::file(&path, error);
        if remote.bytes > self.limits.download_bytes {
            let (limit, allowed) = ("download_bytes", self.limits.download_bytes);
            return Err(Error::file(&path, Problem::OverLimit { limit, allowed, found: remote.bytes }));
        }
        let there = remote.look(&path).map_err(at)?;
        if matches!(there, Some(Look::Right)) {
            return Ok(path);
        }
        if self.offline {
            return Err(Error::file(
                &path,
                match there {
                    Some(Look::Digest(found)) => Problem::Digest { expected: remote.sha256.clone(), found },
                    _ => remote.not_fetched(vec!["no network is to be used".to_owned()]),
                },
            ));
        }
        fs::create_dir_all(&self.cache).map_err(|error| Error::file(&self.cache, error))?;
        let part = self.cache.join(format!("{}.part", remote.name));
        let at_part = |error: io::Error| Error::file(&part, error);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&part);
        let file = file.as_mut().map_err(|error| at_part(io::Error::new(error.kind(), error.to_string())))?;
        file.lock().map_err(at_part)?;
        // Whoever held the lock may have brought it.
        if matches!(remote.look(&path).map_err(at)?, Some(Look::Right)) {
            return Ok(path);
        }
        let mut reasons = Vec::new();
        for url in &remote.urls {
            match self.from(url, remote, file) {
                Ok(()) => {
                    file.sync_all().map_err(at_part)?;
                    fs::rename(&part, &path).map_err(at)?;
                    return Ok(path);
                }
                Err(Failure::Disk(error)) => return Err(at_part(error)),
                Err(Failure::Source(reason)) => reasons.push(format!("{url}: {reason}")),
            }
        }
        Err(Error::file(&path, remote.not_fetched(reasons)))
    }

    /// Fills the file from one address, or leaves what is worth going on from.
    fn from(&self, url: &str, remote: &Remote, file: &mut File) -> Result<(), Failure> {
        let agent = self.agent(url);
        let mut reason = String::new();
        let (mut tries, mut restarted) = (0, false);
        while tries < self.attempts {
            tries += 1;
            let before = file.metadata().map_err(Failure::Disk)?.len();
            match self.once(&agent, url, remote, file) {
                Ok(()) => match remote.digest(file).map_err(Failure::Disk)? {
                    None => return Ok(()),
                    Some(found) => {
                        // What it went on from may have been the fault; once more, from nothing.
                        file.set_len(0).map_err(Failure::Disk)?;
                        reason = format!("content of SHA-256 {found}, not {}", remote.sha256);
                        if before == 0 || restarted {
                            break;
                        }
                        restarted = true;
                    }
                },
                Err(Trouble::Disk(error)) => return Err(Failure::Disk(error)),
                Err(Trouble::Here(why)) => {
                    reason = why;
                    break;
                }
                Err(Trouble::Cut(why)) => {
                    reason = why;
                    if file.metadata().map_err(Failure::Disk)?.len() > before {
                        tries = 0;
                    }
                }
            }
        }
        Err(Failure::Source(reason))
    }

    /// One request.
    fn once(&self, agent: &Agent, url: &str, remote: &Remote, file: &mut File) -> Result<(), Trouble> {
        let mut have = file.metadata().map_err(Trouble::Disk)?.len();
        if have > remote.bytes {
            file.set_len(0).map_err(Trouble::Disk)?;
            have = 0;
        }
        if have == remote.bytes {
            return Ok(());
        }
        let mut request = agent.get(url);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let response = request.call().map_err(trouble)?;
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => range(&response, have, remote.bytes).map_err(Trouble::Here)?,
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                file.set_len(0).map_err(Trouble::Disk)?;
                return Err(Trouble::Cut("it cannot go on from where it was".to_owned()));
            }
            status if status.is_server_error() => return Err(Trouble::Cut(format!("status {status}"))),
            status => return Err(Trouble::Here(format!("status {status}"))),
        };
        let expected = remote.bytes - start;
        let announced = response.headers().get("content-length").and_then(|value| value.to_str().ok());
        if let Some(announced) = announced.and_then(|value| value.parse::<u64>().ok())
            && announced != expected
        {
            let reason = format!("{announced} bytes announced, expected {expected}");
            return Err(Trouble::Here(reason));
        }
        file.set_len(start).map_err(Trouble::Disk)?;
        file.seek(SeekFrom::Start(start)).map_err(Trouble::Disk)?;
        // One more than there should be shows that there is more.
        let mut body =
            response.into_body().into_with_config().limit(expected + 2).reader().take(expected + 1);
        let mut buffer = vec![0; 1 << 16];
        let mut found = 0u64;
        loop {
            match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    found += read as u64;
                    if found > expected {
                        file.set_len(0).map_err(Trouble::Disk)?;
                        return Err(Trouble::Here(format!("more than {} bytes", remote.bytes)));
                    }
                    file.write_all(&buffer[..read]).map_err(Trouble::Disk)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::Cut(format!("after {} bytes: {error}", start + found))),
            }
        }
        if found < expected {
            return Err(Trouble::Cut(format!("ended after {} of {} bytes", start + found, remote.bytes)));
        }
        Ok(())
    }

    fn agent(&self, url: &str) -> Agent {
        let timeout = Some(self.timeout);
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(REDIRECTS)
            .max_redirects_will_error(true)
            .timeout_resolve(timeout)
            .timeout_connect(timeout)
            .timeout_recv_response(timeout)
            .timeout_per_read(timeout)
            .user_agent(concat!("fornax-prep/", env!("CARGO_PKG_VERSION")));
        // This machine is not reached through a proxy.
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        if ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| host.starts_with(own)) {
            config = config.proxy(None);
        }
        config.build().into()
    }
}

/// Why an address was given up.
enum Failure {
    Disk(io::Error),
    Source(String),
}

/// Why a request did not bring the file.
enum Trouble {
    Disk(io::Error),
    /// It would be the same again.
    Here(String),
    /// It may be better the next time.
    Cut(String),
}

fn trouble(error: ureq::Error) -> Trouble {
    match error {
        ureq::Error::Io(_)
        | ureq::Error::Timeout(_)
        | ureq::Error::ConnectionFailed
        | ureq::Error::Protocol(_) => Trouble::Cut(error.to_string()),
        other => Trouble::Here(other.to_string()),
    }
}

/// Where a partial answer begins: where it was asked to, in a file of the right size.
fn range(response: &Response<Body>, have: u64, bytes: u64) -> Result<u64, String> {
    let range =
        response.headers().get("content-range").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let expected = format!("bytes {have}-{}/{bytes}", bytes - 1);
    if range == expected { Ok(have) } else { Err(format!("the part {range:?}, expected {expected:?}")) }
}

/// What lies in a file's place.
enum Look {
    Right,
    Size,
    Digest(String),
}

impl Remote {
    fn check(&self) -> Result<(), Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            let expected = "a name of letters, digits, `-`, `_` and `.`";
            return Err(Error::argument("name", expected, format_args!("{:?}", self.name)));
        }
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if self.sha256.len() != 64 || !self.sha256.bytes().all(is_hex) {
            let expected = "64 hexadecimal digits in lower case";
            return Err(Error::argument("sha256", expected, format_args!("{:?}", self.sha256)));
        }
        if self.urls.is_empty() {
            return Err(Error::argument("urls", "at least one address", "none"));
        }
        if self.bytes == 0 {
            return Err(Error::argument("bytes", "at least 1", 0));
        }
        Ok(())
    }

    fn look(&self, path: &Path) -> io::Result<Option<Look>> {
        let metadata = match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        if metadata.len() != self.bytes {
            return Ok(Some(Look::Size));
        }
        let found = self.digest(&mut File::open(path)?)?;
        Ok(Some(found.map_or(Look::Right, Look::Digest)))
    }

    /// The file's digest, if it is not the published one.
    fn digest(&self, file: &mut File) -> io::Result<Option<String>> {
        file.seek(SeekFrom::Start(0))?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => hash.update(&buffer[..read]),
            }
        }
        let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((found != self.sha256).then_some(found))
    }

    fn not_fetched(&self, reasons: Vec<String>) -> Problem {
        Problem::NotFetched {
            name: self.name.clone(),
            bytes: self.bytes,
            source_url: self.urls.first().cloned().unwrap_or_default(),
            reasons,
        }
    }
}
