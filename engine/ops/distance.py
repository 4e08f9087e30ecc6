"""Exact Euclidean distance, in pixels between pixel centres.

On the CPU scipy's feature transform does the work. On a GPU columns are scanned for their nearest
source and rows are solved by divide and conquer: the nearest source's column never moves left as
x grows, so each level halves the range to search. Both find the same source, ties included.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .checks import InputError
from .precision import as_double

_ELEMENTS_AT_ONCE = 2 << 20
_IN_CACHE = 1 << 15
_COLUMN_BITS = 15
_LONGEST_SIDE = 1 << _COLUMN_BITS
_NO_SOURCE = 1 << 32
_SEGMENT = 1 << 48


def distance_to(sources: Tensor) -> Tensor:
    """Distance of every pixel to the nearest source pixel.

    sources: bool (..., H, W); each (H, W) is measured on its own. Returns float32 of that shape,
    pixels: 0 at sources, the correctly rounded root of the exact squared distance elsewhere, inf
    everywhere in a plane without sources. Equal to scipy.ndimage.distance_transform_edt(~sources).
    Raises InputError for another dtype, an empty side or a side over 32768.
    """
    if sources.is_cuda:
        return nearest_source(sources)[0]
    _check(sources)
    planes = sources.reshape(-1, *sources.shape[-2:])
    out = torch.empty(planes.shape, device=sources.device)
    for plane, distance in zip(planes, out, strict=True):
        _distance_by_scipy(plane, distance)
    return out.view(sources.shape)


def nearest_source(sources: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to the nearest source pixel, and which pixel that is.

    sources: bool (..., H, W). Returns the distance as in `distance_to`, and the source as int64
    (2, ..., H, W): its y, then its x; both -1 in a plane without sources. Among sources equally
    near the leftmost is chosen, then the topmost.
    """
    _check(sources)
    height, width = sources.shape[-2:]
    planes = sources.reshape(-1, height, width)
    solve = _nearest_by_division if sources.is_cuda else _nearest_by_scipy
    squared, index = solve(planes)
    distance = as_double(squared).sqrt().to(torch.float32).to(squared.device)
    none = ~planes.flatten(1).any(1)
    distance[none] = torch.inf
    index[:, none] = -1
    return distance.view(sources.shape), index.view(2, *sources.shape)


