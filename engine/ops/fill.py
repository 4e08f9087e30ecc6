"""What lies under something: planes continued smoothly from the pixels that are known."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def fill_smoothly(planes: Tensor, known: Tensor) -> Tensor:
    """Planes (C, H, W) with every pixel that isn't known filled from the known ones around it.

    known: bool (H, W). The farther away a pixel, the wider the area it is a mean of, so that
    nothing jumps on the way; filled values stay within the range of the known ones. Without a
    known pixel the planes come back as they are. `planes` is not modified.
    Source: pull-push, Gortler et al., "The Lumigraph", SIGGRAPH 1996.
    """
    if not bool(known.any()) or bool(known.all()):
        return planes
    weight = known.to(planes.dtype)[None]
    return planes.where(known, _pull_push(planes * weight, weight))


def _pull_push(held: Tensor, weight: Tensor) -> Tensor:
    """held: (C, H, W), times its weight (1, H, W) in [0, 1]; all of it filled."""
    size = held.shape[-2:]
    if bool((weight > 0).all()):
        return held / weight
    odd = (0, size[1] % 2, 0, size[0] % 2)
    less, share = (F.avg_pool2d(F.pad(part[None], odd), 2)[0] for part in (held, weight))
    # One known pixel of the four is enough to know the larger one.
    sure = (4 * share).clamp(max=1)
    coarse = _pull_push(less / share.clamp(min=1e-12) * sure, sure)
    fine = F.interpolate(coarse[None], scale_factor=2, mode="bilinear", align_corners=False)[0]
    return held + (1 - weight) * fine[:, : size[0], : size[1]]
