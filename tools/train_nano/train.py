"""Train sam2-nano on procedural scenes. Interrupt it at will: the same command goes on.

python -m region_fields.tools.train_nano.train --run DIR --preset cpu
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from . import prompts as ask
from .data import Sample, draw_batch
from .export import exported_steps, suited
from .losses import prompt_loss
from .model import Trainee, set_resolution

ENCODER_WEIGHT = 0.5
EMA_EVERY = 4
# The masks' logits are this many times the log-odds that the loss sees: SAM 2's stability score
# compares masks at offsets of 1, which on logits of 64 x 64 cells would reject every small mask.
LOGIT_SCALE = 3.0
SINGLE_WEIGHT = 0.3  # of a single click's mask 0, which nobody sees: it would have to guess
MATRICES = ("network.image_encoder.", "network.sam_mask_decoder.")


@dataclass(frozen=True)
class Phase:
    size: int
    steps: int
    batch: int


@dataclass(frozen=True)
class Preset:
    """A schedule. The scenes a step may draw from grow from `first` by `per_step` to `most`.

    A step asks `clicks` single clicks and `boxes` boxes (or several clicks) about every picture,
    and corrects `corrections` of the answers. `balanced`: the share of the work over which the
    balanced cross-entropy fades out.
    """

    phases: tuple[Phase, ...]
    clicks: int
    boxes: int
    corrections: int = 4
    rate: float = 1e-3
    warm_up: int = 200
    first: int = 768
    per_step: float = 4.0
    most: int = 20480
    balanced: float = 1 / 3


PRESETS = {
    "cpu": Preset(
        (Phase(128, 3300, 8), Phase(192, 1700, 4), Phase(256, 1700, 4)), clicks=8, boxes=4
    ),
    "gpu": Preset(
        (Phase(128, 4000, 64), Phase(256, 3000, 32), Phase(512, 4000, 12)), clicks=12, boxes=5,
        corrections=5, first=20480, per_step=4.0, most=65536,
    ),
    "refine": Preset(
        (Phase(512, 1200, 4),), clicks=8, boxes=8, rate=7e-4, warm_up=100, first=2048, per_step=6.0,
        most=10240, balanced=0.0,
    ),
    "test": Preset(
        (Phase(64, 40, 2),), clicks=4, boxes=2, corrections=2, warm_up=5, first=64, per_step=0.0,
        most=64,
    ),
}  # fmt: skip


def phase_at(preset: Preset, step: int) -> Phase:
    for phase in preset.phases:
        if step < phase.steps:
            return phase
        step -= phase.steps
    raise ValueError("The schedule is over.")


def progress(preset: Preset, step: int) -> float:
    """How much of the whole work is done at `step`, 0 to 1, a step counting by its pixels."""
    done = total = 0.0
    for phase in preset.phases:
        cost = phase.size**2 * phase.batch
        done += cost * min(max(step, 0), phase.steps)
        total += cost * phase.steps
        step -= phase.steps
    return done / total


def rate_at(preset: Preset, step: int) -> float:
    """The learning rate: a linear start, then half a cosine down to a hundredth."""
    fall = 0.5 * (1 + math.cos(math.pi * progress(preset, step)))
    return preset.rate * min(1.0, (step + 1) / preset.warm_up) * (0.01 + 0.99 * fall)


def optimisers(model: Trainee) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the network, AdamW for all else; both take the same rate."""
    matrices, decay, plain = [], [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        hidden = parameter.ndim == 2 and min(parameter.shape) >= 16
        outside = "embed" in name or "token.weight" in name or "tokens.weight" in name
        if hidden and not outside and name.startswith(MATRICES):
            matrices.append(parameter)
        else:
            (decay if parameter.ndim > 1 else plain).append(parameter)
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    return [
        torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), fused=True),
        torch.optim.Muon(matrices, lr=1e-3, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
    ]


def orthogonal(grad: Tensor, coefficients: tuple[float, ...], steps: int, eps: float) -> Tensor:
    """Muon's quintic Newton-Schulz iteration (Jordan 2024) in float32, for a matrix (m, n)."""
    a, b, c = coefficients
    tall = grad.shape[0] > grad.shape[1]
    x = grad.float().T if tall else grad.float()
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


