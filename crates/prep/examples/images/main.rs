//! Every transformation of images on one sheet, with boxes, masks and keypoints following, and how fast files become
//! batches.

mod drawing;
mod scene;
mod throughput;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fornax_nn_core::plot::Tiles;
use fornax_nn_core::train::{Run, RunArgs, cli};
use fornax_prep::image::transform::*;
use fornax_prep::image::{Background, Channels, Collate, Mix, Sample, SampleBatch, Transform, load_image};
use fornax_prep::{Key, Limits};
use serde::Serialize;
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Draw what each image transformation does, and measure how fast image files become batches
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args, Serialize)]
struct Settings {
    /// An image of your own, or a folder of them (or of a folder for each class)
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Threads that decode and transform
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Generated JPEGs to measure on
    #[arg(long, default_value_t = 200)]
    images: usize,
}

fn main() -> ExitCode {
    cli::main(|args: Args| draw(args))
}

/// The transformations of the sheet, by name.
fn steps() -> Vec<(&'static str, Step)> {
    let soft = |sampling| Warp { sampling, fill: Fill::value(40), ..Warp::default() };
    let smooth = soft(Sampling::Bilinear);
    vec![
        ("Resize 40×40", Resize::to(40, 40).into()),
        ("Resize shorter 30, Lanczos", Resize::shorter(30).with_filter(Filter::Lanczos).into()),
        ("CenterCrop 60×60", CenterCrop::new(60, 60).into()),
        ("RandomCrop 60×80", RandomCrop::new(60, 80).into()),
        ("RandomResizedCrop", RandomResizedCrop::new(88, 88).with_scale(0.2, 0.8).into()),
        ("Pad 12, reflect", Pad::all(12).with_mode(PadMode::Reflect).into()),
        ("HorizontalFlip", HorizontalFlip::always().into()),
        ("VerticalFlip", VerticalFlip::always().into()),
        ("Rotation 25°", Rotation::by(25.0).with_warp(smooth).into()),
        ("Rotation 25°, expand", Rotation::by(25.0).with_expand().with_warp(smooth).into()),
        (
            "Affine",
            Affine::default()
                .with_rotation(15.0)
                .with_scale(0.7, 0.9)
                .with_shear(15.0)
                .with_warp(smooth)
                .into(),
        ),
        ("Perspective 0.5", Perspective { warp: smooth, ..Perspective::always(0.5) }.into()),
        ("brightness 1.6", ColorJitter { brightness: [1.6; 2], ..ColorJitter::default() }.into()),
        ("contrast 0.4", ColorJitter { contrast: [0.4; 2], ..ColorJitter::default() }.into()),
        ("saturation 0.2", ColorJitter { saturation: [0.2; 2], ..ColorJitter::default() }.into()),
        ("hue 0.3", ColorJitter { hue: [0.3; 2], ..ColorJitter::default() }.into()),
        ("Grayscale", Grayscale::always().into()),
        ("GaussianBlur σ 2", GaussianBlur::new(13).with_sigma(2.0, 2.0).into()),
        ("GaussianNoise 0.1", GaussianNoise::default().into()),
        ("RandomErasing", RandomErasing { p: 1.0, scale: [0.1, 0.3], ..RandomErasing::default() }.into()),
        ("RandAugment 2, 9", RandAugment::default().into()),
    ]
}

fn draw(Args { run: args, mut settings }: Args) -> Outcome<()> {
    if args.quick {
        settings.images = settings.images.min(24);
    }
    let limits = Limits::default();
    let pipeline = Compose { steps: steps().into_iter().map(|(_, step)| step).collect() };
    let run = Run::open("images", &args, &json!({"settings": settings, "steps": pipeline}))?;
    let key = Key::new(run.seed());
    let files = throughput::files(&settings, run.dir(), key, &limits)?;

    let sample = match &settings.data {
        None => scene::scene(key)?,
        Some(_) => {
            let image = load_image(&files.entries[0].image, Channels::Rgb, Background::White, &limits)?;
            Resize::shorter(88).apply(Sample::new(image), key)?
        }
    };
    let mut sheet = Tiles::new(6).side(112.0).title("Transformations, and what follows the image");
    sheet = sheet.tile(drawing::tile("as it is", &sample));
    let (mut kept, mut dropped) = (0, 0);
    for ((name, step), index) in steps().into_iter().zip(1..) {
        let changed = step.apply(sample.clone(), key.fold(index))?;
        kept += changed.objects.len();
        dropped += sample.objects.len() - changed.objects.len();
        sheet = sheet.tile(drawing::tile(name, &changed));
    }
    if settings.data.is_none() {
        for (name, mix, fold) in [("mixup", Mix::mixup(), 103), ("CutMix", Mix::cutmix(), 104)] {
            let pair = vec![scene::scene(key.fold(100))?.with_label(0), sample.clone().with_label(1)];
            let batch =
                SampleBatch::collate(pair, vec![0, 1], None, Collate::Equal).map_err(|(_, error)| error)?;
            let mixed = mix.apply(batch.images, 2, key.fold(fold))?;
            sheet = sheet.tile(drawing::planes(&format!("{name}, λ = {:.2}", mixed.lambda), &mixed));
        }
    }
    let picture = run.path("sheet.png");
    sheet.save(&picture)?;

    let count = files.entries.len();
    let measured = throughput::measure(files, settings.workers, &limits)?;
    let figures = json!({
        "transforms": steps().len(), "objects_kept": kept, "objects_dropped": dropped,
        "images": count, "images_skipped": measured.skipped, "workers": settings.workers,
        "images_per_second": measured.images_per_second, "cores_per_worker": measured.cores_per_worker,
    });
    let (speed, shown) = (measured.images_per_second, picture.display());
    Ok(run.finish(
        0,
        figures,
        format!("{speed:.0} images/s from files to batches of 224×224; the sheet is {shown}"),
    )?)
}
