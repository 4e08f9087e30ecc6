"""Scenes on disk, and training batches cut from them.

Scenes are numbered; shard k holds scenes 64 k to 64 k + 63 of one seed, in one of two sizes, so
that the network sees both sharp and enlarged pictures. Whoever needs a missing shard draws it, so
training works with an empty cache, and producers may run ahead of it:

    python -m region_fields.tools.train_nano.data --cache DIR --shards 320 [--workers 8]
"""

from __future__ import annotations

import argparse
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .canvas import MOST_NODES, Scene, containment
from .scenes import scene

SHARD = 64
SIDES = (256, 512, 256)  # of the scenes in shards 3 k, 3 k + 1, 3 k + 2, pixels
LEAST_AREA = 0.003  # of the picture: smaller regions are labelled but never asked for
LEAST_PIXELS = 40
SAME_AREA = 0.97  # a region that covers this much of its parent is not a second answer


def shard_folder(cache: Path, seed: int, shard: int) -> Path:
    return cache / f"scenes_{seed}" / f"{shard:05d}"


def write_shard(cache: Path, seed: int, shard: int) -> None:
    """Draw one shard unless it exists; it appears complete or not at all."""
    folder = shard_folder(cache, seed, shard)
    if folder.exists():
        return
    side = SIDES[shard % len(SIDES)]
    scenes = [scene((seed, shard * SHARD + index), side) for index in range(SHARD)]
    parents = np.full((SHARD, MOST_NODES), -2, np.int16)
    kinds = np.zeros((SHARD, MOST_NODES), np.uint8)
    for row, drawn in enumerate(scenes):
        parents[row, : len(drawn.parents)] = drawn.parents
        kinds[row, : len(drawn.kinds)] = drawn.kinds
    draft = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    draft.mkdir(parents=True, exist_ok=True)
    np.save(draft / "images.npy", np.stack([drawn.image for drawn in scenes]))
    np.save(draft / "labels.npy", np.stack([drawn.labels for drawn in scenes]))
    np.save(draft / "parents.npy", parents)
    np.save(draft / "kinds.npy", kinds)
    try:
        draft.rename(folder)
    except OSError:  # another producer was faster
        shutil.rmtree(draft, ignore_errors=True)


@lru_cache(maxsize=1024)
def _open_shard(folder: Path) -> tuple[np.ndarray, ...]:
    names = ("images", "labels", "parents", "kinds")
    return tuple(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names)


def load_scene(cache: Path, seed: int, number: int) -> Scene:
    """Scene `number` of `seed`, drawn now if its shard is not on disk."""
    shard, row = divmod(number, SHARD)
    write_shard(cache, seed, shard)
    images, labels, parents, kinds = _open_shard(shard_folder(cache, seed, shard))
    count = int((parents[row] != -2).sum())
    return Scene(images[row], labels[row], parents[row, :count], kinds[row, :count])


def wanted_nodes(labels: np.ndarray, parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which nodes are worth asking for, bool (n,), and the containment matrix, bool (n, n)."""
    inside = containment(parents)
    areas = inside @ np.bincount(labels.ravel(), minlength=len(parents)).astype(np.int64)
    wanted = areas >= max(LEAST_AREA * labels.size, LEAST_PIXELS)
    for node in range(len(parents)):
        parent = parents[node]
        if parent >= 0 and areas[node] > SAME_AREA * areas[parent]:
            wanted[node] = False
    return wanted, inside


@dataclass(frozen=True)
class Sample:
    """One augmented picture: image uint8 (S, S, 3), labels (S, S), and its nodes."""

    image: np.ndarray
    labels: np.ndarray
    wanted: np.ndarray
    inside: np.ndarray


def augment(rng: np.random.Generator, drawn: Scene, size: int) -> Sample:
    """Crop, resize to `size`, mirror, turn and recolour a scene.

    Small pictures are tighter crops, so that things are about as large in pixels as they are at
    full size: what is learnt on small pictures then holds for large ones.
    """
    full = drawn.labels.shape[0]
    zoom = np.inf if rng.random() < 0.15 else rng.uniform(0.6, 1.4)
    side = int(min(full, zoom * size))
    left, top = (int(value) for value in rng.integers(0, full - side + 1, 2))
    picture = Image.fromarray(drawn.image)
    box = (left, top, left + side, top + side)
    image = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box=box))
    steps = ((np.arange(size) + 0.5) * side / size).astype(int)
    labels = drawn.labels[(top + steps)[:, None], (left + steps)[None]]
    if rng.random() < 0.5:
        image, labels = image[:, ::-1], labels[:, ::-1]
    turns = int(rng.integers(4)) if rng.random() < 0.1 else 0
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    return Sample(recolour(rng, image), labels.copy(), *wanted_nodes(labels, drawn.parents))


def recolour(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Vary channel order, saturation, brightness and contrast; uint8 in and out."""
    choice = rng.random()
    if choice < 0.3:
        return np.ascontiguousarray(image)
    pixels = image.astype(np.float32)
    if choice < 0.5:
        pixels = pixels[..., rng.permutation(3)]
    grey = pixels.mean(-1, keepdims=True)
    pixels = grey + (pixels - grey) * np.float32(rng.choice([0.0, *rng.uniform(0.3, 1.3, 7)]))
    gain, lift = np.float32(rng.uniform(0.6, 1.35)), np.float32(rng.uniform(-30, 30))
    return np.clip(pixels * gain + lift, 0, 255).astype(np.uint8)


def draw_batch(cache: Path, seed: int, step: int, pool: int, batch: int, size: int) -> list[Sample]:
    """The samples of one training step: the same for the same arguments."""
    rng = np.random.default_rng((seed, 1, step))
    numbers = rng.integers(0, pool, batch)
    return [augment(rng, load_scene(cache, seed, int(number)), size) for number in numbers]


def node_masks(sample: Sample, cell: int = 2) -> Tensor:
    """How many pixels of each cell of `cell` x `cell` nodes cover, uint8 (n, S/cell, S/cell)."""
    side = sample.labels.shape[0] // cell
    labels = torch.from_numpy(sample.labels.astype(np.int64))
    present, compact = torch.unique(labels, return_inverse=True)
    single = torch.nn.functional.one_hot(compact, len(present)).to(torch.float32)
    counts = single.view(side, cell, side, cell, -1).sum((1, 3)).view(side * side, -1)
    inside = torch.from_numpy(sample.inside)[:, present].to(torch.float32)
    return (inside @ counts.T).view(-1, side, side).to(torch.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw training scenes ahead of time.")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    if options.workers == 1:
        for shard in range(options.shards):
            write_shard(options.cache, options.seed, shard)
        return
    with ProcessPoolExecutor(options.workers) as executor:
        jobs = [
            executor.submit(write_shard, options.cache, options.seed, shard)
            for shard in range(options.shards)
        ]
        for job in jobs:
            job.result()


if __name__ == "__main__":
    main()
