//! The same config gives the same weights, whatever was drawn on the device before.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Distribution, Tensor};
use fornax_generative::dcgan::DcganConfig;
use fornax_generative::denoiser::MlpDenoiserConfig;
use fornax_generative::gan::GanConfig;
use fornax_generative::unet::UNetConfig;
use fornax_generative::vae::VaeConfig;
use fornax_generative::{
    AutoencoderConfig, CodebookConfig, ConvAutoencoderConfig, MadeConfig, MafConfig, PixelCnnConfig,
    PlanarFlowConfig, RealNvpConfig, SplineFlowConfig, VqVaeConfig,
};

struct Numbers(Vec<f32>);

impl ModuleVisitor for Numbers {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(param.val().into_data().iter::<f32>());
    }
}

fn repeats<M: Module>(name: &str, init: impl Fn(&Device) -> M) {
    let device = Device::flex();
    let weights = || {
        // Moves the device's own generator on.
        Tensor::<1>::random([3], Distribution::Default, &device).into_data();
        let mut numbers = Numbers(Vec::new());
        init(&device).visit(&mut numbers);
        numbers.0
    };
    assert!(weights() == weights(), "{name}");
}

#[test]
fn weights_follow_from_the_config_alone() {
    let size = [8, 8];
    repeats("autoencoder", |device| AutoencoderConfig::new(16, 3).init(device).unwrap());
    repeats("conv_autoencoder", |device| ConvAutoencoderConfig::new(size, 3).init(device).unwrap());
    repeats("vae", |device| VaeConfig::new(16, 2).init(device).unwrap());
    repeats("vq_vae", |device| VqVaeConfig::new(size, CodebookConfig::new(4, 3)).init(device).unwrap());
    repeats("pixel_cnn", |device| PixelCnnConfig::binary().init(device).unwrap());
    repeats("made", |device| MadeConfig::new(4).init(device).unwrap());
    repeats("maf", |device| MafConfig::new(2).init(device).unwrap());
    repeats("planar", |device| PlanarFlowConfig::new(2).init(device).unwrap());
    repeats("real_nvp", |device| RealNvpConfig::new(2).init(device).unwrap());
    repeats("spline", |device| SplineFlowConfig::new(2).init(device).unwrap());
    repeats("generator", |device| GanConfig::new(2).init(device).unwrap().0);
    repeats("critic", |device| GanConfig::new(2).init(device).unwrap().1);
    repeats("dcgan generator", |device| DcganConfig::images32().init(device).unwrap().0);
    repeats("dcgan critic", |device| DcganConfig::images32().init(device).unwrap().1);
    repeats("unet", |device| UNetConfig::digits().init(device).unwrap());
    repeats("denoiser", |device| MlpDenoiserConfig::new(2).init(device).unwrap());
}
