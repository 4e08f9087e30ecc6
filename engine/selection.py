"""Pick regions by what a person would say of them: the largest, the one at this point, the nearest.

Every criterion measures each region on its own, and ties end at the canonical order, so a choice
never depends on the order in which masks came.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .ops.anchors import whole_pixel
from .ops.beside import depth_beside, image_beside, mask_beside
from .ops.bits import pack_bits
from .ops.checks import InputError
from .ops.colour import read_hex, srgb_to_oklab
from .ops.depth import NEAR_IS
from .ops.fields import check_choice
from .ops.geodesic import oklab_planes
from .ops.runs import (
    bits_at,
    border_lengths,
    finite_means,
    intersection_areas,
    mask_sums,
    squared_distances,
)
from .regions import Regions


@dataclass(frozen=True)
class Question:
    """What a criterion may ask for besides the regions. See `select`."""

    point: tuple[float, float] | None = None
    mask: Tensor | None = None
    image: Tensor | None = None
    depth: Tensor | None = None
    near_is: str = "white"
    color: str | Sequence[float] | None = None
    label: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.point is not None and not all(abs(value) < 1e6 for value in self.point):
            raise InputError(f"Select: wanted a point x, y in pixels, got {self.point}.")


@dataclass(frozen=True)
class Criterion:
    """One way of ranking regions.

    measure: gives float64 (N,), the lowest first; inf for a region it can never choose. needs:
    arguments of `select` without which it can't work. ties: the criterion that settles ties
    unless `then_by` does. meaning: the definition in a sentence, for tooltips and help pages.
    """

    measure: Callable[[Regions, Question], Tensor]
    meaning: str
    needs: tuple[str, ...] = ()
    ties: str = ""


def select(
    regions: Regions,
    by: str,
    count: int = 1,
    point: Sequence[float] | None = None,
    *,
    mask: Tensor | None = None,
    image: Tensor | None = None,
    depth: Tensor | None = None,
    near_is: str = "white",
    color: str | Sequence[float] | None = None,
    label: str | Sequence[str] | None = None,
    then_by: str = "",
) -> Regions:
    """The best `count` regions by a criterion; fewer where fewer qualify, none of none.

    by: a name in `CRITERIA`, which holds each one's exact definition. count: at least 1. point:
    x, y in pixels; it means the pixel it lies in, and may lie outside the image. mask: (H, W),
    bool or > 0.5. image: sRGB (H, W, 3) in [0, 1]. depth: (H, W), any scale; values that are not
    finite don't count. near_is: "white" where larger depth values are nearer, "black" where they
    are farther. A mask, image or depth of another size is
    resized to the regions'; one of another shape is refused. color:
    "#rrggbb", or sRGB values in [0, 1]. label: one or several, compared without regard to case.
    then_by: the criterion that settles ties; what is still tied follows the canonical order.

    Raises InputError for an unknown criterion, or one whose argument is missing.
    """
    if count < 1:
        raise InputError(f"Select: wanted a count of at least 1, got {count}.")
    question = Question(_as_point(point), mask, image, depth, near_is, color, label)
    return regions.take(rank(regions, by, question, then_by)[:count])


def rank(
    regions: Regions, by: str, question: Question, then_by: str = "", reverse: bool = False
) -> list[int]:
    """Indices of the regions that qualify, the best first. Arguments as in `select`."""
    first = _measured(regions, by, question)
    tie = then_by or CRITERIA[by].ties
    second = _measured(regions, tie, question) if tie else [0.0] * len(regions)
    qualified = [i for i, value in enumerate(first) if value < math.inf]
    sign = -1 if reverse else 1
    return sorted(qualified, key=lambda i: (sign * first[i], sign * second[i], i))


def sort_order(
    regions: Regions, by: str, question: Question, then_by: str = "", reverse: bool = False
) -> list[int]:
    """Indices of all regions in the order of a criterion, the best first; reversed the worst.

    Regions that the criterion can't choose come last, and ties follow the canonical order, reversed
    or not. Arguments as in `select`.
    """
    ranked = rank(regions, by, question, then_by, reverse)
    placed = set(ranked)
    return [*ranked, *(i for i in range(len(regions)) if i not in placed)]


def renumbered(regions: Regions, order: Sequence[int]) -> Regions:
    """The same regions with their places in `order` as ids: 0 is its first."""
    ids = torch.empty(len(regions), dtype=torch.int64)
    ids[torch.tensor(order, dtype=torch.int64)] = torch.arange(len(regions))
    return Regions.from_packed(
        regions.packed, regions.size, regions.scores, regions.labels, regions.stability, ids
    )


def rest_of(regions: Regions, chosen: Regions) -> Regions:
    """The regions whose ids are not among those of `chosen`."""
    taken = set(chosen.ids.tolist())
    return regions.take([i for i, own in enumerate(regions.ids.tolist()) if own not in taken])


def subject(regions: Regions) -> Regions:
    """The one region that a person would call the subject; none where there are no regions.

    The highest of size x centrality x freedom, where size = sqrt(area / image area), at most
    sqrt(1/2); centrality = 1 - distance of the centroid from the image's centre / half the
    diagonal; freedom = exp(-8 x share of the image's border that the region takes up), so that
    backgrounds, which touch much of it, lose. Nothing is learned. Ties follow canonical order.
    """
    height, width = regions.size
    if len(regions) == 0:
        return regions
    size = (regions.areas.to(torch.float64) / (height * width)).clamp(max=0.5).sqrt()
    half_diagonal = max(math.hypot(width - 1, height - 1) / 2, 0.5)
    centrality = 1 - _from_centre(regions, Question()) / half_diagonal
    around = 2 * (width + height)
    freedom = torch.exp(-8 * border_lengths(regions.packed, width).to(torch.float64) / around)
    return regions.take([int((size * centrality * freedom).argmax())])


# --- criteria ---------------------------------------------------------------------------------


def _area(regions: Regions, question: Question) -> Tensor:
    return regions.areas


def _from_centre(regions: Regions, question: Question) -> Tensor:
    height, width = regions.size
    centre = regions.centroids.new_tensor([(width - 1) / 2, (height - 1) / 2])
    return (regions.centroids - centre).square().sum(-1).sqrt()


def _from_point(regions: Regions, question: Question) -> Tensor:
    x, y = _pixel(question)
    return squared_distances(regions.packed, regions.boxes, x, y)


def _containing(regions: Regions, question: Question) -> Tensor:
    x, y = _pixel(question)
    height, width = regions.size
    if not (0 <= x < width and 0 <= y < height):
        return torch.full((len(regions),), torch.inf)
    return torch.where(bits_at(regions.packed, x, y), regions.areas.to(torch.float64), torch.inf)


def _iou(regions: Regions, question: Question) -> Tensor:
    plane, shared = _overlap(regions, question)
    union = regions.areas + int(plane.sum()) - shared
    return torch.where(shared > 0, -shared / union.to(torch.float64), torch.inf)


def _share_inside(regions: Regions, question: Question) -> Tensor:
    _, shared = _overlap(regions, question)
    return torch.where(shared > 0, -shared / regions.areas.to(torch.float64), torch.inf)


def _depth(regions: Regions, question: Question) -> Tensor:
    """Mean depth over each region, larger = farther; inf where it has no valid value."""
    assert question.depth is not None
    check_choice("near_is", question.near_is, NEAR_IS)
    plane = depth_beside(question.depth, regions.size, regions.device)
    mean = finite_means(regions.packed, regions.boxes, regions.areas, plane)
    return (-mean if question.near_is == "white" else mean).nan_to_num(torch.inf)


def _depth_reversed(regions: Regions, question: Question) -> Tensor:
    depth = _depth(regions, question)
    return torch.where(depth.isfinite(), -depth, torch.inf)


def _colour(regions: Regions, question: Question) -> Tensor:
    """Distance in Oklab between each region's mean colour and the one asked for."""
    assert question.image is not None
    assert question.color is not None
    sized = image_beside(question.image, regions.size, regions.device)
    sums = mask_sums(regions.packed, regions.boxes, oklab_planes(sized))
    mean = sums / regions.areas[:, None]
    wanted = srgb_to_oklab(torch.tensor(_as_color(question.color))).to(mean)
    return (mean - wanted).square().sum(-1).sqrt()


def _label(regions: Regions, question: Question) -> Tensor:
    asked = [question.label] if isinstance(question.label, str) else question.label or ()
    names = {name.strip().casefold() for name in asked}
    hit = [0.0 if label.strip().casefold() in names else math.inf for label in regions.labels]
    return torch.tensor(hit, dtype=torch.float64)


CRITERIA: dict[str, Criterion] = {
    "largest": Criterion(lambda r, q: -_area(r, q), "Most pixels."),
    "smallest": Criterion(_area, "Fewest pixels."),
    "most_central": Criterion(
        _from_centre, "Centroid (mean of its pixels) nearest to the image's centre."
    ),
    "nearest_point": Criterion(
        _from_point,
        "Its nearest pixel is nearest to the point's pixel; of equals, as when several hold it, "
        "the smallest.",
        ("point",),
        "smallest",
    ),
    "containing_point": Criterion(
        _containing, "Holds the point's pixel; the smallest such region first.", ("point",)
    ),
    "left_most": Criterion(lambda r, q: r.centroids[:, 0], "Centroid farthest to the left."),
    "right_most": Criterion(lambda r, q: -r.centroids[:, 0], "Centroid farthest to the right."),
    "top_most": Criterion(lambda r, q: r.centroids[:, 1], "Centroid farthest up."),
    "bottom_most": Criterion(lambda r, q: -r.centroids[:, 1], "Centroid farthest down."),
    "highest_score": Criterion(lambda r, q: -r.scores, "Highest predicted IoU."),
    "most_stable": Criterion(lambda r, q: -r.stability, "Highest stability score."),
    "nearest_in_depth": Criterion(
        _depth, "Mean depth over its pixels nearest to the viewer.", ("depth",)
    ),
    "farthest_in_depth": Criterion(
        _depth_reversed, "Mean depth over its pixels farthest from the viewer.", ("depth",)
    ),
    "best_iou": Criterion(
        _iou, "Highest IoU with the mask: shared pixels / pixels in either.", ("mask",)
    ),
    "most_inside": Criterion(
        _share_inside, "Largest share of its own pixels inside the mask.", ("mask",)
    ),
    "closest_color": Criterion(
        _colour, "Mean colour over its pixels closest in Oklab.", ("image", "color")
    ),
    "label": Criterion(_label, "Named so, upper or lower case; the largest first.", ("label",)),
}
"""Every criterion of `select` by name, in the order to show them."""


def _measured(regions: Regions, by: str, question: Question) -> list[float]:
    criterion = CRITERIA[check_choice("Select", by, CRITERIA)]
    for name in criterion.needs:
        if getattr(question, name) is None:
            raise InputError(f"{by} needs {name}; give it, or select by something else.")
    return criterion.measure(regions, question).to(torch.float64).tolist()


def _overlap(regions: Regions, question: Question) -> tuple[Tensor, Tensor]:
    """The mask asked about, bool (H, W), and how many of its pixels each region holds."""
    assert question.mask is not None
    plane = mask_beside(question.mask, regions.size, regions.device)
    return plane, intersection_areas(regions.packed, pack_bits(plane))


def _as_point(point: Sequence[float] | None) -> tuple[float, float] | None:
    if point is None:
        return None
    values = [float(value) for value in point]
    if len(values) != 2:
        raise InputError(f"Select: wanted a point x, y in pixels, got {values}.")
    return values[0], values[1]


def _pixel(question: Question) -> tuple[int, int]:
    """The pixel that the point lies in: centres are at whole numbers."""
    assert question.point is not None
    x, y = question.point
    return whole_pixel(x), whole_pixel(y)


def _as_color(color: str | Sequence[float]) -> Sequence[float]:
    values = read_hex(color) if isinstance(color, str) else [float(value) for value in color]
    if values is None or len(values) != 3 or not all(0 <= value <= 1 for value in values):
        raise InputError(f'Select: wanted a colour "#rrggbb" or three values 0..1, got {color!r}.')
    return values
