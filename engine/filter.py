"""Keep the regions that meet every condition, and of near-equal regions one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .ops.beside import mask_beside
from .ops.bits import bit_count, pack_bits
from .ops.checks import InputError
from .ops.fields import UNITS, check_choice, check_number
from .ops.runs import elongations, intersection_areas
from .regions import Regions

BORDER_RULES = ("keep", "drop", "only")


def filter_regions(
    regions: Regions,
    *,
    min_area: float = 0,
    max_area: float = math.inf,
    area_units: str = "pixels",
    min_score: float = 0,
    min_stability: float = 0,
    min_elongation: float = 1,
    max_elongation: float = math.inf,
    border: str = "keep",
    mask: Tensor | None = None,
    min_overlap: float = 0,
    max_overlap: float = 1,
) -> Regions:
    """The regions that meet every condition; limits themselves pass.

    Areas are in pixels, or with area_units "percent" in percent of the image. Score is the
    predicted IoU. Elongation is the spread of the pixels along the region's long axis over the
    spread across it: 1 for a disc or a square, 5 for a bar of 5 : 1. border: "drop" those that
    touch the image's border, or keep "only" those. With a mask (H, W), bool or > 0.5, resized
    where it must be: the share of the region's pixels that lie in it, 0..1.
    Raises InputError for unknown words, numbers that aren't, or overlap limits without a mask.
    """
    check_choice("Filter Regions: area_units", area_units, UNITS)
    check_choice("Filter Regions: border", border, BORDER_RULES)
    for name, limit in {"max_area": max_area, "max_elongation": max_elongation}.items():
        check_number(f"Filter Regions: {name}", 0 if limit == math.inf else limit)
    for name, limit in {
        "min_area": min_area,
        "min_score": min_score,
        "min_stability": min_stability,
        "min_elongation": min_elongation,
        "min_overlap": min_overlap,
        "max_overlap": max_overlap,
    }.items():
        check_number(f"Filter Regions: {name}", limit)
    height, width = regions.size
    areas = regions.areas.to(torch.float64)
    if area_units == "percent":
        areas = areas * 100 / (height * width)
    keep = (areas >= min_area) & (areas <= max_area)
    keep &= (regions.scores >= min_score) & (regions.stability >= min_stability)
    if min_elongation > 1 or max_elongation < math.inf:
        shape = elongations(regions.packed, regions.boxes)
        keep &= (shape >= min_elongation) & (shape <= max_elongation)
    if border != "keep":
        touching = touches_border(regions)
        keep &= touching if border == "only" else ~touching
    if mask is not None:
        share = overlap_shares(regions, mask)
        keep &= (share >= min_overlap) & (share <= max_overlap)
    elif min_overlap > 0 or max_overlap < 1:
        raise InputError(
            "Filter Regions: min_overlap and max_overlap need a mask to overlap with; give it."
        )
    return regions.take(keep)


def touches_border(regions: Regions) -> Tensor:
    """Which regions hold a pixel of the image's outermost rows or columns, bool (N,)."""
    height, width = regions.size
    x0, y0, x1, y1 = regions.boxes.unbind(-1)
    return (x0 == 0) | (y0 == 0) | (x1 == width) | (y1 == height)


def overlap_shares(regions: Regions, mask: Tensor) -> Tensor:
    """Share of each region's pixels in `mask`, float64 (N,). mask as in `filter_regions`."""
    plane = mask_beside(mask, regions.size, regions.device, "Filter Regions")
    return intersection_areas(regions.packed, pack_bits(plane)) / regions.areas.to(torch.float64)


def remove_duplicates(regions: Regions, iou: float = 0.9) -> Regions:
    """Of regions whose masks overlap by `iou` or more, keep the better one.

    iou: above 0, at most 1; shared pixels / pixels in either, counted exactly. Regions are taken by
    predicted IoU, then stability, then canonical order, and one is dropped where one kept before
    it overlaps it so. Boxes and areas rule out most pairs beforehand.
    """
    if not 0 < iou <= 1:
        raise InputError(f"Remove Duplicates: wanted an IoU above 0 and at most 1, got {iou}.")
    scores, stability = regions.scores.tolist(), regions.stability.tolist()
    order = sorted(range(len(regions)), key=lambda i: (-scores[i], -stability[i], i))
    areas, boxes = regions.areas.tolist(), regions.boxes.tolist()
    kept: list[int] = []
    for i in order:
        for j in kept:
            together = areas[i] + areas[j]
            most = min(areas[i], areas[j], _common_area(boxes[i], boxes[j]))
            if most < iou * (together - most):
                continue
            shared = _shared(regions, i, j)
            if shared >= iou * (together - shared):
                break
        else:
            kept.append(i)
    return regions.take(kept)


def _common_area(one: list[int], other: list[int]) -> int:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)


def _shared(regions: Regions, i: int, j: int) -> int:
    """Pixels that regions i and j share, counted where their boxes meet."""
    boxes = regions.boxes[[i, j]]
    x0, y0 = boxes[:, :2].amax(0).tolist()
    x1, y1 = boxes[:, 2:].amin(0).tolist()
    window = (slice(y0, y1), slice(x0 // 8, (x1 + 7) // 8))
    both = regions.packed[i][window] & regions.packed[j][window]
    return int(bit_count(both).sum(dtype=torch.int64))
