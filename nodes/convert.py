"""Regions to Masks, Masks to Regions."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..engine import InputError, Regions
from ..engine.exchange import to_boxes
from ..engine.ops.checks import counted
from ..engine.ops.fields import as_planes
from .inputs import choice, switch, text, text_lines, unit
from .types import RegionsType, masks_of, named, regions_from, regions_input, stacked_unions

BELONGING = ("all to one image", "one to each image", "one batch of a list to each image")


class RegionsToMasks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_RegionsToMasks",
            display_name="Regions to Masks",
            category="region fields/exchange",
            description="Regions as plain masks and boxes, for every other node.",
            search_aliases=["mask batch", "mask list", "regions to bbox", "union", "convert"],
            inputs=[
                regions_input(),
                switch(
                    "each",
                    "A mask for each region. Off: masks and list hold the unions alone, for "
                    "many regions of a large picture, of which each mask takes four bytes a "
                    "pixel.",
                    default=True,
                    optional=True,
                    advanced=True,
                ),
            ],
            outputs=[
                io.Mask.Output(
                    display_name="masks",
                    tooltip=(
                        "One mask for each region, all images in one batch; one empty mask where "
                        "there are no regions at all."
                    ),
                ),
                io.Mask.Output(display_name="union", tooltip="One mask for each image."),
                io.Mask.Output(
                    display_name="list",
                    is_output_list=True,
                    tooltip="The masks one by one: what follows runs once for each.",
                ),
                io.BoundingBox.Output(
                    display_name="bboxes", tooltip="A list of boxes for each image."
                ),
                io.Int.Output(display_name="count", tooltip="How many regions there are in all."),
            ],
        )

    @classmethod
    @named
    def execute(cls, regions: Any, each: bool = True) -> io.NodeOutput:
        frames = regions_from(regions)
        unions = stacked_unions(frames)
        masks = masks_of(frames, frames[0].size) if each else unions
        boxes = [to_boxes(frame) for frame in frames]
        count = sum(len(frame) for frame in frames)
        return io.NodeOutput(masks, unions, list(masks[:, None]), boxes, count)


class MasksToRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_MasksToRegions",
            display_name="Masks to Regions",
            category="region fields/exchange",
            description=(
                "Masks of any origin, a batch or a list, as regions. Nodes that take regions take "
                "a mask batch too; this one says whose masks they are, and names them."
            ),
            search_aliases=["mask batch", "mask list", "segs", "convert", "import masks"],
            is_input_list=True,
            inputs=[
                io.Mask.Input(
                    "masks", tooltip="A mask batch, or a list. Empty masks count for nothing."
                ),
                choice(
                    "belong",
                    BELONGING,
                    "all to one image: each mask is a region of the same picture. one to each "
                    "image: mask 1 is of image 1, and so on. one batch of a list to each "
                    "image: all masks of the list's first entry are of image 1, and so on.",
                ),
                unit("threshold", 0.5, "A pixel is inside where its mask is above this."),
                switch("invert", "For masks where 1 means outside, such as Load Image's."),
                text(
                    "labels",
                    "A name for each mask, one on a line or a list of texts; leave empty for none.",
                    multiline=True,
                    advanced=True,
                ),
            ],
            outputs=[RegionsType.Output(display_name="regions", tooltip="The masks, as regions.")],
        )

    @classmethod
    @named
    def execute(
        cls,
        masks: list[Tensor],
        belong: list[str],
        threshold: list[float],
        invert: list[bool],
        labels: list[str],
    ) -> io.NodeOutput:
        if not masks:
            raise InputError("there are no masks: the list that comes is empty.")
        batches = [as_planes(batch, "masks") for batch in masks]
        groups = _groups(batches, belong[0])
        names = _names(labels, sum(len(group) for group in groups))

        def inside(mask: Tensor) -> Tensor:
            return ((1 - mask.float() if invert[0] else mask) > threshold[0]).cpu()

        made, place = [], 0
        for group in groups:
            own = names[place : place + len(group)] if names else None
            size = (int(group[0].shape[0]), int(group[0].shape[1]))
            made.append(Regions.from_each(map(inside, group), len(group), size, labels=own))
            place += len(group)
        return io.NodeOutput(made)


def _groups(batches: list[Tensor], belong: str) -> list[list[Tensor]]:
    """The masks (H, W) of each image."""
    if belong == BELONGING[2]:
        return [list(batch) for batch in batches]
    planes = [plane for batch in batches for plane in batch]
    return [planes] if belong == BELONGING[0] else [[plane] for plane in planes]


def _names(labels: list[str], count: int) -> list[str] | None:
    names = text_lines(labels)
    if not any(name.strip() for name in names):
        return None
    if len(names) != count:
        raise InputError(
            f"{counted(count, 'mask')} but {counted(len(names), 'label')}. "
            "Write one on a line for each."
        )
    return [name.strip() for name in names]
