"""What packed masks hold, asked by way of their horizontal runs, without unpacking them.

A mask of a photo has some thousand runs where it has a million pixels. Sums of integers are exact;
sums of floats are taken in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .bits import bit_count, bit_count_array, chunk_length, unpack_bits

_PACKED_AT_ONCE = 4 << 20


class Runs(NamedTuple):
    """Horizontal runs of N masks in scan order, int64 (R,) each: columns start to stop - 1."""

    mask: Tensor
    row: Tensor
    start: Tensor
    stop: Tensor


def runs_of(packed: Tensor, boxes: Tensor) -> Iterator[tuple[int, int, Runs]]:
    """Yield (first mask, number of masks, their runs), some masks at a time.

    packed: uint8 (N, H, B). boxes: int64 (N, 4) as x0, y0, x1, y1 around each mask's pixels. A
    pixel flips where it differs from its left neighbour; flips are found in words of 64 pixels.
    """
    if packed.device.type == "cpu":
        for i, (plane, box) in enumerate(zip(packed.numpy(), boxes.tolist(), strict=True)):
            row, start, stop = (torch.from_numpy(part) for part in runs_in_plane(plane, *box))
            yield i, 1, Runs(torch.zeros_like(row), row, start, stop)
        return
    step = chunk_length(packed[0].numel() if len(packed) else 1, _PACKED_AT_ONCE)
    for first in range(0, packed.shape[0], step):
        part = packed[first : first + step]
        yield first, part.shape[0], _runs_torch(part)


def runs_in_plane(plane: Any, x0: int, y0: int, x1: int, y1: int) -> tuple[Any, Any, Any]:
    """Row, start and stop of the runs of one packed mask (H, B), visited within its box alone."""
    first, stop = x0 // 8, (x1 + 7) // 8
    words_across = (stop - first) // 8 + 1
    room = np.zeros((y1 - y0, 8 * words_across + 1), np.uint8)
    room[:, 1 : 1 + stop - first] = plane[y0:y1, first:stop]
    here, before = room[:, 1:], room[:, :-1]
    words = (here ^ ((here >> 1) | (before << 7))).reshape(-1).view(np.uint64)
    word = words.nonzero()[0]
    flip = np.unpackbits(words[word].view(np.uint8)).view(bool).nonzero()[0]
    row, across = np.divmod(word[flip >> 6], words_across)
    column = (across << 6) + (flip & 63) + 8 * first
    return row[::2] + y0, column[::2], column[1::2]


def _runs_torch(packed: Tensor) -> Runs:
    """The runs of packed masks uint8 (N, H, B), for any device."""
    spare = 8 - packed.shape[-1] % 8
    padded = torch.nn.functional.pad(packed, (1, spare))
    here, before = padded[..., 1:], padded[..., :-1]
    words = (here ^ ((here >> 1) | (before << 7))).view(torch.int64)
    mask, row, word = words.nonzero(as_tuple=True)
    octets = words[mask, row, word].view(torch.uint8).view(-1, 8)
    which, bit = unpack_bits(octets, 64).nonzero(as_tuple=True)
    column = 64 * word[which] + bit
    return Runs(mask[which[::2]], row[which[::2]], column[::2], column[1::2])


def squared_distances(packed: Tensor, boxes: Tensor, x: int, y: int) -> Tensor:
    """Squared distance in pixels from pixel (x, y) to the nearest pixel of each mask.

    packed: uint8 (N, H, B), no mask empty. The pixel may lie outside the image. Returns int64
    (N,), 0 where the mask holds the pixel.
    """
    nearest = torch.full(packed.shape[:1], 1 << 62, dtype=torch.int64, device=packed.device)
    for first, count, runs in runs_of(packed, boxes):
        dx = (runs.start - x).clamp(min=0) + (x - runs.stop + 1).clamp(min=0)
        squared = dx.square() + (runs.row - y).square()
        nearest[first : first + count].scatter_reduce_(0, runs.mask, squared, "amin")
    return nearest


def bits_at(packed: Tensor, x: int, y: int) -> Tensor:
    """Which of the packed masks (N, H, B) hold pixel (x, y), bool (N,). x, y inside the image."""
    return (packed[:, y, x // 8] >> (7 - x % 8)) & 1 > 0


def mask_sums(packed: Tensor, boxes: Tensor, planes: Tensor) -> Tensor:
    """Sum of each plane over each mask.

    packed: uint8 (N, H, B). planes: (C, H, W), finite. Returns float64 (N, C), each entry taken
    from differences of running sums along rows.
    """
    sums = torch.zeros(
        (packed.shape[0], planes.shape[0]), dtype=torch.float64, device=packed.device
    )
    height, width = planes.shape[1:]
    running = torch.zeros((height, width + 1), dtype=torch.float64, device=packed.device)
    flat = running.view(-1)
    for channel, plane in enumerate(planes):
        torch.cumsum(plane, -1, dtype=torch.float64, out=running[:, 1:])
        for first, count, runs in runs_of(packed, boxes):
            line = runs.row * (width + 1)
            total = flat[line + runs.stop] - flat[line + runs.start]
            sums[first : first + count, channel].index_add_(0, runs.mask, total)
    return sums


def finite_means(packed: Tensor, boxes: Tensor, areas: Tensor, plane: Tensor) -> Tensor:
    """Mean of `plane` (H, W) over the finite values in each mask, float64 (N,); NaN where none.

    boxes (N, 4) and areas (N,) are those of the packed masks (N, H, B).
    """
    values, valid = plane.to(torch.float32), plane.isfinite()
    if bool(valid.all()):
        return mask_sums(packed, boxes, values[None])[:, 0] / areas
    planes = torch.stack([values.nan_to_num(0, 0, 0), valid.to(torch.float32)])
    sums = mask_sums(packed, boxes, planes)
    return sums[:, 0] / sums[:, 1]


def intersection_areas(packed: Tensor, plane: Tensor) -> Tensor:
    """Pixels that each packed mask (N, H, B) shares with the packed `plane` (H, B), int64 (N,)."""
    if packed.device.type == "cpu":
        other = plane.numpy()
        shared = [int(bit_count_array(mask & other).sum(dtype=np.int64)) for mask in packed.numpy()]
        return torch.tensor(shared, dtype=torch.int64)
    areas = torch.zeros(packed.shape[0], dtype=torch.int64, device=packed.device)
    step = chunk_length(plane.numel())
    for first in range(0, packed.shape[0], step):
        both = bit_count(packed[first : first + step] & plane)
        areas[first : first + step] = both.flatten(1).sum(1, dtype=torch.int64)
    return areas


def border_lengths(packed: Tensor, width: int) -> Tensor:
    """Pixels of each packed mask (N, H, B) that lie on the image's border, int64 (N,)."""
    rows = packed if packed.shape[1] == 1 else packed[:, [0, -1]]
    length = bit_count(rows).flatten(1).sum(1, dtype=torch.int64)
    sides = {(0, 7), ((width - 1) // 8, 7 - (width - 1) % 8)}
    for byte, shift in sides:
        length += ((packed[:, 1:-1, byte] >> shift) & 1).sum(1, dtype=torch.int64)
    return length


def elongations(packed: Tensor, boxes: Tensor) -> Tensor:
    """Spread of each mask's pixels along its long axis over the spread across it, float64 (N,).

    packed: uint8 (N, H, B), no mask empty. The spreads are standard deviations along the principal
    axes, each pixel counted as a unit square: 1 for a disc or a square, about length / width for
    a bar.
    """
    device = packed.device
    sums = torch.zeros((packed.shape[0], 6), dtype=torch.int64, device=device)
    for first, count, runs in runs_of(packed, boxes):
        n = runs.stop - runs.start
        x = (runs.start + runs.stop - 1) * n // 2
        xx = _squares_below(runs.stop) - _squares_below(runs.start)
        y = runs.row
        terms = torch.stack([n, x, y * n, xx, y * y * n, x * y], 1)
        sums[first : first + count].index_add_(0, runs.mask, terms)
    n, x, y, xx, yy, xy = sums.to(torch.float64).unbind(1)
    var_x, var_y = xx / n - (x / n) ** 2 + 1 / 12, yy / n - (y / n) ** 2 + 1 / 12
    covariance = xy / n - x * y / n**2
    middle = (var_x + var_y) / 2
    reach = (((var_x - var_y) / 2) ** 2 + covariance**2).sqrt()
    return ((middle + reach) / (middle - reach).clamp(min=1 / 12)).sqrt()


def _squares_below(k: Tensor) -> Tensor:
    """0^2 + 1^2 + ... + (k - 1)^2."""
    return (k - 1) * k * (2 * k - 1) // 6
