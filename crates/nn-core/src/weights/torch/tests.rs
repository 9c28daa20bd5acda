//! Files that `torch.save` wrote (`xtask/reference/torch_files.py`), and files nobody honest would write.

use std::io::Write;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, bf16};
use proptest::prelude::*;
use zip::write::SimpleFileOptions;

use super::*;
use crate::check::fill;
use crate::weights::{Source, Weights};

const LAYERS: &[u8] = include_bytes!("../../../tests/fixtures/layers.pth");
const STREAM: &[u8] = include_bytes!("../../../tests/fixtures/layers_stream.pth");
const VIEWS: &[u8] = include_bytes!("../../../tests/fixtures/views.pth");
const REPEATED: &[u8] = include_bytes!("../../../tests/fixtures/repeated.pth");
const CHECKPOINT: &[u8] = include_bytes!("../../../tests/fixtures/checkpoint.pth");
const MODULE: &[u8] = include_bytes!("../../../tests/fixtures/module.pth");

#[derive(Module, Debug)]
struct Layers {
    conv: Conv2d,
    norm: BatchNorm,
    head: Linear,
}

impl Layers {
    fn new() -> Self {
        let device = Device::flex();
        Self {
            conv: Conv2dConfig::new([1, 2], [3, 3]).init(&device),
            norm: BatchNormConfig::new(2).init(&device),
            head: LinearConfig::new(2, 3).init(&device),
        }
    }
}

fn open(bytes: &[u8]) -> Result<Weights, WeightsError> {
    Weights::from_bytes("memory", bytes.to_vec())
}

/// Loads the layers and compares every value with its closed form.
fn holds_the_layers(weights: Weights) {
    let weights = weights.without(|name| name.ends_with("num_batches_tracked"));
    let mut model = Layers::new();
    weights.load(&mut model, |name| Source::from(name)).unwrap();
    let expected = fill::fill(Layers::new());
    let all = |model: &Layers| {
        let norm = &model.norm;
        [
            model.conv.weight.val().into_data(),
            model.head.weight.val().into_data(),
            norm.gamma.val().into_data(),
            norm.running_mean.value().into_data(),
            norm.running_var.value().into_data(),
        ]
    };
    assert_eq!(all(&model), all(&expected));
}

#[test]
fn what_torch_saved_is_loaded_in_both_forms() {
    holds_the_layers(open(LAYERS).unwrap());
    holds_the_layers(open(STREAM).unwrap());
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("zip", LAYERS), ("stream.safetensors", STREAM)] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        holds_the_layers(Weights::open(&path).unwrap());
    }
    assert_eq!(open(LAYERS).unwrap().dtype("norm.num_batches_tracked"), Some("I64"));
}

#[test]
fn a_checkpoints_state_dict_is_found_within() {
    let weights = open(CHECKPOINT).unwrap();
    assert!(
        weights.names().all(|name| name.starts_with("state_dict.module.")),
        "{:?}",
        weights.tensors.keys()
    );
    holds_the_layers(weights.within("state_dict.").within("module."));
    let renamed = open(CHECKPOINT).unwrap().renamed(|name| name.replace("state_dict.module.", ""));
    holds_the_layers(renamed);
}

#[test]
fn views_and_every_type_of_number_are_read() {
    let weights = open(VIEWS).unwrap();
    let read = |name: &str| weights.tensor(name).unwrap().iter::<f32>().collect::<Vec<_>>();
    let ramp: Vec<f32> = (0..24_u8).map(f32::from).collect();
    assert_eq!(weights.shape("transposed"), Some(&[4, 6][..]));
    let transposed: Vec<f32> = (0..24).map(|i| ramp[i % 6 * 4 + i / 6]).collect();
    assert_eq!(read("transposed"), transposed);
    assert_eq!(read("slice"), [5.0, 6.0, 7.0, 8.0]);
    assert_eq!(read("column"), [4.0, 6.0, 16.0, 18.0]);
    assert_eq!(read("tied"), ramp);
    assert_eq!(read("channels_last"), ramp);
    assert_eq!(read("parameter"), [1.5, -2.5]);
    assert_eq!(read("half"), [1.5, -65_504.0]);
    assert_eq!(read("bfloat"), [1.5, bf16::from_f32(-3e38).to_f32()]);
    assert_eq!(read("double"), [0.1_f32, 1.0 / 3.0]);
    assert!(read("empty").is_empty());
    assert_eq!(read("scalar"), [2.5]);
    assert!(weights.tensor("long").unwrap_err().to_string().contains("values of type I64"));
    let numbers = |name: &str| weights.numbers(name).unwrap();
    assert_eq!(numbers("long"), [7.0, -((1_u64 << 40) as f64)]);
    assert_eq!(numbers("byte"), [7.0, 255.0]);
    assert_eq!(numbers("bool"), [1.0, 0.0]);
    assert_eq!(numbers("double"), [0.1, 1.0 / 3.0]);
    assert_eq!(numbers("transposed"), transposed.iter().map(|&value| f64::from(value)).collect::<Vec<_>>());
    assert!(weights.numbers("lng").unwrap_err().to_string().contains("nearest: long"));
}

