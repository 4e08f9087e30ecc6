"""Segment with Prompts (SAM 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..engine.exchange import to_boxes
from ..engine.ops.checks import part_of
from ..engine.ops.fields import image_batch
from ..engine.sam2.prompt_forms import GROUPINGS, ask
from ..engine.sam2.prompts import CHOICES, PromptedMasks, predict_prompts
from .inputs import choice, number, whole
from .prompt_preview import MOST_NUMBERS, SoftUnion, prompt_preview
from .sam2_model import HeldSam2
from .types import Progress, RegionsType, Sam2Type, for_user, named

UI_KEY = "region_fields_prompts"
"""Where `web/prompts/host.js` finds the preview of a run."""
_POINTS_FORM = 'JSON text [{"x": 10, "y": 20}, ...] in pixels, one list for all images or one each.'


def _coords(id: str, use: str) -> io.String.Input:
    return io.String.Input(
        id, force_input=True, optional=True, tooltip=f"Points to {use}: {_POINTS_FORM}"
    )


class SegmentPrompts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SegmentPrompts",
            display_name="Segment with Prompts (SAM 2)",
            category="region fields/segment",
            description=(
                "Finds the object under a click, in a box or under a rough mask. Click in the "
                "editor, or connect points, boxes or masks from any other node."
            ),
            search_aliases=[
                "sam",
                "sam2",
                "points",
                "point editor",
                "click to mask",
                "bbox to mask",
                "object selection",
                "remove background",
            ],
            is_output_node=True,
            inputs=[
                io.Image.Input("image", tooltip="The picture, or a batch of them."),
                Sam2Type.Input("model", tooltip="From Load SAM 2 Model."),
                io.String.Input(
                    "points",
                    default="",
                    tooltip=(
                        "The editor: click to include, right-click to exclude, drag for a box. "
                        "Its text is saved in the workflow."
                    ),
                    extra_dict={"widgetType": "REGIONFIELDS_POINTS"},
                ),
                choice(
                    "objects",
                    GROUPINGS,
                    "as given: the editor's objects, one of the coordinates, one for each box "
                    "and mask. one object: everything is one object. one per point or box: "
                    "each by itself; points to exclude hold for all.",
                ),
                choice(
                    "choice",
                    CHOICES,
                    "A click may mean a part, an object or the whole. best: what the network "
                    "trusts most. part, object, whole: by size. all: the three of them.",
                ),
                whole(
                    "refine",
                    0,
                    0,
                    8,
                    "Further passes that look at the mask again; it may grow or shrink.",
                    advanced=True,
                ),
                number(
                    "feather",
                    0,
                    0,
                    100,
                    0.5,
                    "Pixels over which the mask's edge fades. 0 is a hard edge.",
                ),
                _coords("positive_coords", "include"),
                _coords("negative_coords", "exclude"),
                io.BoundingBox.Input(
                    "bboxes",
                    force_input=True,
                    optional=True,
                    tooltip=(
                        "Boxes from any detector: one, a list for all images, or a list for each. "
                        "Their labels become the regions' labels."
                    ),
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Rough masks to start from. Each is an object of its own.",
                ),
            ],
            outputs=[
                RegionsType.Output(display_name="regions", tooltip="One region for each object."),
                io.Mask.Output(display_name="mask", tooltip="All objects together; 1 = inside."),
                io.BoundingBox.Output(
                    display_name="bboxes", tooltip="A list of boxes for each image."
                ),
            ],
        )

    @classmethod
    @named
    def execute(
        cls,
        image: Tensor,
        model: HeldSam2,
        points: str,
        objects: str,
        choice: str,
        refine: int,
        feather: float,
        positive_coords: str = "",
        negative_coords: str = "",
        bboxes: Any = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        images = image_batch(image)
        asked = ask(
            images.shape[0],
            objects,
            drawn=points,
            positive=positive_coords or "",
            negative=negative_coords or "",
            boxes=bboxes,
            masks=mask,
        )
        progress = Progress(images.shape[0])
        regions, masks = [], []
        for index, (picture, wanted) in enumerate(zip(images, asked, strict=True)):
            report, parts = progress.frame(index), 3 if feather else 2
            size = (picture.shape[0], picture.shape[1])
            prompts = [one.prompt(size) for one in wanted]
            embedding = model.embed(picture)
            found = predict_prompts(
                model.ready(), embedding, prompts, choice, refine, part_of(report, 0, parts)
            )
            plain = found.regions(part_of(report, 1, parts))
            askers = [wanted[_asked_for(id_, choice)] for id_ in found.ids]
            soft = None
            if feather:
                whose = [one.number for one in askers]
                soft = _soft_union(found, whose, feather, part_of(report, 2, parts))
            union = plain.union().to(torch.float32) if soft is None else soft.strength
            masks.append(for_user(union))
            regions.append(
                plain.with_labels([askers[i].name for i in plain.ids.tolist()]).to("cpu")
            )
            if index == 0:
                numbers, edges = [askers[i].number for i in plain.ids.tolist()], soft
        settings = {"objects": objects, "choice": choice, "refine": refine, "feather": feather}
        preview = prompt_preview(image, regions[0], numbers, edges, points, settings)
        boxes = [to_boxes(frame) for frame in regions]
        # A stack of one would be a copy, of 32 MB at 8 MP, with every click.
        together = masks[0][None] if len(masks) == 1 else torch.stack(masks)
        return io.NodeOutput(regions, together, boxes, ui={UI_KEY: [preview]})


def _asked_for(id_: int, choice: str) -> int:
    """Which of the objects that were asked for a region of this id is."""
    return id_ // 3 if choice == "all" else id_


def _soft_union(
    found: PromptedMasks, numbers: Sequence[int], feather: float, progress: Callable[..., None]
) -> SoftUnion:
    """All masks of one image together, made one by one; numbers: whose each is."""
    strength = torch.zeros(found.size, device=found.logits.device)
    owner = torch.zeros(found.size, dtype=torch.uint8, device=strength.device)
    for index, (one, whose) in enumerate(zip(_one_by_one(found), numbers, strict=True)):
        progress(index, len(numbers))
        soft = one.soft(feather)[0]
        owner.masked_fill_(soft > strength, min(whose, MOST_NUMBERS))
        torch.maximum(strength, soft, out=strength)
    return SoftUnion(strength, owner)


def _one_by_one(found: PromptedMasks) -> Sequence[PromptedMasks]:
    return [
        replace(
            found,
            logits=found.logits[i : i + 1],
            scores=found.scores[i : i + 1],
            ids=found.ids[i : i + 1],
        )
        for i in range(len(found.ids))
    ]
