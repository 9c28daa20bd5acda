use burn::tensor::{Device, Tensor};
use serde_json::Value;

use super::*;
use crate::DeviceChoice;
#[cfg(feature = "wgpu-unfused")]
use crate::device::Adapter;
use crate::device::DeviceError;
use crate::differences::{assert_close, assert_gradient, gradient, scattered, tensor, values};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/activation.json")).unwrap()
}

/// f at many points at once, in double precision.
fn at(activation: Activation, x: &[f64]) -> Vec<f64> {
    values(activation.apply(tensor(x, [x.len()], &Device::flex())))
}

fn slope_at(activation: Activation, x: &[f64]) -> Vec<f64> {
    values(activation.derivative(tensor(x, [x.len()], &Device::flex())).unwrap())
}

fn elementwise() -> impl Iterator<Item = Activation> {
    Activation::ALL.into_iter().filter(Activation::is_elementwise)
}

#[test]
fn values_and_derivatives_equal_pytorchs_on_a_grid() {
    let fixture = fixture();
    let grid = numbers(&fixture["grid"]);
    let listed = fixture["elementwise"].as_object().unwrap();
    for (name, expected) in listed {
        let activation: Activation = name.parse().unwrap();
        let (value, slope) = (numbers(&expected["value"]), numbers(&expected["gradient"]));
        assert_close(&at(activation, &grid), &value, 1e-10, 1e-12);
        // PyTorch's hardsigmoid multiplies its gradient by a single-precision sixth.
        let rtol = if name == "hard_sigmoid" { 1e-7 } else { 1e-10 };
        assert_close(&slope_at(activation, &grid), &slope, rtol, 1e-12);
    }
    for activation in elementwise() {
        assert!(listed.contains_key(&activation.to_string()), "{activation} has no reference");
    }
}

/// In single precision, the one networks are trained in, on any device.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn assert_parity_on(choice: DeviceChoice, rtol: f64, atol: f64) {
    let device = match choice.open() {
        Ok(device) => device,
        Err(error @ DeviceError::NoAdapter { .. }) => return eprintln!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    };
    let fixture = fixture();
    let grid: Vec<f32> = numbers(&fixture["grid"]).iter().map(|x| *x as f32).collect();
    for (name, expected) in fixture["elementwise"].as_object().unwrap() {
        let activation: Activation = name.parse().unwrap();
        let x = Tensor::<1>::from_data(grid.as_slice(), &device.clone().autodiff()).require_grad();
        let y = activation.apply(x.clone());
        let gradients = y.clone().sum().backward();
        assert_close(&values(y), &numbers(&expected["value"]), rtol, atol);
        let slope = numbers(&expected["gradient"]);
        assert_close(&values(x.grad(&gradients).unwrap()), &slope, rtol, atol);
        assert_close(&values(activation.derivative(x).unwrap()), &slope, rtol, atol);
    }
}

#[test]
fn activations_equal_pytorchs_in_single_precision_on_flex() {
    assert_parity_on(DeviceChoice::Flex, 1e-5, 1e-6);
}

#[cfg(feature = "ndarray")]
#[test]
fn activations_equal_pytorchs_in_single_precision_on_ndarray() {
    assert_parity_on(DeviceChoice::NdArray, 1e-4, 1e-5);
}

#[cfg(feature = "wgpu-unfused")]
#[test]
fn activations_equal_pytorchs_in_single_precision_on_wgpu() {
    assert_parity_on(DeviceChoice::Wgpu(Adapter::Best), 1e-4, 1e-5);
}

#[test]
fn softmax_and_gated_activations_equal_pytorchs_forward_and_backward() {
    let fixture = fixture();
    let rows = numbers(&fixture["rows"]);
    let upstream: Vec<Vec<f64>> = fixture["upstream"].as_array().unwrap().iter().map(numbers).collect();
    for (name, expected) in fixture["rowwise"].as_object().unwrap() {
        let activation: Activation = name.parse().unwrap();
        let x = tensor(&rows, [2, 6], &Device::flex());
        let y = activation.apply(x.clone());
        let width = y.dims()[1];
        assert_eq!(activation.input_width(width), 6);
        let upstream: Vec<f64> = upstream.iter().flat_map(|row| row[..width].to_vec()).collect();
        let upstream = tensor(&upstream, [2, width], &Device::flex());
        assert_close(&values(y), &numbers(&expected["value"]), 1e-12, 1e-14);
        let gradient = values(activation.backward(x, upstream));
        assert_close(&gradient, &numbers(&expected["gradient"]), 1e-12, 1e-14);
    }
}

#[test]
fn the_closed_form_derivative_is_autodiffs_and_the_limit_of_differences() {
    let x: Vec<f64> = scattered(40, -6.0, 6.0);
    for activation in elementwise() {
        let closed = slope_at(activation, &x);
        let auto = gradient(|x: Tensor<1>| activation.apply(x), &x, [40]);
        assert_close(&closed, &auto, 1e-12, 1e-13);
        assert_gradient(|x: Tensor<1>| activation.apply(x), &x, [40]);
    }
}

