"""Label maps: one whole number per pixel, 0 where no mask is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .bits import pack_bits, packed_width, unpack_bits
from .runs import runs_in_plane, runs_of


def paint_labels(packed: Tensor, boxes: Tensor, width: int, first_claims: Sequence[int]) -> Tensor:
    """One label map of masks that may overlap.

    packed: uint8 (N, H, B). boxes: int64 (N, 4) around their pixels. first_claims: the indices
    0..N-1 in the order in which masks take their pixels; later ones get what is left. Returns int32
    (H, W), i + 1 where mask i is, 0 where none is.
    """
    height = packed.shape[1]
    if packed.device.type != "cpu":
        labels = torch.zeros((height, width), dtype=torch.int32, device=packed.device)
        for i in reversed(first_claims):
            labels.masked_fill_(unpack_bits(packed[i], width), i + 1)
        return labels
    taken = np.zeros(packed.shape[1:], np.uint8)
    steps = np.zeros((height, width + 1), np.int32)
    masks, extents = packed.numpy(), boxes.tolist()
    for i in first_claims:
        x0, y0, x1, y1 = extents[i]
        window = (slice(y0, y1), slice(x0 // 8, (x1 + 7) // 8))
        mine = masks[i][window] & ~taken[window]
        taken[window] |= mine
        row, start, stop = runs_in_plane(mine, 0, 0, 8 * mine.shape[1], y1 - y0)
        row, left = row + y0, 8 * (x0 // 8)
        steps[row, start + left] += i + 1
        steps[row, stop + left] -= i + 1
    return torch.from_numpy(np.cumsum(steps, axis=1, dtype=np.int32)[:, :width].copy())


def count_map(packed: Tensor, boxes: Tensor, width: int) -> Tensor:
    """How many of the packed masks (N, H, B) hold each pixel, int32 (H, W)."""
    steps = torch.zeros((packed.shape[1], width + 1), dtype=torch.int32, device=packed.device)
    one = torch.ones(1, dtype=torch.int32, device=packed.device)
    for _, _, runs in runs_of(packed, boxes):
        steps.index_put_((runs.row, runs.start), one, accumulate=True)
        steps.index_put_((runs.row, runs.stop), -one, accumulate=True)
    return steps.cumsum(1, dtype=torch.int32)[:, :width]


def split_labels(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The masks of a label map, packed, and the label of each.

    labels: int (H, W), 0 or more; 0 is no mask. Returns uint8 (N, H, ceil(W / 8)) and int64 (N,),
    one for each label that occurs: larger area first, then top, then left, then the label.
    """
    height, width = labels.shape
    names = None
    if int(labels.max()) > labels.numel():
        names, labels = torch.unique(labels, return_inverse=True)
        labels = labels + int(names[0] > 0)
    labels = labels.to(torch.int32)
    boxes = label_boxes(labels)
    areas = torch.bincount(labels.reshape(-1), minlength=len(boxes)).tolist()
    order = sorted(boxes, key=lambda i: (-areas[i], boxes[i][1], boxes[i][0], i))
    packed = torch.zeros(
        (len(order), height, packed_width(width)), dtype=torch.uint8, device=labels.device
    )
    for place, i in enumerate(order):
        x0, y0, x1, y1 = boxes[i]
        left = x0 - x0 % 8
        mine = pack_bits(labels[y0:y1, left:x1] == i)
        packed[place, y0:y1, left // 8 : left // 8 + mine.shape[1]] = mine
    found = torch.tensor(order, dtype=torch.int64, device=labels.device)
    if names is not None:
        found = names[found - int(names[0] > 0)].to(torch.int64)
    return packed, found


def label_boxes(labels: Tensor) -> dict[int, tuple[int, int, int, int]]:
    """x0, y0, x1, y1 of each label that occurs, the last two exclusive."""
    from scipy.ndimage import find_objects

    found = find_objects(labels.cpu().numpy())
    return {
        label: (where[1].start, where[0].start, where[1].stop, where[0].stop)
        for label, where in enumerate(found, 1)
        if where is not None
    }
