//! Actions in other bounds.

use fornax_nn_core::ConfigError;

use super::forward;
use crate::env::{Action, Env, Outcome};
use crate::error::EnvError;
use crate::space::Space;

/// Lowest and highest actions, and their shape.
type Bounds = (Vec<f32>, Vec<f32>, Vec<usize>);

/// Bounds of a box of actions.
fn bounds(env: &dyn Env) -> Result<Bounds, EnvError> {
    match env.action_space() {
        Space::Box { low, high, shape } => Ok((low, high, shape)),
        space => {
            let reason = format!("{} takes {space}; only a Box has bounds", env.name());
            Err(ConfigError::new("env", reason).into())
        }
    }
}

/// Accepts every finite number and clips it into the environment's bounds: what a Gaussian policy needs.
///
/// ```
/// use fornax_rl::env::{Action, ContinuousMountainCar, Env};
/// use fornax_rl::wrapper::ClipAction;
///
/// let mut env = ClipAction::new(ContinuousMountainCar::new())?;
/// env.reset(Some(0))?;
/// assert!((env.step(Action::Continuous(&[50.0]))?.reward + 0.1).abs() < 1e-9); // charged for 1, not for 50
/// # Ok::<(), fornax_rl::EnvError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClipAction<E> {
    env: E,
    low: Vec<f32>,
    high: Vec<f32>,
    shape: Vec<usize>,
    clipped: Vec<f32>,
}

impl<E: Env> ClipAction<E> {
    /// Clips what `env` is told.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when its actions are no box.
    pub fn new(env: E) -> Result<Self, EnvError> {
        let (low, high, shape) = bounds(&env)?;
        Ok(Self { env, clipped: low.clone(), low, high, shape })
    }
}

impl<E: Env> Env for ClipAction<E> {
    forward!(name, observation_space, reset, view, memory);

    fn action_space(&self) -> Space {
        Space::interval(f32::NEG_INFINITY, f32::INFINITY, &self.shape)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let values = checked(&self.env, action, &self.action_space(), self.low.len())?;
        for (i, value) in values.iter().enumerate() {
            self.clipped[i] = value.clamp(self.low[i], self.high[i]);
        }
        self.env.step_into(Action::Continuous(&self.clipped), observation)
    }
}

/// Takes actions in [−1, 1] and stretches them to the environment's bounds: what a policy that ends in tanh needs.
///
/// ```
/// use fornax_rl::env::{Action, Env, Pendulum};
/// use fornax_rl::wrapper::RescaleAction;
///
/// let (mut scaled, mut plain) = (RescaleAction::new(Pendulum::new())?, Pendulum::new());
/// scaled.reset(Some(0))?;
/// plain.reset(Some(0))?;
/// assert_eq!(scaled.step(Action::Continuous(&[-0.5]))?, plain.step(Action::Continuous(&[-1.0]))?);
/// # Ok::<(), fornax_rl::EnvError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RescaleAction<E> {
    env: E,
    low: Vec<f32>,
    high: Vec<f32>,
    shape: Vec<usize>,
    scaled: Vec<f32>,
}

impl<E: Env> RescaleAction<E> {
    /// Stretches what `env` is told.
    ///
    /// # Errors
    ///
    /// [`EnvError::Config`] when its actions are no box, or a bound is infinite.
    pub fn new(env: E) -> Result<Self, EnvError> {
        let (low, high, shape) = bounds(&env)?;
        if let Some(i) = low.iter().zip(&high).position(|(low, high)| !low.is_finite() || !high.is_finite()) {
            let reason = format!("action {i} of {} lies between {} and {}", env.name(), low[i], high[i]);
            return Err(ConfigError::new("env", reason).into());
        }
        Ok(Self { env, scaled: low.clone(), low, high, shape })
    }
}

impl<E: Env> Env for RescaleAction<E> {
    forward!(name, observation_space, reset, view, memory);

    fn action_space(&self) -> Space {
        Space::interval(-1.0, 1.0, &self.shape)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let values = checked(&self.env, action, &self.action_space(), self.low.len())?;
        for (i, value) in values.iter().enumerate() {
            let part = (value.clamp(-1.0, 1.0) + 1.0) / 2.0;
            self.scaled[i] = self.low[i] + part * (self.high[i] - self.low[i]);
        }
        self.env.step_into(Action::Continuous(&self.scaled), observation)
    }
}

fn checked<'a>(env: &dyn Env, action: Action<'a>, space: &Space, len: usize) -> Result<&'a [f32], EnvError> {
    match action {
        Action::Continuous(values) if values.len() == len && values.iter().all(|value| value.is_finite()) => {
            Ok(values)
        }
        _ => Err(crate::env::invalid(env.name(), action, space)),
    }
}
