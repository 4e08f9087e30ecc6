"""What a user says of one object."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from ..ops.checks import InputError, counted, short
from ..ops.fields import check_aspect

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Prompt:
    """What says where one object is, in image pixels: any mix of points, a box and a mask.

    points: (x, y) pairs, or a tensor (n, 2). labels: one for each point, 1 include, 0 exclude;
    all 1 when left out. box: x, y, width, height. mask: (H, W), bool or float with > 0.5 inside,
    a first guess at the object; another size than the image's is resized, another shape refused.
    Points to exclude may stand alone, as in the sam2 package, but then the network guesses.

    Raises InputError when there is nothing to go by, a number isn't finite, counts differ, or the
    box or the mask is empty.
    """

    points: Sequence[Sequence[float]] | Tensor = ()
    labels: Sequence[int] | Tensor | None = None
    box: Sequence[float] | Tensor | None = None
    mask: Tensor | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        points = _points(self.points)
        labels = (1,) * len(points) if self.labels is None else _labels(self.labels)
        if len(labels) != len(points):
            raise InputError(
                f"Prompt: {counted(len(points), 'point')} but {counted(len(labels), 'label')}; "
                "give one each."
            )
        box = None if self.box is None else _box(self.box)
        mask = None if self.mask is None else _mask(self.mask)
        if not points and box is None and mask is None:
            raise InputError("Prompt: wanted a point, a box or a mask, got nothing.")
        for name, value in (("points", points), ("labels", labels), ("box", box), ("mask", mask)):
            object.__setattr__(self, name, value)

    @property
    def count(self) -> int:
        """How many point tokens it makes: a box counts as two."""
        return len(self.points) + (0 if self.box is None else 2)

    def within(
        self, size: tuple[int, int], name: str = "the prompt", box: str = "", mask: str = ""
    ) -> Prompt:
        """The same prompt with its box cut to the image of `size` (H, W).

        Raises InputError when a point or the whole box lies outside, or the mask is of another
        shape. name: what to call the prompt in it; box and mask: its box and its mask, by default
        "the box of" and "the mask of" it.
        """
        if self.mask is not None:
            given = cast("tuple[int, int]", tuple(self.mask.shape))
            check_aspect(mask or f"the mask of {name}", given, size)
        height, width = size
        told = (
            f"outside the image, which is {width} wide and {height} high; move it or leave it out."
        )
        points = cast("tuple[tuple[float, float], ...]", self.points)
        for (x, y), label in zip(points, cast("tuple[int, ...]", self.labels), strict=True):
            if not (0 <= x < width and 0 <= y < height):
                point = "the point" if label else "the point to exclude"
                raise InputError(f"{point} ({x:g}, {y:g}) of {name} lies {told}")
        if self.box is None:
            return self
        x, y, w, h = cast("Box", self.box)
        x0, y0, x1, y1 = max(x, 0.0), max(y, 0.0), min(x + w, width), min(y + h, height)
        if x0 >= x1 or y0 >= y1:
            called = box or f"the box of {name}"
            raise InputError(f"{called}, [{x:g}, {y:g}, {w:g}, {h:g}], lies {told}")
        return Prompt(self.points, self.labels, (x0, y0, x1 - x0, y1 - y0), self.mask)

    def tokens(self) -> tuple[list[list[float]], list[int]]:
        """Coordinates and labels as the prompt encoder takes them: the box's corners (2 and 3)
        first, then the points."""
        points = [list(point) for point in cast("tuple[tuple[float, float], ...]", self.points)]
        labels = list(cast("tuple[int, ...]", self.labels))
        if self.box is None:
            return points, labels
        x, y, w, h = cast("Box", self.box)
        return [[x, y], [x + w, y + h], *points], [2, 3, *labels]


def _points(given: Any) -> tuple[tuple[float, float], ...]:
    rows = _plain(given, "points")
    if not all(isinstance(row, Iterable) and len(_plain(row, "points")) == 2 for row in rows):
        raise InputError(f"Prompt: wanted points as a list of (x, y), got {given!r}.")
    pairs = [_numbers(row, "a point") for row in rows]
    return tuple((x, y) for x, y in pairs)


def _labels(given: Any) -> tuple[int, ...]:
    labels = _numbers(given, "labels")
    if any(label not in (0, 1) for label in labels):
        raise InputError(f"Prompt: wanted labels 1 (include) or 0 (exclude), got {labels}.")
    return tuple(int(label) for label in labels)


def _box(given: Any) -> Box:
    numbers = _numbers(given, "box")
    if len(numbers) != 4:
        raise InputError(f"Prompt: wanted a box as x, y, width, height, got {numbers}.")
    x, y, width, height = numbers
    if width <= 0 or height <= 0:
        raise InputError(
            f"Prompt: wanted a box of a width and height (its last two numbers) above 0, got "
            f"[{x:g}, {y:g}, {width:g}, {height:g}]."
        )
    return x, y, width, height


def _mask(given: Any) -> Tensor:
    try:
        mask = torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"Prompt: wanted a mask (H, W), got {given!r}.") from error
    if mask.ndim != 2 or mask.numel() == 0:
        raise InputError(f"Prompt: wanted a mask (H, W), got shape {tuple(mask.shape)}.")
    inside = mask if mask.dtype == torch.bool else mask > 0.5
    if not inside.any():
        raise InputError("Prompt: the mask is empty; leave it out or draw where the object is.")
    return inside


def _numbers(given: Any, name: str) -> tuple[float, ...]:
    plain = _plain(given, name)
    try:
        numbers = tuple(float(number) for number in plain)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"Prompt: wanted numbers for {name}, got {short(given)}.") from error
    if not all(math.isfinite(number) for number in numbers):
        raise InputError(f"Prompt: wanted finite numbers for {name}, got {numbers}.")
    return numbers


def _plain(given: Any, name: str) -> list[Any]:
    plain = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(plain, str) or not isinstance(plain, Iterable):
        raise InputError(f"Prompt: wanted a list for {name}, got {given!r}.")
    return list(plain)
