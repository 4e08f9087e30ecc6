"""Masks as packed bits: eight pixels of a row to a byte, the leftmost pixel in the highest bit.

The layout is numpy.packbits' along the last axis; bits past the width are zero. On the CPU numpy
does the work, several times faster than torch does; elsewhere torch.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

_BYTES_AT_ONCE = 16 << 20
_ROWS_AT_ONCE = 64


def on_host(tensor: Tensor) -> bool:
    """Whether numpy can work on the tensor where it is."""
    return tensor.device.type == "cpu"


def packed_width(width: int) -> int:
    """Bytes that a row of `width` pixels takes."""
    return (width + 7) // 8


def chunk_length(bytes_each: int, budget: int = _BYTES_AT_ONCE) -> int:
    """How many items of `bytes_each` to take at once so that a chunk stays near `budget`."""
    return max(1, budget // max(1, bytes_each))


def pack_bits(masks: Tensor) -> Tensor:
    """Pack bool (..., H, W) into uint8 (..., H, ceil(W / 8)) on the same device."""
    if on_host(masks):
        return torch.from_numpy(np.packbits(masks.numpy(), axis=-1))
    return _pack_torch(masks)


def unpack_bits(packed: Tensor, width: int) -> Tensor:
    """Undo `pack_bits`: uint8 (..., H, ceil(W / 8)) to bool (..., H, W)."""
    if on_host(packed):
        return torch.from_numpy(np.unpackbits(packed.numpy(), axis=-1, count=width).view(bool))
    return _unpack_torch(packed, width)


def unpack_box(packed: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """The part of a packed mask (H, B) in a box x0, y0, x1, y1 within it, bool (h, w)."""
    x0, y0, x1, y1 = box
    left = x0 // 8
    return unpack_bits(packed[y0:y1, left : (x1 + 7) // 8], x1 - 8 * left)[:, x0 - 8 * left :]


def bit_count(packed: Tensor) -> Tensor:
    """Set bits in each byte of a uint8 tensor, as uint8 of the same shape."""
    if on_host(packed):
        return torch.from_numpy(bit_count_array(packed.numpy()))
    return _look_up(_tables(packed.device)[0], packed)


def any_row(packed: Tensor) -> Tensor:
    """OR the rows of packed (..., H, B) together into (..., B). H must be at least 1."""
    if on_host(packed):
        return torch.from_numpy(np.bitwise_or.reduce(packed.numpy(), axis=-2))
    return _any_row_torch(packed)


def shift_right(packed: Tensor, pixels: int) -> Tensor:
    """Packed rows (..., B) with `pixels` clear pixels (0 to 7) before them: (..., B + 1)."""
    wide = torch.nn.functional.pad(packed, (1, 1))
    if pixels == 0:
        return wide[..., 1:]
    return (wide[..., 1:] >> pixels) | (wide[..., :-1] << (8 - pixels))


def boxes_packed(packed: Tensor, width: int) -> Tensor:
    """Boxes int64 (N, 4) as x0, y0, x1, y1 of packed masks (N, H, B), x1 and y1 exclusive.

    Zeros where a mask is empty.
    """
    boxes = torch.zeros((packed.shape[0], 4), dtype=torch.int64, device=packed.device)
    if on_host(packed):
        for i, plane in enumerate(packed.numpy()):
            boxes[i] = torch.tensor(_box_numpy(plane))
        return boxes
    step = chunk_length(packed[0].numel() if packed.shape[0] else 1)
    for start in range(0, packed.shape[0], step):
        boxes[start : start + step] = _boxes_torch(packed[start : start + step], width)
    return boxes


def measure_packed(packed: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Areas, boxes and centroids of packed masks (N, H, B).

    Returns areas int64 (N,) in pixels; boxes int64 (N, 4) as x0, y0, x1, y1 with x1 and y1
    exclusive, zeros where a mask is empty; centroids float64 (N, 2) as x, y where the pixel in
    column x has its centre at x, NaN where a mask is empty.
    """
    count, device = packed.shape[0], packed.device
    areas = torch.zeros(count, dtype=torch.int64, device=device)
    boxes = torch.zeros((count, 4), dtype=torch.int64, device=device)
    sums = torch.zeros((count, 2), dtype=torch.int64, device=device)
    if on_host(packed):
        for i, plane in enumerate(packed.numpy()):
            areas[i], boxes[i], sums[i] = _measure_numpy(plane)
    else:
        step = chunk_length(packed[0].numel() if count else 1)
        for start in range(0, count, step):
            part = slice(start, start + step)
            areas[part], boxes[part], sums[part] = _measure_torch(packed[part], width)
    return areas, boxes, sums.to(torch.float64) / areas[:, None].to(torch.float64)


# --- numpy, for the CPU -----------------------------------------------------------------------


