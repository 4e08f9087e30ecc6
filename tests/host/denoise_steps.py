"""Run by the host's Python: how many steps core's DifferentialDiffusion frees pixels for.

Arguments: the checkout of the host, the root of this pack. Prints one JSON list with, per model and
scheduler, its name, the field asked for, the steps freed, the number of steps, and whether even a
mask of 0 is freed (a schedule whose last sigma is the model's least).
"""

import json
import sys
import types

host, root = sys.argv[1:3]
sys.argv = ["main.py", "--cpu"]
sys.path.insert(0, host)
import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()
package = types.ModuleType("region_fields")
package.__path__ = [root]
sys.modules["region_fields"] = package

import torch  # noqa: E402
from comfy import model_sampling, samplers  # noqa: E402
from comfy_extras.nodes_differential_diffusion import DifferentialDiffusion  # noqa: E402
from region_fields.engine.sampling import denoise_mask, schedule_thresholds  # noqa: E402

STEPS = 20


def samplings():
    """A model_sampling of each family, and its name."""
    yield "eps", model_sampling.ModelSamplingDiscrete()
    for shift in (1.0, 3.0, 7.0):
        flow = model_sampling.ModelSamplingDiscreteFlow()
        flow.set_parameters(shift=shift, multiplier=1000)
        yield f"flow shift {shift}", flow
    yield "flux", model_sampling.ModelSamplingFlux()
    yield "edm", model_sampling.ModelSamplingContinuousEDM()


def freed(sampling, sigmas, mask):
    """Steps in which core's own mask function frees each pixel."""
    inner = types.SimpleNamespace(inner_model=types.SimpleNamespace(model_sampling=sampling))
    count = torch.zeros_like(mask)
    for sigma in sigmas[:-1]:
        options = {"model": inner, "sigmas": sigmas}
        count += DifferentialDiffusion.forward(sigma[None], mask, options, strength=1.0)
    return count


results = []
for name, sampling in samplings():
    for scheduler in ("simple", "normal", "karras", "beta", "sgm_uniform"):
        try:
            sigmas = samplers.calculate_sigmas(sampling, scheduler, STEPS)
        except AttributeError:
            continue
        thresholds = schedule_thresholds(sigmas, sampling.timestep, float(sampling.sigma_min))
        field = torch.linspace(0, 1, 81)[None, None]
        mask = denoise_mask(field, thresholds)
        results.append(
            {
                "name": f"{name}, {scheduler}",
                "field": field.flatten().tolist(),
                "free": freed(sampling, sigmas, mask).flatten().tolist(),
                "plain": freed(sampling, sigmas, field).flatten().tolist(),
                "steps": len(sigmas) - 1,
                "zero_is_freed": float(thresholds[-1]) <= 0,
                "distinct": bool((thresholds.diff() < 0).all()),
            }
        )
print(json.dumps(results))
