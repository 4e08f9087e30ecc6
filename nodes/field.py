"""Field from Depth, Field from Distance, Combine Fields."""

from __future__ import annotations

import logging
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..engine import InputError, Regions, combine_fields, field_from_depth
from ..engine.exchange import boxes_by_frame, from_boxes
from ..engine.field import FEW_LEVELS, SIDES, depth_levels, distance_from, is_coarse, strength_at
from ..engine.ops.combine import COMBINE_MODES
from ..engine.ops.depth import HOLES, MEASURES, SPANS
from ..engine.ops.fields import UNITS
from ..engine.ops.resize import resize_nearest
from .inputs import (
    choice,
    depth_input,
    falloff_inputs,
    field_output,
    fields_in_order,
    fields_input,
    near_is_input,
    number,
    pixels,
    switch,
    unit,
)
from .points import POINTS_FORM, read_points
from .types import (
    DistanceType,
    RegionsType,
    check_one_size,
    for_user,
    for_work,
    named,
    of_frame,
)

SKIES = {"as the farthest": None, "0": 0.0, "1": 1.0}
PATHS = ("straight", "round image edges", "round depth edges", "round both")
_BANDS_FROM = 0.02


class FieldFromDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_FieldFromDepth",
            display_name="Field from Depth",
            category="region fields/field",
            description=(
                "Strength by depth: full in a range of depths, fading before and behind it, "
                "without bands."
            ),
            search_aliases=["depth mask", "near far", "focus", "fog", "z depth", "gradient mask"],
            inputs=[
                depth_input("A depth picture, or the geometry of Depth Anything 3 or MoGe."),
                near_is_input(),
                io.DynamicCombo.Input(
                    "band",
                    options=[
                        io.DynamicCombo.Option(
                            "near and far",
                            [
                                unit("near", 0.0, "Where full strength begins; 0 = nearest."),
                                unit("far", 0.25, "Where full strength ends; 1 = farthest."),
                            ],
                        ),
                        io.DynamicCombo.Option(
                            "focus and range",
                            [
                                unit("focus", 0.25, "The depth in the middle of full strength."),
                                unit("range", 0.25, "How deep full strength reaches in all."),
                            ],
                        ),
                    ],
                    tooltip="How to say which depths get full strength.",
                ),
                unit("near_feather", 0.25, "Depth over which strength fades in before near."),
                unit("far_feather", 0.5, "Depth over which strength fades out behind far."),
                *falloff_inputs(),
                io.Combo.Input(
                    "normalize",
                    options=list(MEASURES),
                    tooltip=(
                        "What depth from 0 to 1 is even in. linear: the values as they are. "
                        "disparity: their reciprocals. log: their logarithms. rank: the share of "
                        "pixels that are nearer."
                    ),
                    advanced=True,
                ),
                io.Combo.Input(
                    "normalize_over",
                    options=list(SPANS),
                    tooltip=(
                        "Where nearest and farthest are taken from: each frame, the whole batch, "
                        "or range_low and range_high. The last two keep a video from flickering."
                    ),
                    advanced=True,
                ),
                _depth_value("range_low", 0.0),
                _depth_value("range_high", 1.0),
                io.Float.Input(
                    "clip_percent",
                    default=0.0,
                    min=0.0,
                    max=49.0,
                    step=0.5,
                    tooltip="Share of the pixels, in %, that may fall off either end as outliers.",
                    advanced=True,
                ),
                io.Combo.Input(
                    "sky",
                    options=list(SKIES),
                    tooltip=(
                        "What strength the sky gets: that of the farthest depth, none, or full. "
                        "Sky is what the geometry says, and infinite depth."
                    ),
                    advanced=True,
                ),
                io.Combo.Input(
                    "holes",
                    options=list(HOLES),
                    tooltip="Pixels without usable depth: as the nearest with one, near, or far.",
                    advanced=True,
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip=(
                        "The picture. The field gets its size; a smaller depth map is brought up "
                        "along its edges."
                    ),
                ),
                switch(
                    "skip_outlines",
                    "No rims of strength at soft outlines, where the depths of two surfaces mix. "
                    "For a narrow range between them.",
                    optional=True,
                    advanced=True,
                ),
            ],
            outputs=[field_output()],
        )

    @classmethod
    @named
    def execute(
        cls,
        depth: Tensor | dict[str, Any],
        near_is: str,
        band: dict[str, Any],
        near_feather: float,
        far_feather: float,
        falloff: str,
        gamma: float,
        invert: bool,
        normalize: str,
        normalize_over: str,
        range_low: float,
        range_high: float,
        clip_percent: float,
        sky: str,
        holes: str,
        image: Tensor | None = None,
        skip_outlines: bool = False,
    ) -> io.NodeOutput:
        values, heavens, drawn = depth_from(depth, near_is)
        chosen = {key: number for key, number in band.items() if key != "band"}
        field = field_from_depth(
            for_work(values),
            near_is=drawn,
            **chosen,
            near_feather=near_feather,
            far_feather=far_feather,
            falloff=falloff,
            gamma=gamma,
            invert=invert,
            normalize=normalize,
            normalize_over=normalize_over,
            value_range=(range_low, range_high),
            clip_percent=clip_percent,
            sky=None if heavens is None else for_work(heavens),
            sky_strength=SKIES[sky],
            holes=holes,
            image=None if image is None else for_work(image),
            skip_outlines=skip_outlines,
        )
        _warn_of_bands(values, field)
        return io.NodeOutput(for_user(field))


