"""What a user can wire up wrong ends in one sentence that begins with the node's name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comfy_server import Host, HostError, Wire, regions_wire

pytestmark = pytest.mark.host

TWO_SIZES = regions_wire({"masks": torch.ones(1, 8, 9)}, {"masks": torch.ones(1, 5, 6)})
FIELDS = torch.rand(2, 8, 9, generator=torch.Generator().manual_seed(1))


def refusal(host: Host, node: str, **inputs: Any) -> str:
    """What a node says to `inputs`, its other widgets as they come."""
    node_id = f"RegionFields_{node}"
    widgets = {}
    for name, (kind, *rest) in host.object_info()[node_id]["input"]["required"].items():
        options = kind if isinstance(kind, list) else rest[0].get("options") if rest else None
        default = rest[0].get("default") if rest else None
        if default is not None or options:
            widgets[name] = options[0] if default is None else default
    with pytest.raises(HostError) as told:
        host.call(node_id, **{**widgets, **inputs})
    return str(told.value)


OF_SEVERAL_SIZES = {
    "Feather Regions": ("FeatherRegions", {"regions": TWO_SIZES}),
    "Blend Region Strengths": (
        "BlendRegionStrengths",
        {"regions": TWO_SIZES, "strengths": "by area"},
    ),
    "Preview Regions": ("PreviewRegions", {"regions": TWO_SIZES}),
    "Measure Field": ("MeasureField", {"regions": TWO_SIZES, "field": FIELDS}),
    "Regions to Label Map": ("RegionsToLabelMap", {"regions": TWO_SIZES}),
    "Regions to Masks": ("RegionsToMasks", {"regions": TWO_SIZES}),
    "Field from Distance": ("FieldFromDistance", {"anchor": TWO_SIZES}),
}


@pytest.mark.parametrize("name", OF_SEVERAL_SIZES)
def test_regions_of_several_sizes_make_no_batch(host: Host, name: str):
    node, inputs = OF_SEVERAL_SIZES[name]
    told = refusal(host, node, **inputs)
    assert told.startswith(f"{name}: the images have 2 sizes, but a batch has one.")


IMAGE = torch.zeros(1, 8, 9, 3)
PASTED = {
    "image": IMAGE,
    "crops": torch.ones(1, 2, 2, 3),
    "bboxes": Wire({"x": 0, "y": 0, "width": 2, "height": 2}),
}
NOTHING = Wire([], many=True)
BYTES = torch.full((1, 8, 9, 3), 200.0)
OTHERWISE = {
    "Masks to Regions: there are no masks": ("MasksToRegions", {"masks": NOTHING}),
    "Name Regions: 1 region but 0 labels": (
        "NameRegions",
        {"regions": torch.ones(1, 8, 9), "labels": NOTHING},
    ),
    "Paste Crops: the images have 2 sizes": (
        "PasteCrops",
        {**PASTED, "image": Wire([IMAGE, IMAGE[:, 1:]], many=True)},
    ),
    "Paste Crops: bboxes: wanted boxes": ("PasteCrops", {**PASTED, "bboxes": Wire(None)}),
    "Compare Masks: there are no images": (
        "CompareMasks",
        {"one": Wire([]), "other": torch.ones(1, 8, 9)},
    ),
    "Measure Coverage: there are no images": ("MeasureCoverage", {"regions": Wire([])}),
    "Select Regions: wanted a point x, y": (
        "SelectRegions",
        {"regions": torch.ones(1, 8, 9), "by": "nearest_point", "point": "1e9, 0"},
    ),
    "Paste Crops: Boxes: wanted x, y": ("PasteCrops", {**PASTED, "bboxes": Wire({"x": 1})}),
    "Preview Field: probe: wanted numbers that are finite": (
        "PreviewField",
        {"field": FIELDS, "probe": "[NaN, 1]"},
    ),
    "Field from Distance: points: wanted": (
        "FieldFromDistance",
        {"image": IMAGE, "points": "[" * 100000},
    ),
    "Crop Regions: image: wanted colours from 0 to 1, got values up to 200": (
        "CropRegions",
        {"regions": torch.ones(1, 8, 9), "image": BYTES},
    ),
    "Snap Regions to Image: image: wanted colours": (
        "SnapRegions",
        {"regions": torch.ones(1, 8, 9), "image": BYTES},
    ),
    "Preview Regions: image: wanted colours": (
        "PreviewRegions",
        {"regions": torch.ones(1, 8, 9), "image": BYTES},
    ),
    "Blur by Field: image: wanted colours": ("BlurByField", {"field": FIELDS, "image": BYTES}),
    "Load Regions: there are no regions at": ("LoadRegions", {"path": "a\0b"}),
    "Save Regions: filename_prefix: '../set' leads out": (
        "SaveRegions",
        {"regions": torch.ones(1, 8, 9), "filename_prefix": "../set"},
    ),
    "Haze by Field: color: wanted": (
        "HazeByField",
        {"image": IMAGE, "field": FIELDS, "color": "#+1+1+1"},
    ),
}


@pytest.mark.parametrize("words", OTHERWISE)
def test_what_is_wrong_is_said_in_one_sentence(host: Host, words: str):
    node, inputs = OTHERWISE[words]
    told = refusal(host, node, **inputs)
    assert told.startswith(words)
    assert len(told) < 400
