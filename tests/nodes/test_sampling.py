"""Fields where the sampler reads them, against core's own Differential Diffusion."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from comfy_server import Call, Host, Wire

pytestmark = pytest.mark.host

STEPS = 20


@pytest.mark.parametrize("kind", ["eps", "flow"])
@pytest.mark.parametrize("scheduler", ["normal", "karras", "simple"])
def test_a_pixel_is_free_for_the_share_of_steps_that_the_field_says(
    host: Host, kind: str, scheduler: str
):
    model = Call("Probe_Model", {"kind": kind})
    sigmas = Call(
        "BasicScheduler", {"model": model, "scheduler": scheduler, "steps": STEPS, "denoise": 1.0}
    )
    field = torch.linspace(0, 1, 41).view(1, 1, -1).expand(1, 8, -1)
    field = field.repeat_interleave(8, 2).contiguous()
    latent = Wire({"samples": torch.zeros(1, 4, 1, 41)})
    mask = Call(
        "RegionFields_FieldToDenoiseMask",
        {"field": field, "model": model, "sigmas": sigmas, "latent": latent},
    )
    free = host.chain(Call("Probe_FreeSteps", {"model": model, "sigmas": sigmas, "mask": mask}))
    wanted = torch.linspace(0, 1, 41) * STEPS
    assert (free["MASK"][0, 0] - wanted).abs().max() <= 1


def test_the_latent_comes_back_with_the_mask_and_the_given_one_without(host: Host):
    model = Call("Probe_Model", {"kind": "eps"})
    sigmas = Call(
        "BasicScheduler", {"model": model, "scheduler": "normal", "steps": 4, "denoise": 1.0}
    )
    field = torch.zeros(1, 32, 48)
    field[:, :, :16] = 1
    found = host.call(
        "RegionFields_FieldToDenoiseMask",
        field=field,
        model=model,
        sigmas=sigmas,
        latent=Wire({"samples": torch.zeros(1, 4, 4, 6)}),
    )
    expected = torch.zeros(1, 4, 6)
    expected[:, :, :2] = 1
    assert torch.equal(found["mask"], expected)
    assert torch.equal(found["latent"]["noise_mask"], expected[:, None])


def test_a_field_on_a_latent_is_the_mean_over_its_pixels(host: Host):
    field = torch.rand(2, 32, 48)
    found = host.call(
        "RegionFields_ResizeFieldToLatent",
        field=field,
        latent=Wire({"samples": torch.zeros(2, 4, 4, 6)}),
    )
    mean = torch.nn.functional.avg_pool2d(field[:, None], 8)[:, 0]
    assert torch.allclose(found["field"], mean, atol=1e-6)


def test_smoothing_over_time_stills_a_flicker(host: Host):
    steady = torch.full((9, 4, 4), 0.5)
    flicker = steady.clone()
    flicker[4] = 1.0
    found = host.call("RegionFields_SmoothOverTime", field=flicker, radius=2.0, method="median")
    assert torch.equal(found["field"], steady)


def test_a_curve_is_cores_curve(host: Host):
    """The curve of core's Curve node, through ours, equals core's look-up."""
    points = [[0.0, 0.2], [0.3, 0.9], [1.0, 0.4]]
    field = torch.linspace(0, 1, 101).view(1, 1, -1)
    settings = {
        "preset": "none",
        "gamma": 1.0,
        "in_low": 0.0,
        "in_high": 1.0,
        "out_low": 0.0,
        "out_high": 1.0,
        "invert": False,
    }
    raw = {"points": points, "interpolation": "linear"}
    found = host.call("RegionFields_FieldCurve", field=field, curve=Wire(raw), **settings)
    expected = torch.tensor([_line(points, x) for x in field.flatten().tolist()])
    assert torch.allclose(found["field"].flatten(), expected, atol=1e-3)


def _line(points: list[list[float]], x: float) -> float:
    for (x0, y0), (x1, y1) in pairwise(points):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[-1][1]
