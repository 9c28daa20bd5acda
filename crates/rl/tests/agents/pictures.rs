//! Policies that see: a small game of catch, as pixels and as pixels with a number beside them.

use burn::tensor::Device;
use fornax_rl::agent::{Agent, Ramp};
use fornax_rl::env::CatchConfig;
use fornax_rl::evaluate::evaluate_policy;
use fornax_rl::policy::{Activation, ActorCriticConfig, ConvolutionConfig};
use fornax_rl::ppo::{Ppo, PpoConfig};
use fornax_rl::vector::Pool;

use crate::support::train;

fn plays(dict: bool) {
    let game = CatchConfig::new().with_rows(6).with_columns(6).with_balls(3).with_dict(dict);
    let network = ActorCriticConfig {
        // A number beside the picture has to be compared with what is seen on it.
        hidden: if dict { vec![64] } else { vec![] },
        activation: Activation::Relu,
        convolution: Some(ConvolutionConfig::small()),
        ..ActorCriticConfig::default()
    };
    let config = PpoConfig {
        total_steps: 100_000,
        n_steps: 64,
        batch_size: 128,
        epochs: 4,
        gamma: 0.95,
        lr: Ramp::to_zero(3e-3),
        entropy: 0.02,
        network,
        ..PpoConfig::default()
    };
    let envs = Pool::build(16, |_| game.init()).unwrap();
    let mut ppo = Ppo::new(config, Box::new(envs), 0, &Device::flex()).unwrap();
    let mut env = game.init().unwrap();
    let before = evaluate_policy(&mut ppo, &mut env, 50, 9).unwrap().mean_return();
    assert!(before < 1.0, "it could play before: {before}");
    train(&mut ppo);
    let after = evaluate_policy(&mut ppo, &mut env, 200, 9).unwrap().mean_return();
    assert!((2.7..=3.0).contains(&after), "{after} of 3, {before} before");

    // A saved picture policy is the same to the bit.
    let saved = ppo.save().unwrap();
    let envs = Pool::build(16, |_| game.init()).unwrap();
    let mut other = Ppo::new(ppo.config.clone(), Box::new(envs), 1, &Device::flex()).unwrap();
    other.load(&saved).unwrap();
    assert_eq!(evaluate_policy(&mut other, &mut env, 200, 9).unwrap().mean_return(), after);
}

#[test]
fn ppo_catches_by_sight() {
    plays(false);
}

#[test]
fn ppo_catches_by_sight_and_a_number() {
    plays(true);
}
