//! What a run leaves for the eye.

use fornax_cnn::lenet::LeNet;
use fornax_nn_core::metric::Classification;
use fornax_nn_core::plot::{Color, Curves, Line, Matrix, Panel, Tile, Tiles};
use fornax_nn_core::train::Run;
use fornax_prep::Split;
use fornax_prep::image::ImageSet;

use crate::Outcome;

/// Misread images shown at most.
const SHOWN: usize = 24;

/// Draws `curves.png`, `confusion.png`, `mistakes.png` and `first_layer.png` into the run directory.
pub(crate) fn draw(
    run: &mut Run,
    model: &LeNet,
    set: &ImageSet,
    split: &Split,
    test: &Classification,
) -> Outcome<()> {
    curves(run)?;
    Matrix::confusion(&test.confusion(), set.class_names())
        .title(format!("{} unseen images, {:.2} % read correctly", split.test.len(), 100.0 * test.accuracy()))
        .save(run.path("confusion.png"))?;
    mistakes(set, split, test).save(run.path("mistakes.png"))?;
    filters(model).save(run.path("first_layer.png"))?;
    Ok(())
}

fn curves(run: &mut Run) -> Outcome<()> {
    let epochs =
        |history: Vec<(u64, f64)>| history.into_iter().enumerate().map(|(i, (_, y))| ((i + 1) as f64, y));
    let train = epochs(run.history("train", "mean_loss")?);
    let test = epochs(run.history("test", "loss")?);
    let accuracy = epochs(run.history("test", "accuracy")?).map(|(x, y)| (x, 100.0 * y));
    let loss = Panel::new("Loss")
        .x_label("epoch")
        .y_label("cross-entropy (nats)")
        .log_y()
        .line(Line::new("training, augmented", train))
        .line(Line::new("test", test).mark_lowest());
    let accuracy = Panel::new("Accuracy")
        .x_label("epoch")
        .y_label("test images read correctly (%)")
        .line(Line::new("test", accuracy).mark_highest());
    Ok(Curves::new().panel(loss).panel(accuracy).save(run.path("curves.png"))?)
}

fn mistakes(set: &ImageSet, split: &Split, test: &Classification) -> Tiles {
    let [channels, height, width] = set.shape();
    let mistakes = test.mistakes();
    let tiles = mistakes.iter().take(SHOWN).map(|mistake| {
        let pixels = set.gather(&[split.test[mistake.sample]]).pixels;
        let tile = match channels {
            1 => Tile::grey(&pixels, [height, width]),
            _ => Tile::rgb_planes(&pixels, [height, width]),
        };
        let name = |class: usize| &set.class_names()[class];
        let belief = 100.0 * mistake.belief;
        tile.caption(format!(
            "is {}\nread as {} ({belief:.0} %)",
            name(mistake.target),
            name(mistake.predicted)
        ))
        .border(Color::WRONG)
    });
    let shown = mistakes.len().min(SHOWN);
    Tiles::new(shown.clamp(1, 6))
        .title(format!("{} misread of {}, the most confident first", mistakes.len(), split.test.len()))
        .tiles(tiles)
        .when_empty("no image was misread")
}

fn filters(model: &LeNet) -> Tiles {
    let weight = model.conv1.weight.val();
    let [filters, channels, height, width] = weight.dims();
    let weight: Vec<f32> = weight.into_data().iter::<f32>().collect();
    let tiles = weight.chunks(height * width).map(|filter| Tile::signed(filter, [height, width]));
    Tiles::new((filters * channels).min(8)).title("Filters of the first layer").tiles(tiles)
}
