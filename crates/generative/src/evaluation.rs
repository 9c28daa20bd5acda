//! # How good are the samples?
//!
//! A likelihood, where the model has one, says how well it covers the data; it does not say how a sample looks. Distances between two
//! sets of points do, each with a blind spot of its own:
//!
//! | figure | says | blind for |
//! |---|---|---|
//! | [`bits_per_dim`] | exact code length of the data | how samples look |
//! | [`mode_coverage`] | modes hit, share of samples near one | the shape of a mode; needs known modes |
//! | [`frechet_distance`] | distance of means and covariances | everything beyond second moments |
//! | [`precision_recall`] | share of samples among data, of data among samples | how often each is hit |
//! | [`mmd`] | 0 exactly where the distributions agree | structure finer than the kernel |
//!
//! ```text
//! Fréchet     ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½)
//! precision   share of samples within the k-th neighbour's distance of some data point; recall: the same with roles swapped
//! MMD²        E k(x, x′) + E k(y, y′) − 2 E k(x, y),   k(a, b) = exp(−‖a − b‖² / 2h²), x ≠ x′, y ≠ y′: unbiased
//! ```
//!
//! Everything is computed in f64 on the host. Points are whatever describes an example: coordinates, pixels, or a classifier's features.
//!
//! Papers: M. Heusel et al. 2017 (Fréchet distance), <https://arxiv.org/abs/1706.08500>; T. Kynkäänniemi et al. 2019 (precision and
//! recall), <https://arxiv.org/abs/1904.06991>; A. Gretton et al. 2012 (MMD), <https://jmlr.org/papers/v13/gretton12a.html>.

use burn::tensor::Tensor;

use crate::eigen::{product, square_root, symmetric};

/// A set of points that cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// Too few points.
    #[error("{set}: needs at least {needed} points, has {found}")]
    TooFew {
        /// Which set.
        set: &'static str,
        /// The least number.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// Two sets of different dimension.
    #[error("points of {real} and of {fake} dimensions cannot be compared")]
    Dimensions {
        /// Of the data.
        real: usize,
        /// Of the samples.
        fake: usize,
    },
    /// NaN or infinity.
    #[error("{set}: point {point} is not finite")]
    NotFinite {
        /// Which set.
        set: &'static str,
        /// Its index.
        point: usize,
    },
}

/// Points, one a row.
pub type Points = Vec<Vec<f64>>;

/// The rows of a tensor.
///
/// # Shapes
///
/// - tensor: `[points, dimensions]`
pub fn points(tensor: Tensor<2>) -> Points {
    let dimensions = tensor.dims()[1].max(1);
    let values: Vec<f64> = tensor.into_data().iter::<f64>().collect();
    values.chunks(dimensions).map(<[f64]>::to_vec).collect()
}

/// Nats for an example of `dims` features as bits for a feature: `nats / (dims · ln 2)`.
pub fn bits_per_dim(nats: f64, dims: usize) -> f64 {
    nats / (dims as f64 * std::f64::consts::LN_2)
}

fn check(real: &[Vec<f64>], fake: &[Vec<f64>], needed: usize) -> Result<usize, EvaluationError> {
    for (set, points) in [("data", real), ("samples", fake)] {
        if points.len() < needed {
            return Err(EvaluationError::TooFew { set, needed, found: points.len() });
        }
        if let Some(point) = points.iter().position(|p| p.iter().any(|x| !x.is_finite())) {
            return Err(EvaluationError::NotFinite { set, point });
        }
    }
    let dimensions = real[0].len();
    match real.iter().chain(fake).find(|point| point.len() != dimensions) {
        Some(other) => Err(EvaluationError::Dimensions { real: dimensions, fake: other.len() }),
        None => Ok(dimensions),
    }
}

/// What [`mode_coverage`] finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coverage {
    /// Modes with at least one sample within the radius.
    pub modes: usize,
    /// Share of the samples within the radius of a mode.
    pub high_quality: f64,
}

