"""Measures of a field, on fields whose measures are known."""

from __future__ import annotations

import json

import pytest
import torch
from region_fields.engine import InputError, Regions, field_from_distance
from region_fields.engine.field import distance_from
from region_fields.engine.measure_field import border_band_index, measure_field


def ramp(width=64, height=32):
    return torch.linspace(0, 1, width).expand(1, height, width).contiguous()


def halves(width=64, height=32):
    labels = torch.zeros(1, height, width, dtype=torch.int64)
    labels[..., width // 2 :] = 1
    return labels


def test_a_frame_without_an_anchor_says_nothing_of_monotonicity():
    near = torch.arange(64.0).expand(1, 32, 64)
    nowhere = torch.full_like(near, torch.inf)
    falling = 1 - ramp()
    both = measure_field(falling.expand(2, -1, -1), distance=torch.cat([near, nowhere]))
    assert both.monotonicity == 1
    alone = measure_field(falling, distance=nowhere)
    assert alone.monotonicity is None
    assert "monotonicity" not in alone.as_text()


@pytest.mark.parametrize("turn", [False, True])
def test_a_band_shows_in_a_picture_of_one_row_or_column(turn):
    constants, labels = halves(height=1).float(), halves(height=1)
    if turn:
        constants, labels = constants.mT, labels.mT
    assert border_band_index(constants, labels, 8) > 1000
    even = torch.linspace(0, 1, 64).view(constants.shape)
    assert border_band_index(even, labels, 8) == pytest.approx(1, abs=1e-4)


def test_an_even_ramp_has_equal_steps_and_a_border_index_of_one():
    measures = measure_field(ramp(), regions=halves(), feather=8)
    assert measures.mean_step * (63 * 32 + 64 * 31) == pytest.approx(32, rel=1e-5)
    assert measures.max_step == pytest.approx(1 / 63, abs=1e-6)
    assert measures.border_band == pytest.approx(1.0, abs=1e-4)


def test_a_constant_per_region_has_a_border_index_in_the_thousands():
    constants = torch.where(halves() == 1, 0.8, 0.2)
    assert border_band_index(constants, halves(), 8) > 1000


def test_a_flat_field_or_a_picture_without_borders_has_an_index_of_one():
    flat = torch.full((1, 32, 64), 0.4)
    assert border_band_index(flat, halves(), 8) == 1
    assert border_band_index(ramp(), torch.zeros(1, 32, 64, dtype=torch.int64), 8) == 1


def test_overlapping_regions_border_wherever_their_set_changes():
    masks = torch.zeros(2, 16, 24, dtype=torch.bool)
    masks[0, :, :16], masks[1, :, 8:] = True, True
    bands = torch.zeros(1, 16, 24)
    bands[..., 8:16], bands[..., 16:] = 0.5, 1.0
    for regions in (masks, Regions.from_masks(masks), [Regions.from_masks(masks)]):
        assert measure_field(bands, regions=regions, feather=4).border_band > 1000


def test_a_distance_field_keeps_to_the_slope_it_promises_and_is_monotone():
    anchor = torch.zeros(1, 60, 60)
    anchor[0, 20:40, 25:35] = 1
    for kind in ("linear", "smoothstep", "cosine", "gaussian"):
        field = field_from_distance(anchor, outer_radius=20, falloff=kind)
        measures = measure_field(field, feather=20, falloff=kind, distance=distance_from(anchor))
        assert 0.9 < measures.slope_excess <= 1.0001
        assert measures.monotonicity == pytest.approx(1, abs=1e-4)


def test_a_field_that_rises_with_distance_is_not_monotone():
    anchor = torch.zeros(1, 30, 30)
    anchor[0, 15, 15] = 1
    field = field_from_distance(anchor, outer_radius=10, invert=True)
    assert measure_field(field, distance=distance_from(anchor)).monotonicity == 0


def test_levels_that_survive_are_those_the_latent_and_the_schedule_can_tell_apart():
    columns = torch.arange(64).div(8, rounding_mode="floor") / 7.0
    stairs = columns.expand(1, 32, 64).contiguous()
    measures = measure_field(stairs, latent_scale=8, steps=4)
    assert measures.latent_levels == 8
    # 0..7 sevenths against thresholds 1, 3/4, 1/2, 1/4: 0, 1, 2, 3 or 4 free steps.
    assert measures.schedule_levels == 5
    assert measure_field(stairs, thresholds=[1.0, 0.9, 0.3]).schedule_levels == 3


def test_coverage_counts_pixels_with_strength_or_those_said_to_be_covered():
    field = torch.zeros(1, 10, 10)
    field[:, :3] = 0.5
    assert measure_field(field).coverage == pytest.approx(0.3)
    assert measure_field(field, covered=torch.ones(1, 10, 10)).coverage == 1


def test_flicker_is_the_deviation_over_time():
    still = ramp().expand(4, -1, -1)
    assert measure_field(still).temporal_std == 0
    flicker = torch.stack([ramp()[0] * 0, ramp()[0] * 0 + 0.5])
    assert measure_field(flicker).temporal_std == pytest.approx(0.25)
    assert measure_field(ramp()).temporal_std is None


def test_text_and_json_tell_the_same():
    measures = measure_field(ramp(), regions=halves(), feather=8, falloff="linear")
    told = json.loads(measures.as_json())
    assert told["border_band"] == pytest.approx(measures.border_band, abs=1e-6)
    assert told["monotonicity"] is None
    assert "border-band index 1.00" in measures.as_text()
    assert "monotonicity" not in measures.as_text()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_masks_of_any_float_are_masks(dtype):
    soft = halves() * 0.8
    banded = (halves() > 0).float()
    expected = measure_field(banded, regions=soft > 0.5, feather=8).border_band
    assert expected > 100
    assert measure_field(banded, regions=soft.to(dtype), feather=8).border_band == expected


def test_measuring_does_not_modify_the_field():
    field = ramp()
    before = field.clone()
    measure_field(field, regions=halves(), distance=torch.rand(1, 32, 64))
    assert torch.equal(field, before)


def test_a_distance_of_another_size_is_named():
    with pytest.raises(InputError, match="distance"):
        measure_field(ramp(), distance=torch.zeros(1, 4, 4))
