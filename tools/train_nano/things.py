"""What stands, lies and hangs in a still life, each thing made of a few solids."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import numpy as np

from .solids import Box, Drum, Sphere

Array = np.ndarray
Rng = np.random.Generator

KINDS = {
    "ball": 0.18, "box": 0.17, "can": 0.14, "cone": 0.05, "bottle": 0.07, "mug": 0.05,
    "stack": 0.05, "lidded": 0.05, "cup": 0.05, "lamp": 0.03, "turned": 0.09, "books": 0.07,
}  # fmt: skip
PROFILES = {  # radius at equal steps of height, from the foot to the rim
    "vase": (0.45, 0.75, 1.0, 0.98, 0.8, 0.5, 0.3, 0.28, 0.42),
    "pear": (0.35, 0.78, 0.9, 0.85, 0.65, 0.42, 0.36, 0.28, 0.02),
    "bowl": (0.35, 0.4, 0.62, 0.78, 0.88, 0.95, 0.98, 1.0, 1.0),
    "skittle": (0.4, 0.55, 0.62, 0.55, 0.35, 0.22, 0.32, 0.34, 0.1),
    "egg": (0.1, 0.6, 0.85, 0.98, 1.0, 0.92, 0.76, 0.5, 0.05),
}


class Joins(Enum):
    """How a solid joins the pieces before it."""

    NEW = "begins another thing"
    PART = "a part of the thing, with a surface of its own"
    SAME = "goes on with the thing's region and surface"
    PAGES = "goes on with the thing's region, as the paper of a book"


@dataclass(frozen=True)
class Piece:
    solid: Sphere | Box | Drum
    joins: Joins = Joins.NEW


def vector(*values: float) -> Array:
    return np.array(values, np.float32)


def on_table(rng: Rng) -> list[list[Piece]]:
    """Up to twelve things that stand on the table without touching each other."""
    count, scale = int(rng.integers(2, 13)), rng.uniform(0.3, 0.75)
    placed: list[tuple[float, float, float]] = []
    things = []
    for _ in range(count * 3):
        x, z = rng.uniform(-1.7, 1.7), rng.uniform(-1.3, 1.3)
        pieces, radius = _thing(rng, vector(x, 0, z), scale * rng.uniform(0.4, 1.25))
        if all(np.hypot(x - a, z - b) > radius + r for a, b, r in placed):
            placed.append((x, z, radius))
            things.append(pieces)
        if len(things) == count:
            break
    return things


def flat(rng: Rng) -> list[list[Piece]]:
    """Cloths and boards lying on the table, framed pictures on the wall behind it."""
    things = []
    for _ in range(rng.choice([0, 0, 1, 2])):
        half = vector(rng.uniform(0.2, 1.3), rng.uniform(0.005, 0.08), rng.uniform(0.2, 0.8))
        place = vector(rng.uniform(-1, 1), half[1], rng.uniform(-0.8, 0.8))
        things.append([Piece(Box(place, half, rng.uniform(0, np.pi)))])
    for _ in range(rng.choice([0, 0, 1, 2])):
        half = vector(rng.uniform(0.15, 0.8), rng.uniform(0.15, 0.6), 0.02)
        place = vector(rng.uniform(-1.6, 1.6), rng.uniform(0.4, 2.0), rng.uniform(1.2, 1.5))
        pieces = [Piece(Box(place, half, 0.0))]
        if rng.random() < 0.5:
            inner = half * vector(*(rng.uniform(0.7, 0.92),) * 2, 1)
            pieces.append(Piece(Box(place - vector(0, 0, 0.01), inner, 0.0), Joins.PART))
        things.append(pieces)
    return things


def _thing(rng: Rng, base: Array, scale: float) -> tuple[list[Piece], float]:
    """The pieces of one thing that stands on `base`, and its footprint's radius."""
    kind = rng.choice(list(KINDS), p=list(KINDS.values()))
    r, h = scale * rng.uniform(0.5, 1.0), scale * rng.uniform(0.6, 2.4)
    half = vector(r, h / 2, r * rng.uniform(0.35, 1.0))
    wide = float(np.hypot(half[0], half[2]))
    yaw = rng.uniform(0, np.pi)
    if kind == "books":
        return _books(rng, base, scale)
    if kind == "turned":
        return _turned(rng, base, h, r), r
    if kind in ("box", "stack", "lidded"):
        return _boxes(rng, kind, base, half, yaw), wide
    solids = _round(rng, kind, base, h, r)
    return [
        Piece(solid, Joins.PART if order else Joins.NEW) for order, solid in enumerate(solids)
    ], r


