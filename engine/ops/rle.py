"""COCO run-length encoding of masks, as pycocotools writes it.

Pixels are read column by column; runs alternate between outside and inside, beginning with
outside (a run of 0 where the first pixel is inside). The compressed string stores from the fourth
run on the difference to the run two before, in groups of five bits, low groups first, each with a
bit for "more follows", written from character 48 on. (Format: the COCO API's maskApi.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .bits import boxes_packed, unpack_box
from .checks import InputError

_MOST_BITS = 60
"""Of a run's length; a longer text would be none, and slow to find out."""


def rle_encode(mask: Tensor, width: int | None = None) -> dict[str, Any]:
    """Encode one mask as {"size": [H, W], "counts": str}, equal to pycocotools.mask.encode's.

    mask: bool (H, W), or packed uint8 (H, ceil(W / 8)) with `width` given. Raises InputError for
    another dtype or shape.
    """
    if mask.dtype == torch.uint8 and width is not None and mask.ndim == 2:
        size = [mask.shape[0], width]
        x0, y0, x1, y1 = boxes_packed(mask[None], width)[0].tolist()
        if x1 == 0:
            return {"size": size, "counts": compress_counts([size[0] * width])}
        counts = _counts_of_box(unpack_box(mask, (x0, y0, x1, y1)), x0, y0, size)
        return {"size": size, "counts": compress_counts(counts)}
    if mask.dtype != torch.bool or mask.ndim != 2 or min(mask.shape) < 1:
        raise InputError(f"RLE: wanted one mask bool (H, W), got {mask.dtype} {tuple(mask.shape)}.")
    return {"size": list(mask.shape), "counts": compress_counts(mask_to_counts(mask))}


def rle_decode(rle: dict[str, Any]) -> Tensor:
    """Decode {"size": [H, W], "counts": ...} to bool (H, W) on the CPU.

    counts: the compressed string (str or bytes), or a plain list of run lengths. Raises
    InputError where the runs don't fill the size.
    """
    try:
        height, width = (int(side) for side in rle["size"])
        raw = rle["counts"]
        runs = expand_counts(raw) if isinstance(raw, (str, bytes)) else [int(run) for run in raw]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"RLE: wanted size [H, W] and counts, got {str(rle)[:80]}.") from error
    if sum(runs) != height * width or min(runs, default=0) < 0 or min(height, width) < 1:
        raise InputError(f"RLE: runs of {sum(runs)} pixels don't fill {height} x {width}.")
    mask = torch.zeros((height, width), dtype=torch.bool)
    first = runs[0] // height
    stop = width - (runs[-1] // height if len(runs) % 2 else 0)
    if first < stop:  # only the columns that hold anything are spread out and turned
        runs[0] -= first * height
        if len(runs) % 2:
            runs[-1] -= (width - stop) * height
        pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        mask[:, first:stop] = torch.from_numpy(pixels.reshape(stop - first, height)).T
    return mask


def mask_to_counts(mask: Tensor) -> list[int]:
    """Run lengths of bool (H, W) down its columns, the first run outside."""
    height, width = mask.shape
    # numpy ORs rows many times faster than torch does.
    columns = torch.from_numpy(mask.numpy().any(0)) if mask.device.type == "cpu" else mask.any(0)
    used = columns.nonzero().squeeze(-1)
    if len(used) == 0:
        return [height * width]
    first, stop = int(used[0]), int(used[-1]) + 1
    pixels = torch.nn.functional.pad(mask[:, first:stop].T.reshape(-1), (1, 1))
    edges = (pixels[1:] != pixels[:-1]).nonzero().squeeze(-1) + first * height
    ends = torch.tensor([0, height * width], device=mask.device)
    counts: list[int] = torch.cat([ends[:1], edges, ends[1:]]).diff().tolist()
    return counts if counts[-1] else counts[:-1]


def _counts_of_box(part: Tensor, x0: int, y0: int, size: Sequence[int]) -> list[int]:
    """`mask_to_counts` of a mask of `size` (H, W) that lies in the box `part` at x0, y0."""
    height = size[0]
    tall = part.shape[0]
    # A clear row keeps the end of a column apart from the next; where columns are whole they touch.
    columns = part.T if tall == height else torch.nn.functional.pad(part.T, (0, 1))
    pixels = torch.nn.functional.pad(columns.reshape(-1), (1, 1))
    edges = (pixels[1:] != pixels[:-1]).nonzero().squeeze(-1)
    across = edges // columns.shape[1]
    place = (across + x0) * height + edges - across * columns.shape[1] + y0
    ends = torch.tensor([0, height * size[1]], device=part.device)
    counts: list[int] = torch.cat([ends[:1], place, ends[1:]]).diff().tolist()
    return counts if counts[-1] else counts[:-1]


def compress_counts(counts: list[int]) -> str:
    """The compressed string of the run lengths."""
    out = bytearray()
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            group, value = value & 31, value >> 5
            done = value == (-1 if group & 16 else 0)
            out.append(48 + (group if done else group | 32))
            if done:
                break
    return out.decode("ascii")


def expand_counts(text: str | bytes) -> list[int]:
    """Undo `compress_counts`. Raises ValueError for a text that is not of that kind."""
    counts: list[int] = []
    value = shift = 0
    data = text.encode("ascii") if isinstance(text, str) else text
    for byte in data:
        group = byte - 48
        if not 0 <= group < 64 or shift > _MOST_BITS:
            raise ValueError("not a compressed run-length string")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the run-length string breaks off")
    return counts
