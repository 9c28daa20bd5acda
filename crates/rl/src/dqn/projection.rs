//! The distributional Bellman update.

use super::Atoms;

/// Moves each distribution over the support to R + d·z and shares what falls between two atoms among them, the nearer one
/// getting more; what falls beyond the ends goes to the end.
///
/// # Shapes
///
/// - probabilities: `[batch, atoms]`, flat; rewards, discounts: `[batch]`; output: `[batch, atoms]`, flat
///
/// ```
/// use fornax_rl::dqn::{Atoms, project};
///
/// let atoms = Atoms { count: 3, low: 0.0, high: 2.0 };
/// // A certain return of 1, discounted by ½, after a reward of 0.25: 0.75 lies between the atoms 0 and 1.
/// assert_eq!(project(&atoms, &[0.0, 1.0, 0.0], &[0.25], &[0.5]), [0.25, 0.75, 0.0]);
/// // The end of an episode: all of it at the reward.
/// assert_eq!(project(&atoms, &[0.2, 0.3, 0.5], &[5.0], &[0.0]), [0.0, 0.0, 1.0]);
/// ```
pub fn project(atoms: &Atoms, probabilities: &[f32], rewards: &[f32], discounts: &[f32]) -> Vec<f32> {
    let support = atoms.support();
    let step = (atoms.high - atoms.low) / (atoms.count - 1) as f32;
    let mut out = vec![0.0; probabilities.len()];
    let rows = probabilities.chunks_exact(atoms.count).zip(out.chunks_exact_mut(atoms.count));
    for ((probabilities, out), (reward, discount)) in rows.zip(rewards.iter().zip(discounts)) {
        for (p, z) in probabilities.iter().zip(&support) {
            let at = ((reward + discount * z).clamp(atoms.low, atoms.high) - atoms.low) / step;
            let below = (at.floor() as usize).min(atoms.count - 1);
            let above = (below + 1).min(atoms.count - 1);
            let share = at - below as f32;
            out[below] += p * (1.0 - share);
            out[above] += p * share;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;

    /// Projection keeps the total, and the mean too while nothing is cut off at the ends.
    #[test]
    fn the_total_is_kept_and_so_is_the_mean_within_the_support() {
        let atoms = Atoms { count: 51, low: -10.0, high: 10.0 };
        let mut rng = Pcg64::new(0);
        for _ in 0..50 {
            let raw: Vec<f32> = (0..51).map(|_| rng.unit() as f32).collect();
            let sum: f32 = raw.iter().sum();
            let p: Vec<f32> = raw.iter().map(|p| p / sum).collect();
            let (reward, discount) = (rng.uniform(-4.0, 4.0) as f32, rng.uniform(0.0, 0.6) as f32);
            let q = project(&atoms, &p, &[reward], &[discount]);
            let mean = |p: &[f32]| -> f32 { p.iter().zip(atoms.support()).map(|(p, z)| p * z).sum() };
            assert!((q.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert!((mean(&q) - (reward + discount * mean(&p))).abs() < 1e-4);
        }
    }
}
