"""Labels spread along the cheapest paths, so that they meet where the picture has its edges.

Costs are whole numbers, so the result is exact, the same on every machine, and ties are real ties.
Rows are relaxed downwards and upwards in turn until nothing changes, each row at once: along a
row the cheapest way is a running minimum. Source of the step rule: the geometric minimum cost
path (a step costs its length times the mean of its two pixels' costs), on eight neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .checks import InputError, Progress
from .colour import srgb_to_oklab

_ALONG, _ACROSS = 70, 99  # their ratio is the square root of 2 to 5e-5
_UNITS = 16
_LABEL_BITS = 20
_FAR = 1 << 61
_DEAREST = 4096.0
_PIXELS_AT_ONCE = 1 << 18


def oklab_planes(image: Tensor) -> Tensor:
    """sRGB (H, W, 3 or 4) in [0, 1] as Oklab float32 (3, H, W), some rows at a time."""
    height, width = image.shape[:2]
    lab = torch.empty((3, height, width), device=image.device)
    rows = max(1, _PIXELS_AT_ONCE // width)
    for top in range(0, height, rows):
        part = slice(top, top + rows)
        lab[:, part] = srgb_to_oklab(image[part, :, :3].to(torch.float32)).movedim(-1, 0)
    return lab


def spread_labels(
    labels: Tensor, cost: Tensor, progress: Progress | None = None
) -> tuple[Tensor, Tensor]:
    """Give each pixel labelled 0 the label that the cheapest path reaches it from.

    labels: int (H, W), from 0 to 2^20 - 1. cost: float (H, W), from 1 to 4096 (clamped beyond;
    kept to a sixteenth). Returns the labels as int32 (H, W), those above 0 unchanged, and the
    paths' costs as float32 (H, W), in pixels at cost 1. Of equally cheap labels the lowest wins.
    Without any label all stays 0 and the costs are inf. Computed on the CPU. progress counts rows
    that are settled so far.
    """
    if int(labels.max()) >> _LABEL_BITS:
        raise InputError(f"Spread labels: wanted labels below {1 << _LABEL_BITS}.")
    given = labels.cpu().numpy().astype(np.int64)
    price = (cost.clamp(1, _DEAREST) * _UNITS).round().cpu().numpy().astype(np.int64)
    price <<= _LABEL_BITS
    keys = np.where(given > 0, given, _FAR)
    _relax(keys, price, (given == 0).any(1), progress)
    reached = keys < _FAR
    found = np.where(reached, keys & ((1 << _LABEL_BITS) - 1), 0).astype(np.int32)
    paid = np.where(reached, (keys >> _LABEL_BITS) / (2 * _ALONG * _UNITS), np.inf)
    spread = torch.from_numpy(found), torch.from_numpy(paid.astype(np.float32))
    return spread[0].to(labels.device), spread[1].to(labels.device)


def _relax(keys: Any, price: Any, open_rows: Any, progress: Progress | None) -> None:
    """Relax `keys` in place until no row can improve. Only open rows hold pixels to improve."""
    height = len(keys)
    waiting = {1: open_rows.copy(), -1: open_rows.copy()}  # by the side they will be reached from
    direction = 1
    while waiting[1].any() or waiting[-1].any():
        for y in np.arange(height)[::direction]:
            if not waiting[direction][y]:
                continue
            waiting[direction][y] = False
            above = y - direction
            inside = 0 <= above < height
            improved = _improve_row(
                keys[y], price[y], keys[above] if inside else None, price[above] if inside else None
            )
            if improved:
                for step in (1, -1):
                    if 0 <= y + step < height and open_rows[y + step]:
                        waiting[step][y + step] = True
        direction = -direction
        if progress is not None:
            progress(height - int((waiting[1] | waiting[-1]).sum()), height)


def _improve_row(row: Any, price: Any, above: Any, price_above: Any) -> bool:
    """Lower `row` in place by steps from the row above and along itself; whether it changed."""
    best = row.copy()
    if above is not None:
        np.minimum(best, above + _ALONG * (price_above + price), out=best)
        slant = above[:-1] + _ACROSS * (price_above[:-1] + price[1:])
        np.minimum(best[1:], slant, out=best[1:])
        slant = above[1:] + _ACROSS * (price_above[1:] + price[:-1])
        np.minimum(best[:-1], slant, out=best[:-1])
    way = np.zeros_like(best)
    np.cumsum(_ALONG * (price[:-1] + price[1:]), out=way[1:])
    np.minimum(best, np.minimum.accumulate(best - way) + way, out=best)
    np.minimum(best, np.minimum.accumulate((best + way)[::-1])[::-1] - way, out=best)
    if np.array_equal(best, row):
        return False
    row[:] = best
    return True
