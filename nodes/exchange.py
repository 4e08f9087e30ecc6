"""Regions in other packs' and programs' forms: boxes, crops, layers, label maps, SEGS, COCO."""

from __future__ import annotations

import json
from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..engine import InputError
from ..engine.coco import from_coco, to_coco
from ..engine.exchange import (
    boxes_by_frame,
    crop_regions,
    from_boxes,
    paste_crops,
    to_layers,
)
from ..engine.label_map import (
    KEEPERS,
    from_colour_map,
    from_grey_16,
    from_label_map,
    to_colour_map,
    to_grey_16,
    to_label_map,
)
from ..engine.ops.checks import counted, parse_json, short
from ..engine.ops.fields import as_planes, image_batch
from ..engine.segs import from_segs, to_segs
from .inputs import choice, number, switch, text, whole
from .types import (
    RegionsType,
    check_one_size,
    for_user,
    named,
    of_frame,
    regions_from,
    regions_input,
    stacked,
)

CATEGORY = "region fields/exchange"
LayersType = io.Custom("LAYERS")


def _regions_output() -> io.Output:
    return RegionsType.Output(display_name="regions", tooltip="One set for each image.")


class BoxesToRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_BoxesToRegions",
            display_name="Boxes to Regions",
            category=CATEGORY,
            description="Each box as a rectangular region, with its score and label.",
            search_aliases=["bbox to mask", "rectangle", "detector", "bounding box"],
            inputs=[
                io.BoundingBox.Input(
                    "bboxes",
                    force_input=True,
                    tooltip="One box, a list for all images, or a list for each.",
                ),
                io.Image.Input("image", tooltip="Says how large the picture is."),
            ],
            outputs=[_regions_output()],
        )

    @classmethod
    @named
    def execute(cls, bboxes: Any, image: Tensor) -> io.NodeOutput:
        size = (int(image.shape[1]), int(image.shape[2]))
        frames = boxes_by_frame(bboxes, len(image))
        return io.NodeOutput([from_boxes(boxes, size) for boxes in frames])


class CropRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_CropRegions",
            display_name="Crop Regions",
            category=CATEGORY,
            description="Cuts every region out of the picture; Paste Crops puts it back.",
            search_aliases=["crop by mask", "cut out", "extract", "caption each", "detailer"],
            inputs=[
                regions_input(),
                io.Image.Input("image", tooltip="The picture the regions are of."),
                whole("padding", 0, 0, 4096, "Pixels to add around each box."),
                whole(
                    "longest",
                    0,
                    0,
                    16384,
                    "Larger crops are shrunk to this longest side, as captioners want them and "
                    "to save memory; 0 leaves all. Paste Crops puts them back at full size.",
                    optional=True,
                    advanced=True,
                ),
                switch(
                    "cut_out",
                    "Off: each mask is 1 all over, the whole box. That takes no memory, and "
                    "captioners don't look at it.",
                    default=True,
                    optional=True,
                    advanced=True,
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="crops", is_output_list=True, tooltip="A picture for each region."
                ),
                io.Mask.Output(
                    display_name="masks", is_output_list=True, tooltip="Its mask within the crop."
                ),
                io.BoundingBox.Output(
                    display_name="bboxes",
                    is_output_list=True,
                    tooltip="Where each lies, with the number of its image under frame.",
                ),
            ],
        )

    @classmethod
    @named
    def execute(
        cls, regions: Any, image: Tensor, padding: int, longest: int = 0, cut_out: bool = True
    ) -> io.NodeOutput:
        frames, images = regions_from(regions), image_batch(image)
        crops, masks, boxes = [], [], []
        for i, frame in enumerate(frames):
            picture = of_frame(images, i, len(frames), "image")
            for crop, mask, box in crop_regions(frame, picture, padding, longest, cut_out):
                crops.append(for_user(crop))
                masks.append(for_user(mask))
                boxes.append({**box, "frame": i})
        if not crops:
            raise InputError("there are no regions to crop. Segment something first.")
        return io.NodeOutput(crops, masks, boxes)


