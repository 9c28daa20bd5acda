//! Folders as Hugging Face's libraries write them, made by `xtask/reference/pretrained.py`.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use fornax_nn_core::check::{Fixture, Place, Values, fill};
use fornax_nn_core::weights::{self, WeightsError};
use fornax_prep::Limits;
use fornax_prep::text::Tokenizer;
use fornax_sequence::bert::{Bert, MaskedBert, bert_source};
use fornax_sequence::gpt::{Gpt, gpt2_source};
use fornax_sequence::pretrained::FolderError;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn values<M: Module>(model: &M) -> Vec<Vec<f64>> {
    struct All(Vec<Vec<f64>>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().values());
        }
    }
    let mut all = All(Vec::new());
    model.visit(&mut all);
    all.0
}

#[test]
fn gpt2_is_read_to_the_bit() {
    let device = Device::flex();
    let model = Gpt::from_safetensors(folder("tiny-gpt2"), &device).unwrap();
    assert_eq!((model.config.context, model.config.d_ff, model.config.dropout), (32, None, 0.1));
    let filled = fill::fill(model.config.init(&device).unwrap());
    assert_eq!(values(&model), values(&filled));
    let fixture = Fixture::parse(include_str!("../../fixtures/gpt.json")).unwrap();
    let logits = model.forward(fill::targets("inputs", [2, 12], 37, &device));
    fixture.check("tiny.logits", &logits, 1e-4, 1e-5).unwrap();
}

#[test]
fn gpt2_is_written_as_it_was_read() {
    let device = Device::flex();
    let model = Gpt::from_safetensors(folder("tiny-gpt2"), &device).unwrap();
    let out = tempfile::tempdir().unwrap();
    fs::copy(folder("tiny-gpt2").join("config.json"), out.path().join("config.json")).unwrap();
    // The files of the hub have no prefix.
    let path = out.path().join("model.safetensors");
    weights::save(&model, &path, |name| gpt2_source(name, "")).unwrap();
    let again = Gpt::from_safetensors(out.path(), &device).unwrap();
    assert_eq!(values(&again), values(&model));
    let [ours, theirs] = [path, folder("tiny-gpt2").join("model.safetensors")]
        .map(|path| weights::Weights::open(path).unwrap());
    for name in ours.names() {
        let theirs = theirs.tensor(&format!("transformer.{name}")).unwrap();
        assert_eq!(ours.tensor(name).unwrap(), theirs, "{name}");
    }
}

#[test]
fn bert_is_read_with_and_without_its_head() {
    let device = Device::flex();
    let masked = MaskedBert::from_safetensors(folder("tiny-bert"), &device).unwrap();
    let fixture = Fixture::parse(include_str!("../../fixtures/bert.json")).unwrap();
    let real = Tensor::from_data(
        [[true; 10], [true, true, true, true, true, true, true, false, false, false]],
        &device,
    );
    let tokens = fill::targets("tokens", [2, 10], 31, &device);
    fixture.check("bert.logits", &masked.forward(tokens, real), 1e-4, 1e-5).unwrap();

    let bare = Bert::from_safetensors(folder("tiny-bert"), &device).unwrap();
    assert!(bare.pooler.is_none());
    assert_eq!(values(&bare), values(&masked.bert));
    // The sentence encoder has a pooler and no prefix.
    let encoder = Bert::from_safetensors(folder("tiny-sentences"), &device).unwrap();
    assert!(encoder.pooler.is_some());
    let place = |name: String| Place::from(bert_source(&name, "").to_string().replace(" transposed", ""));
    let filled = fill::fill_with(encoder.config.init(&device).unwrap(), place);
    assert_eq!(values(&encoder), values(&filled));
    let error = MaskedBert::from_safetensors(folder("tiny-sentences"), &device).unwrap_err().to_string();
    assert!(error.contains("cls.predictions.bias"), "{error}");
}

