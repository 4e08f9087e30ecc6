"""Segment Everything (SAM 2)."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..engine import Everything, segment_everything
from ..engine.exchange import to_boxes
from ..engine.ops.fields import image_batch
from .inputs import number, switch, unit, whole
from .sam2_model import HeldSam2
from .types import Progress, RegionsType, Sam2Type, named, stacked_unions

_MB = 1 << 20


def _share(id: str, tooltip: str, **more: Any) -> io.Float.Input:
    return unit(id, getattr(Everything, id), tooltip, **more)


def _whole(id: str, low: int, high: int, tooltip: str, **more: Any) -> io.Int.Input:
    return whole(id, getattr(Everything, id), low, high, tooltip, **more)


class SegmentEverything(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SegmentEverything",
            display_name="Segment Everything (SAM 2)",
            category="region fields/segment",
            description=(
                "Finds the regions of a picture without a prompt, by asking SAM 2 at a grid of "
                "points. They may overlap and need not cover it: see Fill Coverage."
            ),
            search_aliases=["sam", "sam2", "automatic mask", "auto segment", "mask generator"],
            inputs=[
                io.Image.Input("image", tooltip="The picture, or a batch of them."),
                Sam2Type.Input("model", tooltip="From Load SAM 2 Model."),
                _whole(
                    "points_per_side",
                    1,
                    128,
                    "Points along each side of the grid: 32 make 1024. More find smaller things, "
                    "and take longer.",
                ),
                _share(
                    "pred_iou_thresh",
                    "Keep masks the network itself rates above this. Lower it to find more.",
                ),
                _share(
                    "stability_score_thresh",
                    "Keep masks that hardly change when their threshold does. Lower it to find "
                    "more.",
                ),
                _share("box_nms_thresh", "Of masks whose boxes overlap by more, keep the best."),
                _whole(
                    "min_mask_region_area",
                    0,
                    1 << 24,
                    "Fill holes and drop specks of fewer pixels. 0 leaves all.",
                ),
                _whole(
                    "crop_n_layers",
                    0,
                    3,
                    "1: look at 4 crops too, 2: and at 16, 3: and at 64, for small things. Slow.",
                ),
                _share(
                    "crop_overlap_ratio",
                    "How far crops overlap, as a share of the shorter side.",
                    advanced=True,
                ),
                _whole(
                    "crop_n_points_downscale_factor",
                    1,
                    16,
                    "Crops of each further layer have this many times fewer points per side.",
                    advanced=True,
                ),
                _share(
                    "crop_nms_thresh", "As box_nms_thresh, between masks of crops.", advanced=True
                ),
                switch("use_m2m", "Decode each mask again from itself: better edges, slower."),
                switch(
                    "multimask_output",
                    "Three masks for each point (part, object, whole); off: one.",
                    default=True,
                    advanced=True,
                ),
                number(
                    "stability_score_offset",
                    Everything.stability_score_offset,
                    0,
                    10,
                    0.1,
                    "How far the threshold is moved, either way, to measure stability.",
                    advanced=True,
                ),
                number(
                    "mask_threshold",
                    Everything.mask_threshold,
                    -20,
                    20,
                    0.1,
                    "Logits above this are inside. Lower makes all masks larger.",
                    advanced=True,
                ),
                whole(
                    "memory_budget",
                    Everything.memory_budget // _MB,
                    16,
                    65536,
                    "MB for intermediate results; more is faster on a GPU. Changes no result.",
                    advanced=True,
                ),
            ],
            outputs=[
                RegionsType.Output(display_name="regions", tooltip="What was found, as a set."),
                io.Mask.Output(display_name="covered", tooltip="Pixels in any region."),
                io.BoundingBox.Output(
                    display_name="bboxes", tooltip="A list of boxes for each image."
                ),
            ],
        )

    @classmethod
    @named
    def execute(
        cls, image: Tensor, model: HeldSam2, memory_budget: int, **knobs: Any
    ) -> io.NodeOutput:
        settings = Everything(memory_budget=memory_budget * _MB, **knobs)
        images = image_batch(image)
        progress = Progress(len(images))
        frames = []
        for i, picture in enumerate(images):
            report = progress.frame(i)
            # Crops are encoded one by one; the whole picture's embedding may be there already.
            source = picture if settings.crop_n_layers else model.embed(picture)
            frames.append(segment_everything(model.ready(), source, settings, report).to("cpu"))
        boxes = [to_boxes(frame) for frame in frames]
        return io.NodeOutput(frames, stacked_unions(frames), boxes)
