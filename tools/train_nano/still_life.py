"""Ray-traced scenes: balls, boxes, cans, cones and bottles on a table before a wall."""

from __future__ import annotations

import numpy as np

from .canvas import BACKGROUND, OBJECT, PART, Canvas
from .solids import Box, Drum, Plane, Sphere
from .textures import colour, scene_strength, surface

Array = np.ndarray
Rng = np.random.Generator
TEXTURE_SIDE = 160


def _vector(*values: float) -> Array:
    return np.array(values, np.float32)


class View:
    """A camera over the table, and what each of its rays has met so far."""

    def __init__(self, rng: Rng, size: int):
        self.size = size
        pitch = rng.uniform(0.08, 0.75)
        distance = rng.uniform(4.0, 6.5)
        target = _vector(rng.uniform(-0.3, 0.3), rng.uniform(0.2, 0.7), 0)
        self.origin = target + _vector(0, np.sin(pitch), -np.cos(pitch)) * distance
        forward = (target - self.origin) / np.float32(distance)
        self.basis = np.stack([_vector(1, 0, 0), _vector(0, np.cos(pitch), np.sin(pitch)), forward])
        field = rng.uniform(0.26, 0.45)
        aspect = np.exp(rng.uniform(-0.55, 0.55))  # squeezed into the square picture
        self.span = _vector(field * np.sqrt(aspect), field / np.sqrt(aspect))
        axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
        rays = np.empty((size, size, 3), np.float32)
        rays[..., 0] = axis[None] * self.span[0]
        rays[..., 1] = -axis[:, None] * self.span[1]
        rays[..., 2] = 1
        rays = rays @ self.basis
        self.rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        self.depth = np.full((size, size), np.inf, np.float32)
        self.normals = np.zeros((size, size, 3), np.float32)
        self.colours = np.zeros((size, size, 3), np.float32)
        self.gloss = np.zeros((size, size), np.float32)

    def window(self, bounds: tuple[Array, float] | None) -> tuple[slice, slice] | None:
        """The part of the picture that a sphere may cover; None where it is out of view."""
        if bounds is None:
            return slice(0, self.size), slice(0, self.size)
        centre, radius = bounds
        x, y, z = self.basis @ (centre - self.origin)
        reach = radius / max(z - radius, 0.3) * 1.05
        middle = _vector(x, -y) / max(z, 0.3)
        low = (middle - reach) / self.span
        high = (middle + reach) / self.span
        low = np.clip(((low + 1) / 2 * self.size).astype(int) - 1, 0, self.size)
        high = np.clip(((high + 1) / 2 * self.size).astype(int) + 2, 0, self.size)
        if (high - low).min() < 1:
            return None
        return slice(low[1], high[1]), slice(low[0], high[0])

    def add(self, solid, texture: Array, scale: float, gloss: float) -> tuple | None:
        """Draw a solid. Returns the window and the mask in it of the pixels that now show it."""
        window = self.window(solid.bounds())
        if window is None:
            return None
        distance, normal, uv = solid.hit(self.origin, self.rays[window])
        nearer = distance < self.depth[window]
        if not nearer.any():
            return None
        self.depth[window][nearer] = distance[nearer]
        self.normals[window][nearer] = normal[nearer]
        cell = np.floor(uv[nearer] * scale * TEXTURE_SIDE).astype(int) % (2 * TEXTURE_SIDE)
        cell = np.minimum(cell, 2 * TEXTURE_SIDE - 1 - cell)  # mirrored, so that no seam shows
        self.colours[window][nearer] = texture[cell[:, 1], cell[:, 0]]
        self.gloss[window][nearer] = gloss
        return window, nearer


class Light:
    def __init__(self, rng: Rng):
        angle, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.4)
        direction = _vector(np.cos(angle), height, -abs(np.sin(angle)) - 0.15)
        self.direction = direction / np.linalg.norm(direction)
        self.ambient = rng.uniform(0.3, 0.65)
        self.warmth = (1 + rng.normal(0, 0.06, 3)).astype(np.float32)


