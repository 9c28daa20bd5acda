//! Predicted distributions beside what drivers did.

use burn::module::Module;
use burn::tensor::Device;
use fornax_cnn::ResNet;
use fornax_cnn::control::{Controller, Density};
use fornax_nn_core::calibration::Calibration;

use crate::driving::{Frames, Outcome};

/// A density for each frame, and −ln of it at the driver's command.
pub(crate) struct Judged {
    pub(crate) densities: Vec<Density>,
    nll: Vec<f64>,
}

impl Judged {
    pub(crate) fn new(model: &Controller<ResNet>, frames: &Frames, columns: usize, device: &Device) -> Self {
        let model = model.valid();
        let mut judged = Self { densities: Vec::new(), nll: Vec::new() };
        let all: Vec<usize> = (0..frames.len()).collect();
        for chunk in all.chunks(256) {
            let mixture = model.forward(frames.images(chunk, device));
            judged.densities.extend(mixture.densities());
            judged.nll.extend(mixture.nll(frames.commands(chunk, columns, device)).into_data().iter::<f64>());
        }
        judged
    }

    /// Mean over the frames that `which` picks, in nats.
    pub(crate) fn nll(&self, which: impl Fn(usize) -> bool) -> f64 {
        let picked: Vec<f64> =
            self.nll.iter().enumerate().filter(|(i, _)| which(*i)).map(|(_, nll)| *nll).collect();
        picked.iter().sum::<f64>() / picked.len() as f64
    }

    /// Of each number of a command on its own, all together.
    pub(crate) fn calibration(&self, frames: &Frames, columns: usize) -> Outcome<Calibration> {
        let below = |(i, density): (usize, &Density)| {
            (0..columns).map(|d| density.cdf(d, f64::from(frames.commands[i][d]))).collect::<Vec<f64>>()
        };
        Ok(Calibration::new(self.densities.iter().enumerate().flat_map(below).collect())?)
    }
}
