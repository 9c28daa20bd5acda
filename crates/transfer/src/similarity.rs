//! # When to transfer: similarity of representations and of tasks
//!
//! Fine-tuning every pretrained network to see which is best costs days; these look at features once, without training.
//!
//! ```text
//! CKA     ‖YᵀX‖²_F / (‖XᵀX‖_F · ‖YᵀY‖_F)                 X, Y: centred features of the same samples in two networks or layers
//! LogME   1/n · max over α, β of ln p(y | X, α, β)        y = X·w + noise(1/β),  w ~ N(0, 1/α): evidence of the labels
//! LEEP    1/n · Σ_i ln Σ_z P(y_i | z)·θ_i(z)              θ: beliefs in the source's classes z;  P from the same samples
//! ```
//!
//! - **CKA** is 1 when two representations differ by a rotation and a scale and near 0 when they have nothing to do with each
//!   other: what did fine-tuning change, which layers learnt the same?
//! - **LogME** asks how probable the new labels are under a Bayesian linear model on the features, all weights integrated
//!   out; a higher value predicts a better fine-tuned network. It needs features only.
//! - **LEEP** asks how well the labels follow from the source classifier's answers; at most 0. It needs a classifier.
//!
//! **When transfer hurts.** Features of another world can be worse than random ones to begin with: their invariances throw
//! away what the new task asks for, and a low learning rate keeps it that way. The measures rank sources; whether the best of
//! them beats no source at all is only known by training one from scratch. Always keep that baseline.
//!
//! Papers: S. Kornblith et al., *Similarity of neural network representations revisited*, 2019
//! (<https://arxiv.org/abs/1905.00414>); K. You et al., *LogME*, 2021 (<https://arxiv.org/abs/2102.11005>); C. Nguyen et al.,
//! *LEEP*, 2020 (<https://arxiv.org/abs/2002.12462>); Z. Wang et al., *Characterizing and avoiding negative transfer*, 2019
//! (<https://arxiv.org/abs/1811.09751>).
//!
//! ## Differs from the paper
//!
//! 1. All sums are in f64 on the host, eigenvalues by Jacobi's rotations: meant for some thousand samples of some hundred features.

use std::collections::BTreeSet;

use burn::tensor::Tensor;

/// Steps of LogME's fixed point; it takes a handful.
const STEPS: usize = 200;
/// Relative change at which it has arrived.
const ARRIVED: f64 = 1e-10;

/// What cannot be compared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SimilarityError {
    /// Not as many rows on one side as on the other.
    #[error("{left} rows of features, {right} on the other side")]
    Rows {
        /// Rows of the first argument.
        left: usize,
        /// Rows, or labels, of the second.
        right: usize,
    },
    /// Too little to say anything.
    #[error("{0} samples, at least 2 are needed")]
    Few(usize),
    /// NaN or infinity among the features, or beliefs below zero.
    #[error("row {row} holds {value}")]
    Value {
        /// The sample.
        row: usize,
        /// What it holds.
        value: f64,
    },
    /// Features that are the same for all samples.
    #[error("the features do not vary")]
    Constant,
}

/// A matrix on the host.
struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    fn of(tensor: Tensor<2>) -> Result<Self, SimilarityError> {
        let [rows, columns] = tensor.dims();
        if rows < 2 {
            return Err(SimilarityError::Few(rows));
        }
        let values: Vec<f64> = tensor.into_data().iter::<f64>().collect();
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(SimilarityError::Value { row: at / columns.max(1), value: values[at] }),
            None => Ok(Self { rows, columns, values }),
        }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..(i + 1) * self.columns]
    }

    fn centred(mut self) -> Self {
        for column in 0..self.columns {
            let mean = (0..self.rows).map(|i| self.row(i)[column]).sum::<f64>() / self.rows as f64;
            self.values.iter_mut().skip(column).step_by(self.columns).for_each(|value| *value -= mean);
        }
        self
    }

    /// selfᵀ · other.
    fn product(&self, other: &Self) -> Self {
        let mut values = vec![0.0; self.columns * other.columns];
        for i in 0..self.rows {
            for (left, out) in self.row(i).iter().zip(values.chunks_mut(other.columns)) {
                out.iter_mut().zip(other.row(i)).for_each(|(sum, right)| *sum += left * right);
            }
        }
        Self { rows: self.columns, columns: other.columns, values }
    }

    fn square(&self) -> f64 {
        self.values.iter().map(|value| value * value).sum()
    }
}

/// Linear centred kernel alignment of two representations of the same samples, in [0, 1].
///
/// # Shapes
///
/// - x: `[samples, features]`, y: `[samples, other features]`
///
/// # Errors
///
/// [`SimilarityError`] when the samples are not as many, too few, not finite, or do not vary.
pub fn linear_cka(x: Tensor<2>, y: Tensor<2>) -> Result<f64, SimilarityError> {
    let (left, right) = (x.dims()[0], y.dims()[0]);
    if left != right {
        return Err(SimilarityError::Rows { left, right });
    }
    let (x, y) = (Matrix::of(x)?.centred(), Matrix::of(y)?.centred());
    let own = (x.product(&x).square() * y.product(&y).square()).sqrt();
    if own == 0.0 {
        return Err(SimilarityError::Constant);
    }
    Ok(y.product(&x).square() / own)
}

