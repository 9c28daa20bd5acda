//! Timing in the form `cargo xtask bench` reads, beside the same measurement of PyTorch.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

/// Runs before the clock starts: the first ones allocate and tune.
const WARM_UP: usize = 3;

/// Times whole calls and keeps every sample.
///
/// ```
/// use fornax_nn_core::check::bench::Bench;
///
/// let mut bench = Bench::new(5);
/// bench.case("sum", || { std::hint::black_box((0..1000).sum::<u64>()); });
/// let json = bench.to_json().unwrap();
/// assert!(json.starts_with(r#"{"ms":{"sum":["#));
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct Bench {
    #[serde(skip)]
    repetitions: usize,
    /// Milliseconds by case.
    ms: BTreeMap<String, Vec<f64>>,
    /// Highest resident memory of the process so far, where the system tells (Linux).
    peak_kib: Option<u64>,
}

impl Bench {
    /// Times each case `repetitions` times.
    pub fn new(repetitions: usize) -> Self {
        Self { repetitions, ms: BTreeMap::new(), peak_kib: None }
    }

    /// Times `call`, which must not return before the device is done: read a value back, or
    /// [`sync`](burn::tensor::Device::sync).
    pub fn case(&mut self, name: &str, mut call: impl FnMut()) {
        self.turns(&mut [(name, &mut call)]);
    }

    /// Times calls as [`case`](Self::case) does, but in turns, one after the other: what slows the machine down for a while
    /// slows all of them.
    pub fn turns(&mut self, cases: &mut [(&str, &mut dyn FnMut())]) {
        let mut samples = vec![Vec::new(); cases.len()];
        for turn in 0..WARM_UP + self.repetitions {
            for ((_, call), samples) in cases.iter_mut().zip(&mut samples) {
                let start = Instant::now();
                call();
                if turn >= WARM_UP {
                    samples.push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
        }
        for ((name, _), samples) in cases.iter().zip(samples) {
            self.add(name, samples);
        }
    }

    /// Adds samples in milliseconds that were timed elsewhere, such as those of cases that take turns.
    pub fn add(&mut self, name: &str, samples: Vec<f64>) {
        self.ms.insert(name.to_owned(), samples);
        self.peak_kib = peak_kib();
    }

    /// The samples and the peak memory as one line of JSON.
    ///
    /// # Errors
    ///
    /// None in practice: the type of the error is that of the writer.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// `VmHWM` of this process.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_repetition_is_a_sample_and_warm_up_is_not() {
        let mut bench = Bench::new(4);
        let mut calls = 0;
        bench.case("count", || calls += 1);
        assert_eq!(calls, 4 + WARM_UP);
        assert_eq!(bench.ms["count"].len(), 4);
        bench.add("elsewhere", vec![1.5]);
        assert_eq!(bench.ms["elsewhere"], [1.5]);
    }

    #[test]
    fn calls_take_turns() {
        let (mut bench, order) = (Bench::new(2), std::cell::RefCell::new(String::new()));
        let (mut one, mut two) = (|| order.borrow_mut().push('a'), || order.borrow_mut().push('b'));
        bench.turns(&mut [("one", &mut one), ("two", &mut two)]);
        assert_eq!(*order.borrow(), "ab".repeat(WARM_UP + 2));
        assert_eq!([bench.ms["one"].len(), bench.ms["two"].len()], [2, 2]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_known_on_linux() {
        assert!(peak_kib().is_some_and(|kib| kib > 1000));
    }
}
