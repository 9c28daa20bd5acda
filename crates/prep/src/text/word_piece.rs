//! Learning the pieces of WordPiece.
//!
//! ```text
//! score(a, b) = count(a b) / (count(a) · count(b))        merge the pair of the greatest score, again and again
//! ```
//!
//! Merging a and b raises the logarithm of the likelihood of a unigram model by about `count(a b) · ln(N ·
//! score)`: what is asked is whether a pair occurs more often than its parts do by chance. M. Schuster, K.
//! Nakajima, *Japanese and Korean voice search*, 2012. <https://doi.org/10.1109/ICASSP.2012.6289079> Google
//! has not published BERT's trainer. Hugging Face's merges the most *frequent* pair, as BPE does, and numbers
//! its pieces in the order of a hash table, which differs from run to run; both choices are here, in a fixed
//! order.
//!
//! A word is its first letter and, marked `##`, the others: `un` `##like` `##ly`.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

/// By what WordPiece picks the pair to merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PairScore {
    /// `count(a b) / (count(a) · count(b))`, among pairs seen `min_frequency` times. Left alone it loves rare
    /// letters, so that a `min_frequency` of several is wise.
    Likelihood,
    /// `count(a b)`, as Hugging Face's trainer.
    #[default]
    Frequency,
}

/// What is learnt from.
pub(super) struct Lesson<'a> {
    /// Distinct words in a fixed order, with how often they were seen.
    pub(super) words: &'a [(String, u64)],
    /// Most pieces there may be, special ones included.
    pub(super) vocab_size: usize,
    pub(super) min_frequency: u64,
    pub(super) specials: &'a [String],
    pub(super) score: PairScore,
}

type Pair = (u32, u32);

/// A word as pieces.
struct Word {
    pieces: Vec<u32>,
    count: u64,
}

impl Lesson<'_> {
    /// The pieces in the order of their numbers: special ones, letters, letters within a word, then merges as
    /// they came.
    pub(super) fn pieces(&self) -> Vec<String> {
        let mut pieces: Vec<String> = self.specials.to_vec();
        let mut ids: HashMap<String, u32> =
            pieces.iter().enumerate().map(|(id, piece)| (piece.clone(), id as u32)).collect();
        let mut add = |piece: String| {
            let next = pieces.len() as u32;
            let id = *ids.entry(piece.clone()).or_insert(next);
            if id == next {
                pieces.push(piece);
            }
            id
        };
        let first: BTreeSet<char> = self.words.iter().flat_map(|(word, _)| word.chars().next()).collect();
        let later: BTreeSet<char> = self.words.iter().flat_map(|(word, _)| word.chars().skip(1)).collect();
        for letter in
            first.iter().map(char::to_string).chain(later.iter().map(|letter| format!("##{letter}")))
        {
            add(letter);
        }
        let mut words: Vec<Word> = Vec::with_capacity(self.words.len());
        for (word, count) in self.words {
            let letters = word.chars().enumerate();
            let pieces = letters
                .map(|(i, letter)| add(if i == 0 { letter.to_string() } else { format!("##{letter}") }))
                .collect();
            words.push(Word { pieces, count: *count });
        }

        let mut singles: HashMap<u32, u64> = HashMap::new();
        let mut pairs: HashMap<Pair, u64> = HashMap::new();
        let mut places: HashMap<Pair, BTreeSet<usize>> = HashMap::new();
        for (place, word) in words.iter().enumerate() {
            word.pieces.iter().for_each(|&piece| *singles.entry(piece).or_default() += word.count);
            for pair in word.pieces.windows(2) {
                *pairs.entry((pair[0], pair[1])).or_default() += word.count;
                places.entry((pair[0], pair[1])).or_default().insert(place);
            }
        }
        while pieces.len() < self.vocab_size {
            let Some(best) = self.best(&pairs, &singles) else { break };
            let second = &pieces[best.1 as usize];
            let joined =
                format!("{}{}", pieces[best.0 as usize], second.strip_prefix("##").unwrap_or(second));
            let next = pieces.len() as u32;
            let new = *ids.entry(joined.clone()).or_insert(next);
            if new == next {
                pieces.push(joined);
            }
            for place in places.remove(&best).unwrap_or_default() {
                let word = &mut words[place];
                for pair in word.pieces.windows(2) {
                    take(&mut pairs, (pair[0], pair[1]), word.count);
                    if (pair[0], pair[1]) != best
                        && let Some(set) = places.get_mut(&(pair[0], pair[1]))
                    {
                        set.remove(&place);
                    }
                }
                let before = word.pieces.len();
                word.pieces = merged(&word.pieces, best, new);
                let merges = (before - word.pieces.len()) as u64 * word.count;
                take(&mut singles, best.0, merges);
                take(&mut singles, best.1, merges);
                *singles.entry(new).or_default() += merges;
                for pair in word.pieces.windows(2) {
                    *pairs.entry((pair[0], pair[1])).or_default() += word.count;
                    places.entry((pair[0], pair[1])).or_default().insert(place);
                }
            }
        }
        pieces
    }

    /// The pair of the greatest score; of several, the one with the smallest numbers.
    fn best(&self, pairs: &HashMap<Pair, u64>, singles: &HashMap<u32, u64>) -> Option<Pair> {
        let single = |piece: u32| u128::from(singles.get(&piece).copied().unwrap_or(1).max(1));
        pairs
            .iter()
            .filter(|(_, count)| **count >= self.min_frequency.max(1))
            .map(|(&pair, &count)| match self.score {
                PairScore::Frequency => (u128::from(count), 1, pair),
                PairScore::Likelihood => (u128::from(count), single(pair.0) * single(pair.1), pair),
            })
            .max_by(|(a, below_a, pair_a), (b, below_b, pair_b)| {
                // a / below_a against b / below_b; counts are far below 2⁴², so that nothing overflows.
                let (left, right) = (a.saturating_mul(*below_b), b.saturating_mul(*below_a));
                left.cmp(&right).then_with(|| pair_b.cmp(pair_a))
            })
            .map(|(_, _, pair)| pair)
    }
}

