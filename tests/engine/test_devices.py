"""Every stage gives on a GPU what it gives on the CPU; the GPU is pretended."""

from __future__ import annotations

import pytest
import torch
from both_places import assert_same, called_by, functions_of_tensors
from region_fields.engine import (
    Regions,
    blend,
    blur,
    coco,
    compare,
    curve,
    edit,
    exchange,
    field,
    filter,
    grade,
    label_map,
    measure_field,
    relight,
    sampling,
    segs,
    selection,
    shape,
    wand,
)
from region_fields.engine import apply as applied
from region_fields.engine.cover import ask_again, fill, measure
from region_fields.engine.ops.blur import blur as blurred
from region_fields.engine.preview import draw, lettering

random = torch.Generator().manual_seed(0)
H, W = SIZE = (14, 21)
FIELD = blurred(torch.rand((1, *SIZE), generator=random), 6, "gaussian")
FIELD = ((FIELD - FIELD.min()) / (FIELD.max() - FIELD.min()) * 1.4 - 0.2).clamp(0, 1)
FRAMES = torch.cat([FIELD, 1 - FIELD, FIELD.flip(1)])
IMAGE = torch.rand((1, *SIZE, 3), generator=random)
RGBA = torch.rand((1, *SIZE, 4), generator=random)
SPOTS = torch.rand(SIZE, generator=random) > 0.97
DEPTH = (10 * torch.rand((1, *SIZE), generator=random)).masked_fill(SPOTS, torch.inf)
BLOBS = blurred(torch.rand((5, *SIZE), generator=random), 6, "gaussian") > 0.5
BLOBS[4] = BLOBS[3]
REGIONS = Regions.from_masks(
    torch.cat([BLOBS, SPOTS[None]]),
    scores=[0.9, 0.8, 0.7, 0.6, 0.6, 0.5],
    labels=["cup", "", "pear", "", "", "dust"],
)
STRENGTHS = [i / len(REGIONS) for i in range(len(REGIONS))]
LABELS = torch.randint(0, 4, SIZE, generator=random, dtype=torch.int32)
SIGMAS = torch.tensor([14.0, 7.0, 3.0, 1.0, 0.3, 0.0])
QUESTION = {
    "point": (5.0, 3.0),
    "mask": FIELD[0] > 0.5,
    "image": IMAGE[0],
    "depth": DEPTH[0],
    "color": "#806040",
    "label": "cup",
}


