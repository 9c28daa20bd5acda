"""The layers convolutional networks are made of: outputs, and gradients of sum(output * probe).

The configurations are repeated in `crates/cnn/tests/it/parity.rs`. Run through `cargo xtask parity layers`.
"""

import torch
from torch.nn import functional as F

import closed_form
import fixture

torch.set_num_threads(1)


def leaf(name, shape):
    return torch.from_numpy(closed_form.data(name, shape)).requires_grad_()


entries = {}


def record(name, output, leaves):
    """The output, and the gradient of every leaf when the output's gradient is the closed-form `probe`."""
    probe = torch.from_numpy(closed_form.data("probe", tuple(output.shape)))
    (output * probe).sum().backward()
    entries[f"{name}.output"] = fixture.entry(output)
    for key, tensor in leaves.items():
        entries[f"{name}.{key}"] = fixture.entry(tensor.grad)


# groups, stride, dilation, padding, kernel
for groups in (1, 2):
    for stride in ((1, 1), (2, 1)):
        for dilation in ((1, 1), (1, 2)):
            for padding in ((0, 0), (2, 1)):
                leaves = {
                    "x": leaf("x", (2, 4, 9, 8)),
                    "weight": leaf("weight", (6, 4 // groups, 3, 2)),
                    "bias": leaf("bias", (6,)),
                }
                y = F.conv2d(*leaves.values(), stride, padding, dilation, groups)
                name = f"conv2d g{groups} s{stride[0]}{stride[1]} d{dilation[0]}{dilation[1]} p{padding[0]}{padding[1]}"
                record(name, y, leaves)

# kernel, stride, padding, dilation
for k, s, p, d in (((2, 2), (2, 2), (0, 0), (1, 1)), ((3, 2), (2, 1), (1, 1), (1, 1)), ((2, 2), (1, 1), (0, 0), (2, 2))):
    x = leaf("x", (2, 3, 9, 8))
    record(f"max_pool2d k{k[0]}{k[1]} s{s[0]}{s[1]} p{p[0]}{p[1]} d{d[0]}{d[1]}", F.max_pool2d(x, k, s, p, d), {"x": x})

# A last window that hangs over the edge is kept, unless it would begin behind it.
for k, s, p in ((3, 2, 0), (2, 2, 0), (3, 2, 1)):
    x = leaf("x", (2, 3, 8, 7))
    record(f"max_pool2d ceil k{k} s{s} p{p}", F.max_pool2d(x, k, s, p, ceil_mode=True), {"x": x})

for k, s, p in ((2, 2, 0), (3, 2, 1)):
    x = leaf("x", (2, 3, 8, 7))
    record(f"avg_pool2d k{k} s{s} p{p}", F.avg_pool2d(x, k, s, p), {"x": x})

# Grids that are smaller than the map, larger, and both.
for height, width, side in ((9, 8, 6), (13, 13, 6), (3, 2, 6), (1, 1, 7), (2, 9, 4)):
    x = leaf("x", (2, 3, height, width))
    record(f"adaptive_avg_pool2d {height}x{width} to {side}", F.adaptive_avg_pool2d(x, side), {"x": x})

leaves = {"x": leaf("x", (5, 7)), "weight": leaf("weight", (3, 7)), "bias": leaf("bias", (3,))}
record("linear", F.linear(*leaves.values()), leaves)

logits = leaf("logits", (6, 10))
targets = torch.from_numpy(closed_form.classes("targets", 6, 10))
loss = F.cross_entropy(4.0 * logits, targets)
loss.backward()
entries["cross_entropy.output"] = fixture.entry(loss.reshape(1))
entries["cross_entropy.logits"] = fixture.entry(logits.grad)

fixture.write("cnn", "layers", entries)
