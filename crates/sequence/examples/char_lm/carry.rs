//! The states between two stretches, as a checkpoint keeps them.

use burn::tensor::{Device, Tensor, TensorData};
use fornax_sequence::State;

/// Shape and values of a state's parts.
type Part = ([usize; 2], Vec<f32>);

/// What of the states is saved; nothing at the beginning of a text.
pub(crate) fn save(states: Option<&[State]>) -> Vec<(Part, Option<Part>)> {
    let part = |tensor: &Tensor<2>| (tensor.dims(), tensor.to_data().iter::<f32>().collect());
    let states = states.unwrap_or_default().iter();
    states.map(|state| (part(&state.hidden), state.cell.as_ref().map(part))).collect()
}

/// The states that were saved.
pub(crate) fn restore(saved: Vec<(Part, Option<Part>)>, device: &Device) -> Option<Vec<State>> {
    let part = |(shape, values): Part| Tensor::from_data(TensorData::new(values, shape), device);
    let states = saved.into_iter().map(|(hidden, cell)| State { hidden: part(hidden), cell: cell.map(part) });
    let states: Vec<State> = states.collect();
    (!states.is_empty()).then_some(states)
}
