"""Nodes that change regions: combine, split, clean, grow, smooth, feather, snap, nest, merge."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..engine import Regions
from ..engine.edit import (
    COMBINATIONS,
    combine_with,
    feather,
    fill_holes,
    grow,
    merge,
    nest,
    remove_specks,
    smooth,
    snap_edges,
    split_islands,
)
from ..engine.ops.fields import as_mask, image_batch
from .inputs import choice, edge_contrast_input, field_output, lines, number, pixels, text, whole
from .types import (
    Progress,
    RegionsType,
    check_one_size,
    for_user,
    named,
    of_frame,
    regions_from,
    regions_input,
    stacked_unions,
)

CATEGORY = "region fields/edit"


def edited_outputs(regions: str = "Changed; ids and labels are kept.") -> list[io.Output]:
    """What every node that changes regions gives; regions: what is said of the first."""
    return [
        RegionsType.Output(display_name="regions", tooltip=regions),
        io.Mask.Output(display_name="mask", tooltip="Their union; 1 = inside."),
    ]


def edit_each(value: Any, change: Callable[[Regions], Regions]) -> io.NodeOutput:
    """Change the regions of each image, with progress."""
    frames = regions_from(value)
    progress = Progress(len(frames))
    changed = []
    for i, frame in enumerate(frames):
        progress.frame(i)
        changed.append(change(frame))
    return io.NodeOutput(changed, stacked_unions(changed))


class CombineRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_CombineRegions",
            display_name="Combine Regions",
            category=CATEGORY,
            description="Adds a mask to every region, takes it away, or keeps what they share.",
            search_aliases=["subtract mask", "intersect", "union", "boolean", "exclude", "xor"],
            inputs=[
                regions_input(),
                regions_input("mask", "A mask for each image, or regions, whose union counts."),
                choice("mode", COMBINATIONS, lines(COMBINATIONS)),
            ],
            outputs=edited_outputs(),
        )

    @classmethod
    @named
    def execute(cls, regions: Any, mask: Any, mode: str) -> io.NodeOutput:
        frames = regions_from(regions)
        others = as_mask(mask) if isinstance(mask, Tensor) else list(mask)
        changed = [
            combine_with(frame, of_frame(others, i, len(frames), "mask"), mode)
            for i, frame in enumerate(frames)
        ]
        return io.NodeOutput(changed, stacked_unions(changed))


class MergeRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_MergeRegions",
            display_name="Merge Regions",
            category=CATEGORY,
            description="All regions of an image as one.",
            search_aliases=["union", "join masks", "combine all", "flatten", "or"],
            inputs=[regions_input(), text("label", "What the one region is called.")],
            outputs=edited_outputs("One for each image, with id 0."),
        )

    @classmethod
    @named
    def execute(cls, regions: Any, label: str) -> io.NodeOutput:
        return edit_each(regions, lambda frame: merge(frame, label))


class SplitIslands(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SplitIslands",
            display_name="Split Islands",
            category=CATEGORY,
            description="Each connected part of a region becomes a region of its own.",
            search_aliases=["connected components", "separate", "blobs", "label", "parts"],
            inputs=[
                regions_input(),
                whole("min_area", 1, 1, 1 << 24, "Parts of fewer pixels are dropped."),
                choice("connectivity", ("8", "4"), "8: corners connect. 4: only sides do."),
            ],
            outputs=edited_outputs("The parts. The largest keeps the id; all keep the label."),
        )

    @classmethod
    @named
    def execute(cls, regions: Any, min_area: int, connectivity: str) -> io.NodeOutput:
        return edit_each(regions, lambda frame: split_islands(frame, min_area, int(connectivity)))


class CleanRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_CleanRegions",
            display_name="Clean Regions",
            category=CATEGORY,
            description="Fills holes and removes specks, each counted in exact pixels.",
            search_aliases=["fill holes", "remove noise", "despeckle", "small islands", "tidy"],
            inputs=[
                regions_input(),
                whole("holes", 100, -1, 1 << 30, "Fill holes of fewer pixels; -1 fills all."),
                whole(
                    "specks", 100, 0, 1 << 30, "Remove parts of fewer pixels, never the largest."
                ),
            ],
            outputs=edited_outputs(),
        )

    @classmethod
    @named
    def execute(cls, regions: Any, holes: int, specks: int) -> io.NodeOutput:
        area = math.inf if holes < 0 else holes
        return edit_each(regions, lambda frame: remove_specks(fill_holes(frame, area), specks))


class GrowRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_GrowRegions",
            display_name="Grow Regions",
            category=CATEGORY,
            description="Grows or shrinks every region by true distance, evenly on all sides.",
            search_aliases=["grow mask", "dilate", "erode", "expand mask", "shrink mask", "offset"],
            inputs=[
                regions_input(),
                number("pixels", 8, -4096, 4096, 1, "By this many pixels; below 0 it shrinks."),
            ],
            outputs=edited_outputs(),
        )

    @classmethod
    @named
    def execute(cls, regions: Any, pixels: float) -> io.NodeOutput:
        return edit_each(regions, lambda frame: grow(frame, pixels))


class SmoothRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SmoothRegions",
            display_name="Smooth Regions",
            category=CATEGORY,
            description="Rounds outlines: narrow notches close, then narrow spikes go.",
            search_aliases=["open", "close", "morphology", "round corners", "smooth mask"],
            inputs=[
                regions_input(),
                number("radius", 4, 0, 1024, 1, "Radius in pixels of the disc that rounds."),
            ],
            outputs=edited_outputs(),
        )

    @classmethod
    @named
    def execute(cls, regions: Any, radius: float) -> io.NodeOutput:
        return edit_each(regions, lambda frame: smooth(frame, radius))


class FeatherRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_FeatherRegions",
            display_name="Feather Regions",
            category=CATEGORY,
            description="The union of the regions as a field with a soft edge, in true pixels.",
            search_aliases=["blur mask", "soft edge", "feather mask", "fade", "smooth edge"],
            inputs=[
                regions_input(),
                pixels("inside", 8, "Full strength from this many pixels inside the outline on."),
                pixels("outside", 8, "No strength from this many pixels outside the outline on."),
            ],
            outputs=[field_output()],
        )

    @classmethod
    @named
    def execute(cls, regions: Any, inside: float, outside: float) -> io.NodeOutput:
        frames = regions_from(regions)
        check_one_size(frame.size for frame in frames)
        fields = [feather(frame, inside, outside) for frame in frames]
        return io.NodeOutput(for_user(torch.cat(fields)))


class SnapRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SnapRegions",
            display_name="Snap Regions to Image",
            category=CATEGORY,
            description="Moves outlines to the picture's edges where there are any nearby.",
            search_aliases=["refine edges", "guided filter", "matting", "fit mask", "detail"],
            inputs=[
                regions_input(),
                io.Image.Input("image", tooltip="The picture the regions are of."),
                whole("radius", 8, 1, 256, "Outlines move by at most about this many pixels."),
                edge_contrast_input(0.02),
            ],
            outputs=edited_outputs(),
        )

    @classmethod
    @named
    def execute(
        cls, regions: Any, image: Tensor, radius: int, edge_contrast: float
    ) -> io.NodeOutput:
        frames, images = regions_from(regions), image_batch(image)
        progress = Progress(len(frames))
        changed = []
        for i, frame in enumerate(frames):
            picture = of_frame(images, i, len(frames), "image")
            changed.append(snap_edges(frame, picture, radius, edge_contrast, progress.frame(i)))
        return io.NodeOutput(changed, stacked_unions(changed))


class NestRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_NestRegions",
            display_name="Nest Regions",
            category=CATEGORY,
            description="Finds which region lies in which: the wholes, and the smallest parts.",
            search_aliases=["hierarchy", "parents", "children", "parts", "contains", "tree"],
            inputs=[
                regions_input(),
                number(
                    "inside",
                    0.9,
                    0.01,
                    1,
                    0.01,
                    "Share of a region that must lie in another for it to count as part of that "
                    "one.",
                ),
            ],
            outputs=[
                RegionsType.Output(display_name="wholes", tooltip="Regions that lie in no other."),
                RegionsType.Output(display_name="parts", tooltip="Regions that hold no other."),
                io.String.Output(
                    display_name="text",
                    tooltip=(
                        "A line for each region, such as 5 in 2: its id, and that of what holds it."
                    ),
                ),
            ],
        )

    @classmethod
    @named
    def execute(cls, regions: Any, inside: float) -> io.NodeOutput:
        frames = regions_from(regions)
        found = [nest(frame, inside) for frame in frames]
        told = []
        for frame, nesting in zip(frames, found, strict=True):
            ids = frame.ids.tolist()
            for i, parent in enumerate(nesting.parents):
                told.append(f"{ids[i]} in {ids[parent]}" if parent >= 0 else f"{ids[i]} in none")
        return io.NodeOutput(
            [one.roots for one in found], [one.leaves for one in found], "\n".join(told)
        )
