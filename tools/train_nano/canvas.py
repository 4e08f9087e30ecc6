"""A picture under construction together with its exact region map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

Array = np.ndarray
Rng = np.random.Generator

BACKGROUND, OBJECT, PART, GROUP = range(4)
MOST_NODES = 255


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it.

    image: uint8 (S, S, 3). labels: uint8 (S, S), for every pixel the innermost node it shows.
    parents: int16 (n,), the node that contains each node, -1 for none; a parent comes before its
    children. kinds: uint8 (n,). A node's region is what it and everything inside it show.
    """

    image: Array
    labels: Array
    parents: Array
    kinds: Array

    def inside(self) -> Array:
        """bool (n, n): row i marks the nodes whose pixels belong to node i."""
        return containment(self.parents)


def containment(parents: Array) -> Array:
    """bool (n, n): entry (i, j) says that node j is i or lies inside i."""
    count = len(parents)
    inside = np.eye(count, dtype=bool)
    for node in range(count - 1, -1, -1):
        if parents[node] >= 0:
            inside[parents[node]] |= inside[node]
    return inside


class Canvas:
    """Paints surfaces in order, the nearest last, and keeps the label of every pixel."""

    def __init__(self, size: int):
        self.size = size
        self.image = np.zeros((size, size, 3), np.float32)
        self.labels = np.zeros((size, size), np.uint8)
        self.parents: list[int] = []
        self.kinds: list[int] = []

    def node(self, kind: int, parent: int = -1) -> int:
        """Add a node without pixels and return its index."""
        self.parents.append(parent)
        self.kinds.append(kind)
        return len(self.parents) - 1

    @property
    def full(self) -> bool:
        return len(self.parents) >= MOST_NODES - 8

    def paint(self, node: int, coverage: Array, corner: tuple[int, int], surface: Array) -> None:
        """Lay `surface` (h, w, 3) over the picture where `coverage` (h, w) says, as `node`."""
        window = self.window(coverage, corner)
        alpha = coverage[..., None]
        self.image[window] += (surface - self.image[window]) * alpha
        self.labels[window][coverage >= 0.5] = node

    def window(self, coverage: Array, corner: tuple[int, int]) -> tuple[slice, slice]:
        top, left = corner
        return slice(top, top + coverage.shape[0]), slice(left, left + coverage.shape[1])

    def cast_shadow(
        self, coverage: Array, corner: tuple[int, int], shift: Array, blur: float, depth: float
    ) -> None:
        """Darken what lies under a shape: its outline moved by `shift` and blurred, in pixels."""
        shape = Image.fromarray((coverage * 255).astype(np.uint8))
        shadow = Image.new("L", (self.size, self.size))
        shadow.paste(shape, (corner[1] + int(shift[0]), corner[0] + int(shift[1])))
        shadow = shadow.filter(ImageFilter.BoxBlur(blur)).filter(ImageFilter.BoxBlur(blur))
        self.image *= 1 - np.asarray(shadow, np.float32)[..., None] * (depth / 255)

    def finish(self, rng: Rng) -> Scene:
        """Light, lens and sensor over the whole picture, then the exact map as it stands."""
        image = _light(rng, self.image) if rng.random() < 0.5 else self.image
        picture = Image.fromarray((np.clip(image, 0, 1) * 255).astype(np.uint8))
        if rng.random() < 0.6:
            picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.2)))
        pixels = np.asarray(picture, np.float32)
        if rng.random() < 0.6:
            level = rng.uniform(0.5, 9.0)
            pixels = pixels + rng.standard_normal(pixels.shape, np.float32) * level
        return Scene(
            np.clip(pixels, 0, 255).astype(np.uint8),
            self.labels,
            np.array(self.parents, np.int16),
            np.array(self.kinds, np.uint8),
        )


def _light(rng: Rng, image: Array) -> Array:
    size = image.shape[0]
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0, 0.35)
    light = 1 + slope * (np.cos(angle) * axis[None] + np.sin(angle) * axis[:, None])
    if rng.random() < 0.5:
        x, y = rng.uniform(-1, 1, 2)
        distance = (axis[None] - x) ** 2 + (axis[:, None] - y) ** 2
        light = light * (1 + rng.uniform(-0.4, 0.5) * np.exp(-distance / rng.uniform(0.1, 1.5)))
    return np.clip(image, 0, 1) ** rng.uniform(0.75, 1.35) * light[..., None]
