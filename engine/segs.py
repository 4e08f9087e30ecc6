"""Regions as Impact Pack's SEGS, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .ops.bits import unpack_box
from .ops.checks import InputError
from .ops.fields import picture_of_size
from .ops.resize import resize_field
from .regions import Regions


@dataclass(frozen=True)
class PackedMask:
    """A cropped mask that is made when it is asked for: packed bits (H, B) and a box in them."""

    packed: Tensor
    box: tuple[int, int, int, int]

    def unpacked(self) -> Any:
        """float32 numpy (h, w), 1 inside; a new one each time."""
        return unpack_box(self.packed, self.box).to(torch.float32).cpu().numpy()


class _Fields(NamedTuple):
    cropped_image: Any
    cropped_mask: Any
    confidence: float
    crop_region: tuple[int, int, int, int]
    bbox: tuple[int, int, int, int]
    label: str
    control_net_wrapper: Any = None


class Seg(_Fields):
    """One element of Impact Pack's SEGS, with its field names and order.

    cropped_image: (1, h, w, 3) or None. cropped_mask: float32 numpy (h, w) in [0, 1]; held as a
    `PackedMask`, since hundreds of large ones don't fit in memory, and made at each look at it.
    confidence: 0..1. crop_region and bbox: x1, y1, x2, y2, the last two exclusive.
    """

    __slots__ = ()

    @property
    def cropped_mask(self) -> Any:
        return _made(tuple.__getitem__(self, 1))

    def __iter__(self) -> Iterator[Any]:
        return map(_made, super().__iter__())

    def __getitem__(self, index: Any) -> Any:
        return tuple(self)[index]

    def _replace(self, **changed: Any) -> Seg:
        held = dict(zip(self._fields, super().__iter__(), strict=True))
        return Seg(**{**held, **changed})


def _made(value: Any) -> Any:
    return value.unpacked() if isinstance(value, PackedMask) else value


def to_segs(
    regions: Regions, image: Tensor | None = None, crop_factor: float = 1.0
) -> tuple[tuple[int, int], list[Seg]]:
    """Impact Pack's SEGS: ((H, W), [SEG, ..]) in canonical order.

    crop_factor: size of the crop over the size of the region's box, at least 1; crops end at the
    image's border. With image (H, W, 3) each SEG carries its crop of it; alpha is left out.
    """
    if not crop_factor >= 1:
        raise InputError(f"SEGS: wanted a crop factor of at least 1, got {crop_factor}.")
    picture = None if image is None else picture_of_size(image, regions.size)
    segs = []
    for i, box in enumerate(regions.boxes.tolist()):
        x0, y0, x1, y1 = _scaled(box, crop_factor, regions.size)
        segs.append(
            Seg(
                cropped_image=None if picture is None else picture[None, y0:y1, x0:x1, :3],
                cropped_mask=PackedMask(regions.packed[i], (x0, y0, x1, y1)),
                confidence=float(regions.scores[i]),
                crop_region=(x0, y0, x1, y1),
                bbox=(box[0], box[1], box[2], box[3]),
                label=regions.labels[i],
            )
        )
    return regions.size, segs


def from_segs(segs: Any) -> Regions:
    """Read SEGS: one region for each SEG with a pixel above 0.5; confidence and label are kept.

    A cropped mask of another size than its crop region is resized to it; of a mask with several
    frames (B, h, w), as its video nodes make them, the union counts. Raises InputError for
    other data.
    """
    try:
        (height, width), entries = segs
        size = (int(height), int(width))
        confidences = [float(torch.as_tensor(seg.confidence).reshape(-1)[0]) for seg in entries]
        labels = [str(seg.label or "") for seg in entries]
        masks = (_mask(seg, size) for seg in entries)
        return Regions.from_each(masks, len(labels), size, confidences, labels)
    except (TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise InputError(f"SEGS: this is not what Impact Pack's nodes give ({error}).") from error


def _mask(seg: Any, size: tuple[int, int]) -> Tensor:
    x0, y0, x1, y1 = (int(edge) for edge in seg.crop_region)
    crop = torch.as_tensor(seg.cropped_mask, dtype=torch.float32).cpu()
    crop = crop.amax(0) if crop.ndim == 3 else crop
    mask = resize_field(crop[None], (y1 - y0, x1 - x0))[0] > 0.5
    plane = torch.zeros(size, dtype=torch.bool)
    top, left = max(y0, 0), max(x0, 0)
    target = plane[top : max(y1, 0), left : max(x1, 0)]
    target |= mask[top - y0 :, left - x0 :][: target.shape[0], : target.shape[1]]
    return plane


def _scaled(box: Sequence[int], factor: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box about the same centre, `factor` times as large, cut off at the border."""
    x0, y0, x1, y1 = box
    more_x, more_y = (x1 - x0) * (factor - 1) / 2, (y1 - y0) * (factor - 1) / 2
    return (
        max(0, round(x0 - more_x)),
        max(0, round(y0 - more_y)),
        min(size[1], round(x1 + more_x)),
        min(size[0], round(y1 + more_y)),
    )
