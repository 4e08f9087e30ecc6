"""Relight by field: a directional light that acts as strongly at each pixel as the field says."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from .ops.beside import fields_beside, images_beside
from .ops.checks import InputError
from .ops.colour import linear_to_srgb, srgb_to_linear
from .ops.depth import fit_to, nearness
from .ops.fields import (
    as_field,
    as_images,
    check_finite,
    check_number,
    common_batch,
    frame,
)
from .ops.guided import guided_filter

_LEVEL = 1 / 255
_SMOOTHED = 0.03
_FEW, _A_STAIR = 14, 32


def relight_by_field(
    image: Tensor,
    field: Tensor,
    *,
    depth: Tensor | None = None,
    normals: Tensor | None = None,
    near_is: str = "white",
    relief: float = 0.3,
    azimuth: float = 45.0,
    elevation: float = 35.0,
    color: tuple[float, float, float] = (1.0, 0.85, 0.65),
    intensity: float = 1.0,
    ambient: float = 0.35,
) -> Tensor:
    """Relight a picture by a field f: the shape and dtype of `image`, in [0, 1].

    image: float (B, H, W, 3 or 4), sRGB; alpha is kept. field: (B, H, W), resized to fit. One of:
    normals (B, H, W, 3): as pictures (0..1, x right, y up, z to the viewer; 0.5 = 0) or as vectors
    (any value below 0); depth (B, H, W), near_is "white" or "black", from which normals are taken,
    with `relief` the depth of the whole range in picture widths.
    azimuth: degrees anticlockwise from the right, where the light comes from; elevation: 0 = along
    the picture, 90 = from the viewer. color: sRGB. In linear light, with n the normal and l the
    light: c (1 - f) + c f (ambient + intensity color max(0, n . l)). Where f is 0 the picture is
    left bit for bit. Raises InputError without depth and normals, or with both.
    """
    where = "Relight by Field"
    if (depth is None) == (normals is None):
        raise InputError(f"{where}: wanted depth or normals, one of them.")
    check_number(f"{where}: intensity", intensity, 0)
    check_number(f"{where}: ambient", ambient, 0)
    check_number(f"{where}: relief", relief, 0)
    check_number(f"{where}: azimuth", azimuth)
    check_number(f"{where}: elevation", elevation)
    images, strengths = as_images(image, f"{where}: image"), as_field(field, f"{where}: field")
    size = (images.shape[1], images.shape[2])
    strengths = fields_beside(strengths, size, f"{where}: a field")
    if depth is not None:
        own = normals_from_depth(nearness(depth, near_is, where), relief=relief)
        # Slopes of a map brought up to the picture would be those of how its edges were drawn.
        axes = [fit_to(own[..., i], size, where, images) for i in range(3)]
        facing = F.normalize(torch.stack(axes, -1), dim=-1)
    else:
        assert normals is not None
        facing = _as_vectors(normals, size)
    counts = {"image": images.shape[0], "field": strengths.shape[0], "normals": facing.shape[0]}
    count = common_batch(where, counts)
    light = _direction(azimuth, elevation, image.device)
    tint = srgb_to_linear(torch.tensor(color, device=image.device))
    out = torch.empty((count, *images.shape[1:]), dtype=image.dtype, device=image.device)
    for i in range(count):
        picture, f = frame(images, i), frame(strengths, i)[..., None]
        lit = ambient + intensity * tint * (frame(facing, i) @ light).clamp(min=0)[..., None]
        colour = srgb_to_linear(picture[..., :3].to(torch.float32)) * torch.lerp(
            torch.ones_like(lit), lit, f
        )
        relit = linear_to_srgb(colour).clamp_(0, 1).to(image.dtype)
        out[i] = picture
        out[i, ..., :3] = torch.where(f > 0, relit, picture[..., :3])
    return out[0] if image.ndim == 3 and count == 1 else out


def normals_from_depth(nearness: Tensor, *, relief: float) -> Tensor:
    """Unit normals (B, H, W, 3), x right, y up, z to the viewer, of a height field.

    nearness: float (B, H, W), 1 = nearest, as a height of nearness * relief * W pixels. A slope is
    that of the smoother of a pixel's two sides (weights 1 / (step^2 + (1 / 255)^2)), then the
    median of 3 x 3 pixels, so that the outline of a thing, where depth jumps, is no steep face. A
    map of 16 to 256 depths is a staircase: there steps of one to three levels are averaged along
    the surface, with a guided filter, and larger ones are outlines.
    """
    slopes = torch.stack([_slopes(plane) for plane in nearness])
    dx, dy = (slopes * (relief * nearness.shape[-1])).unbind(1)
    vectors = torch.stack([-dx, dy, torch.ones_like(dx)], -1)
    unit: Tensor = vectors / torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return unit


def _slopes(height: Tensor) -> Tensor:
    """Rise per pixel to the right and downwards of (H, W), float32 (2, H, W)."""
    levels = torch.unique(height).diff()
    if not _FEW < len(levels) < min(256, height.numel() / _A_STAIR):
        return _median(torch.stack([_slope(height, dim, _smoother) for dim in (1, 0)]))
    step = 3.5 * float(levels.median())
    trust = partial(_within, limit=step)
    reach = max(1, round(_SMOOTHED * min(height.shape)))
    flat = [_slope(height, dim, trust) for dim in (1, 0)]
    return torch.stack([guided_filter(each, height[None], reach, step**2) for each in flat])


def _slope(height: Tensor, dim: int, trust: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean of the steps on either side of each pixel along `dim`, by how far each is trusted."""
    if height.shape[dim] < 2:
        return torch.zeros_like(height)
    step = height.diff(dim=dim)
    first, last = step.narrow(dim, 0, 1), step.narrow(dim, -1, 1)
    before, after = torch.cat([first, step], dim), torch.cat([step, last], dim)
    one, other = trust(before), trust(after)
    return (before * one + after * other) / (one + other).clamp(min=1e-6)


def _smoother(step: Tensor) -> Tensor:
    return 1 / (step.square() + _LEVEL**2)


def _within(step: Tensor, limit: float) -> Tensor:
    return (step.abs() <= limit).to(step.dtype)


def _median(planes: Tensor) -> Tensor:
    """Median over 3 x 3 pixels of (C, H, W); the border pixel goes on for ever."""
    wide = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    height, width = planes.shape[-2:]
    near = [wide[..., y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return torch.stack(near).median(0).values


def _as_vectors(normals: Tensor, size: tuple[int, int]) -> Tensor:
    where = "Relight by Field"
    colours = as_images(normals, f"{where}: normals")[..., :3].to(torch.float32)
    vectors = check_finite(colours, f"{where}: normals")
    if bool((vectors >= 0).all()):
        vectors = vectors * 2 - 1
    vectors = images_beside(vectors, size, f"{where}: a normal map")
    unit: Tensor = vectors / torch.linalg.vector_norm(vectors, dim=-1, keepdim=True).clamp(min=1e-6)
    return unit


def _direction(azimuth: float, elevation: float, device: torch.device) -> Tensor:
    a, e = math.radians(azimuth), math.radians(elevation)
    flat = math.cos(e)
    return torch.tensor([math.cos(a) * flat, math.sin(a) * flat, math.sin(e)], device=device)
