"""Prompted segmentation: points, boxes and masks in, a region for each object out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..ops.bits import packed_width
from ..ops.checks import InputError, Progress, check_image, part_of
from ..ops.crew import Crew, Pause
from ..ops.mask_prompt import mask_to_logits
from ..ops.soften import soften
from ..ops.upsample import Upsampled, upsample_masks
from ..regions import Regions
from .decode import Pick, all_four, best_candidate, decode, single_mask, three_by_size
from .model import Embedding, Sam2
from .prompt import Prompt

__all__ = [
    "CHOICES",
    "Prompt",
    "PromptedMasks",
    "point_segmenter",
    "predict_prompts",
    "segment_prompts",
]

CHOICES = ("best", "part", "object", "whole", "all")

_CANDIDATES = 3
_RANKS = {"part": [0], "object": [1], "whole": [2], "all": [0, 1, 2]}
_LOGIT_LIMIT = 32.0
_AMBIGUOUS_TOKENS = 1
_ENCODING_IN_PROMPTS = 240
_PIXELS_AT_ONCE = 8 << 20
_ADVICE = "Not one mask fits at the image's size; use a smaller image, or ask for fewer objects."


@dataclass(frozen=True, eq=False)
class PromptedMasks:
    """The network's masks for prompts, before they are brought to the image's size.

    logits: float32 (M, S/4, S/4); scores: float32 (M,), predicted IoU; ids: M identities, see
    `segment_prompts`; size: (H, W) of the image in pixels.
    """

    logits: Tensor
    scores: Tensor
    ids: tuple[int, ...]
    size: tuple[int, int]

    def regions(self, progress: Progress | None = None) -> Regions:
        """The masks as regions; one that no pixel is in is left out.

        Their stability is the reference generator's: pixels at logit > 1 over pixels at > -1.
        progress(done, total) counts masks brought to the image's size; it may raise to interrupt.
        """
        full = _upsampled(self.logits, self.size, _counter(progress, len(self.ids)))
        stability = full.above / full.below.clamp_min(1)
        return Regions.from_packed(
            full.packed, self.size, self.scores, stability=stability, ids=self.ids, owned=True
        )

    def soft(self, feather: float) -> Tensor:
        """Strengths float32 (M, H, W) with edges `feather` pixels wide (0.1 to 0.9).

        Above 0.5 exactly where the region is; see `ops.soften`. Empty masks stay, all 0 or nearly.
        """
        if feather < 0:
            raise InputError(f"feather: wanted 0 or more pixels, got {feather}.")
        return soften(self.logits, self.size, feather)


def segment_prompts(
    model: Sam2,
    image: Tensor | Embedding,
    prompts: Sequence[Prompt],
    choice: str = "best",
    refine: int = 0,
    progress: Progress | None = None,
) -> Regions:
    """Segment one object for each prompt. See `predict_prompts`; ids tell whose region is whose.

    progress(done, total) counts decoding and bringing to the image's size as half of the work each.
    """
    first, second = (part_of(progress, half, 2) for half in range(2))
    return predict_prompts(model, image, prompts, choice, refine, first).regions(second)


def point_segmenter(
    model: Sam2, image: Tensor | Embedding
) -> Callable[[Sequence[tuple[int, int]]], Regions]:
    """What to ask inside gaps, for `fill_coverage`: points x, y in, the best region at each out.

    The image is encoded once. A region's id is the index of its point; one without pixels is
    left out.
    """
    embedding = image if isinstance(image, Embedding) else model.embed(image)

    def ask(points: Sequence[tuple[int, int]]) -> Regions:
        prompts = [Prompt(points=[[x, y]], labels=[1]) for x, y in points]
        return segment_prompts(model, embedding, prompts)

    return ask


def predict_prompts(
    model: Sam2,
    image: Tensor | Embedding,
    prompts: Sequence[Prompt],
    choice: str = "best",
    refine: int = 0,
    progress: Progress | None = None,
) -> PromptedMasks:
    """The masks for prompts on one image, each object on its own, encoded at most once.

    image: float (H, W, 3) in [0, 1], or the embedding of it. choice, for every prompt alike:

    - "best": a prompt of at most one point token (a click, or a mask alone) is ambiguous; of the
      decoder's three candidates it gets the one of the highest predicted IoU. A prompt of more (a
      box counts as two points) gets the single-mask token's mask where that is stable, else
      again the best candidate. These are the reference's own rules: the published
      configurations' multimask_max_pt_num = 1 and dynamic_multimask_via_stability.
    - "part", "object", "whole": the smallest, middle and largest of the three candidates.
    - "all": the three of them.

    ids are the index of the prompt; for "all", 3 * index + 0, 1 or 2 for part, object and whole.
    refine: how many further decoder passes, each with the same points and box and the last pass's
    logits as the mask; they may shrink a mask as well as grow it. For "best" each takes the
    single-mask rule above, otherwise the candidate that overlaps the last mask most.
    progress(done, total) counts passes of a prompt through the decoder, and an image that must be
    encoded as 240 of them; it may raise to interrupt.

    On a CPU pieces of prompts are decoded side by side, as many as torch has threads, and how many
    changes no bit of the result. Raises InputError for a point or box outside the image and for
    unknown choices.
    """
    if choice not in CHOICES:
        raise InputError(f"choice: wanted one of {', '.join(CHOICES)}, got {choice!r}.")
    if refine < 0:
        raise InputError(f"refine: wanted 0 or more passes, got {refine}.")
    for prompt in prompts:
        if not isinstance(prompt, Prompt):
            raise InputError(f"prompts: wanted a list of Prompt, got {prompt!r} in it.")
    size = image.size if isinstance(image, Embedding) else check_image(image).shape[:2]
    checked = [p.within((size[0], size[1]), f"prompt {i}") for i, p in enumerate(prompts)]
    each = _CANDIDATES if choice == "all" else 1
    passes = len(checked) * (1 + each * refine)
    if isinstance(image, Embedding):
        embedding, tick = image, _counter(progress, passes)
    else:
        tick = _counter(progress, passes + _ENCODING_IN_PROMPTS)
        embedding = model.embed(image, lambda share: tick(share * _ENCODING_IN_PROMPTS))
    side = model.image_size // 4
    logits = torch.zeros((len(checked), each, side, side), device=model.device)
    scores = torch.zeros((len(checked), each), device=model.device)
    with Crew.for_device(model.device) as crew:
        for index in _groups(checked):
            work = _Decoding(model, embedding, crew, tick)
            logits[index], scores[index] = work.run([checked[i] for i in index], choice, refine)
    return PromptedMasks(
        logits.flatten(0, 1), scores.flatten(), tuple(range(scores.numel())), embedding.size
    )


def _groups(prompts: Sequence[Prompt]) -> list[list[int]]:
    """Indices of prompts that one decoder call can take: as many tokens, with a mask or without.

    Padding to one length would change the result, as padding tokens take part in attention.
    """
    groups: dict[tuple[int, bool], list[int]] = {}
    for i, prompt in enumerate(prompts):
        groups.setdefault((prompt.count, prompt.mask is not None), []).append(i)
    return list(groups.values())


@dataclass(frozen=True, eq=False)
class _Decoding:
    """Prompts through the decoder, on whichever cores."""

    model: Sam2
    embedding: Embedding
    crew: Crew
    tick: Callable[[float], None]

    def run(self, prompts: Sequence[Prompt], choice: str, refine: int) -> tuple[Tensor, Tensor]:
        """Logits (B, K, S/4, S/4) and scores (B, K) for prompts of one group; K = 3 for "all"."""
        count, device = prompts[0].count, self.model.device
        tokens = [prompt.tokens() for prompt in prompts]
        coords = torch.tensor([t[0] for t in tokens], dtype=torch.float32, device=device)
        labels = torch.tensor([t[1] for t in tokens], dtype=torch.int32, device=device)
        coords, labels = coords.view(len(tokens), count, 2), labels.view(len(tokens), count)
        guesses = _mask_prompts(self.model, prompts)
        first = self._decode(coords, labels, guesses, _pick(choice, count))
        logits, scores = (t[:, _RANKS[choice]] for t in first) if choice in _RANKS else first
        each = logits.shape[1]
        coords, labels = coords.repeat_interleave(each, 0), labels.repeat_interleave(each, 0)
        for _ in range(refine):
            fed = logits.flatten(0, 1).clamp(-_LOGIT_LIMIT, _LOGIT_LIMIT)
            if choice == "best":
                mask, score = self._decode(coords, labels, fed, single_mask)
            else:
                mask, score = _most_like(fed, *self._decode(coords, labels, fed))
            logits, scores = mask.view_as(logits), score.view_as(scores)
        return logits, scores

    def _decode(
        self, coords: Tensor, labels: Tensor, masks: Tensor | None, pick: Pick = all_four
    ) -> tuple[Tensor, Tensor]:
        return decode(self.model, self.embedding, coords, labels, masks, pick, self.crew, self.tick)


def _pick(choice: str, count: int) -> Pick:
    """Which of the decoder's masks are wanted for prompts of `count` tokens."""
    if choice != "best":
        return three_by_size
    return best_candidate if count <= _AMBIGUOUS_TOKENS else single_mask


