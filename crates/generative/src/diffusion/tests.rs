use super::*;
use crate::denoiser::{MlpDenoiserConfig, unguided};
use burn::tensor::{DType, Device, Distribution};
use fornax_nn_core::check::{assert_close, fill};
use fornax_nn_core::optim::AdamConfig;

const PREDICTIONS: [Prediction; 3] = [Prediction::Epsilon, Prediction::Data, Prediction::V];

fn input(name: &str, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(fill::data(name, &shape), (&Device::flex(), DType::F64))
}

fn noise(count: usize) -> Tensor<2> {
    let draws = Tensor::<2>::random([count, 1], Distribution::Normal(0.0, 1.0), &Device::flex());
    draws.cast(DType::F64)
}

#[test]
fn schedules_fall_from_data_to_noise() {
    for (schedule, steps) in [
        (NoiseSchedule::Linear, 1000),
        (NoiseSchedule::Linear, 50),
        (NoiseSchedule::Cosine, 1000),
        (NoiseSchedule::Cosine, 10),
        (NoiseSchedule::Cosine, 1),
    ] {
        let process = DiffusionConfig::new().with_schedule(schedule).with_steps(steps).init().unwrap();
        assert_eq!(process.alpha_bar(0), 1.0);
        for t in 1..=steps {
            assert!(process.alpha_bar(t) < process.alpha_bar(t - 1), "{schedule:?} {t}");
            assert!((0.0..1.0).contains(&process.beta(t)), "{schedule:?} {t}");
            assert!(t == 1 || process.beta(t) > process.beta(t - 1), "{schedule:?} {t}");
        }
        assert!((0.0..2e-3).contains(&process.alpha_bar(steps)), "{}", process.alpha_bar(steps));
    }
}

