"""Small files of weights for the tests of fornax-transfer: torchvision's DenseNet at a twentieth of its size, closed-form weights.

Run `python xtask/reference/torch_weights.py`. Not part of `cargo xtask parity`: archives carry a random identifier.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torchvision.models import DenseNet

import closed_form

FOLDER = Path(__file__).resolve().parents[2] / "crates/transfer/tests/fixtures"


def dense():
    """Blocks of 2, 1, 1, 2 layers, growth 4, 8 channels to begin with, 5 classes."""
    model = DenseNet(growth_rate=4, block_config=(2, 1, 1, 2), num_init_features=8, num_classes=5)
    return closed_form.fill(model).eval()


def old_names(state):
    """As the files of 2017 have them: `norm.1` for `norm1`."""
    renamed = {}
    for name, value in state.items():
        if "denselayer" in name:
            for part in ("norm1", "norm2", "conv1", "conv2"):
                name = name.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.")
        renamed[name] = value
    return renamed


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    model = dense()
    state = model.state_dict()
    torch.save(state, FOLDER / "dense.pth")
    torch.save(old_names(state), FOLDER / "dense_2017.pth", _use_new_zipfile_serialization=False)
    checkpoint = {"epoch": 90, "state_dict": {f"module.{name}": value for name, value in state.items()}}
    torch.save(checkpoint, FOLDER / "dense_checkpoint.pth")
    half = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    save_file(half, FOLDER / "dense_half.safetensors")


if __name__ == "__main__":
    main()
