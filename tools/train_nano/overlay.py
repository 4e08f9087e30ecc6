"""Paint what automatic mode finds over pictures, to look at.

python -m region_fields.tools.train_nano.overlay MODEL OUT.png PICTURE [PICTURE ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from .evaluate import automatic, load
from .scenes import SIZE


def paint(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Masks (N, S, S) in random colours over a picture (S, S, 3) uint8, larger ones below."""
    colours = np.random.default_rng(0).uniform(40, 255, (len(masks), 3))
    painted = image.astype(np.float32) * 0.35
    for index in np.argsort(-masks.sum((1, 2)), kind="stable"):
        painted[masks[index]] = image[masks[index]] * 0.45 + colours[index] * 0.55
    return painted.clip(0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--points-per-side", type=int, default=24)
    parser.add_argument("--thresholds", type=float, nargs=2, default=(0.6, 0.9))
    options = parser.parse_args()
    model, rows = load(options.model), []
    for path in options.pictures:
        image = np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE)))
        thresholds = tuple(options.thresholds)
        (masks,) = automatic(model, image, [(options.points_per_side, thresholds)])
        print(f"{path}: {len(masks)} masks cover {masks.any(0).mean():.0%}")
        rows.append(np.concatenate([image, paint(image, masks)], 1))
    Image.fromarray(np.concatenate(rows)).save(options.out)


if __name__ == "__main__":
    main()
