"""Prompts in the forms in which others give them: JSON text, bounding boxes, masks, per frame.

Points: a JSON list of `{"x": .., "y": ..}` in pixels, as KJNodes and core's SAM 3 nodes write it.
Boxes: dicts `{x, y, width, height}`, with `label` where the detector gave one. Either may come once
for all frames or as one list for each frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ..ops.checks import InputError, counted, parse_json, short
from .prompt import Prompt

Labelled = tuple[tuple[float, float], int]
"""A point (x, y) in pixels and its label, 1 include, 0 exclude."""

GROUPINGS = ("as given", "one object", "one per point or box")

_DRAWN_VERSION = 1


@dataclass(frozen=True, eq=False)
class Asked:
    """One object that somebody asked for, and the name they gave it, "" for none.

    points: ((x, y), label) with label 1 include, 0 exclude. box: x, y, width, height or None.
    source: what an error calls it, such as "object 2" or "box 1 (cup)". number: the editor's for
    an object drawn there; others follow on from 1 past the last of those.
    """

    points: tuple[Labelled, ...] = ()
    box: tuple[float, float, float, float] | None = None
    mask: Tensor | None = None
    name: str = ""
    source: str = "the prompt"
    number: int = 0

    def prompt(self, size: tuple[int, int]) -> Prompt:
        """Its Prompt on an image of `size` (H, W). Raises InputError where that can't be."""
        box = self.source if self.source.startswith("box ") else f"the box of {self.source}"
        if not self.points and self.box is None and self.mask is None:
            raise InputError(
                f"{self.source} has neither a point nor a box; give it one, or delete it."
            )
        if self.box is not None and min(self.box[2:]) <= 0:
            numbers = ", ".join(f"{number:g}" for number in self.box)
            raise InputError(
                f"{box}, [{numbers}], is empty; its width and height, the last two numbers, must "
                "be above 0."
            )
        labels = [label for _, label in self.points]
        whole = Prompt([place for place, _ in self.points], labels, self.box, self.mask)
        mask = self.source if self.source.startswith("mask ") else ""
        return whole.within(size, self.source, box, mask)


def read_drawn(text: str) -> list[Asked]:
    """The objects drawn in the editor; the form is described in `web/prompts/state.js`.

    A bare list of points is one object of points to include. Raises InputError for other text.
    """
    data = _parse(text, "points")
    if isinstance(data, list):
        return [_drawn_object({"points": data}, 1)] if data else []
    known = isinstance(data, dict) and data.get("version") == _DRAWN_VERSION
    if not known or not isinstance(data.get("objects"), list):
        raise InputError(
            f"points: wanted what the editor writes, version {_DRAWN_VERSION} with a list of "
            f"objects, got {short(text)!r}; empty it and draw anew."
        )
    return [_drawn_object(entry, number) for number, entry in enumerate(data["objects"], 1)]


def read_points(positive: str, negative: str, frames: int) -> list[tuple[Labelled, ...]]:
    """Labelled points for each of `frames` images, from two JSON texts; either may be empty.

    Raises InputError for what can't be read, and for coordinates that are fractions of the image:
    some editors can give those, and as pixels they would all lie in the upper left corner.
    """
    found = [
        [_points(entry, label, name) for entry in _per_frame(_parse(text, name), frames, name)]
        for text, label, name in (
            (positive, 1, "positive_coords"),
            (negative, 0, "negative_coords"),
        )
    ]
    for name, frames_of_points in zip(("positive_coords", "negative_coords"), found, strict=True):
        _refuse_fractions(frames_of_points, name)
    return [include + exclude for include, exclude in zip(*found, strict=True)]


def _refuse_fractions(frames: Sequence[Sequence[Labelled]], name: str) -> None:
    numbers = [number for points in frames for place, _ in points for number in place]
    if all(0 <= n <= 1 for n in numbers) and not all(n.is_integer() for n in numbers):
        raise InputError(
            f"{name}: wanted pixels, but all numbers lie between 0 and 1, such as {numbers[:2]}; "
            "switch off what normalizes the points in the node they come from."
        )


