"""Distance to the outline of a superellipse."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_NORMALS = 256
_PIXELS_AT_ONCE = 1 << 14


def distance_to_superellipse(
    x: Tensor, y: Tensor, half: tuple[float, float], roundness: float
) -> Tensor:
    """Signed Euclidean distance to |x / a|^n + |y / b|^n <= 1, negative inside; float32.

    x, y: float, broadcast together, from the centre. half: (a, b) >= 0, a point where 0. roundness:
    n = 2 / roundness: 1 = ellipse, 0 = rectangle.
    The distance to a convex shape is the largest over its normals of how far its supporting line
    in that direction lies below the point: max(x cos p + y sin p - h(p)), with the support function
    h = ((a cos p)^m + (b sin p)^m)^(1 / m), 1 / m + 1 / n = 1. With 256 normals in a quadrant
    the value is low by at most 5e-6 of the distance to the centre, and never steeper than 1.
    """
    x, y = x + torch.zeros_like(y), y + torch.zeros_like(x)
    angle = torch.linspace(0, math.pi / 2, _NORMALS, dtype=torch.float64)
    m = 2 / (2 - roundness)
    cosine, sine = angle.cos().clamp_(min=0), angle.sin()
    support = ((half[0] * cosine).pow(m) + (half[1] * sine).pow(m)).pow(1 / m)
    normals = torch.stack([cosine, sine, -support]).to(x.device, torch.float32)
    flat_x, flat_y = x.reshape(-1).abs().float(), y.reshape(-1).abs().float()
    out = torch.empty_like(flat_x)
    for start in range(0, out.numel(), _PIXELS_AT_ONCE):
        part = slice(start, start + _PIXELS_AT_ONCE)
        pixels = torch.stack([flat_x[part], flat_y[part], torch.ones_like(flat_x[part])], -1)
        out[part] = (pixels @ normals).amax(-1)
    return out.view(x.shape)
