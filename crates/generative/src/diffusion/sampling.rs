//! # From noise to data
//!
//! The network's answer at x_t gives x̂_0 and ε̂ ([`Diffusion::data_and_noise`]). From there, back to a smaller s < t:
//!
//! ```text
//! DDPM   s = t − 1       x_s = μ̃_t(x̂_0, x_t) + √β̃_t·z
//! DDIM   any s < t       x_s = √ᾱ_s·x̂_0 + √(1 − ᾱ_s − σ²)·ε̂ + σ·z,    σ = η·√((1 − ᾱ_s)/(1 − ᾱ_t)·(1 − ᾱ_t/ᾱ_s))
//! ```
//!
//! DDPM walks the chain as it was made and needs all T steps. DDIM keeps only what training fixed, the marginals q(x_t|x_0): for every σ
//! there is a (non-Markovian) process with the same ones, so the same network serves. η = 1 and s = t − 1 is DDPM. With η = 0 nothing is
//! random but the start: an ordinary differential equation solved in large steps, which makes noise a code that can be interpolated.
//!
//! Clipping x̂_0 moves ε̂ along, so that both still make up x_t.
//!
//! Paper: J. Song, C. Meng, S. Ermon, *Denoising diffusion implicit models*, ICLR 2021. <https://arxiv.org/abs/2010.02502>

use burn::tensor::Tensor;
use fornax_nn_core::ConfigError;

use super::Diffusion;

impl Diffusion {
    /// x̂_0 and ε̂ at one t of all examples, clipped as configured.
    ///
    /// # Shapes
    ///
    /// - said, x_t, both outputs: `[batch, ..]`
    pub fn estimate<const D: usize>(
        &self,
        said: Tensor<D>,
        x_t: Tensor<D>,
        t: usize,
    ) -> (Tensor<D>, Tensor<D>) {
        let batch = x_t.dims()[0];
        let (x, epsilon) = self.data_and_noise(said, x_t.clone(), &vec![t; batch]);
        match self.config().clip {
            Some(clip) => {
                let x = x.clamp(-clip, clip);
                let alpha_bar = self.alpha_bar(t);
                let epsilon = (x_t - x.clone() * alpha_bar.sqrt()) / (1.0 - alpha_bar).sqrt();
                (x, epsilon)
            }
            None => (x, epsilon),
        }
    }

    /// x_{t−1}, with what the network said at x_t. At t = 1 the noise is not used.
    ///
    /// # Shapes
    ///
    /// - said, x_t, z, output: `[batch, ..]`, z standard normal
    pub fn ddpm_step<const D: usize>(
        &self,
        said: Tensor<D>,
        x_t: Tensor<D>,
        t: usize,
        z: Tensor<D>,
    ) -> Tensor<D> {
        let (x, _) = self.estimate(said, x_t.clone(), t);
        let (mean, variance) = self.posterior(x, x_t, t);
        mean + z * variance.sqrt()
    }

    /// σ of DDIM for a step from t to s.
    pub fn ddim_deviation(&self, t: usize, s: usize, eta: f64) -> f64 {
        let (now, then) = (self.alpha_bar(t), self.alpha_bar(s));
        eta * ((1.0 - then) / (1.0 - now) * (1.0 - now / then)).sqrt()
    }

    /// x_s for any s < t, with what the network said at x_t; noise is used if η > 0.
    ///
    /// # Shapes
    ///
    /// - said, x_t, z, output: `[batch, ..]`, z standard normal
    pub fn ddim_step<const D: usize>(
        &self,
        said: Tensor<D>,
        x_t: Tensor<D>,
        (t, s): (usize, usize),
        noise: Option<(f64, Tensor<D>)>,
    ) -> Tensor<D> {
        let (x, epsilon) = self.estimate(said, x_t, t);
        let then = self.alpha_bar(s);
        let sigma = noise.as_ref().map_or(0.0, |(eta, _)| self.ddim_deviation(t, s, *eta));
        let mean = x * then.sqrt() + epsilon * (1.0 - then - sigma * sigma).max(0.0).sqrt();
        match noise {
            Some((_, z)) => mean + z * sigma,
            None => mean,
        }
    }

    /// The steps (t, s) of a walk from T to 0 in `count` even strides.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming `steps` unless it lies in [1, T].
    pub fn strides(&self, count: usize) -> Result<Vec<(usize, usize)>, ConfigError> {
        if !(1..=self.steps()).contains(&count) {
            let reason = format!("must lie in [1, {}], got {count}", self.steps());
            return Err(ConfigError::new("steps", reason));
        }
        let at = |i: usize| (i * self.steps() + count / 2) / count;
        Ok((1..=count).rev().map(|i| (at(i).min(self.steps()), if i == 1 { 0 } else { at(i - 1) })).collect())
    }

    /// DDPM from pure noise to data; `noise` gives z for each t.
    ///
    /// # Shapes
    ///
    /// - x_T, output: `[batch, ..]`; the network as from [`guided`](crate::denoiser::guided)
    pub fn ddpm<const D: usize>(
        &self,
        network: impl Fn(Tensor<D>, Tensor<1>) -> Tensor<D>,
        start: Tensor<D>,
        mut noise: impl FnMut(usize) -> Tensor<D>,
    ) -> Tensor<D> {
        let batch = start.dims()[0];
        (1..=self.steps()).rev().fold(start, |x_t, t| {
            let said = network(x_t.clone(), self.time(&vec![t; batch], &x_t));
            self.ddpm_step(said, x_t, t, noise(t))
        })
    }

    /// DDIM with η = 0 from pure noise to data, in `count` steps.
    ///
    /// # Shapes
    ///
    /// - x_T, output: `[batch, ..]`; the network as from [`guided`](crate::denoiser::guided)
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as from [`strides`](Self::strides).
    pub fn ddim<const D: usize>(
        &self,
        network: impl Fn(Tensor<D>, Tensor<1>) -> Tensor<D>,
        start: Tensor<D>,
        count: usize,
    ) -> Result<Tensor<D>, ConfigError> {
        let batch = start.dims()[0];
        Ok(self.strides(count)?.into_iter().fold(start, |x_t, (t, s)| {
            let said = network(x_t.clone(), self.time(&vec![t; batch], &x_t));
            self.ddim_step(said, x_t, (t, s), None)
        }))
    }
}
