"""How wrong a set of masks is, when a prompt may have up to three right answers."""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor
from torch.nn import functional

CROSS_ENTROPY_WEIGHT = 3.0
DICE_WEIGHT = 2.0
IOU_WEIGHT = 2.0
SCORE_WEIGHT = 0.1
ASKED = 0.5  # how much predicted IoU is about the asked-for region, the rest about the best answer
SPARE_WEIGHT = 0.05  # of a mask that no answer was matched with
ORDERS = tuple(permutations(range(3)))


def pair_losses(logits: Tensor, truth: Tensor, balance: float = 0.0) -> tuple[Tensor, Tensor]:
    """Compare every mask with every answer of its prompt.

    logits: (N, 4, h, w). truth: shares in [0, 1], (N, A, h, w). balance: the weight of a
    cross-entropy in which the region and the rest count alike; it keeps masks from staying empty
    early on and makes them too large later. Returns losses and IoU (N, 4, A).
    """
    found, shares = logits.flatten(2), truth.flatten(2)
    size = found.shape[-1]
    across = shares.transpose(1, 2)
    softplus = functional.softplus(found)
    whole, area = softplus.sum(-1, keepdim=True), shares.sum(-1)[:, None]
    claimed, shared_found = softplus @ across, found @ across
    entropy = (whole - shared_found) / size
    missed = (claimed - shared_found) / (area + 1)
    excess = (whole - claimed) / (size - area + 1)
    likely = found.sigmoid()
    shared = likely @ across
    dice = 1 - (2 * shared + 1) / (likely.sum(-1, keepdim=True) + area + 1)
    loss = CROSS_ENTROPY_WEIGHT * entropy + DICE_WEIGHT * dice + balance * (missed + excess) / 2
    with torch.no_grad():
        hard, real = (found > 0).float(), (shares > 0.5).float()
        both = hard @ real.transpose(1, 2)
        either = hard.sum(-1, keepdim=True) + real.sum(-1)[:, None] - both
        iou = both / either.clamp_min(1)
    return loss, iou


def match(losses: Tensor, valid: Tensor) -> Tensor:
    """Which of three masks answers which region, best in total: bool (N, 3, 3) masks x answers."""
    costs = torch.where(valid[:, None], losses, losses.new_zeros(()))
    index = torch.tensor(ORDERS, device=losses.device)  # mask that answers region 0, 1, 2
    total = sum(costs[:, index[:, answer], answer] for answer in range(3))
    best = index[total.argmin(1)]
    chosen = functional.one_hot(best, 3).transpose(1, 2).bool()
    return chosen & valid[:, None]


def prompt_loss(
    logits: Tensor,
    quality: Tensor,
    score: Tensor,
    truth: Tensor,
    valid: Tensor,
    balance: float = 0.0,
    single_weight: float = 1.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of N prompts, and what to print.

    logits (N, 4, S/4, S/4); quality, predicted IoU (N, 4); score (N, 1); truth (N, 3, S/2, S/2)
    with the asked-for region first; valid (N, 3). single_weight: of mask 0, which SAM 2 shows for
    all prompts but a single click.
    """
    grown = functional.interpolate(logits, truth.shape[-2:], mode="bilinear", align_corners=False)
    losses, iou = pair_losses(grown, truth, balance)
    pairs = losses[:, 1:]
    with torch.no_grad():
        chosen = match(pairs.detach(), valid)
        spare = ~chosen.any(2)
        nearest = torch.where(valid[:, None], pairs, torch.inf).argmin(2, keepdim=True)
        best = torch.where(valid[:, None], iou, -1.0).amax(2)
        reached = torch.lerp(best, iou[..., 0], ASKED)
        reached[:, 0] = iou[:, 0, 0]
    answered = (pairs * chosen).sum((1, 2)) / valid.sum(1)
    left = (pairs.gather(2, nearest)[..., 0] * spare).sum(1) * SPARE_WEIGHT
    single = losses[:, 0, 0] * single_weight
    regression = (quality - reached).square().sum(1)
    presence = functional.softplus(-score[:, 0])
    loss = answered + left + single + IOU_WEIGHT * regression + SCORE_WEIGHT * presence
    picked = iou[:, 1:, 0].gather(1, quality[:, 1:].argmax(1, keepdim=True))[:, 0]
    report = {
        "best": iou[:, 1:, 0].amax(1).mean(),
        "picked": picked.mean(),
        "single": iou[:, 0, 0].mean(),
        "regression": regression.mean().detach(),
    }
    return loss.mean(), report
