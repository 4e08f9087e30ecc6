"""What stands on the table: the things of the demo scene, the room around them, its two lights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import textures as tx
from .shapes import Shape, box, into_frame, ring, smooth, sphere, turned, union, vector

Array = np.ndarray
SUBJECT = "vase"
ROOM = ("wall", "table")
WALL_Z = 2.1


@dataclass(frozen=True)
class Thing:
    """A named solid with its texture, in the frame at `place` turned by `yaw`.

    reflectance: share of light mirrored head on. roughness: spread of the mirrored rays.
    """

    name: str
    shape: Shape
    texture: tx.Texture
    place: Array
    yaw: float = 0.0
    reflectance: float = 0.04
    roughness: float = 0.25

    def colours(self, points: Array) -> Array:
        return self.texture(into_frame(points, self.place, self.yaw)).clip(0, 1)


@dataclass(frozen=True)
class Light:
    """Key and fill are spheres: place, radius, linear RGB at one unit. The rest is the air."""

    key: tuple[Array, float, Array]
    fill: tuple[Array, float, Array]
    above: Array
    below: Array
    window: Array
    exposure: float


DAY = Light(
    key=(vector(-3.6, 4.6, -2.6), 0.55, vector(1.0, 0.93, 0.82) * 40),
    fill=(vector(4.5, 2.6, -3.5), 1.2, vector(0.75, 0.86, 1.0) * 6),
    above=vector(0.40, 0.44, 0.52),
    below=vector(0.20, 0.16, 0.12),
    window=vector(1.0, 0.98, 0.94) * 7,
    exposure=0.95,
)
DUSK = Light(
    key=(vector(3.0, 2.1, -1.2), 0.3, vector(1.0, 0.52, 0.20) * 9),
    fill=(vector(-4.0, 3.5, -3.0), 1.5, vector(0.25, 0.38, 0.95) * 7),
    above=vector(0.07, 0.10, 0.24),
    below=vector(0.05, 0.05, 0.09),
    window=vector(0.25, 0.38, 0.85) * 2.4,
    exposure=0.95,
)


def _vase() -> Thing:
    place = vector(0.02, 0, 0.1)
    outside = [(0.0, 0.0), (0.30, 0.0), (0.36, 0.03), (0.56, 0.42), (0.585, 0.66), (0.47, 0.98)]
    neck = [(0.24, 1.24), (0.19, 1.40), (0.22, 1.56), (0.33, 1.68)]
    curve = [*outside[:3], *smooth([*outside[2:], *neck])[1:]]
    outline = [*curve, (0.28, 1.69), (0.15, 1.5), (0.15, 1.35), (0.0, 1.3)]
    glaze = tx.bands(
        [
            (0.0, "#0d5a63"),
            (0.60, "#e9dcb8"),
            (0.63, "#c9762c"),
            (0.73, "#e9dcb8"),
            (0.76, "#137a80"),
        ]
    )
    return Thing("vase", turned(place, outline), glaze, place, 0, 0.06, 0.04)


def _pear(x: float, y: float, z: float) -> Thing:
    place = vector(x, y, z)
    body = [(0.0, 0.0), (0.12, 0.0), (0.27, 0.13), (0.285, 0.26), (0.20, 0.42), (0.135, 0.56)]
    outline = [*smooth([*body, (0.09, 0.64), (0.0, 0.66)])]
    stalk = box(place + vector(0.01, 0.70, 0), vector(0.018, 0.075, 0.018), 0.3, 0.015)
    skin = tx.blush("#8aa02a", "#c3a83a", "#5d6a1c")
    return Thing("pear", union(turned(place, outline), stalk), skin, place, 0, 0.04, 0.2)


def _mug(x: float, y: float, z: float) -> Thing:
    place = vector(x, y, z)
    outline = [(0, 0), (0.33, 0), (0.36, 0.03), (0.36, 0.76), (0.32, 0.76), (0.31, 0.08), (0, 0.08)]
    handle = ring(place + vector(0.40, 0.39, -0.02), 0.2, 0.17, 0.045, 1.25)
    glaze = tx.bands([(0.0, "#e2a51b"), (0.14, "#f6efe0"), (0.24, "#e2a51b")])
    return Thing("mug", union(turned(place, outline, 0.012), handle), glaze, place, 0, 0.05, 0.08)


def _tin(x: float, z: float) -> Thing:
    place = vector(x, 0, z)
    outline = [(0, 0), (0.33, 0), (0.33, 0.92), (0.30, 0.92), (0.30, 0.90), (0, 0.90)]
    rows = [(0.0, "#b9bcc2"), (0.05, "#6a3d78"), (0.24, "#f1e6d2"), (0.36, "#6a3d78")]
    rows += [(0.52, "#f1e6d2"), (0.64, "#6a3d78"), (0.86, "#b9bcc2")]
    return Thing("tin", turned(place, outline, 0.008), tx.bands(rows), place, 0, 0.12, 0.18)


def _cone(x: float, z: float) -> Thing:
    place = vector(x, 0, z)
    outline = [(0, 0.0), (0.46, 0.0), (0.03, 1.62), (0, 1.62)]
    stone = tx.marble("#ece8e1", "#5c5a62", 1.6)
    return Thing("cone", turned(place, outline, 0.01), stone, place, 0, 0.05, 0.12)


def _boxed(
    name: str, place: Array, half: Array, yaw: float, texture: tx.Texture, rounding: float = 0.02
) -> Thing:
    return Thing(name, box(place, half, yaw, rounding), texture, place, yaw, 0.03, 0.35)


def _ball(name: str, place: Array, radius: float, texture: tx.Texture, roughness: float) -> Thing:
    return Thing(name, sphere(place, radius), texture, place, 0, 0.05, roughness)


def _books() -> list[Thing]:
    big, small = vector(0.68, 0.19, 0.46), vector(0.50, 0.12, 0.36)
    low, high = vector(-1.30, 0.19, 0.78), vector(-1.26, 0.50, 0.77)
    return [
        _boxed("blue book", low, big, 0.22, tx.book("#1f3f7a", "#efe6d2", big)),
        _boxed("red book", high, small, -0.16, tx.book("#9c2420", "#efe6d2", small)),
        _pear(-1.22, 0.62, 0.74),
    ]


def things() -> list[Thing]:
    """All things on the table and the wall; their place in the list has no meaning."""
    cloth, canvas = vector(0.78, 0.012, 0.56), vector(0.60, 0.40, 0.035)
    orange = tx.peel("#ef7d12", "#c85a08")
    patches = tx.sectors("#c8202c", "#f4efe6", 6, 0.55, vector(0.35, 1, -0.45))
    block = tx.wood("#d9a868", "#a06a34", np.float32([1.2, 3.2, 3.2]), 2.2)
    gingham = tx.checks("#f2f0ea", "#34599a", 0.2)
    return [
        _vase(),
        *_books(),
        _mug(1.22, 0.024, -0.42),
        _tin(-1.92, -0.28),
        _cone(1.36, 0.98),
        _ball("orange", vector(-0.86, 0.36, -0.72), 0.36, orange, 0.3),
        _ball("ball", vector(0.50, 0.29, -1.02), 0.29, patches, 0.1),
        _boxed("block", vector(-0.28, 0.22, -1.36), vector(0.22, 0.22, 0.22), 0.55, block, 0.03),
        _boxed("cloth", vector(1.34, 0.012, -0.52), cloth, -0.16, gingham, 0.008),
        _boxed(
            "picture", vector(-1.02, 1.84, WALL_Z - 0.035), canvas, 0, tx.painting(canvas, 0.09)
        ),
    ]


TABLE_TOP = tx.planks("#8a5a34", "#4f2d17", 0.62)
PLASTER = tx.plain("#b9b3a4", 0.05, 1.7)
