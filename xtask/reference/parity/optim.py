"""Reference trajectories of optimisers, for `crates/nn-core/tests/optim/optimizers.rs`. Run through `cargo xtask parity optim`.

Each case runs 25 steps in float64 from a fixed float32 start on one of three problems and keeps the parameters at some of the
steps. Float64 because the Rust side, in float32, is to be compared with the trajectory and not with another's rounding: on
the worst case (RMSProp with momentum on the network) PyTorch's own float32 run is 6e-6 away from this one.
Everything is torch.optim, except Lion, SAM and Lookahead, which PyTorch lacks: those are written here from their papers. An entry's name is the case as JSON, its values are one row of parameters for each step in `kept`.
"""

import json
import math

import torch

import fixture

STEPS = 25
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def wave(count, phase, scale):
    """The starting values both sides can compute: scale · sin(1.7·i + phase), rounded to float32."""
    return torch.tensor([scale * math.sin(1.7 * i + phase) for i in range(count)], dtype=torch.float32).double()


class Quadratic:
    """½ Σ aᵢ·(xᵢ − 1)², curvatures 1 to 100."""

    def __init__(self):
        self.parameters = {"x": wave(6, 0.3, 2.0)}
        self.curvature = torch.tensor([1.0, 2.5, 6.3, 16.0, 40.0, 100.0], dtype=torch.float32).double()

    def loss(self, step):
        return 0.5 * (self.curvature * (self.parameters["x"] - 1.0).square()).sum()


class Rosenbrock:
    """(1 − x)² + 100·(y − x²)² from (−1.2, 1)."""

    def __init__(self):
        self.parameters = {"x": torch.tensor([-1.2, 1.0], dtype=torch.float32).double()}

    def loss(self, step):
        x, y = self.parameters["x"][0], self.parameters["x"][1]
        return (1.0 - x) ** 2 + 100.0 * (y - x * x) ** 2


