"""Draw regions, label maps and fields; lay pictures out on a sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..ops.anchors import whole_pixel
from ..ops.bits import unpack_box
from ..ops.checks import InputError, check_image
from ..ops.distance import distance_to
from ..ops.palette import distinct_colours, heat_table
from ..ops.precision import where_float64
from ..regions import Regions
from .lettering import Word, letter, text_size

_UNCOVERED = (0.95, 0.10, 0.25)
_BACKGROUND = 0.11
_STRIPE_PX = 8
_LABEL_SEARCH_PX = 128
_ROWS_AT_ONCE = 256


def draw_regions(
    image: Tensor,
    regions: Regions,
    *,
    opacity: float = 0.5,
    outlines: bool = True,
    ids: bool = False,
    labels: bool = False,
    only_uncovered: bool = False,
) -> Tensor:
    """Paint regions over the image; returns a new picture, float32 (H, W, 3) in [0, 1].

    image: float (H, W, 3 or 4) in [0, 1]. A region's colour follows from its id alone, so it is
    the same after selecting and in every frame of a video. Where regions overlap the smallest is
    on top. opacity: of the paint, 0 to 1. outlines: draw each region's border in full colour.
    ids, labels: write them where what shows of the region is widest. only_uncovered: paint,
    instead of the regions, red stripes on the pixels that no region covers.

    Raises InputError when the regions are of another size than the image, or opacity is not in
    [0, 1].
    """
    picture = where_float64(check_image(image).clone())  # where Regions can be
    if tuple(picture.shape[:2]) != regions.size:
        raise InputError(
            f"Preview: the image is {picture.shape[1]} x {picture.shape[0]} pixels but the "
            f"regions {regions.size[1]} x {regions.size[0]}. Use the image they were made from."
        )
    if not 0 <= opacity <= 1:
        raise InputError(f"Preview: wanted an opacity from 0 to 1, got {opacity}.")
    regions = regions.to(picture.device)
    if only_uncovered:
        return _stripe(picture, ~regions.union(), max(opacity, 0.6))
    colours = distinct_colours(regions.ids)
    top = topmost(regions)
    if len(regions):
        for row in range(0, len(picture), _ROWS_AT_ONCE):
            part, above = picture[row : row + _ROWS_AT_ONCE], top[row : row + _ROWS_AT_ONCE]
            painted = torch.lerp(part, colours[above.clamp_min(0).long()], opacity)
            part.copy_(torch.where((above >= 0)[..., None], painted, part))
    if outlines:
        _outline(picture, regions, colours)
    if ids or labels:
        words = _words(regions, top, ids, labels)
        picture = letter(picture, words, _letter_size(regions.size))
    return picture.clamp_(0, 1).to(image.device)


def topmost(regions: Regions) -> Tensor:
    """The last region in canonical order at each pixel, the smallest; int32 (H, W), -1 for none."""
    top = torch.full(regions.size, -1, dtype=torch.int32, device=regions.device)
    for i, (window, mask) in enumerate(_windows(regions)):
        top[window][mask] = i
    return top


def ids_map(regions: Regions) -> Tensor:
    """The id of the last region in canonical order at each pixel; int64 (H, W), -1 for none."""
    ids = torch.cat([regions.ids.new_tensor([-1]), regions.ids])
    return ids[(topmost(regions) + 1).long()]


def colour_labels(labels: Tensor) -> Tensor:
    """A picture of a label map: float32 (H, W, 3).

    labels: integers (H, W). A label below 0, "no region", is dark grey; every other has the
    colour that `draw_regions` gives the region with that id.
    """
    if labels.ndim != 2 or labels.is_floating_point():
        raise InputError(
            f"Preview: wanted a label map of integers (H, W), got {labels.dtype} "
            f"{tuple(labels.shape)}."
        )
    colours = distinct_colours(labels.to(torch.int64).clamp_min(0))
    return torch.where((labels < 0)[..., None], colours.new_tensor(_BACKGROUND), colours)


def draw_field(
    field: Tensor,
    image: Tensor | None = None,
    *,
    opacity: float = 0.75,
    contours: int = 0,
    zebra: bool = False,
    probes: Sequence[tuple[float, float]] = (),
) -> Tensor:
    """A heat map of a field, alone or over its image; returns float32 (H, W, 3) in [0, 1].

    field: float (H, W); values outside [0, 1] are clamped. image: float (H, W, 3 or 4); without
    it the heat map is opaque. contours: number of lines, at even strengths between 0 and 1.
    zebra: stripe where the field is cut off, that is 0 or less (dark) or 1 or more (light).
    probes: points x, y in pixels, each ringed, with the strength there written beside it.

    Raises InputError when sizes differ, a setting is out of range or a probe is outside.
    """
    if field.ndim != 2 or not field.is_floating_point():
        raise InputError(
            f"Preview: wanted a field of floats (H, W), got {field.dtype} {tuple(field.shape)}."
        )
    if contours < 0 or not 0 <= opacity <= 1:
        raise InputError(
            f"Preview: wanted contours from 0 and an opacity in [0, 1], got {contours}, {opacity}."
        )
    strength = field.to(torch.float32).nan_to_num(0.0).clamp(0, 1)
    table = heat_table().to(field.device)
    picture = table[(strength * (len(table) - 1)).round().to(torch.int64)]
    if image is not None:
        base = check_image(image)
        if base.shape[:2] != field.shape:
            raise InputError(
                f"Preview: the image is {base.shape[1]} x {base.shape[0]} pixels but the field "
                f"{field.shape[1]} x {field.shape[0]}. Give both the same size."
            )
        picture = torch.lerp(base.to(picture.device), picture, opacity)
    if zebra:
        dark, light = picture.new_zeros(3), picture.new_ones(3)
        picture = _stripe(picture, strength <= 0, 0.4, light)
        picture = _stripe(picture, strength >= 1, 0.6, dark)
    if contours:
        picture = _contour(picture, strength, contours)
    return _probe(picture, field, probes).clamp(0, 1)


def strengths_at(field: Tensor, points: Sequence[tuple[float, float]]) -> list[float]:
    """The values of a field (H, W) at the pixels that points (x, y) lie in.

    Raises InputError for a point outside.
    """
    height, width = field.shape
    values = []
    for x, y in points:
        column, row = whole_pixel(x), whole_pixel(y)
        if not (0 <= column < width and 0 <= row < height):
            raise InputError(
                f"Preview: the probe {x:g}, {y:g} is outside the field of {width} x {height} "
                "pixels."
            )
        values.append(float(field[row, column]))
    return values


def contact_sheet(
    pictures: Sequence[tuple[str, Tensor]], columns: int = 3, width: int = 480
) -> Tensor:
    """Lay pictures out in rows under their titles; returns float32 (H, W, 3).

    pictures: (title, float (h, w, 3)). Each is resized to `width` pixels, its proportions kept;
    a row is as high as its highest picture.
    """
    if not pictures or columns < 1 or width < 16:
        raise InputError("Preview: wanted a picture, a column and a width of 16 pixels at least.")
    gap, size = max(4, width // 40), max(10, width // 24)
    title = size + gap
    small = [(name, _resize_to(picture, width)) for name, picture in pictures]
    rows = [small[i : i + columns] for i in range(0, len(small), columns)]
    heights = [max(p.shape[0] for _, p in row) + title + gap for row in rows]
    across = min(columns, len(small))
    like = small[0][1]
    sheet = like.new_full((sum(heights) + gap, across * (width + gap) + gap, 3), _BACKGROUND)
    words: list[Word] = []
    y = gap
    for row, height in zip(rows, heights, strict=True):
        for i, (name, picture) in enumerate(row):
            x = gap + i * (width + gap)
            sheet[y + title : y + title + picture.shape[0], x : x + width] = picture
            words.append((x + text_size(name, size)[0] / 2, y + size / 2, name))
        y += height
    return letter(sheet, words, size)


def _windows(regions: Regions) -> Iterator[tuple[tuple[slice, slice], Tensor]]:
    """For each region its box as slices (y, x), and its mask within, bool (h, w)."""
    for packed, (x0, y0, x1, y1) in zip(regions.packed, regions.boxes.tolist(), strict=True):
        yield (slice(y0, y1), slice(x0, x1)), unpack_box(packed, (x0, y0, x1, y1))


def _outline(picture: Tensor, regions: Regions, colours: Tensor) -> None:
    """Draw each region's border pixels into `picture`, the smallest region last."""
    thickness = max(1, round(min(regions.size) / 320))
    for (window, mask), colour in zip(_windows(regions), colours, strict=True):
        outside = torch.nn.functional.pad(~mask, (thickness,) * 4, value=True)[None].float()
        for kernel in ((1, 2 * thickness + 1), (2 * thickness + 1, 1)):
            outside = torch.nn.functional.max_pool2d(outside, kernel, 1)
        picture[window][mask & (outside[0] > 0)] = colour


