"""Grading and haze by field: the settings act as strongly at each pixel as the field says."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .ops.beside import fields_beside
from .ops.chunks import at_once, new_planes
from .ops.colour import (
    linear_to_oklab,
    linear_to_srgb,
    luminance,
    oklab_to_linear,
    srgb_to_linear,
)
from .ops.fields import as_field, as_images, check_number, common_batch, frame

_IN_CACHE = 1 << 13
_ROUNDING = 1e-4
_HALVINGS = 10


def grade_by_field(
    image: Tensor,
    field: Tensor,
    *,
    exposure: float = 0.0,
    temperature: float = 0.0,
    saturation: float = 1.0,
    hue: float = 0.0,
    gamma: float = 1.0,
) -> Tensor:
    """Grade a picture by a field f: the shape and dtype of `image`, in [0, 1].

    image: float (B, H, W, 3 or 4), sRGB; (H, W, C) is one frame; alpha is kept. field: (B, H, W),
    resized to fit. Each setting is scaled by f, in this order, in linear light unless it says
    otherwise: exposure: stops, x 2^(exposure f). temperature: -1 (cold) to 1 (warm), red x
    2^(temperature f / 2), blue x 2^(-temperature f / 2), then scaled back to the luminance it had.
    saturation: >= 0, Oklab chroma x (1 + (saturation - 1) f). hue: degrees, Oklab hue + hue f.
    A colour more vivid than sRGB holds loses chroma until it fits, and keeps its hue.
    gamma: > 0, the sRGB value ** (1 / gamma^f): above 1 lifts the middle, as in grading, where a
    field's own gamma (strength ** gamma) lowers it. Where f is 0, or no setting does anything, the
    picture is left bit for bit. Raises InputError for settings out of range or batches that don't
    fit.
    """
    where = "Grade by Field"
    check_number(f"{where}: exposure", exposure, -20, 20)
    check_number(f"{where}: temperature", temperature, -1, 1)
    check_number(f"{where}: saturation", saturation, 0, 10)
    check_number(f"{where}: hue", hue, -360, 360)
    check_number(f"{where}: gamma", gamma, 0.01, 100)
    if (exposure, temperature, saturation, hue, gamma) == (0, 0, 1, 0, 1):
        return as_images(image, f"{where}: image").view_as(image).clone()

    def grade(colour: Tensor, f: Tensor) -> Tensor:
        light = srgb_to_linear(colour) * torch.exp2(exposure * f)
        if temperature:
            light = _warm(light, temperature * f)
        if saturation != 1 or hue:
            light = _turn(light, 1 + (saturation - 1) * f, math.radians(hue) * f)
        coded = linear_to_srgb(light.clamp(0, 1))
        return coded if gamma == 1 else coded.pow(torch.exp2(-math.log2(gamma) * f))

    return change_by_field(where, image, field, grade)


def haze_by_field(
    image: Tensor,
    field: Tensor,
    *,
    color: tuple[float, float, float] = (0.75, 0.8, 0.88),
    density: float = 2.0,
) -> Tensor:
    """Haze a picture by a field f: the shape and dtype of `image`, in [0, 1].

    color: sRGB of the haze, 0 to 1. density: >= 0, optical depth where f is 1. In linear light:
    c T + color (1 - T) with T = e^(-density f) (Koschmieder's law; a field that grows in proportion
    to depth gives even air). Alpha is kept. Where f is 0 the picture is left bit for bit.
    """
    check_number("Haze by Field: density", density, 0)
    for value in color:
        check_number("Haze by Field: color", value, 0, 1)
    air = srgb_to_linear(torch.tensor(color, dtype=torch.float32, device=image.device))

    def haze(colour: Tensor, f: Tensor) -> Tensor:
        return linear_to_srgb(torch.lerp(air, srgb_to_linear(colour), torch.exp(-density * f)))

    return change_by_field("Haze by Field", image, field, haze)


def change_by_field(
    where: str, image: Tensor, field: Tensor, change: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """`change(colour (h, W, 3), f (h, W, 1))` in strips; the picture itself where f is 0."""
    images, strengths = as_images(image, f"{where}: image"), as_field(field, f"{where}: field")
    count = common_batch(where, {"image": images.shape[0], "field": strengths.shape[0]})
    size = (images.shape[1], images.shape[2])
    strengths = fields_beside(strengths, size, f"{where}: a field")
    out = new_planes((count, *images.shape[1:]), image.device).to(image.dtype)
    rows = max(1, at_once(image.device, _IN_CACHE) // images.shape[2])
    for i in range(count):
        for y in range(0, images.shape[1], rows):
            part = slice(y, y + rows)
            picture, f = frame(images, i)[part], frame(strengths, i)[part, :, None]
            changed = change(picture[..., :3].to(torch.float32).contiguous(), f).clamp_(0, 1)
            out[i, part] = picture
            out[i, part, :, :3] = torch.where(f > 0, changed.to(image.dtype), picture[..., :3])
    return out[0] if image.ndim == 3 and count == 1 else out


def _warm(light: Tensor, amount: Tensor) -> Tensor:
    gains = torch.cat([amount / 2, torch.zeros_like(amount), -amount / 2], -1)
    warmed = light * torch.exp2(gains)
    before, after = luminance(light)[..., None], luminance(warmed)[..., None]
    return warmed * (before / after.clamp(min=1e-8))


def _turn(light: Tensor, chroma: Tensor, angle: Tensor) -> Tensor:
    lab = linear_to_oklab(light)
    a, b = lab[..., 1:2] * chroma, lab[..., 2:3] * chroma
    cosine, sine = torch.cos(angle), torch.sin(angle)
    turned = torch.cat([lab[..., :1], a * cosine - b * sine, a * sine + b * cosine], -1)
    return _within_gamut(turned, light.amax(-1, keepdim=True).clamp(min=1))


def _within_gamut(lab: Tensor, brightest: Tensor) -> Tensor:
    """Oklab (..., 3) as linear light from 0 to `brightest`: chroma gives way, not hue.

    Cut off channel by channel, an orange that is too vivid would turn red.
    """
    light = oklab_to_linear(lab)
    outside = ((light < -_ROUNDING) | (light > brightest + _ROUNDING)).any(-1)
    if light.device.type == "cpu" and not bool(outside.any()):
        return light
    vivid, top = lab[outside], brightest[outside]
    low = torch.zeros_like(vivid[:, :1])
    high = torch.ones_like(low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tried = oklab_to_linear(torch.cat([vivid[:, :1], vivid[:, 1:] * middle], -1))
        fits = ((tried >= -_ROUNDING) & (tried <= top + _ROUNDING)).all(-1, keepdim=True)
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    light[outside] = oklab_to_linear(torch.cat([vivid[:, :1], vivid[:, 1:] * low], -1))
    return light