@contextmanager
def quick_muon(device: torch.device) -> Iterator[None]:
    """Let torch's Muon iterate in float32 where bfloat16 is only emulated.

    It knows bfloat16 alone, which takes more than half of a training step on such CPUs.
    """
    muon = torch.optim._muon
    own = muon._zeropower_via_newtonschulz
    if device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        muon._zeropower_via_newtonschulz = orthogonal
    try:
        yield
    finally:
        muon._zeropower_via_newtonschulz = own


class Trainer:
    """A model, its optimisers and its moving average, at a step of a schedule.

    Of `ranks` processes that train together, each on pictures of its own, this is number `rank`.
    """

    def __init__(
        self, preset: Preset, cache: Path, seed: int, device: str = "cpu", rank=0, ranks=1
    ):
        torch.manual_seed(seed)
        self.preset, self.cache, self.seed = preset, cache, seed
        self.rank, self.ranks = rank, ranks
        self.device = torch.device(device)
        self.model = Trainee().to(self.device).train()
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimisers = optimisers(self.model)
        self.step = 0
        self.earlier = 0  # steps behind the weights that it began with

    def state(self) -> dict:
        return {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "earlier": self.earlier,
            "seed": self.seed,
        }

    def restore(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.average = {k: v.to(self.device) for k, v in state["average"].items()}
        for optimiser, held in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(held)
        self.step, self.earlier, self.seed = state["step"], state["earlier"], state["seed"]

    def batch(self, step: int) -> ask.Batch:
        """What a step is about; any process draws the same."""
        phase, preset = phase_at(self.preset, step), self.preset
        pool = int(min(preset.most, preset.first + preset.per_step * step))
        turn = self.turn(step)
        return self.questions(
            step, draw_batch(self.cache, self.seed, turn, pool, phase.batch, phase.size)
        )

    def turn(self, step: int) -> int:
        """What randomness depends on, apart from the seed: the step's number and the rank."""
        return step * self.ranks + self.rank

    def questions(self, step: int, samples: list[Sample]) -> ask.Batch:
        rng = np.random.default_rng((self.seed, 2, self.turn(step)))
        return ask.make_batch(rng, samples, self.preset.clicks, self.preset.boxes, step % 4 == 3)

    def advance(self, batch: ask.Batch | None = None) -> dict[str, float]:
        """Take one step. All randomness comes from the seed and the step's number."""
        batch = self.batch(self.step) if batch is None else batch
        torch.manual_seed(self.seed * 1_000_003 + self.turn(self.step))
        rng = np.random.default_rng((self.seed, 3, self.turn(self.step)))
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate_at(self.preset, self.step)
        set_resolution(self.model.network, batch.images.shape[1])
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            loss, report = self.loss(rng, batch)
        loss.backward()
        if self.ranks > 1:
            average_gradients(self.model, self.ranks)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            if torch.isfinite(norm):
                with quick_muon(self.device):
                    optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % EMA_EVERY == 0:
            self._follow()
        return {**report, "loss": float(loss.detach()), "norm": float(norm)}

    def loss(self, rng: np.random.Generator, batch: ask.Batch) -> tuple[Tensor, dict]:
        model, preset, device = self.model, self.preset, self.device
        truth = batch.covered.to(device).float() / 4
        maps = model.encode(batch.images.to(device))
        features = model.features(maps)
        extra = model.encoder_loss(maps, batch.labels.to(device))
        loss, report, outcome = self._answer(
            features, batch.single, truth, single_weight=SINGLE_WEIGHT
        )
        figures = {f"click_{key}": value for key, value in report.items()}
        more, report, other_outcome = self._answer(features, batch.other, truth)
        if not batch.several:
            figures |= {"box_best": report["best"], "box_single": report["single"]}
        loss = loss + more * (preset.boxes / preset.clicks)
        if rng.random() < 0.75:
            more, report = self._correct(rng, features, batch.single, outcome, truth)
            figures |= {"second_best": report["best"], "second_single": report["single"]}
        else:
            more, _ = self._correct(rng, features, batch.other, other_outcome, truth)
        loss = loss + more * (preset.corrections / preset.clicks)
        figures = {key: float(value) for key, value in figures.items()}
        return loss + ENCODER_WEIGHT * extra, figures | {"encoder": float(extra.detach())}

    @torch.no_grad()
    def begin_with(self, path: Path) -> None:
        """Take the network's weights from an export; heads and optimisers start afresh."""
        self.model.network.load_state_dict(suited(load_file(path), back=True))
        self.earlier = exported_steps(path)
        for name, value in self.model.state_dict().items():
            self.average[name].copy_(value)

    @property
    def balance(self) -> float:
        """The weight of the balanced cross-entropy: full at the start, then fading."""
        share = self.preset.balanced
        return max(0.0, 1 - progress(self.preset, self.step) / share) if share else 0.0

    def _answer(self, features, prompts: ask.Prompts, truth: Tensor, mask=None, single_weight=1.0):
        device = self.device
        answers = prompts.answers.to(device)
        logits, quality, score = self.model.decode(
            features, prompts.image.to(device), prompts.points.to(device),
            prompts.labels.to(device), mask,
        )  # fmt: skip
        regions = truth[answers.clamp_min(0)]
        loss, report = prompt_loss(
            logits.float() / LOGIT_SCALE, quality.float(), score.float(), regions, answers >= 0,
            self.balance, single_weight,
        )  # fmt: skip
        return loss, report, (logits.detach().float(), quality.detach())

    def _correct(self, rng, features, prompts: ask.Prompts, outcome, truth: Tensor):
        """A second round on some prompts: their own mask as input, and a click where it errs."""
        logits, quality = outcome
        count = min(len(prompts.image), self.preset.corrections * len(features[0]))
        chosen = torch.from_numpy(rng.choice(len(prompts.image), count, replace=False))
        first = truth[prompts.answers[chosen, 0].to(self.device)]
        rows = chosen.to(self.device)
        pick = quality[rows, 1:].argmax(1) + 1
        if rng.random() < 0.4:
            pick = torch.zeros_like(pick)
        masks = logits[rows, pick]
        if rng.random() < 0.12:  # a mask alone, without any click
            small = torch.nn.functional.avg_pool2d(first[:, None], 2)
            masks = ((small - 0.5) * float(rng.uniform(10, 64)))[:, 0]
            blank = prompts.labels.new_full((count, 1), -1)
            none = torch.full((count, 2), -1)
            follow = ask.Prompts(
                prompts.image[chosen], torch.zeros(count, 1, 2), blank,
                torch.cat([prompts.answers[chosen, :1], none], 1),
            )  # fmt: skip
        else:
            follow = ask.corrections(prompts, chosen, masks.cpu(), first.cpu())
        loss, report, _ = self._answer(features, follow, truth, masks[:, None].clamp(-32, 32))
        return loss, report

    @torch.no_grad()
    def _follow(self) -> None:
        decay = min(0.998, (1 + self.step) / (10 + self.step)) ** EMA_EVERY
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)


