"""Procedural scenes with exact region maps: `scene(seed)` is all a caller needs."""

from __future__ import annotations

import numpy as np

from . import flat, still_life
from .canvas import Scene

SIZE = 256
STILL_LIFES = 0.4


def scene(seed: int | tuple[int, ...], size: int = SIZE) -> Scene:
    """Draw scene number `seed`. The same seed and size give the same scene."""
    rng = np.random.default_rng(seed)
    draw = still_life.draw if rng.random() < STILL_LIFES else flat.draw
    return draw(rng, size).finish(rng)
