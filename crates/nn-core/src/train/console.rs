//! What the person at the terminal sees: a bar there, plain lines in a pipe. Nothing else in the
//! library writes to the terminal.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one place that prints")]

#[cfg(feature = "cli")]
use std::error::Error as StdError;
use std::fmt::Display;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two plain lines.
const QUIET: Duration = Duration::from_secs(2);
/// Ticks of the bar within an epoch.
const TICKS: u64 = 1_000;

/// Where training is, for display.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    pub(super) step: u64,
    pub(super) epoch: u64,
    pub(super) epochs: u64,
    /// Part of the epoch that is done, in [0, 1].
    pub(super) fraction: f64,
}

/// A progress bar on a terminal, a line every two seconds elsewhere; both on stderr.
#[derive(Debug)]
pub(super) struct Console {
    bar: Option<ProgressBar>,
    started: Instant,
    first_step: Option<u64>,
    spoke: Option<Instant>,
    latest: Vec<(String, f64)>,
}

impl Console {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}  {eta} left");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, started: Instant::now(), first_step: None, spoke: None, latest: Vec::new() }
    }

    /// Remembers a figure for the next line.
    pub(super) fn figure(&mut self, name: String, value: f64) {
        match self.latest.iter_mut().find(|(known, _)| *known == name) {
            Some((_, latest)) => *latest = value,
            None => self.latest.push((name, value)),
        }
    }

    pub(super) fn progress(&mut self, at: Position) {
        let first = *self.first_step.get_or_insert_with(|| {
            self.started = Instant::now();
            at.step
        });
        let spoke = self.spoke.unwrap_or(self.started);
        match &self.bar {
            Some(bar) => {
                let ticks = (at.epoch as f64 + at.fraction) * TICKS as f64;
                if bar.length() == Some(0) {
                    bar.set_length(at.epochs.max(1) * TICKS);
                    bar.set_position(ticks as u64);
                    bar.reset_eta();
                }
                bar.set_position(ticks as u64);
                // The terminal shows 20 frames a second; more messages are not worth their making.
                if spoke.elapsed() >= Duration::from_millis(50) {
                    bar.set_message(self.line(at, first));
                    self.spoke = Some(Instant::now());
                }
            }
            None if spoke.elapsed() >= QUIET => {
                eprintln!("{}", self.line(at, first));
                self.spoke = Some(Instant::now());
            }
            None => {}
        }
    }

    fn line(&self, at: Position, first: u64) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let epoch = (at.epoch + 1).min(at.epochs.max(1));
        let mut line = format!("epoch {epoch}/{}  step {}", at.epochs, at.step);
        for (name, value) in &self.latest {
            line += &format!("  {name} {}", short(*value));
        }
        if at.step > first && seconds > 0.0 {
            line += &format!("  {} steps/s", short((at.step - first) as f64 / seconds));
        }
        line
    }

    /// Says something that is worth a line of its own.
    pub(super) fn note(&self, text: impl Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Removes the bar and says the last sentence on stdout.
    pub(super) fn finish(&self, sentence: impl Display) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        println!("{sentence}");
    }
}

impl Drop for Console {
    /// An error or an interruption leaves no half bar behind.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar
            && !bar.is_finished()
        {
            bar.finish_and_clear();
        }
    }
}

/// Says why a program ends without its result.
#[cfg(feature = "cli")]
pub(super) fn report(error: &(dyn StdError + 'static)) {
    for line in explanation(error) {
        eprintln!("{line}");
    }
}

/// The error and each of its causes on a line, without those whose text the one above already has.
#[cfg(feature = "cli")]
fn explanation(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut said = error.to_string();
    let mut lines = vec![format!("error: {said}")];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            lines.push(format!("  because: {text}"));
            said = text;
        }
        cause = error.source();
    }
    lines
}

/// Four significant digits, as many as a progress line needs.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        _ if value == 0.0 => "0".to_owned(),
        1e-3..1e4 => format!("{value:.*}", (3 - magnitude.log10().floor() as i32).max(0) as usize),
        1e4..1e7 => format!("{value:.0}"),
        _ => format!("{value:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits() {
        let shown: Vec<String> =
            [0.0, 1.0, 0.012_345, 123.456, 9_999.4, 123_456.7, 1.5e-7, -2.5].map(short).into();
        assert_eq!(shown, ["0", "1.000", "0.01235", "123.5", "9999", "123457", "1.500e-7", "-2.500"]);
        assert_eq!(short(f64::NAN), "NaN");
    }

    #[test]
    fn a_line_says_where_training_is() {
        let mut console = Console::new();
        console.figure("loss".to_owned(), 0.5);
        console.figure("test accuracy".to_owned(), 0.25);
        console.figure("loss".to_owned(), 0.125);
        let at = Position { step: 7, epoch: 1, epochs: 3, fraction: 0.5 };
        assert_eq!(console.line(at, 7), "epoch 2/3  step 7  loss 0.1250  test accuracy 0.2500");
    }

    #[cfg(feature = "cli")]
    #[test]
    fn a_cause_is_not_said_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("{path}: {source}")]
        struct Repeats {
            path: &'static str,
            source: std::io::Error,
        }
        #[derive(Debug, thiserror::Error)]
        #[error("cannot train")]
        struct Outer(#[source] Repeats);
        let source = std::io::Error::other("disk on fire");
        let lines = explanation(&Outer(Repeats { path: "a.csv", source }));
        assert_eq!(lines, ["error: cannot train", "  because: a.csv: disk on fire"]);
    }
}
