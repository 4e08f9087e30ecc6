"""Guided filter: a map smoothed so that its edges fall on those of a picture."""

from __future__ import annotations

import torch
from torch import Tensor

_PIXELS_AT_ONCE = 1 << 20


def guided_filter(plane: Tensor, guide: Tensor, radius: int, epsilon: float) -> Tensor:
    """Filter (H, W) with a colour guide (C, H, W): float32 (H, W), the range is not kept.

    In every window of (2 radius + 1)^2 pixels the map is fitted as a linear function of the guide's
    channels with ridge `epsilon` (in squared units of the guide); a pixel takes the mean of the
    fits of all windows it lies in. Windows end at the border of the picture. Works in strips of
    rows, so memory stays bounded. Source: He, Sun, Tang, "Guided image filtering", PAMI 35 (2013).
    """
    height, width = plane.shape
    out = torch.empty_like(plane)
    rows = max(2 * radius, _PIXELS_AT_ONCE // width, 1)
    for top in range(0, height, rows):
        first, last = max(0, top - 2 * radius), min(height, top + rows + 2 * radius)
        strip = _filter(plane[first:last], guide[:, first:last], radius, epsilon)
        out[top : top + rows] = strip[top - first : top - first + rows]
    return out


def box_mean(planes: Tensor, radius: int) -> Tensor:
    """Mean over (2 radius + 1)^2 windows, cut off at the border; (..., H, W), float64 inside."""
    return _box_sum(_box_sum(planes, radius, -1), radius, -2)


def _box_sum(planes: Tensor, radius: int, dim: int) -> Tensor:
    """Mean along one axis, by differences of a running sum."""
    length = planes.shape[dim]
    total = torch.cat([torch.zeros_like(planes.narrow(dim, 0, 1)), planes.cumsum(dim)], dim)
    place = torch.arange(length, device=planes.device)
    high, low = (place + radius + 1).clamp_(max=length), (place - radius).clamp_(min=0)
    shape = [1] * planes.ndim
    shape[dim] = length
    count = (high - low).to(planes.dtype).view(shape)
    return (total.index_select(dim, high) - total.index_select(dim, low)) / count


def _filter(plane: Tensor, guide: Tensor, radius: int, epsilon: float) -> Tensor:
    p, i = plane.to(torch.float64), guide.to(torch.float64)
    channels = i.shape[0]
    mean_i, mean_p = box_mean(i, radius), box_mean(p, radius)
    slant = box_mean(i * p, radius) - mean_i * mean_p
    spread = i.new_empty((*p.shape, channels, channels))
    for a in range(channels):
        for b in range(a, channels):
            moment = box_mean(i[a] * i[b], radius) - mean_i[a] * mean_i[b]
            spread[..., a, b] = spread[..., b, a] = moment
        spread[..., a, a] += epsilon
    slope = torch.linalg.solve(spread, slant.movedim(0, -1)).movedim(-1, 0)
    offset = mean_p - (slope * mean_i).sum(0)
    fitted = (box_mean(slope, radius) * i).sum(0) + box_mean(offset, radius)
    return fitted.to(plane.dtype)
