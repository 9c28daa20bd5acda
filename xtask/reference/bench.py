"""PyTorch's side of `cargo xtask bench`: times the named cases and prints one JSON object.

Run `python xtask/reference/bench.py cnn 5` for five timed repetitions of the cases of crate cnn.
"""

import json
import sys
import time

import torch
from torch.nn.functional import cross_entropy

import closed_form
from models import LeNet

torch.set_num_threads(2)


def lenet():
    """LeNet-5, 28 x 28, batch 64: a forward pass without gradients, and a training step with Adam."""
    images = torch.from_numpy(closed_form.data("images", (64, 1, 28, 28)))
    targets = torch.from_numpy(closed_form.classes("targets", 64, 10))
    model = closed_form.fill(LeNet())
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def forward():
        with torch.no_grad():
            model(images)

    def train():
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(model(images), targets).backward()
        optimiser.step()

    return {"lenet 28x28 b64 forward": forward, "lenet 28x28 b64 train": train}


CASES = {"cnn": [lenet]}


def peak_kib():
    """Peak resident memory of this process (Linux)."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return None


def main():
    crate, repetitions = sys.argv[1], int(sys.argv[2])
    cases = {}
    for make in CASES.get(crate, []):
        for name, run in make().items():
            for _ in range(3):
                run()
            samples = []
            for _ in range(repetitions):
                start = time.perf_counter()
                run()
                samples.append((time.perf_counter() - start) * 1e3)
            cases[name] = samples
    print(json.dumps({"version": torch.__version__, "ms": cases, "peak_kib": peak_kib()}))


if __name__ == "__main__":
    main()
