"""Advantages, distributions, running moments of Stable-Baselines3, and C51's projection and prioritised weights in plain NumPy, for
`crates/rl/tests/agents/parity.rs`. Run through `cargo xtask parity rl_agents`.

Inputs are sin(a·i + b), rounded to float32, on both sides.
"""

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common import distributions as d
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.running_mean_std import RunningMeanStd

import fixture


def wave(count, a, b):
    return np.sin(a * np.arange(count) + b).astype(np.float32)


def advantages(steps, n, gamma, lam):
    count = steps * n
    rewards, values, final = wave(count, 0.7, 1.0), wave(count, 0.9, 2.0), wave(count, 1.3, 3.0)
    terminated = np.arange(count) % 7 == 3
    truncated = (np.arange(count) % 11 == 5) & ~terminated
    # Stable-Baselines3 pays the value of the final observation with the last reward.
    rewards = rewards + np.where(truncated, np.float32(gamma) * final, 0).astype(np.float32)
    done = (terminated | truncated).reshape(steps, n)
    space = gym.spaces.Box(-1, 1, (1,))
    buffer = RolloutBuffer(steps, space, gym.spaces.Discrete(2), gamma=gamma, gae_lambda=lam, n_envs=n)
    buffer.rewards, buffer.values = rewards.reshape(steps, n), values.reshape(steps, n)
    buffer.episode_starts = np.vstack([np.zeros((1, n)), done[:-1]]).astype(np.float32)
    buffer.compute_returns_and_advantage(torch.tensor(wave(n, 1.1, 4.0)), done[-1])
    return buffer.advantages.reshape(-1), buffer.returns.reshape(-1)


def policies(entries):
    rows = 12
    logits = torch.tensor(wave(rows * 5, 1.7, 0.5).reshape(rows, 5) * 3)
    choices = torch.arange(rows) % 5
    categorical = d.CategoricalDistribution(5).proba_distribution(logits)
    entries["categorical.log_prob"] = fixture.entry(categorical.log_prob(choices))
    entries["categorical.entropy"] = fixture.entry(categorical.entropy())
    several = d.MultiCategoricalDistribution([2, 3]).proba_distribution(logits)
    pairs = torch.stack([torch.arange(rows) % 2, torch.arange(rows) % 3], 1)
    entries["multi.log_prob"] = fixture.entry(several.log_prob(pairs))
    entries["multi.entropy"] = fixture.entry(several.entropy())
    mean, log_std = logits[:, :2], torch.tensor(wave(2, 1.0, 0.3))
    actions = torch.tensor(wave(rows * 2, 0.4, 0.1).reshape(rows, 2)) * 2
    gaussian = d.DiagGaussianDistribution(2).proba_distribution(mean, log_std)
    entries["gaussian.log_prob"] = fixture.entry(gaussian.log_prob(actions))
    entries["gaussian.entropy"] = fixture.entry(gaussian.entropy())
    noise = torch.tensor(wave(rows * 2, 2.3, 0.2).reshape(rows, 2))
    squashed = d.SquashedDiagGaussianDistribution(2, epsilon=0.0).proba_distribution(mean.double(), log_std.double())
    u = mean.double() + log_std.double().exp() * noise.double()
    entries["squashed.action"] = fixture.entry(torch.tanh(u))
    entries["squashed.log_prob"] = fixture.entry(squashed.log_prob(torch.tanh(u), u))


def projection(batch, atoms, low, high):
    """Each atom's share by its triangle, all at once: another way than moving atoms one by one."""
    z = np.linspace(low, high, atoms)
    p = np.exp(wave(batch * atoms, 0.37, 0.0).reshape(batch, atoms).astype(np.float64))
    p /= p.sum(1, keepdims=True)
    moved = 3.0 * wave(batch, 0.8, 0.4)[:, None] + 0.9 * (np.arange(batch) % 3 > 0)[:, None] * z
    near = np.clip(1 - np.abs(np.clip(moved, low, high)[:, None, :] - z[None, :, None]) / (z[1] - z[0]), 0, 1)
    return (near * p[:, None, :]).sum(2)


def priorities(count, alpha, beta, epsilon):
    p = (np.abs(wave(count, 0.6, 0.7).astype(np.float64)) + epsilon) ** alpha
    weights = (count * p / p.sum()) ** -beta
    return weights / weights.max()


def moments():
    running = RunningMeanStd(shape=(3,))
    for k in range(5):
        running.update(wave(12, 0.9, k).reshape(4, 3).astype(np.float64) * (k + 1))
    return np.concatenate([running.mean, running.var])


def memory(entries, steps=6, n=3, inputs=4, units=5):
    """torch.nn.LSTM, step by step, as sb3-contrib's recurrent policies call it: h and c are zeroed where an episode begins."""
    lstm = torch.nn.LSTM(inputs, units)
    weights = {"weight_ih_l0": (4 * units, inputs, 0.7), "weight_hh_l0": (4 * units, units, 0.9), "bias_ih_l0": (4 * units, 1, 1.1)}
    with torch.no_grad():
        lstm.bias_hh_l0.zero_()
        for name, (rows, columns, a) in weights.items():
            parameter = getattr(lstm, name)
            parameter.copy_(torch.tensor(wave(rows * columns, a, 0.2)).reshape(parameter.shape) * 0.5)
    x = torch.tensor(wave(steps * n * inputs, 0.31, 0.4)).reshape(steps, n, inputs)
    h, c = (torch.tensor(wave(n * units, a, 0.3)).reshape(1, n, units) for a in (1.3, 1.7))
    begins = torch.tensor([i in (4, 9, 10) for i in range(steps * n)]).reshape(steps, n)
    outputs = []
    for t in range(steps):
        keep = (~begins[t]).float().reshape(1, n, 1)
        output, (h, c) = lstm(x[t : t + 1], (h * keep, c * keep))
        outputs.append(output[0])
    output = torch.cat(outputs)
    (output * torch.tensor(wave(steps * n * units, 0.53, 0.6)).reshape(output.shape)).sum().backward()
    entries["lstm.output"] = fixture.entry(output)
    for name in weights:
        entries[f"lstm.gradient.{name}"] = fixture.entry(getattr(lstm, name).grad)


def main():
    entries = {}
    for name, gamma, lam in [("gae", 0.98, 0.8), ("lambda_one", 0.9, 1.0), ("lambda_zero", 0.9, 0.0)]:
        found, returns = advantages(16, 3, gamma, lam)
        entries[f"{name}.advantages"] = fixture.entry(torch.tensor(found), keep=48)
        entries[f"{name}.returns"] = fixture.entry(torch.tensor(returns), keep=48)
    policies(entries)
    entries["projection"] = fixture.entry(torch.tensor(projection(8, 11, -2.0, 2.0)), keep=88)
    entries["weights"] = fixture.entry(torch.tensor(priorities(16, 0.6, 0.4, 1e-6)))
    entries["moments"] = fixture.exact(moments())
    memory(entries)
    fixture.write("rl", "agents", entries)


main()