def _words(regions: Regions, top: Tensor, ids: bool, labels: bool) -> list[Word]:
    """What to write on each region: in the part of it that shows, where any does."""
    words = []
    for i, (window, mask) in enumerate(_windows(regions)):
        number = str(int(regions.ids[i])) if ids else ""
        name = regions.labels[i] if labels else ""
        text = f"{number} {name}".strip()
        if text:
            shown = top[window] == i
            x, y = _widest_place(shown if shown.any() else mask)
            words.append((window[1].start + x, window[0].start + y, text))
    return words


def _widest_place(mask: Tensor) -> tuple[float, float]:
    """Where a mask is farthest from its border, as x, y; found on a grid of bounded size."""
    step = max(1, max(mask.shape) // _LABEL_SEARCH_PX)
    coarse = mask[step // 2 :: step, step // 2 :: step]
    if not coarse.any():
        y, x = mask.nonzero()[0].tolist()
        return float(x), float(y)
    ringed = torch.nn.functional.pad(coarse, (1, 1, 1, 1))
    best = int(distance_to(~ringed).argmax())
    y, x = best // ringed.shape[1] - 1, best % ringed.shape[1] - 1
    return float(x * step + step // 2), float(y * step + step // 2)


def _letter_size(size: tuple[int, int]) -> int:
    return max(10, min(size) // 32)


def _stripe(picture: Tensor, where: Tensor, opacity: float, colour: Tensor | None = None) -> Tensor:
    """Diagonal stripes of `colour` on the pixels of `where` bool (H, W)."""
    height, width = where.shape
    y = torch.arange(height, device=picture.device)[:, None]
    x = torch.arange(width, device=picture.device)
    pitch = max(_STRIPE_PX, min(height, width) // 60)
    ink = picture.new_tensor(_UNCOVERED) if colour is None else colour
    share = torch.where((x + y) % pitch < pitch // 2, opacity, opacity / 2)
    return torch.lerp(picture, ink.expand_as(picture), (share * where)[..., None])


def _contour(picture: Tensor, strength: Tensor, count: int) -> Tensor:
    """Lines between neighbouring pixels whose strengths fall into different bands."""
    band = (strength * (count + 1)).floor().clamp(0, count)
    line = torch.zeros_like(band, dtype=torch.bool)
    line[:, 1:] |= band[:, 1:] != band[:, :-1]
    line[1:] |= band[1:] != band[:-1]
    ink = (strength < 0.5).to(picture.dtype)[..., None].expand_as(picture)
    return torch.where(line[..., None], torch.lerp(picture, ink, 0.8), picture)


def _probe(picture: Tensor, field: Tensor, points: Sequence[tuple[float, float]]) -> Tensor:
    """Rings at points, white on black, and what the field is there."""
    if not points:
        return picture
    height, width = field.shape
    size = _letter_size((height, width))
    y = torch.arange(height, device=picture.device)[:, None]
    x = torch.arange(width, device=picture.device)
    words: list[Word] = []
    for (at_x, at_y), value in zip(points, strengths_at(field, points), strict=True):
        away = torch.hypot(x - float(whole_pixel(at_x)), y - float(whole_pixel(at_y)))
        for reach, ink in ((size / 2, 0.0), (size / 2 - 1.5, 1.0)):
            ring = (reach - away).clamp(0, 1) * (away - reach + 2.5).clamp(0, 1)
            picture = torch.lerp(picture, torch.full_like(picture, ink), ring[..., None])
        above = at_y >= size * 1.8  # or the word would be moved onto its ring
        words.append((at_x, at_y + size * (-1.2 if above else 1.2), f"{value:.3f}"))
    return letter(picture, words, size)


def _resize_to(picture: Tensor, width: int) -> Tensor:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    planes = check_image(picture).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(
        planes, (height, width), mode="bilinear", align_corners=False, antialias=True
    )
    return resized[0].permute(1, 2, 0).clamp(0, 1)
