"""Boxes, suppression and FCOS of torchvision over closed-form inputs: overlaps, kept boxes, the head's outputs, which
place is answerable for which box, losses with their gradients, decoded detections.

Checked by `crates/cnn/tests/it/detection.rs`. Run through `cargo xtask parity detection`.
"""

import torch
import torchvision.ops as ops
from torchvision.models.detection.fcos import FCOS, FCOSHead

import closed_form
import fixture

torch.set_num_threads(1)

CLASSES, CHANNELS = 5, 32
IMAGE = (96, 144)
SIZES, STRIDES = ((24, 36), (12, 18), (6, 9)), (4, 8, 16)
PLACES = sum(h * w for h, w in SIZES)


def tensor(name, shape):
    return torch.from_numpy(closed_form.data(name, shape))


def boxes(name, count, extent=120, side=160):
    """Corners in quarters of a pixel, so that areas are exact."""
    draws = torch.from_numpy(closed_form.classes(name, count * 4, 1 << 16)).reshape(count, 4)
    low = (draws[:, :2] % extent).float() / 4
    size = 1 + (draws[:, 2:] % side).float() / 4
    return torch.cat([low, low + size], 1)


def overlaps():
    a, b = boxes("a", 9), boxes("b", 7)
    return {
        name: fixture.entry(measure(a, b), keep=63)
        for name, measure in {
            "box_iou": ops.box_iou,
            "generalized_box_iou": ops.generalized_box_iou,
            "distance_box_iou": ops.distance_box_iou,
            "complete_box_iou": ops.complete_box_iou,
        }.items()
    }


def suppression():
    many = boxes("many", 120)
    scores = (tensor("scores", (120,)) + 1) / 2
    classes = torch.from_numpy(closed_form.classes("classes", 120, 4))
    entries = {}
    for threshold in (0.2, 0.5, 0.7):
        entries[f"nms {threshold}"] = fixture.exact(ops.nms(many, scores, threshold))
        entries[f"batched_nms {threshold}"] = fixture.exact(ops.batched_nms(many, scores, classes, threshold))
    return entries


class Pyramid(torch.nn.Module):
    out_channels = CHANNELS


def anchors():
    """A square of the stride's side around each place: torchvision's way to say where it is."""
    squares = []
    for (height, width), stride in zip(SIZES, STRIDES):
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        corner = torch.stack([x, y], -1).reshape(-1, 2).float() * stride
        squares.append(torch.cat([corner, corner + stride], 1))
    return squares


def targets():
    """Seven things in one image, one in the next, none in the last."""
    things = []
    for image, count in enumerate((7, 1, 0)):
        bounds = boxes(f"things {image}", count, 240, 560)
        bounds[:, 2::2].clamp_(max=IMAGE[1])
        bounds[:, 1::2].clamp_(max=IMAGE[0])
        labels = torch.from_numpy(closed_form.classes(f"labels {image}", count, CLASSES))
        things.append({"boxes": bounds, "labels": labels})
    return things


def head():
    module = closed_form.fill(FCOSHead(CHANNELS, 1, CLASSES, num_convs=2))
    maps = [tensor(f"level{i}", (2, CHANNELS, *size)) for i, size in enumerate(SIZES)]
    raw = []
    module.regression_head.bbox_reg.register_forward_hook(lambda m, i, o: raw.append(o.flatten(2).transpose(1, 2)))
    outputs = module(maps)
    return {
        "head.logits": fixture.entry(outputs["cls_logits"]),
        "head.distances": fixture.entry(torch.cat(raw, 1).exp()),
        "head.centerness": fixture.entry(outputs["bbox_ctrness"].squeeze(2)),
    }


def learning():
    detector = FCOS(Pyramid(), CLASSES, score_thresh=0.3, nms_thresh=0.6, detections_per_img=20, topk_candidates=30)
    names = {"cls_logits": ("logits", CLASSES), "bbox_regression": ("distances", 4), "bbox_ctrness": ("centerness", 1)}
    leaves = {key: tensor(name, (3, PLACES, width)).requires_grad_() for key, (name, width) in names.items()}
    outputs = dict(leaves, bbox_regression=leaves["bbox_regression"] + 1.5, cls_logits=leaves["cls_logits"] * 2)
    counts = [h * w for h, w in SIZES]
    matched = []
    losses_of = detector.head.compute_loss

    def compute_loss(*arguments):
        matched.extend(arguments[3])
        return losses_of(*arguments)

    detector.head.compute_loss = compute_loss
    losses = detector.compute_loss(targets(), outputs, [torch.cat(anchors())] * 3, counts)
    sum(losses.values()).backward()
    levels = torch.bucketize(torch.where(matched[0] >= 0)[0], torch.tensor(counts).cumsum(0), right=True)
    assert len(levels.unique()) == 3, "some thing belongs to each level"

    levels = {key: list(value.detach().split(counts, 1)) for key, value in outputs.items()}
    found = detector.postprocess_detections(levels, [anchors()] * 3, [IMAGE] * 3)
    entries = {}
    for i, m in enumerate(matched):
        entries[f"matched {i}.places"] = fixture.exact(torch.where(m >= 0)[0])
        entries[f"matched {i}.things"] = fixture.exact(m[m >= 0])
    entries |= {f"loss.{name}": fixture.exact(value.reshape(1)) for name, value in losses.items()}
    entries |= {f"gradient.{names[key][0]}": fixture.entry(leaf.grad) for key, leaf in leaves.items()}
    for i, one in enumerate(found):
        entries[f"found {i}.boxes"] = fixture.exact(one["boxes"])
        entries[f"found {i}.scores"] = fixture.exact(one["scores"])
        entries[f"found {i}.labels"] = fixture.exact(one["labels"])
    return entries


fixture.write("cnn", "detection", overlaps() | suppression() | head() | learning())
