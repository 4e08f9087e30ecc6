"""Points as text, in the forms in which people and other nodes write them."""

from __future__ import annotations

import math

from ..engine import InputError
from ..engine.ops.checks import parse_json, short

POINTS_FORM = '"x, y" in pixels, or [{"x": 10, "y": 20}, ...] as point editors write it'


def read_points(text: str, name: str = "points") -> list[tuple[float, float]]:
    """Points (x, y) in pixels from "x, y" or JSON; none from an empty text."""
    if not text.strip():
        return []
    try:
        held = parse_json(text if text.strip().startswith("[") else f"[{text}]", name)
        if len(held) == 2 and all(isinstance(value, int | float) for value in held):
            held = [{"x": held[0], "y": held[1]}]
        points = [(float(point["x"]), float(point["y"])) for point in held]
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise InputError(f"{name}: wanted {POINTS_FORM}; got {short(text)}.") from error
    if not all(math.isfinite(number) for point in points for number in point):
        raise InputError(f"{name}: wanted numbers that are finite; got {short(text)}.")
    return points


def read_point(text: str, name: str = "point") -> tuple[float, float] | None:
    """The one point in `text`, or None where it is empty."""
    points = read_points(text, name)
    if len(points) > 1:
        raise InputError(f"{name}: wanted one point, got {len(points)}.")
    return points[0] if points else None
