"""Fields as the sampler reads them."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine import InputError
from region_fields.engine.ops.resize import resize_area
from region_fields.engine.sampling import (
    denoise_mask,
    regional_weights,
    resize_to_latent,
    schedule_thresholds,
    split_field,
)


def steps_free(mask, thresholds):
    """In how many steps DifferentialDiffusion frees each pixel."""
    return (mask[..., None] >= thresholds.to(mask)).sum(-1)


def flow_sigmas(steps, shift):
    t = torch.linspace(1, 0, steps + 1)
    return shift * t / (1 + (shift - 1) * t)


def flow_thresholds(steps, shift):
    return schedule_thresholds(flow_sigmas(steps, shift), lambda s: s * 1000, 1e-3)


def test_flow_shift_three_frees_too_few_steps_unless_the_schedule_is_inverted():
    thresholds = flow_thresholds(20, 3.0)
    field = torch.tensor([[[0.1, 0.25, 0.5, 0.75]]])
    assert steps_free(field, thresholds).tolist() == [[[0, 2, 5, 10]]]
    assert steps_free(denoise_mask(field, thresholds), thresholds).tolist() == [[[2, 5, 10, 15]]]


@given(st.integers(1, 60), st.floats(0.3, 9), st.integers(0, 99))
def test_the_share_of_free_steps_is_the_field_to_within_half_a_step(steps, shift, seed):
    thresholds = flow_thresholds(steps, shift)
    field = torch.rand((1, 9, 9), generator=torch.Generator().manual_seed(seed))
    free = steps_free(denoise_mask(field, thresholds), thresholds)
    assert float((free / steps - field).abs().max()) <= 0.5 / steps + 1e-5


@given(st.integers(1, 60), st.floats(0.3, 9))
def test_every_whole_number_of_steps_is_hit_exactly(steps, shift):
    thresholds = flow_thresholds(steps, shift)
    field = (torch.arange(steps + 1) / steps)[None, None]
    free = steps_free(denoise_mask(field, thresholds), thresholds)
    assert free.flatten().tolist() == list(range(steps + 1))


def test_the_denoise_mask_keeps_zero_and_one_and_rises_with_the_field():
    field = torch.linspace(0, 1, 1001)[None, None]
    mask = denoise_mask(field, flow_thresholds(20, 3.0))
    assert mask[0, 0, 0] == 0
    assert mask[0, 0, -1] == 1
    assert bool((mask.diff() >= 0).all())
    assert mask.dtype == torch.float32


def test_thresholds_that_rise_or_go_nowhere_are_named():
    with pytest.raises(InputError, match="never rise"):
        denoise_mask(torch.rand(1, 2, 2), torch.tensor([0.1, 0.5]))
    with pytest.raises(InputError, match="same timestep"):
        schedule_thresholds(torch.ones(5), lambda s: s, 0.0)
    with pytest.raises(InputError, match="at least 2"):
        schedule_thresholds(torch.ones(1), lambda s: s, 0.0)
    with pytest.raises(InputError, match="sigmas is no number"):
        schedule_thresholds(torch.tensor([1.0, torch.nan, 0.0]), lambda s: s, 0.0)
    with pytest.raises(InputError, match="finite thresholds"):
        denoise_mask(torch.rand(1, 2, 2), torch.tensor([1.0, torch.nan]))


# the latent grid


@given(st.integers(1, 9), st.integers(1, 9), st.integers(10, 40), st.integers(10, 40))
def test_the_area_resize_keeps_the_mean_and_exact_ends(h, w, height, width):
    field = torch.rand((2, height, width), generator=torch.Generator().manual_seed(h * w))
    latent = resize_area(field, (h, w))
    torch.testing.assert_close(latent.mean((1, 2)), field.mean((1, 2)))
    assert bool((resize_to_latent(torch.ones(1, height, width), (h, w)) == 1).all())
    assert bool((resize_to_latent(torch.zeros(1, height, width), (h, w)) == 0).all())


def test_a_field_of_another_shape_than_the_latent_is_refused_unless_it_is_the_same_everywhere():
    with pytest.raises(InputError, match=r"field of 20 x 10 pixels .* 80 x 80"):
        resize_to_latent(torch.rand(1, 10, 20), (10, 10))
    assert resize_to_latent(torch.zeros(1, 64, 64), (10, 20)).shape == (1, 10, 20)


def test_whole_blocks_are_averaged():
    field = torch.rand(1, 16, 24)
    wanted = torch.nn.functional.avg_pool2d(field, 8)
    torch.testing.assert_close(resize_to_latent(field, (2, 3)), wanted)


def test_a_field_is_cropped_as_the_host_crops_the_picture_it_encodes():
    field = torch.rand(1, 21, 30)
    assert torch.equal(
        resize_to_latent(field, (2, 3)), resize_to_latent(field[:, 2:18, 3:27], (2, 3))
    )


# weights


@given(st.integers(0, 99), st.booleans(), st.integers(1, 4))
def test_weights_sum_to_one_and_follow_their_fields(seed, background, count):
    generator = torch.Generator().manual_seed(seed)
    fields = [
        torch.rand((1, 5, 6), generator=generator)
        * (torch.rand((1, 5, 6), generator=generator) > 0.4)
        for _ in range(count)
    ]
    weights = regional_weights(fields, background=background)
    assert weights.shape == (count + background, 1, 5, 6)
    assert float(weights.min()) >= 0
    torch.testing.assert_close(weights.sum(0), torch.ones(1, 5, 6))
    for order in itertools.permutations(range(count)):
        mixed = regional_weights([fields[i] for i in order], background=background)
        for place, i in enumerate(order):
            assert torch.equal(mixed[place], weights[i])


def test_the_background_takes_what_the_fields_leave():
    weights = regional_weights([torch.full((1, 1, 1), 0.3), torch.full((1, 1, 1), 0.2)])
    assert weights.flatten().tolist() == pytest.approx([0.3, 0.2, 0.5])
    crowded = regional_weights([torch.ones(1, 1, 1), torch.ones(1, 1, 1)])
    assert crowded.flatten().tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_without_a_background_an_empty_pixel_is_shared_evenly():
    weights = regional_weights([torch.zeros(1, 1, 1)] * 4, background=False)
    assert weights.flatten().tolist() == [0.25] * 4


# splitting


def test_the_denoise_part_is_full_wherever_the_field_acts_and_the_field_is_kept():
    field = torch.zeros(1, 40, 40)
    field[0, 15:25, 15:25] = 0.3
    mask, kept = split_field(field, grow=4, feather=4)
    assert torch.equal(kept, field)
    assert bool((mask[field > 0] == 1).all())
    assert mask[0, 20, 28] == 1
    assert 0 < float(mask[0, 20, 30]) < 1
    assert mask[0, 20, 32] == 0


def test_nothing_to_denoise_gives_an_empty_mask():
    mask, _ = split_field(torch.zeros(1, 8, 8), feather=0)
    assert float(mask.max()) == 0


@pytest.mark.parametrize("floor", [0.0, -1e-4])
def test_below_zero_a_mask_stays_out_of_a_last_step_whose_threshold_is_zero(floor):
    thresholds = torch.tensor([1.0, 0.5, 0.0])
    mask = denoise_mask(torch.tensor([[[0.0, 0.1, 1 / 3, 1.0]]]), thresholds, floor=floor)
    kept = floor < 0
    assert steps_free(mask, thresholds).flatten().tolist() == [1 - kept, 1 - kept, 1, 3]
    assert float(mask.min()) == pytest.approx(floor)
    # Where the last threshold is above 0, zero does already.
    above = denoise_mask(torch.zeros(1, 1, 1), thresholds + 0.1, floor=floor)
    assert float(above) == 0


def test_a_floor_above_zero_is_no_floor():
    with pytest.raises(InputError, match="floor"):
        denoise_mask(torch.zeros(1, 1, 1), torch.tensor([1.0, 0.0]), floor=0.5)
