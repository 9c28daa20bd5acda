//! # What is done to logits before a token is drawn
//!
//! Each a function of the logits alone, or of the logits and the tokens so far; a token is taken out by −∞. With
//! p = softmax(logits):
//!
//! | | keeps |
//! |---|---|
//! | [`top_k`] | the k likeliest, and those as likely as the k-th |
//! | [`top_p`] | the likeliest until they reach p together, the one that crosses included |
//! | [`min_p`] | p_i ≥ min_p · max p: few when the model is sure, many when it is not |
//! | [`typical`] | those whose surprise −ln p_i is nearest the expected one, H = −Σ p ln p, until they reach p together |
//!
//! The definitions are those of Hugging Face's `transformers`, checked against it.

/// Divides by T > 0.
pub fn temperature(logits: &mut [f32], t: f64) {
    logits.iter_mut().for_each(|logit| *logit = (f64::from(*logit) / t) as f32);
}

/// Makes every token that is there already less likely: its logit divided by `penalty` if positive, multiplied if negative.
pub fn repetition_penalty(logits: &mut [f32], tokens: &[u32], penalty: f64) {
    let mut seen = vec![false; logits.len()];
    for &token in tokens {
        let token = token as usize;
        if token < logits.len() && !std::mem::replace(&mut seen[token], true) {
            let logit = f64::from(logits[token]);
            logits[token] = (if logit < 0.0 { logit * penalty } else { logit / penalty }) as f32;
        }
    }
}

/// Takes out every token that would make a sequence of `n` tokens come a second time.
pub fn no_repeat_ngram(logits: &mut [f32], tokens: &[u32], n: usize) {
    if n == 0 || tokens.len() + 1 < n {
        return;
    }
    let last = &tokens[tokens.len() + 1 - n..];
    for gram in tokens.windows(n).filter(|gram| &gram[..n - 1] == last) {
        if let Some(logit) = logits.get_mut(gram[n - 1] as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// Keeps the k largest and what equals the k-th.
pub fn top_k(logits: &mut [f32], k: usize) {
    if k == 0 || k >= logits.len() {
        return;
    }
    let mut sorted = logits.to_vec();
    let (_, &mut least, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    keep(logits, |_, logit| logit >= least);
}

/// Keeps the likeliest tokens until they reach the probability `p` together; at least one.
pub fn top_p(logits: &mut [f32], p: f64) {
    let probabilities = softmax(logits);
    let mut kept = vec![true; logits.len()];
    // From the least likely on, as long as what is cut off stays within 1 − p.
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]));
    order.pop();
    let mut cut = 0.0;
    for token in order {
        cut += probabilities[token];
        if cut > 1.0 - p {
            break;
        }
        kept[token] = false;
    }
    keep(logits, |token, _| kept[token]);
}

/// Keeps the tokens at least `p` times as likely as the likeliest.
pub fn min_p(logits: &mut [f32], p: f64) {
    let probabilities = softmax(logits);
    let least = p * probabilities.iter().copied().fold(0.0, f64::max);
    keep(logits, |token, _| probabilities[token] >= least);
}

/// Keeps the tokens whose surprise is nearest the expected one until they reach the probability `p` together; at least one.
pub fn typical(logits: &mut [f32], p: f64) {
    let probabilities = softmax(logits);
    let entropy: f64 = probabilities.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
    let distance = |token: usize| (-probabilities[token].ln() - entropy).abs();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
    let mut sum = 0.0;
    let crossing = order.iter().position(|&token| {
        sum += probabilities[token];
        sum >= p
    });
    let farthest = distance(order[crossing.unwrap_or(order.len() - 1)]);
    keep(logits, |token, _| distance(token) <= farthest);
}

/// e^(logit) over their sum, in double precision; zero for −∞.
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if largest == f32::NEG_INFINITY {
        return vec![0.0; logits.len()];
    }
    let exponentials: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|value| value / sum).collect()
}

/// The index of the largest, the first of equals; `None` when all are −∞.
pub fn argmax(logits: &[f32]) -> Option<usize> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|&logit| logit == largest && logit > f32::NEG_INFINITY)
}

/// A token drawn from softmax(logits) by `noise`, uniform in [0, 1): the first at which the cumulated probability exceeds it.
/// `None` when all are −∞.
pub fn draw(logits: &[f32], noise: f64) -> Option<usize> {
    let mut sum = 0.0;
    let mut last = None;
    for (token, p) in softmax(logits).into_iter().enumerate().filter(|&(_, p)| p > 0.0) {
        sum += p;
        last = Some(token);
        if sum > noise {
            break;
        }
    }
    last // the sum may end a rounding error below one
}

fn keep(logits: &mut [f32], kept: impl Fn(usize, f32) -> bool) {
    for (token, logit) in logits.iter_mut().enumerate() {
        if !kept(token, *logit) {
            *logit = f32::NEG_INFINITY;
        }
    }
}
