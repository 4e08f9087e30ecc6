"""Comparing masks: areas by counting, outlines by distance."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine import InputError
from region_fields.engine.compare import Comparison, compare_masks, outline
from scipy import ndimage

pairs = hnp.arrays(bool, st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9)))


def disc(x: float, radius: float = 10) -> torch.Tensor:
    yy, xx = torch.meshgrid(torch.arange(40), torch.arange(60), indexing="ij")
    return (xx - x) ** 2 + (yy - 20) ** 2 < radius**2


@given(pair=pairs, tolerance=st.sampled_from([0, 1, 1.5]))
def test_all_three_agree_with_their_definitions(pair, tolerance):
    one, other = pair
    (got,) = compare_masks(torch.from_numpy(one), torch.from_numpy(other), tolerance)
    if (one | other).any():
        assert got.iou == (one & other).sum() / (one | other).sum()
        assert got.dice == 2 * (one & other).sum() / (one.sum() + other.sum())
    edges = [mask & ~ndimage.binary_erosion(mask, border_value=1) for mask in pair]
    for mask, edge in zip(pair, edges, strict=True):
        np.testing.assert_array_equal(outline(torch.from_numpy(mask)).numpy(), edge)
    if edges[0].any() and edges[1].any():
        near = [ndimage.distance_transform_edt(~edge) <= tolerance for edge in edges]
        precision = (edges[0] & near[1]).sum() / edges[0].sum()
        recall = (edges[1] & near[0]).sum() / edges[1].sum()
        wanted = 2 * precision * recall / (precision + recall) if precision + recall else 0
        assert got.boundary_f == pytest.approx(wanted)


@given(pair=pairs)
def test_comparing_is_symmetric_and_a_mask_is_like_itself(pair):
    one, other = (torch.from_numpy(mask) for mask in pair)
    forward, backward = compare_masks(one, other)[0], compare_masks(other, one)[0]
    assert forward.iou == backward.iou
    assert forward.boundary_f == pytest.approx(backward.boundary_f)
    assert compare_masks(one, one) == [Comparison(1, 1, 1)]


def test_a_shift_within_the_tolerance_keeps_the_boundary_score():
    (near,) = compare_masks(disc(25), disc(26), tolerance=1)
    assert near.boundary_f == 1
    assert near.iou < 0.95
    (far,) = compare_masks(disc(25), disc(33), tolerance=1)
    assert far.boundary_f < 0.5


def test_an_empty_mask_is_like_nothing_but_another():
    empty = torch.zeros(40, 60)
    assert compare_masks(empty, disc(25)) == [Comparison(0, 0, 0)]
    assert compare_masks(empty, empty) == [Comparison(1, 1, 1)]


def test_frames_are_compared_in_pairs_and_one_goes_with_any():
    batch = torch.stack([disc(25), disc(30), disc(40)])
    wanted = [compare_masks(disc(25), mask)[0] for mask in batch]
    assert compare_masks(disc(25), batch) == wanted
    assert compare_masks(disc(25), disc(25))[0].sentence() == (
        "IoU 1.0000, Dice 1.0000, boundary F 1.0000"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(2, 3), torch.zeros(3, 2)), "3 x 2 and 2 x 3 pixels"),
        ((torch.zeros(2, 3, 3), torch.zeros(3, 3, 3)), "2 x masks but 3 x other masks"),
        ((torch.zeros(2, 3), torch.zeros(2, 3), -1), "tolerance"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        compare_masks(*arguments)
