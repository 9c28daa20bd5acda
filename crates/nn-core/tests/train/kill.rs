//! Real processes, really killed. The test binary starts itself again as the training process.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use fornax_nn_core::train::{Error, checkpoint, rng, signal};
use rand_chacha::rand_core::Rng;

use crate::support::{Wish, final_state, train};

const DIR: &str = "FORNAX_TEST_CHILD_DIR";
const MODE: &str = "FORNAX_TEST_CHILD_MODE";
const EPOCHS: usize = 40;

/// The training process: does nothing unless started by one of the tests below.
#[test]
fn child() {
    let (Ok(dir), Ok(mode)) = (std::env::var(DIR), std::env::var(MODE)) else { return };
    signal::install().unwrap();
    let dir = PathBuf::from(dir);
    let mut after_step = |run: &fornax_nn_core::train::Run| {
        writeln!(std::io::stdout(), "\nstep {}", run.progress().step).unwrap();
        if mode == "slow" {
            std::thread::sleep(Duration::from_millis(5));
        } else if mode == "stuck" {
            std::thread::sleep(Duration::from_secs(60));
        }
    };
    let every_steps = (mode == "frequent").then_some(1);
    let resume = dir.exists();
    let outcome =
        train(&dir, resume, Wish { epochs: EPOCHS, every_steps, keep: 2, after_step: &mut after_step });
    let code = match outcome {
        Ok(()) => 0,
        Err(error) => {
            writeln!(std::io::stdout(), "\nerror {error}").unwrap();
            error.exit_code()
        }
    };
    std::process::exit(code.into());
}

fn start(dir: &Path, mode: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(MODE, mode)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a child said until it ended.
struct Ended {
    /// The last step it reported.
    last: Option<u64>,
    error: String,
    status: ExitStatus,
}

/// Listens until the child ends by itself.
fn listen(child: Child) -> Ended {
    listen_and(child, |_, _| {})
}

/// Listens until the child ends, and may act when it reports a step.
fn listen_and(mut child: Child, mut at_step: impl FnMut(u64, &Child)) -> Ended {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut last, mut error) = (None, String::new());
    for line in lines.map_while(Result::ok) {
        if let Some(step) = line.strip_prefix("step ").and_then(|step| step.parse().ok()) {
            last = Some(step);
            at_step(step, &child);
        } else if let Some(text) = line.strip_prefix("error ") {
            error = text.to_owned();
        }
    }
    Ended { last, error, status: child.wait().unwrap() }
}

/// Listens, and kills the child after `delay` if it is still there.
fn listen_and_kill(mut child: Child, delay: Duration) -> Ended {
    let stdout = child.stdout.take().unwrap();
    let listener = std::thread::spawn(move || {
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        lines.filter_map(|line| line.strip_prefix("step ").and_then(|step| step.parse().ok())).last()
    });
    let until = Instant::now() + delay;
    while Instant::now() < until && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(500));
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    Ended { last: listener.join().unwrap(), error: String::new(), status }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().unwrap();
    assert!(sent.success());
}

/// The uninterrupted run every other is compared with.
fn reference(dir: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let whole = dir.join("whole");
    train(&whole, false, Wish { epochs: EPOCHS, every_steps: None, keep: 2, after_step: &mut |_| {} })
        .unwrap();
    final_state(&whole)
}

#[test]
fn a_hundred_kills_at_random_moments_lose_and_mix_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let expected = reference(dir.path());
    let mut random = rng::stream(0, "kills", 0);
    let began = Instant::now();
    let (mut kills, mut runs, mut saved_kills) = (0, 0, 0);
    while kills < 100 {
        runs += 1;
        let run = dir.path().join(format!("run-{runs}"));
        let mut reached = 0;
        loop {
            // Mostly within training, sometimes within start-up and resume.
            let delay = Duration::from_micros(random.next_u64() % 250_000);
            let ended = listen_and_kill(start(&run, "frequent"), delay);
            if ended.status.success() {
                break;
            }
            assert_eq!(ended.status.code(), None, "it was killed and did not fail");
            kills += 1;
            reached = reached.max(ended.last.unwrap_or(0));
            if !run.join("checkpoints").exists() {
                continue;
            }
            let found = checkpoint::newest(&run.join("checkpoints")).unwrap();
            assert!(found.skipped.is_empty(), "a kill damaged a generation: {:?}", found.skipped);
            let step = found.loaded.as_ref().map_or(0, |loaded| loaded.progress().step);
            assert!(step >= reached, "step {reached} was reported as saved, but {step} is the newest");
            if let Some(loaded) = found.loaded {
                assert_eq!(loaded.json::<u64>("echo").unwrap(), step, "parts of two generations");
                saved_kills += 1;
            }
            reached = reached.max(step);
            if kills >= 100 {
                let ended = listen(start(&run, "frequent"));
                assert!(ended.status.success(), "{}", ended.error);
                break;
            }
        }
        assert!(final_state(&run) == expected, "run {runs} differs from the uninterrupted one");
    }
    let seconds = began.elapsed().as_secs_f64();
    writeln!(std::io::stderr(), "{kills} kills over {runs} runs in {seconds:.0} s").unwrap();
    assert!(saved_kills >= 50, "only {saved_kills} of {kills} kills fell after the first checkpoint");
}

#[test]
fn sigint_and_sigterm_finish_the_step_and_the_resumed_run_ends_in_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let expected = reference(dir.path());
    for name in ["INT", "TERM"] {
        let run = dir.path().join(name);
        let Ended { last, error, status } = listen_and(start(&run, "slow"), |step, child| {
            if step == 10 {
                signal(child, name);
            }
        });
        assert_eq!(status.code(), Some(130), "{error}");
        assert!(error.contains("interrupted after step"), "{error}");
        assert!(error.contains("--resume --out ") && error.contains(run.to_str().unwrap()), "{error}");
        let loaded = checkpoint::newest(&run.join("checkpoints")).unwrap().loaded.unwrap();
        let step = loaded.progress().step;
        assert!(step >= 10 && step <= last.unwrap() + 1, "{step}, reported {last:?}");
        assert!(!run.join("summary.json").exists());
        let ended = listen(start(&run, "quick"));
        assert!(ended.status.success(), "{}", ended.error);
        assert!(final_state(&run) == expected, "resumed after SIG{name}");
        assert!(fs::exists(run.join("summary.json")).unwrap());
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let ended = listen_and(start(&dir.path().join("run"), "stuck"), |_, child| {
        signal(child, "INT");
        std::thread::sleep(Duration::from_millis(200));
        signal(child, "INT");
    });
    assert_eq!(ended.status.code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_interrupted_loop_gets_an_error_that_says_how_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let mut stop = |run: &fornax_nn_core::train::Run| {
        if run.progress().step == 2 {
            signal::interrupt();
        }
    };
    let error = train(&run, false, Wish { epochs: 2, every_steps: None, keep: 2, after_step: &mut stop });
    let Err(Error::Interrupted { step: 3, checkpoint, command }) = error else { panic!("{error:?}") };
    assert!(checkpoint.ends_with("gen-00000001-step-00000003"));
    assert!(command.ends_with(&format!("--resume --out {}", run.display())), "{command}");
}
