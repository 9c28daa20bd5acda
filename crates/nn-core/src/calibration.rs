//! # Calibration
//!
//! A predicted distribution can be wrong in two ways: its middle lies elsewhere, or it is too narrow or too wide. The
//! first shows in the error, the second only over many predictions: of the intervals that claim to hold the truth nine
//! times out of ten, nine out of ten must.
//!
//! ```text
//! probability integral transform   u_i  = F_i(y_i)                     F_i distribution function, y_i outcome
//! coverage                         c(p) = share of i with |2·u_i − 1| ≤ p
//! calibration error                mean over p = 0.05, 0.10, …, 0.95 of |c(p) − p|
//! ```
//!
//! If outcomes are drawn from what was predicted, every u is uniform on [0, 1], whatever the F_i are, and c(p) = p. A
//! histogram of u in the shape of a U means overconfidence (outcomes in the tails too often), a hill the reverse, a
//! slope a bias.
//!
//! What goes wrong: a model can be calibrated and useless, by predicting the distribution of all outcomes for every
//! input. Coverage is to be read beside the error or the likelihood, and on data the model was not fitted to.
//!
//! Papers: the transform, A. P. Dawid, *Statistical theory: the prequential approach*, 1984
//! (<https://doi.org/10.2307/2981683>); the error, V. Kuleshov et al., *Accurate uncertainties for deep learning using
//! calibrated regression*, ICML 2018 (<https://arxiv.org/abs/1807.00263>); one factor for all deviations, D. Levi et
//! al., *Evaluating and calibrating uncertainty prediction in regression tasks*, 2019 (<https://arxiv.org/abs/1905.11659>).

/// Outcomes that no calibration can be measured on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// There are no outcomes.
    #[error("no outcomes: expected one at least")]
    Empty,
    /// A transformed outcome is no probability.
    #[error("outcome {index} has probability {value} below it, expected a number in [0, 1]")]
    NotAProbability {
        /// Its place.
        index: usize,
        /// What was there.
        value: f64,
    },
}

/// The outcomes of many predictions, each as the probability that was predicted below it; see the [page](self).
///
/// ```
/// use fornax_nn_core::calibration::{Calibration, normal_cdf};
///
/// // Five outcomes, all predicted to be normal with mean 0 and deviation 1.
/// let outcomes = [-1.2, -0.5, 0.1, 0.6, 1.8];
/// let calibration = Calibration::new(outcomes.map(normal_cdf).to_vec())?;
/// assert_eq!(calibration.coverage(0.5), 0.6); // three within ±0.674
/// assert_eq!(calibration.coverage(0.9), 0.8); // four within ±1.645
/// # Ok::<(), fornax_nn_core::calibration::CalibrationError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    transformed: Vec<f64>,
}

impl Calibration {
    /// Takes the transforms u = F(y), one an outcome.
    ///
    /// # Errors
    ///
    /// [`CalibrationError`] when there is none or one does not lie in [0, 1].
    pub fn new(transformed: Vec<f64>) -> Result<Self, CalibrationError> {
        if transformed.is_empty() {
            return Err(CalibrationError::Empty);
        }
        match transformed.iter().enumerate().find(|(_, u)| !(0.0..=1.0).contains(*u)) {
            Some((index, &value)) => Err(CalibrationError::NotAProbability { index, value }),
            None => Ok(Self { transformed }),
        }
    }

    /// c(p): the share of outcomes within the central interval of probability `level`.
    pub fn coverage(&self, level: f64) -> f64 {
        // A rounding error must not put an end of the interval outside it.
        let inside = self.transformed.iter().filter(|&&u| (2.0 * u - 1.0).abs() <= level + 1e-12).count();
        inside as f64 / self.transformed.len() as f64
    }

    /// Mean distance of coverage from its level over p = 0.05, 0.10, …, 0.95.
    pub fn error(&self) -> f64 {
        let curve = self.curve();
        curve.iter().map(|(level, coverage)| (coverage - level).abs()).sum::<f64>() / curve.len() as f64
    }

    /// (p, c(p)) at p = 0.05, 0.10, …, 0.95; the diagonal when all is well.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        (1..20).map(|i| f64::from(i) / 20.0).map(|level| (level, self.coverage(level))).collect()
    }

    /// Density of u in `bins` bins of equal width: 1 everywhere when all is well.
    pub fn histogram(&self, bins: usize) -> Vec<f64> {
        let mut density = vec![0.0; bins];
        let share = bins as f64 / self.transformed.len() as f64;
        for u in &self.transformed {
            if let Some(bin) = density.get_mut(((u * bins as f64) as usize).min(bins.saturating_sub(1))) {
                *bin += share;
            }
        }
        density
    }
}

/// The factor by which predicted deviations have to be multiplied to fit the outcomes best, from scores
/// z = (y − μ)/σ: √(mean of z²), which maximises the likelihood under normal distributions.
///
/// It is fitted on outcomes held out from training, and judged on others again.
///
/// ```
/// use fornax_nn_core::calibration::deviation_factor;
///
/// // Outcomes three predicted deviations away on either side: σ was three times too small.
/// assert_eq!(deviation_factor(&[3.0, -3.0]), 3.0);
/// ```
pub fn deviation_factor(scores: &[f64]) -> f64 {
    (scores.iter().map(|z| z * z).sum::<f64>() / scores.len() as f64).sqrt()
}

