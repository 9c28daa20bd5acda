//! Environments with known answers, and small agents of every kind.

use burn::tensor::Device;
use fornax_rl::a2c::{A2c, A2cConfig};
use fornax_rl::agent::{Agent, Ramp, within_pool};
use fornax_rl::dqn::{Dqn, DqnConfig};
use fornax_rl::env::{Action, Env, Outcome};
use fornax_rl::policy::ActorCriticConfig;
use fornax_rl::ppo::{Ppo, PpoConfig};
use fornax_rl::random::Pcg64;
use fornax_rl::recurrent_ppo::{RecurrentPpo, RecurrentPpoConfig};
use fornax_rl::reinforce::{Reinforce, ReinforceConfig};
use fornax_rl::sac::{Sac, SacConfig, Temperature};
use fornax_rl::td3::{Td3, Td3Config};
use fornax_rl::vector::{Pool, VecEnv};
use fornax_rl::{EnvError, Space};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Say what you see: reward 1 for the right choice, 1 − |a − o| for a number, the share of right ones for several.
    Identity,
    /// One step, reward 1.
    Constant,
    /// One step, the reward is the observation, ±1.
    Observed,
    /// Two steps, observations 0 and 1, reward 1 after the second.
    Delayed,
    /// One step, reward 1 for the action 1 (a positive number), −1 for the other.
    Acted,
    /// One step, observation ±1, reward 1 when the action has its sign, else −1.
    Both,
    /// Steps 0 and 1 of a game that pays 1 for ever and is stopped after them.
    Stopped,
    /// The same, but it is over after them.
    Over,
    /// ±1 is shown once, then nothing; reward 1 when the action of the fourth step has its sign, else −1.
    Remember,
}

/// The environment of a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Probe {
    task: Task,
    actions: Space,
    observation: Vec<f32>,
    time: usize,
    /// What was shown at the beginning.
    cue: f32,
    rng: Pcg64,
}

impl Probe {
    pub(crate) fn new(task: Task, actions: Space) -> Self {
        Self { task, actions, observation: vec![0.0], time: 0, cue: 0.0, rng: Pcg64::new(0) }
    }

    fn look(&mut self) {
        self.observation = match self.task {
            Task::Identity => match self.actions.sample(&mut self.rng).borrow() {
                Action::Discrete(choice) => vec![choice as f32],
                Action::MultiDiscrete(choices) => choices.iter().map(|&choice| choice as f32).collect(),
                Action::Continuous(values) => values.to_vec(),
            },
            Task::Observed | Task::Both => vec![if self.rng.unit() < 0.5 { -1.0 } else { 1.0 }],
            Task::Constant | Task::Acted => vec![0.0],
            Task::Delayed | Task::Stopped | Task::Over => vec![self.time as f32],
            Task::Remember if self.time > 0 => vec![0.0],
            Task::Remember => {
                self.cue = if self.rng.unit() < 0.5 { -1.0 } else { 1.0 };
                vec![self.cue]
            }
        };
    }

    fn reward(&self, action: Action<'_>) -> f64 {
        let positive = match action {
            Action::Discrete(choice) => choice == 1,
            Action::Continuous(values) => values[0] > 0.0,
            Action::MultiDiscrete(_) => unreachable!(),
        };
        let sign = |right: bool| if right { 1.0 } else { -1.0 };
        match self.task {
            Task::Identity => match action {
                Action::Discrete(choice) => f64::from(u8::from(choice as f32 == self.observation[0])),
                Action::Continuous(a) => 1.0 - f64::from((a[0] - self.observation[0]).abs()),
                Action::MultiDiscrete(choices) => {
                    let right = choices.iter().zip(&self.observation).filter(|(c, o)| **c as f32 == **o);
                    right.count() as f64 / choices.len() as f64
                }
            },
            Task::Constant | Task::Stopped | Task::Over => 1.0,
            Task::Observed => f64::from(self.observation[0]),
            Task::Delayed => self.time as f64,
            Task::Acted => sign(positive),
            Task::Both => sign(positive == (self.observation[0] > 0.0)),
            Task::Remember if self.time < 3 => 0.0,
            Task::Remember => sign(positive == (self.cue > 0.0)),
        }
    }
}

impl Env for Probe {
    fn name(&self) -> &str {
        "Probe"
    }

    fn observation_space(&self) -> Space {
        match self.task {
            Task::Identity => self.actions.clone(),
            _ => Space::interval(-1.0, 1.0, &[1]),
        }
    }

    fn action_space(&self) -> Space {
        self.actions.clone()
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.rng = Pcg64::new(seed);
        }
        self.time = 0;
        self.look();
        observation.copy_from_slice(&self.observation);
        Ok(())
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let identity =
            self.task == Task::Identity && !matches!(action, Action::Discrete(_) | Action::Continuous(_));
        let reward = if identity {
            let Action::MultiDiscrete(choices) = action else { unreachable!() };
            let right = choices.iter().zip(&self.observation).filter(|(c, o)| **c as f32 == **o);
            right.count() as f64 / choices.len() as f64
        } else {
            self.reward(action)
        };
        self.time += 1;
        let (end, stopped) = match self.task {
            Task::Identity => (self.time == 100, true),
            Task::Constant | Task::Observed | Task::Acted | Task::Both => (true, false),
            Task::Delayed | Task::Over => (self.time == 2, false),
            Task::Stopped => (self.time == 2, true),
            Task::Remember => (self.time == 4, false),
        };
        // The final observation of a stopped game looks like its last step: the future is the same.
        let time = self.time;
        self.time = time.min(1);
        self.look();
        self.time = time;
        observation.copy_from_slice(&self.observation);
        Ok(Outcome { reward, terminated: end && !stopped, truncated: end && stopped })
    }

    fn save(&self) -> Option<Value> {
        serde_json::to_value(self).ok()
    }

    fn load(&mut self, saved: &Value) -> Result<(), EnvError> {
        *self = serde_json::from_value(saved.clone()).unwrap();
        Ok(())
    }
}

