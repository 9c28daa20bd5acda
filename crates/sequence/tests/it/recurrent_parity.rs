//! What PyTorch computes, from the same closed-form weights: `xtask/reference/parity/recurrent.py` made the fixture,
//! `cargo xtask parity recurrent` makes it again. What burn-nn computes, where it has the same options.

use std::path::Path;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use fornax_nn_core::check::{Fixture, Place, assert_close, fill};
use fornax_nn_core::weights::{self, Source, Weights};
use fornax_sequence::recurrent::torch_name;
use fornax_sequence::rnn::Nonlinearity;
use fornax_sequence::{GruConfig, JordanConfig, LstmConfig, RnnConfig, State};

/// Outputs and states: rtol and atol.
const LAYER: (f64, f64) = (1e-5, 1e-6);
/// Gradients, sums over 18 steps and samples.
const GRADIENT: (f64, f64) = (1e-4, 1e-6);
const LENGTHS: [usize; 3] = [6, 2, 4];
const SHAPE: [usize; 3] = [3, 6, 5];

type Forward<'a, M> =
    &'a dyn Fn(&M, Tensor<3>, Option<&[usize]>, Option<Vec<State>>) -> (Tensor<3>, Vec<State>);

fn device() -> Device {
    Device::flex().autodiff()
}

/// Initial states as the reference has them: `h0` and `c0` of shape `[layers, batch, size]`.
fn states(count: usize, hidden: usize, cell: Option<usize>) -> Vec<State> {
    let part = |name: &str, size: usize, layer: usize| {
        let all: Tensor<3> = fill::input(name, [count, 3, size], &device());
        all.narrow(0, layer, 1).squeeze_dim::<2>(0)
    };
    (0..count)
        .map(|layer| State {
            hidden: part("h0", hidden, layer),
            cell: cell.map(|size| part("c0", size, layer)),
        })
        .collect()
}

/// Output, last states and every gradient of one case.
fn agrees<M: Module>(
    case: &str,
    model: M,
    bidirectional: bool,
    lengths: Option<&[usize]>,
    states: Option<Vec<State>>,
    forward: Forward<'_, M>,
) {
    let fixture = Fixture::parse(include_str!("../fixtures/recurrent.json")).unwrap();
    let place = |path: String| Place::from(torch_name(&path, bidirectional));
    let model = fill::fill_with(model, place);
    let x: Tensor<3> = fill::input("x", SHAPE, &device()).require_grad();
    let (y, last) = forward(&model, x.clone(), lengths, states);
    fixture.check(&format!("{case}.output"), &y, LAYER.0, LAYER.1).unwrap();
    let probe = fill::input("probe", y.dims(), &device());
    let mut loss = (y * probe).sum();
    let hidden: Tensor<3> = Tensor::stack(last.iter().map(|state| state.hidden.clone()).collect(), 0);
    let cells: Option<Vec<Tensor<2>>> = last.into_iter().map(|state| state.cell).collect();
    for (label, part) in [("hidden", Some(hidden)), ("cell", cells.map(|cells| Tensor::stack(cells, 0)))] {
        if let Some(part) = part {
            fixture.check(&format!("{case}.{label}"), &part, LAYER.0, LAYER.1).unwrap();
            let probe = fill::input("probe_last", part.dims(), &device());
            loss = loss + (part * probe).sum();
        }
    }
    let gradients = loss.backward();
    let gradient = x.grad(&gradients).unwrap();
    fixture.check(&format!("{case}.x"), &gradient, GRADIENT.0, GRADIENT.1).unwrap();
    let gradients = GradientsParams::from_grads(gradients, &model);
    fixture.check_gradients(&format!("{case}.gradients"), &model, &gradients, place, GRADIENT).unwrap();
}

