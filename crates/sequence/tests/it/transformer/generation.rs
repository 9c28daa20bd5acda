//! Choosing tokens: against Hugging Face's definitions, against enumeration, and what is promised beside.

use burn::tensor::Device;
use fornax_nn_core::check::{Fixture, assert_close, fill};
use fornax_sequence::generate::{
    BeamConfig, Finish, GenerateConfig, GenerateError, Generation, TextStream, WhenFull, beam_search,
    generate, logits, stream,
};
use fornax_sequence::gpt::{Gpt, GptConfig};
use fornax_sequence::tokens::{TokenError, check};
use fornax_sequence::transformer::TransformerConfig;
use proptest::prelude::*;

fn fixture() -> Fixture {
    Fixture::parse(include_str!("../../fixtures/gpt.json")).unwrap()
}

/// The tiny GPT-2 of the fixtures.
fn gpt2() -> Gpt {
    let config = GptConfig::new(37).with_context(32).with_d_model(24).with_layers(2).with_heads(3);
    fill::fill(config.init(&Device::flex()).unwrap())
}

/// One that says various things.
fn talkative(vocab: usize) -> Gpt {
    let config =
        GptConfig::modern(vocab).with_context(24).with_d_model(16).with_layers(1).with_d_ff(Some(24));
    fill::fill(config.init(&Device::flex()).unwrap())
}

fn prompt() -> Vec<u32> {
    fill::classes("prompt", 4, 37).into_iter().map(|id| id as u32).collect()
}

#[test]
fn every_processor_leaves_what_hugging_faces_leaves() {
    let history = [1, 2, 3, 1, 2, 5, 7, 1, 2];
    let base = || GenerateConfig::new();
    let cases = [
        ("temperature 0.7", base().with_temperature(0.7)),
        ("temperature 1.5", base().with_temperature(1.5)),
        ("top_k 1", base().with_top_k(Some(1))),
        ("top_k 5", base().with_top_k(Some(5))),
        ("top_p 0.1", base().with_top_p(Some(0.1))),
        ("top_p 0.9", base().with_top_p(Some(0.9))),
        ("min_p 0.1", base().with_min_p(Some(0.1))),
        ("typical 0.2", base().with_typical_p(Some(0.2))),
        ("typical 0.8", base().with_typical_p(Some(0.8))),
        ("repetition 1.3", base().with_repetition_penalty(1.3)),
        ("repetition 0.8", base().with_repetition_penalty(0.8)),
        ("ngram 2", base().with_no_repeat_ngram(Some(2))),
        ("ngram 3", base().with_no_repeat_ngram(Some(3))),
        (
            "all",
            base()
                .with_repetition_penalty(1.3)
                .with_no_repeat_ngram(Some(3))
                .with_temperature(0.8)
                .with_top_k(Some(20))
                .with_top_p(Some(0.95))
                .with_min_p(Some(0.02))
                .with_typical_p(Some(0.9)),
        ),
    ];
    for (name, config) in cases {
        let mut all = Vec::new();
        for row in 0..3 {
            let mut logits: Vec<f32> =
                (0..40).map(|i| (4.0 * fill::uniform("logits", row * 40 + i) as f32) as f32).collect();
            config.process(&mut logits, &history);
            all.extend(logits::softmax(&logits));
        }
        fixture().check(&format!("process {name}"), &all, 1e-5, 1e-7).unwrap();
    }
}

fn as_numbers(tokens: &[u32]) -> Vec<f64> {
    tokens.iter().map(|&token| f64::from(token)).collect()
}

#[test]
fn greedy_texts_are_hugging_faces() {
    let model = gpt2();
    for (name, config) in [
        ("greedy", GenerateConfig::greedy(16)),
        ("greedy repetition", GenerateConfig::greedy(16).with_repetition_penalty(1.4)),
        ("greedy ngram", GenerateConfig::greedy(16).with_no_repeat_ngram(Some(2))),
    ] {
        let text = generate(&model, &[prompt()], &config, 0).unwrap();
        fixture().check(name, &as_numbers(&text[0]), 0.0, 0.0).unwrap();
    }
    let config = GenerateConfig::greedy(10).with_no_repeat_ngram(Some(2));
    let texts = generate(&model, &[prompt(), prompt()[2..].to_vec()], &config, 0).unwrap();
    fixture().check("greedy padded", &as_numbers(&texts.concat()), 0.0, 0.0).unwrap();
}

