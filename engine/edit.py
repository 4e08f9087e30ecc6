"""Change regions: combine, split, fill, clean, grow, smooth, snap to the image, nest.

Every edit works on each region by itself, within its box and what the edit can reach, and keeps
id, scores and label. A region that an edit leaves without a pixel is dropped. Distances are
Euclidean, in pixels between pixel centres; beyond the image's border nothing is known, so the
border neither erodes a region nor counts as a hole's rim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from .ops.beside import image_beside, mask_beside
from .ops.bits import bit_count, pack_bits, unpack_bits, unpack_box
from .ops.checks import InputError, Progress
from .ops.dilate import within
from .ops.distance import signed_distance
from .ops.fields import check_choice, check_number
from .ops.geodesic import oklab_planes
from .ops.guided import Guide
from .ops.islands import islands_of
from .ops.tidy import fill_holes_within, remove_islands_within
from .regions import Regions

_MOST_BYTES = 4 << 30
_SNAP_TILE = 192
Window: TypeAlias = "tuple[slice, slice]"

COMBINATIONS = {
    "add": "Pixels of the region or of the mask.",
    "subtract": "Pixels of the region that are not in the mask.",
    "intersect": "Pixels of the region that are in the mask.",
    "exclude": "Pixels of the region or of the mask, but not of both.",
}


def merge(regions: Regions, label: str = "") -> Regions:
    """All regions as one that holds their union; none of none. It has id 0 and score 1."""
    return Regions.from_masks(regions.union(), labels=[label])


def combine_with(regions: Regions, mask: Tensor | Regions, mode: str) -> Regions:
    """Each region combined with one mask, as in `COMBINATIONS`.

    mask: (H, W), bool or > 0.5, resized where it must be; or Regions, whose union it is.
    """
    check_choice("Combine Regions: mode", mode, COMBINATIONS)
    if isinstance(mask, Regions):
        mask = mask.union()
    plane = pack_bits(mask_beside(mask, regions.size, regions.device, "Combine Regions"))
    own = regions.packed
    if mode == "add":
        packed = own | plane
    elif mode == "subtract":
        packed = own & ~plane
    elif mode == "intersect":
        packed = own & plane
    else:
        packed = own ^ plane
    return _with_masks(regions, packed)


def split_islands(regions: Regions, min_area: int = 1, connectivity: int = 8) -> Regions:
    """Each connected part of each region as a region of its own.

    min_area: parts of fewer pixels are dropped. The largest part kept (of equals the one a
    row-by-row scan meets first) keeps the region's id; the others get new ids, in the order of
    the regions, then of the scan. Scores and labels go with every part.
    """
    if connectivity not in (4, 8):
        raise InputError(f"Split Islands: connectivity is 4 or 8, got {connectivity}.")
    parts: list[tuple[Window, Tensor]] = []
    origin: list[int] = []
    ids: list[int] = []
    next_id = int(regions.ids.max()) + 1 if len(regions) else 0
    most = _MOST_BYTES // max(1, regions.size[0] * regions.packed.shape[-1])
    for i in range(len(regions)):
        found = islands_of(regions.packed[i], regions.boxes[i], regions.size[1], connectivity)
        areas = found.areas.tolist()
        largest = int(found.areas.argmax())
        kept = [part for part, area in enumerate(areas) if area >= min_area]
        if len(parts) + len(kept) > most:
            raise InputError(
                f"Split Islands: more than {most} parts, which don't fit in memory. Raise min_area."
            )
        held = {part: found.bits(part) for part in range(len(areas)) if part != largest}
        held[largest] = _without(regions, i, list(held.values()))
        for part in kept:
            parts.append(held[part])
            origin.append(i)
            ids.append(int(regions.ids[i]) if part == largest else next_id)
            next_id += part != largest
    packed = regions.packed.new_zeros((len(parts), *regions.packed.shape[1:]))
    for plane, (window, bits) in zip(packed, parts, strict=True):
        plane[window] = bits
    index = torch.tensor(origin, dtype=torch.int64, device=regions.device)
    return Regions.from_packed(
        packed,
        regions.size,
        regions.scores[index],
        [regions.labels[i] for i in origin],
        regions.stability[index],
        ids,
        owned=True,
    )


def fill_holes(regions: Regions, area: float = math.inf) -> Regions:
    """Fill holes of fewer than `area` pixels: 8-connected background parts that the region
    encloses. What touches the image's border is no hole."""
    check_number("Fill Holes: area", 0 if area == math.inf else area, 0)
    packed = regions.packed.clone()
    for plane, box in zip(packed, regions.boxes.tolist(), strict=True):
        fill_holes_within(plane, box, area)
    return _with_masks(regions, packed)


