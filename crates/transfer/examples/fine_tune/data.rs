//! The digits as two tasks: 0 to 4 with all their images, turned, and 5 to 9 with a few, upright.

use burn::tensor::{Device, Int, Tensor};
use fornax_cnn::Classifier;
use fornax_cnn::classification::Batch;
use fornax_prep::image::{ImageBatch, ImageSet, Normalisation, RandomAffine};
use fornax_prep::{Digits, Key};

/// Side the digits are enlarged to.
const SIDE: usize = 16;
/// Images classified at once.
const CHUNK: usize = 256;
/// Digits of either task.
const DIGITS: usize = 5;
/// Classes of the source: five digits at each quarter turn. A network that has to tell only five apart forgets all else about them.
pub(crate) const SOURCE_CLASSES: usize = 4 * DIGITS;
/// Classes of the target.
pub(crate) const TARGET_CLASSES: usize = DIGITS;

/// Images to learn from and images to be judged on, all of them digits; classes count from 0.
pub(crate) struct Task {
    set: ImageSet,
    normalisation: Normalisation,
    first: usize,
    train: Vec<usize>,
    test: Vec<usize>,
    turned: bool,
    seed: u64,
}

impl Task {
    /// 0 to 4, turned by 0°, 90°, 180° or 270°: four fifths to learn from.
    pub(crate) fn source(seed: u64) -> Self {
        Self { turned: true, ..Self::draw(seed, 0, |images| 4 * images / 5) }
    }

    /// 5 to 9: `labels` of each to learn from, all others to be judged on.
    pub(crate) fn target(seed: u64, labels: usize) -> Self {
        Self::draw(seed, DIGITS, |images| labels.clamp(1, images - 1))
    }

    fn draw(seed: u64, first: usize, share: impl Fn(usize) -> usize) -> Self {
        // 8 × 8 to 16 × 16 is a fixed enlargement that cannot fail.
        let set = Digits::load().to_set().resized(SIDE, SIDE).expect("the digits can be enlarged");
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for class in first..first + DIGITS {
            let mut images: Vec<usize> = (0..set.len()).filter(|&i| set.labels()[i] == class).collect();
            Key::new(seed).fold(class as u64).shuffle(&mut images);
            test.extend(images.split_off(share(images.len())));
            train.extend(images);
        }
        // The same for both tasks: what the source was normalised by belongs to its weights.
        let zero_to_four: Vec<usize> = (0..set.len()).filter(|&i| set.labels()[i] < DIGITS).collect();
        let normalisation = Normalisation::fit(&set, &zero_to_four);
        Self { set, normalisation, first, train, test, turned: false, seed }
    }

    /// Batches of a pass, the last as large as the others or left out.
    pub(crate) fn steps(&self, batch_size: usize) -> usize {
        (self.train.len() / batch_size.max(1)).max(1)
    }

    /// One pass in an order, and with turns and shifts, that follow from the seed and the pass.
    pub(crate) fn batches(&self, pass: usize, batch_size: usize, device: &Device) -> Vec<Batch> {
        let key = Key::new(self.seed).fold(pass as u64);
        let augment = RandomAffine::none().with_rotation(10.0).with_translation(1.0).with_scale(0.9, 1.1);
        let order: Vec<usize> =
            key.permutation(self.train.len()).into_iter().map(|i| self.train[i]).collect();
        let batch = |indices: &[usize]| self.named(augment.apply(self.set.gather(indices), key), key, device);
        order.chunks(batch_size.max(1)).take(self.steps(batch_size)).map(batch).collect()
    }

    /// Images, turned if this task's are, and their classes.
    fn named(&self, mut images: ImageBatch, key: Key, device: &Device) -> Batch {
        for ((image, label), &index) in
            images.pixels.chunks_mut(SIDE * SIDE).zip(&mut images.labels).zip(&images.indices)
        {
            *label -= self.first;
            // Which turn follows from the image and the pass, as everything that is drawn for it.
            let turns = if self.turned {
                (4.0 * key.fold(u64::MAX).fold(index as u64).stream().uniform()) as usize
            } else {
                0
            };
            for _ in 0..turns {
                quarter_turn(image);
                *label += DIGITS;
            }
        }
        let (images, targets) = self.normalisation.apply(images).to_tensors(device);
        Batch { images, targets }
    }

    /// Share of the images to be judged on that are read correctly.
    pub(crate) fn accuracy<M: Classifier>(&self, model: &M) -> f64 {
        let model = model.valid();
        let device = model.devices()[0].clone();
        let right = |chunk: &[usize]| {
            let key = Key::new(!self.seed);
            let Batch { images, targets } = self.named(self.set.gather(chunk), key, &device);
            let answers: Tensor<1, Int> = model.forward(images).argmax(1).squeeze_dim(1);
            answers.equal(targets).int().sum().into_scalar::<i64>() as usize
        };
        let right: usize = self.test.chunks(CHUNK).map(right).sum();
        right as f64 / self.test.len() as f64
    }
}

/// Turns a square image by 90°.
fn quarter_turn(image: &mut [f32]) {
    let old = image.to_vec();
    for (place, pixel) in image.iter_mut().enumerate() {
        *pixel = old[place % SIDE * SIDE + (SIDE - 1 - place / SIDE)];
    }
}
