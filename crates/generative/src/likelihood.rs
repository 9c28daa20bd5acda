//! What a decoder's numbers are the parameters of.
//!
//! ```text
//! Bernoulli   ln p(x | a) = Σ_i  x_i ln σ(a_i) + (1 − x_i) ln(1 − σ(a_i))
//! Gaussian    ln p(x | a) = −½ Σ_i  (x_i − a_i)²/σ² + ln 2πσ²
//! ```
//!
//! For grey pixels in between, the Bernoulli term is a cross-entropy and no likelihood: figures in nats or bits are only honest on
//! pixels that are 0 or 1.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, sigmoid};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::positive;
use fornax_nn_core::loss::gaussian_nll;
use serde::{Deserialize, Serialize};

/// The distribution of x, given the decoder's numbers; formulas in the [page](self).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Likelihood {
    /// x is 0 or 1 (or a probability in between); the decoder gives logits.
    Bernoulli,
    /// x is a number; the decoder gives its mean.
    Gaussian {
        /// σ of every feature, positive.
        deviation: f64,
    },
}

impl Likelihood {
    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `deviation` when it is not positive and finite.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Bernoulli => Ok(()),
            Self::Gaussian { deviation } => positive("deviation", deviation),
        }
    }

    /// ln p(x | parameters), summed over features.
    ///
    /// # Shapes
    ///
    /// - parameters, x: `[batch, inputs]`
    /// - output: `[batch]`
    pub fn log_prob(&self, parameters: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        let terms = match *self {
            Self::Bernoulli => {
                x.clone() * log_sigmoid(parameters.clone()) + (-x + 1.0) * log_sigmoid(-parameters)
            }
            Self::Gaussian { deviation } => {
                let log_var = parameters.full_like(2.0 * deviation.ln());
                -gaussian_nll(parameters, log_var, x)
            }
        };
        terms.sum_dim(1).squeeze_dim(1)
    }

    /// The expected x.
    pub fn mean(&self, parameters: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Bernoulli => sigmoid(parameters),
            Self::Gaussian { .. } => parameters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use fornax_nn_core::check::assert_close;

    #[test]
    fn probabilities_sum_to_one() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_data([[0.3, -2.0], [0.3, -2.0], [0.3, -2.0], [0.3, -2.0]], &device);
        let x = Tensor::<2>::from_data([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], &device);
        let p = Likelihood::Bernoulli.log_prob(logits.clone(), x).exp();
        assert_close(&p.clone().sum(), &[1.0], 1e-6, 0.0);
        // The mean is that of the distribution.
        let first = p.narrow(0, 2, 2).sum();
        let mean = Likelihood::Bernoulli.mean(logits).slice([0..1, 0..1]).flatten::<1>(0, 1);
        assert_close(&mean, &first, 1e-6, 0.0);
    }

    #[test]
    fn a_gaussian_at_its_mean_is_as_high_as_it_gets() {
        let x = Tensor::<2>::from_data([[0.5, -1.0]], &Device::flex());
        let likelihood = Likelihood::Gaussian { deviation: 0.5 };
        let peak = -(std::f64::consts::TAU * 0.25).ln(); // two features
        assert_close(&likelihood.log_prob(x.clone(), x.clone()), &[peak], 1e-6, 0.0);
        assert_close(&likelihood.log_prob(x.clone() + 0.5, x), &[peak - 1.0], 1e-6, 0.0);
    }
}