/// Which modes are hit by samples. Usual for Gaussian modes: a radius of three deviations (A. Srivastava et al. 2017,
/// <https://arxiv.org/abs/1705.07761>).
///
/// # Errors
///
/// [`EvaluationError`] without samples or modes, or when they do not fit together.
pub fn mode_coverage(
    samples: &[Vec<f64>],
    modes: &[Vec<f64>],
    radius: f64,
) -> Result<Coverage, EvaluationError> {
    check(modes, samples, 1)?;
    let mut hit = vec![false; modes.len()];
    let mut near = 0_usize;
    for sample in samples {
        let close = |mode: &Vec<f64>| square_distance(sample, mode) <= radius * radius;
        let before = near;
        for (hit, _) in hit.iter_mut().zip(modes).filter(|(_, mode)| close(mode)) {
            *hit = true;
            near = before + 1;
        }
    }
    let modes = hit.into_iter().filter(|hit| *hit).count();
    Ok(Coverage { modes, high_quality: near as f64 / samples.len() as f64 })
}

/// Fréchet's distance (squared, as is the custom) between Gaussians with the two sets' means and covariances.
///
/// # Errors
///
/// [`EvaluationError`] with fewer than two points in a set, or when they do not fit together.
pub fn frechet_distance(real: &[Vec<f64>], fake: &[Vec<f64>]) -> Result<f64, EvaluationError> {
    check(real, fake, 2)?;
    let ((mean_1, cov_1), (mean_2, cov_2)) = (moments(real), moments(fake));
    let root = square_root(&cov_1);
    let middle = product(&product(&root, &cov_2), &root);
    let cross: f64 = symmetric(&middle).values.iter().map(|value| value.max(0.0).sqrt()).sum();
    let trace = |m: &[Vec<f64>]| (0..m.len()).map(|i| m[i][i]).sum::<f64>();
    Ok((square_distance(&mean_1, &mean_2) + trace(&cov_1) + trace(&cov_2) - 2.0 * cross).max(0.0))
}

/// Mean, and covariance with n − 1 in the denominator.
pub fn moments(points: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let (n, dimensions) = (points.len() as f64, points.first().map_or(0, Vec::len));
    let mean: Vec<f64> = (0..dimensions).map(|i| points.iter().map(|p| p[i]).sum::<f64>() / n).collect();
    let mut covariance = vec![vec![0.0; dimensions]; dimensions];
    for point in points {
        let centred: Vec<f64> = point.iter().zip(&mean).map(|(x, m)| x - m).collect();
        for (row, x) in covariance.iter_mut().zip(&centred) {
            row.iter_mut().zip(&centred).for_each(|(element, y)| *element += x * y / (n - 1.0));
        }
    }
    (mean, covariance)
}

/// Precision and recall by `k`-th nearest neighbours; the paper takes k = 3.
///
/// # Errors
///
/// [`EvaluationError`] with fewer than k + 1 points in a set, or when they do not fit together.
pub fn precision_recall(
    real: &[Vec<f64>],
    fake: &[Vec<f64>],
    k: usize,
) -> Result<(f64, f64), EvaluationError> {
    check(real, fake, k + 1)?;
    Ok((covered(fake, real, k), covered(real, fake, k)))
}

/// Share of `points` inside a ball about some point of `support` that reaches to its k-th neighbour.
fn covered(points: &[Vec<f64>], support: &[Vec<f64>], k: usize) -> f64 {
    let radius = |centre: &Vec<f64>| {
        let mut distances: Vec<f64> = support.iter().map(|p| square_distance(centre, p)).collect();
        // The nearest is the point itself.
        *distances.select_nth_unstable_by(k, f64::total_cmp).1
    };
    let radii: Vec<f64> = support.iter().map(radius).collect();
    let inside = |point: &&Vec<f64>| support.iter().zip(&radii).any(|(c, r)| square_distance(c, point) <= *r);
    points.iter().filter(inside).count() as f64 / points.len() as f64
}

/// The squared maximum mean discrepancy with a Gaussian kernel of the given width, unbiased: it may fall below 0.
///
/// # Errors
///
/// [`EvaluationError`] with fewer than two points in a set, or when they do not fit together.
pub fn mmd(real: &[Vec<f64>], fake: &[Vec<f64>], width: f64) -> Result<f64, EvaluationError> {
    check(real, fake, 2)?;
    let kernel = |a: &[f64], b: &[f64]| (-square_distance(a, b) / (2.0 * width * width)).exp();
    let total = |a: &[Vec<f64>], b: &[Vec<f64>]| {
        a.iter().map(|x| b.iter().map(|y| kernel(x, y)).sum::<f64>()).sum::<f64>()
    };
    let (m, n) = (real.len() as f64, fake.len() as f64);
    let within = |points: &[Vec<f64>], n: f64| (total(points, points) - n) / (n * (n - 1.0));
    Ok(within(real, m) + within(fake, n) - 2.0 * total(real, fake) / (m * n))
}

