"""Load SAM 2 Model."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..engine import InputError, load_sam2
from ..engine.sam2.model import CHOICES_OF_PRECISION
from .sam2_model import HeldSam2
from .types import Sam2Type, named

NANO = "sam2-nano (embedded)"
FOLDERS = ("sam2", "sams")
SUFFIXES = (".safetensors", ".sft", ".pt", ".pth", ".ckpt", ".bin")
OFFICIAL = "https://dl.fbaipublicfiles.com/segment_anything_2/092824/"
CONVERTED = "https://huggingface.co/Kijai/sam2-safetensors/resolve/main/"

for _folder in FOLDERS:
    folder_paths.add_model_folder_path(_folder, os.path.join(folder_paths.models_dir, _folder))


def model_files() -> list[str]:
    """Files that look like SAM 2 checkpoints: all in models/sam2, those named so in models/sams."""
    found = {}
    for folder in FOLDERS:
        for name in folder_paths.get_filename_list(folder):
            base = os.path.basename(name).lower()
            is_sam2 = folder == "sam2" or "sam2" in base or "hiera" in base
            if is_sam2 and base.endswith(SUFFIXES):
                found.setdefault(name, folder)
    return sorted(found)


def find_model(name: str) -> Path:
    """The file that the list calls `name`. Raises InputError with what to do where it is gone."""
    for folder in FOLDERS:
        path = folder_paths.get_full_path(folder, name)
        if path is not None:
            return Path(path)
    raise InputError(missing(name))


def missing(name: str) -> str:
    """What to tell someone whose checkpoint `name` isn't there."""
    base = os.path.basename(name)
    source = CONVERTED if base.endswith(".safetensors") else OFFICIAL
    folder = folder_paths.get_folder_paths("sam2")[0]
    where = f"Download it, for instance from {source}{base}, into {folder}"
    if not base.startswith("sam2"):
        where = f"Put it into {folder}"
    return f"there is no model file {name!r}. {where}, then press R to refresh the list."


class LoadSam2(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_LoadSam2",
            display_name="Load SAM 2 Model",
            category="region fields/segment",
            description=(
                "Loads a SAM 2 or 2.1 checkpoint in any of the known formats. The first entry "
                "comes with the pack and needs no download."
            ),
            search_aliases=["sam", "sam2", "segment anything", "sam loader", "segmentation model"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=[NANO, *model_files()],
                    default=NANO,
                    tooltip=(
                        "A file in models/sam2, or a SAM 2 file in models/sams. The embedded "
                        "model is for trying the pack and for simple, clear pictures; for "
                        "photographs load an official checkpoint such as sam2.1_hiera_large."
                    ),
                ),
                io.Combo.Input(
                    "precision",
                    options=list(CHOICES_OF_PRECISION),
                    default="auto",
                    tooltip=(
                        "What the network computes in. auto: bf16 where the device is good at it, "
                        "else fp16 or fp32. Coordinates are always fp32."
                    ),
                    advanced=True,
                ),
            ],
            outputs=[Sam2Type.Output(display_name="model", tooltip="For the SAM 2 nodes.")],
        )

    @classmethod
    def validate_inputs(cls, model: str) -> bool | str:
        if model == NANO or model in model_files():
            return True
        return missing(model)

    @classmethod
    def fingerprint_inputs(cls, model: str, precision: str) -> str:
        if model in (None, NANO):
            return ""
        try:
            held = find_model(model).stat()
        except (InputError, OSError):
            return ""
        return f"{held.st_mtime_ns} {held.st_size}"

    @classmethod
    @named
    def execute(cls, model: str, precision: str) -> io.NodeOutput:
        source = "nano" if model == NANO else find_model(model)
        dtype = CHOICES_OF_PRECISION[precision]
        return io.NodeOutput(HeldSam2(load_sam2(source, "cpu", dtype)))
