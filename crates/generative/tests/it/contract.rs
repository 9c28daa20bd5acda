//! Every model, a line each: what the promises are stands in `fornax_nn_core::check::contract`.

use burn::tensor::{Device, Tensor};
use fornax_generative::autoencoder::{self, Autoencoder, AutoencoderConfig, Batch, Regularizer};
use fornax_generative::flow::{self, Flow};
use fornax_generative::gan::{self, Critic, GanConfig, Generator, critic_loss};
use fornax_generative::vae::{self, Objective, Vae, VaeConfig};
use fornax_generative::{
    Constraint, Made, MadeConfig, Maf, MafConfig, PlanarFlow, PlanarFlowConfig, RealNvp, RealNvpConfig,
    SplineFlow, SplineFlowConfig, made,
};
use fornax_nn_core::check::contract::{Contract, Output, Overfit};
use fornax_nn_core::check::fill;
use fornax_nn_core::loss::GanLoss;

fornax_nn_core::contract! {
    plain_autoencoder: AutoencoderCase { config: AutoencoderConfig::digits(), parameters: 101_192 };
    plain_vae: VaeCase { config: VaeConfig::digits(), parameters: 34_884 };
    conditional_vae: VaeCase { config: VaeConfig::new(16, 3).with_hidden(vec![24]).with_condition(4), parameters: 1_246 };
    masked: MadeCase { config: MadeConfig::new(16), parameters: 8_464 };
}

fornax_nn_core::contract! {
    generator: GeneratorCase { config: GanConfig::new(6).with_condition(3).with_hidden(vec![16]), parameters: 230 };
    critic: CriticCase { config: GanConfig::new(6).with_condition(3).with_hidden(vec![16]), parameters: 177 };
}

fornax_nn_core::contract! {
    planar: FlowCase { config: PlanarFlowConfig::new(4).with_layers(6), parameters: 54 };
    real_nvp: FlowCase { config: RealNvpConfig::new(4).with_hidden(vec![16]), parameters: 928 };
    maf: FlowCase { config: MafConfig::new(4).with_hidden(vec![16]), parameters: 1_296 };
    spline: FlowCase { config: SplineFlowConfig::new(4).with_hidden(vec![16]), parameters: 6_584 };
}

struct AutoencoderCase {
    config: AutoencoderConfig,
    parameters: usize,
}

impl AutoencoderCase {
    fn x(&self, batch: usize, device: &Device) -> Tensor<2> {
        fill::input("x", [batch, self.config.inputs], device)
    }
}

impl Contract for AutoencoderCase {
    type Config = AutoencoderConfig;
    type Model = Autoencoder;

    fn config(&self) -> AutoencoderConfig {
        self.config.clone()
    }

    fn init(&self, config: &AutoencoderConfig, device: &Device) -> Autoencoder {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &Autoencoder, batch: usize, device: &Device) -> Output {
        model.forward(self.x(batch, device)).into()
    }

    fn loss(&self, model: &Autoencoder, batch: usize, device: &Device) -> Tensor<1> {
        autoencoder::loss(model, Batch::clean(self.x(batch, device)), &Regularizer::None)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, self.config.inputs]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }
}

struct VaeCase {
    config: VaeConfig,
    parameters: usize,
}

impl VaeCase {
    fn batch(&self, batch: usize, device: &Device) -> vae::Batch {
        let x = fill::targets::<2>("x", [batch, self.config.inputs], 2, device).float();
        let condition = self.config.condition;
        vae::Batch { x, y: (condition > 0).then(|| fill::input("y", [batch, condition], device)) }
    }
}

impl Contract for VaeCase {
    type Config = VaeConfig;
    type Model = Vae;

    fn config(&self) -> VaeConfig {
        self.config.clone()
    }

    fn init(&self, config: &VaeConfig, device: &Device) -> Vae {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &Vae, batch: usize, device: &Device) -> Output {
        let data = self.batch(batch, device);
        let (mean, _) = model.encode(&data);
        model.sample(mean, data.y.as_ref()).into()
    }

    /// With little weight on the divergence, which cannot vanish: eight examples told apart cost ln 8 nats.
    fn loss(&self, model: &Vae, batch: usize, device: &Device) -> Tensor<1> {
        let epsilon = fill::input("epsilon", [batch, self.config.latent], device);
        vae::loss(model, &self.batch(batch, device), epsilon, Objective { beta: 1e-3, free_bits: 0.0 })
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, self.config.inputs]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn overfit(&self) -> Overfit {
        Overfit { steps: 600, ..Default::default() }
    }
}

struct MadeCase {
    config: MadeConfig,
    parameters: usize,
}

impl MadeCase {
    fn x(&self, batch: usize, device: &Device) -> Tensor<2> {
        fill::targets::<2>("x", [batch, self.config.features], 2, device).float()
    }
}

