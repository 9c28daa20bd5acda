//! Views that find each other, and what stands behind masks.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamConfig;
use burn::tensor::{DType, Device, Tensor};
use fornax_nn_core::check::{GradCheck, Values, assert_close, fill};
use fornax_transfer::self_supervised::contrastive::{self, ProjectionHeadConfig, SimClr, nt_xent};
use fornax_transfer::self_supervised::masked::{self, MaskedAutoencoderConfig};

use crate::support_adaptation::{data, fixture, value};

#[test]
fn nt_xent_is_the_papers() {
    let loss = nt_xent(data("simclr/a", [5, 6]), data("simclr/b", [5, 6]), 0.3);
    fixture().check("nt_xent", &loss, 1e-10, 0.0).unwrap();
}

#[test]
fn nt_xent_lies_between_its_bounds() {
    // All views alike: every one of 2N − 1 partners is as good.
    let alike = Tensor::<2>::ones([4, 3], (&Device::flex(), DType::F64));
    assert!((value(nt_xent(alike.clone(), alike * 2.0, 0.5)) - 7f64.ln()).abs() < 1e-12);
    // Orthogonal images whose views agree: e^(1/τ) against six zeros.
    let apart = Tensor::<2>::eye(4, &Device::flex()).cast(DType::F64);
    let expected = (1.0 + 6.0 * (-1.0f64 / 0.1).exp()).ln();
    assert!((value(nt_xent(apart.clone(), apart, 0.1)) - expected).abs() < 1e-12);
}

#[test]
fn nt_xent_has_its_gradient() {
    let inputs = [("a", fill::data("a", &[3, 4])), ("b", fill::data("b", &[3, 4]))];
    let check = GradCheck::new();
    let report = check.function(&Device::flex(), &inputs, |x| nt_xent(x.get("a"), x.get("b"), 0.4)).unwrap();
    assert_eq!(report.compared, 24);
}

#[test]
fn contrastive_steps_match_the_views() {
    let device = Device::flex().autodiff();
    let encoder: Linear = fill::fill(LinearConfig::new(8, 8).init(&device));
    let head = fill::fill(ProjectionHeadConfig::new(8).with_output(4).init(&device).unwrap());
    let (mut model, mut optim) = (SimClr { encoder, head }, AdamConfig::new().init());
    let images = fill::input::<2>("images", [12, 8], &device);
    let views = ["one", "two"].map(|name| images.clone() + fill::input::<2>(name, [12, 8], &device) * 0.1);
    let mut losses = Vec::new();
    for _ in 0..60 {
        let loss;
        (model, loss) =
            contrastive::train_step(model, &mut optim, 1e-2, views.clone(), 0.5, |model, x| model.forward(x))
                .unwrap();
        losses.push(loss);
    }
    assert!(losses[0] < 24f32.ln() && losses[59] < 0.8 * losses[0], "{} to {}", losses[0], losses[59]);
    assert!(ProjectionHeadConfig::new(0).init(&device).is_err());
}

fn small() -> MaskedAutoencoderConfig {
    MaskedAutoencoderConfig::digits().with_d_model(8).with_decoder_d_model(4).with_layers(1).with_heads(2)
}

#[test]
fn patches_are_the_pixels_in_order() {
    let model = MaskedAutoencoderConfig::new([4, 6]).with_in_channels(2).init(&Device::flex()).unwrap();
    let images = Tensor::<1, burn::tensor::Int>::arange(0..48, &Device::flex()).float().reshape([1, 2, 4, 6]);
    let patches = model.patches(images);
    assert_eq!(patches.dims(), [1, 6, 8]);
    let second: Vec<f64> = patches.narrow(1, 4, 1).values(); // row 1, column 1
    assert_eq!(second, [14.0, 15.0, 20.0, 21.0, 38.0, 39.0, 44.0, 45.0]);
}

#[test]
fn a_masking_is_an_order_and_its_inverse() {
    let config = small();
    let masking = config.masking(5, 1, 2, &Device::flex());
    let composed = masking.order.clone().gather(1, masking.place.clone());
    let identity: Vec<i64> = (0..5).flat_map(|_| 0..16).collect();
    assert_eq!(composed.to_data().iter::<i64>().collect::<Vec<_>>(), identity);
    let again = config.masking(5, 1, 2, &Device::flex());
    assert_eq!(again.order.to_data(), masking.order.to_data());
    assert_ne!(config.masking(5, 1, 3, &Device::flex()).order.to_data(), masking.order.to_data());
    assert_eq!((config.visible(), config.patches()), (4, 16));
}

