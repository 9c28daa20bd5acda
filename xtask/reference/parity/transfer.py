"""What torchvision, PyTorch and a convex solver say, for `crates/transfer/tests/it`. Run through `cargo xtask parity transfer`."""

import torch
import torchvision
from torch import nn

import closed_form
import fixture
import torch_weights

FAMILIES = ("resnet", "resnext", "wide_resnet", "vgg", "alexnet", "squeezenet", "googlenet", "densenet", "mobilenet_v", "efficientnet_b", "convnext")
SKIPPED = ("efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "resnext101_64x4d", "convnext_large")


def preprocessing():
    """Resize, crop, whether bicubic, mean, deviation of every published file; GoogLeNet's seen through its own transform_input."""
    found = {}
    for name in torchvision.models.list_models(module=torchvision.models):
        if not name.startswith(FAMILIES) or name in SKIPPED:
            continue
        for weights in torchvision.models.get_model_weights(name):
            made = weights.transforms()
            mean, std = list(made.mean), list(made.std)
            if name == "googlenet":
                mean, std = [0.5] * 3, [0.5] * 3
            bicubic = float(made.interpolation == torchvision.transforms.InterpolationMode.BICUBIC)
            row = [made.resize_size[0], made.crop_size[0], bicubic, *mean, *std]
            found[f"preprocessing.{name}.{weights.name.split('_')[-1]}"] = fixture.exact(row)
    return found


def one_cycle():
    """PyTorch's rates of three groups over 40 steps, a row a step."""
    groups = [{"params": [nn.Parameter(torch.zeros(1))]} for _ in range(3)]
    optimiser = torch.optim.SGD(groups, lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=[1e-4, 1e-3, 1e-2], total_steps=40)
    rates = []
    for _ in range(40):
        rates.append([group["lr"] for group in optimiser.param_groups])
        optimiser.step()
        scheduler.step()
    return fixture.exact(rates)


def probe():
    """Weights of the logistic regression of 60 rows in 3 classes, by PyTorch's L-BFGS in double precision, C = 0.5."""
    rows = torch.from_numpy(closed_form.data("rows", (60, 6))).double()
    labels = torch.from_numpy(closed_form.classes("labels", 60, 3))
    rows = torch.where(labels[:, None] == torch.arange(6)[None, :] % 3, rows.float() + 0.5, rows.float()).double()
    weight = torch.zeros(3, 6, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        likelihood = nn.functional.cross_entropy(rows @ weight.T + bias, labels, reduction="sum")
        loss = 0.5 * likelihood + 0.5 * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return fixture.exact(weight)


def main():
    images = torch.from_numpy(closed_form.data("images", (2, 3, 32, 32)))
    entries = {"dense.logits": fixture.entry(torch_weights.dense()(images))}
    entries["one_cycle"] = one_cycle()
    entries["probe.weight"] = probe()
    fixture.write("transfer", "transfer", entries | preprocessing(), f"torchvision {torchvision.__version__.split('+')[0]}")


if __name__ == "__main__":
    main()
