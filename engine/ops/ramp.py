"""Ramps: a value measured against where strength begins and where it is full."""

from __future__ import annotations

import torch
from torch import Tensor

from .checks import InputError
from .fields import check_number


def ramp(values: Tensor, zero: float, one: float) -> Tensor:
    """Place of `values` on the way from `zero` (0) to `one` (1), not clamped.

    Where the two are equal it is a step: 1 for values <= one, else 0. values may be +-inf.
    Returns float32.
    """
    if zero == one:
        return (values <= one).to(torch.float32)
    return (values.to(torch.float32) - zero) / (one - zero)


def window(
    values: Tensor, low: float, high: float, low_feather: float, high_feather: float
) -> Tensor:
    """Place on a trapezoid: >= 1 from `low` to `high`, 0 a feather beyond on either side.

    A feather of 0 is a hard edge, and the value at the edge still counts as inside. Returns
    float32, not clamped. Raises InputError when low > high or a feather is negative.
    """
    for name, value in {"low": low, "high": high}.items():
        check_number(f"Range: {name}", value)
    if low > high:
        raise InputError(f"Range: it begins at {low:g}, after its end at {high:g}. Swap the two.")
    for value in (low_feather, high_feather):
        check_number("Feather", value, 0)
    rising = _edge(values - low, low_feather)
    falling = _edge(high - values, high_feather)
    return torch.minimum(rising, falling)


def _edge(inside_by: Tensor, feather: float) -> Tensor:
    """1 and more at 0 and above, 0 at -feather."""
    if feather == 0:
        return (inside_by >= 0).to(torch.float32)
    return inside_by.to(torch.float32) / feather + 1
