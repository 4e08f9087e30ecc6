"""Train the memory modules of a trained sam2-nano on short clips; all else stays as it is.

    python -m region_fields.tools.train_nano.train_memory --run RUN --cache DIR --steps 700

reads RUN/checkpoint.pt, keeps its own RUN/memory.pt, and goes on from that after an interruption.
Export RUN/memory.pt: its image part equals the checkpoint's moving average.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .clips import Clip, draw_clip
from .evaluate import HELD_OUT
from .losses import pair_losses
from .model import DEVIATION, INPUT, MEAN, Trainee, at_input, set_resolution
from .scenes import SIZE
from .train import LOGIT_SCALE, quick_muon

RATE = 1e-3
WARM_RATE = 3e-4  # of modules that are trained already
FRAMES = 4
BATCH = 3
TARGETS = 3
PLACE_GAIN = 3.0
DISTANCE_WEIGHT = 2.0
POOL = 4096
MEMORY = (
    "memory_attention.", "memory_encoder.", "maskmem_tpos_enc", "obj_ptr_proj.",
    "obj_ptr_tpos_proj.", "mask_downsample.", "no_obj_ptr", "no_obj_embed_spatial",
)  # fmt: skip


def follow(network, clips: list[Clip], device: torch.device, clicked: bool = False):
    """Track the clips' targets from their first frame's mask, or from a click in it.

    With N targets in all clips, yields for each later frame: logits (N, 3, s, s), where s is a
    quarter of the network's input, predicted IoU (N, 3), truth (N, 1, S, S), and how far the
    features are from what the mask itself, as a prompt, would have made of them.
    """
    frames, side = len(clips[0].images), network.image_size
    images = torch.from_numpy(np.stack([clip.images for clip in clips], 1)).to(device)
    masks = np.concatenate([clip.masks for clip in clips])
    truth = torch.from_numpy(masks).to(device).float().transpose(0, 1)
    owner = torch.arange(len(clips), device=device).repeat_interleave(len(masks) // len(clips))
    mean, deviation = torch.tensor(MEAN, device=device), torch.tensor(DEVIATION, device=device)
    outputs: dict[str, dict[int, dict]] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    for t in range(frames):
        with torch.no_grad():
            pixels = ((at_input(images[t], side) / 255 - mean) / deviation).permute(0, 3, 1, 2)
            backbone = network.forward_image(pixels.contiguous())
        _, feats, positions, sizes = network._prepare_backbone_features(backbone)
        feats, positions = [[x[:, owner] for x in maps] for maps in (feats, positions)]
        first, mask, points = t == 0, None, None
        if first and clicked:
            points = _clicks(masks[:, 0], side, device)
        elif first:
            mask = functional.interpolate(truth[:1].transpose(0, 1), (side, side))
        out, found, _, features = network._track_step(
            t, first, feats, positions, sizes, points, mask, outputs, frames, False, None
        )
        logits, _, quality, _, large, pointer, score = found
        out |= {"obj_ptr": pointer}
        network._encode_memory_in_output(feats, sizes, points, True, large, score, out)
        outputs["cond_frame_outputs" if first else "non_cond_frame_outputs"][t] = out
        if not first:
            seen = feats[-1].permute(1, 2, 0).view_as(features)
            yield logits, quality, truth[t][:, None], _distance(network, features, seen, truth[t])


def _distance(network, features: Tensor, seen: Tensor, truth: Tensor) -> Tensor:
    """Mean squared distance of features (N, C, h, w) from `seen` ones prompted with `truth`.

    As a share of what the prompt changes; the decoder was trained to follow such prompts.
    """
    prompts = network.sam_prompt_encoder
    with torch.no_grad():
        cells = prompts.mask_input_size
        logits = (functional.interpolate(truth[:, None], cells, mode="area") - 0.5) * 40
        change = prompts.mask_downscaling(logits) - prompts.no_mask_embed.weight.view(1, -1, 1, 1)
        ideal = seen + network.no_mem_embed.view(1, -1, 1, 1) + change
    return functional.mse_loss(features, ideal) / change.var()


def _clicks(masks: np.ndarray, side: int, device: torch.device) -> dict[str, Tensor]:
    """A click in each of the masks (N, S, S), in pixels of a picture of `side` x `side`."""
    places = [np.argwhere(mask) for mask in masks]
    points = [place[len(place) // 2][::-1] for place in places]
    places = (np.stack(points) + 0.5) * side / masks.shape[-1]
    return {
        "point_coords": torch.from_numpy(places).float()[:, None].to(device),
        "point_labels": torch.ones(len(masks), 1, dtype=torch.int32, device=device),
    }


def clip_loss(network, clips: list[Clip], device: torch.device, clicked: bool):
    """The loss over the later frames, and the mean IoU of the masks that would be shown."""
    total, shown = torch.zeros((), device=device), []
    for logits, quality, truth, distance in follow(network, clips, device, clicked):
        logits = logits / LOGIT_SCALE
        half = functional.avg_pool2d(truth, 2)
        grown = functional.interpolate(
            logits, half.shape[-2:], mode="bilinear", align_corners=False
        )
        losses, iou = pair_losses(grown, half)
        losses, iou = losses[..., 0], iou[..., 0]
        pick = quality.argmax(1, keepdim=True)
        picked = losses.gather(1, pick)[:, 0]
        total = total + (losses.amin(1) + picked + 2 * (quality - iou).square().mean(1)).mean()
        total = total + DISTANCE_WEIGHT * distance
        shown.append(iou.gather(1, pick).mean())
    return total / len(shown), float(torch.stack(shown).mean())


def batch_of_clips(
    cache: Path, seed: int, step: int, pool: int, frames: int, count: int, targets: int = 1
) -> list[Clip]:
    rng = np.random.default_rng((seed, 4, step))
    return [draw_clip(rng, cache, seed, pool, frames, targets) for _ in range(count)]


@torch.no_grad()
def measure(network, cache: Path, clips: int = 24, frames: int = 6) -> dict[str, float]:
    """Mean IoU over the later frames of held-out clips, beside a mask that stays where it was."""
    tracked, stayed = [], []
    for number in range(clips):
        clip = batch_of_clips(cache, HELD_OUT, number, 128, frames, 1)
        first = torch.from_numpy(clip[0].masks[0, 0]).float()[None, None]
        for logits, quality, truth, _ in follow(network, clip, torch.device("cpu")):
            best = logits[:, quality.argmax(1)]
            grown = functional.interpolate(best, (SIZE, SIZE), mode="bilinear", align_corners=False)
            tracked.append(float(pair_losses(grown, truth)[1]))
            stayed.append(float(pair_losses(first * 2 - 1, truth)[1]))
    return {
        "tracking from a mask, frames 2 to 6": float(np.mean(tracked)),
        "the same, had the mask stayed where it was": float(np.mean(stayed)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument(
        "--warm", action="store_true", help="RUN began with trained memory modules: go on from them"
    )
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    Tracker(options).train()


@torch.no_grad()
def remember_locally(network, cache: Path, seed: int) -> None:
    """Start from memory attention that changes little and looks at the same place in the past.

    Its last normalisation gets the scale and the offset that the decoder knows from single images.
    Equal biases of query and key, turned by their positions, make near places attend to each other.
    """
    attention = network.memory_attention
    clips = batch_of_clips(cache, seed, 0, 64, 2, 4)
    images = torch.from_numpy(np.concatenate([clip.images for clip in clips]))
    images = at_input(images, network.image_size) / 255
    pixels = ((images - torch.tensor(MEAN)) / torch.tensor(DEVIATION)).permute(0, 3, 1, 2)
    tokens = network.forward_image(pixels.contiguous())["backbone_fpn"][2].flatten(2).mT
    attention.norm.weight.fill_(float(tokens.std(-1).mean()))
    attention.norm.bias.copy_(network.no_mem_embed.flatten() + tokens.mean())
    for layer in attention.layers:
        for quiet in (layer.self_attn.out_proj, layer.linear2):
            quiet.weight.mul_(0.1)
        cross = layer.cross_attn_image
        cross.q_proj.bias.fill_(PLACE_GAIN)
        cross.k_proj.bias.fill_(PLACE_GAIN)


class Tracker:
    """The training of the memory modules: all else is frozen."""

    def __init__(self, options: argparse.Namespace):
        torch.manual_seed(options.seed)
        self.options, self.device = options, torch.device(options.device)
        self.cache = options.cache or options.run / "cache"
        self.path = options.run / "memory.pt"
        source = torch.load(options.run / "checkpoint.pt", map_location="cpu", weights_only=True)
        self.image_steps, self.earlier = source["step"], source["earlier"]
        model = Trainee()
        model.load_state_dict(source["average"])
        self.model, self.network = model, model.network
        set_resolution(self.network, INPUT)
        self.network.eval()
        if not options.warm:
            remember_locally(self.network, self.cache, options.seed)
        model.to(self.device)
        trained = []
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name.startswith(MEMORY))
            if parameter.requires_grad:
                trained.append(parameter)
        matrices = [p for p in trained if p.ndim == 2 and min(p.shape) >= 16]
        chosen = {id(p) for p in matrices}
        rest = [p for p in trained if id(p) not in chosen]
        self.optimisers = [
            torch.optim.AdamW(rest, lr=RATE, betas=(0.9, 0.98), weight_decay=0.01),
            torch.optim.Muon(matrices, lr=RATE, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        ]
        self.trained, self.step = trained, 0
        if self.path.exists():
            self._restore(torch.load(self.path, map_location="cpu", weights_only=True))

    def _restore(self, state: dict) -> None:
        self.model.load_state_dict(state["average"])
        for optimiser, held in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(held)
        self.step = state["memory_step"]

    def save(self) -> None:
        state = {
            "average": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.image_steps,
            "earlier": self.earlier,
            "memory_step": self.step,
            "seed": self.options.seed,
        }
        torch.save(state, self.path.with_suffix(".part"))
        os.replace(self.path.with_suffix(".part"), self.path)

    def advance(self) -> tuple[float, float]:
        """One step on fresh clips: the loss and the IoU of the masks that would be shown."""
        options, steps = self.options, self.options.steps
        rate = WARM_RATE if options.warm else RATE
        torch.manual_seed(options.seed * 1_000_003 + self.step)
        fall = 0.5 * (1 + math.cos(math.pi * self.step / steps))
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (self.step + 1) / 50) * (0.02 + 0.98 * fall)
        clips = batch_of_clips(
            self.cache, options.seed, self.step, POOL, FRAMES, options.batch, TARGETS
        )
        loss, shown = clip_loss(self.network, clips, self.device, clicked=self.step % 4 == 3)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        for optimiser in self.optimisers:
            with quick_muon(self.device):
                optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return float(loss.detach()), shown

    def train(self) -> None:
        """Run to the end or for --minutes; log every 10 steps, save every two minutes."""
        started = saved = time.monotonic()
        log = (self.options.run / "memory_log.txt").open("a", buffering=1)
        figures = []
        while self.step < self.options.steps:
            figures.append(self.advance())
            if self.step % 10 == 0:
                loss, shown = np.mean(figures, 0)
                elapsed = time.monotonic() - started
                print(
                    f"step {self.step} time {elapsed:.0f} loss {loss:.3f} iou {shown:.3f}", file=log
                )
                figures = []
            if time.monotonic() - saved > 120:
                self.save()
                saved = time.monotonic()
            if time.monotonic() - started > self.options.minutes * 60:
                break
        self.save()
        figures = measure(self.network.cpu(), self.cache)
        print(f"held-out clips {figures}", file=log)


if __name__ == "__main__":
    main()
