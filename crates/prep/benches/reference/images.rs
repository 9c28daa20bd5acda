//! JPEGs from disk to normalised batches.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use fornax_nn_core::check::bench::Bench;
use fornax_prep::image::folder::{OnBroken, listing};
use fornax_prep::image::transform::{Compose, HorizontalFlip, Resize};
use fornax_prep::image::{Channels, Loader, LoaderConfig, Normalisation};
use fornax_prep::{Key, Limits};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder, Rgb, RgbImage};

const COUNT: u64 = 200;
const WIDTH: u32 = 500;
const HEIGHT: u32 = 375;
const WORKERS: usize = 2;

/// One pass over 200 JPEGs of 500 x 375: decoded, resized to 224 x 224 with antialiasing, flipped by chance,
/// normalised, in batches of 32, two workers.
pub(crate) fn cases(bench: &mut Bench, data: &Path) -> Result<(), Box<dyn Error>> {
    let folder = photographs(data)?;
    let limits = Limits::default();
    let source = listing(&folder, OnBroken::Fail, &limits)?.samples(Channels::Rgb, &limits);
    let config = LoaderConfig { batch_size: 32, workers: WORKERS, ..LoaderConfig::default() };
    let loader = Loader::new(source, config)?
        .with_transform(Compose::new().then(Resize::to(224, 224)).then(HorizontalFlip::default()))
        .with_normalisation(Normalisation::imagenet());
    let (mut epoch, mut failure) = (0, None);
    let (before, start) = (cpu_seconds(), Instant::now());
    bench.case("images jpeg 500x375 to 224 b32 w2", || {
        epoch += 1;
        let images = loader.epoch(epoch).try_fold(0, |count, batch| batch.map(|batch| count + batch.len()));
        match images {
            Ok(count) => assert_eq!(count as u64, COUNT),
            Err(error) => failure = Some(error),
        }
    });
    if let (Some(before), Some(after)) = (before, cpu_seconds()) {
        let share = (after - before) / start.elapsed().as_secs_f64() / WORKERS as f64;
        report(&format!("cores in use by each worker: {share:.2}"));
    }
    failure.map_or(Ok(()), |error| Err(error.into()))
}

#[allow(clippy::print_stderr)]
fn report(line: &str) {
    eprintln!("{line}");
}

/// Processor time of this process so far, user and system (Linux).
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which is in brackets: fields 3 and on; 14 and 15 are the times in ticks of 10 ms.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// The folder of photographs, made if it is not there: whole or not at all.
fn photographs(data: &Path) -> Result<std::path::PathBuf, Box<dyn Error>> {
    let folder = data.join("photographs");
    if !folder.is_dir() {
        let part = data.join(format!("photographs.{}", std::process::id()));
        fs::create_dir_all(part.join("all"))?;
        for index in 0..COUNT {
            let mut jpeg = Vec::new();
            let image = photograph(Key::new(1).fold(index));
            JpegEncoder::new_with_quality(&mut jpeg, 90).write_image(
                image.as_raw(),
                WIDTH,
                HEIGHT,
                image::ExtendedColorType::Rgb8,
            )?;
            fs::write(part.join(format!("all/{index:03}.jpg")), jpeg)?;
        }
        fs::rename(part, &folder)?;
    }
    Ok(folder)
}

/// Smooth light, shapes with edges, and texture of falling strength, as photographs have.
fn photograph(key: Key) -> RgbImage {
    let mut stream = key.stream();
    let waves: Vec<[f32; 6]> = (0..24)
        .map(|octave| {
            let frequency = 0.004 * 1.22f32.powi(octave);
            let angle = stream.between(0.0, std::f32::consts::TAU);
            let strength = 40.0 / (1.0 + octave as f32 / 3.0);
            let [r, g, b] = [0, 1, 2].map(|_| strength * stream.between(0.5, 1.0));
            [frequency * angle.cos(), frequency * angle.sin(), stream.between(0.0, 6.3), r, g, b]
        })
        .collect();
    let discs: Vec<[f32; 6]> = (0..12)
        .map(|_| {
            let [x, y] = [stream.between(0.0, WIDTH as f32), stream.between(0.0, HEIGHT as f32)];
            let [r, g, b] = [0, 1, 2].map(|_| stream.between(-70.0, 70.0));
            [x, y, stream.between(15.0, 90.0), r, g, b]
        })
        .collect();
    RgbImage::from_fn(WIDTH, HEIGHT, |column, row| {
        let (x, y) = (column as f32, row as f32);
        let grain = stream.between(-6.0, 6.0);
        let mut color = [120.0 + grain; 3];
        for [u, v, phase, r, g, b] in &waves {
            let wave = (std::f32::consts::TAU * (u * x + v * y) + phase).sin();
            color = [color[0] + r * wave, color[1] + g * wave, color[2] + b * wave];
        }
        for [cx, cy, radius, r, g, b] in &discs {
            if (x - cx).powi(2) + (y - cy).powi(2) < radius * radius {
                color = [color[0] + r, color[1] + g, color[2] + b];
            }
        }
        Rgb(color.map(|value| value as u8))
    })
}
