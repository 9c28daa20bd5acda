//! # Returns and advantages
//!
//! ```text
//! δₜ = rₜ₊₁ + γ·V(sₜ₊₁) − V(sₜ)                     the surprise of one step
//! Aₜ = δₜ + γλ·δₜ₊₁ + (γλ)²·δₜ₊₂ + …               generalised advantage estimation
//! Rₜ = Aₜ + V(sₜ)                                   the λ-return, which V is taught
//! ```
//!
//! λ = 0 trusts the critic (little variance, all of its bias), λ = 1 trusts the rewards seen (no bias, all of their variance).
//! J. Schulman et al., *High-dimensional continuous control using generalized advantage estimation*, 2016.
//! <https://arxiv.org/abs/1506.02438>
//!
//! An episode ends in one of two ways. After **termination** nothing follows: V(sₜ₊₁) = 0. After **truncation** the clock was
//! stopped but the state has a value: V of the episode's *final* observation, not of the first one of the next episode, which
//! is what stands at t + 1 in the buffer. Either way the sum over later δ stops.

/// One stretch of experience of n environments, time-major: entry `t·n + i` is step t of environment i.
#[derive(Debug, Clone, Copy)]
pub struct Steps<'a> {
    /// rₜ₊₁.
    pub rewards: &'a [f32],
    /// V(sₜ).
    pub values: &'a [f32],
    /// The episode ended with this step and has no future.
    pub terminated: &'a [bool],
    /// The episode was stopped with this step.
    pub truncated: &'a [bool],
    /// V of the final observation where truncated; not read elsewhere.
    pub final_values: &'a [f32],
    /// V of the observations after the last step, one an environment.
    pub last_values: &'a [f32],
}

/// Advantages and λ-returns.
///
/// ```
/// use fornax_rl::buffer::{Steps, gae};
///
/// // One environment, two steps, a reward of 1 each, then truncation where the critic expects 10 more.
/// let steps = Steps {
///     rewards: &[1.0, 1.0],
///     values: &[0.0, 0.0],
///     terminated: &[false, false],
///     truncated: &[false, true],
///     final_values: &[0.0, 10.0],
///     last_values: &[-99.0], // the next episode's: must not matter
/// };
/// let (advantages, returns) = gae(steps, 0.5, 1.0);
/// assert_eq!(returns, [1.0 + 0.5 * (1.0 + 0.5 * 10.0), 1.0 + 0.5 * 10.0]);
/// assert_eq!(advantages, returns); // V was 0
/// ```
///
/// # Panics
///
/// When the slices do not have the lengths `[t·n]`, and `[n]` for `last_values`.
pub fn gae(steps: Steps<'_>, gamma: f32, lambda: f32) -> (Vec<f32>, Vec<f32>) {
    let (len, n) = (steps.rewards.len(), steps.last_values.len());
    let lengths =
        [steps.values.len(), steps.terminated.len(), steps.truncated.len(), steps.final_values.len()];
    assert!(
        n > 0 && len % n == 0 && lengths == [len; 4],
        "lengths {lengths:?}, expected four of {len} by {n}"
    );
    let mut advantages = vec![0.0; len];
    for i in (0..len).rev() {
        let later = i + n;
        let next_value = match (steps.terminated[i], steps.truncated[i]) {
            (true, _) => 0.0,
            (false, true) => steps.final_values[i],
            (false, false) if later < len => steps.values[later],
            (false, false) => steps.last_values[later - len],
        };
        let delta = steps.rewards[i] + gamma * next_value - steps.values[i];
        let goes_on = !steps.terminated[i] && !steps.truncated[i] && later < len;
        advantages[i] = if goes_on { delta + gamma * lambda * advantages[later] } else { delta };
    }
    let returns = advantages.iter().zip(steps.values).map(|(a, v)| a + v).collect();
    (advantages, returns)
}

/// Subtracts the mean and divides by the (unbiased) standard deviation plus 1e-8, as the reference implementations do.
pub fn normalize(values: &mut [f32]) {
    if values.len() < 2 {
        return;
    }
    let n = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let scale = 1.0 / (variance.sqrt() + 1e-8);
    values.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) * scale) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the definition: the λ-weighted mean of all k-step returns, computed forwards.
    #[test]
    fn the_recursion_is_the_weighted_mean_of_k_step_returns() {
        let (gamma, lambda) = (0.9_f32, 0.8_f32);
        let rewards = [1.0, -0.5, 2.0, 0.3, 0.7];
        let values = [0.2, 1.1, -0.4, 0.9, 0.5];
        let last = 1.7_f32;
        let steps = Steps {
            rewards: &rewards,
            values: &values,
            terminated: &[false; 5],
            truncated: &[false; 5],
            final_values: &[0.0; 5],
            last_values: &[last],
        };
        let (_, returns) = gae(steps, gamma, lambda);
        for (t, found) in returns.iter().enumerate() {
            let k_step = |k: usize| {
                let sum: f32 = (0..k).map(|j| gamma.powi(j as i32) * rewards[t + j]).sum();
                sum + gamma.powi(k as i32) * if t + k < 5 { values[t + k] } else { last }
            };
            let longest = 5 - t;
            let mut expected = lambda.powi(longest as i32 - 1) * k_step(longest);
            for k in 1..longest {
                expected += (1.0 - lambda) * lambda.powi(k as i32 - 1) * k_step(k);
            }
            assert!((found - expected).abs() < 1e-5, "{t}: {found} {expected}");
        }
    }

    #[test]
    fn nothing_leaks_over_the_end_of_an_episode() {
        let with_future = |future: f32| {
            let steps = Steps {
                rewards: &[1.0, 1.0, future, future],
                values: &[0.5, 0.25, future, future],
                terminated: &[true, false, false, false],
                truncated: &[false, true, false, false],
                final_values: &[future, 3.0, 0.0, 0.0],
                last_values: &[future, future],
            };
            gae(steps, 0.9, 0.95).0[..2].to_vec()
        };
        assert_eq!(with_future(0.0), with_future(1e6));
        assert_eq!(with_future(0.0), [0.5, 1.0 + 0.9 * 3.0 - 0.25]);
    }

    #[test]
    fn normalised_values_have_mean_zero_and_deviation_one() {
        let mut values = [3.0, 5.0, 10.0, -2.0];
        normalize(&mut values);
        let mean: f32 = values.iter().sum::<f32>() / 4.0;
        let variance: f32 = values.iter().map(|v| v * v).sum::<f32>() / 3.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5);
        let mut equal = [2.0; 3];
        normalize(&mut equal);
        assert_eq!(equal, [0.0; 3]);
    }
}
