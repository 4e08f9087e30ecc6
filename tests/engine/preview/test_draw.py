from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine import InputError, Regions
from region_fields.engine.ops.palette import distinct_colours, heat_colours
from region_fields.engine.preview import (
    colour_labels,
    contact_sheet,
    draw_field,
    draw_regions,
    strengths_at,
    topmost,
)
from skimage.segmentation import find_boundaries

GREY = torch.full((40, 60, 3), 0.5)


def _two() -> Regions:
    """A large region, id 0, and a small one on top of it, id 1."""
    masks = torch.zeros(2, 40, 60, dtype=torch.bool)
    masks[0, 2:38, 2:50] = True
    masks[1, 10:30, 20:40] = True
    return Regions.from_masks(masks, labels=["table", "cup"])


def test_paint_has_the_colour_of_the_id_and_the_smallest_region_is_on_top():
    drawn = draw_regions(GREY, _two(), opacity=1, outlines=False)
    colours = distinct_colours(torch.arange(2))
    assert torch.equal(drawn[5, 5], colours[0])
    assert torch.equal(drawn[20, 30], colours[1])
    assert torch.equal(drawn[0, 0], GREY[0, 0])


def test_a_selected_region_keeps_its_colour():
    alone = draw_regions(GREY, _two().take([1]), opacity=1)
    assert torch.equal(alone[20, 30], distinct_colours(torch.tensor(1)))


def test_opacity_mixes_paint_and_picture():
    drawn = draw_regions(GREY, _two(), opacity=0.25, outlines=False)
    wanted = 0.75 * GREY[5, 5] + 0.25 * distinct_colours(torch.tensor(0))
    torch.testing.assert_close(drawn[5, 5], wanted)


def test_outlines_are_the_inner_boundary_of_each_region():
    mask = torch.zeros(40, 60, dtype=torch.bool)
    mask[8:31, 11:47] = True
    mask[10:14, 11:30] = False
    drawn = draw_regions(GREY, Regions.from_masks(mask), opacity=0)
    changed = (drawn != GREY).any(-1).numpy()
    wanted = find_boundaries(mask.numpy(), connectivity=2, mode="inner")
    assert np.array_equal(changed, wanted)


def test_a_region_that_fills_the_image_is_outlined_along_its_border():
    drawn = draw_regions(GREY, Regions.from_masks(torch.ones(40, 60)), opacity=0)
    changed = (drawn != GREY).any(-1)
    assert changed[0].all()
    assert changed[:, -1].all()
    assert not changed[1:-1, 1:-1].any()


@given(st.permutations(range(6)), st.integers(0, 99))
def test_the_picture_does_not_depend_on_the_order_of_the_masks(order, seed):
    masks = torch.rand(6, 17, 23, generator=torch.Generator().manual_seed(seed)) > 0.7
    image = torch.rand(17, 23, 3, generator=torch.Generator().manual_seed(1))
    first = draw_regions(image, Regions.from_masks(masks), ids=True)
    assert torch.equal(first, draw_regions(image, Regions.from_masks(masks[list(order)]), ids=True))


def test_topmost_is_the_smallest_of_the_regions_at_a_pixel():
    top = topmost(_two())
    assert top[0, 0] == -1
    assert top[5, 5] == 0
    assert top[20, 30] == 1


def test_only_uncovered_marks_exactly_the_pixels_in_no_region():
    regions = _two()
    drawn = draw_regions(GREY, regions, only_uncovered=True)
    assert torch.equal((drawn != GREY).any(-1), ~regions.union())


def test_ids_and_labels_are_written_inside_their_region():
    plain = draw_regions(GREY, _two(), opacity=0.5)
    for written in ("ids", "labels"):
        changed = (draw_regions(GREY, _two(), opacity=0.5, **{written: True}) != plain).any(-1)
        assert changed.any(), written
        assert not changed[:, 52:].any(), written


def test_a_word_stands_on_the_part_of_its_region_that_shows():
    masks = torch.zeros(2, 60, 120, dtype=torch.bool)
    masks[0] = True
    masks[1, 10:50, 30:110] = True
    image = torch.full((60, 120, 3), 0.5)
    regions = Regions.from_masks(masks)
    changed = draw_regions(image, regions, ids=True) != draw_regions(image, regions)
    assert changed[:, :30].any(), "the number of the one beneath"
    assert changed[:, 50:90].any(), "the number of the one on top"


def test_a_region_without_a_name_gets_no_label():
    unnamed = Regions.from_masks(_two().masks)
    assert torch.equal(draw_regions(GREY, unnamed, labels=True), draw_regions(GREY, unnamed))


