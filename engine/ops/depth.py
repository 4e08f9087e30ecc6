"""Depth maps of any origin as farness: 0 at the nearest pixel, 1 at the farthest."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .checks import InputError
from .distance import nearest_source
from .fields import (
    as_planes,
    check_aspect,
    check_choice,
    check_finite,
    check_number,
    common_batch,
    frame,
)
from .geodesic import oklab_planes
from .guided import upsample_along
from .quantile import quantile, ranks
from .resize import resize_field

NEAR_IS = ("white", "black")
MEASURES = ("linear", "disparity", "log", "rank")
SPANS = ("frame", "batch", "range")
HOLES = ("nearest", "near", "far")


def farness(
    depth: Tensor,
    *,
    near_is: str,
    normalize: str,
    normalize_over: str,
    value_range: tuple[float, float] | None,
    clip_percent: float,
    holes: str,
    zero_is_hole: bool | None,
    sky: Tensor,
) -> Tensor:
    """Depth measured and normalised: float32 (B, H, W), 0 nearest, 1 farthest, all finite.

    depth: float (B, H, W), any values. sky: bool (B, H, W), taken as farthest. The rest as in
    `field_from_depth`. `depth` is not modified.
    """
    check_choice("near_is", near_is, NEAR_IS)
    check_choice("normalize", normalize, MEASURES)
    check_choice("normalize_over", normalize_over, SPANS)
    check_choice("holes", holes, HOLES)
    check_number("clip_percent", clip_percent, 0, 49)
    limits = _range_limits(value_range, near_is, normalize) if normalize_over == "range" else None
    positive = normalize in ("disparity", "log")
    if zero_is_hole is None:
        zero_is_hole = near_is == "black"
    valid = depth.isfinite() & (depth > 0 if positive or zero_is_hole else depth >= 0) & ~sky
    measured = torch.where(valid, _measure(depth, near_is, normalize), 0.0)
    far = torch.empty_like(measured)
    for part in [slice(None)] if normalize_over == "batch" else _each(depth):
        far[part] = _normalize(measured[part], valid[part], normalize, clip_percent, limits)
    return _fill(far, valid, sky, holes)


def sky_of(depth: Tensor, sky: Tensor | None, near_is: str) -> Tensor:
    """bool (B, H, W): where `sky` says so, and where the depth itself is infinite."""
    endless = torch.isposinf(depth) if near_is == "black" else torch.zeros_like(depth).bool()
    return endless if sky is None else endless | sky


def nearness(depth: Tensor, near_is: str, where: str) -> Tensor:
    """Nearness, float32 (B, H, W): 1 at the nearest pixel of each frame, 0 at the farthest.

    depth: float (B, H, W) or (H, W), any values; a pixel whose depth isn't finite is farthest.
    near_is: "white" or "black". where: the caller's name for errors. `depth` is not modified.
    Raises InputError for an unknown near_is and a frame without a finite depth.
    """
    check_choice(f"{where}: near_is", near_is, NEAR_IS)
    values = as_planes(depth, f"{where}: depth").to(torch.float32)
    if near_is == "black":
        values = -values
    known = values.isfinite()
    if not bool(known.flatten(1).any(1).all()):
        raise InputError(f"{where}: the depth of a frame has no finite value.")
    low = torch.where(known, values, torch.inf).amin((1, 2), keepdim=True)
    high = torch.where(known, values, -torch.inf).amax((1, 2), keepdim=True)
    return torch.where(known, (values - low) / (high - low).clamp(min=1e-12), 0.0)


def fit_to(
    planes: Tensor, size: tuple[int, int], where: str, images: Tensor | None = None
) -> Tensor:
    """A map of depth at the size (H, W) of the picture it belongs to: float32 (B, H, W).

    planes: float32 (B, h, w), finite. A smaller one is brought up along the edges of `images`
    (B, H, W, 3 or 4), sRGB, where given; else, and where it is larger, as any field is resized.
    where: for errors. Raises InputError where width / height differs by more than 3 %, which
    depth networks need to round to their tiles, and where batches don't fit.
    """
    height, width = planes.shape[1:]
    if (height, width) == size:
        return planes
    check_aspect(f"{where}: a depth", (height, width), size)
    if images is None or height > size[0] or width > size[1]:
        return resize_field(planes, size)
    count = common_batch(where, {"depth": planes.shape[0], "image": images.shape[0]})
    check_finite(images, f"{where}: image")
    guides = [oklab_planes(picture) for picture in images]
    return torch.stack(
        [upsample_along(frame(planes, i), guides[min(i, len(guides) - 1)]) for i in range(count)]
    )


def _each(batch: Tensor) -> list[slice]:
    return [slice(i, i + 1) for i in range(batch.shape[0])]


def _measure(values: Tensor, near_is: str, normalize: str) -> Tensor:
    """What is normalised: the values, their reciprocals or logarithms, rising with distance."""
    values = values.to(torch.float32)
    if normalize == "disparity":
        values = values.reciprocal()
    elif normalize == "log":
        values = values.log()
    return values if (near_is == "black") != (normalize == "disparity") else -values


def _normalize(
    measured: Tensor,
    valid: Tensor,
    normalize: str,
    clip_percent: float,
    limits: tuple[float, float] | None,
) -> Tensor:
    known = measured[valid]
    out = torch.zeros_like(measured)
    if known.numel() == 0:
        return out
    if normalize == "rank":
        out[valid] = ranks(known)
        return out
    share = clip_percent / 100
    low, high = limits or (quantile(known, share), quantile(known, 1 - share))
    if high > low:
        out[valid] = ((known - low) / (high - low)).clamp_(0, 1)
    return out


def _range_limits(
    value_range: tuple[float, float] | None, near_is: str, normalize: str
) -> tuple[float, float]:
    if value_range is None or normalize == "rank":
        raise InputError(
            'Depth: normalize_over="range" needs value_range=(lowest, highest) and a normalize '
            f"other than rank, got value_range={value_range}, normalize={normalize!r}."
        )
    ends = torch.tensor(value_range, dtype=torch.float32)
    low, high = sorted(_measure(ends, near_is, normalize).tolist())
    if not -math.inf < low < high < math.inf:
        raise InputError(
            f"Depth: wanted a value_range of two different values that normalize={normalize!r} "
            f"can use, got {value_range}."
        )
    return low, high


def _fill(far: Tensor, valid: Tensor, sky: Tensor, holes: str) -> Tensor:
    """Sky is farthest; holes take the nearest known pixel's farness, or 0, or 1."""
    far = torch.where(valid, far, 0.0 if holes == "near" else 1.0)
    hole = ~valid & ~sky
    if holes != "nearest" or not bool(hole.any()):
        return far
    known = valid | sky
    for i in range(far.shape[0]):
        if bool(hole[i].any()) and bool(known[i].any()):
            y, x = nearest_source(known[i])[1]
            far[i] = torch.where(hole[i], far[i][y, x], far[i])
    return far
