"""Checks of what comes in, and the one exception for what a user can mend."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

BEYOND = 2.0
"""Greater values mean another scale than 0 to 1; up to it they are overshoots, and sums of two."""

OTHER_SCALE = "Divide what has 8 bits by 255, what has 16 by 65535."

_LOOKED_AT = 1 << 14

Progress: TypeAlias = Callable[[int, int], None]
"""Called as progress(done, total) between chunks of long work; it may raise to interrupt."""


def part_of(progress: Progress | None, index: int, parts: int) -> Progress | None:
    """The progress of the `index`-th of equal `parts` of what `progress` tells; None for None."""
    if progress is None:
        return None

    def part(done: int, total: int) -> None:
        progress(index * total + done, parts * total)

    return part


class InputError(ValueError):
    """Something a user can mend: one sentence with what was wanted, what came, what to do."""

    # ComfyUI puts an error's module before its text, and a node pack's is named by its path.
    __module__ = "region_fields.engine"


def counted(count: int, noun: str) -> str:
    """`count` things, for a message: "1 box", "2 boxes", "0 labels"."""
    return f"{count} {noun}" + ("" if count == 1 else "es" if noun.endswith("x") else "s")


def short(value: object) -> str:
    """`value` as text of at most 80 characters, for an error."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def parse_json(text: str, name: str, such_as: str = "") -> Any:
    """The value of a JSON text, called `name` in errors. Raises InputError where it is none.

    such_as: an example of what is wanted, for the error.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        wanted = f"JSON such as {such_as}" if such_as else "JSON"
        where = f" from character {error.pos + 1} on" if hasattr(error, "pos") else ""
        raise InputError(
            f"{name}: wanted {wanted}, got {short(text)!r}, which can't be read{where}."
        ) from error


def check_image(image: Tensor, name: str = "image") -> Tensor:
    """Return the first three channels of `image` as float32 (H, W, 3), without copying if it can.

    Raises InputError unless `image` is (H, W, 3) or (H, W, 4), floating point and not empty, and
    where `check_scale` does.
    """
    shape = tuple(image.shape)
    if len(shape) != 3 or shape[-1] not in (3, 4) or min(shape) < 1:
        raise InputError(f"{name}: wanted an image (H, W, 3), got a tensor of shape {shape}.")
    if not image.is_floating_point():
        raise InputError(f"{name}: wanted float values in [0, 1], got {image.dtype}.")
    check_scale(image, name)
    return image[..., :3].to(torch.float32)


def check_scale(image: Tensor, name: str = "image") -> None:
    """Raise InputError for float (..., H, W, C) that plainly goes from 0 to 255 or 65535.

    Highlights above 1 are no mistake. So it minds only where, of some 16384 pixels of each frame,
    more values are above 2 than from 0 to 2, black aside.
    """
    step = max(1, math.isqrt(image.shape[-3] * image.shape[-2] // _LOOKED_AT))
    some = image[..., ::step, ::step, :3]
    if 2 * int((some > BEYOND).sum()) > int((some > 0).sum()):
        most = float(some.max())
        raise InputError(
            f"{name}: wanted colours from 0 to 1, got values up to {most:g}. {OTHER_SCALE}"
        )