/// Takes `count` away; what falls to 0 is forgotten.
fn take<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u64>, key: K, count: u64) {
    if let Some(left) = counts.get_mut(&key) {
        *left = left.saturating_sub(count);
        if *left == 0 {
            counts.remove(&key);
        }
    }
}

/// Every `pair`, from the left, replaced by `new`.
fn merged(pieces: &[u32], pair: Pair, new: u32) -> Vec<u32> {
    let mut result = Vec::with_capacity(pieces.len());
    let mut i = 0;
    while i < pieces.len() {
        if i + 1 < pieces.len() && (pieces[i], pieces[i + 1]) == pair {
            result.push(new);
            i += 2;
        } else {
            result.push(pieces[i]);
            i += 1;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(words: &[(&str, u64)], vocab_size: usize, score: PairScore, min_frequency: u64) -> Vec<String> {
        let words: Vec<(String, u64)> = words.iter().map(|&(word, count)| (word.to_owned(), count)).collect();
        Lesson { words: &words, vocab_size, min_frequency, specials: &[], score }.pieces()
    }

    #[test]
    fn the_likelihood_merges_what_only_occurs_together() {
        // hug ×10, pug ×5, pun ×12, bun ×4, hugs ×5. Letters: h 15, p 17, b 4, ##u 36, ##g 20, ##n 16, ##s 5.
        // Scores: h##u 15/(15·36), p##u 17/(17·36), b##u 4/(4·36), all 1/36; ##u##g 20/(36·20) = 1/36 as well;
        // ##u##n 16/(36·16) = 1/36; ##g##s 5/(20·5) = 1/20: the greatest.
        let words = [("bun", 4), ("hug", 10), ("hugs", 5), ("pug", 5), ("pun", 12)];
        let letters = ["b", "h", "p", "##g", "##n", "##s", "##u"];
        let pieces = learnt(&words, 8, PairScore::Likelihood, 1);
        assert_eq!(pieces, [&letters[..], &["##gs"]].concat());
        // Now h##u 15/(15·36), ##u##g 15/(36·15), ##u##gs 5/(36·5), …: all 1/36, so the smallest numbers win: b ##u.
        // Then b 0, bu 4, ##u 32: bu##n 4/(4·16) = 1/16 is the greatest.
        let pieces = learnt(&words, 10, PairScore::Likelihood, 1);
        assert_eq!(pieces[8..], ["bu", "bun"]);
    }

    #[test]
    fn the_frequency_merges_what_occurs_most() {
        // ##u##g 20 times; then p##u, h##ug, p##ug, ##u##n, …: ##u##n 16, h##ug 15.
        let words = [("bun", 4), ("hug", 10), ("hugs", 5), ("pug", 5), ("pun", 12)];
        let pieces = learnt(&words, 10, PairScore::Frequency, 1);
        assert_eq!(pieces[7..], ["##ug", "##un", "hug"]);
        // Pairs seen less than 16 times are not merged.
        assert_eq!(learnt(&words, 100, PairScore::Frequency, 16).len(), 9);
    }

    #[test]
    fn counting_as_it_goes_is_counting_anew() {
        // Words of repeated letters, where a merge changes its own neighbours.
        let words = [("aaaa", 3), ("aabaab", 2), ("abab", 7), ("b", 1), ("baaa", 5)];
        for score in [PairScore::Likelihood, PairScore::Frequency] {
            for vocab_size in 4..14 {
                let pieces = learnt(&words, vocab_size, score, 1);
                assert_eq!(pieces, by_counting_anew(&words, vocab_size, score), "{score:?} {vocab_size}");
            }
        }
    }

    /// The definition, without any bookkeeping.
    fn by_counting_anew(words: &[(&str, u64)], vocab_size: usize, score: PairScore) -> Vec<String> {
        let mut pieces = learnt(words, 0, score, 1);
        let split = |word: &str| -> Vec<String> {
            word.chars()
                .enumerate()
                .map(|(i, c)| if i == 0 { c.to_string() } else { format!("##{c}") })
                .collect()
        };
        let mut split: Vec<(Vec<String>, u64)> =
            words.iter().map(|&(word, count)| (split(word), count)).collect();
        while pieces.len() < vocab_size {
            let id = |piece: &str| pieces.iter().position(|other| other == piece).unwrap();
            let mut singles: HashMap<&str, f64> = HashMap::new();
            let mut pairs: HashMap<(&str, &str), f64> = HashMap::new();
            for (word, count) in &split {
                word.iter().for_each(|piece| *singles.entry(piece).or_default() += *count as f64);
                word.windows(2).for_each(|p| *pairs.entry((&p[0], &p[1])).or_default() += *count as f64);
            }
            let value = |((a, b), count): (&(&str, &str), &f64)| match score {
                PairScore::Frequency => *count,
                PairScore::Likelihood => count / (singles[a] * singles[b]),
            };
            let mut ranked: Vec<_> =
                pairs.iter().map(|pair| (value(pair), id(pair.0.0), id(pair.0.1))).collect();
            ranked.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
            // Equal quotients may differ in their last bit.
            let Some(greatest) = ranked.first().map(|first| first.0) else { break };
            let ties = ranked.iter().filter(|entry| (entry.0 / greatest - 1.0).abs() < 1e-12);
            let Some((a, b)) = ties.map(|entry| (entry.1, entry.2)).min() else { break };
            let (a, b) = (pieces[a].clone(), pieces[b].clone());
            let joined = format!("{a}{}", b.trim_start_matches("##"));
            for (word, _) in &mut split {
                let mut i = 0;
                while i + 1 < word.len() {
                    if word[i] == a && word[i + 1] == b {
                        word[i] = joined.clone();
                        word.remove(i + 1);
                    }
                    i += 1;
                }
            }
            if !pieces.contains(&joined) {
                pieces.push(joined);
            }
        }
        pieces
    }
}
