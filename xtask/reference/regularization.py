"""Reference values of spectral and weight normalisation, from PyTorch in double precision.

    python xtask/reference/regularization.py > crates/nn-core/tests/fixtures/regularization.json
"""

import json

import torch
from torch import nn
from torch.nn.utils import parametrizations

torch.set_default_dtype(torch.float64)

WEIGHT = [[0.9, -0.4, 1.3], [0.2, 1.1, -0.7], [-1.5, 0.3, 0.8], [0.6, -0.9, 0.1]]
# What the effective weight is multiplied with before summing: the upstream gradient G.
UPSTREAM = [[1.0, -2.0, 0.5], [0.3, 0.7, -1.1], [0.9, 0.2, -0.4], [-0.6, 1.4, 0.8]]


def layer(parametrize):
    linear = nn.Linear(3, 4, bias=False)
    linear.weight = nn.Parameter(torch.tensor(WEIGHT))
    return parametrize(linear)


def flat(x):
    return x.detach().flatten().tolist()


torch.manual_seed(0)
spectral = layer(lambda m: parametrizations.spectral_norm(m, n_power_iterations=500))
effective = spectral.weight
(effective * torch.tensor(UPSTREAM)).sum().backward()
spectral_case = {"value": flat(effective), "gradient": flat(spectral.parametrizations.weight.original.grad)}

weight = layer(parametrizations.weight_norm)
g, v = weight.parametrizations.weight.original0, weight.parametrizations.weight.original1
with torch.no_grad():
    g.copy_(torch.tensor([[2.0], [0.5], [1.0], [1.5]]))
effective = weight.weight
(effective * torch.tensor(UPSTREAM)).sum().backward()
weight_case = {"value": flat(effective), "g": flat(g.grad), "v": flat(v.grad)}

print(
    json.dumps(
        {
            "torch": torch.__version__.split("+")[0],
            "weight": sum(WEIGHT, []),
            "upstream": sum(UPSTREAM, []),
            "lengths": flat(g),
            "spectral_norm": spectral_case,
            "weight_norm": weight_case,
        }
    )
)
