"""Measure Field, Compare Masks."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..engine.compare import compare_masks
from ..engine.measure_field import measure_field
from ..engine.ops.falloff import FALLOFFS
from .inputs import choice, field_input, number, whole
from .types import DistanceType, check_one_size, named, regions_from, regions_input, stacked_unions


class MeasureField(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_MeasureField",
            display_name="Measure Field",
            category="region fields/see",
            description="Says in numbers whether a field is continuous, covers, and survives.",
            search_aliases=["mask statistics", "banding", "field quality", "histogram", "analyse"],
            is_output_node=True,
            inputs=[
                field_input(),
                number("feather", 16, 1, 4096, 1, "How long its ramps are meant to be, in pixels."),
                choice(
                    "falloff",
                    FALLOFFS,
                    "The shape of its ramps. The slope excess compares with it.",
                ),
                whole(
                    "latent_scale",
                    8,
                    1,
                    64,
                    "Pixels of the picture to one of the latent, along a side.",
                    advanced=True,
                ),
                whole(
                    "steps",
                    20,
                    1,
                    1000,
                    "Steps of the sampler, for the schedule levels.",
                    advanced=True,
                ),
                regions_input(
                    tooltip="With regions: how much more it changes at their borders than nearby.",
                    optional=True,
                ),
                DistanceType.Input(
                    "distance",
                    optional=True,
                    tooltip="With a distance: which share of all change is a fall with distance.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="text", tooltip="The measures for a person."),
                io.String.Output(display_name="json", tooltip="The measures as JSON."),
            ],
        )

    @classmethod
    @named
    def execute(
        cls, field: Tensor, regions: Any = None, distance: Tensor | None = None, **settings: Any
    ) -> io.NodeOutput:
        frames = None if regions is None else regions_from(regions)
        check_one_size(frame.size for frame in frames or [])
        found = measure_field(field, regions=frames, distance=distance, **settings)
        return io.NodeOutput(found.as_text(), found.as_json(), ui=ui.PreviewText(found.as_text()))


class CompareMasks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_CompareMasks",
            display_name="Compare Masks",
            category="region fields/see",
            description="How alike two masks are: by area (IoU, Dice) and by outline (boundary F).",
            search_aliases=["iou", "dice", "f1", "mask quality", "evaluate", "accuracy"],
            is_output_node=True,
            inputs=[
                regions_input("one", "Masks, one for each image, or regions, whose union counts."),
                regions_input("other", "What to compare with, likewise."),
                number(
                    "tolerance",
                    0,
                    0,
                    1024,
                    0.5,
                    "Pixels by which outlines may differ; 0 stands for 0.8 % of the diagonal.",
                ),
            ],
            outputs=[
                io.Float.Output(display_name="iou", tooltip="Shared pixels / pixels in either."),
                io.Float.Output(display_name="dice", tooltip="2 x shared / pixels of both."),
                io.Float.Output(display_name="boundary_f", tooltip="How far the outlines agree."),
                io.String.Output(display_name="text", tooltip="The same, a line for each pair."),
            ],
        )

    @classmethod
    @named
    def execute(cls, one: Any, other: Any, tolerance: float) -> io.NodeOutput:
        pairs = compare_masks(_unions(one), _unions(other), tolerance or None)
        text = "\n".join(pair.sentence() for pair in pairs)
        means = (
            sum(getattr(pair, name) for pair in pairs) / len(pairs)
            for name in ("iou", "dice", "boundary_f")
        )
        return io.NodeOutput(*means, text, ui=ui.PreviewText(text))


def _unions(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else stacked_unions(regions_from(value))
