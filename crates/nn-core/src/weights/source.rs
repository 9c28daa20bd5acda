//! Where in a file a parameter's values stand, and in which layout.

use std::fmt;

use burn::tensor::TensorData;

use crate::check::torch::Position;

/// A tensor of a file, or a part of one, and how it becomes a parameter.
///
/// From a name alone it is the whole tensor in PyTorch's layout. The other layouts in use:
///
/// ```
/// use fornax_nn_core::weights::Source;
///
/// // nn.MultiheadAttention stacks query, key and value as rows [3·d, d] of one tensor; this is the key.
/// let key = Source::from("in_proj_weight").part(0, 1, 3);
/// assert_eq!(key.to_string(), "in_proj_weight[part 1 of 3 of dimension 0]");
/// // GPT-2 stores matrices [in, out] as they are here, query, key and value side by side.
/// let value = Source::from("h.0.attn.c_attn.weight").part(1, 2, 3).as_stored();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub(super) name: String,
    part: Option<Part>,
    layout: Layout,
    reshaped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) dim: usize,
    pub(super) index: usize,
    pub(super) of: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// As PyTorch stores the module that holds the parameter.
    Torch,
    /// As the parameter is here.
    Stored,
    /// The two dimensions in the other order.
    Transposed,
}

impl<S: Into<String>> From<S> for Source {
    fn from(name: S) -> Self {
        Self { name: name.into(), part: None, layout: Layout::Torch, reshaped: false }
    }
}

impl Source {
    /// Only part `index` of `of` equal ones along dimension `dim`, as the file has it.
    #[must_use]
    pub fn part(mut self, dim: usize, index: usize, of: usize) -> Self {
        self.part = Some(Part { dim, index, of });
        self
    }

    /// Not transposed, even where PyTorch's module would be: the tensor is laid out as the parameter.
    #[must_use]
    pub fn as_stored(mut self) -> Self {
        self.layout = Layout::Stored;
        self
    }

    /// Transposed, even where PyTorch's module would not be.
    #[must_use]
    pub fn transposed(mut self) -> Self {
        self.layout = Layout::Transposed;
        self
    }

    /// Any shape of as many elements will do; they are taken in row-major order.
    #[must_use]
    pub fn reshaped(mut self) -> Self {
        self.reshaped = true;
        self
    }

    /// Settles PyTorch's layout for the parameter at `position`.
    pub(super) fn in_layout_of(mut self, position: &Position) -> Self {
        if self.layout == Layout::Torch {
            self.layout = if position.is_transposed() { Layout::Transposed } else { Layout::Stored };
        }
        self
    }

    pub(super) fn is_transposed(&self) -> bool {
        self.layout == Layout::Transposed
    }

    pub(super) fn which(&self) -> Option<Part> {
        self.part
    }

    /// The shape that a tensor of shape `stored` has after all steps, if they can be done.
    pub(super) fn shape(&self, stored: &[usize], wanted: &[usize]) -> Option<Vec<usize>> {
        let mut shape = stored.to_vec();
        if let Some(Part { dim, index, of }) = self.part {
            let size = shape.get_mut(dim)?;
            if index >= of || !size.is_multiple_of(of) {
                return None;
            }
            *size /= of;
        }
        if self.is_transposed() {
            if shape.len() != 2 {
                return None;
            }
            shape.reverse();
        }
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        if self.reshaped && count(&shape) == count(wanted) { Some(wanted.to_vec()) } else { Some(shape) }
    }

    /// The steps themselves, for a tensor whose [`shape`](Self::shape) was found right.
    pub(super) fn apply(&self, values: Vec<f32>, shape: &[usize], wanted: &[usize]) -> TensorData {
        let shape = shape.to_vec();
        let (shape, values) = match self.part {
            None => (shape, values),
            Some(Part { dim, index, of }) => {
                // Rows of `inner` elements, `size` of them in every of the outer blocks.
                let inner: usize = shape[dim + 1..].iter().product();
                let length = shape[dim] / of * inner;
                let blocks = values.chunks_exact((shape[dim] * inner).max(1));
                let taken = blocks.flat_map(|block| &block[index * length..(index + 1) * length]).copied();
                let values = taken.collect();
                let mut shape = shape;
                shape[dim] /= of;
                (shape, values)
            }
        };
        let values = if self.is_transposed() { transpose(&values, shape[0], shape[1]) } else { values };
        TensorData::new(values, wanted.to_vec())
    }
}

/// A row-major matrix the other way round, tile by tile: a large one's columns do not fit a cache.
pub(super) fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const TILE: usize = 32;
    let mut turned = vec![0.0; rows * columns];
    for top in (0..rows).step_by(TILE) {
        for left in (0..columns).step_by(TILE) {
            for row in top..rows.min(top + TILE) {
                for column in left..columns.min(left + TILE) {
                    turned[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    turned
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(Part { dim, index, of }) = self.part {
            write!(f, "[part {index} of {of} of dimension {dim}]")?;
        }
        if self.is_transposed() { f.write_str(" transposed") } else { Ok(()) }
    }
}
