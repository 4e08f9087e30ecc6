"""Surface patterns for the procedural scenes: colours, noise, stripes and crops of photographs.

The photographs are the ones inside the scikit-image wheel; nothing is downloaded.
"""

from __future__ import annotations

import colorsys
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

Array = np.ndarray
Rng = np.random.Generator

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "rocket.jpg",
)
NOISE_SIDE = 512


@cache
def photographs() -> tuple[Image.Image, ...]:
    """The photographs that ship with scikit-image, as RGB with a short side of at least 256."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    return tuple(Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS)


@cache
def noise_fields() -> Array:
    """Periodic 1/f^p noise, float32 (12, 512, 512), zero mean, unit deviation; fixed seed."""
    rng = np.random.default_rng(7)
    frequency = np.hypot(np.fft.fftfreq(NOISE_SIDE)[:, None], np.fft.rfftfreq(NOISE_SIDE)[None])
    frequency[0, 0] = np.inf
    fields = []
    for power in (0.5, 0.8, 1.0, 1.2, 1.5, 1.5, 1.8, 1.8, 2.0, 2.0, 2.3, 2.6):
        phase = rng.uniform(0, 2 * np.pi, frequency.shape)
        field = np.fft.irfft2(np.exp(1j * phase) * frequency**-power, (NOISE_SIDE, NOISE_SIDE))
        fields.append((field - field.mean()) / field.std())
    return np.stack(fields).astype(np.float32)


def noise_patch(rng: Rng, height: int, width: int) -> Array:
    """A crop of a random noise field, float32 (H, W)."""
    field = noise_fields()[rng.integers(12)]
    top, left = rng.integers(0, NOISE_SIDE, 2)
    rows = (top + np.arange(height)) % NOISE_SIDE
    columns = (left + np.arange(width)) % NOISE_SIDE
    return field[rows[:, None], columns[None]]


def colour(rng: Rng) -> Array:
    """A random colour, float32 (3,): more dull ones than bright ones, as in photographs."""
    saturation = rng.beta(1.0, 2.2) if rng.random() < 0.85 else rng.uniform(0.7, 1.0)
    value = rng.beta(1.8, 1.2)
    return np.array(colorsys.hsv_to_rgb(rng.random(), saturation, value), np.float32)


def photograph_patch(rng: Rng, height: int, width: int, strength: float = 1.0) -> Array:
    """A crop of a photograph, float32 (H, W, 3), with its contrast and colour varied."""
    photograph = photographs()[rng.integers(len(PHOTOGRAPHS))]
    largest = min(photograph.width / width, photograph.height / height)
    zoom = largest * rng.uniform(0.15, 1.0)
    crop_w, crop_h = max(4.0, width * zoom), max(4.0, height * zoom)
    left = rng.uniform(0, max(photograph.width - crop_w, 0))
    top = rng.uniform(0, max(photograph.height - crop_h, 0))
    box = (left, top, min(left + crop_w, photograph.width), min(top + crop_h, photograph.height))
    resized = photograph.resize((width, height), Image.Resampling.BILINEAR, box=box)
    patch = np.asarray(resized, np.float32) / 255
    mean = patch.mean((0, 1))
    contrast = rng.uniform(0.15, 0.9) * strength
    target = mean if rng.random() < 0.5 else colour(rng)
    return target + (patch - mean) * contrast


def gradient_patch(rng: Rng, height: int, width: int) -> Array:
    """A linear or radial blend of two colours, float32 (H, W, 3)."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    if rng.random() < 0.6:
        angle = rng.uniform(0, 2 * np.pi)
        blend = (np.cos(angle) * x + np.sin(angle) * y) * 0.5 + 0.5
    else:
        centre = rng.uniform(-1, 1, 2)
        blend = np.hypot(x - centre[0], y - centre[1]) * rng.uniform(0.4, 0.8)
    blend = np.clip(blend, 0, 1)[..., None].astype(np.float32)
    first = colour(rng)
    second = first + rng.normal(0, 0.2, 3) if rng.random() < 0.6 else colour(rng)
    return (first * (1 - blend) + second.astype(np.float32) * blend).astype(np.float32)


def pattern_patch(rng: Rng, height: int, width: int, strength: float = 1.0) -> Array:
    """Fine stripes, checks or dots in two colours, float32 (H, W, 3)."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, 11)
    y = np.arange(height, dtype=np.float32)[:, None]
    x = np.arange(width, dtype=np.float32)[None]
    u = (np.cos(angle) * x + np.sin(angle) * y) * (2 * np.pi / period)
    v = (np.cos(angle) * y - np.sin(angle) * x) * (2 * np.pi / period)
    kind = rng.integers(4)
    if kind == 0:
        wave = np.sin(u)
    elif kind == 1:
        wave = np.sign(np.sin(u)) * np.sign(np.sin(v))
    elif kind == 2:
        wave = np.where(np.sin(u) + np.sin(v) > rng.uniform(0.3, 1.2), 1.0, -1.0)
    else:
        wave = np.where(np.maximum(np.sin(u), np.sin(v)) > 0.85, 1.0, -1.0)
    first = colour(rng)
    second = (
        first + (colour(rng) - first if rng.random() < 0.3 else rng.normal(0, 0.12, 3)) * strength
    )
    blend = (wave * 0.5 + 0.5)[..., None].astype(np.float32)
    return (first * (1 - blend) + second.astype(np.float32) * blend).astype(np.float32)


def scene_strength(rng: Rng) -> float:
    """How strong the textures of one scene are: most scenes are calm, some are not."""
    return float(rng.uniform(0.2, 0.6)) if rng.random() < 0.7 else 1.0


def surface(rng: Rng, height: int, width: int, flat: bool = False, strength: float = 1.0) -> Array:
    """A random surface, float32 (H, W, 3), roughly in [0, 1].

    flat: only what graphics are filled with. strength: of patterns and textures, 0 to 1.
    """
    choice = rng.random()
    if flat:
        if choice < 0.75:
            return np.broadcast_to(colour(rng), (height, width, 3)).copy()
        return gradient_patch(rng, height, width)
    if choice < 0.18:
        return np.broadcast_to(colour(rng), (height, width, 3)).copy()
    if choice < 0.34:
        patch = gradient_patch(rng, height, width)
    elif choice < 0.46:
        patch = pattern_patch(rng, height, width, strength)
    elif choice < 0.72:
        return photograph_patch(rng, height, width, strength)
    else:
        patch = np.broadcast_to(colour(rng), (height, width, 3))
    amplitude = rng.uniform(0.01, 0.16) * strength
    tint = rng.uniform(0.6, 1.0, 3).astype(np.float32)
    return patch + noise_patch(rng, height, width)[..., None] * (amplitude * tint)
