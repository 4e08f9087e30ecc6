"""The mask decoder restructured for very many prompts on one image.

The arithmetic is that of the sam2 package's MaskDecoder and TwoWayTransformer, with the network's
own weights; what differs is where it is done:

- What no prompt changes is computed once: positional encoding, the first layer's projections of
  the image, the upscaler's image features.
- Projections of image tokens are folded onto the few prompt tokens. A score q . (W x) is
  (W' q) . x, and a sum of a (W x) is W of the sum of a x: T tokens by H heads vectors of the
  embedding's width stand in for projecting N image tokens, T x H being 64 where N is 4096.
- Predicted IoUs come straight after the transformer, so that only the masks somebody wants are
  upscaled.

Letters: P prompts, T tokens of each, N image tokens, C channels, H heads of d channels.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .model import Embedding, Sam2
from .upscaler import Upscaler, from_cells


@dataclass(frozen=True, eq=False)
class Attended:
    """P prompts after the transformer.

    tokens: (P, 5, C), the IoU token and those of the four masks. keys: (P, N, C), the image as each
    prompt sees it.
    """

    tokens: Tensor
    keys: Tensor


@dataclass(frozen=True)
class StabilityRule:
    """A mask is stable when its area at logit > delta is at least `share` of that at > -delta."""

    delta: float
    share: float

    def stable(self, logits: Tensor) -> Tensor:
        """Which of the masks (N, h, w) are stable, bool (N,); one without area is."""
        above = (logits > self.delta).sum((1, 2)).to(torch.float32)
        below = (logits > -self.delta).sum((1, 2)).to(torch.float32)
        return torch.where(below > 0, above / below, 1.0) >= self.share


class PointDecoder:
    """The decoder on one embedding, computing in `model.dtype`.

    Making one costs about as much as decoding one prompt. It holds no copy of the weights in
    float32, and one (16 MB at 256 channels) otherwise.
    """

    def __init__(self, model: Sam2, embedding: Embedding) -> None:
        self._prompts = model.network.sam_prompt_encoder
        self._module = _decoder_in(model.network.sam_mask_decoder, model.device, model.dtype)
        self._iou_head = model.network.sam_mask_decoder.iou_prediction_head
        self._dtype = model.dtype

        def placed(x: Tensor) -> Tensor:
            return x.to(device=model.device, dtype=model.dtype)

        self._side = embedding.image_embed.shape[-2:]
        self._image = _as_tokens(embedding.image_embed.to(model.device))
        self._pe = placed(_as_tokens(model.dense_pe()))
        self._plain = placed(self._image + self._prompts.no_mask_embed.weight)
        self._first = _Hoisted.of(self._layers[0], self._plain, self._pe)
        self._upscaler = Upscaler.of(
            self._module, (placed(embedding.high_res[0]), placed(embedding.high_res[1]))
        )

    @property
    def device(self) -> torch.device:
        return self._plain.device

    @property
    def stability_rule(self) -> StabilityRule | None:
        """When the single mask gives way to the best candidate; None where it never does."""
        if not self._module.dynamic_multimask_via_stability:
            return None
        return StabilityRule(
            self._module.dynamic_multimask_stability_delta,
            self._module.dynamic_multimask_stability_thresh,
        )

    @property
    def _layers(self) -> Any:
        return self._module.transformer.layers

    @property
    def bytes_per_prompt(self) -> int:
        """Working memory that decoding one prompt takes at its peak, roughly."""
        tokens, channels = self._plain.shape
        return 7 * tokens * channels * self._plain.element_size()

    def embed_points(self, points: Tensor) -> Tensor:
        """Tokens float32 (P, 2, C) of one positive point each: (P, 2) in network pixels, x, y."""
        labels = torch.ones((len(points), 1), dtype=torch.int32, device=points.device)
        tokens: Tensor = self._prompts(
            points=(points.to(torch.float32)[:, None], labels), boxes=None, masks=None
        )[0]
        return tokens

    def embed_masks(self, logits: Tensor) -> Tensor:
        """Dense prompts float32 (P, N, C) of masks, logits (P, S/4, S/4)."""
        dense: Tensor = self._prompts._embed_masks(logits[:, None])
        return dense.flatten(2).transpose(1, 2)

    def attend(self, points: Tensor, masks: Tensor | None = None) -> Attended:
        """Run the transformer. points: from `embed_points`; masks: from `embed_masks`, or none."""
        module = self._module
        output = [module.obj_score_token.weight] if module.pred_obj_scores else []
        output += [module.iou_token.weight, module.mask_tokens.weight]
        shared = torch.cat(output)[None].expand(len(points), -1, -1)
        tokens = torch.cat([shared, points.to(self._dtype)], dim=1)
        queries = tokens
        keys = None if masks is None else (self._image + masks).to(self._dtype)
        for layer in self._layers:
            queries, keys = self._attend_layer(layer, queries, tokens, keys)
        assert keys is not None
        asked = slice(len(output) - 2, shared.shape[1])
        queries, tokens = queries[:, asked], tokens[:, asked]
        final = module.transformer.final_attn_token_to_image
        queries = queries + _read(final, queries + tokens, keys + self._pe, keys)
        return Attended(module.transformer.norm_final_attn(queries), keys)

    def _attend_layer(
        self, layer: Any, queries: Tensor, tokens: Tensor, keys: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """One two-way layer; keys None stands for the plain image, in the first layer."""
        if layer.skip_first_layer_pe:
            queries = layer.self_attn(q=queries, k=queries, v=queries)
        else:
            placed = queries + tokens
            queries = queries + layer.self_attn(q=placed, k=placed, v=queries)
        queries = layer.norm1(queries)
        reader, writer = layer.cross_attn_token_to_image, layer.cross_attn_image_to_token
        if keys is None:
            read = _read_hoisted(reader, queries + tokens, self._first)
        else:
            placed_keys = keys + self._pe
            read = _read(reader, queries + tokens, placed_keys, keys)
        queries = layer.norm2(queries + read)
        queries = layer.norm3(queries + layer.mlp(queries))
        if keys is None:
            written = _write_hoisted(writer, queries + tokens, queries, self._first, self._plain)
        else:
            written = _write(writer, queries + tokens, queries, placed_keys, keys)
        return queries, layer.norm4(written)

    def ious(self, attended: Attended) -> Tensor:
        """Predicted IoU of the four masks of each prompt, float32 (P, 4); 0 is the single mask."""
        token = attended.tokens[:, 0]
        ious: Tensor = self._iou_head(token.to(self._iou_head.layers[0].weight.dtype))
        return ious.to(torch.float32)

    def logits(self, attended: Attended, wanted: Tensor) -> Tensor:
        """The wanted masks, prompt by prompt, float32 (K, S/4, S/4).

        wanted: bool (P, 4), K of them true; on the CPU the device is not waited for.
        """
        wanted = wanted.cpu()
        prompts = indices(wanted.any(1))
        picked = indices(wanted[prompts].flatten()).to(self.device, non_blocking=True)
        prompts = prompts.to(self.device, non_blocking=True)
        tokens, mlps = attended.tokens[prompts, 1:], self._module.output_hypernetworks_mlps
        hyper = torch.stack([mlp(tokens[:, i]) for i, mlp in enumerate(mlps)], dim=1)
        mixed = self._upscaler(attended.keys[prompts], hyper).flatten(0, 1)
        return from_cells(mixed[picked], self._side).to(torch.float32)


def indices(chosen: Tensor) -> Tensor:
    """Where a bool tensor (N,) is true, int64."""
    return chosen.nonzero().squeeze(1)


def _decoder_in(module: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """The mask decoder with weights on `device` in `dtype`: itself where they are, else a copy."""
    if all((p.device, p.dtype) == (device, dtype) for p in module.parameters()):
        return module
    return copy.deepcopy(module).to(device, dtype)


def _as_tokens(image: Tensor) -> Tensor:
    """(1, C, h, w) to (N, C)."""
    return image[0].flatten(1).t().contiguous()


@dataclass(frozen=True, eq=False)
class _Hoisted:
    """What the first layer makes of the plain image.

    keys, values: (1, H, N, d), read by the tokens; queries: (N, H * d), scaled.
    """

    keys: Tensor
    values: Tensor
    queries: Tensor

    @classmethod
    def of(cls, layer: Any, image: Tensor, pe: Tensor) -> _Hoisted:
        reader, writer = layer.cross_attn_token_to_image, layer.cross_attn_image_to_token
        placed = image + pe
        keys, values = reader.k_proj(placed), reader.v_proj(image)
        return cls(
            keys=_heads(keys, reader.num_heads).transpose(0, 1)[None].contiguous(),
            values=_heads(values, reader.num_heads).transpose(0, 1)[None].contiguous(),
            queries=writer.q_proj(placed) * _scale(writer),
        )


def _heads(x: Tensor, heads: int) -> Tensor:
    """(..., H * d) to (..., H, d)."""
    return x.view(*x.shape[:-1], heads, -1)


def _split(weight: Tensor, heads: int) -> Tensor:
    """(H * d, ...) to (H, d, ...)."""
    return weight.view(heads, -1, *weight.shape[1:])


def _scale(attention: Any) -> float:
    return float((attention.internal_dim // attention.num_heads) ** -0.5)


def _fold(rows: Tensor, weight: Tensor) -> Tensor:
    """Rows (P, T, H, d) through weights (H, d, C), head by head: (P, H * T, C)."""
    count, tokens, heads, _ = rows.shape
    folded = torch.bmm(rows.permute(2, 0, 1, 3).reshape(heads, count * tokens, -1), weight)
    return folded.view(heads, count, tokens, -1).transpose(0, 1).reshape(count, heads * tokens, -1)


def _read(attention: Any, tokens: Tensor, placed: Tensor, image: Tensor) -> Tensor:
    """Tokens (P, T, C) attend to image tokens (P, N, C); `placed` has positions added.

    The key bias adds the same to a token's scores for all image tokens, so the softmax drops it.
    """
    heads = attention.num_heads
    queries = _heads(attention.q_proj(tokens) * _scale(attention), heads)
    folded = _fold(queries, _split(attention.k_proj.weight, heads))
    weights = torch.bmm(folded, placed.transpose(1, 2)).softmax(-1)
    read = torch.bmm(weights, image).view(len(tokens), heads, -1, image.shape[2]).transpose(1, 2)
    values = torch.einsum("pthc,hdc->pthd", read, _split(attention.v_proj.weight, heads))
    merged: Tensor = attention.out_proj(values.flatten(2) + attention.v_proj.bias)
    return merged


def _read_hoisted(attention: Any, tokens: Tensor, image: _Hoisted) -> Tensor:
    """`_read` of the plain image: all prompts' tokens together attend to one set of keys."""
    queries = _heads(attention.q_proj(tokens).flatten(0, 1), attention.num_heads)
    read = F.scaled_dot_product_attention(queries.transpose(0, 1)[None], image.keys, image.values)
    merged: Tensor = attention.out_proj(read[0].transpose(0, 1).flatten(1))
    return merged.view_as(tokens)


