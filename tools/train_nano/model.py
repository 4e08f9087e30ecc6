"""The network under training, and throw-away heads that teach its encoder about borders."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...engine.sam2.architecture import ARCHITECTURES, build_network

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
AFFINITY_CHANNELS = 24
INPUT = ARCHITECTURES["nano"].image_size  # side of the square that pictures are resized to, pixels
LOCAL_GAIN = 1.7


def at_input(images: Tensor, side: int) -> Tensor:
    """uint8 (B, S, S, 3) -> float (B, side, side, 3), 0 to 255, resized as SAM 2 resizes."""
    pixels = images.permute(0, 3, 1, 2).float()
    if pixels.shape[-1] != side:
        pixels = functional.interpolate(
            pixels, (side, side), mode="bilinear", align_corners=False, antialias=True
        )
    return pixels.permute(0, 2, 3, 1)


def set_resolution(network: nn.Module, size: int) -> None:
    """Make the network expect `size` x `size` pixels. Its weights do not depend on it."""
    side = size // 16
    network.image_size = size
    network.sam_image_embedding_size = side
    prompt_encoder = network.sam_prompt_encoder
    prompt_encoder.image_embedding_size = (side, side)
    prompt_encoder.input_image_size = (size, size)
    prompt_encoder.mask_input_size = (4 * side, 4 * side)


@torch.no_grad()
def attend_locally(transformer: nn.Module) -> None:
    """Start the decoder with attention between a click and the pixels around it.

    Both sides carry the same random Fourier features of their position, so equal projections of
    query and key make nearby things attend to each other. From the usual independent projections
    training first spends a thousand steps on finding out where a click is.
    """
    crossings = [transformer.final_attn_token_to_image]
    for layer in transformer.layers:
        crossings += [layer.cross_attn_token_to_image, layer.cross_attn_image_to_token]
    for attention in crossings:
        weight = attention.q_proj.weight
        nn.init.normal_(weight, std=LOCAL_GAIN / weight.shape[1] ** 0.5)
        attention.k_proj.weight.copy_(weight)
        nn.init.zeros_(attention.q_proj.bias)
        nn.init.zeros_(attention.k_proj.bias)


class Trainee(nn.Module):
    """`network` is what gets exported; the other modules only carry extra supervision."""

    def __init__(self) -> None:
        super().__init__()
        architecture = ARCHITECTURES["nano"]
        self.network = build_network(architecture, "2.1")
        width = architecture.d_model
        self.border = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in range(2))
        self.affinity = nn.ModuleList(nn.Conv2d(width, AFFINITY_CHANNELS, 1) for _ in range(2))
        self.affinity_scale = nn.Parameter(torch.tensor([[4.0, 1.0]] * 2))
        attend_locally(self.network.sam_mask_decoder.transformer)
        for module in (self.network.memory_attention, self.network.memory_encoder):
            module.requires_grad_(False)

    def encode(self, images: Tensor) -> list[Tensor]:
        """uint8 (B, S, S, 3) -> feature maps (B, C, S/4, S/4), (.., S/8, ..), (.., S/16, ..)."""
        mean = torch.tensor(MEAN, device=images.device)
        deviation = torch.tensor(DEVIATION, device=images.device)
        pixels = ((images.float() / 255 - mean) / deviation).permute(0, 3, 1, 2)
        return self.network.image_encoder(pixels.contiguous())["backbone_fpn"]

    def features(self, maps: list[Tensor]) -> list[Tensor]:
        """Feature maps as the mask decoder takes them: two fine ones, then the embedding."""
        decoder = self.network.sam_mask_decoder
        embedding = maps[2] + self.network.no_mem_embed.view(1, -1, 1, 1)
        return [decoder.conv_s0(maps[0]), decoder.conv_s1(maps[1]), embedding]

    def decode(
        self, features: list[Tensor], image: Tensor, points: Tensor, labels: Tensor, mask=None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All four masks for each prompt.

        image: int (N,), the image each prompt is about. points: float (N, K, 2) as x, y in pixels.
        labels: (N, K), 1 and 0 for clicks, 2 and 3 for a box's corners, -1 for none. mask: earlier
        logits (N, 1, S/4, S/4). Returns logits (N, 4, S/4, S/4), predicted IoU (N, 4), object
        score logits (N, 1); mask 0 is the one for several prompts.
        """
        prompts = self.network.sam_prompt_encoder
        sparse, dense = prompts(points=(points, labels), boxes=None, masks=mask)
        fine, middle, coarse = (level[image] for level in features)
        logits, quality, _, score = self.network.sam_mask_decoder.predict_masks(
            image_embeddings=coarse,
            image_pe=prompts.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            repeat_image=False,
            high_res_features=[fine, middle],
        )
        return logits, quality, score

    def encoder_loss(self, maps: list[Tensor], labels: Tensor) -> Tensor:
        """Find borders on the two fine maps, and tell same region from other on the coarse ones.

        labels: int (B, S, S).
        """
        total = maps[0].new_zeros(())
        for level, head in enumerate(self.border):
            cell = 4 << level
            truth = border_cells(labels, cell)
            weight = torch.where(truth > 0, 2.0, 1.0)
            found = head(maps[level])[:, 0]
            total = total + functional.binary_cross_entropy_with_logits(found, truth, weight)
        for index, head in enumerate(self.affinity):
            level = index + 1
            cell = 4 << level
            vectors = functional.normalize(head(maps[level]).flatten(2), dim=1)
            here = labels[:, cell // 2 :: cell, cell // 2 :: cell].flatten(1)
            if here.shape[1] > 256:
                chosen = torch.randperm(here.shape[1], device=here.device)[:256]
                vectors, here = vectors[..., chosen], here[:, chosen]
            scale, shift = self.affinity_scale[index]
            alike = scale * (vectors.transpose(1, 2) @ vectors) * 2 - shift
            same = (here[:, :, None] == here[:, None]).float()
            share = same.mean((1, 2), keepdim=True).clamp(0.05, 0.95)
            weight = torch.where(same > 0, 0.5 / share, 0.5 / (1 - share))
            total = total + functional.binary_cross_entropy_with_logits(alike, same, weight)
        return total


def border_cells(labels: Tensor, cell: int) -> Tensor:
    """1 where a cell of `cell` x `cell` pixels shows more than one label, float (B, S/c, S/c)."""
    values = labels.float().unsqueeze(1)
    highest = functional.max_pool2d(values, cell)
    lowest = -functional.max_pool2d(-values, cell)
    return (highest != lowest)[:, 0].float()