def _depth_value(id: str, default: float) -> io.Float.Input:
    return io.Float.Input(
        id,
        default=default,
        min=-1e6,
        max=1e6,
        step=0.01,
        tooltip="A value of the depth map itself; used when normalize_over is range.",
        advanced=True,
    )


def depth_from(depth: Tensor | dict[str, Any], near_is: str) -> tuple[Tensor, Tensor | None, str]:
    """Depth (B, H, W) of any source, its sky mask where it has one, and how nearness is drawn."""
    sky = None
    if isinstance(depth, dict):
        if depth.get("depth") is None:
            raise InputError(
                "the geometry holds no depth. Connect one with depth, or a depth picture."
            )
        sky = depth.get("sky")
        values = depth["depth"]
    else:
        values = depth
    if values.ndim == 4 and values.shape[-1] in (1, 3, 4):
        values = values[..., :3].mean(dim=-1)
    if near_is == "auto":
        near_is = "black" if isinstance(depth, dict) else "white"
    return values, sky, near_is


def _warn_of_bands(depth: Tensor, field: Tensor) -> None:
    if not is_coarse(depth):
        return
    seen = resize_nearest(field.to(depth.device), (int(depth.shape[-2]), int(depth.shape[-1])))
    fewest, jump = depth_levels(depth, seen)
    if fewest <= FEW_LEVELS and jump > _BANDS_FROM:
        logging.warning(
            "Field from Depth: the depth map has only %d levels, and the strength jumps by %.0f %% "
            "between two of them, which may show as bands. Use 16-bit or float depth, or a longer "
            "feather.",
            fewest,
            100 * jump,
        )


class FieldFromDistance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_FieldFromDistance",
            display_name="Field from Distance",
            category="region fields/field",
            description=(
                "Strength by exact distance to an anchor: a mask, regions, a box or points."
            ),
            search_aliases=["distance transform", "gradient mask", "falloff", "feather", "glow"],
            inputs=[
                io.MultiType.Input(
                    "anchor",
                    [io.Mask, RegionsType, io.BoundingBox],
                    optional=True,
                    tooltip=(
                        "What distance is measured from: a mask for each image, the union of "
                        "regions, or a box. Leave it open and give points instead."
                    ),
                ),
                io.String.Input(
                    "points",
                    default="",
                    tooltip=f"Used without an anchor: {POINTS_FORM}.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The picture. Needed with points, a box, or a path round its edges.",
                ),
                io.Combo.Input(
                    "side",
                    options=list(SIDES),
                    tooltip=(
                        "outside: strength falls off away from the anchor. inside: it rises from "
                        "the anchor's outline inwards. signed: it rises across the outline."
                    ),
                ),
                pixels(
                    "inner_radius",
                    0.0,
                    "outside: full strength up to this distance. inside: none up to this distance "
                    "from the outline. signed: full from this distance inside the outline on.",
                ),
                pixels(
                    "outer_radius",
                    100.0,
                    "outside: no strength from this distance on. inside: full from this distance "
                    "on. signed: none from this distance outside the outline on.",
                ),
                io.Combo.Input(
                    "units",
                    options=list(UNITS),
                    tooltip="Radii in pixels, or in % of the picture's shorter side.",
                ),
                *falloff_inputs(),
                unit(
                    "default_outside",
                    0.0,
                    "The strength beyond the anchor's reach, and everywhere if the anchor is "
                    "empty.",
                    advanced=True,
                ),
                choice(
                    "path",
                    PATHS,
                    "How distance is measured: straight, or round the edges of the picture, of "
                    "depth, or of both, so that it doesn't leak over them.",
                ),
                number(
                    "image_cost",
                    500,
                    0,
                    1e6,
                    10,
                    "What an edge from black to white adds to the way across it, in thousandths "
                    "of the picture's shorter side; a fainter edge adds less in proportion.",
                    advanced=True,
                ),
                number(
                    "depth_cost",
                    500,
                    0,
                    1e6,
                    10,
                    "What a step from nearest to farthest adds to the way across it, in "
                    "thousandths of the picture's shorter side; a smaller step adds less in "
                    "proportion.",
                    advanced=True,
                ),
                depth_input("For a path round the edges of depth.", optional=True),
            ],
            outputs=[
                field_output(),
                DistanceType.Output(
                    display_name="distance", tooltip="The distance itself, in pixels, not limited."
                ),
            ],
        )

    @classmethod
    @named
    def execute(
        cls,
        side: str,
        inner_radius: float,
        outer_radius: float,
        units: str,
        falloff: str,
        gamma: float,
        invert: bool,
        default_outside: float,
        path: str,
        image_cost: float,
        depth_cost: float,
        points: str = "",
        anchor: Any = None,
        image: Tensor | None = None,
        depth: Any = None,
    ) -> io.NodeOutput:
        size = None if image is None else (int(image.shape[1]), int(image.shape[2]))
        source = anchor_from(anchor, points, size)
        look = {"falloff": falloff, "gamma": gamma, "invert": invert}
        reach = {"inner_radius": inner_radius, "outer_radius": outer_radius, "units": units}
        guides = _guides(path, image, depth, image_cost, depth_cost)
        fields, raw = [], []
        for i, part in enumerate(source):
            # One batch of masks goes in whole, other anchors image by image.
            guide = guides if len(source) == 1 else _frame_of(guides, i, len(source))
            way = {"size": size, "side": side, **guide}
            raw.append(distance_from(part, **way))
            fields.append(
                strength_at(raw[-1], side=side, **reach, **look, default_outside=default_outside)
            )
        return io.NodeOutput(for_user(torch.cat(fields)), for_user(torch.cat(raw)))


