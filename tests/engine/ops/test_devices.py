"""Every operation on tensors gives on a GPU what it gives on the CPU; the GPU is pretended."""

from __future__ import annotations

import pytest
import torch
from both_places import assert_same, called_by, functions_of_tensors
from region_fields.engine.ops import (
    anchors,
    beside,
    bits,
    blur,
    checks,
    chunks,
    colour,
    combine,
    components,
    curve,
    depth,
    dilate,
    distance,
    falloff,
    fields,
    fill,
    geodesic,
    guided,
    islands,
    labels,
    mask_prompt,
    membrane,
    nms,
    outline,
    palette,
    partition,
    precision,
    quantile,
    ramp,
    resize,
    rle,
    runs,
    shortest_path,
    soften,
    tidy,
    transfer,
    upsample,
)

random = torch.Generator().manual_seed(0)
H, W = SIZE = (23, 37)
PLANE = torch.rand(SIZE, generator=random)
IMAGE = torch.rand((*SIZE, 3), generator=random)
RGBA = torch.rand((*SIZE, 4), generator=random)
GUIDE = IMAGE.movedim(-1, 0).contiguous()
SPOTS = PLANE > 0.9
BLOBS = blur.blur(torch.rand((4, *SIZE), generator=random), 5, "gaussian") > 0.5
PACKED = bits.pack_bits(BLOBS)
BOXES = bits.boxes_packed(PACKED, W)
AREAS = BLOBS.flatten(1).sum(1)
LABELS = torch.randint(0, 6, SIZE, generator=random, dtype=torch.int32)
DEPTH = PLANE.masked_fill(SPOTS, torch.inf)
LOGITS = 4 * blur.blur(torch.randn((3, 16, 16), generator=random), 4, "gaussian")
CORNERS = 20 * torch.rand((40, 2), generator=random)
RECTANGLES = torch.cat([CORNERS, CORNERS + 4 + 10 * torch.rand((40, 2), generator=random)], 1)
SCORES = torch.rand(40, generator=random)
FARNESS = {
    "near_is": "white",
    "normalize": "linear",
    "normalize_over": "frame",
    "value_range": None,
    "clip_percent": 2,
    "holes": "nearest",
    "zero_is_hole": None,
}


def in_place(change, tensor, *args):
    change(tensor, *args)
    return tensor


def shares(put):
    soft = partition.SoftShares(SIZE, put(PLANE).device)
    for value in (0.2, 0.9):
        soft.add(put(value * PLANE), value, (slice(0, H), slice(0, W)))
    soft.add(put(PLANE[2:]), 0.4, (slice(2, H), slice(0, W)))
    return soft.mean()


