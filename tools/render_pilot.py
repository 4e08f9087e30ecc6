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
CAPTION, GAP, GRAPH = 34, 12, 170
ROW = 500
"""The row of pixels whose strengths are drawn as a graph; it crosses tin, orange and ball."""
INK, NONE = (235, 235, 235), (120, 40, 48)
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


def panels() -> list[tuple[str, FieldMeasures, Tensor, Tensor, Tensor]]:
    """(title, measures, field, covered, picture) of the constants and of the blended field."""
    day = read("still_life.jpg")
    regions, strengths = found_regions()
    flat = constants(regions, strengths)
    blended = blend_strengths(regions, strengths, WIDTH)
    rows = []
    for title, field, covered in (
        ("One constant per region", flat, regions.union()[None]),
        ("Blend Region Strengths", blended, None),
    ):
        measures = measure_field(field, covered=covered)
        known = torch.ones_like(field, dtype=torch.bool) if covered is None else covered
        rows.append((title, measures, field, known, night(day, field)))
    return rows


def heat(field: Tensor, covered: Tensor) -> Image.Image:
    """A field (H, W) as a heat map, dark = 0, striped where there is none; the row marked."""
    places = np.linspace(0, 1, len(STOPS))
    value = field.numpy()
    channels = [np.interp(value, places, [stop[c] for stop in STOPS]) for c in range(3)]
    pixels = np.stack(channels, -1)
    y, x = np.indices(value.shape)
    stripes = np.where(((x + y) % 16 < 8)[..., None], NONE, np.array(NONE) // 2)
    pixels = np.where(covered.numpy()[..., None], pixels, stripes)
    pixels[ROW - 1 : ROW + 1] = INK
    return Image.fromarray(pixels.round().astype(np.uint8))


def graph(field: Tensor, covered: Tensor, size: tuple[int, int]) -> Image.Image:
    """The strengths of the marked row, 0 at the bottom, 1 at the top; red where there is none."""
    width, height = size
    page = Image.new("RGB", size, (12, 12, 16))
    draw = ImageDraw.Draw(page)
    strengths, known = field[ROW].tolist(), covered[ROW].tolist()
    step = width / len(strengths)
    points = [
        ((i + 0.5) * step, height - 8 - (height - 16) * s if k else height - 8)
        for i, (s, k) in enumerate(zip(strengths, known, strict=True))
    ]
    for (x, _), k in zip(points, known, strict=True):
        if not k:
            draw.rectangle((x - step / 2, 0, x + step / 2, height), fill=(50, 18, 24))
    draw.line(points, fill=INK, width=3)
    return page


def sheet() -> Image.Image:
    """Fields on the left, what they do to the scene on the right, a row of each as a graph."""
    rows = panels()
    height, width = rows[0][2].shape[1:]
    each = height + CAPTION + GRAPH + 2 * GAP
    page = Image.new("RGB", (2 * width + 3 * GAP, len(rows) * each + GAP), (24, 24, 28))
    draw = ImageDraw.Draw(page)
    for row, (title, measures, field, covered, picture) in enumerate(rows):
        top = GAP + row * each
        share = (
            f"{title}: {measures.coverage:.0%} of the pixels have a strength, "
            f"largest step from pixel to pixel {measures.max_step:.3f}"
        )
        draw.text((GAP, top), share, INK, font=ImageFont.load_default(28))
        pixels = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        page.paste(heat(field[0], covered[0]), (GAP, top + CAPTION))
        page.paste(Image.fromarray(pixels), (2 * GAP + width, top + CAPTION))
        drawn = graph(field[0], covered[0], (2 * width + GAP, GRAPH))
        page.paste(drawn, (GAP, top + CAPTION + height + GAP))
        draw.text(
            (GAP + 12, top + CAPTION + height + GAP + 6),
            "strength along the line, 0 to 1",
            INK,
            font=ImageFont.load_default(20),
        )
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
