"""The mask decoder for any prompts on one embedding: tokens in, low-resolution logits out."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from ..ops.crew import Crew, Pause
from ..ops.transfer import sent
from .model import Embedding, Sam2
from .point_decoder import Attended, PointDecoder

Pick: TypeAlias = Callable[[PointDecoder, Attended], tuple[Tensor, Tensor]]
"""From P decoded prompts to K masks of each: logits (P, K, S/4, S/4) and predicted IoUs (P, K)."""

_BYTES_AT_ONCE = 512 << 20
_PIECES_ON_CPU = 4
_FEWEST_ON_CPU = 5  # Smaller pieces of the embedded model's prompts cost a tenth more each.
_ADVICE = (
    "Not one prompt could be decoded; close what else uses this device or use a smaller model."
)


def decoder_for(model: Sam2, embedding: Embedding) -> PointDecoder:
    """The decoder on `embedding`, kept on the model until another embedding comes.

    So the second click on an image finds everything that no prompt changes already computed.
    """
    held, decoder = model.last_decoder or (None, None)
    if decoder is None or held is None or held() is not embedding or decoder.device != model.device:
        decoder = PointDecoder(model, embedding)
        model.last_decoder = (weakref.ref(embedding), decoder)
    return decoder


@torch.no_grad()
def decode(
    model: Sam2,
    embedding: Embedding,
    coords: Tensor,
    labels: Tensor,
    masks: Tensor | None = None,
    pick: Pick | None = None,
    crew: Crew | None = None,
    tick: Callable[[float], None] = lambda done: None,
) -> tuple[Tensor, Tensor]:
    """Decode P prompts of T tokens each on one embedding, in pieces that memory allows.

    coords: float32 (P, T, 2), x and y in image pixels; labels: int (P, T), 1 include, 0 exclude,
    2 and 3 a box's first and last corner; T may be 0. masks: logits float32 (P, S/4, S/4), needed
    where T is 0. pick: which masks are wanted, by default `all_four`; only those are upscaled.
    crew: who works on the pieces, by default the caller alone; how many they are changes no bit of
    the result. tick(prompts done) is called on the caller's thread after each piece, with 0 while
    it waits; it may raise to interrupt.

    Returns logits float32 (P, K, S/4, S/4) and predicted IoUs float32 (P, K), as `pick` gives
    them. The tokens are those of SAM2ImagePredictor: one for padding follows the last point.
    """
    decoder, choose = decoder_for(model, embedding), pick or all_four
    points = None
    if coords.shape[1]:
        points = (to_network_pixels(coords, embedding.size, model), sent(labels, model.device))
    elif masks is None:
        raise ValueError("decode: wanted tokens or masks.")
    grid = None if masks is None else masks.to(model.device)
    sparse = _tokens(model, points, len(coords))

    def work(part: slice, pause: Pause) -> tuple[Tensor, Tensor]:
        dense = None if grid is None else decoder.embed_masks(grid[part])
        return choose(decoder, decoder.attend(sparse[part], dense))

    length = _piece(decoder, len(sparse))
    at_once = _BYTES_AT_ONCE // (length * decoder.bytes_per_prompt)
    logits, ious = [], []
    for part, (piece, scores) in (crew or Crew(1)).in_chunks(
        len(sparse), length, work, _ADVICE, lambda: tick(0), at_once=at_once
    ):
        logits.append(piece)
        ious.append(scores)
        tick(part.stop - part.start)
    return torch.cat(logits), torch.cat(ious)


def _piece(decoder: PointDecoder, count: int) -> int:
    """How many of `count` prompts to decode together; on a CPU so few that several cores have some.

    It may not depend on how many cores there are, as the result would.
    """
    length = decoder.prompts_at_once(_BYTES_AT_ONCE)
    if decoder.device.type != "cpu":
        return length
    return min(length, max(_FEWEST_ON_CPU, -(-count // _PIECES_ON_CPU)))


def _tokens(model: Sam2, points: tuple[Tensor, Tensor] | None, count: int) -> Tensor:
    encoder = model.network.sam_prompt_encoder
    if points is None:
        return torch.zeros((count, 0, encoder.embed_dim), device=model.device)
    tokens: Tensor = encoder(points=points, boxes=None, masks=None)[0]
    return tokens


def to_network_pixels(coords: Tensor, size: tuple[int, int], model: Sam2) -> Tensor:
    """Image pixels (..., 2) as x, y to pixels of the network's S x S input, float32.

    On the network's device, which is not waited for where `coords` are on the host.
    """
    height, width = size
    scale = torch.tensor([width, height], dtype=torch.float32, device=coords.device)
    return sent(coords.to(torch.float32) / scale * model.image_size, model.device)


def all_four(decoder: PointDecoder, attended: Attended) -> tuple[Tensor, Tensor]:
    """The single-mask token's mask at index 0, then the three candidates."""
    return _take(
        decoder, attended, torch.arange(4, device=decoder.device).expand(_count(attended), 4)
    )


def three_by_size(decoder: PointDecoder, attended: Attended) -> tuple[Tensor, Tensor]:
    """The three candidates for an ambiguous prompt, the smallest first; ties by their index."""
    logits, ious = all_four(decoder, attended)
    logits, ious = logits[:, 1:], ious[:, 1:]
    order = (logits > 0).sum(dim=(2, 3)).argsort(dim=1, stable=True)
    rows = torch.arange(len(order), device=order.device)[:, None]
    return logits[rows, order], ious[rows, order]


def best_candidate(decoder: PointDecoder, attended: Attended) -> tuple[Tensor, Tensor]:
    """Of the three candidates the one of the highest predicted IoU."""
    best = decoder.ious(attended)[:, 1:].argmax(dim=1, keepdim=True) + 1
    return _take(decoder, attended, best)


def single_mask(decoder: PointDecoder, attended: Attended) -> tuple[Tensor, Tensor]:
    """The mask for prompts that leave no doubt: the single-mask token's where it is stable.

    Stable means that its area at logit > 0.05 is at least 0.98 of that at > -0.05; where it isn't,
    the candidate of the highest predicted IoU stands in. It is the reference's own rule (dynamic
    multimask via stability).
    """
    rule = decoder.stability_rule
    best = decoder.ious(attended)[:, 1:].argmax(dim=1) + 1
    logits, ious = _take(decoder, attended, torch.stack([torch.zeros_like(best), best], dim=1))
    if rule is None:
        return logits[:, :1], ious[:, :1]
    chosen = (~rule.stable(logits[:, 0])).long()
    rows = torch.arange(len(chosen), device=chosen.device)
    return logits[rows, chosen][:, None], ious[rows, chosen][:, None]


def _count(attended: Attended) -> int:
    return len(attended.iou)


def _take(decoder: PointDecoder, attended: Attended, index: Tensor) -> tuple[Tensor, Tensor]:
    """The masks at `index` (P, K), ascending along K, and their predicted IoUs."""
    wanted = torch.zeros((len(index), 4), dtype=torch.bool, device=decoder.device)
    wanted.scatter_(1, index, True)
    logits = decoder.logits(attended, wanted)
    ious = decoder.ious(attended).gather(1, index)
    return logits.view(*index.shape, *logits.shape[1:]), ious
