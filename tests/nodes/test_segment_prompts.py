"""Segment with Prompts in a real ComfyUI: what it makes of prompts and what it shows the editor."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from comfy_server import Call, Host, HostError, Wire
from torch import Tensor

pytestmark = pytest.mark.host

NODE = "RegionFields_SegmentPrompts"
SETTINGS = {"points": "", "objects": "as given", "choice": "best", "refine": 0, "feather": 0.0}
MODEL = Call("RegionFields_LoadSam2", {"model": "sam2-nano (embedded)", "precision": "auto"})
BLOCKS = {"red": (slice(20, 60), slice(15, 60)), "blue": (slice(50, 110), slice(90, 150))}


@pytest.fixture(scope="module")
def picture() -> Tensor:
    """A red and a blue block on grey, float32 (1, 128, 176, 3)."""
    image = torch.full((1, 128, 176, 3), 0.8)
    image[:, BLOCKS["red"][0], BLOCKS["red"][1]] = torch.tensor([0.8, 0.1, 0.1])
    image[:, BLOCKS["blue"][0], BLOCKS["blue"][1]] = torch.tensor([0.1, 0.2, 0.8])
    return image


def drawn(*objects: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "objects": list(objects)})


def at(x: int, y: int, name: str = "") -> dict[str, Any]:
    return {"points": [{"x": x, "y": y, "label": 1}], "box": None, "name": name}


def run(host: Host, image: Tensor, **inputs: Any) -> dict[str, Any]:
    found = host.call(NODE, image=image, model=MODEL, **(SETTINGS | inputs))
    found["preview"] = found["ui"]["region_fields_prompts"][0]
    return found


def labels(host: Host, found: dict[str, Any]) -> Tensor:
    """The object numbers that the editor is shown, int (h, w)."""
    return (host.view(found["preview"]["labels"])[..., 0] * 255).round().to(torch.int64)


def test_each_click_gives_the_block_under_it_with_its_name(host: Host, picture: Tensor):
    found = run(host, picture, points=drawn(at(120, 80, "blue"), at(35, 40, "red")))
    (regions,) = found["regions"]
    assert set(regions.labels) == {"red", "blue"}
    for mask, name in zip(regions.masks, regions.labels, strict=True):
        truth = torch.zeros(128, 176, dtype=torch.bool)
        truth[BLOCKS[name]] = True
        assert (mask & truth).sum() / (mask | truth).sum() > 0.8, name
    assert torch.equal(found["mask"][0] > 0.5, regions.union())


def test_the_editor_is_shown_its_own_numbers_whatever_the_order_of_the_regions(
    host: Host, picture: Tensor
):
    """The canonical order puts the larger, blue one first; the user clicked the red one first."""
    found = run(host, picture, points=drawn(at(35, 40), at(120, 80)))
    shown = labels(host, found)
    assert (int(shown[40, 35]), int(shown[80, 120]), int(shown[5, 170])) == (1, 2, 0)
    assert (found["preview"]["width"], found["preview"]["height"]) == (176, 128)


def test_nothing_asked_gives_no_region_and_shows_the_picture(host: Host, picture: Tensor):
    found = run(host, picture)
    assert [len(regions) for regions in found["regions"]] == [0]
    assert found["mask"].shape == (1, 128, 176)
    assert not found["mask"].any()
    assert (host.view(found["preview"]["image"]) - picture[0]).abs().mean() < 0.02


def test_a_click_writes_no_second_copy_of_the_picture(host: Host, picture: Tensor):
    first = run(host, picture, points=drawn(at(35, 40)))["preview"]
    second = run(host, picture, points=drawn(at(120, 80)))["preview"]
    assert first["image"] == second["image"]
    assert first["labels"] != second["labels"]


def test_a_large_picture_is_shown_smaller_under_its_true_size(host: Host):
    image = torch.full((1, 300, 4100, 3), 0.8)
    image[:, 100:200, 2000:2400] = torch.tensor([0.8, 0.1, 0.1])
    found = run(
        host, image, points=drawn({"box": {"x": 1990, "y": 90, "width": 420, "height": 120}})
    )
    shown = labels(host, found)
    assert tuple(shown.shape) == (100, 1367)
    assert (found["preview"]["width"], found["preview"]["height"]) == (4100, 300)
    assert torch.equal(shown > 0, found["mask"][0][::3, ::3] > 0.5)


def test_a_feathered_mask_fades_about_the_hard_edge(host: Host, picture: Tensor):
    points = drawn(at(35, 40), at(120, 80))
    hard = run(host, picture, points=points)["mask"]
    soft = run(host, picture, points=points, feather=6.0)["mask"]
    assert torch.equal(soft > 0.5, hard > 0.5)
    assert ((soft > 0.1) & (soft < 0.9)).sum() > 200
    assert soft.min() >= 0
    assert soft.max() <= 1


def test_the_editor_is_shown_the_soft_edge_and_whose_it_is(host: Host, picture: Tensor):
    points = drawn(at(35, 40), at(120, 80))
    found = run(host, picture, points=points, feather=6.0)
    number, owner, strength = (
        (host.view(found["preview"]["labels"])[..., :3] * 255).round().unbind(-1)
    )
    assert found["preview"]["soft"] is True
    assert found["preview"]["settings"]["feather"] == 6.0
    assert (strength / 255 - found["mask"][0]).abs().max() < 0.003
    inside = number > 0
    assert torch.equal(inside, found["mask"][0] > 0.5)
    assert torch.equal(owner[inside], number[inside])
    assert ((owner > 0) & ~inside).sum() > 100


def test_all_gives_three_regions_of_one_name(host: Host, picture: Tensor):
    found = run(host, picture, points=drawn(at(120, 80, "blue")), choice="all")
    (regions,) = found["regions"]
    assert 1 <= len(regions) <= 3
    assert set(regions.labels) == {"blue"}
    assert {box["label"] for box in found["bboxes"][0]} == {"blue"}


def test_a_box_and_points_as_one_object_are_one_region(host: Host, picture: Tensor):
    box = Wire({"x": 85, "y": 45, "width": 70, "height": 70, "label": "blue"})
    points = drawn(at(120, 80))
    apart = run(host, picture, points=points, bboxes=box)
    together = run(host, picture, points=points, bboxes=box, objects="one object")
    assert len(apart["regions"][0]) == 2
    assert together["regions"][0].labels == ("blue",)


def test_a_mask_is_a_first_guess(host: Host, picture: Tensor):
    guess = torch.zeros(1, 128, 176)
    guess[:, 60:100, 100:140] = 1
    (regions,) = run(host, picture, mask=guess)["regions"]
    assert len(regions) == 1
    assert regions.union()[80, 120]


def test_an_error_begins_with_the_packs_name_and_not_with_a_path(host: Host, picture: Tensor):
    """ComfyUI shows `exception_type: exception_message`."""
    told: list[dict[str, Any]] = []
    call = Call(NODE, {"image": picture, "model": MODEL, **SETTINGS, "points": drawn(at(999, 5))})
    with pytest.raises(HostError, match=r"the point \(999, 5\) of object 1 lies outside the image"):
        host.chain(call, lambda event: told.append(event["data"]))
    assert told[-1]["exception_type"] == "region_fields.engine.InputError"


def test_lists_that_do_not_match_the_batch_are_an_error_with_both_counts(
    host: Host, picture: Tensor
):
    box = {"x": 1, "y": 1, "width": 9, "height": 9}
    with pytest.raises(HostError, match=r"Segment with Prompts.*3 images but lists for 2"):
        run(host, picture.repeat(3, 1, 1, 1), bboxes=Wire([[box], [box]]))
