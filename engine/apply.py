"""Applying an effect by a field."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .ops.beside import fields_beside, images_beside
from .ops.chunks import at_once, new_planes
from .ops.colour import linear_to_srgb, oklab_to_srgb, srgb_to_linear, srgb_to_oklab
from .ops.fields import as_field, as_images, check_choice, common_batch, frame

SPACES = ("linear", "srgb", "oklab")
_LATENT_PIXELS = (8, 16, 32)
_IN_CACHE = 1 << 16


def composite(base: Tensor, effect: Tensor, field: Tensor, space: str = "linear") -> Tensor:
    """Mix two pictures by a field: `base` where it is 0, `effect` where it is 1.

    base, effect: float (B, H, W, C) in [0, 1], sRGB, C = 3 or 4 (straight alpha); (H, W, C) is one
    frame. field: (B, H, W) or (H, W). An effect or field of another size is resized to the base. A
    batch of 1 goes with any batch. space: where colours mix: "linear" light, "srgb" as stored, or
    "oklab".
    In that space, with f the field: c = (1 - f) base + f effect. With alpha, colours mix
    premultiplied: a = (1 - f) a0 + f a1, c = ((1 - f) a0 base + f a1 effect) / a. The result has
    base's channels: an effect with alpha on a base without is laid over it (f becomes f a1), and
    an effect without alpha counts as opaque.
    Returns base's dtype and rank (a batch where there are several frames). Where f is 0 the result
    is `base` bit for bit, and where f is 1 `effect` exactly, so long as both have the same
    channels; between, values stay in [0, 1] if those of the inputs do. No input is modified.
    Raises InputError when batches or shapes don't fit, or `space` is unknown.
    """
    where = "Composite by Field"
    check_choice(f"{where}: space", space, SPACES)
    below, above = as_images(base, f"{where}: base"), as_images(effect, f"{where}: effect")
    amount = as_field(field, f"{where}: field")
    count = common_batch(
        where,
        {"base": below.shape[0], "effect": above.shape[0], "field": amount.shape[0]},
    )
    size = (below.shape[1], below.shape[2])
    above = _laid_on(above, size)
    amount = fields_beside(amount, size, f"{where}: a field")
    out = new_planes((count, *below.shape[1:]), base.device).to(base.dtype)
    rows = max(1, at_once(base.device, _IN_CACHE) // size[1])
    for i in range(count):
        for y in range(0, size[0], rows):
            part = slice(y, y + rows)
            # A decoder's pictures lie plane by plane; steps on mixed orders are slow.
            low, high = (frame(each, i)[part].contiguous() for each in (below, above))
            out[i, part] = _mix(low, high, frame(amount, i)[part, :, None], space)
    return out[0] if base.ndim == 3 and count == 1 else out


def _laid_on(effect: Tensor, size: tuple[int, int]) -> Tensor:
    """The effect at the size of its base.

    A picture that went through a VAE comes back cropped about its middle to a multiple of 8 pixels
    or more. It is laid where it was, and its border pixel goes on; any other is resized.
    """
    given = (effect.shape[1], effect.shape[2])
    cropped = any(given == tuple(side // unit * unit for side in size) for unit in _LATENT_PIXELS)
    if given == size or not cropped:
        return images_beside(effect, size, "Composite by Field: an effect")
    top, left = ((whole - part) // 2 for whole, part in zip(size, given, strict=True))
    pad = (left, size[1] - given[1] - left, top, size[0] - given[0] - top)
    planes = F.pad(effect.movedim(-1, 1), pad, mode="replicate")
    return planes.movedim(1, -1)


def _mix(base: Tensor, effect: Tensor, amount: Tensor, space: str) -> Tensor:
    """One strip: base and effect (h, W, C), amount (h, W, 1)."""
    if base.shape[-1] == 3 and effect.shape[-1] == 4:
        amount = amount * effect[..., 3:].clamp(0, 1)
    channels = base.shape[-1]
    if channels == 4 and effect.shape[-1] == 3:
        effect = torch.cat([effect, torch.ones_like(effect[..., :1])], -1)
    effect = effect[..., :channels].to(base.dtype)
    least, most = amount.aminmax()
    if most <= 0:
        return base
    if least >= 1:
        return effect
    # One value for each channel, because mixing (h, W, 3) by (h, W, 1) is many times slower.
    wide = amount.expand_as(base).contiguous()
    mixed = _blend(base.to(torch.float32), effect.to(torch.float32), wide, space).to(base.dtype)
    if most >= 1:
        mixed = _keep(effect, mixed, (1 - wide).sign_())
    return _keep(base, mixed, wide.sign()) if least <= 0 else mixed


def _keep(picture: Tensor, mixed: Tensor, changed: Tensor) -> Tensor:
    """`picture` bit for bit where `changed` is 0, `mixed` where it is 1; all (h, W, C).

    torch.lerp is exact at both ends, and several times as fast as a choice on a CPU; but 0 times
    what isn't a finite number is none either.
    """
    if bool(mixed.sum().isfinite()) and bool(picture.sum().isfinite()):
        return torch.lerp(picture, mixed, changed.to(picture.dtype))
    return torch.where(changed > 0, mixed, picture)


def _blend(base: Tensor, effect: Tensor, amount: Tensor, space: str) -> Tensor:
    """All (h, W, C), the amount the same for every channel."""
    share = amount[..., :3]
    if base.shape[-1] == 4:
        alpha = torch.lerp(base[..., 3:], effect[..., 3:], amount[..., 3:])
        share = torch.where(alpha > 0, share * effect[..., 3:] / alpha, share).clamp(0, 1)
    low, high = base[..., :3], effect[..., :3]
    mixed = _from_space(torch.lerp(_to_space(low, space), _to_space(high, space), share), space)
    floor, ceiling = torch.minimum(low, high), torch.maximum(low, high)
    if space == "oklab":
        floor, ceiling = floor.clamp(max=0), ceiling.clamp(min=1)
    mixed = torch.minimum(torch.maximum(mixed, floor), ceiling)
    return mixed if base.shape[-1] == 3 else torch.cat([mixed, alpha], -1)


def _to_space(colour: Tensor, space: str) -> Tensor:
    if space == "linear":
        return srgb_to_linear(colour)
    return srgb_to_oklab(colour) if space == "oklab" else colour


def _from_space(colour: Tensor, space: str) -> Tensor:
    if space == "linear":
        return linear_to_srgb(colour)
    return oklab_to_srgb(colour) if space == "oklab" else colour
