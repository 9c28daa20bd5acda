//! Sampling in proportion to weights that change all the time, in O(log n).
//!
//! ```text
//!            29                    every node is the sum of its two children
//!       13        16               draw u in [0, 29): left if u < 13, else right with u − 13
//!     3   10   12    4
//! ```

use serde::{Deserialize, Serialize};

/// A complete binary tree of sums over `capacity` leaves; 16 to 32 bytes a leaf.
///
/// ```
/// use fornax_rl::buffer::SumTree;
///
/// let mut tree = SumTree::new(4);
/// for (leaf, weight) in [3.0, 10.0, 12.0, 4.0].into_iter().enumerate() {
///     tree.set(leaf, weight);
/// }
/// assert_eq!(tree.total(), 29.0);
/// assert_eq!([0.0, 2.9, 3.0, 12.9, 13.0, 28.9].map(|u| tree.find(u)), [0, 0, 1, 1, 2, 3]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SumTree {
    /// Node 1 is the root, node i has the children 2i and 2i + 1; leaves from `leaves` on.
    nodes: Vec<f64>,
    leaves: usize,
}

impl SumTree {
    /// All weights zero.
    pub fn new(capacity: usize) -> Self {
        let leaves = capacity.next_power_of_two().max(1);
        Self { nodes: vec![0.0; 2 * leaves], leaves }
    }

    /// Sum of all weights.
    pub fn total(&self) -> f64 {
        self.nodes[1]
    }

    /// The weight of a leaf.
    pub fn get(&self, leaf: usize) -> f64 {
        self.nodes[self.leaves + leaf]
    }

    /// Changes the weight of a leaf. Sums are formed anew on the way up, so rounding errors do not gather.
    pub fn set(&mut self, leaf: usize, weight: f64) {
        let mut node = self.leaves + leaf;
        self.nodes[node] = weight;
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[2 * node] + self.nodes[2 * node + 1];
        }
    }

    /// The leaf that `u` in [0, total) falls on: the first whose cumulative sum exceeds `u`. A leaf of weight zero is never
    /// the answer while there is another.
    pub fn find(&self, u: f64) -> usize {
        let mut node = 1;
        let mut u = u;
        while node < self.leaves {
            let left = self.nodes[2 * node];
            // Rounding may carry u past the last weight: go where there is one.
            if u < left || self.nodes[2 * node + 1] <= 0.0 {
                node *= 2;
            } else {
                u -= left;
                node = 2 * node + 1;
            }
        }
        node - self.leaves
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.nodes.len() * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_what_a_linear_search_finds(
            weights in prop::collection::vec(0.0..5.0_f64, 1..40),
            at in 0.0..1.0_f64,
        ) {
            let mut tree = SumTree::new(weights.len());
            weights.iter().enumerate().for_each(|(leaf, &weight)| tree.set(leaf, weight));
            let sum: f64 = weights.iter().sum();
            prop_assert!((tree.total() - sum).abs() < 1e-9);
            prop_assume!(sum > 1e-3);
            let u = at * tree.total();
            let leaf = tree.find(u);
            let before: f64 = weights[..leaf].iter().sum();
            prop_assert!(before <= u + 1e-9 && u < before + weights[leaf] + 1e-9);
        }
    }
}
