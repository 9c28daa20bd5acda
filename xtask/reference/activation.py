"""Reference values of every activation, from PyTorch in double precision.

    python xtask/reference/activation.py > crates/nn-core/tests/fixtures/activation.json
"""

import json

import torch
import torch.nn.functional as F

# No point of the grid is a kink (0, ±1, ±3).
GRID = [-8.125 + 0.25 * k for k in range(66)] + [-100.0, -20.5, 20.5, 100.0]
ROWS = [[0.3, -1.2, 2.5, 0.9, -0.4, 1.7], [-3.0, 0.2, 0.1, 4.0, 1.1, -2.2]]
UPSTREAM = [[0.7, -0.5, 1.3, 0.2, -1.1, 0.4], [0.1, 0.9, -0.6, 1.5, 0.3, -0.8]]

ELEMENTWISE = {
    "linear": lambda x: x * 1,
    "relu": F.relu,
    "leaky_relu(0.01)": lambda x: F.leaky_relu(x, 0.01),
    "leaky_relu(0.2)": lambda x: F.leaky_relu(x, 0.2),
    "prelu(0.25)": lambda x: F.prelu(x, torch.tensor([0.25], dtype=x.dtype)),
    "elu(1)": F.elu,
    "elu(0.5)": lambda x: F.elu(x, 0.5),
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "softplus(1)": lambda x: F.softplus(x, threshold=1e3),
    "softplus(2)": lambda x: F.softplus(x, beta=2.0, threshold=1e3),
    "hard_sigmoid": F.hardsigmoid,
    "hard_tanh": F.hardtanh,
    "hard_swish": F.hardswish,
}
ROWWISE = {
    "softmax": lambda x: F.softmax(x, -1),
    "glu": lambda x: F.glu(x, -1),
    "swiglu": lambda x: F.silu(x[..., :3]) * x[..., 3:],
}


def evaluate(f, values, upstream=None):
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    y = f(x)
    weight = torch.ones_like(y) if upstream is None else torch.tensor(upstream)[:, : y.shape[1]].double()
    (y * weight).sum().backward()
    return {"value": y.flatten().tolist(), "gradient": x.grad.flatten().tolist()}


# Floats of the upstream gradient must be the same numbers in Rust: take them in double precision.
torch.set_default_dtype(torch.float64)
print(
    json.dumps(
        {
            "torch": torch.__version__.split("+")[0],
            "grid": GRID,
            "elementwise": {name: evaluate(f, GRID) for name, f in ELEMENTWISE.items()},
            "rows": sum(ROWS, []),
            "upstream": UPSTREAM,
            "rowwise": {name: evaluate(f, ROWS, UPSTREAM) for name, f in ROWWISE.items()},
        }
    )
)
