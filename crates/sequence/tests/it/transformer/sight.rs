//! Who sees whom: what masks, positions and caches promise, proven on outputs and gradients.

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use fornax_nn_core::check::{Values, assert_close, fill};
use fornax_sequence::attention::{AttentionContext, MultiHeadAttentionConfig, attention_weights, mask};
use fornax_sequence::bert::{BertConfig, Corruption, Noise, corrupt};
use fornax_sequence::generate::Autoregressive;
use fornax_sequence::gpt::{Gpt, GptConfig};
use fornax_sequence::position::{PositionKind, Rotation, alibi, alibi_slopes, sinusoidal};
use fornax_sequence::tokens;
use fornax_sequence::transformer::Stack;
use fornax_sequence::transformer::block::{BlockConfig, NormOrder};
use fornax_sequence::transformer::{TransformerConfig, loss};
use fornax_sequence::vit::VisionTransformerConfig;

const KINDS: [PositionKind; 5] = [
    PositionKind::Learned,
    PositionKind::Sinusoidal,
    PositionKind::Rotary,
    PositionKind::Alibi,
    PositionKind::None,
];

fn stack(device: &Device) -> Stack {
    let block = BlockConfig::new(8, 2, 16).with_dropout(0.0);
    fill::fill(Stack::new(2, &block, false, device).unwrap())
}

#[test]
fn no_position_depends_on_a_later_one() {
    let device = Device::flex().autodiff();
    let stack = stack(&device);
    let hidden = mask::causal(0..6, 0..6, None, &[], &device);
    let context = AttentionContext { hidden, ..Default::default() };
    for t in 0..6 {
        let x = fill::input("x", [1, 6, 8], &device).require_grad();
        let y = stack.forward(x.clone(), &context, None).narrow(1, t, 1);
        // Another weight for each feature: the sum of a normalised position is constant.
        let probe = fill::input("probe", [1, 1, 8], &device);
        let gradient = x.grad(&(y * probe).sum().backward()).unwrap();
        let by_position: Vec<f64> = gradient.abs().sum_dim(2).values();
        assert!(by_position[..=t].iter().all(|&g| g > 0.0), "{t}: {by_position:?}");
        assert!(by_position[t + 1..].iter().all(|&g| g == 0.0), "{t}: {by_position:?}");
    }
}

#[test]
fn a_window_cuts_off_what_is_farther() {
    let device = Device::flex().autodiff();
    let layer = MultiHeadAttentionConfig::new(8, 2).init(&device).unwrap();
    let layer = fill::fill(layer);
    let hidden = mask::causal(0..6, 0..6, Some(3), &[], &device);
    let context = AttentionContext { hidden, ..Default::default() };
    let x = fill::input("x", [1, 6, 8], &device).require_grad();
    let y = layer.forward(x.clone(), x.clone(), &context).narrow(1, 4, 1);
    let gradient: Vec<f64> = x.grad(&y.sum().backward()).unwrap().abs().sum_dim(2).values();
    let seen: Vec<bool> = gradient.iter().map(|&g| g > 0.0).collect();
    assert_eq!(seen, [false, false, true, true, true, false]);
}

#[test]
fn without_positions_shuffled_inputs_give_shuffled_outputs() {
    let device = Device::flex();
    let stack = stack(&device);
    let x = fill::input("x", [2, 5, 8], &device);
    let order = Tensor::from_data([3_i64, 0, 4, 1, 2], &device);
    let context = AttentionContext::default();
    let before = stack.forward(x.clone().select(1, order.clone()), &context, None);
    let after = stack.forward(x.clone(), &context, None).select(1, order.clone());
    assert_close(&before, &after, 1e-5, 1e-6);
    // With positions it is another sentence.
    let rotation = Some(Rotation::new(&[(0..5).collect()], 4, &device));
    let context = AttentionContext { rotation, ..Default::default() };
    let before = stack.forward(x.clone().select(1, order.clone()), &context, None);
    let after = stack.forward(x, &context, None).select(1, order);
    assert!((before - after).abs().max().into_scalar::<f64>() > 1e-3);
}

