"""Decoding: every pick equals the sam2 package's own decoder, in pieces as in one."""

import pytest
import torch
from region_fields.engine.sam2 import image_views, point_decoder
from region_fields.engine.sam2.decode import (
    all_four,
    best_candidate,
    decode,
    decoder_for,
    single_mask,
    three_by_size,
)
from region_fields.engine.sam2.point_decoder import PointDecoder

CLOSE = {"rtol": 1e-3, "atol": 1e-4}


@pytest.fixture(scope="module")
def embedding(random_sam2):
    torch.manual_seed(2)
    return random_sam2.embed(torch.rand(64, 96, 3))


@pytest.fixture(scope="module")
def given():
    """Coordinates and labels of six prompts, two points each."""
    torch.manual_seed(4)
    return torch.rand(6, 2, 2) * 64, torch.tensor([[1, 0]] * 6, dtype=torch.int32)


@pytest.fixture(scope="module")
def reference(random_sam2, embedding, given):
    """All four masks and scores of `given` by the network's own MaskDecoder."""
    network = random_sam2.network
    coords = given[0] / torch.tensor([96.0, 64.0]) * random_sam2.image_size
    with torch.no_grad():
        sparse, dense = network.sam_prompt_encoder((coords, given[1]), None, None)
        masks, ious, _, _ = network.sam_mask_decoder.predict_masks(
            embedding.image_embed,
            network.sam_prompt_encoder.get_dense_pe(),
            sparse,
            dense,
            repeat_image=True,
            high_res_features=list(embedding.high_res),
        )
    return masks, ious


def test_all_four_masks_are_the_networks_own(random_sam2, embedding, given, reference):
    logits, ious = decode(random_sam2, embedding, *given)
    torch.testing.assert_close(logits, reference[0], **CLOSE)
    torch.testing.assert_close(ious, reference[1], **CLOSE)


def test_the_best_candidate_has_the_highest_predicted_iou(random_sam2, embedding, given, reference):
    logits, ious = decode(random_sam2, embedding, *given, pick=best_candidate)
    best = reference[1][:, 1:].argmax(1) + 1
    torch.testing.assert_close(logits[:, 0], reference[0][torch.arange(6), best], **CLOSE)
    torch.testing.assert_close(ious[:, 0], reference[1][torch.arange(6), best], **CLOSE)


@pytest.mark.parametrize("threshold", [0.0, 0.9, 0.99, 1.1])
def test_the_single_mask_gives_way_where_the_reference_lets_it(
    random_sam2, embedding, given, reference, monkeypatch, threshold
):
    decoder = random_sam2.network.sam_mask_decoder
    monkeypatch.setattr(decoder, "dynamic_multimask_stability_thresh", threshold)
    masks, scores = decoder._dynamic_multimask_via_stability(*reference)
    logits, ious = decode(random_sam2, embedding, *given, pick=single_mask)
    torch.testing.assert_close(logits, masks, **CLOSE)
    torch.testing.assert_close(ious, scores, **CLOSE)


def test_candidates_by_size_rise_in_area(random_sam2, embedding, given):
    logits, ious = decode(random_sam2, embedding, *given, pick=three_by_size)
    areas = (logits > 0).sum((2, 3))
    assert (areas.diff(dim=1) >= 0).all()
    every, scores = decode(random_sam2, embedding, *given, pick=all_four)
    torch.testing.assert_close(ious.sort(dim=1)[0], scores[:, 1:].sort(dim=1)[0])
    torch.testing.assert_close(logits.sum(1), every[:, 1:].sum(1), **CLOSE)


@pytest.mark.parametrize("few", [0, 1 << 20], ids=["grown", "own"])
def test_every_view_of_the_image_gives_the_networks_own_masks(
    random_sam2, embedding, given, reference, monkeypatch, few
):
    monkeypatch.setattr(image_views, "_FEW", few)
    decoder, made = PointDecoder(random_sam2, embedding), []
    write = image_views.Plain.write

    def spy(*args):
        made.append(write(*args))
        return made[-1]

    monkeypatch.setattr(image_views.Plain, "write", spy)
    tokens = random_sam2.network.sam_prompt_encoder(
        (given[0] / torch.tensor([96.0, 64.0]) * random_sam2.image_size, given[1]), None, None
    )[0]
    with torch.no_grad():
        attended = decoder.attend(tokens)
        logits = decoder.logits(attended, torch.ones((6, 4), dtype=torch.bool))
    assert {type(view).__name__ for view in made} == {"Own" if few else "Grown"}
    torch.testing.assert_close(logits, reference[0].flatten(0, 1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(decoder.ious(attended), reference[1], rtol=1e-4, atol=1e-5)


def test_pieces_give_what_one_pass_gives(random_sam2, embedding, given, monkeypatch):
    side = random_sam2.image_size // 4
    masks = torch.randn(6, side, side)
    at_once = decode(random_sam2, embedding, *given, masks)
    monkeypatch.setattr(point_decoder, "_CPU_BYTES", 1)
    one_by_one = decode(random_sam2, embedding, *given, masks)
    for a, b in zip(at_once, one_by_one, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


def test_the_decoder_is_kept_until_another_embedding_comes(random_sam2, embedding):
    first = decoder_for(random_sam2, embedding)
    assert decoder_for(random_sam2, embedding) is first
    other = random_sam2.embed(torch.rand(30, 30, 3))
    assert decoder_for(random_sam2, other) is not first
    assert decoder_for(random_sam2, embedding) is not first


def test_neither_tokens_nor_masks_is_a_mistake_of_ours(random_sam2, embedding):
    nothing = torch.zeros(1, 0, 2), torch.zeros(1, 0, dtype=torch.int32)
    with pytest.raises(ValueError, match="wanted tokens or masks"):
        decode(random_sam2, embedding, *nothing)