def test_no_regions_leave_the_picture_as_it_is():
    assert torch.equal(draw_regions(GREY, Regions.empty((40, 60)), ids=True), GREY)


def test_the_alpha_channel_is_left_out_and_inputs_are_not_written_into():
    image = torch.rand(40, 60, 4)
    before = image.clone()
    assert draw_regions(image, _two(), ids=True).shape == (40, 60, 3)
    draw_field(image[..., 0], image, contours=4, zebra=True)
    assert torch.equal(image, before)


@pytest.mark.parametrize("opacity", [-0.1, 1.5])
def test_an_opacity_outside_zero_to_one_is_refused(opacity):
    with pytest.raises(InputError, match="opacity"):
        draw_regions(GREY, _two(), opacity=opacity)
    with pytest.raises(InputError, match="opacity"):
        draw_field(torch.zeros(4, 4), opacity=opacity)


def test_another_size_is_refused_and_both_sizes_are_named():
    with pytest.raises(InputError, match=r"30 x 20 .* 60 x 40"):
        draw_regions(torch.zeros(20, 30, 3), _two())
    with pytest.raises(InputError, match=r"60 x 40 .* 30 x 20"):
        draw_field(torch.zeros(20, 30), GREY)


def test_a_label_map_is_coloured_by_id_and_dark_where_there_is_none():
    drawn = colour_labels(torch.tensor([[-1, 0], [3, 0]]))
    assert torch.equal(drawn[1, 0], distinct_colours(torch.tensor(3)))
    assert torch.equal(drawn[0, 1], drawn[1, 1])
    assert drawn[0, 0].max() < 0.2
    with pytest.raises(InputError, match="integers"):
        colour_labels(torch.zeros(2, 2))


def test_a_field_is_drawn_in_heat_colours():
    field = torch.linspace(0, 1, 256)[None].repeat(3, 1)
    torch.testing.assert_close(draw_field(field)[0], heat_colours(field[0]))


def test_over_an_image_the_heat_map_is_mixed_by_opacity():
    field = torch.rand(40, 60)
    wanted = 0.6 * GREY + 0.4 * draw_field(field)
    torch.testing.assert_close(draw_field(field, GREY, opacity=0.4), wanted)


def test_contours_run_where_the_field_crosses_even_strengths():
    field = torch.linspace(0, 1, 101)[None].repeat(4, 1)
    changed = (draw_field(field, contours=3) != draw_field(field)).any(-1)[0]
    assert changed.nonzero().squeeze(-1).tolist() == [25, 50, 75]


def test_zebra_marks_exactly_the_parts_that_are_cut_off():
    field = torch.linspace(-0.5, 1.5, 60)[None].repeat(40, 1)
    changed = (draw_field(field, zebra=True) != draw_field(field)).any(-1)
    assert torch.equal(changed, (field <= 0) | (field >= 1))


def test_a_probe_is_marked_where_it_is_and_tells_the_strength_there():
    field = torch.linspace(0, 1, 101)[None].repeat(60, 1)
    changed = (draw_field(field, probes=[(25, 40)]) != draw_field(field)).any(-1)
    y, x = changed.nonzero().unbind(1)
    assert abs(float(x.double().mean()) - 25) < 2
    assert int(y.max()) < 48
    assert strengths_at(field, [(25, 40), (99.6, 0)]) == [0.25, 1.0]
    with pytest.raises(InputError, match="101, 0 is outside"):
        draw_field(field, probes=[(101, 0)])


@pytest.mark.parametrize("y", [0, 4, 10, 17, 18, 30, 59])
def test_what_a_probe_tells_stays_off_its_ring(y):
    field = torch.full((60, 101), 0.25)
    changed = (draw_field(field, probes=[(50, y)]) != draw_field(field)).any(-1)
    assert not changed[y, 50], "the word covers the point"


def test_a_field_that_is_no_float_plane_is_refused():
    with pytest.raises(InputError, match="field of floats"):
        draw_field(torch.zeros(2, 4, 4))
    with pytest.raises(InputError, match="contours"):
        draw_field(torch.zeros(4, 4), contours=-1)


def test_a_contact_sheet_holds_every_picture_at_its_width():
    colours = [torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0]), torch.tensor([0, 0, 1.0])]
    pictures = [("", colour.expand(20, 40, 3)) for colour in colours]
    sheet = contact_sheet(pictures, columns=2, width=80)
    for colour in colours:
        assert int((sheet == colour).all(-1).sum()) == 80 * 40
    assert sheet.shape[1] < 80 * 2 + 40


def test_a_contact_sheet_of_nothing_is_refused():
    with pytest.raises(InputError, match="wanted a picture"):
        contact_sheet([])
