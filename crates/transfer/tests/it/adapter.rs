//! Adapters: nothing changes at first, only they learn, they merge, and they know their base.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, Quantizer};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::quantization::{Calibration, QuantValue};
use burn::tensor::{DType, Device, Tensor};
use fornax_cnn::{Classifier, LeNet, LeNetConfig};
use fornax_nn_core::check::{GradCheck, Values, assert_close, fill};
use fornax_sequence::attention::AttentionContext;
use fornax_sequence::gpt::{self, Gpt, GptConfig};
use fornax_transfer::adapter::{self, Adapter, AdapterError, Adapters, Method};
use fornax_transfer::bottleneck::{AdaptedStack, BottleneckConfig};
use fornax_transfer::dora::{DoraConfig, DoraLayer};
use fornax_transfer::ia3::Ia3Config;
use fornax_transfer::lora::LoraConfig;
use proptest::prelude::*;

use crate::support_adaptation::{data, fixture};

fn gpt(device: &Device) -> Gpt {
    let config = GptConfig::new(11).with_context(8).with_d_model(16).with_layers(2).with_heads(2);
    fill::fill(config.with_dropout(0.0).init(device).unwrap())
}

fn tokens(device: &Device) -> gpt::Batch {
    let draw = |name| fill::targets(name, [3, 8], 11, device);
    gpt::Batch { inputs: draw("inputs"), targets: draw("targets"), real: None }
}

fn logits(model: &Gpt, device: &Device) -> Tensor<3> {
    model.forward(tokens(device).inputs)
}

/// Some steps of Adam on one batch; returns first and last loss.
fn train(mut model: Gpt, device: &Device, steps: usize) -> (Gpt, f32, f32) {
    let mut optim = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..steps {
        let loss;
        (model, loss) = gpt::train_step(model, &mut optim, 1e-2, tokens(device)).unwrap();
        losses.push(loss);
    }
    (model, losses[0], losses[steps - 1])
}

/// Every method on the model: nothing changes at first; training lowers the loss and leaves the base alone to the bit;
/// merged and unmerged agree; what is detached is the base.
fn keeps_its_promises<A: Method>(method: &A, parameters: usize) {
    let device = Device::flex().autodiff();
    let base = gpt(&device);
    let adapted = adapter::attach(base.clone(), method, 3).unwrap();
    assert_eq!(adapter::size(&adapted).adapter, parameters);
    assert_eq!(adapter::size(&adapted).base, base.num_params());
    assert_close(&logits(&adapted, &device), &logits(&base, &device), 1e-5, 1e-6);

    let fingerprint = adapter::fingerprint(&base);
    let (trained, first, last) = train(adapted, &device, 20);
    assert!(last < 0.9 * first, "the loss went from {first} to {last}");
    assert_eq!(adapter::fingerprint(&trained), fingerprint, "the base moved");

    let unmerged = trained.valid();
    let merged = unmerged.clone().materialize();
    assert_eq!(adapter::size(&merged).adapter, 0);
    let flat = Device::flex();
    assert_close(&logits(&merged, &flat), &logits(&unmerged, &flat), 1e-5, 1e-5);

    let detached = adapter::detach(trained);
    assert_eq!(adapter::size(&detached).adapter, 0);
    assert_eq!(adapter::fingerprint(&detached), fingerprint);
    assert_eq!(logits(&detached, &device).to_data(), logits(&base, &device).to_data());
}

#[test]
fn lora_keeps_its_promises() {
    // Two blocks of four 16 × 16 and two of 16 × 64.
    keeps_its_promises(&LoraConfig::new(2), 2 * (4 * 2 * 32 + 2 * 2 * 80));
    keeps_its_promises(&LoraConfig::attention(3).with_alpha(Some(12.0)), 2 * 2 * 3 * 32);
    // An embedding, here the output layer too, only where it is named: 11 × 16.
    let named = ["blocks", "tokens"].map(str::to_owned).to_vec();
    keeps_its_promises(&LoraConfig::new(2).with_names(named), 2 * (4 * 2 * 32 + 2 * 2 * 80) + 2 * 27);
}

