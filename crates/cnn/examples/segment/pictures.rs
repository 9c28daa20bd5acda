//! What a run leaves for the eye.

use burn::module::Module;
use burn::tensor::Device;
use fornax_cnn::segmentation::{PixelConfusion, UNet};
use fornax_nn_core::plot::{Bars, Color, Curves, Line, Panel, Tiles};
use fornax_nn_core::train::Run;

use crate::Outcome;
use crate::canvas::{Canvas, color};
use crate::data::IGNORE;
use crate::scenes::Part;

/// Images shown at most.
const SHOWN: usize = 8;

/// Draws `overlay.png`, `iou.png` and `curves.png` into the run directory.
pub(crate) fn draw(
    run: &mut Run,
    model: &UNet,
    test: &Part,
    names: &[String],
    seen: &PixelConfusion,
    device: &Device,
) -> Outcome<()> {
    let places: Vec<usize> = (0..test.len().min(SHOWN)).collect();
    let predicted = model.valid().predict(test.batch(&places, 0)?.to_images(device)).into_data();
    let predicted: Vec<usize> = predicted.iter::<i64>().map(|class| class as usize).collect();
    let mut tiles = Tiles::new(6)
        .side(96.0)
        .title("Unseen images: as they are, as they are labelled, as the network labels them");
    let thing = |class: usize| (class > 0 && Some(class) != IGNORE).then(|| class - 1);
    for &place in &places {
        let sample = test.sample(place, 0)?;
        let area = sample.image.size().iter().product::<usize>();
        let labels = &predicted[place * area..][..area];
        let truth: Vec<usize> =
            sample.mask.iter().flat_map(|mask| mask.classes()).map(|&c| c.into()).collect();
        let called = |classes: &[usize]| {
            // A pixel here and there is no digit.
            let covers = |class: usize| classes.iter().filter(|&&other| other == class).count();
            let present = (1..names.len()).filter(|&class| 100 * covers(class) > area);
            present.map(|class| names[class].as_str()).collect::<Vec<_>>().join(" ")
        };
        let image = || Canvas::new(&sample.image);
        tiles = tiles
            .tile(image().tile(""))
            .tile(overlay(image(), |at| thing(truth[at])).tile(format!("is {}", called(&truth))))
            .tile(overlay(image(), |at| thing(labels[at])).tile(format!("seen {}", called(labels))));
    }
    tiles.save(run.path("overlay.png"))?;

    let title = format!("Overlap of each class, {:.3} on average", seen.mean_iou());
    let mut bars = Bars::new(title).x_label("intersection over union").range(0.0, 1.0);
    for (class, iou) in seen.iou().into_iter().enumerate() {
        let shade = if class == 0 { Color::MISSING } else { color(class - 1) };
        bars = bars.colored(&names[class], iou.unwrap_or(0.0), 0.0, shade);
    }
    bars.save(run.path("iou.png"))?;

    let epochs = |history: Vec<(u64, f64)>| history.into_iter().zip(1..).map(|((_, y), x)| (f64::from(x), y));
    let loss = epochs(run.history("train", "mean_loss")?);
    let miou = epochs(run.history("test", "miou")?);
    let accuracy = epochs(run.history("test", "pixel_accuracy")?);
    let left = Panel::new("Loss").x_label("epoch").y_label("cross-entropy + dice").log_y();
    let right = Panel::new("Unseen images").x_label("epoch");
    Ok(Curves::new()
        .panel(left.line(Line::new("training", loss)))
        .panel(right.line(Line::new("mIoU", miou)).line(Line::new("pixel accuracy", accuracy)))
        .save(run.path("curves.png"))?)
}

/// Lays half a colour over every pixel of a class, as `class` says for each pixel of the image; none for background.
fn overlay(mut canvas: Canvas, class: impl Fn(usize) -> Option<usize>) -> Canvas {
    let ([height, width], scale) = (canvas.size, canvas.scale);
    for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
        if let Some(class) = class(row / scale * (width / scale) + column / scale) {
            canvas.mix(row, column, color(class), 0.6);
        }
    }
    canvas
}
