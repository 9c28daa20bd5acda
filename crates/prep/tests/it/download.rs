//! Downloads, from a server in this process on this machine alone.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fornax_prep::download::{DataSet, Downloader, Remote};
use fornax_prep::image::idx;
use fornax_prep::{Error, Limits, Problem};
use sha2::{Digest, Sha256};

use crate::support::{Folder, gzip, noise};

/// What the server does with a request.
#[derive(Clone)]
enum Answer {
    /// The file, from where it is asked for, in a way that can be interrupted: at most so many bytes of each answer.
    Serve { most: usize },
    /// This, whatever was asked.
    Raw(Vec<u8>),
    /// Nothing, for so long.
    Silence(Duration),
}

/// A request as it came: its path and where it wants to go on.
type Asked = (String, Option<u64>);

struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Serves `content`, answering the n-th request with the n-th answer, and all others with the last.
    fn new(content: Vec<u8>, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let answer = answers[number.min(answers.len() - 1)].clone();
                let (content, log) = (content.clone(), Arc::clone(&log));
                // A client that goes away is none of the server's business.
                std::thread::spawn(move || {
                    stream.and_then(|stream| answer_to(stream, &content, &answer, &log))
                });
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> String {
        format!("{}/data.bin", self.address)
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer_to(
    mut stream: TcpStream,
    content: &[u8],
    answer: &Answer,
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut start = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let range = line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned);
        start = range.and_then(|range| range.trim_end_matches('-').parse().ok()).or(start);
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push((path, start));
    match answer {
        Answer::Serve { most } => {
            let from = start.unwrap_or(0).min(content.len() as u64) as usize;
            let rest = &content[from..];
            let (status, range) = match start {
                Some(_) => (
                    "206 Partial Content",
                    format!("Content-Range: bytes {from}-{}/{}\r\n", content.len() - 1, content.len()),
                ),
                None => ("200 OK", String::new()),
            };
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}Connection: close\r\n\r\n",
                rest.len()
            )?;
            stream.write_all(&rest[..rest.len().min(*most)])?;
        }
        Answer::Raw(bytes) => stream.write_all(bytes)?,
        Answer::Silence(time) => std::thread::sleep(*time),
    }
    stream.flush()
}

fn ok(headers: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Connection: close\r\n\r\n");
    Answer::Raw([head.as_bytes(), body].concat())
}

