"""What a user can wire up wrong ends in one sentence that begins with the node's name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comfy_server import Host, HostError, regions_wire

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
    "Soft Shares of Regions": ("SoftShares", {"regions": TWO_SIZES}),
    "Regions to Masks": ("RegionsToMasks", {"regions": TWO_SIZES}),
    "Field from Distance": ("FieldFromDistance", {"anchor": TWO_SIZES}),
}


@pytest.mark.parametrize("name", OF_SEVERAL_SIZES)
def test_regions_of_several_sizes_make_no_batch(host: Host, name: str):
    node, inputs = OF_SEVERAL_SIZES[name]
    told = refusal(host, node, **inputs)
    assert told.startswith(f"{name}: the images have 2 sizes, but a batch has one.")
