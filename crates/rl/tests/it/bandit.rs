//! Regret between its bounds.

use fornax_rl::bandit::epsilon_greedy::EpsilonGreedy;
use fornax_rl::bandit::lin_ucb::LinUcb;
use fornax_rl::bandit::thompson::Thompson;
use fornax_rl::bandit::ucb::{Ucb1, bound};
use fornax_rl::bandit::{Contextual, Levers, Player, run};

const MEANS: [f64; 4] = [0.9, 0.7, 0.6, 0.3];
const PULLS: usize = 10_000;
const RUNS: u64 = 40;

/// Mean regret over forty runs, after all pulls and after a tenth.
fn regret(player: impl Fn() -> Box<dyn Player>) -> (f64, f64) {
    let mut means = (0.0, 0.0);
    for seed in 0..RUNS {
        let curve = run(&mut Levers::bernoulli(MEANS.to_vec()).unwrap(), &mut *player(), PULLS, seed);
        means.0 += curve[PULLS - 1] / RUNS as f64;
        means.1 += curve[PULLS / 10 - 1] / RUNS as f64;
    }
    means
}

#[test]
fn epsilon_greedy_pays_epsilon_for_ever() {
    let (all, tenth) = regret(|| Box::new(EpsilonGreedy::new(4, 0.1).unwrap()));
    // Exploring alone: ε · mean gap · T = 0.1 · 0.275 · 10,000 = 275. Not less, and not much more once the best is known.
    assert!((265.0..340.0).contains(&all), "{all}");
    assert!(all - tenth > 0.9 * 247.5 && all - tenth < 1.15 * 247.5, "linear: {}", all - tenth);
}

#[test]
fn ucb1_stays_under_its_theorem_and_grows_as_the_logarithm() {
    let (all, tenth) = regret(|| Box::new(Ucb1::new(4).unwrap()));
    let theorem = bound(&MEANS, PULLS);
    // Not under the bound of Lai and Robbins either, of which UCB1 is known to stay away.
    let least = Levers::bernoulli(MEANS.to_vec()).unwrap().lai_robbins() * (PULLS as f64).ln();
    assert!(all < theorem && all > least, "{least} < {all} < {theorem}");
    // From 1,000 to 10,000 pulls ln T grows by a third; linear regret would grow tenfold.
    assert!(all / tenth < 2.2, "{tenth} to {all}");
}

#[test]
fn thompson_sampling_is_near_the_best_possible() {
    let (all, tenth) = regret(|| Box::new(Thompson::bernoulli(4).unwrap()));
    let least = Levers::bernoulli(MEANS.to_vec()).unwrap().lai_robbins() * (PULLS as f64).ln();
    // The bound is asymptotic: at finite T regret may lie on either side of it, within a factor of two here.
    assert!(all > 0.5 * least && all < 2.0 * least, "{all}, Lai and Robbins say {least}");
    assert!(all / tenth < 2.0, "{tenth} to {all}");
    let (ucb, _) = regret(|| Box::new(Ucb1::new(4).unwrap()));
    assert!(all < ucb / 2.0);
}

#[test]
fn normal_levers_have_their_own_beliefs() {
    let mut mean = 0.0;
    for seed in 0..20 {
        let mut levers = Levers::gaussian(vec![0.0, 1.0], 1.0).unwrap();
        mean += run(&mut levers, &mut Thompson::gaussian(2, 1.0, 2.0).unwrap(), 5_000, seed)[4_999] / 20.0;
    }
    // Lai and Robbins: 2 σ² / Δ · ln T = 17.
    assert!((5.0..40.0).contains(&mean), "{mean}");
}

#[test]
fn lin_ucb_learns_the_weights_and_pays_less_and_less() {
    let theta = vec![0.5, -0.5, 0.5, -0.5];
    let mut levers = Contextual::new(theta.clone(), 8, 0.2).unwrap();
    let mut player = LinUcb::new(4, 1.0).unwrap();
    let curve = run(&mut levers, &mut player, 4_000, 0);
    let error = player.theta().iter().zip(&theta).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    assert!(error < 0.1, "{error}");
    // √T: four times the pulls, at most twice the regret and some; a random player loses about 0.7 a pull.
    assert!(
        curve[3_999] < 2.5 * curve[999] && curve[3_999] < 0.05 * 0.7 * 4_000.0,
        "{} {}",
        curve[999],
        curve[3_999]
    );
    assert!(curve[3_999] > 0.0);
}

#[test]
fn impossible_levers_are_refused() {
    let texts = [
        Levers::bernoulli(vec![]).unwrap_err().to_string(),
        Levers::bernoulli(vec![1.5]).unwrap_err().to_string(),
        Levers::gaussian(vec![f64::NAN], 1.0).unwrap_err().to_string(),
        Levers::gaussian(vec![0.0], -1.0).unwrap_err().to_string(),
        Contextual::new(vec![], 3, 0.1).unwrap_err().to_string(),
        Contextual::new(vec![1.0], 0, 0.1).unwrap_err().to_string(),
        Ucb1::new(0).unwrap_err().to_string(),
        LinUcb::new(0, 1.0).unwrap_err().to_string(),
        Thompson::gaussian(2, 0.0, 1.0).unwrap_err().to_string(),
    ];
    let fields = ["arms", "means", "means", "deviation", "theta", "arms", "arms", "features", "noise"];
    for (text, field) in texts.iter().zip(fields) {
        assert!(text.starts_with(&format!("{field}: ")), "{text}");
    }
}
