"""Guided filter and upsampling: a map whose edges fall on those of a picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import widest_float
from .resize import resize_area

_PIXELS_AT_ONCE = 1 << 20
_UNLIKE = 1e-6


def guided_filter(plane: Tensor, guide: Tensor, radius: int, epsilon: float) -> Tensor:
    """Filter (H, W) with a colour guide (C, H, W): float32 (H, W), the range is not kept.

    In every window of (2 radius + 1)^2 pixels the map is fitted as a linear function of the guide's
    channels with ridge `epsilon` (in squared units of the guide); a pixel takes the mean of the
    fits of all windows it lies in. Windows end at the border of the picture. Works in strips of
    rows, so memory stays bounded. Source: He, Sun, Tang, "Guided image filtering", PAMI 35 (2013).
    """
    height, width = plane.shape
    out = torch.empty_like(plane)
    rows = max(2 * radius, _PIXELS_AT_ONCE // width, 1)
    for top in range(0, height, rows):
        first, last = max(0, top - 2 * radius), min(height, top + rows + 2 * radius)
        strip = Guide(guide[:, first:last], radius, epsilon).fit(plane[first:last])
        out[top : top + rows] = strip[top - first : top - first + rows]
    return out


class Guide:
    """What fitting maps to a colour guide needs of the guide alone, for many maps.

    guide: (C, H, W). radius and epsilon as in `guided_filter`. Where the guide is cut out of a
    larger one, fits are right 2 radius and more from the cut, and `variance` radius and more.
    variance: the sum over channels of the variance in each pixel's window, (H, W).
    """

    def __init__(self, guide: Tensor, radius: int, epsilon: float) -> None:
        exact = guide.to(widest_float(guide.device))
        # Fits don't depend on the zero of the guide; near 0 squares lose the fewest digits.
        self._colours = exact - exact.mean((1, 2), keepdim=True)
        self._radius = radius
        self._mean = box_mean(self._colours, radius)
        spread = {
            (a, b): box_mean(self._colours[a] * self._colours[b], radius).sub_(
                self._mean[a] * self._mean[b]
            )
            for a in range(len(guide))
            for b in range(a + 1)
        }
        own = [spread[a, a] for a in range(len(guide))]
        self.variance = torch.stack(own).sum(0)
        for plane in own:
            plane.clamp_(min=0).add_(epsilon)
        self._factor = _factor(spread)

    def fit(self, plane: Tensor, window: tuple[slice, slice] = (slice(None),) * 2) -> Tensor:
        """The map `plane` (h, w), which lies in `window` of the guide, fitted to it; its dtype."""
        every = (slice(None), *window)
        colours, mean = self._colours[every], self._mean[every]
        p = plane.to(colours.dtype)[None]
        mean_p, *mean_ip = box_mean(torch.cat([p, colours * p]), self._radius)
        slant = torch.stack(mean_ip).sub_(mean * mean_p)
        slope = _solve({place: held[window] for place, held in self._factor.items()}, slant)
        offset = mean_p - (slope * mean).sum(0)
        fit = box_mean(torch.cat([slope, offset[None]]), self._radius)
        return (fit[:-1] * colours).sum(0).add_(fit[-1]).to(plane.dtype)


def box_mean(planes: Tensor, radius: int) -> Tensor:
    """Mean over (2 radius + 1)^2 windows, cut off at the border; (..., H, W), its dtype.

    float64 by running sums. float32, whose running sums would lose digits, window by window.
    """
    # Wider windows hold the same pixels, but scipy would go through all of their length.
    down, across = (min(radius, length) for length in planes.shape[-2:])
    if planes.dtype != torch.float64:
        mean = planes.reshape(1, -1, *planes.shape[-2:])
        for reach in ((0, across), (down, 0)):
            kernel = (2 * reach[0] + 1, 2 * reach[1] + 1)
            mean = F.avg_pool2d(mean, kernel, 1, reach, count_include_pad=False)
        return mean.view(planes.shape)
    along = _box_mean_by_scipy if planes.device.type == "cpu" else _box_mean_along
    return along(along(planes, across, -1), down, -2)


def _box_mean_by_scipy(planes: Tensor, radius: int, dim: int) -> Tensor:
    """`_box_mean_along`, four times as fast on a CPU."""
    from scipy.ndimage import uniform_filter1d

    side, length = 2 * radius + 1, planes.shape[dim]
    means = torch.from_numpy(uniform_filter1d(planes.numpy(), side, dim, mode="constant"))
    place = torch.arange(length)
    count = (place + radius + 1).clamp_(max=length) - (place - radius).clamp_(min=0)
    cut = min(radius, length)
    scale = (side / count.to(means.dtype)).view(-1, *[1] * (-1 - dim))
    means.narrow(dim, 0, cut).mul_(scale[:cut])
    if length > cut:
        start = max(length - radius, cut)
        means.narrow(dim, start, length - start).mul_(scale[start:])
    return means


def _box_mean_along(planes: Tensor, radius: int, dim: int) -> Tensor:
    """Mean along one axis, by differences of a running sum."""
    length = planes.shape[dim]
    total = planes.cumsum(dim)
    place = torch.arange(length, device=planes.device)
    count = (place + radius + 1).clamp_(max=length) - (place - radius).clamp_(min=0)
    shape = [1] * planes.ndim
    shape[dim] = length
    inner = max(length - radius, 0)
    sums = total.narrow(dim, length - 1, 1).expand_as(total).clone()
    sums.narrow(dim, 0, inner).copy_(total.narrow(dim, length - inner, inner))
    if inner > 1:
        sums.narrow(dim, radius + 1, inner - 1).sub_(total.narrow(dim, 0, inner - 1))
    return sums.div_(count.to(planes.dtype).view(shape))


def upsample_along(plane: Tensor, guide: Tensor, contrast: float = 0.03) -> Tensor:
    """Bring (h, w) to the size of a guide (C, H, W), its edges onto the guide's: float32 (H, W).

    A pixel is a mean of the 3 x 3 samples around it, with quadratic B-spline weights times
    exp(-|d|^2 / (2 contrast^2)), d the difference of the guide at the pixel from its mean over the
    sample's area. So values stay within those of the samples, and change without a seam where the
    guide is smooth. Source: Kopf et al., "Joint bilateral upsampling", SIGGRAPH 2007.
    """
    height, width = guide.shape[1:]
    coarse = resize_area(guide, (plane.shape[0], plane.shape[1]))
    down, across = _taps(plane.shape[0], height, plane), _taps(plane.shape[1], width, plane)
    out = torch.empty((height, width), device=plane.device)
    rows = max(1, (_PIXELS_AT_ONCE >> 4) // width)
    for top in range(0, height, rows):
        part = slice(top, top + rows)
        fine = guide[:, part].to(torch.float32)
        total, weight = torch.zeros_like(fine[0]), torch.zeros_like(fine[0])
        for y, share_y in down:
            for x, share_x in across:
                off = (coarse[:, y[part]][:, :, x] - fine).square_().sum(0)
                alike = off.mul_(-0.5 / contrast**2).exp_().add_(_UNLIKE)
                share = alike.mul_(share_y[part, None] * share_x)
                weight += share
                total += share * plane[y[part]][:, x]
        out[part] = total / weight
    return out.clamp_(plane.min(), plane.max())


def _taps(samples: int, pixels: int, like: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Three neighbouring samples of each pixel, int64 (pixels,), and the weight of each."""
    at = (torch.arange(pixels, device=like.device) + 0.5) * (samples / pixels) - 0.5
    middle = at.round()
    off = at - middle
    weights = ((0.5 - off).square() / 2, 0.75 - off.square(), (0.5 + off).square() / 2)
    return [
        ((middle + step).long().clamp_(0, samples - 1), weights[step + 1].to(torch.float32))
        for step in (-1, 0, 1)
    ]


def _factor(matrix: dict[tuple[int, int], Tensor]) -> dict[tuple[int, int], Tensor]:
    """Cholesky factor of a symmetric positive definite matrix at every pixel, in its place.

    matrix: [row, column] for column <= row, (H, W) each.
    """
    order = 1 + max(row for row, _ in matrix)
    for c in range(order):
        for k in range(c):
            matrix[c, c] -= matrix[c, k].square()
        matrix[c, c].sqrt_()
        for r in range(c + 1, order):
            for k in range(c):
                matrix[r, c] -= matrix[r, k] * matrix[c, k]
            matrix[r, c] /= matrix[c, c]
    return matrix


def _solve(factor: dict[tuple[int, int], Tensor], x: Tensor) -> Tensor:
    """Solve the system of a `_factor` at every pixel. x: right side (C, H, W), overwritten."""
    order = len(x)
    for r in range(order):
        for k in range(r):
            x[r] -= factor[r, k] * x[k]
        x[r] /= factor[r, r]
    for r in reversed(range(order)):
        for k in range(r + 1, order):
            x[r] -= factor[k, r] * x[k]
        x[r] /= factor[r, r]
    return x
