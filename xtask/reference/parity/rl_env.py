"""Fifty episodes of each environment in Gymnasium, seeds and actions in closed form.

Every fifth episode is seeded with its number, the others go on with the environment's own generator, so the draws of resets and of
slippery steps are compared as well. Of each episode the fixture holds its length, return, end, a weighted sum of rewards and
observations over all steps, and four observations.

Run through `cargo xtask parity rl_env`.
"""

import math
import warnings

import gymnasium
import numpy as np

import closed_form
import fixture

EPISODES = 50
warnings.filterwarnings("ignore")


def discrete(n):
    return lambda u, observation: min(int((u + 1) / 2 * n), n - 1)


def scaled(factor):
    return lambda u, observation: np.array([np.float32(u) * np.float32(factor)], dtype=np.float32)


def balance(u, observation):
    return int(observation[2] + 0.3 * observation[3] + 0.05 * u > 0)


def swing_car(u, observation):
    return 1 if u > 0.9 else (2 if observation[1] >= 0 else 0)


def throttle_car(u, observation):
    size = np.float32(1.2) if u > 0 else np.float32(0.9)
    return np.array([size if observation[1] >= 0 else -size], dtype=np.float32)


def pump(u, observation):
    return 1 if u > 0.9 else (2 if observation[4] >= 0 else 0)


def stick_at_17(u, observation):
    return int(observation[0] < 17)


# Name, kwargs, what even and odd episodes do, most steps of an episode without a limit of its own.
CASES = {
    "CartPole-v1": ({}, discrete(2), balance, None),
    "MountainCar-v0": ({}, discrete(3), swing_car, None),
    "MountainCarContinuous-v0": ({}, scaled(1.5), throttle_car, None),
    "Acrobot-v1": ({}, discrete(3), pump, None),
    "Pendulum-v1": ({}, scaled(1.0), scaled(2.5), None),
    "FrozenLake-v1": ({}, discrete(4), discrete(4), None),
    "FrozenLake-v1 dry": ({"is_slippery": False}, discrete(4), discrete(4), None),
    "FrozenLake8x8-v1": ({}, discrete(4), discrete(4), None),
    "CliffWalking-v1": ({}, discrete(4), discrete(4), 300),
    "CliffWalking-v1 slippery": ({"is_slippery": True}, discrete(4), discrete(4), 300),
    "Taxi-v3": ({}, discrete(6), None, None),
    "Blackjack-v1": ({"sab": True}, discrete(2), stick_at_17, None),
    "Blackjack-v1 casino": ({"sab": False, "natural": True}, stick_at_17, stick_at_17, None),
}


def optimal_rides(env):
    """The shortest rides, by iterating Bellman's equation."""
    table = env.unwrapped.P
    values = np.zeros(len(table))
    for _ in range(60):
        for state, actions in table.items():
            values[state] = max(r + (0 if end else values[s]) for [(_, s, r, end)] in actions.values())

    def best(state):
        gain = lambda a: table[state][a][0][2] + (0 if table[state][a][0][3] else values[table[state][a][0][1]])
        return max(range(6), key=gain)

    return best


def vector(observation):
    return np.atleast_1d(np.asarray(observation, dtype=np.float32))


entries = {}
for name, (kwargs, even, odd, limit) in CASES.items():
    # Version 4 of the taxi without rain is version 3, which Gymnasium 1.4 no longer registers.
    made = name.split()[0].replace("Taxi-v3", "Taxi-v4")
    env = gymnasium.make(made, disable_env_checker=True, **kwargs)
    best = optimal_rides(env) if odd is None else None
    rows = {key: [] for key in ("lengths", "returns", "ends", "sums", "observations", "rides")}
    for episode in range(EPISODES):
        observation, _ = env.reset(seed=episode) if episode % 5 == 0 else env.reset()
        u = closed_form.uniform(f"{name} {episode}", 1024)
        seen, rewards = [vector(observation)], []
        terminated = truncated = False
        while not (terminated or truncated) and len(rewards) != limit:
            if episode % 2 == 1 and best:
                action = best(observation)
                rows["rides"].append(float(action))
            else:
                action = (odd if episode % 2 == 1 else even)(u[len(rewards)], observation)
            observation, reward, terminated, truncated, _ = env.step(action)
            seen.append(vector(observation))
            rewards.append(float(reward))
        length = len(rewards)
        rows["lengths"].append(float(length))
        rows["returns"].append(math.fsum(rewards))
        rows["ends"].append(terminated + 2.0 * truncated)
        weighted = math.fsum((t % 7 + 1) * r for t, r in enumerate(rewards))
        total = math.fsum((t % 5 + 1) * float(o.astype(np.float64).sum()) for t, o in enumerate(seen))
        rows["sums"].append([weighted, total])
        rows["observations"].append([seen[t] for t in (0, 1, length // 2, length)])
    for key, values in rows.items():
        if values:
            array = np.asarray(values, dtype=np.float64)
            entry = fixture.exact(array)
            if key in ("observations", "sums"):
                digits = 9 if key == "observations" else 15
                entry["values"] = [float(f"{value:.{digits}g}") for value in entry["values"]]
            entries[f"{name}.{key}"] = entry

fixture.write("rl", "env", entries, f"Gymnasium {gymnasium.__version__}, NumPy {np.__version__}")
