//! What a parameter of a Burn module is called in PyTorch, and how it lies in memory there.

use burn::tensor::Tensor;

/// Where a parameter's values stand in PyTorch's naming: a whole tensor, or a run of one.
///
/// A run matters where PyTorch keeps several of Burn's parameters in one tensor: the four gates of
/// an LSTM are rows of `weight_ih_l0`, query, key and value are rows of `in_proj_weight`. The third
/// gate of an LSTM with 8 inputs and 16 units then starts at element 2 · 16 · 8.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The tensor's name in PyTorch's `state_dict`.
    pub name: String,
    /// Flat index of the first element within it.
    pub offset: usize,
}

impl Place {
    /// The run of `name` that starts at flat index `offset`.
    pub fn at(name: impl Into<String>, offset: usize) -> Self {
        Self { name: name.into(), offset }
    }
}

impl<S: Into<String>> From<S> for Place {
    fn from(name: S) -> Self {
        Self::at(name, 0)
    }
}

/// Keeps track of where a visitor or mapper stands in a module.
#[derive(Debug, Default)]
pub(crate) struct Position {
    names: Vec<String>,
    containers: Vec<String>,
}

impl Position {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        self.names.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.names.pop();
        self.containers.pop();
    }

    /// The path as Burn spells it.
    pub(crate) fn path(&self) -> String {
        self.names.join(".")
    }

    /// The path as PyTorch spells it: scale and shift of a normalisation are `weight` and `bias`.
    pub(crate) fn torch_name(&self) -> String {
        let mut names = self.names.clone();
        if let (Some(leaf), Some(container)) = (names.last_mut(), self.containers.last())
            && container.ends_with("Norm")
        {
            match leaf.as_str() {
                "gamma" => *leaf = "weight".to_owned(),
                "beta" => *leaf = "bias".to_owned(),
                _ => {}
            }
        }
        names.join(".")
    }

    /// Whether PyTorch stores the transpose: Burn's linear weight is `[in, out]`, PyTorch's `[out, in]`.
    pub(crate) fn is_transposed(&self) -> bool {
        self.containers.last().is_some_and(|container| container == "Struct:Linear")
            && self.names.last().is_some_and(|name| name == "weight")
    }

    /// A parameter, or its gradient, laid out as PyTorch has it.
    pub(crate) fn torch_layout<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<D> {
        if self.is_transposed() { tensor.swap_dims(0, D - 1) } else { tensor }
    }

    /// The shape PyTorch gives a parameter that has `shape` here.
    pub(crate) fn torch_shape(&self, shape: &[usize]) -> Vec<usize> {
        let mut shape = shape.to_vec();
        if self.is_transposed() {
            shape.reverse();
        }
        shape
    }

    /// Where PyTorch keeps element `index` of a parameter that has `shape` here.
    pub(crate) fn torch_index(&self, shape: &[usize], index: usize) -> usize {
        match *shape {
            [rows, columns] if self.is_transposed() => (index % columns) * rows + index / columns,
            _ => index,
        }
    }
}
