"""Filter Regions, Remove Duplicates, Magic Wand, Name Regions, Region Table."""

from __future__ import annotations

import math
from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..engine import InputError, Regions
from ..engine.filter import BORDER_RULES, filter_regions, remove_duplicates
from ..engine.ops.checks import counted
from ..engine.ops.fields import UNITS, as_mask
from ..engine.wand import magic_wand
from .inputs import choice, number, switch, text, text_lines, unit, whole
from .points import POINTS_FORM, read_point
from .select import selection, selection_outputs
from .types import RegionsType, for_user, for_work, named, of_frame, regions_from, regions_input


class FilterRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_FilterRegions",
            display_name="Filter Regions",
            category="region fields/select",
            description="Keeps the regions that meet every condition.",
            search_aliases=["area filter", "remove small masks", "mask size", "border", "score"],
            inputs=[
                regions_input(),
                number("min_area", 0, 0, 1e9, 1, "The smallest area kept."),
                number("max_area", 0, 0, 1e9, 1, "The largest area kept; 0 is no limit."),
                choice("area_units", UNITS, "Areas in pixels, or in % of the picture."),
                unit("min_score", 0, "The least predicted IoU kept."),
                unit("min_stability", 0, "The least stability score kept."),
                number(
                    "min_elongation",
                    1,
                    1,
                    1e4,
                    0.1,
                    "The least elongation kept: 1 is a disc, 5 a bar of 5 : 1.",
                ),
                number(
                    "max_elongation", 0, 0, 1e4, 0.1, "The largest elongation kept; 0 is no limit."
                ),
                choice(
                    "border",
                    BORDER_RULES,
                    "Of regions at the picture's border: keep or drop them, or keep only them.",
                ),
                unit("min_overlap", 0, "The least share of a region in the mask, 0 to 1."),
                unit("max_overlap", 1, "The largest share of a region in the mask, 0 to 1."),
                io.Mask.Input("mask", optional=True, tooltip="For min_overlap and max_overlap."),
            ],
            outputs=selection_outputs(),
        )

    @classmethod
    @named
    def execute(
        cls,
        regions: Any,
        max_area: float,
        max_elongation: float,
        mask: Tensor | None = None,
        **limits: Any,
    ) -> io.NodeOutput:
        frames = regions_from(regions)
        masks = None if mask is None else as_mask(mask)
        kept = [
            filter_regions(
                frame,
                max_area=max_area or math.inf,
                max_elongation=max_elongation or math.inf,
                mask=of_frame(masks, i, len(frames), "mask"),
                **limits,
            )
            for i, frame in enumerate(frames)
        ]
        return selection(frames, kept)


class RemoveDuplicates(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_RemoveDuplicates",
            display_name="Remove Duplicates",
            category="region fields/select",
            description="Of regions with nearly the same pixels keeps the best.",
            search_aliases=["nms", "non-maximum suppression", "deduplicate", "same mask", "iou"],
            inputs=[
                regions_input(),
                number(
                    "iou",
                    0.9,
                    0.01,
                    1,
                    0.01,
                    "Two that overlap (IoU) by this or more are the same.",
                ),
            ],
            outputs=selection_outputs(),
        )

    @classmethod
    @named
    def execute(cls, regions: Any, iou: float) -> io.NodeOutput:
        frames = regions_from(regions)
        return selection(frames, [remove_duplicates(frame, iou) for frame in frames])


class MagicWand(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_MagicWand",
            display_name="Magic Wand",
            category="region fields/select",
            description="Selects what has the colour under a point, without a model.",
            search_aliases=["flood fill", "color select", "tolerance", "bucket", "chroma key"],
            inputs=[
                io.Image.Input("image", tooltip="The picture, or a batch of them."),
                text("point", f"The pixel whose colour counts: {POINTS_FORM}."),
                unit(
                    "tolerance",
                    0.1,
                    "How far a colour may be from the point's; in Oklab, where black to white is "
                    "1.",
                ),
                switch("contiguous", "Only what is connected to the point.", default=True),
                switch("antialias", "Pixels on the edge are selected in part.", default=True),
                whole(
                    "sample",
                    0,
                    0,
                    64,
                    "Average the point's colour over this many pixels to each side.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="mask", tooltip="1 = selected."),
                RegionsType.Output(display_name="regions", tooltip="The same as one region."),
            ],
        )

    @classmethod
    @named
    def execute(cls, image: Tensor, point: str, **settings: Any) -> io.NodeOutput:
        at = read_point(point)
        if at is None:
            raise InputError(f"point: wanted {POINTS_FORM}, got nothing.")
        mask = for_user(magic_wand(for_work(image), at, **settings))
        return io.NodeOutput(mask, [Regions.from_masks(plane[None] >= 0.5) for plane in mask])


class NameRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_NameRegions",
            display_name="Name Regions",
            category="region fields/exchange",
            description=(
                "Gives regions labels: any captioner's texts, one for each crop of Crop Regions."
            ),
            search_aliases=["label", "caption", "tag", "classify", "florence", "clip", "rename"],
            is_input_list=True,
            inputs=[
                regions_input(),
                text(
                    "labels",
                    "One for each region in canonical order, images one after the other: a list of "
                    "texts, or one text with a line for each.",
                    multiline=True,
                ),
            ],
            outputs=[RegionsType.Output(display_name="regions", tooltip="The same, with labels.")],
        )

    @classmethod
    @named
    def execute(cls, regions: list[Any], labels: list[str]) -> io.NodeOutput:
        frames = regions_from(regions[0])
        names = text_lines(labels)
        count = sum(len(frame) for frame in frames)
        if len(names) != count:
            raise InputError(
                f"{counted(count, 'region')} but {counted(len(names), 'label')}. Give one for each."
            )
        given = iter(names)
        return io.NodeOutput(
            [
                frame.with_labels([next(given).strip() for _ in range(len(frame))])
                for frame in frames
            ]
        )


class RegionTable(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_RegionTable",
            display_name="Region Table",
            category="region fields/see",
            description="Lists the regions with their size, place, scores and labels.",
            search_aliases=["list masks", "mask info", "statistics", "csv", "inspect", "areas"],
            is_output_node=True,
            inputs=[regions_input()],
            outputs=[
                io.String.Output(
                    display_name="text", tooltip="A heading, and a line for each region."
                )
            ],
        )

    @classmethod
    @named
    def execute(cls, regions: Any) -> io.NodeOutput:
        frames = regions_from(regions)
        head = (
            f"{'id':>5} {'area':>9} {'%':>6}  {'box x,y,w,h':<22} {'score':>6} {'stable':>6}  label"
        )
        rows = [row for frame in frames for row in _rows(frame)]
        if len(frames) > 1:
            head = f"image {head}"
            images = (i for i, frame in enumerate(frames, 1) for _ in range(len(frame)))
            rows = [f"{i:>5} {row}" for i, row in zip(images, rows, strict=True)]
        table = "\n".join([head, *rows])
        return io.NodeOutput(table, ui=ui.PreviewText(table))


def _rows(regions: Regions) -> list[str]:
    height, width = regions.size
    rows = []
    for i, (x0, y0, x1, y1) in enumerate(regions.boxes.tolist()):
        area = int(regions.areas[i])
        box = f"{x0},{y0},{x1 - x0},{y1 - y0}"
        rows.append(
            f"{int(regions.ids[i]):>5} {area:>9} {100 * area / (height * width):>6.2f}  {box:<22} "
            f"{float(regions.scores[i]):>6.3f} {float(regions.stability[i]):>6.3f}  "
            f"{regions.labels[i]}".rstrip()
        )
    return rows
