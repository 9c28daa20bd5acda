//! Attention, teacher forcing, scheduled sampling, and the two searches.

use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fornax_nn_core::check::{assert_close, fill};
use fornax_sequence::generate::{BeamConfig, beam_search};
use fornax_sequence::seq2seq::{Attention, Batch, Sampling, train_step};
use fornax_sequence::{Seq2Seq, Seq2SeqConfig};

const BOTH: [Attention; 2] = [Attention::Bahdanau, Attention::Luong];

fn model(attention: Attention, device: &Device) -> Seq2Seq {
    let config =
        Seq2SeqConfig::new(7, 8).with_attention(attention).with_embedding_size(8).with_hidden_size(16);
    fill::fill(config.init(device).unwrap())
}

fn ids<const D: usize>(values: &[i64], shape: [usize; D], device: &Device) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape.to_vec()), device)
}

#[test]
fn attention_is_a_distribution_over_the_source() {
    let device = Device::flex();
    for attention in BOTH {
        let model = model(attention, &device);
        let sources = fill::targets("sources", [2, 5], 7, &device);
        let inputs = fill::targets("inputs", [2, 3], 8, &device);
        let (_, looks) = model.forward(sources.clone(), &[5, 2], inputs.clone(), None);
        assert_close(&looks.clone().sum_dim(2), &[1.0; 6], 1e-5, 0.0);
        let behind: f32 = looks.narrow(0, 1, 1).narrow(2, 2, 3).abs().sum().into_scalar();
        assert_eq!(behind, 0.0, "weight on padding");
        // And the padded one is what it is alone.
        let (both, _) = model.forward(sources.clone(), &[5, 2], inputs.clone(), None);
        let (alone, _) =
            model.forward(sources.narrow(0, 1, 1).narrow(1, 0, 2), &[2], inputs.narrow(0, 1, 1), None);
        assert_close(&both.narrow(0, 1, 1), &alone, 1e-5, 1e-6);
    }
}

#[test]
fn a_rate_of_one_is_the_models_own_writing_and_of_zero_is_forcing() {
    let device = Device::flex();
    for attention in BOTH {
        let model = model(attention, &device);
        let sources = fill::targets("sources", [1, 4], 7, &device);
        let inputs = ids(&[1, 5, 6, 3], [1, 4], &device);
        let run = |rate: f64| {
            let noise = [0.5; 4];
            let sampling = Some(Sampling { rate, noise: &noise });
            model.forward(sources.clone(), &[4], inputs.clone(), sampling).0
        };
        let (forced, _) = model.forward(sources.clone(), &[4], inputs.clone(), None);
        assert_close(&run(0.0), &forced, 0.0, 0.0);
        // Its own: each token is the most probable one after the token before it.
        let own = run(1.0);
        let written: Vec<i64> = own.clone().argmax(2).into_data().iter::<i64>().collect();
        let again = ids(&[1, written[0], written[1], written[2]], [1, 4], &device);
        let (expected, _) = model.forward(sources.clone(), &[4], again, None);
        assert_close(&own, &expected, 1e-6, 1e-6);
    }
}

/// ln P of a target and its end, by forcing the model along it.
fn log_probability(model: &Seq2Seq, source: &Tensor<2, Int>, target: &[u32], ended: bool) -> f64 {
    let device = source.device();
    let mut inputs = vec![1];
    inputs.extend(target.iter().map(|&token| i64::from(token)));
    let mut next: Vec<i64> = inputs[1..].to_vec();
    if ended {
        next.push(2);
    } else {
        inputs.pop();
    }
    let steps = next.len();
    let (logits, _) =
        model.forward(source.clone(), &[source.dims()[1]], ids(&inputs, [1, steps], &device), None);
    log_softmax(logits, 2).gather(2, ids(&next, [1, steps, 1], &device)).sum().into_scalar()
}