#[test]
fn schedules_are_the_papers() {
    let of = |schedule| DiffusionConfig::new().with_schedule(schedule).init().unwrap();
    let linear = of(NoiseSchedule::Linear);
    assert!((linear.beta(1) - 1e-4).abs() < 1e-12 && (linear.beta(1000) - 0.02).abs() < 1e-12);
    // Ho et al.: KL(q(x_T|x_0) ‖ N(0, 1)) is about 1e-5 bits a dimension, so ᾱ_T is some 4e-5.
    assert!((3e-5..5e-5).contains(&linear.alpha_bar(1000)), "{}", linear.alpha_bar(1000));
    let cosine = of(NoiseSchedule::Cosine);
    let f = |x: f64| ((x + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
    for t in [1, 250, 500, 990] {
        let expected = f(t as f64 / 1000.0) / f(0.0);
        assert!((cosine.alpha_bar(t) - expected).abs() < 1e-12, "{t}");
    }
    assert!((cosine.beta(1000) - 0.999).abs() < 1e-9);
}

#[test]
fn the_posterior_is_what_bayes_rule_gives() {
    let (x, x_t) = (input("x", [4, 3]), input("x_t", [4, 3]));
    for schedule in [NoiseSchedule::Linear, NoiseSchedule::Cosine] {
        let process = DiffusionConfig::new().with_schedule(schedule).with_steps(100).init().unwrap();
        for t in [2, 3, 40, 99, 100] {
            let (before, beta) = (process.alpha_bar(t - 1), process.beta(t));
            // q(x_{t−1}|x_t, x_0) ∝ N(x_t; √(1−β)·x_{t−1}, β) · N(x_{t−1}; √ᾱ_{t−1}·x_0, 1 − ᾱ_{t−1}): precisions add up.
            let precision = (1.0 - beta) / beta + 1.0 / (1.0 - before);
            let pull =
                x_t.clone() * ((1.0 - beta).sqrt() / beta) + x.clone() * (before.sqrt() / (1.0 - before));
            let (mean, variance) = process.posterior(x.clone(), x_t.clone(), t);
            assert!((variance * precision - 1.0).abs() < 1e-9, "{variance} {precision}");
            assert_close(&mean, &(pull / precision), 1e-9, 1e-12);
        }
        // Before the first step there was no noise: the data itself.
        let (mean, variance) = process.posterior(x.clone(), x_t.clone(), 1);
        assert_eq!(variance, 0.0);
        assert_close(&mean, &x, 1e-9, 1e-12);
    }
}

#[test]
fn many_small_steps_of_noise_are_one_large_one() {
    let process = DiffusionConfig::new().with_steps(60).init().unwrap();
    let (mut scale, mut variance) = (1.0, 0.0);
    let (one, zero) = (
        Tensor::<2>::ones([1, 1], (&Device::flex(), DType::F64)),
        Tensor::<2>::zeros([1, 1], (&Device::flex(), DType::F64)),
    );
    for t in 1..=60 {
        let keep: f64 = 1.0 - process.beta(t);
        (scale, variance) = (scale * keep.sqrt(), variance * keep + process.beta(t));
        let a = process.add_noise(one.clone(), &[t], zero.clone()).into_scalar::<f64>();
        let sigma = process.add_noise(zero.clone(), &[t], one.clone()).into_scalar::<f64>();
        assert!((a - scale).abs() < 1e-12 && (sigma * sigma - variance).abs() < 1e-12, "{t}");
    }
}

#[test]
fn noise_data_and_v_say_the_same() {
    let (x, epsilon, t) = (input("x", [4, 3]), input("epsilon", [4, 3]), [1, 17, 60, 99]);
    for prediction in PREDICTIONS {
        let process = DiffusionConfig::new().with_steps(100).with_prediction(prediction).init().unwrap();
        let x_t = process.add_noise(x.clone(), &t, epsilon.clone());
        let said = process.target(x.clone(), &t, epsilon.clone());
        let (found_x, found_epsilon) = process.data_and_noise(said, x_t, &t);
        assert_close(&found_x, &x, 1e-8, 1e-9);
        assert_close(&found_epsilon, &epsilon, 1e-8, 1e-9);
    }
    // v is what the chain moves by: with a = cos φ and σ = sin φ, v = dx_t/dφ.
    let process = DiffusionConfig::new().with_prediction(Prediction::V).init().unwrap();
    let v = process.target(x.clone(), &[300; 4], epsilon.clone());
    let phi = |t: usize| process.alpha_bar(t).sqrt().acos();
    let at = |t: usize| process.add_noise(x.clone(), &[t; 4], epsilon.clone());
    assert_close(&((at(301) - at(299)) / (phi(301) - phi(299))), &v, 1e-4, 1e-5);
}

#[test]
fn ddim_with_eta_one_is_ddpm() {
    let (said, x_t, z) = (input("said", [4, 3]), input("x_t", [4, 3]), input("z", [4, 3]));
    for prediction in PREDICTIONS {
        for clip in [None, Some(0.5)] {
            let config = DiffusionConfig::new().with_steps(50).with_prediction(prediction).with_clip(clip);
            let process = config.init().unwrap();
            for t in [1, 2, 25, 50] {
                let (_, variance) = process.posterior(x_t.clone(), x_t.clone(), t);
                assert!((process.ddim_deviation(t, t - 1, 1.0).powi(2) - variance).abs() < 1e-12);
                let ddpm = process.ddpm_step(said.clone(), x_t.clone(), t, z.clone());
                let noise = Some((1.0, z.clone()));
                let ddim = process.ddim_step(said.clone(), x_t.clone(), (t, t - 1), noise);
                assert_close(&ddim, &ddpm, 1e-7, 1e-9);
            }
        }
    }
}

#[test]
fn ddim_without_noise_goes_straight_to_a_single_example() {
    // The best network for data that is one point c says ε = (x_t − a·c)/σ; then any stride ends in c, always.
    let config = DiffusionConfig::new().with_steps(100).with_prediction(Prediction::Epsilon);
    let process = config.init().unwrap();
    let network = |x: Tensor<2>, time: Tensor<1>| {
        let t = (time.into_data().iter::<f64>().next().unwrap() * 100.0).round() as usize;
        let (a, sigma) = (process.alpha_bar(t).sqrt(), (1.0 - process.alpha_bar(t)).sqrt());
        (x - 0.7 * a) / sigma
    };
    let start = input("start", [5, 2]);
    for count in [1, 3, 25, 100] {
        let found = process.ddim(network, start.clone(), count).unwrap();
        assert_close(&found, &[0.7; 10], 1e-6, 1e-7);
        let again = process.ddim(network, start.clone(), count).unwrap();
        assert_eq!(found.into_data(), again.into_data());
    }
    let noise = |_| start.clone();
    assert_close(&process.ddpm(network, start.clone(), noise), &[0.7; 10], 1e-6, 1e-7);
}

#[test]
fn strides_are_even_and_reach_both_ends() {
    let process = DiffusionConfig::new().with_steps(100).init().unwrap();
    for count in [1, 7, 25, 64, 100] {
        let strides = process.strides(count).unwrap();
        assert_eq!((strides.len(), strides[0].0, strides[count - 1].1), (count, 100, 0));
        assert!(strides.windows(2).all(|pair| pair[0].1 == pair[1].0));
        let (least, most) = (100 / count, 100usize.div_ceil(count));
        assert!(strides.iter().all(|(t, s)| (least..=most).contains(&(t - s))), "{strides:?}");
    }
    assert_eq!(process.strides(0).unwrap_err().field, "steps");
    assert_eq!(process.strides(101).unwrap_err().field, "steps");
}

/// 0.3·N(−1, 0.2²) + 0.7·N(0.8, 0.4²), and what the best network says of it.
struct Mixture<'a>(&'a Diffusion);

impl Mixture<'_> {
    const PARTS: [(f64, f64, f64); 2] = [(0.3, -1.0, 0.2), (0.7, 0.8, 0.4)];

    fn moments() -> (f64, f64, f64) {
        let moment =
            |of: &dyn Fn(f64, f64) -> f64| Self::PARTS.iter().map(|(w, m, s)| w * of(*m, *s)).sum::<f64>();
        let mean = moment(&|m, _| m);
        let variance = moment(&|m, s| (m - mean).powi(2) + s * s);
        // Third central moment: skewness tells the two modes from one normal distribution.
        (mean, variance, moment(&|m, s| (m - mean).powi(3) + 3.0 * (m - mean) * s * s))
    }

    fn noise_of(&self, x: Tensor<2>, time: Tensor<1>) -> Tensor<2> {
        let steps = self.0.steps() as f64;
        let t = (time.into_data().iter::<f64>().next().unwrap() * steps).round() as usize;
        let (a, sigma) = (self.0.alpha_bar(t).sqrt(), (1.0 - self.0.alpha_bar(t)).sqrt());
        // Each part of x_t is N(a·m, a²s² + σ²); E[ε|x_t, part] = σ·(x_t − a·m)/(a²s² + σ²).
        let (mut weights, mut sum) = (x.zeros_like(), x.zeros_like());
        for (w, m, s) in Self::PARTS {
            let variance = a * a * s * s + sigma * sigma;
            let distance = x.clone() - a * m;
            let weight = (distance.clone().square() * (-0.5 / variance)).exp() * (w / variance.sqrt());
            sum = sum + weight.clone() * distance * (sigma / variance);
            weights = weights + weight;
        }
        sum / weights
    }
}

