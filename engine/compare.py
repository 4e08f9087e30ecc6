"""How alike two masks are: by area and by outline."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .ops.checks import InputError
from .ops.distance import distance_to
from .ops.fields import as_mask, check_number, common_batch, frame


@dataclass(frozen=True)
class Comparison:
    """Likeness of two masks, each 0..1, 1 = the same.

    iou: shared pixels / pixels in either. dice: 2 x shared / pixels of both. boundary_f: harmonic
    mean of the shares of either outline that lie near the other.
    """

    iou: float
    dice: float
    boundary_f: float

    def sentence(self) -> str:
        return f"IoU {self.iou:.4f}, Dice {self.dice:.4f}, boundary F {self.boundary_f:.4f}"


def compare_masks(one: Tensor, other: Tensor, tolerance: float | None = None) -> list[Comparison]:
    """Compare two batches of masks (B, H, W), frame by frame; a batch of one goes with any.

    Masks are bool, or inside where > 0.5. tolerance: how many pixels apart outlines may lie and
    still agree; None = 0.008 x the diagonal, as video segmentation benchmarks take it. An outline
    is the mask's pixels that have one of their 4 neighbours outside it; the image's border does not
    count as outside. Two empty masks are alike; so are two outlines of no pixel. Raises
    InputError for other sizes or numbers of frames.
    """
    first, second = as_mask(one), as_mask(other)
    if first.shape[1:] != second.shape[1:]:
        raise InputError(
            f"Compare Masks: {first.shape[2]} x {first.shape[1]} and {second.shape[2]} x "
            f"{second.shape[1]} pixels. Bring both masks to one size."
        )
    if tolerance is None:
        tolerance = 0.008 * math.hypot(*first.shape[1:])
    check_number("Compare Masks: tolerance", tolerance, 0)
    count = common_batch("Compare Masks", {"masks": len(first), "other masks": len(second)})
    return [
        _compare(frame(first, i), frame(second, i).to(first.device), tolerance)
        for i in range(count)
    ]


def outline(mask: Tensor) -> Tensor:
    """Pixels of a mask with one of their 4 neighbours outside it; bool (H, W)."""
    padded = torch.nn.functional.pad(mask, (1, 1, 1, 1), value=True)
    return mask & ~(padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:])


def _compare(one: Tensor, other: Tensor, tolerance: float) -> Comparison:
    shared, either = int((one & other).sum()), int((one | other).sum())
    both = int(one.sum()) + int(other.sum())
    return Comparison(
        iou=shared / either if either else 1.0,
        dice=2 * shared / both if both else 1.0,
        boundary_f=_boundary_f(outline(one), outline(other), tolerance),
    )


def _boundary_f(one: Tensor, other: Tensor, tolerance: float) -> float:
    counts = int(one.sum()), int(other.sum())
    if 0 in counts:
        return float(counts == (0, 0))
    precision = int((one & (distance_to(other) <= tolerance)).sum()) / counts[0]
    recall = int((other & (distance_to(one) <= tolerance)).sum()) / counts[1]
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