#[test]
fn dora_keeps_its_promises() {
    keeps_its_promises(&DoraConfig::new(2), 2 * (4 * (2 * 32 + 16) + 2 * (2 * 80) + 64 + 16));
}

#[test]
fn ia3_keeps_its_promises() {
    keeps_its_promises(&Ia3Config::transformer(), 2 * (16 + 16 + 64));
}

#[test]
fn gradients_are_the_derivatives_of_the_adapted_loss() {
    let device = Device::flex().autodiff();
    let batch = tokens(&device);
    let check = |model: Gpt, parameters: usize| {
        let report =
            GradCheck::new().model(fill::fill(model), |model| gpt::loss(model, batch.clone())).unwrap();
        assert_eq!(report.compared, parameters);
    };
    check(adapter::attach(gpt(&device), &LoraConfig::new(2), 0).unwrap(), 2 * 6 * 2);
    let dora = DoraConfig::new(2).with_constant_norm(false);
    check(adapter::attach(gpt(&device), &dora, 0).unwrap(), 2 * 6 * 3);
    check(adapter::attach(gpt(&device), &Ia3Config::transformer(), 0).unwrap(), 2 * 3);
}

#[test]
fn low_rank_convolutions_have_their_gradient_merge_and_are_a_chain_of_two() {
    let device = Device::flex().autodiff();
    let base: Conv2d = Conv2dConfig::new([3, 6], [3, 3]).with_stride([2, 2]).init(&device);
    let x = fill::input("x", [2, 3, 9, 9], &device);
    let adapted = fill::fill(adapter::attach(base, &LoraConfig::new(2), 0).unwrap());
    assert_eq!(adapter::size(&adapted).adapter, 2 * (6 + 27));

    // The change is a convolution to two maps, then one of 1 × 1.
    let layer = adapted.weight.adapter().unwrap();
    let down = layer.b.val().reshape([2, 3, 3, 3]);
    let up = layer.a.val().reshape([6, 2, 1, 1]);
    let options = |stride| burn::tensor::ops::ConvOptions::new([stride; 2], [0; 2], [1; 2], 1);
    let conv = |x, w, stride| burn::tensor::module::conv2d(x, w, None, options(stride));
    let change = conv(conv(x.clone(), down, 2), up, 1) * layer.scale;
    let frozen = adapter::detach(adapted.clone());
    assert_close(&adapted.forward(x.clone()), &(frozen.forward(x.clone()) + change), 1e-5, 1e-5);
    let merged = adapted.clone().materialize();
    assert_close(&merged.forward(x.clone()), &adapted.forward(x), 1e-5, 1e-5);

    let x = Tensor::<4>::from_data(fill::data("x", &[2, 3, 9, 9]), (&device, DType::F64));
    let report =
        GradCheck::new().model(adapted, |model| model.forward(x.clone()).powi_scalar(2).mean()).unwrap();
    assert_eq!(report.compared, 2);
}

#[test]
fn dora_computes_the_papers_weight() {
    let layer = DoraLayer {
        low_rank: burn::module::LoraAdapter {
            a: Param::from_tensor(data("dora/a", [5, 2])),
            b: Param::from_tensor(data("dora/b", [2, 4])),
            scale: 2.0,
        },
        magnitude: Param::from_tensor(data("dora/m", [4]) + 1.0),
        outputs: 1,
        constant_norm: true,
    };
    let weight = burn::module::Reparameterization::apply(&layer, data::<2>("dora/w", [5, 4]));
    fixture().check("dora", &weight, 1e-12, 1e-12).unwrap();
}

#[test]
fn the_seed_decides_what_is_drawn() {
    let base = gpt(&Device::flex());
    let of = |seed| {
        Adapter::of(&adapter::attach(base.clone(), &LoraConfig::new(2), seed).unwrap(), LoraConfig::new(2))
    };
    assert_eq!(of(1).unwrap().tensors(), of(1).unwrap().tensors());
    assert_ne!(of(1).unwrap().tensors(), of(2).unwrap().tensors());
}

