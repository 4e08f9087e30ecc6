"""Procedural surfaces: a texture maps points (M, 3) in a thing's own frame to linear RGB (M, 3)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Texture = Callable[[Array], Array]


def colour(code: str) -> Array:
    """Linear RGB of an sRGB code such as "#c04020"."""
    srgb = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def _hash(cell: Array) -> Array:
    """A number in [0, 1) for each integer cell (M, 3)."""
    mixed = (cell.astype(np.int64) * np.array([73856093, 19349663, 83492791])).sum(-1)
    mixed = (mixed ^ (mixed >> 13)) * 1274126177 & 0xFFFFFFFF
    return ((mixed ^ (mixed >> 16)) & 0xFFFF).astype(np.float32) / 65536


def noise(points: Array) -> Array:
    """Smooth value noise in [0, 1] with a period of one unit."""
    cell = np.floor(points)
    f = points - cell
    f = f * f * (3 - 2 * f)
    total = np.zeros(len(points), np.float32)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, f, 1 - f), axis=-1)
        total += weight * _hash(cell + corner)
    return total


def clouds(points: Array, octaves: int = 4) -> Array:
    """Noise with detail at `octaves` scales, in [0, 1]."""
    total = sum(noise(points * 2**i + 7.3 * i) / 2**i for i in range(octaves))
    return (total / (2 - 2 ** (1 - octaves))).astype(np.float32)


def _mix(low: Array, high: Array, share: Array) -> Array:
    return low + (high - low) * share[:, None]


def _edge(value: Array, width: float) -> Array:
    """0 below zero, 1 above, with a ramp of `width`."""
    return (value / np.float32(width) + 0.5).clip(0, 1)


def plain(code: str, variation: float = 0.08, scale: float = 6.0) -> Texture:
    base = colour(code)
    return lambda p: base * (1 + variation * (2 * clouds(p * scale) - 1))[:, None]


def wood(light: str, dark: str, stretch: Array, rings: float) -> Texture:
    """Growth rings about a far axis; `stretch` sets how fast the grain changes along x, y, z."""
    pale, deep = colour(light), colour(dark)

    def texture(p: Array) -> Array:
        q = p * stretch
        wander = clouds(q * 0.7, 3)
        ring = np.sin(2 * np.pi * rings * (q[:, 1] + 0.6 * q[:, 2] + 0.35 * wander)) * 0.5 + 0.5
        fibre = clouds(q * np.float32([1, 14, 14]), 3)
        return _mix(pale, deep, 0.55 * ring**2 + 0.45 * fibre)

    return texture


def planks(light: str, dark: str, width: float) -> Texture:
    """A table top: boards along x, each of its own tone, with dark joints."""
    pale, deep = colour(light), colour(dark)

    def texture(p: Array) -> Array:
        board = np.floor(p[:, 2] / width)
        across = p[:, 2] / width - board
        own = _hash(np.stack([board, board * 3 + 1, board * 0], -1))
        q = np.stack([p[:, 0] * 0.55 + own * 40, across * 2.2 + own * 9, board], -1)
        wander = clouds(q, 3)
        ring = np.sin(2 * np.pi * (across * 3 + 3.2 * wander + own * 5)) * 0.5 + 0.5
        fibre = noise(np.stack([p[:, 0] * 2.5, p[:, 2] * 60, board], -1))
        tone = _mix(pale, deep, 0.5 * ring + 0.25 * fibre + 0.2 * (own - 0.5))
        joint = _edge(np.minimum(across, 1 - across) * width - 0.006, 0.008)
        return tone * (0.35 + 0.65 * joint)[:, None]

    return texture


def checks(first: str, second: str, size: float) -> Texture:
    """Squares on a flat cloth, woven: rows and columns each tint half."""
    a, b = colour(first), colour(second)

    def texture(p: Array) -> Array:
        x = _edge(np.abs((p[:, 0] / size) % 1 - 0.5) - 0.25, 0.04)
        z = _edge(np.abs((p[:, 2] / size) % 1 - 0.5) - 0.25, 0.04)
        weave = 1 + 0.08 * np.sin(p[:, 0] * 260) * np.sin(p[:, 2] * 260)
        return _mix(a, b, (x + z) / 2) * weave[:, None]

    return texture


def sectors(first: str, second: str, count: int, band: float, tilt: Array) -> Texture:
    """A ball's segments about an axis, swapped at `band` above and below its equator."""
    a, b = colour(first), colour(second)
    axis = tilt / np.linalg.norm(tilt)
    side = np.cross(axis, np.float32([0.3, 1, 0.2]))
    side = (side / np.linalg.norm(side)).astype(np.float32)
    front = np.cross(axis, side)

    def texture(p: Array) -> Array:
        unit = p / np.maximum(np.linalg.norm(p, axis=-1, keepdims=True), 1e-6)
        turn = np.arctan2(unit @ side, unit @ front) * count / (2 * np.pi)
        slices = _edge(np.abs(turn % 1 - 0.5) - 0.25, 0.04)
        ring = _edge(np.abs(unit @ axis) - band, 0.02)
        return _mix(a, b, slices * (1 - ring) + (1 - slices) * ring)

    return texture


