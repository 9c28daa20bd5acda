//! Problems that isolate one part each: when a probe fails, its name says which part is broken.
//!
//! | probe | fails when |
//! |---|---|
//! | constant | the value network or its optimiser is broken |
//! | observed | observations do not reach it |
//! | delayed | discounting or bootstrapping is broken |
//! | stopped, over | truncation is taken for termination, or the other way round |
//! | acted | the policy's gradient or the exploration is broken |
//! | both | the two do not belong to the same observation |
//! | remember | the memory, or the gradient through time, is broken |

use fornax_rl::Space;
use fornax_rl::callback::{Callback, Evaluate, Flow};
use fornax_rl::evaluate::evaluate_policy;

use crate::support::{Probe, Task, agent, choice, number, train};

const GAMMA: f64 = 0.5;

/// Kinds, their action space and how many steps they need.
fn kinds() -> [(&'static str, Space, u64); 9] {
    [
        ("ppo", choice(), 10_000),
        ("recurrent", choice(), 15_000),
        ("a2c", choice(), 20_000),
        ("reinforce", choice(), 10_000),
        ("dqn", choice(), 2_000),
        ("rainbow", choice(), 3_000),
        ("td3", number(), 2_000),
        ("sac", number(), 2_000),
        ("sac", choice(), 2_000),
    ]
}

/// The value of each observation is as expected, for every agent but those in `except`.
fn values(task: &Task, expected: &[(f32, f32)], except: &[&str]) {
    for (kind, actions, steps) in kinds() {
        if except.contains(&kind) {
            continue;
        }
        let mut agent = agent(kind, task, &actions, GAMMA, steps, 0);
        train(agent.as_mut());
        // Asked without a past, an agent with a memory knows only what an episode begins with.
        let asked = if kind == "recurrent" { 1 } else { expected.len() };
        for (observation, expected) in &expected[..asked] {
            let found = agent.value(&[*observation]);
            assert!(
                (found - expected).abs() < 0.15,
                "{kind}, {task:?}: V({observation}) = {found}, not {expected}"
            );
        }
    }
}

/// The return of the trained policy is the best possible.
fn returns(task: &Task) {
    for (kind, actions, steps) in kinds() {
        let mut agent = agent(kind, task, &actions, GAMMA, steps, 0);
        train(agent.as_mut());
        let mut env = Probe::new(task.clone(), actions);
        let evaluation = evaluate_policy(agent.as_mut(), &mut env, 50, 5).unwrap();
        assert_eq!(evaluation.mean_return(), 1.0, "{kind}, {task:?}");
    }
}

#[test]
fn a_constant_value_is_learnt() {
    values(&Task::Constant, &[(0.0, 1.0)], &[]);
}

#[test]
fn a_value_follows_the_observation() {
    values(&Task::Observed, &[(-1.0, -1.0), (1.0, 1.0)], &[]);
}

#[test]
fn a_delayed_reward_is_discounted() {
    values(&Task::Delayed, &[(0.0, GAMMA as f32), (1.0, 1.0)], &[]);
}

#[test]
fn a_stopped_game_has_a_future() {
    // 1 + γ + γ² + … = 2. REINFORCE bootstraps from its baseline.
    values(&Task::Stopped, &[(0.0, 2.0), (1.0, 2.0)], &[]);
}

#[test]
fn a_game_that_is_over_has_none() {
    values(&Task::Over, &[(0.0, 1.5), (1.0, 1.0)], &[]);
}

#[test]
fn the_better_action_is_found() {
    returns(&Task::Acted);
}

#[test]
fn the_better_action_follows_the_observation() {
    returns(&Task::Both);
}

#[test]
fn only_an_agent_with_a_memory_remembers() {
    let played = |kind: &str| {
        let mut agent = agent(kind, &Task::Remember, &choice(), 0.9, 30_000, 0);
        train(agent.as_mut());
        let mut env = Probe::new(Task::Remember, choice());
        evaluate_policy(agent.as_mut(), &mut env, 400, 5).unwrap().mean_return()
    };
    assert_eq!(played("recurrent"), 1.0);
    // Whatever it does in the fourth step is right half the time: 0 ± 0.05.
    let blind = played("ppo");
    assert!(blind.abs() < 0.25, "{blind}");
}

#[test]
fn the_best_agent_met_on_the_way_is_kept_and_can_be_gone_back_to() {
    let mut agent = agent("ppo", &Task::Identity, &Space::Discrete(4), 0.3, 5_000, 0);
    let env = || Probe::new(Task::Identity, Space::Discrete(4));
    let mut evaluate = Evaluate::new(Box::new(env()), 500, 5, 7).keeping_best();
    let untrained = agent.save().unwrap();
    let mut steps = 0;
    while steps < agent.total_steps() {
        let mut report = agent.advance().unwrap();
        steps = report.steps;
        if steps >= agent.total_steps() {
            // What training may end with: an agent that can nothing any more.
            agent.load(&untrained).unwrap();
            report.steps += 500;
        }
        assert_eq!(evaluate.after_round(agent.as_mut(), &report).unwrap(), Flow::Continue);
    }
    let returns: Vec<f64> = evaluate.history.iter().map(|(_, found)| found.mean_return()).collect();
    let highest = returns.iter().copied().fold(f64::MIN, f64::max);
    assert!(returns.len() > 5 && returns[returns.len() - 1] < highest, "{returns:?}");
    let best = evaluate.best.take().unwrap();
    assert_eq!(best.mean_return, highest);
    agent.load(&best.parts).unwrap();
    let again = evaluate_policy(agent.as_mut(), &mut env(), 5, 7).unwrap().mean_return();
    assert_eq!(again, highest);
}
