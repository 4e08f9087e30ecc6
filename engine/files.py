"""Pictures, planes and sets of regions in files. A file appears whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from .ops.checks import InputError, parse_json
from .ops.rle import rle_decode, rle_encode
from .regions import Regions

REGIONS_FILE = "regions.json"
_FULL_16 = 65535
_LOSSY = (".jpg", ".jpeg", ".webp")


def read_image(path: str | Path) -> Tensor:
    """The picture in a file: float32 (H, W, 3), or (H, W, 4) where it has alpha, in [0, 1].

    Turned upright as its EXIF says; grey of 16 bits or floats keeps its depth. Raises InputError
    when there is no readable picture, or its floats leave [0, 1].
    """
    with _opened(path) as picture:
        if _is_deep(picture):
            return _grey_image(path, _deep_plane(picture))
        alpha = "A" in picture.getbands() or "transparency" in picture.info
        pixels = np.asarray(picture.convert("RGBA" if alpha else "RGB"), dtype=np.float32)
    return torch.from_numpy(pixels / 255)


def read_plane(path: str | Path) -> Tensor:
    """One value a pixel: float32 (H, W), such as a depth map, a field or a mask.

    An 8-bit or 16-bit picture gives values in [0, 1]; colours are taken to grey. A float TIFF and
    a .npy array (H, W) keep their own unit. Pictures are turned upright as their EXIF says. Raises
    InputError where that can't be read.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return _read_array(path)
    with _opened(path) as picture:
        if _is_deep(picture):
            return _deep_plane(picture)
        grey = np.array(picture.convert("L"), dtype=np.float32)
    return torch.from_numpy(grey / np.float32(255))


def _is_deep(picture: Image.Image) -> bool:
    """Whether its values are floats or have more than 8 bits; Pillow's convert would clip them."""
    return picture.mode == "F" or picture.mode.startswith("I")


def _deep_plane(picture: Image.Image) -> Tensor:
    values = np.array(picture, dtype=np.float32)
    return torch.from_numpy(values if picture.mode == "F" else values / np.float32(_FULL_16))


def _grey_image(path: str | Path, plane: Tensor) -> Tensor:
    low, high = float(plane.min()), float(plane.max())
    if not (low >= 0 and high <= 1):
        raise InputError(
            f"{path}: wanted a picture with values from 0 to 1, got {low:g} to {high:g}."
        )
    return plane[..., None].repeat(1, 1, 3)


def write_image(path: str | Path, picture: Tensor) -> None:
    """Write float (H, W, 3 or 4) in [0, 1] as 8-bit sRGB; the suffix says in which format."""
    path = Path(path)
    pixels = (picture.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    _save(path, Image.fromarray(pixels))


def write_mask(path: str | Path, mask: Tensor) -> None:
    """Write bool (H, W) as an 8-bit grey PNG, 255 inside."""
    _save(_png(path), Image.fromarray(mask.cpu().to(torch.uint8).mul(255).numpy()))


def write_plane(path: str | Path, plane: Tensor) -> None:
    """Write float (H, W) in [0, 1] as a 16-bit grey PNG, 65535 for 1."""
    values = (plane.detach().cpu().to(torch.float64).clamp(0, 1) * _FULL_16).round()
    _save(_png(path), Image.fromarray(values.numpy().astype(np.uint16)))


def write_labels(path: str | Path, labels: Tensor) -> None:
    """Write whole numbers (H, W) in 0..65535 as a 16-bit grey PNG. Raises InputError for others."""
    if labels.numel() and (int(labels.min()) < 0 or int(labels.max()) > _FULL_16):
        raise InputError(
            f"{path}: a 16-bit label map holds 0 to {_FULL_16}, but the labels go from "
            f"{int(labels.min())} to {int(labels.max())}."
        )
    _save(_png(path), Image.fromarray(labels.cpu().numpy().astype(np.uint16)))


def read_label_picture(path: str | Path) -> Tensor:
    """A label map in a picture: int64 (H, W) of its numbers, or its colours float (H, W, 3).

    Grey pictures of 8 or 16 bits and those with a palette hold numbers, as they are stored; others
    hold a colour for each region. Raises InputError when there is no readable picture.
    """
    with _opened(path) as picture:
        if picture.mode in ("1", "L", "P") or picture.mode.startswith("I"):
            return torch.from_numpy(np.asarray(picture).astype(np.int64))
    return read_image(path)[..., :3]


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, UTF-8."""
    write_whole(Path(path), lambda part: part.write_text(text, encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Have `write` fill a new file beside `path`, then give it that name.

    Where writing fails, what was at `path` stays as it was. Missing folders are made. Raises
    InputError when the disk or its permissions don't let it.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def check_folder(folder: str | Path) -> None:
    """Raise InputError unless a folder can be made and filled at `folder`; ask before long work."""
    place = Path(folder).absolute()
    while not place.exists() and place.parent != place:
        place = place.parent
    if not place.is_dir():
        raise InputError(f"{folder}: can't be a folder, as {place} is a file.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: can't be written, as {place} may not be written into.")


def check_picture(path: str | Path, *, exact: bool = False) -> None:
    """Raise InputError unless a picture can be written at `path`; ask before long work.

    exact: one that keeps every value, as masks, fields and label maps must.
    """
    if exact:
        _png(path)
    else:
        _format(Path(path))
    check_folder(Path(path).parent)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say which file could not be written, and why, by the name that the user gave."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:  # Pillow's encoders raise either
        raise InputError(f"{path}: can't be written ({_why(error)}).") from error


def _why(error: Exception) -> object:
    """The reason alone, without the file's name, which the message gives already."""
    return getattr(error, "strerror", None) or error


def save_regions(
    folder: str | Path, regions: Regions, facts: dict[str, Any], overlay: Tensor
) -> None:
    """Write a set of regions into `folder`: regions.json, a PNG for each region, overlay.png.

    regions.json holds `facts`, the size, and for each region its id, bbox [x, y, w, h], area,
    centroid, score, stability, label, file and COCO RLE. It is written last: a folder with a
    regions.json is whole. Regions that were saved there before are replaced. Raises InputError
    when the disk or its permissions don't let it.
    """
    folder = Path(folder)
    with _told(folder), _folder_beside(folder) as made:
        entries = []
        for i in range(len(regions)):
            mask = regions.take([i]).union()
            entries.append(_entry(regions, i))
            write_mask(made / entries[-1]["file"], mask)
        write_image(made / "overlay.png", overlay)
        size = {"width": regions.size[1], "height": regions.size[0]}
        listed = {"version": 1, **facts, "size": size, "regions": entries}
        write_text(made / REGIONS_FILE, json.dumps(listed, indent=1) + "\n")
        _move_in(made, folder)


def load_regions(folder: str | Path) -> Regions:
    """Read what `save_regions` wrote. The masks come from the RLE, or where that is missing from
    the region's file. Raises InputError when the folder holds no regions or they don't fit."""
    path = Path(folder) / REGIONS_FILE
    if not path.is_file():
        raise InputError(f"{folder}: holds no {REGIONS_FILE}; give a folder that segment wrote.")
    listed = read_json(path)
    try:
        size = (int(listed["size"]["height"]), int(listed["size"]["width"]))
        entries = list(listed["regions"])
        return Regions.from_each(
            (_mask_of(entry, path, size) for entry in entries),
            len(entries),
            size,
            scores=[entry.get("score", 1.0) for entry in entries],
            labels=[str(entry.get("label") or "") for entry in entries],
            stability=[entry.get("stability", 1.0) for entry in entries],
            ids=[entry["id"] for entry in entries],
        )
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path} is not a list of regions ({error!r}). Write it again with segment."
        ) from error


