//! What all recurrent networks promise: lengths, carried states, memory, gradients through time, errors.

use std::fs;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::check::{assert_close, fill};
use fornax_sequence::error::{SequenceError, check_inputs, check_tokens};
use fornax_sequence::recurrent::{detach, torch_name};
use fornax_sequence::sequence_model::gradient_by_lag;
use fornax_sequence::{
    GruConfig, JordanConfig, Kind, LstmConfig, RnnConfig, SequenceConfig, SequenceModel, StateSpaceConfig,
};

const LENGTHS: [usize; 4] = [7, 3, 1, 5];

fn networks(bidirectional: bool, device: &Device) -> Vec<SequenceModel> {
    Kind::ALL
        .into_iter()
        .filter(|kind| !bidirectional || *kind != Kind::Ssm)
        .map(|kind| {
            let config = SequenceConfig::new(kind, 3, 6).with_num_layers(2).with_bidirectional(bidirectional);
            fill::fill(config.init(device).unwrap())
        })
        .collect()
}

#[test]
fn a_padded_batch_gives_what_its_sequences_give_alone() {
    let device = Device::flex();
    for bidirectional in [false, true] {
        for model in networks(bidirectional, &device) {
            let x: Tensor<3> = fill::input("x", [4, 7, 3], &device);
            let (padded, states) = model.forward(x.clone(), Some(&LENGTHS), None);
            for (sample, length) in LENGTHS.into_iter().enumerate() {
                let alone = x.clone().narrow(0, sample, 1).narrow(1, 0, length);
                let (y, last) = model.forward(alone, None, None);
                let row = padded.clone().narrow(0, sample, 1);
                assert_close(&row.clone().narrow(1, 0, length), &y, 1e-5, 1e-6);
                for (padded, alone) in states.iter().zip(&last) {
                    assert_close(&padded.hidden.clone().narrow(0, sample, 1), &alone.hidden, 1e-5, 1e-6);
                    if let (Some(padded), Some(alone)) = (&padded.cell, &alone.cell) {
                        assert_close(&padded.clone().narrow(0, sample, 1), alone, 1e-5, 1e-6);
                    }
                }
                if length < 7 {
                    let behind: f32 = row.narrow(1, length, 7 - length).abs().sum().into_scalar();
                    assert_eq!(behind, 0.0, "outputs behind the end");
                }
            }
        }
    }
}

#[test]
fn what_stands_in_the_padding_changes_nothing() {
    let device = Device::flex().autodiff();
    for model in networks(false, &device) {
        let x: Tensor<3> = fill::input("x", [4, 7, 3], &device);
        let other: Tensor<3> = fill::input("other", [4, 7, 3], &device) * 5.0;
        let mask: Tensor<3> = Tensor::from_data(
            burn::tensor::TensorData::new(
                (0..4 * 7).map(|i| f32::from(u8::from(i % 7 < LENGTHS[i / 7]))).collect::<Vec<f32>>(),
                [4, 7, 1],
            ),
            &device,
        );
        let changed = (x.clone() * mask.clone() + other * mask.neg().add_scalar(1.0)).require_grad();
        let (a, _) = model.forward(x, Some(&LENGTHS), None);
        let (b, states) = model.forward(changed.clone(), Some(&LENGTHS), None);
        assert_close(&a, &b, 0.0, 1e-6);
        let gradients = (b.sum() + states[0].hidden.clone().sum()).backward();
        let gradient: Vec<f32> = changed.grad(&gradients).unwrap().into_data().iter::<f32>().collect();
        for (at, value) in gradient.iter().enumerate() {
            let (sample, step) = (at / 21, at / 3 % 7);
            assert!(step < LENGTHS[sample] || *value == 0.0, "a gradient in the padding: {value}");
        }
    }
}

