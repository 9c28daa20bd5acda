"""Diffusion and flow matching: a U-Net's and an MLP's answers, the losses, and every gradient of one of them.

The configurations are repeated in `crates/generative/tests/it/diffusion.rs`. Run through `cargo xtask parity diffusion`.
"""

import math

import torch

import closed_form
import fixture
from models import DenoisingUNet, MlpDenoiser

torch.set_num_threads(1)

STEPS, BATCH, CLASSES = 100, 3, 4
entries = {}
data = closed_form.tensor


def record(name, output, loss):
    entries[f"{name}.output"] = fixture.entry(output)
    entries[f"{name}.loss"] = fixture.entry(loss.reshape(1))


def betas(schedule):
    if schedule == "linear":
        return torch.linspace(1e-4, 0.02, STEPS, dtype=torch.float64) * 1000 / STEPS
    f = lambda t: math.cos((t / STEPS + 0.008) / 1.008 * math.pi / 2) ** 2
    return torch.tensor([min(1 - f(t + 1) / f(t), 0.999) for t in range(STEPS)], dtype=torch.float64)


alpha_bars = {name: torch.cumprod(1 - betas(name), 0) for name in ("linear", "cosine")}
for name, alpha_bar in alpha_bars.items():
    entries[f"alpha_bar.{name}"] = fixture.exact(alpha_bar)

labels = torch.from_numpy(closed_form.classes("labels", BATCH, CLASSES + 1))
t = torch.tensor([1, 42, 100])


def noised(x, epsilon, schedule):
    alpha_bar = alpha_bars[schedule][t - 1].float().reshape(-1, *[1] * (x.dim() - 1))
    a, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    return a * x + sigma * epsilon, a * epsilon - sigma * x


networks = {
    "unet": (lambda: DenoisingUNet([8, 12], 2, blocks=2, groups=4, classes=CLASSES), (BATCH, 2, 6, 4)),
    "mlp": (lambda: MlpDenoiser(2, [9, 8], 6, CLASSES), (BATCH, 2)),
}
for name, (make, shape) in networks.items():
    x, epsilon = data("x", shape), data("epsilon", shape)
    model = closed_form.fill(make())
    x_t, _ = noised(x, epsilon, "linear")
    output = model(x_t, t.float() / STEPS, labels)
    record(f"{name}.epsilon", output, (output - epsilon).square().mean())
    x_t, v = noised(x, epsilon, "cosine")
    output = model(x_t, t.float() / STEPS, labels)
    loss = (output - v).square().mean()
    record(f"{name}.v", output, loss)
    loss.backward()
    entries.update(fixture.gradients(f"{name}.v.gradients", model))
    time = data("time", (BATCH,)).abs()
    share = time.reshape(-1, *[1] * (x.dim() - 1))
    output = model((1 - share) * epsilon + share * x, time, labels)
    record(f"{name}.flow", output, (output - (x - epsilon)).square().mean())

fixture.write("generative", "diffusion", entries)
