"""Maps and pictures that come beside regions or a picture, at the size of that picture.

One of another size is resized, and one of another shape refused: stretched, it would be of
something else.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .checks import InputError
from .fields import as_images, as_mask, as_planes, check_aspect, check_finite
from .resize import resize_field, resize_nearest, resize_picture


def mask_beside(
    mask: Tensor, size: tuple[int, int], device: torch.device, where: str = ""
) -> Tensor:
    """The one mask of a batch as bool (H, W) of `size`.

    mask: bool or > 0.5. An empty one may have any shape: nodes give 64 x 64 zeros for "none".
    """
    plane = _one(as_mask(mask), where, "mask").to(device)
    if not bool(plane.any()):
        return torch.zeros(size, dtype=torch.bool, device=device)
    _check(where, "a mask", plane.shape, size)
    fitted: Tensor = resize_field(plane[None].to(torch.float32), size)[0] > 0.5
    return fitted


def depth_beside(
    depth: Tensor, size: tuple[int, int], device: torch.device, where: str = ""
) -> Tensor:
    """The one depth of a batch as float32 (H, W) of `size`, values that aren't finite kept."""
    plane = _one(as_planes(depth, "depth"), where, "depth map").to(device, torch.float32)
    _check(where, "a depth", plane.shape, size)
    resize = resize_field if bool(plane.isfinite().all()) else resize_nearest
    return resize(plane[None], size)[0]


def image_beside(
    image: Tensor, size: tuple[int, int], device: torch.device, where: str = ""
) -> Tensor:
    """The one image of a batch as float32 (H, W, 3) of `size`; one with nan or inf is refused."""
    picture = _one(as_images(image), where, "image")[..., :3].to(device, torch.float32)
    check_finite(picture, _said(where, "image"))
    _check(where, "an image", picture.shape[:2], size)
    return resize_field(picture.movedim(-1, 0), size).movedim(0, -1)


def fields_beside(fields: Tensor, size: tuple[int, int], what: str) -> Tensor:
    """Fields float32 (B, H, W) of `size`. what: names them in an error, as "Grade: a field".

    Raises InputError as `check_fields_beside`.
    """
    check_fields_beside(fields, size, what)
    return resize_field(fields, size)


def check_fields_beside(fields: Tensor, size: tuple[int, int], what: str) -> None:
    """Raise InputError where fields (B, h, w) can't be of a picture of `size`. what: names them.

    One that is the same everywhere says nothing of a shape, and fits any picture.
    """
    given = (fields.shape[-2], fields.shape[-1])
    if given != tuple(size) and bool(fields.min() != fields.max()):
        check_aspect(what, given, size)


def images_beside(images: Tensor, size: tuple[int, int], what: str) -> Tensor:
    """Images (B, H, W, 3 or 4) of `size`, their dtype; resized with alpha premultiplied."""
    if tuple(images.shape[1:3]) == tuple(size):
        return images
    check_aspect(what, (images.shape[1], images.shape[2]), size)
    return torch.stack([resize_picture(image, size) for image in images])


def _one(batch: Tensor, where: str, what: str) -> Tensor:
    if batch.shape[0] != 1:
        raise InputError(_said(where, f"wanted one {what}, got {len(batch)}."))
    return batch[0]


def _check(where: str, what: str, given: torch.Size, size: tuple[int, int]) -> None:
    check_aspect(_said(where, what), (given[0], given[1]), size)


def _said(where: str, text: str) -> str:
    return f"{where}: {text}" if where else text
