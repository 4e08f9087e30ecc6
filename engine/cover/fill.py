"""Covering all of the image.

A filled set is a partition: every pixel lies in exactly one region, so that a strength, a prompt
or a label exists everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..ops.beside import depth_beside, image_beside
from ..ops.bits import packed_width
from ..ops.checks import InputError, Progress
from ..ops.components import label_components
from ..ops.depth import NEAR_IS
from ..ops.distance import distance_to, nearest_source_of
from ..ops.fields import check_choice, check_number
from ..ops.geodesic import oklab_planes, spread_labels
from ..ops.labels import paint_labels, split_labels
from ..ops.runs import finite_means
from ..ops.shortest_path import contrast_cost
from ..regions import Regions
from .ask_again import Ratings, Segmenter, ask_again

FILL_METHODS = {
    "nearest": "A gap's pixels go to the region with the nearest pixel.",
    "edges": "Regions grow into gaps along the image and stop where its edges are.",
    "background": "All gaps together become one region named background.",
    "new_regions": "Each connected gap becomes a region of its own.",
    "segment": "SAM 2 is asked again inside the gaps until none of min_gap_area pixels is left.",
}
OVERLAP_WINNERS = {
    "smallest": "The smallest of the regions that hold the pixel keeps it.",
    "largest": "The largest keeps it.",
    "highest_score": "The one with the highest predicted IoU keeps it; of equals the smallest.",
    "nearest_depth": "The one with the nearest mean depth keeps it; of equals the smallest.",
}
_BACKGROUND = "background"
_MOST_BYTES = 700 << 20
_SMALLEST_SHARE = 0.001


def fill_coverage(
    regions: Regions,
    method: str = "nearest",
    overlaps: str = "smallest",
    *,
    max_gap: float | None = None,
    min_gap_area: int = 0,
    image: Tensor | None = None,
    image_cost: float = 100.0,
    depth: Tensor | None = None,
    near_is: str = "white",
    segmenter: Segmenter | None = None,
    progress: Progress | None = None,
) -> Regions:
    """Turn regions that overlap and leave gaps into a partition: each pixel in exactly one region.

    overlaps: who keeps a pixel that several hold, as in `OVERLAP_WINNERS`; ties at last go to
    the one earlier in canonical order. A region left without a pixel is dropped; the others keep
    id, scores and label, and every pixel that only they held. "nearest_depth" needs depth (H, W);
    near_is: "white" where larger values are nearer, "black" where farther.
    method: what becomes of pixels that none holds, as in `FILL_METHODS`. "nearest" is exact; of
    regions equally near, the one whose nearest pixel is leftmost, then topmost. "edges" needs
    image (H, W, 3), sRGB; the cheapest path decides, on which an edge of contrast k in Oklab is
    image_cost x k thousandths of the short side long at any resolution, and grain and shading
    cost little (`ops.shortest_path.contrast_cost`). New regions have score 1 and new ids.
    max_gap: only pixels within this many pixels of a region are filled; None fills all. The result
    then may leave the rest out, and a second fill goes farther. min_gap_area: with "new_regions",
    connected gaps (8 neighbours) of fewer pixels go to the nearest region instead.
    "segment" needs a segmenter: a function that gets points x, y inside gaps and gives the regions
    found there, such as `sam2.prompts.point_segmenter`. It is asked until no gap of min_gap_area
    pixels or more (0: 0.1 % of the image) is left; a found region takes the gap's pixels only and
    keeps its score. A gap where nothing is found becomes a region of its own; smaller ones go to
    the nearest region.
    No regions give one region that holds the whole image, or none where max_gap is set. Filling
    a full partition again changes nothing. Raises InputError for an unknown method, a missing image
    or depth, a number below 0, or more new regions than fit in memory.
    """
    check_choice("Fill Coverage: method", method, FILL_METHODS)
    check_choice("Fill Coverage: overlaps", overlaps, OVERLAP_WINNERS)
    if max_gap is not None and not max_gap >= 0:
        raise InputError(f"Fill Coverage: wanted a max_gap of 0 or more pixels, got {max_gap}.")
    check_number("Fill Coverage: min_gap_area", min_gap_area, 0)
    if method == "edges" and image is None:
        raise InputError(
            "Fill Coverage: edges needs image, the picture whose edges count; give it, or fill by "
            "another method."
        )
    if method == "segment" and segmenter is None:
        raise InputError(
            "Fill Coverage: method segment needs a segmenter, which finds regions at points."
        )
    claims = _claims(regions, overlaps, depth, near_is)
    labels = paint_labels(regions.packed, regions.boxes, regions.size[1], claims)
    if len(regions) == 0 and (method != "segment" or max_gap is not None):
        labels += max_gap is None
        return _from_labels(labels, regions, name=_BACKGROUND if method == _BACKGROUND else "")
    gaps = labels == 0
    ratings: Ratings = []
    if max_gap is not None:
        gaps &= distance_to(~gaps) <= max_gap
    if method == "nearest":
        _fill_nearest(labels, gaps)
    elif method == "edges":
        _fill_along_edges(labels, gaps, image, image_cost, progress)
    elif method == _BACKGROUND:
        labels[gaps] = len(regions) + 1
        return _from_labels(labels, regions, name=_BACKGROUND)
    elif method == "segment":
        ratings = _fill_by_segmenting(labels, gaps, len(regions), min_gap_area, segmenter, progress)
    else:
        _fill_anew(labels, gaps, len(regions), min_gap_area)
    return _from_labels(labels, regions, ratings)


def _claims(regions: Regions, overlaps: str, depth: Tensor | None, near_is: str) -> list[int]:
    """Indices of the regions, the one that keeps what it holds first."""
    areas = regions.areas.tolist()
    if overlaps == "largest":
        keys = [-area for area in areas]
    elif overlaps == "highest_score":
        keys = [-score for score in regions.scores.tolist()]
    elif overlaps == "nearest_depth":
        keys = _mean_depths(regions, depth, near_is)
    else:
        keys = areas
    return sorted(range(len(regions)), key=lambda i: (keys[i], areas[i], i))


def _mean_depths(regions: Regions, depth: Tensor | None, near_is: str) -> list[float]:
    """Mean depth over each region, the nearest lowest; inf where it has no finite value."""
    if depth is None:
        raise InputError(
            "Fill Coverage: nearest_depth needs depth; give it, or choose another winner."
        )
    check_choice("Fill Coverage: near_is", near_is, NEAR_IS)
    plane = depth_beside(depth, regions.size, regions.device, "Fill Coverage")
    mean = finite_means(regions.packed, regions.boxes, regions.areas, plane)
    signed = -mean if near_is == "white" else mean
    return signed.nan_to_num(torch.inf).tolist()


def _fill_nearest(labels: Tensor, gaps: Tensor) -> None:
    if gaps.any():
        y, x = nearest_source_of(gaps, labels > 0)
        labels[gaps] = labels[y, x]


def _fill_along_edges(
    labels: Tensor, gaps: Tensor, image: Tensor | None, image_cost: float, progress: Progress | None
) -> None:
    assert image is not None
    check_number("Fill Coverage: image_cost", image_cost, 0, 1e6)
    size = (labels.shape[0], labels.shape[1])
    sized = image_beside(image, size, labels.device, "Fill Coverage")
    if gaps.any():
        cost = contrast_cost(oklab_planes(sized), image_cost).add_(1)
        spread, _ = spread_labels(labels, cost, progress)
        labels[gaps] = spread[gaps]


def _fill_anew(labels: Tensor, gaps: Tensor, count: int, min_gap_area: int) -> None:
    parts, _ = label_components(gaps)
    areas = torch.bincount(parts.reshape(-1))
    large = areas >= max(min_gap_area, 1)
    large[0] = False
    most = _most_regions(labels)
    if count + int(large.sum()) > most:
        raise InputError(
            f"Fill Coverage: {int(large.sum())} gaps would become regions, more than fit in "
            "memory. Raise min_gap_area, or fill by another method."
        )
    names = torch.where(large, count + large.cumsum(0), 0).to(torch.int32)
    fresh = names[parts]
    small = gaps & (fresh == 0)
    _fill_nearest(labels, small)
    labels += fresh


def _fill_by_segmenting(
    labels: Tensor,
    gaps: Tensor,
    count: int,
    min_gap_area: int,
    segmenter: Segmenter | None,
    progress: Progress | None,
) -> Ratings:
    assert segmenter is not None
    least = min_gap_area or max(1, round(_SMALLEST_SHARE * labels.numel()))
    if count == 0:
        least = min(least, labels.numel())
    most = max(0, _most_regions(labels) - count)
    ratings = ask_again(labels, gaps, count + 1, least, segmenter, most, progress)
    _fill_nearest(labels, gaps & (labels == 0))
    return ratings


def _most_regions(labels: Tensor) -> int:
    height, width = labels.shape
    return _MOST_BYTES // (height * packed_width(width))


def _from_labels(
    labels: Tensor, regions: Regions, ratings: Ratings | None = None, name: str = ""
) -> Regions:
    """The regions of a label map: label i + 1 is region i of `regions`, higher ones are new.

    ratings: score and stability of each new one, 1 and 1 unless given. name: its label.
    """
    packed, found = split_labels(labels)
    old = len(regions)
    next_id = int(regions.ids.max()) + 1 if old else 0
    index = [label - 1 for label in found.tolist()]
    fresh = ratings or [(1.0, 1.0)] * (max(index, default=0) + 1 - old)
    scores = [*regions.scores.tolist(), *(score for score, _ in fresh)]
    stability = [*regions.stability.tolist(), *(stable for _, stable in fresh)]
    labels_ = [*regions.labels, *([name] * len(fresh))]
    ids = [*regions.ids.tolist(), *range(next_id, next_id + len(fresh))]
    return Regions.from_packed(
        packed,
        regions.size,
        scores=[scores[i] for i in index],
        labels=[labels_[i] for i in index],
        stability=[stability[i] for i in index],
        ids=[ids[i] for i in index],
        owned=True,
    )
