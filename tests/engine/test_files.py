from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from region_fields.engine import InputError, Regions, files


def _regions() -> Regions:
    masks = torch.zeros(3, 9, 12, dtype=torch.bool)
    masks[0, 1:8, 2:11] = True
    masks[1, 2:5, 3:7] = True
    masks[2, 6:9, 0:2] = True
    return Regions.from_masks(
        masks, scores=[0.9, 0.8, 0.7], labels=["table", "", "cup"], ids=[7, 3, 12]
    )


def _save(folder: Path, regions: Regions) -> None:
    files.save_regions(folder, regions, {"model": "nano"}, torch.zeros(9, 12, 3))


def test_saved_regions_come_back_equal(tmp_path):
    _save(tmp_path / "set", _regions())
    assert files.load_regions(tmp_path / "set").equals(_regions())


def test_no_regions_come_back_with_their_size(tmp_path):
    _save(tmp_path / "set", Regions.empty((9, 12)))
    assert files.load_regions(tmp_path / "set").size == (9, 12)


def test_the_listing_holds_what_design_promises(tmp_path):
    _save(tmp_path, _regions())
    listed = json.loads((tmp_path / "regions.json").read_text())
    assert listed["size"] == {"width": 12, "height": 9}
    assert listed["model"] == "nano"
    [table] = [entry for entry in listed["regions"] if entry["id"] == 7]
    assert table["bbox"] == [2, 1, 9, 7]
    assert table["area"] == 63
    assert table["centroid"] == [6.0, 4.0]
    assert table["label"] == "table"
    assert table["file"] == "region_0007.png"
    assert set(table) == {
        *("id", "bbox", "area", "centroid", "score", "stability", "label", "file", "rle")
    }


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools
def test_the_rle_is_cocos(tmp_path):
    coco = pytest.importorskip("pycocotools.mask")
    _save(tmp_path, _regions())
    for entry in json.loads((tmp_path / "regions.json").read_text())["regions"]:
        mask = np.asarray(Image.open(tmp_path / entry["file"])) > 127
        assert np.array_equal(coco.decode(entry["rle"]).astype(bool), mask)


def test_regions_saved_before_are_replaced_and_other_files_stay(tmp_path):
    _save(tmp_path, _regions())
    (tmp_path / "notes.txt").write_text("mine")
    _save(tmp_path, _regions().take([0]))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("notes.txt", "overlay.png", "region_0007.png", "regions.json")
    ]


def test_a_failure_leaves_what_was_there_before(tmp_path, monkeypatch):
    _save(tmp_path / "set", _regions())
    before = {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()}
    monkeypatch.setattr(files, "write_image", _fail)
    with pytest.raises(InputError, match=r"can't be written \(disk full\)"):
        _save(tmp_path / "set", _regions().take([0]))
    assert {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_folder_that_could_not_be_filled_has_no_listing(tmp_path, monkeypatch):
    put, moved = files.os.replace, []

    def stuck(part: Path, target: Path) -> None:
        if Path(target).parent == tmp_path / "set":
            if len(moved) == 3:
                _fail()
            moved.append(target)
        put(part, target)

    monkeypatch.setattr(files.os, "replace", stuck)
    with pytest.raises(InputError, match="disk full"):
        _save(tmp_path / "set", _regions())
    assert len(list((tmp_path / "set").iterdir())) == 3
    assert not (tmp_path / "set" / "regions.json").exists()


def test_a_half_written_file_never_gets_its_name(tmp_path):
    target = tmp_path / "field.png"
    target.write_bytes(b"old")

    def half(part: Path) -> None:
        part.write_bytes(b"ne")
        _fail()

    with pytest.raises(InputError, match=r"can't be written \(disk full\)"):
        files.write_whole(target, half)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["field.png"]


def _fail(*_: object) -> None:
    raise OSError("disk full")


def test_a_region_without_rle_is_read_from_its_file(tmp_path):
    _save(tmp_path, _regions())
    listed = json.loads((tmp_path / "regions.json").read_text())
    for entry in listed["regions"]:
        del entry["rle"]
    (tmp_path / "regions.json").write_text(json.dumps(listed))
    assert files.load_regions(tmp_path).equals(_regions())


@pytest.mark.parametrize(
    "text", ["", "[]", '{"regions": 3}', '{"size": {"width": 4}}', "{", "[" * 100000]
)
def test_a_broken_listing_is_refused_in_one_sentence(tmp_path, text):
    (tmp_path / "regions.json").write_text(text)
    with pytest.raises(InputError, match=r"regions\.json"):
        files.load_regions(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("id", 10**30), ("id", "first"), ("score", "high"), ("score", None)]
)
def test_a_region_with_odd_facts_is_refused_in_one_sentence(tmp_path, name, value):
    _save(tmp_path, _regions())
    listed = json.loads((tmp_path / "regions.json").read_text())
    listed["regions"][0][name] = value
    (tmp_path / "regions.json").write_text(json.dumps(listed))
    with pytest.raises(InputError, match="is not a list of regions"):
        files.load_regions(tmp_path)


