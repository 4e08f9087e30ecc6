"""From points to candidate masks: decode, judge by predicted IoU, refine where asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..ops.chunks import in_chunks
from .everything import Everything
from .point_decoder import Attended, PointDecoder

_PIECE_BYTES = 96 << 20
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
    decoder: PointDecoder, points: Tensor, settings: Everything, tick: Callable[[float], None]
) -> Candidates:
    """Decode every point, float32 (P, 2) in network pixels; tick(points done) after each piece."""
    tokens = decoder.embed_points(points)

    def decode(part: slice) -> tuple[Tensor, Tensor]:
        return _decode_piece(decoder, tokens[part], settings, tick)

    logits: list[Tensor] = []
    scores = [torch.zeros(0, device=tokens.device)]
    for part, (piece, score) in in_chunks(
        len(tokens), _points_at_once(decoder, settings), decode, _ADVICE
    ):
        logits.extend(piece.unbind(0))
        scores.append(score)
        tick(part.stop - part.start)
    return Candidates(logits, torch.cat(scores))


def _points_at_once(decoder: PointDecoder, settings: Everything) -> int:
    """On a CPU a few, as more gain nothing; elsewhere as many as the budget allows."""
    budget = settings.memory_budget // 2
    if decoder.device.type == "cpu":
        budget = min(budget, _PIECE_BYTES)
    return max(1, budget // decoder.bytes_per_prompt)


def _decode_piece(
    decoder: PointDecoder, tokens: Tensor, settings: Everything, tick: Callable[[float], None]
) -> tuple[Tensor, Tensor]:
    """Candidates of some points: logits (K, S/4, S/4) and scores (K,), those that pass."""
    threshold = settings.pred_iou_thresh
    if not settings.use_m2m:
        attended = decoder.attend(tokens)
        if settings.multimask_output:
            return _several(decoder, attended, threshold)
        return _single(decoder, attended, threshold)
    attended = decoder.attend(tokens)
    first = (_several if settings.multimask_output else _single)(decoder, attended, 0.0)[0]
    owner = torch.arange(len(tokens), device=tokens.device)
    owner = owner.repeat_interleave(len(first) // len(tokens))
    refined = []
    for index in torch.split(torch.arange(len(first), device=tokens.device), len(tokens)):
        masks = decoder.embed_masks(first[index].clamp(-_LOGIT_LIMIT, _LOGIT_LIMIT))
        again = decoder.attend(tokens[owner[index]], masks)
        refined.append(_single(decoder, again, threshold))
        tick(0)
    return torch.cat([r[0] for r in refined]), torch.cat([r[1] for r in refined])


def _several(decoder: PointDecoder, attended: Attended, threshold: float) -> tuple[Tensor, Tensor]:
    """The candidates 1..3 of each prompt whose predicted IoU is above; all at threshold 0."""
    ious = decoder.ious(attended)
    wanted = ious > threshold if threshold > 0 else torch.ones_like(ious, dtype=torch.bool)
    wanted[:, 0] = False
    return decoder.logits(attended, wanted), ious[wanted]


def _single(decoder: PointDecoder, attended: Attended, threshold: float) -> tuple[Tensor, Tensor]:
    """The one mask of each prompt for prompts that leave no doubt, where its IoU is above.

    The single-mask token's; or, where the network was built so and that is not stable, the best
    of the three candidates. Masks are made only where one of the two can pass.
    """
    ious = decoder.ious(attended)
    rule = decoder.stability_rule
    best = ious[:, 1:].argmax(1)
    either = torch.stack([ious[:, 0], ious[:, 1:].gather(1, best[:, None])[:, 0]], dim=1)
    if rule is None:
        either = either[:, :1]
    passing = (either > threshold).any(1) if threshold > 0 else torch.ones_like(best).bool()
    wanted = torch.zeros_like(ious, dtype=torch.bool)
    wanted[:, 0] = passing
    if rule is not None:
        wanted[torch.arange(len(best), device=best.device), best + 1] = passing
    logits = decoder.logits(attended, wanted)
    logits = logits.view(-1, either.shape[1], *logits.shape[1:])
    either = either[passing]
    if rule is None:
        return logits[:, 0], either[:, 0]
    choice = (~rule.stable(logits[:, 0])).long()
    rows = torch.arange(len(choice), device=choice.device)
    scores = either[rows, choice]
    keep = scores > threshold if threshold > 0 else torch.ones_like(scores, dtype=torch.bool)
    return logits[rows, choice][keep], scores[keep]