def _shadows(rng: Rng, view: View, solids: list, light: Light) -> Array:
    """How much direct light reaches each pixel, (S, S); found at half size, with a soft edge."""
    half = (slice(0, None, 2), slice(0, None, 2))
    points = view.origin + view.rays[half] * view.depth[half][..., None]
    points = (points + view.normals[half] * 0.01).reshape(-1, 3)
    lit = np.zeros(len(points), np.float32)
    blur = rng.choice([0.0, rng.uniform(0.02, 0.12)])
    directions = [light.direction + rng.normal(0, 1, 3) * blur for _ in range(2 if blur else 1)]
    for direction in directions:
        direction = (direction / np.linalg.norm(direction)).astype(np.float32)
        blocked = np.zeros(len(points), bool)
        for solid in solids:
            centre, radius = solid.bounds()
            offset = centre - points
            along = offset @ direction
            close = (offset * offset).sum(-1) - along * along < radius * radius
            index = np.flatnonzero(close & (along > -radius) & ~blocked)
            if len(index):
                rays = np.broadcast_to(direction, (len(index), 3))
                blocked[index] |= np.isfinite(solid.hit(points[index], rays)[0])
        lit += ~blocked
    side = view.size // 2
    return (lit / len(directions)).reshape(side, side).repeat(2, 0).repeat(2, 1)


def _compound(rng: Rng, x: float, z: float, scale: float) -> tuple[list, float]:
    """The solids of one object that stands at (x, z) on the table, and its footprint's radius."""
    r, h = scale * rng.uniform(0.5, 1.0), scale * rng.uniform(0.6, 2.4)
    base = _vector(x, 0, z)
    kind = rng.choice(
        ["ball", "box", "can", "cone", "bottle", "mug", "stack", "lidded", "cup", "lamp"],
        p=[0.22, 0.22, 0.17, 0.05, 0.09, 0.05, 0.07, 0.05, 0.05, 0.03],
    )
    up = lambda y: _vector(x, y, z)  # noqa: E731
    yaw = rng.uniform(0, np.pi)
    half = _vector(r, h / 2, r * rng.uniform(0.35, 1.0))
    if kind == "ball":
        return [Sphere(up(r), r)], r
    if kind == "box":
        return [Box(up(h / 2), half, yaw)], float(np.hypot(half[0], half[2]))
    if kind == "can":
        return [Drum(base, h, r * 0.8, r * 0.8)], r
    if kind == "cone":
        return [Drum(base, h, r, r * rng.uniform(0.01, 0.3))], r
    if kind == "cup":
        return [Drum(base, h * 0.7, r * rng.uniform(0.5, 0.7), r)], r
    if kind == "bottle":
        narrow, cap = r * rng.uniform(0.2, 0.4), rng.uniform(0.1, 0.25) * h
        body = Drum(base, h, r * 0.6, r * 0.6)
        neck = Drum(up(h), h * 0.3, r * 0.6, narrow)
        return [body, neck, Drum(up(h * 1.3), cap, narrow * 1.1, narrow * 1.1)], r
    if kind == "mug":
        return [Drum(base, h, r * 0.8, r * 0.8), Drum(up(h * 0.3), h * 0.35, r * 0.81, r * 0.81)], r
    if kind == "stack":
        lift = h * rng.uniform(0.3, 0.8)
        lower = Box(up(lift / 2), _vector(r, lift / 2, half[2]), yaw)
        return [lower, Sphere(up(lift + r * 0.4), r * 0.4)], float(np.hypot(r, half[2]))
    if kind == "lidded":
        lid = Box(up(h * 0.9 + r * 0.1), _vector(r * 1.05, r * 0.1, half[2] * 1.05), yaw)
        return [Box(up(h * 0.45), _vector(r, h * 0.45, half[2]), yaw), lid], float(
            np.hypot(r, half[2])
        )
    pole = Drum(base, h, r * 0.15, r * 0.1)
    return [pole, Drum(up(h), h * 0.5, r, r * 0.5)], r


def _room(rng: Rng) -> list[tuple[object, float]]:
    """The surfaces around: table, wall, perhaps a floor or a side wall; with texture scales."""
    wall = float(rng.uniform(1.5, 5.0))
    edge = float(rng.choice([np.inf, rng.uniform(0.9, wall)]))
    planes = [Plane(_vector(0, 0, 0), _vector(0, 1, 0), edge)]
    planes.append(Plane(_vector(0, 0, wall), _vector(0, 0, -1)))
    if np.isfinite(edge) and rng.random() < 0.5:
        planes.append(Plane(_vector(0, -rng.uniform(0.5, 2), 0), _vector(0, 1, 0)))
    if rng.random() < 0.2:
        side = float(rng.choice([-1.0, 1.0]))
        planes.append(Plane(_vector(side * rng.uniform(1.4, 3), 0, 0), _vector(-side, 0, 0)))
    return [(plane, rng.uniform(0.15, 0.6)) for plane in planes]