#[test]
fn a_beam_of_one_is_greedy_and_a_full_one_finds_the_best() {
    let device = Device::flex();
    for attention in BOTH {
        let model = model(attention, &device);
        for name in ["a", "b", "c"] {
            let source = fill::targets(name, [1, 4], 7, &device);
            let (greedy, _) = model.greedy(source.clone(), &[4], 3);
            let decoder = model.decoder(source.clone(), &[4]);
            let config =
                BeamConfig::new(1).with_max_tokens(3).with_length_penalty(0.0).with_stop_tokens(vec![2]);
            let mut narrow = beam_search(&decoder, &[1], &config).unwrap().remove(0).tokens;
            narrow.retain(|&token| token != 2);
            assert_eq!(narrow, greedy[0]);
            // Every target of at most two tokens that ends, by exhaustion.
            let mut all: Vec<(Vec<u32>, f64)> = vec![(vec![], log_probability(&model, &source, &[], true))];
            for a in (0..8).filter(|&a| a != 2) {
                all.push((vec![a], log_probability(&model, &source, &[a], true)));
                for b in (0..8).filter(|&b| b != 2) {
                    all.push((vec![a, b], log_probability(&model, &source, &[a, b], true)));
                }
            }
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            let mut found = beam_search(&decoder, &[1], &BeamConfig { beams: 64, ..config }).unwrap();
            found.retain(|hypothesis| hypothesis.tokens.last() == Some(&2));
            let (end, tokens) = found[0].tokens.split_last().unwrap();
            assert_eq!((*end, tokens), (2, &all[0].0[..]), "{attention:?}, source {name}");
            assert!((found[0].score - all[0].1).abs() < 1e-5);
            assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
        }
    }
}

#[test]
fn copying_is_learnt() {
    let device = Device::flex().autodiff();
    for attention in BOTH {
        device.seed(1);
        let config =
            Seq2SeqConfig::new(8, 8).with_attention(attention).with_embedding_size(16).with_hidden_size(32);
        let mut model = config.init(&device).unwrap();
        let mut optim = AdamConfig::new().init();
        let batch = |name: &str, size: usize, device: &Device| {
            let symbols: Vec<i64> = fill::classes(name, size * 4, 5).iter().map(|s| s + 3).collect();
            let rows = |f: &dyn Fn(&[i64]) -> Vec<i64>| symbols.chunks(4).flat_map(f).collect::<Vec<i64>>();
            Batch {
                sources: ids(&symbols, [size, 4], device),
                lengths: vec![4; size],
                inputs: ids(&rows(&|row| [&[1], row].concat()), [size, 5], device),
                targets: ids(&rows(&|row| [row, &[2]].concat()), [size, 5], device),
                mask: Tensor::from_data(TensorData::new(vec![true; size * 5], [size, 5]), device),
            }
        };
        for step in 0..250 {
            let data = batch(&format!("batch {step}"), 32, &device);
            (model, _) = train_step(model, &mut optim, (1e-2, 1.0), data, None).unwrap();
        }
        let flat = device.clone().inner();
        let unseen = batch("unseen", 50, &flat);
        let (written, _) = model.valid().greedy(unseen.sources.clone(), &unseen.lengths, 8);
        let right: Vec<Vec<u32>> = unseen
            .sources
            .into_data()
            .iter::<i64>()
            .map(|token| token as u32)
            .collect::<Vec<u32>>()
            .chunks(4)
            .map(<[u32]>::to_vec)
            .collect();
        let exact = fornax_sequence::metric::exact_match(&written, &right);
        assert!(exact >= 0.9, "{attention:?}: {exact}");
    }
}

#[test]
fn unusable_sizes_are_named() {
    let field = |config: Seq2SeqConfig| config.init(&Device::flex()).unwrap_err().field;
    assert_eq!(field(Seq2SeqConfig::new(0, 8)), "source_vocabulary");
    assert_eq!(field(Seq2SeqConfig::new(7, 2)), "end");
    assert_eq!(field(Seq2SeqConfig::new(7, 8).with_hidden_size(0)), "hidden_size");
    assert_eq!(field(Seq2SeqConfig::new(7, 8).with_dropout(1.0)), "dropout");
    assert_eq!(field(Seq2SeqConfig::new(7, 8).with_begin(8)), "begin");
}
