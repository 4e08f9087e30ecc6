"""Several fields into one. All but `subtract` give the same for every order of the fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor

COMBINE_MODES = (
    "multiply",
    "min",
    "max",
    "smooth_min",
    "smooth_max",
    "mean",
    "screen",
    "add",
    "subtract",
)


def combine(
    fields: Sequence[Tensor], mode: str, softness: float, out: Tensor | None = None
) -> Tensor:
    """Combine fields float32 (...) in [0, 1], one or more of one shape, into one in [0, 1].

    multiply: the product. min, max, mean: as they say. screen: 1 - prod(1 - f).
    add: min(1, sum f). subtract: max(0, first - sum of the others).
    smooth_max: s log(mean(e^(f / s))), with s the softness: no crease where fields cross, never
    above the max, never below the mean, and never steeper than the steepest field.
    smooth_min: 1 - smooth_max(1 - f). Softness 0 gives max and min.
    out: where two fields may be combined to without a copy; the result is what is returned.
    """
    if len(fields) == 2 and mode in _PAIRS:
        return _PAIRS[mode](fields[0], fields[1], out)
    if mode == "multiply":
        return _fold(torch.mul, fields)
    if mode == "screen":
        return 1 - _fold(torch.mul, [1 - field for field in fields])
    if mode == "mean":
        return _mean(fields)
    if mode == "add":
        return _fold(torch.add, fields).clamp(max=1)
    if mode == "subtract":
        rest = fields[1:]
        return (fields[0] - _fold(torch.add, rest)).clamp_(min=0) if rest else fields[0].clone()
    if mode in ("max", "smooth_max"):
        return _smooth_max(fields, softness if mode == "smooth_max" else 0)
    if mode == "smooth_min":
        return 1 - _smooth_max([1 - field for field in fields], softness)
    return reduce(torch.minimum, fields)


def _screen(one: Tensor, other: Tensor, out: Tensor | None) -> Tensor:
    whole = one.new_ones(())
    rest = torch.sub(whole, one, out=out)
    return torch.addcmul(whole, rest, 1 - other, value=-1, out=out)


_PAIRS: dict[str, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "multiply": lambda one, other, out: torch.mul(one, other, out=out),
    "min": lambda one, other, out: torch.minimum(one, other, out=out),
    "max": lambda one, other, out: torch.maximum(one, other, out=out),
    "add": lambda one, other, out: torch.add(one, other, out=out).clamp_(max=1),
    "subtract": lambda one, other, out: torch.sub(one, other, out=out).clamp_(min=0),
    "screen": _screen,
}
"""Modes that take few steps for two fields; the same values as for any number."""


def _smooth_max(fields: Sequence[Tensor], softness: float) -> Tensor:
    top = reduce(torch.maximum, fields)
    if softness == 0 or len(fields) == 1:
        return top
    lifted = _fold(torch.add, [((field - top) / softness).exp_() for field in fields])
    soft = top + softness * (lifted.log() - math.log(len(fields)))
    return torch.minimum(torch.maximum(soft, _mean(fields)), top)


def _mean(fields: Sequence[Tensor]) -> Tensor:
    """The mean, exactly f where all are f."""
    mean = _fold(torch.add, fields) / len(fields)
    low, high = reduce(torch.minimum, fields), reduce(torch.maximum, fields)
    return torch.minimum(torch.maximum(mean, low), high)


def _fold(operation: Callable[[Tensor, Tensor], Tensor], fields: Sequence[Tensor]) -> Tensor:
    """The fields added or multiplied, rounded the same in every order: sorted at each pixel."""
    if len(fields) > 2:
        fields = torch.stack(list(fields)).sort(0).values.unbind(0)
    return reduce(operation, fields)
