"""Colour: sRGB, linear light, Oklab. Channels last, float32, three channels."""

from __future__ import annotations

import re

import torch
from torch import Tensor

_RGB_TO_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_LMS_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Shares of linear red, green and blue in luminance (Rec. 709)."""


def read_hex(code: str) -> tuple[float, float, float] | None:
    """ "#rrggbb", with or without the #, as sRGB in [0, 1]; None for other texts."""
    digits = code.strip().removeprefix("#")
    if not re.fullmatch("[0-9a-fA-F]{6}", digits):
        return None
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def srgb_to_linear(srgb: Tensor) -> Tensor:
    """sRGB to linear light (IEC 61966-2-1). Odd below 0, so values outside [0, 1] survive."""
    if not _any_below_zero(srgb):
        return _decode(srgb)
    return _decode(srgb.abs()).copysign_(srgb)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """Linear light to sRGB, the inverse of `srgb_to_linear`."""
    if not _any_below_zero(linear):
        return _encode(linear)
    return _encode(linear.abs()).copysign_(linear)


def linear_to_oklab(linear: Tensor) -> Tensor:
    """Linear sRGB (..., 3) to Oklab (..., 3): lightness, green-red, blue-yellow.

    Source: Bjorn Ottosson, "A perceptual color space for image processing", 2020.
    """
    cones = _mix(linear, _RGB_TO_LMS)
    return _mix(_power_(cones.abs(), 1 / 3).copysign_(cones), _LMS_TO_LAB)


def oklab_to_linear(lab: Tensor) -> Tensor:
    """Oklab (..., 3) to linear sRGB (..., 3), which may lie outside [0, 1]."""
    inverse = torch.linalg.inv(torch.tensor(_LMS_TO_LAB, dtype=torch.float64)).tolist()
    cones = _mix(lab, inverse).pow(3)
    return _mix(cones, torch.linalg.inv(torch.tensor(_RGB_TO_LMS, dtype=torch.float64)).tolist())


def srgb_to_oklab(srgb: Tensor) -> Tensor:
    """sRGB (..., 3) to Oklab (..., 3)."""
    return linear_to_oklab(srgb_to_linear(srgb))


def oklab_to_srgb(lab: Tensor) -> Tensor:
    """Oklab (..., 3) to sRGB (..., 3), which may lie outside [0, 1]."""
    return linear_to_srgb(oklab_to_linear(lab))


def luminance(linear: Tensor) -> Tensor:
    """Luminance (...) of linear sRGB (..., 3), Rec. 709."""
    return _mix(linear, (LUMINANCE,))[..., 0]


def _any_below_zero(values: Tensor) -> bool:
    """On the CPU a look costs less than what it may spare; elsewhere it would make the host wait.

    Minus zero isn't below, and comes out as zero.
    """
    return values.device.type != "cpu" or not values.numel() or not float(values.min()) >= 0


def _decode(size: Tensor) -> Tensor:
    joint, line = 0.04045, size.clamp(max=0.04045)
    above = _above(size.clamp(min=joint).add_(0.055).div_(1.055), (joint + 0.055) / 1.055, 2.4)
    return above.add_(line, alpha=1 / 12.92)


def _encode(size: Tensor) -> Tensor:
    joint, line = 0.0031308, size.clamp(max=0.0031308)
    above = _above(size.clamp(min=joint), joint, 1 / 2.4)
    return line.mul_(12.92).add_(above, alpha=1.055)


def _above(base: Tensor, joint: float, exponent: float) -> Tensor:
    """base ** exponent - joint ** exponent, in place.

    sRGB is a line up to a joint and a power beyond. The sum of the line up to min(v, joint) and of
    this for max(v, joint) takes less time on a CPU than choosing between the two.
    """
    # A full vector, so that it is rounded as the vectors of `base` are, and 0 stays 0.
    start = _power_(base.new_full((64,), joint), exponent)[0]
    return _power_(base, exponent).sub_(start)


def _power_(base: Tensor, exponent: float) -> Tensor:
    """base ** exponent in place, for base >= 0; twice as fast as pow on a CPU."""
    return base.log2_().mul_(exponent).exp2_()


def _mix(channels: Tensor, rows: tuple[tuple[float, ...], ...] | list[list[float]]) -> Tensor:
    matrix = torch.tensor(rows, dtype=channels.dtype, device=channels.device)
    return channels @ matrix.T