def read_boxes(given: Any, frames: int) -> list[list[Asked]]:
    """One object a box for each of `frames` images: from a dict, a list, or a list of lists."""
    return [
        [_boxed(entry, number) for number, entry in enumerate(boxes, 1)]
        for boxes in _per_frame(given, frames, "bboxes")
    ]


def read_masks(masks: Tensor | None, frames: int) -> list[list[Asked]]:
    """One object a mask: masks (N, H, W), or (H, W) for one.

    With one image every mask is an object of it; with more, one mask is for all of them, or there
    is one for each. A mask with nothing in it asks for nothing: hosts send that for "none".
    """
    if masks is None:
        return [[] for _ in range(frames)]
    if masks.ndim not in (2, 3):
        raise InputError(
            f"mask: wanted masks of shape (N, H, W), got {tuple(masks.shape)}; connect a MASK."
        )
    each = list(masks[None] if masks.ndim == 2 else masks)
    if frames > 1 and len(each) not in (1, frames):
        raise InputError(
            f"mask: {frames} images but {counted(len(each), 'mask')}; give one for all or one for "
            "each image."
        )
    asked = [
        [Asked(mask=mask, source=f"mask {number}")] if bool((mask > 0.5).any()) else []
        for number, mask in enumerate(each, 1)
    ]
    if frames == 1:
        return [[one for some in asked for one in some]]
    return asked * frames if len(asked) == 1 else asked


def ask(
    frames: int,
    grouping: str = "as given",
    *,
    drawn: str = "",
    positive: str = "",
    negative: str = "",
    boxes: Any = None,
    masks: Tensor | None = None,
) -> list[list[Asked]]:
    """What is asked of each of `frames` images, from everything that was given.

    grouping: "as given": the editor's objects, one object of the coordinates, one for each box and
    one for each mask. "one object": all of it is one object; it can have one box and one mask.
    "one per point or box": each point to include, each box and each mask is an object, and the
    points to exclude, if any, hold for every one of them.

    Raises InputError where something can't be read, counts don't match the frames, or the grouping
    can't be.
    """
    if grouping not in GROUPINGS:
        raise InputError(f"objects: wanted one of {', '.join(GROUPINGS)}, got {grouping!r}.")
    by_hand = read_drawn(drawn)
    coords = read_points(positive, negative, frames)
    boxed, masked = read_boxes(boxes, frames), read_masks(masks, frames)
    asked = []
    for frame in range(frames):
        listed = [Asked(coords[frame], source="the coordinates")] if coords[frame] else []
        others = [*listed, *boxed[frame], *masked[frame]]
        numbered = [replace(one, number=i) for i, one in enumerate(others, len(by_hand) + 1)]
        asked.append(_group([*by_hand, *numbered], grouping))
    return asked


def _group(objects: list[Asked], grouping: str) -> list[Asked]:
    if not objects or grouping == "as given":
        return objects
    return [_merge(objects)] if grouping == "one object" else _split(objects)


def _merge(objects: Sequence[Asked]) -> Asked:
    boxes = [one.box for one in objects if one.box is not None]
    masks = [one.mask for one in objects if one.mask is not None]
    for count, noun in ((len(boxes), "boxes"), (len(masks), "masks")):
        if count > 1:
            raise InputError(
                f"objects: {count} {noun} can't be one object; choose "
                f'"{GROUPINGS[0]}" or "{GROUPINGS[2]}".'
            )
    names = dict.fromkeys(one.name for one in objects if one.name)
    return Asked(
        tuple(point for one in objects for point in one.points),
        boxes[0] if boxes else None,
        masks[0] if masks else None,
        ", ".join(names),
        "the one object",
        1,
    )


