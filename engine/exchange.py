"""Regions in the forms that ComfyUI's own nodes speak: BOUNDING_BOX, crops and LAYERS."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .ops.anchors import whole_pixel
from .ops.bits import unpack_box
from .ops.checks import InputError, counted, short
from .ops.fields import as_images, as_planes, picture_of_size
from .ops.resize import resize_field, resize_picture
from .regions import Regions

MOST_LAYERS = 50
"""core's limit on the layers of one LAYERS value."""


# --- boxes ------------------------------------------------------------------------------------


def to_boxes(regions: Regions) -> list[dict[str, Any]]:
    """A dict per region in canonical order: x, y, width, height (int pixels), score, label."""
    rows = zip(regions.boxes.tolist(), regions.scores.tolist(), regions.labels, strict=True)
    return [
        {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0, "score": score, "label": label}
        for (x0, y0, x1, y1), score, label in rows
    ]


def boxes_by_frame(given: Any, frames: int | None = None) -> list[list[Mapping[str, Any]]]:
    """BOUNDING_BOX in any of its forms as one list of boxes for each of `frames` images.

    given: one dict, a list of dicts (the boxes of every image), or a list of lists, one for each
    image or one for all. frames: None leaves as many lists as there are. Raises InputError for
    other forms or another number of lists.
    """
    if isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, (list, tuple)):
        raise InputError(f"Boxes: wanted a box, a list, or a list of lists, got {short(given)}.")
    if not any(isinstance(entry, (list, tuple)) for entry in given):
        given = [given]
    frames = len(given) if frames is None else frames
    if len(given) not in (1, frames):
        raise InputError(
            f"Boxes: {len(given)} lists of boxes for {counted(frames, 'image')}. Give one list for "
            "each image, or one for all."
        )
    return [list(given[i if len(given) > 1 else 0]) for i in range(frames)]


