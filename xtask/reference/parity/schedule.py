"""Learning rates of torch.optim.lr_scheduler over 200 steps, for `crates/nn-core/tests/optim/schedules.rs`. Run through
`cargo xtask parity schedule`.

An entry's name is the case as JSON. Noam is not in PyTorch: it is its LambdaLR with the formula of
https://arxiv.org/abs/1706.03762, section 5.3.
"""

import json
import math
import warnings

import torch
from torch.optim import lr_scheduler as s

import fixture

STEPS = 200
warnings.filterwarnings("ignore")


def rates(lr, build):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=lr)
    scheduler = build(optimizer)
    kept = []
    for _ in range(STEPS):
        kept.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return kept


def warm_up(steps, start, then):
    def build(optimizer):
        first = s.LinearLR(optimizer, start_factor=start, total_iters=steps)
        return s.SequentialLR(optimizer, [first, then(optimizer)], milestones=[steps])

    return build


def noam(size, steps):
    return lambda o: s.LambdaLR(o, lambda e: size**-0.5 * min((e + 1) ** -0.5, (e + 1) * steps**-1.5))


def one_cycle(lr, steps, warm=0.3, start=25.0, end=1e4, linear=False, three=False):
    ours = dict(name="one_cycle", steps=steps, warm_up=warm, start_divisor=start, end_divisor=end, linear=linear,
                three_phases=three)
    build = lambda o: s.OneCycleLR(o, max_lr=lr, total_steps=steps, pct_start=warm, div_factor=start, final_div_factor=end,
                                   anneal_strategy="linear" if linear else "cos", three_phase=three, cycle_momentum=False)
    return lr, ours, build


CASES = [
    (0.1, dict(name="constant"), lambda o: s.ConstantLR(o, factor=1.0)),
    (0.1, dict(name="step", every=30, factor=0.1), lambda o: s.StepLR(o, 30, 0.1)),
    (0.3, dict(name="step", every=7, factor=0.8), lambda o: s.StepLR(o, 7, 0.8)),
    (0.1, dict(name="multi_step", milestones=[30, 80, 150], factor=0.1), lambda o: s.MultiStepLR(o, [30, 80, 150], 0.1)),
    (0.1, dict(name="multi_step", milestones=[1, 2, 199], factor=0.5), lambda o: s.MultiStepLR(o, [1, 2, 199], 0.5)),
    (0.1, dict(name="exponential", factor=0.97), lambda o: s.ExponentialLR(o, 0.97)),
    (1e-5, dict(name="exponential", factor=1.05), lambda o: s.ExponentialLR(o, 1.05)),
    (0.1, dict(name="polynomial", steps=200, power=1.0), lambda o: s.PolynomialLR(o, 200, 1.0)),
    (0.1, dict(name="polynomial", steps=150, power=2.5), lambda o: s.PolynomialLR(o, 150, 2.5)),
    (0.1, dict(name="cosine", steps=200, min_lr=0.0), lambda o: s.CosineAnnealingLR(o, 200)),
    (0.1, dict(name="cosine", steps=230, min_lr=0.01), lambda o: s.CosineAnnealingLR(o, 230, 0.01)),
    (0.1, dict(name="cosine_restarts", first=50, multiplier=1, min_lr=0.0),
     lambda o: s.CosineAnnealingWarmRestarts(o, 50, 1)),
    (0.1, dict(name="cosine_restarts", first=10, multiplier=2, min_lr=0.001),
     lambda o: s.CosineAnnealingWarmRestarts(o, 10, 2, 0.001)),
    (0.1, dict(name="warm_up", steps=20, start=0.001, then=dict(name="constant")),
     lambda o: s.LinearLR(o, start_factor=0.001, total_iters=20)),
    (0.1, dict(name="warm_up", steps=25, start=0.1, then=dict(name="cosine", steps=175, min_lr=0.0)),
     warm_up(25, 0.1, lambda o: s.CosineAnnealingLR(o, 175))),
    (0.1, dict(name="warm_up", steps=10, start=0.01, then=dict(name="step", every=40, factor=0.5)),
     warm_up(10, 0.01, lambda o: s.StepLR(o, 40, 0.5))),
    one_cycle(0.1, 200),
    one_cycle(0.1, 200, three=True),
    one_cycle(1.0, 200, warm=0.25, start=10.0, end=100.0, linear=True),
    one_cycle(1.0, 201, warm=0.45, start=10.0, end=100.0, linear=True, three=True),
    (1.0, dict(name="noam", model_size=512, warm_up=50), noam(512, 50)),
    (2.0, dict(name="noam", model_size=64, warm_up=1000), noam(64, 1000)),
]


def metric(i):
    """A loss that falls, stalls, falls again and stalls; both sides compute it."""
    return 1.0 / (1.0 + min(i, 40) / 10.0) - (0.05 if i > 120 else 0.0) + 0.002 * math.sin(1.7 * i)


def plateau(lr, ours, **settings):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=lr)
    scheduler = s.ReduceLROnPlateau(optimizer, **settings)
    sign = -1.0 if ours["goal"] == "higher" else 1.0
    kept = []
    for i in range(STEPS):
        scheduler.step(sign * metric(i))
        kept.append(optimizer.param_groups[0]["lr"])
    return {"lr": lr, "plateau": ours}, kept


def plateau_cases():
    base = dict(goal="lower", factor=0.1, patience=10, threshold={"relative": 1e-4}, cooldown=0, min_lr=0.0,
                smallest_change=1e-8)
    yield plateau(0.1, base)
    ours = {**base, "factor": 0.5, "patience": 3, "threshold": {"absolute": 0.01}, "cooldown": 5, "min_lr": 0.004}
    yield plateau(0.1, ours, factor=0.5, patience=3, threshold=0.01, threshold_mode="abs", cooldown=5, min_lr=0.004)
    ours = {**base, "goal": "higher", "factor": 0.3, "patience": 0, "threshold": {"absolute": 0.0}, "cooldown": 2}
    yield plateau(0.1, ours, mode="max", factor=0.3, patience=0, threshold=0.0, threshold_mode="abs", cooldown=2)


def entry(case, values):
    """All values to the last digit: both sides compute in float64."""
    norm = math.sqrt(math.fsum(value * value for value in values))
    value = {"shape": [len(values)], "norm": fixture.number(norm), "stride": 1, "values": values}
    return json.dumps(case, separators=(",", ":")), value


cases = [({"lr": lr, "schedule": ours}, rates(lr, build)) for lr, ours, build in CASES]
fixture.write("nn-core", "schedule", dict(entry(*case) for case in cases + list(plateau_cases())))
