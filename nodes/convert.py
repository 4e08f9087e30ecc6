"""Regions to Masks, Masks to Regions."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..engine import InputError, Regions
from ..engine.exchange import to_boxes
from ..engine.ops.fields import as_planes
from .types import RegionsType, for_user, named, regions_from, regions_input, stacked_unions

BELONGING = ("all to one image", "one to each image")


class RegionsToMasks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_RegionsToMasks",
            display_name="Regions to Masks",
            category="region fields/exchange",
            description="Regions as plain masks and boxes, for every other node.",
            search_aliases=["mask batch", "mask list", "regions to bbox", "union", "convert"],
            inputs=[regions_input()],
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
    def execute(cls, regions: Any) -> io.NodeOutput:
        frames = regions_from(regions)
        unions = stacked_unions(frames)
        masks = torch.cat([for_user(frame.masks.to(torch.float32)) for frame in frames])
        count = len(masks)
        if count == 0:
            masks = torch.zeros_like(unions[:1])
        boxes = [to_boxes(frame) for frame in frames]
        return io.NodeOutput(masks, unions, list(masks[:, None]), boxes, count)


class MasksToRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_MasksToRegions",
            display_name="Masks to Regions",
            category="region fields/exchange",
            description=(
                "Masks of any origin as regions. Nodes that take regions take a mask batch too; "
                "this one says whose masks they are, and names them."
            ),
            search_aliases=["mask batch", "segs", "convert", "import masks"],
            inputs=[
                io.Mask.Input("masks", tooltip="A mask batch. Empty masks count for nothing."),
                io.Combo.Input(
                    "belong",
                    options=list(BELONGING),
                    tooltip=(
                        "all to one image: each mask is a region of the same picture. one to each "
                        "image: mask 1 is of image 1, and so on."
                    ),
                ),
                io.Float.Input(
                    "threshold",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="A pixel is inside where its mask is above this.",
                ),
                io.Boolean.Input(
                    "invert",
                    default=False,
                    tooltip="For masks where 1 means outside, such as Load Image's.",
                ),
                io.String.Input(
                    "labels",
                    default="",
                    multiline=True,
                    tooltip="A name for each mask, one on a line; leave empty for none.",
                    advanced=True,
                ),
            ],
            outputs=[RegionsType.Output(display_name="regions", tooltip="The same as regions.")],
        )

    @classmethod
    @named
    def execute(
        cls, masks: Tensor, belong: str, threshold: float, invert: bool, labels: str
    ) -> io.NodeOutput:
        planes = as_planes(masks, "masks")
        inside = (1 - planes.float() if invert else planes) > threshold
        names = _names(labels, len(inside))
        if belong == BELONGING[0]:
            return io.NodeOutput([Regions.from_masks(inside, labels=names).to("cpu")])
        each = zip(inside, names or [""] * len(inside), strict=True)
        return io.NodeOutput(
            [Regions.from_masks(mask[None], labels=[name]).to("cpu") for mask, name in each]
        )


def _names(text: str, count: int) -> list[str] | None:
    if not text.strip():
        return None
    names = [line.strip() for line in text.strip().splitlines()]
    if len(names) != count:
        raise InputError(f"{count} masks but {len(names)} labels. Write one on a line for each.")
    return names
