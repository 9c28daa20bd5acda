use super::*;
use burn::nn::conv::Conv2dConfig;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{BatchNormConfig, DropoutConfig, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::module::{conv2d, linear};
use burn::tensor::ops::ConvOptions;

fn flex() -> Device {
    Device::flex()
}

fn x64<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(fill::data(name, &shape), (&flex().autodiff(), DType::F64))
}

#[test]
fn a_wrong_gradient_is_caught_and_located() {
    // x · detach(x) is x², but half of its derivative is cut off: autodiff says x, truth is 2x.
    let x = TensorData::from([0.0_f64, 0.5, -2.0]);
    let error = GradCheck::new()
        .function(&flex(), &[("x", x)], |inputs| {
            let x = inputs.get::<1>("x");
            x.clone() * x.detach()
        })
        .unwrap_err();
    let GradCheckError::Mismatch { parameter, index, output, analytic, numeric, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((parameter.as_str(), index, output), ("x", 1, Some(1)));
    assert!((analytic - 0.5).abs() < 1e-12 && (numeric - 1.0).abs() < 1e-8);
}

#[test]
fn a_gradient_off_by_a_ten_thousandth_is_caught() {
    let x = TensorData::from([0.7_f64]);
    let nearly = |scale: f64| {
        GradCheck::new().function(&flex(), &[("x", x.clone())], |inputs| {
            let x = inputs.get::<1>("x");
            // Value sin(x), gradient scale · cos(x).
            let sine = x.sin();
            sine.clone() * scale + sine.detach() * (1.0 - scale)
        })
    };
    assert!(nearly(1.0).is_ok());
    assert!(nearly(1.0001).is_err());
}

#[test]
fn a_parameter_cut_off_from_the_loss_is_named_by_path_and_element() {
    let model = fill::fill(LinearConfig::new(3, 2).init(&flex().autodiff()));
    let error = GradCheck::new()
        .model(model, |model| {
            let weight = model.weight.val();
            // Only column 1 of the weight is cut off from autodiff.
            let cut = Tensor::cat(vec![weight.clone().narrow(1, 0, 1), weight.narrow(1, 1, 1).detach()], 1);
            linear(x64("x", [2, 3]), cut, None).square().mean()
        })
        .unwrap_err();
    let GradCheckError::Mismatch { parameter, index, analytic, .. } = error else { panic!("{error}") };
    assert_eq!((parameter.as_str(), index % 2, analytic), ("weight", 1, 0.0));
}

#[test]
fn conv2d_with_groups_strides_dilations_and_paddings() {
    for groups in [1, 2] {
        for stride in [1, 2] {
            for dilation in [1, 2] {
                for padding in [0, 1] {
                    let inputs = [
                        ("x", fill::data("x", &[1, 2, 5, 4])),
                        ("weight", fill::data("weight", &[2, 2 / groups, 2, 2])),
                        ("bias", fill::data("bias", &[2])),
                    ];
                    let options =
                        ConvOptions::new([stride, stride], [padding, padding], [dilation, dilation], groups);
                    GradCheck::new()
                        .function(&flex(), &inputs, |inputs| {
                            let bias = Some(inputs.get("bias"));
                            conv2d(inputs.get::<4>("x"), inputs.get("weight"), bias, options.clone())
                        })
                        .unwrap_or_else(|error| {
                            panic!("groups {groups} stride {stride} dilation {dilation} padding {padding}: {error}")
                        });
                }
            }
        }
    }
}

#[test]
fn max_pooling_away_from_ties() {
    // Closed-form values differ by far more than ε, so there is no tie to except.
    for (kernel, stride, padding) in [([2, 2], [2, 2], [0, 0]), ([3, 2], [2, 1], [1, 1])] {
        let report = GradCheck::new()
            .function(&flex(), &[("x", fill::data("x", &[2, 2, 5, 6]))], |inputs| {
                let [top, left] = padding;
                let pool = MaxPool2dConfig::new(kernel)
                    .with_strides(stride)
                    .with_padding(PaddingConfig2d::Explicit(top, left, top, left))
                    .init();
                pool.forward(inputs.get::<4>("x"))
            })
            .unwrap();
        assert_eq!(report.excepted, 0);
    }
}

#[test]
fn linear_layers() {
    let inputs = [
        ("x", fill::data("x", &[3, 4])),
        ("weight", fill::data("weight", &[4, 5])),
        ("bias", fill::data("bias", &[5])),
    ];
    let report = GradCheck::new()
        .function(&flex(), &inputs, |inputs| {
            linear(inputs.get::<2>("x"), inputs.get("weight"), Some(inputs.get("bias")))
        })
        .unwrap();
    assert_eq!(report.compared, 15 * (12 + 20 + 5));
}

#[test]
fn cross_entropy() {
    GradCheck::new()
        .function(&flex(), &[("logits", fill::data("logits", &[4, 5]))], |inputs| {
            let targets = fill::targets("targets", [4], 5, &flex().autodiff());
            CrossEntropyLossConfig::new().init(&flex()).forward(inputs.get("logits"), targets)
        })
        .unwrap();
}

#[test]
fn a_kink_fails_unless_it_is_excepted_by_name() {
    let inputs = [("x", TensorData::from([-0.5_f64, 0.0, 0.5]))];
    let f = |inputs: &Inputs| relu(inputs.get::<1>("x"));
    assert!(matches!(
        GradCheck::new().function(&flex(), &inputs, f),
        Err(GradCheckError::Mismatch { index: 1, .. })
    ));
    let report = GradCheck::new().except("x", |_, x| x == 0.0).function(&flex(), &inputs, f).unwrap();
    assert_eq!((report.compared, report.excepted), (6, 1));
    let error = GradCheck::new().except("y", |_, _| true).function(&flex(), &inputs, f).unwrap_err();
    assert_eq!(error.to_string(), "exception for y, which is not among: x");
    let error = GradCheck::new().except("x", |_, _| true).function(&flex(), &inputs, f).unwrap_err();
    assert_eq!(error, GradCheckError::Nothing);
}

#[test]
fn a_model_of_convolution_normalisation_and_linear_layers() {
    #[derive(Module, Debug)]
    struct Net {
        conv: burn::nn::conv::Conv2d,
        norm: burn::nn::BatchNorm,
        fc: burn::nn::Linear,
    }
    let device = flex().autodiff();
    let net = fill::fill(Net {
        conv: Conv2dConfig::new([1, 2], [3, 3]).with_padding(PaddingConfig2d::Same).init(&device),
        norm: BatchNormConfig::new(2).init(&device),
        fc: LinearConfig::new(2 * 16, 3).init(&device),
    });
    let report = GradCheck::new()
        .except("conv.weight", |index, _| index == 4)
        .model(net, |net| {
            let x = net.norm.forward(net.conv.forward(x64("x", [3, 1, 4, 4]))).tanh();
            net.fc.forward(x.flatten::<2>(1, 3)).square().mean()
        })
        .unwrap();
    // Six parameter tensors; the running statistics ask for no gradient.
    assert_eq!((report.compared, report.excepted), (6, 1));
}

#[test]
fn dropout_passes_when_off_and_is_noticed_when_on() {
    let model = fill::fill(LinearConfig::new(8, 16).init(&flex().autodiff()));
    let check = |probability: f64| {
        let dropout = DropoutConfig::new(probability).init();
        GradCheck::new()
            .model(model.clone(), |model| dropout.forward(model.forward(x64("x", [4, 8]))).square().mean())
    };
    assert_eq!(check(0.0).unwrap().compared, 2);
    assert!(matches!(check(0.5), Err(GradCheckError::Noisy { .. })));
}

#[test]
fn values_that_are_not_finite_are_reported_as_such() {
    let inputs = [("x", TensorData::from([0.0_f64]))];
    let error = GradCheck::new().function(&flex(), &inputs, |inputs| inputs.get::<1>("x").log()).unwrap_err();
    assert_eq!(error.to_string(), "an output of the function is not finite");
    let error =
        GradCheck::new().function(&flex(), &inputs, |inputs| inputs.get::<1>("x").sqrt()).unwrap_err();
    assert_eq!(error.to_string(), "the gradient with respect to x is not finite");
}