#[test]
fn rows_that_see_nothing_are_zero_and_so_is_their_gradient() {
    let device = Device::flex().autodiff();
    let scores = fill::input("scores", [1, 2, 2, 3], &device).require_grad();
    let hidden: Tensor<4, Bool> = Tensor::from_data([[[[true, true, true], [false, true, false]]]], &device);
    let weights = attention_weights(scores.clone(), Some(&hidden));
    let rows: Vec<f64> = weights.clone().sum_dim(3).values();
    assert_close(&rows, &[0.0, 1.0, 0.0, 1.0], 1e-6, 0.0);
    let first: Vec<f64> = weights.clone().narrow(2, 0, 1).values();
    assert_eq!(first, [0.0; 6]);
    assert_eq!(weights.clone().narrow(3, 1, 1).values(), [0.0; 4], "hidden keys get exactly nothing");
    let probe = fill::input("probe", [1, 2, 2, 3], &device);
    let gradient = scores.grad(&(weights * probe).sum().backward()).unwrap().values();
    assert!(gradient.iter().all(|g| g.is_finite()));
    assert_eq!(gradient[..3], [0.0; 3]);
    assert!(gradient[3] != 0.0);
}

#[test]
fn a_whole_batch_of_padding_leaves_a_model_finite() {
    let device = Device::flex().autodiff();
    let stack = stack(&device);
    let real: Tensor<2, Bool> = Tensor::from_data([[true, true, false], [false, false, false]], &device);
    let context = AttentionContext { hidden: Some(mask::padding(real)), ..Default::default() };
    let x = fill::input("x", [2, 3, 8], &device).require_grad();
    let y = stack.forward(x.clone(), &context, None);
    assert!(y.values().iter().all(|y| y.is_finite()));
    let probe = fill::input("probe", y.dims(), &device);
    assert!(x.grad(&(y * probe).sum().backward()).unwrap().values().iter().all(|g| g.is_finite()));
}

#[test]
fn padding_changes_nothing_about_what_is_real() {
    let device = Device::flex();
    let config =
        BertConfig::new(13).with_context(16).with_d_model(16).with_layers(2).with_heads(2).with_d_ff(24);
    let bert = fill::fill(config.init(&device).unwrap());
    let sentences = [vec![2, 5, 7, 3], vec![2, 9, 1, 4, 12, 6, 3], vec![2, 3]];
    let together = bert.embed(&sentences).unwrap();
    for (row, sentence) in sentences.iter().enumerate() {
        let alone = bert.embed(&[sentence]).unwrap();
        assert_close(&together.clone().narrow(0, row, 1), &alone, 1e-5, 1e-6);
        assert_close(&alone.square().sum(), &[1.0], 1e-5, 0.0);
    }

    // An encoder–decoder's loss: two pairs together, and the mean of the two alone weighted by their tokens.
    let config = TransformerConfig::tiny(9, 9).with_d_model(16).with_d_ff(24).with_dropout(0.0);
    let model = fill::fill(config.init(&device).unwrap());
    let (sources, targets) = ([vec![1, 2, 3, 4, 5], vec![6, 7]], [vec![1, 5, 6], vec![1, 3, 4, 2, 8]]);
    let of = |sources: &[Vec<u32>], targets: &[Vec<u32>]| {
        let pad = |rows: &[Vec<u32>]| {
            let longest = rows.iter().map(Vec::len).max().unwrap();
            let ids: Vec<i64> = rows
                .iter()
                .flat_map(|row| (0..longest).map(|i| row.get(i).map_or(0, |&t| t.into())))
                .collect();
            let real: Vec<bool> = rows.iter().flat_map(|row| (0..longest).map(|i| i < row.len())).collect();
            let shape = [rows.len(), longest];
            let real: Tensor<2, Bool> = Tensor::from_data(TensorData::new(real, shape), &device);
            (Tensor::from_data(TensorData::new(ids, shape), &device), real)
        };
        let ((source, source_real), (target, real)) = (pad(sources), pad(targets));
        let logits = model.decode(target.clone(), &model.encode(source, source_real));
        loss(logits, target, real, 0.1).into_scalar::<f64>()
    };
    let alone = [0, 1].map(|i| of(&sources[i..=i], &targets[i..=i]));
    assert_close(&[of(&sources, &targets)], &[(3.0 * alone[0] + 5.0 * alone[1]) / 8.0], 1e-5, 0.0);
}

