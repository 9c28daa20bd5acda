//! Drop-path with the noise of Burn's dropout.

use burn::tensor::{Distribution, Tensor};
use fornax_nn_core::regularization::DropPath;

/// The branch, dropped for some of the examples while training; see [`DropPath`].
///
/// Which ones follows from the device's random numbers, as in Burn's dropout: seed the device before a step that must
/// repeat. With probability 0, in inference and in frozen modules the branch is returned as it is.
///
/// # Shapes
///
/// - branch, output: `[batch, channels, height, width]`
pub fn drop_path(path: &DropPath, branch: Tensor<4>) -> Tensor<4> {
    let device = branch.device();
    if path.prob == 0.0 || !path.training.is_enabled() || !device.is_autodiff() {
        return branch;
    }
    let [batch, ..] = branch.dims();
    let keep =
        Tensor::<1>::random([batch], Distribution::Bernoulli(1.0 - path.prob), (&device, branch.dtype()));
    path.apply(branch, keep)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;
    use burn::tensor::Device;
    use fornax_nn_core::regularization::DropPathConfig;

    #[test]
    fn examples_are_dropped_whole_and_the_mean_is_kept() {
        let device = Device::flex().autodiff();
        device.seed(1);
        let path = DropPathConfig::new(0.25).init().unwrap();
        let branch = Tensor::<4>::ones([4000, 2, 1, 2], &device);
        let values: Vec<f32> = drop_path(&path, branch.clone()).into_data().iter::<f32>().collect();
        let scale = 1.0 / 0.75_f32;
        assert!(
            values
                .chunks(4)
                .all(|e| e.iter().all(|&v| v == e[0]) && (e[0] == 0.0 || (e[0] - scale).abs() < 1e-6))
        );
        // Share kept: 0.75 with a standard deviation of √(0.75 · 0.25 / 4000) = 0.0068.
        let kept = values.iter().filter(|&&v| v > 0.0).count() as f64 / values.len() as f64;
        assert!((kept - 0.75).abs() < 4.0 * 0.0068, "{kept}");

        let unchanged = drop_path(&path.valid(), branch.clone());
        assert_eq!(unchanged.into_data(), branch.into_data());
    }
}
