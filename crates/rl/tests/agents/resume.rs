//! A run is a function of its seed, and a saved one goes on as if nothing had happened.

use burn::tensor::Device;
use fornax_rl::agent::{Agent, Parts};
use fornax_rl::env::make_vec;
use fornax_rl::ppo::{Ppo, PpoConfig};

use crate::support::{Task, agent, choice, number};

/// Everything of an agent, as bytes.
fn state(agent: &dyn Agent) -> Vec<u8> {
    agent.save().unwrap().to_bytes()
}

fn rounds(agent: &mut dyn Agent, n: usize) {
    for _ in 0..n {
        agent.advance().unwrap();
    }
}

/// Kinds, and rounds after which they have learnt something.
const KINDS: [(&str, bool, usize); 10] = [
    ("ppo", true, 3),
    ("recurrent", false, 3),
    ("a2c", true, 10),
    ("reinforce", true, 3),
    ("dqn", true, 80),
    ("rainbow", true, 80),
    ("td3", false, 80),
    ("sac", false, 80),
    ("sac", true, 80),
    ("sac-wandering", false, 80),
];

#[test]
fn two_runs_of_a_seed_are_equal_to_the_bit_and_of_two_seeds_are_not() {
    for (kind, discrete, n) in KINDS {
        let space = if discrete { choice() } else { number() };
        let run = |seed| {
            let mut agent = agent(kind, &Task::Both, &space, 0.9, 10_000, seed);
            rounds(agent.as_mut(), n);
            // Parameter identities are drawn by Burn and differ between two networks; weights and all else must not.
            let report = agent.advance().unwrap();
            let value = agent.value(&[0.3]).to_bits();
            let figures: Vec<u64> = report.figures.iter().map(|(_, figure)| figure.to_bits()).collect();
            let state = agent.save().unwrap().0.remove("state");
            (value, figures, report.steps, report.episodes, state)
        };
        assert_eq!(run(3), run(3), "{kind}");
        assert_ne!(run(3), run(4), "{kind}");
    }
}

#[test]
fn a_resumed_run_is_equal_to_the_bit() {
    for (kind, discrete, n) in KINDS {
        let space = if discrete { choice() } else { number() };
        let mut whole = agent(kind, &Task::Both, &space, 0.9, 10_000, 1);
        rounds(whole.as_mut(), n);
        let saved = state(whole.as_ref());
        rounds(whole.as_mut(), n);
        // Another seed: everything has to come from the saved parts.
        let mut resumed = agent(kind, &Task::Both, &space, 0.9, 10_000, 77);
        resumed.load(&Parts::from_bytes(&saved).unwrap()).unwrap();
        assert_eq!(state(resumed.as_ref()), saved, "{kind}: loaded is not what was saved");
        rounds(resumed.as_mut(), n);
        let (a, b) = (whole.save().unwrap(), resumed.save().unwrap());
        for (part, bytes) in &a.0 {
            assert!(b.0.get(part) == Some(bytes), "{kind}: {part} differs after the resume");
        }
        assert_eq!(whole.value(&[0.3]).to_bits(), resumed.value(&[0.3]).to_bits(), "{kind}");
    }
}

#[test]
fn cart_pole_resumes_in_the_middle_of_its_episodes_with_normalised_rewards() {
    let config = PpoConfig { n_steps: 20, normalize: true, ..PpoConfig::cart_pole() };
    let build =
        |seed| Ppo::new(config.clone(), make_vec("CartPole-v1", 4).unwrap(), seed, &Device::flex()).unwrap();
    let mut whole = build(0);
    rounds(&mut whole, 3);
    let saved = whole.save().unwrap();
    rounds(&mut whole, 3);
    let mut resumed = build(5);
    resumed.load(&saved).unwrap();
    rounds(&mut resumed, 3);
    assert_eq!(state(&whole), state(&resumed));
}
