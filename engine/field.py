"""Strength fields from distance and from depth, and several fields into one.

A field is float32 (B, H, W) in [0, 1], finite: 1 = the full effect, 0 = none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from .ops import distance as exact
from .ops.anchors import as_points, box_mask, distance_to_points, points_mask
from .ops.beside import fields_beside
from .ops.checks import InputError
from .ops.chunks import at_once, new_planes
from .ops.combine import COMBINE_MODES, combine
from .ops.depth import farness, fit_to, sky_of
from .ops.falloff import falloff as shape_ramp
from .ops.fields import (
    UNITS,
    as_field,
    as_images,
    as_mask,
    as_planes,
    check_choice,
    check_number,
    common_batch,
    frame,
    in_range,
)
from .ops.ramp import ramp, window
from .ops.resize import resize_nearest
from .ops.shortest_path import geodesic_distance, way_cost, without_outline
from .regions import Regions

Points: TypeAlias = Sequence[float] | Sequence[Sequence[float]]
Anchor: TypeAlias = Tensor | Regions | Sequence[Regions] | Points | Mapping[str, float]
"""What distance is measured from: see `distance_from`."""

FEW_LEVELS = 256
"""As many as 8 bits hold: a depth map that has no more may band."""

_OUTLINE = 5
SIDES = ("outside", "inside", "signed")
_IN_CACHE = 1 << 18


def distance_to(mask: Tensor) -> Tensor:
    """Exact Euclidean distance of every pixel to the nearest pixel of `mask`.

    mask: (..., H, W), bool, or float with > 0.5 inside. Returns float32 of that shape, in pixels
    between centres: 0 inside, inf everywhere in a plane whose mask is empty. Equal to
    scipy.ndimage.distance_transform_edt of the complement. `mask` is not modified.
    """
    return exact.distance_to(mask if mask.dtype == torch.bool else mask > 0.5)


def distance_from(
    anchor: Anchor,
    *,
    size: tuple[int, int] | None = None,
    side: str = "outside",
    image: Tensor | None = None,
    image_cost: float = 500.0,
    depth: Tensor | None = None,
    depth_cost: float = 500.0,
) -> Tensor:
    """Unclamped distance to an anchor, float32 (B, H, W), pixels (DISTANCE on the wire).

    anchor: a mask (B, H, W) or (H, W), bool or float with > 0.5 inside; Regions, their union; a
    list of Regions, one a frame; or, with `size` (H, W), a point [x, y], a list of points
    [[x, y], ...], or a box {"x", "y", "width", "height"}, in pixels. The pixel in column x has
    its centre at x. Points may have fractions and may lie outside the picture.
    side: "outside": distance to the anchor, 0 in it. "inside": distance to the nearest pixel that
    is not in it, 0 outside. "signed": to its outline, which runs between pixels: positive inside,
    negative outside, +-0.5 beside it.
    Without image and depth the distance is Euclidean, exact. With one or both it is geodesic: the
    cheapest way over the grid of 8 neighbours, on which edges of the image in Oklab, and of the
    depth over its range, cost extra: an edge of contrast k is image_cost * k (depth_cost * k)
    thousandths of the picture's short side long, at any resolution, so that distance doesn't leak
    over it. Slopes below 0.03 of contrast per hundredth of the short side, such as grain and
    shading, count less and less (`ops.shortest_path.contrast_cost`). The outline of a mask, regions
    or a box is no edge: within 1 % of the short side from it edges don't count, fully from 2 %
    on. image (B, H, W, 3 or 4): of the anchor's size; depth (B, h, w): of its shape. Points are
    taken to their pixel.
    Where there is nothing to measure to, +-inf. Raises InputError for an anchor of no known form,
    a box outside the picture, points with a side other than "outside", sizes that don't match.
    """
    check_choice("Field from Distance: side", side, SIDES)
    points = None if size is None else as_points(anchor)
    if points is not None and side != "outside":
        raise InputError(f"Field from Distance: a point has no {side!r}; use a mask or a box.")
    geodesic = image is not None or depth is not None
    if points is not None and size is not None and not geodesic:
        return distance_to_points(points, size)
    if points is not None and size is not None:
        mask = points_mask(points, size)
    else:
        mask = _anchor_mask(anchor, size)
    if geodesic:
        check_number("Field from Distance: image_cost", image_cost, 0, 1e6)
        check_number("Field from Distance: depth_cost", depth_cost, 0, 1e6)
        cost = way_cost(mask, image, image_cost, depth, depth_cost)
        cost = cost if points is not None else without_outline(cost, mask)
        return _geodesic(mask, side, cost)
    if side == "signed":
        return exact.signed_distance(mask)
    return exact.distance_to(mask if side == "outside" else ~mask)


def field_from_distance(
    anchor: Anchor,
    *,
    size: tuple[int, int] | None = None,
    side: str = "outside",
    inner_radius: float = 0.0,
    outer_radius: float = 100.0,
    units: str = "pixels",
    falloff: str = "smoothstep",
    gamma: float = 1.0,
    default_outside: float = 0.0,
    invert: bool = False,
    image: Tensor | None = None,
    image_cost: float = 500.0,
    depth: Tensor | None = None,
    depth_cost: float = 500.0,
) -> Tensor:
    """Strength by distance to an anchor: float32 (B, H, W) in [0, 1].

    anchor, size, side, image, image_cost, depth, depth_cost: as in `distance_from`, which gives d;
    image or depth make it follow their edges.
    inner_radius, outer_radius: >= 0, in units "pixels", or "percent" of the short side.
    side "outside": t = (outer - d) / (outer - inner): full up to `inner_radius` from the anchor,
    none from `outer_radius` on. side "inside": t = (d - inner) / (outer - inner): none outside and
    up to `inner_radius` within, full from `outer_radius` within. side "signed":
    t = (d + outer) / (inner + outer): none from `outer_radius` outside, full from `inner_radius`
    inside. Equal radii (both 0 for "signed") give a hard edge.
    falloff: a name in `ops.falloff.FALLOFFS`; s = falloff(clamp(t, 0, 1)) ** gamma.
    default_outside: in [0, 1], the strength where s is 0: the result is
    default_outside + (1 - default_outside) s, and 1 minus that when `invert`.
    An empty anchor gives default_outside everywhere (side "inside", "outside" and "signed" alike).
    At gamma 1 and without image and depth a step between neighbouring pixels is at most
    STEEPEST[falloff] * (1 - default_outside) / ramp length in pixels.
    Raises InputError where `distance_from` does, and for radii out of order.
    """
    _check_reach(side, inner_radius, outer_radius, units)
    distance = distance_from(
        anchor,
        size=size,
        side=side,
        image=image,
        image_cost=image_cost,
        depth=depth,
        depth_cost=depth_cost,
    )
    return strength_at(
        distance,
        side=side,
        inner_radius=inner_radius,
        outer_radius=outer_radius,
        units=units,
        falloff=falloff,
        gamma=gamma,
        default_outside=default_outside,
        invert=invert,
    )


def strength_at(
    distance: Tensor,
    *,
    side: str = "outside",
    inner_radius: float = 0.0,
    outer_radius: float = 100.0,
    units: str = "pixels",
    falloff: str = "smoothstep",
    gamma: float = 1.0,
    default_outside: float = 0.0,
    invert: bool = False,
) -> Tensor:
    """`field_from_distance` of a distance that is known: float32 (B, H, W) in [0, 1].

    distance: float32 (B, H, W), pixels, as `distance_from` with the same `side` gives it.
    """
    _check_reach(side, inner_radius, outer_radius, units)
    check_number("Field from Distance: default_outside", default_outside, 0, 1)
    scale = min(distance.shape[-2:]) / 100 if units == "percent" else 1.0
    place = _place(distance, side, inner_radius * scale, outer_radius * scale)
    strength = shape_ramp(place, falloff, gamma)
    if default_outside > 0:
        strength = (default_outside + (1 - default_outside) * strength).clamp_(max=1)
    return 1 - strength if invert else strength


def _check_reach(side: str, inner_radius: float, outer_radius: float, units: str) -> None:
    where = "Field from Distance"
    check_choice(f"{where}: side", side, SIDES)
    check_number(f"{where}: inner_radius", inner_radius, 0)
    check_number(f"{where}: outer_radius", outer_radius, 0)
    check_choice(f"{where}: units", units, UNITS)
    if side != "signed" and outer_radius < inner_radius:
        raise InputError(
            f"{where}: outer_radius ({outer_radius:g}) is less than inner_radius "
            f"({inner_radius:g}). Make it at least as large."
        )


def field_from_depth(
    depth: Tensor,
    *,
    near_is: str = "white",
    near: float = 0.0,
    far: float = 0.25,
    near_feather: float = 0.25,
    far_feather: float = 0.5,
    focus: float | None = None,
    range: float = 0.25,
    falloff: str = "smoothstep",
    gamma: float = 1.0,
    invert: bool = False,
    normalize: str = "linear",
    normalize_over: str = "frame",
    value_range: tuple[float, float] | None = None,
    clip_percent: float = 0.0,
    sky: Tensor | None = None,
    sky_strength: float | None = None,
    holes: str = "nearest",
    zero_is_hole: bool | None = None,
    image: Tensor | None = None,
    skip_outlines: bool = False,
) -> Tensor:
    """Strength by depth: float32 (B, H, W) in [0, 1].

    depth: float (B, H, W) or (H, W), in any unit. near_is: "white" = larger is nearer (rendered
    depth pictures, disparity); "black" = larger is farther (DA3_GEOMETRY, MOGE_GEOMETRY, metres).
    First depth becomes farness z, 0 = nearest, 1 = farthest:
    normalize: "linear" = the values as they are, "disparity" = their reciprocals, "log" = their
    logarithms, "rank" = the share of pixels that are nearer; then mapped to 0..1 over
    normalize_over: each "frame", the whole "batch", or the fixed "range" `value_range` (two values
    of `depth`, either order), so that a video doesn't flicker. clip_percent: share of pixels, 0 to
    49, that may fall off either end ("frame" and "batch"; exact quantiles). One depth only: z = 0.
    sky: (B, H, W), > 0.5 = sky, for instance DA3_GEOMETRY["sky"]; an infinite depth counts too
    when near is black. Sky has z = 1, or the strength `sky_strength` where that is given.
    holes: what z a pixel without a usable depth has (nan, negative, 0): that of the "nearest"
    usable pixel, "near" = 0, "far" = 1. A frame with no usable pixel at all is far.
    zero_is_hole: None = only where near is black, as geometry has it; False for a rendered picture
    whose black is the nearest depth. With "disparity" and "log" 0 is always a hole.
    Then strength = falloff(clamp(t, 0, 1)) ** gamma with
    t = min(1 + (z - near) / near_feather, 1 + (far - z) / far_feather):
    full from near to far, none a feather beyond; a feather of 0 is a hard edge. `focus`, where
    given, stands for near = focus - range / 2 and far = focus + range / 2. All in units of z.
    invert: 1 minus that, sky_strength excepted.
    image: (B, H, W, 3 or 4) sRGB, the picture: z comes to its size before strength is made of it,
    where it is smaller along the picture's edges (joint bilateral upsampling), so that a soft small
    depth map doesn't smear strength over outlines.
    skip_outlines: a pixel gets at most the greater of the strengths of the least and the greatest
    z of the 5 x 5 pixels around it. A soft outline mixes the depths of two surfaces, and where the
    mix passes a narrow band between them it would have a rim of strength.
    Raises InputError for an unknown choice, near > far, a negative feather, a batch that doesn't
    fit, an image of another shape (width / height more than 3 % off).
    """
    values = as_planes(depth, "Field from Depth: depth")
    heavens = sky_of(values, _sky_mask(sky, values), near_is)
    z = farness(
        values,
        near_is=near_is,
        normalize=normalize,
        normalize_over=normalize_over,
        value_range=value_range,
        clip_percent=clip_percent,
        holes=holes,
        zero_is_hole=zero_is_hole,
        sky=heavens,
    )
    if image is not None:
        images = as_images(image, "Field from Depth: image")
        size = (images.shape[1], images.shape[2])
        z = fit_to(z, size, "Field from Depth", images)
        heavens = fit_to(heavens.to(z), size, "Field from Depth", images) > 0.5
    if focus is not None:
        check_number("Field from Depth: range", range, 0)
        near, far = focus - range / 2, focus + range / 2

    def strength_of(z: Tensor) -> Tensor:
        return shape_ramp(window(z, near, far, near_feather, far_feather), falloff, gamma)

    strength = strength_of(z)
    if skip_outlines:
        least, most = (
            sign * F.max_pool2d(sign * z, _OUTLINE, 1, _OUTLINE // 2) for sign in (-1, 1)
        )
        strength = torch.minimum(strength, torch.maximum(strength_of(least), strength_of(most)))
    if invert:
        strength = 1 - strength
    if sky_strength is not None:
        check_number("Field from Depth: sky_strength", sky_strength, 0, 1)
        strength = strength.masked_fill(heavens, sky_strength)
    return strength


def depth_levels(depth: Tensor, field: Tensor) -> tuple[int, float]:
    """How coarse a depth map is where it matters: distinct depths, and the field's largest jump.

    depth: (B, H, W), as given to `field_from_depth`; field: (B, H, W), what came of it. Returns the
    fewest distinct finite values in a frame, and the largest difference in strength between two
    neighbouring values of depth. An 8-bit map over a 5 % range jumps by 0.08 or more: warn above
    about 0.02 when there are at most 256 values, because that shows as bands.
    """
    frames = zip(as_planes(depth, "depth"), as_field(field), strict=True)
    fewest, largest = 0, 0.0
    for values, strengths in frames:
        known = values.isfinite()
        distinct, which = _levels(values[known])
        fewest = distinct.numel() if fewest == 0 else min(fewest, distinct.numel())
        if distinct.numel() < 2:
            continue
        level = torch.zeros(distinct.shape).to(strengths)
        level.scatter_reduce_(0, which, strengths[known], "mean", include_self=False)
        largest = max(largest, float(level.diff().abs().max()))
    return fewest, largest


def is_coarse(depth: Tensor) -> bool:
    """Whether some frame of depth (B, H, W) may have 256 distinct values or fewer: a quick look."""
    some = [_some(plane.reshape(-1)) for plane in as_planes(depth, "depth")]
    return any(torch.unique(part[part.isfinite()]).numel() <= FEW_LEVELS for part in some)


def _levels(values: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct ones of 1-D `values`, rising, and which of them each is.

    Few are found among some of the values, which spares sorting them all.
    """
    distinct = torch.unique(_some(values))
    if 0 < distinct.numel() <= FEW_LEVELS:
        which = torch.searchsorted(distinct, values).clamp_(max=distinct.numel() - 1)
        if torch.equal(distinct[which], values):
            return distinct, which
    found: tuple[Tensor, Tensor] = torch.unique(values, return_inverse=True)
    return found