#[test]
fn beams_are_hugging_faces() {
    let model = gpt2();
    let base = |beams, tokens| BeamConfig::new(beams).with_max_tokens(tokens);
    let mut cases =
        vec![("beam".to_owned(), base(3, 8)), ("beam short".to_owned(), base(3, 8).with_length_penalty(0.0))];
    for (end, penalty) in [(4, 1.0), (25, 1.0), (26, 0.0), (26, 1.0), (12, 0.3)] {
        let config = base(4, 10).with_stop_tokens(vec![end]).with_length_penalty(penalty);
        cases.push((format!("beam end {end} penalty {penalty:?}"), config));
    }
    for (name, config) in cases {
        let found = beam_search(&model, &prompt(), &config).unwrap();
        let longest = found.iter().map(|text| text.tokens.len()).max().unwrap();
        // Hugging Face fills up with the token that ended the text.
        let padded = found.iter().flat_map(|text| {
            (0..longest)
                .filter_map(|i| text.tokens.get(i).or(text.tokens.last()).map(|&token| f64::from(token)))
        });
        fixture().check(&name, &padded.collect::<Vec<f64>>(), 0.0, 0.0).unwrap();
        let scores: Vec<f64> = found.iter().map(|text| text.score).collect();
        fixture().check(&format!("{name} scores"), &scores, 1e-4, 0.0).unwrap();
    }
}

/// Σ log p of a continuation, each token by a pass without a cache.
fn log_probability(model: &Gpt, prompt: &[u32], text: &[u32]) -> f64 {
    let whole = [prompt, text].concat();
    let logits = model.forward(fornax_sequence::tokens::to_tensor(&[&whole], &Device::flex()));
    let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
    let vocab = model.config.vocab_size;
    let each = text.iter().enumerate().map(|(i, &token)| {
        let at = prompt.len() + i - 1;
        logits::softmax(&logits[at * vocab..(at + 1) * vocab])[token as usize].ln()
    });
    each.sum()
}

#[test]
fn wide_beams_find_what_enumeration_finds() {
    let model = talkative(4);
    let prompt = [1, 3];
    let mut all: Vec<(Vec<u32>, f64)> = (0..64_u32)
        .map(|i| vec![i / 16, i / 4 % 4, i % 4])
        .map(|text| (text.clone(), log_probability(&model, &prompt, &text)))
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    let total: f64 = all.iter().map(|(_, log_p)| log_p.exp()).sum();
    assert_close(&[total], &[1.0], 1e-5, 0.0);

    let found =
        beam_search(&model, &prompt, &BeamConfig::new(64).with_max_tokens(3).with_length_penalty(0.0))
            .unwrap();
    assert_eq!(found.len(), 64);
    for (found, (text, log_p)) in found.iter().zip(&all).take(10) {
        assert_eq!(&found.tokens, text);
        assert_close(&[found.score], &[*log_p], 1e-4, 0.0);
    }

    // With an end and a penalty: all texts that end with 2 or are three long.
    let score = |text: &[u32]| log_probability(&model, &prompt, text) / (text.len() as f64).powf(0.7);
    let ends = |text: &Vec<u32>| text[..text.len() - 1].iter().all(|&token| token != 2);
    let mut texts: Vec<Vec<u32>> = all.iter().map(|(text, _)| text.clone()).filter(ends).collect();
    texts.extend((0..4).map(|i| vec![i, 2]).filter(ends));
    texts.push(vec![2]);
    texts.sort_by(|a, b| score(b).total_cmp(&score(a)));
    let config = BeamConfig::new(40).with_max_tokens(3).with_length_penalty(0.7).with_stop_tokens(vec![2]);
    let found = beam_search(&model, &prompt, &config).unwrap();
    assert_eq!(found[..5].iter().map(|text| text.tokens.clone()).collect::<Vec<_>>(), texts[..5]);

    // One beam is greedy.
    let one = beam_search(&model, &prompt, &BeamConfig::new(1).with_max_tokens(8)).unwrap();
    assert_eq!(one[0].tokens, generate(&model, &[prompt], &GenerateConfig::greedy(8), 0).unwrap()[0]);
}

