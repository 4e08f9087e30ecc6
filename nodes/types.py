"""What travels on the wires between nodes, and how a node takes it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import comfy.model_management
import comfy.utils
import torch
from comfy_api.latest import io
from torch import Tensor

from ..engine import InputError, Regions
from ..engine.ops.checks import counted
from ..engine.ops.fields import as_planes, check_aspect
from ..engine.ops.resize import resize_nearest

RegionsType = io.Custom("REGIONS")
"""A list with one `Regions` for each image of the batch."""

DistanceType = io.Custom("DISTANCE")
"""Unclamped distance in pixels, float32 (B, H, W)."""

Sam2Type = io.Custom("REGION_FIELDS_SAM2")
"""A `nodes.sam2_model.HeldSam2`: the network, in the hands of ComfyUI's model management."""

REGIONS_TOOLTIP = "Regions, or any MASK batch: each mask of it is one region of one image."


def regions_input(
    id: str = "regions", tooltip: str = REGIONS_TOOLTIP, optional: bool = False
) -> io.MultiType.Input:
    """An input that takes REGIONS or a plain MASK batch."""
    return io.MultiType.Input(id, [RegionsType, io.Mask], tooltip=tooltip, optional=optional)


def regions_from(
    value: list[Regions] | Tensor, size: tuple[int, int] | None = None
) -> list[Regions]:
    """What came through `regions_input`, as one Regions for each image.

    value: the list itself, or masks (N, H, W) or (H, W), which are the N regions of one image;
    empty masks count for nothing. size: (H, W) of the image where it is known; masks of another
    size are resized to it, nearest. Regions of another size, masks of another shape and a list of
    no images raise InputError.
    """
    if isinstance(value, Tensor):
        masks = as_planes(value, "masks")
        if size is not None and tuple(masks.shape[-2:]) != size:
            if bool(masks.any()):
                check_aspect("a mask", (int(masks.shape[1]), int(masks.shape[2])), size)
            masks = resize_nearest(masks, size)
        return [Regions.from_masks(masks)]
    if not value:
        raise InputError("there are no images in the batch. Give at least one.")
    for regions in value:
        if size is not None and regions.size != size:
            raise InputError(
                f"the regions are of a picture {regions.size[1]} x {regions.size[0]} pixels large "
                f"but this one has {size[1]} x {size[0]}. Use the regions of the same picture, or "
                "resize the picture before segmenting it."
            )
    return list(value)


def frame_of(frames: Sequence[Any], index: int) -> Any:
    """Frame `index`, or the only one."""
    return frames[index if len(frames) > 1 else 0]


def of_frame(batch: Sequence[Any] | None, index: int, count: int, name: str) -> Any:
    """What `batch`, one for all of `count` images or one for each, holds for image `index`."""
    if batch is None:
        return None
    if len(batch) not in (1, count):
        raise InputError(
            f"regions of {counted(count, 'image')} but {len(batch)} x {name}. Give one for all, "
            "or one for each image."
        )
    return frame_of(batch, index)


def for_user(output: Tensor) -> Tensor:
    """`output` where ComfyUI keeps what travels between nodes."""
    return output.to(comfy.model_management.intermediate_device())


def for_work(value: Tensor) -> Tensor:
    """`value` on the device that computes."""
    return value.to(comfy.model_management.get_torch_device())


def check_one_size(sizes: Iterable[Sequence[int]]) -> None:
    """Raise InputError unless all `sizes` (H, W) are the same, as those of a batch must be."""
    count = len({tuple(size) for size in sizes})
    if count > 1:
        raise InputError(f"the images have {count} sizes, but a batch has one. Take one at a time.")


def stacked(planes: Sequence[Tensor]) -> Tensor:
    """One plane (H, W) for each image, as a MASK batch float32 (B, H, W)."""
    check_one_size(plane.shape for plane in planes)
    return for_user(torch.stack(list(planes)).to(torch.float32))


def stacked_unions(frames: Sequence[Regions]) -> Tensor:
    """The union of each frame as a MASK batch, float32 (B, H, W)."""
    return stacked([regions.union() for regions in frames])


def masks_of(frames: Sequence[Regions], size: tuple[int, int]) -> Tensor:
    """A mask for each region of `frames`, one after the other, as a MASK batch.

    float32 (N, H, W), filled some masks at a time; one empty mask of `size` where N is 0.
    """
    check_one_size(frame.size for frame in frames)
    size = frames[0].size if frames else size
    count = sum(len(frame) for frame in frames)
    device = comfy.model_management.intermediate_device()
    masks = torch.zeros((max(count, 1), *size), device=device)
    place = 0
    for frame in frames:
        for start, part in frame.chunks():
            masks[place + start : place + start + len(part)] = part.to(device)
        place += len(frame)
    return masks


def named(execute: Callable[..., io.NodeOutput]) -> Callable[..., io.NodeOutput]:
    """Let an InputError that leaves `execute` begin with the node's name.

    The engine may have put a name of its own in front; the node's takes its place where it begins
    with the same words, as "Select Regions" with "Select".
    """

    @functools.wraps(execute)
    def run(cls: type[io.ComfyNode], *args: Any, **inputs: Any) -> io.NodeOutput:
        try:
            return execute(cls, *args, **inputs)
        except InputError as error:
            name = str(cls.define_schema().display_name)
            where, _, rest = str(error).partition(": ")
            told = rest if rest and name.startswith(where) else str(error)
            raise InputError(f"{name}: {told}") from error

    return run


class Progress:
    """ComfyUI's progress bar over several frames; also lets Cancel take effect."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._bar = comfy.utils.ProgressBar(frames * 100)

    def frame(self, index: int) -> Callable[[int, int], None]:
        """The engine's progress callback for frame `index`."""

        def report(done: int, total: int) -> None:
            comfy.model_management.throw_exception_if_processing_interrupted()
            self._bar.update_absolute(round(100 * (index + done / max(total, 1))))

        report(0, 1)
        return report
