//! Tabular methods against each other, against printed values and against theory.

use fornax_rl::env::{CliffWalkingConfig, GridWorldConfig, MdpEnv, TABLES, make_mdp};
use fornax_rl::make;
use fornax_rl::random::Pcg64;
use fornax_rl::tabular::double_q::DoubleQ;
use fornax_rl::tabular::expected_sarsa::ExpectedSarsa;
use fornax_rl::tabular::monte_carlo::MonteCarlo;
use fornax_rl::tabular::policy_iteration::{evaluate_policy, policy_iteration};
use fornax_rl::tabular::q_learning::QLearning;
use fornax_rl::tabular::sarsa::Sarsa;
use fornax_rl::tabular::value_iteration::value_iteration;
use fornax_rl::tabular::{Learner, Learning, Transit, evaluate, look_ahead, train};
use fornax_rl::wrapper::TimeLimit;

#[test]
fn value_iteration_equals_the_linear_equations_of_its_policy() {
    for name in TABLES {
        let env = make_mdp(name).unwrap();
        let mdp = env.mdp();
        let swept = value_iteration(mdp, 0.95, 1e-13, 10_000).unwrap();
        // The policy's own values, from (I − γP) v = r: equal, and a fixed point of Bellman's optimality equation.
        let solved = evaluate_policy(mdp, 0.95, &swept.policy).unwrap();
        let iterated = policy_iteration(mdp, 0.95).unwrap();
        for state in 0..mdp.num_states() {
            let (a, b, c) = (swept.values[state], solved[state], iterated.values[state]);
            assert!((a - b).abs() < 1e-9 && (a - c).abs() < 1e-9, "{name}, state {state}: {a} {b} {c}");
            let best = (0..mdp.num_actions()).map(|action| look_ahead(mdp, 0.95, &solved, state, action));
            assert!((best.fold(f64::NEG_INFINITY, f64::max) - b).abs() < 1e-9, "{name}, state {state}");
        }
        assert!(iterated.rounds <= 20, "{name}: {} policies", iterated.rounds);
    }
}

#[test]
fn the_textbooks_world_has_the_textbooks_values() {
    // Russell and Norvig, third edition, figure 17.3, row by row; the wall and the two ends are not states.
    let printed =
        [0.812, 0.868, 0.918, f64::NAN, 0.762, f64::NAN, 0.660, f64::NAN, 0.705, 0.655, 0.611, 0.388];
    let world = GridWorldConfig::russell_norvig().init().unwrap();
    let values = value_iteration(world.mdp(), 1.0, 1e-12, 10_000).unwrap().values;
    for (state, (value, printed)) in values.iter().zip(printed).enumerate() {
        assert!(
            printed.is_nan() || (value - printed).abs() < 6e-4,
            "cell {state}: {value}, printed {printed}"
        );
    }
}

#[test]
fn known_optima() {
    let best = |name: &str| {
        let env = make_mdp(name).unwrap();
        value_iteration(env.mdp(), 1.0, 1e-13, 100_000).unwrap().expected_return(env.mdp())
    };
    assert!((best("FrozenLake-v1") - 14.0 / 17.0).abs() < 1e-9);
    assert!((best("FrozenLake8x8-v1") - 1.0).abs() < 1e-6, "with patience the large lake is safe");
    assert_eq!(best("CliffWalking-v1"), -13.0);
    assert!((best("Taxi-v3") - 7.93).abs() < 0.005, "{}", best("Taxi-v3"));
}

#[test]
fn a_policy_that_never_ends_has_no_undiscounted_value() {
    let cliff = CliffWalkingConfig::new().init().unwrap();
    let error = evaluate_policy(cliff.mdp(), 1.0, &[3; 48]).unwrap_err().to_string();
    assert!(error.contains("goes on for ever"), "{error}");
    assert!(evaluate_policy(cliff.mdp(), 0.9, &[4; 48]).is_err());
    assert!(evaluate_policy(cliff.mdp(), 1.1, &[0; 48]).unwrap_err().to_string().starts_with("gamma: "));
    let bored = value_iteration(cliff.mdp(), 1.0, 0.0, 3).unwrap_err().to_string();
    assert!(bored.contains("after 3"), "{bored}");
}