#[test]
fn a_repeating_view_and_a_whole_module_are_refused() {
    let error = open(REPEATED).unwrap_err();
    let WeightsError::Tensor { tensor, problem, .. } = &error else { panic!("{error}") };
    assert_eq!(tensor, "repeated");
    assert_eq!(**problem, TensorProblem::Repeats { shape: vec![1000], strides: vec![0], span: 1 });
    let error = open(MODULE).unwrap_err().to_string();
    assert!(error.contains("asks for torch.nn.modules.container.Sequential"), "{error}");
    assert!(error.contains("save model.state_dict() alone"), "{error}");
}

/// An archive of these files, none compressed.
fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// What is said of an archive with this pickle and one storage of 8 bytes.
fn pickled(pickle: &[u8]) -> WeightsError {
    open(&packed(&[("a/data.pkl", pickle), ("a/data/0", &[0; 8])])).unwrap_err()
}

fn problem(pickle: &[u8]) -> PickleProblem {
    match pickled(pickle) {
        WeightsError::Pickle { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

fn text(text: &str) -> Vec<u8> {
    [b"X".as_slice(), &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn int(number: i64) -> Vec<u8> {
    [&[0x8a, 8], &number.to_le_bytes()[..]].concat()
}

fn tuple(items: &[i64]) -> Vec<u8> {
    let items: Vec<u8> = items.iter().flat_map(|&item| int(item)).collect();
    [&b"("[..], &items, b"t"].concat()
}

/// `_rebuild_tensor_v2(storage "0" of `count` floats, offset, shape, strides, False, OrderedDict())`.
fn tensor(count: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let id = [
        b"(".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text("0"),
        text("cpu"),
        int(count),
    ];
    let tail = b"\x89ccollections\nOrderedDict\n)RtR";
    let view = [int(offset), tuple(shape), tuple(strides)].concat();
    [&b"ctorch._utils\n_rebuild_tensor_v2\n("[..], &id.concat(), b"tQ", &view, tail].concat()
}

/// A dictionary of such tensors.
fn state_dict(tensors: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<u8> =
        tensors.iter().flat_map(|(name, tensor)| [text(name), tensor.clone()].concat()).collect();
    [&b"\x80\x02}("[..], &entries, b"u."].concat()
}

fn refused(tensor: Vec<u8>) -> TensorProblem {
    match pickled(&state_dict(&[("w", tensor)])) {
        WeightsError::Tensor { tensor, problem, .. } if tensor == "w" => *problem,
        other => panic!("{other}"),
    }
}

#[test]
fn an_archive_by_hand_is_read() {
    let pickle = state_dict(&[("w", tensor(2, 0, &[2, 1], &[1, 1]))]);
    let values: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let files: [(&str, &[u8]); 3] =
        [("x/data.pkl", &pickle), ("x/byteorder", b"little"), ("x/data/0", &values)];
    let weights = open(&packed(&files)).unwrap();
    assert_eq!(weights.tensor("w").unwrap().iter::<f32>().collect::<Vec<_>>(), [1.5, -2.0]);

    let big: [(&str, &[u8]); 3] = [files[0], ("x/byteorder", b"big"), files[2]];
    assert!(open(&packed(&big)).unwrap_err().to_string().contains("byte order \"big\""));
    assert!(open(&packed(&files[1..])).unwrap_err().to_string().contains("without one data.pkl"));
    let two: [(&str, &[u8]); 2] = [files[0], ("y/data.pkl", &pickle)];
    assert!(open(&packed(&two)).unwrap_err().to_string().contains("without one data.pkl"));
    let error = open(&packed(&files[..1])).unwrap_err().to_string();
    assert!(error.contains("storage \"0\" is not in the file"), "{error}");

    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("x/data.pkl", SimpleFileOptions::default()).unwrap();
    writer.write_all(&[b'}'; 1000]).unwrap();
    let compressed = writer.finish().unwrap().into_inner();
    let error = open(&compressed).unwrap_err().to_string();
    assert!(error.contains("x/data.pkl: is compressed (method 8)"), "{error}");
}

#[test]
fn nothing_but_data_may_be_named() {
    let global = |pickle: &[u8]| match problem(pickle) {
        PickleProblem::Global { name } => name,
        other => panic!("{other}"),
    };
    // The classic: runs a command in Python.
    assert_eq!(global(b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R."), "posix.system");
    assert_eq!(global(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93."), "builtins.eval");
    assert_eq!(global(b"\x80\x02cnumpy.core.multiarray\nscalar\n."), "numpy.core.multiarray.scalar");
    assert_eq!(global(b"\x80\x02ctorch\nload\n."), "torch.load");
    // Even where it would only be built, not called: INST, OBJ, NEWOBJ, EXT1.
    for (pickle, code) in [
        (&b"(ios\nsystem\n."[..], b'i'),
        (b"\x80\x02(o.", b'o'),
        (b"\x80\x02N)\x81.", 0x81),
        (b"\x80\x02\x82\x01.", 0x82),
    ] {
        assert_eq!(problem(pickle), PickleProblem::Instruction { code });
    }
    // What may be named is not called with anything else.
    let malformed = |pickle: &[u8]| match problem(pickle) {
        PickleProblem::Malformed { reason } => reason,
        other => panic!("{other}"),
    };
    assert!(malformed(b"ctorch\nFloatStorage\n)R.").contains("cannot be made"));
    assert!(malformed(b"ctorch._utils\n_rebuild_tensor_v2\n)R.").contains("cannot be made"));
    assert!(malformed(b"NN\x85R.").contains("cannot be made"));
    assert!(malformed(b"N}b.").contains("attributes"));
    assert!(malformed(b"\x80\x00.").contains("protocol 0"));
    assert!(malformed(b"\x80\x06.").contains("protocol 6"));
}

#[test]
fn pickles_that_break_off_or_contradict_themselves_are_refused() {
    for pickle in
        [&b""[..], b"\x80", b"X\xff\xff\x00\x00abc", b"ctorch", b"}", b"\x8d\xff\0\0\0\0\0\0\0", b"J\0\0"]
    {
        assert_eq!(problem(pickle), PickleProblem::Truncated, "{pickle:?}");
    }
    // Ten gibibytes of text, claimed.
    let claim = [&b"\x8d"[..], &(10_u64 << 30).to_le_bytes(), b"abc"].concat();
    assert!(matches!(problem(&claim), PickleProblem::Limit { what: "bytes", .. }));
    for pickle in [
        &b"."[..],
        b"t.",
        b"(.",
        b"NN.",
        b"a.",
        b"Nq\0a.",
        b"Ns.",
        b"}(Nu.",
        b"(Nq\0\x85.",
        b"h\0.",
        b"q\0.",
        b"NQ.",
        b"}Q.",
        b"X\x01\0\0\0\xff.",
        b"\x8a\x09\0\0\0\0\0\0\0\0\0.",
        b"NNR.",
    ] {
        assert!(matches!(problem(pickle), PickleProblem::Malformed { .. }), "{pickle:?}");
    }
    let long = [&b"c"[..], &[b'a'; 300], b"\nb\n."].concat();
    assert!(matches!(problem(&long), PickleProblem::Malformed { .. }));
}

#[test]
fn bombs_go_off_nowhere() {
    // A dictionary in itself, and a tower in which each floor holds the one below twice.
    assert!(matches!(
        problem(b"\x80\x02}q\0X\x01\0\0\0ah\0s."),
        PickleProblem::Limit { what: "dictionaries within each other", .. }
    ));
    // Eight floors of which each has the one below ten times: a hundred million tensors if it were unfolded.
    fn floor(height: u8) -> Vec<u8> {
        if height == 0 {
            return [tensor(2, 0, &[1], &[1]), vec![b'q', 0]].concat();
        }
        let mut pickle = [b"}(".to_vec(), text("0"), floor(height - 1)].concat();
        for key in 1..10 {
            pickle.extend([text(&key.to_string()), vec![b'h', height - 1]].concat());
        }
        pickle.extend([b'u', b'q', height]);
        pickle
    }
    let unfolding = problem(&[b"\x80\x02".to_vec(), floor(8), b".".to_vec()].concat());
    assert!(matches!(unfolding, PickleProblem::Limit { what: "entries", .. }), "{unfolding}");
    let hundred = [b"\x80\x02".to_vec(), floor(2), b".".to_vec()].concat();
    let weights = open(&packed(&[("a/data.pkl", &hundred), ("a/data/0", &[0; 8])])).unwrap();
    assert_eq!(weights.names().count(), 100);
    // The same arguments taken a second time are no arguments any more.
    let again = b"\x80\x02ccollections\nOrderedDict\nq\0(]\x85q\x01Rh\0h\x01R\x86.";
    assert!(matches!(problem(again), PickleProblem::Malformed { .. }));
    // Sixteen million values, and as many containers.
    let values = vec![b'N'; (16 << 20) - 1];
    assert!(matches!(problem(&values), PickleProblem::Limit { what: "values", .. }));
    assert!(matches!(problem(&vec![b']'; 2 << 20]), PickleProblem::Limit { what: "tuples and lists", .. }));
    assert!(matches!(problem(&vec![b'('; 2 << 20]), PickleProblem::Limit { what: "marks", .. }));
    // Recursion of tuples is none.
    let deep = [&b"N"[..], &vec![0x85; 1 << 19], b"."].concat();
    assert!(open(&packed(&[("a/data.pkl", &deep)])).unwrap().names().next().is_none());
}

#[test]
fn views_that_leave_their_storage_are_refused_by_name() {
    let size = i64::MAX;
    for (name, view) in [
        ("beyond", tensor(2, 0, &[3], &[1])),
        ("offset", tensor(2, 2, &[1], &[1])),
        ("negative offset", tensor(2, -1, &[1], &[1])),
        ("negative size", tensor(2, 0, &[-1], &[1])),
        ("negative stride", tensor(2, 1, &[2], &[-1])),
        ("overflow", tensor(2, 0, &[size, size], &[size, size])),
        ("more strides", tensor(2, 0, &[1], &[1, 1])),
        ("a storage of more than the file", tensor(3, 0, &[3], &[1])),
        ("a storage of 10 GiB", tensor(10 << 28, 0, &[10 << 28], &[1])),
    ] {
        assert!(matches!(refused(view), TensorProblem::Entry { .. }), "{name}");
    }
    // Ten gibibytes out of eight bytes, by strides of zero and by overlap.
    assert!(matches!(refused(tensor(2, 0, &[10 << 28], &[0])), TensorProblem::Repeats { span: 1, .. }));
    assert!(matches!(refused(tensor(2, 0, &[2, 2], &[1, 0])), TensorProblem::Repeats { span: 2, .. }));
    assert!(matches!(refused(tensor(2, 0, &[size, size], &[0, 0])), TensorProblem::Repeats { .. }));
    let many = tensor(2, 0, &[1; 17], &[1; 17]);
    assert!(matches!(pickled(&state_dict(&[("w", many)])), WeightsError::Pickle { .. }));

    let twice = state_dict(&[("w", tensor(2, 0, &[1], &[1])), ("w", tensor(2, 1, &[1], &[1]))]);
    let WeightsError::Tensor { tensor, problem, .. } = pickled(&twice) else { panic!() };
    assert_eq!((tensor.as_str(), *problem), ("w", TensorProblem::Duplicate));
}

#[test]
fn every_truncation_is_an_error() {
    for whole in [LAYERS, STREAM, CHECKPOINT] {
        for length in 0..whole.len() {
            assert!(open(&whole[..length]).is_err(), "cut at {length} of {}", whole.len());
        }
    }
}

#[test]
fn a_stream_whose_storages_disagree_is_refused() {
    // The count of the last storage, eight bytes before its numbers: one I64, so 16 bytes from the end or earlier.
    let weights = open(STREAM).unwrap();
    let extent = &weights.tensors["conv.weight"];
    let mut bytes = STREAM.to_vec();
    bytes[extent.begin - 8] += 1;
    let error = open(&bytes).unwrap_err().to_string();
    assert!(error.contains("has 19 numbers, where the tensors say 18"), "{error}");
    // Another magic number.
    let mut bytes = STREAM.to_vec();
    bytes[5] ^= 1;
    assert!(open(&bytes).is_err());
}

proptest! {
    #[test]
    fn no_pickle_panics(pickle in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = open(&packed(&[("a/data.pkl", &pickle), ("a/data/0", &[0; 8])]));
    }

    #[test]
    fn no_damage_panics(at in 0_usize..4000, to in any::<u8>()) {
        for whole in [LAYERS, STREAM, VIEWS] {
            let mut bytes = whole.to_vec();
            let at = at % bytes.len();
            bytes[at] = to;
            if let Ok(weights) = open(&bytes) {
                for name in weights.names() {
                    let _ = (weights.tensor(name), weights.numbers(name));
                }
            }
        }
    }
}
