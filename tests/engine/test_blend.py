"""Per-region strengths blended into one field."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from region_fields.engine import InputError, Regions, blend_strengths
from region_fields.engine.blend import (
    BLENDS,
    region_weights,
    strengths_by_depth,
    strengths_by_rank,
)


def halves(height=20, width=40):
    masks = torch.zeros(2, height, width, dtype=torch.bool)
    masks[0, :, : width // 2] = True
    masks[1, :, width // 2 :] = True
    return masks


def scattered(seed, count=4, shape=(26, 31)):
    """Overlapping rectangles that leave much of the picture uncovered."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros((count, *shape), dtype=torch.bool)
    for mask in masks:
        y, x = (int(torch.randint(0, n - 6, (), generator=generator)) for n in shape)
        h, w = (int(torch.randint(2, 9, (), generator=generator)) for _ in range(2))
        mask[y : y + h, x : x + w] = True
    return masks, torch.rand(count, generator=generator).tolist()


def steps(field):
    return max(float(field.diff(dim=-1).abs().max()), float(field.diff(dim=-2).abs().max()))


def test_two_halves_meet_in_the_middle_as_a_logistic_of_distance():
    field = blend_strengths(halves(), [0.0, 1.0], 3.0)
    x = torch.arange(40) - 19.5
    wanted = torch.sigmoid(2 * x / 3)
    torch.testing.assert_close(field[0, 7], wanted, rtol=0, atol=1e-6)


@given(st.integers(0, 500), st.sampled_from([0.7, 2.0, 8.0, 40.0]))
def test_no_step_exceeds_the_proven_bound_and_every_pixel_is_covered(seed, width):
    masks, strengths = scattered(seed)
    field = blend_strengths(masks, strengths, width)
    assert field.shape == (1, 26, 31)
    assert bool(field.isfinite().all())
    assert min(strengths) - 1e-6 <= float(field.min())
    assert float(field.max()) <= max(strengths) + 1e-6
    assert steps(field) <= (max(strengths) - min(strengths)) / (2 * width) + 1e-6


@settings(max_examples=6)
@given(st.integers(0, 500), st.sampled_from(BLENDS))
def test_the_order_of_the_masks_changes_nothing(seed, method):
    masks, strengths = scattered(seed)
    wanted = blend_strengths(masks, strengths, 4.0, method=method)
    for order in itertools.islice(itertools.permutations(range(4)), 0, 24, 5):
        mixed = [strengths[i] for i in order]
        assert torch.equal(blend_strengths(masks[list(order)], mixed, 4.0, method=method), wanted)


@pytest.mark.parametrize("method", BLENDS)
def test_equal_strengths_give_a_constant_field(method):
    masks, _ = scattered(1)
    field = blend_strengths(masks, [0.3] * 4, 5.0, method=method)
    torch.testing.assert_close(field, torch.full_like(field, 0.3))


def test_one_region_reaches_everywhere_and_a_full_one_too():
    masks = torch.zeros(1, 9, 9, dtype=torch.bool)
    masks[0, 4, 4] = True
    assert float((blend_strengths(masks, [0.6]) - 0.6).abs().max()) < 1e-6
    assert float((blend_strengths(torch.ones(1, 9, 9), [0.6]) - 0.6).abs().max()) < 1e-6


@pytest.mark.parametrize("method", BLENDS)
def test_pixels_of_no_region_are_one_more_region_and_nothing_is_unpacked(method, monkeypatch):
    masks, values = scattered(3)
    regions = Regions.from_masks(masks, ids=range(4))
    ordered = [values[i] for i in regions.ids.tolist()]
    wanted = blend_strengths(
        torch.cat([masks, ~masks.any(0)[None]]), [*values, 0.3], 4.0, method=method
    )
    # All of them at once are 2.5 GB for 300 regions of a 3840 x 2160 picture.
    monkeypatch.delattr(Regions, "masks")
    field = blend_strengths(regions, ordered, 4.0, method=method, default_outside=0.3)
    torch.testing.assert_close(field, wanted, rtol=0, atol=1e-6)


def test_default_outside_holds_far_from_every_region():
    masks = torch.zeros(1, 60, 60, dtype=torch.bool)
    masks[0, 25:35, 25:35] = True
    field = blend_strengths(masks, [1.0], 2.0, default_outside=0.2)
    assert field[0, 0, 0] == pytest.approx(0.2, abs=1e-4)
    assert field[0, 30, 30] > 0.95


def test_strengths_go_by_label_and_unnamed_labels_get_the_default():
    regions = Regions.from_masks(halves(), labels=["left", "right"])
    field = blend_strengths(regions, {"right": 1.0}, 1.0, default_strength=0.25)
    assert field[0, 0, 0] == pytest.approx(0.25)
    assert field[0, 0, -1] == pytest.approx(1.0)


