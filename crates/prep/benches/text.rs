//! Tokenising beside the bare library, in turns: `cargo bench -p fornax-prep --bench text`. The ratio is what
//! counts; on a busy machine both sides are slow. `cargo bench -p fornax-prep --bench text -- 9` for nine
//! turns.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::time::Instant;

use fornax_prep::text::{Tokenizer, TokenizerConfig};
use rayon::prelude::*;

/// Bytes cut in a turn.
const BYTES: usize = 4 << 20;

fn main() {
    // Cargo passes `--bench`.
    let turns = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(7usize);
    let lines = lines();
    let bytes: usize = lines.iter().map(String::len).sum();
    println!(
        "{} lines, {:.1} MB, {turns} turns of each side, {} threads",
        lines.len(),
        bytes as f64 / 1e6,
        rayon::current_num_threads()
    );
    println!("{:<11} {:>10} {:>10} {:>7}   medians", "", "ours", "bare", "ratio");
    for (name, config) in [
        ("bpe", TokenizerConfig::bpe(4096)),
        ("word_piece", TokenizerConfig::word_piece(4096)),
        ("unigram", TokenizerConfig::unigram(2048)),
    ] {
        let tokenizer = config.train(&lines[..lines.len() / 4]).unwrap();
        let bare: tokenizers::Tokenizer = tokenizer.to_json().unwrap().parse().unwrap();
        let same = tokenizer.encode_batch(&lines[..500]).unwrap();
        let theirs: Vec<Vec<u32>> = lines[..500]
            .iter()
            .map(|line| bare.encode_fast(line.as_str(), true).unwrap().get_ids().to_vec())
            .collect();
        assert_eq!(same, theirs, "both sides must do the same work");
        let (mut ours, mut others, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for turn in 0..turns {
            // Who goes first changes, for what the first leaves in the caches.
            let (a, b) = if turn % 2 == 0 {
                let a = ours_once(&tokenizer, &lines);
                (a, bare_once(&bare, &lines))
            } else {
                let b = bare_once(&bare, &lines);
                (ours_once(&tokenizer, &lines), b)
            };
            ours.push(bytes as f64 / a / 1e6);
            others.push(bytes as f64 / b / 1e6);
            ratios.push(b / a);
        }
        let (ours, others, ratio) = (median(ours), median(others), median(ratios));
        println!("{name:<11} {ours:>5.1} MB/s {others:>5.1} MB/s {ratio:>6.2}x");
    }
}

fn ours_once(tokenizer: &Tokenizer, lines: &[String]) -> f64 {
    let started = Instant::now();
    let ids = tokenizer.encode_batch(lines).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    assert!(ids.len() == lines.len());
    seconds
}

/// The library's own batch, on the same threads, the numbers taken out as ours gives them.
fn bare_once(tokenizer: &tokenizers::Tokenizer, lines: &[String]) -> f64 {
    let started = Instant::now();
    let inputs: Vec<&str> = lines.iter().map(String::as_str).collect();
    let encoded = tokenizer.encode_batch_fast(inputs, true).unwrap();
    let ids: Vec<Vec<u32>> = encoded.par_iter().map(|encoding| encoding.get_ids().to_vec()).collect();
    let seconds = started.elapsed().as_secs_f64();
    assert!(ids.len() == lines.len());
    seconds
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Lines like prose: words of a fixed list by Zipf's law, in sentences.
fn lines() -> Vec<String> {
    let source = include_str!("../src/text/mod.rs");
    let words: Vec<&str> =
        source.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)).collect();
    let mut state = 1u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let mut lines = Vec::new();
    let mut bytes = 0;
    while bytes < BYTES {
        let mut line = String::new();
        for i in 0..4 + below(30) {
            if i > 0 {
                line.push_str(if below(12) == 0 { ", " } else { " " });
            }
            // Frequent words more often, rare ones bent into new ones.
            let rank = (words.len() as f64).powf(below(10_000) as f64 / 10_000.0) as usize % words.len();
            line.push_str(words[rank]);
            if below(20) == 0 {
                line.push_str(&below(100_000).to_string());
            }
        }
        line.push('.');
        bytes += line.len();
        lines.push(line);
    }
    lines
}
