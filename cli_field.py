"""The `field` verb: a strength field from depth, from distance, from other fields, or of all."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from . import cli_options as options
from . import engine
from .engine import InputError, files
from .engine.field import SIDES
from .engine.ops.combine import COMBINE_MODES
from .engine.ops.depth import HOLES, MEASURES, NEAR_IS
from .engine.ops.falloff import FALLOFFS
from .engine.ops.fields import UNITS, check_aspect
from .engine.preview import draw_field

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


def field_options(made: argparse.ArgumentParser) -> None:
    add = made.add_argument
    add("--out", metavar="FIELD.png", type=Path, required=True, help="16-bit grey, white = full")
    add("--heat", metavar="HEAT.png", type=Path, help="also write a heat map to look at")
    add(
        "--also", metavar="FIELD", type=Path, action="append",
        help="another field or mask to combine with; may be repeated",
    )  # fmt: skip
    add("--combine", choices=COMBINE_MODES, default="multiply", help="how the fields are joined")
    add(
        "--amount", type=float, default=1.0, metavar="N",
        help="0 = the first field, 1 = the combination",
    )  # fmt: skip
    add(
        "--softness", type=float, default=0.1, metavar="N",
        help="how round smooth_min and smooth_max are, in strength",
    )  # fmt: skip
    add("--invert", action="store_true", help="1 minus the result")
    add("--falloff", choices=FALLOFFS, default="smoothstep", help="shape of the ramps")
    add(
        "--gamma", type=float, default=1.0, metavar="N",
        help="the strength by depth or distance is ramp ^ gamma: above 1 lowers what lies between "
        "none and full, below 1 raises it",
    )  # fmt: skip
    _depth_options(made.add_argument_group("by depth (0 = nearest, 1 = farthest in the picture)"))
    _distance_options(made.add_argument_group("by distance to an anchor"))


def _depth_options(group: Any) -> None:
    add = group.add_argument
    add("--depth", metavar="DEPTH", type=Path, help="8-bit or 16-bit picture, float TIFF or .npy")
    add("--near-is", choices=NEAR_IS, default="white", help=options.NEARNESS)
    add("--near", type=float, default=0.0, metavar="N", help="full strength from here")
    add("--far", type=float, default=0.25, metavar="N", help="full strength up to here")
    add(
        "--near-feather", type=float, default=0.25, metavar="N",
        help="depth over which strength fades in before that",
    )  # fmt: skip
    add(
        "--far-feather", type=float, default=0.5, metavar="N",
        help="depth over which it fades out behind that",
    )  # fmt: skip
    add(
        "--focus", type=float, metavar="N",
        help="middle of full strength, instead of --near and --far",
    )  # fmt: skip
    add(
        "--range", type=float, default=0.25, metavar="N",
        help="how deep full strength reaches in all, with --focus",
    )  # fmt: skip
    add(
        "--normalize", choices=MEASURES, default="linear",
        help="what even steps are even in: values, reciprocals, logarithms, share of nearer pixels",
    )  # fmt: skip
    add(
        "--value-range", metavar="LOW,HIGH", type=options.two,
        help="values of the map that count as nearest and farthest, in either order, for frames "
        "of a video; its own otherwise",
    )  # fmt: skip
    add(
        "--clip-percent", type=float, default=0.0, metavar="N",
        help="share of the pixels, in %%, that may fall off either end as outliers",
    )  # fmt: skip
    add(
        "--sky-strength", type=float, metavar="N",
        help="strength where depth is infinite; that of the farthest otherwise",
    )  # fmt: skip
    add("--holes", choices=HOLES, default="nearest", help="what pixels without depth count as")
    add("--image", type=Path, help="the picture: the field gets its size, along its edges")
    add("--skip-outlines", action="store_true", help="no rims where outlines mix two depths")


def _distance_options(group: Any) -> None:
    add = group.add_argument
    add(
        "--anchor", metavar="X,Y", type=options.point, action="append",
        help="a point, in pixels; may be repeated",
    )  # fmt: skip
    add("--anchor-mask", metavar="MASK", type=Path, help="a mask, white inside")
    add("--anchor-box", metavar="X,Y,W,H", type=options.box, help="a box, in pixels")
    add("--like", metavar="IMAGE", type=Path, help="picture whose size the field takes")
    add(
        "--side", choices=SIDES, default="outside",
        help="strength falls off outwards, rises from the outline inwards, or rises across it",
    )  # fmt: skip
    add(
        "--inner-radius", type=float, default=0.0, metavar="N",
        help="full up to this distance; inside: none up to it; signed: full from it on, inwards",
    )  # fmt: skip
    add(
        "--outer-radius", type=float, default=100.0, metavar="N",
        help="none from this distance on; inside: full; signed: none, outwards",
    )  # fmt: skip
    add("--units", choices=UNITS, default="pixels", help="of radii; percent is of the short side")
    add(
        "--default-outside", type=float, default=0.0, metavar="N",
        help="the strength where the anchor's reach ends",
    )  # fmt: skip
    add("--image-edges", metavar="IMAGE", type=Path, help="measure round this picture's edges")
    add(
        "--image-cost", type=float, default=500.0, metavar="N",
        help="what an edge from black to white adds to the way, in thousandths of the short side",
    )  # fmt: skip
    add("--depth-edges", metavar="DEPTH", type=Path, help="measure round the edges of this depth")
    add(
        "--depth-cost", type=float, default=500.0, metavar="N",
        help="what a step from nearest to farthest adds to the way, in thousandths of the short "
        "side",
    )  # fmt: skip


def field(given: argparse.Namespace) -> None:
    _check(given)
    files.check_picture(given.out, exact=True)
    if given.heat:
        files.check_picture(given.heat)
    parts, size = [], None
    if given.depth:
        parts.append(_by_depth(given))
        size = (int(parts[0].shape[-2]), int(parts[0].shape[-1]))
    if _anchors(given):
        parts.append(_by_distance(size, given))
    parts += [files.read_plane(path)[None] for path in given.also or []]
    if not parts:
        raise InputError("give --depth, --anchor, --anchor-mask, --anchor-box or --also.")
    first, *others = ((int(part.shape[-2]), int(part.shape[-1])) for part in parts)
    for other in others:
        check_aspect("a mask", other, first)
    whole = engine.combine_fields(
        parts,
        mode=given.combine,
        amount=given.amount,
        softness=given.softness,
        invert=given.invert,
    )[0]
    files.write_plane(given.out, whole)
    if given.heat:
        files.write_image(given.heat, draw_field(whole, contours=9))


def _keywords(given: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(given, name) for name in (*names, *OF_RAMPS)}


def _by_depth(given: argparse.Namespace) -> Tensor:
    keywords = _keywords(given, OF_DEPTH)
    keywords["image"] = None if given.image is None else files.read_image(given.image)
    keywords["normalize_over"] = "frame" if given.value_range is None else "range"
    return engine.field_from_depth(files.read_plane(given.depth), **keywords)


def _by_distance(size: tuple[int, int] | None, given: argparse.Namespace) -> Tensor:
    guide = None if given.image_edges is None else files.read_image(given.image_edges)
    if given.anchor_mask:
        anchor, size = files.read_plane(given.anchor_mask), None
    else:
        anchor = given.anchor or given.anchor_box
        size = size or _size_of(guide if given.like is None else files.read_image(given.like))
    depth = None if given.depth_edges is None else files.read_plane(given.depth_edges)
    keywords = _keywords(given, OF_DISTANCE)
    return engine.field_from_distance(anchor, size=size, image=guide, depth=depth, **keywords)


def _size_of(picture: Tensor | None) -> tuple[int, int]:
    if picture is None:
        raise InputError("a point or box has no size; add --like IMAGE or --depth DEPTH.")
    return picture.shape[0], picture.shape[1]


def _anchors(given: argparse.Namespace) -> list[str]:
    """The options that name an anchor and were given."""
    names = ("anchor", "anchor_mask", "anchor_box")
    return [options.spelt(name) for name in names if getattr(given, name)]


def _check(given: argparse.Namespace) -> None:
    """Refuse settings of a source that isn't there, and those that another setting replaces."""
    anchors = _anchors(given)
    if len(anchors) > 1:
        raise InputError(f"give {' or '.join(anchors)}, not both.")
    sources = [*anchors, *(given.also or []), *([given.depth] if given.depth else [])]
    if not sources:
        return
    needs: list[tuple[bool, Sequence[str], str]] = [
        (bool(given.depth), OF_DEPTH, "--depth"),
        (
            bool(anchors),
            (*OF_DISTANCE, *BESIDE_ANCHOR),
            "--anchor, --anchor-mask or --anchor-box",
        ),
        (bool(given.depth or anchors), OF_RAMPS, "--depth or an anchor"),
        (
            len(sources) > 1,
            ("combine", "amount"),
            "a second field: two of --depth, an anchor and --also",
        ),
        (given.combine.startswith("smooth"), ("softness",), "--combine smooth_min or smooth_max"),
        (bool(given.image_edges), ("image_cost",), "--image-edges"),
        (bool(given.depth_edges), ("depth_cost",), "--depth-edges"),
        (given.focus is not None, ("range",), "--focus"),
        (given.normalize != "rank", ("value_range",), "a --normalize other than rank"),
    ]
    for there, names, what in needs:
        if not there:
            options.refuse_idle(given, names, what)
    if given.like and (given.depth or given.anchor_mask or given.image_edges):
        raise InputError(
            "--like is for a point or a box alone: the depth, the mask or --image-edges has a size."
        )
    for name in ("near", "far"):
        if given.focus is not None and getattr(given, name) != given.parser.get_default(name):
            raise InputError(f"give --focus or --{name}, not both.")
