"""What runs on a device without float64, such as Apple's GPUs, on one that is pretended here.

A tensor of that device holds one of the CPU, on which everything is computed. It says that it
lies on "meta", which torch lets be made up, refuses float64 as Apple's do, and refuses to be mixed
with tensors of the CPU and to be seen as an array.
"""

import contextlib
from unittest import mock

import pytest
import torch
from region_fields.engine import Regions
from region_fields.engine.field import distance_from
from region_fields.engine.label_map import from_grey_16, to_grey_16
from region_fields.engine.measure_field import measure_field
from region_fields.engine.ops import precision
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
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

AWAY = torch.device("meta")


class Afar(torch.Tensor):
    """A tensor of the pretended device."""

    @staticmethod
    def __new__(cls, held):
        if held.dtype == torch.float64:
            raise TypeError("this device has no float64")
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), dtype=held.dtype, device=AWAY
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})

    def numpy(self):
        raise TypeError("can't convert a tensor of another device to numpy")


class Device(TorchDispatchMode):
    """Lets tensors be made on the pretended device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


def run(func, args, kwargs):
    given = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
    afar = any(isinstance(value, Afar) for value in given)
    wanted = kwargs.get("device")
    if wanted is not None:
        afar = torch.device(wanted) == AWAY
        kwargs = {**kwargs, "device": torch.device("cpu")}
    elif afar and func not in (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default):
        mixed = [value for value in given if not isinstance(value, Afar) and value.ndim]
        # An index may lie on the CPU.
        assert not mixed or "index" in func.name(), f"{func} mixes devices"
    if func is torch.ops.aten.copy_.default:
        afar = isinstance(args[0], Afar)
    own = tree_map(lambda value: value.held if isinstance(value, Afar) else value, (args, kwargs))
    out = func(*own[0], **own[1])
    if func._schema.is_mutable:  # in place, or into `out`
        return kwargs.get("out", args[0])
    return tree_map(
        lambda value: Afar(value) if afar and isinstance(value, torch.Tensor) else value, out
    )


@contextlib.contextmanager
def pretended():
    named = mock.patch.object(precision, "WITHOUT_FLOAT64", {AWAY.type})
    made = mock.patch.object(torch, "tensor", tensor)
    with named, made, torch.inference_mode(False), torch.no_grad(), Device():
        yield


def tensor(values, *, device=None, make=torch.tensor, **options):
    """torch.tensor, which forgets the values where the device is "meta"."""
    made = make(values, **options)
    return made if device is None or torch.device(device) != AWAY else Afar(made)


def afar(tensor):
    return Afar(tensor.clone())


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
    here = call(*(value.clone() for value in inputs))
    with pretended():
        there = call(*map(afar, inputs))
        assert there.dtype == here.dtype
        there = there.cpu()
    torch.testing.assert_close(there, here, rtol=0, atol=2e-5)


def test_the_pretended_device_refuses_float64_and_mixing():
    with pretended():
        plane = afar(PLANE)
        assert plane.device == AWAY
        with pytest.raises(TypeError, match="float64"):
            plane.to(torch.float64)
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(3, dtype=torch.float64, device=plane.device)
        with pytest.raises(AssertionError, match="mixes"):
            plane + PLANE
        assert type(plane.cpu().to(torch.float64)) is torch.Tensor
