"""Blur by field: a blur as wide at each pixel as the field says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from .ops.beside import fields_beside
from .ops.blur import BLURS, blur, coarseness
from .ops.checks import Progress
from .ops.colour import linear_to_srgb, srgb_to_linear
from .ops.depth import fit_to, nearness
from .ops.distance import nearest_source_of
from .ops.fields import (
    as_field,
    as_images,
    check_choice,
    check_finite,
    check_number,
    common_batch,
    frame,
)
from .ops.fill import fill_smoothly

_FIRST = 1.0
_RATIO = 2**0.5
_LAYERS = 6
_MIXED = 2
_TILE = 256

Box: TypeAlias = tuple[slice, slice]
"""Rows and columns of a part of a picture."""


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
    sharp behind it, and lets it through inside its outline; what nothing shows there is guessed
    from around it. A surface that runs on through several layers is blurred as one. Where the field
    is 0 the result is `image` bit for bit, unless a nearer layer's blur reaches there. Raises
    InputError where batches or sizes don't fit, or a colour is no finite number.
    """
    where = "Blur by Field"
    check_choice(f"{where}: kind", kind, BLURS)
    check_number(f"{where}: radius", radius, 0, 1e6)
    # One pixel that is no number would spread over the picture.
    images = check_finite(as_images(image, f"{where}: image"), f"{where}: image")
    strengths = as_field(field, f"{where}: field")
    size = (images.shape[1], images.shape[2])
    near = None
    counts = {"image": images.shape[0], "field": strengths.shape[0]}
    if depth is not None:
        near = fit_to(nearness(depth, near_is, where), size, where, images)
        counts["depth"] = near.shape[0]
    count = common_batch(where, counts)
    strengths = fields_beside(strengths, size, f"{where}: a field")
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
    """Each pixel's own blur of (C, H, W), in which sharper pixels count less."""
    out = torch.zeros_like(light)
    for radius, hat, (rows, columns) in _stack(reach):
        mixed = out[:, rows, columns]
        if radius == 0:
            mixed += hat * light[:, rows, columns]
            continue
        (seen, across), inner = _grown((rows, columns), radius, reach.shape)
        counts = (reach[seen, across] / radius).clamp(max=1)
        part = torch.cat([light[:, seen, across] * counts, counts[None]])
        spread = blur(part, radius, kind)[:, inner[0], inner[1]]
        mixed += hat * spread[:-1] / spread[-1:].clamp(min=1e-6)
    return out


def _scatter(light: Tensor, reach: Tensor, kind: str) -> Tensor:
    """Every pixel of (C, H, W) spread over its own radius."""
    out = torch.zeros_like(light)
    for radius, hat, (rows, columns) in _stack(reach):
        part = light[:, rows, columns] * hat
        if not bool(part[-1].any()):
            continue
        (onto, across), inner = _grown((rows, columns), radius, reach.shape)
        whole = torch.zeros_like(out[:, onto, across])
        whole[:, inner[0], inner[1]] = part
        out[:, onto, across] += blur(whole, radius, kind)
    return out


def _stack(reach: Tensor) -> Iterator[tuple[float, Tensor, Box]]:
    """The levels of the stack that a picture of radii (H, W) needs, tile by tile.

    Yields each level's radius, what share of it the tile's pixels take, (h, w), and the tile.
    """
    radii = stack_radii(float(reach.max()))
    side = max(_TILE, 1 << math.ceil(math.log2(4 * radii[-1])))
    for top, left in product(*(range(0, length, side) for length in reach.shape)):
        tile = slice(top, top + side), slice(left, left + side)
        own = reach[tile]
        low, high = (float(end) for end in own.aminmax())
        for k, radius in enumerate(radii):
            above, below = radii[max(k - 1, 0)], radii[min(k + 1, len(radii) - 1)]
            if (low < below and above < high) or radius in (low, high):
                yield radius, _hat(own, radii, k), tile


