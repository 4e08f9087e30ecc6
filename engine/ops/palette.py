"""Colours for pictures of data: distinct ones for things, an even ramp for strengths."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .colour import oklab_to_srgb
from .precision import as_double, where_float64

_GOLDEN_TURN = math.pi * (3 - math.sqrt(5))
_FIRST_HUE = 5.97
_TONES = ((0.72, 0.153), (0.64, 0.151), (0.58, 0.129), (0.83, 0.092), (0.77, 0.13))
# Oklab lightness, chroma and hue (radians) of a ramp whose lightness rises evenly.
_RAMP = (
    (0.14, 0.045, 4.90),
    (0.32, 0.135, 5.05),
    (0.50, 0.170, 5.95),
    (0.68, 0.165, 6.95),
    (0.83, 0.145, 7.60),
    (0.97, 0.070, 8.10),
)


def distinct_colours(index: Tensor) -> Tensor:
    """A colour for each number: sRGB float32 (..., 3) in [0, 1] for int64 (...).

    The colour depends on the number alone. Hues step by the golden angle, so any run of
    neighbours is spread round the circle, and five tones take turns.
    """
    number = where_float64(index)
    hue = _FIRST_HUE + number.to(torch.float64) * _GOLDEN_TURN
    tones = torch.tensor(_TONES, dtype=torch.float64, device=number.device)
    tone = tones[number % len(_TONES)]
    return _from_polar(tone[..., 0], tone[..., 1], hue).to(index.device)


def heat_colours(values: Tensor) -> Tensor:
    """A colour for each strength: sRGB float32 (..., 3) for float (...), clamped to [0, 1].

    From near black over violet, red and orange to pale yellow. Oklab lightness rises evenly with
    the value, so equal steps look equal, and the picture keeps its meaning without colour.
    """
    strength = as_double(values).clamp(0, 1)
    stops = torch.tensor(_RAMP, dtype=torch.float64, device=strength.device)
    light = stops[:, 0].contiguous()
    wanted = light[0] + strength * (light[-1] - light[0])
    after = torch.searchsorted(light, wanted).clamp(1, len(stops) - 1)
    before = after - 1
    share = (wanted - light[before]) / (light[after] - light[before])
    mixed = stops[before] + (stops[after] - stops[before]) * share[..., None]
    return _from_polar(wanted, mixed[..., 1], mixed[..., 2]).to(values.device)


def heat_table(steps: int = 256) -> Tensor:
    """`heat_colours` of `steps` even values from 0 to 1, float32 (steps, 3), for looking up."""
    return heat_colours(torch.linspace(0, 1, steps, dtype=torch.float64))


def _from_polar(light: Tensor, chroma: Tensor, hue: Tensor) -> Tensor:
    lab = torch.stack([light, chroma * hue.cos(), chroma * hue.sin()], -1)
    return oklab_to_srgb(lab).clamp(0, 1).to(torch.float32)
