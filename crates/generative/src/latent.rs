//! What one does with a latent space: warm up to it, watch that it is used, walk in it.

use burn::tensor::Tensor;

/// β at a step: from 0 straight up to `beta` over `steps` (S. Bowman et al. 2016, <https://arxiv.org/abs/1511.06349>).
pub fn warm_up(beta: f64, step: usize, steps: usize) -> f64 {
    if step < steps { beta * step as f64 / steps as f64 } else { beta }
}

/// Which latent units the encoder uses: those whose mean varies over the data by more than 0.01, the bound of Burda et al. 2016.
/// None is a collapsed posterior.
///
/// # Shapes
///
/// - means: `[examples, latent]`, the μ of [`Vae::encode`](crate::Vae::encode)
pub fn active_units(means: Tensor<2>) -> Vec<bool> {
    means.var_bias(0).into_data().iter::<f64>().map(|variance| variance > 0.01).collect()
}

/// Points on the straight line from `from` to `to`, both included.
///
/// # Shapes
///
/// - from, to: `[1, latent]`
/// - output: `[steps, latent]`
pub fn interpolate(from: Tensor<2>, to: Tensor<2>, steps: usize) -> Tensor<2> {
    let last = steps.saturating_sub(1).max(1) as f64;
    let parts = (0..steps).map(|i| from.clone() + (to.clone() - from.clone()) * (i as f64 / last));
    Tensor::cat(parts.collect(), 0)
}

/// `z` with one unit set to each of `values` in turn: what does that unit stand for?
///
/// # Shapes
///
/// - z: `[1, latent]`
/// - output: `[values, latent]`
pub fn traverse(z: Tensor<2>, unit: usize, values: &[f64]) -> Tensor<2> {
    let rows = values.iter().map(|&value| z.clone().slice_fill([0..1, unit..unit + 1], value));
    Tensor::cat(rows.collect(), 0)
}

/// Features side by side, for a network that is told y.
pub(crate) fn beside(x: Tensor<2>, y: Option<&Tensor<2>>) -> Tensor<2> {
    match y {
        Some(y) => Tensor::cat(vec![x, y.clone()], 1),
        None => x,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use fornax_nn_core::check::assert_close;

    #[test]
    fn a_unit_that_never_moves_is_collapsed() {
        // Variances 0.0025, 0.25 and 0.
        let means = Tensor::from_data([[0.0, -0.5, 7.0], [0.1, 0.5, 7.0]], &Device::flex());
        assert_eq!(active_units(means), [false, true, false]);
    }

    #[test]
    fn the_weight_rises_in_a_straight_line_and_stays() {
        assert_eq!((warm_up(2.0, 0, 10), warm_up(2.0, 5, 10), warm_up(2.0, 99, 10)), (0.0, 1.0, 2.0));
        assert_eq!(warm_up(2.0, 0, 0), 2.0);
    }

    #[test]
    fn lines_and_traversals_go_where_they_say() {
        let device = Device::flex();
        let (a, b) = (Tensor::from_data([[0.0, 1.0]], &device), Tensor::from_data([[1.0, 3.0]], &device));
        assert_close(&interpolate(a.clone(), b, 3), &[0.0, 1.0, 0.5, 2.0, 1.0, 3.0], 0.0, 1e-7);
        assert_close(&traverse(a, 1, &[-2.0, 5.0]), &[0.0, -2.0, 0.0, 5.0], 0.0, 0.0);
    }
}
