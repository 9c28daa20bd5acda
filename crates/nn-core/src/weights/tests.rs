use super::*;
use crate::check::{assert_close, fill};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, bf16, f16};
use proptest::prelude::*;

#[derive(Module, Debug)]
struct Small {
    conv: Conv2d,
    norm: BatchNorm,
    head: Linear,
}

impl Small {
    fn new(classes: usize, device: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new([1, 2], [3, 3]).init(device),
            norm: BatchNormConfig::new(2).init(device),
            head: LinearConfig::new(2, classes).init(device),
        }
    }
}

/// A file by hand: the header as given, and the values.
fn file(header: &str, values: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(values);
    bytes
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn open(header: &str, values: &[u8]) -> Result<Weights, WeightsError> {
    Weights::from_bytes("memory", file(header, values))
}

fn problem(header: &str, values: &[u8]) -> (String, TensorProblem) {
    match open(header, values) {
        Err(WeightsError::Tensor { tensor, problem, .. }) => (tensor, *problem),
        other => panic!("{other:?}"),
    }
}

/// Bytes of a module's record: two modules are the same when these are.
fn record<M: Module>(model: &M) -> Vec<Vec<f32>> {
    struct All(Vec<Vec<f32>>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().into_data().iter::<f32>().collect());
        }
    }
    let mut all = All(Vec::new());
    model.visit(&mut all);
    all.0
}

#[test]
fn what_is_saved_is_loaded_running_statistics_and_all() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    let trained = fill::fill(Small::new(3, &device));
    save(&trained, &path, |name| Source::from(name)).unwrap();

    let weights = Weights::open(&path).unwrap();
    let names: Vec<&str> = weights.names().collect();
    let expected = [
        "conv.bias",
        "conv.weight",
        "head.bias",
        "head.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
        "norm.weight",
    ];
    assert_eq!(names, expected);
    assert_eq!(weights.shape("head.weight"), Some(&[3, 2][..]), "PyTorch's layout");

    let mut fresh = Small::new(3, &device);
    let report = weights.load(&mut fresh, |name| Source::from(name)).unwrap();
    assert!(report.is_complete());
    assert_eq!(report.loaded.len(), 8);
    assert_eq!(record(&fresh), record(&trained));
}

#[test]
fn loaded_parameters_keep_asking_for_gradients() {
    let device = Device::flex().autodiff();
    let mut linear: Linear = LinearConfig::new(2, 1).init(&device);
    let header = r#"{"weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"bias":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#;
    let weights = open(header, &f32s(&[1.0, 2.0, 3.0])).unwrap();
    weights.load(&mut linear, |name| Source::from(name)).unwrap();
    assert!(linear.weight.is_require_grad());
    let x = Tensor::<2>::from_data([[10.0, 100.0]], &device);
    let y = linear.forward(x);
    assert_close(&y, &[213.0], 0.0, 0.0);
    assert_close(&linear.weight.grad(&y.sum().backward()).unwrap(), &[10.0, 100.0], 0.0, 0.0);
}

#[test]
fn a_model_that_does_not_fit_is_left_as_it_was_and_everything_is_listed() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    save(&fill::fill(Small::new(3, &device)), &path, |name| Source::from(name.replace("conv", "stem")))
        .unwrap();

    let mut other = Small::new(5, &device);
    let before = record(&other);
    let weights = Weights::open(&path).unwrap();
    let error = weights.load(&mut other, |name| Source::from(name)).unwrap_err();
    assert_eq!(record(&other), before);
    let WeightsError::Incompatible { path: named, report } = &error else { panic!("{error}") };
    assert_eq!(named, &path);
    let missing: Vec<&str> = report.missing.iter().map(|missing| missing.parameter.as_str()).collect();
    assert_eq!(missing, ["conv.weight", "conv.bias"]);
    let shapes: Vec<_> = report.mismatched.iter().map(|m| (m.expected.clone(), m.found.clone())).collect();
    assert_eq!(shapes, [(vec![2, 5], vec![3, 2]), (vec![5], vec![3])]);
    assert_eq!(report.unexpected, ["stem.bias", "stem.weight"]);
    let text = error.to_string();
    for part in [
        "2 missing: conv.weight",
        "head.weight transposed has shape [3, 2], head.weight needs [2, 5]",
        "2 unexpected: stem.bias",
    ] {
        assert!(text.contains(part), "{text}");
    }

    let report = weights.load_partial(&mut other, |name| Source::from(name)).unwrap();
    assert_eq!(report.loaded, ["norm.gamma", "norm.beta", "norm.running_mean", "norm.running_var"]);
    let after = record(&other);
    let conv_and_head = [0, 1, 6, 7];
    assert!(conv_and_head.iter().all(|&i| after[i] == before[i]), "what has no weights stays random");
    let named = |name: &str| (0..2).map(|i| fill::parameter(name, &[2], i)).collect::<Vec<f32>>();
    assert_eq!(after[4], named("norm.running_mean"));

    let error = weights.load_partial(&mut other, |name| Source::from(format!("x.{name}"))).unwrap_err();
    assert!(error.to_string().contains("0 loaded"), "{error}");
}

