"""Every example workflow, from its saved file, through ComfyUI's front end to the result.

What comes out is compared with the engine's own result: the prompt that the front end makes is
evaluated node by node with `region_fields.engine` alone, on the values the prompt holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comfy_browser import FrontEnd
from comfy_server import Host
from PIL import Image
from region_fields import engine
from region_fields.engine import preview
from region_fields.engine.sam2.prompt_forms import ask
from region_fields.engine.sam2.prompts import predict_prompts
from torch import Tensor

pytestmark = [pytest.mark.host, pytest.mark.browser, pytest.mark.slow]

FOLDER = Path(__file__).resolve().parents[2] / "example_workflows"
FILES = sorted(FOLDER.glob("*.json"))


class Engine:
    """Evaluates a prompt with the engine; `loaded` gives the pictures of Load Image nodes."""

    def __init__(self, prompt: dict[str, Any], loaded: Callable[[str], Tensor]) -> None:
        self.prompt, self.loaded = prompt, loaded
        self.done: dict[str, tuple] = {}

    def outputs(self, key: str) -> tuple:
        if key not in self.done:
            node = self.prompt[key]
            values = {
                name: self.outputs(value[0])[value[1]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            }
            self.done[key] = getattr(self, node["class_type"])(**values)
        return self.done[key]

    def LoadImage(self, image: str, **_: Any) -> tuple:  # noqa: N802
        return (self.loaded(image),)

    def ImageToMask(self, image: Tensor, channel: str) -> tuple:  # noqa: N802
        return (image[..., ("red", "green", "blue").index(channel)],)

    def MaskToImage(self, mask: Tensor) -> tuple:  # noqa: N802
        return (mask[..., None].expand(-1, -1, -1, 3),)

    def SaveImage(self, images: Tensor, **_: Any) -> tuple:  # noqa: N802
        return (images,)

    def RegionFields_LoadSam2(self, **_: Any) -> tuple:  # noqa: N802
        return (engine.load_sam2("nano"),)

    def RegionFields_SegmentEverything(  # noqa: N802
        self, image: Tensor, model: Any, memory_budget: int, **knobs: Any
    ) -> tuple:
        settings = engine.Everything(memory_budget=memory_budget << 20, **knobs)
        return (engine.segment_everything(model, image[0], settings),)

    def RegionFields_SegmentPrompts(  # noqa: N802
        self,
        image: Tensor,
        model: Any,
        points: str,
        objects: str,
        choice: str,
        refine: int,
        feather: float,
    ) -> tuple:
        (wanted,) = ask(1, objects, drawn=points)
        size = (image.shape[1], image.shape[2])
        found = predict_prompts(
            model, image[0], [one.prompt(size) for one in wanted], choice, refine
        )
        return found.regions(), found.soft(feather).amax(dim=0)[None]

    def RegionFields_SelectSubject(self, regions: Any) -> tuple:  # noqa: N802
        from region_fields.engine.selection import subject

        return (subject(regions),)

    def RegionFields_SelectRegions(  # noqa: N802
        self, regions: Any, by: str, count: int, point: str, **_: Any
    ) -> tuple:
        at = tuple(float(number) for number in point.split(",")) if point else None
        return (engine.select(regions, by, count, at),)

    def RegionFields_MeasureCoverage(self, regions: Any) -> tuple:  # noqa: N802
        found = engine.measure_coverage(regions)
        return found.covered, found.overlapped

    def RegionFields_FillCoverage(  # noqa: N802
        self, regions: Any, method: str, overlaps: str, **_: Any
    ) -> tuple:
        return (engine.fill_coverage(regions, method, overlaps),)

    def RegionFields_FieldFromDistance(  # noqa: N802
        self, anchor: Any, points: str, **values: Any
    ) -> tuple:
        assert values.pop("path") == "straight"
        straight = {k: v for k, v in values.items() if not k.endswith("_cost")}
        return (engine.field_from_distance(anchor, **straight),)

    def RegionFields_FieldFromDepth(self, depth: Tensor, **values: Any) -> tuple:  # noqa: N802
        band = {k.removeprefix("band."): v for k, v in values.items() if k.startswith("band.")}
        limits = (values.pop("range_low"), values.pop("range_high"))
        assert values.pop("near_is") == "auto"
        assert values.pop("sky") == "as the farthest"
        rest = {k: v for k, v in values.items() if not k.startswith("band")}
        plane = depth[..., :3].mean(-1)
        return (
            engine.field_from_depth(plane, near_is="white", value_range=limits, **band, **rest),
        )

    def RegionFields_CombineFields(self, **values: Any) -> tuple:  # noqa: N802
        fields = [values.pop(name) for name in sorted(values) if name.startswith("fields.")]
        return (engine.combine_fields(fields, **values),)

    def RegionFields_CompositeByField(self, **values: Any) -> tuple:  # noqa: N802
        return (engine.composite(**values),)

    def RegionFields_PreviewRegions(  # noqa: N802
        self, regions: Any, image: Tensor, **values: Any
    ) -> tuple:
        return (preview.draw_regions(image[0], regions, **values)[None],)

    def RegionFields_PreviewField(  # noqa: N802
        self, field: Tensor, image: Tensor, **values: Any
    ) -> tuple:
        return (preview.draw_field(field[0], image[0], **values)[None],)


def test_there_are_example_workflows():
    assert len(FILES) >= 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_saved_file_runs_without_a_red_node_and_gives_what_the_engine_gives(
    front_end: FrontEnd, host: Host, path: Path, tmp_path: Path
):
    front_end.open(json.loads(path.read_text()))
    assert front_end.red_nodes() == []
    prompt = front_end.prompt()
    history = front_end.queue()
    expected = Engine(prompt, lambda name: host.call("LoadImage", image=name)["IMAGE"])
    saves = [key for key, node in prompt.items() if node["class_type"] == "SaveImage"]
    assert saves
    for key in saves:
        (given,) = history["outputs"][key]["images"]
        ours, theirs = expected.outputs(key)[0][0], host.view(given)
        off = (ours.clamp(0, 1) - theirs).abs().amax(dim=-1)
        assert float(off.mean()) < 1.5 / 255
        # A pixel on the very edge of a mask may fall to the other side on another torch.
        assert float((off > 2.5 / 255).float().mean()) < 0.002


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_loader_says_where_official_models_are_to_be_had(path: Path):
    nodes = json.loads(path.read_text())["nodes"]
    loaders = [node for node in nodes if node["type"] == "RegionFields_LoadSam2"]
    for node in loaders:
        models = node["properties"]["models"]
        assert models
        for model in models:
            assert model["directory"] == "sam2"
            assert model["url"].startswith("https://huggingface.co/")
            assert model["url"].endswith(model["name"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_workflow_has_a_thumbnail(path: Path):
    with Image.open(path.with_suffix(".jpg")) as picture:
        assert min(picture.size) >= 256
        assert np.asarray(picture.convert("L"), np.float32).std() > 10
