"""Fields on their way to a sampler: the latent grid, the schedule, several conditionings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .ops.beside import check_fields_beside, fields_beside
from .ops.checks import InputError
from .ops.distance import distance_to
from .ops.falloff import falloff
from .ops.fields import as_field, check_number, common_batch
from .ops.precision import as_double
from .ops.resize import resize_area


def resize_to_latent(field: Tensor, latent_size: tuple[int, int], *, scale: int = 8) -> Tensor:
    """A field on the latent grid: float32 (B, h, w), each the mean over the pixels it stands for.

    latent_size: (h, w). scale: pixels per latent pixel. A field that is a little larger than
    h * scale x w * scale (by less than `scale`) is cropped to it about its middle first, as ComfyUI
    crops the picture it encodes; any other of its shape is resized whole, another shape refused.
    Zeros and ones stay exact.
    """
    strengths = as_field(field, "Resize Field to Latent: field")
    height, width = latent_size
    check_number("Resize Field to Latent: height", height, 1)
    check_number("Resize Field to Latent: width", width, 1)
    spare = strengths.shape[1] - height * scale, strengths.shape[2] - width * scale
    if all(0 <= pixels < scale for pixels in spare):
        y, x = spare[0] // 2, spare[1] // 2
        strengths = strengths[:, y : y + height * scale, x : x + width * scale]
    else:
        whole = (height * scale, width * scale)
        check_fields_beside(strengths, whole, "Resize Field to Latent: a field")
    return resize_area(strengths, (height, width))


def schedule_thresholds(
    sigmas: Tensor, timestep: Callable[[Tensor], Tensor], sigma_min: float
) -> Tensor:
    """The mask values at which DifferentialDiffusion frees a pixel, step by step: float64 (N,).

    sigmas: (N + 1,), as a scheduler gives them, falling. timestep: sigma -> timestep, the model's
    own (model_sampling.timestep). At step i a pixel is free where its mask is at least
    (t(sigma_i) - t_end) / (t(sigma_0) - t_end), t_end = t(max(sigma_min, last sigma)).
    Source: ComfyUI, comfy_extras/nodes_differential_diffusion.py. Raises InputError for fewer than
    two sigmas or a schedule that goes nowhere.
    """
    levels = torch.as_tensor(sigmas).detach().flatten()
    if levels.numel() < 2:
        raise InputError("Field to Denoise Mask: wanted at least 2 sigmas, one step.")
    if bool(levels.isnan().any()):
        raise InputError(
            "Field to Denoise Mask: one of the sigmas is no number. Connect another schedule."
        )
    last = torch.clamp(levels[-1:], min=sigma_min)
    start, end = as_double(timestep(levels[:1])), as_double(timestep(last))
    if float(start - end) == 0:
        raise InputError("Field to Denoise Mask: the sigmas begin and end at the same timestep.")
    times = torch.cat([as_double(timestep(level[None])).flatten() for level in levels[:-1]])
    return (times - end) / (start - end)


def denoise_mask(field: Tensor, thresholds: Tensor, *, floor: float = 0.0) -> Tensor:
    """The mask under which DifferentialDiffusion frees a pixel for the share `field` of the steps.

    field: (B, h, w), best already on the latent grid. thresholds: (N,), falling from 1, from
    `schedule_thresholds`. Returns float32 (B, h, w): a pixel of strength f is free in round(f N) of
    the N steps (halves up), whatever the schedule. Continuous, rising with f; 0 stays 0 and 1 stays
    1: f = (k + 1/2) / N maps to the threshold of the k-th last step, linearly between. Where a
    schedule repeats a threshold (as coarse discrete ones may), those steps come together.
    floor: <= 0. Where the last threshold is 0 (a schedule that ends on the model's least sigma)
    even a mask of 0 is free in that step; only one below 0 never is. There strength 0 becomes
    `floor`, from which the mask rises to 0 at f = 1 / (2 N). Raises InputError for thresholds that
    rise.
    """
    strengths = as_field(field, "Field to Denoise Mask: field")
    wanted = as_double(strengths)
    cuts = as_double(torch.as_tensor(thresholds)).to(wanted.device).flip(0)
    count = cuts.numel()
    if count == 0 or bool((cuts.diff() < 0).any()) or not bool(cuts.isfinite().all()):
        raise InputError(
            "Field to Denoise Mask: wanted finite thresholds that never rise, at least one."
        )
    one = torch.ones_like(cuts[:1])
    check_number("Field to Denoise Mask: floor", floor, high=0)
    least = floor if float(cuts[0]) <= 0 else 0.0
    knots = torch.cat([least * one, cuts.clamp(0, 1), one])
    # From a half step on, f N + 1/2 counts knots; below it the first half step is half as wide.
    place = wanted * count + 0.5
    place = torch.where(place < 1, 2 * place - 1, place).clamp(0, count + 1)
    place = torch.where(place > count, 2 * place - count, place).clamp(max=count + 1)
    left = place.floor().clamp(max=count).long()
    mask = torch.lerp(knots[left], knots[left + 1], place - left).to(torch.float32)
    # float32 must not round a value that reaches its threshold below it.
    reached = knots[left].to(torch.float32)
    mask = torch.maximum(mask, torch.where(left > 0, _not_below(reached, knots[left]), reached))
    mask = mask.to(strengths.device)
    return torch.where(strengths <= 0, least, torch.where(strengths >= 1, 1.0, mask))


def regional_weights(fields: Sequence[Tensor], *, background: bool = True) -> Tensor:
    """Fields as weights that sum to 1: float32 (K, B, H, W), or K + 1 with a background.

    fields: one per conditioning, (B, H, W) each, resized to the largest. With a background:
    w_i = f_i / max(1, sum f), and the background, last, takes what is left. Without:
    w_i = f_i / sum f, and 1 / K each where all are 0, because a pixel without any weight
    has no prediction. The weights of the fields don't depend on the order they come in.
    """
    where = "Weights for Regional Conditioning"
    if not fields:
        raise InputError(f"{where}: no fields. Connect at least one.")
    batches = [as_field(field, f"{where}: field {i + 1}") for i, field in enumerate(fields)]
    count = common_batch(
        where, {f"field {i + 1}": batch.shape[0] for i, batch in enumerate(batches)}
    )
    size = max(((b.shape[1], b.shape[2]) for b in batches), key=lambda s: (s[0] * s[1], s))
    fitted = [fields_beside(batch, size, f"{where}: a field") for batch in batches]
    stack = torch.stack([batch.expand(count, -1, -1) for batch in fitted])
    total = stack.sort(0).values.sum(0)
    if background:
        weights = stack / total.clamp(min=1)
        rest = (1 - weights.sort(0).values.sum(0)).clamp_(min=0)
        return torch.cat([weights, rest[None]])
    even = torch.full_like(stack, 1 / len(batches))
    return torch.where(total > 0, stack / total.clamp(min=1e-30), even)


def split_field(
    field: Tensor, *, grow: float = 16.0, feather: float = 8.0
) -> tuple[Tensor, Tensor]:
    """A denoise mask and a composite field in place of one soft mask: two float32 (B, H, W).

    A sampler that dissolves by a soft mask at every step compounds it. So denoise fully wherever
    the field has any strength, and mix the result with the original by the field afterwards.
    field: (B, H, W). Returns the denoise mask: 1 up to `grow` pixels from where field > 0, falling
    (smoothstep) to 0 over `feather` more; and the field itself. Both >= 0.
    """
    strengths = as_field(field, "Split Denoise and Composite: field")
    check_number("Split Denoise and Composite: grow", grow, 0)
    check_number("Split Denoise and Composite: feather", feather, 0)
    away = distance_to(strengths > 0) - grow
    if feather == 0:
        return (away <= 0).to(torch.float32), strengths.clone()
    return falloff(1 - away / feather, "smoothstep"), strengths.clone()


def _not_below(rounded: Tensor, exact: Tensor) -> Tensor:
    up = torch.nextafter(rounded, torch.ones_like(rounded))
    return torch.where(as_double(rounded) < exact, up, rounded)
