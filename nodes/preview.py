"""Preview Regions, Preview Field."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..engine.ops.beside import fields_beside
from ..engine.ops.fields import as_field, common_batch, image_batch
from ..engine.preview import draw_field, draw_regions, strengths_at
from .inputs import field_input, number, switch, text, whole
from .points import POINTS_FORM, read_points
from .types import (
    Progress,
    check_one_size,
    for_user,
    frame_of,
    named,
    regions_from,
    regions_input,
)


class PreviewRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_PreviewRegions",
            display_name="Preview Regions",
            category="region fields/see",
            description="Paints each region in its own colour, over the picture if there is one.",
            search_aliases=["overlay", "mask preview", "show masks", "segmentation map", "debug"],
            is_output_node=True,
            inputs=[
                regions_input(),
                io.Image.Input("image", optional=True, tooltip="The picture to paint over."),
                number(
                    "opacity",
                    0.5,
                    0,
                    1,
                    0.05,
                    "Of the paint: 0 shows only outlines, 1 hides the picture.",
                ),
                switch("outlines", "Draw each region's border.", default=True),
                switch("ids", "Write each region's id on it."),
                switch("labels", "Write each region's label."),
                switch(
                    "only_uncovered",
                    "Stripe the pixels that no region covers, instead of the regions.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The painted picture.")],
        )

    @classmethod
    @named
    def execute(
        cls,
        regions: Any,
        opacity: float,
        outlines: bool,
        ids: bool,
        labels: bool,
        only_uncovered: bool,
        image: Tensor | None = None,
    ) -> io.NodeOutput:
        images = None if image is None else image_batch(image)
        size = None if images is None else (int(images.shape[1]), int(images.shape[2]))
        frames = regions_from(regions, size)
        pictures = [torch.zeros(*frame.size, 3) for frame in frames] if images is None else images
        check_one_size(picture.shape[:2] for picture in pictures)
        count = common_batch("images and regions", {"images": len(pictures), "sets": len(frames)})
        progress = Progress(count)
        drawn = []
        for i in range(count):
            progress.frame(i)
            drawn.append(
                draw_regions(
                    frame_of(pictures, i),
                    frame_of(frames, i),
                    opacity=opacity,
                    outlines=outlines,
                    ids=ids,
                    labels=labels,
                    only_uncovered=only_uncovered,
                )
            )
        batch = for_user(torch.stack(drawn))
        return io.NodeOutput(batch, ui=ui.PreviewImage(batch, cls=cls))


class PreviewField(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_PreviewField",
            display_name="Preview Field",
            category="region fields/see",
            description="Shows a strength field as a heat map, alone or over the picture.",
            search_aliases=["heat map", "mask preview", "show field", "contour", "debug"],
            is_output_node=True,
            inputs=[
                field_input(),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The picture to lay it over; the field comes to its size.",
                ),
                number("opacity", 0.75, 0, 1, 0.05, "Of the heat map over the picture."),
                whole("contours", 0, 0, 64, "How many lines of equal strength to draw."),
                switch("zebra", "Stripe where the strength is exactly 0 or 1, so cut off."),
                text(
                    "probe",
                    f"Writes the strength at these pixels: {POINTS_FORM}.",
                    optional=True,
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The heat map."),
                io.String.Output(
                    display_name="probed", tooltip="The strength at each probe, a line for each."
                ),
            ],
        )

    @classmethod
    @named
    def execute(
        cls,
        field: Tensor,
        opacity: float,
        contours: int,
        zebra: bool,
        image: Tensor | None = None,
        probe: str = "",
    ) -> io.NodeOutput:
        fields = as_field(field)
        pictures = None if image is None else image_batch(image)
        if pictures is not None:
            size = (int(pictures.shape[1]), int(pictures.shape[2]))
            fields = fields_beside(fields, size, "a field")
        points = read_points(probe, "probe")
        counts = {"fields": len(fields), "images": 1 if pictures is None else len(pictures)}
        drawn, probed = [], []
        count = common_batch("fields and images", counts)
        for i in range(count):
            plane = frame_of(fields, i)
            drawn.append(
                draw_field(
                    plane,
                    None if pictures is None else frame_of(pictures, i),
                    opacity=opacity,
                    contours=contours,
                    zebra=zebra,
                    probes=points,
                )
            )
            values = zip(points, strengths_at(plane, points), strict=True)
            image_of = f"image {i + 1}: " if count > 1 else ""
            probed += [f"{image_of}{x:g}, {y:g}: {value:.4f}" for (x, y), value in values]
        batch = for_user(torch.stack(drawn))
        return io.NodeOutput(batch, "\n".join(probed), ui=ui.PreviewImage(batch, cls=cls))
