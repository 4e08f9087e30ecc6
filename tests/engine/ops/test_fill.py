"""Planes continued smoothly from the pixels that are known."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine.ops.fill import fill_smoothly


@given(st.integers(0, 10_000), st.integers(1, 23), st.integers(1, 23))
def test_known_pixels_stay_and_the_rest_lies_between_them(seed, height, width):
    drawn = torch.Generator().manual_seed(seed)
    planes = torch.rand(2, height, width, generator=drawn)
    known = torch.rand(height, width, generator=drawn) > 0.6
    before = planes.clone()
    filled = fill_smoothly(planes, known)
    assert torch.equal(planes, before)
    assert torch.equal(filled[:, known], planes[:, known])
    if known.any():
        low, high = planes[:, known].amin(1), planes[:, known].amax(1)
        assert (
            (filled >= low[:, None, None] - 1e-5) & (filled <= high[:, None, None] + 1e-5)
        ).all()


def test_between_two_levels_the_fill_has_no_jump():
    planes = torch.zeros(1, 64, 64)
    planes[..., 48:] = 1.0
    known = torch.zeros(64, 64, dtype=torch.bool)
    known[:, :16], known[:, 48:] = True, True
    filled = fill_smoothly(planes, known)[0]
    assert filled.diff(dim=1).abs().max() < 0.1
    assert filled[:, 24:40].diff(dim=1).abs().max() < 0.04


def test_without_a_known_pixel_planes_come_back():
    planes = torch.rand(3, 4, 5)
    assert fill_smoothly(planes, torch.zeros(4, 5, dtype=torch.bool)) is planes
