//! # Flow matching
//!
//! Noise is carried to data along a velocity field; the network learns the field by regression. Nothing of
//! [diffusion](crate::diffusion)'s schedule is left: the path from a noise ε to an example x is a straight line, and its velocity is known.
//!
//! ```text
//! path     x_t = (1 − t)·ε + t·x,   t in [0, 1]            0 is noise, 1 is data
//! loss     E ‖v(x_t, t) − (x − ε)‖²
//! sample   dx/dt = v(x, t) from x_0 = ε to x_1
//!          Euler  x ← x + h·v(x, t)
//!          Heun   x ← x + ½h·(v(x, t) + v(x + h·v(x, t), t + h))         error h² instead of h, two passes a step
//! ```
//!
//! ```text
//!  ε ●───────▶───────● x        many straight lines cross; the network can only say their mean velocity E[x − ε | x_t],
//!  ε ●───────▶───────● x        and the paths it makes bend where lines cross, never cross, and end in the data's distribution
//! ```
//!
//! **Why the mean is right.** The regression's best answer u(x, t) = E[x − ε | x_t = x] moves a density p_t by the continuity equation
//! ∂p_t/∂t + ∇·(p_t u) = 0, and so does each conditional line's velocity its own conditional density; averaging the latter over
//! (x, ε) gives the former. So the flow of u has the same p_t as the lines at every t, though not the same paths.
//!
//! With normal noise it *is* a diffusion: v = (x̂_0 − x_t)/(1 − t) with another schedule and another weight on the loss, solved as DDIM is.
//! The paths are straighter, so fewer steps do.
//!
//! **What goes wrong**: few Euler steps cut the bends at the start and at the end; the lines are straight only if pairs (x, ε) are (they
//! are drawn independently here, and rectifying would train again on pairs made by the first model).
//!
//! Papers: Y. Lipman et al., *Flow matching for generative modeling*, ICLR 2023, <https://arxiv.org/abs/2210.02747>; X. Liu, C. Gong, Q. Liu,
//! *Flow straight and fast: rectified flow*, ICLR 2023, <https://arxiv.org/abs/2209.03003>.
//!
//! ## Differs from the papers
//!
//! 1. σ_min of Lipman et al. is 0: the line ends in x itself, as in rectified flow.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Int, Tensor};
use fornax_nn_core::ConfigError;
use fornax_nn_core::config::at_least_one;
use fornax_nn_core::gradient::{NonFinite, gradients};
use serde::{Deserialize, Serialize};

use crate::denoiser::Denoiser;

/// How the equation is solved; formulas in the [module page](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Solver {
    /// One pass a step, error of order h.
    Euler,
    /// Two passes a step, error of order h².
    Heun,
}

/// Data, what the network is told about it, and the randomness of a step.
#[derive(Debug, Clone)]
pub struct Batch<const D: usize> {
    /// `[batch, ..]`, about [−1, 1] in size
    pub x: Tensor<D>,
    /// `[batch]`, some dropped ([`drop_labels`](crate::denoiser::drop_labels)); `None` without classes
    pub labels: Option<Tensor<1, Int>>,
    /// `[batch]`, uniform on [0, 1)
    pub t: Tensor<1>,
    /// As x, standard normal
    pub epsilon: Tensor<D>,
}

impl<const D: usize> Batch<D> {
    /// x_t.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, ..]`
    pub fn point(&self) -> Tensor<D> {
        let mut shape = [1; D];
        shape[0] = self.t.dims()[0];
        let t = self.t.clone().reshape(shape); // [B, 1, ..]
        self.epsilon.clone() + self.velocity() * t
    }

    /// x − ε, the line's velocity.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, ..]`
    pub fn velocity(&self) -> Tensor<D> {
        self.x.clone() - self.epsilon.clone()
    }
}

