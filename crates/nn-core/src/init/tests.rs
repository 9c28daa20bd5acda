use burn::nn::Initializer;

use super::*;
use crate::differences::{tensor, values};

const RANDOM: [Init; 6] = [
    Init::XavierUniform { gain: 1.5 },
    Init::XavierNormal { gain: 1.0 },
    Init::HeUniform { gain: 1.0 },
    Init::HeNormal { gain: std::f64::consts::SQRT_2 },
    Init::LecunUniform,
    Init::LecunNormal,
];

fn sample(init: Init, shape: [usize; 2], seed: u64) -> Vec<f64> {
    values(init.tensor(shape, Fans::linear(shape), seed, &Device::flex()))
}

#[test]
fn every_scheme_has_mean_zero_and_the_variance_it_promises() {
    let (shape, n) = ([300, 200], 60_000.0f64);
    for init in RANDOM {
        let w = sample(init, shape, 3);
        let std = init.std(Fans::linear(shape));
        let mean = w.iter().sum::<f64>() / n;
        let variance = w.iter().map(|w| w * w).sum::<f64>() / n;
        // Five standard errors: the mean's is std/√n, the variance's at most std²·√(2/n).
        assert!(mean.abs() < 5.0 * std / n.sqrt(), "{init}: mean {mean}");
        assert!((variance / (std * std) - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{init}: {variance}");
    }
}

#[test]
fn uniform_weights_fill_their_bounds_and_normal_ones_have_kurtosis_three() {
    for init in RANDOM {
        let w = sample(init, [300, 200], 4);
        let std = init.std(Fans::linear([300, 200]));
        let largest = w.iter().fold(0.0f64, |m, w| m.max(w.abs())) / std;
        let kurtosis = w.iter().map(|w| (w / std).powi(4)).sum::<f64>() / w.len() as f64;
        if init.to_string().contains("uniform") {
            assert!(largest <= 3f64.sqrt() * (1.0 + 1e-6) && largest > 1.73, "{init}: {largest}");
            assert!((kurtosis - 1.8).abs() < 0.05, "{init}: {kurtosis}");
        } else {
            assert!((kurtosis - 3.0).abs() < 0.2, "{init}: {kurtosis}");
        }
    }
}

#[test]
fn orthogonal_matrices_are_orthogonal_in_whichever_direction_they_fit() {
    let device = Device::flex();
    for (shape, gain) in [([6, 6], 1.0), ([8, 3], 2.0), ([3, 8], 0.5), ([1, 5], 1.0)] {
        let init = Init::Orthogonal { gain };
        let w: Tensor<2> = init.tensor(shape, Fans::linear(shape), 11, &device);
        let gram = if shape[0] < shape[1] {
            w.clone().matmul(w.transpose())
        } else {
            w.clone().transpose().matmul(w)
        };
        let side = shape[0].min(shape[1]);
        for (i, entry) in values(gram).into_iter().enumerate() {
            let expected = if i / side == i % side { gain * gain } else { 0.0 };
            assert!((entry - expected).abs() < 1e-5, "{shape:?}: {entry} is not {expected}");
        }
    }
}

#[test]
fn orthogonal_treats_a_convolution_as_a_matrix_of_filters() {
    let w: Tensor<4> =
        Init::Orthogonal { gain: 1.0 }.tensor([4, 2, 3, 3], Fans::conv([4, 2, 3, 3]), 1, &Device::flex());
    let w: Tensor<2> = w.flatten(1, 3);
    let gram = values(w.clone().matmul(w.transpose()));
    assert!(gram.iter().enumerate().all(|(i, g)| (g - f64::from(i % 5 == 0)).abs() < 1e-5));
}

#[test]
fn fans_of_a_convolution_count_the_kernel() {
    assert_eq!(Fans::conv([16, 6, 5, 5]), Fans { fan_in: 150, fan_out: 400 });
    assert_eq!(Fans::linear([7, 3]), Fans { fan_in: 7, fan_out: 3 });
}

#[test]
fn one_seed_gives_one_network_and_another_seed_another() {
    for init in RANDOM.into_iter().chain([Init::Orthogonal { gain: 1.0 }]) {
        assert_eq!(sample(init, [5, 4], 9), sample(init, [5, 4], 9));
        assert_ne!(sample(init, [5, 4], 9), sample(init, [5, 4], 10));
    }
    assert_eq!(sample(Init::Zeros, [2, 2], 1), [0.0; 4]);
}

/// E[f(z)²] over z ~ N(0, 1) by the trapezoidal rule, which is exact to rounding for a smooth f.
fn second_moment(activation: Activation) -> f64 {
    let (step, count) = (1e-3, 24_001);
    let z: Vec<f64> = (0..count).map(|i| -12.0 + step * f64::from(i)).collect();
    let f = values(activation.apply(tensor(&z, [z.len()], &Device::flex())));
    let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    f.iter().zip(&z).map(|(f, z)| f * f * density(*z) * step).sum()
}

#[test]
fn fan_in_gains_are_one_over_the_root_of_the_second_moment() {
    let smooth = Activation::ALL.into_iter().filter(|activation| {
        activation.is_elementwise() && !matches!(activation, Activation::Softplus { .. })
    });
    let mut tested = 0;
    for activation in smooth.chain([Activation::Elu { alpha: 0.3 }, Activation::LeakyRelu { slope: 0.4 }]) {
        if let Init::HeNormal { gain } = Init::matched(&activation) {
            let moment = second_moment(activation);
            assert!((gain * gain * moment - 1.0).abs() < 1e-6, "{activation}: {gain}, {moment}");
            tested += 1;
        }
    }
    assert_eq!(tested, 11);
    // The gates are independent of what they gate: E[(a·σ(b))²] = E[σ(b)²].
    let Init::HeNormal { gain } = Init::matched(&Activation::Glu) else { panic!("not He") };
    assert!((gain * gain * second_moment(Activation::Sigmoid) - 1.0).abs() < 1e-6);
    assert!((second_moment(Activation::Selu) - 1.0).abs() < 1e-6, "SELU needs no gain");
}

/// Mean square of the signal after `depth` layers of width 256, starting from 1.
fn signal_after(depth: u64, activation: Activation, init: Init) -> f64 {
    let (width, device) = (256, Device::flex());
    let x: Tensor<2> = Init::HeNormal { gain: 16.0 }.tensor([32, width], Fans::linear([256, 1]), 99, &device);
    let shape = [width, width];
    let z = (0..depth).fold(x, |z, layer| {
        activation.apply(z).matmul(init.tensor(shape, Fans::linear(shape), layer, &device))
    });
    z.square().mean().into_scalar::<f64>()
}

#[test]
fn matched_weights_keep_a_signal_alive_through_thirty_layers_and_others_do_not() {
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Elu { alpha: 1.0 },
        Activation::Gelu,
        Activation::Selu,
    ] {
        let kept = signal_after(30, activation, Init::matched(&activation));
        assert!((0.1..10.0).contains(&kept), "{activation}: {kept}");
    }
    // ReLU halves the second moment: with LeCun's variance 2⁻³⁰ is left, with twice He's 2³⁰.
    let lost = signal_after(30, Activation::Relu, Init::LecunNormal).log2();
    assert!((-33.0..-27.0).contains(&lost), "{lost}");
    let exploded = signal_after(30, Activation::Relu, Init::HeNormal { gain: 2.0 }).log2();
    assert!((27.0..33.0).contains(&exploded), "{exploded}");
    let orthogonal = signal_after(30, Activation::Linear, Init::Orthogonal { gain: 1.0 });
    let start = signal_after(0, Activation::Linear, Init::Zeros);
    assert!((orthogonal / start - 1.0).abs() < 1e-4, "an orthogonal linear network keeps the norm");
}

#[test]
fn burns_initializer_for_a_scheme_has_the_same_bounds() {
    let device = Device::flex();
    let uniform = Init::XavierUniform { gain: 1.5 };
    let weight = Initializer::from(uniform).init_with::<2, _>([300, 200], Some(300), Some(200), &device);
    let largest = weight.val().abs().max().into_scalar::<f64>();
    let bound = 3f64.sqrt() * uniform.std(Fans::linear([300, 200]));
    assert!(largest <= bound && largest > 0.99 * bound, "{largest} of {bound}");
}

#[test]
fn names_round_trip_and_bad_ones_are_refused_with_the_field() {
    for init in RANDOM.into_iter().chain([Init::Zeros, Init::Orthogonal { gain: 1.0 }]) {
        assert_eq!(init.to_string().parse::<Init>().unwrap(), init);
        let json = serde_json::to_string(&init).unwrap();
        assert_eq!(serde_json::from_str::<Init>(&json).unwrap(), init);
    }
    assert_eq!("orthogonal".parse::<Init>().unwrap(), Init::Orthogonal { gain: 1.0 });
    let cases = [
        ("xavier", "init", "unknown name"),
        ("he_norml", "init", "did you mean \"he_normal\""),
        ("he_normal(-1)", "init.gain", "positive"),
        ("zeros(1)", "init", "no gain"),
    ];
    for (text, field, reason) in cases {
        let error = text.parse::<Init>().unwrap_err();
        assert!(error.field == field && error.reason.contains(reason), "{error}");
    }
}
