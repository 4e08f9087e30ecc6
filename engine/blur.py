"""Blur by field: a blur as wide at each pixel as the field says."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .ops.blur import BLURS, blur
from .ops.checks import Progress
from .ops.colour import linear_to_srgb, srgb_to_linear
from .ops.depth import nearness
from .ops.fields import (
    as_field,
    as_images,
    check_choice,
    check_number,
    common_batch,
    frame,
)
from .ops.resize import resize_field, resize_nearest

_FIRST = 1.0
_RATIO = 2**0.5
_LAYERS = 6


def blur_by_field(
    image: Tensor,
    field: Tensor,
    *,
    radius: float = 24.0,
    kind: str = "gaussian",
    depth: Tensor | None = None,
    near_is: str = "white",
    progress: Progress | None = None,
) -> Tensor:
    """Blur a picture by a field: (B, H, W, C), the dtype of `image`.

    image: float (B, H, W, 3 or 4) sRGB; (H, W, C) is one frame. field: (B, H, W), resized to fit.
    radius: pixels, the blur where the field is 1; at f it is radius * f. kind "gaussian" (standard
    deviation radius / 2) or "disc" (the bokeh of an open lens). In linear light, premultiplied with
    alpha. The blur of a pixel is interpolated between the blurs of a stack of radii 1, 1.4, 2, 2.8,
    ... Sharp things don't bleed: a pixel counts in a blur of radius r by min(1, its own radius /
    r). depth: (B, H, W), near_is "white" or "black": the picture is then blurred in 6 layers of
    depth, each laid over the ones behind, so that a blurred foreground also spreads over what is
    sharp behind it. Where the field is 0 the result is `image` bit for bit, unless a nearer layer's
    blur reaches there. Raises InputError where batches or sizes don't fit.
    """
    where = "Blur by Field"
    check_choice(f"{where}: kind", kind, BLURS)
    check_number(f"{where}: radius", radius, 0)
    images, strengths = as_images(image, f"{where}: image"), as_field(field, f"{where}: field")
    size = (images.shape[1], images.shape[2])
    near = None
    counts = {"image": images.shape[0], "field": strengths.shape[0]}
    if depth is not None:
        near = resize_nearest(nearness(depth, near_is, where), size)
        counts["depth"] = near.shape[0]
    count = common_batch(where, counts)
    strengths = resize_field(strengths, size)
    out = torch.empty((count, *images.shape[1:]), dtype=image.dtype, device=image.device)
    for i in range(count):
        picture, reach = frame(images, i), frame(strengths, i) * radius
        out[i] = _blur_frame(picture, reach, kind, None if near is None else frame(near, i))
        if progress is not None:
            progress(i + 1, count)
    return out[0] if image.ndim == 3 and count == 1 else out


def stack_radii(largest: float) -> list[float]:
    """Radii of the stack, 0 and then in equal ratios, the last at least `largest`."""
    radii = [0.0, _FIRST]
    while radii[-1] < largest:
        radii.append(radii[-1] * _RATIO)
    return radii


def _blur_frame(picture: Tensor, reach: Tensor, kind: str, near: Tensor | None) -> Tensor:
    colour = srgb_to_linear(picture[..., :3].to(torch.float32)).movedim(-1, 0)
    alpha = torch.ones_like(colour[:1])
    if picture.shape[-1] == 4:
        alpha = picture[..., 3:].to(torch.float32).movedim(-1, 0)
    light = torch.cat([colour * alpha, alpha])
    blurred = _gather(light, reach, kind) if near is None else _layered(light, reach, near, kind)
    opaque = blurred[3:].clamp(min=1e-6)
    result = linear_to_srgb((blurred[:3] / opaque).clamp(0, None)).movedim(0, -1)
    if picture.shape[-1] == 4:
        result = torch.cat([result, blurred[3:].movedim(0, -1)], -1)
    result = result.clamp_(0, max(1.0, float(picture.max()))).to(picture.dtype)
    untouched = reach <= 0 if near is None else (reach <= 0) & (blurred == light).all(0)
    return torch.where(untouched[..., None], picture, result)


def _gather(light: Tensor, reach: Tensor, kind: str) -> Tensor:
    """Each pixel's own blur of (C, H, W), in which sharper pixels count less.

    Every level is computed only in the box of the pixels that want it, and what these can see.
    """
    out = torch.zeros_like(light)
    radii = stack_radii(float(reach.max()))
    for k, r in enumerate(radii):
        hat = _hat(reach, radii, k)
        box = _box(hat > 0)
        if box is None:
            continue
        if r == 0:
            out += hat * light
            continue
        seen, inner = _grown(box, math.ceil(2 * r) + 2, reach.shape)
        counts = (reach[seen] / r).clamp(max=1)
        spread = blur(torch.cat([light[:, seen[0], seen[1]] * counts, counts[None]]), r, kind)
        spread = spread[:, inner[0], inner[1]]
        out[:, box[0], box[1]] += hat[box] * spread[:-1] / spread[-1:].clamp(min=1e-6)
    return out


def _box(mask: Tensor) -> tuple[slice, slice] | None:
    """Rows and columns that hold all of `mask`, or None where it is empty."""
    ends = [mask.any(dim).nonzero() for dim in (1, 0)]
    if not ends[0].numel():
        return None
    return slice(int(ends[0][0]), int(ends[0][-1]) + 1), slice(
        int(ends[1][0]), int(ends[1][-1]) + 1
    )


def _grown(
    box: tuple[slice, slice], pad: int, size: torch.Size
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The box grown by `pad` inside the picture, and the box's place in that."""
    rows, columns = (
        slice(max(0, part.start - pad), min(length, part.stop + pad))
        for part, length in zip(box, size, strict=True)
    )
    inner = [
        slice(part.start - whole.start, part.stop - whole.start)
        for part, whole in zip(box, (rows, columns), strict=True)
    ]
    return (rows, columns), (inner[0], inner[1])


