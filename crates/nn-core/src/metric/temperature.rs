//! One number that repairs a classifier's confidence.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

/// Newton steps at most; convergence is quadratic, and a handful are needed.
const STEPS: usize = 200;
/// Relative step at which the search ends.
const PRECISION: f64 = 1e-13;
/// Inverse temperatures beyond this are taken for infinite.
const LARGEST: f64 = 1e9;

/// The temperature that fits a classifier's beliefs to what happens.
///
/// Networks trained to small losses are surer than they are right. Dividing all logits by one number T > 0, the
/// temperature, changes how sure they are and nothing else: the order of the classes stays, and so does the accuracy.
/// T is the one that makes the held-out samples most probable:
///
/// ```text
/// p(T) = softmax(z / T)             L(T) = −(1/n) Σ log p(T)[true class]
///
/// with β = 1/T     dL/dβ   = (1/n) Σ ( E_p[z] − z[true] )             zero at the optimum
///                  d²L/dβ² = (1/n) Σ Var_p[z] ≥ 0                     so there is one optimum at most
/// ```
///
/// Newton's method on β finds it, kept between bounds that bracket the sign change.
///
/// Fit it on samples the network was not trained on, and measure the effect on others still.
///
/// Paper: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, *On calibration of modern neural networks*, ICML 2017.
/// <https://arxiv.org/abs/1706.04599>
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use fornax_nn_core::metric::Temperature;
///
/// // Sure of class 0 by e⁴ : 1 each time, and right three times in four.
/// let logits = Tensor::<2>::from_data([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]], &Device::flex());
/// let fitted = Temperature::fit(logits, &[0, 0, 0, 1]).unwrap();
/// assert!((fitted.temperature - 4.0 / 3f64.ln()).abs() < 1e-6); // softmax(4/T) = 3/4
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature {
    /// T: above one for a network that is too sure.
    pub temperature: f64,
    /// L(1), nats.
    pub loss_before: f64,
    /// L(T), nats.
    pub loss: f64,
}

/// Logits that no temperature can be fitted to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemperatureError {
    /// There are none.
    #[error("no samples: expected one at least")]
    Empty,
    /// A logit is NaN or infinite.
    #[error("sample {sample} has a logit that is not finite")]
    NotFinite {
        /// Its position.
        sample: usize,
    },
    /// The colder the better: nothing was mistaken.
    #[error(
        "every true class has the largest logit: the loss falls for ever as the temperature goes to zero"
    )]
    NoMistake,
    /// The hotter the better: the logits say nothing of the classes.
    #[error(
        "true classes have no larger logits than the others on average: the loss falls for ever as the \
         temperature grows"
    )]
    Uninformative,
}

impl Temperature {
    /// Fits T to held-out samples.
    ///
    /// # Shapes
    ///
    /// - logits: `[samples, classes]`
    /// - targets: one class index per row
    ///
    /// # Errors
    ///
    /// [`TemperatureError`] when there is no sample, a logit is not finite, or no finite temperature is best.
    ///
    /// # Panics
    ///
    /// When there are not as many targets as rows, or a target is not a class.
    pub fn fit(logits: Tensor<2>, targets: &[usize]) -> Result<Self, TemperatureError> {
        let [samples, classes] = logits.dims();
        assert_eq!(samples, targets.len(), "expected one target per row of logits");
        assert!(targets.iter().all(|&target| target < classes), "expected targets below {classes}");
        let values: Vec<f64> = logits.into_data().iter::<f64>().collect();
        let rows: Vec<(&[f64], usize)> = values.chunks(classes.max(1)).zip(targets.iter().copied()).collect();
        if rows.is_empty() {
            return Err(TemperatureError::Empty);
        }
        if let Some(sample) = rows.iter().position(|(row, _)| row.iter().any(|z| !z.is_finite())) {
            return Err(TemperatureError::NotFinite { sample });
        }
        if Moments::at(0.0, &rows).slope >= 0.0 {
            return Err(TemperatureError::Uninformative);
        }
        let largest = |row: &[f64]| row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if rows.iter().all(|(row, target)| row[*target] == largest(row)) {
            return Err(TemperatureError::NoMistake);
        }
        let beta = root(|beta| Moments::at(beta, &rows)).ok_or(TemperatureError::NoMistake)?;
        let loss = |beta| Moments::at(beta, &rows).loss;
        Ok(Self { temperature: beta.recip(), loss_before: loss(1.0), loss: loss(beta) })
    }

    /// The repaired beliefs, softmax(z / T).
    ///
    /// # Shapes
    ///
    /// - logits, output: `[samples, classes]`
    pub fn predict(&self, logits: Tensor<2>) -> Tensor<2> {
        softmax(logits / self.temperature, 1)
    }
}

/// L and its derivatives with respect to β.
struct Moments {
    loss: f64,
    slope: f64,
    curvature: f64,
}

impl Moments {
    fn at(beta: f64, rows: &[(&[f64], usize)]) -> Self {
        let n = rows.len() as f64;
        let mut sums = Self { loss: 0.0, slope: 0.0, curvature: 0.0 };
        for &(row, target) in rows {
            let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            // Relative to the highest, so that no exponential overflows.
            let weights: Vec<f64> = row.iter().map(|z| (beta * (z - highest)).exp()).collect();
            let total: f64 = weights.iter().sum();
            let mean = |of: &dyn Fn(f64) -> f64| {
                weights.iter().zip(row).map(|(w, z)| w * of(z - highest)).sum::<f64>() / total
            };
            let (first, second) = (mean(&|z| z), mean(&|z| z * z));
            sums.loss += total.ln() - beta * (row[target] - highest);
            sums.slope += first - (row[target] - highest);
            sums.curvature += second - first * first;
        }
        Self { loss: sums.loss / n, slope: sums.slope / n, curvature: sums.curvature / n }
    }
}

