"""Packed masks without small holes and small islands.

On the CPU by way of runs: a mask of 33 million pixels has some ten thousand of them, and is
never unpacked but for the rows that change. Elsewhere as `ops.components` does it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .bits import on_host, pack_bits, unpack_bits
from .components import fill_small_holes, join_runs, remove_small_islands
from .runs import Runs, runs_in_plane

_PIXELS_AT_ONCE = 4 << 20


def tidy(packed: Tensor, width: int, area: float, pause: Callable[[], None]) -> Tensor:
    """Fill holes, then remove islands, of fewer than `area` pixels in one mask.

    packed: uint8 (H, B), `width` pixels across. Holes and islands are those of
    `components.fill_small_holes` and `remove_small_islands`. pause() is called on the way and may
    raise. Returns a new mask.
    """
    if not on_host(packed):
        filled = fill_small_holes(unpack_bits(packed, width), area)
        pause()
        return pack_bits(remove_small_islands(filled, area))
    inside = pack_bits(torch.ones((1, width), dtype=torch.bool))
    holes = _small_parts(packed ^ inside, width, area, pause)
    filled = _flipped(packed, holes, pause)
    return _flipped(filled, _small_parts(filled, width, area, pause, keep_one=True), pause)


def _small_parts(
    packed: Tensor, width: int, area: float, pause: Callable[[], None], keep_one: bool = False
) -> Runs:
    """The runs of the 8-connected parts of fewer than `area` pixels.

    keep_one: where all are, without those of the largest, of equals the first.
    """
    height = packed.shape[0]
    found = runs_in_plane(packed.numpy(), 0, 0, width, height)
    row, start, stop = (torch.from_numpy(part) for part in found)
    pause()
    root = join_runs(row, start, stop, height, width)
    pause()
    areas = torch.zeros_like(root).index_add_(0, root, stop - start)
    small = areas < area
    if keep_one and small.all() and len(areas):
        small[(areas == areas.max()).nonzero()[0]] = False
    chosen = small[root].nonzero().squeeze(1)
    return Runs(torch.zeros_like(chosen), row[chosen], start[chosen], stop[chosen])


def _flipped(packed: Tensor, runs: Runs, pause: Callable[[], None]) -> Tensor:
    """The mask with the pixels of some runs changed, row by row where there are any."""
    out = packed.clone()
    plane, across = out.numpy(), 8 * packed.shape[1]
    rows, which = np.unique(runs.row.numpy(), return_inverse=True)
    step = max(1, _PIXELS_AT_ONCE // across)
    for first in range(0, len(rows), step):
        low, high = np.searchsorted(which, [first, first + step])
        flips = np.zeros((len(rows[first : first + step]), across + 1), np.uint8)
        flips[which[low:high] - first, runs.start.numpy()[low:high]] = 1
        flips[which[low:high] - first, runs.stop.numpy()[low:high]] = 1
        inside = np.bitwise_xor.accumulate(flips[:, :-1], axis=1)
        plane[rows[first : first + step]] ^= np.packbits(inside, axis=1)
        pause()
    return out
