"""Save Regions, Load Regions."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import folder_paths
import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..engine import InputError, Regions, files, measure_coverage
from ..engine.coco import from_coco, to_coco
from ..engine.label_map import from_colour_map, from_label_map, to_colour_map, to_label_map
from ..engine.ops.fields import image_batch
from ..engine.preview import draw_regions
from .inputs import choice, lines, text
from .types import RegionsType, named, of_frame, regions_from, regions_input

CATEGORY = "region fields/exchange"
FORMATS = {
    "folder": "A folder with a PNG for each region, regions.json and overlay.png. Keeps all.",
    "label map": "A 16-bit PNG: 1 for the largest region, 2 for the next; 0 for none.",
    "colors": "A PNG with a flat colour for each region, black for none.",
    "COCO": "A JSON file for all images, with run-length encoded masks.",
}


class SaveRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_SaveRegions",
            display_name="Save Regions",
            category=CATEGORY,
            description="Writes regions into ComfyUI's output folder; Load Regions reads them.",
            search_aliases=["export masks", "save masks", "16-bit", "label map", "coco", "png"],
            is_output_node=True,
            inputs=[
                regions_input(),
                text(
                    "filename_prefix",
                    "Where in the output folder, and how the names begin. Numbers are added.",
                    default="regions/set",
                ),
                choice("format", FORMATS, lines(FORMATS)),
                io.Image.Input(
                    "image", optional=True, tooltip="For folder: the picture under the overlay."
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="path",
                    is_output_list=True,
                    tooltip="What was written, in the output folder: for Load Regions.",
                )
            ],
        )

    @classmethod
    @named
    def execute(
        cls, regions: Any, filename_prefix: str, format: str, image: Tensor | None = None
    ) -> io.NodeOutput:
        frames = regions_from(regions)
        images = None if image is None else image_batch(image)
        written = []
        for i, frame in enumerate(frames[:1] if format == "COCO" else frames):
            path = _next_path(filename_prefix, frame)
            if format == "folder":
                _save_folder(path, frame, of_frame(images, i, len(frames), "image"))
            elif format == "COCO":
                path = path.with_name(f"{path.name}.json")
                files.write_text(path, json.dumps(to_coco(frames)) + "\n")
            else:
                path = path.with_name(f"{path.name}.png")
                _save_map(path, frame, in_colour=format == "colors")
            written.append(path.relative_to(folder_paths.get_output_directory()).as_posix())
        return io.NodeOutput(written, ui=ui.PreviewText("\n".join(written)))


def _next_path(prefix: str, frame: Regions) -> Path:
    """A path that is free, without an ending."""
    height, width = frame.size
    output = folder_paths.get_output_directory()
    if _within(output, prefix) is None:
        raise InputError(f"filename_prefix: {prefix!r} leads out of the output folder.")
    folder, name, counter, _, _ = folder_paths.get_save_image_path(prefix, output, width, height)
    return Path(folder) / f"{name}_{counter:05}_"


def _save_folder(path: Path, frame: Regions, picture: Tensor | None) -> None:
    facts = {"coverage": measure_coverage(frame).facts()}
    base = torch.zeros(*frame.size, 3) if picture is None else picture
    files.save_regions(path, frame, facts, draw_regions(base, frame))


def _save_map(path: Path, frame: Regions, in_colour: bool) -> None:
    labels = to_label_map(frame)
    if in_colour:
        files.write_image(path, to_colour_map(labels))
    else:
        files.write_labels(path, labels)


class LoadRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_LoadRegions",
            display_name="Load Regions",
            category=CATEGORY,
            description=(
                "Reads regions from ComfyUI's output or input folder: what Save Regions or the "
                "command wrote, a label map, a picture of flat colours, or COCO JSON."
            ),
            search_aliases=["import masks", "load masks", "16-bit", "label map", "coco", "png"],
            inputs=[
                text(
                    "path",
                    "A folder with regions.json, a label map or colour PNG, or a COCO JSON file, "
                    "in the output or the input folder. Grey and palette PNGs hold a number for "
                    "each pixel, others a colour.",
                    default="regions/set_00001_",
                )
            ],
            outputs=[
                RegionsType.Output(
                    display_name="regions", tooltip="One set; of COCO one for each image."
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, path: str) -> str:
        try:
            found = _found(path)
            listed = found.name == files.REGIONS_FILE
            held = [one.stat() for one in (sorted(found.parent.iterdir()) if listed else [found])]
        except (InputError, OSError):
            return path
        return " ".join([path, *(f"{one.st_mtime_ns},{one.st_size}" for one in held)])

    @classmethod
    @named
    def execute(cls, path: str) -> io.NodeOutput:
        return io.NodeOutput(_read(_found(path)))


def _found(path: str) -> Path:
    """The file or, for a folder, its listing, in the output or the input folder."""
    folders = [folder_paths.get_output_directory(), folder_paths.get_input_directory()]
    for folder in folders:
        wanted = _within(folder, path)
        if wanted is None:
            continue
        if os.path.isdir(wanted):
            wanted = os.path.join(wanted, files.REGIONS_FILE)
        if os.path.isfile(wanted):
            return Path(wanted)
    raise InputError(
        f"there are no regions at {path!r} in the output or the input folder. Give a folder with "
        f"{files.REGIONS_FILE}, a PNG or a COCO JSON file there."
    )


def _within(folder: str, path: str) -> str | None:
    """The whole of a path in `folder`; None where it leads out of it or can't be one.

    As core does, it follows links that the user made inside.
    """
    folder = os.path.abspath(folder)
    try:
        wanted = os.path.abspath(os.path.join(folder, path.strip()))
        inside = os.path.commonpath([folder, wanted]) == folder
    except ValueError:  # another drive of Windows
        return None
    return wanted if inside and "\0" not in wanted else None


def _read(path: Path) -> list[Regions]:
    if path.name == files.REGIONS_FILE:
        return [files.load_regions(path.parent)]
    if path.suffix.lower() == ".json":
        frames = list(from_coco(files.read_json(path)).values())
        if not frames:
            raise InputError(f"{path.name}: the data set has no images.")
        return frames
    held = files.read_label_picture(path)
    return [from_label_map(held) if held.ndim == 2 else from_colour_map(held)]
