"""Regions: the one data type that every stage speaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .ops.bits import (
    any_row,
    chunk_length,
    measure_packed,
    pack_bits,
    packed_width,
    unpack_bits,
)
from .ops.checks import InputError, counted
from .ops.precision import has_float64, where_float64

_UNPACKED_AT_ONCE = 64 << 20


@dataclass(frozen=True, eq=False)
class Regions:
    """An immutable set of N regions of one image; they may overlap and need not cover it.

    A region has at least one pixel: empty masks are dropped when the set is built. The order is
    canonical (larger area first, then top, then left, then the mask's bytes), so the same masks
    in any order give the same object. Build one with `from_masks` or `from_packed`.

    packed: uint8 (N, H, ceil(W / 8)), as in `ops.bits`. size: (H, W) in pixels.
    areas: int64 (N,), pixels. boxes: int64 (N, 4) as x0, y0, x1, y1, the last two exclusive.
    centroids: float64 (N, 2) as x, y; the pixel in column x has its centre at x.
    scores: float32 (N,), predicted IoU, 1 where unknown. stability: float32 (N,), likewise.
    labels: N strings, empty where unnamed. ids: int64 (N,), distinct; an identity that selection,
    editing and the frames of a video carry along, by default 0..N-1 in canonical order.
    """

    packed: Tensor
    size: tuple[int, int]
    areas: Tensor
    boxes: Tensor
    centroids: Tensor
    scores: Tensor
    stability: Tensor
    labels: tuple[str, ...]
    ids: Tensor

    @classmethod
    def from_masks(
        cls,
        masks: Tensor,
        scores: Tensor | Sequence[float] | None = None,
        labels: Sequence[str] | None = None,
        stability: Tensor | Sequence[float] | None = None,
        ids: Tensor | Sequence[int] | None = None,
    ) -> Regions:
        """Build from masks (N, H, W) or one mask (H, W): bool, or float with > 0.5 inside.

        The other arguments, where given, hold one value per mask. Raises InputError when shapes
        or counts don't match, or ids repeat.
        """
        if masks.ndim == 2:
            masks = masks[None]
        if masks.ndim != 3 or min(masks.shape[1:]) < 1:
            raise InputError(f"Regions: wanted masks (N, H, W), got shape {tuple(masks.shape)}.")
        count, height, width = masks.shape
        packed = torch.empty(
            (count, height, packed_width(width)), dtype=torch.uint8, device=masks.device
        )
        step = chunk_length(height * width, _UNPACKED_AT_ONCE)
        for start in range(0, count, step):
            part = masks[start : start + step]
            packed[start : start + step] = pack_bits(_as_bool(part))
        return cls.from_packed(packed, (height, width), scores, labels, stability, ids, owned=True)

    @classmethod
    def from_packed(
        cls,
        packed: Tensor,
        size: tuple[int, int],
        scores: Tensor | Sequence[float] | None = None,
        labels: Sequence[str] | None = None,
        stability: Tensor | Sequence[float] | None = None,
        ids: Tensor | Sequence[int] | None = None,
        *,
        owned: bool = False,
    ) -> Regions:
        """Build from packed masks uint8 (N, H, ceil(W / 8)); see `from_masks`.

        `packed` is taken over without a copy where it is in canonical order already, so that
        large sets don't exist twice: don't write to it afterwards. owned: it may also be brought
        into that order in place; for a tensor that nobody else holds. On a device without float64,
        which centroids are in (Apple's GPUs), the regions come to the CPU.
        """
        packed = where_float64(packed)
        height, width = _checked(size)
        wanted = (packed.shape[0], height, packed_width(width))
        if packed.dtype != torch.uint8 or tuple(packed.shape) != wanted:
            raise InputError(
                f"Regions: wanted packed masks uint8 {wanted}, "
                f"got {packed.dtype} {tuple(packed.shape)}."
            )
        count, device = packed.shape[0], packed.device
        areas, boxes, centroids = measure_packed(packed, width)
        score = _per_mask("scores", scores, count, 1.0, device)
        stable = _per_mask("stability", stability, count, 1.0, device)
        names = tuple(labels) if labels is not None else ("",) * count
        if len(names) != count:
            raise InputError(
                f"Regions: {counted(count, 'mask')} but {counted(len(names), 'label')}."
            )
        given = None if ids is None else torch.as_tensor(ids, dtype=torch.int64, device=device)
        if given is not None and given.shape != (count,):
            raise InputError(
                f"Regions: {counted(count, 'mask')} but ids of shape {tuple(given.shape)}."
            )
        if given is not None and len(set(given.tolist())) != count:
            raise InputError("Regions: ids repeat; give each mask its own.")
        order = _canonical_order(packed, areas, boxes, score, stable, names, given)
        index = torch.tensor(order, dtype=torch.int64, device=device)
        return cls(
            packed=_reordered(packed, order, owned),
            size=(height, width),
            areas=areas[index],
            boxes=boxes[index],
            centroids=centroids[index],
            scores=score[index],
            stability=stable[index],
            labels=tuple(names[i] for i in order),
            ids=torch.arange(len(order), device=device) if given is None else given[index],
        )

    @classmethod
    def from_each(
        cls,
        masks: Iterable[Tensor],
        count: int,
        size: tuple[int, int],
        scores: Tensor | Sequence[float] | None = None,
        labels: Sequence[str] | None = None,
        stability: Tensor | Sequence[float] | None = None,
        ids: Tensor | Sequence[int] | None = None,
    ) -> Regions:
        """Build from `count` masks (H, W) of `size` that come one at a time; see `from_masks`.

        Each is packed as it comes, so that a large set never exists unpacked. They lie on the CPU.
        """
        height, width = _checked(size)
        try:
            packed = torch.empty((count, height, packed_width(width)), dtype=torch.uint8)
        except RuntimeError as error:
            raise InputError(
                f"Regions: {count} of {width} x {height} pixels don't fit in memory."
            ) from error
        for plane, mask in zip(packed, masks, strict=True):
            if tuple(mask.shape) != (height, width):
                raise InputError(
                    f"Regions: wanted masks of {width} x {height} pixels, got shape "
                    f"{tuple(mask.shape)}."
                )
            plane.copy_(pack_bits(_as_bool(mask)))
        return cls.from_packed(packed, size, scores, labels, stability, ids, owned=True)

    @classmethod
    def empty(cls, size: tuple[int, int], device: torch.device | str = "cpu") -> Regions:
        """No regions of an image of `size` (H, W)."""
        height, width = size
        packed = torch.zeros((0, height, packed_width(width)), dtype=torch.uint8, device=device)
        return cls.from_packed(packed, size)

    def __len__(self) -> int:
        return int(self.packed.shape[0])

    @property
    def device(self) -> torch.device:
        return self.packed.device

    @property
    def masks(self) -> Tensor:
        """All masks, bool (N, H, W). N * H * W bytes: prefer `chunks` where N may be large."""
        return unpack_bits(self.packed, self.size[1])

    def chunks(self, budget: int = _UNPACKED_AT_ONCE) -> Iterator[tuple[int, Tensor]]:
        """Yield (index of the first, bool masks (n, H, W)) with n * H * W near `budget` bytes."""
        height, width = self.size
        step = chunk_length(height * width, budget)
        for start in range(0, len(self), step):
            yield start, unpack_bits(self.packed[start : start + step], width)

    def take(self, index: Tensor | Sequence[int] | Sequence[bool]) -> Regions:
        """The regions at `index` (ints, or one bool per region), ids and labels kept.

        The result is a set in canonical order again: the order of `index` has no meaning, and an
        index named twice counts once. Raises InputError for an index outside 0..N-1.
        """
        chosen = torch.as_tensor(index, device=self.device)
        if chosen.dtype == torch.bool:
            if chosen.shape != (len(self),):
                raise InputError(
                    f"Regions.take: {counted(len(self), 'region')} but choices of shape "
                    f"{tuple(chosen.shape)}."
                )
            chosen = chosen.nonzero().squeeze(-1)
        distinct = sorted({int(i) for i in chosen.reshape(-1).tolist()})
        if distinct and (distinct[0] < 0 or distinct[-1] >= len(self)):
            raise InputError(f"Regions.take: wanted indices in 0..{len(self) - 1}, got {index}.")
        chosen = torch.tensor(distinct, dtype=torch.int64, device=self.device)
        together = bool(distinct) and distinct[-1] - distinct[0] + 1 == len(distinct)
        return Regions(
            # Neighbours are a view: hundreds of sets of one take no more than the one they are of.
            packed=self.packed[distinct[0] : distinct[-1] + 1] if together else self.packed[chosen],
            size=self.size,
            areas=self.areas[chosen],
            boxes=self.boxes[chosen],
            centroids=self.centroids[chosen],
            scores=self.scores[chosen],
            stability=self.stability[chosen],
            labels=tuple(self.labels[i] for i in distinct),
            ids=self.ids[chosen],
        )

    def union(self) -> Tensor:
        """Pixels in any region, bool (H, W); all False when there are no regions."""
        height, width = self.size
        if len(self) == 0:
            return torch.zeros((height, width), dtype=torch.bool, device=self.device)
        covered = any_row(self.packed.flatten(1).unsqueeze(0)).view(height, -1)
        return unpack_bits(covered, width)

    def with_labels(self, labels: Sequence[str]) -> Regions:
        """The same regions under other names, one per region in canonical order."""
        if len(labels) != len(self):
            raise InputError(
                f"Regions: {counted(len(self), 'region')} but {counted(len(labels), 'label')}."
            )
        return replace(self, labels=tuple(labels))

    def to(self, device: torch.device | str) -> Regions:
        """The same regions with every tensor on `device`, or the CPU if that has no float64."""
        place = torch.device(device)
        place = place if has_float64(place) else torch.device("cpu")
        moved: dict[str, Any] = {
            name: value.to(place) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    def equals(self, other: Regions) -> bool:
        """Whether size, masks, scores, stability, labels and ids are all equal."""
        return (
            self.size == other.size
            and self.labels == other.labels
            and torch.equal(self.packed, other.packed)
            and torch.equal(self.scores, other.scores)
            and torch.equal(self.stability, other.stability)
            and torch.equal(self.ids, other.ids)
        )


def _checked(size: tuple[int, int]) -> tuple[int, int]:
    if min(size) < 1:
        raise InputError(f"Regions: wanted a picture with pixels, got {size[1]} x {size[0]}.")
    return size


def _as_bool(masks: Tensor) -> Tensor:
    return masks if masks.dtype == torch.bool else masks > 0.5


def _per_mask(
    name: str,
    values: Tensor | Sequence[float] | None,
    count: int,
    default: float,
    device: torch.device,
) -> Tensor:
    if values is None:
        return torch.full((count,), default, dtype=torch.float32, device=device)
    given = torch.as_tensor(values, dtype=torch.float32, device=device)
    if given.shape != (count,):
        raise InputError(
            f"Regions: {counted(count, 'mask')} but {name} of shape {tuple(given.shape)}."
        )
    if bool(given.isnan().any()):
        raise InputError(f"Regions: {name} must be numbers, got NaN.")
    return given.clone()


def _reordered(packed: Tensor, order: list[int], in_place: bool) -> Tensor:
    """packed[order]; in place by following the cycles of the permutation, one mask set aside."""
    count = packed.shape[0]
    if order == list(range(count)):
        return packed
    if not in_place:
        return packed[torch.tensor(order, dtype=torch.int64, device=packed.device)]
    kept = set(order)
    source = [*order, *(i for i in range(count) if i not in kept)]
    placed = [False] * count
    for start in range(count):
        if placed[start]:
            continue
        aside, here = packed[start].clone(), start
        while not placed[here]:
            placed[here] = True
            packed[here] = aside if source[here] == start else packed[source[here]]
            here = source[here]
    return packed[: len(order)]


def _canonical_order(
    packed: Tensor,
    areas: Tensor,
    boxes: Tensor,
    scores: Tensor,
    stability: Tensor,
    labels: Sequence[str],
    ids: Tensor | None,
) -> list[int]:
    """Indices of the non-empty masks in canonical order.

    Bytes are compared only between masks of equal area, top and left. Equal masks follow their
    score (higher first), stability, label and id, so that the order never depends on the input's.
    """
    area, box = areas.tolist(), boxes.tolist()
    score, stable = scores.tolist(), stability.tolist()
    identity = ids.tolist() if ids is not None else [0] * len(area)
    groups: dict[tuple[int, int, int], list[int]] = {}
    for i, pixels in enumerate(area):
        if pixels:
            groups.setdefault((-pixels, box[i][1], box[i][0]), []).append(i)
    order: list[int] = []
    for key in sorted(groups):
        tied = groups[key]
        if len(tied) > 1:
            tied = sorted(
                tied,
                key=lambda i: (
                    packed[i].cpu().numpy().tobytes(),
                    -score[i],
                    -stable[i],
                    labels[i],
                    identity[i],
                ),
            )
        order.extend(tied)
    return order
