//! Models of images: the contract, gradients by central differences, and PyTorch's numbers
//! (`xtask/reference/parity/generative_images.py`, `cargo xtask parity generative_images`).

use burn::tensor::{DType, Device, Int, Tensor};
use fornax_generative::conv_autoencoder::{self, ConvAutoencoder, ConvAutoencoderConfig};
use fornax_generative::pixel_cnn::{self, PixelCnn, PixelCnnConfig};
use fornax_generative::vq_vae::{self, VqVae, VqVaeConfig};
use fornax_generative::{CodebookConfig, codebook};
use fornax_nn_core::check::contract::{Contract, Output, Overfit};
use fornax_nn_core::check::{GradCheck, fill};

use crate::support::Parity;

fornax_nn_core::contract! {
    conv_digits: ConvCase { config: ConvAutoencoderConfig::digits(), parameters: 71_049 };
    vq_digits: VqCase { config: VqVaeConfig::digits(), parameters: 3_209 };
    pixels: PixelCase { config: PixelCnnConfig::binary(), parameters: 16_322 };
}

struct ConvCase {
    config: ConvAutoencoderConfig,
    parameters: usize,
}

fn images(batch: usize, device: &Device) -> Tensor<4> {
    fill::input("images", [batch, 1, 8, 8], device)
}

impl Contract for ConvCase {
    type Config = ConvAutoencoderConfig;
    type Model = ConvAutoencoder;

    fn config(&self) -> ConvAutoencoderConfig {
        self.config.clone()
    }

    fn init(&self, config: &ConvAutoencoderConfig, device: &Device) -> ConvAutoencoder {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &ConvAutoencoder, batch: usize, device: &Device) -> Output {
        model.forward(images(batch, device)).into()
    }

    fn loss(&self, model: &ConvAutoencoder, batch: usize, device: &Device) -> Tensor<1> {
        let x = images(batch, device);
        conv_autoencoder::loss(model, x.clone(), x)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, 1, 8, 8]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn overfit(&self) -> Overfit {
        Overfit { batch: 4, lr: 1e-2, steps: 400 }
    }
}

struct VqCase {
    config: VqVaeConfig,
    parameters: usize,
}

impl Contract for VqCase {
    type Config = VqVaeConfig;
    type Model = VqVae;

    fn config(&self) -> VqVaeConfig {
        self.config.clone()
    }

    fn init(&self, config: &VqVaeConfig, device: &Device) -> VqVae {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &VqVae, batch: usize, device: &Device) -> Output {
        model.forward(images(batch, device)).reconstruction.into()
    }

    fn loss(&self, model: &VqVae, batch: usize, device: &Device) -> Tensor<1> {
        let x = images(batch, device);
        vq_vae::loss(&model.forward(x.clone()), x, model.commitment)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, 1, 8, 8]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    /// A codebook that stays as it is can be learnt around for one image.
    fn overfit(&self) -> Overfit {
        Overfit { batch: 1, lr: 1e-2, steps: 600 }
    }
}

struct PixelCase {
    config: PixelCnnConfig,
    parameters: usize,
}

fn bits(batch: usize, device: &Device) -> Tensor<3, Int> {
    fill::targets("bits", [batch, 8, 8], 2, device)
}

impl Contract for PixelCase {
    type Config = PixelCnnConfig;
    type Model = PixelCnn;

    fn config(&self) -> PixelCnnConfig {
        self.config.clone()
    }

    fn init(&self, config: &PixelCnnConfig, device: &Device) -> PixelCnn {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &PixelCnn, batch: usize, device: &Device) -> Output {
        model.forward(model.one_hot(bits(batch, device))).into()
    }

    fn loss(&self, model: &PixelCnn, batch: usize, device: &Device) -> Tensor<1> {
        pixel_cnn::loss(model, bits(batch, device))
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, 2, 8, 8]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    /// One example: of eight, each would cost ln 8 nats however well they are known.
    fn overfit(&self) -> Overfit {
        Overfit { batch: 1, lr: 1e-2, steps: 400 }
    }
}