/// A line a network of PyTorch: its configuration, and how many states of which sizes it has.
macro_rules! networks {
    ($($name:ident: $config:expr, states $count:expr, $hidden:expr, $cell:expr;)+) => { $(
        #[test]
        fn $name() {
            let config = $config;
            let case = stringify!($name);
            let lengths = Some(LENGTHS.as_slice());
            for (suffix, lengths, initial) in
                [("", None, None), ("+lengths", lengths, None), ("+state", None, Some(states($count, $hidden, $cell)))]
            {
                agrees(
                    &format!("{case}{suffix}"),
                    config.init(&device()).unwrap(),
                    config.bidirectional,
                    lengths,
                    initial,
                    &|model, x, lengths, states| model.forward(x, lengths, states),
                );
            }
        }
    )+ };
}

networks! {
    rnn: RnnConfig::new(5, 7), states 1, 7, None;
    rnn_relu_deep: RnnConfig::new(5, 7).with_num_layers(2).with_nonlinearity(Nonlinearity::Relu).with_bidirectional(true),
        states 4, 7, None;
    lstm: LstmConfig::new(5, 7), states 1, 7, Some(7);
    lstm_bare: LstmConfig::new(5, 7).with_bias(false), states 1, 7, Some(7);
    lstm_deep: LstmConfig::new(5, 7).with_num_layers(2).with_bidirectional(true), states 4, 7, Some(7);
    lstm_projected: LstmConfig::new(5, 7).with_num_layers(2).with_bidirectional(true).with_proj_size(Some(3)),
        states 4, 3, Some(7);
    gru: GruConfig::new(5, 7), states 1, 7, None;
    gru_bare: GruConfig::new(5, 7).with_bias(false), states 1, 7, None;
    gru_deep: GruConfig::new(5, 7).with_num_layers(3).with_bidirectional(true), states 6, 7, None;
}

#[test]
fn lstm_peepholes() {
    let model = LstmConfig::new(5, 7).with_peephole(true).init(&device()).unwrap();
    agrees("lstm_peepholes", model, false, None, None, &|model, x, lengths, states| {
        model.forward(x, lengths, states)
    });
}

#[test]
fn jordan() {
    let fixture = Fixture::parse(include_str!("../fixtures/recurrent.json")).unwrap();
    let place = |path: String| {
        let name = path.strip_prefix("cells.0.").unwrap();
        Place::from(name.strip_prefix("hidden.").unwrap_or(name))
    };
    let model = fill::fill_with(JordanConfig::new(5, 7, 4).init(&device()).unwrap(), place);
    let x: Tensor<3> = fill::input("x", SHAPE, &device()).require_grad();
    let (y, last) = model.forward(x.clone(), None, None);
    fixture.check("jordan.output", &y, LAYER.0, LAYER.1).unwrap();
    let last: Tensor<3> = last[0].hidden.clone().unsqueeze();
    let loss = (y.clone() * fill::input("probe", y.dims(), &device())).sum()
        + (last.clone() * fill::input("probe_last", last.dims(), &device())).sum();
    let gradients = loss.backward();
    fixture.check("jordan.x", &x.grad(&gradients).unwrap(), GRADIENT.0, GRADIENT.1).unwrap();
    let gradients = GradientsParams::from_grads(gradients, &model);
    fixture.check_gradients("jordan.gradients", &model, &gradients, place, GRADIENT).unwrap();
}

