//! A convolution as one operation on flex, recorded or not.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{DType, Tensor, TensorData};
use rayon::prelude::*;

use super::geometry::Geometry;
use super::{dense, depthwise};
use crate::host;
use crate::kernels::numbers;
use crate::operation::{Recorded, record};

type Flexible = FloatTensor<Flex>;

/// The result, unless Burn has to do it.
pub(super) fn conv2d(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    options: &ConvOptions<2>,
) -> Option<Tensor<4>> {
    let ([batch, channels, height, width], [filters, _, rows, columns]) = (x.dims(), weight.dims());
    let [(top, bottom), (left, right)] = options.padding;
    let places = |i: usize, size: usize, window: usize| {
        Some(size.checked_sub(options.dilation[i] * window.checked_sub(1)? + 1)? / options.stride[i] + 1)
    };
    let geometry = Geometry {
        batch,
        groups: options.groups,
        input: [channels, height, width],
        output: [filters, places(0, height + top + bottom, rows)?, places(1, width + left + right, columns)?],
        kernel: [rows, columns],
        stride: options.stride,
        dilation: options.dilation,
        padding: [top, left],
    };
    run(geometry, false, x, weight, bias)
}

/// The result, unless Burn has to do it: the way back of a convolution whose images are the results here.
pub(super) fn conv_transpose2d(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    options: &ConvTransposeOptions<2>,
) -> Option<Tensor<4>> {
    let ([batch, channels, height, width], [_, filters, rows, columns]) = (x.dims(), weight.dims());
    let side = |i: usize, size: usize, window: usize| {
        let window = options.dilation[i] * window.checked_sub(1)? + 1;
        let whole = size.checked_sub(1)? * options.stride[i] + window + options.padding_out[i];
        whole.checked_sub(2 * options.padding[i])
    };
    let geometry = Geometry {
        batch,
        groups: options.groups,
        input: [filters * options.groups, side(0, height, rows)?, side(1, width, columns)?],
        output: [channels, height, width],
        kernel: [rows, columns],
        stride: options.stride,
        dilation: options.dilation,
        padding: options.padding,
    };
    run(geometry, true, x, weight, bias)
}