#[test]
fn rotations_depend_on_the_distance_alone() {
    let device = Device::flex();
    let (query, key) = (fill::input("q", [1, 2, 4, 8], &device), fill::input("k", [1, 2, 4, 8], &device));
    let scores = |shift: usize| {
        let rotation = Rotation::new(&[(shift..shift + 4).collect()], 8, &device);
        rotation.apply(query.clone()).matmul(rotation.apply(key.clone()).swap_dims(2, 3))
    };
    assert_close(&scores(700), &scores(0), 1e-4, 1e-4);
    let still = query.clone().matmul(key.clone().swap_dims(2, 3));
    assert!((scores(0) - still).abs().max().into_scalar::<f64>() > 0.1, "positions matter");
    // A rotation keeps lengths, and position 0 stays where it is.
    let turned = Rotation::new(&[vec![0, 3, 50, 999]], 8, &device).apply(query.clone());
    assert_close(&turned.clone().square().sum_dim(3), &query.clone().square().sum_dim(3), 1e-5, 1e-6);
    assert_close(&turned.narrow(2, 0, 1), &query.narrow(2, 0, 1), 0.0, 0.0);
}

#[test]
fn sinusoids_of_a_distance_are_a_rotation_of_each_other() {
    // PE(p + k) = R(k)·PE(p) with R(k) made from the first row alone, for every p.
    let table: Vec<f64> = sinusoidal(40, 6, &Device::flex()).values();
    let row = |p: usize| &table[6 * p..6 * (p + 1)];
    for (p, k) in [(0, 1), (5, 7), (20, 13)] {
        let (at, by, to) = (row(p), row(k), row(p + k));
        for pair in 0..3 {
            let [(s, c), (sk, ck)] = [at, by].map(|row| (row[2 * pair], row[2 * pair + 1]));
            assert_close(
                &[s * ck + c * sk, c * ck - s * sk],
                &to[2 * pair..2 * pair + 2].to_vec(),
                0.0,
                1e-5,
            );
        }
    }
    // The paper's formula at one place: PE(3, 2) = sin(3 / 10000^(2/6)).
    assert_close(&[row(3)[2]], &[(3.0 / 10_000f64.powf(2.0 / 6.0)).sin()], 1e-6, 0.0);
}

#[test]
fn alibi_falls_linearly_and_geometrically() {
    assert_close(
        &alibi_slopes(8),
        &[0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625],
        0.0,
        0.0,
    );
    let bias: Vec<f64> = alibi(2, 3..4, 1..5, &Device::flex()).values();
    assert_close(
        &bias,
        &[-0.125, -0.0625, 0.0, -0.0625, -0.0078125, -0.00390625, 0.0, -0.00390625],
        0.0,
        0.0,
    );
}

fn gpt(kind: PositionKind, window: Option<usize>, device: &Device) -> Gpt {
    let config = GptConfig::modern(31).with_context(256).with_d_model(16).with_layers(2).with_heads(4);
    let config = config.with_d_ff(Some(24)).with_position(kind).with_window(window);
    fill::fill(config.init(device).unwrap())
}

/// Logits after every token, the text fed in pieces of these lengths.
fn in_pieces(model: &Gpt, text: &[u32], mut lengths: impl Iterator<Item = usize>) -> Vec<(usize, Vec<f64>)> {
    let mut state = model.begin(&[0]);
    let (mut at, mut found) = (0, Vec::new());
    while at < text.len() {
        let next = (at + lengths.next().unwrap()).min(text.len());
        let logits = model.advance(&[text[at..next].to_vec()], &mut state);
        found.push((next - 1, logits.values()));
        at = next;
    }
    found
}

