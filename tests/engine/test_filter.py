"""Filters, one condition at a time, and duplicates by exact IoU."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine import InputError, Regions
from region_fields.engine.filter import filter_regions, overlap_shares, remove_duplicates

stacks = hnp.arrays(bool, st.tuples(st.integers(0, 6), st.integers(1, 5), st.integers(1, 20)))


def mask_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[c == "#" for c in row] for row in rows])


def three() -> Regions:
    """A bar at the top border, a square inside, a dot inside."""
    masks = torch.stack(
        [
            mask_of("######", "......", "......", "......", "......"),
            mask_of("......", ".##...", ".##...", "......", "......"),
            mask_of("......", "......", "......", "....#.", "......"),
        ]
    )
    return Regions.from_masks(masks, [0.5, 0.75, 1], stability=[1, 0.75, 0.5], ids=[1, 2, 3])


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        ({}, [1, 2, 3]),
        ({"min_area": 4}, [1, 2]),
        ({"max_area": 4}, [2, 3]),
        ({"min_area": 20, "area_units": "percent"}, [1]),
        ({"max_area": 20, "area_units": "percent"}, [1, 2, 3]),
        ({"min_score": 0.75}, [2, 3]),
        ({"min_stability": 0.75}, [1, 2]),
        ({"min_elongation": 2}, [1]),
        ({"max_elongation": 2}, [2, 3]),
        ({"border": "drop"}, [2, 3]),
        ({"border": "only"}, [1]),
        ({"min_score": 0.75, "min_area": 2}, [2]),
    ],
)
def test_each_condition_keeps_what_meets_it(conditions, kept):
    assert filter_regions(three(), **conditions).ids.tolist() == kept


def test_overlap_is_the_share_of_the_regions_own_pixels():
    mask = mask_of("###...", "......", ".###..", "......", "......")
    assert overlap_shares(three(), mask).tolist() == [0.5, 0.5, 0]
    assert filter_regions(three(), mask=mask, min_overlap=0.5).ids.tolist() == [1, 2]
    assert filter_regions(three(), mask=mask, max_overlap=0.4).ids.tolist() == [3]
    large = mask.float().repeat_interleave(3, 0).repeat_interleave(3, 1)
    assert overlap_shares(three(), large[None]).tolist() == [0.5, 0.5, 0]


@settings(max_examples=40)
@given(data=st.data(), stack=stacks)
def test_filters_do_not_depend_on_order(data, stack):
    shuffle = list(data.draw(st.permutations(range(len(stack)))))
    masks = torch.from_numpy(stack)
    one, other = Regions.from_masks(masks), Regions.from_masks(masks[shuffle])
    mask = torch.ones(stack.shape[1:])
    conditions = {"min_area": 2, "max_elongation": 3, "mask": mask, "border": "drop"}
    assert filter_regions(one, **conditions).equals(filter_regions(other, **conditions))


def reference_duplicates(masks: np.ndarray, scores: list[float], iou: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(masks)), key=lambda i: (-scores[i], i)):
        overlaps = [(masks[i] & masks[j]).sum() / (masks[i] | masks[j]).sum() for j in kept]
        if all(overlap < iou for overlap in overlaps):
            kept.append(i)
    return sorted(kept)


@given(data=st.data(), stack=stacks, iou=st.sampled_from([0.1, 0.3, 0.5, 1.0]))
def test_duplicates_go_by_exact_iou_and_the_better_one_stays(data, stack, iou):
    count = len(stack)
    scores = data.draw(st.lists(st.sampled_from([0.5, 1.0]), min_size=count, max_size=count))
    regions = Regions.from_masks(torch.from_numpy(stack), scores)
    wanted = reference_duplicates(regions.masks.numpy(), regions.scores.tolist(), iou)
    assert remove_duplicates(regions, iou).equals(regions.take(wanted))
    shuffle = list(data.draw(st.permutations(range(count))))
    other = Regions.from_masks(torch.from_numpy(stack[shuffle]), [scores[i] for i in shuffle])
    assert remove_duplicates(other, iou).equals(remove_duplicates(regions, iou))


def test_equal_masks_leave_the_one_with_the_higher_score():
    same = torch.ones((3, 2, 2), dtype=torch.bool)
    kept = remove_duplicates(Regions.from_masks(same, [0.5, 0.9, 0.7], ids=[1, 2, 3]), iou=1)
    assert kept.ids.tolist() == [2]


def test_no_regions_stay_no_regions():
    empty = Regions.empty((3, 4))
    assert len(filter_regions(empty, min_elongation=2, mask=torch.ones(3, 4), border="only")) == 0
    assert len(remove_duplicates(empty)) == 0


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"area_units": "acres"}, "area_units"),
        ({"border": "maybe"}, "border"),
        ({"min_area": math.nan}, "min_area"),
        ({"max_area": math.nan}, "max_area"),
        ({"max_elongation": math.nan}, "max_elongation"),
        ({"min_overlap": 0.5}, "need a mask"),
        ({"max_overlap": 0.5}, "need a mask"),
        ({"mask": torch.ones(2, 3, 4)}, "wanted one mask, got 2"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(conditions, message):
    with pytest.raises(InputError, match=message):
        filter_regions(three(), **conditions)


@pytest.mark.parametrize("iou", [0, 1.5, math.nan])
def test_an_iou_out_of_range_is_refused(iou):
    with pytest.raises(InputError, match="IoU above 0"):
        remove_duplicates(three(), iou)