#[test]
fn with_the_best_network_samples_have_the_moments_of_the_data() {
    let n = 20_000;
    Device::flex().seed(5);
    for schedule in [NoiseSchedule::Linear, NoiseSchedule::Cosine] {
        let config = DiffusionConfig::new().with_prediction(Prediction::Epsilon);
        let process = config.with_schedule(schedule).with_steps(500).init().unwrap();
        let mixture = Mixture(&process);
        let network = |x, time| mixture.noise_of(x, time);
        let (mean, variance, third) = Mixture::moments();
        let ddpm = process.ddpm(network, noise(n), |_| noise(n));
        let ddim = process.ddim(network, noise(n), 250).unwrap();
        for (name, samples) in [("DDPM", ddpm), ("DDIM", ddim)] {
            let centred = samples.clone() - mean;
            let found = |power: i32| centred.clone().powi_scalar(power).mean().into_scalar::<f64>();
            // Five standard errors, and the error of the steps, measured below 0.01.
            let error = |power: i32| 5.0 * (found(2 * power) / n as f64).sqrt() + 0.015;
            assert!(found(1).abs() < error(1), "{name}: mean off by {}", found(1));
            assert!((found(2) - variance).abs() < error(2), "{name}: {} {variance}", found(2));
            assert!((found(3) - third).abs() < error(3), "{name}: {} {third}", found(3));
        }
        assert!(third < -0.2, "{third}");
    }
}

