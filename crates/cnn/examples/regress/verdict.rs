//! What predictions are worth: error, coverage, calibration.

use burn::tensor::{Device, Tensor};
use fornax_cnn::ResNet;
use fornax_cnn::regression::{Gaussian, Prediction, Regressor};
use fornax_nn_core::calibration::{Calibration, deviation_factor, normal_cdf};
use serde_json::json;

use crate::Outcome;
use crate::turned::{NAMES, Turned, unit};

/// Images predicted at once.
const CHUNK: usize = 256;

/// Predictions for a set, one row an image, beside what was true.
pub(crate) struct Judged {
    pub(crate) mean: Vec<f64>,
    pub(crate) std: Vec<f64>,
    pub(crate) truth: Vec<f64>,
}

impl Judged {
    /// Asks some networks, or one with several masks, and takes the mixture for one normal distribution of its mean and
    /// variance.
    pub(crate) fn new(set: &Turned, device: &Device, ask: impl Fn(Tensor<4>) -> Vec<Gaussian>) -> Self {
        let batch = set.batch(device);
        let images = batch.images.dims()[0];
        let truth = set.targets.iter().map(|&value| f64::from(value)).collect();
        let mut judged = Self { mean: Vec::new(), std: Vec::new(), truth };
        for start in (0..images).step_by(CHUNK) {
            let chunk = batch.images.clone().narrow(0, start, CHUNK.min(images - start));
            let prediction = Prediction::mixture(&ask(chunk));
            let host = |tensor: Tensor<2>| tensor.into_data().iter::<f64>().collect::<Vec<_>>();
            judged.std.extend(host(prediction.variance().sqrt()));
            judged.mean.extend(host(prediction.mean));
        }
        judged
    }

    fn scores(&self) -> Vec<f64> {
        let errors = self.truth.iter().zip(&self.mean).map(|(truth, mean)| truth - mean);
        errors.zip(&self.std).map(|(error, std)| error / std).collect()
    }

    /// One factor a quantity for all deviations, fitted here to be used elsewhere.
    pub(crate) fn factors(&self) -> [f64; 3] {
        let scores = self.scores();
        std::array::from_fn(|column| {
            let column: Vec<f64> = scores.iter().copied().skip(column).step_by(NAMES.len()).collect();
            deviation_factor(&column)
        })
    }

    /// The same predictions with other deviations.
    pub(crate) fn widened(mut self, factors: [f64; 3]) -> Self {
        self.std.iter_mut().enumerate().for_each(|(i, std)| *std *= factors[i % factors.len()]);
        self
    }

    pub(crate) fn calibration(&self) -> Outcome<Calibration> {
        Ok(Calibration::new(self.scores().into_iter().map(normal_cdf).collect())?)
    }

    /// Root mean square error of a quantity in its own unit.
    pub(crate) fn rmse(&self, column: usize) -> f64 {
        let errors = self.truth.iter().zip(&self.mean).map(|(truth, mean)| (truth - mean).powi(2));
        let errors: Vec<f64> = errors.skip(column).step_by(NAMES.len()).collect();
        unit(column) * (errors.iter().sum::<f64>() / errors.len() as f64).sqrt()
    }

    /// Mean negative log-likelihood of a quantity of unit deviation, in nats.
    pub(crate) fn nll(&self) -> f64 {
        let terms = self.scores().into_iter().zip(&self.std);
        let nll = |(z, std): (f64, &f64)| 0.5 * z * z + std.ln() + 0.5 * std::f64::consts::TAU.ln();
        terms.map(nll).sum::<f64>() / self.std.len() as f64
    }
}

/// Unseen digits judged by one network, by one with masks of dropout, by all, and by all with fitted deviations.
pub(crate) struct Verdict {
    pub(crate) single: Judged,
    pub(crate) masked: Judged,
    pub(crate) raw: Judged,
    pub(crate) widened: Judged,
    factors: [f64; 3],
}

impl Verdict {
    pub(crate) fn new(
        members: &[Regressor<ResNet>],
        fitted_on: &Turned,
        unseen: &Turned,
        device: &Device,
    ) -> Outcome<Self> {
        let all = |images: Tensor<4>| members.iter().map(|member| member.forward(images.clone())).collect();
        let factors = Judged::new(fitted_on, device, all).factors();
        Ok(Self {
            single: Judged::new(unseen, device, |images| vec![members[0].forward(images)]),
            masked: Judged::new(unseen, device, |images| members[0].sample_dropout(images, 20)),
            raw: Judged::new(unseen, device, all),
            widened: Judged::new(unseen, device, all).widened(factors),
            factors,
        })
    }

    /// What goes into `summary.json`.
    pub(crate) fn figures(&self) -> Outcome<serde_json::Value> {
        let Self { single, masked, raw, widened, factors } = self;
        let calibration = widened.calibration()?;
        Ok(json!({
            "rmse": widened.rmse(0), "rmse_across": widened.rmse(1), "rmse_down": widened.rmse(2),
            "nll": widened.nll(), "coverage50": calibration.coverage(0.5), "coverage90": calibration.coverage(0.9),
            "coverage95": calibration.coverage(0.95), "calibration_error": calibration.error(),
            "factor_angle": factors[0], "coverage90_raw": raw.calibration()?.coverage(0.9), "nll_raw": raw.nll(),
            "coverage90_single": single.calibration()?.coverage(0.9), "rmse_single": single.rmse(0),
            "nll_single": single.nll(), "coverage90_dropout": masked.calibration()?.coverage(0.9),
            "rmse_dropout": masked.rmse(0), "nll_dropout": masked.nll(),
        }))
    }
}
