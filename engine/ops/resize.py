"""Resizing of fields and images, without aliasing and without leaving the range."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import as_double


def resize_field(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (B, H, W) to `size` (H', W'): bilinear, antialiased where it shrinks.

    float32. Values stay within the range of the input. Returned as it is where the size fits.
    """
    if tuple(planes.shape[-2:]) == tuple(size):
        return planes
    low, high = planes.aminmax()
    resized = F.interpolate(planes[:, None], size=size, mode="bilinear", antialias=True)
    return resized[:, 0].clamp_(low, high)


def resize_picture(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (H, W, 3 or 4) to `size` (H', W') as `resize_field` does; any float type, which stays.

    Colours count by their alpha, so that those of transparent pixels don't show at outlines.
    """
    if tuple(picture.shape[:2]) == tuple(size):
        return picture
    planes = picture.movedim(-1, 0).to(torch.float32)
    if len(planes) == 3:
        resized = torch.stack([resize_field(plane[None], size)[0] for plane in planes])
    else:
        alpha = resize_field(planes[3:], size)
        colour = resize_field(planes[:3] * planes[3:], size) / alpha.clamp(min=1e-6)
        resized = torch.cat([torch.where(alpha > 0, colour, 0.0), alpha])
    return resized.movedim(0, -1).to(picture.dtype)


def resize_area(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (B, H, W) to `size` (H', W'): each new pixel is the mean of the area it covers.

    float32. The overlap of pixels counts exactly, at any ratio, so the mean over the picture is
    kept. A pixel that covers only zeros is exactly 0, one that covers only ones exactly 1.
    """
    if tuple(planes.shape[-2:]) == tuple(size):
        return planes
    double = as_double(planes)
    rows = _overlap(planes.shape[-2], size[0], double.device)
    columns = _overlap(planes.shape[-1], size[1], double.device)
    resized = (rows @ (double @ columns.T)).to(planes.dtype).to(planes.device)
    low, high = planes.aminmax()
    return resized.clamp_(low, high)


def resize_nearest(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (B, H, W) to `size` (H', W') by taking the pixel at each new centre; any dtype."""
    height, width = planes.shape[-2:]
    y = _centres(height, size[0], planes.device)
    x = _centres(width, size[1], planes.device)
    return planes[:, y][:, :, x]


def _centres(old: int, new: int, device: torch.device) -> Tensor:
    return ((2 * torch.arange(new, device=device) + 1) * old // (2 * new)).clamp_(0, old - 1)


def _overlap(old: int, new: int, device: torch.device) -> Tensor:
    """Share of each new pixel (rows) that each old pixel (columns) covers, float64 (new, old)."""
    edges = torch.arange(new + 1, dtype=torch.float64, device=device) * (old / new)
    start = torch.arange(old, dtype=torch.float64, device=device)
    ends = torch.minimum(edges[1:, None], start + 1)
    begins = torch.maximum(edges[:-1, None], start)
    return (ends - begins).clamp_(min=0) * (new / old)
