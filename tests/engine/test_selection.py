"""Selection: each criterion's definition, its ties, and its freedom from mask order."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine import InputError, Regions, select
from region_fields.engine.ops.colour import srgb_to_oklab
from region_fields.engine.selection import (
    CRITERIA,
    Question,
    rank,
    renumbered,
    rest_of,
    sort_order,
    subject,
)
from scipy.ndimage import distance_transform_edt

stacks = hnp.arrays(bool, st.tuples(st.integers(0, 6), st.integers(2, 7), st.integers(2, 12)))


def mask_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[c == "#" for c in row] for row in rows])


def corners() -> Regions:
    """An L round the top left, a square at the bottom right, a dot above the middle."""
    return Regions.from_masks(
        torch.stack(
            [
                mask_of("######", "#.....", "#.....", "#.....", "#....."),
                mask_of("......", "......", "......", "....##", "....##"),
                mask_of("......", "..#...", "......", "......", "......"),
            ]
        ),
        scores=[0.7, 0.9, 0.8],
        stability=[0.95, 0.9, 0.99],
        labels=["frame", "Cup", "dot "],
        ids=[10, 20, 30],
    )


def asked(stack: np.ndarray, seed: int) -> dict:
    """Something to answer every criterion's need."""
    rng = np.random.default_rng(seed)
    height, width = stack.shape[1:]
    return {
        "point": (rng.uniform(-2, width + 1), rng.uniform(-2, height + 1)),
        "mask": torch.from_numpy(rng.random((height, width)) < 0.4),
        "image": torch.from_numpy(rng.random((height, width, 3), dtype=np.float32)),
        "depth": torch.from_numpy(rng.random((height, width), dtype=np.float32)),
        "color": "#30c060",
        "label": "a",
    }


@pytest.mark.parametrize("by", CRITERIA)
@settings(max_examples=20)
@given(data=st.data(), stack=stacks)
def test_a_choice_does_not_depend_on_the_order_of_the_masks(by, data, stack):
    count = len(stack)
    shuffle = list(data.draw(st.permutations(range(count))))
    labels = data.draw(st.lists(st.sampled_from(["a", "b"]), min_size=count, max_size=count))
    scores = data.draw(st.lists(st.sampled_from([0.5, 1.0]), min_size=count, max_size=count))
    masks = torch.from_numpy(stack)
    one = Regions.from_masks(masks, scores, labels)
    other = Regions.from_masks(
        masks[shuffle], [scores[i] for i in shuffle], [labels[i] for i in shuffle]
    )
    question = asked(stack, count)
    then_by = data.draw(st.sampled_from(["", "left_most", "smallest"]))
    chosen = select(one, by, count=2, then_by=then_by, **question)
    assert chosen.equals(select(other, by, count=2, then_by=then_by, **question))
    assert len(chosen) <= 2
    assert len(chosen) + len(rest_of(one, chosen)) == len(one)


@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        ("largest", 10),
        ("smallest", 30),
        ("most_central", 30),
        ("left_most", 10),
        ("right_most", 20),
        ("top_most", 10),
        ("bottom_most", 20),
        ("highest_score", 20),
        ("most_stable", 30),
    ],
)
def test_criteria_of_shape_and_score(by, wanted):
    assert select(corners(), by).ids.tolist() == [wanted]


def test_nearest_point_measures_to_the_mask_and_not_to_its_box():
    assert select(corners(), "nearest_point", point=(3, 4)).ids.tolist() == [20]
    question = Question(point=(4, 2))
    assert [corners().ids[i] for i in rank(corners(), "nearest_point", question)] == [20, 10, 30]


@given(stack=stacks, x=st.integers(-5, 16), y=st.integers(-5, 12))
def test_nearest_point_agrees_with_scipy(stack, x, y):
    regions = Regions.from_masks(torch.from_numpy(stack))
    padded = np.pad(regions.masks.numpy(), ((0, 0), (20, 20), (20, 20)))
    distances = [distance_transform_edt(~mask)[y + 20, x + 20] for mask in padded]
    order = sorted(range(len(regions)), key=lambda i: (distances[i], regions.areas[i], i))
    assert rank(regions, "nearest_point", Question(point=(x, y))) == order


def test_of_nested_regions_at_a_point_the_innermost_is_chosen():
    y, x = torch.meshgrid(torch.arange(9), torch.arange(9), indexing="ij")
    rings = torch.stack([(x - 4).abs().maximum((y - 4).abs()) <= r for r in (4, 2, 1)])
    regions = Regions.from_masks(rings, ids=[4, 2, 1])
    for by in ("nearest_point", "containing_point"):
        assert select(regions, by, point=(4, 4)).ids.tolist() == [1]
    assert select(regions, "nearest_point", point=(4, 4), then_by="largest").ids.tolist() == [4]
    assert select(regions, "containing_point", 5, point=(6, 4)).ids.tolist() == [4, 2]
    assert len(select(regions, "containing_point", point=(9, 4))) == 0
    assert len(select(regions, "containing_point", point=(-1, 4))) == 0


