"""Fixtures for `nn_core::check::Fixture`: results of PyTorch, abridged to shape, norm and some elements."""

import json
import math
import sys
from pathlib import Path

import torch

KEEP = 32  # elements kept of a tensor


def number(value):
    """Nine digits tell any two float32 apart."""
    return float(f"{float(value):.9g}")


def entry(tensor, keep=KEEP):
    """Shape, norm in float64, and about `keep` elements at an even stride that shares no factor with any
    size, so that the elements kept do not all fall into one column."""
    flat = tensor.detach().reshape(-1)
    stride = max(1, math.ceil(flat.numel() / keep))
    while stride > 1 and any(math.gcd(stride, size) > 1 for size in tensor.shape):
        stride += 1
    return {
        "shape": list(tensor.shape),
        "norm": number(flat.double().norm()),
        "stride": stride,
        "values": [number(value) for value in flat[::stride]],
    }


def exact(values):
    """Every element with all its digits, for tests in double precision."""
    tensor = torch.as_tensor(values, dtype=torch.float64).detach()
    norm = float(tensor.norm())
    return {"shape": list(tensor.shape), "norm": norm, "stride": 1, "values": tensor.flatten().tolist()}


def parameters(prefix, module):
    """An entry for each parameter and running statistic."""
    return {f"{prefix}.{k}": entry(v) for k, v in module.state_dict().items() if v.is_floating_point()}


def gradients(prefix, module):
    """An entry for each parameter's gradient."""
    return {f"{prefix}.{k}": entry(p.grad) for k, p in module.named_parameters()}


def record(entries, name, model, outputs, loss):
    """Outputs by name, the loss, and the loss's gradient for every parameter of the model."""
    model.zero_grad()
    loss.backward()
    for key, value in outputs.items():
        entries[f"{name}.{key}"] = entry(value)
    entries[f"{name}.loss"] = entry(loss.reshape(1))
    entries.update(gradients(f"{name}.gradients", model))


def curve(losses):
    """A whole list of numbers."""
    return entry(torch.tensor(losses, dtype=torch.float64), keep=len(losses))


def write(crate, name, entries, library=f"PyTorch {torch.__version__.split('+')[0]}"):
    """Writes `<output folder>/<crate>/<name>.json`; the folder is the script's only argument."""
    folder = Path(sys.argv[1]) / crate
    folder.mkdir(parents=True, exist_ok=True)
    source = f"{Path(sys.argv[0]).name}, {library}"
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items())
    text = f'{{"source": {json.dumps(source)}, "entries": {{\n{lines}\n}}}}\n'
    (folder / f"{name}.json").write_text(text)
