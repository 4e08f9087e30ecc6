"""Guided filter and upsampling: a map whose edges fall on those of a picture."""

from __future__ import annotations

import torch
from torch import Tensor

from .resize import resize_area

_PIXELS_AT_ONCE = 1 << 20
_UNLIKE = 1e-6


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
    total = planes.cumsum(dim)
    place = torch.arange(length, device=planes.device)
    count = (place + radius + 1).clamp_(max=length) - (place - radius).clamp_(min=0)
    shape = [1] * planes.ndim
    shape[dim] = length
    inner = max(length - radius, 0)
    sums = total.narrow(dim, length - 1, 1).expand_as(total).clone()
    sums.narrow(dim, 0, inner).copy_(total.narrow(dim, length - inner, inner))
    if inner > 1:
        sums.narrow(dim, radius + 1, inner - 1).sub_(total.narrow(dim, 0, inner - 1))
    return sums.div_(count.to(planes.dtype).view(shape))


def _filter(plane: Tensor, guide: Tensor, radius: int, epsilon: float) -> Tensor:
    p, i = plane.to(torch.float64), guide.to(torch.float64)
    channels = i.shape[0]
    mean_i, mean_p = box_mean(i, radius), box_mean(p, radius)
    slant = box_mean(i * p, radius) - mean_i * mean_p
    spread = {
        (a, b): box_mean(i[a] * i[b], radius).sub_(mean_i[a] * mean_i[b])
        for a in range(channels)
        for b in range(a + 1)
    }
    for a in range(channels):
        spread[a, a] += epsilon
    slope = _solve(spread, slant)
    offset = mean_p - (slope * mean_i).sum(0)
    fitted = (box_mean(slope, radius) * i).sum(0) + box_mean(offset, radius)
    return fitted.to(plane.dtype)


def upsample_along(plane: Tensor, guide: Tensor, contrast: float = 0.03) -> Tensor:
    """Bring (h, w) to the size of a guide (C, H, W), its edges onto the guide's: float32 (H, W).

    A pixel is a mean of the 3 x 3 samples around it, with quadratic B-spline weights times
    exp(-|d|^2 / (2 contrast^2)), d the difference of the guide at the pixel from its mean over the
    sample's area. So values stay within those of the samples, and change without a seam where the
    guide is smooth. Source: Kopf et al., "Joint bilateral upsampling", SIGGRAPH 2007.
    """
    height, width = guide.shape[1:]
    coarse = resize_area(guide, (plane.shape[0], plane.shape[1]))
    down, across = _taps(plane.shape[0], height, plane), _taps(plane.shape[1], width, plane)
    out = torch.empty((height, width), device=plane.device)
    rows = max(1, (_PIXELS_AT_ONCE >> 4) // width)
    for top in range(0, height, rows):
        part = slice(top, top + rows)
        fine = guide[:, part].to(torch.float32)
        total, weight = torch.zeros_like(fine[0]), torch.zeros_like(fine[0])
        for y, share_y in down:
            for x, share_x in across:
                off = (coarse[:, y[part]][:, :, x] - fine).square_().sum(0)
                alike = off.mul_(-0.5 / contrast**2).exp_().add_(_UNLIKE)
                share = alike.mul_(share_y[part, None] * share_x)
                weight += share
                total += share * plane[y[part]][:, x]
        out[part] = total / weight
    return out.clamp_(plane.min(), plane.max())


def _taps(samples: int, pixels: int, like: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Three neighbouring samples of each pixel, int64 (pixels,), and the weight of each."""
    at = (torch.arange(pixels, device=like.device) + 0.5) * (samples / pixels) - 0.5
    middle = at.round()
    off = at - middle
    weights = ((0.5 - off).square() / 2, 0.75 - off.square(), (0.5 + off).square() / 2)
    return [
        ((middle + step).long().clamp_(0, samples - 1), weights[step + 1].to(torch.float32))
        for step in (-1, 0, 1)
    ]


def _solve(matrix: dict[tuple[int, int], Tensor], right: Tensor) -> Tensor:
    """Solve a symmetric positive definite system at every pixel, by Cholesky factors.

    matrix: [row, column] for column <= row, (H, W) each; overwritten. right: (C, H, W).
    """
    order, x = len(right), right.clone()
    for c in range(order):
        for k in range(c):
            matrix[c, c] -= matrix[c, k].square()
        matrix[c, c].sqrt_()
        for r in range(c + 1, order):
            for k in range(c):
                matrix[r, c] -= matrix[r, k] * matrix[c, k]
            matrix[r, c] /= matrix[c, c]
    for r in range(order):
        for k in range(r):
            x[r] -= matrix[r, k] * x[k]
        x[r] /= matrix[r, r]
    for r in reversed(range(order)):
        for k in range(r + 1, order):
            x[r] -= matrix[k, r] * x[k]
        x[r] /= matrix[r, r]
    return x
