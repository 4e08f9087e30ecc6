"""Packed bits against numpy and against plain counting, on both of the two paths."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine.ops import bits

stacks = hnp.arrays(bool, st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 20)))
PACKERS = [bits.pack_bits, bits._pack_torch]
UNPACKERS = [bits.unpack_bits, bits._unpack_torch]


@given(stack=stacks)
def test_packing_is_numpys_packbits_and_unpacking_undoes_it(stack):
    wanted = np.packbits(stack, axis=-1)
    for pack in PACKERS:
        np.testing.assert_array_equal(pack(torch.from_numpy(stack)).numpy(), wanted)
    for unpack in UNPACKERS:
        got = unpack(torch.from_numpy(wanted), stack.shape[-1])
        assert got.dtype == torch.bool
        np.testing.assert_array_equal(got.numpy(), stack)


def test_strided_and_expanded_masks_pack_too():
    masks = torch.rand((6, 8, 30), generator=torch.Generator().manual_seed(0)) < 0.5
    view = masks[::2, :, ::3].expand(3, 8, 10)
    for pack in PACKERS:
        assert torch.equal(bits.unpack_bits(pack(view), 10), view)


def test_bits_of_every_byte_are_counted():
    every = torch.arange(256, dtype=torch.uint8).view(16, 16)
    wanted = [bin(byte).count("1") for byte in range(256)]
    assert bits.bit_count(every).flatten().tolist() == wanted
    assert bits._look_up(bits._tables(every.device)[0], every).flatten().tolist() == wanted


def test_bits_are_counted_without_numpy_2(monkeypatch):
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    every = torch.arange(256, dtype=torch.uint8)
    assert bits.bit_count(every).tolist() == [bin(byte).count("1") for byte in range(256)]


@given(stack=stacks)
def test_any_row_is_the_or_of_the_rows(stack):
    packed = torch.from_numpy(np.packbits(stack, axis=-1))
    for any_row in (bits.any_row, bits._any_row_torch):
        got = bits.unpack_bits(any_row(packed).unsqueeze(-2), stack.shape[-1]).squeeze(-2)
        np.testing.assert_array_equal(got.numpy(), stack.any(-2))


@given(stack=stacks)
def test_areas_boxes_and_sums_are_those_of_the_pixels(stack):
    packed, width = bits.pack_bits(torch.from_numpy(stack)), stack.shape[-1]
    areas, boxes, centroids = bits.measure_packed(packed, width)
    for i, mask in enumerate(stack):
        y, x = mask.nonzero()
        assert areas[i] == len(x)
        if len(x):
            assert boxes[i].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
            assert centroids[i].tolist() == [x.sum() / len(x), y.sum() / len(y)]
        else:
            assert boxes[i].tolist() == [0, 0, 0, 0]
            assert centroids[i].isnan().all()


@given(stack=stacks)
def test_boxes_are_those_of_the_pixels_on_both_paths(stack):
    packed, width = bits.pack_bits(torch.from_numpy(stack)), stack.shape[-1]
    wanted = bits.measure_packed(packed, width)[1]
    assert torch.equal(bits.boxes_packed(packed, width), wanted)
    assert torch.equal(bits._boxes_torch(packed, width), wanted)


def test_boxes_are_found_wherever_a_row_is_used_in_a_tall_mask():
    mask = torch.zeros((1, 700, 9), dtype=torch.bool)
    for row, column in ((0, 8), (63, 1), (64, 0), (500, 3), (699, 8)):
        alone = torch.zeros_like(mask)
        alone[0, row, column] = True
        box = bits.boxes_packed(bits.pack_bits(alone), 9)
        assert box.tolist() == [[column, row, column + 1, row + 1]]


@given(stack=stacks, pixels=st.integers(0, 7))
def test_shifting_puts_clear_pixels_before_a_row(stack, pixels):
    shifted = bits.shift_right(bits.pack_bits(torch.from_numpy(stack)), pixels)
    wanted = np.pad(stack, ((0, 0), (0, 0), (pixels, 0)))
    got = bits.unpack_bits(shifted.contiguous(), wanted.shape[-1])
    np.testing.assert_array_equal(got.numpy(), wanted)


@given(stack=stacks)
def test_both_paths_measure_the_same(stack):
    packed, width = bits.pack_bits(torch.from_numpy(stack)), stack.shape[-1]
    areas, boxes, sums = bits._measure_torch(packed, width)
    for i, plane in enumerate(packed.numpy()):
        area, box, total = bits._measure_numpy(plane)
        assert area == areas[i]
        assert torch.equal(box, boxes[i])
        assert torch.equal(total, sums[i])


def test_a_large_mask_does_not_overflow():
    full = bits.pack_bits(torch.ones((1, 3000, 4000), dtype=torch.bool))
    areas, boxes, centroids = bits.measure_packed(full, 4000)
    assert areas.tolist() == [12_000_000]
    assert boxes.tolist() == [[0, 0, 4000, 3000]]
    assert centroids.tolist() == [[1999.5, 1499.5]]


def test_measuring_does_not_write_its_input():
    packed = bits.pack_bits(torch.rand((3, 7, 13)) < 0.5)
    before = packed.clone()
    bits.measure_packed(packed, 13)
    bits.any_row(packed)
    bits.unpack_bits(packed, 13)
    assert torch.equal(packed, before)


@pytest.mark.parametrize(
    ("bytes_each", "budget", "wanted"), [(10, 100, 10), (200, 100, 1), (0, 5, 5)]
)
def test_chunks_stay_near_the_budget_and_hold_at_least_one(bytes_each, budget, wanted):
    assert bits.chunk_length(bytes_each, budget) == wanted
