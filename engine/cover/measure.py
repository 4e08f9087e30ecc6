"""How much of the image the regions cover, and where the gaps are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..ops.checks import InputError
from ..ops.components import label_components
from ..ops.distance import distance_to
from ..ops.labels import count_map, label_boxes, split_labels
from ..regions import Regions

_LARGEST_GAPS = 10


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

    def facts(self) -> dict[str, float]:
        """How many regions, and the shares covered and overlapped to six places, as for JSON."""
        return {
            "regions": self.regions,
            "covered": round(self.covered, 6),
            "overlapped": round(self.overlapped, 6),
        }

    @property
    def most(self) -> int:
        """How many regions hold the pixel that most of them hold."""
        return int(self.counts.max())

    @property
    def uncovered(self) -> Tensor:
        """Pixels that no region holds, bool (H, W)."""
        return self.counts == 0

    def sentence(self) -> str:
        """The coverage in words."""
        if not self.regions:
            return "No region: nothing of the image is covered."
        noun = "region covers" if self.regions == 1 else "regions cover"
        text = f"{self.regions} {noun} {_percent(self.covered)} of the image"
        if self.overlapped:
            text += f", {_percent(self.overlapped)} more than once (up to {self.most} deep)"
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


def gap_points(regions: Regions, min_gap_area: int = 1, count: int = 64) -> list[tuple[int, int]]:
    """Where to prompt a segmenter so that it finds what the regions leave out.

    The `deepest_points` of what they don't cover.
    """
    if min_gap_area < 1 or count < 1:
        raise InputError("Gap points: wanted a smallest gap and a count of at least 1.")
    uncovered = ~regions.union()
    return deepest_points(uncovered, label_components(uncovered)[0], min_gap_area, count)[0]


def deepest_points(
    gaps: Tensor, parts: Tensor, smallest: int, count: int
) -> tuple[list[tuple[int, int]], list[int]]:
    """The pixel x, y deepest inside each large part of `gaps`, and the numbers of these parts.

    gaps: bool (H, W). parts: int (H, W), its connected parts. For each part of at least `smallest`
    pixels, the largest first and at most `count` of them: the pixel farthest from anything that is
    no gap and from the image's border; of equals the topmost, then leftmost.
    """
    areas = torch.bincount(parts.reshape(-1))
    areas[0] = 0
    chosen = [
        part
        for part in areas.argsort(descending=True, stable=True).tolist()[:count]
        if int(areas[part]) >= smallest
    ]
    if not chosen:
        return [], []
    framed = torch.nn.functional.pad(~gaps, (1, 1, 1, 1), value=True)
    depth = distance_to(framed)[1:-1, 1:-1]
    boxes, points = label_boxes(parts), []
    for part in chosen:
        x0, y0, x1, y1 = boxes[part]
        inside = torch.where(parts[y0:y1, x0:x1] == part, depth[y0:y1, x0:x1], -1)
        y, x = divmod(int(inside.argmax()), x1 - x0)
        points.append((x0 + x, y0 + y))
    return points, chosen


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
