"""Pixels within a distance of a mask, exactly, without measuring the distance everywhere."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from .bits import pack_bits
from .distance import distance_to
from .runs import runs_in_plane

_STEPS_PER_PIXEL = 0.25


def within(mask: Tensor, pixels: float) -> Tensor:
    """Where `distance_to(mask) <= pixels`: bool (H, W) for bool (H, W); nowhere if it is empty.

    On the CPU every run of the mask is laid, wider or narrower, into each row that it reaches: a
    disc is as wide as Pythagoras says. For large distances, and on other devices, the distance is
    measured.
    """
    if mask.device.type != "cpu" or pixels * len(mask) > 1 << 20:
        return distance_to(mask) <= pixels
    height, width = mask.shape
    row, start, stop = runs_in_plane(pack_bits(mask).numpy(), 0, 0, width, height)
    if not len(row):
        return torch.zeros_like(mask)
    largest = _largest_square(pixels)
    reach = math.isqrt(largest)
    if len(row) * (2 * reach + 1) > max(_STEPS_PER_PIXEL * height * width, 1 << 12):
        return distance_to(mask) <= pixels
    steps = np.zeros((height, width + 1), np.int32)
    flat = steps.ravel()  # one index is added at many times as fast as a pair
    for dy in range(-reach, reach + 1):
        hit = (row + dy >= 0) & (row + dy < height)
        wide = math.isqrt(largest - dy * dy)
        line = (row[hit] + dy) * (width + 1)
        np.add.at(flat, line + np.maximum(start[hit] - wide, 0), np.int32(1))
        np.add.at(flat, line + np.minimum(stop[hit] + wide, width), np.int32(-1))
    return torch.from_numpy(np.cumsum(steps, axis=1, out=steps)[:, :width] > 0)


def _largest_square(pixels: float) -> int:
    """The largest squared distance whose root, as float32, is at most `pixels`, as float32."""
    limit = np.float32(pixels)
    square = max(int(pixels * pixels) - 1, 0)
    while np.float32(math.sqrt(square + 1)) <= limit:
        square += 1
    return square
