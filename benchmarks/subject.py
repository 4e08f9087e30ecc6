"""How often Select Subject finds the subject.

    python benchmarks/subject.py [--crops 200] [--model nano] [PHOTO ... --out FOLDER]

On the demo scene the truth is known: the subject is the vase. The formula is judged on the true
regions, apart from any segmenter, in random crops that hold the whole vase, half of them mirrored;
and on what the model finds. For photographs the chosen region is drawn for a person to judge.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from region_fields.engine import Everything, Regions, Sam2, load_sam2, segment_everything
from region_fields.engine import files as engine_files
from region_fields.engine.label_map import from_label_map
from region_fields.engine.preview import draw_regions
from region_fields.engine.selection import subject
from torch import Tensor

INPUTS = Path(__file__).resolve().parent.parent / "example_workflows" / "inputs"
SETTINGS = Everything(points_per_side=16)


def scene() -> tuple[Tensor, list[str], str]:
    """The true label map int64 (H, W), the names, and the name of the subject."""
    facts = json.loads((INPUTS / "still_life.json").read_text())
    with Image.open(INPUTS / "still_life_regions.png") as picture:
        labels = torch.from_numpy(np.asarray(picture, np.int64))
    return labels, facts["names"], facts["subject"]


def crop_of(labels: Tensor, wanted: Tensor, rng: np.random.Generator) -> Tensor:
    """A random crop of 50 to 100 % of each side that holds all pixels of `wanted`."""
    height, width = labels.shape
    rows, columns = wanted.any(1).nonzero(), wanted.any(0).nonzero()
    y0, y1, x0, x1 = (int(v) for v in (rows[0], rows[-1], columns[0], columns[-1]))
    while True:
        share = rng.uniform(0.5, 1, 2)
        h, w = round(height * share[0]), round(width * share[1])
        top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
        if top <= y0 and y1 < top + h and left <= x0 and x1 < left + w:
            part = labels[top : top + h, left : left + w]
            return part.flip(1) if rng.random() < 0.5 else part


def on_the_truth(crops: int) -> None:
    labels, names, wanted = scene()
    whole, rng = labels == names.index(wanted), np.random.default_rng(0)
    chosen: Counter[str] = Counter()
    for _ in range(crops):
        part = crop_of(labels, whole, rng)
        picked = subject(from_label_map(part + 1))
        chosen[names[int(picked.ids[0]) - 1]] += 1
    told = ", ".join(f"{name} {count}" for name, count in chosen.most_common())
    print(f"true regions, {crops} crops: {told}; right in {chosen[wanted] / crops:.1%}")


def iou(one: Tensor, other: Tensor) -> float:
    return float((one & other).sum()) / float((one | other).sum())


def found(model: Sam2, image: Tensor) -> Regions:
    return segment_everything(model, image, SETTINGS).to("cpu")


def on_the_models_regions(model: Sam2) -> None:
    labels, names, wanted = scene()
    image = engine_files.read_image(INPUTS / "still_life.jpg")[..., :3]
    regions, truth = found(model, image), labels == names.index(wanted)
    best = max(iou(mask, truth) for mask in regions.masks)
    reached = iou(subject(regions).union(), truth)
    print(
        f"the model's {len(regions)} regions: IoU with the {wanted} {reached:.2f}; "
        f"of the best of them {best:.2f}"
    )


def on_photos(model: Sam2, photos: list[Path], out: Path | None) -> None:
    for path in photos:
        image = engine_files.read_image(path)[..., :3]
        regions = found(model, image)
        picked = subject(regions)
        x0, y0, x1, y1 = picked.boxes[0].tolist()
        share = float(picked.areas[0]) / image[..., 0].numel()
        print(f"{path.name}: {len(regions)} regions, chosen {x0},{y0} to {x1},{y1}, {share:.1%}")
        if out is not None:
            engine_files.write_image(
                out / f"{path.stem}_subject.png", draw_regions(image, picked, opacity=0.6)
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="*", type=Path, metavar="PHOTO")
    parser.add_argument("--crops", type=int, default=200)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    on_the_truth(given.crops)
    model = load_sam2(given.model)
    on_the_models_regions(model)
    on_photos(model, given.photos, given.out)


if __name__ == "__main__":
    main()
