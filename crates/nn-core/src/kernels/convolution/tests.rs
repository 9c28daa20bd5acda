//! Every way of convolving against the layers of Burn, result and gradients.

use burn::module::Param;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::{DType, Device, Tensor};

use super::Convolve;
use crate::check::{assert_close, fill};

/// Groups, channels in and out.
const CHANNELS: [[usize; 3]; 6] = [[1, 1, 5], [1, 3, 4], [2, 4, 6], [3, 3, 3], [3, 3, 6], [4, 8, 4]];
/// Batch, height and width: of one product a block, of several, of several images a product, and of none like another.
const SIZES: [[usize; 3]; 4] = [[2, 9, 7], [9, 5, 5], [1, 16, 40], [2, 40, 33]];

/// Results, and gradients of x, weight and bias under a loss that weighs every number of the result differently.
fn all(
    x: &Tensor<4>,
    parameters: (&Param<Tensor<4>>, Option<&Param<Tensor<1>>>),
    forward: impl Fn(Tensor<4>) -> Tensor<4>,
) -> Vec<Tensor<1>> {
    let x = x.clone().require_grad();
    let y = forward(x.clone());
    let weights = fill::input::<4>("loss", y.dims(), &x.device());
    let gradients = (y.clone() * weights).sum().backward();
    let flat = |x: Tensor<4>| x.flatten::<1>(0, 3);
    let gradient = |x: &Tensor<4>| flat(x.grad(&gradients).expect("a gradient"));
    let bias = parameters.1.map(|bias| bias.val().grad(&gradients).expect("a gradient of the bias"));
    [flat(y).inner(), gradient(&x), gradient(&parameters.0.val())].into_iter().chain(bias).collect()
}

/// Both ways to convolve `x` agree in all of it.
fn agree(
    x: &Tensor<4>,
    parameters: (&Param<Tensor<4>>, Option<&Param<Tensor<1>>>),
    ways: [&dyn Fn(Tensor<4>) -> Tensor<4>; 2],
    what: &str,
) {
    let what = format!("{what} on {:?}", x.dims());
    let [found, expected] = ways.map(|forward| all(x, parameters, forward));
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.into_iter().zip(expected).enumerate() {
        assert_eq!(found.dims(), expected.dims(), "{what}, part {i}");
        let scale = expected.clone().abs().max().into_scalar::<f32>().max(1.0);
        let worst = (found - expected).abs().max().into_scalar::<f32>();
        assert!(worst <= 2e-5 * scale, "{what}, part {i}: {worst} of {scale}");
    }
}

fn layers(kernel: [usize; 2], bias: bool) -> impl Iterator<Item = Conv2dConfig> {
    let windows = [[1, 1, 0], [1, 1, 1], [2, 1, 1], [1, 2, 2], [2, 3, 3], [3, 1, 0]];
    CHANNELS.into_iter().flat_map(move |[groups, from, to]| {
        windows.map(move |[stride, dilation, padding]| {
            Conv2dConfig::new([from, to], kernel)
                .with_groups(groups)
                .with_stride([stride, stride.min(2)])
                .with_dilation([dilation, 1])
                .with_padding(PaddingConfig2d::Explicit(padding, padding, padding.div_ceil(2), padding))
                .with_bias(bias)
        })
    })
}

#[test]
fn results_and_gradients_are_those_of_the_layer() {
    let device = Device::flex().autodiff();
    for (kernel, bias) in [([3, 3], true), ([1, 1], false), ([2, 4], true), ([5, 5], false)] {
        for config in layers(kernel, bias) {
            for [batch, height, width] in SIZES {
                let padded = |size: usize| match config.padding {
                    PaddingConfig2d::Explicit(top, ..) => size + top,
                    _ => size,
                };
                let reach = |i: usize| config.dilation[i] * (kernel[i] - 1) + 1;
                if padded(height) < reach(0) || padded(width) < reach(1) {
                    continue;
                }
                let layer: Conv2d = fill::fill(config.init(&device));
                let x = fill::input::<4>("x", [batch, config.channels[0], height, width], &device);
                let parameters = (&layer.weight, layer.bias.as_ref());
                agree(&x, parameters, [&|x| layer.convolve(x), &|x| layer.forward(x)], &config.to_string());
            }
        }
    }
}

