"""Measuring a field: is it continuous, covered, monotone, and what of it reaches the sampler."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from .ops.distance import distance_to
from .ops.falloff import STEEPEST
from .ops.fields import (
    as_field,
    as_planes,
    check_aspect,
    check_choice,
    check_number,
    common_batch,
    frame,
)
from .ops.precision import as_double
from .ops.resize import resize_area, resize_nearest
from .regions import Regions

_LEAST_STEP = 1e-4
_SAME = 1 / 1024


@dataclass(frozen=True)
class FieldMeasures:
    """What `measure_field` found; what could not be measured is None.

    coverage: share of pixels with any strength. low, high, mean: of strength. mean_step, max_step:
    difference between pixels side by side. slope_excess: max_step over what the feather allows;
    1 and below is good. border_band: mean step across region borders over the mean step `feather`
    pixels away from them; about 1 is good, a constant per region gives hundreds.
    monotonicity: share of all change between neighbours that falls with growing distance; 1 is
    good. latent_levels: strengths that can be told apart (by 1 / 1024) on the latent grid.
    schedule_levels: numbers of free steps that occur under DifferentialDiffusion, of steps + 1.
    temporal_std: mean over pixels of the standard deviation along the batch.
    """

    coverage: float
    low: float
    high: float
    mean: float
    mean_step: float
    max_step: float
    slope_excess: float | None
    border_band: float | None
    monotonicity: float | None
    latent_levels: int
    schedule_levels: int
    steps: int
    temporal_std: float | None

    def as_json(self) -> str:
        """The measures as a JSON object, numbers to six digits, null where not measured."""
        return json.dumps(
            {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}
        )

    def as_text(self) -> str:
        """The measures as lines for a person."""
        lines = [
            f"coverage          {self.coverage:.1%} of pixels have a strength above 0",
            f"strength          {self.low:.3f} to {self.high:.3f}, mean {self.mean:.3f}",
            f"step              mean {self.mean_step:.5f}, largest {self.max_step:.5f}",
        ]
        if self.slope_excess is not None:
            lines.append(f"slope excess      {self.slope_excess:.2f} (at most 1 is good)")
        if self.border_band is not None:
            lines.append(f"border-band index {self.border_band:.2f} (about 1 is good)")
        if self.monotonicity is not None:
            lines.append(f"monotonicity      {self.monotonicity:.1%} of change falls with distance")
        lines.append(f"latent levels     {self.latent_levels}")
        lines.append(f"schedule levels   {self.schedule_levels} of {self.steps + 1}")
        if self.temporal_std is not None:
            lines.append(f"temporal std      {self.temporal_std:.5f}")
        return "\n".join(lines)


def measure_field(
    field: Tensor,
    *,
    regions: Regions | Sequence[Regions] | Tensor | None = None,
    distance: Tensor | None = None,
    feather: float = 16.0,
    falloff: str | None = None,
    covered: Tensor | None = None,
    latent_scale: int = 8,
    steps: int = 20,
    thresholds: Sequence[float] | None = None,
) -> FieldMeasures:
    """Measure a field (B, H, W); over a batch, means, and the worst of max_step.

    regions: for the border-band index; Regions, one a frame, or a label map int (B, H, W) or masks
    (N, H, W) bool of one frame; every border between differing pixels counts, between two regions
    or a region and what none covers. feather: > 0, pixels: the ramp length for slope_excess and the
    offset for the border-band index. falloff: a name of `ops.falloff.STEEPEST` gives slope_excess =
    max_step / (STEEPEST * (high - low) / feather). distance: (B, H, W) gives monotonicity. covered:
    bool (B, H, W), where the field is defined at all; coverage is then its share instead.
    latent_scale: pixels per latent pixel. steps, thresholds: the schedule, as `schedule_thresholds`
    gives it; without thresholds evenly spaced ones. Raises InputError for shapes that don't match.
    """
    where = "Measure Field"
    check_number(f"{where}: feather", feather, 1)
    strengths = as_field(field, f"{where}: field")
    across, down = strengths.diff(dim=2).abs(), strengths.diff(dim=1).abs()
    low, high = (float(value) for value in strengths.aminmax())
    largest = max(_max(across), _max(down))
    latent = _latent(strengths, latent_scale)
    cuts = _thresholds(thresholds, steps).to(latent.device)
    present = strengths > 0 if covered is None else as_planes(covered, f"{where}: covered").bool()
    return FieldMeasures(
        coverage=float(as_double(present).mean()),
        low=low,
        high=high,
        mean=float(as_double(strengths).mean()),
        mean_step=_mean(torch.cat([across.flatten(), down.flatten()])),
        max_step=largest,
        slope_excess=None if falloff is None else _excess(largest, high - low, feather, falloff),
        border_band=None if regions is None else _band(strengths, _labels(regions), feather),
        monotonicity=None if distance is None else _monotonicity(strengths, distance),
        latent_levels=int(torch.unique((latent / _SAME).round()).numel()),
        schedule_levels=int(torch.unique((latent[..., None] >= cuts).sum(-1)).numel()),
        steps=len(cuts),
        temporal_std=_flicker(strengths),
    )


def border_band_index(field: Tensor, labels: Tensor, feather: float) -> float:
    """Mean step across the borders of `labels` over the mean step `feather` pixels from them.

    field: float32 (B, H, W); labels: int (B or 1, H, W). A step is the length of the gradient, from
    a pixel to its right and lower neighbours; it is across a border where one of them has another
    label, and away where the pixel lies from feather / 2 to 2 feather from the nearest border. Both
    means are raised by 0.0001, so that a field without any change has the index 1. A picture
    without borders has 1 too.
    """
    common_batch("Measure Field", {"field": field.shape[0], "regions": labels.shape[0]})
    on, off = [], []
    for i in range(field.shape[0]):
        # A picture of one row or column has no steps across it.
        label, strength = (_two_wide(plane) for plane in (frame(labels, i), field[i]))
        crossing = torch.zeros(label.shape, dtype=torch.bool, device=label.device)
        crossing[:, :-1] |= label.diff(dim=1) != 0
        crossing[:-1] |= label.diff(dim=0) != 0
        away = distance_to(crossing)
        beyond = (away >= feather / 2) & (away <= 2 * feather)
        step = torch.hypot(strength.diff(dim=1)[:-1], strength.diff(dim=0)[:, :-1])
        on.append(step[crossing[:-1, :-1]])
        off.append(step[beyond[:-1, :-1]])
    if not any(part.numel() for part in on):
        return 1.0
    return (_mean(torch.cat(on)) + _LEAST_STEP) / (_mean(torch.cat(off)) + _LEAST_STEP)


def _two_wide(plane: Tensor) -> Tensor:
    """(H, W), with an only row or column twice."""
    height, width = plane.shape
    return plane.expand(max(height, 2), max(width, 2)) if 1 in (height, width) else plane


def _band(strengths: Tensor, labels: Tensor, feather: float) -> float:
    if tuple(labels.shape[-2:]) != tuple(strengths.shape[-2:]):
        size = (strengths.shape[1], strengths.shape[2])
        check_aspect("Measure Field: a set of regions", (labels.shape[-2], labels.shape[-1]), size)
        labels = resize_nearest(labels, size)
    return border_band_index(strengths, labels, feather)


def _labels(regions: Regions | Sequence[Regions] | Tensor) -> Tensor:
    """Pixels with the same set of regions get the same number, int64 (B, H, W)."""
    if isinstance(regions, Tensor) and not (
        regions.dtype == torch.bool or regions.is_floating_point()
    ):
        return as_planes(regions, "Measure Field: regions").long()
    if isinstance(regions, Tensor):
        regions = Regions.from_masks(regions)
    frames = [regions] if isinstance(regions, Regions) else list(regions)
    return torch.stack([_signature(each) for each in frames])


def _signature(regions: Regions) -> Tensor:
    mixed = torch.zeros(regions.size, dtype=torch.int64, device=regions.device)
    for _, masks in regions.chunks():
        for mask in masks:
            # A linear congruential step keeps different sets of regions apart.
            mixed = (mixed * 6364136223846793005 + 1442695040888963407) ^ mask.long()
    return mixed


def _monotonicity(strengths: Tensor, distance: Tensor) -> float | None:
    """None where no distance is known: it is infinite in a frame without an anchor."""
    away = as_planes(distance, "Measure Field: distance").to(torch.float32)
    common_batch("Measure Field", {"field": strengths.shape[0], "distance": away.shape[0]})
    size = (strengths.shape[1], strengths.shape[2])
    if tuple(away.shape[-2:]) != size:
        check_aspect("Measure Field: a distance", (away.shape[1], away.shape[2]), size)
        away = resize_nearest(away, size)
    if not bool(away.isfinite().any()):
        return None
    falling = total = 0.0
    for dim in (1, 2):
        change = as_double(strengths.diff(dim=dim))
        farther = away.diff(dim=dim).to(change.device)
        change = torch.where(farther.isfinite(), change, 0.0)
        falling += float((change.abs() * ((change * farther) < 0)).sum())
        total += float(change.abs().sum())
    return falling / total if total else 1.0


def _excess(largest: float, span: float, feather: float, falloff: str) -> float:
    check_choice("Measure Field: falloff", falloff, STEEPEST)
    return largest / (STEEPEST[falloff] * span / feather) if span else 0.0


def _latent(strengths: Tensor, scale: int) -> Tensor:
    check_number("Measure Field: latent_scale", scale, 1)
    height, width = strengths.shape[-2:]
    return resize_area(strengths, (max(1, height // scale), max(1, width // scale)))


def _thresholds(thresholds: Sequence[float] | None, steps: int) -> Tensor:
    if thresholds is not None:
        return torch.as_tensor(thresholds, dtype=torch.float32)
    check_number("Measure Field: steps", steps, 1)
    return 1 - torch.arange(int(steps)) / int(steps)


def _flicker(strengths: Tensor) -> float | None:
    if strengths.shape[0] == 1:
        return None
    return float(as_double(strengths).std(0, correction=0).mean())


def _mean(values: Tensor) -> float:
    return float(as_double(values).mean()) if values.numel() else 0.0


def _max(values: Tensor) -> float:
    return float(values.max()) if values.numel() else 0.0