fn whole(body: &[u8]) -> Answer {
    ok(&format!("Content-Length: {}\r\n", body.len()), body)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn remote(content: &[u8], urls: Vec<String>) -> Remote {
    Remote { name: "data.bin".to_owned(), urls, bytes: content.len() as u64, sha256: sha256(content) }
}

fn downloader(folder: &Folder) -> Downloader {
    Downloader::new(folder.path().join("cache")).with_timeout(Duration::from_secs(5)).with_attempts(2)
}

/// The reasons, and that nothing was left in the file's place.
fn refused(folder: &Folder, result: Result<PathBuf, Error>) -> String {
    let error = result.unwrap_err();
    assert!(!folder.path().join("cache/data.bin").exists());
    assert_eq!(error.path(), Some(folder.path().join("cache/data.bin").as_path()));
    error.to_string()
}

#[test]
fn a_file_is_fetched_once_and_then_taken_from_the_cache() {
    let folder = Folder::new();
    let content = noise(1, 200_000);
    let server = Server::new(content.clone(), vec![Answer::Serve { most: usize::MAX }]);
    let remote = remote(&content, vec![server.url()]);
    for _ in 0..3 {
        let path = downloader(&folder).fetch(&remote).unwrap();
        assert!(fs::read(path).unwrap() == content);
    }
    assert_eq!(server.asked(), [("/data.bin".to_owned(), None)]);
    assert!(!folder.path().join("cache/data.bin.part").exists());
    // Without a network too, until somebody changes it.
    let offline = downloader(&folder).with_offline(true);
    offline.fetch(&remote).unwrap();
    let path = folder.path().join("cache/data.bin");
    let mut changed = content.clone();
    changed[77_777] ^= 1;
    fs::write(&path, &changed).unwrap();
    let error = offline.fetch(&remote).unwrap_err();
    assert!(matches!(error.problem(), Some(Problem::Digest { .. })), "{error}");
    // With one it is fetched again.
    downloader(&folder).fetch(&remote).unwrap();
    assert!(fs::read(path).unwrap() == content);
}

#[test]
fn a_connection_that_is_cut_goes_on_where_it_was() {
    let folder = Folder::new();
    let content = noise(2, 250_000);
    // Every answer is cut after 60,000 bytes: five answers, more than the two tries, since each brings something.
    let server = Server::new(content.clone(), vec![Answer::Serve { most: 60_000 }]);
    let path = downloader(&folder).fetch(&remote(&content, vec![server.url()])).unwrap();
    assert!(fs::read(path).unwrap() == content);
    let starts: Vec<Option<u64>> = server.asked().into_iter().map(|(_, start)| start).collect();
    assert_eq!(starts, [None, Some(60_000), Some(120_000), Some(180_000), Some(240_000)]);
}

#[test]
fn another_run_goes_on_where_the_last_one_stopped() {
    let folder = Folder::new();
    let content = noise(3, 50_000);
    let remote_at = |server: &Server| remote(&content, vec![server.url()]);
    let server = Server::new(content.clone(), vec![Answer::Serve { most: 20_000 }, whole(b""), whole(b"")]);
    let message = refused(&folder, downloader(&folder).fetch(&remote_at(&server)));
    assert!(message.contains("0 bytes announced, expected 50000"), "{message}");
    assert_eq!(fs::metadata(folder.path().join("cache/data.bin.part")).unwrap().len(), 20_000);
    let server = Server::new(content.clone(), vec![Answer::Serve { most: usize::MAX }]);
    downloader(&folder).fetch(&remote_at(&server)).unwrap();
    assert_eq!(server.asked(), [("/data.bin".to_owned(), Some(20_000))]);
}

#[test]
fn what_lies_there_from_another_file_is_thrown_away() {
    for (left, requests) in [(noise(8, 20_000), 2), (noise(9, 50_000), 1), (noise(9, 70_000), 1)] {
        let folder = Folder::new();
        let content = noise(4, 50_000);
        folder.write("cache/data.bin.part", &left);
        let server = Server::new(content.clone(), vec![Answer::Serve { most: usize::MAX }]);
        let path = downloader(&folder).fetch(&remote(&content, vec![server.url()])).unwrap();
        assert!(fs::read(path).unwrap() == content);
        assert_eq!(server.asked().len(), requests, "{}", left.len());
        assert_eq!(server.asked().last().unwrap().1, None);
    }
}

#[test]
fn a_server_that_cannot_go_on_begins_anew() {
    let content = noise(5, 30_000);
    let cannot = Answer::Raw(
        b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
    );
    for answers in [vec![whole(&content)], vec![cannot, whole(&content)]] {
        let folder = Folder::new();
        folder.write("cache/data.bin.part", &content[..10_000]);
        let server = Server::new(content.clone(), answers);
        let path = downloader(&folder).fetch(&remote(&content, vec![server.url()])).unwrap();
        assert!(fs::read(path).unwrap() == content);
        assert_eq!(server.asked()[0].1, Some(10_000));
    }
}

#[test]
fn a_hundred_truncated_or_altered_downloads_are_all_refused() {
    let content = noise(6, 5_000);
    for case in 0..100usize {
        let folder = Folder::new();
        let mut bad = content.clone();
        let answer = match case % 5 {
            // Cut, and the length says so, or not, or there is none.
            0 => whole(&content[..case * 49]),
            1 => ok(&format!("Content-Length: {}\r\n", content.len()), &content[..case * 49]),
            2 => ok("", &content[..case * 49]),
            // A bit turned, or a byte more.
            3 => {
                bad[case * 49] ^= 1 << (case % 8);
                whole(&bad)
            }
            _ => {
                bad.insert(case * 49, 0);
                ok(if case % 2 == 0 { "" } else { "Content-Length: 5001\r\n" }, &bad)
            }
        };
        let server = Server::new(content.clone(), vec![answer]);
        let message = refused(
            &folder,
            downloader(&folder).with_attempts(1).fetch(&remote(&content, vec![server.url()])),
        );
        let reason = match case % 5 {
            0 => "bytes announced, expected 5000",
            1 | 2 => "after",
            3 => "content of SHA-256",
            _ if case % 2 == 1 => "5001 bytes announced, expected 5000",
            _ => "more than 5000 bytes",
        };
        assert!(message.contains(reason), "case {case}: {message}");
        assert!(
            message.contains("put data.bin there yourself, 5000 bytes, from http://127.0.0.1"),
            "{message}"
        );
    }
}

#[test]
fn parts_of_another_file_are_refused() {
    let content = noise(7, 9_000);
    let part = |range: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: {range}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        Answer::Raw([head.as_bytes(), body].concat())
    };
    for range in
        ["bytes 0-8999/9000", "bytes 4000-8999/9001", "bytes 3999-8999/9000", "bytes */9000", "nonsense"]
    {
        let folder = Folder::new();
        folder.write("cache/data.bin.part", &content[..4_000]);
        let server = Server::new(content.clone(), vec![part(range, &content[4_000..])]);
        let message = refused(&folder, downloader(&folder).fetch(&remote(&content, vec![server.url()])));
        assert!(message.contains("expected \"bytes 4000-8999/9000\""), "{message}");
    }
}

