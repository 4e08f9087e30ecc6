"""The connected parts of a packed mask, found from its runs without looking at single pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .bits import pack_bits
from .components import join_runs
from .runs import runs_of


class Islands(NamedTuple):
    """The connected parts of one mask, in the order in which a row-by-row scan meets them.

    areas: int64 (K,), pixels. boxes: int64 (K, 4) as x0, y0, x1, y1, the last two exclusive. row,
    start, stop, island: int64 (R,), the mask's runs and the part that each belongs to.
    """

    areas: Tensor
    boxes: Tensor
    row: Tensor
    start: Tensor
    stop: Tensor
    island: Tensor

    def bits(self, part: int) -> tuple[tuple[slice, slice], Tensor]:
        """One part as packed bits uint8 (h, b), and its window as rows and bytes."""
        x0, y0, x1, y1 = self.boxes[part].tolist()
        left = x0 - x0 % 8
        mine = (self.island == part).nonzero().squeeze(-1)
        row = self.row[mine] - y0
        steps = torch.zeros((y1 - y0, x1 - left + 1), dtype=torch.int8, device=row.device)
        steps[row, self.start[mine] - left] = 1
        steps[row, self.stop[mine] - left] = -1
        inside = steps.cumsum(1, dtype=torch.int8)[:, :-1] > 0
        window = (slice(y0, y1), slice(left // 8, (x1 + 7) // 8))
        return window, pack_bits(inside)


def islands_of(packed: Tensor, box: Tensor, width: int, connectivity: int = 8) -> Islands:
    """Find the connected parts of one packed mask, uint8 (H, B), of `width` pixels across.

    box: int64 (4,) as x0, y0, x1, y1 around its pixels; it must have some. connectivity: 8 joins
    diagonal neighbours, 4 does not.
    """
    (_, _, runs), *_ = runs_of(packed[None], box[None])
    root = join_runs(runs.row, runs.start, runs.stop, packed.shape[0], width, connectivity)
    first, island = torch.unique(root, return_inverse=True)
    count = len(first)
    areas = root.new_zeros(count).index_add_(0, island, runs.stop - runs.start)
    low = root.new_full((count, 2), 1 << 40)
    high = root.new_zeros((count, 2))
    index = island[:, None].expand(-1, 2)
    low.scatter_reduce_(0, index, torch.stack([runs.start, runs.row], 1), "amin")
    high.scatter_reduce_(0, index, torch.stack([runs.stop, runs.row + 1], 1), "amax")
    return Islands(areas, torch.cat([low, high], 1), runs.row, runs.start, runs.stop, island)
