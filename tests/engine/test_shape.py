"""Fields from shapes, from a point in space and from a picture's values."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from region_fields.engine import InputError
from region_fields.engine.ops.colour import oklab_to_srgb
from region_fields.engine.ops.falloff import STEEPEST
from region_fields.engine.ops.outline import distance_to_superellipse
from region_fields.engine.shape import (
    SHAPES,
    field_from_3d_point,
    field_from_image_range,
    field_from_shape,
)


def test_a_radial_field_is_a_ramp_of_distance_to_the_centre():
    field = field_from_shape(
        (41, 61), inner_radius=5, outer_radius=15, units="pixels", falloff="linear"
    )[0]
    y, x = np.mgrid[:41, :61]
    wanted = np.clip((15 - np.hypot(x - 30, y - 20)) / 10, 0, 1)
    np.testing.assert_allclose(field, wanted, atol=1e-4)


def test_a_linear_field_falls_along_its_angle():
    field = field_from_shape(
        (20, 40), shape="linear", angle=90, inner_radius=0, outer_radius=8, units="pixels",
        falloff="linear", center=(0.5, 0.25),
    )[0]  # fmt: skip
    assert field[:5].min() == 1
    assert field[13:].max() == 0
    assert field[8].tolist() == pytest.approx([1 - 3.5 / 8] * 40)


def test_a_conical_field_falls_with_the_angle_from_its_axis():
    field = field_from_shape((101, 101), shape="conical", angle=90, falloff="linear")[0]
    assert field[100, 50] == pytest.approx(1)
    assert field[50, 100] == pytest.approx(0.5)
    assert field[0, 50] == pytest.approx(0, abs=1e-6)


def test_a_rectangle_has_its_exact_signed_distance():
    x, y = torch.tensor([0.0, 7.0, 0.0, 8.0, 3.0]), torch.tensor([0.0, 0.0, 7.0, 7.0, 2.5])
    distance = distance_to_superellipse(x, y, (5.0, 3.0), 0.0)
    # Inside: to the nearer side. Outside: to the side, or to the corner (5, 3).
    torch.testing.assert_close(
        distance, torch.tensor([-3.0, 2.0, 4.0, 5.0, -0.5]), atol=1e-3, rtol=0
    )


@settings(max_examples=30)
@given(st.floats(2, 30), st.floats(2, 30), st.floats(0, 1), st.integers(0, 99))
def test_distance_to_a_superellipse_is_that_to_its_nearest_outline_point(a, b, roundness, seed):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand((40, 2), generator=generator) * 80 - 40
    distance = distance_to_superellipse(points[:, 0], points[:, 1], (a, b), roundness)
    n = 2 / max(roundness, 1e-9)
    x, y = np.abs(points.double().numpy().T)
    t = np.linspace(0, 1, 20001)
    if n > 200:
        edge = np.concatenate([np.stack([a + 0 * t, b * t]), np.stack([a * t, b + 0 * t])], 1)
    else:
        u = np.concatenate([t, (1 - t**n) ** (1 / n)])
        edge = np.stack([a * u, b * (1 - u**n).clip(0) ** (1 / n)])
    nearest = np.sqrt(((x[:, None] - edge[0]) ** 2 + (y[:, None] - edge[1]) ** 2).min(1))
    inside = ((x / a) ** n + (y / b) ** n <= 1) if n <= 200 else (x <= a) & (y <= b)
    np.testing.assert_allclose(distance, np.where(inside, -nearest, nearest), atol=0.1)


@pytest.mark.parametrize("aspect", [1.0, 3.0])
@pytest.mark.parametrize("roundness", [0.0, 0.4, 1.0])
def test_the_feather_is_truly_in_pixels_whatever_the_aspect(aspect, roundness):
    field = field_from_shape(
        (200, 200), shape="superellipse", aspect=aspect, roundness=roundness, angle=30,
        inner_radius=20, outer_radius=30, units="pixels", falloff="linear",
    )[0]  # fmt: skip
    slope = torch.hypot(*(field[1:, 1:] - shifted for shifted in (field[:-1, 1:], field[1:, :-1])))
    assert max(float(field.diff(dim=d).abs().max()) for d in (0, 1)) <= 0.1001
    between = (field[1:, 1:] > 0.15) & (field[1:, 1:] < 0.85)
    assert float(slope[between].median()) == pytest.approx(0.1, rel=0.03)


def test_a_turned_shape_is_the_shape_turned():
    options = {"shape": "superellipse", "aspect": 2.0, "inner_radius": 8, "outer_radius": 30}
    upright = field_from_shape((60, 60), angle=0, **options)
    turned = field_from_shape((60, 60), angle=90, **options)
    torch.testing.assert_close(turned, upright.rot90(1, (-2, -1)), rtol=0, atol=1e-4)


@given(
    st.sampled_from(SHAPES), st.floats(0, 360), st.floats(0.1, 10), st.floats(0, 1), st.booleans()
)
def test_a_shape_is_a_field(shape, angle, aspect, roundness, invert):
    field = field_from_shape(
        (15, 22), shape=shape, angle=angle, aspect=aspect, roundness=roundness, invert=invert
    )
    assert field.dtype == torch.float32
    assert field.shape == (1, 15, 22)
    assert float(field.min()) >= 0
    assert float(field.max()) <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_does_not_depend_on_resolution(shape):
    options = {"shape": shape, "angle": 20, "center": (0.4, 0.6), "aspect": 1.5, "roundness": 0.5}
    coarse, fine = (field_from_shape((90 * k, 120 * k), **options) for k in (1, 4))
    pooled = torch.nn.functional.avg_pool2d(fine, 4)
    assert float((coarse - pooled).square().mean().sqrt()) < 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "star"}, "radial"),
        ({"inner_radius": 9, "outer_radius": 3}, "9 and 3"),
        ({"shape": "conical", "outer_angle": 270}, "270"),
        ({"aspect": 0}, "aspect"),
        ({"roundness": 2}, "roundness"),
        ({"angle": math.nan}, "angle: wanted a number"),
        ({"center": (0.5, math.inf)}, "center y: wanted a number"),
    ],
)
def test_a_wrong_shape_is_named(options, message):
    with pytest.raises(InputError, match=message):
        field_from_shape((8, 8), **options)


# a point in space


def test_distance_in_space_is_to_the_clicked_point():
    points = torch.zeros(1, 1, 4, 3)
    points[0, 0, :, 2] = torch.tensor([10.0, 10.0, 14.0, torch.nan])
    points[0, 0, :, 0] = torch.tensor([0.0, 3.0, 0.0, 0.0])
    field = field_from_3d_point(
        points, point=(0, 0), outer_radius=50, units="percent", falloff="linear"
    )
    assert field[0, 0].tolist() == pytest.approx([1.0, 0.4, 0.2, 0.0])


def test_depth_becomes_points_through_its_camera():
    depth = torch.full((1, 3, 5), 2.0)
    camera = torch.tensor([[4.0, 0, 2], [0, 4.0, 1], [0, 0, 1]])
    field = field_from_3d_point(
        depth, point=(2, 1), outer_radius=2, units="scene", intrinsics=camera, falloff="linear"
    )
    # One pixel at depth 2 and focal length 4 is half a unit wide.
    assert field[0, 1].tolist() == pytest.approx([0.5, 0.75, 1.0, 0.75, 0.5])


def test_a_wider_lens_spreads_the_scene():
    depth = torch.full((1, 9, 9), 2.0)
    narrow, wide = (
        field_from_3d_point(depth, point=(4, 4), fov_degrees=fov, outer_radius=60)
        for fov in (30, 90)
    )
    assert float(narrow.mean()) > float(wide.mean())


def test_a_click_without_depth_takes_the_nearest_pixel_that_has():
    depth = torch.tensor([[[torch.inf, 0.0, 5.0, 9.0]]])
    field = field_from_3d_point(depth, point=(0, 0), outer_radius=10)
    assert field[0, 0].tolist()[2] == 1
    assert field[0, 0].tolist()[:2] == [0, 0]


@pytest.mark.parametrize(
    ("depth", "options", "message"),
    [
        (torch.ones(1, 4, 4), {"point": (9, 0)}, "outside"),
        (torch.zeros(1, 4, 4), {"point": (0, 0)}, "no depth"),
        (torch.ones(1, 4, 4), {"point": (0, 0), "units": "m"}, "scene"),
        (torch.ones(1, 4, 4), {"point": (0, 0), "inner_radius": 70}, "70 and 50"),
        (torch.ones(1, 4, 4), {"point": (0, 0), "intrinsics": torch.zeros(3, 3)}, "no camera"),
        (torch.ones(1, 4, 4), {"point": (0, 0), "intrinsics": torch.eye(4)}, r"shape \(4, 4\)"),
    ],
)
def test_a_wrong_point_in_space_is_named(depth, options, message):
    with pytest.raises(InputError, match=message):
        field_from_3d_point(depth, **options)


# a picture's values


def test_a_range_the_wrong_way_round_says_what_to_do():
    with pytest.raises(InputError, match=r"begins at 0.9, after its end at 0.1. Swap the two"):
        field_from_image_range(torch.rand(1, 2, 2, 3), low=0.9, high=0.1)


@pytest.mark.parametrize(
    ("low", "high", "low_feather", "high_feather"),
    [(0, 300, 10, 90), (330, 30, 20, 5), (100, 340, 110, 15), (50, 60, 360, 1)],
)
def test_feathers_of_a_range_of_hues_go_on_round_the_circle(low, high, low_feather, high_feather):
    hues = torch.arange(0.5, 360, 5, dtype=torch.float64)
    angle = torch.deg2rad(hues)
    lab = torch.stack([torch.full_like(hues, 0.7), 0.05 * angle.cos(), 0.05 * angle.sin()], -1)
    field = field_from_image_range(
        oklab_to_srgb(lab.float())[None, None],
        channel="hue",
        low=low,
        high=high,
        low_feather=low_feather,
        high_feather=high_feather,
        falloff="linear",
    )
    # From the middle of the range on, either way round until it ends.
    span = (high - low) % 360
    above, below = (hues - low) % 360, (high - hues) % 360
    past, before = (above - span) / high_feather, (below - span) / low_feather
    wanted = (1 - torch.minimum(past, before)).clamp(0, 1)
    torch.testing.assert_close(field[0, 0].double(), wanted, rtol=0, atol=2e-3)


def test_luminance_is_the_grey_of_equal_light():
    greys = torch.tensor([0.2, 0.45, 0.6, 0.9])[None, None, :, None].expand(1, 1, 4, 3)
    field = field_from_image_range(
        greys, low=0.5, high=0.8, low_feather=0.1, high_feather=0.2, falloff="linear"
    )
    assert field[0, 0].tolist() == pytest.approx([0, 0.5, 1, 0.5], abs=1e-4)


def test_hue_wraps_round_and_leaves_grey_out():
    colours = [colorsys.hsv_to_rgb(h, 1, 1) for h in (0, 1 / 6, 1 / 3, 2 / 3)] + [(0.5, 0.5, 0.5)]
    image = torch.tensor(colours)[None, None].float()
    options = {"channel": "hue", "low_feather": 1, "high_feather": 1}
    red = field_from_image_range(image, low=350, high=40, **options)
    assert red[0, 0].tolist() == pytest.approx([1, 0, 0, 0, 0], abs=1e-6)
    blue = field_from_image_range(image, low=255, high=270, **options)
    assert blue[0, 0].tolist() == pytest.approx([0, 0, 0, 1, 0], abs=1e-6)


def test_chroma_is_one_for_the_strongest_colour():
    image = torch.tensor([[[[1.0, 0.0, 1.0], [0.5, 0.5, 0.5]]]])
    field = field_from_image_range(image, channel="chroma", low=0.99, high=1.01, low_feather=0)
    assert field[0, 0].tolist() == [1, 0]


@given(st.sampled_from(["luminance", "hue", "chroma"]), st.integers(0, 50), st.booleans())
def test_a_range_is_a_field_and_batch_is_loop(channel, seed, invert):
    image = torch.rand((2, 4, 5, 3), generator=torch.Generator().manual_seed(seed))
    field = field_from_image_range(image, channel=channel, invert=invert)
    assert float(field.min()) >= 0
    assert float(field.max()) <= 1
    single = [field_from_image_range(i[None], channel=channel, invert=invert) for i in image]
    assert torch.equal(field, torch.cat(single))


def test_the_steepest_step_of_each_falloff_is_as_stated():
    from region_fields.engine.ops.falloff import falloff

    t = torch.linspace(0, 1, 20001, dtype=torch.float64)
    for kind, slope in STEEPEST.items():
        steep = float(falloff(t, kind).double().diff().max()) * 20000
        assert steep == pytest.approx(slope, rel=0.01)