CASES = {
    "anchors.as_points": lambda put: anchors.as_points(put(CORNERS)),
    "beside.mask_beside": lambda put: beside.mask_beside(PLANE, (46, 74), put(PLANE).device),
    "beside.mask_beside none": lambda put: beside.mask_beside(
        put(torch.zeros(64, 64)), SIZE, put(PLANE).device
    ),
    "beside.depth_beside": lambda put: beside.depth_beside(DEPTH, (46, 74), put(PLANE).device),
    "beside.image_beside": lambda put: beside.image_beside(IMAGE, (46, 74), put(PLANE).device),
    "beside.fields_beside": lambda put: beside.fields_beside(put(PLANE[None]), (46, 74), "it"),
    "beside.check_fields_beside": lambda put: [
        str(beside.check_fields_beside(put(PLANE[None]), (46, 74), "it"))
    ],
    "beside.images_beside": lambda put: beside.images_beside(put(RGBA[None]), (46, 74), "it"),
    "bits.on_host": lambda put: [bits.on_host(put(PLANE)) or bits.on_host(put(PLANE).cpu())],
    "bits.pack_bits": lambda put: bits.pack_bits(put(BLOBS)),
    "bits.unpack_bits": lambda put: bits.unpack_bits(put(PACKED), W),
    "bits.unpack_box": lambda put: bits.unpack_box(put(PACKED[0]), (3, 2, 30, 17)),
    "bits.bit_count": lambda put: bits.bit_count(put(PACKED)),
    "bits.any_row": lambda put: bits.any_row(put(PACKED)),
    "bits.shift_right": lambda put: bits.shift_right(put(PACKED), 3),
    "bits.boxes_packed": lambda put: bits.boxes_packed(put(PACKED), W),
    "bits.measure_packed": lambda put: bits.measure_packed(put(PACKED), W),
    "blur.blur": lambda put: blur.blur(put(GUIDE), 3, "gaussian"),
    "blur.blur disc": lambda put: blur.blur(put(GUIDE), 3, "disc"),
    "blur.blur wide": lambda put: blur.blur(put(GUIDE), 30, "disc"),
    "checks.check_image": lambda put: checks.check_image(put(RGBA)),
    "checks.check_scale": lambda put: [str(checks.check_scale(put(IMAGE)))],
    "chunks.new_planes": lambda put: chunks.new_planes(SIZE, put(PLANE).device).fill_(1),
    "colour.srgb_to_linear": lambda put: colour.srgb_to_linear(put(IMAGE)),
    "colour.linear_to_srgb": lambda put: colour.linear_to_srgb(put(IMAGE - 0.5)),
    "colour.linear_to_oklab": lambda put: colour.linear_to_oklab(put(IMAGE)),
    "colour.oklab_to_linear": lambda put: colour.oklab_to_linear(put(IMAGE)),
    "colour.srgb_to_oklab": lambda put: colour.srgb_to_oklab(put(IMAGE)),
    "colour.oklab_to_srgb": lambda put: colour.oklab_to_srgb(put(IMAGE)),
    "colour.luminance": lambda put: colour.luminance(put(IMAGE)),
    **{
        f"combine.combine {mode}": lambda put, mode=mode: combine.combine(
            [put(PLANE), put(1 - PLANE), put(PLANE**2)], mode, 0.1
        )
        for mode in combine.COMBINE_MODES
    },
    "components.label_components": lambda put: components.label_components(put(BLOBS)),
    "components.label_components 4": lambda put: components.label_components(put(SPOTS), 4),
    "components.join_runs": lambda put: components.join_runs(
        *map(put, next(runs.runs_of(PACKED[:1], BOXES[:1]))[2][1:]), H, W
    ),
    "components.fill_small_holes": lambda put: components.fill_small_holes(put(~SPOTS), 3),
    "components.fill_enclosed_holes": lambda put: components.fill_enclosed_holes(put(~SPOTS), 3),
    "components.remove_small_islands": lambda put: components.remove_small_islands(
        put(torch.stack([SPOTS, BLOBS[0]])), 3
    ),
    "curve.Curve": lambda put: curve.Curve([(0, 0.1), (0.4, 0.9), (1, 0.3)])(put(PLANE)),
    "curve.Curve linear": lambda put: curve.Curve([(0, 1), (1, 0)], "linear")(put(PLANE)),
    "curve.look_up": lambda put: curve.look_up(put(PLANE), put(torch.linspace(0, 1, 17) ** 2)),
    **{
        f"depth.farness {knob}": lambda put, knob=knob: depth.farness(
            put(DEPTH[None]), **FARNESS | knob, sky=put(SPOTS[None])
        )
        for knob in (
            {},
            {"normalize": "rank"},
            {"normalize": "disparity", "near_is": "black"},
            {"normalize": "log", "normalize_over": "batch"},
            {"normalize_over": "range", "value_range": (0.2, 0.7)},
            {"holes": "far"},
        )
    },
    "depth.sky_of": lambda put: depth.sky_of(put(DEPTH[None]), put(SPOTS[None]), "black"),
    "depth.nearness": lambda put: depth.nearness(put(DEPTH), "white", "it"),
    "depth.fit_to": lambda put: depth.fit_to(put(PLANE[None]), (46, 74), "it"),
    "depth.fit_to image": lambda put: depth.fit_to(
        put(PLANE[None, ::2, ::2]), SIZE, "it", put(RGBA[None])
    ),
    "dilate.within": lambda put: dilate.within(put(SPOTS), 2.5),
    "distance.distance_to": lambda put: distance.distance_to(put(BLOBS)),
    "distance.nearest_source": lambda put: distance.nearest_source(put(SPOTS)),
    "distance.nearest_source none": lambda put: distance.nearest_source(
        put(torch.stack([SPOTS, ~SPOTS & SPOTS]))
    ),
    "distance.nearest_source_of": lambda put: distance.nearest_source_of(put(BLOBS[0]), put(SPOTS)),
    "distance.signed_distance": lambda put: distance.signed_distance(put(BLOBS)),
    **{
        f"falloff.falloff {kind}": lambda put, kind=kind: falloff.falloff(
            put(2 * PLANE - 0.5), kind, 1.5, invert=True
        )
        for kind in falloff.FALLOFFS
    },
    "falloff.rise": lambda put: falloff.rise(put(PLANE), "cosine", put(PLANE)),
    "fields.as_field": lambda put: fields.as_field(put(2 * PLANE - 0.5)),
    "fields.in_range": lambda put: fields.in_range(put(2 * PLANE - 0.5), "it"),
    "fields.as_mask": lambda put: fields.as_mask(put(PLANE)),
    "fields.as_planes": lambda put: fields.as_planes(put(PLANE), "it"),
    "fields.as_images": lambda put: fields.as_images(put(IMAGE)),
    "fields.image_batch": lambda put: fields.image_batch(put(IMAGE)),
    "fields.check_finite": lambda put: fields.check_finite(put(IMAGE), "it"),
    "fields.picture_of_size": lambda put: fields.picture_of_size(put(IMAGE), SIZE),
    "fields.frame": lambda put: fields.frame(put(BLOBS), 2),
    "fill.fill_smoothly": lambda put: fill.fill_smoothly(put(GUIDE), put(SPOTS)),
    "geodesic.oklab_planes": lambda put: geodesic.oklab_planes(put(RGBA)),
    "geodesic.spread_labels": lambda put: geodesic.spread_labels(
        put(LABELS * SPOTS), put(1 + 9 * PLANE)
    ),
    "guided.guided_filter": lambda put: guided.guided_filter(put(PLANE), put(GUIDE), 3, 0.001),
    "guided.Guide": lambda put: guided.Guide(put(GUIDE), 3, 0.001).fit(put(PLANE)),
    "guided.box_mean": lambda put: guided.box_mean(put(PLANE), 4),
    "guided.upsample_along": lambda put: guided.upsample_along(put(PLANE[:9, :11]), put(GUIDE)),
    "islands.islands_of": lambda put: islands.islands_of(put(PACKED[0]), put(BOXES[0]), W),
    "islands.Islands.bits": lambda put: islands.islands_of(put(PACKED[0]), put(BOXES[0]), W).bits(
        0
    )[1],
    "labels.paint_labels": lambda put: labels.paint_labels(
        put(PACKED), put(BOXES), W, [2, 0, 3, 1]
    ),
    "labels.count_map": lambda put: labels.count_map(put(PACKED), put(BOXES), W),
    "labels.split_labels": lambda put: labels.split_labels(put(LABELS)),
    "labels.split_labels high": lambda put: labels.split_labels(put(LABELS * 100000)),
    "labels.label_boxes": lambda put: labels.label_boxes(put(LABELS)),
    "mask_prompt.mask_to_logits": lambda put: mask_prompt.mask_to_logits(put(BLOBS), 16),
    "membrane.edge_weights": lambda put: membrane.edge_weights(put(GUIDE), SIZE, 0.1),
    "membrane.relax": lambda put: membrane.relax(
        put(PLANE.round()), put(SPOTS), membrane.edge_weights(put(GUIDE), SIZE, 0.5), 1e-6
    ),
    "nms.box_nms": lambda put: nms.box_nms(put(RECTANGLES), put(SCORES), 0.4),
    "nms.suppress": lambda put: nms.suppress(put(RECTANGLES[5:]), 0.4, put(RECTANGLES[:5])),
    "outline.distance_to_superellipse": lambda put: outline.distance_to_superellipse(
        put(PLANE), put(PLANE), (0.3, 0.2), 0.5
    ),
    "palette.distinct_colours": lambda put: palette.distinct_colours(put(LABELS.long())),
    "palette.heat_colours": lambda put: palette.heat_colours(put(PLANE)),
    "partition.SoftShares": shares,
    "precision.where_float64": lambda put: precision.where_float64(put(PLANE)),
    "precision.as_double": lambda put: precision.as_double(put(PLANE)),
    "precision.widest_float": lambda put: (
        put(PLANE).to(precision.widest_float(put(PLANE).device)).to(torch.float32)
    ),
    "quantile.quantile": lambda put: [quantile.quantile(put(PLANE.flatten()), q) for q in (0, 0.3)],
    "quantile.ranks": lambda put: quantile.ranks(put((PLANE.flatten() * 50).round())),
    "ramp.ramp": lambda put: ramp.ramp(put(DEPTH), 0.2, 0.7),
    "ramp.window": lambda put: ramp.window(put(DEPTH), 0.2, 0.7, 0, 0.1),
    "resize.resize_field": lambda put: resize.resize_field(put(PLANE[None]), (9, 50)),
    "resize.resize_picture": lambda put: resize.resize_picture(put(RGBA), (9, 50)),
    "resize.resize_area": lambda put: resize.resize_area(put(PLANE[None]), (9, 50)),
    "resize.resize_nearest": lambda put: resize.resize_nearest(put(BLOBS), (9, 50)),
    "rle.rle_encode": lambda put: rle.rle_encode(put(BLOBS[0])),
    "rle.rle_encode packed": lambda put: rle.rle_encode(put(PACKED[0]), W),
    "rle.mask_to_counts": lambda put: rle.mask_to_counts(put(BLOBS[0])),
    "runs.runs_of": lambda put: list(runs.runs_of(put(PACKED[:1]), put(BOXES[:1]))),
    "runs.squared_distances": lambda put: runs.squared_distances(put(PACKED), put(BOXES), 40, 3),
    "runs.bits_at": lambda put: runs.bits_at(put(PACKED), 10, 9),
    "runs.mask_sums": lambda put: runs.mask_sums(put(PACKED), put(BOXES), put(GUIDE)),
    "runs.finite_means": lambda put: runs.finite_means(
        put(PACKED), put(BOXES), put(AREAS), put(DEPTH)
    ),
    "runs.intersection_areas": lambda put: runs.intersection_areas(put(PACKED), put(PACKED[0])),
    "runs.border_lengths": lambda put: runs.border_lengths(put(PACKED), W),
    "runs.elongations": lambda put: runs.elongations(put(PACKED), put(BOXES)),
    "shortest_path.geodesic_distance": lambda put: shortest_path.geodesic_distance(
        put(BLOBS[:1]), put(1 + 9 * PLANE[None])
    ),
    "shortest_path.contrast_cost": lambda put: shortest_path.contrast_cost(put(GUIDE), 500),
    "shortest_path.way_cost": lambda put: shortest_path.way_cost(
        put(BLOBS[:1]), put(IMAGE[None]), 500, put(DEPTH[None]), 500
    ),
    "shortest_path.without_outline": lambda put: shortest_path.without_outline(
        put(1 + PLANE[None]), put(BLOBS[:1])
    ),
    "soften.soften": lambda put: soften.soften(put(LOGITS), SIZE, 6),
    "soften.plateau": lambda put: soften.plateau(put(LOGITS)),
    "soften.edge_slope": lambda put: soften.edge_slope(put(LOGITS), SIZE),
    "tidy.tidy": lambda put: tidy.tidy(put(PACKED[0]), W, 9, lambda: None),
    "tidy.fill_holes_within": lambda put: in_place(
        tidy.fill_holes_within, put(bits.pack_bits(~SPOTS)), (0, 0, W, H), 9
    ),
    "tidy.remove_islands_within": lambda put: in_place(
        tidy.remove_islands_within, put(bits.pack_bits(SPOTS)), (0, 0, W, H), 3
    ),
    "transfer.sent": lambda put: transfer.sent(PLANE, put(PLANE).device),
    "upsample.upsample_masks": lambda put: upsample.upsample_masks(put(LOGITS), (70, 90)),
    "upsample.upsample_masks up": lambda put: upsample.upsample_masks(put(LOGITS), (9, 9), 0.2, 0),
}

