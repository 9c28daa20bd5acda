//! Files of `torch.save`: a zip archive with a pickle and a file for each storage, and before version 1.6 one stream.
//!
//! ```text
//! zip       NAME/data.pkl   NAME/byteorder   NAME/data/0   NAME/data/1 …      each stored, none compressed
//! stream    magic ▏ version ▏ system ▏ state dict ▏ keys ▏ count, numbers ▏ count, numbers …     five pickles first
//! ```
//!
//! The pickle names tensors as views (storage, offset, shape, strides) of the storages. A view is taken if it lies within its
//! storage and has no more elements than the part of it that it spans: a stride of 0 would otherwise turn four bytes into any number
//! of them.

mod archive;
mod pickle;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::{PickleProblem, TensorProblem, WeightsError};
use super::header::{Extent, width};
use pickle::{Failure, Pickled, Value, View, run};

/// Dictionaries within dictionaries, at most: a checkpoint has two or three.
const MAX_DEPTH: usize = 16;
/// A tensor's name with all that it lies in, and all of them together.
const MAX_NAME: usize = 4096;
const MAX_NAMES: usize = 64 << 20;
/// Dictionary entries looked at.
const MAX_ENTRIES: usize = 1 << 20;

/// Which of the two forms `start`, the first bytes of a file, is of, if any.
pub(super) fn recognise(start: &[u8]) -> Option<Form> {
    match start {
        [b'P', b'K', 3, 4, ..] => Some(Form::Zip),
        // PROTO 2, then the magic number as an integer of ten bytes.
        [0x80, 2..=5, 0x8a, 10, ..] => Some(Form::Stream),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Zip,
    Stream,
}

/// Every tensor of the file, with its place in the file.
pub(super) fn read<R: Read + Seek>(
    path: &Path,
    form: Form,
    file: &mut R,
    length: u64,
) -> Result<BTreeMap<String, Extent>, WeightsError> {
    let (pickled, storages) = match form {
        Form::Zip => from_zip(path, file, length)?,
        Form::Stream => from_stream(path, file, length)?,
    };
    let mut tensors = BTreeMap::new();
    for (name, view) in named(path, &pickled)? {
        let view = &pickled.views[view];
        let extent = extent(&pickled, view, &storages)
            .map_err(|problem| WeightsError::tensor(path, &name, problem))?;
        if tensors.insert(name.clone(), extent).is_some() {
            return Err(WeightsError::tensor(path, &name, TensorProblem::Duplicate));
        }
    }
    Ok(tensors)
}

/// Begin and bytes of a storage.
type Place = (u64, u64);

fn from_zip<R: Read + Seek>(
    path: &Path,
    file: &mut R,
    length: u64,
) -> Result<(Pickled, BTreeMap<String, Place>), WeightsError> {
    let entries = archive::directory(path, file, length)?;
    let mut pickles =
        entries.iter().filter_map(|(name, entry)| Some((name.strip_suffix("data.pkl")?, entry)));
    let (Some((root, entry)), None) = (pickles.next(), pickles.next()) else {
        return Err(WeightsError::format(path, "a zip archive without one data.pkl, so not of torch.save"));
    };
    if let Some(order) = entries.get(&format!("{root}byteorder")) {
        let order = archive::read_at(path, file, order.begin, order.size.min(16))?;
        if order != b"little" {
            let reason = format!("byte order {:?}, only little is read", String::from_utf8_lossy(&order));
            return Err(WeightsError::format(path, reason));
        }
    }
    file.seek(SeekFrom::Start(entry.begin)).map_err(WeightsError::io(path, "read"))?;
    let mut bytes = BufReader::new(file.take(entry.size));
    let (pickled, _) = run(&mut bytes).map_err(|failure| explain(path, 0, failure))?;
    let prefix = format!("{root}data/");
    let storages = entries
        .iter()
        .filter_map(|(name, entry)| Some((name.strip_prefix(&prefix)?.to_owned(), (entry.begin, entry.size))))
        .collect();
    Ok((pickled, storages))
}

fn from_stream<R: Read + Seek>(
    path: &Path,
    file: &mut R,
    length: u64,
) -> Result<(Pickled, BTreeMap<String, Place>), WeightsError> {
    file.seek(SeekFrom::Start(0)).map_err(WeightsError::io(path, "read"))?;
    let mut reader = BufReader::new(&mut *file);
    let mut position = 0;
    let mut next = || {
        let (pickled, bytes) = run(&mut reader).map_err(|failure| explain(path, position, failure))?;
        position += bytes;
        Ok::<_, WeightsError>((pickled, position))
    };
    let (magic, _) = next()?;
    if !matches!(magic.root, Value::Magic) {
        return Err(WeightsError::format(path, "a pickle, but not one of torch.save"));
    }
    let (_version, _) = next()?;
    let (_system, _) = next()?;
    let (pickled, _) = next()?;
    let (keys, mut position) = next()?;

    let counts: BTreeMap<&str, (&str, u64)> =
        pickled.storages.iter().map(|storage| (&*storage.key, (storage.dtype, storage.count))).collect();
    let mut storages = BTreeMap::new();
    for key in keys.items(&keys.root).unwrap_or_default() {
        let Value::Text(key) = key else {
            return Err(WeightsError::format(path, "a storage's key is no text"));
        };
        let Some(&(dtype, count)) = counts.get(&**key) else {
            return Err(WeightsError::format(path, format!("storage {key:?} belongs to no tensor")));
        };
        let outside = || WeightsError::format(path, format!("storage {key:?} lies outside of the file"));
        if position.checked_add(8).is_none_or(|end| end > length) {
            return Err(outside());
        }
        let stored = archive::read_at(path, file, position, 8)?;
        let stored = stored.try_into().map(u64::from_le_bytes).unwrap_or_default();
        if stored != count {
            let reason = format!("storage {key:?} has {stored} numbers, where the tensors say {count}");
            return Err(WeightsError::format(path, reason));
        }
        let bytes = count.checked_mul(width(dtype).unwrap_or(1) as u64).ok_or_else(outside)?;
        let begin = position + 8;
        position = begin.checked_add(bytes).filter(|&end| end <= length).ok_or_else(outside)?;
        storages.insert(key.to_string(), (begin, bytes));
    }
    Ok((pickled, storages))
}

fn explain(path: &Path, start: u64, failure: Failure) -> WeightsError {
    match failure {
        Failure::Io(cause) => WeightsError::io(path, "read")(cause),
        Failure::Problem(at, problem) => {
            WeightsError::Pickle { path: path.to_owned(), at: start + at, problem }
        }
    }
}

/// The tensors of a dictionary and of those within it, named by the keys that lead there.
fn named(path: &Path, pickled: &Pickled) -> Result<Vec<(String, usize)>, WeightsError> {
    let refuse = |problem| WeightsError::Pickle { path: path.to_owned(), at: 0, problem };
    let too_many = |what, allowed: usize| refuse(PickleProblem::Limit { what, allowed: allowed as u64 });
    let mut found = Vec::new();
    let (mut entries, mut letters) = (0, 0);
    let mut open = vec![(&pickled.root, String::new(), 0)];
    while let Some((value, prefix, depth)) = open.pop() {
        if let Value::Tensor(view) = value {
            found.push((if prefix.is_empty() { "tensor".to_owned() } else { prefix }, *view));
            continue;
        }
        let Some(inner) = pickled.entries(value) else { continue };
        if depth == MAX_DEPTH {
            return Err(too_many("dictionaries within each other", MAX_DEPTH));
        }
        for (key, value) in inner {
            entries += 1;
            if entries > MAX_ENTRIES {
                return Err(too_many("entries", MAX_ENTRIES));
            }
            if !matches!(value, Value::Tensor(_) | Value::Dict(_)) {
                continue;
            }
            let key = match key {
                Value::Text(text) => text.to_string(),
                Value::Int(number) => number.to_string(),
                _ => {
                    return Err(refuse(PickleProblem::Malformed {
                        reason: "a tensor's key is no text".to_owned(),
                    }));
                }
            };
            let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            letters += name.len();
            if name.len() > MAX_NAME || letters > MAX_NAMES {
                return Err(too_many("bytes of names", MAX_NAME));
            }
            open.push((value, name, depth + 1));
        }
    }
    Ok(found)
}

/// Where a view's numbers are in the file, and how they are laid out.
fn extent(
    pickled: &Pickled,
    view: &View,
    storages: &BTreeMap<String, Place>,
) -> Result<Extent, TensorProblem> {
    let storage = &pickled.storages[view.storage];
    let entry = |reason: String| TensorProblem::Entry { reason };
    let dtype = storage.dtype.to_owned();
    let Some(width) = width(&dtype) else { return Err(TensorProblem::Type { dtype }) };
    let Some(&(begin, bytes)) = storages.get(&*storage.key) else {
        return Err(entry(format!("storage {:?} is not in the file", storage.key)));
    };
    let needed = u128::from(storage.count) * width as u128;
    if needed > u128::from(bytes) {
        return Err(entry(format!("storage {:?} has {bytes} bytes, where {needed} are needed", storage.key)));
    }
    if view.shape.len() != view.strides.len() {
        return Err(entry(format!("{} sizes and {} strides", view.shape.len(), view.strides.len())));
    }
    let sizes = |numbers: &[i64]| numbers.iter().map(|&number| usize::try_from(number).ok()).collect();
    let (shape, strides): (Option<Vec<usize>>, Option<Vec<usize>>) =
        (sizes(&view.shape), sizes(&view.strides));
    let (Some(shape), Some(strides), Ok(offset)) = (shape, strides, u64::try_from(view.offset)) else {
        return Err(entry(format!("a view of {:?} by {:?} at {}", view.shape, view.strides, view.offset)));
    };
    if shape.contains(&0) {
        let begin = begin as usize;
        return Ok(Extent { dtype, shape, begin, end: begin, strides: None });
    }
    // The last element's place, and how many there are.
    let last = shape.iter().zip(&strides).try_fold(offset, |place, (&size, &stride)| {
        place.checked_add((size as u64 - 1).checked_mul(stride as u64)?)
    });
    let Some(last) = last.filter(|&last| last < storage.count) else {
        return Err(entry(format!(
            "shape {shape:?} by strides {strides:?} from {offset} leaves its storage of {}",
            storage.count
        )));
    };
    let span = (last - offset + 1) as usize;
    let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
    if count.is_none_or(|count| count > span) {
        return Err(TensorProblem::Repeats { shape, strides, span });
    }
    let begin = begin as usize + offset as usize * width;
    let end = begin + span * width;
    let strides = (!is_row_major(&shape, &strides)).then_some(strides);
    Ok(Extent { dtype, shape, begin, end, strides })
}

/// Strides of dimensions of one element do not matter.
fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&size, &stride)| {
        let right = size == 1 || stride == expected;
        expected *= size;
        right
    })
}

/// The elements of a view in row-major order, from the numbers it spans.
pub(super) fn gather<T: Copy>(span: &[T], shape: &[usize], strides: &[usize]) -> Vec<T> {
    let count = shape.iter().product();
    let mut index = vec![0; shape.len()];
    let mut place = 0;
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        values.push(span[place]);
        for dim in (0..shape.len()).rev() {
            index[dim] += 1;
            place += strides[dim];
            if index[dim] < shape[dim] {
                break;
            }
            place -= strides[dim] * shape[dim];
            index[dim] = 0;
        }
    }
    values
}