def _guides(
    path: str, image: Tensor | None, depth: Any, image_cost: float, depth_cost: float
) -> dict[str, Any]:
    """What bends the way, as the engine takes it; nothing for a straight one."""
    guides: dict[str, Any] = {}
    if path in ("round image edges", "round both"):
        if image is None:
            raise InputError("a path round the picture's edges needs the picture. Connect image.")
        guides |= {"image": for_work(image), "image_cost": image_cost}
    if path in ("round depth edges", "round both"):
        if depth is None:
            raise InputError("a path round the edges of depth needs depth. Connect it.")
        guides |= {"depth": for_work(depth_from(depth, "auto")[0]), "depth_cost": depth_cost}
    return guides


def _frame_of(guides: dict[str, Any], index: int, count: int) -> dict[str, Any]:
    """The guides of one image of `count`."""
    return {
        name: of_frame(value, index, count, name)[None] if isinstance(value, Tensor) else value
        for name, value in guides.items()
    }


def anchor_from(anchor: Any, points: str, size: tuple[int, int] | None) -> list[Any]:
    """What the engine measures from, one for each image or one for all."""
    if anchor is None:
        listed = read_points(points)
        if not listed:
            raise InputError(f"connect an anchor, or write points as {POINTS_FORM}.")
        if size is None:
            raise InputError("points need to know how large the picture is. Connect image.")
        return [listed]
    if isinstance(anchor, Tensor):
        return [for_work(anchor)]
    if not isinstance(anchor, dict) and anchor and isinstance(anchor[0], Regions):
        check_one_size(frame.size for frame in anchor)
        return list(anchor)
    if size is None:
        raise InputError("a box needs to know how large the picture is. Connect image.")
    return [for_work(from_boxes(boxes, size).union()[None]) for boxes in boxes_by_frame(anchor)]


class CombineFields(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_CombineFields",
            display_name="Combine Fields",
            category="region fields/field",
            description="Several strength fields into one.",
            search_aliases=["multiply masks", "mask math", "add masks", "intersect", "blend masks"],
            inputs=[
                fields_input(
                    "Two fields or more; masks will do.", "A strength field or any mask.", 2, 16
                ),
                io.Combo.Input(
                    "mode",
                    options=list(COMBINE_MODES),
                    tooltip=(
                        "multiply: strong where all are. min, max: the weakest, the strongest. "
                        "smooth_min, smooth_max: the same without a crease. mean: the average. "
                        "screen: strong where any is. add: the sum, up to 1. subtract: the first "
                        "less the others, down to 0."
                    ),
                ),
                unit("amount", 1.0, "0 leaves the first field, 1 is the combination."),
                io.Float.Input(
                    "softness",
                    default=0.1,
                    min=0.001,
                    max=10.0,
                    step=0.01,
                    tooltip="How round smooth_max and smooth_min are, in strength.",
                    advanced=True,
                ),
                io.Boolean.Input("invert", default=False, tooltip="1 minus the result."),
            ],
            outputs=[field_output()],
        )

    @classmethod
    @named
    def execute(
        cls, fields: dict[str, Tensor], mode: str, amount: float, softness: float, invert: bool
    ) -> io.NodeOutput:
        combined = combine_fields(
            [for_work(field) for field in fields_in_order(fields)],
            mode=mode,
            amount=amount,
            softness=softness,
            invert=invert,
        )
        return io.NodeOutput(for_user(combined))
