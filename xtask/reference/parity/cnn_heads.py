"""The heads of regression and control on a given map: parameters of the distributions, likelihoods and gradients, from
`torch.distributions` in single precision.

Checked by `crates/cnn/tests/it/heads.rs`. Run through `cargo xtask parity cnn_heads`.
"""

import math

import torch
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.nn.functional import adaptive_avg_pool2d, gaussian_nll_loss, relu, softplus

import closed_form
import fixture

torch.set_num_threads(1)

BATCH, CHANNELS, HIDDEN = 3, 10, 12
GRID = (2, 3)
feature_map = torch.from_numpy(closed_form.data("map", (BATCH, CHANNELS, 4, 5)))


class Summary(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(CHANNELS * GRID[0] * GRID[1], HIDDEN)

    def forward(self, x):
        return relu(self.fc(adaptive_avg_pool2d(x, GRID).flatten(1)))


class Head(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.summary = Summary()
        self.fc = nn.Linear(HIDDEN, outputs)

    def forward(self, x):
        return self.fc(self.summary(x))


def floored(raw, least):
    return math.log(least) + softplus(raw - math.log(least))


entries = {}

# Three quantities, σ > 0.001.
head = closed_form.fill(Head(6))
mean, raw = head(feature_map).chunk(2, dim=1)
log_var = 2 * floored(raw, 1e-3)
targets = torch.from_numpy(closed_form.data("targets", (BATCH, 3)))
entries |= {"gaussian.mean": fixture.entry(mean), "gaussian.log_var": fixture.entry(log_var)}
for name, beta in (("nll", 0.0), ("beta_nll", 0.5)):
    head.zero_grad()
    mean, raw = head(feature_map).chunk(2, dim=1)
    variance = (2 * floored(raw, 1e-3)).exp()
    nll = gaussian_nll_loss(mean, targets, variance, full=True, eps=0, reduction="none")
    loss = (nll * variance.detach() ** beta).mean()
    loss.backward()
    entries[f"gaussian.{name}"] = fixture.entry(loss.reshape(1))
    entries |= fixture.gradients(f"gaussian.{name}.gradients", head)

# Four components over two commands, σ > 0.01.
head = closed_form.fill(Head(4 * (1 + 2 * 2)))
raw = head(feature_map)
logits, mean, raw_std = raw[:, :4], raw[:, 4:12].reshape(BATCH, 4, 2), raw[:, 12:].reshape(BATCH, 4, 2)
std = floored(raw_std, 1e-2).exp()
mixture = MixtureSameFamily(Categorical(logits=logits), Independent(Normal(mean, std), 1))
commands = torch.from_numpy(closed_form.data("commands", (BATCH, 2)))
nll = -mixture.log_prob(commands)
nll.mean().backward()
entries |= {
    "mixture.nll": fixture.entry(nll),
    "mixture.mean": fixture.entry(mixture.mean),
    "mixture.variance": fixture.entry(mixture.variance),
}
for d in range(2):
    marginal = MixtureSameFamily(Categorical(logits=logits), Normal(mean[..., d], std[..., d]))
    entries[f"mixture.cdf{d}"] = fixture.entry(marginal.cdf(commands[:, d]))
entries |= fixture.gradients("mixture.gradients", head)

fixture.write("cnn", "heads", entries)
