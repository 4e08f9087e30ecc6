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

from .folded import (
    by_head,
    fold,
    key_bias,
    merge,
    project_values,
    scaled_keys,
    scaled_queries,
    split,
    written_values,
    written_weights,
)

_FEW = 4  # So many times more channels than rows make `Grown` the faster; measured.

_IN_CACHE = 1 << 18  # numbers

View: TypeAlias = "Plain | Grown | Own"


def few(images: Tensor, each: int = 1) -> Iterator[slice]:
    """Parts of the prompts of images (P, N, C), in rows of which a prompt has `each`.

    On a CPU so many that their images stay in the cache: tokens are few, and many prompts' of them
    are worked on at once, images are not. All elsewhere.
    """
    count, tokens, channels = images.shape
    some = max(1, _IN_CACHE // (tokens * channels)) if images.device.type == "cpu" else count
    for start in range(0, count, max(1, some)):
        yield slice(start * each, min(start + some, count) * each)


@dataclass(frozen=True, eq=False)
class Own:
    """Image tokens keys (P, N, C) of which nothing else is known; pe: (N, C). Both of one type.

    Whatever their type, prompt tokens and weights are float32; rows are brought to the image's
    type for products with it, what they read is float32 again.
    """

    keys: Tensor
    pe: Tensor

    def read(self, attention: Any, tokens: Tensor) -> Tensor:
        """What tokens (P, T, C) read of the image, (P, T, C).

        The key bias adds the same to a token's scores for all image tokens, so the softmax drops
        it.
        """
        weight = split(attention.k_proj.weight, attention.num_heads)
        folded = fold(scaled_queries(attention, tokens), weight).to(self.keys.dtype)
        sums = torch.empty_like(folded)
        for part in few(self.keys):
            image = (self.keys[part] + self.pe).transpose(1, 2)
            weights = torch.bmm(folded[part], image).softmax(-1)
            torch.bmm(weights, self.keys[part], out=sums[part])
        return merge(attention, project_values(attention, sums.to(torch.float32)))

    def write(self, attention: Any, placed: Tensor, tokens: Tensor, norm: Any) -> Own:
        """The image after it reads tokens (P, T, C); `placed` are they with positions added.

        Uses `keys` up.
        """
        keys, kind = scaled_keys(attention, placed), self.keys.dtype
        folded = fold(keys, split(attention.q_proj.weight, attention.num_heads)).to(kind)
        bias, values = key_bias(attention, keys).to(kind), written_values(attention, tokens)
        values, mixed = values.to(kind), self.keys
        for part in few(self.keys):
            image = (self.keys[part] + self.pe).transpose(1, 2)
            scores = torch.baddbmm(bias[part], folded[part], image)
            weights = written_weights(attention, scores)
            mixed[part].baddbmm_(weights.transpose(1, 2), values[part])
        return Own(norm(mixed), self.pe)


def _heads_first(x: Tensor, heads: int) -> Tensor:
    """(N, H * d) to (H, N, d)."""
    return by_head(x, heads).transpose(0, 1).contiguous()


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

    def read(self, attention: Any, tokens: Tensor) -> Tensor:
        """See `Own.read`: here all prompts' tokens attend to one set of keys."""
        heads = attention.num_heads

        def project() -> tuple[Tensor, Tensor]:
            keys, values = attention.k_proj(self.image + self.pe), attention.v_proj(self.image)
            return _heads_first(keys, heads).transpose(1, 2), _heads_first(values, heads)

        keys, values = self.shared(attention, project)
        queries = scaled_queries(attention, tokens).flatten(0, 1).transpose(0, 1).contiguous()
        found = torch.empty_like(queries)
        for part in few(self.image.expand(len(tokens), -1, -1), tokens.shape[1]):
            weights = torch.bmm(queries[:, part], keys).softmax(-1)
            found[:, part] = torch.bmm(weights, values)
        merged: Tensor = attention.out_proj(found.transpose(0, 1).flatten(1))
        return merged.view_as(tokens)

    def write(self, attention: Any, placed: Tensor, tokens: Tensor, norm: Any) -> Grown | Own:
        """See `Own.write`."""
        heads = attention.num_heads

        def project() -> Tensor:
            return split(attention.q_proj(self.image + self.pe).t().contiguous(), heads)

        keys, projected = scaled_keys(attention, placed), self.shared(attention, project)
        values = written_values(attention, tokens)
        image = self.image.to(self.dtype).expand(len(tokens), -1, -1)
        many = values.shape[1] * _FEW > self.image.shape[1]
        if many or self.dtype != torch.float32:
            mixed, values = image.new_empty(image.shape), values.to(self.dtype)
            for part in few(image):
                weights = written_weights(attention, fold(keys[part], projected)).to(self.dtype)
                torch.baddbmm(image[part], weights.transpose(1, 2), values[part], out=mixed[part])
            return Own(norm(mixed), self.pe.to(self.dtype))
        weights = written_weights(attention, fold(keys, projected))
        mixed = torch.baddbmm(image, weights.transpose(1, 2), values)
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

    def read(self, attention: Any, tokens: Tensor) -> Tensor:
        """See `Own.read`."""
        weights = self._scores(scaled_queries(attention, tokens), attention.k_proj.weight).softmax(
            -1
        )
        sums = self.shift.expand(*weights.shape[:2], -1)
        for layer in reversed(self.layers):
            weights = weights * layer.rstd
            sums = sums + (weights @ layer.weights.transpose(1, 2)) @ layer.values
        heads = attention.num_heads

        def project() -> Tensor:
            gained = self.plain.image * self.gain
            return _heads_first(gained @ attention.v_proj.weight.t(), heads)

        count, rows, pixels = weights.shape
        weights = weights.view(count, heads, -1, pixels).transpose(0, 1).reshape(heads, -1, pixels)
        plain = torch.bmm(weights, self.plain.shared((attention, "values"), project))
        plain = plain.view(heads, count, rows // heads, -1).permute(1, 2, 0, 3)
        return merge(attention, plain + project_values(attention, sums))

    def write(self, attention: Any, placed: Tensor, tokens: Tensor, norm: Any) -> Grown:
        """See `Own.write`. Uses `keys` up."""
        keys = scaled_keys(attention, placed)
        scores = self._scores(keys, attention.q_proj.weight)
        folded = fold(keys, split(attention.q_proj.weight, attention.num_heads))
        scores += key_bias(attention, keys) + (folded @ self.shift)[..., None]
        weights = written_weights(attention, scores)
        values = written_values(attention, tokens)
        mixed = self.keys.baddbmm_(weights.transpose(1, 2), values)
        return self.grow(mixed, weights, values, norm)

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

    def _scores(self, rows: Tensor, weight: Tensor) -> Tensor:
        """Scores (P, R, N) of rows (P, T, H, d) with the image through `weight` (H * d, C).

        Without what `shift` adds, which is the same for all image tokens.
        """
        by_heads = split(weight, rows.shape[2])

        def project() -> tuple[Tensor, Tensor]:
            plain = by_heads @ (self.plain.image * self.gain).t()
            return plain, by_heads @ self.plain.pe.t()

        plain, positions = self.plain.shared((weight, "scores"), project)
        scores, folded = fold(rows, plain), fold(rows, by_heads)
        for layer in self.layers:
            scores.baddbmm_(folded @ layer.values.transpose(1, 2), layer.weights)
            scores *= layer.rstd
        return scores.add_(fold(rows, positions))
