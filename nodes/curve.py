"""Field Curve, Snap Field to Image, Smooth over Time."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..engine.curve import PRESETS, TIME_METHODS, curve_field, smooth_over_time, snap_field
from ..engine.ops.fields import UNITS
from .inputs import (
    choice,
    edge_contrast_input,
    field_input,
    field_output,
    number,
    switch,
    unit,
    whole,
)
from .types import for_user, for_work, named

_LUT = 4096


class FieldCurve(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_FieldCurve",
            display_name="Field Curve",
            category="region fields/field",
            description="Remaps strengths: levels, gamma, a preset shape, a drawn curve, invert.",
            search_aliases=["remap mask", "levels", "gamma", "contrast", "invert mask", "easing"],
            inputs=[
                field_input(),
                choice("preset", ("none", *PRESETS), "A ready shape, laid over after gamma."),
                number(
                    "gamma",
                    1,
                    0.05,
                    20,
                    0.05,
                    "Strength ^ gamma, right after in_low and in_high: above 1 lowers the middle "
                    "strengths, below 1 raises them. The gamma of Grade by Field goes the other "
                    "way.",
                ),
                unit("in_low", 0, "Strengths up to here become none."),
                unit("in_high", 1, "Strengths from here on become full."),
                unit("out_low", 0, "What none becomes."),
                unit("out_high", 1, "What full becomes; it may be below out_low."),
                switch("invert", "1 minus the result."),
                io.MultiType.Input(
                    "curve",
                    [io.Curve],
                    optional=True,
                    tooltip="A curve drawn in core's Curve node, laid over after the preset.",
                ),
            ],
            outputs=[field_output()],
        )

    @classmethod
    @named
    def execute(cls, field: Tensor, curve: Any = None, **settings: Any) -> io.NodeOutput:
        drawn = {} if curve is None else _drawn(curve)
        return io.NodeOutput(for_user(curve_field(for_work(field), **drawn, **settings)))


def _drawn(curve: Any) -> dict[str, Any]:
    """A CURVE as `curve_field` takes it: its points, or a table of a kind that core adds later."""
    from comfy_api.input import CurveInput, LinearCurve, MonotoneCubicCurve

    held = CurveInput.from_raw(curve)
    if isinstance(held, MonotoneCubicCurve):
        return {"points": held.points}
    if isinstance(held, LinearCurve):
        return {"points": held.points, "interpolation": "linear"}
    return {"table": held.to_lut(_LUT)}


class SnapField(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SnapField",
            display_name="Snap Field to Image",
            category="region fields/field",
            description="Moves a field's edges onto the picture's, with a guided filter.",
            search_aliases=["guided filter", "refine mask", "edge aware", "matting", "detail"],
            inputs=[
                field_input(),
                io.Image.Input("image", tooltip="The picture whose edges count."),
                whole("radius", 16, 1, 512, "Edges up to about this far away attract."),
                edge_contrast_input(0.05),
                unit("amount", 1, "0 leaves the field, 1 is the snapped field."),
                choice(
                    "units",
                    UNITS,
                    "Radius in pixels, or in % of the picture's shorter side.",
                    optional=True,
                ),
            ],
            outputs=[field_output()],
        )

    @classmethod
    @named
    def execute(cls, field: Tensor, image: Tensor, **settings: Any) -> io.NodeOutput:
        return io.NodeOutput(for_user(snap_field(for_work(field), for_work(image), **settings)))


class SmoothOverTime(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SmoothOverTime",
            display_name="Smooth over Time",
            category="region fields/field",
            description="Takes the flicker out of a field whose batch is the frames of a video.",
            search_aliases=["temporal", "deflicker", "video mask", "average frames", "stabilise"],
            inputs=[
                field_input(tooltip="A field with a frame of the video in each place."),
                number(
                    "radius",
                    2,
                    0.1,
                    256,
                    0.5,
                    "In frames. median: how many either way take part. gaussian: how far away one "
                    "counts a seventh.",
                ),
                choice(
                    "method",
                    TIME_METHODS,
                    "gaussian: a weighted mean. median: also drops single frames that stick out.",
                ),
            ],
            outputs=[field_output()],
        )

    @classmethod
    @named
    def execute(cls, field: Tensor, radius: float, method: str) -> io.NodeOutput:
        smooth = smooth_over_time(for_work(field), radius=radius, method=method)
        return io.NodeOutput(for_user(smooth))
