//! The header of a safetensors file, checked before it is believed.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::Read;
use std::path::Path;

use burn::tensor::{bf16, f16};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::error::{TensorProblem, WeightsError};

/// The longest header read: forty times that of a model of a thousand tensors.
const MAX_HEADER: u64 = 16 << 20;
/// The one name that is no tensor.
const METADATA: &str = "__metadata__";

/// A tensor's entry: type, shape and which of the value bytes are its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    pub(super) begin: usize,
    pub(super) end: usize,
    /// Steps between elements along each dimension, where they do not follow each other row by row.
    pub(super) strides: Option<Vec<usize>>,
}

/// The header of a file of `length` bytes, and where its values start.
pub(super) fn read(
    path: &Path,
    file: &mut impl Read,
    length: u64,
) -> Result<(BTreeMap<String, Extent>, u64), WeightsError> {
    let format = |reason: String| WeightsError::format(path, reason);
    if length < 8 {
        return Err(format(format!("{length} bytes are too few for a header")));
    }
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(WeightsError::io(path, "read"))?;
    let size = u64::from_le_bytes(size);
    if size > length - 8 {
        return Err(format(format!("a header of {size} bytes in a file of {length}")));
    }
    if size > MAX_HEADER {
        return Err(format(format!("a header of {size} bytes, where at most {MAX_HEADER} are read")));
    }
    let mut json = vec![0; size as usize];
    file.read_exact(&mut json).map_err(WeightsError::io(path, "read"))?;
    let Entries(entries) = serde_json::from_slice(&json).map_err(|error| format(error.to_string()))?;

    let mut names = HashSet::new();
    let mut tensors = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let problem = |problem| WeightsError::tensor(path, &name, problem);
        if !names.insert(name.clone()) {
            return Err(problem(TensorProblem::Duplicate));
        }
        let extent = extent(&entry).map_err(problem)?;
        tensors.push((name, extent));
    }
    check(path, &mut tensors, length - 8 - size)?;
    Ok((tensors.into_iter().collect(), 8 + size))
}

/// Entries in the file's order, so that a name that comes twice is seen twice.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with an entry for each tensor")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.push((name, map.next_value()?));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn extent(entry: &Value) -> Result<Extent, TensorProblem> {
    #[derive(Deserialize)]
    struct Entry {
        dtype: String,
        shape: Vec<usize>,
        data_offsets: [usize; 2],
    }
    let Entry { dtype, shape, data_offsets: [begin, end] } =
        Entry::deserialize(entry).map_err(|error| TensorProblem::Entry { reason: error.to_string() })?;
    if end < begin {
        return Err(TensorProblem::Entry {
            reason: format!("ends at byte {end} before it begins at {begin}"),
        });
    }
    Ok(Extent { dtype, shape, begin, end, strides: None })
}

/// Sizes agree with shapes, and the extents cover the values without overlap or gap.
fn check(path: &Path, tensors: &mut [(String, Extent)], available: u64) -> Result<(), WeightsError> {
    tensors.sort_by_key(|(_, extent)| (extent.begin, extent.end));
    let mut expected = 0;
    for (name, Extent { dtype, shape, begin, end, .. }) in tensors.iter() {
        let problem = |problem| WeightsError::tensor(path, name, problem);
        if *begin != expected {
            return Err(problem(TensorProblem::Offset { begin: *begin, expected }));
        }
        let Some(width) = width(dtype) else {
            return Err(problem(TensorProblem::Type { dtype: dtype.clone() }));
        };
        let needed = shape.iter().try_fold(width, |bytes, &size| bytes.checked_mul(size));
        if needed != Some(*end - *begin) {
            let expected =
                needed.map_or_else(|| "more than there are".to_owned(), |bytes| format!("{bytes}"));
            let (shape, dtype, found) = (shape.clone(), dtype.clone(), *end - *begin);
            return Err(problem(TensorProblem::Size { shape, dtype, found, expected }));
        }
        if *end as u64 > available {
            return Err(problem(TensorProblem::Truncated { end: *end, available }));
        }
        expected = *end;
    }
    if expected as u64 != available {
        let reason = format!("{} bytes after the last tensor", available - expected as u64);
        return Err(WeightsError::format(path, reason));
    }
    Ok(())
}

/// Bytes of a number; types of less than a byte are not known here.
pub(super) fn width(dtype: &str) -> Option<usize> {
    match dtype {
        "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" => Some(1),
        "F16" | "BF16" | "I16" | "U16" => Some(2),
        "F32" | "I32" | "U32" => Some(4),
        "F64" | "I64" | "U64" => Some(8),
        _ => None,
    }
}

/// A type of floating-point numbers that is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    F16,
    Bf16,
    F32,
    F64,
}

impl Number {
    pub(super) fn named(dtype: &str) -> Option<Self> {
        match dtype {
            "F16" => Some(Self::F16),
            "BF16" => Some(Self::Bf16),
            "F32" => Some(Self::F32),
            "F64" => Some(Self::F64),
            _ => None,
        }
    }

    /// Little-endian bytes as f32.
    pub(super) fn widen(self, bytes: &[u8]) -> Vec<f32> {
        fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            let (numbers, _) = bytes.as_chunks::<N>();
            numbers.iter().map(|number| read(*number)).collect()
        }
        match self {
            Self::F16 => each(bytes, |number| f16::from_le_bytes(number).to_f32()),
            Self::Bf16 => each(bytes, |number| bf16::from_le_bytes(number).to_f32()),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |number| f64::from_le_bytes(number) as f32),
        }
    }
}

/// Little-endian bytes of any type but the one-byte floating-point ones.
pub(super) fn numbers(dtype: &str, bytes: &[u8]) -> Option<Vec<f64>> {
    fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        let (numbers, _) = bytes.as_chunks::<N>();
        numbers.iter().map(|number| read(*number)).collect()
    }
    Some(match dtype {
        "BOOL" | "U8" => each(bytes, |[byte]| f64::from(byte)),
        "I8" => each(bytes, |number| f64::from(i8::from_le_bytes(number))),
        "I16" => each(bytes, |number| f64::from(i16::from_le_bytes(number))),
        "U16" => each(bytes, |number| f64::from(u16::from_le_bytes(number))),
        "I32" => each(bytes, |number| f64::from(i32::from_le_bytes(number))),
        "U32" => each(bytes, |number| f64::from(u32::from_le_bytes(number))),
        "I64" => each(bytes, |number| i64::from_le_bytes(number) as f64),
        "U64" => each(bytes, |number| u64::from_le_bytes(number) as f64),
        "F64" => each(bytes, f64::from_le_bytes),
        other => Number::named(other)?.widen(bytes).into_iter().map(f64::from).collect(),
    })
}
