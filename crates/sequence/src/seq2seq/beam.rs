//! Beam search: the k most probable beginnings instead of one.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

use super::Seq2Seq;

/// A target that was written to its end, or as far as allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Its tokens, without begin and end.
    pub tokens: Vec<u32>,
    /// ln P of all its tokens, the end among them.
    pub log_probability: f64,
}

impl Hypothesis {
    /// ln P over (tokens + 1)^α, by which hypotheses of several lengths are compared: without it, α = 0, every further token can
    /// only make one worse.
    fn score(&self, alpha: f64) -> f64 {
        self.log_probability / ((self.tokens.len() + 1) as f64).powf(alpha)
    }
}

impl Seq2Seq {
    /// The targets that beam search finds for one source, the best first, at most `width` of them.
    ///
    /// At every step each of the `width` beginnings is continued by every token, and the best `width` continuations stay. One
    /// that ends is set aside. The search is over when nothing is left, after `max_steps` tokens, or when no beginning can
    /// overtake the worst of `width` finished ones. With width 1 and α = 0 it is [`greedy`](Self::greedy).
    ///
    /// # Shapes
    ///
    /// - source: `[1, source_steps]`
    ///
    /// # Panics
    ///
    /// When there is not one source, `width` is 0, or a length does not fit.
    pub fn beam(
        &self,
        source: Tensor<2, Int>,
        width: usize,
        max_steps: usize,
        alpha: f64,
    ) -> Vec<Hypothesis> {
        let [count, steps] = source.dims();
        assert!(count == 1 && width > 0, "{count} sources and width {width}, expected one and at least 1");
        let device = source.device();
        // Every beginning looks at the same source; what is computed for it is repeated.
        let (memory, mut state) = self.encode(source.repeat_dim(0, width), &vec![steps; width]);
        let mut open = vec![Hypothesis { tokens: Vec::new(), log_probability: 0.0 }];
        let mut done: Vec<Hypothesis> = Vec::new();
        let mut last = vec![self.begin as i64; width];
        for step in 0..max_steps {
            let token = Tensor::from_data(TensorData::new(last.clone(), [width, 1]), &device);
            let (readout, _, after) = self.step(&memory, token, &state);
            let logits = log_softmax(self.head.forward(readout), 1); // [width, V]
            let vocabulary = logits.dims()[1];
            let p: Vec<f32> = logits.into_data().iter::<f32>().collect();
            let mut next: Vec<(usize, usize, f64)> = Vec::with_capacity(open.len() * vocabulary);
            for (row, hypothesis) in open.iter().enumerate() {
                let row_of = &p[row * vocabulary..(row + 1) * vocabulary];
                next.extend(
                    row_of
                        .iter()
                        .enumerate()
                        .map(|(token, p)| (row, token, hypothesis.log_probability + f64::from(*p))),
                );
            }
            next.sort_by(|a, b| b.2.total_cmp(&a.2));
            let (mut kept, mut rows) = (Vec::with_capacity(width), Vec::with_capacity(width));
            for &(row, token, log_probability) in next.iter().take(width) {
                let mut tokens = open[row].tokens.clone();
                if token == self.end {
                    done.push(Hypothesis { tokens, log_probability });
                    continue;
                }
                tokens.push(token as u32);
                rows.push((row as i64, token as i64));
                kept.push(Hypothesis { tokens, log_probability });
            }
            open = kept;
            done.sort_by(|a, b| b.score(alpha).total_cmp(&a.score(alpha)));
            done.truncate(width);
            let hopeless = done.len() == width && {
                // The most a beginning can still reach: nothing more lost, and the greatest length.
                let best = open.iter().map(|h| h.log_probability).fold(f64::NEG_INFINITY, f64::max);
                best / ((max_steps + 1) as f64).powf(alpha) <= done[width - 1].score(alpha)
            };
            if open.is_empty() || hopeless || step + 1 == max_steps {
                break;
            }
            // Rows without a beginning repeat the first.
            rows.resize(width, rows[0]);
            last = rows.iter().map(|(_, token)| *token).collect();
            let rows: Vec<i64> = rows.iter().map(|(row, _)| *row).collect();
            state = after.select(&Tensor::from_data(TensorData::new(rows, [width]), &device));
        }
        if done.is_empty() {
            done = open;
        }
        done.sort_by(|a, b| b.score(alpha).total_cmp(&a.score(alpha)));
        done.truncate(width);
        done
    }
}
