//! "Say what you see": 100 steps, a point for each right answer. Chance is 25 of 100 for choices, and 50 or less for numbers.

use fornax_rl::Space;
use fornax_rl::evaluate::evaluate_policy;

use crate::support::{Probe, Task, agent, train};

fn mean_return(kind: &str, actions: &Space, steps: u64) -> f64 {
    let mut agent = agent(kind, &Task::Identity, actions, 0.3, steps, 0);
    let mut env = Probe::new(Task::Identity, actions.clone());
    let before = evaluate_policy(agent.as_mut(), &mut env, 10, 99).unwrap().mean_return();
    train(agent.as_mut());
    let after = evaluate_policy(agent.as_mut(), &mut env, 10, 99).unwrap().mean_return();
    assert!(before < 85.0, "{kind} knew it before: {before}");
    assert!(
        (90.0..=100.0).contains(&after),
        "{kind} in {actions}: {after} after {steps} steps, {before} before"
    );
    after
}

fn choices() -> Space {
    Space::Discrete(4)
}

fn several() -> Space {
    Space::MultiDiscrete(vec![3, 4])
}

fn number() -> Space {
    Space::interval(-1.0, 1.0, &[1])
}

#[test]
fn ppo_with_choices() {
    mean_return("ppo", &choices(), 10_000);
}

#[test]
fn ppo_with_several_choices() {
    mean_return("ppo", &several(), 15_000);
}

#[test]
fn ppo_with_numbers() {
    mean_return("ppo", &number(), 30_000);
}

#[test]
fn recurrent_ppo_with_choices() {
    mean_return("recurrent", &choices(), 15_000);
}

#[test]
fn recurrent_ppo_with_several_choices() {
    mean_return("recurrent", &several(), 25_000);
}

#[test]
fn recurrent_ppo_with_numbers() {
    mean_return("recurrent", &number(), 40_000);
}

#[test]
fn a2c_with_choices() {
    mean_return("a2c", &choices(), 20_000);
}

#[test]
fn a2c_with_several_choices() {
    mean_return("a2c", &several(), 30_000);
}

#[test]
fn a2c_with_numbers() {
    mean_return("a2c", &number(), 60_000);
}

#[test]
fn reinforce_with_choices() {
    mean_return("reinforce", &choices(), 30_000);
    mean_return("reinforce-plain", &choices(), 30_000);
}

#[test]
fn reinforce_with_several_choices() {
    mean_return("reinforce", &several(), 40_000);
}

#[test]
fn reinforce_with_numbers() {
    mean_return("reinforce", &number(), 60_000);
}

#[test]
fn dqn_with_choices() {
    mean_return("dqn", &choices(), 4_000);
}

#[test]
fn dqn_with_every_improvement() {
    mean_return("rainbow", &choices(), 4_000);
}

#[test]
fn sac_with_choices() {
    mean_return("sac", &choices(), 4_000);
}

#[test]
fn sac_with_numbers() {
    mean_return("sac", &number(), 4_000);
}

#[test]
fn td3_with_numbers() {
    mean_return("td3", &number(), 4_000);
}

#[test]
fn ddpg_with_numbers() {
    mean_return("ddpg", &number(), 4_000);
}