def bands(stops: list[tuple[float, str]], blur: float = 0.006) -> Texture:
    """Horizontal bands: from each height upwards its colour; the first colour is below all."""
    codes = [colour(code) for _, code in stops]

    def texture(p: Array) -> Array:
        out = np.broadcast_to(codes[0], p.shape).astype(np.float32)
        for (height, _), code in zip(stops[1:], codes[1:], strict=True):
            out = out + (code - out) * _edge(p[:, 1] - height, blur)[:, None]
        return out * (0.96 + 0.08 * clouds(p * 5))[:, None]

    return texture


def marble(base: str, vein: str, scale: float) -> Texture:
    pale, dark = colour(base), colour(vein)

    def texture(p: Array) -> Array:
        q = p * scale
        bent = q[:, 0] + 0.7 * q[:, 1] + 0.4 * q[:, 2] + 2.6 * clouds(q * 1.3, 5)
        line = 1 - np.abs(np.sin(np.pi * bent))
        share = 0.75 * line**9 + 0.22 * clouds(q * 2.1 + 3, 4)
        return _mix(pale, dark, share.clip(0, 1))

    return texture


def peel(base: str, pit: str) -> Texture:
    """Orange peel: fine pits, and a little of another tone around the stalk."""
    skin, deep = colour(base), colour(pit)

    def texture(p: Array) -> Array:
        pits = np.clip(2.4 * noise(p * 42) - 1.3, 0, 1)
        return _mix(skin, deep, 0.5 * pits + 0.3 * clouds(p * 3))

    return texture


def blush(base: str, other: str, speck: str) -> Texture:
    """A ripe fruit's skin: two tones that run into each other, and specks."""
    a, b, dots = colour(base), colour(other), colour(speck)

    def texture(p: Array) -> Array:
        side = _edge(p[:, 0] * 1.2 - p[:, 1] * 0.4 + 0.5 * clouds(p * 5) - 0.25, 0.6)
        specks = _edge(noise(p * 55) - 0.86, 0.05)
        return _mix(_mix(a, b, side), np.broadcast_to(dots, p.shape), 0.5 * specks)

    return texture


def book(cover: str, pages: str, half: Array) -> Texture:
    """A closed book lying flat: paper shows on three sides between the boards."""
    board, paper = colour(cover), colour(pages)

    def texture(p: Array) -> Array:
        between = _edge(half[1] * 0.72 - np.abs(p[:, 1]), 0.006)
        ends = np.maximum(np.abs(p[:, 2]) - half[2] * 0.93, p[:, 0] - half[0] * 0.95)
        leaves = between * _edge(ends, 0.01)
        lines = 0.82 + 0.18 * np.sin(p[:, 1] * 420)
        cloth = 0.94 + 0.12 * noise(p * 70)
        return _mix(board * cloth[:, None], paper * lines[:, None], leaves)

    return texture


def painting(half: Array, frame: float) -> Texture:
    """A framed landscape: a sun over hills, on a flat board in the x-y plane."""
    wooden = wood("#4a2c18", "#24130a", np.float32([3, 9, 9]), 1.5)
    sky, glow, sun = colour("#8fb7c9"), colour("#f3d9a4"), colour("#fff3c4")
    hills = [(0.12, 0.10, "#6d8f8a"), (-0.08, 0.14, "#47726a"), (-0.26, 0.09, "#2c5049")]

    def texture(p: Array) -> Array:
        x, y = p[:, 0], p[:, 1]
        out = _mix(glow, sky, ((y / half[1] + 0.5) * 0.9).clip(0, 1))
        out = _mix(
            out, np.broadcast_to(sun, p.shape), _edge(0.1 - np.hypot(x - 0.16, y - 0.17), 0.02)
        )
        for i, (level, swing, code) in enumerate(hills):
            ridge = level + swing * np.sin(x * (3.1 + 1.7 * i) + 1.9 * i)
            out = _mix(out, np.broadcast_to(colour(code), p.shape), _edge(ridge - y, 0.012))
        rim = np.maximum(np.abs(x) - half[0], np.abs(y) - half[1]) + np.float32(frame)
        return _mix(out, wooden(p), _edge(rim, 0.006))

    return texture
