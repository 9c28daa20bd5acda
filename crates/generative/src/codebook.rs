//! # Vector quantisation
//!
//! A list of vectors, and the rule that whatever comes is replaced by the nearest of them. What remains of a vector is its index, so the
//! list is a language, and an image becomes a few words of it.
//!
//! ```text
//! k(z) = argmin_k ‖z − e_k‖          q(z) = e_{k(z)}
//! ```
//!
//! ```text
//! z ──▶ nearest e_k ──▶ q ──▶ decoder         forward
//! ∂z ◀─── as if q were z ─── ∂q ◀── decoder   backward: straight-through
//! ```
//!
//! The choice of an index has no derivative. The **straight-through** estimator gives the encoder the decoder's gradient as if nothing had
//! been replaced, `q = z + sg(e_k − z)` with sg stopping gradients; that is as wrong as z is far from e_k, so the encoder also pays for the
//! distance, the **commitment** `‖z − sg(e_k)‖²`. The list itself follows the vectors that fall to it as in k-means, a moving mean at a time:
//!
//! ```text
//! N_k ← γ N_k + (1 − γ) n_k          m_k ← γ m_k + (1 − γ) Σ z of code k          e_k = m_k / N_k
//! perplexity = exp(−Σ_k p_k ln p_k)    how many codes are in use: codes when all are equally often, 1 when one is
//! ```
//!
//! **What goes wrong**: *dead codes*. A code that is nobody's nearest never moves again, and soon a few carry everything. Whatever N_k falls
//! below a threshold is put where a vector of the batch is (Dhariwal et al. 2020, <https://arxiv.org/abs/2005.00341>); at the first step, of
//! data and not of chance, that is most of the list.
//!
//! Paper: A. van den Oord, O. Vinyals, K. Kavukcuoglu, *Neural discrete representation learning*, NeurIPS 2017, appendix A.1.
//! <https://arxiv.org/abs/1711.00937>

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::{at_least_one, below_one};
use fornax_nn_core::init::{Fans, Init};

/// Keeps a count of zero from dividing; the authors' code has the same.
const EPSILON: f64 = 1e-5;

/// Sizes of a [`Codebook`]; pure data, built by [`init`](Self::init).
#[derive(Config, Debug, PartialEq)]
pub struct CodebookConfig {
    /// Vectors in the list.
    pub codes: usize,
    /// Numbers in a vector.
    pub dims: usize,
    /// γ in [0, 1). Default: the paper's.
    #[config(default = 0.99)]
    pub decay: f64,
    /// Uses a batch, in the moving mean, below which a code is put elsewhere; 0 for never. Default: the one of Dhariwal et al.
    #[config(default = 1.0)]
    pub least_uses: f64,
    /// All initial vectors follow from it.
    #[config(default = 0)]
    pub seed: u64,
}

impl CodebookConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one(&[("codes", self.codes), ("dims", self.dims)])?;
        below_one("decay", self.decay)?;
        if !(self.least_uses.is_finite() && self.least_uses >= 0.0) {
            let reason = format!("must not be negative, got {}", self.least_uses);
            return Err(ConfigError::new("least_uses", reason));
        }
        Ok(())
    }

    /// Builds the list on `device`; the same config gives the same vectors everywhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<Codebook, ConfigError> {
        self.validate()?;
        let fans = Fans::linear([self.dims, 1]);
        let vectors = Init::LecunNormal.tensor([self.codes, self.dims], fans, self.seed, device);
        let fixed = |tensor: Tensor<2>| Param::from_tensor(tensor).set_require_grad(false);
        Ok(Codebook {
            sums: fixed(vectors.clone()),
            vectors: fixed(vectors),
            counts: Param::from_tensor(Tensor::ones([self.codes], device)).set_require_grad(false),
            decay: self.decay,
            least_uses: self.least_uses,
        })
    }
}

/// The list; see the [module page](self). Nothing in it follows a gradient.
#[derive(Module, Debug)]
pub struct Codebook {
    /// e, `[codes, dims]`
    pub vectors: Param<Tensor<2>>,
    /// N, `[codes]`
    pub counts: Param<Tensor<1>>,
    /// m, `[codes, dims]`
    pub sums: Param<Tensor<2>>,
    /// γ
    #[module(skip)]
    pub decay: f64,
    /// N_k below which a code is put elsewhere.
    #[module(skip)]
    pub least_uses: f64,
}

/// What becomes of vectors.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// The index of the nearest code, `[vectors]`
    pub codes: Tensor<1, Int>,
    /// That code, through which gradients go straight back, `[vectors, dims]`
    pub vectors: Tensor<2>,
    /// The mean squared distance between the two, which the encoder can lower, `[1]`
    pub commitment: Tensor<1>,
}

