//! Cells and whole models against central differences in f64.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use fornax_nn_core::check::{GradCheck, fill};
use fornax_sequence::metric::token_loss;
use fornax_sequence::recurrent::{sigmoid, tanh};
use fornax_sequence::rnn::Nonlinearity;
use fornax_sequence::seq2seq::Attention;
use fornax_sequence::{
    GruConfig, JordanConfig, Kind, LanguageConfig, LstmConfig, RnnConfig, Seq2SeqConfig, State,
    StateSpaceConfig,
};

fn double<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    let device = Device::flex().autodiff();
    Tensor::from_data(fill::data(name, &shape), (&device, DType::F64))
}

#[test]
fn activations_have_their_gradient() {
    for (name, f) in [("sigmoid", sigmoid::<1> as fn(Tensor<1>) -> Tensor<1>), ("tanh", tanh::<1>)] {
        let x = burn::tensor::TensorData::from([-30.0_f64, -3.0, -0.2, 0.0, 1e-3, 0.7, 4.0, 30.0]);
        let report =
            GradCheck::new().function(&Device::flex(), &[("x", x)], |inputs| f(inputs.get("x"))).unwrap();
        assert_eq!(report.compared, 64, "{name}");
    }
}

#[test]
fn activations_are_those_of_the_library() {
    let device = Device::flex();
    let z: Tensor<1> = fill::input("z", [200], &device) * 12.0;
    let close = |a: Tensor<1>, b: Tensor<1>| fornax_nn_core::check::assert_close(&a, &b, 1e-6, 2e-7);
    close(sigmoid(z.clone()), burn::tensor::activation::sigmoid(z.clone()));
    close(tanh(z.clone()), z.clone().tanh());
    // As they are in training, and where e^z overflows.
    let tracked = Tensor::from_data(z.to_data(), &device.autodiff());
    close(sigmoid(tracked.clone()).inner(), burn::tensor::activation::sigmoid(z.clone()));
    close(tanh(tracked).inner(), z.tanh());
    let far = Tensor::<1>::from_data([-1e4, 1e4], &Device::flex().autodiff());
    close(sigmoid(far.clone()).inner(), Tensor::from_data([0.0, 1.0], &Device::flex()));
    close(tanh(far).inner(), Tensor::from_data([-1.0, 1.0], &Device::flex()));
}

/// Outputs and last states, padded, against a closed-form probe.
fn has_its_gradient<M: Module>(
    model: M,
    parameters: usize,
    forward: impl Fn(&M, Tensor<3>, Option<&[usize]>) -> (Tensor<3>, Vec<State>),
) {
    let x = double("x", [3, 5, 3]);
    let report = GradCheck::new()
        .model(fill::fill(model), |model| {
            let (y, states) = forward(model, x.clone(), Some(&[5, 2, 3]));
            let probe = double("probe", y.dims());
            states.into_iter().fold((y * probe).sum(), |loss, state| {
                let hidden = state.hidden.clone() * double("hidden", state.hidden.dims());
                let cell = state.cell.map(|cell| (cell.clone() * double("cell", cell.dims())).sum());
                loss + hidden.sum() + cell.unwrap_or_else(|| Tensor::zeros([1], (&x.device(), DType::F64)))
            })
        })
        .unwrap();
    assert_eq!((report.compared, report.excepted), (parameters, 0));
}

macro_rules! gradients {
    ($($name:ident: $config:expr, $parameters:expr;)+) => { $(
        #[test]
        fn $name() {
            let model = $config.init(&Device::flex().autodiff()).unwrap();
            has_its_gradient(model, $parameters, |model, x, lengths| model.forward(x, lengths, None));
        }
    )+ };
}

gradients! {
    rnn_has_its_gradient: RnnConfig::new(3, 4), 4;
    rnn_with_relu_has_its_gradient: RnnConfig::new(3, 4).with_nonlinearity(Nonlinearity::Relu), 4;
    jordan_has_its_gradient: JordanConfig::new(3, 4, 2), 6;
    lstm_has_its_gradient: LstmConfig::new(3, 4), 4;
    lstm_with_everything_has_its_gradient:
        LstmConfig::new(3, 4).with_num_layers(2).with_bidirectional(true).with_proj_size(Some(2)).with_peephole(true), 24;
    gru_has_its_gradient: GruConfig::new(3, 4), 4;
    deep_gru_has_its_gradient: GruConfig::new(3, 4).with_num_layers(2).with_bidirectional(true), 16;
    state_space_has_its_gradient: StateSpaceConfig::new(3, 4).with_num_layers(1).with_state_size(4), 12;
}

#[test]
fn state_space_in_chunks_has_its_gradient() {
    let device = Device::flex().autodiff();
    let config = StateSpaceConfig::new(3, 4).with_num_layers(2).with_state_size(4).with_chunk(2);
    let model = fill::fill(config.init(&device).unwrap());
    let x = double("x", [2, 5, 3]);
    let report = GradCheck::new()
        .model(model, |model| {
            let (y, states) = model.forward(x.clone(), None, None);
            (y.clone() * double("probe", y.dims())).sum() + states[1].hidden.clone().sum()
        })
        .unwrap();
    assert_eq!((report.compared, report.excepted), (22, 0));
}

#[test]
fn a_language_model_has_the_gradient_of_its_loss() {
    let device = Device::flex().autodiff();
    let config =
        LanguageConfig::new(Kind::Lstm, 6).with_embedding_size(3).with_hidden_size(4).with_num_layers(1);
    let model = fill::fill(config.init(&device).unwrap());
    let tokens = fill::targets("tokens", [2, 4], 6, &device);
    let next = fill::targets("next", [2, 4], 6, &device);
    let report = GradCheck::new()
        .model(model, |model| token_loss(model.forward(tokens.clone(), None).0, next.clone(), None))
        .unwrap();
    assert_eq!((report.compared, report.excepted), (7, 0));
}

#[test]
fn attention_has_the_gradient_of_its_loss() {
    for (attention, parameters) in [(Attention::Bahdanau, 24), (Attention::Luong, 21)] {
        let device = Device::flex().autodiff();
        let config =
            Seq2SeqConfig::new(6, 5).with_attention(attention).with_embedding_size(3).with_hidden_size(4);
        let model = fill::fill(config.init(&device).unwrap());
        let sources = fill::targets("sources", [2, 4], 6, &device);
        let inputs = fill::targets("inputs", [2, 3], 5, &device);
        let next = fill::targets("next", [2, 3], 5, &device);
        let mask = Tensor::from_data([[true, true, true], [true, true, false]], &device);
        let report = GradCheck::new()
            .model(model, |model| {
                let (logits, _) = model.forward(sources.clone(), &[4, 2], inputs.clone(), None);
                token_loss(logits, next.clone(), Some(mask.clone()))
            })
            .unwrap();
        assert_eq!((report.compared, report.excepted), (parameters, 0), "{attention:?}");
    }
}
