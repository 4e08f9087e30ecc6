"""Fields for the sampler: denoise mask, weights, split, latent size."""

from __future__ import annotations

from typing import Any

import comfy.samplers
import torch
from comfy_api.latest import io
from torch import Tensor

from ..engine import InputError
from ..engine.sampling import (
    denoise_mask,
    regional_weights,
    resize_to_latent,
    schedule_thresholds,
    split_field,
)
from .inputs import choice, field_input, fields_in_order, fields_input, pixels, switch, unit, whole
from .types import for_user, for_work, named

_FLOOR = -1e-4
"""In place of 0 in a noise mask whose zeros the schedule's last step would free."""


class FieldToDenoiseMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_FieldToDenoiseMask",
            display_name="Field to Denoise Mask",
            category="region fields/sampling",
            description=(
                "The noise mask under which Differential Diffusion frees a pixel of strength 0.5 "
                "for half of the steps, whatever the schedule."
            ),
            search_aliases=["differential diffusion", "soft inpainting", "denoise", "noise mask"],
            inputs=[
                field_input(),
                io.Model.Input("model", tooltip="The model that will sample."),
                io.Sigmas.Input(
                    "sigmas",
                    optional=True,
                    tooltip=(
                        "The schedule that will be sampled, from any scheduler node. Without it "
                        "steps, scheduler and denoise say which."
                    ),
                ),
                io.Latent.Input("latent", tooltip="What will be sampled; it says the size."),
                whole(
                    "steps",
                    20,
                    1,
                    10000,
                    "As in KSampler; used where no sigmas are connected.",
                    optional=True,
                ),
                choice(
                    "scheduler",
                    comfy.samplers.SCHEDULER_NAMES,
                    "As in KSampler; used where no sigmas are connected.",
                    optional=True,
                ),
                unit(
                    "denoise",
                    1,
                    "As in KSampler; used where no sigmas are connected.",
                    optional=True,
                ),
                choice(
                    "sampler",
                    comfy.samplers.SAMPLER_NAMES,
                    "As in KSampler; used where no sigmas are connected. It matters for dpm_2 and "
                    "uni_pc, for which KSampler leaves out the last sigma but one.",
                    optional=True,
                ),
                whole(
                    "start_at_step",
                    0,
                    0,
                    10000,
                    "As in KSampler (Advanced); used where no sigmas are connected.",
                    optional=True,
                ),
                whole(
                    "end_at_step",
                    10000,
                    0,
                    10000,
                    "As in KSampler (Advanced); used where no sigmas are connected.",
                    optional=True,
                ),
                switch(
                    "return_with_leftover_noise",
                    "As in KSampler (Advanced), where end_at_step comes before the end.",
                    optional=True,
                ),
            ],
            outputs=[
                io.Mask.Output(
                    display_name="mask", tooltip="For Set Latent Noise Mask, at the latent's size."
                ),
                io.Latent.Output(
                    display_name="latent",
                    tooltip=(
                        "The latent with the mask already set; in it strength 0 is a little below "
                        "0 where the last step would free it otherwise."
                    ),
                ),
            ],
        )

    @classmethod
    @named
    def execute(
        cls,
        field: Tensor,
        model: Any,
        latent: Any,
        sigmas: Tensor | None = None,
        steps: int = 20,
        scheduler: str = "simple",
        denoise: float = 1.0,
        sampler: str = "euler",
        start_at_step: int = 0,
        end_at_step: int = 10000,
        return_with_leftover_noise: bool = False,
    ) -> io.NodeOutput:
        sampling = model.get_model_object("model_sampling")
        if sigmas is None:
            whole_run = _sigmas_of(sampling, steps, scheduler, denoise, sampler)
            sigmas = _part(whole_run, start_at_step, end_at_step, return_with_leftover_noise)
        cuts = schedule_thresholds(sigmas, sampling.timestep, float(sampling.sigma_min))
        mask = for_user(denoise_mask(on_latent(field, latent, model), cuts, floor=_FLOOR))
        masked = dict(latent)
        masked["noise_mask"] = mask.reshape(-1, 1, *mask.shape[-2:])
        return io.NodeOutput(mask.clamp(min=0), masked)


