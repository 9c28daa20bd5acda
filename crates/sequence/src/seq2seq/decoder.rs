//! What happens once a source, and once a token.

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Int, Tensor, TensorData};

use super::Seq2Seq;
use crate::generate::Autoregressive;
use crate::gru::GruCell;
use crate::recurrent::{Affine, Cell, State, tanh};
use crate::tokens;

/// A source as the decoder looks at it.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    /// h, `[B, S, 2H]`
    values: Tensor<3>,
    /// `[B, S, H]`
    keys: Tensor<3>,
    /// `[B, S]`, true behind a source's end.
    padding: Tensor<2, Bool>,
    /// The decoder's weights.
    affine: Affine,
}

impl Seq2Seq {
    /// Reads the sources; the decoder's first state comes from the end of the backward direction, which is the beginning.
    pub(super) fn encode(&self, sources: Tensor<2, Int>, lengths: &[usize]) -> (Memory, State) {
        let [batch, steps] = sources.dims();
        let x = self.dropout.forward(self.source.forward(sources)); // [B, S, E]
        let (values, states) = self.encoder.forward(x, Some(lengths), None); // [B, S, 2H]
        let keys = self.keys.forward(values.clone());
        let behind = (0..batch * steps).map(|at| at % steps >= lengths[at / steps]).collect::<Vec<_>>();
        let padding = Tensor::from_data(TensorData::new(behind, [batch, steps]), &values.device());
        let hidden = tanh(self.bridge.forward(states[1].hidden.clone()));
        let fed = self.query.is_none().then(|| hidden.zeros_like());
        let (affine, ()) = self.decoder.cells[0].ready();
        (Memory { values, keys, padding, affine }, State { hidden, cell: fed })
    }

    /// One token: read-out `[B, H]`, attention `[B, S]`, state; the state's `cell` is Luong's last read-out.
    pub(super) fn step(
        &self,
        memory: &Memory,
        token: Tensor<2, Int>,
        state: &State,
    ) -> (Tensor<2>, Tensor<2>, State) {
        let x = self.dropout.forward(self.target.forward(token)).squeeze_dim::<2>(1); // [B, E]
        let gru = |fed: Tensor<2>| {
            // Within a cell samples are columns.
            let before = State { hidden: state.hidden.clone().transpose(), cell: None };
            let x = Tensor::cat(vec![x, fed], 1).transpose();
            let z = memory.affine.and_state(memory.affine.of_input(x), before.hidden.clone());
            GruCell::step(&(), z, &before).hidden.transpose()
        };
        let readout = |hidden: &Tensor<2>, context: Tensor<2>| {
            tanh(self.readout.forward(Tensor::cat(vec![hidden.clone(), context], 1)))
        };
        if let (Some(query), Some(score)) = (&self.query, &self.score) {
            let query = query.forward(state.hidden.clone()).unsqueeze_dim::<3>(1); // [B, 1, H]
            let energy = score.forward(tanh(memory.keys.clone() + query)).squeeze_dim::<2>(2); // [B, S]
            let (context, look) = memory.look(energy);
            let hidden = gru(context.clone());
            (readout(&hidden, context), look, State { hidden, cell: None })
        } else {
            let hidden = gru(state.cell.clone().unwrap_or_else(|| state.hidden.zeros_like()));
            let energy = memory.keys.clone().matmul(hidden.clone().unsqueeze_dim(2)).squeeze_dim::<2>(2);
            let (context, look) = memory.look(energy);
            let read = readout(&hidden, context);
            (read.clone(), look, State { hidden, cell: Some(read) })
        }
    }
}

impl Memory {
    /// Context `[B, 2H]` and weights `[B, S]` of energies `[B, S]`.
    fn look(&self, energy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let weights = softmax(energy.mask_fill(self.padding.clone(), f32::NEG_INFINITY), 1);
        let context = weights.clone().unsqueeze_dim::<3>(1).matmul(self.values.clone());
        (context.squeeze_dim(1), weights)
    }
}

/// A [`Seq2Seq`] that has read its sources and can be asked to go on, by [`generate`](crate::generate::generate) or a
/// [beam search](crate::generate::beam_search). Prompts are the token `begin`, and `end` is the token to stop at.
#[derive(Debug)]
pub struct Decoder<'a> {
    model: &'a Seq2Seq,
    begin: DecoderState,
}

/// What a decoder remembers of sources and targets so far.
#[derive(Debug, Clone)]
pub struct DecoderState {
    memory: Memory,
    state: State,
}

impl Seq2Seq {
    /// Reads sources, one for each row of the batch that will be written. Call it on [`valid`](burn::module::Module::valid).
    ///
    /// # Shapes
    ///
    /// - sources: `[batch, source_steps]`, padded on the right; lengths: one for each
    ///
    /// # Panics
    ///
    /// When sizes or lengths do not fit.
    pub fn decoder(&self, sources: Tensor<2, Int>, lengths: &[usize]) -> Decoder<'_> {
        let (memory, state) = self.encode(sources, lengths);
        Decoder { model: self, begin: DecoderState { memory, state } }
    }
}

impl Autoregressive for Decoder<'_> {
    type State = DecoderState;

    fn vocab_size(&self) -> usize {
        self.model.target.weight.dims()[0]
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn takes_padding(&self) -> bool {
        false
    }

    fn begin(&self, _padding: &[usize]) -> DecoderState {
        self.begin.clone()
    }

    fn advance(&self, tokens: &[Vec<u32>], state: &mut DecoderState) -> Tensor<2> {
        let tokens = tokens::to_tensor(tokens, &state.memory.values.device());
        let mut readout = state.state.hidden.clone();
        for t in 0..tokens.dims()[1] {
            let token = tokens.clone().narrow(1, t, 1);
            (readout, _, state.state) = self.model.step(&state.memory, token, &state.state);
        }
        self.model.head.forward(readout)
    }

    fn select(&self, DecoderState { memory, state }: DecoderState, rows: &[usize]) -> DecoderState {
        let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let indices = Tensor::<1, Int>::from_data(indices.as_slice(), &memory.values.device());
        let memory = Memory {
            values: memory.values.select(0, indices.clone()),
            keys: memory.keys.select(0, indices.clone()),
            padding: memory.padding.select(0, indices.clone()),
            affine: self.model.decoder.cells[0].ready().0,
        };
        DecoderState { memory, state: state.select(&indices) }
    }
}
