"""What every test shares: settings of the tools, the photos, the embedded model, the demo scene."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from torch import Tensor

settings.register_profile("exact", deadline=None, derandomize=True)
settings.load_profile("exact")
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))

# The fixtures `host` (a real ComfyUI) and `front_end` (its page in headless Chromium).
pytest_plugins = ["comfy_server", "comfy_browser"]

ROOT = Path(__file__).resolve().parent.parent
INPUTS = ROOT / "example_workflows" / "inputs"


@dataclass(frozen=True)
class Scene:
    """The demo scene and the truth about it.

    image and dusk: float32 (H, W, 3) in [0, 1], the same things in two lights. depth: float32
    (H, W), scene units, larger = farther. labels: int64 (H, W), an index into names.
    """

    image: Tensor
    dusk: Tensor
    depth: Tensor
    labels: Tensor
    names: tuple[str, ...]
    subject: str
    room: tuple[str, ...]

    def mask(self, name: str) -> Tensor:
        """Pixels of the thing called `name`, bool (H, W)."""
        return self.labels == self.names.index(name)

    @property
    def things(self) -> tuple[str, ...]:
        """Names of everything but the table and the wall."""
        return tuple(name for name in self.names if name not in self.room)


def read_rgb(path: Path) -> Tensor:
    """The picture at `path`, float32 (H, W, 3) in [0, 1]."""
    with Image.open(path) as picture:
        return torch.from_numpy(np.asarray(picture.convert("RGB"), np.float32) / 255)


def _read_scene() -> Scene:
    facts = json.loads((INPUTS / "still_life.json").read_text())
    near, far = facts["depth"]["near"], facts["depth"]["far"]
    with Image.open(INPUTS / "still_life_depth.png") as picture:
        nearness = torch.from_numpy(np.asarray(picture, np.float32) / 65535)
    with Image.open(INPUTS / "still_life_regions.png") as picture:
        labels = torch.from_numpy(np.asarray(picture, np.int64))
    return Scene(
        image=read_rgb(INPUTS / "still_life.jpg"),
        dusk=read_rgb(INPUTS / "still_life_dusk.jpg"),
        depth=far - nearness * (far - near),
        labels=labels,
        names=tuple(facts["names"]),
        subject=facts["subject"],
        room=tuple(facts["room"]),
    )


@pytest.fixture(scope="session")
def scene() -> Scene:
    """The bundled still life with its exact region map and depth."""
    return _read_scene()


@pytest.fixture(scope="session")
def nano():
    """The embedded model on the CPU."""
    from region_fields.engine import load_sam2

    return load_sam2("nano")


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of photographs, which are not part of the checkout."""
    named = os.environ.get("REGION_FIELDS_PHOTOS")
    folder = Path(named) if named else ROOT.parent / "shared" / "photos"
    if not folder.is_dir():
        pytest.skip("no photos: set REGION_FIELDS_PHOTOS to a folder with truck.jpg, groceries.jpg")
    return folder
