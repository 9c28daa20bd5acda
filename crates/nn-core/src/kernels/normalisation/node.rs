//! Batch normalisation as one operation on flex, recorded or not.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::nn::BatchNorm;
use burn::tensor::{DType, Tensor, TensorData};
use rayon::prelude::*;

use crate::host::{self, Loop};
use crate::kernels::memory::parts;
use crate::kernels::numbers;
use crate::operation::record;

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 13;

/// The layer's result, unless Burn has to do it.
pub(super) fn batch_norm(layer: &BatchNorm, x: &Tensor<4>) -> Option<Tensor<4>> {
    let [batch, channels, height, width] = x.dims();
    let device = x.device();
    let sizes = [batch, channels, height * width];
    let types = [x.dtype(), layer.gamma.val().dtype(), layer.beta.val().dtype()];
    let fits = layer.gamma.dims() == [channels] && !sizes.contains(&0);
    if !host::is_flex(&device) || types.iter().any(|dtype| *dtype != DType::F32) || !fits {
        return None;
    }
    let (gamma, beta) = (layer.gamma.val(), layer.beta.val());
    let values = |x: Tensor<1>| x.into_data().iter::<f32>().collect::<Vec<f32>>();
    if !device.is_autodiff() {
        if gamma.device().is_autodiff() || beta.device().is_autodiff() {
            return None;
        }
        let x = x.clone().try_into_primitive::<Flex>().ok()?.to_contiguous();
        let (mean, variance) = (values(layer.running_mean.value()), values(layer.running_var.value()));
        let kept = Kept { sizes, gamma: values(gamma), scale: scales(&variance, layer.epsilon), mean, x };
        return Some(Tensor::from_primitive::<Flex>(kept.value(&values(beta))));
    }
    if !layer.training.is_enabled() {
        return None;
    }
    let recorded = |x: Tensor<1>| x.try_into_primitive::<Autodiff<Flex>>().ok();
    let (x, of_x) = x.clone().try_into_primitive::<Autodiff<Flex>>().ok()?.into_parts();
    let (plain_gamma, plain_beta) = (values(gamma.clone()), values(beta.clone()));
    let (of_gamma, of_beta) = (recorded(gamma)?.into_parts().1, recorded(beta)?.into_parts().1);
    let x = x.to_contiguous();
    let (mean, variance) = statistics(sizes, numbers(&x));
    let kept =
        Kept { sizes, gamma: plain_gamma, scale: scales(&variance, layer.epsilon), mean: mean.clone(), x };
    let y = kept.value(&plain_beta);
    let y = record::<Flex, _, 3>(Normalisation, [of_x, of_gamma, of_beta], kept, y);

    for (state, seen) in [(&layer.running_mean, mean), (&layer.running_var, variance)] {
        let seen = Tensor::<1>::from_data(TensorData::new(seen, [channels]), &device);
        let old = state.value_sync().to_device(&device);
        state.update((old * (1.0 - layer.momentum) + seen * layer.momentum).detach());
    }
    Some(Tensor::from_primitive::<Autodiff<Flex>>(y))
}

/// 1 / √(σ² + ε)
fn scales(variance: &[f32], epsilon: f64) -> Vec<f32> {
    variance.iter().map(|variance| (1.0 / (f64::from(*variance) + epsilon).sqrt()) as f32).collect()
}

/// The planes of a channel.
fn planes(
    [batch, channels, size]: [usize; 3],
    x: &[f32],
    channel: usize,
) -> impl Iterator<Item = &[f32]> + Clone {
    (0..batch).map(move |image| &x[(image * channels + channel) * size..][..size])
}

/// μ and σ² of each channel.
fn statistics(sizes: [usize; 3], x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let [batch, channels, size] = sizes;
    let count = (batch * size) as f64;
    let channel = |channel| {
        let planes = planes(sizes, x, channel);
        let mean = planes.clone().map(|x| f64::from(host::sum(x))).sum::<f64>() / count;
        let squares = planes.map(|x| f64::from(host::vectorised(Squares { x, mean: mean as f32 })));
        (mean as f32, (squares.sum::<f64>() / count) as f32)
    };
    (0..channels).into_par_iter().with_min_len(GRAIN.div_ceil(batch * size)).map(channel).unzip()
}

/// What the way back needs.
#[derive(Debug, Clone)]
struct Kept {
    /// Images, channels, places.
    sizes: [usize; 3],
    x: FloatTensor<Flex>,
    mean: Vec<f32>,
    scale: Vec<f32>,
    gamma: Vec<f32>,
}

