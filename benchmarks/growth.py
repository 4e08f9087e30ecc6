"""How the time and memory of automatic segmentation grow: python benchmarks/growth.py --by points

Ours alone, one setting varied at a time: points per side, megapixels, share of candidates that
survive and all of which are kept (no suppression, no stability filter), crop layers. With one
thread the time is processor seconds. The last column is the time over that of the row before,
divided by how much more work the row has: near or below 1 means growth no worse than linear.
"""

from __future__ import annotations

import argparse

import torch
from automatic_setup import SCENE, make_model, measured, read_image, threshold_for
from region_fields.engine import Everything, segment_everything

ROWS: dict[str, list[float]] = {
    "points": [8, 16, 32, 64],
    "megapixels": [0.25, 1, 4, 8.3, 33.2],
    "survive": [0.05, 0.1, 0.2, 0.4, 0.8],
    "crops": [0, 1, 2],
}


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    model = make_model(options.model, options.device)
    varied = list(ROWS) if options.by == "all" else [options.by]
    for by in varied:
        print(f"\n{options.model}, {options.threads} threads, by {by}\n")
        print(f"| {by} | work | seconds | peak MB | masks | growth |")
        print("|---|---|---|---|---|---|")
        before: tuple[float, float] | None = None
        for value in ROWS[by]:
            work, seconds, line = measure_row(model, options, by, value)
            growth = "" if before is None else f"{seconds / before[1] / (work / before[0]):.2f}"
            print(f"| {value:g} | {line} | {growth} |", flush=True)
            before = work, seconds


def measure_row(model, options, by: str, value: float) -> tuple[float, float, str]:
    """Amount of work (what the table's `work` says), seconds, and the row to print."""
    given = {"points": options.points, "megapixels": 1.0, "survive": 0.15, "crops": 0, by: value}
    image = read_image(SCENE, given["megapixels"])
    points = int(given["points"])
    settings = Everything(
        points_per_side=points,
        pred_iou_thresh=threshold_for(model, image, points, given["survive"]),
        stability_score_thresh=0.0,
        box_nms_thresh=1.0 if by == "survive" else 0.7,
        crop_n_layers=int(given["crops"]),
    )
    segment_everything(model, image, Everything(points_per_side=1))
    run = measured(lambda: segment_everything(model, image, settings))
    work = {
        "points": points**2,
        "megapixels": given["megapixels"],
        "survive": 3 * points**2 * given["survive"],
        "crops": sum(4**layer for layer in range(int(given["crops"]) + 1)),
    }[by]
    line = f"{work:g} | {run.counted:.2f} | {run.peak_bytes / 1e6:.0f} | {len(run.result)}"
    return work, run.counted, line


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--by", choices=["all", *ROWS], default="all")
    parser.add_argument("--model", default="nano", help='"nano", a file, or "random:tiny"')
    parser.add_argument("--points", type=int, default=32, help="points per side elsewhere")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    main()
