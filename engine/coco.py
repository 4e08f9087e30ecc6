"""Regions as a COCO data set with run-length encoded masks, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from .ops.checks import InputError, counted, short
from .ops.rle import rle_decode, rle_encode
from .regions import Regions


def to_coco(frames: Sequence[Regions], file_names: Sequence[str] | None = None) -> dict[str, Any]:
    """A COCO data set: images, categories and one annotation with RLE for each region.

    One image for each of `frames`, with ids from 1. Labels become categories in alphabetical order
    with ids from 1; regions without a label are in category "region". An annotation holds bbox
    [x, y, w, h], area, segmentation, iscrowd 0, score, and under "region_id" the region's id.
    """
    names = file_names or [f"{i + 1:06d}.png" for i in range(len(frames))]
    if len(names) != len(frames):
        raise InputError(
            f"COCO: {counted(len(frames), 'image')} but {counted(len(names), 'file name')}."
        )
    _check_distinct(names)
    kinds = sorted({label or "region" for regions in frames for label in regions.labels})
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (regions, name) in enumerate(zip(frames, names, strict=True), 1):
        height, width = regions.size
        images.append({"id": number, "width": width, "height": height, "file_name": name})
        for i, (x0, y0, x1, y1) in enumerate(regions.boxes.tolist()):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": kinds.index(regions.labels[i] or "region") + 1,
                    "segmentation": rle_encode(regions.packed[i], width),
                    "area": int(regions.areas[i]),
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "iscrowd": 0,
                    "score": float(regions.scores[i]),
                    "region_id": int(regions.ids[i]),
                }
            )
    categories = [{"id": i, "name": kind} for i, kind in enumerate(kinds, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def from_coco(data: Mapping[str, Any]) -> dict[str, Regions]:
    """The regions of each image of a COCO data set, by file name. RLE segmentations only.

    Category names become labels ("region" none), scores and region ids are kept where every
    annotation of an image has its own. Raises InputError for what is no such data set, and for
    images of one file name.
    """
    if not isinstance(data, Mapping):
        raise InputError(
            "COCO: this is no COCO data set (wanted an object with images and annotations, got "
            f"{short(data)})."
        )
    try:
        kinds = {entry["id"]: str(entry["name"]) for entry in data.get("categories", ())}
        images = list(data["images"])
        own: dict[Any, list[Mapping[str, Any]]] = {image["id"]: [] for image in images}
        for annotation in data["annotations"]:
            own.get(annotation["image_id"], []).append(annotation)
        names = [str(image["file_name"]) for image in images]
        _check_distinct(names)
        return {
            name: _annotated(own[image["id"]], kinds, (int(image["height"]), int(image["width"])))
            for name, image in zip(names, images, strict=True)
        }
    except InputError:
        raise
    except KeyError as error:
        raise InputError(f"COCO: this is no COCO data set ({error} is missing).") from error
    except (TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(f"COCO: this is no COCO data set ({error}).") from error


def _check_distinct(names: Sequence[str]) -> None:
    """Refuse names by which images couldn't be told apart."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise InputError(f"COCO: several images are called {twice[0]!r}. Name each its own way.")


def _annotated(
    annotations: Sequence[Mapping[str, Any]], kinds: Mapping[Any, str], size: tuple[int, int]
) -> Regions:
    labels = [kinds.get(a.get("category_id"), "") for a in annotations]
    ids = [a.get("region_id") for a in annotations]
    whole = all(isinstance(own, int) for own in ids) and len(set(ids)) == len(ids)
    return Regions.from_each(
        (_mask(annotation, size) for annotation in annotations),
        len(annotations),
        size,
        [float(a.get("score", 1.0)) for a in annotations],
        ["" if label == "region" else label for label in labels],
        ids=[int(own) for own in ids if own is not None] if whole else None,
    )


def _mask(annotation: Mapping[str, Any], size: tuple[int, int]) -> Tensor:
    if not isinstance(annotation["segmentation"], Mapping):
        raise InputError("COCO: only RLE segmentations can be read, this file has polygons.")
    mask = rle_decode(dict(annotation["segmentation"]))
    if tuple(mask.shape) != size:
        raise InputError(f"COCO: a segmentation is not of its image's size {size}.")
    return mask
