"""The SAM 2 nodes in a real ComfyUI give what the engine gives, and say what is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from comfy_server import Call, Host, HostError, Wire
from region_fields.engine import Everything, Sam2, load_sam2, segment_everything
from region_fields.engine.sam2.architecture import ARCHITECTURES, build_network
from safetensors.torch import save_file
from torch import Tensor

pytestmark = pytest.mark.host

FILE = "sam2_test_random.safetensors"
LOADER = "RegionFields_LoadSam2"
EVERYTHING = "RegionFields_SegmentEverything"
PROMPTS = "RegionFields_SegmentPrompts"
KNOBS = {
    "points_per_side": 4,
    "pred_iou_thresh": 0.0,
    "stability_score_thresh": 0.0,
    "box_nms_thresh": 0.7,
    "min_mask_region_area": 0,
    "crop_n_layers": 0,
    "crop_overlap_ratio": 0.3413,
    "crop_n_points_downscale_factor": 1,
    "crop_nms_thresh": 0.7,
    "use_m2m": False,
    "multimask_output": True,
    "stability_score_offset": 1.0,
    "mask_threshold": 0.0,
}
ASKED = {"objects": "as given", "choice": "best", "refine": 0, "feather": 0.0}


@pytest.fixture(scope="module")
def weights(host: Host) -> Path:
    """A checkpoint of the small architecture with random weights, where ComfyUI looks for it."""
    torch.manual_seed(7)
    network = build_network(ARCHITECTURES["nano"])
    path = host.folder / "models" / "sam2" / FILE
    path.parent.mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def engine_model(weights: Path) -> Sam2:
    return load_sam2(weights)


@pytest.fixture(scope="module")
def loader(weights: Path) -> Call:
    return Call(LOADER, {"model": FILE, "precision": "auto"})


@pytest.fixture(scope="module")
def pictures(scene) -> Tensor:
    """Two small pictures, float32 (2, 96, 128, 3)."""
    both = torch.stack([scene.image, scene.dusk]).movedim(-1, 1)
    small = torch.nn.functional.interpolate(both, (96, 128), mode="area")
    return small.movedim(1, -1).contiguous()


def test_a_checkpoint_in_the_folder_is_listed_after_the_embedded_one(host: Host, weights: Path):
    info = json.loads(host.get(f"/object_info/{LOADER}"))[LOADER]
    options = info["input"]["required"]["model"][1]["options"]
    assert options[0] == "sam2-nano (embedded)"
    assert FILE in options


def test_a_missing_checkpoint_is_named_with_its_folder_and_where_to_get_it(host: Host):
    with pytest.raises(HostError) as caught:
        host.call(LOADER, model="sam2.1_hiera_large.safetensors", precision="auto")
    text = str(caught.value)
    assert "sam2.1_hiera_large.safetensors" in text
    assert str(host.folder / "models" / "sam2") in text
    assert "https://huggingface.co/Kijai/sam2-safetensors/resolve/main/" in text


def test_a_file_that_is_no_sam2_is_refused_in_one_sentence(host: Host):
    other = host.folder / "models" / "sam2" / "sam2_other.safetensors"
    other.parent.mkdir(exist_ok=True)
    save_file({"weight": torch.zeros(3)}, other)
    with pytest.raises(HostError, match=r"Load SAM 2 Model: .*SAM 2"):
        host.call(LOADER, model=other.name, precision="auto")
    other.unlink()


def test_a_changed_checkpoint_is_loaded_again(host: Host, weights: Path, pictures: Tensor):
    path = weights.with_name("sam2_changing.safetensors")
    path.write_bytes(weights.read_bytes())
    loader = Call(LOADER, {"model": path.name, "precision": "auto"})
    host.call(PROMPTS, image=pictures[:1], model=loader, points=point(60, 40), **ASKED)
    assert host.chain(loader)["model"]["embeddings"] == 1
    os.utime(path, ns=(0, 0))
    assert host.chain(loader)["model"]["embeddings"] == 0


def test_everything_gives_the_regions_of_the_engine(
    host: Host, loader: Call, engine_model: Sam2, pictures: Tensor
):
    settings = Everything(**KNOBS)
    found = host.call(EVERYTHING, image=pictures[:1], model=loader, memory_budget=256, **KNOBS)
    wanted = segment_everything(engine_model, pictures[0], settings)
    (regions,) = found["regions"]
    assert len(regions) == len(wanted) > 0
    assert agreement(regions.masks, wanted.masks) > 0.99
    assert torch.equal(found["covered"][0] > 0.5, regions.union())
    assert [box["x"] for box in found["bboxes"][0]] == regions.boxes[:, 0].tolist()


def test_everything_in_a_batch_gives_what_single_pictures_give(
    host: Host, loader: Call, pictures: Tensor
):
    def run(image: Tensor) -> list:
        return host.call(EVERYTHING, image=image, model=loader, memory_budget=256, **KNOBS)[
            "regions"
        ]

    both = run(pictures)
    for i in range(2):
        assert both[i].equals(run(pictures[i : i + 1])[0])


def test_a_fourth_channel_is_ignored(host: Host, loader: Call, pictures: Tensor):
    four = torch.cat([pictures[:1], torch.rand(1, 96, 128, 1)], -1)
    with_alpha, without = (
        host.call(PROMPTS, image=image, model=loader, points=point(60, 40), **ASKED)
        for image in (four, pictures[:1])
    )
    assert with_alpha["regions"][0].equals(without["regions"][0])


def test_two_nodes_on_the_same_picture_encode_it_once(host: Host, loader: Call, pictures: Tensor):
    def kept() -> int:
        return host.chain(loader)["model"]["embeddings"]

    image = pictures[:1].flip(1)
    before = kept()
    host.call(EVERYTHING, image=image, model=loader, memory_budget=256, **KNOBS)
    host.call(PROMPTS, image=image, model=loader, points=point(20, 40), **ASKED)
    host.call(PROMPTS, image=image, model=loader, points=point(90, 40), **ASKED)
    assert kept() == before + 1


def test_boxes_carry_their_labels_onto_the_regions(host: Host, loader: Call, pictures: Tensor):
    boxes = Wire([[{"x": 10, "y": 10, "width": 50, "height": 60, "score": 0.9, "label": "bowl"}]])
    found = host.call(PROMPTS, image=pictures[:1], model=loader, points="", bboxes=boxes, **ASKED)
    assert found["regions"][0].labels == ("bowl",)
    assert found["bboxes"][0][0]["label"] == "bowl"


def test_prompts_of_a_batch_give_what_single_pictures_give(
    host: Host, loader: Call, pictures: Tensor
):
    points = point(60, 40)
    both = host.call(PROMPTS, image=pictures, model=loader, points=points, **ASKED)
    for i in range(2):
        one = host.call(PROMPTS, image=pictures[i : i + 1], model=loader, points=points, **ASKED)
        assert both["regions"][i].equals(one["regions"][0])
        assert torch.equal(both["mask"][i], one["mask"][0])


def test_a_point_outside_the_picture_is_named_with_the_node(
    host: Host, loader: Call, pictures: Tensor
):
    with pytest.raises(HostError, match=r"Segment with Prompts \(SAM 2\): .*\(500, 40\).*128 wide"):
        host.call(PROMPTS, image=pictures[:1], model=loader, points=point(500, 40), **ASKED)


def test_progress_is_reported_and_cancel_takes_effect(host: Host, loader: Call, pictures: Tensor):
    """The picture is new, so that nothing is remembered of it."""
    image = pictures[:1].flip(2)
    knobs = KNOBS | {"points_per_side": 64, "use_m2m": True}
    seen = []

    def cancel(event: dict) -> None:
        if event["type"] in ("progress", "progress_state"):
            seen.append(event)
            host.post("/interrupt", {})

    graph_call = Call(EVERYTHING, {"image": image, "model": loader, "memory_budget": 16, **knobs})
    with pytest.raises(HostError, match="interrupted"):
        host.chain(graph_call, on_event=cancel)
    assert seen
    again = host.call(EVERYTHING, image=image, model=loader, memory_budget=256, **KNOBS)
    assert len(again["regions"][0]) > 0


def point(x: int, y: int) -> str:
    return json.dumps([{"x": x, "y": y}])


def agreement(a: Tensor, b: Tensor) -> float:
    """The least IoU of the masks of `a` with their best partner in `b`."""
    x, y = a.flatten(1).float(), b.flatten(1).float()
    shared = x @ y.T
    union = x.sum(1)[:, None] + y.sum(1) - shared
    return float((shared / union).amax(dim=1).min())


def test_fill_coverage_asks_the_model_inside_the_gaps(host: Host, loader: Call):
    masks = torch.zeros(1, 48, 64)
    masks[0, :, :20] = 1
    image = torch.rand(1, 48, 64, 3, generator=torch.Generator().manual_seed(5))
    inputs = {
        "regions": masks,
        "method": "segment",
        "overlaps": "smallest",
        "max_gap": 0.0,
        "min_gap_area": 50,
        "image_cost": 100.0,
        "near_is": "auto",
        "image": image,
    }
    (filled,) = host.call("RegionFields_FillCoverage", **inputs, model=loader)["regions"]
    assert (filled.masks.sum(0) == 1).all()
    assert len(filled) > 1
    (kept,) = [i for i, own in enumerate(filled.ids.tolist()) if own == 0]
    assert bool(filled.masks[kept, :, :20].all())
    with pytest.raises(HostError, match="Coverage: segment needs the picture and a model; connect"):
        host.call("RegionFields_FillCoverage", **inputs)
