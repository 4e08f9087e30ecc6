"""COCO data sets, read by pycocotools itself."""

import json

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from region_fields.engine import InputError, Regions
from region_fields.engine.coco import from_coco, to_coco


def frames() -> list[Regions]:
    masks = torch.rand((3, 20, 30), generator=torch.Generator().manual_seed(0)) < 0.4
    return [
        Regions.from_masks(masks, [0.5, 0.75, 1], ["cup", "", "apple"], ids=[7, 3, 5]),
        Regions.empty((4, 6)),
    ]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_what_is_written(tmp_path, capsys):
    path = tmp_path / "regions.json"
    path.write_text(json.dumps(to_coco(frames(), ["a.png", "b.png"])))
    coco = COCO(path)
    capsys.readouterr()
    assert [image["file_name"] for image in coco.loadImgs([1, 2])] == ["a.png", "b.png"]
    regions = frames()[0]
    for i, annotation in enumerate(coco.loadAnns(coco.getAnnIds(imgIds=1))):
        np.testing.assert_array_equal(coco.annToMask(annotation), regions.masks[i].numpy())
        assert annotation["area"] == int(regions.areas[i])
        name = coco.loadCats(annotation["category_id"])[0]["name"]
        assert name == (regions.labels[i] or "region")
    assert coco.getAnnIds(imgIds=2) == []


def test_a_data_set_reads_back_to_the_same_regions():
    back = from_coco(json.loads(json.dumps(to_coco(frames(), ["a.png", "b.png"]))))
    assert back["a.png"].equals(frames()[0])
    assert back["b.png"].equals(frames()[1])


def test_a_foreign_data_set_has_its_own_ids_scores_and_uncompressed_runs():
    data = {
        "images": [{"id": 5, "height": 2, "width": 2, "file_name": "x"}],
        "categories": [{"id": 9, "name": "dog"}],
        "annotations": [
            {"image_id": 5, "category_id": 9, "segmentation": {"size": [2, 2], "counts": [1, 2, 1]}}
        ],
    }
    regions = from_coco(data)["x"]
    assert regions.masks.tolist() == [[[False, True], [True, False]]]
    assert regions.labels == ("dog",)
    assert regions.ids.tolist() == [0]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [([[0, 0, 1, 1]], "polygons"), ({"size": [3, 3], "counts": [9]}, "not of its image's size")],
)
def test_other_segmentations_are_refused(segmentation, message):
    data = {
        "images": [{"id": 5, "height": 2, "width": 2, "file_name": "x"}],
        "annotations": [{"image_id": 5, "segmentation": segmentation}],
    }
    with pytest.raises(InputError, match=message):
        from_coco(data)


def image(**changed):
    """A data set of one image of 2 x 2 pixels, in which some facts are wrong."""
    return {
        "images": [{"id": 5, "height": 2, "width": 2, "file_name": "x", **changed}],
        "annotations": [],
    }


def annotation(**changed):
    own = {"image_id": 5, "segmentation": {"size": [2, 2], "counts": [0, 4]}, **changed}
    return {**image(), "annotations": [own]}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"images": [{}], "annotations": []},
        [],
        image(height="tall"),
        image(height=float("inf")),
        annotation(score="high"),
        annotation(region_id=10**30),
    ],
)
def test_other_data_is_refused(data):
    with pytest.raises(InputError, match="no COCO data set"):
        from_coco(data)


def test_as_many_names_as_images_are_needed():
    with pytest.raises(InputError, match=r"2 images but 1 file name\."):
        to_coco(frames(), ["a.png"])


@pytest.mark.parametrize(("height", "width"), [(-2, 2), (0, 0)])
def test_images_without_pixels_are_refused(height, width):
    with pytest.raises(InputError, match="wanted a picture with pixels"):
        from_coco(image(height=height, width=width))


def test_images_of_one_name_are_refused_rather_than_lost():
    twice = image()["images"] * 2
    for call in (
        lambda: to_coco(frames(), ["a.png", "a.png"]),
        lambda: from_coco({"images": twice, "annotations": []}),
    ):
        with pytest.raises(InputError, match="several images are called"):
            call()
