import math

import pytest
import torch
from region_fields.engine import InputError, Regions, select
from region_fields.engine.exchange import from_boxes, to_boxes
from region_fields.engine.ops.anchors import box_mask, points_mask, whole_pixel
from region_fields.engine.preview import strengths_at
from region_fields.engine.shape import field_from_3d_point
from region_fields.engine.wand import magic_wand

HALVES = (0.5, 1.5, 2.5, 3.5)


@pytest.mark.parametrize("x", HALVES)
def test_a_box_between_pixels_is_as_wide_wherever_it_lies(x):
    box = {"x": x, "y": 1, "width": 2, "height": 1}
    left = int(x + 0.5)
    [back] = to_boxes(from_boxes([box], (3, 8)))
    assert (back["x"], back["width"]) == (left, 2)
    assert box_mask(box, (3, 8))[0, 1].nonzero().flatten().tolist() == [left, left + 1]


@pytest.mark.parametrize("x", HALVES)
def test_a_point_between_two_pixels_lies_in_the_same_one_for_all(x):
    size, pixel = (3, 8), int(x + 0.5)
    ramp = torch.arange(8.0).expand(size) / 7
    columns = Regions.from_masks(torch.eye(8, dtype=torch.bool)[:, None].expand(8, *size))
    assert select(columns, "containing_point", point=(x, 1)).boxes[0, 0] == pixel
    assert points_mask([(x, 1)], size)[0, 1].nonzero().item() == pixel
    assert strengths_at(ramp, [(x, 1)]) == [pytest.approx(pixel / 7)]
    wand = magic_wand(ramp[..., None].expand(*size, 3), (x, 1), 0.01, antialias=False)
    assert wand[0, 1].nonzero().item() == pixel
    near = field_from_3d_point(ramp[None] + 1, point=(x, 1), inner_radius=0, outer_radius=0)
    assert near[0].nonzero().tolist() == [[1, pixel]]


@pytest.mark.parametrize("place", [math.nan, math.inf])
def test_a_place_that_is_no_number_is_refused(place):
    with pytest.raises(InputError, match="wanted a place in pixels, got"):
        whole_pixel(place)
