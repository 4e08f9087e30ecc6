"""Field from Shape, Field from 3-D Point, Field from Image Range."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..engine import InputError
from ..engine.ops.fields import UNITS
from ..engine.shape import (
    CHANNELS,
    SHAPES,
    SPACE_UNITS,
    field_from_3d_point,
    field_from_image_range,
    field_from_shape,
)
from .inputs import choice, falloff_inputs, field_output, number, pixels, text, unit
from .points import POINTS_FORM, read_point
from .types import for_user, for_work, named


class FieldFromShape(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_FieldFromShape",
            display_name="Field from Shape",
            category="region fields/field",
            description="Strength by place: a circle, an ellipse, a rectangle, a ramp or a cone.",
            search_aliases=["gradient", "vignette", "linear gradient", "radial mask", "ellipse"],
            inputs=[
                io.Image.Input("image", tooltip="Says how large the field is to be."),
                choice(
                    "shape",
                    SHAPES,
                    "radial: a circle or ellipse. linear: a ramp across the picture. superellipse: "
                    "an ellipse with corners, up to a rectangle. conical: by direction.",
                ),
                number("center_x", 0.5, -4, 5, 0.01, "0 is the left edge, 1 the right."),
                number("center_y", 0.5, -4, 5, 0.01, "0 is the upper edge, 1 the lower."),
                number("angle", 0, -360, 360, 1, "Degrees clockwise from the right."),
                pixels(
                    "inner_radius",
                    10,
                    "Half the height of the shape, in which strength is full. linear: how far "
                    "beyond the centre it is full.",
                ),
                pixels(
                    "outer_radius",
                    50,
                    "No strength from here on: the fade is as wide as the two radii differ.",
                ),
                choice("units", UNITS[::-1], "Radii in % of the shorter side, or in pixels."),
                number(
                    "aspect", 1, 0.01, 100, 0.01, "Width over height of radial and superellipse."
                ),
                unit("roundness", 1, "superellipse: 1 is an ellipse, 0 a rectangle."),
                number(
                    "inner_angle",
                    0,
                    0,
                    180,
                    1,
                    "conical: full strength up to this many degrees to either side of angle.",
                ),
                number(
                    "outer_angle",
                    180,
                    0,
                    180,
                    1,
                    "conical: no strength from this many degrees to either side on.",
                ),
                *falloff_inputs(),
            ],
            outputs=[field_output()],
        )

    @classmethod
    @named
    def execute(
        cls, image: Tensor, center_x: float, center_y: float, **settings: Any
    ) -> io.NodeOutput:
        size = (int(image.shape[1]), int(image.shape[2]))
        field = field_from_shape(size, center=(center_x, center_y), **settings)
        return io.NodeOutput(for_user(field.expand(len(image), -1, -1).contiguous()))


class FieldFrom3DPoint(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_FieldFrom3DPoint",
            display_name="Field from 3-D Point",
            category="region fields/field",
            description="Strength by distance in space around what a pixel shows.",
            search_aliases=["sphere", "light radius", "world position", "point cloud", "3d mask"],
            inputs=[
                io.MultiType.Input(
                    "geometry",
                    [io.Custom("MOGE_GEOMETRY"), io.Custom("DA3_GEOMETRY"), io.Mask],
                    tooltip=(
                        "Geometry of MoGe or Depth Anything 3, or depth in true proportion as a "
                        "mask, larger = farther. A drawn depth picture won't do."
                    ),
                ),
                text("point", f"The pixel: {POINTS_FORM}."),
                pixels("inner_radius", 0, "Full strength up to this distance from the point."),
                pixels("outer_radius", 50, "No strength from this distance on."),
                choice(
                    "units",
                    SPACE_UNITS,
                    "Radii in % of the point's distance from the camera, or in the scene's units.",
                ),
                number(
                    "fov_degrees",
                    60,
                    1,
                    179,
                    1,
                    "Field of view across the width, where the geometry doesn't say.",
                    advanced=True,
                ),
                *falloff_inputs(),
            ],
            outputs=[field_output()],
        )

    @classmethod
    @named
    def execute(cls, geometry: Any, point: str, **settings: Any) -> io.NodeOutput:
        at = read_point(point)
        if at is None:
            raise InputError(f"point: wanted {POINTS_FORM}, got nothing.")
        cloud, camera = _cloud(geometry)
        field = field_from_3d_point(for_work(cloud), point=at, intrinsics=camera, **settings)
        return io.NodeOutput(for_user(field))


def _cloud(geometry: Any) -> tuple[Tensor, Tensor | None]:
    """Points or depth, and the camera in pixels where it is known."""
    if isinstance(geometry, Tensor):
        return geometry, None
    if geometry.get("points") is not None:
        return geometry["points"], None
    if geometry.get("depth") is None:
        raise InputError("the geometry holds neither points nor depth.")
    camera = geometry.get("intrinsics")
    # Depth Anything 3 says pixels, with a dimension for the scene; MoGe shares of the picture,
    # but MoGe gives points.
    return geometry["depth"], None if camera is None else for_work(camera.reshape(-1, 3, 3))


class FieldFromImageRange(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_FieldFromImageRange",
            display_name="Field from Image Range",
            category="region fields/field",
            description="Strength by the picture's own values: luminance, hue or chroma.",
            search_aliases=["luminosity mask", "color range", "blend if", "highlights", "shadows"],
            inputs=[
                io.Image.Input("image", tooltip="The picture."),
                choice(
                    "channel",
                    CHANNELS,
                    "luminance: 0 black to 1 white. chroma: 0 grey to 1. hue: degrees, red 29, "
                    "yellow 110, green 142, blue 264.",
                ),
                number("low", 0.5, -360, 720, 0.01, "Full strength from this value on."),
                number("high", 1.0, -360, 720, 0.01, "Full strength up to this value."),
                number(
                    "low_feather",
                    0.1,
                    0,
                    360,
                    0.01,
                    "How far below low strength begins to rise, in the channel's unit.",
                ),
                number(
                    "high_feather",
                    0.1,
                    0,
                    360,
                    0.01,
                    "How far above high strength ends, in the channel's unit.",
                ),
                *falloff_inputs(),
            ],
            outputs=[field_output()],
        )

    @classmethod
    @named
    def execute(cls, image: Tensor, **settings: Any) -> io.NodeOutput:
        return io.NodeOutput(for_user(field_from_image_range(for_work(image), **settings)))