#[test]
fn a_sequence_may_be_read_in_stretches() {
    let device = Device::flex();
    for model in networks(false, &device) {
        let x: Tensor<3> = fill::input("x", [2, 9, 3], &device);
        let (whole, last) = model.forward(x.clone(), None, None);
        let mut states = None;
        let mut parts = Vec::new();
        for (start, length) in [(0, 4), (4, 1), (5, 4)] {
            let (y, after) = model.forward(x.clone().narrow(1, start, length), None, states);
            parts.push(y);
            states = Some(detach(after));
        }
        assert_close(&Tensor::cat(parts, 1), &whole, 1e-5, 1e-6);
        assert_close(&states.unwrap()[1].hidden, &last[1].hidden, 1e-5, 1e-6);
    }
}

#[test]
fn a_detached_state_stops_the_gradient() {
    let device = Device::flex().autodiff();
    for model in networks(false, &device) {
        let x: Tensor<3> = fill::input("x", [2, 4, 3], &device).require_grad();
        let (_, states) = model.forward(x.clone(), None, None);
        let (y, _) =
            model.forward(fill::input("later", [2, 4, 3], &device), None, Some(detach(states.clone())));
        assert!(x.grad(&y.sum().backward()).is_none_or(|g| g.abs().sum().into_scalar::<f32>() == 0.0));
        let (y, _) = model.forward(fill::input("later", [2, 4, 3], &device), None, Some(states));
        assert!(x.grad(&y.sum().backward()).unwrap().abs().sum().into_scalar::<f32>() > 0.0);
    }
}

#[test]
fn parameters_do_not_depend_on_the_length() {
    let device = Device::flex();
    // Gates · (input + hidden + two biases) · hidden, for a second layer hidden in place of input.
    let count = |gates: usize| gates * 6 * (3 + 6 + 2) + gates * 6 * (6 + 6 + 2);
    for (model, gates) in networks(false, &device).into_iter().zip([1, 4, 3]) {
        assert_eq!(model.num_params(), count(gates));
        for steps in [1, 50] {
            let (y, _) = model.forward(fill::input("x", [1, steps, 3], &device), None, None);
            assert_eq!(y.dims(), [1, steps, 6]);
        }
    }
}

fn resident_kib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// One process a test, so what is resident is this test's.
#[cfg(target_os = "linux")]
#[test]
fn memory_grows_linearly_with_the_length() {
    let device = Device::flex().autodiff();
    let model = fill::fill(SequenceConfig::new(Kind::Lstm, 32, 64).init(&device).unwrap());
    let used = |steps: usize| {
        let x: Tensor<3> = fill::input("x", [16, steps, 32], &device);
        let before = resident_kib();
        let (y, _) = model.forward(x, None, None);
        let held = resident_kib() - before;
        drop(y);
        held
    };
    used(100);
    let (short, long) = (used(400), used(1600));
    // Four times the steps: 4 when linear, 16 when quadratic; pages freed before are taken again first.
    assert!(long > 2.0 * short && long < 7.0 * short.max(1.0), "{short} kiB, then {long} kiB");
}

#[test]
fn a_plain_networks_gradient_vanishes_where_an_lstms_does_not() {
    let device = Device::flex().autodiff();
    let lag = |kind: Kind| {
        let model = fill::fill(SequenceConfig::new(kind, 3, 32).init(&device).unwrap());
        let model = match model {
            SequenceModel::Lstm(mut lstm) => {
                // A forget gate of σ(3) = 0.95.
                lstm.cells[0].bias_ih = lstm.cells[0].bias_ih.take().map(|bias| {
                    bias.map(|b| {
                        let three = Tensor::full([32], 3.0, &b.device());
                        b.detach()
                            .set_require_grad(false)
                            .slice_assign(burn::tensor::s![32..64], three)
                            .require_grad()
                    })
                });
                SequenceModel::Lstm(lstm)
            }
            other => other,
        };
        gradient_by_lag(&model, fill::input("x", [4, 60, 3], &device))
    };
    let (plain, gated) = (lag(Kind::Rnn), lag(Kind::Lstm));
    assert_eq!((plain.len(), gated.len()), (60, 60));
    let faded = |norms: &[f64]| norms[59] / norms[0];
    // The closed-form W_hh is uniform on ±1/√32: its spectral radius is about 1/√3, and 0.58^59 = 1e-14.
    assert!(faded(&plain) < 1e-8, "{:e}", faded(&plain));
    // 0.95^59 = 0.05, and the gates fluctuate around it.
    assert!(faded(&gated) > 1e-3, "{:e}", faded(&gated));
}

