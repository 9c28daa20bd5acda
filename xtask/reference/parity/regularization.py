"""Spectral and weight normalisation in double precision: effective weights and gradients.

Checked by `crates/nn-core/src/regularization/tests.rs`. Run through `cargo xtask parity regularization`.
"""

import torch
from torch import nn
from torch.nn.utils import parametrizations

import fixture

torch.set_default_dtype(torch.float64)

WEIGHT = [[0.9, -0.4, 1.3], [0.2, 1.1, -0.7], [-1.5, 0.3, 0.8], [0.6, -0.9, 0.1]]
# What the effective weight is multiplied with before summing: the upstream gradient G.
UPSTREAM = [[1.0, -2.0, 0.5], [0.3, 0.7, -1.1], [0.9, 0.2, -0.4], [-0.6, 1.4, 0.8]]


def layer(parametrize):
    linear = nn.Linear(3, 4, bias=False)
    linear.weight = nn.Parameter(torch.tensor(WEIGHT))
    return parametrize(linear)


torch.manual_seed(0)
spectral = layer(lambda m: parametrizations.spectral_norm(m, n_power_iterations=500))
effective = spectral.weight
(effective * torch.tensor(UPSTREAM)).sum().backward()
entries = {
    "weight": fixture.exact(WEIGHT),
    "upstream": fixture.exact(UPSTREAM),
    "spectral_norm/value": fixture.exact(effective),
    "spectral_norm/gradient": fixture.exact(spectral.parametrizations.weight.original.grad),
}

weight = layer(parametrizations.weight_norm)
g, v = weight.parametrizations.weight.original0, weight.parametrizations.weight.original1
with torch.no_grad():
    g.copy_(torch.tensor([[2.0], [0.5], [1.0], [1.5]]))
effective = weight.weight
(effective * torch.tensor(UPSTREAM)).sum().backward()
entries |= {
    "lengths": fixture.exact(g.flatten()),
    "weight_norm/value": fixture.exact(effective),
    "weight_norm/g": fixture.exact(g.grad.flatten()),
    "weight_norm/v": fixture.exact(v.grad),
}
fixture.write("nn-core", "regularization", entries)
