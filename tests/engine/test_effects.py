"""Grade, haze, relight and blur by a field."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pretended_device import pretended
from region_fields.engine import InputError
from region_fields.engine.blur import blur_by_field
from region_fields.engine.curve import curve_field
from region_fields.engine.grade import grade_by_field, haze_by_field
from region_fields.engine.ops.blur import blur, disc_kernel, gaussian_kernel
from region_fields.engine.ops.colour import luminance, srgb_to_linear, srgb_to_oklab
from region_fields.engine.ops.falloff import falloff
from region_fields.engine.relight import normals_from_depth, relight_by_field
from scipy import ndimage


def grade(image, field):
    return grade_by_field(
        image, field, exposure=0.7, temperature=0.5, saturation=1.4, hue=20, gamma=1.2
    )


def relight(image, field):
    depth = torch.linspace(0, 1, 13).expand(1, 11, 13)
    return relight_by_field(image, field, depth=depth)


def blurred(image, field):
    return blur_by_field(image, field, radius=6)


def blurred_by_disc(image, field):
    return blur_by_field(image, field, radius=6, kind="disc")


EFFECTS = [grade, haze_by_field, relight, blurred, blurred_by_disc]


def picture(seed, channels=3, count=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, 11, 13, channels), generator=generator)


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("channels", [3, 4])
def test_field_zero_leaves_the_picture_bit_for_bit(effect, channels):
    image = picture(0, channels)
    assert torch.equal(effect(image, torch.zeros(2, 11, 13)), image)
    half = torch.zeros(2, 11, 13)
    half[:, :, 6:] = 0.8
    changed = effect(image, half)
    assert torch.equal(changed[:, :, :6], image[:, :, :6])
    assert not torch.equal(changed[:, :, 6:], image[:, :, 6:])


@settings(max_examples=15)
@given(st.integers(0, 99), st.sampled_from(EFFECTS), st.sampled_from([3, 4]))
def test_an_effect_keeps_range_shape_batch_and_inputs(seed, effect, channels):
    image = picture(seed, channels)
    field = torch.rand((2, 11, 13), generator=torch.Generator().manual_seed(seed + 1))
    before = image.clone(), field.clone()
    changed = effect(image, field)
    assert changed.shape == image.shape
    assert changed.dtype == torch.float32
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
    single = [effect(i[None], f[None]) for i, f in zip(image, field, strict=True)]
    torch.testing.assert_close(changed, torch.cat(single), rtol=0, atol=1e-6)
    assert torch.equal(image, before[0])
    assert torch.equal(field, before[1])


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_refuses_a_batch_that_does_not_fit(effect):
    with pytest.raises(InputError, match="2 x image but 3 x field"):
        effect(picture(0), torch.zeros(3, 11, 13))


# grade and haze


def test_exposure_is_in_stops_of_light_scaled_by_the_field():
    grey = torch.full((1, 1, 2, 3), 0.4)
    graded = grade_by_field(grey, torch.tensor([[[0.5, 1.0]]]), exposure=1.0)
    light = srgb_to_linear(graded) / srgb_to_linear(grey)
    assert light[0, 0, :, 0].tolist() == pytest.approx([math.sqrt(2), 2], rel=1e-4)


def test_warming_reddens_and_keeps_luminance():
    image = torch.full((1, 1, 1, 3), 0.5)
    warm = grade_by_field(image, torch.ones(1, 1, 1), temperature=0.6)
    assert warm[0, 0, 0, 0] > warm[0, 0, 0, 1] > warm[0, 0, 0, 2]
    torch.testing.assert_close(luminance(srgb_to_linear(warm)), luminance(srgb_to_linear(image)))


def test_saturation_zero_is_grey_of_the_same_lightness():
    image = picture(3)
    grey = srgb_to_oklab(grade_by_field(image, torch.ones(2, 11, 13), saturation=0))
    assert float(grey[..., 1:].abs().max()) < 1e-3
    assert float((grey[..., 0] - srgb_to_oklab(image)[..., 0]).abs().max()) < 1e-3


def test_hue_turns_by_its_degrees_and_keeps_lightness_and_chroma():
    image = torch.tensor([0.6, 0.45, 0.45]).expand(1, 1, 1, 3)
    before = srgb_to_oklab(image)[0, 0, 0]
    after = srgb_to_oklab(grade_by_field(image, torch.ones(1, 1, 1), hue=90))[0, 0, 0]
    wanted = torch.stack([before[0], -before[2], before[1]])
    torch.testing.assert_close(after, wanted, rtol=0, atol=1e-4)


def test_gamma_above_1_lifts_a_picture_by_its_reciprocal_and_lowers_a_field_by_itself():
    tones = torch.tensor([0.0, 0.25, 0.5, 1.0])
    image, full = tones[None, None, :, None].expand(1, 1, 4, 3), torch.ones(1, 1, 4)
    lifted = grade_by_field(image, full, gamma=2)[0, 0, :, 0]
    torch.testing.assert_close(lifted, tones.sqrt(), rtol=0, atol=1e-5)
    torch.testing.assert_close(curve_field(tones[None, None], gamma=2)[0, 0], tones.square())
    torch.testing.assert_close(falloff(tones, "linear", 2), tones.square())


def test_haze_follows_the_law_of_extinction():
    image = torch.zeros(1, 1, 2, 3)
    hazed = haze_by_field(image, torch.tensor([[[0.5, 1.0]]]), color=(1, 1, 1), density=2)
    light = srgb_to_linear(hazed)[0, 0, :, 0]
    assert light.tolist() == pytest.approx([1 - math.exp(-1), 1 - math.exp(-2)], rel=1e-4)


# relight


def test_normals_lean_away_from_what_is_near():
    ramp = torch.linspace(0, 1, 5).expand(1, 4, 5)
    normals = normals_from_depth(ramp, relief=0.8)
    # One pixel up for every pixel to the right.
    wanted = torch.tensor([-1, 0, 1]) / math.sqrt(2)
    torch.testing.assert_close(normals, wanted.expand(1, 4, 5, 3), rtol=0, atol=1e-6)


def test_a_face_turned_to_the_light_is_brighter_than_one_turned_away():
    image = torch.full((1, 8, 16, 3), 0.5)
    ridge = 1 - (torch.arange(16) - 7.5).abs().expand(1, 8, 16) / 8
    lit = relight_by_field(image, torch.ones(1, 8, 16), depth=ridge, azimuth=0, elevation=30)
    assert lit[0, 4, 12, 0] > 0.5 > lit[0, 4, 3, 0]


def test_normals_as_pictures_and_as_vectors_light_alike():
    image, field = picture(5), torch.ones(1, 11, 13)
    vectors = torch.randn((1, 11, 13, 3), generator=torch.Generator().manual_seed(1))
    vectors = vectors / vectors.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(
        relight_by_field(image, field, normals=vectors),
        relight_by_field(image, field, normals=(vectors + 1) / 2),
        rtol=0, atol=1e-5,
    )  # fmt: skip


def test_a_radius_beyond_all_pictures_is_refused():
    with pytest.raises(InputError, match="radius: wanted a number from 0 to 1e"):
        blur_by_field(picture(5), torch.ones(1, 11, 13), radius=1e300)


@pytest.mark.parametrize("angle", ["azimuth", "elevation"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_light_from_no_direction_is_refused(angle, value):
    with pytest.raises(InputError, match=f"Relight by Field: {angle}: wanted a number"):
        relight_by_field(
            picture(5), torch.ones(1, 11, 13), depth=torch.ones(11, 13), **{angle: value}
        )


def test_relight_wants_depth_or_normals():
    with pytest.raises(InputError, match="depth or normals"):
        relight_by_field(picture(0), torch.ones(1, 11, 13))


# blur


@pytest.mark.parametrize("kind", ["gaussian", "disc"])
@pytest.mark.parametrize("radius", [1.0, 3.0, 7.0, 20.0, 45.0])
def test_a_blurred_point_has_the_width_asked_for_and_keeps_its_light(kind, radius):
    point = torch.zeros(1, 257, 257)
    point[0, 128, 128] = 1
    spread = blur(point, radius, kind)[0].double()
    assert float(spread.sum()) == pytest.approx(1, abs=0.01)
    off = torch.arange(257, dtype=torch.float64) - 128
    deviation = math.sqrt(
        float((spread.sum(0) * off.square()).sum()) - float(spread.sum(0) @ off) ** 2
    )
    assert deviation == pytest.approx(math.sqrt((radius / 2) ** 2 + 1 / 12), rel=0.1)


def test_kernels_sum_to_one():
    assert float(gaussian_kernel(1.3, 50).sum()) == pytest.approx(1)
    assert float(disc_kernel(4.2, 50, 50).sum()) == pytest.approx(1)


def whole_kernel(kind, radius):
    """A kernel as far as it reaches, float64, each pixel's share from 16 x 16 points in it."""
    reach = math.ceil(radius if kind == "disc" else 1.75 * radius)
    fine = (np.arange((2 * reach + 1) * 16) + 0.5) / 16 - reach - 0.5
    if kind == "disc":
        weights = np.hypot(fine[:, None], fine) <= radius
    else:
        bell = np.exp(-2 * (fine / radius) ** 2)
        weights = np.outer(bell, bell)
    pixels = weights.reshape(2 * reach + 1, 16, 2 * reach + 1, 16).mean((1, 3))
    return pixels / pixels.sum()


