//! `generate --from DIR`, by the files of that example: runs of `char_lm` and `generate`, folders of Hugging Face's, every flag.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use clap::Parser;
use fornax_nn_core::check::fill;
use fornax_nn_core::train::checkpoint::{Progress, Retain, Snapshot, Store};
use fornax_prep::text::{Tokenizer, TokenizerConfig};
use fornax_sequence::generate::{GenerateConfig, generate};
use fornax_sequence::gpt::{Gpt, GptConfig};
use fornax_sequence::{Kind, LanguageConfig};

#[path = "../../examples/common/model.rs"]
mod model;
#[path = "../../examples/generate/source.rs"]
mod source;
#[path = "../../examples/generate/writing.rs"]
mod writing;

use model::{Model, ModelConfig};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz .,\n";

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    sampling: writing::Sampling,
}

/// What is written with these flags after "the ".
fn written(model: &Model, tokenizer: &Tokenizer, seed: u64, flags: &[&str]) -> String {
    let flags = Flags::parse_from(["generate", "--prompt", "the "].iter().chain(flags));
    let text = match model {
        Model::Recurrent(model) => writing::write(model, tokenizer, &flags.sampling, seed, false),
        Model::Gpt(model) => writing::write(model, tokenizer, &flags.sampling, seed, false),
    };
    text.unwrap().strip_prefix("the ").unwrap().to_owned()
}

/// Letters, and a token for what is none.
fn letters_and(more: &str) -> Tokenizer {
    TokenizerConfig { specials: vec!["<unk>".to_owned()], ..TokenizerConfig::characters() }
        .train([format!("{LETTERS}{more}")])
        .unwrap()
}

fn letters() -> Tokenizer {
    letters_and("")
}

/// A run directory as `char_lm` and `generate` leave it, and the model that is in it.
fn run(dir: &Path, config: &ModelConfig) -> Model {
    let model = match config.init(&Device::flex()).unwrap() {
        Model::Recurrent(model) => Model::Recurrent(fill::fill(model)),
        Model::Gpt(model) => Model::Gpt(fill::fill(model)),
    };
    config.save(dir, &letters()).unwrap();
    let snapshot = Snapshot::new(Progress::default());
    let snapshot = match &model {
        Model::Recurrent(model) => snapshot.module("model", model),
        Model::Gpt(model) => snapshot.module("model", model),
    };
    Store::open(dir.join("checkpoints"), Retain::default()).unwrap().save(snapshot.unwrap()).unwrap();
    model
}

fn gpt() -> ModelConfig {
    let config = GptConfig::nano(letters().vocab_size()).with_layers(1).with_d_model(16).with_heads(2);
    ModelConfig::Gpt(config.with_context(32))
}

#[test]
fn runs_of_every_network_write_on_as_their_model_does() {
    let recurrent =
        |kind| ModelConfig::Recurrent(LanguageConfig::new(kind, letters().vocab_size()).with_hidden_size(16));
    for config in Kind::ALL.map(recurrent).into_iter().chain([gpt()]) {
        let folder = tempfile::tempdir().unwrap();
        let saved = run(folder.path(), &config);
        let (loaded, tokenizer) = source::load(folder.path(), &Device::flex()).unwrap();
        let prompt = [tokenizer.encode_bare("the ").unwrap()];
        // More than the GPT's context.
        let greedy = GenerateConfig::greedy(40);
        let texts = match &saved {
            Model::Recurrent(model) => generate(model, &prompt, &greedy, 0),
            Model::Gpt(model) => generate(model, &prompt, &greedy, 0),
        };
        let expected = tokenizer.decode(&texts.unwrap()[0]).unwrap();
        let flags = ["--temperature", "0", "--max-tokens", "40"];
        assert_eq!(written(&loaded, &tokenizer, 0, &flags), expected, "{config:?}");
    }
}

