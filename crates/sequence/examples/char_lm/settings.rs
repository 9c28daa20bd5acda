//! What can be set, and what is meant where nothing is.

use std::path::PathBuf;

use clap::ValueEnum;
use fornax_nn_core::ConfigError;
use fornax_nn_core::schedule::{Schedule, ScheduleConfig};
use fornax_sequence::gpt::GptConfig;
use fornax_sequence::{Kind, LanguageConfig};
use serde::Serialize;

use crate::model::ModelConfig;

/// Updates of an epoch.
pub(crate) const PERIOD: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Network {
    Rnn,
    Lstm,
    Gru,
    Ssm,
    Gpt,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Settings {
    /// Network
    #[arg(long, value_enum, default_value_t = Network::Lstm)]
    pub(crate) model: Network,
    /// A text file of your own (UTF-8)
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// Epochs of a hundred updates [default: 30, gpt: 20]
    #[arg(long)]
    epochs: Option<usize>,
    /// Places of the text read at once [default: 16, gpt: 12]
    #[arg(long)]
    batch_size: Option<usize>,
    /// Characters of a stretch, how far back gradients reach; of a GPT's context [default: 48, gpt: 64]
    #[arg(long)]
    steps: Option<usize>,
    /// Units of the state, or features of a position [default: 160, gpt: 128]
    #[arg(long)]
    hidden: Option<usize>,
    /// Layers [default: 1, gpt: 4]
    #[arg(long)]
    layers: Option<usize>,
    /// Heads of a GPT
    #[arg(long, default_value_t = 4)]
    heads: usize,
    /// Probability of dropping a unit [default: 0.2, gpt: 0]
    #[arg(long)]
    dropout: Option<f64>,
    /// Highest learning rate [default: 4e-3, gpt: 3e-3]
    #[arg(long)]
    lr: Option<f64>,
    /// Updates of warm-up [default: 50, gpt: 100]
    #[arg(long)]
    warm_up: Option<usize>,
    /// Longest gradient of a recurrent network; a GPT's is clipped at 1
    #[arg(long, default_value_t = 1.0)]
    pub(crate) clip: f64,
    /// Temperature of the samples
    #[arg(long, default_value_t = 0.7)]
    pub(crate) temperature: f64,
    /// The val_loss that --check asks for on a text of yours
    #[arg(long, value_name = "NATS")]
    pub(crate) target: Option<f64>,
}

/// Every number settled.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sizes {
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    pub(crate) steps: usize,
    hidden: usize,
    layers: usize,
    heads: usize,
    dropout: f64,
    lr: f64,
    warm_up: usize,
    /// Nothing for a GPT.
    #[serde(skip)]
    pub(crate) kind: Option<Kind>,
}

impl Settings {
    /// A GPT's sizes are nanoGPT's for a CPU.
    pub(crate) fn sizes(&self, quick: bool) -> Sizes {
        let kind = match self.model {
            Network::Rnn => Some(Kind::Rnn),
            Network::Lstm => Some(Kind::Lstm),
            Network::Gru => Some(Kind::Gru),
            Network::Ssm => Some(Kind::Ssm),
            Network::Gpt => None,
        };
        fn of<T>(given: Option<T>, kind: Option<Kind>, recurrent: T, gpt: T) -> T {
            given.unwrap_or(if kind.is_some() { recurrent } else { gpt })
        }
        let mut sizes = Sizes {
            epochs: of(self.epochs, kind, 30, 20),
            batch_size: of(self.batch_size, kind, 16, 12),
            steps: of(self.steps, kind, 48, 64),
            hidden: of(self.hidden, kind, 160, 128),
            layers: of(self.layers, kind, 1, 4),
            heads: self.heads,
            dropout: of(self.dropout, kind, 0.2, 0.0),
            lr: of(self.lr, kind, 4e-3, 3e-3),
            warm_up: of(self.warm_up, kind, 50, 100),
            kind,
        };
        if quick {
            (sizes.epochs, sizes.hidden) = (sizes.epochs.min(1), sizes.hidden.min(48));
        }
        sizes
    }
}

impl Sizes {
    pub(crate) fn model(&self, vocabulary: usize) -> ModelConfig {
        match self.kind {
            Some(kind) => ModelConfig::Recurrent(
                LanguageConfig::new(kind, vocabulary)
                    .with_hidden_size(self.hidden)
                    .with_num_layers(self.layers)
                    .with_dropout(self.dropout),
            ),
            None => ModelConfig::Gpt(
                GptConfig::nano(vocabulary)
                    .with_context(self.steps)
                    .with_d_model(self.hidden)
                    .with_layers(self.layers)
                    .with_heads(self.heads)
                    .with_dropout(self.dropout),
            ),
        }
    }

    /// Up, then down along a cosine.
    pub(crate) fn schedule(&self) -> Result<Schedule, ConfigError> {
        let total = self.epochs * PERIOD;
        let warm_up = self.warm_up.clamp(1, total.max(1));
        ScheduleConfig::cosine(total.saturating_sub(warm_up).max(1)).with_warm_up(warm_up).init(self.lr)
    }
}
