"""The demo: the whole main job on the bundled scene, judged by the scene's exact truth."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import engine
from .engine import Everything, InputError, Prompt, Regions, files
from .engine.cover import fill_coverage, measure_coverage
from .engine.ops.checks import counted
from .engine.preview import colour_labels, contact_sheet, draw_field, draw_regions, ids_map

INPUTS = Path(__file__).parent / "example_workflows" / "inputs"
SETTINGS = Everything(min_mask_region_area=600)
SUBJECT_BOX = (370, 135, 226, 345)
"""x, y, width, height: what a person would drag around the vase."""
_FOUND_IOU = 0.7

MakeBar = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True)
class Scene:
    """The bundled still life: day and dusk (H, W, 3), depth (H, W) with near = 1, truth (H, W)."""

    day: Tensor
    dusk: Tensor
    depth: Tensor
    truth: Tensor
    names: list[str]
    subject: str


def read_scene() -> Scene:
    facts = files.read_json(INPUTS / "still_life.json")
    labels = files.read_plane(INPUTS / "still_life_regions.png")
    return Scene(
        files.read_image(INPUTS / "still_life.jpg"),
        files.read_image(INPUTS / "still_life_dusk.jpg"),
        files.read_plane(INPUTS / "still_life_depth.png"),
        (labels * 255).round().to(torch.int64),
        facts["names"],
        facts["subject"],
    )


def run(out: Path, model: str, make_bar: MakeBar) -> dict[str, Any]:
    """Segment, pick the subject, fill, make a field, composite; write all of it into `out`."""
    started = time.monotonic()
    scene = read_scene()
    network = engine.load_sam2(model)
    seen = network.embed(scene.day)
    regions = engine.segment_everything(network, seen, SETTINGS, make_bar("segmenting"))
    if len(regions) == 0:
        raise InputError(f"{model} found no region in the scene; use another --model.")
    chosen = engine.segment_prompts(network, seen, [Prompt(box=SUBJECT_BOX)])
    nearest = engine.select(regions, "nearest_in_depth", count=3, depth=scene.depth)
    filled = fill_coverage(regions)
    field = dusk_field(scene.depth, chosen.union())
    mixed = engine.composite(scene.day, scene.dusk, field)
    facts = {
        "image": "still_life.jpg",
        "model": Path(model).name,
        "coverage": measure_coverage(regions).facts(),
    }
    overlay = draw_regions(scene.day, regions, ids=True)
    files.save_regions(out / "regions", regions, facts, overlay)
    files.write_mask(out / "subject.png", chosen.union())
    files.write_labels(out / "labels.png", ids_map(filled) + 1)
    files.write_plane(out / "field.png", field)
    files.write_image(out / "composite.png", mixed)
    pictures = _pictures(scene, regions, filled, chosen, nearest)
    pictures |= {"field_map": draw_field(field, contours=4), "effect": scene.dusk}
    pictures |= {"composite": mixed}
    for name in ("coverage_before", "coverage_after", "nearest_by_depth", "field_map"):
        files.write_image(out / f"{name}.png", pictures[name])
    files.write_image(out / "overlay.png", overlay)
    report = _judge(scene, regions, filled, chosen)
    titled = [(_title(name, report), picture) for name, picture in pictures.items()]
    files.write_image(out / "contact_sheet.png", contact_sheet(titled, columns=3, width=480))
    report["seconds"] = round(time.monotonic() - started, 1)
    files.write_text(out / "report.json", json.dumps(report, indent=1) + "\n")
    _tell(out, report)
    return report


def dusk_field(depth: Tensor, mask: Tensor) -> Tensor:
    """Where dusk falls: strength by depth behind the front, or by distance from the subject.

    depth: float (H, W), near = 1. mask: bool (H, W). Returns float32 (H, W), 1 = dusk. The two
    fields are screened, so that the subject keeps its daylight and nothing has a hard border.
    """
    away = engine.field_from_distance(mask, outer_radius=45, units="percent", invert=True)
    behind = engine.field_from_depth(depth, far=0.35, near_feather=0, far_feather=0.5, invert=True)
    return engine.combine_fields([away, behind], mode="screen")[0]


def _pictures(
    scene: Scene, regions: Regions, filled: Regions, chosen: Regions, nearest: Regions
) -> dict[str, Tensor]:
    """What there is to see of the regions, in the order of the contact sheet."""
    return {
        "image": scene.day,
        "regions": draw_regions(scene.day, regions),
        "nearest_by_depth": draw_regions(scene.day, nearest, opacity=0.7),
        "subject_by_a_box": draw_regions(scene.day, chosen, opacity=0.7),
        "coverage_before": draw_regions(scene.day, regions, only_uncovered=True),
        "coverage_after": colour_labels(ids_map(filled)),
    }


def _title(name: str, report: dict[str, Any]) -> str:
    words = name.replace("_", " ")
    if name.startswith("coverage"):
        return f"{words}: {report['coverage'][name.removeprefix('coverage_')]['covered']:.1%}"
    return counted(report["regions"], "region") if name == "regions" else words


def _judge(scene: Scene, regions: Regions, filled: Regions, chosen: Regions) -> dict[str, Any]:
    """Coverage, and each thing's IoU with the region that matches it best."""
    found = {
        name: round(max(iou(mask, scene.truth == i) for mask in regions.masks), 3)
        for i, name in enumerate(scene.names)
    }
    wanted = scene.truth == scene.names.index(scene.subject)
    return {
        "regions": len(regions),
        "coverage": {
            "before": measure_coverage(regions).facts(),
            "after": measure_coverage(filled).facts(),
        },
        "subject": {"name": scene.subject, "iou": round(iou(chosen.union(), wanted), 3)},
        "best_iou": found,
    }


def iou(first: Tensor, second: Tensor) -> float:
    """Intersection over union of two bool masks (H, W)."""
    return float((first & second).sum()) / max(1, int((first | second).sum()))


def _tell(out: Path, report: dict[str, Any]) -> None:
    coverage, best = report["coverage"], report["best_iou"]
    found = [name for name, share in best.items() if share >= _FOUND_IOU]
    lines = [
        f"{counted(report['regions'], 'region')}: {coverage['before']['covered']:.1%} of the "
        f"image, after filling {coverage['after']['covered']:.1%}",
        f"found {len(found)} of {len(best)} things (IoU {_FOUND_IOU} or more): "
        + (", ".join(found) or "none"),
        f"subject: {report['subject']['name']}, IoU {report['subject']['iou']:.2f}",
        f"{report['seconds']} s; open {out / 'contact_sheet.png'}",
    ]
    print("\n".join(lines), file=sys.stderr)