#[test]
fn cached_logits_are_the_uncached_ones_over_256_tokens() {
    let device = Device::flex();
    let text: Vec<u32> = fill::classes("text", 256, 31).into_iter().map(|id| id as u32).collect();
    for (kind, window) in KINDS.iter().map(|&kind| (kind, None)).chain([
        (PositionKind::Rotary, Some(20)),
        (PositionKind::Alibi, Some(1)),
        (PositionKind::Learned, Some(300)),
    ]) {
        let model = gpt(kind, window, &device);
        let whole = model.forward(tokens::to_tensor(&[&text], &device)).values();
        let singly = in_pieces(&model, &text, std::iter::repeat(1));
        let unevenly = in_pieces(&model, &text, [7, 1, 30, 1, 1, 19].into_iter().cycle());
        assert_eq!(singly.len(), 256);
        for (position, logits) in singly.iter().chain(&unevenly) {
            let expected = whole[position * 31..(position + 1) * 31].to_vec();
            assert_close(logits, &expected, 1e-5, 1e-5);
        }
    }
}

#[test]
fn a_window_bounds_what_is_kept() {
    use fornax_sequence::attention::KeyValueCache;
    let device = Device::flex();
    let layer = MultiHeadAttentionConfig::new(8, 2).init(&device).unwrap();
    let mut cache = KeyValueCache::new(Some(4));
    for step in 0..10 {
        let reach = cache.reach(1);
        assert_eq!(reach, (step + 1).min(4));
        let x = fill::input("x", [1, 1, 8], &device);
        layer.forward_cached(x, &AttentionContext::default(), &mut cache);
        assert_eq!(cache.len(), (step + 1).min(4));
    }
}

#[test]
fn padding_on_the_left_moves_a_text_and_changes_nothing() {
    let device = Device::flex();
    for kind in KINDS {
        let model = gpt(kind, None, &device);
        let text = vec![3, 1, 4, 1, 5];
        let alone = model.advance(std::slice::from_ref(&text), &mut model.begin(&[0]));
        let padded = vec![vec![9, 9, 2, 6, 5], [vec![0; 2], text[..3].to_vec()].concat()];
        let mut state = model.begin(&[0, 2]);
        model.advance(&padded, &mut state);
        // The second row has read three tokens of the text; now the other two.
        let both = model.advance(&[vec![3, 5], text[3..].to_vec()], &mut state);
        assert_close(&both.narrow(0, 1, 1), &alone, 1e-4, 1e-5);
    }
}

#[test]
fn of_the_tokens_to_be_predicted_eight_in_ten_are_hidden() {
    let corruption = Corruption::new(4, 1000, vec![2, 3]);
    // By hand: chosen and hidden, chosen and replaced, chosen and left, not chosen, special.
    let draws = [(0.1, 0.79), (0.1, 0.85), (0.1, 0.95), (0.15, 0.0), (0.0, 0.0)];
    let noise = draws.map(|(chosen, fate)| Noise { chosen, fate, token: 0.0421 });
    let (shown, chosen) = corrupt(&[10, 11, 12, 13, 2], &corruption, &noise);
    assert_eq!(shown, [4, 42, 12, 13, 2]);
    assert_eq!(chosen, [true, true, true, false, false]);

    // And by chance: every count within five deviations of the paper's share.
    let n = 200_000;
    let tokens: Vec<u32> = (0..n).map(|i| if i % 10 == 0 { 2 } else { 999 }).collect();
    let (shown, chosen) = corrupt(&tokens, &corruption, &Noise::draw(3, n));
    let count = |f: &dyn Fn(usize) -> bool| (0..n).filter(|&i| f(i)).count() as f64;
    let within = |count: f64, of: f64, p: f64| (count - of * p).abs() < 5.0 * (of * p * (1.0 - p)).sqrt();
    let all = count(&|i| chosen[i]);
    assert!(within(all, 0.9 * n as f64, 0.15), "{all}");
    assert!(within(count(&|i| chosen[i] && shown[i] == 4), all, 0.8 + 0.1 / 1000.0));
    assert!(within(count(&|i| chosen[i] && shown[i] == 999), all, 0.1 + 0.1 / 1000.0));
    assert!((0..n).all(|i| chosen[i] || shown[i] == tokens[i]), "the others stay as they are");
    assert!((0..n).all(|i| tokens[i] != 2 || !chosen[i]), "special tokens are never chosen");
    assert!(shown.iter().all(|&token| token < 1000));
}