def _write(
    attention: Any, placed_tokens: Tensor, tokens: Tensor, placed: Tensor, image: Tensor
) -> Tensor:
    """The image (P, N, C) plus what its tokens read from prompt tokens (P, T, C)."""
    heads = attention.num_heads
    keys = _heads(attention.k_proj(placed_tokens) * _scale(attention), heads)
    folded = _fold(keys, _split(attention.q_proj.weight, heads))
    bias = (keys * _split(attention.q_proj.bias, heads)).sum(-1)
    bias = bias.transpose(1, 2).reshape(len(tokens), -1, 1)
    return _mix_in(attention, torch.baddbmm(bias, folded, placed.transpose(1, 2)), tokens, image)


def _write_hoisted(
    attention: Any, placed_tokens: Tensor, tokens: Tensor, hoisted: _Hoisted, image: Tensor
) -> Tensor:
    """`_write` to the plain image (N, C), the same for all prompts: (P, N, C)."""
    heads = attention.num_heads
    keys = _heads(attention.k_proj(placed_tokens), heads).transpose(1, 2)
    blocks = (
        keys[..., None, :]
        * torch.eye(heads, dtype=keys.dtype, device=keys.device)[:, None, :, None]
    )
    scores = blocks.reshape(-1, keys.shape[1] * keys.shape[3]) @ hoisted.queries.t()
    shared = image.expand(len(tokens), -1, -1)
    return _mix_in(attention, scores.view(len(tokens), -1, scores.shape[-1]), tokens, shared)


def _mix_in(attention: Any, scores: Tensor, tokens: Tensor, image: Tensor) -> Tensor:
    """Add to the image (P, N, C) the values of the tokens, by scores (P, H * T, N).

    The output projection is folded onto the values; each head's weights sum to 1, so the H
    shares of its bias add up to the bias.
    """
    heads = attention.num_heads
    weights = scores.view(len(scores), heads, -1, scores.shape[2]).softmax(2).flatten(1, 2)
    values = _heads(attention.v_proj(tokens), heads)
    folded = _fold(values, _heads(attention.out_proj.weight, heads).permute(1, 2, 0))
    folded = folded + attention.out_proj.bias / heads
    return torch.baddbmm(image, weights.transpose(1, 2), folded)
