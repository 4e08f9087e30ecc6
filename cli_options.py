"""The options of each verb of the `region-fields` command."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .engine import InputError
from .engine.apply import SPACES
from .engine.cover import FILL_METHODS, OVERLAP_WINNERS
from .engine.field import SIDES
from .engine.ops.combine import COMBINE_MODES
from .engine.ops.depth import HOLES, MEASURES, NEAR_IS
from .engine.ops.falloff import FALLOFFS
from .engine.ops.fields import UNITS
from .engine.sam2.everything import Everything
from .engine.sam2.model import PRECISIONS
from .engine.sam2.prompt_forms import GROUPINGS
from .engine.sam2.prompts import CHOICES
from .engine.selection import CRITERIA

KNOBS = {
    "points_per_side": "points along each side of the grid of prompts",
    "pred_iou_thresh": "keep candidates whose predicted IoU is above, 0 to 1",
    "stability_score_thresh": "keep candidates whose outline is this stable, 0 to 1",
    "stability_score_offset": "how far the logit is shifted to measure stability",
    "mask_threshold": "logit above which a pixel belongs to a mask",
    "box_nms_thresh": "of two masks whose boxes overlap by more, one goes, 0 to 1",
    "crop_n_layers": "look again at crops: layer i has (2^i)^2 of them",
    "crop_nms_thresh": "as --box-nms-thresh, between crops",
    "crop_overlap_ratio": "overlap of crops, a share of the shorter side",
    "crop_n_points_downscale_factor": "divides the points per side in each layer of crops",
    "min_mask_region_area": "fill holes and drop islands of fewer pixels",
    "use_m2m": "refine each candidate with its own mask as a prompt",
    "multimask_output": "three candidates a point, for part, object and whole",
    "memory_budget": "bytes for intermediate results, such as 256M or 1G; changes no result",
}
"""What each setting of `Everything` does, in a few words."""

OF_DEPTH = (
    "near_is",
    "near",
    "far",
    "near_feather",
    "far_feather",
    "focus",
    "range",
    "normalize",
    "value_range",
    "clip_percent",
    "sky_strength",
    "holes",
    "image",
    "skip_outlines",
)
OF_DISTANCE = (
    "side",
    "inner_radius",
    "outer_radius",
    "units",
    "default_outside",
    "image_cost",
    "depth_cost",
)
OF_RAMPS = ("falloff", "gamma")
"""Options of `field` for a field by depth, by distance, and by either: keywords of the engine."""
BESIDE_ANCHOR = ("like", "image_edges", "depth_edges")
"""Files that go with an anchor."""


def spelt(name: str) -> str:
    """An option as it is written on the command line."""
    return "--" + name.replace("_", "-")


def refuse_idle(given: argparse.Namespace, names: Sequence[str], without: str) -> None:
    """Raise InputError for an option that was set and, `without` something, would do nothing."""
    for name in names:
        if getattr(given, name) != given.parser.get_default(name):
            raise InputError(f"{spelt(name)} does nothing without {without}.")


def segment_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("image", metavar="IMAGE", type=Path)
    made.add_argument(
        "--out", metavar="DIR", type=Path, required=True,
        help="folder for regions.json, a PNG for each region and overlay.png",
    )  # fmt: skip
    made.add_argument("--model", default="nano", help="nano, or a SAM 2 checkpoint")
    made.add_argument("--device", default="cpu", help="where to compute, such as cuda")
    made.add_argument(
        "--precision", choices=PRECISIONS, help="what to compute in (default: by the device)"
    )
    asked = made.add_argument_group("prompts (without any, everything is segmented)")
    asked.add_argument(
        "--point", metavar="X,Y[,0|1]", type=_point_or_not, action="append",
        help="a pixel of the object, or with ,0 one beside it; may be repeated",
    )  # fmt: skip
    asked.add_argument(
        "--box", metavar="X,Y,W,H", type=_box, action="append",
        help="a box around an object; may be repeated",
    )  # fmt: skip
    asked.add_argument(
        "--objects", choices=GROUPINGS, help="which prompts make one object (default: as given)"
    )
    asked.add_argument(
        "--choice", choices=CHOICES, help="which candidate of an ambiguous click (default: best)"
    )
    asked.add_argument(
        "--refine", type=int, metavar="N", help="further passes over the mask (default: 0)"
    )
    whole = made.add_argument_group("segmenting everything")
    for knob in dataclasses.fields(Everything):
        _add_knob(whole, knob)


def _add_knob(group: Any, knob: Any) -> None:
    text = f"{KNOBS[knob.name]} (default: {_shown(knob)})"
    if isinstance(knob.default, bool):
        kind: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
    else:
        reads = _bytes if knob.name == "memory_budget" else type(knob.default)
        kind = {"type": reads, "metavar": "N"}
    group.add_argument(spelt(knob.name), help=text, **kind)


def _shown(knob: Any) -> str:
    if knob.name == "memory_budget":
        return f"{knob.default >> 20}M"
    return f"{knob.default:.4g}" if isinstance(knob.default, float) else str(knob.default)


def select_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("folder", metavar="DIR", type=Path, help="what segment wrote")
    criterion: dict[str, Any] = {"choices": CRITERIA, "metavar": "CRITERION"}
    made.add_argument("--by", required=True, help="what to go by, as listed below", **criterion)
    made.add_argument("--count", type=int, default=1, help="how many regions")
    made.add_argument("--point", metavar="X,Y", type=_point, help="where, in pixels")
    made.add_argument("--mask", type=Path, help="mask to compare with")
    made.add_argument("--image", type=Path, help="picture whose colours count")
    made.add_argument("--depth", type=Path, help="depth map")
    made.add_argument("--near-is", choices=NEAR_IS, default="white", help="in the depth map")
    made.add_argument("--color", metavar="#RRGGBB", help="colour to look for")
    made.add_argument("--label", action="append", help="name to look for; may be repeated")
    made.add_argument("--then-by", help="what settles ties", **criterion)
    made.add_argument("--out", metavar="MASK.png", type=Path, required=True)
    meanings = (f"  {name:18}{each.meaning}" for name, each in CRITERIA.items())
    made.epilog = "\n".join(["criteria:", *meanings])


def cover_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("folder", metavar="DIR", type=Path, help="what segment wrote")
    made.add_argument("--method", choices=FILL_METHODS, default="nearest", help="who gets a gap")
    made.add_argument(
        "--overlaps", choices=OVERLAP_WINNERS, default="smallest", help="who keeps a shared pixel"
    )
    made.add_argument("--max-gap", type=float, metavar="PX", help="fill no farther than this")
    made.add_argument(
        "--min-gap-area", type=int, default=0, metavar="PX",
        help="with new_regions and segment: gaps of fewer pixels go to the nearest region",
    )  # fmt: skip
    made.add_argument("--image", type=Path, help="with edges and segment: the picture")
    made.add_argument("--model", help="with segment: nano, or a SAM 2 checkpoint")
    made.add_argument("--device", default="cpu", help="with segment: where to compute")
    made.add_argument(
        "--image-cost", type=float, default=100.0,
        help="with edges: what one from black to white adds to the way, in thousandths of the "
        "short side",
    )  # fmt: skip
    made.add_argument("--depth", type=Path, help="with overlaps by nearest_depth: depth map")
    made.add_argument("--near-is", choices=NEAR_IS, default="white", help="in the depth map")
    made.add_argument(
        "--out", metavar="LABELS.png", type=Path, required=True,
        help="16-bit label map: the region's id plus 1",
    )  # fmt: skip


def field_options(made: argparse.ArgumentParser) -> None:
    add = made.add_argument
    add("--out", metavar="FIELD.png", type=Path, required=True, help="16-bit grey, white = full")
    add("--heat", metavar="HEAT.png", type=Path, help="also write a heat map to look at")
    add(
        "--also", metavar="FIELD", type=Path, action="append",
        help="another field or mask to combine with; may be repeated",
    )  # fmt: skip
    add("--combine", choices=COMBINE_MODES, default="multiply", help="depth, distance and others")
    add("--amount", type=float, default=1.0, help="0 = the first field, 1 = the combination")
    add("--softness", type=float, default=0.1, help="roundness of smooth_min and smooth_max")
    add("--invert", action="store_true", help="1 minus the result")
    add("--falloff", choices=FALLOFFS, default="smoothstep", help="shape of both ramps")
    add("--gamma", type=float, default=1.0, help="bends both ramps")
    _depth_options(made.add_argument_group("by depth (0 = nearest, 1 = farthest in the picture)"))
    _distance_options(made.add_argument_group("by distance to an anchor"))


def _depth_options(group: Any) -> None:
    add = group.add_argument
    add("--depth", metavar="DEPTH", type=Path, help="8-bit or 16-bit picture, float TIFF or .npy")
    add("--near-is", choices=NEAR_IS, default="white", help="in the depth map")
    add("--near", type=float, default=0.0, help="full strength from here")
    add("--far", type=float, default=0.25, help="to here")
    add("--near-feather", type=float, default=0.25, help="length of the ramp before")
    add("--far-feather", type=float, default=0.5, help="length of the ramp behind")
    add("--focus", type=float, help="middle of full strength, instead of --near and --far")
    add("--range", type=float, default=0.25, help="depth of full strength about --focus")
    add("--normalize", choices=MEASURES, default="linear", help="scale of depth")
    add(
        "--value-range", metavar="LOW,HIGH", type=_two,
        help="values of the map that count as nearest and farthest, in either order, for frames "
        "of a video; its own otherwise",
    )  # fmt: skip
    add("--clip-percent", type=float, default=0.0, help="pixels that may fall off either end")
    add("--sky-strength", type=float, help="where depth is infinite; as the farthest otherwise")
    add("--holes", choices=HOLES, default="nearest", help="depth where there is none")
    add("--image", type=Path, help="the picture: the field gets its size, along its edges")
    add("--skip-outlines", action="store_true", help="no rims where outlines mix two depths")


def _distance_options(group: Any) -> None:
    add = group.add_argument
    add(
        "--anchor", metavar="X,Y", type=_point, action="append",
        help="a point, in pixels; may be repeated",
    )  # fmt: skip
    add("--anchor-mask", metavar="MASK", type=Path, help="a mask, white inside")
    add("--anchor-box", metavar="X,Y,W,H", type=_box, help="a box, in pixels")
    add("--like", metavar="IMAGE", type=Path, help="picture whose size the field takes")
    add("--side", choices=SIDES, default="outside", help="where distance is measured")
    add("--inner-radius", type=float, default=0.0, help="full strength up to here")
    add("--outer-radius", type=float, default=100.0, help="none from here on")
    add("--units", choices=UNITS, default="pixels", help="pixels, or percent of the short side")
    add("--default-outside", type=float, default=0.0, help="the least strength")
    add("--image-edges", metavar="IMAGE", type=Path, help="measure round this picture's edges")
    add(
        "--image-cost", type=float, default=500.0,
        help="what an edge from black to white adds to the way, in thousandths of the short side",
    )  # fmt: skip
    add("--depth-edges", metavar="DEPTH", type=Path, help="measure round the edges of this depth")
    add(
        "--depth-cost", type=float, default=500.0,
        help="what a step from nearest to farthest adds to the way, in thousandths of the short "
        "side",
    )  # fmt: skip


def apply_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("base", metavar="BASE", type=Path, help="shown where the field is 0")
    made.add_argument("effect", metavar="EFFECT", type=Path, help="shown where the field is 1")
    made.add_argument("field", metavar="FIELD", type=Path)
    made.add_argument("--space", choices=SPACES, default="linear", help="where colours mix")
    made.add_argument("--out", metavar="IMAGE", type=Path, required=True)


def _numbers(
    text: str, counts: tuple[int, ...], form: str, unit: str = " in pixels"
) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in counts or not all(math.isfinite(number) for number in numbers):
        raise argparse.ArgumentTypeError(f"wanted {form}{unit}, got {text!r}")
    return numbers


def _point(text: str) -> list[float]:
    return _numbers(text, (2,), "x,y")


def _point_or_not(text: str) -> tuple[float, float, int]:
    x, y, *label = _numbers(text, (2, 3), "x,y or x,y,0 or x,y,1")
    if label not in ([], [0], [1]):
        raise argparse.ArgumentTypeError(f"wanted 0 or 1 as the third number, got {text!r}")
    return x, y, int(label[0]) if label else 1


def _box(text: str) -> dict[str, float]:
    numbers = _numbers(text, (4,), "x,y,width,height")
    return dict(zip(("x", "y", "width", "height"), numbers, strict=True))


def _two(text: str) -> tuple[float, float]:
    low, high = _numbers(text, (2,), "low,high", unit="")
    return low, high


def _bytes(text: str) -> int:
    scale = {"K": 10, "M": 20, "G": 30}.get(text[-1:].upper())
    number = text[:-1] if scale else text
    try:
        return int(float(number) * (1 << (scale or 0)))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"wanted bytes such as 256M, got {text!r}") from None