pub(crate) fn envs(n: usize, task: &Task, actions: &Space) -> Box<dyn VecEnv> {
    Box::new(Pool::build(n, |_| Ok(Probe::new(task.clone(), actions.clone()))).unwrap())
}

pub(crate) fn choice() -> Space {
    Space::Discrete(2)
}

pub(crate) fn number() -> Space {
    Space::interval(-1.0, 1.0, &[1])
}

fn network() -> ActorCriticConfig {
    ActorCriticConfig { hidden: vec![32], ..ActorCriticConfig::default() }
}

/// An agent of the given kind for a run of `steps`, small and eager.
pub(crate) fn agent(
    kind: &str,
    task: &Task,
    actions: &Space,
    gamma: f64,
    steps: u64,
    seed: u64,
) -> Box<dyn Agent> {
    let device = Device::flex();
    let dqn = DqnConfig {
        total_steps: steps,
        lr: Ramp::constant(3e-3),
        buffer_size: 5_000,
        learning_starts: 100,
        batch_size: 32,
        target_every: 50,
        train_every: 2,
        gamma,
        epsilon: Ramp { from: 1.0, to: 0.1, until: 0.5 },
        hidden: vec![32],
        ..DqnConfig::default()
    };
    let td3 = Td3Config {
        total_steps: steps,
        lr: 3e-3,
        buffer_size: 5_000,
        batch_size: 32,
        tau: 0.02,
        gamma,
        train_every: 2,
        noise: 0.3,
        hidden: vec![32],
        ..Td3Config::default()
    };
    match kind {
        "ppo" | "recurrent" => {
            let ppo = PpoConfig {
                total_steps: steps,
                n_steps: 32,
                batch_size: 64,
                epochs: 4,
                lr: Ramp::constant(5e-3),
                gamma,
                network: network(),
                ..PpoConfig::default()
            };
            let envs = envs(8, task, actions);
            if kind == "ppo" {
                return Box::new(Ppo::new(ppo, envs, seed, &device).unwrap());
            }
            let config = RecurrentPpoConfig { ppo: PpoConfig { batch_size: 128, ..ppo }, memory: 16 };
            Box::new(RecurrentPpo::new(config, envs, seed, &device).unwrap())
        }
        "a2c" => {
            let config = A2cConfig {
                total_steps: steps,
                n_steps: 8,
                lr: Ramp::constant(5e-3),
                gamma,
                normalize_advantage: true,
                network: network(),
                ..A2cConfig::default()
            };
            Box::new(A2c::new(config, envs(8, task, actions), seed, &device).unwrap())
        }
        "reinforce" | "reinforce-plain" => {
            let config = ReinforceConfig {
                total_steps: steps,
                episodes: if *task == Task::Identity { 1 } else { 16 },
                lr: 1e-2,
                gamma,
                baseline: kind == "reinforce",
                network: network(),
                ..ReinforceConfig::default()
            };
            Box::new(Reinforce::new(config, envs(1, task, actions), seed, &device).unwrap())
        }
        "dqn" => Box::new(Dqn::new(dqn, envs(1, task, actions), seed, &device).unwrap()),
        "rainbow" => {
            let atoms = fornax_rl::dqn::Atoms { count: 21, low: -5.0, high: 5.0 };
            let config = DqnConfig {
                dueling: true,
                priority: Some(fornax_rl::buffer::Priority::default()),
                n_step: 2,
                repeat: (*task == Task::Both).then_some(2.0),
                atoms: Some(atoms),
                ..dqn
            };
            Box::new(Dqn::new(config, envs(1, task, actions), seed, &device).unwrap())
        }
        "td3" => Box::new(Td3::new(td3, envs(1, task, actions), seed, &device).unwrap()),
        "ddpg" => {
            let config =
                Td3Config { name: "ddpg".into(), critics: 1, policy_every: 1, target_noise: 0.0, ..td3 };
            Box::new(Td3::new(config, envs(1, task, actions), seed, &device).unwrap())
        }
        "sac" | "sac-wandering" => {
            let config = SacConfig {
                noise: if kind == "sac" { 0.0 } else { 0.3 },
                total_steps: steps,
                lr: 3e-3,
                buffer_size: 5_000,
                batch_size: 32,
                tau: 0.02,
                gamma,
                train_every: 2,
                // A low price, so that values are those of the rewards to within the tolerance.
                temperature: Temperature::Fixed(0.01),
                hidden: vec![32],
                ..SacConfig::default()
            };
            Box::new(Sac::new(config, envs(1, task, actions), seed, &device).unwrap())
        }
        _ => unreachable!("{kind}"),
    }
}

/// Runs an agent to its end.
pub(crate) fn train(agent: &mut dyn Agent) {
    within_pool(|| {
        while agent.steps() < agent.total_steps() {
            agent.advance().unwrap();
        }
    });
}
