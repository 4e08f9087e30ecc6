"""Grade, Haze, Blur and Relight by Field."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..engine import InputError
from ..engine.blur import blur_by_field
from ..engine.grade import grade_by_field, haze_by_field
from ..engine.ops.blur import BLURS
from ..engine.ops.colour import read_hex
from ..engine.ops.fields import as_field, as_planes, common_batch, image_batch
from ..engine.relight import relight_by_field
from .field import depth_from
from .inputs import choice, depth_input, field_input, near_is_input, number, pixels, text, unit
from .types import Progress, for_user, for_work, frame_of, named


def _picture(description: str) -> list[io.Input]:
    return [io.Image.Input("image", tooltip="The picture."), field_input(tooltip=description)]


def _changed() -> list[io.Output]:
    return [io.Image.Output(display_name="image", tooltip="As it was where the field is 0.")]


def read_colour(code: str) -> tuple[float, float, float]:
    """ "#rrggbb" as sRGB in [0, 1]."""
    colour = read_hex(code)
    if colour is None:
        raise InputError(f'color: wanted "#rrggbb", got {code!r}.')
    return colour


class GradeByField(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_GradeByField",
            display_name="Grade by Field",
            category="region fields/apply",
            description="Exposure, colour and contrast, as strongly as the field says.",
            search_aliases=["color correct", "exposure", "saturation", "desaturate", "brightness"],
            inputs=[
                *_picture("How strongly the settings act."),
                number("exposure", 0, -10, 10, 0.1, "Stops: 1 is twice the light."),
                number("temperature", 0, -1, 1, 0.05, "-1 is cold, 1 is warm."),
                number("saturation", 1, 0, 10, 0.05, "0 is grey, 1 leaves it."),
                number("hue", 0, -360, 360, 1, "Degrees to turn colours by, in Oklab."),
                number(
                    "gamma",
                    1,
                    0.05,
                    20,
                    0.05,
                    "The sRGB value ^ (1 / gamma), as in grading: above 1 lifts the middle tones, "
                    "below 1 lowers them. The gamma of fields goes the other way.",
                ),
            ],
            outputs=_changed(),
        )

    @classmethod
    @named
    def execute(cls, image: Tensor, field: Tensor, **settings: Any) -> io.NodeOutput:
        graded = grade_by_field(for_work(image), for_work(field), **settings)
        return io.NodeOutput(for_user(graded))


class HazeByField(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_HazeByField",
            display_name="Haze by Field",
            category="region fields/apply",
            description="Fog or haze in linear light, as dense at each pixel as the field says.",
            search_aliases=["fog", "mist", "atmosphere", "aerial perspective", "depth fog"],
            inputs=[
                *_picture("How dense; Field from Depth with a linear falloff gives even air."),
                text("color", "The haze's colour, #rrggbb.", default="#bfcce0"),
                number(
                    "density",
                    2,
                    0,
                    50,
                    0.1,
                    "Optical depth where the field is 1: at 1 the haze lets 37 % of the light "
                    "through, at 2 14 %.",
                ),
            ],
            outputs=_changed(),
        )

    @classmethod
    @named
    def execute(cls, image: Tensor, field: Tensor, color: str, density: float) -> io.NodeOutput:
        hazy = haze_by_field(
            for_work(image), for_work(field), color=read_colour(color), density=density
        )
        return io.NodeOutput(for_user(hazy))


class BlurByField(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_BlurByField",
            display_name="Blur by Field",
            category="region fields/apply",
            description="A blur as wide as the field says; what is sharp does not bleed.",
            search_aliases=["depth of field", "bokeh", "lens blur", "variable blur", "tilt shift"],
            inputs=[
                *_picture("How blurred; 1 is the full radius."),
                pixels("radius", 24, "Pixels of blur where the field is 1."),
                choice("kind", BLURS, "gaussian: soft. disc: the bokeh of an open lens."),
                near_is_input(advanced=True),
                depth_input(
                    "With depth, a blurred foreground also spreads over what is sharp behind it.",
                    optional=True,
                ),
            ],
            outputs=_changed(),
        )

    @classmethod
    @named
    def execute(
        cls,
        image: Tensor,
        field: Tensor,
        radius: float,
        kind: str,
        near_is: str,
        depth: Any = None,
    ) -> io.NodeOutput:
        depth, near_is = _depth(depth, near_is)
        blurred = _one_by_one(
            partial(blur_by_field, radius=radius, kind=kind, near_is=near_is),
            image=image_batch(image),
            field=as_field(field),
            depth=depth,
        )
        return io.NodeOutput(blurred)


def _depth(depth: Any, near_is: str) -> tuple[Tensor | None, str]:
    """Depth (B, H, W) where there is any, and how nearness is drawn in it."""
    if depth is None:
        return None, "white"
    values, _, drawn = depth_from(depth, near_is)
    return as_planes(values, "depth"), drawn


def _one_by_one(change: Callable[..., Tensor], **batches: Tensor | None) -> Tensor:
    """`change` for each image of the batches, so that one's depth doesn't scale another's."""
    given = {name: batch for name, batch in batches.items() if batch is not None}
    count = common_batch("the batches", {name: len(batch) for name, batch in given.items()})
    progress = Progress(count)
    done = []
    for i in range(count):
        report = progress.frame(i)
        single = {name: for_work(frame_of(batch, i)[None]) for name, batch in given.items()}
        done.append(for_user(change(**single)))
        report(1, 1)
    return torch.cat(done)


class RelightByField(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_RelightByField",
            display_name="Relight by Field",
            category="region fields/apply",
            description="A directional light, as strong at each pixel as the field says.",
            search_aliases=["light", "relight", "normal map", "sun", "day to dusk", "shading"],
            inputs=[
                *_picture("How strongly the new light replaces the old."),
                number("azimuth", 45, -360, 360, 1, "Degrees: 0 from the right, 90 from above."),
                number(
                    "elevation", 35, -90, 90, 1, "Degrees: 0 along the picture, 90 from the viewer."
                ),
                text("color", "The light's colour, #rrggbb.", default="#ffd9a6"),
                number("intensity", 1, 0, 100, 0.05, "How bright the light is."),
                unit("ambient", 0.35, "What light is left where it doesn't reach."),
                number("relief", 0.3, 0, 10, 0.05, "How deep the depth is, in picture widths."),
                near_is_input(advanced=True),
                depth_input("Depth, to take the surface from; or connect normals.", optional=True),
                io.Image.Input(
                    "normals", optional=True, tooltip="A normal map, in place of depth."
                ),
            ],
            outputs=_changed(),
        )

    @classmethod
    @named
    def execute(
        cls,
        image: Tensor,
        field: Tensor,
        color: str,
        near_is: str,
        depth: Any = None,
        normals: Tensor | None = None,
        **settings: Any,
    ) -> io.NodeOutput:
        depth, near_is = _depth(depth, near_is)
        change = partial(relight_by_field, color=read_colour(color), near_is=near_is, **settings)
        normals = None if normals is None else normals[..., :3]
        lit = _one_by_one(
            change, image=image_batch(image), field=as_field(field), depth=depth, normals=normals
        )
        return io.NodeOutput(lit)
