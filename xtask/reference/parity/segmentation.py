"""Decoders of segmentation over closed-form maps, a whole U-Net with loss and gradients, and PyTorch's interpolation.

Checked by `crates/cnn/tests/it/segmentation.rs`. Run through `cargo xtask parity segmentation`.
"""

from collections import OrderedDict

import torch
from torch.nn.functional import cross_entropy, interpolate
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

import closed_form
import fixture
from models import FpnDecoder, UNet, UNetDecoder

torch.set_num_threads(1)

# Sizes that halving does not divide: every doubling has to meet the finer map.
CHANNELS = (8, 12, 16)
SIZES = ((9, 7), (5, 4), (3, 2))


def tensor(name, shape):
    return torch.from_numpy(closed_form.data(name, shape))


def maps():
    return [tensor(f"map{i}", (2, c, *size)) for i, (c, size) in enumerate(zip(CHANNELS, SIZES))]


def unet():
    """In training: statistics of the batch, weights for the classes, a class to ignore."""
    model = closed_form.fill(UNet(4, 1, CHANNELS))
    logits = model(tensor("images", (2, 1, 20, 13)))
    masks = torch.from_numpy(closed_form.classes("masks", 2 * 20 * 13, 5)).reshape(2, 20, 13)
    loss = cross_entropy(logits, masks, weight=torch.tensor([0.5, 1.0, 2.0, 1.5]), ignore_index=4)
    loss.backward()
    counts = {
        f"{name}.parameters": fixture.exact([sum(p.numel() for p in UNet(*sizes).parameters())])
        for name, sizes in {"unet": (2,), "unet_small": (11, 1, (16, 32, 64, 96))}.items()
    }
    return {
        **counts,
        "unet.logits": fixture.entry(logits),
        "unet.loss": fixture.exact(loss.reshape(1)),
        **fixture.gradients("unet.gradients", model),
    }


def pyramid():
    fpn = closed_form.fill(FeaturePyramidNetwork(CHANNELS, 6, LastLevelP6P7(6, 6)))
    levels = fpn(OrderedDict((str(i), m) for i, m in enumerate(maps())))
    return {f"fpn.level{i}": fixture.entry(level) for i, level in enumerate(levels.values())}


def decoders():
    with torch.no_grad():
        unet = closed_form.fill(UNetDecoder(5, CHANNELS)).eval()(maps())
        fpn = closed_form.fill(FpnDecoder(5, CHANNELS, 8, 6)).eval()(maps())
        deeplab = closed_form.fill(DeepLabHead(CHANNELS[1], 5, [2, 3])).eval()(maps()[1])
    return {
        "unet_decoder": fixture.entry(unet),
        "fpn_decoder": fixture.entry(fpn),
        "deeplab": fixture.entry(deeplab),
    }


def resized():
    entries = {}
    for size in ((14, 9), (4, 11), (18, 14)):
        for mode, options in (("bilinear", {"align_corners": False}), ("nearest", {})):
            value = interpolate(maps()[0], size, mode=mode, **options)
            entries[f"{mode} {size[0]}x{size[1]}"] = fixture.entry(value)
    return entries


fixture.write("cnn", "segmentation", unet() | pyramid() | decoders() | resized())
