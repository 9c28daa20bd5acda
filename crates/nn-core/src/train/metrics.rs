//! `metrics.csv`: one row a figure, appended while training.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Error;
use crate::ConfigError;

const HEADER: &str = "step,epoch,split,metric,value\n";

/// One row of `metrics.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Updates done when the figure was taken.
    pub step: u64,
    /// The epoch it was taken in, counting from zero.
    pub epoch: u64,
    /// What it was taken on: `train`, `test`, …
    pub split: String,
    /// Its name: `loss`, `accuracy`, …
    pub metric: String,
    /// The figure.
    pub value: f64,
}

/// Reads a `metrics.csv`.
///
/// # Errors
///
/// [`Error::Io`] naming the file, and the line when it is not a row.
pub fn read(path: &Path) -> Result<Vec<Row>, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(path, "read"))?;
    let rows = text.lines().enumerate().skip(1);
    rows.map(|(i, line)| {
        parse(line).ok_or_else(|| {
            let what = format!("line {} is no row of {}", i + 1, HEADER.trim_end());
            Error::io(path, "read")(std::io::Error::new(std::io::ErrorKind::InvalidData, what))
        })
    })
    .collect()
}

fn parse(line: &str) -> Option<Row> {
    let mut fields = line.split(',');
    let row = Row {
        step: fields.next()?.parse().ok()?,
        epoch: fields.next()?.parse().ok()?,
        split: fields.next()?.to_owned(),
        metric: fields.next()?.to_owned(),
        value: fields.next()?.parse().ok()?,
    };
    fields.next().is_none().then_some(row)
}

/// The file while training.
#[derive(Debug)]
pub(super) struct Metrics {
    path: PathBuf,
    file: BufWriter<File>,
    length: u64,
}

impl Metrics {
    pub(super) fn create(path: PathBuf) -> Result<Self, Error> {
        let file = File::create(&path).map_err(Error::io(&path, "create the file"))?;
        let mut metrics = Self { path, file: BufWriter::new(file), length: 0 };
        metrics.write(HEADER)?;
        metrics.flush()?;
        Ok(metrics)
    }

    /// Goes on after the first `length` bytes: what a killed process wrote after its last checkpoint
    /// will be written again.
    pub(super) fn reopen(path: PathBuf, length: u64) -> Result<Self, Error> {
        let mut file = OpenOptions::new().write(true).open(&path).map_err(Error::io(&path, "open"))?;
        let found = file.metadata().map_err(Error::io(&path, "read"))?.len();
        if found < length {
            return Err(Error::MetricsLost { path, expected: length, found });
        }
        file.set_len(length)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(Error::io(&path, "shorten"))?;
        Ok(Self { path, file: BufWriter::new(file), length })
    }

    pub(super) fn row(
        &mut self,
        step: u64,
        epoch: u64,
        split: &str,
        metric: &str,
        value: f64,
    ) -> Result<(), Error> {
        for name in [split, metric] {
            if name.is_empty() || name.contains(|c: char| c == ',' || c == '"' || c.is_control()) {
                let reason = "a split or metric needs a name without commas, quotes and line breaks";
                return Err(ConfigError::new(name.escape_debug().to_string(), reason).into());
            }
        }
        self.write(&format!("{step},{epoch},{split},{metric},{}\n", text(value)))
    }

    /// Makes all rows durable and says how long the file is.
    pub(super) fn flush(&mut self) -> Result<u64, Error> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_data())
            .map_err(Error::io(&self.path, "write"))?;
        Ok(self.length)
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        self.length += text.len() as u64;
        self.file.write_all(text.as_bytes()).map_err(Error::io(&self.path, "write"))
    }
}

/// The shortest text that reads back as the same number; a number that came from f32 is written as
/// one (0.1, not 0.10000000149011612).
fn text(value: f64) -> String {
    let narrow = value as f32;
    if f64::from(narrow) == value { narrow.to_string() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_read_back() {
        assert_eq!(text(f64::from(0.1f32)), "0.1");
        assert_eq!(text(0.1), "0.1");
        assert_eq!(text(1.0 / 3.0), "0.3333333333333333");
        assert_eq!(text(f64::NAN), "NaN");
        for value in [f64::from(0.1f32), 0.1, 1.0 / 3.0, -0.0, 1e300, f64::INFINITY] {
            let back: f64 = text(value).parse().unwrap();
            assert!(back == value || back as f32 == value as f32, "{value} became {back}");
        }
    }

    #[test]
    fn rows_come_back_and_a_broken_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.csv");
        let mut metrics = Metrics::create(path.clone()).unwrap();
        metrics.row(3, 1, "test", "accuracy", 0.25).unwrap();
        metrics.flush().unwrap();
        let row = Row { step: 3, epoch: 1, split: "test".into(), metric: "accuracy".into(), value: 0.25 };
        assert_eq!(read(&path).unwrap(), [row]);
        fs::write(&path, "step,epoch,split,metric,value\n1,2,a,b,oops\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn a_name_that_would_break_the_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut metrics = Metrics::create(dir.path().join("metrics.csv")).unwrap();
        for name in ["", "a,b", "a\nb", "a\"b"] {
            assert!(metrics.row(0, 0, "train", name, 1.0).is_err(), "{name:?}");
        }
    }

    #[test]
    fn reopening_drops_what_came_after_and_misses_what_was_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.csv");
        let mut metrics = Metrics::create(path.clone()).unwrap();
        metrics.row(1, 0, "train", "loss", 1.0).unwrap();
        let kept = metrics.flush().unwrap();
        metrics.row(2, 0, "train", "loss", 0.5).unwrap();
        metrics.flush().unwrap();
        drop(metrics);
        Metrics::reopen(path.clone(), kept).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
        let error = Metrics::reopen(path, kept + 1).unwrap_err();
        assert!(matches!(error, Error::MetricsLost { .. }), "{error}");
    }
}
