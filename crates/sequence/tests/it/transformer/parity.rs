//! What PyTorch, torchvision and Hugging Face's transformers compute from the same closed-form weights:
//! `xtask/reference/parity/{attention,gpt,bert}.py` made the fixtures, `cargo xtask parity` makes them again.

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use fornax_nn_core::activation::Activation;
use fornax_nn_core::check::{Fixture, Place, Values, fill};
use fornax_nn_core::gradient::gradients;
use fornax_sequence::attention::{AttentionContext, MultiHeadAttentionConfig, mask};
use fornax_sequence::bert::{self, BertConfig, MaskedBert, bert_source};
use fornax_sequence::gpt::{self, GptConfig};
use fornax_sequence::position::alibi_slopes;
use fornax_sequence::transformer::block::{BlockConfig, Memory, NormOrder};
use fornax_sequence::transformer::norm::{Norm, NormKind};
use fornax_sequence::transformer::{self, TransformerConfig};
use fornax_sequence::vit::{self, VisionTransformerConfig};

/// Layers in f32: rtol and atol.
const LAYER: (f64, f64) = (1e-5, 1e-6);
/// Whole models and gradients in f32; a gradient is a sum of many products.
const MODEL: (f64, f64) = (1e-4, 1e-5);

const E: usize = 12;
const HEADS: usize = 3;
const FF: usize = 20;

fn fixture(text: &str) -> Fixture {
    Fixture::parse(text).unwrap()
}

fn attention_fixture() -> Fixture {
    fixture(include_str!("../../fixtures/attention.json"))
}

fn gpt_fixture() -> Fixture {
    fixture(include_str!("../../fixtures/gpt.json"))
}

fn bert_fixture() -> Fixture {
    fixture(include_str!("../../fixtures/bert.json"))
}

fn flex() -> Device {
    Device::flex().autodiff()
}

fn check<V: Values + ?Sized>(fixture: &Fixture, name: &str, actual: &V, (rtol, atol): (f64, f64)) {
    fixture.check(name, actual, rtol, atol).unwrap_or_else(|error| panic!("{error}"));
}

/// Our names as PyTorch's `nn.Transformer…` has them; queries, keys and values of E features are thirds of one tensor.
fn torch(name: &str, decoder: bool) -> Place {
    let Some((module, leaf)) = name.rsplit_once('.') else { return Place::from(name) };
    let (stem, last) = module.rsplit_once('.').unwrap_or(("", module));
    let theirs = |stem: &str| match stem.rsplit_once("attention").or(stem.rsplit_once("cross")) {
        _ if stem.is_empty() => String::new(),
        Some((before, _)) if stem.ends_with("cross") => format!("{before}multihead_attn."),
        Some((before, _)) => format!("{before}self_attn."),
        None => format!("{stem}."),
    };
    if let Some(third) = ["query", "key", "value"].iter().position(|&name| name == last) {
        let size = if leaf == "weight" { E * E } else { E };
        return Place::at(format!("{}in_proj_{leaf}", theirs(stem)), third * size);
    }
    let before = if stem.is_empty() { String::new() } else { format!("{stem}.") };
    let module = match last {
        "output" => return Place::from(format!("{}out_proj.{leaf}", theirs(stem))),
        "up" => before.replace("feed_forward.", "linear1"),
        "down" => before.replace("feed_forward.", "linear2"),
        "attention_norm" => format!("{before}norm1"),
        "cross_norm" => format!("{before}norm2"),
        "feed_forward_norm" => format!("{before}norm{}", if decoder { 3 } else { 2 }),
        other => format!("{before}{other}"),
    };
    Place::from(format!("{module}.{leaf}"))
}

fn leaf(name: &str, length: usize) -> Tensor<3> {
    fill::input(name, [2, length, E], &flex()).require_grad()
}

