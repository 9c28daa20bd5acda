"""ResNets of torchvision in inference: maps, logits, and the gradient of sum(logits * probe) with respect to the images.

A model is one line of CASES; `crates/cnn/tests/it/torchvision.rs` has the same lines. Weights are the closed form's, those
of convolutions times the square root of 6, so that ReLU keeps their variance. Run through `cargo xtask parity cnn_resnet`.
"""

import torch
import torchvision

import closed_form
import fixture

torch.set_num_threads(1)

# name, side of the images
CASES = [
    ("resnet18", 64),
    ("resnet18", 224),
    ("resnet50", 64),
    ("resnext50_32x4d", 64),
    ("wide_resnet50_2", 64),
]
MAPS = ["relu", "layer1", "layer2", "layer3", "layer4"]
COUNTED = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2"]


def filled(name):
    model = closed_form.fill(getattr(torchvision.models, name)(num_classes=10)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 4:
                parameter.mul_(6.0**0.5)
    return model


entries = {}
for name, side in CASES:
    model = filled(name)
    images = torch.from_numpy(closed_form.data("images", (2, 3, side, side))).requires_grad_()
    maps = {}
    for path in MAPS:
        def keep(module, inputs, output, path=path):
            maps.setdefault(path, output.detach().clone())  # the stem's ReLU comes first
        model.get_submodule(path).register_forward_hook(keep)
    logits = model(images)
    (logits * torch.from_numpy(closed_form.data("probe", (2, 10)))).sum().backward()
    for i, path in enumerate(MAPS):
        entries[f"{name}@{side}.map{i}"] = fixture.entry(maps[path], keep=16)
    entries[f"{name}@{side}.logits"] = fixture.entry(logits)
    entries[f"{name}@{side}.images"] = fixture.entry(images.grad, keep=16)

with torch.device("meta"):
    counts = [sum(p.numel() for p in getattr(torchvision.models, name)().parameters()) for name in COUNTED]
for name, count in zip(COUNTED, counts):
    entries[f"{name}.parameters"] = fixture.exact([count])

fixture.write("cnn", "resnet", entries)
