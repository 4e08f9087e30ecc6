"""Segmentation gives on a GPU what it gives on the CPU; the GPU is pretended."""

from __future__ import annotations

import pytest
import torch
from both_places import assert_same
from pretended_device import PretendedTensor, pretended
from region_fields.engine import (
    Everything,
    Prompt,
    fill_coverage,
    load_sam2,
    segment_everything,
    segment_prompts,
)
from region_fields.engine.sam2.cache import image_key
from region_fields.engine.sam2.model import preprocess
from region_fields.engine.sam2.prompt_forms import ask
from region_fields.engine.sam2.prompts import CHOICES, point_segmenter, predict_prompts

KINDS = ("cuda", "mps")
EASY = {"points_per_side": 4, "pred_iou_thresh": 0.7, "stability_score_thresh": 0.8}
KNOBS = (
    {},
    {"use_m2m": True},
    {"multimask_output": False},
    {"min_mask_region_area": 30, "mask_threshold": 0.5, "box_nms_thresh": 1.0},
)
ONE_PIXEL = 1e-3
"""What one pixel, whose logit rounds to the other side of a threshold, changes in a stability."""


@pytest.fixture(scope="module")
def models(nano):
    """The embedded model by kind of device."""
    found = {"cpu": nano}
    for kind in KINDS:
        with pretended(kind) as place:
            found[kind] = load_sam2("nano", place, torch.float32)
    return found


@pytest.fixture(scope="module")
def embeddings(models, scene):
    """What each of the models sees in the scene."""
    found = {"cpu": models["cpu"].embed(small(scene))}
    for kind in KINDS:
        with pretended(kind) as place:
            found[kind] = models[kind].embed(small(scene).to(place))
    return found


@pytest.fixture(autouse=True)
def _one_thread():
    """A product that torch divides among threads rounds in another way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def image(scene):
    return small(scene)


def small(scene):
    return scene.image[::8, ::8].contiguous()


def masks(size):
    """Two masks (2, H, W): the middle, and the left half."""
    height, width = size
    found = torch.zeros((2, height, width))
    found[0, height // 4 : height // 2, width // 3 : width // 2] = 1
    found[1, :, : width // 2] = 1
    return found


def prompts(put, image):
    height, width = image.shape[:2]
    middle = (width / 2, height / 2)
    return [
        Prompt(points=[middle]),
        Prompt(points=put(torch.tensor([middle, (3.0, 4.0)])), labels=put(torch.tensor([1, 0]))),
        Prompt(box=(width / 4, height / 4, width / 3, height / 3)),
        Prompt(mask=put(masks((height, width))[0])),
        Prompt(
            points=[(5, 5)],
            box=(0, 0, width / 2, height / 2),
            mask=put(masks((height // 2, width // 2))[1]),
        ),
    ]


def kind_of(put):
    """The kind of device that `put` brings to."""
    return put(torch.zeros(1)).device.type


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_everything_is_segmented_on_a_gpu_as_on_the_cpu(models, embeddings, kind, knobs):
    def case(put):
        kind = kind_of(put)
        found = segment_everything(models[kind], embeddings[kind], Everything(**EASY | knobs))
        assert len(found) > 1
        return found

    assert_same(kind, case, tolerance=ONE_PIXEL)


@pytest.mark.parametrize("kind", KINDS)
def test_crops_are_segmented_on_a_gpu_as_on_the_cpu(models, image, kind):
    settings = Everything(**EASY, crop_n_layers=1)

    def case(put):
        found = segment_everything(models[kind_of(put)], put(image), settings)
        assert len(found) > 1
        return found

    assert_same(kind, case, tolerance=ONE_PIXEL)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("choice", CHOICES)
def test_prompts_are_answered_on_a_gpu_as_on_the_cpu(models, embeddings, image, kind, choice):
    def case(put):
        kind, given = kind_of(put), prompts(put, image)
        return segment_prompts(models[kind], embeddings[kind], given, choice, refine=1)

    assert_same(kind, case, tolerance=ONE_PIXEL)


@pytest.mark.parametrize("kind", KINDS)
def test_soft_masks_are_made_on_a_gpu_as_on_the_cpu(models, embeddings, image, kind):
    def case(put):
        kind = kind_of(put)
        found = predict_prompts(models[kind], embeddings[kind], prompts(put, image))
        return found.soft(4), found.logits, found.scores

    assert_same(kind, case, tolerance=ONE_PIXEL)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_and_masks_of_the_cpu_may_be_given_to_a_model_on_a_gpu(models, image, kind):
    def case(put):
        return segment_prompts(models[kind_of(put)], image, prompts(torch.clone, image), refine=1)

    assert_same(kind, case, tolerance=ONE_PIXEL)


@pytest.mark.parametrize("kind", KINDS)
def test_gaps_are_asked_for_on_a_gpu_as_on_the_cpu(models, embeddings, kind):
    def case(put):
        model, embedding = models[kind_of(put)], embeddings[kind_of(put)]
        found = segment_everything(model, embedding, Everything(**EASY))
        return fill_coverage(found, "segment", segmenter=point_segmenter(model, embedding))

    assert_same(kind, case, tolerance=ONE_PIXEL)


@pytest.mark.parametrize("kind", KINDS)
def test_an_embedding_moves_between_devices(models, embeddings, image, kind):
    with pretended(kind) as place:
        away = embeddings["cpu"].to(place)
        assert away.device == place
        back = away.to("cpu")
        assert not isinstance(back.image_embed, PretendedTensor)
        assert models[kind].embed_cached(image).device == place
    assert torch.equal(back.image_embed, embeddings["cpu"].image_embed)


CASES = {
    "an image is prepared": lambda put, image: preprocess(put(image), 256),
    "its key is found": lambda put, image: [image_key(put(image))[1]],
    "masks are read": lambda put, image: [
        one.mask for one in ask(1, masks=put(masks(image.shape[:2])))[0]
    ],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_what_leads_up_to_it_is_the_same(image, kind, name):
    assert_same(kind, lambda put: CASES[name](put, image))
