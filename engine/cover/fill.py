"""How much of the image the regions cover, and covering all of it.

A filled set is a partition: every pixel lies in exactly one region, so that a strength, a prompt
or a label exists everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .ops.bits import packed_width
from .ops.checks import InputError, Progress
from .ops.components import label_components
from .ops.distance import distance_to, nearest_source_of
from .ops.fields import as_images, as_planes, check_choice
from .ops.geodesic import edge_cost, spread_labels
from .ops.labels import count_map, paint_labels, split_labels
from .ops.resize import resize_field, resize_nearest
from .ops.runs import finite_means
from .regions import Regions

FILL_METHODS = {
    "nearest": "A gap's pixels go to the region with the nearest pixel.",
    "edges": "Regions grow into gaps along the image and stop where its edges are.",
    "background": "All gaps together become one region named background.",
    "new_regions": "Each connected gap becomes a region of its own.",
}
OVERLAP_WINNERS = {
    "smallest": "The smallest of the regions that hold the pixel keeps it.",
    "largest": "The largest keeps it.",
    "highest_score": "The one with the highest predicted IoU keeps it; of equals the smallest.",
    "nearest_depth": "The one with the nearest mean depth keeps it; of equals the smallest.",
}
_LARGEST_GAPS = 10
_MOST_BYTES = 700 << 20


@dataclass(frozen=True)
class Coverage:
    """What a set of regions covers of its image.

    counts: int32 (H, W), how many regions hold each pixel. regions: how many there are. gaps: the
    largest connected parts (8 neighbours) that no region holds, at most 10. gap_count: how many
    there are in all.
    """

    counts: Tensor
    regions: int
    gaps: Regions
    gap_count: int

    @property
    def covered(self) -> float:
        """Share of the pixels that some region holds, 0..1."""
        return float((self.counts > 0).sum()) / self.counts.numel()

    @property
    def overlapped(self) -> float:
        """Share of the pixels that two or more regions hold, 0..1."""
        return float((self.counts > 1).sum()) / self.counts.numel()

    @property
    def uncovered(self) -> Tensor:
        """Pixels that no region holds, bool (H, W)."""
        return self.counts == 0

    def sentence(self) -> str:
        """The coverage in words."""
        noun = "region covers" if self.regions == 1 else "regions cover"
        text = f"{self.regions} {noun} {_percent(self.covered)} of the image"
        if self.overlapped:
            text += f", {_percent(self.overlapped)} more than once"
        if not self.gap_count:
            return f"{text}; no pixel is left out."
        largest = float(self.gaps.areas[0]) / self.counts.numel()
        if self.gap_count == 1:
            return f"{text}; one gap of {_percent(largest)} is in no region."
        return (
            f"{text}; {_percent(1 - self.covered)} is in no region, "
            f"in {self.gap_count} gaps, the largest {_percent(largest)}."
        )


def measure_coverage(regions: Regions) -> Coverage:
    """Measure what `regions` cover. N = 0 covers nothing: one gap, the whole image."""
    counts = count_map(regions.packed, regions.boxes, regions.size[1])
    labels, found = label_components(counts == 0)
    return Coverage(counts, len(regions), _largest(labels, _LARGEST_GAPS), int(found))


def fill_coverage(
    regions: Regions,
    method: str = "nearest",
    overlaps: str = "smallest",
    *,
    max_gap: float | None = None,
    smallest_gap: int = 0,
    image: Tensor | None = None,
    edge_strength: float = 100.0,
    depth: Tensor | None = None,
    near_is: str = "white",
    progress: Progress | None = None,
) -> Regions:
    """Turn regions that overlap and leave gaps into a partition: each pixel in exactly one region.

    overlaps: who keeps a pixel that several hold, as in `OVERLAP_WINNERS`; ties at last go to
    the one earlier in canonical order. A region left without a pixel is dropped; the others keep
    id, scores and label, and every pixel that only they held. "nearest_depth" needs depth (H, W);
    near_is: "white" where larger values are nearer, "black" where farther.
    method: what becomes of pixels that none holds, as in `FILL_METHODS`. "nearest" is exact; of
    regions equally near, the one whose nearest pixel is leftmost, then topmost. "edges" needs
    image (H, W, 3), sRGB; a step costs its length x (1 + edge_strength x colour gradient, per
    pixel in Oklab), and the cheapest path decides. New regions have score 1 and new ids.
    max_gap: only pixels within so many pixels of a region are filled; None fills all. The result
    then may leave the rest out. smallest_gap: with "new_regions", connected gaps (8 neighbours) of
    fewer pixels go to the nearest region instead.
    No regions give one region that holds the whole image, or none where max_gap is set. Filling
    a filled set again changes nothing. Raises InputError for an unknown method, a missing image
    or depth, a negative max_gap, or more new regions than fit in memory.
    """
    check_choice("Fill Coverage: method", method, FILL_METHODS)
    check_choice("Fill Coverage: overlaps", overlaps, OVERLAP_WINNERS)
    if max_gap is not None and not max_gap >= 0:
        raise InputError(f"Fill Coverage: wanted a max_gap of 0 or more pixels, got {max_gap}.")
    if method == "edges" and image is None:
        raise InputError("Fill Coverage: filling along edges needs the image; connect it.")
    claims = _claims(regions, overlaps, depth, near_is)
    labels = paint_labels(regions.packed, regions.boxes, regions.size[1], claims)
    if len(regions) == 0:
        labels += max_gap is None
        return _from_labels(labels, regions, background=False)
    gaps = labels == 0
    if max_gap is not None:
        gaps &= distance_to(~gaps) <= max_gap
    if method == "nearest":
        _fill_nearest(labels, gaps)
    elif method == "edges":
        _fill_along_edges(labels, gaps, image, edge_strength, progress)
    elif method == "background":
        labels[gaps] = len(regions) + 1
    else:
        _fill_anew(labels, gaps, len(regions), smallest_gap)
    return _from_labels(labels, regions, background=method == "background")


def gap_points(regions: Regions, smallest_gap: int = 1, count: int = 64) -> list[tuple[int, int]]:
    """Where to prompt a segmenter so that it finds what the regions leave out.

    For each connected gap (8 neighbours) of at least `smallest_gap` pixels, largest first and at
    most `count` of them: the pixel x, y deepest inside the gap, that is farthest from any region
    and from the image's border; of equals the topmost, then leftmost.
    """
    if smallest_gap < 1 or count < 1:
        raise InputError("Gap points: wanted a smallest gap and a count of at least 1.")
    uncovered = ~regions.union()
    labels, _ = label_components(uncovered)
    areas = torch.bincount(labels.reshape(-1))
    areas[0] = 0
    framed = torch.nn.functional.pad(~uncovered, (1, 1, 1, 1), value=True)
    depth = distance_to(framed)[1:-1, 1:-1]
    points = []
    for label in areas.argsort(descending=True, stable=True).tolist()[:count]:
        if int(areas[label]) < smallest_gap:
            break
        deepest = int(torch.where(labels == label, depth, -1).argmax())
        points.append((deepest % regions.size[1], deepest // regions.size[1]))
    return points


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
        raise InputError("Fill Coverage: overlaps by nearest_depth need a depth; connect it.")
    check_choice("Fill Coverage: near_is", near_is, ("white", "black"))
    planes = as_planes(depth, "depth").to(regions.device, torch.float32)
    if planes.shape[0] != 1:
        raise InputError(f"Fill Coverage: wanted one depth map, got {planes.shape[0]}.")
    plane = resize_nearest(planes, regions.size)[0]
    mean = finite_means(regions.packed, regions.boxes, regions.areas, plane)
    signed = -mean if near_is == "white" else mean
    return signed.nan_to_num(torch.inf).tolist()


def _fill_nearest(labels: Tensor, gaps: Tensor) -> None:
    if gaps.any():
        y, x = nearest_source_of(gaps, labels > 0)
        labels[gaps] = labels[y, x]


def _fill_along_edges(
    labels: Tensor, gaps: Tensor, image: Tensor | None, strength: float, progress: Progress | None
) -> None:
    assert image is not None
    images = as_images(image)[..., :3].to(labels.device, torch.float32)
    if images.shape[0] != 1:
        raise InputError(f"Fill Coverage: wanted one image, got {images.shape[0]}.")
    if not strength >= 0:
        raise InputError(f"Fill Coverage: wanted an edge_strength of 0 or more, got {strength}.")
    size = (labels.shape[0], labels.shape[1])
    sized = resize_field(images[0].movedim(-1, 0), size).movedim(0, -1)
    if gaps.any():
        spread, _ = spread_labels(labels, edge_cost(sized, strength), progress)
        labels[gaps] = spread[gaps]


def _fill_anew(labels: Tensor, gaps: Tensor, count: int, smallest_gap: int) -> None:
    parts, _ = label_components(gaps)
    areas = torch.bincount(parts.reshape(-1))
    large = areas >= max(smallest_gap, 1)
    large[0] = False
    height, width = labels.shape
    most = _MOST_BYTES // (height * packed_width(width))
    if count + int(large.sum()) > most:
        raise InputError(
            f"Fill Coverage: {int(large.sum())} gaps would become regions, more than fit in "
            "memory. Raise smallest_gap, or fill by another method."
        )
    names = torch.where(large, count + large.cumsum(0), 0).to(torch.int32)
    fresh = names[parts]
    small = gaps & (fresh == 0)
    _fill_nearest(labels, small)
    labels += fresh


def _from_labels(labels: Tensor, regions: Regions, background: bool) -> Regions:
    """The regions of a label map: label i + 1 is region i of `regions`, higher ones are new."""
    packed, found = split_labels(labels)
    old = len(regions)
    next_id = int(regions.ids.max()) + 1 if old else 0
    index = [label - 1 for label in found.tolist()]
    scores, stability = regions.scores.tolist(), regions.stability.tolist()
    ids, name = regions.ids.tolist(), "background" if background else ""
    return Regions.from_packed(
        packed,
        regions.size,
        scores=[scores[i] if i < old else 1.0 for i in index],
        labels=[regions.labels[i] if i < old else name for i in index],
        stability=[stability[i] if i < old else 1.0 for i in index],
        ids=[ids[i] if i < old else next_id + i - old for i in index],
        owned=True,
    )


def _largest(labels: Tensor, count: int) -> Regions:
    """The `count` largest parts of a label map, the first found of equals."""
    areas = torch.bincount(labels.reshape(-1))
    areas[0] = 0
    order = areas.argsort(descending=True, stable=True)[:count]
    chosen = torch.zeros_like(areas)
    chosen[order] = torch.arange(1, len(order) + 1, device=labels.device)
    chosen[areas == 0] = 0
    packed, _ = split_labels(chosen[labels])
    return Regions.from_packed(packed, (labels.shape[0], labels.shape[1]))


def _percent(share: float) -> str:
    percent = 100 * share
    if 0 < percent < 0.1:
        return "less than 0.1 %"
    if 99.9 < percent < 100:
        return "more than 99.9 %"
    return f"{percent:.1f} %".replace(".0 %", " %")
