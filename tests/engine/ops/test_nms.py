import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine.ops import nms
from region_fields.engine.ops.nms import box_nms, suppress
from torchvision.ops import batched_nms
from torchvision.ops import nms as torchvision_nms


def random_boxes(count: int, seed: int, side: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes on whole pixels, many alike or without area, and scores with many ties."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.randint(0, side, (count, 2), generator=generator)
    extent = torch.randint(0, side, (count, 2), generator=generator)
    boxes = torch.cat([corner, corner + extent], dim=1)
    return boxes, torch.randint(0, 9, (count,), generator=generator) / 8


def expected(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    return batched_nms(boxes.float(), scores, torch.zeros(len(boxes)), threshold)


@given(
    count=st.integers(0, 80),
    seed=st.integers(0, 10**6),
    threshold=st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]),
)
def test_keeps_what_torchvision_keeps_in_its_order(count, seed, threshold):
    boxes, scores = random_boxes(count, seed)
    if count:
        assert torch.equal(box_nms(boxes, scores, threshold), expected(boxes, scores, threshold))
    else:
        assert box_nms(boxes, scores, threshold).shape == (0,)


def test_keeps_what_torchvision_keeps_among_more_boxes_than_a_block_holds():
    boxes, scores = random_boxes(2500, 3, side=400)
    assert len(boxes) > 2 * nms._BLOCK
    assert torch.equal(box_nms(boxes, scores, 0.5), torchvision_nms(boxes.float(), scores, 0.5))


@given(seed=st.integers(0, 10**6), step=st.integers(1, 30))
def test_taking_boxes_in_pieces_keeps_the_same(seed, step):
    boxes, _ = random_boxes(60, seed)
    kept = boxes[:0]
    for piece in boxes.split(step):
        kept = torch.cat([kept, piece[suppress(piece, 0.5, kept)]])
    assert torch.equal(kept, boxes[suppress(boxes, 0.5)])


def test_a_box_falls_only_to_a_kept_box():
    boxes = torch.tensor([[0, 0, 10, 10], [2, 0, 12, 10], [4, 0, 14, 10]])
    assert suppress(boxes, 0.5).tolist() == [True, False, True]


def test_of_equal_scores_the_first_wins():
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 11], [20, 20, 30, 30]])
    assert box_nms(boxes, torch.tensor([0.5, 0.5, 0.9]), 0.5).tolist() == [2, 0]


def test_boxes_without_area_fall_to_nothing():
    boxes = torch.tensor([[3, 3, 3, 9]] * 3)
    assert box_nms(boxes, torch.ones(3), 0.1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("threshold", [1 / 3, 0.5, 0.7])
def test_an_iou_equal_to_the_threshold_is_kept(threshold):
    boxes = torch.tensor([[0, 0, 10, 10], [0, 5, 10, 15]])
    assert torch.equal(
        box_nms(boxes, torch.ones(2), threshold), expected(boxes, torch.ones(2), threshold)
    )
