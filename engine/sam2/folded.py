"""The mask decoder's attention between few prompt tokens and many image tokens, folded.

A score q . (W x) is (W' q) . x, and a sum of a (W x) is W of the sum of a x: projections are
applied to the prompt's side, T tokens by H heads vectors of the embedding's width, 64 where N is
4096. Letters as in `point_decoder`; rows of P prompts by H * T are head by head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

Answer: TypeAlias = "tuple[Tensor | None, Tensor | None]"
"""Sums of image tokens (P, R, C) and values (P, T, H, d), float32, which together were read."""


_WIDE = 1024


def by_head(x: Tensor, heads: int) -> Tensor:
    """(..., H * d) to (..., H, d)."""
    return x.view(*x.shape[:-1], heads, -1)


def split(weight: Tensor, heads: int) -> Tensor:
    """(H * d, ...) to (H, d, ...)."""
    return weight.view(heads, -1, *weight.shape[1:])


def scale(attention: Any) -> float:
    """What scores are multiplied by."""
    return float((attention.internal_dim // attention.num_heads) ** -0.5)


def fold(rows: Tensor, weight: Tensor) -> Tensor:
    """Rows (P, T, H, d) through (H, d, C), the weights of each head: (P, H * T, C).

    On a CPU wide results are made prompt by prompt, where they belong: putting them there
    afterwards takes as long as the product.
    """
    count, tokens, heads, _ = rows.shape
    if weight.device.type == "cpu" and weight.shape[2] >= _WIDE:
        wide = rows.new_empty(count, heads, tokens, weight.shape[2])
        for row, out in zip(rows.transpose(1, 2), wide, strict=True):
            torch.bmm(row, weight, out=out)
        return wide.flatten(1, 2)
    folded = torch.bmm(rows.permute(2, 0, 1, 3).reshape(heads, count * tokens, -1), weight)
    return folded.view(heads, count, tokens, -1).transpose(0, 1).reshape(count, heads * tokens, -1)


def scaled_queries(attention: Any, tokens: Tensor) -> Tensor:
    """Queries of prompt tokens (P, T, C): (P, T, H, d)."""
    return by_head(attention.q_proj(tokens) * scale(attention), attention.num_heads)


def scaled_keys(attention: Any, tokens: Tensor) -> Tensor:
    """Keys of prompt tokens (P, T, C): (P, T, H, d)."""
    return by_head(attention.k_proj(tokens) * scale(attention), attention.num_heads)


def project_values(attention: Any, rows: Tensor) -> Tensor:
    """Sums of image tokens (P, H * T, C) as values without their bias, (P, T, H, d)."""
    heads = attention.num_heads
    sums = rows.view(len(rows), heads, -1, rows.shape[2]).transpose(1, 2)
    return torch.einsum("pthc,hdc->pthd", sums, split(attention.v_proj.weight, heads))


def merge(attention: Any, values: Tensor) -> Tensor:
    """What tokens read, (P, T, H, d), given their bias and merged: (P, T, C)."""
    merged: Tensor = attention.out_proj(values.flatten(2) + attention.v_proj.bias)
    return merged


def written_weights(attention: Any, scores: Tensor) -> Tensor:
    """Scores (P, H * T, N) to weights: of each image token over the T tokens of each head."""
    return (
        scores.view(len(scores), attention.num_heads, -1, scores.shape[2]).softmax(2).flatten(1, 2)
    )


def written_values(attention: Any, tokens: Tensor) -> Tensor:
    """What each token writes to an image token by head (P, H * T, C).

    The output projection is folded onto the values; each head's weights sum to 1, so the H
    shares of its bias add up to the bias.
    """
    heads = attention.num_heads
    values = by_head(attention.v_proj(tokens), heads)
    folded = fold(values, by_head(attention.out_proj.weight, heads).permute(1, 2, 0))
    added: Tensor = attention.out_proj.bias / heads
    return folded + added


@dataclass(frozen=True, eq=False)
class Question:
    """Tokens that attend to the image: queries (P, T, H, d), and (P, R, C) through the keys."""

    attention: Any
    queries: Tensor
    folded: Tensor

    @classmethod
    def of(cls, attention: Any, tokens: Tensor) -> Question:
        """Of tokens (P, T, C).

        The key bias adds the same to a token's scores for all image tokens, so the softmax drops
        it.
        """
        queries = scaled_queries(attention, tokens)
        weight = split(attention.k_proj.weight, attention.num_heads)
        return cls(attention, queries, fold(queries, weight))

    def __getitem__(self, part: slice) -> Question:
        return Question(self.attention, self.queries[part], self.folded[part])

    def answer(self, found: list[Answer]) -> Tensor:
        """What the tokens read, (P, T, C), of what the views of all prompts answered."""
        values = [torch.cat(plain)] if (plain := [a[1] for a in found if a[1] is not None]) else []
        if sums := [answer[0] for answer in found if answer[0] is not None]:
            values.append(project_values(self.attention, torch.cat(sums)))
        return merge(self.attention, sum(values[1:], values[0]))


@dataclass(frozen=True, eq=False)
class Message:
    """Tokens that the image attends to.

    keys: (P, T, H, d); folded: (P, R, C), they through the queries; values: (P, R, C), as they are
    added to the image.
    """

    attention: Any
    keys: Tensor
    folded: Tensor
    values: Tensor

    @classmethod
    def of(cls, attention: Any, placed: Tensor, tokens: Tensor) -> Message:
        """Of tokens (P, T, C); `placed` are they with positions added."""
        keys = scaled_keys(attention, placed)
        folded = fold(keys, split(attention.q_proj.weight, attention.num_heads))
        values = written_values(attention, tokens)
        return cls(attention, keys, folded, values)

    def __getitem__(self, part: slice) -> Message:
        return Message(self.attention, self.keys[part], self.folded[part], self.values[part])
