//! torchvision's networks at full size, from files that PyTorch wrote: `xtask/reference/torchvision_files.py DIR` makes them.
//!
//! ```sh
//! python xtask/reference/torchvision_files.py /tmp/files resnet50 googlenet
//! cargo bench -p fornax-transfer --bench files -- /tmp/files
//! ```
//!
//! For each network in `DIR/expected.json`: loads `.pth` and `.safetensors`, compares the logits with PyTorch's, relative to their
//! root mean square, and says how long loading took beside `torch.load` + `load_state_dict`, and how much memory.

#![allow(clippy::print_stdout, reason = "figures are the program's output")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use burn::tensor::Device;
use fornax_cnn::registry;
use fornax_cnn::{Classifier, Options};
use fornax_nn_core::check::fill;
use fornax_transfer::pretrained::{self, fits};
use fornax_transfer::source::WeightSource;
use serde::Deserialize;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What PyTorch said of a network.
#[derive(Deserialize)]
struct Expected {
    /// Of `closed_form.data("images", [1, 3, side, side])`.
    logits: Vec<f64>,
    side: usize,
    /// Best of five, `torch.load` + `load_state_dict` into a model that was built before.
    load_seconds: f64,
}

fn main() -> Outcome<()> {
    let Some(folder) = env::args().skip(1).find(|arg| !arg.starts_with('-')) else {
        println!("give the folder that xtask/reference/torchvision_files.py wrote");
        return Ok(());
    };
    let folder = Path::new(&folder);
    let expected: BTreeMap<String, Expected> =
        serde_json::from_str(&fs::read_to_string(folder.join("expected.json"))?)?;
    let mut worst = 0.0_f64;
    for (name, expected) in &expected {
        for ending in ["pth", "safetensors"] {
            worst = worst.max(compare(folder, name, ending, expected)?);
        }
    }
    println!("largest difference {worst:.1e} of the logits' root mean square");
    if worst <= 1e-4 { Ok(()) } else { Err("more than 1e-4".into()) }
}

fn compare(folder: &Path, name: &str, ending: &str, expected: &Expected) -> Outcome<f64> {
    let device = Device::flex();
    let path = folder.join(format!("{name}.{ending}"));
    let bytes = fs::metadata(&path)?.len();
    let config = registry::config(name, &Options::new(1000))?;
    let before = memory("VmRSS");
    reset_peak();
    let mut seconds = f64::INFINITY;
    let mut peak = f64::NAN;
    let mut model = None;
    for run in 0..5 {
        drop(model.take());
        let start = Instant::now();
        let loaded = pretrained::load(&config, WeightSource::from(path.as_path()).open()?, &device)?;
        seconds = seconds.min(start.elapsed().as_secs_f64());
        if run == 0 {
            peak = memory("VmHWM") - before;
        }
        model = Some(loaded.model);
    }
    let model = model.ok_or("nothing was loaded")?;
    let images = fill::input("images", [1, 3, expected.side, expected.side], &device);
    let logits: Vec<f64> = model.forward(images).into_data().iter::<f64>().collect();
    let rms = (expected.logits.iter().map(|x| x * x).sum::<f64>() / expected.logits.len() as f64).sqrt();
    let difference =
        logits.iter().zip(&expected.logits).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / rms;
    let weights = pretrained::cleaned(WeightSource::from(path.as_path()).open()?);
    let best = fits(&weights, &device).into_iter().next().map_or("nothing", |fit| fit.name);
    println!(
        "{name:<20} {ending:<12} {:>6.1} MB  difference {difference:.1e}  load {:>7.1} ms, PyTorch {:>7.1} ms ({:.2}x)  \
         memory {:.2}x the file  fits {best} best",
        bytes as f64 / 1e6,
        1e3 * seconds,
        1e3 * expected.load_seconds,
        seconds / expected.load_seconds,
        peak * 1024.0 / bytes as f64,
    );
    if logits.len() != expected.logits.len() || best != name {
        return Err(format!("{name}: {} logits, recognised as {best}", logits.len()).into());
    }
    Ok(difference)
}

/// A figure of this process in kibibytes; NaN where there is no `/proc`.
fn memory(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN)
}

/// Lets the peak begin anew, where the system can.
fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}