fn rows(rows: [&[usize]; 2], length: usize) -> Tensor<2, Bool> {
    let real: Vec<bool> = rows.iter().flat_map(|row| (0..length).map(|i| !row.contains(&i))).collect();
    Tensor::from_data(TensorData::new(real, [2, length]), &flex())
}

/// Keys of which the last two of the second row are padding.
fn padding(length: usize) -> Tensor<4, Bool> {
    mask::padding(rows([&[], &[length - 2, length - 1]], length))
}

fn causal(length: usize) -> Tensor<4, Bool> {
    mask::causal(0..length, 0..length, None, &[], &flex()).unwrap()
}

fn seen(hidden: Tensor<4, Bool>) -> AttentionContext {
    AttentionContext { hidden: Some(hidden), ..Default::default() }
}

fn record<M: Module>(name: &str, model: &M, decoder: bool, output: Tensor<3>, leaves: &[(&str, &Tensor<3>)]) {
    let fixture = attention_fixture();
    check(&fixture, &format!("{name}.output"), &output, LAYER);
    let probe = fill::input("probe", output.dims(), &flex());
    let gradients = (output * probe).sum().backward();
    for (key, leaf) in leaves {
        check(&fixture, &format!("{name}.{key}"), &leaf.grad(&gradients).unwrap(), MODEL);
    }
    let gradients = GradientsParams::from_grads(gradients, model);
    let place = |name: String| torch(&name, decoder);
    fixture.check_gradients(&format!("{name}.gradients"), model, &gradients, place, MODEL).unwrap();
}

#[test]
fn multi_head_attention_is_pytorchs() {
    let model = MultiHeadAttentionConfig::new(E, HEADS).init(&flex()).unwrap();
    let model = fill::fill_with(model, |name| torch(&name, false));
    let x = leaf("x", 5);
    record("self", &model, false, model.forward(x.clone(), x.clone(), &Default::default()), &[("x", &x)]);

    let x = leaf("x", 5);
    let hidden = causal(5).expand([2, 1, 5, 5]).bool_or(padding(5).expand([2, 1, 5, 5]));
    let (output, weights) = model.forward_with_weights(x.clone(), x.clone(), &seen(hidden));
    check(&attention_fixture(), "masked.weights", &weights, LAYER);
    record("masked", &model, false, output, &[("x", &x)]);

    let (x, memory) = (leaf("x", 5), leaf("memory", 7));
    let output = model.forward(x.clone(), memory.clone(), &seen(padding(7)));
    record("cross", &model, false, output, &[("x", &x), ("memory", &memory)]);
}

#[test]
fn grouped_queries_share_keys_as_in_pytorch() {
    // Projections that pass on what they get: queries of 4 · 6 features, keys and values of 2 · 6.
    let device = Device::flex();
    let mut model = MultiHeadAttentionConfig::new(24, 4).with_kv_heads(Some(2)).init(&device).unwrap();
    for linear in [&mut model.query, &mut model.key, &mut model.value, &mut model.output] {
        let [inputs, outputs] = linear.weight.dims();
        linear.weight = Param::from_tensor(Tensor::<2>::eye(inputs, &device).narrow(1, 0, outputs));
    }
    let join = |x: Tensor<4>| -> Tensor<3> {
        let [batch, heads, length, d] = x.dims();
        x.swap_dims(1, 2).reshape([batch, length, heads * d])
    };
    let query = join(fill::input("query", [2, 4, 5, 6], &device));
    let key = join(fill::input("key", [2, 2, 7, 6], &device));
    let value = join(fill::input("value", [2, 2, 7, 6], &device));
    // Keys in the first half of the memory's features, values in the second.
    model.value.weight = Param::from_tensor(Tensor::<2>::eye(24, &device).narrow(1, 12, 12));
    let memory = Tensor::cat(vec![key, value], 2);
    check(&attention_fixture(), "grouped.output", &model.forward(query, memory, &Default::default()), LAYER);
}

