"""BOUNDING_BOX as core's nodes emit it: dicts of x, y, width, height in pixels."""

from __future__ import annotations

from typing import Any


def boxes_by_frame(given: Any) -> list[list[dict[str, Any]]]:
    """Boxes in any form that core's nodes emit, as one list for each image or one for all.

    given: one dict, a list of dicts, or a list of lists of dicts.
    """
    if isinstance(given, dict):
        return [[given]]
    if isinstance(given, list) and given and all(isinstance(entry, list) for entry in given):
        return given
    return [list(given)]
