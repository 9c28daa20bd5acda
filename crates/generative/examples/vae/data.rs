//! Images as the model takes them, noise, and the bound on unseen ones.

use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use fornax_generative::vae::{Batch, Vae};
use fornax_prep::image::ImageSet;

/// The class of each image.
pub(crate) fn labels(set: &ImageSet, indices: &[usize]) -> Vec<usize> {
    indices.iter().map(|&i| set.labels()[i]).collect()
}

/// Pixels as 0 or 1, more than half of the ink being 1; and the classes, one-hot, if the model is told.
pub(crate) fn binary(set: &ImageSet, indices: &[usize], conditional: bool, device: &Device) -> Batch {
    let pixels = set.gather(indices).pixels.into_iter().map(|ink| f32::from(u8::from(ink > 0.5)));
    let [channels, height, width] = set.shape();
    let x = TensorData::new(pixels.collect::<Vec<f32>>(), [indices.len(), channels * height * width]);
    let y = conditional.then(|| {
        let classes: Vec<i64> = labels(set, indices).into_iter().map(|label| label as i64).collect();
        Tensor::<1, Int>::from_data(classes.as_slice(), device).one_hot::<2>(set.num_classes()).float()
    });
    Batch { x: Tensor::from_data(x, device), y }
}

pub(crate) fn noise<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// The mean bound over the batch and `draws` draws of z.
pub(crate) fn elbo(model: &Vae, batch: &Batch, seed: u64, draws: usize) -> f64 {
    let device = batch.x.device();
    device.seed(seed);
    let shape = model.encode(batch).0.dims();
    let one = |_| model.bound(batch, noise(shape, &device)).elbo().mean().into_scalar::<f64>();
    (0..draws).map(one).sum::<f64>() / draws as f64
}
