"""The image tokens in the mask decoder, as its layers leave them, and how prompts use them.

Each view can be read by prompt tokens, which attend to it, and written by them, which gives the
view of the next layer. Three kinds give the same numbers up to rounding:

- `Plain`, before the first layer: the same for all prompts, so what it is projected to is shared.
- `Grown`, after a layer on `Plain`: the plain image X plus a few vectors for each prompt,
  normalised. Products with X are taken from shared projections, 16 channels a head instead of 256,
  and products with the few vectors are small. For float32, as differences are taken, and
  where the channels are many.
- `Own`: any image tokens, for mask prompts and for half precision.

Letters as in `point_decoder`; R stands for the rows H * T of all heads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..ops.transfer import sent
from .folded import Answer, Message, Question, by_head, fold, split, written_weights

_FEW = 4  # So many times more channels than rows make `Grown` the faster; measured.

_IN_CACHE = 1 << 18  # numbers

View: TypeAlias = "Plain | Grown | Own"


def few(count: int, image: Tensor) -> Iterator[slice]:
    """Parts of `count` prompts that each have an image of the size of `image` (N, C).

    On a CPU so many that their images stay in the cache: tokens are few, and many prompts' of them
    are worked on at once, images are not. All elsewhere.
    """
    some = max(1, _IN_CACHE // image.numel()) if image.device.type == "cpu" else max(1, count)
    for start in range(0, count, some):
        yield slice(start, min(start + some, count))


@dataclass(frozen=True, eq=False)
class Own:
    """Image tokens keys (P, N, C) of which nothing else is known, in plain.dtype.

    Whatever their type, prompt tokens and weights are float32; rows are brought to the image's
    type for products with it, what they read is float32 again.
    """

    keys: Tensor
    plain: Plain

    def read(self, question: Question) -> Answer:
        """What the tokens of P prompts read of the image."""
        scores = self._scores(question.queries, question.folded, question.attention.k_proj)
        weights = scores.softmax(-1)
        return torch.bmm(weights, self.keys).to(torch.float32), None

    def write(self, message: Message, norm: Any) -> Own:
        """The image after it reads the tokens of P prompts. Uses `keys` up."""
        kind = self.keys.dtype
        scores = self._scores(message.keys, message.folded, message.attention.q_proj)
        weights = written_weights(message.attention, scores)
        mixed = self.keys.baddbmm_(weights.transpose(1, 2), message.values.to(kind))
        return Own(norm(mixed), self.plain)

    def take(self, rows: Tensor) -> Own:
        """Of some of the prompts, int64 (K,) on the CPU."""
        return Own(_rows_of(self.keys, rows), self.plain)

    def _scores(self, rows: Tensor, folded: Tensor, projection: Any) -> Tensor:
        """Scores (P, R, N) of rows (P, T, H, d), `folded` through `projection`, with the image.

        What positions and bias add is a product of d channels a head, not a sum over the image.
        """
        kind = self.keys.dtype
        scores = fold(rows.to(kind), self.plain.positions(projection, rows.shape[2]))
        return scores.baddbmm_(folded.to(kind), self.keys.transpose(1, 2))


def _heads_first(x: Tensor, heads: int) -> Tensor:
    """(N, H * d) to (H, d, N)."""
    return by_head(x, heads).permute(1, 2, 0).contiguous()


@dataclass(frozen=True, eq=False)
class Plain:
    """The image tokens that no prompt changed, image (N, C); pe: (N, C); both float32.

    dtype: what the views of later layers are in. projections: what `shared` computed, kept for all
    prompts, and `lock`, as several threads may ask for it.
    """

    image: Tensor
    pe: Tensor
    dtype: torch.dtype
    projections: dict[Any, Any] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def shared(self, key: Any, make: Any) -> Any:
        """What `make()` gives, made once."""
        with self.lock:
            if key not in self.projections:
                self.projections[key] = make()
            return self.projections[key]

    def positions(self, projection: Any, heads: int) -> Tensor:
        """The positional encoding through a projection and its bias, (H, d, N), as views are."""

        def project() -> Tensor:
            return split(projection(self.pe).t().to(self.dtype).contiguous(), heads)

        positions: Tensor = self.shared((projection, "positions"), project)
        return positions

    def grows(self, rows: int) -> bool:
        """Whether the views after the first layer, with so many rows, are `Grown`."""
        return self.dtype == torch.float32 and rows * _FEW <= self.image.shape[1]

    def read(self, question: Question) -> Answer:
        """See `Own.read`. The tokens of all prompts attend to one set of keys."""
        attention, (count, tokens, heads, _) = question.attention, question.queries.shape

        def project() -> tuple[Tensor, Tensor]:
            keys = attention.k_proj(self.image + self.pe)
            values = self.image @ attention.v_proj.weight.t()
            return _heads_first(keys, heads), _heads_first(values, heads).transpose(1, 2)

        keys, values = self.shared(attention, project)
        queries = question.queries.permute(2, 0, 1, 3).reshape(heads, count * tokens, -1)
        found = torch.bmm(torch.bmm(queries, keys).softmax(-1), values)
        return None, found.view(heads, count, tokens, -1).permute(1, 2, 0, 3)

    def write(self, message: Message, norm: Any) -> Grown | Own:
        """See `Own.write`."""
        attention = message.attention

        def project() -> Tensor:
            queries = attention.q_proj(self.image + self.pe)
            return split(queries.t().contiguous(), attention.num_heads)

        scores = fold(message.keys, self.shared(attention, project))
        weights, values = written_weights(attention, scores), message.values
        image = self.image.to(self.dtype).expand(len(values), -1, -1)
        mixed = torch.baddbmm(image, weights.to(self.dtype).transpose(1, 2), values.to(self.dtype))
        if not self.grows(values.shape[1]):
            return Own(norm(mixed), self)
        start = Grown(
            self.image, self, torch.ones_like(norm.weight), (), torch.zeros_like(norm.bias)
        )
        return start.grow(mixed, weights, values, norm)


@dataclass(frozen=True, eq=False)
class _Layer:
    """What a layer did to the image: x to rstd * (x + weights' values), channel gains aside.

    rstd: (P, 1, N); weights: (P, R + 1 or 2, N), the last rows for the mean that was subtracted and
    for the bias of the layer before; values: (P, R + 1 or 2, C).
    """

    rstd: Tensor
    weights: Tensor
    values: Tensor


@dataclass(frozen=True, eq=False)
class Grown:
    """Image tokens keys (P, N, C) with their history: plain * gain through `layers`, plus shift.

    gain, shift: (C,).
    """

    keys: Tensor
    plain: Plain
    gain: Tensor
    layers: tuple[_Layer, ...]
    shift: Tensor

    def read(self, question: Question) -> Answer:
        """See `Own.read`."""
        attention = question.attention
        scores = self._scores(question.queries, question.folded, attention.k_proj)
        weights = scores.softmax(-1)
        sums = self.shift.expand(*weights.shape[:2], -1)
        for layer in reversed(self.layers):
            weights = weights * layer.rstd
            sums = sums + (weights @ layer.weights.transpose(1, 2)) @ layer.values
        heads = attention.num_heads

        def project() -> Tensor:
            gained = self.plain.image * self.gain
            return _heads_first(gained @ attention.v_proj.weight.t(), heads).transpose(1, 2)

        count, rows, pixels = weights.shape
        weights = weights.view(count, heads, -1, pixels).transpose(0, 1).reshape(heads, -1, pixels)
        plain = torch.bmm(weights, self.plain.shared((attention, "values"), project))
        return sums, plain.view(heads, count, rows // heads, -1).permute(1, 2, 0, 3)

    def write(self, message: Message, norm: Any) -> Grown:
        """See `Own.write`."""
        scores = self._scores(message.keys, message.folded, message.attention.q_proj)
        scores += (message.folded @ self.shift)[..., None]
        weights = written_weights(message.attention, scores)
        mixed = self.keys.baddbmm_(weights.transpose(1, 2), message.values)
        return self.grow(mixed, weights, message.values, norm)

    def take(self, rows: Tensor) -> Grown:
        """See `Own.take`."""

        def chosen(x: Tensor) -> Tensor:
            return _rows_of(x, rows)

        layers = [_Layer(chosen(x.rstd), chosen(x.weights), chosen(x.values)) for x in self.layers]
        return replace(self, keys=chosen(self.keys), layers=tuple(layers))

    def grow(self, mixed: Tensor, weights: Tensor, values: Tensor, norm: Any) -> Grown:
        """The view after a layer: mixed (P, N, C), which is keys + weights' values, normalised."""
        gain = norm.weight
        keys, mean, rstd = torch.native_layer_norm(
            mixed, mixed.shape[-1:], gain, norm.bias, norm.eps
        )
        mean, rstd = mean.transpose(1, 2), rstd.transpose(1, 2)
        rows, vectors = [weights, mean], [values * gain, -gain.expand(len(mixed), 1, -1)]
        if self.layers:
            rows.append(torch.ones_like(mean))
            vectors.append((self.shift * gain).expand(len(mixed), 1, -1))
        layer = _Layer(rstd, torch.cat(rows, dim=1), torch.cat(vectors, dim=1))
        before = [replace(old, values=old.values * gain) for old in self.layers]
        return Grown(keys, self.plain, self.gain * gain, (*before, layer), norm.bias)

    def _scores(self, rows: Tensor, folded: Tensor, projection: Any) -> Tensor:
        """Scores (P, R, N) of rows (P, T, H, d) with the image through `projection` to H * d.

        folded: (P, R, C), the rows through it. Without what `shift` adds, which is the same for all
        image tokens.
        """
        by_heads = split(projection.weight, rows.shape[2])

        def project() -> Tensor:
            return by_heads @ (self.plain.image * self.gain).t()

        scores = fold(rows, self.plain.shared((projection, "scores"), project))
        for layer in self.layers:
            scores.baddbmm_(folded @ layer.values.transpose(1, 2), layer.weights)
            scores *= layer.rstd
        return scores.add_(fold(rows, self.plain.positions(projection, rows.shape[2])))


def _rows_of(x: Tensor, rows: Tensor) -> Tensor:
    """x[rows], without a copy where they lie together; rows: int64 (K,) on the CPU, rising."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows):
        return x[first : last + 1]
    return x[sent(rows, x.device)]
