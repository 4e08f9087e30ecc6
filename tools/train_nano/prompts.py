"""What the network is asked: clicks, boxes, corrections, and the regions that answer them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from .data import Sample, node_masks

MOST_ANSWERS = 3
CENTRAL = 0.4  # the share of single clicks that are near the middle of their region
INNERMOST = 0.7  # of the greatest distance to the border: that far inside is near the middle
COARSE = 4  # pixels between the places where that distance is looked at
HIDDEN = 0.5  # the share of boxes that go to the region of two that fills its box less


@dataclass(frozen=True)
class Prompts:
    """N prompts. `image` (N,), `points` (N, K, 2) in pixels, `labels` (N, K) as SAM 2 has them.

    `answers` (N, 3): index into the batch's stacked node masks of each acceptable region, the one
    the prompt was made from first, -1 where there are fewer.
    """

    image: Tensor
    points: Tensor
    labels: Tensor
    answers: Tensor


def answers_at(sample: Sample, label: int, node: int) -> list[int]:
    """`node`, then the other wanted regions that contain the pixel, at most three in all."""
    chain = np.flatnonzero(sample.inside[:, label] & sample.wanted)
    others = [int(other) for other in chain[::-1] if other != node]
    return [node, *others][:MOST_ANSWERS]


def central_pixel(rng: np.random.Generator, sample: Sample, node: int) -> int | None:
    """The index of a pixel far from the border of a region, None where the region is too thin."""
    coarse = sample.labels[COARSE // 2 :: COARSE, COARSE // 2 :: COARSE]
    inner = distance_transform_edt(np.pad(sample.inside[node][coarse], 1))[1:-1, 1:-1]
    if not inner.any():
        return None
    row, column = rng.choice(np.argwhere(inner >= INNERMOST * inner.max())) * COARSE + COARSE // 2
    return int(row * sample.labels.shape[1] + column)


def clicks(rng: np.random.Generator, samples: list[Sample], count: int, most: int = 1) -> Prompts:
    """`count` prompts an image of `most` clicks inside a region; only one click is ambiguous."""
    images, points, answers = [], [], []
    offset = 0
    for index, sample in enumerate(samples):
        nodes = np.flatnonzero(sample.wanted)
        side = sample.labels.shape[0]
        flat = sample.labels.ravel()
        for node in rng.choice(nodes, count):
            pixels = rng.choice(np.flatnonzero(sample.inside[node][flat]), most)
            if most == 1 and rng.random() < CENTRAL:
                pixel = central_pixel(rng, sample, node)
                pixels = pixels if pixel is None else np.array([pixel])
            points.append(np.stack([pixels % side, pixels // side], 1))
            found = answers_at(sample, flat[pixels[0]], int(node)) if most == 1 else [int(node)]
            answers.append([offset + f for f in found] + [-1] * (MOST_ANSWERS - len(found)))
            images.append(index)
        offset += len(sample.wanted)
    labels = torch.ones(len(points), most, dtype=torch.int32)
    located = torch.from_numpy(np.stack(points)).float()
    return Prompts(torch.tensor(images), located, labels, torch.tensor(answers))


def filled(sample: Sample, node: int) -> float:
    """How much of its box a region fills, 0 to 1: little where others hide most of it."""
    mask = sample.inside[node][sample.labels[::COARSE, ::COARSE]]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 1.0
    return mask.sum() / float((rows[-1] + 1 - rows[0]) * (columns[-1] + 1 - columns[0]))


def boxed_nodes(rng: np.random.Generator, sample: Sample, count: int) -> list[int]:
    """`count` regions to draw boxes around, more of those that others partly hide."""
    pairs = rng.choice(np.flatnonzero(sample.wanted), (count, 2))
    choose = rng.random(count) < HIDDEN
    return [
        int(min(pair, key=lambda node: filled(sample, node)) if both else pair[0])
        for pair, both in zip(pairs, choose, strict=True)
    ]


def boxes(rng: np.random.Generator, samples: list[Sample], count: int) -> Prompts:
    """`count` boxes an image around regions, drawn a little carelessly."""
    images, points, answers = [], [], []
    offset = 0
    for index, sample in enumerate(samples):
        side = sample.labels.shape[0]
        for node in boxed_nodes(rng, sample, count):
            mask = sample.inside[node][sample.labels]
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            box = np.array([[columns[0], rows[0]], [columns[-1], rows[-1]]], np.float32)
            if rng.random() < 0.6:
                slack = np.minimum((box[1] - box[0]) * 0.1, 0.08 * side) * 0.5 + 0.5
                box = np.clip(box + rng.normal(0, 1, (2, 2)) * slack, 0, side - 1)
            points.append(box)
            answers.append([offset + node, -1, -1])
            images.append(index)
        offset += len(sample.wanted)
    labels = torch.tensor([[2, 3]], dtype=torch.int32).expand(len(points), 2)
    located = torch.from_numpy(np.stack(points)).float()
    return Prompts(torch.tensor(images), located, labels, torch.tensor(answers))


@dataclass(frozen=True)
class Batch:
    """One training step's pictures and first questions.

    images: uint8 (B, S, S, 3). labels: int32 (B, S, S). covered: uint8 (sum n, S/2, S/2), how many
    of each cell's 4 pixels each node of each picture covers. single: single clicks. other: boxes,
    or several clicks where `several` says so.
    """

    images: Tensor
    labels: Tensor
    covered: Tensor
    single: Prompts
    other: Prompts
    several: bool


def make_batch(
    rng: np.random.Generator, samples: list[Sample], count: int, others: int, several: bool
) -> Batch:
    """Ask `count` single clicks and `others` more about each picture."""
    single = clicks(rng, samples, count)
    if several:
        other = clicks(rng, samples, others, most=int(rng.integers(2, 4)))
    else:
        other = boxes(rng, samples, others)
    return Batch(
        torch.from_numpy(np.stack([sample.image for sample in samples])),
        torch.from_numpy(np.stack([sample.labels.astype(np.int32) for sample in samples])),
        torch.cat([node_masks(sample) for sample in samples]),
        single,
        other,
        several,
    )


def corrections(prompts: Prompts, chosen: Tensor, logits: Tensor, truth: Tensor) -> Prompts:
    """Add to the prompts `chosen` a click where a mask is wrong: in a miss or in an excess.

    logits: (M, S/4, S/4), the masks so far of those prompts; truth: (M, S/2, S/2).
    """
    side = truth.shape[-1]
    grown = functional.interpolate(
        logits[:, None], (side, side), mode="bilinear", align_corners=False
    )[:, 0]
    wrong = ((grown > 0) != (truth > 0.5)).flatten(1).float()
    nothing = wrong.sum(1, keepdim=True) == 0
    wrong = torch.where(nothing, truth.flatten(1) + 1e-6, wrong)
    cell = torch.multinomial(wrong, 1)
    label = (truth.flatten(1).gather(1, cell) > 0.5).to(prompts.labels.dtype)
    place = torch.stack([cell % side, cell // side], -1).float() * 2
    place = place + torch.randint(0, 2, place.shape, device=place.device)
    return Prompts(
        prompts.image[chosen],
        torch.cat([prompts.points[chosen], place], 1),
        torch.cat([prompts.labels[chosen], label], 1),
        torch.cat([prompts.answers[chosen, :1], prompts.answers.new_full((len(chosen), 2), -1)], 1),
    )