#[test]
fn encoder_and_decoder_layers_are_pytorchs() {
    for (order_name, order) in [("post", NormOrder::Post), ("pre", NormOrder::Pre)] {
        for (name, activation) in [("relu", Activation::Relu), ("gelu", Activation::Gelu)] {
            let config = BlockConfig::new(E, HEADS, FF).with_order(order).with_activation(activation);
            let config = config.with_dropout(0.0);
            let block = fill::fill_with(config.init(&flex()).unwrap(), |name| torch(&name, false));
            let x = leaf("x", 5);
            let output = block.forward(x.clone(), &seen(padding(5)), None);
            record(&format!("encoder {order_name} {name}"), &block, false, output, &[("x", &x)]);

            let block = config.with_cross(true).init(&flex()).unwrap();
            let block = fill::fill_with(block, |name| torch(&name, true));
            let (x, states) = (leaf("x", 5), leaf("memory", 7));
            let memory = Memory { states: states.clone(), hidden: Some(padding(7)) };
            let output = block.forward(x.clone(), &seen(causal(5)), Some(&memory));
            let leaves = [("x", &x), ("memory", &states)];
            record(&format!("decoder {order_name} {name}"), &block, true, output, &leaves);
        }
    }
}

#[test]
fn rms_norm_is_pytorchs() {
    let norm = fill::fill(Norm::new(NormKind::Rms, E, 1e-5, true, &flex()));
    let x = leaf("x", 5);
    record("rms", &norm, false, norm.forward(x.clone()), &[("x", &x)]);
}

fn tokens(name: &str, length: usize, vocab: usize) -> Tensor<2, Int> {
    fill::targets(name, [2, length], vocab, &flex())
}

#[test]
fn the_encoder_decoder_is_pytorchs() {
    let config = TransformerConfig::new(11, 13).with_d_model(E).with_heads(HEADS).with_d_ff(FF);
    let config = config.with_layers(2).with_dropout(0.0);
    let place = |name: String| torch(&name.replace(".blocks.", ".layers."), name.starts_with("decoder"));
    let model = fill::fill_with(config.init(&flex()).unwrap(), place);
    let memory = model.encode(tokens("source", 7, 11), rows([&[], &[5, 6]], 7));
    let logits = model.decode(tokens("inputs", 5, 13), &memory);
    check(&attention_fixture(), "translator.logits", &logits, MODEL);
    let loss = transformer::loss(logits, tokens("targets", 5, 13), rows([&[], &[3, 4]], 5), 0.1);
    let (value, gradients) = gradients(loss, &model).unwrap();
    check(&attention_fixture(), "translator.loss", &[value], MODEL);
    attention_fixture().check_gradients("translator.gradients", &model, &gradients, place, MODEL).unwrap();
}

fn language_model(name: &str, config: GptConfig) {
    let model = fill::fill(config.with_dropout(0.0).init(&flex()).unwrap());
    let vocab = model.config.vocab_size;
    let inputs = tokens("inputs", 12, vocab);
    check(&gpt_fixture(), &format!("{name}.logits"), &model.forward(inputs.clone()), MODEL);
    let loss = gpt::loss(&model, gpt::Batch { inputs, targets: tokens("targets", 12, vocab), real: None });
    let (value, gradients) = gradients(loss, &model).unwrap();
    check(&gpt_fixture(), &format!("{name}.loss"), &[value], MODEL);
    let prefix = format!("{name}.gradients");
    gpt_fixture().check_gradients(&prefix, &model, &gradients, Place::from, MODEL).unwrap();
}

#[test]
fn gpt2_is_hugging_faces() {
    language_model("tiny", GptConfig::new(37).with_context(32).with_d_model(24).with_layers(2).with_heads(3));
}

/// Rotary positions, RMSNorm, SwiGLU and grouped queries together.
fn llama() -> GptConfig {
    GptConfig::modern(23).with_d_model(16).with_layers(2).with_heads(4).with_d_ff(Some(24))
}

