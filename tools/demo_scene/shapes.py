"""Signed distances of the things in the demo scene. Lengths are scene units, y points up.

A shape is a function from float32 points (M, 3) to distances (M,), negative inside, together with
a sphere that bounds it. A ray finds a shape by stepping along itself as far as the distance says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Distance = Callable[[Array], Array]
_CELLS_PER_UNIT = 160
_MARGIN = 0.3


@dataclass(frozen=True)
class Shape:
    """A solid: its distance function, and the centre and radius of a sphere around it."""

    distance: Distance
    centre: Array
    radius: float

    def normal(self, points: Array) -> Array:
        """Unit normals (M, 3) at `points`, by differences at the corners of a small tetrahedron."""
        corners = np.float32([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
        slope = sum(c * self.distance(points + c * np.float32(5e-4))[:, None] for c in corners)
        return slope / np.maximum(np.linalg.norm(slope, axis=-1, keepdims=True), 1e-9)


def vector(*values: float) -> Array:
    return np.array(values, np.float32)


def into_frame(points: Array, place: Array, yaw: float) -> Array:
    """`points` as seen from `place`, turned by `yaw` radians about the vertical."""
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]], np.float32)
    return (points - place) @ turn.T


def sphere(centre: Array, radius: float) -> Shape:
    return Shape(lambda p: np.linalg.norm(p - centre, axis=-1) - np.float32(radius), centre, radius)


def box(centre: Array, half: Array, yaw: float, rounding: float) -> Shape:
    """A box with half sizes `half`, its edges rounded off."""
    inner = half - np.float32(rounding)

    def distance(points: Array) -> Array:
        q = np.abs(into_frame(points, centre, yaw)) - inner
        outside = np.linalg.norm(np.maximum(q, 0), axis=-1)
        return outside + np.minimum(q.max(-1), 0) - np.float32(rounding)

    return Shape(distance, centre, float(np.linalg.norm(half)))


def ring(centre: Array, yaw: float, radius: float, thickness: float, tall: float) -> Shape:
    """A torus standing upright, stretched by `tall`; the handle of a mug."""

    def distance(points: Array) -> Array:
        q = into_frame(points, centre, yaw)
        around = np.hypot(q[:, 0], q[:, 1] / np.float32(tall)) - np.float32(radius)
        return (np.hypot(around, q[:, 2]) - np.float32(thickness)) * np.float32(0.8)

    return Shape(distance, centre, (radius + thickness) * tall)


def union(*shapes: Shape) -> Shape:
    centre = np.mean([s.centre for s in shapes], axis=0, dtype=np.float32)
    reach = max(float(np.linalg.norm(s.centre - centre)) + s.radius for s in shapes)
    return Shape(lambda p: np.minimum.reduce([s.distance(p) for s in shapes]), centre, reach)


def turned(base: Array, outline: list[tuple[float, float]], rounding: float = 0.0) -> Shape:
    """A solid of revolution about the vertical through `base`, as from a lathe.

    outline: closed polygon of (radius, height) points. The distance is tabulated once on a grid
    in that half-plane and read by bilinear interpolation.
    """
    corners = np.array(outline, np.float64)
    widest, top, low = corners[:, 0].max(), corners[:, 1].max(), corners[:, 1].min()
    r = np.arange(0, widest + _MARGIN, 1 / _CELLS_PER_UNIT)
    y = np.arange(low - _MARGIN, top + _MARGIN, 1 / _CELLS_PER_UNIT)
    table = (_polygon_distance(corners, r, y) - rounding).astype(np.float32)
    origin = np.float32(low - _MARGIN)
    height, width = table.shape

    def distance(points: Array) -> Array:
        q = points - base
        column = np.hypot(q[:, 0], q[:, 2]) * np.float32(_CELLS_PER_UNIT)
        row = (q[:, 1] - origin) * np.float32(_CELLS_PER_UNIT)
        inside_c, inside_r = column.clip(0, width - 1.01), row.clip(0, height - 1.01)
        c, w = inside_c.astype(np.int32), inside_r.astype(np.int32)
        u, v = inside_c - c, inside_r - w
        upper = table[w, c] * (1 - u) + table[w, c + 1] * u
        lower = table[w + 1, c] * (1 - u) + table[w + 1, c + 1] * u
        beyond = np.hypot(column - inside_c, row - inside_r) / np.float32(_CELLS_PER_UNIT)
        return (upper * (1 - v) + lower * v + beyond) * np.float32(0.95)

    middle = base + vector(0, (top + low) / 2, 0)
    return Shape(distance, middle, float(np.hypot(widest + rounding, (top - low) / 2 + rounding)))


def _polygon_distance(corners: Array, r: Array, y: Array) -> Array:
    """Signed distance (len(y), len(r)) to a closed polygon of (r, y) corners."""
    points = np.stack(np.meshgrid(r, y), -1)
    nearest = np.full(points.shape[:2], np.inf)
    inside = np.zeros(points.shape[:2], bool)
    for a, b in zip(corners, np.roll(corners, -1, 0), strict=True):
        edge = b - a
        if not edge.any():
            continue
        if a[0] > 1e-6 or b[0] > 1e-6:  # an edge along the axis is no surface
            along = ((points - a) @ edge / (edge @ edge)).clip(0, 1)
            gap = np.linalg.norm(points - a - along[..., None] * edge, axis=-1)
            nearest = np.minimum(nearest, gap)
        crosses = (a[1] > points[..., 1]) != (b[1] > points[..., 1])
        rise = np.where(edge[1] == 0, 1, edge[1])
        inside ^= crosses & (points[..., 0] < a[0] + (points[..., 1] - a[1]) / rise * edge[0])
    return np.where(inside, -nearest, nearest)


def smooth(knots: list[tuple[float, float]], steps: int = 10) -> list[tuple[float, float]]:
    """A Catmull-Rom curve through `knots`, as a polyline."""
    p = np.array([knots[0], *knots, knots[-1]], np.float64)
    t = (np.arange(steps) / steps)[:, None]
    curve = [
        0.5
        * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    points = np.concatenate([*curve, p[-1:]])
    return [(max(0.0, float(x)), float(h)) for x, h in points]