@pytest.mark.parametrize("kind", ["gaussian", "disc"])
@pytest.mark.parametrize("size", [(1, 1), (1, 17), (23, 1)])
@pytest.mark.parametrize("radius", [4.5, 20.0, 61.0])
def test_a_blur_wider_than_a_thin_picture_is_that_of_borders_that_go_on(kind, size, radius):
    line = torch.rand(size, generator=torch.Generator().manual_seed(0))
    wanted = ndimage.convolve(line.double().numpy(), whole_kernel(kind, radius), mode="nearest")
    got = blur(line[None], radius, kind)[0].double()
    np.testing.assert_allclose(got, wanted, rtol=0, atol=5e-4)


def test_a_kernel_is_no_larger_than_the_picture_it_meets():
    assert disc_kernel(16384, 4, 40).shape == (7, 79)
    assert gaussian_kernel(8192, 40).shape == (79,)
    assert disc_kernel(2.5, 4, 40).shape == (7, 7)


@pytest.mark.parametrize("kind", ["gaussian", "disc"])
def test_a_blur_of_thousands_of_pixels_fits_a_picture_of_one_row(kind):
    image = torch.rand((1, 1, 50, 3), generator=torch.Generator().manual_seed(0))
    out = blur_by_field(image, torch.ones(1, 1, 50), radius=16384, kind=kind)
    # All but a little of the blur lies beyond the picture, where its two ends go on.
    ends = srgb_to_linear(image[0, 0, [0, -1]]).mean(0)
    torch.testing.assert_close(srgb_to_linear(out), ends.expand_as(out), rtol=0, atol=0.01)