#[test]
fn transposed_results_and_gradients_are_those_of_the_layer() {
    let device = Device::flex().autodiff();
    for [groups, from, to] in CHANNELS {
        for [stride, dilation, padding, out] in [[1, 1, 0, 0], [2, 1, 1, 0], [2, 1, 1, 1], [3, 2, 2, 1]] {
            for bias in [true, false] {
                let config = ConvTranspose2dConfig::new([to, from], [4, 3])
                    .with_groups(groups)
                    .with_stride([stride; 2])
                    .with_dilation([dilation; 2])
                    .with_padding([padding; 2])
                    .with_padding_out([out; 2])
                    .with_bias(bias);
                let layer: ConvTranspose2d = fill::fill(config.init(&device));
                for [batch, height, width] in [[2, 4, 5], [9, 2, 2], [1, 16, 20]] {
                    let x = fill::input::<4>("x", [batch, to, height, width], &device);
                    let parameters = (&layer.weight, layer.bias.as_ref());
                    agree(
                        &x,
                        parameters,
                        [&|x| layer.convolve(x), &|x| layer.forward(x)],
                        &config.to_string(),
                    );
                }
            }
        }
    }
}

#[test]
fn many_channels_are_cut_by_channels() {
    let device = Device::flex().autodiff();
    let config = Conv2dConfig::new([72, 128], [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
    let layer: Conv2d = fill::fill(config.init(&device));
    for [batch, side] in [[3, 6], [2, 17]] {
        let x = fill::input::<4>("x", [batch, 72, side, side], &device);
        let parameters = (&layer.weight, layer.bias.as_ref());
        agree(&x, parameters, [&|x| layer.convolve(x), &|x| layer.forward(x)], &config.to_string());
    }
}

#[test]
fn without_recording_the_result_is_the_same() {
    let device = Device::flex();
    let layer: Conv2d = fill::fill(Conv2dConfig::new([3, 4], [3, 3]).init(&device));
    let x = fill::input::<4>("x", [2, 3, 12, 10], &device);
    assert_close(&layer.convolve(x.clone()), &layer.forward(x.clone()), 1e-5, 1e-5);
    let turned = x.swap_dims(2, 3);
    assert_close(&layer.convolve(turned.clone()), &layer.forward(turned), 1e-5, 1e-5);
    let up: ConvTranspose2d = fill::fill(ConvTranspose2dConfig::new([3, 4], [3, 3]).init(&device));
    let x = fill::input::<4>("x", [2, 3, 5, 4], &device);
    assert_close(&up.convolve(x.clone()), &up.forward(x), 1e-5, 1e-5);
}

#[test]
fn what_needs_no_gradient_gets_none() {
    let device = Device::flex().autodiff();
    let layer: Conv2d = fill::fill(Conv2dConfig::new([2, 2], [3, 3]).init(&device));
    let x = fill::input::<4>("x", [1, 2, 5, 5], &device);
    let gradients = layer.convolve(x.clone()).sum().backward();
    assert!(x.grad(&gradients).is_none() && layer.weight.val().grad(&gradients).is_some());
}

#[test]
fn what_it_is_not_made_for_is_left_to_the_layer() {
    let device = Device::flex();
    let padded = Conv2dConfig::new([2, 2], [2, 2]).with_padding(PaddingConfig2d::Same);
    let same: Conv2d = fill::fill(padded.init(&device));
    let x = fill::input::<4>("x", [1, 2, 5, 5], &device);
    assert_eq!(same.convolve(x.clone()).dims(), [1, 2, 5, 5]);
    let layer: Conv2d = fill::fill(Conv2dConfig::new([2, 2], [3, 3]).init(&device));
    let double = |x: Tensor<4>| x.cast(DType::F64);
    let mut precise = layer.clone();
    precise.weight = precise.weight.map(double);
    precise.bias = precise.bias.map(|bias| bias.map(|bias| bias.cast(DType::F64)));
    let y = precise.convolve(double(x.clone()));
    assert_eq!(y.dtype(), DType::F64);
    assert_close(&y.cast(DType::F32), &layer.forward(x), 1e-5, 1e-5);
}

#[test]
fn one_or_many_threads_give_the_same_bits() {
    let device = Device::flex().autodiff();
    let cases = [
        ([8, 3, 24], Conv2dConfig::new([3, 20], [3, 3])),
        ([1, 3, 24], Conv2dConfig::new([3, 20], [3, 3])),
        ([6, 96, 5], Conv2dConfig::new([96, 100], [3, 3])),
        ([8, 40, 18], Conv2dConfig::new([40, 40], [3, 3]).with_groups(40)),
    ];
    for ([batch, channels, side], config) in cases {
        let layer: Conv2d = fill::fill(config.init(&device));
        let x = fill::input::<4>("x", [batch, channels, side, side], &device);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let parameters = (&layer.weight, layer.bias.as_ref());
            // The sum of the loss would be the tensor library's: the gradient of the result is the same here for all.
            let found = pool.install(|| all(&x, parameters, |x| layer.convolve(x)));
            found.into_iter().map(|part| part.into_data()).collect::<Vec<_>>()
        };
        let (one, many) = (with(1), with(5));
        assert!(one == many, "{config} on {batch} × {side}");
    }
}