#[test]
fn the_next_mirror_is_asked_when_one_fails() {
    let folder = Folder::new();
    let content = noise(8, 20_000);
    let missing = Server::new(
        Vec::new(),
        vec![Answer::Raw(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
        )],
    );
    let broken = Server::new(
        Vec::new(),
        vec![Answer::Raw(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec())],
    );
    let wrong = Server::new(Vec::new(), vec![whole(&noise(9, 20_000))]);
    let silent = Server::new(Vec::new(), vec![Answer::Silence(Duration::from_secs(20))]);
    let nonsense = Server::new(Vec::new(), vec![Answer::Raw(b"\x00\x01\x02 nonsense\r\n\r\n".to_vec())]);
    let good = Server::new(content.clone(), vec![Answer::Serve { most: usize::MAX }]);
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/data.bin", listener.local_addr().unwrap())
    };
    let servers = [&missing, &broken, &wrong, &silent, &nonsense, &good];
    let mut urls = vec![closed];
    urls.extend(servers.iter().map(|server| server.url()));
    let begin = Instant::now();
    let quick = downloader(&folder).with_timeout(Duration::from_millis(400));
    let path = quick.fetch(&remote(&content, urls.clone())).unwrap();
    assert!(fs::read(path).unwrap() == content);
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(missing.asked().len(), 1);
    assert_eq!(broken.asked().len(), 2, "a busy server is asked again");
    assert_eq!(silent.asked().len(), 2);

    // All of them failing, each is named with its reason.
    let other = Folder::new();
    urls.pop();
    let quick = downloader(&other).with_timeout(Duration::from_millis(400));
    let message = refused(&other, quick.fetch(&remote(&content, urls.clone())));
    for (url, reason) in urls.iter().zip(["", "status 404", "status 503", "content of SHA-256", "", ""]) {
        assert!(message.contains(&format!("{url}: ")) && message.contains(reason), "{message}");
    }
}

