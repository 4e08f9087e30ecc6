"""Geodesic distance: the cheapest way over a picture in which edges cost extra.

On the CPU a front of pixels moves outwards: of those that wait, all that are within a band of the
nearest pass their distance on together, a few vector operations for each of the 8 directions. On a
GPU rows are swept down and up: inside a row the cheapest way along it is a running minimum of
distance less the cost so far. Both go on until nothing changes, so the result is the exact shortest
path on the grid of 8 neighbours, as of scikit-image's MCP_Geometric.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .beside import images_beside
from .blur import blur
from .checks import InputError
from .depth import fit_to
from .distance import signed_distance
from .fields import as_images, as_planes, check_finite, common_batch, frame
from .geodesic import oklab_planes

_DIAGONAL = math.sqrt(2) / 2
_DIRECTIONS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
_BAND = 2.0
_SMOOTHED = 0.5
_FAINT = 0.03
_OUTLINE = 1.0
_DIFFERENCE = 1 / 3  # variance of what a central difference averages over: two pixels, evenly


def geodesic_distance(sources: Tensor, cost: Tensor) -> Tensor:
    """Cost of the cheapest path from every pixel to a source.

    sources: bool (B, H, W). cost: float (B, H, W), positive, per pixel of way. One of either goes
    with any number of the other. A step to one of the 8 neighbours costs its length (1 or sqrt 2)
    times the mean cost of the two pixels.
    Returns float32 (B, H, W): 0 at sources, inf in a frame without any. With cost 1 everywhere it
    is the octile distance, at most 8.3 % above the Euclidean. Inputs are not modified.
    """
    if bool((cost <= 0).any()) or not bool(cost.isfinite().all()):
        raise InputError("Geodesic distance: wanted a positive, finite cost everywhere.")
    count = common_batch("Geodesic distance", {"sources": len(sources), "costs": len(cost)})
    if sources.is_cuda:
        return _by_sweeps(sources.expand(count, -1, -1), cost)
    out = torch.empty((count, *sources.shape[1:]), device=sources.device)
    for i in range(count):
        found = _by_front(frame(sources, i).cpu().numpy(), frame(cost, i).cpu().numpy())
        out[i] = torch.from_numpy(found.astype(np.float32))
    return out


def _by_front(sources: Any, cost: Any) -> Any:
    """`geodesic_distance` of one frame, numpy (H, W), in float64.

    In which order pixels pass their distance on decides how often they do so, not the result: one
    that hears of a cheaper way waits again. Source: Meyer and Sanders, "Delta-stepping", J. of
    Algorithms 49 (2003), here with one list in place of buckets.
    """
    half = np.pad(cost.astype(np.float64) / 2, 1, constant_values=np.inf)
    far = np.pad(np.where(sources, 0.0, np.inf), 1, constant_values=np.inf)
    half, reached, width = half.ravel(), far.ravel(), far.shape[1]
    band = _BAND * float(np.median(cost))
    front = np.flatnonzero(reached == 0)
    waits = np.zeros(reached.size, bool)
    waits[front] = True
    while front.size:
        away = reached[front]
        ready = away < away.min() + band
        here, away = front[ready], away[ready]
        waits[here] = False
        heard = [front[~ready]]
        for down, right in _DIRECTIONS:
            there = here + down * width + right
            way = (half[there] + half[here]) * math.hypot(down, right) + away
            nearer = way < reached[there]
            there = there[nearer]
            reached[there] = way[nearer]
            heard.append(there[~waits[there]])
            waits[there] = True
        front = np.concatenate(heard)
    return far[1:-1, 1:-1]


def _by_sweeps(sources: Tensor, cost: Tensor) -> Tensor:
    """`geodesic_distance` in torch alone, for any device."""
    c = cost.to(torch.float64).transpose(0, 1).contiguous()
    d = torch.where(sources, 0.0, torch.inf).to(torch.float64).transpose(0, 1).contiguous()
    along = torch.zeros_like(c)
    along[..., 1:] = ((c[..., 1:] + c[..., :-1]) / 2).cumsum(-1)
    height = d.shape[0]
    stale_above = [True] * height
    stale_below = [True] * height
    for y in range(height):
        d[y] = _along_row(d[y], along[y])
    while any(stale_above[1:]) or any(stale_below[:-1]):
        for y in range(1, height):
            if stale_above[y]:
                stale_above[y] = False
                if _pull(d, c, along, y, y - 1):
                    _mark(stale_above, stale_below, y)
        for y in range(height - 2, -1, -1):
            if stale_below[y]:
                stale_below[y] = False
                if _pull(d, c, along, y, y + 1):
                    _mark(stale_above, stale_below, y)
    return d.transpose(0, 1).to(torch.float32).contiguous()


def contrast_cost(guide: Tensor, per_contrast: float) -> Tensor:
    """What the slope of a guide (C, H, W) adds to the cost of a pixel, float32 (H, W).

    With u one hundredth of the short side in pixels, the guide smoothed to a standard deviation of
    _SMOOTHED u, and g the length of its gradient (central differences) in contrast per u:
    per_contrast / 10 * g * g^2 / (g^2 + _FAINT^2). So crossing an edge of contrast k costs about
    per_contrast * k thousandths of the short side on top of its length, at any resolution and
    however sharp it is, so long as it is steep against _FAINT. Grain and shading cost little.
    """
    unit = min(guide.shape[1:]) / 100
    spread = max(0.0, (_SMOOTHED * unit) ** 2 - _DIFFERENCE)
    squared = torch.zeros(guide.shape[1:], device=guide.device)
    for plane in guide:  # one at a time, for memory
        smooth = blur(plane[None], 2 * math.sqrt(spread), "gaussian")[0]
        for dim in (0, 1):
            if plane.shape[dim] > 1:
                squared += torch.gradient(smooth, dim=dim)[0].square_()
    squared.mul_(unit**2)
    share = squared / (squared + _FAINT**2)
    return squared.sqrt_().mul_(share).mul_(per_contrast / 10)


def way_cost(
    mask: Tensor, image: Tensor | None, image_cost: float, depth: Tensor | None, depth_cost: float
) -> Tensor:
    """Cost of each pixel of the way, float32 (B, H, W), at least 1.

    mask: (B, H, W), for its size. image: (B, H, W, 3 or 4) sRGB, compared in Oklab; depth:
    (B, h, w), over its range, unknown = farthest, brought to the same size. The costs are per unit
    of contrast, in thousandths of the short side.
    """
    where = "Field from Distance"
    images = None if image is None else as_images(image, f"{where}: image")
    if images is not None:
        check_finite(images, f"{where}: image")
    planes = None if depth is None else as_planes(depth, f"{where}: depth")
    counts = {"anchor": mask.shape[0]}
    counts |= {} if images is None else {"image": images.shape[0]}
    counts |= {} if planes is None else {"depth": planes.shape[0]}
    size = (mask.shape[1], mask.shape[2])
    if images is not None:
        images = images_beside(images, size, f"{where}: an image")
    cost = torch.ones((common_batch(where, counts), *size), device=mask.device)
    for i in range(cost.shape[0]):
        picture = None if images is None else frame(images, i)
        if picture is not None:
            cost[i] += contrast_cost(oklab_planes(picture), image_cost).to(cost)
        if planes is not None:
            far = _over_range(frame(planes, i))[None]
            fitted = fit_to(far, size, where, None if picture is None else picture[None])
            cost[i] += contrast_cost(fitted, depth_cost).to(cost)
    return cost


def without_outline(cost: Tensor, mask: Tensor) -> Tensor:
    """`cost` (B, H, W) of the way from or to a mask (B or 1, H, W), its own outline free of charge.

    A mask of a thing ends on that thing's edge. Whether half of the edge lies outside it, or a
    tenth, is chance, and what it costs would keep distance from ever leaving the thing. So edges
    don't count within _OUTLINE hundredths of the short side from the outline, and fully from twice
    as far on.
    """
    reach = _OUTLINE * min(mask.shape[-2:]) / 100
    share = (signed_distance(mask).abs_() / reach - 1).clamp_(0, 1)
    return (cost - 1).mul_(share).add_(1)


def _over_range(depth: Tensor) -> Tensor:
    known = depth.isfinite()
    if not bool(known.any()):
        raise InputError("Field from Distance: the depth has no finite value.")
    low, high = depth[known].min(), depth[known].max()
    return torch.where(known, (depth.float() - low) / (high - low).clamp(min=1e-12), 1.0)


def _mark(stale_above: list[bool], stale_below: list[bool], y: int) -> None:
    """Row y has changed: the rows beside it have something to hear from it."""
    if y + 1 < len(stale_above):
        stale_above[y + 1] = True
    if y > 0:
        stale_below[y - 1] = True


def _pull(d: Tensor, c: Tensor, along: Tensor, y: int, other: int) -> bool:
    """Let row y hear from row `other`; whether anything in it fell."""
    near, mine, theirs = d[other], c[y], c[other]
    best = near + (mine + theirs) / 2
    if near.shape[-1] > 1:
        left = near[:, :-1] + (mine[:, 1:] + theirs[:, :-1]) * _DIAGONAL
        right = near[:, 1:] + (mine[:, :-1] + theirs[:, 1:]) * _DIAGONAL
        best[:, 1:] = torch.minimum(best[:, 1:], left)
        best[:, :-1] = torch.minimum(best[:, :-1], right)
    before = d[y]
    # Rounding in the running sums is not news.
    if not bool((best < before * (1 - 1e-9) - 1e-9).any()):
        return False
    d[y] = torch.minimum(before, _along_row(torch.minimum(best, before), along[y]))
    return True


def _along_row(row: Tensor, along: Tensor) -> Tensor:
    """Relax (B, W) along the row, both ways."""
    row = torch.minimum(row, (row - along).cummin(-1).values + along)
    back = (row + along).flip(-1).cummin(-1).values.flip(-1) - along
    return torch.minimum(row, back)
