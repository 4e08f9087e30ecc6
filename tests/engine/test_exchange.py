"""Boxes, crops and LAYERS, out and in."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from region_fields.engine import InputError, Regions
from region_fields.engine.exchange import (
    boxes_by_frame,
    crop_regions,
    from_boxes,
    paste_crops,
    to_boxes,
    to_layers,
)

stacks = hnp.arrays(bool, st.tuples(st.integers(0, 4), st.integers(1, 6), st.integers(1, 20)))


BOX = {"x": 0, "y": 0, "width": 2, "height": 2}


def mask_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[c == "#" for c in row] for row in rows])


def two() -> Regions:
    masks = torch.stack([mask_of("....", "..#.", "...."), mask_of("##..", "#...", "....")])
    return Regions.from_masks(masks, [0.5, 0.75], ["dot", ""], ids=[4, 9])


def picture(height: int = 3, width: int = 4, channels: int = 3) -> torch.Tensor:
    return torch.rand((height, width, channels), generator=torch.Generator().manual_seed(1))


def test_crops_without_cutting_out_are_whole_boxes_that_take_no_memory():
    for longest in (0, 1):
        cut = crop_regions(two(), picture(), 1, longest)
        whole = crop_regions(two(), picture(), 1, longest, cut_out=False)
        for (crop, mask, box), (one, full, other) in zip(cut, whole, strict=True):
            assert torch.equal(crop, one)
            assert box == other
            assert full.shape == mask.shape
            assert (full == 1).all()
            assert full.untyped_storage().nbytes() == 4
    pasted = paste_crops(
        torch.zeros(3, 4, 3), *_columns(crop_regions(two(), picture(), cut_out=False))
    )
    covered = mask_of("##..", "###.", "....")
    assert torch.equal(pasted, picture() * covered[..., None])


def _columns(crops: list) -> tuple[list, list, list]:
    return [c for c, _, _ in crops], [b for _, _, b in crops], [m for _, m, _ in crops]


def test_boxes_hold_whole_pixels_score_and_label():
    assert to_boxes(two()) == [
        {"x": 0, "y": 0, "width": 2, "height": 2, "score": 0.75, "label": ""},
        {"x": 2, "y": 1, "width": 1, "height": 1, "score": 0.5, "label": "dot"},
    ]
    assert all(isinstance(to_boxes(two())[0][key], int) for key in ("x", "y", "width", "height"))


def test_boxes_are_taken_in_every_form():
    box, other = (
        {"x": 1, "y": 0, "width": 2, "height": 1},
        {"x": 0, "y": 0, "width": 1, "height": 1},
    )
    assert boxes_by_frame(box, 2) == [[box], [box]]
    assert boxes_by_frame([box, other], 2) == [[box, other], [box, other]]
    assert boxes_by_frame([[box], [other, box]], 2) == [[box], [other, box]]
    assert boxes_by_frame([[box]], 3) == [[box]] * 3
    assert boxes_by_frame([], 1) == [[]]
    assert boxes_by_frame([[box], [other], []]) == [[box], [other], []]


def test_boxes_become_regions_and_come_back():
    regions = from_boxes(to_boxes(two()), (3, 4))
    assert to_boxes(regions) == to_boxes(two())
    outside = from_boxes([{"x": -1, "y": 1.6, "width": 3, "height": 9}], (3, 4))
    assert outside.boxes.tolist() == [[0, 2, 2, 3]]
    assert outside.scores.tolist() == [1]
    assert len(from_boxes([], (3, 4))) == 0


@given(stack=stacks)
def test_crops_paste_back_to_the_same_image(stack):
    regions = Regions.from_masks(torch.from_numpy(stack))
    image = picture(*stack.shape[1:])
    crops, masks, boxes = ([], [], [])
    for crop, mask, box in crop_regions(regions, image, padding=1):
        assert crop.shape[1:3] == mask.shape[1:] == (box["height"], box["width"])
        crops.append(crop), masks.append(mask), boxes.append(box)
    assert torch.equal(paste_crops(image, crops, boxes, masks), image)
    assert torch.equal(paste_crops(image, crops, boxes), image)
    inverted = paste_crops(image, [1 - crop for crop in crops], boxes, masks)
    inside = torch.from_numpy(stack.any(0))
    assert torch.equal(inverted[~inside], image[~inside])
    torch.testing.assert_close(inverted[inside], 1 - image[inside])


def test_crops_hold_the_image_and_the_mask_of_their_box():
    image = picture(channels=4)
    crop, mask, box = crop_regions(two(), image)[0]
    assert box == {"x": 0, "y": 0, "width": 2, "height": 2}
    assert torch.equal(crop, image[None, :2, :2])
    assert mask.tolist() == [[[1, 1], [1, 0]]]
    padded = crop_regions(two(), image, padding=1)[1]
    assert padded[2] == {"x": 1, "y": 0, "width": 3, "height": 3}
    crop[:] = 0
    assert not torch.equal(image, torch.zeros_like(image))


def test_the_first_crop_lies_on_top_and_the_base_is_not_written():
    base = torch.zeros(2, 3, 3)
    box = {"x": 0, "y": 0, "width": 2, "height": 1}
    pasted = paste_crops(base, [torch.full((1, 1, 2, 3), v) for v in (0.25, 0.75)], [box, box])
    assert pasted[0, :, 0].tolist() == [0.25, 0.25, 0]
    assert not base.any()


def test_a_crop_of_another_size_is_resized_to_its_box():
    box = {"x": 1, "y": 0, "width": 2, "height": 2}
    pasted = paste_crops(torch.zeros(2, 4, 3), [torch.ones(8, 8, 3)], [box], [torch.ones(4, 4)])
    assert pasted[..., 0].tolist() == [[0, 1, 1, 0], [0, 1, 1, 0]]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("channels", [3, 4])
def test_crops_of_any_float_type_are_shrunk_and_pasted_back_in_it(kind, channels):
    image = picture(channels=channels)
    regions = Regions.from_masks(torch.ones(1, *image.shape[:2]))

    def there_and_back(image):
        [(crop, mask, box)] = crop_regions(regions, image, longest=2)
        assert max(crop.shape[1:3]) == 2
        pasted = paste_crops(image, [crop], [box], [mask.to(image.dtype)])
        assert crop.dtype == pasted.dtype == image.dtype
        return pasted.to(torch.float32)

    wanted = there_and_back(image)
    torch.testing.assert_close(there_and_back(image.to(kind)), wanted, rtol=0, atol=0.01)


def test_what_is_transparent_lends_a_smaller_crop_no_colour():
    image = torch.zeros(4, 4, 4)
    image[:, :2] = torch.tensor([1.0, 0.5, 0.25, 1.0])
    whole = Regions.from_masks(torch.ones(1, 4, 4))
    [(crop, _, _)] = crop_regions(whole, image, longest=3)
    seen = crop[crop[..., 3] > 0]
    torch.testing.assert_close(seen[:, :3], torch.tensor([1.0, 0.5, 0.25]).expand(len(seen), 3))


def composited(layers: dict) -> torch.Tensor:
    """What core's Create Layered Image makes of LAYERS with opaque normal layers: (H, W, 4).

    As its rules are: raster items of version 1 in the order of z_index, each at x, y; a layer's
    alpha is the picture's, if it has any, x (1 - mask); without a background.
    """
    assert layers["version"] == 1
    width, height = layers["canvas"]
    canvas = torch.zeros(height, width, 4)
    for layer in sorted(layers["layers"], key=lambda layer: layer["z_index"]):
        assert (layer["type"], layer["blend_mode"]) == ("raster", "normal")
        assert (layer["opacity"], layer["rotation"], layer["visible"]) == (1.0, 0.0, True)
        assert all(type(layer[key]) is int for key in ("x", "y", "w", "h", "z_index"))
        picture, mask = layer["image"], layer["mask"]
        assert picture.shape[:3] == mask.shape == (1, layer["h"], layer["w"])
        alpha = (1 - mask[0]) * (picture[0, ..., 3] if picture.shape[-1] == 4 else 1)
        rows = slice(layer["y"], layer["y"] + layer["h"])
        part = canvas[rows, layer["x"] : layer["x"] + layer["w"]]
        assert part.shape[:2] == alpha.shape  # inside the canvas
        above = torch.cat([picture[0, ..., :3], torch.ones_like(alpha)[..., None]], -1)
        part.copy_(torch.where(alpha[..., None] > 0.5, above, part))
    return canvas


@given(stack=stacks)
def test_layers_composite_to_the_image_where_regions_are(stack):
    regions = Regions.from_masks(torch.from_numpy(stack))
    image = picture(*regions.size)
    layers, message = to_layers(regions, image)
    assert message == ""
    canvas, inside = composited(layers), regions.union()
    assert torch.equal(canvas[..., :3][inside], image[inside])
    assert torch.equal(canvas[..., 3] > 0, inside)
    assert [layer["z_index"] for layer in layers["layers"]] == list(range(len(regions)))
    for layer in layers["layers"]:  # tight: no side of the crop is empty
        opaque = layer["mask"][0] == 0
        for side in (opaque[0], opaque[-1], opaque[:, 0], opaque[:, -1]):
            assert side.any()


def test_layers_are_named_and_the_smaller_region_lies_above():
    masks = torch.stack([mask_of("####", "####", "...."), mask_of(".#..", ".#..", "....")])
    layers, _ = to_layers(Regions.from_masks(masks, labels=["", "stick"]), picture())
    assert layers["canvas"] == (4, 3)
    assert [layer["name"] for layer in layers["layers"]] == ["region 0", "stick"]
    below, above = layers["layers"]
    assert (above["x"], above["y"], above["w"], above["h"]) == (1, 0, 1, 2)
    assert above["z_index"] > below["z_index"]


def test_a_pictures_own_alpha_stays_in_its_layers():
    image = torch.cat([picture(), mask_of("####", "##.#", "####")[..., None].float()], -1)
    layers, _ = to_layers(two(), image)
    assert {layer["image"].shape[-1] for layer in layers["layers"]} == {4}
    assert int((composited(layers)[..., 3] > 0).sum()) == int(two().union().sum()) - 1


def test_of_too_many_regions_the_smallest_are_left_out_of_the_layers():
    masks = torch.tril(torch.ones(53, 53, dtype=torch.bool))[:, None]
    layers, message = to_layers(Regions.from_masks(masks), picture(1, 53))
    assert len(layers["layers"]) == 50
    assert min(layer["w"] for layer in layers["layers"]) == 4
    assert message.endswith("of 53 regions the 3 smallest are left out.")
    _, message = to_layers(Regions.from_masks(masks[:51]), picture(1, 53))
    assert message.endswith("of 51 regions the smallest is left out.")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: boxes_by_frame("box", 1), "wanted a box"),
        (lambda: boxes_by_frame([[], [], []], 2), "3 lists of boxes for 2 images"),
        (lambda: from_boxes([{"x": 1}], (3, 4)), "wanted x, y, width"),
        (lambda: from_boxes([{"x": 9, "y": 0, "width": 1, "height": 1}], (3, 4)), "holds no pixel"),
        (lambda: from_boxes([None], (3, 4)), "wanted x, y, width"),
        (lambda: crop_regions(two(), picture(6, 8)), "4 x 3 pixels large but this one is 8 x 6"),
        (lambda: crop_regions(two(), torch.zeros(2, 3, 4, 3)), "wanted one image"),
        (lambda: crop_regions(two(), picture(), -1), "padding of 0 or more pixels"),
        (lambda: paste_crops(picture(), [picture()], []), "1 crop but 0 boxes"),
        (
            lambda: paste_crops(picture(), [picture()], [BOX], [torch.zeros(0, 5, 5)]),
            "Paste Crops: masks: wanted a mask",
        ),
        (
            lambda: paste_crops(
                picture(), [picture()], [{"x": 3, "y": 0, "width": 2, "height": 1}]
            ),
            "does not lie in the image",
        ),
        (lambda: paste_crops(picture(), [picture()], [{"x": 0}]), "wanted x, y, width"),
        (lambda: from_boxes([{**BOX, "x": math.inf}], (3, 4)), "wanted x, y, width"),
    ],
)
def test_what_cannot_be_exchanged_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_no_regions_give_nothing():
    empty = Regions.empty((3, 4))
    assert to_boxes(empty) == []
    assert crop_regions(empty, picture()) == []
    assert to_layers(empty, picture())[0]["layers"] == []
    np.testing.assert_array_equal(paste_crops(picture(), [], []).numpy(), picture().numpy())
