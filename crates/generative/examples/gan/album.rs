//! What a run on images leaves for the eye.

use std::time::Duration;

use burn::tensor::Tensor;
use fornax_nn_core::plot::{Animation, Curves, Panel, Picture, PlotError, Tile, Tiles};
use fornax_nn_core::train::Run;
use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::pictures::{balance, line};

/// Images in a row.
const ROW: usize = 10;

/// What the same noise looks like as training goes on.
#[derive(Default)]
pub(crate) struct Album {
    pub(crate) pages: Vec<Page>,
}

/// Samples after an epoch, a byte a pixel.
#[derive(Serialize, Deserialize)]
pub(crate) struct Page {
    epoch: usize,
    size: [usize; 2],
    pixels: Vec<u8>,
}

impl Page {
    fn new(epoch: usize, images: &Tensor<4>) -> Self {
        let [_, _, height, width] = images.dims();
        let byte = |pixel: f32| ((pixel * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8;
        Self { epoch, size: [height, width], pixels: images.to_data().iter::<f32>().map(byte).collect() }
    }

    fn draw(&self, title: String, side: f64) -> Result<Picture, PlotError> {
        let tiles = self.pixels.chunks(self.size[0] * self.size[1]);
        let tiles = tiles.map(|image| Tile::grey_bytes(image, self.size));
        Tiles::new(ROW).title(title).tiles(tiles).side(side).draw()
    }
}

impl Album {
    pub(crate) fn push(&mut self, epoch: usize, images: &Tensor<4>) {
        self.pages.push(Page::new(epoch, images));
    }

    /// Draws `samples.png`, `training.gif` and `curves.png` into the run directory.
    pub(crate) fn draw(&self, run: &mut Run, samples: &Tensor<4>) -> Outcome<()> {
        let shown = samples.clone().narrow(0, 0, samples.dims()[0].min(ROW * ROW));
        Page::new(0, &shown)
            .draw("Samples of the averaged generator".to_owned(), 48.0)?
            .save(run.path("samples.png"))?;
        let mut animation = Animation::new(Duration::from_millis(250));
        for page in &self.pages {
            animation.push(&page.draw(format!("after epoch {}", page.epoch), 36.0)?)?;
        }
        animation.save(run.path("training.gif"))?;

        let balance = balance(run, "the classifier's confidence", "confidence")?;
        let distance = Panel::new("Fréchet distance in the classifier's features")
            .x_label("step")
            .log_y()
            .line(line(run, "500 samples", "test", "fid_digits")?.mark_lowest());
        Ok(Curves::new().panel(balance).panel(distance).save(run.path("curves.png"))?)
    }
}
