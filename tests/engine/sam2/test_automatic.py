import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from threading import current_thread, get_ident
from threading import enumerate as enumerate_threads

import numpy as np
import pytest
import torch
from PIL import Image
from region_fields.engine import Everything, InputError, Regions, segment_everything
from region_fields.engine.ops.crew import Crew
from region_fields.engine.sam2 import automatic, candidates, point_decoder
from region_fields.engine.sam2 import model as model_file
from region_fields.engine.sam2.everything import Crop
from region_fields.engine.sam2.model import Sam2
from scipy.optimize import linear_sum_assignment
from skimage import measure
from torch import Tensor
from torch.nn import functional as F

EASY = {"pred_iou_thresh": 0.73, "stability_score_thresh": 0.8}


def shrink(image: Tensor, height: int, width: int) -> Tensor:
    """A smaller image of eight-bit values, as the reference takes."""
    small = F.interpolate(image.permute(2, 0, 1)[None], (height, width), mode="area")[0]
    return (small * 255).round().permute(1, 2, 0).contiguous() / 255


@pytest.fixture(scope="module")
def still_life(scene) -> Tensor:
    return shrink(scene.image, 180, 260)


@pytest.fixture(scope="module")
def everything(nano, still_life) -> Callable[..., Regions]:
    """everything(**knobs): the still life's regions, with settings that let many through."""

    def run(**knobs) -> Regions:
        settings = Everything(**{"points_per_side": 6, **EASY, **knobs})
        return segment_everything(nano, still_life, settings)

    return run


