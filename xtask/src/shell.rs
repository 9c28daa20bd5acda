//! Running other programs: output to the terminal and to a log at once.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    pub success: bool,
    /// Standard output and standard error, line by line as they came.
    pub output: String,
}

/// Where builds go: `CARGO_TARGET_DIR`, or `target` under the root.
pub fn target_dir(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    }
}

/// `cargo` in the workspace's root, without colours so that its output can be read, and without what `cargo run`
/// says of xtask: build scripts that look at it (ring's) would run again, and all that depends on them.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).env("CARGO_TERM_COLOR", "never").env("BURN_DEVICE", "flex");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start)) {
            command.env_remove(&*name);
        }
    }
    if std::env::var_os("CI").is_some() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// Runs `command`, copying what it writes to the terminal and appending it to `log`.
pub fn stream(command: &mut Command, log: &Path) -> io::Result<Finished> {
    let shown = describe(command);
    println!("$ {shown}");
    let mut file = File::options().create(true).append(true).open(log)?;
    writeln!(file, "$ {shown}")?;

    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let sink = Arc::new(Mutex::new((file, String::new())));
    let mut readers = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        readers.push(copy(stdout, Arc::clone(&sink)));
    }
    if let Some(stderr) = child.stderr.take() {
        readers.push(copy(stderr, Arc::clone(&sink)));
    }
    let success = child.wait()?.success();
    for reader in readers {
        reader.join().map_err(|_| io::Error::other("a reader thread panicked"))??;
    }
    let output = match sink.lock() {
        Ok(mut sink) => std::mem::take(&mut sink.1),
        Err(_) => return Err(io::Error::other("a reader thread panicked")),
    };
    Ok(Finished { success, output })
}

/// Runs `command` in silence and returns its standard output.
pub fn capture(command: &mut Command) -> io::Result<Finished> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    Ok(Finished {
        success: output.status.success(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
    })
}

fn copy(
    from: impl io::Read + Send + 'static,
    sink: Arc<Mutex<(File, String)>>,
) -> thread::JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line)? > 0 {
            let mut sink = sink.lock().map_err(|_| io::Error::other("a reader thread panicked"))?;
            io::stdout().write_all(&line)?;
            sink.0.write_all(&line)?;
            sink.1.push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
        Ok(())
    })
}

/// The command as one would type it.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let words = command.get_args().map(|argument| {
        let word = argument.to_string_lossy();
        if word.contains([' ', '(', '|']) { format!("'{word}'") } else { word.into_owned() }
    });
    std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ")
}

/// An empty log file for `step`.
pub fn fresh_log(root: &Path, step: &str) -> io::Result<PathBuf> {
    let folder = target_dir(root).join("xtask");
    fs::create_dir_all(&folder)?;
    let log = folder.join(format!("{step}.log"));
    File::create(&log)?;
    Ok(log)
}

/// Sources and paths of the programs in cargo's JSON messages.
pub fn programs(messages: &str) -> Vec<(PathBuf, PathBuf)> {
    let parsed = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let text = |value: &serde_json::Value| value.as_str().map(PathBuf::from);
    parsed
        .filter_map(|message| Some((text(&message["target"]["src_path"])?, text(&message["executable"])?)))
        .collect()
}

/// The program that cargo says, in its JSON messages, it built from `source`. Two crates may have an example of one
/// name, and only one of them keeps that name in the target folder: then it is the file whose name ends in a hash.
pub fn program(messages: &str, source: &Path) -> Option<PathBuf> {
    let built = programs(messages);
    let (_, path) = built.iter().find(|(from, _)| from == source)?;
    let alone = built.iter().all(|(from, other)| from == source || other != path);
    if alone { Some(path.clone()) } else { hashed(path, source) }
}

/// The newest `<path>-<hash>` of which the list of sources beside it names `source`.
fn hashed(path: &Path, source: &Path) -> Option<PathBuf> {
    let prefix = format!("{}-", path.file_name()?.to_str()?);
    let lists = fs::read_dir(path.parent()?).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let programs = lists.filter_map(|list| {
        let ours = list.extension()? == "d" && list.file_name()?.to_str()?.starts_with(&prefix);
        let program = list.with_extension("");
        // Sources are listed relative to the workspace's root.
        let names = |text: String| text.split_whitespace().any(|word| source.ends_with(word));
        let changed = (ours && names(fs::read_to_string(&list).ok()?)).then(|| fs::metadata(&program))?;
        Some((changed.ok()?.modified().ok()?, program))
    });
    programs.max().map(|(_, program)| program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(source: &str, executable: &Path) -> String {
        let name = executable.file_name().unwrap().to_str().unwrap();
        let target = serde_json::json!({ "name": name, "src_path": source });
        serde_json::json!({ "target": target, "executable": executable }).to_string()
    }

    #[test]
    fn programs_are_found_in_cargos_messages_by_their_source() {
        let library = r#"{"target":{"name":"fornax_cnn","src_path":"/w/lib.rs"},"executable":null}"#;
        let messages = format!("{library}\nnot json\n{}\n", message("/w/digits.rs", Path::new("/t/digits")));
        assert_eq!(program(&messages, Path::new("/w/digits.rs")), Some(PathBuf::from("/t/digits")));
        assert_eq!(program(&messages, Path::new("/w/lib.rs")), None);
    }

    #[test]
    fn of_two_programs_of_one_name_each_is_found() {
        let folder = std::env::temp_dir().join(format!("fornax-xtask-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("classify");
        for (hash, source) in [("1a", "cnn/classify.rs"), ("2b", "rnn/classify.rs")] {
            fs::write(folder.join(format!("classify-{hash}")), "").unwrap();
            let list = format!("{}-{hash}: {source} lib.rs\n", path.display());
            fs::write(folder.join(format!("classify-{hash}.d")), list).unwrap();
        }
        let messages =
            ["/w/cnn/classify.rs", "/w/rnn/classify.rs"].map(|source| message(source, &path)).join("\n");
        let found = program(&messages, Path::new("/w/rnn/classify.rs"));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, Some(folder.join("classify-2b")));
    }
}
