"""Select Regions, Sort Regions, Select Subject."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..engine import Regions
from ..engine.exchange import to_boxes
from ..engine.ops.fields import as_mask, image_batch
from ..engine.selection import (
    CRITERIA,
    Question,
    rank,
    renumbered,
    rest_of,
    sort_order,
    subject,
)
from .field import depth_from
from .inputs import choice, depth_input, lines, near_is_input, switch, text, whole
from .points import POINTS_FORM, read_point
from .types import (
    RegionsType,
    masks_of,
    named,
    of_frame,
    regions_from,
    regions_input,
    stacked_unions,
)

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


def criterion_inputs(how_many: io.Input) -> list[io.Input]:
    """The regions, a criterion and what it may ask for, `how_many` after its name."""
    return [
        regions_input(),
        choice("by", CRITERIA, lines({name: each.meaning for name, each in CRITERIA.items()})),
        how_many,
        text("point", f"For the criteria with a point: {POINTS_FORM}."),
        text("label", "For label: one name, or several with commas between."),
        text("color", "For closest_color: #rrggbb.", default="#ff0000", advanced=True),
        choice(
            "then_by",
            [NO_SECOND, *CRITERIA],
            "Settles ties. What is still tied goes by the canonical order.",
            advanced=True,
        ),
        near_is_input(advanced=True),
        io.Mask.Input(
            "mask", optional=True, tooltip="For best_iou and most_inside: what to compare with."
        ),
        depth_input("For nearest_in_depth and farthest_in_depth.", optional=True),
        io.Image.Input("image", optional=True, tooltip="For closest_color: the picture itself."),
    ]


def questions(
    count: int,
    *,
    point: str,
    label: str,
    color: str,
    near_is: str,
    mask: Tensor | None = None,
    depth: Any = None,
    image: Tensor | None = None,
) -> list[Question]:
    """What `criterion_inputs` ask, for each of `count` images."""
    values, drawn = None, "white"
    if depth is not None:
        values, _, drawn = depth_from(depth, near_is)
    batches = {
        "mask": None if mask is None else as_mask(mask),
        "depth": values,
        "image": None if image is None else image_batch(image),
    }
    labels = [name.strip() for name in label.split(",") if name.strip()]
    return [
        Question(
            point=read_point(point),
            **{name: of_frame(batch, i, count, name) for name, batch in batches.items()},
            near_is=drawn,
            color=color,
            label=labels or None,
        )
        for i in range(count)
    ]


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
            inputs=criterion_inputs(
                whole("count", 1, 1, 4096, "How many, the best first. Fewer where fewer qualify.")
            ),
            outputs=selection_outputs(),
        )

    @classmethod
    @named
    def execute(
        cls, regions: Any, by: str, count: int, then_by: str, **asked: Any
    ) -> io.NodeOutput:
        frames = regions_from(regions)
        second = "" if then_by == NO_SECOND else then_by
        chosen = [
            frame.take(rank(frame, by, question, second)[:count])
            for frame, question in zip(frames, questions(len(frames), **asked), strict=True)
        ]
        return selection(frames, chosen)


class SortRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SortRegions",
            display_name="Sort Regions",
            category="region fields/select",
            description=(
                "Puts regions in an order that you choose, as masks, boxes, labels and sets of "
                "one, so that the first, the second and so on mean something."
            ),
            search_aliases=["order masks", "rank", "sort masks", "left to right", "nth mask"],
            inputs=[
                *criterion_inputs(
                    whole("count", 0, 0, 4096, "How many of the first; 0 gives all.")
                ),
                switch("reverse", "The other way round: the worst first."),
                switch(
                    "renumber",
                    "Ids become places in the order, 0 for the first; previews then show them.",
                ),
            ],
            outputs=[
                RegionsType.Output(
                    display_name="regions",
                    tooltip="The set. It has no order of its own; with renumber its ids tell it.",
                ),
                RegionsType.Output(
                    display_name="each",
                    is_output_list=True,
                    tooltip="Sets of one region in order: what follows runs once for each.",
                ),
                io.Mask.Output(
                    display_name="masks", tooltip="A mask for each region, in order, as one batch."
                ),
                io.Mask.Output(
                    display_name="list",
                    is_output_list=True,
                    tooltip="The masks one by one: what follows runs once for each.",
                ),
                io.BoundingBox.Output(
                    display_name="bboxes", tooltip="A list of boxes for each image, in order."
                ),
                io.String.Output(
                    display_name="labels",
                    is_output_list=True,
                    tooltip="Each region's label, in order; empty where it has none.",
                ),
            ],
        )

    @classmethod
    @named
    def execute(
        cls,
        regions: Any,
        by: str,
        count: int,
        then_by: str,
        reverse: bool,
        renumber: bool,
        **asked: Any,
    ) -> io.NodeOutput:
        frames = regions_from(regions)
        second = "" if then_by == NO_SECOND else then_by
        sets: list[Regions] = []
        each: list[Regions] = []
        boxes: list[list[dict[str, Any]]] = []
        for frame, question in zip(frames, questions(len(frames), **asked), strict=True):
            order = sort_order(frame, by, question, second, reverse)
            if renumber:
                frame = renumbered(frame, order)
                order = frame.ids.argsort().tolist()
            kept = order[: count or None]
            held = to_boxes(frame)
            each += [frame.take([i]) for i in kept]
            boxes.append([held[i] for i in kept])
            sets.append(frame.take(kept))
        each = each or [Regions.empty(frames[0].size)]
        masks = masks_of(each, frames[0].size)
        return io.NodeOutput(
            sets,
            [[one] for one in each],
            masks,
            list(masks[:, None]),
            boxes,
            ["".join(one.labels) for one in each],
        )


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
            search_aliases=["main object", "foreground", "remove background", "salient", "person"],
            inputs=[regions_input()],
            outputs=selection_outputs(),
        )

    @classmethod
    @named
    def execute(cls, regions: Any) -> io.NodeOutput:
        frames = regions_from(regions)
        return selection(frames, [subject(frame) for frame in frames])