#[test]
fn tokens_come_as_often_as_they_are_likely() {
    // Noise in even steps: token i is drawn for the share p_i of it, to a step.
    let logits = [0.3_f32, -1.2, f32::NEG_INFINITY, 2.0, 0.9];
    let p = logits::softmax(&logits);
    let steps = 100_000;
    let mut counts = [0.0; 5];
    for i in 0..steps {
        counts[logits::draw(&logits, i as f64 / steps as f64).unwrap()] += 1.0 / steps as f64;
    }
    assert_close(&counts, &p, 0.0, 2e-5);
    assert_eq!(counts[2], 0.0);
    assert_eq!(logits::draw(&logits, 1.0 - f64::EPSILON / 2.0), Some(4));
    assert_eq!(logits::draw(&[f32::NEG_INFINITY; 3], 0.5), None);
    assert_eq!(logits::argmax(&[1.0, 3.0, 3.0]), Some(1));
    assert_eq!(logits::argmax(&[f32::NEG_INFINITY; 3]), None);

    // And over seeds: 4,000 first tokens, each count within five deviations of the model's own probability.
    let model = talkative(6);
    let config = GenerateConfig::new().with_max_tokens(1);
    let expected: Vec<f64> = (0..6).map(|token| log_probability(&model, &[1, 2], &[token]).exp()).collect();
    let prompts = vec![[1, 2]; 4_000];
    let mut counts = [0.0; 6];
    for text in generate(&model, &prompts, &config, 11).unwrap() {
        counts[text[0] as usize] += 1.0;
    }
    for (count, p) in counts.iter().zip(expected) {
        let deviation = (4_000.0 * p * (1.0 - p)).sqrt();
        assert!((count - 4_000.0 * p).abs() < 5.0 * deviation, "{counts:?}");
    }
}

#[test]
fn a_text_follows_from_its_seed_and_row() {
    let model = talkative(20);
    let config = GenerateConfig::new().with_max_tokens(12);
    let prompts = [vec![1, 2, 3], vec![4], vec![1, 2, 3]];
    let texts = generate(&model, &prompts, &config, 5).unwrap();
    assert_eq!(texts, generate(&model, &prompts, &config, 5).unwrap());
    assert_ne!(texts, generate(&model, &prompts, &config, 6).unwrap());
    assert_ne!(texts[0], texts[2], "equal prompts draw from streams of their own");
    let first: Result<Vec<u32>, _> = stream(&model, &prompts[0], &config, 5).unwrap().collect();
    assert_eq!(first.unwrap(), texts[0]);
}

#[test]
fn a_shorter_prompt_is_continued_as_if_alone() {
    let model = talkative(20);
    let config = GenerateConfig::greedy(10).with_no_repeat_ngram(Some(1));
    let prompts = [vec![1, 2, 3, 4, 5], vec![7], vec![9, 8, 7]];
    let together = generate(&model, &prompts, &config, 0).unwrap();
    for (prompt, text) in prompts.iter().zip(together) {
        assert_eq!(generate(&model, &[prompt], &config, 0).unwrap()[0], text);
    }
}

#[test]
fn texts_end_when_they_should() {
    let model = talkative(20);
    let config = GenerateConfig::greedy(10).with_no_repeat_ngram(Some(1));
    let text = generate(&model, &[[1, 2]], &config, 0).unwrap().remove(0);
    assert_eq!(text.len(), 10);
    let distinct: std::collections::BTreeSet<&u32> = text.iter().collect();
    assert_eq!(distinct.len(), 10, "no token twice");

    let stopping = config.clone().with_stop_tokens(vec![text[4]]);
    let mut generation = Generation::new(&model, &[vec![1, 2], vec![3]], &stopping, 0).unwrap();
    let steps: Vec<_> = generation.by_ref().map(Result::unwrap).collect();
    assert_eq!(generation.texts()[0], &text[..5]);
    assert_eq!(generation.finished()[0], Some(Finish::StopToken(text[4])));
    assert_eq!(steps[4][0], Some(text[4]));
    assert!(steps[5..].iter().all(|step| step[0].is_none()), "an ended text gets no more tokens");
    assert!(generate(&model, &[[1]], &GenerateConfig::greedy(0), 0).unwrap()[0].is_empty());

    // At the end of the context of 24: stop, or go on from the last twelve.
    let long = GenerateConfig::greedy(60).with_when_full(WhenFull::Stop);
    let mut generation = Generation::new(&model, &[[1, 2]], &long, 0).unwrap();
    assert!(generation.by_ref().all(|step| step.is_ok()));
    assert_eq!(generation.finished(), [Some(Finish::ContextFull)]);
    let stopped = generation.texts()[0].to_vec();
    assert_eq!(stopped.len(), 24 - 2 + 1, "the last token is predicted from a full context");
    let slid = generate(&model, &[[1, 2]], &long.with_when_full(WhenFull::Slide), 0).unwrap().remove(0);
    assert_eq!(slid.len(), 60);
    assert_eq!(slid[..23], stopped);
    let whole = [vec![1, 2], slid].concat();
    let again = generate(&model, &[&whole[25 - 12..25]], &GenerateConfig::greedy(1), 0).unwrap();
    assert_eq!(again[0][0], whole[25]);
}

