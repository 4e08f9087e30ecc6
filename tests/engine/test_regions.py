"""Regions: a set in canonical order, valid from birth."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pretended_device import pretended
from region_fields.engine import InputError, Regions
from region_fields.engine.ops.bits import pack_bits

stacks = hnp.arrays(bool, st.tuples(st.integers(0, 6), st.integers(1, 4), st.integers(1, 10)))


def mask_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[c == "#" for c in row] for row in rows])


def three() -> torch.Tensor:
    """Areas 1, 4 and 2, in that order."""
    return torch.stack(
        [
            mask_of("#...", "....", "...."),
            mask_of("..##", "..##", "...."),
            mask_of("....", "....", "##.."),
        ]
    )


@given(data=st.data(), stack=stacks)
def test_the_same_masks_in_any_order_give_the_same_regions(data, stack):
    count = len(stack)
    shuffle = data.draw(st.permutations(range(count)))
    scores = data.draw(st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=count, max_size=count))
    labels = data.draw(st.lists(st.sampled_from(["", "a", "b"]), min_size=count, max_size=count))
    ids = data.draw(st.permutations(range(count)))
    masks = torch.from_numpy(stack)
    one = Regions.from_masks(masks, scores, labels, scores[::-1], ids)
    other = Regions.from_masks(
        masks[list(shuffle)],
        [scores[i] for i in shuffle],
        [labels[i] for i in shuffle],
        [scores[::-1][i] for i in shuffle],
        [ids[i] for i in shuffle],
    )
    assert one.equals(other)


@given(stack=stacks)
def test_regions_hold_exactly_the_masks_that_have_pixels(stack):
    regions = Regions.from_masks(torch.from_numpy(stack))
    wanted = sorted(mask.tobytes() for mask in stack if mask.any())
    assert sorted(mask.tobytes() for mask in regions.masks.numpy()) == wanted
    assert regions.size == stack.shape[1:]
    np.testing.assert_array_equal(regions.areas.numpy(), regions.masks.numpy().sum((1, 2)))
    assert regions.ids.tolist() == list(range(len(wanted)))


def test_order_is_by_area_then_top_then_left_then_bytes():
    masks = torch.stack(
        [
            mask_of("....", "#.#."),
            mask_of("....", "##.."),
            mask_of(".#..", ".#.."),
            mask_of("#...", "#..."),
            mask_of("####", "...."),
            mask_of("...#", "...."),
        ]
    )
    assert torch.equal(Regions.from_masks(masks).masks, masks[[4, 3, 2, 0, 1, 5]])


def test_equal_masks_follow_score_then_stability_then_label_then_id():
    same = mask_of("##").expand(5, 1, 2)
    regions = Regions.from_masks(
        same,
        scores=[0.5, 0.9, 0.5, 0.5, 0.5],
        labels=["b", "z", "a", "a", "a"],
        stability=[0.5, 0.1, 0.5, 0.5, 0.8],
        ids=[1, 2, 4, 3, 5],
    )
    assert regions.ids.tolist() == [2, 5, 3, 4, 1]
    assert regions.labels == ("z", "a", "a", "a", "b")


def test_values_follow_their_masks_and_are_1_where_unknown():
    regions = Regions.from_masks(three(), scores=[0.1, 0.4, 0.2], labels=["s", "l", "m"])
    assert regions.areas.tolist() == [4, 2, 1]
    assert regions.boxes.tolist() == [[2, 0, 4, 2], [0, 2, 2, 3], [0, 0, 1, 1]]
    assert regions.centroids.tolist() == [[2.5, 0.5], [0.5, 2.0], [0.0, 0.0]]
    assert regions.scores.tolist() == pytest.approx([0.4, 0.2, 0.1])
    assert regions.labels == ("l", "m", "s")
    assert regions.stability.tolist() == [1, 1, 1]


def test_no_regions_are_a_set_that_knows_its_size():
    for none in (Regions.empty((3, 5)), Regions.from_masks(torch.zeros((2, 3, 5)))):
        assert len(none) == 0
        assert none.size == (3, 5)
        assert none.masks.shape == (0, 3, 5)
        assert none.union().shape == (3, 5)
        assert not none.union().any()
        assert list(none.chunks()) == []
        assert len(none.take([])) == 0
        assert none.equals(Regions.empty((3, 5)))


def test_float_masks_are_inside_above_a_half_and_one_mask_is_a_set_of_one():
    regions = Regions.from_masks(torch.tensor([[0.5, 0.51, 1.0, float("nan")]]))
    assert regions.masks.tolist() == [[[False, True, True, False]]]


@given(stack=stacks)
def test_union_is_any_of_the_masks(stack):
    union = Regions.from_masks(torch.from_numpy(stack)).union()
    np.testing.assert_array_equal(union.numpy(), stack.any(0))


def test_chunks_are_the_masks_in_order_within_the_budget():
    regions = Regions.from_masks(three())
    starts, parts = zip(*regions.chunks(budget=24), strict=True)
    assert starts == (0, 2)
    assert torch.equal(torch.cat(parts), regions.masks)


def test_take_is_a_set_and_keeps_identities():
    regions = Regions.from_masks(three(), labels=["s", "l", "m"], ids=[7, 8, 9])
    taken = regions.take([2, 0, 2])
    assert taken.ids.tolist() == [8, 7]
    assert taken.labels == ("l", "s")
    assert taken.equals(regions.take(torch.tensor([True, False, True])))
    assert taken.equals(regions.take([True, False, True]))
    assert regions.take([0, 1, 2]).equals(regions)


@pytest.mark.parametrize("index", [[3], [-1], [True, False]])
def test_take_refuses_what_is_not_there(index):
    with pytest.raises(InputError, match=r"Regions\.take"):
        Regions.from_masks(three()).take(index)


def test_regions_cannot_be_changed_nor_through_what_they_were_built_from():
    masks, scores, ids = three(), torch.tensor([0.1, 0.4, 0.2]), torch.tensor([7, 8, 9])
    regions = Regions.from_masks(masks, scores, ids=ids)
    before = Regions.from_masks(masks.clone(), scores.clone(), ids=ids.clone())
    masks[:], scores[:], ids[:] = True, 0, 1
    assert regions.equals(before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        regions.size = (1, 1)
    regions.masks[:] = False
    regions.union()[:] = False
    next(regions.chunks())[1][:] = False
    assert regions.equals(before)


def test_building_does_not_write_its_input():
    masks = three().float() * 0.7
    before = masks.clone()
    Regions.from_masks(masks)
    assert torch.equal(masks, before)


def test_packed_masks_build_the_same_regions():
    masks = three()
    assert Regions.from_packed(pack_bits(masks), (3, 4)).equals(Regions.from_masks(masks))


@given(stack=stacks, data=st.data())
def test_owned_masks_are_reordered_in_place_to_the_same_regions(stack, data):
    scores = data.draw(st.lists(st.floats(0, 1), min_size=len(stack), max_size=len(stack)))
    packed, size = pack_bits(torch.from_numpy(stack)), stack.shape[1:]
    copied = Regions.from_packed(packed, size, scores)
    assert torch.equal(packed, pack_bits(torch.from_numpy(stack)))
    owned = Regions.from_packed(packed, size, scores, owned=True)
    assert owned.equals(copied)
    assert len(owned) == 0 or owned.packed.data_ptr() == packed.data_ptr()


def test_labels_can_be_replaced():
    regions = Regions.from_masks(three()).with_labels(["l", "m", "s"])
    assert regions.labels == ("l", "m", "s")
    with pytest.raises(InputError, match=r"3 regions but 1 label\."):
        regions.with_labels(["l"])


def test_moving_keeps_everything():
    regions = Regions.from_masks(three(), [0.1, 0.2, 0.3], ["a", "b", "c"])
    assert regions.to("cpu").equals(regions)
    assert regions.to("meta").packed.device.type == "meta"


def test_equality_sees_every_part():
    regions = Regions.from_masks(three())
    for other in (
        Regions.from_masks(three()[:2]),
        Regions.from_masks(three(), scores=[0.5, 1, 1]),
        Regions.from_masks(three(), stability=[0.5, 1, 1]),
        Regions.from_masks(three(), labels=["a", "", ""]),
        Regions.from_masks(three(), ids=[5, 6, 7]),
        Regions.from_masks(torch.nn.functional.pad(three(), (0, 1))),
    ):
        assert not regions.equals(other)


def test_300_regions_of_a_4k_image_fit_in_350_megabytes():
    row = pack_bits(torch.ones((1, 1, 3840), dtype=torch.bool))
    packed = torch.zeros((300, 2160, 480), dtype=torch.uint8)
    packed[:, :8] = row
    packed[torch.arange(300), 9 + torch.arange(300)] = row
    regions = Regions.from_packed(packed, (2160, 3840))
    held = sum(value.nbytes for value in vars(regions).values() if isinstance(value, torch.Tensor))
    assert len(regions) == 300
    assert held < 350e6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"masks": torch.zeros(4)}, "wanted masks"),
        ({"masks": torch.zeros((1, 0, 4))}, "wanted masks"),
        ({"masks": three(), "scores": [1.0]}, "scores of shape"),
        ({"masks": three(), "stability": [1.0]}, "stability of shape"),
        ({"masks": three(), "scores": [1.0, float("nan"), 1.0]}, "scores must be numbers"),
        ({"masks": three(), "labels": ["a"]}, "but 1 label"),
        ({"masks": three(), "ids": [1]}, "ids of shape"),
        ({"masks": three(), "ids": [1, 1, 2]}, "ids repeat"),
    ],
)
def test_what_cannot_be_regions_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Regions.from_masks(**arguments)


def test_packed_masks_of_another_width_are_refused():
    with pytest.raises(InputError, match="wanted packed masks"):
        Regions.from_packed(torch.zeros((1, 3, 1), dtype=torch.uint8), (3, 9))


@given(stack=stacks)
def test_masks_that_come_one_at_a_time_give_the_same_regions(stack):
    masks = torch.from_numpy(stack)
    ids = list(range(9, 9 + len(masks)))
    each = Regions.from_each(
        iter(masks), len(masks), masks.shape[1:], labels=["a"] * len(masks), ids=ids
    )
    assert each.equals(Regions.from_masks(masks, labels=["a"] * len(masks), ids=ids))


def test_masks_of_another_size_are_refused_one_by_one():
    with pytest.raises(InputError, match="wanted masks of 4 x 3 pixels"):
        Regions.from_each([torch.ones(3, 4), torch.ones(4, 3)], 2, (3, 4))


def test_regions_stay_on_the_cpu_for_a_device_without_float64():
    """As those do that are made of masks which lie there; centroids are float64."""
    regions = Regions.from_masks(three(), labels=["a", "b", "c"])
    with pretended("mps") as place:
        moved = regions.to(place)
        assert moved.device == Regions.from_masks(three().to(place)).device == torch.device("cpu")
    assert moved.equals(regions)
    with pretended("cuda") as place:
        assert regions.to(place).device == place