def found(points):
    """A segmenter that finds the 3 x 3 pixels around each point; its regions lie on the CPU."""
    masks = torch.zeros((len(points), *SIZE), dtype=torch.bool)
    for mask, (x, y) in zip(masks, points, strict=True):
        mask[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
    return Regions.from_masks(masks, ids=list(range(len(points))))


def asked(put, criterion):
    question = selection.CRITERIA[criterion].needs
    return {
        name: put(value) if isinstance(value, torch.Tensor) else value
        for name, value in QUESTION.items()
        if name in question
    }


def asked_again(put):
    labels, gaps = put(torch.zeros(SIZE, dtype=torch.int32)), put(FIELD[0] > 0.4)
    return ask_again.ask_again(labels, gaps, 1, 4, found, 99, None), labels


def regions_from(put, masks):
    return Regions.from_masks(put(masks))


CASES = {
    "Regions.from_masks": lambda put: regions_from(put, BLOBS),
    "Regions.from_masks floats": lambda put: Regions.from_masks(
        put(FRAMES), put(torch.tensor([0.5, 0.6, 0.7])), ids=put(torch.tensor([4, 2, 7]))
    ),
    "Regions.from_packed": lambda put: Regions.from_packed(put(REGIONS.packed.clone()), SIZE),
    "Regions.masks": lambda put: put(REGIONS).masks,
    "Regions.chunks": lambda put: list(put(REGIONS).chunks(3 * H * W)),
    "Regions.take": lambda put: put(REGIONS).take(put(torch.tensor([4, 1]))),
    "Regions.take flags": lambda put: put(REGIONS).take([i % 2 == 0 for i in range(len(REGIONS))]),
    "Regions.union": lambda put: put(REGIONS).union(),
    "Regions.with_labels": lambda put: put(REGIONS).with_labels(["a"] * len(REGIONS)),
    "Regions.equals": lambda put: [put(REGIONS).equals(put(REGIONS))],
    "Regions.empty": lambda put: Regions.empty(SIZE, put(SPOTS).device),
    **{
        f"apply.composite {space} {name}": lambda put, space=space, base=base: applied.composite(
            put(base), put(1 - IMAGE), put(FIELD), space
        )
        for space in applied.SPACES
        for name, base in (("RGB", IMAGE), ("RGBA", RGBA))
    },
    "apply.composite sizes": lambda put: applied.composite(
        put(IMAGE), put(RGBA[:, ::2, ::2]), put(FIELD[:, ::3, ::3])
    ),
    "blend.blend_strengths": lambda put: blend.blend_strengths(put(REGIONS), STRENGTHS, 4),
    "blend.blend_strengths masks": lambda put: blend.blend_strengths(
        put(BLOBS), put(torch.linspace(0, 1, 5)), 4, default_outside=0.3
    ),
    "blend.blend_strengths names": lambda put: blend.blend_strengths(put(REGIONS), {"cup": 1}, 4),
    "blend.blend_strengths membrane": lambda put: blend.blend_strengths(
        put(REGIONS), STRENGTHS, 2, method="membrane", image=put(IMAGE)
    ),
    "blend.region_weights": lambda put: blend.region_weights(put(REGIONS), 4),
    "blend.region_weights masks": lambda put: blend.region_weights(put(BLOBS), 4, range(5)),
    **{
        f"blend.strengths_by_depth {spacing}": lambda put, spacing=spacing: (
            blend.strengths_by_depth(put(REGIONS), put(DEPTH), spacing=spacing)
        )
        for spacing in ("rank", "depth")
    },
    **{
        f"blend.strengths_by_rank {by}": lambda put, by=by: blend.strengths_by_rank(
            put(REGIONS), by=by
        )
        for by in ("area", "left", "score")
    },
    "blur.blur_by_field": lambda put: blur.blur_by_field(put(RGBA), put(FIELD), radius=6),
    "blur.blur_by_field disc": lambda put: blur.blur_by_field(
        put(IMAGE), put(FIELD), radius=6, kind="disc"
    ),
    "blur.blur_by_field depth": lambda put: blur.blur_by_field(
        put(IMAGE), put(FIELD), radius=6, depth=put(DEPTH), near_is="black"
    ),
    "coco.to_coco": lambda put: coco.to_coco([put(REGIONS)]),
    "compare.compare_masks": lambda put: compare.compare_masks(put(BLOBS), put(FIELD)),
    "compare.outline": lambda put: compare.outline(put(BLOBS[0])),
    "cover.ask_again.ask_again": asked_again,
    **{
        f"cover.fill.fill_coverage {method}": lambda put, method=method: fill.fill_coverage(
            put(REGIONS), method, image=put(IMAGE), segmenter=found
        )
        for method in fill.FILL_METHODS
    },
    **{
        f"cover.fill.fill_coverage {overlaps}": lambda put, overlaps=overlaps: fill.fill_coverage(
            put(REGIONS), overlaps=overlaps, depth=put(DEPTH)
        )
        for overlaps in fill.OVERLAP_WINNERS
    },
    "cover.fill.fill_coverage near": lambda put: fill.fill_coverage(put(REGIONS), max_gap=2),
    "cover.fill.fill_coverage nothing": lambda put: fill.fill_coverage(put(Regions.empty(SIZE))),
    "cover.fill.fill_coverage large": lambda put: fill.fill_coverage(
        put(REGIONS), "new_regions", min_gap_area=9
    ),
    "cover.measure.measure_coverage": lambda put: measure.measure_coverage(put(REGIONS)),
    "cover.measure.Coverage.uncovered": lambda put: (
        measure.measure_coverage(put(REGIONS)).uncovered
    ),
    "cover.measure.Coverage.facts": lambda put: measure.measure_coverage(put(REGIONS)).facts(),
    "cover.measure.gap_points": lambda put: measure.gap_points(put(REGIONS), 2),
    "cover.measure.deepest_points": lambda put: measure.deepest_points(
        put(BLOBS[0]), put(BLOBS[0].int()), 1, 9
    ),
    "curve.curve_field": lambda put: curve.curve_field(
        put(FIELD), points=[(0, 0.2), (0.5, 0.9), (1, 0)], gamma=1.3, in_low=0.1
    ),
    "curve.curve_field table": lambda put: curve.curve_field(
        put(FIELD), table=put(torch.linspace(1, 0, 9) ** 2)
    ),
    **{
        f"curve.curve_field {preset}": lambda put, preset=preset: curve.curve_field(
            put(FIELD), preset=preset, invert=True
        )
        for preset in curve.PRESETS
    },
    "curve.snap_field": lambda put: curve.snap_field(put(FIELD), put(IMAGE), radius=3, amount=0.5),
    "curve.smooth_over_time": lambda put: curve.smooth_over_time(put(FRAMES)),
    "curve.smooth_over_time median": lambda put: curve.smooth_over_time(
        put(FRAMES), method="median"
    ),
    "edit.merge": lambda put: edit.merge(put(REGIONS), "all"),
    **{
        f"edit.combine_with {mode}": lambda put, mode=mode: edit.combine_with(
            put(REGIONS), put(FIELD), mode
        )
        for mode in edit.COMBINATIONS
    },
    "edit.combine_with regions": lambda put: edit.combine_with(
        put(REGIONS), put(REGIONS.take([2, 3])), "subtract"
    ),
    "edit.split_islands": lambda put: edit.split_islands(put(REGIONS), 2, 4),
    "edit.fill_holes": lambda put: edit.fill_holes(put(REGIONS)),
    "edit.remove_specks": lambda put: edit.remove_specks(put(REGIONS), 9),
    "edit.grow": lambda put: edit.grow(put(REGIONS), 1.5),
    "edit.grow less": lambda put: edit.grow(put(REGIONS), -1.5),
    "edit.smooth": lambda put: edit.smooth(put(REGIONS), 2),
    "edit.feather": lambda put: edit.feather(put(REGIONS), 2, 3),
    "edit.snap_edges": lambda put: edit.snap_edges(put(REGIONS), put(IMAGE), 3),
    "edit.nest": lambda put: edit.nest(put(REGIONS), 0.6),
    "exchange.to_boxes": lambda put: exchange.to_boxes(put(REGIONS)),
    "exchange.crop_regions": lambda put: exchange.crop_regions(
        put(REGIONS), put(RGBA[0]), 2, longest=12
    ),
    "exchange.paste_crops": lambda put: exchange.paste_crops(
        put(IMAGE[0]),
        [put(RGBA[0, :9, :9, :3]), put(IMAGE[:, :5, :5])],
        [{"x": 3, "y": 4, "width": 9, "height": 9}, {"x": 8, "y": 0, "width": 11, "height": 7}],
        [put(FIELD[0, :9, :9]), put(FIELD[:, :5, :5])],
    ),
    "exchange.to_layers": lambda put: exchange.to_layers(put(REGIONS), put(RGBA[0])),
    "field.distance_to": lambda put: field.distance_to(put(FIELD)),
    **{
        f"field.distance_from {side}": lambda put, side=side: field.distance_from(
            put(BLOBS), side=side
        )
        for side in field.SIDES
    },
    "field.distance_from points": lambda put: field.distance_from(
        [[3.5, 4], [30, -9]], size=SIZE, image=put(IMAGE)
    ),
    "field.distance_from point tensor": lambda put: field.distance_from(
        put(torch.tensor([[3.0, 4.0]])), size=SIZE, depth=put(DEPTH)
    ),
    "field.distance_from box": lambda put: field.distance_from(
        {"x": 3, "y": 4, "width": 9, "height": 8}, size=SIZE, image=put(IMAGE)
    ),
    **{
        f"field.distance_from edges {side}": lambda put, side=side: field.distance_from(
            put(REGIONS), side=side, image=put(IMAGE), depth=put(DEPTH)
        )
        for side in field.SIDES
    },
    "field.field_from_distance": lambda put: field.field_from_distance(
        put(REGIONS), outer_radius=9
    ),
    "field.field_from_distance regions": lambda put: field.field_from_distance(
        [put(REGIONS), put(REGIONS.take([1]))], side="signed", inner_radius=2, outer_radius=9
    ),
    "field.strength_at": lambda put: field.strength_at(
        put(9 * FIELD), inner_radius=1, outer_radius=20, units="percent", gamma=2
    ),
    "field.field_from_depth": lambda put: field.field_from_depth(put(DEPTH)),
    "field.field_from_depth sky": lambda put: field.field_from_depth(
        put(DEPTH),
        near_is="black",
        focus=0.4,
        normalize="rank",
        sky=put(FIELD),
        sky_strength=0.9,
        skip_outlines=True,
    ),
    "field.field_from_depth image": lambda put: field.field_from_depth(
        put(DEPTH[:, ::2, ::2]), near_is="black", normalize="disparity", image=put(IMAGE)
    ),
    "field.depth_levels": lambda put: field.depth_levels(put(DEPTH), put(FIELD)),
    "field.is_coarse": lambda put: [field.is_coarse(put(DEPTH))],
    **{
        f"field.combine_fields {mode}": lambda put, mode=mode: field.combine_fields(
            [put(FIELD), put(FRAMES), put(FIELD[0, ::2, ::2])], mode=mode, amount=0.7, invert=True
        )
        for mode in field.COMBINE_MODES
    },
    "filter.filter_regions": lambda put: filter.filter_regions(
        put(REGIONS),
        min_area=1,
        area_units="percent",
        min_score=0.55,
        max_elongation=9,
        border="keep",
        mask=put(FIELD),
        min_overlap=0.1,
    ),
    "filter.touches_border": lambda put: filter.touches_border(put(REGIONS)),
    "filter.overlap_shares": lambda put: filter.overlap_shares(put(REGIONS), put(FIELD)),
    "filter.remove_duplicates": lambda put: filter.remove_duplicates(put(REGIONS), 0.5),
    "grade.grade_by_field": lambda put: grade.grade_by_field(
        put(RGBA), put(FIELD), exposure=1, temperature=0.5, saturation=1.6, hue=40, gamma=1.5
    ),
    "grade.haze_by_field": lambda put: grade.haze_by_field(put(IMAGE), put(FIELD[:, ::2, ::2])),
    "grade.change_by_field": lambda put: grade.change_by_field(
        "it", put(IMAGE), put(FIELD), lambda colour, f: colour * f
    ),
    **{
        f"label_map.to_label_map {keeper}": lambda put, keeper=keeper: label_map.to_label_map(
            put(REGIONS), keeper
        )
        for keeper in label_map.KEEPERS
    },
    "label_map.from_label_map": lambda put: label_map.from_label_map(put(LABELS)),
    "label_map.to_grey_16": lambda put: label_map.to_grey_16(put(LABELS)),
    "label_map.from_grey_16": lambda put: label_map.from_grey_16(put(LABELS / 65535)),
    "label_map.to_colour_map": lambda put: label_map.to_colour_map(put(LABELS)),
    "label_map.from_colour_map": lambda put: label_map.from_colour_map(
        put(label_map.to_colour_map(LABELS))
    ),
    "measure_field.measure_field": lambda put: measure_field.measure_field(
        put(FIELD), regions=put(REGIONS), distance=put(9 * FIELD), falloff="linear", feather=3
    ),
    "measure_field.measure_field labels": lambda put: measure_field.measure_field(
        put(FIELD), regions=put(LABELS[None]), covered=put(FIELD > 0.5), thresholds=[1, 0.6, 0.2]
    ),
    "measure_field.measure_field masks": lambda put: measure_field.measure_field(
        put(FRAMES), regions=[put(REGIONS)] * 3, feather=3
    ),
    "measure_field.border_band_index": lambda put: [
        measure_field.border_band_index(put(FIELD), put(LABELS[None]), 3)
    ],
    "preview.draw.draw_regions": lambda put: draw.draw_regions(
        put(RGBA[0]), put(REGIONS), ids=True, labels=True
    ),
    "preview.draw.draw_regions uncovered": lambda put: draw.draw_regions(
        put(IMAGE[0]), REGIONS, only_uncovered=True
    ),
    "preview.draw.topmost": lambda put: draw.topmost(put(REGIONS)),
    "preview.draw.ids_map": lambda put: draw.ids_map(put(REGIONS)),
    "preview.draw.colour_labels": lambda put: draw.colour_labels(put(LABELS - 1)),
    "preview.draw.draw_field": lambda put: draw.draw_field(put(FIELD[0])),
    "preview.draw.draw_field over": lambda put: draw.draw_field(
        put(FIELD[0]), put(RGBA[0]), contours=4, zebra=True, probes=[(5, 6), (20.2, 9)]
    ),
    "preview.draw.strengths_at": lambda put: draw.strengths_at(put(FIELD[0]), [(5, 6)]),
    "preview.draw.contact_sheet": lambda put: draw.contact_sheet(
        [("one", put(IMAGE[0])), ("two", put(1 - IMAGE[0]))], 2, 40
    ),
    "preview.lettering.letter": lambda put: lettering.letter(put(IMAGE[0]), [(9, 9, "ab")], 8),
    "relight.relight_by_field": lambda put: relight.relight_by_field(
        put(RGBA), put(FIELD), depth=put(DEPTH), near_is="black"
    ),
    "relight.relight_by_field normals": lambda put: relight.relight_by_field(
        put(IMAGE), put(FIELD), normals=put(2 * IMAGE - 1)
    ),
    "relight.normals_from_depth": lambda put: relight.normals_from_depth(
        put((FIELD * 40).round() / 40), relief=0.3
    ),
    "sampling.resize_to_latent": lambda put: sampling.resize_to_latent(put(FIELD), (3, 5), scale=4),
    "sampling.schedule_thresholds": lambda put: sampling.schedule_thresholds(
        put(SIGMAS), lambda sigma: sigma * 70, 0.03
    ),
    "sampling.denoise_mask": lambda put: sampling.denoise_mask(
        put(FIELD), torch.tensor([1.0, 0.6, 0.2, 0.2, 0.0]), floor=-0.1
    ),
    "sampling.regional_weights": lambda put: sampling.regional_weights(
        [put(FIELD), put(FRAMES), put(FIELD[:, ::2, ::2])]
    ),
    "sampling.regional_weights alone": lambda put: sampling.regional_weights(
        [put(FIELD), put(1 - FIELD)], background=False
    ),
    "sampling.split_field": lambda put: sampling.split_field(put(FIELD), grow=2, feather=3),
    "segs.to_segs masks": lambda put: [list(seg) for seg in segs.to_segs(put(REGIONS))[1]],
    "segs.to_segs pictures": lambda put: [
        seg.cropped_image for seg in segs.to_segs(put(REGIONS), put(IMAGE[0]), 1.5)[1]
    ],
    "segs.from_segs": lambda put: segs.from_segs(segs.to_segs(put(REGIONS), put(IMAGE[0]))),
    **{
        f"selection.select {by}": lambda put, by=by: selection.select(
            put(REGIONS), by, 3, **asked(put, by)
        )
        for by in selection.CRITERIA
    },
    "selection.rank": lambda put: selection.rank(
        put(REGIONS), "smallest", selection.Question(), "most_central", reverse=True
    ),
    "selection.sort_order": lambda put: selection.sort_order(
        put(REGIONS), "nearest_point", selection.Question(point=(50.0, 3.0))
    ),
    "selection.renumbered": lambda put: selection.renumbered(
        put(REGIONS), list(range(len(REGIONS)))[::-1]
    ),
    "selection.rest_of": lambda put: selection.rest_of(put(REGIONS), put(REGIONS.take([1, 3]))),
    "selection.subject": lambda put: selection.subject(put(REGIONS)),
    "shape.field_from_3d_point": lambda put: shape.field_from_3d_point(
        put(DEPTH),
        point=(9, 9),
        intrinsics=put(torch.tensor([[30.0, 0, 18], [0, 30, 11], [0, 0, 1]])),
    ),
    "shape.field_from_3d_point cloud": lambda put: shape.field_from_3d_point(
        put(IMAGE), point=(9, 9), outer_radius=2, units="scene"
    ),
    **{
        f"shape.field_from_image_range {channel}": lambda put, channel=channel: (
            shape.field_from_image_range(put(RGBA), channel=channel, low=0.2, high=0.6)
        )
        for channel in shape.CHANNELS
    },
    "wand.magic_wand": lambda put: wand.magic_wand(put(IMAGE), (9, 9), 0.3, sample=1),
    "wand.magic_wand anywhere": lambda put: wand.magic_wand(
        put(RGBA), (9, 9), 0.3, contiguous=False, antialias=False
    ),
}

ON_CPU = {
    "field.distance_from points": "points have no device",
    "field.distance_from point tensor": "likewise",
    "field.distance_from box": "likewise",
    "segs.to_segs masks": "a SEG's mask is a numpy array",
    "segs.from_segs": "likewise",
}

WITHOUT_A_DEVICE = {
    "coco.from_coco": "makes regions of texts, on the CPU",
    "exchange.from_boxes": "makes regions of numbers, on the CPU",
    "shape.field_from_shape": "makes a field of numbers, on the CPU",
}


@pytest.mark.parametrize("name", CASES)
def test_nvidias_and_amds_gpus_give_what_the_cpu_gives(name):
    assert_same("cuda", CASES[name], on_cpu=name in ON_CPU)


@pytest.mark.parametrize("name", CASES)
def test_apples_gpus_give_what_the_cpu_gives(name):
    assert_same("mps", CASES[name])


def test_every_function_of_tensors_is_tried():
    known = called_by(CASES) | WITHOUT_A_DEVICE.keys()
    stages = functions_of_tensors("", deep=True)
    assert {name for name in stages if not name.startswith("files.")} <= known
