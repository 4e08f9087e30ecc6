"""The ray tracer: a pinhole camera, soft shadows, light from all sides, blurred reflections.

Every pixel takes several samples; each sample follows one ray to each light, one into the open
and one mirrored. A Kronecker sequence spreads them evenly; an offset of each pixel's own keeps
neighbours from sharing a pattern.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .scene import PLASTER, TABLE_TOP, WALL_Z, Light, Thing
from .shapes import vector

Array = np.ndarray
FAR = np.float32(1e3)
_STEPS = 90
_CLOSE = np.float32(4e-4)
_PHI = 1.1673039782614187  # the root of x^5 = x + 1, as in the R_d sequence (Roberts 2018)
_DIMENSIONS = 8
WALL, TABLE = -1, -2


class Camera:
    """Looks from `origin` at `target`; `span` is half the picture's width at one unit."""

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self.origin, target = vector(0.1, 2.62, -5.9), vector(0.0, 0.80, 0.0)
        self.forward = _unit(target - self.origin)
        right = _unit(np.cross(vector(0, 1, 0), self.forward))
        self.axes = np.stack([right, np.cross(self.forward, right), self.forward])
        self.span = 0.405

    def rays(self, x: Array, y: Array) -> Array:
        """Unit directions (M, 3) through picture points in pixels, edges at 0 and the size."""
        scale = 2 * self.span / self.width
        along = np.stack(
            [(x - self.width / 2) * scale, (self.height / 2 - y) * scale, np.ones_like(x)], -1
        )
        return _unit(along.astype(np.float32) @ self.axes)


def _unit(v: Array) -> Array:
    return (v / np.linalg.norm(v, axis=-1, keepdims=True)).astype(np.float32)


def _march(thing: Thing, origins: Array, ways: Array, limit: Array) -> tuple[Array, Array]:
    """Which rays (M, 3) meet the thing nearer than `limit` (M,), and how far along."""
    middle = thing.shape.centre - origins
    along = (middle * ways).sum(-1)
    reach2 = np.float32((thing.shape.radius * 1.02) ** 2)
    apart = reach2 - (middle * middle).sum(-1) + along * along
    chord = np.sqrt(np.maximum(apart, 0))
    alive = np.flatnonzero((apart > 0) & (along + chord > 0) & (along - chord < limit))
    at = np.maximum(along - chord, 0)[alive]
    end = np.minimum(along + chord, limit)[alive]
    met, distance = [], []
    for _ in range(_STEPS):
        gap = thing.shape.distance(origins[alive] + ways[alive] * at[:, None])
        there = gap < _CLOSE
        if there.any():
            met.append(alive[there])
            distance.append(at[there])
        at = at + gap
        going = ~there & (at < end)
        alive, at, end = alive[going], at[going], end[going]
        if not len(alive):
            break
    if not met:
        return alive[:0], at[:0]
    return np.concatenate(met), np.concatenate(distance)