/// Where the slope, which grows from below zero, is zero: Newton's method, halving the bracket where a step leaves it.
fn root(at: impl Fn(f64) -> Moments) -> Option<f64> {
    let (mut low, mut high) = (0.0, 1.0);
    while at(high).slope < 0.0 {
        (low, high) = (high, 2.0 * high);
        if high > LARGEST {
            return None;
        }
    }
    let mut beta = high;
    for _ in 0..STEPS {
        let Moments { slope, curvature, .. } = at(beta);
        if slope < 0.0 {
            low = beta
        } else {
            high = beta
        }
        let newton = beta - slope / curvature;
        let next = if newton >= low && newton <= high { newton } else { (low + high) / 2.0 };
        let done = (next - beta).abs() <= PRECISION * beta;
        beta = next;
        if done {
            break;
        }
    }
    Some(beta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fill;
    use crate::metric::Classification;
    use burn::tensor::{DType, Device};

    /// Logits in f64, and classes drawn from softmax(z / `temperature`).
    fn drawn(samples: usize, temperature: f64) -> (Tensor<2>, Vec<usize>) {
        let logits =
            Tensor::<2>::from_data(fill::data("z", &[samples, 4]), (&Device::flex(), DType::F64)) * 6.0;
        let values: Vec<f64> = logits.to_data().iter::<f64>().collect();
        let class = |(i, row): (usize, &[f64])| {
            let weights: Vec<f64> = row.iter().map(|z| (z / temperature).exp()).collect();
            let mut left = (fill::uniform("class", i) + 1.0) / 2.0 * weights.iter().sum::<f64>();
            let drawn = weights.iter().position(|w| {
                left -= w;
                left < 0.0
            });
            drawn.unwrap_or(3)
        };
        let targets = values.chunks(4).enumerate().map(class).collect();
        (logits, targets)
    }

    /// Mean cross-entropy by way of [`Classification`], which shares no code with the fit.
    fn loss(logits: &Tensor<2>, targets: &[usize], temperature: f64) -> f64 {
        let fitted = Temperature { temperature, loss_before: 0.0, loss: 0.0 };
        let probabilities: Vec<f64> = fitted.predict(logits.clone()).into_data().iter::<f64>().collect();
        let of = |(row, &target): (&[f64], &usize)| -row[target].ln();
        probabilities.chunks(4).zip(targets).map(of).sum::<f64>() / targets.len() as f64
    }

    #[test]
    fn the_gradient_is_zero_at_the_optimum_and_nowhere_near_it() {
        let (logits, targets) = drawn(500, 2.5);
        let fitted = Temperature::fit(logits.clone(), &targets).unwrap();
        let slope = |t: f64| {
            let step = 1e-5;
            (loss(&logits, &targets, t + step) - loss(&logits, &targets, t - step)) / (2.0 * step)
        };
        let t = fitted.temperature;
        assert!(slope(t).abs() < 1e-9, "{}", slope(t));
        assert!(slope(0.9 * t) < -1e-3 && slope(1.1 * t) > 1e-3);
        assert!((fitted.loss - loss(&logits, &targets, t)).abs() < 1e-12);
        assert!((fitted.loss_before - loss(&logits, &targets, 1.0)).abs() < 1e-12);
    }

    #[test]
    fn the_temperature_that_drew_the_classes_is_found() {
        // The fitted β has standard error 1/√(n · mean variance of z under p), the inverse of the Fisher information.
        for truth in [0.5, 1.0, 2.5] {
            let (logits, targets) = drawn(20_000, truth);
            let values: Vec<f64> = logits.to_data().iter::<f64>().collect();
            let rows: Vec<(&[f64], usize)> = values.chunks(4).zip(targets.iter().copied()).collect();
            let error = (20_000.0 * Moments::at(1.0 / truth, &rows).curvature).sqrt().recip();
            let beta = Temperature::fit(logits, &targets).unwrap().temperature.recip();
            assert!((beta - 1.0 / truth).abs() < 4.0 * error, "{beta} ± {error} for {}", 1.0 / truth);
        }
    }

    #[test]
    fn it_follows_the_scale_and_leaves_the_order() {
        let (logits, targets) = drawn(300, 1.7);
        let fitted = Temperature::fit(logits.clone(), &targets).unwrap();
        let scaled = Temperature::fit(logits.clone() * 100.0, &targets).unwrap();
        assert!((scaled.temperature / fitted.temperature - 100.0).abs() < 1e-8);
        let before = Classification::new(softmax(logits.clone(), 1), &targets);
        let after = Classification::new(fitted.predict(logits), &targets);
        assert_eq!(before.confusion(), after.confusion());
        assert!(fitted.loss < fitted.loss_before);
    }

    #[test]
    fn where_no_temperature_is_best_it_says_so() {
        let fit = |rows: [[f64; 2]; 2], targets| {
            Temperature::fit(Tensor::from_data(rows, (&Device::flex(), DType::F64)), targets)
        };
        assert_eq!(fit([[1.0, 0.0], [0.0, 2.0]], &[0, 1]), Err(TemperatureError::NoMistake));
        assert_eq!(fit([[1.0, 0.0], [0.0, 2.0]], &[1, 0]), Err(TemperatureError::Uninformative));
        assert_eq!(
            fit([[1.0, 0.0], [f64::NAN, 2.0]], &[1, 0]),
            Err(TemperatureError::NotFinite { sample: 1 })
        );
        let none = Tensor::<2>::zeros([0, 2], &Device::flex());
        assert_eq!(Temperature::fit(none, &[]), Err(TemperatureError::Empty));
    }
}