#[test]
fn wrong_batches_are_refused_by_name() {
    assert_eq!(check_inputs([2, 4, 3], Some(&[4, 1]), 3), Ok(()));
    let error = |dims, lengths: Option<&[usize]>| check_inputs(dims, lengths, 3).unwrap_err();
    assert_eq!(error([2, 4, 5], None), SequenceError::Features { actual: 5, expected: 3 });
    assert_eq!(error([2, 0, 3], None), SequenceError::Empty { batch: 2, steps: 0 });
    assert_eq!(error([0, 4, 3], None), SequenceError::Empty { batch: 0, steps: 4 });
    assert_eq!(error([2, 4, 3], Some(&[4])), SequenceError::LengthCount { actual: 1, expected: 2 });
    for length in [0, 5] {
        let expected = SequenceError::Length { sample: 1, length, steps: 4 };
        assert_eq!(error([2, 4, 3], Some(&[4, length])), expected);
    }
    let tokens = Tensor::from_data([[0, 3], [9, 1]], &Device::flex());
    assert_eq!(check_tokens(&tokens, 10), Ok(()));
    let error = check_tokens(&tokens, 9).unwrap_err();
    assert_eq!(error, SequenceError::Token { sample: 1, position: 0, token: 9, vocabulary: 9 });
    assert_eq!(error.to_string(), "token 9 at position 0 of sample 1, expected 0 to 8");
}

#[test]
#[should_panic(expected = "length 5 of sample 1, expected 1 to 4")]
fn forward_names_the_wrong_length() {
    let model = GruConfig::new(3, 4).init(&Device::flex()).unwrap();
    model.forward(Tensor::zeros([2, 4, 3], &Device::flex()), Some(&[4, 5]), None);
}

#[test]
#[should_panic(expected = "states, expected")]
fn forward_refuses_the_states_of_another_network() {
    let device = Device::flex();
    let gru = GruConfig::new(3, 4).init(&device).unwrap();
    let (_, states) = gru.forward(Tensor::zeros([2, 4, 3], &device), None, None);
    let lstm = LstmConfig::new(3, 4).init(&device).unwrap();
    lstm.forward(Tensor::zeros([2, 4, 3], &device), None, Some(states));
}

#[test]
fn unusable_sizes_are_named() {
    let device = Device::flex();
    let rnn = |config: RnnConfig| config.init(&device).unwrap_err().field;
    assert_eq!(rnn(RnnConfig::new(0, 4)), "input_size");
    assert_eq!(rnn(RnnConfig::new(3, 0)), "hidden_size");
    assert_eq!(rnn(RnnConfig::new(3, 4).with_num_layers(0)), "num_layers");
    assert_eq!(rnn(RnnConfig::new(3, 4).with_num_layers(2).with_dropout(1.0)), "dropout");
    assert_eq!(rnn(RnnConfig::new(3, 4).with_dropout(0.5)), "dropout");
    let lstm = |config: LstmConfig| config.init(&device).unwrap_err().field;
    assert_eq!(lstm(LstmConfig::new(3, 4).with_proj_size(Some(4))), "proj_size");
    assert_eq!(lstm(LstmConfig::new(3, 4).with_proj_size(Some(0))), "proj_size");
    assert_eq!(lstm(LstmConfig::new(3, 4).with_forget_bias(f64::NAN)), "forget_bias");
    assert_eq!(lstm(LstmConfig::new(3, 4).with_bias(false).with_forget_bias(1.0)), "forget_bias");
    assert_eq!(lstm(LstmConfig::new(3, 4).with_chrono(Some(2))), "chrono");
    assert_eq!(lstm(LstmConfig::new(3, 4).with_chrono(Some(9)).with_bias(false)), "chrono");
    assert_eq!(lstm(LstmConfig::new(3, 4).with_chrono(Some(9)).with_forget_bias(1.0)), "chrono");
    let chrono = SequenceConfig::new(Kind::Gru, 3, 4).with_chrono(Some(9));
    assert_eq!(chrono.init(&device).unwrap_err().field, "chrono");
    assert_eq!(JordanConfig::new(3, 4, 0).init(&device).unwrap_err().field, "output_size");
    let ssm = |config: StateSpaceConfig| config.init(&device).unwrap_err().field;
    assert_eq!(ssm(StateSpaceConfig::new(3, 4).with_state_size(3)), "state_size");
    assert_eq!(ssm(StateSpaceConfig::new(3, 4).with_step_range([0.1, 0.1])), "step_range");
    assert_eq!(ssm(StateSpaceConfig::new(3, 4).with_chunk(0)), "chunk");
    let twice = SequenceConfig::new(Kind::Ssm, 3, 4).with_bidirectional(true);
    assert_eq!(twice.init(&device).unwrap_err().field, "bidirectional");
    assert_eq!("gpt".parse::<Kind>().unwrap_err().field, "kind");
}