def _flat_things(rng: Rng) -> list[Box]:
    """Cloths and books lying on the table, pictures on the wall behind it."""
    things = []
    for _ in range(rng.choice([0, 0, 1, 2])):
        half = _vector(rng.uniform(0.2, 1.3), rng.uniform(0.005, 0.08), rng.uniform(0.2, 0.8))
        place = _vector(rng.uniform(-1, 1), half[1], rng.uniform(-0.8, 0.8))
        things.append(Box(place, half, rng.uniform(0, np.pi)))
    for _ in range(rng.choice([0, 0, 1, 2])):
        half = _vector(rng.uniform(0.15, 0.8), rng.uniform(0.15, 0.6), 0.02)
        place = _vector(rng.uniform(-1.6, 1.6), rng.uniform(0.4, 2.0), rng.uniform(1.2, 1.5))
        things.append(Box(place, half, 0.0))
    return things


def _standing_things(rng: Rng) -> list[list]:
    count, scale = int(rng.integers(2, 13)), rng.uniform(0.3, 0.75)
    placed: list[tuple[float, float, float]] = []
    things = []
    for _ in range(count * 3):
        x, z = rng.uniform(-1.7, 1.7), rng.uniform(-1.3, 1.3)
        solids, radius = _compound(rng, x, z, scale * rng.uniform(0.4, 1.25))
        if all(np.hypot(x - a, z - b) > radius + r for a, b, r in placed):
            placed.append((x, z, radius))
            things.append(solids)
        if len(things) == count:
            break
    return things


def _texture(rng: Rng, strength: float) -> Array:
    return surface(rng, TEXTURE_SIDE, TEXTURE_SIDE, strength=strength).clip(0, 1)


def _painted(rng: Rng, strength: float) -> Array:
    """An object's texture; now and then bold bands or checks, which are no parts of it."""
    texture = _texture(rng, strength)
    if rng.random() < 0.75:
        return texture
    axis = np.arange(TEXTURE_SIDE, dtype=np.float32) / TEXTURE_SIDE
    bands = np.sin(axis * np.pi * rng.integers(2, 9) + rng.uniform(0, 6.3)) > rng.uniform(-0.6, 0.6)
    pattern = bands[:, None] ^ (bands[None] & (rng.random() < 0.3))
    if rng.random() < 0.3:
        pattern = np.broadcast_to(bands[None], pattern.shape)
    return np.where(pattern[..., None], colour(rng), texture)


def draw(rng: Rng, size: int) -> Canvas:
    """Render a random still life of `size` x `size` pixels; `size` is even."""
    canvas, view, light = Canvas(size), View(rng, size), Light(rng)
    strength = scene_strength(rng)

    def show(node: int, solid: object, scale: float, texture: Array, gloss: float) -> None:
        drawn = view.add(solid, texture, scale, gloss)
        if drawn is not None:
            canvas.labels[drawn[0]][drawn[1]] = node

    for plane, scale in _room(rng):
        show(canvas.node(BACKGROUND), plane, scale, _texture(rng, strength), 0.0)
    view.depth[np.isinf(view.depth)] = 1e3
    things = [[thing] for thing in _flat_things(rng)] + _standing_things(rng)
    for solids in things:
        whole, gloss = canvas.node(OBJECT), rng.choice([0.0, rng.uniform(0.1, 0.7)])
        texture = _painted(rng, strength)
        for order, solid in enumerate(solids):
            node = whole
            if order and rng.random() < 0.9:
                node, texture = canvas.node(PART, whole), _painted(rng, strength)
            show(node, solid, rng.uniform(0.3, 1.2), texture, gloss)
    solids = [solid for thing in things for solid in thing]
    canvas.image = _lit(rng, view, solids, light)
    return canvas


def _lit(rng: Rng, view: View, solids: list, light: Light) -> Array:
    direct = np.clip(view.normals @ light.direction, 0, 1) * _shadows(rng, view, solids, light)
    image = view.colours * (light.ambient + (1.25 - light.ambient) * direct)[..., None]
    bounce = light.direction - view.rays
    bounce = bounce / np.linalg.norm(bounce, axis=-1, keepdims=True)
    shine = np.clip((view.normals * bounce).sum(-1), 0, 1) ** 40 * view.gloss * (direct > 0)
    return (image * light.warmth + shine[..., None]).astype(np.float32)
