"""Region operations against numpy, scipy, scikit-image, pycocotools and OpenCV.

    python benchmarks/regions.py [--count 300] [--size 3840x2160] [--only NAME ...]

Both sides start from the same packed masks of wavy discs and run in one process on one thread. A
rival unpacks each mask when it needs it, as it must where 300 of them do not fit in memory; that is
part of its time, and given apart in the first row. Each row says whether the results are equal.
Times are seconds of the processor, the best of the runs, so that other programs disturb them
little. OpenCV's rows appear where cv2 is installed.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from region_fields.engine import Regions, fill_coverage, measure_coverage, select
from region_fields.engine.edit import fill_holes, grow, remove_specks, split_islands
from region_fields.engine.filter import filter_regions, remove_duplicates
from region_fields.engine.ops.geodesic import oklab_planes, spread_labels
from region_fields.engine.ops.labels import paint_labels
from region_fields.engine.ops.rle import rle_decode, rle_encode
from region_fields.engine.ops.runs import elongations, finite_means
from region_fields.engine.ops.shortest_path import contrast_cost
from region_fields.engine.selection import Question, rank
from scipy import ndimage

try:
    import cv2

    cv2.setNumThreads(1)
except ImportError:
    cv2 = None

EIGHT = np.ones((3, 3))


def wavy_discs(count: int, height: int, width: int) -> Regions:
    """Discs with wavy rims, holes and specks, from 1/100 to 1/3 of the height in radius."""
    rng = np.random.default_rng(0)
    packed = torch.zeros((count, height, (width + 7) // 8), dtype=torch.uint8)
    for plane in packed:
        cx, cy = rng.uniform(0, width), rng.uniform(0, height)
        radius = height * rng.uniform(0.01, 0.33)
        top, left = max(int(cy - 1.3 * radius), 0), max(int(cx - 1.3 * radius), 0) // 8 * 8
        bottom, right = int(cy + 1.3 * radius) + 1, int(cx + 1.3 * radius) + 1
        y = np.arange(top, min(bottom, height), dtype=np.float32)[:, None]
        x = np.arange(left, min(right, width), dtype=np.float32)
        ripple = np.sin(x / 31) + np.sin(y / 17)
        far = np.hypot(x - cx, y - cy)
        mask = (far + 0.05 * radius * ripple < radius) & (far > 0.1 * radius)
        mask |= (far > 1.1 * radius) & (far < 1.2 * radius) & (ripple > 1.9)
        bits = torch.from_numpy(np.packbits(mask, axis=-1))
        plane[top : top + len(bits), left // 8 : left // 8 + bits.shape[1]] = bits
    return Regions.from_packed(packed, (height, width), scores=rng.random(count).tolist())


class Bench:
    """The two sides of each row, on one set of regions."""

    def __init__(self, count: int, height: int, width: int, runs: int) -> None:
        self.runs = runs
        self.regions = wavy_discs(count, height, width)
        rng = np.random.default_rng(1)
        self.depth = rng.random((height, width), dtype=np.float32)
        self.image = ndimage.zoom(
            rng.random((20, 30, 3), dtype=np.float32), (height / 20, width / 30, 1), order=1
        )
        self.mask = self.regions.masks[len(self.regions) // 2].numpy()
        self.point = (width // 3, height // 2)

    def masks(self, regions: Regions | None = None) -> Iterator[np.ndarray]:
        for plane in (regions or self.regions).packed.numpy():
            yield np.unpackbits(plane, axis=-1, count=self.regions.size[1]).view(bool)

    def every_tenth(self) -> Regions:
        return self.regions.take(range(0, len(self.regions), 10))

    def time(self, call: Callable[[], Any]) -> tuple[float, Any]:
        best, result = float("inf"), None
        for _ in range(self.runs):
            started = time.process_time()
            result = call()
            best = min(best, time.process_time() - started)
        return best, result

    def row(
        self,
        name: str,
        ours: Callable[[], Any],
        rivals: dict[str, Callable[[], Any]],
        same: Callable[[Any, Any], bool],
    ) -> None:
        seconds, result = self.time(ours)
        for rival, call in rivals.items():
            other, theirs = self.time(call)
            verdict = "equal" if same(result, theirs) else "DIFFERENT"
            ratio = f"{other / seconds:.1f}"
            cells = [name, rival, f"{seconds:.3f}", f"{other:.3f}", ratio, verdict]
            print(f"| {' | '.join(cells)} |", flush=True)


def unpacking(b: Bench) -> None:
    seconds, _ = b.time(lambda: sum(int(mask[0, 0]) for mask in b.masks()))
    print(f"| (unpacking alone) | numpy | | {seconds:.3f} | | |", flush=True)


def measuring(b: Bench) -> None:
    def theirs() -> Any:
        rows = []
        for mask in b.masks():
            y, x = mask.nonzero()
            rows.append((len(x), x.min(), y.min(), x.max() + 1, y.max() + 1, x.mean(), y.mean()))
        return np.array(rows)

    def same(r: Regions, rows: Any) -> bool:
        return (
            np.array_equal(r.areas, rows[:, 0])
            and np.array_equal(r.boxes, rows[:, 1:5])
            and np.allclose(r.centroids, rows[:, 5:])
        )

    r = b.regions
    b.row(
        "areas, boxes, centroids",
        lambda: Regions.from_packed(r.packed, r.size, r.scores),
        {"numpy": theirs},
        same,
    )


def nearest_point(b: Bench) -> None:
    x, y = b.point

    def theirs() -> Any:
        found = []
        for mask in b.masks():
            ys, xs = mask.nonzero()
            found.append(int(((xs - x) ** 2 + (ys - y) ** 2).min()))
        return sorted(range(len(found)), key=lambda i: (found[i], int(b.regions.areas[i]), i))

    b.row(
        "rank by nearest point",
        lambda: rank(b.regions, "nearest_point", Question(point=b.point)),
        {"numpy": theirs},
        lambda one, other: one == other,
    )


def overlap(b: Bench) -> None:
    plane = torch.from_numpy(b.mask)

    def theirs() -> Any:
        return np.argmax([(mask & b.mask).sum() / (mask | b.mask).sum() for mask in b.masks()])

    b.row(
        "select by IoU with a mask",
        lambda: select(b.regions, "best_iou", mask=plane),
        {"numpy": theirs},
        lambda one, other: one.equals(b.regions.take([int(other)])),
    )


def mean_depth(b: Bench) -> None:
    depth = torch.from_numpy(b.depth)
    rivals = {"numpy": lambda: [float(b.depth[mask].mean(dtype=np.float64)) for mask in b.masks()]}
    if cv2 is not None:
        rivals["OpenCV"] = lambda: [cv2.mean(b.depth, mask.view(np.uint8))[0] for mask in b.masks()]
    b.row(
        "mean depth of each",
        lambda: finite_means(b.regions.packed, b.regions.boxes, b.regions.areas, depth),
        rivals,
        lambda one, other: np.allclose(one, other),
    )


def border(b: Bench) -> None:
    def theirs() -> list[int]:
        kept = []
        for i, mask in enumerate(b.masks()):
            touches = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
            if not touches and mask.sum() >= 5000 and (mask & b.mask).sum() <= 0.5 * mask.sum():
                kept.append(i)
        return kept

    plane = torch.from_numpy(b.mask)
    b.row(
        "filter by area, border, overlap",
        lambda: filter_regions(
            b.regions, min_area=5000, border="drop", mask=plane, max_overlap=0.5
        ),
        {"numpy": theirs},
        lambda one, other: one.equals(b.regions.take(other)),
    )


def run_lengths(b: Bench) -> None:
    from pycocotools import mask as coco

    few = b.every_tenth()

    def theirs() -> list[Any]:
        made = []
        for mask in b.masks(few):
            rle = coco.encode(np.asfortranarray(mask.view(np.uint8)))
            assert coco.decode(rle).any()
            made.append(rle["counts"].decode())
        return made

    def ours() -> list[Any]:
        made = []
        for plane in few.packed:
            rle = rle_encode(plane, few.size[1])
            assert rle_decode(rle).any()
            made.append(rle["counts"])
        return made

    b.row(
        "COCO run lengths of every tenth, out and in",
        ours,
        {"pycocotools": theirs},
        lambda one, other: one == other,
    )


def elongation(b: Bench) -> None:
    def theirs() -> Any:
        found = []
        for mask in b.masks():
            m = cv2.moments(mask.view(np.uint8), binaryImage=True)
            xx, yy, xy = (m[key] / m["m00"] for key in ("mu20", "mu02", "mu11"))
            low, high = np.linalg.eigvalsh([[xx + 1 / 12, xy], [xy, yy + 1 / 12]])
            found.append(np.sqrt(high / low))
        return found

    if cv2 is not None:
        b.row(
            "elongation of each",
            lambda: elongations(b.regions.packed, b.regions.boxes),
            {"OpenCV": theirs},
            lambda one, other: np.allclose(one, other, rtol=1e-4),
        )


def duplicates(b: Bench) -> None:
    from pycocotools import mask as coco

    def theirs() -> Any:
        rles = [coco.encode(np.asfortranarray(mask.view(np.uint8))) for mask in b.masks()]
        ious = coco.iou(rles, rles, [0] * len(rles))
        kept: list[int] = []
        for i in np.argsort(-b.regions.scores.numpy(), kind="stable"):
            if all(ious[i, j] < 0.3 for j in kept):
                kept.append(int(i))
        return kept

    b.row(
        "remove duplicates, IoU 0.3",
        lambda: remove_duplicates(b.regions, 0.3),
        {"pycocotools": theirs},
        lambda one, other: one.equals(b.regions.take(other)),
    )


def coverage(b: Bench) -> None:
    def theirs() -> Any:
        counts = np.zeros(b.regions.size, np.int32)
        for mask in b.masks():
            counts += mask
        return counts

    b.row(
        "coverage with gaps",
        lambda: measure_coverage(b.regions),
        {"numpy, counts only": theirs},
        lambda one, other: np.array_equal(one.counts, other),
    )


def islands(b: Bench) -> None:
    """Every island as packed bits, on both sides."""
    few = b.every_tenth()

    def apart(labels: Any, boxes: Any) -> list[Any]:
        made = []
        for i, (x0, y0, x1, y1) in enumerate(boxes, 1):
            left = x0 - x0 % 8
            plane = np.zeros((few.size[0], few.packed.shape[-1]), np.uint8)
            part = np.packbits(labels[y0:y1, left:x1] == i, axis=-1)
            plane[y0:y1, left // 8 : left // 8 + part.shape[1]] = part
            made.append(plane)
        return made

    def by_scipy() -> int:
        made = []
        for mask in b.masks(few):
            labels, _ = ndimage.label(mask, EIGHT)
            made += apart(
                labels,
                [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(labels)],
            )
        return len(made)

    def by_opencv() -> int:
        made = []
        for mask in b.masks(few):
            _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
            made += apart(labels, [(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:].tolist()])
        return len(made)

    rivals = {"scipy": by_scipy} | ({"OpenCV": by_opencv} if cv2 is not None else {})
    b.row(
        "islands of every tenth",
        lambda: len(split_islands(few)),
        rivals,
        lambda one, other: one == other,
    )


def specks(b: Bench) -> None:
    few = b.every_tenth()

    def theirs() -> Any:
        areas = []
        for mask in b.masks(few):
            labels, _ = ndimage.label(mask, EIGHT)
            size = np.bincount(labels.ravel())
            size[0] = 0
            areas.append(int(size[size >= 400].sum() or size.max()))
        return sorted(areas)

    def by_opencv() -> Any:
        areas = []
        for mask in b.masks(few):
            _, labels, stats, _ = cv2.connectedComponentsWithStats(
                mask.view(np.uint8), connectivity=8
            )
            size = stats[:, 4].copy()
            size[0] = 0
            keep = size >= 400
            if not keep.any():
                keep[size.argmax()] = True
            areas.append(int(keep[labels].sum()))
        return sorted(areas)

    rivals = {"scipy": theirs} | ({"OpenCV": by_opencv} if cv2 is not None else {})
    b.row(
        "remove specks of every tenth",
        lambda: sorted(remove_specks(few, 400).areas.tolist()),
        rivals,
        lambda one, other: one == other,
    )


def holes(b: Bench) -> None:
    few = b.every_tenth()

    def by_opencv() -> Any:
        areas = []
        for mask in b.masks(few):
            outside = np.pad(mask.view(np.uint8), 1)
            cv2.floodFill(outside, None, (0, 0), 2, flags=8)
            areas.append(int((outside[1:-1, 1:-1] != 2).sum()))
        return sorted(areas)

    rivals = {
        "scipy": lambda: sorted(
            int(ndimage.binary_fill_holes(mask, EIGHT).sum()) for mask in b.masks(few)
        )
    } | ({"OpenCV": by_opencv} if cv2 is not None else {})
    b.row(
        "fill holes of every tenth",
        lambda: sorted(fill_holes(few).areas.tolist()),
        rivals,
        lambda one, other: one == other,
    )


def growing(b: Bench) -> None:
    few = b.every_tenth()
    rivals = {
        "scipy": lambda: sorted(
            int((ndimage.distance_transform_edt(~mask) <= 9).sum()) for mask in b.masks(few)
        )
    }
    if cv2 is not None:
        y, x = np.mgrid[-9:10, -9:10]
        disc = (x**2 + y**2 <= 81).astype(np.uint8)
        rivals["OpenCV"] = lambda: sorted(
            int(cv2.dilate(mask.view(np.uint8), disc).sum()) for mask in b.masks(few)
        )
    b.row(
        "grow every tenth by 9 px",
        lambda: sorted(grow(few, 9).areas.tolist()),
        rivals,
        lambda one, other: one == other,
    )


def nearest_fill(b: Bench) -> None:
    r = b.regions
    order = sorted(range(len(r)), key=lambda i: (int(r.areas[i]), i))

    def theirs() -> Any:
        labels = np.zeros(r.size, np.int32)
        for i in reversed(order):
            labels[np.unpackbits(r.packed[i].numpy(), axis=-1, count=r.size[1]).view(bool)] = i + 1
        y, x = ndimage.distance_transform_edt(
            labels == 0, return_distances=False, return_indices=True
        )
        return labels[y, x]

    def same(filled: Regions, labels: Any) -> bool:
        areas = np.bincount(labels.ravel(), minlength=len(r) + 1)
        return all(
            int(area) == areas[own + 1]
            for own, area in zip(filled.ids.tolist(), filled.areas.tolist(), strict=True)
        )

    b.row("fill coverage, nearest", lambda: fill_coverage(r), {"scipy": theirs}, same)


def geodesic_fill(b: Bench) -> None:
    from skimage.graph import MCP_Geometric

    r = b.regions
    few = r.take(range(len(r) // 2, len(r), 4))
    labels = paint_labels(few.packed, few.boxes, r.size[1], range(len(few)))
    cost = 1 + contrast_cost(oklab_planes(torch.from_numpy(b.image)), 100.0)
    cost = (cost * 16).round() / 16
    array, seeds = cost.numpy().astype(np.float64), np.argwhere(labels.numpy() > 0)
    b.row(
        "geodesic fill",
        lambda: spread_labels(labels, cost)[1],
        {
            "scikit-image": lambda: np.where(
                labels > 0, 0, MCP_Geometric(array).find_costs(seeds)[0]
            )
        },
        lambda one, other: np.allclose(one, other, rtol=2e-4, atol=1e-3),
    )


ROWS = [
    unpacking,
    measuring,
    nearest_point,
    overlap,
    mean_depth,
    border,
    elongation,
    duplicates,
    coverage,
    islands,
    specks,
    holes,
    growing,
    nearest_fill,
    geodesic_fill,
    run_lengths,
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--size", default="3840x2160")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=[row.__name__ for row in ROWS])
    given = parser.parse_args()
    torch.set_num_threads(1)
    width, height = (int(side) for side in given.size.split("x"))
    bench = Bench(given.count, height, width, given.runs)
    print(
        f"{len(bench.regions)} regions of {width} x {height}, one thread, torch {torch.__version__}"
    )
    print(
        "| operation | against | ours, s | theirs, s | ratio | results |\n|---|---|---|---|---|---|"
    )
    for row in ROWS:
        if not given.only or row.__name__ in given.only:
            row(bench)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of the whole process {peak:.0f} MB")


if __name__ == "__main__":
    main()
