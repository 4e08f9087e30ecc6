"""The options of the verbs of the `region-fields` command, but for `field`."""

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
from .engine.ops.depth import NEAR_IS
from .engine.sam2.everything import Everything
from .engine.sam2.model import CHOICES_OF_PRECISION
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

MODEL = "nano, the included model, or the file of a SAM 2 checkpoint"
NEARNESS = "how the depth map draws what is near"


def spelt(name: str) -> str:
    """An option as it is written on the command line."""
    return "--" + name.replace("_", "-")


def refuse_idle(given: argparse.Namespace, names: Sequence[str], without: str) -> None:
    """Raise InputError for an option that was set and, `without` something, would do nothing."""
    for name in names:
        if getattr(given, name) != given.parser.get_default(name):
            raise InputError(f"{spelt(name)} does nothing without {without}.")


def segment_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("image", metavar="IMAGE", type=Path, help="the picture")
    made.add_argument(
        "--out", metavar="DIR", type=Path, required=True,
        help="folder for regions.json, a PNG for each region and overlay.png",
    )  # fmt: skip
    made.add_argument("--model", default="nano", help=MODEL)
    made.add_argument("--device", default="cpu", help="where to compute, such as cuda")
    made.add_argument(
        "--precision", choices=CHOICES_OF_PRECISION, default="auto",
        help="what the network computes in; auto: bf16 where the device is good at it, else fp16 "
        "or fp32",
    )  # fmt: skip
    asked = made.add_argument_group("prompts (without any, everything is segmented)")
    asked.add_argument(
        "--point", metavar="X,Y[,0|1]", type=_point_or_not, action="append",
        help="a pixel of the object, or with ,0 one that is not of it; may be repeated",
    )  # fmt: skip
    asked.add_argument(
        "--box", metavar="X,Y,W,H", type=box, action="append",
        help="a box around an object; may be repeated",
    )  # fmt: skip
    asked.add_argument(
        "--objects", choices=GROUPINGS,
        help="as given (the default): all points are one object, and each box is one; one object: "
        "all together; one per point or box: each by itself",
    )  # fmt: skip
    asked.add_argument(
        "--choice", choices=CHOICES,
        help="of what a click may mean: what the network trusts most (best, the default), a part, "
        "the object, the whole, or all three",
    )  # fmt: skip
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
    made.add_argument("--count", type=int, default=1, help="how many regions, the best first")
    made.add_argument("--point", metavar="X,Y", type=point, help="for criteria by a point: where")
    made.add_argument("--mask", type=Path, help="for best_iou and most_inside: a mask")
    made.add_argument("--image", type=Path, help="for closest_color: the picture")
    made.add_argument("--depth", type=Path, help="for nearest_ and farthest_in_depth: a depth map")
    made.add_argument("--near-is", choices=NEAR_IS, default="white", help=NEARNESS)
    made.add_argument("--color", metavar="#RRGGBB", help="for closest_color: the colour")
    made.add_argument("--label", action="append", help="for label: a name; may be repeated")
    made.add_argument("--then-by", help="what settles ties, likewise", **criterion)
    made.add_argument(
        "--out", metavar="MASK.png", type=Path, required=True, help="white = in a chosen region"
    )
    made.epilog = _listed("criteria", {name: each.meaning for name, each in CRITERIA.items()})


def _listed(title: str, meanings: dict[str, str]) -> str:
    return "\n".join([f"{title}:", *(f"  {name:18}{text}" for name, text in meanings.items())])


def cover_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("folder", metavar="DIR", type=Path, help="what segment wrote")
    made.add_argument(
        "--method", choices=FILL_METHODS, default="nearest",
        help="what becomes of gaps, as listed below",
    )  # fmt: skip
    made.add_argument(
        "--overlaps", choices=OVERLAP_WINNERS, default="smallest",
        help="who keeps a pixel of several regions, as listed below",
    )  # fmt: skip
    made.add_argument(
        "--max-gap", type=float, metavar="PX", help="fill only within this many pixels of a region"
    )
    made.add_argument(
        "--min-gap-area", type=int, default=0, metavar="PX",
        help="with new_regions and segment: gaps of fewer pixels go to the nearest region; for "
        "segment 0 stands for 0.1 %% of the picture",
    )  # fmt: skip
    made.add_argument("--image", type=Path, help="with edges and segment: the picture")
    made.add_argument("--model", help=f"with segment: {MODEL}")
    made.add_argument("--device", default="cpu", help="with segment: where to compute")
    made.add_argument(
        "--image-cost", type=float, default=100.0, metavar="N",
        help="with edges: what one from black to white adds to the way, in thousandths of the "
        "short side",
    )  # fmt: skip
    made.add_argument("--depth", type=Path, help="with overlaps by nearest_depth: depth map")
    made.add_argument("--near-is", choices=NEAR_IS, default="white", help=NEARNESS)
    made.add_argument(
        "--out", metavar="LABELS.png", type=Path, required=True,
        help="16-bit label map: the region's id plus 1, or 0 for none",
    )  # fmt: skip
    lists = {"methods": FILL_METHODS, "overlaps": OVERLAP_WINNERS}
    made.epilog = "\n\n".join(_listed(title, meanings) for title, meanings in lists.items())


def apply_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("base", metavar="BASE", type=Path, help="shown where the field is 0")
    made.add_argument("effect", metavar="EFFECT", type=Path, help="shown where the field is 1")
    made.add_argument("field", metavar="FIELD", type=Path, help="grey picture, white = full effect")
    made.add_argument(
        "--space", choices=SPACES, default="linear",
        help="where colours mix: as light does, as stored, or evenly for the eye",
    )  # fmt: skip
    made.add_argument(
        "--out", metavar="IMAGE", type=Path, required=True, help="where the mixed picture goes"
    )


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


def point(text: str) -> list[float]:
    return _numbers(text, (2,), "x,y")


def _point_or_not(text: str) -> tuple[float, float, int]:
    x, y, *label = _numbers(text, (2, 3), "x,y or x,y,0 or x,y,1")
    if label not in ([], [0], [1]):
        raise argparse.ArgumentTypeError(f"wanted 0 or 1 as the third number, got {text!r}")
    return x, y, int(label[0]) if label else 1


def box(text: str) -> dict[str, float]:
    numbers = _numbers(text, (4,), "x,y,width,height")
    return dict(zip(("x", "y", "width", "height"), numbers, strict=True))


def two(text: str) -> tuple[float, float]:
    low, high = _numbers(text, (2,), "low,high", unit="")
    return low, high


def _bytes(text: str) -> int:
    scale = {"K": 10, "M": 20, "G": 30}.get(text[-1:].upper())
    number = text[:-1] if scale else text
    try:
        return int(float(number) * (1 << (scale or 0)))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"wanted bytes such as 256M, got {text!r}") from None