#[test]
fn a_file_brings_the_adapter_back_and_refuses_another_base() {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let base = gpt(&device);
    let check = |path: &str, adapted: Gpt, config: adapter::AdapterConfig| {
        let (trained, ..) = train(adapted, &device, 3);
        let path = folder.path().join(path);
        let adapter = Adapter::of(&trained, config.clone()).unwrap();
        adapter.save(&path).unwrap();
        let bytes = std::fs::metadata(&path).unwrap().len() as usize;
        assert!(bytes < 4 * adapter.num_params() + 6_000, "{bytes} bytes");
        let read = Adapter::open(&path).unwrap();
        assert_eq!((read.config(), read.base()), (&config, adapter.base()));
        let restored = read.attach(base.clone()).unwrap();
        assert_eq!(logits(&restored, &device).to_data(), logits(&trained, &device).to_data());

        let other = base.clone().map(&mut Nudge(false));
        let error = read.attach(other).unwrap_err();
        assert!(matches!(error, AdapterError::OtherBase { .. }), "{error}");
        let error = read.attach(trained).unwrap_err();
        assert!(matches!(error, AdapterError::Adapted { .. }), "{error}");
    };
    let lora = LoraConfig::attention(2);
    check("lora.safetensors", adapter::attach(base.clone(), &lora, 1).unwrap(), lora.into());
    let dora = DoraConfig::new(2);
    check("dora.safetensors", adapter::attach(base.clone(), &dora, 1).unwrap(), dora.into());
    let ia3 = Ia3Config::transformer();
    check("ia3.safetensors", adapter::attach(base.clone(), &ia3, 1).unwrap(), ia3.into());
}

/// Moves the first weight it meets by one bit's worth.
struct Nudge(bool);

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if std::mem::replace(&mut self.0, true) {
            return param;
        }
        param.map(|old| {
            let grad = old.is_require_grad();
            (old.detach() * (1.0 + 1e-6)).detach().set_require_grad(grad)
        })
    }
}

