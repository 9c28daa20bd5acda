"""Small files of `torch.save` for the tests of nn-core's and transfer's readers, with closed-form weights.

Run `python xtask/reference/torch_files.py`. Not part of `cargo xtask parity`: archives carry a random identifier, so another run
writes other bytes of the same meaning.
"""

import collections
from pathlib import Path

import torch
from torch import nn

import closed_form

CRATES = Path(__file__).resolve().parents[2] / "crates"


def layers():
    """A convolution, a normalisation with running statistics, a linear layer."""
    return closed_form.fill(
        nn.Sequential(
            collections.OrderedDict(conv=nn.Conv2d(1, 2, 3), norm=nn.BatchNorm2d(2), head=nn.Linear(2, 3))
        )
    )


def views():
    """Every type of number, and tensors that are views of storages."""
    ramp = torch.arange(24, dtype=torch.float32)
    grid = ramp.reshape(2, 3, 4)
    return {
        "transposed": grid.reshape(6, 4).t(),
        "slice": ramp[5:9],
        "column": grid[:, 1, ::2],
        "tied": ramp,
        "channels_last": ramp.reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        "parameter": nn.Parameter(torch.tensor([1.5, -2.5])),
        "half": torch.tensor([1.5, -65504.0], dtype=torch.float16),
        "bfloat": torch.tensor([1.5, -3e38], dtype=torch.bfloat16),
        "double": torch.tensor([0.1, 1 / 3], dtype=torch.float64),
        "long": torch.tensor([7, -(2**40)]),
        "byte": torch.tensor([7, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "empty": torch.zeros(0, 5),
        "scalar": torch.tensor(2.5),
    }


def main():
    folder = CRATES / "nn-core/tests/fixtures"
    folder.mkdir(parents=True, exist_ok=True)
    state = layers().state_dict()
    torch.save(state, folder / "layers.pth")
    torch.save(state, folder / "layers_stream.pth", _use_new_zipfile_serialization=False)
    torch.save(views(), folder / "views.pth")
    torch.save({"repeated": torch.ones(1).expand(1000)}, folder / "repeated.pth")
    # A run on several devices, interrupted.
    model = nn.DataParallel(layers())
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    checkpoint = {
        "epoch": 3,
        "arch": "layers",
        "best": 0.5,
        "done": None,
        "state_dict": model.state_dict(),
        "optimizer": optimiser.state_dict(),
    }
    torch.save(checkpoint, folder / "checkpoint.pth")
    # A whole module: its pickle names classes.
    torch.save(layers(), folder / "module.pth")


if __name__ == "__main__":
    main()
