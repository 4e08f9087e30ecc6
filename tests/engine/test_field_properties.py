"""What holds for every source of fields and every effect, on the demo scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from region_fields.engine import (
    InputError,
    blend_strengths,
    combine_fields,
    composite,
    field_from_depth,
    field_from_distance,
)
from region_fields.engine.blur import blur_by_field
from region_fields.engine.curve import curve_field, snap_field
from region_fields.engine.grade import grade_by_field, haze_by_field
from region_fields.engine.ops.resize import resize_area
from region_fields.engine.relight import relight_by_field
from region_fields.engine.shape import field_from_3d_point, field_from_image_range
from torch import Tensor

Make = Callable[[dict[str, Tensor]], Tensor]


def depth(s: dict[str, Tensor]) -> Tensor:
    return field_from_depth(s["depth"], near_is="black", far=0.2)


def focus(s: dict[str, Tensor]) -> Tensor:
    return field_from_depth(
        s["depth"], near_is="black", focus=0.4, range=0.1, normalize="disparity"
    )


def distance(s: dict[str, Tensor]) -> Tensor:
    return field_from_distance(s["mask"], outer_radius=40, units="percent")


def signed(s: dict[str, Tensor]) -> Tensor:
    reach = {"inner_radius": 10, "outer_radius": 20, "units": "percent"}
    return field_from_distance(s["mask"], side="signed", **reach)


def along_edges(s: dict[str, Tensor]) -> Tensor:
    return field_from_distance(
        s["mask"], outer_radius=20, units="percent", image=s["image"], depth=s["depth"]
    )


def luminance(s: dict[str, Tensor]) -> Tensor:
    return field_from_image_range(s["image"], low=0.4, high=0.7, low_feather=0.4, high_feather=0.3)


def hue(s: dict[str, Tensor]) -> Tensor:
    return field_from_image_range(
        s["image"], channel="hue", low=330, high=80, low_feather=40, high_feather=60
    )


def blend(s: dict[str, Tensor]) -> Tensor:
    width = 0.05 * min(s["mask"].shape[1:])
    each = [torch.stack([mask, ~mask]) for mask in s["mask"]]
    return torch.cat([blend_strengths(masks, [1.0, 0.2], width) for masks in each])


def chain(s: dict[str, Tensor]) -> Tensor:
    mixed = combine_fields([depth(s), distance(s)], mode="screen")
    return curve_field(mixed, preset="smoothstep", gamma=1.3)


def snapped(s: dict[str, Tensor]) -> Tensor:
    return snap_field(distance(s), s["image"], radius=3, units="percent")


def mixed(s: dict[str, Tensor]) -> Tensor:
    return composite(s["image"], s["dusk"], chain(s))


def graded(s: dict[str, Tensor]) -> Tensor:
    return grade_by_field(s["image"], chain(s), exposure=-1, temperature=-0.5, hue=20)


def hazy(s: dict[str, Tensor]) -> Tensor:
    return haze_by_field(s["image"], depth(s))


def blurred(s: dict[str, Tensor]) -> Tensor:
    return blur_by_field(s["image"], focus(s), radius=0.02 * min(s["mask"].shape[1:]))


def relit(s: dict[str, Tensor]) -> Tensor:
    return relight_by_field(
        s["image"], distance(s), depth=s["depth"], near_is="black", elevation=90
    )


FIELDS: list[Make] = [
    depth,
    focus,
    distance,
    signed,
    along_edges,
    luminance,
    hue,
    blend,
    chain,
    snapped,
]
EFFECTS: list[Make] = [mixed, graded, hazy, blurred, relit]


@pytest.fixture(scope="module")
def small(scene) -> dict[str, Tensor]:
    """The scene at a quarter of its size, and mirrored, as a batch of two."""
    whole = {
        "image": scene.image.movedim(-1, 0),
        "dusk": scene.dusk.movedim(-1, 0),
        "depth": scene.depth[None],
        "mask": scene.mask(scene.subject)[None].float(),
    }
    quarter = {name: resize_area(planes, (160, 240)) for name, planes in whole.items()}
    quarter["mask"] = quarter["mask"] > 0.5
    batch = {name: torch.stack([planes, planes.flip(-1)]) for name, planes in quarter.items()}
    return {
        name: planes[:, 0] if planes.shape[1] == 1 else planes.movedim(1, -1).contiguous()
        for name, planes in batch.items()
    }


def each(scene: dict[str, Tensor], change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    return {name: change(planes).contiguous() for name, planes in scene.items()}


@pytest.mark.parametrize("make", [*FIELDS, *EFFECTS], ids=lambda make: make.__name__)
def test_it_is_in_range_and_finite(make, small):
    out = make(small)
    assert out.dtype == torch.float32
    assert bool(out.isfinite().all())
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1
    assert float(out.max() - out.min()) > 0.3, "it does something"


@pytest.mark.parametrize("make", [*FIELDS, *EFFECTS], ids=lambda make: make.__name__)
@pytest.mark.parametrize("turn", ["left-right", "up-down", "quarter"])
def test_flips_and_turns_commute_with_it(make, turn, small):
    if make is relit and turn == "quarter":
        pytest.skip("relief is said in widths")

    def turned(planes: Tensor) -> Tensor:
        if turn == "quarter":
            return planes.rot90(1, (1, 2))
        return planes.flip(2 if turn == "left-right" else 1)

    torch.testing.assert_close(make(each(small, turned)), turned(make(small)), rtol=0, atol=2e-3)


@pytest.mark.parametrize("make", [*FIELDS, *EFFECTS], ids=lambda make: make.__name__)
def test_a_batch_gives_what_its_frames_give(make, small):
    both = make(small)
    for i in range(2):
        alone = make(each(small, lambda planes, i=i: planes[i : i + 1]))
        torch.testing.assert_close(both[i : i + 1], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "make", [make for make in FIELDS if make is not along_edges], ids=lambda make: make.__name__
)
def test_a_field_does_not_depend_on_resolution(make, small):
    def fine(planes: Tensor) -> Tensor:
        return planes.repeat_interleave(2, 1).repeat_interleave(2, 2)

    coarse = make(small)
    averaged = resize_area(make(each(small, fine)), (160, 240))
    assert float((averaged - coarse).square().mean().sqrt()) < 0.01


def test_a_field_round_edges_does_not_depend_on_resolution(scene):
    """From 120 pixels on: below, a pixel is wider than what edges are smoothed by."""
    whole = {
        "image": scene.image[None],
        "depth": scene.depth[None],
        "mask": scene.mask(scene.subject)[None],
    }
    size = (scene.image.shape[0] // 2, scene.image.shape[1] // 2)
    half = {
        "image": resize_area(scene.image.movedim(-1, 0), size).movedim(0, -1)[None],
        "depth": resize_area(whole["depth"], size),
        "mask": resize_area(whole["mask"].float(), size) > 0.5,
    }
    off = resize_area(along_edges(whole), size) - along_edges(half)
    assert float(off.square().mean().sqrt()) < 0.01


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("make", [*FIELDS, *EFFECTS], ids=lambda make: make.__name__)
def test_a_gpu_gives_what_the_cpu_gives(make, small):
    there = make(each(small, lambda planes: planes.cuda()))
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), make(small), rtol=0, atol=1e-4)


def test_a_field_round_a_point_in_space_turns_with_the_scene(small):
    def field(depths: Tensor, point: tuple[float, float], **camera: Any) -> Tensor:
        return field_from_3d_point(depths, point=point, outer_radius=20, **camera)

    plain = field(small["depth"], (80, 100))
    flipped = field(small["depth"].flip(2), (239 - 80, 100))
    torch.testing.assert_close(flipped, plain.flip(2), rtol=0, atol=1e-4)


@pytest.mark.parametrize("make", [along_edges, luminance, hue, snapped], ids=lambda m: m.__name__)
def test_a_picture_with_values_that_are_no_numbers_is_named(make, small):
    image = small["image"].clone()
    image[0, 3, 4, 1] = torch.nan
    with pytest.raises(InputError, match="image: has values that are not finite"):
        make(small | {"image": image})
