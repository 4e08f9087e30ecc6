"""Ray-traced scenes: balls, boxes, cans, vases and books on a table before a wall."""

from __future__ import annotations

import numpy as np

from . import things
from .canvas import BACKGROUND, OBJECT, PART, Canvas
from .solids import Plane
from .textures import colour, noise_patch, scene_strength, surface
from .things import Joins, vector

Array = np.ndarray
Rng = np.random.Generator
TEXTURE_SIDE = 160


class View:
    """A camera over the table, and what each of its rays has met so far."""

    def __init__(self, rng: Rng, size: int):
        self.size = size
        pitch = rng.uniform(0.08, 0.75)
        distance = rng.uniform(4.0, 6.5)
        target = vector(rng.uniform(-0.3, 0.3), rng.uniform(0.2, 0.7), 0)
        self.origin = target + vector(0, np.sin(pitch), -np.cos(pitch)) * distance
        forward = (target - self.origin) / np.float32(distance)
        self.basis = np.stack([vector(1, 0, 0), vector(0, np.cos(pitch), np.sin(pitch)), forward])
        field = rng.uniform(0.26, 0.45)
        aspect = np.exp(rng.uniform(-0.55, 0.55))  # squeezed into the square picture
        self.span = vector(field * np.sqrt(aspect), field / np.sqrt(aspect))
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
        middle = vector(x, -y) / max(z, 0.3)
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


class Window:
    """A bright window with bars, far away, that glossy things mirror."""

    def __init__(self, rng: Rng):
        forward = vector(rng.uniform(-1, 1), rng.uniform(0.2, 1.2), rng.uniform(-1, 0.3))
        self.forward = forward / np.linalg.norm(forward)
        self.side = np.cross(vector(0, 1, 0), self.forward)
        self.up = np.cross(self.forward, self.side)
        self.half = rng.uniform(0.15, 0.6, 2).astype(np.float32)
        self.panes = rng.integers(1, 4, 2)
        self.brightness = rng.uniform(0.4, 1.0)

    def seen(self, rays: Array, normals: Array) -> Array:
        """How much of the window each pixel mirrors, (S, S)."""
        mirrored = rays - 2 * (rays * normals).sum(-1, keepdims=True) * normals
        ahead = mirrored @ self.forward
        lit = ahead > 0.1
        for axis, half, panes in zip((self.side, self.up), self.half, self.panes, strict=True):
            place = (mirrored @ axis) / np.maximum(ahead, 0.1) / half
            in_pane = np.abs((place + 1) / 2 * panes % 1 - 0.5) < 0.45
            lit &= (np.abs(place) < 1) & in_pane
        return lit * np.float32(self.brightness)


class Light:
    def __init__(self, rng: Rng):
        angle, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.4)
        direction = vector(np.cos(angle), height, -abs(np.sin(angle)) - 0.15)
        self.direction = direction / np.linalg.norm(direction)
        self.ambient = rng.uniform(0.3, 0.65)
        self.sky = rng.uniform(0, 0.25)  # how much darker it is from the side than from above
        self.warmth = (1 + rng.normal(0, 0.06, 3)).astype(np.float32)
        self.window = Window(rng) if rng.random() < 0.5 else None


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


def _room(rng: Rng) -> list[tuple[object, float]]:
    """The surfaces around: table, wall, perhaps a floor or a side wall; with texture scales."""
    wall = float(rng.uniform(1.5, 5.0))
    edge = float(rng.choice([np.inf, rng.uniform(0.9, wall)]))
    planes = [Plane(vector(0, 0, 0), vector(0, 1, 0), edge)]
    planes.append(Plane(vector(0, 0, wall), vector(0, 0, -1)))
    if np.isfinite(edge) and rng.random() < 0.5:
        planes.append(Plane(vector(0, -rng.uniform(0.5, 2), 0), vector(0, 1, 0)))
    if rng.random() < 0.2:
        side = float(rng.choice([-1.0, 1.0]))
        planes.append(Plane(vector(side * rng.uniform(1.4, 3), 0, 0), vector(-side, 0, 0)))
    return [(plane, rng.uniform(0.15, 0.6)) for plane in planes]


def _texture(rng: Rng, strength: float) -> Array:
    return surface(rng, TEXTURE_SIDE, TEXTURE_SIDE, strength=strength).clip(0, 1)


def _painted(rng: Rng, strength: float) -> Array:
    """A thing's texture; now and then spots, bold bands or checks, which are no parts of it."""
    texture = _texture(rng, strength)
    choice = rng.random()
    if choice < 0.12:
        spots = noise_patch(rng, TEXTURE_SIDE, TEXTURE_SIDE) > rng.uniform(0.8, 2.0)
        return np.where(spots[..., None], texture * rng.uniform(0.4, 0.9), texture)
    if choice < 0.75:
        return texture
    axis = np.arange(TEXTURE_SIDE, dtype=np.float32) / TEXTURE_SIDE
    bands = np.sin(axis * np.pi * rng.integers(2, 9) + rng.uniform(0, 6.3)) > rng.uniform(-0.6, 0.6)
    pattern = bands[:, None] ^ (bands[None] & (rng.random() < 0.3))
    if rng.random() < 0.3:
        pattern = np.broadcast_to(bands[None], pattern.shape)
    return np.where(pattern[..., None], colour(rng), texture)


def _paper(rng: Rng) -> Array:
    """The edges of a book's pages: fine pale lines."""
    lines = rng.uniform(0.75, 1.0, (1, TEXTURE_SIDE, 1)) if rng.random() < 0.5 else 1.0
    pale = rng.uniform(0.6, 0.95) * vector(1, rng.uniform(0.92, 1), rng.uniform(0.75, 1))
    return np.broadcast_to(lines * pale, (TEXTURE_SIDE, TEXTURE_SIDE, 3)).transpose(1, 0, 2)


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
    solids = []
    for pieces in things.flat(rng) + things.on_table(rng):
        solids += [piece.solid for piece in pieces]
        for piece in pieces:
            if piece.joins is Joins.NEW:
                whole = node = canvas.node(OBJECT)
                gloss, scale = rng.choice([0.0, rng.uniform(0.1, 0.9)]), rng.uniform(0.3, 1.2)
                texture = own = _painted(rng, strength)
            elif piece.joins is Joins.PART and rng.random() < 0.9:
                node, texture = canvas.node(PART, whole), _painted(rng, strength)
            else:
                node = whole
                texture = _paper(rng) if piece.joins is Joins.PAGES else own
            show(node, piece.solid, scale, texture, gloss)
    canvas.image = _lit(rng, view, solids, light)
    return canvas


def _lit(rng: Rng, view: View, solids: list, light: Light) -> Array:
    direct = np.clip(view.normals @ light.direction, 0, 1) * _shadows(rng, view, solids, light)
    ambient = light.ambient * (1 + light.sky * (view.normals[..., 1] - 1))
    image = view.colours * (ambient + (1.25 - light.ambient) * direct)[..., None]
    bounce = light.direction - view.rays
    bounce = bounce / np.linalg.norm(bounce, axis=-1, keepdims=True)
    shine = np.clip((view.normals * bounce).sum(-1), 0, 1) ** 40 * (direct > 0)
    if light.window is not None:
        shine = np.maximum(shine, light.window.seen(view.rays, view.normals))
    return (image * light.warmth + (shine * view.gloss)[..., None]).astype(np.float32)
