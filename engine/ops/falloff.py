"""Falloffs: how strength rises from 0 to 1 along a ramp."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .checks import InputError

_GAUSSIAN = 4.5
_EXPONENTIAL = 3.0

FALLOFFS = (
    "smoothstep",
    "linear",
    "smootherstep",
    "cosine",
    "gaussian",
    "exponential",
    "quadratic",
)
"""Names for `falloff`, the usual one first."""

STEEPEST = {
    "linear": 1.0,
    "smoothstep": 1.5,
    "smootherstep": 1.875,
    "cosine": math.pi / 2,
    "gaussian": math.sqrt(2 * _GAUSSIAN / math.e) / -math.expm1(-_GAUSSIAN),
    "exponential": _EXPONENTIAL / -math.expm1(-_EXPONENTIAL),
    "quadratic": 2.0,
}
"""Greatest slope of each falloff: a ramp of r pixels changes by at most STEEPEST / r per pixel."""


def falloff(t: Tensor, kind: str, gamma: float = 1.0, invert: bool = False) -> Tensor:
    """Strength along a ramp: 0 for t <= 0, 1 for t >= 1, never falling between, then ** gamma.

    t: float, any shape, may be +-inf. With t clamped to [0, 1] and u = 1 - t:
    linear t; smoothstep t^2 (3 - 2t); smootherstep t^3 (6t^2 - 15t + 10);
    cosine (1 - cos(pi t)) / 2; gaussian (e^(-4.5 u^2) - e^-4.5) / (1 - e^-4.5), three standard
    deviations long; exponential (e^(-3u) - e^-3) / (1 - e^-3); quadratic t^2.
    invert: 1 minus that. Returns float32 of that shape; `t` is not modified.
    Raises InputError for an unknown kind or a gamma that is not positive.
    """
    if kind not in STEEPEST:
        raise InputError(f"Falloff: wanted one of {', '.join(FALLOFFS)}, got {kind!r}.")
    check_gamma(gamma)
    t = t.to(torch.float32).clamp(0, 1)
    risen = rise(t, kind).clamp_(0, 1)
    risen = risen if gamma == 1 else risen.pow_(gamma)
    return 1 - risen if invert else risen


def check_gamma(gamma: float) -> float:
    """`gamma`, if it is a number above 0; else InputError."""
    if not 0 < gamma < math.inf:
        raise InputError(f"Gamma: wanted a number above 0, got {gamma}.")
    return gamma


def rise(t: Tensor, kind: str, out: Tensor | None = None) -> Tensor:
    """`falloff` for t in [0, 1] and a known kind, but for rounding. Linear is `t` itself.

    out: not `t`; memory that the result may take.
    """
    if kind == "linear":
        return t
    if kind == "smoothstep":
        return torch.add(t.new_tensor(3), t, alpha=-2, out=out).mul_(t).mul_(t)
    if kind == "smootherstep":
        return t.pow(3) * (t * (6 * t - 15) + 10)
    if kind == "cosine":
        return (1 - torch.cos(math.pi * t)) / 2
    if kind == "quadratic":
        return t.square()
    bell, ends = (
        (torch.exp(-_GAUSSIAN * (1 - t).square()), math.exp(-_GAUSSIAN))
        if kind == "gaussian"
        else (torch.exp(-_EXPONENTIAL * (1 - t)), math.exp(-_EXPONENTIAL))
    )
    return torch.where(t <= 0, 0.0, torch.where(t >= 1, 1.0, (bell - ends) / (1 - ends)))
