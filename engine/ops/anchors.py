"""Places in a picture that are not masks: points and boxes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .checks import InputError


def whole_pixel(place: float) -> int:
    """The whole number nearest to a coordinate, halves up: the pixel a point lies in.

    Python's round takes halves to the even number, so that a box from 1.5 to 2.5 would be empty and
    one from 0.5 to 1.5 two pixels wide. Raises InputError for what is no finite number.
    """
    if not math.isfinite(place):
        raise InputError(f"wanted a place in pixels, got {place}.")
    return math.floor(place + 0.5)


def as_points(anchor: Any) -> list[tuple[float, float]] | None:
    """A point [x, y] or a list of them as a list of (x, y); None where `anchor` isn't points.

    A tensor is points when it is (2,) or (N, 2) and not bool, else a mask.
    """
    if isinstance(anchor, Mapping) or not hasattr(anchor, "__iter__"):
        return None
    if isinstance(anchor, Tensor) and (
        anchor.ndim > 2 or anchor.shape[-1] != 2 or anchor.dtype == torch.bool
    ):
        return None
    rows: list[Any] = anchor.tolist() if isinstance(anchor, Tensor) else list(anchor)
    if len(rows) == 2 and all(isinstance(value, int | float) for value in rows):
        rows = [rows]
    if not rows or not isinstance(rows[0], list | tuple | int | float):
        return None
    for row in rows:
        if not isinstance(row, list | tuple) or len(row) != 2:
            raise InputError(f"Field from Distance: wanted points [x, y], got {row!r}.")
    points = [(float(x), float(y)) for x, y in rows]
    if not all(math.isfinite(value) for point in points for value in point):
        raise InputError(f"Field from Distance: wanted points of finite numbers, got {rows!r}.")
    return points


def distance_to_points(points: list[tuple[float, float]], size: tuple[int, int]) -> Tensor:
    """Euclidean distance to the nearest of the points, float32 (1, H, W), pixels."""
    y = torch.arange(size[0], dtype=torch.float64)[:, None]
    x = torch.arange(size[1], dtype=torch.float64)
    nearest = torch.full(size, torch.inf, dtype=torch.float64)
    for px, py in points:
        torch.minimum(nearest, (x - px).square() + (y - py).square(), out=nearest)
    return nearest.sqrt_().to(torch.float32)[None]


def points_mask(points: list[tuple[float, float]], size: tuple[int, int]) -> Tensor:
    """The pixels the points lie in, bool (1, H, W); points outside the picture are left out."""
    mask = torch.zeros((1, *size), dtype=torch.bool)
    for px, py in points:
        x, y = whole_pixel(px), whole_pixel(py)
        if 0 <= x < size[1] and 0 <= y < size[0]:
            mask[0, y, x] = True
    return mask


def box_mask(box: Mapping[str, float], size: tuple[int, int] | None) -> Tensor:
    """The pixels of a box {"x", "y", "width", "height"}, bool (1, H, W)."""
    if size is None or not {"x", "y", "width", "height"} <= set(box):
        raise InputError(
            "Field from Distance: a box needs x, y, width and height, and the size of the picture."
        )
    x0, y0 = whole_pixel(box["x"]), whole_pixel(box["y"])
    x1, y1 = whole_pixel(box["x"] + box["width"]), whole_pixel(box["y"] + box["height"])
    mask = torch.zeros((1, *size), dtype=torch.bool)
    mask[:, max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
    if not bool(mask.any()):
        raise InputError(
            f"Field from Distance: the box {dict(box)} covers no pixel of the picture, which is "
            f"{size[1]} x {size[0]}. Move it inside."
        )
    return mask
