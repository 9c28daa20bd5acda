//! Diffusion or flow matching, behind one face.

use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Distribution, Int, Tensor};
use fornax_generative::denoiser::{drop_labels, guided};
use fornax_generative::diffusion::{self, Diffusion, DiffusionConfig};
use fornax_generative::flow_matching::{self, Solver};
use fornax_generative::unet::UNet;
use fornax_nn_core::gradient::NonFinite;

use crate::Outcome;
use crate::settings::{Model, Settings};

/// Passes of the fast sampler.
pub(crate) const FAST: usize = 25;

pub(crate) enum Process {
    Diffusion(Diffusion),
    Flow { steps: usize },
}

/// What is asked for, and how strongly.
pub(crate) struct Order<'a> {
    pub(crate) model: &'a UNet,
    pub(crate) labels: Tensor<1, Int>,
    pub(crate) guidance: f64,
}

impl Order<'_> {
    fn network(&self) -> impl Fn(Tensor<4>, Tensor<1>) -> Tensor<4> {
        guided(self.model, self.labels.clone(), self.guidance)
    }
}

impl Process {
    pub(crate) fn new(settings: &Settings) -> Outcome<Self> {
        Ok(match settings.model {
            Model::Ddpm => {
                let config = DiffusionConfig::new().with_steps(settings.steps).with_clip(Some(1.0));
                Self::Diffusion(config.init()?)
            }
            Model::Flow => Self::Flow { steps: settings.steps },
        })
    }

    /// The samplers' names, slow and fast.
    pub(crate) fn names(&self) -> [&'static str; 2] {
        match self {
            Self::Diffusion(_) => ["DDPM", "DDIM"],
            Self::Flow { .. } => ["Heun", "Euler"],
        }
    }

    /// A step of learning; all it draws comes from the device's seed.
    pub(crate) fn train_step(
        &self,
        model: UNet,
        optim: &mut ModuleOptimizer,
        lr: f64,
        (x, labels): (Tensor<4>, Tensor<1, Int>),
        (dropout, classes): (f64, usize),
    ) -> Result<(UNet, f32), NonFinite> {
        let (device, batch) = (x.device(), x.dims()[0]);
        let uniform = || Tensor::<1>::random([batch], Distribution::Default, &device);
        let labels = Some(drop_labels(labels, uniform(), dropout, classes));
        let (t, epsilon) = (uniform(), normal(x.dims(), &device));
        match self {
            Self::Diffusion(process) => {
                let batch = diffusion::Batch { x, labels, t: process.timesteps(t), epsilon };
                diffusion::train_step(process, model, optim, lr, &batch)
            }
            Self::Flow { .. } => {
                let batch = flow_matching::Batch { x, labels, t, epsilon };
                flow_matching::train_step(model, optim, lr, &batch)
            }
        }
    }

    /// The slow sampler: DDPM in all its steps, or Heun with as many passes.
    pub(crate) fn slow(&self, order: &Order<'_>, start: Tensor<4>) -> Outcome<Tensor<4>> {
        let (network, shape, device) = (order.network(), start.dims(), start.device());
        match self {
            Self::Diffusion(process) => Ok(process.ddpm(network, start, |_| normal(shape, &device))),
            Self::Flow { steps } => {
                Ok(flow_matching::sample(network, start, steps.div_ceil(2), Solver::Heun)?)
            }
        }
    }

    /// The fast sampler, DDIM or Euler in 25 steps: the samples after each of them, the start first.
    pub(crate) fn fast(&self, order: &Order<'_>, start: Tensor<4>) -> Outcome<Vec<Tensor<4>>> {
        let (network, batch) = (order.network(), start.dims()[0]);
        let mut path = vec![start.clone()];
        let mut x = start;
        match self {
            Self::Diffusion(process) => {
                for (t, s) in process.strides(FAST.min(process.steps()))? {
                    let said = network(x.clone(), process.time(&vec![t; batch], &x));
                    x = process.ddim_step(said, x, (t, s), None);
                    path.push(x.clone());
                }
            }
            Self::Flow { .. } => {
                let h = 1.0 / FAST as f64;
                for i in 0..FAST {
                    x = flow_matching::solver_step(&network, x, (i as f64 * h, h), Solver::Euler);
                    path.push(x.clone());
                }
            }
        }
        Ok(path)
    }
}

pub(crate) fn normal<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}