impl Codebook {
    /// The index of the code nearest to each vector.
    ///
    /// # Shapes
    ///
    /// - z: `[vectors, dims]`
    /// - output: `[vectors]`
    pub fn nearest(&self, z: Tensor<2>) -> Tensor<1, Int> {
        let e = self.vectors.val().detach(); // [K, D]
        // ‖z‖² is the same for all codes.
        let squares = e.clone().square().sum_dim(1).transpose(); // [1, K]
        let distances = squares - z.detach().matmul(e.transpose()) * 2.0; // [N, K]
        distances.argmin(1).squeeze_dim(1)
    }

    /// The vectors that indices stand for.
    ///
    /// # Shapes
    ///
    /// - codes: `[vectors]`, each below the number of codes
    /// - output: `[vectors, dims]`
    pub fn lookup(&self, codes: Tensor<1, Int>) -> Tensor<2> {
        self.vectors.val().detach().select(0, codes)
    }

    /// Replaces each vector by the nearest code.
    ///
    /// # Shapes
    ///
    /// - z: `[vectors, dims]`
    pub fn quantize(&self, z: Tensor<2>) -> Quantized {
        let codes = self.nearest(z.clone());
        let nearest = self.lookup(codes.clone()); // [N, D]
        let commitment = (z.clone() - nearest.clone()).square().mean();
        let vectors = z.clone() + (nearest - z).detach();
        Quantized { codes, vectors, commitment }
    }

    /// The list after it has seen a batch: moving means, then codes out of use put where vectors of the batch are.
    ///
    /// # Shapes
    ///
    /// - z: `[vectors, dims]`; codes: `[vectors]`, as [`nearest`](Self::nearest) found them
    pub fn follow(self, z: Tensor<2>, codes: Tensor<1, Int>) -> Self {
        let z = z.detach();
        let [count, dims] = self.vectors.dims();
        let chosen = codes.one_hot::<2>(count).float().cast(z.dtype()); // [N, K]
        let fade = |old: Tensor<2>, new: Tensor<2>| old * self.decay + new * (1.0 - self.decay);
        let uses = fade(self.counts.val().unsqueeze_dim(1), chosen.clone().sum_dim(0).transpose()); // [K, 1]
        let sums = fade(self.sums.val(), chosen.transpose().matmul(z.clone())); // [K, D]
        // Rows of the batch, evenly spread, for the codes that nothing falls to.
        let used: Vec<f64> = uses.to_data().iter::<f64>().collect();
        let dead = used.iter().filter(|&&uses| uses < self.least_uses).count();
        let step = (z.dims()[0] / dead.max(1)).max(1);
        let (mut next, mut rows) = (0, Vec::with_capacity(count));
        for &uses in &used {
            rows.push((next % z.dims()[0]) as i64);
            next += if uses < self.least_uses { step } else { 0 };
        }
        let rows = z.clone().select(0, Tensor::from_data(rows.as_slice(), &z.device())); // [K, D]
        let dead = uses.clone().lower_elem(self.least_uses); // [K, 1]
        let uses = uses.mask_fill(dead.clone(), self.least_uses);
        let sums = sums.mask_where(dead.expand([count, dims]), rows * self.least_uses);
        let total = uses.clone().sum().unsqueeze_dim(1); // [1, 1]
        let smooth = (uses.clone() + EPSILON) * total.clone() / (total + EPSILON * count as f64); // [K, 1]
        let set =
            |param: Param<Tensor<2>>, new: Tensor<2>| param.map(|_| new.detach().set_require_grad(false));
        Self {
            vectors: set(self.vectors, sums.clone() / smooth),
            sums: set(self.sums, sums),
            counts: self.counts.map(|_| uses.squeeze_dim(1).detach().set_require_grad(false)),
            ..self
        }
    }
}

