"""Automatic segmentation against the sam2 package's own generator, in one process.

    python benchmarks/automatic.py --model nano --megapixels 1
    python benchmarks/automatic.py --model random:tiny --megapixels 8

Same network, image and settings; the predicted-IoU threshold is set so that a share of the
candidates passes (--survive), and unless --stability is given no stability filter takes any away.
So many masks go through full size and all that follows, whatever few the suppression leaves of
them: on a picture of few things most candidates are the same masks. With --nms 1 all of them stay.
Prints a table: seconds, peak memory above the loaded model, ratio, matched masks; and how far our
time stands from the arithmetic at the speed a large matrix product reaches here (both in processor
seconds where --threads is 1, so that other work on the machine counts less). The two sides
take turns, `--repeat` times; the table has the best of each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from automatic_precisions import print_table
from automatic_setup import (
    SCENE,
    Measured,
    arithmetic,
    encode,
    flops_per_second,
    make_model,
    masks_of,
    measured,
    predicted_ious,
    read_image,
    run_reference,
    threshold_for,
)
from pycocotools import mask as coco
from region_fields.engine import Everything, Regions, segment_everything
from scipy.optimize import linear_sum_assignment


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    model = make_model(options.model, options.device, options.dtype)
    image = read_image(options.image, options.megapixels)
    survive = threshold_for(model, image, options.points, options.survive)
    ious = predicted_ious(model, image, options.points, options.points**2)
    settings = Everything(
        points_per_side=options.points,
        pred_iou_thresh=survive,
        stability_score_thresh=options.stability,
        box_nms_thresh=options.nms,
        crop_n_layers=options.crops,
        use_m2m=options.m2m,
        memory_budget=options.budget << 20,
    )
    print(
        f"{options.model} on {model.device}, {model.dtype}, {options.threads} threads; "
        f"{image.shape[1]} x {image.shape[0]} pixels, {options.points} points per side, "
        f"{options.crops} crop layers, m2m {options.m2m}, predicted IoU > {survive:.4f}: "
        f"{int((ious > survive).sum())} of the image's {ious.numel()} candidates"
    )
    if options.precisions:
        print_table(model, image, settings, options.half, options.repeat)
        return
    pixels = (image * 255).round().to(torch.uint8).numpy()
    segment_everything(model, image, Everything(points_per_side=2))
    ours: list[Measured] = []
    theirs: list[Measured] = []
    for _ in range(options.repeat):
        ours.append(measured(lambda: segment_everything(model, image, settings)))
        if not options.no_reference:
            theirs.append(measured(lambda: run_reference(model, pixels, settings)))
    report(ours, theirs)
    if not (options.crops or options.m2m):
        alone = options.threads == 1 and model.device.type == "cpu"
        seconds = min(m.processor if alone else m.seconds for m in ours)
        report_bound(arithmetic(model, image, settings), model, seconds)


def report(ours: list[Measured], theirs: list[Measured]) -> None:
    print(f"\n{'':12}{'seconds':>10}{'processor':>10}{'peak MB':>10}{'masks':>8}")
    for name, runs in (("reference", theirs), ("ours", ours)):
        if runs:
            seconds, peak = min(m.seconds for m in runs), max(m.peak_bytes for m in runs)
            line = f"{name:12}{seconds:10.2f}{min(m.processor for m in runs):10.2f}"
            print(f"{line}{peak / 1e6:10.0f}{len(runs[0].result):8}")
    if not theirs:
        return
    ratio = min(m.seconds for m in theirs) / min(m.seconds for m in ours)
    busy = min(m.processor for m in theirs) / min(m.processor for m in ours)
    lowest, matched, missing, extra = agreement(ours[0].result, theirs[0].result)
    print(f"\nreference / ours: {ratio:.1f} x; in processor seconds {busy:.1f} x")
    print(f"matched {matched}, lowest IoU {lowest:.4f}, missing {missing}, extra {extra}")


def agreement(ours: Regions, theirs: list[dict]) -> tuple[float, int, int, int]:
    """Lowest IoU of the pairs at 0.99 or more, their number, and how many have no partner."""
    wanted = [encode(mask) for mask in masks_of(theirs)]
    found = [encode(mask) for mask in masks_of(ours)]
    if not wanted or not found:
        return 1.0, 0, len(wanted), len(found)
    iou = np.asarray(coco.iou(found, wanted, [False] * len(wanted)))
    pairs = iou[linear_sum_assignment(-iou)]
    good = pairs[pairs >= 0.99]
    return float(good.min(initial=1.0)), len(good), len(wanted) - len(good), len(found) - len(good)


def report_bound(flops: dict[str, float], model, seconds: float) -> None:
    speed = flops_per_second(model.device, model.dtype)
    bound = sum(flops.values()) / speed
    parts = ", ".join(f"{name} {count / 1e9:.0f}" for name, count in flops.items())
    print(
        f"arithmetic: {parts} GFLOP; at {speed / 1e9:.0f} GFLOP/s {bound:.2f} s; "
        f"ours takes {seconds / bound:.2f} x that"
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="nano", help='"nano", a file, or "random:tiny"')
    parser.add_argument("--image", type=Path, default=SCENE)
    parser.add_argument("--megapixels", type=float, default=1.0)
    parser.add_argument("--points", type=int, default=32, help="points per side")
    parser.add_argument("--survive", type=float, default=0.15, help="share of candidates")
    parser.add_argument("--stability", type=float, default=0.0, help="stability_score_thresh")
    parser.add_argument("--nms", type=float, default=0.7, help="box_nms_thresh; 1 keeps all")
    parser.add_argument("--crops", type=int, default=0)
    parser.add_argument("--m2m", action="store_true")
    parser.add_argument("--budget", type=int, default=256, help="memory_budget in MiB")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default=None)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--no-reference", action="store_true")
    parser.add_argument("--precisions", action="store_true", help="the table of precisions")
    parser.add_argument("--half", default="bfloat16", choices=["bfloat16", "float16"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
