use burn::module::{ModuleMapper, Param};
use burn::optim::{AdamConfig, SgdConfig};
use burn::tensor::{DType, Device};

use super::*;
use crate::activation::Activation;
use crate::config::{from_json, to_json};
use crate::differences::{assert_close, scattered, tensor, values};
use crate::init::Init;

/// Makes every parameter double precision.
struct Double;

impl ModuleMapper for Double {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| {
            let device = value.device();
            Tensor::from_data(value.into_data(), (&device, DType::F64)).require_grad()
        })
    }
}

fn double(config: FeedForwardConfig) -> FeedForward {
    config.init(&Device::flex().autodiff()).unwrap().map(&mut Double)
}

/// Weight and bias gradients by the four lines of the module page: no autodiff involved.
fn backpropagation_by_hand(model: &FeedForward, batch: &Batch) -> Vec<(Tensor<2>, Tensor<1>)> {
    let traces = model.forward_traced(batch.inputs.clone());
    let count = batch.inputs.dims()[0] as f64;
    let output = model.output_activation();
    let top = &traces[traces.len() - 1];
    let residual = (top.activation.clone() - batch.targets.clone()) / count;
    let mut delta = match output {
        Activation::Linear | Activation::Sigmoid | Activation::Softmax => residual,
        other => other.backward(top.pre_activation.clone(), residual),
    };
    let mut gradients = Vec::new();
    for l in (0..traces.len()).rev() {
        let below = if l == 0 { batch.inputs.clone() } else { traces[l - 1].activation.clone() };
        gradients.push((below.transpose().matmul(delta.clone()), delta.clone().sum_dim(0).squeeze_dim(0)));
        if l > 0 {
            let to_activation = delta.matmul(model.layers[l].linear.weight.val().transpose());
            let hidden = model.layers[l - 1].activation.activation;
            delta = hidden.backward(traces[l - 1].pre_activation.clone(), to_activation);
        }
    }
    gradients.reverse();
    gradients
}

#[test]
fn backpropagation_by_hand_agrees_with_autodiff_to_a_millionth() {
    let hidden = [
        Activation::Relu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Gelu,
        Activation::Selu,
        Activation::LeakyRelu { slope: 0.1 },
        Activation::SwiGlu,
    ];
    let outputs = [Activation::Linear, Activation::Sigmoid, Activation::Softmax, Activation::Tanh];
    for (i, hidden) in hidden.into_iter().enumerate() {
        let output = outputs[i % outputs.len()];
        let model = double(
            FeedForwardConfig::new(4, vec![6, 5], 3)
                .with_hidden_activation(hidden)
                .with_output_activation(output)
                .with_seed(i as u64),
        );
        let device = Device::flex().autodiff();
        let targets = tensor(&scattered(21, 0.0, 1.0), [7, 3], &device);
        let targets = targets.clone() / targets.sum_dim(1);
        let batch = Batch { inputs: tensor(&scattered(28, -2.0, 2.0), [7, 4], &device), targets };

        let loss = loss(output, model.logits(batch.inputs.clone()), batch.targets.clone());
        let gradients = loss.backward();
        let by_hand = backpropagation_by_hand(&model, &batch);
        assert_eq!(by_hand.len(), 3);
        for (layer, (weight, bias)) in model.layers.iter().zip(by_hand) {
            let auto = layer.linear.weight.val().grad(&gradients).unwrap();
            assert!(values(auto.clone()).iter().any(|g| *g != 0.0));
            assert_close(&values(weight), &values(auto), 1e-6, 1e-12);
            let auto = layer.linear.bias.as_ref().unwrap().val().grad(&gradients).unwrap();
            assert_close(&values(bias), &values(auto), 1e-6, 1e-12);
        }
    }
}

