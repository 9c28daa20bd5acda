"""Classifiers of torchvision in inference: maps, logits, and the gradient of sum(logits * probe) with respect to the
images; and how many parameters every preset has.

A model is a line in CASES; `crates/cnn/tests/it/torchvision.rs` has the same lines. Weights are the closed form's, those
of convolutions times the square root of 6, so that ReLU keeps their variance. Run through
`cargo xtask parity cnn_torchvision`.
"""

import torch
import torchvision

import closed_form
import fixture

torch.set_num_threads(1)

# Modules whose first output is a map, from the finest to the coarsest.
RESNET = ["relu", "layer1", "layer2", "layer3", "layer4"]
MOBILENET_V2 = [f"features.{i}" for i in (1, 3, 6, 13, 18)]

# name, maps, sides of the images it is compared at
CASES = [
    ("resnet18", RESNET, (64, 224)),
    ("resnet34", RESNET, ()),
    ("resnet50", RESNET, (64,)),
    ("resnet101", RESNET, ()),
    ("resnet152", RESNET, ()),
    ("resnext50_32x4d", RESNET, (64,)),
    ("resnext101_32x8d", RESNET, ()),
    ("wide_resnet50_2", RESNET, (64,)),
    ("wide_resnet101_2", RESNET, ()),
    ("mobilenet_v2", MOBILENET_V2, (64, 224)),
]


def filled(name):
    model = closed_form.fill(getattr(torchvision.models, name)(num_classes=10)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 4:
                parameter.mul_(6.0**0.5)
    return model


def compared(name, paths, side):
    model = filled(name)
    images = torch.from_numpy(closed_form.data("images", (2, 3, side, side))).requires_grad_()
    maps = {}
    for path in paths:

        def keep(module, inputs, output, path=path):
            maps.setdefault(path, output.detach().clone())  # a shared ReLU is called again

        model.get_submodule(path).register_forward_hook(keep)
    logits = model(images)
    (logits * torch.from_numpy(closed_form.data("probe", (2, 10)))).sum().backward()
    entries = {f"{name}@{side}.map{i}": fixture.entry(maps[path], keep=16) for i, path in enumerate(paths)}
    entries[f"{name}@{side}.logits"] = fixture.entry(logits)
    entries[f"{name}@{side}.images"] = fixture.entry(images.grad, keep=1)
    return entries


entries = {}
for name, paths, sides in CASES:
    with torch.device("meta"):
        model = getattr(torchvision.models, name)()
    entries[f"{name}.parameters"] = fixture.exact([sum(p.numel() for p in model.parameters())])
    for side in sides:
        entries |= compared(name, paths, side)

fixture.write("cnn", "torchvision", entries)
