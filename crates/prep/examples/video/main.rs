//! Opens or generates a film, takes clips of it, and shows what changed and what moved.

mod pictures;
mod source;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use burn::tensor::Tensor;
use clap::Parser;
use fornax_nn_core::train::{Run, RunArgs, Target, cli};
use fornax_prep::Key;
use fornax_prep::image::transform::{RandomResizedCrop, Resize};
use fornax_prep::video::{Clip, ClipBatch, ClipSpec, Film, FlowConfig, Plan, difference};
use serde::Serialize;
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Take clips of a film, yours or one of moving digits, and see differences and optical flow
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// A film of your own: a y4m or GIF file, a folder of frames, or (with the feature `mp4`) an MP4 file
    #[arg(long, value_name = "FILE|FOLDER")]
    data: Option<PathBuf>,
    /// Frames of a clip, 2 at least
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=64))]
    frames: u16,
    /// Frames a second of a clip, whatever the film's own rate; by default every frame of the film
    #[arg(long)]
    rate: Option<f64>,
    /// Shorter side in pixels of the frames of a clip
    #[arg(long, default_value_t = 64)]
    side: usize,
    /// Frames of the generated film
    #[arg(long, default_value_t = 400)]
    length: usize,
    /// Random clips to take, to measure the speed
    #[arg(long, default_value_t = 400)]
    clips: usize,
    /// Clips of a batch
    #[arg(long, default_value_t = 8)]
    batch_size: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| watch(args))
}

fn watch(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        (settings.length, settings.clips) = (settings.length.min(60), settings.clips.min(24));
    }
    let device = args.device.open()?;
    let mut run = Run::open("video", &args, &settings)?;
    let key = Key::new(run.seed());
    let (mut film, truth) = match &settings.data {
        Some(path) => (source::open(path)?, None),
        None => {
            let (film, truth) = source::generate(&run.path("film.y4m"), key, settings.length)?;
            (film, Some(truth))
        }
    };
    let spec = ClipSpec::new(settings.frames.into());
    let spec = settings.rate.map_or(spec, |rate| spec.with_rate(rate));

    // Every frame once, in order.
    let started = Instant::now();
    let frames = film.frames().try_fold(0, |count, frame| frame.map(|_| count + 1))?;
    let reading = frames as f64 / started.elapsed().as_secs_f64();

    // Random clips in batches, as training takes them: one crop a clip.
    let crop = RandomResizedCrop::new(settings.side, settings.side).with_scale(0.5, 1.0);
    let (mut taken, mut busy) = (0usize, 0.0);
    for epoch in run.epochs(1) {
        let plans = spec.random(film.clock(), settings.clips, key.fold(epoch as u64))?;
        for batch in run.batches(plans.len(), settings.batch_size)? {
            let started = Instant::now();
            let clips: Vec<Clip> = batch
                .iter()
                .map(|&i| Ok(film.clip(&plans[i])?.transformed(&crop, key.fold(i as u64))?))
                .collect::<Outcome<_>>()?;
            let tensor = ClipBatch::new(&clips)?.to_tensor(&device); // [B, T, C, H, W]
            busy += started.elapsed().as_secs_f64();
            taken += tensor.dims()[0] * tensor.dims()[1];
            let changed = difference(tensor).abs().mean().into_scalar::<f32>();
            run.step([("frames_per_second", taken as f64 / busy), ("mean_change", f64::from(changed))])?;
        }
    }

    // Three clips at even distances, to be looked at.
    let plans = spec.spread(film.clock(), 3)?;
    let small = Resize::shorter(settings.side);
    let take =
        |film: &mut Film, plan: &Plan| -> Outcome<Clip> { Ok(film.clip(plan)?.transformed(&small, key)?) };
    let clips = plans.iter().map(|plan| take(&mut film, plan)).collect::<Outcome<Vec<_>>>()?;
    let cropped = film.clip(&plans[1])?.transformed(&crop, key)?;
    let shown = &clips[0];
    let changes: Tensor<4> =
        difference(ClipBatch::new(std::slice::from_ref(shown))?.to_tensor(&device)).squeeze_dim(0);
    let config = FlowConfig::default();
    let pairs = shown.frames.windows(2);
    let flows =
        pairs.map(|pair| config.estimate(&pair[0].image, &pair[1].image)).collect::<Result<Vec<_>, _>>()?;
    let page = run.path("clips.png");
    pictures::page(&film, &clips, &cropped, changes.clone(), &flows)?.save(&page)?;
    pictures::animation(shown, changes, &flows)?.save(run.path("clip.gif"))?;

    let error = truth.map(|truth| source::flow_error(&truth, shown, &flows)).transpose()?;
    if let Some(error) = error {
        run.check("flow_error", error, Target::at_most(0.5));
    }
    let [height, width] = film.size();
    let summary = json!({
        "frames": film.len(), "height": height, "width": width, "film_seconds": film.clock().duration(),
        "frames_per_second": reading, "clip_frames_per_second": taken as f64 / busy, "clips": settings.clips, "flow_error": error,
    });
    let sentence = format!(
        "{} frames of {height} × {width}, {reading:.0} read a second, {:.0} a second as clips: {}",
        film.len(),
        taken as f64 / busy,
        page.display()
    );
    Ok(run.finish(0, summary, sentence)?)
}