#[test]
fn every_flag_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &gpt());
    let (model, tokenizer) = source::load(folder.path(), &Device::flex()).unwrap();
    let text = |seed, flags: &[&str]| written(&model, &tokenizer, seed, flags);
    let greedy = text(0, &["--temperature", "0"]);
    assert_eq!(text(3, &["--top-k", "1"]), greedy);
    assert_eq!(text(3, &["--top-p", "1e-9"]), greedy);
    assert_eq!(text(3, &["--min-p", "1"]), greedy);
    let free = text(3, &["--temperature", "1"]);
    assert_eq!(text(3, &["--temperature", "1"]), free);
    assert_ne!(text(4, &["--temperature", "1"]), free);
    assert_ne!(text(3, &["--temperature", "1", "--typical-p", "0.2"]), free);
    assert_ne!(text(3, &["--temperature", "1", "--repetition-penalty", "5"]), free);
    assert!(text(0, &["--max-tokens", "7"]).chars().count() <= 7);

    // A text in which every token can be seen: the unknown one is not written.
    let flags = ["--no-repeat-ngram", "2", "--max-tokens", "60"];
    let mut texts = (0..100).map(|seed| text(seed, &flags));
    let unique = format!("the {}", texts.find(|text| text.chars().count() == 60).unwrap());
    let pairs: Vec<(char, char)> = unique.chars().zip(unique.chars().skip(1)).collect();
    for (i, pair) in pairs.iter().enumerate() {
        assert!(!pairs[..i].contains(pair), "{pair:?} twice in {unique:?}");
    }

    let stop: String = free.chars().skip(10).take(2).collect();
    let end = free.find(&stop).unwrap();
    assert_eq!(text(3, &["--temperature", "1", "--stop", &stop, "--stop", "~never~"]), free[..end]);

    let short = text(0, &["--temperature", "0", "--max-tokens", "12"]);
    assert_eq!(text(0, &["--beams", "1", "--max-tokens", "12"]), short);
    let wide = text(0, &["--beams", "4", "--max-tokens", "12", "--length-penalty", "2"]);
    assert!((1..=12).contains(&wide.chars().count()), "{wide:?}");
}

#[test]
fn a_folder_of_hugging_faces_writes_on() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-gpt2");
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(fixture.join(file), folder.path().join(file)).unwrap();
    }
    let tokenizer = letters_and("ABCDEF");
    assert_eq!(tokenizer.vocab_size(), 37, "the fixture's tokens");
    tokenizer.save(&folder.path().join("tokenizer.json")).unwrap();
    let (model, tokenizer) = source::load(folder.path(), &Device::flex()).unwrap();
    let direct = Gpt::from_safetensors(&fixture, &Device::flex()).unwrap();
    let prompt = [tokenizer.encode_bare("the ").unwrap()];
    let expected = generate(&direct, &prompt, &GenerateConfig::greedy(20), 0).unwrap();
    let text = written(&model, &tokenizer, 0, &["--temperature", "0", "--max-tokens", "20"]);
    assert_eq!(text, tokenizer.decode(&expected[0]).unwrap());

    let error = |folder: &Path| source::load(folder, &Device::flex()).map(drop).unwrap_err().to_string();
    fs::remove_file(folder.path().join("config.json")).unwrap();
    assert!(error(folder.path()).contains("config.json"), "{}", error(folder.path()));
    fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    assert!(error(folder.path()).contains("tokenizer.json"), "{}", error(folder.path()));
}

#[test]
fn a_run_without_a_checkpoint_says_so() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &gpt());
    fs::remove_dir_all(folder.path().join("checkpoints")).unwrap();
    fs::create_dir(folder.path().join("checkpoints")).unwrap();
    let error = source::load(folder.path(), &Device::flex()).map(drop).unwrap_err().to_string();
    assert!(error.contains("no checkpoint yet"), "{error}");
    fs::write(folder.path().join("model.json"), "{\"gpt\": {\"vocab_size\": 3, \"width\": 4}}").unwrap();
    let error = source::load(folder.path(), &Device::flex()).map(drop).unwrap_err().to_string();
    assert!(error.contains("model.json"), "{error}");
}
