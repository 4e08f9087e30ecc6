"""Curves through control points, as ComfyUI's CURVE and its editor draw them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .checks import InputError
from .precision import as_double

INTERPOLATIONS = ("monotone_cubic", "linear")


class Curve:
    """A function of x in [0, 1] through points (x, y), constant beyond the first and the last.

    "monotone_cubic": cubic Hermite pieces whose tangents are the mean of the slopes on either side,
    0 where these differ in sign, at the ends the slope of the end piece, and shortened where they
    would overshoot (alpha^2 + beta^2 > 9). Source: Fritsch and Carlson, "Monotone piecewise cubic
    interpolation", SIAM J. Numer. Anal. 17 (1980). "linear": straight pieces.
    Points may come in any order; of several with one x, the last counts to its right. Raises
    InputError for no points, values that are not finite, an unknown interpolation.
    """

    def __init__(
        self, points: Sequence[Sequence[float]], interpolation: str = "monotone_cubic"
    ) -> None:
        if interpolation not in INTERPOLATIONS:
            raise InputError(
                f"Curve: wanted one of {', '.join(INTERPOLATIONS)}, got {interpolation!r}."
            )
        table = np.array([(p[0], p[1]) for p in points], dtype=np.float64).reshape(-1, 2)
        if not len(table) or not np.isfinite(table).all():
            raise InputError("Curve: wanted at least one point (x, y) of finite numbers.")
        table = table[np.argsort(table[:, 0], kind="stable")]
        self._x, self._y = table.T.copy()
        self._slope = _tangents(self._x, self._y)
        self._linear = interpolation == "linear"

    def __call__(self, x: Tensor) -> Tensor:
        """The curve at every x, computed in float64; returns x's dtype and shape."""
        at = as_double(x)
        if len(self._x) == 1:
            return torch.full_like(x, float(self._y[0]))
        xs, ys, slopes = (
            torch.as_tensor(v, device=at.device) for v in (self._x, self._y, self._slope)
        )
        right = torch.searchsorted(xs, at.contiguous(), right=True).clamp_(1, len(xs) - 1)
        left = right - 1
        dx = xs[right] - xs[left]
        t = torch.where(dx == 0, 0.0, (at - xs[left]) / torch.where(dx == 0, 1.0, dx))
        if self._linear:
            inside = ys[left] + t * (ys[right] - ys[left])
        else:
            inside = _hermite(t, ys[left], ys[right], dx * slopes[left], dx * slopes[right])
        inside = torch.where(at <= xs[0], ys[0], inside)
        return torch.where(at >= xs[-1], ys[-1], inside).to(x)


def look_up(x: Tensor, table: Tensor) -> Tensor:
    """Value at x in [0, 1] of a table of n >= 2 evenly spaced samples, linear between them."""
    place = as_double(x).clamp(0, 1) * (table.numel() - 1)
    left = place.floor().clamp_(max=table.numel() - 2)
    share, index = place - left, left.long()
    samples = as_double(table).to(place.device)
    return torch.lerp(samples[index], samples[index + 1], share).to(x)


def _hermite(t: Tensor, y0: Tensor, y1: Tensor, rise0: Tensor, rise1: Tensor) -> Tensor:
    t2, t3 = t.square(), t.pow(3)
    ends = (2 * t3 - 3 * t2 + 1) * y0 + (3 * t2 - 2 * t3) * y1
    return ends + (t3 - 2 * t2 + t) * rise0 + (t3 - t2) * rise1


def _tangents(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if len(x) < 2:
        return np.zeros_like(x)
    dx = np.diff(x)
    secant = np.divide(np.diff(y), dx, out=np.zeros_like(dx), where=dx != 0)
    inner = np.where(
        np.sign(secant[:-1]) * np.sign(secant[1:]) <= 0, 0.0, (secant[:-1] + secant[1:]) / 2
    )
    slope = np.concatenate([secant[:1], inner, secant[-1:]])
    # Left to right, because shortening one piece's tangents is seen by the next.
    for i, steep in enumerate(secant):
        if steep == 0:
            slope[i] = slope[i + 1] = 0.0
            continue
        length = np.hypot(slope[i] / steep, slope[i + 1] / steep)
        if length > 3:
            slope[i] *= 3 / length
            slope[i + 1] *= 3 / length
    return slope
