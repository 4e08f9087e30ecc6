"""SEGS as Impact Pack's nodes read and write them."""

import pickle
from collections import namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine import InputError, Regions
from region_fields.engine.segs import from_segs, to_segs

IMPACT_FIELDS = (
    "cropped_image",
    "cropped_mask",
    "confidence",
    "crop_region",
    "bbox",
    "label",
    "control_net_wrapper",
)
stacks = hnp.arrays(bool, st.tuples(st.integers(0, 4), st.integers(1, 6), st.integers(1, 20)))


def combined(segs) -> np.ndarray:
    """Do with SEGS what a consumer does: OR the 8-bit masks into their crop regions."""
    canvas = np.zeros(segs[0], np.uint8)
    for seg in segs[1]:
        x0, y0, x1, y1 = seg.crop_region
        canvas[y0:y1, x0:x1] |= (seg.cropped_mask * 255).astype(np.uint8)
    return canvas


@given(stack=stacks, factor=st.sampled_from([1, 1.5, 3]))
def test_consumers_see_the_union_and_reading_gives_the_regions_back(stack, factor):
    names = [f"thing {i}" for i in range(len(stack))]
    scores = [0.5 + i / 16 for i in range(len(stack))]
    regions = Regions.from_masks(torch.from_numpy(stack), scores, names)
    segs = to_segs(regions, crop_factor=factor)
    np.testing.assert_array_equal(combined(segs), regions.union().numpy() * np.uint8(255))
    assert from_segs(segs).equals(regions)


def test_a_seg_has_impacts_fields_in_impacts_order():
    masks = torch.zeros((1, 10, 12), dtype=torch.bool)
    masks[0, 4:6, 5:9] = True
    image = torch.rand(10, 12, 3)
    size, (seg,) = to_segs(Regions.from_masks(masks, [0.5], ["cup"]), image, crop_factor=2)
    assert size == (10, 12)
    assert seg._fields == IMPACT_FIELDS
    assert seg.bbox == (5, 4, 9, 6)
    assert seg.crop_region == (3, 3, 11, 7)
    assert torch.equal(seg.cropped_image, image[None, 3:7, 3:11])
    assert seg.cropped_mask.shape == (4, 8)
    assert seg.cropped_mask.dtype == np.float32
    assert (seg.confidence, seg.label, seg.control_net_wrapper) == (0.5, "cup", None)


def test_a_seg_is_a_tuple_like_any_whose_mask_is_made_when_asked_for():
    mask = torch.tensor([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0]]) > 0
    regions = Regions.from_masks(mask, [0.5], ["cup"])
    _, (seg,) = to_segs(regions)
    wanted = [[1, 1], [1, 0]]
    held = tuple.__getitem__(seg, 1)
    assert held.packed.untyped_storage().data_ptr() == regions.packed.untyped_storage().data_ptr()
    image, unpacked, *_ = seg
    assert image is None
    impacts = namedtuple("SEG", IMPACT_FIELDS, defaults=[None])
    for one in (seg[1], seg[:2][1], unpacked, list(seg)[1], impacts(*seg).cropped_mask):
        assert one.tolist() == wanted
    assert isinstance(seg, tuple)
    assert len(seg) == len(IMPACT_FIELDS)
    renamed = seg._replace(label="bowl")
    assert renamed.label == "bowl"
    assert tuple.__getitem__(renamed, 1) is held
    seg.cropped_mask[:] = 0
    assert pickle.loads(pickle.dumps(renamed)).cropped_mask.tolist() == wanted
    other = seg._replace(cropped_mask=np.zeros((2, 2), np.float32))
    assert other.cropped_mask.tolist() == [[0, 0], [0, 0]]


def test_segs_of_other_packs_are_read():
    foreign = namedtuple("SEG", IMPACT_FIELDS, defaults=[None])
    reaching_out = foreign(
        None, np.ones((4, 4), np.uint8), np.array([0.5]), [-2, -2, 2, 2], None, None
    )
    small_mask = foreign(None, torch.ones(1, 2, 2), 0.75, (2, 1, 6, 5), None, "b")
    regions = from_segs(((5, 6), [reaching_out, small_mask]))
    assert regions.boxes.tolist() == [[2, 1, 6, 5], [0, 0, 2, 2]]
    assert regions.areas.tolist() == [16, 4]
    assert regions.scores.tolist() == [0.75, 0.5]
    assert regions.labels == ("b", "")


@pytest.mark.parametrize("wrong", [None, 3, ((4, 4), [1]), ((4, 4),), ((4, "x"), [])])
def test_other_data_is_refused(wrong):
    with pytest.raises(InputError, match="SEGS"):
        from_segs(wrong)


def test_an_image_of_another_size_or_a_small_crop_factor_is_refused():
    regions = Regions.from_masks(torch.ones(4, 4))
    with pytest.raises(InputError, match="Use the image that was segmented"):
        to_segs(regions, torch.zeros(5, 5, 3))
    with pytest.raises(InputError, match="at least 1"):
        to_segs(regions, crop_factor=0.5)


def test_a_mask_of_several_frames_counts_as_their_union_and_alpha_is_left_out():
    seg = namedtuple("SEG", IMPACT_FIELDS, defaults=[None])
    frames = np.zeros((2, 2, 3), np.float32)
    frames[0, 0, 0] = frames[1, 1, 2] = 1
    regions = from_segs(((4, 5), [seg(None, frames, 1.0, (1, 1, 4, 3), None, "")]))
    assert regions.masks[0].nonzero().tolist() == [[1, 1], [2, 3]]
    _, (sent,) = to_segs(regions, torch.rand(4, 5, 4))
    assert sent.cropped_image.shape == (1, 2, 3, 3)
