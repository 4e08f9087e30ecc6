"""The steps of automatic segmentation apart, ours against the reference's way of doing each.

    python benchmarks/automatic_parts.py --model random:tiny --threads 1

Decoding a prompt: the sam2 package's mask decoder for a batch of 8 against ours for several piece
sizes, the transformer and the upscaling apart. Full size: interpolate, compare and count every
pixel against `upsample_masks`, on the best masks that the network gives on the bundled scene.
Times are processor milliseconds with one thread, else wall time; the best of several.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from automatic_setup import SCENE, flops_per_second, make_model, read_image
from region_fields.engine.ops.bits import pack_bits
from region_fields.engine.ops.crew import denormals_as_zero
from region_fields.engine.ops.upsample import upsample_masks
from region_fields.engine.sam2.decode import to_network_pixels
from region_fields.engine.sam2.everything import grid_points
from region_fields.engine.sam2.point_decoder import PointDecoder
from torch import Tensor
from torch.nn import functional as F

SIZES = {"1 MP": (1024, 1024), "8 MP": (2160, 3840)}
MASKS = 16


def milliseconds(work: Callable[[], Any], repeat: int = 5) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    best = float("inf")
    work()
    for _ in range(repeat):
        start = clock()
        work()
        best = min(best, clock() - start)
    return 1e3 * best


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="nano", help='"nano", a file, or "random:tiny"')
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = make_model(options.model)
    embedding = model.embed(read_image(SCENE, 1.0))
    decoder = PointDecoder(model, embedding)
    points = to_network_pixels(grid_points(16, embedding.size), embedding.size, model)
    speed = flops_per_second(model.device, torch.float32)
    print(f"{options.model}, {options.threads} threads, {speed / 1e9:.0f} GFLOP/s")
    decode(model, embedding, decoder, points)
    full_size(best_masks(decoder, points))


def decode(model: Any, embedding: Any, decoder: PointDecoder, points: Tensor) -> None:
    labels = torch.ones((8, 1), dtype=torch.int32)
    sparse, dense = model.network.sam_prompt_encoder(
        points=(points[:8, None], labels), boxes=None, masks=None
    )

    def reference() -> None:
        model.network.sam_mask_decoder.predict_masks(
            image_embeddings=embedding.image_embed,
            image_pe=model.dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            repeat_image=True,
            high_res_features=list(embedding.high_res),
        )

    print(f"\nms per prompt; the reference's decoder, 8 prompts: {milliseconds(reference) / 8:.2f}")
    print("\n| prompts | transformer | upscaling |\n|---|---|---|")
    for count in (1, 2, 3, 4, 8, 32, 128):
        if count * decoder.bytes_per_prompt > 256 << 20:
            break
        tokens = decoder.embed_points(points[:count])
        attended = decoder.attend(tokens)
        wanted = torch.ones((count, 4), dtype=torch.bool)
        with denormals_as_zero():  # as pieces of work do
            transformer = milliseconds(lambda t=tokens: decoder.attend(t)) / count
            upscaling = milliseconds(lambda a=attended, w=wanted: decoder.logits(a, w)) / count
        print(f"| {count} | {transformer:.2f} | {upscaling:.2f} |", flush=True)


def best_masks(decoder: PointDecoder, points: Tensor) -> Tensor:
    logits, scores = [], []
    for part in decoder.embed_points(points).split(4):
        attended = decoder.attend(part)
        wanted = torch.ones((len(part), 4), dtype=torch.bool)
        wanted[:, 0] = False
        logits.append(decoder.logits(attended, wanted))
        scores.append(decoder.ious(attended)[wanted])
    best = torch.cat(scores).argsort(descending=True)[:MASKS]
    return torch.cat(logits)[best]


def full_size(masks: Tensor) -> None:
    print("\n| ms per mask | every pixel | ours | ratio |\n|---|---|---|---|")
    for name, size in SIZES.items():

        def every_pixel(size: tuple[int, int] = size) -> None:
            for mask in masks:
                full = F.interpolate(mask[None, None], size, mode="bilinear", align_corners=False)
                for level in (-1.0, 1.0):
                    torch.count_nonzero(full > level)
                pack_bits(full > 0)

        naive = milliseconds(every_pixel, 2) / len(masks)
        ours = milliseconds(lambda size=size: upsample_masks(masks, size), 2) / len(masks)
        print(f"| {name} | {naive:.2f} | {ours:.2f} | {naive / ours:.1f}x |", flush=True)


if __name__ == "__main__":
    main()
