"""Greedy non-maximum suppression of boxes, on the boxes' device and without torchvision."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_BLOCK = 1024
_ROUNDS_AT_ONCE = 4


def box_nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Indices of the boxes that greedy suppression keeps, in order of falling score.

    boxes: (N, 4) as x0, y0, x1, y1 in any unit; scores: (N,), equal scores in order of index. A
    box falls when its IoU with a box kept before it exceeds `threshold`. Equals torchvision's nms
    on float32 boxes. A box without area overlaps nothing.
    """
    order = torch.sort(scores, descending=True, stable=True).indices
    return order[suppress(boxes[order], threshold)]


def suppress(boxes: Tensor, threshold: float, kept: Tensor | None = None) -> Tensor:
    """Which of `boxes` (N, 4), best first, greedy suppression keeps, bool (N,).

    kept: (K, 4), boxes that were kept before these and are better than all of them. Taking boxes
    in pieces, each with what was kept so far, gives what taking them at once gives.
    """
    better = boxes[:0] if kept is None else kept
    keep: list[Tensor] = []
    for block in torch.split(boxes, _BLOCK):
        if keep:
            start = _BLOCK * (len(keep) - 1)
            better = torch.cat([better, boxes[start : start + _BLOCK][keep[-1]]])
        keep.append(_suppress_block(block, threshold, _free_of(better, block, threshold)))
    return torch.cat(keep)


def _free_of(better: Tensor, boxes: Tensor, threshold: float) -> Tensor:
    """Which boxes overlap none of the better ones, bool (N,)."""
    free = torch.ones(boxes.shape[0], dtype=torch.bool, device=boxes.device)
    for block in torch.split(better, _BLOCK):
        free &= ~_overlaps(block, boxes, threshold).any(0)
    return free


def _suppress_block(boxes: Tensor, threshold: float, candidate: Tensor) -> Tensor:
    """`suppress` among the candidates of one block.

    Whether a box is kept depends only on better boxes, so the rule "kept when no kept better box
    overlaps" has one solution, and applying it again and again settles the boxes from the best
    down; a few rounds do, whatever N. Whether they did is asked seldom: a GPU has to be waited for.
    """
    better = _overlaps(boxes, boxes, threshold).triu(1)
    keep = candidate
    while True:
        for _ in range(_ROUNDS_AT_ONCE):
            before, keep = keep, candidate & ~(better & keep[:, None]).any(0)
        if torch.equal(before, keep):
            return keep


def _overlaps(one: Tensor, other: Tensor, threshold: float) -> Tensor:
    """Whether the IoU of each pair exceeds the threshold, bool (N, M), computed in float32."""
    a, b = one.to(torch.float32)[:, None], other.to(torch.float32)[None]
    side = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(0)
    shared = side[..., 0] * side[..., 1]
    iou = shared / (_area(a) + _area(b) - shared)
    return iou > _float32_below(threshold)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _float32_below(threshold: float) -> float:
    """The largest float32 not above `threshold`: comparing with it equals comparing in double."""
    rounded = np.float32(threshold)
    if float(rounded) > threshold:
        rounded = np.nextafter(rounded, np.float32(-np.inf))
    return float(rounded)
