//! The batches of one pass over the data.

/// Iterates over batches as lists of sample indices; see [`Run::batches`](super::Run::batches).
#[derive(Debug, Clone)]
pub struct Batches {
    order: Vec<usize>,
    size: usize,
    /// Batches given out or skipped.
    done: usize,
}

impl Batches {
    pub(super) fn new(order: Vec<usize>, size: usize, skipped: usize) -> Self {
        Self { order, size, done: skipped }
    }
}

impl Iterator for Batches {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let batch = self.order.chunks(self.size).nth(self.done)?.to_vec();
        self.done += 1;
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.order.len().div_ceil(self.size).saturating_sub(self.done);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Batches {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_the_order_and_the_last_may_be_smaller() {
        let batches: Vec<_> = Batches::new((0..7).collect(), 3, 0).collect();
        assert_eq!(batches, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    }

    #[test]
    fn skipped_batches_are_not_given_again() {
        let mut batches = Batches::new((0..7).collect(), 3, 2);
        assert_eq!(batches.len(), 1);
        assert_eq!(batches.next(), Some(vec![6]));
        assert_eq!(batches.next(), None);
        assert_eq!(Batches::new((0..7).collect(), 3, 9).len(), 0);
    }
}
