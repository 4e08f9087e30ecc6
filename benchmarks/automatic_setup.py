"""What the scripts about automatic segmentation share: models, images, memory, arithmetic."""

from __future__ import annotations

import ctypes
import gc
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco
from region_fields.engine import Everything, Regions, Sam2, load_sam2
from region_fields.engine.sam2.architecture import ARCHITECTURES, build_network
from region_fields.engine.sam2.decode import to_network_pixels
from region_fields.engine.sam2.everything import grid_points
from region_fields.engine.sam2.point_decoder import PointDecoder
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

SCENE = Path(__file__).resolve().parents[1] / "example_workflows" / "inputs" / "still_life.jpg"
CANDIDATES_TRIED = 256


def make_model(name: str, device: str = "cpu", dtype: str | None = None) -> Sam2:
    """The embedded model, a checkpoint file, or "random:SIZE": an architecture untrained."""
    if not name.startswith("random:"):
        return load_sam2(name, device, dtype)
    torch.manual_seed(0)
    architecture = ARCHITECTURES[name.partition(":")[2]]
    network = build_network(architecture).to(device)
    with torch.no_grad():
        _liven(network.sam_mask_decoder)
    return Sam2(network, architecture, precision=dtype or "auto")


def _liven(decoder: torch.nn.Module) -> None:
    """Scale untrained weights so that masks have area, and candidates differ in predicted IoU."""
    for parameter in decoder.parameters():
        if parameter.ndim == 2:
            parameter.mul_(2.0)
        elif parameter.ndim == 1:
            parameter.add_(0.2 * torch.randn_like(parameter))
    for mlp in decoder.output_hypernetworks_mlps:
        mlp.layers[-1].weight.mul_(6.0)


def read_image(path: Path, megapixels: float) -> Tensor:
    """The picture with about so many pixels, eight-bit values as float32 (H, W, 3)."""
    with Image.open(path) as picture:
        scale = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
        size = round(picture.width * scale), round(picture.height * scale)
        resized = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(resized)).float() / 255


@torch.no_grad()
def predicted_ious(model: Sam2, image: Tensor, points_per_side: int, most: int) -> Tensor:
    """Predicted IoUs (P, 3) of the grid's candidates, of at most so many of its points."""
    embedding = model.embed(image)
    decoder = PointDecoder(model, embedding)
    points = grid_points(points_per_side, embedding.size).to(model.device)
    points = points[torch.linspace(0, len(points) - 1, min(most, len(points))).long()]
    tokens = decoder.embed_points(to_network_pixels(points, embedding.size, model))
    return torch.cat([decoder.ious(decoder.attend(part))[:, 1:] for part in tokens.split(4)])


def threshold_for(model: Sam2, image: Tensor, points_per_side: int, share: float) -> float:
    """The predicted IoU that `share` of the candidates exceed, from a sample of the points."""
    ious = predicted_ious(model, image, points_per_side, CANDIDATES_TRIED)
    return min(1.0, max(1e-6, float(ious.flatten().quantile(1 - share))))


