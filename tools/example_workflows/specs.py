"""The example workflows: which nodes, where, with what values, joined how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CONVERTED = "https://huggingface.co/Kijai/sam2-safetensors/resolve/main/"
SIZES = ("tiny", "small", "base_plus", "large")
MODELS = [
    {"name": name, "url": CONVERTED + name, "directory": "sam2"}
    for name in (f"sam2.1_hiera_{size}.safetensors" for size in SIZES)
]
PHOTO, DEPTH, DUSK = "still_life.jpg", "still_life_depth.png", "still_life_dusk.jpg"


@dataclass(frozen=True)
class Node:
    """A node: its column and top in pixels, its size, widget values, and links by input name.

    links: input -> (key of another node, name of its output). models: files it may load.
    """

    type: str
    at: tuple[int, int]
    size: tuple[int, int]
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, tuple[str, str]] = field(default_factory=dict)
    title: str = ""
    models: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Workflow:
    """A saved workflow. groups: title -> (x, y, width, height). result: the node to picture.

    note: what it shows. tries: what to change first; both stand in a note above the graph. Nodes
    keep 60 pixels apart from top to bottom, as Nodes 2.0 draws them taller than the canvas does.
    samples: it needs a checkpoint to run whole, so only what leads to `result` is run.
    """

    name: str
    nodes: dict[str, Node]
    groups: dict[str, tuple[int, int, int, int]]
    result: str
    note: str
    tries: str
    samples: bool = False


FIRST_RUN = (
    "**First run:** copy the pictures in this pack's **example_workflows/inputs** folder to "
    "ComfyUI's **input** folder, press **R**, then **Run**."
)


def note_of(workflow: Workflow) -> Node:
    """What a newcomer should read first, above the graph."""
    words = "\n\n".join((workflow.note, FIRST_RUN, f"**Then:** {workflow.tries}"))
    return Node("MarkdownNote", (20, -240), (860, 200), {"text": words}, title="Read me")


def load_sam2(at: tuple[int, int]) -> Node:
    return Node("RegionFields_LoadSam2", at, (320, 130), models=MODELS)


def load_photo(file: str, at: tuple[int, int], title: str = "") -> Node:
    return Node("LoadImage", at, (320, 330), {"image": file}, title=title)


def _everything(at: tuple[int, int]) -> Node:
    return Node(
        "RegionFields_SegmentEverything",
        at,
        (340, 440),
        {
            "min_mask_region_area": 400,
        },
        {"image": ("photo", "IMAGE"), "model": ("model", "model")},
    )


SUBJECT = Workflow(
    "subject_keeps_its_light",
    {
        "photo": load_photo(PHOTO, (40, 80), "Photo"),
        "depth": load_photo(DEPTH, (40, 470), "Depth, near is white"),
        "dusk": load_photo(DUSK, (40, 860), "The same at dusk"),
        "model": load_sam2((420, 80)),
        "everything": _everything((420, 260)),
        "look": Node(
            "RegionFields_PreviewRegions",
            (800, 80),
            (360, 470),
            {"ids": True},
            {"regions": ("everything", "regions"), "image": ("photo", "IMAGE")},
        ),
        "subject": Node(
            "RegionFields_SelectSubject",
            (800, 610),
            (320, 120),
            {},
            {"regions": ("everything", "regions")},
        ),
        "distance": Node(
            "RegionFields_FieldFromDistance",
            (1220, 80),
            (340, 400),
            {"inner_radius": 4, "outer_radius": 220, "invert": True},
            {"anchor": ("subject", "selected")},
            title="Grows with distance from the subject",
        ),
        "far": Node(
            "RegionFields_FieldFromDepth",
            (1220, 560),
            (340, 520),
            {"band.near": 0.6, "band.far": 1.0, "near_feather": 0.6, "far_feather": 0.0},
            {"depth": ("depth", "IMAGE")},
            title="Grows with depth",
        ),
        "both": Node(
            "RegionFields_CombineFields",
            (1620, 80),
            (340, 240),
            {"mode": "mean"},
            {"fields.field0": ("distance", "field"), "fields.field1": ("far", "field")},
        ),
        "kept": Node(
            "RegionFields_CombineFields",
            (1620, 380),
            (340, 240),
            {"mode": "min"},
            {"fields.field0": ("distance", "field"), "fields.field1": ("both", "field")},
            title="None on the subject itself",
        ),
        "heat": Node(
            "RegionFields_PreviewField",
            (1620, 680),
            (360, 440),
            {"contours": 7},
            {"field": ("kept", "field"), "image": ("photo", "IMAGE")},
        ),
        "mixed": Node(
            "RegionFields_CompositeByField",
            (2040, 80),
            (340, 150),
            {"space": "linear"},
            {
                "base": ("photo", "IMAGE"),
                "effect": ("dusk", "IMAGE"),
                "field": ("kept", "field"),
            },
        ),
        "save": Node(
            "SaveImage",
            (2040, 320),
            (360, 400),
            {"filename_prefix": "region_fields/subject"},
            {"images": ("mixed", "image")},
        ),
    },
    {
        "Inputs": (20, 10, 360, 1220),
        "Regions, and the one to keep": (400, 10, 780, 740),
        "How strongly, everywhere": (1200, 10, 800, 1130),
        "The result": (2020, 10, 400, 740),
    },
    "save",
    "Everything is segmented, the subject is picked, and the rest of the picture "
    "falls into dusk by a field made of distance from the subject and depth.",
    "put your own photo in, with an official SAM 2 model and the usual thresholds (0.8 and 0.95); "
    "pick another region with Select Regions in place of Select Subject.",
)

CLICK = Workflow(
    "click_and_composite",
    {
        "photo": load_photo(PHOTO, (40, 80), "Photo"),
        "model": load_sam2((40, 470)),
        "click": Node(
            "RegionFields_SegmentPrompts",
            (420, 80),
            (460, 760),
            {"points": "@clicks", "choice": "best", "refine": 2, "feather": 2.0},
            {"image": ("photo", "IMAGE"), "model": ("model", "model")},
        ),
        "channel": Node(
            "ImageToMask",
            (940, 80),
            (280, 90),
            {"channel": "green"},
            {"image": ("photo", "IMAGE")},
        ),
        "grey": Node("MaskToImage", (940, 250), (280, 60), {}, {"mask": ("channel", "MASK")}),
        "mixed": Node(
            "RegionFields_CompositeByField",
            (940, 400),
            (320, 150),
            {"space": "linear"},
            {
                "base": ("grey", "IMAGE"),
                "effect": ("photo", "IMAGE"),
                "field": ("click", "mask"),
            },
        ),
        "save": Node(
            "SaveImage",
            (1320, 80),
            (420, 420),
            {"filename_prefix": "region_fields/click"},
            {"images": ("mixed", "image")},
        ),
    },
    {
        "Inputs": (20, 10, 360, 590),
        "Click on what to keep": (400, 10, 500, 860),
        "Colour only in the mask": (920, 10, 360, 570),
        "The result": (1300, 10, 460, 520),
    },
    "save",
    "A few clicks, one mask with a soft edge, and the picture stays in colour only there.",
    "click on something else in the editor; the mask follows. Right click takes away, dragging "
    "draws a box.",
)

COVERAGE = Workflow(
    "coverage_before_and_after",
    {
        "photo": load_photo(PHOTO, (40, 80), "Photo"),
        "model": load_sam2((40, 470)),
        "everything": _everything((420, 80)),
        "before": Node(
            "RegionFields_MeasureCoverage",
            (820, 80),
            (380, 250),
            {},
            {"regions": ("everything", "regions")},
            title="Coverage before",
        ),
        "gaps": Node(
            "RegionFields_PreviewRegions",
            (820, 390),
            (380, 480),
            {"only_uncovered": True},
            {"regions": ("everything", "regions"), "image": ("photo", "IMAGE")},
            title="In no region",
        ),
        "fill": Node(
            "RegionFields_FillCoverage",
            (1260, 80),
            (380, 290),
            {"method": "nearest", "overlaps": "smallest"},
            {"regions": ("everything", "regions")},
        ),
        "after": Node(
            "RegionFields_MeasureCoverage",
            (1260, 440),
            (380, 250),
            {},
            {"regions": ("fill", "regions")},
            title="Coverage after",
        ),
        "look": Node(
            "RegionFields_PreviewRegions",
            (1680, 80),
            (380, 480),
            {"ids": True},
            {"regions": ("fill", "regions"), "image": ("photo", "IMAGE")},
            title="Every pixel in exactly one",
        ),
        "save": Node(
            "SaveImage",
            (2120, 80),
            (380, 420),
            {"filename_prefix": "region_fields/coverage"},
            {"images": ("look", "image")},
        ),
    },
    {
        "Inputs": (20, 10, 360, 590),
        "Before": (400, 10, 820, 880),
        "After": (1240, 10, 840, 700),
        "The result": (2100, 10, 420, 520),
    },
    "save",
    "What automatic segmentation leaves out, measured and shown, and the same picture as a "
    "partition.",
    "set Fill Coverage to edges or segment and compare where the borders run.",
)

WORKFLOWS = (SUBJECT, CLICK, COVERAGE)
CLICKS = [{"x": 483, "y": y, "label": 1} for y in (330, 200, 440)]
BALL = [{"x": 587, "y": 495, "label": 0}]
BOX = {"x": 370, "y": 135, "width": 226, "height": 345}
