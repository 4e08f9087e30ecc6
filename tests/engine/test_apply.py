"""Compositing by a field."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine import InputError, composite
from region_fields.engine.apply import SPACES
from region_fields.engine.ops.colour import linear_to_srgb, srgb_to_linear, srgb_to_oklab


def pictures(seed, shape=(2, 5, 6, 3)):
    generator = torch.Generator().manual_seed(seed)
    base, effect = torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)
    return base, effect, torch.rand(shape[:3], generator=generator)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("channels", [3, 4])
def test_field_zero_returns_the_base_bit_for_bit_and_one_the_effect(space, channels):
    base, effect, field = pictures(0, (2, 9, 8, channels))
    field[:, :3], field[:, 3:6] = 0, 1
    mixed = composite(base, effect, field, space)
    assert torch.equal(mixed[:, :3], base[:, :3])
    assert torch.equal(mixed[:, 3:6], effect[:, 3:6])
    assert not torch.equal(mixed[:, 6:], base[:, 6:])


def test_an_effect_that_is_no_number_stays_where_the_field_is():
    base, field = torch.rand(1, 4, 6, 3), torch.zeros(1, 4, 6)
    field[:, :, 3:] = 0.5
    effect = torch.full_like(base, torch.nan)
    mixed = composite(base, effect, field)
    assert torch.equal(mixed[:, :, :3], base[:, :, :3])


def test_a_picture_that_lies_plane_by_plane_gives_the_same():
    base, effect, field = torch.rand(2, 3, 9, 7), torch.rand(2, 3, 9, 7), torch.rand(2, 9, 7)
    planar = composite(base.movedim(1, -1), effect.movedim(1, -1), field)
    tidy = composite(base.movedim(1, -1).contiguous(), effect.movedim(1, -1).contiguous(), field)
    assert torch.equal(planar, tidy)


def test_linear_light_mixes_light_and_srgb_mixes_codes():
    black, white = torch.zeros(1, 1, 1, 3), torch.ones(1, 1, 1, 3)
    half = torch.full((1, 1, 1), 0.5)
    assert float(composite(black, white, half, "srgb")[0, 0, 0, 0]) == 0.5
    light = float(composite(black, white, half)[0, 0, 0, 0])
    assert light == pytest.approx(0.735357, abs=1e-5)


def test_linear_is_what_a_conversion_there_and_back_gives():
    base, effect, field = pictures(1)
    f = field[..., None]
    wanted = linear_to_srgb(srgb_to_linear(base) * (1 - f) + srgb_to_linear(effect) * f)
    torch.testing.assert_close(composite(base, effect, field), wanted, rtol=0, atol=2e-6)


def test_oklab_mixes_halfway_in_lightness_and_colour():
    red = torch.tensor([1.0, 0.0, 0.0]).expand(1, 1, 1, 3)
    green = torch.tensor([0.0, 1.0, 0.0]).expand(1, 1, 1, 3)
    mixed = composite(red, green, torch.full((1, 1, 1), 0.5), "oklab")
    # Published Oklab coordinates of sRGB red and green.
    ends = torch.tensor([[0.627955, 0.224863, 0.125846], [0.866440, -0.233888, 0.179498]])
    torch.testing.assert_close(srgb_to_oklab(mixed)[0, 0, 0], ends.mean(0), rtol=0, atol=1e-4)


@given(st.integers(0, 99), st.sampled_from(SPACES), st.sampled_from([3, 4]))
def test_a_mix_stays_in_range_and_modifies_nothing(seed, space, channels):
    base, effect, field = pictures(seed, (2, 5, 6, channels))
    before = base.clone(), effect.clone(), field.clone()
    mixed = composite(base, effect, field, space)
    assert mixed.dtype == torch.float32
    assert float(mixed.min()) >= 0
    assert float(mixed.max()) <= 1
    assert all(torch.equal(a, b) for a, b in zip(before, (base, effect, field), strict=True))


@given(st.integers(0, 99), st.sampled_from(["linear", "srgb"]))
def test_a_mix_lies_between_its_two_pictures(seed, space):
    base, effect, field = pictures(seed)
    mixed = composite(base, effect, field, space)
    assert bool((mixed >= torch.minimum(base, effect)).all())
    assert bool((mixed <= torch.maximum(base, effect)).all())


def test_a_picture_mixed_with_itself_is_itself():
    base, _, field = pictures(3)
    assert torch.equal(composite(base, base, field), base)


def test_a_transparent_effect_lends_no_colour():
    base = torch.tensor([1.0, 0.0, 0.0, 1.0]).expand(1, 1, 1, 4)
    clear_green = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(1, 1, 1, 4)
    mixed = composite(base, clear_green, torch.full((1, 1, 1), 0.5))
    torch.testing.assert_close(mixed[0, 0, 0], torch.tensor([1.0, 0.0, 0.0, 0.5]))


def test_two_transparent_pictures_mix_without_dividing_by_zero():
    clear = torch.zeros(1, 2, 2, 4)
    assert torch.equal(composite(clear, clear.clone(), torch.full((1, 2, 2), 0.3)), clear)


def test_an_effect_with_alpha_is_laid_over_a_base_without():
    base, effect, field = pictures(4)
    alpha = torch.rand(2, 5, 6, 1)
    mixed = composite(base, torch.cat([effect, alpha], -1), field)
    torch.testing.assert_close(mixed, composite(base, effect, field * alpha[..., 0]))


def test_an_effect_without_alpha_counts_as_opaque():
    base, _, field = pictures(5, (1, 3, 3, 4))
    effect = torch.rand(1, 3, 3, 3)
    opaque = torch.cat([effect, torch.ones(1, 3, 3, 1)], -1)
    assert torch.equal(composite(base, effect, field), composite(base, opaque, field))


def test_a_batch_gives_what_single_frames_give_and_one_goes_with_many():
    base, effect, field = pictures(6)
    single = [composite(b, e, f) for b, e, f in zip(base, effect, field, strict=True)]
    assert torch.equal(composite(base, effect, field), torch.stack(single))
    shared = composite(base, effect[:1], field[:1])
    assert torch.equal(shared[1], composite(base[1], effect[0], field[0]))


def test_a_field_of_another_size_is_resized():
    base, effect, _ = pictures(7)
    assert torch.equal(composite(base, effect, torch.zeros(1, 64, 64)), base)
    assert torch.equal(composite(base, effect, torch.ones(2, 2)), effect)


def test_a_picture_that_a_vae_cropped_lies_where_it_was():
    base = torch.rand(1, 43, 61, 3, generator=torch.Generator().manual_seed(8))
    effect = base[:, 1:41, 2:58] * 0.5  # 56 x 40, about the middle
    mixed = composite(base, effect, torch.ones(1, 43, 61))
    assert torch.equal(mixed[:, 1:41, 2:58], effect)
    assert torch.equal(mixed[0, 0, 2:58], effect[0, 0])


def test_an_effect_of_another_size_is_resized_without_its_hidden_colours():
    base, field = torch.zeros(1, 6, 6, 4), torch.ones(1, 6, 6)
    effect = torch.ones(1, 12, 12, 4)
    effect[:, :, 5:] = torch.tensor([0.0, 0.0, 0.0, 0.0])
    mixed = composite(base, effect, field, "srgb")
    shown = mixed[..., 3] > 0
    assert mixed[0, 0, 2, 3] == pytest.approx(0.5, abs=0.2)
    torch.testing.assert_close(mixed[shown][:, :3], torch.ones(int(shown.sum()), 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.rand(4, 2, 2, 3), torch.rand(1, 2, 2, 3), torch.rand(3, 2, 2)), "4 x base but 3"),
        (
            (torch.rand(2, 2, 3), torch.rand(2, 4, 3), torch.rand(2, 2)),
            "effect of 4 x 2 pixels .* 2 x 2",
        ),
        ((torch.rand(2, 2, 2), torch.rand(2, 2, 3), torch.rand(2, 2)), "base: wanted an image"),
        ((torch.rand(2, 2, 3), torch.rand(2, 2, 3), torch.full((2, 2), torch.nan)), "finite"),
        ((torch.rand(2, 2, 3), torch.rand(2, 2, 3), torch.rand(2, 2), "xyz"), "xyz"),
    ],
)
def test_a_wrong_input_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        composite(*arguments)


@pytest.mark.parametrize("most", [255, 65535])
def test_a_picture_of_another_scale_is_refused(most):
    picture = torch.rand(1, 30, 40, 3, generator=torch.Generator().manual_seed(0))
    picture[:, :, 10:] = 0  # a thing on black
    with pytest.raises(InputError, match=r"base: wanted colours from 0 to 1, .* by 255"):
        composite(picture * most, picture, torch.ones(1, 30, 40))


def test_highlights_above_one_are_kept():
    picture = torch.rand(1, 30, 40, 3, generator=torch.Generator().manual_seed(0))
    picture[:, :12] = 400.0
    assert torch.equal(composite(picture, picture, torch.zeros(1, 30, 40)), picture)
