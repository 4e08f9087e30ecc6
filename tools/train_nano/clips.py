"""Short synthetic clips: cut-outs of scenes that move, turn, grow and occlude each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .canvas import Scene
from .data import load_scene, wanted_nodes
from .scenes import SIZE

Rng = np.random.Generator
CUTOUT_AREA = (0.01, 0.3)  # of the picture


@dataclass(frozen=True)
class Clip:
    """images: uint8 (T, S, S, 3). masks: bool (K, T, S, S), the pixels that show each target."""

    images: np.ndarray
    masks: np.ndarray


@dataclass(frozen=True)
class _Motion:
    """Where a layer is in frame t: place + t * speed and so on; pixels, radians, log scale."""

    pivot: np.ndarray
    place: np.ndarray
    speed: np.ndarray
    angle: float
    turn: float
    scale: float
    growth: float

    def inverse(self, t: int) -> tuple[float, ...]:
        """The map from a frame's pixels to the layer's, as PIL wants it."""
        size = np.exp(self.scale + t * self.growth)
        c, s = np.cos(self.angle + t * self.turn) / size, np.sin(self.angle + t * self.turn) / size
        x, y = self.place + t * self.speed
        return (c, s, self.pivot[0] - c * x - s * y, -s, c, self.pivot[1] + s * x - c * y)


def _moving(rng: Rng, pivot: np.ndarray, side: int, steps: int) -> _Motion:
    start = rng.uniform(0.2, 0.8, 2) * side
    end = np.clip(start + rng.normal(0, 0.16, 2) * side, 0.1 * side, 0.9 * side)
    return _Motion(
        pivot, start, (end - start) / steps, rng.uniform(-0.6, 0.6), rng.normal(0, 0.05),
        rng.uniform(-0.4, 0.3), rng.normal(0, 0.03),
    )  # fmt: skip


def _panning(rng: Rng, side: int) -> _Motion:
    middle = np.full(2, side / 2)
    return _Motion(
        middle, middle, rng.normal(0, 0.012, 2) * side, 0.0, rng.normal(0, 0.008),
        0.12, rng.normal(0, 0.01),
    )  # fmt: skip


def _masks(drawn: Scene) -> list[np.ndarray]:
    """The regions of a scene that are of a size to cut out, or to follow."""
    wanted, inside = wanted_nodes(drawn.labels, drawn.parents)
    masks = [inside[node][drawn.labels] for node in np.flatnonzero(wanted)]
    return [mask for mask in masks if CUTOUT_AREA[0] <= mask.mean() <= CUTOUT_AREA[1]]


def _at_size(drawn: Scene) -> Scene:
    """A scene at SIZE x SIZE, so that cut-outs of scenes drawn in other sizes fit together."""
    if drawn.labels.shape[0] == SIZE:
        return drawn
    image = Image.fromarray(drawn.image).resize((SIZE, SIZE), Image.Resampling.BOX)
    middle = ((np.arange(SIZE) + 0.5) * drawn.labels.shape[0] / SIZE).astype(int)
    return Scene(
        np.asarray(image), drawn.labels[middle[:, None], middle], drawn.parents, drawn.kinds
    )


def _layer(image: np.ndarray, mask: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([image, mask.astype(np.uint8) * 255]))


def draw_clip(rng: Rng, cache: Path, seed: int, pool: int, frames: int, targets: int = 1) -> Clip:
    """A clip made of scenes 0 to `pool` of `seed`; its targets show in the first frame."""
    while True:
        scenes = [
            _at_size(load_scene(cache, seed, int(n)))
            for n in rng.integers(0, pool, rng.integers(2, 5))
        ]
        images, masks = _compose(rng, scenes, frames)
        shown = np.flatnonzero(masks[:, 0].mean((1, 2)) > 0.004) if len(masks) else []
        if len(shown):
            chosen = rng.choice(shown, targets, replace=len(shown) < targets)
            return Clip(images, masks[chosen])


def _compose(rng: Rng, scenes: list[Scene], frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (T, S, S, 3), and the masks (K, T, S, S) of what moves and of three things behind."""
    back, side = scenes[0], scenes[0].labels.shape[0]
    layers, motions = [_layer(back.image, np.ones((side, side), bool))], [_panning(rng, side)]
    for drawn in scenes[1:]:
        found = _masks(drawn)
        if found:
            mask = found[rng.integers(len(found))]
            rows, columns = np.nonzero(mask)
            layers.append(_layer(drawn.image, mask))
            motions.append(_moving(rng, np.array([columns.mean(), rows.mean()]), side, frames))
    behind = [_layer(back.image, mask) for mask in _masks(back)]
    rng.shuffle(behind)
    images, masks = [], []
    for t in range(frames):
        moved = [
            _moved(layer, motion, t, side) for layer, motion in zip(layers, motions, strict=True)
        ]
        picture = Image.new("RGB", (side, side))
        for layer in moved:
            picture.paste(layer, mask=layer.getchannel("A"))
        regions = [_moved(layer, motions[0], t, side) for layer in behind[:3]]
        solid = np.array([np.asarray(layer.getchannel("A")) > 127 for layer in regions + moved[1:]])
        images.append(np.asarray(picture))
        masks.append(_visible(solid.reshape(-1, side, side), len(regions)))
    return np.stack(images), np.stack(masks, 1)


def _visible(solid: np.ndarray, behind: int) -> np.ndarray:
    """Take from each of the masks (K, S, S) what later ones hide; the first `behind` hide none."""
    visible = solid.copy()
    for index in range(len(solid)):
        visible[index] &= ~solid[max(index + 1, behind) :].any(0)
    return visible


def _moved(layer: Image.Image, motion: _Motion, t: int, side: int) -> Image.Image:
    return layer.transform(
        (side, side), Image.Transform.AFFINE, motion.inverse(t), Image.Resampling.BILINEAR
    )
