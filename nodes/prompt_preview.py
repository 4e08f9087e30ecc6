"""What the editor shows of a run: the picture and which object each pixel is in, as small files.

Files are named by their content, so an execution that ComfyUI remembers still finds its own, and
a click that changes only the mask writes only the mask.
"""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import folder_paths
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..engine import Regions
from ..engine.ops.bits import unpack_bits

_LONGEST_SIDE = 2048
MOST_NUMBERS = 255
"""An object of a higher number is shown as this one."""

_GREY = [level for value in range(256) for level in (value, value, value)]
_RLE = 3

_last_picture: tuple[weakref.ref[Tensor], dict[str, str]] | None = None
"""The picture that was saved last. Clicks come with the very same tensor, which nobody changes."""


@dataclass(frozen=True, eq=False)
class SoftUnion:
    """Masks with soft edges, together.

    strength: float32 (H, W), of the strongest at each pixel. owner: uint8 (H, W), the number of
    the object whose that is, 0 where all are 0.
    """

    strength: Tensor
    owner: Tensor


def prompt_preview(
    image: Tensor,
    regions: Regions,
    numbers: Sequence[int],
    soft: SoftUnion | None,
    text: str,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """What `web/prompts/host.js` calls a Preview, of the first image of a batch (B, H, W, C).

    regions: of that image. numbers: for each region the number of its object, from 1, as the
    editor counts them. soft: how it was feathered, if it was. text: the editor's. settings: the
    node's other widgets that shape masks.
    """
    height, width = regions.size
    step = -(-max(height, width) // _LONGEST_SIDE)
    labels = label_map(regions, numbers, step)
    return {
        "image": _saved_picture(image, step),
        "labels": _saved_labels(labels if soft is None else soft_label_map(labels, soft, step)),
        "soft": soft is not None,
        "width": width,
        "height": height,
        "prompts": text,
        "settings": settings,
    }


def label_map(regions: Regions, numbers: Sequence[int], step: int) -> np.ndarray:
    """The object's number at every `step`-th pixel, uint8; the smallest's where several are."""
    height, width = regions.size
    labels = np.zeros((-(-height // step), -(-width // step)), np.uint8)
    for packed, (_, y0, _, y1), number in zip(
        regions.packed, regions.boxes.tolist(), numbers, strict=True
    ):
        first = -(-y0 // step)
        inside = unpack_bits(packed[first * step : y1 : step], width)[:, ::step].cpu().numpy()
        labels[first : first + len(inside)][inside] = min(number, MOST_NUMBERS)
    return labels


def soft_label_map(labels: np.ndarray, soft: SoftUnion, step: int) -> np.ndarray:
    """uint8 (h, w, 3): the label map, the object whose mask is the strongest, its strength * 255.

    labels: from `label_map`, with the same step.
    """
    strength = soft.strength[::step, ::step].mul(255).add_(0.5).to(torch.uint8)
    return np.dstack([labels, soft.owner[::step, ::step].cpu().numpy(), strength.cpu().numpy()])


def _saved_labels(labels: np.ndarray) -> dict[str, str]:
    picture = Image.fromarray(labels)
    if labels.ndim == 2:
        # A palette spares the PNG writer its search for filters: 2 ms instead of 20 a megapixel.
        picture.putpalette(_GREY)
    name = hashlib.sha1(labels.tobytes() + str(labels.shape).encode(), usedforsecurity=False)
    return _save(picture, f"{name.hexdigest()}.png", compress_level=1, compress_type=_RLE)


def _saved_picture(image: Tensor, step: int) -> dict[str, str]:
    global _last_picture
    if _last_picture is not None and _last_picture[0]() is image:
        return _last_picture[1]
    pixels = image[0, ..., :3].to("cpu", torch.float32).clamp(0, 1).mul(255).add_(0.5)
    shown = np.ascontiguousarray(pixels.to(torch.uint8).numpy())
    name = hashlib.sha1(shown.tobytes() + str(shown.shape).encode(), usedforsecurity=False)
    picture = Image.fromarray(shown)
    saved = _save(picture.reduce(step) if step > 1 else picture, f"{name.hexdigest()}.jpg")
    _last_picture = (weakref.ref(image), saved)
    return saved


def _save(picture: Image.Image, name: str, **options: int) -> dict[str, str]:
    folder = Path(folder_paths.get_temp_directory())
    name = f"region_fields_{name}"
    if not (folder / name).exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{os.getpid()}_{name}"
        picture.save(part, format="PNG" if name.endswith("png") else "JPEG", **options)
        part.replace(folder / name)
    return {"filename": name, "subfolder": "", "type": "temp"}