def _grown(tile: Box, radius: float, size: torch.Size) -> tuple[Box, Box]:
    """The part of the picture that a blur of a tile sees and reaches, and the tile's place in it.

    It begins where blocks of the blur do, so that no tile shows.
    """
    if radius == 0:
        return tile, (slice(None), slice(None))
    block = coarseness(radius)
    pad = math.ceil((2 * radius + 2) / block + 2) * block
    wholes = [slice(max(0, part.start - pad), part.stop + pad) for part in tile]
    inner = [
        slice(part.start - whole.start, min(part.stop, length) - whole.start)
        for part, whole, length in zip(tile, wholes, size, strict=True)
    ]
    return (wholes[0], wholes[1]), (inner[0], inner[1])


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

    Every pixel belongs to one slice. What a nearer slice hides of the scene behind is filled from
    the pixels around that show, so that a blurred outline lets something through on both sides.
    Where a surface runs on from one slice into the next nothing is hidden, and the two are added.
    """
    slices, reach = _settled((near * _LAYERS).floor().clamp(0, _LAYERS - 1), reach)
    ahead = _is_ahead(near)
    # Light and coverage of the foremost surface so far, and of all that lies behind it.
    surface = behind = torch.zeros_like(torch.cat([light, light[:1]]))
    outlined, gap = torch.ones_like(reach), torch.zeros_like(reach)
    for k in range(_LAYERS):
        if not bool((slices == k).any()):
            continue
        surface, behind = _parted(surface, behind, outlined, gap)
        outlined = _outlined(slices > k, ahead, float(reach.max()))
        whole, width, member = _without_nearer(light, reach, slices, k, ahead)
        shown = torch.where(slices == k, member, member * outlined)
        whole = torch.cat([whole, torch.ones_like(whole[:1])])
        sharp = (shown >= 1) & (width <= 0)
        spread = _scatter(torch.cat([whole * shown, member[None]]), width, kind)
        spread, full = spread[:-1], spread[-1]
        gap = (full - spread[-1]).masked_fill_(sharp, 0)
        # What the surface covered already stays as far as this leaves room for it.
        room = ((1 - spread[-1:]) / surface[-1:].clamp(min=1e-6)).clamp(0, 1)
        surface = torch.where(sharp, whole, surface * room + spread)
    out = _over(surface, behind)
    return out[:-1] / out[-1:].clamp(min=1e-6)


def _over(front: Tensor, behind: Tensor) -> Tensor:
    return front + behind * (1 - front[-1:]).clamp(min=0)


def _parted(front: Tensor, behind: Tensor, share: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
    """`share` (H, W) of what is in front put behind; one over the other looks as it did.

    gap: coverage (H, W) that the front lacks because the next slice runs on from it. The part that
    goes behind has no such gap, or what is farther behind would show as a line between the two.
    """
    closed = (front[-1] + gap).clamp(max=1) / front[-1].clamp(min=1e-6)
    stays = front * (1 - share * closed).clamp(min=0)
    room = (1 - stays[-1:]).clamp(min=0)
    moved = (_over(front * closed, behind) - stays) / room.clamp(min=1e-3)
    return stays, torch.where(room > 1e-3, moved, behind)


def _is_ahead(near: Tensor) -> Tensor:
    """Where a pixel of nearness (H, W) has something well in front of it beside it."""
    side = 2 * _MIXED + 3
    return F.max_pool2d(near[None], side, 1, side // 2)[0] - near > 0.25 / _LAYERS


def _outlined(nearer: Tensor, ahead: Tensor, radius: float) -> Tensor:
    """How far the border of `nearer` around each pixel is the outline of a thing, (H, W).

    1 where at least half of it is, 0 where a surface just runs on.
    """
    border = (F.max_pool2d(nearer[None].float(), 3, 1, 1)[0] > 0) & ~nearer
    share = blur(fill_smoothly(ahead.float()[None], border), radius, "gaussian")[0]
    return (2 * share).clamp(max=1)


def _settled(slices: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
    """Slices and radii (H, W), in which pixels of an outline belong to the thing in front.

    An antialiased depth map has depths on outlines at which there is nothing: pixels that lie
    between nearer and farther neighbours.
    """
    step = float(reach.max()) + 1
    ahead = F.max_pool2d((slices * step + reach)[None], 3, 1, 1)[0]
    nearest = (ahead / step).floor()
    between = (slices < nearest) & (slices > -F.max_pool2d(-slices[None], 3, 1, 1)[0])
    return (
        torch.where(between, nearest, slices),
        torch.where(between, (ahead - nearest * step).clamp(min=0), reach),
    )


def _without_nearer(
    light: Tensor, reach: Tensor, slices: Tensor, k: int, ahead: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Light (C, H, W), radii and membership of slice k (H, W), as if nothing nearer were there."""
    hidden = slices > k
    member = (slices == k).to(light.dtype)
    if not bool(hidden.any()):
        return light, reach, member
    # Pixels beside an outline hold a share of what is in front, so they aren't copied, and go
    # where that is blurred.
    mixed = _beside(hidden) & ahead
    seen = ~(hidden | mixed)
    if bool((seen & (slices == k)).any()):
        hidden |= _beside(hidden & (reach > _MIXED + 0.5)) & mixed & (slices <= k)
    else:
        seen = ~hidden
    y, x = nearest_source_of(hidden, seen)
    width = reach.clone()
    width[hidden], member[hidden] = reach[y, x], member[y, x]
    return torch.where(hidden, fill_smoothly(light, seen), light), width, member


def _beside(mask: Tensor) -> Tensor:
    """Pixels of bool (H, W) and those so near that an antialiased outline mixes them in."""
    return F.max_pool2d(mask[None].float(), 2 * _MIXED + 1, 1, _MIXED)[0] > 0
