//! A language model that is bounded by theory, and how it writes.

use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_nn_core::check::{assert_close, fill};
use fornax_sequence::generate::{BeamConfig, GenerateConfig, beam_search, generate};
use fornax_sequence::language::{Stretch, train_step};
use fornax_sequence::metric::token_loss;
use fornax_sequence::tokens::TokenError;
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
fn writing_goes_on_from_the_state() {
    let device = Device::flex();
    for kind in Kind::ALL {
        let model = small(kind, &device);
        let greedy = GenerateConfig::greedy(5);
        let written = generate(&model, &[[1, 0], [2, 2]], &greedy, 0).unwrap();
        // The same, reading everything again for each token.
        for (prompt, written) in [[1, 0], [2, 2]].into_iter().zip(written) {
            let mut text = prompt.to_vec();
            for _ in 0..5 {
                let (logits, _) = model.forward(tokens(&text, [1, text.len()], &device), None);
                let last: Tensor<1> = logits.narrow(1, text.len() - 1, 1).flatten(0, 2);
                text.push(last.argmax(0).into_scalar::<i64>() as u32);
            }
            assert_eq!(text[2..], written, "{}", kind.name());
        }
        // A beam as wide as the vocabulary to the power of the length misses nothing.
        let config = BeamConfig::new(9).with_max_tokens(2).with_length_penalty(0.0);
        let best = beam_search(&model, &[1], &config).unwrap().remove(0);
        let mut all = Vec::new();
        for (a, b) in (0..3).flat_map(|a| (0..3).map(move |b| (a, b))) {
            let (logits, _) = model.forward(tokens(&[1, a], [1, 2], &device), None);
            let log_p = burn::tensor::activation::log_softmax(logits, 2).into_data();
            let log_p: Vec<f64> = log_p.iter::<f64>().collect();
            all.push((log_p[a as usize] + log_p[3 + b as usize], vec![a, b]));
        }
        let (score, tokens) = all.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        assert_eq!(best.tokens, tokens, "{}", kind.name());
        assert!((best.score - score).abs() < 1e-5);
    }
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
fn a_prompt_that_cannot_be_read_is_refused() {
    let model = small(Kind::Rnn, &Device::flex());
    let refused = |prompts: &[&[u32]]| generate(&model, prompts, &GenerateConfig::greedy(1), 0).unwrap_err();
    assert_eq!(refused(&[&[]]), TokenError::Empty { row: 0 }.into());
    assert_eq!(refused(&[&[1, 2], &[0]]), TokenError::Ragged { row: 1, length: 1, expected: 2 }.into());
    assert!(refused(&[&[3]]).to_string().contains("token 3 at position 0"));
}
