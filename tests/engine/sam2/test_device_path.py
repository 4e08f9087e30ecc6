"""What a GPU would do, done by the CPU: the paths without numpy, and how often the host waits.

An operation whose result's size or value the host needs makes it wait for the device. On the CPU
such operations run too, so they can be counted where no GPU is.
"""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from region_fields.engine import Everything, segment_everything
from region_fields.engine.ops import bits, tidy, upsample
from region_fields.engine.ops.crew import Crew
from region_fields.engine.sam2 import automatic, candidates, point_decoder
from region_fields.engine.sam2.point_decoder import PointDecoder
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

WAITS = {
    "aten.nonzero.default",
    "aten._local_scalar_dense.default",
    "aten.equal.default",
    "aten.masked_select.default",
    "aten.repeat_interleave.Tensor",
    "aten.lift_fresh.default",
}
EASY = {"pred_iou_thresh": 0.73, "stability_score_thresh": 0.8}
ALONE = Crew(1)


class Watch(TorchDispatchMode):
    """Notes what is called, what would make the host wait, and what gives a float64 tensor.

    A tensor brought to the CPU counts as one wait, and what is done to it there as none; so does
    what `on_the_host` wraps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.called: set[str] = set()
        self.waits: Counter[str] = Counter()
        self.doubles: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = str(func)
        self.called.add(name)
        by_bool = name.startswith("aten.index") and any(
            isinstance(x, Tensor) and x.dtype == torch.bool for x in tree_leaves(args[1])
        )
        if name in WAITS or by_bool:
            self.waits[name] += 1
        if any(isinstance(x, Tensor) and x.dtype == torch.float64 for x in tree_leaves(out)):
            self.doubles.add(name)
        return out


def on_the_host(work):
    """`work` as it runs on the CPU of a machine with a GPU: nothing there is waited for."""

    def run(*args, **kwargs):
        with _disable_current_modes():
            return work(*args, **kwargs)

    return run


@pytest.fixture
def watch(monkeypatch) -> Watch:
    """The CPU taken for a GPU, and what it does watched."""
    for module in (bits, tidy, upsample):
        monkeypatch.setattr(module, "on_host", lambda tensor: False)
    for name in ("grid_points", "to_network_pixels"):
        monkeypatch.setattr(automatic, name, on_the_host(getattr(automatic, name)))
    monkeypatch.setattr(automatic, "PointDecoder", on_the_host(PointDecoder))
    monkeypatch.setattr(Crew, "for_device", lambda device: ALONE)
    monkeypatch.setattr(upsample._Grid, "between", on_the_host(upsample._Grid.between))
    bits._tables(torch.device("cpu"))
    upsample._grid.cache_clear()
    seen = Watch()

    def to_host(tensor: Tensor, *_, **__) -> Tensor:
        if isinstance(tensor, OnHost):
            return tensor
        seen.waits["cpu"] += 1
        return tensor.clone().as_subclass(OnHost)

    monkeypatch.setattr(Tensor, "cpu", to_host)
    yield seen
    upsample._grid.cache_clear()


class OnHost(Tensor):
    """A tensor that was brought to the CPU; what is made of it is there too."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is Tensor.to:
            return args[0].as_subclass(Tensor)
        with _disable_current_modes():
            return super().__torch_function__(func, types, args, kwargs or {})


def small(image: Tensor) -> Tensor:
    return image[::4, ::4].contiguous()


def pieces(monkeypatch) -> list[slice]:
    """The parts that the work goes through, as they come."""
    seen: list[slice] = []
    chunks = Crew.in_chunks

    def spy(*args, **kwargs):
        for part, result in chunks(*args, **kwargs):
            seen.append(part)
            yield part, result

    monkeypatch.setattr(Crew, "in_chunks", spy)
    return seen


def test_the_path_without_numpy_gives_what_the_other_gives(
    nano, scene, watch, threads, monkeypatch
):
    threads(1)  # a product that torch divides among threads rounds in another way
    settings = Everything(points_per_side=6, min_mask_region_area=30, crop_n_layers=1, **EASY)
    with watch:
        device = segment_everything(nano, small(scene.image), settings)
    monkeypatch.undo()
    host = segment_everything(nano, small(scene.image), settings)
    assert len(host) > 1
    assert device.equals(host)