def nearest_source_of(pixels: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest source of some pixels only, as `nearest_source` would give it.

    pixels, sources: bool (H, W); at least one source. Returns y and x, int64 (K,), for the K
    pixels in scan order, without the maps of the whole plane that take most of the memory.
    """
    if sources.is_cuda:
        _, (y, x) = nearest_source(sources)
        return y[pixels], x[pixels]
    from scipy.ndimage import distance_transform_edt

    found = distance_transform_edt(
        (~sources).cpu().numpy(), return_distances=False, return_indices=True
    )
    y, x = torch.from_numpy(found[:, pixels.cpu().numpy()]).to(torch.int64).to(sources.device)
    return y, x


def signed_distance(masks: Tensor) -> Tensor:
    """Distance to the mask's outline: positive inside, negative outside.

    masks: bool (..., H, W). Returns float32 of that shape, pixels. The outline runs between
    pixels, half a pixel from the centres on its two sides, so the values beside it are 0.5 and
    -0.5. +inf where a plane is all inside, -inf where it is all outside.
    """
    distance = distance_to(~masks)
    distance -= distance_to(masks)  # one of the two is 0
    return distance.add_(torch.where(masks, -0.5, 0.5))


def _check(sources: Tensor) -> None:
    shape = tuple(sources.shape)
    if sources.dtype != torch.bool or len(shape) < 2 or min(shape[-2:]) < 1:
        raise InputError(f"Distance: wanted bool (..., H, W), got {sources.dtype} {shape}.")
    if max(shape[-2:]) > _LONGEST_SIDE:
        raise InputError(f"Distance: the longest side is {_LONGEST_SIDE} pixels, got {shape}.")


def _distance_by_scipy(plane: Tensor, out: Tensor) -> None:
    """`distance_to` of one plane, bool (H, W), into `out`.

    Squares of up to 32767 add up within 32 bits. Below 2^24 float32 holds them exactly, and its
    root is the correctly rounded one.
    """
    from scipy.ndimage import distance_transform_edt

    height, width = plane.shape
    if not bool(plane.any()):
        out.fill_(torch.inf)
        return
    background = (~plane).cpu().numpy()
    found = distance_transform_edt(background, return_distances=False, return_indices=True)
    index = torch.from_numpy(found)
    x = torch.arange(width, dtype=torch.int32)
    y = torch.arange(height, dtype=torch.int32)[:, None]
    rows = max(1, _IN_CACHE // width)
    for top in range(0, height, rows):
        part = slice(top, top + rows)
        dy = index[0, part].sub_(y[part])
        squared = index[1, part].sub_(x).square_().add_(dy.square_())
        exact = np.float32 if int(squared.max()) < 1 << 24 else np.float64
        out[part] = torch.from_numpy(np.sqrt(squared.numpy().astype(exact)))


def _nearest_by_scipy(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance int64 (N, H, W) and index int64 (2, N, H, W) of bool (N, H, W)."""
    from scipy.ndimage import distance_transform_edt

    count, height, width = planes.shape
    device = planes.device
    background = (~planes).cpu().numpy()
    index = torch.empty((2, count, height, width), dtype=torch.int64)
    for i in range(count):
        found = distance_transform_edt(background[i], return_distances=False, return_indices=True)
        index[:, i] = torch.from_numpy(found)
    dy = index[0] - torch.arange(height)[:, None]
    dx = index[1] - torch.arange(width)
    return dy.square_().add_(dx.square_()).to(device), index.to(device)


def _nearest_by_division(planes: Tensor) -> tuple[Tensor, Tensor]:
    """`_nearest_by_scipy` in torch alone, for any device."""
    count, height, width = planes.shape
    source_y, gap = _nearest_in_column(planes)
    rows_y, rows_gap = source_y.view(-1, width), gap.view(-1, width)
    nearest_x = torch.empty_like(rows_y)
    step = max(1, _ELEMENTS_AT_ONCE // width)
    for start in range(0, count * height, step):
        part = slice(start, start + step)
        nearest_x[part] = _nearest_in_rows(rows_gap[part])
    nearest_y = rows_y.gather(1, nearest_x).view(count, height, width)
    nearest_x = nearest_x.view(count, height, width)
    dy = nearest_y - torch.arange(height, device=planes.device)[:, None]
    dx = nearest_x - torch.arange(width, device=planes.device)
    return dy.square() + dx.square(), torch.stack([nearest_y, nearest_x])


def _nearest_in_column(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Row of the nearest source in each pixel's column, the upper of two; and its squared gap."""
    height = planes.shape[-2]
    y = torch.arange(height, device=planes.device)[:, None]
    far = 2 * _LONGEST_SIDE
    above = torch.where(planes, y, -far).cummax(-2).values
    below = torch.where(planes, y, far).flip(-2).cummin(-2).values.flip(-2)
    source = torch.where(y - above <= below - y, above, below)
    gap = torch.where(source.abs() < far, (source - y).square(), _NO_SOURCE)
    return source, gap


def _nearest_in_rows(gap: Tensor) -> Tensor:
    """The x' that minimises gap[x'] + (x - x')^2 for every x of every row; the leftmost of equals.

    gap: int64 (R, W), squared. Returns int64 (R, W). Position p stands for column p - 1; the two
    positions outside the row bound the search.
    """
    rows, width = gap.shape
    best = gap.new_zeros((rows, width + 2))
    best[:, -1] = width - 1
    reach = 1 << (width.bit_length() - 1)
    while reach:
        middle = torch.arange(reach, width + 1, 2 * reach, device=gap.device)
        left = best[:, middle - reach]
        last = best[:, min(reach * (2 * middle.shape[0]), width + 1)]
        best[:, middle] = _best_of_segments(gap, middle - 1, left, last)
        reach //= 2
    return best[:, 1:-1]


def _best_of_segments(gap: Tensor, x: Tensor, left: Tensor, last: Tensor) -> Tensor:
    """For column x[j], the best x' from left[:, j] to left[:, j + 1] (for the last j, to `last`).

    The ranges share their ends, so laid end to end they take W + S places. One running minimum
    serves all ranges, because each later range is shifted below all earlier ones.
    """
    rows, width = gap.shape
    count = x.shape[0]
    starts = torch.cat([left, last[:, None]], 1) + torch.arange(count + 1, device=gap.device)
    opened = gap.new_zeros((rows, width + count))
    opened.scatter_(1, starts[:, 1:], 1)
    segment = opened.cumsum_(1)
    column = torch.arange(width + count, device=gap.device) - segment
    target = torch.cat([x, x[-1:]])[segment]
    cost = gap.gather(1, column) + (target - column).square()
    key = (cost << _COLUMN_BITS) + column - segment * _SEGMENT
    lowest = key.cummin(1).values.gather(1, starts[:, 1:] - 1)
    return lowest & (_LONGEST_SIDE - 1)
