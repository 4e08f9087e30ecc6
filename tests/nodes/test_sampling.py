"""Fields where the sampler reads them, against core's own Differential Diffusion."""

from __future__ import annotations

import runpy

import pytest
import torch
from comfy_server import Call, Checkout, Host, HostError, Wire
from torch import Tensor

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
    # "normal" ends on the least sigma, where only what is below 0 stays as it was.
    given = found["latent"]["noise_mask"]
    assert torch.allclose(given, expected[:, None], atol=2e-4)
    assert torch.equal(given < 0, expected[:, None] == 0)


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


@pytest.mark.parametrize("denoise", [1.0, 0.6])
def test_steps_and_scheduler_stand_for_the_sigmas_they_make(host: Host, denoise: float):
    model = Call("Probe_Model", {"kind": "flow"})
    how = {"scheduler": "karras", "steps": 13, "denoise": denoise}
    sigmas = Call("BasicScheduler", {"model": model, **how})
    field = torch.linspace(0, 1, 41).view(1, 1, -1).expand(1, 8, -1)
    given = {
        "field": field.repeat_interleave(8, 2).contiguous(),
        "model": model,
        "latent": Wire({"samples": torch.zeros(1, 4, 1, 41)}),
    }
    by_sigmas = host.call("RegionFields_FieldToDenoiseMask", **given, sigmas=sigmas)
    by_steps = host.call("RegionFields_FieldToDenoiseMask", **given, **how)
    assert torch.equal(by_steps["mask"], by_sigmas["mask"])
    assert len(by_steps["mask"].unique()) > 13


def test_nothing_to_denoise_is_named(host: Host):
    with pytest.raises(HostError, match="denoise is 0"):
        host.call(
            "RegionFields_FieldToDenoiseMask",
            field=torch.rand(1, 8, 8),
            model=Call("Probe_Model", {"kind": "eps"}),
            latent=Wire({"samples": torch.zeros(1, 4, 1, 1)}),
            denoise=0.0,
        )


@pytest.mark.parametrize("interpolation", ["monotone_cubic", "linear"])
def test_a_curve_is_cores_curve(host: Host, checkout: Checkout, interpolation: str):
    """The curve of core's Curve node, through ours, is what core's own code makes of it."""
    points = [[0.0, 0.2], [0.3, 0.9], [0.31, 0.1], [1.0, 0.4]]
    raw = {"points": points, "interpolation": interpolation}
    field = torch.rand(1, 50, 60, generator=torch.Generator().manual_seed(0))
    settings = {
        "preset": "none",
        "gamma": 1.0,
        "in_low": 0.0,
        "in_high": 1.0,
        "out_low": 0.0,
        "out_high": 1.0,
        "invert": False,
    }
    found = host.call("RegionFields_FieldCurve", field=field, curve=Wire(raw), **settings)
    path = checkout.folder / "comfy_api" / "latest" / "_input" / "curve_types.py"
    core = runpy.run_path(str(path))["CurveInput"].from_raw(raw)
    expected = torch.from_numpy(core.interp_array(field.double().numpy())).float()
    torch.testing.assert_close(found["field"], expected, rtol=0, atol=1.2e-7)


def test_a_field_from_depth_has_the_size_of_its_picture(host: Host):
    depth = torch.rand(2, 6, 9)
    found = host.call(
        "RegionFields_FieldFromDepth",
        depth=depth,
        image=torch.rand(2, 24, 36, 3),
        near_is="white",
        band="near and far",
        **{"band.near": 0.0, "band.far": 0.2},
        near_feather=0.1,
        far_feather=0.5,
        falloff="linear",
        gamma=1.0,
        invert=False,
        normalize="linear",
        normalize_over="frame",
        range_low=0.0,
        range_high=1.0,
        clip_percent=0.0,
        sky="as the farthest",
        holes="nearest",
    )
    assert found["field"].shape == (2, 24, 36)


BATCH = torch.stack([torch.zeros(4, 5), torch.ones(4, 5)])


@pytest.mark.parametrize(
    ("field", "probe", "probed"),
    [
        (
            torch.linspace(0, 1, 101)[None, None].repeat(1, 60, 1),
            '[{"x": 25, "y": 40}, {"x": 100, "y": 3}]',
            "25, 40: 0.2500\n100, 3: 1.0000",
        ),
        (BATCH, "1, 2", "image 1: 1, 2: 0.0000\nimage 2: 1, 2: 1.0000"),
    ],
    ids=["one", "batch"],
)
def test_a_probe_reads_the_field_and_names_the_image_of_a_batch(
    host: Host, field: Tensor, probe: str, probed: str
):
    looks = {"opacity": 0.5, "contours": 0, "zebra": False}
    found = host.call("RegionFields_PreviewField", field=field, probe=probe, **looks)
    assert found["probed"] == probed