#[test]
fn gradients_of_the_whole_network_are_the_limit_of_differences() {
    let config = FeedForwardConfig::new(3, vec![4], 2)
        .with_hidden_activation(Activation::Prelu { slope: 0.25 })
        .with_output_activation(Activation::Softmax);
    let model = double(config);
    let device = Device::flex().autodiff();
    let inputs = tensor(&scattered(15, -2.0, 2.0), [5, 3], &device);
    let targets = tensor(&[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.5, 0.5, 0.0, 1.0], [5, 2], &device);
    let value =
        |model: &FeedForward| loss(Activation::Softmax, model.logits(inputs.clone()), targets.clone());
    let gradients = value(&model).backward();
    let step = 1e-6;
    let at = |model: FeedForward| value(&model).into_scalar::<f64>();

    // One weight of the first layer, one bias of the last, and the learned slope.
    let mut numeric = Vec::new();
    for sign in [1.0, -1.0] {
        let mut moved = model.clone();
        let nudge = tensor(&[0.0, sign * step, 0.0, 0.0], [1, 4], &device);
        let weight = moved.layers[0].linear.weight.val().slice_assign([1..2, 0..4], {
            let row = moved.layers[0].linear.weight.val().slice([1..2, 0..4]);
            row + nudge
        });
        moved.layers[0].linear.weight = Param::from_tensor(weight.detach());
        numeric.push(at(moved));
        let mut moved = model.clone();
        let bias = moved.layers[1].linear.bias.take().unwrap().val();
        moved.layers[1].linear.bias =
            Some(Param::from_tensor((bias + tensor(&[sign * step, 0.0], [2], &device)).detach()));
        numeric.push(at(moved));
        let mut moved = model.clone();
        let prelu = moved.layers[0].activation.prelu.as_mut().unwrap();
        prelu.alpha = Param::from_tensor((prelu.alpha.val() + sign * step).detach());
        numeric.push(at(moved));
    }
    let numeric: Vec<f64> = (0..3).map(|i| (numeric[i] - numeric[i + 3]) / (2.0 * step)).collect();
    let weight = values(model.layers[0].linear.weight.val().grad(&gradients).unwrap())[4 + 1];
    let bias = values(model.layers[1].linear.bias.as_ref().unwrap().val().grad(&gradients).unwrap())[0];
    let slope = model.layers[0]
        .activation
        .prelu
        .as_ref()
        .unwrap()
        .alpha
        .val()
        .grad(&gradients)
        .unwrap()
        .into_scalar();
    assert_close(&[weight, bias, slope], &numeric, 1e-5, 1e-8);
}

#[test]
fn a_hand_computed_network_of_three_weights() {
    let config = FeedForwardConfig::new(1, vec![1], 1).with_init(Some(Init::Zeros));
    let mut model = config.init(&Device::flex()).unwrap();
    let device = Device::flex();
    model.layers[0].linear.weight = Param::from_tensor(Tensor::from_data([[2.0]], &device));
    model.layers[0].linear.bias = Some(Param::from_tensor(Tensor::from_data([-1.0], &device)));
    model.layers[1].linear.weight = Param::from_tensor(Tensor::from_data([[3.0]], &device));
    let inputs = Tensor::<2>::from_data([[2.0], [0.25]], &device);
    // x = 2: z = 3, a = 3, y = 9.  x = 0.25: z = −0.5, a = 0, y = 0.
    let traces = model.forward_traced(inputs.clone());
    assert_eq!(traces.len(), 2, "hidden and output: the input layer computes nothing");
    assert_eq!(values(traces[0].pre_activation.clone()), [3.0, -0.5]);
    assert_eq!(values(traces[0].activation.clone()), [3.0, 0.0]);
    assert_eq!(values(traces[1].activation.clone()), [9.0, 0.0]);
    assert_eq!(values(model.forward(inputs.clone())), [9.0, 0.0]);
    // ½((9 − 7)² + 0²)/2 = 1.
    let targets = Tensor::<2>::from_data([[7.0], [0.0]], &device);
    assert_eq!(loss(Activation::Linear, model.logits(inputs), targets).into_scalar::<f32>(), 1.0);
}

#[test]
fn a_deep_linear_network_is_one_matrix_and_a_deep_relu_network_is_not() {
    let device = Device::flex().autodiff();
    let line = |activation| {
        let config = FeedForwardConfig::new(3, vec![8, 8, 8], 2).with_hidden_activation(activation);
        let model = double(config.with_init(Some(Init::Orthogonal { gain: 1.3 })));
        let x = tensor(&scattered(15, -1.0, 1.0), [5, 3], &device);
        let product = model
            .layers
            .iter()
            .map(|layer| layer.linear.weight.val())
            .reduce(|product, weight| product.matmul(weight))
            .unwrap();
        let difference = (model.forward(x.clone()) - x.matmul(product)).abs().max();
        difference.into_scalar::<f64>()
    };
    assert!(line(Activation::Linear) < 1e-12);
    assert!(line(Activation::Relu) > 1e-2);
}

/// Exclusive or: the smallest problem no plane solves.
fn exclusive_or(device: &Device) -> Batch {
    Batch {
        inputs: Tensor::from_data([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], device),
        targets: Tensor::from_data([[0.0], [1.0], [1.0], [0.0]], device),
    }
}

fn learn_exclusive_or(hidden_activation: Activation) -> f32 {
    let device = Device::flex().autodiff();
    let config = FeedForwardConfig::new(2, vec![8], 1).with_hidden_activation(hidden_activation).with_seed(3);
    let mut model = config.init(&device).unwrap();
    let mut optim = AdamConfig::new().init();
    let mut last = f32::NAN;
    for _ in 0..300 {
        (model, last) = train_step(model, &mut optim, 0.05, exclusive_or(&device)).unwrap();
    }
    last
}

