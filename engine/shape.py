"""Strength fields from shapes, from a point in space, and from a picture's own values."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .ops.anchors import whole_pixel
from .ops.checks import InputError
from .ops.colour import linear_to_srgb, luminance, srgb_to_linear, srgb_to_oklab
from .ops.falloff import falloff as shape_ramp
from .ops.fields import (
    UNITS,
    as_images,
    as_planes,
    check_choice,
    check_finite,
    check_number,
    common_batch,
)
from .ops.outline import distance_to_superellipse
from .ops.ramp import ramp, window

SHAPES = ("radial", "linear", "superellipse", "conical")
SPACE_UNITS = ("percent", "scene")
CHANNELS = ("luminance", "hue", "chroma")
_FULL_CHROMA = 0.3225
_GREY = 0.02


def field_from_shape(
    size: tuple[int, int],
    *,
    shape: str = "radial",
    center: tuple[float, float] = (0.5, 0.5),
    angle: float = 0.0,
    inner_radius: float = 10.0,
    outer_radius: float = 50.0,
    units: str = "percent",
    aspect: float = 1.0,
    roundness: float = 1.0,
    inner_angle: float = 0.0,
    outer_angle: float = 180.0,
    falloff: str = "smoothstep",
    gamma: float = 1.0,
    invert: bool = False,
) -> Tensor:
    """Strength by place: float32 (1, H, W) in [0, 1].

    size: (H, W). center: x, y as shares of width and height (0, 0 = upper left corner, 1, 1 = lower
    right), may lie outside. angle: degrees clockwise from the right. Radii >= 0, outer >= inner, in
    units "pixels" or "percent" of the short side; t = (outer - d) / (outer - inner), so that the
    feather is outer - inner pixels wide wherever it runs. strength = falloff(clamp(t, 0, 1))^gamma.
    "radial" and "superellipse": d = inner + distance in pixels to the shape with half height
    `inner` and half width `inner * aspect`, turned by `angle`: full inside it, none outer - inner
    away. roundness (superellipse only): 1 = ellipse, 0 = rectangle, |x / a|^n + |y / b|^n <= 1 with
    n = 2 / roundness. "linear": d = distance from the centre in the direction of `angle`, negative
    behind. "conical": d = degrees between the direction from the centre and `angle`, with
    `inner_angle` and `outer_angle` (0 to 180) in place of the radii. invert: 1 minus that.
    Raises InputError for unknown names, radii or angles out of order, aspect <= 0.
    """
    where = "Field from Shape"
    check_choice(f"{where}: shape", shape, SHAPES)
    check_choice(f"{where}: units", units, UNITS)
    check_number(f"{where}: aspect", aspect, 1e-3, 1e3)
    check_number(f"{where}: roundness", roundness, 0, 1)
    for name, value in (("center x", center[0]), ("center y", center[1]), ("angle", angle)):
        check_number(f"{where}: {name}", value)
    conical = shape == "conical"
    inner, outer = (inner_angle, outer_angle) if conical else (inner_radius, outer_radius)
    _check_reach(where, inner, outer, 180 if conical else math.inf)
    scale = min(size) / 100 if units == "percent" and not conical else 1.0
    along, aside = _turned(size, center, angle)
    if shape == "linear":
        distance = along.expand(size)
    elif conical:
        distance = torch.atan2(aside, along).abs() * (180 / math.pi)
    else:
        half = (inner * scale * aspect, inner * scale)
        bend = roundness if shape == "superellipse" else 1.0
        distance = inner * scale + distance_to_superellipse(along, aside, half, bend)
    return shape_ramp(ramp(distance, outer * scale, inner * scale), falloff, gamma, invert)[None]


def field_from_3d_point(
    geometry: Tensor,
    *,
    point: tuple[float, float],
    inner_radius: float = 0.0,
    outer_radius: float = 50.0,
    units: str = "percent",
    intrinsics: Tensor | None = None,
    fov_degrees: float = 60.0,
    falloff: str = "smoothstep",
    gamma: float = 1.0,
    invert: bool = False,
) -> Tensor:
    """Strength by distance in space around what a clicked pixel shows: float32 (B, H, W).

    geometry: points (B, H, W, 3) in any unit (MOGE_GEOMETRY["points"]), or depth (B, H, W) along
    the viewing axis, larger = farther and in proportion to true depth (DA3_GEOMETRY["depth"]; a
    rendered depth picture is neither). Depth becomes points with `intrinsics` (3, 3) or (B, 3, 3)
    in pixels, or a camera with `fov_degrees` across the width and its axis in the middle.
    point: x, y in pixels; where it has no depth, the nearest pixel that has. Radii >= 0, outer >=
    inner, in "percent" of the clicked point's distance from the camera or in "scene" units.
    t = (outer - d) / (outer - inner); strength = falloff(clamp(t, 0, 1)) ** gamma; a pixel without
    depth (not finite, or depth <= 0) is infinitely far. invert: 1 minus that.
    Raises InputError for a point outside the picture or a frame without any depth.
    """
    where = "Field from 3-D Point"
    check_choice(f"{where}: units", units, SPACE_UNITS)
    _check_reach(where, inner_radius, outer_radius)
    points = _points_of(geometry, intrinsics, fov_degrees)
    height, width = points.shape[1:3]
    x, y = whole_pixel(point[0]), whole_pixel(point[1])
    if not (0 <= x < width and 0 <= y < height):
        raise InputError(f"{where}: the point {point} is outside the {width} x {height} picture.")
    fields = []
    for cloud in points:
        anchor = cloud[_nearest_known(cloud, y, x)]
        scale = float(torch.linalg.vector_norm(anchor)) / 100 if units == "percent" else 1.0
        distance = torch.nan_to_num(torch.linalg.vector_norm(cloud - anchor, dim=-1), nan=math.inf)
        fields.append(ramp(distance, outer_radius * scale, inner_radius * scale))
    return shape_ramp(torch.stack(fields), falloff, gamma, invert)


def field_from_image_range(
    image: Tensor,
    *,
    channel: str = "luminance",
    low: float = 0.5,
    high: float = 1.0,
    low_feather: float = 0.1,
    high_feather: float = 0.1,
    falloff: str = "smoothstep",
    gamma: float = 1.0,
    invert: bool = False,
) -> Tensor:
    """Strength by a picture's own values, a trapezoid: float32 (B, H, W) in [0, 1].

    image: (B, H, W, 3 or 4), sRGB. Full from `low` to `high`, none a feather below or above.
    channel: "luminance" = the sRGB grey of equal luminance, 0 to 1; "chroma" = Oklab chroma, 1 =
    the most an sRGB colour has; "hue" = Oklab hue in degrees (red 29, yellow 110, green 142, blue
    264), where `low` to `high` runs clockwise and may pass 360 (low 330, high 30), feathers too are
    degrees, and strength fades out with the last 0.02 of chroma, because grey has no hue.
    strength = falloff(clamp(t, 0, 1)) ** gamma; invert: 1 minus that.
    Raises InputError for an unknown channel, low > high (but for hue), a negative feather.
    """
    check_choice("Field from Image Range: channel", channel, CHANNELS)
    fields = []
    where = "Field from Image Range: image"
    for picture in check_finite(as_images(image, where), where):
        colour = picture[..., :3].to(torch.float32)
        if channel == "luminance":
            value = linear_to_srgb(luminance(srgb_to_linear(colour)))
            place = window(value, low, high, low_feather, high_feather)
        else:
            place = _colour_range(colour, channel, low, high, low_feather, high_feather)
        fields.append(shape_ramp(place, falloff, gamma, invert))
    return torch.stack(fields)


def _check_reach(where: str, inner: float, outer: float, most: float = math.inf) -> None:
    check_number(f"{where}: inner", inner, 0, most)
    check_number(f"{where}: outer", outer, 0, most)
    if outer < inner:
        raise InputError(f"{where}: wanted 0 <= inner <= outer, got {inner:g} and {outer:g}.")


def _turned(
    size: tuple[int, int], center: tuple[float, float], angle: float
) -> tuple[Tensor, Tensor]:
    """Pixels' places along and across the direction `angle`, from the centre; float64 (H, W)."""
    x = torch.arange(size[1], dtype=torch.float64) + 0.5 - center[0] * size[1]
    y = (torch.arange(size[0], dtype=torch.float64) + 0.5 - center[1] * size[0])[:, None]
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def _points_of(geometry: Tensor, intrinsics: Tensor | None, fov_degrees: float) -> Tensor:
    if geometry.ndim == 4 and geometry.shape[-1] == 3:
        return geometry.to(torch.float32)
    depth = as_planes(geometry, "Field from 3-D Point: geometry").to(torch.float32)
    count, height, width = depth.shape
    if intrinsics is None:
        check_number("Field from 3-D Point: fov_degrees", fov_degrees, 1, 179)
        focal = width / 2 / math.tan(math.radians(fov_degrees) / 2)
        intrinsics = torch.tensor(
            [[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]]
        )
    if tuple(intrinsics.shape[-2:]) != (3, 3):
        raise InputError(
            "Field from 3-D Point: wanted intrinsics (3, 3) or (B, 3, 3), got shape "
            f"{tuple(intrinsics.shape)}."
        )
    camera = intrinsics.reshape(-1, 3, 3).to(depth)
    if not bool((torch.linalg.det(camera).abs() > 0).all()):
        raise InputError(
            "Field from 3-D Point: the intrinsics are those of no camera (their determinant is 0 "
            "or no number). Connect other geometry, or its depth alone as a mask."
        )
    common_batch("Field from 3-D Point", {"depth": count, "intrinsics": camera.shape[0]})
    y, x = torch.meshgrid(
        torch.arange(height, device=depth.device),
        torch.arange(width, device=depth.device),
        indexing="ij",
    )
    pixels = torch.stack([x, y, torch.ones_like(x)], -1).to(depth)
    rays = torch.einsum("bij,hwj->bhwi", torch.linalg.inv(camera), pixels)
    return rays * torch.where(depth > 0, depth, math.nan)[..., None]