impl Contract for MadeCase {
    type Config = MadeConfig;
    type Model = Made;

    fn config(&self) -> MadeConfig {
        self.config.clone()
    }

    fn init(&self, config: &MadeConfig, device: &Device) -> Made {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &Made, batch: usize, device: &Device) -> Output {
        model.forward(self.x(batch, device)).into()
    }

    fn loss(&self, model: &Made, batch: usize, device: &Device) -> Tensor<1> {
        made::loss(model, self.x(batch, device))
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, self.config.features, self.config.outputs]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    /// One example: of eight, each would cost ln 8 nats however well they are known.
    fn overfit(&self) -> Overfit {
        Overfit { batch: 1, lr: 1e-2, steps: 600 }
    }
}

struct FlowCase<C> {
    config: C,
    parameters: usize,
}

macro_rules! flow {
    ($config:ty => $model:ty) => {
        impl Contract for FlowCase<$config> {
            type Config = $config;
            type Model = $model;

            fn config(&self) -> $config {
                self.config.clone()
            }

            fn init(&self, config: &$config, device: &Device) -> $model {
                config.init(device).unwrap()
            }

            fn forward(&self, model: &$model, batch: usize, device: &Device) -> Output {
                model.forward(fill::input("x", [batch, self.config.features], device)).0.into()
            }

            /// A twentieth of it: four examples have no greatest density, and SGD at the contract's rate would run away after it.
            fn loss(&self, model: &$model, batch: usize, device: &Device) -> Tensor<1> {
                flow::loss(model, fill::input("x", [batch, self.config.features], device)) * 0.05
            }

            fn output_shape(&self, batch: usize) -> Vec<usize> {
                vec![batch, self.config.features]
            }

            fn parameters(&self) -> usize {
                self.parameters
            }

            /// Fewer examples than features: they lie on a line, and the density there has no bound.
            fn overfit(&self) -> Overfit {
                Overfit { batch: 2, lr: 1e-2, steps: 600 }
            }
        }
    };
}

flow!(PlanarFlowConfig => PlanarFlow);
flow!(RealNvpConfig => RealNvp);
flow!(MafConfig => Maf);
flow!(SplineFlowConfig => SplineFlow);

/// Closed-form data, condition and noise.
fn gan_batch(config: &GanConfig, batch: usize, device: &Device) -> gan::Batch {
    gan::Batch {
        real: fill::input("real", [batch, config.features], device),
        y: Some(fill::input("y", [batch, config.condition], device)),
        z: fill::input("z", [batch, config.noise], device),
        position: fill::input::<2>("position", [batch, 1], device).abs(),
    }
}

struct GeneratorCase {
    config: GanConfig,
    parameters: usize,
}

impl Contract for GeneratorCase {
    type Config = GanConfig;
    type Model = Generator;

    fn config(&self) -> GanConfig {
        self.config.clone()
    }

    fn init(&self, config: &GanConfig, device: &Device) -> Generator {
        config.init(device).unwrap().0
    }

    fn forward(&self, model: &Generator, batch: usize, device: &Device) -> Output {
        let batch = gan_batch(&self.config, batch, device);
        model.forward(batch.z, batch.y.as_ref()).into()
    }

    /// Against a critic that stays as it is, and can be fooled.
    fn loss(&self, model: &Generator, batch: usize, device: &Device) -> Tensor<1> {
        let critic = fill::fill(self.config.init(device).unwrap().1);
        let gan::Batch { y, z, .. } = gan_batch(&self.config, batch, device);
        GanLoss::NonSaturating.generator(critic.forward(model.forward(z, y.as_ref()), y.as_ref()))
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, self.config.features]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn overfit(&self) -> Overfit {
        Overfit { lr: 1e-2, steps: 600, ..Default::default() }
    }
}

struct CriticCase {
    config: GanConfig,
    parameters: usize,
}

impl Contract for CriticCase {
    type Config = GanConfig;
    type Model = Critic;

    fn config(&self) -> GanConfig {
        self.config.clone()
    }

    fn init(&self, config: &GanConfig, device: &Device) -> Critic {
        config.init(device).unwrap().1
    }

    fn forward(&self, model: &Critic, batch: usize, device: &Device) -> Output {
        let batch = gan_batch(&self.config, batch, device);
        model.forward(batch.real, batch.y.as_ref()).into()
    }

    fn loss(&self, model: &Critic, batch: usize, device: &Device) -> Tensor<1> {
        let data = gan_batch(&self.config, batch, device);
        let fake = fill::input("fake", [batch, self.config.features], device);
        critic_loss(model, fake, &data, GanLoss::NonSaturating, Constraint::None)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, 1]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn overfit(&self) -> Overfit {
        Overfit { lr: 1e-2, steps: 600, ..Default::default() }
    }
}
