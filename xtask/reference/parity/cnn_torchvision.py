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


def features(*indices):
    return [f"features.{i}" for i in indices]


# Modules whose first output is a map, from the finest to the coarsest; with "+relu" where ReLU follows outside of it.
RESNET = ["relu", "layer1", "layer2", "layer3", "layer4"]
ALEXNET = features(1, 4, 11, 12)
SQUEEZENET1_0 = features(1, 5, 10, 12)
SQUEEZENET1_1 = features(1, 4, 7, 12)
GOOGLENET = ["conv1", "conv3", "inception3b", "inception4e", "inception5b"]
DENSENET = ["features.relu0"] + [f"features.transition{i}.conv" for i in (1, 2, 3)] + ["features.norm5+relu"]
MOBILENET_V2 = features(1, 3, 6, 13, 18)
MOBILENET_V3_LARGE = features(1, 3, 6, 12, 16)
MOBILENET_V3_SMALL = features(0, 1, 3, 8, 12)
EFFICIENTNET = features(1, 2, 3, 5, 8)
CONVNEXT = features(1, 3, 5, 7)


def vgg(*convolutions, batch_norm):
    """The ReLU before each pooling, and the last pooling."""
    layers = 3 if batch_norm else 2
    pools = [sum(convolutions[: i + 1]) * layers + i for i in range(len(convolutions))]
    return features(*(pool - 1 for pool in pools), pools[-1])


# name, maps, sides of the images it is compared at
CASES = [
    ("resnet18", RESNET, (64, 224)),
    ("resnet34", RESNET, (64,)),
    ("resnet50", RESNET, (64,)),
    ("resnet101", RESNET, (64,)),
    ("resnet152", RESNET, (64,)),
    ("resnext50_32x4d", RESNET, (64,)),
    ("resnext101_32x8d", RESNET, (64,)),
    ("wide_resnet50_2", RESNET, (64,)),
    ("wide_resnet101_2", RESNET, (64,)),
    ("mobilenet_v2", MOBILENET_V2, (64, 224)),
    ("alexnet", ALEXNET, (64, 224)),
    ("vgg11", vgg(1, 1, 2, 2, 2, batch_norm=False), (64,)),
    ("vgg11_bn", vgg(1, 1, 2, 2, 2, batch_norm=True), (64, 224)),
    ("vgg13", vgg(2, 2, 2, 2, 2, batch_norm=False), (64,)),
    ("vgg13_bn", vgg(2, 2, 2, 2, 2, batch_norm=True), (64,)),
    ("vgg16", vgg(2, 2, 3, 3, 3, batch_norm=False), (64,)),
    ("vgg16_bn", vgg(2, 2, 3, 3, 3, batch_norm=True), (64,)),
    ("vgg19", vgg(2, 2, 4, 4, 4, batch_norm=False), (64,)),
    ("vgg19_bn", vgg(2, 2, 4, 4, 4, batch_norm=True), (64,)),
    ("squeezenet1_0", SQUEEZENET1_0, (64,)),
    ("squeezenet1_1", SQUEEZENET1_1, (64, 224)),
    ("googlenet", GOOGLENET, (64, 224)),
    ("densenet121", DENSENET, (64, 224)),
    ("densenet161", DENSENET, (64,)),
    ("densenet169", DENSENET, (64,)),
    ("densenet201", DENSENET, (64,)),
    ("mobilenet_v3_large", MOBILENET_V3_LARGE, (64, 224)),
    ("mobilenet_v3_small", MOBILENET_V3_SMALL, (64,)),
    ("efficientnet_b0", EFFICIENTNET, (64, 224)),
    ("efficientnet_b1", EFFICIENTNET, (64,)),
    ("efficientnet_b2", EFFICIENTNET, (64,)),
    ("efficientnet_b3", EFFICIENTNET, (64,)),
    ("efficientnet_b4", EFFICIENTNET, (64,)),
    ("convnext_tiny", CONVNEXT, (64, 224)),
    ("convnext_small", CONVNEXT, (64,)),
    ("convnext_base", CONVNEXT, (64,)),
]


def filled(name, side):
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(num_classes=10)
        if name.startswith("vgg") and side == 64:
            # Hidden layers of 64 units, not 4096: they are the same in all, and nine tenths of the weights.
            model.classifier[0], model.classifier[3] = torch.nn.Linear(512 * 7 * 7, 64), torch.nn.Linear(64, 64)
            model.classifier[6] = torch.nn.Linear(64, 10)
    model = closed_form.fill(model.to_empty(device="cpu")).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 4:
                parameter.mul_(6.0**0.5)
    return model


def compared(name, paths, side):
    model = filled(name, side)
    images = torch.from_numpy(closed_form.data("images", (2, 3, side, side))).requires_grad_()
    maps = {}
    for path in paths:

        def keep(module, inputs, output, path=path):
            output = output.detach().clone()  # what follows may work in place
            maps.setdefault(path, output.relu() if path.endswith("+relu") else output)  # a shared ReLU is called again

        model.get_submodule(path.removesuffix("+relu")).register_forward_hook(keep)
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
