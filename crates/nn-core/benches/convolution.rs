//! Convolutions as this crate does them beside Burn's, in turns, on flex: `cargo bench -p fornax-nn-core --bench convolution`.
//!
//! Milliseconds of the forward pass and of forward and backward together, each the shortest of several, and how many times as fast.

use std::time::Instant;

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::check::fill;
use fornax_nn_core::kernels::Convolve;

/// What it is; batch, channels in, channels out, side; kernel, stride, groups.
const CASES: [(&str, [usize; 4], [usize; 3]); 10] = [
    ("LeNet's first", [64, 1, 6, 28], [5, 1, 1]),
    ("U-Net, fine", [8, 16, 16, 64], [3, 1, 1]),
    ("U-Net, coarse", [8, 96, 96, 8], [3, 1, 1]),
    ("ResNet, first", [32, 64, 64, 32], [3, 1, 1]),
    ("ResNet, halving", [32, 128, 256, 16], [3, 2, 1]),
    ("ResNet, last", [32, 512, 512, 4], [3, 1, 1]),
    ("1 × 1, fine", [16, 16, 96, 48], [1, 1, 1]),
    ("1 × 1, coarse", [16, 160, 960, 3], [1, 1, 1]),
    ("depthwise", [16, 144, 144, 24], [3, 1, 144]),
    ("depthwise, halving", [16, 96, 96, 48], [3, 2, 96]),
];

#[allow(clippy::print_stdout)]
fn main() {
    println!(
        "{:<20}{:>10}{:>10}{:>8}{:>12}{:>10}{:>8}",
        "", "forward", "Burn's", "", "and back", "Burn's", ""
    );
    for (name, [batch, from, to, side], [kernel, stride, groups]) in CASES {
        let device = Device::flex().autodiff();
        let pad = kernel / 2;
        let config = Conv2dConfig::new([from, to], [kernel; 2])
            .with_stride([stride; 2])
            .with_groups(groups)
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(false);
        let layer: Conv2d = fill::fill(config.init(&device));
        let x = fill::input::<4>("x", [batch, from, side, side], &device).require_grad();
        let back = |y: Tensor<4>| drop(y.sum().backward());
        let inference = burn::module::Module::valid(&layer);
        let input = x.clone().inner();
        let mut shortest = [f64::INFINITY; 4];
        for _ in 0..9 {
            let calls: [&dyn Fn(); 4] = [
                &|| drop(inference.convolve(input.clone())),
                &|| drop(inference.forward(input.clone())),
                &|| back(layer.convolve(x.clone())),
                &|| back(layer.forward(x.clone())),
            ];
            for (shortest, call) in shortest.iter_mut().zip(calls) {
                let start = Instant::now();
                call();
                *shortest = shortest.min(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        let [ours, burn, ours_back, burn_back] = shortest;
        println!(
            "{name:<20}{ours:>10.2}{burn:>10.2}{:>8.2}{ours_back:>12.2}{burn_back:>10.2}{:>8.2}",
            burn / ours,
            burn_back / ours_back
        );
    }
}
