"""Prompts as the editor, KJNodes and core's nodes give them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from region_fields.engine import InputError
from region_fields.engine.sam2.prompt_forms import Asked, ask, read_drawn

SIZE = (60, 100)
HERE = {"x": 10, "y": 20}
THERE = {"x": 30, "y": 5}
BOX = {"x": 4, "y": 5, "width": 20, "height": 10}


def drawn(*objects: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "objects": list(objects)})


def point(x: float, y: float, label: int = 1) -> dict[str, float]:
    return {"x": x, "y": y, "label": label}


def summary(asked: list[Asked]) -> list[tuple[Any, ...]]:
    """Points as (x, y, label), the box, and the name of each object."""
    return [([(*p, k) for p, k in one.points], one.box, one.name) for one in asked]


def test_nothing_given_asks_for_nothing_in_every_frame() -> None:
    assert ask(3) == [[], [], []]


def test_every_drawn_object_keeps_its_points_box_and_name() -> None:
    text = drawn(
        {"points": [point(1, 2), point(3, 4, 0)], "box": BOX, "name": "cup"},
        {"points": [point(5, 6)], "box": None, "name": ""},
    )
    assert summary(ask(1, drawn=text)[0]) == [
        ([(1, 2, 1), (3, 4, 0)], (4, 5, 20, 10), "cup"),
        ([(5, 6, 1)], None, ""),
    ]


def test_a_bare_list_of_points_is_one_drawn_object() -> None:
    assert summary(read_drawn(json.dumps([HERE, THERE]))) == [([(10, 20, 1), (30, 5, 1)], None, "")]


def test_drawn_objects_hold_for_every_frame() -> None:
    frames = ask(3, drawn=drawn({"points": [point(1, 2)]}))
    assert [summary(frame) for frame in frames] == [[([(1, 2, 1)], None, "")]] * 3


@pytest.mark.parametrize("form", [HERE, [HERE], [[HERE]], [[HERE], [HERE]]])
def test_coordinates_come_as_one_a_list_or_a_list_per_frame(form: Any) -> None:
    frames = ask(2, positive=json.dumps(form))
    assert [summary(frame) for frame in frames] == [[([(10, 20, 1)], None, "")]] * 2


def test_positive_and_negative_coordinates_are_one_object() -> None:
    asked = ask(1, positive=json.dumps([HERE]), negative=json.dumps([THERE]))[0]
    assert summary(asked) == [([(10, 20, 1), (30, 5, 0)], None, "")]


def test_coordinates_per_frame_differ_and_a_frame_may_have_none() -> None:
    frames = ask(2, positive=json.dumps([[HERE], []]))
    assert [len(frame) for frame in frames] == [1, 0]


@pytest.mark.parametrize("form", [BOX, [BOX], [[BOX]], [[BOX], [BOX]], ((BOX,), (BOX,))])
def test_boxes_come_as_a_dict_a_list_or_a_list_of_lists(form: Any) -> None:
    frames = ask(2, boxes=form)
    assert [summary(frame) for frame in frames] == [[([], (4, 5, 20, 10), "")]] * 2


def test_a_detectors_labels_name_the_objects() -> None:
    found = [BOX | {"label": "cup", "score": 0.9}, BOX | {"label": None}, BOX | {"label": 7}]
    assert [one.name for one in ask(1, boxes=found)[0]] == ["cup", "", "7"]


def test_counts_that_do_not_match_are_an_error_with_both() -> None:
    with pytest.raises(InputError, match="bboxes: 3 images but lists for 2"):
        ask(3, boxes=[[BOX], [BOX]])
    with pytest.raises(InputError, match="negative_coords: 1 image but lists for 2"):
        ask(1, negative=json.dumps([[HERE], [HERE]]))
    with pytest.raises(InputError, match="mask: 3 images but 2 masks"):
        ask(3, masks=torch.ones(2, 4, 4))


def test_one_mask_holds_for_all_frames_and_as_many_as_frames_one_for_each() -> None:
    one, other = torch.zeros(2, 4, 4), torch.zeros(2, 4, 4)
    one[0, 0, 0] = other[:, 1, 1] = 1
    assert [len(frame) for frame in ask(3, masks=one[0])] == [1, 1, 1]
    assert [len(frame) for frame in ask(2, masks=one)] == [1, 0]


def test_normalized_coordinates_are_refused_but_whole_pixels_in_the_corner_are_not() -> None:
    with pytest.raises(InputError, match=r"negative_coords: wanted pixels, .*\[0\.25, 0\.5\]"):
        ask(1, positive="[]", negative=json.dumps([{"x": 0.25, "y": 0.5}, {"x": 1, "y": 0}]))
    corner = json.dumps([{"x": 0, "y": 0}, {"x": 1, "y": 1}])
    assert len(ask(1, positive=corner)[0][0].points) == 2
    beyond = json.dumps([{"x": 0.5, "y": 0.5}, {"x": 7.25, "y": 3}])
    assert len(ask(1, positive=beyond)[0][0].points) == 2


def test_every_mask_is_an_object_of_a_single_image() -> None:
    assert len(ask(1, masks=torch.ones(3, 4, 4))[0]) == 3


def test_an_empty_mask_asks_for_nothing() -> None:
    assert ask(1, masks=torch.zeros(1, 64, 64)) == [[]]


def test_one_object_takes_everything_together() -> None:
    asked = ask(
        1,
        "one object",
        drawn=drawn({"points": [point(1, 2)], "name": "cup"}, {"points": [point(3, 4, 0)]}),
        positive=json.dumps([HERE]),
        boxes=[BOX | {"label": "cup"}],
        masks=torch.ones(1, 4, 4),
    )[0]
    assert summary(asked) == [([(1, 2, 1), (3, 4, 0), (10, 20, 1)], (4, 5, 20, 10), "cup")]
    assert asked[0].mask is not None


def test_one_object_has_one_box_and_one_mask() -> None:
    with pytest.raises(InputError, match="2 boxes can't be one object"):
        ask(1, "one object", boxes=[BOX, BOX])
    with pytest.raises(InputError, match="2 masks can't be one object"):
        ask(1, "one object", masks=torch.ones(2, 4, 4))


def test_apart_every_point_and_box_is_an_object_and_excluding_points_hold_for_all() -> None:
    asked = ask(
        1,
        "one per point or box",
        positive=json.dumps([HERE, THERE]),
        negative=json.dumps([{"x": 7, "y": 7}]),
        boxes=[BOX | {"label": "cup"}],
    )[0]
    assert summary(asked) == [
        ([(10, 20, 1), (7, 7, 0)], None, ""),
        ([(30, 5, 1), (7, 7, 0)], None, ""),
        ([(7, 7, 0)], (4, 5, 20, 10), "cup"),
    ]


@pytest.mark.parametrize("grouping", ["as given", "one per point or box"])
def test_objects_keep_the_editors_numbers_and_others_follow(grouping: str) -> None:
    text = drawn({"points": [point(1, 2)]}, {"points": [point(3, 4)]})
    asked = ask(1, grouping, drawn=text, positive=json.dumps([HERE]), boxes=[BOX, BOX])[0]
    assert [one.number for one in asked] == [1, 2, 3, 4, 5]


def test_apart_only_excluding_points_are_no_objects() -> None:
    with pytest.raises(InputError, match="only points to exclude"):
        ask(1, "one per point or box", negative=json.dumps([HERE]))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"drawn": "[" * 100_000}, "points: wanted JSON such"),
        ({"drawn": "[" + "9" * 5000 + "]"}, "which can't be read."),
        ({"drawn": "{"}, 'points: wanted JSON such as [{"x": 10, "y": 20}], got \'{\''),
        ({"drawn": '{"version": 9, "objects": []}'}, "points: wanted what the editor writes"),
        ({"drawn": "5"}, "points: wanted what the editor writes"),
        ({"drawn": '{"version": 1, "objects": [3]}'}, "points, object 1: wanted points or a box"),
        ({"drawn": '{"version": 1, "objects": [{"points": 3}]}'}, "wanted a list of points, got 3"),
        (
            {"positive": "[1, 2]"},
            'positive_coords: wanted a point such as {"x": 10, "y": 20}, got 1',
        ),
        ({"positive": '[{"x": "left", "y": 0}]'}, "positive_coords: wanted a point"),
        ({"positive": '[{"x": NaN, "y": 0}]'}, "positive_coords: wanted a point"),
        ({"positive": '[{"x": 1%s, "y": 0}]' % ("0" * 400)}, "positive_coords: wanted a point"),
        ({"boxes": BOX | {"width": 10**400}}, "bboxes, box 1: wanted a box such as"),
        ({"negative": '[[], {"x": 1, "y": 1}]'}, "negative_coords: lists and single entries"),
        ({"boxes": [{"x": 1, "y": 1}]}, 'bboxes, box 1: wanted a box such as {"x": 10'),
        ({"boxes": "cup"}, "bboxes: wanted one entry, a list of them"),
        ({"masks": torch.ones(1, 1, 4, 4)}, "mask: wanted"),
        ({"grouping": "some"}, "objects: wanted one of"),
    ],
)
def test_what_cannot_be_read_is_named(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        ask(1, **given)
    assert told in str(caught.value)


def test_a_point_outside_the_image_is_named_with_its_object() -> None:
    asked = ask(1, drawn=drawn({"points": [point(1, 2)]}, {"points": [point(100, 3)]}))[0]
    asked[0].prompt(SIZE)
    with pytest.raises(InputError, match=r"^the point \(100, 3\) of object 2 lies outside"):
        asked[1].prompt(SIZE)


def test_an_empty_box_is_named_with_its_label() -> None:
    asked = ask(1, boxes=[BOX, BOX | {"width": 0, "label": "cup"}])[0]
    asked[0].prompt(SIZE)
    with pytest.raises(InputError, match=r"^box 2 \(cup\), \[.*\], is empty"):
        asked[1].prompt(SIZE)


def test_a_box_that_sticks_out_is_cut_to_the_image() -> None:
    asked = ask(1, boxes={"x": -5, "y": 50, "width": 20, "height": 30})[0]
    assert asked[0].prompt(SIZE).box == (0, 50, 15, 10)


def test_an_object_of_nothing_is_named() -> None:
    asked = ask(1, drawn=drawn({"points": [], "name": "cup"}))[0]
    with pytest.raises(InputError, match=r"^object 1 has neither a point nor a box"):
        asked[0].prompt(SIZE)


def test_a_point_to_exclude_outside_the_image_is_called_that() -> None:
    asked = ask(1, negative=json.dumps([{"x": 900, "y": 2}]))[0]
    with pytest.raises(
        InputError, match=r"^the point to exclude \(900, 2\) of the coordinates lies"
    ):
        asked[0].prompt(SIZE)
