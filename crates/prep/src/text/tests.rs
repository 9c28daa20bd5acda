//! The formulas of the module's page, on texts small enough to compute by hand.

use std::collections::HashMap;

use super::*;
use crate::Limits;

fn tokens(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    tokenizer.pieces(text).unwrap().into_iter().map(|piece| piece.token).collect()
}

/// The example of Sennrich, Haddow and Birch.
const SENNRICH: &str =
    "low low low low low lower lower newest newest newest newest newest newest widest widest widest";

#[test]
fn bpe_merges_the_most_frequent_pair() {
    // low 5 times, lower 2, newest 6, widest 3; all but the first with a space, Ġ, before them.
    // e s and s t occur 9 times each, w e 8: e s, whose numbers are smaller. Then es t 9 times.
    // Then l o and o w 7 times each, which are l o's numbers; then lo w 7 times.
    let merged = |count: usize| {
        let tokenizer = TokenizerConfig::bpe(257 + count).train([SENNRICH]).unwrap();
        tokenizer.id_to_token(256 + count as u32).unwrap()
    };
    let merges: Vec<String> = (1..=4).map(merged).collect();
    assert_eq!(merges, ["es", "est", "lo", "low"]);
    // The number of merges is what is asked for: 1 special token and 256 bytes before them.
    let tokenizer = TokenizerConfig::bpe(261).train([SENNRICH]).unwrap();
    assert_eq!(tokenizer.vocab_size(), 261);
    assert_eq!(tokens(&tokenizer, "lowest"), ["low", "est"]);
    assert_eq!(tokens(&tokenizer, "slow"), ["s", "low"]);
}

#[test]
fn bpe_is_the_definition() {
    // The definition, without any bookkeeping, on the same words.
    let words: Vec<(Vec<String>, u64)> = {
        let mut counts: HashMap<String, u64> = HashMap::new();
        for (i, word) in SENNRICH.split(' ').enumerate() {
            *counts.entry(format!("{}{word}", if i == 0 { "" } else { "Ġ" })).or_default() += 1;
        }
        counts.into_iter().map(|(word, n)| (word.chars().map(String::from).collect(), n)).collect()
    };
    let full = TokenizerConfig::bpe(400).train([SENNRICH]).unwrap();
    let (mut words, mut expected) = (words, Vec::new());
    loop {
        let mut pairs: HashMap<(String, String), u64> = HashMap::new();
        for (word, n) in &words {
            word.windows(2).for_each(|p| *pairs.entry((p[0].clone(), p[1].clone())).or_default() += n);
        }
        let id = |token: &String| full.token_to_id(token).unwrap();
        let best = pairs
            .iter()
            .max_by(|(p, n), (q, m)| n.cmp(m).then((id(&q.0), id(&q.1)).cmp(&(id(&p.0), id(&p.1)))));
        let Some(((a, b), _)) = best else { break };
        let (a, b) = (a.clone(), b.clone());
        for (word, _) in &mut words {
            let mut i = 0;
            while i + 1 < word.len() {
                if word[i] == a && word[i + 1] == b {
                    word[i] = format!("{a}{b}");
                    word.remove(i + 1);
                }
                i += 1;
            }
        }
        expected.push(format!("{a}{b}"));
    }
    let merges: Vec<String> =
        (257..full.vocab_size() as u32).map(|id| full.id_to_token(id).unwrap()).collect();
    assert_eq!(merges, expected);
}

#[test]
fn word_piece_takes_the_longest_piece_and_gives_up_on_whole_words() {
    let text = "hug hug hug hug hug pug pug pug hugs hugs bun";
    let tokenizer = TokenizerConfig::word_piece(5 + 3 + 4 + 3).train([text]).unwrap();
    // Letters b h p, ##g ##n ##s ##u; pairs: ##u ##g 10, then h ##ug 7, then p ##ug 3.
    assert_eq!(tokenizer.id_to_token(12).as_deref(), Some("##ug"));
    assert_eq!(tokenizer.id_to_token(13).as_deref(), Some("hug"));
    assert_eq!(tokenizer.id_to_token(14).as_deref(), Some("pug"));
    assert_eq!(tokens(&tokenizer, "Hugs"), ["hug", "##s"]);
    assert_eq!(tokens(&tokenizer, "pugun hut bug"), ["pug", "##u", "##n", "[UNK]", "b", "##ug"]);
    assert_eq!(tokenizer.decode(&tokenizer.encode("PUGS bun").unwrap()).unwrap(), "pugs bun");
}

