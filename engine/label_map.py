"""Regions as label maps and back: whole numbers, 16-bit grey, or one colour per region."""

from __future__ import annotations

import torch
from torch import Tensor

from .ops.checks import InputError
from .ops.fields import check_choice, check_finite
from .ops.labels import paint_labels, split_labels
from .ops.palette import distinct_colours
from .regions import Regions

_FULL_16 = 65535
KEEPERS = ("smallest", "largest")


def to_label_map(regions: Regions, overlaps: str = "smallest") -> Tensor:
    """Each pixel's region: int32 (H, W), i + 1 for region i in canonical order, 0 where none is.

    overlaps: whether the "smallest" or the "largest" of several keeps a pixel; of equals the
    earlier in canonical order.
    """
    check_choice("Label map: overlaps", overlaps, KEEPERS)
    sign = 1 if overlaps == "smallest" else -1
    areas = regions.areas.tolist()
    claims = sorted(range(len(regions)), key=lambda i: (sign * areas[i], i))
    return paint_labels(regions.packed, regions.boxes, regions.size[1], claims)


def from_label_map(labels: Tensor) -> Regions:
    """One region for each number above 0 in (H, W), whole numbers; the number becomes its id.

    0 is no region. Floats that are whole pass. Raises InputError for others, for negative
    numbers and for another shape; a batch of one is taken.
    """
    if labels.ndim == 3 and labels.shape[0] == 1:
        labels = labels[0]
    if labels.ndim != 2 or min(labels.shape) < 1:
        raise InputError(f"Label map: wanted (H, W), got shape {tuple(labels.shape)}.")
    numbers = labels.to(torch.int64)
    if bool((numbers != labels).any()) or int(numbers.min()) < 0:
        raise InputError("Label map: wanted whole numbers from 0; this map holds others.")
    packed, found = split_labels(numbers)
    return Regions.from_packed(packed, (labels.shape[0], labels.shape[1]), ids=found, owned=True)


def to_grey_16(labels: Tensor) -> Tensor:
    """A label map as a MASK that a 16-bit PNG keeps exactly: float32, label / 65535.

    labels: whole numbers (H, W). Raises InputError for labels above 65535.
    """
    if int(labels.max()) > _FULL_16:
        raise InputError(f"Label map: 16 bits hold labels to {_FULL_16}, got {int(labels.max())}.")
    return labels.to(torch.float32) / _FULL_16


def from_grey_16(grey: Tensor) -> Tensor:
    """Undo `to_grey_16`: float (H, W) in [0, 1] to int32 labels."""
    return (grey.to(torch.float32) * _FULL_16).round().to(torch.int32)


def to_colour_map(labels: Tensor) -> Tensor:
    """A label map as a picture: each label one flat colour, black for 0; (H, W, 3) in [0, 1].

    The colour comes from the label alone and survives 8-bit files exactly. Where two labels of a
    picture would share one, the later label's is moved by one step of blue.
    """
    present, place = torch.unique(labels.to(torch.int64), return_inverse=True)
    bytes_ = (distinct_colours((present - 1).clamp(min=0)) * 255).round().to(torch.int64)
    code = (bytes_ * bytes_.new_tensor([1 << 16, 1 << 8, 1])).sum(-1)
    used = {0}
    colours = []
    for label, wanted in zip(present.tolist(), code.tolist(), strict=True):
        own = 0 if label == 0 else wanted
        while label and own in used:
            own = (own + 1) & 0xFFFFFF
        used.add(own)
        colours.append([own >> 16, own >> 8 & 255, own & 255])
    table = torch.tensor(colours, dtype=torch.float32, device=labels.device) / 255
    return table[place]


def from_colour_map(image: Tensor) -> Regions:
    """One region for each flat colour of a picture (H, W, 3 or 4) in [0, 1]; black is no region.

    Colours are told apart at 8 bits. Ids are 0..N-1 in canonical order. Raises InputError for
    more than 65535 colours: a picture that was resized, blurred or saved as JPEG has as many.
    """
    if image.ndim == 4 and image.shape[0] == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[-1] not in (3, 4):
        raise InputError(f"Colour map: wanted (H, W, 3), got shape {tuple(image.shape)}.")
    check_finite(image, "Colour map")
    code = torch.zeros(image.shape[:2], dtype=torch.int64, device=image.device)
    for channel in range(3):
        code = code * 256 + (image[..., channel].clamp(0, 1) * 255).round().to(torch.int64)
    colours, place = torch.unique(code, return_inverse=True)
    if len(colours) > _FULL_16:
        raise InputError(
            f"Colour map: {len(colours)} colours. Flat colours are needed, one for each region; "
            "save it as PNG and don't resize it."
        )
    packed, _ = split_labels(place + int(colours[0] > 0))
    return Regions.from_packed(packed, (image.shape[0], image.shape[1]))