#[test]
fn the_nearest_name_is_suggested() {
    let header = r#"{"encoder.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}"#;
    let weights = open(header, &f32s(&[1.0])).unwrap();
    let mut linear: Linear = LinearConfig::new(1, 1).with_bias(false).init(&Device::flex());
    let error = weights.load(&mut linear, |name| Source::from(format!("encodr.{name}"))).unwrap_err();
    assert!(error.to_string().contains("encodr.weight (nearest: encoder.weight)"), "{error}");
    assert!(weights.tensor("encoder.wieght").unwrap_err().to_string().contains("nearest: encoder.weight"));
}

#[test]
fn fused_tensors_are_split_on_loading_and_joined_on_saving() {
    #[derive(Module, Debug)]
    struct Attention {
        query: Linear,
        key: Linear,
    }
    let device = Device::flex();
    let linear = || LinearConfig::new(3, 2).init(&device);
    // PyTorch: rows of [4, 3], elements of [4].
    let rows = |name: &str| {
        let (module, leaf) = name.split_once('.').unwrap();
        Source::from(format!("in_proj_{leaf}")).part(0, usize::from(module == "key"), 2)
    };
    // GPT-2: columns of [3, 4], stored as they are here.
    let columns = |name: &str| {
        let (module, leaf) = name.split_once('.').unwrap();
        let index = usize::from(module == "key");
        Source::from(format!("c_attn.{leaf}")).part(usize::from(leaf == "weight"), index, 2).as_stored()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fused.safetensors");
    let model = fill::fill(Attention { query: linear(), key: linear() });

    save(&model, &path, rows).unwrap();
    let weights = Weights::open(&path).unwrap();
    assert_eq!(weights.shape("in_proj_weight"), Some(&[4, 3][..]));
    let stored: Vec<f32> = weights.tensor("in_proj_weight").unwrap().iter::<f32>().collect();
    let expected = |name: &str| {
        (0..6).map(move |i| fill::parameter(&format!("{name}.weight"), &[2, 3], i)).collect::<Vec<_>>()
    };
    assert_eq!(stored, [expected("query"), expected("key")].concat());
    let mut fresh = Attention { query: linear(), key: linear() };
    weights.load(&mut fresh, rows).unwrap();
    assert_eq!(record(&fresh), record(&model));

    save(&model, &path, columns).unwrap();
    let weights = Weights::open(&path).unwrap();
    assert_eq!(weights.shape("c_attn.weight"), Some(&[3, 4][..]));
    let mut fresh = Attention { query: linear(), key: linear() };
    weights.load(&mut fresh, columns).unwrap();
    assert_eq!(record(&fresh), record(&model));

    // A part that is left over, one that does not come out even, and a claim by two.
    let error = save(&model, &path, |name| rows(name).part(0, 0, 2)).unwrap_err();
    assert!(error.to_string().contains("part 1 of 2 is missing"), "{error}");
    let error = weights.load(&mut fresh, |name| columns(name).part(0, 0, 7)).unwrap_err();
    assert!(error.to_string().contains("4 of another shape"), "{error}");
    let error = save(&model, &path, |_| Source::from("one")).unwrap_err();
    assert!(error.to_string().contains("4 parameters claim it"), "{error}");
    assert_eq!(record(&fresh), record(&model), "a failed save or load changes nothing");
}

#[test]
fn layouts_can_be_forced() {
    let header = r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
    let weights = open(header, &f32s(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).unwrap();
    let device = Device::flex();
    let load = |inputs, outputs, source: Source| {
        let mut linear: Linear = LinearConfig::new(inputs, outputs).with_bias(false).init(&device);
        weights.load(&mut linear, |_| source.clone()).unwrap();
        linear.weight.val().into_data().iter::<f32>().collect::<Vec<_>>()
    };
    assert_eq!(load(3, 2, Source::from("w")), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(load(2, 3, Source::from("w").as_stored()), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(load(6, 1, Source::from("w").as_stored().reshaped()), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(load(3, 2, Source::from("w").transposed()), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
}

#[test]
fn a_matrix_of_several_tiles_is_transposed() {
    let (rows, columns) = (70, 45);
    let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
    let turned = source::transpose(&values, rows, columns);
    assert!((0..rows * columns).all(|i| turned[i] == values[i % rows * columns + i / rows]));
}

#[test]
fn every_width_of_number_is_read() {
    let header = r#"{"__metadata__":{"format":"pt"},
        "a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}, "b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]},
        "c":{"dtype":"F64","shape":[2],"data_offsets":[8,24]}, "d":{"dtype":"I64","shape":[1],"data_offsets":[24,32]},
        "e":{"dtype":"F32","shape":[0,5],"data_offsets":[32,32]}, "f":{"dtype":"F32","shape":[],"data_offsets":[32,36]}}"#;
    let mut values: Vec<u8> = [1.5, -65_504.0].iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
    values.extend([1.5, -3.0e38].iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()));
    values.extend([0.1_f64, 1.0 / 3.0].iter().flat_map(|v| v.to_le_bytes()));
    values.extend(7_i64.to_le_bytes());
    values.extend(f32s(&[2.5]));
    let weights = open(header, &values).unwrap();
    let read = |name| weights.tensor(name).unwrap().iter::<f32>().collect::<Vec<_>>();
    assert_eq!(read("a"), [1.5, -65_504.0]);
    assert_eq!(read("b"), [1.5, bf16::from_f32(-3.0e38).to_f32()]);
    assert_eq!(read("c"), [0.1_f32, 1.0 / 3.0]);
    assert!(read("e").is_empty());
    assert_eq!(read("f"), [2.5]);
    let error = weights.tensor("d").unwrap_err().to_string();
    assert_eq!(error, "memory: tensor \"d\" has values of type I64, where F32, F16, BF16 or F64 is needed");
}

#[test]
fn unwanted_tensors_are_not_unexpected() {
    let header = r#"{"weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"ids":{"dtype":"I64","shape":[1],"data_offsets":[4,12]}}"#;
    let bytes = [f32s(&[1.0]), vec![0; 8]].concat();
    let mut linear: Linear = LinearConfig::new(1, 1).with_bias(false).init(&Device::flex());
    assert!(open(header, &bytes).unwrap().load(&mut linear, |name| Source::from(name)).is_err());
    let weights = open(header, &bytes).unwrap().without(|name| name == "ids");
    weights.load(&mut linear, |name| Source::from(name)).unwrap();
}

#[test]
fn hostile_headers_are_refused_by_name() {
    let one = |shape: &str, begin: u64, end: u64| {
        format!(r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{end}]}}}}"#)
    };
    let size = |header: &str, values: &[u8]| problem(header, values).1;
    assert!(matches!(size(&one("[2]", 0, 4), &[0; 4]), TensorProblem::Size { found: 4, .. }));
    assert!(matches!(size(&one("[1]", 0, 8), &[0; 8]), TensorProblem::Size { found: 8, .. }));
    // 2³³ · 2³³ elements overflow; 2⁶⁰ do not, but their bytes do.
    assert!(matches!(size(&one("[8589934592, 8589934592]", 0, 4), &[0; 4]), TensorProblem::Size { .. }));
    assert!(matches!(size(&one("[4611686018427387904]", 0, 4), &[0; 4]), TensorProblem::Size { .. }));
    assert!(matches!(size(&one("[2]", 0, 8), &[0; 4]), TensorProblem::Truncated { end: 8, available: 4 }));
    assert!(matches!(size(&one("[1]", 4, 8), &[0; 8]), TensorProblem::Offset { begin: 4, expected: 0 }));
    assert!(matches!(size(&one("[1]", 4, 0), &[0; 8]), TensorProblem::Entry { .. }));
    assert!(matches!(size(&one("[-1]", 0, 4), &[0; 4]), TensorProblem::Entry { .. }));
    assert!(matches!(size(&one("[1.5]", 0, 4), &[0; 4]), TensorProblem::Entry { .. }));
    let typed = one("[1]", 0, 4).replace("F32", "Q4");
    assert_eq!(problem(&typed, &[0; 4]), ("w".to_owned(), TensorProblem::Type { dtype: "Q4".to_owned() }));

    let two = |a: &str, b: &str| {
        format!(
            r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":{a}}},"b":{{"dtype":"F32","shape":[2],"data_offsets":{b}}}}}"#
        )
    };
    let overlap = problem(&two("[0,8]", "[4,12]"), &[0; 12]);
    assert_eq!(overlap, ("b".to_owned(), TensorProblem::Offset { begin: 4, expected: 8 }));
    let same = problem(&two("[0,8]", "[0,8]"), &[0; 8]);
    assert_eq!(same, ("b".to_owned(), TensorProblem::Offset { begin: 0, expected: 8 }));
    let gap = problem(&two("[0,8]", "[12,20]"), &[0; 20]);
    assert_eq!(gap, ("b".to_owned(), TensorProblem::Offset { begin: 12, expected: 8 }));
    let twice = two("[0,8]", "[8,16]").replace("\"b\"", "\"a\"");
    assert_eq!(problem(&twice, &[0; 16]), ("a".to_owned(), TensorProblem::Duplicate));
}