@pytest.mark.parametrize("kind", ["gaussian", "disc"])
def test_a_flat_picture_stays_flat(kind):
    image = torch.full((1, 30, 40, 3), 0.3)
    field = torch.rand((1, 30, 40), generator=torch.Generator().manual_seed(0))
    out = blur_by_field(image, field, radius=12, kind=kind)
    torch.testing.assert_close(out, image, rtol=0, atol=1e-4)


def subject_on_ground():
    """A white square in front of black, sharp; the ground is to be blurred."""
    image, field, near = torch.zeros(1, 60, 60, 3), torch.ones(1, 60, 60), torch.zeros(1, 60, 60)
    image[:, 20:40, 20:40], field[:, 20:40, 20:40], near[:, 20:40, 20:40] = 1, 0, 1
    return image, field, near


@pytest.mark.parametrize("kind", ["gaussian", "disc"])
def test_a_blur_does_not_depend_on_what_is_blurred_far_away(kind):
    image = torch.rand((1, 80, 560, 3), generator=torch.Generator().manual_seed(3))
    field = torch.zeros((1, 80, 560))
    field[:, :, 133:] = 1
    both = field.clone()
    both[:, :, :20] = 1
    alone, beside = (blur_by_field(image, f, radius=16, kind=kind) for f in (field, both))
    assert torch.equal(alone[:, :, 180:], beside[:, :, 180:])