/// Mean log evidence of the labels, one class against the others, averaged over the classes that there are.
///
/// # Shapes
///
/// - features: `[samples, features]`
/// - labels: as many
///
/// # Errors
///
/// [`SimilarityError`] when the samples are not as many as the labels, too few, not finite, or all zero.
pub fn log_me(features: Tensor<2>, labels: &[usize]) -> Result<f64, SimilarityError> {
    let rows = features.dims()[0];
    if rows != labels.len() {
        return Err(SimilarityError::Rows { left: rows, right: labels.len() });
    }
    let x = Matrix::of(features)?;
    let (n, d) = (x.rows as f64, x.columns);
    let (eigenvalues, vectors) = eigen(x.product(&x));
    if eigenvalues.iter().all(|&value| value == 0.0) {
        return Err(SimilarityError::Constant);
    }
    // A class without samples is explained by weights of zero, with an evidence without bound.
    let classes: BTreeSet<usize> = labels.iter().copied().collect();
    let mut sum = 0.0;
    for &class in &classes {
        let y: Vec<f64> = labels.iter().map(|&label| f64::from(u8::from(label == class))).collect();
        let square: f64 = y.iter().sum();
        let xty: Vec<f64> = (0..d).map(|j| (0..x.rows).map(|i| x.row(i)[j] * y[i]).sum()).collect();
        // In the basis of the eigenvectors everything is a sum over features.
        let u: Vec<f64> = vectors.chunks(d).map(|v| v.iter().zip(&xty).map(|(a, b)| a * b).sum()).collect();
        let at = |alpha: f64, beta: f64| {
            let m = |(s, u): (&f64, &f64)| beta * u / (alpha + beta * s);
            let gamma: f64 = eigenvalues.iter().map(|s| beta * s / (alpha + beta * s)).sum();
            let size: f64 = eigenvalues.iter().zip(&u).map(|pair| m(pair).powi(2)).sum();
            let fit: f64 = eigenvalues
                .iter()
                .zip(&u)
                .map(|(s, u)| {
                    let m = m((s, u));
                    s * m * m - 2.0 * m * u
                })
                .sum();
            (gamma, size.max(f64::MIN_POSITIVE), (square + fit).max(1e-12))
        };
        let (mut alpha, mut beta) = (1.0, 1.0);
        for _ in 0..STEPS {
            let (gamma, size, residual) = at(alpha, beta);
            let next = (gamma / size, (n - gamma).max(1e-12) / residual);
            let arrived = (next.0 / next.1 / (alpha / beta) - 1.0).abs() < ARRIVED;
            (alpha, beta) = next;
            if arrived {
                break;
            }
        }
        let (_, size, residual) = at(alpha, beta);
        let determinant: f64 = eigenvalues.iter().map(|s| (alpha + beta * s).ln()).sum();
        let evidence = n * beta.ln() + d as f64 * alpha.ln()
            - n * std::f64::consts::TAU.ln()
            - beta * residual
            - alpha * size
            - determinant;
        sum += evidence / (2.0 * n);
    }
    Ok(sum / classes.len() as f64)
}

/// Log expected empirical prediction: how well the labels follow from a source classifier's beliefs, at most 0.
///
/// # Shapes
///
/// - beliefs: `[samples, source classes]`, rows summing to one
/// - labels: as many
///
/// # Errors
///
/// [`SimilarityError`] when the samples are not as many as the labels, too few, not finite or negative.
pub fn leep(beliefs: Tensor<2>, labels: &[usize]) -> Result<f64, SimilarityError> {
    let rows = beliefs.dims()[0];
    if rows != labels.len() {
        return Err(SimilarityError::Rows { left: rows, right: labels.len() });
    }
    let beliefs = Matrix::of(beliefs)?;
    if let Some(at) = beliefs.values.iter().position(|&value| value < 0.0) {
        return Err(SimilarityError::Value { row: at / beliefs.columns, value: beliefs.values[at] });
    }
    let classes = labels.iter().max().map_or(0, |&largest| largest + 1);
    let (z, mut joint) = (beliefs.columns, vec![0.0; classes * beliefs.columns]);
    for (i, &label) in labels.iter().enumerate() {
        joint[label * z..(label + 1) * z].iter_mut().zip(beliefs.row(i)).for_each(|(sum, b)| *sum += b);
    }
    let marginal: Vec<f64> = (0..z).map(|z_i| joint.iter().skip(z_i).step_by(z).sum()).collect();
    let log_likelihood = |(i, &label): (usize, &usize)| {
        let terms = beliefs.row(i).iter().zip(&joint[label * z..]).zip(&marginal);
        terms.map(|((b, joint), all)| if *all > 0.0 { b * joint / all } else { 0.0 }).sum::<f64>().ln()
    };
    Ok(labels.iter().enumerate().map(log_likelihood).sum::<f64>() / rows as f64)
}

/// Eigenvalues of a symmetric matrix, none below zero, and eigenvectors as rows: Jacobi's rotations, each of which makes one
/// pair of off-diagonal elements zero.
fn eigen(mut a: Matrix) -> (Vec<f64>, Vec<f64>) {
    let n = a.columns;
    let mut v = vec![0.0; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    let scale = a.square();
    for _sweep in 0..60 {
        let off: f64 =
            (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a.row(i)[j].powi(2)).sum();
        if off <= 1e-26 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a.values[p * n + q];
                if apq == 0.0 {
                    continue;
                }
                let theta = (a.values[q * n + q] - a.values[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for k in 0..n {
                    let (kp, kq) = (a.values[k * n + p], a.values[k * n + q]);
                    (a.values[k * n + p], a.values[k * n + q]) = (c * kp - s * kq, s * kp + c * kq);
                }
                for matrix in [&mut a.values, &mut v] {
                    let (above, below) = matrix.split_at_mut(q * n);
                    for (x, y) in above[p * n..(p + 1) * n].iter_mut().zip(&mut below[..n]) {
                        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                    }
                }
            }
        }
    }
    ((0..n).map(|i| a.values[i * n + i].max(0.0)).collect(), v)
}
