"""Edits against the same done on whole masks, one by one."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine import InputError, Regions, edit
from region_fields.engine.edit import (
    COMBINATIONS,
    combine_with,
    feather,
    fill_holes,
    grow,
    merge,
    nest,
    remove_specks,
    smooth,
    snap_edges,
    split_islands,
)
from region_fields.engine.ops.colour import srgb_to_oklab
from region_fields.engine.ops.components import fill_enclosed_holes
from region_fields.engine.ops.guided import guided_filter
from scipy import ndimage
from scipy.ndimage import distance_transform_edt as edt

stacks = hnp.arrays(bool, st.tuples(st.integers(0, 4), st.integers(1, 9), st.integers(1, 20)))
EIGHT = np.ones((3, 3))

EDITS = {
    "add": lambda r: combine_with(r, torch.eye(*r.size), "add"),
    "subtract": lambda r: combine_with(r, torch.eye(*r.size), "subtract"),
    "intersect": lambda r: combine_with(r, torch.eye(*r.size), "intersect"),
    "exclude": lambda r: combine_with(r, torch.eye(*r.size), "exclude"),
    "split": lambda r: split_islands(r, 2),
    "holes": fill_holes,
    "specks": lambda r: remove_specks(r, 3),
    "grow": lambda r: grow(r, 1.5),
    "shrink": lambda r: grow(r, -1),
    "smooth": lambda r: smooth(r, 1),
    "snap": lambda r: snap_edges(r, torch.eye(*r.size)[..., None].expand(-1, -1, 3), 2),
    "merge": merge,
}


def mask_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[c == "#" for c in row] for row in rows])


def drawn(mask: torch.Tensor) -> list[str]:
    return ["".join(".#"[int(value)] for value in row) for row in mask]


def agree(regions: Regions, edited: Regions, change) -> None:
    """Whether each region of `edited` is the whole mask of its id put through `change`."""
    wanted = {}
    for mask, own in zip(regions.masks.numpy(), regions.ids.tolist(), strict=True):
        if (changed := change(mask)).any():
            wanted[own] = changed
    assert sorted(wanted) == sorted(edited.ids.tolist())
    for mask, own in zip(edited.masks.numpy(), edited.ids.tolist(), strict=True):
        np.testing.assert_array_equal(mask, wanted[own])


def shift(mask: np.ndarray, pixels: float) -> np.ndarray:
    if pixels >= 0:
        return ndimage.distance_transform_edt(~mask) <= pixels if mask.any() else mask
    return ndimage.distance_transform_edt(mask) > -pixels if not mask.all() else mask


@pytest.mark.parametrize("edit", EDITS)
@settings(max_examples=15)
@given(data=st.data(), stack=stacks)
def test_edits_do_not_depend_on_order_and_write_no_input(edit, data, stack):
    count = len(stack)
    shuffle = list(data.draw(st.permutations(range(count))))
    masks, labels = torch.from_numpy(stack), [str(i) for i in range(count)]
    one = Regions.from_masks(masks, labels=labels)
    other = Regions.from_masks(masks[shuffle], labels=[labels[i] for i in shuffle])
    before = one.packed.clone()
    assert EDITS[edit](one).equals(EDITS[edit](other))
    assert torch.equal(one.packed, before)


@pytest.mark.parametrize("how", COMBINATIONS)
@given(stack=stacks)
def test_combining_is_done_pixel_by_pixel(how, stack):
    regions = Regions.from_masks(torch.from_numpy(stack))
    plane = np.random.default_rng(1).random(stack.shape[1:]) < 0.5
    operation = {
        "add": lambda mask: mask | plane,
        "subtract": lambda mask: mask & ~plane,
        "intersect": lambda mask: mask & plane,
        "exclude": lambda mask: mask ^ plane,
    }[how]
    agree(regions, combine_with(regions, torch.from_numpy(plane), how), operation)
    as_regions = Regions.from_masks(torch.from_numpy(plane))
    assert combine_with(regions, as_regions, how).equals(
        combine_with(regions, torch.from_numpy(plane), how)
    )


@given(stack=stacks)
def test_islands_are_the_connected_parts(stack):
    regions = Regions.from_masks(
        torch.from_numpy(stack), labels=[str(i) for i in range(len(stack))]
    )
    parts = split_islands(regions)
    wanted = []
    for mask, name in zip(regions.masks.numpy(), regions.labels, strict=True):
        labels, count = ndimage.label(mask, EIGHT)
        wanted += [(name, (labels == i + 1).tobytes()) for i in range(count)]
    got = [(n, m.tobytes()) for n, m in zip(parts.labels, parts.masks.numpy(), strict=True)]
    assert sorted(got) == sorted(wanted)
    assert set(regions.ids.tolist()) <= set(parts.ids.tolist())


def test_the_largest_island_keeps_the_id():
    regions = Regions.from_masks(mask_of("#..###", "......", "##...."), [0.5], ["cup"], ids=[4])
    parts = split_islands(regions)
    assert parts.ids.tolist() == [4, 6, 5]
    assert parts.areas.tolist() == [3, 2, 1]
    assert parts.labels == ("cup",) * 3
    assert parts.scores.tolist() == [0.5] * 3
    assert split_islands(regions, min_area=2).ids.tolist() == [4, 5]


def test_islands_that_touch_at_a_corner_split_under_4():
    regions = Regions.from_masks(mask_of("#.", ".#"))
    assert len(split_islands(regions)) == 1
    assert len(split_islands(regions, connectivity=4)) == 2


@given(stack=stacks, area=st.sampled_from([math.inf, 1, 2, 4]))
def test_holes_are_what_the_region_encloses(stack, area):
    def filled(mask: np.ndarray) -> np.ndarray:
        labels, count = ndimage.label(np.pad(~mask, 1, constant_values=True)[1:-1, 1:-1], EIGHT)
        edge = set(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]).tolist())
        out = mask.copy()
        for i in set(range(1, count + 1)) - edge:
            if (labels == i).sum() < area:
                out |= labels == i
        return out

    regions = Regions.from_masks(torch.from_numpy(stack))
    agree(regions, fill_holes(regions, area), filled)
    whole = fill_enclosed_holes(torch.from_numpy(stack), area)
    np.testing.assert_array_equal(
        whole.numpy(), np.array([filled(m) for m in stack]).reshape(stack.shape)
    )


def test_specks_go_and_the_body_stays():
    regions = Regions.from_masks(mask_of("##...#", "##....", "....##"))
    assert drawn(remove_specks(regions, 3).masks[0]) == ["##....", "##....", "......"]
    assert drawn(remove_specks(regions, 99).masks[0]) == ["##....", "##....", "......"]


@given(
    stack=stacks, pixels=st.sampled_from([0, 0.5, 1, 1.5, 2.3, 50]), sign=st.sampled_from([1, -1])
)
def test_growing_and_shrinking_are_euclidean(stack, pixels, sign):
    regions = Regions.from_masks(torch.from_numpy(stack))
    agree(regions, grow(regions, sign * pixels), lambda mask: shift(mask, sign * pixels))


@given(stack=stacks, pixels=st.sampled_from([0, 1, 1.5]))
def test_smoothing_closes_and_then_opens_by_a_disc(stack, pixels):
    def smoothed(mask: np.ndarray) -> np.ndarray:
        for step in (pixels, -pixels, -pixels, pixels):
            mask = shift(mask, step)
        return mask

    regions = Regions.from_masks(torch.from_numpy(stack))
    agree(regions, smooth(regions, pixels), smoothed)


def test_smoothing_takes_spikes_and_fills_notches():
    y, x = torch.meshgrid(torch.arange(60), torch.arange(60), indexing="ij")
    disc = (x - 30) ** 2 + (y - 30) ** 2 < 20**2
    rough = disc.clone()
    rough[30, 50:58], rough[12:30, 30] = True, False
    got = smooth(Regions.from_masks(rough), 2).masks[0]
    assert int((rough ^ disc).sum()) == 26
    assert int((got ^ disc).sum()) < 10


def test_feather_is_a_straight_ramp_over_the_outline():
    field = feather(Regions.from_masks(mask_of("....####....")), 1, 2)
    wanted = torch.tensor([0, 0, 0.5, 1.5, 2.5, 3, 3, 2.5, 1.5, 0.5, 0, 0]) / 3
    torch.testing.assert_close(field[0, 0], wanted)
    assert feather(Regions.empty((2, 3)), 1, 2).tolist() == [[[0, 0, 0], [0, 0, 0]]]
    hard = feather(Regions.from_masks(mask_of(".#")), 0, 0)
    assert hard.tolist() == [[[0, 1]]]


def test_snapping_moves_an_outline_to_the_pictures_edge():
    y, x = torch.meshgrid(torch.arange(70), torch.arange(90), indexing="ij")
    disc = (x - 45) ** 2 + (y - 35) ** 2 < 22**2
    image = torch.where(
        disc[..., None], torch.tensor([0.8, 0.3, 0.2]), torch.tensor([0.2, 0.4, 0.7])
    )
    image += 0.01 * torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
    loose = (x - 43) ** 2 + (y - 36) ** 2 < 23.5**2
    snapped = snap_edges(Regions.from_masks(loose, ids=[3]), image, 8)
    assert snapped.ids.tolist() == [3]
    assert int((loose ^ disc).sum()) > 150
    assert int((snapped.masks[0] ^ disc).sum()) < 25


def test_snapping_on_a_crop_is_snapping_on_the_whole():
    y, x = torch.meshgrid(torch.arange(90), torch.arange(120), indexing="ij")
    image = torch.rand((90, 120, 3), generator=torch.Generator().manual_seed(1))
    small = (x - 70) ** 2 + (y - 40) ** 2 < 81
    alone = snap_edges(Regions.from_masks(small), image, 4, 0.1)
    corners = small.clone()
    corners[0, 0] = corners[-1, -1] = True
    wide = snap_edges(Regions.from_masks(corners), image, 4, 0.1)
    assert torch.equal(wide.masks[0, 10:80, 30:110], alone.masks[0, 10:80, 30:110])


def test_snapping_tile_by_tile_is_the_guided_filter_on_the_whole(monkeypatch):
    monkeypatch.setattr(edit, "_SNAP_TILE", 24)
    random = torch.Generator().manual_seed(5)
    coarse = torch.rand((1, 3, 9, 12), generator=random)
    image = torch.nn.functional.interpolate(coarse, (75, 101), mode="bilinear")[0].movedim(0, -1)
    y, x = torch.meshgrid(torch.arange(75), torch.arange(101), indexing="ij")
    masks = torch.stack([(x - 60) ** 2 + (y - 30) ** 2 < 900, (x < 40) & (y > 20), x + y < 8])
    radius, edge_contrast, told = 3, 0.02, []
    regions = Regions.from_masks(masks)
    snapped = snap_edges(regions, image, radius, edge_contrast, lambda *done: told.append(done))
    guide = srgb_to_oklab(image.double()).movedim(-1, 0)
    spread = sum(_window_mean(c**2, radius) - _window_mean(c, radius) ** 2 for c in guide)
    changed = 0
    for mask, moved in zip(regions.masks, snapped.masks, strict=True):
        fitted = guided_filter(mask.double(), guide, radius, edge_contrast**2)
        near = np.where(mask, edt(mask) - 0.5, edt(~mask) - 0.5) <= radius
        wanted = torch.where(
            torch.from_numpy(near) & (spread > edge_contrast**2), fitted > 0.5, mask
        )
        assert torch.equal(moved, wanted)
        changed += int((wanted ^ mask).sum())
    assert changed > 20
    assert told == [(done, 20) for done in range(20)]


def _window_mean(plane, radius):
    """By the definition, over windows that end at the border."""
    height, width = plane.shape
    rows = [slice(max(y - radius, 0), y + radius + 1) for y in range(height)]
    columns = [slice(max(x - radius, 0), x + radius + 1) for x in range(width)]
    return torch.tensor([[float(plane[y, x].mean()) for x in columns] for y in rows]).double()


def test_an_outline_stays_where_the_picture_has_no_edge():
    y, x = torch.meshgrid(torch.arange(40), torch.arange(40), indexing="ij")
    square = (x > 9) & (x < 30) & (y > 9) & (y < 30)
    kept = snap_edges(Regions.from_masks(square), torch.full((40, 40, 3), 0.5), 5)
    assert torch.equal(kept.masks[0], square)


def test_nesting_finds_the_smallest_holder():
    y, x = torch.meshgrid(torch.arange(20), torch.arange(20), indexing="ij")
    squares = [(x < n) & (y < n) for n in (18, 10, 3)]
    apart = (x > 13) & (y > 13)
    nesting = nest(Regions.from_masks(torch.stack([*squares, apart]), ids=[18, 10, 3, 7]))
    assert nesting.parents == (-1, 0, -1, 1)
    assert nesting.roots.ids.tolist() == [18, 7]
    assert nesting.leaves.ids.tolist() == [3, 7][::-1]


@given(stack=stacks)
def test_nesting_agrees_with_counting(stack):
    regions = Regions.from_masks(torch.from_numpy(stack))
    masks = regions.masks
    nesting = nest(regions, 0.75)
    for i, parent in enumerate(nesting.parents):
        holders = [
            j
            for j in range(len(masks))
            if regions.areas[j] > regions.areas[i]
            and int((masks[i] & masks[j]).sum()) >= 0.75 * int(regions.areas[i])
        ]
        assert parent == max(holders, default=-1)


def test_merging_gives_one_region_of_everything():
    masks = torch.stack([mask_of("#..."), mask_of(".##.")])
    merged = merge(Regions.from_masks(masks), "both")
    assert drawn(merged.masks[0]) == ["###."]
    assert merged.labels == ("both",)
    assert len(merge(Regions.empty((2, 2)))) == 0


@pytest.mark.parametrize("edit", EDITS)
def test_no_regions_stay_no_regions(edit):
    edited = EDITS[edit](Regions.empty((4, 5)))
    assert len(edited) == 0
    assert edited.size == (4, 5)


def test_edits_keep_scores_and_labels():
    regions = Regions.from_masks(mask_of("...", ".#.", "..."), [0.25], ["dot"], [0.75], [9])
    grown = grow(regions, 1)
    assert (grown.scores.item(), grown.labels, grown.stability.item(), grown.ids.item()) == (
        0.25,
        ("dot",),
        0.75,
        9,
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: combine_with(r, torch.ones(1, 2), "xor"), "wanted one of add"),
        (lambda r: combine_with(r, torch.ones(2, 1, 2), "add"), "wanted one mask, got 2"),
        (lambda r: grow(r, math.nan), "pixels"),
        (lambda r: smooth(r, -1), "radius"),
        (lambda r: fill_holes(r, -1), "area"),
        (lambda r: remove_specks(r, -1), "area"),
        (lambda r: feather(r, -1, 0), "inside"),
        (lambda r: snap_edges(r, torch.zeros(1, 2, 3), 0), "radius"),
        (lambda r: snap_edges(r, torch.zeros(1, 2, 3), 1, 0), "edge_contrast"),
        (lambda r: snap_edges(r, torch.zeros(2, 1, 2, 3), 1), "wanted one image, got 2"),
        (lambda r: nest(r, 0), "share above 0"),
        (lambda r: split_islands(r, connectivity=6), "4 or 8"),
    ],
)
def test_edits_refuse_what_they_cannot_do(call, message):
    with pytest.raises(InputError, match=message):
        call(Regions.from_masks(mask_of("#.")))