#[test]
fn exclusive_or_needs_a_non_linearity() {
    // The best plane answers ½ everywhere: a loss of ½·¼ that no linear network can beat.
    let linear = learn_exclusive_or(Activation::Linear);
    assert!((0.125 - 1e-6..0.126).contains(&linear), "{linear}");
    let tanh = learn_exclusive_or(Activation::Tanh);
    assert!((0.0..1e-3).contains(&tanh), "{tanh}");
}

#[test]
fn without_biases_zero_goes_to_zero() {
    let device = Device::flex();
    for (bias, expected) in [(false, 0.0), (true, 0.5)] {
        let mut model = FeedForwardConfig::new(3, vec![5], 1).with_bias(bias).init(&device).unwrap();
        if bias {
            model.layers[1].linear.bias = Some(Param::from_tensor(Tensor::from_data([0.5], &device)));
        }
        let y = model.forward(Tensor::zeros([1, 3], &device)).into_scalar::<f32>();
        assert_eq!(y, expected);
    }
}

#[test]
fn the_gradient_of_the_output_bias_is_the_mean_error_for_every_matched_pair() {
    let device = Device::flex().autodiff();
    for output in [Activation::Linear, Activation::Sigmoid, Activation::Softmax] {
        let model = double(FeedForwardConfig::new(3, vec![4], 2).with_output_activation(output));
        let inputs = tensor(&scattered(18, -2.0, 2.0), [6, 3], &device);
        let yes = tensor(&scattered(6, 0.0, 1.0), [6, 1], &device);
        let targets = Tensor::cat(vec![yes.clone(), -yes + 1.0], 1);
        let error = (model.forward(inputs.clone()) - targets.clone()).mean_dim(0);
        let gradients = loss(output, model.logits(inputs), targets).backward();
        let bias = model.layers[1].linear.bias.as_ref().unwrap().val();
        assert_close(&values(bias.grad(&gradients).unwrap()), &values(error), 1e-12, 1e-14);
    }
}

#[test]
fn a_bias_alone_learns_the_mean_and_leaves_the_spread_as_cost() {
    let device = Device::flex().autodiff();
    let targets = Tensor::<2>::from_data([[1.0], [2.0], [6.0]], &device);
    let mut model = FeedForwardConfig::new(1, vec![], 1).init(&device).unwrap();
    let mut optim = SgdConfig::new().init();
    let mut cost = 0.0;
    for _ in 0..100 {
        let batch = Batch { inputs: Tensor::zeros([3, 1], &device), targets: targets.clone() };
        (model, cost) = train_step(model, &mut optim, 0.5, batch).unwrap();
    }
    let bias = model.layers[0].linear.bias.as_ref().unwrap().val().into_scalar::<f32>();
    assert!((bias - 3.0).abs() < 1e-5, "the mean is 3, got {bias}");
    // ½·variance = ½·((−2)² + (−1)² + 3²)/3.
    assert!((cost - 7.0 / 3.0).abs() < 1e-5, "{cost}");
}

#[test]
fn an_update_of_gradient_descent_is_the_gradient_times_the_rate() {
    let device = Device::flex().autodiff();
    let model = FeedForwardConfig::new(2, vec![3], 1).init(&device).unwrap();
    let batch = exclusive_or(&device);
    let loss = loss(Activation::Linear, model.logits(batch.inputs.clone()), batch.targets.clone());
    let gradients = loss.backward();
    let expected: Vec<f64> = {
        let weight = model.layers[0].linear.weight.val();
        let gradient = weight.grad(&gradients).unwrap();
        values(weight.without_autodiff() - gradient * 0.1)
    };
    let (moved, _) = train_step(model, &mut SgdConfig::new().init(), 0.1, batch).unwrap();
    assert_close(&values(moved.layers[0].linear.weight.val()), &expected, 1e-6, 1e-7);
}

#[test]
fn losses_at_huge_logits_stay_finite_and_keep_their_gradient() {
    let device = Device::flex().autodiff();
    for output in [Activation::Sigmoid, Activation::Softmax] {
        let logits = Tensor::<2>::from_data([[1e4, -1e4]], &device).require_grad();
        let targets = Tensor::<2>::from_data([[0.0, 1.0]], &device);
        let value = loss(output, logits.clone(), targets);
        let gradients = value.backward();
        assert!((value.into_scalar::<f32>() - 2e4).abs() < 1.0, "{output}");
        assert_eq!(values(logits.grad(&gradients).unwrap()), [1.0, -1.0]);
    }
}