def average_gradients(model: torch.nn.Module, ranks: int) -> None:
    """Give every rank the mean of all ranks' gradients, in one message."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([parameter.grad.flatten() for parameter in parameters])
    torch.distributed.all_reduce(flat)
    pieces = (flat / ranks).split([parameter.numel() for parameter in parameters])
    for parameter, piece in zip(parameters, pieces, strict=True):
        parameter.grad = piece.view_as(parameter) if piece.any() else None


def save(trainer: Trainer, path: Path) -> None:
    """Write a checkpoint so that an interruption leaves either the old one or the new one."""
    draft = path.with_suffix(".part")
    torch.save(trainer.state(), draft)
    os.replace(draft, path)


def parse_phases(text: str) -> tuple[Phase, ...]:
    return tuple(Phase(*(int(value) for value in part.split(":"))) for part in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoint and log")
    parser.add_argument("--cache", type=Path, help="folder of drawn scenes; default RUN/cache")
    parser.add_argument("--preset", choices=PRESETS, default="cpu")
    parser.add_argument("--phases", help="instead of the preset's, as size:steps:batch,...")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves it to torch")
    parser.add_argument("--ranks", type=int, default=1, help="CPU processes, each a batch")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this long")
    parser.add_argument("--start", type=Path, help="exported weights to start a new run from")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw batches")
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    if options.ranks > 1 and options.device != "cpu":
        parser.error("--ranks is for the CPU: the processes meet over gloo and share one device.")
    if options.ranks == 1:
        work(0, options)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        torch.multiprocessing.spawn(work, (options, meeting), nprocs=options.ranks)


def work(rank: int, options: argparse.Namespace, meeting: str | None = None) -> None:
    """Train as one of `options.ranks` processes, which find each other at `meeting`."""
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # they make the decoder half as slow again
    if meeting:
        torch.distributed.init_process_group("gloo", meeting, None, options.ranks, rank)
    preset = PRESETS[options.preset]
    if options.phases:
        preset = Preset(**{**vars(preset), "phases": parse_phases(options.phases)})
    cache = options.cache or options.run / "cache"
    trainer = Trainer(preset, cache, options.seed, options.device, rank, options.ranks)
    checkpoint = options.run / "checkpoint.pt"
    if checkpoint.exists():
        trainer.restore(torch.load(checkpoint, map_location=options.device, weights_only=True))
    elif options.start:
        trainer.begin_with(options.start)
    train(trainer, checkpoint, options.minutes, options.workers)
    if meeting:
        torch.distributed.destroy_process_group()


def train(trainer: Trainer, checkpoint: Path, minutes: float, workers: int) -> None:
    """Run to the end of the schedule or for `minutes`; log every 25 steps, save every 2 minutes."""
    steps = sum(phase.steps for phase in trainer.preset.phases)
    started = saved = time.monotonic()
    sums: dict[str, list[float]] = {}
    batches = upcoming(trainer, steps, workers)
    first = trainer.rank == 0  # of several ranks, the one that logs and saves
    log = (checkpoint.parent / "log.txt").open("a", buffering=1) if first else None
    while trainer.step < steps and not over(trainer, started + minutes * 60):
        for key, value in trainer.advance(next(batches)).items():
            sums.setdefault(key, []).append(value)
        if trainer.step % 25 == 0:
            means = " ".join(f"{key} {np.mean(values):.3f}" for key, values in sums.items())
            elapsed = time.monotonic() - started
            if log:
                print(f"step {trainer.step} time {elapsed:.0f} {means}", file=log)
            sums = {}
        if first and time.monotonic() - saved > 120:
            save(trainer, checkpoint)
            saved = time.monotonic()
    if first:
        save(trainer, checkpoint)


def over(trainer: Trainer, end: float) -> bool:
    """Whether the time is up for any rank, so that all stop after the same step."""
    late = time.monotonic() >= end
    if trainer.ranks == 1:
        return late
    flag = torch.tensor(float(late))
    torch.distributed.all_reduce(flag)
    return bool(flag)


def upcoming(trainer: Trainer, steps: int, workers: int):
    """The batches from the trainer's step on, drawn in `workers` processes ahead of time."""
    if not workers:
        yield from (trainer.batch(step) for step in range(trainer.step, steps))
        return
    loader = torch.utils.data.DataLoader(
        _Batches(trainer), sampler=range(trainer.step, steps), batch_size=None,
        num_workers=workers, prefetch_factor=4,
    )  # fmt: skip
    yield from loader


class _Batches(torch.utils.data.Dataset):
    """The batches by step. Workers get the schedule alone, not the model."""

    def __init__(self, trainer: Trainer):
        self.drawer = copy.copy(trainer)
        del self.drawer.model, self.drawer.average, self.drawer.optimisers

    def __getitem__(self, step: int) -> ask.Batch:
        return self.drawer.batch(step)


if __name__ == "__main__":
    main()
