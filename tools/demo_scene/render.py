"""Render the demo scene with its truth: the same call always writes the same files.

    python -m region_fields.tools.demo_scene.render --out example_workflows/inputs

Writes still_life.jpg, still_life_dusk.jpg, still_life_regions.png (8-bit grey: an index into the
names in still_life.json), still_life_depth.png (16-bit grey, white = near) and still_life.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from .scene import DAY, DUSK, ROOM, SUBJECT, Light, Thing, things
from .tracer import TABLE, WALL, Camera, picture, truth

Array = np.ndarray


def to_srgb(linear: Array, exposure: float) -> Array:
    """Tone map linear light to 8-bit sRGB: Narkowicz's fit of the ACES filmic curve."""
    x = linear * exposure * 0.8
    x = (x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)).clip(0, 1)
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return (srgb * 255).round().astype(np.uint8)


def labels_of(owner: Array, scene: list[Thing]) -> tuple[Array, list[str]]:
    """Label map (H, W) uint8 and the names: the wall, the table, then the things by area."""
    sizes = {i: int((owner == i).sum()) for i in range(len(scene))}
    order = [WALL, TABLE, *sorted(sizes, key=sizes.__getitem__, reverse=True)]
    labels = np.zeros(owner.shape, np.uint8)
    for label, index in enumerate(order):
        labels[owner == index] = label
    return labels, [*ROOM, *(scene[i].name for i in order[2:])]


def save_truth(scene: list[Thing], camera: Camera, out: Path) -> None:
    owner, depth = truth(scene, camera)
    labels, names = labels_of(owner, scene)
    near, far = (round(float(v), 4) for v in (depth.min() - 0.05, depth.max() + 0.05))
    nearness = ((far - depth) / (far - near) * 65535).round().astype(np.uint16)
    Image.fromarray(labels).save(out / "still_life_regions.png", optimize=True)
    Image.fromarray(nearness).save(out / "still_life_depth.png", optimize=True)
    facts = {
        "size": [camera.width, camera.height],
        "names": names,
        "room": list(ROOM),
        "subject": SUBJECT,
        "areas": {name: int((labels == i).sum()) for i, name in enumerate(names)},
        "depth": {"near_is": "white", "scale": "linear", "near": near, "far": far},
    }
    (out / "still_life.json").write_text(json.dumps(facts, indent=1) + "\n")


def save_pictures(scene: list[Thing], camera: Camera, out: Path, side: int) -> None:
    def report(done: int, total: int) -> None:
        print(f"\rsample {done} of {total}", end="", file=sys.stderr, flush=True)

    lights: list[tuple[str, Light]] = [("still_life.jpg", DAY), ("still_life_dusk.jpg", DUSK)]
    found = picture(scene, [light for _, light in lights], camera, side, report)
    for (name, light), linear in zip(lights, found, strict=True):
        Image.fromarray(to_srgb(linear, light.exposure)).save(
            out / name, quality=92, subsampling=0, optimize=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--width", type=int, default=960)
    parser.add_argument("--height", type=int, default=640)
    parser.add_argument("--side", type=int, default=7, help="side * side samples a pixel")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    scene, camera = things(), Camera(given.width, given.height)
    save_truth(scene, camera, given.out)
    save_pictures(scene, camera, given.out, given.side)


if __name__ == "__main__":
    main()
