"""Connected components, small holes and small islands, in image pixels.

On the CPU scipy labels each plane, cropped where that suffices. On a GPU horizontal runs are
joined to the runs they touch in the row above by hooking and pointer jumping, all planes at once.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .checks import InputError


def label_components(masks: Tensor, connectivity: int = 8) -> tuple[Tensor, Tensor]:
    """Number the connected components of each plane.

    masks: bool (..., H, W). connectivity: 8 joins diagonal neighbours, 4 does not. Returns labels
    int32 (..., H, W), 0 outside and 1..n inside in the order in which a row-by-row scan meets the
    components, and counts int64 (...). Raises InputError for another dtype or connectivity.
    """
    _check(masks, connectivity)
    planes = masks.reshape(-1, *masks.shape[-2:])
    label = _label_by_runs if masks.is_cuda else _label_by_scipy
    labels, counts = label(planes, connectivity)
    return labels.view(masks.shape), counts.view(masks.shape[:-2])


def join_runs(
    row: Tensor, start: Tensor, stop: Tensor, height: int, width: int, connectivity: int = 8
) -> Tensor:
    """For each horizontal run of pixels the first run of the component that it belongs to.

    row, start, stop: int64 (R,), runs in scan order, columns start to stop - 1, as `ops.runs` gives
    them; rows count on over planes of `height` x `width`. Returns int64 (R,), indices of runs.
    """
    pairs = _touching(row, start, stop, height, width, connectivity)
    return _joined(*pairs, row.shape[0])


def fill_small_holes(masks: Tensor, area: float) -> Tensor:
    """Fill the holes of fewer than `area` pixels.

    masks: bool (..., H, W). A hole is an 8-connected component of a plane's background, one that
    touches the image's border included, as in the SAM 2 reference's clean-up. Returns new masks.
    """
    return _each_plane(masks, area, _fill_planes if masks.is_cuda else _fill_cropped)


def fill_enclosed_holes(masks: Tensor, area: float = math.inf) -> Tensor:
    """Fill the holes of fewer than `area` pixels that don't touch the plane's border.

    masks: bool (..., H, W). A hole is an 8-connected component of the background. Returns new
    masks.
    """
    _check(masks)
    labels = label_components(~masks)[0]
    flat = labels.reshape(-1, *masks.shape[-2:])
    out = masks.reshape(flat.shape).clone()
    for plane, filled in zip(flat, out, strict=True):
        areas = torch.bincount(plane.reshape(-1))
        hole = areas < area
        for edge in (plane[0], plane[-1], plane[:, 0], plane[:, -1]):
            hole[edge.long()] = False
        hole[0] = False
        filled |= hole[plane]
    return out.view(masks.shape)


def remove_small_islands(masks: Tensor, area: float) -> Tensor:
    """Remove the 8-connected parts of fewer than `area` pixels.

    masks: bool (..., H, W). Where all parts of a mask are smaller, its largest stays, of equals
    the first that a row-by-row scan meets; so a mask with pixels keeps some, as in the SAM 2
    reference's clean-up. Returns new masks.
    """
    return _each_plane(masks, area, _remove_planes if masks.is_cuda else _remove_cropped)


def _check(masks: Tensor, connectivity: int = 8) -> None:
    shape = tuple(masks.shape)
    if masks.dtype != torch.bool or len(shape) < 2 or min(shape[-2:]) < 1:
        raise InputError(f"Components: wanted bool (..., H, W), got {masks.dtype} {shape}.")
    if connectivity not in (4, 8):
        raise InputError(f"Components: connectivity is 4 or 8, got {connectivity}.")


def _each_plane(masks: Tensor, area: float, change: Any) -> Tensor:
    _check(masks)
    planes = masks.reshape(-1, *masks.shape[-2:]).clone()
    changed: Tensor = change(planes, area)
    return changed.view(masks.shape)


# --- CPU: scipy, plane by plane ---------------------------------------------------------------


def _label_by_scipy(planes: Tensor, connectivity: int) -> tuple[Tensor, Tensor]:
    labels = torch.empty(planes.shape, dtype=torch.int32)
    counts = torch.zeros(planes.shape[0], dtype=torch.int64)
    for i, plane in enumerate(planes.cpu()):
        found, counts[i] = _scipy_label(plane.numpy(), connectivity)
        labels[i] = torch.from_numpy(found)
    return labels.to(planes.device), counts.to(planes.device)


def _scipy_label(plane: Any, connectivity: int = 8) -> tuple[Any, int]:
    import numpy as np
    from scipy.ndimage import label

    structure = np.ones((3, 3)) if connectivity == 8 else None
    found, count = label(plane, structure, output=np.int32)
    return found, int(count)


def _fill_cropped(planes: Tensor, area: float) -> Tensor:
    """Fill holes plane by plane, in the mask's box and one pixel around it where that will do."""
    height, width = planes.shape[-2:]
    on_cpu = planes.cpu()
    for plane in on_cpu.numpy():
        x0, y0, x1, y1 = _box(plane) or (0, 0, width, height)
        near = max(x0 - 1, 0), max(y0 - 1, 0), min(x1 + 1, width), min(y1 + 1, height)
        if not _fill_box(plane, near, area):
            _fill_box(plane, (0, 0, width, height), area)
    return on_cpu.to(planes.device)


