//! Every environment of the library is sound; every kind of broken one is named.

use fornax_rl::check_env::{Flaw, check_env};
use fornax_rl::random::Pcg64;
use fornax_rl::wrapper::{
    ClipAction, FrameStack, Monitor, NormalizeObservation, NormalizeReward, RescaleAction, TimeLimit,
};
use fornax_rl::{Action, Env, EnvError, Outcome, Space, make, registry};
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    NoName,
    EmptyObservations,
    EmptyActions,
    OpenActions,
    ResetFails,
    RefusesValid,
    ResetWritesHalf,
    StepWritesHalf,
    ResetShowsNan,
    StepShowsInfinity,
    ResetOutside,
    StepOutside,
    PaysNan,
    IgnoresSeed,
    OwnClock,
    RandomReward,
    SameEpisode,
    AcceptsImpossible,
    AcceptsOtherKind,
    AcceptsNan,
    RefusedMoves,
    StepBeforeReset,
    StepAfterEnd,
    ShortResetBuffer,
    ShortStepBuffer,
    LoadFails,
    LoadForgets,
    LoadsAnything,
    SpaceChanges,
    ResetDoesNotBegin,
}

/// A walk on [0, 1] that ends after nine steps, with one fault.
struct Toy {
    fault: Fault,
    place: f32,
    left: u32,
    episodes: u32,
    steps: u64,
    rng: Pcg64,
    hidden: Pcg64,
}

impl Toy {
    fn new(fault: Fault) -> Self {
        Self { fault, place: 0.5, left: 0, episodes: 0, steps: 0, rng: Pcg64::new(0), hidden: Pcg64::new(99) }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn refuse(&self, action: Action<'_>) -> EnvError {
        EnvError::InvalidAction { env: "Toy".into(), expected: "…".into(), found: format!("{action:?}") }
    }

    fn size(&self, found: usize) -> EnvError {
        EnvError::Size { env: "Toy".into(), what: "observation", expected: 2, found }
    }

    fn write(&self, to: &mut [f32], value: f32, half: bool) {
        if let Some(first) = to.first_mut() {
            *first = value;
        }
        if !half && let Some(second) = to.get_mut(1) {
            *second = self.left as f32 / 9.0;
        }
    }
}

impl Env for Toy {
    fn name(&self) -> &str {
        if self.is(Fault::NoName) { "" } else { "Toy" }
    }

    fn observation_space(&self) -> Space {
        if self.is(Fault::EmptyObservations) {
            return Space::vector([1.0, 0.0], [0.0, 1.0]);
        }
        let grown = self.is(Fault::SpaceChanges) && self.steps > 500;
        Space::interval(0.0, if grown { 2.0 } else { 1.0 }, &[2])
    }

    fn action_space(&self) -> Space {
        match self.fault {
            Fault::EmptyActions => Space::Discrete(0),
            Fault::OpenActions => Space::interval(-1.0, f32::INFINITY, &[1]),
            Fault::AcceptsNan => Space::interval(-1.0, 1.0, &[1]),
            _ => Space::Discrete(3),
        }
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        if self.is(Fault::ResetFails) {
            return Err(EnvError::NeedsReset { env: "Toy".into() });
        }
        if observation.len() != 2 && !self.is(Fault::ShortResetBuffer) {
            return Err(self.size(observation.len()));
        }
        match seed {
            Some(seed) if !self.is(Fault::IgnoresSeed) => self.rng = Pcg64::new(seed),
            None if self.is(Fault::SameEpisode) => self.rng = Pcg64::new(11),
            _ => {}
        }
        self.episodes = if seed.is_some() { 0 } else { self.episodes + 1 };
        self.place = self.rng.uniform(0.2, 0.8) as f32;
        self.left = if self.is(Fault::ResetDoesNotBegin) && self.episodes > 0 { 0 } else { 9 };
        let shown = match self.fault {
            Fault::ResetShowsNan => f32::NAN,
            Fault::ResetOutside => 1.5,
            _ => self.place,
        };
        self.write(observation, shown, self.is(Fault::ResetWritesHalf));
        Ok(())
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        if observation.len() != 2 && !self.is(Fault::ShortStepBuffer) {
            return Err(self.size(observation.len()));
        }
        let over = self.left == 0;
        if over && !(self.is(Fault::StepBeforeReset) && self.steps == 0) && !self.is(Fault::StepAfterEnd) {
            return Err(EnvError::NeedsReset { env: "Toy".into() });
        }
        if over && self.is(Fault::StepAfterEnd) && self.steps == 0 {
            return Err(EnvError::NeedsReset { env: "Toy".into() });
        }
        let push = match action {
            Action::Discrete(choice) if choice < 3 && !self.is(Fault::AcceptsNan) => choice as f32 - 1.0,
            Action::Discrete(3) if self.is(Fault::AcceptsImpossible) => 0.0,
            Action::Continuous([x]) if self.is(Fault::AcceptsNan) => x.clamp(-1.0, 1.0),
            Action::Continuous(_) if self.is(Fault::AcceptsOtherKind) => 0.0,
            _ => {
                if self.is(Fault::RefusedMoves) {
                    self.place = 0.0;
                }
                return Err(self.refuse(action));
            }
        };
        if self.is(Fault::RefusesValid) && push > 0.0 {
            return Err(self.refuse(action));
        }
        self.steps += 1;
        let push = if push.is_nan() { 0.0 } else { push };
        let noise = if self.is(Fault::OwnClock) { &mut self.hidden } else { &mut self.rng };
        self.place = (self.place + 0.1 * push + noise.uniform(-0.01, 0.01) as f32).clamp(0.0, 1.0);
        self.left = self.left.saturating_sub(1);
        let shown = match self.fault {
            Fault::StepShowsInfinity if self.left == 3 => f32::INFINITY,
            Fault::StepOutside if self.left == 3 => -0.5,
            _ => self.place,
        };
        self.write(observation, shown, self.is(Fault::StepWritesHalf));
        let reward = match self.fault {
            Fault::PaysNan if self.left == 4 => f64::NAN,
            Fault::RandomReward => self.hidden.unit(),
            _ => f64::from(self.place),
        };
        Ok(Outcome { reward, terminated: self.left == 0, truncated: false })
    }