def _hat(reach: Tensor, radii: list[float], k: int) -> Tensor:
    """Share of level k at each pixel: 1 at its own radius, 0 at the next on either side."""
    rise = torch.ones_like(reach)
    if k > 0:
        rise = (reach - radii[k - 1]) / (radii[k] - radii[k - 1])
    fall = torch.ones_like(reach)
    if k + 1 < len(radii):
        fall = (radii[k + 1] - reach) / (radii[k + 1] - radii[k])
    return torch.minimum(rise, fall).clamp_(0, 1)


def _layered(light: Tensor, reach: Tensor, near: Tensor, kind: str) -> Tensor:
    """Slices of depth, each spread by its own radii and laid over the ones behind.

    Every pixel belongs to one slice. Where a nearer slice hid part of this one, dividing by how
    much there is fills the gap from around it.
    """
    out, covered = torch.zeros_like(light), torch.zeros_like(light[:1])
    slices = (near * _LAYERS).floor().clamp(0, _LAYERS - 1)
    for k in range(_LAYERS):
        member = (slices == k).to(light.dtype)
        if not bool(member.any()):
            continue
        spread = _scatter(torch.cat([light * member, member[None]]), reach, kind)
        share = spread[-1:].clamp(0, 1)
        out = out * (1 - share) + spread[:-1]
        covered = covered * (1 - share) + spread[-1:]
    return out / covered.clamp(min=1e-6)


def _scatter(light: Tensor, reach: Tensor, kind: str) -> Tensor:
    """Every pixel of (C, H, W) spread over its own radius."""
    radii = stack_radii(float(reach.max()))
    out = torch.zeros_like(light)
    for k, r in enumerate(radii):
        part = light * _hat(reach, radii, k)
        if bool(part[-1].any()):
            out += blur(part, r, kind)
    return out