#[test]
fn unigram_cuts_by_the_greatest_probability() {
    // p(a) = p(b) = 0.1, p(ab) = 0.05, p(ba) = 0.2, p(aba) = 0.003.
    let score = |p: f64| p.ln();
    let model = serde_json::json!({
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [
            ["<unk>", 0.0], ["a", score(0.1)], ["b", score(0.1)], ["ab", score(0.05)], ["ba", score(0.2)],
            ["aba", score(0.003)],
        ]},
    });
    let tokenizer = Tokenizer::from_json(model.to_string().as_bytes(), &Limits::default()).unwrap();
    let pieces = ["a", "b", "ab", "ba", "aba"];
    let p = [0.1, 0.1, 0.05, 0.2, 0.003];
    for text in ["aba", "abab", "babba", "abaaba", "bbaab", "aababba"] {
        // All ways to cut it.
        fn ways(text: &str, pieces: &[&'static str]) -> Vec<Vec<&'static str>> {
            if text.is_empty() {
                return vec![vec![]];
            }
            let fitting = pieces.iter().filter(|piece| text.starts_with(**piece));
            fitting
                .flat_map(|piece| {
                    ways(&text[piece.len()..], pieces).into_iter().map(move |mut rest| {
                        rest.insert(0, *piece);
                        rest
                    })
                })
                .collect()
        }
        let probability = |cut: &Vec<&str>| -> f64 {
            cut.iter().map(|piece| p[pieces.iter().position(|other| other == piece).unwrap()]).product()
        };
        let best = ways(text, &pieces).into_iter().map(|cut| probability(&cut)).fold(0.0, f64::max);
        let cut = tokens(&tokenizer, text);
        let found = probability(&cut.iter().map(String::as_str).collect());
        assert!((found / best - 1.0).abs() < 1e-12, "{text}: {cut:?} has {found}, not {best}");
    }
    // aba: a ba has 0.02, ab a 0.005, a b a 0.001, aba 0.003.
    assert_eq!(tokens(&tokenizer, "aba"), ["a", "ba"]);
}

#[test]
fn unigram_probabilities_sum_to_about_one() {
    let text = "the cat sat on the mat and the cat ate the rat ".repeat(20);
    let tokenizer = TokenizerConfig::unigram(40).train([text.as_str()]).unwrap();
    let json: serde_json::Value = serde_json::from_str(&tokenizer.to_json().unwrap()).unwrap();
    let scores: HashMap<String, f64> = json["model"]["vocab"].as_array().unwrap()[3..]
        .iter()
        .map(|entry| (entry[0].as_str().unwrap().to_owned(), entry[1].as_f64().unwrap()))
        .collect();
    // exp(ψ(c)) lies just below c − ½, so that the sum falls short of one by half a count for each piece that is
    // left; letters that were dropped come back with the least score each.
    let sum: f64 = scores.values().map(|score| score.exp()).sum();
    assert!((0.9..1.1).contains(&sum), "{sum}");
    assert!(scores["a"] > scores["s"], "{scores:?}");
}

#[test]
fn learning_is_a_function_of_the_texts() {
    let texts: Vec<String> = (0..300)
        .map(|i| format!("Größe {i} naïve κόσμος слово {} the lower newest widest", i * i % 37))
        .collect();
    for config in [
        TokenizerConfig::characters(),
        TokenizerConfig::words(100),
        TokenizerConfig::bpe(400),
        TokenizerConfig::word_piece(150),
        TokenizerConfig { pair_score: PairScore::Likelihood, ..TokenizerConfig::word_piece(150) },
        TokenizerConfig::unigram(120),
    ] {
        let one = config.train(&texts).unwrap();
        // Hash tables are seeded anew each time, and the order of texts does not matter either.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let other = pool.install(|| config.train(texts.iter().rev()).unwrap());
        assert_eq!(one.to_json().unwrap(), other.to_json().unwrap(), "{:?}", config.kind);
        assert!(one.vocab_size() <= config.vocab_size);
    }
}

#[test]
fn what_is_decoded_is_what_was_encoded() {
    let texts =
        ["Grüße, 世界!  \n\tdone\u{301} 🙂", "", " ", "\u{0}\u{7f}\u{202e}", "e\u{301}\u{302}\u{303}"];
    let bpe = TokenizerConfig::bpe(300).train([SENNRICH]).unwrap();
    let characters = TokenizerConfig::characters().train(texts).unwrap();
    for text in texts {
        for tokenizer in [&bpe, &characters] {
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), text);
            let covered: String = tokenizer
                .pieces(text)
                .unwrap()
                .iter()
                .map(|piece| text.get(piece.range.clone()).unwrap_or_default())
                .collect();
            assert!(covered.len() >= text.len() || !text.is_ascii(), "{text:?}");
        }
    }
    assert_eq!(characters.encode("x").unwrap(), [characters.token_to_id("<unk>").unwrap()]);
    let unigram = TokenizerConfig::unigram(30).train(["a big dog and a big cat"]).unwrap();
    assert_eq!(unigram.decode(&unigram.encode("a  dog").unwrap()).unwrap(), "a dog");
    let words =
        TokenizerConfig { min_frequency: 1, ..TokenizerConfig::words(30) }.train(["a b, c."]).unwrap();
    assert_eq!(words.decode(&words.encode("c, a").unwrap()).unwrap(), "c , a");
}

