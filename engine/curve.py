"""Shaping a field: curves, snapping to a picture's edges, smoothing over time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .ops.beside import fields_beside
from .ops.checks import InputError
from .ops.chunks import at_once, new_planes
from .ops.colour import srgb_to_oklab
from .ops.curve import Curve, look_up
from .ops.falloff import FALLOFFS, check_gamma, rise
from .ops.fields import (
    UNITS,
    as_field,
    as_images,
    as_planes,
    check_choice,
    check_finite,
    check_number,
    common_batch,
    frame,
    in_range,
)
from .ops.guided import guided_filter

PRESETS = (*(name for name in FALLOFFS if name != "linear"), "ease_out", "tent", "bell")
"""Shapes for `curve_field`: the falloffs, and ease_out 1 - (1 - t)^2, tent 1 - |2t - 1|,
bell smoothstep(tent)."""
TIME_METHODS = ("gaussian", "median")
_IN_CACHE = 1 << 18


def curve_field(
    field: Tensor,
    *,
    preset: str = "none",
    points: Sequence[Sequence[float]] | None = None,
    interpolation: str = "monotone_cubic",
    table: Tensor | Sequence[float] | None = None,
    gamma: float = 1.0,
    in_low: float = 0.0,
    in_high: float = 1.0,
    out_low: float = 0.0,
    out_high: float = 1.0,
    invert: bool = False,
) -> Tensor:
    """Remap strengths: float32 (B, H, W) in [0, 1].

    field: (B, H, W) or (H, W). In this order: t = clamp((f - in_low) / (in_high - in_low), 0, 1), a
    step at in_low where the two are equal (f > in_low is 1); t ** gamma; `preset` ("none" or a name
    in PRESETS); the curve through `points` [[x, y], ...] with `interpolation` "monotone_cubic" or
    "linear", exactly ComfyUI's CURVE, or the one sampled evenly in `table` (at least 2 values,
    linear between: what CurveInput.to_lut gives); then out_low + (out_high - out_low) t, clamped to
    [0, 1]; 1 minus that when `invert`. out_low may exceed out_high.
    Raises InputError for in_high < in_low, gamma <= 0, points and table both, bad points.
    """
    strengths = as_planes(field, "Field Curve: field").to(torch.float32)
    check_choice("Field Curve: preset", preset, ("none", *PRESETS))
    for name, value in (("in_low", in_low), ("in_high", in_high)):
        check_number(f"Field Curve: {name}", value)
    for name, value in (("out_low", out_low), ("out_high", out_high)):
        check_number(f"Field Curve: {name}", value, 0, 1)
    if in_low > in_high:
        raise InputError(f"Field Curve: in_low {in_low:g} is above in_high {in_high:g}.")
    check_gamma(gamma)
    if points is not None and table is not None:
        raise InputError("Field Curve: got points and a table. Give one of them.")
    curve = None if points is None else Curve(points, interpolation)
    samples = None if table is None else _samples(table)
    out = new_planes(strengths.shape, strengths.device)
    pieces = at_once(out.device, _IN_CACHE)
    flat = (torch.split(strengths.reshape(-1), pieces), torch.split(out.view(-1), pieces))
    for part, here in zip(*flat, strict=True):
        t = in_range(part, "Field Curve: field")
        t = t if (in_low, in_high) == (0, 1) else _levels(t, in_low, in_high)
        t = t if gamma == 1 else t.pow(gamma)
        t = t if preset == "none" else _preset(t, preset, here)
        t = t if curve is None else curve(t)
        t = t if samples is None else look_up(t, samples)
        if (out_low, out_high) != (0, 1):
            t = out_low + (out_high - out_low) * t
        torch.clamp(t, 0, 1, out=here)
        if invert:
            here.neg_().add_(1)
    return out


def snap_field(
    field: Tensor,
    image: Tensor,
    *,
    radius: float = 16,
    edge_contrast: float = 0.05,
    amount: float = 1.0,
    units: str = "pixels",
) -> Tensor:
    """Move a field's edges onto a picture's with a colour guided filter: float32 (B, H, W).

    field: (B, H, W), resized to the image where sizes differ. image: (B, H, W, 3 or 4), guide in
    Oklab. radius: half the window, in units "pixels" or "percent" of the image's short side,
    rounded and at least 1 pixel; edges up to about this far away attract.
    edge_contrast: > 0, the standard deviation of Oklab in a window below which the picture counts
    as flat (the filter's epsilon is its square). amount: 0 returns the field, 1 the filtered field.
    In [0, 1]. Raises InputError where batches don't fit.
    """
    check_number("Snap Field: radius", radius, 0)
    check_choice("Snap Field: units", units, UNITS)
    check_number("Snap Field: edge_contrast", edge_contrast, 1e-6)
    check_number("Snap Field: amount", amount, 0, 1)
    strengths, where = as_field(field, "Snap Field: field"), "Snap Field: image"
    images = check_finite(as_images(image, where), where)
    counts = {"field": strengths.shape[0], "image": images.shape[0]}
    count = common_batch("Snap Field", counts)
    size = (images.shape[1], images.shape[2])
    strengths = fields_beside(strengths, size, "Snap Field: a field")
    scale = min(images.shape[1:3]) / 100 if units == "percent" else 1.0
    reach = max(1, round(radius * scale))
    out = torch.empty((count, *images.shape[1:3]), device=strengths.device)
    for i in range(count):
        plane = frame(strengths, i)
        guide = srgb_to_oklab(frame(images, i)[..., :3].to(torch.float32)).movedim(-1, 0)
        snapped = guided_filter(plane, guide, reach, edge_contrast**2).clamp_(0, 1)
        out[i] = torch.lerp(plane, snapped, amount)
    return out


def smooth_over_time(field: Tensor, *, radius: float = 2.0, method: str = "gaussian") -> Tensor:
    """Smooth a batch of consecutive frames along time: float32 (B, H, W) in [0, 1].

    radius: frames, > 0. "gaussian": weights e^(-2 (dt / radius)^2), reaching 2 x radius, summing to
    1 also at the first and last frames. "median": of the frames up to `radius` away (rounded; the
    window is cut off at the ends; the lower of two middles). A still pixel stays as it is.
    """
    check_choice("Smooth over Time: method", method, TIME_METHODS)
    check_number("Smooth over Time: radius", radius, 1e-3)
    strengths = as_field(field, "Smooth over Time: field")
    count = strengths.shape[0]
    reach = math.floor(2 * radius) if method == "gaussian" else round(radius)
    out = torch.empty_like(strengths)
    for i in range(count):
        first, last = max(0, i - reach), min(count, i + reach + 1)
        near = strengths[first:last]
        if method == "median":
            # A copy: torch's median reads past the end of an expanded view.
            out[i] = near.clone(memory_format=torch.contiguous_format).median(0).values
            continue
        weights = torch.exp(-2 * ((torch.arange(first, last) - i) / radius).square())
        weights = (weights / weights.sum()).to(near)
        mean = torch.einsum("t,thw->hw", weights, near)
        out[i] = torch.minimum(torch.maximum(mean, near.amin(0)), near.amax(0))
    return out


def _levels(part: Tensor, low: float, high: float) -> Tensor:
    if low == high:
        return (part > low).to(torch.float32)
    return part.sub(low).div_(high - low).clamp_(0, 1)


def _preset(t: Tensor, preset: str, out: Tensor) -> Tensor:
    """`out` may be used for the result, and is not `t`."""
    if preset == "ease_out":
        return 1 - (1 - t).square()
    if preset in ("tent", "bell"):
        return rise(1 - (2 * t - 1).abs(), "linear" if preset == "tent" else "smoothstep")
    return rise(t, preset, out)


def _samples(table: Tensor | Sequence[float]) -> Tensor:
    samples = torch.as_tensor(table).cpu().to(torch.float64).flatten()
    if samples.numel() < 2 or not bool(samples.isfinite().all()):
        raise InputError("Field Curve: wanted a table of at least 2 finite numbers.")
    return samples
