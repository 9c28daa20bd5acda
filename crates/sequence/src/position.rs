//! # Positions
//!
//! Attention is a sum over a set: shuffle the inputs and the outputs are shuffled, nothing else. Order has to be put in.
//!
//! | | where | formula | beyond the trained length |
//! |---|---|---|---|
//! | learned | added to the embedding | a row of a table for each position | impossible |
//! | sinusoidal | added to the embedding | sin(p·ω_i), cos(p·ω_i), ω_i = 10000^(−2i/d) | possible, bad |
//! | rotary (RoPE) | turns queries and keys | pairs (x_i, x_{i+d/2}) by the angle p·ω_i | possible, bad |
//! | ALiBi | bias on the scores | −m_h · (distance) | good |
//!
//! The last two depend on the distance alone. For a rotation that is one line:
//!
//! ```text
//! ⟨R(p)·q, R(s)·k⟩ = ⟨q, R(p)ᵀ·R(s)·k⟩ = ⟨q, R(s − p)·k⟩
//! ```
//!
//! and the sinusoidal table has a similar property: PE(p + k) is a rotation of PE(p) that does not depend on p.
//!
//! ALiBi's slopes m_h fall geometrically from 2^(−8/h) to 2^(−8) over the heads, so that some heads look close by and some
//! far; for a number of heads that is no power of two, every second slope of the next power fills up.
//!
//! Papers: J. Su et al., *RoFormer*, 2021 (<https://arxiv.org/abs/2104.09864>); O. Press, N. Smith, M. Lewis, *Train short, test
//! long*, 2022 (<https://arxiv.org/abs/2108.12409>); A. Vaswani et al., 2017 (<https://arxiv.org/abs/1706.03762>).
//!
//! ## Differs from the paper
//!
//! 1. RoFormer turns neighbouring pairs (x_{2i}, x_{2i+1}); halves are paired here, as in GPT-NeoX and Llama, which is the
//!    same up to the order of features.
//! 2. ALiBi's bias is symmetric, −m·|distance|: what a causal mask hides does not matter, and encoders can use it.

use std::ops::Range;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// The base of the wavelengths of sinusoidal and rotary positions, from both papers.
pub const BASE: f64 = 10_000.0;

/// How a model knows where a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PositionKind {
    /// A learnt vector for each position.
    Learned,
    /// A fixed vector for each position.
    Sinusoidal,
    /// Queries and keys turned by their position.
    Rotary,
    /// Scores lowered with the distance.
    Alibi,
    /// Not at all: a set instead of a sequence.
    None,
}

/// The sinusoidal table: sines in the even columns, cosines in the odd ones.
///
/// # Shapes
///
/// - output: `[length, d_model]`
///
/// # Panics
///
/// When `d_model` is odd.
pub fn sinusoidal(length: usize, d_model: usize, device: &Device) -> Tensor<2> {
    assert!(d_model.is_multiple_of(2), "sinusoidal positions need an even d_model, got {d_model}");
    let rows = (0..length).flat_map(|position| {
        frequencies(d_model).flat_map(move |omega| {
            let (sin, cos) = (position as f64 * omega).sin_cos();
            [sin as f32, cos as f32]
        })
    });
    Tensor::from_data(TensorData::new(rows.collect::<Vec<f32>>(), [length, d_model]), device)
}

/// ω_i = 10000^(−2i/d), i < d/2.
fn frequencies(d: usize) -> impl Iterator<Item = f64> {
    (0..d / 2).map(move |i| BASE.powf(-2.0 * i as f64 / d as f64))
}

/// The rotation of queries and keys at certain positions.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// `[batch or 1, 1, length, d / 2]`
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Rotation {
    /// For heads of `d` features whose rows stand at `positions`, one list for every row of the batch, or one for all.
    ///
    /// # Panics
    ///
    /// When `d` is odd or the lists differ in length.
    pub fn new(positions: &[Vec<usize>], d: usize, device: &Device) -> Self {
        assert!(d.is_multiple_of(2), "rotary positions need an even number of features a head, got {d}");
        let length = positions.first().map_or(0, Vec::len);
        assert!(positions.iter().all(|row| row.len() == length), "rows of positions differ in length");
        let table = |f: fn(f64) -> f64| {
            let angles =
                positions.iter().flatten().flat_map(|&p| frequencies(d).map(move |omega| p as f64 * omega));
            let values: Vec<f64> = angles.map(f).collect();
            Tensor::<4>::from_data(
                TensorData::new(values, [positions.len(), 1, length, d / 2]),
                (device, DType::F32),
            )
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// Turns the pair (x_i, x_{i + d/2}) of the row at p by p·ω_i.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, heads, length, d]`
    /// - output: the same
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let (cos, sin) = (self.cos.clone().cast(x.dtype()), self.sin.clone().cast(x.dtype()));
        let (a, b) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
        let turned = a.clone() * cos.clone() - b.clone() * sin.clone();
        Tensor::cat(vec![turned, b * cos + a * sin], 3)
    }
}

/// ALiBi's slopes, one a head.
pub fn alibi_slopes(heads: usize) -> Vec<f64> {
    let geometric = |n: usize| (1..=n).map(move |i| (-8.0 * i as f64 / n as f64).exp2());
    let power = if heads.is_power_of_two() { heads } else { heads.next_power_of_two() / 2 };
    geometric(power).chain(geometric(2 * power).step_by(2)).take(heads).collect()
}

/// ALiBi's bias for queries at `queries` and keys at `keys`: −m_h·|distance|.
///
/// # Shapes
///
/// - output: `[1, heads, queries, keys]`
pub fn alibi(heads: usize, queries: Range<usize>, keys: Range<usize>, device: &Device) -> Tensor<4> {
    let rows = alibi_slopes(heads).into_iter().flat_map(|slope| {
        let keys = keys.clone();
        let bias = move |query: usize, key: usize| (-slope * query.abs_diff(key) as f64) as f32;
        queries.clone().flat_map(move |query| keys.clone().map(move |key| bias(query, key)))
    });
    let shape = [1, heads, queries.len(), keys.len()];
    Tensor::from_data(TensorData::new(rows.collect::<Vec<f32>>(), shape), device)
}

/// Positions as indices into a table.
///
/// # Shapes
///
/// - output: `[rows, length]`
pub(crate) fn indices(positions: &[Vec<usize>], device: &Device) -> Tensor<2, Int> {
    let length = positions.first().map_or(0, Vec::len);
    let values: Vec<i64> = positions.iter().flatten().map(|&position| position as i64).collect();
    Tensor::from_data(TensorData::new(values, [positions.len(), length]), device)
}
