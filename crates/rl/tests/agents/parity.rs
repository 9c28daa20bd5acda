//! The same numbers as Stable-Baselines3 and NumPy; the reference is `xtask/reference/parity/rl_agents.py`.

use burn::module::Param;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use fornax_nn_core::check::Fixture;
use fornax_rl::agent::RunningMoments;
use fornax_rl::buffer::{Priority, Replay, Steps, Transition, gae};
use fornax_rl::dqn::{Atoms, project};
use fornax_rl::policy::{Actions, Distribution, Lstm, LstmState, squashed};
use fornax_rl::random::Pcg64;

const RTOL: f64 = 1e-5;
const ATOL: f64 = 2e-6;

fn fixture() -> Fixture {
    Fixture::parse(include_str!("../fixtures/agents.json")).unwrap()
}

fn wave(count: usize, a: f64, b: f64) -> Vec<f32> {
    (0..count).map(|i| (a * i as f64 + b).sin() as f32).collect()
}

fn table(values: Vec<f32>, width: usize) -> Tensor<2> {
    let rows = values.len() / width;
    Tensor::from_data(TensorData::new(values, [rows, width]), &Device::flex())
}

#[test]
fn advantages_and_returns_are_those_of_stable_baselines3() {
    let (steps, n) = (16, 3);
    let count = steps * n;
    let terminated: Vec<bool> = (0..count).map(|i| i % 7 == 3).collect();
    let truncated: Vec<bool> = (0..count).map(|i| i % 11 == 5 && i % 7 != 3).collect();
    let (rewards, values, last) = (wave(count, 0.7, 1.0), wave(count, 0.9, 2.0), wave(n, 1.1, 4.0));
    let steps = Steps {
        rewards: &rewards,
        values: &values,
        terminated: &terminated,
        truncated: &truncated,
        final_values: &wave(count, 1.3, 3.0),
        last_values: &last,
    };
    for (name, gamma, lambda) in [("gae", 0.98, 0.8), ("lambda_one", 0.9, 1.0), ("lambda_zero", 0.9, 0.0)] {
        let (advantages, returns) = gae(steps, gamma, lambda);
        fixture().check(&format!("{name}.advantages"), advantages.as_slice(), RTOL, ATOL).unwrap();
        fixture().check(&format!("{name}.returns"), returns.as_slice(), RTOL, ATOL).unwrap();
    }
}

#[test]
fn distributions_are_those_of_stable_baselines3() {
    let rows = 12;
    let logits: Vec<f32> = wave(rows * 5, 1.7, 0.5).iter().map(|x| 3.0 * x).collect();
    let params = table(logits.clone(), 5);
    let check = |name: &str, (log_prob, entropy): (Tensor<2>, Tensor<2>)| {
        for (what, tensor) in [("log_prob", log_prob), ("entropy", entropy)] {
            let values = tensor.into_data().try_to_vec::<f32>().unwrap();
            fixture().check(&format!("{name}.{what}"), values.as_slice(), RTOL, ATOL).unwrap();
        }
    };
    let categorical = Distribution::Categorical(5);
    let choices: Vec<f32> = (0..rows).map(|i| (i % 5) as f32).collect();
    let actions = Actions::new(&categorical, &choices, &params);
    check("categorical", categorical.evaluate(params.clone(), None, &actions));
    let several = Distribution::MultiCategorical(vec![2, 3]);
    let pairs: Vec<f32> = (0..rows).flat_map(|i| [(i % 2) as f32, (i % 3) as f32]).collect();
    let actions = Actions::new(&several, &pairs, &params);
    check("multi", several.evaluate(params.clone(), None, &actions));
    let mean: Vec<f32> = logits.chunks(5).flat_map(|row| [row[0], row[1]]).collect();
    let log_std = wave(2, 1.0, 0.3);
    let actions: Vec<f32> = wave(rows * 2, 0.4, 0.1).iter().map(|x| 2.0 * x).collect();
    let gaussian = Distribution::Gaussian(2);
    let params = table(mean.clone(), 2);
    let actions = Actions::new(&gaussian, &actions, &params);
    let std = Tensor::<1>::from_data(log_std.as_slice(), &Device::flex());
    check("gaussian", gaussian.evaluate(params, Some(std), &actions));

    let params: Vec<f32> =
        mean.chunks(2).flat_map(|mean| [mean[0], mean[1], log_std[0], log_std[1]]).collect();
    let (actions, log_prob) = squashed::sample(table(params, 4), table(wave(rows * 2, 2.3, 0.2), 2));
    fixture().check("squashed.action", &actions, RTOL, ATOL).unwrap();
    let log_prob = log_prob.into_data().try_to_vec::<f32>().unwrap();
    // log N and the sum of logarithms are of size 10 and of opposite sign: the tolerance is absolute.
    fixture().check("squashed.log_prob", log_prob.as_slice(), RTOL, 1e-5).unwrap();
}

