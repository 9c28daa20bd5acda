"""Stable-Baselines3's side of docs/results/rl.md: DQN with the RL Zoo's settings, one line a seed.

Run `python xtask/reference/sb3_seeds.py CartPole-v1 0 1 2 3 4`. Each line is a JSON object with the mean return of the final
agent over 100 episodes without exploration, that of the last 100 training episodes, and evaluations over 10 episodes along the way.
"""

import json
import sys
import time

import gymnasium
import numpy
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

torch.set_num_threads(1)

WIDE = {"net_arch": [256, 256]}
SETTINGS = {
    "CartPole-v1": (50_000, dict(
        learning_rate=2.3e-3, batch_size=64, buffer_size=100_000, learning_starts=1_000, gamma=0.99, target_update_interval=10,
        train_freq=256, gradient_steps=128, exploration_fraction=0.16, exploration_final_eps=0.04, policy_kwargs=WIDE,
    )),
    "Acrobot-v1": (100_000, dict(
        learning_rate=6.3e-4, batch_size=128, buffer_size=50_000, learning_starts=0, gamma=0.99, target_update_interval=250,
        train_freq=4, gradient_steps=-1, exploration_fraction=0.12, exploration_final_eps=0.1, policy_kwargs=WIDE,
    )),
    "MountainCar-v0": (120_000, dict(
        learning_rate=4e-3, batch_size=128, buffer_size=10_000, learning_starts=1_000, gamma=0.98, target_update_interval=600,
        train_freq=16, gradient_steps=8, exploration_fraction=0.2, exploration_final_eps=0.07, policy_kwargs=WIDE,
    )),
}


class Along(BaseCallback):
    """Evaluates every twentieth of the run."""

    def __init__(self, name, every):
        super().__init__()
        self.env, self.every, self.history = Monitor(gymnasium.make(name)), every, []

    def _on_step(self):
        if self.num_timesteps % self.every == 0:
            self.history.append(evaluate_policy(self.model, self.env, n_eval_episodes=10)[0])
        return True


def main():
    name, seeds = sys.argv[1], [int(seed) for seed in sys.argv[2:]]
    steps, settings = SETTINGS[name]
    for seed in seeds:
        began = time.perf_counter()
        env = Monitor(gymnasium.make(name))
        model = DQN("MlpPolicy", env, seed=seed, device="cpu", **settings)
        along = Along(name, steps // 20)
        model.learn(steps, callback=along)
        seconds = time.perf_counter() - began
        test = Monitor(gymnasium.make(name))
        test.reset(seed=2**31)
        final, _ = evaluate_policy(model, test, n_eval_episodes=100)
        training = float(numpy.mean(env.get_episode_rewards()[-100:]))
        line = {"env": name, "seed": seed, "final": float(final), "training": training, "along": along.history, "seconds": seconds}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
