//! The end of a run: targets, `summary.json`, the last sentence.

use std::fmt::Display;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Run;
use crate::ConfigError;
use crate::train::settings::{self, SUMMARY};
use crate::train::{Error, Target, files};

impl Run {
    /// Compares a final figure with the one the example documents. A miss is said, and with `--check` it
    /// makes [`finish`](Self::finish) fail.
    pub fn check(&mut self, name: &str, value: f64, target: Target) {
        if !target.is_met(value) {
            self.missed.push(format!("{name} is {value}, documented {target}"));
        }
    }

    /// Ends the run: writes `summary.json`, whose presence marks a finished run, and says `sentence` as the
    /// last line on stdout.
    ///
    /// `figures` is the example's own flat object, such as `json!({"test_accuracy": 0.99})`; the common keys
    /// (`example`, `seed`, `device`, `params`, `steps`, `seconds`, `steps_per_second`) are added.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when `figures` is not a flat object or uses a common key; [`Error::Io`];
    /// [`Error::TargetMissed`] with `--check`, after everything was written.
    pub fn finish(
        mut self,
        params: usize,
        figures: impl Serialize,
        sentence: impl Display,
    ) -> Result<(), Error> {
        self.metrics.flush()?;
        let seconds = self.seconds();
        let mut summary = Map::new();
        summary.insert("example".to_owned(), self.example.as_str().into());
        summary.insert("seed".to_owned(), self.args.seed.into());
        summary.insert("device".to_owned(), self.args.device.to_string().into());
        summary.insert("params".to_owned(), params.into());
        summary.insert("steps".to_owned(), self.progress.step.into());
        summary.insert("seconds".to_owned(), seconds.into());
        summary.insert("steps_per_second".to_owned(), (self.progress.step as f64 / seconds).into());
        let Value::Object(figures) = settings::to_value(&figures)? else {
            return Err(ConfigError::new("summary", "must be an object of figures").into());
        };
        for (name, value) in figures {
            if value.is_object() || value.is_array() {
                return Err(ConfigError::new(name, "summary.json is flat: a number, text or bool").into());
            }
            if summary.contains_key(&name) {
                return Err(ConfigError::new(name, "is one of summary.json's common keys").into());
            }
            summary.insert(name, value);
        }
        let mut text = crate::config::to_json(&summary)?;
        text.push('\n');
        files::replace(&self.dir.join(SUMMARY), text.as_bytes())?;
        for missed in &self.missed {
            self.console.note(missed);
        }
        self.console.finish(sentence);
        if self.args.check && !self.missed.is_empty() {
            return Err(Error::TargetMissed { missed: self.missed });
        }
        Ok(())
    }
}
