"""Time and memory of fields, each against what one would use instead, in one process.

`python benchmarks/fields.py [--megapixels 1 8 33] [--only distance ...] [--device cpu|cuda]`

Prints a table: seconds of both sides (the best of --repeat runs, or of as many as take 10 s;
processor time on the CPU with one thread, so that other work on the machine counts little), their
ratio (above 1: ours is faster), how far apart the results are, and the most memory the process has
held so far.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from region_fields.engine import combine_fields, composite, field_from_distance
from region_fields.engine.blur import blur_by_field, stack_radii
from region_fields.engine.curve import curve_field
from region_fields.engine.ops.distance import distance_to
from region_fields.engine.ops.shortest_path import geodesic_distance
from scipy import ndimage
from skimage.graph import MCP_Geometric
from torch import Tensor

_LONG = 10.0
_CHAIN_PLANES = 8
"""What the chain's three steps read and write at least: 2 planes, 3 and 3."""

Case = tuple[str, Callable[[], Any], Callable[[], Any], Callable[[Any, Any], float]]


def size_of(megapixels: float) -> tuple[int, int]:
    """A 16:9 picture of about so many megapixels."""
    height = round(math.sqrt(megapixels * 1e6 * 9 / 16) / 8) * 8
    return height, round(height * 16 / 9 / 8) * 8


def blobs(size: tuple[int, int], device: str) -> Tensor:
    """A mask like a segmenter's: thresholded smooth noise, bool (1, H, W)."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, 1, 9, 16), generator=generator)
    smooth = torch.nn.functional.interpolate(noise, size=size, mode="bicubic")
    return (smooth[0] > 0.8).to(device)


def picture(size: tuple[int, int], device: str) -> Tensor:
    """Smooth colours with some grain, float32 (1, H, W, 3)."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand((1, 3, 18, 32), generator=generator)
    smooth = torch.nn.functional.interpolate(noise, size=size, mode="bilinear")[0]
    grain = torch.rand((1, *size, 3), generator=generator) * 0.05
    return (smooth.movedim(0, -1)[None] * 0.95 + grain).contiguous().to(device)


def apart(ours: Any, theirs: Any) -> float:
    """Largest difference of the two results."""
    a = ours.cpu().numpy() if isinstance(ours, Tensor) else ours
    b = theirs.cpu().numpy() if isinstance(theirs, Tensor) else theirs
    return float(np.abs(a.reshape(b.shape) - b).max())


def distance(size: tuple[int, int], device: str) -> Case:
    """Exact Euclidean distance against scipy's."""
    mask = blobs(size, device)
    background = ~mask[0].cpu().numpy()
    return (
        "exact distance / scipy",
        lambda: distance_to(mask),
        lambda: ndimage.distance_transform_edt(background).astype(np.float32),
        apart,
    )