/// exp of the entropy of how often each of `count` codes is used: the number of codes in use.
pub fn perplexity(codes: &[usize], count: usize) -> f64 {
    let mut uses = vec![0.0f64; count.max(codes.iter().max().map_or(0, |most| most + 1))];
    codes.iter().for_each(|&code| uses[code] += 1.0);
    let shares = uses.iter().filter(|&&uses| uses > 0.0).map(|uses| uses / codes.len() as f64);
    (-shares.map(|p| p * p.ln()).sum::<f64>()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fornax_nn_core::check::{assert_close, fill};

    /// Four codes at the corners of a square.
    fn corners(device: &Device) -> Codebook {
        let mut book = CodebookConfig::new(4, 2).with_decay(0.5).with_least_uses(0.0).init(device).unwrap();
        let corners = Tensor::<2>::from_data([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], device);
        book.vectors = book.vectors.map(|_| corners.clone().set_require_grad(false));
        book.sums = book.sums.map(|_| corners.set_require_grad(false));
        book
    }

    #[test]
    fn each_vector_goes_to_the_nearest_code_and_gradients_straight_through() {
        let device = Device::flex().autodiff();
        let z = Tensor::<2>::from_data([[0.9, 0.2], [0.1, 0.7], [0.4, 0.4]], &device).require_grad();
        let Quantized { codes, vectors, commitment } = corners(&device).quantize(z.clone());
        assert_eq!(codes.into_data().iter::<i64>().collect::<Vec<_>>(), [1, 2, 0]);
        assert_close(&vectors.clone().detach(), &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], 0.0, 1e-6);
        // The distance of each vector from its code: 0.05 + 0.10 + 0.32 over six numbers.
        assert_close(&commitment.clone().detach(), &[0.47 / 6.0], 1e-5, 0.0);
        // A decoder that weighs the numbers: the encoder gets the weights, and the pull of the commitment.
        let weights = fill::input::<2>("weights", [3, 2], &device);
        let gradients = (vectors * weights.clone()).sum().backward();
        assert_close(&z.grad(&gradients).unwrap(), &weights.without_autodiff(), 1e-6, 1e-7);
        let Quantized { commitment, .. } = corners(&device).quantize(z.clone());
        let pull = z.grad(&commitment.backward()).unwrap();
        assert_close(&pull, &[-0.1, 0.2, 0.1, -0.3, 0.4, 0.4].map(|d| d / 3.0), 1e-5, 1e-7);
    }

    #[test]
    fn the_list_follows_the_means_of_what_falls_to_it() {
        let device = Device::flex();
        let mut book = corners(&device);
        let z = Tensor::<2>::from_data([[0.8, 0.0], [1.0, 0.2], [0.0, 0.8], [0.1, 0.1]], &device);
        for _ in 0..40 {
            let codes = book.nearest(z.clone());
            book = book.follow(z.clone(), codes);
        }
        let found = book.vectors.val().narrow(0, 0, 3);
        assert_close(&found, &[0.1, 0.1, 0.9, 0.1, 0.0, 0.8], 1e-4, 1e-4);
        assert_close(&book.counts.val().narrow(0, 0, 3), &[1.0, 2.0, 1.0], 1e-4, 0.0);
        // Nothing falls to the last corner: it stays, and its count fades.
        assert!(book.counts.val().narrow(0, 3, 1).into_scalar::<f64>() < 1e-9);
    }

    #[test]
    fn a_code_out_of_use_is_put_where_a_vector_is() {
        let device = Device::flex();
        let book = CodebookConfig::new(8, 2).with_decay(0.5).init(&device).unwrap();
        // Two heaps far from all codes: the nearest one gets everything, the other seven are put onto vectors.
        let noise = fill::input::<2>("z", [64, 2], &device);
        let heap = |at: f64| noise.clone() * 0.1 + at;
        let z = Tensor::cat(vec![heap(20.0), heap(-20.0)], 0);
        let book = (0..5).fold(book, |book, _| {
            let codes = book.nearest(z.clone());
            book.follow(z.clone(), codes)
        });
        let codes: Vec<usize> =
            book.nearest(z.clone()).into_data().iter::<i64>().map(|k| k as usize).collect();
        let used = perplexity(&codes, 8);
        assert!(used > 4.0, "{used}");
        let error = (book.lookup(book.nearest(z.clone())) - z).square().mean().into_scalar::<f64>();
        assert!(error < 0.005, "{error}"); // 0.0033 is the heaps' own variance
    }

    #[test]
    fn the_perplexity_is_the_number_of_codes_in_use() {
        assert!((perplexity(&[0, 1, 2, 3], 16) - 4.0).abs() < 1e-12);
        assert_eq!(perplexity(&[5; 9], 16), 1.0);
        // One half, one quarter, one quarter: 2^1.5.
        assert!((perplexity(&[0, 0, 1, 2], 3) - 2f64.powf(1.5)).abs() < 1e-12);
    }

    #[test]
    fn unusable_settings_are_named() {
        let error = |config: CodebookConfig| config.init(&Device::flex()).unwrap_err().to_string();
        assert!(error(CodebookConfig::new(0, 2)).starts_with("codes"));
        assert!(error(CodebookConfig::new(2, 2).with_decay(1.0)).starts_with("decay"));
        assert!(error(CodebookConfig::new(2, 2).with_least_uses(f64::NAN)).starts_with("least_uses"));
    }
}
