"""Filling gaps with what a segmenter finds when it is asked inside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from ..ops.checks import InputError, Progress
from ..ops.components import label_components
from ..regions import Regions
from .measure import deepest_points

Segmenter: TypeAlias = Callable[[Sequence[tuple[int, int]]], Regions]
"""Given points x, y, the regions found there, each with the index of its point as its id."""

Ratings: TypeAlias = "list[tuple[float, float]]"
"""Score and stability of each new region."""

_POINTS_AT_ONCE = 64


def ask_again(
    labels: Tensor,
    gaps: Tensor,
    first: int,
    least: int,
    segmenter: Segmenter,
    most: int,
    progress: Progress | None,
) -> Ratings:
    """Label the gaps with what `segmenter` finds in them, in place, until none is large.

    labels: int32 (H, W); new ones are numbered from `first`. gaps: bool (H, W), where they are 0
    and may be filled. As long as a connected gap (8 neighbours) has `least` pixels or more, the
    segmenter gets the point deepest inside it, up to 64 gaps at a time. Of what it finds, best
    score first, each region takes its pixels that are still in a gap, if `least` or more are. A
    gap of which nothing was taken so becomes a region as it is: so each round leaves less, and the
    end comes. Returns score and stability for each new label; 1 and 1 for such a gap. What is left
    are gaps of fewer than `least` pixels. Raises InputError for more than `most` new labels.
    """
    total = int(gaps.sum())
    found: Ratings = []

    def take(own: Tensor, rating: tuple[float, float]) -> None:
        if len(found) == most:
            raise InputError(
                f"Fill Coverage: more than {most} new regions, which don't fit in memory. "
                "Raise min_gap_area, or fill by another method."
            )
        found.append(rating)
        labels[own] = first + len(found) - 1

    while True:
        unfilled = gaps & (labels == 0)
        parts, _ = label_components(unfilled)
        points, asked = deepest_points(unfilled, parts, least, _POINTS_AT_ONCE)
        if progress is not None:
            progress(total - int(unfilled.sum()) if points else total, total)
        if not points:
            return found
        for mask, rating in _answers(segmenter(points), labels.device):
            own = mask & gaps & (labels == 0)
            if int(own.sum()) >= least:
                take(own, rating)
        for part in asked:
            whole = parts == part
            if not bool((labels[whole] > 0).any()):
                take(whole, (1.0, 1.0))


def _answers(
    regions: Regions, device: torch.device
) -> Iterator[tuple[Tensor, tuple[float, float]]]:
    """Each region's mask (H, W) with its score and stability, the best score first."""
    scores, stability = regions.scores.tolist(), regions.stability.tolist()
    for i in sorted(range(len(regions)), key=lambda i: (-scores[i], -stability[i], i)):
        yield regions.take([i]).union().to(device), (scores[i], stability[i])
