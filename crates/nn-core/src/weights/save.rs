//! A module's parameters as a file that PyTorch reads.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

use super::Slots;
use super::error::WeightsError;
use super::source::{Part, Source, transpose};

/// Writes every parameter and running statistic of `model` to a `.safetensors` file, as F32, under the names and in the
/// layouts that [`Weights::load`](super::Weights::load) would look for with the same `source`. The file is written whole or
/// not at all.
///
/// # Errors
///
/// [`WeightsError::Save`] when two parameters claim one tensor, or parts of a tensor are missing or of unequal shape;
/// [`WeightsError::Io`] when the file cannot be written.
pub fn save<M: Module>(
    model: &M,
    path: impl AsRef<Path>,
    source: impl FnMut(&str) -> Source,
) -> Result<(), WeightsError> {
    let path = path.as_ref();
    let mut slots = Slots::new(source);
    model.visit(&mut slots);
    let mut values = Values(Vec::new());
    model.visit(&mut values);

    let mut pieces: BTreeMap<String, Vec<Piece>> = BTreeMap::new();
    for (slot, values) in slots.found.into_iter().zip(values.0) {
        let source = slot.source;
        let piece = if source.is_transposed() && slot.shape.len() == 2 {
            let values = transpose(&values, slot.shape[0], slot.shape[1]);
            Piece { part: source.which(), shape: vec![slot.shape[1], slot.shape[0]], values }
        } else {
            Piece { part: source.which(), shape: slot.shape, values }
        };
        pieces.entry(source.name).or_default().push(piece);
    }

    let mut tensors = Vec::new();
    for (name, pieces) in pieces {
        let (shape, values) = whole(pieces).map_err(|reason| WeightsError::Save {
            path: path.to_owned(),
            tensor: name.clone(),
            reason,
        })?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.push((name, shape, bytes));
    }
    let write = || {
        let views = tensors.iter().map(|(name, shape, bytes)| {
            TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>()?;
        // What Hugging Face's loaders ask for.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        serialize_to_file(views, Some(metadata), path)
    };
    write().map_err(|error| match error {
        safetensors::SafeTensorError::IoError(cause) => WeightsError::io(path, "write")(cause),
        other => WeightsError::format(path, other.to_string()),
    })
}

/// A parameter in the file's layout.
struct Piece {
    part: Option<Part>,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// One tensor of its parts.
fn whole(mut pieces: Vec<Piece>) -> Result<(Vec<usize>, Vec<f32>), String> {
    pieces.sort_by_key(|piece| piece.part.map(|part| part.index));
    let Some(Part { dim, of, .. }) = pieces[0].part else {
        return match pieces.len() {
            1 => Ok(pieces.pop().map(|piece| (piece.shape, piece.values)).unwrap_or_default()),
            several => Err(format!("{several} parameters claim it")),
        };
    };
    let mut shape = pieces[0].shape.clone();
    for (index, piece) in pieces.iter().enumerate() {
        if piece.part != Some(Part { dim, index, of }) || piece.shape != shape {
            return Err(format!("part {index} of {of} is missing, there twice or of another shape"));
        }
    }
    if pieces.len() != of || dim >= shape.len() {
        return Err(format!("has {} of {of} parts along dimension {dim} of {shape:?}", pieces.len()));
    }
    // Blocks of one outer index, part after part.
    let block: usize = shape[dim..].iter().product();
    let outer: usize = shape[..dim].iter().product();
    let values = (0..outer)
        .flat_map(|i| pieces.iter().flat_map(move |piece| &piece.values[i * block..(i + 1) * block]))
        .copied()
        .collect();
    shape[dim] *= of;
    Ok((shape, values))
}

/// The values of every parameter, in the module's order.
struct Values(Vec<Vec<f32>>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.val().into_data().iter::<f32>().collect());
    }
}
