"""Peak memory of every region operation on 300 regions of 3840 x 2160.

    python benchmarks/memory.py [--count 300] [--size 3840x2160] [--only NAME ...]

Each operation runs in a child of its own, forked when the packed regions stand in memory. Its row
says how much the child's resident memory rose above what it was before the call, result included,
and that together with the regions themselves.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from region_fields.engine import (
    Regions,
    exchange,
    files,
    fill_coverage,
    label_map,
    load_sam2,
    measure_coverage,
    segs,
    select,
)
from region_fields.engine.blend import region_weights
from region_fields.engine.coco import from_coco, to_coco
from region_fields.engine.cover import OVERLAP_WINNERS
from region_fields.engine.edit import (
    COMBINATIONS,
    combine_with,
    feather,
    fill_holes,
    grow,
    merge,
    nest,
    remove_specks,
    smooth,
    snap_edges,
    split_islands,
)
from region_fields.engine.filter import filter_regions, remove_duplicates
from region_fields.engine.preview import draw_regions
from region_fields.engine.sam2.prompts import point_segmenter
from region_fields.engine.selection import (
    CRITERIA,
    Question,
    renumbered,
    rest_of,
    sort_order,
    subject,
)
from regions import wavy_discs
from scipy import ndimage

MEGA = 1 << 20
Operations = dict[str, Callable[[], Any]]


class Bench:
    """The regions and what goes with them."""

    def __init__(self, count: int, height: int, width: int) -> None:
        self.regions = wavy_discs(count, height, width)
        rng = np.random.default_rng(1)
        self.depth = torch.from_numpy(rng.random((height, width), dtype=np.float32))
        coarse = rng.random((20, 30, 3), dtype=np.float32)
        self.image = torch.from_numpy(ndimage.zoom(coarse, (height / 20, width / 30, 1), order=1))
        self.mask = self.regions.take([count // 2]).union()

    def selecting(self) -> Operations:
        def by(name: str) -> Callable[[], Any]:
            def call() -> Any:
                chosen = select(
                    self.regions,
                    name,
                    100,
                    (700, 500),
                    mask=self.mask,
                    image=self.image,
                    depth=self.depth,
                    color="#806040",
                    label="",
                )
                return chosen, rest_of(self.regions, chosen)

            return call

        r = self.regions
        found = {f"select by {name}": by(name) for name in CRITERIA}
        found["select the subject"] = lambda: subject(r)
        found["filter"] = lambda: filter_regions(
            r, min_area=1000, max_elongation=3, border="drop", mask=self.mask, max_overlap=0.9
        )
        found["remove duplicates"] = lambda: remove_duplicates(r, 0.5)

        def sort() -> Any:
            sorted_ = renumbered(r, sort_order(r, "left_most", Question()))
            return sorted_, [sorted_.take([i]) for i in range(len(sorted_))]

        found["sort, as sets of one"] = sort
        return found

    def editing(self) -> Operations:
        r = self.regions
        return {
            **{
                f"combine: {how}": lambda how=how: combine_with(r, self.mask, how)
                for how in COMBINATIONS
            },
            "merge": lambda: merge(r),
            "split islands of 5000 pixels": lambda: split_islands(r, 5000),
            "fill holes": lambda: fill_holes(r),
            "remove specks": lambda: remove_specks(r, 400),
            "grow by 9": lambda: grow(r, 9),
            "shrink by 9": lambda: grow(r, -9),
            "grow by 300": lambda: grow(r, 300),
            "smooth by 5": lambda: smooth(r, 5),
            "feather": lambda: feather(r, 8, 8),
            "snap": lambda: snap_edges(r, self.image),
            "nest": lambda: nest(r),
        }

    def covering(self) -> Operations:
        r = self.regions
        few = r.take(range(len(r) // 2, len(r), 4))
        return {
            "measure coverage": lambda: measure_coverage(r),
            **{
                f"fill: overlaps to {winner}": lambda winner=winner: fill_coverage(
                    r, "nearest", winner, depth=self.depth
                )
                for winner in OVERLAP_WINNERS
            },
            "fill: nearest, large gaps": lambda: fill_coverage(few),
            "fill: edges, large gaps": lambda: fill_coverage(few, "edges", image=self.image),
            "fill: background": lambda: fill_coverage(few, "background"),
            "fill: new_regions": lambda: fill_coverage(r, "new_regions", min_gap_area=100),
            "fill: nearest, max_gap": lambda: fill_coverage(few, max_gap=40),
            "fill: segment": self.asking_again(few),
            "soft shares of the 8 largest": lambda: region_weights(
                fill_coverage(r.take(range(8)), "background"), 16, range(9)
            ),
        }

    def asking_again(self, regions: Regions) -> Callable[[], Any]:
        """Fill with what the embedded model finds; the model and its embedding stand ready."""
        model = load_sam2()
        segmenter = point_segmenter(model, model.embed(self.image))
        return lambda: fill_coverage(regions, "segment", segmenter=segmenter)

    def exchanging(self) -> Operations:
        r, folder = self.regions, Path(tempfile.mkdtemp())
        labels, boxes = label_map.to_label_map(r), exchange.to_boxes(r)
        colours = label_map.to_colour_map(labels)
        grey = label_map.to_grey_16(labels)
        data = to_coco([r])
        half = self.image[::8, ::8].contiguous()
        files.save_regions(folder / "set", r, {}, half)
        sent = segs.to_segs(r)
        return {
            "to a label map": lambda: label_map.to_label_map(r),
            "to colours": lambda: label_map.to_colour_map(labels),
            "from a label map": lambda: label_map.from_label_map(labels),
            "from 16-bit grey": lambda: label_map.from_label_map(label_map.from_grey_16(grey)),
            "from colours": lambda: label_map.from_colour_map(colours),
            "to boxes": lambda: exchange.to_boxes(r),
            "from boxes": lambda: exchange.from_boxes(boxes, r.size),
            "crops": lambda: exchange.crop_regions(r, self.image),
            "crops, longest side 512": lambda: exchange.crop_regions(r, self.image, longest=512),
            "to layers": lambda: exchange.to_layers(r, self.image),
            "to COCO": lambda: to_coco([r]),
            "from COCO": lambda: from_coco(data),
            "save PNGs and manifest": lambda: files.save_regions(folder / "new", r, {}, half),
            "load PNGs and manifest": lambda: files.load_regions(folder / "set"),
            "to SEGS": lambda: segs.to_segs(r),
            "to SEGS with crops, each mask looked at": lambda: [
                seg.cropped_mask.sum() for seg in segs.to_segs(r, self.image, 2)[1]
            ],
            "from SEGS": lambda: segs.from_segs(sent),
        }

    def seeing(self) -> Operations:
        r = self.regions
        return {
            "preview": lambda: draw_regions(self.image, r, ids=True),
            "preview, only uncovered": lambda: draw_regions(self.image, r, only_uncovered=True),
        }


def _resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def in_child(call: Callable[[], Any]) -> tuple[int, float]:
    """Bytes by which resident memory rises at most while `call` runs, and processor seconds."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            Path("/proc/self/clear_refs").write_text("5")
            before, started = _resident("VmRSS"), time.process_time()
            result = call()
            risen = _resident("VmHWM") - before
            del result
            os.write(send, f"{risen} {time.process_time() - started}".encode())
        finally:
            os._exit(0)
    os.close(send)
    told = b""
    while part := os.read(receive, 64):
        told += part
    os.close(receive)
    os.waitpid(child, 0)
    if not told:
        raise SystemExit("the operation failed; see above")
    risen, seconds = told.split()
    return int(risen), float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--size", default="3840x2160")
    parser.add_argument("--only", nargs="*", help="parts of the names of operations")
    given = parser.parse_args()
    torch.set_num_threads(1)
    width, height = (int(side) for side in given.size.split("x"))
    bench = Bench(given.count, height, width)
    held = bench.regions.packed.numel()
    print(f"{len(bench.regions)} regions of {width} x {height}: {held / MEGA:.0f} MB packed")
    print("| operation | more, MB | with the regions, MB | s |\n|---|---|---|---|")
    worst = 0
    kinds = (bench.selecting, bench.editing, bench.covering, bench.exchanging, bench.seeing)
    for operations in kinds:
        for name, call in operations().items():
            if given.only and not any(part in name for part in given.only):
                continue
            risen, seconds = in_child(call)
            worst = max(worst, risen + held)
            cells = [name, f"{risen / MEGA:.0f}", f"{(risen + held) / MEGA:.0f}", f"{seconds:.2f}"]
            print(f"| {' | '.join(cells)} |", flush=True)
    print(f"the most: {worst / MEGA:.0f} MB")


if __name__ == "__main__":
    main()