@pytest.mark.parametrize("with_depth", [False, True])
def test_a_sharp_foreground_does_not_bleed_into_a_blurred_background(with_depth):
    image, field, near = subject_on_ground()
    depth = near if with_depth else None
    out = blur_by_field(image, field, radius=10, depth=depth)
    assert float(out[0, 30, 41:].max()) < 0.01
    assert float(out[0, 30, 20:40].min()) == 1


def test_a_blurred_foreground_spreads_over_a_sharp_background():
    image, field, near = subject_on_ground()
    out = blur_by_field(image, 1 - field, radius=10, depth=near)
    assert float(out[0, 30, 41, 0]) > 0.2
    assert float(out[0, 30, 57, 0]) < 0.01


@pytest.mark.parametrize("kind", ["gaussian", "disc"])
def test_a_blurred_foreground_fades_on_both_sides_of_its_outline(kind):
    image, field, near = subject_on_ground()
    out = blur_by_field(image, 1 - field, radius=10, kind=kind, depth=near)
    light = srgb_to_linear(out)[0, 30, :, 0]
    assert float(light.diff().abs().max()) < 0.1  # a Gaussian this wide rises by at most 0.08
    assert float(light[20]) == pytest.approx(0.5, abs=0.1)
    assert float(light[30]) > 0.9


def test_an_antialiased_outline_of_depth_leaves_no_sharp_line():
    image, _, near = subject_on_ground()
    image[:, 19, 19:41], near[:, 19, 19:41] = 0.8, 0.5
    front = (near > 0.6).float()
    out = blur_by_field(image, front, radius=10, depth=near)
    assert bool((out[0, 5:30, 30, 0].diff() >= -1e-4).all()), "it rises all the way in"


def test_with_depth_too_field_zero_is_kept_bit_for_bit_beside_a_blur_at_the_same_depth():
    image = picture(0).repeat(1, 2, 2, 1)
    field = torch.zeros(1, *image.shape[1:3])
    field[:, :, 10:] = 1
    out = blur_by_field(image, field, radius=6, depth=torch.ones_like(field))
    assert torch.equal(out[:, :, :10], image[:, :, :10])
    assert not torch.equal(out[:, :, 10:], image[:, :, 10:])


def test_depth_may_have_black_as_near():
    image, field, near = subject_on_ground()
    white = blur_by_field(image, 1 - field, radius=10, depth=near)
    black = blur_by_field(image, 1 - field, radius=10, depth=2 - near, near_is="black")
    assert torch.equal(white, black)


@pytest.mark.parametrize("near_is", ["white", "black"])
def test_depth_is_ranged_frame_by_frame_so_that_a_batch_equals_single_runs(near_is):
    drawn = torch.Generator().manual_seed(5)
    image, field = torch.rand(2, 24, 20, 3, generator=drawn), torch.rand(2, 24, 20, generator=drawn)
    depth = torch.rand(2, 24, 20, generator=drawn) * torch.tensor([1.0, 9.0])[:, None, None]
    blurred = blur_by_field(image, field, depth=depth, near_is=near_is)
    lit = relight_by_field(image, field, depth=depth, near_is=near_is)
    for i in range(2):
        alone = {"field": field[i], "depth": depth[i], "near_is": near_is}
        torch.testing.assert_close(blurred[i], blur_by_field(image[i], **alone))
        torch.testing.assert_close(lit[i], relight_by_field(image[i], **alone))


def test_normals_that_are_no_numbers_are_named():
    image, field = torch.rand(1, 4, 5, 3), torch.ones(1, 4, 5)
    with pytest.raises(InputError, match="normals: has values that are not finite"):
        relight_by_field(image, field, normals=torch.full((1, 4, 5, 3), torch.nan))


