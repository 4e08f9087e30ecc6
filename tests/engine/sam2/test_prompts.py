"""Prompted masks: the reference predictor's for every kind of prompt, alone and mixed."""

from itertools import permutations
from threading import enumerate as enumerate_threads
from threading import get_ident

import numpy as np
import pytest
import torch
from region_fields.engine import InputError, Prompt, segment_prompts
from region_fields.engine.ops.mask_prompt import mask_to_logits
from region_fields.engine.sam2 import decode as decode_module
from region_fields.engine.sam2 import prompts as module
from region_fields.engine.sam2.prompts import predict_prompts

SIZE = (120, 160)


def drawing() -> torch.Tensor:
    """A disc and a bar on a gradient, float (H, W, 3) that fits eight bits."""
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    image = torch.stack([x / 320, y / 240, 0.3 + 0 * x], dim=-1)
    image[(x - 50) ** 2 + (y - 60) ** 2 < 900] = torch.tensor([0.9, 0.2, 0.1])
    image[20:100, 110:140] = torch.tensor([0.1, 0.7, 0.9])
    return (image * 255).round() / 255


def guess() -> torch.Tensor:
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[40:90, 30:70] = True
    return mask


KINDS = {
    "a click": {"points": [[50, 60]]},
    "a click on the last pixel": {"points": [[159, 119]]},
    "a click to exclude": {"points": [[50, 60]], "labels": [0]},
    "two clicks": {"points": [[50, 60], [125, 60]], "labels": [1, 0]},
    "many clicks": {"points": [[x, 60] for x in range(20, 80, 7)]},
    "a box": {"box": [20, 30, 60.5, 60.25]},
    "a box and a click": {"box": [20, 30, 60, 60], "points": [[30, 35]], "labels": [0]},
    "a mask": {"mask": guess()},
    "a mask and a click": {"mask": guess(), "points": [[50, 60]]},
    "a mask and a box": {"mask": guess(), "box": [20, 30, 60, 60]},
    "all of them": {
        "mask": guess(),
        "box": [20, 30, 60, 60],
        "points": [[50, 60], [25, 35]],
        "labels": [1, 0],
    },
}


def arguments(prompt: Prompt, grid: int) -> dict[str, np.ndarray]:
    """The prompt as SAM2ImagePredictor.predict takes it."""
    given = {}
    if prompt.points:
        given |= {"point_coords": np.array(prompt.points), "point_labels": np.array(prompt.labels)}
    if prompt.box is not None:
        x, y, w, h = prompt.box
        given["box"] = np.array([x, y, x + w, y + h])
    if prompt.mask is not None:
        given["mask_input"] = mask_to_logits(prompt.mask[None], grid).numpy()
    return given


MIXED = ["a click", "a box", "a box and a click", "a mask", "a mask and a click", "all of them"]


def iou(a: torch.Tensor, b: torch.Tensor) -> float:
    either = (a | b).sum()
    return float((a & b).sum() / either) if either else 1.0


def region_of(regions, identity: int) -> torch.Tensor:
    """The mask of the region with that id, all False where it was empty."""
    masks = regions.masks[regions.ids == identity]
    return masks[0] if len(masks) else torch.zeros(regions.size, dtype=torch.bool)


@pytest.fixture(scope="module")
def embedding(random_sam2):
    return random_sam2.embed(drawing())


