//! Every model, a line each: what the promises are stands in `fornax_nn_core::check::contract`.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use fornax_nn_core::check::contract::{Contract, Output};
use fornax_nn_core::check::fill;
use fornax_sequence::bert::{self, BertConfig, MaskedBert};
use fornax_sequence::gpt::{self, Gpt, GptConfig};
use fornax_sequence::position::PositionKind;
use fornax_sequence::transformer::{self, Transformer, TransformerConfig};
use fornax_sequence::vit::{self, VisionTransformer, VisionTransformerConfig};

/// Tokens of a text.
const T: usize = 6;

fornax_nn_core::contract! {
    gpt2: Case { config: narrow_gpt(GptConfig::new(11)), parameters: 6_896 };
    llama: Case { config: narrow_gpt(GptConfig::modern(11)).with_d_ff(Some(24)), parameters: 4_096 };
    encoder_decoder: Case { config: narrow_transformer(), parameters: 11_584 };
}

fornax_nn_core::contract! {
    on flex;
    nano_gpt: Case { config: GptConfig::nano(65), parameters: 804_096 };
    alibi: Case { config: alibi(), parameters: 4_096 };
    masked_bert: Case { config: narrow_bert(), parameters: 5_131 };
    vision_transformer: Case { config: narrow_vit(), parameters: 4_682 };
}

fn narrow_gpt(config: GptConfig) -> GptConfig {
    config.with_context(8).with_d_model(16).with_layers(2).with_heads(4)
}

fn alibi() -> GptConfig {
    narrow_gpt(GptConfig::modern(11))
        .with_d_ff(Some(24))
        .with_position(PositionKind::Alibi)
        .with_window(Some(3))
}

fn narrow_vit() -> VisionTransformerConfig {
    VisionTransformerConfig::digits().with_layers(2).with_d_model(16).with_d_ff(24)
}

fn narrow_transformer() -> TransformerConfig {
    TransformerConfig::tiny(11, 13).with_d_model(16).with_d_ff(32)
}

fn narrow_bert() -> BertConfig {
    BertConfig::new(11)
        .with_context(8)
        .with_d_model(16)
        .with_layers(2)
        .with_heads(4)
        .with_d_ff(32)
        .with_pooler(false)
}

struct Case<C> {
    config: C,
    parameters: usize,
}

fn tokens(name: &str, batch: usize, vocab: usize, device: &Device) -> Tensor<2, Int> {
    fill::targets(name, [batch, T], vocab, device)
}

fn rows(batch: usize, row: [bool; T], device: &Device) -> Tensor<2, Bool> {
    Tensor::from_data(TensorData::new(row.repeat(batch), [batch, T]), device)
}

/// What follows a first token or two is not settled by them: no model can learn it by heart.
const SETTLED: [bool; T] = [false, false, true, true, true, true];

impl Contract for Case<GptConfig> {
    type Config = GptConfig;
    type Model = Gpt;

    fn config(&self) -> GptConfig {
        self.config.clone()
    }

    fn without_noise(&self) -> GptConfig {
        self.config().with_dropout(0.0)
    }

    fn init(&self, config: &GptConfig, device: &Device) -> Gpt {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &Gpt, batch: usize, device: &Device) -> Output {
        model.forward(tokens("inputs", batch, self.config.vocab_size, device)).into()
    }

    fn loss(&self, model: &Gpt, batch: usize, device: &Device) -> Tensor<1> {
        let inputs = tokens("inputs", batch, self.config.vocab_size, device);
        let targets = tokens("targets", batch, self.config.vocab_size, device);
        gpt::loss(model, gpt::Batch { inputs, targets, real: Some(rows(batch, SETTLED, device)) })
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, T, self.config.vocab_size]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }
}

impl Contract for Case<TransformerConfig> {
    type Config = TransformerConfig;
    type Model = Transformer;

    fn config(&self) -> TransformerConfig {
        self.config.clone()
    }

    fn without_noise(&self) -> TransformerConfig {
        self.config().with_dropout(0.0).with_label_smoothing(0.0)
    }

    fn init(&self, config: &TransformerConfig, device: &Device) -> Transformer {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &Transformer, batch: usize, device: &Device) -> Output {
        let source = tokens("source", batch, self.config.source_vocab, device);
        let memory = model.encode(source, rows(batch, [true, true, true, true, true, false], device));
        model.decode(tokens("inputs", batch, self.config.target_vocab, device), &memory).into()
    }

    fn loss(&self, model: &Transformer, batch: usize, device: &Device) -> Tensor<1> {
        let source = tokens("source", batch, self.config.source_vocab, device);
        let memory = model.encode(source, rows(batch, [true, true, true, true, true, false], device));
        let logits = model.decode(tokens("inputs", batch, self.config.target_vocab, device), &memory);
        let targets = tokens("targets", batch, self.config.target_vocab, device);
        transformer::loss(logits, targets, rows(batch, [true; T], device), model.config.label_smoothing)
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, T, self.config.target_vocab]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }
}

impl Contract for Case<BertConfig> {
    type Config = BertConfig;
    type Model = MaskedBert;

    fn config(&self) -> BertConfig {
        self.config.clone()
    }

    fn without_noise(&self) -> BertConfig {
        self.config().with_dropout(0.0)
    }

    fn init(&self, config: &BertConfig, device: &Device) -> MaskedBert {
        MaskedBert::new(config, device).unwrap()
    }

    fn forward(&self, model: &MaskedBert, batch: usize, device: &Device) -> Output {
        let real = rows(batch, [true, true, true, true, true, false], device);
        model.forward(tokens("inputs", batch, self.config.vocab_size, device), real).into()
    }

    fn loss(&self, model: &MaskedBert, batch: usize, device: &Device) -> Tensor<1> {
        let chosen = rows(batch, [false, true, false, false, true, false], device);
        let targets = tokens("targets", batch, self.config.vocab_size, device);
        let shown = targets.clone().mask_fill(chosen.clone(), 0);
        bert::loss(
            model,
            bert::Batch { tokens: shown, real: rows(batch, [true; T], device), targets, chosen },
        )
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, T, self.config.vocab_size]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }
}

impl Contract for Case<VisionTransformerConfig> {
    type Config = VisionTransformerConfig;
    type Model = VisionTransformer;

    fn config(&self) -> VisionTransformerConfig {
        self.config.clone()
    }

    fn init(&self, config: &VisionTransformerConfig, device: &Device) -> VisionTransformer {
        config.init(device).unwrap()
    }

    fn forward(&self, model: &VisionTransformer, batch: usize, device: &Device) -> Output {
        model.forward(fill::input("images", [batch, 1, 16, 16], device)).into()
    }

    fn loss(&self, model: &VisionTransformer, batch: usize, device: &Device) -> Tensor<1> {
        let logits = model.forward(fill::input("images", [batch, 1, 16, 16], device));
        vit::loss(logits, fill::targets("targets", [batch], self.config.num_classes, device))
    }

    fn output_shape(&self, batch: usize) -> Vec<usize> {
        vec![batch, self.config.num_classes]
    }

    fn parameters(&self) -> usize {
        self.parameters
    }
}