#[test]
fn hidden_pixels_reach_neither_the_painting_nor_get_by_without_it() {
    let model = fill::fill(small().init(&Device::flex()).unwrap());
    let masking = small().masking(2, 0, 0, &Device::flex());
    let images = fill::input::<4>("images", [2, 1, 8, 8], &Device::flex());
    // Noise on the hidden patches of the first image only.
    let hidden: Vec<i64> = masking.order.clone().narrow(0, 0, 1).narrow(1, 4, 12).to_data().iter().collect();
    let mut noise = vec![0f32; 128];
    for patch in hidden {
        let (row, column) = (patch as usize / 4 * 2, patch as usize % 4 * 2);
        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            noise[(row + dy) * 8 + column + dx] = 5.0;
        }
    }
    let noise = Tensor::<1>::from_data(noise.as_slice(), &Device::flex()).reshape([2, 1, 8, 8]);
    let disturbed = images.clone() + noise;
    let painted = model.forward(images.clone(), &masking);
    assert_eq!(painted.to_data(), model.forward(disturbed.clone(), &masking).to_data());
    let [clean, noisy] = [images, disturbed].map(|x| model.loss(x, &masking).into_scalar::<f64>());
    assert!(noisy > clean + 1.0, "{noisy} against {clean}");
}

#[test]
fn the_painting_does_not_depend_on_the_order_of_what_is_shown() {
    let model = fill::fill(small().init(&Device::flex()).unwrap());
    let images = fill::input::<4>("images", [1, 1, 8, 8], &Device::flex());
    let masking = small().masking(1, 0, 0, &Device::flex());
    let order: Vec<i64> = masking.order.to_data().iter().collect();
    let swapped = [order[1], order[0]].into_iter().chain(order[2..].iter().copied()).collect::<Vec<i64>>();
    let mut place = vec![0i64; 16];
    swapped.iter().enumerate().for_each(|(at, &patch)| place[patch as usize] = at as i64);
    let tensor =
        |values: Vec<i64>| Tensor::from_data(burn::tensor::TensorData::new(values, [1, 16]), &Device::flex());
    let other = masked::Masking { order: tensor(swapped), place: tensor(place) };
    assert_close(&model.forward(images.clone(), &other), &model.forward(images, &masking), 1e-5, 1e-6);
}

#[test]
fn the_masked_autoencoder_has_the_gradient_of_its_loss() {
    let device = Device::flex().autodiff();
    let model = fill::fill(small().init(&device).unwrap());
    let images = Tensor::<4>::from_data(fill::data("images", &[2, 1, 8, 8]), (&device, DType::F64));
    let masking = small().masking(2, 0, 0, &device);
    let report = GradCheck::new().model(model, |model| model.loss(images.clone(), &masking)).unwrap();
    // Three linear layers, a token, and two stacks of a block (six linear layers, two norms) and a norm.
    assert_eq!(report.compared, 3 * 2 + 1 + 2 * (6 * 2 + 2 * 2 + 2));
}

#[test]
fn wrong_sizes_of_a_masked_autoencoder_are_named() {
    let field = |config: MaskedAutoencoderConfig| config.init(&Device::flex()).unwrap_err().field;
    assert_eq!(field(MaskedAutoencoderConfig::new([8, 7])), "image_size");
    assert_eq!(field(small().with_patch(0)), "patch");
    assert_eq!(field(small().with_masked(1.0)), "masked");
    assert_eq!(field(small().with_masked(0.01)), "masked");
    assert_eq!(field(small().with_decoder_d_model(5)), "decoder_d_model");
    assert_eq!(field(small().with_decoder_layers(0)), "decoder_layers");
    let model = small().init(&Device::flex()).unwrap();
    assert_eq!(model.encode(fill::input("images", [3, 1, 8, 8], &Device::flex())).dims(), [3, 8]);
    assert!(model.num_params() > 0);
}
