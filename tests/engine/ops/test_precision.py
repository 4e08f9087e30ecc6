"""What runs on a device without float64, such as Apple's GPUs, on one that is pretended."""

import pytest
import torch
from both_places import assert_same
from region_fields.engine import Regions
from region_fields.engine.field import distance_from
from region_fields.engine.label_map import from_grey_16, to_grey_16
from region_fields.engine.measure_field import measure_field
from region_fields.engine.ops.colour import oklab_to_srgb, srgb_to_oklab
from region_fields.engine.ops.components import label_components
from region_fields.engine.ops.curve import Curve, look_up
from region_fields.engine.ops.distance import distance_to, nearest_source, signed_distance
from region_fields.engine.ops.guided import guided_filter, upsample_along
from region_fields.engine.ops.outline import distance_to_superellipse
from region_fields.engine.ops.palette import distinct_colours, heat_colours
from region_fields.engine.ops.quantile import ranks
from region_fields.engine.ops.resize import resize_area, resize_field, resize_nearest
from region_fields.engine.preview import draw_field, draw_regions
from region_fields.engine.sampling import denoise_mask

random = torch.Generator().manual_seed(0)
PLANE = torch.rand((23, 31), generator=random)
IMAGE = torch.rand((23, 31, 3), generator=random)
GUIDE = IMAGE.movedim(-1, 0).contiguous()
SPOTS = PLANE > 0.9
CURVE = Curve([(0, 0.1), (0.4, 0.9), (1, 0.3)])

RUNS = {
    "colours of numbers": (distinct_colours, [torch.arange(300)]),
    "colours of strengths": (heat_colours, [PLANE]),
    "guided filter": (lambda p, g: guided_filter(p, g, 3, 0.001), [PLANE, GUIDE]),
    "guided filter, wide": (lambda p, g: guided_filter(p, g, 40, 0.001), [PLANE, GUIDE]),
    "upsampling": (upsample_along, [PLANE[:9, :11].contiguous(), GUIDE]),
    "area resize": (lambda p: resize_area(p, (7, 9)), [PLANE[None]]),
    "resize": (lambda p: resize_field(p, (7, 9)), [PLANE[None]]),
    "nearest resize": (lambda p: resize_nearest(p, (7, 9)), [PLANE[None]]),
    "distance": (distance_to, [SPOTS]),
    "signed distance": (signed_distance, [SPOTS]),
    "nearest source": (lambda s: nearest_source(s)[0], [SPOTS]),
    "which source": (lambda s: nearest_source(s)[1], [SPOTS]),
    "components": (lambda s: label_components(s)[0], [SPOTS]),
    "ranks": (ranks, [PLANE.reshape(-1)]),
    "curve": (CURVE, [PLANE]),
    "look up": (look_up, [PLANE, torch.linspace(0, 1, 17)]),
    "superellipse": (
        lambda p: distance_to_superellipse(p, p, (0.3, 0.2), 0.5),
        [PLANE],
    ),
    "Oklab": (srgb_to_oklab, [IMAGE]),
    "from Oklab": (oklab_to_srgb, [IMAGE]),
    "grey of labels": (to_grey_16, [torch.arange(300).view(10, 30)]),
    "labels of grey": (from_grey_16, [torch.arange(300).view(10, 30) / 65535]),
    "picture of a field": (draw_field, [PLANE]),
    "picture of regions": (
        lambda i: draw_regions(i, Regions.from_masks(SPOTS), ids=True),
        [IMAGE],
    ),
    "denoise mask": (
        lambda p: denoise_mask(p, torch.tensor([1.0, 0.6, 0.2])),
        [PLANE[None]],
    ),
    "distance round edges": (
        lambda s, i: distance_from(s, image=i),
        [SPOTS[None], IMAGE[None]],
    ),
    "levels of a field": (
        lambda p: torch.tensor(measure_field(p, distance=p).schedule_levels),
        [PLANE[None]],
    ),
    "areas": (lambda s: Regions.from_masks(s).areas, [SPOTS[None]]),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_device_without_float64_gives_what_the_cpu_gives(name):
    call, inputs = RUNS[name]
    assert_same("mps", lambda put: call(*map(put, inputs)), relative=0)
