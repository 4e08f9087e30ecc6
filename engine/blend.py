"""One strength per region into one continuous field, without bands at the borders."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from .ops.beside import depth_beside, images_beside
from .ops.bits import pack_bits
from .ops.checks import InputError, Progress, counted
from .ops.colour import srgb_to_oklab
from .ops.depth import NEAR_IS
from .ops.distance import distance_to, signed_distance
from .ops.fields import (
    as_images,
    as_mask,
    check_choice,
    check_finite,
    check_number,
    common_batch,
    frame,
)
from .ops.membrane import edge_weights, relax
from .ops.partition import REACH, SoftShares, padded_window
from .ops.quantile import quantile, ranks
from .regions import Regions

BLENDS = ("partition", "membrane")
_PIXELS_AT_ONCE = 4 << 20


def blend_strengths(
    regions: Regions | Tensor,
    strengths: Sequence[float] | Mapping[str, float] | Tensor,
    width: float = 20.0,
    *,
    method: str = "partition",
    default_outside: float | None = None,
    default_strength: float = 0.0,
    image: Tensor | None = None,
    edge_contrast: float = 0.05,
    progress: Progress | None = None,
) -> Tensor:
    """Blend one strength per region into one continuous field: float32 (1, H, W) in [0, 1].

    regions: Regions, or masks (N, H, W). They may overlap and need not cover the picture.
    strengths: one in [0, 1] per region, in the order of the regions (for Regions, their canonical
    order; for masks, theirs), or a mapping of label to strength, where a region whose label is not
    named has `default_strength`. width: > 0, pixels.
    default_outside: None lets the regions reach over the pixels that none covers; a strength makes
    those pixels one more region with that strength.
    method "partition": s = sum(w_i s_i), w = softmax(d_i / width), d_i the signed distance to
    region i, positive inside. The weights are positive and sum to 1, so every pixel is covered and
    s stays between the least and the greatest strength; as |grad d_i| <= 1,
    |grad s| <= (max - min) / (2 width): no step between neighbouring pixels is larger. Where
    regions overlap, the deepest counts most; `fill_coverage` first gives the smaller its place.
    method "membrane": each region keeps its strength at its core (deeper than `width`, or its
    deepest pixels), and between the cores div(c grad s) = 0 with
    c = exp(-|grad image|^2 / edge_contrast^2), so that s changes at the picture's own edges.
    `image` (1, H, W, 3 or 4) is compared in Oklab; without it c = 1. Never outside the
    strengths' range. The order of masks given with their strengths changes nothing.
    Raises InputError for counts or sizes that don't match, strengths outside [0, 1], width <= 0,
    no region and no default_outside.
    """
    check_choice("Blend Region Strengths: method", method, BLENDS)
    if not 0 < width < math.inf:
        raise InputError(f"Blend Region Strengths: wanted a width above 0, got {width}.")
    chosen, values = _pair(regions, strengths, default_strength)
    if default_outside is not None:
        check_number("Blend Region Strengths: default_outside", default_outside, 0, 1)
        chosen, values = _with_outside(chosen, values, default_outside)
    if len(chosen) == 0:
        raise InputError(
            "Blend Region Strengths: there is no region. Segment something, or set default_outside."
        )
    if method == "membrane":
        guide = None if image is None else _guide(image, chosen.size)
        return _membrane(chosen, values, width, guide, edge_contrast)[None]
    return _partition(chosen, values, width, progress)[None]


def region_weights(
    regions: Regions | Tensor, width: float = 20.0, order: Sequence[int] | None = None
) -> Tensor:
    """The weights of `blend_strengths`, float32 (N, H, W), which sum to 1 over N at every pixel.

    For conditioning each region with a prompt of its own. A mask without a pixel has weight 0.
    order: the indices of all regions in the order wanted; without it their own order.
    Raises InputError when there is no region or width <= 0.
    """
    if not 0 < width < math.inf:
        raise InputError(f"Region Weights: wanted a width above 0, got {width}.")
    count = len(regions) if isinstance(regions, Regions) else as_mask(regions).shape[0]
    chosen, _ = _pair(regions, [0.0] * count, 0.0)
    if len(chosen) == 0:
        raise InputError("Region Weights: there is no region.")
    places = chosen.ids.cpu() if isinstance(regions, Tensor) else torch.arange(count)
    if order is not None:
        places = torch.tensor(order).argsort()[places]
    weights = torch.zeros((count, *chosen.size), device=chosen.device)
    values = [0.0] * len(chosen)
    for place, (exponents, _, window) in zip(
        places.tolist(), _exponents(chosen, values, width), strict=True
    ):
        weights[place].fill_(-torch.inf)[window] = exponents
    rows = max(1, _PIXELS_AT_ONCE // (len(chosen) * chosen.size[1]))
    for top in range(0, chosen.size[0], rows):
        part = slice(top, top + rows)
        weights[places, part] = weights[places, part].softmax(0)
    return weights


def strengths_by_depth(
    regions: Regions,
    depth: Tensor,
    *,
    nearest: float = 1.0,
    farthest: float = 0.0,
    near_is: str = "white",
    spacing: str = "rank",
) -> list[float]:
    """A strength for each region by how far away it is, for `blend_strengths`.

    depth: (1, h, w) or (h, w), of the regions' shape. A region's depth is the median over its
    finite pixels; without any it counts as farthest. spacing: "rank" = evenly by depth order,
    "depth" = in proportion to it. The nearest region gets `nearest`, the farthest
    `farthest`; a single one `nearest`.
    """
    check_choice("Strengths by depth: near_is", near_is, NEAR_IS)
    check_choice("Strengths by depth: spacing", spacing, ("rank", "depth"))
    plane = depth_beside(depth, regions.size, regions.device, "Strengths by depth")
    if near_is == "white":
        plane = -plane
    middles: list[float] = []
    for _, masks in regions.chunks():
        for mask in masks:
            inside = plane[mask]
            known = inside[inside.isfinite()]
            middles.append(quantile(known, 0.5) if known.numel() else math.inf)
    return _spread(middles, nearest, farthest, spacing == "rank")


def strengths_by_rank(
    regions: Regions, *, by: str = "area", first: float = 1.0, last: float = 0.0
) -> list[float]:
    """A strength for each region by its place in an order, evenly from `first` to `last`.

    by: "area" (largest first), "left", "top" (centroid), "score" (highest first). Equals share.
    """
    orders = {
        "area": -regions.areas,
        "left": regions.centroids[:, 0],
        "top": regions.centroids[:, 1],
        "score": -regions.scores,
    }
    check_choice("Strengths by rank: by", by, orders)
    return _spread(orders[by].tolist(), first, last, True)


def _spread(values: list[float], first: float, last: float, by_rank: bool) -> list[float]:
    if not values:
        return []
    order = torch.tensor(values, dtype=torch.float64)
    if by_rank:
        place = ranks(order)
    else:
        known = order[order.isfinite()]
        low, high = (float(known.min()), float(known.max())) if known.numel() else (0.0, 0.0)
        place = ((order - low) / ((high - low) or 1.0)).clamp(0, 1)
    return [float(first + (last - first) * t) for t in place.tolist()]


def _pair(
    regions: Regions | Tensor,
    strengths: Sequence[float] | Mapping[str, float] | Tensor,
    default: float,
) -> tuple[Regions, list[float]]:
    """Regions in canonical order, and the strength of each."""
    count = len(regions) if isinstance(regions, Regions) else as_mask(regions).shape[0]
    if isinstance(strengths, Mapping):
        if not isinstance(regions, Regions):
            raise InputError("Blend Region Strengths: masks have no labels; give a list.")
        values = [float(strengths.get(label, default)) for label in regions.labels]
    else:
        values = [float(value) for value in strengths]
    if len(values) != count:
        raise InputError(
            f"Blend Region Strengths: {counted(count, 'region')} but "
            f"{counted(len(values), 'strength')}. "
            "Give one strength per region."
        )
    for value in values:
        check_number("Blend Region Strengths: strength", value, 0, 1)
    if isinstance(regions, Regions):
        return regions, values
    ordered = Regions.from_masks(as_mask(regions), scores=values, ids=range(count))
    return ordered, [values[i] for i in ordered.ids.tolist()]


def _with_outside(
    regions: Regions, values: list[float], outside: float
) -> tuple[Regions, list[float]]:
    uncovered = ~regions.union()
    if not bool(uncovered.any()):
        return regions, values
    every = [*values, outside]
    packed = torch.cat([regions.packed, pack_bits(uncovered)[None]])
    # Equal masks follow their score, so that the strengths alone decide on the order.
    more = Regions.from_packed(
        packed, regions.size, scores=every, ids=range(len(every)), owned=True
    )
    return more, [every[i] for i in more.ids.tolist()]


def _exponents(
    regions: Regions, values: list[float], width: float
) -> Iterator[tuple[Tensor, float, tuple[slice, slice]]]:
    """Signed distance / width of each region, in the window where it can matter.

    A region matters where it is at most REACH * width deeper outside than the nearest one is.
    """
    gap = distance_to(regions.union())
    pad = math.ceil(float(gap.max()) + REACH * width) + 1
    for start, masks in regions.chunks():
        for i, mask in enumerate(masks):
            x0, y0, x1, y1 = regions.boxes[start + i].tolist()
            window = padded_window((x0, y0, x1, y1), pad, regions.size)
            inside = signed_distance(mask[window])
            limit = 2.0 * sum(regions.size)
            yield inside.clamp_(-limit, limit).div_(width), values[start + i], window


def _partition(
    regions: Regions, values: list[float], width: float, progress: Progress | None
) -> Tensor:
    shares = SoftShares(regions.size, regions.device)
    for done, (exponents, value, window) in enumerate(_exponents(regions, values, width)):
        shares.add(exponents, value, window)
        if progress is not None:
            progress(done + 1, len(regions))
    return shares.mean().clamp_(min(values), max(values))


def _membrane(
    regions: Regions,
    values: list[float],
    width: float,
    guide: Tensor | None,
    edge_contrast: float,
) -> Tensor:
    """Cores are claimed by the region that is deepest there."""
    if not 0 < edge_contrast < math.inf:
        raise InputError(
            f"Blend Region Strengths: wanted edge_contrast above 0, got {edge_contrast}."
        )
    deepest = torch.zeros(regions.size, device=regions.device)
    core = torch.zeros(regions.size, device=regions.device)
    for start, masks in regions.chunks():
        for i, mask in enumerate(masks):
            depth = signed_distance(mask).clamp_(max=float(sum(regions.size)))
            enough = min(width, float(depth.max()))
            claims = (depth >= enough) & (depth > deepest)
            core[claims] = values[start + i]
            deepest[claims] = depth[claims]
    weights = edge_weights(guide, regions.size, edge_contrast).to(regions.device)
    return relax(core, deepest > 0, weights)


def _guide(image: Tensor, size: tuple[int, int]) -> Tensor:
    where = "Blend Region Strengths"
    images = check_finite(as_images(image, f"{where}: image"), f"{where}: image")
    common_batch(where, {"regions": 1, "image": images.shape[0]})
    images = images_beside(images, size, f"{where}: an image")
    return srgb_to_oklab(frame(images, 0)[..., :3].to(torch.float32)).permute(2, 0, 1)