#[test]
fn special_tokens_are_cut_out_and_left_out() {
    let tokenizer = TokenizerConfig::bpe(270).train([SENNRICH]).unwrap();
    let ids = tokenizer.encode("low<|endoftext|>low").unwrap();
    assert_eq!(ids[1], 0);
    assert_eq!(tokenizer.decode(&ids).unwrap(), "lowlow");
    assert_eq!(tokenizer.decode_all(&ids).unwrap(), "low<|endoftext|>low");
    let error = tokenizer.decode(&[9999]).unwrap_err().to_string();
    assert!(error.starts_with("ids: expected numbers of the 270 tokens; found 9999"), "{error}");
}

#[test]
fn many_texts_at_once_are_each_as_alone() {
    let tokenizer = TokenizerConfig::bpe(280).train([SENNRICH]).unwrap();
    let texts: Vec<String> = (0..100).map(|i| format!("lower {i} newest")).collect();
    let batch = tokenizer.encode_batch(&texts).unwrap();
    for (text, ids) in texts.iter().zip(batch) {
        assert_eq!(tokenizer.encode(text).unwrap(), ids);
    }
}

#[test]
fn settings_that_teach_nothing_are_refused_by_name() {
    let bpe = TokenizerConfig::bpe;
    let own = |value: &str| vec![value.to_owned()];
    let cases = [
        (bpe(100), "vocab_size: expected 257 to 16,777,216 tokens"),
        (TokenizerConfig::unigram(4), "vocab_size: expected at least"),
        (TokenizerConfig::word_piece(7), "vocab_size: expected at least"),
        (
            TokenizerConfig { specials: own(""), ..bpe(300) },
            "specials: expected tokens of at least one character",
        ),
        (
            TokenizerConfig { unknown: Some("x".to_owned()), ..bpe(300) },
            "unknown: expected one of the special",
        ),
        (TokenizerConfig { unknown: None, ..TokenizerConfig::words(50) }, "unknown: expected a token"),
        (
            TokenizerConfig { specials: ["a", "a"].map(String::from).to_vec(), ..bpe(300) },
            "tokens: expected every word once",
        ),
    ];
    for (config, expected) in cases {
        let message = config.train([SENNRICH]).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
    for config in
        [bpe(300), TokenizerConfig::unigram(50), TokenizerConfig::word_piece(50), TokenizerConfig::words(50)]
    {
        let message = config.train([""; 3]).unwrap_err().to_string();
        assert!(message.starts_with("texts: expected at least one word; found none"), "{message}");
    }
}

#[test]
fn configurations_survive_json() {
    let config = TokenizerConfig::word_piece(1000);
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<TokenizerConfig>(&json).unwrap(), config);
}
