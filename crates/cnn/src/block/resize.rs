//! Maps at another size.
//!
//! ```text
//! source of output j     s = (j + ½) · n / n′ − ½                  pixel centres, not corners, are aligned
//! bilinear               y[j] = (1 − f) · x[⌊s⌋] + f · x[⌊s⌋ + 1]  f = s − ⌊s⌋, the edge repeated
//! nearest                y[j] = x[⌊j · n / n′⌋]
//! ```
//!
//! Both are PyTorch's `interpolate` (with `align_corners=False`, without antialiasing). Bilinear interpolation is
//! linear in x and separable, so it is two products with constant matrices, whose backward pass every device has.

use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Tensor, TensorData};

/// Bilinear interpolation to `[height, width]`.
///
/// # Shapes
///
/// - x: `[batch, channels, h, w]`
/// - output: `[batch, channels, height, width]`
pub fn resize_bilinear(x: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [batch, channels, h, w] = x.dims();
    let (device, dtype) = (x.device(), x.dtype());
    let matrix =
        |from, to| Tensor::<2>::from_data(TensorData::new(weights(from, to), [to, from]), (&device, dtype));
    let mut x = x;
    if w != width {
        x = x
            .reshape([batch * channels * h, w])
            .matmul(matrix(w, width).transpose())
            .reshape([batch, channels, h, width]);
    }
    if h != height {
        let rows = matrix(h, height).unsqueeze::<3>(); // [1, height, h]
        x = rows.matmul(x.reshape([batch * channels, h, width])).reshape([batch, channels, height, width]);
    }
    x
}

/// The nearest pixel for each of `[height, width]`.
///
/// # Shapes
///
/// - x: `[batch, channels, h, w]`
/// - output: `[batch, channels, height, width]`
pub fn resize_nearest(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [.., h, w] = x.dims();
    if [h, w] == size {
        return x;
    }
    interpolate(x, InterpolateOptions::new(InterpolateMode::Nearest).with_output_size(size))
}

/// What each of `from` pixels adds to each of `to`: rows are outputs and sum to one.
fn weights(from: usize, to: usize) -> Vec<f64> {
    let mut matrix = vec![0.0; to * from];
    for (j, row) in matrix.chunks_mut(from).enumerate() {
        let source = ((j as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
        let low = (source as usize).min(from - 1);
        let part = source - low as f64;
        row[low] += 1.0 - part;
        row[(low + 1).min(from - 1)] += part;
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use fornax_nn_core::check::{assert_close, fill};

    /// The formula for one output pixel, without matrices.
    fn direct(x: &[f64], [h, w]: [usize; 2], [height, width]: [usize; 2]) -> Vec<f64> {
        let place = |j: usize, n: usize, m: usize| {
            let s = (j as f64 + 0.5) * n as f64 / m as f64 - 0.5;
            let at = |i: f64| i.clamp(0.0, n as f64 - 1.0) as usize;
            (at(s.floor()), at(s.floor() + 1.0), s - s.floor())
        };
        let mut out = Vec::new();
        for i in 0..height {
            for j in 0..width {
                let ((t, b, v), (l, r, u)) = (place(i, h, height), place(j, w, width));
                let row = |y: usize| (1.0 - u) * x[y * w + l] + u * x[y * w + r];
                out.push((1.0 - v) * row(t) + v * row(b));
            }
        }
        out
    }

    #[test]
    fn bilinear_is_the_formula_up_and_down() {
        let device = Device::flex();
        for (from, to) in [([3, 5], [6, 10]), ([4, 3], [7, 3]), ([8, 8], [3, 5]), ([1, 1], [4, 2])] {
            let x: Tensor<4> = fill::input("x", [1, 1, from[0], from[1]], &device);
            let values: Vec<f64> = x.to_data().iter::<f64>().collect();
            let expected = direct(&values, from, to);
            assert_close(&resize_bilinear(x, to).reshape([expected.len()]), &expected[..], 1e-5, 1e-6);
        }
    }

    #[test]
    fn nearest_doubles_by_repetition() {
        let x = Tensor::<4>::from_data([[[[1.0, 2.0], [3.0, 4.0]]]], &Device::flex());
        let twice = resize_nearest(x, [4, 4]);
        let expected = [1., 1., 2., 2., 1., 1., 2., 2., 3., 3., 4., 4., 3., 3., 4., 4.];
        assert_close(&twice.reshape([16]), &expected, 0.0, 0.0);
    }
}