#[test]
fn the_forget_gate_starts_where_it_was_asked_to() {
    let lstm = LstmConfig::new(3, 4).with_forget_bias(1.0).init(&Device::flex()).unwrap();
    let bias: Vec<f32> = lstm.cells[0].bias_ih.as_ref().unwrap().to_data().iter::<f32>().collect();
    for (row, bias) in bias.iter().enumerate() {
        let centre = if (4..8).contains(&row) { 1.0 } else { 0.0 };
        assert!((bias - centre).abs() <= 0.5, "row {row}: {bias}"); // ± 1/√4
    }
}

/// f = u / (1 + u) and i = 1 − f, u uniform on [1, T − 1]: memories of 1 + u steps, T/2 + 1 on average.
#[test]
fn chrono_spreads_memories_evenly_up_to_the_length_asked_for() {
    let (hidden, longest) = (2000, 100);
    let lstm = LstmConfig::new(3, hidden).with_chrono(Some(longest)).init(&Device::flex()).unwrap();
    let values = |bias: &Option<Param<Tensor<1>>>| -> Vec<f64> {
        bias.as_ref().unwrap().to_data().iter::<f64>().collect()
    };
    let (ih, hh) = (values(&lstm.cells[0].bias_ih), values(&lstm.cells[0].bias_hh));
    assert!(
        hh[..2 * hidden].iter().all(|bias| *bias == 0.0) && hh[2 * hidden..].iter().any(|bias| *bias != 0.0)
    );
    assert!(ih[2 * hidden..].iter().all(|bias| bias.abs() <= 1.0 / (hidden as f64).sqrt() + 1e-6));
    let sigma = |z: f64| 1.0 / (1.0 + (-z).exp());
    let mut memories: Vec<f64> = Vec::new();
    for unit in 0..hidden {
        let (i, f) = (sigma(ih[unit]), sigma(ih[hidden + unit]));
        assert!((i + f - 1.0).abs() < 1e-6, "unit {unit}: {i} + {f}");
        memories.push(1.0 / (1.0 - f));
    }
    memories.sort_by(f64::total_cmp);
    assert!(memories[0] >= 1.999 && memories[hidden - 1] <= longest as f64 * 1.001);
    // Uniform on [2, 100]: the mean is 51, its deviation over 2,000 units 98 / √12 / √2000 = 0.63; five of them.
    let mean = memories.iter().sum::<f64>() / hidden as f64;
    assert!((mean - 51.0).abs() < 3.2, "{mean}");
}

#[test]
fn names_are_pytorchs() {
    assert_eq!(torch_name("cells.0.weight_ih", false), "weight_ih_l0");
    assert_eq!(torch_name("encoder.cells.3.bias_hh", true), "encoder.bias_hh_l1_reverse");
    assert_eq!(torch_name("cells.2.weight_hr", true), "weight_hr_l1");
    assert_eq!(torch_name("head.weight", true), "head.weight");
}
