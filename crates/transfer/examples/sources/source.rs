//! Tasks to learn before the one that is meant.

use burn::tensor::{Device, Tensor, TensorData};
use fornax_cnn::classification::Batch;
use fornax_prep::Key;

use crate::digits::Digits16;

/// What a network knows before it sees 5 to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nothing: random weights.
    None,
    /// 0 to 4.
    Digits,
    /// 0 to 4 upside down.
    UpsideDown,
    /// How much ink there is, in five steps, whatever the digit.
    Ink,
    /// Where in the image the digit is, in five places, whatever the digit.
    Place,
    /// 0 to 4 with labels that have nothing to do with them.
    Chance,
}

impl Source {
    pub(crate) const ALL: [Self; 6] =
        [Self::None, Self::Digits, Self::UpsideDown, Self::Ink, Self::Place, Self::Chance];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Digits => "digits",
            Self::UpsideDown => "upside_down",
            Self::Ink => "ink",
            Self::Place => "place",
            Self::Chance => "chance",
        }
    }

    /// The digits at `indices` as this source shows and names them.
    pub(crate) fn batch(self, data: &Digits16, indices: &[usize], key: Key, device: &Device) -> Batch {
        let mut draw = key.stream();
        let mut images = data.set.gather(indices);
        let [_, _, height, width] = images.shape;
        let mut labels = images.labels.clone();
        for ((image, label), index) in images.pixels.chunks_mut(height * width).zip(&mut labels).zip(indices)
        {
            let class = ((5.0 * draw.uniform()) as usize).min(4);
            match self {
                Self::None | Self::Digits => {}
                Self::UpsideDown => image.reverse(),
                Self::Ink => {
                    *label = class;
                    let share = 0.2 + 0.2 * class as f32;
                    image.iter_mut().for_each(|pixel| *pixel *= share);
                }
                Self::Place => {
                    *label = class;
                    let (right, down) = [(0, 0), (4, 0), (-4, 0), (0, 4), (0, -4)][class];
                    shift(image, [height as i64, width as i64], [down, right]);
                }
                // The same image always has the same label.
                Self::Chance => *label = index.wrapping_mul(2_654_435_761) / 7 % 5,
            }
        }
        let labels: Vec<i64> = labels.into_iter().map(|label| label as i64).collect();
        let Batch { images, .. } = data.tensors(images, device);
        let targets = Tensor::from_data(TensorData::new(labels, [indices.len()]), device);
        Batch { images, targets }
    }
}

/// Moves an image; what comes in is paper.
fn shift(image: &mut [f32], [height, width]: [i64; 2], [down, right]: [i64; 2]) {
    let old = image.to_vec();
    for y in 0..height {
        for x in 0..width {
            let (from_y, from_x) = (y - down, x - right);
            let inside = (0..height).contains(&from_y) && (0..width).contains(&from_x);
            let value = if inside { old[(from_y * width + from_x) as usize] } else { 0.0 };
            image[(y * width + x) as usize] = value;
        }
    }
}
