"""The failure the pack answers, and the answer, measured on the demo scene."""

from __future__ import annotations

import pytest
import torch
from region_fields.engine import (
    Regions,
    blend_strengths,
    combine_fields,
    composite,
    field_from_depth,
    field_from_distance,
)
from region_fields.engine.blend import strengths_by_depth
from region_fields.engine.measure_field import measure_field

FOUND = ("tin", "orange", "ball", "cone")
WIDTH = 24.0


@pytest.fixture(scope="module")
def regions(scene):
    """Four of the scene's things, as automatic segmentation may leave it."""
    return Regions.from_masks(torch.stack([scene.mask(name) for name in FOUND]), labels=FOUND)


@pytest.fixture(scope="module")
def strengths(scene, regions):
    return strengths_by_depth(regions, scene.depth, near_is="black", nearest=1.0, farthest=0.25)


def test_a_constant_per_region_leaves_88_percent_without_strength_and_bands_at_borders(
    regions, strengths
):
    field = torch.zeros(1, *regions.size)
    for mask, strength in zip(regions.masks, strengths, strict=True):
        field[0][mask] = strength
    measures = measure_field(field, regions=regions, feather=WIDTH, covered=regions.union()[None])
    assert measures.coverage == pytest.approx(0.12, abs=0.005)
    assert measures.border_band > 1000
    assert measures.max_step == 1


def test_the_blended_field_covers_every_pixel_without_a_band(regions, strengths):
    field = blend_strengths(regions, strengths, WIDTH)
    measures = measure_field(field, regions=regions, feather=WIDTH)
    assert measures.coverage == 1
    assert measures.border_band == pytest.approx(1, abs=0.1)
    assert measures.max_step <= (1 - 0.25) / (2 * WIDTH) + 1e-6
    assert measures.low >= 0.25


def test_the_field_keeps_each_regions_strength_in_its_middle(regions, strengths):
    field = blend_strengths(regions, strengths, 4.0)[0]
    for mask, strength in zip(regions.masks, strengths, strict=True):
        y, x = (field.new_tensor(mask.nonzero().double().mean(0).tolist()).round().long()).tolist()
        assert float(field[y, x]) == pytest.approx(strength, abs=0.02)


def test_distance_to_the_subject_has_no_band_either(scene, regions):
    field = field_from_distance(scene.mask(scene.subject), outer_radius=60, units="percent")
    assert measure_field(field, regions=regions, feather=WIDTH).border_band == pytest.approx(
        1, abs=0.1
    )


def test_depth_steps_only_where_the_scene_does(scene):
    depth = field_from_depth(scene.depth, near_is="black", far=0, far_feather=1, near_feather=0)
    edge = torch.zeros_like(scene.labels, dtype=torch.bool)
    edge[:, 1:] |= scene.labels.diff(dim=1) != 0
    edge[:, :-1] |= scene.labels.diff(dim=1) != 0
    edge[1:] |= scene.labels.diff(dim=0) != 0
    edge[:-1] |= scene.labels.diff(dim=0) != 0
    step = depth[0].diff(dim=1).abs()
    within = ~(edge[:, 1:] | edge[:, :-1])
    assert float(step[within].quantile(0.99)) < 0.02
    assert float(step.max()) > 0.1


def test_depth_and_distance_together_recolour_the_scene_and_leave_the_subject_bit_for_bit(scene):
    subject = scene.mask(scene.subject)
    away = field_from_distance(subject, outer_radius=60, units="percent", invert=True)
    behind = field_from_depth(scene.depth, near_is="black", invert=True)
    field = combine_fields([away, behind], mode="screen")
    field = combine_fields([field, 1 - subject[None].float()], mode="min")
    result = composite(scene.image[None], scene.dusk[None], field)[0]
    assert torch.equal(result[subject], scene.image[subject])
    assert float((result - scene.image).abs().max()) > 0.2