impl Kept {
    fn value(&self, beta: &[f32]) -> FloatTensor<Flex> {
        let (x, [_, channels, size]) = (numbers(&self.x), self.sizes);
        let y = parts(
            [x.len(), size, GRAIN.div_ceil(size)],
            || (),
            |(), plane, y| {
                let (channel, x) = (plane % channels, &x[plane * size..][..size]);
                let scale = self.scale[channel] * self.gamma[channel];
                host::vectorised(Forward { x, mean: self.mean[channel], scale, beta: beta[channel], y });
            },
        );
        self.tensor(y, &self.x.shape())
    }

    /// dβ and dγ.
    fn of_parameters(&self, grad: &[f32]) -> [Vec<f32>; 2] {
        let (x, [batch, channels, size]) = (numbers(&self.x), self.sizes);
        let channel = |channel| {
            let pairs = planes(self.sizes, grad, channel).zip(planes(self.sizes, x, channel));
            let mean = self.mean[channel];
            let sums = pairs.map(|(grad, x)| {
                let (of_beta, of_gamma) = host::vectorised(Sums { grad, x, mean });
                [f64::from(of_beta), f64::from(of_gamma)]
            });
            let [of_beta, of_gamma] = sums.fold([0.0; 2], |sum, next| [sum[0] + next[0], sum[1] + next[1]]);
            (of_beta as f32, (of_gamma * f64::from(self.scale[channel])) as f32)
        };
        let all = (0..channels).into_par_iter().with_min_len(GRAIN.div_ceil(batch * size)).map(channel);
        let (of_beta, of_gamma) = all.unzip();
        [of_beta, of_gamma]
    }

    fn of_x(&self, grad: &[f32], [of_beta, of_gamma]: &[Vec<f32>; 2]) -> FloatTensor<Flex> {
        let (x, [batch, channels, size]) = (numbers(&self.x), self.sizes);
        let count = (batch * size) as f32;
        let dx = parts(
            [x.len(), size, GRAIN.div_ceil(size)],
            || (),
            |(), plane, dx| {
                let (c, at) = (plane % channels, plane * size);
                let scale = self.scale[c];
                host::vectorised(Back {
                    grad: &grad[at..at + size],
                    x: &x[at..at + size],
                    mean: self.mean[c],
                    shift: of_beta[c] / count,
                    slope: scale * of_gamma[c] / count,
                    scale: scale * self.gamma[c],
                    dx,
                });
            },
        );
        self.tensor(dx, &self.x.shape())
    }

    fn tensor(&self, values: Vec<f32>, shape: &[usize]) -> FloatTensor<Flex> {
        Flex::float_from_data(TensorData::new(values, shape), &self.x.device())
    }
}

/// The node of y. Its parents are x, γ and β.
#[derive(Debug)]
struct Normalisation;

impl Backward<Flex, 3> for Normalisation {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (grad, kept) = (grads.consume::<Flex>(&ops.node).to_contiguous(), ops.state);
        let [of_x, of_gamma, of_beta] = ops.parents;
        let sums = kept.of_parameters(numbers(&grad));
        if let Some(parent) = of_x {
            grads.register::<Flex>(parent.id, kept.of_x(numbers(&grad), &sums));
        }
        for (parent, sums) in [of_beta, of_gamma].into_iter().zip(sums) {
            if let Some(parent) = parent {
                let shape = [sums.len()];
                grads.register::<Flex>(parent.id, kept.tensor(sums, &shape));
            }
        }
    }
}

/// Σ (x − μ)²
struct Squares<'a> {
    x: &'a [f32],
    mean: f32,
}

impl Loop for Squares<'_> {
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        host::sum_of(self.x, |x| (x - self.mean) * (x - self.mean))
    }
}

/// Σ g and Σ g·(x − μ)
struct Sums<'a> {
    grad: &'a [f32],
    x: &'a [f32],
    mean: f32,
}

impl Loop for Sums<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    fn call(self) -> (f32, f32) {
        let of_gamma = host::sum_of_products(self.grad, self.x, |g, x| g * (x - self.mean));
        (host::sum_of(self.grad, |g| g), of_gamma)
    }
}

struct Forward<'a> {
    x: &'a [f32],
    mean: f32,
    scale: f32,
    beta: f32,
    y: &'a mut [f32],
}

impl Loop for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y = (x - self.mean) * self.scale + self.beta;
        }
    }
}

struct Back<'a> {
    grad: &'a [f32],
    x: &'a [f32],
    mean: f32,
    shift: f32,
    slope: f32,
    scale: f32,
    dx: &'a mut [f32],
}

impl Loop for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for ((dx, g), x) in self.dx.iter_mut().zip(self.grad).zip(self.x) {
            *dx = (g - self.shift - (x - self.mean) * self.slope) * self.scale;
        }
    }
}
