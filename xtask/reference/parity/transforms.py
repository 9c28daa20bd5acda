"""Image transformations of torchvision's transforms.v2 on one image in closed form, and boxes that follow.

The calls are repeated in `crates/prep/tests/it/parity.rs`. Run through `cargo xtask parity transforms`.
"""

import math

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F
from torchvision.transforms.v2 import InterpolationMode as Mode

import fixture

torch.set_num_threads(1)
KEEP = 240  # elements of an image
HEIGHT, WIDTH = 20, 28

y, x, c = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), np.arange(3), indexing="ij")
PIXELS = ((5 * x + 3 * y + 40 * c + 11 * ((x * y + 7 * c) % 13)) % 256).astype(np.uint8)
IMAGE = torch.from_numpy(PIXELS).permute(2, 0, 1).contiguous()
BOXES = tv_tensors.BoundingBoxes(
    torch.tensor([[4.0, 3.0, 11.0, 9.0], [10.0, 6.0, 19.0, 15.0]]), format="XYXY", canvas_size=(HEIGHT, WIDTH)
)
entries = {}


def record(name, image):
    """An image as [height, width, channels], the order of ours."""
    entries[name] = fixture.entry(image.permute(1, 2, 0).to(torch.float64).contiguous(), keep=KEEP)


def boxes(name, moved):
    entries[f"{name} boxes"] = fixture.exact(moved)


for size in ([9, 13], [33, 40], [12, 31]):
    for name, mode in (("nearest", Mode.NEAREST_EXACT), ("bilinear", Mode.BILINEAR), ("bicubic", Mode.BICUBIC)):
        record(f"resize {name} {size[0]}x{size[1]}", F.resize(IMAGE, size, mode, antialias=True))
    # Half the contrast: sharp filters overshoot without leaving the byte. Where they leave it, it matters whether they go
    # across or down first, and torchvision and Pillow differ from each other by up to 8 levels.
    soft = PIXELS // 2 + 64
    record(f"resize soft bicubic {size[0]}x{size[1]}", F.resize(torch.from_numpy(soft).permute(2, 0, 1), size, Mode.BICUBIC))
    # torchvision has Lanczos for Pillow's images only.
    for name, pixels in (("lanczos", PIXELS), ("soft lanczos", soft)):
        lanczos = F.resize(Image.fromarray(pixels), size, Mode.LANCZOS)
        record(f"resize {name} {size[0]}x{size[1]}", F.pil_to_tensor(lanczos))
    boxes(f"resize {size[0]}x{size[1]}", F.resize(BOXES, size))
record("resize shorter 10", F.resize(IMAGE, [10], antialias=True))
record("resize shorter 10 longest 12", F.resize(IMAGE, [10], max_size=12, antialias=True))

record("horizontal flip", F.horizontal_flip(IMAGE))
record("vertical flip", F.vertical_flip(IMAGE))
boxes("horizontal flip", F.horizontal_flip(BOXES))
boxes("vertical flip", F.vertical_flip(BOXES))
record("crop", F.crop(IMAGE, 3, 5, 11, 14))
boxes("crop", F.crop(BOXES, 3, 5, 11, 14))
record("center crop 9x13", F.center_crop(IMAGE, [9, 13]))
record("center crop 7x40", F.center_crop(IMAGE, [7, 40]))
boxes("center crop 9x13", F.center_crop(BOXES, [9, 13]))
for mode in ("constant", "edge", "reflect", "symmetric"):
    record(f"pad {mode}", F.pad(IMAGE, [3, 1, 5, 4], fill=[7, 8, 9] if mode == "constant" else 0, padding_mode=mode))
boxes("pad", F.pad(BOXES, [3, 1, 5, 4]))

for name, mode in (("nearest", Mode.NEAREST), ("bilinear", Mode.BILINEAR)):
    # At the edge torchvision blends a fill with the square of a pixel's share, ours with the share.
    fill = [7.0, 8.0, 9.0] if mode == Mode.NEAREST else None
    record(f"rotate 33 {name}", F.rotate(IMAGE, 33.0, mode, fill=fill))
    record(f"rotate -25 expand {name}", F.rotate(IMAGE, -25.0, mode, expand=True))
    record(f"affine {name}", F.affine(IMAGE, 20.0, [2, -1], 1.2, [10.0, -5.0], mode, fill=fill))
boxes("rotate 33", F.rotate(BOXES, 13.0))
boxes("affine", F.affine(BOXES, 5.0, [2, -1], 1.05, [4.0, -3.0]))
start = [[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]]
end = [[3, 1], [26, 4], [24, 19], [1, 17]]
record("perspective", F.perspective(IMAGE, start, end, Mode.BILINEAR))
boxes("perspective", F.perspective(BOXES, start, end))

for factor in (0.4, 1.7):
    record(f"brightness {factor}", F.adjust_brightness(IMAGE, factor))
    record(f"contrast {factor}", F.adjust_contrast(IMAGE, factor))
    record(f"saturation {factor}", F.adjust_saturation(IMAGE, factor))
for fraction in (-0.3, 0.11):
    record(f"hue {fraction}", F.adjust_hue(IMAGE, fraction))
record("grey", F.rgb_to_grayscale(IMAGE, 3))
record("blur 5 1.3", F.gaussian_blur(IMAGE, [5, 5], [1.3, 1.3]))
record("blur 9 0.6", F.gaussian_blur(IMAGE, [9, 9], [0.6, 0.6]))

augment = v2.RandAugment()
for name, (magnitudes, signed) in augment._AUGMENTATION_SPACE.items():
    values = magnitudes(31, HEIGHT, WIDTH)
    for sign in (1, -1) if signed else (1,):
        magnitude = 0.0 if values is None else sign * float(values[9])
        record(
            f"rand augment {name} {'+' if sign > 0 else '-'}",
            augment._apply_image_or_video_transform(
                IMAGE, name, magnitude, interpolation=Mode.NEAREST, fill=augment._fill
            ),
        )

fixture.write("prep", "transforms", entries)
