//! How fast files become batches.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Instant;

use fornax_prep::image::folder::{self, OnBroken};
use fornax_prep::image::transform::{Compose, Filter, GaussianNoise, HorizontalFlip, Resize};
use fornax_prep::image::{Channels, Entry, Listing, Loader, LoaderConfig, Normalisation, Transform};
use fornax_prep::{Key, Limits};
use image::{ImageFormat, RgbImage};

use super::{Outcome, Settings, scene};

/// What was measured.
pub(crate) struct Measured {
    pub(crate) images_per_second: f64,
    /// Processor time over wall time, for each worker; none where the system does not tell.
    pub(crate) cores_per_worker: Option<f64>,
    pub(crate) skipped: usize,
}

/// The user's files, or scenes written as JPEGs of 500 × 375 into the run's directory.
pub(crate) fn files(settings: &Settings, run: &Path, key: Key, limits: &Limits) -> Outcome<Listing> {
    let Some(path) = &settings.data else {
        let folder = run.join("jpegs");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let enlarge = Compose::new()
            .then(Resize::to(375, 500).with_filter(Filter::Bicubic))
            .then(GaussianNoise::new(0.02));
        for index in 0..settings.images.max(1) as u64 {
            let sample = enlarge.apply(scene::scene(key.fold(index))?, key.fold(index))?;
            let image =
                RgbImage::from_raw(500, 375, sample.image.into_pixels()).ok_or("a scene of another size")?;
            let mut jpeg = Cursor::new(Vec::new());
            image.write_to(&mut jpeg, ImageFormat::Jpeg)?;
            fs::write(folder.join(format!("{index:04}.jpg")), jpeg.into_inner())?;
        }
        return flat(&folder);
    };
    if path.is_file() {
        let entries = vec![Entry::new(path.as_path())];
        return Ok(Listing { entries, class_names: Vec::new(), skipped: Vec::new() });
    }
    let has_folders = fs::read_dir(path)?.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir()));
    if has_folders { Ok(folder::listing(path, OnBroken::Skip, limits)?) } else { flat(path) }
}

/// The images of a folder without classes.
fn flat(folder: &Path) -> Outcome<Listing> {
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| ImageFormat::from_path(path).is_ok());
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{}: expected images; found none", folder.display()).into());
    }
    let entries = paths.into_iter().map(Entry::new).collect();
    Ok(Listing { entries, class_names: Vec::new(), skipped: Vec::new() })
}

/// Decodes, resizes to 224 × 224, flips and normalises all files, three times; the best counts.
pub(crate) fn measure(files: Listing, workers: usize, limits: &Limits) -> Outcome<Measured> {
    let config = LoaderConfig { workers, on_broken: OnBroken::Skip, ..LoaderConfig::default() };
    let loader = Loader::new(files.samples(Channels::Rgb, limits), config)?
        .with_transform(Compose::new().then(Resize::to(224, 224)).then(HorizontalFlip::default()))
        .with_normalisation(Normalisation::imagenet());
    let mut best = Measured { images_per_second: 0.0, cores_per_worker: None, skipped: 0 };
    for number in 0..3 {
        let (start, before) = (Instant::now(), cpu_seconds());
        let mut epoch = loader.epoch(number);
        let mut count = 0;
        for batch in epoch.by_ref() {
            count += batch?.len();
        }
        let seconds = start.elapsed().as_secs_f64();
        let images_per_second = count as f64 / seconds;
        if images_per_second >= best.images_per_second {
            let cpu = before.zip(cpu_seconds()).map(|(before, after)| after - before);
            let cores_per_worker = cpu.map(|cpu| cpu / seconds / workers.max(1) as f64);
            best = Measured { images_per_second, cores_per_worker, skipped: epoch.skipped().len() };
        }
    }
    Ok(best)
}

/// Processor time of this process so far (Linux): fields 14 and 15 of its status, in ticks of 10 ms.
fn cpu_seconds() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = status.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}
