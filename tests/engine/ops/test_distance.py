"""Distances against scipy and against brute force."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine import InputError
from region_fields.engine.ops import distance
from region_fields.engine.ops.distance import (
    distance_to,
    nearest_source,
    nearest_source_of,
    signed_distance,
)
from scipy.ndimage import distance_transform_edt

SOLVERS = [distance._nearest_by_scipy, distance._nearest_by_division]

planes = hnp.arrays(
    bool,
    st.tuples(st.integers(1, 3), st.integers(1, 13), st.integers(1, 13)),
    elements=st.sampled_from([True, False, False, False]),
)


def brute_force(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distance and the leftmost, then topmost, nearest source of one plane."""
    sources = sorted((x, y) for y, x in np.argwhere(plane))
    squared = np.zeros(plane.shape, dtype=np.int64)
    index = np.zeros((2, *plane.shape), dtype=np.int64)
    for y, x in np.ndindex(plane.shape):
        best = min(range(len(sources)), key=lambda i: (math.dist(sources[i], (x, y)), i))
        sx, sy = sources[best]
        squared[y, x] = (x - sx) ** 2 + (y - sy) ** 2
        index[:, y, x] = sy, sx
    return squared, index


@pytest.mark.parametrize("solve", SOLVERS)
@settings(deadline=None, derandomize=True, max_examples=60)
@given(stack=planes)
def test_nearest_source_is_the_leftmost_then_topmost_of_the_nearest(solve, stack):
    stack[:, 0, -1] |= ~stack.any((1, 2))
    squared, index = solve(torch.from_numpy(stack))
    for i, plane in enumerate(stack):
        wanted_squared, wanted_index = brute_force(plane)
        np.testing.assert_array_equal(squared[i].numpy(), wanted_squared)
        np.testing.assert_array_equal(index[:, i].numpy(), wanted_index)


@pytest.mark.parametrize("share", [0.0001, 0.003, 0.1, 0.7])
def test_distance_equals_scipy_rounded_to_float32(share):
    sources = torch.rand((2, 151, 233), generator=torch.Generator().manual_seed(3)) < share
    sources[:, 90, 17] = True
    for got, plane in zip(distance_to(sources), sources.numpy(), strict=True):
        wanted = distance_transform_edt(~plane).astype(np.float32)
        np.testing.assert_array_equal(got.numpy(), wanted)


@pytest.mark.parametrize("share", [0.0001, 0.003, 0.1, 0.7])
def test_the_device_path_equals_the_cpu_path(share, monkeypatch):
    monkeypatch.setattr(distance, "_ELEMENTS_AT_ONCE", 10_000)
    sources = torch.rand((2, 151, 233), generator=torch.Generator().manual_seed(4)) < share
    sources[:, 3, 200] = True
    for got, wanted in zip(*(solve(sources) for solve in SOLVERS), strict=True):
        assert torch.equal(got, wanted)


def test_symmetric_sources_tie_to_the_left_and_to_the_top_on_both_paths():
    ring = torch.zeros((9, 9), dtype=torch.bool)
    ring[[0, 8, 4, 4], [4, 4, 0, 8]] = True
    for solve in SOLVERS:
        assert solve(ring[None])[1][:, 0, 4, 4].tolist() == [4, 0]


def test_a_plane_without_sources_is_infinitely_far_and_has_no_nearest_pixel():
    sources = torch.zeros((2, 3, 4), dtype=torch.bool)
    sources[1, 0, 0] = True
    far, index = nearest_source(sources)
    assert torch.isinf(far[0]).all()
    assert (index[:, 0] == -1).all()
    assert far[1].isfinite().all()
    assert far.dtype == torch.float32


def test_leading_axes_are_kept_and_the_input_is_not_written():
    sources = torch.rand((2, 3, 5, 7), generator=torch.Generator().manual_seed(5)) < 0.2
    before = sources.clone()
    far, index = nearest_source(sources)
    assert far.shape == (2, 3, 5, 7)
    assert index.shape == (2, 2, 3, 5, 7)
    assert torch.equal(sources, before)
    assert torch.equal(far[1, 2], distance_to(sources[1, 2]))


def test_no_planes_give_no_planes():
    assert distance_to(torch.zeros((0, 4, 4), dtype=torch.bool)).shape == (0, 4, 4)


def test_signed_distance_is_half_a_pixel_on_either_side_of_the_outline():
    mask = torch.tensor([[0, 0, 1, 1, 1, 0]], dtype=torch.bool)
    wanted = torch.tensor([[-1.5, -0.5, 0.5, 1.5, 0.5, -0.5]])
    assert torch.equal(signed_distance(mask), wanted)


def test_signed_distance_of_all_or_nothing_is_infinite():
    full = torch.ones((2, 2), dtype=torch.bool)
    assert (signed_distance(full) == torch.inf).all()
    assert (signed_distance(~full) == -torch.inf).all()


@pytest.mark.parametrize("wrong", [torch.zeros(4, 4), torch.zeros(4, dtype=torch.bool)])
def test_other_than_bool_planes_is_refused(wrong):
    with pytest.raises(InputError, match=r"wanted bool \(\.\.\., H, W\)"):
        distance_to(wrong)


def test_a_side_over_the_limit_is_refused():
    with pytest.raises(InputError, match="32768"):
        distance_to(torch.ones((1, 32769), dtype=torch.bool))


def test_some_pixels_have_the_sources_that_all_have():
    generator = torch.Generator().manual_seed(6)
    sources = torch.rand((40, 50), generator=generator) < 0.02
    pixels = torch.rand((40, 50), generator=generator) < 0.3
    _, (y, x) = nearest_source(sources)
    for got, wanted in zip(nearest_source_of(pixels, sources), (y, x), strict=True):
        assert torch.equal(got, wanted[pixels])
