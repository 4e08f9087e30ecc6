"""A prompt is valid from birth."""

import numpy as np
import pytest
import torch
from region_fields.engine import InputError, Prompt


def test_points_are_to_be_included_unless_labelled():
    assert Prompt(points=[[1, 2], [3, 4]]).labels == (1, 1)


def test_arrays_tensors_and_lists_say_the_same():
    plain = Prompt([[1, 2]], [0], [3, 4, 5, 6])
    for make in (np.array, torch.tensor):
        other = Prompt(make([[1, 2]]), make([0]), make([3, 4, 5, 6]))
        assert (other.points, other.labels, other.box) == (plain.points, plain.labels, plain.box)


def test_a_box_counts_as_two_tokens_its_corners_first():
    prompt = Prompt([[7, 8]], [0], [1, 2, 10, 20])
    assert prompt.count == 3
    assert prompt.tokens() == ([[1, 2], [11, 22], [7, 8]], [2, 3, 0])


def test_a_box_is_cut_to_the_image():
    assert Prompt(box=[-5, 10, 20, 100]).within((50, 60)).box == (0, 10, 15, 40)


def test_a_float_mask_is_inside_above_one_half():
    prompt = Prompt(mask=torch.tensor([[0.2, 0.5, 0.6]]))
    assert prompt.mask.tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "wanted a point, a box or a mask, got nothing"),
        ({"points": [[1, 2, 3]]}, r"wanted points as a list of \(x, y\)"),
        ({"points": [1, 2]}, r"wanted points as a list of \(x, y\), got \[1, 2\]"),
        ({"points": [["a", 2]]}, "wanted numbers for a point"),
        ({"points": [[10**400, 2]]}, "wanted numbers for a point"),
        ({"points": [[float("nan"), 2]]}, "wanted finite numbers for a point"),
        ({"points": [[1, 2]], "labels": [1, 0]}, "1 point but 2 labels"),
        ({"points": [[1, 2]], "labels": [2]}, r"wanted labels 1 \(include\) or 0"),
        ({"points": "1,2"}, "wanted a list for points"),
        ({"box": [1, 2, 3]}, "wanted a box as x, y, width, height"),
        ({"box": [1, 2, 0, 4]}, r"above 0, got \[1, 2, 0, 4\]"),
        ({"box": [1, 2, 3, -4]}, "above 0, got"),
        ({"mask": torch.zeros(4, 4)}, "the mask is empty"),
        ({"mask": "cup"}, r"wanted a mask \(H, W\), got 'cup'"),
        ({"mask": torch.ones(1, 4, 4)}, r"wanted a mask \(H, W\), got shape \(1, 4, 4\)"),
    ],
)
def test_what_cannot_be_a_prompt_is_refused_in_one_sentence(given, said):
    with pytest.raises(InputError, match=said):
        Prompt(**given)
