"""Measure a nano model on scenes it was not trained on, and print a table.

    python -m region_fields.tools.train_nano.evaluate engine/sam2/nano.safetensors \
        --scenes 100 --write tools/train_nano/RESULTS.md
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from scipy.stats import spearmanr
from torch import Tensor

from ...engine.sam2.architecture import ARCHITECTURES
from ...engine.sam2.automatic import Everything, segment_everything
from ...engine.sam2.model import Sam2
from .canvas import OBJECT, Scene
from .data import wanted_nodes
from .export import exported_steps, network_state
from .model import INPUT, Trainee, at_input, set_resolution
from .scenes import SIZE, scene

HELD_OUT = 900_001  # the seed of the scenes; training uses other seeds
QUERIES = 12  # regions asked for in each scene
OBJECTS = (3, 20)
TARGETS = {
    "one click, best of three": 0.80,
    "one click, picked by predicted IoU": 0.72,
    "box": 0.85,
}
LARGE = 0.01  # of the picture
AUTOMATIC = {  # points per side: thresholds of predicted IoU and stability
    16: ((0.8, 0.95), (0.7, 0.9)),
    32: ((0.88, 0.97), (0.8, 0.95), (0.7, 0.9)),
}
TARGETS |= {
    f"automatic 32 x 32, thresholds {quality} and {stability}: recall at IoU 0.5": 0.75
    for quality, stability in AUTOMATIC[32]
}


def load(path: Path) -> Trainee:
    """A model for evaluation, from an exported file or from a training checkpoint."""
    model = Trainee().eval()
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = {name: value.float() for name, value in load_file(path).items()}
    else:
        state = network_state(torch.load(path, map_location="cpu", weights_only=True))
    model.network.load_state_dict(state)
    set_resolution(model.network, INPUT)
    return model


def held_out_scenes(count: int):
    """`count` scenes with 3 to 20 objects large enough to ask for."""
    number = 0
    while count:
        drawn = scene((HELD_OUT, number))
        number += 1
        wanted, inside = wanted_nodes(drawn.labels, drawn.parents)
        if OBJECTS[0] <= (wanted & (drawn.kinds == OBJECT)).sum() <= OBJECTS[1]:
            count -= 1
            yield drawn, wanted, inside


def region_masks(drawn: Scene, inside: np.ndarray) -> np.ndarray:
    """bool (n, S, S)."""
    return inside[:, drawn.labels]


def centre(mask: np.ndarray) -> tuple[int, int]:
    """The pixel of a mask that is farthest from its border, x, y."""
    row, column = np.unravel_index(distance_transform_edt(np.pad(mask, 1)).argmax(), (258, 258))
    return int(column - 1), int(row - 1)


def iou(masks: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """IoU of bool masks (N, S, S) with bool regions (M, S, S): (N, M)."""
    pixels = truth.shape[1] * truth.shape[2]
    a = masks.reshape(len(masks), pixels).astype(np.float32)
    b = truth.reshape(len(truth), pixels).astype(np.float32)
    both = a @ b.T
    return both / np.maximum(a.sum(1)[:, None] + b.sum(1) - both, 1)


class Asker:
    """Answers prompts about one scene as the package's image predictor does."""

    def __init__(self, model: Trainee, image: np.ndarray):
        self.model = model
        self.side = model.network.image_size
        pixels = at_input(torch.from_numpy(image.copy())[None], self.side)
        self.features = model.features(model.encode(pixels))

    def logits(self, points, labels, mask=None, multimask=True) -> tuple[Tensor, Tensor]:
        """points (N, K, 2) in the scene's pixels, labels (N, K), mask: earlier logits (N, 1, s, s).

        Returns logits (N, M, s, s), s a quarter of the network's input, and predicted IoU (N, M).
        """
        network = self.model.network
        points = torch.as_tensor(np.asarray(points), dtype=torch.float32) * (self.side / SIZE)
        labels = torch.as_tensor(np.asarray(labels), dtype=torch.int32)
        sparse, dense = network.sam_prompt_encoder((points, labels), None, mask)
        found, quality, _, _ = network.sam_mask_decoder(
            self.features[2],
            network.sam_prompt_encoder.get_dense_pe(),
            sparse,
            dense,
            multimask,
            True,
            [self.features[0], self.features[1]],
        )
        return found, quality


def full(logits: Tensor) -> np.ndarray:
    """Logits (N, s, s) -> bool masks (N, S, S)."""
    return (grow(logits) > 0).numpy()


def grow(logits: Tensor) -> Tensor:
    return torch.nn.functional.interpolate(
        logits[:, None], (SIZE, SIZE), mode="bilinear", align_corners=False
    )[:, 0]


@torch.no_grad()
def automatic(
    model: Trainee, image: np.ndarray, settings: Iterable[tuple[int, tuple[float, float]]]
) -> Iterator[np.ndarray]:
    """The masks, bool (N, S, S), that the pack finds in a picture uint8 (S, S, 3).

    settings: points per side, and thresholds of predicted IoU and stability; all else is as SAM 2
    has it. The picture is encoded once.
    """
    sam2 = Sam2(model.network, ARCHITECTURES["nano"])
    embedding = sam2.embed(torch.from_numpy(image.copy()).float() / 255)
    for side, thresholds in settings:
        yield segment_everything(sam2, embedding, Everything(side, *thresholds)).masks.numpy()


@dataclass
class Figures:
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, values) -> None:
        self.values.setdefault(name, []).extend(np.ravel(values).astype(float).tolist())

    def mean(self, name: str) -> float:
        return float(np.mean(self.values[name]))


