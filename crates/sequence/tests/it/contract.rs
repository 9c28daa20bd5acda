//! Every model, a line each: what the promises are stands in `fornax_nn_core::check::contract`.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::DeviceChoice;
use fornax_nn_core::check::contract::{self, Contract, Output, Overfit};
use fornax_nn_core::check::fill;
use fornax_sequence::metric::token_loss;
use fornax_sequence::seq2seq::Attention;
use fornax_sequence::{
    Gru, GruConfig, Jordan, JordanConfig, Kind, LanguageConfig, LanguageModel, Lstm, LstmConfig, ManyToOne,
    ManyToOneConfig, Rnn, RnnConfig, Seq2Seq, Seq2SeqConfig, SequenceConfig, StateSpace, StateSpaceConfig,
    many_to_one,
};

fornax_nn_core::contract! {
    rnn: Reads { config: RnnConfig::new(3, 16), output: 16, parameters: 16 * (3 + 16 + 2) };
}

// On a software adapter a training curve of these takes minutes; `lstm_and_gru_train_as_on_flex_ndarray` has the other device.
fornax_nn_core::contract! {
    on flex;
    lstm: Reads { config: LstmConfig::new(3, 16), output: 16, parameters: 64 * (3 + 16 + 2) };
    gru: Reads { config: GruConfig::new(3, 16), output: 16, parameters: 48 * (3 + 16 + 2) };
    jordan: Reads { config: JordanConfig::new(3, 24, 4), output: 4, parameters: 24 * (3 + 4 + 2) + 24 * 4 + 4 };
    lstm_deep: Reads {
        config: LstmConfig::new(3, 8).with_num_layers(2).with_bidirectional(true).with_dropout(0.3)
            .with_proj_size(Some(6)).with_peephole(true),
        output: 12,
        parameters: 2 * (32 * (3 + 6 + 2) + 6 * 8 + 24) + 2 * (32 * (12 + 6 + 2) + 6 * 8 + 24),
    };
    state_space: Reads {
        config: StateSpaceConfig::new(3, 16).with_num_layers(2).with_state_size(8).with_chunk(4),
        output: 16,
        // Encoder; a layer: norm, Δ, four numbers a pair of each channel, D, and the mixing.
        parameters: 4 * 16 + 2 * (32 + 16 + 4 * 16 * 4 + 16 + 17 * 32),
    };
    classifier: Names { kind: Kind::Lstm, parameters: 2 * 64 * (4 + 16 + 2) + 33 * 5 };
    language: Text { kind: Kind::Gru, parameters: 11 * 8 + 48 * (8 + 16 + 2) + 17 * 11 };
    bahdanau: Translation { attention: Attention::Bahdanau, parameters: COMMON + 72 * (8 + 48 + 26) + 24 + 25 * 24 };
    luong: Translation { attention: Attention::Luong, parameters: COMMON + 72 * (8 + 24 + 26) };
}

/// Of both: embeddings, encoder, bridge, keys, read-out, head. To them comes the decoder, and Bahdanau's score and query.
const COMMON: usize = (9 + 7) * 8 + 2 * 72 * (8 + 26) + 25 * 24 + 48 * 24 + 73 * 24 + 25 * 7;

#[test]
fn lstm_and_gru_train_as_on_flex_ndarray() {
    // Without the feature there is nothing to compare.
    let Ok(device) = DeviceChoice::NdArray.open() else { return };
    let lstm = Reads { config: LstmConfig::new(3, 16), output: 16, parameters: 0 };
    contract::a_training_curve_is_flexs(&lstm, &device);
    let gru = Reads { config: GruConfig::new(3, 16), output: 16, parameters: 0 };
    contract::a_training_curve_is_flexs(&gru, &device);
}

/// Six steps of three features, answered with as many outputs each.
struct Reads<C> {
    config: C,
    output: usize,
    parameters: usize,
}

macro_rules! reads {
    ($($config:ty => $model:ty, $without_noise:expr;)+) => { $(
        impl Contract for Reads<$config> {
            type Config = $config;
            type Model = $model;

            fn config(&self) -> $config {
                self.config.clone()
            }

            fn without_noise(&self) -> $config {
                let change: fn($config) -> $config = $without_noise;
                change(self.config())
            }

            fn init(&self, config: &$config, device: &Device) -> $model {
                config.init(device).unwrap()
            }

            fn forward(&self, model: &$model, batch: usize, device: &Device) -> Output {
                model.forward(fill::input("x", [batch, 6, 3], device), None, None).0.into()
            }

            fn loss(&self, model: &$model, batch: usize, device: &Device) -> Tensor<1> {
                let (y, _) = model.forward(fill::input("x", [batch, 6, 3], device), None, None);
                // The first outputs, of which there are enough, should be half of the inputs two steps before.
                let goal: Tensor<3> = fill::input("x", [batch, 6, 3], device).narrow(1, 0, 4) * 0.5;
                (y.narrow(1, 2, 4).narrow(2, 0, 3) - goal).square().mean()
                    + model.regulariser(batch, device)
            }

            fn output_shape(&self, batch: usize) -> Vec<usize> {
                vec![batch, 6, self.output]
            }

            fn parameters(&self) -> usize {
                self.parameters
            }

            fn overfit(&self) -> Overfit {
                Overfit { batch: 2, lr: 1e-2, steps: 1500 }
            }
        }
    )+ };
}