class PasteCrops(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_PasteCrops",
            display_name="Paste Crops",
            category=CATEGORY,
            description="Puts crops back where Crop Regions took them from.",
            search_aliases=["uncrop", "stitch", "composite crops", "put back", "detailer"],
            is_input_list=True,
            inputs=[
                io.Image.Input("image", tooltip="The picture to paste into."),
                io.Image.Input("crops", tooltip="The crops; resized to their boxes."),
                io.BoundingBox.Input(
                    "bboxes", force_input=True, tooltip="Where they go, from Crop Regions."
                ),
                io.Mask.Input(
                    "masks", optional=True, tooltip="How much of each shows; all of it without."
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The first crop is on top.")],
        )

    @classmethod
    @named
    def execute(
        cls,
        image: list[Tensor],
        crops: list[Tensor],
        bboxes: list[Any],
        masks: list[Tensor] | None = None,
    ) -> io.NodeOutput:
        pictures = [picture for batch in image for picture in image_batch(batch)]
        check_one_size(picture.shape for picture in pictures)
        places = [box for entry in bboxes for box in _placed(entry)]
        if len(places) != len(crops) or (masks and len(masks) != len(crops)):
            raise InputError(
                f"{counted(len(crops), 'crop')} but {counted(len(places), 'box')}"
                + (f" and {counted(len(masks), 'mask')}." if masks else ".")
                + " Give all that come from the same Crop Regions."
            )
        last = max((box["frame"] for box in places), default=0)
        if last >= len(pictures):
            raise InputError(
                f"a box is of image {last + 1} but only {counted(len(pictures), 'image')} came. "
                "Give all the images that the crops are of."
            )
        pasted = []
        for i, picture in enumerate(pictures):
            own = [k for k, box in enumerate(places) if box["frame"] == i]
            pasted.append(
                paste_crops(
                    picture,
                    [crops[k] for k in own],
                    [places[k] for k in own],
                    [masks[k] for k in own] if masks else None,
                )
            )
        return io.NodeOutput(for_user(torch.stack(pasted)))


def _placed(boxes: Any, frame: int = 0) -> list[dict[str, Any]]:
    """Boxes in any form with the number of their image under "frame".

    boxes: one dict, a list of dicts, or a list of such lists, one for each image. A number that a
    dict brings along goes before its place.
    """
    if isinstance(boxes, dict):
        return [{"frame": frame, **boxes}]
    if not isinstance(boxes, list):
        raise InputError(f"bboxes: wanted boxes of x, y, width and height, got {short(boxes)}.")
    nested = any(isinstance(entry, list) for entry in boxes)
    return [box for i, entry in enumerate(boxes) for box in _placed(entry, i if nested else frame)]


class RegionsToLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_RegionsToLayers",
            display_name="Regions to Layers",
            category=CATEGORY,
            description="A layer for each region, tight around it, for core's layer nodes.",
            search_aliases=["psd", "layers", "cut out", "photoshop", "separate"],
            is_output_node=True,
            inputs=[
                regions_input(),
                io.Image.Input("image", tooltip="The picture the regions are of."),
            ],
            outputs=[
                LayersType.Output(
                    display_name="layers",
                    is_output_list=True,
                    tooltip="For each image at most 50 layers; the smallest are left out.",
                ),
                io.String.Output(display_name="text", tooltip="Says what was left out."),
            ],
        )

    @classmethod
    @named
    def execute(cls, regions: Any, image: Tensor) -> io.NodeOutput:
        frames, images = regions_from(regions), image_batch(image)
        made = [
            to_layers(frame, of_frame(images, i, len(frames), "image"))
            for i, frame in enumerate(frames)
        ]
        message = "\n".join(message for _, message in made if message)
        return io.NodeOutput(
            [layers for layers, _ in made], message, ui=ui.PreviewText(message) if message else {}
        )


class RegionsToLabelMap(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_RegionsToLabelMap",
            display_name="Regions to Label Map",
            category=CATEGORY,
            description="Each pixel's region as a number, and as a flat colour.",
            search_aliases=["id map", "segmentation map", "color id", "index map", "panoptic"],
            inputs=[
                regions_input(),
                choice("overlaps", KEEPERS, "Which of several regions keeps a pixel."),
            ],
            outputs=[
                io.Mask.Output(
                    display_name="labels",
                    tooltip="Region number / 65535, 0 for none: save as a 16-bit PNG to keep it.",
                ),
                io.Image.Output(
                    display_name="colors", tooltip="A flat colour for each region, black for none."
                ),
                io.Mask.Output(
                    display_name="numbers",
                    tooltip="Region numbers as they are: 1 for the largest region, 0 for none.",
                ),
            ],
        )

    @classmethod
    @named
    def execute(cls, regions: Any, overlaps: str) -> io.NodeOutput:
        frames = regions_from(regions)
        check_one_size(frame.size for frame in frames)
        maps = [to_label_map(frame, overlaps) for frame in frames]
        colours = torch.stack([to_colour_map(one) for one in maps])
        grey = stacked([to_grey_16(one) for one in maps])
        return io.NodeOutput(grey, for_user(colours), stacked(maps))


class LabelMapToRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_LabelMapToRegions",
            display_name="Label Map to Regions",
            category=CATEGORY,
            description="A region for each number of a label map, or each colour of a picture.",
            search_aliases=["id map", "segmentation map", "color to mask", "import", "ade20k"],
            inputs=[
                io.MultiType.Input(
                    "map",
                    [io.Mask, io.Image],
                    tooltip=(
                        "A mask of whole numbers, or of numbers / 65535 as 16-bit files hold them "
                        "(nothing above 1); a picture goes by its colours."
                    ),
                )
            ],
            outputs=[_regions_output()],
        )

    @classmethod
    @named
    def execute(cls, map: Tensor) -> io.NodeOutput:
        if map.ndim == 4:
            return io.NodeOutput([from_colour_map(picture) for picture in map])
        planes = as_planes(map, "map")
        # A map of nothing but 0 and 1 is of region 1: as files hold them it would be number 65535.
        whole = float(planes.max()) > 1 or bool((planes == planes.round()).all())
        return io.NodeOutput(
            [from_label_map(plane if whole else from_grey_16(plane)) for plane in planes]
        )