def run_reference(model: Sam2, image: np.ndarray, settings: Everything) -> list[dict[str, Any]]:
    """The sam2 package's generator on the same network, image (uint8) and settings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

        knobs = {k: v for k, v in vars(settings).items() if k != "memory_budget"}
        generator = SAM2AutomaticMaskGenerator(model.network, **knobs)
        side = model.image_size
        generator.predictor._bb_feat_sizes = [(side // s, side // s) for s in (4, 8, 16)]
        found: list[dict[str, Any]] = generator.generate(image)
    return found


def masks_of(found: Regions | list[dict[str, Any]]) -> Iterator[np.ndarray]:
    """The masks, bool (H, W), of our regions or of what the reference gave; not those empty."""
    if isinstance(found, Regions):
        for _, part in found.chunks():
            yield from part.cpu().numpy()
        return
    yield from (one["segmentation"] for one in found if one["segmentation"].any())


def encode(mask: np.ndarray) -> dict[str, Any]:
    """Run-length code as pycocotools takes."""
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))


@dataclass(frozen=True)
class Measured:
    """Seconds, processor seconds, peak bytes above what was held before, and what came out.

    Processor seconds, with one thread, are what counts where others use the machine too.
    """

    seconds: float
    processor: float
    peak_bytes: int
    result: Any

    @property
    def counted(self) -> float:
        """Processor seconds with one thread of the CPU alone, else seconds."""
        alone = torch.get_num_threads() == 1 and not torch.cuda.is_initialized()
        return self.processor if alone else self.seconds


def measured(work: Callable[[], Any]) -> Measured:
    """Run `work` once, watching the process's resident memory every few milliseconds.

    On CUDA the memory is the allocator's own peak instead.
    """
    if torch.cuda.is_initialized():
        return _measured_cuda(work)
    give_back()
    before, peak, done = resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, resident())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    start, start_processor = time.perf_counter(), time.process_time()
    result = work()
    seconds, processor = time.perf_counter() - start, time.process_time() - start_processor
    done.set()
    thread.join()
    return Measured(seconds, processor, max(peak, resident()) - before, result)


def _measured_cuda(work: Callable[[], Any]) -> Measured:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    start, start_processor = time.perf_counter(), time.process_time()
    result = work()
    torch.cuda.synchronize()
    seconds, processor = time.perf_counter() - start, time.process_time() - start_processor
    return Measured(seconds, processor, torch.cuda.max_memory_allocated() - before, result)


def give_back() -> None:
    """Return to the system what was freed, or memory used before would count for nothing."""
    gc.collect()
    if hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


def resident() -> int:
    """Bytes of memory that this process holds now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@torch.no_grad()
def arithmetic(model: Sam2, image: Tensor, settings: Everything) -> dict[str, float]:
    """Floating-point operations that our order of work needs, by part, for one image.

    Encoding; the transformer of all points; upscaling for the points of which a candidate passes.
    """
    encode, embedding = flops_of(lambda: model.embed(image))
    decoder = PointDecoder(model, embedding)
    grid = grid_points(settings.points_per_side, embedding.size).to(model.device)
    some = grid[torch.linspace(0, len(grid) - 1, min(CANDIDATES_TRIED, len(grid))).long()]
    tokens = decoder.embed_points(to_network_pixels(some, embedding.size, model))
    decoder.attend(tokens[:1])  # computes what is shared by all prompts
    attend, attended = flops_of(lambda: decoder.attend(tokens[:1]))
    every = torch.ones((1, 4), dtype=torch.bool)
    upscale, _ = flops_of(lambda: decoder.logits(attended, every))
    passing = torch.cat(
        [
            (decoder.ious(decoder.attend(part))[:, 1:] > settings.pred_iou_thresh).any(1)
            for part in tokens.split(4)
        ]
    )
    upscaled = passing.double().mean().item() * len(grid)
    return {
        "encoder": encode,
        "transformer": attend * len(grid),
        "upscaling": upscale * upscaled,
    }


def flops_of(work: Callable[[], Any]) -> tuple[float, Any]:
    """Floating-point operations of the products in `work`, and its result.

    Attention as the two products it is: the counter knows neither the CPU's fused one nor products
    in place.
    """
    in_place = {torch.ops.aten.baddbmm_: count_product}
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(None, display=False, custom_mapping=in_place) as counter,
    ):
        result = work()
    return counter.get_total_flops(), result


def count_product(added: Any, one: Any, other: Any, out_shape: Any = None, **_: Any) -> int:
    """2 * B * M * K * N of shapes (B, M, K) and (B, K, N)."""
    return 2 * one[0] * one[1] * one[2] * other[2]


def flops_per_second(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """What a large matrix product reaches here, the best of as many as fit the time."""
    side = 1536 if device.type == "cpu" else 8192
    a = torch.randn((side, side), device=device, dtype=dtype)
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = clock()
        float((a @ a)[0, 0])
        best = min(best, clock() - start)
    return 2 * side**3 / best
