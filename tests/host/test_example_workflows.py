"""Every example workflow, from its saved file, through ComfyUI's front end to the result.

What comes out is compared with the engine's own result: the prompt that the front end makes is
evaluated node by node with `region_fields.engine` alone, on the values the prompt holds.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from comfy_browser import FrontEnd, open_front_end
from comfy_server import Host
from PIL import Image
from region_fields import engine
from region_fields.engine import preview
from region_fields.engine.blur import blur_by_field
from region_fields.engine.edit import fill_holes, remove_specks
from region_fields.engine.grade import grade_by_field
from region_fields.engine.relight import relight_by_field
from region_fields.engine.sam2.prompt_forms import ask
from region_fields.engine.sam2.prompts import predict_prompts
from torch import Tensor
from without_model import leading_to, with_stand_ins

pytestmark = [pytest.mark.host, pytest.mark.browser, pytest.mark.slow]

FOLDER = Path(__file__).resolve().parents[2] / "example_workflows"
FILES = sorted(FOLDER.glob("*.json"))
SAMPLED = [path for path in FILES if "CheckpointLoaderSimple" in path.read_text()]
WHOLE = [path for path in FILES if path not in SAMPLED]


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
        picture = values.pop("image", None)
        limits = (values.pop("range_low"), values.pop("range_high"))
        assert values.pop("near_is") == "auto"
        assert values.pop("sky") == "as the farthest"
        rest = {k: v for k, v in values.items() if not k.startswith("band")}
        plane = depth[..., :3].mean(-1)
        return (
            engine.field_from_depth(
                plane, near_is="white", value_range=limits, image=picture, **band, **rest
            ),
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
        self, field: Tensor, image: Tensor, probe: str = "", **values: Any
    ) -> tuple:
        points = [tuple(float(number) for number in probe.split(","))] if probe else []
        return (preview.draw_field(field[0], image[0], probes=points, **values)[None],)

    def RegionFields_CleanRegions(  # noqa: N802
        self, regions: Any, holes: int, specks: int
    ) -> tuple:
        return (remove_specks(fill_holes(regions, holes), specks),)

    def RegionFields_BlurByField(self, depth: Tensor, **values: Any) -> tuple:  # noqa: N802
        assert values.pop("near_is") == "auto"
        return (blur_by_field(depth=depth[..., :3].mean(-1), near_is="white", **values),)

    def RegionFields_RelightByField(  # noqa: N802
        self, depth: Tensor, color: str, **values: Any
    ) -> tuple:
        assert values.pop("near_is") == "auto"
        rgb = tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
        plane = depth[..., :3].mean(-1)
        return (relight_by_field(depth=plane, color=rgb, near_is="white", **values),)

    def RegionFields_GradeByField(self, **values: Any) -> tuple:  # noqa: N802
        return (grade_by_field(**values),)


def test_there_are_example_workflows():
    assert len(WHOLE) >= 5
    assert len(SAMPLED) >= 1


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
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


@pytest.fixture
def nodes_2_0(chromium: Any, host: Host) -> Iterator[FrontEnd]:
    host.post("/settings/Comfy.VueNodes.Enabled", True)
    front = open_front_end(chromium, host)
    yield front
    front.page.close()
    host.post("/settings/Comfy.VueNodes.Enabled", False)


def overlaps(nodes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Types of the nodes that cover each other; a node's title stands above its position."""

    def apart(a: dict[str, Any], b: dict[str, Any], axis: int, title: int) -> bool:
        starts, ends = [], []
        for node in (a, b):
            starts.append(node["pos"][axis] - title)
            ends.append(node["pos"][axis] + node["size"][axis])
        return max(starts) >= min(ends)

    return [
        (a["type"], b["type"])
        for a, b in itertools.combinations(nodes, 2)
        if not (apart(a, b, 0, 0) or apart(a, b, 1, 30))
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_note_says_what_to_do_and_no_node_covers_another_on_the_canvas(path: Path):
    nodes = json.loads(path.read_text())["nodes"]
    (note,) = [node for node in nodes if node["type"] == "MarkdownNote"]
    assert "example_workflows/inputs" in note["widgets_values"][0]
    assert overlaps(nodes) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_node_lies_in_its_group_or_in_none(path: Path):
    saved = json.loads(path.read_text())
    for node in saved["nodes"]:
        (x, y), (width, height) = node["pos"], node["size"]
        for left, top, across, down in (group["bounding"] for group in saved["groups"]):
            if left <= x < left + across and top <= y < top + down:
                assert x + width <= left + across, node["type"]
                assert y + height <= top + down, node["type"]


def test_no_node_covers_another_in_nodes_2_0(nodes_2_0: FrontEnd):
    covered = {}
    for path in FILES:
        nodes_2_0.open(json.loads(path.read_text()))
        # Nodes grow to what they hold once they are in view.
        nodes_2_0.page.evaluate("() => window.app.canvas.fitViewToSelectionAnimated({})")
        nodes_2_0.page.wait_for_timeout(1500)
        covered[path.stem] = overlaps(nodes_2_0.saved()["nodes"])
    assert not any(covered.values()), covered


def nodes_of(prompt: dict[str, Any], kind: str) -> list[str]:
    return [key for key, node in prompt.items() if node["class_type"] == kind]


@pytest.mark.parametrize("path", SAMPLED, ids=lambda path: path.stem)
def test_where_a_checkpoint_is_needed_only_its_loader_is_red_and_says_where_to_get_it(
    front_end: FrontEnd, path: Path
):
    saved = json.loads(path.read_text())
    front_end.open(saved)
    assert set(front_end.red_nodes()) <= {"CheckpointLoaderSimple"}
    (loader,) = [node for node in saved["nodes"] if node["type"] == "CheckpointLoaderSimple"]
    (model,) = loader["properties"]["models"]
    assert model["directory"] == "checkpoints"
    assert model["name"] == loader["widgets_values"][0]
    assert model["url"].endswith(model["name"])


@pytest.mark.parametrize("path", SAMPLED, ids=lambda path: path.stem)
def test_the_sampler_frees_each_pixel_for_its_share_of_the_steps(
    front_end: FrontEnd, host: Host, path: Path, tmp_path: Path
):
    """The saved graph as far as it runs without weights, then core's Differential Diffusion."""
    front_end.open(json.loads(path.read_text()))
    prompt = front_end.prompt()
    ((mask,), (sampler,)) = (
        nodes_of(prompt, "RegionFields_FieldToDenoiseMask"),
        nodes_of(prompt, "KSampler"),
    )
    run = with_stand_ins(leading_to(prompt, mask))
    (model,) = nodes_of(run, "Probe_Model")
    how = {name: prompt[sampler]["inputs"][name] for name in ("steps", "scheduler", "denoise")}
    add_nodes(
        run,
        sigmas=("BasicScheduler", {"model": [model, 0], **how}),
        free=(
            "Probe_FreeSteps",
            {"model": [model, 0], "sigmas": ["sigmas", 0], "mask": [mask, 0]},
        ),
        keep=("Probe_Keep", {"value": ["free", 0], "path": str(tmp_path / "free.pt")}),
    )
    host.run(run)
    (free,) = torch.load(tmp_path / "free.pt", weights_only=True)
    expected = Engine(prompt, lambda name: host.call("LoadImage", image=name)["IMAGE"])
    (field,) = expected.outputs(prompt[mask]["inputs"]["field"][0])
    wanted = torch.nn.functional.avg_pool2d(field, 8) * how["steps"]
    assert free.shape == wanted.shape
    assert float((free - wanted).abs().max()) <= 1
    assert float(free.max()) == how["steps"]
    # A schedule that ends on the model's least sigma frees even a mask of 0 in its last step.
    assert len(free.unique()) >= how["steps"]


def add_nodes(prompt: dict[str, Any], **nodes: tuple[str, dict[str, Any]]) -> None:
    prompt |= {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()}


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