def geodesic(size: tuple[int, int], device: str) -> Case:
    """Distance along a picture's edges against scikit-image's."""
    sources = torch.zeros((1, *size), dtype=torch.bool, device=device)
    sources[0, size[0] // 2, size[1] // 2] = True
    grey = picture(size, device).mean(-1)
    slopes = torch.gradient(grey, dim=(1, 2))
    cost = 1 + 200 * torch.hypot(*slopes)
    table = cost[0].cpu().double().numpy()
    start = [(size[0] // 2, size[1] // 2)]
    return (
        "geodesic / scikit-image",
        lambda: geodesic_distance(sources, cost),
        lambda: MCP_Geometric(table).find_costs(start)[0],
        apart,
    )


def chain(
    size: tuple[int, int],
    device: str,
    check: Callable[[np.ndarray], np.ndarray] | None = None,
    name: str = "",
) -> Case:
    """A curve and two combinations, the same in numpy."""
    check = check or in_range
    generator = torch.Generator().manual_seed(2)
    fields = [torch.rand((1, *size), generator=generator).to(device) for _ in range(3)]
    arrays = [field.cpu().numpy() for field in fields]

    def ours() -> Tensor:
        shaped = curve_field(fields[0], preset="smoothstep", in_low=0.1, in_high=0.9)
        return combine_fields([combine_fields([shaped, fields[1]]), fields[2]], mode="screen")

    def theirs() -> np.ndarray:
        t = np.clip((check(arrays[0]) - np.float32(0.1)) / np.float32(0.8), 0, 1)
        shaped = t * t * (3 - 2 * t)
        product = check(shaped) * check(arrays[1])
        return 1 - (1 - check(product)) * (1 - check(arrays[2]))

    return f"curve, multiply, screen / numpy{name}", ours, theirs, apart


def in_range(array: np.ndarray) -> np.ndarray:
    """What each of our steps does with its inputs: refuses nan, clips to [0, 1] where needed."""
    low, high = array.min(), array.max()
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("not finite")
    return array if low >= 0 and high <= 1 else array.clip(0, 1)


def bare_chain(size: tuple[int, int], device: str) -> Case:
    """The same chain, with no look at what comes in on numpy's side."""
    return chain(size, device, lambda array: array, ", unchecked")


def mixing(size: tuple[int, int], device: str) -> Case:
    """Compositing in linear light, the same in numpy."""
    base, effect = picture(size, device), picture(size, device).flip(2)
    field = field_from_distance(blobs(size, device), outer_radius=size[0] / 4)
    a, b, f = base.cpu().numpy(), effect.cpu().numpy(), field.cpu().numpy()[..., None]

    def to_light(c: np.ndarray) -> np.ndarray:
        return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** np.float32(2.4))

    def theirs() -> np.ndarray:
        mixed = to_light(a) * (1 - f) + to_light(b) * f
        low = mixed * np.float32(12.92)
        high = np.float32(1.055) * mixed ** np.float32(1 / 2.4) - np.float32(0.055)
        return np.where(mixed <= 0.0031308, low, high)

    return "composite, linear / numpy", lambda: composite(base, effect, field), theirs, apart


def blurring(size: tuple[int, int], device: str) -> Case:
    """Blur by field against a stack of full Gaussian blurs by scipy at the same radii."""
    image = picture(size, device)
    field = torch.linspace(0, 1, size[1]).expand(1, *size).contiguous().to(device)
    radius = 0.03 * size[0]
    light = image[0].cpu().numpy() ** 2.2
    reach = field[0].cpu().numpy() * radius

    def theirs() -> np.ndarray:
        radii = stack_radii(radius)
        out = np.zeros_like(light)
        for k, r in enumerate(radii):
            sigma = (r / 2, r / 2, 0)
            level = ndimage.gaussian_filter(light, sigma, mode="nearest") if r else light
            out += level * np.interp(reach, radii, np.eye(len(radii))[k])[..., None]
        return out ** (1 / 2.2)

    def same(ours: Tensor, stack: np.ndarray) -> float:
        return float(np.abs(ours[0].cpu().numpy() - stack).mean())

    return (
        "blur by field / stack of blurs (mean)",
        lambda: blur_by_field(image, field, radius=radius),
        theirs,
        same,
    )


CASES = {
    "distance": distance,
    "geodesic": geodesic,
    "chain": chain,
    "bare_chain": bare_chain,
    "composite": mixing,
    "blur": blurring,
}


def clock(run: Callable[[], Any], device: str, repeat: int) -> tuple[float, Any]:
    """The best time of `repeat` runs, fewer where they have taken _LONG in all, and the result."""
    best, spent, result = math.inf, 0.0, None
    timer = time.process_time if device == "cpu" else time.perf_counter
    for _ in range(repeat):
        result = None
        start = timer()
        result = run()
        if device != "cpu":
            torch.cuda.synchronize()
        took = timer() - start
        best, spent = min(best, took), spent + took
        if spent > _LONG:
            break
    return best, result


def seconds_to_move(size: tuple[int, int], device: str, repeat: int) -> float:
    """What reading or writing one float32 plane takes, from copies within the device's memory."""
    planes = torch.rand((8, *size)).to(device)
    copy = torch.empty_like(planes)
    return clock(lambda: copy.copy_(planes), device, repeat)[0] / (2 * len(planes))


def lines(options: argparse.Namespace) -> Iterator[str]:
    """The rows of the table, each as soon as it is known."""
    head = f"{'ours / theirs':42}{'MP':>6}{'ours s':>10}{'theirs s':>10}{'ratio':>8}"
    yield f"{head}{'apart':>11}{'peak MiB':>10}"
    for megapixels in options.megapixels:
        size = size_of(megapixels)
        for name in options.only:
            title, ours, theirs, compare = CASES[name](size, options.device)
            mine, result = clock(ours, options.device, options.repeat)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            other, wanted = clock(theirs, "cpu", options.repeat)
            off = compare(result, wanted)
            row = f"{title:42}{size[0] * size[1] / 1e6:6.1f}{mine:10.3f}{other:10.3f}"
            yield f"{row}{other / mine:8.2f}{off:11.2e}{peak:10.0f}"
            if name == "chain":
                bound = _CHAIN_PLANES * seconds_to_move(size, options.device, options.repeat)
                yield f"  {bound / mine:.0%} of the speed at which the chain's planes can be moved"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 8, 33])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    where = "one CPU thread" if options.device == "cpu" else torch.cuda.get_device_name()
    print(f"torch {torch.__version__}, numpy {np.__version__}, {where}", flush=True)
    for line in lines(options):
        print(line, flush=True)


if __name__ == "__main__":
    main()