def test_the_window_of_each_region_is_wide_enough():
    masks, strengths = scattered(9, 5, (90, 120))
    from region_fields.engine.ops.distance import signed_distance

    weights = torch.softmax(signed_distance(masks).double() / 2.0, 0)
    wanted = (weights * torch.tensor(strengths)[:, None, None]).sum(0)
    field = blend_strengths(masks, strengths, 2.0)[0]
    torch.testing.assert_close(field, wanted.float(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("method", BLENDS)
def test_flips_commute(method):
    masks, strengths = scattered(3)
    field = blend_strengths(masks, strengths, 3.0, method=method)
    flipped = blend_strengths(masks.flip(-1), strengths, 3.0, method=method).flip(-1)
    torch.testing.assert_close(field, flipped, rtol=0, atol=1e-6 if method == "partition" else 2e-2)


def test_the_blend_does_not_depend_on_resolution():
    coarse = blend_strengths(halves(50, 80), [0.1, 0.9], 5.0)
    fine = blend_strengths(halves(200, 320), [0.1, 0.9], 20.0)
    pooled = torch.nn.functional.avg_pool2d(fine, 4)
    assert float((coarse - pooled).square().mean().sqrt()) < 0.01


def test_the_membrane_falls_evenly_between_cores_without_a_picture():
    masks = torch.zeros(2, 12, 41, dtype=torch.bool)
    masks[0, :, :5] = True
    masks[1, :, 36:] = True
    field = blend_strengths(masks, [0.0, 1.0], 4.5, method="membrane")
    torch.testing.assert_close(
        field[0, 6, 0:41:10], torch.tensor([0, 0.25, 0.5, 0.75, 1.0]), rtol=0, atol=0.02
    )


def test_the_membrane_changes_at_the_edge_of_the_picture():
    masks = torch.zeros(2, 12, 40, dtype=torch.bool)
    masks[0, :, :4] = True
    masks[1, :, 36:] = True
    image = torch.zeros(1, 12, 40, 3)
    image[:, :, 12:] = 1
    field = blend_strengths(masks, [0.0, 1.0], 3.0, method="membrane", image=image)[0, 6]
    assert field[11] < 0.1
    assert field[12] > 0.9


@settings(max_examples=20)
@given(st.integers(0, 200))
def test_the_membrane_never_overshoots(seed):
    masks, strengths = scattered(seed)
    field = blend_strengths(masks, strengths, 3.0, method="membrane")
    assert min(strengths) - 1e-6 <= float(field.min())
    assert float(field.max()) <= max(strengths) + 1e-6


def test_region_weights_come_in_the_order_asked_for():
    masks = torch.rand((4, 20, 30), generator=torch.Generator().manual_seed(1)) < 0.3
    order = [2, 0, 3, 1]
    regions = Regions.from_masks(masks)
    assert torch.equal(region_weights(regions, 4.0, order), region_weights(regions, 4.0)[order])
    assert torch.equal(region_weights(masks[order], 4.0), region_weights(masks, 4.0)[order])
    masks[1] = False
    assert not region_weights(masks, 4.0)[1].any()


@settings(max_examples=30)
@given(st.integers(0, 200))
def test_region_weights_sum_to_one_and_rebuild_the_blend(seed):
    masks, strengths = scattered(seed)
    weights = region_weights(masks, 3.0)
    torch.testing.assert_close(weights.sum(0), torch.ones(26, 31))
    blended = (weights * torch.tensor(strengths)[:, None, None]).sum(0, keepdim=True)
    torch.testing.assert_close(blended, blend_strengths(masks, strengths, 3.0), rtol=0, atol=1e-5)


def test_strengths_by_depth_go_from_near_to_far():
    regions = Regions.from_masks(halves())
    depth = torch.linspace(0, 1, 40).expand(20, 40)
    by_white = strengths_by_depth(regions, depth, nearest=0.8, farthest=0.1)
    assert by_white == pytest.approx([0.1, 0.8])
    assert strengths_by_depth(regions, depth, near_is="black") == pytest.approx([1.0, 0.0])


def test_strengths_by_depth_want_one_depth_map():
    with pytest.raises(InputError, match="Strengths by depth: wanted one depth map, got 2"):
        strengths_by_depth(Regions.from_masks(halves()), torch.rand(2, 20, 40))


def test_strengths_by_rank_spread_evenly():
    masks = torch.zeros(3, 10, 10)
    masks[0, :9], masks[1, :5], masks[2, :1] = 1, 1, 1
    assert strengths_by_rank(Regions.from_masks(masks)) == pytest.approx([1.0, 0.5, 0.0])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((halves(), [0.1]), {}, r"2 regions but 1 strength\."),
        ((halves(), [0.1, 1.5]), {}, "from 0 to 1"),
        ((halves(), {"a": 1.0}), {}, "labels"),
        ((halves(), [0.1, 0.2], 0.0), {}, "width above 0"),
        ((torch.zeros(2, 4, 4), [0.1, 0.2]), {}, "no region"),
        ((halves(), [0.1, 0.2]), {"method": "median"}, "membrane"),
        (
            (halves(), [0.1, 0.2]),
            {"method": "membrane", "image": torch.zeros(1, 4, 4, 3)},
            "4 x 4",
        ),
    ],
)
def test_a_wrong_blend_is_named(arguments, options, message):
    with pytest.raises(InputError, match=message):
        blend_strengths(*arguments, **options)
