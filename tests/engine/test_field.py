"""Strength fields from distance and depth, and their combination."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine import (
    InputError,
    Regions,
    combine_fields,
    distance_to,
    field_from_depth,
    field_from_distance,
)
from region_fields.engine.curve import curve_field
from region_fields.engine.field import depth_levels, distance_from, is_coarse
from region_fields.engine.ops.combine import COMBINE_MODES
from region_fields.engine.ops.falloff import FALLOFFS, STEEPEST
from region_fields.engine.ops.fields import as_field
from region_fields.engine.ops.resize import resize_field
from scipy.ndimage import distance_transform_edt

SIDES = ["outside", "inside", "signed"]


def random_masks(seed, shape=(2, 19, 23), share=0.1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator) < share


def random_fields(seed, count=3, shape=(1, 7, 9)):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(shape, generator=generator) for _ in range(count)]


def assert_field(field, shape):
    assert field.dtype == torch.float32
    assert tuple(field.shape) == tuple(shape)
    assert bool(field.isfinite().all())
    assert float(field.min()) >= 0
    assert float(field.max()) <= 1


# distance


@given(st.integers(0, 1000))
def test_distance_equals_scipy(seed):
    masks = random_masks(seed)
    masks[:, 3, 4] = True
    wanted = np.stack([distance_transform_edt(~mask.numpy()) for mask in masks])
    np.testing.assert_array_equal(distance_to(masks).numpy(), wanted.astype(np.float32))


def test_a_float_mask_is_inside_above_one_half():
    mask = torch.tensor([[0.5, 0.0, 0.51]])
    assert distance_to(mask).tolist() == [[2.0, 1.0, 0.0]]


def test_strength_falls_from_one_at_the_anchor_to_zero_at_the_outer_radius():
    anchor = torch.tensor([[True, False, False, False, False, False]])
    field = field_from_distance(anchor, outer_radius=4, falloff="linear")
    assert field.tolist() == [[[1.0, 0.75, 0.5, 0.25, 0.0, 0.0]]]


def test_strength_is_full_up_to_the_inner_radius():
    anchor = torch.tensor([[True, False, False, False, False, False]])
    field = field_from_distance(anchor, inner_radius=2, outer_radius=4, falloff="linear")
    assert field.tolist() == [[[1.0, 1.0, 1.0, 0.5, 0.0, 0.0]]]


def test_inside_rises_from_the_outline_inwards_and_is_zero_outside():
    anchor = torch.tensor([[False, True, True, True, True, True]])
    field = field_from_distance(
        anchor, side="inside", inner_radius=1, outer_radius=3, falloff="linear"
    )
    assert field.tolist() == [[[0.0, 0.0, 0.5, 1.0, 1.0, 1.0]]]


def test_signed_straddles_the_outline():
    anchor = torch.tensor([[True, True, True, False, False, False]])
    field = field_from_distance(
        anchor, side="signed", inner_radius=2, outer_radius=2, falloff="linear"
    )
    assert field.tolist() == [[[1.0, 0.875, 0.625, 0.375, 0.125, 0.0]]]


@pytest.mark.parametrize("side", SIDES)
def test_equal_radii_give_a_hard_edge_at_the_outline(side):
    anchor = torch.tensor([[False, True, True, False]])
    field = field_from_distance(anchor, side=side, inner_radius=0, outer_radius=0)
    assert field.tolist() == [[[0.0, 1.0, 1.0, 0.0]]]


@pytest.mark.parametrize("side", SIDES)
def test_an_empty_anchor_gives_default_outside_everywhere(side):
    field = field_from_distance(torch.zeros(1, 4, 5), side=side, default_outside=0.25)
    assert bool((field == 0.25).all())


@pytest.mark.parametrize("side", ["inside", "signed"])
def test_an_anchor_that_is_everything_is_full_inside(side):
    assert bool((field_from_distance(torch.ones(1, 4, 5), side=side) == 1).all())


def test_percent_is_of_the_short_side():
    anchor = torch.zeros(1, 50, 80)
    anchor[0, 20, 30] = 1
    in_percent = field_from_distance(anchor, inner_radius=10, outer_radius=40, units="percent")
    assert torch.equal(in_percent, field_from_distance(anchor, inner_radius=5, outer_radius=20))


def test_a_point_between_pixels_is_measured_exactly():
    distance = distance_from([1.5, 1.0], size=(3, 4))
    assert distance[0, 1].tolist() == [1.5, 0.5, 0.5, 1.5]
    assert distance[0, 0, 1] == pytest.approx(np.hypot(0.5, 1))


def test_several_points_measure_to_the_nearest_of_them_in_any_order():
    points = [[0, 0], [5, 2], [3, 9]]
    mask = torch.zeros(1, 10, 6)
    for x, y in points:
        mask[0, y, x] = 1
    for order in itertools.permutations(points):
        torch.testing.assert_close(
            distance_from(list(order), size=(10, 6)), distance_to(mask), rtol=0, atol=1e-6
        )


def test_a_box_counts_its_pixels():
    box = {"x": 1, "y": 1, "width": 2, "height": 1}
    distance = distance_from(box, size=(2, 5))
    assert distance[0, 1].tolist() == [1, 0, 0, 1, 2]


def test_regions_are_measured_by_their_union_in_any_order():
    masks = random_masks(3, (4, 12, 15), 0.05)
    expected = field_from_distance(masks.any(0), outer_radius=6)
    for order in itertools.permutations(range(4)):
        field = field_from_distance(Regions.from_masks(masks[list(order)]), outer_radius=6)
        assert torch.equal(field, expected)


def test_a_list_of_regions_gives_one_frame_each():
    masks = random_masks(5)
    regions = [Regions.from_masks(mask) for mask in masks]
    assert torch.equal(
        field_from_distance(regions, outer_radius=6), field_from_distance(masks, outer_radius=6)
    )


@given(
    st.integers(0, 99),
    st.sampled_from(SIDES),
    st.sampled_from(FALLOFFS),
    st.floats(0, 5),
    st.floats(0, 9),
    st.floats(0.2, 4),
    st.floats(0, 1),
    st.booleans(),
)
def test_a_distance_field_is_a_field_and_monotone_in_distance(
    seed, side, kind, inner, more, gamma, floor, invert
):
    masks = random_masks(seed, share=0.05)
    field = field_from_distance(
        masks,
        side=side,
        inner_radius=inner,
        outer_radius=inner + more,
        falloff=kind,
        gamma=gamma,
        default_outside=floor,
        invert=invert,
    )
    assert_field(field, masks.shape)
    distance = distance_from(masks, side=side)
    rising = (side == "outside") == invert
    for d, f in zip(distance, field, strict=True):
        along = f.flatten()[d.flatten().argsort()]
        steps = along.diff() if rising else -along.diff()
        assert float(steps.min()) >= -1e-6


@given(st.integers(0, 99), st.sampled_from(SIDES), st.sampled_from(FALLOFFS))
def test_neighbours_differ_by_at_most_the_stated_slope(seed, side, kind):
    masks = random_masks(seed, (1, 25, 25), 0.3)
    length = 7.0 if side != "signed" else 9.0
    field = field_from_distance(masks, side=side, inner_radius=1, outer_radius=8, falloff=kind)
    # Straight and diagonal neighbours; across a signed outline distance may jump by sqrt(2) + 1.
    limit = STEEPEST[kind] / length * (1 if side != "signed" else 1 + 1e-6) + 1e-6
    assert float(field.diff(dim=1).abs().max()) <= limit
    assert float(field.diff(dim=2).abs().max()) <= limit


@pytest.mark.parametrize("side", SIDES)
def test_flips_and_turns_commute_with_a_distance_field(side):
    masks = random_masks(11, (2, 14, 17), 0.2)

    def make(m):
        return field_from_distance(m, side=side, inner_radius=1, outer_radius=6)

    field = make(masks)
    assert torch.equal(make(masks.flip(-1)), field.flip(-1))
    assert torch.equal(make(masks.flip(-2)), field.flip(-2))
    assert torch.equal(make(masks.rot90(1, (-2, -1))), field.rot90(1, (-2, -1)))


def test_a_batch_of_anchors_gives_what_single_anchors_give():
    masks = random_masks(8)
    single = [field_from_distance(mask[None], outer_radius=5) for mask in masks]
    assert torch.equal(field_from_distance(masks, outer_radius=5), torch.cat(single))


@pytest.mark.parametrize("side", SIDES)
def test_a_distance_field_does_not_depend_on_resolution(side):
    def disc(n):
        y, x = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
        inside = (x + 0.5 - n / 2) ** 2 + (y + 0.5 - n / 2) ** 2 <= (n / 4) ** 2
        return field_from_distance(inside, side=side, outer_radius=15, units="percent")

    coarse, fine = disc(200), disc(800)
    pooled = torch.nn.functional.avg_pool2d(fine, 4)
    assert float((coarse - pooled).square().mean().sqrt()) < 0.01


def test_inputs_of_a_distance_field_are_not_modified():
    mask = random_masks(2).float()
    before = mask.clone()
    field_from_distance(mask, invert=True, default_outside=0.5, gamma=2)
    assert torch.equal(mask, before)


@pytest.mark.parametrize(
    ("anchor", "options", "message"),
    [
        (torch.zeros(1, 2, 3, 4), {}, "wanted a mask"),
        (torch.zeros(4, 4), {"side": "left"}, "left"),
        (torch.zeros(4, 4), {"inner_radius": 5, "outer_radius": 3}, "outer_radius"),
        (torch.zeros(4, 4), {"outer_radius": float("nan")}, "outer_radius"),
        (torch.zeros(4, 4), {"units": "cm"}, "percent"),
        (torch.zeros(4, 4), {"falloff": "steep"}, "smoothstep"),
        (torch.zeros(4, 4), {"gamma": 0}, "Gamma"),
        ([1, 2], {}, "with size"),
        ([1, 2], {"size": (4, 4), "side": "inside"}, "inside"),
        ([[1, 2, 3]], {"size": (4, 4)}, "points"),
        ([[1, float("nan")]], {"size": (4, 4)}, "points of finite numbers"),
        ({"x": 1}, {"size": (4, 4)}, "width"),
        ({"x": 9, "y": 9, "width": 2, "height": 2}, {"size": (4, 4)}, "no pixel"),
    ],
)
def test_a_wrong_distance_input_is_named(anchor, options, message):
    with pytest.raises(InputError, match=message):
        field_from_distance(anchor, **options)


# geodesic distance


def wall():
    """A dark wall from top to bottom with a door in it, the anchor to its left."""
    image, anchor = torch.ones(1, 30, 40, 3), torch.zeros(1, 30, 40)
    image[:, :, 18:22] = 0
    image[:, 24:28, 18:22] = 1
    anchor[0, 5, 10] = 1
    return anchor, image


def test_distance_along_a_picture_goes_round_its_edges():
    anchor, image = wall()
    straight, around = distance_from(anchor), distance_from(anchor, image=image)
    assert straight[0, 5, 30] == 20
    assert around[0, 5, 30] > 40
    assert float((around - straight)[0, 5, :17].abs().max()) < 1e-6
    anchor, image = wall()
    depth = image[..., 0] * 7 + 2
    assert distance_from(anchor, depth=depth)[0, 5, 30] > 40


def test_a_flat_picture_or_no_cost_gives_octile_distance_near_the_euclidean():
    anchor, image = wall()
    flat = distance_from(anchor, image=image, image_cost=0)
    straight = distance_from(anchor)
    assert bool((flat >= straight - 1e-4).all())
    assert bool((flat <= straight * 1.083 + 1e-4).all())


@pytest.mark.parametrize("side", SIDES)
def test_a_geodesic_field_is_a_field_flips_and_is_batch_equals_loop(side):
    masks, images = random_masks(21, (2, 12, 14), 0.3), torch.rand(2, 12, 14, 3)

    def make(m, i):
        return field_from_distance(
            m, side=side, inner_radius=2, outer_radius=9, image=i, image_cost=20
        )

    field = make(masks, images)
    assert_field(field, masks.shape)
    single = [make(m[None], i[None]) for m, i in zip(masks, images, strict=True)]
    torch.testing.assert_close(field, torch.cat(single))
    torch.testing.assert_close(make(masks.flip(-1), images.flip(2)), field.flip(-1))


def test_a_point_follows_the_picture_too():
    anchor, image = wall()
    assert torch.equal(
        distance_from([10, 5], size=(30, 40), image=image), distance_from(anchor, image=image)
    )


def test_an_anchor_does_not_pay_for_its_own_outline():
    image = torch.ones(1, 200, 200, 3)
    image[:, 50:150, 50:90] = 0
    image[:, :, 150:] = 0
    anchor = image[..., 0] == 0
    anchor[:, :, 150:] = False
    around = distance_from(anchor, image=image)[0, 100]
    assert float(around[120]) == pytest.approx(31, rel=0.01)
    assert float(around[180]) == pytest.approx(91 + 0.5 * 200, rel=0.1)


def test_a_picture_of_another_size_is_named():
    with pytest.raises(InputError, match=r"image of 9 x 4 pixels .* 40 x 30"):
        distance_from(wall()[0], image=torch.zeros(1, 4, 9, 3))


# depth

DEPTH = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]])


def test_a_depth_window_is_full_between_near_and_far_and_fades_over_its_feathers():
    field = field_from_depth(
        DEPTH, near_is="black", near=0.5, far=0.5, near_feather=0.5, far_feather=0.25,
        falloff="linear",
    )  # fmt: skip
    assert field.tolist() == [[[0.0, 0.5, 1.0, 0.0, 0.0]]]


def test_near_white_reverses_near_black():
    white = field_from_depth(DEPTH, near_is="white")
    assert torch.equal(white, field_from_depth(DEPTH.flip(-1), near_is="black"))
    assert white[0, 0, 4] == 1


def test_the_default_falls_from_the_nearest_to_nothing_at_three_quarters():
    field = field_from_depth(torch.linspace(1, 3, 101)[None], near_is="black")
    assert field[0, 0, 25] == 1
    assert field[0, 0, 50] == pytest.approx(0.5)
    assert field[0, 0, 75] == 0


@pytest.mark.parametrize(
    ("normalize", "wanted"),
    [("linear", 2 / 6), ("disparity", (1 - 1 / 3) / (1 - 1 / 7)), ("log", np.log(3) / np.log(7)),
     ("rank", 0.5)],
)  # fmt: skip
def test_farness_follows_the_measure(normalize, wanted):
    depth = torch.tensor([[[1.0, 3.0, 7.0]]])
    field = field_from_depth(
        depth, near_is="black", near=0, far=0, far_feather=1, falloff="linear",
        normalize=normalize,
    )  # fmt: skip
    torch.testing.assert_close(field, torch.tensor([[[1, 1 - wanted, 0]]]).float())


def test_focus_and_range_stand_for_near_and_far():
    options = {"near_is": "black", "near_feather": 0.1, "far_feather": 0.1}
    assert torch.equal(
        field_from_depth(DEPTH, focus=0.5, range=0.5, **options),
        field_from_depth(DEPTH, near=0.25, far=0.75, **options),
    )


def test_skip_outlines_takes_the_rim_and_leaves_the_band():
    # A thing at 0.01 before a floor that recedes to 1; between them a mixed pixel.
    depth = torch.linspace(0.01, 1, 101).repeat(20, 1)[None]
    depth[:, :, 20:40] = 0.01
    depth[:, :, 40] = 0.3
    options = {"near_is": "black", "range": 0.1, "near_feather": 0.02, "far_feather": 0.02}
    plain = field_from_depth(depth, focus=0.3, **options)
    clean = field_from_depth(depth, focus=0.3, skip_outlines=True, **options)
    assert bool((plain[:, :, 40] == 1).all())
    assert not bool(clean.any())
    plain = field_from_depth(depth, focus=0.6, **options)
    assert float(plain.max()) == 1
    assert torch.equal(field_from_depth(depth, focus=0.6, skip_outlines=True, **options), plain)


def test_skip_outlines_changes_nothing_where_the_band_is_open_to_one_side():
    depth = torch.rand(1, 20, 30, generator=torch.Generator().manual_seed(0))
    options = {"near_is": "black", "near": 0, "far": 0.3}
    assert torch.equal(
        field_from_depth(depth, skip_outlines=True, **options), field_from_depth(depth, **options)
    )


def test_a_fixed_range_keeps_a_depth_at_its_strength_whatever_else_is_in_the_frame():
    options = {"near_is": "black", "normalize_over": "range", "value_range": (0.0, 10.0)}
    one = field_from_depth(torch.tensor([[[2.0, 5.0]]]), **options)
    other = field_from_depth(torch.tensor([[[5.0, 9.0]]]), **options)
    assert one[0, 0, 1] == other[0, 0, 0]


def test_normalising_over_the_batch_uses_one_range_for_all_frames():
    depth = torch.tensor([[[1.0, 2.0]], [[2.0, 5.0]]])
    field = field_from_depth(depth, near_is="black", normalize_over="batch")
    assert field[0, 0, 1] == field[1, 0, 0]
    each = field_from_depth(depth, near_is="black")
    assert each[0, 0, 1] != each[1, 0, 0]


@pytest.mark.parametrize(("holes", "wanted"), [("nearest", 1.0), ("near", 1.0), ("far", 0.0)])
def test_a_hole_takes_the_depth_it_is_told_to(holes, wanted):
    depth = torch.tensor([[[1.0, torch.nan, 3.0, 4.0, 5.0]]])
    if holes == "nearest":
        depth = torch.tensor([[[1.0, 0.0, 3.0, 3.5, 5.0]]])
    field = field_from_depth(depth, near_is="black", near=0, far=0.2, far_feather=0.0, holes=holes)
    assert field[0, 0, 1] == wanted


def test_zero_is_a_hole_in_geometry_and_the_end_of_the_range_in_a_picture():
    depth = torch.tensor([[[0.0, 2.0, 4.0]]])
    options = {"near": 0, "far": 0, "far_feather": 1, "falloff": "linear", "holes": "far"}
    geometry = field_from_depth(depth, near_is="black", **options)
    assert geometry.tolist() == [[[0.0, 1.0, 0.0]]]
    black_near = field_from_depth(depth, near_is="black", zero_is_hole=False, **options)
    assert black_near.tolist() == [[[1.0, 0.5, 0.0]]]
    assert field_from_depth(depth, near_is="white", **options).tolist() == [[[0.0, 0.5, 1.0]]]


def test_infinite_depth_is_sky_and_sky_has_its_own_strength():
    depth = torch.tensor([[[1.0, 2.0, torch.inf]]])
    assert field_from_depth(depth, near_is="black")[0, 0].tolist()[2] == 0
    assert field_from_depth(depth, near_is="black", sky_strength=0.7)[0, 0, 2] == pytest.approx(0.7)
    sky = torch.tensor([[[0.0, 0.9, 0.0]]])
    field = field_from_depth(depth, near_is="black", sky=sky, sky_strength=0.7, invert=True)
    assert field[0, 0].tolist() == pytest.approx([0.0, 0.7, 0.7])


def test_a_frame_without_any_usable_depth_is_far():
    assert bool((field_from_depth(torch.full((1, 3, 3), torch.nan)) == 0).all())


def test_clipping_lets_an_outlier_off_the_end():
    depth = torch.arange(1.0, 101.0)[None, None]
    depth[..., -1] = 1e6
    clipped = field_from_depth(depth, near_is="black", clip_percent=2)
    assert clipped[0, 0, 50] == pytest.approx(0.5, abs=0.05)
    assert field_from_depth(depth, near_is="black")[0, 0, 50] == 1


@given(
    st.integers(0, 99),
    st.sampled_from(["white", "black"]),
    st.sampled_from(["linear", "disparity", "log", "rank"]),
    st.sampled_from(["frame", "batch"]),
    st.sampled_from(FALLOFFS),
    st.booleans(),
)
def test_a_depth_field_is_a_field_whatever_the_depth(seed, near_is, measure, over, kind, invert):
    generator = torch.Generator().manual_seed(seed)
    depth = torch.randn((2, 6, 7), generator=generator).exp()
    trouble = torch.tensor([torch.nan, torch.inf, -torch.inf, 0.0, -1.0, 1e-38, 1e38])
    depth[:, 2] = trouble
    before = depth.clone()
    field = field_from_depth(
        depth, near_is=near_is, normalize=measure, normalize_over=over, falloff=kind,
        invert=invert,
    )  # fmt: skip
    assert_field(field, depth.shape)
    torch.testing.assert_close(depth, before, rtol=0, atol=0, equal_nan=True)


@given(st.integers(0, 99), st.sampled_from(["linear", "disparity", "log", "rank"]))
def test_a_near_to_far_field_never_rises_with_depth(seed, measure):
    generator = torch.Generator().manual_seed(seed)
    depth = torch.rand((1, 8, 9), generator=generator) + 0.1
    field = field_from_depth(depth, near_is="black", normalize=measure)
    along = field.flatten()[depth.flatten().argsort()]
    assert float(along.diff().max()) <= 1e-6


def test_a_batch_of_depths_gives_what_single_depths_give():
    depth = torch.rand((3, 5, 6), generator=torch.Generator().manual_seed(0))
    single = [field_from_depth(frame[None]) for frame in depth]
    assert torch.equal(field_from_depth(depth), torch.cat(single))


def test_an_eight_bit_depth_over_a_narrow_range_is_seen_to_band():
    smooth = torch.linspace(0, 1, 4096)[None, None]
    coarse = (smooth * 255).round() / 255
    options = {"near_is": "black", "near": 0, "far": 0.5, "far_feather": 0.05}
    levels, step = depth_levels(coarse, field_from_depth(coarse, **options))
    assert levels == 256
    assert step > 0.08
    levels, step = depth_levels(smooth, field_from_depth(smooth, **options))
    assert levels == 4096
    assert step < 0.01
    assert is_coarse(coarse)
    assert not is_coarse(smooth)
    assert is_coarse(torch.cat([smooth, coarse])), "one frame of a batch is"
    assert is_coarse(torch.where(torch.arange(4096) % 3 > 0, coarse, torch.nan))


def test_levels_that_a_quick_look_misses_are_counted():
    depth = torch.arange(4.0).repeat_interleave(1 << 16).view(1, 512, 512).clone()
    depth[0, 0, 1] = 0.5
    field = field_from_depth(depth, near_is="black", near=0, far=0, far_feather=1)
    levels, step = depth_levels(depth, field)
    assert levels == 5
    known = torch.unique(field)
    assert step == pytest.approx(float(known.diff().max()), rel=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"near_is": "grey"}, "white"),
        ({"normalize": "square"}, "disparity"),
        ({"normalize_over": "range"}, "value_range"),
        ({"normalize_over": "range", "value_range": (0, 1), "normalize": "log"}, "value_range"),
        ({"near": 0.6, "far": 0.5}, "begins at 0.6"),
        ({"far_feather": -1}, "Feather"),
        ({"far_feather": math.nan}, "Feather"),
        ({"near": math.nan}, "Range: low"),
        ({"focus": math.inf}, "Range: low"),
        ({"sky": torch.zeros(3, 2, 2)}, "3 x sky"),
        ({"sky_strength": 2}, "sky_strength"),
        ({"holes": "fill"}, "nearest"),
    ],
)
def test_a_wrong_depth_option_is_named(options, message):
    with pytest.raises(InputError, match=message):
        field_from_depth(torch.rand(2, 4, 4), **options)


# depth of another size


def small(plane, step):
    """A depth map (H, W) as a network gives it, 1 / step as large."""
    size = (plane.shape[0] // step, plane.shape[1] // step)
    resized = torch.nn.functional.interpolate(
        plane[None, None], size, mode="bilinear", antialias=True
    )
    return resized[0]


@pytest.mark.parametrize("step", [2, 4, 8])
def test_a_small_depth_map_follows_the_outlines_of_its_picture(scene, step):
    look = {"near_is": "black", "near": 0, "far": 0, "far_feather": 1, "falloff": "linear"}
    wanted = field_from_depth(scene.depth, **look)
    low = small(scene.depth, step)
    guided = field_from_depth(low, **look, image=scene.image[None])
    plain = resize_field(field_from_depth(low, **look), wanted.shape[1:])
    off, smeared = ((f - wanted).square().mean().sqrt() for f in (guided, plain))
    assert guided.shape == wanted.shape
    assert float(off) < 0.75 * float(smeared)


def test_without_edges_a_small_depth_map_comes_up_smoothly_and_in_range():
    low = torch.linspace(1, 3, 12).expand(1, 8, 12)
    look = {"near_is": "black", "near": 0, "far": 0, "far_feather": 1, "falloff": "linear"}
    up = field_from_depth(low, **look, image=torch.full((1, 64, 96, 3), 0.4))
    assert up.shape == (1, 64, 96)
    assert bool((up.diff(dim=2) <= 1e-6).all())
    assert float(up.diff(dim=2).abs().max()) < 1.5 / 96
    assert float(up.min()) >= 0
    assert float(up.max()) <= 1


def test_a_large_depth_map_comes_down_to_its_picture(scene):
    image = resize_field(scene.image.movedim(-1, 0), (160, 240)).movedim(0, -1)[None]
    field = field_from_depth(scene.depth, near_is="black", image=image)
    assert field.shape == (1, 160, 240)


def test_sky_comes_up_with_its_depth():
    low = torch.full((1, 8, 12), 2.0)
    low[:, :4] = torch.inf
    image = torch.zeros(1, 32, 48, 3)
    image[:, :16] = 1
    field = field_from_depth(low, near_is="black", sky_strength=0.25, image=image)
    assert bool((field[:, :16] == 0.25).all())
    assert bool((field[:, 16:] == 1).all())


def test_depth_of_another_shape_is_named():
    with pytest.raises(InputError, match=r"12 x 8 pixels .* 40 x 40"):
        field_from_depth(torch.rand(1, 8, 12), image=torch.rand(1, 40, 40, 3))
    with pytest.raises(InputError, match="2 x depth but 3 x image"):
        field_from_depth(torch.rand(2, 8, 8), image=torch.rand(3, 40, 40, 3))


def test_a_batch_of_small_depth_maps_gives_what_single_ones_give():
    depth, image = torch.rand(2, 6, 9), torch.rand(2, 24, 36, 3)
    both = field_from_depth(depth, image=image)
    for i in range(2):
        assert torch.equal(both[i : i + 1], field_from_depth(depth[i], image=image[i]))


def test_a_way_round_depth_takes_a_small_depth_map():
    mask = torch.zeros(1, 24, 36, dtype=torch.bool)
    mask[:, 10, 4] = True
    depth = torch.ones(1, 12, 18)
    depth[:, :, 9:] = 2
    away = distance_from(mask, depth=depth, depth_cost=2000)
    assert away.shape == (1, 24, 36)
    assert 30 + 24 < float(away[0, 10, 34]) < 30 + 2 * 24
    with pytest.raises(InputError, match="shape"):
        distance_from(mask, depth=torch.ones(1, 9, 9))


# combination


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [("multiply", 0.1), ("min", 0.2), ("max", 0.5), ("mean", 0.35), ("screen", 0.6),
     ("add", 0.7), ("subtract", 0.0)],
)  # fmt: skip
def test_each_mode_does_its_sum(mode, wanted):
    fields = [torch.full((1, 1, 1), 0.2), torch.full((1, 1, 1), 0.5)]
    assert float(combine_fields(fields, mode=mode)) == pytest.approx(wanted)


def test_smooth_max_lies_between_mean_and_max_and_reaches_max_at_softness_zero():
    a, b = random_fields(1, 2)
    soft = combine_fields([a, b], mode="smooth_max", softness=0.1)
    assert bool((soft <= torch.maximum(a, b)).all())
    assert bool((soft >= (a + b) / 2 - 1e-6).all())
    hard = combine_fields([a, b], mode="smooth_max", softness=0)
    assert torch.equal(hard, torch.maximum(a, b))


@given(st.integers(0, 99), st.sampled_from(COMBINE_MODES), st.floats(0, 1))
def test_a_combination_is_a_field(seed, mode, amount):
    assert_field(combine_fields(random_fields(seed), mode=mode, amount=amount), (1, 7, 9))


@given(st.integers(0, 99), st.sampled_from([m for m in COMBINE_MODES if m != "subtract"]))
def test_the_order_of_the_fields_changes_nothing(seed, mode):
    fields = random_fields(seed)
    wanted = combine_fields(fields, mode=mode)
    for order in itertools.permutations(fields):
        assert torch.equal(combine_fields(list(order), mode=mode), wanted)


@pytest.mark.parametrize("mode", ["min", "max", "mean", "smooth_min", "smooth_max"])
def test_a_field_with_itself_is_itself(mode):
    field = random_fields(4, 1)[0]
    torch.testing.assert_close(combine_fields([field] * 3, mode=mode), field, rtol=0, atol=2e-7)


def test_amount_mixes_the_combination_over_the_first_field():
    a, b = random_fields(2, 2)
    assert torch.equal(combine_fields([a, b], amount=0), a)
    half = combine_fields([a, b], amount=0.5)
    torch.testing.assert_close(half, (a + a * b) / 2)


def test_one_field_goes_with_a_batch_and_a_small_one_is_resized():
    batch, one = torch.rand(3, 8, 8), torch.full((1, 2, 2), 0.5)
    torch.testing.assert_close(combine_fields([one, batch]), batch * 0.5)


def test_combined_fields_are_not_modified():
    fields = random_fields(6)
    before = [field.clone() for field in fields]
    for mode in COMBINE_MODES:
        combine_fields(fields, mode=mode, invert=True)
    assert all(torch.equal(a, b) for a, b in zip(fields, before, strict=True))


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ([], {}, "no fields"),
        ([torch.zeros(2, 3, 3), torch.zeros(3, 3, 3)], {}, "2 x field 1 but 3 x field 2"),
        ([torch.zeros(3, 3)], {"mode": "xor"}, "multiply"),
        ([torch.full((3, 3), torch.nan)], {}, "finite"),
        ([torch.zeros(3, 3)], {"amount": 2}, "amount"),
    ],
)
def test_a_wrong_combination_is_named(fields, options, message):
    with pytest.raises(InputError, match=message):
        combine_fields(fields, **options)


def test_a_mask_is_a_mask_also_where_the_size_is_given():
    mask = torch.zeros(2, 5, 6)
    mask[:, 2, 3] = 1
    assert torch.equal(distance_from(mask, size=(5, 6)), distance_from(mask))
    assert torch.equal(distance_from(mask[0] > 0, size=(5, 6)), distance_from(mask[0]))
    assert torch.equal(distance_from(mask[0], size=(5, 6)), distance_from(mask[0]))


@pytest.mark.parametrize("value", [2.5, 100.0, 255.0, 65535.0, -1.5])
def test_a_field_of_another_scale_is_refused(value):
    field = torch.full((1, 4, 5), 0.5)
    field[0, 2, 3] = value
    for read in (as_field, curve_field, lambda f: combine_fields([f, f])):
        with pytest.raises(InputError, match=r"wanted strengths from 0 to 1, got .* by 255"):
            read(field)


@pytest.mark.parametrize("value", [1.0001, 1.1, 2.0, -0.1, -1.0])
def test_what_resampling_or_adding_two_masks_leaves_outside_is_clamped(value):
    field = torch.full((1, 4, 5), 0.5)
    field[0, 2, 3] = value
    clamped = field.clamp(0, 1)
    assert torch.equal(as_field(field), clamped)
    assert torch.equal(curve_field(field), clamped)
    assert torch.equal(combine_fields([field, field], mode="max"), clamped)
    assert field[0, 2, 3] == torch.tensor(value)
