"""Measure Coverage, Fill Coverage, Soft Shares of Regions."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..engine import InputError, fill_coverage, measure_coverage
from ..engine.blend import region_weights
from ..engine.cover import FILL_METHODS, OVERLAP_WINNERS, Segmenter
from ..engine.ops.beside import image_beside
from ..engine.ops.fields import image_batch
from ..engine.sam2.prompts import point_segmenter
from .field import depth_from
from .inputs import choice, depth_input, lines, near_is_input, number, pixels, whole
from .sam2_model import HeldSam2
from .types import (
    Progress,
    RegionsType,
    Sam2Type,
    check_one_size,
    for_user,
    named,
    of_frame,
    regions_from,
    regions_input,
    stacked,
)

OWN_SHARE = "own share"
REST = {
    OWN_SHARE: "What none of these regions holds is one more share, called background.",
    "nearest region": "Each such pixel counts to the nearest of these regions.",
}


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
                    tooltip=(
                        "How many regions hold each pixel, as a share of the most that hold any."
                    ),
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
                choice("method", FILL_METHODS, lines(FILL_METHODS)),
                choice("overlaps", OVERLAP_WINNERS, lines(OVERLAP_WINNERS)),
                pixels(
                    "max_gap",
                    0,
                    "Fill only within this many pixels of a region. 0 fills everything.",
                ),
                whole(
                    "min_gap_area",
                    0,
                    0,
                    1 << 24,
                    "With new_regions and segment: gaps of fewer pixels go to the nearest "
                    "region. For segment 0 stands for 0.1 % of the picture.",
                    advanced=True,
                ),
                number(
                    "image_cost",
                    100,
                    0,
                    1e4,
                    1,
                    "With edges: what an edge from black to white adds to the way across it, in "
                    "thousandths of the picture's shorter side. More holds the fill back more.",
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
        min_gap_area: int,
        image_cost: float,
        near_is: str,
        image: Tensor | None = None,
        depth: Any = None,
        model: HeldSam2 | None = None,
    ) -> io.NodeOutput:
        if method == "segment" and (image is None or model is None):
            raise InputError(
                "segment needs the picture and a model; connect image and model, or fill by "
                "another method."
            )
        frames = regions_from(regions)
        images = None if image is None else image_batch(image)
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
                    min_gap_area=min_gap_area,
                    image=picture,
                    image_cost=image_cost,
                    depth=of_frame(values, i, len(frames), "depth"),
                    near_is=drawn,
                    segmenter=_segmenter(asked, picture, frame.size),
                    progress=progress.frame(i),
                )
            )
        return io.NodeOutput(filled, stacked([~frame.union() for frame in frames]))


class SoftShares(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SoftShares",
            display_name="Soft Shares of Regions",
            category="region fields/cover",
            description=(
                "A weight for each region at every pixel. They sum to 1 and pass softly into each "
                "other, for regional conditioning."
            ),
            search_aliases=["regional prompt", "weights", "soft masks", "partition", "attention"],
            inputs=[
                regions_input(),
                number(
                    "width", 16, 0.5, 4096, 1, "Pixels over which one region passes into another."
                ),
                whole("count", 8, 1, 256, "How many regions have a share each, the largest first."),
                choice("rest", REST, lines(REST)),
            ],
            outputs=[
                io.Mask.Output(
                    display_name="shares",
                    is_output_list=True,
                    tooltip="One mask for each share, images one after the other.",
                ),
                io.String.Output(
                    display_name="labels",
                    is_output_list=True,
                    tooltip="Each share's label, for a prompt; the rest is called background.",
                ),
                io.Mask.Output(display_name="batch", tooltip="The same shares as one mask batch."),
            ],
        )

    @classmethod
    @named
    def execute(cls, regions: Any, width: float, count: int, rest: str) -> io.NodeOutput:
        frames = regions_from(regions)
        method = "background" if rest == OWN_SHARE else "nearest"
        check_one_size(frame.size for frame in frames)
        held = [
            fill_coverage(frame.take(range(min(count, len(frame)))), method) for frame in frames
        ]
        orders = [frame.ids.argsort().tolist() for frame in held]
        progress, shares, labels = Progress(len(frames)), [], []
        for i, (frame, order) in enumerate(zip(held, orders, strict=True)):
            progress.frame(i)
            shares.append(for_user(region_weights(frame, width, order)))
            labels += [frame.labels[k] for k in order]
        # One batch, of which the list holds views: at 8 megapixels a share takes 33 MB.
        batch = shares[0] if len(shares) == 1 else torch.cat(shares)
        return io.NodeOutput(list(batch[:, None]), labels, batch)


def _segmenter(
    model: HeldSam2 | None, picture: Tensor | None, size: tuple[int, int]
) -> Segmenter | None:
    """What finds regions inside gaps, where there are a model and a picture."""
    if model is None or picture is None:
        return None
    sized = image_beside(picture, size, picture.device)
    return point_segmenter(model.ready(), model.embed(sized))