/// burn-nn keeps each gate apart and its weights transposed.
#[test]
fn burns_lstm_computes_the_same() {
    let device = Device::flex();
    let burn = burn::nn::LstmConfig::new(5, 7, true).init(&device);
    let gate = |index: usize| {
        move |name: &str| {
            let (tensor, rows) = match name {
                "input_transform.weight" => ("weight_ih_l0", 5),
                "input_transform.bias" => ("bias_ih_l0", 1),
                "hidden_transform.weight" => ("weight_hh_l0", 7),
                _ => ("bias_hh_l0", 1),
            };
            Place::at(tensor, index * 7 * rows)
        }
    };
    let burn = fill::fill_with(burn, |path| {
        let (name, rest) = path.split_once('.').unwrap();
        let index = ["input_gate", "forget_gate", "cell_gate", "output_gate"].iter().position(|g| *g == name);
        gate(index.unwrap())(rest)
    });
    let ours = LstmConfig::new(5, 7).init(&device).unwrap();
    let ours = fill::fill_with(ours, |path| Place::from(torch_name(&path, false)));
    let x: Tensor<3> = fill::input("x", SHAPE, &device);
    let (expected, state) = burn.forward(x.clone(), None);
    let (y, last) = ours.forward(x, None, None);
    assert_close(&y, &expected, LAYER.0, LAYER.1);
    assert_close(last[0].cell.as_ref().unwrap(), &state.cell, LAYER.0, LAYER.1);
}

#[test]
fn burns_gru_computes_the_same() {
    let device = Device::flex();
    let burn = burn::nn::gru::GruConfig::new(5, 7, true).with_reset_after(true).init(&device);
    let burn = fill::fill_with(burn, |path| {
        let (name, rest) = path.split_once('.').unwrap();
        let index = ["reset_gate", "update_gate", "new_gate"].iter().position(|gate| *gate == name).unwrap();
        let (tensor, rows) = match rest {
            "input_transform.weight" => ("weight_ih_l0", 5),
            "input_transform.bias" => ("bias_ih_l0", 1),
            "hidden_transform.weight" => ("weight_hh_l0", 7),
            _ => ("bias_hh_l0", 1),
        };
        Place::at(tensor, index * 7 * rows)
    });
    let ours = GruConfig::new(5, 7).init(&device).unwrap();
    let ours = fill::fill_with(ours, |path| Place::from(torch_name(&path, false)));
    let x: Tensor<3> = fill::input("x", SHAPE, &device);
    let expected = burn.forward(x.clone(), None);
    let (y, _) = ours.forward(x, None, None);
    assert_close(&y, &expected, LAYER.0, LAYER.1);
}

/// Files as `safetensors.torch.save_file` writes them, made by `xtask/reference/pretrained.py`: two layers in two directions,
/// with an input and what PyTorch makes of it.
#[test]
fn files_of_pytorchs_layers_load_by_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch-recurrent");
    let from = |kind: &str| Weights::open(folder.join(format!("{kind}.safetensors"))).unwrap();
    let tensor = |file: &Weights, name| Tensor::<3>::from_data(file.tensor(name).unwrap(), &device().inner());
    let source = |name: &str| Source::from(torch_name(name, true));
    macro_rules! check {
        ($kind:literal, $config:expr) => {
            let file = from($kind);
            let [x, output, hidden] = ["input", "output", "hidden"].map(|name| tensor(&file, name));
            let file = file.without(|name| ["input", "output", "hidden"].contains(&name));
            let mut model =
                $config.with_num_layers(2).with_bidirectional(true).init(&device().inner()).unwrap();
            let report = file.load(&mut model, source).unwrap();
            assert_eq!(report.loaded.len(), file.names().count());
            let (y, states) = model.forward(x, None, None);
            assert_close(&y, &output, LAYER.0, LAYER.1);
            let last = states.into_iter().map(|state| state.hidden).collect();
            assert_close(&Tensor::stack::<3>(last, 0), &hidden, LAYER.0, LAYER.1);
            // What is written has PyTorch's names and bytes again.
            let written = tempfile::tempdir().unwrap();
            let path = written.path().join("again.safetensors");
            weights::save(&model, &path, source).unwrap();
            let again = Weights::open(&path).unwrap();
            assert!(again.names().eq(file.names()));
            for name in file.names() {
                assert_eq!(again.tensor(name).unwrap(), file.tensor(name).unwrap(), "{name}");
            }
        };
    }
    check!("rnn", RnnConfig::new(4, 6));
    check!("lstm", LstmConfig::new(4, 6).with_proj_size(Some(3)));
    check!("gru", GruConfig::new(4, 6));
}
