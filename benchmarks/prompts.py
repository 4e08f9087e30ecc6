"""Prompted segmentation after the embedding against SAM2ImagePredictor, in one process.

    python benchmarks/prompts.py --model nano --megapixels 8
    python benchmarks/prompts.py --model random:tiny --megapixels 8 --objects 1 10

Same network, image and prompts; neither side's encoding counts. A click: the predictor decodes
three candidates and the best is kept. Boxes: the predictor takes them all in one call, or
`--batch` at a time where its full-size float masks would not fit into memory. The two sides take
turns, `--repeat` times; the table has the median of each, and the lowest IoU between the masks.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from automatic_setup import SCENE, make_model, read_image
from region_fields.engine import Prompt, Regions, Sam2, segment_prompts
from torch import Tensor


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    model = make_model(options.model, options.device, options.dtype)
    image = read_image(options.image, options.megapixels)
    size = image.shape[0], image.shape[1]
    embedding, predictor = model.embed(image), reference(model, image)
    print(
        f"{options.model} on {model.device}, {model.dtype}, {options.threads} threads; "
        f"{size[1]} x {size[0]} pixels; median of {options.repeat}\n"
    )
    print(f"{'':12}{'reference ms':>14}{'ours ms':>10}{'ratio':>8}{'lowest IoU':>12}")
    point = [[size[1] * 0.5, size[0] * 0.55]]
    compare(
        "one click",
        lambda: [best_of(predictor.predict(np.array(point), np.array([1])))],
        lambda: segment_prompts(model, embedding, [Prompt(points=point)]),
        options.repeat,
    )
    for count in options.objects:
        boxes = boxes_over(size, count)
        prompts = [Prompt(box=box) for box in boxes.tolist()]
        compare(
            f"{count} box{'es' * (count > 1)}",
            lambda boxes=boxes: predict_boxes(predictor, boxes, options.batch),
            lambda prompts=prompts: segment_prompts(model, embedding, prompts),
            options.repeat,
        )


def compare(
    name: str, theirs: Callable[[], list[np.ndarray]], ours: Callable[[], Regions], repeat: int
) -> None:
    """Print one line: both medians, how many times faster ours is, and the worst agreement."""
    agreement = lowest_iou(ours(), theirs())
    times: dict[str, list[float]] = {"theirs": [], "ours": []}
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    for _ in range(repeat):
        for side, run in (("theirs", theirs), ("ours", ours)):
            start = clock()
            run()
            times[side].append(clock() - start)
    slow, fast = (1000 * statistics.median(times[side]) for side in ("theirs", "ours"))
    print(f"{name:12}{slow:14.1f}{fast:10.1f}{slow / fast:8.1f}{agreement:12.4f}", flush=True)


def reference(model: Sam2, image: Tensor) -> Any:
    """The sam2 package's predictor with the image set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        predictor = SAM2ImagePredictor(model.network)
    side = model.image_size
    predictor._bb_feat_sizes = [(side // 4,) * 2, (side // 8,) * 2, (side // 16,) * 2]
    predictor.set_image((image * 255).round().to(torch.uint8).numpy())
    return predictor


def best_of(answer: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    masks, scores, _ = answer
    return masks[scores.argmax()]


def predict_boxes(predictor: Any, boxes: Tensor, batch: int) -> list[np.ndarray]:
    """The predictor's masks for boxes (N, 4) as x, y, w, h."""
    corners = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)
    found: list[np.ndarray] = []
    for part in corners.split(batch):
        masks, _, _ = predictor.predict(box=part.numpy(), multimask_output=False)
        found.extend(masks.reshape(len(part), *masks.shape[-2:]) > 0)
    return found


def boxes_over(size: tuple[int, int], count: int) -> Tensor:
    """Boxes of many places and sizes, float32 (count, 4) as x, y, w, h, all inside the image."""
    generator = torch.Generator().manual_seed(0)
    whole = torch.tensor([size[1], size[0]], dtype=torch.float32)
    extent = whole * (0.08 + 0.3 * torch.rand((count, 2), generator=generator))
    corner = (whole - extent) * torch.rand((count, 2), generator=generator)
    return torch.cat([corner, extent], dim=1)


def lowest_iou(ours: Regions, theirs: list[np.ndarray]) -> float:
    """The lowest IoU of a prompt's two masks; a region that isn't there counts as empty."""
    place = {id_: i for i, id_ in enumerate(ours.ids.tolist())}
    lowest = 1.0
    for id_, wanted in enumerate(theirs):
        mask = np.zeros(ours.size, dtype=bool)
        if id_ in place:
            mask = ours.take([place[id_]]).masks[0].cpu().numpy()
        either = np.count_nonzero(mask | (wanted > 0))
        if either:
            lowest = min(lowest, np.count_nonzero(mask & (wanted > 0)) / either)
    return lowest


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="nano", help='"nano", a file, or "random:tiny"')
    parser.add_argument("--image", type=Path, default=SCENE)
    parser.add_argument("--megapixels", type=float, default=8.0)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--batch", type=int, default=25, help="boxes in one reference call")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default=None)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    main()