def read_json(path: str | Path) -> Any:
    """The value in a JSON file. Raises InputError when there is none."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read as text ({_why(error)}).") from error
    return parse_json(text, str(path))


def _entry(regions: Regions, i: int) -> dict[str, Any]:
    x0, y0, x1, y1 = regions.boxes[i].tolist()
    own = int(regions.ids[i])
    return {
        "id": own,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": int(regions.areas[i]),
        "centroid": [round(value, 3) for value in regions.centroids[i].tolist()],
        "score": round(float(regions.scores[i]), 6),
        "stability": round(float(regions.stability[i]), 6),
        "label": regions.labels[i],
        "file": f"region_{own:04d}.png",
        "rle": rle_encode(regions.packed[i], regions.size[1]),
    }


def _mask_of(entry: dict[str, Any], listing: Path, size: tuple[int, int]) -> Tensor:
    if "rle" in entry:
        mask = rle_decode(entry["rle"])
    else:
        mask = read_plane(listing.parent / _own_file(entry["file"], listing)) > 0.5
    if tuple(mask.shape) != size:
        raise InputError(
            f"{listing}: region {entry['id']} is {mask.shape[1]} x {mask.shape[0]} pixels, "
            f"the image {size[1]} x {size[0]}. Write the folder again with segment."
        )
    return mask


def _own_file(name: str, listing: Path) -> str:
    """`name`, which must be that of a file beside the listing: one from elsewhere may lie."""
    if Path(name).name != name or "\\" in name:
        raise InputError(f"{listing}: {name!r} isn't the name of a file beside it.")
    return name


@contextmanager
def _folder_beside(folder: Path) -> Iterator[Path]:
    """A new folder on the same disk as `folder`; removed at the end with what is still in it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move_in(made: Path, folder: Path) -> None:
    """Replace the saved regions in `folder` by those in `made`; regions.json goes out first and
    comes in last."""
    folder.mkdir(exist_ok=True)
    (folder / REGIONS_FILE).unlink(missing_ok=True)
    for old in folder.glob("region_[0-9]*.png"):
        old.unlink()
    for new in sorted(made.iterdir(), key=lambda path: path.name == REGIONS_FILE):
        os.replace(new, folder / new.name)


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """The picture in a file, upright."""
    try:
        with warnings.catch_warnings():  # Pillow warns at half of what it refuses
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            held = Image.open(path)
        with held:
            held.load()
            upright = ImageOps.exif_transpose(held)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise InputError(f"{path}: more than {limit} million pixels; make it smaller.") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not a picture, or in a format that isn't known.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: not a picture that can be read ({_why(error)}).") from error
    yield upright


def _read_array(path: Path) -> Tensor:
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a .npy array ({_why(error)}).") from error
    if values.ndim != 2 or min(values.shape) < 1 or values.dtype.kind not in "fiub":
        raise InputError(f"{path}: wanted numbers (H, W), got {values.dtype} {values.shape}.")
    return torch.from_numpy(values.astype(np.float32))


def _png(path: str | Path) -> Path:
    if Path(path).suffix.lower() != ".png":
        raise InputError(f"{path}: give a name that ends in .png, which keeps every value.")
    return Path(path)


def _format(path: Path) -> str:
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise InputError(f"{path}: give a name that ends in .png, .jpg, .webp or .tif.")
    return str(kind)


def _save(path: Path, image: Image.Image) -> None:
    kind = _format(path)
    if kind == "JPEG" and image.mode == "RGBA":
        raise InputError(f"{path}: a JPEG holds no alpha; give a name that ends in .png.")
    options = {"quality": 95} if path.suffix.lower() in _LOSSY else {}
    write_whole(path, lambda part: image.save(part, format=kind, **options))