def _sigmas_of(sampling: Any, steps: int, scheduler: str, denoise: float, sampler: str) -> Tensor:
    """The schedule that KSampler takes: the last `steps` of steps / denoise."""
    if denoise <= 0:
        raise InputError("denoise is 0, so nothing is sampled. Raise it.")
    leaves_out = sampler in comfy.samplers.KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS
    whole_run = (steps if denoise > 0.9999 else int(steps / denoise)) + leaves_out
    sigmas: Tensor = comfy.samplers.calculate_sigmas(sampling, scheduler, whole_run)
    if leaves_out:
        sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
    return sigmas[-(steps + 1) :].cpu()


def _part(sigmas: Tensor, start: int, end: int, leftover_noise: bool) -> Tensor:
    """The sigmas from one step to another, as KSampler (Advanced) cuts them."""
    if end < len(sigmas) - 1:
        sigmas = sigmas[: end + 1].clone()
        if not leftover_noise:
            sigmas[-1] = 0
    if start >= len(sigmas) - 1:
        raise InputError(f"nothing is sampled from step {start} to {end}. Set them as there.")
    return sigmas[start:]


def on_latent(field: Tensor, latent: Any, model: Any = None) -> Tensor:
    """The field at the size of a latent, float32 (B, h, w)."""
    height, width = latent["samples"].shape[-2:]
    scale = max(1, round(field.shape[-1] / width))
    if model is not None:
        scale = int(getattr(model.model.latent_format, "spacial_downscale_ratio", scale))
    return resize_to_latent(field, (int(height), int(width)), scale=scale)


class ResizeFieldToLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_ResizeFieldToLatent",
            display_name="Resize Field to Latent",
            category="region fields/sampling",
            description="The field at the size of a latent, each value the mean of its pixels.",
            search_aliases=["latent mask", "downscale mask", "area resize", "noise mask size"],
            inputs=[
                field_input(),
                io.Latent.Input("latent", tooltip="The latent whose size the field gets."),
            ],
            outputs=[
                io.Mask.Output(display_name="field", tooltip="Exact where it was all 0 or all 1.")
            ],
        )

    @classmethod
    @named
    def execute(cls, field: Tensor, latent: Any) -> io.NodeOutput:
        return io.NodeOutput(for_user(on_latent(field, latent)))


class RegionalWeights(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_RegionalWeights",
            display_name="Weights for Regional Conditioning",
            category="region fields/sampling",
            description=(
                "Fields as weights that sum to 1 at every pixel, one for each prompt, and one for "
                "the background."
            ),
            search_aliases=["regional prompt", "conditioning mask", "normalize masks", "partition"],
            inputs=[
                fields_input("One for each prompt.", "Where one conditioning is to act.", 1, 15),
                switch("background", "Add a last weight that takes what is left.", default=True),
            ],
            outputs=[
                io.Mask.Output(
                    display_name="weights",
                    is_output_list=True,
                    tooltip="A list: one for each field in order, then the background.",
                ),
            ],
        )

    @classmethod
    @named
    def execute(cls, fields: dict[str, Tensor], background: bool) -> io.NodeOutput:
        ordered = [for_work(field) for field in fields_in_order(fields)]
        weights = regional_weights(ordered, background=background)
        return io.NodeOutput([for_user(weight) for weight in weights])


class SplitDenoise(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SplitDenoise",
            display_name="Split Denoise and Composite",
            category="region fields/sampling",
            description=(
                "A full mask to denoise with and the field to composite with afterwards, in "
                "place of one soft mask that the sampler would compound."
            ),
            search_aliases=["inpaint mask", "grow mask", "composite mask", "soft inpaint"],
            inputs=[
                field_input(),
                pixels("grow", 16, "Denoise fully up to this many pixels beyond the field."),
                pixels("feather", 8, "And fade out over this many more."),
            ],
            outputs=[
                io.Mask.Output(display_name="denoise_mask", tooltip="For the sampler."),
                io.Mask.Output(display_name="field", tooltip="For Composite by Field afterwards."),
            ],
        )

    @classmethod
    @named
    def execute(cls, field: Tensor, grow: float, feather: float) -> io.NodeOutput:
        mask, kept = split_field(for_work(field), grow=grow, feather=feather)
        return io.NodeOutput(for_user(mask), for_user(kept))
