"""A membrane over a picture: fixed in places, elsewhere as flat as the picture's edges allow."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_COARSEST = 16
_LEAST = 1e-3


def edge_weights(guide: Tensor | None, size: tuple[int, int], sigma: float) -> Tensor:
    """How firmly each pixel holds to its right and its lower neighbour, float32 (2, H, W).

    exp(-|difference of guide|^2 / sigma^2), at least 0.001; 1 without a guide. guide: (C, H, W).
    Links over the right and lower border of the picture are 0.
    """
    weights = torch.ones((2, *size), device=None if guide is None else guide.device)
    if guide is not None:
        for axis, steps in enumerate((guide.diff(dim=2), guide.diff(dim=1))):
            held = torch.exp(-steps.square().sum(0) / sigma**2).clamp_(min=_LEAST)
            weights[axis, : held.shape[0], : held.shape[1]] = held
    weights[0, :, -1] = 0
    weights[1, -1, :] = 0
    return weights


def relax(values: Tensor, fixed: Tensor, weights: Tensor, tolerance: float = 1e-4) -> Tensor:
    """Solve div(w grad s) = 0 with s = values where fixed: float32 (H, W).

    values: float32 (H, W). fixed: bool (H, W), somewhere True. weights: as from `edge_weights`.
    No result lies outside the range of the fixed values. Coarse grids give the first guess,
    conjugate gradients (diagonal preconditioner) the rest, until the largest residual of a pixel,
    relative to its weights, is below `tolerance`.
    """
    start = _guess(values, fixed, weights)
    known = values[fixed]
    solved = _conjugate_gradients(start, fixed, weights, tolerance)
    return solved.clamp_(known.min(), known.max())


def _guess(values: Tensor, fixed: Tensor, weights: Tensor) -> Tensor:
    """The solution on a grid of half the size, brought up; fixed pixels as they are."""
    height, width = values.shape
    if min(height, width) <= _COARSEST:
        return torch.where(fixed, values, values[fixed].mean())
    size = ((height + 1) // 2, (width + 1) // 2)
    share = _halve(fixed.to(values.dtype))
    coarse_fixed = share > 0
    coarse_values = _halve(torch.where(fixed, values, 0.0)) / share.clamp(min=1e-6)
    coarse_weights = torch.stack([_halve(weights[0]), _halve(weights[1])])
    coarse_weights[0, :, -1] = 0
    coarse_weights[1, -1, :] = 0
    coarse = relax(coarse_values, coarse_fixed, coarse_weights, 1e-3)
    assert tuple(coarse.shape) == size
    fine = F.interpolate(coarse[None, None], size=(height, width), mode="bilinear")[0, 0]
    return torch.where(fixed, values, fine)


def _halve(plane: Tensor) -> Tensor:
    pooled: Tensor = F.avg_pool2d(plane[None, None], 2, ceil_mode=True, count_include_pad=False)
    return pooled[0, 0]


def _pull(s: Tensor, weights: Tensor) -> Tensor:
    """Sum over the four neighbours of w (s - s_neighbour)."""
    across = weights[0, :, :-1] * s.diff(dim=1)
    down = weights[1, :-1] * s.diff(dim=0)
    pull = torch.zeros_like(s)
    pull[:, :-1] -= across
    pull[:, 1:] += across
    pull[:-1] -= down
    pull[1:] += down
    return pull


def _conjugate_gradients(s: Tensor, fixed: Tensor, weights: Tensor, tolerance: float) -> Tensor:
    free = (~fixed).to(s.dtype)
    hold = weights.sum(0)
    hold[:, 1:] += weights[0, :, :-1]
    hold[1:] += weights[1, :-1]
    hold.clamp_(min=_LEAST)
    s = s.clone()
    residual = -_pull(s, weights) * free
    eased = residual / hold
    direction, power = eased.clone(), (residual * eased).sum()
    for _ in range(2 * sum(s.shape)):
        if float(eased.abs().max()) < tolerance:
            break
        along = _pull(direction, weights) * free
        length = power / (direction * along).sum()
        s.add_(direction * length)
        residual.sub_(along * length)
        eased = residual / hold
        before, power = power, (residual * eased).sum()
        direction.mul_(power / before).add_(eased)
    return s
