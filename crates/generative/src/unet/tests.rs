use super::*;
use burn::tensor::{DType, TensorData};
use fornax_nn_core::check::{GradCheck, assert_close, fill};

fn input<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(fill::data(name, &shape), (&Device::flex().autodiff(), DType::F64))
}

/// Three levels of few channels, two classes.
fn config() -> UNetConfig {
    UNetConfig::new(vec![4, 4, 6]).with_groups(2).with_dropout(0.0).with_classes(2)
}

#[test]
fn blocks_have_the_gradient_of_central_differences() {
    let device = Device::flex().autodiff();
    let (x, e) = (input::<4>("x", [2, 4, 3, 2]), input::<2>("e", [2, 5]));
    let weights = input::<4>("weights", [2, 6, 3, 2]);
    let block = fill::fill(ResidualBlock::new([4, 6], 5, &config(), &device));
    let report = GradCheck::new()
        .model(block, |block| (block.forward(x.clone(), &e) * weights.clone()).sum())
        .unwrap();
    assert_eq!((report.compared, report.excepted), (12, 0));
    let attention = fill::fill(Attention::new(4, 2, &device));
    let weights = input::<4>("weights", [2, 4, 3, 2]);
    let report = GradCheck::new()
        .model(attention, |attention| (attention.forward(x.clone() * 3.0) * weights.clone()).sum())
        .unwrap();
    assert_eq!((report.compared, report.excepted), (6, 0));
    let x = TensorData::from([[[[0.3_f64, -1.0], [2.0, 0.1]]]]);
    let report = GradCheck::new()
        .function(&Device::flex(), &[("x", x)], |inputs| resize_double(inputs.get::<4>("x")).square())
        .unwrap();
    assert_eq!(report.compared, 16 * 4);
}

#[test]
fn the_whole_network_has_the_gradient_of_central_differences() {
    let device = Device::flex().autodiff();
    let model = fill::fill(config().init(&device).unwrap());
    let labels = Tensor::<1, Int>::from_data([1, 2], &device);
    let (x, time) = (input::<4>("x", [2, 1, 4, 8]), input::<1>("time", [2]).abs());
    let weights = input::<4>("weights", [2, 1, 4, 8]);
    let report = GradCheck::new()
        .model(model, |model| (model.forward(x.clone(), time.clone(), Some(&labels)) * weights.clone()).sum())
        .unwrap();
    assert_eq!(report.excepted, 0);
    assert!(report.compared > 80, "{}", report.compared);
}

#[test]
fn at_first_it_says_nothing_and_the_seed_is_all_that_matters() {
    let device = Device::flex();
    let model = config().with_seed(4).init(&device).unwrap();
    let x = fill::input::<4>("x", [2, 1, 8, 8], &device);
    let time = Tensor::from_data([0.2, 0.9], &device);
    assert_close(&model.forward(x, time, None), &[0.0; 128], 0.0, 0.0);
    let weight =
        |seed| config().with_seed(seed).init(&device).unwrap().down[1].blocks[0].conv1.weight.to_data();
    assert_eq!(weight(4), weight(4));
    assert_ne!(weight(4), weight(5));
}

#[test]
fn time_and_class_change_the_answer_and_no_class_is_the_last() {
    let device = Device::flex();
    let model = fill::fill(config().init(&device).unwrap());
    let x = fill::input::<4>("x", [1, 1, 8, 8], &device).repeat_dim(0, 2);
    let answer = |times: [f64; 2], labels: Option<[i64; 2]>| {
        let labels = labels.map(|labels| Tensor::from_data(labels, &device));
        model.forward(x.clone(), Tensor::from_data(times, &device), labels.as_ref())
    };
    let differ =
        |y: Tensor<4>| (y.clone().narrow(0, 0, 1) - y.narrow(0, 1, 1)).abs().max().into_scalar::<f32>();
    assert!(differ(answer([0.1, 0.8], None)) > 1e-3);
    assert!(differ(answer([0.1, 0.1], Some([0, 1]))) > 1e-3);
    assert_eq!(differ(answer([0.1, 0.1], None)), 0.0);
    assert_close(&answer([0.1, 0.8], Some([2, 2])), &answer([0.1, 0.8], None), 0.0, 0.0);
}

#[test]
#[should_panic(expected = "expected sides divisible by 4, got 6 × 8")]
fn sides_that_cannot_be_halved_are_refused() {
    let model = config().init(&Device::flex()).unwrap();
    let x = fill::input::<4>("x", [1, 1, 6, 8], &Device::flex());
    model.forward(x, Tensor::from_data([0.5], &Device::flex()), None);
}

#[test]
fn unusable_sizes_are_named() {
    let error = |config: UNetConfig| config.init(&Device::flex()).unwrap_err().to_string();
    assert!(error(UNetConfig::new(vec![])).starts_with("channels"));
    assert!(error(UNetConfig::new(vec![8, 12])).starts_with("channels: must be multiples of the 8 groups"));
    assert!(error(UNetConfig::new(vec![8]).with_blocks(0)).starts_with("blocks"));
    assert!(config().validate_side(8).is_ok());
    for side in [0, 6] {
        let reason = format!("side: must be a multiple of 4, got {side}");
        assert_eq!(config().validate_side(side).unwrap_err().to_string(), reason);
    }
    assert!(error(UNetConfig::new(vec![8]).with_dropout(1.0)).starts_with("dropout"));
}
