"""The `region-fields` command: what the nodes do, without ComfyUI.

Each verb reads files, makes one or two calls into the engine and writes files. What a user can
mend ends with exit status 2 and one line on stderr.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from torch import Tensor

from . import cli_options as options
from . import engine
from .cli_field import field, field_options
from .demo import run as run_demo
from .engine import Coverage, InputError, Regions, files
from .engine.ops.fields import picture_of_size
from .engine.preview import draw_regions, ids_map
from .engine.sam2.everything import Everything
from .engine.sam2.model import CHOICES_OF_PRECISION
from .engine.sam2.prompt_forms import GROUPINGS, ask
from .engine.sam2.prompts import point_segmenter
from .engine.selection import CRITERIA


class Bar:
    """Progress on stderr: a line rewritten on a terminal, elsewhere one every ten percent."""

    def __init__(self, what: str):
        self.what = what
        self._live = sys.stderr.isatty()
        self._step = 0.01 if self._live else 0.1
        self._next, self._started = self._step, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        share = done / max(1, total)
        if share < self._next - 1e-9:
            return
        self._next = (math.floor(share / self._step + 1e-9) + 1) * self._step
        spent = time.monotonic() - self._started
        begin, end = ("\r", "" if done < total else "\n") if self._live else ("", "\n")
        print(
            f"{begin}{self.what} {share:4.0%} {spent:5.0f} s", end=end, file=sys.stderr, flush=True
        )


def segment(given: argparse.Namespace) -> None:
    image = files.read_image(given.image)[..., :3]
    knobs = {
        name: getattr(given, name) for name in options.KNOBS if getattr(given, name) is not None
    }
    prompted = bool(given.point or given.box)
    _refuse_unused(given, knobs, prompted)
    files.check_folder(given.out)
    settings = Everything(**knobs)
    dtype = CHOICES_OF_PRECISION[given.precision]
    model = engine.load_sam2(given.model, device=given.device, dtype=dtype)
    if prompted:
        regions = _segment_prompts(model, image, given)
    else:
        regions = engine.segment_everything(model, image, settings, Bar("segmenting"))
    covered = save_set(given.out, regions.to("cpu"), image, Path(given.image).name, given.model)
    print(f"{given.out}: {covered.sentence()}", file=sys.stderr)


def _refuse_unused(given: argparse.Namespace, knobs: dict[str, Any], prompted: bool) -> None:
    """An option that would do nothing is a mistake worth telling."""
    if prompted and knobs:
        name = next(iter(knobs)).replace("_", "-")
        raise InputError(f"--{name} is for segmenting everything; leave out --point and --box.")
    for name in ("objects", "choice", "refine"):
        if not prompted and getattr(given, name) is not None:
            raise InputError(f"--{name} needs a --point or a --box.")


def _segment_prompts(model: Any, image: Tensor, given: argparse.Namespace) -> Regions:
    def coords(kind: int) -> str:
        return json.dumps([{"x": x, "y": y} for x, y, label in given.point or [] if label == kind])

    [asked] = ask(
        1,
        given.objects or GROUPINGS[0],
        positive=coords(1),
        negative=coords(0),
        boxes=given.box or [],
    )
    size = (image.shape[0], image.shape[1])
    prompts = [one.prompt(size) for one in asked]
    return engine.segment_prompts(
        model,
        image,
        prompts,
        choice=given.choice or "best",
        refine=given.refine or 0,
        progress=Bar("segmenting"),
    )


def save_set(folder: Path, regions: Regions, image: Tensor, name: str, model: str) -> Coverage:
    """Write a set of regions as `region-fields segment` leaves it. Returns its coverage."""
    coverage = engine.measure_coverage(regions)
    facts = {
        "image": name,
        "model": model if model == "nano" else Path(model).name,
        "coverage": coverage.facts(),
    }
    files.save_regions(folder, regions, facts, draw_regions(image, regions))
    return coverage


def select(given: argparse.Namespace) -> None:
    _refuse_unasked(given)
    files.check_picture(given.out, exact=True)
    regions = files.load_regions(given.folder)
    chosen = engine.select(
        regions,
        given.by,
        count=given.count,
        point=given.point,
        mask=files.read_plane(given.mask) if given.mask else None,
        image=files.read_image(given.image) if given.image else None,
        depth=files.read_plane(given.depth) if given.depth else None,
        near_is=given.near_is,
        color=given.color,
        label=given.label,
        then_by=given.then_by or "",
    )
    if len(chosen) == 0:
        raise InputError(f"{given.folder}: {_nothing_fits(len(regions), given.by)}")
    files.write_mask(given.out, chosen.union())
    print(json.dumps({"ids": chosen.ids.tolist(), "area": int(chosen.union().sum())}))


def _nothing_fits(count: int, by: str) -> str:
    if count == 0:
        return "it holds no region to select."
    which = "its only region doesn't fit" if count == 1 else f"none of the {count} regions fits"
    return f"{which} --by {by}."


def _refuse_unasked(given: argparse.Namespace) -> None:
    """Refuse what neither --by nor --then-by looks at."""
    if not given.depth:
        options.refuse_idle(given, ["near_is"], "--depth")
    asked = {name for by in (given.by, given.then_by) if by for name in CRITERIA[by].needs}
    for name in ("point", "mask", "image", "depth", "color", "label"):
        if getattr(given, name) and name not in asked:
            raise InputError(f"--{name} does nothing with --by {given.by}; leave it out.")


def cover(given: argparse.Namespace) -> None:
    _check_cover(given)
    files.check_picture(given.out, exact=True)
    regions = files.load_regions(given.folder)
    image = files.read_image(given.image) if given.image else None
    segmenter = None
    if image is not None and given.method == "segment":
        model = engine.load_sam2(given.model, device=given.device)
        segmenter = point_segmenter(model, picture_of_size(image, regions.size)[..., :3])
    filled = engine.fill_coverage(
        regions,
        method=given.method,
        overlaps=given.overlaps,
        max_gap=given.max_gap,
        min_gap_area=given.min_gap_area,
        image=image,
        segmenter=segmenter,
        image_cost=given.image_cost,
        depth=files.read_plane(given.depth) if given.depth else None,
        near_is=given.near_is,
        progress=Bar("filling"),
    )
    files.write_labels(given.out, ids_map(filled) + 1)
    before, after = (engine.measure_coverage(some).facts() for some in (regions, filled))
    print(json.dumps({"before": before, "after": after}))


def _check_cover(given: argparse.Namespace) -> None:
    """Refuse a way of filling without what it needs, or with a model that it has no use for."""
    if given.model and given.method != "segment":
        raise InputError("--model is for --method segment; leave it out.")
    if given.method == "segment" and not (given.image and given.model):
        raise InputError("--method segment needs --model, such as nano, and --image.")
    if given.method == "edges" and not given.image:
        raise InputError("--method edges needs --image, the picture whose edges count.")
    if given.overlaps == "nearest_depth" and not given.depth:
        raise InputError("--overlaps nearest_depth needs --depth.")
    if given.overlaps != "nearest_depth":
        options.refuse_idle(given, ["depth", "near_is"], "--overlaps nearest_depth")
    if given.method not in ("edges", "segment"):
        options.refuse_idle(given, ["image"], "--method edges or segment")
    if given.method not in ("new_regions", "segment"):
        options.refuse_idle(given, ["min_gap_area"], "--method new_regions or segment")
    if given.method != "edges":
        options.refuse_idle(given, ["image_cost"], "--method edges")
    if given.method != "segment":
        options.refuse_idle(given, ["device"], "--method segment")


def apply(given: argparse.Namespace) -> None:
    files.check_picture(given.out)
    base, effect = files.read_image(given.base), files.read_image(given.effect)
    strength = files.read_plane(given.field)
    files.write_image(given.out, engine.composite(base, effect, strength, space=given.space))


def demo(given: argparse.Namespace) -> None:
    files.check_folder(given.out)
    run_demo(given.out, given.model, Bar)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0, 2 for what a user can mend, 130 interrupted."""
    given = make_parser().parse_args(argv)
    try:
        given.run(given)
    except InputError as error:
        line = " ".join(str(error).split())
        print(f"region-fields {given.verb}: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"region-fields {given.verb}: interrupted", file=sys.stderr)
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage before it.

    What begins with a minus and a digit is a value, as of --anchor -10,20; argparse sees that of a
    number alone.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._negative_number_matcher = re.compile(r"^-\.?\d")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Tells the defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        told = action.default is not None and action.default is not False
        return super()._get_help_string(action) if told else action.help


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="region-fields",
        description="SAM 2 regions and continuous strength fields, without ComfyUI.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(
            name,
            help=text,
            description=text,
            formatter_class=_Help,
        )
        made.set_defaults(run=run, parser=made)
        return made

    options.segment_options(verb("segment", segment, "find the regions of an image"))
    options.select_options(
        verb("select", select, "pick regions of a segmented folder into one mask")
    )
    options.cover_options(
        verb("cover", cover, "give every pixel to one region; report the coverage")
    )
    field_options(
        verb("field", field, "make a strength field from depth, distance and other fields")
    )
    options.apply_options(verb("apply", apply, "mix two images by a field"))
    made = verb("demo", demo, "run all of it on the bundled scene")
    made.add_argument("--out", type=Path, required=True, help="folder for the results")
    made.add_argument("--model", default="nano", help=options.MODEL)
    return parser


if __name__ == "__main__":
    sys.exit(main())