def test_a_point_means_the_pixel_it_lies_in():
    regions = Regions.from_masks(mask_of("..#.."))
    assert len(select(regions, "containing_point", point=(1.5, 0.4))) == 1
    assert len(select(regions, "containing_point", point=(2.5, 0))) == 0


def test_depth_is_the_mean_over_valid_pixels():
    depth = torch.full((5, 6), 2.0)
    depth[3:, 4:] = torch.tensor([[1.0, math.inf], [math.nan, 2.0]])
    depth[1, 2] = 1.75
    far_is_large = {"depth": depth, "near_is": "black"}
    assert select(corners(), "nearest_in_depth", **far_is_large).ids.tolist() == [20]
    assert select(corners(), "farthest_in_depth", **far_is_large).ids.tolist() == [10]
    assert select(corners(), "farthest_in_depth", depth=depth).ids.tolist() == [20]
    assert select(corners(), "nearest_in_depth", depth=depth).ids.tolist() == [10]


def test_a_region_without_valid_depth_is_never_chosen():
    depth = torch.ones((5, 6))
    depth[1, 2] = math.nan
    for by in ("nearest_in_depth", "farthest_in_depth"):
        assert 30 not in select(corners(), by, 3, depth=depth).ids.tolist()


def test_overlap_is_by_iou_or_by_the_share_inside():
    mask = mask_of("######", "#.#...", "#.....", "......", "......")
    assert select(corners(), "best_iou", mask=mask).ids.tolist() == [10]
    assert select(corners(), "most_inside", mask=mask).ids.tolist() == [30]
    assert select(corners(), "best_iou", 3, mask=mask).ids.tolist() == [10, 30]
    assert len(select(corners(), "most_inside", mask=torch.zeros(5, 6))) == 0


@pytest.mark.parametrize("by", ["best_iou", "most_inside"])
def test_an_upscaled_mask_answers_as_the_mask_itself(by):
    mask = corners().masks[1].float()
    large = mask.repeat_interleave(4, 0).repeat_interleave(4, 1)
    assert select(corners(), by, mask=large[None]).equals(select(corners(), by, mask=mask))


@given(stack=stacks)
def test_iou_agrees_with_counting(stack):
    regions = Regions.from_masks(torch.from_numpy(stack))
    mask = asked(stack, 1)["mask"]
    masks = regions.masks
    iou = (masks & mask).sum((1, 2)) / (masks | mask).sum((1, 2))
    order = [i for i in (-iou).argsort(stable=True).tolist() if iou[i] > 0]
    assert rank(regions, "best_iou", Question(mask=mask)) == order


def test_colour_is_compared_by_the_mean_in_oklab():
    regions = corners()
    image = torch.rand((5, 6, 3), generator=torch.Generator().manual_seed(2))
    lab = srgb_to_oklab(image)
    means = torch.stack([lab[mask].mean(0) for mask in regions.masks])
    for color in ("#ff0000", (0.1, 0.2, 0.9), "8090a0"):
        values = (
            [int(color.lstrip("#")[i : i + 2], 16) / 255 for i in (0, 2, 4)]
            if isinstance(color, str)
            else color
        )
        wanted = (means - srgb_to_oklab(torch.tensor(values))).norm(dim=1).argsort().tolist()
        assert rank(regions, "closest_color", Question(image=image, color=color)) == wanted


def test_labels_match_without_regard_to_case_and_spaces():
    assert select(corners(), "label", label="cup").ids.tolist() == [20]
    assert select(corners(), "label", 9, label=["DOT", "cup"]).ids.tolist() == [20, 30]
    assert len(select(corners(), "label", label="cat")) == 0


def test_ties_go_to_then_by_and_at_last_to_the_canonical_order():
    masks = torch.stack([mask_of("##....##"), mask_of("....##.."), mask_of("..##....")])
    regions = Regions.from_masks(masks, ids=[0, 1, 2])
    assert select(regions, "highest_score").equals(regions.take([0]))
    assert select(regions, "highest_score", then_by="right_most").ids.tolist() == [1]


def test_count_takes_the_best_of_what_there_is():
    assert select(corners(), "largest", 2).ids.tolist() == [10, 20]
    assert len(select(corners(), "largest", 99)) == 3


@pytest.mark.parametrize("by", CRITERIA)
def test_no_regions_give_no_regions(by):
    empty = Regions.empty((5, 6))
    chosen = select(empty, by, **asked(np.zeros((0, 5, 6), bool), 0))
    assert len(chosen) == 0
    assert chosen.size == (5, 6)