def remove_specks(regions: Regions, area: float) -> Regions:
    """Remove 8-connected parts of fewer than `area` pixels; a region's largest part stays."""
    check_number("Remove Specks: area", area, 0)
    packed = regions.packed.clone()
    for plane, box in zip(packed, regions.boxes.tolist(), strict=True):
        remove_islands_within(plane, box, area)
    return _with_masks(regions, packed)


def grow(regions: Regions, pixels: float) -> Regions:
    """Grow each region by all pixels within `pixels` of it, or shrink it where negative: then
    pixels within that distance of the outside go."""
    check_number("Grow Regions: pixels", pixels, -1e5, 1e5)
    reach = math.ceil(abs(pixels)) + 1
    return _each(regions, reach, lambda mask: _grown(mask, pixels))


def smooth(regions: Regions, radius: float) -> Regions:
    """Round each outline: first notches and gaps narrower than twice `radius` close, then spikes
    and bridges narrower than that go (closing and opening by a disc of that radius)."""
    check_number("Smooth Regions: radius", radius, 0, 1e4)

    def change(mask: Tensor) -> Tensor:
        for step in (radius, -radius, -radius, radius):
            mask = _grown(mask, step)
        return mask

    return _each(regions, 2 * math.ceil(radius) + 2, change)


def feather(regions: Regions, inside: float, outside: float) -> Tensor:
    """The union of the regions as a field with a soft edge: float32 (1, H, W) in [0, 1].

    A straight ramp over the signed distance to the outline: 1 from `inside` pixels within, 0 from
    `outside` pixels without; both 0 give the hard mask. No regions give 0 everywhere.
    """
    check_number("Feather: inside", inside, 0)
    check_number("Feather: outside", outside, 0)
    union = regions.union()
    if inside + outside == 0:
        return union[None].to(torch.float32)
    return ((signed_distance(union) + outside) / (inside + outside)).clamp(0, 1)[None]


def snap_edges(
    regions: Regions,
    image: Tensor,
    radius: int = 8,
    edge_contrast: float = 0.02,
    progress: Progress | None = None,
) -> Regions:
    """Move each outline to the image's edges, where there are any within `radius` pixels.

    image: sRGB (H, W, 3 or 4). Each mask is fitted to the image's colours (Oklab) by a guided
    filter with windows of 2 radius + 1, and cut at a half. Pixels farther than `radius` from the
    outline stay as they were, and so do those around which the image is flat: where the standard
    deviation of the colour in their window is at most `edge_contrast` (Oklab, above 0).
    The image is gone through in tiles: what depends on it alone is computed once for all regions,
    and of a region only what lies around its outline is looked at. progress counts tiles.
    """
    check_number("Snap Edges: radius", radius, 1, 1000)
    if not edge_contrast > 0:
        raise InputError(f"Snap Edges: wanted an edge_contrast above 0, got {edge_contrast}.")
    colours = oklab_planes(image_beside(image, regions.size, regions.device))
    packed = regions.packed.clone()
    tiles = list(_tiles(regions.size, max(_SNAP_TILE, 4 * radius)))
    for done, (rows, columns) in enumerate(tiles):
        if progress is not None:
            progress(done, len(tiles))
        met = _meeting(regions, rows, columns, radius)
        if met:
            _snap_tile(regions, packed, met, (rows, columns), colours, radius, edge_contrast)
    return _with_masks(regions, packed)


