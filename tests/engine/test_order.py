"""No operation on regions depends on the order in which their masks came."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine import (
    Regions,
    blend_strengths,
    field_from_distance,
    fill_coverage,
    measure_coverage,
    select,
)
from region_fields.engine import files as engine_files
from region_fields.engine.blend import region_weights, strengths_by_depth, strengths_by_rank
from region_fields.engine.coco import to_coco
from region_fields.engine.compare import compare_masks
from region_fields.engine.cover import FILL_METHODS, OVERLAP_WINNERS, gap_points
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
from region_fields.engine.exchange import crop_regions, to_boxes, to_layers
from region_fields.engine.filter import filter_regions, remove_duplicates
from region_fields.engine.label_map import KEEPERS, to_colour_map, to_label_map
from region_fields.engine.measure_field import measure_field
from region_fields.engine.preview import draw_regions, ids_map
from region_fields.engine.segs import to_segs
from region_fields.engine.selection import (
    CRITERIA,
    Question,
    renumbered,
    rest_of,
    sort_order,
    subject,
)
from torch import Tensor

SIZE = (7, 12)
rng = np.random.default_rng(2)
IMAGE = torch.from_numpy(rng.random((*SIZE, 3), dtype=np.float32))
DEPTH = torch.from_numpy(rng.random(SIZE, dtype=np.float32))
MASK = DEPTH > 0.4
QUESTION = {
    "point": (5.0, 3.0),
    "mask": MASK,
    "image": IMAGE,
    "depth": DEPTH,
    "color": "#806040",
    "label": "a",
}


def find(points: list[tuple[int, int]]) -> Regions:
    """A segmenter that finds the 3 x 3 pixels around each point."""
    masks = torch.zeros((len(points), *SIZE), dtype=torch.bool)
    for mask, (x, y) in zip(masks, points, strict=True):
        mask[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
    return Regions.from_masks(masks, ids=list(range(len(points))))


def filled(method: str, overlaps: str = "smallest") -> Callable[[Regions], Regions]:
    more = {"image": IMAGE, "depth": DEPTH, "segmenter": find, "min_gap_area": 2}
    return lambda r: fill_coverage(r, method, overlaps, **more)


OPERATIONS: dict[str, Callable[[Regions], Any]] = {
    **{f"select {by}": lambda r, by=by: select(r, by, 2, **QUESTION) for by in CRITERIA},
    **{f"sort {by}": lambda r, by=by: sort_order(r, by, Question(**QUESTION)) for by in CRITERIA},
    "subject": subject,
    "rest": lambda r: rest_of(r, select(r, "largest")),
    "renumber": lambda r: renumbered(r, sort_order(r, "left_most", Question())),
    "filter": lambda r: filter_regions(r, min_area=3, border="drop", mask=MASK, max_overlap=0.9),
    "remove duplicates": lambda r: remove_duplicates(r, 0.5),
    **{f"combine {how}": lambda r, how=how: combine_with(r, MASK, how) for how in COMBINATIONS},
    "merge": merge,
    "split": split_islands,
    "fill holes": fill_holes,
    "remove specks": lambda r: remove_specks(r, 3),
    "grow": lambda r: grow(r, 1.5),
    "shrink": lambda r: grow(r, -1),
    "smooth": lambda r: smooth(r, 1),
    "feather": lambda r: feather(r, 1, 2),
    "snap": lambda r: snap_edges(r, IMAGE, 2),
    "nest": lambda r: nest(r, 0.7),
    "coverage": measure_coverage,
    "gap points": gap_points,
    **{f"fill {method}": filled(method) for method in FILL_METHODS},
    **{f"overlaps {winner}": filled("nearest", winner) for winner in OVERLAP_WINNERS},
    "blend": lambda r: blend_strengths(r, {"a": 1.0}, 3.0, default_outside=0.5),
    "shares": lambda r: region_weights(r, 2.0) if len(r) else None,
    "distance": lambda r: field_from_distance(r.union(), outer_radius=4),
    **{
        f"label map {keeper}": lambda r, keeper=keeper: to_label_map(r, keeper)
        for keeper in KEEPERS
    },
    "colours": lambda r: to_colour_map(to_label_map(r)),
    "ids": ids_map,
    "strengths by depth": lambda r: strengths_by_depth(r, DEPTH),
    **{
        f"strengths by {by}": lambda r, by=by: strengths_by_rank(r, by=by)
        for by in ("area", "left", "top", "score")
    },
    "membrane": lambda r: blend_strengths(
        r, {"a": 1.0}, 2.0, method="membrane", default_outside=0.5
    ),
    "compare": lambda r: compare_masks(r.union(), MASK),
    "measure field": lambda r: measure_field(DEPTH[None], regions=[r]).as_json(),
    "only uncovered": lambda r: draw_regions(IMAGE, r, only_uncovered=True),
    "whole crops": lambda r: crop_regions(r, IMAGE, longest=4, cut_out=False),
    "boxes": to_boxes,
    "crops": lambda r: crop_regions(r, IMAGE, 1),
    "layers": lambda r: to_layers(r, IMAGE),
    "segs": lambda r: to_segs(r, IMAGE, 1.5),
    "coco": lambda r: json.dumps(to_coco([r])),
    "preview": lambda r: draw_regions(IMAGE, r, ids=True, labels=True),
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Regions):
        return one.equals(other)
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, n), getattr(other, n)) for n in one.__dataclass_fields__)
    return one == other


@st.composite
def sets(draw: Any) -> tuple[Regions, Regions]:
    """The same masks with the same scores and labels in two orders."""
    count = draw(st.integers(0, 6))
    cells = st.sampled_from([True, False, False])
    stack = torch.from_numpy(draw(hnp.arrays(bool, (count, *SIZE), elements=cells)))
    if count > 1 and draw(st.booleans()):
        stack[1] = stack[0]
    scores = draw(st.lists(st.sampled_from([0.5, 0.75]), min_size=count, max_size=count))
    labels = draw(st.lists(st.sampled_from(["", "a", "b"]), min_size=count, max_size=count))
    place = list(draw(st.permutations(range(count))))
    other = Regions.from_masks(stack[place], [scores[i] for i in place], [labels[i] for i in place])
    return Regions.from_masks(stack, scores, labels), other


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=12)
@given(pair=sets())
def test_the_order_of_masks_changes_no_result(name, pair):
    one, other = pair
    assert same(OPERATIONS[name](one), OPERATIONS[name](other))


@settings(max_examples=5)
@given(pair=sets())
def test_saved_regions_are_the_same_files(pair, tmp_path_factory):
    written = []
    for regions in pair:
        folder = tmp_path_factory.mktemp("set")
        engine_files.save_regions(folder, regions, {}, IMAGE)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
