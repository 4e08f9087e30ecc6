"""Run by the host's Python: how many steps core's DifferentialDiffusion frees pixels for.

Arguments: the checkout of the host, the root of this pack. Prints one JSON list with, per model and
schedule, its name, the field asked for, the steps freed, the number of steps, whether even a mask
of 0 is freed (a schedule whose last sigma is the model's least), and how many steps share one
threshold at most.
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


def schedules(sampling):
    """Names and sigmas: every scheduler, 4 to 50 steps, all of a run, its last half, a part."""
    for scheduler in samplers.SCHEDULER_NAMES:
        for steps in (4, 20, 50):
            try:
                whole = samplers.calculate_sigmas(sampling, scheduler, steps)
                longer = samplers.calculate_sigmas(sampling, scheduler, 2 * steps)
            except AttributeError:
                continue
            yield f"{scheduler}, {steps}", whole
            yield f"{scheduler}, {steps}, denoise 0.5", longer[-steps - 1 :]
            yield f"{scheduler}, {steps}, a part", whole[steps // 4 : steps - 1]


results = []
field = torch.linspace(0, 1, 81)[None, None]
for name, sampling in samplings():
    for schedule, sigmas in schedules(sampling):
        if len(sigmas) < 3:
            continue
        thresholds = schedule_thresholds(sigmas, sampling.timestep, float(sampling.sigma_min))
        mask = denoise_mask(field, thresholds)
        results.append(
            {
                "name": f"{name}, {schedule}",
                "field": field.flatten().tolist(),
                "free": freed(sampling, sigmas, mask).flatten().tolist(),
                "plain": freed(sampling, sigmas, field).flatten().tolist(),
                "steps": len(sigmas) - 1,
                "zero_is_freed": float(thresholds[-1]) <= 0,
                "together": int(thresholds.unique(return_counts=True)[1].max()),
            }
        )
print(json.dumps(results))
