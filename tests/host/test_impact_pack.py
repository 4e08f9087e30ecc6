"""SEGS with the Impact Pack itself: its nodes on ours, ours on its own.

IMPACT_PACK_DIR names a checkout of ltdrdata/ComfyUI-Impact-Pack whose requirements are installed
where ComfyUI runs. Without it these tests are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from comfy_server import Call, Checkout, Host, regions_wire, start, stop
from region_fields.engine import Regions

pytestmark = pytest.mark.host

HEIGHT, WIDTH = 67, 105
y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
MASKS = torch.stack(
    [
        (y - 30) ** 2 + (x - 30) ** 2 < 20**2,
        (y < 20) & (x > 80),  # in a corner
        ((y - 45) ** 2 + (x - 75) ** 2 < 15**2) & ((y - 45) ** 2 + (x - 75) ** 2 > 5**2),
        (y > 60) & ((x < 10) | (x > 99)),  # two parts
    ]
)
NAMED = {"labels": ["ball", "corner", "ring", ""], "scores": [0.9, 0.8, 0.7, 0.6]}
REGIONS = Regions.from_masks(MASKS, NAMED["scores"], NAMED["labels"])
IMAGE = torch.rand(1, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(0))


class Impact:
    """ComfyUI with the Impact Pack beside this one."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def node(self, node_id: str, slot: int = 0, **given: Any) -> Call:
        """One of its nodes, with its own defaults for what isn't given."""
        inputs = {}
        for name, (kind, *more) in self.host.object_info()[node_id]["input"]["required"].items():
            if isinstance(kind, list):
                inputs[name] = kind[0]
            elif more and "default" in more[0]:
                inputs[name] = more[0]["default"]
        return Call(node_id, inputs | given, slot)

    def run(self, node_id: str, **given: Any) -> Any:
        """Its first output."""
        found = self.host.chain(self.node(node_id, **given))
        return found[self.host.object_info()[node_id]["output_name"][0]]

    def regions(self, segs: Call) -> Regions:
        return self.host.chain(Call("RegionFields_SEGSToRegions", {"segs": segs}))["regions"][0]


@pytest.fixture(scope="module")
def impact(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Impact]:
    folder = os.environ.get("IMPACT_PACK_DIR")
    if not folder:
        pytest.skip("set IMPACT_PACK_DIR to a checkout of the Impact Pack")
    packs = {"ComfyUI-Impact-Pack": Path(folder)}
    host = start(checkout, tmp_path_factory.mktemp("comfyui"), more_packs=packs)
    yield Impact(host)
    stop(host)


@pytest.fixture(params=[(1.0, False), (2.5, True)], ids=["tight", "wide, with crops"])
def segs(request: pytest.FixtureRequest) -> Call:
    factor, with_image = request.param
    sent = {"regions": regions_wire({"masks": MASKS, **NAMED}), "crop_factor": factor}
    return Call("RegionFields_RegionsToSEGS", sent | ({"image": IMAGE} if with_image else {}))


def test_its_nodes_see_the_masks(impact: Impact, segs: Call):
    assert torch.equal(impact.run("SegsToCombinedMask", segs=segs)[0] > 0.5, REGIONS.union())
    assert torch.equal(impact.run("ImpactSEGSToMaskBatch", segs=segs) > 0.5, REGIONS.masks)
    listed = impact.run("ImpactSEGSToMaskList", segs=segs)
    assert torch.equal(torch.stack(listed).reshape(REGIONS.masks.shape) > 0.5, REGIONS.masks)
    assert impact.run("ImpactCount_Elts_in_SEGS", segs=segs) == len(REGIONS)


UNCHANGED = {
    "ImpactSEGSPicker": {"picks": "1,2,3,4", "fallback_image_opt": IMAGE},
    "ImpactControlNetClearSEGS": {},
    "SetDefaultImageForSEGS": {"image": IMAGE},
    "RemoveImageFromSEGS": {},
    "ImpactSEGSRangeFilter": {"min_value": 1, "max_value": 10**6},
}


@pytest.mark.parametrize("node_id", UNCHANGED)
def test_what_passes_through_its_nodes_comes_back_the_same(impact: Impact, segs: Call, node_id):
    back = impact.regions(impact.node(node_id, segs=segs, **UNCHANGED[node_id]))
    assert torch.equal(back.masks, REGIONS.masks)
    assert back.labels == REGIONS.labels
    assert torch.equal(back.scores, REGIONS.scores)