def from_boxes(boxes: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> Regions:
    """One region for each box (x, y, width, height in pixels) of an image of `size` (H, W).

    Edges are rounded to pixels, halves up, and cut off at the border; score and label are kept.
    Raises InputError for a box without these numbers, or with no pixel in the image.
    """
    edges = [_edges(box, size) for box in boxes]
    try:
        scores = [float(box.get("score") or 0) if "score" in box else 1.0 for box in boxes]
    except (TypeError, ValueError) as error:
        raise InputError(f"Boxes: wanted a number as score ({error}).") from error
    labels = [str(box.get("label") or "") for box in boxes]
    masks = (_rectangle(edge, size) for edge in edges)
    return Regions.from_each(masks, len(edges), size, scores, labels)


def _edges(box: Mapping[str, Any], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a box within the image, the last two exclusive."""
    height, width = size
    x, y, w, h = _numbers(box)
    left, top, right, bottom = (whole_pixel(edge) for edge in (x, y, x + w, y + h))
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if left >= right or top >= bottom:
        raise InputError(f"Boxes: {short(box)} holds no pixel of the {width} x {height} image.")
    return left, top, right, bottom


def _numbers(box: Mapping[str, Any]) -> list[float]:
    """A box's x, y, width and height, if they are finite numbers; else InputError."""
    try:
        numbers = [float(box[key]) for key in ("x", "y", "width", "height")]
        finite = all(math.isfinite(number) for number in numbers)
    except (KeyError, TypeError, ValueError, OverflowError):
        finite = False
    if not finite:
        raise InputError(f"Boxes: wanted x, y, width and height in pixels, got {short(box)}.")
    return numbers


def _rectangle(edges: tuple[int, int, int, int], size: tuple[int, int]) -> Tensor:
    left, top, right, bottom = edges
    mask = torch.zeros(size, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


# --- crops ------------------------------------------------------------------------------------


def crop_regions(
    regions: Regions, image: Tensor, padding: int = 0, longest: int = 0, cut_out: bool = True
) -> list[tuple[Tensor, Tensor, dict[str, int]]]:
    """Each region's cut-out: its image (1, h, w, C), mask float32 (1, h, w) and box.

    The images are views of the whole one, so that hundreds of large crops take no room.

    image: (H, W, C), C 3 or 4. padding: pixels around the box, cut off at the border. The box is
    a dict of x, y, width, height. longest: crops whose longer side has more pixels are shrunk to
    it, 0 leaves all; the box stays that in the image. cut_out: otherwise each mask is 1 all over
    and takes no room; don't write to it. Canonical order.
    """
    for name, value in {"padding": padding, "longest side": longest}.items():
        if value < 0:
            raise InputError(f"Crop Regions: wanted a {name} of 0 or more pixels, got {value}.")
    picture = picture_of_size(image, regions.size)
    height, width = regions.size
    crops = []
    for i, (x0, y0, x1, y1) in enumerate(regions.boxes.tolist()):
        x0, y0 = max(x0 - padding, 0), max(y0 - padding, 0)
        x1, y1 = min(x1 + padding, width), min(y1 + padding, height)
        box = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
        crop = picture[None, y0:y1, x0:x1]
        share = longest / max(x1 - x0, y1 - y0) if longest else 1
        if share < 1:
            size = max(1, round((y1 - y0) * share)), max(1, round((x1 - x0) * share))
            crop = resize_picture(crop[0], size)[None]
        if cut_out:
            mask = unpack_box(regions.packed[i], (x0, y0, x1, y1))[None].to(torch.float32)
            mask = resize_field(mask, (crop.shape[1], crop.shape[2]))
        else:
            mask = crop.new_ones((), dtype=torch.float32).expand(crop.shape[:3])
        crops.append((crop, mask, box))
    return crops


def paste_crops(
    base: Tensor,
    crops: Sequence[Tensor],
    boxes: Sequence[Mapping[str, Any]],
    masks: Sequence[Tensor] | None = None,
) -> Tensor:
    """Put crops back into an image, the first on top; returns a new image (H, W, C).

    base: (H, W, C). crops: (1, h, w, C) or (h, w, C), resized to their boxes. masks: (1, h, w) or
    (h, w) in [0, 1], how much of the crop shows; all of it without masks. Where a mask is 0 the
    base stays bit for bit.
    """
    counts = {len(crops), len(boxes), len(masks) if masks is not None else len(crops)}
    if len(counts) != 1:
        raise InputError(
            f"Paste Crops: {counted(len(crops), 'crop')} but {counted(len(boxes), 'box')}"
            + (f" and {counted(len(masks), 'mask')}." if masks is not None else ".")
        )
    out = as_images(base)[0].clone()
    for i in reversed(range(len(crops))):
        x, y, w, h = (int(value) for value in _numbers(boxes[i]))
        target = out[y : y + h, x : x + w]
        if min(x, y) < 0 or tuple(target.shape[:2]) != (h, w) or min(h, w) < 1:
            raise InputError(f"Paste Crops: {short(boxes[i])} does not lie in the image.")
        crop = as_images(crops[i])[0][..., : out.shape[-1]].to(out)
        if crop.shape[-1] != out.shape[-1]:
            raise InputError("Paste Crops: the image has alpha but a crop has none.")
        crop = resize_picture(crop, (h, w))
        if masks is None:
            target.copy_(crop)
            continue
        plane = as_planes(masks[i], "Paste Crops: masks")[:1].to(out.device, torch.float32)
        share = resize_field(plane, (h, w)).clamp(0, 1)[0][..., None]
        target.copy_(torch.where(share > 0, target + share * (crop - target), target))
    return out


# --- LAYERS -----------------------------------------------------------------------------------


def to_layers(regions: Regions, image: Tensor) -> tuple[dict[str, Any], str]:
    """core's LAYERS: one tight layer for each region over the image's size, and a message.

    image: (H, W, 3 or 4); alpha, if any, goes along. The largest region lies at the bottom. A
    layer's mask is 1 where the layer is transparent. core takes at most 50 layers: of more regions
    the smallest are left out, and the message says how many; otherwise it is empty.
    """
    kept = regions.take(range(min(len(regions), MOST_LAYERS)))
    left_out = len(regions) - len(kept)
    layers = []
    for z, (crop, mask, box) in enumerate(crop_regions(kept, image)):
        layers.append(
            {
                "type": "raster",
                "name": kept.labels[z] or f"region {int(kept.ids[z])}",
                "image": crop,
                "mask": mask.neg_().add_(1),
                "x": box["x"],
                "y": box["y"],
                "w": box["width"],
                "h": box["height"],
                "z_index": z,
                "opacity": 1.0,
                "blend_mode": "normal",
                "rotation": 0.0,
                "visible": True,
            }
        )
    height, width = regions.size
    which = "smallest" if left_out == 1 else f"{left_out} smallest"
    message = (
        f"LAYERS hold at most {MOST_LAYERS} layers: of {len(regions)} regions the {which} "
        f"{'is' if left_out == 1 else 'are'} left out."
        if left_out
        else ""
    )
    return {"version": 1, "canvas": (width, height), "layers": layers}, message