def bit_count_array(packed: Any) -> Any:
    """`bit_count` of a numpy array."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.bitwise_count(packed)
    return _tables(torch.device("cpu"))[0].numpy()[packed]


def _offsets_array(packed: Any) -> Any:
    """For each byte of a numpy array the sum of its set bits' offsets from the left, uint8.

    An offset is 1, 2 and 4, each or not, so counting three choices of bits adds it up.
    """
    if hasattr(np, "bitwise_count"):
        total = np.bitwise_count(packed & 0x55)
        total += np.bitwise_count(packed & 0x33) << 1
        total += np.bitwise_count(packed & 0x0F) << 2
        return total
    return _tables(torch.device("cpu"))[1].numpy()[packed]


def _box_numpy(plane: Any) -> tuple[int, int, int, int]:
    """Box of one packed mask (H, B), zeros where it is empty.

    Rows are looked for from both ends, a few at a time, so that most are read once.
    """
    byte_columns = np.bitwise_or.reduce(plane, axis=0)
    used = byte_columns.nonzero()[0]
    if not len(used):
        return 0, 0, 0, 0
    first, stop = int(used[0]), int(used[-1]) + 1
    bits = np.unpackbits(byte_columns[[first, stop - 1]][:, None], axis=1)
    x0 = 8 * first + int(bits[0].argmax())
    x1 = 8 * stop - int(bits[1, ::-1].argmax())
    y0 = _first_used(plane[:, first:stop])
    y1 = len(plane) - _first_used(plane[::-1, first:stop])
    return x0, y0, x1, y1


def _first_used(rows: Any) -> int:
    """Index of the first row with a set byte; there is one."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        used = rows[start : start + _ROWS_AT_ONCE].any(1)
        if used.any():
            return start + int(used.argmax())
    raise AssertionError("no row is used")


def _measure_numpy(plane: Any) -> tuple[int, Tensor, Tensor]:
    """Area, box (4,) and sums of x and y (2,) of one packed mask (H, B)."""
    x0, y0, x1, y1 = _box_numpy(plane)
    if x1 == 0:
        return 0, torch.zeros(4, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)
    first, stop = x0 // 8, packed_width(x1)
    crop = plane[y0:y1, first:stop]
    set_bits = bit_count_array(crop)
    rows = set_bits.sum(1, dtype=np.uint32).astype(np.int64)
    columns = set_bits.sum(0, dtype=np.uint32).astype(np.int64)
    within = int(_offsets_array(crop).sum(dtype=np.int64))
    sum_x = int((columns * np.arange(8 * first, 8 * stop, 8)).sum()) + within
    sum_y = int((rows * np.arange(y0, y1)).sum())
    return int(rows.sum()), torch.tensor([x0, y0, x1, y1]), torch.tensor([sum_x, sum_y])


# --- torch, for every device ------------------------------------------------------------------


@cache
def _tables(device: torch.device) -> tuple[Tensor, Tensor]:
    """For each byte: how many bits are set, and the sum of the set bits' offsets from the left."""
    with torch.inference_mode(False):
        bits = _unpack_torch(torch.arange(256, dtype=torch.uint8, device=device)[:, None], 8)
        offsets = torch.arange(8, device=device)
        return bits.sum(1).to(torch.uint8), (bits * offsets).sum(1).to(torch.uint8)


def _look_up(table: Tensor, packed: Tensor) -> Tensor:
    return table.index_select(0, packed.reshape(-1).to(torch.int32)).view(packed.shape)


def _pack_torch(masks: Tensor) -> Tensor:
    width = masks.shape[-1]
    missing = -width % 8
    if missing:
        masks = torch.nn.functional.pad(masks, (0, missing))
    octets = masks.to(torch.uint8).reshape(*masks.shape[:-1], packed_width(width), 8)
    out = octets[..., 0] << 7
    for bit in range(1, 8):
        out |= octets[..., bit] << (7 - bit)
    return out


def _unpack_torch(packed: Tensor, width: int) -> Tensor:
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device)
    bits: Tensor = (packed.unsqueeze(-1) >> shifts) & 1
    return bits.flatten(-2)[..., :width].to(torch.bool)


def _any_row_torch(packed: Tensor) -> Tensor:
    while packed.shape[-2] > 1:
        half = packed.shape[-2] // 2
        folded = packed[..., :half, :] | packed[..., half : 2 * half, :]
        if packed.shape[-2] % 2:
            folded[..., :1, :] |= packed[..., -1:, :]
        packed = folded
    return packed.squeeze(-2)


def _measure_torch(packed: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Areas (N,), boxes (N, 4) and sums of x and y (N, 2) of packed masks (N, H, B)."""
    _, height, row_bytes = packed.shape
    set_bits = _look_up(_tables(packed.device)[0], packed)
    rows = set_bits.sum(-1, dtype=torch.int64)
    columns = set_bits.sum(-2, dtype=torch.int64)
    area = rows.sum(-1)
    within = _look_up(_tables(packed.device)[1], packed).flatten(1).sum(-1, dtype=torch.int64)
    x = 8 * torch.arange(row_bytes, device=packed.device)
    y = torch.arange(height, device=packed.device)
    sums = torch.stack([(columns * x).sum(-1) + within, (rows * y).sum(-1)], dim=-1)
    return area, _boxes_torch(packed, width), sums


def _boxes_torch(packed: Tensor, width: int) -> Tensor:
    """Boxes int64 (N, 4) of packed masks (N, H, B), zeros where one is empty."""
    columns = _unpack_torch(_any_row_torch(packed).unsqueeze(-2), width).squeeze(-2)
    return _extent(columns, (packed != 0).any(-1)) * columns.any(-1)[:, None]


def _extent(columns: Tensor, rows: Tensor) -> Tensor:
    """Boxes (N, 4) from which columns (N, W) and rows (N, H) hold any pixel."""

    def ends(used: Tensor) -> tuple[Tensor, Tensor]:
        first = used.to(torch.uint8).argmax(-1)
        last = used.shape[-1] - used.flip(-1).to(torch.uint8).argmax(-1)
        return first, last

    x0, x1 = ends(columns)
    y0, y1 = ends(rows)
    return torch.stack([x0, y0, x1, y1], dim=-1)