def measure_prompts(rng, asker: Asker, masks: np.ndarray, nodes: np.ndarray, out: Figures) -> None:
    """Clicks and boxes for the regions `nodes` of `masks` (n, S, S)."""
    truth = masks[nodes]
    large = truth.mean((1, 2)) >= LARGE
    inner = np.array([centre(mask) for mask in truth])
    anywhere = np.array([rng.choice(np.argwhere(mask))[::-1] for mask in truth])
    for name, points in (("one click", inner), ("one random click", anywhere)):
        found, quality = asker.logits(points[:, None], np.ones((len(nodes), 1)))
        every = iou(full(found.flatten(0, 1)), masks).reshape(len(nodes), 3, -1)
        mine = every[np.arange(len(nodes)), :, nodes]
        pick = quality.argmax(1).numpy()
        out.add(f"{name}, best of three", mine.max(1))
        out.add(f"{name}, best of three, large regions", mine.max(1)[large])
        out.add(f"{name}, picked by predicted IoU", mine[np.arange(len(nodes)), pick])
        out.add(
            f"{name}, picked, against any known region", every.max(2)[np.arange(len(nodes)), pick]
        )
        out.add("predicted", quality.numpy())
        out.add("actual", every.max(2))
    first = found[torch.arange(len(nodes)), torch.from_numpy(pick)]
    _second_click(rng, asker, anywhere, first, truth, out)
    corners = []
    for mask in truth:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        corners.append([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]])
    found, _ = asker.logits(corners, [[2, 3]] * len(nodes), multimask=False)
    reached = np.diag(iou(full(found[:, 0]), truth))
    out.add("box", reached)
    out.add("box, large regions", reached[large])


def _second_click(rng, asker, points, logits, truth, out: Figures) -> None:
    wrong = full(logits) != truth
    second, labels = [], []
    for row, mask in enumerate(wrong):
        place = rng.choice(np.argwhere(mask if mask.any() else truth[row]))
        second.append(place[::-1])
        labels.append([1, int(truth[row][tuple(place)])])
    both = np.stack([points, np.array(second)], 1)
    found, _ = asker.logits(both, labels, logits[:, None].clamp(-32, 32), multimask=False)
    out.add("two clicks", np.diag(iou(full(found[:, 0]), truth)))


@torch.no_grad()
def measure(model: Trainee, scenes: int) -> Figures:
    """All figures over `scenes` held-out scenes."""
    rng, out = np.random.default_rng(HELD_OUT), Figures()
    for drawn, wanted, inside in held_out_scenes(scenes):
        asker, masks = Asker(model, drawn.image), region_masks(drawn, inside)
        nodes = np.flatnonzero(wanted)
        asked = rng.choice(nodes, min(QUERIES, len(nodes)), replace=False)
        measure_prompts(rng, asker, masks, asked, out)
        sizes = masks[nodes].mean((1, 2))
        settings = [(side, each) for side, every in AUTOMATIC.items() for each in every]
        for setting, found in zip(settings, automatic(model, drawn.image, settings), strict=True):
            side, thresholds = setting
            name = "automatic {} x {}, thresholds {} and {}".format(side, side, *thresholds)
            _measure_recall(name, masks[nodes], sizes >= LARGE, found, out)
    return out


def _measure_recall(name: str, truth, large, found: np.ndarray, out: Figures) -> None:
    best = iou(truth, found).max(1, initial=0.0)
    for level in (0.5, 0.75):
        out.add(f"{name}: recall at IoU {level}", best >= level)
        out.add(f"{name}: recall at IoU {level}, large regions", best[large] >= level)
    out.add(f"{name}: masks a scene", len(found))
    out.add(f"{name}: covered share", found.any(0).mean() if len(found) else 0.0)


def table(figures: Figures) -> str:
    """A Markdown table of the means, with the targets where there are some."""
    lines = ["| measure | value | target |", "|---|---|---|"]
    for name in figures.values:
        if name not in ("predicted", "actual"):
            target = f"{TARGETS[name]:.2f}" if name in TARGETS else ""
            lines.append(f"| {name} | {figures.mean(name):.3f} | {target} |")
    rank = spearmanr(figures.values["predicted"], figures.values["actual"]).statistic
    error = np.abs(np.subtract(figures.values["predicted"], figures.values["actual"])).mean()
    lines.append(f"| predicted IoU, rank correlation with actual | {rank:.3f} | |")
    lines.append(f"| predicted IoU, mean absolute error | {error:.3f} | |")
    return "\n".join(lines)


HEADING = """# How good sam2-nano is

{steps} training steps. {scenes} scenes of seed {seed} (training uses other seeds), 256 x 256
pixels, 3 to 20 objects each; the network sees them at {side} x {side}. Regions are parts, objects,
groups and backgrounds that show at least 0.3 % of the picture. "One click" is on the pixel farthest
from the region's border, as in the SAM papers; a "random click" is anywhere in the region. Large
regions show at least 1 % of the picture. The thresholds are those of predicted IoU and stability;
0.8 and 0.95 are SAM 2's own. Values are mean IoU unless they say otherwise. Written by
`evaluate.py`.

"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a nano model on held-out scenes.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="folder for scenes; measures tracking too")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = load(options.model)
    figures = measure(model, options.scenes)
    if options.cache:
        from .train_memory import measure as measure_tracking

        for name, value in measure_tracking(model.network, options.cache).items():
            figures.add(name, value)
    text = table(figures)
    print(text)
    if options.write:
        heading = HEADING.format(
            steps=training_steps(options.model), scenes=options.scenes, seed=HELD_OUT, side=INPUT
        )
        options.write.write_text(heading + text + "\n")


def training_steps(path: Path) -> int:
    if path.suffix == ".safetensors":
        return exported_steps(path)
    held = torch.load(path, map_location="cpu", weights_only=True)
    return held["step"] + held["earlier"]


if __name__ == "__main__":
    main()