#[test]
fn dropout_is_active_in_training_only() {
    let device = Device::flex().autodiff();
    let model = FeedForwardConfig::new(4, vec![64], 2).with_dropout(0.5).init(&device).unwrap();
    let x = Tensor::<2>::ones([3, 4], &device);
    let predicted = values(model.predict(x.clone()));
    assert_eq!(predicted, values(model.predict(x.clone())));
    assert_ne!(predicted, values(model.forward(x)));
}

#[test]
fn parameters_are_counted_as_built() {
    let device = Device::flex();
    let configs = [
        FeedForwardConfig::new(3, vec![], 2),
        FeedForwardConfig::new(3, vec![5, 4], 2).with_bias(false),
        FeedForwardConfig::new(3, vec![5], 2).with_hidden_activation(Activation::SwiGlu),
        FeedForwardConfig::new(3, vec![5, 5], 2).with_hidden_activation(Activation::Prelu { slope: 0.1 }),
    ];
    for config in configs {
        assert_eq!(config.init(&device).unwrap().num_params(), config.num_params(), "{config}");
    }
    assert_eq!(FeedForwardConfig::digits().num_params(), 669_706);
}

#[test]
fn one_config_gives_one_network_and_no_two_layers_are_alike() {
    let device = Device::flex();
    let weights = |seed: u64| {
        let config = FeedForwardConfig::new(4, vec![4, 4], 4).with_seed(seed);
        let model = config.init(&device).unwrap();
        model.layers.iter().map(|layer| values(layer.linear.weight.val())).collect::<Vec<_>>()
    };
    assert_eq!(weights(1), weights(1));
    let (one, two) = (weights(1), weights(2));
    for i in 0..3 {
        for j in 0..3 {
            assert_ne!(one[i], two[j], "layers {i} and {j} of neighbouring seeds");
            assert!(i == j || one[i] != one[j]);
        }
    }
}

#[test]
fn weights_and_learned_slopes_survive_saving() {
    let device = Device::flex();
    let config = FeedForwardConfig::new(3, vec![5, 4], 2)
        .with_hidden_activation(Activation::Prelu { slope: 0.25 })
        .with_output_activation(Activation::Softmax);
    let mut model = config.init(&device).unwrap();
    let slope = Param::from_tensor(Tensor::from_data([0.5], &device));
    model.layers[1].activation.prelu.as_mut().unwrap().alpha = slope;
    let x = Tensor::<2>::from_data([[0.3, -1.0, 2.0]], &device);
    let other = config.clone().with_seed(9).init(&device).unwrap();
    assert_ne!(values(other.forward(x.clone())), values(model.forward(x.clone())));
    let loaded = other.try_load_record(model.clone().into_record()).unwrap();
    assert_eq!(values(loaded.forward(x.clone())), values(model.forward(x)));
}

#[test]
fn the_config_survives_json_and_unknown_fields_are_refused() {
    let config = FeedForwardConfig::new(4, vec![8, 8], 2)
        .with_hidden_activation(Activation::Elu { alpha: 0.5 })
        .with_init(Some(Init::Orthogonal { gain: 1.2 }));
    let text = to_json(&config).unwrap();
    assert_eq!(from_json::<FeedForwardConfig>(&text).unwrap(), config);
    let misspelt = text.replacen("\"dropout\"", "\"droput\"", 1);
    assert!(from_json::<FeedForwardConfig>(&misspelt).is_err());
    let unknown = text.replacen("elu(0.5)", "ellu(0.5)", 1);
    let error = from_json::<FeedForwardConfig>(&unknown).unwrap_err();
    assert!(error.to_string().contains("did you mean \"elu\""), "{error}");
}

#[test]
fn every_field_that_cannot_be_used_is_named() {
    let good = FeedForwardConfig::new(4, vec![8, 8], 2);
    let cases = [
        (FeedForwardConfig { input: 0, ..good.clone() }, "input"),
        (FeedForwardConfig { output: 0, ..good.clone() }, "output"),
        (FeedForwardConfig { hidden: vec![3, 0], ..good.clone() }, "hidden[1]"),
        (good.clone().with_dropout(1.0), "dropout"),
        (good.clone().with_dropout(f64::NAN), "dropout"),
        (good.clone().with_hidden_activation(Activation::Softmax), "hidden_activation"),
        (good.clone().with_hidden_activation(Activation::Elu { alpha: -1.0 }), "hidden_activation.alpha"),
        (good.clone().with_output_activation(Activation::Softplus { beta: 0.0 }), "output_activation.beta"),
        (good.clone().with_init(Some(Init::HeNormal { gain: -2.0 })), "init.gain"),
    ];
    for (config, field) in cases {
        assert_eq!(config.init(&Device::flex()).unwrap_err().field, field);
    }
}