#[test]
fn several_adapters_share_a_base() {
    let device = Device::flex().autodiff();
    let base = gpt(&device);
    let config = LoraConfig::new(2);
    let mut adapters = Adapters::new(base.clone());
    let mut outputs = Vec::new();
    for (seed, name) in ["a", "b"].into_iter().enumerate() {
        let (trained, ..) = train(adapter::attach(base.clone(), &config, seed as u64).unwrap(), &device, 3);
        adapters.insert(name, Adapter::of(&trained, config.clone()).unwrap()).unwrap();
        outputs.push(logits(&trained, &device).to_data());
    }
    assert_ne!(outputs[0], outputs[1]);
    for (name, expected) in adapters.names().zip(&outputs) {
        assert_eq!(&logits(&adapters.model(name).unwrap(), &device).to_data(), expected);
    }
    assert_eq!(logits(adapters.base(), &device).to_data(), logits(&base, &device).to_data());
    let error = adapters.model("c").unwrap_err().to_string();
    assert_eq!(error, r#"no adapter named "c"; there are: a, b"#);
    let stranger = adapter::attach(base.map(&mut Nudge(false)), &config, 0).unwrap();
    let stranger = Adapter::of(&stranger, config).unwrap();
    assert!(matches!(adapters.insert("c", stranger), Err(AdapterError::OtherBase { .. })));
}

#[test]
fn what_cannot_be_attached_says_why() {
    let device = Device::flex();
    let lenet = LeNetConfig::lenet5().init(&device).unwrap();
    let error = adapter::attach(lenet.clone(), &LoraConfig::new(6), 0).unwrap_err().to_string();
    assert_eq!(error, "conv1.weight: rank 6 is not below the 6 of a weight of 6 × 25");
    let error = adapter::attach(lenet.clone(), &DoraConfig::new(10), 0).unwrap_err();
    assert!(matches!(error, AdapterError::Rank { rank: 10, .. }), "{error}");
    let named = |name: &str| LoraConfig::new(2).with_names(vec![name.to_owned()]);
    let error = adapter::attach(lenet.clone(), &named("fc"), 0).unwrap_err().to_string();
    assert!(error.starts_with(r#"no weight is named "fc"; the model has: conv1.weight"#), "{error}");
    assert!(adapter::attach(lenet.clone(), &named("fc1"), 0).is_ok());
    let error = adapter::attach(lenet.clone(), &LoraConfig::new(0), 0).unwrap_err().to_string();
    assert_eq!(error, "rank: must be at least 1, got 0");
    let error = adapter::attach(lenet.clone(), &LoraConfig::new(1).with_alpha(Some(-1.0)), 0).unwrap_err();
    assert!(error.to_string().starts_with("alpha"), "{error}");
    let error = adapter::attach(lenet.clone(), &Ia3Config::new(vec![], vec![]), 0).unwrap_err();
    assert!(matches!(error, AdapterError::Config(_)), "{error}");
    assert!(matches!(Adapter::of(&lenet, LoraConfig::new(1)), Err(AdapterError::None)));
    let norm: BatchNorm = BatchNormConfig::new(3).init(&device);
    assert!(matches!(adapter::attach(norm, &LoraConfig::new(1), 0), Err(AdapterError::NoTarget { .. })));
}

#[test]
fn damaged_and_foreign_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let base: Linear = LinearConfig::new(6, 6).init(&Device::flex());
    let adapted = adapter::attach(base.clone(), &LoraConfig::new(2), 0).unwrap();
    Adapter::of(&adapted, LoraConfig::new(2)).unwrap().save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 7, 8, 40, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        assert!(Adapter::open(&path).is_err(), "the first {cut} bytes were taken for an adapter");
    }
    assert!(matches!(Adapter::open(folder.path().join("none")), Err(AdapterError::Weights(_))));
    let model = folder.path().join("model.safetensors");
    fornax_nn_core::weights::save(&base, &model, |name| name.into()).unwrap();
    let error = Adapter::open(&model).unwrap_err().to_string();
    assert!(error.contains("not of an adapter"), "{error}");

    // Sound, but of settings that its tensors do not fit.
    let wrong = Adapter::of(&adapted, LoraConfig::new(3)).unwrap().attach(base.clone()).unwrap_err();
    assert_eq!(wrong.to_string(), "weight.lora.a: has shape [6, 2], expected [6, 3]");
    let wrong = Adapter::of(&adapted, DoraConfig::new(2)).unwrap().attach(base).unwrap_err();
    assert!(matches!(wrong, AdapterError::Tensor { .. }), "{wrong}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_flipped_byte_makes_a_file_panic(at in 0usize..700, bit in 0u8..8) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let base: Linear = LinearConfig::new(6, 6).init(&Device::flex());
        let adapted = adapter::attach(base.clone(), &LoraConfig::new(2), 0).unwrap();
        Adapter::of(&adapted, LoraConfig::new(2)).unwrap().save(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(adapter) = Adapter::open(&path) {
            let _ = adapter.attach(base);
        }
    }
}

#[test]
fn running_statistics_stop_with_the_base() {
    #[derive(Module, Debug)]
    struct Net {
        conv: Conv2d,
        norm: BatchNorm,
    }
    let device = Device::flex().autodiff();
    let net = Net {
        conv: Conv2dConfig::new([2, 4], [3, 3]).init(&device),
        norm: BatchNormConfig::new(4).init(&device),
    };
    let before = adapter::fingerprint(&net);
    let adapted = adapter::attach(net, &LoraConfig::new(1), 0).unwrap();
    for _ in 0..3 {
        let x = fill::input("x", [4, 2, 6, 6], &device);
        adapted.norm.forward(adapted.conv.forward(x));
    }
    assert_eq!(adapter::fingerprint(&adapted.valid()), before);
}

#[test]
fn an_adapter_learns_on_an_8_bit_base() {
    let device = Device::flex().autodiff();
    let base: Linear = fill::fill(LinearConfig::new(32, 16).init(&device));
    let scheme = device.settings().quantization.scheme.with_value(QuantValue::Q8S);
    let mut quantizer = Quantizer::new(Calibration::MinMax, scheme);
    let quantized = base.clone().quantize_weights_group(&mut quantizer, ParamGroup::from_predicate("weight"));
    let mut model = adapter::attach(quantized, &LoraConfig::new(2), 0).unwrap();
    let fingerprint = adapter::fingerprint(&model);
    let x = fill::input::<2>("x", [8, 32], &device);
    // Eight bits are a rounding of 1/127 of the largest weight.
    assert_close(&model.forward(x.clone()), &base.forward(x.clone()), 0.0, 0.1);
    let target = fill::input::<2>("y", [8, 16], &device);
    let loss = |model: &Linear| (model.forward(x.clone()) - target.clone()).powi_scalar(2).mean();
    let first: f32 = loss(&model).into_scalar();
    let mut optim = AdamConfig::new().init();
    for _ in 0..60 {
        let grads = GradientsParams::from_grads(loss(&model).backward(), &model);
        model = optim.step(1e-2, model, grads);
    }
    let last: f32 = loss(&model).into_scalar();
    assert!(last < 0.7 * first, "{first} to {last}");
    assert_eq!(adapter::fingerprint(&model), fingerprint);
}

#[test]
fn a_bottleneck_begins_as_the_identity_and_only_it_learns() {
    let device = Device::flex().autodiff();
    let base = gpt(&device);
    let x = fill::input::<3>("x", [2, 5, 16], &device);
    let context = AttentionContext::default();
    let adapted =
        AdaptedStack::new(base.stack.clone(), &BottleneckConfig::new(16).with_width(4), &device).unwrap();
    let before = base.stack.forward(x.clone(), &context, None);
    assert_eq!(adapted.forward(x.clone(), &context, None).to_data(), before.to_data());

    let adapted = fill::fill(adapted);
    let target = fill::input::<3>("y", [2, 5, 16], &device);
    let loss = (adapted.forward(x, &context, None) - target).powi_scalar(2).mean();
    let grads = GradientsParams::from_grads(loss.backward(), &adapted);
    let mut seen = Seen { grads: &grads, names: Vec::new(), path: Vec::new() };
    adapted.visit(&mut seen);
    assert_eq!(seen.names.len(), 2 * 4);
    assert!(seen.names.iter().all(|name| name.starts_with("adapters.")), "{:?}", seen.names);

    let map = fill::input::<4>("map", [2, 16, 3, 3], &device);
    let along = adapted.adapters[0].forward(map.clone().permute([0, 2, 3, 1])).permute([0, 3, 1, 2]);
    assert_eq!(adapted.adapters[0].forward_map(map).to_data(), along.to_data());
    let error = BottleneckConfig::new(16).with_width(16).init(&device).unwrap_err();
    assert_eq!(error.to_string(), "width: must be below d_model = 16, got 16");
}

struct Seen<'a> {
    grads: &'a GradientsParams,
    names: Vec<String>,
    path: Vec<String>,
}

impl ModuleVisitor for Seen<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.grads.get::<D>(param.id).is_some() {
            self.names.push(self.path.join("."));
        }
    }
}

