"""Render docs/constants_and_field.jpg: one constant strength per region beside the field.

The failure the pack answers: a few regions leave 88 % of the pixels without any strength, and each
region's constant shows as a band at its border. `python tools/render_pilot.py` from the root.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from region_fields.engine import Regions, blend_strengths
from region_fields.engine.blend import strengths_by_depth
from region_fields.engine.grade import grade_by_field
from region_fields.engine.measure_field import FieldMeasures, measure_field
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
INPUTS = ROOT / "example_workflows" / "inputs"
FOUND = ("tin", "orange", "ball", "cone")
WIDTH = 24.0
CAPTION, GAP = 34, 12
STOPS = ((18, 18, 46), (96, 30, 116), (206, 66, 84), (250, 158, 66), (252, 246, 180))


def read(name: str) -> Tensor:
    """An sRGB picture of the demo scene, float32 (1, H, W, 3)."""
    with Image.open(INPUTS / name) as picture:
        return torch.from_numpy(np.asarray(picture.convert("RGB"), np.float32) / 255)[None]


def found_regions() -> tuple[Regions, list[float]]:
    """The four things a segmenter found in the scene, and a strength for each by its depth."""
    facts = json.loads((INPUTS / "still_life.json").read_text())
    with Image.open(INPUTS / "still_life_regions.png") as picture:
        labels = torch.from_numpy(np.asarray(picture, np.int64))
    with Image.open(INPUTS / "still_life_depth.png") as picture:
        nearness = torch.from_numpy(np.asarray(picture, np.float32) / 65535)
    masks = torch.stack([labels == facts["names"].index(name) for name in FOUND])
    regions = Regions.from_masks(masks, labels=FOUND)
    return regions, strengths_by_depth(regions, nearness, nearest=1.0, farthest=0.25)


def constants(regions: Regions, strengths: list[float]) -> Tensor:
    """What went wrong: every region its constant, nothing elsewhere."""
    field = torch.zeros((1, *regions.size))
    for mask, strength in zip(regions.masks, strengths, strict=True):
        field[0][mask] = strength
    return field


def night(day: Tensor, field: Tensor) -> Tensor:
    """The scene darker, colder and paler by the field."""
    return grade_by_field(day, field, exposure=-2.5, temperature=-0.8, saturation=0.5)


def panels() -> list[tuple[str, FieldMeasures, Tensor, Tensor]]:
    """(title, measures, field, picture) of the constants and of the blended field."""
    day = read("still_life.jpg")
    regions, strengths = found_regions()
    flat = constants(regions, strengths)
    blended = blend_strengths(regions, strengths, WIDTH)
    rows = []
    for title, field, covered in (
        ("One constant per region", flat, regions.union()[None]),
        ("Blend Region Strengths", blended, None),
    ):
        measures = measure_field(field, regions=regions, feather=WIDTH, covered=covered)
        rows.append((title, measures, field, night(day, field)))
    return rows


def heat(field: Tensor) -> Image.Image:
    """A field (H, W) as a heat map, dark = 0."""
    places = np.linspace(0, 1, len(STOPS))
    value = field.numpy()
    channels = [np.interp(value, places, [stop[c] for stop in STOPS]) for c in range(3)]
    return Image.fromarray(np.stack(channels, -1).round().astype(np.uint8))


def sheet() -> Image.Image:
    """Fields on the left, what they do to the scene on the right; measures above each row."""
    rows = panels()
    height, width = rows[0][2].shape[1:]
    size = (2 * width + 3 * GAP, len(rows) * (height + CAPTION + GAP) + GAP)
    page = Image.new("RGB", size, (24, 24, 28))
    draw = ImageDraw.Draw(page)
    for row, (title, measures, field, picture) in enumerate(rows):
        top = GAP + row * (height + CAPTION + GAP)
        share = (
            f"{title}: {measures.coverage:.0%} of the pixels have a strength, "
            f"border-band index {measures.border_band:,.2f}, largest step {measures.max_step:.3f}"
        )
        draw.text((GAP, top), share, (235, 235, 235), font=ImageFont.load_default(24))
        pixels = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        page.paste(heat(field[0]), (GAP, top + CAPTION))
        page.paste(Image.fromarray(pixels), (2 * GAP + width, top + CAPTION))
    return page


def main() -> None:
    """Write the sheet at half its size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "constants_and_field.jpg")
    out = parser.parse_args().out
    page = sheet()
    out.parent.mkdir(parents=True, exist_ok=True)
    page.resize((page.width * 5 // 8, page.height * 5 // 8), Image.Resampling.LANCZOS).save(
        out, quality=88
    )


if __name__ == "__main__":
    main()
