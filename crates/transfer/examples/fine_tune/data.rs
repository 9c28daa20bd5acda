//! The digits as two tasks: 0 to 4 with all their images, 5 to 9 with a few.

use burn::tensor::{Device, Int, Tensor};
use fornax_cnn::Classifier;
use fornax_cnn::classification::Batch;
use fornax_prep::image::{ImageSet, Normalisation, RandomAffine};
use fornax_prep::{Digits, Key};

/// Side the digits are enlarged to.
const SIDE: usize = 16;
/// Images classified at once.
const CHUNK: usize = 256;
/// Classes of either task.
const CLASSES: usize = 5;

/// Images to learn from and images to be judged on, all of them digits; classes count from 0.
pub(crate) struct Task {
    set: ImageSet,
    normalisation: Normalisation,
    first: usize,
    train: Vec<usize>,
    test: Vec<usize>,
    seed: u64,
}

impl Task {
    /// 0 to 4: four fifths to learn from.
    pub(crate) fn source(seed: u64) -> Self {
        Self::draw(seed, 0, |images| 4 * images / 5)
    }

    /// 5 to 9: `labels` of each to learn from, all others to be judged on.
    pub(crate) fn target(seed: u64, labels: usize) -> Self {
        Self::draw(seed, CLASSES, |images| labels.clamp(1, images - 1))
    }

    fn draw(seed: u64, first: usize, share: impl Fn(usize) -> usize) -> Self {
        // 8 × 8 to 16 × 16 is a fixed enlargement that cannot fail.
        let set = Digits::load().to_set().resized(SIDE, SIDE).expect("the digits can be enlarged");
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for class in first..first + CLASSES {
            let mut images: Vec<usize> = (0..set.len()).filter(|&i| set.labels()[i] == class).collect();
            Key::new(seed).fold(class as u64).shuffle(&mut images);
            test.extend(images.split_off(share(images.len())));
            train.extend(images);
        }
        // The same for both tasks: what the source was normalised by belongs to its weights.
        let zero_to_four: Vec<usize> = (0..set.len()).filter(|&i| set.labels()[i] < CLASSES).collect();
        let normalisation = Normalisation::fit(&set, &zero_to_four);
        Self { set, normalisation, first, train, test, seed }
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
        let batch = |indices: &[usize]| {
            let images = self.normalisation.apply(augment.apply(self.set.gather(indices), key));
            let (images, labels) = images.to_tensors(device);
            Batch { images, targets: labels - self.first as i64 }
        };
        order.chunks(batch_size.max(1)).take(self.steps(batch_size)).map(batch).collect()
    }

    /// Share of the images to be judged on that are read correctly.
    pub(crate) fn accuracy<M: Classifier>(&self, model: &M) -> f64 {
        let model = model.valid();
        let device = model.devices()[0].clone();
        let right = |chunk: &[usize]| {
            let (images, labels) = self.set.batch(chunk, &self.normalisation, &device);
            let answers: Tensor<1, Int> = model.forward(images).argmax(1).squeeze_dim(1);
            (answers + self.first as i64).equal(labels).int().sum().into_scalar::<i64>() as usize
        };
        let right: usize = self.test.chunks(CHUNK).map(right).sum();
        right as f64 / self.test.len() as f64
    }
}