#[test]
fn the_derivative_at_a_kink_is_the_left_one() {
    let (kinks, left) = ([-3.0, -1.0, 0.0, 1.0, 3.0], [-3.0, -1.0, 0.0, 1.0, 3.0].map(|x| x - 1e-9));
    for activation in elementwise() {
        assert_close(&slope_at(activation, &kinks), &slope_at(activation, &left), 0.0, 1e-8);
    }
}

#[test]
fn the_backward_by_hand_is_autodiffs_for_every_activation() {
    let (x, weights) = (scattered(24, -4.0, 4.0), scattered(24, -1.0, 1.0));
    for activation in Activation::ALL {
        let width = if activation.input_width(1) == 2 { 3 } else { 6 };
        let weight = tensor(&weights[..4 * width], [4, width], &Device::flex());
        let hand = activation.backward(tensor(&x, [4, 6], &Device::flex()), weight.clone());
        let weighted =
            |x: Tensor<2>| (activation.apply(x) * Tensor::from_inner(weight.clone())).flatten(0, 1);
        let auto = gradient(weighted, &x, [4, 6]);
        assert_close(&values(hand), &auto, 1e-12, 1e-13);
    }
}

#[test]
fn values_stay_within_the_range_and_come_near_to_both_ends() {
    let x: Vec<f64> = (-80_000..=80_000).map(|i| f64::from(i) * 1e-3).collect();
    for activation in elementwise() {
        let y = at(activation, &x);
        let (low, high) = y.iter().fold((f64::MAX, f64::MIN), |(l, h), y| (l.min(*y), h.max(*y)));
        let range = activation.range();
        assert!(low >= range.low - 1e-12 && high <= range.high, "{activation}: [{low}, {high}] vs {range}");
        assert!(range.low == f64::NEG_INFINITY || low - range.low < 1e-6, "{activation}: {low} vs {range}");
        assert!(range.high == f64::INFINITY || range.high - high < 1e-6, "{activation}: {high} vs {range}");
    }
}

#[test]
fn outside_the_saturation_bounds_the_derivative_is_small_and_just_inside_it_is_not() {
    let mut tested = 0;
    for activation in elementwise() {
        for epsilon in [1e-1, 1e-2, 1e-3, 1e-6] {
            let Some(alive) = activation.saturation(epsilon) else {
                continue;
            };
            for (bound, outward) in [(alive.low, -1.0), (alive.high, 1.0)] {
                if bound.is_infinite() {
                    continue;
                }
                let outside: Vec<f64> = (1..400).map(|i| bound + outward * 0.05 * f64::from(i)).collect();
                let largest =
                    slope_at(activation, &outside).into_iter().fold(0.0, |m: f64, s| m.max(s.abs()));
                assert!(largest <= epsilon, "{activation} {epsilon}: {largest} outside of {alive}");
                let inside = slope_at(activation, &[bound - outward * 1e-3])[0].abs();
                assert!(inside > epsilon, "{activation} {epsilon}: {inside} inside {alive}");
                tested += 1;
            }
        }
    }
    assert!(tested > 40, "only {tested} bounds");
}

#[test]
fn the_derivative_of_sigmoid_is_at_most_a_quarter_and_twenty_of_them_vanish() {
    let x: Vec<f64> = (-1000..=1000).map(|i| f64::from(i) * 0.01).collect();
    let steepest = slope_at(Activation::Sigmoid, &x).into_iter().fold(0.0, f64::max);
    assert_eq!(steepest, 0.25);
    let deep = |activation: Activation| {
        gradient(|x: Tensor<1>| (0..20).fold(x, |x, _| activation.apply(x)), &[1.0], [1])[0]
    };
    assert!(deep(Activation::Sigmoid) < 0.25f64.powi(20));
    assert_eq!(deep(Activation::Relu), 1.0);
}

#[test]
fn softmax_sums_to_one_and_ignores_a_common_shift() {
    let x = tensor(&[1.0, -2.0, 0.5, 3.0], [1, 4], &Device::flex());
    let p = Activation::Softmax.apply(x.clone());
    assert!((p.clone().sum().into_scalar::<f64>() - 1.0).abs() < 1e-15);
    assert_close(&values(Activation::Softmax.apply(x + 700.0)), &values(p), 1e-12, 0.0);
    // Two classes are a sigmoid of the difference.
    let two = tensor(&[1.3, -0.4], [1, 2], &Device::flex());
    let sigmoid = at(Activation::Sigmoid, &[1.7])[0];
    assert!((values(Activation::Softmax.apply(two))[0] - sigmoid).abs() < 1e-15);
}

#[test]
fn extreme_inputs_give_finite_values_and_gradients() {
    let extreme = [-1e4f32, -300.0, -90.0, 0.0, 90.0, 1e4];
    let device = Device::flex().autodiff();
    for activation in Activation::ALL {
        let x = Tensor::<2>::from_data([extreme], &device).require_grad();
        let y = activation.apply(x.clone());
        let gradients = y.clone().sum().backward();
        let finite = |t: Tensor<2>| values(t).into_iter().all(f64::is_finite);
        assert!(finite(y), "{activation}");
        assert!(finite(x.grad(&gradients).unwrap()), "gradient of {activation}");
        if let Some(slope) = activation.derivative(x) {
            assert!(finite(slope), "derivative of {activation}");
        }
    }
}