fn wide<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(fill::data(name, &shape), (&Device::flex().autodiff(), DType::F64))
}

#[test]
fn convolutional_autoencoders_have_the_gradient_of_their_loss() {
    let config = ConvAutoencoderConfig::new([8, 4], 3).with_image_channels(2).with_channels(vec![3, 4]);
    let model = fill::fill(config.init(&Device::flex().autodiff()).unwrap());
    let (x, target) = (wide("x", [3, 2, 8, 4]), wide("target", [3, 2, 8, 4]));
    let report = GradCheck::new()
        .model(model, |model| conv_autoencoder::loss(model, x.clone(), target.clone()))
        .unwrap();
    assert_eq!((report.compared, report.excepted), (12, 0));
}

#[test]
fn pixel_cnns_have_the_gradient_of_their_likelihood() {
    let config = PixelCnnConfig::new(3).with_channels(6).with_blocks(2).with_kernel(3);
    let model = fill::fill(config.init(&Device::flex().autodiff()).unwrap());
    let x = fill::targets::<3>("x", [3, 4, 3], 3, &Device::flex().autodiff());
    let report = GradCheck::new().model(model, |model| pixel_cnn::loss(model, x.clone())).unwrap();
    assert_eq!((report.compared, report.excepted), (18, 0));
}

fn pytorch() -> Parity {
    Parity::parse(include_str!("../fixtures/generative_images.json"))
}

#[test]
fn a_convolutional_autoencoder_is_pytorchs() {
    let device = Device::flex().autodiff();
    let config = ConvAutoencoderConfig::new([8, 12], 5).with_image_channels(2).with_channels(vec![6, 7]);
    let model = fill::fill(config.init(&device).unwrap());
    let (x, target) =
        (fill::input("x", [3, 2, 8, 12], &device), fill::input("target", [3, 2, 8, 12], &device));
    pytorch().check("conv.code", &model.encode(x.clone()));
    pytorch().check("conv.output", &model.forward(x.clone()));
    pytorch().loss("conv", &model, conv_autoencoder::loss(&model, x, target));
}

#[test]
fn a_vq_vae_and_its_codebook_are_pytorchs() {
    let device = Device::flex().autodiff();
    let book = CodebookConfig::new(9, 3).with_decay(0.9).with_least_uses(0.0);
    let config = VqVaeConfig::new([8, 12], book).with_image_channels(2).with_channels(vec![6]);
    let mut model = fill::fill(config.init(&device).unwrap());
    // Closed-form counts may be negative, which none is.
    model.codebook.counts =
        model.codebook.counts.map(|counts| (counts + 1.0).detach().set_require_grad(false));
    let x = fill::input::<4>("x", [3, 2, 8, 12], &device);
    let output = model.forward(x.clone());
    let codebook::Quantized { codes, vectors, .. } = output.quantized.clone();
    pytorch().check("vq.codes", &codes.clone().float());
    pytorch().check("vq.vectors", &vectors);
    pytorch().check("vq.output", &output.reconstruction);
    pytorch().loss("vq", &model, vq_vae::loss(&output, x, 0.25));
    let book = model.codebook.follow(output.vectors, codes);
    pytorch().check("vq.followed.vectors", &book.vectors.val());
    pytorch().check("vq.followed.counts", &book.counts.val());
}

#[test]
fn a_pixel_cnn_is_pytorchs() {
    let device = Device::flex().autodiff();
    let config = PixelCnnConfig::new(4).with_channels(10).with_blocks(2);
    let model = fill::fill(config.init(&device).unwrap());
    let x = fill::targets::<3>("x", [3, 6, 7], 4, &device);
    pytorch().check("pixels.logits", &model.forward(model.one_hot(x.clone())));
    pytorch().check("pixels.log_prob", &model.log_prob(x.clone()));
    pytorch().loss("pixels", &model, pixel_cnn::loss(&model, x));
}