/// The mean squared error of the network's velocity.
///
/// # Shapes
///
/// - output: `[1]`
pub fn loss<const D: usize, M: Denoiser<D>>(model: &M, batch: &Batch<D>) -> Tensor<1> {
    let said = model.forward(batch.point(), batch.t.clone(), batch.labels.as_ref()); // [B, ..]
    (said - batch.velocity()).square().mean()
}

/// One step of learning: forward, loss, backward, update. Returns the new model and the loss before the update.
///
/// # Errors
///
/// [`NonFinite`] when the loss or a gradient is NaN or infinite; nothing was updated then.
pub fn train_step<const D: usize, M: Denoiser<D> + Module>(
    model: M,
    optim: &mut ModuleOptimizer,
    lr: f64,
    batch: &Batch<D>,
) -> Result<(M, f32), NonFinite> {
    let (loss, gradients) = gradients(loss(&model, batch), &model)?;
    Ok((optim.step(lr, model, gradients), loss))
}

/// One step of the solver from `t` to `t + h`.
///
/// # Shapes
///
/// - x, output: `[batch, ..]`; the velocity as from [`guided`](crate::denoiser::guided)
pub fn solver_step<const D: usize>(
    velocity: impl Fn(Tensor<D>, Tensor<1>) -> Tensor<D>,
    x: Tensor<D>,
    (t, h): (f64, f64),
    solver: Solver,
) -> Tensor<D> {
    let time = |t: f64| Tensor::full([x.dims()[0]], t, (&x.device(), x.dtype()));
    let first = velocity(x.clone(), time(t)); // [B, ..]
    let ahead = x.clone() + first.clone() * h;
    match solver {
        Solver::Euler => ahead,
        Solver::Heun => x.clone() + (first + velocity(ahead, time(t + h))) * (0.5 * h),
    }
}

