//! From the network's columns to Q.

use burn::tensor::{Tensor, activation};

use super::Dqn;

impl Dqn {
    /// The network's columns as one row of values an action: the duelling streams joined, distributions still as logits.
    ///
    /// # Shapes
    ///
    /// - columns: `[batch, (actions (+ 1)) · atoms]`; output: `[batch, actions, atoms]`, one atom for a plain Q
    pub(super) fn join(&self, columns: Tensor<2>) -> Tensor<3> {
        let batch = columns.dims()[0];
        let atoms = self.config.atoms.map_or(1, |atoms| atoms.count);
        let streams = columns.reshape([batch, self.actions + usize::from(self.config.dueling), atoms]);
        if !self.config.dueling {
            return streams;
        }
        let value = streams.clone().narrow(1, self.actions, 1); // [B, 1, atoms]
        let advantage = streams.narrow(1, 0, self.actions); // [B, A, atoms]
        advantage.clone() - advantage.mean_dim(1) + value
    }

    /// Q from joined columns: themselves, or the means of the distributions.
    ///
    /// # Shapes
    ///
    /// - joined: `[batch, actions, atoms]`; output: `[batch, actions]`
    pub(super) fn q_values(&self, joined: Tensor<3>) -> Tensor<2> {
        match self.config.atoms {
            None => joined.squeeze_dim(2),
            Some(atoms) => {
                let support = Tensor::<1>::from_data(atoms.support().as_slice(), &joined.device());
                (activation::softmax(joined, 2) * support.unsqueeze::<3>()).sum_dim(2).squeeze_dim(2)
            }
        }
    }
}
