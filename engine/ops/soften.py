"""Soft masks from logits, with the width of the edge said in pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .distance import signed_distance

_TEN_TO_NINETY = 2 * math.log(9.0)


def soften(logits: Tensor, size: tuple[int, int], feather: float) -> Tensor:
    """Upsample logits (N, h, w) to `size` (H, W) as strengths float32 (N, H, W) in [0, 1].

    The strength is a sigmoid of the bilinearly upsampled logits, scaled for each mask so that its
    median edge takes `feather` image pixels from 0.1 to 0.9. It is above 0.5 exactly where the
    logit is above 0; edges the network is unsure of come out softer than the median, sure ones
    harder. Logits level off some way from the edge (`plateau`); where `feather` is wider than
    that, the signed distance to the outline takes over, the more the wider, so that the middle
    of a mask still comes near 1 and what is far from it near 0. feather 0 gives 0 or 1. `logits`
    isn't modified.
    """
    full = F.interpolate(
        logits[:, None].to(torch.float32), size, mode="bilinear", align_corners=False
    )[:, 0]
    inside = full > 0
    if feather <= 0:
        return inside.to(torch.float32)
    slope = edge_slope(logits, size)
    trust = (plateau(logits) / slope / feather).clamp(max=1).square()
    soft = full / slope[:, None, None]
    for index in (trust < 1).nonzero().flatten().tolist():
        soft[index].lerp_(signed_distance(inside[index]), 1 - float(trust[index]))
    strength = torch.sigmoid(soft * (_TEN_TO_NINETY / feather))
    return torch.where(soft.isfinite(), strength, inside.to(torch.float32))


def plateau(logits: Tensor) -> Tensor:
    """How far from 0 the logits (N, h, w) of a mask go, float32 (N,): the median size of the
    logits on the side, inside or outside, where that is less. NaN for a mask that has one side."""
    values = logits.to(torch.float32)
    sides = [
        values.masked_fill(values > 0, math.nan),
        values.masked_fill(values <= 0, math.nan),
    ]
    sizes = [side.abs().flatten(1).nanmedian(dim=1).values for side in sides]
    return torch.minimum(*sizes)


def edge_slope(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """The median steepness of logits (N, h, w) along their zero crossing, float32 (N,).

    In logits per pixel of an image of `size` (H, W); NaN for a mask that has no edge.
    """
    count, rows, columns = logits.shape
    height, width = size
    values = logits.to(torch.float32)
    steps_x = values.diff(dim=-1) * (columns / width)
    steps_y = values.diff(dim=-2) * (rows / height)
    steepness = torch.hypot(_centred(steps_x, -1), _centred(steps_y, -2))
    inside = values > 0
    at_edge = torch.zeros_like(inside)
    across = inside[..., 1:] != inside[..., :-1]
    at_edge[..., 1:] |= across
    at_edge[..., :-1] |= across
    down = inside[..., 1:, :] != inside[..., :-1, :]
    at_edge[..., 1:, :] |= down
    at_edge[..., :-1, :] |= down
    return steepness.masked_fill(~at_edge, math.nan).view(count, -1).nanmedian(dim=-1).values


def _centred(steps: Tensor, dim: int) -> Tensor:
    """Differences between neighbours, averaged back to one for each cell; ends keep their own."""
    length = steps.shape[dim]
    if length == 0:
        return steps.new_zeros(()).expand(*steps.shape[:dim], 1, *steps.shape[dim:][1:])
    first, last = steps.narrow(dim, 0, 1), steps.narrow(dim, length - 1, 1)
    return (torch.cat([first, steps], dim) + torch.cat([steps, last], dim)) / 2