#[test]
fn a_network_learns_normal_data() {
    // What is left of the loss at the best is E Var(v|x_t) = Var(x_0|x_t)/σ² = s²/(a²s² + σ²), averaged over t.
    let device = Device::flex().autodiff();
    let (m, s) = (0.5, 0.5);
    let process = DiffusionConfig::new().with_steps(100).init().unwrap();
    let mut model = MlpDenoiserConfig::new(1).with_hidden(vec![32, 32]).init(&device).unwrap();
    let mut optim = AdamConfig::new().init().unwrap();
    let draw = |seed, count| {
        device.seed(seed);
        let normal = || Tensor::<2>::random([count, 1], Distribution::Normal(0.0, 1.0), &device);
        let (x, epsilon) = (normal() * s + m, normal());
        let t = process.timesteps(Tensor::random([count], Distribution::Default, &device));
        Batch { x, labels: None, t, epsilon }
    };
    for step in 0..800 {
        (model, _) = train_step(&process, model, &mut optim, 3e-3, &draw(step, 256)).unwrap();
    }
    let test = draw(10_000, 20_000);
    let found = loss(&process, &model, &test).into_scalar::<f64>();
    let floor = |alpha_bar: f64| s * s / (alpha_bar * s * s + 1.0 - alpha_bar);
    let floor = (1..=100).map(|t| floor(process.alpha_bar(t))).sum::<f64>() / 100.0;
    assert!((0.95 * floor..1.1 * floor).contains(&found), "{found}, at best {floor}");
    let samples = process.ddim(unguided(&model.valid()), test.epsilon.without_autodiff(), 50).unwrap();
    let (mean, deviation) =
        (samples.clone().mean().into_scalar::<f64>(), samples.var_bias(0).into_scalar::<f64>().sqrt());
    assert!((mean - m).abs() < 0.06 && (deviation - s).abs() < 0.06, "{mean} {deviation}");
}

#[test]
fn timesteps_cover_every_step_alike() {
    let process = DiffusionConfig::new().with_steps(5).init().unwrap();
    let uniform = Tensor::<1>::from_data([0.0, 0.19, 0.2, 0.5, 0.8, 0.999_999_9], &Device::flex());
    assert_eq!(process.timesteps(uniform), [1, 1, 2, 3, 5, 5]);
    let like = Tensor::<2>::zeros([2, 1], &Device::flex());
    assert_close(&process.time(&[1, 5], &like), &[0.2, 1.0], 1e-6, 0.0);
}

#[test]
fn unusable_settings_are_named() {
    let error = |config: DiffusionConfig| config.init().unwrap_err().field;
    assert_eq!(error(DiffusionConfig::new().with_steps(0)), "steps");
    assert_eq!(error(DiffusionConfig::new().with_schedule(NoiseSchedule::Linear).with_steps(20)), "steps");
    assert_eq!(error(DiffusionConfig::new().with_clip(Some(0.0))), "clip");
}
