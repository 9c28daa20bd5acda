//! Looks into a file of weights: what the tensors are called, how large they are, what numbers are in them, and which network of the
//! registry they fit. Without a file, at one that it writes itself.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fornax_cnn::{Options, create};
use fornax_nn_core::plot::Bars;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_nn_core::weights::{Weights, save};
use fornax_transfer::pretrained::{self, cleaned, fits};
use fornax_transfer::source::WeightSource;
use serde::Serialize;
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Say what is in a file of weights, and which network it fits
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// The file (.safetensors, .pth, .pt, .bin), or a folder with one; without it, a narrow ResNet-18's
    #[arg(long, value_name = "PATH")]
    weights: Option<PathBuf>,
    /// Only tensors whose names contain this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Networks that fit, at most
    #[arg(long, default_value_t = 3)]
    fits: usize,
}

/// A tensor and its numbers.
struct Row {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    mean: f64,
    deviation: f64,
    largest: f64,
    /// NaN or infinite.
    broken: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| look(args))
}

#[allow(clippy::print_stdout, reason = "the table is the program's output")]
fn look(Args { run: args, settings }: Args) -> Outcome<()> {
    let device = args.device.open()?;
    device.seed(args.seed);
    let mut run = Run::open("weights", &args, &settings)?;
    let source = match &settings.weights {
        Some(path) => WeightSource::from(path.as_path()),
        None => {
            let (path, options) = (run.path("resnet18.safetensors"), Options::new(10).with_width(0.25));
            save(&create("resnet18", &options, &device)?, &path, pretrained::tensor_name)?;
            WeightSource::from(path)
        }
    };
    let weights = source.open()?;
    let wanted = |name: &str| settings.only.as_ref().is_none_or(|only| name.contains(only));
    let rows = weights.names().filter(|name| wanted(name)).map(|name| row(&weights, name));
    let rows: Vec<Row> = rows.collect::<Outcome<_>>()?;
    println!(
        "{:<52} {:<5} {:<20} {:>10} {:>10} {:>10}",
        "name", "type", "shape", "mean", "deviation", "largest"
    );
    for Row { name, dtype, shape, mean, deviation, largest, broken } in &rows {
        let shape = format!("{shape:?}");
        let note = if *broken > 0 { format!("  {broken} not finite!") } else { String::new() };
        println!("{name:<52} {dtype:<5} {shape:<20} {mean:>10.4} {deviation:>10.4} {largest:>10.4}{note}");
    }
    let path = weights.path().to_owned();
    let found = fits(&cleaned(weights), &device);
    for fit in found.iter().take(settings.fits) {
        println!("{fit}");
    }
    let numbers: usize = rows.iter().map(|row| row.shape.iter().product::<usize>()).sum();
    let broken: usize = rows.iter().map(|row| row.broken).sum();
    let largest = rows.iter().filter(|row| row.shape.len() > 1).take(40);
    let bars = Bars::new("Deviation of each weight").x_label("standard deviation of a tensor's numbers");
    largest
        .fold(bars, |bars, row| bars.bar(&row.name, row.deviation, 0.0))
        .save(run.path("deviations.png"))?;

    let best = found.first();
    let name = best.map_or("none of the registry", |fit| fit.name);
    if settings.weights.is_none() {
        // At a quarter of the width, so all but the shapes agree.
        let right = f64::from(u8::from(name == "resnet18"));
        run.check("own file recognised", right, Target::at_least(1.0));
    }
    let sentence = format!(
        "{}: {} tensors, {numbers} numbers, {broken} not finite; fits {name} best: {}",
        path.display(),
        rows.len(),
        run.path("deviations.png").display()
    );
    let figures = json!({
        "tensors": rows.len(), "numbers": numbers, "not_finite": broken, "fits": name,
        "fit_score": best.map_or(0.0, |fit| fit.score()),
    });
    Ok(run.finish(numbers, figures, sentence)?)
}

fn row(weights: &Weights, name: &str) -> Outcome<Row> {
    let numbers = weights.numbers(name)?;
    let n = numbers.len().max(1) as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    Ok(Row {
        name: name.to_owned(),
        dtype: weights.dtype(name).unwrap_or_default().to_owned(),
        shape: weights.shape(name).unwrap_or_default().to_vec(),
        mean,
        deviation: (numbers.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt(),
        largest: numbers.iter().fold(0.0, |largest, value| value.abs().max(largest)),
        broken: numbers.iter().filter(|value| !value.is_finite()).count(),
    })
}