def test_a_label_that_is_no_text_is_read_as_one(tmp_path):
    _save(tmp_path, _regions())
    listed = json.loads((tmp_path / "regions.json").read_text())
    for entry, label in zip(listed["regions"], [7, None], strict=False):
        entry["label"] = label
    (tmp_path / "regions.json").write_text(json.dumps(listed))
    assert files.load_regions(tmp_path).labels[:2] == ("7", "")


def test_regions_of_different_sizes_are_refused(tmp_path):
    _save(tmp_path, _regions())
    listed = json.loads((tmp_path / "regions.json").read_text())
    listed["size"]["width"] = 13
    (tmp_path / "regions.json").write_text(json.dumps(listed))
    with pytest.raises(InputError, match=r"12 x 9 .* 13 x 9"):
        files.load_regions(tmp_path)


def test_a_field_survives_sixteen_bits(tmp_path):
    field = torch.rand(20, 30, generator=torch.Generator().manual_seed(0))
    field[0, :2] = torch.tensor([0.0, 1.0])
    files.write_plane(tmp_path / "f.png", field)
    back = files.read_plane(tmp_path / "f.png")
    assert (back - field).abs().max() <= 0.5 / 65535 + 1e-7
    assert back[0, :2].tolist() == [0.0, 1.0]


def test_labels_survive_and_too_large_ones_are_refused(tmp_path):
    labels = torch.tensor([[0, 1], [300, 65535]])
    files.write_labels(tmp_path / "l.png", labels)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "l.png")), labels.numpy())
    with pytest.raises(InputError, match="0 to 65535"):
        files.write_labels(tmp_path / "l.png", labels + 1)


@pytest.mark.parametrize("name", ["f.jpg", "f", "f.tif"])
def test_exact_values_are_only_written_as_png(tmp_path, name):
    with pytest.raises(InputError, match=r"\.png"):
        files.write_plane(tmp_path / name, torch.zeros(2, 2))
    assert not any(tmp_path.iterdir())


