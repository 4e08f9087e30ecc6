"""The table of precisions: reference and ours, in float32 and in half, on one device.

    python benchmarks/automatic.py --precisions --device cuda --model large.pt --budget 4096

Each row's masks are compared with the reference's in float32: `0.9` and `0.99` are the shares of
those that have a mask of that IoU or more, `mean IoU` that of the best pairs, one without a partner
counting 0. `waits` is how often the host waited for the device in one run (CUDA only). With one
thread of the CPU times are processor milliseconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from automatic_setup import Measured, encode, masks_of, measured, run_reference
from pycocotools import mask as coco
from region_fields.engine import Everything, Sam2, segment_everything
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def print_table(model: Sam2, image: Tensor, settings: Everything, half: str, repeat: int) -> None:
    pixels = (image * 255).round().to(torch.uint8).numpy()
    on_device = image.to(model.device)

    def theirs(dtype: torch.dtype) -> Callable[[], Any]:
        def work() -> Any:
            with torch.autocast(model.device.type, dtype=dtype, enabled=dtype != torch.float32):
                return run_reference(model, pixels, settings)

        return work

    def ours(precision: str) -> Callable[[], Any]:
        same = Sam2(model.network, model.architecture, model.version, precision)
        return lambda: segment_everything(same, on_device, settings)

    rows = {
        "reference float32": theirs(torch.float32),
        f"reference {half}": theirs(getattr(torch, half)),
        "ours float32": ours("float32"),
        f"ours {half}": ours(half),
    }
    heads = ("ms", "ratio", "peak MB", "masks", "0.9", "0.99", "mean IoU", "waits")
    print(f"\n{'':22}" + "".join(f"{head:>10}" for head in heads))
    first: Measured | None = None
    for name, work in rows.items():
        best = fastest(work, repeat, model.device)
        first = first or best
        alike = likeness(first.result, best.result)
        waits = count_waits(work) if model.device.type == "cuda" else "-"
        line = f"{name:22}{1e3 * best.counted:10.1f}{first.counted / best.counted:10.1f}"
        line += f"{best.peak_bytes / 1e6:10.0f}{len(best.result):10}"
        line += "".join(f"{share:10.4f}" for share in alike)
        print(f"{line}{waits:>10}", flush=True)


def fastest(work: Callable[[], Any], repeat: int, device: torch.device) -> Measured:
    """The best of so many runs; on a GPU after one that isn't counted."""
    if device.type != "cpu":
        work()
    return min((measured(work) for _ in range(repeat)), key=lambda run: run.counted)


def likeness(wanted: Any, got: Any) -> tuple[float, float, float]:
    """Shares of the wanted masks found at IoU 0.9 and at 0.99, and mean IoU of the best pairs."""
    one = [encode(mask) for mask in masks_of(wanted)]
    other = [encode(mask) for mask in masks_of(got)]
    if not one or not other:
        return float(not one), float(not one), float(len(one) == len(other))
    iou = np.asarray(coco.iou(other, one, [False] * len(one)))
    pairs = iou[linear_sum_assignment(-iou)]
    close, closer = ((pairs >= least).sum() / len(one) for least in (0.9, 0.99))
    return float(close), float(closer), float(pairs.sum() / max(len(one), len(other)))


def count_waits(work: Callable[[], Any]) -> int:
    """How often PyTorch made the host wait for the GPU."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            work()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing CUDA operation" in str(warning.message) for warning in seen)
