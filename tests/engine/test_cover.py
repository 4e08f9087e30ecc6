"""Coverage and its filling: total, disjoint, idempotent, and free of mask order."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine import InputError, Regions, fill_coverage, measure_coverage
from region_fields.engine.cover import FILL_METHODS, OVERLAP_WINNERS, gap_points
from region_fields.engine.sam2.prompts import point_segmenter
from scipy.ndimage import distance_transform_edt, label
from skimage.segmentation import expand_labels

stacks = hnp.arrays(
    bool,
    st.tuples(st.integers(0, 5), st.integers(1, 6), st.integers(1, 12)),
    elements=st.sampled_from([True, False, False, False]),
)


def mask_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[c == "#" for c in row] for row in rows])


def map_of(regions: Regions) -> list[str]:
    """Each pixel's region by its id, '.' where there is none."""
    drawn = np.full(regions.size, ".")
    for mask, own in zip(regions.masks.numpy(), regions.ids.tolist(), strict=True):
        drawn[mask] = str(own)
    return ["".join(row) for row in drawn]


def extras(size: tuple[int, int]) -> dict:
    rng = np.random.default_rng(size[0])
    return {
        "image": torch.from_numpy(rng.random((*size, 3), dtype=np.float32)),
        "depth": torch.from_numpy(rng.random(size, dtype=np.float32)),
        "segmenter": boxes_around(size, 2),
    }


