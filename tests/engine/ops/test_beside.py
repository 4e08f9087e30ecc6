"""Masks, depth and pictures beside regions."""

import math

import pytest
import torch
from region_fields.engine import (
    InputError,
    Regions,
    blend_strengths,
    combine_fields,
    composite,
    fill_coverage,
    select,
)
from region_fields.engine.blur import blur_by_field
from region_fields.engine.curve import snap_field
from region_fields.engine.edit import combine_with, snap_edges
from region_fields.engine.field import distance_from
from region_fields.engine.filter import filter_regions
from region_fields.engine.grade import grade_by_field, haze_by_field
from region_fields.engine.measure_field import measure_field
from region_fields.engine.ops.beside import depth_beside, image_beside, mask_beside
from region_fields.engine.ops.fields import check_aspect
from region_fields.engine.relight import relight_by_field
from region_fields.engine.sampling import regional_weights, resize_to_latent
from region_fields.engine.wand import magic_wand

CPU = torch.device("cpu")
SIZE = (12, 16)


def halves():
    """Left and right half of a 16 x 12 picture, ids 0 and 1."""
    masks = torch.zeros((2, *SIZE), dtype=torch.bool)
    masks[0, :, :8] = masks[1, :, 8:] = True
    return Regions.from_masks(masks, ids=[0, 1])


@pytest.mark.parametrize("size", [(6, 8), (24, 32), (48, 64), SIZE])
def test_what_has_the_pictures_shape_is_resized(size):
    right = torch.zeros(size)
    right[:, size[1] // 2 :] = 1
    wanted = halves().masks[halves().ids.tolist().index(1)]
    assert torch.equal(mask_beside(right, SIZE, CPU), wanted)
    assert torch.equal(depth_beside(right, SIZE, CPU) > 0.5, wanted)
    picture = right[..., None].expand(-1, -1, 4)
    assert image_beside(picture, SIZE, CPU).shape == (*SIZE, 3)
    assert torch.equal(image_beside(picture, SIZE, CPU)[..., 2] > 0.5, wanted)
    assert select(halves(), "nearest_in_depth", depth=right).ids.tolist() == [1]
    assert select(halves(), "best_iou", mask=right).ids.tolist() == [1]


def test_depth_of_another_size_keeps_what_is_not_finite():
    depth = torch.ones(24, 32)
    depth[:, :16] = torch.inf
    fitted = depth_beside(depth, SIZE, CPU)
    assert fitted[:, :8].isinf().all()
    assert (fitted[:, 8:] == 1).all()


TALL = torch.rand((32, 20), generator=torch.Generator().manual_seed(0))
REFUSED = {
    "select by depth": lambda r: select(r, "nearest_in_depth", depth=TALL),
    "select by a mask": lambda r: select(r, "best_iou", mask=TALL),
    "select by colour": lambda r: select(
        r, "closest_color", image=TALL[..., None].expand(-1, -1, 3), color="#808080"
    ),
    "filter": lambda r: filter_regions(r, mask=TALL, max_overlap=0.5),
    "combine": lambda r: combine_with(r, TALL, "add"),
    "combine with regions": lambda r: combine_with(r, Regions.from_masks(TALL), "add"),
    "snap": lambda r: snap_edges(r, TALL[..., None].expand(-1, -1, 3)),
    "fill by depth": lambda r: fill_coverage(r, overlaps="nearest_depth", depth=TALL),
    "fill along edges": lambda r: fill_coverage(
        r, "edges", image=TALL[..., None].expand(-1, -1, 3)
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_another_shape_is_refused(name):
    with pytest.raises(InputError, match=r"of 20 x 32 pixels doesn't have the shape of .* 16 x 12"):
        REFUSED[name](halves())


def test_an_empty_mask_may_have_any_shape():
    none = torch.zeros(64, 64)
    assert not mask_beside(none, SIZE, CPU).any()
    assert combine_with(halves(), none, "subtract").equals(halves())
    assert len(select(halves(), "best_iou", mask=none)) == 0


def test_shapes_may_differ_by_what_rounding_to_tiles_needs():
    for given, size in (((518, 924), (1080, 1920)), ((1, 2), (3, 5)), ((37, 50), (75, 101))):
        check_aspect("a depth", given, size)
    for given, size in (((64, 64), (1080, 1920)), ((100, 104), (100, 100))):
        with pytest.raises(InputError, match="doesn't have the shape"):
            check_aspect("a depth", given, size)


IMAGE, FIELD = torch.rand(1, 12, 16, 3), torch.rand(1, 12, 16)
BESIDE = {
    "composite": lambda side: composite(IMAGE, IMAGE, side),
    "effect": lambda side: composite(IMAGE, side[..., None].expand(-1, -1, -1, 3), FIELD),
    "grade": lambda side: grade_by_field(IMAGE, side, exposure=1),
    "haze": lambda side: haze_by_field(IMAGE, side),
    "blur": lambda side: blur_by_field(IMAGE, side, radius=2),
    "blur by depth": lambda side: blur_by_field(IMAGE, FIELD, radius=2, depth=side),
    "relight": lambda side: relight_by_field(IMAGE, side, depth=FIELD),
    "relight by depth": lambda side: relight_by_field(IMAGE, FIELD, depth=side),
    "normals": lambda side: relight_by_field(
        IMAGE, FIELD, normals=side[..., None].expand(-1, -1, -1, 3)
    ),
    "snap": lambda side: snap_field(side, IMAGE, radius=1),
    "combine": lambda side: combine_fields([side, torch.rand(1, 48, 64)]),
    "weights": lambda side: regional_weights([side, torch.rand(1, 48, 64)]),
    "latent": lambda side: resize_to_latent(side, (3, 4), scale=4),
    "round edges": lambda side: distance_from(FIELD, image=side[..., None].expand(-1, -1, -1, 3)),
    "membrane": lambda side: blend_strengths(
        halves(), [0, 1], method="membrane", image=side[..., None].expand(-1, -1, -1, 3)
    ),
    "measure": lambda side: measure_field(FIELD, distance=side),
    "measure regions": lambda side: measure_field(FIELD, regions=side > 0.5),
}


@pytest.mark.parametrize("name", BESIDE)
def test_beside_a_field_too_another_size_is_resized_and_another_shape_refused(name):
    BESIDE[name](torch.rand(1, 24, 32))
    with pytest.raises(InputError, match=r"of 20 x 32 pixels? doesn't have the shape of"):
        BESIDE[name](torch.rand(1, 32, 20))


SPREADS = {
    "blur": lambda image: blur_by_field(image, FIELD, radius=2),
    "edges": lambda image: fill_coverage(halves().take([0]), "edges", image=image),
    "snap edges": lambda image: snap_edges(halves(), image),
    "closest color": lambda image: select(halves(), "closest_color", image=image, color="#fff000"),
    "wand": lambda image: magic_wand(image, (0, 0)),
}
"""What looks at more of a picture than one pixel at a time."""


@pytest.mark.parametrize("name", SPREADS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_one_colour_that_is_no_number_is_refused_where_it_would_spread(name, value):
    image = IMAGE.clone()
    SPREADS[name](image)
    image[0, 3, 4, 1] = value
    with pytest.raises(InputError, match="image: has values that are not finite numbers"):
        SPREADS[name](image)


@pytest.mark.parametrize("name", ["composite", "grade", "haze", "blur", "relight", "snap"])
def test_a_field_that_is_the_same_everywhere_fits_any_picture(name):
    assert torch.equal(BESIDE[name](torch.zeros(1, 64, 64)), BESIDE[name](0 * FIELD))