#[test]
fn llama_is_hugging_faces() {
    language_model("llama", llama());
}

#[test]
fn mistral_and_its_window_are_hugging_faces() {
    language_model("mistral", llama().with_window(Some(5)));
}

#[test]
fn the_smallest_gpt2_computes_its_logits_in_full_size() {
    let device = Device::flex();
    let model = fill::fill(GptConfig::gpt2().init(&device).unwrap()).valid();
    let logits = model.forward(fill::targets("inputs", [1, 16], 50_257, &device));
    check(&gpt_fixture(), "gpt2.logits", &logits, (1e-4, 1e-4));
}

#[test]
fn alibi_has_blooms_slopes() {
    for heads in [4, 6, 12] {
        check(&gpt_fixture(), &format!("alibi {heads}"), &alibi_slopes(heads), (1e-6, 0.0));
    }
}

/// Hugging Face's name of a parameter of [`MaskedBert`].
fn masked(name: String) -> Place {
    if let Some(rest) = name.strip_prefix("bert.") {
        return Place::from(bert_source(rest, "bert.").to_string().replace(" transposed", ""));
    }
    let name = name.replace("transform.", "transform.dense.").replace("norm.", "transform.LayerNorm.");
    Place::from(format!("cls.predictions.{name}"))
}

/// The name under which the reference filled it: a tied tensor was filled last as the output layer's.
fn masked_as_filled(name: String) -> Place {
    match name.as_str() {
        "bert.tokens.weight" => Place::from("cls.predictions.decoder.weight"),
        "bias" => Place::from("cls.predictions.decoder.bias"),
        _ => masked(name),
    }
}

#[test]
fn bert_is_hugging_faces() {
    let config = BertConfig::new(31).with_context(48).with_d_model(24).with_layers(2).with_heads(3);
    let config = config.with_d_ff(40).with_dropout(0.0).with_pooler(false);
    let model = fill::fill_with(MaskedBert::new(&config, &flex()).unwrap(), masked_as_filled);
    let real = rows([&[], &[7, 8, 9]], 10);
    let logits = model.forward(tokens("tokens", 10, 31), real.clone());
    check(&bert_fixture(), "bert.logits", &logits, MODEL);
    let chosen = tokens("chosen", 10, 3).equal_scalar(0).bool_and(real.clone());
    let batch =
        bert::Batch { tokens: tokens("tokens", 10, 31), real, targets: tokens("targets", 10, 31), chosen };
    let (value, gradients) = gradients(bert::loss(&model, batch), &model).unwrap();
    check(&bert_fixture(), "bert.loss", &[value], MODEL);
    bert_fixture().check_gradients("bert.gradients", &model, &gradients, masked, MODEL).unwrap();
}

#[test]
fn the_encoder_with_segments_and_pooler_is_hugging_faces() {
    let device = Device::flex();
    let config = BertConfig::new(31).with_context(48).with_d_model(24).with_layers(2).with_heads(3);
    let model = config.with_d_ff(40).init(&device).unwrap();
    let place = |name: String| Place::from(bert_source(&name, "").to_string().replace(" transposed", ""));
    let model = fill::fill_with(model, place);
    let segments = Tensor::from_data([[0, 0, 0, 0, 0, 0, 1, 1, 1, 1]; 2], &device);
    let tokens = fill::targets("tokens", [2, 10], 31, &device);
    let states = model.forward_segments(tokens, segments, rows([&[], &[7, 8, 9]], 10).inner());
    check(&bert_fixture(), "encoder.states", &states, MODEL);
    check(&bert_fixture(), "encoder.pooled", &model.pool(states), MODEL);
}