class Network:
    """Mean squared error of a 3-4-2 tanh network on 8 examples, or the `batch` of them a step sees."""

    def __init__(self, batch=8):
        self.parameters = {
            "hidden_weight": wave(12, 0.1, 0.7).reshape(3, 4),
            "hidden_bias": wave(4, 0.2, 0.2),
            "output_weight": wave(8, 0.4, 0.7).reshape(4, 2),
            "output_bias": wave(2, 0.5, 0.2),
        }
        self.input = wave(24, 0.6, 1.5).reshape(8, 3)
        self.target = wave(16, 0.8, 1.0).reshape(8, 2)
        self.batch = batch

    def loss(self, step):
        rows = [(step * self.batch + i) % 8 for i in range(self.batch)]
        p = self.parameters
        hidden = torch.tanh(self.input[rows] @ p["hidden_weight"] + p["hidden_bias"])
        return (hidden @ p["output_weight"] + p["output_bias"] - self.target[rows]).square().mean()


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of https://arxiv.org/abs/2302.06675."""

    def __init__(self, parameters, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(parameters, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta_1, beta_2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = torch.sign(beta_1 * m + (1.0 - beta_1) * p.grad)
                p -= group["lr"] * (update + group["weight_decay"] * p)
                self.state[p]["m"] = beta_2 * m + (1.0 - beta_2) * p.grad


def ours(name, **changes):
    """The configuration as our JSON spells it: defaults here must be the ones of the Rust side."""
    defaults = {
        "gradient_descent": dict(momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0),
        "sgd": dict(momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0),
        "mini_batch_sgd": dict(momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0),
        "momentum": dict(momentum=0.9, dampening=0.0, nesterov=False, weight_decay=0.0),
        "nesterov": dict(momentum=0.9, dampening=0.0, nesterov=True, weight_decay=0.0),
        "adagrad": dict(lr_decay=0.0, epsilon=1e-10, weight_decay=0.0),
        "adadelta": dict(rho=0.9, epsilon=1e-6, weight_decay=0.0),
        "rmsprop": dict(alpha=0.99, epsilon=1e-8, momentum=0.0, centered=False, weight_decay=0.0),
        "adam": dict(beta_1=0.9, beta_2=0.999, epsilon=1e-8, amsgrad=False, weight_decay=0.0),
        "nadam": dict(beta_1=0.9, beta_2=0.999, epsilon=1e-8, momentum_decay=0.004, weight_decay=0.0,
                      decoupled_weight_decay=False),
        "adamw": dict(beta_1=0.9, beta_2=0.999, epsilon=1e-8, amsgrad=False, weight_decay=0.01),
        "radam": dict(beta_1=0.9, beta_2=0.999, epsilon=1e-8, weight_decay=0.0, decoupled_weight_decay=False),
        "adamax": dict(beta_1=0.9, beta_2=0.999, epsilon=1e-8, weight_decay=0.0),
        "lion": dict(beta_1=0.9, beta_2=0.99, weight_decay=0.0),
    }[name]
    assert set(changes) <= set(defaults), (name, changes)
    return {"name": name, **defaults, **changes}


def torch_settings(config):
    """The same, as the classes of torch.optim spell it."""
    settings = {key: value for key, value in config.items() if key != "name"}
    if "beta_1" in settings:
        settings["betas"] = (settings.pop("beta_1"), settings.pop("beta_2"))
    if "epsilon" in settings:
        settings["eps"] = settings.pop("epsilon")
    return settings


CLASSES = {
    "gradient_descent": torch.optim.SGD,
    "sgd": torch.optim.SGD,
    "mini_batch_sgd": torch.optim.SGD,
    "momentum": torch.optim.SGD,
    "nesterov": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "nadam": torch.optim.NAdam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
    "adamax": torch.optim.Adamax,
    "lion": Lion,
}

# Configuration, and the learning rates on the quadratic, on Rosenbrock and on the network.
PLAIN = (0.01, 0.001, 0.1)
CASES = [
    (ours("gradient_descent"), PLAIN),
    (ours("gradient_descent", weight_decay=0.1), PLAIN),
    (ours("gradient_descent", weight_decay=0.5), (0.005, 0.0005, 0.3)),
    (ours("sgd"), PLAIN),
    (ours("sgd", weight_decay=0.1), PLAIN),
    (ours("sgd", weight_decay=0.5), (0.005, 0.0005, 0.05)),
    (ours("mini_batch_sgd"), PLAIN),
    (ours("mini_batch_sgd", weight_decay=0.1), PLAIN),
    (ours("mini_batch_sgd", weight_decay=0.5), (0.005, 0.0005, 0.05)),
    (ours("momentum"), PLAIN),
    (ours("momentum", momentum=0.5, weight_decay=0.1), PLAIN),
    (ours("momentum", momentum=0.95, dampening=0.3), PLAIN),
    (ours("nesterov"), PLAIN),
    (ours("nesterov", momentum=0.5), PLAIN),
    (ours("nesterov", momentum=0.95, weight_decay=0.1), (0.005, 0.0005, 0.05)),
    (ours("adagrad"), (0.5, 0.1, 0.1)),
    (ours("adagrad", lr_decay=0.05), (0.5, 0.1, 0.1)),
    (ours("adagrad", epsilon=1e-2, weight_decay=0.1), (0.3, 0.05, 0.05)),
    (ours("adadelta"), (1.0, 1.0, 1.0)),
    (ours("adadelta", rho=0.95, epsilon=1e-3), (1.0, 1.0, 1.0)),
    (ours("adadelta", rho=0.5, weight_decay=0.1), (2.0, 0.5, 2.0)),
    (ours("rmsprop"), (0.02, 0.01, 0.01)),
    (ours("rmsprop", alpha=0.9, momentum=0.5, weight_decay=0.1), (0.02, 0.01, 0.01)),
    (ours("rmsprop", alpha=0.95, centered=True, epsilon=1e-4), (0.02, 0.01, 0.01)),
    (ours("adam"), (0.05, 0.02, 0.02)),
    (ours("adam", beta_1=0.8, beta_2=0.95, weight_decay=0.1), (0.05, 0.02, 0.02)),
    (ours("adam", amsgrad=True, epsilon=1e-4), (0.05, 0.02, 0.02)),
    (ours("nadam"), (0.05, 0.02, 0.02)),
    (ours("nadam", beta_1=0.8, beta_2=0.95, momentum_decay=0.05, weight_decay=0.1), (0.05, 0.02, 0.02)),
    (ours("nadam", epsilon=1e-4, weight_decay=0.1, decoupled_weight_decay=True), (0.05, 0.02, 0.02)),
    (ours("adamw"), (0.05, 0.02, 0.02)),
    (ours("adamw", beta_1=0.8, beta_2=0.95, weight_decay=0.3), (0.05, 0.02, 0.02)),
    (ours("adamw", amsgrad=True, epsilon=1e-4), (0.05, 0.02, 0.02)),
    (ours("radam"), (0.005, 0.0005, 0.02)),
    (ours("radam", beta_1=0.8, beta_2=0.9, weight_decay=0.1), (0.005, 0.0005, 0.02)),
    (ours("radam", epsilon=1e-4, weight_decay=0.1, decoupled_weight_decay=True), (0.005, 0.0005, 0.02)),
    (ours("adamax"), (0.05, 0.02, 0.02)),
    (ours("adamax", beta_1=0.8, beta_2=0.9, weight_decay=0.1), (0.05, 0.02, 0.02)),
    (ours("adamax", epsilon=1e-2), (0.05, 0.02, 0.02)),
    (ours("lion"), (0.01, 0.005, 0.005)),
    (ours("lion", beta_1=0.95, beta_2=0.98, weight_decay=0.3), (0.01, 0.005, 0.005)),
    (ours("lion", beta_1=0.5, beta_2=0.8, weight_decay=0.01), (0.01, 0.005, 0.005)),
]

BATCH = {"sgd": 1, "mini_batch_sgd": 4}
# The steps after which parameters are kept.
KEPT = {"quadratic": [1, 2, 5, 10, 20, 25], "rosenbrock": [1, 2, 5, 10, 20, 25], "network": [1, 10, 25]}


def problem_named(name, batch):
    return {"quadratic": Quadratic, "rosenbrock": Rosenbrock, "network": lambda: Network(batch)}[name]()


def flat(parameters):
    return torch.cat([p.detach().flatten() for p in parameters])


def run(config, lr, name, wrapper=None):
    problem = problem_named(name, BATCH.get(config["name"], 8))
    for key in problem.parameters:
        problem.parameters[key].requires_grad_(True)
    parameters = list(problem.parameters.values())
    optimizer = CLASSES[config["name"]](parameters, lr=lr, **torch_settings(config))
    slow = [p.detach().clone() for p in parameters]
    average = [p.detach().clone() for p in parameters]
    kept = KEPT[name]
    rows = []
    for step in range(STEPS):
        optimizer.zero_grad()
        problem.loss(step).backward()
        if wrapper and wrapper["kind"] == "sam":
            with torch.no_grad():
                norm = torch.sqrt(sum(p.grad.square().sum() for p in parameters))
                before = [p.detach().clone() for p in parameters]
                for p in parameters:
                    p += wrapper["rho"] * p.grad / norm
            optimizer.zero_grad()
            problem.loss(step).backward()
            with torch.no_grad():
                for p, value in zip(parameters, before):
                    p.copy_(value)
        optimizer.step()
        with torch.no_grad():
            if wrapper and wrapper["kind"] == "lookahead" and (step + 1) % wrapper["every"] == 0:
                for p, s in zip(parameters, slow):
                    s += wrapper["alpha"] * (p - s)
                    p.copy_(s)
            if wrapper and wrapper["kind"] == "ema":
                decay = wrapper["decay"]
                if wrapper["warm_up"]:
                    decay = min(decay, (1 + step) / (10 + step))
                for p, a in zip(parameters, average):
                    a.mul_(decay).add_(p, alpha=1 - decay)
        if step + 1 in kept:
            # Of a moving average, the average; it does not touch the trajectory.
            rows.append(flat(average if wrapper and wrapper["kind"] == "ema" else parameters))
    case = {"optimizer": config, "wrapper": wrapper, "problem": name, "lr": lr, "kept": kept}
    rows = torch.stack(rows)
    return json.dumps(case, separators=(",", ":")), fixture.entry(rows, keep=rows.numel())


WRAPPERS = [
    {"kind": "sam", "rho": 0.05},
    {"kind": "sam", "rho": 0.1},
    {"kind": "lookahead", "every": 5, "alpha": 0.5},
    {"kind": "lookahead", "every": 3, "alpha": 0.8},
    {"kind": "ema", "decay": 0.999, "warm_up": True},
    {"kind": "ema", "decay": 0.9, "warm_up": False},
]
WRAPPED = [(ours("momentum"), PLAIN), (ours("adam"), (0.05, 0.02, 0.02))]

entries = {}
for wrapper, cases in [(None, CASES)] + [(wrapper, WRAPPED) for wrapper in WRAPPERS]:
    for config, learning_rates in cases:
        for name, lr in zip(("quadratic", "rosenbrock", "network"), learning_rates):
            key, value = run(config, lr, name, wrapper)
            entries[key] = value
fixture.write("nn-core", "optim", entries)
