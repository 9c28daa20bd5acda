//! Blocks and models against central differences in f64.

use burn::module::Module;
use burn::tensor::{Bool, DType, Device, Tensor, TensorData};
use fornax_nn_core::activation::Activation;
use fornax_nn_core::check::{GradCheck, fill};
use fornax_sequence::attention::{AttentionContext, MultiHeadAttentionConfig, attention_weights, mask};
use fornax_sequence::bert::{self, BertConfig, MaskedBert};
use fornax_sequence::gpt::{self, GptConfig};
use fornax_sequence::position::{PositionKind, Rotation, alibi};
use fornax_sequence::transformer::block::{BlockConfig, Memory, NormOrder};
use fornax_sequence::transformer::norm::NormKind;
use fornax_sequence::transformer::{self, TransformerConfig};
use fornax_sequence::vit::{self, VisionTransformerConfig};

fn double<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(fill::data(name, &shape), (device, DType::F64))
}

fn flex() -> Device {
    Device::flex().autodiff()
}

/// Checks the gradient of sum(f(model) · probe), or of f itself where it is one number.
fn check<M: Module, const D: usize>(model: M, parameters: usize, f: impl Fn(&M) -> Tensor<D>) {
    let report = GradCheck::new()
        .model(fill::fill(model), |model| {
            let y = f(model);
            let probe = double("probe", y.dims(), &y.device());
            (y * probe).sum()
        })
        .unwrap();
    assert_eq!((report.compared, report.excepted), (parameters, 0));
}

#[test]
fn masked_weights_have_their_jacobian() {
    // The second row of scores sees nothing; its gradient is zero on both sides.
    let hidden = [[[[false, true, false], [true, true, true]]]];
    let report = GradCheck::new()
        .function(&Device::flex(), &[("scores", fill::data("scores", &[1, 1, 2, 3]))], |inputs| {
            let scores = inputs.get::<4>("scores");
            let hidden = Tensor::<4, Bool>::from_data(TensorData::from(hidden), &scores.device());
            attention_weights(scores, Some(&hidden))
        })
        .unwrap();
    assert_eq!(report.compared, 36);
}

#[test]
fn grouped_attention_has_its_gradient_with_mask_bias_and_rotation() {
    let device = flex();
    let config = MultiHeadAttentionConfig::new(16, 4).with_kv_heads(Some(2));
    let context = AttentionContext {
        hidden: mask::causal(0..4, 0..4, Some(3), &[0, 2], &device),
        bias: Some(alibi(4, 0..4, 0..4, &device).cast(DType::F64)),
        rotation: Some(Rotation::new(&[(0..4).collect()], 4, &device)),
    };
    let x = double("x", [2, 4, 16], &device);
    check(config.init(&device).unwrap(), 8, |model| model.forward(x.clone(), x.clone(), &context));
}

#[test]
fn blocks_have_their_gradient() {
    let device = flex();
    let x = double("x", [2, 4, 8], &device);
    let states = double("memory", [2, 3, 8], &device);
    let hidden = Some(mask::padding(Tensor::from_data([[true, true, true], [true, true, false]], &device)));
    let memory = Memory { states, hidden };
    let context =
        AttentionContext { hidden: mask::causal(0..4, 0..4, None, &[], &device), ..Default::default() };
    let base = || BlockConfig::new(8, 2, 12).with_dropout(0.0);
    for order in [NormOrder::Pre, NormOrder::Post] {
        // Two norms and the feed-forward layer's four; eight of attention.
        let encoder = base().with_order(order).with_activation(Activation::Gelu);
        check(encoder.init(&device).unwrap(), 16, |block| block.forward(x.clone(), &context, None));
        let decoder = base().with_order(order).with_activation(Activation::GeluTanh).with_cross(true);
        check(decoder.init(&device).unwrap(), 26, |block| block.forward(x.clone(), &context, Some(&memory)));
    }
    let modern = base().with_norm(NormKind::Rms).with_activation(Activation::SwiGlu).with_bias(false);
    check(modern.init(&device).unwrap(), 8, |block| block.forward(x.clone(), &context, None));
}

#[test]
fn gpts_have_the_gradient_of_their_loss() {
    let device = flex();
    let inputs = fill::targets("inputs", [2, 5], 7, &device);
    let targets = fill::targets("targets", [2, 5], 7, &device);
    let batch = gpt::Batch { inputs, targets, real: None };
    let narrow = |config: GptConfig| {
        config
            .with_context(6)
            .with_d_model(8)
            .with_heads(2)
            .with_layers(1)
            .with_dropout(0.0)
            .with_kv_heads(None)
    };
    let gpt2 = narrow(GptConfig::new(7)).init(&device).unwrap();
    check(gpt2, 2 + 16 + 2, |model| gpt::loss(model, batch.clone()));
    for position in [PositionKind::Rotary, PositionKind::Alibi, PositionKind::Sinusoidal, PositionKind::None]
    {
        let config =
            narrow(GptConfig::modern(7)).with_d_ff(Some(6)).with_position(position).with_window(Some(3));
        check(config.init(&device).unwrap(), 1 + 8 + 1, |model| gpt::loss(model, batch.clone()));
    }
}

#[test]
fn transformer_bert_and_vit_have_the_gradient_of_their_loss() {
    let device = flex();
    let [source, targets] = ["source", "targets"].map(|name| fill::targets(name, [2, 4], 7, &device));
    let real: Tensor<2, Bool> = Tensor::from_data([[true; 4], [true, true, true, false]], &device);

    let config = TransformerConfig::tiny(7, 7).with_d_model(8).with_heads(2).with_d_ff(12).with_layers(1);
    check(config.with_dropout(0.0).init(&device).unwrap(), 2 + 16 + 26 + 4, |model| {
        let memory = model.encode(source.clone(), real.clone());
        let logits = model.decode(source.clone(), &memory);
        transformer::loss(logits, targets.clone(), real.clone(), 0.1)
    });

    let config =
        BertConfig::new(7).with_context(4).with_d_model(8).with_heads(2).with_d_ff(12).with_layers(1);
    let config = config.with_dropout(0.0).with_pooler(false);
    let (tokens, chosen) = (source.clone(), real.clone());
    let batch = bert::Batch { tokens, real: real.clone(), targets: targets.clone(), chosen };
    check(MaskedBert::new(&config, &device).unwrap(), 3 + 2 + 16 + 5, |model| {
        bert::loss(model, batch.clone())
    });

    let config = VisionTransformerConfig::digits().with_d_model(8).with_heads(2).with_d_ff(12).with_layers(1);
    let images = double("images", [2, 1, 16, 16], &device);
    let classes = fill::targets("classes", [2], 10, &device);
    check(config.init(&device).unwrap(), 4 + 16 + 2 + 2, |model| {
        vit::loss(model.forward(images.clone()), classes.clone())
    });
}