def boxes_around(size: tuple[int, int], reach: int, score: float = 0.75) -> Any:
    """A segmenter that finds a square around each point."""

    def ask(points: list[tuple[int, int]]) -> Regions:
        masks = torch.zeros((len(points), *size), dtype=torch.bool)
        for mask, (x, y) in zip(masks, points, strict=True):
            mask[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = True
        return Regions.from_masks(masks, [score] * len(points), ids=list(range(len(points))))

    return ask


def finds_nothing(points: list[tuple[int, int]]) -> Regions:
    return Regions.empty((1, 1))


def two() -> Regions:
    return Regions.from_masks(
        torch.stack([mask_of("##......", "##......"), mask_of(".......#", "........")]),
        scores=[0.5, 0.75],
        labels=["left", "right"],
        ids=[3, 5],
    )


@pytest.mark.parametrize("overlaps", OVERLAP_WINNERS)
@pytest.mark.parametrize("method", FILL_METHODS)
@settings(max_examples=15)
@given(data=st.data(), stack=stacks)
def test_a_filled_set_is_total_disjoint_idempotent_and_free_of_order(method, overlaps, data, stack):
    masks = torch.from_numpy(stack)
    scores = data.draw(
        st.lists(st.sampled_from([0.5, 1.0]), min_size=len(stack), max_size=len(stack))
    )
    shuffle = list(data.draw(st.permutations(range(len(stack)))))
    regions = Regions.from_masks(masks, scores)
    more = extras(regions.size)
    filled = fill_coverage(regions, method, overlaps, **more)
    assert (filled.masks.sum(0) == 1).all()
    again = fill_coverage(filled, method, overlaps, **more)
    assert again.equals(filled)
    other = Regions.from_masks(masks[shuffle], [scores[i] for i in shuffle])
    assert fill_coverage(other, method, overlaps, **more).equals(filled)
    alone = regions.masks.sum(0) == 1
    for mask, own in zip(regions.masks, regions.ids.tolist(), strict=True):
        if (mask & alone).any():
            kept = filled.masks[filled.ids.tolist().index(own)]
            assert (kept | ~(mask & alone)).all()


@given(stack=stacks)
def test_nearest_gives_each_gap_pixel_to_a_nearest_region(stack):
    regions = Regions.from_masks(torch.from_numpy(stack))
    if len(regions) == 0:
        return
    gaps = ~stack.any(0)
    wanted = distance_transform_edt(gaps)
    filled = fill_coverage(regions)
    for mask, own in zip(filled.masks.numpy(), filled.ids.tolist(), strict=True):
        source = regions.masks[regions.ids.tolist().index(own)].numpy()
        distance = distance_transform_edt(~source)
        np.testing.assert_array_equal(distance[mask & gaps], wanted[mask & gaps])


def test_uncovered_pixels_go_to_the_nearest_region():
    assert map_of(fill_coverage(two())) == ["33333555", "33333555"]


def test_max_gap_leaves_what_is_farther():
    assert map_of(fill_coverage(two(), max_gap=1)) == ["333...55", "333....5"]
    assert map_of(fill_coverage(two(), max_gap=0)) == ["33.....5", "33......"]
    assert map_of(fill_coverage(two(), "background", max_gap=1)) == ["336...65", "336....6"]


def test_nearest_within_max_gap_agrees_with_expand_labels():
    y, x = np.mgrid[:50, :60]
    masks = np.stack(
        [(x - cx) ** 2 + (y - cy) ** 2 < 36 for cx, cy in [(9, 8), (40, 13), (25, 40)]]
    )
    regions = Regions.from_masks(torch.from_numpy(masks))
    seeds = sum((i + 1) * mask for i, mask in enumerate(regions.masks.numpy().astype(int)))
    expanded = expand_labels(seeds, 7)
    filled = fill_coverage(regions, max_gap=7)
    for i, mask in enumerate(filled.masks.numpy()):
        own = int(filled.ids[i]) + 1
        assert ((expanded == own) != mask).sum() <= 2  # ties
    assert filled.union().numpy().sum() == (expanded > 0).sum()


def test_background_takes_all_gaps_under_a_new_id():
    filled = fill_coverage(two(), "background")
    assert map_of(filled) == ["33666665", "33666666"]
    assert dict(zip(filled.ids.tolist(), filled.labels, strict=True)) == {
        3: "left",
        5: "right",
        6: "background",
    }


def test_new_regions_are_the_connected_gaps():
    wall = Regions.from_masks(mask_of("...#..", "...#..", "...#..", "####.."), ids=[4])
    assert map_of(fill_coverage(wall, "new_regions")) == ["555466", "555466", "555466", "444466"]


def test_small_gaps_join_their_neighbour_instead():
    wall = Regions.from_masks(mask_of(".##...", "###...", "..#..."), ids=[1])
    filled = fill_coverage(wall, "new_regions", min_gap_area=3)
    assert map_of(filled) == ["111222", "111222", "111222"]


def test_segmenting_asks_inside_each_gap_and_takes_only_what_is_free():
    wall = Regions.from_masks(mask_of(".....#...", ".....#...", ".....#..."), ids=[1])
    asked: list[list[tuple[int, int]]] = []

    def ask(points: list[tuple[int, int]]) -> Regions:
        asked.append(points)
        return boxes_around((3, 9), 1, 0.5)(points)

    filled = fill_coverage(wall, "segment", min_gap_area=4, segmenter=ask)
    assert asked == [[(1, 1), (7, 1)], [(3, 0)]]
    assert map_of(filled) == ["222441333", "222441333", "222241333"]
    assert dict(zip(filled.ids.tolist(), filled.scores.tolist(), strict=True)) == {
        1: 1.0,
        2: 0.5,
        3: 0.5,
        4: 0.5,
    }


def test_a_gap_where_nothing_is_found_becomes_a_region_and_small_ones_join_the_nearest():
    wall = Regions.from_masks(mask_of("...#.#..", "...#.#.."), ids=[1])
    filled = fill_coverage(wall, "segment", min_gap_area=4, segmenter=finds_nothing)
    assert map_of(filled) == ["22211133", "22211133"]
    assert filled.scores.tolist() == [1, 1, 1]


@given(stack=stacks, smallest=st.integers(1, 9), reach=st.integers(0, 3))
def test_segmenting_fills_whatever_the_segmenter_finds(stack, smallest, reach):
    regions = Regions.from_masks(torch.from_numpy(stack))
    segmenter = boxes_around(regions.size, reach)
    filled = fill_coverage(regions, "segment", min_gap_area=smallest, segmenter=segmenter)
    assert (filled.masks.sum(0) == 1).all()
    fresh = [own for own in filled.ids.tolist() if own not in regions.ids.tolist()]
    covered = regions.union()
    for mask, own in zip(filled.masks, filled.ids.tolist(), strict=True):
        if own in fresh:
            assert not (mask & covered).any()


def test_segmenting_within_max_gap_leaves_what_is_farther():
    filled = fill_coverage(two(), "segment", max_gap=1, min_gap_area=1, segmenter=finds_nothing)
    assert map_of(filled) == ["336...75", "336....7"]


def test_sam2_asked_in_a_gap_finds_the_thing_in_it(nano):
    image = torch.full((96, 128, 3), 0.2)
    image[20:70, 70:110] = torch.tensor([0.9, 0.3, 0.1])
    left = torch.zeros(96, 128, dtype=torch.bool)
    left[:, :50] = True
    filled = fill_coverage(
        Regions.from_masks(left), "segment", segmenter=point_segmenter(nano, image)
    )
    assert (filled.masks.sum(0) == 1).all()
    thing = image[..., 0] > 0.5
    ious = [float((m & thing).sum() / (m | thing).sum()) for m in filled.masks]
    assert max(ious) > 0.5


def test_edges_stop_the_filling_where_the_picture_changes():
    blocks = two().masks.repeat_interleave(20, 1).repeat_interleave(20, 2)
    large = Regions.from_masks(blocks, ids=two().ids)
    image = torch.zeros(40, 160, 3)
    image[:, 120:] = 1

    def drawn(picture: torch.Tensor) -> list[str]:
        filled = fill_coverage(large, "edges", image=picture, image_cost=3000)
        return [row[5::20] for row in map_of(filled)[5::20]]

    assert drawn(image) == ["33333355"] * 2
    assert drawn(torch.zeros(40, 160, 3)) == ["33333555"] * 2


@pytest.mark.parametrize("size", [100, 200])
def test_filling_along_edges_is_the_same_at_any_resolution(size):
    """An edge from black to white at 0.3 of the way is 0.2 long: the fill meets at 0.4."""
    image = torch.zeros(size, size, 3)
    image[:, int(0.3 * size) :] = 1
    ends = torch.zeros(2, size, size, dtype=torch.bool)
    ends[0, :, 0], ends[1, :, -1] = True, True
    filled = fill_coverage(Regions.from_masks(ends), "edges", image=image, image_cost=200)
    left = filled.masks[0 if bool(filled.masks[0, 0, 0]) else 1]
    assert float(left.float().mean()) == pytest.approx(0.4, abs=0.015)


def test_grain_hardly_moves_where_the_filling_meets():
    size = 320
    generator = torch.Generator().manual_seed(0)
    image = torch.full((size, size, 3), 0.5)
    image[:, : size // 2] += 0.03 * torch.randn((size, size // 2, 3), generator=generator)
    ends = torch.zeros(2, size, size, dtype=torch.bool)
    ends[0, :, 0], ends[1, :, -1] = True, True
    filled = fill_coverage(Regions.from_masks(ends), "edges", image=image.clamp(0, 1))
    left = filled.masks[0 if bool(filled.masks[0, 0, 0]) else 1]
    assert float(left.float().mean()) == pytest.approx(0.5, abs=0.03)


def test_kept_regions_keep_score_and_label():
    filled = fill_coverage(two())
    assert filled.labels == ("left", "right")
    assert filled.scores.tolist() == [0.5, 0.75]


@pytest.mark.parametrize(
    ("overlaps", "winner"),
    [("smallest", 1), ("largest", 0), ("highest_score", 2), ("nearest_depth", 3)],
)
def test_who_keeps_what_several_hold(overlaps, winner):
    masks = torch.stack(
        [
            mask_of("#######", "......."),
            mask_of("..##...", "......."),
            mask_of(".###...", "......."),
            mask_of("..##...", "..##..."),
        ]
    )
    regions = Regions.from_masks(masks, scores=[0.1, 0.2, 0.9, 0.3], ids=[0, 1, 2, 3])
    depth = torch.zeros(2, 7)
    depth[1] = 1
    filled = fill_coverage(regions, overlaps=overlaps, depth=depth)
    assert map_of(filled)[0][2:4] == str(winner) * 2
    if overlaps == "nearest_depth":
        far = fill_coverage(regions, overlaps=overlaps, depth=depth, near_is="black")
        assert map_of(far)[0][2:4] == "11"


def test_a_region_left_without_a_pixel_is_dropped():
    masks = torch.stack([mask_of("##.."), mask_of("#..."), mask_of(".#..")])
    filled = fill_coverage(Regions.from_masks(masks, ids=[7, 8, 9]), max_gap=0)
    assert sorted(filled.ids.tolist()) == [8, 9]


@pytest.mark.parametrize("method", FILL_METHODS)
def test_no_regions_become_one_that_holds_everything(method):
    none = Regions.empty((3, 4))
    filled = fill_coverage(none, method, **extras((3, 4)))
    assert filled.masks.all()
    assert filled.labels == ("background" if method == "background" else "",)
    assert len(fill_coverage(none, method, max_gap=5, **extras((3, 4)))) == 0


def test_coverage_counts_and_gaps():
    masks = torch.stack([mask_of("###.....", "###....."), mask_of("..##....", "........")])
    coverage = measure_coverage(Regions.from_masks(masks))
    assert coverage.counts.tolist() == [[1, 1, 2, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0, 0]]
    assert coverage.covered == 7 / 16
    assert coverage.overlapped == 1 / 16
    assert torch.equal(coverage.uncovered, coverage.counts == 0)
    assert torch.equal(coverage.gaps.masks, coverage.uncovered[None])
    assert coverage.sentence() == (
        "2 regions cover 43.8 % of the image, 6.2 % more than once (up to 2 deep); "
        "one gap of 56.2 % is in no region."
    )


@given(stack=stacks)
def test_gaps_are_the_largest_parts_of_what_is_uncovered(stack):
    coverage = measure_coverage(Regions.from_masks(torch.from_numpy(stack)))
    parts, count = label(~stack.any(0), np.ones((3, 3)))
    areas = sorted(np.bincount(parts.ravel())[1:].tolist(), reverse=True)
    assert coverage.gap_count == count
    assert coverage.gaps.areas.tolist() == areas[:10]
    assert not (coverage.gaps.masks & coverage.counts.bool()).any()


def test_sentences_for_none_all_and_nearly_all():
    none = measure_coverage(Regions.empty((4, 5)))
    assert none.sentence() == "No region: nothing of the image is covered."
    whole = torch.ones((1, 100, 100), dtype=torch.bool)
    all_of_it = measure_coverage(Regions.from_masks(whole))
    assert all_of_it.sentence() == "1 region covers 100 % of the image; no pixel is left out."
    whole[0, 4, 4] = whole[0, 9, 9] = False
    nearly = measure_coverage(Regions.from_masks(whole))
    assert nearly.sentence() == (
        "1 region covers more than 99.9 % of the image; less than 0.1 % is in no region, "
        "in 2 gaps, the largest less than 0.1 %."
    )


def test_gap_points_are_deepest_inside_the_largest_gaps():
    covered = mask_of(
        "#########",
        "#...#...#",
        "#...#...#",
        "#...#.###",
        "#########",
        "##.######",
    )
    regions = Regions.from_masks(covered)
    assert gap_points(regions) == [(2, 2), (5, 1), (2, 5)]
    assert gap_points(regions, min_gap_area=8) == [(2, 2)]
    assert gap_points(regions, count=2) == [(2, 2), (5, 1)]
    assert gap_points(Regions.empty((3, 5))) == [(1, 1)]
    assert gap_points(fill_coverage(regions)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "flood"}, "wanted one of nearest"),
        ({"overlaps": "first"}, "wanted one of smallest"),
        ({"method": "edges"}, "needs image"),
        ({"method": "segment"}, "needs a segmenter"),
        ({"overlaps": "nearest_depth"}, "needs depth"),
        ({"max_gap": -1}, "max_gap of 0 or more"),
        ({"method": "edges", "image": torch.zeros(2, 2, 8, 3)}, "wanted one image, got 2"),
        ({"method": "edges", "image": torch.zeros(2, 8, 3), "image_cost": -1}, "image_cost"),
        ({"method": "edges", "image": torch.zeros(2, 8, 3), "image_cost": math.inf}, "image_cost"),
        ({"method": "new_regions", "min_gap_area": -5}, "min_gap_area: wanted a number of 0 or"),
        ({"method": "segment", "segmenter": lambda _: two(), "min_gap_area": -5}, "min_gap_area"),
        ({"overlaps": "nearest_depth", "depth": torch.zeros(2, 2, 8)}, "one depth map, got 2"),
    ],
)
def test_what_cannot_be_filled_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        fill_coverage(two(), **arguments)


def test_more_new_regions_than_fit_in_memory_are_refused(monkeypatch):
    monkeypatch.setattr("region_fields.engine.cover.fill._MOST_BYTES", 4)
    comb = Regions.from_masks(mask_of("#.#.#.#.#"))
    with pytest.raises(InputError, match="Raise min_gap_area"):
        fill_coverage(comb, "new_regions")
    with pytest.raises(InputError, match="Raise min_gap_area"):
        fill_coverage(comb, "segment", min_gap_area=1, segmenter=finds_nothing)


def test_gap_points_need_sensible_numbers():
    with pytest.raises(InputError, match="at least 1"):
        gap_points(two(), min_gap_area=0)
