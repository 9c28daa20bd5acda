//! Against the layer of Burn: result, statistics and gradients.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};

use super::Normalise;
use crate::check::{assert_close, fill};

const SIZES: [[usize; 4]; 4] = [[2, 3, 5, 7], [4, 1, 1, 1], [1, 8, 40, 33], [3, 5, 2, 1]];

fn layer(channels: usize, device: &Device) -> BatchNorm {
    let config = BatchNormConfig::new(channels).with_epsilon(1e-3).with_momentum(0.3);
    fill::fill(config.init(device))
}

#[test]
fn results_statistics_and_gradients_are_those_of_the_layer() {
    let device = Device::flex().autodiff();
    for size in SIZES {
        let x = (fill::input::<4>("x", size, &device) * 3.0 + 2.0).require_grad();
        let weights = fill::input::<4>("loss", size, &device);
        let all = |forward: &dyn Fn(&BatchNorm, Tensor<4>) -> Tensor<4>| {
            let layer = layer(size[1], &device);
            forward(&layer, x.clone());
            let y = forward(&layer, x.clone() * 2.0);
            let gradients = (y.clone() * weights.clone()).sum().backward();
            let [gamma, beta] = [&layer.gamma, &layer.beta].map(|p| p.val().grad(&gradients).unwrap());
            let dx = x.grad(&gradients).unwrap().flatten::<1>(0, 3);
            let [mean, variance] = [&layer.running_mean, &layer.running_var].map(|s| s.value_sync().inner());
            [y.inner().flatten(0, 3), dx, gamma, beta, mean, variance]
        };
        let found = all(&|layer, x| layer.normalise(x));
        let expected = all(&|layer, x| layer.forward(x));
        for (i, (found, expected)) in found.into_iter().zip(expected).enumerate() {
            let worst = (found - expected).abs().max().into_scalar::<f32>();
            assert!(worst < 2e-4, "part {i} of {size:?}: {worst}");
        }
    }
}

#[test]
fn inference_takes_the_running_statistics() {
    let device = Device::flex().autodiff();
    let layer = layer(3, &device);
    let x = fill::input::<4>("x", [4, 3, 6, 6], &device);
    layer.normalise(x.clone());
    let (layer, x) = (layer.valid(), x.inner());
    assert_close(&layer.normalise(x.clone()), &layer.forward(x), 1e-5, 1e-5);
}

#[test]
fn a_frozen_layer_is_left_to_burn() {
    let device = Device::flex().autodiff();
    let (frozen, x) = (layer(3, &device).freeze(), fill::input::<4>("x", [4, 3, 6, 6], &device));
    let before = frozen.running_mean.value_sync();
    assert_close(&frozen.normalise(x.clone()), &frozen.forward(x.clone()), 1e-6, 1e-6);
    assert_close(&frozen.running_mean.value_sync(), &before, 0.0, 0.0);
}
