//! Policies that see: a small game of catch, as pixels and as pixels with a number beside them.

use burn::tensor::Device;
use fornax_rl::agent::{Agent, Ramp};
use fornax_rl::env::CatchConfig;
use fornax_rl::evaluate::evaluate_policy;
use fornax_rl::policy::{ActorCriticConfig, ConvolutionConfig};
use fornax_rl::ppo::{Ppo, PpoConfig};
use fornax_rl::vector::Pool;

use crate::support::train;

/// Plays before and after `steps` steps of training; the least it has to earn of 3 afterwards.
fn plays(dict: bool, steps: u64, least: f64) {
    let game = CatchConfig::new().with_rows(6).with_columns(6).with_balls(3).with_dict(dict);
    let network = ActorCriticConfig {
        hidden: vec![],
        convolution: Some(ConvolutionConfig { units: 64, ..ConvolutionConfig::small() }),
        ..ActorCriticConfig::default()
    };
    let config = PpoConfig {
        total_steps: steps,
        n_steps: 32,
        batch_size: 128,
        epochs: 4,
        gamma: 0.95,
        lr: Ramp::to_zero(2e-3),
        entropy: 0.01,
        network,
        ..PpoConfig::default()
    };
    let envs = Pool::build(16, |_| game.init()).unwrap();
    let mut ppo = Ppo::new(config, Box::new(envs), 0, &Device::flex()).unwrap();
    let mut env = game.init().unwrap();
    let before = evaluate_policy(&mut ppo, &mut env, 50, 9).unwrap().mean_return();
    assert!(before < 0.0, "it could play before: {before}");
    train(&mut ppo);
    let after = evaluate_policy(&mut ppo, &mut env, 200, 9).unwrap().mean_return();
    assert!((least..=3.0).contains(&after), "{after} of 3, {before} before");

    // A saved picture policy is the same to the bit.
    let saved = ppo.save().unwrap();
    let envs = Pool::build(16, |_| game.init()).unwrap();
    let mut other = Ppo::new(ppo.config.clone(), Box::new(envs), 1, &Device::flex()).unwrap();
    other.load(&saved).unwrap();
    assert_eq!(evaluate_policy(&mut other, &mut env, 200, 9).unwrap().mean_return(), after);
}

#[test]
fn ppo_catches_by_sight() {
    plays(false, 60_000, 2.7);
}

#[test]
fn ppo_catches_by_sight_and_a_number() {
    // Where the paddle is has to be learnt from a number: slower than from a plane of the picture.
    plays(true, 50_000, 0.6);
}