WITH_FLOAT64 = {  # of packed masks, which `Regions` keeps on the CPU where a device has no float64
    "bits.measure_packed",
    "runs.mask_sums",
    "runs.finite_means",
    "runs.elongations",
}

WITHOUT_A_DEVICE = {
    "anchors.distance_to_points": "makes a plane of points, on the CPU",
    "anchors.points_mask": "likewise",
    "anchors.box_mask": "likewise",
    "blur.gaussian_kernel": "makes weights, on the CPU",
    "blur.disc_kernel": "likewise",
    "chunks.at_once": "a number",
    "palette.heat_table": "makes a table, on the CPU",
    "precision.has_float64": "a yes or no",
    "rle.rle_decode": "makes a mask of a text, on the CPU",
}


@pytest.mark.parametrize("name", CASES)
def test_nvidias_and_amds_gpus_give_what_the_cpu_gives(name):
    assert_same("cuda", CASES[name])


@pytest.mark.parametrize("name", sorted(CASES.keys() - WITH_FLOAT64))
def test_apples_gpus_give_what_the_cpu_gives(name):
    assert_same("mps", CASES[name])


@pytest.mark.parametrize("name", sorted(WITH_FLOAT64))
def test_what_needs_float64_can_not_be_asked_of_apples_gpus(name):
    with pytest.raises(TypeError, match="float64"):
        assert_same("mps", CASES[name])


def test_every_function_of_tensors_is_tried():
    known = called_by(CASES) | WITHOUT_A_DEVICE.keys()
    assert {name.removeprefix("ops.") for name in functions_of_tensors("ops")} <= known
