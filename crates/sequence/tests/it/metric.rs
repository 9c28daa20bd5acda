//! Figures that can be worked out by hand.

use std::slice::from_ref;

use burn::tensor::{Device, Tensor};
use fornax_sequence::metric::{bits_per_char, bleu, exact_match, perplexity, token_accuracy, token_loss};

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

#[test]
fn a_uniform_model_is_as_uncertain_as_its_vocabulary_is_large() {
    let device = Device::flex();
    let targets = Tensor::from_data([[0, 3, 2], [4, 1, 1]], &device);
    let loss: f64 = token_loss(Tensor::zeros([2, 3, 5], &device), targets, None).into_scalar();
    assert!((perplexity(loss) - 5.0).abs() < 1e-5);
    assert!((bits_per_char(loss, 6, 12) - 5f64.log2() / 2.0).abs() < 1e-6);
}

#[test]
fn only_masked_tokens_count() {
    let device = Device::flex();
    // Certain of token 0; the second target of the second row is another one.
    let logits = Tensor::<3>::from_data([[[9.0, 0.0], [9.0, 0.0]], [[9.0, 0.0], [9.0, 0.0]]], &device);
    let targets = Tensor::from_data([[0, 0], [0, 1]], &device);
    let mask = Tensor::from_data([[true, true], [true, false]], &device);
    let loss = |mask| token_loss(logits.clone(), targets.clone(), mask).into_scalar::<f64>();
    let right = (1.0 + (-9f64).exp()).ln();
    assert!((loss(Some(mask.clone())) - right).abs() < 1e-6);
    assert!((loss(None) - (3.0 * right + 9.0 + right) / 4.0).abs() < 1e-5);
    assert_eq!(token_accuracy(logits.clone(), targets.clone(), None), 0.75);
    assert_eq!(token_accuracy(logits, targets, Some(mask)), 1.0);
}

#[test]
fn exact_matches_are_counted_whole() {
    assert_eq!(exact_match(&["ab", "cd", "e"], &["ab", "ce", "e"]), 2.0 / 3.0);
    assert_eq!(exact_match::<u8>(&[], &[]), 0.0);
}

#[test]
fn bleu_is_the_papers() {
    let reference = words("the cat is on the mat");
    assert!((bleu(from_ref(&reference), from_ref(&reference)) - 1.0).abs() < 1e-12);
    // The paper's example of clipping: seven times "the" matches twice, and no pair does.
    assert_eq!(bleu(&[words("the the the the the the the")], from_ref(&reference)), 0.0);
    // By hand: 5 of 6 words, 3 of 5 pairs, 2 of 4 triples, 1 of 3 quadruples; equal lengths.
    let candidate = words("the cat was on the mat");
    let by_hand = (5.0 / 6.0 * 3.0 / 5.0 * 1.0 / 4.0_f64).powf(1.0 / 3.0);
    let triples_only = bleu(from_ref(&candidate), from_ref(&reference));
    assert!(triples_only < by_hand, "no quadruple in common, so 0: {triples_only}");
    let (candidate, reference) = (words("a b c d e x"), words("a b c d e f g h"));
    let precision = (5.0 / 6.0 * 4.0 / 5.0 * 3.0 / 4.0 * 2.0 / 3.0_f64).powf(0.25);
    let brevity = (1.0 - 8.0 / 6.0_f64).exp();
    assert!((bleu(from_ref(&candidate), from_ref(&reference)) - brevity * precision).abs() < 1e-12);
    // Over a corpus, counts are summed before they are divided.
    let both = bleu(&[candidate, words("p q r s")], &[reference, words("p q r s")]);
    let precision = (9.0 / 10.0 * 7.0 / 8.0 * 5.0 / 6.0 * 3.0 / 4.0_f64).powf(0.25);
    assert!((both - (1.0 - 12.0 / 10.0_f64).exp() * precision).abs() < 1e-12);
}