def trace(things: list[Thing], origins: Array, ways: Array) -> tuple[Array, Array]:
    """Nearest hit of each ray: how far (M,), and the thing's index, WALL or TABLE (M,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        down = np.where(ways[:, 1] < 0, -origins[:, 1] / ways[:, 1], FAR)
        back = np.where(ways[:, 2] > 0, (WALL_Z - origins[:, 2]) / ways[:, 2], FAR)
    reach = np.minimum(np.minimum(down, back), FAR).astype(np.float32)
    owner = np.where(down < back, TABLE, WALL)
    for index, thing in enumerate(things):
        met, distance = _march(thing, origins, ways, reach)
        nearer = distance < reach[met]
        reach[met[nearer]] = distance[nearer]
        owner[met[nearer]] = index
    return reach, owner


def blocked(things: list[Thing], origins: Array, ways: Array, limit: Array) -> Array:
    """Whether anything on the table lies within `limit` (M,) along each ray."""
    hidden = np.zeros(len(origins), bool)
    for thing in things:
        open_rays = np.flatnonzero(~hidden)
        met, _ = _march(thing, origins[open_rays], ways[open_rays], limit[open_rays])
        hidden[open_rays[met]] = True
    return hidden


def surface(things: list[Thing], points: Array, owner: Array) -> tuple[Array, Array, Array]:
    """Normal (M, 3), colour (M, 3), and reflectance with roughness (M, 2) where rays ended."""
    normal = np.zeros_like(points)
    colours = np.zeros_like(points)
    finish = np.zeros((len(points), 2), np.float32)
    for which, up, texture, shine in (
        (TABLE, vector(0, 1, 0), TABLE_TOP, (0.035, 0.22)),
        (WALL, vector(0, 0, -1), PLASTER, (0.0, 1.0)),
    ):
        here = owner == which
        normal[here], colours[here], finish[here] = up, texture(points[here]), shine
    for index, thing in enumerate(things):
        here = owner == index
        if here.any():
            normal[here] = thing.shape.normal(points[here])
            colours[here] = thing.colours(points[here])
            finish[here] = thing.reflectance, thing.roughness
    return normal, colours, finish


def _ball_point(u: Array, v: Array) -> Array:
    """Points on the unit sphere, evenly spread for u, v in [0, 1)."""
    z, turn = 2 * u - 1, 2 * np.pi * v
    flat = np.sqrt(np.maximum(1 - z * z, 0))
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), z], -1).astype(np.float32)


def _surroundings(light: Light, ways: Array) -> Array:
    """What a mirrored ray sees outside the set: the air, and a window up on the left."""
    rise = (ways[:, 1:2] * 0.5 + 0.5).clip(0, 1)
    air = light.below + (light.above - light.below) * rise
    facing = _unit(light.key[0])
    side = _unit(np.cross(vector(0, 1, 0), facing))
    up = np.cross(facing, side)
    ahead = np.maximum(ways @ facing, 1e-3)
    x, y = (ways @ side) / ahead / 0.36, (ways @ up) / ahead / 0.36
    pane = (np.abs(x) < 1) & (np.abs(y) < 1) & (np.abs(x) > 0.06) & (np.abs(y) > 0.06)
    return air * 0.6 + light.window * (pane & (ahead > 1e-2))[:, None]


def _direct(
    things: list[Thing], lamp: tuple[Array, float, Array], points: Array, normal: Array, spot: Array
) -> Array:
    """Light (M, 3) that a spherical lamp sends to `points`, `spot` (M, 3) on its unit sphere."""
    place, radius, power = lamp
    toward = place + spot * np.float32(radius) - points
    gap = np.linalg.norm(toward, axis=-1)
    way = toward / gap[:, None]
    facing = (way * normal).sum(-1).clip(0, None)
    lit = np.flatnonzero(facing > 0)
    hidden = blocked(things, points[lit], way[lit], gap[lit])
    strength = np.zeros(len(points), np.float32)
    strength[lit] = np.where(hidden, 0, facing[lit] / gap[lit] ** 2)
    return strength[:, None] * power


def _ambient(things: list[Thing], light: Light, points: Array, normal: Array, u: Array) -> Array:
    """Light (M, 3) from the open side, one ray each; what blocks it sends a little on."""
    way = _unit(normal * 1.001 + _ball_point(u[:, 0], u[:, 1]))
    rise = (way[:, 1:2] * 0.5 + 0.5).clip(0, 1)
    air = light.below + (light.above - light.below) * rise
    near = blocked(things, points, way, np.full(len(points), 1.6, np.float32))
    return air * np.where(near, 0.22, 1.0)[:, None]


def _mirrored(
    things: list[Thing],
    light: Light,
    points: Array,
    ways: Array,
    normal: Array,
    rough: Array,
    u: Array,
) -> Array:
    """Light (M, 3) that arrives along the mirrored rays, blurred by roughness."""
    way = ways - 2 * (ways * normal).sum(-1, keepdims=True) * normal
    way = _unit(way + _ball_point(u[:, 0], u[:, 1]) * (rough * 0.5)[:, None])
    reach, owner = trace(things, points, way)
    seen = _surroundings(light, way)
    behind = points[:, 2] + way[:, 2] * reach < -6
    solid = (reach < 8) & ~behind
    spots = points[solid] + way[solid] * reach[solid][:, None]
    facing, colours, _ = surface(things, spots, owner[solid])
    place, _, power = light.key
    toward = place - spots
    gap = np.linalg.norm(toward, axis=-1, keepdims=True)
    key = ((toward / gap) * facing).sum(-1, keepdims=True).clip(0, None) / gap**2 * power
    seen[solid] = colours * (0.6 * key + 0.75 * (light.above + light.below) / 2)
    return seen


def _shade(
    things: list[Thing],
    light: Light,
    origins: Array,
    ways: Array,
    hits: tuple[Array, Array],
    u: Array,
) -> Array:
    """Linear light (M, 3) that each ray brings back; u (M, 8) are its numbers in [0, 1)."""
    reach, owner = hits
    points = origins + ways * reach[:, None]
    normal, colours, finish = surface(things, points, owner)
    points = points + normal * np.float32(2e-3)
    total = _ambient(things, light, points, normal, u[:, 4:6])
    for lamp, at in ((light.key, 0), (light.fill, 2)):
        total += _direct(things, lamp, points, normal, _ball_point(u[:, at], u[:, at + 1]))
    out = colours * total
    shiny = np.flatnonzero(finish[:, 0] > 0)
    facing = -(ways[shiny] * normal[shiny]).sum(-1).clip(-1, 0)
    base, rough = finish[shiny, 0], finish[shiny, 1]
    share = base + (1 - base) * (1 - facing) ** 5 * (1 - rough) ** 2
    seen = _mirrored(things, light, points[shiny], ways[shiny], normal[shiny], rough, u[shiny, 6:8])
    out[shiny] = out[shiny] * (1 - share)[:, None] + seen * share[:, None]
    return out


def picture(
    things: list[Thing],
    lights: list[Light],
    camera: Camera,
    side: int,
    report: Callable[[int, int], None],
) -> list[Array]:
    """Linear pictures (H, W, 3), one per light, of side * side samples a pixel."""
    step = _PHI ** -np.arange(1, _DIMENSIONS + 1)
    shift = np.random.default_rng(7).random((camera.height, camera.width, _DIMENSIONS))
    totals = [np.zeros((camera.height, camera.width, 3)) for _ in lights]
    for n in range(side * side):
        y, x = np.mgrid[: camera.height, : camera.width].astype(np.float32)
        ways = camera.rays(
            (x + (n % side + 0.5) / side).ravel(), (y + (n // side + 0.5) / side).ravel()
        )
        origins = np.broadcast_to(camera.origin, ways.shape)
        u = ((shift + n * step) % 1).reshape(-1, _DIMENSIONS).astype(np.float32)
        hits = trace(things, origins, ways)
        for light, total in zip(lights, totals, strict=True):
            seen = _shade(things, light, origins, ways, hits, u)
            total += np.minimum(seen, 6).reshape(total.shape)
        report(n + 1, side * side)
    return [total / (side * side) for total in totals]


def truth(things: list[Thing], camera: Camera) -> tuple[Array, Array]:
    """What each pixel's centre shows (H, W) as in `trace`, and its depth (H, W) in scene units.

    The depth is measured along the camera's axis, as depth estimators mean it.
    """
    y, x = np.mgrid[: camera.height, : camera.width].astype(np.float32) + 0.5
    ways = camera.rays(x.ravel(), y.ravel())
    reach, owner = trace(things, np.broadcast_to(camera.origin, ways.shape), ways)
    depth = reach * (ways @ camera.forward)
    return owner.reshape(x.shape), depth.reshape(x.shape)
