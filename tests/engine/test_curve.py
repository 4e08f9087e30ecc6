"""Field curves, snapping and smoothing over time."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine import InputError
from region_fields.engine.curve import PRESETS, curve_field, smooth_over_time, snap_field
from region_fields.engine.ops.curve import Curve
from region_fields.engine.ops.guided import guided_filter
from scipy.ndimage import uniform_filter1d

RAMP = torch.linspace(0, 1, 101)[None, None]
POINTS = [
    [[0, 0], [1, 1]],
    [[0, 1], [1, 0]],
    [[0, 0], [0.25, 0.7], [0.5, 0.7], [0.6, 0.1], [1, 1]],
    [[0.3, 0.2], [0.31, 0.9], [0.9, 0.95]],
    [[0.7, 0.2], [0.1, 0.4], [0.4, 0.0]],
    [[0, 0], [0.5, 0.3], [0.5, 0.8], [1, 1]],
    [[0.4, 0.6]],
]


@pytest.fixture(scope="module")
def core_curve():
    """ComfyUI's own CurveInput."""
    root = Path(os.environ.get("COMFYUI_DIR", Path.home() / "comfy" / "ComfyUI"))
    path = root / "comfy_api" / "latest" / "_input" / "curve_types.py"
    if not path.is_file():
        pytest.skip("no ComfyUI: set COMFYUI_DIR to a checkout that has CURVE (0.16 or later)")
    spec = importlib.util.spec_from_file_location("core_curve_types", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CurveInput


@pytest.mark.parametrize("interpolation", ["monotone_cubic", "linear"])
@pytest.mark.parametrize("points", POINTS)
def test_curves_equal_those_of_the_host(core_curve, points, interpolation):
    wanted = core_curve.from_raw({"points": points, "interpolation": interpolation})
    x = torch.linspace(0, 1, 1001, dtype=torch.float64)
    ours = Curve(points, interpolation)(x)
    np.testing.assert_allclose(ours, wanted.to_lut(1001), rtol=0, atol=1e-12)


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999)), min_size=1, max_size=7))
def test_any_curve_equals_that_of_the_host(core_curve, points):
    points = [(x / 999, y / 999) for x, y in points]
    wanted = core_curve.from_raw(points).to_lut(257)
    ours = Curve(points)(torch.linspace(0, 1, 257, dtype=torch.float64))
    np.testing.assert_allclose(ours, wanted, rtol=1e-9, atol=1e-9)


def test_a_table_from_the_host_gives_what_its_points_give(core_curve):
    table = core_curve.from_raw(POINTS[2]).to_lut(4096)
    by_table = curve_field(RAMP, table=table)
    torch.testing.assert_close(by_table, curve_field(RAMP, points=POINTS[2]), rtol=0, atol=1e-5)


def test_a_monotone_curve_passes_its_points_without_overshoot():
    field = curve_field(RAMP, points=[[0, 0], [0.2, 0.8], [0.4, 0.85], [1, 1]])
    assert field[0, 0, 20] == pytest.approx(0.8)
    assert bool((field.diff() >= 0).all())


def test_ranges_and_gamma_act_in_the_stated_order():
    field = curve_field(
        RAMP, in_low=0.2, in_high=0.6, gamma=2,
        out_low=0.9, out_high=0.5,
    )  # fmt: skip
    assert field[0, 0, 10] == pytest.approx(0.9)
    assert field[0, 0, 40] == pytest.approx(0.9 - 0.4 * 0.25)
    assert field[0, 0, 80] == pytest.approx(0.5)


def test_an_empty_input_range_is_a_threshold():
    field = curve_field(torch.tensor([[0.3, 0.5, 0.7]]), in_low=0.5, in_high=0.5)
    assert field.tolist() == [[[0.0, 0.0, 1.0]]]


@pytest.mark.parametrize("preset", ["none", *PRESETS])
def test_every_preset_starts_at_zero_and_does_something_else_in_between(preset):
    field = curve_field(RAMP, preset=preset)
    assert field[0, 0, 0] == 0
    assert field[0, 0, 100] == (0 if preset in ("tent", "bell") else 1)
    assert torch.equal(field, RAMP) == (preset == "none")


@given(st.sampled_from(["none", *PRESETS]), st.floats(0.1, 5), st.booleans())
def test_a_curved_field_is_a_field_and_its_input_is_kept(preset, gamma, invert):
    before = RAMP.clone()
    field = curve_field(RAMP, preset=preset, gamma=gamma, invert=invert, points=POINTS[3])
    assert field.dtype == torch.float32
    assert float(field.min()) >= 0
    assert float(field.max()) <= 1
    assert torch.equal(RAMP, before)


def test_invert_comes_last():
    plain = curve_field(RAMP, gamma=3, out_high=0.5)
    assert torch.equal(curve_field(RAMP, gamma=3, out_high=0.5, invert=True), 1 - plain)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_low": 0.6, "in_high": 0.5}, "in_low"),
        ({"out_high": 2}, "out_high"),
        ({"gamma": -1}, "Gamma"),
        ({"preset": "wiggle"}, "smoothstep"),
        ({"points": [[0, 0]], "table": [0, 1]}, "one of them"),
        ({"points": []}, "at least one point"),
        ({"table": [1.0]}, "at least 2"),
        ({"points": [[0, 0], [1, 1]], "interpolation": "akima"}, "akima"),
    ],
)
def test_a_wrong_curve_is_named(options, message):
    with pytest.raises(InputError, match=message):
        curve_field(RAMP, **options)