/// The share of the optimal value that the learnt policy has, both by exact evaluation from the start.
fn gap(env: &MdpEnv, learner: &dyn Learner) -> f64 {
    let mdp = env.mdp();
    let value = |policy: &[usize]| {
        let values = evaluate_policy(mdp, 0.99, policy).unwrap();
        mdp.initial().iter().zip(values).map(|(p, v)| p * v).sum::<f64>()
    };
    value(&policy_iteration(mdp, 0.99).unwrap().policy) - value(&learner.q().policy())
}

#[test]
fn every_learner_finds_the_optimum_of_the_slippery_lake() {
    let table = make_mdp("FrozenLake-v1").unwrap();
    let settings =
        Learning::new().with_alpha(1.0).with_power(0.6).with_epsilon_end(0.05).with_epsilon_part(0.9);
    let learners: [(&str, Box<dyn Learner>, usize); 6] = [
        ("q", Box::new(QLearning::new(16, 4, &settings)), 20_000),
        ("double q", Box::new(DoubleQ::new(16, 4, &settings)), 30_000),
        ("sarsa", Box::new(Sarsa::new(16, 4, &settings)), 20_000),
        ("sarsa of 4", Box::new(Sarsa::new(16, 4, &settings).with_n_steps(4)), 30_000),
        ("expected sarsa", Box::new(ExpectedSarsa::new(16, 4, &settings)), 20_000),
        ("monte carlo", Box::new(MonteCarlo::new(16, 4, &settings)), 30_000),
    ];
    for (name, mut learner, episodes) in learners {
        let mut env = TimeLimit::new(table.clone(), 100).unwrap();
        train(&mut env, &mut *learner, &settings, episodes, 1, |_, _| {}).unwrap();
        let missing = gap(&table, &*learner);
        // Nobody beats the optimum; 0.542 is its value at γ = 0.99, and on-policy learners stop a little short of it.
        assert!((-1e-9..=0.05).contains(&missing), "{name} is {missing} short");
    }
}

#[test]
fn q_learning_drives_the_taxi_optimally() {
    let table = make_mdp("Taxi-v3").unwrap();
    let settings = Learning::new().with_alpha(0.5).with_epsilon_end(0.3);
    let mut agent = QLearning::new(500, 6, &settings);
    train(&mut make("Taxi-v3").unwrap(), &mut agent, &settings, 12_000, 0, |_, _| {}).unwrap();
    assert!(gap(&table, &agent).abs() < 1e-9, "{}", gap(&table, &agent));
    let played = evaluate(&mut make("Taxi-v3").unwrap(), &agent.q().policy(), 300, 200, 0).unwrap();
    let mean = played.iter().map(|e| e.total_reward).sum::<f64>() / 300.0;
    // Starts differ with deviation 2.6: the mean of 300 has 0.15.
    assert!((mean - 7.93).abs() < 0.6, "{mean}");
}

#[test]
fn sarsa_keeps_off_the_edge_and_q_learning_falls() {
    // Sutton and Barto's example 6.6: ε = 0.1, α = 0.5. While exploring, the cautious one earns more.
    let settings = Learning::new().with_gamma(1.0).with_alpha(0.5).with_epsilon_start(0.1);
    let earned = |agent: &mut dyn Learner| {
        let (mut sum, mut env) = (0.0, CliffWalkingConfig::new().init().unwrap());
        train(&mut env, agent, &settings, 1_000, 0, |i, e| {
            sum += if i >= 200 { e.total_reward } else { 0.0 }
        })
        .unwrap();
        sum / 800.0
    };
    let q = earned(&mut QLearning::new(48, 4, &settings));
    let sarsa = earned(&mut Sarsa::new(48, 4, &settings));
    // The book's figure shows about −50 and −25.
    assert!((-65.0..-35.0).contains(&q) && (-35.0..-18.0).contains(&sarsa), "{q} {sarsa}");
}