def _split(objects: Sequence[Asked]) -> list[Asked]:
    against = tuple(point for one in objects for point in one.points if point[1] == 0)
    apart = []
    for one in objects:
        bare = replace(one, points=against, box=None, mask=None)
        apart += [replace(bare, points=(p, *against)) for p in one.points if p[1] == 1]
        if one.box is not None:
            apart.append(replace(bare, box=one.box))
        if one.mask is not None:
            apart.append(replace(bare, mask=one.mask))
    if not apart:
        raise InputError(
            "objects: there are only points to exclude; add a point to include or a box, or choose "
            f'"{GROUPINGS[0]}".'
        )
    return apart


def _drawn_object(entry: Any, number: int) -> Asked:
    name = f"points, object {number}"
    if not isinstance(entry, dict):
        raise InputError(f"{name}: wanted points or a box, got {short(entry)}.")
    given = entry.get("points") or []
    if not isinstance(given, list):
        raise InputError(f"{name}: wanted a list of points, got {short(given)}.")
    points = tuple(
        point for one in given for point in _points([one], 0 if _is_exclude(one) else 1, name)
    )
    box = None if entry.get("box") is None else _box(entry["box"], name)
    return Asked(
        points, box, name=str(entry.get("name") or ""), source=f"object {number}", number=number
    )


def _is_exclude(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("label", 1) == 0


def _boxed(entry: Any, number: int) -> Asked:
    label = entry.get("label") if isinstance(entry, dict) else None
    name = "" if label is None else str(label)
    source = f"box {number} ({name})" if name else f"box {number}"
    return Asked(box=_box(entry, f"bboxes, {source}"), name=name, source=source)


def _parse(text: str, name: str) -> Any:
    """The value of a JSON text; an empty one is an empty list."""
    if not text or not text.strip():
        return []
    return parse_json(text, name, '[{"x": 10, "y": 20}]')


def _per_frame(given: Any, frames: int, name: str) -> list[list[Any]]:
    """One list for each frame, from one entry, a list for all, or a list of lists."""
    if given is None:
        return [[] for _ in range(frames)]
    if isinstance(given, dict):
        return [[given] for _ in range(frames)]
    if not isinstance(given, (list, tuple)):
        raise InputError(
            f"{name}: wanted one entry, a list of them, or a list for each image, got "
            f"{short(given)}."
        )
    if not any(isinstance(entry, (list, tuple)) for entry in given):
        return [list(given) for _ in range(frames)]
    if not all(isinstance(entry, (list, tuple)) for entry in given):
        raise InputError(
            f"{name}: lists and single entries are mixed; give one list for all images or a list "
            "for each."
        )
    if len(given) not in (1, frames):
        raise InputError(
            f"{name}: {counted(frames, 'image')} but lists for {len(given)}; give one list for all "
            "or one for each image."
        )
    return [list(entry) for entry in (given * frames if len(given) == 1 else given)]


def _points(entries: Sequence[Any], label: int, name: str) -> tuple[Labelled, ...]:
    found = []
    for entry in entries:
        wanted = f'{name}: wanted a point such as {{"x": 10, "y": 20}}'
        x, y = _numbers(entry, ("x", "y"), wanted)
        found.append(((x, y), label))
    return tuple(found)


def _box(entry: Any, name: str) -> tuple[float, float, float, float]:
    keys = ("x", "y", "width", "height")
    example = '{"x": 10, "y": 20, "width": 30, "height": 40}'
    x, y, width, height = _numbers(entry, keys, f"{name}: wanted a box such as {example}")
    return x, y, width, height


def _numbers(entry: Any, keys: Sequence[str], wanted: str) -> list[float]:
    try:
        numbers = [float(entry[key]) for key in keys]
    except (TypeError, KeyError, ValueError, IndexError, OverflowError) as error:
        raise InputError(f"{wanted}, got {short(entry)}.") from error
    if not all(math.isfinite(number) for number in numbers):
        raise InputError(f"{wanted}, got {short(entry)}.")
    return numbers
