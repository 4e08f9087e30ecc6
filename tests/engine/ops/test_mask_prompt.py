"""Drawn masks as logits: the middle is sure, thin parts stay, thick outlines don't move."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine.ops.mask_prompt import mask_to_logits
from scipy import ndimage


def pieces(cells: torch.Tensor) -> int:
    return ndimage.label(cells.numpy(), structure=torch.ones(3, 3).numpy())[1]


def test_inside_is_ten_outside_minus_ten_and_an_edge_cell_by_its_share():
    mask = torch.zeros(1, 80, 80, dtype=torch.bool)
    mask[:, :, :45] = True  # a cell is ten pixels wide
    logits = mask_to_logits(mask, 8)
    assert logits.shape == (1, 8, 8)
    assert torch.all(logits[0, :, :3] > 9.999)
    assert torch.all(logits[0, :, 6:] < -9.999)
    assert torch.all(logits[0, :, 4].abs() < 4)


def test_the_outline_of_a_thick_shape_does_not_move():
    y, x = torch.meshgrid(torch.arange(300), torch.arange(400), indexing="ij")
    disc = (x - 200) ** 2 + (y - 150) ** 2 < 100**2
    shares = torch.nn.functional.interpolate(disc.float()[None, None], (64, 64), mode="area")
    cells = mask_to_logits(disc[None], 64)[0] > 0
    assert (cells != (shares[0, 0] > 0.5)).sum() <= 8


def test_a_line_one_pixel_wide_stays_in_one_piece():
    y, x = torch.meshgrid(torch.arange(1000), torch.arange(1000), indexing="ij")
    for line in (x == 503, y == 501, x == y, (x == 2 * y) | (x == 2 * y + 1)):
        cells = mask_to_logits(line[None], 64)[0] > 0
        assert pieces(cells) == 1
        long = torch.where(cells.any(1))[0].numel(), torch.where(cells.any(0))[0].numel()
        assert max(long) == 64


def test_a_thin_handle_stays_joined_to_what_it_belongs_to():
    mask = torch.zeros(1, 640, 640, dtype=torch.bool)
    mask[:, 200:440, 100:300] = True
    mask[:, 320:322, 300:600] = True
    cells = mask_to_logits(mask, 64)[0] > 0
    assert pieces(cells) == 1
    assert cells[32, 30:60].all()


def test_a_single_pixel_is_not_lost():
    mask = torch.zeros(1, 2000, 3000, dtype=torch.bool)
    mask[0, 777, 1234] = True
    logits = mask_to_logits(mask, 256)
    assert torch.argwhere(logits[0] > 0).tolist() == [[777 * 256 // 2000, 1234 * 256 // 3000]]


def test_a_mask_smaller_than_the_grid_is_enlarged():
    mask = torch.tensor([[[1, 0], [0, 0]]], dtype=torch.bool)
    logits = mask_to_logits(mask, 8)[0]
    assert logits[:2, :2].min() > 9
    assert logits[6:].max() < -9.999


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 10**6))
def test_every_mask_touches_only_cells_near_it(height, width, seed):
    torch.manual_seed(seed)
    masks = torch.rand(2, height, width) > 0.9
    before = masks.clone()
    logits = mask_to_logits(masks, 16)
    assert torch.equal(masks, before)
    assert logits.shape == (2, 16, 16)
    assert -10 <= float(logits.min()) <= float(logits.max()) <= 10
    for mask, cells in zip(masks, logits > 0, strict=True):
        assert mask.any() or not cells.any()
        if height >= 16 and width >= 16:
            assert cells.any() or not mask.any()
