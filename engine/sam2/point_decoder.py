"""The mask decoder restructured for very many prompts on one image.

The arithmetic is that of the sam2 package's MaskDecoder and TwoWayTransformer, with the network's
own weights; what differs is where it is done:

- What no prompt changes is computed once: positional encoding, projections of the image, the
  upscaler's image features.
- Image tokens are not projected for each prompt: see `folded` and `image_views`.
- The transformer's last attention is asked for the IoU token alone, and for the tokens of masks
  only where somebody wants these, on the strength of the predicted IoUs. Only they are upscaled.
- Images are large and go through the layers a few prompts at a time, tokens of many together.

Letters: P prompts, T tokens of each, N image tokens, C channels, H heads of d channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..ops.transfer import sent
from .folded import Message
from .image_views import Plain
from .images import Images
from .model import Embedding, Sam2
from .upscaler import Upscaler

_CPU_BYTES = 18 << 20
_FEWEST_ON_CPU = 3  # Measured at 128 and 256 channels.


@dataclass(frozen=True, eq=False)
class Attended:
    """P prompts after the transformer.

    iou: float32 (P, C), the IoU token. masks: float32 (P, 4, C), the tokens of the four masks
    before they attend to the image for the last time, and asking, they as they do. images: what
    each prompt sees.
    """

    iou: Tensor
    masks: Tensor
    asking: Tensor
    images: Images


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
    """The decoder on one embedding.

    Image tokens are in `model.dtype`; prompt tokens, which are few, in float32, and predicted IoUs
    too. Making one costs about as much as decoding a prompt or two.
    """

    def __init__(self, model: Sam2, embedding: Embedding) -> None:
        self._prompts = model.network.sam_prompt_encoder
        self._module = model.mask_decoder(torch.float32)
        self._image_side = model.mask_decoder(model.dtype)
        self._dtype = model.dtype

        def placed(x: Tensor) -> Tensor:
            return x.to(device=model.device, dtype=model.dtype)

        self._side = embedding.image_embed.shape[-2:]
        self._image = _as_tokens(embedding.image_embed.to(model.device))
        self._plain = Plain(
            self._image.to(torch.float32) + self._prompts.no_mask_embed.weight,
            _as_tokens(model.dense_pe()),
            model.dtype,
        )
        self._upscaler = Upscaler.of(
            self._image_side, (placed(embedding.high_res[0]), placed(embedding.high_res[1]))
        )

    @property
    def device(self) -> torch.device:
        return self._plain.image.device

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
        """Working memory that decoding one prompt takes at its peak, roughly.

        Four times the image's tokens on a CPU, measured; elsewhere the upscaling takes all its
        masks together.
        """
        images = 4 if self.device.type == "cpu" else 7
        return images * self._plain.image.numel() * self._dtype.itemsize

    def prompts_at_once(self, budget: int) -> int:
        """How many prompts to decode together within `budget` bytes, at least one.

        On a CPU a few, as more leave the cache, and fewer make small products.
        """
        length = budget // self.bytes_per_prompt
        if self.device.type == "cpu":
            length = min(length, max(_FEWEST_ON_CPU, _CPU_BYTES // self.bytes_per_prompt))
        return max(1, length)

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
        module, transformer, layers = self._module, self._module.transformer, self._layers
        output = [module.obj_score_token.weight] if module.pred_obj_scores else []
        iou = len(output)
        output += [module.iou_token.weight, module.mask_tokens.weight]
        shared = torch.cat(output)[None].expand(len(points), -1, -1)
        tokens = torch.cat([shared, points], dim=1)
        rows = tokens.shape[1] * layers[0].cross_attn_image_to_token.num_heads
        images = Images.plain(self._plain, len(points), rows)
        if masks is not None:
            image = (self._image + masks).to(self._dtype)
            images = Images.own(image, self._plain)
        queries = _self_attend(layers[0], tokens, tokens)
        read = images.read(layers[0].cross_attn_token_to_image, queries + tokens)
        for i, layer in enumerate(layers):
            after = layer.norm2(queries + read)
            after = layer.norm3(after + layer.mlp(after))
            message = Message.of(layer.cross_attn_image_to_token, after + tokens, after)
            if i + 1 < len(layers):
                queries = _self_attend(layers[i + 1], after, tokens)
                attention, asking = layers[i + 1].cross_attn_token_to_image, queries + tokens
            else:
                queries = after[:, iou : iou + 1]
                attention = transformer.final_attn_token_to_image
                asking = queries + tokens[:, iou : iou + 1]
            norm = self._image_side.transformer.layers[i].norm4
            images, read = images.write_and_read(message, norm, attention, asking)
        told = transformer.norm_final_attn(queries + read)[:, 0]
        of_masks = slice(iou + 1, shared.shape[1])
        queries = after[:, of_masks]
        return Attended(told, queries, queries + tokens[:, of_masks], images)

    def ious(self, attended: Attended) -> Tensor:
        """Predicted IoU of the four masks of each prompt, float32 (P, 4); 0 is the single mask."""
        ious: Tensor = self._module.iou_prediction_head(attended.iou)
        return ious

    def logits(self, attended: Attended, wanted: Tensor) -> Tensor:
        """The wanted masks, prompt by prompt, float32 (K, S/4, S/4).

        wanted: bool (P, 4), K of them true; on the CPU the device is not waited for.
        """
        wanted = wanted.cpu()
        prompts, columns = indices(wanted.any(1)), indices(wanted.any(0))
        if not len(prompts):
            height, width = self._side
            return attended.iou.new_zeros((0, 4 * height, 4 * width))
        images, mlps = attended.images.take(prompts), self._module.output_hypernetworks_mlps

        rows, kept = sent(prompts, self.device), sent(columns, self.device)

        def chosen(tokens: Tensor) -> Tensor:
            return tokens[rows].index_select(1, kept)

        transformer = self._module.transformer
        read = images.read(transformer.final_attn_token_to_image, chosen(attended.asking))
        tokens = transformer.norm_final_attn(chosen(attended.masks) + read)
        kinds = enumerate(columns.tolist())
        hyper = torch.stack([mlps[kind](tokens[:, i]) for i, kind in kinds], dim=1)
        masks = self._upscaler(images.keys, hyper.to(self._dtype), self._side)
        picked = indices(wanted[prompts][:, columns].flatten())
        return masks.flatten(0, 1)[sent(picked, self.device)].to(torch.float32)


def _self_attend(layer: Any, queries: Tensor, tokens: Tensor) -> Tensor:
    """Prompt tokens (P, T, C) after a layer's attention to each other."""
    if layer.skip_first_layer_pe:
        queries = layer.self_attn(q=queries, k=queries, v=queries)
    else:
        placed = queries + tokens
        queries = queries + layer.self_attn(q=placed, k=placed, v=queries)
    attended: Tensor = layer.norm1(queries)
    return attended


def indices(chosen: Tensor) -> Tensor:
    """Where a bool tensor (N,) is true, int64."""
    return chosen.nonzero().squeeze(1)


def _as_tokens(image: Tensor) -> Tensor:
    """(1, C, h, w) to (N, C)."""
    return image[0].flatten(1).t().contiguous()
