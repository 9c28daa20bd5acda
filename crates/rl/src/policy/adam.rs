//! Adam in one pass over the weights.
//!
//! ```text
//! m ← β₁·m + (1 − β₁)·g     v ← β₂·v + (1 − β₂)·g²     θ ← θ − η · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
//! ```
//!
//! The same update as [`fornax_nn_core::optim::AdamConfig`]'s, which composes it of a dozen tensor operations a parameter. For
//! the small networks of control problems those operations cost more than their arithmetic; here parameter, gradient and
//! moments are taken out as slices (without a copy on flex) and updated in one loop. On a device that is not the host's
//! memory that would be a transfer: use Burn's there ([`optimizer`] chooses).

use burn::optim::{LearningRate, ModuleOptimizer, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor, TensorData};
use fornax_nn_core::ConfigError;
use fornax_nn_core::host::is_host;
use fornax_nn_core::optim::AdamConfig;

/// Adam with β = (0.9, 0.999) and the given ε for a network on `device`: in one pass on the host, Burn's elsewhere.
///
/// # Errors
///
/// [`ConfigError`] when `epsilon` is not positive.
pub fn optimizer(epsilon: f64, device: &Device) -> Result<ModuleOptimizer, ConfigError> {
    let config = AdamConfig::new().with_epsilon(epsilon);
    config.validate()?;
    if is_host(&device.clone().inner()) {
        return Ok(ModuleOptimizer::from(FusedAdam { beta_1: 0.9, beta_2: 0.999, epsilon: epsilon as f32 }));
    }
    config.init()
}

/// See the [module page](self).
#[derive(Debug, Clone)]
pub struct FusedAdam {
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
}

/// Moments of one tensor.
#[derive(Debug, Clone)]
pub struct FusedAdamState<const D: usize> {
    time: usize,
    moment_1: Tensor<D>,
    moment_2: Tensor<D>,
}

impl<const D: usize> RecordState for FusedAdamState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_scalar(prefix, "time", self.time.into());
        out.push_tensor(prefix, "moment_1", self.moment_1.clone().into_data());
        out.push_tensor(prefix, "moment_2", self.moment_2.clone().into_data());
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        let time = source.take_scalar(prefix, "time")?.try_into().ok()?;
        let mut tensor = |name: &str| {
            let data: TensorData = source.take_tensor(prefix, name)?;
            (data.rank() == D).then(|| Tensor::from_data(data, device))
        };
        Some(Self { time, moment_1: tensor("moment_1")?, moment_2: tensor("moment_2")? })
    }
}

impl Optimizer for FusedAdam {
    type State<const D: usize> = FusedAdamState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let device = tensor.device();
        let FusedAdamState { time, moment_1, moment_2 } = state.unwrap_or_else(|| FusedAdamState {
            time: 0,
            moment_1: tensor.zeros_like(),
            moment_2: tensor.zeros_like(),
        });
        let time = time + 1;
        let (t, beta_1, beta_2) = (time as i32, f64::from(self.beta_1), f64::from(self.beta_2));
        let rate = (lr / (1.0 - beta_1.powi(t))) as f32;
        let correction = (1.0 / (1.0 - beta_2.powi(t))).sqrt() as f32;
        let (mut w, mut m, mut v) = (tensor.into_data(), moment_1.into_data(), moment_2.into_data());
        let g = grad.into_data();
        // All four are f32 of one shape: this update is only chosen for networks that this crate builds.
        if let (Ok(w), Ok(m), Ok(v), Ok(g)) =
            (w.as_mut_slice::<f32>(), m.as_mut_slice::<f32>(), v.as_mut_slice::<f32>(), g.as_slice::<f32>())
        {
            let (b1, b2, epsilon) = (self.beta_1, self.beta_2, self.epsilon);
            for (((w, m), v), &g) in w.iter_mut().zip(m).zip(v).zip(g) {
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *w -= rate * *m / (v.sqrt() * correction + epsilon);
            }
        }
        let state = FusedAdamState {
            time,
            moment_1: Tensor::from_data(m, &device),
            moment_2: Tensor::from_data(v, &device),
        };
        (Tensor::from_data(w, &device), Some(state))
    }

    fn to_device<const D: usize>(mut state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.moment_1 = state.moment_1.to_device(device);
        state.moment_2 = state.moment_2.to_device(device);
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::MlpConfig;
    use burn::module::Module;
    use burn::optim::GradientsParams;

    #[test]
    fn one_pass_is_the_composed_update_and_its_record_goes_on_to_the_bit() {
        let device = Device::flex();
        let learning = device.clone().autodiff();
        let model = MlpConfig::new(3, 2).with_hidden(vec![5]).init(0, &learning).unwrap();
        let mut composed = AdamConfig::new().with_epsilon(1e-5).init().unwrap();
        let mut fused = optimizer(1e-5, &device).unwrap();
        let mut resumed = None;
        let (mut a, mut b) = (model.clone(), model.clone());
        let mut c = model;
        for step in 0..20 {
            let gradients = |m: &crate::policy::Mlp| {
                let x = Tensor::<2>::from_data([[0.3, -0.2, step as f32 * 0.1], [1.0, 0.5, -0.7]], &device);
                let trace = m.trace(x);
                let delta = trace.output.clone() - 0.5;
                let mut gradients = GradientsParams::new();
                m.backward(trace, delta, &mut gradients, false);
                gradients
            };
            let g = gradients(&a);
            a = composed.step(0.01, a, g);
            let g = gradients(&b);
            b = fused.step(0.01, b, g);
            if step == 9 {
                let record = burn::optim::OptimizerRecord::from_bytes(fused.into_bytes().unwrap()).unwrap();
                resumed = Some(optimizer(1e-5, &device).unwrap().load_record(record));
                c = b.clone();
            } else if let Some(optim) = &mut resumed {
                let g = gradients(&c);
                c = optim.step(0.01, c, g);
            }
        }
        let weights =
            |m: &crate::policy::Mlp| m.layers[0].weight.val().into_data().try_to_vec::<f32>().unwrap();
        for (a, b) in weights(&a).iter().zip(&weights(&b)) {
            assert!((a - b).abs() < 2e-6, "{a} {b}");
        }
        assert_eq!(weights(&b), weights(&c));
        assert_eq!(b.num_params(), 32);
    }

    #[test]
    fn an_epsilon_of_zero_is_refused() {
        assert_eq!(optimizer(0.0, &Device::flex()).err().unwrap().field, "epsilon");
    }
}
