"""Select Regions, Select Subject."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..engine import Regions, select
from ..engine.ops.fields import as_images, as_mask
from ..engine.selection import CRITERIA, rest_of, subject
from .field import depth_from
from .inputs import depth_input, near_is_input
from .points import POINTS_FORM, read_point
from .types import RegionsType, named, of_frame, regions_from, regions_input, stacked_unions

NO_SECOND = "none"


def selection_outputs() -> list[io.Output]:
    """What every node that chooses among regions gives."""
    return [
        RegionsType.Output(display_name="selected", tooltip="The chosen regions of each image."),
        RegionsType.Output(display_name="rest", tooltip="All the others."),
        io.Mask.Output(display_name="mask", tooltip="The union of the chosen; 1 = inside."),
    ]


def selection(frames: list[Regions], chosen: list[Regions]) -> io.NodeOutput:
    """The outputs of `selection_outputs`."""
    rest = [rest_of(all_, few) for all_, few in zip(frames, chosen, strict=True)]
    return io.NodeOutput(chosen, rest, stacked_unions(chosen))


def _meanings() -> str:
    return "\n".join(f"{name}: {criterion.meaning}" for name, criterion in CRITERIA.items())


class SelectRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SelectRegions",
            display_name="Select Regions",
            category="region fields/select",
            description=(
                "Picks regions by what they are: the largest, the one at this point, the nearest "
                "in depth. The order of the masks never matters."
            ),
            search_aliases=["pick mask", "choose mask", "largest mask", "mask by point", "filter"],
            inputs=[
                regions_input(),
                io.Combo.Input("by", options=list(CRITERIA), tooltip=_meanings()),
                io.Int.Input(
                    "count",
                    default=1,
                    min=1,
                    max=4096,
                    tooltip="How many, the best first. Fewer where fewer qualify.",
                ),
                io.String.Input(
                    "point", default="", tooltip=f"For the criteria with a point: {POINTS_FORM}."
                ),
                io.String.Input(
                    "label",
                    default="",
                    tooltip="For label: one name, or several with commas between.",
                ),
                io.String.Input(
                    "colour",
                    default="#ff0000",
                    tooltip="For closest_colour: #rrggbb.",
                    advanced=True,
                ),
                io.Combo.Input(
                    "then_by",
                    options=[NO_SECOND, *CRITERIA],
                    tooltip="Settles ties. What is still tied goes by the canonical order.",
                    advanced=True,
                ),
                near_is_input(advanced=True),
                io.Mask.Input(
                    "mask", optional=True, tooltip="For best_iou and most_inside: what to compare."
                ),
                depth_input("For nearest_in_depth and farthest_in_depth.", optional=True),
                io.Image.Input(
                    "image", optional=True, tooltip="For closest_colour: the picture itself."
                ),
            ],
            outputs=selection_outputs(),
        )

    @classmethod
    @named
    def execute(
        cls,
        regions: Any,
        by: str,
        count: int,
        point: str,
        label: str,
        colour: str,
        then_by: str,
        near_is: str,
        mask: Tensor | None = None,
        depth: Any = None,
        image: Tensor | None = None,
    ) -> io.NodeOutput:
        frames = regions_from(regions)
        values, drawn = None, "white"
        if depth is not None:
            values, _, drawn = depth_from(depth, near_is)
        batches = {
            "mask": None if mask is None else as_mask(mask),
            "depth": values,
            "image": None if image is None else as_images(image),
        }
        labels = [name.strip() for name in label.split(",") if name.strip()]
        chosen = [
            select(
                frame,
                by,
                count,
                read_point(point),
                **{name: of_frame(batch, i, len(frames), name) for name, batch in batches.items()},
                near_is=drawn,
                colour=colour,
                label=labels or None,
                then_by="" if then_by == NO_SECOND else then_by,
            )
            for i, frame in enumerate(frames)
        ]
        return selection(frames, chosen)


class SelectSubject(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SelectSubject",
            display_name="Select Subject",
            category="region fields/select",
            description=(
                "The one region a person would call the subject: large, central, and not hugging "
                "the border. Nothing is learned; the formula is in the help."
            ),
            search_aliases=["main object", "foreground", "salient", "select subject", "person"],
            inputs=[regions_input()],
            outputs=selection_outputs(),
        )

    @classmethod
    @named
    def execute(cls, regions: Any) -> io.NodeOutput:
        frames = regions_from(regions)
        return selection(frames, [subject(frame) for frame in frames])
