//! Every model of the crate, a line each: what the promises are stands in `fornax_nn_core::check::contract`.

use burn::tensor::{Device, Tensor};
use fornax_nn_core::check::contract::{Contract, Output, Overfit};
use fornax_nn_core::check::fill;
use fornax_transfer::bottleneck::{Bottleneck, BottleneckConfig};
use fornax_transfer::domain::adversarial::{DomainClassifier, DomainClassifierConfig};
use fornax_transfer::self_supervised::contrastive::{ProjectionHead, ProjectionHeadConfig};
use fornax_transfer::self_supervised::masked::{MaskedAutoencoder, MaskedAutoencoderConfig};

fornax_nn_core::contract! {
    // 8·3 + 3 and 3·8 + 8
    bottleneck: Case { config: BottleneckConfig::new(8).with_width(3), parameters: 59 };
    // 6·5 + 5 and 5 + 1
    domain_classifier: Case { config: DomainClassifierConfig::new(6).with_hidden(5), parameters: 41 };
    // 6·6 + 6 and 6·4
    projection_head: Case { config: ProjectionHeadConfig::new(6).with_output(4), parameters: 66 };
    masked_autoencoder: Case { config: masked(), parameters: 1_240 };
}

/// Embedding 4·8 + 8, a block of 872 and a norm of 16; to the decoder 8·4 + 4, a token of 4, a block of 244 and a norm of 8;
/// to the pixels 4·4 + 4.
fn masked() -> MaskedAutoencoderConfig {
    let config = MaskedAutoencoderConfig::new([4, 8]).with_d_model(8).with_decoder_d_model(4);
    config.with_layers(1).with_heads(2).with_masked(0.5)
}

struct Case<C> {
    config: C,
    parameters: usize,
}

/// What the four differ in.
trait Model: Sized {
    type Config;
    fn build(config: &Self::Config, device: &Device) -> Self;
    fn output(&self, batch: usize, device: &Device) -> Output;
    fn shape(config: &Self::Config, batch: usize) -> Vec<usize>;
    fn loss(&self, batch: usize, device: &Device) -> Tensor<1>;
}

macro_rules! contracts {
    ($($config:ty => $model:ty;)+) => { $(
        impl Contract for Case<$config> {
            type Config = $config;
            type Model = $model;

            fn config(&self) -> $config {
                self.config.clone()
            }

            fn init(&self, config: &$config, device: &Device) -> $model {
                Model::build(config, device)
            }

            fn forward(&self, model: &$model, batch: usize, device: &Device) -> Output {
                model.output(batch, device)
            }

            fn loss(&self, model: &$model, batch: usize, device: &Device) -> Tensor<1> {
                Model::loss(model, batch, device)
            }

            fn output_shape(&self, batch: usize) -> Vec<usize> {
                <$model as Model>::shape(&self.config, batch)
            }

            fn parameters(&self) -> usize {
                self.parameters
            }

            fn overfit(&self) -> Overfit {
                // A few hundred parameters take longer than a few thousand.
                Overfit { batch: 8, lr: 1e-2, steps: 800 }
            }
        }
    )+ };
}

contracts! {
    BottleneckConfig => Bottleneck;
    DomainClassifierConfig => DomainClassifier;
    ProjectionHeadConfig => ProjectionHead;
    MaskedAutoencoderConfig => MaskedAutoencoder;
}

impl Model for Bottleneck {
    type Config = BottleneckConfig;

    fn build(config: &BottleneckConfig, device: &Device) -> Self {
        config.init(device).unwrap()
    }

    fn output(&self, batch: usize, device: &Device) -> Output {
        self.forward(fill::input::<3>("x", [batch, 2, 8], device)).into()
    }

    fn shape(_config: &BottleneckConfig, batch: usize) -> Vec<usize> {
        vec![batch, 2, 8]
    }

    fn loss(&self, batch: usize, device: &Device) -> Tensor<1> {
        // Only what three hidden units can learn by heart: one sample, to which the batch adds nothing.
        let x = fill::input::<3>("x", [1, 2, 8], device).repeat_dim(0, batch);
        let target = fill::input::<3>("target", [1, 2, 8], device).repeat_dim(0, batch);
        (self.forward(x) - target).powi_scalar(2).mean()
    }
}

impl Model for DomainClassifier {
    type Config = DomainClassifierConfig;

    fn build(config: &DomainClassifierConfig, device: &Device) -> Self {
        config.init(device).unwrap()
    }

    fn output(&self, batch: usize, device: &Device) -> Output {
        self.forward(fill::input("features", [batch, 6], device)).into()
    }

    fn shape(_config: &DomainClassifierConfig, batch: usize) -> Vec<usize> {
        vec![batch]
    }

    fn loss(&self, batch: usize, device: &Device) -> Tensor<1> {
        let target = fill::input::<2>("target", [batch, 6], device) + 1.0;
        // −1: an ordinary classifier, whose loss falls.
        DomainClassifier::loss(self, fill::input("source", [batch, 6], device), target, -1.0)
    }
}

impl Model for ProjectionHead {
    type Config = ProjectionHeadConfig;

    fn build(config: &ProjectionHeadConfig, device: &Device) -> Self {
        config.init(device).unwrap()
    }

    fn output(&self, batch: usize, device: &Device) -> Output {
        self.forward(fill::input("features", [batch, 6], device)).into()
    }

    fn shape(_config: &ProjectionHeadConfig, batch: usize) -> Vec<usize> {
        vec![batch, 4]
    }

    fn loss(&self, batch: usize, device: &Device) -> Tensor<1> {
        let x = fill::input::<2>("features", [2, 6], device).repeat_dim(0, batch.div_ceil(2));
        let output = self.forward(x);
        let target = fill::input::<2>("target", [2, 4], device).repeat_dim(0, batch.div_ceil(2));
        (output - target).powi_scalar(2).mean()
    }
}

impl Model for MaskedAutoencoder {
    type Config = MaskedAutoencoderConfig;

    fn build(config: &MaskedAutoencoderConfig, device: &Device) -> Self {
        config.init(device).unwrap()
    }

    fn output(&self, batch: usize, device: &Device) -> Output {
        let masking = one(&self.config, batch, device);
        self.forward(fill::input("images", [batch, 1, 4, 8], device), &masking).into()
    }

    fn shape(config: &MaskedAutoencoderConfig, batch: usize) -> Vec<usize> {
        vec![batch, config.patches(), 4]
    }

    fn loss(&self, batch: usize, device: &Device) -> Tensor<1> {
        let masking = one(&self.config, batch, device);
        let images = fill::input::<4>("images", [1, 1, 4, 8], device).repeat_dim(0, batch);
        MaskedAutoencoder::loss(self, images, &masking)
    }
}

/// The same masks for every image.
fn one(
    config: &MaskedAutoencoderConfig,
    batch: usize,
    device: &Device,
) -> fornax_transfer::self_supervised::masked::Masking {
    let mut masking = config.masking(1, 0, 0, device);
    masking.order = masking.order.repeat_dim(0, batch);
    masking.place = masking.place.repeat_dim(0, batch);
    masking
}