#[test]
fn the_constant_norm_changes_only_the_gradient() {
    let device = Device::flex().autodiff();
    let base: Linear = fill::fill(LinearConfig::new(6, 4).init(&device));
    let x = fill::input::<2>("x", [3, 6], &device);
    let [constant, through] = [true, false].map(|constant| {
        let config = DoraConfig::new(2).with_constant_norm(constant);
        let model = fill::fill(adapter::attach(base.clone(), &config, 0).unwrap());
        let y = model.forward(x.clone());
        let grads = y.clone().powi_scalar(2).sum().backward();
        let layer = model.weight.reparameterization::<DoraLayer>().unwrap();
        (y.values(), layer.low_rank.a.val().grad(&grads).unwrap().values())
    });
    assert_eq!(constant.0, through.0);
    assert_ne!(constant.1, through.1);
}

#[test]
fn any_classifier_can_be_adapted() {
    let device = Device::flex().autodiff();
    let lenet: LeNet = LeNetConfig::digits().init(&device).unwrap();
    let images = fill::input("images", [2, 1, 16, 16], &device);
    let adapted = adapter::attach(lenet.clone(), &LoraConfig::new(4), 0).unwrap();
    // conv1 32 × 25, conv2 64 × 800, fc1 256 × 128, fc2 128 × 84, fc3 84 × 10
    assert_eq!(adapter::size(&adapted).adapter, 4 * (57 + 864 + 384 + 212 + 94));
    let (ours, theirs) =
        (adapted.valid().forward(images.clone().inner()), lenet.valid().forward(images.inner()));
    assert_eq!(ours.to_data(), theirs.to_data());
}