#[test]
fn two_tables_believe_less_in_luck() {
    // One state, ten actions that pay N(0, 1): the true value of all is 0. The mean over 200 tables of max Q after 20 pulls each.
    let settings = Learning::new().with_alpha(1.0).with_power(1.0);
    let mut rng = Pcg64::new(0);
    let (mut single, mut double) = (0.0, 0.0);
    for _ in 0..200 {
        let mut q = QLearning::new(2, 10, &settings);
        let mut a = DoubleQ::new(2, 10, &settings);
        for pull in 0..200 {
            let reward = rng.normal();
            let step = |state, reward, terminated| Transit {
                state,
                action: pull % 10,
                reward,
                next: 0,
                terminated,
                truncated: false,
                epsilon: 0.0,
            };
            q.learn(step(0, reward, true), &mut rng);
            a.learn(step(0, reward, true), &mut rng);
        }
        // State 1 leads to state 0 for nothing: its value is the target that each method makes of state 0.
        let step = Transit {
            state: 1,
            action: 0,
            reward: 0.0,
            next: 0,
            terminated: false,
            truncated: false,
            epsilon: 0.0,
        };
        q.learn(step, &mut rng);
        a.learn(step, &mut rng);
        single += q.q().of(1)[0] / 200.0;
        double += 2.0 * a.q().of(1)[0] / 200.0;
    }
    // E max of ten N(0, 1/20) is 1.54 · 0.224 = 0.344, times γ; the judge of the other table is unbiased: deviation 0.32 / √200 = 0.023.
    assert!((single - 0.34).abs() < 0.05, "{single}");
    assert!(double.abs() < 0.1, "{double}");
}

#[test]
fn n_steps_of_sarsa_reach_back_n_states() {
    // A corridor walked once: the goal's reward reaches n pairs.
    for n in [1, 3] {
        let settings = Learning::new().with_gamma(0.5).with_alpha(1.0);
        let mut agent = Sarsa::new(6, 1, &settings).with_n_steps(n);
        let mut rng = Pcg64::new(0);
        for state in 0..5 {
            let (terminated, reward) = (state == 4, f64::from(u8::from(state == 4)));
            let step = Transit {
                state,
                action: 0,
                reward,
                next: state + 1,
                terminated,
                truncated: false,
                epsilon: 0.0,
            };
            agent.learn(step, &mut rng);
        }
        agent.end_episode();
        let found: Vec<f64> = (0..5).map(|state| agent.q().of(state)[0]).collect();
        let expected = if n == 1 { [0.0, 0.0, 0.0, 0.0, 1.0] } else { [0.0, 0.0, 0.25, 0.5, 1.0] };
        assert_eq!(found, expected);
    }
}

#[test]
fn a_seed_decides_everything_and_bad_settings_are_named() {
    let learn = |seed| {
        let settings = Learning::new();
        let mut agent = DoubleQ::new(16, 4, &settings);
        train(&mut make("FrozenLake-v1").unwrap(), &mut agent, &settings, 200, seed, |_, _| {}).unwrap();
        agent.q()
    };
    assert_eq!(learn(3), learn(3));
    assert_ne!(learn(3), learn(4));
    let settings = Learning::new();
    let mut agent = QLearning::new(1, 1, &settings);
    let mut refused = |name: &str, settings: &Learning| {
        train(&mut make(name).unwrap(), &mut agent, settings, 1, 0, |_, _| {}).unwrap_err().to_string()
    };
    assert!(refused("CartPole-v1", &settings).contains("states that can be counted"));
    assert!(refused("Taxi-v3", &Learning::new().with_alpha(0.0)).starts_with("alpha: "));
    assert!(refused("Taxi-v3", &Learning::new().with_gamma(f64::NAN)).starts_with("gamma: "));
}
