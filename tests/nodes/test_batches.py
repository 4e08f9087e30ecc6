"""Batch = loop through every node, and the order of masks never matters; in a real ComfyUI."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comfy_server import Host, Wire, regions_wire
from region_fields.engine import Regions
from torch import Tensor

pytestmark = pytest.mark.host

SIZE = (24, 32)


def blobs(seed: int, count: int = 5) -> Tensor:
    """`count` overlapping rectangles, bool (N, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros((count, *SIZE), dtype=torch.bool)
    for mask in masks:
        top, left = (int(torch.randint(0, side - 8, (), generator=generator)) for side in SIZE)
        high, wide = torch.randint(3, 14, (2,), generator=generator).tolist()
        mask[top : top + high, left : left + wide] = True
    return masks


def smooth(seed: int, count: int) -> Tensor:
    """Smooth random planes, float32 (N, H, W) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((count, 1, 4, 4), generator=generator)
    planes = torch.nn.functional.interpolate(coarse, SIZE, mode="bilinear", align_corners=True)
    return planes[:, 0].contiguous()


IMAGES = smooth(1, 6).view(2, 3, *SIZE).movedim(1, -1).contiguous()
OTHERS = smooth(2, 6).view(2, 3, *SIZE).movedim(1, -1).contiguous()
FIELDS = smooth(3, 2)
DEPTHS = smooth(4, 2)
SETS = [blobs(5), blobs(6)]
LABELS = (FIELDS * 4).floor()
BOXES = [
    {"x": 2, "y": 3, "width": 9, "height": 8, "label": "a"},
    {"x": 12, "y": 5, "width": 7, "height": 15, "label": "b"},
]

FROM_DEPTH = {
    "near_is": "auto",
    "band": "near and far",
    "band.near": 0.1,
    "band.far": 0.4,
    "near_feather": 0.2,
    "far_feather": 0.3,
    "falloff": "smoothstep",
    "gamma": 1.0,
    "invert": False,
    "normalize": "linear",
    "normalize_over": "frame",
    "range_low": 0.0,
    "range_high": 1.0,
    "clip_percent": 0.0,
    "sky": "as the farthest",
    "holes": "nearest",
}
FROM_DISTANCE = {
    "points": "",
    "side": "outside",
    "inner_radius": 1.0,
    "outer_radius": 12.0,
    "units": "pixels",
    "falloff": "smoothstep",
    "gamma": 1.0,
    "invert": False,
    "default_outside": 0.0,
    "path": "straight",
    "image_cost": 500.0,
    "depth_cost": 500.0,
}
WAND = {
    "point": "9, 7",
    "tolerance": 0.2,
    "contiguous": True,
    "antialias": True,
    "sample": 1,
}
SELECT = {
    "count": 2,
    "point": "8, 8",
    "label": "",
    "color": "#ff8800",
    "then_by": "none",
    "near_is": "auto",
}
SORT = {**SELECT, "count": 4, "reverse": False, "renumber": True}
SHARES = {"width": 3.0, "count": 3, "rest": "own share"}
FILL = {
    "method": "edges",
    "overlaps": "nearest_depth",
    "max_gap": 0.0,
    "min_gap_area": 0,
    "image_cost": 100.0,
    "near_is": "auto",
}
COMBINE = {"mode": "screen", "amount": 0.8, "softness": 0.1, "invert": False}
PREVIEW = {
    "opacity": 0.5,
    "outlines": True,
    "ids": True,
    "labels": False,
    "only_uncovered": False,
}
RAMP = {"falloff": "smoothstep", "gamma": 1.0, "invert": False}
SHAPE = {
    "shape": "superellipse",
    "center_x": 0.4,
    "center_y": 0.6,
    "angle": 20.0,
    "inner_radius": 20.0,
    "outer_radius": 60.0,
    "units": "percent",
    "aspect": 1.5,
    "roundness": 0.5,
    "inner_angle": 0.0,
    "outer_angle": 180.0,
    **RAMP,
}
SPACE = {
    "point": "9, 7",
    "inner_radius": 1.0,
    "outer_radius": 60.0,
    "units": "percent",
    "fov_degrees": 60.0,
    **RAMP,
}
RANGE = {
    "channel": "luminance",
    "low": 0.4,
    "high": 0.7,
    "low_feather": 0.2,
    "high_feather": 0.1,
    **RAMP,
}
BLEND = {
    "strengths": "by depth",
    "first": 1.0,
    "last": 0.0,
    "values": "",
    "width": 4.0,
    "method": "partition",
    "outside": "reach over",
    "default_outside": 0.0,
    "edge_contrast": 0.05,
    "near_is": "auto",
}
CURVE = {
    "preset": "bell",
    "gamma": 1.2,
    "in_low": 0.1,
    "in_high": 0.9,
    "out_low": 0.0,
    "out_high": 1.0,
    "invert": True,
}
FILTER = {
    "min_area": 20.0,
    "max_area": 0.0,
    "area_units": "pixels",
    "min_score": 0.0,
    "min_stability": 0.0,
    "min_elongation": 1.0,
    "max_elongation": 0.0,
    "border": "drop",
    "min_overlap": 0.1,
    "max_overlap": 1.0,
}
GRADE = {"exposure": 1.0, "temperature": 0.3, "saturation": 0.5, "hue": 20.0, "gamma": 1.2}
LIGHT = {
    "azimuth": 120.0,
    "elevation": 30.0,
    "color": "#ffd9a6",
    "intensity": 1.5,
    "ambient": 0.3,
    "relief": 0.3,
    "near_is": "auto",
}
HEAT = {"opacity": 0.7, "contours": 3, "zebra": True}


class Each:
    """An input with one part for each image of a batch."""

    def __init__(self, whole: Any, parts: list[Any]) -> None:
        self.whole, self.parts = whole, parts


def images(batch: Tensor) -> Each:
    return Each(batch, [batch[i : i + 1] for i in range(len(batch))])


def sets(*masks: Tensor) -> Each:
    frames = [{"masks": each} for each in masks]
    return Each(regions_wire(*frames), [regions_wire(frame) for frame in frames])


BATCHED = {
    "RegionFields_FieldFromDepth": {"depth": images(DEPTHS), **FROM_DEPTH},
    "RegionFields_FieldFromDistance": {
        "anchor": images((FIELDS > 0.6).float()),
        "image": images(IMAGES),
        "depth": images(DEPTHS),
        **FROM_DISTANCE,
        "path": "round both",
    },
    "RegionFields_CombineFields": {
        "fields.field0": images(FIELDS),
        "fields.field1": images(DEPTHS),
        **COMBINE,
    },
    "RegionFields_CompositeByField": {
        "base": images(IMAGES),
        "effect": images(OTHERS),
        "field": images(FIELDS),
        "space": "linear",
    },
    "RegionFields_SelectRegions": {
        "regions": sets(*SETS),
        "by": "nearest_in_depth",
        "depth": images(DEPTHS),
        **SELECT,
    },
    "RegionFields_SortRegions": {
        "regions": sets(*SETS),
        "by": "farthest_in_depth",
        "depth": images(DEPTHS),
        **SORT,
    },
    "RegionFields_SelectSubject": {"regions": sets(*SETS)},
    "RegionFields_SoftShares": {"regions": sets(*SETS), **SHARES},
    "RegionFields_MeasureCoverage": {"regions": sets(*SETS)},
    "RegionFields_FillCoverage": {
        "regions": sets(*SETS),
        **FILL,
        "image": images(IMAGES),
        "depth": images(DEPTHS),
    },
    "RegionFields_FieldFromShape": {"image": images(IMAGES), **SHAPE},
    "RegionFields_FieldFrom3DPoint": {"geometry": images(DEPTHS + 1), **SPACE},
    "RegionFields_FieldFromImageRange": {"image": images(IMAGES), **RANGE},
    "RegionFields_BlendRegionStrengths": {
        "regions": sets(*SETS),
        "depth": images(DEPTHS),
        **BLEND,
    },
    "RegionFields_FieldCurve": {"field": images(FIELDS), **CURVE},
    "RegionFields_SnapField": {
        "field": images(FIELDS),
        "image": images(IMAGES),
        "radius": 4,
        "edge_contrast": 0.05,
        "amount": 0.9,
    },
    "RegionFields_RegionalWeights": {
        "fields.field0": images(FIELDS),
        "fields.field1": images(DEPTHS),
        "background": True,
    },
    "RegionFields_SplitDenoise": {"field": images(FIELDS), "grow": 2.0, "feather": 3.0},
    "RegionFields_GradeByField": {"image": images(IMAGES), "field": images(FIELDS), **GRADE},
    "RegionFields_HazeByField": {
        "image": images(IMAGES),
        "field": images(FIELDS),
        "color": "#bfcce0",
        "density": 2.0,
    },
    "RegionFields_BlurByField": {
        "image": images(IMAGES),
        "field": images(FIELDS),
        "depth": images(DEPTHS),
        "radius": 4.0,
        "kind": "disc",
        "near_is": "auto",
    },
    "RegionFields_RelightByField": {
        "image": images(IMAGES),
        "field": images(FIELDS),
        "depth": images(DEPTHS),
        **LIGHT,
    },
    "RegionFields_FilterRegions": {"regions": sets(*SETS), "mask": images(FIELDS), **FILTER},
    "RegionFields_RemoveDuplicates": {"regions": sets(*SETS), "iou": 0.2},
    "RegionFields_MagicWand": {"image": images(IMAGES), **WAND},
    "RegionFields_CompareMasks": {
        "one": images((FIELDS > 0.5).float()),
        "other": images((DEPTHS > 0.5).float()),
        "tolerance": 1.0,
    },
    "RegionFields_CombineRegions": {
        "regions": sets(*SETS),
        "mask": images((FIELDS > 0.5).float()),
        "mode": "subtract",
    },
    "RegionFields_MergeRegions": {"regions": sets(*SETS), "label": "all"},
    "RegionFields_SplitIslands": {"regions": sets(*SETS), "min_area": 1, "connectivity": "8"},
    "RegionFields_CleanRegions": {"regions": sets(*SETS), "holes": 10, "specks": 4},
    "RegionFields_GrowRegions": {"regions": sets(*SETS), "pixels": -1.0},
    "RegionFields_SmoothRegions": {"regions": sets(*SETS), "radius": 2.0},
    "RegionFields_FeatherRegions": {"regions": sets(*SETS), "inside": 2.0, "outside": 3.0},
    "RegionFields_SnapRegions": {
        "regions": sets(*SETS),
        "image": images(IMAGES),
        "radius": 3,
        "edge_contrast": 0.02,
    },
    "RegionFields_NestRegions": {"regions": sets(*SETS), "inside": 0.5},
    "RegionFields_BoxesToRegions": {
        "image": images(IMAGES),
        "bboxes": Each(Wire([[BOXES[0]], [BOXES[1]]]), [Wire([[box]]) for box in BOXES]),
    },
    "RegionFields_RegionsToLayers": {"regions": sets(*SETS), "image": images(IMAGES)},
    "RegionFields_RegionsToLabelMap": {"regions": sets(*SETS), "overlaps": "smallest"},
    "RegionFields_LabelMapToRegions": {"map": images(LABELS / 65535)},
    "RegionFields_RegionsToSEGS": {
        "regions": sets(*SETS),
        "image": images(IMAGES),
        "crop_factor": 1.5,
    },
    "RegionFields_PreviewRegions": {"regions": sets(*SETS), "image": images(IMAGES), **PREVIEW},
    "RegionFields_PreviewField": {"field": images(FIELDS), "image": images(IMAGES), **HEAT},
    "RegionFields_RegionsToMasks": {"regions": sets(*SETS)},
    "RegionFields_MasksToRegions": {
        "masks": images(FIELDS),
        "belong": "one to each image",
        "threshold": 0.5,
        "invert": False,
        "labels": "",
    },
}


def joined(name: str, parts: list[Any]) -> Any:
    """Outputs called `name` of single runs, put together as a batch gives them."""
    if isinstance(parts[0], Tensor):
        return torch.cat(parts)
    if name == "weights":
        return [torch.cat(each) for each in zip(*parts, strict=True)]
    if isinstance(parts[0], list):
        return [item for part in parts for item in part]
    if isinstance(parts[0], float):
        return sum(parts) / len(parts)
    if isinstance(parts[0], int):
        return sum(parts)
    return "\n".join(part for part in parts if part)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, Regions):
        return a.equals(b)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


@pytest.mark.parametrize("node_id", BATCHED)
def test_a_batch_gives_what_its_images_give_one_by_one(host: Host, node_id: str):
    inputs = BATCHED[node_id]
    whole = {k: v.whole if isinstance(v, Each) else v for k, v in inputs.items()}
    singles = [
        {k: v.parts[i] if isinstance(v, Each) else v for k, v in inputs.items()} for i in range(2)
    ]
    together = host.call(node_id, **whole)
    apart = [host.call(node_id, **single) for single in singles]
    for name, value in together.items():
        if name != "ui":
            assert same(value, joined(name, [one[name] for one in apart])), name


def test_a_table_of_a_batch_has_one_heading_and_numbers_the_images(host: Host):
    first, second = (
        host.call("RegionFields_RegionTable", regions=sets(one).parts[0])["text"].split("\n")
        for one in SETS
    )
    (head, *rows) = host.call("RegionFields_RegionTable", regions=sets(*SETS).whole)["text"].split(
        "\n"
    )
    assert head == f"image {first[0]}"
    assert rows == [
        *(f"    1 {row}" for row in first[1:]),
        *(f"    2 {row}" for row in second[1:]),
    ]


ORDERED = {
    "RegionFields_SelectRegions": {"by": "most_central", **SELECT},
    "RegionFields_SortRegions": {"by": "nearest_point", **SORT},
    "RegionFields_SelectSubject": {},
    "RegionFields_SoftShares": SHARES,
    "RegionFields_SaveRegions": {"filename_prefix": "order/set", "format": "folder"},
    "RegionFields_MeasureCoverage": {},
    "RegionFields_FillCoverage": FILL | {"method": "nearest", "overlaps": "smallest"},
    "RegionFields_BlendRegionStrengths": BLEND | {"strengths": "by area"},
    "RegionFields_FilterRegions": FILTER | {"min_overlap": 0.0},
    "RegionFields_RemoveDuplicates": {"iou": 0.2},
    "RegionFields_RegionTable": {},
    "RegionFields_CombineRegions": {"mode": "exclude", "mask": (FIELDS[:1] > 0.5).float()},
    "RegionFields_MergeRegions": {"label": "all"},
    "RegionFields_SplitIslands": {"min_area": 1, "connectivity": "4"},
    "RegionFields_CleanRegions": {"holes": -1, "specks": 4},
    "RegionFields_GrowRegions": {"pixels": 3.0},
    "RegionFields_SmoothRegions": {"radius": 2.0},
    "RegionFields_FeatherRegions": {"inside": 2.0, "outside": 3.0},
    "RegionFields_SnapRegions": {"image": IMAGES[:1], "radius": 3, "edge_contrast": 0.02},
    "RegionFields_NestRegions": {"inside": 0.5},
    "RegionFields_MeasureField": {
        "field": FIELDS[:1],
        "feather": 4.0,
        "falloff": "smoothstep",
        "latent_scale": 8,
        "steps": 20,
    },
    "RegionFields_CompareMasks": {"other": (FIELDS[:1] > 0.5).float(), "tolerance": 1.0},
    "RegionFields_CropRegions": {"image": IMAGES[:1], "padding": 2},
    "RegionFields_RegionsToLayers": {"image": IMAGES[:1]},
    "RegionFields_RegionsToLabelMap": {"overlaps": "largest"},
    "RegionFields_RegionsToSEGS": {"image": IMAGES[:1], "crop_factor": 1.5},
    "RegionFields_RegionsToCOCO": {"file_names": ""},
    "RegionFields_NameRegions": {"labels": "a\nb\nc\nd\ne"},
    "RegionFields_PreviewRegions": PREVIEW,
    "RegionFields_RegionsToMasks": {},
    "RegionFields_FieldFromDistance": {**FROM_DISTANCE},
    "RegionFields_MasksToRegions": {
        "belong": "all to one image",
        "threshold": 0.5,
        "invert": False,
        "labels": "",
    },
}


@pytest.mark.parametrize("node_id", ORDERED)
def test_the_order_of_masks_changes_nothing(host: Host, node_id: str):
    masks, shuffled = SETS[0], SETS[0][torch.tensor([3, 0, 4, 2, 1])]
    name = {
        "RegionFields_FieldFromDistance": "anchor",
        "RegionFields_MasksToRegions": "masks",
        "RegionFields_CompareMasks": "one",
    }.get(node_id, "regions")

    def run(given: Tensor) -> dict[str, Any]:
        value: Any = given.float()
        if node_id in ("RegionFields_FieldFromDistance", "RegionFields_CompareMasks"):
            value = regions_wire({"masks": given})
        found = host.call(node_id, **{name: value}, **ORDERED[node_id])
        if node_id == "RegionFields_SaveRegions":
            found = host.call("RegionFields_LoadRegions", path=found["path"][0])
        return found

    first, second = run(masks), run(shuffled)
    for key, value in first.items():
        if key != "ui":
            assert same(value, second[key]), key


def test_every_node_that_takes_regions_is_tried_in_another_order(host: Host):
    for node_id, info in host.object_info().items():
        groups = info["input"].get("required", {}) | info["input"].get("optional", {})
        if node_id.startswith("RegionFields_") and any(
            "REGIONS" in str(spec[0]).split(",") for spec in groups.values()
        ):
            assert node_id in ORDERED


# No batch goes in, or the test needs a model: see test_segment.py.
ELSEWHERE = {
    "RegionFields_LoadSam2",
    "RegionFields_SegmentEverything",
    "RegionFields_SegmentPrompts",
    # One table lists the whole batch: see the test of it above.
    "RegionFields_RegionTable",
    # Their batch is one thing: a clip, a data set, a set of crops. See test_exchange.py.
    "RegionFields_SmoothOverTime",
    "RegionFields_MeasureField",
    "RegionFields_NameRegions",
    "RegionFields_CropRegions",
    "RegionFields_PasteCrops",
    "RegionFields_RegionsToCOCO",
    "RegionFields_COCOToRegions",
    "RegionFields_SEGSToRegions",
    "RegionFields_SaveRegions",
    "RegionFields_LoadRegions",
    # These need a sampler's model or latent: see test_sampling.py.
    "RegionFields_FieldToDenoiseMask",
    "RegionFields_ResizeFieldToLatent",
}


def test_every_node_that_takes_a_batch_is_tried_with_one(host: Host):
    for node_id in host.object_info():
        if node_id.startswith("RegionFields_") and node_id not in ELSEWHERE:
            assert node_id in BATCHED


def test_an_input_is_left_as_it_was(host: Host):
    base = Wire(IMAGES.clone())
    field = torch.zeros(2, *SIZE)
    out = host.call(
        "RegionFields_CompositeByField", base=base, effect=OTHERS, field=field, space="linear"
    )
    assert torch.equal(out["image"], IMAGES)