def test_a_surface_that_runs_through_many_depths_shows_no_bands():
    image = (torch.rand(1, 12, 9, 3, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    image = image.repeat_interleave(12, 1).repeat_interleave(12, 2)
    depth = torch.linspace(0, 1, 144)[:, None].expand(1, 144, 108)
    field = torch.ones(1, 144, 108)
    layered = blur_by_field(image, field, radius=6, depth=depth)
    assert (layered - blur_by_field(image, field, radius=6)).abs().max() < 1e-5


def test_nothing_shows_between_the_slices_of_a_surface_that_has_an_outline():
    near = torch.zeros(1, 96, 96)
    near[:, :, 24:72] = torch.linspace(0.3, 1, 96)[:, None]
    image = torch.where(near > 0, 0.2, 1.0)[..., None].expand(-1, -1, -1, 3)
    out = blur_by_field(image, (near > 0).float(), radius=1, depth=near)
    assert (out[0, :, 36:60] - 0.2).abs().max() < 0.03


def test_what_shows_through_a_blurred_outline_has_no_edges_of_its_own():
    near = torch.zeros(1, 96, 96)
    near[:, 24:72, 24:72] = 1.0
    image = torch.zeros(1, 96, 96, 3)
    image[:, :, 48:] = 1.0  # behind: a black half and a white one
    image[near > 0] = 0.5
    out = blur_by_field(image, near, radius=40, depth=near)
    inside = out[0, 30:66, 30:66, 0]
    assert inside.diff(dim=1).abs().max() < 0.05


def test_an_outline_where_depth_jumps_is_no_dark_line():
    depth = torch.zeros(1, 24, 24)
    depth[:, 8:16, 8:16] = 1.0
    depth[:, 8:16, 7] = depth[:, 8:16, 16] = 0.5  # antialiased
    lit = relight_by_field(
        torch.full((1, 24, 24, 3), 0.5), torch.ones(1, 24, 24), depth=depth, elevation=90
    )
    assert (lit - lit[0, 0, 0]).abs().max() < 0.005


def test_an_8_bit_ramp_is_lit_as_evenly_as_a_fine_one():
    fine = torch.linspace(0, 0.3, 160).expand(1, 90, 160) + torch.linspace(0, 0.7, 90)[:, None]
    facing = normals_from_depth((fine * 255).round() / 255, relief=0.4)
    wanted = normals_from_depth(fine, relief=0.4)
    assert (facing - wanted)[0, 8:-8, 8:-8].abs().max() < 0.06


def test_a_small_depth_map_gives_the_slopes_of_a_large_one():
    ridge = 1 - torch.linspace(-1, 1, 96).abs().expand(1, 64, 96)
    image, field = torch.full((1, 64, 96, 3), 0.5), torch.ones(1, 64, 96)
    large = relight_by_field(image, field, depth=ridge, azimuth=0)
    small = relight_by_field(image, field, depth=ridge[:, 2::4, 2::4], azimuth=0)
    assert (large - small)[:, :, 4:40].abs().max() < 0.02


def test_a_colour_made_too_vivid_keeps_its_hue_and_lightness():
    image = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(3)) * 0.8 + 0.1
    before = srgb_to_oklab(image)
    after = srgb_to_oklab(grade_by_field(image, torch.ones(1, 16, 16), saturation=6))
    hues = [torch.atan2(lab[..., 2], lab[..., 1]) for lab in (before, after)]
    turned = torch.remainder(hues[1] - hues[0] + math.pi, 2 * math.pi) - math.pi
    coloured = before[..., 1:].norm(dim=-1) > 0.03
    assert turned[coloured].abs().max() < math.radians(2)
    assert (after - before)[..., 0].abs().max() < 0.01


def test_normals_are_taken_on_apples_gpus_without_a_warning():
    """Tensor.norm warns there that what it is made of will be removed from PyTorch."""
    depth = torch.rand(1, 9, 12)
    with pretended("mps") as place:
        found = normals_from_depth(depth.to(place), relief=0.3).cpu()
    assert torch.allclose(found, normals_from_depth(depth, relief=0.3), atol=1e-5)