#[test]
fn the_projection_is_that_of_the_triangles() {
    let (batch, atoms) = (8, Atoms { count: 11, low: -2.0, high: 2.0 });
    let probabilities: Vec<f32> = wave(batch * 11, 0.37, 0.0)
        .chunks(11)
        .flat_map(|row| {
            let weights: Vec<f32> = row.iter().map(|x| x.exp()).collect();
            let sum: f32 = weights.iter().sum();
            weights.into_iter().map(move |w| w / sum).collect::<Vec<_>>()
        })
        .collect();
    let rewards: Vec<f32> = wave(batch, 0.8, 0.4).iter().map(|x| 3.0 * x).collect();
    let discounts: Vec<f32> = (0..batch).map(|i| if i % 3 > 0 { 0.9 } else { 0.0 }).collect();
    let found = table(project(&atoms, &probabilities, &rewards, &discounts), 11);
    fixture().check("projection", &found, RTOL, ATOL).unwrap();
}

#[test]
fn prioritised_weights_are_those_of_the_formula() {
    let priority = Priority { alpha: 0.6, beta: 0.4, epsilon: 1e-6 };
    let mut replay = Replay::new(16, 1, 1, Some(priority)).unwrap();
    for i in 0..16 {
        let row = [i as f32];
        replay.push(Transition {
            observation: &row,
            action: &row,
            reward: 0.0,
            discount: 0.0,
            next_observation: &row,
        });
    }
    replay.update(&(0..16).collect::<Vec<_>>(), &wave(16, 0.6, 0.7));
    // Large enough that every transition is in the batch, and so the rarest too.
    let batch = replay.sample(4_000, 0.0, &mut Pcg64::new(0));
    let mut weights = vec![f32::NAN; 16];
    batch.indices.iter().zip(&batch.weights).for_each(|(&i, &weight)| weights[i] = weight);
    fixture().check("weights", weights.as_slice(), RTOL, ATOL).unwrap();
}

#[test]
fn running_moments_are_those_of_stable_baselines3() {
    let mut moments = RunningMoments::new(3);
    for k in 0..5 {
        let rows: Vec<f32> = wave(12, 0.9, f64::from(k)).iter().map(|x| x * (k + 1) as f32).collect();
        moments.update(&rows);
    }
    let found: Vec<f64> = moments.mean.iter().chain(&moments.variance).copied().collect();
    fixture().check("moments", found.as_slice(), 1e-6, 1e-7).unwrap();
}

/// Gates stand in PyTorch's order; its matrices are ours transposed.
#[test]
fn a_layer_with_a_memory_is_that_of_pytorch() {
    let (steps, n, inputs, units) = (6, 3, 4, 5);
    let weights = |rows: usize, columns: usize, a: f64| {
        table(wave(rows * columns, a, 0.2).iter().map(|x| 0.5 * x).collect(), columns)
    };
    let device = Device::flex().autodiff();
    let lift = |tensor: Tensor<2>| Tensor::<2>::from_data(tensor.into_data(), &device);
    let lstm = Lstm {
        input: Param::from_tensor(lift(weights(4 * units, inputs, 0.7).transpose()).require_grad()),
        hidden: Param::from_tensor(lift(weights(4 * units, units, 0.9).transpose()).require_grad()),
        bias: Param::from_tensor(
            lift(weights(4 * units, 1, 1.1).transpose()).squeeze_dim::<1>(0).require_grad(),
        ),
    };
    let begins: Vec<bool> = (0..steps * n).map(|i| [4, 9, 10].contains(&i)).collect();
    let state = LstmState { hidden: wave(n * units, 1.3, 0.3), cell: wave(n * units, 1.7, 0.3) };
    let x = table(wave(steps * n * inputs, 0.31, 0.4), inputs);
    let trace = lstm.trace(x, &begins, &state);
    fixture().check("lstm.output", &trace.output, RTOL, ATOL).unwrap();

    let mut gradients = GradientsParams::new();
    lstm.backward(trace, table(wave(steps * n * units, 0.53, 0.6), units), &mut gradients);
    for (name, id) in [("weight_ih_l0", lstm.input.id), ("weight_hh_l0", lstm.hidden.id)] {
        let found = gradients.get::<2>(id).unwrap().transpose();
        fixture().check(&format!("lstm.gradient.{name}"), &found, 1e-4, 1e-5).unwrap();
    }
    let found = gradients.get::<1>(lstm.bias.id).unwrap();
    fixture().check("lstm.gradient.bias_ih_l0", &found, 1e-4, 1e-5).unwrap();
}
