"""Quantiles and ranks: exact, the same on every run, at any size."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from .precision import as_double


def quantile(values: Tensor, q: float) -> float:
    """The q-quantile of 1-D `values`, interpolated linearly between neighbours in sorted order.

    values: float, at least one, finite. q in [0, 1]. Equals numpy.quantile. (torch.quantile
    refuses more than 16 million values.)
    """
    position = q * (values.numel() - 1)
    lower = math.floor(position)
    below = _at_rank(values, lower)
    if position == lower:
        return below
    return below + (_at_rank(values, lower + 1) - below) * (position - lower)


def ranks(values: Tensor) -> Tensor:
    """Rank of each of 1-D `values`: 0 for the smallest, 1 for the largest, equals share theirs.

    Between, the middle of the group's places in sorted order. Returns float32; 0 where all are
    equal.
    """
    distinct, group, counts = torch.unique(values, return_inverse=True, return_counts=True)
    if distinct.numel() == 1:
        return torch.zeros_like(values, dtype=torch.float32)
    middle = as_double(counts.cumsum(0)) - as_double(counts) / 2
    middle = (middle - middle[0]) / (middle[-1] - middle[0])
    place: Tensor = middle.to(group.device, torch.float32)
    return place[group]


def _at_rank(values: Tensor, rank: int) -> float:
    if rank == 0:
        return float(values.min())
    if rank == values.numel() - 1:
        return float(values.max())
    if values.device.type == "cpu":
        # numpy's introselect is linear on any input; torch's quickselect on the CPU is quadratic
        # on sorted values, such as a depth ramp.
        return float(np.partition(values.numpy(), rank)[rank])
    return float(values.kthvalue(rank + 1).values)
