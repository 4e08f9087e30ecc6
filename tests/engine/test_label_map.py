"""Label maps, out and in."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from region_fields.engine import InputError, Regions, fill_coverage
from region_fields.engine.files import read_plane, write_labels
from region_fields.engine.label_map import (
    from_colour_map,
    from_grey_16,
    from_label_map,
    to_colour_map,
    to_grey_16,
    to_label_map,
)

stacks = hnp.arrays(bool, st.tuples(st.integers(0, 4), st.integers(1, 5), st.integers(1, 20)))


def mask_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[c == "#" for c in row] for row in rows])


def test_the_smallest_or_the_largest_keeps_what_both_hold():
    regions = Regions.from_masks(torch.stack([mask_of("####."), mask_of("..##.")]))
    assert to_label_map(regions).tolist() == [[1, 1, 2, 2, 0]]
    assert to_label_map(regions, "largest").tolist() == [[1, 1, 1, 1, 0]]


@given(data=st.data(), stack=stacks)
def test_maps_do_not_depend_on_order_and_read_back_as_a_partition(data, stack):
    shuffle = list(data.draw(st.permutations(range(len(stack)))))
    masks = torch.from_numpy(stack)
    labels = to_label_map(Regions.from_masks(masks))
    assert torch.equal(labels, to_label_map(Regions.from_masks(masks[shuffle])))
    back = from_label_map(labels)
    np.testing.assert_array_equal(back.union().numpy(), stack.any(0))
    for mask, own in zip(back.masks, back.ids.tolist(), strict=True):
        assert torch.equal(mask, labels == own)


def test_a_partition_survives_label_map_and_colours():
    masks = torch.stack([mask_of("##....", "##...."), mask_of("....#.", "......")])
    filled = fill_coverage(Regions.from_masks(masks))
    labels = to_label_map(filled)
    assert torch.equal(from_label_map(labels).packed, filled.packed)
    assert torch.equal(from_colour_map(to_colour_map(labels)).packed, filled.packed)
    assert torch.equal(from_label_map(labels.float()[None]).packed, filled.packed)


def test_a_16_bit_png_keeps_every_label(tmp_path):
    labels = torch.arange(65536, dtype=torch.int32).view(256, 256)
    write_labels(tmp_path / "labels.png", labels)
    assert torch.equal(from_grey_16(read_plane(tmp_path / "labels.png")), labels)
    assert torch.equal(from_grey_16(to_grey_16(labels)), labels)


def test_colours_are_distinct_and_survive_8_bits():
    labels = torch.arange(5000, dtype=torch.int32).view(50, 100)
    colours = to_colour_map(labels)
    stored = np.array(Image.fromarray((colours * 255).round().to(torch.uint8).numpy()))
    assert len(np.unique(stored.reshape(-1, 3), axis=0)) == 5000
    back = from_colour_map(torch.from_numpy(stored).float() / 255)
    assert len(back) == 4999
    assert not back.union()[0, 0]


def test_a_labels_colour_does_not_depend_on_the_others():
    few, many = torch.tensor([[0, 3]]), torch.tensor([[1, 2, 3, 4]])
    assert torch.equal(to_colour_map(few)[0, 1], to_colour_map(many)[0, 2])
    assert (to_colour_map(few)[0, 0] == 0).all()


def test_no_regions_give_an_empty_map_and_back():
    labels = to_label_map(Regions.empty((2, 3)))
    assert not labels.any()
    assert len(from_label_map(labels)) == 0
    assert len(from_colour_map(to_colour_map(labels))) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_label_map(torch.tensor([[0.5, 1]])), "whole numbers"),
        (lambda: from_label_map(torch.tensor([[-1, 1]])), "whole numbers"),
        (lambda: from_label_map(torch.zeros(2, 3, 4)), "wanted"),
        (lambda: to_grey_16(torch.tensor([[70000]])), "65535"),
        (lambda: to_label_map(Regions.empty((1, 1)), "first"), "overlaps"),
        (lambda: from_colour_map(torch.zeros(2, 3)), "wanted"),
        (lambda: from_colour_map(torch.rand(300, 300, 3)), "Flat colours are needed"),
        (lambda: from_colour_map(torch.full((2, 3, 3), torch.nan)), "not finite"),
    ],
)
def test_what_is_no_map_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
