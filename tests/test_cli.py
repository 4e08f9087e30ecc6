from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from region_fields import engine
from region_fields.cli import main, make_parser
from region_fields.cli_options import KNOBS
from region_fields.engine import Everything, Prompt, Regions, files

ROOT = Path(__file__).resolve().parent.parent
VERBS = ("segment", "select", "cover", "field", "apply", "demo")
QUICK = ["--points-per-side", "6", "--pred-iou-thresh", "0.6", "--stability-score-thresh", "0.7"]


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    """A red disc and a blue box on grey, 96 x 64."""
    y, x = np.mgrid[:64, :96]
    pixels = np.full((64, 96, 3), 150, np.uint8)
    pixels[(x - 28) ** 2 + (y - 32) ** 2 < 18**2] = (200, 40, 30)
    pixels[18:46, 58:86] = (30, 50, 190)
    path = tmp_path_factory.mktemp("in") / "picture.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three known regions as segment leaves them: left half, centre, a corner."""
    masks = torch.zeros(3, 40, 60, dtype=torch.bool)
    masks[0, :, :30] = True
    masks[1, 15:25, 25:35] = True
    masks[2, 34:, 52:] = True
    regions = Regions.from_masks(masks, labels=["wall", "cup", "cloth"])
    files.save_regions(tmp_path / "set", regions, {}, torch.zeros(40, 60, 3))
    return tmp_path / "set"


