//! Many environments at once: against single ones, and for any number of threads.

use fornax_rl::random::Pcg64;
use fornax_rl::vector::{AcrobotBatch, CartPoleBatch, MountainCarBatch, PendulumBatch, Pool};
use fornax_rl::{Actions, Env, Space, VecEnv, VecStep, make, make_batch, make_vec, registry};

/// Random actions of `n` environments, one slice of either kind.
struct Acting {
    rng: Pcg64,
    choices: Vec<usize>,
    numbers: Vec<f32>,
}

impl Acting {
    fn new(n: usize, space: &Space) -> Self {
        let len = n * space.len();
        Self { rng: Pcg64::new(99), choices: vec![0; len], numbers: vec![0.0; len] }
    }

    fn draw(&mut self, space: &Space) -> Actions<'_> {
        match space {
            Space::Discrete(n) => {
                self.choices.fill_with(|| self.rng.below(*n as u64) as usize);
                Actions::Discrete(&self.choices)
            }
            _ => {
                self.numbers.fill_with(|| self.rng.uniform(-1.0, 1.0) as f32);
                Actions::Continuous(&self.numbers)
            }
        }
    }
}

/// All bits of `steps` random steps.
fn run(envs: &mut dyn VecEnv, steps: usize) -> (Vec<VecStep>, Option<serde_json::Value>) {
    let space = envs.action_space();
    let mut acting = Acting::new(envs.num_envs(), &space);
    let mut step = envs.buffer();
    envs.reset(5, &mut step).unwrap();
    let mut all = vec![step.clone()];
    for _ in 0..steps {
        envs.step(acting.draw(&space), &mut step).unwrap();
        all.push(step.clone());
    }
    (all, envs.save())
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn one_or_many_threads_give_the_same_bits() {
    let batch = |parallel: bool| -> Vec<Box<dyn VecEnv>> {
        let n = 1_300; // more than 32 blocks, the last one not full
        let (a, b, c, d) = (
            CartPoleBatch::new(n).unwrap(),
            MountainCarBatch::new(n).unwrap(),
            PendulumBatch::new(n).unwrap(),
            AcrobotBatch::new(n).unwrap(),
        );
        let lakes = Pool::build(70, |_| make("FrozenLake-v1")).unwrap();
        let landers = Pool::build(7, |_| make("Lander-v0")).unwrap();
        if parallel {
            let (a, b, c, d) = (a.parallel(), b.parallel(), c.parallel(), d.parallel());
            let (lakes, landers) = (lakes.parallel(), landers.parallel());
            vec![Box::new(a), Box::new(b), Box::new(c), Box::new(d), Box::new(lakes), Box::new(landers)]
        } else {
            vec![Box::new(a), Box::new(b), Box::new(c), Box::new(d), Box::new(lakes), Box::new(landers)]
        }
    };
    for (i, mut serial) in batch(false).into_iter().enumerate() {
        let expected = run(&mut serial, 60);
        for threads in [1, 2, 3] {
            let found = with_threads(threads, || run(&mut batch(true)[i], 60));
            assert!(found == expected, "{} with {threads} threads", serial.name());
        }
    }
}

/// The share of finished episodes with the same length, and the largest difference of observations in each environment's first
/// `steps`.
fn against_single(name: &str, n: usize, steps: usize) -> f32 {
    let mut batch = make_batch(name, n).unwrap();
    let mut exact = make_vec(name, n).unwrap();
    let ((fast, _), (slow, _)) = (run(&mut batch, steps), run(&mut exact, steps));
    let mut worst = 0.0_f32;
    for (t, (fast, slow)) in fast.iter().zip(&slow).enumerate() {
        assert_eq!(
            (&fast.terminated, &fast.truncated),
            (&slow.terminated, &slow.truncated),
            "{name}, step {t}"
        );
        for i in 0..n {
            let pairs = fast.observation(i).iter().zip(slow.observation(i));
            worst = pairs.map(|(a, b)| (a - b).abs()).fold(worst, f32::max);
            if let (Some(a), Some(b)) = (fast.final_observation(i), slow.final_observation(i)) {
                worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(worst, f32::max);
            }
            assert!((fast.rewards[i] - slow.rewards[i]).abs() < 1e-3, "{name}, step {t}, environment {i}");
        }
    }
    worst
}

#[test]
fn batches_follow_the_exact_environments_within_f32() {
    // Up to two hundred steps; the carts fall and begin again some ten times in these. The pendulum and the acrobot are chaotic: a
    // difference of 1e-7 grows by a factor e within a few swings.
    for (name, steps, bound) in [
        ("CartPole-v1", 200, 2e-4),
        ("MountainCar-v0", 200, 2e-6),
        ("Pendulum-v1", 50, 2e-4),
        ("Acrobot-v1", 50, 1e-4),
    ] {
        let worst = against_single(name, 40, steps);
        assert!(worst <= bound, "{name}: {worst:e} after {steps} steps");
    }
}

#[test]
fn a_time_limit_truncates_batches_too() {
    let mut envs = PendulumBatch::new(3).unwrap();
    let mut step = envs.buffer();
    envs.reset(0, &mut step).unwrap();
    for t in 1..=400 {
        let before = step.observations.clone();
        envs.step(Actions::Continuous(&[0.0; 3]), &mut step).unwrap();
        assert_eq!(step.truncated, [t % 200 == 0; 3], "step {t}");
        if t % 200 == 0 {
            // The final observation belongs to the old episode, the observation to the new one.
            let (last, first) = (step.final_observation(0).unwrap(), step.observation(0));
            assert!((last[2] - before[2]).abs() <= 0.751 && last != first);
        }
    }
}

#[test]
fn a_saved_vector_goes_on_to_the_bit() {
    for name in registry() {
        let vectors: [Option<Box<dyn VecEnv>>; 2] = [make_vec(name, 5).ok(), make_batch(name, 20).ok()];
        for mut envs in vectors.into_iter().flatten() {
            let space = envs.action_space();
            let mut acting = Acting::new(envs.num_envs(), &space);
            let mut step = envs.buffer();
            envs.reset(2, &mut step).unwrap();
            for _ in 0..30 {
                envs.step(acting.draw(&space), &mut step).unwrap();
            }
            // Through text, as a checkpoint would.
            let saved = serde_json::to_string(&envs.save().unwrap()).unwrap();
            let saved: serde_json::Value = serde_json::from_str(&saved).unwrap();
            let mut other =
                if envs.num_envs() == 5 { make_vec(name, 5).unwrap() } else { make_batch(name, 20).unwrap() };
            other.load(&saved).unwrap();
            let mut again = other.buffer();
            for _ in 0..150 {
                let actions = acting.draw(&space);
                envs.step(actions, &mut step).unwrap();
                other.step(actions, &mut again).unwrap();
                assert_eq!(
                    (&step.observations, &step.rewards),
                    (&again.observations, &again.rewards),
                    "{name}"
                );
            }
            for wrong in [serde_json::json!(null), serde_json::json!([]), serde_json::json!([{"env": 1}])] {
                assert!(other.load(&wrong).is_err(), "{name}: {wrong}");
            }
        }
    }
}

#[test]
fn bad_actions_and_buffers_are_typed_errors() {
    let mut step = VecStep::new(4, 4);
    let mut envs: [Box<dyn VecEnv>; 2] =
        [make_vec("CartPole-v1", 4).unwrap(), make_batch("CartPole-v1", 4).unwrap()];
    for envs in &mut envs {
        envs.reset(0, &mut step).unwrap();
        let mut error = |actions| envs.step(actions, &mut step).unwrap_err().to_string();
        assert!(error(Actions::Discrete(&[0, 1, 2, 0])).contains("action Discrete(2), expected Discrete(2)"));
        assert!(error(Actions::Discrete(&[0, 1])).contains("actions has 2 values, expected 4"));
        assert!(error(Actions::Continuous(&[0.0; 4])).contains("Continuous"));
        let mut small = VecStep::new(3, 4);
        let error = envs.step(Actions::Discrete(&[0; 4]), &mut small).unwrap_err().to_string();
        assert!(error.contains("VecStep::observations has 12 values, expected 16"), "{error}");
    }
    let mut pendulums = make_batch("Pendulum-v1", 2).unwrap();
    let mut step = pendulums.buffer();
    pendulums.reset(0, &mut step).unwrap();
    let error = pendulums.step(Actions::Continuous(&[0.0, f32::NAN]), &mut step).unwrap_err().to_string();
    assert!(error.contains("NaN"), "{error}");
    assert!(make_batch("Taxi-v3", 2).err().unwrap().to_string().contains("unknown environment"));
    assert!(CartPoleBatch::new(0).is_err());
    let mut cart = make("CartPole-v1").unwrap();
    assert!(cart.step(fornax_rl::Action::Discrete(0)).unwrap_err().to_string().contains("call reset"));
}