def _some(values: Tensor) -> Tensor:
    """About 65536 of 1-D `values`, evenly spaced, or all."""
    return values[:: max(1, values.numel() >> 16)]


def combine_fields(
    fields: Sequence[Tensor],
    *,
    mode: str = "multiply",
    amount: float = 1.0,
    softness: float = 0.1,
    invert: bool = False,
) -> Tensor:
    """Combine fields into one: float32 (B, H, W) in [0, 1].

    fields: one or more, each (B, H, W) or (H, W); a batch of 1 goes with any batch, and smaller
    fields are resized to the largest. mode: multiply prod(f); min; max; mean;
    screen 1 - prod(1 - f); add min(1, sum f); subtract max(0, first - sum of the others);
    smooth_max s log(mean(e^(f / s))) with s = softness (> 0 in strength units): between mean and
    max, without a crease, never steeper than the steepest field; smooth_min likewise.
    amount: 0 leaves the first field, 1 is the combination, between is first + amount *
    (combination - first). At amount 1 the order of the fields changes nothing, but for "subtract".
    invert: 1 minus the result.
    Raises InputError for no fields, batches that don't fit, an unknown mode.
    """
    where = "Combine Fields"
    check_choice(f"{where}: mode", mode, COMBINE_MODES)
    check_number(f"{where}: amount", amount, 0, 1)
    check_number(f"{where}: softness", softness, 0)
    if len(fields) == 0:
        raise InputError(f"{where}: no fields. Connect at least one.")
    batches = {
        f"field {i}": as_planes(field, f"{where}: field {i}").to(torch.float32)
        for i, field in enumerate(fields, 1)
    }
    count = common_batch(where, {name: len(batch) for name, batch in batches.items()})
    unseen = _to_largest(batches, where)
    first = next(iter(batches.values()))
    result = new_planes((count, *first.shape[1:]), first.device)
    rows = max(1, at_once(result.device, _IN_CACHE) // first.shape[2])
    for i in range(count):
        strips = zip(
            *(torch.split(frame(batch, i), rows) for batch in batches.values()), strict=True
        )
        for given, here in zip(strips, torch.split(result[i], rows), strict=True):
            parts = [
                in_range(part, f"{where}: {name}") if name in unseen else part
                for part, name in zip(given, batches, strict=True)
            ]
            mixed = combine(parts, mode, softness, here)
            if amount != 1:
                mixed = torch.lerp(parts[0], mixed, amount)
            if mixed.data_ptr() != here.data_ptr():
                here.copy_(mixed)
            if invert:
                here.neg_().add_(1)
    return result


def _to_largest(batches: dict[str, Tensor], where: str) -> set[str]:
    """Bring fields to the size of the largest, in place; the names of those not yet looked at."""
    sizes = {(batch.shape[-2], batch.shape[-1]) for batch in batches.values()}
    size = max(sizes, key=lambda s: (s[0] * s[1], s))
    smaller = {name: batch for name, batch in batches.items() if tuple(batch.shape[-2:]) != size}
    for name, batch in smaller.items():
        batches[name] = fields_beside(
            in_range(batch, f"{where}: {name}"), size, f"{where}: a field"
        )
    return batches.keys() - smaller.keys()


def _place(distance: Tensor, side: str, inner: float, outer: float) -> Tensor:
    if side == "outside":
        return ramp(distance, outer, inner)
    if side == "inside":
        return 1 - ramp(distance, outer, inner)
    return ramp(-distance, outer, -inner)


def _geodesic(mask: Tensor, side: str, cost: Tensor) -> Tensor:
    if side == "outside":
        return geodesic_distance(mask, cost)
    inside = geodesic_distance(~mask, cost)
    if side == "inside":
        return inside
    return torch.where(mask, inside - 0.5, 0.5 - geodesic_distance(mask, cost))


def _anchor_mask(anchor: Anchor, size: tuple[int, int] | None) -> Tensor:
    if isinstance(anchor, Tensor):
        return as_mask(anchor, "Field from Distance: anchor")
    if isinstance(anchor, Regions):
        return anchor.union()[None]
    if isinstance(anchor, Mapping):
        return box_mask(anchor, size)
    frames = [regions.union() for regions in anchor if isinstance(regions, Regions)]
    if not frames or len(frames) != len(anchor):
        raise InputError(
            "Field from Distance: wanted a mask, regions, or, with size, points or a box; "
            f"got {type(anchor).__name__}."
        )
    return torch.stack(frames)


def _sky_mask(sky: Tensor | None, depth: Tensor) -> Tensor | None:
    if sky is None:
        return None
    mask = as_mask(sky, "Field from Depth: sky")
    common_batch("Field from Depth", {"depth": depth.shape[0], "sky": mask.shape[0]})
    if tuple(mask.shape[-2:]) != tuple(depth.shape[-2:]):
        mask = resize_nearest(mask, (depth.shape[-2], depth.shape[-1]))
    return mask.expand(depth.shape[0], -1, -1) if mask.shape[0] == 1 else mask
