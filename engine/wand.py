"""The magic wand: pixels of the colour under a point, without a model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .ops.anchors import whole_pixel
from .ops.checks import InputError
from .ops.components import label_components
from .ops.fields import as_images, check_finite, check_number
from .ops.geodesic import oklab_planes


def magic_wand(
    image: Tensor,
    point: Sequence[float],
    tolerance: float = 0.1,
    *,
    contiguous: bool = True,
    antialias: bool = True,
    sample: int = 0,
) -> Tensor:
    """Pixels whose colour is within `tolerance` of the colour at `point`: float32 (B, H, W).

    image: sRGB (B, H, W, 3 or 4) or (H, W, 3 or 4). point: x, y in pixels; it means the pixel it
    lies in. tolerance: distance in Oklab, 0..1; black to white is 1, a just visible step about
    0.02. sample: the colour is the mean over (2 sample + 1)^2 pixels around the point.
    contiguous: only the 8-connected part that holds the point, as a flood fill would take it;
    otherwise all such pixels of the image. It selects nothing where the sample's mean is not within
    the tolerance of the point's own pixel. antialias: pixels on the edge get the share of them that
    lies within the tolerance, as if the colour changed evenly from pixel to pixel; at 0.5 lies the
    edge of the hard mask. Otherwise all are 0 or 1.
    Raises InputError for a point outside the image, a tolerance out of range and colours that are
    no finite numbers.
    """
    images = check_finite(as_images(image), "image")
    check_number("Magic Wand: tolerance", tolerance, 0, 1)
    check_number("Magic Wand: sample", sample, 0, 1000)
    height, width = images.shape[1:3]
    x, y = (whole_pixel(value) for value in _finite(point))
    if not (0 <= x < width and 0 <= y < height):
        raise InputError(f"Magic Wand: the point {x}, {y} is outside the {width} x {height} image.")
    return torch.stack(
        [_select(frame, x, y, tolerance, contiguous, antialias, sample) for frame in images]
    )


def _select(
    image: Tensor, x: int, y: int, tolerance: float, contiguous: bool, antialias: bool, sample: int
) -> Tensor:
    lab = oklab_planes(image)
    around = lab[:, max(y - sample, 0) : y + sample + 1, max(x - sample, 0) : x + sample + 1]
    difference = (lab - around.mean((1, 2))[:, None, None]).square_().sum(0).sqrt_()
    inside = difference <= tolerance
    if contiguous:
        labels, _ = label_components(inside)
        inside &= labels == labels[y, x]
    if not antialias:
        return inside.to(torch.float32)
    share = (0.5 + (tolerance - difference) / _slope(difference)).clamp_(0, 1)
    share = torch.where(inside, share.clamp(min=0.5), share.clamp(max=0.5))
    return share * _dilated(inside)


def _slope(values: Tensor) -> Tensor:
    """Steepest change to a neighbour along each axis, as one length per pixel; above 0."""
    squared = torch.full_like(values, 1e-12)
    for dim in (0, 1):
        step = values.diff(dim=dim).abs()
        nothing = torch.zeros_like(values.narrow(dim, 0, 1))
        after, before = torch.cat([step, nothing], dim), torch.cat([nothing, step], dim)
        squared += torch.maximum(after, before).square_()
    return squared.sqrt_()


def _dilated(mask: Tensor) -> Tensor:
    """The mask and its 8 neighbours, as float32."""
    plane = mask[None, None].to(torch.float32)
    return torch.nn.functional.max_pool2d(plane, 3, stride=1, padding=1)[0, 0]


def _finite(point: Sequence[float]) -> list[float]:
    values = [float(value) for value in point]
    if len(values) != 2 or not all(math.isfinite(value) for value in values):
        raise InputError(f"Magic Wand: wanted a point x, y in pixels, got {values}.")
    return values
