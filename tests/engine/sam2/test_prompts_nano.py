"""The embedded model on real pictures: the reference predictor's masks, and sensible ones."""

import numpy as np
import pytest
import torch
from PIL import Image
from region_fields.engine import Prompt, Sam2, segment_prompts
from region_fields.engine.ops.mask_prompt import mask_to_logits
from region_fields.engine.sam2.prompts import predict_prompts


def kinds(size: tuple[int, int]) -> list[Prompt]:
    """A prompt of every kind, alone and mixed, about the middle of an image of `size`."""
    h, w = size
    box = [w * 0.25, h * 0.3, w * 0.4, h * 0.45]
    mask = torch.zeros(size, dtype=torch.bool)
    mask[int(h * 0.35) : int(h * 0.7), int(w * 0.3) : int(w * 0.6)] = True
    click, other = [w * 0.45, h * 0.5], [w * 0.1, h * 0.1]
    return [
        Prompt([click]),
        Prompt([click, [w * 0.4, h * 0.6], other], [1, 1, 0]),
        Prompt(box=box),
        Prompt([other], [0], box=box),
        Prompt([click], [1], box=box),
        Prompt(mask=mask),
        Prompt([click, other], [1, 0], mask=mask),
        Prompt([click], box=box, mask=mask),
    ]


def reference_masks(predictor, prompts: list[Prompt], grid: int) -> list[torch.Tensor]:
    found = []
    for prompt in prompts:
        given = {}
        if prompt.points:
            given["point_coords"] = np.array(prompt.points)
            given["point_labels"] = np.array(prompt.labels)
        if prompt.box is not None:
            x, y, w, h = prompt.box
            given["box"] = np.array([x, y, x + w, y + h])
        if prompt.mask is not None:
            given["mask_input"] = mask_to_logits(prompt.mask[None], grid).numpy()
        masks, scores, _ = predictor.predict(**given, multimask_output=prompt.count <= 1)
        found.append(torch.from_numpy(masks[scores.argmax()] > 0))
    return found


def check_equal(model, image: torch.Tensor, reference_predictor) -> None:
    prompts = kinds((image.shape[0], image.shape[1]))
    expected = reference_masks(reference_predictor(model, image), prompts, model.image_size // 4)
    regions = segment_prompts(model, model.embed(image), prompts)
    place = {id_: i for i, id_ in enumerate(regions.ids.tolist())}
    for i, wanted in enumerate(expected):
        mask = regions.masks[place[i]] if i in place else torch.zeros_like(wanted)
        either = int((mask | wanted).sum())
        assert either == 0 or int((mask & wanted).sum()) / either >= 0.999
        assert (i in place) == bool(wanted.any())


@pytest.mark.parametrize("name", ["truck.jpg", "groceries.jpg"])
def test_every_kind_of_prompt_on_a_photo_gives_the_references_mask(
    nano, reference_predictor, photos, name
):
    with Image.open(photos / name) as picture:
        picture.thumbnail((900, 900))
        image = torch.from_numpy(np.asarray(picture.convert("RGB"), np.float32) / 255)
    check_equal(nano, image, reference_predictor)


def test_every_kind_of_prompt_on_the_still_life_gives_the_references_mask(
    nano, reference_predictor, scene
):
    check_equal(nano, scene.image, reference_predictor)


def box_of(mask: torch.Tensor) -> list[float]:
    """The tightest box around a mask, as x, y, width, height."""
    rows, columns = torch.where(mask.any(1))[0], torch.where(mask.any(0))[0]
    x, y = float(columns[0]), float(rows[0])
    return [x, y, float(columns[-1]) + 1 - x, float(rows[-1]) + 1 - y]


@pytest.mark.parametrize("reach", [0.0, 0.2])
def test_a_box_around_the_subject_finds_it(nano, scene, reach):
    truth = scene.mask(scene.subject)
    box = box_of(truth)
    grown = [box[0] - reach * 50, box[1] - reach * 50, box[2] + reach * 100, box[3] + reach * 100]
    found = predict_prompts(nano, scene.image, [Prompt(box=grown)]).soft(0.0)[0] > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.7


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_gives_nearly_the_same_masks(nano, scene, precision):
    half = Sam2(nano.network, nano.architecture, precision=precision)
    prompts = [Prompt(box=box_of(scene.mask(name))) for name in scene.things]
    exact = predict_prompts(nano, scene.image, prompts).soft(0.0) > 0.5
    rough = predict_prompts(half, scene.image, prompts).soft(0.0) > 0.5
    assert not torch.equal(exact, rough)
    for a, b in zip(exact, rough, strict=True):
        assert (a & b).sum() / (a | b).sum() > 0.95


def test_results_made_under_inference_mode_serve_outside_it(nano, scene):
    prompt = Prompt([[480, 320]])
    with torch.inference_mode():
        embedding = nano.embed(scene.image)
        inside = segment_prompts(nano, embedding, [prompt], refine=1)
    outside = segment_prompts(nano, embedding, [prompt], refine=1)
    assert inside.equals(outside)
