"""Scenes of flat shapes that occlude each other: scatters, grids, streets, mosaics, graphics."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from . import shapes
from .canvas import BACKGROUND, GROUP, OBJECT, PART, Canvas
from .textures import scene_strength, surface

Array = np.ndarray
Rng = np.random.Generator


class Style:
    """What all shapes of one scene share: light, shadows, shading, outlines."""

    def __init__(self, rng: Rng):
        self.flat = rng.random() < 0.25
        self.strength = scene_strength(rng)
        self.shadow = 0.0 if self.flat else rng.choice([0.0, rng.uniform(0.15, 0.6)])
        self.shift = rng.uniform(-0.12, 0.12, 2)
        self.blur = rng.uniform(0.5, 5)
        self.shading = 0.0 if self.flat else rng.choice([0.0, rng.uniform(0.1, 0.6)])
        self.stroke = rng.random() < (0.25 if self.flat else 0.08)
        light = rng.uniform(0, 2 * np.pi)
        self.light = np.array([np.cos(light), np.sin(light)], np.float32)


def _shade(rng: Rng, style: Style, coverage: Array, colours: Array) -> Array:
    """Make a flat shape bulge, and outline it where the style says so."""
    height, width = coverage.shape
    if style.shading and min(height, width) >= 6 and rng.random() < 0.75:
        picture = Image.fromarray((coverage * 255).astype(np.uint8))
        dome = picture.filter(ImageFilter.BoxBlur(max(2, min(height, width) / 8)))
        slope_y, slope_x = np.gradient(np.asarray(dome, np.float32) / 255 * min(height, width))
        light = 1 + style.shading * (slope_x * style.light[0] + slope_y * style.light[1])
        colours = colours * np.clip(light, 0.3, 1.6)[..., None]
    if style.stroke and min(height, width) >= 8:
        picture = Image.fromarray((coverage * 255).astype(np.uint8))
        core = np.asarray(picture.filter(ImageFilter.MinFilter(3)), np.float32) / 255
        colours = colours * (1 - 0.85 * (coverage - core).clip(0, 1))[..., None]
    return colours


def _add(
    rng: Rng, canvas: Canvas, style: Style, coverage, corner, kind: int, parent: int, shadow: float
) -> int:
    if shadow:
        shift = style.shift * min(coverage.shape)
        canvas.cast_shadow(coverage, corner, shift, style.blur, shadow)
    node = canvas.node(kind, parent)
    colours = surface(rng, *coverage.shape, flat=style.flat, strength=style.strength)
    canvas.paint(node, coverage, corner, _shade(rng, style, coverage, colours))
    return node


def add_parts(rng: Rng, canvas: Canvas, style: Style, node: int, coverage, corner, depth=0) -> None:
    """Put smaller shapes on a shape, clipped to it; parts may carry parts."""
    height, width = coverage.shape
    if min(height, width) < 14 or canvas.full:
        return
    limit = np.zeros((canvas.size, canvas.size), np.float32)
    limit[canvas.window(coverage, corner)] = coverage
    span = np.array([width, height])
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.25:
            polygons = _half_plane(rng, span, corner)
        else:
            radii = span * rng.uniform(0.12, 0.34, 2)
            centre = np.array([corner[1], corner[0]]) + span * rng.uniform(0.15, 0.85, 2)
            angle = rng.choice([0.0, rng.uniform(0, 2 * np.pi)])
            polygons = shapes.place(shapes.outline(rng), centre, radii, angle)
        raster = shapes.rasterise(polygons, canvas.size)
        if raster is None:
            continue
        part, where = raster
        part = part * limit[canvas.window(part, where)]
        if (part >= 0.5).sum() < 20:
            continue
        child = _add(rng, canvas, style, part, where, PART, node, 0.0)
        if depth == 0 and rng.random() < 0.2:
            add_parts(rng, canvas, style, child, part, where, depth=1)


def _half_plane(rng: Rng, span: Array, corner: tuple[int, int]) -> list[Array]:
    angle = rng.choice([0, 1, 2, 3]) * np.pi / 2 + rng.choice([0.0, rng.normal(0, 0.3)])
    reach = float(span.max())
    square = [np.array([[0.0, -1], [1, -1], [1, 1], [0, 1]])]
    centre = np.array([corner[1], corner[0]]) + span * rng.uniform(0.3, 0.7, 2)
    return shapes.place(square, centre, (reach, reach), angle)


def add_object(
    rng: Rng, canvas: Canvas, style: Style, polygons, parent: int = -1, parts: float = 0.35
) -> int | None:
    """Draw one object, perhaps with parts. Returns its node, None where it lies outside."""
    raster = shapes.rasterise(polygons, canvas.size)
    if raster is None or canvas.full:
        return None
    coverage, corner = raster
    shadow = style.shadow if rng.random() < 0.8 else 0.0
    node = _add(rng, canvas, style, coverage, corner, OBJECT, parent, shadow)
    if rng.random() < parts:
        add_parts(rng, canvas, style, node, coverage, corner)
    return node


def paint_background(rng: Rng, canvas: Canvas, style: Style) -> None:
    """Fill the picture: one surface, or several behind each other like sky, hills and ground."""
    size = canvas.size
    everything = np.ones((size, size), np.float32)
    first = canvas.node(BACKGROUND)
    canvas.paint(
        first,
        everything,
        (0, 0),
        surface(rng, size, size, flat=style.flat, strength=style.strength),
    )
    if rng.random() < 0.5:
        return
    x = np.linspace(0, 1, size, dtype=np.float32)
    vertical = rng.random() < 0.15
    for level in np.sort(rng.uniform(0.15, 0.85, rng.integers(1, 4))):
        edge = level + rng.normal(0, 0.1) * (x - 0.5)
        if rng.random() < 0.5:
            edge = edge + rng.uniform(0, 0.08) * np.sin(rng.uniform(2, 14) * x + rng.uniform(0, 6))
        coverage = np.clip((x[:, None] - edge[None]) * size + 0.5, 0, 1)
        coverage = np.ascontiguousarray(coverage.T) if vertical else coverage
        node = canvas.node(BACKGROUND)
        canvas.paint(
            node,
            coverage,
            (0, 0),
            surface(rng, size, size, flat=style.flat, strength=style.strength),
        )


def _random_placement(rng: Rng, size: int, radius: float) -> list[Array]:
    stretch = np.exp(rng.normal(0, 0.35))
    radii = np.clip(radius * np.array([stretch, 1 / stretch]), 2, None)
    angle = rng.choice([0.0, rng.uniform(0, 2 * np.pi)])
    return shapes.place(shapes.outline(rng), rng.uniform(0, size, 2), radii, angle)


def scatter(rng: Rng, canvas: Canvas, style: Style) -> None:
    """3 to 20 objects anywhere, usually the larger ones further back."""
    count = int(rng.integers(3, 21))
    top = rng.uniform(0.18, 0.42) * (6 / max(count, 6)) ** 0.3
    radii = np.exp(rng.uniform(np.log(0.04), np.log(top), count)) * canvas.size
    if rng.random() < 0.7:
        radii = np.sort(radii)[::-1]
    for radius in radii:
        add_object(rng, canvas, style, _random_placement(rng, canvas.size, radius))


def grid(rng: Rng, canvas: Canvas, style: Style) -> None:
    """A group of like objects in rows, among a few others."""
    for _ in range(rng.integers(1, 5)):
        radius = rng.uniform(0.05, 0.2) * canvas.size
        add_object(rng, canvas, style, _random_placement(rng, canvas.size, radius))
    group = canvas.node(GROUP)
    rows, columns = rng.integers(1, 4), rng.integers(2, 5)
    pitch = canvas.size * rng.uniform(0.5, 0.95, 2) / max(rows, columns)
    start = rng.uniform(0.05, 0.5, 2) * canvas.size
    shape, angle = shapes.outline(rng), rng.choice([0.0, rng.uniform(0, 6.3)])
    like, state = rng.random() < 0.7, int(rng.integers(2**31))
    for row in range(rows):
        for column in range(columns):
            centre = start + pitch * (column + 0.3, row + 0.3)
            radii = pitch * rng.uniform(0.38, 0.46, 2)
            polygons = shapes.place(shape, centre, radii, angle)
            painter = np.random.default_rng(state) if like else rng
            add_object(painter, canvas, style, polygons, group, parts=0.2)


def street(rng: Rng, canvas: Canvas, style: Style) -> None:
    """Upright boxes side by side on a line, with rows of parts: houses, books, packets."""
    size = canvas.size
    base, left = rng.uniform(0.55, 0.98) * size, rng.uniform(-0.1, 0.3) * size
    while left < size * 0.95 and not canvas.full:
        width, height = rng.uniform(0.06, 0.3) * size, rng.uniform(0.15, 0.6) * size
        corners = np.array([[left, base - height], [left + width, base - height]])
        box = [np.concatenate([corners, [[left + width, base], [left, base]]])]
        node = add_object(rng, canvas, style, box, parts=0.2)
        if node is not None and rng.random() < 0.5:
            _windows(rng, canvas, style, node, left, base - height, width, height)
        left += width * rng.uniform(0.98, 1.3)
    for _ in range(rng.integers(0, 6)):
        radius = rng.uniform(0.04, 0.15) * size
        add_object(rng, canvas, style, _random_placement(rng, size, radius))


def _windows(rng, canvas, style, node, left, top, width, height) -> None:
    columns, rows = rng.integers(1, 4), rng.integers(1, 5)
    shape = [np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])]
    radii = np.array([width / columns, height / rows]) * rng.uniform(0.25, 0.42)
    if radii.min() < 3:
        return
    state = int(rng.integers(2**31))
    for row in range(rows):
        for column in range(columns):
            cell = (column + 0.5) / columns * width, (row + 0.5) / rows * height
            polygons = shapes.place(shape, np.array([left, top]) + cell, radii, 0.0)
            raster = shapes.rasterise(polygons, canvas.size)
            if raster is not None and not canvas.full:
                painter = np.random.default_rng(state)
                _add(painter, canvas, style, *raster, PART, node, 0.0)


def mosaic(rng: Rng, canvas: Canvas, style: Style) -> None:
    """Cells that tile the picture, with a few objects on top."""
    size = canvas.size
    count = int(rng.integers(4, 16))
    seeds = rng.uniform(0, size, (count, 2)).astype(np.float32)
    axis = np.arange(size, dtype=np.float32)
    stretch = rng.uniform(0.5, 2)
    squared = (axis[None, None] - seeds[:, :1, None]) ** 2 * stretch
    nearest = (squared + (axis[None, :, None] - seeds[:, 1:, None]) ** 2).argmin(0)
    for cell in range(count):
        inside = nearest == cell
        if not inside.any():
            continue
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        coverage = inside[window].astype(np.float32)
        _add(rng, canvas, style, coverage, (rows[0], columns[0]), OBJECT, -1, 0.0)
    for _ in range(rng.integers(0, 6)):
        radius = rng.uniform(0.05, 0.2) * size
        add_object(rng, canvas, style, _random_placement(rng, size, radius))


LAYOUTS = ((scatter, 0.58), (grid, 0.12), (street, 0.18), (mosaic, 0.12))


def draw(rng: Rng, size: int) -> Canvas:
    """Draw a random flat scene of `size` x `size` pixels."""
    canvas, style = Canvas(size), Style(rng)
    paint_background(rng, canvas, style)
    weights = np.array([weight for _, weight in LAYOUTS])
    LAYOUTS[rng.choice(len(LAYOUTS), p=weights / weights.sum())][0](rng, canvas, style)
    return canvas
