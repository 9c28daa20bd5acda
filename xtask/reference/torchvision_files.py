"""torchvision's networks at full size with seeded random weights and statistics, as files, with the logits and times of PyTorch.

`python xtask/reference/torchvision_files.py DIR [NAME …]` writes NAME.pth, NAME.safetensors and expected.json, for
`cargo bench -p fornax-transfer --bench files -- DIR`. Without names, every network of fornax-cnn's registry: some 10 GB.
"""

import json
import sys
import time
from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

import closed_form

NAMES = """alexnet vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn squeezenet1_0 squeezenet1_1 googlenet
resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d wide_resnet50_2 wide_resnet101_2
densenet121 densenet161 densenet169 densenet201 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small
efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4
convnext_tiny convnext_small convnext_base""".split()
SIDE = 224


def build(name):
    options = {"init_weights": True, "aux_logits": True, "transform_input": False} if name == "googlenet" else {}
    return torchvision.models.get_model(name, weights=None, **options)


def statistics(model):
    """As after training: means about 0, variances about 1."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.weight, mean=1.0, std=0.1)
            nn.init.normal_(module.bias, std=0.1)


def seconds(path, model):
    """Best of five."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        model.load_state_dict(torch.load(path, weights_only=True))
        best = min(best, time.perf_counter() - start)
    return best


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    images = torch.from_numpy(closed_form.data("images", (1, 3, SIDE, SIDE)))
    expected = {}
    for name in sys.argv[2:] or NAMES:
        torch.manual_seed(0)
        model = build(name)
        statistics(model)
        model.eval()
        torch.save(model.state_dict(), folder / f"{name}.pth")
        save_file(model.state_dict(), folder / f"{name}.safetensors")
        with torch.no_grad():
            logits = model(images)[0].double().tolist()
        load = seconds(folder / f"{name}.pth", build(name).eval())
        expected[name] = {"logits": logits, "side": SIDE, "load_seconds": load}
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()