    fn save(&self) -> Option<Value> {
        serde_json::to_value((self.place, self.left, &self.rng)).ok()
    }

    fn load(&mut self, saved: &Value) -> Result<(), EnvError> {
        let state = |reason: &str| EnvError::State { env: "Toy".into(), reason: reason.into() };
        if self.is(Fault::LoadFails) {
            return Err(state("no"));
        }
        match serde_json::from_value::<(f32, u32, Pcg64)>(saved.clone()) {
            Ok((place, left, rng)) => {
                (self.place, self.left) = (place, left);
                if !self.is(Fault::LoadForgets) {
                    self.rng = rng;
                }
                Ok(())
            }
            Err(_) if self.is(Fault::LoadsAnything) => Ok(()),
            Err(error) => Err(state(&error.to_string())),
        }
    }
}

fn flaw(fault: Fault) -> Flaw {
    check_env(&mut Toy::new(fault)).expect_err(&format!("{fault:?}"))
}

#[test]
fn the_sound_one_passes() {
    check_env(&mut Toy::new(Fault::None)).unwrap();
}

/// A test for each fault: its flaw, by pattern.
macro_rules! faults {
    ($($test:ident: $fault:ident => $flaw:pat,)*) => {
        $(
            #[test]
            fn $test() {
                let found = flaw(Fault::$fault);
                assert!(matches!(found, $flaw), "{found}");
                assert!(found.to_string().len() > 10, "a reason in words: {found}");
            }
        )*
    };
}

faults! {
    no_name: NoName => Flaw::NoName,
    impossible_observations: EmptyObservations => Flaw::Space { what: "observation", .. },
    impossible_actions: EmptyActions => Flaw::Space { what: "action", .. },
    open_actions: OpenActions => Flaw::UnboundedAction { index: 0, .. },
    reset_fails: ResetFails => Flaw::ResetFails(_),
    a_valid_action_refused: RefusesValid => Flaw::StepFails { .. },
    reset_writes_half: ResetWritesHalf => Flaw::NotWritten { call: "reset", index: 1 },
    step_writes_half: StepWritesHalf => Flaw::NotWritten { call: "step", index: 1 },
    reset_shows_nan: ResetShowsNan => Flaw::NonFiniteObservation { call: "reset", index: 0, .. },
    step_shows_infinity: StepShowsInfinity => Flaw::NonFiniteObservation { call: "step", index: 0, .. },
    reset_outside: ResetOutside => Flaw::OutOfSpace { call: "reset", index: 0, .. },
    step_outside: StepOutside => Flaw::OutOfSpace { call: "step", index: 0, .. },
    pays_nan: PaysNan => Flaw::NonFiniteReward { step: 4, .. },
    seed_ignored: IgnoresSeed => Flaw::SeedIgnoredByReset,
    randomness_beside_the_seed: OwnClock => Flaw::NotReproducible { .. },
    random_reward: RandomReward => Flaw::NotReproducible { step: 0, what: "reward" },
    the_same_episode_again: SameEpisode => Flaw::SameEpisodeAgain,
    impossible_action_accepted: AcceptsImpossible => Flaw::AcceptsImpossible(_),
    other_kind_accepted: AcceptsOtherKind => Flaw::AcceptsOtherKind(_),
    nan_accepted: AcceptsNan => Flaw::AcceptsNan,
    refused_action_moves: RefusedMoves => Flaw::RefusedActionMoves,
    step_before_reset: StepBeforeReset => Flaw::StepBeforeReset,
    step_after_end: StepAfterEnd => Flaw::StepAfterEnd,
    short_reset_buffer: ShortResetBuffer => Flaw::WrongBuffer { call: "reset", len: 1, expected: 2 },
    short_step_buffer: ShortStepBuffer => Flaw::WrongBuffer { call: "step", len: 1, expected: 2 },
    load_fails: LoadFails => Flaw::LoadFails(_),
    load_forgets: LoadForgets => Flaw::LoadForgets(_),
    loads_anything: LoadsAnything => Flaw::LoadsNonsense(_),
    space_changes: SpaceChanges => Flaw::SpaceChanges { what: "observation", .. },
    reset_does_not_begin: ResetDoesNotBegin => Flaw::ResetDoesNotBegin(_),
}

#[test]
fn every_registered_environment_is_sound() {
    for name in registry() {
        check_env(&mut make(name).unwrap()).unwrap_or_else(|flaw| panic!("{name}: {flaw}"));
    }
}

#[test]
fn wrapped_environments_are_sound() {
    let pendulum = || make("Pendulum-v1").unwrap();
    let wrapped: [(&str, Box<dyn Env>); 5] = [
        ("time limit", Box::new(TimeLimit::new(pendulum(), 7).unwrap())),
        ("frame stack", Box::new(FrameStack::new(pendulum(), 3).unwrap())),
        ("pixels", Box::new(FrameStack::new(make("Catch-v0").unwrap(), 2).unwrap())),
        ("rescale", Box::new(RescaleAction::new(pendulum()).unwrap())),
        ("monitor", Box::new(Monitor::new(pendulum()))),
    ];
    for (name, mut env) in wrapped {
        check_env(&mut *env).unwrap_or_else(|flaw| panic!("{name}: {flaw}"));
    }
    // Clipped actions have no bounds, and a running mean remembers more than the seed: both are named.
    let clipped = check_env(&mut ClipAction::new(pendulum()).unwrap()).unwrap_err();
    assert!(matches!(clipped, Flaw::UnboundedAction { .. }), "{clipped}");
    let normal = check_env(&mut NormalizeObservation::new(pendulum(), 5.0).unwrap()).unwrap_err();
    assert!(matches!(normal, Flaw::SeedIgnoredByReset), "{normal}");
}

#[test]
fn normalisers_whiten_what_they_see_and_are_saved_with_their_statistics() {
    let mut env = NormalizeObservation::new(make("Pendulum-v1").unwrap(), 10.0).unwrap();
    let mut rng = Pcg64::new(0);
    let mut seen = Vec::new();
    let mut collect = |env: &mut NormalizeObservation<_>, n: usize, keep: bool| {
        for _ in 0..n {
            let step = env.step(Action::Continuous(&[rng.uniform(-2.0, 2.0) as f32])).unwrap();
            if keep {
                seen.push(step.observation[2]);
            }
            if step.truncated {
                env.reset(None).unwrap();
            }
        }
    };
    env.reset(Some(0)).unwrap();
    collect(&mut env, 4_000, false);
    collect(&mut env, 4_000, true);
    let mean = seen.iter().sum::<f32>() / 4_000.0;
    let variance = seen.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 4_000.0;
    assert!(mean.abs() < 0.2 && (0.6..1.5).contains(&variance), "{mean} {variance}");

    let saved = env.save().unwrap();
    let mut other = NormalizeObservation::new(make("Pendulum-v1").unwrap(), 10.0).unwrap();
    other.load(&saved).unwrap();
    for env in [&mut env, &mut other] {
        env.set_training(false);
    }
    for _ in 0..50 {
        let action = Action::Continuous(&[0.3]);
        assert_eq!(env.step(action), other.step(action));
    }
    assert_eq!(env.stats(), other.stats());
    let mut car = NormalizeObservation::new(make("MountainCar-v0").unwrap(), 10.0).unwrap();
    assert!(car.load(&saved).is_err(), "statistics of three numbers for two");
    assert!(NormalizeObservation::new(make("Taxi-v3").unwrap(), 10.0).is_err());
}

#[test]
fn scaled_rewards_have_the_deviation_of_the_return() {
    // A cart pays 1 a step: R = Σ γᵏ. The scale is the deviation of R over all steps, by two passes over the same list.
    let mut env = NormalizeReward::new(make("CartPole-v1").unwrap(), 0.9, 10.0).unwrap();
    env.reset(Some(0)).unwrap();
    let (mut returns, mut discounted): (Vec<f64>, f64) = (Vec::new(), 0.0);
    let mut rng = Pcg64::new(4);
    let mut last = f64::NAN;
    for _ in 0..2_000 {
        let step = env.step(Action::Discrete(rng.below(2) as usize)).unwrap();
        discounted = 0.9 * discounted + 1.0;
        returns.push(discounted);
        last = step.reward;
        if step.terminated || step.truncated {
            discounted = 0.0;
            env.reset(None).unwrap();
        }
    }
    let mean = returns.iter().sum::<f64>() / 2_000.0;
    let deviation = (returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 2_000.0).sqrt();
    assert!((last * deviation - 1.0).abs() < 1e-4, "{last} {deviation}");
    assert!(NormalizeReward::new(make("CartPole-v1").unwrap(), 1.5, 10.0).is_err());
}
