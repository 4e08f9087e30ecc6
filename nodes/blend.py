"""Blend Region Strengths."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..engine import InputError, Regions, blend_strengths
from ..engine.blend import BLENDS, strengths_by_depth, strengths_by_rank
from ..engine.ops.checks import parse_json, short
from ..engine.ops.fields import as_planes, image_batch
from .field import depth_from
from .inputs import choice, depth_input, field_output, near_is_input, number, pixels, text, unit
from .types import (
    Progress,
    check_one_size,
    for_user,
    named,
    of_frame,
    regions_from,
    regions_input,
)

RANKS = {
    "by area": "area",
    "left to right": "left",
    "top to bottom": "top",
    "by score": "score",
}
SOURCES = ("by depth", *RANKS, "by label", "listed")


class BlendRegionStrengths(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_BlendRegionStrengths",
            display_name="Blend Region Strengths",
            category="region fields/field",
            description=(
                "One strength for each region, as one continuous field: no bands at the borders, "
                "and every pixel has a strength."
            ),
            search_aliases=["mask weights", "regional strength", "per region", "smooth masks"],
            inputs=[
                regions_input(),
                choice(
                    "strengths",
                    SOURCES,
                    "Where each region's strength comes from: its depth, its place in an order, "
                    "its label, or a list in canonical order (largest first).",
                ),
                unit("first", 1.0, "Strength of the nearest region, or of the first in the order."),
                unit("last", 0.0, "Strength of the farthest region, or of the last in the order."),
                text(
                    "values",
                    'listed: "1, 0.5, 0.2", one a region. by label: {"sky": 0, "person": 1}.',
                    multiline=True,
                ),
                pixels(
                    "width",
                    20,
                    "How far strengths blend across a border, in pixels. More is gentler.",
                ),
                choice(
                    "method",
                    BLENDS,
                    "partition: by the distance to each region, nowhere steeper than (max - min) "
                    "/ (2 width) a pixel. membrane: changes where the picture has edges.",
                ),
                choice(
                    "outside",
                    ("reach over", "own strength"),
                    "Pixels in no region: the nearest regions reach over them, or they have "
                    "default_outside.",
                ),
                unit(
                    "default_outside",
                    0.0,
                    "The strength of pixels in no region where they have one of their own, and of "
                    "regions whose label isn't named.",
                ),
                number(
                    "edge_contrast",
                    0.05,
                    0.001,
                    1,
                    0.005,
                    "membrane: edges of about this contrast or more hold a strength back; in "
                    "Oklab, where black to white is 1.",
                    advanced=True,
                ),
                near_is_input(advanced=True),
                depth_input("For strengths by depth.", optional=True),
                io.Image.Input("image", optional=True, tooltip="For membrane: the picture."),
            ],
            outputs=[field_output()],
        )

    @classmethod
    @named
    def execute(
        cls,
        regions: Any,
        strengths: str,
        first: float,
        last: float,
        values: str,
        width: float,
        method: str,
        outside: str,
        default_outside: float,
        edge_contrast: float,
        near_is: str,
        depth: Any = None,
        image: Tensor | None = None,
    ) -> io.NodeOutput:
        frames = regions_from(regions)
        check_one_size(frame.size for frame in frames)
        planes, drawn = None, "white"
        if depth is not None:
            found, _, drawn = depth_from(depth, near_is)
            planes = as_planes(found, "depth")
        images = None if image is None else image_batch(image)
        progress = Progress(len(frames))
        fields = []
        for i, frame in enumerate(frames):
            if len(frame) == 0 and outside == "reach over":
                raise InputError(
                    "there is no region that could reach over the picture. Segment something, or "
                    "set outside to own strength."
                )
            plane = of_frame(planes, i, len(frames), "depth")
            chosen = _strengths(frame, strengths, first, last, values, plane, drawn)
            picture = of_frame(images, i, len(frames), "image")
            fields.append(
                blend_strengths(
                    frame,
                    chosen,
                    width,
                    method=method,
                    default_outside=None if outside == "reach over" else default_outside,
                    default_strength=default_outside,
                    image=None if picture is None else picture[None],
                    edge_contrast=edge_contrast,
                    progress=progress.frame(i),
                )
            )
        return io.NodeOutput(for_user(torch.cat(fields)))


def _strengths(
    regions: Regions,
    source: str,
    first: float,
    last: float,
    values: str,
    depth: Tensor | None,
    near_is: str,
) -> Any:
    if source == "by depth":
        if depth is None:
            raise InputError("strengths by depth need a depth; connect it, or choose another way.")
        return strengths_by_depth(regions, depth, nearest=first, farthest=last, near_is=near_is)
    if source in RANKS:
        return strengths_by_rank(regions, by=RANKS[source], first=first, last=last)
    try:
        listed = values if source == "by label" else f"[{values.strip().strip('[]')}]"
        held = parse_json(listed, "values")
        if source == "by label":
            return {str(name): float(value) for name, value in held.items()}
        return [float(value) for value in held]
    except (ValueError, TypeError, AttributeError) as error:
        wanted = '{"sky": 0, "person": 1}' if source == "by label" else '"1, 0.5, 0.2"'
        raise InputError(f"values: wanted strengths as {wanted}, got {short(values)}.") from error