def _mask_prompts(model: Sam2, prompts: Sequence[Prompt]) -> Tensor | None:
    side = model.image_size // 4
    masks = [p.mask.to(model.device) for p in prompts if p.mask is not None]
    if not masks:
        return None
    return torch.cat([mask_to_logits(mask[None], side) for mask in masks])


def _most_like(fed: Tensor, logits: Tensor, ious: Tensor) -> tuple[Tensor, Tensor]:
    """Of each prompt's four masks the one with the highest IoU to what was fed back."""
    before, after = (fed > 0)[:, None], logits > 0
    shared = (before & after).sum(dim=(2, 3))
    overlap = shared / (before | after).sum(dim=(2, 3)).clamp_min(1)
    best = overlap.argmax(dim=1)
    rows = torch.arange(len(best), device=best.device)
    return logits[rows, best], ious[rows, best]


def _upsampled(logits: Tensor, size: tuple[int, int], tick: Callable[[float], None]) -> Upsampled:
    """Masks (N, h, w) at full size, on a CPU a piece on each core."""
    count, device = len(logits), logits.device
    if device.type != "cpu":
        tick(count)
        return upsample_masks(logits, size)
    packed = torch.empty((count, size[0], packed_width(size[1])), dtype=torch.uint8)
    counts = torch.empty((2, count), dtype=torch.int64)

    def work(part: slice, pause: Pause) -> None:
        piece = upsample_masks(logits[part], size)
        packed[part], counts[0, part], counts[1, part] = piece.packed, piece.above, piece.below

    length = max(1, _PIXELS_AT_ONCE // (size[0] * size[1]))
    with Crew.for_device(device) as crew:
        for part, _ in crew.in_chunks(count, length, work, _ADVICE, lambda: tick(0)):
            tick(part.stop - part.start)
    return Upsampled(packed, counts[0], counts[1])


def _counter(progress: Progress | None, total: int) -> Callable[[float], None]:
    """What adds to the work done and tells `progress`, if there is one."""
    done = 0.0

    def tick(more: float) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(min(round(done), total), total)

    return tick
