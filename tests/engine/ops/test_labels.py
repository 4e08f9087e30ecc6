"""Label maps against painting and counting pixel by pixel."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine.ops.bits import measure_packed, pack_bits, unpack_bits
from region_fields.engine.ops.labels import count_map, paint_labels, split_labels

stacks = hnp.arrays(bool, st.tuples(st.integers(0, 5), st.integers(1, 6), st.integers(1, 70)))
maps = hnp.arrays(
    np.int32, st.tuples(st.integers(1, 6), st.integers(1, 40)), elements=st.integers(0, 5)
)


def packed_of(stack: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    packed = pack_bits(torch.from_numpy(stack))
    return packed, measure_packed(packed, stack.shape[-1])[1]


@given(stack=stacks, data=st.data())
def test_the_first_claim_keeps_the_pixel(stack, data):
    claims = data.draw(st.permutations(range(len(stack))))
    painted = paint_labels(*packed_of(stack), stack.shape[-1], claims)
    wanted = np.zeros(stack.shape[1:], np.int32)
    for i in reversed(claims):
        wanted[stack[i]] = i + 1
    assert painted.dtype == torch.int32
    np.testing.assert_array_equal(painted.numpy(), wanted)


@given(stack=stacks)
def test_counts_are_the_sum_of_the_masks(stack):
    counts = count_map(*packed_of(stack), stack.shape[-1])
    np.testing.assert_array_equal(counts.numpy(), stack.sum(0))


@given(labels=maps)
def test_splitting_gives_the_mask_of_each_label_in_order(labels):
    packed, found = split_labels(torch.from_numpy(labels))
    masks = unpack_bits(packed, labels.shape[1]).numpy()
    assert sorted(found.tolist()) == sorted(set(labels.ravel().tolist()) - {0})
    for mask, label in zip(masks, found.tolist(), strict=True):
        np.testing.assert_array_equal(mask, labels == label)
    areas, boxes, _ = measure_packed(packed, labels.shape[1])
    keys = [
        (-area, box[1], box[0], label)
        for area, box, label in zip(areas.tolist(), boxes.tolist(), found.tolist(), strict=True)
    ]
    assert keys == sorted(keys)


def test_labels_larger_than_the_image_split_too():
    labels = torch.tensor([[0, 900, 900], [70000, 900, 1 << 40]])
    packed, found = split_labels(labels)
    assert found.tolist() == [900, 70000, 1 << 40]
    assert unpack_bits(packed, 3).sum((1, 2)).tolist() == [3, 1, 1]
    assert split_labels(labels[:, 1:])[1].tolist() == [900, 1 << 40]


def test_a_map_of_zeros_holds_no_mask():
    packed, found = split_labels(torch.zeros((3, 9), dtype=torch.int32))
    assert packed.shape == (0, 3, 2)
    assert found.shape == (0,)
