//! What a user can get wrong is an error that says so.

use burn::tensor::Device;
use fornax_rl::agent::{Agent, AgentError, Parts, Ramp};
use fornax_rl::dqn::{Atoms, Dqn, DqnConfig};
use fornax_rl::env::{Action, CartPole, Env, Outcome, make_vec};
use fornax_rl::ppo::{Ppo, PpoConfig};
use fornax_rl::reinforce::{Reinforce, ReinforceConfig};
use fornax_rl::sac::SacConfig;
use fornax_rl::td3::{Td3, Td3Config};
use fornax_rl::vector::Pool;
use fornax_rl::{EnvError, Space};

use crate::support::{Task, agent, choice, envs, number};

fn small() -> PpoConfig {
    PpoConfig { n_steps: 8, batch_size: 8, epochs: 1, total_steps: 1_000, ..PpoConfig::default() }
}

#[test]
fn agents_say_which_actions_they_need() {
    let device = Device::flex();
    let error =
        Dqn::new(DqnConfig::default(), make_vec("Pendulum-v1", 1).unwrap(), 0, &device).err().unwrap();
    assert_eq!(error.to_string(), "dqn needs discrete actions, Pendulum-v1 has Box(-2, 2, [1])");
    let config = Td3Config { buffer_size: 10, ..Td3Config::default() };
    let error = Td3::new(config, make_vec("CartPole-v1", 1).unwrap(), 0, &device).err().unwrap();
    assert!(
        error.to_string().starts_with("td3 needs bounded continuous actions, CartPole-v1 has"),
        "{error}"
    );
    let error = Reinforce::new(ReinforceConfig::default(), envs(2, &Task::Both, &choice()), 0, &device)
        .err()
        .unwrap();
    assert!(error.to_string().contains("num_envs: must be 1"), "{error}");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let cases = [
        (PpoConfig { n_steps: 0, ..small() }, "n_steps"),
        (PpoConfig { batch_size: 0, ..small() }, "batch_size"),
        (PpoConfig { gamma: 1.5, ..small() }, "gamma"),
        (PpoConfig { lambda: f64::NAN, ..small() }, "lambda"),
        (PpoConfig { lr: Ramp::constant(-1.0), ..small() }, "lr"),
        (PpoConfig { max_norm: 0.0, ..small() }, "max_norm"),
        (PpoConfig { target_kl: Some(-1.0), ..small() }, "target_kl"),
    ];
    for (config, field) in cases {
        assert_eq!(config.validate().unwrap_err().field, field);
    }
    assert_eq!(
        DqnConfig { repeat: Some(1.0), ..DqnConfig::default() }.validate().unwrap_err().field,
        "repeat"
    );
    let atoms = Some(Atoms { count: 1, low: 0.0, high: 1.0 });
    assert_eq!(DqnConfig { atoms, ..DqnConfig::default() }.validate().unwrap_err().field, "atoms");
    assert_eq!(SacConfig { noise: -0.1, ..SacConfig::default() }.validate().unwrap_err().field, "noise");
    let error = fornax_nn_core::config::from_json::<PpoConfig>(r#"{"gama": 0.9}"#).unwrap_err();
    assert!(error.to_string().contains("gama"), "{error}");
}

/// A cart whose sensor breaks.
struct Broken {
    cart: CartPole,
    steps: u64,
    what: &'static str,
}

impl Env for Broken {
    fn name(&self) -> &str {
        "Broken"
    }

    fn observation_space(&self) -> Space {
        self.cart.observation_space()
    }

    fn action_space(&self) -> Space {
        self.cart.action_space()
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        self.cart.reset_into(seed, observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let mut outcome = self.cart.step_into(action, observation)?;
        self.steps += 1;
        if self.steps == 5 && self.what == "observation" {
            observation[2] = f32::NAN;
        }
        if self.steps == 5 && self.what == "reward" {
            outcome.reward = f64::INFINITY;
        }
        Ok(outcome)
    }
}

#[test]
fn nan_stops_the_run_and_names_environment_and_step() {
    for what in ["observation", "reward"] {
        let pool = Pool::build(2, |i| {
            Ok(Broken { cart: CartPole::new(), steps: 0, what: if i == 1 { what } else { "" } })
        });
        let mut ppo = Ppo::new(small(), Box::new(pool.unwrap()), 0, &Device::flex()).unwrap();
        let error = ppo.advance().unwrap_err();
        assert!(matches!(error, AgentError::Env(EnvError::NonFinite { index: 1, step: 5, .. })), "{error:?}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn a_learning_rate_that_blows_up_is_an_error_and_not_a_panic() {
    let config = PpoConfig { lr: Ramp::constant(1e38), epochs: 20, max_norm: 1e30, ..small() };
    let mut ppo = Ppo::new(config, make_vec("CartPole-v1", 2).unwrap(), 0, &Device::flex()).unwrap();
    let error = (0..20).find_map(|_| ppo.advance().err()).expect("the weights overflow");
    assert!(matches!(error, AgentError::Diverged { agent: "ppo", .. }), "{error:?}");
}

#[test]
fn states_of_other_agents_are_refused() {
    let mut ppo = agent("ppo", &Task::Both, &choice(), 0.9, 1_000, 0);
    let mut dqn = agent("dqn", &Task::Both, &choice(), 0.9, 1_000, 0);
    let sac = agent("sac", &Task::Both, &number(), 0.9, 1_000, 0);
    let saved = ppo.save().unwrap();
    let error = dqn.load(&saved).unwrap_err();
    assert!(matches!(&error, AgentError::State { .. }), "{error:?}");
    assert!(ppo.load(&sac.save().unwrap()).is_err());
    assert!(ppo.load(&Parts::default()).unwrap_err().to_string().contains("missing"));
    // The same agent in another environment.
    let mut wide = Ppo::new(small(), make_vec("CartPole-v1", 8).unwrap(), 0, &Device::flex()).unwrap();
    assert!(wide.load(&saved).is_err());
}