/// torchvision's name of a parameter.
fn vision(name: String) -> Place {
    let name = name.replace("patches.", "conv_proj.");
    let Some(rest) = name.strip_prefix("stack.") else {
        return Place::from(match name.as_str() {
            "positions" => "encoder.pos_embedding".to_owned(),
            name => name.replace("head.", "heads.head."),
        });
    };
    let Place { name, offset } = torch(rest, false);
    let name = name
        .replace("blocks.", "layers.encoder_layer_")
        .replace("self_attn", "self_attention")
        .replace("linear1", "mlp.0")
        .replace("linear2", "mlp.3")
        .replace("norm1", "ln_1")
        .replace("norm2", "ln_2");
    let name = if rest.starts_with("norm") { name.replace("norm", "ln") } else { name };
    Place::at(format!("encoder.{name}"), offset)
}

#[test]
fn the_vision_transformer_is_torchvisions() {
    let config = VisionTransformerConfig::new().with_image_size(24).with_patch_size(8).with_layers(2);
    let config = config.with_heads(2).with_d_model(E).with_d_ff(FF).with_num_classes(5);
    let model = fill::fill_with(config.init(&flex()).unwrap(), vision);
    let logits = model.forward(fill::input("images", [2, 3, 24, 24], &flex()));
    check(&bert_fixture(), "vit.logits", &logits, MODEL);
    let loss = vit::loss(logits, fill::targets("classes", [2], 5, &flex()));
    let (value, gradients) = gradients(loss, &model).unwrap();
    check(&bert_fixture(), "vit.loss", &[value], MODEL);
    bert_fixture().check_gradients("vit.gradients", &model, &gradients, vision, MODEL).unwrap();
}

/// Weights are drawn when first read, so even the largest is only counted.
fn count<M: Module>(fixture: &Fixture, name: &str, model: &M) {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += param.lazy_shape().num_elements();
        }
    }
    let mut count = Count(0);
    model.visit(&mut count);
    check(fixture, &format!("{name}.parameters"), &[count.0 as f64], (0.0, 0.0));
}

#[test]
fn every_preset_has_the_published_number_of_parameters() {
    let device = Device::flex();
    let gpt = |name: &str, config: GptConfig| count(&gpt_fixture(), name, &config.init(&device).unwrap());
    gpt("gpt2", GptConfig::gpt2());
    gpt("gpt2_medium", GptConfig::gpt2_medium());
    gpt("gpt2_large", GptConfig::gpt2_large());
    gpt("gpt2_xl", GptConfig::gpt2_xl());
    let bert = |name: &str, config: BertConfig| count(&bert_fixture(), name, &config.init(&device).unwrap());
    bert("base", BertConfig::base());
    bert("large", BertConfig::large());
    bert("mini_lm", BertConfig::mini_lm());
    let headed = BertConfig::base().with_pooler(false);
    count(&bert_fixture(), "masked", &MaskedBert::new(&headed, &device).unwrap());
    let vit = |name: &str, config: VisionTransformerConfig| {
        count(&bert_fixture(), name, &config.init(&device).unwrap());
    };
    vit("vit_b_16", VisionTransformerConfig::vit_b_16());
    vit("vit_b_32", VisionTransformerConfig::vit_b_32());
    vit("vit_l_16", VisionTransformerConfig::vit_l_16());
}

#[test]
fn dropout_acts_while_training_only() {
    let config =
        GptConfig::new(7).with_context(4).with_d_model(8).with_layers(1).with_heads(2).with_dropout(0.5);
    let model = config.init(&flex()).unwrap();
    let _: &Dropout = &model.dropout;
    assert_eq!(model.dropout.prob, DropoutConfig::new(0.5).init().prob);
    let tokens = fill::targets("inputs", [1, 4], 7, &flex());
    let twice = [0, 1].map(|_| model.forward(tokens.clone()).into_data());
    assert_ne!(twice[0], twice[1]);
    let calm = model.valid();
    let twice = [0, 1].map(|_| calm.forward(tokens.clone().inner()).into_data());
    assert_eq!(twice[0], twice[1]);
}
