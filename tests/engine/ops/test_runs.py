"""What is read from runs against plain counting over pixels, on both paths."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine.ops import runs
from region_fields.engine.ops.bits import measure_packed, pack_bits
from skimage.measure import regionprops

stacks = hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 140)))


def packed_of(stack: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    packed = pack_bits(torch.from_numpy(stack))
    return packed, measure_packed(packed, stack.shape[-1])[1]


def held(stack: np.ndarray) -> np.ndarray:
    stack = stack.copy()
    stack[:, 0, 0] |= ~stack.any((1, 2))
    return stack


@given(stack=stacks)
def test_runs_rebuild_the_masks_on_both_paths(stack):
    packed, boxes = packed_of(stack)
    by_numpy = [
        (i, *run)
        for i, _, found in runs.runs_of(packed, boxes)
        for run in zip(*(part.tolist() for part in found[1:]), strict=True)
    ]
    by_torch = list(zip(*(part.tolist() for part in runs._runs_torch(packed)), strict=True))
    assert by_numpy == by_torch
    rebuilt = np.zeros_like(stack)
    for mask, row, start, stop in by_numpy:
        assert start < stop
        assert not rebuilt[mask, row, max(start - 1, 0) : stop + 1].any()
        rebuilt[mask, row, start:stop] = True
    np.testing.assert_array_equal(rebuilt, stack)


@given(stack=stacks, x=st.integers(-9, 150), y=st.integers(-9, 9))
def test_distance_is_to_the_nearest_pixel(stack, x, y):
    stack = held(stack)
    got = runs.squared_distances(*packed_of(stack), x, y)
    for squared, mask in zip(got.tolist(), stack, strict=True):
        ys, xs = mask.nonzero()
        assert squared == ((xs - x) ** 2 + (ys - y) ** 2).min()


@given(stack=stacks, data=st.data())
def test_bits_are_read_where_the_pixel_is(stack, data):
    y, x = (data.draw(st.integers(0, side - 1)) for side in stack.shape[1:])
    assert runs.bits_at(packed_of(stack)[0], x, y).tolist() == stack[:, y, x].tolist()


@given(stack=stacks)
def test_sums_over_masks_are_those_of_their_pixels(stack):
    planes = np.random.default_rng(1).normal(size=(2, *stack.shape[1:])).astype(np.float32)
    got = runs.mask_sums(*packed_of(stack), torch.from_numpy(planes))
    wanted = [[plane[mask].sum(dtype=np.float64) for plane in planes] for mask in stack]
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-9, atol=1e-9)


@given(stack=stacks)
def test_shared_pixels_are_counted(stack):
    packed, _ = packed_of(stack)
    got = runs.intersection_areas(packed, packed[0])
    assert got.tolist() == (stack & stack[0]).sum((1, 2)).tolist()


@given(stack=stacks)
def test_border_pixels_are_counted_once(stack):
    border = np.ones(stack.shape[1:], bool)
    border[1:-1, 1:-1] = False
    got = runs.border_lengths(packed_of(stack)[0], stack.shape[-1])
    assert got.tolist() == (stack & border).sum((1, 2)).tolist()


def test_elongation_is_the_ratio_of_the_principal_spreads():
    y, x = np.mgrid[:80, :90]
    bar = (abs((x - 40) + 2 * (y - 40)) < 20) & (abs(2 * (x - 40) - (y - 40)) < 60)
    line = np.zeros_like(bar)
    line[3, :40] = True
    square = (x < 20) & (y < 20)
    got = runs.elongations(*packed_of(np.stack([bar, line, square])))
    long, short = regionprops(bar.astype(np.uint8))[0].inertia_tensor_eigvals
    assert got[0] == pytest.approx(math.sqrt((long + 1 / 12) / (short + 1 / 12)), rel=1e-9)
    assert got[1] == pytest.approx(40)
    assert got[2] == pytest.approx(1)


@given(stack=stacks)
def test_elongation_is_at_least_1_and_turns_with_the_mask(stack):
    stack = held(stack)
    got = runs.elongations(*packed_of(stack))
    turned = runs.elongations(*packed_of(np.ascontiguousarray(stack.transpose(0, 2, 1))))
    assert (got >= 1 - 1e-9).all()
    assert all(math.isfinite(value) for value in got.tolist())
    np.testing.assert_allclose(got.numpy(), turned.numpy(), rtol=1e-6)
