"""Low-resolution logits to full-size masks: bilinear, thresholded, counted and packed in one go.

Bilinear interpolation is convex: a pixel lies between the four samples around it. Where all
samples under a tile lie on one side of every threshold the tile is settled, and its pixels are
filled and counted without being computed. What is left, a band along each outline, is computed
pixel by pixel. The values are those of torch.nn.functional.interpolate (mode "bilinear",
align_corners False) up to the last bit of float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .bits import bit_count, chunk_length, on_host, pack_bits, packed_width
from .transfer import sent

_PIXELS_ON_CPU = 1 << 17
UPSAMPLING_BYTES = 32 << 20
"""What `upsample_masks` takes on the CPU besides its result, whatever it is allowed."""

_BYTES_ELSEWHERE = 256 << 20
_BYTES_PER_PIXEL = 16
_ROUNDING = 1e-6
_WORDS = {4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, eq=False)
class Upsampled:
    """N masks at full size.

    packed: uint8 (N, H, ceil(W / 8)), pixels whose logit is above the threshold, as in
    `ops.bits`. above, below: int64 (N,), how many pixels are above threshold + offset and above
    threshold - offset.
    """

    packed: Tensor
    above: Tensor
    below: Tensor


def upsample_masks(
    logits: Tensor,
    size: tuple[int, int],
    threshold: float = 0.0,
    offset: float = 1.0,
    working_bytes: int = _BYTES_ELSEWHERE,
) -> Upsampled:
    """Upsample logits, float32 (N, h, w), to `size` (H, W) pixels and threshold them.

    offset: at least 0. working_bytes: memory that may be used, roughly, besides the N * H * W / 8
    bytes of the result; on the CPU no more than stays in the cache. `logits` is not modified.
    """
    count, height = logits.shape[0], size[0]
    grid = _grid(tuple(logits.shape[-2:]), size, logits.device)
    levels = (threshold - offset, threshold, threshold + offset)
    shape = (count, height, packed_width(size[1]))
    packed = torch.empty(shape, dtype=torch.uint8, device=logits.device)
    counts = torch.empty((3, count), dtype=torch.int64, device=logits.device)
    pixels = working_bytes // 2 // _BYTES_PER_PIXEL
    if on_host(logits):
        working_bytes, pixels = min(working_bytes, UPSAMPLING_BYTES), _PIXELS_ON_CPU
    step = chunk_length(4 * logits.shape[-2] * grid.padded, working_bytes // 2)
    for start in range(0, count, step):
        part = slice(start, start + step)
        tiles, counts[:, part] = _upsample_part(
            logits[part].to(torch.float32), grid, levels, pixels
        )
        packed[part] = tiles[..., : shape[2]]
    return Upsampled(packed, counts[2], counts[0])


def _upsample_part(
    logits: Tensor, grid: _Grid, levels: tuple[float, float, float], pixels: int
) -> tuple[Tensor, Tensor]:
    """Packed masks (N, H, G * octets) and counts (3, N) above each level.

    pixels: how many to compute at once.
    """
    low, high = _extremes(logits, grid)
    floor, ceiling = _level(low, levels), _level(high, levels)
    settled = floor == ceiling
    counts = _count_settled(floor * settled, grid)
    packed = _fill_settled(settled & (floor >= 2), grid)
    mask, band, column = (~settled).nonzero(as_tuple=True)
    if not len(mask):
        return packed, counts
    rows, places = _interpolate_rows(logits, grid, mask, band)
    step = max(1, pixels // (grid.rows.shape[1] * 8 * grid.octets))
    for start in range(0, mask.shape[0], step):
        part = slice(start, start + step)
        tiles = mask[part], band[part], column[part]
        _compute_tiles(rows, places, grid, levels, tiles, packed, counts)
    return packed, counts


@dataclass(frozen=True, eq=False)
class _Grid:
    """How the pixels of an upsampled image are cut into tiles, and what each is mixed from.

    A band is the pixel rows between two neighbouring rows of samples (and those before the first
    and after the last), a column of tiles is `8 * octets` pixels wide. With J bands of at most R
    rows and G columns: upper, lower int64 (J,), rows of samples; rows int64 (J, R), pixel rows,
    the last one repeated where a band has fewer; real uint8 (J, R), 0 where repeated; down
    float32 (J, R), weight of the lower row; first, last int64 (G,), the outermost columns of
    samples under a tile, window of them at most; inside uint8 (G, octets), bits of pixels inside
    the image; band int64 (H,), which band a pixel row is in.
    """

    octets: int
    window: int
    samples: int
    height: int
    width: int
    upper: Tensor
    lower: Tensor
    rows: Tensor
    real: Tensor
    down: Tensor
    first: Tensor
    last: Tensor
    inside: Tensor
    band: Tensor

    @classmethod
    def between(cls, samples: tuple[int, int], size: tuple[int, int]) -> _Grid:
        """On the CPU, where reading a tensor's value waits for nothing."""
        height, width = size
        octets = _octets(width / samples[1])
        above, down = _sources(height, samples[0])
        occupied, band, lengths = torch.unique_consecutive(
            above, return_inverse=True, return_counts=True
        )
        place = torch.arange(int(lengths.max()))
        start = lengths.cumsum(0) - lengths
        rows = start[:, None] + torch.minimum(place, lengths[:, None] - 1)
        before, _ = _sources(width, samples[1])
        left = torch.arange(0, width, 8 * octets)
        right = (left + 8 * octets - 1).clamp(max=width - 1)
        bits = torch.arange(left.shape[0] * 8 * octets) < width
        first = before[left].clamp(min=0)
        last = (before[right] + 1).clamp(max=samples[1] - 1)
        return cls(
            octets=octets,
            window=int((last - first).max()) + 1,
            samples=samples[0],
            height=height,
            width=width,
            upper=occupied.clamp(min=0),
            lower=(occupied + 1).clamp(max=samples[0] - 1),
            rows=rows,
            real=(place < lengths[:, None]).to(torch.uint8),
            down=down[rows],
            first=first,
            last=last,
            inside=pack_bits(bits).view(-1, octets),
            band=band,
        )

    def to(self, device: torch.device) -> _Grid:
        """The same grid with every tensor on `device`."""
        moved: dict[str, Any] = {
            name: sent(value, device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    @property
    def padded(self) -> int:
        """Pixels in a row of tiles."""
        return self.first.shape[0] * 8 * self.octets


@lru_cache(maxsize=4)
def _grid(samples: tuple[int, int], size: tuple[int, int], device: torch.device) -> _Grid:
    """The grid on a device, kept, as every piece of an image's masks needs it again."""
    with torch.inference_mode(False):
        return _Grid.between(samples, size).to(device)


def _octets(scale: float) -> int:
    """Bytes of a row of pixels in one tile, by pixels per sample; measured, and little matters."""
    return 8 if scale > 16 else 4


def _sources(pixels: int, samples: int) -> tuple[Tensor, Tensor]:
    """For each pixel the sample before it, -1 where there is none, and the weight of the next.

    Computed in float32 as interpolate does.
    """
    scale = torch.tensor(samples / pixels, dtype=torch.float32)
    source = scale * (torch.arange(pixels, dtype=torch.float32) + 0.5) - 0.5
    before = source.floor().clamp(max=samples - 1)
    return before.to(torch.int64), source - before


def _extremes(logits: Tensor, grid: _Grid) -> tuple[Tensor, Tensor]:
    """Lowest and highest value that a pixel of each tile can have, (N, J, G)."""
    upper, lower = logits[:, grid.upper], logits[:, grid.lower]
    least, most = torch.minimum(upper, lower), torch.maximum(upper, lower)
    low, high = _pick(least, grid.first), _pick(most, grid.first)
    for step in range(1, grid.window):
        sample = torch.minimum(grid.first + step, grid.last)
        torch.minimum(low, _pick(least, sample), out=low)
        torch.maximum(high, _pick(most, sample), out=high)
    guard = _ROUNDING * torch.maximum(low.abs(), high.abs())
    return low - guard, high + guard


def _pick(values: Tensor, columns: Tensor) -> Tensor:
    """values[..., columns]; numpy is several times faster at it than torch on the CPU."""
    if on_host(values):
        return torch.from_numpy(values.numpy().take(columns.numpy(), axis=-1))
    return values[..., columns]


def _level(values: Tensor, levels: tuple[float, float, float]) -> Tensor:
    """How many of the levels, in rising order, each value is above, uint8."""
    level = (values > levels[0]).to(torch.uint8)
    level += values > levels[1]
    level += values > levels[2]
    return level


def _count_settled(level: Tensor, grid: _Grid) -> Tensor:
    """Pixels above each of the three levels in tiles (N, J, G) of known level, int64 (3, N)."""
    rows = grid.real.sum(1, dtype=torch.int64)
    columns = bit_count(grid.inside).sum(1, dtype=torch.int64)
    weight = rows[:, None] * columns
    return torch.stack([((level > k) * weight).sum((1, 2)) for k in range(3)])


def _fill_settled(full: Tensor, grid: _Grid) -> Tensor:
    """Packed masks uint8 (N, H, G * octets) with the tiles `full` (N, J, G) set."""
    octet = full.to(torch.uint8).mul_(255)[..., None] & grid.inside
    return octet.flatten(2)[:, grid.band]


def _interpolate_rows(
    logits: Tensor, grid: _Grid, mask: Tensor, band: Tensor
) -> tuple[Tensor, Tensor]:
    """The rows of samples that K tiles (mask, band) lie between, at full width, cut for the tiles.

    Returns float32 (rows * G, 8 * octets) and where each row of samples lies among them, int64
    (N * h,). Pixels past the image's width are below every level. On the CPU only rows that are
    used are made; elsewhere all, as to know which the device would have to be waited for.
    """
    samples = logits.flatten(0, 1)
    places = torch.arange(len(samples), device=samples.device)
    if on_host(logits):
        used = torch.zeros(len(samples), dtype=torch.bool)
        start = mask * grid.samples
        used[start + grid.upper[band]] = True
        used[start + grid.lower[band]] = True
        samples, places = samples[used], used.cumsum(0) - 1
    wide = _stretch(samples, grid.width)
    if grid.padded > grid.width:
        lowest = torch.finfo(torch.float32).min
        wide = F.pad(wide, (0, grid.padded - grid.width), value=lowest)
    return wide.view(-1, 8 * grid.octets), places


def _stretch(rows: Tensor, width: int) -> Tensor:
    """Rows of samples (K, w) interpolated to (K, width).

    In one dimension a GPU has a thread for each column, which goes through all rows; in two it has
    one for each pixel. The CPU gives the same bits either way, in one dimension sooner.
    """
    if on_host(rows):
        return F.interpolate(rows[None], (width,), mode="linear", align_corners=False)[0]
    size = (len(rows), width)
    return F.interpolate(rows[None, None], size, mode="bilinear", align_corners=False)[0, 0]


def _compute_tiles(
    rows: Tensor,
    places: Tensor,
    grid: _Grid,
    levels: tuple[float, float, float],
    tiles: tuple[Tensor, Tensor, Tensor],
    packed: Tensor,
    counts: Tensor,
) -> None:
    """Write K tiles (mask, band, column) into `packed` and add their pixels to `counts`.

    rows, places: from `_interpolate_rows`.
    """
    mask, band, column = tiles
    start = mask * grid.samples

    def pick(sample: Tensor) -> Tensor:
        index = places[start + sample[band]] * grid.first.shape[0] + column
        return rows.index_select(0, index)[:, None]

    down, real = grid.down[band][..., None], grid.real[band]
    values = torch.lerp(pick(grid.upper), pick(grid.lower), down)
    for k, level in enumerate(levels):
        bits = _bits_above(values, level)
        within = (bit_count(bits).sum(-1, dtype=torch.uint8) * real).sum(-1, dtype=torch.int64)
        counts[k].index_add_(0, mask, within)
        if k == 1:
            _write(bits, grid, tiles, packed)


def _bits_above(values: Tensor, level: float) -> Tensor:
    """Which values (K, R, 8 * octets) are above the level, packed (K, R, octets)."""
    above = torch.from_numpy(values.numpy() > level) if on_host(values) else values > level
    return pack_bits(above.view(-1)).view(*values.shape[:2], -1)


def _write(bits: Tensor, grid: _Grid, tiles: tuple[Tensor, Tensor, Tensor], packed: Tensor) -> None:
    """Put the bits (K, R, octets) of K tiles where they belong, a word at a time."""
    mask, band, column = tiles
    word = _WORDS[grid.octets]
    row = mask[:, None] * grid.height + grid.rows[band]
    index = row * grid.first.shape[0] + column[:, None]
    packed.view(-1).view(word)[index.view(-1)] = bits.view(-1).view(word)