def test_the_rest_is_told_by_ids():
    regions = corners()
    chosen = select(regions, "smallest")
    assert rest_of(regions, chosen).ids.tolist() == [10, 20]


def test_selecting_writes_none_of_its_inputs():
    question = asked(np.zeros((0, 5, 6), bool), 3)
    question["depth"][0, 0] = math.nan
    copies = {name: value.clone() for name, value in question.items() if hasattr(value, "clone")}
    for by in CRITERIA:
        select(corners(), by, **question)
    for name, copy in copies.items():
        assert torch.equal(question[name].nan_to_num(7), copy.nan_to_num(7))


def test_the_subject_is_large_central_and_free_of_the_border(scene):
    masks = torch.stack([scene.mask(name) for name in scene.names])
    regions = Regions.from_masks(masks, labels=scene.names)
    assert subject(regions).labels == (scene.subject,)


def test_a_background_is_not_the_subject():
    y, x = torch.meshgrid(torch.arange(60), torch.arange(80), indexing="ij")
    disc = (x - 30) ** 2 + (y - 35) ** 2 < 15**2
    regions = Regions.from_masks(torch.stack([~disc, disc, y < 30]), ids=[0, 1, 2])
    assert subject(regions).ids.tolist() == [1]
    assert len(subject(Regions.empty((4, 4)))) == 0


@given(data=st.data(), stack=stacks)
def test_the_subject_does_not_depend_on_order(data, stack):
    shuffle = list(data.draw(st.permutations(range(len(stack)))))
    masks = torch.from_numpy(stack)
    one, other = Regions.from_masks(masks), Regions.from_masks(masks[shuffle])
    assert subject(one).equals(subject(other))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "biggest"}, "wanted one of largest"),
        ({"by": "largest", "count": 0}, "at least 1"),
        ({"by": "nearest_point"}, "nearest_point needs point"),
        ({"by": "best_iou"}, "needs mask"),
        ({"by": "nearest_in_depth"}, "needs depth"),
        ({"by": "closest_color", "image": torch.zeros(5, 6, 3)}, "needs color"),
        ({"by": "largest", "point": (1, 2, 3)}, "wanted a point x, y"),
        ({"by": "nearest_point", "point": (1, math.nan)}, "wanted a point x, y"),
        ({"by": "largest", "then_by": "label"}, "needs label"),
        ({"by": "nearest_in_depth", "depth": torch.ones(2, 5, 6)}, "wanted one depth"),
        ({"by": "nearest_in_depth", "depth": torch.ones(5, 6), "near_is": "up"}, "near_is"),
    ],
)
def test_what_cannot_be_answered_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        select(corners(), **arguments)


@pytest.mark.parametrize("color", ["#12", "red", "#gggggg", "#+1+1+1", (1, 2), (0, 0, 300)])
def test_what_is_no_colour_is_refused(color):
    with pytest.raises(InputError, match="wanted a colour"):
        select(corners(), "closest_color", image=torch.zeros(5, 6, 3), color=color)


@given(data=st.data(), stack=stacks)
def test_sorting_ranks_all_regions_and_does_not_depend_on_order(data, stack):
    masks = torch.from_numpy(stack)
    shuffle = list(data.draw(st.permutations(range(len(stack)))))
    regions, other = Regions.from_masks(masks), Regions.from_masks(masks[shuffle])
    for reverse in (False, True):
        for by in ("left_most", "smallest", "containing_point"):
            question = Question(point=(1, 1))
            order = sort_order(regions, by, question, reverse=reverse)
            assert sorted(order) == list(range(len(regions)))
            assert order == sort_order(other, by, question, reverse=reverse)
    across = [float(regions.centroids[i, 0]) for i in sort_order(regions, "left_most", Question())]
    assert across == sorted(across)


def test_what_a_criterion_cannot_choose_comes_last_either_way():
    masks = torch.zeros(3, 4, 8, dtype=torch.bool)
    masks[0, :, :4] = masks[1, 0, :2] = masks[2, 3, 7] = True
    regions = Regions.from_masks(masks, labels=["big", "small", "far"])
    question = Question(point=(0, 0))

    def names(reverse: bool) -> list[str]:
        order = sort_order(regions, "containing_point", question, reverse=reverse)
        return [regions.labels[i] for i in order]

    assert names(False) == ["small", "big", "far"]
    assert names(True) == ["big", "small", "far"]


def test_renumbering_gives_places_in_the_order_as_ids():
    masks = torch.eye(3, 9, dtype=torch.bool)[:, None]
    regions = Regions.from_masks(masks, labels=["left", "middle", "right"], ids=[7, 8, 9])
    order = sort_order(regions, "right_most", Question())
    found = renumbered(regions, order)
    assert dict(zip(found.ids.tolist(), found.labels, strict=True)) == {
        0: "right",
        1: "middle",
        2: "left",
    }
