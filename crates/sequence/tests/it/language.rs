//! A language model that is bounded by theory, and how it writes.

use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_nn_core::check::{assert_close, fill};
use fornax_sequence::language::{Stretch, train_step};
use fornax_sequence::metric::token_loss;
use fornax_sequence::{Kind, LanguageConfig, LanguageModel};

fn tokens(values: &[u32], shape: [usize; 2], device: &Device) -> Tensor<2, Int> {
    let values: Vec<i64> = values.iter().map(|&token| i64::from(token)).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn small(kind: Kind, device: &Device) -> LanguageModel {
    let config = LanguageConfig::new(kind, 3).with_embedding_size(8).with_hidden_size(24).with_num_layers(1);
    fill::fill(config.init(device).unwrap())
}

/// A source of known entropy: 0 or 1 by a fair coin, then 2, over and over; half a bit a token.
fn source(count: usize) -> Vec<u32> {
    let coins = fill::classes("coins", count, 2);
    (0..count).map(|i| if i % 2 == 0 { coins[i] as u32 } else { 2 }).collect()
}

#[test]
fn every_network_learns_a_source_down_to_its_entropy_and_not_below() {
    let device = Device::flex().autodiff();
    let (lanes, steps) = (16, 8);
    for kind in Kind::ALL {
        let mut model = small(kind, &device);
        let mut optim = AdamConfig::new().init();
        let mut states = None;
        let text = source(lanes * 4001);
        for step in 0..120 {
            let cut = |shift: usize| {
                let lane = |lane: usize| &text[lane * 4000 + step * steps + shift..][..steps];
                let values: Vec<u32> = (0..lanes).flat_map(lane).copied().collect();
                tokens(&values, [lanes, steps], &device)
            };
            let stretch = Stretch { inputs: cut(0), targets: cut(1) };
            let (trained, _, after) = train_step(model, &mut optim, (1e-2, 1.0), stretch, states).unwrap();
            (model, states) = (trained, Some(after));
        }
        // 4,000 tokens never seen, of which 2,000 are coins: the standard error of the loss is about 0.001.
        let unseen = &text[3000..3000 + 801];
        let model = model.valid();
        let flat = device.clone().inner();
        let (logits, _) = model.forward(tokens(&unseen[..800], [1, 800], &flat), None);
        let loss: f64 = token_loss(logits, tokens(&unseen[1..], [1, 800], &flat), None).into_scalar();
        let entropy = 0.5 * std::f64::consts::LN_2;
        assert!(loss > entropy - 0.01 && loss < entropy + 0.05, "{}: {loss}", kind.name());
    }
}

#[test]
fn sampling_follows_the_distribution() {
    let device = Device::flex();
    let model = small(Kind::Gru, &device);
    let (logits, _) = model.forward(tokens(&[1], [1, 1], &device), None);
    let p: Vec<f32> =
        burn::tensor::activation::softmax(logits.reshape([1, 3]), 1).into_data().iter::<f32>().collect();
    for (token, u) in [(0, 0.5 * p[0]), (1, p[0] + 0.5 * p[1]), (2, 1.0 - 0.5 * p[2])] {
        assert_eq!(model.sample(&[1], 1.0, &[u], &device), [token]);
    }
    let likeliest = (0..3).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap() as u32;
    assert_eq!(model.sample(&[1], 0.0, &[0.999], &device), [likeliest]);
    assert_eq!(model.sample(&[1], 1e-3, &[0.5], &device), [likeliest]);
}

#[test]
fn writing_goes_on_from_the_state() {
    let device = Device::flex();
    let model = small(Kind::Lstm, &device);
    let written = model.sample(&[1, 0], 0.0, &[0.0; 5], &device);
    // The same, reading everything again for each token.
    let mut text = vec![1, 0];
    for _ in 0..5 {
        text.extend(model.sample(&text, 0.0, &[0.0], &device));
    }
    assert_eq!(text[2..], written);
    assert_eq!(written, model.sample(&[1, 0], 0.0, &[0.7; 5], &device), "temperature 0 needs no luck");
}

#[test]
fn a_step_starts_from_the_carried_state() {
    let device = Device::flex().autodiff();
    let model = small(Kind::Gru, &device);
    let (_, states) = model.forward(tokens(&[0, 1], [1, 2], &device), None);
    let stretch =
        Stretch { inputs: tokens(&[2, 1], [1, 2], &device), targets: tokens(&[1, 1], [1, 2], &device) };
    let (logits, _) = model.forward(tokens(&[0, 1, 2, 1], [1, 4], &device), None);
    let expected = token_loss(logits.narrow(1, 2, 2), stretch.targets.clone(), None);
    let mut optim = AdamConfig::new().init();
    let (_, loss, _) = train_step(model, &mut optim, (0.0, 1.0), stretch, Some(states)).unwrap();
    assert_close(&[f64::from(loss)], &[expected.into_scalar::<f64>()], 1e-5, 1e-6);
}

#[test]
#[should_panic(expected = "a prompt of 0 tokens")]
fn an_empty_prompt_is_refused() {
    small(Kind::Rnn, &Device::flex()).sample(&[], 1.0, &[0.5], &Device::flex());
}