#[test]
fn redirects_are_followed_so_far_and_no_further() {
    let folder = Folder::new();
    let content = noise(10, 4_000);
    let to = |url: &str| {
        Answer::Raw(
            format!(
                "HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .into_bytes(),
        )
    };
    let good = Server::new(content.clone(), vec![Answer::Serve { most: usize::MAX }]);
    let first = Server::new(Vec::new(), vec![to("/second"), to(&good.url())]);
    downloader(&folder).fetch(&remote(&content, vec![first.url()])).unwrap();
    assert_eq!(first.asked().len(), 2);

    let folder = Folder::new();
    let circle = Server::new(Vec::new(), vec![to("/data.bin")]);
    let message = refused(&folder, downloader(&folder).fetch(&remote(&content, vec![circle.url()])));
    assert!(message.contains("redirects"), "{message}");
    assert!(circle.asked().len() <= 7, "{}", circle.asked().len());
}

#[test]
fn without_a_network_the_error_says_what_to_put_where() {
    let folder = Folder::new();
    let content = noise(11, 10);
    let remote = remote(&content, vec!["http://127.0.0.1:9/data.bin".to_owned()]);
    let message = refused(&folder, downloader(&folder).with_offline(true).fetch(&remote));
    let place = folder.path().join("cache/data.bin");
    let expected = format!(
        "{}: cannot be fetched (no network is to be used); put data.bin there yourself, 10 bytes, from http://127.0.0.1:9/data.bin",
        place.display()
    );
    assert_eq!(message, expected);
    // What it says helps.
    folder.write("cache/data.bin", &content);
    assert_eq!(downloader(&folder).with_offline(true).fetch(&remote).unwrap(), place);
}

#[test]
fn what_is_over_the_limit_or_no_remote_is_not_asked_for() {
    let folder = Folder::new();
    let good = remote(b"x", vec!["http://127.0.0.1:9/".to_owned()]);
    let limits = Limits { download_bytes: 10, ..Limits::default() };
    let large = Remote { bytes: 11, ..good.clone() };
    let message = refused(&folder, downloader(&folder).with_limits(limits).fetch(&large));
    assert!(message.contains("is over the limit `download_bytes`: allowed 10; found 11"), "{message}");
    let message = |remote: Remote| downloader(&folder).fetch(&remote).unwrap_err().to_string();
    for name in ["", "..", "../x", "a/b", ".hidden", "a\\b", "c:x"] {
        assert!(message(Remote { name: name.to_owned(), ..good.clone() }).starts_with("name: "), "{name}");
    }
    for sha256 in ["", "abc", &"g".repeat(64), &"A".repeat(64)] {
        assert!(
            message(Remote { sha256: sha256.to_owned(), ..good.clone() }).starts_with("sha256: "),
            "{sha256}"
        );
    }
    assert!(message(Remote { urls: Vec::new(), ..good.clone() }).starts_with("urls: "));
    assert!(message(Remote { bytes: 0, ..good }).starts_with("bytes: "));
}

#[test]
fn two_that_want_the_same_file_fetch_it_once() {
    let folder = Folder::new();
    let content = noise(12, 300_000);
    let server = Server::new(content.clone(), vec![Answer::Serve { most: usize::MAX }]);
    let remote = remote(&content, vec![server.url()]);
    std::thread::scope(|scope| {
        let fetches: Vec<_> =
            (0..4).map(|_| scope.spawn(|| downloader(&folder).fetch(&remote).unwrap())).collect();
        for fetch in fetches {
            assert!(fs::read(fetch.join().unwrap()).unwrap() == content);
        }
    });
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn data_sets_have_names_and_published_digests() {
    for set in DataSet::ALL {
        assert_eq!(set.name().parse::<DataSet>().unwrap(), set);
        for remote in set.remotes() {
            assert!(remote.sha256.len() == 64 && remote.bytes > 4_000 && !remote.urls.is_empty());
            assert!(remote.urls.iter().all(|url| url.ends_with(&remote.name)));
        }
    }
    assert!("imagenet".parse::<DataSet>().unwrap_err().to_string().starts_with("name: expected mnist, "));
    let total = |set: DataSet| set.remotes().iter().map(|remote| remote.bytes).sum::<u64>();
    assert_eq!(DataSet::ALL.map(total), [11_594_722, 30_878_645, 170_052_171]);
}

#[test]
fn a_data_set_comes_into_a_folder_that_its_reader_reads_and_an_archive_is_unpacked() {
    let folder = Folder::new();
    let images = gzip(&crate::support::idx(8, &[2, 2, 2], &[0, 50, 100, 150, 255, 255, 255, 255]));
    let labels = gzip(&crate::support::idx(8, &[2], &[1, 0]));
    let files = [
        ("train-images-idx3-ubyte.gz", &images),
        ("train-labels-idx1-ubyte.gz", &labels),
        ("t10k-images-idx3-ubyte.gz", &images),
        ("t10k-labels-idx1-ubyte.gz", &labels),
    ];
    let remotes: Vec<Remote> = files
        .iter()
        .map(|(name, content)| {
            let server = Server::new((*content).clone(), vec![Answer::Serve { most: usize::MAX }]);
            Remote { name: (*name).to_owned(), ..remote(content, vec![server.url()]) }
        })
        .collect();
    let fetched = downloader(&folder).fetch_all("small", &remotes).unwrap();
    assert_eq!(fetched.folder, folder.path().join("cache/small"));
    let (set, split) = idx::read_folder(&fetched.folder, &Limits::default()).unwrap();
    assert_eq!((set.len(), split.unwrap().test), (4, vec![2, 3]));

    let mut builder = ::tar::Builder::new(Vec::new());
    for name in ["batches/one.bin", "batches/two.bin"] {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(3);
        builder.append_data(&mut header, name, &b"abc"[..]).unwrap();
    }
    let archive = gzip(&builder.into_inner().unwrap());
    let server = Server::new(archive.clone(), vec![Answer::Serve { most: usize::MAX }]);
    let remotes = [Remote { name: "small-binary.tar.gz".to_owned(), ..remote(&archive, vec![server.url()]) }];
    for _ in 0..2 {
        let fetched = downloader(&folder).fetch_all("packed", &remotes).unwrap();
        let root = folder.path().join("cache/packed/small-binary/batches");
        assert_eq!(fetched.files, [root.join("one.bin"), root.join("two.bin")]);
        assert_eq!(fetched.folder, root);
    }
    assert_eq!(server.asked().len(), 1);
}
