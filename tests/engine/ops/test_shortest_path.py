"""Geodesic distance against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from region_fields.engine import InputError
from region_fields.engine.ops.geodesic import oklab_planes
from region_fields.engine.ops.shortest_path import _by_sweeps, contrast_cost, geodesic_distance
from skimage.graph import MCP_Geometric


def by_skimage(sources, cost):
    starts = np.argwhere(sources.numpy())
    return MCP_Geometric(cost.double().numpy()).find_costs(starts)[0]


@settings(max_examples=25)
@given(st.integers(0, 999), st.floats(0.5, 3.0))
def test_distance_equals_that_of_scikit_image(seed, roughness):
    generator = torch.Generator().manual_seed(seed)
    cost = torch.exp(roughness * torch.randn((1, 17, 23), generator=generator))
    sources = torch.rand((1, 17, 23), generator=generator) < 0.02
    sources[0, 3, 5] = True
    wanted = by_skimage(sources[0], cost[0])
    np.testing.assert_allclose(geodesic_distance(sources, cost)[0], wanted, rtol=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 999), st.floats(0.5, 3.0))
def test_the_device_path_equals_the_cpu_path(seed, roughness):
    generator = torch.Generator().manual_seed(seed)
    cost = torch.exp(roughness * torch.randn((2, 17, 23), generator=generator))
    sources = torch.rand((2, 17, 23), generator=generator) < 0.02
    torch.testing.assert_close(_by_sweeps(sources, cost), geodesic_distance(sources, cost))


def test_one_set_of_sources_goes_with_every_cost():
    sources = torch.zeros(1, 6, 7, dtype=torch.bool)
    sources[0, 2, 2] = True
    cost = torch.rand(3, 6, 7) + 0.1
    both = geodesic_distance(sources, cost)
    for i in range(3):
        assert torch.equal(both[i : i + 1], geodesic_distance(sources, cost[i : i + 1]))


def test_a_winding_corridor_is_followed_to_its_end():
    cost = torch.full((1, 21, 21), 1e4)
    for k in range(0, 21, 4):
        cost[0, k] = 1
        cost[0, k : k + 5, 20 if k % 8 == 0 else 0] = 1
    sources = torch.zeros(1, 21, 21, dtype=torch.bool)
    sources[0, 0, 0] = True
    np.testing.assert_allclose(
        geodesic_distance(sources, cost)[0], by_skimage(sources[0], cost[0]), rtol=1e-6
    )


def test_an_even_picture_has_octile_distance():
    sources = torch.zeros(1, 9, 9, dtype=torch.bool)
    sources[0, 4, 4] = True
    distance = geodesic_distance(sources, torch.ones(1, 9, 9))[0]
    assert distance[4].tolist() == [4, 3, 2, 1, 0, 1, 2, 3, 4]
    assert float(distance[0, 0]) == pytest.approx(4 * 2**0.5)


def test_a_frame_without_sources_is_infinite_and_batch_is_loop():
    sources = torch.zeros(2, 6, 7, dtype=torch.bool)
    sources[0, 2, 2] = True
    cost = torch.rand(2, 6, 7) + 0.1
    distance = geodesic_distance(sources, cost)
    assert bool(distance[1].isinf().all())
    torch.testing.assert_close(distance[:1], geodesic_distance(sources[:1], cost[:1]))


@pytest.mark.parametrize("size", [100, 200])
@pytest.mark.parametrize("width", [1, 2])
def test_crossing_an_edge_costs_its_contrast_at_any_sharpness_and_size(size, width):
    """width: of the edge in hundredths of the short side. Cost 200: 200 thousandths of it."""
    ramp = ((torch.arange(size) - 0.4 * size) / (width * size / 100)).clamp(0, 1)
    guide = (0.5 * ramp).expand(1, size, size).contiguous()
    sources = torch.zeros(1, size, size, dtype=torch.bool)
    sources[..., 0] = True
    distance = geodesic_distance(sources, 1 + contrast_cost(guide, 200.0)[None])
    crossed = (float(distance[0, 1, -1]) - (size - 1)) / size
    assert crossed == pytest.approx(0.5 * 0.2, rel=0.11)


def test_grain_and_shading_hardly_lengthen_the_way_and_an_edge_does():
    generator = torch.Generator().manual_seed(0)
    grain = 0.5 + 0.02 * torch.randn((640, 640, 3), generator=generator)
    shading = torch.linspace(0.3, 0.7, 640)[:, None].expand(640, 640, 3)
    edge = torch.full((640, 640, 3), 0.3)
    edge[:, 320:] = 0.7
    # Extra way from side to side, in widths of the picture.
    extra = [
        float(contrast_cost(oklab_planes(image), 500.0).mean())
        for image in (grain, shading.contiguous(), edge)
    ]
    assert extra[0] < 0.1
    assert extra[1] < 0.01
    contrast = float((oklab_planes(edge)[:, 0, 0] - oklab_planes(edge)[:, 0, -1]).norm())
    assert extra[2] == pytest.approx(0.5 * contrast, rel=0.1)


def test_a_cost_that_is_not_positive_is_named():
    with pytest.raises(InputError, match="positive"):
        geodesic_distance(torch.ones(1, 2, 2, dtype=torch.bool), torch.zeros(1, 2, 2))