def _fill_box(plane: Any, box: tuple[int, int, int, int], area: float) -> bool:
    """Fill small holes within `box` in place; False, and nothing done, where one reaches beyond.

    The background beyond belongs to the components that the box's sides meet: its pixels are
    counted, not visited.
    """
    import numpy as np

    height, width = plane.shape
    x0, y0, x1, y1 = box
    crop = plane[y0:y1, x0:x1]
    labels, count = _scipy_label(~crop)
    areas = np.bincount(labels.reshape(-1), minlength=count + 1)
    beyond = np.zeros_like(areas)
    beyond[labels[0, 0]] += y0 * width + x0 * (y1 - y0)
    beyond[labels[-1, 0]] += (height - y1) * width
    beyond[labels[0, -1]] += (width - x1) * (y1 - y0)
    small = areas + beyond < area
    small[0] = False
    if (small & (beyond > 0)).any():
        return False
    if small.any():
        crop |= small[labels]
    return True


def _remove_cropped(planes: Tensor, area: float) -> Tensor:
    """Remove islands plane by plane, in the mask's box."""
    import numpy as np

    on_cpu = planes.cpu()
    for plane in on_cpu.numpy():
        box = _box(plane)
        if box is None:
            continue
        x0, y0, x1, y1 = box
        crop = plane[y0:y1, x0:x1]
        labels, count = _scipy_label(crop)
        areas = np.bincount(labels.reshape(-1), minlength=count + 1)
        areas[0] = 0
        keep = areas >= area
        keep[0] = False
        if not keep.any():
            keep[areas.argmax()] = True
        if not keep[1:].all():
            crop &= keep[labels]
    return on_cpu.to(planes.device)


def _box(plane: Any) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 of a mask's pixels, the last two exclusive; None where it has none."""
    rows = plane.any(1)
    if not rows.any():
        return None
    y0, y1 = int(rows.argmax()), len(rows) - int(rows[::-1].argmax())
    columns = plane[y0:y1].any(0)
    return int(columns.argmax()), y0, len(columns) - int(columns[::-1].argmax()), y1


# --- GPU: runs, all planes at once ------------------------------------------------------------


def _label_by_runs(planes: Tensor, connectivity: int) -> tuple[Tensor, Tensor]:
    """`_label_by_scipy` in torch alone, for any device."""
    count, height, width = planes.shape
    row, start, end = _runs(planes)
    root = join_runs(row, start, end, height, width, connectivity)
    is_root = root == torch.arange(row.shape[0], device=planes.device)
    image = row // height
    counts = torch.zeros(count, dtype=torch.int64, device=planes.device)
    counts.index_add_(0, image[is_root], torch.ones_like(image[is_root]))
    before = counts.cumsum(0) - counts
    label = is_root.cumsum(0)[root] - before[image]
    labels = torch.zeros(planes.shape, dtype=torch.int32, device=planes.device)
    labels[planes] = label.to(torch.int32).repeat_interleave(end - start)
    return labels, counts


def _runs(planes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Row (over all planes), first column and end column of each horizontal run, in scan order."""
    rows = planes.reshape(-1, planes.shape[-1]).to(torch.int8)
    steps = torch.nn.functional.pad(rows, (1, 1)).diff(dim=1)
    row, start = (steps == 1).nonzero(as_tuple=True)
    end = (steps == -1).nonzero(as_tuple=True)[1]
    return row, start, end


def _touching(
    row: Tensor, start: Tensor, end: Tensor, height: int, width: int, connectivity: int
) -> tuple[Tensor, Tensor]:
    """Pairs of runs that touch: each run with every run of the row above that it meets."""
    slack = 1 if connectivity == 8 else 0
    stride = width + 2
    above = (row - 1) * stride
    first = torch.searchsorted(row * stride + end, above + start - slack, right=True)
    stop = torch.searchsorted(row * stride + start, above + end + slack)
    met = (stop - first).clamp(min=0).masked_fill(row % height == 0, 0)
    lower = torch.arange(row.shape[0], device=row.device).repeat_interleave(met)
    within = torch.arange(lower.shape[0], device=row.device) - (met.cumsum(0) - met)[lower]
    return lower, first[lower] + within


def _joined(one: Tensor, other: Tensor, count: int) -> Tensor:
    """The lowest node that each of `count` nodes is connected to by the edges (one, other)."""
    parent = torch.arange(count, device=one.device)
    while True:
        a, b = parent[one], parent[other]
        apart = a != b
        if not apart.any():
            return parent
        low, high = torch.minimum(a, b)[apart], torch.maximum(a, b)[apart]
        parent.scatter_reduce_(0, high, low, "amin")
        while True:
            jumped = parent[parent]
            if torch.equal(jumped, parent):
                break
            parent = jumped


def _areas(labels: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Area of every component, in order of plane, then label; and its place for each pixel + 1."""
    before = (counts.cumsum(0) - counts).view(-1, 1, 1)
    place = torch.where(labels > 0, labels + before, 0)
    return torch.bincount(place.reshape(-1), minlength=int(counts.sum()) + 1), place


def _fill_planes(planes: Tensor, area: float) -> Tensor:
    areas, place = _areas(*_label_by_runs(~planes, 8))
    small = areas < area
    small[0] = False
    return planes | small[place]


def _remove_planes(planes: Tensor, area: float) -> Tensor:
    labels, counts = _label_by_runs(planes, 8)
    areas, place = _areas(labels, counts)
    keep = areas >= area
    keep[0] = False
    plane = torch.arange(counts.shape[0], device=planes.device).repeat_interleave(counts)
    kept = torch.zeros_like(counts).index_add_(0, plane, keep[1:].to(torch.int64))
    largest = _largest_of_each(areas[1:], plane, counts)
    keep[largest[kept[counts > 0] == 0] + 1] = True
    return keep[place]


def _largest_of_each(areas: Tensor, plane: Tensor, counts: Tensor) -> Tensor:
    """Place of the largest component of each plane that has any, the first of equals."""
    order = areas.argsort(descending=True, stable=True)
    order = order[plane[order].argsort(stable=True)]
    return order[(counts.cumsum(0) - counts)[counts > 0]]
