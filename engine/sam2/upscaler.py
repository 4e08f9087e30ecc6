"""The mask decoder's upscaling as matrix products over cells of the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_CACHED = 1 << 18
_PAIRS = {4: torch.int64, 2: torch.int32}


@dataclass(frozen=True, eq=False)
class Upscaler:
    """The two transposed convolutions as matrix products over cells of the embedding.

    A stride-2 convolution of a 2 x 2 kernel writes four pixels from each pixel, apart from its
    neighbours: one row times (C, 4 C'). Rows stay grouped by cell until they are written, two
    neighbours as one word. On a CPU a piece of _CACHED numbers of each image, which stays in the
    cache, goes all the way at a time.
    """

    first: Tensor
    first_added: Tensor
    norm: Any
    second: Tensor
    second_added: Tensor

    @classmethod
    def of(cls, module: Any, high_res: tuple[Tensor, Tensor]) -> Upscaler:
        first, norm, _, second, _ = module.output_upscaling
        fine, coarse = high_res
        return cls(
            first=_as_matrix(first.weight),
            first_added=(_in_cells(coarse, 1) + first.bias.repeat(4)),
            norm=norm,
            second=_as_matrix(second.weight),
            second_added=(_in_cells(fine, 2) + second.bias.repeat(4)),
        )

    def __call__(self, images: list[Tensor], hyper: Tensor, side: torch.Size) -> Tensor:
        """Masks of some prompts: float (P, M, 4 h, 4 w), mixed by weights (P, M, C / 8).

        images: image tokens (p, N, C) of h x w cells, of some prompts after others, P in all. side:
        (h, w).
        """
        height, width = side
        out = hyper.new_empty((*hyper.shape[:2], 4 * height, 4 * width))
        pair = _PAIRS[hyper.element_size()]
        cells = (
            out.view(pair).view(*out.shape[:2], height, 2, 2, width, 2).permute(0, 1, 2, 5, 3, 6, 4)
        )
        start = 0
        for keys in (part for image in images for part in _few(image)):
            part = slice(start, start + len(keys))
            for rows in _rows(keys, width):
                mixed = hyper[part] @ self._upscale(keys[:, rows], rows).transpose(1, 2)
                lines = slice(rows.start // width, rows.stop // width)
                shape = (*mixed.shape[:2], -1, width, 2, 2, 2)
                cells[part, :, lines] = mixed.view(pair).view(shape)
            start = part.stop
        return out

    def _upscale(self, keys: Tensor, rows: slice) -> Tensor:
        """Some image tokens (P, N, C) to (P, 16 N, C / 8), the pixels of a cell together."""
        x = _product(keys, self.first, self.first_added[rows])
        norm = self.norm
        x = F.gelu(F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps))
        second_rows = slice(4 * rows.start, 4 * rows.stop)
        return F.gelu(_product(x, self.second, self.second_added[second_rows]))


def _product(rows: Tensor, matrix: Tensor, added: Tensor) -> Tensor:
    """Rows (P, M, C) times a matrix (C, 4 C') plus (M, 4 C'), as (P, 4 M, C')."""
    count = len(rows)
    out = torch.baddbmm(added.expand(count, -1, -1), rows, matrix.expand(count, -1, -1))
    return out.view(count, 4 * out.shape[1], -1)


def _as_matrix(kernel: Tensor) -> Tensor:
    """A transposed convolution's weights (C, C', 2, 2) as (C, 4 * C')."""
    return kernel.permute(0, 2, 3, 1).flatten(1)


def _in_cells(features: Tensor, halvings: int) -> Tensor:
    """(1, C', 2^k h, 2^k w) to (4^(k - 1) h w, 4 C'), the pixels of a cell together."""
    channels, height, width = features.shape[1:]
    if halvings == 1:
        split = features.view(channels, height // 2, 2, width // 2, 2)
        return split.permute(1, 3, 2, 4, 0).reshape(-1, 4 * channels)
    split = features.view(channels, height // 4, 2, 2, width // 4, 2, 2)
    return split.permute(1, 4, 2, 5, 3, 6, 0).reshape(-1, 4 * channels)


def _few(image: Tensor) -> tuple[Tensor, ...]:
    """Image tokens (p, N, C) in parts whose images stay in the cache."""
    if image.device.type != "cpu":
        return (image,)
    return torch.split(image, max(1, _CACHED // image[0].numel()))


def _rows(keys: Tensor, width: int) -> list[slice]:
    """Parts of the cells of (P, N, C), whole rows of `width`."""
    tokens, channels = keys.shape[1:]
    step = tokens
    if keys.device.type == "cpu":
        step = min(tokens, max(1, _CACHED // channels // width) * width)
    return [slice(r, min(r + step, tokens)) for r in range(0, tokens, step)]
