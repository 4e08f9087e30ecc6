import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine import Everything, InputError
from region_fields.engine.sam2.everything import grid_points, plan_crops

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sam2.utils.amg import build_point_grid, generate_crop_boxes


@pytest.mark.parametrize(
    ("knob", "value", "said"),
    [
        ("points_per_side", 0, "whole number from 1"),
        ("points_per_side", 8.0, "whole number"),
        ("points_per_side", True, "whole number"),
        ("pred_iou_thresh", 1.5, "number from 0 to 1"),
        ("pred_iou_thresh", float("nan"), "number from 0 to 1"),
        ("stability_score_thresh", -0.1, "number from 0 to 1"),
        ("stability_score_offset", -1.0, "number from 0"),
        ("mask_threshold", float("inf"), "finite"),
        ("box_nms_thresh", "0.7", "number from 0 to 1"),
        ("crop_n_layers", -1, "whole number from 0"),
        ("crop_nms_thresh", 2, "number from 0 to 1"),
        ("crop_overlap_ratio", 1.0, "to below 1"),
        ("crop_n_points_downscale_factor", 0, "whole number from 1"),
        ("min_mask_region_area", -3, "whole number from 0"),
        ("memory_budget", 1000, r"whole number from 16777216 bytes \(16 MiB\)"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(knob, value, said):
    with pytest.raises(InputError, match=f"{knob} must be .*{said}"):
        Everything(**{knob: value})


def test_a_switch_that_is_no_bool_is_refused():
    with pytest.raises(InputError, match="use_m2m must be True or False"):
        Everything(use_m2m="no")


def test_crops_too_small_for_a_point_are_refused():
    with pytest.raises(InputError, match="leaves none"):
        Everything(points_per_side=4, crop_n_layers=2, crop_n_points_downscale_factor=3)


@given(
    size=st.tuples(st.integers(64, 5000), st.integers(64, 5000)),
    layers=st.integers(0, 3),
    overlap=st.floats(0, 0.9),
)
def test_crops_are_the_references(size, layers, overlap):
    boxes, layer = generate_crop_boxes(size, layers, overlap)
    crops = plan_crops(size, layers, overlap)
    assert [[c.x0, c.y0, c.x1, c.y1] for c in crops] == boxes
    assert [c.layer for c in crops] == layer


@given(st.integers(1, 64), st.tuples(st.integers(1, 5000), st.integers(1, 5000)))
def test_points_are_the_references(per_side, size):
    expected = build_point_grid(per_side) * np.array(size)[None, ::-1]
    assert torch.equal(grid_points(per_side, size), torch.as_tensor(expected, dtype=torch.float32))