def _nearest_known(cloud: Tensor, y: int, x: int) -> tuple[int, int]:
    known = cloud.isfinite().all(-1).nonzero()
    if known.shape[0] == 0:
        raise InputError("Field from 3-D Point: a frame has no depth at all.")
    away = (known - torch.tensor([y, x], device=known.device)).square().sum(-1)
    row, column = known[int(away.argmin())].tolist()
    return row, column


def _colour_range(
    colour: Tensor, channel: str, low: float, high: float, low_feather: float, high_feather: float
) -> Tensor:
    lab = srgb_to_oklab(colour)
    chroma = torch.linalg.vector_norm(lab[..., 1:], dim=-1)
    if channel == "chroma":
        return window(chroma / _FULL_CHROMA, low, high, low_feather, high_feather)
    hue = torch.atan2(lab[..., 2], lab[..., 1]) * (180 / math.pi)
    span = (high - low) % 360 if high - low != 360 else 360.0
    middle = low + span / 2
    off = ((hue - middle + 180) % 360) - 180
    # A long feather may run past the opposite hue, where the circle was cut open.
    places = [
        window(off + turn, -span / 2, span / 2, low_feather, high_feather)
        for turn in (-360, 0, 360)
    ]
    return torch.minimum(torch.stack(places).amax(0), chroma / _GREY)