def _round(rng: Rng, kind: str, base: Array, h: float, r: float) -> list[Sphere | Drum]:
    if kind == "ball":
        return [Sphere(base + vector(0, r, 0), r)]
    if kind == "can":
        return [Drum(base, h, r * 0.8, r * 0.8)]
    if kind == "cone":
        return [Drum(base, h, r, r * rng.uniform(0.01, 0.3))]
    if kind == "cup":
        return [Drum(base, h * 0.7, r * rng.uniform(0.5, 0.7), r)]
    if kind == "mug":
        band = Drum(base + vector(0, h * 0.3, 0), h * 0.35, r * 0.81, r * 0.81)
        return [Drum(base, h, r * 0.8, r * 0.8), band]
    if kind == "lamp":
        shade = Drum(base + vector(0, h, 0), h * 0.5, r, r * 0.5)
        return [Drum(base, h, r * 0.15, r * 0.1), shade]
    narrow, cap = r * rng.uniform(0.2, 0.4), rng.uniform(0.1, 0.25) * h
    neck = Drum(base + vector(0, h, 0), h * 0.3, r * 0.6, narrow)
    top = Drum(base + vector(0, h * 1.3, 0), cap, narrow * 1.1, narrow * 1.1)
    return [Drum(base, h, r * 0.6, r * 0.6), neck, top]


def _boxes(rng: Rng, kind: str, base: Array, half: Array, yaw: float) -> list[Piece]:
    r, h = half[0], 2 * half[1]
    if kind == "box":
        return [Piece(Box(base + vector(0, half[1], 0), half, yaw))]
    if kind == "stack":
        lift = h * rng.uniform(0.3, 0.8)
        lower = Box(base + vector(0, lift / 2, 0), vector(r, lift / 2, half[2]), yaw)
        return [
            Piece(lower),
            Piece(Sphere(base + vector(0, lift + r * 0.4, 0), r * 0.4), Joins.PART),
        ]
    body = Box(base + vector(0, h * 0.45, 0), vector(r, h * 0.45, half[2]), yaw)
    lid = vector(r * 1.05, r * 0.1, half[2] * 1.05)
    return [Piece(body), Piece(Box(base + vector(0, h * 0.9 + r * 0.1, 0), lid, yaw), Joins.PART)]


def _turned(rng: Rng, base: Array, h: float, r: float) -> list[Piece]:
    """A body of revolution in one piece: a vase, a pear, a bowl."""
    radii = np.array(PROFILES[str(rng.choice(list(PROFILES)))]) * r
    radii = np.maximum(radii * rng.uniform(0.85, 1.15, len(radii)), 0.01)
    fine = np.interp(np.linspace(0, len(radii) - 1, 13), np.arange(len(radii)), radii)
    step = h / (len(fine) - 1)
    return [
        Piece(
            Drum(base + vector(0, order * step, 0), step, float(low), float(high), order * step),
            Joins.SAME if order else Joins.NEW,
        )
        for order, (low, high) in enumerate(pairwise(fine))
    ]


def _books(rng: Rng, base: Array, scale: float) -> tuple[list[Piece], float]:
    """One to four books upon each other, each a thing of its own; now and then a ball on top."""
    pieces: list[Piece] = []
    top, widest = 0.0, 0.0
    yaw, lying = rng.uniform(0, np.pi), rng.random() < 0.85
    for _ in range(rng.integers(1, 5)):
        long = scale * rng.uniform(0.8, 1.5)
        half = vector(long, long * rng.uniform(0.07, 0.28), long * rng.uniform(0.55, 0.8))
        if not lying:
            half = half[[1, 2, 0]]
        place = base + vector(rng.uniform(-0.1, 0.1), top + half[1], rng.uniform(-0.1, 0.1))
        pieces += _book(place, half, yaw + rng.normal(0, 0.25), lying)
        top += 2 * float(half[1])
        widest = max(widest, float(np.hypot(half[0], half[2])))
        if not lying:
            break
    if lying and rng.random() < 0.5:
        radius = scale * rng.uniform(0.3, 0.55)
        pieces.append(Piece(Sphere(base + vector(0, top + radius, 0), radius)))
    return pieces, widest


def _book(place: Array, half: Array, yaw: float, lying: bool) -> list[Piece]:
    """Two covers and, a little smaller, the paper between them."""
    axis = 1 if lying else 0
    thin = half.copy()
    thin[axis] = half[axis] * 0.12
    paper = half * vector(0.95, 0.95, 0.95)
    paper[axis] = half[axis] * 0.8
    away = np.zeros(3, np.float32)
    away[axis] = half[axis] - thin[axis]
    c, s = np.cos(yaw), np.sin(yaw)
    away = vector(c * away[0], away[1], -s * away[0])
    return [
        Piece(Box(place - away, thin, yaw)),
        Piece(Box(place, paper, yaw), Joins.PAGES),
        Piece(Box(place + away, thin, yaw), Joins.SAME),
    ]
