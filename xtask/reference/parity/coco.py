"""The twelve figures of pycocotools over scenes in closed form.

`crates/cnn/tests/it/coco.rs` draws the same scenes. Coordinates are quarters of a pixel, so that corners, sizes, areas
and their sums are exact in both. Run through `cargo xtask parity coco`.
"""

import contextlib
import io
from importlib.metadata import version

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import closed_form
import fixture

# images, classes, things at most, detections at most, levels of the score, one thing in so many is a crowd (0: none)
CASES = {
    "mixed": (24, 4, 8, 14, 1000, 9),
    "ties": (16, 2, 6, 10, 3, 0),
    "crowds": (12, 2, 6, 20, 50, 2),
    "sparse": (30, 6, 1, 2, 10, 0),
    "most": (3, 1, 90, 400, 200, 11),
    "alone": (4, 2, 3, 0, 10, 0),
    "nothing": (4, 2, 0, 5, 10, 0),
}


def draws(name, count, bound=1 << 16):
    return closed_form.classes(name, count, bound).tolist()


def rows(name, count):
    flat = draws(name, count * 8)
    return [flat[8 * i : 8 * i + 8] for i in range(count)]


def scene(case, image, sizes):
    """Things and detections; a detection is a thing moved and stretched by up to four pixels, or anything."""
    _, classes, most_things, most_found, levels, crowd = sizes
    things, found = [], []
    (count,) = draws(f"{case} {image} things", 1, most_things + 1)
    for r in rows(f"{case} {image} thing", count):
        span = (80, 300, 1000)[r[6] % 3]
        w, h = 8 + r[2] % span / 4, 8 + r[3] % span / 4
        bounds = [r[0] % 1600 / 4, r[1] % 1600 / 4, w, h]
        area = w * h * (0.5 + 0.25 * (r[5] % 3))
        things.append((bounds, r[4] % classes, area, int(crowd > 0 and r[7] % max(crowd, 1) == 0)))
    (count,) = draws(f"{case} {image} found", 1, most_found + 1)
    for r in rows(f"{case} {image} detection", count):
        score = (r[7] % levels + 1) / (levels + 1)
        if things and r[0] % 4 != 0:
            (x, y, w, h), label, _, _ = things[r[1] % len(things)]
            dx, dy, dw, dh = ((v % 33 - 16) / 4 for v in r[2:6])
            bounds = [x + dx, y + dy, w + dw, h + dh]
            label = label if r[6] % 8 else r[6] // 8 % classes
        else:
            bounds = [r[2] % 1600 / 4, r[3] % 1600 / 4, 4 + r[4] % 400 / 4, 4 + r[5] % 400 / 4]
            label = r[6] // 8 % classes
        found.append((bounds, label, score))
    return things, found


def coco(images, classes, annotations):
    api = COCO()
    api.dataset = {
        "info": {},
        "images": [{"id": i} for i in range(images)],
        "categories": [{"id": k} for k in range(classes)],
        "annotations": [dict(annotation, id=i + 1) for i, annotation in enumerate(annotations)],
    }
    api.createIndex()
    return api


def figures(case, sizes):
    truth, results = [], []
    for image in range(sizes[0]):
        things, found = scene(case, image, sizes)
        for bounds, label, area, crowd in things:
            truth.append(
                {"image_id": image, "category_id": label, "bbox": bounds, "area": area, "iscrowd": crowd}
            )
        for bounds, label, score in found:
            area = bounds[2] * bounds[3]
            results.append({"image_id": image, "category_id": label, "bbox": bounds, "area": area, "score": score})
    evaluation = COCOeval(coco(*sizes[:2], truth), coco(*sizes[:2], results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    counted = [len(truth), sum(one["iscrowd"] for one in truth), len(results)]
    return evaluation.stats, counted


entries = {}
for case, sizes in CASES.items():
    with contextlib.redirect_stdout(io.StringIO()):
        stats, counted = figures(case, sizes)
    entries[f"{case}.stats"] = fixture.exact(stats)
    entries[f"{case}.counts"] = fixture.exact(counted)

fixture.write("cnn", "coco", entries, f"pycocotools {version('pycocotools')}")