@pytest.fixture(scope="module")
def predictor(random_sam2, reference_predictor):
    return reference_predictor(random_sam2, drawing())


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_mask_is_the_reference_predictors(random_sam2, embedding, predictor, kind):
    prompt = Prompt(**KINDS[kind])
    masks, scores, low = predictor.predict(
        **arguments(prompt, random_sam2.image_size // 4), multimask_output=prompt.count <= 1
    )
    best = scores.argmax()
    found = predict_prompts(random_sam2, embedding, [prompt])
    torch.testing.assert_close(found.logits[0].clamp(-32, 32), torch.from_numpy(low[best]))
    assert float(found.scores[0]) == pytest.approx(scores[best], abs=1e-5)
    assert iou(region_of(found.regions(), 0), torch.from_numpy(masks[best] > 0)) > 0.999


def test_prompts_of_every_kind_at_once_give_what_each_gives_alone(random_sam2, embedding):
    prompts = [Prompt(**kind) for kind in KINDS.values()]
    together = predict_prompts(random_sam2, embedding, prompts)
    for i, prompt in enumerate(prompts):
        alone = predict_prompts(random_sam2, embedding, [prompt])
        torch.testing.assert_close(together.logits[i], alone.logits[0], rtol=1e-4, atol=1e-5)
        assert float(together.scores[i]) == pytest.approx(float(alone.scores[0]), abs=1e-5)


def test_a_hundred_boxes_take_one_call_and_equal_the_references_batch(
    random_sam2, embedding, predictor, monkeypatch
):
    x, y = torch.meshgrid(torch.arange(10) * 14.0, torch.arange(10) * 10.0, indexing="ij")
    boxes = torch.stack([x.flatten(), y.flatten(), x.flatten() + 18, y.flatten() + 22], dim=1)
    masks, scores, _ = predictor.predict(box=boxes.numpy(), multimask_output=False)
    calls = []
    monkeypatch.setattr(
        module, "decode", lambda *a, real=module.decode: calls.append(1) or real(*a)
    )
    prompts = [Prompt(box=[b[0], b[1], b[2] - b[0], b[3] - b[1]]) for b in boxes.tolist()]
    regions = segment_prompts(random_sam2, embedding, prompts)
    assert len(calls) == 1
    for i in range(100):
        assert iou(region_of(regions, i), torch.from_numpy(masks[i, 0] > 0)) > 0.99
        score = regions.scores[regions.ids == i]
        assert score.tolist() == pytest.approx(scores[i].tolist() * len(score), abs=1e-5)


def test_the_order_of_prompts_moves_only_their_ids(random_sam2, embedding):
    prompts = [Prompt(**KINDS[k]) for k in ("a click", "a box", "a mask")]
    expected = segment_prompts(random_sam2, embedding, prompts)
    for order in permutations(range(3)):
        regions = segment_prompts(random_sam2, embedding, [prompts[i] for i in order])
        for place, i in enumerate(order):
            assert torch.equal(region_of(regions, place), region_of(expected, i))


def test_an_image_and_its_embedding_give_the_same_regions(random_sam2, embedding):
    prompts = [Prompt(points=[[50, 60]])]
    from_image = segment_prompts(random_sam2, drawing(), prompts)
    assert from_image.equals(segment_prompts(random_sam2, embedding, prompts))


@pytest.mark.parametrize("kind", MIXED)
def test_part_object_and_whole_are_the_three_candidates_by_size(
    random_sam2, embedding, predictor, kind
):
    prompt = Prompt(**KINDS[kind])
    masks, scores, low = predictor.predict(
        **arguments(prompt, random_sam2.image_size // 4), multimask_output=True
    )
    order = (low > 0).sum(axis=(1, 2)).argsort(kind="stable")
    every = predict_prompts(random_sam2, embedding, [prompt], "all")
    assert every.ids == (0, 1, 2)
    for place, choice in enumerate(("part", "object", "whole")):
        found = predict_prompts(random_sam2, embedding, [prompt], choice)
        assert torch.equal(found.logits[0], every.logits[place])
        assert float(found.scores[0]) == pytest.approx(scores[order[place]], abs=1e-5)
        mask = torch.from_numpy(masks[order[place]] > 0)
        assert iou(region_of(found.regions(), 0), mask) > 0.999


def test_all_numbers_the_candidates_of_the_second_prompt_from_three(random_sam2, embedding):
    prompts = [Prompt(points=[[50, 60]]), Prompt(box=[20, 30, 60, 60])]
    every = predict_prompts(random_sam2, embedding, prompts, "all")
    whole = predict_prompts(random_sam2, embedding, prompts, "whole")
    assert every.ids == (0, 1, 2, 3, 4, 5)
    torch.testing.assert_close(every.logits[[2, 5]], whole.logits)


def test_an_unstable_single_mask_gives_way_to_the_best_candidate(
    random_sam2, embedding, predictor, monkeypatch
):
    prompt = Prompt(**KINDS["two clicks"])
    decoder = random_sam2.network.sam_mask_decoder
    answers = []
    for threshold in (0.0, 1.1):
        monkeypatch.setattr(decoder, "dynamic_multimask_stability_thresh", threshold)
        _, scores, low = predictor.predict(
            **arguments(prompt, random_sam2.image_size // 4), multimask_output=False
        )
        found = predict_prompts(random_sam2, embedding, [prompt])
        torch.testing.assert_close(found.logits[0].clamp(-32, 32), torch.from_numpy(low[0]))
        answers.append(float(scores[0]))
    assert answers[0] != answers[1]


@pytest.mark.parametrize("kind", MIXED)
def test_refining_feeds_back_logits_and_keeps_the_prompt(random_sam2, embedding, predictor, kind):
    prompt = Prompt(**KINDS[kind])
    given = arguments(prompt, random_sam2.image_size // 4)
    _, scores, low = predictor.predict(**given, multimask_output=prompt.count <= 1)
    fed = low[scores.argmax()][None]
    for passes in (1, 2):
        _, _, low = predictor.predict(**(given | {"mask_input": fed}), multimask_output=False)
        fed = low
        found = predict_prompts(random_sam2, embedding, [prompt], refine=passes)
        torch.testing.assert_close(
            found.logits[0].clamp(-32, 32), torch.from_numpy(low[0]), rtol=1e-3, atol=1e-4
        )


def test_refining_never_encodes_again(random_sam2, monkeypatch):
    calls = []
    encode = random_sam2.network.forward_image
    monkeypatch.setattr(
        random_sam2.network, "forward_image", lambda x: calls.append(1) or encode(x)
    )
    segment_prompts(random_sam2, drawing(), [Prompt(points=[[50, 60]])] * 3, refine=3)
    assert len(calls) == 1


@pytest.mark.parametrize("choice", ["part", "object", "whole", "all"])
def test_a_refined_candidate_stays_the_one_that_was_chosen(random_sam2, embedding, choice):
    prompt = Prompt(points=[[50, 60]])
    once = predict_prompts(random_sam2, embedding, [prompt], choice)
    again = predict_prompts(random_sam2, embedding, [prompt], choice, refine=1)
    assert again.ids == once.ids
    fed = once.logits.clamp(-32, 32)
    for i in range(len(again.logits)):
        decoded = module.decode(
            random_sam2,
            embedding,
            torch.tensor([[[50.0, 60.0]]]),
            torch.tensor([[1]], dtype=torch.int32),
            fed[i : i + 1],
        )
        overlaps = [iou(mask > 0, fed[i] > 0) for mask in decoded[0][0]]
        assert iou(again.logits[i] > 0, fed[i] > 0) == pytest.approx(max(overlaps), abs=1e-3)


def test_no_prompts_give_no_regions(random_sam2, embedding):
    regions = segment_prompts(random_sam2, embedding, [])
    assert len(regions) == 0
    assert regions.size == SIZE


def test_soft_masks_are_above_half_exactly_where_the_regions_are(random_sam2, embedding):
    found = predict_prompts(random_sam2, embedding, [Prompt(**k) for k in KINDS.values()])
    regions = found.regions()
    for feather in (0.0, 1.0, 8.0):
        soft = found.soft(feather)
        assert soft.shape == (len(KINDS), *SIZE)
        assert 0 <= float(soft.min()) <= float(soft.max()) <= 1
        for i in range(len(KINDS)):
            assert iou(soft[i] > 0.5, region_of(regions, i)) > 0.999


def test_prompts_and_images_are_not_modified(random_sam2):
    image, mask, points = drawing(), guess(), torch.tensor([[50.0, 60.0]])
    before = image.clone(), mask.clone(), points.clone()
    segment_prompts(random_sam2, image, [Prompt(points=points, mask=mask)], refine=1)
    for after, original in zip((image, mask, points), before, strict=True):
        assert torch.equal(after, original)


def test_a_mask_of_another_size_is_resized(random_sam2, embedding):
    small = guess()[::2, ::2]
    large = small.repeat_interleave(2, 0).repeat_interleave(2, 1)
    a, b = (segment_prompts(random_sam2, embedding, [Prompt(mask=m)]) for m in (small, large))
    assert iou(region_of(a, 0), region_of(b, 0)) > 0.95


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (
            {"points": [[160, 5]]},
            r"^the point \(160, 5\) of prompt 1 lies outside the image.*160 wide",
        ),
        ({"points": [[5, -1]]}, r"^the point \(5, -1\) of prompt 1 lies outside"),
        ({"box": [200, 10, 20, 20]}, r"^the box of prompt 1, \[200, 10, 20, 20\], lies outside"),
        ({"mask": torch.ones(90, 30)}, r"^the mask of prompt 1 of 30 x 90 pixels doesn't have"),
    ],
)
def test_what_does_not_fit_the_image_is_named(random_sam2, embedding, prompt, said):
    with pytest.raises(InputError, match=said):
        segment_prompts(random_sam2, embedding, [Prompt(points=[[5, 5]]), Prompt(**prompt)])


@pytest.mark.parametrize(("option", "value"), [("choice", "largest"), ("refine", -1)])
def test_an_unknown_option_is_refused(random_sam2, embedding, option, value):
    with pytest.raises(InputError, match=f"got .?{value}"):
        segment_prompts(random_sam2, embedding, [Prompt(points=[[5, 5]])], **{option: value})


def test_a_negative_feather_is_refused(random_sam2, embedding):
    with pytest.raises(InputError, match="feather: wanted 0 or more pixels, got -1"):
        predict_prompts(random_sam2, embedding, [Prompt(points=[[5, 5]])]).soft(-1.0)


@pytest.fixture
def small_pieces(monkeypatch) -> None:
    """Pieces of so few prompts and masks that several threads have work."""
    monkeypatch.setattr(decode_module, "_FEWEST_ON_CPU", 2)
    monkeypatch.setattr(module, "_PIXELS_AT_ONCE", 3 * SIZE[0] * SIZE[1])


def crowd() -> list[Prompt]:
    """More prompts of several kinds than one thread takes at once."""
    boxes = [Prompt(box=[7 * i, 5 * i, 40, 30]) for i in range(9)]
    clicks = [Prompt(points=[[9 * i + 4, 60]]) for i in range(7)]
    masks = [Prompt(mask=guess().roll(3 * i, 1), points=[[50, 60]]) for i in range(5)]
    return [*boxes, *clicks, *masks]


@pytest.mark.parametrize(("choice", "refine"), [("best", 0), ("best", 1), ("all", 1)])
def test_the_number_of_threads_changes_no_bit(
    random_sam2, embedding, threads, small_pieces, choice, refine
):
    def run():
        random_sam2.last_decoder = None
        found = predict_prompts(random_sam2, embedding, crowd(), choice, refine)
        return found, found.regions()

    threads(1)
    alone, regions = run()
    for count in (2, 3):
        threads(count)
        found, at_size = run()
        assert torch.equal(found.logits, alone.logits)
        assert torch.equal(found.scores, alone.scores)
        assert at_size.equals(regions)
        assert torch.get_num_threads() == count


@pytest.mark.parametrize("count", [1, 2])
def test_progress_goes_up_to_the_whole_and_may_interrupt(
    random_sam2, embedding, threads, small_pieces, count
):
    threads(count)
    shares, stop_at, here = [], None, get_ident()

    def progress(done, total):
        assert get_ident() == here
        shares.append(done / total)
        if stop_at is not None and shares[-1] >= stop_at:
            raise KeyboardInterrupt

    expected = segment_prompts(random_sam2, embedding, crowd(), refine=1, progress=progress)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(set(shares)) > 10
    for stop_at in (shares[1], sorted(set(shares))[-2]):  # noqa: B007
        shares.clear()
        with pytest.raises(KeyboardInterrupt):
            segment_prompts(random_sam2, embedding, crowd(), refine=1, progress=progress)
        assert torch.get_num_threads() == count
        assert not [t for t in enumerate_threads() if t.name.startswith("region-fields")]
    assert segment_prompts(random_sam2, embedding, crowd(), refine=1).equals(expected)


def test_several_threads_work_in_inference_mode(random_sam2, embedding, threads, small_pieces):
    threads(2)
    with torch.inference_mode():
        random_sam2.last_decoder = None
        inside = segment_prompts(random_sam2, embedding, crowd())
    assert segment_prompts(random_sam2, embedding, crowd()).equals(inside)