#[test]
fn enormous_inputs_do_not_overflow_on_the_way() {
    for activation in elementwise() {
        let x = Tensor::<1>::from_data([-3e38f32, -1e30, 1e30, 3e38], &Device::flex());
        let expected = match activation {
            Activation::Selu => continue, // λx is too large itself
            Activation::Linear | Activation::LeakyRelu { .. } | Activation::Prelu { .. } => None,
            other => Some(if other.range().high == 1.0 { [1.0; 2] } else { [1e30, 3e38] }),
        };
        let y = values(activation.apply(x));
        assert!(y.iter().all(|y| y.is_finite()), "{activation}: {y:?}");
        if let Some(expected) = expected {
            assert_close(&y[2..], &expected, 1e-6, 0.0);
            let low = activation.range().low;
            assert!(y[..2].iter().all(|y| *y == 0.0 || *y == low), "{activation}: {y:?}");
        }
    }
}

#[test]
fn infinities_reach_the_limits_where_there_are_any() {
    let infinities = [f64::NEG_INFINITY, f64::INFINITY];
    let limits = [
        (Activation::Linear, infinities),
        (Activation::Relu, [0.0, f64::INFINITY]),
        (Activation::LeakyRelu { slope: 0.1 }, infinities),
        (Activation::Elu { alpha: 2.0 }, [-2.0, f64::INFINITY]),
        (Activation::Selu, [-SELU_SCALE * SELU_ALPHA, f64::INFINITY]),
        (Activation::Sigmoid, [0.0, 1.0]),
        (Activation::Tanh, [-1.0, 1.0]),
        (Activation::Softplus { beta: 1.0 }, [0.0, f64::INFINITY]),
        (Activation::HardSigmoid, [0.0, 1.0]),
        (Activation::HardTanh, [-1.0, 1.0]),
    ];
    for (activation, expected) in limits {
        assert_close(&at(activation, &infinities), &expected, 1e-15, 0.0);
    }
}

#[test]
fn elu_keeps_its_digits_near_zero() {
    let x = Tensor::<1>::from_data([-1e-6f32], &Device::flex());
    let y = Activation::Elu { alpha: 1.0 }.apply(x).into_scalar::<f32>();
    assert!((f64::from(y) / (-1e-6f64).exp_m1() - 1.0).abs() < 1e-6, "{y:e}");
}

#[test]
fn names_round_trip_and_json_is_the_name() {
    for activation in Activation::ALL {
        assert_eq!(activation.to_string().parse::<Activation>().unwrap(), activation);
        let json = serde_json::to_string(&activation).unwrap();
        assert_eq!(json, format!("\"{activation}\""));
        assert_eq!(serde_json::from_str::<Activation>(&json).unwrap(), activation);
    }
    assert_eq!("swish".parse::<Activation>().unwrap(), Activation::Silu);
    assert_eq!("leaky_relu".parse::<Activation>().unwrap(), Activation::LeakyRelu { slope: 0.01 });
}

#[test]
fn bad_names_and_parameters_are_refused_with_the_field() {
    let cases = [
        ("rleu", "activation", "did you mean \"relu\""),
        ("", "activation", "known: linear"),
        ("relu(2)", "activation", "no parameter"),
        ("elu(-1)", "activation.alpha", "positive"),
        ("leaky_relu(1.5)", "activation.slope", "[0, 1]"),
        ("softplus(0)", "activation.beta", "positive"),
        ("softplus(inf)", "activation.beta", "finite"),
        ("elu(nan)", "activation.alpha", "NaN"),
    ];
    for (text, field, reason) in cases {
        let error = text.parse::<Activation>().unwrap_err();
        assert_eq!(error.field, field, "{text}");
        assert!(error.reason.contains(reason), "{error}");
    }
}

#[test]
fn the_slope_of_prelu_is_learned() {
    let layer = Activation::Prelu { slope: 0.25 }.layer(&Device::flex().autodiff());
    let slope = layer.prelu.as_ref().unwrap().alpha.val();
    let x = Tensor::<1>::from_data([-2.0, 3.0, -0.5], &slope.device());
    let y = layer.forward(x);
    assert_eq!(values(y.clone()), [-0.5, 3.0, -0.125]);
    // ∂/∂a Σ f(x) = Σ min(0, x).
    let gradients = y.sum().backward();
    assert_eq!(slope.grad(&gradients).unwrap().into_scalar::<f32>(), -2.5);
    assert_eq!(Activation::Relu.layer(&Device::flex()).prelu.map(|_| ()), None);
}

#[test]
#[should_panic(expected = "even number of features, got 3")]
fn a_gate_over_an_odd_number_of_features_is_refused() {
    Activation::Glu.apply(Tensor::<2>::zeros([1, 3], &Device::flex()));
}
