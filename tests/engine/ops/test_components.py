"""Components, holes and islands against scipy and against the SAM rule written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine import InputError
from region_fields.engine.ops import components
from region_fields.engine.ops.components import (
    fill_small_holes,
    label_components,
    remove_small_islands,
)
from scipy import ndimage

stacks = hnp.arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)))
FILLERS = [components._fill_cropped, components._fill_planes]
REMOVERS = [components._remove_cropped, components._remove_planes]


def mask_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[c == "#" for c in row] for row in rows])


def blobs(share: float, seed: int = 0) -> torch.Tensor:
    noise = np.random.default_rng(seed).random((4, 90, 120))
    return torch.from_numpy(ndimage.gaussian_filter(noise, (0, 1.2, 1.2)) < share)


def cleaned(plane: np.ndarray, area: int, holes: bool) -> np.ndarray:
    """The reference's rule, on scipy's labels: small background parts, or small parts, change."""
    labels, count = ndimage.label(holes ^ plane, np.ones((3, 3)))
    sizes = [int((labels == i).sum()) for i in range(1, count + 1)]
    small = [i + 1 for i, size in enumerate(sizes) if size < area]
    if holes:
        return plane | np.isin(labels, small)
    kept = [i for i in range(1, count + 1) if i not in small]
    if not kept and sizes:
        kept = [int(np.argmax(sizes)) + 1]
    return np.isin(labels, kept)


@pytest.mark.parametrize("connectivity", [4, 8])
@settings(deadline=None, derandomize=True, max_examples=80)
@given(stack=stacks)
def test_runs_give_the_labels_that_scipy_gives(connectivity, stack):
    structure = np.ones((3, 3)) if connectivity == 8 else None
    labels, counts = components._label_by_runs(torch.from_numpy(stack), connectivity)
    for i, plane in enumerate(stack):
        wanted, count = ndimage.label(plane, structure)
        np.testing.assert_array_equal(labels[i].numpy(), wanted)
        assert counts[i] == count


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("share", [0.48, 0.5, 0.52])
def test_both_paths_agree_on_winding_blobs(share, connectivity):
    masks = blobs(share)
    labels, counts = components._label_by_scipy(masks, connectivity)
    by_runs, counts_by_runs = components._label_by_runs(masks, connectivity)
    assert torch.equal(labels, by_runs)
    assert torch.equal(counts, counts_by_runs)
    assert counts.min() > 5


def test_diagonal_neighbours_join_under_8_and_not_under_4():
    mask = mask_of("#..", ".#.", "..#")
    assert label_components(mask, 8)[1] == 1
    assert label_components(mask, 4)[1] == 3


def test_labels_count_in_scan_order():
    labels, _ = label_components(mask_of("..#.", "#.#.", "#..#"), 4)
    assert labels.tolist() == [[0, 0, 1, 0], [2, 0, 1, 0], [2, 0, 0, 3]]


@pytest.mark.parametrize("fill", FILLERS)
@settings(deadline=None, derandomize=True, max_examples=80)
@given(stack=stacks, area=st.integers(0, 40))
def test_holes_fill_as_in_the_reference(fill, stack, area):
    filled = fill(torch.from_numpy(stack.copy()), area).numpy()
    for plane, got in zip(stack, filled, strict=True):
        np.testing.assert_array_equal(got, cleaned(plane, area, holes=True))


@pytest.mark.parametrize("remove", REMOVERS)
@settings(deadline=None, derandomize=True, max_examples=80)
@given(stack=stacks, area=st.integers(0, 40))
def test_islands_go_as_in_the_reference(remove, stack, area):
    kept = remove(torch.from_numpy(stack.copy()), area).numpy()
    for plane, got in zip(stack, kept, strict=True):
        np.testing.assert_array_equal(got, cleaned(plane, area, holes=False))


@pytest.mark.parametrize("change", FILLERS + REMOVERS)
@pytest.mark.parametrize("area", [1, 12, 200, 9000])
def test_winding_blobs_change_as_in_the_reference(change, area):
    masks = blobs(0.5, seed=1)
    wanted = [cleaned(plane, area, holes=change in FILLERS) for plane in masks.numpy()]
    np.testing.assert_array_equal(change(masks.clone(), area).numpy(), np.stack(wanted))


def test_a_hole_of_exactly_the_area_stays():
    mask = mask_of("####", "#..#", "####")
    assert torch.equal(fill_small_holes(mask, 2), mask)
    assert fill_small_holes(mask, 3).all()


def test_when_all_islands_are_small_the_first_of_the_largest_stays():
    mask = mask_of("#....", "...##", ".....", "##...")
    wanted = mask_of(".....", "...##", ".....", ".....")
    for remove in REMOVERS:
        assert torch.equal(remove(mask[None].clone(), 100)[0], wanted)


def test_an_empty_mask_stays_empty_when_islands_go():
    empty = torch.zeros((2, 3, 3), dtype=torch.bool)
    assert not remove_small_islands(empty, 5).any()


@pytest.mark.parametrize("change", [fill_small_holes, remove_small_islands])
def test_shapes_are_kept_and_the_input_is_not_written(change):
    masks = blobs(0.5).view(2, 2, 90, 120)
    before = masks.clone()
    changed = change(masks, 50)
    assert changed.shape == masks.shape
    assert torch.equal(masks, before)
    assert not torch.equal(changed, masks)
    assert change(masks[:0], 50).shape == (0, 2, 90, 120)


def test_expanded_and_sliced_masks_are_taken():
    masks = blobs(0.5)[:1, ::2, 1::3].expand(3, -1, -1)
    assert torch.equal(remove_small_islands(masks, 9)[2], remove_small_islands(masks[0], 9))


def test_other_input_is_refused():
    with pytest.raises(InputError, match=r"wanted bool \(\.\.\., H, W\)"):
        label_components(torch.zeros(3, 3))
    with pytest.raises(InputError, match="4 or 8, got 6"):
        label_components(torch.zeros((3, 3), dtype=torch.bool), 6)
