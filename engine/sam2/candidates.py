"""From points to candidate masks: decode, judge by predicted IoU, refine where asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..ops.crew import Crew, Pause
from ..ops.transfer import sent
from .everything import Everything
from .point_decoder import Attended, PointDecoder, indices

_LOGIT_LIMIT = 32.0
_ADVICE = (
    "Not one point could be decoded; close what else uses this device, use a smaller model, or "
    "raise pred_iou_thresh or lower points_per_side so that fewer candidates are held."
)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Masks that passed the predicted-IoU filter, in order of point and candidate.

    logits: N tensors float32 (S/4, S/4), so that each can be let go. scores: float32 (N,).
    """

    logits: list[Tensor]
    scores: Tensor


def decode_candidates(
    decoder: PointDecoder,
    points: Tensor,
    settings: Everything,
    tick: Callable[[float], None],
    crew: Crew,
) -> Candidates:
    """Decode every point, float32 (P, 2) in network pixels; tick(points done) after each piece."""
    tokens = decoder.embed_points(points)

    def decode(part: slice, pause: Pause) -> tuple[Tensor, Tensor]:
        return _decode_piece(decoder, tokens[part], settings, pause)

    logits: list[Tensor] = []
    scores = [torch.zeros(0, device=tokens.device)]
    length, at_once = _points_at_once(decoder, settings, crew.count)
    for part, (piece, score) in crew.in_chunks(
        len(tokens), length, decode, _ADVICE, lambda: tick(0), at_once=at_once
    ):
        logits.extend(piece.unbind(0))
        scores.append(score)
        tick(part.stop - part.start)
    return Candidates(logits, torch.cat(scores))


def _points_at_once(decoder: PointDecoder, settings: Everything, workers: int) -> tuple[int, int]:
    """How many points make a piece, and how many pieces fit the budget.

    Where it is tight pieces are smaller, so that each worker has one.
    """
    budget = settings.memory_budget // 2
    length = decoder.prompts_at_once(budget // workers)
    return length, budget // (length * decoder.bytes_per_prompt)


def _decode_piece(
    decoder: PointDecoder, tokens: Tensor, settings: Everything, pause: Pause
) -> tuple[Tensor, Tensor]:
    """Candidates of some points: logits (K, S/4, S/4) and scores (K,), those that pass."""
    threshold = settings.pred_iou_thresh
    attended = decoder.attend(tokens)
    pause()
    if not settings.use_m2m:
        if settings.multimask_output:
            return _several(decoder, attended, threshold)
        return _single(decoder, attended, threshold)
    first = (_several if settings.multimask_output else _single)(decoder, attended, 0.0)[0]
    owner = torch.arange(len(tokens), device=tokens.device)
    owner = owner.repeat_interleave(len(first) // len(tokens))
    refined = []
    for index in torch.split(torch.arange(len(first), device=tokens.device), len(tokens)):
        masks = decoder.embed_masks(first[index].clamp(-_LOGIT_LIMIT, _LOGIT_LIMIT))
        again = decoder.attend(tokens[owner[index]], masks)
        refined.append(_single(decoder, again, threshold))
        pause()
    return torch.cat([r[0] for r in refined]), torch.cat([r[1] for r in refined])


def _several(decoder: PointDecoder, attended: Attended, threshold: float) -> tuple[Tensor, Tensor]:
    """The candidates 1..3 of each prompt whose predicted IoU is above; all at threshold 0."""
    ious = decoder.ious(attended)
    wanted = _above(ious, threshold)
    wanted[:, 0] = False
    picked = sent(indices(wanted.flatten()), ious.device)
    return decoder.logits(attended, wanted), ious.flatten()[picked]


def _above(scores: Tensor, threshold: float) -> Tensor:
    """Which scores are above the threshold, on the CPU, where counting them waits for nothing.

    All of them at threshold 0, unknown to the device.
    """
    if threshold > 0:
        return (scores > threshold).cpu()
    return torch.ones(scores.shape, dtype=torch.bool)


def _single(decoder: PointDecoder, attended: Attended, threshold: float) -> tuple[Tensor, Tensor]:
    """The one mask of each prompt for prompts that leave no doubt, where its IoU is above.

    The single-mask token's; or, where the network was built so and that is not stable, the best
    of the three candidates. Masks are made only where one of the two can pass.
    """
    ious = decoder.ious(attended)
    rule = decoder.stability_rule
    count = 1 if rule is None else 2
    best = ious[:, 1:].argmax(1, keepdim=True) + 1
    places = torch.cat([torch.zeros_like(best), best], dim=1)[:, :count]
    either = ious.gather(1, places)
    told = torch.cat([places, either > threshold], dim=1).cpu()
    passing = (told[:, count:] > 0).any(1) if threshold > 0 else torch.ones(len(told)).bool()
    wanted = torch.zeros(ious.shape, dtype=torch.bool).scatter_(1, told[:, :count], True)
    logits = decoder.logits(attended, wanted & passing[:, None])
    logits = logits.view(-1, count, *logits.shape[1:])
    either = either[sent(indices(passing), either.device)]
    if rule is None:
        return logits[:, 0], either[:, 0]
    choice = (~rule.stable(logits[:, 0])).long()
    rows = torch.arange(len(choice), device=choice.device)
    scores = either[rows, choice]
    keep = sent(indices(_above(scores, threshold)), scores.device)
    return logits[rows[keep], choice[keep]], scores[keep]
