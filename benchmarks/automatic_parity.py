"""Whether automatic segmentation finds the reference's masks, for every combination of settings.

    python benchmarks/automatic_parity.py --photos FOLDER

One row for each picture (the demo scene and the JPEGs of a folder), points per side, crop layers
and m2m on or off: how many masks the sam2 package's generator found, how many ours, how many of
them match at an IoU of 0.99 or more, the lowest IoU of a match, how many are missing or extra, and
the ratio of processor seconds. The predicted-IoU threshold lets a share of the candidates through
(--survive), so that many masks come of it whatever the model.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import torch
from automatic import agreement
from automatic_setup import SCENE, make_model, measured, read_image, run_reference, threshold_for
from region_fields.engine import Everything, segment_everything


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    model = make_model(options.model, options.device)
    pictures = [SCENE, *(sorted(options.photos.glob("*.jpg")) if options.photos else [])]
    print(f"{options.model} on {model.device}, {model.dtype}, {options.megapixels:g} MP")
    heads = ("theirs", "ours", "matched", "lowest IoU", "missing", "extra", "ratio")
    print(
        f"\n{'picture':16}{'points':>8}{'crops':>7}{'m2m':>7}" + "".join(f"{h:>12}" for h in heads)
    )
    wrong = 0
    for path in pictures:
        image = read_image(path, options.megapixels)
        for points, crops, m2m in product(options.points, options.crops, options.m2m):
            row, bad = compare(model, image, options, points, crops, bool(m2m))
            print(f"{path.stem[:15]:16}{points:8}{crops:7}{m2m!s:>7}{row}", flush=True)
            wrong += bad
    print(f"\nmissing or extra in all: {wrong}")


def compare(model, image, options, points: int, crops: int, m2m: bool) -> tuple[str, int]:
    settings = Everything(
        points_per_side=points,
        pred_iou_thresh=threshold_for(model, image, points, options.survive),
        stability_score_thresh=options.stability,
        crop_n_layers=crops,
        use_m2m=m2m,
    )
    pixels = (image * 255).round().to(torch.uint8).numpy()
    ours = measured(lambda: segment_everything(model, image, settings))
    theirs = measured(lambda: run_reference(model, pixels, settings))
    lowest, matched, missing, extra = agreement(ours.result, theirs.result)
    counts = f"{len(theirs.result):12}{len(ours.result):12}{matched:12}{lowest:12.4f}"
    return (
        f"{counts}{missing:12}{extra:12}{theirs.processor / ours.processor:12.1f}",
        missing + extra,
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="nano", help='"nano", a file, or "random:tiny"')
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs")
    parser.add_argument("--megapixels", type=float, default=0.5)
    parser.add_argument("--points", type=int, nargs="+", default=[16, 32], help="points per side")
    parser.add_argument("--crops", type=int, nargs="+", default=[0, 1], help="crop layers")
    parser.add_argument("--m2m", type=int, nargs="+", default=[0, 1], choices=[0, 1])
    parser.add_argument("--survive", type=float, default=0.5, help="share of candidates")
    parser.add_argument("--stability", type=float, default=0.5, help="stability_score_thresh")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    main()