#[test]
fn sizes_that_do_not_fit_are_named() {
    let device = Device::flex();
    let gpt = |config: GptConfig| config.init(&device).unwrap_err().field;
    let small = || GptConfig::nano(7);
    assert_eq!(gpt(GptConfig::nano(0)), "vocab_size");
    assert_eq!(gpt(small().with_context(0)), "context");
    assert_eq!(gpt(small().with_layers(0)), "layers");
    assert_eq!(gpt(small().with_heads(0)), "heads");
    assert_eq!(gpt(small().with_heads(5)), "heads");
    assert_eq!(gpt(small().with_kv_heads(Some(3))), "kv_heads");
    assert_eq!(gpt(small().with_kv_heads(Some(0))), "kv_heads");
    assert_eq!(gpt(small().with_window(Some(0))), "window");
    assert_eq!(gpt(small().with_d_ff(Some(0))), "d_ff");
    assert_eq!(gpt(small().with_dropout(1.0)), "dropout");
    assert_eq!(gpt(small().with_epsilon(0.0)), "epsilon");
    assert_eq!(gpt(small().with_d_model(12).with_position(PositionKind::Rotary)), "position");
    let transformer = |config: TransformerConfig| config.init(&device).unwrap_err().field;
    let tiny = || TransformerConfig::tiny(7, 7);
    assert_eq!(transformer(TransformerConfig::tiny(0, 7)), "source_vocab");
    assert_eq!(transformer(TransformerConfig::tiny(7, 0)), "target_vocab");
    assert_eq!(transformer(tiny().with_d_model(63)), "d_model");
    assert_eq!(transformer(tiny().with_label_smoothing(1.0)), "label_smoothing");
    let bert = BertConfig::new(7).with_segments(0).init(&device).unwrap_err();
    assert_eq!(bert.field, "segments");
    let vit = |config: VisionTransformerConfig| config.init(&device).unwrap_err().field;
    assert_eq!(vit(VisionTransformerConfig::digits().with_patch_size(5)), "patch_size");
    assert_eq!(vit(VisionTransformerConfig::digits().with_num_classes(0)), "num_classes");
}

#[test]
#[should_panic(expected = "9 tokens, the context is 8")]
fn more_tokens_than_the_context_are_refused() {
    let model = GptConfig::nano(7).with_context(8).init(&Device::flex()).unwrap();
    model.forward(fill::targets("inputs", [1, 9], 7, &Device::flex()));
}

#[test]
fn maps_of_a_memory_are_distributions_over_what_is_real() {
    let device = Device::flex();
    for order in [NormOrder::Pre, NormOrder::Post] {
        let config = TransformerConfig::tiny(9, 11).with_d_model(16).with_heads(2).with_order(order);
        let model = fill::fill(config.init(&device).unwrap()).valid();
        let source = tokens::to_tensor(&[vec![1, 2, 3, 4], vec![5, 6, 0, 0]], &device);
        let real = Tensor::<2, Bool>::from_data([[true; 4], [true, true, false, false]], &device);
        let memory = model.encode(source, real);
        let look = |target: &[Vec<u32>]| model.memory_maps(tokens::to_tensor(target, &device), &memory);
        let maps = look(&[vec![1, 7, 8], vec![1, 9, 3]]);
        assert_eq!(maps.len(), 2, "one a layer");
        for map in &maps {
            assert_eq!(map.dims(), [2, 2, 3, 4]);
            assert_close(&map.clone().sum_dim(3), &[1.0; 12], 1e-6, 0.0);
            let padded = map.clone().narrow(0, 1, 1).narrow(3, 2, 2);
            assert_eq!(padded.abs().sum().into_scalar::<f32>(), 0.0);
        }
        // Where a token looks is settled before the next one is there, and depends on the token.
        let others = look(&[vec![1, 7, 2], vec![1, 9, 4]]);
        for (map, other) in maps.iter().zip(&others) {
            let rows =
                |map: &Tensor<4>, from, count| -> Vec<f64> { map.clone().narrow(2, from, count).values() };
            assert_close(&map.clone().narrow(2, 0, 2), &rows(other, 0, 2), 1e-6, 1e-7);
            assert_ne!(rows(map, 2, 1), rows(other, 2, 1));
        }
    }
}