fn square_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fornax_nn_core::check::fill;

    /// Uniform on a square of side 2 about a place.
    fn cloud(name: &str, n: usize, at: [f64; 2]) -> Points {
        (0..n).map(|i| (0..2).map(|d| at[d] + fill::uniform(name, 2 * i + d)).collect()).collect()
    }

    #[test]
    fn bits_of_a_fair_coin() {
        assert!((bits_per_dim(7.0 * std::f64::consts::LN_2, 7) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn frechets_distance_of_scaled_and_shifted_sets_has_a_closed_form() {
        let real = cloud("a", 200, [0.0, 0.0]);
        assert!(frechet_distance(&real, &real).unwrap() < 1e-12);
        // y = (2 x₁ + 3, x₂): the means differ by m₁ + 3 along the first axis; deviations of non-diagonal covariance by
        // the formula for commuting matrices only if it is diagonal, so make it so by mirroring.
        let mirrored: Points = real.iter().flat_map(|p| [vec![p[0], p[1]], vec![-p[0], p[1]]]).collect();
        let (mean, covariance) = moments(&mirrored);
        assert!(covariance[0][1].abs() < 1e-12 && mean[0].abs() < 1e-12);
        let moved: Points = mirrored.iter().map(|p| vec![2.0 * p[0] + 3.0, p[1]]).collect();
        // ‖Δμ‖² + (σ − 2σ)².
        let expected = 9.0 + covariance[0][0];
        let found = frechet_distance(&mirrored, &moved).unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn precision_falls_for_samples_beside_the_data_and_recall_for_missing_data() {
        let real = [cloud("a", 150, [0.0, 0.0]), cloud("b", 150, [9.0, 0.0])].concat();
        let half = cloud("c", 300, [0.0, 0.0]);
        let (precision, recall) = precision_recall(&real, &half, 3).unwrap();
        assert!(precision > 0.85, "{precision}");
        assert!((0.4..=0.5).contains(&recall), "{recall}");
        let beside = cloud("d", 300, [0.0, 50.0]);
        assert_eq!(precision_recall(&real, &beside, 3).unwrap(), (0.0, 0.0));
    }

    #[test]
    fn mmd_is_about_zero_for_one_law_and_near_two_far_apart() {
        let real = cloud("a", 300, [0.0, 0.0]);
        let same = mmd(&real, &cloud("b", 300, [0.0, 0.0]), 0.5).unwrap();
        // Its deviation is at most about 2/n for a kernel bounded by 1.
        assert!(same.abs() < 5.0 * 2.0 / 300.0, "{same}");
        let shifted = mmd(&real, &cloud("b", 300, [0.5, 0.0]), 0.5).unwrap();
        assert!(shifted > 0.03, "{shifted}");
        // Within a set the kernel is about 1, between sets that are far apart 0.
        let far = mmd(&real, &cloud("b", 300, [1e4, 0.0]), 50.0).unwrap();
        assert!((1.99..=2.0).contains(&far), "{far}");
    }

    #[test]
    fn modes_and_quality_are_counted() {
        let modes = vec![vec![0.0, 0.0], vec![5.0, 0.0], vec![0.0, 5.0]];
        let samples = vec![vec![0.1, 0.0], vec![0.0, 0.2], vec![5.0, 0.5], vec![2.0, 2.0]];
        let Coverage { modes, high_quality } = mode_coverage(&samples, &modes, 0.5).unwrap();
        assert_eq!((modes, high_quality), (2, 0.75));
    }

    #[test]
    fn sets_that_cannot_be_judged_are_named() {
        let (one, plane) = (vec![vec![0.0]], cloud("a", 5, [0.0, 0.0]));
        let error = frechet_distance(&one, &plane).unwrap_err();
        assert_eq!(error, EvaluationError::TooFew { set: "data", needed: 2, found: 1 });
        let line = vec![vec![0.0]; 5];
        assert_eq!(mmd(&plane, &line, 1.0), Err(EvaluationError::Dimensions { real: 2, fake: 1 }));
        let holes = vec![vec![0.0, 1.0], vec![f64::NAN, 0.0]];
        let error = EvaluationError::NotFinite { set: "samples", point: 1 };
        assert_eq!(frechet_distance(&plane, &holes), Err(error));
        assert!(mode_coverage(&[], &plane, 1.0).is_err());
    }
}
