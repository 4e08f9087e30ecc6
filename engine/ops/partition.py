"""Softmax over many maps, one map at a time, each known only inside a window."""

from __future__ import annotations

import torch
from torch import Tensor

REACH = 17.0
"""Exponents this far below the largest carry less than 5e-8 of the weight."""


class SoftShares:
    """Weighted mean of values with weights softmax(exponents), without keeping the maps.

    Feed `add` one map after the other, each with its value; `mean` is their weighted mean. Maps are
    given inside a window (rows, columns); outside it a map has no weight.
    """

    def __init__(self, size: tuple[int, int], device: torch.device) -> None:
        self._top = torch.full(size, -torch.inf, device=device)
        self._weight = torch.zeros(size, device=device)
        self._total = torch.zeros(size, device=device)

    def add(self, exponents: Tensor, value: float, window: tuple[slice, slice]) -> None:
        top, weight, total = self._top[window], self._weight[window], self._total[window]
        raised = torch.maximum(top, exponents)
        shrink, share = torch.exp(top - raised), torch.exp(exponents - raised)
        weight.mul_(shrink).add_(share)
        total.mul_(shrink).add_(share, alpha=value)
        top.copy_(raised)

    def mean(self) -> Tensor:
        return self._total / self._weight


def padded_window(
    box: tuple[int, int, int, int], pad: int, size: tuple[int, int]
) -> tuple[slice, slice]:
    """Rows and columns of a box x0, y0, x1, y1 grown by `pad`, inside a picture of `size`."""
    x0, y0, x1, y1 = box
    rows = slice(max(0, y0 - pad), min(size[0], y1 + pad))
    return rows, slice(max(0, x0 - pad), min(size[1], x1 + pad))
