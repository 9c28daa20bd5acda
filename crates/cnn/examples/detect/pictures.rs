//! What a run leaves for the eye.

use burn::module::Module;
use burn::tensor::Device;
use fornax_cnn::ResNet;
use fornax_cnn::detection::Fcos;
use fornax_cnn::detection::coco::Evaluator;
use fornax_nn_core::plot::{Bars, Color, Curves, Line, Panel, Tiles};
use fornax_nn_core::train::Run;

use crate::Outcome;
use crate::canvas::{Canvas, color};
use crate::scenes::Part;

/// Images shown at most.
const SHOWN: usize = 8;
/// Boxes with a lower score are not drawn.
const SURE: f32 = 0.5;

/// Draws `boxes.png`, `ap.png` and `curves.png` into the run directory.
pub(crate) fn draw(
    run: &mut Run,
    model: &Fcos<ResNet>,
    test: &Part,
    names: &[String],
    judged: &Evaluator,
    device: &Device,
) -> Outcome<()> {
    let places: Vec<usize> = (0..test.len().min(SHOWN)).collect();
    let found = model.valid().predict(test.batch(&places, 0)?.to_images(device));
    let title = format!("Unseen images: what is found with a score of {SURE} or more, from left to right");
    let mut tiles = Tiles::new(4).side(96.0).title(title);
    for (&place, mut found) in places.iter().zip(found) {
        found.retain(|one| one.score >= SURE);
        found.sort_by(|a, b| a.bounds[0].total_cmp(&b.bounds[0]));
        let image = Canvas::new(&test.sample(place, 0)?.image);
        let image = found.iter().fold(image, |image, one| frame(image, one.bounds, color(one.class)));
        let caption = found.iter().map(|one| format!("{} ({:.2})", names[one.class], one.score));
        tiles = tiles.tile(image.tile(caption.collect::<Vec<_>>().join("  ")));
    }
    tiles.save(run.path("boxes.png"))?;

    let mut bars =
        Bars::new("Average precision of each class, IoU 0.50 to 0.95").x_label("AP").range(0.0, 1.0);
    for (class, ap) in judged.ap_by_class() {
        bars = bars.colored(&names[class], ap, 0.0, color(class));
    }
    bars.save(run.path("ap.png"))?;

    let epochs = |history: Vec<(u64, f64)>| history.into_iter().zip(1..).map(|((_, y), x)| (f64::from(x), y));
    let loss = epochs(run.history("train", "mean_loss")?);
    let (map, map50) = (epochs(run.history("test", "map")?), epochs(run.history("test", "map50")?));
    let left = Panel::new("Loss").x_label("epoch").y_label("focal + GIoU + centre-ness").log_y();
    let right = Panel::new("Unseen images").x_label("epoch").y_range(0.0, 1.0);
    Ok(Curves::new()
        .panel(left.line(Line::new("training", loss)))
        .panel(right.line(Line::new("mAP", map)).line(Line::new("mAP at IoU 0.5", map50)))
        .save(run.path("curves.png"))?)
}

/// Draws the frame of a box.
fn frame(mut canvas: Canvas, bounds: [f32; 4], color: Color) -> Canvas {
    let [height, width] = canvas.size;
    let inside =
        |edge: f32, size: usize| ((edge * canvas.scale as f32).round().max(0.0) as usize).min(size - 1);
    let [left, right] = [bounds[0], bounds[2]].map(|x| inside(x, width));
    let [top, bottom] = [bounds[1], bounds[3]].map(|y| inside(y, height));
    for column in left..=right {
        canvas.mix(top, column, color, 1.0);
        canvas.mix(bottom, column, color, 1.0);
    }
    for row in top..=bottom {
        canvas.mix(row, left, color, 1.0);
        canvas.mix(row, right, color, 1.0);
    }
    canvas
}
