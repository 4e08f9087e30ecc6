"""Measure Coverage, Fill Coverage."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..engine import fill_coverage, measure_coverage
from ..engine.cover import FILL_METHODS, OVERLAP_WINNERS, Segmenter
from ..engine.ops.fields import as_images
from ..engine.ops.resize import resize_field
from ..engine.sam2.prompts import point_segmenter
from .field import depth_from
from .inputs import depth_input, lines, near_is_input
from .sam2_model import HeldSam2
from .types import (
    Progress,
    RegionsType,
    Sam2Type,
    named,
    of_frame,
    regions_from,
    regions_input,
    stacked,
)


class MeasureCoverage(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_MeasureCoverage",
            display_name="Measure Coverage",
            category="region fields/cover",
            description="How much of the picture the regions cover, and where the gaps are.",
            search_aliases=["coverage", "gaps", "uncovered", "holes", "overlap", "statistics"],
            is_output_node=True,
            inputs=[regions_input()],
            outputs=[
                io.Float.Output(
                    display_name="covered", tooltip="Share of the pixels in a region, 0 to 1."
                ),
                io.Float.Output(
                    display_name="overlapped",
                    tooltip="Share of the pixels in two or more regions, 0 to 1.",
                ),
                io.Mask.Output(display_name="uncovered", tooltip="Pixels in no region."),
                io.Mask.Output(
                    display_name="count_map",
                    tooltip="Regions over each pixel, as a share of the most over any pixel.",
                ),
                RegionsType.Output(display_name="gaps", tooltip="The 10 largest gaps as regions."),
                io.String.Output(
                    display_name="text", tooltip="The same in words, a line an image."
                ),
            ],
        )

    @classmethod
    @named
    def execute(cls, regions: Any) -> io.NodeOutput:
        found = [measure_coverage(frame) for frame in regions_from(regions)]
        text = "\n".join(one.sentence() for one in found)
        shares = [one.counts / one.counts.max().clamp_min(1) for one in found]
        return io.NodeOutput(
            sum(one.covered for one in found) / len(found),
            sum(one.overlapped for one in found) / len(found),
            stacked([one.uncovered for one in found]),
            stacked(shares),
            [one.gaps for one in found],
            text,
            ui=ui.PreviewText(text),
        )


class FillCoverage(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_FillCoverage",
            display_name="Fill Coverage",
            category="region fields/cover",
            description="Gives every pixel to exactly one region: a strength exists everywhere.",
            search_aliases=["partition", "panoptic", "uncovered", "gap", "fill holes", "voronoi"],
            inputs=[
                regions_input(),
                io.Combo.Input("method", options=list(FILL_METHODS), tooltip=lines(FILL_METHODS)),
                io.Combo.Input(
                    "overlaps", options=list(OVERLAP_WINNERS), tooltip=lines(OVERLAP_WINNERS)
                ),
                io.Float.Input(
                    "max_gap",
                    default=0.0,
                    min=0.0,
                    max=16384.0,
                    step=1.0,
                    tooltip="Fill only within so many pixels of a region. 0 fills everything.",
                ),
                io.Int.Input(
                    "smallest_gap",
                    default=0,
                    min=0,
                    max=1 << 24,
                    tooltip=(
                        "With new_regions and segment: gaps of fewer pixels go to the nearest "
                        "region. For segment 0 stands for 0.1 % of the picture."
                    ),
                    advanced=True,
                ),
                io.Float.Input(
                    "edge_strength",
                    default=100.0,
                    min=0.0,
                    max=10000.0,
                    step=1.0,
                    tooltip="With edges: how much an edge of the picture holds the fill back.",
                    advanced=True,
                ),
                near_is_input(advanced=True),
                io.Image.Input(
                    "image", optional=True, tooltip="For edges and segment: the picture itself."
                ),
                depth_input("For overlaps by nearest_depth.", optional=True),
                Sam2Type.Input(
                    "model", optional=True, tooltip="For segment: from Load SAM 2 Model."
                ),
            ],
            outputs=[
                RegionsType.Output(
                    display_name="regions", tooltip="Disjoint; each keeps its id and label."
                ),
                io.Mask.Output(
                    display_name="was_uncovered", tooltip="Pixels that were in no region before."
                ),
            ],
        )

    @classmethod
    @named
    def execute(
        cls,
        regions: Any,
        method: str,
        overlaps: str,
        max_gap: float,
        smallest_gap: int,
        edge_strength: float,
        near_is: str,
        image: Tensor | None = None,
        depth: Any = None,
        model: HeldSam2 | None = None,
    ) -> io.NodeOutput:
        frames = regions_from(regions)
        images = None if image is None else as_images(image)
        values, drawn = None, "white"
        if depth is not None:
            values, _, drawn = depth_from(depth, near_is)
        progress = Progress(len(frames))
        filled = []
        for i, frame in enumerate(frames):
            picture = of_frame(images, i, len(frames), "image")
            asked = model if method == "segment" else None
            filled.append(
                fill_coverage(
                    frame,
                    method,
                    overlaps,
                    max_gap=max_gap or None,
                    smallest_gap=smallest_gap,
                    image=picture,
                    edge_strength=edge_strength,
                    depth=of_frame(values, i, len(frames), "depth"),
                    near_is=drawn,
                    segmenter=_segmenter(asked, picture, frame.size),
                    progress=progress.frame(i),
                )
            )
        return io.NodeOutput(filled, stacked([~frame.union() for frame in frames]))


def _segmenter(
    model: HeldSam2 | None, picture: Tensor | None, size: tuple[int, int]
) -> Segmenter | None:
    """What finds regions inside gaps, where there are a model and a picture."""
    if model is None or picture is None:
        return None
    sized = resize_field(picture[..., :3].movedim(-1, 0), size).movedim(0, -1)
    return point_segmenter(model.ready(), model.embed(sized))