class RegionsToSEGS(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_RegionsToSEGS",
            display_name="Regions to SEGS",
            category=CATEGORY,
            description="Regions for the Impact Pack's nodes, such as its detailers.",
            search_aliases=["impact pack", "detailer", "segs", "face detailer"],
            inputs=[
                regions_input(),
                number("crop_factor", 1, 1, 100, 0.1, "Crop this many times the region's box."),
                io.Image.Input("image", optional=True, tooltip="Each SEG then carries its crop."),
            ],
            outputs=[
                io.SEGS.Output(
                    display_name="segs",
                    is_output_list=True,
                    tooltip="One SEGS for each image: what follows runs once for each.",
                )
            ],
        )

    @classmethod
    @named
    def execute(
        cls, regions: Any, crop_factor: float, image: Tensor | None = None
    ) -> io.NodeOutput:
        frames = regions_from(regions)
        images = None if image is None else image_batch(image)
        return io.NodeOutput(
            [
                to_segs(frame, of_frame(images, i, len(frames), "image"), crop_factor)
                for i, frame in enumerate(frames)
            ]
        )


class SEGSToRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SEGSToRegions",
            display_name="SEGS to Regions",
            category=CATEGORY,
            description="The Impact Pack's SEGS as regions, with confidence and labels.",
            search_aliases=["impact pack", "ultralytics", "detector", "segs", "import"],
            inputs=[io.SEGS.Input("segs", tooltip="From any node of the Impact Pack.")],
            outputs=[_regions_output()],
        )

    @classmethod
    @named
    def execute(cls, segs: Any) -> io.NodeOutput:
        return io.NodeOutput([from_segs(segs)])


class RegionsToCOCO(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_RegionsToCOCO",
            display_name="Regions to COCO",
            category=CATEGORY,
            description="Regions as a COCO data set: JSON with run-length encoded masks.",
            search_aliases=["coco", "rle", "annotation", "export", "data set", "json"],
            inputs=[
                regions_input(),
                text(
                    "file_names",
                    "A name for each image, one on a line; leave empty for numbers.",
                    multiline=True,
                ),
            ],
            outputs=[io.String.Output(display_name="json", tooltip="The data set.")],
        )

    @classmethod
    @named
    def execute(cls, regions: Any, file_names: str) -> io.NodeOutput:
        names = [line.strip() for line in file_names.strip().splitlines()] or None
        return io.NodeOutput(json.dumps(to_coco(regions_from(regions), names)))


class COCOToRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_COCOToRegions",
            display_name="COCO to Regions",
            category=CATEGORY,
            description="The regions of a COCO data set with run-length encoded masks.",
            search_aliases=["coco", "rle", "annotation", "import", "data set", "json"],
            inputs=[text("json", "The data set's text.", multiline=True)],
            outputs=[_regions_output()],
        )

    @classmethod
    @named
    def execute(cls, json: str) -> io.NodeOutput:
        found = list(from_coco(parse_json(json, "json")).values())
        if not found:
            raise InputError("the data set has no images.")
        return io.NodeOutput(found)
