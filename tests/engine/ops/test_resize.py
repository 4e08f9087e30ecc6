"""Resizing of fields."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from region_fields.engine.ops.resize import resize_area, resize_field, resize_nearest

SIDES = st.integers(1, 11)


def random_field(height, width):
    return torch.rand((2, height, width), generator=torch.Generator().manual_seed(height * width))


@settings(max_examples=40)
@given(SIDES, SIDES, SIDES, SIDES)
def test_a_pixel_of_an_area_resize_is_the_integral_over_what_it_covers(h, w, height, width):
    field = random_field(h, w)
    # The least common grid: every old and every new pixel is a whole number of its cells.
    fine = np.kron(field.numpy(), np.ones((height, width)))
    wanted = fine.reshape(2, height, h, width, w).mean((2, 4))
    np.testing.assert_allclose(resize_area(field, (height, width)), wanted, rtol=0, atol=1e-6)


@settings(max_examples=40)
@given(SIDES, SIDES, SIDES, SIDES)
def test_no_resize_leaves_the_range_of_its_input(h, w, height, width):
    field = random_field(h, w) * 0.5 + 0.25
    for resize in (resize_area, resize_field, resize_nearest):
        resized = resize(field, (height, width))
        assert resized.shape == (2, height, width)
        assert field.min() <= resized.min()
        assert resized.max() <= field.max()


def test_the_same_size_returns_the_same_values():
    field = random_field(7, 9)
    for resize in (resize_area, resize_field, resize_nearest):
        assert torch.equal(resize(field, (7, 9)), field)


def test_nearest_takes_the_pixel_at_the_new_centre():
    field = torch.arange(6.0).view(1, 1, 6)
    assert resize_nearest(field, (1, 2)).flatten().tolist() == [1, 4]
    assert resize_nearest(field, (1, 12)).flatten().tolist() == [v for v in range(6) for _ in "ab"]
    assert resize_nearest(field.bool(), (2, 3)).dtype == torch.bool


def test_shrinking_does_not_alias():
    stripes = (torch.arange(64) % 2).float().expand(1, 64, 64).contiguous()
    for resize in (resize_area, resize_field):
        assert float((resize(stripes, (8, 8)) - 0.5).abs().max()) < 0.05
