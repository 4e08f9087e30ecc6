"""Packed masks without small holes and small islands.

On the CPU by way of runs: a mask of 33 million pixels has some ten thousand of them, and is
never unpacked but for the rows that change. Elsewhere as `ops.components` does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .bits import on_host, pack_bits, packed_width, unpack_bits
from .components import fill_enclosed_holes, fill_small_holes, join_runs, remove_small_islands
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
    out = packed.clone()
    inside = pack_bits(torch.ones((1, width), dtype=torch.bool))
    whole = (0, 0, width, packed.shape[0])
    _flip(out, _small_parts(packed ^ inside, whole, area, pause), pause)
    _flip(out, _small_parts(out, whole, area, pause, keep_one=True), pause)
    return out


def fill_holes_within(packed: Tensor, box: Sequence[int], area: float) -> None:
    """Fill the holes of fewer than `area` pixels in one packed mask (H, B), in place.

    box: x0, y0, x1, y1 around its pixels. Holes are those of `components.fill_enclosed_holes`.
    The background that reaches the box's border goes on beyond it, to the image's border.
    """
    x0, y0, x1, y1 = box
    rows, columns = slice(y0, y1), slice(x0 // 8, packed_width(x1))
    left = x0 % 8
    within = (left, 0, x1 - x0 + left, y1 - y0)
    part = packed[rows, columns]
    if not on_host(packed):
        mask = unpack_bits(part, within[2])[:, left:]
        filled = torch.nn.functional.pad(fill_enclosed_holes(mask, area), (left, 0))
        part |= pack_bits(filled)
        return
    inside = torch.zeros((1, within[2]), dtype=torch.bool)
    inside[:, left:] = True
    outside = ~part & pack_bits(inside)
    _flip(part, _small_parts(outside, within, area, _go_on, enclosed=True), _go_on)


def remove_islands_within(packed: Tensor, box: Sequence[int], area: float) -> None:
    """Remove the parts of fewer than `area` pixels of one packed mask (H, B), in place.

    box: x0, y0, x1, y1 around its pixels. The largest stays, as in `components`'
    `remove_small_islands`.
    """
    x0, y0, x1, y1 = box
    if not on_host(packed):
        part = packed[y0:y1, x0 // 8 : packed_width(x1)]
        mask = unpack_bits(part, x1 - x0 // 8 * 8)
        part.copy_(pack_bits(remove_small_islands(mask, area)))
        return
    _flip(packed, _small_parts(packed, (x0, y0, x1, y1), area, _go_on, keep_one=True), _go_on)


def _go_on() -> None:
    """A pause of no length."""


def _small_parts(
    packed: Tensor,
    box: tuple[int, int, int, int],
    area: float,
    pause: Callable[[], None],
    keep_one: bool = False,
    enclosed: bool = False,
) -> Runs:
    """The runs of the 8-connected parts of fewer than `area` pixels, in the box of all parts.

    keep_one: where all are, without those of the largest, of equals the first. enclosed: only of
    parts that don't touch the box's border.
    """
    x0, y0, x1, y1 = box
    found = runs_in_plane(packed.numpy(), *box)
    row, start, stop = (torch.from_numpy(part) for part in found)
    pause()
    root = join_runs(row, start, stop, packed.shape[0], x1)
    pause()
    areas = torch.zeros_like(root).index_add_(0, root, stop - start)
    small = areas < area
    if enclosed:
        small[root[(row == y0) | (row == y1 - 1) | (start == x0) | (stop == x1)]] = False
    if keep_one and small.all() and len(areas):
        small[(areas == areas.max()).nonzero()[0]] = False
    chosen = small[root].nonzero().squeeze(1)
    return Runs(torch.zeros_like(chosen), row[chosen], start[chosen], stop[chosen])


def _flip(packed: Tensor, runs: Runs, pause: Callable[[], None]) -> None:
    """Change the pixels of some runs of a packed mask, in place, some of their rows at a time."""
    if not len(runs.row):
        return
    plane, start, stop = packed.numpy(), runs.start.numpy(), runs.stop.numpy()
    first, last = int(start.min()) // 8, packed_width(int(stop.max()))
    across = 8 * (last - first)
    rows, which = np.unique(runs.row.numpy(), return_inverse=True)
    step = max(1, _PIXELS_AT_ONCE // across)
    for top in range(0, len(rows), step):
        low, high = np.searchsorted(which, [top, top + step])
        flips: Any = np.zeros((len(rows[top : top + step]), across + 1), np.uint8)
        flips[which[low:high] - top, start[low:high] - 8 * first] = 1
        flips[which[low:high] - top, stop[low:high] - 8 * first] = 1
        inside = np.bitwise_xor.accumulate(flips[:, :-1], axis=1)
        plane[rows[top : top + step], first:last] ^= np.packbits(inside, axis=1)
        pause()