def test_masks_are_not_interpolated_in_one_dimension(nano, scene, watch):
    """CUDA's kernel for that has one thread for each column of pixels, whatever number of rows."""
    with watch:
        assert len(segment_everything(nano, small(scene.image), Everything(4, **EASY))) > 0
    assert "aten.upsample_bilinear2d.default" in watch.called
    assert not any(name.startswith("aten.upsample_linear1d") for name in watch.called)


@pytest.mark.parametrize("knobs", [{}, {"use_m2m": True}, {"multimask_output": False}], ids=str)
def test_no_copy_to_another_device_than_cuda_goes_unwaited_for(
    nano, scene, watch, monkeypatch, knobs
):
    """PyTorch's to Apple's GPUs may read a tensor that was let go; see `ops.transfer`."""
    move = Tensor.to

    def spy(tensor: Tensor, *args, non_blocking: bool = False, **kwargs) -> Tensor:
        assert not non_blocking
        return move(tensor, *args, **kwargs)

    monkeypatch.setattr(Tensor, "to", spy)
    settings = Everything(points_per_side=4, **EASY, **knobs)
    assert len(segment_everything(nano, small(scene.image), settings)) > 0


@pytest.mark.parametrize("knobs", [{}, {"use_m2m": True}, {"crop_n_layers": 1}], ids=str)
def test_no_float64_is_used_on_the_way_to_the_masks(nano, scene, watch, monkeypatch, knobs):
    monkeypatch.setattr(
        automatic.Regions, "from_packed", on_the_host(automatic.Regions.from_packed)
    )
    image = small(scene.image)
    with watch:
        assert len(segment_everything(nano, image, Everything(points_per_side=4, **EASY, **knobs)))
    assert watch.doubles == set()


@pytest.mark.parametrize(
    ("knobs", "waits"),
    [({}, 1), ({"multimask_output": False}, 2), ({"points_per_side": 2, "use_m2m": True}, 9)],
    ids=str,
)
def test_the_loop_over_points_waits_once_for_each_decision(
    nano, scene, watch, monkeypatch, knobs, waits
):
    """Which candidates pass; then which single mask is stable; with m2m those two, three times.

    Three more are counted in m2m's first pass, where the host knows without asking that all pass.
    """
    settings = Everything(**{"points_per_side": 6, **EASY, **knobs})
    embedding = nano.embed(small(scene.image))
    decoder = PointDecoder(nano, embedding)
    points = torch.rand(settings.points_per_side**2, 2) * nano.image_size
    tokens = decoder.embed_points(points)
    parts = pieces(monkeypatch)
    monkeypatch.setattr(decoder, "embed_points", lambda points: tokens)
    monkeypatch.setattr(point_decoder, "_CPU_BYTES", decoder.bytes_per_prompt * 9)
    with watch, torch.no_grad():
        candidates.decode_candidates(decoder, points, settings, lambda done: None, ALONE)
    assert len(parts) == -(-len(points) // 9)
    assert watch.waits.total() <= waits * len(parts)


def test_a_piece_of_masks_waits_four_times(nano, scene, watch, monkeypatch):
    """Which masks are stable, which tiles to compute, whether suppression settled, which stay."""
    monkeypatch.setattr(automatic, "_PIXELS_AT_ONCE", 4 * scene.image[::4, ::4, 0].numel())
    settings = Everything(points_per_side=6, **EASY)
    size = tuple(scene.image[::4, ::4].shape[:2])
    crop = automatic.plan_crops(size, 0, 0.3)[0]
    decoder = PointDecoder(nano, nano.embed(small(scene.image)))
    points = torch.rand(36, 2) * nano.image_size
    with torch.no_grad():
        found = candidates.decode_candidates(decoder, points, settings, lambda done: None, ALONE)
    parts = pieces(monkeypatch)
    clock = automatic._Clock(None, 1)
    watch.waits.clear()
    with watch, torch.no_grad():
        automatic._keep_best(found, crop, size, settings, clock, ALONE)
    assert len(parts) > 2
    assert watch.waits.total() <= 4 * len(parts) + 1
