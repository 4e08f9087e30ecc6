"""What leaves the pack comes back the same; what is wrong is said with the node's name."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from comfy_server import Call, Host, HostError, Wire, regions_wire
from PIL import Image
from region_fields.engine import files

pytestmark = pytest.mark.host

MASKS = torch.zeros(3, 20, 30, dtype=torch.bool)
MASKS[0, 2:15, 3:20] = True
MASKS[1, 5:9, 22:28] = True
MASKS[2, 16:19, 0:12] = True
REGIONS = regions_wire({"masks": MASKS, "labels": ["wall", "lamp", "rug"]})
IMAGE = torch.rand(1, 20, 30, 3, generator=torch.Generator().manual_seed(3))


def test_coco_and_back_is_the_same(host: Host):
    sent = Call("RegionFields_RegionsToCOCO", {"regions": REGIONS, "file_names": "a.png"})
    (back,) = host.call("RegionFields_COCOToRegions", json=sent)["regions"]
    assert back.labels == ("wall", "rug", "lamp")
    assert torch.equal(back.masks, MASKS[torch.tensor([0, 2, 1])])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_is_what_pycocotools_reads(host: Host):
    from pycocotools import mask as coco

    found = host.call("RegionFields_RegionsToCOCO", regions=REGIONS, file_names="")
    first = json.loads(found["json"])["annotations"][0]
    assert coco.decode(first["segmentation"]).astype(bool).tolist() == MASKS[0].tolist()


def test_segs_and_back_is_the_same(host: Host):
    sent = Call("RegionFields_RegionsToSEGS", {"regions": REGIONS, "crop_factor": 1.3})
    (back,) = host.call("RegionFields_SEGSToRegions", segs=sent)["regions"]
    assert torch.equal(back.masks, MASKS[torch.tensor([0, 2, 1])])
    assert back.labels == ("wall", "rug", "lamp")


def test_colours_and_back_are_the_same_regions(host: Host):
    sent = Call("RegionFields_RegionsToLabelMap", {"regions": REGIONS, "overlaps": "smallest"}, 1)
    (back,) = host.call("RegionFields_LabelMapToRegions", map=sent)["regions"]
    assert torch.equal(back.masks, MASKS[torch.tensor([0, 2, 1])])


@pytest.mark.parametrize("slot", [0, 2])
def test_numbers_and_back_are_the_same_also_of_a_single_region(host: Host, slot: int):
    for count in (1, 3):
        some = regions_wire({"masks": MASKS[:count]})
        inputs = {"regions": some, "overlaps": "smallest"}
        sent = Call("RegionFields_RegionsToLabelMap", inputs, slot)
        (back,) = host.call("RegionFields_LabelMapToRegions", map=sent)["regions"]
        assert back.ids.tolist() == list(range(1, count + 1))


def test_crops_pasted_back_leave_the_picture_as_it_was(host: Host):
    crops = Call("RegionFields_CropRegions", {"regions": REGIONS, "image": IMAGE, "padding": 2})
    back = host.call(
        "RegionFields_PasteCrops",
        image=IMAGE,
        crops=crops,
        bboxes=Call(crops.node_id, crops.inputs, 2),
        masks=Call(crops.node_id, crops.inputs, 1),
    )
    assert torch.equal(back["image"], IMAGE)


def test_names_go_to_the_regions_in_canonical_order(host: Host):
    found = host.call("RegionFields_NameRegions", regions=MASKS.float(), labels="big\nflat\nsmall")
    assert found["regions"][0].labels == ("big", "flat", "small")


def test_layers_are_one_where_transparent(host: Host):
    (layers,) = host.call("RegionFields_RegionsToLayers", regions=REGIONS, image=IMAGE)["layers"]
    assert layers["canvas"] == [30, 20]
    assert [layer["name"] for layer in layers["layers"]] == ["wall", "rug", "lamp"]
    assert all(float(layer["mask"].max()) == 0 for layer in layers["layers"])


def test_an_empty_mask_of_64_pixels_means_no_region(host: Host):
    """Load Image gives it for a picture without alpha."""
    none = torch.zeros(1, 64, 64)
    found = host.call("RegionFields_RegionsToMasks", regions=none)
    assert found["count"] == 0
    assert found["masks"].shape == (1, 64, 64)
    shown = host.call(
        "RegionFields_PreviewRegions",
        regions=none,
        image=IMAGE,
        opacity=0.5,
        outlines=True,
        ids=False,
        labels=False,
        only_uncovered=False,
    )
    assert torch.equal(shown["image"], IMAGE)


WRONG = {
    "Composite by Field: an effect of 10 x 10.*30 x 20": (
        "RegionFields_CompositeByField",
        {
            "base": IMAGE,
            "effect": torch.zeros(1, 10, 10, 3),
            "field": torch.zeros(1, 20, 30),
            "space": "linear",
        },
    ),
    "Composite by Field: .*3 x .*2 x": (
        "RegionFields_CompositeByField",
        {
            "base": IMAGE.expand(3, -1, -1, -1).contiguous(),
            "effect": IMAGE,
            "field": torch.zeros(2, 20, 30),
            "space": "linear",
        },
    ),
    "Boxes to Regions: .*holds no pixel": (
        "RegionFields_BoxesToRegions",
        {"image": IMAGE, "bboxes": Wire([{"x": 50, "y": 0, "width": 5, "height": 5}])},
    ),
    "Name Regions: 3 regions but 2 labels": (
        "RegionFields_NameRegions",
        {"regions": MASKS.float(), "labels": "a\nb"},
    ),
    "COCO to Regions: .*wanted JSON": ("RegionFields_COCOToRegions", {"json": "{"}),
    "Haze by Field: color: wanted": (
        "RegionFields_HazeByField",
        {"image": IMAGE, "field": torch.zeros(1, 20, 30), "color": "blue", "density": 1.0},
    ),
    "Preview Regions: .*30 x 20.*10 x 10": (
        "RegionFields_PreviewRegions",
        {
            "regions": REGIONS,
            "image": torch.zeros(1, 10, 10, 3),
            "opacity": 0.5,
            "outlines": True,
            "ids": False,
            "labels": False,
            "only_uncovered": False,
        },
    ),
    "Magic Wand: point: wanted": (
        "RegionFields_MagicWand",
        {
            "image": IMAGE,
            "point": "",
            "tolerance": 0.1,
            "contiguous": True,
            "antialias": True,
            "sample": 0,
        },
    ),
}


@pytest.mark.parametrize("words", WRONG, ids=[node for node, _ in WRONG.values()])
def test_an_error_names_the_node_and_what_is_wrong(host: Host, words: str):
    node_id, inputs = WRONG[words]
    with pytest.raises(HostError, match=words):
        host.call(node_id, **inputs)


def test_a_mask_list_comes_back_as_one_set(host: Host):
    sent = Call("RegionFields_RegionsToMasks", {"regions": REGIONS}, 2)
    made = {"threshold": 0.5, "invert": False, "masks": sent}
    (back,) = host.call(
        "RegionFields_MasksToRegions", **made, belong="all to one image", labels="a\nb\nc"
    )["regions"]
    assert torch.equal(back.masks, MASKS[torch.tensor([0, 2, 1])])
    assert back.labels == ("a", "b", "c")
    apart = host.call(
        "RegionFields_MasksToRegions",
        **made,
        belong="one batch of a list to each image",
        labels="",
    )["regions"]
    assert [one.areas.tolist() for one in apart] == [[one] for one in back.areas.tolist()]


def test_without_each_only_the_unions_come_out(host: Host):
    found = host.call("RegionFields_RegionsToMasks", regions=REGIONS, each=False)
    assert torch.equal(found["masks"], found["union"])
    assert found["count"] == 3


def test_whole_numbers_and_16_bit_numbers_are_told_apart(host: Host):
    for slot in (0, 2):
        sent = Call(
            "RegionFields_RegionsToLabelMap", {"regions": REGIONS, "overlaps": "smallest"}, slot
        )
        (back,) = host.call("RegionFields_LabelMapToRegions", map=sent)["regions"]
        assert back.ids.tolist() == [1, 2, 3]
        assert torch.equal(back.masks, MASKS[torch.tensor([0, 2, 1])])


@pytest.mark.parametrize("format", ["folder", "label map", "colors", "COCO"])
def test_saved_regions_are_loaded_again(host: Host, format: str):
    sent = Call(
        "RegionFields_SaveRegions",
        {"regions": REGIONS, "filename_prefix": f"{format}/set", "format": format},
    )
    path = host.chain(sent)["path"]
    assert len(path) == 1
    (back,) = host.call("RegionFields_LoadRegions", path=path[0])["regions"]
    assert torch.equal(back.masks, MASKS[torch.tensor([0, 2, 1])])
    if format in ("folder", "COCO"):
        assert back.labels == ("wall", "rug", "lamp")


def test_what_was_saved_behind_a_link_in_the_output_folder_is_read(host: Host):
    elsewhere = host.folder / "another disk"
    elsewhere.mkdir()
    (host.folder / "output" / "linked").symlink_to(elsewhere, target_is_directory=True)
    inputs = {"regions": REGIONS, "filename_prefix": "linked/set", "format": "folder"}
    path = host.chain(Call("RegionFields_SaveRegions", inputs))["path"][0]
    assert (elsewhere / "set_00001_" / "regions.json").exists()
    (back,) = host.call("RegionFields_LoadRegions", path=path)["regions"]
    assert len(back) == 3


def test_a_picture_changed_in_a_folder_of_regions_is_read_again(host: Host):
    inputs = {"regions": REGIONS, "filename_prefix": "changing/set", "format": "folder"}
    path = host.chain(Call("RegionFields_SaveRegions", inputs))["path"][0]
    listing = next((host.folder / "output" / "changing").rglob("regions.json"))
    listed = json.loads(listing.read_text())
    for entry in listed["regions"]:
        del entry["rle"]  # which would stand for the picture
    listing.write_text(json.dumps(listed))
    (before,) = host.call("RegionFields_LoadRegions", path=path)["regions"]
    picture = listing.with_name(listed["regions"][0]["file"])
    with Image.open(picture) as mask:
        emptier = np.array(mask)
    emptier[: emptier.shape[0] // 2] = 0
    Image.fromarray(emptier).save(picture)
    (after,) = host.call("RegionFields_LoadRegions", path=path)["regions"]
    assert int(after.areas.sum()) < int(before.areas.sum())


def test_each_image_of_a_batch_is_saved_under_its_own_name(host: Host):
    both = regions_wire({"masks": MASKS}, {"masks": MASKS[:1]})
    call = {"filename_prefix": "many/set", "format": "label map", "regions": both}
    assert host.call("RegionFields_SaveRegions", **call)["path"] == [
        "many/set_00001_.png",
        "many/set_00002_.png",
    ]


@pytest.mark.parametrize(("format", "ending"), [("label map", "png"), ("COCO", "json")])
def test_a_prefix_with_a_dot_keeps_its_number_so_that_nothing_is_overwritten(
    host: Host, format: str, ending: str
):
    call = {"regions": REGIONS, "filename_prefix": f"dots {ending}/v1.2", "format": format}
    both = regions_wire({"masks": MASKS}, {"masks": MASKS[:1]})
    first = host.call("RegionFields_SaveRegions", **call)["path"]
    assert first == [f"dots {ending}/v1.2_00001_.{ending}"]
    second = host.call("RegionFields_SaveRegions", **{**call, "regions": both})["path"]
    assert second[0] == f"dots {ending}/v1.2_00002_.{ending}"


@pytest.mark.parametrize("path", ["../secret.png", "{folder}/secret.png", "nothing"])
def test_only_the_output_and_the_input_folder_are_read(host: Host, path: str):
    path = path.format(folder=host.folder)
    files.write_labels(host.folder / "secret.png", MASKS[0].to(torch.int64))
    with pytest.raises(HostError, match="Load Regions: there are no regions at"):
        host.call("RegionFields_LoadRegions", path=path)


def test_crops_for_captioners_are_small_and_paste_back(host: Host):
    found = host.call(
        "RegionFields_CropRegions", regions=REGIONS, image=IMAGE, padding=0, longest=8
    )
    assert [max(crop.shape[1:3]) for crop in found["crops"]] == [8, 8, 6]
    assert [crop.shape[1:3] for crop in found["crops"]] == [m.shape[1:] for m in found["masks"]]
    assert found["bboxes"][0]["width"] == 17


def test_sorting_gives_masks_boxes_and_labels_in_one_order(host: Host):
    asked = {"point": "", "label": "", "color": "#000000", "then_by": "none", "near_is": "auto"}
    found = host.call(
        "RegionFields_SortRegions",
        regions=REGIONS,
        by="right_most",
        count=2,
        **asked,
        reverse=False,
        renumber=True,
    )
    assert found["labels"] == ["lamp", "wall"]
    assert torch.equal(found["masks"].bool(), MASKS[[1, 0]])
    assert [box["x"] for box in found["bboxes"][0]] == [22, 3]
    assert [one[0].labels for one in found["each"]] == [("lamp",), ("wall",)]
    (kept,) = found["regions"]
    assert dict(zip(kept.labels, kept.ids.tolist(), strict=True)) == {"lamp": 0, "wall": 1}


def test_soft_shares_sum_to_one_and_tell_whose_they_are(host: Host):
    call = {"regions": REGIONS, "width": 2.0, "count": 2}
    found = host.call("RegionFields_SoftShares", **call, rest="own share")
    assert found["labels"] == ["wall", "rug", "background"]
    torch.testing.assert_close(found["batch"].sum(0), torch.ones(20, 30))
    deep = MASKS[0].clone()
    deep[[2, 14], :] = deep[:, [3, 19]] = False
    assert bool((found["batch"][0][deep] > 0.5).all())
    near = host.call("RegionFields_SoftShares", **call, rest="nearest region")
    assert near["labels"] == ["wall", "rug"]
    torch.testing.assert_close(near["batch"].sum(0), torch.ones(20, 30))


def test_crops_of_a_batch_go_back_to_their_own_images_by_any_boxes(host: Host):
    sets = regions_wire({"masks": MASKS[:1]}, {"masks": MASKS[1:]})
    pictures = torch.rand(2, 20, 30, 3, generator=torch.Generator().manual_seed(8))
    crops = Call("RegionFields_CropRegions", {"regions": sets, "image": pictures, "padding": 0})
    boxes = {
        "bboxes of the crops": Call(crops.node_id, crops.inputs, 2),
        "lists for each image": Call("RegionFields_RegionsToMasks", {"regions": sets}, 3),
    }
    for given in boxes.values():
        back = host.call(
            "RegionFields_PasteCrops", image=torch.zeros_like(pictures), crops=crops, bboxes=given
        )["image"]
        for i, regions in enumerate([MASKS[:1], MASKS[1:]]):
            for mask in regions:
                y, x = mask.nonzero()[0].tolist()
                assert torch.equal(back[i, y, x], pictures[i, y, x])
        with pytest.raises(HostError, match="a box is of image 2 but only 1 image came"):
            host.call("RegionFields_PasteCrops", image=pictures[:1], crops=crops, bboxes=given)


LACKING = {
    "edges needs image": {"method": "edges"},
    "nearest_depth needs depth": {"overlaps": "nearest_depth"},
}


@pytest.mark.parametrize("told", LACKING)
def test_a_missing_input_is_asked_for_in_the_nodes_own_words(host: Host, told: str):
    settings = {"method": "nearest", "overlaps": "smallest", "max_gap": 0.0, "min_gap_area": 0}
    settings |= {"image_cost": 100.0, "near_is": "auto"} | LACKING[told]
    with pytest.raises(HostError, match=f"Fill Coverage: {told}"):
        host.call("RegionFields_FillCoverage", regions=REGIONS, **settings)