fn run(
    geometry: Geometry,
    transposed: bool,
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<4>> {
    let sizes = [geometry.batch, geometry.groups, geometry.image(), geometry.result(), geometry.area()];
    if !host::is_flex(&x.device()) || sizes.contains(&0) {
        return None;
    }
    let channels = if transposed { geometry.input[0] } else { geometry.output[0] };
    let fits = geometry.input[0].is_multiple_of(geometry.groups)
        && geometry.output[0].is_multiple_of(geometry.groups)
        && weight.dims()[..2] == [geometry.output[0], geometry.channels()]
        && bias.is_none_or(|bias| bias.dims() == [channels]);
    let mut types = [x.dtype(), weight.dtype()].into_iter().chain(bias.map(Tensor::dtype));
    if !fits || types.any(|dtype| dtype != DType::F32) {
        return None;
    }
    let kept = |x: Flexible, weight: Flexible| Kept {
        geometry,
        transposed,
        x: x.to_contiguous(),
        weight: weight.to_contiguous(),
    };
    let mut devices = [x.device(), weight.device()].into_iter().chain(bias.map(Tensor::device));
    if !devices.any(|device| device.is_autodiff()) {
        let (x, weight) = (plain(x)?, plain(weight)?);
        let bias = bias.map(|bias| bias.to_data());
        return Some(Tensor::from_primitive::<Flex>(kept(x, weight).value(bias.as_ref())));
    }
    let ((x, of_x), (weight, of_weight)) = (recorded(x)?.into_parts(), recorded(weight)?.into_parts());
    let kept = kept(x, weight);
    let y = match bias {
        None => {
            let value = kept.value(None);
            record::<Flex, _, 2>(Convolution, [of_x, of_weight], kept, value)
        }
        Some(bias) => {
            let (bias, of_bias) = recorded(bias)?.into_parts();
            let value = kept.value(Some(&Tensor::<1>::from_primitive::<Flex>(bias).into_data()));
            record::<Flex, _, 3>(Convolution, [of_x, of_weight, of_bias], kept, value)
        }
    };
    Some(Tensor::from_primitive::<Autodiff<Flex>>(y))
}

fn plain(x: &Tensor<4>) -> Option<Flexible> {
    x.clone().try_into_primitive::<Flex>().ok()
}

fn recorded<const D: usize>(x: &Tensor<D>) -> Option<Recorded<Flex>> {
    x.clone().try_into_primitive::<Autodiff<Flex>>().ok()
}

/// What the way back needs.
#[derive(Debug, Clone)]
struct Kept {
    geometry: Geometry,
    /// The geometry's images are the results, and x is what they become.
    transposed: bool,
    x: Flexible,
    weight: Flexible,
}

impl Kept {
    fn value(&self, bias: Option<&TensorData>) -> Flexible {
        let (x, weight, geometry) = (numbers(&self.x), numbers(&self.weight), &self.geometry);
        let bias: Option<Vec<f32>> = bias.map(|bias| bias.iter::<f32>().collect());
        if !self.transposed {
            return self.results(forward(geometry, x, weight, bias.as_deref()));
        }
        let mut y = of_images(geometry, weight, x);
        if let Some(bias) = bias {
            let planes = y.chunks_exact_mut(geometry.input[1] * geometry.input[2]);
            planes.zip(bias.iter().cycle()).for_each(|(y, bias)| y.iter_mut().for_each(|y| *y += bias));
        }
        self.images(y)
    }

    fn of_x(&self, grad: &[f32]) -> Flexible {
        let weight = numbers(&self.weight);
        if self.transposed {
            self.results(forward(&self.geometry, grad, weight, None))
        } else {
            self.images(of_images(&self.geometry, weight, grad))
        }
    }

    fn of_weight(&self, grad: &[f32]) -> Flexible {
        let geometry = &self.geometry;
        let [images, results] =
            if self.transposed { [grad, numbers(&self.x)] } else { [numbers(&self.x), grad] };
        let of_filters = if geometry.is_depthwise() { depthwise::of_filters } else { dense::of_filters };
        let shape = [geometry.output[0], geometry.channels(), geometry.kernel[0], geometry.kernel[1]];
        self.tensor(of_filters(geometry, images, results), &shape)
    }

    /// The sums over all places and images.
    fn of_bias(&self, grad: &[f32]) -> Flexible {
        let [channels, height, width] =
            if self.transposed { self.geometry.input } else { self.geometry.output };
        let plane = |image: usize, channel: usize| {
            &grad[(image * channels + channel) * height * width..][..height * width]
        };
        let sum = |channel| (0..self.geometry.batch).map(|image| host::sum(plane(image, channel))).sum();
        self.tensor((0..channels).into_par_iter().map(sum).collect(), &[channels])
    }

    fn images(&self, values: Vec<f32>) -> Flexible {
        let [channels, height, width] = self.geometry.input;
        self.tensor(values, &[self.geometry.batch, channels, height, width])
    }

    fn results(&self, values: Vec<f32>) -> Flexible {
        let [channels, height, width] = self.geometry.output;
        self.tensor(values, &[self.geometry.batch, channels, height, width])
    }

    fn tensor(&self, values: Vec<f32>, shape: &[usize]) -> Flexible {
        Flex::float_from_data(TensorData::new(values, shape), &self.x.device())
    }
}

fn forward(geometry: &Geometry, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let forward = if geometry.is_depthwise() { depthwise::forward } else { dense::forward };
    forward(geometry, x, weight, bias)
}

fn of_images(geometry: &Geometry, weight: &[f32], grad: &[f32]) -> Vec<f32> {
    let of_images = if geometry.is_depthwise() { depthwise::of_images } else { dense::of_images };
    of_images(geometry, weight, grad)
}

/// The node of a result. Its parents are x, the weight and, if there is one, the bias.
#[derive(Debug)]
struct Convolution;

impl<const N: usize> Backward<Flex, N> for Convolution {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (grad, kept) = (grads.consume::<Flex>(&ops.node).to_contiguous(), ops.state);
        for (which, parent) in ops.parents.into_iter().enumerate() {
            let Some(parent) = parent else { continue };
            let value = match which {
                0 => kept.of_x(numbers(&grad)),
                1 => kept.of_weight(numbers(&grad)),
                _ => kept.of_bias(numbers(&grad)),
            };
            grads.register::<Flex>(parent.id, value);
        }
    }
}
