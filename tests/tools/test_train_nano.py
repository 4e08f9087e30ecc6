"""The scenes sam2-nano learns from, and that its training is what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from region_fields.tools.train_nano import clips as moving
from region_fields.tools.train_nano import data, flat, still_life
from region_fields.tools.train_nano.canvas import BACKGROUND, PART, containment
from region_fields.tools.train_nano.data import augment, node_masks, wanted_nodes
from region_fields.tools.train_nano.evaluate import iou
from region_fields.tools.train_nano.export import (
    RAISED_ODDS,
    STEEPER,
    export,
    exported_steps,
    suited,
)
from region_fields.tools.train_nano.losses import match, pair_losses, prompt_loss
from region_fields.tools.train_nano.model import Trainee, set_resolution
from region_fields.tools.train_nano.prompts import boxed_nodes, boxes, central_pixel, clicks, filled
from region_fields.tools.train_nano.scenes import scene
from region_fields.tools.train_nano.train import (
    PRESETS,
    Trainer,
    average_gradients,
    orthogonal,
    save,
)
from scipy.ndimage import distance_transform_edt

SIZE = 96


@pytest.fixture(scope="module")
def drawn():
    return [scene((5, number), SIZE) for number in range(12)]


@pytest.fixture(scope="module")
def samples(drawn):
    return [augment(np.random.default_rng(1), picture, 64) for picture in drawn[:2]]


@pytest.fixture
def trainer(tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Trainer(PRESETS["test"], tmp_path, seed=3)
    torch.set_num_threads(threads)


def test_the_same_seed_draws_the_same_scene():
    first, again, other = scene(11, SIZE), scene(11, SIZE), scene(12, SIZE)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.image, other.image)


def test_every_pixel_shows_a_known_node(drawn):
    for picture in drawn:
        assert picture.image.shape == (SIZE, SIZE, 3)
        assert picture.labels.shape == (SIZE, SIZE)
        assert picture.labels.max() < len(picture.parents) == len(picture.kinds)


@pytest.mark.parametrize("draw", [flat.draw, still_life.draw])
def test_parts_lie_inside_what_they_are_parts_of(draw):
    for number in range(6):
        canvas = draw(np.random.default_rng(number), SIZE)
        inside = containment(np.array(canvas.parents))
        for node, (parent, kind) in enumerate(zip(canvas.parents, canvas.kinds, strict=True)):
            assert parent < node
            assert (kind == PART) <= (parent >= 0)
            if parent >= 0:
                part, whole = inside[node][canvas.labels], inside[parent][canvas.labels]
                assert not (part & ~whole).any()


def test_roots_share_out_the_whole_picture(drawn):
    for picture in drawn:
        roots = picture.inside()[picture.parents < 0][:, picture.labels]
        assert (roots.sum(0) == 1).all()
        assert (picture.kinds == BACKGROUND).any()


def test_a_part_that_fills_its_parent_is_no_second_answer():
    labels = np.full((64, 64), 1)
    wanted, inside = wanted_nodes(labels, np.array([-1, 0]))
    assert wanted.tolist() == [True, False]
    assert inside.tolist() == [[True, True], [False, True]]


def test_node_masks_count_the_pixels_of_each_cell(samples):
    for sample in samples:
        truth = sample.inside[:, sample.labels].reshape(-1, 32, 2, 32, 2).sum((2, 4))
        assert np.array_equal(node_masks(sample).numpy(), truth)


def test_clicks_and_boxes_belong_to_the_region_they_ask_for(samples):
    rng = np.random.default_rng(0)
    inside = np.concatenate([sample.inside[:, sample.labels] for sample in samples])
    for prompts in (clicks(rng, samples, 6), clicks(rng, samples, 6, most=3)):
        for points, answers in zip(prompts.points.int(), prompts.answers, strict=True):
            for x, y in points:
                assert inside[answers[0], y, x]
                assert all(inside[answer, y, x] for answer in answers[1:] if answer >= 0)
    asked = boxes(rng, samples, 6)
    assert (asked.points[:, 1] >= asked.points[:, 0] - 12).all()
    assert asked.labels[0].tolist() == [2, 3]


def test_boxes_prefer_what_is_partly_hidden(samples):
    rng = np.random.default_rng(0)
    for sample in samples:
        nodes = np.flatnonzero(sample.wanted).tolist()
        asked = boxed_nodes(rng, sample, 2000)
        assert set(asked) == set(nodes)
        hidden = min(nodes, key=lambda node: filled(sample, node))
        assert asked.count(hidden) > 1.2 * 2000 / len(nodes)


def test_central_clicks_are_far_from_the_border(samples):
    rng = np.random.default_rng(0)
    for sample in samples:
        for node in np.flatnonzero(sample.wanted):
            pixel = central_pixel(rng, sample, node)
            mask = np.pad(sample.inside[node][sample.labels], 1)
            depth = distance_transform_edt(mask)[1:-1, 1:-1]
            assert pixel is None or depth.flat[pixel] >= 0.7 * depth.max() - 2 * 4  # coarse cells
            assert pixel is not None or depth.max() < 4


def test_predicted_iou_is_half_about_the_asked_region_and_half_about_the_best():
    truth = torch.zeros(1, 3, 8, 8)
    truth[0, 0, :4], truth[0, 1, 4:] = 1, 1
    valid = torch.tensor([[True, True, False]])
    logits = torch.stack([truth[:, 0], truth[:, 1], truth[:, 0], truth[:, 0]], 1) * 60 - 30
    quality = torch.tensor([[1.0, 0.5, 1.0, 1.0]], requires_grad=True)
    prompt_loss(logits, quality, torch.zeros(1, 1), truth, valid)[0].backward()
    assert quality.grad.abs().max() == 0


def test_the_mask_that_a_single_click_never_shows_counts_less_than_its_three():
    truth, valid = torch.zeros(1, 3, 8, 8), torch.tensor([[True, False, False]])
    truth[0, 0, :4] = 1
    arguments = torch.ones(1, 4), torch.zeros(1, 1), truth, valid
    pulls = []
    for weight in (1.0, 0.25):
        logits = torch.linspace(-2, 2, 256).view(1, 4, 8, 8).requires_grad_()
        prompt_loss(logits, *arguments, single_weight=weight)[0].backward()
        pulls.append(logits.grad)
    assert torch.allclose(pulls[1][:, 0], 0.25 * pulls[0][:, 0])
    assert torch.equal(pulls[1][:, 1:], pulls[0][:, 1:])


def test_a_perfect_mask_costs_nothing_and_each_region_gets_its_own_mask():
    truth = torch.zeros(1, 3, 8, 8)
    truth[0, 0, :4], truth[0, 1, :, :4], truth[0, 2, 2:6, 2:6] = 1, 1, 1
    logits = torch.cat([truth[:, :1], truth.roll(1, 1)], 1) * 60 - 30
    losses, overlap = pair_losses(logits, truth)
    assert overlap[0, 1:].argmax(1).tolist() == [2, 0, 1]
    assert overlap.max() == 1
    chosen = match(losses[:, 1:], torch.ones(1, 3, dtype=torch.bool))
    assert chosen[0].int().tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert float((losses[:, 1:] * chosen).sum()) < 1e-3


def test_iou_compares_every_mask_with_every_region():
    masks = np.zeros((3, 256, 256), bool)
    masks[0, 10:50, 10:50], masks[1, 10:51, 10:50], masks[2, 100:120, 100:120] = True, True, True
    assert iou(masks[:1], masks[1:])[0] == pytest.approx([40 / 41, 0.0])


def test_what_moves_in_front_hides_what_is_behind():
    behind, far, near = np.zeros((3, 4, 4), bool)
    behind[:, :2], far[:2], near[0] = True, True, True
    visible = moving._visible(np.stack([behind, far, near]), behind=1)
    assert visible.sum((1, 2)).tolist() == [4, 4, 4]
    assert (visible.sum(0) <= 1).all()


def test_a_clip_follows_its_regions_from_frame_to_frame(drawn):
    images, masks = moving._compose(np.random.default_rng(2), drawn[:4], frames=3)
    assert images.shape == (3, SIZE, SIZE, 3)
    assert masks.shape[1:] == (3, SIZE, SIZE)
    steps = iou(masks[:, 0], masks[:, 1]).diagonal()
    assert steps[masks[:, 0].any((1, 2))].mean() > 0.3


def test_training_on_one_batch_lowers_its_loss(trainer, samples):
    batch = trainer.questions(0, samples)
    losses = [trainer.advance(batch)["loss"] for _ in range(24)]
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])


@pytest.mark.parametrize("shape", [(24, 60), (60, 24)])
def test_muon_in_float32_makes_the_singular_values_alike_as_torch_does(shape):
    grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    coefficients = (3.4445, -4.7750, 2.0315)
    mine = orthogonal(grad, coefficients, 5, 1e-7)
    theirs = torch.optim._muon._zeropower_via_newtonschulz(grad, coefficients, 5, 1e-7)
    assert mine.dtype == torch.float32
    torch.testing.assert_close(mine, theirs.float(), atol=0.01, rtol=0)


def test_ranks_share_their_gradients_and_stay_alike(samples, tmp_path):
    torch.multiprocessing.spawn(_one_of_two, (samples, tmp_path), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert first["losses"] != second["losses"]
    assert first["shared"].tolist() == second["shared"].tolist() == [1.5, 1.5]
    for name, value in first["weights"].items():
        assert torch.equal(value, second["weights"][name]), name


def _one_of_two(rank: int, samples, folder) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", None, 2, rank)
    module = torch.nn.ParameterDict({"a": torch.zeros(2), "unused": torch.zeros(2)})
    module["a"].grad = torch.full((2,), 1.0 + rank)
    average_gradients(module, 2)
    assert module["unused"].grad is None
    trainer = Trainer(PRESETS["test"], folder, seed=3, rank=rank, ranks=2)
    losses = [trainer.advance(trainer.questions(step, samples))["loss"] for step in range(2)]
    weights = trainer.model.state_dict()
    torch.save(
        {"losses": losses, "shared": module["a"].grad, "weights": weights}, folder / f"{rank}.pt"
    )
    torch.distributed.destroy_process_group()


def test_a_resumed_run_ends_where_an_unbroken_one_does(trainer, samples, tmp_path):
    for step in range(2):
        trainer.advance(trainer.questions(step, samples))
    save(trainer, tmp_path / "checkpoint.pt")
    trainer.advance(trainer.questions(2, samples))
    resumed = Trainer(PRESETS["test"], tmp_path, seed=4)
    resumed.restore(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    resumed.advance(resumed.questions(2, samples))
    assert resumed.step == trainer.step == 3
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_a_run_can_begin_with_an_export(trainer, tmp_path):
    path = tmp_path / "nano.safetensors"
    export(trainer.state(), path)
    other = Trainer(PRESETS["test"], tmp_path, seed=4)
    other.begin_with(path)
    weights = trainer.model.network.state_dict()
    for name, value in other.model.network.state_dict().items():
        assert torch.allclose(value, weights[name], atol=1e-3), name


def test_steps_count_on_from_the_export_a_run_began_with(trainer, samples, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    trainer.advance(trainer.questions(0, samples))
    export(trainer.state(), first)
    other = Trainer(PRESETS["test"], tmp_path, seed=4)
    other.begin_with(first)
    for step in range(2):
        other.advance(other.questions(step, samples))
    export(other.state(), second)
    assert [exported_steps(path) for path in (first, second)] == [1, 3]


def test_scenes_come_in_two_sizes_and_clips_in_one(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "SHARD", 3)
    sides = [data.load_scene(tmp_path, 6, number).labels.shape[0] for number in (0, 3)]
    assert sides == [256, 512]
    clip = moving.draw_clip(np.random.default_rng(0), tmp_path, 6, 6, frames=2)
    assert clip.images.shape == (2, 256, 256, 3)
    assert clip.masks.shape == (1, 2, 256, 256)


def test_an_export_is_a_checkpoint_the_pack_loads(trainer, tmp_path):
    from region_fields.engine import load_sam2

    path = tmp_path / "nano.safetensors"
    assert export(trainer.state(), path) <= 10_000_000
    assert load_sam2(path).architecture.name == "nano"


@torch.no_grad()
def test_an_export_has_its_scores_raised_and_its_masks_steeper(trainer):
    plain = trainer.model.network
    changed = Trainee().network
    changed.load_state_dict(suited(plain.state_dict()))
    side = 64
    generator = torch.Generator().manual_seed(1)
    features = [
        torch.randn((1, width, side // cell, side // cell), generator=generator)
        for width, cell in ((16, 4), (32, 8), (128, 16))
    ]
    mask = torch.randn((1, 1, side // 4, side // 4), generator=generator)

    def ask(network, prompt):
        set_resolution(network, side)
        sparse, dense = network.sam_prompt_encoder(
            (torch.tensor([[[9.0, 7.0]]]), torch.ones(1, 1, dtype=torch.int32)), None, prompt
        )
        return network.sam_mask_decoder(
            features[2], network.sam_prompt_encoder.get_dense_pe(), sparse, dense, True, False,
            features[:2],
        )[:2]  # fmt: skip

    logits, quality = ask(plain, mask)
    steeper, raised = ask(changed, mask * STEEPER)
    torch.testing.assert_close(steeper, logits * STEEPER, rtol=1e-3, atol=1e-3)
    odds = quality / (1 - quality) * RAISED_ODDS
    torch.testing.assert_close(raised, odds / (1 + odds), rtol=1e-3, atol=1e-3)
    back = suited(changed.state_dict(), back=True)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(back[name], value)