/// The loss looks at three outputs only; this lets the others have a gradient, so small that it does not matter.
trait Regularised {
    fn regulariser(&self, batch: usize, device: &Device) -> Tensor<1>;
}

macro_rules! regularised {
    ($($model:ty)+) => { $(
        impl Regularised for $model {
            fn regulariser(&self, batch: usize, device: &Device) -> Tensor<1> {
                let (y, _) = self.forward(fill::input("x", [batch, 6, 3], device), None, None);
                y.square().mean() * 1e-5
            }
        }
    )+ };
}

regularised!(Rnn Lstm Gru Jordan StateSpace);

reads! {
    RnnConfig => Rnn, |config| config.with_dropout(0.0);
    LstmConfig => Lstm, |config| config.with_dropout(0.0);
    GruConfig => Gru, |config| config.with_dropout(0.0);
    JordanConfig => Jordan, |config| config;
    StateSpaceConfig => StateSpace, |config| config.with_dropout(0.0);
}

/// Sequences of four lengths by class, read in both directions.
struct Names {
    kind: Kind,
    parameters: usize,
}

impl Names {
    fn logits(&self, model: &ManyToOne, batch: usize, device: &Device) -> Tensor<2> {
        let lengths: Vec<usize> = (0..batch).map(|i| 3 + i % 4).collect();
        model.forward(fill::input("x", [batch, 6, 4], device), Some(&lengths))
    }
}

impl Contract for Names {
    type Config = ManyToOneConfig;
    type Model = ManyToOne;

    fn config(&self) -> ManyToOneConfig {
        ManyToOneConfig::new(SequenceConfig::new(self.kind, 4, 16).with_bidirectional(true), 5)
    }

    fn init(&self, config: &ManyToOneConfig, device: &Device) -> ManyToOne {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &ManyToOne, batch: usize, device: &Device) -> Output {
        self.logits(model, batch, device).into()
    }

    fn loss(&self, model: &ManyToOne, batch: usize, device: &Device) -> Tensor<1> {
        let targets = fill::targets("targets", [batch], 5, device);
        many_to_one::classification_loss(self.logits(model, batch, device), targets)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, 5]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn overfit(&self) -> Overfit {
        Overfit { lr: 1e-2, ..Overfit::default() }
    }
}

/// A text of eleven tokens.
struct Text {
    kind: Kind,
    parameters: usize,
}

impl Contract for Text {
    type Config = LanguageConfig;
    type Model = LanguageModel;

    fn config(&self) -> LanguageConfig {
        LanguageConfig::new(self.kind, 11)
            .with_embedding_size(8)
            .with_hidden_size(16)
            .with_num_layers(1)
            .with_dropout(0.2)
    }

    fn without_noise(&self) -> LanguageConfig {
        self.config().with_dropout(0.0)
    }

    fn init(&self, config: &LanguageConfig, device: &Device) -> LanguageModel {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &LanguageModel, batch: usize, device: &Device) -> Output {
        model.forward(fill::targets("tokens", [batch, 5], 11, device), None).0.into()
    }

    fn loss(&self, model: &LanguageModel, batch: usize, device: &Device) -> Tensor<1> {
        let (logits, _) = model.forward(fill::targets("tokens", [batch, 5], 11, device), None);
        token_loss(logits, fill::targets("next", [batch, 5], 11, device), None)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, 5, 11]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn overfit(&self) -> Overfit {
        Overfit { batch: 3, lr: 1e-2, steps: 400 }
    }
}

/// Sources of three lengths, targets of four tokens.
struct Translation {
    attention: Attention,
    parameters: usize,
}

impl Translation {
    fn logits(&self, model: &Seq2Seq, batch: usize, device: &Device) -> Tensor<3> {
        let lengths: Vec<usize> = (0..batch).map(|i| 5 - i % 3).collect();
        let sources = fill::targets("sources", [batch, 5], 9, device);
        let inputs = fill::targets("inputs", [batch, 4], 7, device);
        model.forward(sources, &lengths, inputs, None).0
    }
}

impl Contract for Translation {
    type Config = Seq2SeqConfig;
    type Model = Seq2Seq;

    fn config(&self) -> Seq2SeqConfig {
        Seq2SeqConfig::new(9, 7)
            .with_attention(self.attention)
            .with_embedding_size(8)
            .with_hidden_size(24)
            .with_dropout(0.1)
    }

    fn without_noise(&self) -> Seq2SeqConfig {
        self.config().with_dropout(0.0)
    }

    fn init(&self, config: &Seq2SeqConfig, device: &Device) -> Seq2Seq {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &Seq2Seq, batch: usize, device: &Device) -> Output {
        self.logits(model, batch, device).into()
    }

    fn loss(&self, model: &Seq2Seq, batch: usize, device: &Device) -> Tensor<1> {
        token_loss(self.logits(model, batch, device), fill::targets("next", [batch, 4], 7, device), None)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, 4, 7]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn overfit(&self) -> Overfit {
        Overfit { batch: 4, lr: 1e-2, steps: 300 }
    }
}

#[test]
fn a_model_is_a_module_of_whichever_network() {
    for kind in Kind::ALL {
        let model = SequenceConfig::new(kind, 3, 4).init(&Device::flex()).unwrap();
        assert!(model.num_params() > 0, "{}", kind.name());
    }
}
