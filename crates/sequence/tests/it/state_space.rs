//! A state space model against the recurrence it stands for.

use burn::tensor::{Device, Tensor};
use fornax_nn_core::check::{assert_close, fill};
use fornax_sequence::StateSpaceConfig;

fn config(chunk: usize) -> StateSpaceConfig {
    StateSpaceConfig::new(3, 4).with_num_layers(2).with_state_size(6).with_chunk(chunk)
}

#[test]
fn every_size_of_chunk_gives_the_same() {
    let device = Device::flex();
    let x: Tensor<3> = fill::input("x", [2, 11, 3], &device);
    let read = |chunk: usize| fill::fill(config(chunk).init(&device).unwrap()).forward(x.clone(), None, None);
    let (expected, last) = read(1);
    for chunk in [2, 3, 5, 11, 64] {
        let (y, states) = read(chunk);
        assert_close(&y, &expected, 1e-5, 1e-5);
        for (state, last) in states.iter().zip(&last) {
            assert_close(&state.hidden, &last.hidden, 1e-5, 1e-5);
            assert_close(state.cell.as_ref().unwrap(), last.cell.as_ref().unwrap(), 1e-5, 1e-5);
        }
    }
}

#[test]
fn chunks_are_the_recurrence() {
    let device = Device::flex();
    let model = fill::fill(config(4).init(&device).unwrap());
    let x: Tensor<3> = fill::input("x", [2, 7, 3], &device);
    let (expected, last) = model.forward(x.clone(), None, None);
    // Step by step through all layers.
    let mut states = None;
    let mut outputs = Vec::new();
    for t in 0..7 {
        let (y, after) = model.forward(x.clone().narrow(1, t, 1), None, states);
        outputs.push(y);
        states = Some(after);
    }
    assert_close(&Tensor::cat(outputs, 1), &expected, 1e-5, 1e-5);
    assert_close(&states.unwrap()[1].hidden, &last[1].hidden, 1e-5, 1e-5);
    // And one layer by its own step.
    let layer = &model.layers[0];
    let x = model.encoder.forward(x);
    let (whole, _) = layer.forward(x.clone(), layer.start(2));
    let mut state = layer.start(2);
    for t in 0..7 {
        let y;
        (y, state) = layer.step(x.clone().narrow(1, t, 1).squeeze_dim::<2>(1), state);
        assert_close(&y, &whole.clone().narrow(1, t, 1).squeeze_dim::<2>(1), 1e-5, 1e-5);
    }
}

/// One channel, one wave, all in plain complex arithmetic: the recurrence of the page, and the exact solution of the differential
/// equation for an input that is constant within a step.
#[test]
fn one_wave_is_the_formula_on_the_page() {
    let (step, decay, frequency): (f64, f64, f64) = (0.05, 0.5, 3.0);
    let (c_re, c_im) = (0.7, -0.4);
    let inputs: Vec<f64> = (0..20).map(|i| fill::uniform("u", i)).collect();
    let size = (-decay * step).exp();
    let (a_re, a_im) = (size * (frequency * step).cos(), size * (frequency * step).sin());
    // (Ā − 1) / A with A = −decay + i·frequency
    let square = decay * decay + frequency * frequency;
    let held_re = ((a_re - 1.0) * -decay + a_im * frequency) / square;
    let held_im = (a_im * -decay - (a_re - 1.0) * frequency) / square;
    let (mut re, mut im) = (0.0, 0.0);
    let (mut x_re, mut x_im) = (0.0, 0.0);
    for u in inputs {
        (re, im) = (re * a_re - im * a_im + u, re * a_im + im * a_re);
        let with_c = (c_re * held_re - c_im * held_im, c_re * held_im + c_im * held_re);
        let y = 2.0 * (with_c.0 * re - with_c.1 * im);
        // s' = A s + u over a step by a thousand small ones.
        for _ in 0..1000 {
            let h = step / 1000.0;
            let slope = |re: f64, im: f64| (-decay * re - frequency * im + u, frequency * re - decay * im);
            let first = slope(x_re, x_im);
            let half = slope(x_re + 0.5 * h * first.0, x_im + 0.5 * h * first.1);
            (x_re, x_im) = (x_re + h * half.0, x_im + h * half.1);
        }
        let exact = 2.0 * (c_re * x_re - c_im * x_im);
        assert!((y - exact).abs() < 1e-6, "{y} against {exact}");
    }
}

#[test]
fn memory_fades_as_slowly_as_asked() {
    let device = Device::flex();
    // A step of 1e-4 and a decay of ½: after 1,000 steps e^(−0.05) is left of a pulse.
    let config =
        StateSpaceConfig::new(1, 2).with_num_layers(1).with_state_size(2).with_step_range([1e-4, 1.0001e-4]);
    let model = config.init(&device).unwrap();
    let layer = &model.layers[0];
    let pulse = Tensor::<3>::from_data([[[1.0, -1.0]]], &device);
    let (_, state) = layer.forward(pulse, layer.start(1));
    let (_, later) = layer.forward(Tensor::zeros([1, 1000, 2], &device), state.clone());
    let left = later.hidden / state.hidden;
    assert_close(&left, &[(-0.05f64).exp(); 2], 1e-3, 0.0);
}