def _snap_tile(
    regions: Regions,
    packed: Tensor,
    met: list[int],
    tile: Window,
    colours: Tensor,
    radius: int,
    edge_contrast: float,
) -> None:
    """Snap the regions `met` in a tile of the picture, from `regions` into `packed`."""
    height, width = regions.size
    # A fit looks 2 radius far; a window of bytes begins at a multiple of 8.
    y0, x0 = max(tile[0].start - 2 * radius, 0), max(tile[1].start - 2 * radius, 0) // 8 * 8
    y1, x1 = min(tile[0].stop + 2 * radius, height), min(tile[1].stop + 2 * radius, width)
    inner = (
        slice(tile[0].start - y0, tile[0].stop - y0),
        slice(tile[1].start - x0, tile[1].stop - x0),
    )
    guide: Guide | None = None
    for i in met:
        mask = unpack_box(regions.packed[i], (x0, y0, x1, y1))
        near = _near_outline(mask, inner, radius)
        if near is None:
            continue
        guide = guide or Guide(colours[:, y0:y1, x0:x1], radius, edge_contrast**2)
        movable = near[1] & (guide.variance[near[0]] > edge_contrast**2)
        if not bool(movable.any()):
            continue
        around = _grown_window(near[0], 2 * radius, mask.shape)
        fitted = guide.fit(mask[around].to(torch.float32), around)
        fitted = fitted[_inside(near[0], around)]
        changed = mask.clone()
        changed[near[0]] = torch.where(movable, fitted > 0.5, mask[near[0]])
        target = packed[i][tile[0], tile[1].start // 8 : (tile[1].stop + 7) // 8]
        target.copy_(pack_bits(changed[inner]))


def _near_outline(mask: Tensor, inner: Window, radius: int) -> tuple[Window, Tensor] | None:
    """Where in the window `inner` pixels lie within `radius` of the mask's outline.

    The window that holds all of them, and which of its pixels they are; None where there are none.
    The outline runs half a pixel beside the centres of the pixels on its two sides.
    """
    outer = _grown_window(inner, radius + 1, mask.shape)
    part = mask[outer]
    if bool(part.all()) or not bool(part.any()):
        return None
    near = (within(part, radius + 0.5) & within(~part, radius + 0.5))[_inside(inner, outer)]
    rows, columns = near.any(1).nonzero(), near.any(0).nonzero()
    if not len(rows):
        return None
    y = slice(int(rows[0]), int(rows[-1]) + 1)
    x = slice(int(columns[0]), int(columns[-1]) + 1)
    down, right = inner[0].start, inner[1].start
    window = slice(y.start + down, y.stop + down), slice(x.start + right, x.stop + right)
    return window, near[y, x]


@dataclass(frozen=True)
class Nesting:
    """Which region lies in which. parents: for each region the index of the smallest that holds
    it, -1 where none does. roots: the regions in no other. leaves: those that hold no other."""

    parents: tuple[int, ...]
    roots: Regions
    leaves: Regions


def nest(regions: Regions, inside: float = 0.9) -> Nesting:
    """Find which region lies in which: in a larger one that holds at least `inside` (0..1] of its
    pixels. Of several the smallest is the parent; regions of equal area hold none of each other.
    """
    if not 0 < inside <= 1:
        raise InputError(f"Nest Regions: wanted a share above 0 and at most 1, got {inside}.")
    areas, boxes = regions.areas.tolist(), regions.boxes.tolist()
    parents = [-1] * len(regions)
    for i in range(len(regions)):
        x0, y0, x1, y1 = boxes[i]
        window = (slice(y0, y1), slice(x0 // 8, (x1 + 7) // 8))
        own = regions.packed[i][window]
        for j in range(i - 1, -1, -1):
            if areas[j] == areas[i] or not _meet(boxes[i], boxes[j]):
                continue
            shared = int(bit_count(own & regions.packed[j][window]).sum(dtype=torch.int64))
            if shared >= inside * areas[i]:
                parents[i] = j
                break
    holders = set(parents)
    return Nesting(
        tuple(parents),
        regions.take([i for i, parent in enumerate(parents) if parent < 0]),
        regions.take([i for i in range(len(regions)) if i not in holders]),
    )


# --- shared -----------------------------------------------------------------------------------


def _without(regions: Regions, i: int, parts: list[tuple[Window, Tensor]]) -> tuple[Window, Tensor]:
    """Region i, packed, in the window of its box, less the `parts` of it."""
    x0, y0, x1, y1 = regions.boxes[i].tolist()
    window = (slice(y0, y1), slice(x0 // 8, (x1 + 7) // 8))
    left = regions.packed[i][window].clone()
    for (rows, columns), bits in parts:
        down, right = rows.start - y0, columns.start - x0 // 8
        left[down : down + bits.shape[0], right : right + bits.shape[1]] ^= bits
    return window, left


def _grown(mask: Tensor, pixels: float) -> Tensor:
    return within(mask, pixels) if pixels >= 0 else ~within(~mask, -pixels)


def _meet(one: list[int], other: list[int]) -> bool:
    return max(one[0], other[0]) < min(one[2], other[2]) and max(one[1], other[1]) < min(
        one[3], other[3]
    )


def _tiles(size: tuple[int, int], side: int) -> Iterator[Window]:
    """Rows and columns of tiles that make up a picture (H, W); columns begin at whole bytes."""
    side = -(-side // 8) * 8
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            yield slice(top, min(top + side, size[0])), slice(left, min(left + side, size[1]))


def _meeting(regions: Regions, rows: slice, columns: slice, reach: int) -> list[int]:
    """Indices of the regions whose boxes come within `reach` pixels of a window."""
    x0, y0, x1, y1 = regions.boxes.unbind(-1)
    meet = (x0 - reach < columns.stop) & (x1 + reach > columns.start)
    meet &= (y0 - reach < rows.stop) & (y1 + reach > rows.start)
    found: list[int] = meet.nonzero().squeeze(-1).tolist()
    return found


def _grown_window(window: Window, reach: int, size: Sequence[int]) -> Window:
    rows, columns = window
    return (
        slice(max(rows.start - reach, 0), min(rows.stop + reach, size[0])),
        slice(max(columns.start - reach, 0), min(columns.stop + reach, size[1])),
    )


def _inside(window: Window, outer: Window) -> Window:
    """A window as it lies in another that holds it."""
    rows, columns = window
    down, right = outer[0].start, outer[1].start
    return (
        slice(rows.start - down, rows.stop - down),
        slice(columns.start - right, columns.stop - right),
    )


def _windows(regions: Regions, reach: int) -> Iterator[tuple[int, Window, Tensor]]:
    """Yield each region's index, its box grown by `reach` as rows and bytes, its mask there."""
    height, width = regions.size
    for i, (x0, y0, x1, y1) in enumerate(regions.boxes.tolist()):
        rows = slice(max(y0 - reach, 0), min(y1 + reach, height))
        left, right = max(x0 - reach, 0) // 8, min(x1 + reach, width)
        window = (rows, slice(left, (right + 7) // 8))
        part = regions.packed[i][window]
        yield i, window, unpack_bits(part, min(8 * part.shape[1], width - 8 * left))


def _each(regions: Regions, reach: int, change: Callable[[Tensor], Tensor]) -> Regions:
    """Every region's mask (h, w) put through `change`, which alters nothing beyond `reach`."""
    packed = torch.zeros_like(regions.packed)
    for i, window, mask in _windows(regions, reach):
        packed[i][window] = pack_bits(change(mask))
    return _with_masks(regions, packed)


def _with_masks(regions: Regions, packed: Tensor) -> Regions:
    """The same regions with other masks."""
    return Regions.from_packed(
        packed,
        regions.size,
        regions.scores,
        regions.labels,
        regions.stability,
        regions.ids,
        owned=True,
    )