def test_taken_apart_edited_and_put_together_they_are_the_same(impact: Impact, segs: Call):
    part = impact.node("ImpactDecomposeSEGS", 1, segs=segs)
    edited = impact.node("ImpactEdit_SEG_ELT", seg_elt=part)
    header = impact.node("ImpactDecomposeSEGS", segs=segs)
    back = impact.regions(impact.node("ImpactAssembleSEGS", seg_header=header, seg_elt=edited))
    assert torch.equal(back.masks, REGIONS.masks)


def test_its_filters_choose_by_label_size_and_confidence(impact: Impact, segs: Call):
    named = impact.node("ImpactSEGSLabelFilter", segs=segs, preset="all", labels="ball,ring")
    assert impact.regions(named).labels == ("ball", "ring")
    best = {"target": "confidence", "order": True, "take_count": 2}
    assert impact.regions(impact.node("ImpactSEGSOrderedFilter", segs=segs, **best)).labels == (
        "ball",
        "corner",
    )
    assigned = impact.node("ImpactSEGSLabelAssign", segs=segs, labels="a,b,c,d")
    assert impact.regions(assigned).labels == ("a", "b", "c", "d")


def test_its_operations_work_on_them(impact: Impact, segs: Call):
    shared = impact.node("ImpactSegsAndMask", segs=segs, mask=MASKS[:1].float())
    assert torch.equal(impact.regions(shared).union(), MASKS[0])
    merged = impact.regions(impact.node("ImpactSEGSMerge", segs=segs))
    assert torch.equal(merged.masks[0], REGIONS.union())
    twice = impact.regions(impact.node("ImpactSEGSConcat", segs1=segs, segs2=segs))
    assert len(twice) == 2 * len(REGIONS)
    wider = impact.regions(impact.node("ImpactDilateMaskInSEGS", segs=segs, dilation=3))
    assert bool((wider.union() | ~REGIONS.union()).all())
    assert len(impact.run("SEGSPreview", segs=segs, fallback_image_opt=IMAGE)) == len(REGIONS)


def test_its_detailers_change_the_regions_pixels_alone(impact: Impact, segs: Call):
    wanted = torch.where(REGIONS.union()[..., None], 1 - IMAGE, IMAGE)
    model, clip, vae, words, pipe = (Call("Probe_Inverter", {}, slot) for slot in range(5))
    parts = {"model": model, "clip": clip, "vae": vae, "positive": words, "negative": words}
    one = impact.run("DetailerForEach", image=IMAGE, segs=segs, feather=0, wildcard="", **parts)
    torch.testing.assert_close(one, wanted)
    detailed = impact.node("SEGSDetailer", image=IMAGE, segs=segs, basic_pipe=pipe)
    pasted = impact.run("SEGSPaste", image=IMAGE, segs=detailed, feather=0)
    torch.testing.assert_close(pasted, wanted)


@pytest.mark.parametrize("combined", [True, False])
@pytest.mark.parametrize("fill", [True, False])
@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_its_own_segs_become_regions(impact: Impact, combined, fill, factor):
    sent = {"combined": combined, "crop_factor": factor, "bbox_fill": fill, "drop_size": 1}
    made = impact.node("MaskToSEGS", mask=REGIONS.union()[None].float(), **sent)
    seen = impact.run("SegsToCombinedMask", segs=made)
    assert torch.equal(impact.regions(made).union(), seen.reshape(HEIGHT, WIDTH) > 0.5)


def test_segs_of_several_frames_and_tiles_become_regions(impact: Impact):
    sent = {"mask": MASKS.float(), "combined": True, "crop_factor": 2.0}
    frames = impact.regions(impact.node("MaskToSEGS_for_AnimateDiff", **sent))
    assert torch.equal(frames.union(), REGIONS.union())
    tiles = impact.regions(impact.node("ImpactMakeTileSEGS", images=IMAGE, bbox_size=64))
    assert bool(tiles.union().all())


def test_no_regions_are_no_segs(impact: Impact):
    none = regions_wire({"masks": torch.zeros(0, HEIGHT, WIDTH, dtype=torch.bool)})
    sent = Call("RegionFields_RegionsToSEGS", {"regions": none, "crop_factor": 1.0})
    assert not impact.run("SegsToCombinedMask", segs=sent).any()
    assert impact.run("ImpactIsNotEmptySEGS", segs=sent) is False
    assert len(impact.regions(sent)) == 0
