"""The denoise mask inside core's own samplers: how often each pixel is free, and what is left."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from comfy_server import Call, Host, Wire
from torch import Tensor

pytestmark = pytest.mark.host

STEPS = 20
STRENGTHS = torch.linspace(0, 1, 81)
LATENT = {"samples": torch.randn(1, 4, 8, 81, generator=torch.Generator().manual_seed(3))}


@dataclass
class Run:
    """How often the sampler asked, how often it freed each strength, the latent it left."""

    asked: int
    free: Tensor
    latent: Tensor


def sample(
    host: Host, kind: str, sampler: str, scheduler: str, denoise: float = 1.0, **more: Any
) -> Run:
    """KSampler, SamplerCustom on the `half` of split sigmas, or KSampler (Advanced) on `part`."""
    half, part = more.pop("half", None), more.pop("part", None)
    where = host.folder / "temp" / f"{uuid.uuid4().hex}.pt"
    field = STRENGTHS.expand(1, 64, -1).repeat_interleave(8, 2).contiguous()
    model = Call("Probe_SampledModel", {"kind": kind})
    how = {"steps": STEPS, "scheduler": scheduler, "denoise": denoise}
    given = {"field": field, "model": model, "latent": Wire(LATENT)}
    words = Wire([[torch.zeros(1, 77, 768), {}]])
    free = Call("DifferentialDiffusion", {"model": model, "strength": 1.0})
    ends = {
        "model": Call("Probe_CountSteps", {"model": free, "path": str(where)}),
        "cfg": 1.0,
        "positive": words,
        "negative": words,
    }
    if part is not None:
        cut = {"start_at_step": part[0], "end_at_step": part[1]}
        how = {"steps": STEPS, "scheduler": scheduler}
        more = {**given, **how, **cut, "return_with_leftover_noise": part[2]}
        masked = Call("RegionFields_FieldToDenoiseMask", more, 1)
        more = {"add_noise": "enable", "noise_seed": 5, "sampler_name": sampler, **how, **cut}
        more["return_with_leftover_noise"] = "enable" if part[2] else "disable"
        out = host.chain(Call("KSamplerAdvanced", {**ends, **more, "latent_image": masked}))
        out = out["LATENT"]
    elif half is None:
        masked = Call("RegionFields_FieldToDenoiseMask", {**given, **how, "sampler": sampler}, 1)
        more = {**how, "seed": 5, "sampler_name": sampler, "latent_image": masked}
        out = host.chain(Call("KSampler", {**ends, **more}))["LATENT"]
    else:
        split = {"sigmas": Call("BasicScheduler", {"model": model, **how}), "step": STEPS // 2}
        sigmas = Call("SplitSigmas", split, half)
        masked = Call("RegionFields_FieldToDenoiseMask", {**given, "sigmas": sigmas}, 1)
        more = {"noise_seed": 5, "add_noise": True, "sigmas": sigmas, "latent_image": masked}
        more["sampler"] = Call("KSamplerSelect", {"sampler_name": sampler})
        out = host.chain(Call("SamplerCustom", {**ends, **more}))["output"]
    counted, asked = torch.load(where, weights_only=True)
    assert bool((counted == counted[:, :1, :1]).all())
    return Run(asked, counted[0, 0, 0], out["samples"])


@pytest.mark.parametrize(
    ("kind", "sampler", "scheduler", "denoise"),
    [
        ("EPS", "euler", "normal", 1.0),
        ("EPS", "dpmpp_2m", "karras", 1.0),
        ("EPS", "euler_ancestral", "sgm_uniform", 0.5),
        ("EPS", "uni_pc", "simple", 0.6),
        ("V_PREDICTION", "dpmpp_2m", "sgm_uniform", 1.0),
        ("FLOW", "euler", "simple", 1.0),
        ("FLOW", "euler", "beta", 0.6),
        ("FLUX", "lcm", "normal", 1.0),
        ("EDM", "dpmpp_2m", "karras", 1.0),
    ],
)
def test_a_sampler_frees_each_pixel_for_its_share_of_the_steps(
    host: Host, kind: str, sampler: str, scheduler: str, denoise: float
):
    run = sample(host, kind, sampler, scheduler, denoise)
    assert run.asked == STEPS
    assert float((run.free / STEPS - STRENGTHS).abs().max()) <= 0.5 / STEPS + 1e-5
    assert len(run.free.unique()) == STEPS + 1


@pytest.mark.parametrize("half", [0, 1], ids=["first half", "second half"])
@pytest.mark.parametrize("kind", ["EPS", "FLOW"])
def test_it_holds_for_either_half_of_split_sigmas(host: Host, kind: str, half: int):
    run = sample(host, kind, "euler", "simple", half=half)
    assert run.asked == STEPS // 2
    assert float((run.free / run.asked - STRENGTHS).abs().max()) <= 0.5 / run.asked + 1e-5


@pytest.mark.parametrize("scheduler", ["normal", "karras"])
def test_strength_0_leaves_the_latent_as_it_was_also_where_the_schedule_ends_at_the_least_sigma(
    host: Host, scheduler: str
):
    run = sample(host, "EPS", "euler", scheduler)
    change = (run.latent - LATENT["samples"]).abs().amax(dim=(0, 1, 2))
    assert int(run.free[0]) == 0
    assert float(change[0]) < 1e-5
    assert float(change[-1]) > 0.5
    # What is free for longer has changed more: no strength falls back below a weaker one's band.
    by_steps = torch.stack([change[run.free == n].mean() for n in run.free.unique()])
    assert bool((by_steps.diff() > -0.05 * by_steps.max()).all())


@pytest.mark.parametrize("leftover", [False, True], ids=["clean", "leftover noise"])
@pytest.mark.parametrize("kind", ["EPS", "FLOW"])
def test_it_holds_for_a_part_of_ksampler_advanced(host: Host, kind: str, leftover: bool):
    run = sample(host, kind, "euler", "simple", part=(4, 14, leftover))
    assert run.asked == 10
    assert float((run.free / 10 - STRENGTHS).abs().max()) <= 0.5 / 10 + 1e-5