/// Φ(z), the standard normal distribution function, to an absolute error of 1e-15.
///
/// ```text
/// Φ(z) = ½ + φ(z) · (z + z³/3 + z⁵/(3·5) + z⁷/(3·5·7) + …)
/// ```
///
/// G. Marsaglia, *Evaluating the normal distribution*, 2004. <https://doi.org/10.18637/jss.v011.i04>
pub fn normal_cdf(z: f64) -> f64 {
    if z.abs() > 8.3 {
        return if z > 0.0 { 1.0 } else { 0.0 }; // what is left is below 1e-16
    }
    let (mut term, mut sum, mut i) = (z, z, 1.0);
    while term != 0.0 && (term / sum).abs() > 1e-17 {
        i += 2.0;
        term *= z * z / i;
        sum += term;
    }
    let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    (0.5 + density * sum).clamp(0.0, 1.0)
}

/// Φ⁻¹(p), by bisection: −∞ at 0, ∞ at 1, NaN outside.
pub fn normal_quantile(p: f64) -> f64 {
    match p {
        0.0 => return f64::NEG_INFINITY,
        1.0 => return f64::INFINITY,
        p if !(0.0..=1.0).contains(&p) => return f64::NAN,
        _ => {}
    }
    let (mut low, mut high) = (-8.5, 8.5);
    while high - low > 1e-14 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if normal_cdf(middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::Draw;

    #[test]
    fn the_distribution_function_integrates_the_density() {
        // Simpson's rule from −9 to z on steps of a thousandth.
        let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        for z in [-6.0f64, -2.5, -1.0, -0.1, 0.0, 0.3, 1.96, 4.0, 7.5] {
            let n = 20_000;
            let step = (z + 9.0) / f64::from(n);
            let weight = |i: i32| if i == 0 || i == n { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
            let sum: f64 = (0..=n).map(|i| weight(i) * density(-9.0 + step * f64::from(i))).sum();
            assert!((normal_cdf(z) - sum * step / 3.0).abs() < 1e-12, "{z}");
        }
        assert_eq!((normal_cdf(f64::NEG_INFINITY), normal_cdf(f64::INFINITY)), (0.0, 1.0));
        assert!(normal_cdf(f64::NAN).is_nan());
    }

    #[test]
    fn the_quantile_is_its_inverse_and_at_the_ends_infinite() {
        for p in [1e-12, 0.001, 0.025, 0.3, 0.5, 0.9, 0.975, 0.999_999] {
            assert!((normal_cdf(normal_quantile(p)) - p).abs() < 1e-14, "{p}");
        }
        // The figures of every table.
        assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-12);
        assert!((normal_quantile(0.95) - 1.644_853_626_951_472_2).abs() < 1e-12);
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(normal_quantile(1.5).is_nan() && normal_quantile(f64::NAN).is_nan());
    }

    /// Outcomes with the deviation that was predicted, times `factor`.
    fn outcomes(factor: f64) -> Vec<f64> {
        let mut draw = Draw::new(11, 0);
        (0..20_000).map(|_| factor * draw.normal()).collect()
    }

    #[test]
    fn a_perfect_model_covers_what_it_claims() {
        let calibration = Calibration::new(outcomes(1.0).into_iter().map(normal_cdf).collect()).unwrap();
        for level in [0.5f64, 0.9, 0.95] {
            let deviation = (level * (1.0 - level) / 20_000.0).sqrt();
            let coverage = calibration.coverage(level);
            assert!((coverage - level).abs() < 5.0 * deviation, "{coverage} of {level}");
        }
        assert!(calibration.error() < 0.01);
        // Each bin holds a binomial share of a tenth: deviation 2.1 % of its density.
        assert!(calibration.histogram(10).iter().all(|density| (density - 1.0).abs() < 0.11));
    }

    #[test]
    fn too_narrow_and_too_wide_show_and_one_factor_mends_both() {
        for factor in [0.5, 2.0] {
            let scores = outcomes(factor);
            let before = Calibration::new(scores.iter().map(|&z| normal_cdf(z)).collect()).unwrap();
            // P(|factor · z| ≤ 1.645) in closed form; deviation of a share of 20,000 below 0.0036.
            let expected = 2.0 * normal_cdf(normal_quantile(0.95) / factor) - 1.0;
            assert!((before.coverage(0.9) - expected).abs() < 0.018, "{factor}");
            let ends = before.histogram(10);
            assert_eq!(ends[0] > 1.0, factor > 1.0, "outcomes in the tails: overconfident");
            let found = deviation_factor(&scores);
            assert!((found / factor - 1.0).abs() < 0.025, "{found}"); // five deviations of 1/√(2n)
            let after = Calibration::new(scores.iter().map(|&z| normal_cdf(z / found)).collect()).unwrap();
            assert!(after.error() < 0.01 && before.error() > 0.1);
        }
    }

    #[test]
    fn what_is_no_probability_is_named() {
        assert_eq!(Calibration::new(Vec::new()), Err(CalibrationError::Empty));
        let error = Calibration::new(vec![0.0, 1.0, 1.5]).unwrap_err();
        assert_eq!(error, CalibrationError::NotAProbability { index: 2, value: 1.5 });
        assert!(Calibration::new(vec![f64::NAN]).unwrap_err().to_string().contains("outcome 0"));
        assert!(Calibration::new(vec![0.5]).unwrap().histogram(0).is_empty());
    }
}
