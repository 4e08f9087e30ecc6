"""The `field` verb: a strength field from depth, from distance, from other fields, or of all."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from . import cli_options as options
from . import engine
from .engine import InputError, files
from .engine.ops.fields import check_aspect
from .engine.preview import draw_field


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
    return {name: getattr(given, name) for name in (*names, *options.OF_RAMPS)}


def _by_depth(given: argparse.Namespace) -> Tensor:
    keywords = _keywords(given, options.OF_DEPTH)
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
    keywords = _keywords(given, options.OF_DISTANCE)
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
        (bool(given.depth), options.OF_DEPTH, "--depth"),
        (
            bool(anchors),
            (*options.OF_DISTANCE, *options.BESIDE_ANCHOR),
            "--anchor, --anchor-mask or --anchor-box",
        ),
        (bool(given.depth or anchors), options.OF_RAMPS, "--depth or an anchor"),
        (len(sources) > 1, ("combine", "amount"), "both --depth and an anchor, or --also"),
        (given.combine.startswith("smooth"), ("softness",), "--combine smooth_min or smooth_max"),
        (bool(given.image_edges), ("image_cost",), "--image-edges"),
        (bool(given.depth_edges), ("depth_cost",), "--depth-edges"),
        (given.focus is not None, ("range",), "--focus"),
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