def test_planes_are_read_from_every_kind_of_file(tmp_path):
    grey = np.array([[0, 51], [204, 255]], np.uint8)
    Image.fromarray(grey).save(tmp_path / "8.png")
    Image.fromarray(np.repeat(grey[..., None], 3, 2)).save(tmp_path / "rgb.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "16.png")
    Image.fromarray(grey.astype(np.float32) / 10).save(tmp_path / "f.tif")
    np.save(tmp_path / "a.npy", grey.astype(np.float64))
    wanted = torch.tensor([[0, 0.2], [0.8, 1.0]])
    for name in ("8.png", "rgb.png", "16.png"):
        torch.testing.assert_close(files.read_plane(tmp_path / name), wanted)
    torch.testing.assert_close(files.read_plane(tmp_path / "f.tif"), wanted * 25.5)
    torch.testing.assert_close(files.read_plane(tmp_path / "a.npy"), wanted * 255)


def test_an_image_is_turned_upright_and_keeps_its_alpha(tmp_path):
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn to the right is needed
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    turned = files.read_image(tmp_path / "turned.png")
    assert turned.shape == (3, 2, 3)
    assert turned[0, 1].tolist() == [1.0, 1.0, 1.0]
    Image.new("RGBA", (4, 5), (255, 0, 0, 51)).save(tmp_path / "alpha.png")
    torch.testing.assert_close(
        files.read_image(tmp_path / "alpha.png")[0, 0], torch.tensor([1.0, 0, 0, 0.2])
    )


@pytest.mark.parametrize("name", ["deep.png", "wide.tif", "float.tif"])
def test_a_deep_grey_picture_is_not_clipped_to_white(tmp_path, name):
    plane = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    stored = {
        "deep.png": (plane * 65535).round().astype(np.uint16),
        "wide.tif": (plane * 65535).round().astype(np.int32),
        "float.tif": plane,
    }
    Image.fromarray(stored[name]).save(tmp_path / name)
    image = files.read_image(tmp_path / name)
    assert image.shape == (6, 8, 3)
    for channel in image.unbind(-1):
        torch.testing.assert_close(channel, torch.from_numpy(plane), atol=1e-5, rtol=0)


def test_floats_beyond_one_are_no_picture(tmp_path):
    Image.fromarray(np.array([[0, 7.5]], np.float32)).save(tmp_path / "metres.tif")
    with pytest.raises(InputError, match=r"metres\.tif: wanted .* from 0 to 1, got 0 to 7\.5"):
        files.read_image(tmp_path / "metres.tif")


def test_a_plane_is_turned_upright_too(tmp_path):
    upright = Image.Exif()
    upright[0x0112] = 6  # turn a quarter clockwise to look at it
    grey = np.zeros((4, 6), np.uint8)
    grey[0, 0] = 255
    Image.fromarray(grey).save(tmp_path / "mask.png", exif=upright)
    plane = files.read_plane(tmp_path / "mask.png")
    assert plane.shape == (6, 4)
    assert plane[0, 3] == 1


def test_a_picture_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    assert files.read_image(tmp_path / "large.png").shape == (5, 5, 3)  # Pillow only warns
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(InputError, match=r"large\.png: more than"):
        files.read_image(tmp_path / "large.png")


@pytest.mark.parametrize("name", ["../mask.png", "/mask.png", "sub/mask.png", "..\\mask.png"])
def test_a_listing_reads_no_file_from_elsewhere(tmp_path, name):
    _save(tmp_path / "set", _regions())
    files.write_mask(tmp_path / "mask.png", torch.ones(9, 12, dtype=torch.bool))
    listed = json.loads((tmp_path / "set" / "regions.json").read_text())
    del listed["regions"][0]["rle"]
    listed["regions"][0]["file"] = name
    (tmp_path / "set" / "regions.json").write_text(json.dumps(listed))
    with pytest.raises(InputError, match="isn't the name of a file beside it"):
        files.load_regions(tmp_path / "set")


def test_a_picture_is_written_and_read_back(tmp_path):
    picture = torch.randint(0, 256, (6, 7, 3), generator=torch.Generator().manual_seed(0)) / 255
    files.write_image(tmp_path / "p.png", picture)
    torch.testing.assert_close(files.read_image(tmp_path / "p.png"), picture)


def test_an_array_without_a_pixel_is_refused_by_its_name(tmp_path):
    np.save(tmp_path / "none.npy", np.zeros((0, 5)))
    with pytest.raises(InputError, match=r"none.npy: wanted numbers \(H, W\), got .*\(0, 5\)"):
        files.read_plane(tmp_path / "none.npy")


@pytest.mark.parametrize(
    ("name", "content"),
    [("missing.png", None), ("text.png", b"hello"), ("cut.png", "cut"), ("bad.npy", b"hello")],
)
def test_what_is_no_picture_is_refused_by_name(tmp_path, name, content):
    path = tmp_path / name
    if content == "cut":
        noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
        Image.fromarray(noise).save(path)
        content = path.read_bytes()[:200]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=name):
        files.read_plane(path)


@pytest.mark.parametrize("name", ["picture.psd", "picture.blp", "picture.mpg"])
def test_a_format_that_is_only_read_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=name):
        files.write_image(tmp_path / name, torch.zeros(2, 2, 3))
    assert list(tmp_path.iterdir()) == []


def test_a_name_without_a_known_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.png"):
        files.write_image(tmp_path / "picture", torch.zeros(2, 2, 3))
    with pytest.raises(InputError, match="no alpha"):
        files.write_image(tmp_path / "picture.jpg", torch.zeros(2, 2, 4))


def test_label_pictures_hold_numbers_or_colours(tmp_path):
    numbers = torch.tensor([[0, 1, 2], [2, 2, 0]])
    files.write_labels(tmp_path / "deep.png", numbers * 300)
    assert torch.equal(files.read_label_picture(tmp_path / "deep.png"), numbers * 300)
    grey = Image.fromarray(numbers.numpy().astype(np.uint8))
    grey.save(tmp_path / "grey.png")
    assert torch.equal(files.read_label_picture(tmp_path / "grey.png"), numbers)
    palette = grey.copy()
    palette.putpalette([0, 0, 0, 200, 0, 0, 0, 99, 99])
    palette.save(tmp_path / "palette.png")
    assert torch.equal(files.read_label_picture(tmp_path / "palette.png"), numbers)
    palette.convert("RGB").save(tmp_path / "colours.png")
    colours = files.read_label_picture(tmp_path / "colours.png")
    assert colours.shape == (2, 3, 3)
    assert torch.equal(colours[0, 1], torch.tensor([200 / 255, 0, 0]))
