"""Ray intersections of the solids in the rendered scenes. Lengths are scene units, y points up.

Every solid has `hit(origins, directions)` for float32 (..., 3) rays. It returns `distance` (...),
inf where the ray misses, `normal` (..., 3) and `uv` (..., 2) surface coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Hit = tuple[Array, Array, Array]
NEAR = np.float32(1e-3)


@dataclass(frozen=True)
class Sphere:
    centre: Array
    radius: float

    def bounds(self) -> tuple[Array, float]:
        return self.centre, self.radius

    def hit(self, origins: Array, directions: Array) -> Hit:
        offset = origins - self.centre
        half = (offset * directions).sum(-1)
        root = half * half - (offset * offset).sum(-1) + np.float32(self.radius**2)
        away = np.sqrt(np.maximum(root, 0))
        near = -half - away
        distance = np.where(near > NEAR, near, -half + away)
        distance = np.where((root > 0) & (distance > NEAR), distance, np.inf)
        normal = offset + directions * np.where(np.isinf(distance), 0, distance)[..., None]
        normal = normal / np.float32(self.radius)
        uv = np.stack([np.arctan2(normal[..., 0], -normal[..., 2]) / 3.0, normal[..., 1]], -1)
        return distance, normal, uv


@dataclass(frozen=True)
class Box:
    """A box standing on its base, turned by `yaw` radians about the vertical."""

    centre: Array
    half: Array
    yaw: float

    def bounds(self) -> tuple[Array, float]:
        return self.centre, float(np.linalg.norm(self.half))

    def hit(self, origins: Array, directions: Array) -> Hit:
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)
        start = (origins - self.centre) @ turn
        way = directions @ turn
        way = np.where(np.abs(way) < 1e-6, np.float32(1e-6), way)
        middle, reach = -start / way, np.abs(self.half / way)
        enter, leave = middle - reach, middle + reach
        first, last = enter.max(-1), leave.min(-1)
        inside = first < NEAR
        distance = np.where(inside, last, first)
        missed = (last < first) | (last < NEAR) | inside
        distance = np.where(missed, np.inf, distance)
        axis = enter.argmax(-1)
        facing = np.eye(3, dtype=np.float32)[axis] * -np.sign(way)
        point = start + way * np.where(missed, 0, distance)[..., None]
        x = np.where(axis == 0, point[..., 2], point[..., 0])
        y = np.where(axis == 1, point[..., 2], point[..., 1])
        return distance, facing @ turn.T, np.stack([x, y], -1) + axis[..., None] * 0.37


@dataclass(frozen=True)
class Drum:
    """An upright frustum: radius `low` at the base, `high` at the top, from y to y + height.

    `foot`: the base's height on the surface, where several make one body.
    """

    base: Array
    height: float
    low: float
    high: float
    foot: float = 0.0

    def bounds(self) -> tuple[Array, float]:
        middle = self.base + np.array([0, self.height / 2, 0], np.float32)
        return middle, float(np.hypot(self.height / 2, max(self.low, self.high)))

    def hit(self, origins: Array, directions: Array) -> Hit:
        o, d = origins - self.base, directions
        slope = np.float32((self.high - self.low) / self.height)
        wide = self.low + slope * o[..., 1]
        a = d[..., 0] ** 2 + d[..., 2] ** 2 - (slope * d[..., 1]) ** 2
        a = np.where(np.abs(a) < 1e-8, np.float32(1e-8), a)
        b = o[..., 0] * d[..., 0] + o[..., 2] * d[..., 2] - slope * wide * d[..., 1]
        c = o[..., 0] ** 2 + o[..., 2] ** 2 - wide**2
        root = b * b - a * c
        away = np.sqrt(np.maximum(root, 0))
        distance = np.full(root.shape, np.inf, np.float32)
        for side in ((-b - away) / a, (-b + away) / a):
            y = o[..., 1] + side * d[..., 1]
            good = (root > 0) & (side > NEAR) & (y >= 0) & (y <= self.height)
            distance = np.where(good & (side < distance), side, distance)
        fall = np.where(np.abs(d[..., 1]) < 1e-6, np.float32(1e-6), d[..., 1])
        lid = (self.height - o[..., 1]) / fall
        x, z = o[..., 0] + lid * d[..., 0], o[..., 2] + lid * d[..., 2]
        on_lid = (lid > NEAR) & (x * x + z * z <= self.high**2) & (lid < distance)
        distance = np.where(on_lid, lid, distance)
        point = o + d * np.where(np.isinf(distance), 0, distance)[..., None]
        around = np.stack([point[..., 0], np.zeros_like(x), point[..., 2]], -1)
        length = np.linalg.norm(around, axis=-1, keepdims=True)
        around = around / np.maximum(length, 1e-6)
        around[..., 1] = -slope
        around = around / np.sqrt(np.float32(1 + slope**2))
        normal = np.where(on_lid[..., None], np.array([0, 1, 0], np.float32), around)
        turn = np.arctan2(point[..., 0], -point[..., 2]) / 3.0
        side_uv = np.stack([turn, point[..., 1] + np.float32(self.foot)], -1)
        uv = np.where(on_lid[..., None], point[..., ::2], side_uv)
        return distance, normal, uv


@dataclass(frozen=True)
class Plane:
    """An unbounded plane through `point`; `limit` cuts a floor off behind that depth."""

    point: Array
    normal: Array
    limit: float = np.inf

    def bounds(self) -> None:
        return None

    def hit(self, origins: Array, directions: Array) -> Hit:
        toward = directions @ self.normal
        toward = np.where(np.abs(toward) < 1e-6, np.float32(1e-6), toward)
        distance = ((self.point - origins) @ self.normal) / toward
        point = origins + directions * distance[..., None]
        good = (distance > NEAR) & (point[..., 2] <= self.limit)
        distance = np.where(good, distance, np.inf)
        flat = np.flatnonzero(np.abs(self.normal) < 0.9)
        return distance, np.broadcast_to(self.normal, point.shape), point[..., flat]