def reference(model: Sam2, image: Tensor, **knobs) -> list[dict]:
    """What the sam2 package's own generator finds; masks without a pixel left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

        generator = SAM2AutomaticMaskGenerator(model.network, **knobs)
        side = model.image_size
        generator.predictor._bb_feat_sizes = [(side // s, side // s) for s in (4, 8, 16)]
        found = generator.generate((image * 255).round().to(torch.uint8).numpy())
    return [one for one in found if one["segmentation"].any()]


def assert_same(ours: Regions, theirs: list[dict]) -> None:
    """Every mask of one side has its like on the other: IoU >= 0.99, equal score and stability.

    Stability is a ratio of two pixel counts, so in a small mask one pixel on either threshold, a
    tie of floats, moves it by more than any fixed tolerance: two pixels may differ.
    """
    assert len(theirs) > 1
    assert len(ours) == len(theirs)
    a = ours.masks.flatten(1).double().numpy()
    b = np.stack([one["segmentation"].reshape(-1) for one in theirs]).astype(float)
    shared = a @ b.T
    iou = shared / (a.sum(1)[:, None] + b.sum(1) - shared)
    score = np.array([one["predicted_iou"] for one in theirs])
    stability = np.array([one["stability_score"] for one in theirs])
    score_gap = np.abs(ours.scores.numpy()[:, None] - score)
    stability_gap = np.abs(ours.stability.numpy()[:, None] - stability)
    mine, other = linear_sum_assignment(score_gap + stability_gap - iou)
    assert iou[mine, other].min() >= 0.99
    assert score_gap[mine, other].max() < 1e-3
    assert (stability_gap[mine, other] <= np.maximum(1e-3, 2 / a.sum(1)[mine])).all()


def assert_alike(one: Regions, other: Regions) -> None:
    """Equal up to the rounding of products that are taken in other pieces."""
    assert len(one) == len(other) > 1
    assert (one.masks != other.masks).double().mean() < 1e-5
    assert torch.allclose(one.scores, other.scores, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"points_per_side": 16},
        {"use_m2m": True},
        {"multimask_output": False},
        {"multimask_output": False, "use_m2m": True},
        {"pred_iou_thresh": 0.86},
        {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0},
        {"stability_score_thresh": 0.9},
        {"stability_score_offset": 0.3},
        {"mask_threshold": 1.0},
        {"box_nms_thresh": 0.4},
        {"box_nms_thresh": 0.98},
        {"crop_n_layers": 1},
        {"points_per_side": 4, "crop_n_layers": 1, "use_m2m": True},
        {"crop_n_layers": 1, "crop_nms_thresh": 0.3},
        {"crop_n_layers": 1, "crop_overlap_ratio": 0.1},
        {"points_per_side": 4, "crop_n_layers": 2, "crop_n_points_downscale_factor": 2},
    ],
    ids=str,
)
def test_finds_what_the_reference_finds(nano, still_life, everything, knobs):
    wanted = {"points_per_side": 6, **EASY, **knobs}
    assert_same(everything(**knobs), reference(nano, still_life, **wanted))


@pytest.mark.parametrize("name", ["truck", "groceries"])
@pytest.mark.parametrize(
    "knobs",
    [
        {"points_per_side": 16},
        {"points_per_side": 5, "crop_n_layers": 1, "use_m2m": True},
        pytest.param({"points_per_side": 32}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_finds_what_the_reference_finds_in_photographs(nano, photos, name, knobs):
    with Image.open(photos / f"{name}.jpg") as photo:
        pixels = torch.from_numpy(np.asarray(photo.convert("RGB"), np.float32) / 255)
    image = shrink(pixels, 200, 300)
    knobs = {**EASY, **knobs}
    assert_same(
        segment_everything(nano, image, Everything(**knobs)), reference(nano, image, **knobs)
    )


def tidied_reference(model: Sam2, image: Tensor, area: int, monkeypatch, **knobs) -> list[dict]:
    """The reference's masks through its own postprocess_small_regions.

    Of that only the labelling of components, which it has from OpenCV, is scikit-image's here.
    """
    found = reference(model, image, **knobs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sam2 import automatic_mask_generator as package
    masks = torch.from_numpy(np.stack([one["segmentation"] for one in found]))
    data = package.MaskData(
        rles=package.mask_to_rle_pytorch(masks),
        boxes=package.batched_mask_to_box(masks),
        which=torch.arange(len(found)),
    )
    monkeypatch.setattr(package, "remove_small_regions", remove_small_regions)
    threshold = max(knobs.get("box_nms_thresh", 0.7), knobs.get("crop_nms_thresh", 0.7))
    data = package.SAM2AutomaticMaskGenerator.postprocess_small_regions(data, area, threshold)
    return [
        {**found[which], "segmentation": package.rle_to_mask(rle)}
        for which, rle in zip(data["which"].tolist(), data["rles"], strict=True)
    ]


def remove_small_regions(mask: np.ndarray, area: float, mode: str) -> tuple[np.ndarray, bool]:
    labels, count = measure.label(mask ^ (mode == "holes"), connectivity=2, return_num=True)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    small = np.flatnonzero(sizes < area) + 1
    if mode == "holes":
        return mask | np.isin(labels, small), len(small) > 0
    if len(small) == count > 0:
        small = np.delete(small, sizes.argmax())
    return mask & ~np.isin(labels, small), bool((sizes < area).any())


@pytest.mark.parametrize("area", [20, 400])
def test_clean_up_is_the_references_in_image_pixels(
    nano, still_life, everything, monkeypatch, area
):
    knobs = {"points_per_side": 6, "box_nms_thresh": 0.9, **EASY}
    theirs = tidied_reference(nano, still_life, area, monkeypatch, **knobs)
    ours = everything(box_nms_thresh=0.9, min_mask_region_area=area)
    assert_same(ours, theirs)
    plain = everything(box_nms_thresh=0.9)
    assert not torch.equal(ours.masks[: len(plain)], plain.masks[: len(ours)])


def test_after_clean_up_no_hole_or_part_is_smaller_than_the_area(everything):
    area = 60
    masks = everything(min_mask_region_area=area).masks.numpy()
    assert len(masks) > 1
    for plane in (*masks, *~masks):
        labels = measure.label(plane, connectivity=2)
        sizes = np.bincount(labels.ravel())[1:]
        assert len(sizes) == 1 or (sizes >= area).all()


def test_an_embedding_gives_what_its_image_gives(nano, still_life):
    settings = Everything(points_per_side=5, **EASY)
    alone = segment_everything(nano, nano.embed(still_life), settings)
    assert alone.equals(segment_everything(nano, still_life, settings))


def test_crops_of_an_embedding_are_refused(nano, still_life):
    with pytest.raises(InputError, match="give the image instead"):
        segment_everything(nano, nano.embed(still_life), Everything(crop_n_layers=1))


def test_thresholds_nothing_passes_give_no_regions_of_the_images_size(everything, still_life):
    regions = everything(pred_iou_thresh=1.0, crop_n_layers=1)
    assert len(regions) == 0
    assert regions.size == tuple(still_life.shape[:2])


def test_a_mask_far_below_every_threshold_is_no_region(nano, still_life, monkeypatch):
    def nothing_there(self, attended, wanted):
        return torch.full((int(wanted.sum()), 64, 64), -9.0)

    monkeypatch.setattr(candidates.PointDecoder, "logits", nothing_there)
    settings = Everything(points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    assert len(segment_everything(nano, still_life, settings)) == 0


def test_the_memory_budget_changes_no_result(everything):
    assert_alike(everything(memory_budget=16 << 20), everything(memory_budget=1 << 30))


def test_the_memory_budget_sets_how_much_is_done_at_once(everything, monkeypatch):
    lengths: list[int] = []
    chunks = Crew.in_chunks

    def spy(self, count, length, *args, **kwargs):
        lengths.append(length)
        return chunks(self, count, length, *args, **kwargs)

    monkeypatch.setattr(Crew, "in_chunks", spy)
    monkeypatch.setattr(point_decoder, "_CPU_BYTES", 1 << 40)
    monkeypatch.setattr(automatic, "_PIXELS_AT_ONCE", 1 << 40)
    everything(memory_budget=32 << 20)
    everything(memory_budget=64 << 20)
    few, many = lengths[:2], lengths[2:]
    assert [2 * n for n in few] == pytest.approx(many, abs=1)


def test_a_tight_budget_leaves_each_worker_a_piece_of_points(nano, still_life):
    decoder = point_decoder.PointDecoder(nano, nano.embed(still_life))
    for workers, budget in product((1, 2, 4), (64 << 20, 256 << 20, 1 << 30)):
        settings = Everything(memory_budget=budget)
        length, at_once = candidates._points_at_once(decoder, settings, workers)
        assert at_once >= workers
        assert workers * length * decoder.bytes_per_prompt <= budget // 2


@pytest.mark.parametrize("side", [1000, 6000])
def test_a_tight_budget_leaves_each_worker_a_piece_of_masks_where_one_has_room(side):
    crop, cpu = Crop(0, 0, side, side), torch.device("cpu")
    for workers, budget in product((1, 2, 4), (64 << 20, 256 << 20, 1 << 30)):
        settings = Everything(memory_budget=budget)
        length, at_once, working = automatic._masks_at_once(crop, settings, cpu, workers)
        room = workers * (length * crop.area // 8 + working) <= budget // 2
        assert room or length == 1
        assert at_once >= workers or not room


@pytest.fixture
def small_pieces(nano, monkeypatch) -> None:
    """Pieces of so few points and masks that several threads have work."""
    monkeypatch.setattr(point_decoder, "_CPU_BYTES", 6 << 20)
    monkeypatch.setattr(automatic, "_PIXELS_AT_ONCE", 4 * 180 * 260)


@pytest.mark.parametrize("use_m2m", [False, True])
def test_the_number_of_threads_changes_no_bit(nano, still_life, threads, small_pieces, use_m2m):
    embedding = nano.embed(still_life)
    settings = Everything(points_per_side=6, use_m2m=use_m2m, **EASY)
    threads(1)
    alone = segment_everything(nano, embedding, settings)
    for count in (2, 3):
        threads(count)
        assert segment_everything(nano, embedding, settings).equals(alone)
        assert torch.get_num_threads() == count


def test_several_threads_work_in_inference_mode(everything, threads, small_pieces):
    threads(2)
    with torch.inference_mode():
        inside = everything()
    assert inside.equals(everything())


def test_several_threads_are_interrupted_and_leave_torch_as_it_was(
    nano, still_life, everything, threads, small_pieces
):
    threads(2)
    expected, here, calls, stop_at = everything(), get_ident(), [], None

    def interrupt(done, total):
        assert get_ident() == here
        calls.append(done)
        if len(calls) == stop_at:
            raise KeyboardInterrupt

    settings = Everything(points_per_side=6, **EASY)
    segment_everything(nano, still_life, settings, interrupt)
    for stop_at in (len(calls) // 2, len(calls) // 2 + 2):  # noqa: B007
        calls.clear()
        with pytest.raises(KeyboardInterrupt):
            segment_everything(nano, still_life, settings, interrupt)
        assert torch.get_num_threads() == 2
        assert not [t for t in enumerate_threads() if t.name.startswith("region-fields")]
    assert everything().equals(expected)


def test_running_out_of_memory_on_several_threads_goes_on_with_one(
    everything, threads, small_pieces, monkeypatch
):
    expected = everything()
    attend = candidates.PointDecoder.attend

    def short(self, points, masks=None):
        if len(points) > 1 and current_thread().name.startswith("region-fields"):
            raise MemoryError
        return attend(self, points, masks)

    threads(2)
    monkeypatch.setattr(candidates.PointDecoder, "attend", short)
    assert_alike(everything(), expected)
    assert torch.get_num_threads() == 2


def test_running_out_of_memory_halves_the_piece_and_goes_on(everything, nano, monkeypatch):
    expected = everything()
    attend = candidates.PointDecoder.attend
    tried: list[int] = []

    def short(self, points, masks=None):
        tried.append(len(points))
        if len(points) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return attend(self, points, masks)

    monkeypatch.setattr(candidates.PointDecoder, "attend", short)
    assert_alike(everything(), expected)
    assert tried[0] > 4
    assert tried[-1] <= 4


def test_running_out_of_memory_at_full_size_halves_the_piece_too(everything, monkeypatch):
    expected = everything()
    upsample = automatic.upsample_masks
    tried: list[int] = []

    def short(logits, *args):
        tried.append(len(logits))
        if len(logits) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return upsample(logits, *args)

    monkeypatch.setattr(automatic, "upsample_masks", short)
    assert everything().equals(expected)
    assert tried[0] > 3
    assert tried[-1] <= 3


@pytest.mark.parametrize("step", ["upsample_masks", "encoder", "suppress", "_merge"])
def test_running_out_of_memory_elsewhere_says_what_to_do(nano, everything, monkeypatch, step):
    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as broken:
        if step == "encoder":
            broken.setattr(nano.network, "forward_image", fail)
        else:
            broken.setattr(automatic, step, fail)
        with pytest.raises(InputError, match=r"Out of memory.*(smaller model|smaller image)"):
            everything()
    assert len(everything()) > 1


def test_running_out_of_memory_for_one_point_says_what_to_do(everything, monkeypatch):
    def fail(self, points, masks=None):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with monkeypatch.context() as broken:
        broken.setattr(candidates.PointDecoder, "attend", fail)
        with pytest.raises(InputError, match=r"Out of memory.*smaller model"):
            everything()
    assert len(everything()) > 1


def test_other_errors_are_not_taken_for_lack_of_memory(everything, monkeypatch):
    def fail(self, points, masks=None):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(candidates.PointDecoder, "attend", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        everything()


def test_progress_rises_to_its_total(nano, still_life):
    seen: list[tuple[int, int]] = []
    settings = Everything(points_per_side=4, crop_n_layers=1)
    segment_everything(nano, still_life, settings, lambda *pair: seen.append(pair))
    done = [pair[0] for pair in seen]
    assert len({pair[1] for pair in seen}) == 1
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize(("call", "done"), [(1, 0), (5, 0), (9, 0), (1, 1), (2, 1)])
def test_progress_may_interrupt_at_any_call_and_the_model_stays_usable(
    nano, still_life, call, done
):
    """The call-th of the calls that say that at least this share is done."""
    settings = Everything(points_per_side=8, min_mask_region_area=10, **EASY)
    expected = segment_everything(nano, still_life, settings)

    class StoppedError(Exception):
        pass

    left = call

    def interrupt(counted, total):
        nonlocal left
        left -= counted >= done * total
        if left == 0:
            raise StoppedError

    with pytest.raises(StoppedError):
        segment_everything(nano, still_life, settings, interrupt)
    assert not any(module._forward_pre_hooks for module in nano.network.modules())
    assert segment_everything(nano, still_life, settings).equals(expected)


def test_a_long_encoding_is_interrupted_between_its_products(make_random):
    """A block of the large encoder takes a second: so often is not enough."""
    model, calls = make_random("tiny", image_size=256), []
    model.embed(torch.rand(40, 60, 3), calls.append)
    assert len(calls) > 4 * len(model.network.image_encoder.trunk.blocks)
    assert sum(calls) == pytest.approx(1)


def test_long_attention_is_interrupted_between_queries_and_stays_the_same(make_random, monkeypatch):
    """A global attention of the large encoder takes more than a second."""
    model, image, calls = make_random("tiny", image_size=256), torch.rand(40, 60, 3), []
    plain = model.embed(image)
    monkeypatch.setattr(model_file, "_LONG_ATTENTION", 1 << 10)
    monkeypatch.setattr(model_file, "_QUERIES_AT_ONCE", 16)
    split = model.embed(image, calls.append)
    assert calls.count(0) > len(model.network.image_encoder.trunk.blocks)
    assert torch.allclose(split.image_embed, plain.image_embed, rtol=0, atol=1e-4)


def test_neither_image_nor_network_is_modified(nano, still_life):
    image = still_life.clone()
    before = {name: value.clone() for name, value in nano.network.state_dict().items()}
    segment_everything(nano, still_life, Everything(points_per_side=4, **EASY))
    assert torch.equal(image, still_life)
    for name, value in nano.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_alpha_is_ignored(nano, still_life):
    settings = Everything(points_per_side=4, **EASY)
    alpha = torch.cat([still_life, torch.zeros_like(still_life[..., :1])], dim=-1)
    assert segment_everything(nano, alpha, settings).equals(
        segment_everything(nano, still_life, settings)
    )


def test_a_tiny_image_is_segmented(nano):
    regions = segment_everything(nano, torch.rand(3, 5, 3), Everything(points_per_side=2))
    assert regions.size == (3, 5)


@pytest.mark.parametrize("crop_n_layers", [0, 1])
def test_a_mask_without_a_box_is_kept_once(nano, crop_n_layers):
    """Of a picture of one pixel: nothing suppresses its masks, which are all the same."""
    settings = Everything(points_per_side=4, pred_iou_thresh=0.0, crop_n_layers=crop_n_layers)
    settings = replace(settings, stability_score_thresh=0.0, mask_threshold=-100.0)
    assert len(segment_everything(nano, torch.rand(1, 1, 3), settings)) == 1
    if not crop_n_layers:
        settings = replace(settings, box_nms_thresh=1.0)
        assert len(segment_everything(nano, torch.rand(1, 1, 3), settings)) == 48