# snapping


def picture_with_edge(column, height=40, width=60):
    image = torch.full((1, height, width, 3), 0.2)
    image[:, :, column:] = 0.8
    return image


def test_a_soft_edge_snaps_to_the_edge_of_the_picture():
    soft = torch.linspace(-2, 2, 60).sigmoid().expand(1, 40, 60).contiguous()
    snapped = snap_field(soft, picture_with_edge(34), radius=12)
    step = snapped[0, 20].diff()
    assert int(step.argmax()) == 33
    assert float(step.max()) > 5 * float(soft.diff().max())


def test_a_window_wider_than_the_picture_is_the_whole_picture_and_costs_no_more(monkeypatch):
    field = torch.rand((1, 9, 14), generator=torch.Generator().manual_seed(0))
    image = torch.rand((1, 9, 14, 3), generator=torch.Generator().manual_seed(1))
    wanted = snap_field(field, image, radius=14)
    sides = []

    def watch(values, size, *args, **kwargs):
        sides.append(size)
        assert size < 99
        return uniform_filter1d(values, size, *args, **kwargs)

    monkeypatch.setattr("scipy.ndimage.uniform_filter1d", watch)
    far = snap_field(field, image, radius=16384, units="percent")
    torch.testing.assert_close(far, wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(snap_field(field, image, radius=1e6), wanted, rtol=0, atol=1e-6)
    assert sides


def test_the_guided_filter_fits_each_window_by_ridge_regression():
    generator = torch.Generator().manual_seed(0)
    plane = torch.rand((7, 8), generator=generator)
    guide = torch.rand((3, 7, 8), generator=generator)
    epsilon, radius = 0.01, 2
    fits = {}
    for y in range(7):
        for x in range(8):
            part = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            i = guide[:, part[0], part[1]].reshape(3, -1).double().numpy()
            p = plane[part].reshape(-1).double().numpy()
            i0, p0 = i.mean(1, keepdims=True), p.mean()
            cov = (i - i0) @ (i - i0).T / len(p) + epsilon * np.eye(3)
            a = np.linalg.solve(cov, (i - i0) @ (p - p0) / len(p))
            fits[y, x] = (a, p0 - a @ i0[:, 0])
    wanted = np.zeros((7, 8))
    for y in range(7):
        for x in range(8):
            near = [
                fits[v, u]
                for v in range(max(0, y - radius), min(7, y + radius + 1))
                for u in range(max(0, x - radius), min(8, x + radius + 1))
            ]
            slope, offset = (np.mean([n[k] for n in near], 0) for k in (0, 1))
            wanted[y, x] = slope @ guide[:, y, x].double().numpy() + offset
    filtered = guided_filter(plane, guide, radius, epsilon)
    np.testing.assert_allclose(filtered, wanted, rtol=0, atol=1e-6)


def test_strips_give_what_the_whole_gives(monkeypatch):
    from region_fields.engine.ops import guided

    plane, guide = torch.rand(50, 9), torch.rand(3, 50, 9)
    whole = guided_filter(plane, guide, 3, 0.01)
    monkeypatch.setattr(guided, "_PIXELS_AT_ONCE", 9 * 7)
    torch.testing.assert_close(guided_filter(plane, guide, 3, 0.01), whole)


def test_snapping_keeps_range_batch_and_input():
    field, image = torch.rand(3, 16, 20), torch.rand(3, 16, 20, 3)
    before = field.clone()
    snapped = snap_field(field, image, radius=3)
    assert float(snapped.min()) >= 0
    assert float(snapped.max()) <= 1
    single = [snap_field(f[None], i[None], radius=3) for f, i in zip(field, image, strict=True)]
    assert torch.equal(snapped, torch.cat(single))
    assert torch.equal(field, before)
    assert torch.equal(snap_field(field, image, amount=0), field)


# time


@pytest.mark.parametrize("method", ["gaussian", "median"])
def test_still_pixels_stay_and_flicker_shrinks(method):
    still = torch.rand(1, 4, 5).expand(6, 4, 5)
    assert torch.equal(smooth_over_time(still, method=method), still)
    flicker = torch.tensor([0.5, 0.5, 0.9, 0.5, 0.5, 0.5]).view(6, 1, 1)
    smooth = smooth_over_time(flicker, method=method, radius=1)
    assert float(smooth.max()) < 0.85


def test_the_gaussian_over_time_has_the_stated_weights():
    pulse = torch.zeros(5, 1, 1)
    pulse[2] = 1
    weights = np.exp(-2 * (np.arange(-2, 3) / 1.0) ** 2)
    smooth = smooth_over_time(pulse, radius=1.0)
    assert float(smooth[2]) == pytest.approx(1 / weights.sum())
    assert float(smooth[0]) == pytest.approx(weights[4] / weights[2:].sum())