/// From noise to data in `steps` even steps.
///
/// # Shapes
///
/// - start, output: `[batch, ..]`; the velocity as from [`guided`](crate::denoiser::guided)
///
/// # Errors
///
/// [`ConfigError`] naming `steps` when it is 0.
pub fn sample<const D: usize>(
    velocity: impl Fn(Tensor<D>, Tensor<1>) -> Tensor<D>,
    start: Tensor<D>,
    steps: usize,
    solver: Solver,
) -> Result<Tensor<D>, ConfigError> {
    at_least_one(&[("steps", steps)])?;
    let h = 1.0 / steps as f64;
    Ok((0..steps).fold(start, |x, i| solver_step(&velocity, x, (i as f64 * h, h), solver)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denoiser::{MlpDenoiserConfig, unguided};
    use burn::tensor::{DType, Device, Distribution, TensorData};
    use fornax_nn_core::check::{GradCheck, assert_close, fill};
    use fornax_nn_core::optim::AdamConfig;

    /// E[x − ε | x_t] for data N(m, s²): regression of one normal variable on another.
    fn exact(m: f64, s: f64) -> impl Fn(Tensor<2>, Tensor<1>) -> Tensor<2> {
        move |x, time| {
            let t = time.clone().unsqueeze_dim::<2>(1);
            let rest = t.clone().neg() + 1.0;
            let covariance = t.clone() * (s * s) - rest.clone();
            let variance = rest.square() + t.clone().square() * (s * s);
            (x - t * m) * covariance / variance + m
        }
    }

    #[test]
    fn solvers_end_where_a_normal_distribution_is_known_to_end_with_the_error_of_their_order() {
        // The flow from N(0, 1) to N(m, s²) keeps quantiles: x_1 = m + s·x_0.
        let (m, s) = (1.5, 0.4);
        let start = Tensor::<2>::from_data(
            TensorData::from([[-2.0], [-0.5], [0.0], [1.0], [2.5]]),
            (&Device::flex(), DType::F64),
        );
        let error = |steps, solver| {
            let found = sample(exact(m, s), start.clone(), steps, solver).unwrap();
            (found - (start.clone() * s + m)).abs().max().into_scalar::<f64>()
        };
        for (solver, order) in [(Solver::Euler, 1.0), (Solver::Heun, 2.0)] {
            let (coarse, fine) = (error(64, solver), error(128, solver));
            let found = (coarse / fine).log2();
            assert!((found - order).abs() < 0.15, "{solver:?}: order {found}, errors {coarse} {fine}");
            assert!(fine < 0.05 / f64::powf(32.0, order - 1.0), "{solver:?}: {fine}");
        }
    }

    #[test]
    fn a_network_learns_the_field_of_a_normal_distribution() {
        // What is left of the loss at the best is E Var(x − ε | x_t), which the network cannot go below.
        let device = Device::flex().autodiff();
        let (m, s) = (0.5, 0.5);
        let mut model = MlpDenoiserConfig::new(1).with_hidden(vec![32, 32]).init(&device).unwrap();
        let mut optim = AdamConfig::new().init().unwrap();
        let draw = |seed, count| {
            device.seed(seed);
            let normal = || Tensor::<2>::random([count, 1], Distribution::Normal(0.0, 1.0), &device);
            let (x, epsilon) = (normal() * s + m, normal());
            Batch { x, labels: None, t: Tensor::random([count], Distribution::Default, &device), epsilon }
        };
        for step in 0..600 {
            (model, _) = train_step(model, &mut optim, 3e-3, &draw(step, 256)).unwrap();
        }
        let test = draw(10_000, 20_000);
        let found = loss(&model, &test).into_scalar::<f64>();
        // Var(x − ε) − Cov(x − ε, x_t)²/Var(x_t) = s²/((1 − t)² + t²s²), averaged over t.
        let n = 10_000;
        let floor = |t: f64| s * s / ((1.0 - t).powi(2) + t * t * s * s);
        let floor = (0..n).map(|i| floor((f64::from(i) + 0.5) / f64::from(n))).sum::<f64>() / f64::from(n);
        assert!((0.97 * floor..1.05 * floor).contains(&found), "{found}, at best {floor}");
        let start = test.epsilon.without_autodiff();
        let samples = sample(unguided(&model.valid()), start, 20, Solver::Heun).unwrap();
        let (mean, deviation) =
            (samples.clone().mean().into_scalar::<f64>(), samples.var_bias(0).into_scalar::<f64>().sqrt());
        assert!((mean - m).abs() < 0.05 && (deviation - s).abs() < 0.05, "{mean} {deviation}");
    }

    #[test]
    fn the_path_is_a_line_and_the_loss_has_the_gradient_of_central_differences() {
        let device = Device::flex().autodiff();
        let input =
            |name, shape: [usize; 2]| Tensor::<2>::from_data(fill::data(name, &shape), (&device, DType::F64));
        let t = Tensor::<1>::from_data([0.0, 0.25, 1.0], (&device, DType::F64));
        let batch = Batch { x: input("x", [3, 2]), labels: None, t, epsilon: input("epsilon", [3, 2]) };
        let row = |tensor: &Tensor<2>, i| tensor.clone().narrow(0, i, 1).without_autodiff();
        let point = batch.point();
        assert_close(&row(&point, 0), &row(&batch.epsilon, 0), 0.0, 1e-12);
        assert_close(&row(&point, 1), &(row(&batch.epsilon, 1) * 0.75 + row(&batch.x, 1) * 0.25), 0.0, 1e-12);
        assert_close(&row(&point, 2), &row(&batch.x, 2), 0.0, 1e-12);
        let model = fill::fill(
            MlpDenoiserConfig::new(2).with_hidden(vec![6]).with_time_units(4).init(&device).unwrap(),
        );
        let report = GradCheck::new().model(model, |model| loss(model, &batch)).unwrap();
        assert_eq!((report.compared, report.excepted), (4, 0));
    }

    #[test]
    fn no_step_is_an_error() {
        let start = Tensor::<2>::zeros([1, 1], &Device::flex());
        let error = sample(exact(0.0, 1.0), start, 0, Solver::Euler).unwrap_err();
        assert_eq!(error.field, "steps");
    }
}