#[test]
fn text_streams_hold_back_what_may_change() {
    // Bytes as tokens: "é" is two of them, and the stop string comes in pieces.
    let decode = |ids: &[u32]| {
        let bytes: Vec<u8> = ids.iter().map(|&id| id as u8).collect();
        Ok::<_, ()>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let run = |text: &str, stop: &[&str]| {
        let mut stream = TextStream::new(decode, stop.iter().copied());
        let mut pieces = Vec::new();
        for byte in text.bytes() {
            pieces.push(stream.push(u32::from(byte)).unwrap());
            if stream.has_stopped() {
                break;
            }
        }
        pieces.push(stream.finish().unwrap());
        pieces
    };
    assert_eq!(run("né!", &[]), ["n", "", "é", "!", ""]);
    assert_eq!(run("ab<c", &["<|end|>"]), ["a", "b", "", "<c", ""]);
    assert_eq!(run("ab<|", &["<|end|>"]), ["a", "b", "", "", "<|"]);
    assert_eq!(run("ab<|end|>cd", &["<|end|>", "x"]).concat(), "ab");
    assert_eq!(run("aab", &["aab"]).concat(), "");
    assert_eq!(run("aaab", &["aab"]).concat(), "a");
    assert_eq!(run("\u{e9}", &[""]).concat(), "é", "an empty string stops nothing");
}

#[test]
fn translations_are_the_decoders_own_likeliest_tokens() {
    let config = TransformerConfig::tiny(9, 11).with_d_model(16).with_d_ff(24).with_context(12);
    let model = fill::fill(config.init(&Device::flex()).unwrap());
    let sources = [vec![1, 2, 3, 4], vec![5, 6]];
    let texts = model.translate(&sources, 1, &GenerateConfig::greedy(6), 0).unwrap();
    // The same without a cache and without the other source.
    for (source, text) in sources.iter().zip(&texts) {
        let device = Device::flex();
        let real =
            burn::tensor::Tensor::<1, burn::tensor::Bool>::full([source.len()], true, &device).unsqueeze();
        let memory = model.encode(fornax_sequence::tokens::to_tensor(&[source], &device), real);
        let mut target = vec![1];
        for _ in 0..6 {
            let logits = model.decode(fornax_sequence::tokens::to_tensor(&[&target], &device), &memory);
            let last = logits.narrow(1, target.len() - 1, 1);
            target.push(last.argmax(2).into_scalar::<i64>() as u32);
        }
        assert_eq!(&target[1..], text);
        let beams =
            beam_search(&model.decoder(&[source]).unwrap(), &[1], &BeamConfig::new(1).with_max_tokens(6));
        assert_eq!(&beams.unwrap()[0].tokens, text);
        let wide =
            beam_search(&model.decoder(&[source]).unwrap(), &[1], &BeamConfig::new(4).with_max_tokens(6));
        assert_eq!(wide.unwrap().len(), 4);
    }
    let ragged = fornax_sequence::generate::generate(
        &model.decoder(&sources).unwrap(),
        &[vec![1], vec![1, 2]],
        &GenerateConfig::greedy(2),
        0,
    );
    assert_eq!(ragged, Err(TokenError::Ragged { row: 1, length: 2, expected: 1 }.into()));
}

#[test]
fn what_cannot_be_used_is_named() {
    let model = talkative(20);
    let greedy = GenerateConfig::greedy(4);
    let failed = |prompts: &[Vec<u32>]| match generate(&model, prompts, &greedy, 0) {
        Err(GenerateError::Tokens(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(&[]), TokenError::NoSequence);
    assert_eq!(failed(&[vec![1], vec![]]), TokenError::Empty { row: 1 });
    let unknown = TokenError::OutOfVocabulary { row: 0, position: 1, token: 20, vocab_size: 20 };
    assert_eq!(failed(&[vec![19, 20]]), unknown);
    assert_eq!(failed(&[vec![1; 25]]), TokenError::TooLong { row: 0, length: 25, context: 24 });
    assert!(check(&[[u32::MAX]], usize::MAX, None).is_ok());

    let base = || GenerateConfig::new();
    for (field, config) in [
        ("temperature", base().with_temperature(-0.1)),
        ("temperature", base().with_temperature(f64::NAN)),
        ("top_k", base().with_top_k(Some(0))),
        ("top_p", base().with_top_p(Some(0.0))),
        ("top_p", base().with_top_p(Some(1.1))),
        ("min_p", base().with_min_p(Some(-0.1))),
        ("typical_p", base().with_typical_p(Some(1.0))),
        ("repetition_penalty", base().with_repetition_penalty(0.0)),
        ("no_repeat_ngram", base().with_no_repeat_ngram(Some(0))),
    ] {
        match generate(&model, &[[1]], &config, 0) {
            Err(GenerateError::Config(error)) => assert_eq!(error.field, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    for (field, config) in
        [("beams", BeamConfig::new(0)), ("length_penalty", BeamConfig::new(1).with_length_penalty(f64::NAN))]
    {
        match beam_search(&model, &[1], &config) {
            Err(GenerateError::Config(error)) => assert_eq!(error.field, field),
            other => panic!("{field}: {other:?}"),
        }
    }

    // Twenty tokens, none twice: after nineteen more nothing is left.
    let exhausted = GenerateConfig::greedy(30).with_no_repeat_ngram(Some(1));
    let error = generate(&model, &[[1]], &exhausted, 0).unwrap_err();
    assert_eq!(error, GenerateError::NothingLeft { row: 0, tokens: 20 });

    let mut broken = talkative(20);
    broken.tokens.weight = broken.tokens.weight.map(|weight| weight * f32::NAN);
    assert_eq!(generate(&broken, &[[1, 2]], &greedy, 0), Err(GenerateError::NonFinite { row: 0, tokens: 2 }));
}

proptest! {
    /// Whatever is cut off, something is left, and what is left keeps its order and its logit.
    #[test]
    fn cuts_keep_the_likeliest(
        mut values in prop::collection::vec(-20.0_f32..20.0, 1..30),
        k in 1_usize..40, p in 0.01_f64..1.0,
    ) {
        let best = logits::argmax(&values).unwrap();
        let before = values.clone();
        for cut in [
            |v: &mut [f32], k: usize, _: f64| logits::top_k(v, k),
            |v: &mut [f32], _: usize, p: f64| logits::top_p(v, p),
            |v: &mut [f32], _: usize, p: f64| logits::min_p(v, p),
        ] {
            values.clone_from(&before);
            cut(&mut values, k, p);
            prop_assert_eq!(values[best], before[best]);
            prop_assert!(values.iter().zip(&before).all(|(a, b)| a == b || *a == f32::NEG_INFINITY));
        }
        values.clone_from(&before);
        logits::typical(&mut values, p);
        prop_assert!(values.iter().any(|v| v.is_finite()));
        // Top-p keeps the smallest set that reaches p: one token fewer would not.
        values.clone_from(&before);
        logits::top_p(&mut values, p);
        let all = logits::softmax(&before);
        let kept: Vec<f64> = (0..all.len()).filter(|&i| values[i].is_finite()).map(|i| all[i]).collect();
        let (sum, least) = (kept.iter().sum::<f64>(), kept.iter().copied().fold(1.0, f64::min));
        prop_assert!(sum >= p - 1e-9 && (kept.len() == 1 || sum - least < p + 1e-9));
    }

    #[test]
    fn no_ngram_comes_twice(tokens in prop::collection::vec(0_u32..4, 0..12), n in 1_usize..5) {
        let mut logits = vec![0.0_f32; 4];
        logits::no_repeat_ngram(&mut logits, &tokens, n);
        for (token, logit) in logits.iter().enumerate() {
            let next = [&tokens[..], &[token as u32]].concat();
            let new = next.len() >= n && tokens.len() + 1 >= n && next[..next.len() - 1]
                .windows(n).any(|gram| gram == &next[next.len() - n..]);
            prop_assert_eq!(logit.is_infinite(), new);
        }
    }
}
