"""What fields, masks and images look like on their way in: shapes, batches, ranges, choices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from .checks import BEYOND, OTHER_SCALE, InputError, check_scale

UNITS = ("pixels", "percent")
"""Of lengths: pixels, or percent of the picture's shorter side."""

_SAME_ASPECT = 0.03
_BITS_OF_ONE = 0x3F800000


def as_field(field: Tensor, name: str = "field") -> Tensor:
    """`field` as float32 (B, H, W), clamped to [0, 1].

    field: bool or float, (B, H, W), (H, W) or (B, 1, H, W). The result may share memory with it.
    Raises InputError for other shapes, an empty side, and where `in_range` does.
    """
    return in_range(as_planes(field, name).to(torch.float32), name)


def in_range(values: Tensor, name: str) -> Tensor:
    """float32 `values` clamped to [0, 1]: themselves where they lie there.

    Raises InputError where one is not finite, or so far outside that the scale is another: below -1
    or above 2, which neither resampling nor the sum or difference of two masks gives.
    """
    if _plainly_in_range(values):
        return values
    low, high = values.aminmax()
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError(f"{name}: has values that are not finite numbers.")
    if low < -1 or high > BEYOND:
        raise InputError(
            f"{name}: wanted strengths from 0 to 1, got {low:g} to {high:g}. {OTHER_SCALE}"
        )
    return values if low >= 0 and high <= 1 else values.clamp(0, 1)


def _plainly_in_range(values: Tensor) -> bool:
    """Whether float32 values all lie in [0, 1], by one look; never so off the CPU, or for -0.

    Read as whole numbers, the bits of what is from 0 to 1 go up to those of 1, and those of
    anything negative, larger, infinite or no number are above. One maximum of whole numbers is
    several times as fast as both ends of floats.
    """
    if values.device.type != "cpu":
        return False
    return bool(values.detach().numpy().view(np.uint32).max() <= _BITS_OF_ONE)


def as_mask(mask: Tensor, name: str = "mask") -> Tensor:
    """`mask` as bool (B, H, W): itself where bool, else where > 0.5."""
    batch = as_planes(mask, name)
    return batch if batch.dtype == torch.bool else batch > 0.5


def as_planes(planes: Tensor, name: str) -> Tensor:
    """`planes` as (B, H, W), values untouched, from (B, H, W), (H, W) or (B, 1, H, W)."""
    shape = tuple(planes.shape)
    if len(shape) == 4 and shape[1] == 1:
        planes = planes[:, 0]
    elif len(shape) == 2:
        planes = planes[None]
    if planes.ndim != 3 or min(shape) < 1:
        raise InputError(f"{name}: wanted a mask (B, H, W), got a tensor of shape {shape}.")
    return planes


def as_images(image: Tensor, name: str = "image") -> Tensor:
    """`image` as (B, H, W, C) with C 3 or 4, from that or (H, W, C); values untouched.

    Raises InputError for other shapes and types, and where `check_scale` does.
    """
    images = image_batch(image, name)
    check_scale(images, name)
    return images


def image_batch(image: Tensor, name: str = "image") -> Tensor:
    """What `as_images` gives, without a look at the values: for who hands every image on to it.

    On a GPU each look is a wait. Raises InputError for other shapes and types.
    """
    shape = tuple(image.shape)
    if image.ndim == 3:
        image = image[None]
    if image.ndim != 4 or shape[-1] not in (3, 4) or min(shape) < 1:
        raise InputError(f"{name}: wanted an image (B, H, W, 3 or 4), got shape {shape}.")
    if not image.is_floating_point():
        raise InputError(f"{name}: wanted float values in [0, 1], got {image.dtype}.")
    return image


def check_finite(values: Tensor, name: str) -> Tensor:
    """`values`, if all are finite numbers; else InputError."""
    if not all(math.isfinite(end) for end in values.aminmax()):
        raise InputError(f"{name}: has values that are not finite numbers.")
    return values


def picture_of_size(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The one image of a batch, (H, W, C). Raises InputError unless it is one of `size` (H, W)."""
    images = as_images(image)
    if images.shape[0] != 1:
        raise InputError(f"wanted one image for these regions, got {images.shape[0]}.")
    if tuple(images.shape[1:3]) != tuple(size):
        raise InputError(
            f"the regions are of an image {size[1]} x {size[0]} pixels large but this one is "
            f"{images.shape[2]} x {images.shape[1]}. Use the image that was segmented."
        )
    return images[0]


def check_aspect(what: str, given: tuple[int, int], size: tuple[int, int]) -> None:
    """Whether a map of size `given` (h, w) can be one of a picture of `size` (H, W).

    Raises InputError where width / height differs by more than 3 %, which networks need to round
    to their tiles, and neither side is within a pixel of what it should be. what: names the map.
    """
    (h, w), (height, width) = given, size
    alike = abs(math.log(w / h * height / width)) <= _SAME_ASPECT
    if not alike and abs(w - h * width / height) > 1 and abs(h - w * height / width) > 1:
        raise InputError(
            f"{what} of {w} x {h} pixels doesn't have the shape of a picture of {width} x "
            f"{height}. Give the one of this picture."
        )


def common_batch(where: str, counts: Mapping[str, int]) -> int:
    """The number of frames that all of `counts` (what: how many) share; 1 goes with any.

    Raises InputError naming the two counts that differ.
    """
    several = {what: count for what, count in counts.items() if count != 1}
    if not several:
        return 1
    first, total = next(iter(several.items()))
    for what, count in several.items():
        if count != total:
            raise InputError(
                f"{where}: {total} x {first} but {count} x {what}. "
                "Give one for all, or one for each frame of the same batch."
            )
    return total


def frame(batch: Tensor, index: int) -> Tensor:
    """Frame `index` of a batch, or the only one."""
    return batch[index if batch.shape[0] > 1 else 0]


def check_choice(where: str, value: str, options: Iterable[str]) -> str:
    """`value`, if it is one of `options`; else InputError."""
    if value not in options:
        raise InputError(f"{where}: wanted one of {', '.join(options)}, got {value!r}.")
    return value


def check_number(where: str, value: float, low: float = -math.inf, high: float = math.inf) -> float:
    """`value`, if it is a finite number from `low` to `high`; else InputError."""
    if not math.isfinite(value) or not low <= value <= high:
        raise InputError(f"{where}: wanted a number{_span(low, high)}, got {value}.")
    return float(value)


def _span(low: float, high: float) -> str:
    """From where to where, in words; an end that is infinite is none."""
    if math.isinf(low) and math.isinf(high):
        return " that is finite"
    if math.isinf(high):
        return f" of {low:g} or more, not infinite"
    return (
        f" of {high:g} or less, not infinite" if math.isinf(low) else f" from {low:g} to {high:g}"
    )