#[test]
fn hostile_files_are_refused_before_anything_is_allocated() {
    let format = |bytes: Vec<u8>| match Weights::from_bytes("memory", bytes) {
        Err(WeightsError::Format { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(format(Vec::new()).contains("too few"));
    assert!(format(vec![0; 7]).contains("too few"));
    // A header of 10 GiB, and one of 2⁶⁴ − 1 bytes, in a file of 108.
    for size in [10 << 30, u64::MAX] {
        let bytes = [size.to_le_bytes().to_vec(), vec![b'{'; 100]].concat();
        assert_eq!(format(bytes), format!("a header of {size} bytes in a file of 108"));
    }
    // A sparse file that really is that long.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.safetensors");
    let long = File::create(&path).unwrap();
    std::io::Write::write_all(&mut &long, &(10_u64 << 30).to_le_bytes()).unwrap();
    long.set_len(11 << 30).unwrap();
    let error = Weights::open(&path).unwrap_err().to_string();
    assert!(error.contains("long.safetensors") && error.contains("at most 16777216"), "{error}");

    assert!(format(file("not json", b"")).contains("line 1"));
    assert!(format(file("[1]", b"")).contains("an object"));
    assert!(format(file(&"[".repeat(100_000), b"")).contains("line 1"));
    let nested = format!("{{\"w\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(format(file(&nested, b"")).contains("recursion"));
    assert!(format(file("{}", b"more")).contains("4 bytes after the last tensor"));
    assert!(format(file("{\"\u{0}", b"")).contains("line 1"));
    assert!(Weights::from_bytes("empty", file("{}", b"")).unwrap().names().next().is_none());

    assert!(Weights::open(folder.path()).unwrap_err().to_string().contains("regular file"));
    let error = Weights::open(folder.path().join("none")).unwrap_err();
    assert!(matches!(error, WeightsError::Io { action: "open", .. }), "{error}");
}

#[test]
fn every_truncation_of_an_honest_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    save(&Small::new(3, &Device::flex()), &path, |name| Source::from(name)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        assert!(Weights::from_bytes("cut", whole[..length].to_vec()).is_err(), "cut at {length}");
    }
    // A file that shrinks after it was opened: an error, and the model as it was.
    let weights = Weights::open(&path).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(whole.len() as u64 - 4).unwrap();
    let mut model = Small::new(3, &Device::flex());
    let before = record(&model);
    let error = weights.load(&mut model, |name| Source::from(name)).unwrap_err();
    assert!(matches!(error, WeightsError::Io { action: "read", .. }), "{error}");
    assert_eq!(record(&model), before);
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let error = save(&Small::new(3, &Device::flex()), folder.path().join("no/such/folder"), |name| {
        Source::from(name)
    });
    assert!(matches!(error, Err(WeightsError::Io { action: "write", .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Weights::from_bytes("random", bytes);
    }

    #[test]
    fn no_damage_panics(at in 0_usize..400, to in any::<u8>()) {
        let header = r#"{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[2],"data_offsets":[8,12]}}"#;
        let mut bytes = file(header, &[1; 12]);
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(weights) = Weights::from_bytes("damaged", bytes) {
            for name in weights.names() {
                let _ = weights.tensor(name);
            }
        }
    }
}