#[test]
fn sentences_become_the_vectors_of_sentence_transformers() {
    let tokenizer =
        Tokenizer::load(&folder("tiny-sentences").join("tokenizer.json"), &Limits::default()).unwrap();
    let model = Bert::from_safetensors(folder("tiny-sentences"), &Device::flex()).unwrap();
    let sentences = [
        "A network reads numbers, not letters.",
        "The cat sat on the mat!",
        "the mat sat on the cat",
        "Numbers are rows of a table, and the table is learnt from sentences that the network reads again and again.",
        "Größe",
    ];
    let vectors = model.embed(&tokenizer.encode_batch(&sentences).unwrap()).unwrap();
    let fixture = Fixture::parse(include_str!("../../fixtures/bert.json")).unwrap();
    fixture.check("sentences", &vectors, 0.0, 1e-4).unwrap();
}

/// A copy of a folder to damage.
fn copy(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(folder(name).join(file), copy.path().join(file)).unwrap();
    }
    copy
}

fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn what_is_wrong_with_a_folder_is_named() {
    let device = Device::flex();
    let read = |folder: &Path| Gpt::from_safetensors(folder, &device).unwrap_err();
    let damaged = copy("tiny-gpt2");
    let at = damaged.path();

    edit(at, "gelu_new", "swish");
    assert!(read(at).to_string().contains("activation_function: \"swish\" is not supported"), "{}", read(at));
    edit(at, "swish", "gelu_new");
    edit(at, "\"n_embd\": 24", "\"n_embd\": 25");
    assert!(read(at).to_string().contains("heads: must divide d_model = 25"), "{}", read(at));
    edit(at, "\"n_embd\": 25", "\"n_embd\": 27");
    let error = read(at);
    assert!(matches!(error, FolderError::Weights(WeightsError::Incompatible { .. })), "{error}");
    assert!(
        error.to_string().contains("transformer.wte.weight has shape [37, 24], tokens.weight needs [37, 27]"),
        "{error}"
    );
    edit(at, "\"n_embd\": 27", "\"n_embd\": 24");
    edit(at, "\"n_layer\": 2", "\"n_layer\": 3");
    assert!(read(at).to_string().contains("missing: transformer.h.2.attn.c_attn.weight"), "{}", read(at));
    edit(at, "\"n_layer\": 3", "\"n_layer\": 1");
    assert!(read(at).to_string().contains("12 unexpected: transformer.h.1."), "{}", read(at));
    edit(at, "\"n_layer\": 1", "\"n_layer\": \"two\"");
    assert!(read(at).to_string().contains("config.json: invalid type"), "{}", read(at));
    edit(at, "\"n_layer\": \"two\"", "\"n_layer\": 2");
    assert!(Gpt::from_safetensors(at, &device).is_ok());
    edit(at, "\"model_type\": \"gpt2\"", "\"model_type\": \"bert\"");
    assert!(read(at).to_string().contains("model_type is \"bert\", expected gpt2"), "{}", read(at));
    edit(at, "\"model_type\": \"bert\"", "\"model_type\": \"gpt2\"");
    edit(at, "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false");
    assert!(read(at).to_string().contains("tie_word_embeddings"), "{}", read(at));

    let damaged = copy("tiny-gpt2");
    let at = damaged.path();
    let whole = fs::read(at.join("model.safetensors")).unwrap();
    fs::write(at.join("model.safetensors"), &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(read(at), FolderError::Weights(WeightsError::Tensor { .. })), "{}", read(at));
    fs::remove_file(at.join("model.safetensors")).unwrap();
    assert!(matches!(read(at), FolderError::File { ref path, .. } if path.ends_with("model.safetensors")));
    fs::remove_file(at.join("config.json")).unwrap();
    assert!(matches!(read(at), FolderError::File { ref path, .. } if path.ends_with("config.json")));
    fs::write(at.join("config.json"), " ".repeat(2 << 20)).unwrap();
    assert!(read(at).to_string().contains("larger than"), "{}", read(at));
    fs::write(at.join("config.json"), "{").unwrap();
    assert!(matches!(read(at), FolderError::Config { .. }));
}