def _fails(capsys, *argv: object) -> str:
    """The one line that a call ends with, its exit status 2."""
    assert main([str(arg) for arg in argv]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert "Traceback" not in "".join(lines)
    assert lines[-1].startswith(f"region-fields {argv[0]}: ")
    return lines[-1]


def _run(*argv: object) -> None:
    assert main([str(arg) for arg in argv]) == 0


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as done:
        main([verb, "--help"])
    assert done.value.code == 0
    shown = capsys.readouterr().out
    assert "--out" in shown
    assert "default: None" not in shown
    assert not re.search(r"\(default: [^)]*\)\s+\(default", shown)


def test_the_module_runs_as_the_command_does(tmp_path):
    argv = [sys.executable, "-m", "region_fields.cli", "select", tmp_path, "--by", "largest"]
    done = subprocess.run(
        [*argv, "--out", tmp_path / "mask.png"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2
    assert done.stderr.startswith("region-fields select: ")


def test_every_setting_of_everything_is_an_option(capsys):
    assert set(KNOBS) == {knob.name for knob in dataclasses.fields(Everything)}
    with pytest.raises(SystemExit):
        main(["segment", "--help"])
    shown = capsys.readouterr().out
    for name in KNOBS:
        assert "--" + name.replace("_", "-") in shown


def test_segment_writes_what_the_engine_finds(picture, nano, tmp_path):
    _run("segment", picture, "--out", tmp_path / "out", *QUICK)
    settings = Everything(points_per_side=6, pred_iou_thresh=0.6, stability_score_thresh=0.7)
    wanted = engine.segment_everything(nano, files.read_image(picture), settings)
    assert len(wanted) > 0
    found = files.load_regions(tmp_path / "out")
    assert torch.equal(found.packed, wanted.packed)
    torch.testing.assert_close(found.scores, wanted.scores, atol=1e-6, rtol=0)
    listed = json.loads((tmp_path / "out" / "regions.json").read_text())
    assert listed["model"] == "nano"
    assert listed["coverage"]["covered"] == pytest.approx(
        engine.measure_coverage(wanted).covered, abs=1e-6
    )
    assert len(list((tmp_path / "out").glob("region_*.png"))) == len(wanted)
    assert files.read_image(tmp_path / "out" / "overlay.png").shape == (64, 96, 3)


def test_every_setting_reaches_the_engine(picture, tmp_path, monkeypatch):
    given = {
        "points_per_side": 5, "pred_iou_thresh": 0.25, "stability_score_thresh": 0.35,
        "stability_score_offset": 0.5, "mask_threshold": -0.5, "box_nms_thresh": 0.6,
        "crop_n_layers": 1, "crop_nms_thresh": 0.65, "crop_overlap_ratio": 0.3,
        "crop_n_points_downscale_factor": 2, "min_mask_region_area": 9, "use_m2m": True,
        "multimask_output": False, "memory_budget": 64 << 20,
    }  # fmt: skip
    assert set(given) == set(KNOBS)
    seen = []

    def watch(model, image, settings, progress):
        seen.append(settings)
        return Regions.empty(tuple(image.shape[:2]))

    monkeypatch.setattr(engine, "segment_everything", watch, raising=False)
    argv = []
    for name, value in given.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            argv.append(f"--{option}" if value else f"--no-{option}")
        else:
            argv.append(f"--{option}={'64M' if name == 'memory_budget' else value}")
    _run("segment", picture, "--out", tmp_path / "out", *argv)
    assert seen == [Everything(**given)]


@pytest.mark.parametrize(
    ("argv", "dtype"),
    [
        ([], "auto"),
        (["--precision", "auto"], "auto"),
        (["--precision", "fp32"], "float32"),
        (["--precision", "bf16"], "bfloat16"),
        (["--precision", "fp16"], "float16"),
    ],
)
def test_precision_is_spelt_as_on_the_loader_and_reaches_the_model(
    picture, tmp_path, monkeypatch, argv, dtype
):
    seen = []

    def watch(model, image, settings, progress):
        seen.append(model.precision)
        return Regions.empty(tuple(image.shape[:2]))

    monkeypatch.setattr(engine, "segment_everything", watch, raising=False)
    _run("segment", picture, "--out", tmp_path / "out", *argv)
    assert seen == [dtype]


@pytest.mark.parametrize(
    ("argv", "prompts"),
    [
        (["--point", "28,32"], [Prompt(points=[[28, 32]], labels=[1])]),
        (
            ["--point", "28,32", "--point", "70,30,0"],
            [Prompt(points=[[28, 32], [70, 30]], labels=[1, 0])],
        ),
        (
            ["--box", "8,12,40,40", "--box", "56,16,32,32"],
            [Prompt(box=[8, 12, 40, 40]), Prompt(box=[56, 16, 32, 32])],
        ),
    ],
)
def test_segment_takes_points_and_boxes(picture, nano, tmp_path, argv, prompts):
    _run("segment", picture, "--out", tmp_path / "out", *argv)
    wanted = engine.segment_prompts(nano, files.read_image(picture), prompts)
    assert len(wanted) == len(prompts)
    assert torch.equal(files.load_regions(tmp_path / "out").packed, wanted.packed)


def test_each_point_can_be_an_object(picture, tmp_path):
    argv = ["--point", "28,32", "--point", "70,30", "--objects", "one per point or box"]
    _run("segment", picture, "--out", tmp_path / "out", *argv)
    assert len(files.load_regions(tmp_path / "out")) == 2


def test_an_option_that_would_do_nothing_is_refused(picture, tmp_path, capsys):
    out = ["--out", tmp_path / "out"]
    line = _fails(capsys, "segment", picture, *out, "--point", "5,5", "--points-per-side", 8)
    assert "--points-per-side" in line
    assert "--choice" in _fails(capsys, "segment", picture, *out, "--choice", "whole")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("argv", "option"),
    [
        (["select", "--by", "largest", "--point", "3,4"], "--point"),
        (["select", "--by", "nearest_point", "--point", "3,4", "--label", "cup"], "--label"),
        (["cover", "--method", "edges"], "--image"),
        (["cover", "--overlaps", "nearest_depth"], "--depth"),
        (["select", "--by", "largest", "--near-is", "black"], "--near-is"),
        (["cover", "--near-is", "black"], "--near-is"),
        (["cover", "--image", "picture.png"], "--image"),
        (["cover", "--min-gap-area", "5"], "--min-gap-area"),
        (["cover", "--image-cost", "5"], "--image-cost"),
        (["cover", "--device", "cuda"], "--device"),
    ],
)
def test_select_and_cover_say_which_option_is_missing_or_does_nothing(
    folder, tmp_path, capsys, argv, option
):
    line = _fails(capsys, argv[0], folder, *argv[1:], "--out", tmp_path / "out.png")
    assert option in line
    assert not (tmp_path / "out.png").exists()


def test_what_settles_ties_may_ask_too(folder, tmp_path):
    argv = ["--by", "largest", "--then-by", "nearest_point", "--point", "3,4"]
    _run("select", folder, *argv, "--out", tmp_path / "mask.png")
    assert files.read_plane(tmp_path / "mask.png")[0, 0] == 1


def test_select_writes_the_union_of_what_the_engine_selects(folder, tmp_path, capsys):
    out = tmp_path / "mask.png"
    _run("select", folder, "--by", "nearest_point", "--point", "58,38", "--count", 2, "--out", out)
    regions = files.load_regions(folder)
    wanted = engine.select(regions, "nearest_point", count=2, point=(58, 38))
    assert torch.equal(files.read_plane(out) > 0.5, wanted.union())
    assert json.loads(capsys.readouterr().out)["ids"] == wanted.ids.tolist()


@pytest.mark.parametrize(
    ("argv", "label"),
    [
        (["--by", "largest"], "wall"),
        (["--by", "most_central"], "cup"),
        (["--by", "nearest_point", "--point", "59,39"], "cloth"),
        (["--by", "label", "--label", "CLOTH"], "cloth"),
    ],
)
def test_select_picks_by_place_size_or_name(folder, tmp_path, argv, label):
    _run("select", folder, *argv, "--out", tmp_path / "mask.png")
    regions = files.load_regions(folder)
    wanted = regions.take([regions.labels.index(label)])
    assert torch.equal(files.read_plane(tmp_path / "mask.png") > 0.5, wanted.union())


def test_select_says_when_nothing_fits(folder, tmp_path, capsys):
    argv = ["--by", "containing_point", "--point", "55,2", "--out", tmp_path / "mask.png"]
    assert "none of the 3 regions fits --by" in _fails(capsys, "select", folder, *argv)
    assert "point" in _fails(
        capsys, "select", folder, "--by", "nearest_point", "--out", tmp_path / "mask.png"
    )
    assert not (tmp_path / "mask.png").exists()


@pytest.mark.parametrize(
    ("count", "told"), [(0, "it holds no region"), (1, "its only region doesn't fit --by")]
)
def test_select_says_when_no_region_or_the_only_one_doesnt_fit(tmp_path, capsys, count, told):
    masks = torch.zeros((count, 4, 6), dtype=torch.bool)
    masks[:, 1:3, 1:3] = True
    regions = Regions.from_masks(masks)
    files.save_regions(tmp_path / "set", regions, {}, torch.zeros(4, 6, 3))
    argv = ["--by", "containing_point", "--point", "5,0", "--out", tmp_path / "mask.png"]
    assert told in _fails(capsys, "select", tmp_path / "set", *argv)


@pytest.mark.parametrize("method", ["nearest", "background", "new_regions"])
def test_cover_writes_the_engines_partition_and_reports_both_coverages(
    folder, tmp_path, capsys, method
):
    _run("cover", folder, "--method", method, "--out", tmp_path / "labels.png")
    filled = engine.fill_coverage(files.load_regions(folder), method=method)
    labels = torch.from_numpy(np.asarray(Image.open(tmp_path / "labels.png")).astype(np.int64))
    for own, mask in zip(filled.ids.tolist(), filled.masks, strict=True):
        assert torch.equal(labels == own + 1, mask)
    report = json.loads(capsys.readouterr().out)
    assert report["after"]["covered"] == 1
    assert report["after"]["overlapped"] == 0
    before = engine.measure_coverage(files.load_regions(folder))
    assert report["before"]["covered"] == pytest.approx(before.covered, abs=1e-6)


def test_cover_asks_the_model_inside_the_gaps(folder, tmp_path, capsys):
    size = files.load_regions(folder).size
    files.write_image(tmp_path / "picture.png", torch.rand(*size, 3))
    argv = ["cover", folder, "--method", "segment", "--out", tmp_path / "labels.png"]
    assert "--model" in _fails(capsys, *argv, "--image", tmp_path / "picture.png")
    assert "leave it out" in _fails(capsys, *argv[:2], "--model", "nano", *argv[4:])
    _run(*argv, "--image", tmp_path / "picture.png", "--model", "nano", "--min-gap-area", 40)
    labels = np.asarray(Image.open(tmp_path / "labels.png"))
    assert labels.min() > 0
    assert json.loads(capsys.readouterr().out)["after"]["covered"] == 1


def test_cover_can_leave_far_pixels_to_nobody(folder, tmp_path):
    _run("cover", folder, "--max-gap", 3, "--out", tmp_path / "labels.png")
    labels = np.asarray(Image.open(tmp_path / "labels.png"))
    assert labels[0, 59] == 0
    assert labels[0, 32] > 0


def _ramp(path: Path) -> torch.Tensor:
    depth = torch.linspace(0.05, 1, 60).repeat(40, 1)
    files.write_plane(path, depth)
    return files.read_plane(path)


def test_field_by_depth_is_the_engines(tmp_path):
    depth = _ramp(tmp_path / "depth.png")
    argv = ["--near", 0.1, "--far", 0.4, "--far-feather", 0.3, "--falloff", "linear"]
    _run("field", "--depth", tmp_path / "depth.png", *argv, "--out", tmp_path / "f.png")
    wanted = engine.field_from_depth(depth, near=0.1, far=0.4, far_feather=0.3, falloff="linear")[0]
    torch.testing.assert_close(files.read_plane(tmp_path / "f.png"), wanted, atol=1e-5, rtol=0)


def test_field_by_distance_to_a_point_takes_its_size_from_like(picture, tmp_path, capsys):
    argv = ["field", "--anchor", "20,30", "--outer-radius", 25, "--out", tmp_path / "f.png"]
    assert "--like" in _fails(capsys, *argv)
    _run(*argv, "--like", picture, "--invert")
    wanted = 1 - engine.field_from_distance([20, 30], size=(64, 96), outer_radius=25)[0]
    torch.testing.assert_close(files.read_plane(tmp_path / "f.png"), wanted, atol=1e-5, rtol=0)


def test_an_anchor_may_lie_to_the_left_of_the_picture(picture, tmp_path):
    argv = ["--anchor", "-10,20", "--like", picture, "--units", "percent", "--outer-radius", "90"]
    _run("field", *argv, "--out", tmp_path / "f.png")
    wanted = engine.field_from_distance(
        [[-10, 20]], size=(64, 96), units="percent", outer_radius=90
    )[0]
    torch.testing.assert_close(files.read_plane(tmp_path / "f.png"), wanted, atol=3e-5, rtol=0)


def test_field_combines_depth_and_distance(tmp_path):
    depth = _ramp(tmp_path / "depth.png")
    mask = torch.zeros(40, 60, dtype=torch.bool)
    mask[10:20, 30:40] = True
    files.write_mask(tmp_path / "mask.png", mask)
    argv = ["--depth", tmp_path / "depth.png", "--anchor-mask", tmp_path / "mask.png"]
    argv += ["--combine", "screen", "--outer-radius", 12, "--heat", tmp_path / "heat.png"]
    _run("field", *argv, "--out", tmp_path / "f.png")
    parts = [engine.field_from_depth(depth), engine.field_from_distance(mask, outer_radius=12)]
    wanted = engine.combine_fields(parts, mode="screen")[0]
    torch.testing.assert_close(files.read_plane(tmp_path / "f.png"), wanted, atol=1e-5, rtol=0)
    assert files.read_image(tmp_path / "heat.png").shape == (40, 60, 3)


def test_field_takes_a_smaller_depth_but_none_of_another_picture(tmp_path, capsys):
    _ramp(tmp_path / "depth.png")
    out = ["--out", tmp_path / "f.png"]
    for name, size in (("double", (80, 120)), ("turned", (60, 40))):
        files.write_mask(tmp_path / f"{name}.png", torch.ones(*size, dtype=torch.bool))
    argv = ["field", "--depth", tmp_path / "depth.png", "--anchor-mask"]
    line = _fails(capsys, *argv, tmp_path / "turned.png", *out)
    assert "a mask of 40 x 60 pixels doesn't have the shape of a picture of 60 x 40" in line
    _run(*argv, tmp_path / "double.png", *out)


def test_field_by_depth_takes_a_fixed_range_a_sky_and_the_pictures_edges(picture, tmp_path):
    depth = _ramp(tmp_path / "depth.png")
    depth[:4] = torch.inf
    np.save(tmp_path / "depth.npy", depth.numpy())
    argv = ["--depth", tmp_path / "depth.npy", "--near-is", "black", "--value-range", "0.2,0.8"]
    argv += ["--sky-strength", 0.5, "--image", picture, "--skip-outlines"]
    _run("field", *argv, "--out", tmp_path / "f.png")
    wanted = engine.field_from_depth(
        depth,
        near_is="black",
        normalize_over="range",
        value_range=(0.2, 0.8),
        sky_strength=0.5,
        image=files.read_image(picture),
        skip_outlines=True,
    )[0]
    assert wanted.shape == (64, 96)
    torch.testing.assert_close(files.read_plane(tmp_path / "f.png"), wanted, atol=1e-5, rtol=0)


def test_field_by_distance_goes_round_edges_from_points_and_boxes(picture, tmp_path):
    image = files.read_image(picture)
    argv = ["field", "--image-edges", picture, "--image-cost", 300, "--out", tmp_path / "f.png"]
    box = {"x": 60.0, "y": 20.0, "width": 20.0, "height": 20.0}
    for source, anchor in (
        (["--anchor", "20,30", "--anchor", "70,30"], [[20, 30], [70, 30]]),
        (["--anchor-box", "60,20,20,20"], box),
    ):
        _run(*argv, *source)
        wanted = engine.field_from_distance(anchor, size=(64, 96), image=image, image_cost=300)[0]
        torch.testing.assert_close(files.read_plane(tmp_path / "f.png"), wanted, atol=1e-5, rtol=0)
    depth = _ramp(tmp_path / "depth.png")
    argv = ["--anchor-box", "10,10,20,20", "--depth-edges", tmp_path / "depth.png"]
    _run("field", *argv, "--like", tmp_path / "depth.png", "--out", tmp_path / "f.png")
    box = {"x": 10.0, "y": 10.0, "width": 20.0, "height": 20.0}
    wanted = engine.field_from_distance(box, size=(40, 60), depth=depth)[0]
    torch.testing.assert_close(files.read_plane(tmp_path / "f.png"), wanted, atol=1e-5, rtol=0)


def test_field_combines_fields_that_were_made_before(tmp_path):
    first, second, third = torch.rand(3, 8, 9, generator=torch.Generator().manual_seed(0))
    argv: list[object] = ["--combine", "smooth_max", "--amount", 0.5, "--softness", 0.2]
    for i, plane in enumerate((first, second, third)):
        files.write_plane(tmp_path / f"{i}.png", plane)
        argv += ["--also", tmp_path / f"{i}.png"]
    _run("field", *argv, "--out", tmp_path / "f.png")
    wanted = engine.combine_fields(
        [first, second, third], mode="smooth_max", amount=0.5, softness=0.2
    )[0]
    torch.testing.assert_close(files.read_plane(tmp_path / "f.png"), wanted, atol=3e-5, rtol=0)


OTHERWISE = {
    ("FieldFromDepth", "band"): ["near", "focus"],
    ("FieldFromDepth", "normalize_over"): ["value_range"],
    ("FieldFromDepth", "range_low"): ["value_range"],
    ("FieldFromDepth", "range_high"): ["value_range"],
    ("FieldFromDepth", "sky"): ["sky_strength"],
    ("FieldFromDistance", "anchor"): ["anchor_mask", "anchor_box"],
    ("FieldFromDistance", "points"): ["anchor"],
    ("FieldFromDistance", "image"): ["like", "image_edges"],
    ("FieldFromDistance", "path"): ["image_edges", "depth_edges"],
    ("FieldFromDistance", "depth"): ["depth_edges"],
    ("CombineFields", "fields"): ["also"],
    ("CombineFields", "field"): ["also"],
    ("CombineFields", "mode"): ["combine"],
}
"""Inputs of nodes whose options of the command have other names."""


@pytest.mark.parametrize(
    ("verb", "node"),
    [
        ("field", "FieldFromDepth"),
        ("field", "FieldFromDistance"),
        ("field", "CombineFields"),
        ("apply", "CompositeByField"),
    ],
)
def test_the_command_has_an_option_for_every_input_of_the_nodes_it_stands_for(verb, node):
    page = (ROOT / "web" / "docs" / f"RegionFields_{node}" / "en.md").read_text(encoding="utf-8")
    inputs = re.findall(r"^\| `(\w+)` \|", page.split("## Inputs")[1].split("##")[0], re.MULTILINE)
    assert inputs
    required = {"field": ["--out", "f.png"], "apply": ["a", "b", "c", "--out", "f.png"]}
    options = vars(make_parser().parse_args([verb, *required[verb]]))
    for name in inputs:
        assert set(OTHERWISE.get((node, name), [name])) <= set(options), name


@pytest.mark.parametrize(
    ("source", "setting", "told"),
    [
        ("anchor", ["--far", "0.5"], "--far does nothing without --depth"),
        ("anchor", ["--combine", "screen"], "--combine does nothing without a second field"),
        ("depth", ["--outer-radius", "9"], "--outer-radius does nothing without --anchor"),
        ("depth", ["--range", "0.5"], "--range does nothing without --focus"),
        (
            "depth",
            ["--normalize", "rank", "--value-range", "0,1"],
            "--value-range does nothing without a --normalize other than rank",
        ),
        ("depth", ["--focus", "0.3", "--near", "0.1"], "--focus or --near"),
        ("depth", ["--like", "picture.png"], "--like does nothing without --anchor"),
        ("anchor", ["--like", "picture.png"], "--like is for a point or a box alone"),
        ("anchor", ["--anchor", "2,3"], "--anchor or --anchor-mask, not both"),
        ("anchor", ["--image-cost", "9"], "--image-cost does nothing without --image-edges"),
        ("depth", ["--softness", "0.2"], "--softness does nothing without --combine smooth"),
    ],
)
def test_field_says_which_option_does_nothing(tmp_path, capsys, source, setting, told):
    _ramp(tmp_path / "depth.png")
    files.write_mask(tmp_path / "mask.png", torch.ones(40, 60, dtype=torch.bool))
    sources = {
        "depth": ["--depth", tmp_path / "depth.png"],
        "anchor": ["--anchor-mask", tmp_path / "mask.png"],
    }
    argv = ["field", *sources[source], "--out", tmp_path / "f.png"]
    assert told in _fails(capsys, *argv, *setting)
    assert not (tmp_path / "f.png").exists()
    _run(*argv)


def test_field_of_nothing_is_refused(tmp_path, capsys):
    assert "--depth, --anchor" in _fails(capsys, "field", "--out", tmp_path / "f.png")


@pytest.mark.parametrize("space", ["linear", "srgb", "oklab"])
def test_apply_is_the_engines_composite(tmp_path, space):
    generator = torch.Generator().manual_seed(0)
    for name in ("base", "effect"):
        files.write_image(tmp_path / f"{name}.png", torch.rand(8, 9, 3, generator=generator))
    field = torch.rand(8, 9, generator=generator)
    field[0] = 0
    files.write_plane(tmp_path / "field.png", field)
    inputs = [tmp_path / f"{name}.png" for name in ("base", "effect", "field")]
    _run("apply", *inputs, "--space", space, "--out", tmp_path / "out.png")
    base, effect = (files.read_image(path) for path in inputs[:2])
    wanted = engine.composite(base, effect, files.read_plane(inputs[2]), space=space)
    found = files.read_image(tmp_path / "out.png")
    torch.testing.assert_close(found, wanted, atol=0.501 / 255, rtol=0)
    assert torch.equal(found[0], base[0]), "where the field is 0 the base stays bit for bit"


def test_bad_files_end_in_one_line_and_leave_nothing(picture, tmp_path, capsys):
    (tmp_path / "text.png").write_text("no picture")
    out = tmp_path / "new" / "out"
    assert "missing.png" in _fails(capsys, "segment", tmp_path / "missing.png", "--out", out)
    assert "text.png" in _fails(capsys, "segment", tmp_path / "text.png", "--out", out)
    assert "weights.pt" in _fails(
        capsys, "segment", picture, "--out", out, "--model", tmp_path / "weights.pt"
    )
    assert "regions.json" in _fails(capsys, "cover", tmp_path, "--out", tmp_path / "l.png")
    assert ".png" in _fails(
        capsys, "field", "--anchor", "2,2", "--like", picture, "--out", tmp_path / "f.jpg"
    )
    assert "points_per_side" in _fails(capsys, "segment", picture, "--out", out, *QUICK[2:],
                                       "--points-per-side", 0)  # fmt: skip
    heat = ["--heat", tmp_path / "heat.xyz", "--out", tmp_path / "f.png"]
    assert "heat.xyz" in _fails(capsys, "field", "--anchor", "2,2", "--like", picture, *heat)
    assert [path.name for path in tmp_path.iterdir()] == ["text.png"]


@pytest.mark.parametrize(
    "argv",
    [
        ["select", "nowhere", "--by", "largest"],
        ["cover", "nowhere"],
        ["field", "--depth", "nowhere.png"],
        ["apply", "nowhere.png", "nowhere.png", "nowhere.png"],
    ],
)
def test_a_name_that_no_picture_can_have_is_told_before_anything_is_read(argv, tmp_path, capsys):
    assert "ends in .png" in _fails(capsys, *argv, "--out", tmp_path / "out.txt")
    (tmp_path / "taken").write_text("a file")
    assert "is a file" in _fails(capsys, *argv, "--out", tmp_path / "taken" / "out.png")


def test_what_is_no_picture_and_no_set_of_regions_is_named_once(tmp_path, picture, capsys):
    (tmp_path / "text.png").write_text("no picture")
    out = ["--out", tmp_path / "out.png"]
    for argv in (
        ["segment", tmp_path / "text.png"],
        ["segment", tmp_path],
        ["select", tmp_path, "--by", "largest"],
        ["select", tmp_path / "text.png", "--by", "largest"],
    ):
        line = _fails(capsys, *argv, *out)
        assert line.count(str(argv[1])) == 1
        assert "Errno" not in line


def test_what_cannot_be_written_to_is_told_before_the_work(picture, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    out = tmp_path / "taken" / "below"
    for argv in (["segment", picture], ["demo"]):
        line = _fails(capsys, *argv, "--out", out)
        assert f"{out}: can't be a folder" in line
    assert (tmp_path / "taken").read_text() == "a file"


@pytest.mark.parametrize("device", ["abacus", "meta:x", "hpu"])
def test_a_device_that_is_not_there_ends_in_one_line(picture, tmp_path, capsys, device):
    line = _fails(capsys, "segment", picture, "--out", tmp_path / "out", "--device", device)
    assert "device" in line
    assert device in line


def test_sizes_that_differ_are_named(picture, tmp_path, capsys):
    files.write_image(tmp_path / "small.png", torch.zeros(8, 9, 3))
    files.write_plane(tmp_path / "f.png", torch.zeros(8, 9))
    line = _fails(
        *(capsys, "apply", tmp_path / "small.png", picture, tmp_path / "f.png"),
        *("--out", tmp_path / "out.png"),
    )
    assert "9 x 8" in line
    assert "96 x 64" in line


@pytest.mark.parametrize("value", ["1", "a,b", "1,2,3,4", "1,2,5", "nan,2"])
def test_a_point_that_cannot_be_read_exits_with_status_2(value, picture, capsys):
    with pytest.raises(SystemExit) as done:
        main(["segment", str(picture), "--out", "x", "--point", value])
    assert done.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("region-fields segment: argument --point: wanted ")
    assert line.endswith("see region-fields segment --help")


def test_a_failure_while_writing_leaves_the_last_results_whole(
    picture, folder, tmp_path, monkeypatch, capsys
):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(files, "write_mask", full)
    argv = ["--point", "28,32", "--out", folder]
    assert "no space left" in _fails(capsys, "segment", picture, *argv)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_progress_is_told_on_stderr_and_results_on_stdout(picture, tmp_path, capsys):
    _run("segment", picture, "--out", tmp_path / "out", *QUICK)
    shown = capsys.readouterr()
    assert "segmenting 100%" in shown.err
    assert shown.out == ""


@pytest.mark.slow
def test_the_demo_does_the_whole_job(tmp_path, scene):
    _run("demo", "--out", tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    after = report["coverage"]["after"]
    assert (after["covered"], after["overlapped"]) == (1.0, 0.0)
    assert report["subject"]["iou"] > 0.5
    field = files.read_plane(tmp_path / "field.png")
    assert field[scene.mask("wall")].mean() > 0.9, "dusk falls on the wall"
    assert field[scene.mask(scene.subject)].mean() < 0.2, "the subject stays in daylight"
    mixed = files.read_image(tmp_path / "composite.png")
    untouched = field == 0
    assert untouched.any()
    assert torch.equal(mixed[untouched], scene.image[untouched])
    labels = np.asarray(Image.open(tmp_path / "labels.png"))
    assert labels.min() >= 1
    for name in ("overlay", "coverage_after", "field_map", "coverage_before", "contact_sheet"):
        assert files.read_image(tmp_path / f"{name}.png").std() > 0.02
