"""A drawn mask as the logits that a SAM prompt encoder expects."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

INSIDE_LOGIT = 10.0


def mask_to_logits(masks: Tensor, side: int) -> Tensor:
    """Turn masks (N, H, W), bool or float in [0, 1], into logits float32 (N, side, side).

    A cell's logit runs from -10 to 10 with the fraction of it that the mask covers, as SAM 2
    itself feeds masks (scale 20, bias -10), the fraction by antialiased bilinear resizing. A
    part thinner than half a cell would vanish so: cells that touch the mask with no covered cell
    around them count as covered, and so do the touched cells that join them to the rest, so that
    a line stays in one piece. A boundary of anything thicker doesn't move. `masks` isn't modified.
    """
    amount = masks.to(torch.float32)[:, None]
    coverage = F.interpolate(
        amount, (side, side), mode="bilinear", align_corners=False, antialias=True
    ).clamp(0, 1)
    touched = F.adaptive_max_pool2d(amount, side) > 0.5
    covered = coverage > 0.5
    lost = touched & ~_grow(covered)
    joined = touched & _grow(lost)
    coverage = torch.where(joined, coverage.clamp_min(1.0), coverage)
    return (coverage * (2 * INSIDE_LOGIT) - INSIDE_LOGIT)[:, 0]


def _grow(cells: Tensor) -> Tensor:
    """The cells (N, 1, h, w) and their eight neighbours."""
    return F.max_pool2d(cells.to(torch.float32), 3, stride=1, padding=1) > 0.5
