"""Pixels within a distance, against measuring it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine.ops import dilate
from region_fields.engine.ops.dilate import within
from region_fields.engine.ops.distance import distance_to

masks = hnp.arrays(
    bool,
    st.tuples(st.integers(1, 14), st.integers(1, 30)),
    elements=st.sampled_from([True, False, False, False]),
)
RADII = [0, 0.5, 1, 1.4142135, math.sqrt(2), 1.5, 2.2360679, math.sqrt(5), 3, 7.3, 40]


@settings(max_examples=150)
@given(mask=masks, pixels=st.sampled_from(RADII))
def test_within_is_where_the_distance_is_at_most_so_much(mask, pixels):
    plane = torch.from_numpy(mask)
    assert torch.equal(within(plane, pixels), distance_to(plane) <= pixels)


@pytest.mark.parametrize("filled", [0, 1])
def test_a_far_reach_is_not_gone_through_pixel_by_pixel(filled, monkeypatch):
    asked = []

    def count(pixels):
        asked.append(pixels)
        assert len(asked) < 9
        return int(pixels) ** 2

    monkeypatch.setattr(dilate, "_largest_square", count)
    assert within(torch.full((1, 3), bool(filled)), 1e5).tolist() == [[bool(filled)] * 3]


@pytest.mark.parametrize("pixels", [3, 20, 150, 1e4])
@pytest.mark.parametrize("share", [0.0, 1e-4, 0.2])
def test_large_masks_take_either_way_to_the_same_result(pixels, share, monkeypatch):
    mask = torch.rand((200, 300), generator=torch.Generator().manual_seed(1)) < share
    wanted = distance_to(mask) <= pixels
    assert torch.equal(within(mask, pixels), wanted)
    if pixels < 1e4:
        monkeypatch.setattr(dilate, "_STEPS_PER_PIXEL", 1e9)
        assert torch.equal(within(mask, pixels), wanted)
