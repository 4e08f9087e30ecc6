"""Outlines of flat shapes and their antialiased rasters."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

Array = np.ndarray
Rng = np.random.Generator


def _circle(count: int) -> Array:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def _superellipse(rng: Rng) -> list[Array]:
    points = _circle(48)
    power = rng.uniform(0.2, 1.0)
    return [np.sign(points) * np.abs(points) ** power]


def _rectangle(rng: Rng) -> list[Array]:
    return [np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])]


def _polygon(rng: Rng) -> list[Array]:
    return [_circle(int(rng.integers(3, 9)))]


def _star(rng: Rng) -> list[Array]:
    spikes = int(rng.integers(4, 9))
    points = _circle(2 * spikes)
    points[1::2] *= rng.uniform(0.35, 0.75)
    return [points]


def _blob(rng: Rng) -> list[Array]:
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.ones(64)
    for order in range(2, 7):
        radius += rng.normal(0, 0.35 / order) * np.cos(order * angle + rng.uniform(0, 6.3))
    radius = np.clip(radius, 0.3, None)
    return [_circle(64) * (radius / radius.max())[:, None]]


def _ragged(rng: Rng) -> list[Array]:
    points = _circle(int(rng.integers(5, 12)))
    return [points * rng.uniform(0.5, 1.0, (len(points), 1))]


def _ring(rng: Rng) -> list[Array]:
    outer = _superellipse(rng)[0] if rng.random() < 0.4 else _circle(48)
    return [outer, outer * rng.uniform(0.4, 0.8)]


def _cross(rng: Rng) -> list[Array]:
    a, b = rng.uniform(0.2, 0.5, 2)
    corners = [(-a, -1), (a, -1), (a, -b), (1, -b), (1, b), (a, b)]
    corners += [(a, 1), (-a, 1), (-a, b), (-1, b), (-1, -b), (-a, -b)]
    return [np.array(corners)]


def _angle_iron(rng: Rng) -> list[Array]:
    a, b = rng.uniform(-0.6, 0.4, 2)
    return [np.array([(-1.0, -1), (a, -1), (a, b), (1, b), (1, 1), (-1, 1)])]


def _crescent(rng: Rng) -> list[Array]:
    outer = _circle(48)
    shift = rng.uniform(0.2, 0.8)
    inner = outer.copy()
    inner[:, 0] = inner[:, 0] * 0.5 + shift * 0.5
    half = outer[12:37]
    back = np.stack([-shift * np.sqrt(np.clip(1 - half[:, 1] ** 2, 0, 1)), half[:, 1]], 1)
    return [np.concatenate([half, back[::-1]])]


def _ribbon(rng: Rng) -> list[Array]:
    t = np.linspace(-1, 1, 24)
    y = rng.uniform(0.1, 0.6) * np.sin(rng.uniform(1, 4) * t + rng.uniform(0, 6.3))
    width = rng.uniform(0.05, 0.25)
    return [np.concatenate([np.stack([t, y - width], 1), np.stack([t, y + width], 1)[::-1]])]


_OUTLINES = (
    (_superellipse, 0.24),
    (_rectangle, 0.20),
    (_blob, 0.20),
    (_polygon, 0.10),
    (_ragged, 0.07),
    (_ring, 0.04),
    (_star, 0.04),
    (_cross, 0.03),
    (_angle_iron, 0.03),
    (_crescent, 0.02),
    (_ribbon, 0.03),
)
_WEIGHTS = np.array([weight for _, weight in _OUTLINES])


def outline(rng: Rng) -> list[Array]:
    """A random outline in [-1, 1]^2: the outer polygon, then its hole where there is one."""
    index = rng.choice(len(_OUTLINES), p=_WEIGHTS / _WEIGHTS.sum())
    return _OUTLINES[index][0](rng)


def place(polygons: list[Array], centre, radii, angle: float) -> list[Array]:
    """Scale by `radii`, turn by `angle` radians, move to `centre`; pixels."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]])
    return [(polygon * radii) @ turn + centre for polygon in polygons]


def rasterise(polygons: list[Array], size: int) -> tuple[Array, tuple[int, int]] | None:
    """Coverage of the polygons (holes after the first), float32 (h, w), and its top left corner.

    Returns None where nothing lies inside a square image of `size` pixels.
    """
    low = np.floor(polygons[0].min(0)).astype(int) - 1
    high = np.ceil(polygons[0].max(0)).astype(int) + 2
    low, high = np.clip(low, 0, size), np.clip(high, 0, size)
    width, height = high - low
    if width < 2 or height < 2:
        return None
    canvas = Image.new("L", (2 * int(width), 2 * int(height)))
    draw = ImageDraw.Draw(canvas)
    for order, polygon in enumerate(polygons):
        corners = ((polygon - low) * 2).ravel().tolist()
        draw.polygon(corners, fill=0 if order else 255)
    coverage = np.asarray(canvas.reduce(2), np.float32) / 255
    return coverage, (int(low[1]), int(low[0]))
