"""Weights and inputs in closed form: the same bits as `nn_core::check::fill`, where the formulas stand.

Run `python xtask/reference/closed_form.py` to rewrite the golden values its Rust twin is tested on.
"""

import json
from pathlib import Path

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _bits(name, indices):
    """splitmix64(FNV-1a(name) + index * GOLDEN), modulo 2**64."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):  # wrapping is the point
        z = np.uint64(h) + indices.astype(np.uint64) * GOLDEN + GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, count):
    """`count` values in [-1, 1) as float64, each exact in float32."""
    half = float(1 << 23)
    return ((_bits(name, np.arange(count)) >> np.uint64(40)).astype(np.float64) - half) / half


def parameter(name, shape):
    """A parameter of PyTorch's name and shape as float32."""
    u = uniform(name, int(np.prod(shape)))
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_var":
        value = 1.0 + u / 2.0
    elif leaf == "weight" and len(shape) <= 1:
        value = 1.0 + u / 10.0
    elif leaf == "bias" or len(shape) <= 1:
        value = u / 10.0
    else:
        value = u / np.sqrt(float(np.prod(shape[1:])))
    return value.astype(np.float32).reshape(shape)


def data(name, shape):
    """Inputs in [-1, 1) as float32."""
    return uniform(name, int(np.prod(shape))).astype(np.float32).reshape(shape)


def tensor(name, shape):
    """The same for PyTorch."""
    import torch

    return torch.from_numpy(data(name, shape))


def classes(name, count, bound):
    """Integers in 0..bound."""
    return ((_bits(name, np.arange(count)) >> np.uint64(33)) % np.uint64(bound)).astype(np.int64)


def fill(module):
    """Gives every parameter and running statistic of a PyTorch module its closed-form value."""
    import torch

    for name, tensor in module.state_dict(keep_vars=True).items():
        if tensor.is_floating_point():
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(parameter(name, tuple(tensor.shape))))
    return module


def _golden():
    shapes = [
        ("conv1.weight", (2, 3, 2, 2)),
        ("fc.weight", (3, 7)),
        ("fc.bias", (5,)),
        ("norm.weight", (4,)),
        ("norm.running_var", (4,)),
        ("norm.running_mean", (4,)),
        ("größe.position", (2, 5)),
        ("cls_token", (1, 1, 6)),
    ]
    return {
        "parameters": [
            {"name": name, "shape": shape, "bits": parameter(name, shape).ravel().view(np.uint32).tolist()}
            for name, shape in shapes
        ],
        "classes": [
            {"name": "targets", "bound": bound, "values": classes("targets", 12, bound).tolist()}
            for bound in (2, 10, 50257)
        ],
    }


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    path = root / "crates/nn-core/src/check/golden/closed_form.json"
    path.write_text(json.dumps(_golden(), separators=(",", ":")) + "\n")
